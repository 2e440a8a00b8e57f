"""What the machines of a swarm say to each other, Raft's own messages apart.

A *call* is answered (see `Machine.call`); a *push* is not. Every call may be refused with a
SwarmError. Source: swarmkit api/{dispatcher,ca,raft,control}.proto.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from swarmlab.model import Config, Document, Node, Secret, Task, TaskStatus


@dataclass(frozen=True, slots=True)
class Message:
    def __deepcopy__(self, memo: dict[int, Any]) -> Message:
        return self


# -- agent -> dispatcher -------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Register(Message):
    """Call: an agent opens a session; answered with `Registered`, or refused with `NotLeader`."""

    node_id: str
    description: Document  # Docker's node description
    address: str  # the node's IP address


@dataclass(frozen=True, slots=True)
class Registered(Message):
    """The dispatcher's welcome; it pushes `SessionChanged` and `Assignments` from now on."""

    session_id: str
    period_ns: int  # send the next heartbeat after this much
    node: Node
    managers: tuple[str, ...]  # addresses, `10.77.0.2:2377`
    root_certificate: str = field(default="", repr=False)  # whom to trust, PEM


@dataclass(frozen=True, slots=True)
class Heartbeat(Message):
    """Call: this node lives; answered with the next period in nanoseconds."""

    node_id: str
    session_id: str


@dataclass(frozen=True, slots=True)
class ReportStatus(Message):
    """Call: what became of tasks; answered with None once the dispatcher has taken it."""

    node_id: str
    session_id: str
    statuses: tuple[tuple[str, TaskStatus], ...]  # (task id, status), last state of each


# -- dispatcher -> agent -------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class SessionChanged(Message):
    """Push: the node object (role, availability, …), the managers or the root changed."""

    session_id: str
    node: Node
    managers: tuple[str, ...]
    root_certificate: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Assignments(Message):
    """Push: all of a node's tasks, secrets and configs (`complete`), or what changed since.

    `number` counts from 1 within a session; after a gap the agent opens a new session.
    """

    session_id: str
    number: int
    complete: bool
    tasks: tuple[Task, ...] = ()
    removed_task_ids: tuple[str, ...] = ()
    secrets: tuple[Secret, ...] = field(default=(), repr=False)
    removed_secret_ids: tuple[str, ...] = ()
    configs: tuple[Config, ...] = field(default=(), repr=False)
    removed_config_ids: tuple[str, ...] = ()


# -- node -> certificate authority, Raft ---------------------------------------------------------
@dataclass(frozen=True, slots=True)
class GetRootCertificate(Message):
    """Call: answered with the cluster's root certificate, PEM. Needs no identity."""


@dataclass(frozen=True, slots=True)
class IssueCertificate(Message):
    """Call: a newcomer asks to be let in; answered with `Issued`."""

    token: str = field(repr=False)
    availability: str
    hostname: str
    address: str
    public_key: str = field(default="", repr=False)  # PEM; all that is taken from the newcomer


@dataclass(frozen=True, slots=True)
class RenewCertificate(Message):
    """Call: a node asks for a certificate for its present role; answered with `Issued`."""

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
    """Call: a new manager asks to be a voter; answered with `Joined`."""

    node_id: str
    address: str  # `10.77.0.4:2377`


@dataclass(frozen=True, slots=True)
class Joined(Message):
    raft_id: int
    members: tuple[Any, ...]  # raft.Member


# -- manager -> leader ----------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Control(Message):
    """Call: a Control API call passed on to the leader; `method` names a method of ControlApi."""

    method: str
    args: tuple[Any, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Ping(Message):
    """Call: answered with True; the leader dials a prospective member back."""
