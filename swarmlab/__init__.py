"""Docker Swarm mode in a notebook: a simulated swarm behind the Docker Engine API.

>>> import swarmlab
>>> cluster = swarmlab.simulate(managers=3, workers=2, seed=7)
>>> web = cluster.client("m1").services.create("nginx", name="web")

Read the code in this order: `model` (the nouns), `simulation` (time, chance, machines), `raft`
(agreement), `manager` (store and control loops), `worker` (agent and containers), `engine` (one
node's daemon and its API), `cluster` (the simulated cluster that you use).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from swarmlab.cluster.autoscale import autoscale
from swarmlab.cluster.calls import checked
from swarmlab.cluster.current import latest, use
from swarmlab.cluster.factory import connect, engines, launch, load, simulate
from swarmlab.cluster.simulated import SimulatedCluster as Cluster
from swarmlab.errors import LabError, SwarmError

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from swarmlab.cluster.interface import AnyCluster

__version__ = "0.1.0"
__all__ = [
    "Cluster",
    "LabError",
    "SwarmError",
    "autoscale",
    "connect",
    "engines",
    "latest",
    "launch",
    "load",
    "reset",
    "scene",
    "simulate",
    "use",
]


@checked
def scene(name: str) -> AnyCluster | None:
    """Back to where a step of a page begins, whatever has happened: `scene("05.cut")`.
    Lesson: 05_quorum.

    The clusters that the page has by then are put back in place, so that its variables, clients,
    boards and pictures go on; without a cluster it makes one. Time is paused. A name that is none
    tells which there are. The answer is the current cluster.

    >>> cluster = simulate(managers=3, workers=2, seed=7)
    >>> scene("05.cut") is cluster
    True
    >>> [cluster.is_up(name) for name in cluster.names], len(cluster.names)
    ([True, True, True, True, True, True, True], 7)
    """
    from swarmlab.lessons import scenes

    return scenes.scene(name)


@checked
def reset(page: str = "") -> AnyCluster | None:
    """Between two talks: the first scene of the page, no bets, nothing solved: `reset("05")`.
    Lesson: 05_quorum.

    Without a page it is the one that this notebook, or the last scene, is of. What was solved, and
    the bets, are kept beside their files, in `progress.before` and `bets.before`.
    """
    from swarmlab.lessons import scenes

    return scenes.reset(page)


def load_ipython_extension(ipython: InteractiveShell) -> None:
    """`%load_ext swarmlab` brings `%docker` and help in cells; in a kernel, the import does."""
    from swarmlab.jupyter import cells, completion, magic

    if "docker" in ipython.magics_manager.magics["line"]:
        return
    for extension in (magic, completion, cells):
        extension.load_ipython_extension(ipython)
    if "CLASS_URL" in os.environ:
        from swarmlab.lessons import attendance

        ipython.events.register("post_run_cell", attendance.attend)


def _in_kernel() -> Any:
    """The IPython shell this runs in, None elsewhere."""
    import sys

    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython is not None else None


if (_shell := _in_kernel()) is not None:
    load_ipython_extension(_shell)
