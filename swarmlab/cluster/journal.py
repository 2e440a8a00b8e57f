"""What was done to a cluster from outside, and when: enough to live its whole story again.

A saved cluster is data, never code: a small JSON file with the seed, the make-up and this journal.
Reads are not in it, since they change nothing. Neither is any secret: a payload is replaced by
other bytes of the same length, a join token or an unlock key by a word that says which it was.
"""

from __future__ import annotations

import base64
import json
import random
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import requests

if TYPE_CHECKING:
    from docker import DockerClient

    from swarmlab.cluster.simulated import Cluster

# Requests whose bodies carry what must not be written down, and under which key.
PAYLOADS = {"/secrets/create": "Data", "/configs/create": "Data"}
KEYS = {"/swarm/join": "JoinToken", "/swarm/unlock": "UnlockKey"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that was done, `at_ns` after the virtual epoch: a verb and its arguments."""

    at_ns: int
    verb: str
    args: tuple[Any, ...] = ()


def stand_in(data: str, seed: int) -> str:
    """Other bytes for base64 `data`, as long, and always the same for the same seed and length."""
    size = len(base64.b64decode(data))
    return base64.b64encode(random.Random(f"{seed} {size}").randbytes(size)).decode()


def masked(path: str, body: Any, seed: int, words: dict[str, str]) -> Any:
    """The body as it may be written down; `words`: token or key -> the word that stands for it."""
    route = "/" + "/".join(part for part in path.split("/") if part and not _is_version(part))
    payload, key = PAYLOADS.get(route), KEYS.get(route)
    if not isinstance(body, dict):
        return body
    if payload and body.get(payload):
        return {**body, payload: stand_in(body[payload], seed)}
    if key and body.get(key):
        return {**body, key: words.get(body[key], "<unknown>")}
    return body


def unmasked(body: Any, words: dict[str, str]) -> Any:
    """The body with every word replaced by what it stands for now."""
    if not isinstance(body, dict):
        return body
    meant = {word: token for token, word in words.items()}
    return {k: meant.get(v, v) if isinstance(v, str) else v for k, v in body.items()}


def replay(client: DockerClient, words: dict[str, str], method: str, path: str, body: Any) -> None:
    """Send a request again that was written down; `words` are those of the swarm as it is now."""
    url = f"{client.api.base_url}{path}"
    data = unparsed(unmasked(body, words))
    kind = "application/x-tar" if isinstance(body, str) else "application/json"
    headers = {"Content-Type": kind} if data else {}
    prepared = requests.Request(method, url, data=data, headers=headers).prepare()
    client.api.get_adapter(url).send(prepared, stream=False)


def _is_version(part: str) -> bool:
    return part.startswith("v") and part[1:].replace(".", "").isdigit()


def to_json(entries: list[Entry]) -> list[list[Any]]:
    return [[entry.at_ns, entry.verb, *entry.args] for entry in entries]


def from_json(rows: list[list[Any]]) -> list[Entry]:
    return [Entry(int(at_ns), str(verb), tuple(args)) for at_ns, verb, *args in rows]


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


def journaled(cluster: Cluster, name: str, clock: Any) -> Any:
    """An in-process transport to one node that writes every change to the journal."""
    from swarmlab.engine.transport import EngineAdapter

    class JournalAdapter(EngineAdapter):
        def send(self, request: Any, *args: Any, **options: Any) -> Any:
            with cluster.lock:
                cluster._note_request(name, request.method, request.path_url, request.body)
                return super().send(request, *args, **options)

    return JournalAdapter(partial(cluster.engine, name), clock)
