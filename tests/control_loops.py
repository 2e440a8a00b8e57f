"""Nodes, services and tasks for tests of the manager's control loops, without a cluster."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from swarmlab.manager.control_loop import ControlLoop
from swarmlab.manager.store import Action, Change, Store
from swarmlab.model import (
    Cluster,
    Document,
    Node,
    NodeSpec,
    NodeState,
    NodeStatus,
    Role,
    Service,
    ServiceSpec,
    StoreObject,
    Task,
    TaskState,
    TaskStatus,
    freeze,
)
from swarmlab.simulation import S, Simulation

GIB = 1 << 30


def node(
    id: str,
    *,
    labels: dict[str, str] | None = None,
    state: NodeState = NodeState.READY,
    availability: str = "active",
    role: Role = Role.WORKER,
    cpus: int = 4,
    memory_bytes: int = 8 * GIB,
) -> Node:
    spec = NodeSpec(Labels=Document(labels or {}), Role=role.value, Availability=availability)
    resources = Document(NanoCPUs=cpus * 10**9, MemoryBytes=memory_bytes)
    platform = Document(OS="linux", Architecture="x86_64")
    return Node(
        id=id,
        spec=spec,
        role=role,
        status=NodeStatus(state=state, addr="10.77.0.9"),
        description=Document(Hostname=id, Platform=platform, Resources=resources),
    )


def service(id: str = "web", *, replicas: int = 1, mode: Any = None, version: int = 0, **spec: Any):
    """A service; `TaskTemplate` and the like are given as the API takes them."""
    template = spec.pop("TaskTemplate", {})
    template = {"ContainerSpec": {"Image": "nginx"}, **template}
    mode = mode or {"Replicated": {"Replicas": replicas}}
    document = {"Name": id, "TaskTemplate": template, "Mode": mode, **spec}
    return Service(id=id, spec=ServiceSpec(freeze(document)), spec_version=version)


def task(
    id: str,
    of: Service,
    *,
    slot: int = 0,
    node: str = "",
    state: TaskState = TaskState.RUNNING,
    desired: TaskState = TaskState.RUNNING,
    at_s: float = 0,
    **fields: Any,
) -> Task:
    made = Task(
        id=id,
        service_id=of.id,
        service_name=of.name,
        slot=slot,
        node_id=node,
        spec=of.spec.task,
        spec_version=of.spec_version,
        desired=desired,
        status=TaskStatus(state=state, timestamp_ns=int(at_s * S)),
        endpoint_spec=of.spec.get("EndpointSpec"),
        created_ns=int(at_s * S),
    )
    return replace(made, **fields)


def cluster(**spec: Any) -> Cluster:
    document = freeze({"Orchestration": {"TaskHistoryRetentionLimit": 5}, **spec})
    return Cluster(
        id="cluster",
        spec=document,
        worker_token="",
        manager_token="",
        root_certificate="",
        root_key="",
    )


class Harness:
    """A store and one control loop: it sees what is applied, and what it decides is applied."""

    def __init__(
        self, objects: Iterable[StoreObject], control_loop: type[ControlLoop] | Any, seed: int = 1
    ):
        self.simulation = Simulation(seed)
        self.store = Store([cluster(), *objects])
        self.control_loop = control_loop(self.simulation, self.store)

    def apply(self, *changes: Change) -> None:
        for change, before in self.store.apply(self.store.index + 1, changes):
            after = None if change.action is Action.REMOVE else change.object
            if type(change.object) in self.control_loop.watches:
                self.control_loop.see(before, after)

    def decide(self) -> list[Change]:
        """Let the control loop decide until it has nothing more to change now; all its changes."""
        changes_made: list[Change] = []
        for _ in range(100):
            changes = self.control_loop.decide(self.store)
            self.apply(*changes)
            changes_made += changes
            alarm_ns = self.control_loop.alarm_ns()
            if not changes and (alarm_ns is None or alarm_ns > self.simulation.now_ns):
                return changes_made
        raise AssertionError("the control loop never comes to rest")

    def later(self, seconds: float) -> list[Change]:
        """Time passes; what the control loop decides then."""
        self.simulation.now_ns += int(seconds * S)
        return self.decide()

    def report(self, id: str, state: TaskState, **fields: Any) -> None:
        """The agent's report of a task is stored."""
        now_ns = self.simulation.now_ns
        status = TaskStatus(state=state, timestamp_ns=now_ns, applied_ns=now_ns, **fields)
        self.apply(Change(Action.UPDATE, replace(self.store.tasks[id], status=status)))

    def tasks(self, *, desired: TaskState = TaskState.RUNNING) -> list[Task]:
        """The tasks whose desired state is at most `desired`, by slot."""
        return sorted(
            (t for t in self.store.tasks.values() if t.desired <= desired),
            key=lambda t: (t.slot, t.node_id),
        )
