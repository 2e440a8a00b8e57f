"""The way into a swarm: what a founder brings, and what a newcomer asks for, step by step.

Source: moby daemon/cluster/swarm.go, swarmkit node/node.go, ca/certificates.go.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from swarmlab.engine.credentials import Credentials
from swarmlab.errors import EngineFault, InvalidArgument, NotAvailable, SwarmError, Unavailable
from swarmlab.manager.ca.certificates import (
    NO_EXTERNAL_AUTHORITY,
    digest_of,
    new_root,
    new_token,
    new_unlock_key,
    parse_token,
)
from swarmlab.manager.store import Change, Store, update
from swarmlab.model import Cluster, Document, Node, NodeSpec, NodeStatus, Role, SwarmNetwork
from swarmlab.model.messages import GetRootCertificate, IssueCertificate, Issued
from swarmlab.simulation import Call, Machine, S, Simulation

JOIN_LIMIT_NS, JOIN_TRIES, JOIN_RETRY_NS = 20 * S, 5, 2 * S
JOIN_TOO_SLOW = (
    "Timeout was reached before node joined. The attempt to join the swarm will continue in the "
    'background. Use the "docker info" command to see the current swarm status of your node.'
)


@dataclass(slots=True, kw_only=True)
class Identity:
    """Who this node is in its swarm; kept on disk."""

    node_id: str
    role: str
    cluster_id: str
    address: str  # `ip:port`, where the others reach it
    root_certificate: str
    certificate: str = ""  # the node's own, with what leads from it to the root, PEM
    public_key: str = ""
    managers: tuple[str, ...] = ()
    raft_id: int = 0  # 0: no seat in Raft


def advertised(request: Document, machine: Machine) -> str:
    """`ip:port` under which the others reach this node."""
    address = str(request.get("AdvertiseAddr") or machine.address)
    port = str(request.get("ListenAddr") or "0.0.0.0:2377").rsplit(":", 1)[-1]
    return address if ":" in address else f"{address}:{port}"


def first_objects(
    simulation: Simulation, request: Document, description: Document, address: str
) -> tuple[Cluster, Node, SwarmNetwork]:
    """What a fresh swarm's store holds: the cluster, its first node, the ingress network."""
    if request["Spec"].at("CAConfig", "ExternalCAs", default=()):
        raise InvalidArgument(NO_EXTERNAL_AUTHORITY)
    certificate, key = new_root(simulation)
    cluster = Cluster(
        id=simulation.new_id(),
        spec=request["Spec"],
        worker_token=new_token(certificate, simulation),
        manager_token=new_token(certificate, simulation),
        root_certificate=certificate,
        root_key=key,
        default_address_pool=tuple(request.get("DefaultAddrPool") or ("10.0.0.0/8",)),
        subnet_size=request.get("SubnetSize") or 24,
        data_path_port=request.get("DataPathPort") or 4789,
    )
    if cluster.autolock:
        cluster = cluster.with_(unlock_key=new_unlock_key(simulation))
    availability = (request.get("Availability") or "active").lower()
    node = Node(
        id=simulation.new_id(),
        spec=NodeSpec(Labels=Document(), Role=Role.MANAGER.value, Availability=availability),
        role=Role.MANAGER,
        status=NodeStatus(addr=address.rsplit(":", 1)[0]),
        description=description,
    )
    ingress = Document(Name="ingress", Driver="overlay", Ingress=True, Scope="swarm")
    return cluster, node, SwarmNetwork(id=simulation.new_id(), spec=ingress)


def merged(view: Store, spec: Document) -> list[Change]:
    """What a forced new cluster asks for goes into the spec that there is."""
    return [update(view.cluster.with_(spec=view.cluster.spec.with_(**spec)))]


class Newcomer(Protocol):
    """The node that wants to join."""

    machine: Machine
    name: str
    entering: Call | None
    credentials: Credentials

    def admitted(self, identity: Identity, remote: str) -> None: ...
    def entered(self, error: SwarmError | None) -> None: ...


class Joining:
    """One `docker swarm join` under way: look at the root, ask for a certificate, be let in."""

    def __init__(self, node: Newcomer, request: Document) -> None:
        self.node, self.machine, self.request = node, node.machine, request
        self.token = parse_token(request.get("JoinToken", ""))
        self.remotes = request["RemoteAddrs"]
        self.attempt = 0

    @property
    def remote(self) -> str:
        return str(self.remotes[self.attempt % len(self.remotes)])

    def begin(self) -> None:
        assert self.node.entering is not None
        self.node.credentials.create()
        self.machine.after(JOIN_LIMIT_NS, self._too_slow, self.node.entering)
        self._look_up_root()

    def _too_slow(self, call: Call) -> None:
        call.fail(NotAvailable(JOIN_TOO_SLOW))

    def _look_up_root(self) -> None:
        machine = self.machine.peer(self.remote)
        if machine is None or machine is self.machine:
            self.machine.after(JOIN_RETRY_NS, self._failed, refused(self.remote))
        else:
            root = self.machine.call(machine.name, GetRootCertificate(), timeout_ns=JOIN_RETRY_NS)
            root.then(self._check_root, machine.name)

    def _check_root(self, answer: Call, machine: str) -> None:
        if answer.error is not None:
            self._failed(refused(self.remote))
        elif digest_of(answer.value) != self.token.digest_hex:
            expected = self.token.digest_hex
            fault = EngineFault(f"remote CA does not match fingerprint. Expected: {expected}")
            self.machine.after(JOIN_RETRY_NS, self._failed, fault)
        else:
            body = IssueCertificate(
                self.request["JoinToken"],
                (self.request.get("Availability") or "active").lower(),
                self.node.name,
                advertised(self.request, self.machine).rsplit(":", 1)[0],
                self.node.credentials.public_key,
            )
            issued = self.machine.call(machine, body, timeout_ns=JOIN_LIMIT_NS)
            issued.then(self._issued, answer.value)

    def _failed(self, error: SwarmError) -> None:
        self.attempt += 1
        if self.attempt < JOIN_TRIES:
            self._look_up_root()
        else:
            self.node.entered(error)

    def _issued(self, answer: Call, root_certificate: str) -> None:
        if answer.error is not None:
            self.node.entered(answer.error)
            return
        issued: Issued = answer.value
        identity = Identity(
            node_id=issued.node_id,
            role=issued.role,
            cluster_id=issued.cluster_id,
            address=advertised(self.request, self.machine),
            root_certificate=root_certificate,
            certificate=issued.certificate,
            public_key=self.node.credentials.public_key,
            managers=issued.managers,
        )
        self.node.admitted(identity, self.remote)


def refused(remote: str) -> Unavailable:
    """Nobody listens at `remote`."""
    address = remote if ":" in remote else f"{remote}:2377"
    return Unavailable(
        'connection error: desc = "transport: Error while dialing: '
        f'dial tcp {address}: connect: connection refused"'
    )
