"""What somebody has solved: one small JSON file among their Jupyter data, written when it grows.

`{"spread_over_zones": {"changes": 1, "hints": 0}}`: no names of people, no times.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from jupyter_core.paths import jupyter_data_dir

from swarmlab.errors import LabError
from swarmlab.lessons.bank import bank
from swarmlab.strings import N_, _
from swarmlab.views.tables import Table

Solved = dict[str, dict[str, int]]  # name -> {changes, hints}


def file() -> Path:
    return Path(jupyter_data_dir()) / "swarmlab" / "progress.json"


def read() -> Solved:
    """What is solved; LabError when the file is not ours."""
    if not file().exists():
        return {}
    try:
        return {name: {**best} for name, best in json.loads(file().read_text("utf-8")).items()}
    except (ValueError, TypeError, AttributeError) as error:
        text = N_("{path} is no record of solved exercises ({error}); move it away")
        raise LabError(text, path=file(), error=error) from None


def note(name: str, *, changes: int, hints: int) -> None:
    """Keep a solution, unless one with as few changes is kept already."""
    solved = read()
    if changes < solved.get(name, {}).get("changes", changes + 1):
        file().parent.mkdir(parents=True, exist_ok=True)
        write(file(), {**solved, name: {"changes": changes, "hints": hints}})


def write(path: Path, solved: Solved) -> None:
    """Whole, or not at all."""
    aside = path.with_name(path.name + ".new")
    aside.write_text(json.dumps(solved, indent=1) + "\n", "utf-8")
    aside.replace(path)


@dataclass(frozen=True, slots=True, repr=False)
class Progress(Table):
    """The exercises, and how each was solved; prints as a table."""

    solved: Solved = field(default_factory=dict)

    def export(self, path: str | Path) -> Path:
        """Write a copy to `path`, for another machine or for your teacher."""
        write(Path(path), self.solved)
        return Path(path)


def progress(notebook: str = "") -> Progress:
    """What is solved so far, of one notebook or of all: `progress("07_placement")`.
    Lesson: 07_placement.

    >>> progress().solved.get("no_such_exercise")
    """
    solved = read()
    shown = [one for one in bank().values() if notebook in ("", one.notebook)]
    rows = []
    for exercise in shown:
        best = solved.get(exercise.name, {})
        mark = _("✔ solved") if best else _("– open")
        counts = best.get("changes", "–"), exercise.par, best.get("hints", "–")
        rows.append((exercise.name, _(exercise.title), mark, *map(str, counts)))
    heads = _("Name"), _("Exercise"), _("Solved"), _("Changes"), _("Fewest"), _("Hints")
    count = sum(one.name in solved for one in shown)
    told = _("{count} of {all} solved.", count=count, all=len(shown))
    begin = _('To begin one: `exercise("NAME", make=make)`. A copy of this, beside the page: ')
    notes = told, begin + '`progress().export("progress.json")`'
    return Progress(_("Exercises"), heads, tuple(rows), notes, solved)
