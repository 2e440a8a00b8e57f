"""One replica on one machine: runs the pure core with real time, disk and network.

Every `Ready` is written at once and synced `sync_ns` later; only then are its messages sent and its
entries applied, one `Ready` after another. Source: swarmkit manager/state/raft/raft.go.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Protocol

from swarmlab.errors import DeadlineExceeded, LostLeadership, SwarmError, Unknown
from swarmlab.model import trace_records
from swarmlab.raft import messages as rpc
from swarmlab.raft.core import NOTHING, Raft, RaftRole, Ready
from swarmlab.raft.messages import Entry, EntryKind, HardState, Member, MembershipChange, Snapshot
from swarmlab.raft.status import Status, status_of
from swarmlab.raft.storage import Sealer, Storage
from swarmlab.simulation import US, Call, Machine, S

TICK_NS = 1 * S
REACHABLE_NS = TICK_NS + 2 * S  # a heartbeat interval and SwarmKit's send timeout
TRANSFER_NS_MAX = 25 * S  # SwarmKit: 5 s and two election timeouts

NOT_LEADER = "raft: failed to process the request: node lost leader status"
STOPPED = "raft: failed to process the request: node is stopped"
DROPPED = "raft proposal dropped"  # etcd's message during a leadership transfer


# Simplified: SwarmKit takes a snapshot every 10,000 entries, but the logs of all simulated managers
# share the memory of one computer.
SNAPSHOT_INTERVAL = 500


class StateMachine(Protocol):
    """Applies the log's entries; equal on all replicas that applied the same ones."""

    def apply(self, index: int, data: object) -> None: ...
    def snapshot(self) -> object:
        """The state after everything applied so far, as one immutable value."""

    def restore(self, data: object, index: int) -> None:
        """Replace the state by a snapshot that a replica took after entry `index`."""

    def leadership(self, leader: bool) -> None:
        """True when it is leader and has applied all entries of earlier terms, else False."""

    def members_changed(self) -> None: ...
    def removed(self) -> None:
        """This replica is no member any more, and has stopped."""


