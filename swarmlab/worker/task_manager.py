"""The state machine of one task on its node: which step comes next, and when one is given up.

Source: swarmkit agent/exec/controller.go (Do), agent/task.go.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from swarmlab.errors import SwarmError
from swarmlab.model import Task, TaskState, TaskStatus
from swarmlab.model.trace_records import TaskStatusChanged
from swarmlab.simulation import Call, Machine, S, Timer
from swarmlab.worker.controller import Controller
from swarmlab.worker.executor import Executor

RETRY_NS = 1 * S

Action = Callable[[Controller], Call]
# What to do (None: nothing), the state that follows, and its message.
Step = tuple[Action | None, TaskState, str]
STEPS: dict[TaskState, Step] = {
    TaskState.ASSIGNED: (None, TaskState.ACCEPTED, "accepted"),
    TaskState.ACCEPTED: (None, TaskState.PREPARING, "preparing"),
    TaskState.PREPARING: (lambda controller: controller.prepare(), TaskState.READY, "prepared"),
    TaskState.READY: (None, TaskState.STARTING, "starting"),
    TaskState.STARTING: (lambda controller: controller.start(), TaskState.RUNNING, "started"),
    TaskState.RUNNING: (lambda controller: controller.wait(), TaskState.COMPLETE, "finished"),
}
SHUTDOWN: Step = (lambda controller: controller.shutdown(), TaskState.SHUTDOWN, "shutdown")


def next_step(state: TaskState, desired: TaskState) -> Step | None:
    """The step for a task in `state`; None when there is nothing to do."""
    if desired >= TaskState.SHUTDOWN:
        return None if state >= TaskState.COMPLETE else SHUTDOWN
    step = STEPS.get(state)
    # An action that is due in the desired state itself is still done; a state beyond it is not
    # entered.
    return step if step and (state < desired or (state == desired and step[0])) else None


@dataclass(eq=False, repr=False)
class TaskManager:
    """Drives one task, step by step, as long as it is assigned to this node."""

    task: Task
    machine: Machine
    report: Callable[[Task], None]  # called with each new status
    executor: Executor

    def __post_init__(self) -> None:
        self.controller: Controller | None = None
        self._operation = 0  # the number of the latest; earlier ones were given up
        self._busy = False
        self._retry: Timer | None = None
        try:
            self.controller = self.executor.controller(self.task)
        except SwarmError as error:
            if self.task.state <= TaskState.RUNNING:
                self._fail(error, "resolving controller failed")

    def run(self) -> None:
        """Take steps until one has to be waited for."""
        while not self._busy and (step := next_step(self.task.state, self.task.desired)):
            action, state, message = step
            if action is None:
                self._move(state, message)
                continue
            self._operation += 1
            self._busy = True
            assert self.controller is not None
            try:
                result = action(self.controller)
            except SwarmError as error:
                result = Call().fail(error)
            result.then(self._done, self._operation, state, message)

    def _done(self, result: Call, operation: int, state: TaskState, message: str) -> None:
        if operation != self._operation:
            return
        self._busy = False
        if result.error:
            self._fail(result.error, self.task.status.message)
        else:
            self._move(state, message)
        self.run()

    def _fail(self, error: SwarmError, message: str) -> None:
        early = self.task.state < TaskState.STARTING
        self._move(TaskState.REJECTED if early else TaskState.FAILED, message, str(error))

    def _move(self, state: TaskState, message: str, err: str = "") -> None:
        controller = self.controller if state >= TaskState.STARTING else None
        status = TaskStatus(
            state=state,
            timestamp_ns=self.machine.simulation.now_ns,
            message=message,
            err=err,
            container=controller.status if controller else None,
            ports=controller.ports if controller else (),
        )
        self.task = self.task.with_(status=status)
        self.machine.record(TaskStatusChanged, self.task.id, self.task.name, state, message, err)
        self.report(self.task)

    def update(self, task: Task) -> None:
        """The manager changed the task: give up the current step and decide again."""
        old = self.task
        task = task.with_(version=old.version, updated_ns=old.updated_ns, status=old.status)
        if task.desired < old.desired or task == old:
            return
        self.task = task
        if self.controller is None:
            return
        self.controller.task = task
        busy = self._busy
        self.close()
        self._busy = False
        if busy:
            # A step that was given up is retried after a second: that is how long a running task
            # goes on before its stop begins.
            self._retry = self.machine.after(RETRY_NS, self.run)
        else:
            self.run()

    def close(self) -> None:
        """Stop driving the task; its container stays as it is."""
        self._operation += 1
        self._busy = True
        if self._retry:
            self._retry.cancel()
        if self.controller:
            self.controller.cancel()
