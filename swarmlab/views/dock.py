"""Docks a widget in a panel of JupyterLab, above the notebook, so that it stays in sight.

Where `sidecar` or JupyterLab is missing (Notebook 7, VS Code, web pages) it stays in its cell.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import ipywidgets

_shown: list[tuple[Any, ipywidgets.DOMWidget]] = []  # this kernel's panel and what is in it


def dock(widget: ipywidgets.DOMWidget, title: str) -> None:
    """Show the widget in this kernel's panel, in place of what is there."""
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
