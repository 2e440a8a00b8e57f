"""The nouns of Swarm: services, tasks, nodes and the rest, as frozen records.

Three hands write, each its own part (SwarmKit's rule): `spec` is the user's, `desired` the
manager's, `status` the worker's. A *spec* is kept as the very JSON document that was sent, frozen,
because in Swarm presence counts: an explicit default is a change, an absent one is not. What the
orchestrator needs of it is read through properties that fill in the defaults.

Times are nanoseconds since the virtual epoch. Source: swarmkit api/{objects,specs,types}.proto,
api/defaults/service.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Any, ClassVar, NamedTuple, NoReturn, Self

from swarmlab.simulation import S


# -- documents ---------------------------------------------------------------------------------
class Document(dict[str, Any]):
    """A JSON object that cannot change; compare it with `==`, copy it for free."""

    __slots__ = ()

    def _frozen(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError(f"{type(self).__name__} is frozen; make another with .with_()")

    __setitem__ = __delitem__ = __ior__ = _frozen
    update = pop = popitem = clear = setdefault = _frozen

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self))

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (dict(self),)

    def with_(self, **changes: Any) -> Self:
        """A copy with some keys changed; a key set to None is left out."""
        merged = {**self, **changes}
        return type(self)(
            {key: freeze(value) for key, value in merged.items() if value is not None}
        )

    def at(self, *path: str, default: Any = None) -> Any:
        """The value at the end of `path`, or `default` where the path breaks off or holds null."""
        value: Any = self
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        return default if value is None else value


def freeze(value: Any) -> Any:
    """`value` (JSON) with every object a Document and every array a tuple."""
    if isinstance(value, Document):
        return value
    if isinstance(value, Mapping):
        return Document({key: freeze(item) for key, item in value.items()})
    if isinstance(value, (list, tuple)):
        return tuple(freeze(item) for item in value)
    return value


EMPTY = Document()


# -- states ------------------------------------------------------------------------------------
class TaskState(IntEnum):
    """Where a task is in its life; a task only ever moves to a larger state."""

    NEW = 0
    PENDING = 64
    ASSIGNED = 192
    ACCEPTED = 256
    PREPARING = 320
    READY = 384
    STARTING = 448
    RUNNING = 512
    COMPLETE = 576
    SHUTDOWN = 640
    FAILED = 704
    REJECTED = 768
    REMOVE = 800  # desired only
    ORPHANED = 832

    def __str__(self) -> str:
        return self.name.lower()


class NodeState(StrEnum):
    UNKNOWN = "unknown"
    DOWN = "down"
    READY = "ready"
    DISCONNECTED = "disconnected"


class Role(StrEnum):
    WORKER = "worker"
    MANAGER = "manager"


class Availability(StrEnum):
    ACTIVE = "active"
    PAUSE = "pause"
    DRAIN = "drain"


class UpdateState(StrEnum):
    UPDATING = "updating"
    PAUSED = "paused"
    COMPLETED = "completed"
    ROLLBACK_STARTED = "rollback_started"
    ROLLBACK_PAUSED = "rollback_paused"
    ROLLBACK_COMPLETED = "rollback_completed"


# -- specs -------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True, kw_only=True)
class RestartPolicy:
    condition: str = "any"  # none, on-failure, any
    delay_ns: int = 5 * S
    max_attempts: int = 0  # 0: no limit
    window_ns: int = 0  # 0: unbounded


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateConfig:
    parallelism: int = 1  # 0: all at once
    delay_ns: int = 0
    failure_action: str = "pause"  # pause, continue, rollback
    monitor_ns: int = 5 * S
    max_failure_ratio: float = 0.0
    order: str = "stop-first"  # stop-first, start-first

    @classmethod
    def of(cls, document: Document | None) -> UpdateConfig:
        """As the user wrote it; an object without Parallelism means 0, no object at all means 1."""
        if document is None:
            return cls()
        return cls(
            parallelism=document.at("Parallelism", default=0),
            delay_ns=document.at("Delay", default=0),
            failure_action=document.get("FailureAction") or "pause",
            monitor_ns=document.get("Monitor") or 5 * S,
            max_failure_ratio=document.at("MaxFailureRatio", default=0.0),
            order=document.get("Order") or "stop-first",
        )


class Reserved(NamedTuple):
    """What a task keeps from others on its node."""

    nano_cpus: int
    memory_bytes: int
    generic: tuple[Document, ...]


NOTHING = Reserved(0, 0, ())


class TaskSpec(Document):
    """What one task runs: Docker's `TaskTemplate`."""

    __slots__ = ("_reserved",)
    _reserved: Reserved

    @property
    def container(self) -> Document:
        document: Document = self.get("ContainerSpec") or EMPTY
        return document

    @property
    def image(self) -> str:
        return str(self.container.get("Image", ""))

    @property
    def constraints(self) -> tuple[str, ...]:
        return tuple(self.at("Placement", "Constraints", default=()))

    @property
    def preferences(self) -> tuple[str, ...]:
        """The descriptors to spread over, outermost first, such as `node.labels.az`."""
        wanted = self.at("Placement", "Preferences", default=())
        return tuple(p.at("Spread", "SpreadDescriptor", default="") for p in wanted)

    @property
    def platforms(self) -> tuple[Document, ...]:
        return tuple(self.at("Placement", "Platforms", default=()))

    @property
    def max_replicas(self) -> int:
        """Most tasks of the service on one node; 0: no limit."""
        return int(self.at("Placement", "MaxReplicas", default=0))

    @property
    def reserved(self) -> Reserved:
        """Read once a spec: the scheduler asks for it a hundred thousand times a second."""
        try:
            return self._reserved
        except AttributeError:
            asked = self.at("Resources", "Reservations", default=EMPTY)
            found = Reserved(
                int(asked.at("NanoCPUs", default=0)),
                int(asked.at("MemoryBytes", default=0)),
                tuple(asked.at("GenericResources", default=())),
            )
            self._reserved = found if any(found) else NOTHING
            return self._reserved

    @property
    def networks(self) -> tuple[Document, ...]:
        return tuple(self.at("Networks", default=()))

    @property
    def secrets(self) -> tuple[Document, ...]:
        return tuple(self.container.at("Secrets", default=()))

    @property
    def configs(self) -> tuple[Document, ...]:
        return tuple(self.container.at("Configs", default=()))

    @property
    def restart(self) -> RestartPolicy:
        document: Document | None = self.get("RestartPolicy")
        if document is None:
            return RestartPolicy()
        return RestartPolicy(
            condition=document.get("Condition") or "any",
            delay_ns=document.at("Delay", default=5 * S),
            max_attempts=document.at("MaxAttempts", default=0),
            window_ns=document.at("Window", default=0),
        )

    @property
    def stop_grace_ns(self) -> int:
        """Whole seconds, as the executor truncates it; absent means 10 s."""
        grace_ns = self.container.get("StopGracePeriod")
        return 10 * S if grace_ns is None else int(grace_ns) // S * S


