"""Raft: how the managers agree on one log although some of them fail.

Read `messages`, then `core` (all decisions, pure) with `log` and `progress`; then `node` (a replica
on a machine) and `storage` (what it remembers). `quorum` says how many
votes make a majority.
"""

from swarmlab.raft.core import Raft
from swarmlab.raft.messages import Member, MembershipChange
from swarmlab.raft.node import RaftNode, StateMachine
from swarmlab.raft.quorum import quorum
from swarmlab.raft.status import Status
from swarmlab.raft.storage import DamagedFile, Storage

__all__ = [
    "DamagedFile",
    "Member",
    "MembershipChange",
    "Raft",
    "RaftNode",
    "StateMachine",
    "Status",
    "Storage",
    "quorum",
]
