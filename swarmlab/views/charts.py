"""What the matplotlib charts share: font size, labels, legends, the frame around rows of bars."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from matplotlib.patches import Patch

from swarmlab.views.palette import BLACK, WHITE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FONT_SIZE = 15  # as big as the page's text on a screen of 1024 pixels


def label(axes: Axes, x: float, y: float, text: str) -> None:
    """Text on a white ground, legible on any colour and hatch."""
    box = {"facecolor": WHITE, "edgecolor": "none", "alpha": 0.9, "pad": 1.5}
    axes.text(x, y, text, fontsize=FONT_SIZE, ha="center", va="center", bbox=box, zorder=8)


def bar(
    axes: Axes, y: float, left: float, right: float, colour: str, hatch: str = "", **style: Any
) -> None:
    """A bar in row `y`; without a colour it is white."""
    style = {"edgecolor": BLACK, "linewidth": 1, **style}
    axes.barh(y, right - left, left=left, color=colour or WHITE, hatch=hatch, **style)


def patch(colour: str, hatch: str, text: str) -> Patch:
    """An entry of a legend."""
    return Patch(facecolor=colour or WHITE, hatch=hatch, edgecolor=BLACK, label=text)


def frame(axes: Axes, names: Sequence[str], margins: tuple[float, float]) -> None:
    """A named row per bar, the first on top; `margins` above the first and below the last."""
    axes.set_yticks(range(len(names)), names, fontsize=FONT_SIZE + 2)
    axes.set_ylim(len(names) - 1 + margins[1], -margins[0])
    axes.tick_params(axis="x", labelsize=FONT_SIZE)
    axes.spines[["top", "right", "left"]].set_visible(False)
