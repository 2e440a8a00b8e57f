"""One replica on one machine: it does what the pure core says, in time, on disk and on the network.

Every `Ready` is persisted at once, is safe `sync_ns` later, and only then are its messages sent and
its entries applied; one after another. Source: swarmkit manager/state/raft/raft.go.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Protocol, Self

from swarmlab.errors import DeadlineExceeded, LostLeadership, SwarmError, Unknown
from swarmlab.raft.core import NOTHING, Raft, Ready, Role
from swarmlab.raft.messages import (
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
)
from swarmlab.raft.records import (
    BecameFollower,
    BecameLeader,
    Campaigned,
    MembershipChanged,
    SnapshotRestored,
    SnapshotSent,
    Status,
    VotedFor,
    status_of,
)
from swarmlab.raft.storage import Sealer, Storage
from swarmlab.simulation import US, Call, Machine, S

TICK_NS = 1 * S
# A heartbeat interval and SwarmKit's send timeout: who answered within it is reachable.
REACHABLE_NS = TICK_NS + 2 * S
TRANSFER_NS_MAX = 25 * S  # SwarmKit: 5 s and two election timeouts

NOT_LEADER = "raft: failed to process the request: node lost leader status"
STOPPED = "raft: failed to process the request: node is stopped"
DROPPED = "raft proposal dropped"  # etcd's words while leadership is being transferred


class StateMachine(Protocol):
    """What the log drives; equal on all replicas that applied the same entries."""

    def apply(self, index: int, data: object) -> None:
        """A committed payload."""

    def snapshot(self) -> object:
        """Everything applied so far, as one immutable value."""

    def restore(self, data: object, index: int) -> None:
        """Become what `snapshot` returned on some replica after entry `index`."""

    def leadership(self, leader: bool) -> None:
        """True once it leads and has applied everything from before its term, else False."""

    def members_changed(self) -> None: ...
    def removed(self) -> None:
        """This replica is out of the group, for good; it is stopped."""


class RaftNode:
    """One member. `snapshot_interval` (0 = never), `entries_for_slow_followers` may be changed live."""

    def __init__(
        self,
        machine: Machine,
        storage: Storage,
        machine_state: StateMachine,
        *,
        raft_id: int,
        members: Iterable[Member] = (),
        election_ticks: int = 10,
        snapshot_interval: int = 10_000,
        entries_for_slow_followers: int = 500,
        sync_ns: int = 500 * US,
    ) -> None:
        """Continue from the disk; `members` is an address book until the log brings the real list.

        Nothing is applied before the current event ends. Raises DamagedFile.
        """
        stored = storage.load()
        self.machine = machine
        self.snapshot_interval = snapshot_interval
        self.entries_for_slow_followers = entries_for_slow_followers
        self.sync_ns = sync_ns
        self.is_leader = False  # and has applied everything from before its term
        self.applied_index = 0
        self.ticks_without_leader = 0
        self.core = Raft(
            raft_id,
            machine.simulation.rng,
            hard_state=stored.hard_state,
            snapshot=stored.snapshot,
            entries=stored.entries,
            election_ticks=election_ticks,
        )
        self._storage = storage
        self._state = machine_state
        self._known = {member.raft_id: member for member in members}
        self._names: dict[int, str] = {}  # raft id -> its machine
        self._heard_ns: dict[int, int] = {}  # raft id -> when it last said something
        self._stopped = False
        self._seen = (self.core.term, self.core.vote, self.core.role, self.core.leader_id)
        self._proposals: list[tuple[object, Call]] = []  # of this instant, not yet in the log
        self._waiting: dict[int, Call] = {}  # index -> who waits until it is applied
        self._transfers: list[Call] = []
        # Readies in order, each with the number of syncs that must be done before it.
        self._queue: deque[tuple[int, Ready]] = deque()
        self._writes_count = self._syncs_count = 0
        self._acting = False
        start = self.core.start()
        self._queue.append((0, Ready(snapshot=stored.snapshot, committed=start.committed)))
        machine.after(0, self._begin)

    # -- beginnings ----------------------------------------------------------------
    @classmethod
    def first(
        cls,
        machine: Machine,
        storage: Storage,
        state: StateMachine,
        *,
        member: Member,
        **options: int,
    ) -> Self:
        """The founder of a group."""
        storage.bootstrap([member])
        return cls(machine, storage, state, raft_id=member.raft_id, members=(), **options)

    @classmethod
    def joining(
        cls,
        machine: Machine,
        storage: Storage,
        state: StateMachine,
        *,
        raft_id: int,
        members: Iterable[Member],
        **options: int,
    ) -> Self:
        """A new member, which the leader has added; its log is empty until the leader fills it."""
        storage.erase()
        return cls(machine, storage, state, raft_id=raft_id, members=members, **options)

    @classmethod
    def restart(
        cls,
        machine: Machine,
        storage: Storage,
        state: StateMachine,
        *,
        raft_id: int,
        force_new_cluster: bool = False,
        **options: int,
    ) -> Self:
        """A member that comes back; with `force_new_cluster`, as the only one."""
        if force_new_cluster:
            storage.force_new_cluster(raft_id)
        return cls(machine, storage, state, raft_id=raft_id, members=(), **options)

    def _begin(self) -> None:
        if self._stopped:
            return
        self._drain()
        first_ns = int(self.machine.simulation.rng.random() * TICK_NS)
        self.machine.after(first_ns, self._tick)
        if list(self.core.members) == [self.raft_id]:  # nobody to wait for
            self._take(self.core.campaign())

    def stop(self) -> None:
        """Say, hear and apply nothing any more; the disk keeps what is there."""
        if not self._stopped:
            self._stopped, self.is_leader = True, False
            self._fail_calls(Unknown(STOPPED))

    # -- what others may ask ---------------------------------------------------------
    @property
    def raft_id(self) -> int:
        return self.core.raft_id

    @property
    def leader_id(self) -> int:
        """The leader's raft id as far as is known here; 0 = none."""
        return self.core.leader_id

    @property
    def term(self) -> int:
        return self.core.term

    @property
    def commit_index(self) -> int:
        return self.core.log.commit

    @property
    def members(self) -> dict[int, Member]:
        """The group in force here, by raft id."""
        return dict(self.core.members or self._known)

    def reachable(self, raft_id: int) -> bool:
        """On the leader: whether this member answered within 3 s; it always hears itself."""
        heard_ns = self._heard_ns.get(raft_id)
        now_ns = self.machine.simulation.now_ns
        return raft_id == self.raft_id or (
            heard_ns is not None and now_ns - heard_ns <= REACHABLE_NS
        )

    def status(self) -> Status:
        return status_of(self.core, self.applied_index)

    # -- requests ------------------------------------------------------------------------
    def propose(self, data: object) -> Call:
        """Have `data`, immutable, applied everywhere; answers with its index once applied here.

        All proposals of one instant travel together. Fails at once with Unknown when this is not
        the leader, later with LostLeadership: it may then still be applied.
        """
        call = Call()
        if not self._may_propose(call):
            return call
        if not self._proposals:
            self.machine.after(0, self._flush)
        self._proposals.append((data, call))
        return call

    def propose_change(self, change: MembershipChange) -> Call:
        """Add or remove one member; answers, and fails, as `propose` does."""
        call = Call()
        if not self._may_propose(call):
            return call
        self._flush()
        refusal = self._refusal(change)
        if refusal:
            return call.fail(Unknown(refusal))
        self._waiting[self.core.log.last_index + 1] = call
        self._take(self.core.propose_change(change))
        return call

    def transfer_leadership(self, raft_id: int | None = None) -> Call:
        """Let another member lead: `raft_id`, or the active one whose log is longest.

        Answers once another leader is known here; fails with DeadlineExceeded after 25 s.
        """
        call, core = Call(), self.core
        if not self._may_propose(call):
            return call
        peers = [to for to in core.progress if self.reachable(to)]
        if raft_id is None and peers:
            raft_id = max(peers, key=self._match)
        if raft_id not in core.progress:
            return call.fail(Unknown("failed to get longest-active member: not found"))
        self._flush()
        self._transfers.append(call)
        self.machine.after(TRANSFER_NS_MAX, self._give_up, call)
        self._take(core.transfer_leadership(raft_id))
        return call

    def _may_propose(self, call: Call) -> bool:
        if not self.is_leader:
            call.fail(Unknown(STOPPED if self._stopped else NOT_LEADER))
        elif self.core.transferee:
            call.fail(Unknown(DROPPED))
        return not call.done

    def _refusal(self, change: MembershipChange) -> str:
        """Why a change cannot be, in SwarmKit's words; empty when it can."""
        core, member = self.core, change.member
        seat = core.members.get(member.raft_id)
        if core.change_pending:
            return "raft: propose configuration change refused"
        if member.raft_id in core.removed:
            return "membership: node was removed during cluster lifetime"
        if not change.add and seat is None:
            return "membership: member not found in cluster list"
        if change.add and seat is not None and seat.node_id != member.node_id:
            return "membership: can't add node to cluster, node id is a duplicate"
        return ""

    def _match(self, raft_id: int) -> int:
        return self.core.progress[raft_id].match

    @staticmethod
    def _give_up(call: Call) -> None:
        call.fail(DeadlineExceeded())

    def _flush(self) -> None:
        proposals, self._proposals = self._proposals, []
        if not proposals or self._stopped:
            return
        if self.core.transferee:
            for _, call in proposals:
                call.fail(Unknown(DROPPED))
            return
        first = self.core.log.last_index + 1
        self._waiting.update((first + i, call) for i, (_, call) in enumerate(proposals))
        self._take(self.core.propose([data for data, _ in proposals]))

    # -- events ------------------------------------------------------------------------------
    def _tick(self) -> None:
        if self._stopped:
            return
        self.machine.after(TICK_NS, self._tick)
        self.ticks_without_leader = 0 if self.core.leader_id else self.ticks_without_leader + 1
        self._take(self.core.tick())

    def receive(self, source_machine: str, message: Message) -> None:
        """Another replica's message. Source: swarmkit raft.go, ProcessRaftMessage."""
        if self._stopped:
            return
        source = message.source
        if isinstance(message, MemberRemoved):
            self._leave()
        elif source in self.core.removed:
            self.machine.send(source_machine, MemberRemoved(self.raft_id, self.core.term))
        elif isinstance(message, RequestVote) and not self._knows(source):
            return  # a stranger disturbs no election
        else:
            self._names[source] = source_machine
            self._heard_ns[source] = self.machine.simulation.now_ns
            self._take(self.core.step(message))

    def _knows(self, raft_id: int) -> bool:
        """Whether this may be a member; one that has no list yet takes everybody for one."""
        members = self.core.members
        return not members or raft_id in members or raft_id in self._known

    def _leave(self) -> None:
        lost = self.is_leader
        self.stop()
        if lost:
            self._state.leadership(False)
        self._state.removed()

    # -- what the core asks for ------------------------------------------------------------------
    def _take(self, ready: Ready) -> None:
        """Persist, then do the rest when it is safe and everything before it is done."""
        if ready is not NOTHING:
            if ready.snapshot is not None:
                self._save(ready.snapshot)
            elif ready.hard_state is not None:
                self._storage.append(ready.hard_state, ready.entries)
            if ready.must_sync:
                self._writes_count += 1
                self.machine.after(self.sync_ns, self._synced, self._writes_count)
            self._queue.append((self._writes_count, ready))
        self._notice()
        self._drain()

    def _synced(self, count: int) -> None:
        if not self._stopped:
            self._storage.sync()
            self._syncs_count = count
            self._drain()

    def _drain(self) -> None:
        if self._acting:
            return
        self._acting = True
        while self._queue and self._queue[0][0] <= self._syncs_count and not self._stopped:
            _, ready = self._queue.popleft()
            for to, message in ready.messages:
                self._send(to, message)
            if ready.snapshot is not None:
                self._restore(ready.snapshot)
            if ready.committed:
                self._apply(ready.committed)
        self._acting = False

    def _send(self, to: int, message: Message) -> None:
        name = self._names.get(to)
        if name is None:
            member = self.core.members.get(to) or self._known.get(to)
            machine = self.machine.peer(member.address) if member else None
            if machine is None:
                return
            name = self._names[to] = machine.name
        if isinstance(message, InstallSnapshot):
            self.machine.record(SnapshotSent, to, message.snapshot.index)
        self.machine.send(name, message)

    def _restore(self, snapshot: Snapshot) -> None:
        self.applied_index = snapshot.index
        self._state.restore(snapshot.data, snapshot.index)
        self.machine.record(SnapshotRestored, snapshot.index)
        self._members_changed()

    def _apply(self, entries: Sequence[Entry]) -> None:
        state, waiting, normal = self._state, self._waiting, EntryKind.NORMAL
        for entry in entries:
            self.applied_index = entry.index
            call = waiting.pop(entry.index, None) if waiting else None
            if entry.kind is normal:
                state.apply(entry.index, entry.data)
            elif entry.kind is EntryKind.CHANGE:
                self._take(self.core.applied(entry.index))
                self._members_changed()
            elif entry.term == self.core.term and self.core.role is Role.LEADER:
                self.is_leader = True
                state.leadership(True)
            if call is not None:
                call.resolve(entry.index)
            if self._stopped:
                return
        self._take(self.core.applied(self.applied_index))
        last = self.core.snapshot.index if self.core.snapshot else 0
        if 0 < self.snapshot_interval <= self.applied_index - last:
            self._compact()

    def reseal(self, sealer: Sealer) -> None:
        """Seal everything on the disk anew: a snapshot of now, and the entries after it."""
        self._storage.sealer = sealer
        self._compact()

    def _compact(self) -> None:
        core, index = self.core, self.applied_index
        term, members, removed = core.log.term(index), core.members.values(), core.removed
        assert term is not None
        data = self._state.snapshot()
        snapshot = Snapshot(index, term, tuple(members), data, tuple(sorted(removed)))
        self._save(snapshot)
        core.compact(snapshot, self.entries_for_slow_followers)

    def _save(self, snapshot: Snapshot) -> None:
        core = self.core
        hard_state = HardState(core.term, core.vote, core.log.commit)
        entries = core.log.slice(snapshot.index + 1, core.log.last_index)
        self._storage.save(snapshot, hard_state, entries)

    def _members_changed(self) -> None:
        core = self.core
        self._names = {}
        self.machine.record(MembershipChanged, tuple(core.members))
        if self.raft_id in core.removed:
            self._leave()
        else:
            self._state.members_changed()

    def _notice(self) -> None:
        """Tell the trace, the state machine and those who wait what changed in the core."""
        core, before = self.core, self._seen
        self._seen = (core.term, core.vote, core.role, core.leader_id)
        if self._seen == before:
            return
        term, vote, role, leader_id = before
        record = self.machine.record
        if core.vote and (core.term, core.vote) != (term, vote):
            if core.vote == core.raft_id:
                record(Campaigned, core.term)
            else:
                record(VotedFor, core.term, core.vote)
        if core.role is Role.LEADER and role is not Role.LEADER:
            record(BecameLeader, core.term)
        elif core.role is Role.FOLLOWER and (role, leader_id) != (core.role, core.leader_id):
            record(BecameFollower, core.term, core.leader_id)
        if core.leader_id not in (0, core.raft_id):
            transfers, self._transfers = self._transfers, []
            for call in transfers:
                call.resolve()
        if role is Role.LEADER and core.role is not Role.LEADER:
            self._lose_leadership()

    def _lose_leadership(self) -> None:
        led, self.is_leader = self.is_leader, False
        self._fail_calls(LostLeadership())
        if led:
            self._state.leadership(False)

    def _fail_calls(self, error: SwarmError) -> None:
        calls = [*self._waiting.values(), *(call for _, call in self._proposals)]
        self._waiting.clear()
        self._proposals = []
        for call in calls:
            call.fail(error)
