"""The journal: what was done to a cluster from outside, and when; enough to replay a whole run.

A saved cluster is data, never code: a small JSON file with the configuration and this journal.
Reads are not in it, since they change nothing. Neither is any secret (`stand_ins`), nor anything
that the engine does not read or cannot read.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import requests

from swarmlab.cluster.stand_ins import Placeholders, with_secrets, without_secrets
from swarmlab.engine.routes import rule_of
from swarmlab.engine.schemas import pruned
from swarmlab.engine.transport import received
from swarmlab.errors import BadParameter

if TYPE_CHECKING:
    from docker import DockerClient

# The structs that engines read from bodies; `any` is a JSON object without secret fields.
BODIES = {
    **dict.fromkeys(("/secrets/create", "/secrets/<ref>/update"), "SecretSpec"),
    **dict.fromkeys(("/configs/create", "/configs/<ref>/update"), "ConfigSpec"),
    **dict.fromkeys(("/services/create", "/services/<ref>/update"), "ServiceSpec"),
    **{"/swarm/init": "InitRequest", "/swarm/join": "JoinRequest", "/swarm/update": "Spec"},
    **{"/swarm/unlock": "UnlockRequest", "/nodes/<ref>/update": "NodeSpec"},
    **{"/networks/create": "NetworkCreate", "/volumes/create": "any", "/containers/create": "any"},
    **{"/containers/<ref>/exec": "any", "/exec/<ref>/start": "any"},
}
UNREADABLE = "{"  # stands for a body that the engine refuses, whatever was in it


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One action, `at_ns` after the virtual epoch: a verb and its arguments."""

    at_ns: int
    verb: str
    args: tuple[Any, ...] = ()


def recordable(
    request: requests.PreparedRequest, seed: int, keys: Callable[[], Placeholders]
) -> tuple[str, str, Any]:
    """The method, path and body of a request as they may be written down.

    `keys` is asked for the swarm's tokens and keys only where the request can hold one.
    """
    http, path = received(request), request.path_url
    rule, data = rule_of(http.method, http.path), http.get_data()
    kind = BODIES.get(rule or "")
    if rule is None:
        path = path.partition("?")[0]
    if kind is None or not (data or http.mimetype):
        return http.method, path, None
    try:
        document = json.loads(data)
        if http.mimetype != "application/json" or not isinstance(document, dict):
            return http.method, path, UNREADABLE
        return http.method, path, without_secrets(pruned(document, kind), kind, seed, keys)
    except (ValueError, RecursionError, BadParameter):
        return http.method, path, UNREADABLE


def replay_request(
    client: DockerClient, keys: Placeholders, method: str, path: str, body: Any
) -> None:
    """Send a journaled request again; `keys` are those of the swarm as it is now."""
    url, data = f"{client.api.base_url}{path}", body
    if isinstance(body, dict):
        data = json.dumps(with_secrets(body, keys))
    headers = {"Content-Type": "application/json"} if data else {}
    request = requests.Request(method, url, data=data, headers=headers).prepare()
    with contextlib.suppress(requests.exceptions.ConnectionError):  # the node is down, as it was
        client.api.get_adapter(url).send(request, stream=False)
