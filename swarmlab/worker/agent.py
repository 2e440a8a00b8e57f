"""A node's agent: a session with the leader, the tasks it is given, and what became of them.

Source: swarmkit agent/{agent,session,worker,reporter}.go.
"""

from __future__ import annotations

import pickle
from typing import Protocol

from swarmlab.errors import NotLeader
from swarmlab.model import Document, Node, Task, TaskStatus
from swarmlab.model.messages import (
    Assignments,
    Heartbeat,
    Register,
    Registered,
    ReportStatus,
    SessionChanged,
)
from swarmlab.simulation import MS, Call, Machine, S, Timer
from swarmlab.worker.container_spec import Dependencies
from swarmlab.worker.containers import Containers
from swarmlab.worker.controller import Controller
from swarmlab.worker.task_manager import TaskManager

BACKOFF_STEP_NS, BACKOFF_NS_MAX = 100 * MS, 8 * S
REPORT_NS = 100 * MS  # how long statuses are gathered before they are sent
DESCRIPTION_NS = 20 * S
TASKS = "swarm/worker/tasks/"


class AgentHost(Protocol):
    """What an agent finds on its node."""

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

    def session_changed(self, node: Node, managers: tuple[str, ...], root_certificate: str) -> None:
        """What the manager says of this node, of the managers, and of the root to trust."""


