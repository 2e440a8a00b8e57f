"""The dispatcher: sessions with all agents, their heartbeats, and who gets which tasks.

Silence makes a node DOWN: 3 heartbeat periods, 6 after a change of leader. Reports are gathered
for 100 ms before they are stored; assignments are sent 100 ms after the last change.
Source: swarmkit manager/dispatcher/{dispatcher,nodes,period,assignments}.go.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from swarmlab.errors import Unknown
from swarmlab.manager.control_loop import ControlLoop
from swarmlab.manager.secrets import needed_by
from swarmlab.manager.store import Change, Store, update
from swarmlab.model import (
    Cluster,
    Config,
    Node,
    NodeState,
    NodeStatus,
    Secret,
    StoreObject,
    Task,
    TaskState,
    TaskStatus,
    messages,
)
from swarmlab.model.trace_records import NodeStateChanged
from swarmlab.simulation import HOUR, MS, Call, Machine, S, Timer

PERIOD_EPSILON_NS = S // 2
GRACE_MULTIPLIER, GRACE_MULTIPLIER_UNKNOWN = 3, 6
STATUS_BATCH_NS = ASSIGNMENT_BATCH_NS = 100 * MS
ASSIGNMENT_CHANGES_MAX = 100
ASSIGNMENT_SETTLED_NS = 1 * S  # after this long an assignment has arrived, or never will
ORPHAN_AFTER_NS = 24 * HOUR

LEADER_CHANGED = 'Node moved to "unknown" state due to leadership change in cluster'
NO_HEARTBEAT, NO_HEARTBEAT_UNKNOWN = (
    "heartbeat failure",
    'heartbeat failure for node in "unknown" state',
)


@dataclass(slots=True)
class AgentSession:
    """What the dispatcher knows of one agent that is connected."""

    id: str
    node_id: str
    machine: str  # the name to push to
    number: int = 0  # of the last Assignments sent
    sent_ns: int | None = None  # when that was; None: the agent would know if one had been lost
    sent: dict[str, Task] = field(default_factory=dict)
    sent_secrets: tuple[str, ...] = ()
    sent_configs: tuple[str, ...] = ()
    dirty: dict[str, None] = field(default_factory=dict)  # ids of tasks to look at again
    push: Timer | None = None
    expiry: Timer | None = None


class Dispatcher(ControlLoop):
    watches = (Cluster, Node, Task)

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
        self.after = after  # as Machine.after, but forgotten when leadership ends
        self.wake = wake
        self.managers = managers
        self.sessions: dict[str, AgentSession] = {}  # by node id
        self._expiries: dict[str, Timer] = {}  # of nodes that are UNKNOWN, and orphan timers
        self._node_writes: dict[str, tuple[NodeStatus, messages.Register | None]] = {}
        self._answers: list[tuple[Call, str, str]] = []  # (call, node id, machine) to welcome
        self._statuses: dict[str, TaskStatus] = {}
        self._flush: Timer | None = None
        self._orphaned: list[str] = []
        for node in view.all(Node):
            if node.status.state is NodeState.DOWN:
                self._expiries[node.id] = self.after(ORPHAN_AFTER_NS, self._orphan, node.id)
            else:
                status = replace(node.status, state=NodeState.UNKNOWN, message=LEADER_CHANGED)
                self._node_writes[node.id] = status, None
                delay_ns = GRACE_MULTIPLIER_UNKNOWN * self._period_ns()
                timer = self.after(delay_ns, self._silent, node.id, NO_HEARTBEAT_UNKNOWN)
                self._expiries[node.id] = timer

    def _period_ns(self) -> int:
        base_ns = self.view.cluster.spec.at("Dispatcher", "HeartbeatPeriod", default=0) or 5 * S
        jitter_ns = min(PERIOD_EPSILON_NS, base_ns // 2)
        return int(base_ns + self.machine.simulation.rng.randrange(-jitter_ns, jitter_ns + 1))

    # -- sessions ------------------------------------------------------------------
    def register(self, source: str, body: messages.Register) -> Call:
        """An agent opens a session; answered once its node is stored as READY."""
        if body.node_id not in self.view.nodes:
            raise Unknown("node not found")
        self._forget_session(body.node_id)
        status = NodeStatus(state=NodeState.READY, addr=body.address)
        self._node_writes[body.node_id] = status, body
        call = Call()
        self._answers.append((call, body.node_id, source))
        self.wake(self)
        return call

    def _welcome(self, call: Call, node_id: str, source: str) -> None:
        node = self.view.nodes.get(node_id)
        if node is None:
            call.fail(Unknown("node not found"))
            return
        self._forget_session(node_id)
        session = AgentSession(self.machine.simulation.new_id(), node_id, source)
        self.sessions[node_id] = session
        period_ns = self._heard(session)
        root = self.view.cluster.root_certificate
        call.resolve(messages.Registered(session.id, period_ns, node, self.managers(), root))
        self._push(session, complete=True)

    def heartbeat(self, body: messages.Heartbeat) -> int:
        """The node lives; when to say so again, in nanoseconds."""
        session = self._session(body.node_id, body.session_id)
        now_ns = self.machine.simulation.now_ns
        if session.sent_ns is not None and now_ns - session.sent_ns >= ASSIGNMENT_SETTLED_NS:
            # gRPC's stream would bring what a short cut of the network took. Here an empty message
            # with the next number shows the agent a gap, and it opens a new session.
            session.number, session.sent_ns = session.number + 1, None
            empty = messages.Assignments(session.id, session.number, complete=False)
            self.machine.send(session.machine, empty)
        return self._heard(session)

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
        if session.id != session_id:
            raise Unknown("session invalid")
        return session

    def _heard(self, session: AgentSession) -> int:
        period_ns = self._period_ns()
        if session.expiry is not None:
            session.expiry.cancel()
        silence_ns = GRACE_MULTIPLIER * period_ns
        session.expiry = self.after(silence_ns, self._silent, session.node_id, NO_HEARTBEAT)
        return period_ns

    def _forget_session(self, node_id: str) -> None:
        session = self.sessions.pop(node_id, None)
        if session is not None:
            for timer in (session.expiry, session.push):
                if timer is not None:
                    timer.cancel()
        waiting = self._expiries.pop(node_id, None)
        if waiting is not None:
            waiting.cancel()

    def _silent(self, node_id: str, message: str) -> None:
        """No heartbeat in time: the node is down, its tasks orphaned a day later."""
        self._forget_session(node_id)
        node = self.view.nodes.get(node_id)
        if node is not None:
            status = replace(node.status, state=NodeState.DOWN, message=message)
            self._node_writes[node_id] = status, None
            self._expiries[node_id] = self.after(ORPHAN_AFTER_NS, self._orphan, node_id)
            self.wake(self)

    def _orphan(self, node_id: str) -> None:
        self._orphaned.append(node_id)
        self.wake(self)

    # -- what it decides ---------------------------------------------------------------
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
                update(replace(task, status=replace(task.status, state=TaskState.ORPHANED)))
                for task in view.tasks_of_node(node_id)
                if TaskState.ASSIGNED <= task.state <= TaskState.RUNNING
            ]
        self._orphaned = []
        return changes

    def _store_reports(self, view: Store) -> list[Change]:
        """The batch of reports; one that would take a task back is dropped."""
        statuses, self._statuses, self._flush = self._statuses, {}, None
        now_ns = self.machine.simulation.now_ns
        return [
            update(replace(task, status=replace(status, applied_ns=now_ns)))
            for id, status in statuses.items()
            if (task := view.tasks.get(id)) is not None
            and status.state >= task.state
            and replace(status, applied_ns=task.status.applied_ns) != task.status
        ]

    def committed(self) -> None:
        """What was decided is stored: welcome the agents that waited for it."""
        answers, self._answers = self._answers, []
        for call, node_id, source in answers:
            if node_id in self._node_writes:
                self._answers.append((call, node_id, source))
            else:
                self._welcome(call, node_id, source)

    # -- what it hears -----------------------------------------------------------------
    def see(self, old: StoreObject | None, new: StoreObject | None) -> bool:
        object = new or old
        if isinstance(object, Task):
            session = self.sessions.get(object.node_id)
            if session is not None and object.state >= TaskState.ASSIGNED:
                self._touch(session, object.id)
        elif isinstance(object, Node):
            session = self.sessions.get(object.id)
            if session is not None and new is None:
                self._forget_session(object.id)
            elif session is not None and isinstance(new, Node):
                self._tell(session, new)
        elif isinstance(new, Cluster) and isinstance(old, Cluster):
            new_root = old.root_certificate != new.root_certificate
            if new_root:
                self.managers_changed()
        return False

    def managers_changed(self) -> None:
        """Tell every agent who the managers are now, and which root to trust."""
        for session in self.sessions.values():
            node = self.view.nodes.get(session.node_id)
            if node is not None:
                self._tell(session, node)

    def _tell(self, session: AgentSession, node: Node) -> None:
        root = self.view.cluster.root_certificate
        news = messages.SessionChanged(session.id, node, self.managers(), root)
        self.machine.send(session.machine, news)

    def _touch(self, session: AgentSession, task_id: str) -> None:
        session.dirty[task_id] = None
        if session.push is not None and len(session.dirty) < ASSIGNMENT_CHANGES_MAX:
            return
        if session.push is not None:
            session.push.cancel()
        full = len(session.dirty) >= ASSIGNMENT_CHANGES_MAX
        delay_ns = 0 if full else ASSIGNMENT_BATCH_NS
        session.push = self.after(delay_ns, self._push, session)

    def _push(self, session: AgentSession, complete: bool = False) -> None:
        """Send the agent what it does not know yet (`complete`: all that concerns it)."""
        session.push = None
        mine = {t.id: t for t in self.view.tasks_of_node(session.node_id)}
        mine = {id: task for id, task in mine.items() if task.state >= TaskState.ASSIGNED}
        looked_at = list(mine) if complete else list(session.dirty)
        session.dirty = {}
        tasks = [mine[id] for id in looked_at if id in mine and _is_news(mine[id], session.sent)]
        removed = [id for id in looked_at if id not in mine and id in session.sent]
        active = [t for t in mine.values() if t.state <= TaskState.RUNNING]
        secrets = needed_by(active, Secret, self.view)
        configs = needed_by(active, Config, self.view)
        gone_secrets = tuple(id for id in session.sent_secrets if id not in secrets)
        gone_configs = tuple(id for id in session.sent_configs if id not in configs)
        new_secrets = [o for id, o in secrets.items() if id not in session.sent_secrets]
        new_configs = [o for id, o in configs.items() if id not in session.sent_configs]
        session.sent_secrets, session.sent_configs = tuple(secrets), tuple(configs)
        for task in tasks:
            session.sent[task.id] = task
        for id in removed:
            del session.sent[id]
        if not (complete or tasks or removed or gone_secrets or gone_configs):
            return
        session.number, session.sent_ns = session.number + 1, self.machine.simulation.now_ns
        message = messages.Assignments(
            session.id,
            session.number,
            complete,
            tuple(tasks),
            tuple(removed),
            tuple(new_secrets),
            gone_secrets,
            tuple(new_configs),
            gone_configs,
        )
        self.machine.send(session.machine, message)


def _is_news(task: Task, sent: dict[str, Task]) -> bool:
    """Whether an agent has to hear of the task: new to it, or changed in more than its status."""
    before = sent.get(task.id)
    return (
        before is None
        or before.desired != task.desired
        or before.spec != task.spec
        or before.networks != task.networks
        or before.generic_resources != task.generic_resources
    )
