"""A learner's attempt at one exercise: its swarm, the changes made to it, and the check.

A change is a write request that the swarm accepted, sent by `%docker`, the SDK or the board.
Reads are free. A simulated swarm is copied after every change, so the last one can be undone.
"""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

from swarmlab.cluster.current import use
from swarmlab.cluster.faults import FAULTS, inject
from swarmlab.errors import LabError
from swarmlab.jupyter.magic import run_commands
from swarmlab.lessons.bank import Exercise, Mission
from swarmlab.lessons.goal_checks import SwarmReader, evaluate
from swarmlab.strings import N_, _
from swarmlab.units import S
from swarmlab.views.html import Callout
from swarmlab.views.meter import READING, failed_by_second

# Requests that are no changes of their own: `docker run` is one, when its container starts.
UNCOUNTED = ("/exec", "/containers/create", "/images/create")
SETTLE_TIME = "30s"  # of virtual time, before a simulated swarm is checked
RATE = 10  # of a mission's users: requests a second
TYPING_S = 5  # so long it takes to type a line in a mission, and to read what it answers
COUNTED = {"failed": N_("requests that failed: {n}"), "running": N_("tasks that run: {n}")}
LOST = N_("✘ Lost: the budget is spent. Read the debrief, then start again.")


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


def found(check: str, value: str) -> str:
    """What a goal's check has measured, with its unit; no raw error."""
    if re.search("not have a leader|not a swarm manager", value):
        return _("no leader answers")
    return _(COUNTED.get(check.split()[0], "{n}"), n=value.rpartition("desc = ")[2])


def verdict_on(exercise: Exercise, swarm: SwarmReader) -> Verdict:
    """Check every goal; a known wrong answer gets feedback of its own."""
    results = [(goal, *evaluate(swarm, goal.check)) for goal in exercise.goals]
    line = _("✘ {goal} (in the test: {found})") if swarm.now else _("✘ {goal} (found: {found})")
    lines = [
        f"✔ {_(goal.text)}"
        if reached
        else line.format(goal=_(goal.text), found=found(goal.check, value))
        for goal, reached, value in results
    ]
    missed = [goal.next for goal, reached, _value in results if not reached]
    # A real swarm has no exam that would find a known mistake: there its signs are enough.
    untried = exercise.mission and exercise.mission.exam and not swarm.now
    wrong = [
        answer.feedback
        for answer in exercise.wrong
        if (missed or untried) and all(evaluate(swarm, check)[0] for check in answer.checks)
    ]
    passed = not (wrong or missed)
    step = _([*wrong, *missed, exercise.why][0])
    title, word = (_("✔ Solved."), _("Why:")) if passed else (_("✘ Not yet."), _("Next:"))
    return Verdict(title, (*lines, f"**{word}** {step}"), passed, step)


def examined(exercise: Exercise, cluster: Any) -> SwarmReader:
    """Reads the swarm; of a mission a copy, in which the next thing has happened."""
    mission = exercise.mission
    if mission is None or not mission.exam or not cluster.has_trace:
        return SwarmReader(cluster)
    copy = cluster.fork()
    run_lines(copy, mission.exam)
    use(cluster)
    return SwarmReader(copy, now=SwarmReader(cluster))


class Figures(NamedTuple):
    """What a mission has cost so far, to be held against its budget."""

    failed: int  # requests
    seconds: int
    changes: int
    hints: int
    looked: bool  # a command that only looks came before the first change
    solved: bool

    def against(self, mission: Mission) -> dict[str, bool]:
        """Each part of the budget in words, and whether more than that is spent."""
        lines = _("Failed requests: {n} of {most}."), _("Time: {n} of {most} s.")
        parts = zip((*lines, _("Changes: {n} of {most}.")), self, mission.limits, strict=False)
        return {line.format(n=n, most=most): n > most for line, n, most in parts}

    def parts(self, mission: Mission) -> list[int]:
        """The points: 40 for users, 20 for time, 20 for few changes; 5 less a hint; 20 for looking
        first."""
        parts = zip((40, 20, 20), self, mission.limits, strict=False)
        points = [round(worth * max(0, 1 - n / most)) for worth, n, most in parts]
        return [*points, -5 * self.hints, 20 * self.looked]

    def points(self, mission: Mission) -> int:
        """The sum, when it is solved."""
        return self.solved * max(0, sum(self.parts(mission)))


