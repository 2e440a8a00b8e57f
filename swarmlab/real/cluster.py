"""Real engines by name: the same methods as a simulated cluster, and real time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import docker
from docker.errors import APIError, DockerException
from requests.exceptions import RequestException

from swarmlab.cluster.base import BaseCluster
from swarmlab.errors import LabError
from swarmlab.real.remedies import NotHere
from swarmlab.strings import N_, _
from swarmlab.units import Duration, nanoseconds

# What a simulated cluster has and no API of Docker tells.
ONLY_SIMULATED = (
    *("trace", "now_ns", "speed", "play", "machine", "engine", "registry"),
    *("fork", "save", "explain", "decision", "disk", "trust", "who_can_read", "lock"),
    *("traffic", "in_flight", "drop", "as_of", "world", "journal", "build", "apply"),
    "record_request",
)
FAULTS = ("crash", "stop", "start", "pause", "partition", "heal")
POLL_S = 0.5
ASK_S = 2.0  # how long to wait for a manager to say who leads
WORKER = 503  # what a worker answers when it is asked about the swarm


class RealCluster(BaseCluster):
    """Real engines by name; what there is of faults, the two kinds of real cluster add."""

    kind = "real"
    has_trace = virtual_time = False

    def __init__(self, say: Callable[[str], object]) -> None:
        self._say = say

    # -- what the two kinds tell ----------------------------------------------
    @property
    def names(self) -> list[str]:
        """The nodes' names: managers first."""
        raise LabError("this cluster was closed; make it again")

    def up(self) -> list[str]:
        """The names of the nodes that are up."""
        return []

    def ways(self) -> list[str]:
        """The names of the nodes that a client can speak to."""
        return self.names

    def client(self, name: str | None = None) -> docker.DockerClient:
        """A stock `docker.DockerClient` that speaks to one node."""
        raise LabError("no way leads to {name}", name=name)

    # -- looking ---------------------------------------------------------------------
    def is_up(self, name: str) -> bool:
        self.check_names(name)
        return name in self.up()

    def leader(self) -> str:
        """The name of the node that leads; empty when no manager can say so soon."""
        return self._leader_and_managers()[0]

    def default_node(self) -> str:
        """The node that `%docker` speaks to: the leader, else the first manager that is up."""
        ways = self.ways()
        leader, managing = self._leader_and_managers()
        return next(name for name in (leader, *managing, *self.up(), *ways) if name in ways)

    def _leader_and_managers(self) -> tuple[str, list[str]]:
        """Who leads, and which managers are up, as far as had to be asked for that."""
        ways, up, managing = self.ways(), self.up(), list[str]()
        for name in filter(ways.__contains__, up):
            try:
                leader = self._leader_says(name)
            except (APIError, RequestException) as error:
                if getattr(error, "status_code", 0) != WORKER:
                    managing.append(name)
            else:
                return (leader if leader in up else ""), [name]
        return "", managing

    def _leader_says(self, name: str) -> str:
        """The leader's name, as a manager knows it; empty when it knows of none."""
        api = self.client(name).api
        reply = api.get(api._url("/nodes"), timeout=ASK_S)
        api._raise_for_status(reply)
        leading = [n for n in reply.json() if (n.get("ManagerStatus") or {}).get("Leader")]
        return str(leading[0]["Description"]["Hostname"]) if leading else ""

    # -- time ------------------------------------------------------------------------
    def run(self, duration: Duration) -> None:
        """Wait: on real engines time cannot be hurried, so `run("30s")` takes 30 seconds."""
        seconds = nanoseconds(duration) / 1e9
        if seconds >= 5:
            self._say(_("{seconds:g} seconds pass, as real ones", seconds=seconds))
        time.sleep(seconds)

    def clock_ns(self) -> int:
        return time.monotonic_ns()

    def _poll_pause(self) -> None:
        time.sleep(POLL_S)

    def _holds(self, condition: Callable[[], object]) -> bool:
        """An engine that refuses, or is silent, may answer better the next time."""
        try:
            return bool(condition())
        except (DockerException, RequestException):
            return False

    def __getattr__(self, name: str) -> Any:
        """What a simulated cluster has and this one has not says why."""
        if name in ONLY_SIMULATED:
            why = N_(
                "`{name}` shows what only a simulation knows; no Docker API tells it of real"
                " engines. Make the cluster with swarmlab.simulate() to use it"
            )
        elif name == "slow":
            why = N_(
                "`{name}`: links between real engines are not slowed; cut them with"
                " `cluster.partition(…)`, or use swarmlab.simulate()"
            )
        elif name in FAULTS:
            why = N_(
                "`{name}`: this kit breaks only engines that it launched itself. On a swarm that is"
                " not its own, drain a node instead: `docker node update --availability drain`"
            )
        else:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        raise NotHere(why, name=name)

    # -- the end ---------------------------------------------------------------------
    def close(self) -> None:
        """Let go of it."""

    def __enter__(self) -> RealCluster:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
