"""/containers and /exec: what runs on this engine, for the swarm or by itself.

Source: moby daemon/server/router/container, daemon/{list,inspect}.go.
"""

from __future__ import annotations

import json
import re
from typing import Any

from swarmlab.engine import streams, wire
from swarmlab.engine.filters import Filters, Test, labelled
from swarmlab.engine.request import Ask
from swarmlab.errors import BadParameter, Conflict
from swarmlab.model import Document, freeze
from swarmlab.simulation import S
from swarmlab.worker.containers import Container

Json = dict[str, Any]
STATES = ("created", "restarting", "running", "removing", "paused", "exited", "dead")


# -- the list -------------------------------------------------------------------------------------
def _labels(container: Container) -> Json:
    return (container.image.config.get("Labels") or {}) | (container.config.get("Labels") or {})


# How long each unit is, and up to how many of it are counted. Source: docker/go-units duration.go.
UNITS = (
    (1, 60, "second"), (60, 60, "minute"), (3600, 48, "hour"), (86400, 14, "day"),
    (7 * 86400, 9, "week"), (30 * 86400, 24, "month"), (365 * 86400, 1 << 30, "year"),
)  # fmt: skip
ONE = {"0 seconds": "Less than a second", "1 seconds": "1 second", "1 minutes": "About a minute",
       "1 hours": "About an hour"}  # fmt: skip


def _age(ns: int) -> str:
    """As `docker ps` says it."""
    seconds = ns // S
    unit, name = next((unit, name) for unit, most, name in UNITS if seconds < unit * most)
    text = f"{seconds // unit} {name}s"
    return ONE.get(text, text)


def _status(ask: Ask, container: Container) -> str:
    now_ns = ask.engine.machine.simulation.now_ns
    if container.running:
        health = container.health
        word = {"starting": "health: starting"}.get(health.status, health.status) if health else ""
        return f"Up {_age(now_ns - (container.started_ns or 0))}" + (f" ({word})" if word else "")
    if container.finished_ns is None:
        return "Created"
    return f"Exited ({container.exit_code}) {_age(now_ns - container.finished_ns)} ago"


def _ports(container: Container) -> list[Json]:
    rows: list[Json] = []
    exposed = (
        [*container.ports, *(container.option("ExposedPorts") or ())] if container.running else []
    )
    for port in dict.fromkeys(exposed):
        number, _, kind = port.partition("/")
        row = {"PrivatePort": int(number), "Type": kind or "tcp"}
        public = [
            {"IP": "0.0.0.0", "PublicPort": host, **row} for host in container.ports.get(port, ())
        ]
        rows += public or [row]
    return rows


def _name_matches(container: Container, value: str) -> bool:
    try:
        return re.search(value, f"/{container.name}") is not None
    except re.error:
        raise BadParameter("invalid filter 'name'") from None


TESTS: dict[str, Test] = {
    "name": _name_matches,
    "id": lambda c, value: c.id.startswith(value),
    "label": labelled(_labels),
    "status": lambda c, value: c.state == value,
    "exited": lambda c, value: c.state == "exited" and str(c.exit_code) == value,
    "ancestor": lambda c, value: value in (c.config.get("Image"), c.image.id),
    "health": lambda c, value: (c.health.status if c.health else "none") == value,
    "is-task": lambda c, value: (
        ("com.docker.swarm.task.id" in _labels(c)) == (value.lower() in ("true", "1"))
    ),
}


def containers(ask: Ask) -> Any:
    wanted = ask.filters(
        *TESTS, "network", "volume", "publish", "expose", "before", "since", "isolation"
    )
    for word in wanted.get("status", ()):
        if word not in STATES:
            raise BadParameter(f"invalid filter 'status={word}'")
    limit = ask.text("limit", "0")
    if not re.fullmatch(r"-?\d+", limit):
        raise BadParameter(f'strconv.Atoi: parsing "{limit}": invalid syntax')
    every = ask.flag("all") or int(limit) > 0 or not wanted.keys().isdisjoint({"status", "exited"})
    found = [c for c in wanted.keep(ask.engine.containers.all(), TESTS) if every or c.running]
    found.reverse()  # newest first
    return [
        {
            "Id": c.id,
            "Names": [f"/{c.name}"],
            "Image": c.config.get("Image", ""),
            "ImageID": c.image.id,
            "Command": " ".join(c.argv),
            "Created": ask.door.shown_ns(c.created_ns) // S,
            "Ports": _ports(c),
            "Labels": _labels(c),
            "State": c.state,
            "Status": _status(ask, c),
            "HostConfig": {"NetworkMode": c.host_config.get("NetworkMode") or "bridge"},
            "NetworkSettings": {"Networks": {}},
            "Mounts": [],
        }
        for c in (found[: int(limit)] if int(limit) > 0 else found)
    ]


# -- one container --------------------------------------------------------------------------------
def _health(ask: Ask, container: Container) -> Json:
    health = container.health
    if health is None:
        return {}
    log = [
        {
            "Start": ask.time(result.started_ns),
            "End": ask.time(result.ended_ns),
            "ExitCode": result.exit_code,
            "Output": result.output,
        }
        for result in health.log
    ]
    return {"Health": {"Status": health.status, "FailingStreak": health.failing_streak, "Log": log}}


