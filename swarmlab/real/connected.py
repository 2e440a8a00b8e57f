"""`swarmlab.connect`: the swarm that is there already, handled with care.

What this kit makes there carries a label. Until `allow_faults=True` is said, a client refuses every
request that would change or remove what does not carry it: nodes, other people's services, secrets.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import Any

import docker
from docker.errors import DockerException
from requests.exceptions import RequestException

from swarmlab.errors import LabError
from swarmlab.real.cluster import RealCluster
from swarmlab.real.hosts import reach

Json = dict[str, Any]
MADE_HERE = "swarmlab.connected"  # the label of what this kit made on somebody's swarm
KINDS = "(services|secrets|configs|networks|volumes|containers)"
OBJECT = re.compile(rf"^(?:/v[\d.]+)?/{KINDS}/(?P<id>[^/?]+)(?P<verb>/update)?")
HARMLESS = re.compile(r"^(?:/v[\d.]+)?/(exec/|auth$)")


def connect(host: str | list[str] | None = None, *, allow_faults: bool = False) -> ConnectedCluster:
    """The swarm whose manager is at `host`; see `swarmlab.connect`."""
    hosts = host if isinstance(host, list) else [host]
    cluster = ConnectedCluster()
    for one in hosts:
        cluster.add(reach(one), allow_faults=allow_faults)
    if not cluster.names:
        raise LabError(
            "{hosts} leads to workers alone; give the address of a manager, which knows the"
            " whole swarm",
            hosts=", ".join(map(str, hosts)),
        )
    return cluster


class ConnectedCluster(RealCluster):
    """Somebody's swarm, by way of the nodes whose addresses were given."""

    def __init__(self) -> None:
        super().__init__(print)
        self._by_id: dict[str, docker.DockerClient] = {}
        self._nodes: list[Json] = []  # as they were when a manager last told

    def add(self, client: docker.DockerClient, *, allow_faults: bool) -> None:
        """One way in."""
        told = client.info()
        if told["Swarm"]["LocalNodeState"] != "active":
            raise LabError(
                "the engine {name} is in no swarm. To have one of your own, call"
                " swarmlab.launch(); to make it one: `docker swarm init`",
                name=told["Name"],
            )
        if not allow_faults:
            api = client.api
            api.mount(api.base_url, Careful(api.get_adapter(api.base_url), api))
        self._by_id[told["Swarm"]["NodeID"]] = client

    # -- looking ---------------------------------------------------------------------
    def _look(self) -> list[Json]:
        """The nodes, managers first: as the first manager says that answers, else as it was."""
        for client in self._by_id.values():
            with suppress(DockerException, RequestException):
                self._nodes = sorted(
                    client.api.nodes(), key=lambda n: (n["Spec"]["Role"], _name(n), n["ID"])
                )
                break
        return self._nodes

    @property
    def names(self) -> list[str]:
        """The nodes' names, managers first."""
        return [_name(node) for node in self._look()]

    def up(self) -> list[str]:
        """The names of the nodes that the managers believe to be ready."""
        return [_name(node) for node in self._look() if node["Status"]["State"] == "ready"]

    def ways(self) -> list[str]:
        """The names of the nodes whose addresses were given."""
        return [_name(node) for node in self._look() if node["ID"] in self._by_id]

    def client(self, name: str | None = None) -> docker.DockerClient:
        """A stock `docker.DockerClient` that speaks to one node, if its address was given."""
        name = name or self.default_node()
        self.check_names(name)
        ids = [node["ID"] for node in self._nodes if _name(node) == name]
        found = [self._by_id[id] for id in ids if id in self._by_id]
        if not found:
            raise LabError(
                "no way leads to {name}: give its address too, as in"
                ' swarmlab.connect(["ssh://me@{first}", "ssh://me@{name}"])',
                name=name,
                first=self._nodes[0]["Description"]["Hostname"],
            )
        return found[0]

    def close(self) -> None:
        """Let go of it; everything there stays as it is."""
        for client in self._by_id.values():
            client.close()

    def __repr__(self) -> str:
        return f"<Cluster real, {len(self.up())} of {len(self.names)} nodes up, connected>"


def _name(node: Json) -> str:
    return str(node["Description"]["Hostname"] or node["ID"])


class Careful:
    """Stands before a client's own adapter: labels what is made, guards what has no label."""

    def __init__(self, adapter: Any, api: docker.APIClient) -> None:
        self._adapter, self._api = adapter, api

    def send(self, request: Any, **options: Any) -> Any:
        if request.method not in ("GET", "HEAD") and not HARMLESS.match(request.path_url):
            self._mind(request)
        return self._adapter.send(request, **options)

    def _mind(self, request: Any) -> None:
        found = OBJECT.match(request.path_url)
        creates = found is not None and found["id"] == "create"
        if found is None or not (creates or self._ours(found[1], found["id"])):
            raise LabError(
                "{method} {path} would change what this kit did not make, on a swarm that is"
                " not its own. If you mean it, connect with allow_faults=True",
                method=request.method,
                path=request.path_url.partition("?")[0],
            )
        if creates or found["verb"]:
            body = json.loads(request.body or "{}")
            body["Labels"] = {**(body.get("Labels") or {}), MADE_HERE: "true"}
            request.prepare_body(data=json.dumps(body), files=None)

    def _ours(self, kind: str, id: str) -> bool:
        path = f"/{kind}/{id}" + ("/json" if kind == "containers" else "")
        reply = self._api.get(self._api._url(path))
        told = reply.json() if reply.ok else {}
        about = told.get("Spec") or told.get("Config") or told
        return MADE_HERE in (about.get("Labels") or {})

    def close(self) -> None:
        self._adapter.close()
