"""The orchestrator of global services: keeps one task on every node that meets the constraints.

Source: swarmkit manager/orchestrator/global/global.go.
"""

from __future__ import annotations

from swarmlab.manager import constraints
from swarmlab.manager.orchestrator.orchestrator import Orchestrator
from swarmlab.manager.store import Change, Store, create, remove
from swarmlab.manager.tasks import is_clean, is_invalid, new_task, shut_down
from swarmlab.model import Availability, Node, Service, Task, TaskState


class GlobalOrchestrator(Orchestrator):
    mode = "global"

    def see_task(self, old: Task | None, new: Task | None) -> bool:
        if new is not None and new.desired <= TaskState.RUNNING < new.state and not new.slot:
            self._suspects[new.id] = None
            return True
        return False

    def check_task(self, view: Store, task: Task) -> list[Change]:
        service, node = self.service_of(view, task), view.nodes.get(task.node_id)
        if service is None or node is None or is_invalid(node) or task.state <= TaskState.RUNNING:
            return []
        if node.spec.availability is Availability.PAUSE or not self._meets(service, node):
            return shut_down([task])
        return self.restarts.restart(view, task, service)

    def _meets(self, service: Service, node: Node) -> bool:
        return constraints.satisfied(constraints.parse(service.spec.task.constraints), node)

    def check_node(self, view: Store, node_id: str) -> list[Change]:
        """Remove the tasks of a removed node; give a new or changed node what it lacks, at once."""
        node = view.nodes.get(node_id)
        node_tasks = [t for t in view.tasks_of_node(node_id) if self.service_of(view, t)]
        if node is None:
            return [remove(task) for task in node_tasks]
        if is_invalid(node):
            return shut_down(node_tasks)
        if node.spec.availability is Availability.PAUSE:
            return []
        changes: list[Change] = []
        for service in view.all(Service):
            if service.spec.mode == self.mode and self._meets(service, node):
                slot = [task for task in node_tasks if task.service_id == service.id]
                tasks = self.updatable(slot, service) if slot else []
                clean = [task for task in tasks if is_clean(task, service, node)]
                if not clean:
                    changes.append(create(new_task(service, self.simulation, node_id=node_id)))
                spare = [task for task in tasks if task not in clean[:1]]
                changes += shut_down(spare)
        return changes

    def reconcile(self, view: Store, service: Service) -> list[Change]:
        changes: list[Change] = []
        occupied: list[list[Task]] = []
        by_node: dict[str, list[Task]] = {}
        for task in view.tasks_of_service(service.id):
            by_node.setdefault(task.node_id, []).append(task)
        for node in view.all(Node):
            slot = by_node.pop(node.id, [])
            if is_invalid(node) or not self._meets(service, node):
                changes += shut_down(slot)
            elif node.spec.availability is not Availability.PAUSE:
                tasks = self.updatable(slot, service) if slot else []
                if tasks:
                    occupied.append(tasks)
                else:
                    changes.append(create(new_task(service, self.simulation, node_id=node.id)))
        for slot in by_node.values():  # of removed nodes
            changes += shut_down(slot)
        self.simulation.rng.shuffle(occupied)  # Go walks a map here
        return changes + self.updates.offer(view, service, occupied)
