"""An exercise on a page: its task, a board, and buttons: start, check, hint, undo, solution.

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

from swarmlab.errors import LabError
from swarmlab.lessons import progress_record
from swarmlab.lessons.attempt import Attempt, Verdict
from swarmlab.lessons.bank import Exercise, exercise_named
from swarmlab.strings import N_, _
from swarmlab.views.board import Board, board_of
from swarmlab.views.html import Callout, WithStaticForms, big, folded, marked, widget_head
from swarmlab.views.widget import button

WAY_BACK = N_("**`%docker` stays with this swarm until you run `swarmlab.use(cluster)`.**")
REFLECTION_LEVEL = 3  # the hint before which the learner writes a line of reflection
_latest: dict[str, ExerciseWidget] = {}  # exercise -> the widget made last for it


class ExerciseWidget(WithStaticForms, ipywidgets.VBox):  # type: ignore[misc]
    """One exercise; its swarm is made by Start, and shown below."""

    def __init__(self, exercise: Exercise, make: Callable[..., Any]) -> None:
        self.exercise = exercise
        self.attempt = Attempt(exercise, make, on_change=self._draw)
        self._count, self._status = ipywidgets.HTML(), ipywidgets.HTML()
        self._reflection = ipywidgets.Text(
            description=_("One line:"), layout=ipywidgets.Layout(width="36em", display="none")
        )
        actions = {_("Start"): self.start, _("Check"): self.check, _("Hint"): self.hint}
        actions |= {_("Undo"): self.undo, _("Solution"): self.solution}
        self._buttons = [
            button(label, partial(self._on_click, action)) for label, action in actions.items()
        ]
        layout = ipywidgets.Layout(flex_flow="row wrap", align_items="center")
        row = ipywidgets.HBox([*self._buttons, self._count], layout=layout)
        self._board: Board | None = None
        task = ipywidgets.HTML(widget_head() + _task_html(exercise))
        self._fixed = [task, row, self._reflection, self._status]
        super().__init__(self._fixed)
        self._show(_("Press Start: this exercise has a swarm of its own."))
        self._draw()

    def _on_click(self, action: Callable[[], object]) -> None:
        """Carry out the action; an error is shown as status, never as a traceback."""
        try:
            action()
        except LabError as error:
            self._show(str(error))

    # -- what the buttons do ---------------------------------------------------------
    def start(self) -> None:
        """Make the exercise's swarm, anew if there was one; `%docker` speaks to it."""
        self._show(_("Making the swarm …"))
        self.attempt.start()
        solve = _("Solve it in a cell below, then press Check.")
        self._show(_("`%docker` talks to this swarm now."), solve, _(WAY_BACK))

    def do(self, commands: str) -> str:
        """Run these docker commands, one a line; their output."""
        return self.attempt.do(commands)

    def check(self) -> Verdict:
        """Check every goal; the verdict says what is missing and one next step."""
        verdict = self.attempt.check()
        recorded = (self._record(), _(WAY_BACK)) if verdict.passed else ()
        self._show(verdict.title, *verdict.lines, *recorded)
        board_of(self.cluster).refresh()  # time has passed
        return verdict

    def _record(self) -> str:
        """Record the solution; how many changes it took, and whether it could be recorded."""
        changes, fewest = self.attempt.changes, self.exercise.fewest_changes
        note = _("Start again, and try it with fewer.") if changes > fewest else ""
        try:
            progress_record.record_solution(
                self.exercise.name, changes=changes, hints=self.attempt.hints
            )
        except (LabError, OSError) as error:
            note = _("It could not be saved: {error}", error=error)
        count = _("Changes: {changes}, fewest: {fewest}.", changes=changes, fewest=fewest)
        return f"{count} {note}".rstrip()

    def hint(self) -> Callout:
        """The next hint; before the last one, the learner writes what they tried and saw."""
        hints = self.exercise.hints
        level = min(self.attempt.hints + 1, len(hints))
        due = level == REFLECTION_LEVEL > self.attempt.hints
        asks = due and not self._reflection.value.strip()
        self._reflection.layout.display = "" if asks else "none"
        if asks:
            question = _("First one line: what did you try, and what did you see?")
            return self._show(question, _("Write it above, then press Hint again."))
        self.attempt.hints = level
        self._draw()
        title = _("Hint {level} of {all}", level=level, all=len(hints))
        return self._show(title, *map(_, hints[:level]))

    def solution(self) -> Callout:
        """One solution. Its button is enabled after the last hint."""
        return self._show(_("One solution"), *self._solution_lines())

    def _solution_lines(self) -> list[str]:
        commands = [f"`{line}`" for line in self.exercise.solution.splitlines()]
        return [*commands, _(self.exercise.why)]

    def undo(self) -> None:
        """Back to just before the last change to the swarm."""
        self.attempt.undo()
        self._show(_("Undone: the swarm is as it was before the last change."))

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
        solution.disabled = attempt.hints < len(self.exercise.hints)
        text = _(
            "Changes: {changes} (fewest: {fewest}). Looking is free.",
            changes=attempt.changes,
            fewest=self.exercise.fewest_changes,
        )
        if solution.disabled:
            text += " " + _("The solution comes after the third hint.")
        self._count.value = f"<span style='font-size:1.1em'>&ensp;{escape(text)}</span>"

    def close(self) -> None:
        """Close the swarm, if it is real, and the widget."""
        self.attempt.close()
        for part in (*self._buttons, *self.children):
            part.close()
        super().close()

    def __repr__(self) -> str:
        exercise = self.exercise
        goals = [f"  – {_(goal.text)}" for goal in exercise.goals]
        lines = _(exercise.title), _(exercise.task).strip(), *goals
        return "\n".join(lines).replace("**", "")

    def _repr_html_(self) -> str:
        """What a page without a kernel shows: the task, its hints and solution folded."""
        exercise = self.exercise
        hints = "".join(folded(_("A hint"), marked(_(hint))) for hint in exercise.hints)
        answer = marked("\n".join(self._solution_lines()))
        return f"{_task_html(exercise)}{hints}{folded(_('Answer'), answer)}"


def _task_html(exercise: Exercise) -> str:
    goals = "".join(f"<li>{marked(_(goal.text))}</li>" for goal in exercise.goals)
    title, task = marked(_(exercise.title)), marked(_(exercise.task).strip())
    head = f"<b style='font-size:1.15em'>{title}</b><p>{task}</p>"
    return big(f"{head}{_('Goal:')}<ul style='margin:.2em 0'>{goals}</ul>")


def exercise(name: str, *, make: Callable[..., Any]) -> ExerciseWidget:
    """An exercise of the bank, to be shown. `make`: what makes its swarm, `swarmlab.simulate`.
    Lesson: 00_start_here.

    Called again with the same name, it closes the former widget and begins anew.
    """
    if name in _latest:
        _latest[name].close()
    _latest[name] = ExerciseWidget(exercise_named(name), make)
    return _latest[name]
