"""Renews a node's certificate before it expires, or on demand. Source: swarmkit ca/renewer.go."""

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


class CertifiedNode(Protocol):
    """The node whose certificate is renewed."""

    machine: Machine
    identity: Identity | None
    manager: Manager | None
    credentials: Credentials

    @property
    def manager_addresses(self) -> tuple[str, ...]: ...

    def certificate_renewed(self, issued: Issued, remote: str) -> None: ...


class Renewer:
    def __init__(self, node: CertifiedNode) -> None:
        self.node = node
        self._timer: Timer | None = None

    def schedule(self) -> None:
        """Renew at 50 to 80 % of the present certificate's validity."""
        if self._timer is not None:
            self._timer.cancel()
        delay_ns = self.node.credentials.renewal_ns()
        self._timer = self.node.machine.after(delay_ns, self._renew, 0)

    def renew_now(self) -> None:
        """The role has changed, or the root is being rotated."""
        self.node.machine.after(DELAY_NS, self._renew, 0)

    def _renew(self, failures: int) -> None:
        node, machine, identity = self.node, self.node.machine, self.node.identity
        if identity is None:
            return
        remote = machine.simulation.rng.choice(node.manager_addresses)
        target = machine.peer(remote)
        reply = Call().fail(NotLeader())
        if target is not None and (target is not machine or node.manager is not None):
            body = RenewCertificate(identity.node_id, node.credentials.public_key)
            reply = machine.call(target.name, body)
        reply.then(self._renewed, remote, failures)

    def _renewed(self, reply: Call, remote: str, failures: int) -> None:
        if self.node.identity is None:
            return
        if reply.error is not None:
            delay_ns = DELAY_NS * FACTOR ** min(failures, FACTORS_MAX)
            self.node.machine.after(delay_ns, self._renew, failures + 1)
        else:
            self.node.certificate_renewed(reply.value, remote)
            self.schedule()
