"""The manager's event loop and its control loops. Source: swarmkit manager/manager.go."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import swarmlab
from swarmlab.manager.control_loop import ControlLoop
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
    assert {type(loop).__name__: set(loop.watches) for loop in loops} == seen
    assert seen["RootRotation"] == {Cluster}
