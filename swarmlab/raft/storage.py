"""Term, vote, log and snapshot on a machine's disk, sealed, checked, safe across a crash.

    swarm/raft/wal        records, appended: length, checksums, then sealed: hard state and entries
    swarm/raft/snapshot   one record: index, term, members, then the state machine's data

A record that the file ends within is a torn tail: it was never synced, so nobody was told of it,
and it is dropped. Any other disagreement is damage. Source: etcd server/storage/wal; swarmkit
manager/state/raft/storage.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass
from struct import Struct
from typing import Protocol
from zlib import crc32

from swarmlab.errors import SwarmError
from swarmlab.raft.messages import (
    NEW,
    Entry,
    EntryKind,
    HardState,
    Member,
    MembershipChange,
    Snapshot,
)
from swarmlab.simulation import Disk

PREFIX = "swarm/raft/"
WAL, SNAPSHOT = PREFIX + "wal", PREFIX + "snapshot"

_HEADER = Struct(
    ">III"
)  # length of the sealed bytes; checksum of the length; checksum of the bytes
_LENGTH = Struct(">I")
_HARD_STATE = Struct(">QQQ")  # term, vote, commit
_ENTRY = Struct(">QQBI")  # index, term, kind, length of the data
_SNAPSHOT = Struct(">QQI")  # index, term, length of the membership


class DamagedFile(SwarmError):
    """A file of the Raft directory holds something that was never written there."""

    def __init__(self, name: str, what: str) -> None:
        super().__init__(f"{name}: {what}; the file is damaged")


class Codec(Protocol):
    """Payloads, and the state machine's snapshots, as bytes."""

    def encode(self, data: object) -> bytes: ...
    def decode(self, data: bytes) -> object: ...


class Sealer(Protocol):
    """Encrypts at rest; `open` refuses what `seal` with this key did not make."""

    def seal(self, data: bytes) -> bytes: ...
    def open(self, data: bytes) -> bytes: ...


class Unsealed:
    """No encryption."""

    def seal(self, data: bytes) -> bytes:
        return data

    def open(self, data: bytes) -> bytes:
        return data


@dataclass(frozen=True, slots=True)
class Stored:
    """What the disk remembers; `entries` follow the snapshot without a gap."""

    hard_state: HardState = NEW
    snapshot: Snapshot | None = None
    entries: tuple[Entry, ...] = ()

    @property
    def members(self) -> dict[int, Member]:
        """Who was in the group at the commit index, by raft id."""
        members = {m.raft_id: m for m in (self.snapshot.members if self.snapshot else ())}
        for entry in self.entries:
            if entry.index <= self.hard_state.commit and isinstance(entry.data, MembershipChange):
                members.pop(entry.data.member.raft_id, None)
                if entry.data.add:
                    members[entry.data.member.raft_id] = entry.data.member
        return members


