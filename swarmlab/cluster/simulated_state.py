"""Typed, read-only access to the inside of a simulated cluster, for views.

Reading lets no virtual time pass and needs no leader. Nodes, services and tasks come from a
manager's store, in the engine's own JSON.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol, TypeGuard

from swarmlab.cluster.interface import AnyCluster
from swarmlab.model import Node, NodeState, Service, StoreObject, Task, TaskState
from swarmlab.model.trace_records import MembershipChanged
from swarmlab.raft import Status as Status
from swarmlab.simulation import InFlight, S, Trace
from swarmlab.strings import N_

if TYPE_CHECKING:
    from swarmlab.cluster.journal import JournalEntry
    from swarmlab.cluster.service_steps import ServiceStep as ServiceStep
    from swarmlab.cluster.world import World
    from swarmlab.engine.daemon import Engine
    from swarmlab.manager.manager import Manager
    from swarmlab.manager.scheduler.explanation import Explanation as Explanation
    from swarmlab.manager.scheduler.explanation import NodeAnswer as NodeAnswer
    from swarmlab.network.traffic import Requests
    from swarmlab.simulation import Machine
    from swarmlab.units import Duration
    from swarmlab.views.html import Table

Json = Mapping[str, Any]
NOT_KNOWN = N_("not known")
CACHED_OBJECTS_MAX = 100_000


class Simulated(AnyCluster, Protocol):
    """What only a simulated cluster has, as far as views and experiments need it."""

    @property
    def lock(self) -> AbstractContextManager[Any]: ...
    @property
    def world(self) -> World: ...
    @property
    def now_ns(self) -> int: ...
    @property
    def trace(self) -> Trace: ...

    journal: list[JournalEntry]

    def in_flight(self) -> list[InFlight]: ...
    def machine(self, name: str) -> Machine: ...
    def engine(self, name: str) -> Engine | None: ...
    def fork(self) -> Simulated: ...
    def slow(self, source: str, target: str, delay: Duration) -> None: ...
    def traffic(self, service: str, *, rate: int = 50, source: str = "") -> Requests: ...
    def close_ports(self, one: str, other: str, port: int, *more: int) -> None: ...
    def decision(self, task: str) -> Explanation: ...
    def disk(self, name: str) -> Table: ...
    def explain_request(self, target: str | int, *, source: str = "") -> Table: ...


def is_simulated(cluster: AnyCluster) -> TypeGuard[Simulated]:
    """Whether what happens inside can be read, and tried on a copy."""
    return cluster.has_trace


# -- machines and the store ----------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class MachineState:
    """What only a simulation knows of one machine."""

    up: bool | None  # None: not known
    raft: str  # leader, follower, candidate; empty: no manager runs there
    term: int | None
    left: bool = False  # in no swarm (any more), as far as its engine or its disk says


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterState:
    """The leader's store; without a leader, the store of the manager with the highest index."""

    machines: dict[str, MachineState]  # by name
    now_s: float
    has_leader: bool = False
    index: int = 0  # the Raft index up to which the store is known
    nodes: list[Json]
    services: list[Json]
    tasks: list[Json]
    containers: dict[str, list[Json]] = field(default_factory=dict)  # of engines in no swarm


def managers_of(cluster: Simulated) -> dict[str, Manager]:
    """Name -> manager, of the nodes where one runs."""
    engines = {name: cluster.engine(name) for name in cluster.names}
    return {name: e.manager for name, e in engines.items() if e is not None and e.manager}


def cluster_state(cluster: Simulated) -> ClusterState:
    """The cluster at this moment."""
    with cluster.lock:
        managers, raft = managers_of(cluster), raft_statuses(cluster)
        machines = {
            name: _machine_state(cluster.machine(name), cluster.engine(name), raft.get(name))
            for name in cluster.names
        }
        now_s = cluster.now_ns / S
        engines = {name: cluster.engine(name) for name, m in machines.items() if m.left}
        containers = {name: container_rows(e) for name, e in engines.items() if e is not None}
        leader, best = _best_informed(managers)
        if not best:
            state = ClusterState(machines=machines, now_s=now_s, nodes=[], services=[], tasks=[])
            return replace(state, containers=containers)
        return ClusterState(
            machines=machines,
            now_s=now_s,
            containers=containers,
            has_leader=bool(leader),
            index=managers[best].store.index,
            nodes=_nodes(managers[best], leads=bool(leader)),
            services=[_json_of(service) for service in managers[best].store.services.values()],
            tasks=[_json_of(task) for task in managers[best].store.tasks.values()],
        )


