"""Raft, pure: a message, a tick or a proposal goes in; what to persist, send and apply comes out.

No clock, no network, no disk. Read `Ready`, then `Raft.step` beside figure 2 of the paper. As SwarmKit
runs etcd's: check-quorum with its lease, no pre-vote, one membership change at a time, in force when
it is applied, leadership transfer. Left out: learners, joint changes, reads by index.

Source: Raft paper; etcd-io/raft raft.go.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from swarmlab.raft.log import Log
from swarmlab.raft.messages import (
    NEW,
    AppendEntries,
    AppendReply,
    Entry,
    EntryKind,
    HardState,
    InstallSnapshot,
    Member,
    MemberRemoved,
    MembershipChange,
    Message,
    RequestVote,
    Snapshot,
    TimeoutNow,
    VoteReply,
)
from swarmlab.raft.progress import Flow, Progress

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
    messages: tuple[tuple[int, Message], ...] = ()  # send: (raft id, message)
    committed: tuple[Entry, ...] = ()  # apply, then report with `Raft.applied`


NOTHING = Ready()


class Raft:
    """One replica. Every method that may cause something returns a `Ready`; times are in ticks."""

    def __init__(
        self,
        raft_id: int,
        rng: random.Random,
        *,
        hard_state: HardState = NEW,
        snapshot: Snapshot | None = None,
        entries: Sequence[Entry] = (),
        election_ticks: int = 10,
    ) -> None:
        """Continue from what was persisted; a new replica has persisted nothing."""
        index, term = (snapshot.index, snapshot.term) if snapshot else (0, 0)
        self.raft_id = raft_id
        self.election_ticks = election_ticks
        self.term = hard_state.term
        self.vote = hard_state.vote
        self.log = Log(index, term, entries, hard_state.commit)
        self.snapshot = snapshot
        self.members: Mapping[int, Member] = {}  # by raft id; as of `applied_index`, never mutated
        self.removed: frozenset[int] = frozenset()
        if snapshot:
            self._take_members(snapshot)
        self.applied_index = index
        self.role = Role.FOLLOWER
        self.leader_id = 0  # 0 = none known
        self.transferee = 0  # leader: who is to lead next; 0 = nobody
        self.progress: dict[int, Progress] = {}  # leader: the other members
        self.votes: dict[int, bool] = {}  # candidate: who answered what
        self._rng = rng
        self._elapsed = 0  # since the last sign of the leader; leader: since the last quorum check
        self._timeout = 0  # drawn anew for every term
        self._change_index = 0  # leader: the last membership change is at or before this
        self._handed = index  # committed entries up to here were given out in a Ready
        self._saved = (self.term, self.vote, self.log.commit)
        self._messages: list[tuple[int, Message]] = []
        self._entries: tuple[Entry, ...] = ()
        self._restored: Snapshot | None = None
        self._become_follower(self.term, 0)

    # -- what others may ask ------------------------------------------------------
    @property
    def quorum(self) -> int:
        return len(self.members) // 2 + 1

    @property
    def change_pending(self) -> bool:
        """Leader: a membership change may be in the log and not yet applied."""
        return self._change_index > self.applied_index

    def start(self) -> Ready:
        """The first Ready: what is committed and not in the snapshot."""
        return self._ready()

    def propose(self, payloads: Sequence[object]) -> Ready:
        """Append payloads after `log.last_index`; leaders only, and none while transferring."""
        assert self.role is Role.LEADER
        assert not self.transferee
        first, term = self.log.last_index + 1, self.term
        normal = EntryKind.NORMAL
        self._extend([Entry(i, term, normal, data) for i, data in enumerate(payloads, first)])
        return self._ready()

    def propose_change(self, change: MembershipChange) -> Ready:
        """Append a membership change; leaders only, one at a time."""
        assert self.role is Role.LEADER
        assert not self.change_pending
        self._change_index = self.log.last_index + 1
        self._extend([Entry(self._change_index, self.term, EntryKind.CHANGE, change)])
        return self._ready()

    def transfer_leadership(self, to: int) -> Ready:
        """Let member `to` lead once its log is complete; given up after an election timeout."""
        assert to in self.progress
        self.transferee, self._elapsed = to, 0
        if self.progress[to].match == self.log.last_index:
            self._send(to, TimeoutNow(self.raft_id, self.term))
        else:
            self._send_append(to)
        return self._ready()

    def applied(self, index: int) -> Ready:
        """Everything up to `index` is applied; membership changes among it take effect now."""
        if index <= self.applied_index:
            return NOTHING
        entries = self.log.slice(self.applied_index + 1, index)
        self.applied_index = index
        for entry in entries:
            if entry.kind is EntryKind.CHANGE:
                assert isinstance(entry.data, MembershipChange)
                self._change_members(entry.data)
        return self._ready()

    def compact(self, snapshot: Snapshot, keep: int) -> None:
        """`snapshot` is persisted: drop the entries it stands for, except the last `keep`."""
        self.snapshot = snapshot
        self.log.compact(snapshot.index - keep)

    # -- time ------------------------------------------------------------------------
    def tick(self) -> Ready:
        """One tick passed: heartbeats, elections, and the leader's check of its quorum."""
        self._elapsed += 1
        if self.role is not Role.LEADER:
            return self.campaign() if self._elapsed >= self._timeout else NOTHING
        if self._elapsed >= self.election_ticks:
            self._elapsed = self.transferee = 0
            alive = 1 + sum(peer.active for peer in self.progress.values())
            if alive < self.quorum:
                self._become_follower(self.term, 0)
                return self._ready()
            for peer in self.progress.values():
                peer.active = False
        for to in self.progress:
            self._send_append(to, heartbeat=True)
        return self._ready()

    def campaign(self, *, transfer: bool = False) -> Ready:
        """Start an election, unless it leads, is no member, or has yet to apply a change."""
        unapplied = self.log.slice(self.applied_index + 1, self.log.commit)
        may = self.role is not Role.LEADER and self.raft_id in self.members
        if not may or any(entry.kind is EntryKind.CHANGE for entry in unapplied):
            return self._ready()
        self._reset(self.term + 1, 0)
        self.role, self.vote = Role.CANDIDATE, self.raft_id
        log = self.log
        ask = RequestVote(self.raft_id, self.term, log.last_index, log.last_term, transfer)
        for to in self.members:
            if to != self.raft_id:
                self._send(to, ask)
        self._count_vote(self.raft_id, True)
        return self._ready()

    # -- messages ----------------------------------------------------------------------
    def step(self, message: Message) -> Ready:
        """Another replica says `message`."""
        if isinstance(message, RequestVote) and self._in_lease(message):
            return NOTHING
        if message.term > self.term:
            leads = isinstance(message, AppendEntries | InstallSnapshot)
            self._become_follower(message.term, message.source if leads else 0)
        elif message.term < self.term:
            self._correct(message)
            return self._ready()
        match message:
            case AppendEntries():
                self._on_append(message)
            case AppendReply():
                self._on_append_reply(message)
            case RequestVote():
                self._on_request_vote(message)
            case VoteReply():
                self._count_vote(message.source, message.granted)
            case InstallSnapshot():
                self._on_snapshot(message)
            case TimeoutNow():
                if self.role is Role.FOLLOWER:
                    return self.campaign(transfer=True)
            case MemberRemoved():
                pass  # for the node around this core, which stops
            case _:
                assert_never(message)
        return self._ready()

    def _in_lease(self, ask: RequestVote) -> bool:
        """A leader was heard within the least election timeout: nobody may be elected yet."""
        heard = self.leader_id != 0 and self._elapsed < self.election_ticks
        return heard and ask.term > self.term and not ask.transfer

    def _correct(self, message: Message) -> None:
        """Tell one who lives in an older term that it is over."""
        match message:
            case RequestVote():
                self._send(message.source, VoteReply(self.raft_id, self.term, False))
            case AppendEntries() | InstallSnapshot():
                self._send(message.source, AppendReply(self.raft_id, self.term, 0, True))

    def _on_request_vote(self, ask: RequestVote) -> None:
        free = self.vote == ask.source or (self.vote == 0 and self.leader_id == 0)
        granted = free and self.log.is_up_to_date(ask.last_index, ask.last_term)
        if granted:
            self.vote, self._elapsed = ask.source, 0
        self._send(ask.source, VoteReply(self.raft_id, self.term, granted))

    def _count_vote(self, source: int, granted: bool) -> None:
        if self.role is not Role.CANDIDATE or source not in self.members:
            return
        self.votes.setdefault(source, granted)  # a repeated answer counts once
        answers = list(self.votes.values())
        if answers.count(True) >= self.quorum:
            self._become_leader()
        elif answers.count(False) >= self.quorum:
            self._become_follower(self.term, 0)

    def _hear_leader(self, leader_id: int) -> None:
        assert self.role is not Role.LEADER, f"two leaders in term {self.term}"
        if self.role is Role.CANDIDATE:
            self._become_follower(self.term, leader_id)
        self.leader_id, self._elapsed = leader_id, 0

    def _on_append(self, message: AppendEntries) -> None:
        self._hear_leader(message.source)
        log, prev = self.log, message.prev_index
        if prev < log.commit:  # overtaken on the way: what is committed matches
            reply = AppendReply(self.raft_id, self.term, log.commit)
        elif log.term(prev) != message.prev_term:
            hint = log.last_at_most(min(prev, log.last_index), message.prev_term)
            hint_term = log.term(hint) or 0
            reply = AppendReply(self.raft_id, self.term, prev, True, hint, hint_term)
        else:
            self._entries = log.append(message.entries)
            last = prev + len(message.entries)
            log.commit = max(log.commit, min(message.commit, last))
            reply = AppendReply(self.raft_id, self.term, last)
        self._send(message.source, reply)

    def _on_append_reply(self, reply: AppendReply) -> None:
        peer = self.progress.get(reply.source)
        if peer is None:  # not the leader, or no longer a member
            return
        peer.active = True
        if reply.refused:
            hint = self.log.last_at_most(reply.hint, reply.hint_term)
            if peer.refused(reply.index, hint):
                self._send_append(reply.source)
        elif peer.accepted(reply.index):
            if self._advance_commit():
                self._broadcast()
            elif peer.next <= self.log.last_index:
                self._send_append(reply.source)
            if reply.source == self.transferee and peer.match == self.log.last_index:
                self._send(reply.source, TimeoutNow(self.raft_id, self.term))

    def _on_snapshot(self, message: InstallSnapshot) -> None:
        self._hear_leader(message.source)
        log, snapshot = self.log, message.snapshot
        if log.term(snapshot.index) == snapshot.term:  # all of it is here: only the commit is news
            log.commit = max(log.commit, snapshot.index)
        elif snapshot.index > log.commit:
            log.restore(snapshot.index, snapshot.term)
            self.snapshot = self._restored = snapshot
            self.applied_index = self._handed = snapshot.index
            self._take_members(snapshot)
        self._send(message.source, AppendReply(self.raft_id, self.term, log.commit))

    # -- roles ---------------------------------------------------------------------------
    def _reset(self, term: int, leader_id: int) -> None:
        if term != self.term:
            assert term > self.term
            self.term, self.vote = term, 0
        self.leader_id = leader_id
        self.transferee = self._elapsed = 0
        self._timeout = self.election_ticks + self._rng.randrange(self.election_ticks)
        self.votes, self.progress = {}, {}

    def _become_follower(self, term: int, leader_id: int) -> None:
        self._reset(term, leader_id)
        self.role = Role.FOLLOWER

    def _become_leader(self) -> None:
        assert self.role is Role.CANDIDATE
        self._reset(self.term, self.raft_id)
        self.role = Role.LEADER
        last = self.log.last_index
        self.progress = {to: Progress(last + 1) for to in self.members if to != self.raft_id}
        self._change_index = last  # an older leader's change may be among these
        self._extend([Entry(last + 1, self.term, EntryKind.NOOP)])

    # -- the leader's log --------------------------------------------------------------------
    def _extend(self, entries: list[Entry]) -> None:
        self.log.entries.extend(entries)
        self._entries += tuple(entries)
        self._advance_commit()  # at once when it is the only member
        self._broadcast()

    def _broadcast(self) -> None:
        for to in self.progress:
            self._send_append(to)

    def _send_append(self, to: int, *, heartbeat: bool = False) -> None:
        """All that `to` may be sent now: at least the commit index, unless a probe is out."""
        peer, log = self.progress[to], self.log
        if peer.paused and not heartbeat:
            return
        while True:
            prev_term = log.term(peer.next - 1)
            if prev_term is None:
                self._send_snapshot(to, peer)
                return
            entries: tuple[Entry, ...] = ()
            if peer.flow is Flow.PROBE or peer.has_room:
                entries = log.slice(peer.next, peer.next + ENTRIES_PER_MESSAGE_MAX - 1)
            prev = peer.next - 1
            message = AppendEntries(self.raft_id, self.term, prev, prev_term, entries, log.commit)
            self._send(to, message)
            peer.sent(len(entries))
            if not peer.has_room or peer.next > log.last_index:
                return

    def _send_snapshot(self, to: int, peer: Progress) -> None:
        assert self.snapshot is not None
        peer.sent_snapshot(self.snapshot.index)
        self._send(to, InstallSnapshot(self.raft_id, self.term, self.snapshot))

    def _advance_commit(self) -> bool:
        """Commit what a majority holds, if it is of this term. Paper, section 5.4.2."""
        log = self.log
        matches = sorted([log.last_index, *(peer.match for peer in self.progress.values())])
        index = matches[len(matches) - self.quorum]
        if index <= log.commit or log.term(index) != self.term:
            return False
        log.commit = index
        return True

    # -- membership ----------------------------------------------------------------------------
    def _take_members(self, snapshot: Snapshot) -> None:
        self.members = {member.raft_id: member for member in snapshot.members}
        self.removed = frozenset(snapshot.removed)

    def _change_members(self, change: MembershipChange) -> None:
        raft_id, leads = change.member.raft_id, self.role is Role.LEADER
        if change.add:
            if raft_id in self.removed:
                return
            self.members = {**self.members, raft_id: change.member}
            if leads and raft_id != self.raft_id and raft_id not in self.progress:
                self.progress[raft_id] = Progress(self.log.last_index + 1)
                self._send_append(raft_id)
            return
        self.members = {key: m for key, m in self.members.items() if key != raft_id}
        self.removed |= {raft_id}
        if raft_id == self.raft_id:
            self._become_follower(self.term, 0)
        elif leads:
            self.progress.pop(raft_id, None)
            if raft_id == self.transferee:
                self.transferee = 0
            if self._advance_commit():  # fewer members, smaller quorum
                self._broadcast()

    # -- the answer ------------------------------------------------------------------------------
    def _send(self, to: int, message: Message) -> None:
        self._messages.append((to, message))

    def _ready(self) -> Ready:
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
        ready = Ready(
            self._restored, hard_state, self._entries, must_sync, tuple(self._messages), committed
        )
        self._messages, self._entries, self._restored = [], (), None
        return ready
