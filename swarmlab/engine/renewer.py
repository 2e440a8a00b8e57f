"""Renews a node's certificate in time, or when it is told to. Source: swarmkit ca/renewer.go."""

from __future__ import annotations

from typing import Protocol

from swarmlab.engine.credentials import Credentials
from swarmlab.engine.join import Identity
from swarmlab.errors import NotLeader
from swarmlab.manager.manager import Manager
from swarmlab.model.messages import Issued, RenewCertificate
from swarmlab.simulation import MS, Call, Machine, Timer

# The first try after half a second; each failure doubles the wait, up to about half an hour.
DELAY_NS, FACTOR, FACTORS_MAX = 500 * MS, 2, 12


class Certified(Protocol):
    """The node whose certificate it is."""

    machine: Machine
    identity: Identity | None
    manager: Manager | None
    credentials: Credentials

    def certified(self, issued: Issued, remote: str) -> None: ...


class Renewer:
    def __init__(self, node: Certified) -> None:
        self.node = node
        self._planned: Timer | None = None

    def plan(self) -> None:
        """Renew in the middle of the present certificate's life."""
        if self._planned is not None:
            self._planned.cancel()
        delay_ns = self.node.credentials.renewal_ns()
        self._planned = self.node.machine.after(delay_ns, self._renew, 0)

    def soon(self) -> None:
        """Renew now: the role has changed, or the root is about to."""
        self.node.machine.after(DELAY_NS, self._renew, 0)

    def _renew(self, failures: int) -> None:
        node, machine, identity = self.node, self.node.machine, self.node.identity
        if identity is None:
            return
        remote = machine.simulation.rng.choice(identity.managers)
        target = machine.peer(remote)
        answer = Call().fail(NotLeader())
        if target is not None and (target is not machine or node.manager is not None):
            body = RenewCertificate(identity.node_id, node.credentials.public_key)
            answer = machine.call(target.name, body)
        answer.then(self._renewed, remote, failures)

    def _renewed(self, answer: Call, remote: str, failures: int) -> None:
        if self.node.identity is None:
            return
        if answer.error is not None:
            delay_ns = DELAY_NS * FACTOR ** min(failures, FACTORS_MAX)
            self.node.machine.after(delay_ns, self._renew, failures + 1)
        else:
            self.node.certified(answer.value, remote)
            self.plan()
