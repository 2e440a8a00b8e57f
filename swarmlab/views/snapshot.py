"""A snapshot of a cluster: rows of nodes, services and tasks at one moment. `look(cluster)`.

On a real cluster everything comes through the Docker API of a node that answers. A simulated one is
read from inside, so that reading lets no virtual time pass and needs no leader; it also knows what
no API tells: which machines are up, and each manager's Raft role and term.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from swarmlab.cluster import simulated_state
from swarmlab.cluster.simulated_state import NOT_KNOWN, Json, MachineState
from swarmlab.errors import LabError, NoneSuch
from swarmlab.strings import _
from swarmlab.units import natural_key
from swarmlab.views.html import ShownAs, Table
from swarmlab.views.palette import ENDED, FAILED, UNWANTED, kind_of, kind_of_container


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class NodeRow(ShownAs):
    """One node: `cluster.nodes["m1"].state`. Lesson: 00_start_here."""

    key: str  # the node's id; its name while it belongs to no swarm
    name: str
    role: str  # manager, worker; empty: no manager that is up lists it
    state: str  # ready, down, …: as the managers see it
    availability: str  # active, pause, drain
    manager: str = ""  # leader, reachable, unreachable, not known; empty on a worker
    up: bool | None = None  # whether its machine runs at this moment; None: not known
    raft: str = ""  # leader, follower, candidate; empty: none, or not known
    term: int | None = None  # None: none, or not known
    left: bool = False  # its engine is in no swarm, though managers may still list it
    running: int = 0  # tasks
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def down(self) -> bool:
        return self.up is False or self.state == "down"

    @property
    def shown_as(self) -> Table:
        return NodeRows((self,)).shown_as

    @property
    def condition(self) -> str:
        """Its state, where its machine and the managers' view of it differ, both."""
        if not self.role:
            alive = _("in no swarm") if self.left else _("in a swarm; no manager tells")
            return alive if self.up is not False else _("crashed")
        if self.left:
            return _("has left the swarm")
        if self.up is False and self.state != "down":
            return _("crashed, not noticed yet")
        if self.up and self.state == "down":
            return _("up, still counted as down")
        return self.state


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRow:
    id: str
    name: str  # web.3; for a task of a global service web.<node>
    service: str
    node: str  # the node's key; empty: none yet
    state: str
    desired: str
    kind: str  # a key of palette.LOOKS
    reason: str = ""  # why it failed or waits
    version: str = ""  # of its service's specification: equal for equal ones
    came_from: str = ""  # the name of the node of its slot's last task; empty: there was none


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRow:
    name: str
    image: str
    running: int
    counted: int  # as `service ls` counts: last heard of running, on nodes that are down too
    desired: int  # replicas; for other modes, the tasks that should run
    update: str = ""  # Docker's update state; empty: never updated


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSnapshot:
    nodes: tuple[NodeRow, ...]  # by name, so that a column never moves
    services: tuple[ServiceRow, ...] = ()
    tasks: tuple[TaskRow, ...] = ()  # those that should run, are ending, or have just failed
    leader: str = ""  # a node's name; empty: there is none
    term: int | None = None  # the leader's; None: not known
    now_s: float | None = None  # virtual time; None on a real cluster
    index: int = 0  # simulated: the Raft index up to which this is known

    @property
    def by_node(self) -> dict[str, list[TaskRow]]:
        """A node's key -> its tasks; no node: under an empty key."""
        by_node: dict[str, list[TaskRow]] = {}
        for task in self.tasks:
            by_node.setdefault(task.node, []).append(task)
        return by_node

    @property
    def pending(self) -> tuple[TaskRow, ...]:
        return tuple(task for task in self.tasks if not task.node)


def look(cluster: Any, last: ClusterSnapshot | None = None) -> ClusterSnapshot:
    """The cluster at this moment; when no manager is up, `last` with what is still known.

    `cluster` may also be a Docker client.
    """
    if hasattr(cluster, "api"):
        return _ask_manager(cluster, {})
    if cluster.has_trace:
        state = simulated_state.cluster_state(cluster)
        if last is not None and not state.has_leader and state.index < last.index:
            return _remembered(last, state.machines, state.now_s)
        versions = {task.id: task.version for task in last.tasks} if last else {}
        rows = state.nodes, state.services, state.tasks, state.machines, state.now_s
        snapshot = picture(*rows, versions)
        return _with_containers(replace(snapshot, index=state.index), state.containers)
    # Of engines that this kit started it is known which are up, even without a leader.
    names = cluster.names if hasattr(cluster, "crash") else []
    up = cluster.up() if names else []
    machines = {name: MachineState(name in up, "", None) for name in names}
    if cluster.leader():
        return _ask_manager(cluster.client(), machines)
    clients = {name: cluster.client(name) for name in names if machines[name].up}
    swarms = {client.info()["Swarm"]["LocalNodeState"] for client in clients.values()}
    if swarms == {"inactive"}:
        machines = {name: replace(machine, left=True) for name, machine in machines.items()}
        alone = {name: client.api.containers(all=True)[::-1] for name, client in clients.items()}
        return _with_containers(picture([], [], [], machines), alone)
    if last is None:
        raise LabError("no manager knows a leader, so the state of the swarm is unknown")
    return _remembered(last, machines, None)


