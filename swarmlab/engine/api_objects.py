"""/nodes, /services, /tasks, /secrets and /configs: the objects that managers keep.

Source: moby daemon/server/router/swarm, daemon/cluster/{nodes,services,tasks,secrets,configs}.go.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from functools import partial
from typing import Any

from swarmlab.engine import filters, specs, streams, wire
from swarmlab.engine.api_networks import resolve
from swarmlab.engine.request import ApiRequest, find
from swarmlab.errors import BadParameter, EngineFault
from swarmlab.manager.tasks import is_clean
from swarmlab.model import ServiceSpec, Task, TaskSpec
from swarmlab.worker.containers import ADJECTIVES, PEOPLE


class Objects:
    """The objects of one kind: their list, one of them, its change and its end."""

    def __init__(
        self, kind: str, tests: dict[str, filters.Test], show: Callable[..., Any], *more: str
    ) -> None:
        self.kind, self.tests, self.show = kind, tests, show
        self.more = more  # other tables that `show` reads

    def find(self, request: ApiRequest, ref: str) -> Any:
        (objects,) = request.read(self.kind)
        return find(self.kind, ref, objects)

    def all(self, request: ApiRequest) -> Any:
        wanted = request.filters(self.tests)
        objects, *more = request.read(self.kind, *self.more)
        kept = wanted.keep(objects, self.tests)
        return [self.show(object, request.time, *more) for object in kept]

    def inspect(self, request: ApiRequest, ref: str) -> Any:
        objects, *more = request.read(self.kind, *self.more)
        return self.show(find(self.kind, ref, objects), request.time, *more)

    def stored(self, request: ApiRequest) -> tuple[Any, ...]:
        """What was sent, as it is stored."""
        return specs.data_spec(request.body(), self.kind)

    def update(self, request: ApiRequest, ref: str) -> None:
        stored, version = self.stored(request), request.object_version(self.kind)
        request.control(f"update_{self.kind}", self.find(request, ref).id, version, *stored)

    def remove(self, request: ApiRequest, ref: str) -> None:
        request.control(f"remove_{self.kind}", self.find(request, ref).id)

    def create(self, request: ApiRequest) -> Any:
        """A secret or a config."""
        spec, data = self.stored(request)
        return {"ID": request.control(f"create_{self.kind}", spec, data or b"").id}


class Nodes(Objects):
    def stored(self, request: ApiRequest) -> tuple[Any, ...]:
        return (specs.node_spec(request.body()),)

    def remove(self, request: ApiRequest, ref: str) -> None:
        request.control("remove_node", self.find(request, ref).id, request.flag("force"))


class Services(Objects):
    def all(self, request: ApiRequest) -> Any:
        if not request.strict_flag("status"):
            return super().all(request)
        wanted = request.filters(self.tests)
        services, tasks = request.read("service", "task")
        of_service: defaultdict[str, list[Task]] = defaultdict(list)
        for task in tasks:
            of_service[task.service_id].append(task)
        return [
            wire.service(s, request.time, wire.service_status(s, of_service[s.id]))
            for s in wanted.keep(services, self.tests)
        ]

    def inspect(self, request: ApiRequest, ref: str) -> Any:
        insert_defaults = request.strict_flag("insertDefaults")
        answer = super().inspect(request, ref)
        if insert_defaults:
            answer["Spec"] = specs.with_defaults(answer["Spec"])
        return answer

    def _spec(self, request: ApiRequest) -> ServiceSpec:
        request.must_be_manager()
        rng = request.engine.machine.simulation.rng

        def invent_name() -> str:
            return f"{rng.choice(ADJECTIVES)}_{rng.choice(PEOPLE)}"

        ids, old = partial(resolve, request), request.before(44)
        return specs.service_spec(request.body(), ids, invent_name, old_networks=old)

    def create(self, request: ApiRequest) -> Any:
        return {"ID": request.control("create_service", self._spec(request)).id, "Warnings": None}

    def update(self, request: ApiRequest, ref: str) -> Any:
        """The whole spec is replaced; `rollback=previous` checks the body and then ignores it."""
        spec, version = self._spec(request), request.object_version("service")
        rollback, auth = request.text("rollback"), request.text("registryAuthFrom")
        if rollback not in ("", "none", "previous"):
            raise EngineFault(f"unrecognized rollback option {rollback}")
        if auth not in ("", "spec", "previous-spec"):
            raise BadParameter(f"invalid registryAuthFrom '{auth}'")
        id = self.find(request, ref).id
        request.control("update_service", id, version, spec, rollback == "previous")
        return {"Warnings": None}

    def logs(self, request: ApiRequest, ref: str) -> Any:
        service = self.find(request, ref)

        def tasks_now() -> list[Task]:
            return [task for task in request.read("task")[0] if task.service_id == service.id]

        return _logs(request, service.spec.task, tasks_now)


class Tasks(Objects):
    def all(self, request: ApiRequest) -> Any:
        wanted = request.filters((*self.tests, "_up-to-date"))
        tasks, services, nodes = request.read("task", "service", "node")
        for key, objects in (("service", services), ("node", nodes)):
            if key in wanted:
                wanted[key] = tuple(find(key, ref, objects).id for ref in wanted[key])
        found = wanted.keep(tasks, self.tests)
        if any(filters.is_true(value) for value in wanted.get("_up-to-date", ())):
            service_of = {service.id: service for service in services}
            node_of = {node.id: node for node in nodes}
            found = [
                task
                for task in found
                if (service := service_of.get(task.service_id))
                and is_clean(task, service, node_of.get(task.node_id))
            ]
        return [wire.task(task, request.time) for task in found]

    def logs(self, request: ApiRequest, ref: str) -> Any:
        task = self.find(request, ref)
        return _logs(request, task.spec, lambda: [task])


nodes = Nodes("node", filters.NODE, wire.node, "manager")
services = Services("service", filters.SERVICE, wire.service)
tasks = Tasks("task", filters.TASK, wire.task)
secrets = Objects("secret", filters.SECRET, wire.secret)
configs = Objects("config", filters.NAMED, wire.config)


# -- logs -----------------------------------------------------------------------------------------
def _source(request: ApiRequest, task: Task) -> streams.Source | None:
    """The task's container, wherever it is; None when that node cannot be reached.

    SwarmKit's log broker asks the agents; here the manager looks for itself.
    """
    here = request.engine.machine
    for machine in here.network.machines.values():
        engine: Any = machine.process
        if engine is None or engine.node_id != task.node_id or not task.node_id:
            continue
        container = engine.containers.find(task.name)
        if container is not None and here.network.connected(here.name, machine.name):
            ids = {"node": task.node_id, "service": task.service_id, "task": task.id}
            details = ",".join(f"com.docker.swarm.{key}.id={id}" for key, id in ids.items())
            return container, details
    return None


def _logs(request: ApiRequest, spec: TaskSpec, tasks: Callable[[], list[Task]]) -> Any:
    def sources() -> list[streams.Source]:
        return [source for task in tasks() if (source := _source(request, task))]

    refusal = "must specify at least one of 'stdout' or 'stderr'"
    tty = bool(spec.container.get("TTY"))
    return streams.log_stream(request, sources, lambda: True, tty=tty, refusal=refusal)
