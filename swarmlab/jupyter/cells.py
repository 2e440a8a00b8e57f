"""Errors in one line: a stopped cell, what an engine refuses, a name whose cell was not run yet."""

from __future__ import annotations

import ast
import linecache
import re
from collections.abc import Iterator
from difflib import get_close_matches
from itertools import islice
from textwrap import shorten
from types import TracebackType
from typing import Any

from docker.errors import DockerException
from requests.exceptions import RequestException

from swarmlab.cluster.calls import misfit_in
from swarmlab.errors import SwarmError
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


MISTAKES = NameError, AttributeError, TypeError, LookupError, StopIteration
# What Python says of a call, an index or an attribute that doesn't fit, and what we say.
WORDS = {
    r"missing .*arguments?: '(\w+)'": N_("{0} is missing; `{what}?` shows how to call it"),
    r"unexpected keyword argument '(\w+)'": N_(
        "there is no argument {0!r}; `{what}?` shows how to call it"
    ),
    r"takes .*positional argument": N_("too many arguments; `{what}?` shows how to call it"),
    r"not callable": N_("it is no function: write it without parentheses"),
    r"not subscriptable": N_("it takes no [ ]; Tab after `{what}.` offers what it has"),
    r"index out of range": N_("there are fewer; [0] is the first, [-1] the last"),
    r"^StopIteration$": N_("nothing there fits (yet); run the cells above first"),
    r"indices must be": N_("it is indexed by place; [0] is the first, [-1] the last"),
    r"has no attribute '(\w+)'": N_("there is no {0!r}; Tab after `{what}.` offers what it has"),
    r"^(?:'.*'|\d+|\(.*\))$": N_("there is no such key; `list({what})` shows the keys"),
}
SHOWN_MAX = 60  # characters of a cell


def load_ipython_extension(ipython: Any) -> None:
    ipython.set_custom_exc((Exception, KeyboardInterrupt), show_in_one_line)


def show_in_one_line(
    ipython: Any,
    kind: type[BaseException],
    error: BaseException,
    trace: TracebackType,
    **options: Any,
) -> None:
    """One sentence for a KeyboardInterrupt, a refusal that reaches the docker SDK, a call of ours
    that doesn't fit, and, in the cell itself, a name, a call or an index that doesn't.

    Every other error, and one inside a function of the cell, keeps its traceback.
    """
    line, frames = "", [frame for frame in _frames(trace.tb_next) if not _is_of(frame, "docker")]
    ours = [frame for frame in frames if _is_of(frame, "swarmlab")]
    cell = [frame for frame in frames if frame not in ours]
    if isinstance(error, KeyboardInterrupt):
        line = _("Stopped; the swarm is intact. Time has passed in it; go on with any cell.")
    elif isinstance(error, DockerException):
        line = with_next_step(error, getattr(error, "explanation", None) or error)
    elif isinstance(error, RequestException):
        reason = explained(error)
        line = with_next_step(error, _("The engine doesn't answer: {reason}", reason=reason))
    elif ours and not isinstance(error, SwarmError) and (wrong := misfit_in(ours[0].tb_frame)):
        line = f"✘ {ours[0].tb_frame.f_code.co_name}: {wrong}"
    elif isinstance(error, MISTAKES) and cell[-1:] == frames[-1:] and all(map(_unnamed, cell)):
        line = _mistake(error, frames[-1])
    if line:
        error._render_traceback_ = lambda: [line]  # type: ignore[attr-defined]
    ipython.showtraceback((kind, error, trace), **options)


def _frames(trace: TracebackType | None) -> Iterator[TracebackType]:
    while trace is not None:
        yield trace
        trace = trace.tb_next


def _is_of(trace: TracebackType, package: str) -> bool:
    return str(trace.tb_frame.f_globals.get("__name__")).partition(".")[0] == package


def _unnamed(trace: TracebackType) -> bool:
    """Of a cell itself, or of a lambda or a comprehension in it."""
    return trace.tb_frame.f_code.co_name[0] == "<"


def _mistake(error: BaseException, cell: TracebackType) -> str:
    """What is wrong with a cell that names, indexes or calls something that isn't there."""
    if isinstance(error, NameError):
        return _(TOO_LATE if _has_called(cell) else NOT_YET, name=error.name)
    if isinstance(error, AttributeError):
        known = [name for name in dir(error.obj) if name[0] != "_"]
        if near := get_close_matches(str(error.name), known, 1):
            text = N_("✘ there is no {name!r}; did you mean {near!r}?")
            return _(text, name=error.name, near=near[0])
    code, what = _written(cell)
    for pattern, text in WORDS.items():
        if code and (found := re.search(pattern, str(error) or type(error).__name__)):
            wrong = _(text).format(*found.groups(), what=what)
            return f"✘ `{code}`: {wrong}"
    return ""


def _source(cell: TracebackType) -> tuple[str, tuple[int | None, ...]]:
    """The cell, and where the error was raised: first line, last line, first column, last."""
    code, place = cell.tb_frame.f_code, cell.tb_lasti // 2
    source = "".join(linecache.getlines(code.co_filename))
    return source, next(islice(code.co_positions(), place, None))


def _written(cell: TracebackType) -> tuple[str, str]:
    """The call, index or attribute that raised the error, and of what it is one; as written."""
    source, (_first, line, _start, column) = _source(cell)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call | ast.Subscript | ast.Attribute) and (
            (node.end_lineno, node.end_col_offset) == (line, column)
        ):
            what = node.func if isinstance(node, ast.Call) else node.value
            code = shorten(ast.unparse(node), SHOWN_MAX, placeholder="…")
            return code, shorten(ast.unparse(what), SHOWN_MAX, placeholder="…")
    return "", ""


def _has_called(cell: TracebackType) -> bool:
    """Whether the cell had called anything before it was stopped."""
    source, (line, _line, column, _column) = _source(cell)
    calls = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))
    return any((c.end_lineno, c.end_col_offset) <= (line, column) for c in calls)


def with_next_step(error: Exception, told: object) -> str:
    """What the engine said, in its own words, and what to do next, in one line."""
    step = next(step for pattern, step in NEXT_STEPS if re.search(pattern, str(error), re.I))
    return f"✘ {' '.join(str(told).split()).rstrip('.')}. {_(step)}"
