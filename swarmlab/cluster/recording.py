"""Requests as the journal records them, and how a recorded request is sent again.

No secret is recorded (`stand_ins`), nor anything that the engine does not read or cannot read.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

import requests

from swarmlab.cluster.stand_ins import Placeholders, with_secrets, without_secrets
from swarmlab.engine.request import body_of
from swarmlab.engine.routes import route_of
from swarmlab.errors import BadParameter

if TYPE_CHECKING:
    from docker import DockerClient
    from werkzeug import Request

UNREADABLE = "{"  # stands for a body that the engine refuses, whatever was in it


def recordable(http: Request, seed: int, keys: Callable[[], Placeholders]) -> tuple[str, str, Any]:
    """The method, path and body of a request as they may be written down.

    `keys` is asked for the swarm's tokens and keys only where the request can hold one.
    """
    route = route_of(http.method, http.path)
    if route is None:  # it changes nothing, and its path may hold anything
        return http.method, "/", None
    path, _, query = http.environ["REQUEST_URI"].partition("?")
    words = [word for word in query.split("&") if unquote_plus(word.split("=")[0]) in route.query]
    path = "?".join(filter(None, (path, "&".join(words))))
    if not route.body or not (http.get_data() or http.mimetype):
        return http.method, path, None
    try:
        document = body_of(http, route.body)
        return http.method, path, without_secrets(document, route.body, seed, keys)
    except (ValueError, BadParameter):
        return http.method, path, UNREADABLE


def replay_request(
    client: DockerClient, keys: Placeholders, seed: int, method: str, path: str, body: Any
) -> None:
    """Send a journaled request again; `keys` are those of the swarm as it is now."""
    url, data = f"{client.api.base_url}{path}", body
    if isinstance(body, dict):
        data = json.dumps(with_secrets(body, keys, seed))
    headers = {"Content-Type": "application/json"} if data else {}
    request = requests.Request(method, url, data=data, headers=headers).prepare()
    with contextlib.suppress(requests.exceptions.RequestException):  # the node is down, as it was
        response = client.api.get_adapter(url).send(request)
        _ = response.content  # a pull goes on while its answer is read
