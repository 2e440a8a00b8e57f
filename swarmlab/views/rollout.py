"""A rolling update: a summary, a list of events, and a chart with a row per slot.

The chart shows the update's state on top, the tasks of each slot below, and requests beneath.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from swarmlab.strings import _
from swarmlab.units import natural_key
from swarmlab.views.charts import FONT_SIZE, bar, frame, label, patch
from swarmlab.views.html import Table, big, folded, marked, picture
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
from swarmlab.views.update_history import (
    UPDATE_ENDED,
    ObservedTask,
    ServiceHistory,
    UpdatePhase,
    phases_of,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

VERSION_LENGTH_MAX = 44
LEGEND: dict[str, Any] = {"fontsize": FONT_SIZE, "handlelength": 1.6, "columnspacing": 1.2}
# The hatch beside each colour: either alone would do.
HATCHES = {"running": "", "starting": "//", "pending": "..", "stopping": "\\\\", "lost": "xx"}
PHASE_COLOURS = {
    "updating": SKY_BLUE, "paused": YELLOW, "completed": BLUISH_GREEN,
    "rollback_started": ORANGE, "rollback_paused": YELLOW, "rollback_completed": BLUISH_GREEN,
}  # fmt: skip
LETTER_WIDTH, TITLE_LETTER_WIDTH = 0.025, 0.0125  # of the chart's width
ROW_INCHES, STATE_INCHES, REQUESTS_INCHES = 0.58, 0.4, 0.9
ROWS_INCHES_MAX = 5.2  # of all rows: when there are more, they are thinner


@dataclass(frozen=True, slots=True)
class Rollout:
    """A service for a while, shown as a chart and as text; times in seconds since 1970."""

    tasks: tuple[ObservedTask, ...]  # in the order in which they were created
    phases: tuple[UpdatePhase, ...]
    requests: tuple[tuple[float, int, int, int], ...]  # (second's end, served, failed, slow)
    start: float
    end: float

    @classmethod
    def of(cls, history: ServiceHistory) -> Self:
        requests = tuple(history.read_trace())
        tasks = [t for t in history.tasks.values() if (t.ended or history.now) >= history.first]
        tasks.sort(key=lambda task: (task.created, task.slot))
        phases = tuple(phases_of(history))
        return cls(tuple(tasks), phases, requests, history.first, history.now)

    @property
    def letters(self) -> dict[str, str]:
        """Version -> A, B, …, in the order in which they came."""
        versions = dict.fromkeys(task.version for task in self.tasks)
        return {version: chr(ord("A") + i % 26) for i, version in enumerate(versions)}

    @property
    def versions(self) -> list[str]:
        """`A = nginx:1.27`, …; with the arguments where the image alone does not tell."""
        tasks = {task.version: task for task in self.tasks}
        ambiguous = len({task.image for task in tasks.values()}) < len(tasks)
        titles = {v: task.command if ambiguous else task.image for v, task in tasks.items()}
        return [
            f"{letter} = {titles[v][:VERSION_LENGTH_MAX]}" for v, letter in self.letters.items()
        ]

    @property
    def served(self) -> int:
        return sum(served for _at, served, _failed, _slow in self.requests)

    @property
    def failed(self) -> int:
        return sum(failed for _at, _served, failed, _slow in self.requests)

    @property
    def summary(self) -> list[str]:
        """The versions, a line per phase, and the requests."""
        lines = [", ".join(self.versions)]
        if not self.phases:
            lines.append(_("No update was seen. Start one with `--detach`, then follow it."))
        elif self.phases[0].state in UPDATE_ENDED or self.phases[0].start < self.start:
            early = _("The update began before the first look, so its beginning is not shown. With"
                      " `--detach` the command does not wait, and all of it is seen.")  # fmt: skip
            lines.append(early)
        for phase in self.phases:
            start = max(phase.start - self.start, 0)
            span = f"{start:.1f} – {phase.end - self.start:.1f} s"
            details = filter(None, (phase.message, phase.gauge if phase.created else ""))
            lines.append(f"**{phase.title}** ({span}): {'. '.join(details)}")
        if self.requests:
            worst = max(failed for _at, _served, failed, _slow in self.requests)
            line = _("requests: {served} served, {failed} failed, at worst {worst} in a second")
            lines.append(line.format(served=self.served, failed=self.failed, worst=worst))
        return lines

    @property
    def table(self) -> Table:
        """When, which slot, what."""
        events = [(phase.start, "", phase.title) for phase in self.phases]
        for task in self.tasks:
            ended = _("{v} FAILED: {error}") if task.failed else _("{v} has ended")
            lines = (
                (task.created, _("{v} is made")),
                (task.states.get("running"), _("{v} runs on {node}")),
                (task.stopped, _("{v} is told to stop")),
                (task.ended, ended),
            )
            values = {"v": self.letters[task.version], "node": task.node, "error": task.error}
            for at, line in lines:
                if at is not None:
                    events.append((at, task.slot, line.format(**values)))
        shown = sorted(event for event in events if self.start <= event[0] <= self.end)
        rows = tuple((f"{at - self.start:+.1f} s", slot, text) for at, slot, text in shown)
        return Table("", (_("When"), _("Slot"), _("What")), rows)

    def __repr__(self) -> str:
        summary = "\n".join(self.summary).replace("**", "")
        return f"{summary}\n{self.table!r}"

    def figure(self) -> Figure:
        return RolloutChart(self).figure

    def _repr_html_(self) -> str:
        image = picture(self.figure(), "; ".join(self.summary).replace("**", ""))
        lines = self.summary[1:]  # the versions are in the chart
        summary = big("".join(f"<div>{marked(line)}</div>" for line in lines))
        title = _("Task by task, in words ({count})", count=len(self.table.rows))
        return image + summary + folded(title, self.table._repr_html_())


class RolloutChart:
    def __init__(self, rollout: Rollout) -> None:
        self.rollout, self.width = rollout, rollout.end - rollout.start
        self.slots = sorted({task.slot for task in rollout.tasks}, key=natural_key)
        self.bars = self._bars()
        heights = [STATE_INCHES, min(ROWS_INCHES_MAX, ROW_INCHES * max(1, len(self.slots)))]
        heights += [REQUESTS_INCHES] if rollout.requests else []
        self.figure = Figure(figsize=(12, sum(heights) + 1.75), layout="constrained")
        ratios = {"height_ratios": heights, "width_ratios": [15, 1.8]}
        grid = self.figure.subplots(len(heights), 2, squeeze=False, gridspec_kw=ratios)
        for row in grid:
            row[1].set_visible(False)
        self._draw_state(grid[0][0])
        self._draw_slots(grid[1][0])
        counted = [phase for phase in rollout.phases if phase.created]
        if counted:
            grid[1][1].set_visible(True)
            draw_gauge(grid[1][1], counted)
        if rollout.requests:
            self._draw_requests(grid[2][0])
            grid[1][0].set_xticklabels([])  # they are below the requests
        grid[-1][0].set_xlabel(_("seconds"), fontsize=FONT_SIZE)
        self.figure.legend(handles=self._legend(), ncols=7, loc="outside upper left", **LEGEND)

    def _legend(self) -> list[Any]:
        rollout = self.rollout
        spans = [span for task in rollout.tasks for span in task.kinds(rollout.end)]
        shown = {kind for kind, _start, stop in spans if stop > rollout.start}
        entries: list[Any] = [
            patch(LOOKS[kind].colour, hatch, _(LOOKS[kind].title))
            for kind, hatch in HATCHES.items()
            if kind in shown
        ]
        if any(task.failed for task in rollout.tasks):
            octagon: dict[str, Any] = {"marker": "8", "markersize": 13, "color": VERMILLION}
            octagon |= {"markeredgecolor": BLACK, "linestyle": ""}
            entries.append(Line2D([], [], label=_("failed"), **octagon))
        if any(phase.created for phase in rollout.phases):
            entries.append(Line2D([], [], color=BLACK, linewidth=4, label=_("monitor window")))
        return entries

    def x(self, at: float) -> float:
        return min(max(at, self.rollout.start), self.rollout.end) - self.rollout.start

    def _bars(self) -> dict[str, tuple[float, float]]:
        """Task id -> (middle, height) of its bar: tasks that overlap share their slot's height."""
        ends: dict[str, list[float]] = {slot: [0.0] for slot in self.slots}  # of each line in it
        lines = {}
        for task in self.rollout.tasks:
            slot_ends = ends[task.slot]
            free = (i for i, end in enumerate(slot_ends) if end <= task.created)
            line = lines[task.id] = next(free, len(slot_ends))
            slot_ends[line:] = [task.ended or self.rollout.end, *slot_ends[line + 1 :]]
        bars = {}
        for task in self.rollout.tasks:
            height = 0.8 / len(ends[task.slot])
            middle = self.slots.index(task.slot) - 0.4 + height * (lines[task.id] + 0.5)
            bars[task.id] = middle, 0.9 * height
        return bars

    def _draw_state(self, axes: Axes) -> None:
        for phase in self.rollout.phases:
            left, right = self.x(phase.start), self.x(phase.end)
            bar(axes, 0, left, right, PHASE_COLOURS.get(phase.state, WHITE), height=1)
            if right - left > TITLE_LETTER_WIDTH * len(phase.title) * self.width:
                label(axes, (left + right) / 2, 0, phase.title)
            elif right > left:
                late = right > self.width / 2  # so that the title stays inside the chart
                x, side = (right, "right") if late else (left, "left")
                axes.text(x, 0.55, phase.title, fontsize=FONT_SIZE, ha=side, va="top")
        versions = ",  ".join(self.rollout.versions)
        axes.set_title(versions, fontsize=FONT_SIZE + 1, loc="left", fontweight="bold")
        frame(axes, [_("update")], (0.6, 0.6))
        axes.set_xlim(0, self.width)
        axes.set_xticks([])

    def _draw_slots(self, axes: Axes) -> None:
        for task in self.rollout.tasks:
            self._draw_task(axes, task)
        for phase in self.rollout.phases:
            for task in phase.created:
                self._draw_monitor_window(axes, task, phase)
        frame(axes, self.slots, (0.5, 0.5))
        axes.set_xlim(0, self.width)

    def _draw_task(self, axes: Axes, task: ObservedTask) -> None:
        (y, height), letter = self.bars[task.id], self.rollout.letters[task.version]
        for kind, start, stop in task.kinds(self.rollout.end):
            left, right = self.x(start), self.x(stop)
            if right > left and kind in HATCHES:
                bar(axes, y, left, right, LOOKS[kind].colour, HATCHES[kind], height=height)
                if right - left > LETTER_WIDTH * self.width:
                    label(axes, (left + right) / 2, y, letter)
        if task.failed and task.ended is not None and task.ended >= self.rollout.start:
            x, middle = self.x(task.ended), {"ha": "center", "va": "center"}
            axes.plot(x, y, "8", color=VERMILLION, markersize=19, markeredgecolor=BLACK, zorder=9)
            axes.text(x, y, "F", middle, fontsize=FONT_SIZE - 3, fontweight="bold", zorder=10)

    def _draw_monitor_window(self, axes: Axes, task: ObservedTask, phase: UpdatePhase) -> None:
        """Below a new task: how long its failure would count."""
        running = task.states.get("running")
        start, end = self.rollout.start, self.rollout.end
        if running is not None and start - phase.monitor_s < running < end:
            middle, height = self.bars[task.id]
            y = middle + height / 2
            ends = [self.x(running), self.x(running + phase.monitor_s)]
            axes.plot(ends, [y, y], color=BLACK, linewidth=4, solid_capstyle="butt", zorder=7)
            axes.plot(ends, [y, y], "|", color=BLACK, markersize=11, markeredgewidth=2, zorder=7)

    def _draw_requests(self, axes: Axes) -> None:
        """A bar per second: served, the slow ones among them, and on top what failed."""
        rollout = self.rollout
        lefts = [at - 1 - rollout.start for at, *_counts in rollout.requests]
        _at, served, failed, slow = zip(*rollout.requests, strict=True)
        quick = [a - b for a, b in zip(served, slow, strict=True)]
        style: dict[str, Any] = {"align": "edge", "edgecolor": BLACK, "linewidth": 0.4}
        columns: list[tuple[Any, Any, str, str, str]] = [(quick, 0, BLUISH_GREEN, "", _("served"))]
        if any(slow):
            columns.append((slow, quick, ORANGE, "..", _("slow")))
        columns.append((failed, served, VERMILLION, "xx", _("failed")))
        for heights, bottom, colour, hatch, text in columns:
            axes.bar(lefts, heights, 1, bottom, color=colour, hatch=hatch, label=text, **style)
        axes.set_xlim(0, self.width)
        total = rollout.failed + rollout.served
        title = _("requests a second: {failed} of {all} failed", failed=rollout.failed, all=total)
        axes.set_title(title, fontsize=FONT_SIZE, loc="left")
        place: dict[str, Any] = {"loc": "lower right", "bbox_to_anchor": (1, 1), "borderpad": 0}
        legend = axes.legend(ncols=3, frameon=False, borderaxespad=0.2, **place, **LEGEND)
        legend.set_in_layout(False)  # there is space for it beside the title
        axes.tick_params(labelsize=FONT_SIZE)
        axes.spines[["top", "right"]].set_visible(False)


def draw_gauge(axes: Axes, phases: list[UpdatePhase]) -> None:
    """A column per phase: the share that failed, and the share that is tolerated as a line."""
    for i, phase in enumerate(phases):
        over = phase.ratio > phase.allowed
        axes.bar(i, 1, color=WHITE, edgecolor=BLACK, width=0.8)
        colour, hatch = (VERMILLION, "xx") if over else (BLUE, "")
        axes.bar(i, phase.ratio, color=colour, width=0.8, hatch=hatch)
        axes.plot([i - 0.5, i + 0.5], [phase.allowed] * 2, color=BLACK, linewidth=4)
    counts = [f"{phase.failed}/{phase.slots}" for phase in phases]
    axes.set_xticks(range(len(phases)), counts, fontsize=FONT_SIZE)
    axes.set_ylim(0, 1)
    axes.set_yticks([0, 0.5, 1], ["0", "½", "1"], fontsize=FONT_SIZE)
    axes.yaxis.tick_right()
    axes.set_title(_("failed"), fontsize=FONT_SIZE)
    axes.spines[["top", "right", "left"]].set_visible(False)
