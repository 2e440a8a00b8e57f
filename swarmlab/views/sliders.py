"""A picture of a few numbers, and the sliders that change them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anywidget
import ipywidgets
import traitlets

from swarmlab.views.html import ShownAs, WithStaticForms
from swarmlab.views.widget import source


class Field(anywidget.AnyWidget):
    """A list of `options`, or else a slider; its name is on it. `static/field.js` draws it.

    Jupyter's own sliders have neither a name for who cannot see nor a mark for where the keyboard
    is, and its lists leave their keys to JupyterLab: X, for Xen, cuts the cell.
    """

    _esm = source("common.js", "field.js")
    _css = source("board.css", "field.css")
    word = traitlets.Unicode(help="its name").tag(sync=True)
    options: traitlets.List[Any] = traitlets.List(help="(word, value), …").tag(sync=True)
    bounds: traitlets.List[int] = traitlets.List(help="least, most, step").tag(sync=True)
    value = traitlets.Any(help="what is chosen").tag(sync=True)


class Sliders(ShownAs, WithStaticForms, ipywidgets.VBox):  # type: ignore[misc]
    """`made(**values)` has a text and an HTML form; both follow the controls, by mouse or keys."""

    def __init__(self, made: Callable[..., Any], controls: dict[str, Field]) -> None:
        self.made, self.controls = made, controls
        self._picture = ipywidgets.HTML()
        for control in controls.values():
            control.observe(self._draw, "value")
        super().__init__([*controls.values(), self._picture])
        self._draw()

    @property
    def shown_as(self) -> Any:
        """What the controls ask for at this moment."""
        return self.made(**{name: control.value for name, control in self.controls.items()})

    def _draw(self, _change: Any = None) -> None:
        self._picture.value = self.shown_as._repr_html_()


def slider(word: str, value: int, least: int, most: int, step: int = 1) -> Field:
    return Field(word=word, value=value, bounds=[least, most, step])
