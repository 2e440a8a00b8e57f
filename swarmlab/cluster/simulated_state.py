"""The state of a simulated cluster, read without a request: no time passes, no leader is needed.

Nodes, services and tasks come from a manager's store, in the engine's own JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from swarmlab.model import Node, Service, StoreObject, Task
from swarmlab.simulation import S
from swarmlab.strings import N_

if TYPE_CHECKING:
    from swarmlab.manager.manager import Manager

Json = Mapping[str, Any]
NOT_KNOWN = N_("not known")
CACHED_OBJECTS_MAX = 100_000


@dataclass(frozen=True, slots=True)
class Machine:
    """What only a simulation knows of one machine."""

    up: bool | None  # None: not known
    raft: str  # leader, follower, candidate; empty: no manager runs there
    term: int | None
    left: bool = False  # up, and in no swarm (any more)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inside:
    """What the leader knows; without a leader, what the most advanced manager knows."""

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
            services=[_json_of(service) for service in managers[best].store.services.values()],
            tasks=[_json_of(task) for task in managers[best].store.tasks.values()],
        )


def _nodes(manager: Manager, *, leads: bool) -> list[Json]:
    """Only a leader knows which managers it reaches."""
    from swarmlab.engine import wire

    statuses = {
        status.node_id: wire.manager_status(status) if leads else {"Reachability": NOT_KNOWN}
        for status in manager.statuses()
    }
    return [
        {**_json_of(node), "ManagerStatus": statuses.get(node.id)}
        for node in manager.store.nodes.values()
    ]


# Object id -> the stored object and its JSON. Stored objects are frozen, so the JSON of one never
# changes, and from one drawing of a board to the next most objects stay the same.
_json_cache: dict[str, tuple[StoreObject, Json]] = {}


def _json_of(object: Node | Service | Task) -> Json:
    """The engine's JSON of an object; of a task also the name of its service."""
    stored, document = _json_cache.get(object.id, (None, {}))
    if stored is not object:
        from swarmlab.engine import wire

        match object:
            case Node():
                document = wire.node(object, wire.virtual_time, ())
            case Service():
                document = wire.service(object, wire.virtual_time)
            case Task():
                name = object.service_name
                document = {**wire.task(object, wire.virtual_time), "ServiceName": name}
        if len(_json_cache) >= CACHED_OBJECTS_MAX:
            _json_cache.clear()
        _json_cache[object.id] = object, document
    return document
