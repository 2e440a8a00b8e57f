"""A simulated cluster, read from inside: no virtual time passes, and no leader is needed.

What a manager's store holds comes as the part of Docker's JSON that `snapshot.picture` reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from swarmlab.simulation import S
from swarmlab.strings import N_

Json = Mapping[str, Any]
NOT_KNOWN = N_("not known")


@dataclass(frozen=True, slots=True)
class Machine:
    """What only a simulation knows of one machine."""

    up: bool | None  # None: not known
    raft: str  # leader, follower, candidate; empty: no manager runs there
    term: int | None
    left: bool = False  # up, and in no swarm (any more)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inside:
    """What the leader knows; without one, what the manager knows that is furthest."""

    machines: dict[str, Machine]  # by name
    now_s: float
    leads: bool = False
    index: int = 0  # the Raft index up to which it knows
    nodes: list[Json]
    services: list[Json]
    tasks: list[Json]


def read(cluster: Any) -> Inside:
    """The cluster at this moment."""
    with cluster.lock:
        engines = {name: cluster.engine(name) for name in cluster.names}
        managers = {name: e.manager for name, e in engines.items() if e is not None and e.manager}
        raft = {name: manager.raft.status() for name, manager in managers.items()}
        machines = {
            name: Machine(
                engine is not None,
                str(raft[name].role) if name in raft else "",
                raft[name].term if name in raft else None,
                left=engine is not None and engine.swarm_state == "inactive",
            )
            for name, engine in engines.items()
        }
        now_s = cluster.now_ns / S
        leading = [name for name in raft if managers[name].raft.is_leader]
        leader = max(leading, key=lambda name: raft[name].term, default="")
        best = leader or max(managers, key=lambda name: managers[name].store.index, default="")
        if not best:
            return Inside(machines=machines, now_s=now_s, nodes=[], services=[], tasks=[])
        return Inside(
            machines=machines,
            now_s=now_s,
            leads=bool(leader),
            index=managers[best].store.index,
            nodes=_nodes(managers[best], leads=bool(leader)),
            services=_services(managers[best].store),
            tasks=_tasks(managers[best].store),
        )


def _nodes(manager: Any, *, leads: bool) -> list[Json]:
    statuses = {status.node_id: _status(status, leads) for status in manager.statuses()}
    return [
        {
            "ID": node.id,
            "CreatedAt": node.created_ns,
            "Spec": node.spec,
            "Description": node.description,
            "Status": {"State": node.status.state.value},
            "ManagerStatus": statuses.get(node.id),
        }
        for node in manager.store.nodes.values()
    ]


def _status(status: Any, leads: bool) -> Json:
    """Only a leader knows whom it reaches."""
    if not leads:
        return {"Reachability": NOT_KNOWN}
    return {"Leader": status.leader, "Reachability": status.reachability}


def _services(store: Any) -> list[Json]:
    return [
        {
            "ID": service.id,
            "Spec": service.spec,
            "UpdateStatus": service.update_status and {"State": service.update_status.state.value},
        }
        for service in store.services.values()
    ]


def _tasks(store: Any) -> list[Json]:
    return [
        {
            "ID": task.id,
            "CreatedAt": task.created_ns,
            "ServiceID": task.service_id,
            "ServiceName": task.service_name,
            "Slot": task.slot,
            "NodeID": task.node_id,
            "DesiredState": _word(task.desired),
            "Status": {"State": _word(task.status.state), "Err": task.status.err},
        }
        for task in store.tasks.values()
    ]


_words: dict[int, str] = {}


def _word(state: int) -> str:
    """The name of a task's state; an enum takes its time to tell it, and there are many tasks."""
    number = int(state)
    if number not in _words:
        _words[number] = str(state)
    return _words[number]
