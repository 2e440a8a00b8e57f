"""What must hold in any story of a simulated swarm: checks of every transaction, and of the end.

`Chronicle` hears of each transaction that any manager applies, keeps a store of its own by them,
and notes what is broken. A check is a function of the store before, the store after and what was
changed. Where the real engine breaks a nicer rule, the section that says so is named.
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
apply_for_real = Store.apply  # `Chronicle.listening` puts an ear in its place


class Transaction(NamedTuple):
    before: Store
    after: Store
    done: list[tuple[Change, Any]]  # each change, and the object as it was before

    def tasks(self) -> Iterator[tuple[Task | None, Task]]:
        for change, before in self.done:
            if isinstance(change.object, Task) and change.action is not Action.REMOVE:
                yield before, change.object

    def placed(self) -> Iterator[Task]:
        """Tasks that the scheduler put, or let stay, on a node."""
        for before, task in self.tasks():
            if task.state == ASSIGNED and (before is None or before.state < ASSIGNED):
                yield task


def wanted_slots(store: Store, service_id: str) -> set[int]:
    tasks = store.tasks_of_service(service_id)
    return {task.slot for task in tasks if task.desired <= RUNNING}


# -- after every transaction -----------------------------------------------------------------
def no_more_slots_than_replicas(it: Transaction) -> Iterator[str]:
    """2.3. A slot may have two tasks (4.4, 4.9: start-first); there may be too few (2.3, 3.4)."""
    for id in {task.service_id for _, task in it.tasks()}:
        service, before = it.after.services.get(id), wanted_slots(it.before, id)
        if service is not None and service.spec.mode == "replicated":
            now = wanted_slots(it.after, id)
            if len(now) > max(service.spec.replicas, len(before)):
                yield f"{service.name}: {sorted(now)} for {service.spec.replicas} replicas"


def no_node_over_its_reservations(it: Transaction) -> Iterator[str]:
    """6.3, and 6.1: a task holds what it reserved until it is observed to be over."""
    for node_id in {task.node_id for task in it.placed()}:
        here = [t for t in it.after.tasks_of_node(node_id) if ASSIGNED <= t.state <= RUNNING]
        offered = it.after.nodes[node_id].description["Resources"]
        for place, key in enumerate(("NanoCPUs", "MemoryBytes")):
            held = sum(int(task.spec.reserved[place]) for task in here)  # type: ignore[call-overload]
            if held > offered[key]:
                yield f"{it.after.nodes[node_id].hostname}: {key} {held} of {offered[key]}"


def no_node_over_its_max(it: Transaction) -> Iterator[str]:
    """6.3, filter 7. Only what is wanted counts (6.1); a lower limit evicts nobody (2.5).

    A task of another spec, placed in the same transaction, may have come later, under no limit.
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
    """6.3, filters 1 and 4: later changes are the enforcer's affair (2.12)."""
    for task in it.placed():
        node = it.before.nodes.get(task.node_id)
        if node is None or not constraints.satisfied(
            constraints.parse(task.spec.constraints), node
        ):
            yield f"{task.name} on {task.node_id} in spite of {task.spec.constraints}"
        elif node.status.state is not NodeState.READY or not is_active(node):
            yield f"{task.name} on {node.hostname}, {node.status.state}"


def no_task_goes_back_or_moves(it: Transaction) -> Iterator[str]:
    """1.5, 1.7, 1.8: states only grow, a node is for ever, a spec is a copy."""
    for before, task in it.tasks():
        if before is None:
            continue
        for what in ("state", "desired"):
            if getattr(task, what) < getattr(before, what):
                yield f"{task.name}: {what} {getattr(before, what)} -> {getattr(task, what)}"
        if before.node_id not in ("", task.node_id) or before.spec != task.spec:
            yield f"{task.name} moved or changed its spec"


CHECKS: list[Callable[[Transaction], Iterator[str]]] = [
    no_more_slots_than_replicas,
    no_node_over_its_reservations,
    no_node_over_its_max,
    constraints_hold_at_placement,
    no_task_goes_back_or_moves,
]


class Chronicle:
    """The history of a cluster, as the first manager to apply each transaction wrote it."""

    def __init__(self, cluster: swarmlab.Cluster) -> None:
        self.cluster = cluster
        leader = cluster._leader().store
        self.store = Store.restored(leader.dump(), leader.index)
        self.begun_at = leader.index
        self.history: dict[int, tuple[Change, ...]] = {}
        self.broken: list[str] = []

    def listening(self) -> Any:
        """What to put in the place of `Store.apply`."""

        def apply(store: Store, index: int, changes: Iterable[Change]) -> Any:
            changes = tuple(changes)
            self.hear(store, index, changes)
            return apply_for_real(store, index, changes)

        return apply

    def hear(self, store: Store, index: int, changes: tuple[Change, ...]) -> None:
        if index <= store.index:
            self.broken.append(f"history went back: {index} applied after {store.index}")
        if self.history.setdefault(index, changes) != changes:
            self.broken.append(f"history was rewritten at {index}")
        if index <= max(self.store.index, self.begun_at):
            return
        before = Store.restored(self.store.dump(), self.store.index)
        done = apply_for_real(self.store, index, changes)
        transaction = Transaction(before, self.store, done)
        for check in CHECKS:
            self.broken += [f"{check.__name__}: {said}" for said in check(transaction)]

    def check_leaders(self) -> None:
        """At most one leader a term. Raft paper, figure 3."""
        leaders: dict[int, set[str]] = {}
        for record in self.cluster.trace.of(BecameLeader):
            leaders.setdefault(record.term, set()).add(record.where)
        self.broken += [f"two leaders: {t}: {w}" for t, w in leaders.items() if len(w) > 1]


