"""What a swarm must have reached long after the last fault, judged as `judge.py` does."""

from __future__ import annotations

from collections.abc import Iterator

from swarmlab.model import Availability, Node, Service, Task, UpdateState
from tests.judge import PENDING, RUNNING, Tables, meets_all, of_service, runs_platform

GIB = 1 << 30
IMAGES_THAT_RUN = ("nginx",)
IN_PROGRESS = (UpdateState.UPDATING, UpdateState.ROLLBACK_STARTED)
PAUSED = (UpdateState.PAUSED, UpdateState.ROLLBACK_PAUSED)


def is_active(node: Node) -> bool:
    return node.spec.availability is Availability.ACTIVE


def matching(tables: Tables, service: Service) -> list[Node]:
    """Nodes that meet the constraints."""
    return [node for node in tables["node"].values() if meets_all(node, service.spec.task)]


def fits(tables: Tables, service: Service) -> bool:
    """Whether resources are certainly sufficient: for all services twice on any one node."""
    nodes, spec = matching(tables, service), service.spec
    reserved = 0
    for other in tables["service"].values():
        count = len(tables["node"]) if other.spec.mode == "global" else other.spec.replicas
        reserved += 2 * count * other.spec.task.reserved.memory_bytes
    if any(port.get("PublishMode") == "host" for port in spec.ports):
        return False  # another service may have the port
    if not all(runs_platform(node, spec.task) for node in nodes):
        return False
    limit = spec.task.max_replicas
    allowed = not limit or spec.mode == "global" or len(nodes) * limit >= spec.replicas
    return bool(nodes) and allowed and reserved <= 8 * GIB


def is_dropped(tables: Tables, task: Task) -> bool:
    """The scheduler drops a pending task of an older spec version from its queue.

    Source: swarmkit manager/scheduler/scheduler.go.
    """
    service = tables["service"][task.service_id]
    return task.state <= PENDING and task.spec_version < service.spec_version


def last_tasks(tables: Tables, service: Service) -> Iterator[Task]:
    """The runnable tasks of each slot, or the newest task of a slot that has none."""
    slots: dict[int | str, list[Task]] = {}
    for task in of_service(tables, service.id):
        slots.setdefault(task.slot or task.node_id, []).append(task)
    for slot in slots.values():
        runnable = [task for task in slot if task.desired <= RUNNING]
        yield from runnable or [max(slot, key=lambda task: task.stamp_ns)]


def should_converge(tables: Tables, service: Service) -> bool:
    """Condition any, no limit of attempts, an image that runs, resources on nodes that match."""
    status, own = service.update_status, service.spec.task
    paused = status is not None and status.state in PAUSED
    for spec in (own, *(task.spec for task in last_tasks(tables, service))):
        policy = spec.restart
        # What ended under another policy counts as a replica until it is updated.
        # Source: swarmkit manager/orchestrator/replicated/slot.go.
        if policy.condition != "any" or policy.max_attempts or spec.image not in IMAGES_THAT_RUN:
            return False
        if paused and spec != own:
            return False  # a paused update replaces no outdated task
    return fits(tables, service)


def unconverged(tables: Tables) -> Iterator[str]:
    """Each slot, or each node that matches, must have a running task.

    Source: swarmkit manager/orchestrator/replicated/services.go, global/global.go.
    """
    for service in tables["service"].values():
        if not should_converge(tables, service):
            continue
        tasks = [t for t in of_service(tables, service.id) if t.desired <= RUNNING]
        if any(is_dropped(tables, task) for task in tasks):
            continue  # and an update waits for such a task without limit
        running = {t.slot or t.node_id for t in tasks if t.state == RUNNING}
        if service.spec.mode == "global":
            expected = len(matching(tables, service))
        else:
            expected = service.spec.replicas
        if len(running) != expected:
            yield f"unconverged: {service.name}: {len(running)} of {expected} run"


def unfinished_updates(tables: Tables) -> Iterator[str]:
    """An update must reach a final state, unless one of its tasks waits for a node or a start.

    Source: swarmkit manager/orchestrator/update/updater.go.
    """
    for service in tables["service"].values():
        status = service.update_status
        if status is None or status.state not in IN_PROGRESS:
            continue  # an update that changes nothing has no status
        tasks = [t for t in of_service(tables, service.id) if t.desired <= RUNNING]
        if any(t.state < RUNNING and not_restarting(t) for t in tasks):
            continue  # pending is not a failure, and the updater waits without limit
        rolls_back = service.spec.update_config.failure_action == "rollback"
        if rolls_back and service.previous_spec is None:
            continue  # without a previous spec it stays `updating`
        yield f"unfinished: {service.name}: {status.state}, {status.message}"


def not_restarting(task: Task) -> bool:
    """Whether the task waits for anything but its restart delay."""
    return task.desired == RUNNING or task.state <= PENDING


def left_on(tables: Tables, node: Node) -> Iterator[str]:
    """A drained node keeps no task that is to run. Source: swarmkit orchestrator/task.go."""
    for task in tables["task"].values():
        if task.node_id == node.id and task.state <= RUNNING and task.desired <= RUNNING:
            yield f"{task.name} is to run on {node.hostname}, which is drained"
