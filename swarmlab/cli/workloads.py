"""The workloads of `swarmlab bench`: each prepares something, and says what is to be timed.

The scheduler's are SwarmKit's own benchmarks: every third node has the `network` plugin; from the
commit of the tasks to the last ASSIGNED in the store, without Raft.
Source: swarmkit manager/scheduler/scheduler_test.go.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from functools import cache, partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import docker
from docker.types import ServiceMode

from swarmlab import model
from swarmlab.cli.whole_cluster import lose_node, start_service
from swarmlab.cluster.simulated import SimulatedCluster
from swarmlab.engine.clock_drivers import Pacer
from swarmlab.engine.transport import SocketServer
from swarmlab.manager.scheduler.scheduler import Scheduler
from swarmlab.manager.store import Store, create
from swarmlab.model.versions import API_VERSION
from swarmlab.raft import Member, RaftNode, Storage
from swarmlab.simulation import HOUR, MINUTE, Machine, Network, S, Simulation

Work = tuple[Callable[[], object], float]  # what is timed, and how many units of work that is


# -- the scheduler alone -------------------------------------------------------------------------
NETWORK = model.freeze([{"Network": {"ID": "n", "DriverState": {"Name": "network"}}}])
PLACEMENT = {
    "Constraints": ["node.labels.az!=d"],
    "Preferences": [{"Spread": {"SpreadDescriptor": "node.labels.az"}}],
}


def _node(i: int) -> model.Node:
    plugins = [{"Type": "Network", "Name": "network"}] if i % 3 == 0 else []
    return model.Node(
        id=f"node{i:06}",
        spec=model.NodeSpec(Labels={"az": "abcd"[i % 4]}, Role="worker", Availability="active"),
        role=model.Role.WORKER,
        status=model.NodeStatus(state=model.NodeState.READY),
        description=model.freeze({"Hostname": f"node{i:06}", "Engine": {"Plugins": plugins}}),
    )


def schedule(nodes: int, tasks: int, kind: str = "", *, decision_alone: bool = False) -> Work:
    """`kind`: tasks that need a `network`, have constraints and preferences (`placement`), or none.

    All have one spec: SwarmKit's one-off tasks, or, for the decision alone, replicas of a service.
    """
    store = Store(map(_node, range(nodes)))
    scheduler = Scheduler(Simulation(1), "m1", store)
    spec = model.TaskSpec(model.freeze({"Placement": PLACEMENT} if kind == "placement" else {}))
    task = model.Task(
        id="",
        service_id="web" if decision_alone else "",
        spec=spec,
        desired=model.TaskState.RUNNING,
        status=model.TaskStatus(state=model.TaskState.PENDING, timestamp_ns=0),
        networks=NETWORK if kind == "network" else (),
    )
    waiting = [create(task.with_(id=f"task{i:06}", slot=i + 1)) for i in range(tasks)]

    def commit() -> None:
        for change, before in store.apply(1, waiting):
            scheduler.see(before, change.object)

    def run() -> None:
        if not decision_alone:
            commit()
        changes = scheduler.decide(store)
        assert len(changes) == tasks
        if not decision_alone:
            store.apply(2, changes)

    if decision_alone:
        commit()
    return run, tasks


# -- Raft alone ------------------------------------------------------------------------------------
class Replica:
    """A member of a Raft group that counts what is applied, and proposes the next when it is."""

    def __init__(self, machine: Machine, members: list[Member]) -> None:
        storage = Storage(machine.disk, self)
        storage.bootstrap(members)
        self.applied = 0
        self.raft = RaftNode(machine, storage, self, raft_id=int(machine.name))

    def receive(self, source: str, message: Any) -> None:
        self.raft.receive(source, message)

    def propose(self, _: Any = None) -> None:
        self.raft.propose(b"x").then(self.propose)

    def apply(self, index: int, data: object) -> None:
        self.applied += 1

    def encode(self, data: Any) -> bytes:
        return bytes(data)

    def snapshot(self) -> bytes:
        return b""

    def ignore(self, *_: Any) -> None:
        """What else may happen to a replica."""

    serve = shutdown = decode = restore = leadership = members_changed = removed = ignore


def raft(replicas: int, commits: int = 0, idle_s: int = 0) -> Work:
    """Commits, of which 100 are always under way; or time that passes without any."""
    simulation = Simulation(1)
    network, names = Network(simulation), [str(i + 1) for i in range(replicas)]
    members = [Member(int(name), name, f"10.0.0.{name}") for name in names]
    program = partial(Replica, members=members)
    machines = [Machine(network, m.node_id, m.address, program) for m in members]
    for machine in machines:
        machine.start()
    group: list[Any] = [machine.process for machine in machines]
    simulation.run_while(lambda: not any(r.raft.is_leader for r in group), MINUTE)
    leader = next(replica for replica in group if replica.raft.is_leader)
    if idle_s:
        return partial(simulation.run_until, simulation.now_ns + idle_s * S), idle_s
    for _ in range(100):
        leader.propose()
    return partial(simulation.run_while, lambda: leader.applied < commits, MINUTE), commits


# -- a cluster -------------------------------------------------------------------------------------
def new_cluster(managers: int, workers: int) -> SimulatedCluster:
    return SimulatedCluster.build({"managers": managers, "workers": workers, "seed": 7})


@cache
def cluster_of(managers: int, workers: int, services: int, replicas: int) -> SimulatedCluster:
    """A cluster on which so many services run."""
    cluster = new_cluster(managers, workers)
    for i in range(services):
        mode = ServiceMode("replicated", replicas)
        cluster.client("m1").services.create("nginx", name=f"web{i}", mode=mode)
    cluster.run("1m")
    return cluster


def listing(services: int, replicas: int, objects: str) -> Work:
    """Requests in this process."""
    client = cluster_of(3, 4, services, replicas).client("m1")
    return client.api.tasks if objects == "tasks" else client.services.list, 1


def socket(requests: int) -> Work:
    """Requests of one client, while time follows the wall clock."""
    cluster = cluster_of(3, 4, 100, 1)

    def run() -> None:
        pacer = Pacer(cluster.world.simulation, 1.0, cluster.lock.inner)
        with tempfile.TemporaryDirectory() as folder:
            server = SocketServer(Path(folder) / "s", partial(cluster.engine, "m1"), pacer)
            pacer.start()
            server.start()
            with closing(docker.APIClient(f"unix://{server.path}", API_VERSION)) as client:
                for _ in range(requests):
                    client.inspect_service("web7")
            server.stop()
            pacer.stop()

    return run, requests


def large() -> SimulatedCluster:
    """57 nodes with 500 tasks."""
    return cluster_of(7, 50, 5, 100)


def board() -> Work:
    """One node crashes or starts, and the board shows it."""
    cluster = large()
    shown = cluster.board()
    shown.refresh()
    (cluster.crash if cluster.is_up("w9") else cluster.start)("w9")
    return shown.refresh, 1


def as_of() -> Work:
    """The moment of the last hour that is furthest from the checkpoint before it."""
    cluster = large()
    if cluster.now_ns < HOUR:
        cluster.run("1h")
    times = [*(checkpoint.at_ns for checkpoint in cluster.checkpoints.kept), cluster.now_ns]
    _, moment_ns = max((b - a, b) for a, b in pairwise([0, *times]))
    return partial(cluster.as_of, f"{moment_ns - 1}ns"), 1


def idle(managers: int, workers: int, virtual_s: int) -> Work:
    """Time in which heartbeats are all that happens."""
    return partial(cluster_of(managers, workers, 0, 0).run, f"{virtual_s}s"), virtual_s


def playing(wall_s: int) -> Work:
    """Time that follows the wall clock, while a board shows the cluster."""
    cluster = large()
    shown = cluster.board()

    def run() -> None:
        cluster.play()
        for _ in range(5 * wall_s):
            time.sleep(0.2)
            shown.refresh()
        cluster.pause()

    return run, wall_s


def import_package() -> Work:
    """A new process's own processor time."""
    code = "import time, swarmlab; print(time.process_time())"
    command = [sys.executable, "-c", code]
    return lambda: float(subprocess.run(command, check=True, capture_output=True).stdout), 1


def forming(workers: int) -> Work:
    return partial(new_cluster, 3, workers), 3 + workers


def whole_cluster(workers: int, replicas: int) -> Work:
    """From the request of the service to its last running task."""
    return partial(start_service, new_cluster(3, workers), replicas), 1


def node_loss(workers: int, replicas: int) -> Work:
    """From the crash of a worker until each task that it had runs elsewhere."""
    cluster = new_cluster(3, workers)
    start_service(cluster, replicas)
    cluster.run("10s")  # what follows the start
    return partial(lose_node, cluster, "w1"), 1


WORKLOADS: dict[str, Callable[..., Work]] = {
    "schedule": schedule,
    "raft": raft,
    "listing": listing,
    "socket": socket,
    "board": board,
    "fork": lambda: (large().fork, 1),
    "as_of": as_of,
    "whole_cluster": whole_cluster,
    "node_loss": node_loss,
    "forming": forming,
    "idle": idle,
    "import": import_package,
    "playing": playing,
}
