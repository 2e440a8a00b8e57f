"""A learner's attempt at one exercise: its swarm, the changes made to it, and the check.

A change is a write request that the swarm accepted, whoever sent it: `%docker`, the SDK, the board.
Reads are free. A simulated swarm is copied after every change, so the last one can be undone.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from swarmlab.cluster.current import use
from swarmlab.cluster.faults import FAULTS, inject
from swarmlab.errors import LabError
from swarmlab.jupyter.magic import run_commands
from swarmlab.lessons.bank import Exercise
from swarmlab.lessons.goal_checks import SwarmReader, evaluate
from swarmlab.strings import N_, _
from swarmlab.views.html import Callout

# Requests that are no changes of their own: `docker run` is one, when its container starts.
UNCOUNTED = ("/exec", "/containers/create", "/images/create")
SETTLE_TIME = "30s"  # of virtual time, before a simulated swarm is checked


def run_lines(cluster: Any, text: str) -> tuple[int, str]:
    """Run docker commands and faults, one a line; the last exit code, and the whole output."""
    use(cluster)
    code, output = 0, io.StringIO()
    for line in filter(None, map(str.strip, text.splitlines())):
        line = line.removeprefix("%")
        word, *words = line.split()
        if word in FAULTS:
            inject(cluster, word, *words)
        elif word == "run":
            cluster.run(" ".join(words))
        else:
            code = run_commands(line, output, output, progress=lambda *_bar: None)
    return code, output.getvalue()


def settle(cluster: Any) -> None:
    """Let a simulated swarm act on its last changes; on a real one time passes by itself."""
    if cluster.virtual_time:
        cluster.run(SETTLE_TIME)


@dataclass(frozen=True, slots=True, repr=False)
class Verdict(Callout):
    """Whether each goal is reached, and one next step; prints as a few lines."""

    passed: bool
    step: str  # what to do next, or, when all goals are reached, what there was to learn


def verdict_on(exercise: Exercise, swarm: SwarmReader) -> Verdict:
    """Check every goal; a known wrong answer gets feedback of its own."""
    results = [(goal, *evaluate(swarm, goal.check)) for goal in exercise.goals]
    line = _("✘ {goal} (found: {found})")
    lines = [
        f"✔ {_(goal.text)}" if reached else line.format(goal=_(goal.text), found=value)
        for goal, reached, value in results
    ]
    missed = [goal for goal, reached, _value in results if not reached]
    if not missed:
        step = _(exercise.why)
        return Verdict(_("✔ Solved."), (*lines, f"**{_('Why:')}** {step}"), True, step)
    recognized = (
        answer.feedback
        for answer in exercise.wrong
        if all(evaluate(swarm, check)[0] for check in answer.checks)
    )
    step = _(next(recognized, missed[0].next))
    return Verdict(_("✘ Not yet."), (*lines, f"**{_('Next:')}** {step}"), False, step)


class Attempt:
    """One exercise, its cluster, and its count of changes; calls `on_change` when these change."""

    def __init__(
        self, exercise: Exercise, make: Callable[..., Any], on_change: Callable[[], object]
    ) -> None:
        self.exercise, self._make, self._on_change = exercise, make, on_change
        self.cluster: Any = None  # until it is started
        self.changes = self.hints = 0
        self._copies: list[Any] = []  # the swarm as it was after 0, 1, 2, … changes

    def start(self) -> None:
        """Make the swarm, anew if there was one, and make it the current cluster."""
        self.close()
        self.cluster = self._make(**self.exercise.cluster)
        code, output = run_lines(self.cluster, self.exercise.setup)
        if code:
            self.close()
            text = N_("the swarm of {name!r} could not be set up: {output}")
            raise LabError(text, name=self.exercise.name, output=output)
        settle(self.cluster)
        self.changes, self._copies = 0, []
        self._watch(self.cluster)

    def close(self) -> None:
        """Close a real swarm, which ends its engines; a simulated swarm is only forgotten."""
        if self.cluster is not None:
            self.cluster.close()
        self.cluster = None

    def _watch(self, cluster: Any) -> None:
        """Make this the current cluster, and count the changes made through any of its nodes."""
        self.cluster = cluster
        for name in cluster.names:
            hooks = cluster.client(name).api.hooks["response"]
            hooks.append(partial(self._on_response, cluster))
        use(cluster)
        self._changed()

    def _changed(self) -> None:
        """Keep a copy of the swarm after `changes` changes, where that is possible."""
        if self.cluster.has_trace:
            self._copies[self.changes :] = [self.cluster.fork()]
        self._on_change()

    def _on_response(self, cluster: Any, response: Any, *_args: Any, **_options: Any) -> None:
        request = response.request
        path = request.path_url
        reads = request.method in ("GET", "HEAD") or any(part in path for part in UNCOUNTED)
        if response.ok and not reads and cluster is self.cluster:
            self.changes += 1
            self._changed()

    def do(self, commands: str) -> str:
        """Run these commands, one a line; their output."""
        return run_lines(self.started(), commands)[1]

    def started(self) -> Any:
        """Its cluster, which is made now if it was not started."""
        if self.cluster is None:
            self.start()
        return self.cluster

    def check(self) -> Verdict:
        """Check every goal; the verdict says what is missing and one next step."""
        cluster = self.started()
        use(cluster)
        settle(cluster)
        return verdict_on(self.exercise, SwarmReader(cluster))

    def undo(self) -> None:
        """Go back to just before the last change; only a simulated swarm can."""
        if not self.started().has_trace:
            raise LabError("A real swarm can't go back. Undo it with a command, or start again.")
        if not self.changes:
            raise LabError("Nothing to undo: the swarm is as it was at the start.")
        self.changes -= 1
        self._watch(self._copies[self.changes])
