"""The timeline: every event from 0 to now, the swarm as it was at each, and a fork.

A moment of the past is replayed from the journal (`as_of`), so it is a whole cluster and can go on
from there in another way. `static/timeline.js` draws it.
"""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import shorten
from typing import Any

import traitlets
from markupsafe import Markup

from swarmlab.cluster.calls import checked
from swarmlab.cluster.interface import AnyCluster
from swarmlab.simulation import S
from swarmlab.strings import N_, _, seconds
from swarmlab.units import Duration, nanoseconds
from swarmlab.views.board import columns_of, static_table
from swarmlab.views.history import (
    EVENT_LOOKS,
    RaftHistory,
    RoleSpan,
    TimelineEvent,
    grouped,
    timeline_events,
)
from swarmlab.views.html import Callout, Table, big, in_words, marked, only_simulated, tag
from swarmlab.views.palette import LEADER, LOOKS
from swarmlab.views.primitives import axis, bar, drawing, lane, look_rows, view
from swarmlab.views.snapshot import ClusterSnapshot, look
from swarmlab.views.text import change_sentences, snapshot_text, swarm_lines
from swarmlab.views.widget import LiveWidget, source, synced_list, widget_of

LINE_EM = 1.8  # the height of a line of words
PAST_MAX = 6  # clusters of the past that are kept, so that stepping to and fro is quick
NEAR = 6  # events in the text form, on either side of the moment; at an end of the line, more
TICKS = 4
WORD_MAX, CHARACTER = 20, 2.3  # letters of an event's word; the width of one, in percent


