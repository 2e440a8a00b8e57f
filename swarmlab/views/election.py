"""How the managers elected a leader: as a list of events, and as a chart with a row per manager.

Read from the simulation's trace; a real swarm does not show votes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from swarmlab.simulation import S
from swarmlab.strings import _
from swarmlab.views.charts import FONT_SIZE, bar, frame, label, patch
from swarmlab.views.history import RaftEvent, RaftHistory, RoleSpan, Vote
from swarmlab.views.html import Callout, Table, folded, only_simulated, picture
from swarmlab.views.palette import BLACK, ROLES, YELLOW

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROWS_UNFOLDED_MAX = 8
BEFORE_NS, AFTER_NS = 4 * S, 6 * S  # shown around the first and the last event
HATCHES = {"candidate": "..", "down": "//"}  # beside the role's letter and colour
TERM_WIDTH, LETTER_WIDTH = 0.12, 0.04  # of the chart's width


@dataclass(frozen=True, slots=True)
class Election:
    """The managers between two moments, shown as a chart and as a list of events."""

    managers: tuple[str, ...]
    spans: tuple[RoleSpan, ...]
    votes: tuple[Vote, ...]
    events: tuple[RaftEvent, ...]
    zero_ns: int  # times are relative to this: the fault, if there was one
    start_ns: int
    end_ns: int

    @property
    def rows(self) -> list[tuple[str, str, str]]:
        """(when, which managers, what)."""
        return [
            (f"{(e.at_ns - self.zero_ns) / S:+.2f} s", ", ".join(sorted(e.names)), e.text)
            for e in self.events
        ]

    @property
    def table(self) -> Table:
        return Table("", (_("When"), _("Who"), _("What")), tuple(self.rows))

    def __repr__(self) -> str:
        return repr(self.table) if self.rows else _("No election in this time.")

    def figure(self) -> Figure:
        """A row per manager: its role and term over time, votes as arrows."""
        return ElectionChart(self).figure

    def _repr_html_(self) -> str:
        chart = picture(self.figure(), "; ".join(" ".join(row) for row in self.rows))
        table = self.table._repr_html_()
        if len(self.rows) > ROWS_UNFOLDED_MAX:
            table = folded(_("The same in words: {count} lines", count=len(self.rows)), table)
        return chart + table


def election(cluster: Any, since_ns: int | None = None) -> Election | Callout:
    """How the managers elected a leader since the last fault, or since `since_ns` of virtual time.
    Lesson: 05_quorum.

    >>> import swarmlab
    >>> cluster = swarmlab.simulate(managers=3, workers=0, seed=7)
    >>> cluster.crash("m1")
    >>> cluster.run("40s")
    >>> election(cluster).rows[0]
    ('+0.00 s', 'm1', '✖ down; it was the leader')
    """
    if not cluster.has_trace:
        return only_simulated(_("Docker's API does not tell who voted for whom, and when."))
    history = RaftHistory(cluster)
    if since_ns is None:
        since_ns = max(history.faults_ns, default=0)
    events = tuple(event for event in history.events if event.at_ns >= since_ns)
    start_ns = max(0, since_ns - BEFORE_NS)
    last_ns = events[-1].at_ns if events else since_ns
    end_ns = max(min(last_ns + AFTER_NS, history.now_ns), start_ns + 1 * S)
    return Election(
        managers=tuple(history.managers),
        spans=tuple(s for s in history.spans if s.end_ns > start_ns and s.start_ns < end_ns),
        votes=tuple(v for v in history.votes if v.at_ns >= since_ns),
        events=events,
        zero_ns=since_ns,
        start_ns=start_ns,
        end_ns=end_ns,
    )


class ElectionChart:
    """Roles as bars, votes as arrows, faults as crosses and dashed lines."""

    def __init__(self, election: Election) -> None:
        self.election = election
        height = 1.9 + 0.72 * len(election.managers)
        self.figure = Figure(figsize=(12, height), layout="constrained")
        self.axes: Axes = self.figure.subplots()
        self.left, self.right = self.x(election.start_ns), self.x(election.end_ns)
        self.row_of = {name: row for row, name in enumerate(election.managers)}
        for span in election.spans:
            self._draw_span(span)
        self._draw_votes()
        self._draw_faults()
        frame(self.axes, election.managers, (0.8, 0.5))
        self.axes.set_xlim(self.left, self.right)
        title = _("seconds of simulated time, from the fault on")
        self.axes.set_xlabel(title, fontsize=FONT_SIZE)
        self.figure.legend(
            handles=self._legend(), ncols=6, loc="outside upper left", fontsize=FONT_SIZE
        )

    @staticmethod
    def _legend() -> list[Any]:
        roles = [
            patch(look.colour, HATCHES.get(role, ""), f"{look.letter} {_(look.title)}")
            for role, look in ROLES.items()
        ]
        diamond: dict[str, Any] = {"marker": "D", "markerfacecolor": YELLOW, "markersize": 12}
        campaign = Line2D([], [], color=BLACK, label=_("stands"), linestyle="", **diamond)
        vote = Line2D([], [], color=BLACK, marker=">", markersize=9, label=_("vote"))
        return [*roles, campaign, vote]

    def x(self, at_ns: int) -> float:
        shown = self.election
        return (min(max(at_ns, shown.start_ns), shown.end_ns) - shown.zero_ns) / S

    def _draw_span(self, span: RoleSpan) -> None:
        look, row = ROLES[span.role], self.row_of[span.name]
        left, right = self.x(span.start_ns), self.x(span.end_ns)
        hatch = HATCHES.get(span.role, "")
        bar(self.axes, row, left, right, look.colour, hatch, height=0.62)
        width = (right - left) / (self.right - self.left)
        if width > LETTER_WIDTH:
            with_term = width > TERM_WIDTH and span.role != "down"
            term = f"  {_('term {term}', term=span.term)}" if with_term else ""
            label(self.axes, (left + right) / 2, row, look.letter + term)

    def _draw_votes(self) -> None:
        """A diamond where a manager campaigns, and an arrow from each that votes for it."""
        step = 0.008 * (self.right - self.left)
        count: dict[tuple[int, str], int] = {}
        for vote in self.election.votes:
            if vote.candidate not in self.row_of:
                continue
            x, row = self.x(vote.at_ns), self.row_of[vote.voter]
            candidate_row = self.row_of[vote.candidate]
            key = vote.term, vote.candidate
            count[key] = count.get(key, -1) + 1
            if vote.voter == vote.candidate:
                self.axes.plot(
                    x, row, "D", color=YELLOW, markersize=13, markeredgecolor=BLACK, zorder=5
                )
            else:
                x += count[key] * step
                arrow: dict[str, Any] = {"arrowstyle": "-|>", "linewidth": 2.2, "color": BLACK}
                self.axes.annotate("", (x, candidate_row), (x, row), arrowprops=arrow, zorder=6)
                self.axes.plot(x, row, "o", color=BLACK, markersize=6, zorder=6)

    def _draw_faults(self) -> None:
        """A cross for each crash, a line for each partition and its healing."""
        for event in self.election.events:
            x = self.x(event.at_ns)
            if not event.names:
                self.axes.axvline(x, color=BLACK, linestyle="--", linewidth=2)
                text = f" {event.text.partition(':')[0]}"
                self.axes.text(x, -0.42, text, fontsize=FONT_SIZE, va="bottom")
        for span in self.election.spans:
            if span.role == "down" and span.start_ns >= self.election.start_ns:
                x, row = self.x(span.start_ns), self.row_of[span.name]
                self.axes.plot(x, row, "X", color=BLACK, markersize=17, zorder=7)
