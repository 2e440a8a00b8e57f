"""One container, its processes, output and files; and the commands executed inside it.

Source: moby daemon/container, daemon/exec.go.
"""

from __future__ import annotations

import json
import pickle
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from swarmlab.model import EMPTY, Document
from swarmlab.programs.base_files import base_files, find_user
from swarmlab.programs.connections import ContainerNetwork
from swarmlab.programs.file_system import FileSystem, MountPoint, User
from swarmlab.programs.shell.builtins import exec_error
from swarmlab.programs.shell.interpreter import Owner
from swarmlab.simulation import MS, Call, Machine
from swarmlab.worker.keyboard import Keyboard
from swarmlab.worker.process import Process
from swarmlab.worker.registry import PATH, Image

if TYPE_CHECKING:
    from swarmlab.worker.containers import Containers
    from swarmlab.worker.health import Health

LOG_ENTRIES_MAX = 5000
EXEC_NS = 20 * MS  # the time `docker exec` needs to start a command
STREAMS = ("stdin", "stdout", "stderr")
FOLDER = "docker/containers/"
SAVED_FIELDS = ("id", "name", "config", "image", "mounts", "created_ns", "state", "exit_code",
                "error", "started_ns", "finished_ns", "ended_by_user", "restart_count")  # fmt: skip


class LogEntry(NamedTuple):
    at_ns: int
    stream: str  # stdout, stderr
    data: bytes

    @classmethod
    def of(cls, machine: Machine, config: Document, stream: int, data: bytes) -> LogEntry:
        """What a process has written; a terminal shows both streams as one."""
        if config.get("Tty"):
            stream, data = 1, data.replace(b"\n", b"\r\n")
        return cls(machine.simulation.now_ns, STREAMS[stream], data)

    def line(self) -> bytes:
        """The entry as one line of the log file."""
        return json.dumps([self.at_ns, self.stream, self.data.decode("latin-1")]).encode() + b"\n"


@dataclass(eq=False, repr=False)
class Container:
    """`config` is the body of `POST /containers/create`."""

    containers: Containers
    id: str
    name: str
    config: Document
    image: Image
    mounts: tuple[MountPoint, ...] = ()

    def __post_init__(self) -> None:
        self.machine = self.containers.machine
        self.server, self.server_logs = self.image.server, self.image.server_logs or ()
        self.created_ns = self.machine.simulation.now_ns
        self.state = "created"  # then running, restarting, exited
        self.paused = False
        self.ended_by_user = False  # by stop or kill: `unless-stopped` then starts it no more
        self.restart_count = 0  # by its restart policy, since a user started it
        self.exit_code = 0
        self.error = ""  # why it could not be started
        self.pid = 0
        self.started_ns: int | None = None
        self.finished_ns: int | None = None
        self.any_command, self.site = self.image.any_command, self.image.site
        self._files: FileSystem | None = None  # made when it is first looked at
        self.logs: deque[LogEntry] = deque(maxlen=LOG_ENTRIES_MAX)
        self.lines_count = 0  # of all entries ever written
        self.process: Process | None = None
        self.health: Health | None = None
        self.starting: Call | None = None
        self.exited = Call()  # resolves to the exit code of the current or next run
        self.keyboard = Keyboard.of(self, self.config, "OpenStdin")
        self.ports: dict[str, list[int]] = {}  # `80/tcp` -> host ports, while it runs
        self.watcher: Callable[[str], None] | None = None  # called with the action of each event

    @property
    def running(self) -> bool:
        return self.state == "running"

    @property
    def files(self) -> FileSystem:
        if self._files is None:
            self._files = self.new_files()
        return self._files

    def new_files(self) -> FileSystem:
        """What its file system begins with."""
        name = str(self.image.config.get("User") or self.server).partition(":")[0]
        read_only = bool(self.host_config.get("ReadonlyRootfs"))
        users = [name] if name.isidentifier() else []
        return base_files(self.hostname, users, read_only=read_only)

    def user(self, config: Document = EMPTY) -> User:
        """The user of a process; raises EngineFault if there is none of that name."""
        text = str(config.get("User") or self.option("User") or "")
        return find_user(self.files, text) if text else User()

    @property
    def network(self) -> ContainerNetwork:
        return self.containers.network

    def listens(self, port: int) -> bool:
        """Whether its server runs, on a port that the image exposes; if it names none, on any."""
        if self.process and port in self.process.ports:
            return True
        exposed = self.image.config.get("ExposedPorts") or {f"{port}/tcp": None}
        serving = self.process is not None and self.process.serving
        return serving and any(name.partition("/")[0] == str(port) for name in exposed)

    @property
    def status(self) -> str:
        """Docker's word for its state."""
        return "paused" if self.paused else self.state

    def option(self, key: str) -> Any:
        """A field of the create request, or else of the image."""
        return self.config.get(key) or self.image.config.get(key)

    @property
    def hostname(self) -> str:
        return str(self.config.get("Hostname") or self.id[:12])

    @property
    def host_config(self) -> Document:
        host_config: Document = self.config.get("HostConfig") or EMPTY
        return host_config

    @property
    def argv(self) -> tuple[str, ...]:
        """Entry point and command; an entry point in the request discards the image's command."""
        entrypoint, command = self.config.get("Entrypoint"), self.config.get("Cmd")
        if not entrypoint and not command:
            command = self.image.config.get("Cmd")
        if entrypoint is None:
            entrypoint = self.image.config.get("Entrypoint")
        return tuple(word for word in (*(entrypoint or ()), *(command or ())) if word)

    @property
    def environment(self) -> dict[str, str]:
        pairs = [line.partition("=") for line in (PATH, f"HOSTNAME={self.hostname}", *self.env)]
        return {name: value for name, equals, value in pairs if equals}

    @property
    def env(self) -> list[str]:
        """Docker's Config.Env: the request's lines, then those of the image with other names."""
        own = list(self.config.get("Env") or ())
        names = {line.partition("=")[0] for line in own}
        image = self.image.config.get("Env") or ()
        return [*own, *(line for line in image if line.partition("=")[0] not in names)]

    def spawn(
        self, owner: Owner, argv: tuple[str, ...], config: Document, **options: Any
    ) -> Process:
        """A new process in this container; `config` is the container's own or that of an exec."""
        pairs = [line.partition("=")[::2] for line in config.get("Env") or ()]
        user = self.user(config)
        return Process(
            self,
            owner,
            argv,
            {**self.environment, "HOME": "/" if user.uid else "/root", **dict(pairs)},
            directory=config.get("WorkingDir") or self.option("WorkingDir") or "/",
            uid=user.uid,
            gid=user.gid,
            terminal=bool(config.get("Tty")),
            **options,
        )

    # -- disk --------------------------------------------------------------------
    def save(self) -> None:
        saved = {key: getattr(self, key) for key in SAVED_FIELDS}
        self.machine.disk.write(f"{FOLDER}{self.id}", pickle.dumps(saved))

    @classmethod
    def load(cls, containers: Containers, saved: dict[str, Any]) -> Container:
        """The container as a crash of the machine left it; one that was running has exited."""
        container = cls(containers, *(saved[key] for key in SAVED_FIELDS[:5]))
        vars(container).update(saved)
        disk, file = container.machine.disk, f"{FOLDER}{container.id}.log"
        if file in disk:
            content = disk.read(file)
            content = content[: content.rfind(b"\n") + 1]  # the last line may be incomplete
            disk.write(file, content)
            for at_ns, stream, data in map(json.loads, content.splitlines()):
                container.logs.append(LogEntry(at_ns, stream, data.encode("latin-1")))
            container.lines_count = len(container.logs)
        if container.state in ("running", "restarting"):
            container.state, container.exit_code = "exited", 255
            container.finished_ns = container.machine.simulation.now_ns
            container.save()
        return container

    # -- its main process ----------------------------------------------------------
    def on_output(self, stream: int, data: bytes) -> None:
        entry = LogEntry.of(self.machine, self.config, stream, data)
        self.logs.append(entry)
        self.lines_count += 1
        disk, file = self.machine.disk, f"{FOLDER}{self.id}.log"
        if self.lines_count % LOG_ENTRIES_MAX:
            disk.append(file, entry.line())
        else:  # rewrite the file, which would grow without bound
            disk.write(file, b"".join(entry.line() for entry in self.logs))

    def on_exit(self, code: int) -> None:
        self.containers.on_exit(self, code)


