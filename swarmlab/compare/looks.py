"""What a scenario can read from a cluster, all through the Docker Engine API of its nodes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from typing import Any

from docker.errors import APIError

Json = dict[str, Any]


def tasks_of(cluster: Any, service: str) -> list[Json]:
    tasks: list[Json] = cluster.client().api.tasks({"service": service})
    return tasks


def running_tasks(cluster: Any, service: str) -> list[Json]:
    """The tasks of a service that run, and whose desired state is running."""
    tasks = [task for task in tasks_of(cluster, service) if task["DesiredState"] == "running"]
    return [task for task in tasks if task["Status"]["State"] == "running"]


def by_hostname(cluster: Any, value_of: Callable[[Json], str]) -> dict[str, str]:
    nodes = cluster.client().api.nodes()
    return dict(sorted((node["Description"]["Hostname"], value_of(node)) for node in nodes))


# -- tasks -----------------------------------------------------------------------------------------
def running(cluster: Any, service: str) -> int:
    return len(running_tasks(cluster, service))


def per_node(cluster: Any, service: str) -> dict[str, int]:
    """How many tasks run on each node that has any."""
    hostnames = {id: name for name, id in by_hostname(cluster, lambda node: node["ID"]).items()}
    nodes = [hostnames[task["NodeID"]] for task in running_tasks(cluster, service)]
    return dict(sorted(Counter(nodes).items()))


def counts(cluster: Any, service: str) -> list[int]:
    """As `per_node`, without names: which of several equal nodes gets more is chance."""
    return sorted(per_node(cluster, service).values())


def states(cluster: Any, service: str) -> list[str]:
    return sorted(task["Status"]["State"] for task in tasks_of(cluster, service))


def failures(cluster: Any, service: str) -> int:
    return states(cluster, service).count("failed")


def errors(cluster: Any, service: str) -> list[str]:
    return sorted({task["Status"].get("Err", "") for task in tasks_of(cluster, service)} - {""})


def images(cluster: Any, service: str) -> list[str]:
    """The images of the running tasks, without tag and digest."""
    tasks = running_tasks(cluster, service)
    return sorted({re.split("[:@]", t["Spec"]["ContainerSpec"]["Image"])[0] for t in tasks})


# -- services --------------------------------------------------------------------------------------
def update(cluster: Any, service: str) -> list[str]:
    """State and message of the last update."""
    status = cluster.client().api.inspect_service(service).get("UpdateStatus") or {}
    return [status.get("State", ""), status.get("Message", "")]


def update_state(cluster: Any, service: str) -> str:
    return update(cluster, service)[0]


# -- nodes -----------------------------------------------------------------------------------------
def nodes(cluster: Any) -> dict[str, str]:
    """The state of each node."""
    return by_hostname(cluster, lambda node: node["Status"]["State"])


def node(cluster: Any, name: str) -> str:
    return nodes(cluster)[name]


def roles(cluster: Any) -> dict[str, str]:
    return by_hostname(cluster, lambda node: node["Spec"]["Role"])


def managers(cluster: Any, asked: str | None = None) -> list[str]:
    """leader, reachable or unreachable for each manager, as the manager `asked` lists them."""
    statuses = [node.get("ManagerStatus") for node in cluster.client(asked).api.nodes()]
    return sorted("leader" if s.get("Leader") else s["Reachability"] for s in statuses if s)


def leaderless(cluster: Any, node: str) -> bool:
    """Whether this manager answers that there is no leader."""
    try:
        cluster.client(node).api.nodes()
    except APIError as error:
        return "does not have a leader" in str(error.explanation)
    return False


def containers(cluster: Any, node: str) -> int:
    return len(cluster.client(node).api.containers())


LOOKS: dict[str, Callable[..., Any]] = {
    look.__name__: look
    for look in (
        *(running, per_node, counts, states, failures, errors, images),
        *(update, update_state),
        *(nodes, node, roles, managers, leaderless, containers),
    )
}
