"""Raft's messages, log entries, snapshots and persistent state.

All are immutable: replicas, and copies of a whole simulation, share them by reference. A payload
is opaque here and appears in no repr. A heartbeat is an `AppendEntries` without entries.
Source: Raft paper (Ongaro and Ousterhout), figures 2 and 13; etcd-io/raft raftpb.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

from swarmlab.simulation import Shared


class EntryKind(IntEnum):
    NORMAL = 0  # `data` is the proposer's
    CHANGE = 1  # `data` is a MembershipChange
    NOOP = 2  # a new leader's first entry; committing it commits those of earlier terms


@dataclass(frozen=True, slots=True)
class Member(Shared):
    raft_id: int  # 63 random bits in SwarmKit; never reused, 0 means none
    node_id: str
    address: str  # `ip` or `ip:port`


@dataclass(frozen=True, slots=True)
class MembershipChange(Shared):
    add: bool  # a voter, or a voter's new address; False removes it for good
    member: Member


@dataclass(frozen=True, slots=True)
class Entry(Shared):
    index: int  # 1-based
    term: int
    kind: EntryKind
    data: object = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Snapshot(Shared):
    """The state machine at `index`; replaces every entry up to there."""

    index: int
    term: int  # of the entry at `index`
    members: tuple[Member, ...]
    data: object = field(repr=False)
    removed: tuple[int, ...] = ()  # raft ids that may never rejoin


@dataclass(frozen=True, slots=True)
class HardState(Shared):
    """What must survive a crash besides the log; `commit` may lag behind."""

    term: int = 0
    vote: int = 0  # raft id voted for in `term`; 0 = none
    commit: int = 0


@dataclass(frozen=True, slots=True)
class _Message(Shared):
    source: int  # raft id of the sender
    term: int  # of the sender


@dataclass(frozen=True, slots=True)
class RequestVote(_Message):
    last_index: int
    last_term: int
    transfer: bool = False  # the leader started this election, so its lease does not apply


class VoteRefusal(StrEnum):
    """Why a replica does not vote for a candidate."""

    TERM = "newer term"
    LEASE = "leader heard"  # within the minimum election timeout; the request gets no reply
    VOTED = "voted"  # for another, in this term
    LEADER = "leader known"  # of this term
    LOG = "newer log"


@dataclass(frozen=True, slots=True)
class VoteReply(_Message):
    granted: bool
    why: VoteRefusal | None = field(default=None, compare=False)  # for people; etcd sends none


@dataclass(frozen=True, slots=True)
class AppendEntries(_Message):
    prev_index: int  # of the entry before `entries`
    prev_term: int
    entries: tuple[Entry, ...]
    commit: int


@dataclass(frozen=True, slots=True)
class AppendReply(_Message):
    index: int  # the logs match up to here; rejected: they differ at this `prev_index`
    rejected: bool = False
    hint: int = 0  # rejected: probe this index next


@dataclass(frozen=True, slots=True)
class InstallSnapshot(_Message):
    snapshot: Snapshot


@dataclass(frozen=True, slots=True)
class TimeoutNow(_Message):
    """Leadership transfer: start an election at once."""


@dataclass(frozen=True, slots=True)
class MemberRemoved(_Message):
    """The reply to any message of a removed member. Source: swarmkit ErrMemberRemoved."""


Message = RequestVote | VoteReply | AppendEntries | AppendReply | InstallSnapshot | TimeoutNow
