"""Makes clusters: simulated or loaded, launched on Docker, or connected to."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from swarmlab.cluster.calls import checked
from swarmlab.cluster.current import made_current
from swarmlab.cluster.simulated import SimulatedCluster
from swarmlab.cluster.sizes import check_sizes
from swarmlab.errors import LabError
from swarmlab.model.versions import ENGINE_IMAGE

if TYPE_CHECKING:
    from swarmlab.real.connected import ConnectedCluster
    from swarmlab.real.launched import LaunchedCluster

NODES_MAX = 5000


@checked
def simulate(
    managers: int = 3, workers: int = 2, *, seed: int = 0, any_image: bool = False
) -> SimulatedCluster:
    """A simulated swarm, ready for work: managers m1, m2, …, workers w1, w2, …
    Lesson: 00_start_here.

    Equal seeds give equal runs. Nothing has to be installed, and no network is used. The registry
    holds the best-known images; with `any_image` it holds one of every name.

    >>> simulate(managers=3, workers=2, seed=7)
    <Cluster simulated, 5 of 5 nodes up, t = 2.5 s>
    """
    check_sizes(managers, workers, nodes_max=NODES_MAX)
    sizes = {"managers": managers, "workers": workers}
    configuration = {**sizes, "seed": seed, "any_image": any_image}
    return made_current(SimulatedCluster.build(configuration))


@checked
def engines(names: list[str], *, seed: int = 0, any_image: bool = False) -> SimulatedCluster:
    """Simulated engines that belong to no swarm yet: `docker swarm init` is yours.
    Lesson: 03_why_orchestrate.

    >>> engines(["m1", "w1"]).nodes["m1"].condition
    'in no swarm'
    """
    if not names or len(set(names)) != len(names):
        raise LabError("engines={names!r}: give at least one name, and each name once", names=names)
    if odd := [name for name in names if not re.fullmatch("[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", name)]:
        raise LabError(
            "engines: {odd!r} is not a host name; use up to 63 letters, digits, '-', '_' and '.'",
            odd=odd[0],
        )
    configuration = {"engines": names, "seed": seed, "any_image": any_image}
    return made_current(SimulatedCluster.build(configuration))


@checked
def load(path: str | Path) -> SimulatedCluster:
    """Replay a saved cluster: `load("run.json")`. Refused when its run does not end as it did then.

    Lesson: 00_start_here.
    """
    from swarmlab.cluster import replay

    return made_current(replay.load(SimulatedCluster.build, Path(path)))


@checked
def launch(
    managers: int = 3, workers: int = 2, *, image: str = ENGINE_IMAGE, seed: int | None = None
) -> LaunchedCluster:
    """A swarm of real engines, as containers of your own Docker: managers m1, …, workers w1, …
    Lesson: 30_is_the_simulator_right.

    `cluster = launch(managers=3, workers=2)` takes some 10 seconds once `image`, which holds the
    engine, was pulled. `seed` is accepted, so that one page can make simulated and real clusters,
    and changes nothing: chance on real engines cannot be repeated. `close()`, the end of a `with`
    block or of the program removes all of it; `swarmlab clean` does so after a crash. With more
    than 12 engines the oldest cluster is closed.
    """
    from swarmlab.real import launched

    return made_current(launched.launch(managers, workers, image=image))


@checked
def connect(host: str | list[str] | None = None, *, allow_faults: bool = False) -> ConnectedCluster:
    """An existing swarm: at DOCKER_HOST, or where `host` says: `connect("ssh://me@node1")`.
    Lesson: 30_is_the_simulator_right.

    `host` is the address of an engine (`ssh://me@node1`, `tcp://…`, `unix://…`), the name of a
    docker context, or a list of those, one a node. What this kit did not make stays as it is
    unless you say `allow_faults=True`.
    """
    from swarmlab.real import connected

    return made_current(connected.connect(host, allow_faults=allow_faults))
