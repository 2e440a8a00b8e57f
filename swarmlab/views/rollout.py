"""A rolling update: a summary, a list of events, and a chart with a row per slot.

The chart shows the update's state on top, the tasks of each slot below, and requests beneath.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from markupsafe import Markup

from swarmlab.strings import _, number, seconds
from swarmlab.units import natural_key
from swarmlab.views.html import Table, big, folded, marked, tag
from swarmlab.views.palette import BLUISH_GREEN, LOOKS, VERMILLION, VERSIONS, WHITE
from swarmlab.views.primitives import (
    LANE_EM,
    axis,
    bar,
    drawing,
    lane,
    legend,
    mark,
    note,
    percent,
    shape,
    swatch,
    upright,
    view,
)
from swarmlab.views.recorded import growing
from swarmlab.views.update_history import (
    UPDATE_ENDED,
    ObservedTask,
    Probe,
    RequestSecond,
    ServiceHistory,
    UpdatePhase,
    phases_of,
)
from swarmlab.views.widget import source

VERSION_LENGTH_MAX = 44
# The states of a task that last, and so are bars; each has a texture of its own.
LASTING = ("running", "starting", "pending", "stopping", "lost")
PASSED, FAILED = tag("b", "✔", class_="good"), tag("b", "✘", class_="alarm")
LANES_MAX = 12  # of full height: when there are more, they are lower
TEXT_EM_MIN = 1.1  # the height of a bar that holds text
LETTER_EM = 0.7  # the width of a bold letter


@dataclass(frozen=True, slots=True)
class Rollout:
    """A service for a while, shown as a chart and as text; times in seconds since 1970.

    `follow(cluster, "web")` shows it. Lesson: 12_rolling_updates.
    """

    tasks: tuple[ObservedTask, ...]  # in the order in which they were created
    phases: tuple[UpdatePhase, ...]
    requests: tuple[RequestSecond, ...]
    start: float
    end: float
    for_update: bool = True  # whether an update was to be seen

    @classmethod
    def of(cls, history: ServiceHistory, *, for_update: bool = True) -> Self:
        requests = tuple(history.read_trace())
        tasks = [t for t in history.tasks.values() if (t.ended or history.now) >= history.first]
        tasks.sort(key=lambda task: (task.created, task.slot))
        phases = tuple(phases_of(history))
        return cls(tuple(tasks), phases, requests, history.first, history.now, for_update)

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
        return sum(row.served for row in self.requests)

    @property
    def failed(self) -> int:
        return sum(row.failed for row in self.requests)

    def probes(self, slot: str = "") -> list[Probe]:
        """The runs of the health check, of this slot's tasks or of all, in order."""
        tasks = (task for task in self.tasks if slot in ("", task.slot))
        probes = (probe for task in tasks for probe in task.probes.values())
        return sorted(probe for probe in probes if self.start <= probe.end <= self.end)

    @property
    def summary(self) -> list[str]:
        """The versions, a line per phase, and the requests."""
        lines = [", ".join(self.versions)]
        if not self.for_update:
            pass
        elif not self.phases:
            lines.append(_("No update was seen. Start one with `--detach`, then follow it."))
        elif self.phases[0].state in UPDATE_ENDED or self.phases[0].start < self.start:
            early = _("The update began before the first look, so its beginning isn't shown. With"
                      " `--detach` the command doesn't wait, and you see all of it.")  # fmt: skip
            lines.append(early)
        for phase in self.phases:
            start = max(phase.start - self.start, 0)
            span = f"{number(start, '.1f')} – {seconds(phase.end - self.start)}"
            details = filter(None, (phase.message, phase.gauge if phase.created else ""))
            lines.append(f"**{phase.title}** ({span}): {'. '.join(details)}")
        if probes := self.probes():
            passed = sum(not probe.exit_code for probe in probes)
            line = _("health checks passed: {passed}, failed: {failed}")
            lines.append(line.format(passed=passed, failed=len(probes) - passed))
        if self.requests:
            failed = Counter[float]()
            for row in self.requests:
                failed[row.at] += row.failed
            worst = max(failed.values())
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
                (task.created, _("{v} is created")),
                (task.states.get("running"), _("{v} runs on {node}")),
                (task.stopped, _("{v} has to stop")),
                (task.ended, ended),
            )
            values = {"v": self.letters[task.version], "node": task.node, "error": task.error}
            for at, line in lines:
                if at is not None:
                    events.append((at, task.slot, line.format(**values)))
            failed = (probe for probe in task.probes.values() if probe.exit_code)
            line = _("check failed: {output}")
            texts = ((p.end, line.format(output=p.output.strip() or p.exit_code)) for p in failed)
            events += [(at, task.slot, text) for at, text in texts]
        shown = sorted(event for event in events if self.start <= event[0] <= self.end)
        rows = tuple((seconds(at - self.start, 1, "+"), slot, text) for at, slot, text in shown)
        return Table("", (_("When"), _("Slot"), _("What")), rows)

    def __repr__(self) -> str:
        summary = "\n".join(self.summary).replace("**", "")
        return f"{summary}\n{self.table!r}" if self.table.rows else summary

    def _repr_html_(self) -> Markup:
        lines = self.summary[1:]  # the versions are in the chart
        summary = big("".join(f"<div>{marked(line)}</div>" for line in lines))
        title = _("Task by task, in words ({count})", count=len(self.table.rows))
        chart = RolloutChart(self).html
        chart = growing(chart, self.end - self.start, source("common.js", "player.js"))
        return view(chart) + summary + folded(title, self.table._repr_html_())


