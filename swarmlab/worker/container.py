"""One container: what it was asked to be and what became of it; and a command run inside it."""

from __future__ import annotations

import json
import pickle
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from swarmlab.errors import BadParameter
from swarmlab.model import EMPTY, Document
from swarmlab.simulation import MS, Call
from swarmlab.worker.registry import PATH, Image
from swarmlab.worker.shell.builtins import File, exec_refusal, is_executable
from swarmlab.worker.shell.process import SIGNALS, Owner, Process

if TYPE_CHECKING:
    from swarmlab.worker.containers import Containers
    from swarmlab.worker.health import Health

LOG_ENTRIES_MAX = 5000
EXEC_NS = 20 * MS  # what `docker exec` takes to start a command
STREAMS = ("stdin", "stdout", "stderr")
FOLDER = "docker/containers/"
KEPT = ("id", "name", "config", "image", "created_ns", "state", "exit_code", "error", "started_ns",
        "finished_ns")  # fmt: skip


class LogEntry(NamedTuple):
    at_ns: int
    stream: str  # stdout, stderr
    data: bytes

    def line(self) -> bytes:
        """As it lies on the disk."""
        return json.dumps([self.at_ns, self.stream, self.data.decode("latin-1")]).encode() + b"\n"


@dataclass(eq=False, repr=False)
class Container:
    """`config` is the document that `POST /containers/create` took; all else follows from it."""

    containers: Containers
    id: str
    name: str
    config: Document
    image: Image

    def __post_init__(self) -> None:
        self.machine = self.containers.machine
        self.server, self.server_logs = self.image.server, self.image.server_logs or ()
        self.created_ns = self.machine.simulation.now_ns
        self.state = "created"  # then running, exited
        self.exit_code = 0
        self.error = ""  # why it could not be started
        self.pid = 0
        self.started_ns: int | None = None
        self.finished_ns: int | None = None
        self.files = {"/etc/hostname": File(f"{self.hostname}\n".encode())}
        self.logs: deque[LogEntry] = deque(maxlen=LOG_ENTRIES_MAX)
        self.lines_count = 0  # entries ever written
        self.process: Process | None = None
        self.health: Health | None = None
        self.starting: Call | None = None
        self.exited = Call()  # answered with the exit code of the present or next run
        self.ports: dict[str, list[int]] = {}  # `80/tcp` -> host ports, while it runs
        self.watcher: Callable[[str], None] | None = None  # told the action of each event

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
        found: Document = self.config.get("HostConfig") or EMPTY
        return found

    @property
    def argv(self) -> tuple[str, ...]:
        """Entry point and command; a request's own entry point drops the image's command."""
        entrypoint, command = self.config.get("Entrypoint"), self.config.get("Cmd")
        if not entrypoint and not command:
            command = self.image.config.get("Cmd")
        if entrypoint is None:
            entrypoint = self.image.config.get("Entrypoint")
        return tuple(word for word in (*(entrypoint or ()), *(command or ())) if word)

    @property
    def environment(self) -> dict[str, str]:
        own, images = self.config.get("Env") or (), self.image.config.get("Env") or ()
        pairs = [line.partition("=") for line in (PATH, f"HOSTNAME={self.hostname}", *images, *own)]
        return {name: value for name, equals, value in pairs if equals}

    def spawn(
        self, owner: Owner, argv: tuple[str, ...], config: Document = EMPTY, **more: Any
    ) -> Process:
        """A process in this container; `config` is of an exec that wants its own user, …"""
        pairs = [line.partition("=")[::2] for line in config.get("Env") or ()]
        return Process(
            self,
            owner,
            argv,
            {**self.environment, **dict(pairs)},
            directory=config.get("WorkingDir") or self.option("WorkingDir") or "/",
            uid=user_id(config.get("User") or self.option("User") or ""),
            interactive=bool(config.get("Tty") or config.get("OpenStdin")),
            **more,
        )

    # -- disk --------------------------------------------------------------------
    def save(self) -> None:
        saved = {key: getattr(self, key) for key in KEPT}
        self.machine.disk.write(f"{FOLDER}{self.id}", pickle.dumps(saved))

    @classmethod
    def load(cls, containers: Containers, saved: dict[str, Any]) -> Container:
        """As a power cut left it."""
        container = cls(containers, *(saved[key] for key in KEPT[:4]))
        vars(container).update(saved)
        disk, file = container.machine.disk, f"{FOLDER}{container.id}.log"
        if file in disk:
            whole = disk.read(file)
            disk.write(file, whole := whole[: whole.rfind(b"\n") + 1])  # a line may be torn
            for at_ns, stream, data in map(json.loads, whole.splitlines()):
                container.logs.append(LogEntry(at_ns, stream, data.encode("latin-1")))
            container.lines_count = len(container.logs)
        if container.running:
            container.state, container.exit_code = "exited", 255
            container.finished_ns = container.machine.simulation.now_ns
            container.save()
        return container

    # -- what its process tells ----------------------------------------------------
    def wrote(self, stream: int, data: bytes) -> None:
        if self.config.get("Tty"):
            stream, data = 1, data.replace(b"\n", b"\r\n")
        entry = LogEntry(self.machine.simulation.now_ns, STREAMS[stream], data)
        self.logs.append(entry)
        self.lines_count += 1
        disk, file = self.machine.disk, f"{FOLDER}{self.id}.log"
        if self.lines_count % LOG_ENTRIES_MAX:
            disk.append(file, entry.line())
        else:  # so that the file does not grow for ever
            disk.write(file, b"".join(entry.line() for entry in self.logs))

    def ended(self, code: int) -> None:
        self.containers.ended(self, code)


