"""Tab completion of node names in `cluster.crash("m`, from the cluster that the name stands for."""

from __future__ import annotations

import re
from typing import Any

CALL = re.compile(
    r"(\w+)\.(?:crash|start|stop|pause|partition|slow|drop|client|machine|engine|disk)"
    r"\([^()]*[\"'](?:[^\"']*,)?(?P<begun>\w*)$"
)


def load_ipython_extension(ipython: Any) -> None:
    """Makes the completion known to IPython."""
    from IPython.core.completer import SimpleCompletion, context_matcher

    @context_matcher()  # type: ignore[untyped-decorator]  # IPython has no types here
    def matcher(context: Any) -> Any:
        call = CALL.search(context.line_with_cursor[: context.cursor_position])
        names = getattr(ipython.user_ns.get(call[1]), "names", []) if call else []
        found = [name for name in names if name.startswith(call["begun"])] if call else []
        return {
            "completions": [SimpleCompletion(text=name) for name in found],
            "suppress": bool(found),
        }

    ipython.Completer.custom_matchers.append(matcher)
