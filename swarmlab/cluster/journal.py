"""The journal: what was done to a cluster from outside, and when; enough to replay a whole run.

A saved cluster is data, never code: a small JSON file with the configuration and this journal.
Reads are not in it, since they change nothing. What is recorded of a request: `recording`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One action, `at_ns` after the virtual epoch: a verb and its arguments."""

    at_ns: int
    verb: str
    args: tuple[Any, ...] = ()
