"""The exercises as data: one YAML file a notebook, one entry an exercise.

    title, task       what the learner reads
    cluster           arguments of `make`: managers, workers, seed
    setup             docker commands and faults (`crash w1`, `run 30s`), one a line
    goals             each: text, check (see `goal_checks`), next (one step when it fails)
    hints             three, each more specific than the one before
    solution          docker commands
    fewest_changes    to the swarm, that reach the goals
    why               what there is to learn, shown once it is solved
    wrong             known wrong answers: commands, checks that recognize them, feedback
    mission           makes it an incident: see `Mission`

Texts go through gettext when they are shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path

import yaml

from swarmlab.errors import NoneSuch


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    text: str
    check: str
    next: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WrongAnswer:
    commands: str
    checks: list[str]  # all of them hold
    feedback: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mission:
    """What makes an exercise an incident: users, a clock, a budget, and what comes next."""

    users_of: str  # the service that users send requests to, from the start
    incident: str  # docker commands and faults, after the setup
    exam: str  # what happens next: tried on a copy before its goals are checked
    failed_max: int  # requests; more, and the mission is lost
    seconds_max: int
    changes_max: int
    look: str  # a command that shows the cause,
    shows: str  # which is this,
    sign: str  # from the moment on at which this check first holds, which is before the call
    second: str  # docker commands: another way
    lesson: list[str]  # parts of commands; without these neither way leads to the goal

    @property
    def limits(self) -> tuple[int, int, int]:
        """The budget: failed requests, seconds, changes."""
        return self.failed_max, self.seconds_max, self.changes_max


@dataclass(frozen=True, slots=True, kw_only=True)
class Exercise:
    name: str
    notebook: str  # the stem of its file
    title: str
    task: str
    cluster: dict[str, int]
    setup: str = ""
    goals: tuple[Goal, ...]
    hints: list[str]
    solution: str
    fewest_changes: int
    why: str
    wrong: tuple[WrongAnswer, ...]
    mission: Mission | None = None


@cache
def bank() -> dict[str, Exercise]:
    """Every exercise by its name, in the order of the notebooks."""
    exercises: dict[str, Exercise] = {}
    for path in sorted(Path(__file__).with_name("exercises").glob("*.yml")):
        for name, entry in yaml.safe_load(path.read_text("utf-8")).items():
            entry["goals"] = tuple(Goal(**goal) for goal in entry["goals"])
            entry["wrong"] = tuple(WrongAnswer(**answer) for answer in entry["wrong"])
            if "mission" in entry:
                entry["mission"] = Mission(**entry["mission"])
            exercises[name] = Exercise(**entry, name=name, notebook=path.stem)
    return exercises


def exercise_named(name: str) -> Exercise:
    """The exercise of this name; NoneSuch lists the names that exist."""
    if name not in bank():
        raise NoneSuch("there is no exercise {name!r}; there are {known}", name, bank())
    return bank()[name]


def topics() -> dict[str, list[Exercise]]:
    """The exercises of each notebook that has some."""
    return {stem: [*own] for stem, own in groupby(bank().values(), lambda entry: entry.notebook)}
