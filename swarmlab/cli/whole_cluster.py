"""The workload of a whole cluster: a service of many replicas, and the loss of a node.

Everything takes part: store, Raft with its sealed logs, control loops, agents and containers.
"""

from __future__ import annotations

from docker.types import ServiceMode

from swarmlab.cluster.simulated import SimulatedCluster
from swarmlab.model import TaskState

LIMIT_S = 600  # virtual


def start_service(cluster: SimulatedCluster, replicas: int) -> None:
    """Create a service on the cluster, and let time pass until all its tasks run."""
    mode = ServiceMode("replicated", replicas)
    cluster.client().services.create("busybox", name="web", command="sleep 1d", mode=mode)
    _until_running(cluster, replicas)


def lose_node(cluster: SimulatedCluster, name: str) -> None:
    """Crash a worker, and let time pass until all the tasks it had run elsewhere."""
    running = _running(cluster)
    cluster.crash(name)
    while _running(cluster) == running:
        cluster.run("1s")  # until it is missed
    _until_running(cluster, running)


def _running(cluster: SimulatedCluster) -> int:
    """The tasks that run and are to run, as the leader knows it."""
    engine = cluster.engine(cluster.default_node())
    assert engine is not None
    assert engine.manager is not None
    tasks = engine.manager.store.tasks.values()
    return sum(task.state == TaskState.RUNNING == task.desired for task in tasks)


def _until_running(cluster: SimulatedCluster, count: int) -> None:
    for _ in range(LIMIT_S):
        if _running(cluster) == count:
            return
        cluster.run("1s")
    raise AssertionError(f"{_running(cluster)} of {count} tasks run after {LIMIT_S} s")
