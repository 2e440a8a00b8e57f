"""The questions a node must answer with yes before it may get a task, in SwarmKit's order.

A node is charged to the first question it fails; the counts make the sentence that `docker service
ps` shows on a pending task. Source: swarmkit manager/scheduler/{filter,pipeline}.go.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from swarmlab.manager import constraints
from swarmlab.manager.scheduler.node_info import NodeInfo, host_ports
from swarmlab.model import Document, Task

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def counted(one: str, many: str) -> Callable[[int], str]:
    """An explanation that counts nodes: `one` for a single one, else `many` with its %d."""

    def explain(nodes_count: int) -> str:
        return one if nodes_count == 1 else many % nodes_count

    return explain


@dataclass(frozen=True, slots=True)
class Filter:
    """One question: does it concern this task at all, does this node pass, and how to say no."""

    name: str
    concerns: Callable[[Task], bool]
    passes: Callable[[Task, NodeInfo], bool]
    explain: Callable[[int], str]


def _always(task: Task) -> bool:
    return True


def _ready(task: Task, info: NodeInfo) -> bool:
    return info.ready


def _reserves(task: Task) -> bool:
    return any(task.spec.reserved)


def _resources(task: Task, info: NodeInfo) -> bool:
    wanted = task.spec.reserved
    return (
        wanted.nano_cpus <= info.free_nano_cpus
        and wanted.memory_bytes <= info.free_memory_bytes
        and all(info.offers(resource) for resource in wanted.generic)
    )


def _wanted_plugins(task: Task) -> list[tuple[str, str]]:
    """(kind, name) of the plugins that the task needs on its node."""
    wanted = [
        ("Volume", mount.at("VolumeOptions", "DriverConfig", "Name"))
        for mount in task.spec.container.at("Mounts", default=())
        if mount.get("Type") == "volume"
        and mount.at("VolumeOptions", "DriverConfig", "Name", default="local") != "local"
    ]
    wanted += [("Network", n.at("Network", "DriverState", "Name")) for n in task.networks]
    log_driver = task.spec.at("LogDriver", "Name", default="")
    if log_driver not in ("", "none"):
        wanted.append(("Log", log_driver))
    return [(kind, name) for kind, name in wanted if name]


def _needs_plugins(task: Task) -> bool:
    return bool(task.networks or task.spec.get("LogDriver") or _wanted_plugins(task))


def _plugins(task: Task, info: NodeInfo) -> bool:
    engine: Document | None = info.node.description.get("Engine")
    if not engine:
        return True
    offered = {(p["Type"], p["Name"].removesuffix(":latest")) for p in engine.get("Plugins", ())}
    kinds = {kind for kind, _ in offered}
    return all(
        (kind, name.removesuffix(":latest")) in offered or (kind == "Log" and "Log" not in kinds)
        for kind, name in _wanted_plugins(task)
    )


def _constrained(task: Task) -> bool:
    return bool(task.spec.constraints)


def _constraints(task: Task, info: NodeInfo) -> bool:
    return constraints.satisfied(constraints.parse(task.spec.constraints), info.node)


def _has_platforms(task: Task) -> bool:
    return bool(task.spec.platforms)


def _platform(task: Task, info: NodeInfo) -> bool:
    mine = info.node.description.get("Platform") or {}
    os, architecture = mine.get("OS", ""), mine.get("Architecture", "")
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


def _limit_exceeded(nodes_count: int) -> str:
    return "max replicas per node limit exceed"


FILTERS = (
    Filter(
        "ready",
        _always,
        _ready,
        counted("1 node not available for new tasks", "%d nodes not available for new tasks"),
    ),
    Filter(
        "resources",
        _reserves,
        _resources,
        counted("insufficient resources on 1 node", "insufficient resources on %d nodes"),
    ),
    Filter(
        "plugins",
        _needs_plugins,
        _plugins,
        counted("missing plugin on 1 node", "missing plugin on %d nodes"),
    ),
    Filter(
        "constraints",
        _constrained,
        _constraints,
        counted(
            "scheduling constraints not satisfied on 1 node",
            "scheduling constraints not satisfied on %d nodes",
        ),
    ),
    Filter(
        "platform",
        _has_platforms,
        _platform,
        counted("unsupported platform on 1 node", "unsupported platform on %d nodes"),
    ),
    Filter(
        "host port",
        _takes_host_ports,
        _host_ports_free,
        counted(
            "host-mode port already in use on 1 node", "host-mode port already in use on %d nodes"
        ),
    ),
    Filter("max replicas", _limited, _below_limit, _limit_exceeded),
)


SHIFTING = ("resources", "host port", "max replicas")


class Pipeline:
    """The filters that concern one group of equal tasks, and how many nodes each has refused."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.filters = tuple(f for f in FILTERS if f.concerns(task))
        # Those whose answer for a node may change with every task that is placed on it.
        self.shifting = any(f.name in SHIFTING for f in self.filters)
        self._refused: dict[str, int] = {}

    def first_refusal(self, info: NodeInfo) -> Filter | None:
        """The first filter that says no to the node, or None; nothing is counted."""
        for its in self.filters:
            if not its.passes(self.task, info):
                return its
        return None

    def passes(self, info: NodeInfo) -> bool:
        """Whether every filter says yes. A yes clears the counts, as in SwarmKit."""
        refusal = self.first_refusal(info)
        if refusal is None:
            self._refused.clear()
            return True
        self._refused[refusal.name] = self._refused.get(refusal.name, 0) + 1
        return False

    def explain(self) -> str:
        """`insufficient resources on 2 nodes; missing plugin on 1 node`; "" without a count."""
        order = [f.name for f in FILTERS]
        found = sorted(self._refused.items(), key=lambda item: (-item[1], order.index(item[0])))
        sentences = {f.name: f.explain for f in FILTERS}
        return "; ".join(sentences[name](count) for name, count in found)
