"""What a goal can ask of a swarm, read through the Docker API alone, so on a real one too.

A check is one line: what is measured, how it is compared, with what.

    tasks web by az is {a: 3, b: 3}        running tasks; by node, image, or a label of their nodes
    tasks web by node within 1             the fullest and the emptiest active node: 1 apart at most
    tasks web on w1 is 0
    images web has nginx:1.27              of all its tasks that are known, the ended ones, too
    managers by reachability is {reachable: 3}
    nodes by state lacks down              by role, availability, state, or a label
    service web Spec.UpdateConfig.Order is start-first      whatever `docker … inspect` shows
    secrets has senha_v2                   services, configs, networks, nodes: their names
    file senha_v2 of web is /run/secrets/senha              where its containers find a secret
    leader is nobody
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from posixpath import join
from typing import Any

import yaml
from docker.errors import DockerException

from swarmlab.errors import LabError, NoneSuch
from swarmlab.strings import N_, _
from swarmlab.views.widget import explained

Json = Mapping[str, Any]
NOBODY, NO_LABEL = N_("nobody"), N_("unlabelled")  # as checks have it
KINDS = ("nodes", "services", "secrets", "configs", "networks")


class Swarm:
    """What a manager says about its swarm; each list is asked for once, when a check needs it."""

    def __init__(self, cluster: Any) -> None:
        self.api = cluster.client(cluster.default_node()).api
        self._lists: dict[str, list[Json]] = {}

    def all(self, kind: str) -> list[Json]:
        """Every object of a kind: nodes, services, tasks, secrets, configs, networks."""
        if kind not in self._lists:
            self._lists[kind] = getattr(self.api, kind)()
        return self._lists[kind]

    def one(self, kind: str, name: str) -> Json:
        """The object of this name; nothing when there is none."""
        return next((object for object in self.all(kind) if name_of(object) == name), {})

    @property
    def leader(self) -> str:
        with suppress(DockerException, OSError):
            leading = (n for n in self.all("nodes") if field(n, "ManagerStatus.Leader"))
            return next(map(name_of, leading), NOBODY)
        return NOBODY

    def tasks(self, service: str) -> list[Json]:
        """The tasks of a service that a manager knows, the ended ones, too."""
        key = self.one("services", service).get("ID")
        return [task for task in self.all("tasks") if task["ServiceID"] == key]

    def running(self, service: str) -> list[Json]:
        """The tasks of a service that run, and are meant to."""
        wanted = [task for task in self.tasks(service) if task["DesiredState"] == "running"]
        return [task for task in wanted if task["Status"]["State"] == "running"]

    def tasks_by(self, service: str, key: str) -> dict[str, int]:
        """Running tasks; zero for a node, or a label's value, that could have one and has none."""
        if key == "image":
            return Counter(map(image_of, self.running(service)))
        nodes = {node["ID"]: node for node in self.all("nodes")}
        open_ = [n for n in nodes.values() if n["Spec"]["Availability"] == "active"]
        counts = Counter({trait(n, key): 0 for n in open_ if n["Status"]["State"] == "ready"})
        counts.update(trait(nodes[task["NodeID"]], key) for task in self.running(service))
        return counts


def name_of(object: Json) -> str:
    described = object.get("Description", {}).get("Hostname")
    return str(described or object.get("Name") or object.get("Spec", {}).get("Name"))


def image_of(task: Json) -> str:
    """Its name, without the digest."""
    return str(task["Spec"]["ContainerSpec"]["Image"]).partition("@")[0]


def trait(node: Json, key: str) -> str:
    """What a node is by its state, role, availability, reachability, or the label `key`."""
    spec = node["Spec"]
    known = {
        "node": name_of(node),
        "state": node["Status"]["State"],
        "role": spec["Role"],
        "availability": spec["Availability"],
        "reachability": field(node, "ManagerStatus.Reachability") or NOBODY,
    }
    return str(known.get(key) or (spec.get("Labels") or {}).get(key) or NO_LABEL)


