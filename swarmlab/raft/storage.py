"""Stores term, vote, log and snapshot on a machine's disk: encrypted, checksummed, crash-safe.

    swarm/raft/wal        appended records: length, checksums, then sealed: hard state and entries
    swarm/raft/snapshot   one such record: index, term, members, the state machine's data

A record that is cut off by the end of the file was never synced or acknowledged, and is dropped.
Any other mismatch is damage. Source: swarmkit manager/state/raft/storage.go.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple
from struct import Struct
from typing import NamedTuple, Protocol
from zlib import crc32

from swarmlab.errors import SwarmError
from swarmlab.raft.messages import Entry, EntryKind, HardState, Member, MembershipChange, Snapshot
from swarmlab.simulation import Disk

PREFIX = "swarm/raft/"
WAL, SNAPSHOT = PREFIX + "wal", PREFIX + "snapshot"

_LENGTH = Struct(">I")
_HEADER = Struct(">III")  # length of the sealed bytes, its checksum, theirs
_HARD_STATE = Struct(">QQQ")  # term, vote, commit
_ENTRY = Struct(">QQBI")  # index, term, kind, length of the data
_SNAPSHOT = Struct(">QQI")  # index, term, length of the members


class DamagedFile(SwarmError):
    """A file of the Raft directory is corrupt."""

    def __init__(self, name: str, what: str) -> None:
        super().__init__(f"{name}: {what}; the file is damaged")


class Codec(Protocol):
    """Payloads, and the state machine's snapshots, as bytes."""

    def encode(self, data: object) -> bytes: ...
    def decode(self, data: bytes) -> object: ...


class Sealer(Protocol):
    """Encrypts at rest; `open` raises on data that `seal` did not make with this key."""

    def seal(self, data: bytes) -> bytes: ...
    def open(self, data: bytes) -> bytes: ...


class Stored(NamedTuple):
    """The contents of the disk; the entries follow the snapshot without a gap."""

    hard_state: HardState
    snapshot: Snapshot | None
    entries: list[Entry]


