"""One node's daemon, as dockerd is: containers and images, and the node's part in a swarm.

A node that belongs to a swarm runs an agent; one that is a manager too runs a manager. What it has
to remember lies on the machine's disk: its identity in `swarm/state.json`, Raft's log and snapshots
under `swarm/raft/`, the agent's tasks under `swarm/worker/`. Source: moby daemon/cluster,
swarmkit node/node.go.
"""

from __future__ import annotations

import json
from collections import deque
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from swarmlab.engine.locals import Locals
from swarmlab.engine.request import NOT_IN_SWARM
from swarmlab.engine.wire import swarm_event, tls_info
from swarmlab.errors import Conflict, EngineFault, NotAvailable, NotLeader, SwarmError, Unavailable
from swarmlab.manager.certificate_authority import (
    digest_of,
    new_root,
    new_token,
    new_unlock_key,
    parse_token,
)
from swarmlab.manager.gate import Gate
from swarmlab.manager.manager import Manager
from swarmlab.manager.store import Action, Change, Codec, Store, update
from swarmlab.messages import (
    Assignments,
    Control,
    GetRootCertificate,
    Issued,
    IssueCertificate,
    Joined,
    JoinRaft,
    Message,
    Ping,
    RenewCertificate,
    SessionChanged,
)
from swarmlab.model import (
    Cluster,
    Document,
    Node,
    NodeSpec,
    NodeStatus,
    Role,
    StoreObject,
    SwarmNetwork,
    freeze,
)
from swarmlab.raft import Member, RaftNode, Storage
from swarmlab.simulation import MS, Call, Machine, S
from swarmlab.worker.agent import Agent
from swarmlab.worker.containers import Containers
from swarmlab.worker.images import Images
from swarmlab.worker.registry import Registry

