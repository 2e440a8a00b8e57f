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
from swarmlab.engine.request import Ask, find
from swarmlab.errors import BadParameter, EngineFault
from swarmlab.manager.orchestrator.slots import is_clean
from swarmlab.model import ServiceSpec, Task, TaskSpec
from swarmlab.worker.containers import ADJECTIVES, PEOPLE


class Objects:
    """The objects of one kind: their list, one of them, its change and its end."""

    def __init__(
        self, kind: str, tests: dict[str, filters.Test], show: Callable[..., Any], *more: str
    ) -> None:
        self.kind, self.tests, self.show = kind, tests, show
        self.more = more  # other tables that `show` reads

    def find(self, ask: Ask, ref: str) -> Any:
        (objects,) = ask.read(self.kind)
        return find(self.kind, ref, objects)

    def all(self, ask: Ask) -> Any:
        wanted = ask.filters(self.tests)
        objects, *more = ask.read(self.kind, *self.more)
        return [self.show(object, ask.time, *more) for object in wanted.keep(objects, self.tests)]

    def inspect(self, ask: Ask, ref: str) -> Any:
        objects, *more = ask.read(self.kind, *self.more)
        return self.show(find(self.kind, ref, objects), ask.time, *more)

    def stored(self, ask: Ask) -> tuple[Any, ...]:
        """What was sent, as it is stored."""
        return specs.data_spec(ask.body(), self.kind)

    def update(self, ask: Ask, ref: str) -> None:
        stored, version = self.stored(ask), ask.object_version(self.kind)
        ask.control(f"update_{self.kind}", self.find(ask, ref).id, version, *stored)

    def remove(self, ask: Ask, ref: str) -> None:
        ask.control(f"remove_{self.kind}", self.find(ask, ref).id)

    def create(self, ask: Ask) -> Any:
        """A secret or a config."""
        spec, data = self.stored(ask)
        return {"ID": ask.control(f"create_{self.kind}", spec, data or b"").id}


class Nodes(Objects):
    def stored(self, ask: Ask) -> tuple[Any, ...]:
        return (specs.node_spec(ask.body()),)

    def remove(self, ask: Ask, ref: str) -> None:
        ask.control("remove_node", self.find(ask, ref).id, ask.flag("force"))


class Services(Objects):
    def all(self, ask: Ask) -> Any:
        if not ask.strict_flag("status"):
            return super().all(ask)
        wanted = ask.filters(self.tests)
        services, tasks = ask.read("service", "task")
        of_service: defaultdict[str, list[Task]] = defaultdict(list)
        for task in tasks:
            of_service[task.service_id].append(task)
        return [
            wire.service(service, ask.time, wire.service_status(service, of_service[service.id]))
            for service in wanted.keep(services, self.tests)
        ]

    def inspect(self, ask: Ask, ref: str) -> Any:
        insert_defaults, answer = ask.strict_flag("insertDefaults"), super().inspect(ask, ref)
        if insert_defaults:
            answer["Spec"] = specs.with_defaults(answer["Spec"])
        return answer

    def _spec(self, ask: Ask) -> ServiceSpec:
        ask.must_be_manager()
        rng = ask.engine.machine.simulation.rng

        def invent_name() -> str:
            return f"{rng.choice(ADJECTIVES)}_{rng.choice(PEOPLE)}"

        ids, old = partial(resolve, ask), ask.before(44)
        return specs.service_spec(ask.body(), ids, invent_name, old_networks=old)

    def create(self, ask: Ask) -> Any:
        return {"ID": ask.control("create_service", self._spec(ask)).id, "Warnings": None}

    def update(self, ask: Ask, ref: str) -> Any:
        """The whole spec is replaced; `rollback=previous` checks the body and then ignores it."""
        spec, version = self._spec(ask), ask.object_version("service")
        rollback, auth = ask.text("rollback"), ask.text("registryAuthFrom")
        if rollback not in ("", "none", "previous"):
            raise EngineFault(f"unrecognized rollback option {rollback}")
        if auth not in ("", "spec", "previous-spec"):
            raise BadParameter(f"invalid registryAuthFrom '{auth}'")
        id = self.find(ask, ref).id
        ask.control("update_service", id, version, spec, rollback == "previous")
        return {"Warnings": None}

    def logs(self, ask: Ask, ref: str) -> Any:
        service = self.find(ask, ref)

        def tasks_now() -> list[Task]:
            return [task for task in ask.read("task")[0] if task.service_id == service.id]

        return _logs(ask, service.spec.task, tasks_now)


class Tasks(Objects):
    def all(self, ask: Ask) -> Any:
        wanted = ask.filters((*self.tests, "_up-to-date"))
        tasks, services, nodes = ask.read("task", "service", "node")
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
        return [wire.task(task, ask.time) for task in found]

    def logs(self, ask: Ask, ref: str) -> Any:
        task = self.find(ask, ref)
        return _logs(ask, task.spec, lambda: [task])


nodes = Nodes("node", filters.NODE, wire.node, "manager")
services = Services("service", filters.SERVICE, wire.service)
tasks = Tasks("task", filters.TASK, wire.task)
secrets = Objects("secret", filters.SECRET, wire.secret)
configs = Objects("config", filters.NAMED, wire.config)


# -- logs -----------------------------------------------------------------------------------------
def _source(ask: Ask, task: Task) -> streams.Source | None:
    """The task's container, wherever it is; None when that node cannot be reached.

    SwarmKit's log broker asks the agents; here the manager looks for itself.
    """
    here = ask.engine.machine
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


def _logs(ask: Ask, spec: TaskSpec, tasks: Callable[[], list[Task]]) -> Any:
    def sources() -> list[streams.Source]:
        return [source for task in tasks() if (source := _source(ask, task))]

    refusal = "must specify at least one of 'stdout' or 'stderr'"
    tty = bool(spec.container.get("TTY"))
    return streams.log_stream(ask, sources, lambda: True, tty=tty, refusal=refusal)
