"""What a picture of a cluster needs, read at one moment: `look(cluster)`.

On a real cluster everything comes through the Docker API of a node that answers. A simulated one is
read from inside, so that looking moves no virtual time and works without a leader; it also knows
what no API tells: which machines are up, and each manager's Raft role and term.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from html import escape
from itertools import groupby
from typing import Any

from swarmlab.simulation import S
from swarmlab.views.palette import ENDED, FAILED, kind_of

Json = Mapping[str, Any]
NOT_KNOWN = "not known"


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
    running: int = 0  # tasks

    @property
    def down(self) -> bool:
        return self.up is False or self.state == "down"

    @property
    def condition(self) -> str:
        """Its state, in words that tell what is from what the swarm believes."""
        if not self.role:
            return "in no swarm" if self.up is not False else "crashed"
        if self.up is False and self.state != "down":
            return "crashed; the swarm has not noticed yet"
        if self.up and self.state == "down":
            return "starting; the swarm still believes it down"
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
class Snapshot:
    nodes: tuple[NodeRow, ...]  # by name, so that a column never moves
    services: tuple[ServiceRow, ...] = ()
    tasks: tuple[TaskRow, ...] = ()  # what is wanted, is ending, or has just failed
    leader: str = ""  # a node's name; empty: nobody leads
    term: int | None = None  # the leader's; None: not known
    now_s: float | None = None  # virtual time; None on a real cluster

    @property
    def pending(self) -> tuple[TaskRow, ...]:
        return tuple(task for task in self.tasks if not task.node)


@dataclass(frozen=True, slots=True)
class Inside:
    """What only a simulation knows of one machine."""

    up: bool
    raft: str
    term: int | None


def look(cluster: Any, last: Snapshot | None = None) -> Snapshot:
    """The cluster at this moment; when no manager is up, `last` tells what was known before."""
    if getattr(cluster, "kind", "") == "simulated":
        with cluster.lock:
            return _from_inside(cluster, last)
    client = cluster if hasattr(cluster, "api") else cluster.client()
    return picture(client.api.nodes(), client.api.services(), client.api.tasks())


def picture(
    nodes: Iterable[Json],
    services: Iterable[Json],
    tasks: Iterable[Json],
    machines: Mapping[str, Inside] | None = None,
    now_s: float | None = None,
) -> Snapshot:
    """Rows from Docker's JSON; `machines`, by name, is what a simulation adds."""
    inside, rows = dict(machines or {}), []
    for node in sorted(nodes, key=lambda node: (_natural(_hostname(node)), _created(node))):
        rows.append(_node_row(node))
    newest = {row.name: place for place, row in enumerate(rows)}  # a name may have had a past life
    for name, known in inside.items():
        if name not in newest:
            row = NodeRow(key=name, name=name, role="", state="", availability="")
            newest[name] = len(rows)
            rows.append(row)
        row = rows[newest[name]]
        rows[newest[name]] = replace(row, up=known.up, raft=known.raft, term=known.term)
    rows.sort(key=lambda row: _natural(row.name))
    services = sorted(services, key=lambda service: service["Spec"]["Name"])
    task_rows = _task_rows(tasks, {s["ID"]: s["Spec"]["Name"] for s in services}, rows)
    counts = _counted(task.node for task in task_rows if task.kind == "running")
    leader = next((row for row in rows if row.manager == "leader"), None)
    return Snapshot(
        nodes=tuple(replace(row, running=counts.get(row.key, 0)) for row in rows),
        services=tuple(_service_row(service, task_rows) for service in services),
        tasks=tuple(task_rows),
        leader=leader.name if leader else "",
        term=leader.term if leader else None,
        now_s=now_s,
    )


# -- one row each --------------------------------------------------------------------------------
def _natural(name: str) -> list[tuple[int, str]]:
    """m2 comes before m10."""
    return [(int(p) if p.isdigit() else -1, p) for p in re.split(r"(\d+)", name) if p]


def _hostname(node: Json) -> str:
    return str(node["Description"].get("Hostname") or node["ID"])


def _created(object: Json) -> Any:
    created = object.get("CreatedAt", "")
    return created.rstrip("Z") if isinstance(created, str) else created