class Timeline(LiveWidget):
    """All that happened to a cluster; step to a moment, see the swarm there, fork it there.
    Lesson: 00_start_here.

    >>> line = timeline(cluster).at("35s").back()  # doctest: +SKIP
    >>> print(line.text)  # doctest: +SKIP
    >>> line.fork().board()  # doctest: +SKIP
    """

    _esm = source("common.js", "timeline.js")
    _css = source("outputs.css", "view.css", "board.css", "timeline.css")
    events = synced_list("one row a group of events")
    leaders = synced_list("(left %, width %, text, title)")
    copy = synced_list("title and columns of the last fork")
    happened = synced_list("what happened there")
    swarm = synced_list("leader, services, as then")
    looks = traitlets.Dict(help="how each kind of task and of event is drawn").tag(sync=True)

    def start_over(self) -> None:
        super().start_over()
        self.forked: Any = None  # the cluster that the last fork made
        self._at_ns: int | None = None  # the moment; None: now
        self._past: dict[int, Any] = {}  # moment -> the cluster as it was then
        self._events: list[TimelineEvent] = []
        self._snapshot = ClusterSnapshot(nodes=())

    def relabel(self) -> None:
        self.looks = look_rows({**LOOKS, **EVENT_LOOKS})
        super().relabel()

    def _labels(self) -> dict[str, Any]:
        return super()._labels() | {
            "title": _("Timeline: everything that happened"),
            "fork": _("Fork here"),
            "events": _("Marks, oldest first"),
            "happened": _("What happened there"),
            "swarm": _("The swarm as it was then"),
            "original": _("The original"),
            "text": _("The same in words"),
            "help": _(
                "Press ← or →, or click a mark. A number stands for marks close together; the keys"
                " step through them. Fork here makes a copy that goes on from there."
            ),
        }

    # -- going to a moment -------------------------------------------------------------
    @property
    def now_ns(self) -> int:
        """The moment that is shown."""
        return self.cluster.now_ns if self._at_ns is None else self._at_ns

    def at(self, moment: Duration) -> Timeline:
        """Go to a moment: `at("35s")`."""
        at_ns = nanoseconds(moment)
        self._as_of(at_ns)  # raises LabError when it has not come yet
        return self._go(at_ns)

    def back(self) -> Timeline:
        """Go to the event before."""
        return self._go(self._before(self.now_ns) or self._at_ns)

    def forward(self) -> Timeline:
        """Go to the next event; after the last one it is now."""
        here = self.now_ns
        return self._go(next((event.at_ns for event in self._events if event.at_ns > here), None))

    def fork(self) -> Any:
        """A cluster that goes on from the moment shown; it becomes the current one."""
        there = self.cluster if self._at_ns is None else self._as_of(self._at_ns)
        self.forked = there.fork()
        self.forked.use()
        now_s = self.forked.now_ns / S
        line = N_(
            "A copy goes on from t = {s:.1f} s, and %docker talks to it: swarmlab.latest().board()"
            " shows it. The original is unchanged; swarmlab.use(…) returns to it."
        )
        self.tell(lambda: [_(line, s=now_s)])
        return self.forked

    def act(self, verb: str, message: dict[str, Any]) -> None:
        match verb:
            case "at":
                self._go(message["ns"])
            case "back":
                self.back()
            case "forward":
                self.forward()
            case "fork":
                self.fork()

    def _go(self, at_ns: int | None) -> Timeline:
        self._at_ns = at_ns
        self.refresh()
        return self

    def _before(self, at_ns: int) -> int | None:
        return max((event.at_ns for event in self._events if event.at_ns < at_ns), default=None)

    def _as_of(self, at_ns: int) -> Any:
        """The cluster as it was; the last few are kept."""
        if at_ns not in self._past:
            self._past[at_ns] = self.cluster.as_of(f"{at_ns}ns")
            for old in list(self._past)[:-PAST_MAX]:
                del self._past[old]
        return self._past[at_ns]

    # -- showing ---------------------------------------------------------------------
    def read(self) -> None:
        """Read the cluster again, and show what changed."""
        self._events = timeline_events(self.cluster)
        happened, spans = self._look(), RaftHistory(self.cluster).spans
        with self.hold_sync():
            groups = grouped(self._events, self.cluster.now_ns)
            self.events = _in_lines([self._row(group) for group in groups])
            self.leaders = [self._leader(span) for span in spans if span.role == "leader"]
            self.happened, self.swarm = happened, swarm_lines(self._snapshot)
            self.columns, colours = columns_of(self._snapshot, {})
            self.copy = self._copy(colours)
            text = snapshot_text(self._snapshot)
            self.text = "\n".join([repr(self._near()), "", *happened, "", text])
            ticks = [n * self.cluster.now_ns / TICKS for n in range(TICKS + 1)]
            self.status = {
                "clock": f"t = {seconds(self.now_ns / S)}",
                "left": self._left(self.now_ns),
                "ticks": [[self._left(ns), seconds(ns / S, 0)] for ns in ticks],
                "error": self.error,
            }

    def _copy(self, colours: Mapping[tuple[str, str], str]) -> list[Any]:
        """The last fork as it is now, to stand beside the original."""
        if self.forked is None:
            return []
        snapshot = look(self.forked)
        title = _("The copy, t = {s:.1f} s", s=snapshot.now_s)
        return [title, columns_of(snapshot, colours)[0]]

    def _look(self) -> list[str]:
        """Read the swarm at the moment; what happened there, and since the event before."""
        if self._at_ns is None:
            self._snapshot = look(self.cluster)
            return [_("This is now. ← goes back from mark to mark.")]
        before_ns = self._before(self._at_ns)
        before = None if before_ns is None else look(self._as_of(before_ns))
        self._snapshot = look(self._as_of(self._at_ns), before)
        sentences = [event.text for event in self._events if event.at_ns == self._at_ns]
        if before is not None and (changes := change_sentences(before, self._snapshot)):
            sentences.append(_("Since the previous mark: {changes}", changes=" ".join(changes)))
        return sentences or [_("Nothing new since the previous mark.")]

    def _left(self, at_ns: float) -> float:
        """Where it is on the line, in percent."""
        return round(float(100 * at_ns / max(1, self.cluster.now_ns)), 2)

    def _row(self, group: list[TimelineEvent]) -> dict[str, Any]:
        more = f" +{len(group) - 1}" if len(group) > 1 else ""
        first = min(group, key=lambda event: [*EVENT_LOOKS].index(event.kind))
        return {
            "ns": group[0].at_ns,
            "left": self._left(group[0].at_ns),
            "kind": first.kind,
            "word": shorten(first.text, WORD_MAX, placeholder="…") + more,
            "bad": first.kind in ("fault", "failed", "lost"),
            "here": any(event.at_ns == self._at_ns for event in group),
            "label": "; ".join(f"{seconds(event.at_ns / S)}: {event.text}" for event in group),
        }

    def _leader(self, span: RoleSpan) -> list[Any]:
        text = _("{name}, term {term}", name=span.name, term=span.term)
        width = self._left(span.end_ns - span.start_ns)
        shown = next((t for t in (text, span.name) if CHARACTER * (len(t) + 1) < width), "")
        return [self._left(span.start_ns), width, shown, text]

    def _near(self) -> Table:
        """The events around the moment; ▶ marks it."""
        place = sum(event.at_ns < self.now_ns for event in self._events)
        first = max(0, min(place - NEAR, len(self._events) - 2 * NEAR))
        near = self._events[first : first + 2 * NEAR]
        rows = tuple(
            ("▶" if event.at_ns == self._at_ns else "", seconds(event.at_ns / S), event.text)
            for event in near
        )
        title = _("{shown} of {count} marks", shown=len(near), count=len(self._events))
        return Table(title, ("", _("When"), _("What")), rows)

    def _repr_html_(self) -> Markup:
        """Nothing plays: its line has all moments. Hidden while the live picture is there."""
        return tag("div", self.still_html(), data_recorded=self.layout.model_id)

    def still_html(self) -> Markup:
        happened = Markup("").join(tag("p", marked(sentence)) for sentence in self.happened)
        then = big(happened + static_table(self._snapshot)._repr_html_())
        return view(self._line()) + then + in_words(self._near())

    def _line(self) -> Markup:
        """Events, leaders and seconds, as JavaScript draws them."""
        events = [
            tag("span", row["word"], class_=f"word {'alarm' * row['bad']} {'late' * row['late']}",
                style=f"left:{row['left']}%;top:{LINE_EM * row['line']}em", title=row["label"])
            for row in self.events
        ]  # fmt: skip
        height = f"height:{LINE_EM * (1 + max((r['line'] for r in self.events), default=0))}em"
        leaders = [
            bar(left, left + width, "leader", LEADER, shown, title=text)
            for left, width, shown, text in self.leaders
        ]
        alt = "; ".join(row["label"] for row in self.events)
        seconds = axis(0, self.cluster.now_ns / S)
        return drawing(
            alt, lane(_("events"), *events, style=height), lane(_("leader"), *leaders), seconds
        )


def _in_lines(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each word in the first line in which it lies on no other."""
    ends: list[float] = []  # of each line so far, in percent
    for row in rows:
        width = CHARACTER * (len(row["word"]) + 2)
        row["late"] = row["left"] + width > 100
        start = row["left"] - width * row["late"]
        row["line"] = next((n for n, end in enumerate(ends) if end <= start), len(ends))
        ends[row["line"] :] = [row["left"] + width * (not row["late"]), *ends[row["line"] + 1 :]]
    return rows


@checked
def timeline(cluster: AnyCluster) -> Timeline | Callout:
    """The timeline of a simulated cluster: `timeline(cluster)`. Lesson: 00_start_here."""
    if not cluster.has_trace:
        return only_simulated(_("What happened to real machines can't be replayed."))
    return widget_of(Timeline, cluster)
