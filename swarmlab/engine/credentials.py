"""A node's keys and certificate, and which messages from other nodes it accepts.

Every session in a swarm is mutual TLS: each side verifies the other's certificate, at virtual time,
against the root that it trusts. Source: swarmkit ca/{auth,keyreadwriter,renewer}.go.
"""

from __future__ import annotations

from swarmlab.errors import PermissionDenied
from swarmlab.manager.ca.certificates import Peer, new_key, verify
from swarmlab.manager.ca.data_keys import KEY_BYTES, KEY_FILE, KeyFile, Seal
from swarmlab.model import Role, messages
from swarmlab.model.trace_records import SessionRefused
from swarmlab.simulation import MINUTE, Machine

RENEWAL_FROM, RENEWAL_TO = 0.5, 0.8  # of a certificate's validity
MANAGERS_ONLY = messages.ControlRequest | messages.JoinRaft
OWN_NODE_ONLY = (
    messages.Register | messages.Heartbeat | messages.ReportStatus | messages.RenewCertificate
    | messages.AttachNetwork | messages.DetachNetwork
)  # fmt: skip


class Credentials:
    """The keys of one node, in memory and sealed on its disk."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self._file = KeyFile(machine.disk, machine.simulation)
        self._private_key = self.public_key = ""  # PEM
        self._data_key = b""
        self.unlock_key = ""
        self._last_refusal: dict[str, str] = {}  # peer -> why; a repeated one is not recorded again

    # -- keys ----------------------------------------------------------------------
    @property
    def locked(self) -> bool:
        """Whether the keys on the disk need the unlock key."""
        return not self._private_key and self._file.locked

    def create(self) -> None:
        """Create a key pair; the data key stays the same."""
        self._data_key = self._data_key or self.machine.simulation.random_bytes(KEY_BYTES)
        self._private_key, self.public_key = new_key(self.machine.simulation)
        self._write()

    def load(self, public_key: str, unlock_key: str = "") -> None:
        """Read the keys from the disk; Unauthorized when `unlock_key` does not open them."""
        self._private_key, self._data_key = self._file.read(unlock_key)
        self.public_key, self.unlock_key = public_key, unlock_key

    def _write(self) -> None:
        self._file.write(self._private_key, self._data_key, self.unlock_key)

    def relock(self, unlock_key: str) -> bool:
        """Seal the keys with another unlock key; an empty one means no seal.

        True when autolock was just switched on: then the data key is new as well, and Raft's log
        and snapshots have to be sealed again.
        """
        switched_on = bool(unlock_key) and not self.unlock_key
        self.unlock_key = unlock_key
        if switched_on:
            self._data_key = self.machine.simulation.random_bytes(KEY_BYTES)
        self._write()
        return switched_on

    def seal(self) -> Seal:
        """Encrypts this manager's Raft log and snapshots."""
        return Seal(self._data_key, self.machine.simulation)

    def forget(self) -> None:
        """Delete everything: the node is no longer a member of a swarm."""
        self._private_key = self.public_key = self.unlock_key = ""
        self._data_key = b""
        self.machine.presents = self.machine.trusts = ""
        self.machine.disk.delete(KEY_FILE)

    # -- certificates ----------------------------------------------------------------
    def present(self, certificate: str, root_certificate: str) -> None:
        """Present this certificate chain from now on, and trust this root."""
        self.machine.presents, self.machine.trusts = certificate, root_certificate

    def own_peer(self) -> Peer:
        """This node's own certificate, verified; PermissionDenied when it is not valid now."""
        machine = self.machine
        return verify(machine.presents, machine.trusts, machine.simulation.now_ns)

    def renewal_ns(self) -> int:
        """The time until renewal: a random minute at 50 to 80 % of the certificate's validity."""
        own, simulation = self.own_peer(), self.machine.simulation
        validity_ns = own.not_after_ns - own.not_before_ns
        share = simulation.rng.uniform(RENEWAL_FROM, RENEWAL_TO)
        when_ns = own.not_before_ns + int(validity_ns * share) // MINUTE * MINUTE
        return max(when_ns - simulation.now_ns, MINUTE)

    # -- sessions --------------------------------------------------------------------
    def authorize(
        self, source: str, body: messages.Message | None, removed: tuple[str, ...]
    ) -> Peer:
        """The verified sender on machine `source`; PermissionDenied when it may not send this.

        `body` is the call, or None for one-way messages: Raft's and the dispatcher's.
        """
        other, now_ns = self.machine.network.machines[source], self.machine.simulation.now_ns
        try:
            peer = verify(other.presents, self.machine.trusts, now_ns)
            own = verify(self.machine.presents, other.trusts, now_ns)
            if reason := _reason_to_refuse(peer, own, body, removed):
                raise PermissionDenied(f"Permission denied: {reason}")
        except PermissionDenied as error:
            why = str(error.args[0])
            if self._last_refusal.get(source) != why:
                self._last_refusal[source] = why
                self.machine.record(SessionRefused, source, why)
            raise
        self._last_refusal.pop(source, None)
        return peer


def _reason_to_refuse(
    peer: Peer, own: Peer, body: messages.Message | None, removed: tuple[str, ...]
) -> str:
    """Why `peer` may not send `body`; empty when it may. Source: swarmkit ca/auth.go."""
    if peer.cluster_id != own.cluster_id:
        return f"remote certificate not part of organization: {own.cluster_id}"
    if peer.node_id in removed:
        return f"node {peer.node_id} was removed from swarm"
    managers_only = body is None or isinstance(body, MANAGERS_ONLY)
    of_another = isinstance(body, OWN_NODE_ONLY) and body.node_id != peer.node_id
    if peer.role is not Role.MANAGER and (managers_only or of_another):
        return (
            "unauthorized peer role: rpc error: code = PermissionDenied desc = Permission denied: "
            "remote certificate not part of OUs: [swarm-manager]"
        )
    return ""
