"""/_ping, /version, /info and /events: what the engine reports about itself.

Source: moby daemon/server/router/system, daemon/info.go, daemon/cluster/cluster.go.
"""

from __future__ import annotations

import json
from typing import Any

from werkzeug import Response

from swarmlab.engine import streams, wire
from swarmlab.engine.daemon import PLUGINS
from swarmlab.engine.filters import Test, labelled
from swarmlab.engine.request import ApiRequest
from swarmlab.errors import NoSuchObject, SwarmError
from swarmlab.model import Cluster, Document, ManagerStatus, Node
from swarmlab.model.versions import API_VERSION, API_VERSION_MIN, ENGINE_VERSION
from swarmlab.simulation import EPOCH_NS, S

Json = dict[str, Any]
PLATFORM = "swarmlab: a simulated Docker Engine"
TWO_MANAGERS = (
    "WARNING: Running Swarm in a two-manager configuration. This configuration provides\n"
    "         no fault tolerance, and poses a high risk to lose control over the cluster.\n"
    "         Refer to https://docs.docker.com/engine/swarm/admin_guide/ to configure the\n"
    "         Swarm for fault-tolerance."
)


def ping(request: ApiRequest) -> Any:
    engine = request.engine
    role = "/manager" if engine.is_manager else "/worker"
    headers = {
        "Swarm": engine.swarm_state + (role if engine.swarm_state == "active" else ""),
        "Builder-Version": "2",
        "Cache-Control": "no-cache, no-store, must-revalidate",
        "Pragma": "no-cache",
    }
    return Response("OK", 200, headers, content_type="text/plain; charset=utf-8")


def version(request: ApiRequest) -> Any:
    details = {
        "ApiVersion": API_VERSION,
        "MinAPIVersion": API_VERSION_MIN,
        "Os": "linux",
        "Arch": "amd64",
        "GitCommit": "simulated",
        "GoVersion": "none",
        "KernelVersion": "simulated",
        "BuildTime": wire.rfc3339(EPOCH_NS, digits=9).replace("Z", "+00:00"),
    }
    component = {"Name": "Engine", "Version": ENGINE_VERSION, "Details": details}
    platform = {"Name": PLATFORM}
    return {"Platform": platform, "Version": ENGINE_VERSION, **details, "Components": [component]}


# -- info -----------------------------------------------------------------------------------------
def _swarm(request: ApiRequest) -> Json:
    """The swarm as this node sees it; a manager adds what the leader knows."""
    engine = request.engine
    managers = [{"NodeID": id, "Addr": address} for id, address in engine.managers]
    state: Json = {
        "NodeID": engine.node_id,
        "NodeAddr": engine.node_address,
        "LocalNodeState": engine.swarm_state,
        "ControlAvailable": engine.is_manager,
        "Error": engine.swarm_error,
        "RemoteManagers": managers or None,
    }
    if not engine.is_manager:
        return state
    try:
        (cluster,), nodes, members = request.list(Cluster, Node, ManagerStatus)
    except SwarmError as error:
        return {**state, "Error": str(error), "Cluster": {}}
    manager_ids = {member.node_id for member in members}
    return {
        **state,
        "Nodes": len(nodes),
        "Managers": sum(node.id in manager_ids for node in nodes),
        "Cluster": wire.cluster_info(cluster, request.time),
        **({"Warnings": [TWO_MANAGERS]} if len(members) == 2 else {}),
    }


# What is the same on all simulated engines. What takes no effect here is not said to be there.
SUPPORT = (
    *("MemoryLimit", "SwapLimit", "CpuCfsPeriod", "CpuCfsQuota", "CPUShares", "CPUSet"),
    *("PidsLimit", "IPv4Forwarding", "BridgeNfIptables", "BridgeNfIp6tables", "OomKillDisable"),
)
ABSENT = ("KernelMemoryTCP", "Debug", "ExperimentalBuild", "LiveRestoreEnabled")
REGISTRY = {"Name": "docker.io", "Mirrors": [], "Secure": True, "Official": True}
SAME = {
    **dict.fromkeys(SUPPORT, True),
    **dict.fromkeys(ABSENT, False),
    **dict.fromkeys(("HttpProxy", "HttpsProxy", "NoProxy", "Isolation"), ""),
    **dict.fromkeys(("GenericResources", "Warnings"), None),
    **dict.fromkeys(("NFd", "NGoroutines", "NEventsListener"), 0),
    **dict.fromkeys(("DriverStatus", "SecurityOptions", "CDISpecDirs", "Labels"), ()),
    **{f"{part}Commit": {"ID": "", "Expected": ""} for part in ("Containerd", "Runc", "Init")},
    "IndexServerAddress": "https://index.docker.io/v1/",
    "RegistryConfig": {
        "AllowNondistributableArtifactsCIDRs": None,
        "AllowNondistributableArtifactsHostnames": None,
        "InsecureRegistryCIDRs": ["127.0.0.0/8"],
        "IndexConfigs": {"docker.io": REGISTRY},
        "Mirrors": None,
    },
    "Runtimes": {"runc": {"path": "runc"}},
    "DefaultRuntime": "runc",
    "InitBinary": "docker-init",
    "CgroupVersion": "2",
    "OSVersion": "",
}


