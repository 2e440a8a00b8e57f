"""The dispatcher: sessions with the agents, their heartbeats, and when they get their assignments.

A node is DOWN after 3 heartbeat periods without a heartbeat, 6 after a change of leader. Reports
are collected for 100 ms before they are stored; assignments are sent 100 ms after the first change.
Source: swarmkit manager/dispatcher/{dispatcher,nodes,period}.go.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from swarmlab import model
from swarmlab.errors import Unknown
from swarmlab.manager.control_loop import ControlLoop, take_turn
from swarmlab.manager.dispatcher.assignments import SentAssignments
from swarmlab.manager.store import Change, Store, update
from swarmlab.model import messages
from swarmlab.model.trace_records import NodeStateChanged, TasksSent
from swarmlab.simulation import HOUR, MS, Call, Machine, S, Timer

PERIOD_NS, PERIOD_EPSILON_NS = 5 * S, S // 2  # between heartbeats; more or less at random
PERIOD_NS_MIN = 1 * MS  # with less, the leader's own node, at no distance, would stop time
GRACE_MULTIPLIER, GRACE_MULTIPLIER_UNKNOWN = 3, 6
STATUS_BATCH_NS = ASSIGNMENT_BATCH_NS = 100 * MS
ASSIGNMENT_CHANGES_MAX = 100
ASSIGNMENT_SETTLED_NS = 1 * S  # after this time an assignment has arrived, or was lost
ORPHAN_AFTER_NS = 24 * HOUR

LEADER_CHANGED = 'Node moved to "unknown" state due to leadership change in cluster'
NO_HEARTBEAT = "heartbeat failure"
NO_HEARTBEAT_UNKNOWN = 'heartbeat failure for node in "unknown" state'


@dataclass(slots=True)
class AgentSession:
    """A connected agent."""

    machine: str  # the name to send to
    sent: SentAssignments
    sent_ns: int | None = None  # when the last message left; None: its arrival has been checked
    push: Timer | None = None
    expiry: Timer | None = None


class Dispatcher(ControlLoop):
    watches = (model.Cluster, model.Node, model.Task)

    def __init__(
        self,
        machine: Machine,
        view: Store,
        after: Callable[..., Timer],
        wake: Callable[[ControlLoop], None],
        managers: Callable[[], tuple[str, ...]],
    ) -> None:
        self.machine = machine
        self.view = view
        self.after = after  # as Machine.after, but cancelled when leadership ends
        self.wake = wake
        self.managers = managers
        self.sessions: dict[str, AgentSession] = {}  # by node id
        self._node_timers: dict[str, Timer] = {}  # by node id: until UNKNOWN is DOWN, DOWN orphaned
        self._node_writes: dict[str, tuple[model.NodeStatus, messages.Register | None]] = {}
        self._registrations: list[tuple[Call, str, str]] = []  # (call, node id, machine) to answer
        self._statuses: dict[str, model.TaskStatus] = {}
        self._flush: Timer | None = None
        self._orphaned: list[str] = []
        for node in view.all(model.Node):
            if node.status.state is model.NodeState.DOWN:
                self._node_timers[node.id] = self.after(ORPHAN_AFTER_NS, self._orphan, node.id)
            else:
                status = replace(node.status, state=model.NodeState.UNKNOWN, message=LEADER_CHANGED)
                self._node_writes[node.id] = status, None
                delay_ns = GRACE_MULTIPLIER_UNKNOWN * self._period_ns()
                timer = self.after(delay_ns, self._expired, node.id, NO_HEARTBEAT_UNKNOWN)
                self._node_timers[node.id] = timer

    def _period_ns(self) -> int:
        spec_ns = self.view.cluster.spec.at("Dispatcher", "HeartbeatPeriod", default=0)
        base_ns = max(spec_ns or PERIOD_NS, PERIOD_NS_MIN)
        jitter_ns = min(PERIOD_EPSILON_NS, base_ns // 2)
        return int(base_ns + self.machine.simulation.rng.randrange(-jitter_ns, jitter_ns + 1))

    # -- sessions ------------------------------------------------------------------
    def register(self, source: str, body: messages.Register) -> Call:
        """An agent opens a session; answered once its node is stored as READY."""
        if body.node_id not in self.view.nodes:
            raise Unknown("node not found")
        self._close_session(body.node_id)
        status = model.NodeStatus(state=model.NodeState.READY, addr=body.address)
        self._node_writes[body.node_id] = status, body
        call = Call()
        self._registrations.append((call, body.node_id, source))
        self.wake(self)
        return call

    def _open_session(self, call: Call, node_id: str, source: str) -> None:
        node = self.view.nodes.get(node_id)
        if node is None:
            call.fail(Unknown("node not found"))
            return
        self._close_session(node_id)
        id = self.machine.simulation.new_id()
        session = self.sessions[node_id] = AgentSession(source, SentAssignments(id, node_id))
        call.resolve(messages.Registered(id, *self._news(node), period_ns=self._extend(session)))
        self._push(session, complete=True)

    def heartbeat(self, body: messages.Heartbeat) -> int:
        """The node is alive; answered with the time until its next heartbeat, in nanoseconds."""
        session = self._session(body.node_id, body.session_id)
        now_ns = self.machine.simulation.now_ns
        if session.sent_ns is not None and now_ns - session.sent_ns >= ASSIGNMENT_SETTLED_NS:
            # gRPC's stream would repeat what a short network failure lost. Here an empty message
            # with the next number shows the agent a gap, and it opens a new session.
            session.sent_ns, session.sent.number = None, session.sent.number + 1
            empty = messages.Assignments(body.session_id, session.sent.number, complete=False)
            self.machine.send(session.machine, empty)
        return self._extend(session)

    def report(self, body: messages.ReportStatus) -> None:
        """Keep the last status of each task for the next batch."""
        self._session(body.node_id, body.session_id)
        for task_id, status in body.statuses:
            task = self.view.tasks.get(task_id)
            if task is not None and task.node_id == body.node_id:
                self._statuses[task_id] = status
        if self._statuses and self._flush is None:
            self._flush = self.after(STATUS_BATCH_NS, self.wake, self)

    def _session(self, node_id: str, session_id: str) -> AgentSession:
        session = self.sessions.get(node_id)
        if session is None:
            raise Unknown("node not registered")
        if session.sent.session_id != session_id:
            raise Unknown("session invalid")
        return session

    def _extend(self, session: AgentSession) -> int:
        period_ns = self._period_ns()
        if session.expiry is not None:
            session.expiry.cancel()
        silence_ns = GRACE_MULTIPLIER * period_ns
        session.expiry = self.after(silence_ns, self._expired, session.sent.node_id, NO_HEARTBEAT)
        return period_ns

    def _close_session(self, node_id: str) -> None:
        session = self.sessions.pop(node_id, None)
        if session is not None:
            for timer in (session.expiry, session.push):
                if timer is not None:
                    timer.cancel()
        timer = self._node_timers.pop(node_id, None)
        if timer is not None:
            timer.cancel()

    def _expired(self, node_id: str, message: str) -> None:
        """No heartbeat in time: the node is down; its tasks are orphaned a day later."""
        self._close_session(node_id)
        node = self.view.nodes.get(node_id)
        if node is not None:
            status = replace(node.status, state=model.NodeState.DOWN, message=message)
            self._node_writes[node_id] = status, None
            self._node_timers[node_id] = self.after(ORPHAN_AFTER_NS, self._orphan, node_id)
            self.wake(self)

    def _orphan(self, node_id: str) -> None:
        self._orphaned.append(node_id)
        self.wake(self)

    # -- the control loop: store what agents reported, and which nodes are up ------------
    def decide(self, view: Store) -> list[Change]:
        changes = []
        for node_id, (status, body) in self._node_writes.items():
            node = view.nodes.get(node_id)
            if node is None:
                continue
            description = node.description if body is None else body.description
            if (status, description) != (node.status, node.description):
                changes.append(update(replace(node, status=status, description=description)))
                self.machine.record(
                    NodeStateChanged, node.hostname, str(status.state), status.message
                )
        self._node_writes = {}
        if self._flush is not None and self._flush.when_ns <= self.machine.simulation.now_ns:
            changes += self._store_reports(view)
        for node_id in self._orphaned:
            changes += [
                update(task.with_(status=task.status.with_(state=model.TaskState.ORPHANED)))
                for task in view.tasks_of_node(node_id)
                if model.TaskState.ASSIGNED <= task.state <= model.TaskState.RUNNING
            ]
        self._orphaned = []
        return changes

    def _store_reports(self, view: Store) -> list[Change]:
        """Store the batch of reports, except those of an earlier state than the task has."""
        statuses = take_turn(self._statuses)
        self._flush = self.after(0, self.wake, self) if self._statuses else None
        now_ns = self.machine.simulation.now_ns
        return [
            update(task.with_(status=status.with_(applied_ns=now_ns)))
            for id, status in statuses.items()
            if (task := view.tasks.get(id)) is not None
            and status.state >= task.state
            and status.with_(applied_ns=task.status.applied_ns) != task.status
        ]

    def committed(self) -> None:
        """Nodes are stored as READY: open the sessions of their agents."""
        registrations, self._registrations = self._registrations, []
        for call, node_id, source in registrations:
            if node_id in self._node_writes:
                self._registrations.append((call, node_id, source))
            else:
                self._open_session(call, node_id, source)

    # -- seeing commits -----------------------------------------------------------------
    def see(self, old: model.StoreObject | None, new: model.StoreObject | None) -> bool:
        object = new or old
        if isinstance(object, model.Task):
            session = self.sessions.get(object.node_id)
            if session is not None and object.state >= model.TaskState.ASSIGNED:
                self._task_changed(session, object.id)
        elif isinstance(object, model.Node):
            session = self.sessions.get(object.id)
            if session is not None and new is None:
                # The node has no tasks any more: its containers stop and go.
                id, number = session.sent.session_id, session.sent.number + 1
                self.machine.send(session.machine, messages.Assignments(id, number, complete=True))
                self._close_session(object.id)
            elif session is not None and isinstance(new, model.Node):
                self._send_session(session, new)
        elif (
            isinstance(old, model.Cluster)
            and isinstance(new, model.Cluster)
            and (old.root_certificate, old.encryption_keys)
            != (new.root_certificate, new.encryption_keys)
        ):
            self.managers_changed()
        return False

    def managers_changed(self) -> None:
        """Send every agent the managers' addresses, the root to trust and the encryption keys."""
        for session in self.sessions.values():
            node = self.view.nodes.get(session.sent.node_id)
            if node is not None:
                self._send_session(session, node)

    def _send_session(self, session: AgentSession, node: model.Node) -> None:
        changed = messages.SessionChanged(session.sent.session_id, *self._news(node))
        self.machine.send(session.machine, changed)

    def _news(self, node: model.Node) -> messages.SessionNews:
        """What a session tells an agent."""
        cluster = self.view.cluster
        return node, self.managers(), cluster.root_certificate, cluster.encryption_keys

    def _task_changed(self, session: AgentSession, task_id: str) -> None:
        """Send the task soon, together with what changes until then."""
        session.sent.changed[task_id] = None
        full = len(session.sent.changed) >= ASSIGNMENT_CHANGES_MAX
        if session.push is not None:
            if not full:
                return
            session.push.cancel()
        session.push = self.after(0 if full else ASSIGNMENT_BATCH_NS, self._push, session)

    def _push(self, session: AgentSession, complete: bool = False) -> None:
        """Send the agent what has changed since the last message (`complete`: everything)."""
        session.push = None
        message = session.sent.next_message(self.view, complete)
        if message is not None:
            session.sent_ns = self.machine.simulation.now_ns
            self.machine.send(session.machine, message)
            if message.tasks:
                task_ids = tuple([task.id for task in message.tasks])
                self.machine.record(TasksSent, session.machine, task_ids)