def field(object: Any, path: str) -> Any:
    """What stands at `Spec.EndpointSpec.Ports.0.TargetPort`; None when nothing does."""
    for part in path.split("."):
        if isinstance(object, list) and int(part) < len(object):
            object = object[int(part)]
        else:
            object = object.get(part) if isinstance(object, Mapping) else None
    return object


def measure(swarm: Swarm, words: list[str]) -> Any:
    """What the words ask for: a number, a text, names, or counts by key."""
    match words:
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
        case ["nodes", "by", key]:
            return Counter(trait(node, key) for node in swarm.all("nodes"))
        case ["managers", "by", key]:
            managers = [n for n in swarm.all("nodes") if n["Spec"]["Role"] == "manager"]
            return Counter(trait(node, key) for node in managers)
        case [kind] if kind in KINDS:
            return [name_of(object) for object in swarm.all(kind)]
        case ["file", secret, "of", service]:
            given = field(swarm.one("services", service), "Spec.TaskTemplate.ContainerSpec.Secrets")
            names = [one["File"]["Name"] for one in given or () if one["SecretName"] == secret]
            return join("/run/secrets", names[0]) if names else None
        case ["swarm", path]:
            return field(swarm.api.inspect_swarm(), path)
        case [kind, name, path] if f"{kind}s" in KINDS:
            return field(swarm.one(f"{kind}s", name), path)
    what = " ".join(words)
    raise LabError("{what!r} cannot be measured; see swarmlab/lessons/measures.py", what=what)


def leaves(value: Any) -> Iterator[Any]:
    """The texts and numbers in a piece of JSON; of counts, what was counted."""
    if isinstance(value, Counter):
        yield from (key for key, count in value.items() if count)
    elif isinstance(value, Mapping):
        yield from (leaf for part in value.values() for leaf in leaves(part))
    elif isinstance(value, list | tuple):
        yield from (leaf for part in value for leaf in leaves(part))
    elif value is not None:
        yield value


def equal(found: Any, wanted: Any) -> bool:
    return bool(found == (Counter(wanted) if isinstance(found, Counter) else wanted))


COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "is": equal,
    "isnt": lambda found, wanted: not equal(found, wanted),
    "has": lambda found, wanted: wanted in leaves(found),
    "lacks": lambda found, wanted: wanted not in leaves(found),
    "least": lambda found, wanted: (found or 0) >= wanted,
    "most": lambda found, wanted: (found or 0) <= wanted,
    "within": lambda found, wanted: max(found.values()) - min(found.values()) <= wanted,
}


def parts(check: str) -> tuple[list[str], str, Any]:
    """What is measured, how it is compared, with what; LabError when the line is no check."""
    words = check.split()
    at = next((i for i, word in enumerate(words) if word in COMPARISONS), 0)
    if not 0 < at < len(words) - 1:
        raise NoneSuch("{name!r} compares nothing; use {known}", check, COMPARISONS)
    return words[:at], words[at], yaml.safe_load(" ".join(words[at + 1 :]))


def look(swarm: Swarm, check: str) -> tuple[bool, str]:
    """Whether it holds, and what was found; a swarm that does not answer holds nothing."""
    words, comparison, wanted = parts(check)
    try:
        found = measure(swarm, words)
    except (DockerException, OSError) as error:
        return False, explained(error)
    return COMPARISONS[comparison](found, wanted), shown(found)


def shown(value: Any) -> str:
    """A measured value as people read it: `a: 5, b: 1`."""
    ours = {word: _(word) for word in (NOBODY, NO_LABEL)}
    if isinstance(value, Counter):
        counts = [f"{ours.get(key, key)}: {count}" for key, count in sorted(value.items())]
        return ", ".join(counts) or _("nothing")
    if value is None:
        return _("not set")
    texts = [str(v).lower() if isinstance(v, bool) else str(v) for v in leaves(value)]
    return ", ".join(ours.get(text, text) for text in texts) or _("nothing")
