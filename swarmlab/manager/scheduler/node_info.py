"""What the scheduler knows of one node: free resources, active tasks, recent failures.

Source: swarmkit manager/scheduler/{nodeinfo,nodeset}.go.
"""

from __future__ import annotations

from swarmlab import model
from swarmlab.simulation import MINUTE

# Five failures of a service's version within five minutes make a node a worse choice for it.
FAILURES_MAX, FAILURE_WINDOW_NS = 5, 5 * MINUTE


def is_active(task: model.Task) -> bool:
    """Whether the task counts on its node: it has not ended, and is not to be shut down."""
    return task.desired <= model.TaskState.COMPLETE and task.state <= model.TaskState.RUNNING


def host_ports(task: model.Task) -> list[tuple[str, int]]:
    """(protocol, published port) of the ports that the task publishes on its node alone."""
    if not task.endpoint_spec:
        return []
    ports = task.endpoint_spec.get("Ports", ())
    return [
        (port.get("Protocol", "tcp"), port["PublishedPort"])
        for port in ports
        if port.get("PublishMode") == "host" and port.get("PublishedPort")
    ]


class NodeInfo:
    def __init__(self, node: model.Node) -> None:
        self.tasks: dict[str, model.Task] = {}  # those that reserve something on the node
        self.active_count = 0
        self.free_nano_cpus = self.free_memory_bytes = 0
        self.host_ports: dict[tuple[str, int], int] = {}  # (protocol, port) -> its users
        self._service_counts: dict[str, int] = {}
        self._generic_taken: dict[str, list[str | int]] = {}
        self._failures: dict[tuple[str, int], list[int]] = {}  # (service, spec version) -> times
        self.set_node(node)

    def set_node(self, node: model.Node) -> None:
        """Record a changed node object; the reservations of its tasks stay."""
        self.node = node
        active = node.spec.availability is model.Availability.ACTIVE
        self.ready = active and node.status.state is model.NodeState.READY
        self.name = node.hostname or node.id
        engine = node.description.get("Engine") or {}
        plugins = [
            (p["Type"], p["Name"].removesuffix(":latest")) for p in engine.get("Plugins", ())
        ]
        self.plugins = set(plugins) if engine else None  # (kind, name); None: not known
        resources = node.description.get("Resources") or {}
        self.free_nano_cpus = resources.get("NanoCPUs", 0)
        self.free_memory_bytes = resources.get("MemoryBytes", 0)
        for task in self.tasks.values():
            self.free_nano_cpus -= task.spec.reserved.nano_cpus
            self.free_memory_bytes -= task.spec.reserved.memory_bytes

    def tasks_of_service(self, service_id: str) -> int:
        """How many active tasks of the service the node has."""
        return self._service_counts.get(service_id, 0)

    # -- tasks -------------------------------------------------------------------
    def add(self, task: model.Task) -> None:
        """Add a task with its reservations and ports; it counts while it is active."""
        before = self.tasks.get(task.id)
        self.tasks[task.id] = task
        if before is None:
            self._reserve(task, +1)
            self.count(task, int(is_active(task)))
        else:
            self.count(task, is_active(task) - is_active(before))

    def place(self, task: model.Task) -> None:
        """Add a task that has just been assigned to this node; it may be on its way to its end."""
        self.tasks[task.id] = task
        self.count(task, int(is_active(task)))
        if task.endpoint_spec or task.spec.reserved is not model.NOTHING:
            self._reserve(task, +1)

    def remove(self, task: model.Task) -> None:
        """Remove a task that has ended or was deleted, with its reservations."""
        before = self.tasks.pop(task.id, None)
        if before is not None:
            self._reserve(before, -1)
            self.count(before, -is_active(before))

    def count(self, task: model.Task, step: int) -> None:
        """The node has so many more active tasks of this one's service, or fewer."""
        if not step:
            return
        self.active_count += step
        count = self._service_counts.get(task.service_id, 0) + step
        if count:
            self._service_counts[task.service_id] = count
        else:
            self._service_counts.pop(task.service_id, None)

    def _reserve(self, task: model.Task, step: int) -> None:
        reserved = task.spec.reserved
        self.free_nano_cpus -= step * reserved.nano_cpus
        self.free_memory_bytes -= step * reserved.memory_bytes
        for port in host_ports(task):
            self.host_ports[port] = self.host_ports.get(port, 0) + step
            if not self.host_ports[port]:
                del self.host_ports[port]
        for resource in task.generic_resources:
            kind, value = model.generic_resource(resource)
            taken = self._generic_taken.setdefault(kind, [])
            taken.append(value) if step > 0 else taken.remove(value)

    # -- generic resources ----------------------------------------------------------
    def _generic_free(self, kind: str) -> tuple[list[str], int]:
        """(free named values, free discrete amount) of a kind on this node."""
        named, amount = [], 0
        for resource in self.node.description.at("Resources", "GenericResources", default=()):
            own_kind, value = model.generic_resource(resource)
            if own_kind != kind:
                continue
            if isinstance(value, int):
                amount += value
            else:
                named.append(value)
        taken = self._generic_taken.get(kind, [])
        free = [value for value in named if value not in taken]
        return free, amount - sum(v for v in taken if isinstance(v, int))

    def offers(self, resource: model.Document) -> bool:
        """Whether a generic resource (a count of a kind) is free here; a named one never is."""
        kind, value = model.generic_resource(resource)
        has = self.node.description.at("Resources", "GenericResources", default=())
        if not isinstance(value, int) or kind not in [
            model.generic_resource(own)[0] for own in has
        ]:
            return False
        named, amount = self._generic_free(kind)
        return value <= max(len(named), amount)

    def claim(self, task: model.Task) -> tuple[model.Document, ...]:
        """The generic resources that the task gets here: named ones, else an amount."""
        claimed = []
        for reservation in task.spec.reserved.generic:
            kind, count = model.generic_resource(reservation)
            named, _ = self._generic_free(kind)
            assert isinstance(count, int)
            if named:
                for value in named[:count]:
                    spec = model.Document(Kind=kind, Value=value)
                    claimed.append(model.Document(NamedResourceSpec=spec))
            else:
                claimed.append(
                    model.Document(DiscreteResourceSpec=model.Document(Kind=kind, Value=count))
                )
        return tuple(claimed)

    # -- failures ---------------------------------------------------------------------
    def failed(self, task: model.Task, now_ns: int) -> None:
        """Record that a task of this version of its service failed or was rejected here."""
        key = task.service_id, task.spec_version
        self._failures[key] = [*self._recent(key, now_ns), now_ns]

    def _recent(self, key: tuple[str, int], now_ns: int) -> list[int]:
        return [at for at in self._failures.get(key, ()) if now_ns - at < FAILURE_WINDOW_NS]

    def failures(self, task: model.Task, now_ns: int) -> int:
        """Recent failures of the task's service version on this node."""
        if not self._failures:
            return 0
        return len(self._recent((task.service_id, task.spec_version), now_ns))
