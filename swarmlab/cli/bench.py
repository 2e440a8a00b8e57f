"""`swarmlab bench scheduler`: SwarmKit's scheduler benchmarks, run on our scheduler.

As upstream: every third node has the `network` plugin, and each one-off task is a group of its own.
Timed from the commit of the tasks to the last ASSIGNED in the store, without Raft, and compared
with the rate of a bare heap loop in the same process.
Source: swarmkit manager/scheduler/scheduler_test.go.
"""

from __future__ import annotations

import gc
import heapq
import time
from dataclasses import dataclass

from swarmlab.manager.scheduler.scheduler import Scheduler
from swarmlab.manager.store import Store, create
from swarmlab.model import (
    Document,
    Node,
    NodeSpec,
    NodeState,
    NodeStatus,
    Role,
    Task,
    TaskSpec,
    TaskState,
    TaskStatus,
    freeze,
)
from swarmlab.simulation import Simulation

SHAPES = ((1_000, 1_000), (1_000, 10_000), (1_000, 100_000), (100_000, 1_000))  # nodes, tasks
HEAP_EVENTS = 300_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    nodes: int
    tasks: int
    constrained: bool
    decided_per_s: float  # the decision alone
    tasks_per_s: float  # from the tasks' commit to the last ASSIGNED in the store

    def line(self, heap_per_s: float) -> str:
        name = f"{self.nodes:>7,} nodes {self.tasks:>7,} tasks{' network' * self.constrained:8}"
        share = heap_per_s / self.tasks_per_s
        all_in = f"{self.tasks_per_s:>9,.0f} tasks/s (heap rate / {share:.0f})"
        return f"{name} {all_in}; {self.decided_per_s:>9,.0f} decided/s"


class _Clock:
    def tick(self) -> None:
        """A bare event: a bound method, as the simulation's callbacks are."""


def heap_rate() -> float:
    """Events a second of a bare `heapq` loop: pop, callback, push."""
    queue = [(i, i, _Clock().tick) for i in range(1_000)]
    start = time.process_time()
    for i in range(HEAP_EVENTS):
        when, _, callback = heapq.heappop(queue)
        callback()
        heapq.heappush(queue, (when + 1_000, i + 1_000, callback))
    return HEAP_EVENTS / (time.process_time() - start)


def _node(i: int) -> Node:
    plugins = [{"Type": "Network", "Name": "network"}] if i % 3 == 0 else []
    return Node(
        id=f"node{i:06}",
        spec=NodeSpec(Labels={}, Role="worker", Availability="active"),
        role=Role.WORKER,
        status=NodeStatus(state=NodeState.READY),
        description=freeze({"Hostname": f"node{i:06}", "Engine": {"Plugins": plugins}}),
    )


def measure(nodes: int, tasks: int, *, constrained: bool = False) -> Figure:
    """Schedule this many tasks on this many nodes."""
    store = Store(_node(i) for i in range(nodes))
    scheduler = Scheduler(Simulation(1), "m1", store)
    network = freeze([{"Network": {"ID": "n", "DriverState": {"Name": "network"}}}])
    status = TaskStatus(state=TaskState.PENDING, timestamp_ns=0)
    spec = TaskSpec(Document())
    waiting = [
        create(
            Task(
                id=f"task{i:06}",
                service_id="",
                spec=spec,
                desired=TaskState.RUNNING,
                status=status,
                networks=network if constrained else (),
            )
        )
        for i in range(tasks)
    ]
    gc.collect()
    gc.disable()  # as timeit does
    start = time.process_time()
    for change, before in store.apply(1, waiting):
        scheduler.see(before, change.object)
    deciding = time.process_time()
    changes = scheduler.decide(store)
    decided = time.process_time()
    store.apply(2, changes)
    end = time.process_time()
    gc.enable()
    assert sum(task.state == TaskState.ASSIGNED for task in store.tasks.values()) == tasks
    return Figure(
        nodes=nodes,
        tasks=tasks,
        constrained=constrained,
        decided_per_s=tasks / (decided - deciding),
        tasks_per_s=tasks / (end - start),
    )


def scheduler() -> str:
    """All measurements as a table."""
    lines, heap_per_s = [], heap_rate()
    lines.append(f"bare heap loop: {heap_per_s:,.0f} events/s")
    for nodes, tasks in SHAPES:
        lines.append(measure(nodes, tasks).line(heap_per_s))
    for nodes, tasks in SHAPES[:3]:
        lines.append(measure(nodes, tasks, constrained=True).line(heap_per_s))
    return "\n".join(lines)