def inspect(ask: Ask, ref: str) -> Any:
    c = ask.engine.containers.get(ref)
    started_ns, finished_ns = c.started_ns, c.finished_ns
    bindings = {
        port: [{"HostIp": "0.0.0.0", "HostPort": str(number)} for number in numbers]
        for port, numbers in c.ports.items()
    }
    config = {"Hostname": c.hostname, "Tty": False, "OpenStdin": False, **c.config}
    config.pop("HostConfig", None)
    config.pop("NetworkingConfig", None)
    return {
        "Id": c.id,
        "Created": ask.time(c.created_ns),
        "Path": c.argv[0] if c.argv else "",
        "Args": list(c.argv[1:]),
        "State": {
            "Status": c.state,
            "Running": c.running,
            **dict.fromkeys(("Paused", "Restarting", "OOMKilled", "Dead"), False),
            "Pid": c.pid,
            "ExitCode": c.exit_code,
            "Error": c.error,
            "StartedAt": wire.NEVER if started_ns is None else ask.time(started_ns),
            "FinishedAt": wire.NEVER if finished_ns is None else ask.time(finished_ns),
            **_health(ask, c),
        },
        "Image": c.image.id,
        "Name": f"/{c.name}",
        "RestartCount": 0,
        "Driver": "simulated",
        "Platform": "linux",
        "HostConfig": {
            "NetworkMode": "bridge",
            "LogConfig": {"Type": "json-file"},
            **c.host_config,
        },
        "Mounts": [],
        "Config": {
            **config,
            "Cmd": c.config.get("Cmd") or c.image.config.get("Cmd"),
            "Entrypoint": c.option("Entrypoint"),
            "Env": [f"{name}={value}" for name, value in c.environment.items()],
            "Labels": _labels(c),
        },
        "NetworkSettings": {"Ports": bindings, "Networks": {}, "IPAddress": ""},
    }


def create(ask: Ask) -> Any:
    config: Document = freeze(ask.body()).with_()
    if not config.get("Image"):
        raise BadParameter(
            "no command specified" if "Cmd" not in config else "invalid reference format"
        )
    made = ask.engine.containers.create(ask.text("name"), config)
    return {"Id": made.id, "Warnings": []}


def _not_modified() -> Any:
    from werkzeug import Response

    return Response(status=304)


def start(ask: Ask, ref: str) -> Any:
    container = ask.engine.containers.get(ref)
    if container.running:
        return _not_modified()
    return ask.wait(ask.engine.containers.start(container))


def _grace_ns(ask: Ask) -> int | None:
    text = ask.text("t")
    if text and not re.fullmatch(r"-?\d+", text):
        raise BadParameter(f'strconv.Atoi: parsing "{text}": invalid syntax')
    return int(text) * S if text else None


def stop(ask: Ask, ref: str) -> Any:
    container = ask.engine.containers.get(ref)
    if not container.running:
        return _not_modified()
    return ask.wait(ask.engine.containers.stop(container, _grace_ns(ask)))


def restart(ask: Ask, ref: str) -> None:
    ask.wait(ask.engine.containers.restart(ask.engine.containers.get(ref), _grace_ns(ask)))


def kill(ask: Ask, ref: str) -> None:
    container = ask.engine.containers.get(ref)
    ask.engine.containers.kill(container, ask.text("signal") or "KILL")


def wait(ask: Ask, ref: str) -> Any:
    """Answers when the container has ended; the head goes out at once."""
    container = ask.engine.containers.get(ref)
    coming = ask.text("condition") in ("next-exit", "removed")
    exited = container.exited if container.running or coming else None

    def ready() -> bytes | None:
        if exited is not None and exited.waiting:
            return None
        code = container.exit_code if exited is None else exited.value
        return json.dumps({"StatusCode": code}).encode() + b"\n"

    return streams.stream(streams.until(ask, ready), "application/json")


def resize(ask: Ask, ref: str) -> None:
    """Terminals here have no size."""


def logs(ask: Ask, ref: str) -> Any:
    container = ask.engine.containers.get(ref)
    return streams.log_stream(
        ask,
        lambda: [streams.Source(container, "")],
        lambda: container.running,
        tty=bool(container.config.get("Tty")),
        refusal="Bad parameters: you must choose at least one stream",
    )


def top(ask: Ask, ref: str) -> Any:
    container = ask.engine.containers.get(ref)
    if not container.running:
        raise Conflict(f"container {container.id} is not running")
    row = ["root", str(container.pid), "1", "0", "12:00", "?", "00:00:00", " ".join(container.argv)]
    return {
        "Titles": ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"],
        "Processes": [row],
    }


def remove(ask: Ask, ref: str) -> None:
    container = ask.engine.containers.get(ref)
    ask.engine.containers.remove(container, force=ask.flag("force"))


def prune(ask: Ask) -> Any:
    wanted = Filters.parse(ask.text("filters"), ("label", "until"))
    old = [c for c in wanted.keep(ask.engine.containers.all(), TESTS) if not c.running]
    for container in old:
        ask.engine.containers.remove(container)
    return {"ContainersDeleted": [container.id for container in old], "SpaceReclaimed": 0}
