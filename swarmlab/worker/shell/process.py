"""A process in a container: executes a shell script, or runs as a server, in virtual time.

Its state is a stack of nodes still to execute and some variables: plain data, so a simulation can
be copied. As on Linux, process 1 of a container ignores a signal that it has no handler for; a
shell runs a trap after its foreground command.
"""

from __future__ import annotations

import re
from dataclasses import KW_ONLY, dataclass
from fnmatch import fnmatchcase
from itertools import count
from typing import Protocol

from swarmlab.programs.file_system import File
from swarmlab.programs.interface import ProcessContainer
from swarmlab.programs.table import PROGRAMS
from swarmlab.simulation import MS, Timer
from swarmlab.worker.container_checks import SIGNALS
from swarmlab.worker.registry import WRAPPERS
from swarmlab.worker.shell.builtins import BUILTINS, SHELLS
from swarmlab.worker.shell.parser import Node, Part, ScriptError, one_command, parse_script, parts

# By default these do not end a process.
HARMLESS = ("WINCH", "CHLD", "CONT", "URG", "STOP", "TSTP", "TTIN", "TTOU")
# A server exits with 0 so long after one of these; it ignores all others.
SERVER_STOPS = ("TERM", "INT", "QUIT", "WINCH", "USR1")
STOP_NS_MIN, STOP_NS_MAX = 100 * MS, 300 * MS
ROUND_NS = 1 * MS  # one iteration of a loop, so that time passes in an endless one
# So many steps are done at once; a process never holds more unfinished work, or a longer text.
STEPS_MAX, TODO_MAX, WORD_MAX, TEXT_MAX = 10_000, 2_000, 1 << 17, 1 << 20
ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)=(.*)", re.S)


class Owner(Protocol):
    """Who started the process; gets its output and its exit code."""

    def on_output(self, stream: int, data: bytes) -> None: ...

    def on_exit(self, code: int) -> None: ...


