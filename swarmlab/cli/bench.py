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

from swarmlab import model
from swarmlab.manager.scheduler.scheduler import Scheduler
from swarmlab.manager.store import Store, create
from swarmlab.simulation import Simulation

SHAPES = ((1_000, 1_000), (1_000, 10_000), (1_000, 100_000), (100_000, 1_000))  # nodes, tasks
HEAP_EVENTS = 300_000


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


def _node(i: int) -> model.Node:
    plugins = [{"Type": "Network", "Name": "network"}] if i % 3 == 0 else []
    return model.Node(
        id=f"node{i:06}",
        spec=model.NodeSpec(Labels={}, Role="worker", Availability="active"),
        role=model.Role.WORKER,
        status=model.NodeStatus(state=model.NodeState.READY),
        description=model.freeze({"Hostname": f"node{i:06}", "Engine": {"Plugins": plugins}}),
    )


def measure(nodes: int, tasks: int, *, constrained: bool = False) -> tuple[float, float]:
    """Schedule this many tasks on this many nodes: tasks a second, in all and the decision alone.

    All is from the tasks' commit to the last ASSIGNED in the store.
    """
    store = Store(_node(i) for i in range(nodes))
    scheduler = Scheduler(Simulation(1), "m1", store)
    network = model.freeze([{"Network": {"ID": "n", "DriverState": {"Name": "network"}}}])
    status = model.TaskStatus(state=model.TaskState.PENDING, timestamp_ns=0)
    spec = model.TaskSpec(model.Document())
    waiting = [
        create(
            model.Task(
                id=f"task{i:06}",
                service_id="",
                spec=spec,
                desired=model.TaskState.RUNNING,
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
    assert sum(task.state == model.TaskState.ASSIGNED for task in store.tasks.values()) == tasks
    return tasks / (end - start), tasks / (decided - deciding)


def line(nodes: int, tasks: int, heap_per_s: float, *, constrained: bool) -> str:
    """One measurement, beside the rate of the heap loop."""
    tasks_per_s, decided_per_s = measure(nodes, tasks, constrained=constrained)
    name = f"{nodes:>7,} nodes {tasks:>7,} tasks{' network' * constrained:8}"
    all_in = f"{tasks_per_s:>9,.0f} tasks/s (heap rate / {heap_per_s / tasks_per_s:.0f})"
    return f"{name} {all_in}; {decided_per_s:>9,.0f} decided/s"


def scheduler() -> str:
    """All measurements as a table."""
    heap_per_s = heap_rate()
    lines = [f"bare heap loop: {heap_per_s:,.0f} events/s"]
    lines += [line(*shape, heap_per_s, constrained=False) for shape in SHAPES]
    lines += [line(*shape, heap_per_s, constrained=True) for shape in SHAPES[:3]]
    return "\n".join(lines)