class Storage:
    """The Raft directory of one machine. After a change of `sealer`, call `save`."""

    def __init__(self, disk: Disk, codec: Codec, sealer: Sealer | None = None) -> None:
        self.sealer = sealer  # None: nothing is encrypted
        self._disk = disk
        self._codec = codec

    def erase(self) -> None:
        """Delete everything."""
        self._disk.delete(PREFIX)

    # -- writing ---------------------------------------------------------------------
    def append(self, hard_state: HardState, entries: Sequence[Entry]) -> None:
        """Append one record, unsynced; `entries` replace all at their indexes and after."""
        self._disk.append(WAL, self._log_record(hard_state, entries))

    def sync(self) -> None:
        """Make all appended records crash-safe."""
        self._disk.sync(WAL)

    def save(self, hard_state: HardState, snapshot: Snapshot, entries: Sequence[Entry]) -> None:
        """Atomically replace everything by a snapshot and the entries after it."""
        members = json.dumps([[astuple(m) for m in snapshot.members], snapshot.removed]).encode()
        header = _SNAPSHOT.pack(snapshot.index, snapshot.term, len(members))
        record = self._record(header + members + self._codec.encode(snapshot.data))
        self._disk.write(SNAPSHOT, record)
        self._disk.write(WAL, self._log_record(hard_state, entries))

    def _log_record(self, hard_state: HardState, entries: Iterable[Entry]) -> bytes:
        parts = [_HARD_STATE.pack(hard_state.term, hard_state.vote, hard_state.commit)]
        encode, pack, normal = self._codec.encode, _ENTRY.pack, EntryKind.NORMAL
        for entry in entries:
            kind, data = entry.kind, b""
            if kind is normal:
                data = encode(entry.data)
            elif isinstance(entry.data, MembershipChange):
                data = json.dumps(astuple(entry.data)).encode()
            parts += (pack(entry.index, entry.term, kind, len(data)), data)
        return self._record(b"".join(parts))

    def _record(self, data: bytes) -> bytes:
        sealed = self.sealer.seal(data) if self.sealer else data
        length = len(sealed)
        return _HEADER.pack(length, crc32(_LENGTH.pack(length)), crc32(sealed)) + sealed

    # -- reading ---------------------------------------------------------------------
    def load(self) -> Stored:
        """Read everything; an unfinished last record is cut off. Raises DamagedFile."""
        snapshot = self._load_snapshot() if SNAPSHOT in self._disk else None
        if snapshot is not None and WAL not in self._disk:
            raise DamagedFile(WAL, "missing beside a snapshot")
        hard_state, first = HardState(), snapshot.index + 1 if snapshot else 1
        entries: list[Entry] = []
        for record in self._records(WAL) if WAL in self._disk else ():
            hard_state = HardState(*_HARD_STATE.unpack_from(record))
            for entry in self._entries(record):
                if entry.index > first + len(entries):
                    raise DamagedFile(WAL, f"entry {entry.index} follows a gap")
                if entry.index >= first:
                    del entries[entry.index - first :]
                    entries.append(entry)
        if hard_state.commit >= first + len(entries):
            raise DamagedFile(WAL, f"entry {hard_state.commit} was committed but is missing")
        return Stored(hard_state, snapshot, entries)

    def _load_snapshot(self) -> Snapshot:
        for record in self._records(SNAPSHOT):
            index, term, length = _SNAPSHOT.unpack_from(record)
            end = _SNAPSHOT.size + length
            members, removed = json.loads(record[_SNAPSHOT.size : end])
            members = tuple(Member(*member) for member in members)
            return Snapshot(index, term, members, self._codec.decode(record[end:]), tuple(removed))
        raise DamagedFile(SNAPSHOT, "too short")

    def _records(self, name: str) -> Iterator[bytes]:
        """The decrypted records of a file, in order."""
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
            yield self.sealer.open(sealed) if self.sealer else sealed
            at = end
        if at < len(data) and name == WAL:
            self._disk.write(WAL, data[:at])

    def _entries(self, record: bytes) -> Iterator[Entry]:
        at = _HARD_STATE.size
        while at < len(record):
            index, term, number, length = _ENTRY.unpack_from(record, at)
            at += _ENTRY.size + length
            data, kind = record[at - length : at], EntryKind(number)
            payload: object = None
            if kind is EntryKind.NORMAL:
                payload = self._codec.decode(data)
            elif kind is EntryKind.CHANGE:
                add, member = json.loads(data)
                payload = MembershipChange(add, Member(*member))
            yield Entry(index, term, kind, payload)

    # -- membership without an election ----------------------------------------------
    def bootstrap(self, members: Sequence[Member]) -> None:
        """Bootstrap a group: append committed membership entries. Source: etcd bootstrap.go."""
        self.erase()
        self._append_committed(HardState(term=1), [], [MembershipChange(True, m) for m in members])

    def force_new_cluster(self, raft_id: int) -> None:
        """Drop uncommitted entries, and append committed removals of all other members.

        Raises DamagedFile. Source: swarmkit manager/state/raft/storage.go (ForceNewCluster).
        """
        state, snapshot, entries = self.load()
        members = dict.fromkeys(snapshot.members if snapshot else ())
        committed = [entry for entry in entries if entry.index <= state.commit]
        for entry in committed:
            if isinstance(change := entry.data, MembershipChange):
                members = {m: None for m in members if m.raft_id != change.member.raft_id}
                members |= {change.member: None} if change.add else {}
        others = [MembershipChange(False, m) for m in members if m.raft_id != raft_id]
        self._append_committed(state, committed, others)

    def _append_committed(
        self, state: HardState, entries: list[Entry], changes: Iterable[MembershipChange]
    ) -> None:
        for commit, change in enumerate(changes, state.commit + 1):
            entries.append(Entry(commit, state.term, EntryKind.CHANGE, change))
            state = HardState(state.term, state.vote, commit)
        self._disk.write(WAL, self._log_record(state, entries))
