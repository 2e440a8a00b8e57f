"""The routes of the Docker Engine API: method, path, handler, and what they take and answer.

`handle` passes a request to its handler, which gets an `ApiRequest` and the variable parts of the
path; it returns a value that becomes JSON, or a response, or raises a SwarmError.
Source: moby daemon/server/router/*, daemon/server/middleware/version.go.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from werkzeug import Request, Response
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule

from swarmlab.engine import api_container_changes as changes
from swarmlab.engine import api_containers as containers
from swarmlab.engine import api_images as images
from swarmlab.engine import api_networks as networks
from swarmlab.engine import api_objects as objects
from swarmlab.engine import api_processes as processes
from swarmlab.engine import api_swarm as swarm
from swarmlab.engine import api_system as system
from swarmlab.engine import api_usage as usage
from swarmlab.engine import api_volumes as volumes
from swarmlab.engine.clock_drivers import ClockDriver, EngineGone, always
from swarmlab.engine.request import LOG_FLAGS, ROTATIONS, ApiRequest, Handler, Route
from swarmlab.engine.streams import Hijack
from swarmlab.errors import BadParameter, NoSuchObject, NotImplementedHere, SwarmError
from swarmlab.model.versions import API_VERSION, API_VERSION_MIN, DOCKER_VERSION
from swarmlab.simulation.fault_log import FAULT_LOG

if TYPE_CHECKING:
    from swarmlab.engine.daemon import Engine

HEADERS = (
    ("Api-Version", API_VERSION),
    ("Docker-Experimental", "false"),
    ("Ostype", "linux"),
    ("Server", f"Docker/{DOCKER_VERSION} (linux)"),
)

ATTACH = "stream stdin stdout stderr logs detachKeys"
LOGS = " ".join((*LOG_FLAGS, "tail", "since", "until"))
SWARM_KINDS = ("swarm", "nodes", "services", "tasks", "secrets", "configs")


def route(
    path: str, handler: Handler, status: int, body: str = "", query: str = "", errors: str = ""
) -> Route:
    """`path` is `GET /nodes`; parameters, and statuses of errors, are separated by spaces.

    Any route answers 400 for a version, parameter or body that it cannot read, and may answer 500;
    404 where the path names an object, 503 where only a manager answers. `errors` are the others.
    """
    method, _, template = path.partition(" ")
    refused = {400, 500, *map(int, errors.split())}
    refused |= {404} if "<" in template else set()
    refused |= {503} if template.split("/")[1] in SWARM_KINDS else set()
    return Route(method, template, handler, status, body, tuple(query.split()), frozenset(refused))


ROUTES = (
    route("GET /_ping", system.ping, 200),
    route("GET /version", system.version, 200),
    route("GET /info", system.info, 200),
    route("GET /events", system.events, 200, query="since until filters"),
    route("GET /swarm", swarm.inspect, 200),
    route("POST /swarm/init", swarm.init, 200, "InitRequest"),
    route("POST /swarm/join", swarm.join, 200, "JoinRequest"),
    route("POST /swarm/leave", swarm.leave, 200, query="force"),
    route("POST /swarm/update", swarm.update, 200, "Spec", query="version " + " ".join(ROTATIONS)),
    route("GET /swarm/unlockkey", swarm.unlock_key, 200),
    route("POST /swarm/unlock", swarm.unlock, 200, "UnlockRequest", errors="409"),
    route("GET /nodes", objects.list_nodes, 200, query="filters"),
    route("GET /nodes/<ref>", objects.inspect_node, 200),
    route("POST /nodes/<ref>/update", objects.update_node, 200, "NodeSpec", query="version"),
    route("DELETE /nodes/<ref>", objects.remove_node, 200, query="force"),
    route("GET /services", objects.list_services, 200, query="filters status"),
    route(
        "POST /services/create",
        objects.create_service,
        201,
        "ServiceSpec",
        errors="403 404 409 501",
    ),
    route("GET /services/<ref>", objects.inspect_service, 200, query="insertDefaults"),
    route(
        "POST /services/<ref>/update",
        objects.update_service,
        200,
        "ServiceSpec",
        query="version rollback registryAuthFrom",
        errors="403 409 501",
    ),
    route("DELETE /services/<ref>", objects.remove_service, 200),
    route("GET /services/<ref>/logs", objects.service_logs, 200, query=LOGS),
    route("GET /tasks", objects.list_tasks, 200, query="filters"),
    route("GET /tasks/<ref>", objects.inspect_task, 200),
    route("GET /tasks/<ref>/logs", objects.task_logs, 200, query=LOGS),
    route("GET /secrets", objects.list_secrets, 200, query="filters"),
    route("POST /secrets/create", objects.create_secret, 201, "SecretSpec", errors="409"),
    route("GET /secrets/<ref>", objects.inspect_secret, 200),
    route("POST /secrets/<ref>/update", objects.update_secret, 200, "SecretSpec", query="version"),
    route("DELETE /secrets/<ref>", objects.remove_secret, 204),
    route("GET /configs", objects.list_configs, 200, query="filters"),
    route("POST /configs/create", objects.create_config, 201, "ConfigSpec", errors="409"),
    route("GET /configs/<ref>", objects.inspect_config, 200),
    route("POST /configs/<ref>/update", objects.update_config, 200, "ConfigSpec", query="version"),
    route("DELETE /configs/<ref>", objects.remove_config, 204),
    route("GET /networks", networks.networks, 200, query="filters"),
    route("POST /networks/create", networks.create, 201, "CreateRequest", errors="403 404 409"),
    route("GET /networks/<ref>", networks.network, 200, query="scope verbose"),
    route(
        "POST /networks/<ref>/connect", networks.connect, 200, "ConnectOptions", errors="403 409"
    ),
    route(
        "POST /networks/<ref>/disconnect",
        networks.disconnect,
        200,
        "DisconnectOptions",
        errors="403 409",
    ),
    route("POST /networks/prune", networks.prune, 200, query="filters"),
    route("DELETE /networks/<ref>", networks.remove, 204, errors="403"),
    route("GET /plugins", system.plugins, 200, query="filters"),
    route("GET /plugins/<path:ref>/json", system.plugin, 200),
    route("DELETE /plugins/<path:ref>", system.plugin, 200, query="force"),
    route("GET /volumes", volumes.volumes, 200, query="filters"),
    route("POST /volumes/create", volumes.create, 201, "CreateOptions", errors="404"),
    route("POST /volumes/prune", usage.prune_volumes, 200, query="filters"),
    route("GET /volumes/<ref>", volumes.inspect, 200),
    route("DELETE /volumes/<ref>", volumes.remove, 204, query="force", errors="409"),
    route("GET /system/df", usage.disk_usage, 200),
    route("POST /build/prune", usage.prune_build_cache, 200),
    route("GET /distribution/<path:ref>/json", images.distribution, 200, errors="401 403"),
    route("GET /images/json", images.images, 200, query="filters"),
    route(
        "POST /images/create",
        images.create,
        200,
        query="fromSrc fromImage repo tag changes platform",
        errors="404",
    ),
    route("POST /images/prune", usage.prune_images, 200, query="filters"),
    route("GET /images/<path:ref>/json", images.image, 200),
    route("GET /images/<path:ref>/history", images.history, 200),
    route("POST /images/<path:ref>/tag", images.tag, 201, query="repo tag"),
    route("DELETE /images/<path:ref>", images.remove, 200, query="force", errors="409"),
    route("GET /containers/json", containers.containers, 200, query="filters all limit size"),
    route(
        "POST /containers/create",
        containers.create,
        201,
        "ContainerConfigWrapper",
        query="name platform",
        errors="404 409 501",
    ),
    route("POST /containers/prune", usage.prune_containers, 200, query="filters"),
    route("GET /containers/<ref>/json", containers.inspect, 200),
    route("POST /containers/<ref>/pause", changes.pause, 204, errors="409"),
    route("POST /containers/<ref>/unpause", changes.unpause, 204),
    route("POST /containers/<ref>/rename", changes.rename, 204, query="name", errors="409"),
    route("POST /containers/<ref>/update", changes.update, 200, "ContainerUpdateConfig"),
    route("POST /containers/<ref>/start", containers.start, 204, errors="304"),
    route("POST /containers/<ref>/stop", containers.stop, 204, query="t", errors="304"),
    route("POST /containers/<ref>/restart", containers.restart, 204, query="t"),
    route("POST /containers/<ref>/kill", containers.kill, 204, query="signal", errors="409"),
    route("POST /containers/<ref>/attach", containers.attach, 200, query=ATTACH, errors="409"),
    route("POST /containers/<ref>/resize", containers.resize, 200, query="h w"),
    route("GET /containers/<ref>/changes", changes.changes, 200),
    route("GET /containers/<ref>/top", processes.top, 200, query="ps_args", errors="409"),
    route("GET /containers/<ref>/stats", processes.stats, 200, query="stream one-shot"),
    route("POST /containers/<ref>/wait", containers.wait, 200, query="condition"),
    route("GET /containers/<ref>/logs", containers.logs, 200, query=LOGS),
    route("DELETE /containers/<ref>", containers.remove, 204, query="force v", errors="409"),
    route("POST /containers/<ref>/exec", containers.exec_create, 201, "ExecOptions", errors="409"),
    route("POST /exec/<ref>/start", containers.exec_start, 200, "ExecStartOptions", errors="409"),
    route("POST /exec/<ref>/resize", containers.resize, 201, query="h w"),
    route("GET /exec/<ref>/json", containers.exec_inspect, 200),
)
# What stays out of this simulation: method, path, and the command that asks for it.
LEFT_OUT = """
GET|PUT /containers/<ref>/archive    docker cp
GET /containers/<ref>/export         docker export
GET /containers/<ref>/attach/ws      attaching by a web socket
GET|POST /containers/<ref>/checkpoints  docker checkpoint
POST /commit                         docker commit
POST /build                          docker build
POST /session                        docker build
GET /images/get                      docker save
GET /images/<path:ref>/get           docker save
POST /images/load                    docker load
POST /images/<path:ref>/push         docker push
GET /images/search                   docker search
POST /auth                           docker login
PUT /volumes/<ref>                   docker volume update
GET /plugins/privileges              docker plugin install
POST /plugins/<path:ref>             docker plugin
"""
LEFT_OUT_RULES = [
    Rule(path, endpoint=(path, command.strip()), methods=methods.split("|"))
    for methods, path, command in (line.split(None, 2) for line in LEFT_OUT.strip().splitlines())
]
MAP = Map(
    [
        *(Rule(route.template, endpoint=route, methods=[route.method]) for route in ROUTES),
        *LEFT_OUT_RULES,
    ],
    strict_slashes=False,
    merge_slashes=False,
)


def _unversioned(path: str) -> tuple[str, str]:
    """The path without its `/v1.50`, and that version."""
    match = re.match(r"/v(\d{1,4}\.\d{1,4})(?=/)", path)
    if match is None:
        return path, API_VERSION
    version = match[1]
    lowest, requested, highest = (
        tuple(map(int, text.split("."))) for text in (API_VERSION_MIN, version, API_VERSION)
    )
    if requested > highest:
        raise BadParameter(
            f"client version {version} is too new. Maximum supported API version is {API_VERSION}"
        )
    if requested < lowest:
        raise BadParameter(
            f"client version {version} is too old. Minimum supported API version is"
            f" {API_VERSION_MIN}, please upgrade your client to a newer version"
        )
    return path[match.end() :], version


def route_of(method: str, path: str) -> Route | None:
    """The route that a request takes; None: it is refused."""
    try:
        path, _ = _unversioned(path)
        route, _ = MAP.bind("").match(path, method=method)
    except (BadParameter, HTTPException):
        return None
    return route if isinstance(route, Route) else None


def handle(
    engine: Engine,
    clock: ClockDriver,
    request: Request,
    connected: Callable[[], bool] = always,
) -> Response | Hijack:
    """Handle one request to an engine; the caller holds the clock's lock."""
    try:
        path, version = _unversioned(request.path)
        try:
            route, parts = MAP.bind("").match(path, method=request.method)
        except HTTPException:
            raise NoSuchObject("page not found") from None
        if not isinstance(route, Route):
            raise _left_out(engine, route, {**request.args, **parts})
        api_request = ApiRequest(engine, clock, request, version, route, connected)
        value = route.handler(api_request, **parts)
        if isinstance(value, Hijack):
            return value
        response = _response(value, route.status)
    except SwarmError as error:
        response = error_response(int(error.status), str(error))
    except EngineGone:
        raise
    except Exception as error:  # a bug: report it to the client, keep serving
        FAULT_LOG.report(f"{request.method} on {engine.machine.name} has failed", error)
        response = error_response(500, "internal error; see the log")
    response.headers.extend(HEADERS)
    return response


def _left_out(engine: Engine, route: tuple[str, str], sent: dict[str, str]) -> SwarmError:
    """What to answer for a route that is left out; a missing object is refused first."""
    path, command = route
    if path.startswith(("/containers/", "/commit")):
        engine.containers.get(sent.get("ref") or sent.get("container") or "")
    elif path == "/images/<path:ref>/get":
        engine.images.get(sent["ref"])
    return NotImplementedHere(f"this simulation leaves out {command}")


def _response(value: Any, status: int) -> Response:
    if isinstance(value, Response):
        return value
    if value is None:
        return Response(status=status, headers=[("Content-Length", "0")] if status != 204 else [])
    text = json.dumps(value, separators=(",", ":"), allow_nan=False) + "\n"
    return Response(text, status, content_type="application/json")


def error_response(status: int, message: str) -> Response:
    return _response({"message": message}, status)
