"""Judges the history of a swarm by Docker's rules, in code of its own.

It shares the product's stored objects, which are data, and no decision: what a constraint, a
platform, a reservation or a host port means is written here a second time. `Judge` receives each
transaction that a manager applies, applies it to tables of its own, and collects violations. A rule
is a generator over one transaction. Where SwarmKit itself breaks a simpler rule, the file that does
so is named. `convergence.py` judges what a swarm must have reached long after the last fault.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import swarmlab
from swarmlab.cluster.decisions import leading_manager
from swarmlab.model import Node, NodeState, Service, StoreObject, Task, TaskState
from swarmlab.model.trace_records import BecameLeader

NEW, PENDING, ASSIGNED = TaskState.NEW, TaskState.PENDING, TaskState.ASSIGNED
READY, RUNNING, COMPLETE = TaskState.READY, TaskState.RUNNING, TaskState.COMPLETE
Tables = dict[str, dict[str, Any]]  # kind -> id -> object
# SwarmKit ranks by failures from the fifth on: such services are spread by another rule.
FAILURES_MAX = 5


# -- what the words of a spec mean ---------------------------------------------------------------
def value_of(node: Node, key: str) -> str | None:
    """The value that a constraint's key has on a node; None for a key that does not exist."""
    start, _, label = key.partition(".labels.")
    if label and start.lower() == "node":
        return (node.spec.get("Labels") or {}).get(label, "")
    if label and start.lower() == "engine":
        return (node.description.at("Engine", "Labels") or {}).get(label, "")
    platform = node.description.get("Platform") or {}
    return {
        "node.id": node.id,
        "node.hostname": node.description.get("Hostname", ""),
        "node.role": str(node.role),
        "node.platform.os": platform.get("OS", ""),
        "node.platform.arch": platform.get("Architecture", ""),
    }.get(key.lower())


def meets(node: Node, expression: str) -> bool:
    """Whether a node meets one constraint, `node.labels.disk==ssd` or with `!=`."""
    wants_equal = "==" in expression
    key, value = (part.strip() for part in expression.split("==" if wants_equal else "!=", 1))
    if key.lower() == "node.ip":
        try:
            inside = ipaddress.ip_address(node.status.addr) in ipaddress.ip_network(value, False)
        except ValueError:
            return False
        return inside == wants_equal
    found = value_of(node, key)
    return found is not None and (found.casefold() == value.casefold()) == wants_equal


def meets_all(node: Node, spec: Any) -> bool:
    return all(meets(node, expression) for expression in spec.at("Placement", "Constraints") or ())


def runs_platform(node: Node, spec: Any) -> bool:
    """Whether the node's platform is one of those that the spec names, or the spec names none."""
    names = {"x86_64": "amd64", "aarch64": "arm64"}
    own = node.description.get("Platform") or {}
    machine = names.get(own.get("Architecture", ""), own.get("Architecture", ""))
    wanted = spec.at("Placement", "Platforms") or ()
    return not wanted or any(
        (not p.get("OS") or p["OS"] == own.get("OS", ""))
        and (not p.get("Architecture") or names.get(*[p["Architecture"]] * 2) == machine)
        for p in wanted
    )


def reserved(task: Task) -> tuple[int, int]:
    """(billionths of a processor, bytes of memory) that a task reserves."""
    amounts = task.spec.at("Resources", "Reservations") or {}
    return amounts.get("NanoCPUs") or 0, amounts.get("MemoryBytes") or 0


def offered(node: Node) -> tuple[int, int]:
    resources = node.description["Resources"]
    return resources["NanoCPUs"], resources["MemoryBytes"]


def host_ports(task: Task) -> set[tuple[str, int]]:
    """(protocol, number) of the ports that a task takes of its node."""
    ports = (task.endpoint_spec or {}).get("Ports") or ()
    return {
        (port.get("Protocol") or "tcp", port["PublishedPort"])
        for port in ports
        if port.get("PublishMode") == "host" and port.get("PublishedPort")
    }


