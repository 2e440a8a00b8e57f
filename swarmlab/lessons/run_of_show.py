"""The run of show: what of each page a room is shown, for how many minutes, and what to say.

It is kept in the notebooks' metadata. A cell with `slideshow: {slide_type: slide}` (or `subslide`)
begins a step; the cells after it belong to it, but for those of type `skip`, which a room never
sees. What the presenter needs is in `swarmlab`, in the metadata of a step's first cell:

    scene     the name of the state in which the step begins, one word: `cut` on page 05 is "05.cut"
    minutes   its minutes in each run of show that shows it: {"45": 2, "90": 1.5}
    notes, ask, wrong, trouble    see `Step`
    code      true: the room sees its code

In these texts a key, or code, stands between `backticks`. What is in [square brackets] is not said.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

from swarmlab.errors import LabError, NoneSuch
from swarmlab.lessons.course_map import notebooks, pages
from swarmlab.strings import N_

RUNS = {30: 3, 45: 5, 60: 6, 90: 10}  # minutes of a run: of these, for questions at its end
WRONG = N_(
    "{page}, cell {cell!r}: {key} is {value!r}. Only a slide has a scene (one word in small"
    " letters, which no other step of the page has), minutes (above 0, of some of the runs {runs}),"
    " notes, ask, wrong, trouble (texts) and code (true or false)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What a room sees at once, and what the presenter has to know."""

    page: str
    title: str  # its heading, else the one above it
    cells: tuple[int, ...]  # places in the notebook, from 0
    scene: str = ""  # "05.cut": the state in which it begins; empty: that of the scene before
    minutes: Mapping[int, float]  # run of show: minutes of this step; a run without it skips it
    notes: str = ""  # what to say, at 130 words a minute
    ask: str = ""  # what to ask the room; (its answer)
    wrong: str = ""  # wrong bets to expect, and why
    trouble: str = ""  # what may go wrong, and the key that saves you
    shows_code: bool = False


def page_named(name: str) -> str:
    """A page, by its name or its number.

    >>> page_named("05")
    '05_quorum'
    """
    for page in pages():
        if name in (page, page[:2]):
            return page
    raise NoneSuch("there is no page {name!r}; there are {known}", name, pages())


def steps(page: str, minutes: int | None = None) -> list[Step]:
    """The steps of a page; those of one run of show if `minutes` says which.

    >>> [step.scene for step in steps("05_quorum", 30)][1]
    '05.healthy'
    """
    if minutes not in (None, *RUNS):
        known = map(str, RUNS)
        raise NoneSuch("there is no run of {name} minutes; there are {known}", str(minutes), known)
    page = page_named(page)
    cells = json.loads((notebooks() / f"{page}.ipynb").read_text("utf-8"))["cells"]
    kinds = [cell["metadata"].get("slideshow", {}).get("slide_type") for cell in cells]
    starts = [place for place, kind in enumerate(kinds) if kind in ("slide", "subslide")]
    found: dict[str, Step] = {}  # by scene; by place where a step names none
    for start, end in pairwise([*starts, len(cells)]):
        said = dict(cells[start]["metadata"].get("swarmlab", {}))
        for key, value in said.items():
            if not _is_right(key, value) or (key == "scene" and f"{page[:2]}.{value}" in found):
                raise _wrong(page, cells[start], key, value)
        scene = f"{page[:2]}.{said.pop('scene')}" if "scene" in said else ""
        found[scene or str(start)] = Step(
            page=page,
            title=_title(cells[: start + 1]),
            cells=tuple(place for place in range(start, end) if kinds[place] != "skip"),
            scene=scene,
            minutes={int(run): float(share) for run, share in said.pop("minutes", {}).items()},
            shows_code=said.pop("code", False),
            **said,
        )
    for place in {*range(len(cells))} - {*starts}:
        if "swarmlab" in cells[place]["metadata"]:
            raise _wrong(page, cells[place], "slide_type", kinds[place])
    return [step for step in found.values() if minutes is None or minutes in step.minutes]


def run_of_show(minutes: int) -> list[tuple[float, Step]]:
    """The steps of a run, each with the minute at which it begins.

    >>> [(start, step.scene) for start, step in run_of_show(45) if step.page == "05_quorum"][1]
    (15.5, '05.healthy')
    """
    shown = [step for page in pages() for step in steps(page, minutes)]
    starts = accumulate((step.minutes[minutes] for step in shown), initial=0.0)
    return list(zip(starts, shown, strict=False))


def _title(cells: list[dict[str, Any]]) -> str:
    """The first heading of the last cell, else the last one before."""
    for cell in reversed(cells):
        text = "".join(cell["source"]) if cell["cell_type"] == "markdown" else ""
        if headings := re.findall(r"^#+ (.*)$", text, re.MULTILINE):
            return str(headings[0] if cell is cells[-1] else headings[-1])
    return ""


def _is_right(key: str, value: Any) -> bool:
    """Whether this may stand in a step's metadata."""
    match key, value:
        case "scene", str():
            return re.fullmatch("[a-z]+", value) is not None
        case "minutes", dict():
            numbers = [type(share) in (int, float) and share > 0 for share in value.values()]
            return {*value} <= {*map(str, RUNS)} and all(numbers)
        case ("notes" | "ask" | "wrong" | "trouble", str()) | ("code", bool()):
            return True
    return False


def _wrong(page: str, cell: dict[str, Any], key: str, value: object) -> LabError:
    runs = ", ".join(map(str, RUNS))
    return LabError(WRONG, page=page, cell=cell["id"], key=key, value=value, runs=runs)
