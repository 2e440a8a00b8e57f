"""Help in the cells of a notebook: names of nodes by Tab, and a line where a cell did not end."""

from __future__ import annotations

import re
from types import TracebackType
from typing import Any

from swarmlab.strings import N_, _

CALL = re.compile(
    r"(\w+)\.(?:crash|start|stop|pause|partition|slow|drop|client|machine|engine|disk)"
    r"\([^()]*[\"'](?:[^\"']*,)?(?P<begun>\w*)$"
)
# A cell may have crashed a node before it came to the name.
NOT_YET = N_(
    "✘ {name!r} is not known yet: a cell above was not run. What this cell did before is done, so"
    " run the page from its top: Kernel > Restart Kernel, then cell by cell."
)


def load_ipython_extension(ipython: Any) -> None:
    """Makes both known to IPython."""
    from IPython.core.completer import SimpleCompletion, context_matcher

    @context_matcher()  # type: ignore[untyped-decorator]  # IPython has no types here
    def matcher(context: Any) -> Any:
        """The nodes of the cluster whose method is called: `cluster.crash("m`."""
        call = CALL.search(context.line_with_cursor[: context.cursor_position])
        names = getattr(ipython.user_ns.get(call[1]), "names", []) if call else []
        found = [name for name in names if name.startswith(call["begun"])] if call else []
        return {
            "completions": [SimpleCompletion(text=name) for name in found],
            "suppress": bool(found),
        }

    ipython.Completer.custom_matchers.append(matcher)
    ipython.set_custom_exc((NameError, KeyboardInterrupt), in_a_line)


def in_a_line(
    ipython: Any,
    kind: type[BaseException],
    error: BaseException,
    trace: TracebackType,
    **options: Any,
) -> None:
    """The stop button, and a name that a cell itself does not know: most often, a cell was not run.

    Of both a line is shown, and no calls.
    """
    line, in_the_cell = "", trace.tb_next is not None and trace.tb_next.tb_next is None
    if isinstance(error, KeyboardInterrupt):
        line = _("Stopped, and the swarm is whole. Time has passed in it; go on with any cell.")
    elif isinstance(error, NameError) and in_the_cell:
        line = _(NOT_YET, name=error.name)
    if line:
        error._render_traceback_ = lambda: [line]  # type: ignore[attr-defined]
    ipython.showtraceback((kind, error, trace), **options)
