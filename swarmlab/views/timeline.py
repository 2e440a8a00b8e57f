"""The time line over everything: marks from 0 to now, the swarm as it was at each, and a fork.

A moment of the past is lived again from the journal (`Cluster.as_of`), so it is no picture of the
swarm but the swarm itself: it can be taken up there and go another way. `static/timeline.js` draws.
"""

from __future__ import annotations

from dataclasses import astuple
from html import escape
from typing import Any

import traitlets

from swarmlab.simulation import S
from swarmlab.strings import _
from swarmlab.units import Duration, nanoseconds
from swarmlab.views.board_rows import column, static_html
from swarmlab.views.election import Span, Teller
from swarmlab.views.html import Callout, big, folded, image, marked, only_simulated
from swarmlab.views.palette import BLACK, LEADER, LOOKS, WHITE
from swarmlab.views.snapshot import ClusterSnapshot, look
from swarmlab.views.tables import Table
from swarmlab.views.text import changes_in_words, in_words, swarm_in_words
from swarmlab.views.timeline_events import MARKS, Mark, groups, marks
from swarmlab.views.widget import LiveWidget, show_in_cell, source, widget_of

LIVES_KEPT = 6  # clusters of the past, so that stepping to and fro is quick
NEAR = 6  # marks told in words, on either side of the moment
TICKS, LED_MIN = 4, 12  # LED_MIN: percent of the line; a shorter reign has no room for its name


