"""Invariants of a simulated swarm: checked after every transaction, and at the end of a run.

`HistoryChecker` receives each transaction that a manager applies, applies it to a store of its own,
and collects violations. A check is a function of the store before, the store after, and the
changes. Where SwarmKit itself breaks a simpler rule, the file that does so is named.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import swarmlab
from swarmlab.manager import constraints
from swarmlab.manager.store import Action, Change, Store
from swarmlab.manager.tasks import by_slot, runnable
from swarmlab.model import (
    Availability,
    Node,
    NodeState,
    Service,
    Task,
    TaskState,
    UpdateState,
)
from swarmlab.model.trace_records import BecameLeader

RUNNING, PENDING, ASSIGNED = TaskState.RUNNING, TaskState.PENDING, TaskState.ASSIGNED
original_apply = Store.apply  # `HistoryChecker.checked_apply` replaces it


class Transaction(NamedTuple):
    before: Store
    after: Store
    changes: list[tuple[Change, Any]]  # each change, and the object as it was before

    def tasks(self) -> Iterator[tuple[Task | None, Task]]:
        """Each created or updated task, with the task before; None when it is new."""
        for change, before in self.changes:
            if isinstance(change.object, Task) and change.action is not Action.REMOVE:
                yield before, change.object

    def placed(self) -> Iterator[Task]:
        """Tasks that the scheduler assigned to a node, or confirmed there."""
        for before, task in self.tasks():
            if task.state == ASSIGNED and (before is None or before.state < ASSIGNED):
                yield task


def active_slots(store: Store, service_id: str) -> set[int]:
    tasks = store.tasks_of_service(service_id)
    return {task.slot for task in tasks if task.desired <= RUNNING}


# -- after every transaction -----------------------------------------------------------------
def no_more_slots_than_replicas(it: Transaction) -> Iterator[str]:
    """A slot may have two tasks (start-first updates), and there may be too few slots.

    Source: swarmkit manager/orchestrator/replicated/services.go.
    """
    for id in {task.service_id for _, task in it.tasks()}:
        service, before = it.after.services.get(id), active_slots(it.before, id)
        if service is not None and service.spec.mode == "replicated":
            now = active_slots(it.after, id)
            if len(now) > max(service.spec.replicas, len(before)):
                yield f"{service.name}: {sorted(now)} for {service.spec.replicas} replicas"


def no_node_over_its_reservations(it: Transaction) -> Iterator[str]:
    """A task holds what it reserved until its status says that it has ended.

    Source: swarmkit manager/scheduler/filter.go, scheduler.go.
    """
    for node_id in {task.node_id for task in it.placed()}:
        here = [t for t in it.after.tasks_of_node(node_id) if ASSIGNED <= t.state <= RUNNING]
        offered = it.after.nodes[node_id].description["Resources"]
        for index, key in enumerate(("NanoCPUs", "MemoryBytes")):
            held = sum(int(task.spec.reserved[index]) for task in here)  # type: ignore[call-overload]
            if held > offered[key]:
                yield f"{it.after.nodes[node_id].hostname}: {key} {held} of {offered[key]}"


def no_node_over_its_max(it: Transaction) -> Iterator[str]:
    """Only tasks whose desired state is running count; a lower limit evicts none.

    A task of another spec, placed in the same transaction, may have come later, under no limit.
    Source: swarmkit manager/scheduler/filter.go, MaxReplicasFilter.
    """
    placed = {task.id: task for task in it.placed()}
    for task in placed.values():
        limit = task.spec.max_replicas
        here = [
            other
            for other in it.after.tasks_of_node(task.node_id)
            if other.service_id == task.service_id
            and ASSIGNED <= other.state <= RUNNING
            and other.desired <= TaskState.COMPLETE
            and (other.id not in placed or other.spec.max_replicas == limit)
        ]
        if task in here and 0 < limit < len(here):
            yield f"{task.name}: {len(here)} on one node, {limit} allowed"


def constraints_hold_at_placement(it: Transaction) -> Iterator[str]:
    """Later changes of nodes are handled by the constraint enforcer.

    Source: swarmkit manager/scheduler/filter.go, ReadyFilter and ConstraintFilter.
    """
    for task in it.placed():
        node = it.before.nodes.get(task.node_id)
        if node is None or not constraints.satisfied(
            constraints.parse(task.spec.constraints), node
        ):
            yield f"{task.name} on {task.node_id} violates {task.spec.constraints}"
        elif node.status.state is not NodeState.READY or not is_active(node):
            yield f"{task.name} on {node.hostname}, {node.status.state}"


def no_task_goes_back_or_moves(it: Transaction) -> Iterator[str]:
    """States only grow; the node and the spec of a task never change.

    Source: swarmkit api/objects.proto, api/types.proto.
    """
    for before, task in it.tasks():
        if before is None:
            continue
        if task.state < before.state:
            yield f"{task.name}: state {before.state} -> {task.state}"
        if task.desired < before.desired:
            yield f"{task.name}: desired {before.desired} -> {task.desired}"
        if before.node_id not in ("", task.node_id) or before.spec != task.spec:
            yield f"{task.name} moved or changed its spec"


CHECKS: list[Callable[[Transaction], Iterator[str]]] = [
    no_more_slots_than_replicas,
    no_node_over_its_reservations,
    no_node_over_its_max,
    constraints_hold_at_placement,
    no_task_goes_back_or_moves,
]


class HistoryChecker:
    """Checks each transaction of a cluster when the first manager applies it."""

    def __init__(self, cluster: swarmlab.Cluster) -> None:
        self.cluster = cluster
        leader = cluster._leader().store
        self.store = Store.restored(leader.dump(), leader.index)
        self.start_index = leader.index
        self.history: dict[int, tuple[Change, ...]] = {}
        self.violations: list[str] = []

    def checked_apply(self) -> Any:
        """A replacement of `Store.apply` that checks each transaction first."""

        def apply(store: Store, index: int, changes: Iterable[Change]) -> Any:
            changes = tuple(changes)
            self.check(store, index, changes)
            return original_apply(store, index, changes)

        return apply

    def check(self, store: Store, index: int, changes: tuple[Change, ...]) -> None:
        if index <= store.index:
            self.violations.append(f"history goes back: {index} applied after {store.index}")
        if self.history.setdefault(index, changes) != changes:
            self.violations.append(f"history differs at {index}")
        if index <= max(self.store.index, self.start_index):
            return
        before = Store.restored(self.store.dump(), self.store.index)
        applied = original_apply(self.store, index, changes)
        transaction = Transaction(before, self.store, applied)
        for check in CHECKS:
            self.violations += [f"{check.__name__}: {text}" for text in check(transaction)]

    def check_leaders(self) -> None:
        """At most one leader in each term. Raft paper, figure 3."""
        leaders: dict[int, set[str]] = {}
        for record in self.cluster.trace.of(BecameLeader):
            leaders.setdefault(record.term, set()).add(record.where)
        self.violations += [f"two leaders: {t}: {w}" for t, w in leaders.items() if len(w) > 1]


# -- at the end, long after the last fault -------------------------------------------------------
GIB = 1 << 30
IMAGES_THAT_RUN = ("nginx",)
IN_PROGRESS = (UpdateState.UPDATING, UpdateState.ROLLBACK_STARTED)
PAUSED = (UpdateState.PAUSED, UpdateState.ROLLBACK_PAUSED)


def is_active(node: Node) -> bool:
    return node.spec.availability is Availability.ACTIVE


def matching(store: Store, service: Service) -> list[Node]:
    parsed = constraints.parse(service.spec.task.constraints)
    return [node for node in store.all(Node) if constraints.satisfied(parsed, node)]


def fits(store: Store, service: Service) -> bool:
    """Whether resources are certainly sufficient: for all services twice on any one node."""
    nodes, spec = matching(store, service), service.spec
    reserved = 0
    for other in store.services.values():
        count = len(store.nodes) if other.spec.mode == "global" else other.spec.replicas
        reserved += 2 * count * other.spec.task.reserved.memory_bytes
    limit = spec.task.max_replicas
    allowed = not limit or spec.mode == "global" or len(nodes) * limit >= spec.replicas
    return bool(nodes) and allowed and reserved <= 8 * GIB


def is_dropped(store: Store, task: Task) -> bool:
    """The scheduler drops a pending task of an older spec version from its queue.

    Source: swarmkit manager/scheduler/scheduler.go.
    """
    service = store.services[task.service_id]
    return task.state <= PENDING and task.spec_version < service.spec_version


def last_tasks(store: Store, service: Service) -> Iterator[Task]:
    """The runnable tasks of each slot, or the newest task of a slot that has none."""
    for slot in by_slot(store.tasks_of_service(service.id)).values():
        yield from runnable(slot) or [max(slot, key=lambda task: task.stamp_ns)]


def should_converge(store: Store, service: Service) -> bool:
    """Condition any, no limit of attempts, an image that runs, resources on nodes that match."""
    status, own = service.update_status, service.spec.task
    paused = status is not None and status.state in PAUSED
    for spec in (own, *(task.spec for task in last_tasks(store, service))):
        policy = spec.restart
        # What ended under another policy counts as a replica until it is updated.
        # Source: swarmkit manager/orchestrator/replicated/slot.go.
        if policy.condition != "any" or policy.max_attempts or spec.image not in IMAGES_THAT_RUN:
            return False
        if paused and spec != own:
            return False  # a paused update replaces no outdated task
    return fits(store, service)


def unconverged(store: Store) -> Iterator[str]:
    """Each slot, or each node that matches, must have a running task.

    Source: swarmkit manager/orchestrator/replicated/services.go, global/global.go.
    """
    for service in store.all(Service):
        if not should_converge(store, service):
            continue
        tasks = [t for t in store.tasks_of_service(service.id) if t.desired <= RUNNING]
        if any(is_dropped(store, task) for task in tasks):
            continue  # and an update waits for such a task without limit
        running = {t.slot or t.node_id for t in tasks if t.state == RUNNING}
        if service.spec.mode == "global":
            expected = len(matching(store, service))
        else:
            expected = service.spec.replicas
        if len(running) != expected:
            yield f"unconverged: {service.name}: {len(running)} of {expected} run"


def unfinished_updates(store: Store) -> Iterator[str]:
    """An update must reach a final state, unless one of its tasks waits for a node or a start.

    Source: swarmkit manager/orchestrator/update/updater.go.
    """
    for service in store.all(Service):
        status = service.update_status
        if status is None or status.state not in IN_PROGRESS:
            continue  # an update that changes nothing has no status
        tasks = [t for t in store.tasks_of_service(service.id) if t.desired <= RUNNING]
        if any(t.state < RUNNING and not_restarting(t) for t in tasks):
            continue  # pending is not a failure, and the updater waits without limit
        rolls_back = service.spec.update_config.failure_action == "rollback"
        if rolls_back and service.previous_spec is None:
            continue  # without a previous spec it stays `updating`
        yield f"unfinished: {service.name}: {status.state}, {status.message}"


def not_restarting(task: Task) -> bool:
    """Whether the task waits for anything but its restart delay."""
    return task.desired == RUNNING or task.state <= PENDING
