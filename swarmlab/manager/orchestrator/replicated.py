"""The orchestrator of replicated services: keeps as many occupied slots as there are replicas.

Source: swarmkit manager/orchestrator/replicated/{services,tasks,slot}.go.
"""

from __future__ import annotations

from itertools import count

from swarmlab.manager.control_loop import TURN_MAX
from swarmlab.manager.orchestrator.orchestrator import Orchestrator
from swarmlab.manager.store import Change, Store, create, remove, update
from swarmlab.manager.tasks import by_slot, is_invalid, new_task, with_desired_state
from swarmlab.model import Service, Task, TaskState


def kept_first(slots: dict[int, list[Task]]) -> list[int]:
    """Slot numbers, those first that a scale-down keeps.

    One slot of each node comes before a second one of any node, so that the fullest nodes lose the
    most; among the slots of a node, those with a running task come first, then low numbers. Slots
    without a node, or in the middle of an update, come last.
    """

    def not_running(number: int) -> bool:
        return not any(task.state == TaskState.RUNNING for task in slots[number])

    order = sorted(slots, key=lambda number: (not_running(number), number))
    slots_on: dict[str, int] = {}  # node id -> its slots so far
    rank_on_node: dict[int, float] = {}
    for number in order:
        tasks = slots[number]
        if len(tasks) == 1 and tasks[0].node_id:
            slots_on[tasks[0].node_id] = slots_on.get(tasks[0].node_id, 0) + 1
            rank_on_node[number] = slots_on[tasks[0].node_id]
        else:
            rank_on_node[number] = float("inf")
    return sorted(order, key=lambda number: rank_on_node[number])


class ReplicatedOrchestrator(Orchestrator):
    mode = "replicated"

    def see_task(self, old: Task | None, new: Task | None) -> bool:
        if new is None:
            if old is not None and old.slot and old.desired <= TaskState.RUNNING:
                self._services[old.service_id] = None
                return True
            return False
        ended = bool(new.slot) and new.desired <= TaskState.RUNNING < new.state
        placed = bool(new.node_id) and (old is None or old.node_id != new.node_id)
        if ended or placed:
            self._suspects[new.id] = None
            return True
        return False

    def check_node(self, view: Store, node_id: str) -> list[Change]:
        if is_invalid(view.nodes.get(node_id)):
            self._suspects |= {task.id: None for task in view.tasks_of_node(node_id)}
        return []

    def check_task(self, view: Store, task: Task) -> list[Change]:
        service = self.service_of(view, task)
        lost = bool(task.node_id) and is_invalid(view.nodes.get(task.node_id))
        if service is None or not (task.state > TaskState.RUNNING or lost):
            return []
        return self.restarts.restart(view, task, service)

    def reconcile(self, view: Store, service: Service) -> list[Change]:
        occupied: dict[int | str, list[Task]] = {}
        ended: dict[int | str, list[Task]] = {}
        for number, slot in by_slot(view.tasks_of_service(service.id)).items():
            tasks = self.updatable(slot, service)
            if tasks:
                occupied[number] = tasks
            else:
                ended[number] = slot
        replicas, changes = service.spec.replicas, list[Change]()
        kept = list(occupied.values())
        # An update takes the slots in this order: at random, since SwarmKit iterates over a Go map;
        # after a scale-down, in the order of `kept_first`.
        self.simulation.rng.shuffle(kept)
        if len(occupied) < replicas:
            free = (number for number in count(1) if number not in occupied)
            missing = replicas - len(occupied)
            if missing > TURN_MAX:
                self._services[service.id] = None  # the others in the next turn
            for _ in range(min(missing, TURN_MAX)):
                number = next(free)
                ended.pop(number, None)
                changes.append(create(new_task(service, self.simulation, slot=number)))
        elif len(occupied) > replicas:
            numbered = {number: t for number, t in occupied.items() if isinstance(number, int)}
            order = kept_first(numbered)
            surplus = [task for number in order[replicas:] for task in numbered[number]]
            changes += [update(with_desired_state(task, TaskState.REMOVE)) for task in surplus]
            kept = [numbered[number] for number in order[:replicas]]
        changes += [remove(task) for slot in ended.values() for task in slot]
        return changes + self.updates.offer(view, service, kept)