# -- the end, long after the last fault ----------------------------------------------------------
GIB = 1 << 30
IMAGES_THAT_RUN = ("nginx",)
UNDER_WAY = (UpdateState.UPDATING, UpdateState.ROLLBACK_STARTED)
PAUSED = (UpdateState.PAUSED, UpdateState.ROLLBACK_PAUSED)


def is_active(node: Node) -> bool:
    return node.spec.availability is Availability.ACTIVE


def matching(store: Store, service: Service) -> list[Node]:
    wanted = constraints.parse(service.spec.task.constraints)
    return [node for node in store.all(Node) if constraints.satisfied(wanted, node)]


def fits(store: Store, service: Service) -> bool:
    """Whether there is room without doubt: all services twice over on any one node."""
    nodes, spec = matching(store, service), service.spec
    reserved = 0
    for other in store.services.values():
        count = len(store.nodes) if other.spec.mode == "global" else other.spec.replicas
        reserved += 2 * count * other.spec.task.reserved.memory_bytes
    limit = spec.task.max_replicas
    room = not limit or spec.mode == "global" or len(nodes) * limit >= spec.replicas
    return bool(nodes) and room and reserved <= 8 * GIB


def is_forgotten(store: Store, task: Task) -> bool:
    """6.4 TRAP: a pending task of an older spec version is out of the scheduler's queue."""
    service = store.services[task.service_id]
    return task.state <= PENDING and task.spec_version < service.spec_version


def last_tasks(store: Store, service: Service) -> Iterator[Task]:
    """The live tasks of each slot, and the newest of a slot that has none."""
    for slot in by_slot(store.tasks_of_service(service.id)).values():
        yield from runnable(slot) or [max(slot, key=lambda task: task.stamp_ns)]


def should_converge(store: Store, service: Service) -> bool:
    """Condition any, no limit of attempts, a program that runs, matching nodes with room."""
    status, own = service.update_status, service.spec.task
    paused = status is not None and status.state in PAUSED
    for spec in (own, *(task.spec for task in last_tasks(store, service))):
        policy = spec.restart
        # 2.2, rule 3: what ended under another policy counts as a replica, until it is updated.
        if policy.condition != "any" or policy.max_attempts or spec.image not in IMAGES_THAT_RUN:
            return False
        if paused and spec != own:
            return False  # 4.7: nobody replaces what is outdated
    return fits(store, service)


def unconverged(store: Store) -> Iterator[str]:
    """2.3 and 2.6: each slot, or each node that matches, has a task that runs."""
    for service in store.all(Service):
        if not should_converge(store, service):
            continue
        tasks = [t for t in store.tasks_of_service(service.id) if t.desired <= RUNNING]
        if any(is_forgotten(store, task) for task in tasks):
            continue  # 6.4 TRAP [run], and 4.4 TRAP: an update waits for it for ever
        running = {t.slot or t.node_id for t in tasks if t.state == RUNNING}
        if service.spec.mode == "global":
            wanted = len(matching(store, service))
        else:
            wanted = service.spec.replicas
        if len(running) != wanted:
            yield f"unconverged: {service.name}: {len(running)} of {wanted} run"


def unended(store: Store) -> Iterator[str]:
    """4.7: an update comes to an end state, if no task of it waits for a place or a start."""
    for service in store.all(Service):
        status = service.update_status
        if status is None or status.state not in UNDER_WAY:
            continue  # 4.3: unset after an update that changed nothing
        tasks = [t for t in store.tasks_of_service(service.id) if t.desired <= RUNNING]
        if any(t.state < RUNNING and not_restarting(t) for t in tasks):
            continue  # 4.4 TRAP: pending is no failure, and is waited for without end
        rolls_back = service.spec.update_config.failure_action == "rollback"
        if rolls_back and service.previous_spec is None:
            continue  # 4.8: it cannot be rolled back, and stays `updating`
        yield f"unended: {service.name}: {status.state}, {status.message}"


def not_restarting(task: Task) -> bool:
    """Whether the task waits for something else than its restart delay."""
    return task.desired == RUNNING or task.state <= PENDING
