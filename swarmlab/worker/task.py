"""One task's state machine on its node: which step comes next, and when a step is given up.

Source: swarmkit agent/exec/controller.go (Do), agent/task.go.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from swarmlab.errors import SwarmError
from swarmlab.model import Task, TaskState, TaskStatus
from swarmlab.simulation import Call, Machine, Record, S, Timer
from swarmlab.worker.executor import Controller

RETRY_NS = 1 * S


@dataclass(frozen=True, slots=True)
class TaskStatusChanged(Record):
    """A task moved on, as its worker sees it."""

    task_id: str
    name: str
    state: TaskState
    message: str
    err: str


Step = tuple[str, TaskState, str]  # what to do, then the state it leads to and its message


def next_step(state: TaskState, desired: TaskState) -> Step | None:
    """What to do with a task in `state`; None: nothing, until it is told otherwise."""
    if desired >= TaskState.SHUTDOWN:
        done = state >= TaskState.COMPLETE
        return None if done else ("shutdown", TaskState.SHUTDOWN, "shutdown")
    if state > desired:
        return None
    match state:
        case TaskState.PREPARING:
            return "prepare", TaskState.READY, "prepared"
        case TaskState.STARTING:
            return "start", TaskState.RUNNING, "started"
        case TaskState.RUNNING:
            return "wait", TaskState.COMPLETE, "finished"
    if state >= desired:
        return None
    match state:
        case TaskState.ACCEPTED:
            return "", TaskState.PREPARING, "preparing"
        case TaskState.READY:
            return "", TaskState.STARTING, "starting"
        case TaskState.NEW | TaskState.PENDING | TaskState.ASSIGNED:
            return "", TaskState.ACCEPTED, "accepted"
    return None


class Reporter(Protocol):
    def report(self, task: Task) -> None:
        """A task's status has changed."""


class TaskManager:
    """Drives one task, step by step, as long as it is assigned to this node."""

    def __init__(
        self,
        task: Task,
        machine: Machine,
        reporter: Reporter,
        controller: Callable[[Task], Controller],
    ) -> None:
        self.task = task
        self.machine = machine
        self.reporter = reporter
        self.controller: Controller | None = None
        self._operation = 0  # the number of the running one; what is older was given up
        self._busy = False
        self._retry: Timer | None = None
        try:
            self.controller = controller(task)
        except SwarmError as error:
            if task.state <= TaskState.RUNNING:
                self._fail(error, "resolving controller failed")

    def run(self) -> None:
        """Do what comes next, and on until something must be waited for."""
        self._retry = None
        while not self._busy and (step := next_step(self.task.state, self.task.desired)):
            action, state, message = step
            if not action:
                self._move(state, message)
                continue
            self._operation += 1
            self._busy = True
            try:
                call: Call = getattr(self.controller, action)()
            except SwarmError as error:
                call = Call().fail(error)
            call.then(self._done, self._operation, state, message)

    def _done(self, call: Call, operation: int, state: TaskState, message: str) -> None:
        if operation != self._operation:
            return
        self._busy = False
        if call.error:
            self._fail(call.error, self.task.status.message)
        else:
            self._move(state, message)
        self.run()

    def _fail(self, error: SwarmError, message: str) -> None:
        early = self.task.state < TaskState.STARTING
        self._move(TaskState.REJECTED if early else TaskState.FAILED, message, str(error))

    def _move(self, state: TaskState, message: str, err: str = "") -> None:
        acting = self.controller if state >= TaskState.STARTING else None
        status = TaskStatus(
            state=state,
            timestamp_ns=self.machine.simulation.now_ns,
            message=message,
            err=err,
            container=acting.status if acting else None,
            ports=acting.ports if acting else (),
        )
        self.task = replace(self.task, status=status)
        self.machine.record(TaskStatusChanged, self.task.id, self.task.name, state, message, err)
        self.reporter.report(self.task)

    def update(self, task: Task) -> None:
        """The manager changed the task: whatever is going on is given up, and looked at again."""
        mine = self.task
        same = {"version": mine.version, "updated_ns": mine.updated_ns, "status": mine.status}
        task = replace(task, **same)  # type: ignore[arg-type]  # mypy takes `same` for one type
        if task.desired < mine.desired or task == mine:
            return
        self.task = task
        if self.controller is None:
            return
        self.controller.task = task
        if self._retry:
            self._retry.cancel()
        if self._busy:
            self._operation += 1
            self._busy = False
            self.controller.cancel()
            # A step that was given up is tried again after a second: so long a running task
            # goes on before its stop begins.
            self._retry = self.machine.after(RETRY_NS, self.run)
        else:
            self.run()

    def close(self) -> None:
        """Give up; the container stays as it is."""
        self._operation += 1
        self._busy = True
        if self._retry:
            self._retry.cancel()
        if self.controller:
            self.controller.cancel()
