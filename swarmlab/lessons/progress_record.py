"""Which exercises a learner has solved: one small JSON file among their Jupyter data.

`{"spread_over_zones": {"changes": 1, "hints": 0}}`: no names of people, no times. Of a mission it
also keeps the points.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from jupyter_core.paths import jupyter_data_dir

from swarmlab.cluster.calls import checked
from swarmlab.cluster.files import replace_file
from swarmlab.errors import LabError
from swarmlab.lessons.bank import bank
from swarmlab.strings import N_, _
from swarmlab.views.html import Table

Solved = dict[str, dict[str, int]]  # exercise -> {changes, hints}


def progress_file() -> Path:
    return Path(jupyter_data_dir()) / "swarmlab" / "progress.json"


def solved_exercises() -> Solved:
    """What the file says; LabError when it is not a progress file."""
    if not progress_file().exists():
        return {}
    try:
        solved = json.loads(progress_file().read_text("utf-8"))
        return {name: {**best} for name, best in solved.items()}
    except (ValueError, TypeError, AttributeError) as error:
        text = N_("{path} is no record of solved exercises ({error}); move it away")
        raise LabError(text, path=progress_file(), error=error) from None


def record_solution(name: str, *, changes: int, hints: int, points: int | None = None) -> None:
    """Keep a solution, unless one as good is kept: with as few changes, or as many points."""
    solved = solved_exercises()
    best = solved.get(name)
    new = {"changes": changes, "hints": hints} | ({} if points is None else {"points": points})
    if best is None or rank(new) > rank(best):
        progress_file().parent.mkdir(parents=True, exist_ok=True)
        write(progress_file(), {**solved, name: new})


def rank(solution: dict[str, int]) -> tuple[int, int]:
    """The better one is higher."""
    return solution.get("points", 0), -solution.get("changes", 0)


def write(path: Path, solved: Solved) -> None:
    replace_file(path, json.dumps(solved, indent=1) + "\n")


@dataclass(frozen=True, slots=True, repr=False)
class ProgressTable(Table):
    """The exercises, and how each was solved; prints as a table.

    `progress()` shows it. Lesson: 00_start_here.
    """

    solved: Solved = field(default_factory=dict)

    def export(self, path: str | Path) -> Path:
        """Write a copy to `path`, for another machine or for your teacher."""
        write(Path(path), self.solved)
        return Path(path)


@checked
def progress(notebook: str = "") -> ProgressTable:
    """What is solved so far, of one notebook or of all: `progress("07_placement")`.
    Lesson: 07_placement.

    >>> progress().solved.get("no_such_exercise")
    """
    solved, rows = solved_exercises(), []
    exercises = [entry for entry in bank().values() if notebook in ("", entry.notebook)]
    for exercise in exercises:
        best = solved.get(exercise.name, {})
        mark = _("✔ solved") if best else _("– open")
        changes, hints, points = (best.get(key, "–") for key in ("changes", "hints", "points"))
        numbers = changes, exercise.fewest_changes, hints, points
        rows.append((_(exercise.title), mark, *map(str, numbers)))
    heads = _("Exercise"), _("Solved"), _("Changes"), _("Fewest"), _("Hints"), _("Points")
    count = sum(exercise.name in solved for exercise in exercises)
    summary = _("{count} of {all} solved.", count=count, all=len(exercises))
    copy = _("A copy of this, beside the page: ") + '`progress().export("progress.json")`'
    return ProgressTable(_("Exercises"), heads, tuple(rows), (summary, copy), solved)
