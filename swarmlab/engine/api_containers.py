"""/containers and /exec: the containers of this engine, those of swarm tasks and all others.

Source: moby daemon/server/router/container, daemon/{list,inspect}.go.
"""

from __future__ import annotations

import json
import re
from typing import Any

from werkzeug import Response

from swarmlab.engine import container_networks, filters, platforms, streams, wire
from swarmlab.engine.create_checks import check_cpus
from swarmlab.engine.host_config import bindings_of, shown
from swarmlab.engine.request import ApiRequest
from swarmlab.engine.streams import Hijack, Pieces, Receive
from swarmlab.errors import BadParameter, Conflict, EngineFault
from swarmlab.model import freeze
from swarmlab.programs.file_system import MountPoint
from swarmlab.simulation import S
from swarmlab.units import human_duration
from swarmlab.worker.containers import Container

Json = dict[str, Any]
RUNNING = ("running", "restarting")  # the states that `docker ps` lists


# -- the list -------------------------------------------------------------------------------------
def labels_of(container: Container) -> Json:
    return (container.image.config.get("Labels") or {}) | (container.config.get("Labels") or {})


def status_text(now_ns: int, container: Container) -> str:
    """As `docker ps` shows it. Source: moby container/state.go, String."""
    if container.state == "restarting":
        age = human_duration((now_ns - (container.finished_ns or 0)) / S)
        return f"Restarting ({container.exit_code}) {age} ago"
    if container.running:
        age = human_duration((now_ns - (container.started_ns or 0)) / S)
        health = container.health.status if container.health else ""
        if container.paused:
            return f"Up {age} (Paused)"
        prefix = "health: " if health == "starting" else ""
        return f"Up {age} ({prefix}{health})" if health else f"Up {age}"
    if container.finished_ns is None:
        return "Created"
    age = human_duration((now_ns - container.finished_ns) / S)
    return f"Exited ({container.exit_code}) {age} ago"


def _ports(container: Container) -> list[Json]:
    rows: list[Json] = []
    exposed = [*container.ports, *(container.option("ExposedPorts") or ())]
    for port in dict.fromkeys(exposed if container.running else ()):
        number, _, kind = port.partition("/")
        if not re.fullmatch("[0-9]{1,5}", number):
            continue  # a port that an image or a request says to expose is not checked
        row = {"PrivatePort": int(number), "Type": kind or "tcp"}
        public = bindings_of(container, port) if port in container.ports else ()
        rows += [{"IP": ip, "PublicPort": host, **row} for ip, host in public] or [row]
    return rows


def _published(container: Container) -> list[str]:
    """The ports of the machine that lead to it: `8080/tcp`."""
    ports = ((port.partition("/")[2], numbers) for port, numbers in container.ports.items())
    return [f"{number}/{kind or 'tcp'}" for kind, numbers in ports for number in numbers]


TESTS: dict[str, filters.Test] = {
    "name": filters.named(lambda c: f"/{c.name}"),
    "id": lambda c, value: c.id.startswith(value),
    "label": filters.labelled(labels_of),
    "status": lambda c, value: c.status == value,
    "exited": lambda c, value: (
        c.started_ns is not None and not c.running and c.exit_code == int(value)
    ),
    "publish": filters.port("publish", _published),
    "expose": filters.port("expose", lambda c: [*c.ports, *(c.option("ExposedPorts") or ())]),
    "isolation": lambda c, value: value == "default",
    "health": lambda c, value: (c.health.status if c.health else "none") == value,
    "volume": lambda c, value: any(value in (m.source, m.target) for m in c.mounts),
    "is-task": lambda c, value: filters.is_true(value) == ("com.docker.swarm.task" in labels_of(c)),
}


def containers(request: ApiRequest) -> Any:
    engine, every = request.engine, request.engine.containers.all()
    tests = {
        **TESTS,
        "since": lambda c, ref: every.index(c) > every.index(engine.containers.get(ref)),
        "before": lambda c, ref: every.index(c) < every.index(engine.containers.get(ref)),
        "ancestor": lambda c, ref: (
            ref in (c.config.get("Image"), c.image.id)
            or (ref in engine.images and engine.images.get(ref) is c.image)
        ),
        "network": lambda c, ref: container_networks.is_in(engine.network, c, ref),
    }
    criteria, limit = request.filters(tests), request.query("limit") or 0
    ended_too = request.query("all") or limit > 0 or "status" in criteria
    newest_first = reversed(criteria.keep(every, tests))
    selected = [c for c in newest_first if ended_too or c.state in RUNNING]
    size = {"SizeRootFs": 0} if request.query("size") else {}
    return [
        {**summary(request, c), **dict.fromkeys(size, c.image.size_bytes)}
        for c in (selected[:limit] if limit > 0 else selected)
    ]


