"""An exercise on a page: its task, a command line, a board, and buttons; and a list to pick one.

Whatever a button does is a method, too, for programs and for work by keyboard:

    task = exercise("spread_over_zones", make=swarmlab.simulate)
    task.do("docker service create …")
    task.check()
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from html import escape
from typing import Any

import ipywidgets
from markupsafe import Markup

from swarmlab.cluster.calls import checked
from swarmlab.cluster.current import latest, use
from swarmlab.cluster.interface import MakeCluster
from swarmlab.errors import LabError, NoneSuch
from swarmlab.lessons import progress_record
from swarmlab.lessons.attempt import Attempt, Figures, Verdict
from swarmlab.lessons.bank import Exercise, exercise_named, topics
from swarmlab.lessons.course_map import topic_of
from swarmlab.lessons.debrief import Debrief
from swarmlab.strings import N_, _
from swarmlab.views.board import Board, board_of
from swarmlab.views.html import Callout, WithStaticForms, big, folded, marked, tag, widget_head
from swarmlab.views.widget import Field, button, translate_later

WAY_BACK = N_("**`%docker` stays with these machines until you run `swarmlab.use(cluster)`.**")
WAITING = N_(
    "**Waiting costs:** a line takes 5 s, and as long as its command waits. `docker service update`"
    " waits until all tasks run, up to 300 s; with `--detach` it doesn't."
)
WITHOUT_BUTTONS = N_(
    'Without buttons: e = exercise("{name}", make=…), then e.do("docker node ls"), e.check(),'
    " e.hint()"
)
REFLECTION_LEVEL = 3  # the hint before which the learner writes a line of reflection
_latest: dict[str, ExerciseWidget] = {}  # exercise -> the widget made last for it


class Output(str):
    """What commands print, which a cell shows as a terminal does.

    `exercise("first_service", make=swarmlab.simulate).do("docker node ls")`. Lesson: 20_missions.
    """

    __slots__ = ()

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        printer.text(self.rstrip("\n"))


class ExerciseWidget(WithStaticForms, ipywidgets.VBox):  # type: ignore[misc]
    """One exercise; its machines are made by Start, and shown below.

    `exercise("empty_a_node", make=swarmlab.simulate)` shows it. Lesson: 00_start_here.
    """

    def __init__(self, exercise: Exercise, make: Callable[..., Any]) -> None:
        self.exercise, self.make = exercise, make
        self.attempt = Attempt(exercise, make, on_change=self._draw)
        self._board: Board | None = None
        super().__init__()
        self.relabel()
        translate_later(self)

    def relabel(self) -> None:
        """Show it in the language in use, as it stands; what was said last is not said again."""
        self._count, self._status, self._hints, self._output = (ipywidgets.HTML() for _ in range(4))
        self._reflection = _text_field(_("One line:"), display="none")
        self._command = _text_field(_("Command:"), placeholder="docker …")
        self._command.on_msg(self._on_command)  # Enter
        run = button(_("Run"), partial(self._on_click, self.run))
        actions: dict[str, Callable[[], object]]
        actions = {_("Start"): self.start, _("Check"): self.check, _("Hint"): self.hint}
        actions |= {_("Undo"): self.undo, _("Solution"): self.solution}
        self._buttons = [
            button(label, partial(self._on_click, action)) for label, action in actions.items()
        ]
        layout = ipywidgets.Layout(flex_flow="row wrap", align_items="center")
        row = ipywidgets.HBox([*self._buttons, self._count], layout=layout)
        line = ipywidgets.HBox([self._command, run], layout=layout)
        task = ipywidgets.HTML(Markup(widget_head()) + _task_html(self.exercise))
        self._fixed = [task, row, line, self._output, self._hints, self._reflection, self._status]
        self.children = [*self._fixed, *filter(None, [self._board])]
        if self.attempt.cluster is None:
            self._show(_("Press Start: this exercise has machines of its own."))
        self._draw()

    def _on_click(self, action: Callable[[], object]) -> None:
        """Carry out the action; an error is shown as status, never as a traceback."""
        try:
            action()
        except LabError as error:
            self._show(str(error))

    def _on_command(self, _field: Any, message: dict[str, Any], _buffers: Any) -> None:
        if message.get("event") == "submit":
            self._on_click(self.run)

    # -- what the buttons do ---------------------------------------------------------
    def start(self) -> None:
        """Make the exercise's swarm, a new one if there was one; `%docker` speaks to it."""
        self._show(_("Making the machines …"))
        self.attempt.start()
        self._output.value = ""
        solve = _("Type commands above (Enter runs them) or in any cell, then press Check.")
        time = _("Time passes while a command runs; the line `run 30s` lets 30 seconds pass.")
        self._show(_("`%docker` talks to these machines now."), solve, time, _(WAY_BACK))

    def run(self) -> None:
        """Run what the command line holds, and show its output below."""
        if command := self._command.value.strip():
            output = f"$ {command}\n{self.do(command)}".rstrip()
            self._output.value = tag("pre", output, style="overflow-x:auto;line-height:1.35")
            self._command.value = ""

    def do(self, commands: str) -> Output:
        """Run these docker commands, one a line; their output."""
        return Output(self.attempt.do(commands))

    def check(self) -> Verdict:
        """Check every goal; the verdict says what is missing and one next step."""
        verdict = self.attempt.check()
        recorded = (self._record(), _(WAY_BACK)) if verdict.passed else ()
        self._show(verdict.title, *verdict.lines, *recorded)
        if self.exercise.mission and (verdict.passed or self.attempt.over_budget):
            self._status.value += self.debrief()._repr_html_()
        board_of(self.cluster).refresh()  # time has passed
        return verdict

    def debrief(self) -> Debrief:
        """After a mission: your run and a model run on one time line, and your score."""
        if self.exercise.mission is None:
            raise LabError("{name!r} is no mission: it has no debrief", name=self.exercise.name)
        self.attempt.started()
        if not (self.attempt.solved or self.attempt.over_budget):
            text = N_("The debrief shows a solution: win first, or lose (`run {n}s`).")
            raise LabError(text, n=self.exercise.mission.seconds_max)
        return Debrief(self.attempt, self.exercise.mission)

    def _record(self) -> str:
        """Record the solution; how many changes it took, and whether it could be recorded."""
        changes, fewest = self.attempt.changes, self.exercise.fewest_changes
        mission = self.exercise.mission
        points = self.attempt.figures.points(mission) if mission else None
        note = _("Start again, and try it with fewer.") if changes > fewest else ""
        try:
            progress_record.record_solution(
                self.exercise.name, changes=changes, hints=self.attempt.hints, points=points
            )
        except (LabError, OSError) as error:
            note = _("It could not be saved: {error}", error=error)
        count = _("Changes: {changes}, fewest: {fewest}.", changes=changes, fewest=fewest)
        return f"{count} {note}".rstrip()

    def hint(self, tried: str = "") -> Callout:
        """The next hint; before the last one, the learner writes what they tried and saw."""
        self._reflection.value = tried or self._reflection.value
        hints = self.exercise.hints
        level = min(self.attempt.hints + 1, len(hints))
        due = level == REFLECTION_LEVEL > self.attempt.hints
        asks = due and not self._reflection.value.strip()
        self._reflection.layout.display = "" if asks else "none"
        if not asks:
            self.attempt.hints = level
        self._draw()
        return self._hints_given()

    def _hints_given(self) -> Callout:
        """All hints so far, which stay on the page; and what comes before the next one."""
        hints, level = self.exercise.hints, self.attempt.hints
        lines = [f"{i}. {_(hint)}" for i, hint in enumerate(hints[:level], 1)]
        if self._reflection.layout.display != "none":
            lines.append(_("First one line: what did you try, and what did you see?"))
            lines.append(_('Write it below, then press Hint again; without buttons: `hint("…")`.'))
        return Callout(_("Hint {level} of {all}", level=level, all=len(hints)), tuple(lines))

    def solution(self) -> Callout:
        """One solution: after the last hint, or yours."""
        if self._solution_waits():
            return self._show(_("The solution comes after the third hint."))
        return self._show(_("One solution"), *_solution_lines(self.exercise))

    def undo(self) -> None:
        """Back to just before the last change to the swarm."""
        self.attempt.undo()
        self._show(_("Undone: everything is as it was before the last change."))

    def _solution_waits(self) -> bool:
        return not self.attempt.solved and self.attempt.hints < len(self.exercise.hints)

    # -- showing -----------------------------------------------------------------------
    @property
    def cluster(self) -> Any:
        """The exercise's own swarm; made when it is first asked for."""
        return self.attempt.started()

    def _show(self, title: str, *lines: str) -> Callout:
        callout = Callout(title, lines)
        self._status.value = f"<div role='status'>{callout._repr_html_()}</div>"
        return callout

    def _draw(self) -> None:
        """Show the swarm, the count of changes, and which buttons can be pressed."""
        attempt, board = self.attempt, self._board
        if attempt.cluster is not None and (board is None or board.cluster is not attempt.cluster):
            self._board = board_of(attempt.cluster)
            self.children = [*self._fixed, self._board]
            if board is not None:
                board.close()
        start, check, hint, undo, solution = self._buttons
        start.description = _("Start") if attempt.cluster is None else _("Start again")
        check.disabled = hint.disabled = attempt.cluster is None
        undo.disabled = not attempt.changes
        solution.disabled = self._solution_waits()
        hints = self._hints_given()._repr_html_() if attempt.hints else ""
        self._hints.value = f"<div role='status'>{hints}</div>"
        counts = {"changes": attempt.changes, "fewest": self.exercise.fewest_changes}
        text = _("Changes: {changes} (fewest: {fewest}). Looking is free.", **counts)
        if self.exercise.mission and attempt.cluster is not None:
            text = attempt.standing
        if solution.disabled:
            text += " " + _("The solution comes after the third hint.")
        self._count.value = f"<span style='font-size:1.1em'>{escape(text)}</span>"

    def close(self) -> None:
        """Close the swarm, if it is real, and the widget."""
        self.attempt.close()
        for part in (*self._buttons, *self.children):
            part.close()
        super().close()

    def __repr__(self) -> str:
        exercise = self.exercise
        goals = [f"  – {_(goal.text)}" for goal in exercise.goals]
        lines = _(exercise.title), _task_text(exercise), *goals, _budget_text(exercise)
        lines = *filter(None, lines), _(WITHOUT_BUTTONS, name=exercise.name)
        return "\n".join(lines).replace("**", "")

    def _repr_html_(self) -> str:
        return _static_html(self.exercise)


