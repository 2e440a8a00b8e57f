"""What the plays in `scenarios.py` act with and look through: one cluster, of either kind."""

from __future__ import annotations

import copy
import re
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import docker
from docker.errors import APIError, DockerException
from docker.types import ServiceMode
from requests.exceptions import RequestException

Json = dict[str, Any]
S = 10**9  # nanoseconds
LIMIT_S = 120.0
ENDED = ("completed", "paused", "rollback_completed", "rollback_paused")
# What differs from one cluster to the next, and means the same.
MASKS = {
    r"\b[a-z0-9]{25}\b": "<id>",
    r"\b\d+\.\d+\.\d+\.\d+(:\d+)?": "<address>",
}


class Stage:
    """A cluster, what was noted of it, and when what happened."""

    def __init__(self, cluster: Any) -> None:
        self.cluster = cluster
        self.facts: Json = {}
        self.events: list[tuple[float, str]] = []  # seconds since the play began, and what it was
        self._begun_s = self._now_s()

    def _now_s(self) -> float:
        simulated = self.cluster.kind == "simulated"
        return self.cluster.now_ns / S if simulated else time.monotonic()

    @property
    def client(self) -> docker.DockerClient:
        return self.cluster.client()

    # -- noting ------------------------------------------------------------------------
    def note(self, key: str, value: Any) -> None:
        self.facts[key] = round(value, 1) if key.startswith("~") else value

    def event(self, text: str) -> None:
        self.events.append((round(self._now_s() - self._begun_s, 1), text))

    def refused(self, key: str, action: Callable[[], Any]) -> None:
        """Note what the engine says to an action that it has to refuse."""
        try:
            action()
        except APIError as error:
            self.note(key, masked(str(error.explanation)))
        else:
            self.note(key, "it was done")
        self.event(f"{key}: asked, and answered")

    # -- time --------------------------------------------------------------------------
    def until(self, text: str, holds: Callable[[], object]) -> float:
        """Wait until it holds; how many seconds it took."""
        took_s: float = self.cluster.until(lambda: quietly(holds), LIMIT_S)
        self.event(text)
        return took_s

    def wait(self, seconds: float) -> None:
        self.cluster.run(seconds)

    # -- doing -------------------------------------------------------------------------
    def fault(self, verb: str, *names: Any) -> None:
        getattr(self.cluster, verb)(*names)
        self.event(" ".join([verb, *map(str, names)]))

    def create(self, name: str, replicas: int, *, runs: int | None = None, **options: Any) -> None:
        """A service of nginx, or of `command`; then wait until `runs` tasks run."""
        mode = options.pop("mode", None) or ServiceMode("replicated", replicas)
        self.client.services.create("nginx", name=name, mode=mode, **options)
        self.event(f"service create {name}")
        if replicas and runs != 0:
            self.runs(name, replicas if runs is None else runs)

    def change(self, name: str, edit: Callable[[Json], object]) -> None:
        """Post the service's specification again, edited."""
        found = self.client.services.get(name)
        spec = copy.deepcopy(found.attrs["Spec"])
        edit(spec)
        self._post(f"/services/{found.id}/update", spec, found)

    def scale(self, name: str, replicas: int) -> None:
        self.change(name, lambda spec: spec["Mode"]["Replicated"].update(Replicas=replicas))
        self.runs(name, replicas)

    def set_image(self, name: str, image: str) -> None:
        self.change(name, lambda spec: spec["TaskTemplate"]["ContainerSpec"].update(Image=image))

    def set_command(self, name: str, command: list[str]) -> None:
        self.change(
            name, lambda spec: spec["TaskTemplate"]["ContainerSpec"].update(Command=command)
        )

    def roll_back(self, name: str) -> None:
        found = self.client.services.get(name)
        path = f"/services/{found.id}/update"
        self._post(path, found.attrs["Spec"], found, rollback="previous")

    def set_availability(self, node: str, availability: str) -> None:
        self._node(node, lambda spec: spec.update(Availability=availability))

    def set_role(self, node: str, role: str) -> None:
        self._node(node, lambda spec: spec.update(Role=role))

    def label(self, node: str, key: str, value: str) -> None:
        self._node(node, lambda spec: spec.setdefault("Labels", {}).update({key: value}))

    def _node(self, name: str, edit: Callable[[Json], object]) -> None:
        found = self.client.nodes.get(self.node(name)["ID"])
        spec = copy.deepcopy(found.attrs["Spec"])
        edit(spec)
        self._post(f"/nodes/{found.id}/update", spec, found)

    def _post(self, path: str, spec: Json, found: Any, **query: str) -> None:
        api = self.client.api
        params = {"version": found.attrs["Version"]["Index"], **query}
        api._raise_for_status(api.post(api._url(path), json=spec, params=params))

    # -- looking -----------------------------------------------------------------------
    def node(self, name: str) -> Json:
        nodes = self.client.api.nodes()
        return next(node for node in nodes if hostname(node) == name)

    def node_state(self, name: str) -> str:
        return str(self.node(name)["Status"]["State"])

    def roles(self) -> dict[str, str]:
        nodes = self.client.api.nodes()
        return {
            n["Description"]["Hostname"]: n["Spec"]["Role"] for n in sorted(nodes, key=hostname)
        }

    def reachability(self) -> list[str]:
        """leader, reachable or unreachable, of every manager."""
        status = [node.get("ManagerStatus") for node in self.client.api.nodes()]
        return ["leader" if one.get("Leader") else one["Reachability"] for one in status if one]

    def leader(self) -> str:
        """The name of the leader, as the first manager says that answers; empty: none."""
        nodes = self.client.api.nodes()
        leading = [node for node in nodes if (node.get("ManagerStatus") or {}).get("Leader")]
        return hostname(leading[0]) if leading else ""

    def refusal_of_list(self) -> str:
        try:
            self.client.nodes.list()
        except APIError as error:
            return masked(str(error.explanation))
        return ""

    def tasks(self, service: str) -> list[Json]:
        found: list[Json] = self.client.services.get(service).tasks()
        return found

    def states(self, service: str) -> list[str]:
        return sorted(task["Status"]["State"] for task in self.tasks(service))

    def running(self, service: str) -> list[Json]:
        tasks = self.tasks(service)
        states = ((task["Status"]["State"], task["DesiredState"]) for task in tasks)
        return [
            t for t, state in zip(tasks, states, strict=True) if state == ("running", "running")
        ]

    def failed(self, service: str) -> list[Json]:
        return [task for task in self.tasks(service) if task["Status"]["State"] == "failed"]

    def errors(self, service: str) -> list[str]:
        said = {masked(task["Status"].get("Err", "")) for task in self.tasks(service)}
        return sorted(said - {""})

    def images(self, service: str) -> list[str]:
        """The images of the tasks that run, without tag and digest."""
        specs = [task["Spec"]["ContainerSpec"]["Image"] for task in self.running(service)]
        return sorted({re.split("[:@]", image)[0] for image in specs})

    def per_node(self, service: str) -> dict[str, int]:
        """How many tasks run on each node that has any."""
        nodes = {node["ID"]: hostname(node) for node in self.client.api.nodes()}
        return dict(
            sorted(Counter(nodes[task["NodeID"]] for task in self.running(service)).items())
        )

    def counts(self, service: str) -> list[int]:
        """The same without names, where the choice between equals is chance."""
        return sorted(self.per_node(service).values())

    def runs(self, service: str, count: int) -> None:
        """Wait until so many tasks run, and none else is to."""
        self.until(
            f"{service}: {count} run",
            lambda: len(self.running(service)) == count and self._no_others(service, count),
        )

    def _no_others(self, service: str, count: int) -> bool:
        spec = self.client.services.get(service).attrs["Spec"]["Mode"]
        if spec.get("Replicated", {}).get("Replicas") not in (None, count):
            return True  # fewer run than are wanted: the others wait
        wanted = [task for task in self.tasks(service) if task["DesiredState"] == "running"]
        return len(wanted) == count

    def least_running(self, service: str, least: list[int]) -> bool:
        least[0] = min(least[0], len(self.running(service)))
        return True

    def update_status(self, service: str) -> list[str]:
        status = self.client.services.get(service).attrs.get("UpdateStatus") or {}
        return [status.get("State", ""), masked(status.get("Message", ""))]

    def update_ended(self, service: str) -> bool:
        return self.update_status(service)[0] in ENDED

    def updated(self, service: str) -> float:
        """Wait until the update ends; how many seconds it took."""
        return self.until("the update ends", lambda: self.update_ended(service))


def hostname(node: Json) -> str:
    return str(node["Description"]["Hostname"])


def quietly(holds: Callable[[], object]) -> object:
    """Whether it holds; not now, when the engine does not answer."""
    try:
        return holds()
    except (DockerException, RequestException):
        return False


def masked(text: str) -> str:
    for pattern, word in MASKS.items():
        text = re.sub(pattern, word, text)
    return text
