"""How a node joins a swarm: what the first manager stores, and the steps of `docker swarm join`.

Source: moby daemon/cluster/swarm.go, swarmkit node/node.go, ca/certificates.go.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from swarmlab.engine.credentials import Credentials
from swarmlab.errors import EngineFault, InvalidArgument, NotAvailable, SwarmError, Unavailable
from swarmlab.manager.ca import certificates, join_tokens
from swarmlab.manager.ca.data_keys import new_unlock_key
from swarmlab.manager.store import Change, Store, update
from swarmlab.model import (
    EMPTY,
    Cluster,
    Document,
    Node,
    NodeSpec,
    NodeStatus,
    Role,
    SwarmNetwork,
)
from swarmlab.model.messages import GetRootCertificate, IssueCertificate, Issued
from swarmlab.simulation import Call, Machine, S, Simulation

JOIN_LIMIT_NS, JOIN_ATTEMPTS, JOIN_RETRY_NS = 20 * S, 5, 2 * S
JOIN_TIMED_OUT = (
    "Timeout was reached before node joined. The attempt to join the swarm will continue in the "
    'background. Use the "docker info" command to see the current swarm status of your node.'
)


@dataclass(slots=True, kw_only=True)
class Identity:
    """Who this node is in its swarm; stored on disk."""

    node_id: str
    role: str
    cluster_id: str
    address: str  # `ip:port` at which the other nodes reach it
    root_certificate: str
    certificate: str = ""  # the node's own and its chain up to the root, PEM
    public_key: str = ""
    managers: tuple[str, ...] = ()  # addresses
    raft_id: int = 0  # 0: no Raft member


def advertised_address(request: Document, machine: Machine) -> str:
    """`ip:port` at which the other nodes reach this one."""
    address = str(request.get("AdvertiseAddr") or machine.address)
    port = request["ListenAddr"].rsplit(":", 1)[-1]
    return address if ":" in address else f"{address}:{port}"


def first_objects(
    simulation: Simulation, request: Document, description: Document, address: str
) -> tuple[Cluster, Node, SwarmNetwork]:
    """What the store of a new swarm holds: the cluster, its first node, the ingress network."""
    if request["Spec"].at("CAConfig", "ExternalCAs", default=()):
        raise InvalidArgument(certificates.NO_EXTERNAL_AUTHORITY)
    certificate, key = certificates.new_root(simulation)
    cluster = Cluster(
        id=simulation.new_id(),
        spec=request["Spec"],
        worker_token=join_tokens.new_token(certificate, simulation),
        manager_token=join_tokens.new_token(certificate, simulation),
        root_certificate=certificate,
        root_key=key,
        default_address_pool=request["DefaultAddrPool"],
        subnet_size=request["SubnetSize"],
        data_path_port=request["DataPathPort"],
    )
    if cluster.autolock:
        cluster = cluster.with_(unlock_key=new_unlock_key(simulation))
    role, availability = Role.MANAGER, request["Availability"]
    node = Node(
        id=simulation.new_id(),
        spec=NodeSpec(Labels=Document(), Role=role.value, Availability=availability),
        role=role,
        status=NodeStatus(addr=address.rsplit(":", 1)[0]),
        description=description,
    )
    ingress = Document(Name="ingress", Driver="overlay", Ingress=True, Scope="swarm")
    return cluster, node, SwarmNetwork(id=simulation.new_id(), spec=ingress)


def merge_cluster_spec(view: Store, spec: Document) -> list[Change]:
    """Merge the spec that `--force-new-cluster` was given into the stored one."""
    spec = _merged(view.cluster.spec, spec)
    return [update(view.cluster.with_(spec=view.cluster.spec.with_(**spec)))]


def _merged(stored: Document, given: Document) -> Document:
    """With the fields that are given, at any depth; a zero is none: clients send all fields."""
    fields = {key: value for key, value in given.items() if value}
    for key, value in fields.items():
        if isinstance(value, Document):
            fields[key] = _merged(stored.get(key) or EMPTY, value)
    return stored.with_(**fields)


class JoinOperation:
    """One `docker swarm join`: fetch and check the root certificate, then request a certificate.

    Calls `accepted(identity, remote)` when a manager issued one, else `failed(error)`.
    """

    def __init__(
        self,
        machine: Machine,
        credentials: Credentials,
        request: Document,
        accepted: Callable[[Identity, str], None],
        failed: Callable[[SwarmError], None],
    ) -> None:
        self.machine, self.credentials, self.request = machine, credentials, request
        self._accepted, self._failed = accepted, failed
        self.digest_hex = join_tokens.root_digest(request["JoinToken"])
        self.attempt = 0

    @property
    def remote(self) -> str:
        """The address of the manager that this attempt calls."""
        return str(self.request["RemoteAddrs"][self.attempt % len(self.request["RemoteAddrs"])])

    def start(self, join: Call) -> None:
        """Start; `join` fails when the client has waited too long."""
        self.credentials.create()
        self.machine.after(JOIN_LIMIT_NS, join.fail, NotAvailable(JOIN_TIMED_OUT))
        self._fetch_root()

    def _fetch_root(self) -> None:
        target = self.machine.peer(self.remote)
        if target is None or target is self.machine:
            self.machine.after(JOIN_RETRY_NS, self._retry, connection_refused(self.remote))
        else:
            reply = self.machine.call(target.name, GetRootCertificate(), timeout_ns=JOIN_RETRY_NS)
            reply.then(self._check_root, target.name)

    def _check_root(self, reply: Call, target: str) -> None:
        if reply.error is not None:
            self._retry(connection_refused(self.remote))
        elif join_tokens.digest_of(reply.value) != self.digest_hex:
            error = "remote CA does not match fingerprint. Expected: " + self.digest_hex
            self.machine.after(JOIN_RETRY_NS, self._retry, EngineFault(error))
        else:
            body = IssueCertificate(
                self.request["JoinToken"],
                self.request["Availability"],
                self.machine.name,
                advertised_address(self.request, self.machine).rsplit(":", 1)[0],
                self.credentials.public_key,
            )
            issued = self.machine.call(target, body, timeout_ns=JOIN_LIMIT_NS)
            issued.then(self._issued, reply.value)

    def _retry(self, error: SwarmError) -> None:
        self.attempt += 1
        if self.attempt < JOIN_ATTEMPTS:
            self._fetch_root()
        else:
            self._failed(error)

    def _issued(self, reply: Call, root_certificate: str) -> None:
        if reply.error is not None:
            self._failed(reply.error)
            return
        issued: Issued = reply.value
        identity = Identity(
            node_id=issued.node_id,
            role=issued.role,
            cluster_id=issued.cluster_id,
            address=advertised_address(self.request, self.machine),
            root_certificate=root_certificate,
            certificate=issued.certificate,
            public_key=self.credentials.public_key,
            managers=issued.managers,
        )
        self._accepted(identity, self.remote)


def connection_refused(address: str) -> Unavailable:
    """No process listens at `address`."""
    return Unavailable(
        'connection error: desc = "transport: Error while dialing: '
        f'dial tcp {address}: connect: connection refused"'
    )
