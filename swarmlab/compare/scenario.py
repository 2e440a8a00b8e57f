"""Plays the scenarios of `scenarios.yml` on a cluster.

Recordings of real engines are made by `python -m tests.record_scenarios`.
"""

from __future__ import annotations

import io
import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from swarmlab.cluster.calls import checked
from swarmlab.cluster.current import latest, use
from swarmlab.errors import LabError, NoneSuch
from swarmlab.jupyter.magic import run_commands
from swarmlab.lessons.attempt import run_lines
from swarmlab.lessons.goal_checks import SwarmReader, evaluate, measure
from swarmlab.simulation import S
from swarmlab.strings import _
from swarmlab.views.html import Table

FOLDER = Path(__file__).parent
RECORDINGS = FOLDER / "recordings.json"
WAIT_LIMIT = "120s"  # for a condition of `until` or `took`
Json = dict[str, Any]
# Parts of an answer that differ from one cluster to the next and mean the same, and notes about
# registries. Regular expression -> replacement.
MASKS = {
    r"\b[a-z0-9]{25}\b": "<id>",
    r"\b\d+\.\d+\.\d+\.\d+(:\d+)?": "<address>",
    r"(?s)image \S+ could not be accessed on a registry.*?versions of the image\.": "",
    r"(?m)^hint: .*$": "",
}


@cache
def scenarios() -> dict[str, Json]:
    """Name of each scenario -> what it is about, how many managers and workers, and its steps:
    `scenarios()["spread"]`.

    Lesson: 30_is_the_simulator_right.
    """
    return dict(yaml.safe_load((FOLDER / "scenarios.yml").read_text("utf-8")))


@checked
def steps(name: str) -> Table:
    """What a scenario is about, and what it does, step by step: `steps("minority")`.
    Lesson: 30_is_the_simulator_right.
    """
    scenario = scenarios()[chosen([name])[0]]
    lines = enumerate(scenario["steps"].splitlines(), start=1)
    rows = tuple((str(number), line) for number, line in lines)
    return Table(_(scenario["about"]), ("", _("step")), rows)


def chosen(names: Sequence[str]) -> list[str]:
    """These scenarios, or all when no name is given; LabError when one does not exist."""
    for name in names:
        if name not in scenarios():
            raise NoneSuch("there is no scenario {name!r}; there are {known}", name, scenarios())
    return list(names or scenarios())


@dataclass(frozen=True, slots=True)
class ScenarioResult:
    """What one cluster did in a scenario."""

    kind: str  # simulated, real, recorded
    version: str  # of the engine
    facts: dict[str, Any]  # durations, in seconds, have keys that begin with ~
    events: tuple[tuple[float, str], ...]  # seconds since the scenario began, and the step
    stopped: str = ""  # why it could not go on

    @property
    def title(self) -> str:
        titles = {
            "simulated": _("simulated"),
            "real": _("real ({version})"),
            "recorded": _("recorded ({version})"),
        }
        return titles[self.kind].format(version=self.version.partition("+")[0])


def play(name: str, make: Callable[..., Any]) -> ScenarioResult:
    """Play a scenario on a new cluster; one that cannot go on ends early, and says why."""
    scenario = scenarios()[name]
    sizes = {"managers": scenario.get("managers", 1), "workers": scenario.get("workers", 2)}
    before, cluster = latest(), make(**sizes, seed=7)
    use(cluster)
    try:
        version, stopped = cluster.client().version()["Version"], ""
        player = ScenarioPlayer(cluster)
        try:
            for step in scenario["steps"].splitlines():
                player.do(step)
        except LabError as error:
            stopped = f"{step}: {error}"
        return ScenarioResult(cluster.kind, version, player.facts, tuple(player.events), stopped)
    finally:
        if before is not None:
            use(before)  # the notebook's own cluster, to which `%docker` speaks
        cluster.close()


def recorded() -> dict[str, ScenarioResult]:
    """Name of each scenario -> what real engines did when it was recorded."""
    return {
        name: ScenarioResult(**{**result, "events": tuple(map(tuple, result["events"]))})
        for name, result in json.loads(RECORDINGS.read_text("utf-8")).items()
    }


class ScenarioPlayer:
    """Plays a scenario's steps on a cluster; collects the facts and when each step ended."""

    def __init__(self, cluster: Any) -> None:
        self.cluster = cluster
        self.facts: Json = {}
        self.events: list[tuple[float, str]] = []
        self._start_ns = cluster.clock_ns()

    def do(self, step: str) -> None:
        """Carry out one step; `scenarios.yml` explains them. LabError when it fails."""
        verb, _space, rest = step.partition(" ")
        key, _colon, what = rest.partition(": ")
        match verb:
            case "note":
                fact = measure(SwarmReader(self.cluster), what.split())
                self.facts[key] = dict(+fact) if isinstance(fact, Counter) else fact
                return
            case "took":
                self.facts[f"~{key}"] = round(self._until(what), 1)
            case "until":
                self._until(rest)
            case "says":
                self.facts[key] = error_of(what)
            case _:
                code, output = run_lines(self.cluster, step)
                if code:
                    raise LabError(output)
        seconds = (self.cluster.clock_ns() - self._start_ns) / S
        self.events.append((round(seconds, 1), step))

    def _until(self, check: str) -> float:
        """Let time pass until the check holds; how many seconds it took."""
        cluster = self.cluster
        return float(cluster.until(lambda: evaluate(SwarmReader(cluster), check)[0], WAIT_LIMIT))


def error_of(line: str) -> str:
    """What a docker command line writes to standard error."""
    error = io.StringIO()
    run_commands(line, io.StringIO(), error)
    text = error.getvalue()
    for pattern, replacement in MASKS.items():
        text = re.sub(pattern, replacement, text)
    return text.strip()