def summary(request: ApiRequest, c: Container) -> Json:
    return {
        "Id": c.id,
        "Names": [f"/{c.name}"],
        "Image": c.config.get("Image", ""),
        "ImageID": c.image.id,
        "Command": " ".join(c.argv),
        "Created": request.clock.to_unix_ns(c.created_ns) // S,
        "Ports": _ports(c),
        "Labels": labels_of(c),
        "State": c.status,
        "Status": status_text(request.engine.machine.simulation.now_ns, c),
        "HostConfig": {"NetworkMode": c.host_config.get("NetworkMode") or "bridge"},
        "NetworkSettings": {"Networks": container_networks.settings(request.engine.network, c)},
        "Mounts": [_mount(point) for point in c.mounts if point.listed],
    }


def _mount(point: MountPoint) -> Json:
    """Docker's MountPoint."""
    volume = point.kind == "volume"
    words = (
        word for word in point.mode.split(",") if word.endswith(("shared", "slave", "private"))
    )
    propagation = next(words, "rprivate")
    folder = f"/var/lib/docker/volumes/{point.source}/_data" if volume else point.source
    return {
        "Type": point.kind,
        **({"Name": point.source} if volume else {}),
        "Source": folder,
        "Destination": point.target,
        **({"Driver": "local"} if volume else {}),
        "Mode": point.mode,
        "RW": not point.read_only,
        "Propagation": propagation if point.kind == "bind" else "",
    }


# -- one container --------------------------------------------------------------------------------
def _state(request: ApiRequest, c: Container) -> Json:
    state = {
        "Status": c.status,
        "Running": c.state in RUNNING,
        "Paused": c.paused,
        "Restarting": c.state == "restarting",
        **dict.fromkeys(("OOMKilled", "Dead"), False),
        "Pid": c.pid,
        "ExitCode": c.exit_code,
        "Error": c.error,
        "StartedAt": wire.NEVER if c.started_ns is None else request.time(c.started_ns),
        "FinishedAt": wire.NEVER if c.finished_ns is None else request.time(c.finished_ns),
    }
    if c.health is not None:
        log = [
            {
                "Start": request.time(result.started_ns),
                "End": request.time(result.ended_ns),
                "ExitCode": result.exit_code,
                "Output": result.output,
            }
            for result in c.health.log
        ]
        streak = c.health.failing_streak
        state["Health"] = {"Status": c.health.status, "FailingStreak": streak, "Log": log}
    return state


def inspect(request: ApiRequest, ref: str) -> Any:
    c = request.engine.containers.get(ref)
    bindings = {
        port: [{"HostIp": ip, "HostPort": str(number)} for ip, number in bindings_of(c, port)]
        for port in c.ports
    }
    return {
        "Id": c.id,
        "Created": request.time(c.created_ns),
        "Path": "".join(c.argv[:1]),
        "Args": list(c.argv[1:]),
        "State": _state(request, c),
        "Image": c.image.id,
        "Name": f"/{c.name}",
        "RestartCount": c.restart_count,
        "Driver": "simulated",
        "Platform": "linux",
        "HostConfig": shown("HostConfig", c.host_config),
        "Mounts": [_mount(point) for point in c.mounts if point.listed],
        "Config": {
            **shown("ContainerConfigWrapper", c.config),
            "Hostname": c.hostname,
            "Cmd": c.config.get("Cmd") or c.image.config.get("Cmd"),
            "Entrypoint": c.option("Entrypoint"),
            "Env": c.env or None,
            "Labels": labels_of(c),
        },
        "NetworkSettings": container_networks.network_settings(request.engine.network, c, bindings),
    }


def create(request: ApiRequest) -> Any:
    config = freeze(request.body()).with_()
    platform, image = platforms.parse(request.query("platform")), config.get("Image") or ""
    if image in request.engine.images:
        platforms.check_machine(platform, image)
    if not image:
        raise BadParameter(
            "invalid reference format" if config.get("Cmd") else "no command specified"
        )
    check_cpus(config, request.engine.description)
    config = container_networks.with_mac_address(config)
    container_networks.check_create(request.engine.network, config)
    id = request.engine.containers.create(request.query("name"), config).id
    return {"Id": id, "Warnings": []}


def start(request: ApiRequest, ref: str) -> Any:
    container = request.engine.containers.get(ref)
    if not container.running:
        request.engine.restarts.started_by_user(container)
    call = request.engine.containers.start(container)
    return Response(status=304) if container.running else request.wait(call)


def _grace_ns(request: ApiRequest) -> int | None:
    seconds = request.query("t")
    return None if seconds is None else seconds * S


def stop(request: ApiRequest, ref: str) -> Any:
    container = request.engine.containers.get(ref)
    if container.state not in RUNNING:
        return Response(status=304)
    if container.state == "restarting":
        request.engine.restarts.cancel(container)
    return request.wait(request.engine.containers.stop(container, _grace_ns(request)))


def restart(request: ApiRequest, ref: str) -> None:
    containers = request.engine.containers
    request.wait(containers.restart(containers.get(ref), _grace_ns(request)))


def kill(request: ApiRequest, ref: str) -> None:
    container = request.engine.containers.get(ref)
    request.engine.containers.kill(container, request.query("signal") or "KILL")


def remove(request: ApiRequest, ref: str) -> None:
    container = request.engine.containers.get(ref)
    force, volumes = request.query("force"), request.query("v")
    request.engine.containers.remove(container, force=force, volumes=volumes)


