"""Raft, pure: a message, a tick or a proposal goes in; what to persist, send and apply comes out.

No clock, no network, no disk. Read `Ready`, then `Raft.step` beside figure 2 of the Raft paper. As
SwarmKit runs etcd's: check-quorum with its lease, no pre-vote, leadership transfer, one membership
change at a time, in force when applied. Left out: learners, joint changes, reads by index.
Source: etcd-io/raft raft.go.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from swarmlab.raft import messages as say
from swarmlab.raft.log import Log
from swarmlab.raft.messages import Entry, EntryKind, HardState, Member, MembershipChange, Snapshot
from swarmlab.raft.progress import Flow, Progress
from swarmlab.raft.quorum import quorum

# etcd limits a message to 64 KiB; payloads have no size here, so entries are counted.
ENTRIES_PER_MESSAGE_MAX = 1024


class Role(StrEnum):
    FOLLOWER = "follower"
    CANDIDATE = "candidate"
    LEADER = "leader"


@dataclass(frozen=True, slots=True)
class Ready:
    """What to do now, in the order of the fields; one `Ready` is done before the next is begun."""

    snapshot: Snapshot | None = None  # persist; restore it before `committed` is applied
    hard_state: HardState | None = None  # persist
    entries: tuple[Entry, ...] = ()  # persist, in place of what stood at these indexes and after
    must_sync: bool = False  # what was persisted must be safe before anything below happens
    messages: tuple[tuple[int, say.Message], ...] = ()  # send: (raft id, message)
    committed: tuple[Entry, ...] = ()  # apply, then report with `Raft.applied`


NOTHING = Ready()


class Raft:
    """One replica. Whatever may cause something returns a `Ready`; times are in ticks."""

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
        self.raft_id = raft_id
        self.election_ticks = election_ticks
        self.term, self.vote = hard_state.term, hard_state.vote
        self.role = Role.FOLLOWER
        self.log = Log(index, term, entries, hard_state.commit)
        self.applied_index = index
        self.snapshot = snapshot  # the last one, for those who need older entries than are held
        self.members: Mapping[int, Member] = {}  # by raft id, as of `applied_index`; not mutated
        self.removed: frozenset[int] = frozenset()
        if snapshot:
            self._take_members(snapshot)
        self.leader_id = 0  # 0 = none known
        self.transferee = 0  # leader: who is to lead next; 0 = nobody
        self.progress: dict[int, Progress] = {}  # leader: the other members
        self.votes: dict[int, bool] = {}  # candidate: who answered what
        self._rng = rng
        self._change_index = 0  # leader: the last membership change is at or before this
        self._handed = index  # committed entries up to here were given out in a Ready
        self._saved = (self.term, self.vote, self.log.commit)
        # For the next Ready:
        self._messages: list[tuple[int, say.Message]] = []
        self._entries: tuple[Entry, ...] = ()
        self._restored: Snapshot | None = None
        self._become(Role.FOLLOWER, self.term)

    @property
    def quorum(self) -> int:
        return quorum(len(self.members))

    @property
    def change_pending(self) -> bool:
        """Leader: a membership change may be in the log and not yet applied."""
        return self._change_index > self.applied_index

    def refusal(self, change: MembershipChange) -> str:
        """Why a change cannot be, in SwarmKit's words; empty when it can."""
        member = change.member
        seat = self.members.get(member.raft_id)
        if self.change_pending:
            return "raft: propose configuration change refused"
        if member.raft_id in self.removed:
            return "membership: node was removed during cluster lifetime"
        if not change.add and seat is None:
            return "membership: member not found in cluster list"
        if change.add and seat is not None and seat.node_id != member.node_id:
            return "membership: can't add node to cluster, node id is a duplicate"
        return ""

    # -- what a leader is asked ------------------------------------------------------
    def propose(self, payloads: Sequence[object]) -> Ready:
        """Append payloads after `log.last_index`; leaders only, and none while transferring."""
        assert self.role is Role.LEADER
        assert not self.transferee
        self._extend(EntryKind.NORMAL, payloads)
        return self.ready()

    def propose_change(self, change: MembershipChange) -> Ready:
        """Append a membership change; leaders only, one at a time."""
        assert self.role is Role.LEADER
        assert not self.change_pending
        self._change_index = self.log.last_index + 1
        self._extend(EntryKind.CHANGE, [change])
        return self.ready()

    def transfer_leadership(self, to: int) -> Ready:
        """Let member `to` lead once its log is complete; given up after an election timeout."""
        self.transferee, self._elapsed = to, 0
        if self.progress[to].match == self.log.last_index:
            self._send(to, say.TimeoutNow(self.raft_id, self.term))
        else:
            self._send_append(to)
        return self.ready()

    # -- what the state machine did --------------------------------------------------
    def applied(self, index: int) -> Ready:
        """All up to `index` is applied; membership changes among it take effect now."""
        if index <= self.applied_index:
            return NOTHING
        entries = self.log.slice(self.applied_index + 1, index)
        self.applied_index = index
        for entry in entries:
            if isinstance(entry.data, MembershipChange):
                self._change_members(entry.data)
        return self.ready()

    def compact(self, snapshot: Snapshot, keep: int) -> None:
        """`snapshot` is persisted: drop the entries it stands for, except the last `keep`."""
        self.snapshot = snapshot
        self.log.compact(snapshot.index - keep)

    # -- time ------------------------------------------------------------------------
    def tick(self) -> Ready:
        """One tick passed: elections, heartbeats, and the leader's check of its quorum."""
        self._elapsed += 1
        if self.role is not Role.LEADER:
            return self.campaign() if self._elapsed >= self._timeout else NOTHING
        if self._elapsed >= self.election_ticks:
            self._elapsed = self.transferee = 0
            alive = 1 + sum(peer.active for peer in self.progress.values())
            if alive < self.quorum:
                self._become(Role.FOLLOWER, self.term)
            for peer in self.progress.values():
                peer.active = False
        for to in self.progress:
            self._send_append(to, heartbeat=True)
        return self.ready()

    def campaign(self, *, transfer: bool = False) -> Ready:
        """Start an election, unless it leads, is no member, or has yet to apply a change."""
        log = self.log
        unapplied = log.slice(self.applied_index + 1, log.commit)
        may = self.role is not Role.LEADER and self.raft_id in self.members
        if may and not any(entry.kind is EntryKind.CHANGE for entry in unapplied):
            self._become(Role.CANDIDATE, self.term + 1)
            self.vote = self.raft_id
            last = (log.last_index, log.last_term)
            for to in self.members:
                if to != self.raft_id:
                    self._send(to, say.RequestVote(self.raft_id, self.term, *last, transfer))
            self._count_vote(self.raft_id, True)
        return self.ready()

    # -- messages --------------------------------------------------------------------
    def step(self, message: say.Message) -> Ready:
        """Another replica says `message`."""
        if isinstance(message, say.RequestVote) and self._in_lease(message):
            return NOTHING
        leads = isinstance(message, say.AppendEntries | say.InstallSnapshot)
        if message.term < self.term:
            if isinstance(message, say.RequestVote):
                self._send(message.source, say.VoteReply(self.raft_id, self.term, False))
            elif leads:
                self._send(message.source, say.AppendReply(self.raft_id, self.term, 0, True))
            return self.ready()
        if message.term > self.term or (leads and self.role is Role.CANDIDATE):
            self._become(Role.FOLLOWER, message.term)
        if leads:
            assert self.role is Role.FOLLOWER, f"two leaders in term {self.term}"
            self.leader_id, self._elapsed = message.source, 0
        match message:
            case say.AppendEntries():
                self._on_append(message)
            case say.AppendReply():
                self._on_append_reply(message)
            case say.RequestVote():
                self._on_request_vote(message)
            case say.VoteReply():
                self._count_vote(message.source, message.granted)
            case say.InstallSnapshot():
                self._on_snapshot(message)
            case say.TimeoutNow():
                if self.role is Role.FOLLOWER:
                    return self.campaign(transfer=True)
            case _:
                assert_never(message)
        return self.ready()

    def _in_lease(self, ask: say.RequestVote) -> bool:
        """A leader was heard within the least election timeout: nobody may be elected yet."""
        heard = self.leader_id != 0 and self._elapsed < self.election_ticks
        return heard and ask.term > self.term and not ask.transfer

    def _on_request_vote(self, ask: say.RequestVote) -> None:
        free = self.vote == ask.source or (self.vote == 0 and self.leader_id == 0)
        granted = free and self.log.is_up_to_date(ask.last_index, ask.last_term)
        if granted:
            self.vote, self._elapsed = ask.source, 0
        self._send(ask.source, say.VoteReply(self.raft_id, self.term, granted))

    def _count_vote(self, source: int, granted: bool) -> None:
        if self.role is not Role.CANDIDATE or source not in self.members:
            return
        self.votes.setdefault(source, granted)  # a repeated answer counts once
        answers = list(self.votes.values())
        if answers.count(True) >= self.quorum:
            self._become_leader()
        elif answers.count(False) >= self.quorum:
            self._become(Role.FOLLOWER, self.term)

    def _on_append(self, message: say.AppendEntries) -> None:
        log, prev = self.log, message.prev_index
        if prev < log.commit:  # overtaken on the way: what is committed matches
            reply = say.AppendReply(self.raft_id, self.term, log.commit)
        elif log.term(prev) != message.prev_term:
            # etcd skips back a term an answer; what is committed matches for sure.
            hint = log.last_index if prev > log.last_index else log.commit
            reply = say.AppendReply(self.raft_id, self.term, prev, True, hint)
        else:
            self._entries = log.append(message.entries)
            last = prev + len(message.entries)
            log.commit = max(log.commit, min(message.commit, last))
            reply = say.AppendReply(self.raft_id, self.term, last)
        self._send(message.source, reply)

    def _on_append_reply(self, reply: say.AppendReply) -> None:
        source, log = reply.source, self.log
        peer = self.progress.get(source)
        if peer is None:  # this is not the leader, or that no longer a member
            return
        peer.active = True
        if reply.refused:
            if peer.refused(reply.index, reply.hint):
                self._send_append(source)
        elif peer.accepted(reply.index):
            if self._advance_commit():
                self._broadcast()
            elif peer.next <= log.last_index:
                self._send_append(source)
            if source == self.transferee and peer.match == log.last_index:
                self._send(source, say.TimeoutNow(self.raft_id, self.term))

    def _on_snapshot(self, message: say.InstallSnapshot) -> None:
        log, snapshot = self.log, message.snapshot
        if log.term(snapshot.index) == snapshot.term:  # all of it is here: only the commit is news
            log.commit = max(log.commit, snapshot.index)
        elif snapshot.index > log.commit:
            log.restore(snapshot.index, snapshot.term)
            self.snapshot = self._restored = snapshot
            self.applied_index = self._handed = snapshot.index
            self._take_members(snapshot)
        self._send(message.source, say.AppendReply(self.raft_id, self.term, log.commit))

    # -- roles -----------------------------------------------------------------------
    def _become(self, role: Role, term: int, leader_id: int = 0) -> None:
        """The one door to every role; what belonged to the old one is forgotten."""
        assert term >= self.term
        if term != self.term:
            self.term, self.vote = term, 0
        self.role, self.leader_id = role, leader_id
        self._elapsed = 0  # since the leader was heard; leader: since it checked its quorum
        self._timeout = self.election_ticks + self._rng.randrange(self.election_ticks)
        self.transferee = 0
        self.votes, self.progress = {}, {}

    def _become_leader(self) -> None:
        self._become(Role.LEADER, self.term, self.raft_id)
        last = self.log.last_index
        self.progress = {to: Progress(last + 1) for to in self.members if to != self.raft_id}
        self._change_index = last  # an older leader's change may be among these
        self._extend(EntryKind.NOOP, [None])

    # -- the leader's log ------------------------------------------------------------
    def _extend(self, kind: EntryKind, payloads: Sequence[object]) -> None:
        first, term = self.log.last_index + 1, self.term
        new = [Entry(i, term, kind, data) for i, data in enumerate(payloads, first)]
        self._entries = tuple(new)
        self.log.entries.extend(new)
        self._advance_commit()  # at once when it is the only member
        self._broadcast()

    def _advance_commit(self) -> bool:
        """Commit what a majority holds, if it is of this term. Paper, section 5.4.2."""
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
        """All that `to` may be sent now: at least the commit index, unless a probe is out."""
        peer, log = self.progress[to], self.log
        if peer.paused and not heartbeat:
            return
        while True:
            prev = peer.next - 1
            entries: tuple[Entry, ...] = ()
            prev_term = log.term(prev)
            if prev_term is None:  # compacted away
                assert self.snapshot is not None
                self._send(to, say.InstallSnapshot(self.raft_id, self.term, self.snapshot))
                peer.sent_snapshot(self.snapshot.index)
                return
            if peer.flow is Flow.PROBE or peer.has_room:
                entries = log.slice(peer.next, prev + ENTRIES_PER_MESSAGE_MAX)
            ids = (self.raft_id, self.term)
            self._send(to, say.AppendEntries(*ids, prev, prev_term, entries, log.commit))
            peer.sent(len(entries))
            if not peer.has_room or peer.next > log.last_index:
                return

    # -- membership ------------------------------------------------------------------
    def _take_members(self, snapshot: Snapshot) -> None:
        self.members = {member.raft_id: member for member in snapshot.members}
        self.removed = frozenset(snapshot.removed)

    def _change_members(self, change: MembershipChange) -> None:
        raft_id, leads = change.member.raft_id, self.role is Role.LEADER
        if change.add and raft_id not in self.removed:
            self.members = {**self.members, raft_id: change.member}
            if leads and raft_id != self.raft_id and raft_id not in self.progress:
                self.progress[raft_id] = Progress(self.log.last_index + 1)
                self._send_append(raft_id)
        elif not change.add:
            self.members = {key: m for key, m in self.members.items() if key != raft_id}
            self.removed |= {raft_id}
            self.progress.pop(raft_id, None)
            if raft_id == self.raft_id:
                self._become(Role.FOLLOWER, self.term)
            elif raft_id == self.transferee:
                self.transferee = 0
            if self.role is Role.LEADER and self._advance_commit():  # the quorum may be smaller
                self._broadcast()

    # -- the answer ------------------------------------------------------------------
    def _send(self, to: int, message: say.Message) -> None:
        self._messages.append((to, message))

    def ready(self) -> Ready:
        """What has to be done since the last Ready; after a start, to apply what is committed."""
        log, hard_state = self.log, None
        now = (self.term, self.vote, log.commit)
        must_sync = bool(self._entries) or self._restored is not None or now[:2] != self._saved[:2]
        if must_sync or now != self._saved:
            hard_state, self._saved = HardState(*now), now
        elif not self._messages and self._handed == log.commit:
            return NOTHING
        committed: tuple[Entry, ...] = ()
        if self._handed < log.commit:
            committed = log.slice(self._handed + 1, log.commit)
            self._handed = log.commit
        messages, self._messages = tuple(self._messages), []
        entries, self._entries = self._entries, ()
        restored, self._restored = self._restored, None
        return Ready(restored, hard_state, entries, must_sync, messages, committed)
