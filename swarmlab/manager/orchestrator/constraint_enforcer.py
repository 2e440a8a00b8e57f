"""The constraint enforcer: turns out tasks whose node no longer is what their service asked for.

Source: swarmkit manager/orchestrator/constraintenforcer/constraint_enforcer.go.
"""

from __future__ import annotations

from dataclasses import replace

from swarmlab.manager import constraints
from swarmlab.manager.control_loop import ControlLoop
from swarmlab.manager.scheduler.node_info import generic
from swarmlab.manager.store import Change, Store, update
from swarmlab.model import Availability, Document, Node, StoreObject, Task, TaskState
from swarmlab.simulation import Simulation

MESSAGE = "task rejected by constraint enforcer"
ERROR = "assigned node no longer meets constraints"


def tasks_to_reject(view: Store, node: Node) -> list[Task]:
    """The live tasks that may not stay on the node: constraints, then memory and CPU in turn."""
    if node.spec.availability is not Availability.ACTIVE:
        return []
    resources = node.description.get("Resources") or {}
    free_memory_bytes, free_nano_cpus = (
        resources.get("MemoryBytes", 0),
        resources.get("NanoCPUs", 0),
    )
    free_generic = [generic(resource) for resource in resources.get("GenericResources") or ()]
    out = []
    for task in view.tasks_of_node(node.id):
        if not TaskState.ASSIGNED <= task.desired <= TaskState.COMPLETE:
            continue
        if task.state >= TaskState.COMPLETE:
            continue
        service = view.services.get(task.service_id)
        wanted = (service.spec.task if service is not None else task.spec).constraints
        nano_cpus, memory_bytes, _ = task.spec.reserved
        if (
            not constraints.satisfied(constraints.parse(wanted), node)
            or memory_bytes > free_memory_bytes
            or nano_cpus > free_nano_cpus
        ):
            out.append(task)
            continue
        free_memory_bytes -= memory_bytes
        free_nano_cpus -= nano_cpus
        if not all(_claim(free_generic, resource) for resource in task.generic_resources):
            return [*out, task]  # SwarmKit looks no further
    return out


def _claim(free: list[tuple[str, str | int]], resource: Document) -> bool:
    """Take an assigned generic resource from what the node offers; False when it offers no such."""
    kind, value = generic(resource)
    for place, (its_kind, its_value) in enumerate(free):
        if its_kind != kind:
            continue
        if isinstance(value, int) and isinstance(its_value, int):
            free[place] = kind, its_value - value
            return value <= its_value
        if value == its_value:
            del free[place]
            return True
    return False


class ConstraintEnforcer(ControlLoop):
    watches = (Node,)

    def __init__(self, simulation: Simulation, view: Store) -> None:
        self.simulation = simulation
        self._nodes = {node.id: None for node in view.all(Node)}

    def see(self, old: StoreObject | None, new: StoreObject | None) -> bool:
        if isinstance(new, Node):
            self._nodes[new.id] = None
            return True
        return False

    def decide(self, view: Store) -> list[Change]:
        nodes, self._nodes = self._nodes, {}
        changes = []
        for id in nodes:
            node = view.nodes.get(id)
            for task in tasks_to_reject(view, node) if node is not None else ():
                status = replace(
                    task.status,
                    state=TaskState.REJECTED,
                    message=MESSAGE,
                    err=ERROR,
                    timestamp_ns=self.simulation.now_ns,
                )
                changes.append(update(replace(task, status=status)))
        return changes