def wait(request: ApiRequest, ref: str) -> Any:
    """Returns the exit code once the container has ended; the head is sent at once."""
    container = request.engine.containers.get(ref)
    will_end = container.running or request.query("condition") in ("next-exit", "removed")
    exited, containers = container.exited if will_end else None, request.engine.containers

    def pieces() -> Pieces:
        while exited and exited.waiting and request.alive():
            if containers.find(container.name) is not container:
                break  # it could not be started, and was to be removed then
            yield b""
        if request.alive():
            code = exited.value if exited and exited.done else container.exit_code
            yield json.dumps({"StatusCode": code}).encode() + b"\n"

    return streams.stream(pieces())


def logs(request: ApiRequest, ref: str) -> Any:
    container = request.engine.containers.get(ref)
    # One that has not started is waited for, if `until` is an end of that.
    states = (*RUNNING, "created") if request.query("until") else RUNNING
    return streams.log_stream(
        request,
        lambda: [(container, "")],
        lambda: container.state in states,
        tty=bool(container.config.get("Tty")),
        no_channel="Bad parameters: you must choose at least one stream",
        strict_tail=False,
    )


def attach(request: ApiRequest, ref: str) -> Any:
    """The container's output from now on, or with `logs` from its beginning, until it exits.

    What the client types is the container's input, if it has one.
    """
    containers, container = request.engine.containers, request.engine.containers.get(ref)
    keys = streams.detach_keys(request.query("detachKeys"), "detach")
    if container.paused:
        reason = "is paused, unpause the container before attach"
        raise Conflict(f"Container {ref} {reason}")
    raw = bool(container.config.get("Tty"))
    channels = [name for name in streams.CHANNELS if request.query(name)]
    follow = request.query("stream")
    exited = container.exited
    read_count = 0 if request.query("logs") else container.lines_count
    reads = bool(request.query("stdin")) and container.keyboard.input.open
    closes = bool(container.config.get("StdinOnce"))
    typing = streams.Conversation(container.keyboard, reads, closes, keys)
    containers.emit(container, "attach")

    def talk(receive: Receive) -> Pieces:
        nonlocal read_count
        while True:
            gone = containers.find(container.name) is not container
            ended = not follow or gone or exited.done or not request.alive()
            typing.listen(receive)
            unread_count, read_count = container.lines_count - read_count, container.lines_count
            for entry in list(container.logs)[max(0, len(container.logs) - unread_count) :]:
                if entry.stream in channels:
                    yield streams.frame(entry.stream, entry.data, tty=raw)
            if typing.detached:
                containers.emit(container, "detach")
            if ended or typing.detached:
                return
            yield typing.pause()

    return Hijack(talk, streams.content_type(raw), live=reads)


# -- exec: commands in running containers ---------------------------------------------------------
def exec_create(request: ApiRequest, ref: str) -> Any:
    containers, config = request.engine.containers, freeze(request.body()).with_()
    streams.detach_keys(config.get("DetachKeys") or "", "escape", EngineFault)
    return {"Id": containers.exec_create(containers.get(ref), config).id}


def exec_start(request: ApiRequest, ref: str) -> Any:
    instance, body = request.engine.containers.get_exec(ref), request.body()
    if instance.running or instance.exit_code is not None:
        raise Conflict(f"exec command {ref} has already run")
    if body.get("Detach"):
        instance.start()
        return None
    # Whether there is a terminal is up to `create`, whether output is framed up to `start`.
    terminal, raw = instance.keyboard.terminal, bool(body.get("Tty"))
    attach_stdin = bool(instance.config.get("AttachStdin"))

    keys = streams.detach_keys(instance.config.get("DetachKeys") or "", "escape")
    typing = streams.Conversation(instance.keyboard, attach_stdin, not terminal, keys)

    exit_code = instance.start()

    def talk(receive: Receive) -> Pieces:
        count = 0
        while True:
            ended = exit_code.done or not request.alive()
            typing.listen(receive)
            entries = instance.output[count:]
            count += len(entries)
            for entry in entries:
                yield streams.frame(entry.stream, entry.data, tty=raw)
            if typing.detached:
                instance.detach()
                why = b"exec attach failed: error on attach stdin: read escape sequence\r\n"
                yield streams.frame("stdout", why, tty=raw)
            if ended or typing.detached:
                return
            yield typing.pause()

    return Hijack(talk, streams.content_type(raw), live=attach_stdin)


def resize(request: ApiRequest, ref: str) -> None:
    """Simulated terminals have no size."""


def exec_inspect(request: ApiRequest, ref: str) -> Any:
    instance = request.engine.containers.get_exec(ref)
    command, *arguments = instance.config["Cmd"]
    tty = bool(instance.config.get("Tty"))
    return {
        "ID": instance.id,
        "ContainerID": instance.container.id,
        "Running": instance.running,
        "ExitCode": instance.exit_code,
        "OpenStdin": bool(instance.config.get("AttachStdin")),
        "ProcessConfig": {"tty": tty, "entrypoint": command, "arguments": arguments},
    }
