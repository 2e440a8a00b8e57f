"""The messages between the machines of a swarm, except Raft's own.

A *call* is answered (see `Machine.call`), perhaps with a SwarmError; a *push* is not.
Source: swarmkit api/{dispatcher,ca,raft,control}.proto.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from swarmlab import model
from swarmlab.simulation import Shared


@dataclass(frozen=True, slots=True)
class Message(Shared):
    """Base of all messages."""


# -- agent -> dispatcher -------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Register(Message):
    """Call: an agent opens a session; answered with `Registered`."""

    node_id: str
    description: model.Document  # Docker's node description
    address: str  # the node's IP address


@dataclass(frozen=True, slots=True)
class Heartbeat(Message):
    """Call: this node is alive; answered with the next period in nanoseconds."""

    node_id: str
    session_id: str


@dataclass(frozen=True, slots=True)
class ReportStatus(Message):
    """Call: new statuses of tasks; answered with None once the dispatcher has taken them."""

    node_id: str
    session_id: str
    statuses: tuple[tuple[str, model.TaskStatus], ...]  # (task id, status), the last of each task


@dataclass(frozen=True, slots=True)
class AttachNetwork(Message):
    """Call: a container of the user is to attach to a network; answered with its task's id."""

    node_id: str
    network: str  # id or name
    container_id: str
    address: str = ""  # the one it asks for


@dataclass(frozen=True, slots=True)
class DetachNetwork(Message):
    """Call: the container has left; answered with None."""

    node_id: str
    attachment_id: str


# -- dispatcher -> agent -------------------------------------------------------------------------
# Node object, managers' addresses, root certificate, keys: the fields of `SessionChanged`.
SessionNews = tuple[model.Node, tuple[str, ...], str, tuple[model.EncryptionKey, ...]]


@dataclass(frozen=True, slots=True)
class SessionChanged(Message):
    """Push: the node object (role, availability, …), the managers, the root or the keys changed."""

    session_id: str
    node: model.Node
    managers: tuple[str, ...]  # addresses, `10.77.0.2:2377`
    root_certificate: str = field(default="", repr=False)  # the root to trust, PEM
    encryption_keys: tuple[model.EncryptionKey, ...] = ()


@dataclass(frozen=True, slots=True)
class Registered(SessionChanged):
    """The session is open: `SessionChanged` and `Assignments` are pushed from now on."""

    period_ns: int = field(kw_only=True)  # send the next heartbeat after this much


@dataclass(frozen=True, slots=True)
class Assignments(Message):
    """Push: all of a node's tasks, secrets and configs (`complete`), or what changed since.

    `number` counts from 1 within a session; after a gap the agent opens a new session.
    """

    session_id: str
    number: int
    complete: bool
    tasks: tuple[model.Task, ...] = ()
    removed_task_ids: tuple[str, ...] = ()
    secrets: tuple[model.Secret, ...] = field(default=(), repr=False)
    removed_secret_ids: tuple[str, ...] = ()
    configs: tuple[model.Config, ...] = field(default=(), repr=False)
    removed_config_ids: tuple[str, ...] = ()


# -- node -> certificate authority, Raft ---------------------------------------------------------
@dataclass(frozen=True, slots=True)
class GetRootCertificate(Message):
    """Call: answered with the cluster's root certificate, PEM. Needs no identity."""


@dataclass(frozen=True, slots=True)
class IssueCertificate(Message):
    """Call: a new node asks for a certificate; answered with `Issued`."""

    token: str = field(repr=False)
    availability: str
    hostname: str
    address: str
    public_key: str = field(default="", repr=False)  # PEM; its private key stays with the node


@dataclass(frozen=True, slots=True)
class RenewCertificate(Message):
    """Call: a node asks for a new certificate for its current role; answered with `Issued`."""

    node_id: str
    public_key: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Issued(Message):
    node_id: str
    role: str
    cluster_id: str
    managers: tuple[str, ...]
    certificate: str = field(default="", repr=False)  # the chain, PEM


@dataclass(frozen=True, slots=True)
class JoinRaft(Message):
    """Call: a new manager asks to become a voter; answered with `Joined`."""

    node_id: str
    address: str  # `10.77.0.4:2377`


@dataclass(frozen=True, slots=True)
class Joined(Message):
    raft_id: int
    members: tuple[Any, ...]  # raft.Member


# -- manager -> leader: the Control API ----------------------------------------------------------
@dataclass(frozen=True)
class ControlRequest(Message):
    """Call: what a manager's user asks of the leader, passed on by followers."""


@dataclass(frozen=True)
class ListObjects(ControlRequest):
    """Answered with one tuple for each of `kinds`, its objects sorted by id."""

    kinds: tuple[type[model.StoreObject | model.ManagerStatus], ...]


@dataclass(frozen=True)
class GetObject(ControlRequest):
    """Answered with the object that has `reference` as its id, name or beginning of its id."""

    kind: type[model.StoreObject]
    reference: str


@dataclass(frozen=True)
class ControlCommand(ControlRequest):
    """A write, answered with the object's id. `control_api.COMMANDS` names the handlers."""


@dataclass(frozen=True)
class CreateObject(ControlCommand):
    spec: model.Document


@dataclass(frozen=True)
class CreateService(CreateObject):
    """Create a service; the orchestrators then create its tasks."""

    spec: model.ServiceSpec


class CreateNetwork(CreateObject):
    """Create a network; the allocator then gives it a subnet."""


@dataclass(frozen=True)
class CreateFile(CreateObject):
    data: bytes = field(repr=False)


class CreateSecret(CreateFile):
    """Store a new secret."""


class CreateConfig(CreateFile):
    """Store a new config."""


@dataclass(frozen=True)
class UpdateObject(ControlCommand):
    id: str
    version: int  # the one that the client has read
    spec: model.Document


@dataclass(frozen=True)
class UpdateService(UpdateObject):
    """`rollback`: return to the previous spec; `spec` is checked and then ignored."""

    spec: model.ServiceSpec
    rollback: bool


@dataclass(frozen=True)
class UpdateNode(UpdateObject):
    """Change a node's labels, role or availability."""

    spec: model.NodeSpec


@dataclass(frozen=True)
class UpdateLabels(UpdateObject):
    """All that can change of a secret or config; `data`, if it is sent, must be what is stored."""

    data: bytes | None = field(repr=False)


class UpdateSecretLabels(UpdateLabels):
    """Replace the labels of a secret."""


class UpdateConfigLabels(UpdateLabels):
    """Replace the labels of a config."""


@dataclass(frozen=True)
class UpdateCluster(ControlCommand):
    """The spec is replaced whole: what the request leaves out becomes zero."""

    version: int
    spec: model.Document = field(repr=False)  # may bring a signing key
    worker_token_rotation: bool
    manager_token_rotation: bool
    unlock_key_rotation: bool


@dataclass(frozen=True)
class RemoveObject(ControlCommand):
    id: str


class RemoveService(RemoveObject):
    """Remove a service; its tasks are shut down and removed."""


class RemoveSecret(RemoveObject):
    """Remove a secret that no service uses."""


class RemoveConfig(RemoveObject):
    """Remove a config that no service uses."""


class RemoveNetwork(RemoveObject):
    """Remove a network that no service or task uses."""


@dataclass(frozen=True)
class RemoveNode(RemoveObject):
    """Remove a node that is down; `force`: also one that is not."""

    force: bool


@dataclass(frozen=True, slots=True)
class Ping(Message):
    """Call: answered with True; the leader dials a prospective member back."""