@dataclass(eq=False, repr=False)
class Process:
    container: ProcessContainer
    owner: Owner
    argv: tuple[str, ...]
    environment: dict[str, str]
    _: KW_ONLY
    directory: str = "/"
    uid: int = 0
    stdin: bytes = b""
    interactive: bool = False  # more input may come: a command that reads it blocks for ever
    first: bool = False  # process 1: by default only KILL ends it

    def __post_init__(self) -> None:
        self.todo: list[Node] = [one_command(self.argv)]  # a stack: the next node is last
        self.variables: dict[str, str] = {}  # `|` is the content of a pipe
        self.status = 0  # $?
        self.captured: list[bytearray] = []  # output so far of open pipes and `$(…)`
        self.streams: dict[int, int | str] = {}  # redirections to another stream or a file
        self.input = b""  # of the current command
        self.traps: dict[str, Node] = {}
        self.timer: Timer | None = None
        self.blocked = self.serving = self.ended = self.frozen = False

    # -- running ---------------------------------------------------------------
    def run(self) -> None:
        """Execute until the process has to wait or ends."""
        steps = count()
        while not (self.timer or self.blocked or self.ended):
            if not self.todo:
                self.end(self.status)
            elif len(self.todo) > TODO_MAX:
                self.print_error("can't fork: Resource temporarily unavailable")
                self.end(2)
            elif next(steps) < STEPS_MAX:
                self._step(self.todo.pop())
            else:
                self.pause(ROUND_NS)

    def _step(self, node: Node) -> None:
        match node:
            case "run", words, redirects:
                self._simple(words, redirects)
            case "list", *nodes:
                self.todo += reversed(nodes)
            case "if", condition, yes, no:
                self.todo += [("choose", yes, no), condition]
            case "choose", yes, no:
                self.todo.append(no if self.status else yes)
            case "while", condition, body:
                self.todo += [("choose", ("list", body, node), ("status", 0)), condition]
                self.pause(ROUND_NS)
            case "case", word, arms:
                text = self.joined(word)
                matching = [body for patterns, body in arms
                           if any(fnmatchcase(text, self.joined(p)) for p in patterns)]  # fmt: skip
                self.todo += [*matching[:1], ("status", 0)]
            case "shell", body:
                self.todo += [("end", ""), body]
            case "capture", name, body:
                self.captured.append(bytearray())
                self.todo += [("end", name), body]
            case "end", name if name:
                output = self.captured.pop().decode(errors="replace")
                self.variables[name] = output if name == "|" else output.rstrip("\n")
            case "status", value:
                self.status = value

    def pause(self, delay_ns: int) -> None:
        self.timer = self.container.machine.after(delay_ns, self._wake)

    def _wake(self) -> None:
        self.timer = None
        if not self.frozen:
            self.run()

    def freeze(self) -> None:
        """Execute nothing until `thaw`, as in a paused container."""
        self.frozen = True

    def thaw(self) -> None:
        self.frozen = False
        self.run()

    def end(self, code: int) -> None:
        if self.timer:
            self.timer.cancel()
        if not self.ended:
            self.ended, self.timer = True, None
            self.owner.on_exit(code)

    def signal(self, name: str) -> None:
        """Deliver TERM, KILL, …; only KILL always ends the process."""
        if self.ended:
            return
        if name == "KILL":
            self.end(128 + SIGNALS[name])
        elif self.serving:
            if name in SERVER_STOPS and self.timer is None:
                machine = self.container.machine
                delay_ns = machine.simulation.rng.randint(STOP_NS_MIN, STOP_NS_MAX)
                self.timer = machine.after(delay_ns, self.end, 0)
        elif name in self.traps:
            self.todo.append(self.traps[name])
        elif not self.first and name not in HARMLESS:
            self.end(128 + SIGNALS[name])

    # -- words -------------------------------------------------------------------
    def expand(self, word: str) -> list[str]:
        """The fields that `word` expands to; unquoted values are split at white space."""
        fields, exists = [""], False
        for part in parts(word):
            value = self._value(part)
            exists = exists or part.quoted or bool(value.strip())
            whole = part.quoted or not part.variable
            first, *more = [value] if whole else value.split() or [""]
            fields[-1] += first
            fields += more
        return fields if exists else []

    def joined(self, word: str) -> str:
        """The expansion of `word` without splitting."""
        return "".join(self._value(part) for part in parts(word))

    def _value(self, part: Part) -> str:
        values = {**self.environment, **self.variables, "?": str(self.status), "$": "1"}
        return values.get(part.text) or part.default if part.variable else part.text

    # -- simple commands -----------------------------------------------------------
    def _simple(self, words: tuple[str, ...], redirects: tuple[tuple[int, str, str], ...]) -> None:
        self.input = self.variables.pop("|", "").encode() or self.stdin
        self.streams = {}
        while words and (match := ASSIGNMENT.fullmatch(words[0])):
            self.variables[match[1]], words = self.joined(match[2])[:WORD_MAX], words[1:]
        argv = [field for word in words for field in self.expand(word)]
        if not all(self._redirect(*redirect) for redirect in redirects):
            self.status = 1
        elif argv:
            self.execute(argv)

    def _redirect(self, stream: int, sign: str, word: str) -> bool:
        target = self.joined(word)
        path = self.path(target)
        if sign == ">&":
            number = 2 if target == "2" else 1
            self.streams[stream] = self.streams.get(number, number)
        elif self.container.files.read_only(path):
            self.print_error(f"can't create {target}: Read-only file system")
            return False
        else:
            self.streams[stream] = {"/dev/stdout": 1, "/dev/stderr": 2}.get(path, path)
            if not path.startswith("/dev/") and (sign == ">" or path not in self.container.files):
                self.container.files[path] = File(b"", uid=self.uid)
        return True

    def execute(self, argv: list[str]) -> None:
        """Execute one command; it may block, end the process or start another script."""
        name = argv[0].rsplit("/", 1)[-1]
        if name == self.container.server:
            self.write(1, "".join(f"{line}\n" for line in self.container.server_logs))
            self.serving = self.blocked = True
        elif name in WRAPPERS and argv[1:]:
            self.execute(argv[1:])
        elif name in SHELLS or self.path(argv[0]) in self.container.files:
            self._shell(argv[1:] if name in SHELLS else argv)
        elif command := PROGRAMS.get(name) or BUILTINS.get(name):
            try:
                status = command(self, argv[1:])
            except (ArithmeticError, LookupError, ValueError, TimeoutError):
                self.print_error(f"{name}: bad arguments")
                status = 2
            self.blocked, self.status = status is None, status or 0
        else:
            self.print_error(f"{argv[0]}: not found")
            self.status = 127

    def _shell(self, args: list[str]) -> None:
        text, self.status = self.input.decode(errors="replace"), 0
        match args:
            case [flag, script, *_] if re.fullmatch("-[a-z]*c", flag):
                text = script
            case [file, *_] if not file.startswith("-"):
                text = self.read(file) or ""
        self.blocked = self.interactive and not text
        self.todo.append(("shell", self.parsed(text)))

    def parsed(self, text: str) -> Node:
        """The parsed script; a syntax error is printed and has status 2."""
        try:
            return parse_script(text)
        except ScriptError as error:
            self.print_error(str(error))
            return "status", 2

    # -- files -----------------------------------------------------------------
    def path(self, name: str) -> str:
        """`name` as an absolute path."""
        path = name if name.startswith("/") else f"{self.directory.rstrip('/')}/{name}"
        return path.replace("/./", "/").rstrip("/") or "/"

    def read(self, name: str) -> str | None:
        """A file's text; None, and an error message, if it is missing or not readable."""
        file = self.container.files.get(self.path(name))
        if file and (self.uid in (0, file.uid) or file.mode & 0o044):
            return file.data.decode(errors="surrogateescape")
        reason = "Permission denied" if file else "No such file or directory"
        self.write(2, f"cat: can't open '{name}': {reason}\n")
        return None

    def write(self, stream: int, text: str) -> None:
        data = text[:TEXT_MAX].encode(errors="surrogateescape")
        target = self.streams.get(stream, stream)
        if isinstance(target, str):
            file = self.container.files.get(target)
            if file and (data := data[: TEXT_MAX - len(file.data)]):
                self.container.files[target] = file._replace(data=file.data + data)
        elif target == 1 and self.captured:
            self.captured[-1] += data[: TEXT_MAX - len(self.captured[-1])]
        elif data:
            self.owner.on_output(target, data)

    def print_error(self, text: str) -> None:
        self.write(2, f"sh: {text}\n")