class Attempt:
    """One exercise, its cluster, and its count of changes; calls `on_change` when these change."""

    def __init__(
        self, exercise: Exercise, make: Callable[..., Any], on_change: Callable[[], object]
    ) -> None:
        self.exercise, self._make, self._on_change = exercise, make, on_change
        self.cluster: Any = None  # until it is started
        self.changes = self.hints = self.undone = 0
        self.solved = False
        self.users_ns = self.known_ns = self.start_ns = 0  # users come; the sign shows; the call
        self._lines = 0  # typed, for which time has passed
        self.changed_ns: list[int] = []  # when each change was made
        self.waits: list[tuple[int, str]] = []  # when each wait and each check began
        self.copies: list[Any] = []  # the swarm as it was after 0, 1, 2, … changes

    def start(self) -> None:
        """Make the swarm, a new one if there was one, and make it the current cluster."""
        self.close()
        self.cluster = self._make(**self.exercise.cluster)
        code, output = run_lines(self.cluster, self.exercise.setup)
        if code:
            self.close()
            text = N_("the swarm of {name!r} could not be set up: {output}")
            raise LabError(text, name=self.exercise.name, output=output)
        settle(self.cluster)
        self.undone, self.solved, self.known_ns = 0, False, 0
        if mission := self.exercise.mission:
            self._incident(self.cluster, mission)
        self.resume(self.cluster)

    def _incident(self, cluster: Any, mission: Mission) -> None:
        """Let users come, and all happen that happens before the learner is called."""
        self.users_ns = cluster.clock_ns()
        if cluster.has_trace:
            cluster.traffic(mission.users_of, rate=RATE)
        for line in ("", *mission.incident.splitlines()):
            run_lines(cluster, line)
            if not self.known_ns and evaluate(SwarmReader(cluster), mission.sign)[0]:
                self.known_ns = cluster.clock_ns()

    def resume(self, cluster: Any) -> None:
        """Begin with this swarm, which is set up."""
        self.changes, self.changed_ns, self.waits, self.copies = 0, [], [], []
        self.start_ns, self._lines = cluster.clock_ns(), len(cluster.typed)
        self._watch(cluster)

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
            self.copies[self.changes :] = [self.cluster.fork()]
        self._on_change()

    def _on_response(self, cluster: Any, response: Any, *_args: Any, **_options: Any) -> None:
        request = response.request
        path = request.path_url
        reads = request.method in ("GET", "HEAD") or any(part in path for part in UNCOUNTED)
        if response.ok and not reads and cluster is self.cluster:
            self.changes += 1
            self.changed_ns.append(cluster.clock_ns())
            self._changed()

    def do(self, commands: str) -> str:
        """Run these commands, one a line; their output."""
        self.started()
        output = ""
        for line in commands.splitlines():
            began_ns = self.cluster.clock_ns()
            output += run_lines(self.cluster, line)[1]
            if (waited := (self.cluster.clock_ns() - began_ns) // S) > 2:
                self.waits.append((began_ns, _("waits {n} s", n=waited)))
            self._type()
        return f"{output}{self.standing}\n" if self.exercise.mission else output

    def _type(self) -> None:
        """In a mission, let the time pass that typing took since the last call."""
        lines, self._lines = len(self.cluster.typed) - self._lines, len(self.cluster.typed)
        if self.exercise.mission and lines:
            self.cluster.run(TYPING_S * lines)
            self._on_change()

    def started(self) -> Any:
        """Its cluster, which is made now if it was not started."""
        if self.cluster is None:
            self.start()
        return self.cluster

    def check(self) -> Verdict:
        """Check every goal; the verdict says what is missing and one next step."""
        cluster = self.started()
        use(cluster)
        self._type()
        self.waits.append((cluster.clock_ns(), _("check: waits 30 s")))
        settle(cluster)
        verdict = verdict_on(self.exercise, examined(self.exercise, cluster))
        if over := self.over_budget:
            lines = (*over, *verdict.lines)
            verdict = replace(verdict, title=_(LOST), lines=lines, passed=False)
        self.solved = verdict.passed
        self._on_change()
        return verdict

    @property
    def figures(self) -> Figures:
        """What it has cost so far."""
        return Figures(
            failed=sum(n for at, n in self.failed_by_second().items() if at > 0),
            seconds=(self.cluster.clock_ns() - self.start_ns) // S,
            changes=self.changes + self.undone,
            hints=self.hints,
            looked=any(at < min(self.changed_ns, default=at + 1) for at, _line in self.looks()),
            solved=self.solved,
        )

    @property
    def over_budget(self) -> list[str]:
        """The parts of a mission's budget of which more was spent than there was."""
        mission = self.exercise.mission
        parts = self.figures.against(mission) if mission else {}
        return [line for line, over in parts.items() if over]

    @property
    def standing(self) -> str:
        """Of a mission: what is spent, and whether it is lost."""
        parts = self.figures.against(mission) if (mission := self.exercise.mission) else {}
        return " ".join([*[_(LOST)] * any(parts.values()), *parts])

    def failed_by_second(self) -> Counter[int]:
        """Second since the start -> how many requests to a mission's service failed in it."""
        mission, start_s = self.exercise.mission, self.start_ns // S
        if mission is None or not self.cluster.has_trace:
            return Counter()
        failed = failed_by_second(self.cluster, mission.users_of)
        return Counter({at - start_s: n for at, n in failed.items()})

    def looks(self) -> list[tuple[int, str]]:
        """The lines typed since the start that only look, each with its time."""
        typed = (entry for entry in self.cluster.typed if entry[0] >= self.start_ns)
        return [(at, line) for at, line in typed if READING & set(line.split()[:5])]

    def model(self) -> Attempt:
        """The solution, from the moment at which this attempt began, and checked."""
        model = Attempt(self.exercise, self._make, on_change=list)
        model.users_ns = self.users_ns
        model.resume(self.copies[0].fork())
        model.do(self.exercise.solution)
        model.check()
        use(self.cluster)
        return model

    def undo(self) -> None:
        """Go back to just before the last change; only a simulated swarm can."""
        if not self.started().has_trace:
            raise LabError("A real swarm can't go back. Undo it with a command, or start again.")
        if not self.changes:
            raise LabError("Nothing to undo: the swarm is as it was at the start.")
        self.changes, self.undone = self.changes - 1, self.undone + 1
        del self.changed_ns[self.changes :]
        former, copy = self.cluster, self.copies[self.changes]
        copy.typed[:] = [entry for entry in former.typed if entry[0] <= copy.clock_ns()]
        self.waits = [wait for wait in self.waits if wait[0] < copy.clock_ns()]
        self._lines = len(copy.typed)
        self._watch(copy)
