"""What can be measured of a swarm: the goals of exercises and the facts of scenarios.

All comes through the Docker Engine API: on a real swarm, too.

A check is one line: what is measured, a comparison, and a value in YAML.

    tasks web by az is {a: 3, b: 3}        running tasks; by node, image, or a label of their nodes
    tasks web by node within 1             the fullest and the emptiest active node: 1 apart at most
    tasks web on w1 is 0
    images web has nginx:1.27              of all its tasks in the store, ended ones included
    managers by reachability is {reachable: 3}
    nodes by state lacks down              by role, availability, state, or a label
    nodes state is {m1: ready, w1: down}   the same, node by node
    service web Spec.UpdateConfig.Order is start-first      whatever `docker … inspect` shows
    secrets has senha_v2                   services, configs, networks, nodes: their names
    file senha_v2 of web is /run/secrets/senha              where its containers find a secret
    container web State.Health.Status is healthy            of an engine, in a swarm or in none
    inside db cat /data/votes is "42"      what a command prints in a task; null when it fails
    token in deploy is manager             whose join token, if it is valid, is in this config
    info Swarm.LocalNodeState at m3 is locked               what `docker -H m3 info` shows
    failed web last 10s is 0              users' requests in that time; on real engines, tasks that
                                           don't answer a request of ours
    now running web is 4                  of a mission: before its exam
    leader at m2 is none                   as the node m2 answers; so with any measure
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from posixpath import join
from typing import Any

import yaml
from docker import APIClient
from docker.errors import DockerException, NotFound

from swarmlab.errors import LabError, NoneSuch
from swarmlab.strings import N_, _
from swarmlab.units import S, nanoseconds
from swarmlab.views.meter import failed_by_second
from swarmlab.views.widget import explained

Json = Mapping[str, Any]
NONE, NO_LABEL = N_("none"), N_("unlabelled")  # as checks write them
LISTS: dict[str, Callable[[APIClient], list[Json]]] = {
    method.__name__: method
    for method in (
        *(APIClient.nodes, APIClient.services, APIClient.tasks),
        *(APIClient.secrets, APIClient.configs, APIClient.networks),
    )
}
NAMED_KINDS = LISTS.keys() - {"tasks"}


class SwarmReader:
    """Reads a swarm through one manager; each list is requested once, when a check needs it."""

    def __init__(self, cluster: Any, node: str = "", *, now: SwarmReader | None = None) -> None:
        self.cluster, self.now = cluster, now  # `now`: the original, if the cluster is a copy
        self.api = cluster.client(node or cluster.default_node()).api
        self._lists: dict[str, list[Json]] = {}

    def objects(self, kind: str) -> list[Json]:
        """Every object of a kind."""
        if kind not in self._lists:
            self._lists[kind] = LISTS[kind](self.api)
        return self._lists[kind]

    def named(self, kind: str, name: str) -> Json:
        """The object of this name; empty when there is none."""
        return next((object for object in self.objects(kind) if name_of(object) == name), {})

    @property
    def leader(self) -> str:
        with suppress(DockerException, OSError):
            leaders = (n for n in self.objects("nodes") if value_at(n, "ManagerStatus.Leader"))
            return next(map(name_of, leaders), NONE)
        return NONE

    def tasks(self, service: str) -> list[Json]:
        """The tasks of a service in the store, ended ones included."""
        id = self.named("services", service).get("ID")
        return [task for task in self.objects("tasks") if task["ServiceID"] == id]

    def running(self, service: str) -> list[Json]:
        """The tasks of a service that run, and whose desired state is running."""
        tasks = [task for task in self.tasks(service) if task["DesiredState"] == "running"]
        return [task for task in tasks if task["Status"]["State"] == "running"]

    def inside(self, service: str, command: list[str]) -> tuple[str, int, str]:
        """Run a command in the first running task of a service: (its place, exit code, output)."""
        if not (running := self.running(service)):
            return _("no task of {service} runs", service=service), 1, ""
        task = min(running, key=lambda task: (task.get("Slot", 0), task["ID"]))
        node, code, output = self.execute(task, command)
        return _("{service} on {node}", service=service, node=node), code, output

    def execute(self, task: Json, command: list[str]) -> tuple[str, int, str]:
        """Run a command in a task's container: (its node, exit code, output)."""
        node = next(name_of(n) for n in self.objects("nodes") if n["ID"] == task["NodeID"])
        api = self.cluster.client(node).api
        id = api.exec_create(task["Status"]["ContainerStatus"]["ContainerID"], command)["Id"]
        output = api.exec_start(id).decode(errors="replace").strip()
        return node, api.exec_inspect(id)["ExitCode"], output

    def secret_file(self, service: str, secret: str) -> str | None:
        """Where the containers of a service find a secret."""
        path = "Spec.TaskTemplate.ContainerSpec.Secrets"
        references = value_at(self.named("services", service), path) or ()
        names = [r["File"]["Name"] for r in references if r["SecretName"] == secret]
        return join("/run/secrets", names[0]) if names else None

    def tasks_by(self, service: str, key: str) -> dict[str, int]:
        """Running tasks; zero for a node, or a label's value, that could have some and has none."""
        if key == "image":
            return Counter(map(image_of, self.running(service)))
        nodes = {node["ID"]: node for node in self.objects("nodes")}
        active = [n for n in nodes.values() if n["Spec"]["Availability"] == "active"]
        ready = [node for node in active if node["Status"]["State"] == "ready"]
        counts = Counter({node_value(node, key): 0 for node in ready})
        counts.update(node_value(nodes[task["NodeID"]], key) for task in self.running(service))
        return counts