class ServiceSpec(Document):
    """What the user asked of a service."""

    __slots__ = ()

    def __init__(self, document: Mapping[str, Any]) -> None:
        template = TaskSpec(freeze(document.get("TaskTemplate") or {}))
        super().__init__({**{k: freeze(v) for k, v in document.items()}, "TaskTemplate": template})

    @property
    def name(self) -> str:
        return str(self.get("Name", ""))

    @property
    def labels(self) -> Document:
        document: Document = self.get("Labels") or EMPTY
        return document

    @property
    def task(self) -> TaskSpec:
        template: TaskSpec = self["TaskTemplate"]
        return template

    @property
    def mode(self) -> str:
        """`replicated`, `global`, `replicated-job` or `global-job`."""
        mode = self.get("Mode") or {}
        known = {"Global": "global", "ReplicatedJob": "replicated-job", "GlobalJob": "global-job"}
        return next(
            (name for key, name in known.items() if mode.get(key) is not None), "replicated"
        )

    @property
    def replicas(self) -> int:
        return int(self.at("Mode", "Replicated", "Replicas", default=1))

    @property
    def update_config(self) -> UpdateConfig:
        return UpdateConfig.of(self.get("UpdateConfig"))

    @property
    def rollback_config(self) -> UpdateConfig:
        return UpdateConfig.of(self.get("RollbackConfig"))

    @property
    def endpoint(self) -> Document:
        document: Document = self.get("EndpointSpec") or EMPTY
        return document

    @property
    def ports(self) -> tuple[Document, ...]:
        return tuple(self.endpoint.at("Ports", default=()))


class NodeSpec(Document):
    """What the user wants of a node: Name, Labels, Role, Availability."""

    __slots__ = ()

    @property
    def role(self) -> Role:
        return Role(self["Role"])

    @property
    def availability(self) -> Availability:
        return Availability(self["Availability"])

    @property
    def labels(self) -> Document:
        document: Document = self.get("Labels") or EMPTY
        return document


# -- objects in the store ------------------------------------------------------------------------
@dataclass(frozen=True, kw_only=True)
class StoreObject:
    """What every object in the store has. `version` is the Raft index at its last write's start."""

    table: ClassVar[str]
    id: str
    version: int = 0
    created_ns: int = 0
    updated_ns: int = 0

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def with_(self, **changes: Any) -> Self:
        """A copy with some fields changed: `dataclasses.replace`, ten times as fast.

        Every write of the swarm makes such a copy. That is why these records have no slots.
        """
        copy = object.__new__(type(self))
        fields = copy.__dict__
        fields.update(self.__dict__)
        fields.update(changes)
        return copy


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateStatus:
    state: UpdateState
    message: str
    started_ns: int
    completed_ns: int | None = None


