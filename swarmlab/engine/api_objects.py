"""/nodes, /services, /tasks, /secrets and /configs: the objects in the managers' store.

Source: moby daemon/server/router/swarm, daemon/cluster/{nodes,services,tasks,secrets,configs}.go.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from functools import partial
from typing import Any

from swarmlab import model
from swarmlab.engine import filters, specs, streams, wire
from swarmlab.engine.api_networks import resolve
from swarmlab.engine.request import ApiRequest
from swarmlab.errors import BadParameter, EngineFault
from swarmlab.manager.store import find
from swarmlab.manager.tasks import is_clean
from swarmlab.model import messages
from swarmlab.worker.containers import ADJECTIVES, PEOPLE

Tests = dict[str, filters.Test]
Show = Callable[..., Any]
Kind = type[model.StoreObject]


def _list(kind: Kind, tests: Tests, show: Show, request: ApiRequest, *others: type[Any]) -> Any:
    """The objects that pass the filters; `show` is given all objects of `others` too."""
    criteria = request.filters(tests)
    objects, *more = request.list(kind, *others)
    return [show(object, request.time, *more) for object in criteria.keep(objects, tests)]


def _inspect(kind: Kind, show: Show, request: ApiRequest, ref: str) -> Any:
    return show(request.get(kind, ref), request.time)


def _remove(
    kind: Kind, command: type[messages.RemoveObject], request: ApiRequest, ref: str
) -> None:
    request.control(command(request.get(kind, ref).id))


# -- secrets and configs --------------------------------------------------------------------------
def _create(command: type[messages.CreateFile], request: ApiRequest) -> Any:
    spec, data = specs.data_spec(request.body())
    return {"ID": request.control(command(spec, data))}


def _update(
    kind: Kind, command: type[messages.UpdateLabels], request: ApiRequest, ref: str
) -> None:
    spec, data = specs.data_spec(request.body())
    version = request.object_version(kind.table)
    request.control(command(request.get(kind, ref).id, version, spec, data))


list_secrets = partial(_list, model.Secret, filters.SECRET, wire.secret)
inspect_secret = partial(_inspect, model.Secret, wire.secret)
create_secret = partial(_create, messages.CreateSecret)
update_secret = partial(_update, model.Secret, messages.UpdateSecretLabels)
remove_secret = partial(_remove, model.Secret, messages.RemoveSecret)

list_configs = partial(_list, model.Config, filters.NAMED, wire.config)
inspect_config = partial(_inspect, model.Config, wire.config)
create_config = partial(_create, messages.CreateConfig)
update_config = partial(_update, model.Config, messages.UpdateConfigLabels)
remove_config = partial(_remove, model.Config, messages.RemoveConfig)


# -- nodes ----------------------------------------------------------------------------------------
def list_nodes(request: ApiRequest) -> Any:
    return _list(model.Node, filters.NODE, wire.node, request, model.ManagerStatus)


def inspect_node(request: ApiRequest, ref: str) -> Any:
    return wire.node(request.get(model.Node, ref), request.time, *request.list(model.ManagerStatus))


def update_node(request: ApiRequest, ref: str) -> None:
    spec, version = specs.node_spec(request.body()), request.object_version("node")
    request.control(messages.UpdateNode(request.get(model.Node, ref).id, version, spec))


def remove_node(request: ApiRequest, ref: str) -> None:
    request.control(messages.RemoveNode(request.get(model.Node, ref).id, request.query("force")))


# -- services -------------------------------------------------------------------------------------
def list_services(request: ApiRequest) -> Any:
    if not request.query("status"):
        return _list(model.Service, filters.SERVICE, wire.service, request)
    criteria = request.filters(filters.SERVICE)
    services, tasks = request.list(model.Service, model.Task)
    of_service: defaultdict[str, list[model.Task]] = defaultdict(list)
    for task in tasks:
        of_service[task.service_id].append(task)
    return [
        wire.service(s, request.time, wire.service_status(s, of_service[s.id]))
        for s in criteria.keep(services, filters.SERVICE)
    ]


def inspect_service(request: ApiRequest, ref: str) -> Any:
    insert_defaults = request.query("insertDefaults")
    answer = wire.service(request.get(model.Service, ref), request.time)
    if insert_defaults:
        answer["Spec"] = specs.with_defaults(answer["Spec"])
    return answer


def _service_spec(request: ApiRequest) -> model.ServiceSpec:
    request.must_be_manager()
    rng = request.engine.machine.simulation.rng

    def invent_name() -> str:
        return f"{rng.choice(ADJECTIVES)}_{rng.choice(PEOPLE)}"

    ids, old = partial(resolve, request), request.before(44)
    return specs.service_spec(request.body(), ids, invent_name, old_networks=old)


def create_service(request: ApiRequest) -> Any:
    id = request.control(messages.CreateService(_service_spec(request)))
    return {"ID": id, "Warnings": None}


def update_service(request: ApiRequest, ref: str) -> Any:
    """The whole spec is replaced; `rollback=previous` checks the body and then ignores it."""
    spec, version = _service_spec(request), request.object_version("service")
    rollback, auth = request.query("rollback"), request.query("registryAuthFrom")
    if rollback not in ("", "none", "previous"):
        raise EngineFault(f"unrecognized rollback option {rollback}")
    if auth not in ("", "spec", "previous-spec"):
        raise BadParameter(f"invalid registryAuthFrom '{auth}'")
    id = request.get(model.Service, ref).id
    request.control(messages.UpdateService(id, version, spec, rollback == "previous"))
    return {"Warnings": None}


remove_service = partial(_remove, model.Service, messages.RemoveService)


def service_logs(request: ApiRequest, ref: str) -> Any:
    service = request.get(model.Service, ref)

    def tasks_now() -> list[model.Task]:
        return [task for task in request.list(model.Task)[0] if task.service_id == service.id]

    return _logs(request, service.spec.task, tasks_now)


# -- tasks ----------------------------------------------------------------------------------------
def list_tasks(request: ApiRequest) -> Any:
    criteria = request.filters((*filters.TASK, "_up-to-date"))
    tasks, services, nodes = request.list(model.Task, model.Service, model.Node)
    for key, kind, objects in (("service", model.Service, services), ("node", model.Node, nodes)):
        if key in criteria:
            criteria[key] = tuple(find(kind, ref, objects).id for ref in criteria[key])
    # Containers that users have attached to networks are tasks, too, but not listed.
    tasks = tuple(task for task in tasks if "ContainerSpec" in task.spec)
    kept = criteria.keep(tasks, filters.TASK)
    if any(filters.is_true(value) for value in criteria.get("_up-to-date", ())):
        service_of = {service.id: service for service in services}
        node_of = {node.id: node for node in nodes}
        kept = [
            task
            for task in kept
            if (service := service_of.get(task.service_id))
            and is_clean(task, service, node_of.get(task.node_id))
        ]
    return [wire.task(task, request.time) for task in kept]


inspect_task = partial(_inspect, model.Task, wire.task)


def task_logs(request: ApiRequest, ref: str) -> Any:
    task = request.get(model.Task, ref)
    return _logs(request, task.spec, lambda: [task])


# -- logs -----------------------------------------------------------------------------------------
# Source: swarmkit manager/logbroker/subscription.go, moby daemon/cluster/services.go.
INCOMPLETE = (
    "Error grabbing logs: rpc error: code = Unknown desc = warning: incomplete log stream. some"
    " logs could not be retrieved for the following reasons"
)


def _engines(request: ApiRequest) -> dict[str, Any]:
    """The engines that this one can reach, by node id.

    SwarmKit's log broker asks the agents; here the manager reads from their engines directly.
    """
    here = request.engine.machine
    machines = here.network.machines.values()
    engines: list[Any] = [m.process for m in machines if here.network.connected(here.name, m.name)]
    return {engine.node_id: engine for engine in engines if engine is not None}


def _logs(request: ApiRequest, spec: model.TaskSpec, tasks: Callable[[], list[model.Task]]) -> Any:
    def sources() -> list[streams.Source]:
        found, engines = list[streams.Source](), _engines(request)
        for task in tasks():
            engine = engines.get(task.node_id)
            container = engine.containers.find(task.name) if engine is not None else None
            if container is not None:
                ids = {"node": task.node_id, "service": task.service_id, "task": task.id}
                details = ",".join(f"com.docker.swarm.{key}.id={id}" for key, id in ids.items())
                found.append((container, details))
        return found

    def error() -> str:
        missing = dict.fromkeys(t.node_id for t in tasks() if t.node_id not in _engines(request))
        reasons = ", ".join(f"node {id} is not available" for id in filter(None, missing))
        return f"{INCOMPLETE}: {reasons}" if reasons else ""

    return streams.log_stream(
        request,
        sources,
        lambda: True,
        tty=bool(spec.container.get("TTY")),
        no_channel="must specify at least one of 'stdout' or 'stderr'",
        strict_tail=True,
        error=error,
    )