def holds(task: Task) -> bool:
    """Whether a task holds what it reserved: until its status says that it has ended."""
    return ASSIGNED <= task.state <= RUNNING


def counts(task: Task) -> bool:
    """Whether a task counts on its node: it holds, and is not to be shut down."""
    return holds(task) and task.desired <= COMPLETE


def mode(service: Service) -> str:
    return next(iter(key for key, value in service.spec["Mode"].items() if value is not None))


def replicas(service: Service) -> int:
    return (service.spec["Mode"].get("Replicated") or {}).get("Replicas", 1)


# -- one transaction -----------------------------------------------------------------------------
class Transaction(NamedTuple):
    before: Tables
    after: Tables
    changes: list[tuple[str, Any, Any]]  # (action, object, the object before; None when new)
    seen: Seen

    def tasks(self) -> Iterator[tuple[Task | None, Task]]:
        """Each created or updated task, with the task before; None when it is new."""
        for action, object, before in self.changes:
            if isinstance(object, Task) and action != "remove":
                yield before, object

    def placed(self) -> list[Task]:
        """Tasks that the scheduler assigned to a node, or confirmed there."""
        return [
            task
            for before, task in self.tasks()
            if task.state == ASSIGNED and (before is None or before.state < ASSIGNED)
        ]


class Seen:
    """What the judge remembers of the whole history."""

    def __init__(self) -> None:
        self.start_first: set[str] = set()  # services that ever had such an update
        self.failures: Counter[tuple[str, int]] = Counter()  # by service and version

    def note(self, it: Transaction) -> None:
        for _, object, _ in it.changes:
            if isinstance(object, Service):
                for key in ("UpdateConfig", "RollbackConfig"):
                    if (object.spec.get(key) or {}).get("Order") == "start-first":
                        self.start_first.add(object.id)
        for before, task in it.tasks():
            ended = task.state in (TaskState.FAILED, TaskState.REJECTED)
            if ended and (before is None or before.state != task.state):
                self.failures[task.service_id, task.spec_version] += 1


def on_node(tables: Tables, node_id: str) -> list[Task]:
    return [task for task in tables["task"].values() if task.node_id == node_id]


def of_service(tables: Tables, service_id: str) -> list[Task]:
    return [task for task in tables["task"].values() if task.service_id == service_id]


def active_slots(tables: Tables, service_id: str) -> set[int]:
    return {task.slot for task in of_service(tables, service_id) if task.desired <= RUNNING}


def label(tables: Tables, node_id: str) -> str:
    node = tables["node"].get(node_id)
    return node.hostname if node is not None else node_id


# -- the rules -----------------------------------------------------------------------------------
def no_more_slots_than_replicas(it: Transaction) -> Iterator[str]:
    """There may be too few slots. Source: swarmkit manager/orchestrator/replicated/services.go."""
    for id in {task.service_id for _, task in it.tasks()}:
        service, before = it.after["service"].get(id), active_slots(it.before, id)
        if service is not None and mode(service) == "Replicated":
            now = active_slots(it.after, id)
            if len(now) > max(replicas(service), len(before)):
                yield f"{service.name}: {sorted(now)} for {replicas(service)} replicas"


def one_task_in_a_slot(it: Transaction) -> Iterator[str]:
    """Only an update that starts the new task first has two tasks of a slot to run at a time."""
    for service_id in {task.service_id for before, task in it.tasks() if before is None}:
        if service_id in it.seen.start_first:
            continue
        tasks = [t for t in of_service(it.after, service_id) if t.desired <= RUNNING]
        for place, count in Counter(t.slot or t.node_id for t in tasks).items():
            if count > 1:
                yield f"{tasks[0].service_name}.{place}: {count} tasks are to run"


