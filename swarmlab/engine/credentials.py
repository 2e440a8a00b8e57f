"""A node's keys and certificate: what it shows to others, whom it lets speak, what seals its log.

Every session in a swarm is mutual TLS: each side checks the other's certificate, at virtual time,
against the root that it trusts. Source: swarmkit ca/{auth,keyreadwriter,renewer}.go.
"""

from __future__ import annotations

from swarmlab.errors import PermissionDenied
from swarmlab.manager.ca.certificates import Peer, new_key, verify
from swarmlab.manager.ca.data_keys import KEY_BYTES, KEY_FILE, KeyFile, Seal
from swarmlab.model import Role
from swarmlab.model.messages import (
    Control,
    Heartbeat,
    JoinRaft,
    Message,
    Register,
    RenewCertificate,
    ReportStatus,
)
from swarmlab.model.trace_records import SessionRefused
from swarmlab.simulation import MINUTE, Machine

RENEWAL_FROM, RENEWAL_TO = 0.5, 0.8  # of a certificate's life
MANAGERS_ONLY = (Control, JoinRaft)
OWN_NAME_ONLY = (Register, Heartbeat, ReportStatus, RenewCertificate)


class Credentials:
    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self._file = KeyFile(machine.disk, machine.simulation)
        self._keys = "", "", b""  # private and public key, PEM; data key
        self.unlock_key = ""
        self._told: dict[str, str] = {}  # peer -> why it was refused last, so as to say it once

    # -- keys ----------------------------------------------------------------------
    @property
    def public_key(self) -> str:
        return self._keys[1]

    @property
    def locked(self) -> bool:
        """Whether the keys on the disk need the unlock key."""
        return not self._keys[0] and self._file.locked

    def create(self) -> None:
        """A fresh key pair; the data key stays."""
        data_key = self._keys[2] or self.machine.simulation.random_bytes(KEY_BYTES)
        self._keys = *new_key(self.machine.simulation), data_key
        self._write()

    def load(self, public_key: str, unlock_key: str = "") -> None:
        """Take the keys from the disk; Unauthorized when they are sealed with another key."""
        private_key, data_key = self._file.read(unlock_key)
        self._keys, self.unlock_key = (private_key, public_key, data_key), unlock_key

    def _write(self) -> None:
        self._file.write(self._keys[0], self._keys[2], self.unlock_key)

    def relock(self, unlock_key: str) -> bool:
        """Seal the keys with another unlock key (empty: with none); True when autolock was just
        switched on: then the data key is a new one, and everything has to be sealed with it."""
        switched_on = bool(unlock_key) and not self.unlock_key
        self.unlock_key = unlock_key
        if switched_on:
            fresh = self.machine.simulation.random_bytes(KEY_BYTES)
            self._keys = self._keys[0], self._keys[1], fresh
        self._write()
        return switched_on

    def seal(self) -> Seal:
        """What seals this manager's log and snapshots."""
        return Seal(self._keys[2], self.machine.simulation)

    def forget(self) -> None:
        """No longer part of a swarm."""
        self._keys, self.unlock_key = ("", "", b""), ""
        self.machine.presents = self.machine.trusts = ""
        self.machine.disk.delete(KEY_FILE)

    # -- certificates ----------------------------------------------------------------
    def show(self, certificate: str, root_certificate: str) -> None:
        """From now on present this chain, and trust this root."""
        self.machine.presents, self.machine.trusts = certificate, root_certificate

    def own(self) -> Peer:
        """Who this node is by its own certificate; refused when that is not valid now."""
        machine = self.machine
        return verify(machine.presents, machine.trusts, machine.simulation.now_ns)

    def renewal_ns(self) -> int:
        """How long to wait before renewing: until a random minute of the middle of its life."""
        own, simulation = self.own(), self.machine.simulation
        life_ns = own.not_after_ns - own.not_before_ns
        share = simulation.rng.uniform(RENEWAL_FROM, RENEWAL_TO)
        when_ns = own.not_before_ns + int(life_ns * share) // MINUTE * MINUTE
        return max(when_ns - simulation.now_ns, MINUTE)

    # -- sessions --------------------------------------------------------------------
    def admit(self, source: str, body: Message | None, removed: tuple[str, ...]) -> Peer:
        """Who speaks from machine `source`; PermissionDenied when it may not say this.

        `body` is the call, None for Raft's messages and for a dispatcher's news.
        """
        other, now_ns = self.machine.network.machines[source], self.machine.simulation.now_ns
        try:
            peer = verify(other.presents, self.machine.trusts, now_ns)
            me = verify(self.machine.presents, other.trusts, now_ns)
            if peer.cluster_id != me.cluster_id:
                raise PermissionDenied(
                    "Permission denied: remote certificate not part of organization: "
                    f"{me.cluster_id}"
                )
            if peer.node_id in removed:
                raise PermissionDenied(
                    f"Permission denied: node {peer.node_id} was removed from swarm"
                )
            managers_only = body is None or isinstance(body, MANAGERS_ONLY)
            of_another = isinstance(body, OWN_NAME_ONLY) and body.node_id != peer.node_id
            if peer.role is not Role.MANAGER and (managers_only or of_another):
                raise PermissionDenied(
                    "Permission denied: unauthorized peer role: rpc error: code = PermissionDenied "
                    "desc = Permission denied: remote certificate not part of OUs: [swarm-manager]"
                )
        except PermissionDenied as refusal:
            why = str(refusal.args[0])
            if self._told.get(source) != why:
                self._told[source] = why
                self.machine.record(SessionRefused, source, why)
            raise
        self._told.pop(source, None)
        return peer
