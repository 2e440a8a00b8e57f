"""The role manager: makes a node's role follow the role that its spec asks for.

A promotion takes effect at once: the node renews its certificate and then asks to join Raft. A
demotion first takes the member out of Raft, which may have to wait for a quorum, and only then
changes the role. Source: swarmkit manager/role_manager.go.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from swarmlab.manager.control_loop import ControlLoop
from swarmlab.manager.store import Change, Store, update
from swarmlab.model import Node, Role, StoreObject
from swarmlab.simulation import S, Simulation

RETRY_NS = 5 * S


class RoleManager(ControlLoop):
    """`decide` changes roles; `to_remove` lists the members that must leave Raft first."""

    watches = (Node,)

    def __init__(self, simulation: Simulation, view: Store) -> None:
        self.simulation = simulation
        self._pending = {n.id: None for n in view.all(Node) if n.spec.role is not n.role}
        self.member_ids: Collection[str] = ()  # node ids in Raft; the manager keeps this up to date
        self.to_remove: list[str] = []
        self._retry_ns: int | None = None

    def see(self, old: StoreObject | None, new: StoreObject | None) -> bool:
        if isinstance(new, Node) and new.spec.role is not new.role:
            self._pending[new.id] = None
            return True
        return False

    def decide(self, view: Store) -> list[Change]:
        changes: list[Change] = []
        self.to_remove = []
        for id in list(self._pending):
            node = view.nodes.get(id)
            if node is None or node.spec.role is node.role:
                del self._pending[id]
            elif node.spec.role is Role.MANAGER or id not in self.member_ids:
                changes.append(update(replace(node, role=node.spec.role)))
            else:
                self.to_remove.append(id)
        self._retry_ns = self.simulation.now_ns + RETRY_NS if self.to_remove else None
        return changes

    def alarm_ns(self) -> int | None:
        return self._retry_ns
