"""/_ping, /version, /info, /events, /system/df: the engine about itself.

Source: moby daemon/server/router/system, daemon/info.go, daemon/cluster/cluster.go.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any

from swarmlab.engine import api_containers, api_images, streams, wire
from swarmlab.engine.filters import Test, labelled
from swarmlab.engine.request import Ask
from swarmlab.errors import SwarmError
from swarmlab.model import Document
from swarmlab.simulation import S

VERSION = "28.2.2+swarmlab"
PLATFORM = "swarmlab: a simulated Docker Engine"
API_VERSION, API_VERSION_MIN = "1.50", "1.24"
TWO_MANAGERS = (
    "WARNING: Running Swarm in a two-manager configuration. This configuration provides\n"
    "         no fault tolerance, and poses a high risk to lose control over the cluster.\n"
    "         Refer to https://docs.docker.com/engine/swarm/admin_guide/ to configure the\n"
    "         Swarm for fault-tolerance."
)


def ping(ask: Ask) -> Any:
    from werkzeug import Response

    engine = ask.engine
    role = "/manager" if engine.is_manager else "/worker"
    headers = {
        "Swarm": engine.swarm_state + (role if engine.swarm_state == "active" else ""),
        "Builder-Version": "2",
        "Cache-Control": "no-cache, no-store, must-revalidate",
        "Pragma": "no-cache",
    }
    return Response("OK", 200, headers, content_type="text/plain; charset=utf-8")


def version(ask: Ask) -> Any:
    about = {
        "ApiVersion": API_VERSION,
        "MinAPIVersion": API_VERSION_MIN,
        "Os": "linux",
        "Arch": "amd64",
        "GitCommit": "simulated",
        "GoVersion": "none",
        "KernelVersion": "simulated",
        "BuildTime": "2017-10-28T12:00:00.000000000+00:00",
    }
    component = {"Name": "Engine", "Version": VERSION, "Details": about}
    return {
        "Platform": {"Name": PLATFORM},
        "Version": VERSION,
        **about,
        "Components": [component],
    }


def auth(ask: Ask) -> Any:
    ask.body()
    return {"Status": "Login Succeeded", "IdentityToken": ""}


def _swarm(ask: Ask) -> dict[str, Any]:
    """The swarm as this node sees it; what only managers know, where it is one."""
    engine = ask.engine
    managers = [{"NodeID": id, "Addr": address} for id, address in engine.managers]
    state: dict[str, Any] = {
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
        (cluster,), nodes, members = ask.read("cluster", "node", "manager")
    except SwarmError as error:
        return {**state, "Error": str(error), "Nodes": 0, "Managers": 0, "Cluster": {}}
    known = {member.node_id for member in members}
    return {
        **state,
        "Nodes": len(nodes),
        "Managers": sum(node.id in known for node in nodes),
        "Cluster": wire.cluster_info(cluster, ask.time),
        **({"Warnings": [TWO_MANAGERS]} if len(members) == 2 else {}),
    }


def info(ask: Ask) -> Any:
    engine, description = ask.engine, ask.engine.description
    plugins: dict[str, list[str]] = {"Volume": [], "Network": [], "Log": []}
    for plugin in description.at("Engine", "Plugins", default=()):
        plugins.setdefault(plugin["Type"], []).append(plugin["Name"])
    states = [container.state for container in engine.containers.all()]
    labels = description.at("Engine", "Labels", default={})
    return {
        "ID": engine.machine.name,
        "Name": engine.name,
        "ServerVersion": VERSION,
        "OperatingSystem": PLATFORM,
        "OSType": "linux",
        "Architecture": description.at("Platform", "Architecture", default="x86_64"),
        "KernelVersion": "simulated",
        "NCPU": description.at("Resources", "NanoCPUs", default=0) // S,
        "MemTotal": description.at("Resources", "MemoryBytes", default=0),
        "Driver": "simulated",
        "DriverStatus": [],
        "DockerRootDir": "/var/lib/docker",
        "LoggingDriver": "json-file",
        "CgroupDriver": "simulated",
        "DefaultRuntime": "runc",
        "Plugins": plugins,
        "Labels": [f"{key}={value}" for key, value in labels.items()],
        "Containers": len(states),
        "ContainersRunning": states.count("running"),
        "ContainersPaused": 0,
        "ContainersStopped": len(states) - states.count("running"),
        "Images": len(engine.images.all()),
        "SystemTime": ask.time(engine.machine.simulation.now_ns),
        "HttpProxy": "",
        "HttpsProxy": "",
        "NoProxy": "",
        "IndexServerAddress": "https://index.docker.io/v1/",
        "RegistryConfig": {"IndexConfigs": {}, "InsecureRegistryCIDRs": [], "Mirrors": []},
        "SecurityOptions": [],
        "Warnings": [],
        "Swarm": _swarm(ask),
    }


def disk_usage(ask: Ask) -> Any:
    return {
        "LayersSize": sum(image.size_bytes for image in ask.engine.images.all()),
        "Images": api_images.images(ask),
        "Containers": [{**row, "SizeRw": 0} for row in api_containers.containers(ask)],
        "Volumes": list(ask.engine.locals.volumes.values()),
        "BuildCache": [],
    }


# -- events ---------------------------------------------------------------------------------------
def _means(event: Document, type: str, value: str) -> bool:
    attributes = event["Actor"]["Attributes"]
    names = (event["Actor"]["ID"], attributes.get("name"), attributes.get("image"))
    return event["Type"] == type and value in names


def _of(type: str) -> Test:
    return lambda event, value: _means(event, type, value)


EVENT: dict[str, Test] = {
    "type": lambda event, value: event["Type"] == value,
    "event": lambda event, value: event["Action"] == value,
    "scope": lambda event, value: event["scope"] == value,
    "label": labelled(lambda event: event["Actor"]["Attributes"]),
    **{type: _of(type) for type in ("node", "service", "network", "secret", "config", "container")},
    **{type: _of(type) for type in ("image", "volume", "plugin", "daemon")},
}


def _event(ask: Ask, event: Document) -> dict[str, Any]:
    unix_ns = ask.door.shown_ns(event["time_ns"])
    answer: dict[str, Any] = {key: event[key] for key in ("Type", "Action", "Actor", "scope")}
    if event["Type"] == "container":
        image = event["Actor"]["Attributes"].get("image", "")
        answer |= {"status": event["Action"], "id": event["Actor"]["ID"], "from": image}
    return {**answer, "time": unix_ns // S, "timeNano": unix_ns}


def events(ask: Ask) -> Any:
    """What happened `since`, then what happens `until`; for ever when nothing says stop."""
    wanted, simulation = ask.filters(*EVENT), ask.engine.machine.simulation
    since_ns, until_ns = streams.moment(ask, "since"), streams.moment(ask, "until")
    start_ns = simulation.now_ns + 1 if since_ns is None else since_ns

    def pieces() -> streams.Pieces:
        last: Document | None = None
        while ask.alive():
            fresh = list(_after(ask.engine.events, last))
            last = fresh[-1] if fresh else last
            for event in wanted.keep(fresh, EVENT):
                if start_ns <= event["time_ns"] <= (until_ns or event["time_ns"]):
                    yield json.dumps(_event(ask, event)).encode() + b"\n"
            if until_ns is not None and simulation.now_ns >= until_ns:
                return
            yield b""

    return streams.stream(pieces(), "application/json")


def _after(events: Any, last: Document | None) -> Iterator[Document]:
    """The events that came after `last`; all of them when it is forgotten."""
    known = list(events)
    at = next((i for i, event in enumerate(known) if event is last), -1)
    return islice(known, at + 1, None)
