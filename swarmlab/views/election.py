"""Elections as they happened: in words, as a picture, and every manager's log side by side.

Read from the simulation's trace and from the replicas' own status; a real swarm shows neither.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from swarmlab.raft.quorum import quorum
from swarmlab.simulation import MS, Crashed, Healed, Partitioned, Record, S, Stopped
from swarmlab.strings import _, text_table
from swarmlab.views.html import Callout, big_table, folded, only_simulated, picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOMENT_NS = 100 * MS
ROWS_UNFOLDED_MAX = COLUMNS_MAX = 8
FAULTS = Crashed | Stopped | Partitioned
BEFORE_NS, AFTER_NS = 4 * S, 6 * S  # shown around the first and the last event


@dataclass(frozen=True, slots=True)
class Span:
    """What one manager was for a while."""

    name: str
    role: str
    term: int
    start_ns: int
    end_ns: int


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the story; equal things that follow each other share a line."""

    at_ns: int
    who: tuple[str, ...]
    what: str


@dataclass(frozen=True, slots=True)
class Vote:
    at_ns: int
    term: int
    voter: str
    candidate: str


def _raft_names(cluster: Any) -> dict[int, str]:
    """Raft id -> machine, as the managers that are up know each other."""
    names: dict[int, str] = {0: ""}
    addresses = {cluster.machine(name).address: name for name in cluster.names}
    for raft in filter(None, (_raft(cluster, name) for name in cluster.names)):
        for raft_id, member in raft.members.items():
            names[raft_id] = addresses.get(member.address.rsplit(":", 1)[0], "?")
    return names


def _raft(cluster: Any, name: str) -> Any:
    engine = cluster.engine(name)
    return engine.manager.raft if engine is not None and engine.manager is not None else None


def _managers(cluster: Any) -> list[str]:
    """Those that are in the group, or once were."""
    members = {r.where for r in cluster.trace if type(r).__name__ == "MembershipChanged"}
    return [name for name in cluster.names if name in members]


class Teller:
    """Walks through the trace once and keeps what each manager is."""

    def __init__(self, cluster: Any) -> None:
        self.names = _raft_names(cluster)
        self.now_ns: int = cluster.now_ns
        records = list(cluster.trace)
        self.managers = _managers(cluster)
        self.votes = list(self._votes(records))
        self.seats: dict[str, int] = {}  # how many members each manager counts
        self.spans: list[Span] = []
        self.events: list[Event] = []
        self.faults_ns: list[int] = []
        self._now = {name: Span(name, "follower", 0, 0, 0) for name in self.managers}
        for record in records:
            self._tell(record)
        self.spans += [replace(span, end_ns=self.now_ns) for span in self._now.values()]

    def _votes(self, records: list[Record]) -> Iterator[Vote]:
        for record in records:
            values: Any = record
            kind = type(record).__name__
            if kind == "Campaigned":
                yield Vote(record.at_ns, values.term, record.where, record.where)
            elif kind == "VotedFor":
                candidate = self.names.get(values.candidate, "?")
                yield Vote(record.at_ns, values.term, record.where, candidate)

    def _become(self, record: Record, role: str, term: int | None = None) -> Span:
        """From now on this manager is something else; what it was until now."""
        before = self._now[record.where]
        self.spans.append(replace(before, end_ns=record.at_ns))
        term = before.term if term is None else term
        self._now[record.where] = Span(record.where, role, term, record.at_ns, record.at_ns)
        return before

    def _say(self, record: Record, what: str) -> None:
        """A line of the story; the same said by another at the same moment joins its line."""
        who = (record.where,) if record.where else ()
        soon = [e for e in self.events if record.at_ns - e.at_ns < MOMENT_NS and e.what == what]
        if soon:
            self.events[self.events.index(soon[0])] = replace(soon[0], who=soon[0].who + who)
        else:
            self.events.append(Event(record.at_ns, who, what))

    def _tell(self, record: Record) -> None:
        if isinstance(record, FAULTS) and record.where in ("", *self.managers):
            self.faults_ns.append(record.at_ns)
        if isinstance(record, Partitioned):
            sides = "  |  ".join(" ".join(group) for group in record.groups)
            self._say(record, f"{_('the network is cut')}:  {sides}")
        elif isinstance(record, Healed):
            self._say(record, _("the network is whole again"))
        elif record.where in self.managers:
            self._tell_of_manager(record)

    def _tell_of_manager(self, record: Record) -> None:
        values: Any = record
        match type(record).__name__:
            case "Crashed" | "Stopped":
                led = self._become(record, "down").role == "leader"
                self._say(record, _("✖ down; it was the leader") if led else _("✖ down"))
            case "Started" if record.at_ns:
                self._become(record, "follower")
                self._say(record, _("up again"))
            case "MembershipChanged":
                self.seats[record.where] = len(values.members)
            case "Campaigned":
                self._become(record, "candidate", values.term)
                self._say(record, self._candidacy(record.where, values.term))
            case "VotedFor":
                candidate = self.names.get(values.candidate, "?")
                line = _("vote for {candidate} in term {term}")
                self._say(record, line.format(candidate=candidate, term=values.term))
                if values.term > self._now[record.where].term:
                    self._become(record, "follower", values.term)
            case "BecameLeader":
                self._become(record, "leader", values.term)
                self._say(record, _("LEADER of term {term}", term=values.term))
            case "BecameFollower":
                self._tell_of_follower(record, values.term, self.names.get(values.leader, "?"))

    def _candidacy(self, name: str, term: int) -> str:
        """Why it stands, and what comes of it."""
        seats = self.seats.get(name, len(self.managers))
        got = len([v for v in self.votes if (v.term, v.candidate) == (term, name)])
        need = quorum(seats)
        line = _("hears no leader, stands for election in term {term}: ")
        enough = _("{got} votes of {seats}, {need} needed")
        line += enough if got >= need else _("only {got} of the {need} votes it needs")
        return line.format(term=term, got=got, seats=seats, need=need)

    def _tell_of_follower(self, record: Record, term: int, leader: str) -> None:
        before = self._become(record, "follower", term)
        if leader:
            self._say(record, _("new leader known: {leader}", leader=leader))
        elif before.role == "leader" and term == before.term:
            self._say(record, _("steps down: it no longer hears a majority"))
        elif before.role == "leader":
            self._say(record, _("steps down: it hears of term {term}", term=term))
        elif before.role == "candidate" and term == before.term:
            self._say(record, _("gives up: a majority refuses"))


