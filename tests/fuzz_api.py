"""Requests to every route of the API, drawn from the schema that the engine declares.

A batch is a small cluster and some requests, all from one number. `broken` says what a reply or the
cluster does that it must not.
"""

from __future__ import annotations

import base64
import json
import random
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import requests

import swarmlab
from swarmlab.engine.request import QUERY, Route
from swarmlab.engine.routes import ROUTES
from swarmlab.engine.schemas import INTEGERS, STRUCTS

REQUESTS_PER_BATCH = 100
CPU_S_MAX = 2.0
NAMES = ("web", "db", "cc", "dd", "ee", "ff", "a", "b-1", "x_y", "", "a b", "ü", "²", "a" * 64,
         "web\n",
         "../x", "{{x}}", "%00")  # fmt: skip
TEXT = (*NAMES, "10", "-1", "1.5", "0", "true", "{{.Node.ID}}", "{{", "(a+)+$", "\0", "\ud800", "𝔘")
INTS = (0, 1, 2, 3, 5, 80, 8080, -1, 10**6, 10**9, 5 * 10**9, 65535, 65536, 2**31, 2**32, 2**63 - 1,
        2**63, 2**64 - 1, 2**64, -(2**63), 10**30)  # fmt: skip
WRONG = (None, 5, -1, 1.5, True, "x", [], {}, [None], {"a": None}, [[]], {"a": [1]}, 10**30, "²")
COMMANDS = (
    "true",
    "false",
    "sleep 99",
    "sh -c exit",
    "nosuch",
    "sh -c 'while true; do :; done'",
    "",
)
WORDS: dict[str, tuple[str, ...]] = {
    "Image": ("nginx", "nginx", "redis", "nosuch", "nginx@sha256:" + "0" * 64, "X", "", "a:b:c"),
    "fromImage": ("nginx", "redis:7", "nosuch", "X", ""),
    "tag": ("latest", "x", "", ":"),
    "Mode": ("vip", "dnsrr", "", "x"),
    "Order": ("start-first", "stop-first", "x"),
    "FailureAction": ("pause", "continue", "rollback", "x"),
    "Protocol": ("tcp", "udp", "sctp", "x"),
    "PublishMode": ("host", "ingress", "", "x"),
    "Condition": ("any", "none", "on-failure", "x"),
    "Type": ("bind", "volume", "tmpfs", "x"),
    "Source": ("/tmp", "v", "", "/", "//", "x/y"),
    "Target": ("/data", "/", "x", "net", "ingress"),
    "Role": ("worker", "manager", "x"),
    "Availability": ("active", "pause", "drain", "x"),
    "Test": ("CMD", "CMD-SHELL", "NONE", "true", ""),
    "Driver": ("overlay", "bridge", "x", ""),
    "Subnet": ("10.9.0.0/24", "1.2.3.4/32", "x", "fd00::/64", "0.0.0.0/0", "10.9.0.5/24"),
    "Gateway": ("10.9.0.1", "x", "1.2.3.4"),
    "Constraints": ("node.role==worker", "node.labels.a!=b", "x", "node.ip==::/0", "a==\n"),
    "WorkingDir": ("/", "/tmp", "x"),
    "StopSignal": ("TERM", "15", "FOO", "²"),
    "signal": ("TERM", "9", "0", "FOO", "²", ""),
    "User": ("root", "1000", "²", "-1", "99999999999", "x y", ":"),
    "Dir": ("/", "x", "/tmp"),
    "Runtime": ("container", "plugin", ""),
    "Isolation": ("default", "x"),
    "scope": ("local", "swarm"),
    "HostPort": ("80", "", "x", "80-90", "99999", "²"),
    "AdvertiseAddr": ("", "lo", "10.0.0.1", "x"),
    "ListenAddr": ("", "0.0.0.0:2377", "x:y", "[::]:1"),
    "rollback": ("previous", "x", ""),
    "changes": (
        "CMD [1]",
        "CMD ls",
        "EXPOSE x",
        "ENV a='",
        "HEALTHCHECK --interval=-5s CMD x",
        "USER ²",
        "HEALTHCHECK CMD []",
    ),
    "fromSrc": ("-", ""),
    "repo": ("x", "X", "", "a/b"),
    "since": ("0", "1", "1.5", "-1", "x", "9" * 30),
    "until": ("1", "x", "1_0"),
    "tail": ("1", "all", "²"),
    "filters": (
        '{"name":["web"]}',
        '{"name":{"(a+)+$":true}}',
        '{"x":[]}',
        "[]",
        "null",
        '{"label":["a=b"]}',
        '{"role":["x"]}',
        '{"id":5}',
        "{",
        '{"desired-state":["running"]}',
        '{"until":["x"]}',
    ),
}
NEEDED = ("ContainerSpec", "Image", "Name", "TaskTemplate", "Subnet")
# Whose answers have no end, or that would end the cluster again and again.
RARE = ("/swarm/leave", "/swarm/join", "/swarm/init")


