"""Scheduler filters, in SwarmKit's order: a node must pass all of them to get a task.

A node counts for the first filter that it fails; the counts make the sentence that `docker service
ps` shows on a pending task. Source: swarmkit manager/scheduler/{filter,pipeline}.go.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from swarmlab.manager import constraints
from swarmlab.manager.scheduler.node_info import NodeInfo, host_ports
from swarmlab.model import Document, Task

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
SHIFTING = ("resources", "host port", "max replicas")


@dataclass(frozen=True, slots=True)
class Filter:
    name: str
    concerns: Callable[[Task], bool]  # whether the filter applies to the task at all
    passes: Callable[[Task, NodeInfo], bool]
    explanation: str  # `{nodes}` stands for the count of nodes that did not pass

    def explain(self, count: int) -> str:
        return self.explanation.format(nodes=f"{count} node{'' if count == 1 else 's'}")


def _always(task: Task) -> bool:
    return True


def _ready(task: Task, info: NodeInfo) -> bool:
    return info.ready


def _reserves(task: Task) -> bool:
    return any(task.spec.reserved)


def _resources(task: Task, info: NodeInfo) -> bool:
    nano_cpus, memory_bytes, generic = task.spec.reserved
    return (
        nano_cpus <= info.free_nano_cpus
        and memory_bytes <= info.free_memory_bytes
        and all(map(info.offers, generic))
    )


def _required_plugins(task: Task) -> list[tuple[str, str]]:
    """(kind, name) of the plugins that the task needs on its node."""
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
    return [(kind, name) for kind, name in plugins if name]


def _needs_plugins(task: Task) -> bool:
    return bool(task.networks or task.spec.get("LogDriver") or _required_plugins(task))


def _plugins(task: Task, info: NodeInfo) -> bool:
    engine: Document | None = info.node.description.get("Engine")
    if not engine:
        return True
    offered = {(p["Type"], p["Name"].removesuffix(":latest")) for p in engine.get("Plugins", ())}
    kinds = {kind for kind, _ in offered}
    return all(
        (kind, name.removesuffix(":latest")) in offered or (kind == "Log" and "Log" not in kinds)
        for kind, name in _required_plugins(task)
    )


def _constrained(task: Task) -> bool:
    return bool(task.spec.constraints)


def _constraints(task: Task, info: NodeInfo) -> bool:
    return constraints.satisfied(constraints.parse(task.spec.constraints), info.node)


def _has_platforms(task: Task) -> bool:
    return bool(task.spec.platforms)


def _platform(task: Task, info: NodeInfo) -> bool:
    own = info.node.description.get("Platform") or {}
    os, architecture = own.get("OS", ""), own.get("Architecture", "")
    architecture = ARCHITECTURES.get(architecture, architecture)
    return any(
        p.get("OS", "") in ("", os)
        and ARCHITECTURES.get(p.get("Architecture", ""), p.get("Architecture", ""))
        in ("", architecture)
        for p in task.spec.platforms
    )


def _takes_host_ports(task: Task) -> bool:
    return bool(host_ports(task))


def _host_ports_free(task: Task, info: NodeInfo) -> bool:
    return not any(port in info.host_ports for port in host_ports(task))


def _limited(task: Task) -> bool:
    return task.spec.max_replicas > 0


def _below_limit(task: Task, info: NodeInfo) -> bool:
    return info.tasks_of_service(task.service_id) < task.spec.max_replicas


FILTERS = (
    Filter("ready", _always, _ready, "{nodes} not available for new tasks"),
    Filter("resources", _reserves, _resources, "insufficient resources on {nodes}"),
    Filter("plugins", _needs_plugins, _plugins, "missing plugin on {nodes}"),
    Filter(
        "constraints",
        _constrained,
        _constraints,
        "scheduling constraints not satisfied on {nodes}",
    ),
    Filter("platform", _has_platforms, _platform, "unsupported platform on {nodes}"),
    Filter(
        "host port", _takes_host_ports, _host_ports_free, "host-mode port already in use on {nodes}"
    ),
    Filter("max replicas", _limited, _below_limit, "max replicas per node limit exceed"),
)


class Pipeline:
    """The filters that apply to a group of equal tasks, and how many nodes each has refused."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.filters = tuple(f for f in FILTERS if f.concerns(task))
        # Whether a node's answer may change with each task that is placed on it.
        self.shifting = any(f.name in SHIFTING for f in self.filters)
        self._refused: dict[str, int] = {}

    def first_refusal(self, info: NodeInfo) -> Filter | None:
        """The first filter that the node does not pass, or None; nothing is counted."""
        for candidate in self.filters:
            if not candidate.passes(self.task, info):
                return candidate
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
