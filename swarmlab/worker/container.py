"""One container: what it was asked to be and what became of it; and a command run inside it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from swarmlab.errors import BadParameter
from swarmlab.model import EMPTY, Document
from swarmlab.simulation import MS, Call
from swarmlab.worker.commands import File, exec_refusal, is_executable
from swarmlab.worker.health import Health
from swarmlab.worker.registry import PATH, Image
from swarmlab.worker.shell import SIGNALS, Owner, Process

if TYPE_CHECKING:
    from swarmlab.worker.containers import Containers

LOG_ENTRIES_MAX = 5000
EXEC_NS = 20 * MS  # what `docker exec` takes to start a command
STREAMS = ("stdin", "stdout", "stderr")


class LogEntry(NamedTuple):
    at_ns: int
    stream: str  # stdout, stderr
    data: bytes


class Container:
    """`config` is the document that `POST /containers/create` took; all else follows from it."""

    def __init__(
        self, containers: Containers, id: str, name: str, config: Document, image: Image
    ) -> None:
        self.containers = containers
        self.machine = containers.machine
        self.id = id
        self.name = name
        self.config = config
        self.image = image
        self.server, self.server_logs = image.server, image.server_logs or ()
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

    @property
    def stop_signal(self) -> str:
        return signal_name(self.option("StopSignal") or "TERM")

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

    # -- what its process tells ----------------------------------------------------
    def wrote(self, stream: int, data: bytes) -> None:
        if self.config.get("Tty"):
            stream, data = 1, data.replace(b"\n", b"\r\n")
        entry = LogEntry(self.machine.simulation.now_ns, STREAMS[stream], data)
        self.containers.log(self, entry)

    def ended(self, code: int) -> None:
        self.containers.ended(self, code)


class Exec:
    """One command run in a container by `docker exec`."""

    def __init__(self, container: Container, id: str, config: Document) -> None:
        self.container = container
        self.id = id
        self.config = config
        self.output: list[LogEntry] = []
        self.process: Process | None = None
        self.running = False
        self.exit_code: int | None = None  # None until it has ended
        self.answer = Call()

    def start(self, stdin: bytes) -> Call:
        """Answered with the exit code; what it wrote is in `output`."""
        argv = tuple(self.config["Cmd"])
        self.running = True
        self.process = self.container.spawn(self, argv, self.config, stdin=stdin)
        told = f"exec_start: {' '.join(argv)}"
        self.container.containers.event(self.container, told, execID=self.id)
        self.container.machine.after(EXEC_NS, self._run, self.process, argv[0])
        return self.answer

    def _run(self, process: Process, name: str) -> None:
        if is_executable(self.container, name):
            process.run()
        else:
            refusal = f"OCI runtime exec failed: exec failed: {exec_refusal(name)}\r\n"
            self.wrote(1, refusal.encode())
            process.end(127)

    def wrote(self, stream: int, data: bytes) -> None:
        now_ns = self.container.machine.simulation.now_ns
        self.output.append(LogEntry(now_ns, STREAMS[stream], data))

    def ended(self, code: int) -> None:
        self.running, self.exit_code = False, code
        told = {"execID": self.id, "exitCode": str(code)}
        self.container.containers.event(self.container, "exec_die", **told)
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


ADJECTIVES = ("agile", "bold", "calm", "deft", "eager", "fair", "glad", "happy", "keen", "lucid",
              "merry", "noble", "proud", "quick", "sharp", "wise")  # fmt: skip
PEOPLE = ("babbage", "curie", "dijkstra", "euler", "franklin", "gauss", "hopper", "joliot", "knuth",
          "lamport", "lovelace", "meitner", "noether", "ongaro", "ramanujan", "turing")  # fmt: skip
