"""How do we know that the simulator is right? One play on a simulated and on a real cluster.

`compare("leader_crash", against=swarmlab.launch)` plays it on both. Without `against` the real side
is a recording, kept in `real/recordings.json`, of what real engines did. The plays stand in
`real/scenarios.yml`.
"""

from __future__ import annotations

import io
import json
import re
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from docker.errors import APIError, DockerException
from requests.exceptions import RequestException

from swarmlab.cluster.current import latest, use
from swarmlab.cluster.factory import simulate
from swarmlab.errors import LabError, NoneSuch
from swarmlab.jupyter.magic import shell
from swarmlab.simulation import S
from swarmlab.views.side_by_side import Comparison, Comparisons, Played

FOLDER = Path(__file__).parent
RECORDINGS = FOLDER / "recordings.json"
LIMIT = "120s"  # what has not come to pass by then will not
Json = dict[str, Any]
Make = Callable[..., Any]
# What differs from one cluster to the next, and means the same; notes that are about registries.
MASKS = {
    r"\b[a-z0-9]{25}\b": "<id>",
    r"\b\d+\.\d+\.\d+\.\d+(:\d+)?": "<address>",
    r"(?s)image \S+ could not be accessed on a registry.*?versions of the image\.": "",
    r"(?m)^hint: .*$": "",
}


@cache
def scenarios() -> dict[str, Json]:
    """Name of each scenario -> what it is about, how many managers and workers, and its play.

    Lesson: 30_is_the_simulator_right.
    """
    return dict(yaml.safe_load((FOLDER / "scenarios.yml").read_text()))


def chosen(names: Sequence[str]) -> list[str]:
    """These scenarios, each of which there has to be; all, when none is named."""
    for name in names:
        if name not in scenarios():
            raise NoneSuch("there is no scenario {name!r}; there are {known}", name, scenarios())
    return list(names or scenarios())


def compare(*names: str, against: Make | None = None) -> Comparisons:
    """Play these scenarios, or all, on a simulated cluster and against real engines.

    Lesson: 30_is_the_simulator_right.
    """
    return Comparisons(tuple(compare_one(name, against) for name in chosen(names)))


def compare_one(name: str, against: Make | None = None) -> Comparison:
    """One scenario on both sides."""
    real = play(name, against) if against else recorded()[name]
    return Comparison(name, scenarios()[name]["about"], play(name, simulate), real)


def play(name: str, make: Make) -> Played:
    """One scenario on a new cluster. A play that cannot go on ends early, and says why."""
    scenario = scenarios()[name]
    sizes = {"managers": scenario.get("managers", 1), "workers": scenario.get("workers", 2)}
    before, cluster = latest(), make(**sizes, seed=7)
    use(cluster)
    try:
        version, stopped = cluster.client().version()["Version"], ""
        stage = Stage(cluster)
        try:
            for step in scenario["play"].splitlines():
                stage.do(step)
        except LabError as error:
            stopped = f"{step}: {error}"
        return Played(cluster.kind, version, stage.facts, tuple(stage.events), stopped)
    finally:
        if before is not None:
            use(before)  # the page's own, which `%docker` goes on speaking to
        if cluster.kind == "real":
            cluster.close()


def recorded() -> dict[str, Played]:
    """What real engines did when they were asked last."""
    return {
        name: Played(**{**kept, "events": tuple(map(tuple, kept["events"]))})
        for name, kept in json.loads(RECORDINGS.read_text()).items()
    }


def record(*names: str, make: Make) -> None:
    """Keep what real engines do in these scenarios, or in all; takes the time that it takes."""
    kept = json.loads(RECORDINGS.read_text()) if RECORDINGS.exists() else {}
    for name in chosen(names):
        kept[name] = {**asdict(play(name, make)), "kind": "recorded"}
        lines = (f"{json.dumps(n)}: {json.dumps(kept[n])}" for n in scenarios() if n in kept)
        RECORDINGS.write_text("{\n" + ",\n".join(lines) + "\n}\n")


