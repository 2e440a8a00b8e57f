"""The objects in the store: services, tasks, nodes and the others, as frozen records.

As in SwarmKit each part has one writer: the user writes `spec`, the manager `desired`, the worker
`status`. Times are nanoseconds since the virtual epoch.
Source: swarmkit api/{objects,types}.proto.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Any, ClassVar, Self

from swarmlab.model.specs import (
    EMPTY,
    Document,
    NodeSpec,
    Role,
    ServiceSpec,
    TaskSpec,
)
from swarmlab.simulation import Shared


# -- states ------------------------------------------------------------------------------------
class TaskState(IntEnum):
    """The state of a task; a task only moves to a larger state."""

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


class UpdateState(StrEnum):
    UPDATING = "updating"
    PAUSED = "paused"
    COMPLETED = "completed"
    ROLLBACK_STARTED = "rollback_started"
    ROLLBACK_PAUSED = "rollback_paused"
    ROLLBACK_COMPLETED = "rollback_completed"


# -- objects in the store ------------------------------------------------------------------------
class Copyable(Shared):
    """A frozen record of which every write makes a copy; for its sake it has no slots."""

    def with_(self, **changes: Any) -> Self:
        """A copy with some fields changed: `dataclasses.replace`, ten times as fast."""
        copy = object.__new__(type(self))
        object.__setattr__(copy, "__dict__", self.__dict__ | changes)
        return copy


@dataclass(frozen=True, kw_only=True)
class StoreObject(Copyable):
    """The common fields. `version` is the Raft index when its last write was proposed."""

    table: ClassVar[str]
    id: str
    version: int = 0
    created_ns: int = 0
    updated_ns: int = 0
    spec: Document

    @property
    def name(self) -> str:
        """What users call the object."""
        return str(self.spec.get("Name", ""))


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


@dataclass(frozen=True, kw_only=True)
class TaskStatus(Copyable):
    """What was last observed of a task."""

    state: TaskState
    timestamp_ns: int
    message: str = ""
    err: str = ""
    container: Document | None = None  # Docker's ContainerStatus: ContainerID, PID, ExitCode
    ports: tuple[Document, ...] = ()  # host-mode ports in use
    applied_ns: int | None = None  # when the dispatcher stored it; None: not reported by an agent


@dataclass(frozen=True, kw_only=True)
class Task(StoreObject):
    table = "task"
    service_id: str
    service_name: str = ""  # as of the task's creation, like `spec`
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
        """The time by which history is ordered: when a report was stored, else the status's own."""
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
    attachments: tuple[Document, ...] = ()  # its load balancer's networks, as a task's
    certificate_state: str = "issued"  # "rotate": the node is to get a new certificate

    @property
    def hostname(self) -> str:
        return str(self.description.get("Hostname", ""))

    @property
    def name(self) -> str:
        return self.hostname


@dataclass(frozen=True, kw_only=True)
class Secret(StoreObject):
    """`spec`: Name, Labels, Driver, Templating; never the data."""

    table = "secret"
    data: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, kw_only=True)
class Config(StoreObject):
    table = "config"
    data: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, kw_only=True)
class SwarmNetwork(StoreObject):
    """`spec`: as POSTed to /networks/create, Name and Driver filled in."""

    table = "network"
    ipam: Document = EMPTY  # what the allocator chose; empty until then
    driver_options: Document = EMPTY  # of an overlay: its VXLAN id


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """A root rotation in progress: nodes get certificates from the new root."""

    certificate: str = field(repr=False)
    key: str = field(repr=False)
    cross_signed: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class EncryptionKey:
    """A key that the agents share, to encrypt gossip or the data of encrypted overlays."""

    subsystem: str  # networking:gossip, networking:ipsec
    time: int  # Lamport; all keys of a swarm have different ones
    key: bytes = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Cluster(StoreObject):
    """The one object that describes the swarm itself. `spec`: Docker's SwarmSpec."""

    table = "cluster"
    worker_token: str = field(repr=False)
    manager_token: str = field(repr=False)
    root_certificate: str = field(repr=False)  # PEM
    root_key: str = field(repr=False)  # PEM; stored in Raft only
    rotation: Rotation | None = None  # a root rotation that is under way
    unlock_key: str = field(default="", repr=False)  # empty: autolock is off
    encryption_keys: tuple[EncryptionKey, ...] = ()  # NetworkBootstrapKeys: oldest first
    default_address_pool: tuple[str, ...] = ("10.0.0.0/8",)
    subnet_size: int = 24
    data_path_port: int = 4789
    removed_node_ids: tuple[str, ...] = ()  # their certificates are refused

    @property
    def autolock(self) -> bool:
        return bool(self.spec.at("EncryptionConfig", "AutoLockManagers", default=False))


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagerStatus:
    """One member of the Raft group as the leader sees it; not stored."""

    node_id: str
    leader: bool
    reachability: str  # reachable, unreachable
    addr: str
