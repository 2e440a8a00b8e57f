"""Somebody at work on one exercise: its swarm, what was changed there, and how far it is.

A change is a write that the swarm took, whoever sent it: `%docker`, the SDK, the board. Looking is
free. In a simulation the swarm is copied after every change, so the last one can be undone.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from swarmlab.cluster.current import use
from swarmlab.errors import LabError
from swarmlab.jupyter.magic import shell
from swarmlab.lessons.bank import Exercise
from swarmlab.lessons.goal_checks import Swarm, look
from swarmlab.strings import N_, _
from swarmlab.views.html import Callout

FAULTS = ("crash", "start", "stop", "partition", "heal", "run")
SETTLE = "30s"  # of virtual time, before a simulated swarm is looked at


def play(cluster: Any, text: str) -> tuple[int, str]:
    """Docker commands and faults, a line each: the last exit code, and what was said."""
    use(cluster)
    code, said = 0, io.StringIO()
    for line in text.splitlines():
        word, *words = line.split()
        if word in FAULTS:
            getattr(cluster, word)(*words)
        else:
            code = shell(line, said, said)
    return code, said.getvalue()


def settle(cluster: Any) -> None:
    """Let a simulated swarm act on what it was told; a real one has its own time."""
    if cluster.kind == "simulated":
        cluster.run(SETTLE)


@dataclass(frozen=True, slots=True, repr=False)
class Verdict(Callout):
    """Each goal with what was found, and one step; prints as a few lines."""

    passed: bool
    step: str  # what to do next, or, when all is right, what there was to learn


def judged(exercise: Exercise, swarm: Swarm) -> Verdict:
    """Look at every goal; a known wrong answer gets its own nudge."""
    looks = [(goal, *look(swarm, goal.check)) for goal in exercise.goals]
    line = _("✘ {goal} (found: {found})")
    lines = [
        f"✔ {_(goal.says)}" if reached else line.format(goal=_(goal.says), found=found)
        for goal, reached, found in looks
    ]
    missed = [goal for goal, reached, _found in looks if not reached]
    if not missed:
        step = _(exercise.why)
        return Verdict(_("✔ Solved."), (*lines, f"**{_('Why:')}** {step}"), True, step)
    known = (w for w in exercise.wrong if all(look(swarm, check)[0] for check in w.seen))
    step = _(next((wrong.nudge for wrong in known), missed[0].next))
    return Verdict(_("✘ Not yet."), (*lines, f"**{_('Next:')}** {step}"), False, step)


class Attempt:
    """One exercise, its cluster, and its count; `told` is called whenever one of them changed."""

    def __init__(
        self, exercise: Exercise, make: Callable[..., Any], told: Callable[[], object]
    ) -> None:
        self.exercise, self._make, self._told = exercise, make, told
        self.cluster: Any = None  # until it is started
        self.changes = self.hints = 0
        self._past: list[Any] = []  # the swarm as it was after 0, 1, 2, … changes

    def start(self) -> None:
        """Make the swarm, anew if there was one; `%docker` speaks to it."""
        self.close()
        self.cluster = self._make(**self.exercise.cluster)
        code, said = play(self.cluster, self.exercise.setup)
        if code:
            self.close()
            line = N_("the swarm of {name!r} could not be set up: {said}")
            raise LabError(line, name=self.exercise.name, said=said)
        settle(self.cluster)
        self.changes, self._past = 0, []
        self._take_up(self.cluster)

    def close(self) -> None:
        """End a real swarm's engines; a simulated swarm is only forgotten."""
        if hasattr(self.cluster, "close"):
            self.cluster.close()
        self.cluster = None

    def _take_up(self, cluster: Any) -> None:
        """Watch what is written to this cluster, at each of its nodes."""
        self.cluster = cluster
        for name in cluster.names:
            cluster.client(name).api.hooks["response"].append(partial(self._heard, cluster))
        use(cluster)
        self._changed()

    def _changed(self) -> None:
        """The swarm is as it is after `changes` changes: keep a copy, where that can be."""
        if self.cluster.kind == "simulated":
            self._past[self.changes :] = [self.cluster.fork()]
        self._told()

    def _heard(self, cluster: Any, response: Any, *_args: Any, **_options: Any) -> None:
        looks = response.request.method in ("GET", "HEAD") or "/exec" in response.request.path_url
        if response.ok and not looks and cluster is self.cluster:
            self.changes += 1
            self._changed()

    def do(self, commands: str) -> str:
        """Type these commands, a line each; what was said."""
        return play(self.started(), commands)[1]

    def started(self) -> Any:
        """Its cluster, made if nobody did yet."""
        if self.cluster is None:
            self.start()
        return self.cluster

    def check(self) -> Verdict:
        """Look at every goal; say what is wrong and one next step."""
        cluster = self.started()
        use(cluster)
        settle(cluster)
        return judged(self.exercise, Swarm(cluster))

    def undo(self) -> None:
        """Go back to just before the last change; only a simulated swarm can."""
        if self.started().kind != "simulated":
            raise LabError("A real swarm cannot go back. Undo it by a command, or start again.")
        if not self.changes:
            raise LabError("Nothing to undo: the swarm is as it was at the start.")
        self.changes -= 1
        self._take_up(self._past[self.changes])
