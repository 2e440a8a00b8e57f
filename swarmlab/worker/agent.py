"""The agent of a node: its session with the leader, its assigned tasks, and their status reports.

Source: swarmkit agent/{agent,session,worker,reporter,storage}.go.
"""

from __future__ import annotations

import pickle
from typing import Protocol

from swarmlab.errors import NotLeader
from swarmlab.model import Document, Task, TaskStatus, messages
from swarmlab.simulation import MS, Call, Machine, S, Timer
from swarmlab.worker.containers import Containers
from swarmlab.worker.executor import Executor
from swarmlab.worker.secrets import Dependencies
from swarmlab.worker.task_manager import TaskManager

BACKOFF_STEP_NS, BACKOFF_NS_MAX = 100 * MS, 8 * S
REPORT_NS = 100 * MS  # statuses are batched for so long before they are sent
DESCRIPTION_NS = 20 * S  # how often the node's description is compared with the one sent
TASKS, STATUSES = "swarm/worker/tasks/", "swarm/worker/statuses/"  # one file a task id


class AgentHost(Protocol):
    """What an agent needs from its node."""

    containers: Containers

    @property
    def machine(self) -> Machine: ...
    @property
    def node_id(self) -> str: ...
    @property
    def manager_addresses(self) -> tuple[str, ...]: ...
    @property
    def description(self) -> Document:
        """Docker's node description, as it is now."""

    def session_changed(self, session: messages.SessionChanged) -> None:
        """Take over the manager's view of this node, the managers, the root to trust, the keys."""


