"""The manager's event loop and its control loops. Source: swarmkit manager/manager.go."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from docker.types import ServiceMode

import swarmlab
from swarmlab.manager import control_loop
from swarmlab.manager.control_loop import ControlLoop
from swarmlab.manager.orchestrator import jobs, replicated
from swarmlab.manager.store import Change
from swarmlab.model import Cluster


def test_a_control_loop_sees_changes_of_the_tables_that_it_watches_and_of_no_others():
    cluster = swarmlab.simulate(managers=1, workers=2, seed=3)
    seen: defaultdict[str, set[type]] = defaultdict(set)
    loops: list[ControlLoop] = cluster.engine("m1").manager.control_loops
    for loop in loops:
        see, name = loop.see, type(loop).__name__

        def recorded(old: Any, new: Any, see: Any = see, name: str = name) -> bool:
            seen[name].add(type(new or old))
            return see(old, new)

        loop.see = recorded  # type: ignore[method-assign]
    client = cluster.client("m1")
    client.secrets.create(name="password", data=b"x")
    client.configs.create(name="settings", data=b"x")
    client.networks.create("net", driver="overlay")
    service = client.services.create("nginx", name="web", networks=["net"])
    client.swarm.reload()
    client.swarm.update(rotate_worker_token=True)
    cluster.crash("w1")
    cluster.run("1m")
    service.remove()
    cluster.run("30s")
    watching = {type(loop).__name__: set(loop.watches) for loop in loops}
    assert seen == {name: tables for name, tables in watching.items() if tables}
    assert seen["RootRotation"] == {Cluster}


def test_a_control_loop_decides_on_a_big_service_in_turns(monkeypatch):
    """So no event takes long. Source: swarmkit manager/dispatcher/dispatcher.go, maxBatchItems."""
    size, sizes = 20, defaultdict[str, list[int]](list)
    for module in (control_loop, jobs, replicated):
        monkeypatch.setattr(module, "TURN_MAX", size)
    cluster = swarmlab.simulate(managers=1, workers=2, seed=3)
    for loop in cluster.engine("m1").manager.control_loops:

        def decided(view: Any, loop: Any = loop) -> list[Change]:
            changes: list[Change] = type(loop).decide(loop, view)
            sizes[type(loop).__name__].append(len(changes))
            return changes

        loop.decide = decided  # type: ignore[method-assign]
    client = cluster.client("m1")
    web = client.services.create("nginx", name="web", mode=ServiceMode("replicated", 3 * size + 1))
    mode = ServiceMode("replicated-job", replicas=2 * size + 1, concurrency=2 * size + 1)
    client.services.create("nginx", name="job", mode=mode)
    cluster.run("20s")
    tasks = [task for task in client.api.tasks() if task["Status"]["State"] == "running"]
    assert len(tasks) == 5 * size + 2
    cluster.crash("w1")
    cluster.run("60s")
    assert len(web.tasks({"desired-state": "running"})) == 3 * size + 1
    assert sizes["ReplicatedOrchestrator"][:4] == [size, size, size, 1]
    assert sizes["JobOrchestrator"][:3] == [size, size, 1]
    assert max(sizes["Dispatcher"]) == size
    assert max(sizes["ReplicatedOrchestrator"]) == 2 * size  # a task and its replacement
