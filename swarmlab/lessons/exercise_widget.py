"""An exercise on a page: its goal, and buttons to start, check, ask, undo, and see a solution.

All that a button does is a method, too, so that a program or a keyboard can work on it:

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
from swarmlab.lessons.bank import Exercise, find
from swarmlab.strings import _
from swarmlab.views.board import Board, board_of
from swarmlab.views.html import Callout, WithStaticForms, big, folded, marked, widget_head

REFLECT_AT = 3  # the hint that asks for a line of reflection first
_shown: dict[str, ExerciseWidget] = {}  # by name, the one made last


class ExerciseWidget(WithStaticForms, ipywidgets.VBox):  # type: ignore[misc]
    """One exercise; its swarm is made by Start, and shown below."""

    def __init__(self, exercise: Exercise, make: Callable[..., Any]) -> None:
        self.exercise = exercise
        self.attempt = Attempt(exercise, make, told=self._draw)
        self._used, self._status = ipywidgets.HTML(), ipywidgets.HTML()
        self._thought = ipywidgets.Text(
            description=_("One line:"), layout=ipywidgets.Layout(width="36em", display="none")
        )
        acts = {_("Start"): self.start, _("Check"): self.check, _("Hint"): self.hint}
        acts |= {_("Undo"): self.undo, _("Solution"): self.solution}
        self._buttons = [self._button(word, act) for word, act in acts.items()]
        layout = ipywidgets.Layout(flex_flow="row wrap", align_items="center")
        row = ipywidgets.HBox([*self._buttons, self._used], layout=layout)
        self._board: Board | None = None
        task = ipywidgets.HTML(widget_head() + _task_html(exercise))
        self._fixed = [task, row, self._thought, self._status]
        super().__init__(self._fixed)
        self._say(Callout(_("Press Start: this exercise has a swarm of its own."), ()))
        self._draw()

    def _button(self, word: str, act: Callable[[], object]) -> ipywidgets.Button:
        button = ipywidgets.Button(description=word, layout=ipywidgets.Layout(width="auto"))
        button.on_click(partial(self._clicked, act))
        return button

    def _clicked(self, act: Callable[[], object], _button: Any) -> None:
        """Do it; a refusal is told where the learner looks, never as a traceback."""
        try:
            act()
        except LabError as refusal:
            self._say(Callout(str(refusal), ()))

    # -- what the buttons do ---------------------------------------------------------
    def start(self) -> None:
        """Make the exercise's swarm, anew if there was one; `%docker` speaks to it."""
        self._say(Callout(_("The swarm is being made …"), ()))
        self.attempt.start()
        lines = (_("Solve it in a cell below, then press Check."), _way_back())
        self._say(Callout(_("`%docker` speaks to this swarm now."), lines))

    def do(self, commands: str) -> str:
        """Type these commands, a line each; what was said."""
        return self.attempt.do(commands)

    def check(self) -> Verdict:
        """Look whether every goal is reached; say what is wrong, and one next step."""
        verdict = self.attempt.check()
        kept = (self._kept(), _way_back()) if verdict.passed else ()
        self._say(Callout(verdict.title, (*verdict.lines, *kept)))
        board_of(self.cluster).refresh()  # time has passed
        return verdict

    def _kept(self) -> str:
        """Note the solution; how many changes it took, and whether it could be noted."""
        changes, par = self.attempt.changes, self.exercise.par
        note = _("Start again, and try it in fewer.") if changes > par else ""
        try:
            progress_record.note(self.exercise.name, changes=changes, hints=self.attempt.hints)
        except (LabError, OSError) as error:
            note = _("It could not be noted: {error}", error=error)
        used = _("Changes: {changes}, fewest: {par}.", changes=changes, par=par)
        return f"{used} {note}".rstrip()

    def hint(self) -> Callout:
        """The next hint; before the last one, a line of what you tried and saw."""
        hints = self.exercise.hints
        level = min(self.attempt.hints + 1, len(hints))
        asks = level == REFLECT_AT > self.attempt.hints and not self._thought.value.strip()
        self._thought.layout.display = "" if asks else "none"
        question = _("First one line: what did you try, and what did you see?")
        said = Callout(question, (_("Write it above, then press Hint again."),))
        if not asks:
            self.attempt.hints = level
            title = _("Hint {level} of {all}", level=level, all=len(hints))
            said = Callout(title, tuple(_(hint) for hint in hints[:level]))
        self._say(said)
        self._draw()
        return said

    def solution(self) -> Callout:
        """One good answer. The button comes after the last hint."""
        lines = [f"`{line}`" for line in self.exercise.solution.splitlines()]
        said = Callout(_("One solution"), (*lines, _(self.exercise.why)))
        self._say(said)
        return said

    def undo(self) -> None:
        """Back to just before the last change to the swarm."""
        self.attempt.undo()
        self._say(Callout(_("Undone: the swarm is as it was before its last change."), ()))

    # -- showing -----------------------------------------------------------------------
    @property
    def cluster(self) -> Any:
        """The exercise's own swarm; made when it is first asked for."""
        return self.attempt.started()

    def _say(self, said: Callout) -> None:
        self._status.value = f"<div role='status'>{said._repr_html_()}</div>"

    def _draw(self) -> None:
        """The swarm as it is now, how many changes were made, and what can be pressed."""
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
        used = {"changes": attempt.changes, "par": self.exercise.par}
        words = _("Changes: {changes} (fewest: {par}). Looking is free.", **used)
        if solution.disabled:
            words += " " + _("The solution comes after the third hint.")
        self._used.value = f"<span style='font-size:1.1em'>&ensp;{escape(words)}</span>"

    def close(self) -> None:
        """End the swarm, if it is real, and the widget."""
        self.attempt.close()
        for part in (*self._buttons, *self.children):
            part.close()
        super().close()

    def __repr__(self) -> str:
        exercise = self.exercise
        goals = [f"  – {_(goal.says)}" for goal in exercise.goals]
        text = "\n".join((_(exercise.title), _(exercise.task).strip(), *goals))
        return text.replace("**", "")

    def _repr_html_(self) -> str:
        """What stands on a page without a kernel: the task, its hints and solution folded."""
        exercise = self.exercise
        hints = "".join(folded(_("A hint"), marked(_(hint))) for hint in exercise.hints)
        commands = [f"`{line}`" for line in exercise.solution.splitlines()]
        answer = marked("\n".join([*commands, _(exercise.why)]))
        return _task_html(exercise) + hints + folded(_("Answer"), answer)


def _task_html(exercise: Exercise) -> str:
    goals = "".join(f"<li>{marked(_(goal.says))}</li>" for goal in exercise.goals)
    title, task = marked(_(exercise.title)), marked(_(exercise.task).strip())
    head = f"<b style='font-size:1.15em'>{title}</b><p>{task}</p>"
    return big(f"{head}{_('Goal:')}<ul style='margin:.2em 0'>{goals}</ul>")


def _way_back() -> str:
    return _("**`%docker` stays with this swarm until you run `swarmlab.use(cluster)`.**")


def exercise(name: str, *, make: Callable[..., Any]) -> ExerciseWidget:
    """An exercise of the bank, to be shown. `make`: what makes its swarm, `swarmlab.simulate`.
    Lesson: 00_start_here.

    Asked for again, it begins anew, and what it had before is closed.
    """
    if name in _shown:
        _shown[name].close()
    _shown[name] = ExerciseWidget(find(name), make)
    return _shown[name]
