"""Trace records: one class for each kind of event that a component adds to the trace.

All kinds of record are named here, those of the simulation included, so that a view can match
classes: `case TaskStatusChanged()`. A record holds names, ids, numbers and messages: never a
payload, a token or a key.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from swarmlab.model.objects import TaskState, UpdateState
from swarmlab.simulation import Crashed as Crashed
from swarmlab.simulation import Dropped as Dropped
from swarmlab.simulation import Failed as Failed
from swarmlab.simulation import Healed as Healed
from swarmlab.simulation import Partitioned as Partitioned
from swarmlab.simulation import Record as Record
from swarmlab.simulation import Started as Started
from swarmlab.simulation import Stopped as Stopped


# -- Raft -----------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Campaigned(Record):
    term: int  # in which it votes for itself and asks the others


@dataclass(frozen=True, slots=True)
class VotedFor(Record):
    term: int
    candidate: int  # raft id


@dataclass(frozen=True, slots=True)
class VoteRefused(Record):
    term: int  # the candidate's
    candidate: int  # raft id
    why: str  # a raft.messages.VoteRefusal


@dataclass(frozen=True, slots=True)
class BecameLeader(Record):
    term: int


@dataclass(frozen=True, slots=True)
class BecameFollower(Record):
    term: int
    leader: int  # raft id; 0 = it stopped leading or campaigning and knows no leader


@dataclass(frozen=True, slots=True)
class SnapshotSent(Record):
    to: int  # raft id
    index: int


@dataclass(frozen=True, slots=True)
class MembershipChanged(Record):
    members: tuple[int, ...]  # raft ids


# -- manager --------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Scheduled(Record):
    """One decision: tasks of a service got nodes. Each placement is (slot, task id, host name)."""

    service: str
    placements: tuple[tuple[int, str, str], ...]


@dataclass(frozen=True, slots=True)
class Unschedulable(Record):
    task: str
    task_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Written(Record):
    """The leader stored what `author`, a control loop or a command, had decided: the transaction
    in Raft's log at `index`."""

    author: str  # `Scheduler`, `create_service`
    index: int


@dataclass(frozen=True, slots=True)
class TasksSent(Record):
    """The dispatcher sent tasks, new or changed, to the agent of machine `node`."""

    node: str
    task_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NodeStateChanged(Record):
    """The dispatcher's opinion of a node changed."""

    node: str
    state: str
    message: str


@dataclass(frozen=True, slots=True)
class UpdateStateChanged(Record):
    service: str
    state: UpdateState
    message: str


# -- worker ---------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class TaskStatusChanged(Record):
    """A task reached a new state on its worker."""

    task_id: str
    name: str
    state: TaskState
    message: str
    err: str


# -- node -----------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class SessionRefused(Record):
    """This machine refused the certificate of `peer`, or `peer` refused this machine's."""

    peer: str
    why: str


# -- network --------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class KeysChanged(Record):
    """This machine has other keys for gossip; each is named by its Lamport time."""

    keys: tuple[int, ...]  # oldest first
    primary: int  # the one that it encrypts with


class RequestCount(NamedTuple):
    """The requests to one task in one second."""

    task: str  # web.3; empty: the balancer knew no task
    task_id: str
    version: str  # the image
    served: int
    failed: int
    slow: int  # of those served


@dataclass(frozen=True, slots=True)
class RequestsCounted(Record):
    """The outcome of the requests that machine `where` sent in the last second."""

    service: str
    counts: tuple[RequestCount, ...]
