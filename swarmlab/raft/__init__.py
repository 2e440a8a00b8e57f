"""Raft: how the managers agree on one log although some of them fail.

Read `messages`, then `core` (all decisions, pure), with `log` and `progress` beside it; then `node`
(one replica on a machine) and `storage` (what it remembers). The whole algorithm as SwarmKit runs
etcd's: see the head of `core`.
"""

from swarmlab.raft.core import Raft, Ready, Role
from swarmlab.raft.messages import (
    Entry,
    EntryKind,
    HardState,
    Member,
    MembershipChange,
    Message,
    Snapshot,
)
from swarmlab.raft.node import RaftNode, StateMachine
from swarmlab.raft.records import (
    BecameFollower,
    BecameLeader,
    Campaigned,
    MembershipChanged,
    SnapshotRestored,
    SnapshotSent,
    Status,
    VotedFor,
)
from swarmlab.raft.storage import Codec, DamagedFile, Sealer, Storage

__all__ = [
    "BecameFollower",
    "BecameLeader",
    "Campaigned",
    "Codec",
    "DamagedFile",
    "Entry",
    "EntryKind",
    "HardState",
    "Member",
    "MembershipChange",
    "MembershipChanged",
    "Message",
    "Raft",
    "RaftNode",
    "Ready",
    "Role",
    "Sealer",
    "Snapshot",
    "SnapshotRestored",
    "SnapshotSent",
    "StateMachine",
    "Status",
    "Storage",
    "VotedFor",
]
