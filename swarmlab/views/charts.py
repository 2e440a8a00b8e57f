"""Charts, drawn by matplotlib, as SVG in the page's own colours that fills the track of a lane."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence

import matplotlib
from markupsafe import Markup
from matplotlib.figure import Figure

from swarmlab.views.html import tag
from swarmlab.views.palette import BLACK, BLUE, VERMILLION
from swarmlab.views.update_history import RequestSecond

# What an SVG file has and a part of a page must not: its own size, and what acts on other pictures.
OF_A_FILE = r' (?:width|height)="[\d.]+pt"| (?:id|clip-path)="[^"]*"|<(metadata|defs)>.*?</\1>'
SIZE_INCHES = (8, 0.6)  # it is stretched to the lane


def svg(figure: Figure, keeps_ratio: bool = False) -> Markup:
    """The figure on no ground of its own; what is black has the colour of the page's text."""
    file = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "swarmlab"}):
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    text = file.getvalue().partition("<svg")[2].replace(BLACK, "var(--ink)")
    text = re.sub(OF_A_FILE, "", text, flags=re.DOTALL)
    kind = 'class="curves"' if keeps_ratio else 'class="chart" preserveAspectRatio="none"'
    return Markup(f'<svg {kind} aria-hidden="true"{text}')


def curves(*charts: tuple[str, str, Sequence[float], Sequence[float]]) -> Markup:
    """Charts, side by side if they fit: (title, what is counted to the right, where, how much)."""
    drawn = []
    for title, right, xs, ys in charts:
        with matplotlib.rc_context({"font.size": 16, "axes.titlesize": 16}):
            figure = Figure(figsize=(4, 3), layout="constrained")
            axes = figure.add_subplot(title=title, xlabel=right)
        axes.plot(xs, ys, color=BLUE, marker="o", markersize=9, linewidth=3)
        axes.set(ylim=(0, 1.15 * max(ys)), xlim=(0, 1.05 * max(xs)), xticks=xs)
        axes.spines[["top", "right"]].set_visible(False)
        drawn.append(svg(figure, keeps_ratio=True))
    return tag("div", *drawn, class_="row")


def requests_chart(
    rows: list[RequestSecond], start: float, end: float, most: int, colour: str
) -> Markup:
    """A bar a second: what failed, in red from zero up; then what was served, the slow pale."""
    figure = Figure(figsize=SIZE_INCHES)
    axes = figure.add_axes((0, 0, 1, 1))
    bottoms = [0] * len(rows)
    quick = [row.served - row.slow for row in rows]
    parts = ([r.failed for r in rows], VERMILLION, 1.0), (quick, colour, 1.0)
    for heights, fill, alpha in (*parts, ([row.slow for row in rows], colour, 0.4)):
        lefts = [row.at - 1 - start for row in rows]
        style = {"color": fill, "alpha": alpha, "align": "edge", "clip_on": False}
        axes.bar(lefts, heights, 1, bottoms, **style)  # type: ignore[arg-type]  # of a dict
        bottoms = [a + b for a, b in zip(bottoms, heights, strict=True)]
    axes.axhline(0, color=BLACK, linewidth=2)
    axes.set(xlim=(0, end - start), ylim=(0, most))
    axes.axis("off")
    return svg(figure)
