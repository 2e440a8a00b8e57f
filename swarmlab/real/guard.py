"""Protects a swarm that is not the kit's own: a client may change only what it created there.

`engine_api.txt` names every route of the Docker Engine API and what it can touch. The guard reads
requests as the engine does, and rejects whatever the table does not name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import docker

from swarmlab.errors import LabError
from swarmlab.strings import N_, _

CREATED_HERE = "swarmlab.connected"  # the label of what this kit created
TABLE = Path(__file__).with_name("engine_api.txt").read_text(encoding="utf-8")
# Older engines also take versions below 1.24, in which starting a container can reconfigure it.
VERSION = r"(?:/v1\.(?:2[4-9]|[3-9]\d))?"
NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]*"  # of what can be changed; no `/`, no `%`
INSPECT = {
    "container": "/containers/{0}/json",
    "exec": "/exec/{0}/json",
    "swarm_network": "/networks/{0}?scope=swarm",
    "used_volume": "/volumes/{0}",
}
NOT_OURS = N_("would change or use what this kit did not make")
THE_MACHINE = N_("would reach the machine itself, and with it what this kit did not make")


@dataclass(frozen=True)
class GuardedRoute:
    """One route of the table; `members` of its body: path -> what is allowed there."""

    method: str
    path: str
    effect: str
    pattern: re.Pattern[str]
    members: dict[str, str]


def read_routes() -> Iterator[GuardedRoute]:
    """The routes of the table; a pattern's groups are the kinds of the names in a path."""
    bodies: dict[str, dict[str, str]] = {}
    for route, lines in re.findall(r"^((?:[A-Z]+) /.*)\n((?: {4}.*\n)*)", TABLE, re.MULTILINE):
        method, path, effect = route.split()
        members = dict(line.split() for line in lines.splitlines())
        bodies[path] = bodies[members["as"]] if "as" in members else members
        if effect == "read":
            pattern = path.replace("{any}", r"(?!\.)[^/]+").replace("{path}", r"(?!.*//|.*/\.).+")
        else:
            pattern = re.sub(r"{(\w+)}", rf"(?P<\1>{NAME})", path.replace("{any}", NAME))
        yield GuardedRoute(method, path, effect, re.compile(VERSION + pattern), bodies[path])


ALLOWED = {
    name: re.compile(pattern)
    for name, pattern in re.findall(r"^(\S+) += ?(.*)$", TABLE, re.MULTILINE)
}
ROUTES = list(read_routes())


def values_at(value: Any, path: str) -> list[Any]:
    """What is at a path in JSON, as Go finds it: a member's name counts in any letter case."""
    found = [value]
    for name in path.split("."):
        found = [item for one in found for item in _members(one, name)]
    return found


def _members(value: Any, name: str) -> list[Any]:
    if not isinstance(value, dict):
        return value if isinstance(value, list) and name == "*" else []
    if name == "#":
        return list(value)
    return [v for key, v in value.items() if name == "*" or key.casefold() == name.casefold()]


class LabelGuard:
    """Changes a client's requests before they are sent: labels new objects, protects all others."""

    def __init__(self, api: docker.APIClient) -> None:
        self._api = api
        api._create_websocket_connection = self.refuse_websocket  # goes around `requests`

    def __call__(self, request: Any) -> Any:
        """The request, with the label if it creates or updates an object of ours.

        Raises LabError for a change of an object without the label.
        """
        path = request.path_url.partition("?")[0]
        what = f"{request.method} {path}"
        for route in ROUTES:
            match = route.pattern.fullmatch(path)
            if match and route.method == request.method and route.effect != "others":
                break
        else:
            raise refused(what, NOT_OURS)
        for kind, name in match.groupdict().items():
            # By its full id, so that no other object can answer to the name in the meantime.
            id = self._id_of_ours(kind, name, what)
            path = path[: match.start(kind)] + id + path[match.end(kind) :]
            request.url = urlsplit(request.url)._replace(path=path).geturl()
        if route.members:
            body = self._check_body(request.body, route, what)
            request.prepare_body(data=json.dumps(body), files=None)
        return request

    def refuse_websocket(self, _url: str) -> None:
        raise LabError("a guarded connection has no web sockets; attach with ws=False")

    def _check_body(self, data: Any, route: GuardedRoute, what: str) -> dict[str, Any]:
        """The body, labelled if it creates; LabError if it names anything that is not ours."""
        try:
            body = json.loads(data or "{}")
        except (ValueError, TypeError, RecursionError):
            body = None
        if not isinstance(body, dict):
            raise LabError("{what}: its body is not a JSON object", what=what)
        for path, allowed in route.members.items():
            values = [value for value in values_at(body, path) if value not in (None, False, "")]
            if allowed == "label" and all(isinstance(value, dict) for value in values):
                labels = [item for value in values for item in dict.items(value)]
                body = {k: v for k, v in body.items() if k.casefold() != path.casefold()}
                body[path] = dict(labels) | {CREATED_HERE: "true"}
                continue
            for value in values:
                member = f"{path} in {what}"
                if not (match := ALLOWED[allowed].fullmatch(str(value))):
                    raise refused(member, THE_MACHINE)
                for kind, name in match.groupdict().items():
                    if name is not None:
                        self._id_of_ours(kind, name, member)
        return body

    def _id_of_ours(self, kind: str, name: str, what: str) -> str:
        """The full id of an object with our label; LabError for others, Docker's own for none."""
        if not re.fullmatch(NAME, name):
            raise refused(what, NOT_OURS)
        path = INSPECT.get(kind, f"/{kind}s/{{0}}")
        response = self._api.get(self._api._url(path, name))
        if kind == "used_volume" and response.status_code == 404:
            return name
        self._api._raise_for_status(response)
        found = response.json()
        if kind == "exec":
            self._id_of_ours("container", found["ContainerID"], what)
            return name
        labelled = found.get("Spec") or found.get("Config") or found
        if CREATED_HERE not in (labelled.get("Labels") or {}):
            raise refused(what, NOT_OURS)
        return str(found.get("ID") or found.get("Id") or name)


def refused(what: str, why: str) -> LabError:
    return LabError(
        "{what} {why}, on a swarm that is not its own. If you mean it, connect with"
        " allow_faults=True",
        what=what,
        why=_(why),
    )
