"""Errors in one line: a stopped cell, what an engine refuses, a name whose cell was not run yet."""

from __future__ import annotations

import ast
import linecache
import re
from difflib import get_close_matches
from itertools import islice
from types import TracebackType
from typing import Any

from docker.errors import DockerException
from requests.exceptions import RequestException

from swarmlab.strings import N_, _
from swarmlab.views.widget import explained

NOT_YET = N_(
    "✘ {name!r} is not known yet: a cell above was not run. Nothing has changed: run the cells "
    "above this one from the top, then this one again."
)
# The cell may have changed the cluster before it came to the name.
TOO_LATE = N_(
    "✘ {name!r} is not known yet: a cell above was not run. Part of this cell has already run, "
    "so start over: Kernel > Restart Kernel, then cell by cell from the top."
)
# What an engine refused through the docker SDK, or why it did not answer -> what to do next.
NEXT_STEPS = (
    (
        r"already exists|already in use|already part of a swarm",
        N_("It's there already, perhaps since this cell ran before: go on with the next."),
    ),
    (r"out of sequence", N_("It has changed since you read it: `.reload()` it, then try again.")),
    (r"not found|no such", N_("Look what there is: `client.services.list()` and the like.")),
    (r"not a swarm manager", N_("A manager answers this: `cluster.client()` speaks to one.")),
    (r"locked|encrypted", N_("`%docker swarm unlock` opens it, with the key.")),
    (
        r"leader|deadline|connect|timed out",
        N_("Look which nodes are up: `cluster.nodes`; `cluster.start(…)` starts one again."),
    ),
    ("", N_("Nothing has changed: correct the call, and run the cell again.")),
)


MISTAKES = NameError, AttributeError, TypeError
ONE_LINE = *MISTAKES, KeyboardInterrupt, DockerException, RequestException


def load_ipython_extension(ipython: Any) -> None:
    ipython.set_custom_exc(ONE_LINE, show_in_one_line)


def show_in_one_line(
    ipython: Any,
    kind: type[BaseException],
    error: BaseException,
    trace: TracebackType,
    **options: Any,
) -> None:
    """One sentence for a KeyboardInterrupt, a refusal that reaches the docker SDK, and, in the cell
    itself, a name that is missed or misspelled and a call that doesn't fit.

    Every other error, and one inside a function, keeps its traceback.
    """
    line, cell = "", trace.tb_next
    if isinstance(error, KeyboardInterrupt):
        line = _("Stopped; the swarm is intact. Time has passed in it; go on with any cell.")
    elif isinstance(error, DockerException):
        line = with_next_step(error, getattr(error, "explanation", None) or error)
    elif isinstance(error, RequestException):
        reason = explained(error)
        line = with_next_step(error, _("The engine doesn't answer: {reason}", reason=reason))
    elif cell is not None and cell.tb_next is None:
        line = _mistake(error, cell)
    if line:
        error._render_traceback_ = lambda: [line]  # type: ignore[attr-defined]
    ipython.showtraceback((kind, error, trace), **options)


def _mistake(error: BaseException, cell: TracebackType) -> str:
    """What is wrong with a cell that names something unknown, or calls it in a way that isn't."""
    if isinstance(error, NameError):
        return _(TOO_LATE if _has_called(cell) else NOT_YET, name=error.name)
    if isinstance(error, AttributeError):
        known = [name for name in dir(error.obj) if name[0] != "_"]
        if near := get_close_matches(str(error.name), known, 1):
            text = N_("✘ there is no {name!r}; did you mean {near!r}?")
            return _(text, name=error.name, near=near[0])
    if call := re.match(r"([\w.]+)\(\) (missing|takes|got)", str(error)):
        return _("✘ {error}; `{name}?` shows how to call it.", error=error, name=call[1])
    return ""


def _has_called(cell: TracebackType) -> bool:
    """Whether the cell had called anything before it was stopped."""
    code, place = cell.tb_frame.f_code, cell.tb_lasti // 2
    line, _line, column, _column = next(islice(code.co_positions(), place, None))
    tree = ast.parse("".join(linecache.getlines(code.co_filename)))
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    return any((c.end_lineno, c.end_col_offset) <= (line, column) for c in calls)


def with_next_step(error: Exception, told: object) -> str:
    """What the engine said, in its own words, and what to do next, in one line."""
    step = next(step for pattern, step in NEXT_STEPS if re.search(pattern, str(error), re.I))
    return f"✘ {' '.join(str(told).split()).rstrip('.')}. {_(step)}"