@dataclass(frozen=True, kw_only=True)
class Service(StoreObject):
    table = "service"
    spec: ServiceSpec
    spec_version: int = 0  # 0 on create; then the version the client sent with the update
    previous_spec: ServiceSpec | None = None
    previous_spec_version: int = 0
    endpoint: Document | None = None  # ports and virtual IPs as the allocator gave them
    update_status: UpdateStatus | None = None
    job_iteration: int = 0
    job_started_ns: int = 0

    @property
    def name(self) -> str:
        return self.spec.name


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskStatus:
    """What was last observed of a task, and by whom."""

    state: TaskState
    timestamp_ns: int
    message: str = ""
    err: str = ""
    container: Document | None = None  # Docker's ContainerStatus: ContainerID, PID, ExitCode
    ports: tuple[Document, ...] = ()  # host-mode ports in use
    applied_ns: int | None = (
        None  # when the dispatcher took the agent's report; None: not an agent's
    )


@dataclass(frozen=True, kw_only=True)
class Task(StoreObject):
    table = "task"
    service_id: str
    service_name: str = ""  # as it was when the task was made, like everything from `spec` on
    service_labels: Document = EMPTY
    slot: int = 0  # from 1; 0 for a task of a global service
    node_id: str = ""  # empty until one is chosen
    spec: TaskSpec
    spec_version: int = 0
    desired: TaskState
    status: TaskStatus
    endpoint_spec: Document | None = None
    endpoint: Document | None = None
    networks: tuple[Document, ...] = ()  # Docker's NetworksAttachments
    generic_resources: tuple[Document, ...] = ()
    job_iteration: int | None = None

    @property
    def state(self) -> TaskState:
        return self.status.state

    @property
    def name(self) -> str:
        """Docker's name of its container: `web.3.<task id>`; a node id where there is no slot."""
        return f"{self.service_name}.{self.slot or self.node_id}.{self.id}"

    @property
    def stamp_ns(self) -> int:
        """For ordering history: when a report was applied, else the status's own time."""
        applied_ns = self.status.applied_ns
        return self.status.timestamp_ns if applied_ns is None else applied_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeStatus:
    state: NodeState = NodeState.UNKNOWN
    message: str = ""
    addr: str = ""


@dataclass(frozen=True, kw_only=True)
class Node(StoreObject):
    table = "node"
    spec: NodeSpec
    role: Role  # in force; follows spec.role once Raft membership has changed
    status: NodeStatus = NodeStatus()
    description: Document = EMPTY  # Docker's: Hostname, Platform, Resources, Engine, TLSInfo
    certificate_state: str = "issued"  # "rotate": the node is to get a new certificate

    @property
    def hostname(self) -> str:
        return str(self.description.get("Hostname", ""))


@dataclass(frozen=True, kw_only=True)
class Secret(StoreObject):
    table = "secret"
    spec: Document  # Name, Labels, Driver, Templating; never the data
    data: bytes = field(default=b"", repr=False)

    @property
    def name(self) -> str:
        return str(self.spec.get("Name", ""))


@dataclass(frozen=True, kw_only=True)
class Config(StoreObject):
    table = "config"
    spec: Document
    data: bytes = field(default=b"", repr=False)

    @property
    def name(self) -> str:
        return str(self.spec.get("Name", ""))


@dataclass(frozen=True, kw_only=True)
class SwarmNetwork(StoreObject):
    table = "network"
    spec: Document  # as POSTed to /networks/create, Name and Driver filled in
    ipam: Document = EMPTY  # what the allocator chose; empty until then

    @property
    def name(self) -> str:
        return str(self.spec.get("Name", ""))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """A new root on its way in: nodes get certificates of it, cross-signed by the old one."""

    certificate: str = field(repr=False)
    key: str = field(repr=False)
    cross_signed: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Cluster(StoreObject):
    """The one object that describes the swarm itself."""

    table = "cluster"
    spec: Document  # Docker's SwarmSpec
    worker_token: str = field(repr=False)
    manager_token: str = field(repr=False)
    root_certificate: str = field(repr=False)  # PEM
    root_key: str = field(repr=False)  # PEM; it lies in Raft, and nowhere else
    rotation: Rotation | None = None  # a root rotation that is under way
    unlock_key: str = field(default="", repr=False)  # empty: autolock is off
    default_address_pool: tuple[str, ...] = ("10.0.0.0/8",)
    subnet_size: int = 24
    data_path_port: int = 4789
    removed_node_ids: tuple[str, ...] = ()  # their certificates are refused

    @property
    def autolock(self) -> bool:
        return bool(self.spec.at("EncryptionConfig", "AutoLockManagers", default=False))


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagerStatus:
    """How the leader sees one member of the Raft group; never stored."""

    node_id: str
    leader: bool
    reachability: str  # reachable, unreachable
    addr: str