class Timeline(LiveWidget):
    """All that happened to a cluster; step to a moment, see the swarm there, fork it there.

    >>> line = timeline(cluster).at("35s").back()  # doctest: +SKIP
    >>> print(line.words)  # doctest: +SKIP
    >>> line.fork().board()  # doctest: +SKIP
    """

    _esm = source("common.js", "timeline.js")
    _css = source("board.css", "timeline.css")
    marks: traitlets.List[Any] = traitlets.List(help="one row a group of marks").tag(sync=True)
    leaders: traitlets.List[Any] = traitlets.List(help="(left %, width %, words)").tag(sync=True)
    columns: traitlets.List[Any] = traitlets.List(help="one row a node, as then").tag(sync=True)
    happened: traitlets.List[Any] = traitlets.List(help="what happened there").tag(sync=True)
    swarm: traitlets.List[Any] = traitlets.List(help="leader, services, as then").tag(sync=True)
    status = traitlets.Dict(help="clock, cursor in %, ticks, last error").tag(sync=True)
    looks = traitlets.Dict(help="how each kind of task and of mark is drawn").tag(sync=True)

    def __init__(self, cluster: Any) -> None:
        super().__init__(cluster)
        self.looks = {kind: [*astuple(look)] for kind, look in {**LOOKS, **MARKS}.items()}
        self.forked: Any = None  # the cluster that the last fork made
        self._at_ns: int | None = None  # the moment; None: now
        self._lives: dict[int, Any] = {}  # moment -> the cluster as it was then
        self._marks: list[Mark] = []
        self._seen = ClusterSnapshot(nodes=())
        self.refresh()
        show_in_cell(self)

    def _labels(self) -> dict[str, Any]:
        return super()._labels() | {
            "title": _("Time line: everything that happened"),
            "back": _("◀ Step back"),
            "forward": _("Step forward ▶"),
            "fork": _("Fork here"),
            "marks": _("Marks, the oldest first"),
            "happened": _("What happened there"),
            "swarm": _("The swarm as it was then"),
            "words": _("The same in words"),
            "help": _(
                "Press ← or →, or click a mark. A number counts marks that are too close; the"
                " keys go through each. Fork here makes a copy that goes on from there."
            ),
            "kinds": [[kind, _(look.word)] for kind, look in MARKS.items()],
        }

    # -- going to a moment -------------------------------------------------------------
    @property
    def now_ns(self) -> int:
        """The moment that is shown."""
        return self.cluster.now_ns if self._at_ns is None else self._at_ns

    def at(self, moment: Duration) -> Timeline:
        """Go to a moment: `at("35s")`."""
        at_ns = nanoseconds(moment)
        self._life(at_ns)  # refused when it has not come yet
        return self._go(at_ns)

    def back(self) -> Timeline:
        """Go to the mark before."""
        return self._go(self._before(self.now_ns) or self._at_ns)

    def forward(self) -> Timeline:
        """Go to the next mark; after the last one it is now."""
        here = self.now_ns
        return self._go(next((mark.at_ns for mark in self._marks if mark.at_ns > here), None))

    def fork(self) -> Any:
        """A cluster that goes on from the moment shown; `%docker` speaks to it from now on."""
        there = self.cluster if self._at_ns is None else self._life(self._at_ns)
        self.forked = there.fork()
        self.forked.use()
        line = _(
            "A copy goes on from t = {s:.1f} s, and %docker speaks to it: swarmlab.latest().board()"
            " shows it. The original is as it was; swarmlab.use(…) goes back to it."
        )
        self.tell([line.format(s=self.forked.now_ns / S)])
        return self.forked

    def act(self, verb: str, message: dict[str, Any]) -> None:
        if verb == "at":
            self._go(message["ns"])
        elif verb in ("back", "forward", "fork"):
            getattr(self, verb)()

    def _go(self, at_ns: int | None) -> Timeline:
        self._at_ns = at_ns
        self.refresh()
        return self

    def _before(self, at_ns: int) -> int | None:
        return max((mark.at_ns for mark in self._marks if mark.at_ns < at_ns), default=None)

    def _life(self, at_ns: int) -> Any:
        """The cluster as it was; the last few are kept."""
        if at_ns not in self._lives:
            self._lives[at_ns] = self.cluster.as_of(f"{at_ns}ns")
            for old in list(self._lives)[:-LIVES_KEPT]:
                del self._lives[old]
        return self._lives[at_ns]

    # -- showing ---------------------------------------------------------------------
    def refresh(self) -> None:
        """Look again, and show what changed."""
        self._marks = marks(self.cluster)
        said, spans = self._look(), Teller(self.cluster).spans
        with self.hold_sync():
            self.marks = [self._row(group) for group in groups(self._marks, self.cluster.now_ns)]
            self.leaders = [self._led(span) for span in spans if span.role == "leader"]
            self.happened, self.swarm = said, swarm_in_words(self._seen)
            tasks = self._seen.by_node
            self.columns = [column(node, tasks.get(node.key, [])) for node in self._seen.nodes]
            self.words = "\n".join([repr(self._near()), "", *said, "", in_words(self._seen)])
            ticks = [n * self.cluster.now_ns / TICKS for n in range(TICKS + 1)]
            self.status = {
                "clock": f"t = {self.now_ns / S:.1f} s",
                "left": self._left(self.now_ns),
                "ticks": [[self._left(ns), f"{ns / S:.0f} s"] for ns in ticks],
                "error": self.error,
            }
        self.follow()

    def _look(self) -> list[str]:
        """See the swarm at the moment; what happened there, and since the mark before."""
        if self._at_ns is None:
            self._seen = look(self.cluster)
            return [_("This is now. ← goes back from mark to mark.")]
        before_ns = self._before(self._at_ns)
        before = None if before_ns is None else look(self._life(before_ns))
        self._seen = look(self._life(self._at_ns), before)
        said = [mark.words for mark in self._marks if mark.at_ns == self._at_ns]
        if before is not None and (changes := changes_in_words(before, self._seen)):
            said.append(_("Since the mark before: {changes}", changes=" ".join(changes)))
        return said or [_("Nothing new since the mark before.")]

    def _left(self, at_ns: float) -> float:
        """Where a moment stands, in percent of the line."""
        return round(float(100 * at_ns / max(1, self.cluster.now_ns)), 2)

    def _row(self, group: list[Mark]) -> dict[str, Any]:
        return {
            "ns": group[0].at_ns,
            "left": self._left(group[0].at_ns),
            "kind": min((mark.kind for mark in group), key=[*MARKS].index),
            "count": f"×{len(group)}" if len(group) > 1 else "",
            "here": any(mark.at_ns == self._at_ns for mark in group),
            "label": "; ".join(f"{mark.at_ns / S:.1f} s: {mark.words}" for mark in group),
        }

    def _led(self, span: Span) -> list[Any]:
        words = _("{name}, term {term}", name=span.name, term=span.term)
        return [self._left(span.start_ns), self._left(span.end_ns - span.start_ns), words]

    def _near(self) -> Table:
        """The marks around the moment; ▶ stands at it."""
        place = sum(mark.at_ns < self.now_ns for mark in self._marks)
        near = self._marks[max(0, place - NEAR) : place + NEAR]
        rows = tuple(
            ("▶" if mark.at_ns == self._at_ns else "", f"{mark.at_ns / S:.1f} s", mark.words)
            for mark in near
        )
        told = _("{shown} of {count} marks", shown=len(near), count=len(self._marks))
        return Table(told, ("", _("When"), _("What")), rows)

    def static_html(self) -> str:
        said = "".join(f"<p>{marked(sentence)}</p>" for sentence in self.happened)
        near = folded(_("The same in words"), self._near()._repr_html_())
        alt = "; ".join(row["label"] for row in self.marks)
        return image(self._drawn(), alt) + big(said + static_html(self._seen)) + near

    def _drawn(self) -> str:
        """The line as SVG: marks, leaders and ticks, as JavaScript draws them."""
        parts = [f"<path d='M0 68H940' stroke='{BLACK}' stroke-width='2'/>"]
        for row in self.marks:
            letter, _word, path, colour, ink = self.looks[row["kind"]]
            shape = f"<path d='{path}' fill='{colour or WHITE}' stroke='{BLACK}'/>"
            text = f"<text x='12' y='17' font-size='15' fill='{ink or BLACK}'>{letter}</text>"
            count = f"<text x='12' y='42'>{row['count']}</text>"
            at = f"x='{row['left']}%' y='6' overflow='visible'"
            parts.append(f"<svg {at}><g transform='translate(-12)'>{shape}{text}{count}</g></svg>")
        for left, width, words in self.leaders:
            led = f"x='{left}%' y='74' width='{width}%' height='26'"
            text = f"<text x='50%' y='19'>{escape(words) if width > LED_MIN else ''}</text>"
            parts.append(f"<rect {led} fill='{LEADER}' stroke='{BLACK}'/><svg {led}>{text}</svg>")
        for left, text in self.status["ticks"]:
            parts.append(f"<text x='{left}%' y='120'>{text}</text>")
        line = f"<svg x='30' width='940' overflow='visible'>{''.join(parts)}</svg>"
        look = "viewBox='0 0 1000 126' font-family='sans-serif' font-size='18' text-anchor='middle'"
        return f"<svg xmlns='http://www.w3.org/2000/svg' {look}>{line}</svg>"


def timeline(cluster: Any) -> Timeline | Callout:
    """The time line of a simulated cluster; on a real one, a sentence. Lesson: 00_start_here."""
    if getattr(cluster, "kind", "") != "simulated":
        return only_simulated(_("What has happened to real machines cannot be lived again."))
    return widget_of(Timeline, cluster)
