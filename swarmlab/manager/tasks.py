"""Helpers for tasks and their slots, shared by the control loops.

A slot holds all tasks of a service with one number (or, of a global service, on one node): the
current one and its history. A task is never restarted and never moved: it is replaced in its slot.
Source: swarmkit manager/orchestrator/{task,slot,service}.go, restart/restart.go.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from swarmlab.manager import constraints
from swarmlab.manager.store import Change, update
from swarmlab.model import (
    Availability,
    Cluster,
    Document,
    Node,
    NodeState,
    Service,
    Task,
    TaskState,
    TaskStatus,
    UpdateState,
)
from swarmlab.simulation import Simulation

PENDING = "pending task scheduling"  # the message of a task that waits for a node


def new_task(
    service: Service,
    simulation: Simulation,
    *,
    slot: int = 0,
    node_id: str = "",
    desired: TaskState | None = None,
) -> Task:
    """A NEW task with the service's current spec; `desired` None: to run, or to complete."""
    job = service.spec.mode.endswith("-job")
    status = TaskStatus(state=TaskState.NEW, timestamp_ns=simulation.now_ns, message="created")
    return Task(
        id=simulation.new_id(),
        service_id=service.id,
        service_name=service.spec.name,
        service_labels=service.spec.labels,
        slot=slot,
        node_id=node_id,
        spec=service.spec.task,
        spec_version=service.spec_version,
        desired=desired or (TaskState.COMPLETE if job else TaskState.RUNNING),
        status=status,
        endpoint_spec=service.spec.get("EndpointSpec"),
        job_iteration=service.job_iteration if job else None,
    )


def with_desired_state(task: Task, desired: TaskState) -> Task:
    """The task with a later desired state; a desired state never goes back."""
    assert desired >= task.desired, f"{task.id}: {task.desired} -> {desired} goes back"
    return replace(task, desired=desired)


def set_desired_state(tasks: Iterable[Task], desired: TaskState) -> list[Change]:
    """Changes that raise the desired state of those tasks that have an earlier one."""
    return [update(with_desired_state(t, desired)) for t in tasks if t.desired < desired]


def shut_down(tasks: Iterable[Task]) -> list[Change]:
    """Changes that set the desired state of the runnable tasks to SHUTDOWN."""
    return set_desired_state(runnable(tasks), TaskState.SHUTDOWN)


def is_invalid(node: Node | None) -> bool:
    """Whether a node can keep no tasks: removed, down or drained, but not unknown or paused."""
    return (
        node is None
        or node.status.state is NodeState.DOWN
        or node.spec.availability is Availability.DRAIN
    )


def should_restart_ever(task: Task) -> bool:
    """Whether the restart condition of a task that has ended allows another (attempts apart)."""
    condition = task.spec.restart.condition
    job = task.job_iteration is not None
    if condition == "none":
        return False
    if condition == "on-failure" or job:
        return task.state != TaskState.COMPLETE
    return True


def by_slot(tasks: Iterable[Task]) -> dict[int | str, list[Task]]:
    """The tasks of one service by slot number, or by node where there is no number."""
    slots: dict[int | str, list[Task]] = {}
    for task in tasks:
        slots.setdefault(task.slot or task.node_id, []).append(task)
    return slots


def runnable(tasks: Iterable[Task]) -> list[Task]:
    """The tasks whose desired state is RUNNING or earlier."""
    return [task for task in tasks if task.desired <= TaskState.RUNNING]


def is_clean(task: Task, service: Service, node: Node | None) -> bool:
    """Whether the task runs what the service's current spec asks for, so needs no update.

    A changed placement alone does not outdate a task whose node still meets the constraints.
    """
    if task.spec_version == service.spec_version:
        return True
    current, old = service.spec.task, task.spec
    if current != old and node is not None:
        rest_equal = current.with_(Placement=None) == old.with_(Placement=None)
        met = constraints.satisfied(constraints.parse(current.constraints), node)
        if rest_equal and met:
            return True
    same_endpoint = (task.endpoint_spec or Document()) == (
        service.spec.get("EndpointSpec") or Document()
    )
    return current == old and same_endpoint


def is_rolling_back(service: Service) -> bool:
    status = service.update_status
    return status is not None and status.state is UpdateState.ROLLBACK_STARTED


def history_limit(cluster: Cluster) -> int:
    """How many tasks a slot keeps, the current one included; negative: all of them."""
    return int(cluster.spec.at("Orchestration", "TaskHistoryRetentionLimit", default=0))
