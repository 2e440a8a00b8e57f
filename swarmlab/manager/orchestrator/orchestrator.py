"""The base of the orchestrators of replicated and of global services.

Each decides in stages: delayed restarts, removed services, changed nodes, tasks that have ended,
the number of tasks of changed services, and last the progress of updates. A stage that changes
something ends the turn; the next turn sees the result in the store.
Source: swarmkit manager/orchestrator/{replicated,global}.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from swarmlab.manager.control_loop import ControlLoop, take_turn
from swarmlab.manager.orchestrator.restart import RestartSupervisor
from swarmlab.manager.orchestrator.updater import Updater
from swarmlab.manager.store import Change, Store
from swarmlab.manager.tasks import is_rolling_back, runnable, set_desired_state
from swarmlab.model import Node, Service, StoreObject, Task, TaskState
from swarmlab.model.trace_records import UpdateStateChanged
from swarmlab.simulation import Simulation


class Orchestrator(ControlLoop):
    watches = (Service, Task, Node)
    mode: ClassVar[str]

    def __init__(self, simulation: Simulation, view: Store) -> None:
        self.simulation = simulation
        self.restarts = RestartSupervisor(simulation)
        self.updates = Updater(simulation, self.restarts)
        self._removed: dict[str, None] = {}  # ids of removed services
        self._suspects: dict[str, None] = {}  # ids of tasks that may have to be restarted
        self._nodes: dict[str, None] = {}  # ids of nodes that changed
        self._services: dict[str, None] = {}  # ids of services to reconcile
        tasks = [task for task in view.all(Task) if self.service_of(view, task) is not None]
        self.restarts.resume(view, tasks)
        self._suspects = {task.id: None for task in tasks}
        self._services = {s.id: None for s in view.all(Service) if s.spec.mode == self.mode}

    def service_of(self, view: Store, task: Task) -> Service | None:
        """The task's service, if it is one of this orchestrator's."""
        service = view.services.get(task.service_id)
        return service if service is not None and service.spec.mode == self.mode else None

    # -- seeing commits --------------------------------------------------------------
    def see(self, old: StoreObject | None, new: StoreObject | None) -> bool:
        object = new or old
        if isinstance(object, Task):
            before = old if isinstance(old, Task) else None
            task = new if isinstance(new, Task) else None
            wake = self.see_task(before, task)
            return wake or self.restarts.concerns(before, task) or self.updates.concerns(task)
        if isinstance(object, Service):
            if object.spec.mode != self.mode:
                return False
            (self._removed if new is None else self._services)[object.id] = None
            self._record_update(old, object)
            return True
        if isinstance(object, Node):
            self._nodes[object.id] = None
            return True
        return False

    def _record_update(self, old: StoreObject | None, service: Service) -> None:
        before = old.update_status if isinstance(old, Service) else None
        if (status := service.update_status) and (not before or before.state != status.state):
            now_ns, name = self.simulation.now_ns, service.spec.name
            record = UpdateStateChanged(now_ns, "", name, status.state, status.message)
            self.simulation.trace.add(record)

    @abstractmethod
    def see_task(self, old: Task | None, new: Task | None) -> bool:
        """Note what has to be checked after a change of a task; True to be woken."""

    # -- deciding ----------------------------------------------------------------------
    def decide(self, view: Store) -> list[Change]:
        changes = self.restarts.due(view)
        if changes:
            return changes
        removed, self._removed = self._removed, {}
        changes = [change for id in removed for change in self._remove(view, id)]
        if changes:
            return changes
        nodes, self._nodes = self._nodes, {}
        for id in nodes:
            changes += self.check_node(view, id)
        if changes:
            return changes
        for id in take_turn(self._suspects):
            task = view.tasks.get(id)
            if task is not None and task.desired <= TaskState.RUNNING:
                changes += self.check_task(view, task)
        if changes:
            return changes
        services, self._services = self._services, {}
        for id in services:
            service = view.services.get(id)
            if service is not None and service.spec.mode == self.mode:
                changes += self.reconcile(view, service)
        return changes or self.updates.step(view)

    @abstractmethod
    def check_node(self, view: Store, node_id: str) -> list[Change]:
        """Decide on the tasks of a node that has changed."""

    @abstractmethod
    def check_task(self, view: Store, task: Task) -> list[Change]:
        """Restart a runnable task if it has ended or its node is lost."""

    @abstractmethod
    def reconcile(self, view: Store, service: Service) -> list[Change]:
        """Adjust the number of tasks to the service's spec; update outdated ones."""

    def _remove(self, view: Store, service_id: str) -> list[Change]:
        """The service was removed: remove all its tasks, the history too."""
        self.restarts.forget_service(service_id)
        return set_desired_state(view.tasks_of_service(service_id), TaskState.REMOVE)

    def updatable(self, slot: list[Task], service: Service) -> list[Task]:
        """The tasks that occupy a slot: the runnable ones, else one that has ended for good.

        A slot whose last task has ended and must not be restarted still counts as a replica.
        """
        tasks = runnable(slot)
        if tasks or is_rolling_back(service):
            return tasks
        newest = max(slot, key=lambda task: task.stamp_ns)
        return [] if self.restarts.should_restart(newest, service) else [newest]

    def alarm_ns(self) -> int | None:
        if self._removed or self._nodes or self._suspects or self._services:
            return self.simulation.now_ns  # a stage ended the turn before the later ones
        times = [self.restarts.next_ns(), self.updates.next_ns()]
        return min((time for time in times if time is not None), default=None)
