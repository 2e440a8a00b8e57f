"""One engine's containers: their lives, output, published ports, and commands run inside them.

`config` is the very document that `POST /containers/create` takes. What must outlive a power cut
lies on the disk; a container that was running is then found dead, exit code 255.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from swarmlab.errors import BadParameter, Conflict, EngineFault, EngineRefusal, NoSuchObject
from swarmlab.model import EMPTY, Document, freeze
from swarmlab.simulation import MS, Call, Machine, S, Timer
from swarmlab.worker.commands import File
from swarmlab.worker.health import Health, merged_check
from swarmlab.worker.images import Images
from swarmlab.worker.registry import PATH, Image
from swarmlab.worker.shell import SIGNALS, Process, is_executable

START_NS_MIN, START_NS_MAX, EXEC_NS = 250 * MS, 350 * MS, 20 * MS
STOP_TIMEOUT_NS = 10 * S
LOG_ENTRIES_MAX, EXECS_MAX = 5000, 200
DYNAMIC_PORT_MIN = 32768
FOLDER = "docker/containers/"


class LogEntry(NamedTuple):
    at_ns: int
    stream: str  # stdout, stderr
    data: bytes


class Container:
    """One container; `state` is created, running, exited or dead."""

    server_logs: tuple[str, ...]

    def __init__(
        self, containers: Containers, id: str, name: str, config: Document, image: Image
    ) -> None:
        self.containers, self.id, self.name, self.config, self.image = (
            containers, id, name, config, image,
        )  # fmt: skip
        self.machine = containers.machine
        self.created_ns = self.machine.simulation.now_ns
        self.state, self.exit_code, self.error, self.pid = "created", 0, "", 0
        self.started_ns: int | None = None
        self.finished_ns: int | None = None
        self.files = {"/etc/hostname": File(f"{self.hostname}\n".encode())}
        self.logs: deque[LogEntry] = deque(maxlen=LOG_ENTRIES_MAX)
        self.lines_count = 0  # ever written
        self.process: Process | None = None
        self.health: Health | None = None
        self.starting: Call | None = None
        self.exited = Call()  # answered with the exit code of the present or next run
        self.ports: dict[str, list[int]] = {}  # `80/tcp` -> host ports, while it runs
        self.watchers: list[Callable[[str], None]] = []  # told of each event's action
        self.server, self.server_logs = image.server, image.server_logs or ()

    # -- what it was asked to be -------------------------------------------------
    @property
    def running(self) -> bool:
        return self.state == "running"

    def option(self, key: str) -> Any:
        """A field of the create request, else of the image."""
        return self.config.get(key) or self.image.config.get(key)

    @property
    def hostname(self) -> str:
        return str(self.config.get("Hostname") or self.id[:12])

    @property
    def host_config(self) -> Document:
        found: Document = self.config.get("HostConfig") or Document()
        return found

    @property
    def argv(self) -> tuple[str, ...]:
        """Entry point and command; giving an entry point drops the image's command."""
        entrypoint, command = self.config.get("Entrypoint"), self.config.get("Cmd")
        if not entrypoint and not command:
            command = self.image.config.get("Cmd")
        if entrypoint is None:
            entrypoint = self.image.config.get("Entrypoint")
        return tuple(word for word in (*(entrypoint or ()), *(command or ())) if word)

    @property
    def environment(self) -> dict[str, str]:
        lines = [PATH, f"HOSTNAME={self.hostname}", *(self.image.config.get("Env") or ())]
        pairs = [line.partition("=") for line in (*lines, *(self.config.get("Env") or ()))]
        return {name: value for name, equals, value in pairs if equals}

    @property
    def uid(self) -> int:
        user = str(self.option("User") or "0").partition(":")[0]
        return int(user) if user.isdigit() else {"root": 0, "nobody": 65534}.get(user, 1000)

    @property
    def stop_signal(self) -> str:
        return signal_name(self.option("StopSignal") or "TERM")

    # -- what its process tells ----------------------------------------------------
    def wrote(self, stream: int, data: bytes) -> None:
        if self.config.get("Tty"):
            stream, data = 1, data.replace(b"\n", b"\r\n")
        self.containers.log(
            self, LogEntry(self.machine.simulation.now_ns, ("stdout", "stderr")[stream - 1], data)
        )

    def ended(self, code: int) -> None:
        self.containers.ended(self, code)