@dataclass(frozen=True, slots=True)
class Story:
    """The managers between two moments, shown as a picture with its words."""

    managers: tuple[str, ...]
    spans: tuple[Span, ...]
    votes: tuple[Vote, ...]
    events: tuple[Event, ...]
    zero_ns: int  # times are told from here: the fault, if there was one
    start_ns: int
    end_ns: int

    @property
    def rows(self) -> list[tuple[str, str, str]]:
        """(when, who, what)."""
        return [
            (f"{(e.at_ns - self.zero_ns) / S:+.2f} s", ", ".join(sorted(e.who)), e.what)
            for e in self.events
        ]

    def __repr__(self) -> str:
        width = max((len(who) for _when, who, _what in self.rows), default=0)
        lines = [f"{when:>9}  {who:<{width}}  {what}" for when, who, what in self.rows]
        return "\n".join(lines or [_("No election in this time.")])

    def figure(self) -> Figure:
        """A lane a manager: its role and term over time, votes as arrows."""
        from swarmlab.views.election_chart import drawn

        return drawn(self)

    def _repr_html_(self) -> str:
        drawn = picture(self.figure(), "; ".join(" ".join(row) for row in self.rows))
        table = big_table((_("When"), _("Who"), _("What")), self.rows)
        if len(self.rows) > ROWS_UNFOLDED_MAX:
            told = _("The same in words: {count} lines", count=len(self.rows))
            table = folded(told, table)
        return drawn + table


def election(cluster: Any, since_ns: int | None = None) -> Story | Callout:
    """How the managers found a leader since the last fault, or since `since_ns` of simulated time.
    Lesson: 05_quorum.

    >>> import swarmlab
    >>> cluster = swarmlab.simulate(managers=3, workers=0, seed=7)
    >>> cluster.crash("m1")
    >>> cluster.run("40s")
    >>> election(cluster).rows[0]
    ('+0.00 s', 'm1', '✖ down; it was the leader')
    """
    if getattr(cluster, "kind", "") != "simulated":
        return only_simulated(_("Docker's API does not tell who voted for whom, and when."))
    teller = Teller(cluster)
    if since_ns is None:
        since_ns = max(teller.faults_ns, default=0)
    events = tuple(event for event in teller.events if event.at_ns >= since_ns)
    start_ns = max(0, since_ns - BEFORE_NS)
    last_ns = events[-1].at_ns if events else since_ns
    end_ns = max(min(last_ns + AFTER_NS, teller.now_ns), start_ns + 1 * S)
    return Story(
        managers=tuple(teller.managers),
        spans=tuple(s for s in teller.spans if s.end_ns > start_ns and s.start_ns < end_ns),
        votes=tuple(v for v in teller.votes if v.at_ns >= since_ns),
        events=events,
        zero_ns=since_ns,
        start_ns=start_ns,
        end_ns=end_ns,
    )


@dataclass(frozen=True, slots=True)
class Logs:
    """The managers' logs side by side: one line a manager, one column a position in the log."""

    managers: tuple[str, ...]
    statuses: dict[str, Any]  # name -> swarmlab.raft.Status; a manager that is down has none
    names: dict[int, str]

    @property
    def head(self) -> tuple[str, ...]:
        fixed = (_("Manager"), _("Is"), _("Term"), _("Vote for"), _("Committed"))
        return (*fixed, *(f"#{index}" for index in self.indexes))

    @property
    def indexes(self) -> range:
        end = 1 + max((status.last_index for status in self.statuses.values()), default=0)
        return range(max(1, end - COLUMNS_MAX), end)

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """`3✔`: an entry of term 3, committed; `3?`: not committed, it may yet be lost."""
        rows = []
        for name in self.managers:
            if (status := self.statuses.get(name)) is None:
                rows.append((name, _("✖ down"), *["" for _cell in self.head[2:]]))
                continue
            role, vote = _(str(status.role)), self.names.get(status.vote, "?") or "–"
            fixed = (name, role, str(status.term), vote, f"#{status.commit_index}")
            rows.append((*fixed, *(self.cell(status, index) for index in self.indexes)))
        return rows

    @staticmethod
    def cell(status: Any, index: int) -> str:
        at = index - status.last_index - 1 + len(status.last_terms)
        if not 0 <= at < len(status.last_terms):
            return ""
        return f"{status.last_terms[at]}{'✔' if index <= status.commit_index else '?'}"

    def __repr__(self) -> str:
        return text_table([self.head, *self.rows])

    def _repr_html_(self) -> str:
        note = _("3✔ = written in term 3, committed. 3? = not committed: it may yet be lost.")
        return big_table(self.head, self.rows, [note])


def logs(cluster: Any) -> Logs:
    """Term, vote and log of every manager of a simulated cluster, as each has them now."""
    rafts = [(name, _raft(cluster, name)) for name in cluster.names]
    statuses = {name: raft.status() for name, raft in rafts if raft is not None}
    return Logs(tuple(_managers(cluster)), statuses, _raft_names(cluster))