def new_tasks_belong_to_a_service(it: Transaction) -> Iterator[str]:
    """A task begins as NEW, of a service that exists and has this spec or had it."""
    for before, task in it.tasks():
        if before is None:
            service = it.after["service"].get(task.service_id)
            if service is None:
                yield f"{task.name} of no service"
            elif task.spec not in (
                service.spec.task,
                (service.previous_spec or {}).get("TaskTemplate"),
            ):
                yield f"{task.name} has a spec that its service never had"
            if task.state != NEW or task.desired not in (READY, RUNNING, COMPLETE):
                yield f"{task.name} begins as {task.state}, desired {task.desired}"


def no_node_over_its_reservations(it: Transaction) -> Iterator[str]:
    """Source: swarmkit manager/scheduler/filter.go, scheduler.go."""
    for node_id in {task.node_id for task in it.placed()}:
        held = [reserved(task) for task in on_node(it.after, node_id) if holds(task)]
        node = it.after["node"].get(node_id)
        limits = offered(node) if node is not None else (0, 0)
        for what, amounts, limit in zip(
            ("NanoCPUs", "MemoryBytes"), zip(*held, strict=True), limits, strict=True
        ):
            if sum(amounts) > limit:
                yield f"{label(it.after, node_id)}: {what} {sum(amounts)} of {limit}"


def no_host_port_twice(it: Transaction) -> Iterator[str]:
    """Source: swarmkit manager/scheduler/filter.go, HostPortFilter."""
    for task in it.placed():
        for other in on_node(it.after, task.node_id):
            shared = host_ports(task) & host_ports(other)
            if other.id != task.id and holds(other) and shared:
                yield f"{task.name} and {other.name}: {shared}"


def no_node_over_its_max(it: Transaction) -> Iterator[str]:
    """Only tasks whose desired state is running count; a lower limit evicts none.

    A task of another spec, placed in the same transaction, may have come later, under no limit.
    Source: swarmkit manager/scheduler/filter.go, MaxReplicasFilter.
    """
    placed = {task.id: task for task in it.placed()}
    for task in placed.values():
        limit = task.spec.at("Placement", "MaxReplicas") or 0
        here = [
            other
            for other in on_node(it.after, task.node_id)
            if other.service_id == task.service_id
            and counts(other)
            and (other.id not in placed or other.spec.at("Placement", "MaxReplicas") == limit)
        ]
        if task in here and 0 < limit < len(here):
            yield f"{task.name}: {len(here)} on one node, {limit} allowed"


def is_open(node: Node) -> bool:
    """Whether a node takes new tasks: neither paused nor drained, and known to be up."""
    return node.spec["Availability"] == "active" and node.status.state is NodeState.READY


def placed_where_the_spec_allows(it: Transaction) -> Iterator[str]:
    """Later changes of nodes are handled by the constraint enforcer.

    Source: swarmkit manager/scheduler/filter.go.
    """
    for task in it.placed():
        node = it.before["node"].get(task.node_id)
        where = f"{task.name} on {label(it.before, task.node_id)}"
        if node is None:
            yield f"{where}, which does not exist"
        elif not is_open(node):
            yield f"{where}, {node.status.state}, {node.spec['Availability']}"
        elif not meets_all(node, task.spec):
            yield f"{where} against {task.spec.at('Placement', 'Constraints')}"
        elif not runs_platform(node, task.spec):
            yield f"{where} against {task.spec.at('Placement', 'Platforms')}"


def has_room(tables: Tables, node: Node, task: Task) -> bool:
    """Whether one more such task would be allowed on the node, by every rule."""
    here = [other for other in on_node(tables, node.id) if other.id != task.id]
    held = [reserved(other) for other in here if holds(other)] + [reserved(task)]
    own = [other for other in here if other.service_id == task.service_id and counts(other)]
    limit = task.spec.at("Placement", "MaxReplicas") or len(own) + 1
    return (
        is_open(node)
        and meets_all(node, task.spec)
        and runs_platform(node, task.spec)
        and all(map(lambda s, most: s <= most, map(sum, zip(*held, strict=True)), offered(node)))
        and not any(host_ports(task) & host_ports(other) for other in here if holds(other))
        and len(own) < limit
    )