@dataclass(frozen=True)
class Shot:
    """One request."""

    method: str
    path: str
    body: bytes | None
    content_type: str = "application/json"


class Fuzz:
    """One batch: `play` sends its requests and returns the first fault with the shots so far."""

    def __init__(self, number: int, faults: list[str]) -> None:
        self.rng = random.Random(f"api {number}")
        self.cluster = swarmlab.simulate(managers=1, workers=1, seed=number)
        self.api = self.cluster.client("m1").api
        self.faults = faults
        # How likely a junk value is, and how many fields a struct gets beside the needed.
        self.wild, self.counts = 0.0, (0, 1)
        self.known = ["web", "nosuch", "nginx", "bridge", "²", "a%2Fb", "x" * 300, "%ff"]
        self.api.pull("nginx", "latest")

    # -- drawing -------------------------------------------------------------------
    def value(self, kind: str, field: str = "", depth: int = 0) -> Any:
        rng, kind = self.rng, kind.lstrip("*")
        if rng.random() < self.wild / 3:
            return rng.choice(WRONG)
        if kind == "[]uint8" and rng.random() >= self.wild:
            return base64.b64encode(rng.randbytes(5)).decode()
        if kind == "[]uint8":
            return rng.choice(
                (base64.b64encode(rng.randbytes(5)).decode(), "", "!", "YQ=", [1, 300])
            )
        if kind == "strslice" or field in ("Command", "Args"):
            return rng.choice(COMMANDS).split()
        if kind.startswith("[]"):
            return [self.value(kind[2:], field, depth) for _ in range(rng.choice((0, 1, 1, 2)))]
        if kind.startswith("map["):
            item = kind.partition("]")[2]
            keys = ("80/tcp", "a", "²", "") if "Port" in kind else TEXT
            return {
                rng.choice(keys): self.value(item, field, depth)
                for _ in range(rng.choice((0, 1, 2)))
            }
        if kind in STRUCTS:
            # A few fields at each level: one bad field hides all others.
            names = [name for name in STRUCTS[kind] if name not in NEEDED]
            some = rng.sample(names, min(len(names), rng.choice(self.counts)))
            fields = {
                name if rng.random() < 0.9 else name.upper(): self.value(
                    STRUCTS[kind][name], name, depth + 1
                )
                for name in STRUCTS[kind]
                if name in NEEDED or name in some
            }
            if kind == "ServiceMode" and len(fields) > 1 and rng.random() >= self.wild:
                name = rng.choice(list(fields))
                fields = {name: fields[name]}
            return fields
        if kind in INTEGERS:
            small = (
                [n for n in INTS if 0 <= n < 6] if field in ("Replicas", "MaxConcurrent") else INTS
            )
            tame = rng.random() >= self.wild
            return rng.choice([n for n in small if 0 < n < 10**10] if tame else INTS)
        if kind == "float32":
            return rng.choice((0, 0.5, 1, 2, -1, 1e39))
        return rng.random() < 0.5 if kind == "bool" else self.word(field)

    def word(self, name: str) -> str:
        """A text for a field or parameter: a common one, or any."""
        if name in ("Name", "name") and self.rng.random() >= max(self.wild, 0.3):
            return f"n{self.rng.randrange(10**6)}"
        words = WORDS.get(name, NAMES if name in ("Name", "name") else TEXT)
        common = words[: 6 if name in ("Name", "name") else 2]
        return self.rng.choice(common if self.rng.random() >= self.wild else words)

    def version(self, ref: str) -> str:
        """The version that an update of the object must name."""
        engine = self.cluster.engine("m1")
        tables = engine.manager.store.tables.values() if engine.manager else ()
        found = [objects[ref].version for objects in tables if ref in objects]
        return str(found[0] if found else 1)

    def shot(self, route: Route) -> Shot:
        rng = self.rng
        self.wild = rng.choice((0, 0, 0.05, 0.2, 0.5))
        self.counts = rng.choice(((0, 1), (1,), (1, 2), (2, 3, 4)))
        ref = rng.choice((rng.choice(self.known), rng.choice(self.known[-5:])))
        path = route.template.replace("<path:ref>", ref).replace("<ref>", ref)
        query = []
        for name in route.query:
            if rng.random() < 0.5 or name == "version":
                reader = QUERY.get(name)
                words: Any = (self.word(name),)
                if name == "version" and rng.random() >= self.wild:
                    words = (self.version(ref),)
                elif reader is QUERY["limit"] or name == "version":
                    words = (*map(str, INTS), "x", "²", "")
                elif reader is not None:
                    words = ("1", "0", "true", "T") if name != "follow" else ("0",)
                    words = (*words, "²") if reader is not QUERY["force"] else words
                text = rng.choice(words).encode(errors="replace")
                query.append(f"{name}={quote(text)}")
        versions = ("", "/v1.41", "/v1.24", "/v1.99", "/v²")
        version = rng.choice(versions) if rng.random() < self.wild else "/v1.50"
        target = version + path + ("?" + "&".join(query) if query else "")
        if not route.body:
            return Shot(route.method, target, None)
        body = json.dumps(self.value(route.body)).encode()
        kind = (
            "application/json"
            if rng.random() >= self.wild / 5
            else rng.choice(("", "text/plain", ";"))
        )
        damage = rng.random() if self.wild else 1
        if damage < 0.04:
            body = body[: rng.randrange(len(body) + 1)]
        elif damage < 0.06:
            body = rng.choice(
                (b"", b"[" * 2000, b"\xff", b"null", body + b"x", body.replace(b":", b",", 1))
            )
        return Shot(route.method, target, body, kind)

    # -- judging -------------------------------------------------------------------
    def specs(self) -> Any:
        """What users own in the store: the specs of all objects but tasks."""
        engine = self.cluster.engine("m1")
        tables = engine.manager.store.tables if engine.manager else {}
        return {
            (table, id): (object.spec, getattr(object, "data", None))
            for table, objects in tables.items()
            if table != "task"
            for id, object in objects.items()
        }

    def send(self, shot: Shot) -> requests.Response:
        url = self.api.base_url + shot.path
        headers = {"Content-Type": shot.content_type} if shot.content_type and shot.body else {}
        request = requests.Request(shot.method, url, data=shot.body, headers=headers).prepare()
        return self.api.get_adapter(url).send(request)

    def broken(self, route: Route, shot: Shot) -> str:
        """What is wrong with the reply to one request; empty: nothing."""
        before, started = self.specs(), time.process_time()
        response = self.send(shot)
        seconds = time.process_time() - started
        status = response.status_code
        reached = shot.path.startswith(("/v1.", "/" + route.template.split("/")[1]))
        if status not in ((route.status, *route.errors) if reached else (404,)):
            return f"answers {status}, which the route does not declare"
        text, streamed = "", response.headers.get("Transfer-Encoding") == "chunked"
        if not streamed and "json" in response.headers.get("Content-Type", ""):
            text = response.text
            try:
                answer = json.loads(text, parse_constant=lambda name: 1 / 0)
            except (ValueError, ZeroDivisionError):
                return f"is no JSON: {text[:200]}"
            if status >= 400 and "internal error" in answer["message"]:
                return "is an internal error"
            if status == 201 and (id := answer.get("ID") or answer.get("Id")):
                self.known.append(id)
                kind = route.template.split("/")[1]
                tail = "/json" if kind == "containers" else ""
                read = Shot("GET", f"/{kind}/{id}{tail}", None)
                if "/exec" not in route.template and self.send(read).status_code != 200:
                    return "was accepted and cannot be read back"
        response.close()
        if 400 <= status < 500 and self.specs() != before:
            return f"is refused with {status} and has changed the store"
        if seconds > CPU_S_MAX:
            return f"takes {seconds:.1f} s"
        return self.faults[0] if self.faults else ""

    def routes(self) -> list[Route]:
        endless = ("/exec/<ref>/start",)
        often = [route for route in ROUTES if route.template not in (*RARE, *endless)]
        made = [route for route in often if route.template.endswith("/create")]
        services = [route for route in made if route.body == "ServiceSpec"]
        return [
            *often * 10,
            *made * 20,
            *services * 250,
            *(route for route in ROUTES if route.template in RARE),
        ]

    def play(self, count: int = REQUESTS_PER_BATCH) -> tuple[str, list[tuple[Route, Shot]]]:
        routes, shots = self.routes(), []
        for _ in range(count):
            route = self.rng.choice(routes)
            shots.append((route, self.shot(route)))
            if why := self.broken(*shots[-1]):
                return why, shots
            if shots[-1][0].status == 201 or self.rng.random() < 0.05:
                self.cluster.run("2s")  # what was created starts
        self.cluster.run("35s")  # a health check begins after 30 seconds
        return (self.faults[0] if self.faults else ""), shots


def again(number: int, shots: list[tuple[Route, Shot]], faults: list[str]) -> tuple[str, Fuzz]:
    """The same cluster, and these requests alone: what is wrong with the last."""
    faults.clear()
    fuzz, why = Fuzz(number, faults), ""
    for pair in shots:
        why = fuzz.broken(*pair)
    if not why:
        fuzz.cluster.run("35s")
    return why or (faults[0] if faults else ""), fuzz


def shrunken(number: int, shots: list[tuple[Route, Shot]], saved: Path, faults: list[str]) -> None:
    """Save the shortest run that still shows the fault; `swarmlab.load` opens it."""
    for index in reversed(range(len(shots) - 1)):
        fewer = shots[:index] + shots[index + 1 :]
        if again(number, fewer, faults)[0]:
            shots = fewer
    _, fuzz = again(number, shots, faults)
    fuzz.cluster.save(saved)
    faults.clear()