class RolloutChart:
    """The update's state, a lane per slot, requests by version, and what counts as failed."""

    def __init__(self, rollout: Rollout) -> None:
        self.rollout = rollout
        letters = rollout.letters
        self.colours = {version: VERSIONS[i % len(VERSIONS)] for i, version in enumerate(letters)}
        self.slots = sorted({task.slot for task in rollout.tasks}, key=natural_key)
        self.lane_em = LANE_EM if len(self.slots) <= LANES_MAX else LANE_EM / 2
        self.bars = self._bars()

    @property
    def html(self) -> Markup:
        rollout = self.rollout
        alt = "; ".join(rollout.summary).replace("**", "")
        state = lane(_("update"), *map(self._phase, rollout.phases)) if rollout.phases else ""
        slots = (
            lane(slot, *self._slot(slot), style=f"height:{self.lane_em}em") + self._checks(slot)
            for slot in self.slots
        )
        seconds = axis(0, rollout.end - rollout.start)
        longest = max(map(len, [*self.slots, _("update"), _("checks"), f"→ {_('no task')}"]))
        style = f"--names:{max(6, LETTER_EM * longest):.1f}em"
        chart = drawing(alt, state, *slots, *self._requests(), seconds)
        return self._legend() + tag("div", chart, *self._gauges(), style=style)

    def _legend(self) -> Markup:
        rollout = self.rollout
        spans = [span for task in rollout.tasks for span in task.kinds(rollout.end)]
        shown = {kind for kind, _start, stop in spans if stop > rollout.start}
        versions = zip(self.colours.values(), rollout.versions, strict=True)
        entries = [(swatch("", colour), text) for colour, text in versions]
        states = [(swatch(k, "#999"), _(LOOKS[k].title)) for k in LASTING if k in shown]
        if any(task.failed for task in rollout.tasks):
            states.append((shape(LOOKS["failed"]), _("failed")))
        if any(phase.created for phase in rollout.phases):
            states.append((tag("i", class_="watched"), _("watched: a failure counts")))
        if rollout.probes():
            states += [(PASSED, _("check passed")), (FAILED, _("check failed"))]
        return legend(entries) + legend(states)

    def x(self, at: float) -> float:
        """In percent of the width."""
        return percent(at, self.rollout.start, self.rollout.end)

    def _bars(self) -> dict[str, tuple[float, float]]:
        """Task id -> (top, height) of its bar, in em: tasks that overlap share their lane."""
        ends: dict[str, list[float]] = {slot: [0.0] for slot in self.slots}  # of each line in it
        lines = {}
        for task in self.rollout.tasks:
            slot_ends = ends[task.slot]
            free = (i for i, end in enumerate(slot_ends) if end <= task.created)
            line = lines[task.id] = next(free, len(slot_ends))
            slot_ends[line:] = [task.ended or self.rollout.end, *slot_ends[line + 1 :]]
        bars = {}
        for task in self.rollout.tasks:
            height = 0.9 * self.lane_em / len(ends[task.slot])
            bars[task.id] = (height * lines[task.id] + 0.05 * self.lane_em, 0.9 * height)
        return bars

    def _phase(self, phase: UpdatePhase) -> Markup:
        left, right = self.x(phase.start), self.x(phase.end)
        if right - left < 1:  # the last phase, as a rule, has only just begun
            return note(min(left, 100.0), phase.title)
        return bar(left, right, "follower", WHITE, phase.title, title=phase.title)

    def _slot(self, slot: str) -> Iterator[Markup]:
        rollout = self.rollout
        for task in rollout.tasks:
            if task.slot != slot:
                continue
            (top, height), letter = self.bars[task.id], rollout.letters[task.version]
            style = f"top:{top:.2f}em;height:{height:.2f}em;line-height:{height:.2f}em;padding:0"
            texts = [letter] if height >= TEXT_EM_MIN else []
            for kind, start, stop in task.kinds(rollout.end):
                left, right = self.x(start), self.x(stop)
                if right > left and kind in LASTING:
                    title = f"{slot} {letter} {_(LOOKS[kind].title)}"
                    colour = self.colours[task.version]
                    yield bar(left, right, kind, colour, *texts, title=title, style=style)
            if task.failed and task.ended is not None and task.ended >= rollout.start:
                sign = shape(LOOKS["failed"], title=f"{slot} {_('failed')}: {task.error}")
                yield mark(self.x(task.ended), sign)
            yield from self._watched(task, top + height)

    def _checks(self, slot: str) -> Markup:
        """Below a slot: each run of the health check, as long as it took."""
        parts = []
        for probe in self.rollout.probes(slot):
            left, right = self.x(probe.start), self.x(probe.end)
            if right - left > 1:
                parts.append(bar(left, right, "follower", WHITE, style="top:.8em;height:.5em"))
            parts.append(mark(right, FAILED if probe.exit_code else PASSED))
        return lane(_("checks"), *parts, style="height:1.6em") if parts else Markup("")

    def _watched(self, task: ObservedTask, top: float) -> Iterator[Markup]:
        """Below a new task: how long its failure would count."""
        running = task.states.get("running")
        for phase in self.rollout.phases:
            if running is not None and task in phase.created:
                left, right = self.x(running), self.x(running + phase.monitor_s)
                place = f"left:{left:.2f}%;width:{right - left:.2f}%;top:{top:.2f}em"
                yield tag("i", class_="watched", style=place)

    def _requests(self) -> Iterator[Markup]:
        """By version: what failed, from zero up, and on it what was served."""
        from swarmlab.views.charts import requests_chart

        rollout = self.rollout
        if not rollout.requests:
            return
        total = rollout.failed + rollout.served
        title = _("requests a second: {failed} of {all} failed", failed=rollout.failed, all=total)
        yield lane("", note(0, title), style="height:1.4em")
        most = max(row.served + row.failed for row in rollout.requests)
        for version in [*rollout.letters, ""]:
            rows = [row for row in rollout.requests if row.version == version]
            if rows:
                colour, span = self.colours.get(version, WHITE), (rollout.start, rollout.end)
                name = rollout.letters.get(version) or _("no task")
                yield lane(f"→ {name}", requests_chart(rows, *span, most, colour))

    def _gauges(self) -> Iterator[Markup]:
        """A lane per phase: the share that failed, and a line at the share that is tolerated."""
        for phase in self.rollout.phases:
            if not phase.created:
                continue
            values = {"failed": phase.failed, "slots": phase.slots, "ratio": phase.ratio}
            counted = _("{failed} of {slots} new tasks failed while watched: {ratio:.0%}", **values)
            line = _("tolerated: {allowed:.0%}; above it: {action}")
            limit = line.format(allowed=phase.allowed, action=phase.action)
            kind = "failed" if phase.ratio > phase.allowed else ""
            gauge = lane(
                _("failures"),
                bar(0, 100, "follower", WHITE),
                bar(0, 100 * phase.ratio, kind, VERMILLION if kind else BLUISH_GREEN),
                upright(100 * phase.allowed, "threshold"),
            )
            below = lane("", note(100 * phase.allowed, limit), style="height:1.6em")
            yield tag("div", tag("p", tag("b", phase.title), f": {counted}"), gauge, below)