def tasks_are_spread(it: Transaction) -> Iterator[str]:
    """A task goes where the service has fewest tasks; among equals, where all services have.

    Judged where SwarmKit's order is simple: one task alone, or many on nodes that had equally many.
    Source: swarmkit manager/scheduler/{nodeset,scheduler}.go.
    """
    groups: dict[tuple[str, int], list[Task]] = {}
    for task in it.placed():
        before = it.before["task"].get(task.id)
        if task.slot and before is not None and not before.node_id:
            groups.setdefault((task.service_id, task.spec_version), []).append(task)
    for key, tasks in groups.items():
        first = tasks[0]
        versions = {version for service, version in groups if service == key[0]}
        if it.seen.failures[key] >= FAILURES_MAX or len(versions) > 1:
            continue
        if first.spec.at("Placement", "Preferences"):
            continue

        def count(tables: Tables, node_id: str, service_id: str = key[0]) -> int:
            here = on_node(tables, node_id)
            return sum(counts(task) and task.service_id == service_id for task in here)

        after = it.after
        open_before = [n for n in it.before["node"].values() if has_room(it.before, n, first)]
        had = {node.id: count(it.before, node.id) for node in open_before}
        if len(tasks) == 1:  # others of the batch may have filled a node before its turn came
            left = {n.id: had[n.id] for n in open_before if has_room(after, n, first)}
            least = min(left.values(), default=0)
            if left.get(first.node_id, least) > least:
                yield f"{first.name} on {label(after, first.node_id)}, which has more: {left}"
        elif len(set(had.values())) == 1:
            have = {n.id: count(after, n.id) for n in open_before if has_room(after, n, first)}
            most = max(count(after, task.node_id) for task in tasks)
            if have and most > min(have.values()) + 1:
                yield f"{first.service_name}: {most} on one node, and elsewhere {have}"


def no_task_goes_back_or_moves(it: Transaction) -> Iterator[str]:
    """States only grow; the node and the spec of a task never change.

    Source: swarmkit api/objects.proto, api/types.proto.
    """
    for before, task in it.tasks():
        if task.state > PENDING and not task.node_id:
            yield f"{task.name}: {task.state} on no node" if task.state <= RUNNING else ""
        if before is None:
            continue
        if task.state < before.state:
            yield f"{task.name}: state {before.state} -> {task.state}"
        if task.desired < before.desired:
            yield f"{task.name}: desired {before.desired} -> {task.desired}"
        if before.node_id not in ("", task.node_id) or before.spec != task.spec:
            yield f"{task.name} moved or changed its spec"


def no_task_that_is_to_run_is_deleted(it: Transaction) -> Iterator[str]:
    """One that is to stop may be, before it has: with the slot that a scale-down took away.

    A new leader deletes at once what a removed service left behind.
    Source: swarmkit manager/orchestrator/{replicated/services,taskreaper/task_reaper}.go.
    """
    for action, task, before in it.changes:
        if action == "remove" and isinstance(task, Task) and task.node_id in it.after["node"]:
            has_service = task.service_id in it.before["service"]
            if has_service and holds(before) and before.desired <= COMPLETE:
                yield f"{before.name} is deleted as {before.state}, desired {before.desired}"


def no_address_twice(it: Transaction) -> Iterator[str]:
    """Of one network: addresses of tasks that have not ended, and virtual IPs of services."""
    if not any(isinstance(object, Task | Service) for _, object, _ in it.changes):
        return
    users: Counter[tuple[str, str]] = Counter()
    for task in it.after["task"].values():
        if task.state <= RUNNING:
            for network in task.networks:
                users.update((network["Network"]["ID"], a) for a in network["Addresses"])
    for service in it.after["service"].values():
        for ip in (service.endpoint or {}).get("VirtualIPs") or ():
            users[ip["NetworkID"], ip["Addr"]] += 1
    yield from (f"{address} has {count} users" for address, count in users.items() if count > 1)


