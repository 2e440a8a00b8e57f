"""`swarmlab.connect`: connects to a swarm that exists already, and protects what is there.

What this kit creates there carries a label. Unless the caller passes `allow_faults=True`, a client
rejects every request that would change or remove an object without that label: nodes, other
people's services, secrets.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import docker
from docker.errors import DockerException
from requests.exceptions import RequestException

from swarmlab.cluster.interface import NodeName
from swarmlab.errors import LabError
from swarmlab.real.cluster import RealCluster
from swarmlab.real.guard import LabelGuard
from swarmlab.real.hosts import client_for_host

Json = dict[str, Any]


def connect(host: str | list[str] | None = None, *, allow_faults: bool = False) -> ConnectedCluster:
    """The swarm whose manager is at `host`; see `swarmlab.connect`."""
    hosts = host if isinstance(host, list) else [host]
    if not hosts or not all(isinstance(address, str | None) for address in hosts):
        raise LabError(
            "host={host!r} is not the address of an engine, or a list of addresses", host=host
        )
    cluster = ConnectedCluster()
    for address in hosts:
        cluster.add(client_for_host(address), allow_faults=allow_faults)
    if not cluster.names:
        raise LabError(
            "{hosts} leads to workers alone; give the address of a manager, which knows the"
            " whole swarm",
            hosts=", ".join(map(str, hosts)),
        )
    return cluster


class ConnectedCluster(RealCluster):
    """A swarm that this kit did not create, through the nodes whose addresses were given.

    `swarmlab.connect("ssh://me@node1").nodes`. Lesson: 30_is_the_simulator_right.
    """

    lab = "connected"

    def __init__(self) -> None:
        super().__init__(print)
        self._clients: dict[str, docker.DockerClient] = {}  # by node id
        self._nodes: list[Json] = []  # as a manager listed them last

    def add(self, client: docker.DockerClient, *, allow_faults: bool) -> None:
        """Add the node that this client connects to."""
        info = client.info()
        if info["Swarm"]["LocalNodeState"] != "active":
            raise LabError(
                "the engine {name} is in no swarm. To have one of your own, call"
                " swarmlab.launch(); to make it one: `docker swarm init`",
                name=info["Name"],
            )
        if not allow_faults:
            client.api.auth = LabelGuard(client.api)  # requests calls it with every request
        self._clients[info["Swarm"]["NodeID"]] = client

    # -- looking ---------------------------------------------------------------------
    def _list_nodes(self) -> list[Json]:
        """The nodes, managers first, from the first manager that answers, else as last listed."""
        for client in self._clients.values():
            with suppress(DockerException, RequestException):
                self._nodes = sorted(
                    client.api.nodes(), key=lambda n: (n["Spec"]["Role"], _name(n), n["ID"])
                )
                break
        return self._nodes

    @property
    def names(self) -> list[str]:
        """The nodes' names, managers first: `cluster.names[0]`. Lesson: 00_start_here."""
        return [_name(node) for node in self._list_nodes()]

    def up(self) -> list[str]:
        """The names of the nodes that the managers list as ready: `cluster.up()`.
        Lesson: 30_is_the_simulator_right."""
        return [_name(node) for node in self._list_nodes() if node["Status"]["State"] == "ready"]

    def addressable_nodes(self) -> list[str]:
        """The names of the nodes whose addresses were given."""
        return [_name(node) for node in self._list_nodes() if node["ID"] in self._clients]

    def client(self, name: NodeName | None = None) -> docker.DockerClient:
        """A stock `docker.DockerClient` of one node, if its address was given: `client("node2")`.
        Lesson: 00_start_here."""
        name = name or self.default_node()
        self.check_names(name)
        for node in self._nodes:
            if _name(node) == name and node["ID"] in self._clients:
                return self._clients[node["ID"]]
        raise LabError(
            "there is no connection to {name}: give its address too, as in"
            ' swarmlab.connect(["ssh://me@{first}", "ssh://me@{name}"])',
            name=name,
            first=_name(self._nodes[0]),
        )

    def close(self) -> None:
        """Close the connections: `cluster.close()`; the swarm stays as it is.
        Lesson: 30_is_the_simulator_right."""
        for client in self._clients.values():
            client.close()


def _name(node: Json) -> str:
    return str(node["Description"]["Hostname"] or node["ID"])
