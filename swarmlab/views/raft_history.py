"""The Raft roles, terms and votes of every manager over time, read from a simulation's trace."""

from __future__ import annotations

from dataclasses import dataclass, replace

from swarmlab.cluster import simulated_state
from swarmlab.cluster.simulated_state import Simulated
from swarmlab.model import trace_records
from swarmlab.raft.quorum import quorum
from swarmlab.simulation import MS, Record
from swarmlab.strings import _

SAME_MOMENT_NS = 100 * MS
FAULTS = trace_records.Crashed | trace_records.Stopped | trace_records.Partitioned


@dataclass(frozen=True, slots=True)
class RoleSpan:
    """A manager's role and term over a period."""

    name: str
    role: str  # a key of palette.ROLES
    term: int
    start_ns: int
    end_ns: int


@dataclass(frozen=True, slots=True)
class RaftEvent:
    """A sentence about managers; equal sentences that follow each other share one event."""

    at_ns: int
    names: tuple[str, ...]  # empty: about the network
    text: str


@dataclass(frozen=True, slots=True)
class Vote:
    at_ns: int
    term: int
    voter: str
    candidate: str


class RaftHistory:
    """One pass through the trace, keeping each manager's current role."""

    def __init__(self, cluster: Simulated) -> None:
        self.raft_names = simulated_state.raft_names(cluster)
        self.now_ns = cluster.now_ns
        records = list(cluster.trace)
        self.managers = simulated_state.managers_ever(cluster)
        self.votes = [
            Vote(record.at_ns, record.term, record.where, self._candidate(record))
            for record in records
            if isinstance(record, trace_records.Campaigned | trace_records.VotedFor)
        ]
        self.member_counts: dict[str, int] = {}  # how many members each manager counts
        self.spans: list[RoleSpan] = []
        self.events: list[RaftEvent] = []
        self.faults_ns: list[int] = []
        self._current = {name: RoleSpan(name, "follower", 0, 0, 0) for name in self.managers}
        for record in records:
            self._add(record)
        self.spans += [replace(span, end_ns=self.now_ns) for span in self._current.values()]

    def _candidate(self, record: trace_records.Campaigned | trace_records.VotedFor) -> str:
        """Whom the record's manager votes for: in its own campaign, itself."""
        if isinstance(record, trace_records.Campaigned):
            return record.where
        return self.raft_names.get(record.candidate, "?")

    def _change_role(self, record: Record, role: str, term: int | None = None) -> RoleSpan:
        """Begin a new span for the record's manager; the span that has ended."""
        before = self._current[record.where]
        self.spans.append(replace(before, end_ns=record.at_ns))
        term = before.term if term is None else term
        self._current[record.where] = RoleSpan(record.where, role, term, record.at_ns, record.at_ns)
        return before

    def _report(self, record: Record, text: str) -> None:
        """Add an event, or join the one with the same text at the same moment."""
        names = (record.where,) if record.where else ()
        for i, event in enumerate(self.events):
            if record.at_ns - event.at_ns < SAME_MOMENT_NS and event.text == text:
                self.events[i] = replace(event, names=event.names + names)
                return
        self.events.append(RaftEvent(record.at_ns, names, text))

    def _add(self, record: Record) -> None:
        if isinstance(record, FAULTS) and record.where in ("", *self.managers):
            self.faults_ns.append(record.at_ns)
        if isinstance(record, trace_records.Partitioned):
            sides = "  |  ".join(" ".join(group) for group in record.groups)
            self._report(record, f"{_('the network is cut')}:  {sides}")
        elif isinstance(record, trace_records.Healed):
            self._report(record, _("the network is whole again"))
        elif record.where in self.managers:
            self._add_of_manager(record)

    def _add_of_manager(self, record: Record) -> None:
        match record:
            case trace_records.Crashed() | trace_records.Stopped():
                led = self._change_role(record, "down").role == "leader"
                self._report(record, _("✖ down; it was the leader") if led else _("✖ down"))
            case trace_records.Started() if record.at_ns:
                self._change_role(record, "follower")
                self._report(record, _("up again"))
            case trace_records.MembershipChanged():
                self.member_counts[record.where] = len(record.members)
            case trace_records.Campaigned():
                self._change_role(record, "candidate", record.term)
                self._report(record, self._candidacy(record.where, record.term))
            case trace_records.VotedFor():
                line = _("vote for {candidate} in term {term}")
                text = line.format(candidate=self._candidate(record), term=record.term)
                self._report(record, text)
                if record.term > self._current[record.where].term:
                    self._change_role(record, "follower", record.term)
            case trace_records.BecameLeader():
                self._change_role(record, "leader", record.term)
                self._report(record, _("LEADER of term {term}", term=record.term))
            case trace_records.BecameFollower():
                self._add_follower(record)

    def _candidacy(self, name: str, term: int) -> str:
        """Why a manager campaigns, and how many votes it gets in the end."""
        members = self.member_counts.get(name, len(self.managers))
        got = len([v for v in self.votes if (v.term, v.candidate) == (term, name)])
        need = quorum(members)
        line = _("hears no leader, stands for election in term {term}: ")
        enough = _("{got} votes of {members}, {need} needed")
        line += enough if got >= need else _("only {got} of the {need} votes it needs")
        return line.format(term=term, got=got, members=members, need=need)

    def _add_follower(self, record: trace_records.BecameFollower) -> None:
        leader, term = self.raft_names.get(record.leader, "?"), record.term
        before = self._change_role(record, "follower", term)
        if leader:
            self._report(record, _("new leader known: {leader}", leader=leader))
        elif before.role == "leader" and term == before.term:
            self._report(record, _("steps down: it no longer hears a majority"))
        elif before.role == "leader":
            self._report(record, _("steps down: it hears of term {term}", term=term))
        elif before.role == "candidate" and term == before.term:
            self._report(record, _("gives up: a majority refuses"))