class RaftNode:
    """One member of the group. Its two snapshot settings may be changed at any time."""

    def __init__(
        self,
        machine: Machine,
        storage: Storage,
        state_machine: StateMachine,
        *,
        raft_id: int,
        members: Iterable[Member] = (),
        election_ticks: int = 10,
        snapshot_interval: int = SNAPSHOT_INTERVAL,
        entries_for_slow_followers: int = 500,
        sync_ns: int = 500 * US,
    ) -> None:
        """Continue from the disk, which `Storage.bootstrap` or `Storage.erase` has prepared.

        `members` gives addresses until the log has the real members. Nothing is applied before
        the current event ends. Raises DamagedFile.
        """
        stored = storage.load()
        self.core = Raft(raft_id, machine.simulation.rng, *stored, election_ticks)
        self.machine = machine
        self.raft_id = raft_id
        self.snapshot_interval = snapshot_interval  # in entries applied; 0 = never
        self.entries_for_slow_followers = entries_for_slow_followers
        self.sync_ns = sync_ns
        self.is_leader = False  # and has applied all entries of earlier terms
        self.applied_index = 0
        self.ticks_without_leader = 0
        self._storage = storage
        self._state = state_machine
        self._initial_members = {member.raft_id: member for member in members}
        self._names: dict[int, str] = {}  # raft id -> machine name
        self._heard_ns: dict[int, int] = {}  # raft id -> time of its last message
        self._stopped = False
        self._last_state = (self.core.term, self.core.vote, self.core.role, self.core.leader_id)
        self._proposals: list[tuple[object, Call]] = []  # of this event, not yet in the log
        self._waiting: dict[int, Call] = {}  # index -> the call to resolve when it is applied
        self._transfers: list[Call] = []
        self._writes_count = self._syncs_count = 0
        # Pending Readies, each with the number of writes that must be synced before it.
        restart = Ready(snapshot=stored.snapshot, committed=self.core.ready().committed)
        self._queue: deque[tuple[int, Ready]] = deque([(0, restart)])
        self._busy = False  # processing a Ready
        machine.after(0, self._begin)

    def _begin(self) -> None:
        if self._stopped:
            return
        self._drain()
        self.machine.after(int(self.machine.simulation.rng.random() * TICK_NS), self._tick)
        if list(self.core.members) == [self.raft_id]:  # the only member need not wait
            self._take(self.core.campaign())

    def stop(self) -> None:
        """Send, receive and apply nothing any more; the disk stays as it is."""
        self._stopped, self.is_leader = True, False
        self._fail_calls(Unknown(STOPPED))

    # -- state -----------------------------------------------------------------------
    @property
    def leader_id(self) -> int:
        """The leader's raft id as far as this replica knows; 0 = none."""
        return self.core.leader_id

    @property
    def term(self) -> int:
        return self.core.term

    @property
    def commit_index(self) -> int:
        return self.core.log.commit

    @property
    def members(self) -> dict[int, Member]:
        """The members as of the applied log, by raft id."""
        return dict(self.core.members or self._initial_members)

    def reachable(self, raft_id: int) -> bool:
        """On the leader: whether this member replied within 3 s; true for the leader itself."""
        since_ns = self.machine.simulation.now_ns - REACHABLE_NS
        return raft_id == self.raft_id or self._heard_ns.get(raft_id, since_ns - 1) >= since_ns

    def status(self) -> Status:
        """A copy of this replica's state now."""
        return status_of(self.core, self.applied_index)

    # -- requests --------------------------------------------------------------------
    def propose(self, data: object) -> Call:
        """Replicate `data`, immutable; resolves to its index once it is applied here.

        All proposals of one event are sent together. Fails at once with Unknown when this is not
        the leader, later with LostLeadership: it may then still be applied.
        """
        call = self._request()
        if not call.done:
            if not self._proposals:
                self.machine.after(0, self._flush)
            self._proposals.append((data, call))
        return call

    def propose_change(self, change: MembershipChange) -> Call:
        """Add or remove one member; resolves and fails as `propose` does."""
        call, error = self._request(), self.core.membership_error(change)
        if call.done or error:
            return call.fail(Unknown(error))
        self._flush()
        self._waiting[self.core.log.last_index + 1] = call
        self._take(self.core.propose_change(change))
        return call

    def transfer_leadership(self, raft_id: int | None = None) -> Call:
        """Make another member leader: `raft_id`, or the reachable one with the longest log.

        Resolves when this replica knows the new leader; fails with DeadlineExceeded after 25 s.
        """
        call, peers = self._request(), self.core.progress
        if raft_id is None:
            longest = [(peer.match, -to) for to, peer in peers.items() if self.reachable(to)]
            raft_id = -max(longest, default=(0, 0))[1]
        if call.done or raft_id not in peers:
            return call.fail(Unknown("failed to get longest-active member: not found"))
        self._flush()
        self._transfers.append(call)
        self.machine.after(TRANSFER_NS_MAX, call.fail, DeadlineExceeded())
        self._take(self.core.transfer_leadership(raft_id))
        return call

    def _request(self) -> Call:
        """A new call, already failed if this replica accepts no requests."""
        call = Call()
        if not self.is_leader:
            call.fail(Unknown(STOPPED if self._stopped else NOT_LEADER))
        elif self.core.transferee:
            call.fail(Unknown(DROPPED))
        return call

    def _flush(self) -> None:
        proposals, self._proposals = self._proposals, []
        if proposals:
            first = self.core.log.last_index + 1
            self._waiting.update((first + i, call) for i, (_, call) in enumerate(proposals))
            self._take(self.core.propose([data for data, _ in proposals]))

    # -- events ----------------------------------------------------------------------
    def _tick(self) -> None:
        if not self._stopped:
            self.machine.after(TICK_NS, self._tick)
            self.ticks_without_leader = 0 if self.leader_id else self.ticks_without_leader + 1
            self._take(self.core.tick())

    def receive(self, source_machine: str, message: rpc.Message | rpc.MemberRemoved) -> None:
        """Handle a message of another replica. Source: swarmkit raft.go, ProcessRaftMessage."""
        source, core = message.source, self.core
        if self._stopped:
            return
        if isinstance(message, rpc.MemberRemoved):
            self._leave()
        elif source in core.removed:
            self.machine.send(source_machine, rpc.MemberRemoved(self.raft_id, core.term))
        elif not (isinstance(message, rpc.RequestVote) and self._is_stranger(source)):
            self._names[source] = source_machine
            self._heard_ns[source] = self.machine.simulation.now_ns
            if isinstance(message, rpc.RequestVote) and (why := core.vote_refusal(message)):
                self.machine.record(trace_records.VoteRefused, message.term, source, str(why))
            self._take(core.step(message))

    def _is_stranger(self, raft_id: int) -> bool:
        """Not a member as far as this replica knows; it must not disrupt elections."""
        members = self.core.members
        return bool(members) and raft_id not in members and raft_id not in self._initial_members

    def _leave(self) -> None:
        self._lose_leadership()
        self.stop()
        self._state.removed()

    # -- processing a Ready ------------------------------------------------------------
    def _take(self, ready: Ready) -> None:
        """Write it; process the rest after the sync and after every earlier Ready."""
        if ready is not NOTHING:
            if ready.snapshot is not None:
                self._save(ready.snapshot)
            elif ready.hard_state is not None:
                self._storage.append(ready.hard_state, ready.entries)
            if ready.must_sync:
                self._writes_count += 1
                self.machine.after(self.sync_ns, self._synced, self._writes_count)
            self._queue.append((self._writes_count, ready))
        self._report_changes()
        self._drain()

    def _synced(self, count: int) -> None:
        if not self._stopped:
            self._storage.sync()
            self._syncs_count = max(self._syncs_count, count)
            self._drain()

    def _drain(self) -> None:
        if self._busy:
            return
        self._busy = True
        while self._queue and self._queue[0][0] <= self._syncs_count and not self._stopped:
            _, ready = self._queue.popleft()
            for to, message in ready.messages:
                self._send(to, message)
            if ready.snapshot is not None:
                self.applied_index = ready.snapshot.index
                self._state.restore(ready.snapshot.data, ready.snapshot.index)
                self._members_changed()
            if ready.committed:
                self._apply(ready.committed)
        self._busy = False

    def _send(self, to: int, message: rpc.Message) -> None:
        name = self._names.get(to)
        if name is None:
            member = self.core.members.get(to) or self._initial_members.get(to)
            machine = self.machine.network.at(member.address) if member else None
            if machine is None:
                return
            name = self._names[to] = machine.name
        if isinstance(message, rpc.InstallSnapshot):
            self.machine.record(trace_records.SnapshotSent, to, message.snapshot.index)
        self.machine.send(name, message)

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
            elif entry.term == self.core.term and self.core.role is RaftRole.LEADER:
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
        """Rewrite everything, sealed by `sealer`: a new snapshot and the entries after it."""
        if not self._stopped:
            self._storage.sealer = sealer
            self._compact()

    def _compact(self) -> None:
        core, index = self.core, self.applied_index
        snapshot, term = core.snapshot, core.log.term(index)
        if term is not None:  # otherwise a newer snapshot is about to be restored
            members, removed = tuple(core.members.values()), tuple(sorted(core.removed))
            snapshot = Snapshot(index, term, members, self._state.snapshot(), removed)
        assert snapshot is not None
        self._save(snapshot)
        core.compact(snapshot, self.entries_for_slow_followers)

    def _save(self, snapshot: Snapshot) -> None:
        core = self.core
        hard_state = HardState(core.term, core.vote, core.log.commit)
        entries = core.log.slice(snapshot.index + 1, core.log.last_index)
        self._storage.save(hard_state, snapshot, entries)

    # -- notifications -----------------------------------------------------------------
    def _members_changed(self) -> None:
        self._names = {}
        self.machine.record(trace_records.MembershipChanged, tuple(self.core.members))
        if self.raft_id in self.core.removed:
            self._leave()
        else:
            self._state.members_changed()

    def _report_changes(self) -> None:
        """Report changes in the core to the trace, the state machine and pending calls."""
        core, before, record = self.core, self._last_state, self.machine.record
        self._last_state = (core.term, core.vote, core.role, core.leader_id)
        if self._last_state == before:
            return
        term, vote, role, leader_id = before
        if core.vote == core.raft_id and core.term != term:
            record(trace_records.Campaigned, core.term)
        elif core.vote and (core.term, core.vote) != (term, vote):
            record(trace_records.VotedFor, core.term, core.vote)
        if core.role is RaftRole.LEADER:
            record(trace_records.BecameLeader, core.term)
        elif core.role is RaftRole.FOLLOWER and (role, leader_id) != (core.role, core.leader_id):
            record(trace_records.BecameFollower, core.term, core.leader_id)
        if core.leader_id not in (0, core.raft_id):
            transfers, self._transfers = self._transfers, []
            for call in transfers:
                call.resolve()
        if core.role is not RaftRole.LEADER:
            self._lose_leadership()

    def _lose_leadership(self) -> None:
        was_leader, self.is_leader = self.is_leader, False
        self._fail_calls(LostLeadership())
        if was_leader:
            self._state.leadership(False)

    def _fail_calls(self, error: SwarmError) -> None:
        calls = [*self._waiting.values(), *(call for _, call in self._proposals)]
        self._waiting.clear()
        self._proposals = []
        for call in calls:
            call.fail(error)
