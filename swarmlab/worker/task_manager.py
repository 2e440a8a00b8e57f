"""One task's state machine on its node: which step comes next, and when a step is given up.

Source: swarmkit agent/exec/controller.go (Do), agent/task.go.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from swarmlab.errors import SwarmError
from swarmlab.model import Task, TaskState, TaskStatus
from swarmlab.model.trace_records import TaskStatusChanged
from swarmlab.simulation import Call, Machine, S, Timer
from swarmlab.worker.controller import Controller

RETRY_NS = 1 * S


Step = tuple[str, TaskState, str]  # what to do, then the state it leads to and its message
STEPS: dict[TaskState, Step] = {
    TaskState.ASSIGNED: ("", TaskState.ACCEPTED, "accepted"),
    TaskState.ACCEPTED: ("", TaskState.PREPARING, "preparing"),
    TaskState.PREPARING: ("prepare", TaskState.READY, "prepared"),
    TaskState.READY: ("", TaskState.STARTING, "starting"),
    TaskState.STARTING: ("start", TaskState.RUNNING, "started"),
    TaskState.RUNNING: ("wait", TaskState.COMPLETE, "finished"),
}


def next_step(state: TaskState, desired: TaskState) -> Step | None:
    """What to do with a task in `state`; None: nothing, until it is told otherwise."""
    if desired >= TaskState.SHUTDOWN:
        done = state >= TaskState.COMPLETE
        return None if done else ("shutdown", TaskState.SHUTDOWN, "shutdown")
    step = STEPS.get(state)
    # What is being done is done to its end; a next state is entered only if it is wanted.
    return step if step and (state < desired or (state == desired and step[0])) else None


@dataclass(eq=False, repr=False)
class TaskManager:
    """Drives one task, step by step, as long as it is assigned to this node."""

    task: Task
    machine: Machine
    report: Callable[[Task], None]  # hears of each new status
    make_controller: Callable[[Task], Controller]

    def __post_init__(self) -> None:
        self.controller: Controller | None = None
        self._operation = 0  # the number of the running one; what is older was given up
        self._busy = False
        self._retry: Timer | None = None
        try:
            self.controller = self.make_controller(self.task)
        except SwarmError as error:
            if self.task.state <= TaskState.RUNNING:
                self._fail(error, "resolving controller failed")

    def run(self) -> None:
        """Do what comes next, and on until something must be waited for."""
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
        self.report(self.task)

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
        busy = self._busy
        self.close()
        self._busy = False
        if busy:
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
