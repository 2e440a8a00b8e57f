"""Helpers for tasks and their slots, shared by the control loops.

A slot holds all tasks of a service with one number (or, of a global service, on one node): the
current one and its history. A task is never restarted and never moved: it is replaced in its slot.
Source: swarmkit manager/orchestrator/{task,slot,service}.go, restart/restart.go.
"""

from __future__ import annotations

from collections.abc import Iterable

from swarmlab import model
from swarmlab.manager import constraints
from swarmlab.manager.store import Change, update
from swarmlab.simulation import Simulation

PENDING = "pending task scheduling"  # the message of a task that waits for a node


def new_task(
    service: model.Service,
    simulation: Simulation,
    *,
    slot: int = 0,
    node_id: str = "",
    desired: model.TaskState | None = None,
) -> model.Task:
    """A NEW task with the service's current spec; `desired` None: to run, or to complete."""
    job = service.spec.mode.endswith("-job")
    status = model.TaskStatus(
        state=model.TaskState.NEW, timestamp_ns=simulation.now_ns, message="created"
    )
    return model.Task(
        id=simulation.new_id(),
        service_id=service.id,
        service_name=service.spec.name,
        service_labels=service.spec.labels,
        slot=slot,
        node_id=node_id,
        spec=service.spec.task,
        spec_version=service.spec_version,
        desired=desired or (model.TaskState.COMPLETE if job else model.TaskState.RUNNING),
        status=status,
        endpoint_spec=service.spec.get("EndpointSpec"),
        job_iteration=service.job_iteration if job else None,
    )


def with_desired_state(task: model.Task, desired: model.TaskState) -> model.Task:
    """The task with a later desired state; a desired state never goes back."""
    assert desired >= task.desired, f"{task.id}: {task.desired} -> {desired} goes back"
    return task.with_(desired=desired)


def set_desired_state(tasks: Iterable[model.Task], desired: model.TaskState) -> list[Change]:
    """Changes that raise the desired state of those tasks that have an earlier one."""
    return [update(with_desired_state(t, desired)) for t in tasks if t.desired < desired]


def shut_down(tasks: Iterable[model.Task]) -> list[Change]:
    """Changes that set the desired state of the runnable tasks to SHUTDOWN."""
    return set_desired_state(runnable(tasks), model.TaskState.SHUTDOWN)


def is_invalid(node: model.Node | None) -> bool:
    """Whether a node can keep no tasks: removed, down or drained, but not unknown or paused."""
    return (
        node is None
        or node.status.state is model.NodeState.DOWN
        or node.spec.availability is model.Availability.DRAIN
    )


def should_restart_ever(task: model.Task) -> bool:
    """Whether the restart condition of a task that has ended allows another (attempts apart)."""
    condition = task.spec.restart.condition
    job = task.job_iteration is not None
    if condition == "none":
        return False
    if condition == "on-failure" or job:
        return task.state != model.TaskState.COMPLETE
    return True


def by_slot(tasks: Iterable[model.Task]) -> dict[int | str, list[model.Task]]:
    """The tasks of one service by slot number, or by node where there is no number."""
    slots: dict[int | str, list[model.Task]] = {}
    for task in tasks:
        slots.setdefault(task.slot or task.node_id, []).append(task)
    return slots


def runnable(tasks: Iterable[model.Task]) -> list[model.Task]:
    """The tasks whose desired state is RUNNING or earlier."""
    return [task for task in tasks if task.desired <= model.TaskState.RUNNING]


def is_clean(task: model.Task, service: model.Service, node: model.Node | None) -> bool:
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
    same_endpoint = (task.endpoint_spec or model.Document()) == (
        service.spec.get("EndpointSpec") or model.Document()
    )
    return current == old and same_endpoint


def is_rolling_back(service: model.Service) -> bool:
    status = service.update_status
    return status is not None and status.state is model.UpdateState.ROLLBACK_STARTED


def history_limit(cluster: model.Cluster) -> int:
    """How many tasks a slot keeps, the current one included; negative: all of them."""
    return int(cluster.spec.at("Orchestration", "TaskHistoryRetentionLimit", default=0))
