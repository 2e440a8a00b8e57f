"""The routes of the Docker Engine API: method, path, handler, and status of success.

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

from swarmlab.engine import api_containers as containers
from swarmlab.engine import api_images as images
from swarmlab.engine import api_networks as networks
from swarmlab.engine import api_objects as objects
from swarmlab.engine import api_swarm as swarm
from swarmlab.engine import api_system as system
from swarmlab.engine.clock_drivers import ClockDriver, EngineGone
from swarmlab.engine.request import ApiRequest
from swarmlab.engine.streams import Hijack
from swarmlab.errors import BadParameter, NoSuchObject, SwarmError
from swarmlab.fault_log import FAULT_LOG
from swarmlab.model.versions import API_VERSION, API_VERSION_MIN, DOCKER_VERSION

if TYPE_CHECKING:
    from swarmlab.engine.daemon import Engine

Handler = Callable[..., Any]
HEADERS = (
    ("Api-Version", API_VERSION),
    ("Docker-Experimental", "false"),
    ("Ostype", "linux"),
    ("Server", f"Docker/{DOCKER_VERSION} (linux)"),
)

ROUTES: tuple[tuple[str, str, Handler, int], ...] = (
    ("GET", "/_ping", system.ping, 200),
    ("GET", "/version", system.version, 200),
    ("GET", "/info", system.info, 200),
    ("GET", "/events", system.events, 200),
    ("GET", "/swarm", swarm.inspect, 200),
    ("POST", "/swarm/init", swarm.init, 200),
    ("POST", "/swarm/join", swarm.join, 200),
    ("POST", "/swarm/leave", swarm.leave, 200),
    ("POST", "/swarm/update", swarm.update, 200),
    ("GET", "/swarm/unlockkey", swarm.unlock_key, 200),
    ("POST", "/swarm/unlock", swarm.unlock, 200),
    ("GET", "/nodes", objects.list_nodes, 200),
    ("GET", "/nodes/<ref>", objects.inspect_node, 200),
    ("POST", "/nodes/<ref>/update", objects.update_node, 200),
    ("DELETE", "/nodes/<ref>", objects.remove_node, 200),
    ("GET", "/services", objects.list_services, 200),
    ("POST", "/services/create", objects.create_service, 201),
    ("GET", "/services/<ref>", objects.inspect_service, 200),
    ("POST", "/services/<ref>/update", objects.update_service, 200),
    ("DELETE", "/services/<ref>", objects.remove_service, 200),
    ("GET", "/services/<ref>/logs", objects.service_logs, 200),
    ("GET", "/tasks", objects.list_tasks, 200),
    ("GET", "/tasks/<ref>", objects.inspect_task, 200),
    ("GET", "/tasks/<ref>/logs", objects.task_logs, 200),
    ("GET", "/secrets", objects.list_secrets, 200),
    ("POST", "/secrets/create", objects.create_secret, 201),
    ("GET", "/secrets/<ref>", objects.inspect_secret, 200),
    ("POST", "/secrets/<ref>/update", objects.update_secret, 200),
    ("DELETE", "/secrets/<ref>", objects.remove_secret, 204),
    ("GET", "/configs", objects.list_configs, 200),
    ("POST", "/configs/create", objects.create_config, 201),
    ("GET", "/configs/<ref>", objects.inspect_config, 200),
    ("POST", "/configs/<ref>/update", objects.update_config, 200),
    ("DELETE", "/configs/<ref>", objects.remove_config, 204),
    ("GET", "/networks", networks.networks, 200),
    ("POST", "/networks/create", networks.create, 201),
    ("GET", "/networks/<ref>", networks.network, 200),
    ("DELETE", "/networks/<ref>", networks.remove, 204),
    ("GET", "/volumes", networks.volumes, 200),
    ("POST", "/volumes/create", networks.create_volume, 201),
    ("GET", "/volumes/<ref>", networks.volume, 200),
    ("DELETE", "/volumes/<ref>", networks.remove_volume, 204),
    ("GET", "/distribution/<path:ref>/json", images.distribution, 200),
    ("GET", "/images/json", images.images, 200),
    ("POST", "/images/create", images.create, 200),
    ("GET", "/images/<path:ref>/json", images.image, 200),
    ("POST", "/images/<path:ref>/tag", images.tag, 201),
    ("DELETE", "/images/<path:ref>", images.remove, 200),
    ("GET", "/containers/json", containers.containers, 200),
    ("POST", "/containers/create", containers.create, 201),
    ("GET", "/containers/<ref>/json", containers.inspect, 200),
    ("POST", "/containers/<ref>/start", containers.start, 204),
    ("POST", "/containers/<ref>/stop", containers.stop, 204),
    ("POST", "/containers/<ref>/restart", containers.restart, 204),
    ("POST", "/containers/<ref>/kill", containers.kill, 204),
    ("POST", "/containers/<ref>/wait", containers.wait, 200),
    ("GET", "/containers/<ref>/logs", containers.logs, 200),
    ("DELETE", "/containers/<ref>", containers.remove, 204),
    ("POST", "/containers/<ref>/exec", containers.exec_create, 201),
    ("POST", "/exec/<ref>/start", containers.exec_start, 200),
    ("POST", "/exec/<ref>/resize", containers.exec_resize, 201),
    ("GET", "/exec/<ref>/json", containers.exec_inspect, 200),
)


MAP = Map(
    [
        Rule(template, endpoint=(handler, status), methods=[method])
        for method, template, handler, status in ROUTES
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


def rule_of(method: str, path: str) -> str | None:
    """The route, such as `/secrets/<ref>/update`, that a request takes; None: it is refused."""
    try:
        path, _ = _unversioned(path)
        rule, _ = MAP.bind("").match(path, method=method, return_rule=True)
    except (BadParameter, HTTPException):
        return None
    return str(rule.rule)


def handle(engine: Engine, clock: ClockDriver, request: Request) -> Response | Hijack:
    """Handle one request to an engine; the caller holds the clock's lock."""
    try:
        path, version = _unversioned(request.path)
        try:
            (handler, status), parts = MAP.bind("").match(path, method=request.method)
        except HTTPException:
            raise NoSuchObject("page not found") from None
        value = handler(ApiRequest(engine, clock, request, version), **parts)
        if isinstance(value, Hijack):
            return value
        response = _response(value, status)
    except SwarmError as error:
        response = error_response(int(error.status), str(error))
    except EngineGone:
        raise
    except Exception as error:  # a bug: report it to the client, keep serving
        FAULT_LOG.report(f"{request.method} on {engine.machine.name} has failed", error)
        response = error_response(500, "internal error; see the log")
    response.headers.extend(HEADERS)
    return response


def _response(value: Any, status: int) -> Response:
    if isinstance(value, Response):
        return value
    if value is None:
        return Response(status=status, headers=[("Content-Length", "0")] if status != 204 else [])
    text = json.dumps(value, separators=(",", ":")) + "\n"
    return Response(text, status, content_type="application/json")


def error_response(status: int, message: str) -> Response:
    return _response({"message": message}, status)