class Stage:
    """A cluster that a play is played on, what was noted of it, and when what happened.

    The methods below `do` and `see` are what a play can look at, by name.
    """

    def __init__(self, cluster: Any) -> None:
        self.cluster = cluster
        self.facts: Json = {}
        self.events: list[tuple[float, str]] = []  # seconds since the play began, and the step
        self._begun_s = self._now_s()

    def _now_s(self) -> float:
        simulated = self.cluster.kind == "simulated"
        return self.cluster.now_ns / S if simulated else time.monotonic()

    def do(self, step: str) -> None:
        """One line of a play."""
        verb, _space, rest = step.partition(" ")
        key, _colon, what = rest.partition(": ")
        match verb:
            case "note":
                self.facts[key] = self.see(what)
                return
            case "took":
                took_s = self.cluster.until(lambda: self._quietly(what), LIMIT)
                self.facts[f"~{key}"] = round(took_s, 1)
            case "until":
                self.cluster.until(lambda: self._quietly(rest), LIMIT)
            case "wait":
                self.cluster.run(float(rest))
            case "says":
                self.facts[key] = self._docker(what)[1]
            case "crash" | "start" | "stop" | "partition" | "heal":
                getattr(self.cluster, verb)(*rest.split())
            case _:
                code, said = self._docker(step)
                if code:
                    raise LabError(said)
        self.events.append((round(self._now_s() - self._begun_s, 1), step))

    def _docker(self, line: str) -> tuple[int, str]:
        out, err = io.StringIO(), io.StringIO()
        code, said = shell(line, out, err), err.getvalue()
        for pattern, word in MASKS.items():
            said = re.sub(pattern, word, said)
        return code, said.strip()

    def _quietly(self, what: str) -> Any:
        """What is seen; nothing, when nobody answers."""
        try:
            return self.see(what)
        except (DockerException, RequestException, LabError):
            return None

    def see(self, what: str) -> Any:
        """`LOOK ARGUMENT…`: what is there; with `= VALUE`: whether it is that."""
        look, equals, value = what.partition(" = ")
        name, *arguments = look.split()
        seen = getattr(self, name)(*arguments)
        return seen == yaml.safe_load(value) if equals else seen

    # -- what can be looked at -----------------------------------------------------------
    def _api(self, node: str | None = None) -> Any:
        return self.cluster.client(node).api

    def _names(self) -> dict[str, str]:
        return {node["ID"]: node["Description"]["Hostname"] for node in self._api().nodes()}

    def _by_name(self, of: Callable[[Json], str]) -> dict[str, str]:
        found = {node["Description"]["Hostname"]: of(node) for node in self._api().nodes()}
        return dict(sorted(found.items()))

    def _tasks(self, service: str) -> list[Json]:
        tasks: list[Json] = self._api().tasks({"service": service})
        return tasks

    def _running(self, service: str) -> list[Json]:
        wanted = [task for task in self._tasks(service) if task["DesiredState"] == "running"]
        return [task for task in wanted if task["Status"]["State"] == "running"]

    def running(self, service: str) -> int:
        """How many of its tasks run and are to run."""
        return len(self._running(service))

    def per_node(self, service: str) -> dict[str, int]:
        """How many run on each node that has any."""
        names = self._names()
        return dict(sorted(Counter(names[t["NodeID"]] for t in self._running(service)).items()))

    def counts(self, service: str) -> list[int]:
        """The same without names: which of equal nodes gets more is chance."""
        return sorted(self.per_node(service).values())

    def states(self, service: str) -> list[str]:
        return sorted(task["Status"]["State"] for task in self._tasks(service))

    def failures(self, service: str) -> int:
        return self.states(service).count("failed")

    def errors(self, service: str) -> list[str]:
        return sorted({task["Status"].get("Err", "") for task in self._tasks(service)} - {""})

    def images(self, service: str) -> list[str]:
        """The images of the tasks that run, without tag and digest."""
        images = [task["Spec"]["ContainerSpec"]["Image"] for task in self._running(service)]
        return sorted({re.split("[:@]", image)[0] for image in images})

    def update(self, service: str) -> list[str]:
        """State and message of the last update."""
        status = self._api().inspect_service(service).get("UpdateStatus") or {}
        return [status.get("State", ""), status.get("Message", "")]

    def update_state(self, service: str) -> str:
        return self.update(service)[0]

    def node(self, name: str) -> str:
        return self.nodes()[name]

    def nodes(self) -> dict[str, str]:
        """Each node's state."""
        return self._by_name(lambda node: node["Status"]["State"])

    def roles(self) -> dict[str, str]:
        return self._by_name(lambda node: node["Spec"]["Role"])

    def managers(self, asked: str | None = None) -> list[str]:
        """leader, reachable or unreachable, of every manager; as one of them says, if named."""
        status = [node.get("ManagerStatus") for node in self._api(asked).nodes()]
        return sorted("leader" if s.get("Leader") else s["Reachability"] for s in status if s)

    def leaderless(self, node: str) -> bool:
        """Whether this manager says that there is no leader."""
        try:
            self._api(node).nodes()
        except APIError as error:
            return "does not have a leader" in str(error.explanation)
        return False

    def containers(self, node: str) -> int:
        return len(self._api(node).containers())
