"""/services, /tasks, /secrets and /configs: what runs, and what it is given.

Source: moby daemon/server/router/swarm, daemon/cluster/{services,tasks,secrets,configs}.go.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

from swarmlab.engine import filters, specs, streams, wire
from swarmlab.engine.api_networks import network_resolver
from swarmlab.engine.api_swarm import hostname
from swarmlab.engine.request import Ask, find
from swarmlab.errors import BadParameter, EngineFault
from swarmlab.manager.slots import is_clean
from swarmlab.model import Service, ServiceSpec, Task, TaskSpec, TaskState
from swarmlab.worker.containers import ADJECTIVES, PEOPLE


def name_of(object: Any) -> str:
    name: str = object.name
    return name


# -- /services ------------------------------------------------------------------------------------
def find_service(ask: Ask, ref: str) -> Service:
    (services,) = ask.read("service")
    return find("service", ref, services, name_of)  # type: ignore[no-any-return]


def services(ask: Ask) -> Any:
    wanted = ask.filters(*filters.SERVICE)
    if not ask.strict_flag("status"):
        (services,) = ask.read("service")
        return [wire.service(s, ask.time) for s in wanted.keep(services, filters.SERVICE)]
    services, tasks = ask.read("service", "task")
    of_service: defaultdict[str, list[Task]] = defaultdict(list)
    for task in tasks:
        of_service[task.service_id].append(task)
    return [
        wire.service(service, ask.time, wire.service_status(service, of_service[service.id]))
        for service in wanted.keep(services, filters.SERVICE)
    ]


def service(ask: Ask, ref: str) -> Any:
    insert_defaults = ask.strict_flag("insertDefaults")
    answer = wire.service(find_service(ask, ref), ask.time)
    if insert_defaults:
        answer["Spec"] = specs.with_defaults(answer["Spec"])
    return answer


def _spec(ask: Ask) -> ServiceSpec:
    rng = ask.engine.machine.simulation.rng

    def invent_name() -> str:
        return f"{rng.choice(ADJECTIVES)}_{rng.choice(PEOPLE)}"

    return specs.service_spec(
        ask.body(), network_resolver(ask), invent_name, old_networks=ask.before(44)
    )


def create_service(ask: Ask) -> Any:
    ask.must_be_manager()
    service: Service = ask.control("create_service", _spec(ask))
    return {"ID": service.id, "Warnings": None}


def update_service(ask: Ask, ref: str) -> Any:
    """The whole spec is replaced; `rollback=previous` checks the body and then ignores it."""
    ask.must_be_manager()
    spec, version = _spec(ask), ask.number("version", "service")
    rollback, auth = ask.text("rollback"), ask.text("registryAuthFrom")
    if rollback not in ("", "none", "previous"):
        raise EngineFault(f"unrecognized rollback option {rollback}")
    if auth not in ("", "spec", "previous-spec"):
        raise BadParameter(f"invalid registryAuthFrom '{auth}'")
    id = find_service(ask, ref).id
    ask.control("update_service", id, version, spec, rollback == "previous")
    return {"Warnings": None}


def remove_service(ask: Ask, ref: str) -> None:
    ask.control("remove_service", find_service(ask, ref).id)


# -- /tasks ---------------------------------------------------------------------------------------
def tasks(ask: Ask) -> Any:
    wanted = ask.filters(*filters.TASK, "_up-to-date")
    wanted.words("desired-state", *map(str, TaskState))
    tasks, services, nodes = ask.read("task", "service", "node")
    for key, objects, name in (("service", services, name_of), ("node", nodes, hostname)):
        if key in wanted:
            wanted[key] = tuple(find(key, ref, objects, name).id for ref in wanted[key])
    found = wanted.keep(tasks, filters.TASK)
    if any(value.lower() in ("true", "1") for value in wanted.get("_up-to-date", ())):
        service_of = {service.id: service for service in services}
        node_of = {node.id: node for node in nodes}
        found = [
            task
            for task in found
            if (service := service_of.get(task.service_id))
            and is_clean(task, service, node_of.get(task.node_id))
        ]
    return [wire.task(task, ask.time) for task in found]


def find_task(ask: Ask, ref: str) -> Task:
    (tasks,) = ask.read("task")
    return find("task", ref, tasks, name_of)  # type: ignore[no-any-return]


def task(ask: Ask, ref: str) -> Any:
    return wire.task(find_task(ask, ref), ask.time)


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
            return streams.Source(container, details)
    return None


def _logs(ask: Ask, spec: TaskSpec, tasks: Callable[[], list[Task]]) -> Any:
    def sources() -> list[streams.Source]:
        return [source for task in tasks() if (source := _source(ask, task))]

    refusal = "must specify at least one of 'stdout' or 'stderr'"
    tty = bool(spec.container.get("TTY"))
    return streams.log_stream(ask, sources, lambda: True, tty=tty, refusal=refusal)


def service_logs(ask: Ask, ref: str) -> Any:
    service = find_service(ask, ref)

    def of_service() -> list[Task]:
        (tasks,) = ask.read("task")
        return [task for task in tasks if task.service_id == service.id]

    return _logs(ask, service.spec.task, of_service)


def task_logs(ask: Ask, ref: str) -> Any:
    task = find_task(ask, ref)
    return _logs(ask, task.spec, lambda: [task])


# -- /secrets, /configs ---------------------------------------------------------------------------
class DataApi:
    """Secrets and configs: one API, but a secret's data is never told."""

    def __init__(self, kind: str, tests: dict[str, filters.Test]) -> None:
        self.kind = kind
        self.tests = tests
        wires: dict[str, Callable[..., Any]] = {"secret": wire.secret, "config": wire.config}
        self.wire = wires[kind]

    def _find(self, ask: Ask, ref: str) -> Any:
        (objects,) = ask.read(self.kind)
        return find(self.kind, ref, objects, name_of)

    def all(self, ask: Ask) -> Any:
        wanted = ask.filters(*self.tests)
        (objects,) = ask.read(self.kind)
        return [self.wire(object, ask.time) for object in wanted.keep(objects, self.tests)]

    def create(self, ask: Ask) -> Any:
        spec, data = specs.data_spec(ask.body(), self.kind.capitalize())
        return {"ID": ask.control(f"create_{self.kind}", spec, data or b"").id}

    def inspect(self, ask: Ask, ref: str) -> Any:
        return self.wire(self._find(ask, ref), ask.time)

    def update(self, ask: Ask, ref: str) -> None:
        spec, data = specs.data_spec(ask.body(), self.kind.capitalize())
        version = ask.number("version", self.kind)
        ask.control(f"update_{self.kind}", self._find(ask, ref).id, version, spec, data)

    def remove(self, ask: Ask, ref: str) -> None:
        ask.control(f"remove_{self.kind}", self._find(ask, ref).id)


secrets = DataApi("secret", filters.SECRET)
configs = DataApi("config", filters.NAMED)
