"""The orchestrator of jobs: tasks that run to completion, once in each iteration of the service.

Any update of a job starts a new iteration. Changes of nodes have no effect: only changes of the
service and of its tasks wake this control loop. Source: swarmkit manager/orchestrator/jobs.
"""

from __future__ import annotations

from itertools import count, islice

from swarmlab.manager import constraints
from swarmlab.manager.control_loop import TURN_MAX, ControlLoop
from swarmlab.manager.orchestrator.restart import RestartSupervisor
from swarmlab.manager.store import Change, Store, create
from swarmlab.manager.tasks import is_invalid, new_task, set_desired_state
from swarmlab.model import Availability, Node, NodeState, Service, StoreObject, Task, TaskState
from swarmlab.simulation import Simulation


class JobOrchestrator(ControlLoop):
    watches = (Service, Task)

    def __init__(self, simulation: Simulation, view: Store) -> None:
        self.simulation = simulation
        self.restarts = RestartSupervisor(simulation)
        jobs = [s for s in view.all(Service) if s.spec.mode.endswith("-job")]
        self._services = {service.id: None for service in jobs}
        self._removed: dict[str, None] = {}
        tasks = [task for job in jobs for task in view.tasks_of_service(job.id)]
        self.restarts.resume(view, tasks)

    def see(self, old: StoreObject | None, new: StoreObject | None) -> bool:
        object = new or old
        if isinstance(object, Service) and object.spec.mode.endswith("-job"):
            (self._removed if new is None else self._services)[object.id] = None
            return True
        if isinstance(object, Task) and object.job_iteration is not None:
            task = new if isinstance(new, Task) else None
            if task is not None and task.desired <= TaskState.COMPLETE <= task.state:
                self._services[task.service_id] = None
                return True
            return self.restarts.concerns(old if isinstance(old, Task) else None, task)
        return False

    def decide(self, view: Store) -> list[Change]:
        changes = self.restarts.due(view)
        if changes:
            return changes
        removed, self._removed = self._removed, {}
        for id in removed:
            self.restarts.forget_service(id)
            changes += set_desired_state(view.tasks_of_service(id), TaskState.REMOVE)
        if changes:
            return changes
        services, self._services = self._services, {}
        for id in services:
            service = view.services.get(id)
            if service is not None:
                changes += self._reconcile(view, service)
        return changes

    def _reconcile(self, view: Store, service: Service) -> list[Change]:
        current: list[Task] = []
        old: list[Task] = []
        for task in view.tasks_of_service(service.id):
            (current if task.job_iteration == service.job_iteration else old).append(task)
        is_global = service.spec.mode == "global-job"
        outdated = [task for task in old if is_global or task.state <= TaskState.RUNNING]
        changes = set_desired_state(outdated, TaskState.REMOVE)
        if is_global:
            return changes + self._reconcile_global(view, service, current)
        return changes + self._reconcile_replicated(view, service, current)

    def _restart(self, view: Store, service: Service, tasks: list[Task]) -> list[Change]:
        """Let the restart supervisor replace the failed tasks."""
        failed = [t for t in tasks if t.state > TaskState.COMPLETE]
        return [c for task in failed for c in self.restarts.restart(view, task, service)]

    def _reconcile_replicated(
        self, view: Store, service: Service, tasks: list[Task]
    ) -> list[Change]:
        job = service.spec.at("Mode", "ReplicatedJob", default={})
        concurrent_max = job.get("MaxConcurrent", 1)
        total = job.get("TotalCompletions", concurrent_max)
        complete = [t for t in tasks if t.state == TaskState.COMPLETE]
        unfinished = [
            t for t in tasks if t.state != TaskState.COMPLETE and t.desired <= TaskState.COMPLETE
        ]
        missing = min(concurrent_max - len(unfinished), total - len(complete) - len(unfinished))
        used = {task.slot for task in (*complete, *unfinished)}
        free = (slot for slot in count() if slot not in used)
        slots = list(islice(free, min(max(0, missing), TURN_MAX)))
        if missing > TURN_MAX:
            self._services[service.id] = None  # the others in the next turn
        changes = [create(new_task(service, self.simulation, slot=slot)) for slot in slots]
        return changes + self._restart(view, service, unfinished)

    def _reconcile_global(self, view: Store, service: Service, tasks: list[Task]) -> list[Change]:
        required = constraints.parse(service.spec.task.constraints)
        unfinished = {t.node_id: t for t in tasks if t.desired <= TaskState.COMPLETE}
        changes: list[Change] = []
        for node in view.all(Node):
            task = unfinished.get(node.id)
            matches = constraints.satisfied(required, node)
            if matches and is_invalid(node) and task is not None:
                if task.state <= TaskState.RUNNING:
                    changes += set_desired_state([task], TaskState.SHUTDOWN)
            elif matches and task is None and _is_candidate(node):
                changes.append(create(new_task(service, self.simulation, node_id=node.id)))
        touched = {change.object.id for change in changes}
        rest = [task for task in unfinished.values() if task.id not in touched]
        return changes + self._restart(view, service, rest)

    def alarm_ns(self) -> int | None:
        if self._removed or self._services:
            return self.simulation.now_ns
        return self.restarts.next_ns()


def _is_candidate(node: Node) -> bool:
    ready = node.status.state is NodeState.READY
    return ready and node.spec.availability is Availability.ACTIVE
