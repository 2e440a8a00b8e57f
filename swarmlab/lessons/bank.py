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


@cache
def bank() -> dict[str, Exercise]:
    """Every exercise by its name, in the order of the notebooks."""
    exercises: dict[str, Exercise] = {}
    for path in sorted(Path(__file__).with_name("exercises").glob("*.yml")):
        for name, entry in yaml.safe_load(path.read_text("utf-8")).items():
            entry["goals"] = tuple(Goal(**goal) for goal in entry["goals"])
            entry["wrong"] = tuple(WrongAnswer(**answer) for answer in entry["wrong"])
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