ENGINE_VERSION = "28.2.2+swarmlab"
STATE_FILE, RAFT_FILES, SWARM_FILES = "swarm/state.json", "swarm/raft/", "swarm/"
JOIN_LIMIT_NS, JOIN_TRIES, JOIN_RETRY_NS = 20 * S, 5, 2 * S
RENEW_DELAY_NS = 500 * MS
EVENTS_KEPT = 1000
JOIN_TOO_SLOW = (
    "Timeout was reached before node joined. The attempt to join the swarm will continue in the "
    'background. Use the "docker info" command to see the current swarm status of your node.'
)
LEAVING_MANAGER = (
    "You are attempting to leave the swarm on a node that is participating as a manager. "
)
LAST_MANAGER = (
    "Removing the last manager erases all current state of the swarm. "
    "Use `--force` to ignore this message. "
)
LOST_CONSENSUS = (
    "The only way to restore a swarm that has lost consensus is to reinitialize it with "
    "`--force-new-cluster`. Use `--force` to suppress this message."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware:
    """What an engine finds on its machine, and how it was configured."""

    cpus: int = 4
    memory_bytes: int = 8 << 30
    labels: Document = field(default_factory=Document)  # the daemon's --label
    architecture: str = "x86_64"


class EngineProgram:
    """What a simulated machine runs: call it with the machine to boot an engine there."""

    def __init__(self, registry: Registry, hardware: Hardware | None = None) -> None:
        self.registry = registry
        self.hardware = hardware or Hardware()

    def __call__(self, machine: Machine) -> Engine:
        return Engine(machine, self.registry, self.hardware)


@dataclass(slots=True, kw_only=True)
class Identity:
    """Who this node is in its swarm; kept on disk."""

    node_id: str
    role: str
    cluster_id: str
    address: str  # `ip:port`, where the others reach it
    root_certificate: str
    managers: tuple[str, ...] = ()
    raft_id: int = 0  # 0: no seat in Raft


class Engine:
    def __init__(self, machine: Machine, registry: Registry, hardware: Hardware) -> None:
        self.machine = machine
        self.name = machine.name
        self.hardware = hardware
        self.images = Images(machine, registry)
        self.containers = Containers(machine, self.images)
        self.containers.on_event = self._container_event
        self.locals = Locals()
        self.events: deque[Document] = deque(maxlen=EVENTS_KEPT)
        self.identity: Identity | None = None
        self.agent: Agent | None = None
        self.manager: Manager | None = None
        self.gate: Gate | None = None
        self._entering: Call | None = None  # an init or join that is under way
        self._promoting = False
        self._boot()

    # -- what it shows ---------------------------------------------------------------
    @property
    def swarm_state(self) -> str:
        """inactive, pending or active."""
        if self._entering is not None:
            return "pending"
        return "inactive" if self.identity is None else "active"

    @property
    def swarm_error(self) -> str:
        return ""

    @property
    def node_id(self) -> str:
        return self.identity.node_id if self.identity else ""

    @property
    def node_address(self) -> str:
        return self.identity.address.rsplit(":", 1)[0] if self.identity else ""

    @property
    def is_manager(self) -> bool:
        return self.manager is not None

    @property
    def manager_addresses(self) -> tuple[str, ...]:
        """Where the managers are, as far as this node knows."""
        return self.identity.managers if self.identity else ()

    @property
    def managers(self) -> tuple[tuple[str, str], ...]:
        """(node id, address) of every manager this node knows of; a worker knows no ids."""
        if self.manager is not None:
            return tuple((m.node_id, m.address) for m in self.manager.raft.members.values())
        return tuple(("", address) for address in self.manager_addresses)

    @property
    def description(self) -> Document:
        """Docker's node description. Source: moby daemon/cluster/executor/container/executor.go."""
        hardware = self.hardware
        plugins = [
            *(("Log", name) for name in ("json-file", "local", "syslog")),
            *(("Network", name) for name in ("bridge", "host", "ipvlan", "macvlan", "null", "overlay")),
            ("Volume", "local"),
        ]
        engine = {
            "EngineVersion": ENGINE_VERSION,
            "Plugins": [{"Type": kind, "Name": name} for kind, name in plugins],
        }
        if hardware.labels:
            engine["Labels"] = hardware.labels
        description = {
            "Hostname": self.name,
            "Platform": {"Architecture": hardware.architecture, "OS": "linux"},
            "Resources": {
                "NanoCPUs": hardware.cpus * 1_000_000_000,
                "MemoryBytes": hardware.memory_bytes,
            },
            "Engine": engine,
        }
        if self.identity is not None:
            description["TLSInfo"] = tls_info(self.identity.root_certificate)
        document: Document = freeze(description)
        return document

    # -- starting and stopping ---------------------------------------------------------
    def _boot(self) -> None:
        """Find out from the disk whether this node belongs to a swarm, and as what."""
        if STATE_FILE not in self.machine.disk:
            return
        state = json.loads(self.machine.disk.read(STATE_FILE))
        self.identity = Identity(**{**state, "managers": tuple(state["managers"])})
        if self.identity.raft_id:
            manager = Manager(self)
            manager.raft = RaftNode.restart(
                self.machine, self._storage(), manager, raft_id=self.identity.raft_id
            )
            self._run_manager(manager)
        self._run_agent()

    def _storage(self) -> Storage:
        return Storage(self.machine.disk, Codec())

    def _save(self) -> None:
        assert self.identity is not None
        self.machine.disk.write(STATE_FILE, json.dumps(asdict(self.identity)).encode())

    def _run_manager(self, manager: Manager) -> None:
        self.manager, self.gate = manager, Gate(manager)

    def _run_agent(self) -> None:
        self.agent = Agent(self)
        self.agent.start()

    def _end_manager(self) -> None:
        """No manager any more: its log and its snapshots are erased."""
        if self.manager is not None:
            self.manager.stop()
        self.manager = self.gate = None
        self.machine.disk.delete(RAFT_FILES)
        if self.identity is not None:
            self.identity.role, self.identity.raft_id = Role.WORKER.value, 0
            self._save()

    def shutdown(self) -> None:
        """The machine is stopped in an orderly way."""
        if self.agent is not None:
            self.agent.shutdown()
        self.containers.shutdown()

    # -- messages ----------------------------------------------------------------------
    def receive(self, source: str, message: Any) -> None:
        if isinstance(message, SessionChanged | Assignments):
            if self.agent is not None:
                self.agent.receive(message)
        elif self.manager is not None:
            self.manager.raft.receive(source, message)

    def serve(self, source: str, body: Message) -> Any:
        if isinstance(body, Ping):
            return True
        if self.gate is None:
            raise NotLeader
        return self.gate.serve(source, body)

    def control(self, method: str, *args: Any) -> Call:
        """Ask the swarm's Control API; this node has to be a manager."""
        assert self.gate is not None
        return self.gate.ask(Control(method, args))

    # -- entering a swarm ----------------------------------------------------------------
    def swarm_init(self, request: Document) -> Call:
        """A new swarm with this node as its first manager; answered with the node's id.

        `request`: Docker's InitRequest with the whole SwarmSpec in `Spec`.
        """
        if request.get("ForceNewCluster"):
            return self._force_new_cluster(request)
        simulation = self.machine.simulation
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
            cluster = replace(cluster, unlock_key=new_unlock_key(simulation))
        address = self._advertised(request)
        identity = self.identity = Identity(
            node_id=simulation.new_id(),
            role=Role.MANAGER.value,
            cluster_id=cluster.id,
            address=address,
            root_certificate=certificate,
            managers=(address,),
            raft_id=simulation.rng.getrandbits(62) + 1,
        )
        spec = NodeSpec(
            Labels=Document(),
            Role=identity.role,
            Availability=(request.get("Availability") or "active").lower(),
        )
        status = NodeStatus(addr=self.node_address)
        node = Node(id=identity.node_id, spec=spec, role=Role.MANAGER, status=status)
        node = replace(node, description=self.description)
        ingress = SwarmNetwork(
            id=simulation.new_id(),
            spec=Document(Name="ingress", Driver="overlay", Ingress=True, Scope="swarm"),
        )
        manager = Manager(self, (cluster, node, ingress))
        member = Member(identity.raft_id, identity.node_id, address)
        manager.raft = RaftNode.first(self.machine, self._storage(), manager, member=member)
        self._save()
        self._run_manager(manager)
        self._entering = call = Call()
        self._run_agent()
        return call

    def _advertised(self, request: Document) -> str:
        """`ip:port` under which the others reach this node."""
        address = str(request.get("AdvertiseAddr") or self.machine.address)
        port = str(request.get("ListenAddr") or "0.0.0.0:2377").rsplit(":", 1)[-1]
        if not address[0].isdigit():
            address = self.machine.address  # an interface's name
        return address if ":" in address else f"{address}:{port}"

    def _force_new_cluster(self, request: Document) -> Call:
        """Start again as the only manager, with everything that was committed."""
        if self.manager is None or self.identity is None or self.agent is None:
            raise NotAvailable(NOT_IN_SWARM)
        self.agent.stop()
        self.manager.stop()
        manager = Manager(self)
        raft_id = self.identity.raft_id
        manager.raft = RaftNode.restart(
            self.machine, self._storage(), manager, raft_id=raft_id, force_new_cluster=True
        )
        self._run_manager(manager)
        self.identity.managers = (self.identity.address,)
        self._save()
        self._entering = call = Call()
        call.then(self._merge_spec, request["Spec"])
        self._run_agent()
        return call

    def _merge_spec(self, entered: Call, spec: Document) -> None:
        if spec and entered.error is None and self.manager is not None:
            self.manager.write(self._merged, spec)

    def _merged(self, view: Store, spec: Document) -> list[Change]:
        return [update(replace(view.cluster, spec=view.cluster.spec.with_(**spec)))]

    def swarm_join(self, request: Document) -> Call:
        """Enter the swarm that `RemoteAddrs` lead to, as what `JoinToken` says; answered with None."""
        parse_token(request.get("JoinToken", ""))
        self._entering = call = Call()
        self.machine.after(JOIN_LIMIT_NS, call.fail, NotAvailable(JOIN_TOO_SLOW))
        self._look_up_root(request, 1)
        return call

    def _look_up_root(self, request: Document, attempt: int) -> None:
        remotes = request["RemoteAddrs"]
        remote = remotes[(attempt - 1) % len(remotes)]
        machine = self.machine.peer(remote)
        answer = Call()
        if machine is not None and machine is not self.machine:
            answer = self.machine.call(machine.name, GetRootCertificate(), timeout_ns=JOIN_RETRY_NS)
        else:
            self.machine.after(JOIN_RETRY_NS, answer.fail, _refused(remote))
        answer.then(self._check_root, request, remote, attempt)

    def _check_root(self, answer: Call, request: Document, remote: str, attempt: int) -> None:
        token = parse_token(request["JoinToken"])
        if answer.error is not None:
            error: SwarmError = _refused(remote)
        elif digest_of(answer.value) != token.digest_hex:
            error = EngineFault(
                f"remote CA does not match fingerprint. Expected: {token.digest_hex}"
            )
        else:
            body = IssueCertificate(
                request["JoinToken"],
                (request.get("Availability") or "active").lower(),
                self.name,
                self._advertised(request).rsplit(":", 1)[0],
            )
            machine = self.machine.peer(remote)
            assert machine is not None
            self.machine.call(machine.name, body, timeout_ns=JOIN_LIMIT_NS).then(
                self._issued, request, remote, answer.value
            )
            return
        if attempt < JOIN_TRIES:
            self.machine.after(JOIN_RETRY_NS, self._look_up_root, request, attempt + 1)
        else:
            self._entered(error)

    def _issued(self, answer: Call, request: Document, remote: str, root: str) -> None:
        if answer.error is not None:
            self._entered(answer.error)
            return
        issued: Issued = answer.value
        self.identity = Identity(
            node_id=issued.node_id,
            role=issued.role,
            cluster_id=issued.cluster_id,
            address=self._advertised(request),
            root_certificate=root,
            managers=issued.managers,
        )
        self._save()
        if issued.role == Role.MANAGER:
            self._ask_for_seat(remote)
        else:
            self._run_agent()

    def _ask_for_seat(self, remote: str) -> None:
        """Ask to become a voter; when that fails, ask another manager a little later."""
        assert self.identity is not None
        machine = self.machine.peer(remote)
        body = JoinRaft(self.identity.node_id, self.identity.address)
        if machine is None or machine is self.machine:
            self._seat_refused()
        else:
            self.machine.call(machine.name, body, timeout_ns=25 * S).then(self._seated)

    def _seated(self, answer: Call) -> None:
        if self.identity is None or self.manager is not None:
            return
        if answer.error is not None:
            self._seat_refused()
            return
        joined: Joined = answer.value
        self.identity.raft_id, self.identity.role = joined.raft_id, Role.MANAGER.value
        self._save()
        manager = Manager(self)
        manager.raft = RaftNode.joining(
            self.machine,
            self._storage(),
            manager,
            raft_id=joined.raft_id,
            members=joined.members,
        )
        self._promoting = False
        self._run_manager(manager)
        if self.agent is None:
            self._run_agent()

    def _seat_refused(self) -> None:
        if self.identity is not None:
            others = [m for m in self.identity.managers if m != self.identity.address]
            remote = self.machine.simulation.rng.choice(others) if others else ""
            self.machine.after(2 * S, self._ask_for_seat, remote)

    def _entered(self, error: SwarmError | None) -> None:
        """The init or join under way is over."""
        call, self._entering = self._entering, None
        if call is not None and error is not None:
            self.identity = None
            self.machine.disk.delete(SWARM_FILES)
            call.fail(error)
        elif call is not None:
            call.resolve(self.node_id)

    # -- living in a swarm ---------------------------------------------------------------
    def session_changed(self, node: Node, managers: tuple[str, ...]) -> None:
        """The dispatcher told the agent what its node is now, and who the managers are."""
        assert self.identity is not None
        if managers and managers != self.identity.managers:
            self.identity.managers = managers
            self._save()
        if self._entering is not None:
            self._entered(None)
        if node.role is Role.MANAGER and self.manager is None and not self._promoting:
            self._promoting = True
            self.machine.after(RENEW_DELAY_NS, self._renew)
        elif node.role is Role.WORKER and self.manager is not None:
            self._end_manager()

    def _renew(self) -> None:
        """Get a certificate for the new role, then the seat that goes with it."""
        if self.identity is None:
            return
        remote = self.machine.simulation.rng.choice(self.identity.managers)
        machine = self.machine.peer(remote)
        body = RenewCertificate(self.identity.node_id)
        if machine is None or machine is self.machine:
            self.machine.after(RENEW_DELAY_NS, self._renew)
        else:
            self.machine.call(machine.name, body).then(self._renewed, remote)

    def _renewed(self, answer: Call, remote: str) -> None:
        if answer.error is not None:
            self.machine.after(RENEW_DELAY_NS, self._renew)
        elif answer.value.role == Role.MANAGER:
            self._ask_for_seat(remote)
        else:
            self._promoting = False

    def seat_lost(self) -> None:
        """Raft took this manager out; the agent goes on."""
        self.machine.after(0, self._end_manager)

    def swarm_unlock(self, key: str) -> Call:
        raise Conflict("swarm is not locked")

    # -- leaving a swarm -----------------------------------------------------------------
    def swarm_leave(self, force: bool) -> Call:
        """Leave; a manager only by force. The others see it down, and a manager keeps its seat."""
        if self.identity is None and self._entering is None:
            raise NotAvailable("This node is not part of a swarm")
        call = Call()
        if self.manager is None or force:
            self._leave()
            return call.resolve()
        assert self.gate is not None
        self.gate.ask(Control("read", ("manager",))).then(self._refuse_to_leave, call)
        return call

    def _refuse_to_leave(self, answer: Call, call: Call) -> None:
        middle = ""
        if answer.error is not None:
            middle = "Doing so may lose the consensus of your cluster. "
        else:
            managers = answer.value["manager"]
            reachable = sum(m.reachability == "reachable" for m in managers)
            unreachable = len(managers) - reachable
            if len(managers) == 1:
                call.fail(NotAvailable((LEAVING_MANAGER + LAST_MANAGER).rstrip()))
                return
            if reachable - 2 <= unreachable:
                middle = (
                    f"Removing this node leaves {reachable - 1} managers out of {len(managers)}. "
                    "Without a Raft quorum your swarm will be inaccessible. "
                )
        call.fail(NotAvailable(LEAVING_MANAGER + middle + LOST_CONSENSUS))

    def _leave(self) -> None:
        if self.agent is not None:
            self.agent.leave()
        if self.manager is not None:
            self.manager.stop()
        self.agent = self.manager = self.gate = self.identity = None
        self._entering, self._promoting = None, False
        self.machine.disk.delete(SWARM_FILES)

    # -- events ------------------------------------------------------------------------
    def changed(self, change: Change, before: StoreObject | None) -> None:
        """Something was committed: tell whoever listens to this manager's events."""
        after = None if change.action is Action.REMOVE else change.object
        event = swarm_event(change.action, before, after)
        if event is not None:
            self.events.append(event.with_(time_ns=self.machine.simulation.now_ns))

    def _container_event(self, action: str, container: Any, attributes: dict[str, str]) -> None:
        actor = Document(ID=container.id, Attributes=freeze(attributes))
        self.events.append(
            Document(
                Type="container",
                Action=action,
                Actor=actor,
                scope="local",
                time_ns=self.machine.simulation.now_ns,
            )
        )


def _refused(remote: str) -> Unavailable:
    address = remote if ":" in remote else f"{remote}:2377"
    return Unavailable(
        'connection error: desc = "transport: Error while dialing: '
        f'dial tcp {address}: connect: connection refused"'
    )
