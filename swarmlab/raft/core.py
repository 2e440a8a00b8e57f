"""Raft as a pure function: a message, a tick or a proposal in; what to persist, send, apply out.

No clock, no network, no disk. Read `Ready`, then `Raft.step` beside figure 2 of the Raft paper.
Configured as SwarmKit configures etcd's: check-quorum with its lease, no pre-vote, leadership
transfer, one membership change at a time, effective when applied. Left out: learners, joint
consensus, read index.
Source: etcd-io/raft raft.go.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from swarmlab.raft import messages as rpc
from swarmlab.raft.log import Log
from swarmlab.raft.messages import Entry, EntryKind, HardState, Member, MembershipChange, Snapshot
from swarmlab.raft.progress import Flow, Progress
from swarmlab.raft.quorum import quorum

# etcd limits a message to 64 KiB; payloads have no size here, so entries are counted.
ENTRIES_PER_MESSAGE_MAX = 1024


class RaftRole(StrEnum):
    FOLLOWER = "follower"
    CANDIDATE = "candidate"
    LEADER = "leader"


@dataclass(frozen=True, slots=True)
class Ready:
    """What to do now, in the order of the fields; finish one `Ready` before the next."""

    snapshot: Snapshot | None = None  # persist; restore it before `committed` is applied
    hard_state: HardState | None = None  # persist
    entries: tuple[Entry, ...] = ()  # persist; they replace all entries at these indexes and after
    must_sync: bool = False  # sync what was persisted before anything below
    messages: tuple[tuple[int, rpc.Message], ...] = ()  # send: (raft id, message)
    committed: tuple[Entry, ...] = ()  # apply, then report with `Raft.applied`


NOTHING = Ready()


class Raft:
    """One replica. Every input returns a `Ready`; times are in ticks."""

    def __init__(
        self,
        raft_id: int,
        rng: random.Random,
        hard_state: HardState,
        snapshot: Snapshot | None,
        entries: Sequence[Entry],
        election_ticks: int = 10,
    ) -> None:
        """Continue from what was persisted; the entries follow the snapshot."""
        index, term = (snapshot.index, snapshot.term) if snapshot else (0, 0)
        self.raft_id, self.election_ticks = raft_id, election_ticks
        self.term, self.vote = hard_state.term, hard_state.vote
        self.role = RaftRole.FOLLOWER
        self.log = Log(index, term, entries, hard_state.commit)
        self.applied_index = index
        self.snapshot = snapshot  # the last one, for followers that need compacted entries
        self.members: Mapping[int, Member] = {}  # by raft id, as of `applied_index`; not mutated
        self.removed: frozenset[int] = frozenset()
        if snapshot:
            self._set_members(snapshot)
        self.leader_id = 0  # 0 = none known
        self.transferee = 0  # leader: the member to transfer leadership to; 0 = none
        self.progress: dict[int, Progress] = {}  # leader: the other members
        self.votes: dict[int, bool] = {}  # candidate: granted or not, by raft id
        self._rng = rng
        self._change_index = 0  # leader: the last membership change is at or before this
        self._ready_index = index  # committed entries up to here were returned in a Ready
        self._saved = (self.term, self.vote, self.log.commit)
        # For the next Ready:
        self._messages: list[tuple[int, rpc.Message]] = []
        self._entries: tuple[Entry, ...] = ()
        self._restored: Snapshot | None = None
        self._become(RaftRole.FOLLOWER, self.term)

    @property
    def quorum(self) -> int:
        return quorum(len(self.members))

    @property
    def change_pending(self) -> bool:
        """Leader: a membership change may be in the log and not yet applied."""
        return self._change_index > self.applied_index

    def membership_error(self, change: MembershipChange) -> str:
        """Why a change is rejected, in SwarmKit's words; empty when it is allowed."""
        member = change.member
        existing = self.members.get(member.raft_id)
        if self.change_pending:
            return "raft: propose configuration change refused"
        if member.raft_id in self.removed:
            return "membership: node was removed during cluster lifetime"
        if not change.add and existing is None:
            return "membership: member not found in cluster list"
        if change.add and existing is not None and existing.node_id != member.node_id:
            return "membership: can't add node to cluster, node id is a duplicate"
        return ""

    # -- requests to the leader ------------------------------------------------------
    def propose(self, payloads: Sequence[object]) -> Ready:
        """Append payloads after `log.last_index`; leaders only, and none while transferring."""
        assert self.role is RaftRole.LEADER
        assert not self.transferee
        self._extend(EntryKind.NORMAL, payloads)
        return self.ready()

    def propose_change(self, change: MembershipChange) -> Ready:
        """Append a membership change; leaders only, one at a time."""
        assert self.role is RaftRole.LEADER
        assert not self.change_pending
        self._change_index = self.log.last_index + 1
        self._extend(EntryKind.CHANGE, [change])
        return self.ready()

    def transfer_leadership(self, to: int) -> Ready:
        """Make member `to` leader once its log is complete; abandoned after an election timeout."""
        self.transferee, self._elapsed = to, 0
        if self.progress[to].match == self.log.last_index:
            self._send(to, rpc.TimeoutNow(self.raft_id, self.term))
        else:
            self._send_append(to)
        return self.ready()

    # -- progress of the state machine -----------------------------------------------
    def applied(self, index: int) -> Ready:
        """Entries up to `index` are applied; membership changes among them take effect now."""
        if index <= self.applied_index:
            return NOTHING
        entries = self.log.slice(self.applied_index + 1, index)
        self.applied_index = index
        for entry in entries:
            if isinstance(entry.data, MembershipChange):
                self._change_members(entry.data)
        return self.ready()

    def compact(self, snapshot: Snapshot, keep: int) -> None:
        """`snapshot` is persisted: drop the entries it replaces, except the last `keep`."""
        self.snapshot = snapshot
        self.log.compact(snapshot.index - keep)

    # -- time ------------------------------------------------------------------------
    def tick(self) -> Ready:
        """One tick has passed: elections, heartbeats, and the leader's check-quorum."""
        self._elapsed += 1
        if self.role is not RaftRole.LEADER:
            return self.campaign() if self._elapsed >= self._timeout else NOTHING
        if self._elapsed >= self.election_ticks:
            self._elapsed = self.transferee = 0
            if 1 + sum(peer.active for peer in self.progress.values()) < self.quorum:
                self._become(RaftRole.FOLLOWER, self.term)
            for peer in self.progress.values():
                peer.active = False
        for to in self.progress:
            self._send_append(to, heartbeat=True)
        return self.ready()

    def campaign(self, *, transfer: bool = False) -> Ready:
        """Start an election, unless it is leader, is no member, or has to apply a change first."""
        log = self.log
        unapplied = log.slice(self.applied_index + 1, log.commit)
        eligible = self.role is not RaftRole.LEADER and self.raft_id in self.members
        if eligible and not any(entry.kind is EntryKind.CHANGE for entry in unapplied):
            self._become(RaftRole.CANDIDATE, self.term + 1)
            self.vote = self.raft_id
            last = (log.last_index, log.last_term)
            for to in self.members:
                if to != self.raft_id:
                    self._send(to, rpc.RequestVote(self.raft_id, self.term, *last, transfer))
            self._count_vote(self.raft_id, True)
        return self.ready()

    # -- messages --------------------------------------------------------------------
    def step(self, message: rpc.Message) -> Ready:
        """Handle a message of another replica."""
        why = self.vote_refusal(message) if isinstance(message, rpc.RequestVote) else None
        if why is rpc.VoteRefusal.LEASE:
            return NOTHING
        from_leader = isinstance(message, rpc.AppendEntries | rpc.InstallSnapshot)
        if message.term < self.term:
            if isinstance(message, rpc.RequestVote):
                self._on_request_vote(message)
            elif from_leader:
                self._send(message.source, rpc.AppendReply(self.raft_id, self.term, 0, True))
            return self.ready()
        if message.term > self.term or (from_leader and self.role is RaftRole.CANDIDATE):
            self._become(RaftRole.FOLLOWER, message.term)
        if from_leader:
            assert self.role is RaftRole.FOLLOWER, f"two leaders in term {self.term}"
            self.leader_id, self._elapsed = message.source, 0
        match message:
            case rpc.AppendEntries():
                self._on_append(message)
            case rpc.AppendReply():
                self._on_append_reply(message)
            case rpc.RequestVote():
                self._on_request_vote(message)
            case rpc.VoteReply():
                self._count_vote(message.source, message.granted)
            case rpc.InstallSnapshot():
                self._on_snapshot(message)
            case rpc.TimeoutNow():
                if self.role is RaftRole.FOLLOWER:
                    return self.campaign(transfer=True)
            case _:
                assert_never(message)
        return self.ready()

    def vote_refusal(self, request: rpc.RequestVote) -> rpc.VoteRefusal | None:
        """Why this replica would not vote for the sender now; None if it would."""
        same_term, has_leader = request.term == self.term, self.leader_id != 0
        leader_heard = has_leader and self._elapsed < self.election_ticks
        refusals = {
            rpc.VoteRefusal.TERM: request.term < self.term,
            rpc.VoteRefusal.LEASE: leader_heard and not same_term and not request.transfer,
            rpc.VoteRefusal.VOTED: same_term and self.vote not in (0, request.source),
            rpc.VoteRefusal.LEADER: same_term and self.vote == 0 and has_leader,
            rpc.VoteRefusal.LOG: not self.log.is_up_to_date(request.last_index, request.last_term),
        }
        return next((why for why, applies in refusals.items() if applies), None)

    def _on_request_vote(self, request: rpc.RequestVote) -> None:
        why = self.vote_refusal(request)
        if why is None:
            self.vote, self._elapsed = request.source, 0
        self._send(request.source, rpc.VoteReply(self.raft_id, self.term, why is None, why))

    def _count_vote(self, source: int, granted: bool) -> None:
        if self.role is not RaftRole.CANDIDATE or source not in self.members:
            return
        self.votes.setdefault(source, granted)  # a repeated reply counts once
        votes = list(self.votes.values())
        if votes.count(True) >= self.quorum:
            self._become_leader()
        elif votes.count(False) >= self.quorum:
            self._become(RaftRole.FOLLOWER, self.term)

    def _on_append(self, message: rpc.AppendEntries) -> None:
        log, prev = self.log, message.prev_index
        if prev < log.commit:  # a late message: committed entries match
            reply = rpc.AppendReply(self.raft_id, self.term, log.commit)
        elif log.term(prev) != message.prev_term:
            # etcd skips back one term per reply; the committed entries certainly match.
            hint = log.last_index if prev > log.last_index else log.commit
            reply = rpc.AppendReply(self.raft_id, self.term, prev, True, hint)
        else:
            self._entries = log.append(message.entries)
            last = prev + len(message.entries)
            log.commit = max(log.commit, min(message.commit, last))
            reply = rpc.AppendReply(self.raft_id, self.term, last)
        self._send(message.source, reply)

    def _on_append_reply(self, reply: rpc.AppendReply) -> None:
        source, log = reply.source, self.log
        peer = self.progress.get(source)
        if peer is None:  # this is not the leader, or the sender is no member any more
            return
        peer.active = True
        if reply.rejected:
            if peer.rejected(reply.index, reply.hint):
                self._send_append(source)
        elif peer.accepted(reply.index):
            if self._advance_commit():
                self._broadcast()
            elif peer.next <= log.last_index:
                self._send_append(source)
            if source == self.transferee and peer.match == log.last_index:
                self._send(source, rpc.TimeoutNow(self.raft_id, self.term))

    def _on_snapshot(self, message: rpc.InstallSnapshot) -> None:
        log, snapshot = self.log, message.snapshot
        if log.term(snapshot.index) == snapshot.term:  # it has all the entries already
            log.commit = max(log.commit, snapshot.index)
        elif snapshot.index > log.commit:
            log.restore(snapshot.index, snapshot.term)
            self.snapshot = self._restored = snapshot
            self.applied_index = self._ready_index = snapshot.index
            self._set_members(snapshot)
        self._send(message.source, rpc.AppendReply(self.raft_id, self.term, log.commit))

    # -- roles -----------------------------------------------------------------------
    def _become(self, role: RaftRole, term: int, leader_id: int = 0) -> None:
        """The only place that changes the role; resets all per-role state."""
        assert term >= self.term
        if term != self.term:
            self.term, self.vote = term, 0
        self.role, self.leader_id = role, leader_id
        self._elapsed = 0  # since the leader was heard; leader: since the last check-quorum
        self._timeout = self.election_ticks + self._rng.randrange(self.election_ticks)
        self.transferee = 0
        self.votes, self.progress = {}, {}

    def _become_leader(self) -> None:
        self._become(RaftRole.LEADER, self.term, self.raft_id)
        last = self.log.last_index
        self.progress = {to: Progress(last + 1) for to in self.members if to != self.raft_id}
        self._change_index = last  # may include a membership change of an earlier leader
        self._extend(EntryKind.NOOP, [None])

    # -- the leader's log ------------------------------------------------------------
    def _extend(self, kind: EntryKind, payloads: Sequence[object]) -> None:
        first, term = self.log.last_index + 1, self.term
        new = [Entry(i, term, kind, data) for i, data in enumerate(payloads, first)]
        self._entries = tuple(new)
        self.log.entries.extend(new)
        self._advance_commit()  # at once if it is the only member
        self._broadcast()

    def _advance_commit(self) -> bool:
        """Commit what a quorum stores, if it is of this term. Paper, section 5.4.2."""
        log = self.log
        matches = sorted([log.last_index, *(peer.match for peer in self.progress.values())])
        index = matches[len(matches) - self.quorum]
        if index <= log.commit or log.term(index) != self.term:
            return False
        log.commit = index
        return True

    def _broadcast(self) -> None:
        for to in self.progress:
            self._send_append(to)

    def _send_append(self, to: int, *, heartbeat: bool = False) -> None:
        """Send all that flow control allows: at least the commit index, unless a probe is out."""
        peer, log = self.progress[to], self.log
        if peer.paused and not heartbeat:
            return
        while True:
            prev = peer.next - 1
            entries: tuple[Entry, ...] = ()
            prev_term = log.term(prev)
            if prev_term is None:  # compacted away
                assert self.snapshot is not None
                self._send(to, rpc.InstallSnapshot(self.raft_id, self.term, self.snapshot))
                peer.sent_snapshot(self.snapshot.index)
                return
            if peer.flow is Flow.PROBE or peer.has_room:
                entries = log.slice(peer.next, prev + ENTRIES_PER_MESSAGE_MAX)
            ids = (self.raft_id, self.term)
            self._send(to, rpc.AppendEntries(*ids, prev, prev_term, entries, log.commit))
            peer.sent(len(entries))
            if not peer.has_room or peer.next > log.last_index:
                return

    # -- membership ------------------------------------------------------------------
    def _set_members(self, snapshot: Snapshot) -> None:
        self.members = {member.raft_id: member for member in snapshot.members}
        self.removed = frozenset(snapshot.removed)

    def _change_members(self, change: MembershipChange) -> None:
        raft_id, is_leader = change.member.raft_id, self.role is RaftRole.LEADER
        if change.add and raft_id not in self.removed:
            self.members = {**self.members, raft_id: change.member}
            if is_leader and raft_id != self.raft_id and raft_id not in self.progress:
                self.progress[raft_id] = Progress(self.log.last_index + 1)
                self._send_append(raft_id)
        elif not change.add:
            self.members = {key: m for key, m in self.members.items() if key != raft_id}
            self.removed |= {raft_id}
            self.progress.pop(raft_id, None)
            if raft_id == self.raft_id:
                self._become(RaftRole.FOLLOWER, self.term)
            elif raft_id == self.transferee:
                self.transferee = 0
            # The quorum may have shrunk.
            if self.role is RaftRole.LEADER and self._advance_commit():
                self._broadcast()

    # -- output ----------------------------------------------------------------------
    def _send(self, to: int, message: rpc.Message) -> None:
        self._messages.append((to, message))

    def ready(self) -> Ready:
        """Everything to do since the last Ready; after a start, the committed entries to apply."""
        log, hard_state = self.log, None
        state = (self.term, self.vote, log.commit)
        vote_changed = state[:2] != self._saved[:2]
        must_sync = vote_changed or bool(self._entries) or self._restored is not None
        if must_sync or state != self._saved:
            hard_state, self._saved = HardState(*state), state
        elif not self._messages and self._ready_index == log.commit:
            return NOTHING
        committed: tuple[Entry, ...] = ()
        if self._ready_index < log.commit:
            committed = log.slice(self._ready_index + 1, log.commit)
            self._ready_index = log.commit
        messages, self._messages = tuple(self._messages), []
        entries, self._entries = self._entries, ()
        restored, self._restored = self._restored, None
        return Ready(restored, hard_state, entries, must_sync, messages, committed)
