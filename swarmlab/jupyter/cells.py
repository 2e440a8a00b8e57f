"""Errors in one line: a stopped cell, what an engine refuses, a name whose cell was not run yet."""

from __future__ import annotations

import re
from types import TracebackType
from typing import Any

from docker.errors import DockerException
from requests.exceptions import RequestException

from swarmlab.strings import N_, _

# The cell may have changed the cluster before it came to the name.
NOT_YET = N_(
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


ONE_LINE = (NameError, KeyboardInterrupt, DockerException, RequestException)


def load_ipython_extension(ipython: Any) -> None:
    ipython.set_custom_exc(ONE_LINE, show_in_one_line)


def show_in_one_line(
    ipython: Any,
    kind: type[BaseException],
    error: BaseException,
    trace: TracebackType,
    **options: Any,
) -> None:
    """One sentence for a KeyboardInterrupt, a refusal that reaches the docker SDK, and a name that
    the cell itself misses.

    Every other error, and a name missed inside a function, keeps its traceback.
    """
    line, in_the_cell = "", trace.tb_next is not None and trace.tb_next.tb_next is None
    if isinstance(error, KeyboardInterrupt):
        line = _("Stopped; the swarm is intact. Time has passed in it; go on with any cell.")
    elif isinstance(error, DockerException):
        line = with_next_step(error, getattr(error, "explanation", None) or error)
    elif isinstance(error, RequestException):
        line = with_next_step(error, _("The engine doesn't answer: {reason}", reason=error))
    elif isinstance(error, NameError) and in_the_cell:
        line = _(NOT_YET, name=error.name)
    if line:
        error._render_traceback_ = lambda: [line]  # type: ignore[attr-defined]
    ipython.showtraceback((kind, error, trace), **options)


def with_next_step(error: Exception, told: object) -> str:
    """What the engine said, in its own words, and what to do next, in one line."""
    step = next(step for pattern, step in NEXT_STEPS if re.search(pattern, str(error), re.I))
    return f"✘ {' '.join(str(told).split()).rstrip('.')}. {_(step)}"
