"""What a picture of a cluster needs, read at one moment: `look(cluster)`.

On a real cluster everything comes through the Docker API of a node that answers. A simulated one is
read from inside, so that looking moves no virtual time and works without a leader; it also knows
what no API tells: which machines are up, and each manager's Raft role and term.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from html import escape
from typing import Any

from swarmlab.cluster import simulated_state
from swarmlab.cluster.simulated_state import NOT_KNOWN, Json, Machine
from swarmlab.errors import LabError
from swarmlab.strings import _, text_table
from swarmlab.units import natural_key
from swarmlab.views.palette import ENDED, FAILED, UNWANTED, kind_of


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRow:
    key: str  # the node's id; its name while it belongs to no swarm
    name: str
    role: str  # manager, worker; empty: in no swarm
    state: str  # ready, down, …: what the managers believe
    availability: str  # active, pause, drain
    manager: str = ""  # leader, reachable, unreachable, not known; empty on a worker
    up: bool | None = None  # whether its machine runs at this moment; None: not known
    raft: str = ""  # leader, follower, candidate; empty: none, or not known
    term: int | None = None  # None: none, or not known
    left: bool = False  # its engine is in the swarm no more, though the managers still list it
    running: int = 0  # tasks
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def down(self) -> bool:
        return self.up is False or self.state == "down"

    @property
    def condition(self) -> str:
        """Its state, in words that tell what is from what the swarm believes."""
        if not self.role:
            return _("in no swarm") if self.up is not False else _("crashed")
        if self.left:
            return _("has left the swarm")
        if self.up is False and self.state != "down":
            return _("crashed, not noticed yet")
        if self.up and self.state == "down":
            return _("up, still believed down")
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
    came_from: str = ""  # the name of the node of its slot's last task; empty: there was none


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRow:
    name: str
    image: str
    running: int
    wanted: int
    update: str = ""  # Docker's update state; empty: never updated


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSnapshot:
    nodes: tuple[NodeRow, ...]  # by name, so that a column never moves
    services: tuple[ServiceRow, ...] = ()
    tasks: tuple[TaskRow, ...] = ()  # what is wanted, is ending, or has just failed
    leader: str = ""  # a node's name; empty: nobody leads
    term: int | None = None  # the leader's; None: not known
    now_s: float | None = None  # virtual time; None on a real cluster
    index: int = 0  # simulated: the Raft index up to which this is known

    @property
    def by_node(self) -> dict[str, list[TaskRow]]:
        """A node's key -> its tasks; no node: under an empty key."""
        found: dict[str, list[TaskRow]] = {}
        for task in self.tasks:
            found.setdefault(task.node, []).append(task)
        return found

    @property
    def pending(self) -> tuple[TaskRow, ...]:
        return tuple(task for task in self.tasks if not task.node)


def look(cluster: Any, last: ClusterSnapshot | None = None) -> ClusterSnapshot:
    """The cluster at this moment; when no manager is up, `last` tells what was known before."""
    if getattr(cluster, "kind", "") == "simulated":
        seen = simulated_state.read(cluster)
        if last is not None and not seen.leads and seen.index < last.index:
            return _remembered(last, seen.machines, seen.now_s)
        stored = seen.nodes, seen.services, seen.tasks
        snapshot = picture(*stored, machines=seen.machines, now_s=seen.now_s)
        return replace(snapshot, index=seen.index)
    if hasattr(cluster, "api"):
        return _asked(cluster, {})
    # Of engines that this kit started it is known which run, whoever leads.
    known = cluster.names if hasattr(cluster, "crash") else []
    up = cluster.up() if known else []
    machines = {name: Machine(name in up, "", None) for name in known}
    if cluster.leader():
        return _asked(cluster.client(), machines)
    if last is None:
        raise LabError("no manager says who leads, so nobody can tell of the swarm now")
    return _remembered(last, machines, None)


def _asked(client: Any, machines: Mapping[str, Machine]) -> ClusterSnapshot:
    """What a manager answers."""
    return picture(client.api.nodes(), client.api.services(), client.api.tasks(), machines)


def picture(
    nodes: Iterable[Json],
    services: Iterable[Json],
    tasks: Iterable[Json],
    machines: Mapping[str, Machine] | None = None,
    now_s: float | None = None,
) -> ClusterSnapshot:
    """Rows from Docker's JSON; `machines`, by name, is what a simulation adds."""
    seen = machines or {}
    nodes = sorted(nodes, key=_created)
    newest = {_hostname(node): node["ID"] for node in nodes}  # a name may have had a past life
    rows = [
        _node_row(node, seen if newest[_hostname(node)] == node["ID"] else {}) for node in nodes
    ]
    rows += [_engine_row(name, seen[name]) for name in seen if name not in newest]
    rows.sort(key=lambda row: natural_key(row.name))
    services = sorted(services, key=lambda service: service["Spec"]["Name"])
    task_rows = _task_rows(tasks, {s["ID"]: s["Spec"]["Name"] for s in services}, rows)
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


