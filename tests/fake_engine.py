"""An engine with a dict for a cluster, to test the routes without managers or Raft."""

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
from swarmlab.engine.local_resources import LocalResources
from swarmlab.engine.transport import EngineAdapter, in_process_client
from swarmlab.engine.wire import swarm_event
from swarmlab.errors import SwarmError, Unknown
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
)
from swarmlab.simulation import MS, Call, Machine, Network, Simulation
from swarmlab.worker.containers import Containers
from swarmlab.worker.images import Images
from swarmlab.worker.registry import Registry

KINDS = {"service": Service, "secret": Secret, "config": Config, "network": SwarmNetwork}


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
        self.containers = Containers(machine, self.images)
        self.containers.on_event = self._container_event
        self.local_resources = LocalResources()
        self.events: deque[Document] = deque(maxlen=100)
        self.swarm_state, self.swarm_error, self.node_id = "inactive", "", ""
        self.node_address, self.is_manager = "", False
        self.asked: list[tuple[Any, ...]] = []  # init, join, … requests
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

    def control(self, method: str, *args: Any) -> Call:
        call = Call()
        try:
            value = self._control(method, *args)
        except SwarmError as error:
            self.machine.after(2 * MS, call.fail, error)
        else:
            self.machine.after(2 * MS, call.resolve, value)
        return call

    def _control(self, method: str, *args: Any) -> Any:
        action, _, kind = method.partition("_")
        if action == "read":
            status = ManagerStatus(
                node_id=self.node_id, leader=True, reachability="reachable",
                addr=f"{self.node_address}:2377",
            )  # fmt: skip
            rows = {name: tuple(self.tables[name][id] for id in sorted(self.tables[name]))
                    for name in args if name != "manager"}  # fmt: skip
            return {**rows, "manager": (status,)}
        if action == "create":
            data = {"data": args[1]} if len(args) > 1 else {}
            id = self.machine.simulation.new_id()
            return self.put(KINDS[kind](id=id, spec=args[0], **data))
        if action == "remove":
            return self._tell("remove", self.tables[kind].pop(args[0]), None)
        id = args[0] if kind != "cluster" else "cluster1"
        version, spec, *rest = args[1:] if kind != "cluster" else args
        old = self.tables[kind][id]
        if old.version != version:
            raise Unknown("update out of sequence")
        more = {"previous_spec": old.spec} if kind == "service" else {}
        self.asked.append((method, rest))
        return self.put(replace(old, spec=spec, **more))

    def task(self, service: Service, slot: int, state: TaskState, **fields: Any) -> Task:
        """Store a task of `service` on this node."""
        now_ns = self.machine.simulation.now_ns
        wanted = {
            "id": self.machine.simulation.new_id(),
            "service_id": service.id,
            "service_name": service.name,
            "slot": slot,
            "node_id": self.node_id,
            "spec": service.spec.task,
            "desired": TaskState.RUNNING,
            "status": TaskStatus(state=state, timestamp_ns=now_ns, message=str(state)),
        }
        return self.put(Task(**{**wanted, **fields}))

    def _container_event(self, action: str, container: Any, attributes: dict[str, str]) -> None:
        actor = Document(ID=container.id, Attributes=freeze(attributes))
        now_ns = self.machine.simulation.now_ns
        self.events.append(
            Document(Type="container", Action=action, Actor=actor, scope="local", time_ns=now_ns)
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
        found: Service = self.engine.tables["service"][created.json()["ID"]]
        return found