def name_of(object: Json) -> str:
    hostname = object.get("Description", {}).get("Hostname")
    return str(hostname or object.get("Name") or object.get("Spec", {}).get("Name"))


def image_of(task: Json) -> str:
    """Its image, without the digest."""
    return str(task["Spec"]["ContainerSpec"]["Image"]).partition("@")[0]


def node_value(node: Json, key: str) -> str:
    """A node's name, state, role, availability, reachability, manager status, or the value of the
    label `key`."""
    spec, manager = node["Spec"], node.get("ManagerStatus") or {}
    values = {
        "node": name_of(node),
        "state": node["Status"]["State"],
        "role": spec["Role"],
        "availability": spec["Availability"],
        "reachability": manager.get("Reachability") or NONE,
        "status": "leader" if manager.get("Leader") else manager.get("Reachability"),
    }
    return str(values.get(key) or (spec.get("Labels") or {}).get(key) or NO_LABEL)


def value_at(object: Any, path: str) -> Any:
    """The value at `Spec.EndpointSpec.Ports.0.TargetPort`; None when there is none."""
    for part in path.split("."):
        if isinstance(object, list) and int(part) < len(object):
            object = object[int(part)]
        else:
            object = object.get(part) if isinstance(object, Mapping) else None
    return object


def failed_requests(swarm: SwarmReader, service: str, last_ns: int) -> int:
    """How many of the latest requests to a service failed; on real engines, where no one counts
    them: how many of its tasks don't answer, 1 if none runs."""
    cluster = swarm.cluster
    if cluster.has_trace:
        since_s = (cluster.now_ns - last_ns) // S
        failed = failed_by_second(cluster, service).items()
        return sum(n for second, n in failed if second > since_s)
    port = value_at(swarm.named("services", service), "Endpoint.Ports.0.TargetPort")
    request = ["curl", "-f", f"localhost:{port}"]
    codes = [swarm.execute(task, request)[1] for task in swarm.running(service)]
    return sum(map(bool, codes)) if codes else 1


