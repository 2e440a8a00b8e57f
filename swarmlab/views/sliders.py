"""A picture that depends on a few numbers, and the sliders that change them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anywidget
import ipywidgets
import traitlets

from swarmlab.views.html import ShownAs, WithStaticForms
from swarmlab.views.widget import source


class Field(anywidget.AnyWidget):
    """A list of `options`, or else a slider, with its label. `static/field.js` draws it.

    Jupyter's own sliders have neither a name for screen readers nor a visible focus, and its lists
    pass their keys on to JupyterLab: X, for Xen, cuts the cell.
    """

    _esm = source("common.js", "field.js")
    _css = source("board.css", "field.css")
    label = traitlets.Unicode(help="its name").tag(sync=True)
    options: traitlets.List[Any] = traitlets.List(help="(text, value), …").tag(sync=True)
    bounds: traitlets.List[int] = traitlets.List(help="minimum, maximum, step").tag(sync=True)
    value = traitlets.Any(help="what is chosen").tag(sync=True)


class Sliders(ShownAs, WithStaticForms, ipywidgets.VBox):  # type: ignore[misc]
    """Shows `make(**values)` for the values of the controls, and again whenever they change."""

    def __init__(self, make: Callable[..., Any], controls: dict[str, Field]) -> None:
        self.make, self.controls = make, controls
        self._picture = ipywidgets.HTML()
        for control in controls.values():
            control.observe(self._draw, "value")
        super().__init__([*controls.values(), self._picture])
        self._draw()

    @property
    def shown_as(self) -> Any:
        """What the controls ask for at this moment."""
        return self.make(**{name: control.value for name, control in self.controls.items()})

    def _draw(self, _change: Any = None) -> None:
        self._picture.value = self.shown_as._repr_html_()


def slider(label: str, value: int, minimum: int, maximum: int, step: int = 1) -> Field:
    return Field(label=label, value=value, bounds=[minimum, maximum, step])
