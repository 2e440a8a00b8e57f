"""The journal: what was done to a cluster from outside, and when; enough to replay a whole run.

A saved cluster is data, never code: a small JSON file with the configuration and this journal.
Reads are not in it, since they change nothing. Neither is any secret: a payload is replaced by
other bytes of the same length, a join token or an unlock key by a placeholder that says which it
was.
"""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import requests

if TYPE_CHECKING:
    from docker import DockerClient

Placeholders = dict[str, str]  # a token or key -> what stands for it in the journal

# Requests whose bodies hold a payload, or a token or key, and under which name.
PAYLOADS = {"/secrets/create": "Data", "/configs/create": "Data"}
KEYS = {"/swarm/join": "JoinToken", "/swarm/unlock": "UnlockKey"}


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One action, `at_ns` after the virtual epoch: a verb and its arguments."""

    at_ns: int
    verb: str
    args: tuple[Any, ...] = ()


def masked(path: str, body: bytes | str | None, seed: int, keys: Callable[[], Placeholders]) -> Any:
    """The body of a request as it may be written down; None without one.

    `keys` is asked for the swarm's tokens and keys only where the request can hold one.
    """
    route = "/" + "/".join(p for p in path.partition("?")[0].split("/") if p and not _is_version(p))
    document, payload, key = parsed(body), PAYLOADS.get(route), KEYS.get(route)
    if not isinstance(document, dict):
        return document
    if payload and document.get(payload):
        return {**document, payload: _same_length(document[payload], seed)}
    if key and document.get(key):
        return {**document, key: keys().get(document[key], "<unknown>")}
    return document


def _is_version(part: str) -> bool:
    return part.startswith("v") and part[1:].replace(".", "").isdigit()


def _same_length(data: str, seed: int) -> str:
    """Other bytes for base64 `data`, as long; the same for the same seed and length."""
    size = len(base64.b64decode(data))
    return base64.b64encode(random.Random(f"{seed} {size}").randbytes(size)).decode()


def replay_request(
    client: DockerClient, keys: Placeholders, method: str, path: str, body: Any
) -> None:
    """Send a journaled request again; `keys` are those of the swarm as it is now."""
    if isinstance(body, dict):
        values = {placeholder: key for key, placeholder in keys.items()}
        body = {k: values.get(v, v) if isinstance(v, str) else v for k, v in body.items()}
    url, data = f"{client.api.base_url}{path}", unparsed(body)
    content_type = "application/x-tar" if isinstance(body, str) else "application/json"
    headers = {"Content-Type": content_type} if data else {}
    request = requests.Request(method, url, data=data, headers=headers).prepare()
    client.api.get_adapter(url).send(request, stream=False)


def parsed(body: bytes | str | None) -> Any:
    """A request's body as JSON, base64 text (after `base64:`) when it is none, None without one."""
    if not body:
        return None
    raw = body if isinstance(body, bytes) else body.encode()
    try:
        return json.loads(raw)
    except ValueError:
        return "base64:" + base64.b64encode(raw).decode()


def unparsed(body: Any) -> bytes | None:
    """What `parsed` read, as bytes again."""
    if body is None:
        return None
    if isinstance(body, str) and body.startswith("base64:"):
        return base64.b64decode(body.removeprefix("base64:"))
    return json.dumps(body).encode()