def _ask_manager(client: Any, machines: Mapping[str, MachineState]) -> ClusterSnapshot:
    """The snapshot of a swarm through the Docker API."""
    return picture(client.api.nodes(), client.api.services(), client.api.tasks(), machines)


def picture(
    nodes: Iterable[Json],
    services: Iterable[Json],
    tasks: Iterable[Json],
    machines: Mapping[str, MachineState] = MappingProxyType({}),
    now_s: float | None = None,
    versions: Mapping[str, str] = MappingProxyType({}),
) -> ClusterSnapshot:
    """Rows from Docker's JSON; `machines`, by name, is what a simulation adds; `versions` are those
    of tasks, by id, that are known."""
    nodes = sorted(nodes, key=_created)
    newest = {_hostname(node): node["ID"] for node in nodes}  # a machine may have joined again
    rows = [
        _node_row(node, machines if newest[_hostname(node)] == node["ID"] else {}) for node in nodes
    ]
    for name, machine in machines.items():
        if name not in newest:  # it belongs to no swarm
            row = NodeRow(key=name, name=name, role="", state="", availability="")
            rows.append(replace(row, up=machine.up, left=machine.left))
    rows.sort(key=lambda row: natural_key(row.name))
    services = sorted(services, key=lambda service: service["Spec"]["Name"])
    service_names = {s["ID"]: s["Spec"]["Name"] for s in services}
    task_rows = _task_rows(tasks, service_names, rows, versions)
    counts = Counter(task.node for task in task_rows if task.kind == "running")
    leader = next((row for row in rows if row.manager == "leader"), None)
    return ClusterSnapshot(
        nodes=tuple(replace(row, running=counts[row.key]) for row in rows),
        services=tuple(_service_row(service, task_rows) for service in services),
        tasks=tuple(task_rows),
        leader=leader.name if leader else "",
        term=leader.term if leader else None,
        now_s=now_s,
    )


def _with_containers(
    snapshot: ClusterSnapshot, containers: Mapping[str, Iterable[Json]]
) -> ClusterSnapshot:
    """The snapshot, with the containers of engines that are in no swarm, in place of tasks."""
    keys = {row.name: row.key for row in snapshot.nodes if not row.role}
    tasks = [
        TaskRow(
            id=row["Id"],
            name=row["Names"][0].removeprefix("/"),
            service=row["Image"].partition(":")[0],
            node=keys[name],
            state=row["State"],
            desired="running",
            kind=kind_of_container(row),
            # of `Exited (137) 5 seconds ago` what stays the same as time passes: exited (137)
            reason=" ".join(f"{row['State']} {m}" for m in re.findall(r"\(.+?\)", row["Status"])),
            version=row["Image"],
        )
        for name, rows in containers.items()
        if name in keys
        for row in rows
    ]
    return replace(snapshot, tasks=(*snapshot.tasks, *tasks))


class NodeRows(ShownAs, tuple[NodeRow, ...]):
    """The nodes of a cluster, as rows that print as a table: `cluster.nodes["m1"].state`.
    Lesson: 00_start_here."""

    def __getitem__(self, key: Any) -> Any:
        """A row by its place, or by the node's name."""
        if found := [row for row in self if row.name == key]:
            return found[-1]
        try:
            return super().__getitem__(key)
        except (IndexError, TypeError):
            known = self._ipython_key_completions_()
            raise NoneSuch("there is no node {name!r}; there are {known}", key, known) from None

    def _ipython_key_completions_(self) -> list[str]:
        """What Tab offers after `cluster.nodes[`."""
        return [row.name for row in self]

    @property
    def heads(self) -> tuple[str, ...]:
        docker = _("NAME"), _("ROLE"), _("STATE"), _("AVAILABILITY"), _("MANAGER STATUS")
        return (*docker, _("TERM"), _("MACHINE"), _("TASKS"))

    def cells(self) -> list[tuple[str, ...]]:
        roles = {True: _("in no swarm"), False: _(NOT_KNOWN)}
        machine = {True: _("up"), False: _("down"), None: _(NOT_KNOWN)}
        cells: list[tuple[str, ...]] = []
        for row in self:
            docker = row.name, row.role or roles[row.left], row.state, row.availability
            term = "" if row.term is None else str(row.term)
            cells.append((*docker, _(row.manager), term, machine[row.up], str(row.running)))
        return cells

    @property
    def shown_as(self) -> Table:
        return Table("", self.heads, tuple(self.cells()))


def node_rows(cluster: Any) -> NodeRows:
    """The nodes of a cluster at this moment."""
    return NodeRows(look(cluster).nodes)


