"""Real engines by name: the same methods as a simulated cluster, and real time."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Callable
from typing import Any

from docker.errors import APIError, DockerException
from requests.exceptions import RequestException

from swarmlab.cluster.base import BaseCluster
from swarmlab.cluster.faults import FAULTS
from swarmlab.cluster.interface import NodeName, ServiceName
from swarmlab.errors import LabError, NoneSuch
from swarmlab.real.http_traffic import HttpRequests, send
from swarmlab.real.remedies import NotSupported
from swarmlab.strings import N_, _
from swarmlab.units import Duration, nanoseconds

# What a simulated cluster has and no Docker API provides.
ONLY_SIMULATED = (
    *("trace", "now_ns", "speed", "play", "serve", "machine", "engine", "registry"),
    *("fork", "save", "explain", "decision", "disk", "trust", "who_can_read", "lock"),
    *("explain_request", "in_flight", "drop", "as_of", "world", "journal", "build", "apply"),
    *("network_keys", "put_back", "record_request", "record_interrupt"),
)
# Attributes that a real cluster does not have -> why.
NOT_SUPPORTED = {
    **dict.fromkeys(
        ONLY_SIMULATED,
        N_(
            "`{name}` shows what only a simulation knows; no Docker API tells it of real engines."
            " Make the cluster with swarmlab.simulate() to use it"
        ),
    ),
    **dict.fromkeys(
        ("slow", "close_ports"),
        N_(
            "`{name}`: single links between real engines are left as they are; cut the network"
            " with `cluster.partition(…)`, or use swarmlab.simulate()"
        ),
    ),
    **dict.fromkeys(
        (*FAULTS, "pause"),
        N_(
            "`{name}`: this kit breaks only engines that it launched itself. On a swarm that is"
            " not its own, drain a node instead: `docker node update --availability drain`"
        ),
    ),
}
POLL_S = 0.5
LEADER_TIMEOUT_S = 2.0  # for one manager's answer to who leads


class RealCluster(BaseCluster):
    """Real engines by name. A subclass adds the nodes, and the faults that it can inject."""

    kind = "real"
    has_trace = virtual_time = False
    lab: str  # what was launched together; `connected` when it was not launched

    def __init__(self, say: Callable[[str], object]) -> None:
        self._say = say

    @abstractmethod
    def up(self) -> list[str]:
        """The names of the nodes that are up."""

    def addressable_nodes(self) -> list[str]:
        """The names of the nodes that a client can connect to."""
        return self.names

    # -- looking ---------------------------------------------------------------------
    def is_up(self, name: NodeName) -> bool:
        """Whether the node is up: `cluster.is_up("m1")`. Lesson: 05_quorum."""
        self.check_names(name)
        return name in self.up()

    def leader(self) -> str:
        """The name of the node that leads: `cluster.leader()`; empty when no manager says so soon.
        Lesson: 05_quorum."""
        return self._leader_and_managers()[0]

    def default_node(self) -> str:
        """The node that `%docker` speaks to, the leader, else the first manager that is up:
        `default_node()`. Lesson: 05_quorum."""
        nodes = self.addressable_nodes()
        leader, managers = self._leader_and_managers()
        return next(name for name in (leader, *managers, *self.up(), *nodes) if name in nodes)

    def _leader_and_managers(self) -> tuple[str, list[str]]:
        """The leader, and the managers that are up, as far as they were asked to find it."""
        nodes, up, managers = self.addressable_nodes(), self.up(), list[str]()
        for name in filter(nodes.__contains__, up):
            try:
                leader = self.leader_according_to(name)
            except (APIError, RequestException) as error:
                if getattr(error, "status_code", 0) != 503:  # a worker's answer
                    managers.append(name)
            else:
                return (leader if leader in up else ""), [name]
        return "", managers

    def leader_according_to(self, name: str) -> str:
        """The leader's name in the list of nodes of this manager; empty when it lists none."""
        api = self.client(name).api
        response = api.get(api._url("/nodes"), timeout=LEADER_TIMEOUT_S)
        api._raise_for_status(response)
        leaders = [n for n in response.json() if (n.get("ManagerStatus") or {}).get("Leader")]
        return str(leaders[0]["Description"]["Hostname"]) if leaders else ""

    # -- requests --------------------------------------------------------------------
    def traffic(
        self, service: ServiceName, *, rate: int = 50, source: NodeName = ""
    ) -> HttpRequests:
        """Send real HTTP to a service's published port on one node, for five seconds:
        `traffic("web", rate=50)`. Lesson: 12_rolling_updates.

        Raises LabError, with the reason, when no connection can be made.
        """
        client = self.client(self.default_node())
        ports = client.services.get(service).attrs["Endpoint"].get("Ports") or []
        published = [port["PublishedPort"] for port in ports if port.get("PublishedPort")]
        if not published:
            raise LabError(
                "{service} publishes no port; give it one: service update --publish-add 80:80",
                service=service,
            )
        names = {node.attrs["Description"]["Hostname"]: node for node in client.nodes.list()}
        source = source or next(iter(names))
        if source not in names:
            raise NoneSuch("there is no node {name!r}; there are {known}", source, names)
        return send(service, names[source].attrs["Status"]["Addr"], published[0], rate)

    # -- time ------------------------------------------------------------------------
    def run(self, duration: Duration) -> None:
        """Wait: `run("30s")` takes 30 seconds on real engines. Lesson: 00_start_here."""
        seconds = nanoseconds(duration) / 1e9
        if seconds >= 5:
            self._say(_("{seconds:g} seconds pass, as real ones", seconds=seconds))
        time.sleep(seconds)

    def clock_ns(self) -> int:
        return time.monotonic_ns()

    def _poll_pause(self) -> None:
        time.sleep(POLL_S)

    def _holds(self, condition: Callable[[], object]) -> bool:
        """An engine that answers with an error, or not at all, may do better the next time."""
        try:
            return bool(condition())
        except (DockerException, RequestException):
            return False

    # -- the rest --------------------------------------------------------------------
    def __getattr__(self, name: str) -> Any:
        """Raise NotSupported for what only other clusters have."""
        if name in NOT_SUPPORTED:
            raise NotSupported(NOT_SUPPORTED[name], name=name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __repr__(self) -> str:
        text, up, names = N_("<Cluster real, {up} of {all} nodes up, {lab}>"), self.up(), self.names
        return _(text, up=len(up), all=len(names), lab=self.lab)
