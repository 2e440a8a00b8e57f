"""Scheduler filters, in SwarmKit's order: a node must pass all of them to get a task.

A node counts for the first filter that it fails; the counts make the sentence that `docker service
ps` shows on a pending task. Source: swarmkit manager/scheduler/{filter,pipeline}.go.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from swarmlab.manager.constraints import parse, satisfied
from swarmlab.manager.scheduler.node_info import NodeInfo, host_ports
from swarmlab.model import Document, Reserved, Task

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
SHIFTING = ("resources", "host port", "max replicas")


@dataclass(frozen=True, slots=True)
class Filter:
    name: str
    demand: Callable[[Task], Any]  # what the task needs of its node; None: no such thing
    passes: Callable[[Any, NodeInfo], bool]  # whether the node has it
    explanation: str  # `{nodes}` stands for the count of nodes that did not pass

    def explain(self, count: int) -> str:
        return self.explanation.format(nodes=f"{count} node{'' if count == 1 else 's'}")


def _resources(reserved: Reserved, info: NodeInfo) -> bool:
    nano_cpus, memory_bytes, generic = reserved
    return (
        nano_cpus <= info.free_nano_cpus
        and memory_bytes <= info.free_memory_bytes
        and all(map(info.offers, generic))
    )


def _required_plugins(task: Task) -> list[tuple[str, str]] | None:
    """(kind, name) of the plugins that the task needs on its node; none for what is built in."""
    plugins = [
        ("Volume", mount.at("VolumeOptions", "DriverConfig", "Name"))
        for mount in task.spec.container.at("Mounts", default=())
        if mount.get("Type") == "volume"
        and mount.at("VolumeOptions", "DriverConfig", "Name", default="local") != "local"
    ]
    plugins += [("Network", n.at("Network", "DriverState", "Name")) for n in task.networks]
    log_driver = task.spec.at("LogDriver", "Name", default="")
    if log_driver not in ("", "none"):
        plugins.append(("Log", log_driver))
    required = [(kind, name.removesuffix(":latest")) for kind, name in plugins if name]
    return required if required or task.networks or task.spec.get("LogDriver") else None


def _plugins(required: list[tuple[str, str]], info: NodeInfo) -> bool:
    offered = info.plugins
    return offered is None or all(
        plugin in offered or (plugin[0] == "Log" and all(kind != "Log" for kind, _ in offered))
        for plugin in required
    )


def _platform(platforms: tuple[Document, ...], info: NodeInfo) -> bool:
    own = info.node.description.get("Platform") or {}
    os, architecture = own.get("OS", ""), own.get("Architecture", "")
    architecture = ARCHITECTURES.get(architecture, architecture)
    return any(
        p.get("OS", "") in ("", os)
        and ARCHITECTURES.get(p.get("Architecture", ""), p.get("Architecture", ""))
        in ("", architecture)
        for p in platforms
    )


def _host_ports_free(ports: list[tuple[str, int]], info: NodeInfo) -> bool:
    return not any(port in info.host_ports for port in ports)


def _limit(task: Task) -> tuple[str, int] | None:
    """(service, tasks on one node)."""
    return (task.service_id, task.spec.max_replicas) if task.spec.max_replicas > 0 else None


def _below_limit(limit: tuple[str, int], info: NodeInfo) -> bool:
    service_id, replicas_max = limit
    return info.tasks_of_service(service_id) < replicas_max


FILTERS = (
    Filter(
        "ready", lambda _: True, lambda _, info: info.ready, "{nodes} not available for new tasks"
    ),
    Filter(
        "resources",
        lambda task: task.spec.reserved if any(task.spec.reserved) else None,
        _resources,
        "insufficient resources on {nodes}",
    ),
    Filter("plugins", _required_plugins, _plugins, "missing plugin on {nodes}"),
    Filter(
        "constraints",
        lambda task: parse(task.spec.constraints) or None,
        lambda demanded, info: satisfied(demanded, info.node),
        "scheduling constraints not satisfied on {nodes}",
    ),
    Filter(
        "platform",
        lambda task: task.spec.platforms or None,
        _platform,
        "unsupported platform on {nodes}",
    ),
    Filter(
        "host port",
        lambda task: host_ports(task) or None,
        _host_ports_free,
        "host-mode port already in use on {nodes}",
    ),
    Filter("max replicas", _limit, _below_limit, "max replicas per node limit exceed"),
)


class Pipeline:
    """The filters that apply to a group of equal tasks, and how many nodes each has refused."""

    def __init__(self, task: Task) -> None:
        demands = [(f, f.demand(task)) for f in FILTERS]
        self._demands = [(f, demand) for f, demand in demands if demand is not None]
        self.filters = tuple(f for f, _ in self._demands)
        # Whether a node's answer may change with each task that is placed on it.
        self.shifting = any(f.name in SHIFTING for f in self.filters)
        self._refused: dict[str, int] = {}

    def first_refusal(self, info: NodeInfo) -> Filter | None:
        """The first filter that the node does not pass, or None; nothing is counted."""
        for f, demand in self._demands:
            if not f.passes(demand, info):
                return f
        return None

    def passes(self, info: NodeInfo) -> bool:
        """Whether the node passes all filters; if so, the counts are cleared, as in SwarmKit."""
        refusal = self.first_refusal(info)
        if refusal is None:
            self._refused.clear()
            return True
        self._refused[refusal.name] = self._refused.get(refusal.name, 0) + 1
        return False

    def explain(self) -> str:
        """`insufficient resources on 2 nodes; missing plugin on 1 node`; "" without a count."""
        refusals = [f for f in FILTERS if f.name in self._refused]
        refusals.sort(key=lambda f: -self._refused[f.name])
        return "; ".join(f.explain(self._refused[f.name]) for f in refusals)