def no_published_port_twice(it: Transaction) -> Iterator[str]:
    """In the whole swarm, of one protocol."""
    users: Counter[tuple[str, int]] = Counter()
    for service in it.after["service"].values():
        for port in (service.endpoint or {}).get("Ports") or ():
            if port.get("PublishMode", "ingress") == "ingress":
                users[port.get("Protocol", "tcp"), port["PublishedPort"]] += 1
    yield from (f"{port} has {count} services" for port, count in users.items() if count > 1)


def versions_only_grow(it: Transaction) -> Iterator[str]:
    for action, object, before in it.changes:
        if action != "remove" and before is not None and object.version < before.version:
            yield f"{object.table} {object.name}: {before.version} -> {object.version}"


RULES: list[Callable[[Transaction], Iterator[str]]] = [
    no_more_slots_than_replicas,
    one_task_in_a_slot,
    new_tasks_belong_to_a_service,
    no_node_over_its_reservations,
    no_host_port_twice,
    no_node_over_its_max,
    placed_where_the_spec_allows,
    tasks_are_spread,
    no_task_goes_back_or_moves,
    no_task_that_is_to_run_is_deleted,
    no_address_twice,
    no_published_port_twice,
    versions_only_grow,
]


# -- the whole history ---------------------------------------------------------------------------
def applied(tables: Tables, changes: Iterable[Any]) -> list[tuple[str, Any, Any]]:
    """Apply changes to the tables; those that had an effect. What is gone is not updated."""
    effective = []
    for action, object in changes:
        table: dict[str, StoreObject] = tables[object.table]
        before = table.get(object.id)
        if action == "remove":
            table.pop(object.id, None)
        elif action == "create" or before is not None:
            table[object.id] = object
        else:
            continue
        effective.append((str(action), object, before))
    return effective


class Judge:
    """Checks each transaction of a cluster when the first manager applies it."""

    def __init__(self, cluster: swarmlab.Cluster) -> None:
        self.cluster = cluster
        store = leading_manager(cluster).store
        self.tables: Tables = {kind: dict(table) for kind, table in store.tables.items()}
        self.index = store.index
        self.seen = Seen()
        self.history: dict[int, tuple[Any, ...]] = {}
        self.violations: list[str] = []

    def watching(self, apply: Callable[..., Any]) -> Callable[..., Any]:
        """A replacement of `Store.apply` that has each transaction judged."""

        def judged(store: Any, index: int, changes: Iterable[Any]) -> Any:
            changes, last = tuple(changes), store.index
            answer = apply(store, index, changes)
            self.check(store, last, index, changes)
            return answer

        return judged

    def check(self, store: Any, last: int, index: int, changes: tuple[Any, ...]) -> None:
        """`store` was at index `last` before it applied `changes`."""
        if index <= last:
            self.violations.append(f"history goes back: {index} applied after {last}")
        if self.history.setdefault(index, changes) != changes:
            self.violations.append(f"history differs at {index}")
        if index <= self.index:
            return
        before = {kind: dict(table) for kind, table in self.tables.items()}
        self.index = index
        transaction = Transaction(before, self.tables, applied(self.tables, changes), self.seen)
        self.seen.note(transaction)
        for _, object in changes:
            stored = store.tables[object.table].get(object.id)
            if stored != self.tables[object.table].get(object.id):
                self.violations.append(f"the store holds another {object.table} {object.id}")
        for rule in RULES:
            self.violations += [f"{rule.__name__}: {text}" for text in rule(transaction) if text]

    def check_leaders(self) -> None:
        """At most one leader in each term. Raft paper, figure 3."""
        leaders: dict[int, set[str]] = {}
        for record in self.cluster.trace.of(BecameLeader):
            leaders.setdefault(record.term, set()).add(record.where)
        self.violations += [f"two leaders: {t}: {w}" for t, w in leaders.items() if len(w) > 1]
