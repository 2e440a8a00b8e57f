"""Docks a widget in a panel of JupyterLab, above the notebook, so that it stays in sight.

Where `sidecar` or JupyterLab is missing (Notebook 7, VS Code, web pages) it stays in its cell.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import ipywidgets
import traitlets

from swarmlab.strings import _
from swarmlab.views.widget import LiveWidget

_shown: list[tuple[Any, ipywidgets.DOMWidget]] = []  # this kernel's panel and what is in it


def dock(widget: ipywidgets.DOMWidget, title: str) -> None:
    """Show the widget in this kernel's panel, in place of what is there."""
    if any(shown is widget for _panel, shown in _shown):
        return  # once more at once, and JupyterLab draws it twice
    with suppress(ImportError):
        from sidecar import Sidecar

        panel = _shown[0][0] if _shown else Sidecar(title=title, anchor="split-top")
        _shown[:] = [(panel, widget)]
        view = {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}
        data = {"application/vnd.jupyter.widget-view+json": view}
        panel.outputs = ({"output_type": "display_data", "data": data, "metadata": {}},)


def undock(widget: ipywidgets.DOMWidget) -> None:
    """The user has closed the panel that shows the widget."""
    if _shown and _shown[0][1] is widget:
        _shown.pop()[0].close()


class DockedWidget(LiveWidget):
    """A live widget that asks for the panel when a cell shows it.

    When all cells run at once, the requests come after the last of them: only the widget that was
    shown last gets the panel, and the others stay in their cells.
    """

    shown_last = ""  # the id of that widget

    docks = traitlets.Bool(help="a cell shows it, which asks for a panel").tag(sync=True)

    def _labels(self) -> dict[str, Any]:
        docked = _("The board is docked in a panel. Close the panel to have it here.")
        return super()._labels() | {"docked": docked}

    def _repr_mimebundle_(self, **options: Any) -> Any:
        self.docks, DockedWidget.shown_last = True, self.model_id
        return super()._repr_mimebundle_(**options)

    def act_on_panel(self, verb: str) -> bool:
        """Carry out the verbs of `static/dock.js`; whether it was one."""
        if verb == "dock":
            self.docks = False
            if DockedWidget.shown_last == self.model_id:
                dock(self, _("Swarm"))
        elif verb == "undock":
            undock(self)
        return verb in ("dock", "undock")
