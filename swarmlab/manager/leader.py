"""The leader as command handlers see it: its simulation, and the members of its Raft group."""

from __future__ import annotations

from typing import Protocol

from swarmlab.raft import quorum
from swarmlab.simulation import Simulation


class Leader(Protocol):
    simulation: Simulation

    def member_ids(self) -> list[str]:
        """The node ids of all members."""

    def reachable_ids(self) -> list[str]:
        """The node ids of the members that answer this leader."""


def is_safe_to_remove(leader: Leader, node_id: str) -> bool:
    """Whether the reachable members other than `node_id` still make a quorum of what is left."""
    others = [other for other in leader.reachable_ids() if other != node_id]
    return len(others) >= quorum(len(leader.member_ids()) - 1)
