"""The constraint enforcer: rejects tasks whose node no longer meets their service's constraints.

Source: swarmkit manager/orchestrator/constraintenforcer/constraint_enforcer.go.
"""

from __future__ import annotations

from swarmlab import model
from swarmlab.manager import constraints
from swarmlab.manager.control_loop import ControlLoop
from swarmlab.manager.store import Change, Store, update
from swarmlab.simulation import Simulation

MESSAGE = "task rejected by constraint enforcer"
ERROR = "assigned node no longer meets constraints"


def tasks_to_reject(view: Store, node: model.Node) -> list[model.Task]:
    """The node's tasks that violate a constraint, or no longer fit into its memory and CPUs."""
    if node.spec.availability is not model.Availability.ACTIVE:
        return []
    resources = node.description.get("Resources") or model.Document()
    free_memory_bytes = resources.get("MemoryBytes", 0)
    free_nano_cpus = resources.get("NanoCPUs", 0)
    free_generic = [model.generic_resource(r) for r in resources.get("GenericResources") or ()]
    rejected = []
    for task in view.tasks_of_node(node.id):
        if not model.TaskState.ASSIGNED <= task.desired <= model.TaskState.COMPLETE:
            continue
        if task.state >= model.TaskState.COMPLETE:
            continue
        service = view.services.get(task.service_id)
        spec = service.spec.task if service is not None else task.spec
        nano_cpus, memory_bytes, _ = task.spec.reserved
        if (
            not constraints.satisfied(constraints.parse(spec.constraints), node)
            or memory_bytes > free_memory_bytes
            or nano_cpus > free_nano_cpus
        ):
            rejected.append(task)
            continue
        free_memory_bytes -= memory_bytes
        free_nano_cpus -= nano_cpus
        if not all(_claim(free_generic, resource) for resource in task.generic_resources):
            return [*rejected, task]  # SwarmKit looks at no further task
    return rejected


def _claim(free: list[tuple[str, str | int]], resource: model.Document) -> bool:
    """Take an assigned generic resource from those of the node; False when it is not there."""
    kind, value = model.generic_resource(resource)
    for position, (free_kind, free_value) in enumerate(free):
        if free_kind != kind:
            continue
        if isinstance(value, int) and isinstance(free_value, int):
            free[position] = kind, free_value - value
            return value <= free_value
        if value == free_value:
            del free[position]
            return True
    return False


class ConstraintEnforcer(ControlLoop):
    watches = (model.Node,)

    def __init__(self, simulation: Simulation, view: Store) -> None:
        self.simulation = simulation
        self._nodes = {node.id: None for node in view.all(model.Node)}

    def see(self, old: model.StoreObject | None, new: model.StoreObject | None) -> bool:
        if isinstance(new, model.Node):
            self._nodes[new.id] = None
            return True
        return False

    def decide(self, view: Store) -> list[Change]:
        nodes, self._nodes = self._nodes, {}
        changes = []
        for id in nodes:
            node = view.nodes.get(id)
            for task in tasks_to_reject(view, node) if node is not None else ():
                status = task.status.with_(
                    state=model.TaskState.REJECTED,
                    message=MESSAGE,
                    err=ERROR,
                    timestamp_ns=self.simulation.now_ns,
                )
                changes.append(update(task.with_(status=status)))
        return changes