@dataclass(eq=False, repr=False)
class Exec:
    """One command run in a container: by `docker exec`, or by the health monitor (no `id`)."""

    container: Container
    id: str
    config: Document

    def __post_init__(self) -> None:
        self.output: list[LogEntry] = []
        self.process: Process | None = None
        self.running = False
        self.exit_code: int | None = None  # None until it has ended
        self.answer = Call()

    def start(self, stdin: bytes = b"") -> Call:
        """Answered with the exit code; what it wrote is in `output`."""
        argv = tuple(self.config["Cmd"])
        self.running = True
        self.process = self.container.spawn(self, argv, self.config, stdin=stdin)
        self._tell(f"exec_start: {' '.join(argv)}")
        delay_ns = EXEC_NS if self.id else 0
        self.container.machine.after(delay_ns, self._run, self.process, argv[0])
        return self.answer

    def _tell(self, action: str, **attributes: str) -> None:
        if self.id:
            self.container.containers.event(self.container, action, execID=self.id, **attributes)

    def _run(self, process: Process, name: str) -> None:
        if is_executable(self.container, name):
            process.run()
        else:
            refusal = f"OCI runtime exec failed: exec failed: {exec_refusal(name)}\r\n"
            self.wrote(1, refusal.encode())
            process.end(127 if self.id else -1)

    def wrote(self, stream: int, data: bytes) -> None:
        now_ns = self.container.machine.simulation.now_ns
        self.output.append(LogEntry(now_ns, STREAMS[stream], data))

    def ended(self, code: int) -> None:
        self.running, self.exit_code = False, code
        self._tell("exec_die", exitCode=str(code))
        self.answer.resolve(code)


def user_id(user: str) -> int:
    """The number of `1000:1000`, `root`, …; any unknown name is 1000."""
    name = user.partition(":")[0]
    return int(name) if name.isdigit() else {"": 0, "root": 0, "nobody": 65534}.get(name, 1000)


def signal_name(signal: str) -> str:
    """`SIGTERM`, `term` or `15` as `TERM`."""
    name = signal.upper().removeprefix("SIG")
    name = next((known for known, number in SIGNALS.items() if str(number) == name), name)
    if name not in SIGNALS:
        raise BadParameter(f"invalid signal: {signal}")
    return name