class Storage:
    """The Raft directory of one machine. `sealer` may be exchanged; `save` then seals all anew."""

    def __init__(self, disk: Disk, codec: Codec, sealer: Sealer | None = None) -> None:
        self.sealer: Sealer = sealer or Unsealed()
        self._disk = disk
        self._codec = codec

    # -- writing -----------------------------------------------------------------
    def append(self, hard_state: HardState, entries: Sequence[Entry]) -> None:
        """Add one record, unsynced; `entries` replace what stands at their indexes and after."""
        self._disk.append(WAL, self._log_record(hard_state, entries))

    def sync(self) -> None:
        """Make everything appended safe."""
        self._disk.sync(WAL)

    def save(
        self, snapshot: Snapshot | None, hard_state: HardState, entries: Sequence[Entry]
    ) -> None:
        """Replace everything, at once and for good: a snapshot, and the entries after it."""
        if snapshot is not None:
            members = json.dumps([[astuple(m) for m in snapshot.members], snapshot.removed])
            head = _SNAPSHOT.pack(snapshot.index, snapshot.term, len(members.encode()))
            data = self._codec.encode(snapshot.data)
            self._disk.write(SNAPSHOT, self._record(head + members.encode() + data))
        self._disk.write(WAL, self._log_record(hard_state, entries))

    def _log_record(self, hard_state: HardState, entries: Iterable[Entry]) -> bytes:
        parts = [_HARD_STATE.pack(hard_state.term, hard_state.vote, hard_state.commit)]
        for entry in entries:
            data = self._encode(entry)
            parts.append(_ENTRY.pack(entry.index, entry.term, entry.kind, len(data)))
            parts.append(data)
        return self._record(b"".join(parts))

    def _record(self, data: bytes) -> bytes:
        sealed = self.sealer.seal(data)
        length = len(sealed)
        return _HEADER.pack(length, crc32(_LENGTH.pack(length)), crc32(sealed)) + sealed

    def _encode(self, entry: Entry) -> bytes:
        if entry.kind is EntryKind.NORMAL:
            return self._codec.encode(entry.data)
        if isinstance(entry.data, MembershipChange):
            return json.dumps([entry.data.add, *astuple(entry.data.member)]).encode()
        return b""

    # -- reading -----------------------------------------------------------------
    def load(self) -> Stored:
        """What survived; a torn tail is dropped. Raises DamagedFile."""
        snapshot = self._load_snapshot() if SNAPSHOT in self._disk else None
        if WAL not in self._disk:
            if snapshot is not None:
                raise DamagedFile(WAL, "missing beside a snapshot")
            return Stored()
        hard_state, first = NEW, snapshot.index + 1 if snapshot else 1
        entries: list[Entry] = []
        for record in self._records(WAL):
            hard_state = HardState(*_HARD_STATE.unpack_from(record))
            for entry in self._decode(record):
                if entry.index > first + len(entries):
                    raise DamagedFile(WAL, f"entry {entry.index} follows a gap")
                if entry.index >= first:
                    del entries[entry.index - first :]
                    entries.append(entry)
        if hard_state.commit >= first + len(entries):
            raise DamagedFile(WAL, f"entry {hard_state.commit} was committed and is missing")
        return Stored(hard_state, snapshot, tuple(entries))

    def _load_snapshot(self) -> Snapshot:
        for record in self._records(SNAPSHOT):
            index, term, length = _SNAPSHOT.unpack_from(record)
            end = _SNAPSHOT.size + length
            members, removed = json.loads(record[_SNAPSHOT.size : end])
            group = tuple(Member(*member) for member in members)
            return Snapshot(index, term, group, self._codec.decode(record[end:]), tuple(removed))
        raise DamagedFile(SNAPSHOT, "too short")

    def _records(self, name: str) -> Iterator[bytes]:
        """The opened records of a file; cuts off a torn tail."""
        data, at = self._disk.read(name), 0
        while at + _HEADER.size <= len(data):
            length, length_check, check = _HEADER.unpack_from(data, at)
            if crc32(_LENGTH.pack(length)) != length_check:
                raise DamagedFile(name, f"no record begins at byte {at}")
            end = at + _HEADER.size + length
            if end > len(data):
                break
            sealed = data[at + _HEADER.size : end]
            if crc32(sealed) != check:
                raise DamagedFile(name, f"the record at byte {at} fails its checksum")
            yield self.sealer.open(sealed)
            at = end
        if at < len(data) and name == WAL:
            self._disk.write(WAL, data[:at])

    def _decode(self, record: bytes) -> Iterator[Entry]:
        at = _HARD_STATE.size
        while at < len(record):
            index, term, number, length = _ENTRY.unpack_from(record, at)
            at += _ENTRY.size + length
            data, kind = record[at - length : at], EntryKind(number)
            payload: object = None
            if kind is EntryKind.NORMAL:
                payload = self._codec.decode(data)
            elif kind is EntryKind.CHANGE:
                add, *member = json.loads(data)
                payload = MembershipChange(add, Member(*member))
            yield Entry(index, term, kind, payload)

    # -- beginnings ----------------------------------------------------------------
    def erase(self) -> None:
        """Forget everything."""
        self._disk.delete(PREFIX)

    def bootstrap(self, members: Sequence[Member]) -> None:
        """Found a group: `members` (mostly one) join by decree. Source: etcd bootstrap.go."""
        self.erase()
        changes = (MembershipChange(True, member) for member in members)
        entries = [Entry(i, 1, EntryKind.CHANGE, change) for i, change in enumerate(changes, 1)]
        self.save(None, HardState(1, 0, len(entries)), entries)

    def force_new_cluster(self, raft_id: int) -> None:
        """Drop what is not committed and remove every other member, by decree.

        Source: swarmkit manager/state/raft/storage.go, loadAndStart, with ForceNewCluster.
        """
        stored = self.load()
        state = stored.hard_state
        entries = [entry for entry in stored.entries if entry.index <= state.commit]
        commit = max(state.commit, stored.snapshot.index if stored.snapshot else 0)
        for member in stored.members.values():
            if member.raft_id != raft_id:
                commit += 1
                change = MembershipChange(False, member)
                entries.append(Entry(commit, state.term, EntryKind.CHANGE, change))
        self.save(None, HardState(state.term, state.vote, commit), entries)