def info(request: ApiRequest) -> Any:
    engine, description = request.engine, request.engine.description
    states = [container.status for container in engine.containers.all()]
    running, paused = states.count("running"), states.count("paused")
    return {
        **SAME,
        "ID": engine.machine.name,
        "Name": engine.name,
        "ServerVersion": ENGINE_VERSION,
        "OperatingSystem": PLATFORM,
        "OSType": "linux",
        "Architecture": description.at("Platform", "Architecture"),
        "KernelVersion": "simulated",
        "NCPU": description.at("Resources", "NanoCPUs") // S,
        "MemTotal": description.at("Resources", "MemoryBytes"),
        "Driver": "simulated",
        "DockerRootDir": "/var/lib/docker",
        "LoggingDriver": "json-file",
        "CgroupDriver": "simulated",
        "Plugins": {**PLUGINS, "Authorization": None},
        "Containers": len(states),
        "ContainersRunning": running,
        "ContainersPaused": paused,
        "ContainersStopped": len(states) - running - paused,
        "Images": len(engine.images.all()),
        "SystemTime": request.time(engine.machine.simulation.now_ns),
        "Swarm": _swarm(request),
    }


def plugins(request: ApiRequest) -> Any:
    """Those that a user installed; this simulation leaves out installing one."""
    request.filters(("capability", "enabled"))
    return []


def plugin(request: ApiRequest, ref: str) -> Any:
    raise NoSuchObject(f'plugin "{ref}" not found')


# -- events ---------------------------------------------------------------------------------------
def _of_actor(type: str) -> Test:
    """The value is the id, name or image of the event's actor, which is a `type`."""

    def test(event: Any, value: str) -> bool:
        id, attributes = event["Actor"]["ID"], event["Actor"]["Attributes"]
        names = (id, attributes.get("name"), attributes.get("image"))
        return event["Type"] == type and value in names

    return test


ACTOR_TYPES = ("container", "image", "volume", "network", "node", "service", "secret", "config")
TESTS: dict[str, Test] = {
    "type": lambda event, value: bool(event["Type"] == value),
    "event": lambda event, value: bool(event["Action"] == value),
    "scope": lambda event, value: bool(event["scope"] == value),
    "label": labelled(lambda event: event["Actor"]["Attributes"]),
    **{type: _of_actor(type) for type in ACTOR_TYPES},
}


def _event(request: ApiRequest, event: Document) -> Json:
    unix_ns = request.clock.to_unix_ns(event["time_ns"])
    answer: Json = {key: event[key] for key in ("Type", "Action", "Actor", "scope")}
    if event["Type"] in ("container", "image"):
        answer |= {"status": event["Action"], "id": event["Actor"]["ID"]}
    if event["Type"] == "container":
        answer["from"] = event["Actor"]["Attributes"].get("image", "")
    return {**answer, "time": unix_ns // S, "timeNano": unix_ns}


def events(request: ApiRequest) -> Any:
    """The events `since` a time and `until` another; without the latter new ones, for ever."""
    criteria, simulation = request.filters(TESTS), request.engine.machine.simulation
    end_ns = streams.time_parameter(request, "until", float("inf"))
    first_ns = simulation.now_ns + 1 if end_ns == float("inf") else 0
    start_ns = streams.time_parameter(request, "since", first_ns)

    def pieces() -> streams.Pieces:
        last: Document | None = None
        while request.alive():
            events = list(request.engine.events)
            sent_count = next((i for i, event in enumerate(events, 1) if event is last), 0)
            last = events[-1] if events else last
            for event in criteria.keep(events[sent_count:], TESTS):
                if start_ns <= event["time_ns"] <= end_ns:
                    yield json.dumps(_event(request, event)).encode() + b"\n"
            if simulation.now_ns >= end_ns:
                return
            yield b""

    return streams.stream(pieces())