class Agent:
    def __init__(self, host: AgentHost) -> None:
        self.host = host
        self.machine = host.machine
        self.tasks: dict[str, TaskManager] = {}
        self.dependencies = Dependencies()
        self.session_id = ""  # empty: no session is open
        self.leader = ""  # the machine the session is with
        self.stopped = False
        self._attempt = 0  # to open a session; what an older one brings is void
        self._backoff_ns = 0
        self._description: Document | None = None
        self._number = 0  # of the last assignments
        self._early: list[SessionChanged | Assignments] = []  # overtook the session's welcome
        self._unsent: dict[str, TaskStatus] = {}
        self._report_timer: Timer | None = None

    # -- life ------------------------------------------------------------------
    def start(self) -> None:
        """Take up the tasks that the disk knows, and look for a manager."""
        for name in self.machine.disk.names(TASKS):
            self._manage(pickle.loads(self.machine.disk.read(name)))
        self._connect()
        self.machine.after(DESCRIPTION_NS, self._refresh)

    def stop(self) -> None:
        """Close the session and give up; containers and records stay."""
        self._attempt += 1
        self.session_id, self.stopped = "", True
        for manager in self.tasks.values():
            manager.close()
        self.tasks.clear()

    def shutdown(self) -> None:
        """The engine stops in order: containers and records go, and nobody is told."""
        names = [manager.task.name for manager in self.tasks.values()]
        self.stop()
        for name in names:
            if found := self.host.containers.find(name):
                self.host.containers.remove(found, force=True)
        self.machine.disk.delete("swarm/worker/")
        self.dependencies = Dependencies()

    leave = shutdown

    # -- session -----------------------------------------------------------------
    def _connect(self, sent_on: str = "") -> None:
        """Ask for a session: the leader that another manager `sent_on` to, or any manager."""
        self._attempt += 1
        self.session_id, self._early = "", []
        rng, managers = self.machine.simulation.rng, list(self.host.manager_addresses)
        address = sent_on or (rng.choice(managers) if managers else "")
        target = self.machine.peer(address)
        if target is None:
            self._try_again()
            return
        self._description = self.host.description
        register = Register(self.host.node_id, self._description, self.machine.address)
        call = self.machine.call(target.name, register)
        call.then(self._registered, self._attempt, target.name, sent_on)

    def _try_again(self) -> None:
        self._attempt += 1
        self.session_id = ""
        self._backoff_ns = min(BACKOFF_STEP_NS + 2 * self._backoff_ns, BACKOFF_NS_MAX)
        delay_ns = int(self.machine.simulation.rng.random() * self._backoff_ns)
        self.machine.after(delay_ns, self._retry, self._attempt)

    def _retry(self, attempt: int) -> None:
        if attempt == self._attempt:
            self._connect()

    def _registered(self, call: Call, attempt: int, target: str, sent_on: str) -> None:
        if attempt != self._attempt:
            return
        if call.error:
            # Two managers that take each other for the leader would send us to and fro.
            leader = call.error.leader_address if isinstance(call.error, NotLeader) else ""
            self._connect(leader) if leader and not sent_on else self._try_again()
            return
        session: Registered = call.value
        self.session_id, self.leader = session.session_id, target
        self._backoff_ns = self._number = 0
        self.host.session_changed(session.node, session.managers, session.root_certificate)
        self._unsent = {id: manager.task.status for id, manager in self.tasks.items()}
        self._send_soon()
        self._beat(attempt)
        early, self._early = self._early, []
        for message in early:
            self.receive(message)

    def _beat(self, attempt: int) -> None:
        if attempt == self._attempt:
            beat = Heartbeat(self.host.node_id, self.session_id)
            self.machine.call(self.leader, beat).then(self._beaten, attempt)

    def _beaten(self, call: Call, attempt: int) -> None:
        if attempt != self._attempt:
            return
        if call.error:
            self._try_again()
        else:
            self.machine.after(call.value, self._beat, attempt)

    def _refresh(self) -> None:
        if self.stopped:
            return
        if self.session_id and self.host.description != self._description:
            self._connect()
        self.machine.after(DESCRIPTION_NS, self._refresh)

    # -- assignments -----------------------------------------------------------------
    def receive(self, message: SessionChanged | Assignments) -> None:
        """A push of the dispatcher; what is not of this session is of a dead one."""
        if not self.session_id:
            self._early.append(message)
        elif message.session_id == self.session_id:
            if isinstance(message, SessionChanged):
                news = message.node, message.managers, message.root_certificate
                self.host.session_changed(*news)
            elif message.number == self._number + 1:
                self._number += 1
                self._assign(message)
            else:
                self._connect()

    def _assign(self, message: Assignments) -> None:
        """Secrets and configs come first, then the tasks that need them."""
        held, removed = self.dependencies, set(message.removed_task_ids)
        if message.complete:
            held.secrets.clear()
            held.configs.clear()
            removed = set(self.tasks) - {task.id for task in message.tasks}
        held.secrets.update((secret.id, secret) for secret in message.secrets)
        held.configs.update((config.id, config) for config in message.configs)
        for id in message.removed_secret_ids:
            held.secrets.pop(id, None)
        for id in message.removed_config_ids:
            held.configs.pop(id, None)
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
        manager = TaskManager(task, self.machine, self.report, self._controller)
        self.tasks[task.id] = manager
        manager.run()

    def _controller(self, task: Task) -> Controller:
        node = self._description or self.host.description
        return Controller(task, self.host.containers, self.dependencies, node)

    def _forget(self, id: str) -> None:
        manager = self.tasks.pop(id)
        manager.close()
        if manager.controller:
            manager.controller.remove()
        self._unsent.pop(id, None)
        self.machine.disk.delete(TASKS + id)

    # -- reports -----------------------------------------------------------------------
    def report(self, task: Task) -> None:
        self._save(task)
        self._unsent[task.id] = task.status
        self._send_soon()

    def _send_soon(self) -> None:
        if self._report_timer is None:
            self._report_timer = self.machine.after(REPORT_NS, self._send)

    def _send(self) -> None:
        self._report_timer = None
        if self.session_id and self._unsent:
            statuses, self._unsent = self._unsent, {}
            message = ReportStatus(self.host.node_id, self.session_id, tuple(statuses.items()))
            self.machine.call(self.leader, message).then(self._sent, statuses, self._attempt)

    def _sent(self, call: Call, statuses: dict[str, TaskStatus], attempt: int) -> None:
        if call.error and attempt == self._attempt:
            self._unsent = {**statuses, **self._unsent}
            self._send_soon()
