"""The exercises as data: one YAML file a notebook, one entry an exercise.

    title, task      what the learner reads
    cluster          what `make` is called with: managers, workers, seed
    setup            docker commands and faults (`crash w1`, `run 30s`), a line each
    goals            each: says (in words), check (see `measures`), next (one step when it fails)
    hints            three, each telling more than the one before
    solution, par    the commands, and the fewest changes to the swarm that do it
    why              what is to be learnt, told once it is solved
    wrong            known wrong answers: commands, by what they are seen (checks), the nudge

Texts go through gettext when they are shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from swarmlab.errors import NoneSuch


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    says: str
    check: str
    next: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WrongAnswer:
    commands: str
    seen: list[str]  # checks; all of them hold
    nudge: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Exercise:
    name: str
    notebook: str  # the stem of its file
    title: str
    task: str
    cluster: dict[str, int]
    setup: str
    goals: tuple[Goal, ...]
    hints: list[str]
    solution: str
    par: int  # changes to the swarm
    why: str
    wrong: tuple[WrongAnswer, ...]


def exercise_of(name: str, notebook: str, entry: dict[str, Any]) -> Exercise:
    goals = tuple(Goal(**goal) for goal in entry["goals"])
    wrong = tuple(WrongAnswer(**answer) for answer in entry["wrong"])
    whole = {"setup": "", **entry, "goals": goals, "wrong": wrong}
    return Exercise(name=name, notebook=notebook, **whole)


@cache
def bank() -> dict[str, Exercise]:
    """Every exercise by its name, in the order of the notebooks."""
    found: dict[str, Exercise] = {}
    for path in sorted(Path(__file__).with_name("exercises").glob("*.yml")):
        for name, entry in yaml.safe_load(path.read_text("utf-8")).items():
            found[name] = exercise_of(name, path.stem, entry)
    return found


def find(name: str) -> Exercise:
    """The exercise of this name; LabError says which there are."""
    if name not in bank():
        raise NoneSuch("there is no exercise {name!r}; there are {known}", name, bank())
    return bank()[name]