def measure(swarm: SwarmReader, words: list[str]) -> Any:
    """What the words ask for: a number, a text, names, or counts by key."""
    match words:
        case [*words, "at", node]:
            return measure(SwarmReader(swarm.cluster, node), words)
        case ["leader"]:
            return swarm.leader
        case ["tasks", service, "on", node]:
            return swarm.tasks_by(service, "node").get(node, 0)
        case ["tasks", service, "by", key]:
            return swarm.tasks_by(service, key)
        case ["images", service]:
            return sorted({*map(image_of, swarm.tasks(service))})
        case ["running", service]:
            return len(swarm.running(service))
        case ["counts", service]:  # without names: which node has more is chance
            return sorted(Counter(t["NodeID"] for t in swarm.running(service)).values())
        case ["states", service]:
            return sorted(task["Status"]["State"] for task in swarm.tasks(service))
        case ["failures", service]:
            return sum(task["Status"]["State"] == "failed" for task in swarm.tasks(service))
        case ["errors", service]:
            return sorted({task["Status"].get("Err", "") for task in swarm.tasks(service)} - {""})
        case ["repositories", service]:  # of the images that run
            return sorted({image_of(t).partition(":")[0] for t in swarm.running(service)})
        case ["failed", service, "last", duration]:
            return failed_requests(swarm, service, nanoseconds(duration))
        case ["containers"]:
            return len(swarm.api.containers())
        case ["container", name, path]:
            with suppress(NotFound):
                return value_at(swarm.api.inspect_container(name), path)
            return None
        case ["inside", service, *command]:
            _place, code, output = swarm.inside(service, command)
            return None if code else output
        case ["nodes", key]:
            return {name_of(node): node_value(node, key) for node in swarm.objects("nodes")}
        case ["nodes", "by", key]:
            return Counter(node_value(node, key) for node in swarm.objects("nodes"))
        case ["managers", "by", key]:
            managers = [n for n in swarm.objects("nodes") if n["Spec"]["Role"] == "manager"]
            return Counter(node_value(node, key) for node in managers)
        case [kind] if kind in NAMED_KINDS:
            return [name_of(object) for object in swarm.objects(kind)]
        case ["file", secret, "of", service]:
            return swarm.secret_file(service, secret)
        case ["token", "in", config]:
            data = base64.b64decode(value_at(swarm.named("configs", config), "Spec.Data") or "")
            tokens = swarm.api.inspect_swarm()["JoinTokens"].items()
            return next((role.lower() for role, t in tokens if t.encode() in data), NONE)
        case ["info", path]:
            return value_at(swarm.api.info(), path)
        case ["swarm", path]:
            return value_at(swarm.api.inspect_swarm(), path)
        case [kind, name, path] if f"{kind}s" in NAMED_KINDS:
            return value_at(swarm.named(f"{kind}s", name), path)
    what = " ".join(words)
    raise LabError("{what!r} cannot be measured; see swarmlab/lessons/goal_checks.py", what=what)


def leaves(value: Any) -> Iterator[Any]:
    """The texts and numbers in a piece of JSON; of counts, the keys with a count above zero."""
    if isinstance(value, Counter):
        yield from (key for key, count in value.items() if count)
    elif isinstance(value, Mapping):
        yield from (leaf for part in value.values() for leaf in leaves(part))
    elif isinstance(value, list | tuple):
        yield from (leaf for part in value for leaf in leaves(part))
    elif value is not None:
        yield value


def equal(measured: Any, value: Any) -> bool:
    return bool(measured == (Counter(value) if isinstance(measured, Counter) else value))


COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "is": equal,
    "isnt": lambda measured, value: not equal(measured, value),
    "has": lambda measured, value: value in leaves(measured),
    "lacks": lambda measured, value: value not in leaves(measured),
    "least": lambda measured, value: (measured or 0) >= value,
    "most": lambda measured, value: (measured or 0) <= value,
    "within": lambda measured, value: max(measured.values()) - min(measured.values()) <= value,
}


def parse_check(check: str) -> tuple[list[str], str, Any]:
    """What is measured, the comparison, and the value; LabError when the line is no check."""
    words = check.split()
    at = next((i for i, word in enumerate(words) if word in COMPARISONS), 0)
    if not 0 < at < len(words) - 1:
        raise NoneSuch("{name!r} compares nothing; use {known}", check, COMPARISONS)
    return words[:at], words[at], yaml.safe_load(" ".join(words[at + 1 :]))


def evaluate(swarm: SwarmReader, check: str) -> tuple[bool, str]:
    """Whether the check holds, and the measured value as text.

    Nothing holds of a swarm that answers with an error; the text is that error.
    """
    words, comparison, value = parse_check(check)
    if words[0] == "now":
        swarm, words = swarm.now or swarm, words[1:]
    try:
        measured = measure(swarm, words)
    except (DockerException, OSError) as error:
        return False, explained(error)
    return COMPARISONS[comparison](measured, value), value_text(measured)


def value_text(value: Any) -> str:
    """A measured value as people read it: `a: 5, b: 1`."""
    translated = {word: _(word) for word in (NONE, NO_LABEL)}
    if isinstance(value, Counter):
        counts = [f"{translated.get(key, key)}: {count}" for key, count in sorted(value.items())]
        return ", ".join(counts) or _("nothing")
    if value is None:
        return _("not set")
    texts = [str(v).lower() if isinstance(v, bool) else str(v) for v in leaves(value)]
    return ", ".join(translated.get(text, text) for text in texts) or _("nothing")
