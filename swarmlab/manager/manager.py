"""The manager of one node: event loop, write queue and, while it leads, the control loops.

    API -> orchestrator -> allocator -> scheduler -> dispatcher        (the talk's scheduler slide)

Only this file wakes control loops and proposes what they return. Writes are serialized: a control
loop or a command reads the store and returns changes, and the next one waits until those are
committed, so that no decision is made on outdated data. Source: swarmkit manager/manager.go.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from swarmlab.errors import LostLeadership, SwarmError
from swarmlab.manager import store
from swarmlab.manager.allocator.allocator import Allocator
from swarmlab.manager.ca.root_rotation import RootRotation
from swarmlab.manager.control_loop import ControlLoop
from swarmlab.manager.dispatcher.dispatcher import Dispatcher
from swarmlab.manager.key_manager import KeyManager
from swarmlab.manager.leader import is_safe_to_remove
from swarmlab.manager.orchestrator.constraint_enforcer import ConstraintEnforcer
from swarmlab.manager.orchestrator.global_services import GlobalOrchestrator
from swarmlab.manager.orchestrator.jobs import JobOrchestrator
from swarmlab.manager.orchestrator.replicated import ReplicatedOrchestrator
from swarmlab.manager.orchestrator.task_reaper import TaskReaper
from swarmlab.manager.role_manager import RoleManager
from swarmlab.manager.scheduler.scheduler import Scheduler
from swarmlab.model import ManagerStatus, StoreObject
from swarmlab.model.trace_records import Written
from swarmlab.raft import MembershipChange, RaftNode
from swarmlab.simulation import Call, Machine, Timer


class ManagerHost(Protocol):
    """The engine that a manager is part of."""

    @property
    def machine(self) -> Machine: ...
    @property
    def node_id(self) -> str: ...

    def changed(self, change: store.Change, before: StoreObject | None) -> None:
        """A change was committed."""

    def removed_from_raft(self) -> None:
        """This manager is no longer a member of the Raft group."""


@dataclass(slots=True)
class Write:
    """A write in the queue: the function that decides on changes, and the call to answer."""

    decide: Callable[..., list[store.Change]]
    args: tuple[Any, ...]
    call: Call
    batch: bool  # its changes may be split into several transactions

    @property
    def author(self) -> str:
        """The control loop that decides, or the function that does."""
        by_loop = self.args and isinstance(self.args[0], ControlLoop)
        return type(self.args[0]).__name__ if by_loop else self.decide.__name__


class Manager:
    """`raft` must be set before the first event; `first_objects`: what a new swarm starts with."""

    raft: RaftNode

    def __init__(self, host: ManagerHost, first_objects: Iterable[StoreObject] = ()) -> None:
        self.host = host
        self.machine = host.machine
        self.simulation = host.machine.simulation
        self.store = store.Store()
        self.control_loops: list[ControlLoop] = []  # empty on a follower
        self.dispatcher: Dispatcher | None = None
        self._role_manager: RoleManager | None = None
        self._first_objects = tuple(first_objects)
        self._writes: deque[Write] = deque()
        self._queued: list[ControlLoop] = []  # control loops with a write in the queue
        self._writing = False
        self._epoch = 0  # leadership epoch; callbacks from an earlier one are ignored
        self._alarms: dict[ControlLoop, Timer] = {}
        self._debounced: dict[ControlLoop, tuple[Timer, int]] = {}  # (timer, latest time)

    # -- Raft's state machine --------------------------------------------------------
    def apply(self, index: int, data: Any) -> None:
        """Apply one committed transaction to the store, and show it to the control loops."""
        applied = self.store.apply(index, data)
        seen = []
        for change, before in applied:
            self.host.changed(change, before)
            after = None if change.action is store.Action.REMOVE else change.object
            seen.append((type(change.object), before, after))
        for control_loop in self.control_loops:
            watches, wake = control_loop.watches, False
            for kind, before, after in seen:
                if kind in watches:
                    wake = control_loop.see(before, after) or wake
            if wake:
                self.wake(control_loop)
        self._extend_debounce()

    def snapshot(self) -> Any:
        return self.store.dump()

    def restore(self, data: Any, index: int) -> None:
        self.store = store.Store.restored(data, index)

    def leadership(self, leader: bool) -> None:
        """Raft made this node the leader, or it no longer is."""
        self._epoch += 1
        self._drop_work()
        if not leader:
            return
        if self.store.tables["cluster"]:
            self._start_control_loops()
        else:
            changes = map(store.create, self._first_objects)
            self.write(store.unconditional, *changes).then(self._bootstrapped, self._epoch)

    def _bootstrapped(self, call: Call, epoch: int) -> None:
        if call.error is None and epoch == self._epoch:
            self._start_control_loops()

    def members_changed(self) -> None:
        if self._role_manager is not None and self.dispatcher is not None:
            self._role_manager.member_ids = self.member_ids()
            self.dispatcher.managers_changed()
            self.wake(self._role_manager)

    def removed(self) -> None:
        self.host.removed_from_raft()

    def stop(self) -> None:
        """Stop the manager; the machine keeps running."""
        self._epoch += 1
        self._drop_work()
        self.raft.stop()

    # -- control loops ---------------------------------------------------------------
    def _start_control_loops(self) -> None:
        simulation, view = self.simulation, self.store
        self._role_manager = RoleManager(simulation, view)
        self._role_manager.member_ids = self.member_ids()
        self.dispatcher = Dispatcher(self.machine, view, self._after, self.wake, self.addresses)
        self.control_loops = [
            ReplicatedOrchestrator(simulation, view),
            GlobalOrchestrator(simulation, view),
            JobOrchestrator(simulation, view),
            Allocator(simulation, view),
            Scheduler(simulation, self.machine.name, view),
            self.dispatcher,
            ConstraintEnforcer(simulation, view),
            TaskReaper(view),
            RootRotation(simulation, view),
            KeyManager(simulation),
            self._role_manager,
        ]
        for control_loop in self.control_loops:
            self._queue(control_loop)

    def _drop_work(self) -> None:
        writes, self._writes = self._writes, deque()
        self.control_loops, self.dispatcher, self._role_manager = [], None, None
        self._queued, self._writing = [], False
        for timer in (*self._alarms.values(), *(timer for timer, _ in self._debounced.values())):
            timer.cancel()
        self._alarms, self._debounced = {}, {}
        for write in writes:
            write.call.fail(LostLeadership())

    def _after(self, delay_ns: int, callback: Callable[..., None], *args: Any) -> Timer:
        return self.machine.after(delay_ns, self._due, self._epoch, callback, args)

    def _due(self, epoch: int, callback: Callable[..., None], args: tuple[Any, ...]) -> None:
        if epoch == self._epoch:
            callback(*args)

    def wake(self, control_loop: ControlLoop) -> None:
        """Let the control loop decide soon: at once, or after its debounce."""
        if not control_loop.debounce_ns:
            self._queue(control_loop)
        elif control_loop not in self._debounced:
            latest_ns = self.simulation.now_ns + control_loop.debounce_ns_max
            timer = self._after(control_loop.debounce_ns, self._queue, control_loop)
            self._debounced[control_loop] = timer, latest_ns

    def _extend_debounce(self) -> None:
        """Each commit extends the debounce, up to its maximum."""
        now_ns = self.simulation.now_ns
        for control_loop, (timer, latest_ns) in self._debounced.items():
            due_ns = min(now_ns + control_loop.debounce_ns, latest_ns)
            if due_ns > timer.when_ns:
                timer.cancel()
                timer = self._after(due_ns - now_ns, self._queue, control_loop)
                self._debounced[control_loop] = timer, latest_ns

    def _queue(self, control_loop: ControlLoop) -> None:
        self._debounced.pop(control_loop, None)
        if control_loop not in self._queued:
            self._queued.append(control_loop)
            write = self.write(self._decide, control_loop, batch=True)
            write.then(self._decided, control_loop, self._epoch)

    def _decide(self, view: store.Store, control_loop: ControlLoop) -> list[store.Change]:
        self._queued.remove(control_loop)
        return control_loop.decide(view)

    def _decided(self, call: Call, control_loop: ControlLoop, epoch: int) -> None:
        if epoch != self._epoch or call.error is not None:
            return  # leadership is over, or about to be
        control_loop.committed()
        if isinstance(control_loop, RoleManager):
            for node_id in control_loop.to_remove:
                self._remove_member(node_id)
        self._set_alarm(control_loop)

    def _set_alarm(self, control_loop: ControlLoop) -> None:
        timer, alarm_ns = self._alarms.pop(control_loop, None), control_loop.alarm_ns()
        if timer is not None:
            timer.cancel()
        if alarm_ns is not None:
            delay_ns = max(0, alarm_ns - self.simulation.now_ns)
            self._alarms[control_loop] = self._after(delay_ns, self._queue, control_loop)

    # -- writing ---------------------------------------------------------------------
    def write(
        self, decide: Callable[..., list[store.Change]], *args: Any, batch: bool = False
    ) -> Call:
        """Queue a write of what `decide(store, *args)` returns; answered when it is committed.

        Resolves with the id of the first changed object, None when there was no change. A `batch`
        that fails may have been committed in part. Simplified: SwarmKit lets other writers in
        between the transactions of a batch.
        """
        write = Write(decide, args, Call(), batch)
        self._writes.append(write)
        self._work()
        return write.call

    def _work(self) -> None:
        while self._writes and not self._writing:
            write = self._writes.popleft()
            try:
                changes = write.decide(self.store, *write.args)
            except SwarmError as error:
                write.call.fail(error)
                continue
            if not changes:
                write.call.resolve(None)
                continue
            self._writing = True
            self._propose(write, changes, 0)

    def _propose(self, write: Write, changes: list[store.Change], start: int) -> None:
        """Propose the next transaction of a write; its changes before `start` are committed."""
        end = store.end_of_transaction(changes, start) if write.batch else len(changes)
        index, now_ns = self.store.index, self.simulation.now_ns
        transaction = store.Transaction(
            store.stamped(change, index, now_ns) for change in changes[start:end]
        )
        self.raft.propose(transaction).then(self._written, write, changes, end, self._epoch)

    def _written(
        self, proposal: Call, write: Write, changes: list[store.Change], end: int, epoch: int
    ) -> None:
        if proposal.error is not None:
            write.call.fail(proposal.error)
        else:
            self.machine.record(Written, write.author, proposal.value)
            if end < len(changes):
                self._propose(write, changes, end)
                return
            write.call.resolve(changes[0].object.id)
        if epoch == self._epoch:
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
        """The node ids of the members that answer this leader."""
        members = self.raft.members.items()
        return [m.node_id for raft_id, m in members if self.raft.reachable(raft_id)]

    def statuses(self) -> tuple[ManagerStatus, ...]:
        """Every member of the Raft group, as the leader sees it."""
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
        elif is_safe_to_remove(self, node_id):
            member = next((m for m in self.raft.members.values() if m.node_id == node_id), None)
            if member is not None:
                self.raft.propose_change(MembershipChange(add=False, member=member))
