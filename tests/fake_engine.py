"""An engine whose cluster is a dict, to test the routes without managers or Raft."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from swarmlab.engine.clock_drivers import VirtualClock
from swarmlab.engine.create_checks import check_config
from swarmlab.engine.restarts import RestartMonitor
from swarmlab.engine.transport import EngineAdapter, in_process_client
from swarmlab.engine.volumes import Volumes
from swarmlab.engine.wire import swarm_event
from swarmlab.errors import SwarmError, Unknown
from swarmlab.manager.store import find
from swarmlab.model import (
    Cluster,
    Config,
    Document,
    ManagerStatus,
    Node,
    NodeSpec,
    NodeState,
    NodeStatus,
    Role,
    Secret,
    Service,
    SwarmNetwork,
    Task,
    TaskState,
    TaskStatus,
    freeze,
    messages,
)
from swarmlab.network.data_path import DataPath
from swarmlab.simulation import MS, Call, Machine, Network, Simulation
from swarmlab.worker.containers import Containers
from swarmlab.worker.images import Images
from swarmlab.worker.registry import Registry

# Command -> the kind of object that it changes.
CHANGED: dict[type[messages.ControlCommand], Any] = {
    messages.CreateService: Service,
    messages.UpdateService: Service,
    messages.RemoveService: Service,
    messages.CreateSecret: Secret,
    messages.UpdateSecretLabels: Secret,
    messages.RemoveSecret: Secret,
    messages.CreateConfig: Config,
    messages.UpdateConfigLabels: Config,
    messages.RemoveConfig: Config,
    messages.CreateNetwork: SwarmNetwork,
    messages.RemoveNetwork: SwarmNetwork,
    messages.UpdateNode: Node,
    messages.RemoveNode: Node,
    messages.UpdateCluster: Cluster,
}


def root_certificate() -> str:
    key = ec.derive_private_key(7, ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "swarm-ca")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).serial_number(1)
    builder = builder.public_key(key.public_key()).not_valid_before(
        datetime(2017, 1, 1, tzinfo=UTC)
    )
    certificate = builder.not_valid_after(datetime(2037, 1, 1, tzinfo=UTC)).sign(key, SHA256())
    return certificate.public_bytes(Encoding.PEM).decode()


ROOT = root_certificate()


class FakeEngine:
    """One node; `swarm_init` makes it the only manager of a swarm that is a dict of tables."""

    def __init__(self, machine: Machine) -> None:
        self.machine, self.name = machine, machine.name
        self.images = Images(machine, Registry())
        self.volumes = Volumes(machine)
        self.containers = Containers(machine, self.images, self.volumes, check_config)
        self.containers.on_event = self._container_event
        self.restarts = RestartMonitor(machine, self.containers)
        self.agent, self.cluster_id = None, ""
        self.network = self.containers.network = DataPath(self)
        self.events: deque[Document] = deque(maxlen=100)
        self.swarm_state, self.swarm_error, self.node_id = "inactive", "", ""
        self.node_address, self.is_manager = "", False
        self.asked: list[Any] = []  # init, join, … requests, and updates
        self.tables: dict[str, dict[str, Any]] = {}
        self.version = 10

    # -- what the daemon is asked ----------------------------------------------------
    @property
    def managers(self) -> tuple[tuple[str, str], ...]:
        return ((self.node_id, f"{self.node_address}:2377"),) if self.node_id else ()

    @property
    def description(self) -> Document:
        return freeze(
            {
                "Hostname": self.name,
                "Platform": {"Architecture": "x86_64", "OS": "linux"},
                "Resources": {"NanoCPUs": 4_000_000_000, "MemoryBytes": 8 << 30},
                "Engine": {"EngineVersion": "28.2.2+swarmlab", "Labels": {"disk": "ssd"}},
            }
        )

    def swarm_init(self, request: Document) -> Call:
        self.asked.append(("init", request))
        names = ("cluster", "node", "service", "task", "secret", "config", "network")
        self.tables = {table: {} for table in names}
        self.swarm_state, self.is_manager, self.node_id = "active", True, "node1" + "0" * 20
        self.node_address = self.machine.address
        self.put(
            Cluster(
                id="cluster1", spec=request["Spec"], worker_token="SWMTKN-1-worker",
                manager_token="SWMTKN-1-manager", root_certificate=ROOT, root_key="",
                default_address_pool=request["DefaultAddrPool"] or ("10.0.0.0/8",),
                subnet_size=request["SubnetSize"], data_path_port=request["DataPathPort"],
            )
        )  # fmt: skip
        spec = NodeSpec(Role="manager", Availability="active", Labels=Document())
        status = NodeStatus(state=NodeState.READY, addr=self.node_address)
        self.put(
            Node(id=self.node_id, spec=spec, role=Role.MANAGER, status=status,
                 description=self.description)
        )  # fmt: skip
        ingress = Document(Name="ingress", Driver="overlay", Ingress=True)
        self.put(SwarmNetwork(id="ingress1", spec=ingress))
        return self.later(self.node_id)

    def swarm_join(self, request: Document) -> Call:
        self.asked.append(("join", request))
        return self.later()

    def swarm_leave(self, force: bool) -> Call:
        self.swarm_state, self.is_manager, self.node_id = "inactive", False, ""
        return self.later()

    def swarm_unlock(self, key: str) -> Call:
        self.asked.append(("unlock", key))
        return self.later()

    def later(self, value: Any = None) -> Call:
        call = Call()
        self.machine.after(5 * MS, call.resolve, value)
        return call

    # -- the cluster -------------------------------------------------------------------
    def put(self, object: Any) -> Any:
        """Store an object as a write would; tests use it to arrange things."""
        self.version += 1
        now_ns = self.machine.simulation.now_ns
        old = self.tables[object.table].get(object.id)
        created_ns = old.created_ns if old else now_ns
        new = replace(object, version=self.version, created_ns=created_ns, updated_ns=now_ns)
        self.tables[new.table][new.id] = new
        self._tell("update" if old else "create", old, new)
        return new

    def _tell(self, kind: str, old: Any, new: Any) -> None:
        if event := swarm_event(kind, old, new):
            self.events.append(event.with_(time_ns=self.machine.simulation.now_ns))

    @property
    def rpc_server(self) -> FakeEngine | None:
        return self if self.is_manager else None

    def ask(self, message: messages.ControlRequest) -> Call:
        call = Call()
        try:
            value = self._answer(message)
        except SwarmError as error:
            self.machine.after(2 * MS, call.fail, error)
        else:
            self.machine.after(2 * MS, call.resolve, value)
        return call

    def _answer(self, message: Any) -> Any:
        match message:
            case messages.ListObjects():
                return tuple(map(self._list, message.kinds))
            case messages.GetObject():
                return find(message.kind, message.reference, self._list(message.kind))
            case messages.RemoveObject():
                kind = CHANGED[type(message)]
                return self._tell("remove", self.tables[kind.table].pop(message.id), None)
        kind = CHANGED[type(message)]
        if "Create" in type(message).__name__:
            fields = {"data": message.data} if isinstance(message, messages.CreateFile) else {}
            id = self.machine.simulation.new_id()
            return self.put(kind(id=id, spec=message.spec, **fields)).id
        old = self.tables[kind.table][getattr(message, "id", "cluster1")]
        if old.version != message.version:
            raise Unknown("update out of sequence")
        fields = {"previous_spec": old.spec} if kind is Service else {}
        self.asked.append(message)
        return self.put(replace(old, spec=message.spec, **fields)).id

    def _list(self, kind: Any) -> tuple[Any, ...]:
        if kind is ManagerStatus:
            address = f"{self.node_address}:2377"
            fields = {"leader": True, "reachability": "reachable", "addr": address}
            return (ManagerStatus(node_id=self.node_id, **fields),)
        return tuple(self.tables[kind.table][id] for id in sorted(self.tables[kind.table]))

    def task(self, service: Service, slot: int, state: TaskState, **fields: Any) -> Task:
        """Store a task of `service` on this node."""
        now_ns = self.machine.simulation.now_ns
        defaults = {
            "id": self.machine.simulation.new_id(),
            "service_id": service.id,
            "service_name": service.name,
            "slot": slot,
            "node_id": self.node_id,
            "spec": service.spec.task,
            "desired": TaskState.RUNNING,
            "status": TaskStatus(state=state, timestamp_ns=now_ns, message=str(state)),
        }
        return self.put(Task(**{**defaults, **fields}))

    def _container_event(self, action: str, container: Any, attributes: dict[str, str]) -> None:
        self.record("container", action, container.id, **attributes)

    def record(self, type: str, action: str, id: str, /, **attributes: str) -> None:
        actor = Document(ID=id, Attributes=freeze(attributes))
        now_ns = self.machine.simulation.now_ns
        self.events.append(
            Document(Type=type, Action=action, Actor=actor, scope="local", time_ns=now_ns)
        )

    # -- a machine's program ---------------------------------------------------------------
    def receive(self, source: str, message: Any) -> None: ...

    def serve(self, source: str, body: Any) -> Any: ...

    def shutdown(self) -> None:
        self.containers.shutdown()


class Lab:
    """A world of one machine `m1`, its engine, and an in-process SDK client."""

    def __init__(self, *, swarm: bool = True) -> None:
        self.simulation = Simulation(seed=1)
        self.machine = Machine(Network(self.simulation), "m1", "10.77.0.2", FakeEngine)
        self.machine.start()
        self.lock = threading.RLock()
        self.clock = VirtualClock(self.simulation, self.lock)
        self.client = in_process_client("m1", EngineAdapter(self.engine_of, self.clock))
        if swarm:
            self.client.swarm.init()

    def engine_of(self) -> Any:
        return self.machine.process

    @property
    def engine(self) -> FakeEngine:
        engine = self.machine.process
        assert isinstance(engine, FakeEngine)
        return engine

    def ask(self, method: str, path: str, **more: Any) -> Any:
        """The bare HTTP response, in this process."""
        api = self.client.api
        return api.request(method, f"{api.base_url}{path}", **more)

    def service(self, name: str = "web", **spec: Any) -> Service:
        """Create a service over the API; its stored object."""
        body = {"Name": name, "TaskTemplate": {"ContainerSpec": {"Image": "nginx"}}, **spec}
        created = self.ask("POST", "/services/create", json=body)
        assert created.status_code == 201, created.text
        service: Service = self.engine.tables["service"][created.json()["ID"]]
        return service
