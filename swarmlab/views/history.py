"""What happened in a simulated cluster: the Raft roles, terms and votes of every manager over time,
and the events on the timeline, which are what was done and what followed.

What was done comes from the cluster's journal, the rest from its trace. Neither holds a secret, and
of a request's body only the name is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from swarmlab.cluster import simulated_state
from swarmlab.cluster.simulated_state import Simulated, cluster_state
from swarmlab.model import trace_records
from swarmlab.raft.messages import VoteRefusal
from swarmlab.raft.quorum import quorum
from swarmlab.simulation import EPOCH_NS, MS, Record, S
from swarmlab.strings import N_, _
from swarmlab.views import palette
from swarmlab.views.palette import LOOKS, ROLES, Look

if TYPE_CHECKING:
    from swarmlab.cluster.journal import JournalEntry

SPOKEN_MAX = 6  # shown at a time
SAME_MOMENT_NS = 100 * MS
VOTE_REFUSALS: dict[str, str] = {  # in the voter's words
    VoteRefusal.TERM: N_("a newer term has begun"),
    VoteRefusal.LEASE: N_("I still hear the leader"),
    VoteRefusal.VOTED: N_("I voted for another"),
    VoteRefusal.LEADER: N_("this term has a leader"),
    VoteRefusal.LOG: N_("my log is newer"),
}
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
            case trace_records.VoteRefused():
                name = self.raft_names.get(record.candidate, "?")
                self._report(record, f"→ {name}: {refused_vote(record.why)}")
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
        enough = _("votes: {got} of {members}, needed: {need}")
        line += enough if got >= need else _("only {got} of the {need} votes it needs")
        return line.format(term=term, got=got, members=members, need=need)

    def _add_follower(self, record: trace_records.BecameFollower) -> None:
        leader, term = self.raft_names.get(record.leader, "?"), record.term
        before = self._change_role(record, "follower", term)
        if leader:
            self._report(record, _("new leader known: {leader}", leader=leader))
        elif before.role == "leader" and term == before.term:
            self._report(record, _("steps down: it no longer hears from a majority"))
        elif before.role == "leader":
            self._report(record, _("steps down: it hears of term {term}", term=term))
        elif before.role == "candidate" and term == before.term:
            self._report(record, _("gives up: a majority refuses"))


def refused_vote(why: str) -> str:
    """What a voter says that does not vote for a candidate, and why."""
    return ": ".join(filter(None, [_("✘ no vote"), _(VOTE_REFUSALS.get(why, ""))]))


# -- a service, in seconds since 1970; nothing of a cluster without a trace -----------------------
def task_states(cluster: Any) -> dict[str, tuple[dict[str, float], str]]:
    """Task id -> each state that its worker reported, and when it did so first; the last error."""
    tasks: dict[str, tuple[dict[str, float], str]] = {}
    for record in cluster.trace.of(trace_records.TaskStatusChanged) if cluster.has_trace else ():
        states, error = tasks.get(record.task_id, ({}, ""))
        states.setdefault(str(record.state), (EPOCH_NS + record.at_ns) / S)
        tasks[record.task_id] = states, record.err or error
    return tasks


def request_counts(
    cluster: Any, service: str
) -> Iterator[tuple[float, trace_records.RequestCount]]:
    """The requests, second by second and task by task: to this service, or (empty) to all."""
    for record in cluster.trace.of(trace_records.RequestsCounted) if cluster.has_trace else ():
        if service in ("", record.service):
            for count in record.counts:
                yield (EPOCH_NS + record.at_ns) / S, count


# -- who speaks to whom ----------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Spoken:
    """What one node says to another: one record of the trace."""

    record: int  # its place in the trace
    source: str
    target: str
    text: str
    kind: str = "said"  # or refused

    @property
    def line(self) -> str:
        return f"{self.source} → {self.target}: {self.text}"


def spoken_since(cluster: Simulated, first: int, leader: str) -> Iterator[Spoken]:
    """What the records from this one on say, the first few; workers report to the leader."""
    names = simulated_state.raft_names(cluster)
    said = (
        Spoken(place, *words)
        for place, record in enumerate(cluster.trace.records[first:], start=first)
        for words in _said(record, names, leader)
    )
    return islice((one for one in said if one.source != one.target and one.target), SPOKEN_MAX)


def _said(record: Record, names: Mapping[int, str], leader: str) -> Iterator[tuple[str, ...]]:
    """(source, target, text, kind) of what a record says."""
    where = record.where
    match record:
        case trace_records.VotedFor():
            text = _("my vote in term {term}", term=record.term)
            yield where, names.get(record.candidate, ""), text
        case trace_records.VoteRefused():
            yield where, names.get(record.candidate, ""), refused_vote(record.why), "refused"
        case trace_records.BecameFollower() if record.leader:
            text = _("I lead in term {term}", term=record.term)
            yield names.get(record.leader, ""), where, text
        case trace_records.SnapshotSent():
            text = _("snapshot up to #{index}", index=record.index)
            yield where, names.get(record.to, ""), text
        case trace_records.Scheduled():
            by_node: dict[str, list[str]] = {}
            for slot, _id, node in record.placements:
                by_node.setdefault(node, []).append(f"{record.service}.{slot or node}")
            for node, tasks in by_node.items():
                yield where, node, _("run {tasks}", tasks=", ".join(tasks))
        case trace_records.TaskStatusChanged():
            yield where, leader, f"{record.name.rpartition('.')[0]} {record.state}"
        case trace_records.SessionRefused():
            yield record.peer, where, f"✘ {record.why}", "refused"


# What an entry of Raft's log does to an object of the store.
STORED = {
    "create": N_("create {kind} {name}"),
    "update": N_("update {kind} {name}"),
    "remove": N_("remove {kind} {name}"),
}
KINDS = N_("cluster"), N_("config")  # those whose names stand nowhere else


# -- the events on the timeline --------------------------------------------------------------------
# Where events are too close to each other, the kind that comes first here stands for all of them.
EVENT_LOOKS = {
    "fault": Look("✖", N_("fault"), palette.DIAMOND, palette.VERMILLION),
    "failed": LOOKS["failed"],
    "leader": ROLES["leader"],
    "lost": LOOKS["lost"],
    "repair": Look("+", N_("repair"), palette.CIRCLE, palette.BLUISH_GREEN),
    "asked": Look("A", N_("what you asked"), palette.SQUARE, palette.BLUE, palette.WHITE),
    "update": Look("U", N_("update"), palette.ARROW_UP, palette.SKY_BLUE),
}
# A decision is visible once a quorum has it, some ms later; a request has to arrive first.
COMMIT_NS, REQUEST_NS = 100 * MS, 200 * MS
GROUPS_MAX = 20  # side by side, so that each can be read and clicked


@dataclass(frozen=True, slots=True)
class TimelineEvent:
    at_ns: int
    kind: str  # a key of EVENT_LOOKS
    text: str


def timeline_events(cluster: Simulated) -> list[TimelineEvent]:
    """All events so far, the oldest first."""
    with cluster.lock:
        state = cluster_state(cluster)
        names = {node["ID"]: node["Description"].get("Hostname", "") for node in state.nodes}
        names |= {service["ID"]: service["Spec"]["Name"] for service in state.services}
        events = [_action(entry, names) for entry in cluster.journal]
        events += filter(None, map(_consequence, cluster.trace))
        events = [event for event in events if event.at_ns <= cluster.now_ns]
    return sorted(events, key=lambda event: event.at_ns)


def _action(entry: JournalEntry, names: dict[str, str]) -> TimelineEvent:
    """An entry of the journal as an event; `names`: id -> name."""
    lines = {
        "crash": ("fault", _("{0} crashes")),
        "stop": ("fault", _("{0} is stopped")),
        "start": ("repair", _("{0} starts")),
        "heal": ("repair", _("the network is whole again")),
        "drop": ("fault", _("the next message from {0} to {1} is lost")),
        "traffic": ("asked", _("{1} requests a second to {0}, from {2}")),
    }
    args = entry.args
    match entry.verb:
        case "request":
            at_ns = entry.at_ns + REQUEST_NS + COMMIT_NS
            return TimelineEvent(at_ns, "asked", command(names, *args[1:]))
        case "partition":
            sides = "  |  ".join(" ".join(side) for side in args)
            kind, text = "fault", _("the network is cut:  {sides}", sides=sides)
        case "close_ports":
            ports = ", ".join(map(str, args[2:])) or _("none")
            kind, line = "fault", _("closed ports between {0} and {1}: {ports}")
            text = line.format(*args, ports=ports)
        case "slow":
            line = _("the link between {0} and {1} takes {ms:g} ms, and loses a share of {3:g}")
            kind, text = "fault", line.format(*args, ms=args[2] / MS)
        case verb:
            kind, line = lines[verb]
            text = line.format(*args)
    return TimelineEvent(entry.at_ns, kind, text)


def command(names: dict[str, str], method: str, path: str, body: Any) -> str:
    """`POST /v1.50/services/create` as `service create web`; `names`: id -> name.

    >>> command({"a1": "w1"}, "POST", "/v1.50/nodes/a1/update?version=7", {"Role": "manager"})
    'node update w1'
    """
    noun, *rest = re.sub(r"^/v[\d.]+", "", path.partition("?")[0]).strip("/").split("/")
    verb = "rm" if method == "DELETE" else rest[-1] if rest else ""
    id = rest[0] if rest and (verb == "rm" or len(rest) > 1) else ""
    name = body.get("Name") if isinstance(body, dict) else ""
    return " ".join(filter(None, [noun.rstrip("s"), verb, name or names.get(id, id[:12])]))


def _consequence(record: Record) -> TimelineEvent | None:
    """A record of the trace as an event; None for what the timeline does not show."""
    match record:
        case trace_records.BecameLeader():
            text = _("{name} leads, term {term}", name=record.where, term=record.term)
            kind = "leader"
        case trace_records.TaskStatusChanged() if str(record.state) in palette.FAILED:
            line = _("{task} failed on {node}: {error}")
            task = record.name.rpartition(".")[0]
            kind, text = "failed", line.format(task=task, node=record.where, error=record.err)
        case trace_records.NodeStateChanged() if record.state == "down":
            kind, text = "lost", _("{node} counts as down", node=record.node)
        case trace_records.UpdateStateChanged():
            line = _("update of {service}: {message}")
            kind, text = "update", line.format(service=record.service, message=record.message)
        case _:
            return None
    return TimelineEvent(record.at_ns + COMMIT_NS, kind, text)


def grouped(events: Iterable[TimelineEvent], end_ns: int) -> list[list[TimelineEvent]]:
    """The events of a line from 0 to `end_ns`, those that are too close together in one group."""
    groups: list[list[TimelineEvent]] = []
    for event in events:
        if groups and (event.at_ns - groups[-1][0].at_ns) * GROUPS_MAX < end_ns:
            groups[-1].append(event)
        else:
            groups.append([event])
    return groups
