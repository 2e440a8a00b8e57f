"""A rolling update as a picture: its state on top, a lane a slot, requests beneath."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from swarmlab.strings import _
from swarmlab.units import natural_key
from swarmlab.views.palette import (
    BLACK,
    BLUE,
    BLUISH_GREEN,
    LOOKS,
    ORANGE,
    SKY_BLUE,
    VERMILLION,
    WHITE,
    YELLOW,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from swarmlab.views.rollout import Phase, Rollout
    from swarmlab.views.task_history import Life

FONT_SIZE = 15  # as big as the page's text on a screen of 1024 pixels
LEGEND: dict[str, Any] = {"fontsize": FONT_SIZE, "handlelength": 1.6, "columnspacing": 1.2}
# The hatch that stands beside each colour: any one of the two would do.
HATCHES = {"running": "", "starting": "//", "pending": "..", "stopping": "\\\\", "lost": "xx"}
PHASES = {
    "updating": SKY_BLUE, "paused": YELLOW, "completed": BLUISH_GREEN,
    "rollback_started": ORANGE, "rollback_paused": YELLOW, "rollback_completed": BLUISH_GREEN,
}  # fmt: skip
ROOM_FOR_LETTER, ROOM_FOR_WORD = 0.025, 0.0125  # of the width; a letter of a word
LANE_INCHES, STATE_INCHES, REQUESTS_INCHES = 0.58, 0.4, 0.9
LANES_INCHES = 5.2  # of all lanes: more of them are thinner


def drawn(rollout: Rollout) -> Figure:
    lanes = sorted({life.lane for life in rollout.lives}, key=natural_key)
    heights = [STATE_INCHES, min(LANES_INCHES, LANE_INCHES * max(1, len(lanes)))]
    heights += [REQUESTS_INCHES] if rollout.requests else []
    figure = Figure(figsize=(12, sum(heights) + 1.75), layout="constrained")
    ratios = {"height_ratios": heights, "width_ratios": [15, 1.8]}
    grid = figure.subplots(len(heights), 2, squeeze=False, gridspec_kw=ratios)
    for row in grid:
        row[1].set_visible(False)
    picture = Picture(rollout, lanes)
    picture.draw_state(grid[0][0])
    picture.draw_lanes(grid[1][0])
    counted = [phase for phase in rollout.phases if phase.made]
    if counted:
        grid[1][1].set_visible(True)
        draw_gauge(grid[1][1], counted)
    if rollout.requests:
        picture.draw_requests(grid[2][0])
        grid[1][0].set_xticklabels([])  # they stand below the requests
    grid[-1][0].set_xlabel(_("seconds"), fontsize=FONT_SIZE)
    figure.legend(handles=legend(rollout), ncols=7, loc="outside upper left", **LEGEND)
    return figure


def legend(rollout: Rollout) -> list[Any]:
    spans = [span for life in rollout.lives for span in life.kinds(rollout.end)]
    seen = {kind for kind, _start, stop in spans if stop > rollout.start}
    shown: list[Any] = [
        Patch(facecolor=LOOKS[kind].colour or WHITE, hatch=hatch, edgecolor=BLACK,
              label=_(LOOKS[kind].word))
        for kind, hatch in HATCHES.items() if kind in seen
    ]  # fmt: skip
    mark: dict[str, Any] = {"marker": "8", "markersize": 13, "linestyle": "", "color": VERMILLION}
    if any(life.failed for life in rollout.lives):
        shown.append(Line2D([], [], label=_("failed"), markeredgecolor=BLACK, **mark))
    if any(phase.made for phase in rollout.phases):
        shown.append(Line2D([], [], color=BLACK, linewidth=4, label=_("monitor window")))
    return shown


class Picture:
    def __init__(self, rollout: Rollout, lanes: list[str]) -> None:
        self.rollout, self.lanes = rollout, lanes
        self.width = rollout.end - rollout.start
        self.rows = self._rows()

    def x(self, at: float) -> float:
        return min(max(at, self.rollout.start), self.rollout.end) - self.rollout.start

    def _rows(self) -> dict[str, tuple[float, float]]:
        """Task -> (its middle, its height): tasks that live at a time share their lane's height."""
        ends: dict[str, list[float]] = {lane: [0.0] for lane in self.lanes}
        rows = {}
        for life in self.rollout.lives:
            mine = ends[life.lane]
            row = next((i for i, end in enumerate(mine) if end <= life.created), len(mine))
            mine[row:] = [life.ended or self.rollout.end, *mine[row + 1 :]]
            rows[life.id] = row
        found = {}
        for life in self.rollout.lives:
            height = 0.8 / len(ends[life.lane])
            middle = self.lanes.index(life.lane) - 0.4 + height * (rows[life.id] + 0.5)
            found[life.id] = middle, 0.9 * height
        return found

    def draw_state(self, axes: Axes) -> None:
        for phase in self.rollout.phases:
            left, right = self.x(phase.start), self.x(phase.end)
            axes.barh(0, right - left, left=left, height=1, color=PHASES.get(phase.state, WHITE),
                      edgecolor=BLACK, linewidth=1)  # fmt: skip
            if right - left > ROOM_FOR_WORD * len(phase.words) * self.width:
                self._label(axes, (left + right) / 2, 0, phase.words)
            elif right > left:
                late = right > self.width / 2  # so that no word leaves the picture
                x, side = (right, "right") if late else (left, "left")
                axes.text(x, 0.55, phase.words, fontsize=FONT_SIZE, ha=side, va="top")
        versions = ",  ".join(self.rollout.versions)
        axes.set_title(versions, fontsize=FONT_SIZE + 1, loc="left", fontweight="bold")
        self._frame(axes, [_("update")], 0.6)
        axes.set_xticks([])

    def draw_lanes(self, axes: Axes) -> None:
        for life in self.rollout.lives:
            self._draw_life(axes, life)
        for phase in self.rollout.phases:
            for life in phase.made:
                self._draw_window(axes, life, phase)
        self._frame(axes, self.lanes, 0.5)

    def _draw_life(self, axes: Axes, life: Life) -> None:
        (y, height), letter = self.rows[life.id], self.rollout.letters[life.version]
        for kind, start, stop in life.kinds(self.rollout.end):
            left, right = self.x(start), self.x(stop)
            look: dict[str, Any] = {
                "color": LOOKS[kind].colour or WHITE,
                "hatch": HATCHES.get(kind),
            }
            if right > left and kind in HATCHES:
                axes.barh(y, right - left, left=left, height=height, edgecolor=BLACK, **look)
                if right - left > ROOM_FOR_LETTER * self.width:
                    self._label(axes, (left + right) / 2, y, letter)
        if life.failed and life.ended is not None and life.ended >= self.rollout.start:
            mark: dict[str, Any] = {"markersize": 19, "markeredgecolor": BLACK, "zorder": 9}
            axes.plot(self.x(life.ended), y, "8", color=VERMILLION, **mark)
            axes.text(self.x(life.ended), y, "F", fontsize=FONT_SIZE - 3, ha="center", va="center",
                      zorder=10, fontweight="bold")  # fmt: skip

    def _draw_window(self, axes: Axes, life: Life, phase: Phase) -> None:
        """Below a new task: how long its failure would count."""
        running = life.states.get("running")
        start, end = self.rollout.start, self.rollout.end
        if running is not None and start - phase.monitor_s < running < end:
            middle, height = self.rows[life.id]
            y = middle + height / 2
            ends = [self.x(running), self.x(running + phase.monitor_s)]
            axes.plot(ends, [y, y], color=BLACK, linewidth=4, solid_capstyle="butt", zorder=7)
            axes.plot(ends, [y, y], "|", color=BLACK, markersize=11, markeredgewidth=2, zorder=7)

    def draw_requests(self, axes: Axes) -> None:
        """Bars a second: served, the slow ones among them, and on top what failed."""
        lefts = [at - 1 - self.rollout.start for at, *_counts in self.rollout.requests]
        _at, served, failed, slow = zip(*self.rollout.requests, strict=True)
        quick = [a - b for a, b in zip(served, slow, strict=True)]
        style: dict[str, Any] = {"width": 1, "align": "edge", "edgecolor": BLACK, "linewidth": 0.4}
        axes.bar(lefts, quick, color=BLUISH_GREEN, label=_("served"), **style)
        if any(slow):
            axes.bar(lefts, slow, bottom=quick, color=ORANGE, hatch="..", label=_("slow"), **style)
        axes.bar(
            lefts, failed, bottom=served, color=VERMILLION, hatch="xx", label=_("failed"), **style
        )
        axes.set_xlim(0, self.width)
        total = _(
            "requests a second: {failed} of {all} failed",
            failed=self.rollout.failed,
            all=self.rollout.failed + self.rollout.served,
        )
        axes.set_title(total, fontsize=FONT_SIZE, loc="left")
        place: dict[str, Any] = {"loc": "lower right", "bbox_to_anchor": (1, 1), "borderpad": 0}
        legend = axes.legend(ncols=3, frameon=False, borderaxespad=0.2, **place, **LEGEND)
        legend.set_in_layout(False)  # beside the title there is room
        axes.tick_params(labelsize=FONT_SIZE)
        axes.spines[["top", "right"]].set_visible(False)

    def _label(self, axes: Axes, x: float, y: float, text: str) -> None:
        box = {"facecolor": WHITE, "edgecolor": "none", "alpha": 0.9, "pad": 1}
        axes.text(x, y, text, fontsize=FONT_SIZE, ha="center", va="center", bbox=box, zorder=8)

    def _frame(self, axes: Axes, names: list[str], margin: float) -> None:
        axes.set_yticks(range(len(names)), names, fontsize=FONT_SIZE + 1)
        axes.set_ylim(len(names) - 1 + margin, -margin)
        axes.set_xlim(0, self.width)
        axes.tick_params(axis="x", labelsize=FONT_SIZE)
        axes.spines[["top", "right", "left"]].set_visible(False)


def draw_gauge(axes: Axes, phases: list[Phase]) -> None:
    """A column a phase: the share that failed, and the share that is tolerated as a line."""
    for i, phase in enumerate(phases):
        over = phase.ratio > phase.allowed
        axes.bar(i, 1, color=WHITE, edgecolor=BLACK, width=0.8)
        axes.bar(i, phase.ratio, color=VERMILLION if over else BLUE, width=0.8,
                 hatch="xx" if over else "")  # fmt: skip
        axes.plot([i - 0.5, i + 0.5], [phase.allowed] * 2, color=BLACK, linewidth=4)
    names = [f"{phase.failed}/{phase.slots}" for phase in phases]
    axes.set_xticks(range(len(phases)), names, fontsize=FONT_SIZE)
    axes.set_ylim(0, 1)
    axes.set_yticks([0, 0.5, 1], ["0", "½", "1"], fontsize=FONT_SIZE)
    axes.yaxis.tick_right()
    axes.set_title(_("failed"), fontsize=FONT_SIZE)
    axes.spines[["top", "right", "left"]].set_visible(False)
