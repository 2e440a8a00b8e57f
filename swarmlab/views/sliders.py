"""A picture of a few numbers, and the sliders that change them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets

from swarmlab.views.said import with_twins


class Sliders(ipywidgets.VBox):  # type: ignore[misc]
    """`made(**values)` has a text and an HTML form; both follow the controls, by mouse or keys."""

    def __init__(self, made: Callable[..., Any], controls: dict[str, Any]) -> None:
        self.made, self.controls = made, controls
        self._picture = ipywidgets.HTML()
        for control in controls.values():
            control.style.description_width = "14em"
            control.layout.width = "min(34em, 98%)"
            control.observe(self._draw, "value")
        super().__init__([*controls.values(), self._picture])
        self._draw()

    @property
    def shown(self) -> Any:
        """What the controls ask for at this moment."""
        return self.made(**{name: control.value for name, control in self.controls.items()})

    def _draw(self, _change: Any = None) -> None:
        self._picture.value = self.shown._repr_html_()

    def __repr__(self) -> str:
        return repr(self.shown)

    def _repr_html_(self) -> str:
        html: str = self.shown._repr_html_()
        return html

    def _repr_mimebundle_(self, **options: Any) -> Any:
        return with_twins(self, super()._repr_mimebundle_(**options))


def slider(word: str, value: int, least: int, most: int, step: int = 1) -> ipywidgets.IntSlider:
    return ipywidgets.IntSlider(value, least, most, step, description=word)
