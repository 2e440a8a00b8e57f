"""The workload of a whole cluster: a service of many replicas, and the loss of a node.

Everything takes part: store, Raft with its sealed logs, control loops, agents and containers.
"""

from __future__ import annotations

from collections.abc import Callable

from docker.types import ServiceMode

from swarmlab.cluster.simulated import SimulatedCluster
from swarmlab.manager.store import Store
from swarmlab.model import Task, TaskState

LIMIT_S = 600  # virtual


def start_service(cluster: SimulatedCluster, replicas: int) -> None:
    """Create a service on the cluster, and let time pass until all its tasks run."""
    mode = ServiceMode("replicated", replicas)
    cluster.client().services.create("busybox", name="web", command="sleep 1d", mode=mode)
    _run_until(cluster, lambda: sum(map(_runs, _store(cluster).tasks.values())) == replicas)


def lose_node(cluster: SimulatedCluster, name: str) -> None:
    """Crash a worker, and let time pass until each task it had runs elsewhere."""
    engine, store = cluster.engine(name), _store(cluster)
    assert engine is not None
    lost = list(filter(_runs, store.tasks_of_node(engine.node_id)))

    def moved() -> bool:
        slots = map(store.tasks_of_slot, lost)
        return all(any(_runs(t) and t.node_id != engine.node_id for t in slot) for slot in slots)

    cluster.crash(name)
    _run_until(cluster, moved)


def _store(cluster: SimulatedCluster) -> Store:
    """What the leader knows."""
    engine = cluster.engine(cluster.default_node())
    assert engine is not None
    assert engine.manager is not None
    return engine.manager.store


def _runs(task: Task) -> bool:
    """Whether it runs, and is to."""
    return task.state == TaskState.RUNNING == task.desired


def _run_until(cluster: SimulatedCluster, condition: Callable[[], bool]) -> None:
    for _ in range(LIMIT_S):
        if condition():
            return
        cluster.run("1s")
    raise AssertionError(f"not all tasks run after {LIMIT_S} s")
