"""One node's manager: a copy of the store, a seat in Raft and, while it leads, the rooms at work.

    API -> orchestrator -> allocator -> scheduler -> dispatcher        (the talk's scheduler slide)

This file alone wakes the rooms and proposes what they return. Writes go one after the other: a
room or an API call reads the store, says what to change, and the next one waits until that is
committed, so nobody decides on what is about to change. Source: swarmkit manager/manager.go.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from swarmlab.errors import LostLeadership, SwarmError
from swarmlab.manager.allocator.allocator import Allocator
from swarmlab.manager.ca.root_rotation import RootRotation
from swarmlab.manager.control_api import ControlApi
from swarmlab.manager.control_loop import Room
from swarmlab.manager.dispatcher.dispatcher import Dispatcher
from swarmlab.manager.orchestrator.constraint_enforcer import ConstraintEnforcer
from swarmlab.manager.orchestrator.global_services import GlobalOrchestrator
from swarmlab.manager.orchestrator.jobs import JobOrchestrator
from swarmlab.manager.orchestrator.replicated import ReplicatedOrchestrator
from swarmlab.manager.orchestrator.task_reaper import Reaper
from swarmlab.manager.role_manager import RoleManager, is_safe_to_remove
from swarmlab.manager.scheduler.scheduler import Scheduler
from swarmlab.manager.store import TRANSACTION_CHANGES_MAX, Change, Store, create, stamped
from swarmlab.model import ManagerStatus, StoreObject
from swarmlab.raft import MembershipChange, RaftNode
from swarmlab.simulation import Call, Machine, Timer


class ManagerHost(Protocol):
    """The engine that a manager is part of."""

    @property
    def machine(self) -> Machine: ...
    @property
    def node_id(self) -> str: ...

    def changed(self, change: Change, before: StoreObject | None) -> None:
        """Something was committed."""

    def removed_from_raft(self) -> None:
        """This manager was taken out of Raft."""


@dataclass(slots=True)
class Job:
    """One write to come: who decides, with what, and who waits for the outcome."""

    decide: Callable[..., list[Change]]
    args: tuple[Any, ...]
    call: Call


class Manager:
    """`raft` has to be set before anything happens; `first_objects` on a swarm's first node."""

    raft: RaftNode

    def __init__(self, host: ManagerHost, first_objects: Iterable[StoreObject] = ()) -> None:
        self.host = host
        self.machine = host.machine
        self.store = Store()
        self.api = ControlApi(host.machine.simulation, self)
        self.rooms: list[Room] = []  # empty on a follower
        self.dispatcher: Dispatcher | None = None
        self._role_manager: RoleManager | None = None
        self._first_objects = tuple(first_objects)
        self._jobs: deque[Job] = deque()
        self._queued: list[Room] = []  # rooms with a job in the queue
        self._writing = False
        self._reign = 0  # changes whenever leadership does; what belongs to an old one is void
        self._alarms: dict[int, Timer] = {}  # by the room's position
        self._waking: dict[int, tuple[Timer, int]] = {}  # debounced rooms: (timer, latest time)

    # -- Raft's state machine --------------------------------------------------------
    def apply(self, index: int, data: Any) -> None:
        """A committed transaction, a tuple of changes: into the store, then past every room."""
        done = self.store.apply(index, data)
        for change, before in done:
            self.host.changed(change, before)
        removal = "remove"
        for room in self.rooms:
            seen = False
            for change, before in done:
                after = None if change.action == removal else change.object
                seen = room.see(before, after) or seen
            if seen:
                self.wake(room)
        self._still_talking()

    def snapshot(self) -> Any:
        return self.store.dump()

    def restore(self, data: Any, index: int) -> None:
        self.store = Store.restored(data, index)

    def leadership(self, leader: bool) -> None:
        """Raft made this node the leader, or it no longer is."""
        self._reign += 1
        self._drop_work()
        if not leader:
            return
        if self.store.tables["cluster"]:
            self._open_rooms()
        else:
            changes = [create(object) for object in self._first_objects]
            job = Job(self._found, (changes,), Call().then(self._founded, self._reign))
            self._enqueue(job)

    def _found(self, view: Store, changes: list[Change]) -> list[Change]:
        return changes

    def _founded(self, call: Call, reign: int) -> None:
        if call.error is None and reign == self._reign:
            self._open_rooms()

    def members_changed(self) -> None:
        if self._role_manager is not None and self.dispatcher is not None:
            self._role_manager.member_ids = self.member_ids()
            self.dispatcher.managers_changed()
            self.wake(self._role_manager)

    def removed(self) -> None:
        self.host.removed_from_raft()

    def stop(self) -> None:
        """The manager component ends; the machine goes on."""
        self._reign += 1
        self._drop_work()
        self.raft.stop()

    # -- rooms -----------------------------------------------------------------------
    def _open_rooms(self) -> None:
        simulation, view = self.machine.simulation, self.store
        self._role_manager = RoleManager(simulation, view)
        self._role_manager.member_ids = self.member_ids()
        self.dispatcher = Dispatcher(self.machine, view, self._after, self.wake, self.addresses)
        self.rooms = [
            ReplicatedOrchestrator(simulation, view),
            GlobalOrchestrator(simulation, view),
            JobOrchestrator(simulation, view),
            Allocator(simulation, view),
            Scheduler(simulation, self.machine.name, view),
            self.dispatcher,
            ConstraintEnforcer(simulation, view),
            Reaper(view),
            RootRotation(simulation, view),
            self._role_manager,
        ]
        for room in self.rooms:
            self._queue(room)

    def _drop_work(self) -> None:
        jobs, self._jobs = self._jobs, deque()
        self.rooms, self.dispatcher, self._role_manager = [], None, None
        self._queued, self._writing = [], False
        for timer in (*self._alarms.values(), *(timer for timer, _ in self._waking.values())):
            timer.cancel()
        self._alarms, self._waking = {}, {}
        for job in jobs:
            job.call.fail(LostLeadership())

    def _after(self, delay_ns: int, callback: Callable[..., None], *args: Any) -> Timer:
        return self.machine.after(delay_ns, self._due, self._reign, callback, args)

    def _due(self, reign: int, callback: Callable[..., None], args: tuple[Any, ...]) -> None:
        if reign == self._reign:
            callback(*args)

    def wake(self, room: Room) -> None:
        """Let the room decide soon: at once, or when commits have paused for a while."""
        if not room.debounce_ns:
            self._queue(room)
            return
        place = self.rooms.index(room)
        if place not in self._waking:
            latest_ns = self.machine.simulation.now_ns + room.debounce_ns_max
            timer = self._after(room.debounce_ns, self._queue, room)
            self._waking[place] = timer, latest_ns

    def _still_talking(self) -> None:
        """A commit puts off the rooms that wait for a pause, up to their limit."""
        now_ns = self.machine.simulation.now_ns
        for place, (timer, latest_ns) in self._waking.items():
            room = self.rooms[place]
            due_ns = min(now_ns + room.debounce_ns, latest_ns)
            if due_ns > timer.when_ns:
                timer.cancel()
                self._waking[place] = self._after(due_ns - now_ns, self._queue, room), latest_ns

    def _queue(self, room: Room) -> None:
        self._waking.pop(self.rooms.index(room), None)
        if room not in self._queued:
            self._queued.append(room)
            self._enqueue(Job(self._decide, (room,), Call().then(self._decided, room, self._reign)))

    def _decide(self, view: Store, room: Room) -> list[Change]:
        self._queued.remove(room)
        return room.decide(view)

    def _decided(self, call: Call, room: Room, reign: int) -> None:
        if reign != self._reign or call.error is not None:
            return  # leadership is over, or about to be
        room.committed()
        if isinstance(room, RoleManager):
            for node_id in room.to_remove:
                self._remove_member(node_id)
        self._set_alarm(room)

    def _set_alarm(self, room: Room) -> None:
        place = self.rooms.index(room)
        timer, alarm_ns = self._alarms.pop(place, None), room.alarm_ns()
        if timer is not None:
            timer.cancel()
        if alarm_ns is not None:
            delay_ns = max(0, alarm_ns - self.machine.simulation.now_ns)
            self._alarms[place] = self._after(delay_ns, self._queue, room)

    # -- writing ---------------------------------------------------------------------
    def write(self, decide: Callable[..., list[Change]], *args: Any) -> Call:
        """Let `decide(store, *args)` say what to change, in its turn; answered when committed.

        Resolves with the first changed object as it was stored, None when there was no change.
        """
        call = Call()
        self._enqueue(Job(decide, args, call))
        return call

    def _enqueue(self, job: Job) -> None:
        self._jobs.append(job)
        self._work()

    def _work(self) -> None:
        while self._jobs and not self._writing:
            job = self._jobs.popleft()
            try:
                changes = job.decide(self.store, *job.args)
            except SwarmError as error:
                job.call.fail(error)
                continue
            if not changes:
                job.call.resolve(None)
                continue
            self._writing = True
            index, now_ns = self.store.index, self.machine.simulation.now_ns
            dated = tuple(stamped(change, index, now_ns) for change in changes)
            size = TRANSACTION_CHANGES_MAX
            for start in range(0, len(dated), size):
                proposal = self.raft.propose(dated[start : start + size])
            proposal.then(self._written, job, dated[0].object, self._reign)

    def _written(self, proposal: Call, job: Job, object: StoreObject, reign: int) -> None:
        if proposal.error is not None:
            job.call.fail(proposal.error)
        else:
            job.call.resolve(object)
        if reign == self._reign:
            self._writing = False
            self._work()

    # -- the Raft group ----------------------------------------------------------------
    def addresses(self) -> tuple[str, ...]:
        """Where the managers listen, `10.77.0.2:2377`."""
        return tuple(member.address for member in self.raft.members.values())

    def member_ids(self) -> list[str]:
        """The members' node ids."""
        return [member.node_id for member in self.raft.members.values()]

    def reachable_ids(self) -> list[str]:
        """The node ids of members that this leader hears."""
        members = self.raft.members.items()
        return [m.node_id for raft_id, m in members if self.raft.reachable(raft_id)]

    def statuses(self) -> tuple[ManagerStatus, ...]:
        """Every member, as the leader sees it."""
        reachable = self.reachable_ids()
        return tuple(
            ManagerStatus(
                node_id=member.node_id,
                leader=raft_id == self.raft.leader_id,
                reachability="reachable" if member.node_id in reachable else "unreachable",
                addr=member.address,
            )
            for raft_id, member in self.raft.members.items()
        )

    def _remove_member(self, node_id: str) -> None:
        """Take a demoted node out of Raft if the rest keeps a quorum; a leader steps down first."""
        if node_id == self.host.node_id:
            self.raft.transfer_leadership(None)
        elif is_safe_to_remove(self.reachable_ids(), len(self.raft.members), node_id):
            member = next((m for m in self.raft.members.values() if m.node_id == node_id), None)
            if member is not None:
                self.raft.propose_change(MembershipChange(add=False, member=member))
