"""How the managers elected a leader: as a list of events, and as a chart with a row per manager.

Read from the simulation's trace; a real swarm does not show votes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from markupsafe import Markup

from swarmlab.cluster.calls import checked
from swarmlab.cluster.interface import AnyCluster
from swarmlab.cluster.simulated_state import is_simulated
from swarmlab.simulation import S
from swarmlab.strings import _, seconds
from swarmlab.views.history import EVENT_LOOKS, RaftEvent, RaftHistory, RoleSpan, Vote
from swarmlab.views.html import Callout, Table, folded, only_simulated
from swarmlab.views.palette import ROLES
from swarmlab.views.primitives import (
    arrow,
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

ROWS_UNFOLDED_MAX = 8
BEFORE_NS, AFTER_NS = 4 * S, 6 * S  # shown around the first and the last event
VOTE_STEP = 0.8  # between arrows to one candidate, in percent of the width


@dataclass(frozen=True, slots=True)
class Election:
    """The managers between two moments, shown as a chart and as a list of events.

    `election(cluster)` shows it. Lesson: 05_quorum.
    """

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
            (seconds((e.at_ns - self.zero_ns) / S, 2, "+"), ", ".join(sorted(e.names)), e.text)
            for e in self.events
        ]

    @property
    def table(self) -> Table:
        return Table("", (_("When"), _("Who"), _("What")), tuple(self.rows))

    def __repr__(self) -> str:
        return repr(self.table) if self.rows else _("No election in this time.")

    # -- the chart ---------------------------------------------------------------------
    @property
    def chart(self) -> Markup:
        """A lane per manager: its role and term over time, votes as arrows."""
        start_s, end_s = ((at - self.zero_ns) / S for at in (self.start_ns, self.end_ns))
        lanes = [lane(name, *self._spans(name), *self._votes(name)) for name in self.managers]
        cuts = [(self.x(e.at_ns), e.text) for e in self.events if not e.names]
        faults = lane("", *(upright(x, "fault", len(lanes)) for x, _text in cuts), style="height:0")
        notes = [note(x, text.partition(":")[0]) for x, text in cuts]
        head = [lane("", *notes, style="height:1.5em"), faults] if cuts else []
        alt = "; ".join(" ".join(row) for row in self.rows)
        return drawing(alt, *head, *lanes, axis(start_s, end_s))

    def x(self, at_ns: int) -> float:
        """In percent of the width."""
        return percent(at_ns, self.start_ns, self.end_ns)

    def _spans(self, name: str) -> Iterator[Markup]:
        for span in self.spans:
            if span.name == name:
                look, left = ROLES[span.role], self.x(span.start_ns)
                term = "" if span.role == "down" else _("term {term}", term=span.term)
                title = f"{name}: {_(look.title)} {term}"
                right = self.x(span.end_ns)
                yield bar(left, right, span.role, look.colour, look.letter, term, title=title)
                if span.role == "down" and span.start_ns >= self.start_ns:
                    yield mark(left, shape(EVENT_LOOKS["fault"]))

    def _votes(self, name: str) -> Iterator[Markup]:
        """A diamond where it campaigns, and an arrow to each candidate that it votes for."""
        for vote in self.votes:
            if vote.voter != name or vote.candidate not in self.managers:
                continue
            x = self.x(vote.at_ns)
            if vote.candidate == name:
                yield mark(x, shape(ROLES["candidate"]))
                continue
            rivals = [v for v in self.votes if (v.term, v.candidate) == (vote.term, vote.candidate)]
            rows = self.managers.index(vote.candidate) - self.managers.index(name)
            yield arrow(x + VOTE_STEP * rivals.index(vote), rows)

    def _repr_html_(self) -> Markup:
        table = self.table._repr_html_()
        if len(self.rows) > ROWS_UNFOLDED_MAX:
            table = folded(_("The same in words: {count} lines", count=len(self.rows)), table)
        candidate = {"candidate": shape(ROLES["candidate"])}  # as a bar, and where it campaigns
        signs = [
            (swatch(role, look.colour) + candidate.get(role, ""), f"{look.letter} {_(look.title)}")
            for role, look in ROLES.items()
        ]
        signs.append((Markup("<b>↕</b>"), _("vote")))
        return view(legend(signs), self.chart) + table


@checked
def election(cluster: AnyCluster, since_ns: int | None = None) -> Election | Callout:
    """How the managers elected a leader since the last fault, or since `since_ns` of virtual time.
    Lesson: 05_quorum.

    >>> import swarmlab
    >>> cluster = swarmlab.simulate(managers=3, workers=0, seed=7)
    >>> cluster.crash("m1")
    >>> cluster.run("40s")
    >>> election(cluster).rows[0]
    ('+0.00 s', 'm1', '✖ down; it was the leader')
    """
    if not is_simulated(cluster):
        return only_simulated(_("Docker's API doesn't say who voted for whom, or when."))
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