def _best_informed(managers: Mapping[str, Manager]) -> tuple[str, str]:
    """(the leader, or empty; the leader, else the manager with the highest index)."""
    leading = [name for name, manager in managers.items() if manager.raft.is_leader]
    leader = max(leading, key=lambda name: managers[name].raft.status().term, default="")
    best = max(managers, key=lambda name: managers[name].store.index, default="")
    return leader, leader or best


@dataclass(frozen=True, slots=True)
class NodeLoad:
    """One of very many nodes."""

    name: str
    role: str  # leader, manager, worker
    ready: bool  # and its machine runs
    running: int  # tasks


def node_loads(cluster: Simulated) -> list[NodeLoad]:
    """How many tasks run on each node of the swarm, in the order of the nodes."""
    with cluster.lock:
        managers = managers_of(cluster)
        leader, best = _best_informed(managers)
        if not best:
            return []
        store = managers[best].store
        running = (task for task in store.tasks.values() if task.state == TaskState.RUNNING)
        counts = Counter(task.node_id for task in running)
        up = {name for name in cluster.names if cluster.engine(name) is not None}
        loads = []
        for node in store.nodes.values():
            role = "leader" if node.hostname == leader else str(node.role)
            ready = node.status.state is NodeState.READY and node.hostname in up
            loads.append(NodeLoad(node.hostname, role, ready, counts[node.id]))
        return loads


def _machine_state(machine: Machine, engine: Engine | None, raft: Status | None) -> MachineState:
    from swarmlab.engine.swarm_node import STATE_FILE

    return MachineState(
        up=engine is not None,
        raft=str(raft.role) if raft else "",
        term=raft.term if raft else None,
        left=engine.swarm_state == "inactive" if engine else STATE_FILE not in machine.disk,
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


def container_rows(engine: Engine) -> list[Json]:
    """The containers of an engine, oldest first: a part of what `GET /containers/json` answers."""
    from swarmlab.engine.api_containers import status_text

    now_ns = engine.machine.simulation.now_ns
    return [
        {
            "Id": container.id,
            "Names": [f"/{container.name}"],
            "Image": container.config.get("Image", ""),
            "State": container.status,
            "Status": status_text(now_ns, container),
        }
        for container in engine.containers.all()
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


def steps_of(cluster: Simulated, service: str) -> list[ServiceStep]:
    """Who did what for the newest service of this name, from the command to its containers."""
    from swarmlab.cluster.service_steps import service_steps

    with cluster.lock:
        return service_steps(managers_of(cluster).values(), cluster.trace, service)


# -- Raft ------------------------------------------------------------------------------------------
def raft_statuses(cluster: Simulated) -> dict[str, Status]:
    """Name -> role, term, vote and log of every manager that is up."""
    return {name: manager.raft.status() for name, manager in managers_of(cluster).items()}


def raft_names(cluster: Simulated) -> dict[int, str]:
    """Raft id -> node name, as the managers that are up know each other; 0 is none."""
    names = {0: ""}
    addresses = {cluster.machine(name).address: name for name in cluster.names}
    for manager in managers_of(cluster).values():
        for raft_id, member in manager.raft.members.items():
            names[raft_id] = addresses.get(member.address.rsplit(":", 1)[0], "?")
    return names


def managers_ever(cluster: Simulated) -> list[str]:
    """The nodes that are managers, or once were."""
    members = {record.where for record in cluster.trace.of(MembershipChanged)}
    return [name for name in cluster.names if name in members]


def delay_ns_max(cluster: Simulated, source: str, target: str) -> int:
    """The longest time that a message takes from one node to the other."""
    network = cluster.machine(source).network
    link = network.links.get((source, target), network.link)
    return link.delay_ns + link.jitter_ns