def _text_field(label: str, *, display: str = "", placeholder: str = "") -> ipywidgets.Text:
    layout = ipywidgets.Layout(flex="1 1 20em", max_width="60em", width="auto", display=display)
    options = {"layout": layout, "style": {"description_width": "initial"}}
    return ipywidgets.Text(description=label, placeholder=placeholder, **options)


def _budget_text(exercise: Exercise) -> str:
    mission, nothing = exercise.mission, Figures(0, 0, 0, hints=0, looked=False, solved=False)
    return " ".join([_("Your budget:"), *nothing.against(mission)]) if mission else ""


def _task_text(exercise: Exercise) -> str:
    waiting = [_(WAITING)] if exercise.mission else []
    return "\n".join([*waiting, _(exercise.task).strip()])


def _task_html(exercise: Exercise) -> str:
    goals = "".join(f"<li>{marked(_(goal.text))}</li>" for goal in exercise.goals)
    title, task = marked(_(exercise.title)), marked(_task_text(exercise))
    head = f"<b style='font-size:1.15em'>{title}</b><p>{task}</p>"
    goals = f"<ul style='margin:.2em 0'>{goals}</ul>{marked(_budget_text(exercise))}"
    return big(f"{head}{_('Goal:')}{goals}")


def _solution_lines(exercise: Exercise) -> list[str]:
    return [*(f"`{line}`" for line in exercise.solution.splitlines()), _(exercise.why)]


