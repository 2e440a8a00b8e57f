"""Docker Swarm mode in a notebook: a simulated swarm behind the Docker Engine API.

>>> import swarmlab
>>> cluster = swarmlab.simulate(managers=3, workers=2, seed=7)
>>> web = cluster.client("m1").services.create("nginx", name="web")

Read the code in this order: `model` (the nouns), `simulation` (time, chance, machines), `raft`
(agreement), `manager` (store and control loops), `worker` (agent and containers), `engine` (one
node's daemon and its API), `cluster` (the simulated cluster that you use).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from swarmlab.cluster.autoscale import autoscale
from swarmlab.cluster.current import latest, use
from swarmlab.cluster.factory import connect, engines, launch, load, simulate
from swarmlab.cluster.simulated import SimulatedCluster as Cluster
from swarmlab.errors import LabError, SwarmError

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

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
    "simulate",
    "use",
]


def load_ipython_extension(ipython: InteractiveShell) -> None:
    """`%load_ext swarmlab` brings `%docker` and help in cells; in a kernel, the import does."""
    from swarmlab.jupyter import cells, completion, magic

    if "docker" in ipython.magics_manager.magics["line"]:
        return
    for extension in (magic, completion, cells):
        extension.load_ipython_extension(ipython)


def _in_kernel() -> Any:
    """The IPython shell this runs in, None elsewhere."""
    import sys

    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython is not None else None


if (_shell := _in_kernel()) is not None:
    load_ipython_extension(_shell)
