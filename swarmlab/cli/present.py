"""`swarmlab present`: the talk on a projector, from one notebook made of the pages' steps.

The first output of that notebook is `views/static/stage.js`, which JupyterLab runs when it opens
the notebook: it runs each step when it is first shown, and takes the presenter's keys.
"""

from __future__ import annotations

import dataclasses
import os
import tempfile
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from swarmlab.cli.notebooks import language_option, open_lab
from swarmlab.errors import LabError
from swarmlab.strings import N_

if TYPE_CHECKING:
    from swarmlab.lessons.run_of_show import Step

TALK = "talk.ipynb"
MINUTES = 45  # of the run, when neither pages nor minutes are given
# All cells are in the page from the beginning; most are hidden.
SETTINGS = '{"windowingMode": "none", "scrollPastEnd": false}'
SIMULATED, REAL = "make = swarmlab.simulate", "make = swarmlab.launch"


@click.command(context_settings={"ignore_unknown_options": True})
@language_option
@click.option("--minutes", type=click.Choice(["30", "45", "60", "90"]), help="The run of show.")
@click.option("--real", is_flag=True, help="On real engines, where a page allows it.")
@click.argument("words", metavar="[PAGE]...", nargs=-1, type=click.UNPROCESSED)
def present(minutes: str | None, real: bool, words: tuple[str, ...]) -> None:
    """Present the talk, or some of its pages, on a projector.

    In the browser, ? shows the keys, and n opens the presenter's window. Every other option, such
    as --no-browser or --port=9999, goes to JupyterLab.
    """
    from jupyter_core.paths import jupyter_data_dir

    options = [word for word in words if word.startswith("-")]
    pages = [word for word in words if not word.startswith("-")]
    length = int(minutes) if minutes else None if pages else MINUTES
    with tempfile.TemporaryDirectory(prefix="swarmlab-") as folder:
        place = Path(folder)
        # What is bet and solved on the stage is not the presenter's own.
        paths = filter(None, [os.environ.get("JUPYTER_PATH"), jupyter_data_dir()])
        os.environ["JUPYTER_PATH"] = os.pathsep.join(paths)
        os.environ["JUPYTER_DATA_DIR"] = str(place / "data")
        file = place / "settings/@jupyterlab/notebook-extension/tracker.jupyterlab-settings"
        file.parent.mkdir(parents=True)
        file.write_text(SETTINGS, encoding="utf-8")
        write_talk(place / "talk" / TALK, chosen_steps(pages, length), length, real=real)
        homes = [f"--LabApp.user_settings_dir={place / 'settings'}"]
        homes += [f"--LabApp.workspaces_dir={place / 'workspaces'}"]
        open_lab(place / "talk" / TALK, place / "talk", [*homes, *options])


def chosen_steps(pages: Sequence[str], minutes: int | None) -> list[Step]:
    """The steps of these pages, or of all, in the order of the talk: those of a run, or all."""
    from swarmlab.lessons import course_map, run_of_show

    runs = {page: run_of_show.steps(page, minutes) for page in course_map.pages()}
    named = {*map(run_of_show.page_named, pages)}
    if missing := [page for page, steps in runs.items() if page in named and not steps]:
        known = ", ".join(page for page, steps in runs.items() if steps)
        text = N_("{pages}: not in this run, which shows {known} (without --minutes: all pages)")
        raise LabError(text, pages=", ".join(missing), known=known)
    return [step for page, steps in runs.items() if page in (named or runs) for step in steps]


def write_talk(path: Path, steps: Sequence[Step], minutes: int | None, *, real: bool) -> None:
    """Write the notebook, trusted: what starts the stage, then each page's set-up and its steps.

    Its metadata says which cells each step shows, and what the presenter should know.
    """
    import nbformat
    from nbformat.sign import NotebookNotary

    from swarmlab.cli import stage

    output = nbformat.v4.new_output("display_data", {"text/html": stage.starter()})  # type: ignore[no-untyped-call]  # it has no types
    cells: list[Any] = [nbformat.v4.new_code_cell(outputs=[output])]  # type: ignore[no-untyped-call]  # as above
    rows: list[dict[str, Any]] = []
    for page in dict.fromkeys(step.page for step in steps):
        chosen = [step for step in steps if step.page == page]
        more, rows_of_page = _part(page, chosen, len(cells))
        cells += more
        rows += rows_of_page
    for place, cell in enumerate(cells):
        cell.id = f"cell-{place}"  # ids are unique in one page only
        if real:
            cell.source = cell.source.replace(SIMULATED, REAL)
    for row in rows:
        length = row["minutes"]
        row["minutes"] = length.get(minutes) or max(length.values(), default=0.0)
    kernel = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    about = {"kernelspec": kernel, "swarmlab": {"steps": rows, **stage.texts()}}
    notebook = nbformat.v4.new_notebook(cells=cells, metadata=about)  # type: ignore[no-untyped-call]  # as above
    path.parent.mkdir(parents=True)
    nbformat.write(notebook, path)  # type: ignore[no-untyped-call]  # as above
    NotebookNotary().sign(notebook)  # type: ignore[no-untyped-call]  # as above


def _part(page: str, steps: Sequence[Step], start: int) -> tuple[list[Any], list[dict[str, Any]]]:
    """The cells of a page that a run needs, to stand from `start` on, and what its steps are."""
    import nbformat

    from swarmlab.cli import stage
    from swarmlab.lessons import run_of_show
    from swarmlab.lessons.course_map import notebooks

    cells = nbformat.read(notebooks() / f"{page}.ipynb", as_version=4).cells  # type: ignore[no-untyped-call]  # it has no types
    setup = next(place for place, cell in enumerate(cells) if cell.cell_type == "code")
    kept = sorted({setup, *chain.from_iterable(step.cells for step in steps)})
    places = {old: new for new, old in enumerate(kept, start)}
    whole, rows = run_of_show.steps(page), []
    for step in steps:
        before = whole[: whole.index(step)][-1:]
        row = dataclasses.asdict(step) | {
            "cells": [places[cell] for cell in step.cells],
            "setup": places[setup],
            "jumps": any(other not in steps for other in before),  # it begins with its scene
            "bets": stage.bets_in("\n".join(cells[cell].source for cell in step.cells)),
        }
        rows.append(row)
    return [cells[old] for old in kept], rows
