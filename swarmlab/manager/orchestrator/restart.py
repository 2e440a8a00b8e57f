"""The restart supervisor: replaces a task that has ended, after a delay, if its policy allows it.

The replacement is in the same slot at once, with desired state READY: it is scheduled, its image
pulled and its container created during the delay, and only then is it started. The *old* task's
spec has the restart policy; the replacement runs the service's *current* spec.
Source: swarmkit manager/orchestrator/restart/restart.go.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from swarmlab.manager.store import Change, Store, create, update
from swarmlab.manager.tasks import new_task, should_restart_ever, with_desired_state
from swarmlab.model import Availability, NodeState, Service, Task, TaskState
from swarmlab.simulation import S, Simulation

# How long a replacement waits for the old task to stop before it starts all the same.
OLD_TASK_STOP_NS_MAX = 60 * S


@dataclass(slots=True)
class DelayedStart:
    at_ns: int  # not before this
    awaited_id: str = ""  # the old task that has to stop first; empty: none
    deadline_ns: int = 0  # start then, even if the old task still runs
    failed_meanwhile: bool = False  # the waiting task has ended: restart it after the delay


@dataclass(slots=True)
class History:
    spec_version: int
    total: int = 0
    restarted_ns: list[int] = field(default_factory=list)


Instance = tuple[str, int, str]  # (service id, slot, node id): the key of a history


class RestartSupervisor:
    def __init__(self, simulation: Simulation) -> None:
        self.simulation = simulation
        self.delayed: dict[str, DelayedStart] = {}  # by the replacement's id
        self._awaited: dict[str, None] = {}  # ids of the tasks that have to stop first
        self._history: dict[Instance, History] = {}

    # -- restarting ------------------------------------------------------------------
    def restart(self, view: Store, task: Task, service: Service) -> list[Change]:
        """Shut `task` down and, if its policy allows it, create a replacement in its slot."""
        if task.id in self.delayed:
            self.delayed[task.id].failed_meanwhile = True
            return []
        changes = [update(with_desired_state(task, TaskState.SHUTDOWN))]
        if not self.should_restart(task, service):
            return changes
        node = view.nodes.get(task.node_id)
        drained = node is not None and node.spec.availability is Availability.DRAIN
        delay_ns = 0 if drained else task.spec.restart.delay_ns
        down = node is not None and node.status.state is NodeState.DOWN
        stopping = task.state <= TaskState.RUNNING and not down
        replacement = new_task(
            service,
            self.simulation,
            slot=task.slot,
            node_id=task.node_id if _is_global(service) else "",
            desired=TaskState.READY,
        )
        key = replacement.service_id, replacement.slot, replacement.node_id
        self._record(key, replacement, self.simulation.now_ns)
        self.start_later(replacement.id, delay_ns, task.id if stopping else "")
        return [*changes, create(replacement)]

    def start_later(self, task_id: str, delay_ns: int, awaited_id: str = "") -> None:
        """Start a task that waits at READY when the delay is over and the awaited task has stopped.

        A second call for the same task replaces the first.
        """
        self._awaited[awaited_id] = None
        self.delayed[task_id] = DelayedStart(
            at_ns=self.simulation.now_ns + delay_ns,
            awaited_id=awaited_id,
            deadline_ns=self.simulation.now_ns + OLD_TASK_STOP_NS_MAX,
        )

    def should_restart(self, task: Task, service: Service) -> bool:
        """Whether the policy in the task's spec allows another attempt in its slot."""
        policy = task.spec.restart
        if not should_restart_ever(task):
            return False
        if not policy.max_attempts:
            return True
        # SwarmKit looks up a global job's history without the node that it was recorded with. So
        # it finds none, and such a job never runs out of attempts.
        node_id = task.node_id if service.spec.mode == "global" else ""
        history = self._history.get((service.id, task.slot, node_id))
        if history is None or history.spec_version != task.spec_version:
            return True
        if not policy.window_ns:
            return history.total < policy.max_attempts
        oldest_ns = task.stamp_ns - policy.window_ns
        history.restarted_ns = [at for at in history.restarted_ns if at > oldest_ns]
        return sum(at < task.stamp_ns for at in history.restarted_ns) < policy.max_attempts

    def _record(self, key: Instance, replacement: Task, now_ns: int) -> None:
        policy = replacement.spec.restart
        if not policy.max_attempts:
            return
        history = self._history.get(key)
        if history is None or history.spec_version != replacement.spec_version:
            history = self._history[key] = History(replacement.spec_version)
        history.total += 1
        if policy.window_ns:
            history.restarted_ns.append(now_ns)

    # -- starting --------------------------------------------------------------------
    def concerns(self, old: Task | None, new: Task | None) -> bool:
        """Whether a task's change may end the wait of a replacement."""
        task = new or old
        assert task is not None
        return task.id in self.delayed or task.id in self._awaited

    def due(self, view: Store) -> list[Change]:
        """Start tasks that have waited long enough; restart those that failed while they waited."""
        changes: list[Change] = []
        for id, start in list(self.delayed.items()):
            task = view.tasks.get(id)
            runnable = task is not None and task.desired <= TaskState.COMPLETE
            waits = self.simulation.now_ns < start.at_ns or not self._released(view, start)
            if runnable and waits:
                continue
            del self.delayed[id]
            self._awaited.pop(start.awaited_id, None)
            if task is not None and runnable:
                service = view.services.get(task.service_id)
                if start.failed_meanwhile and service is not None:
                    changes += self.restart(view, task, service)
                    continue
                running = (
                    TaskState.COMPLETE if task.job_iteration is not None else TaskState.RUNNING
                )
                if task.desired < running:
                    changes.append(update(with_desired_state(task, running)))
        return changes

    def _released(self, view: Store, start: DelayedStart) -> bool:
        old = view.tasks.get(start.awaited_id)
        late = self.simulation.now_ns >= start.deadline_ns
        if old is None or old.state > TaskState.RUNNING or late:
            return True
        node = view.nodes.get(old.node_id)
        return bool(old.node_id) and (node is None or node.status.state is NodeState.DOWN)

    def next_ns(self) -> int | None:
        """When `due` is to be called again."""
        now_ns = self.simulation.now_ns
        return min(
            (s.at_ns if now_ns < s.at_ns else s.deadline_ns for s in self.delayed.values()),
            default=None,
        )

    # -- a new leader ------------------------------------------------------------------
    def resume(self, view: Store, tasks: list[Task]) -> None:
        """Rebuild the delays and the history that the last leader kept in memory."""
        slots: dict[Instance, list[Task]] = {}
        for task in tasks:
            node_id = task.node_id if _is_global(view.services[task.service_id]) else ""
            slots.setdefault((task.service_id, task.slot, node_id), []).append(task)
            if task.desired == TaskState.READY and task.state <= TaskState.COMPLETE:
                delay_ns = task.spec.restart.delay_ns
                left_ns = min(delay_ns, task.stamp_ns + delay_ns - self.simulation.now_ns)
                self.start_later(task.id, max(0, left_ns))
        for key, members in slots.items():
            newest = max(task.spec_version for task in members)
            current = sorted(
                (t for t in members if t.spec_version == newest), key=lambda t: (t.created_ns, t.id)
            )
            for task in current[1:]:
                self._record(key, task, task.created_ns)

    def forget_service(self, service_id: str) -> None:
        """The service was removed: forget its history."""
        for key in [key for key in self._history if key[0] == service_id]:
            del self._history[key]


def _is_global(service: Service) -> bool:
    return service.spec.mode in ("global", "global-job")