class NodeRows(tuple[NodeRow, ...]):
    """The nodes of a cluster, as rows that print as a table."""

    @property
    def heads(self) -> tuple[str, ...]:
        docker = _("NAME"), _("ROLE"), _("STATE"), _("AVAILABILITY"), _("MANAGER STATUS")
        return (*docker, _("TERM"), _("MACHINE"), _("TASKS"))

    def cells(self) -> list[tuple[str, ...]]:
        nowhere, machine = _("in no swarm"), {True: _("up"), False: _("down"), None: _(NOT_KNOWN)}
        return [
            (
                *(row.name, row.role or nowhere, row.state, row.availability, _(row.manager)),
                *("" if row.term is None else str(row.term), machine[row.up], str(row.running)),
            )
            for row in self
        ]

    def __repr__(self) -> str:
        return text_table([self.heads, *self.cells()], padding=3)

    def _repr_html_(self) -> str:
        return html_table(self.heads, self.cells())


def html_table(heads: Iterable[str], lines: Iterable[Iterable[str]]) -> str:
    """A plain table that any page can show."""
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in heads)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in line) + "</tr>" for line in lines
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def node_rows(cluster: Any) -> NodeRows:
    """The nodes of a cluster at this moment."""
    return NodeRows(look(cluster).nodes)


# -- one row each --------------------------------------------------------------------------------
def _hostname(node: Json) -> str:
    return str(node["Description"].get("Hostname") or node["ID"])


def _created(object: Json) -> Any:
    created = object.get("CreatedAt", "")
    return created.rstrip("Z") if isinstance(created, str) else created


def _node_row(node: Json, machines: Mapping[str, Machine]) -> NodeRow:
    manager, name = node.get("ManagerStatus") or {}, _hostname(node)
    machine = machines.get(name, Machine(None, "", None))
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


def _engine_row(name: str, machine: Machine) -> NodeRow:
    """An engine that belongs to no swarm."""
    return NodeRow(key=name, name=name, role="", state="", availability="", up=machine.up)


def _service_row(service: Json, tasks: Iterable[TaskRow]) -> ServiceRow:
    spec = service["Spec"]
    own = [task for task in tasks if task.service == spec["Name"]]
    replicated = (spec.get("Mode") or {}).get("Replicated") or {}
    wanted = sum(task.desired not in ENDED or task.desired == "complete" for task in own)
    image = spec["TaskTemplate"].get("ContainerSpec", {}).get("Image", "")
    return ServiceRow(
        name=spec["Name"],
        image=image.partition("@")[0],
        running=sum(task.kind == "running" for task in own),
        wanted=replicated.get("Replicas", wanted),
        update=(service.get("UpdateStatus") or {}).get("State", ""),
    )


def _task_rows(tasks: Iterable[Json], names: Json, nodes: list[NodeRow]) -> list[TaskRow]:
    known = {row.key: row for row in nodes}
    slots: dict[tuple[str, Any], list[Json]] = {}
    for task in tasks:
        place = task.get("Slot") or task.get("NodeID", "")
        slots.setdefault((task["ServiceID"], place), []).append(task)
    rows = []
    for (service_id, place), history in slots.items():
        service = names.get(service_id) or history[-1].get("ServiceName") or service_id[:8]
        if len(history) > 1:
            history.sort(key=_created)
        label = known[place].name if place in known else place
        rows += _slot_rows(service, f"{service}.{label}", history, known)
    rows.sort(key=lambda row: natural_key(row.name))
    return rows


# From one look to the next most rows stay as they are.
_task_row = lru_cache(maxsize=10_000)(TaskRow)


def _slot_rows(
    service: str, name: str, history: list[Json], known: Mapping[str, NodeRow]
) -> list[TaskRow]:
    """What to show of a slot: what is wanted or still ending, else what failed last."""
    rows: list[TaskRow] = []
    came_from, failed = "", None
    for task in history:
        status, desired, key = task["Status"], task["DesiredState"], task.get("NodeID", "")
        node = known.get(key)
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
            kind=kind_of(state, wanted=desired not in UNWANTED, node_down=down),
            reason=status.get("Err") or "",
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


# -- when nobody who is up can tell ------------------------------------------------
def _remembered(
    last: ClusterSnapshot, machines: Mapping[str, Machine], now_s: float | None
) -> ClusterSnapshot:
    """What was known, with what is seen of the machines: nobody who is up knows as much."""
    nodes = []
    for row in last.nodes:
        seen = machines.get(row.name, Machine(row.up, "", None))
        manager = NOT_KNOWN if row.manager else ""
        row = replace(row, manager=manager, up=seen.up, raft=seen.raft, term=seen.term)
        nodes.append(row)
    down = {row.key for row in nodes if row.down}
    tasks = [
        replace(task, kind="lost") if task.node in down and task.kind != "failed" else task
        for task in last.tasks
    ]
    return replace(last, nodes=tuple(nodes), tasks=tuple(tasks), leader="", term=None, now_s=now_s)