class Agent:
    def __init__(self, host: AgentHost) -> None:
        self.host = host
        self.machine = host.machine
        self.tasks: dict[str, TaskManager] = {}
        self.executor = Executor(host.containers, Dependencies(), host.description)
        self.session_id = ""  # empty: no session is open
        self.leader = ""  # the machine the session is with
        self.stopped = False
        self._attempt = 0  # to open a session; callbacks of earlier attempts are ignored
        self._backoff_ns = 0
        self._number = 0  # of the last assignments
        self._early: list[
            messages.SessionChanged | messages.Assignments
        ] = []  # arrived before the reply to Register
        self._unsent: dict[str, TaskStatus] = {}  # by task id
        self._report_timer: Timer | None = None

    # -- start and stop ----------------------------------------------------------------
    def start(self) -> None:
        """Resume the tasks on the disk, and open a session with a manager."""
        disk = self.machine.disk
        for name in disk.names(TASKS):
            task: Task = pickle.loads(disk.read(name))
            if (status := STATUSES + task.id) in disk:
                task = task.with_(status=pickle.loads(disk.read(status)))
            self._manage(task)
        self._connect()
        self.machine.after(DESCRIPTION_NS, self._refresh)

    def stop(self) -> None:
        """Close the session and stop driving tasks; containers and task files stay."""
        self._attempt += 1
        self.session_id, self.stopped = "", True
        for task_manager in self.tasks.values():
            task_manager.close()
        self.tasks.clear()

    def shutdown(self) -> None:
        """An orderly stop of the engine: remove containers and task files without a report."""
        names = [task_manager.task.name for task_manager in self.tasks.values()]
        self.stop()
        for name in names:
            if container := self.host.containers.find(name):
                self.host.containers.remove(container, force=True, volumes=True)
        self.machine.disk.delete("swarm/worker/")
        self.executor.dependencies = Dependencies()

    # -- session -----------------------------------------------------------------
    def _connect(self, redirected: str = "") -> None:
        """Register with any manager, or with the leader to which one has `redirected`."""
        self._attempt += 1
        self.session_id, self._early = "", []
        rng, managers = self.machine.simulation.rng, list(self.host.manager_addresses)
        address = redirected or (rng.choice(managers) if managers else "")
        target = self.machine.peer(address)
        if target is None:
            self._retry_later()
            return
        description = self.executor.description = self.host.description
        register = messages.Register(self.host.node_id, description, self.machine.address)
        call = self.machine.call(target.name, register)
        call.then(self._registered, self._attempt, target.name, redirected)

    def _retry_later(self) -> None:
        self._attempt += 1
        self.session_id = ""
        self._backoff_ns = min(BACKOFF_STEP_NS + 2 * self._backoff_ns, BACKOFF_NS_MAX)
        delay_ns = int(self.machine.simulation.rng.random() * self._backoff_ns)
        self.machine.after(delay_ns, self._retry, self._attempt)

    def _retry(self, attempt: int) -> None:
        if attempt == self._attempt:
            self._connect()

    def _registered(self, call: Call, attempt: int, target: str, redirected: str) -> None:
        if attempt != self._attempt:
            return
        if call.error:
            # Follow one redirect only: two managers may each take the other for the leader.
            leader = call.error.leader_address if isinstance(call.error, NotLeader) else ""
            self._connect(leader) if leader and not redirected else self._retry_later()
            return
        session: messages.Registered = call.value
        self.session_id, self.leader = session.session_id, target
        self._backoff_ns = self._number = 0
        self.host.session_changed(session)
        self._unsent = {id: task_manager.task.status for id, task_manager in self.tasks.items()}
        self._send_soon()
        self._heartbeat(attempt)
        early, self._early = self._early, []
        for message in early:
            self.receive(message)

    def _heartbeat(self, attempt: int) -> None:
        if attempt == self._attempt:
            heartbeat = messages.Heartbeat(self.host.node_id, self.session_id)
            self.machine.call(self.leader, heartbeat).then(self._heartbeat_sent, attempt)

    def _heartbeat_sent(self, call: Call, attempt: int) -> None:
        if attempt != self._attempt:
            return
        if call.error:
            self._retry_later()
        else:
            self.machine.after(call.value, self._heartbeat, attempt)

    def refresh(self) -> None:
        """Open a new session if the node's description has changed, as by a new certificate."""
        if self.session_id and self.host.description != self.executor.description:
            self._connect()

    def _refresh(self) -> None:
        if not self.stopped:
            self.refresh()
            self.machine.after(DESCRIPTION_NS, self._refresh)

    # -- assignments -----------------------------------------------------------------
    def receive(self, message: messages.SessionChanged | messages.Assignments) -> None:
        """A push of the dispatcher; pushes of another session are ignored."""
        if not self.session_id:
            self._early.append(message)
        elif message.session_id == self.session_id:
            if isinstance(message, messages.SessionChanged):
                self.host.session_changed(message)
            elif message.number == self._number + 1:
                self._number += 1
                self._assign(message)
            else:
                self._connect()

    def _assign(self, message: messages.Assignments) -> None:
        """Take over secrets and configs first, then the tasks that need them."""
        self.executor.dependencies.update(message)
        removed = set(message.removed_task_ids)
        if message.complete:
            removed = set(self.tasks) - {task.id for task in message.tasks}
        for task in message.tasks:
            if task.id in self.tasks:
                self.tasks[task.id].update(task)
                self._save(self.tasks[task.id].task)
            else:
                self._save(task)
                self._manage(task)
        for id in sorted(removed & set(self.tasks)):
            self._forget(id)

    def _save(self, task: Task) -> None:
        self.machine.disk.write(TASKS + task.id, pickle.dumps(task))

    def _manage(self, task: Task) -> None:
        task_manager = TaskManager(task, self.machine, self.report, self.executor)
        self.tasks[task.id] = task_manager
        task_manager.run()

    def _forget(self, id: str) -> None:
        task_manager = self.tasks.pop(id)
        task_manager.close()
        if task_manager.controller:
            task_manager.controller.remove()
        self._unsent.pop(id, None)
        for folder in (TASKS, STATUSES):
            self.machine.disk.delete(folder + id)

    # -- reports -----------------------------------------------------------------------
    def report(self, task: Task) -> None:
        self.machine.disk.write(STATUSES + task.id, pickle.dumps(task.status))
        self._unsent[task.id] = task.status
        self._send_soon()

    def _send_soon(self) -> None:
        if self._report_timer is None:
            self._report_timer = self.machine.after(REPORT_NS, self._send)

    def _send(self) -> None:
        self._report_timer = None
        if self.session_id and self._unsent:
            statuses, self._unsent = self._unsent, {}
            message = messages.ReportStatus(
                self.host.node_id, self.session_id, tuple(statuses.items())
            )
            self.machine.call(self.leader, message).then(self._sent, statuses, self._attempt)

    def _sent(self, call: Call, statuses: dict[str, TaskStatus], attempt: int) -> None:
        if call.error and attempt == self._attempt:
            self._unsent = {**statuses, **self._unsent}
            self._send_soon()