def _static_html(exercise: Exercise) -> str:
    """What a page without a kernel shows: the task, its hints and solution folded."""
    hints = "".join(folded(_("A hint"), marked(_(hint))) for hint in exercise.hints)
    answer = marked("\n".join(_solution_lines(exercise)))
    return f"{_task_html(exercise)}{hints}{folded(_('Answer'), answer)}"


class ExercisePicker(WithStaticForms, ipywidgets.VBox):  # type: ignore[misc]
    """Two lists, of topics and of the exercises of one; below them, the exercise picked.

    `exercises("05_quorum", make=swarmlab.simulate)` shows it. Lesson: 05_quorum.
    """

    def __init__(self, topic: str, make: Callable[..., Any]) -> None:
        self.make = make
        self.topic = Field(N_("Topic"))
        self.pick = Field(N_("Exercise"))
        super().__init__()
        self.pick.observe(self._show_exercise, "value")
        self.topic.observe(self._list_exercises, "value")
        self.topic.value = topic
        translate_later(self)

    def relabel(self) -> None:
        """The lists in the language in use."""
        self.topic.options = [[topic_of(name), name] for name in topics()]
        self.pick.options = [[_(e.title), e.name] for e in topics()[self.topic.value]]

    def _list_exercises(self, _change: Any) -> None:
        self.relabel()
        self.pick.value = topics()[self.topic.value][0].name

    def _show_exercise(self, _change: Any) -> None:
        """Show the exercise, as it was left if it was shown before."""
        shown = _latest.get(self.pick.value)
        if shown is None or shown.make is not self.make:
            shown = exercise(self.pick.value, make=self.make)
        self.exercise = shown
        if shown.attempt.cluster is not None:
            use(shown.attempt.cluster)
        self.children = [self.topic, self.pick, shown]

    def __repr__(self) -> str:
        return repr(self.exercise)

    def _repr_html_(self) -> str:
        return "".join(_static_html(entry) for entry in topics()[self.topic.value])


@checked
def exercise(name: str, *, make: MakeCluster) -> ExerciseWidget:
    """An exercise of the bank, to be shown: `exercise("lost_quorum", make=swarmlab.simulate)`.
    Lesson: 00_start_here.

    Called again with the same name, it closes the former widget and starts over.
    """
    if name in _latest:
        _latest[name].close()
    _latest[name] = ExerciseWidget(exercise_named(name), make)
    return _latest[name]


def in_progress() -> str:
    """The exercise whose swarm is the current cluster; empty: none."""
    attempts = (shown.attempt for shown in _latest.values() if shown.attempt.cluster is not None)
    return next((a.exercise.name for a in attempts if a.cluster is latest()), "")


@checked
def exercises(topic: str, *, make: MakeCluster) -> ExercisePicker:
    """The exercises of a notebook to pick from, and by another list those of all the others:
    `exercises("07_placement", make=swarmlab.simulate)`. Lesson: 00_start_here.
    """
    if topic not in topics():
        raise NoneSuch("there are no exercises on {name!r}; there are on {known}", topic, topics())
    return ExercisePicker(topic, make)
