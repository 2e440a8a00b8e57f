"""The trace: all events of a run as typed records. Equal seeds give equal traces.

Kinds of record are classes in `model/trace_records.py`. A record holds names, ids, numbers and
messages: never a payload, a token or a key.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

from swarmlab.simulation.shared import Shared


@dataclass(frozen=True, slots=True)
class Record(Shared):
    """One event, `at_ns` nanoseconds after the virtual epoch, on machine `where`."""

    at_ns: int
    where: str


@dataclass(frozen=True, slots=True)
class Failed(Record):
    """An unexpected exception ended an event, and with it the program of machine `where`."""

    error: str  # its class


R = TypeVar("R", bound=Record)


class Trace:
    """All records, in order.

    `cluster.trace.records[-1]`. Lesson: 00_start_here.
    """

    def __init__(self) -> None:
        self.records: list[Record] = []

    def add(self, record: Record) -> None:
        self.records.append(record)

    def of(self, kind: type[R]) -> list[R]:
        """The records of one kind, oldest first."""
        return [record for record in self.records if isinstance(record, kind)]

    def __len__(self) -> int:
        return len(self.records)

    def __iter__(self) -> Iterator[Record]:
        return iter(self.records)

    def digest(self) -> str:
        """SHA-256 over all records, hexadecimal: equal traces, equal digests."""
        sha = hashlib.sha256()
        for record in self.records:
            sha.update(repr(record).encode())
        return sha.hexdigest()

    def __repr__(self) -> str:
        return f"<Trace of {len(self.records)} records>"