@dataclass(eq=False, repr=False)
class Exec:
    """One command executed in a container, by `docker exec` or the health monitor (no `id`)."""

    container: Container
    id: str
    config: Document

    def __post_init__(self) -> None:
        self.output: list[LogEntry] = []
        self.keyboard = Keyboard.of(self, self.config, "AttachStdin")
        self.process: Process | None = None
        self.running = False
        self.exit_code: int | None = None  # None until it exits
        self.result = Call()

    @property
    def line(self) -> str:
        """The command as events show it: a blank after its name, also without arguments."""
        name, *arguments = self.config["Cmd"]
        return f"{name} {' '.join(arguments)}"

    def start(self) -> Call:
        """Resolves to the exit code; the command's output is in `output`."""
        argv = tuple(self.config["Cmd"])
        self.running = True
        self.process = self.container.spawn(self, argv, self.config, stdin=self.keyboard.input)
        self._emit(f"exec_start: {self.line}")
        delay_ns = EXEC_NS if self.id else 0
        self.container.machine.after(delay_ns, self._run, self.process, argv[0])
        return self.result

    def _emit(self, action: str, **attributes: str) -> None:
        if self.id:
            self.container.containers.emit(self.container, action, execID=self.id, **attributes)

    def _run(self, process: Process, name: str) -> None:
        if error := exec_error(self.container, name, process.user):
            self.on_output(1, f"OCI runtime exec failed: exec failed: {error}\r\n".encode())
            process.end(126 if self.id else -1)
        else:
            process.run()

    def on_output(self, stream: int, data: bytes) -> None:
        self.output.append(LogEntry.of(self.container.machine, self.config, stream, data))

    def detach(self) -> None:
        """The client is gone: the engine takes it for a failure, while the command goes on."""
        self.running, self.exit_code = False, 126

    def on_exit(self, code: int) -> None:
        self.running, self.exit_code = False, code
        self._emit("exec_die", exitCode=str(code))
        self.result.resolve(code)
