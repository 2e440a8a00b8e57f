"""Plays the pages' steps by itself: to make their scenes, and to say what would fail in a room.

The cells run in an IPython shell in this process, as they would in a kernel; what they show is
dropped.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from traitlets.config import Config

from swarmlab.cli.stage import asked_in
from swarmlab.cluster.current import latest, use
from swarmlab.cluster.simulated import SimulatedCluster
from swarmlab.errors import LabError
from swarmlab.lessons import scenes
from swarmlab.lessons.course_map import notebooks
from swarmlab.lessons.run_of_show import Step, steps
from swarmlab.strings import N_

WORDS_A_MINUTE, BET_MINUTES = 130, 20 / 60
FAILED = N_("{page}, cell {cell!r}: {kind}: {error}")


@contextmanager
def fresh_shell() -> Iterator[Any]:
    """The only IPython shell of this process; no page has run in it, and no cluster is there."""
    InteractiveShell.clear_instance()
    shell: Any = InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))
    before: Any = latest()
    nothing: Any = None
    use(nothing)
    try:
        shell.run_line_magic("load_ext", "swarmlab")
        yield shell
    finally:
        shell.restore_sys_module_state()
        InteractiveShell.clear_instance()
        use(before)


def code_of(step: Step) -> list[dict[str, Any]]:
    """Its cells that run."""
    text = (notebooks() / f"{step.page}.ipynb").read_text("utf-8")
    cells = [json.loads(text)["cells"][place] for place in step.cells]
    return [cell for cell in cells if cell["cell_type"] == "code"]


def play(shell: Any, step: Step) -> Iterator[LabError]:
    """Run the cells of a step; what fails. KeyboardInterrupt: the presenter has enough."""
    for cell in code_of(step):
        with capture_output():
            result = shell.run_cell("".join(cell["source"]))
        if error := result.error_before_exec or result.error_in_exec:
            if isinstance(error, KeyboardInterrupt):  # meant for all, not for this cell
                raise error
            kind = type(error).__name__
            yield LabError(FAILED, page=step.page, cell=cell["id"], kind=kind, error=error)


def clusters_of(shell: Any) -> dict[str, SimulatedCluster]:
    """The simulated clusters that the page has in variables, the current one first."""
    held = {
        name: value
        for name, value in shell.user_ns.items()
        if isinstance(value, SimulatedCluster) and not name.startswith("_")
    }
    return dict(sorted(held.items(), key=lambda item: item[1] is not latest()))


# -- scenes ----------------------------------------------------------------------------------------
def scenes_made(page: str) -> dict[str, Any]:
    """What the file of a page's scenes has to hold; LabError: a cell fails."""
    clusters = list[SimulatedCluster]()
    found: dict[str, Any] = {}
    with fresh_shell() as shell:
        for step in steps(page):
            if step.scene:
                held = clusters_of(shell)
                clusters += [cluster for cluster in held.values() if cluster not in clusters]
                found[step.scene[3:]] = {
                    name: (clusters.index(c), len(c.journal), c.now_ns, c.trace.digest())
                    for name, c in held.items()
                }
            for failure in play(shell, step):
                raise failure
    runs = []
    for cluster in clusters:
        journal = [[entry.at_ns, entry.verb, *entry.args] for entry in cluster.journal]
        runs.append({"configuration": cluster.configuration, "journal": journal})
    return {"cells": cells_digest(page), "runs": runs, "scenes": found}


def cells_digest(page: str) -> str:
    """Of what scenes are made from: their names, and the code of all steps."""
    made_from = [(step.scene, [cell["source"] for cell in code_of(step)]) for step in steps(page)]
    return hashlib.sha256(repr(made_from).encode()).hexdigest()


def save_scenes(page: str) -> int:
    """Make the scenes of a page again; how many it has."""
    made = scenes_made(page)
    path = scenes.FOLDER / f"{page}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(made, indent=1) + "\n", "utf-8")
    return len(made["scenes"])


# -- rehearsals ------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True, kw_only=True)
class RehearsedStep:
    """How a step went."""

    step: Step
    wait_s: float  # until its cells had run
    failures: tuple[LabError, ...]

    @property
    def minutes(self) -> float:
        """What it takes at least: to say its notes, to wait, and 20 seconds for each bet."""
        said = len(self.step.notes.split()) / WORDS_A_MINUTE
        code: str = "".join(line for cell in code_of(self.step) for line in cell["source"])
        return said + self.wait_s / 60 + len(asked_in(code)) * BET_MINUTES


def rehearse(page: str, minutes: int | None = None) -> Iterator[RehearsedStep]:
    """Play the steps of a page, all or those of a run of show, which jumps by scenes.

    Where no step is left out, each scene is compared with what the cells have led to.
    """
    shown = steps(page, minutes)
    ready, begins = 0, ""  # the step that would come now, and the scene in which it begins
    with fresh_shell() as shell:
        for number, step in enumerate(steps(page) if shown else ()):
            begins = step.scene or begins
            if number and step not in shown:
                continue  # the first step sets the page up, shown or not
            failures = [*_entered(shell, step, begins if number > ready else "")]
            start_s = time.process_time()  # as if nothing else ran on this computer
            failures += play(shell, step)
            wait_s = time.process_time() - start_s
            yield RehearsedStep(step=step, wait_s=wait_s, failures=tuple(failures))
            ready = number + 1


def _entered(shell: Any, step: Step, jump_to: str) -> Iterator[LabError]:
    """Jump to a scene, or else see that the step's own is what the cells have led to."""
    try:
        if jump_to:
            scenes.scene(jump_to)
        elif step.scene:
            saved = scenes.clusters_in(step.scene)
            now = {name: cluster.trace.digest() for name, cluster in clusters_of(shell).items()}
            if now != {name: moment.digest for name, moment in saved.items()}:
                yield LabError(scenes.STALE, page=step.page[:2])
    except LabError as error:
        yield error