# -- rows ------------------------------------------------------------------------------------------
def _hostname(node: Json) -> str:
    return str(node["Description"].get("Hostname") or node["ID"])


def _created(object: Json) -> Any:
    created = object.get("CreatedAt", "")
    return created.rstrip("Z") if isinstance(created, str) else created


def _node_row(node: Json, machines: Mapping[str, MachineState]) -> NodeRow:
    manager, name = node.get("ManagerStatus") or {}, _hostname(node)
    machine = machines.get(name, MachineState(None, "", None))
    return NodeRow(
        key=node["ID"],
        name=name,
        role=node["Spec"]["Role"],
        state=node["Status"]["State"],
        availability=node["Spec"]["Availability"],
        manager="leader" if manager.get("Leader") else manager.get("Reachability", ""),
        up=machine.up,
        raft=machine.raft,
        term=machine.term,
        left=machine.left,
        labels=dict(node["Spec"].get("Labels") or {}),
    )


def _service_row(service: Json, tasks: Iterable[TaskRow]) -> ServiceRow:
    spec = service["Spec"]
    own = [task for task in tasks if task.service == spec["Name"]]
    replicated = (spec.get("Mode") or {}).get("Replicated") or {}
    should_run = sum(task.desired not in ENDED or task.desired == "complete" for task in own)
    image = spec["TaskTemplate"].get("ContainerSpec", {}).get("Image", "")
    return ServiceRow(
        name=spec["Name"],
        image=image.partition("@")[0],
        running=sum(task.kind == "running" for task in own),
        counted=sum(task.state == "running" for task in own),
        desired=replicated.get("Replicas", should_run),
        update=(service.get("UpdateStatus") or {}).get("State", ""),
    )


def version_of(spec: Any) -> str:
    """A task's spec as a short text to be compared; only some engines name a service's runtime."""
    text = json.dumps({**spec, "Runtime": ""}, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _task_rows(
    tasks: Iterable[Json], names: Json, nodes: list[NodeRow], versions: Mapping[str, str]
) -> list[TaskRow]:
    rows_by_key = {row.key: row for row in nodes}
    slots: dict[tuple[str, Any], list[Json]] = {}
    for task in tasks:
        place = task.get("Slot") or task.get("NodeID", "")
        slots.setdefault((task["ServiceID"], place), []).append(task)
    rows = []
    for (service_id, place), history in slots.items():
        service = names.get(service_id) or history[-1].get("ServiceName") or service_id[:8]
        if len(history) > 1:
            history.sort(key=_created)
        label = rows_by_key[place].name if place in rows_by_key else place
        rows += _slot_rows(service, f"{service}.{label}", history, rows_by_key, versions)
    rows.sort(key=lambda row: natural_key(row.name))
    return rows


# From one snapshot to the next most rows stay the same.
_task_row = lru_cache(maxsize=10_000)(TaskRow)


def _slot_rows(
    service: str,
    name: str,
    history: list[Json],
    nodes: Mapping[str, NodeRow],
    versions: Mapping[str, str],
) -> list[TaskRow]:
    """The tasks of a slot that should run or are still ending, else the one that failed last."""
    rows: list[TaskRow] = []
    came_from, failed = "", None
    for task in history:
        status, desired, key = task["Status"], task["DesiredState"], task.get("NodeID", "")
        node = nodes.get(key)
        if key and node is None:
            continue  # its node was removed
        state, down = status["State"], node is not None and node.down
        row = _task_row(
            id=task["ID"],
            name=name,
            service=service,
            node=key,
            state=state,
            desired=desired,
            kind=kind_of(state, should_run=desired not in UNWANTED, node_down=down),
            reason=status.get("Err") or "",
            version=versions.get(task["ID"]) or version_of(task.get("Spec", {})),
            came_from=came_from,
        )
        came_from = node.name if node else came_from
        if state in FAILED:
            failed = row
        if state not in ENDED or desired not in UNWANTED:
            rows.append(row)
    if failed and failed not in rows and not any(row.kind == "running" for row in rows):
        rows.insert(0, failed)
    return rows


# -- when no manager that is up knows ----------------------------------------------
def _remembered(
    last: ClusterSnapshot, machines: Mapping[str, MachineState], now_s: float | None
) -> ClusterSnapshot:
    """The last snapshot, with the present state of the machines."""
    nodes = []
    for row in last.nodes:
        machine = machines.get(row.name, MachineState(row.up, "", None))
        manager = NOT_KNOWN if row.manager else ""
        row = replace(row, manager=manager, up=machine.up, raft=machine.raft, term=machine.term)
        nodes.append(row)
    down = {row.key for row in nodes if row.down}
    tasks = [
        replace(task, kind="lost") if task.node in down and task.kind != "failed" else task
        for task in last.tasks
    ]
    return replace(last, nodes=tuple(nodes), tasks=tuple(tasks), leader="", term=None, now_s=now_s)
