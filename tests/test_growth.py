"""Work grows with the tasks, not with their square: function calls are counted, not seconds.

A read of an attribute of a task or a container is made a call, too: so a search through all of
them counts, though it calls nothing. The garbage collector waits: what it calls is counted, too,
and if it comes while the counts are read, some are read twice or not at all.
"""

from __future__ import annotations

import cProfile
import gc
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import swarmlab
from swarmlab.cli.whole_cluster import lose_node, start_service
from swarmlab.cluster import forming
from swarmlab.cluster.simulated import SimulatedCluster
from swarmlab.engine.swarm_node import SwarmNode
from swarmlab.manager.store import Store
from swarmlab.model import Task
from swarmlab.network.gossip import ALIVE, FAILED, NetworkDB
from swarmlab.worker.container import Container
from swarmlab.worker.containers import Containers

GROWTH_MAX = 2.1  # twice the tasks, at most so many times the work
TASKS, WORKERS = 200, 2


@pytest.fixture(autouse=True)
def no_garbage_collection() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def read(record: object, name: str) -> Any:
    return object.__getattribute__(record, name)


def calls(function: Callable[..., object], *args: Any) -> int:
    """How many calls of functions of Python it takes, reads of records included."""
    profile = cProfile.Profile(builtins=False)
    with pytest.MonkeyPatch.context() as patch:
        for kind in (Task, Container):
            patch.setattr(kind, "__getattribute__", read)
        profile.runcall(function, *args)
    return sum(entry.callcount for entry in profile.getstats())


def work(tasks: int, workers: int) -> tuple[int, int]:
    """The calls to start a service, and then to move the tasks of a node that is lost."""
    cluster = swarmlab.simulate(managers=3, workers=workers, seed=1)
    return calls(start_service, cluster, tasks), calls(lose_node, cluster, "w1")


def growth(workers_before: int, workers: int) -> tuple[float, float]:
    """How many times the work is, of twice the tasks: to start them, and to move those of w1."""
    before, after = work(TASKS, workers_before), work(2 * TASKS, workers)
    return after[0] / before[0], after[1] / before[1]


def test_twice_the_tasks_on_twice_the_nodes_are_twice_the_work():
    assert max(growth(WORKERS, 2 * WORKERS)) < GROWTH_MAX


def test_twice_the_tasks_on_the_same_nodes_are_twice_the_work():
    assert max(growth(WORKERS, WORKERS)) < GROWTH_MAX


def slot_by_search(store: Store, task: Task) -> list[Task]:
    key = task.service_id, task.slot
    return [other for other in store.tasks.values() if (other.service_id, other.slot) == key]


def container_by_search(containers: Containers, name: str) -> Container | None:
    return next((c for c in containers.all() if c.name == name), None)


@pytest.mark.parametrize("all_told", [False, True])
def test_twice_the_nodes_are_twice_the_work_to_form_a_swarm(all_told: bool, monkeypatch):
    """It is noticed when all nodes take notice of each that joins."""
    marks, counts, joins = (60, 120, 240), list[int](), list[None]()
    profile, join, enter = cProfile.Profile(builtins=False), SwarmNode.swarm_join, NetworkDB._enter

    def counted(node: SwarmNode, request: Any) -> Any:
        joins.append(None)
        if len(joins) in marks:
            counts.append(sum(entry.callcount for entry in profile.getstats()))
        return join(node, request)

    def telling(db: NetworkDB, group: str) -> None:
        db.machine.network.changed()
        enter(db, group)

    monkeypatch.setattr(forming, "ONE_BY_ONE", 8)
    monkeypatch.setattr(SwarmNode, "swarm_join", counted)
    monkeypatch.setattr(NetworkDB, "_enter", telling if all_told else enter)
    profile.runcall(SimulatedCluster.build, {"managers": 3, "workers": marks[-1], "seed": 1})
    growth = (counts[2] - counts[1]) / (counts[1] - counts[0])
    assert (growth > GROWTH_MAX) == all_told


@pytest.mark.parametrize(
    ("owner", "name", "search"),
    [(Store, "tasks_of_slot", slot_by_search), (Containers, "find", container_by_search)],
)
def test_a_search_through_all_is_noticed(monkeypatch, owner, name, search):
    monkeypatch.setattr(owner, name, search)
    assert max(growth(WORKERS, WORKERS)) > GROWTH_MAX


def test_a_node_that_is_back_is_alive_for_all():
    """Gossip asks only of members that may not answer: of this one until it is up again."""
    cluster = swarmlab.simulate(managers=1, workers=2, seed=1)
    databases = {name: cluster.engine(name).network.db for name in ("m1", "w2")}
    cluster.crash("w1")
    cluster.run("60s")
    assert {db.state("w1") for db in databases.values()} == {FAILED}
    cluster.start("w1")
    cluster.run("120s")
    assert {db.state("w1") for db in databases.values()} == {ALIVE}