def _counted(words: Iterable[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for word in words:
        counts[word] = counts.get(word, 0) + 1
    return counts


def _node_row(node: Json) -> NodeRow:
    manager = node.get("ManagerStatus") or {}
    return NodeRow(
        key=node["ID"],
        name=_hostname(node),
        role=node["Spec"]["Role"],
        state=node["Status"]["State"],
        availability=node["Spec"]["Availability"],
        manager="leader" if manager.get("Leader") else manager.get("Reachability", ""),
    )


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
        history.sort(key=_created)
        label = known[place].name if place in known else place
        rows += _slot_rows(service, f"{service}.{label}", history, known)
    rows.sort(key=lambda row: _natural(row.name))
    return rows


def _slot_rows(
    service: str, name: str, history: list[Json], known: Mapping[str, NodeRow]
) -> list[TaskRow]:
    """What to show of a slot: what is wanted or still ending, else what failed last."""
    rows: list[TaskRow] = []
    came_from, failed = "", None
    for task in history:
        status, desired, key = task["Status"], task["DesiredState"], task.get("NodeID", "")
        state, wanted = status["State"], desired not in ("shutdown", "remove")
        if key and key not in known:
            continue  # its node was removed
        row = TaskRow(
            id=task["ID"],
            name=name,
            service=service,
            node=key,
            state=state,
            desired=desired,
            kind=kind_of(state, wanted=wanted, node_down=bool(key) and known[key].down),
            reason=status.get("Err") or "",
            came_from=came_from,
        )
        came_from = known[key].name if key else came_from
        failed = row if state in FAILED else failed
        if wanted or state not in ENDED:
            rows.append(row)
    if failed and failed not in rows and not any(row.kind == "running" for row in rows):
        rows.insert(0, failed)
    return rows


# -- a simulation, from inside ----------------------------------------------------------------------
def _from_inside(cluster: Any, last: Snapshot | None) -> Snapshot:
    engines = {name: cluster.engine(name) for name in cluster.names}
    managers = {name: e.manager for name, e in engines.items() if e is not None and e.manager}
    raft = {name: manager.raft.status() for name, manager in managers.items()}
    machines = {
        name: Inside(
            engine is not None,
            str(raft[name].role) if name in raft else "",
            raft[name].term if name in raft else None,
        )
        for name, engine in engines.items()
    }
    leading = [name for name in raft if raft[name].role == "leader"]
    leader = max(leading, key=lambda name: raft[name].term, default="")
    best = leader or max(managers, key=lambda name: managers[name].store.index, default="")
    now_s = cluster.now_ns / S
    if best:
        stored = _stored(managers[best], leads=bool(leader))
        return picture(*stored, machines=machines, now_s=now_s)
    if last is None or not last.nodes:
        return picture((), (), (), machines, now_s)
    nodes = [
        replace(row, manager=NOT_KNOWN if row.manager else "", up=machines[row.name].up, raft="")
        for row in last.nodes
    ]
    return replace(last, nodes=tuple(nodes), leader="", term=None, now_s=now_s)


def _stored(manager: Any, *, leads: bool) -> tuple[list[Json], list[Json], list[Json]]:
    """Nodes, services and tasks of one manager's store, as far as `picture` reads them."""
    statuses = {status.node_id: status for status in manager.statuses()}
    nodes, services, tasks = manager.store.nodes, manager.store.services, manager.store.tasks
    return (
        [
            {
                "ID": node.id,
                "CreatedAt": node.created_ns,
                "Spec": node.spec,
                "Description": node.description,
                "Status": {"State": node.status.state},
                "ManagerStatus": _manager_status(statuses.get(node.id), leads),
            }
            for node in nodes.values()
        ],
        [
            {
                "ID": service.id,
                "Spec": service.spec,
                "UpdateStatus": {"State": service.update_status.state}
                if service.update_status
                else None,
            }
            for service in services.values()
        ],
        [
            {
                "ID": task.id,
                "CreatedAt": task.created_ns,
                "ServiceID": task.service_id,
                "ServiceName": task.service_name,
                "Slot": task.slot,
                "NodeID": task.node_id,
                "DesiredState": task.desired.name.lower(),
                "Status": {"State": task.status.state.name.lower(), "Err": task.status.err},
            }
            for task in tasks.values()
        ],
    )


def _manager_status(status: Any, leads: bool) -> Json | None:
    if status is None:
        return None
    if not leads:
        return {"Reachability": NOT_KNOWN}
    return {"Leader": status.leader, "Reachability": status.reachability}