class Exec:
    """One command run in a container by `docker exec`."""

    def __init__(self, container: Container, id: str, config: Document) -> None:
        self.container, self.id, self.config = container, id, config
        self.output: list[LogEntry] = []
        self.process: Process | None = None
        self.running = False
        self.exit_code: int | None = None
        self.answer = Call()

    def wrote(self, stream: int, data: bytes) -> None:
        now_ns = self.container.machine.simulation.now_ns
        self.output.append(LogEntry(now_ns, ("stdout", "stderr")[stream - 1], data))

    def ended(self, code: int) -> None:
        self.running, self.exit_code = False, code
        self.container.containers.event(
            self.container, "exec_die", execID=self.id, exitCode=str(code)
        )
        self.answer.resolve(code)


class Containers:
    """All of one engine; `on_event` and `on_log` hear what happens in them."""

    def __init__(self, machine: Machine, images: Images) -> None:
        self.machine, self.images = machine, images
        self.on_event: Callable[[str, Container, dict[str, str]], None] | None = None
        self.on_log: Callable[[Container, LogEntry], None] | None = None
        self._by_id: dict[str, Container] = {}
        self._id_of: dict[str, str] = {}  # name -> id
        self._port_holders: dict[tuple[int, str], str] = {}  # (host port, protocol) -> id
        self.execs: dict[str, Exec] = {}
        for name in machine.disk.names(FOLDER):
            if name.endswith(".json"):
                self._load(freeze(json.loads(machine.disk.read(name))))

    # -- disk --------------------------------------------------------------------
    def _save(self, container: Container) -> None:
        kept = ("id", "name", "config", "created_ns", "state", "exit_code", "error", "started_ns",
                "finished_ns")  # fmt: skip
        saved = {key: getattr(container, key) for key in kept}
        saved["image"] = container.image.id
        name = f"{FOLDER}{container.id}.json"
        self.machine.disk.write(name, json.dumps(saved).encode())

    def _load(self, saved: Document) -> None:
        image = self.images.get(saved["image"]) if saved["image"] in self.images else Image(id="")
        container = Container(self, saved["id"], saved["name"], saved["config"], image)
        for key in ("created_ns", "state", "exit_code", "error", "started_ns", "finished_ns"):
            setattr(container, key, saved[key])
        self._by_id[container.id] = container
        self._id_of[container.name] = container.id
        log = f"{FOLDER}{container.id}.log"
        lines = self.machine.disk.read(log).split(b"\n")[:-1] if log in self.machine.disk else []
        for at_ns, stream, data in map(json.loads, lines):
            container.logs.append(LogEntry(at_ns, stream, data.encode("latin-1")))
        if container.running:
            container.state, container.exit_code = "exited", 255
            container.finished_ns = self.machine.simulation.now_ns
            self._save(container)

    def log(self, container: Container, entry: LogEntry) -> None:
        container.logs.append(entry)
        container.lines_count += 1
        name = f"{FOLDER}{container.id}.log"
        new = container.logs if container.lines_count % LOG_ENTRIES_MAX == 0 else [entry]
        lines = [json.dumps([e.at_ns, e.stream, e.data.decode("latin-1")]) + "\n" for e in new]
        if len(new) > 1:
            self.machine.disk.write(name, "".join(lines).encode())
        else:
            self.machine.disk.append(name, lines[0].encode())
        if self.on_log:
            self.on_log(container, entry)

    # -- finding -------------------------------------------------------------------
    def all(self) -> list[Container]:
        """Oldest first."""
        return list(self._by_id.values())

    def get(self, reference: str) -> Container:
        """By id, name or unique beginning of an id."""
        id = self._id_of.get(reference.removeprefix("/"), reference)
        if id in self._by_id:
            return self._by_id[id]
        found = [c for key, c in self._by_id.items() if reference and key.startswith(reference)]
        if len(found) > 1:
            raise EngineFault(f"multiple IDs found with provided prefix: {reference}")
        if not found:
            raise NoSuchObject(f"No such container: {reference}")
        return found[0]

    def find(self, name: str) -> Container | None:
        """The container of exactly this name."""
        return self._by_id.get(self._id_of.get(name, ""))

    def event(self, container: Container, action: str, **attributes: str) -> None:
        if self.on_event:
            self.on_event(action, container, attributes)
        for watcher in list(container.watchers):
            watcher(action)

    # -- life ------------------------------------------------------------------------
    def create(self, name: str, config: Document) -> Container:
        """A new container; without a name it gets a random one."""
        id = self.machine.simulation.random_bytes(32).hex()
        name = name.removeprefix("/") or f"{ADJECTIVES[int(id[0], 16)]}_{PEOPLE[int(id[1], 16)]}"
        if not re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+", name):
            allowed = "only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"
            raise BadParameter(f"Invalid container name ({name}), {allowed}")
        if name in self._id_of:
            raise Conflict(
                f'Conflict. The container name "/{name}" is already in use by container '
                f'"{self._id_of[name]}". You have to remove (or rename) that container to be able '
                "to reuse that name."
            )
        image = self.images.get(config.get("Image", ""))
        container = Container(self, id, name, config, image)
        if not container.argv:
            raise BadParameter("no command specified")
        self._by_id[id] = container
        self._id_of[name] = id
        self._save(container)
        self.event(container, "create")
        return container

    def start(self, container: Container) -> Call:
        """Answered once its process runs, or failed with the engine's words."""
        if container.running:
            return Call().resolve()
        if container.starting is None:
            container.starting = Call()
            delay_ns = self.machine.simulation.rng.randint(START_NS_MIN, START_NS_MAX)
            self.machine.after(delay_ns, self._start, container)
        return container.starting

    def _start(self, container: Container) -> None:
        answer, container.starting = container.starting, None
        if answer is None or container.id not in self._by_id:
            return
        try:
            self._check_executable(container)
            self._take_ports(container)
        except EngineRefusal as error:
            container.exit_code = 127 if isinstance(error, BadParameter) else 128
            container.error = str(error)
            self._save(container)
            answer.fail(error)
            return
        simulation = self.machine.simulation
        container.state, container.exit_code, container.error = "running", 0, ""
        container.started_ns, container.finished_ns = simulation.now_ns, None
        container.pid = simulation.rng.randint(1000, 32000)
        container.exited = Call() if container.exited.done else container.exited
        self._save(container)
        container.process = self._process(container, container, container.argv, first=True)
        check = merged_check(
            container.config.get("Healthcheck"), container.image.config.get("Healthcheck")
        )
        container.health = Health(container, check) if check else None
        self.event(container, "start")
        answer.resolve()
        container.process.run()

    def _process(
        self, container: Container, owner: Container | Exec, argv: tuple[str, ...], **more: Any
    ) -> Process:
        config, environment = container.config, container.environment
        if isinstance(owner, Exec):
            config = owner.config
            environment.update(line.partition("=")[::2] for line in config.get("Env") or ())
        more["first"] = more.get("first") and not container.host_config.get("Init")
        return Process(
            container,
            owner,
            argv,
            environment,
            directory=config.get("WorkingDir") or container.option("WorkingDir") or "/",
            uid=container.uid,
            interactive=bool(config.get("Tty") or config.get("OpenStdin")),
            **more,
        )

    def _check_executable(self, container: Container) -> None:
        name = container.argv[0]
        if not is_executable(container, name):
            reason = "executable file not found in $PATH"
            if "/" in name:
                reason = f"stat {name}: no such file or directory"
            raise BadParameter(
                "failed to create task for container: failed to create shim task: OCI runtime "
                "create failed: runc create failed: unable to start container process: "
                f'exec: "{name}": {reason}: unknown'
            )

    def _take_ports(self, container: Container) -> None:
        wanted: dict[str, list[int]] = {}
        taken: dict[tuple[int, str], str] = {}
        for port, bindings in (container.host_config.get("PortBindings") or {}).items():
            protocol = port.partition("/")[2] or "tcp"
            for binding in bindings or (EMPTY,):
                number = int(binding.get("HostPort") or 0) or DYNAMIC_PORT_MIN
                if not binding.get("HostPort"):
                    while (number, protocol) in {**self._port_holders, **taken}:
                        number += 1
                if (number, protocol) in self._port_holders:
                    raise EngineFault(
                        "driver failed programming external connectivity on endpoint "
                        f"{container.name} ({container.id[::-1]}): Bind for 0.0.0.0:{number} "
                        "failed: port is already allocated"
                    )
                taken[number, protocol] = container.id
                wanted.setdefault(port, []).append(number)
        self._port_holders.update(taken)
        container.ports = wanted

    def ended(self, container: Container, code: int) -> None:
        """Its process has ended."""
        container.state, container.exit_code, container.pid = "exited", code, 0
        container.finished_ns = self.machine.simulation.now_ns
        container.process, container.ports = None, {}
        holders = self._port_holders.items()
        self._port_holders = {port: id for port, id in holders if id != container.id}
        if container.health:
            container.health.stop()
        for running in self.execs.values():
            if running.container is container and running.process and running.running:
                running.process.signal("KILL")
        self._save(container)
        self.event(container, "die", exitCode=str(code))
        container.exited.resolve(code)
        if container.host_config.get("AutoRemove"):
            self.remove(container)

    def kill(self, container: Container, signal: str = "KILL") -> None:
        name = signal_name(signal)
        if container.process is None:
            reason = f"container {container.id} is not running"
            raise Conflict(f"cannot kill container: {container.name}: {reason}")
        self.event(container, "kill", signal=str(SIGNALS[name]))
        container.process.signal(name)

    def stop(self, container: Container, grace_ns: int | None = None) -> Call:
        """The stop signal, then KILL after the grace; answered when it has stopped."""
        answer = Call()
        if not container.running:
            return answer.resolve()
        if grace_ns is None:
            seconds = container.config.get("StopTimeout")
            grace_ns = STOP_TIMEOUT_NS if seconds is None else seconds * S
        exited = container.exited
        timer = (
            self.machine.after(grace_ns, self._out_of_grace, container) if grace_ns >= 0 else None
        )
        exited.then(self._stopped, container, timer, answer)
        self.kill(container, container.stop_signal)
        return answer

    def _out_of_grace(self, container: Container) -> None:
        if container.running:
            self.kill(container)

    def _stopped(self, _: Call, container: Container, timer: Timer | None, answer: Call) -> None:
        if timer:
            timer.cancel()
        self.event(container, "stop")
        answer.resolve()

    def restart(self, container: Container, grace_ns: int | None = None) -> Call:
        answer = Call()
        self.stop(container, grace_ns).then(self._restart, container, answer)
        return answer

    def _restart(self, _: Call, container: Container, answer: Call) -> None:
        self.start(container).then(self._restarted, container, answer)

    def _restarted(self, started: Call, container: Container, answer: Call) -> None:
        self.event(container, "restart")
        answer.follow(started)

    def remove(self, container: Container, *, force: bool = False) -> None:
        if container.process and not force:
            reason = "container is running: stop the container before removing or force remove"
            raise Conflict(f'cannot remove container "/{container.name}": {reason}')
        if container.process:
            self.kill(container)
        if self._by_id.pop(container.id, None):
            del self._id_of[container.name]
            self.machine.disk.delete(f"{FOLDER}{container.id}")
            self.event(container, "destroy")

    def shutdown(self) -> None:
        """The engine stops in order: servers end well, what takes no notice is killed."""
        for container in self.all():
            if container.process:
                container.process.end(0 if container.process.serving else 137)

    # -- commands inside -----------------------------------------------------------
    def exec_create(self, container: Container, config: Document) -> Exec:
        if not container.running:
            raise Conflict(f"container {container.id} is not running")
        if not config.get("Cmd"):
            raise BadParameter("no exec command specified")
        made = Exec(container, self.machine.simulation.random_bytes(32).hex(), config)
        self.execs[made.id] = made
        if len(self.execs) > EXECS_MAX:
            del self.execs[next(iter(self.execs))]
        self.event(container, f"exec_create: {' '.join(config['Cmd'])}", execID=made.id)
        return made

    def exec_start(self, id: str, stdin: bytes = b"") -> Call:
        """Answered with the exit code; what it wrote is in its `output`."""
        made = self.execs.get(id)
        if made is None:
            raise NoSuchObject(f"No such exec instance: {id}")
        if made.running or made.exit_code is not None:
            raise Conflict(f"exec command {id} has already run")
        made.running = True
        argv = tuple(made.config["Cmd"])
        self.event(made.container, f"exec_start: {' '.join(argv)}", execID=id)
        made.process = self._process(made.container, made, argv, stdin=stdin)
        self.machine.after(EXEC_NS, self._exec, made, argv[0])
        return made.answer

    def _exec(self, made: Exec, name: str) -> None:
        if made.process and not is_executable(made.container, name):
            made.wrote(1, (exec_error(name) + "\r\n").encode())
            made.process.end(127)
        elif made.process:
            made.process.run()


def exec_error(name: str) -> str:
    reason = f'exec: "{name}": executable file not found in $PATH: unknown'
    return f"OCI runtime exec failed: exec failed: unable to start container process: {reason}"


def signal_name(signal: str) -> str:
    """`SIGTERM`, `term` or `15` as `TERM`."""
    name = signal.upper().removeprefix("SIG")
    name = next((known for known, number in SIGNALS.items() if str(number) == name), name)
    if name not in SIGNALS:
        raise BadParameter(f"invalid signal: {signal}")
    return name


ADJECTIVES = ("agile", "bold", "calm", "deft", "eager", "fair", "glad", "happy", "keen", "lucid",
              "merry", "noble", "proud", "quick", "sharp", "wise")  # fmt: skip
PEOPLE = ("babbage", "curie", "dijkstra", "euler", "franklin", "gauss", "hopper", "joliot", "knuth",
          "lamport", "lovelace", "meitner", "noether", "ongaro", "ramanujan", "turing")  # fmt: skip
