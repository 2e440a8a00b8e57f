"""Errors in one line: a stopped cell, what an engine refuses, a name whose cell was not run yet."""

from __future__ import annotations

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
        line = f"✘ {getattr(error, 'explanation', None) or error}"  # in the engine's own words
    elif isinstance(error, RequestException):
        line = _("✘ The engine doesn't answer: {reason}", reason=error)
    elif isinstance(error, NameError) and in_the_cell:
        line = _(NOT_YET, name=error.name)
    if line:
        error._render_traceback_ = lambda: [line]  # type: ignore[attr-defined]
    ipython.showtraceback((kind, error, trace), **options)
