"""All containers of one engine: create, start, stop, kill, restart, remove, exec, host ports.

Containers are stored on the disk; those running when the machine crashes have then exited with 255.
Source: moby daemon/{create,start,stop,kill,restart,delete,exec,monitor}.go.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable, Iterable, MutableMapping
from itertools import count
from operator import attrgetter
from typing import Protocol

from swarmlab.errors import (
    BadParameter,
    Conflict,
    EngineFault,
    EngineRefusal,
    NoSuchObject,
    SwarmError,
)
from swarmlab.model import EMPTY, Document
from swarmlab.programs.connections import Loopback, NodeNetwork
from swarmlab.programs.file_system import File, MountPoint
from swarmlab.programs.shell.builtins import exec_error
from swarmlab.simulation import MS, Call, Machine, S
from swarmlab.worker.container import FOLDER, Container, Exec, LogEntry
from swarmlab.worker.container_checks import SIGNALS, signal_name
from swarmlab.worker.health import Health, merged_check
from swarmlab.worker.images import Images
from swarmlab.worker.keyboard import Keyboard

__all__ = ["ADJECTIVES", "PEOPLE", "Container", "Containers", "Exec", "LogEntry"]

START_NS_MIN, START_NS_MAX = 250 * MS, 350 * MS
STOP_TIMEOUT_NS = 10 * S
EXECS_MAX = 200
DYNAMIC_PORT_MIN = 32768
ADJECTIVES = ("agile", "bold", "calm", "deft", "eager", "fair", "glad", "happy", "keen", "lucid",
              "merry", "noble", "proud", "quick", "sharp", "wise")  # fmt: skip
PEOPLE = ("babbage", "curie", "dijkstra", "euler", "franklin", "gauss", "hopper", "joliot", "knuth",
          "lamport", "lovelace", "meitner", "noether", "ongaro", "ramanujan", "turing")  # fmt: skip


class VolumeStore(Protocol):
    """The volumes of the engine, as containers need them."""

    def mount_points(
        self,
        config: Document,
        image_config: Document,
        container_id: str,
        mounts_of: Callable[[str], Iterable[MountPoint]],
    ) -> tuple[MountPoint, ...]:
        """What a new container mounts, also of others (`mounts_of`); missing volumes are made."""

    def files(self, point: MountPoint) -> MutableMapping[str, File]:
        """What is mounted there."""

    def remove(self, name: str) -> None: ...

    def emit(self, action: str, name: str, **attributes: str) -> None:
        """Report an event of this volume."""


class Containers:
    """`on_event(action, container, attributes)` is called with each event.

    `check` refuses the body of a create request that is not valid.
    """

    def __init__(
        self,
        machine: Machine,
        images: Images,
        volumes: VolumeStore,
        check: Callable[[Document], None],
    ) -> None:
        self.machine = machine
        self.images = images
        self.network: NodeNetwork = Loopback()
        self.volumes = volumes
        self._check = check
        self.on_event: Callable[[str, Container, dict[str, str]], None] | None = None
        self.execs: dict[str, Exec] = {}  # the latest, by id
        self._by_id: dict[str, Container] = {}
        self._by_name: dict[str, Container] = {}
        names = [name for name in machine.disk.names(FOLDER) if not name.endswith(".log")]
        loaded = [Container.load(self, pickle.loads(machine.disk.read(name))) for name in names]
        for container in sorted(loaded, key=attrgetter("created_ns", "id")):
            self._by_id[container.id] = self._by_name[container.name] = container

    # -- look-up -------------------------------------------------------------------
    def all(self) -> list[Container]:
        """Oldest first."""
        return list(self._by_id.values())

    def find(self, name: str) -> Container | None:
        """The container of exactly this name."""
        return self._by_name.get(name)

    def get(self, reference: str) -> Container:
        """By id, name or unique prefix of an id."""
        exact = self._by_id.get(reference) or self.find(reference.removeprefix("/"))
        if exact:
            return exact
        matching = [c for id, c in self._by_id.items() if reference and id.startswith(reference)]
        if len(matching) > 1:
            raise EngineFault(f"multiple IDs found with provided prefix: {reference}")
        if not matching:
            raise NoSuchObject(f"No such container: {reference}")
        return matching[0]

    def emit(self, container: Container, action: str, **attributes: str) -> None:
        if self.on_event:
            labels = container.option("Labels") or {}
            names = {"name": container.name, "image": container.config.get("Image", "")}
            self.on_event(action, container, {**labels, **names, **attributes})
        if container.watcher:
            container.watcher(action)

    # -- life cycle ------------------------------------------------------------------------
    def create(self, name: str, config: Document) -> Container:
        """Create a container; without a name it gets a random one."""
        id = self.machine.simulation.random_bytes(32).hex()
        name = name.removeprefix("/") or self._free_name(id)
        self.check_name(name)
        self._check(config)
        image = self.images.get(config.get("Image", ""))
        mounts = self.volumes.mount_points(config, image.config, id, self._mounts_of)
        container = Container(self, id, name, config, image, mounts)
        if not container.argv:
            raise BadParameter("no command specified")
        self._by_id[id] = self._by_name[name] = container
        container.save()
        self.emit(container, "create")
        return container

    def check_name(self, name: str, prefix: str = "", shown: str = "") -> None:
        """Refuse a name that is not valid, or in use."""
        if not re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+", name):
            allowed = "only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"
            raise BadParameter(f"{prefix}Invalid container name ({shown or name}), {allowed}")
        if other := self.find(name):
            raise Conflict(
                f'{prefix}Conflict. The container name "/{name}" is already in use by container '
                f'"{other.id}". You have to remove (or rename) that container to be able '
                "to reuse that name."
            )

    def rename(self, container: Container, name: str) -> None:
        """`name` has been checked."""
        del self._by_name[container.name]
        self._by_name[name] = container
        container.name = name
        container.save()

    def _mounts_of(self, reference: str) -> tuple[MountPoint, ...]:
        return self.get(reference).mounts

    def _free_name(self, id: str) -> str:
        """Two words, and a number if that name is in use."""
        name = f"{ADJECTIVES[int(id[0], 16)]}_{PEOPLE[int(id[1], 16)]}"
        names = (f"{name}{number or ''}" for number in count())
        return next(name for name in names if self.find(name) is None)

    def start(self, container: Container) -> Call:
        """Resolved once its process runs; fails with the engine's message."""
        if container.paused:
            raise Conflict("cannot start a paused container, try unpause instead")
        if container.running:
            return Call().resolve()
        if container.starting is None:
            container.starting = Call()
            delay_ns = self.machine.simulation.rng.randint(START_NS_MIN, START_NS_MAX)
            self.machine.after(delay_ns, self._start, container, container.starting)
        return container.starting

    def _start(self, container: Container, result: Call) -> None:
        container.starting = None
        if container.id not in self._by_id:
            result.fail(NoSuchObject(f"No such container: {container.id}"))
            return
        try:
            if error := exec_error(container, container.argv[0], container.user()):
                raise BadParameter(
                    "failed to create task for container: failed to create shim task: OCI runtime "
                    f"create failed: runc create failed: {error}"
                )
            container.ports = self._host_ports(container)
        except EngineRefusal as error:
            self._start_failed(container, error, result)
        else:
            self.network.join(container).then(self._joined, container, result)

    def _joined(self, joined: Call, container: Container, result: Call) -> None:
        if joined.error:
            self._start_failed(container, joined.error, result)
        else:
            self._run(container, result)

    def _start_failed(self, container: Container, error: SwarmError, result: Call) -> None:
        container.exit_code = 127 if isinstance(error, BadParameter) else 128
        container.error, container.ports = str(error), {}
        if container.id in self._by_id:  # and not removed meanwhile
            container.save()
        result.fail(error)
        if container.host_config.get("AutoRemove"):
            self.remove(container, volumes=True)

    def _host_ports(self, container: Container) -> dict[str, list[int]]:
        """Host ports for each container port: those requested, or else the next free ones."""
        bound: dict[str, list[int]] = {}
        wanted = dict(container.host_config.get("PortBindings") or EMPTY)
        if container.host_config.get("PublishAllPorts"):
            exposed = (container.image.config, container.config)
            for port in sorted({p for part in exposed for p in part.get("ExposedPorts") or ()}):
                wanted.setdefault(port, ())
        if not wanted:
            return bound
        used = {(number, port.partition("/")[2] or "tcp") for other in self._by_id.values()
                for port, numbers in other.ports.items() for number in numbers}  # fmt: skip
        for port, bindings in wanted.items():
            protocol = port.partition("/")[2] or "tcp"
            for binding in bindings or (EMPTY,):
                number = int((binding.get("HostPort") or "0").partition("-")[0])
                if number and (number, protocol) in used:
                    raise EngineFault(
                        "driver failed programming external connectivity on endpoint "
                        f"{container.name} ({container.id[::-1]}): Bind for 0.0.0.0:{number} "
                        "failed: port is already allocated"
                    )
                if not number:
                    number = DYNAMIC_PORT_MIN
                    while (number, protocol) in used:
                        number += 1
                used.add((number, protocol))
                bound[port] = [*bound.get(port, ()), number]
        return bound

    def _run(self, container: Container, result: Call) -> None:
        simulation = self.machine.simulation
        container.state, container.exit_code, container.error = "running", 0, ""
        container.started_ns, container.finished_ns = simulation.now_ns, None
        container.pid = simulation.rng.randint(1000, 32000)
        for point in container.mounts:
            container.files.mount(point, self.volumes.files(point))
            if point.kind == "volume":
                used = {"container": container.id, "destination": point.target, "propagation": ""}
                used["read/write"] = str(not point.read_only).lower()
                self.volumes.emit("mount", point.source, **used)
        first = not container.host_config.get("Init")
        process = container.spawn(
            container, container.argv, container.config,
            first=first, stdin=container.keyboard.input,
        )  # fmt: skip
        container.process = process
        check = merged_check(
            container.config.get("Healthcheck"), container.image.config.get("Healthcheck")
        )
        container.health = Health(container, check) if check else None
        container.save()
        self.emit(container, "start")
        result.resolve()
        self.network.changed()
        process.run()

    def on_exit(self, container: Container, code: int) -> None:
        """The main process exited, and with it all other processes of the container."""
        container.state, container.exit_code, container.pid = "exited", code, 0
        container.finished_ns = self.machine.simulation.now_ns
        container.process, container.ports = None, {}
        self.network.leave(container)
        for point in container.mounts:
            if point.kind == "volume":
                self.volumes.emit("unmount", point.source, container=container.id)
        if container.health:
            container.health.stop()
        for command in self.execs.values():
            if command.container is container and command.process:
                command.process.signal("KILL")
        container.paused = False
        container.save()
        run_s = (container.finished_ns - (container.started_ns or 0)) // S
        self.emit(container, "die", exitCode=str(code), execDuration=str(run_s))
        exited, container.exited = container.exited, Call()
        exited.resolve(code)
        container.keyboard = Keyboard.of(container, container.config, "OpenStdin")
        if container.host_config.get("AutoRemove"):
            self.remove(container, volumes=True)

    def set_paused(self, container: Container, *, paused: bool) -> None:
        """Freeze all processes, or let them go on."""
        container.paused = paused
        commands = [c.process for c in self.execs.values() if c.container is container]
        for process in filter(None, (container.process, *commands)):
            process.freeze() if paused else process.thaw()
        if container.health:
            container.health.stop() if paused else container.health.schedule()
        self.emit(container, "pause" if paused else "unpause")

    def kill(self, container: Container, signal: str = "KILL") -> None:
        name = signal_name(signal)
        if container.process is None:
            reason = f"container {container.id} is not running"
            raise Conflict(f"cannot kill container: {container.name}: {reason}")
        self.emit(container, "kill", signal=str(SIGNALS[name]))
        process = container.process
        if container.paused:
            self.set_paused(container, paused=False)
        process.signal(name)

    def stop(self, container: Container, grace_ns: int | None = None) -> Call:
        """The stop signal, then KILL after the grace (negative: never); resolved when it exited."""
        result, exited = Call(), container.exited
        if not container.running:
            return result.resolve()
        if grace_ns is None:
            seconds = container.config.get("StopTimeout")
            grace_ns = STOP_TIMEOUT_NS if seconds is None else seconds * S
        if grace_ns >= 0:
            self.machine.after(grace_ns, self._grace_over, container, exited)
        exited.then(self._stopped, container, result)
        self.kill(container, container.option("StopSignal") or "TERM")
        return result

    def _grace_over(self, container: Container, exited: Call) -> None:
        if exited.waiting:
            self.kill(container)

    def _stopped(self, _: Call, container: Container, result: Call) -> None:
        self.emit(container, "stop")
        result.resolve()

    def restart(self, container: Container, grace_ns: int | None = None) -> Call:
        result = Call()
        self.stop(container, grace_ns).then(self._restart, container, result)
        return result

    def _restart(self, _: Call, container: Container, result: Call) -> None:
        self.start(container).then(self._restarted, container, result)

    def _restarted(self, started: Call, container: Container, result: Call) -> None:
        self.emit(container, "restart")
        result.follow(started)

    def remove(self, container: Container, *, force: bool = False, volumes: bool = False) -> None:
        """Remove a container, and with `volumes` its anonymous volumes, unless others use them."""
        if container.paused and not force:
            reason = "container is paused and must be unpaused first"
            raise Conflict(f'cannot remove container "/{container.name}": {reason}')
        if (container.process or container.state == "restarting") and not force:
            way = "stop the container before removing or force remove"
            reason = f"container is {container.state}: {way}"
            raise Conflict(f'cannot remove container "/{container.name}": {reason}')
        if container.process:
            self.kill(container)
        if self._by_id.pop(container.id, None):
            del self._by_name[container.name]
            self.machine.disk.delete(f"{FOLDER}{container.id}")
            self.network.leave(container)
            self.emit(container, "destroy")
            used = dict(self.users())
            for point in container.mounts if volumes else ():
                if point.anonymous and point.source not in used:
                    self.volumes.remove(point.source)

    def users(self) -> list[tuple[str, str]]:
        """Each volume that a container mounts, with the container's id."""
        return [(p.source, c.id) for c in self.all() for p in c.mounts if p.kind == "volume"]

    def shutdown(self) -> None:
        """An orderly stop of the engine: servers exit with 0, all others are killed."""
        for container in self.all():
            if container.process:
                container.process.end(0 if container.process.serving else 137)

    # -- exec -----------------------------------------------------------
    def exec_create(self, container: Container, config: Document) -> Exec:
        if not container.running:
            raise Conflict(f"container {container.id} is not running")
        if container.paused:
            reason = "is paused, unpause the container before exec"
            raise Conflict(f"Container {container.name} {reason}")
        if not config.get("Cmd"):
            raise BadParameter("no exec command specified")
        command = Exec(container, self.machine.simulation.random_bytes(32).hex(), config)
        self.execs[command.id] = command
        if len(self.execs) > EXECS_MAX:
            del self.execs[next(iter(self.execs))]
        self.emit(container, f"exec_create: {command.line}", execID=command.id)
        return command

    def get_exec(self, id: str) -> Exec:
        if id not in self.execs:
            raise NoSuchObject(f"No such exec instance: {id}")
        return self.execs[id]
