"""The interpreter of the small shell: executes the parser's trees in virtual time.

Its state is a stack of nodes still to execute and some variables: plain data, so a simulation can
be copied.
"""

from __future__ import annotations

import dataclasses
import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass
from fnmatch import fnmatchcase
from itertools import count
from typing import Any, Protocol

from swarmlab.programs.file_system import EXECUTE, FileError, User
from swarmlab.programs.interface import ProcessContainer, attempt
from swarmlab.programs.shell.builtins import BUILTINS, SHELLS
from swarmlab.programs.shell.parser import KEEP, Node, ScriptError, one_command, parse_script
from swarmlab.programs.shell.words import Variables, plain
from swarmlab.programs.standard_input import Input, MoreToCome
from swarmlab.programs.table import PROGRAMS, WRAPPERS
from swarmlab.simulation import MS, S, Timer

# An iteration of a loop takes this time, so that time passes in an endless one; after so many
# without a pause it takes twice the time, and so on, so that none prints without end.
ROUND_NS, ROUND_NS_MAX, ROUNDS_EQUAL = 1 * MS, 1 * S, 1000
# So many steps are done at once; a process never holds more unfinished work, or a longer text.
STEPS_MAX, TODO_MAX, TEXT_MAX = 10_000, 2_000, 1 << 20
ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)=(.*)", re.S)
FORK_ERROR = "can't fork: Resource temporarily unavailable"
DEVICES: dict[str, int | str] = {"/dev/stdout": 1, "/dev/stderr": 2, "/dev/null": ""}


class Owner(Protocol):
    """Who started the process; gets its output and its exit code."""

    def on_output(self, stream: int, data: bytes) -> None: ...

    def on_exit(self, code: int) -> None: ...


@dataclass(eq=False, repr=False)
class Interpreter(ABC):
    container: ProcessContainer
    owner: Owner
    argv: tuple[str, ...]
    environment: dict[str, str]
    _: KW_ONLY
    directory: str = "/"
    uid: int = 0
    gid: int = 0
    stdin: Input = dataclasses.field(default_factory=Input)
    terminal: bool = False  # a shell on it prompts
    first: bool = False  # process 1: by default only KILL ends it

    def __post_init__(self) -> None:
        self.todo: list[Node] = [one_command(self.argv)]  # a stack: the next node is last
        self.variables = Variables(self.environment)
        self.status = 0  # $?
        self.captured: list[bytearray] = []  # output so far of open pipes and `$(…)`
        # Redirections to another stream or a file: of the scope, and of the current command.
        self.scope_streams = self.streams = dict[int, int | str]()
        self.input = self.stdin  # of the current command
        self.program = "sh"  # the current one
        self.traps: dict[str, Node] = {}
        self.ports: dict[int, str] = {}  # on which it listens -> the folder it serves
        self.memory: dict[str, str] = {}  # of a Redis server
        self.timer: Timer | None = None
        self.rounds = 0  # iterations of loops since the last pause
        self.reading = False  # blocked until there is more input
        self.blocked = self.waiting = self.serving = self.ended = self.frozen = False

    @property
    def exports(self) -> dict[str, str]:
        return self.variables.environment

    @property
    def user(self) -> User:
        return User(self.uid, self.gid, self.container.machine.simulation.now_ns)

    # -- running ---------------------------------------------------------------
    def run(self) -> None:
        """Execute until the process has to wait or ends."""
        steps = count()
        while not (self.timer or self.blocked or self.ended):
            if not self.todo:
                self.end(self.status)
            elif len(self.todo) > TODO_MAX:
                self.print_error(FORK_ERROR)
                self.end(2)
            elif next(steps) >= STEPS_MAX:
                self._wait(ROUND_NS)
            else:
                try:
                    self._step(self.todo.pop())
                except (ScriptError, FileError) as error:  # a word that cannot be expanded
                    self.print_error(str(error))
                    self.status = 2
                    self.unwind("shell", "prompt")

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
            case "status", value:
                self.status = value
            case "case", word, arms:
                text = self.joined(word)
                matching = [body for patterns, body in arms
                           if any(fnmatchcase(text, self.joined(p)) for p in patterns)]  # fmt: skip
                self.todo += [*matching[:1], ("status", 0)]
            case "function", name, body:
                self.variables.functions[name], self.status = body, 0
            case "call", self.program, step, args:
                self._returned(attempt(self, step, *args))
            case "background", body:
                self.start_job(body)
            case _:
                self._step_in_scope(node)

    def _step_in_scope(self, node: Node) -> None:
        """Loops, and what has streams or variables of its own."""
        match node:
            case "while", condition, body:
                self._enter("loop", ("again", condition, body))
            case "again", condition, body:
                self.todo += [("choose", ("list", body, node), ("status", 0)), condition]
                self._wait_round()
            case "for", name, words, body:
                fields = tuple(field for word in words for field in self.expand(word))
                self._enter("loop", ("next", name, fields, body, 0))
            case "next", name, fields, body, index if index < len(fields):
                self.variables.set(name, fields[index])
                self.todo += [("next", name, fields, body, index + 1), body]
                self._wait_round()
            case "shell", body:
                self._enter("shell", body)
            case "group", redirects, body:
                works = self._redirect(redirects)
                self._enter("group", body if works else ("status", 1))
                self.scope_streams, self.stdin = self.streams, self.input
            case "pipe", left, right:
                self.todo += [("piped", right), ("capture", "", left)]
            case "piped", right:
                self._enter("shell", right)
                self.stdin = self.input
            case "capture", name, body:
                self.captured.append(bytearray())
                self.todo.append(("captured", name))
                self._enter("shell", body)
            case "captured", name:
                self.input = Input(bytes(self.captured.pop()))
                if name:
                    text = self.input.data.decode(errors="replace")
                    self.variables.set(name, text.rstrip("\n"))
            case "prompt", text:
                home = self.directory == self.exports.get("HOME")
                sign = f"{'~' if home else self.directory} {'$' if self.uid else '#'} "
                self.write(2, "> " if text else sign)
                self.todo.append(("script", text))
            case "script", text:
                self._read_script(text)
            case "leave", _, scope:
                vars(self).update(scope)

    def _enter(self, kind: str, body: Node) -> None:
        """Execute `body` in a scope of its own: a loop, function, group or subshell."""
        names = ["scope_streams", "stdin"]
        names += ["variables", "directory"] if kind in ("shell", "function") else []
        scope = {name: getattr(self, name) for name in names}
        self.todo += [("leave", kind, scope), body]
        if kind == "shell":
            self.variables = self.variables.copy()

    def unwind(self, *kinds: str) -> None:
        """Skip to the end of the innermost scope of one of these kinds."""
        while self.todo and not (self.todo[-1][0] in kinds or self.todo[-1][1] in kinds):
            node = self.todo.pop()
            if node[0] == "leave":
                self._step(node)

    # -- input ---------------------------------------------------------------------
    def _read_script(self, text: str) -> None:
        """Execute the next line of the input, or with `text` what begins with these lines."""
        node = ("prompt" if self.terminal else "script"), ""
        try:
            line = self.stdin.line().decode(errors="replace")
            script = parse_script(text[:TEXT_MAX] + line)
        except MoreToCome:
            self.wait_at(("script", text))
        except ScriptError as error:
            if line and error.unfinished:
                self.todo.append((node[0], text + line))
            else:
                self.print_error(str(error))
                self.status = 2
                self.todo += [node] if line and self.terminal else []
        else:
            self.todo += [node, script] if line else []
            self.write(2, "\n" if self.terminal and not line else "")

    @abstractmethod
    def wait_at(self, node: Node) -> None:
        """Go on with this node when the client has sent more input."""

    def wait_for_input(self, step: Callable[..., int | None], *args: Any) -> None:
        self.wait_at(("call", self.program, step, args))

    # -- time ----------------------------------------------------------------------
    def later(self, delay_ns: int, step: Callable[..., int | None], *args: Any) -> None:
        """Go on with `step(self, *args)` after this time."""
        self.rounds = 0
        self.todo.append(("call", self.program, step, args))
        self._wait(delay_ns)

    def _wait_round(self) -> None:
        self.rounds += 1
        self._wait(min(ROUND_NS << min(self.rounds // ROUNDS_EQUAL, 60), ROUND_NS_MAX))

    def _wait(self, delay_ns: int) -> None:
        self.timer = self.container.machine.after(delay_ns, self._wake)

    def _wake(self) -> None:
        self.timer = None
        if not self.frozen:
            self.run()

    @abstractmethod
    def end(self, code: int) -> None: ...

    @abstractmethod
    def signal(self, name: str) -> None: ...

    @abstractmethod
    def kill(self, pid: int, signal: str) -> None: ...

    @abstractmethod
    def start_job(self, body: Node) -> None:
        """Execute `body` in the background."""

    @abstractmethod
    def job_codes(self) -> dict[int, int | None]:
        """The exit codes of the jobs by process id; None: it runs."""

    # -- words -------------------------------------------------------------------
    def expand(self, word: str) -> list[str]:
        """The fields that `word` expands to; patterns become the names of files that match."""
        self.variables.special["?"] = str(self.status)
        fields: list[str] = []
        for field in self.variables.fields(word):
            names: list[str] = []
            if re.search(r"[*?[]", re.sub(r"\[[*?[]\]", "", field)):
                names = self.container.files.matching(self.path(field), self.user)
            cut = 0 if field[:1] == "/" else len(self.path(""))
            fields += [name[cut:] for name in names] or [plain(field)]
        return fields

    def joined(self, word: str) -> str:
        self.variables.special["?"] = str(self.status)
        return self.variables.joined(word)

    # -- simple commands -----------------------------------------------------------
    def _simple(self, words: tuple[str, ...], redirects: tuple[tuple[int, str, str], ...]) -> None:
        assigned: dict[str, str] = {}
        while words and (match := ASSIGNMENT.fullmatch(words[0])):
            assigned[match[1]], words = self.joined(match[2]), words[1:]
        argv = [field for word in words for field in self.expand(word)]
        if not self._redirect(redirects):
            self.status = 1
            return
        if assigned and argv:  # for this command alone
            self._enter("shell", KEEP)
            self.variables.exported.update(dict.fromkeys(assigned))
        for name, value in assigned.items():
            self.variables.set(name, value)
        if argv:
            self.execute(argv)
        elif redirects and redirects[-1][1] == "<":  # `$(< file)`
            self.write(1, self.input.data.decode(errors="surrogateescape"))

    def _redirect(self, redirects: tuple[tuple[int, str, str], ...]) -> bool:
        """Set the streams of the next command; whether that worked."""
        self.streams, self.input = dict(self.scope_streams), self.stdin
        files = self.container.files
        for stream, sign, word in redirects:
            target = self.joined(word)
            path = self.path(target)
            try:
                if sign == ">&":
                    number = 2 if target == "2" else 1
                    self.streams[stream] = self.streams.get(number, number)
                elif sign[0] == "<":
                    text = target.encode(errors="surrogateescape")
                    self.input = Input(text if sign == "<<<" else files.read(path, self.user))
                else:
                    self.streams[stream] = DEVICES.get(path, path)
                    if path not in DEVICES:
                        files.write(path, b"", self.user, append=sign == ">>")
            except FileError as error:
                verb = "open" if sign == "<" else "create"
                self.print_error(f"can't {verb} {target}: {error}")
                return False
        return True

    def execute(self, argv: list[str]) -> None:
        """Execute one command; it may block, end the process or start another script."""
        self.program = name = argv[0].rsplit("/", 1)[-1]
        if body := self.variables.functions.get(argv[0]):
            self._enter("function", body)
            self.scope_streams, self.stdin = self.streams, self.input
            self.variables = self.variables.called(argv[1:])
        elif name in WRAPPERS and argv[1:]:  # it gives options to the image's server
            option = argv[1][0] == "-" and argv[1] not in WRAPPERS and self.container.server
            self.execute([self.container.server] if option else argv[1:])
        elif name in SHELLS:
            self._shell(argv[1:])
        elif builtin := BUILTINS.get(name):
            self._returned(attempt(self, builtin, argv[1:]))
        elif name != self.container.server and (program := PROGRAMS.get(name)):
            self._returned(program.start(self, argv[1:]))
        elif name == self.container.server or self.container.any_command:
            self.write(1, "".join(f"{line}\n" for line in self.container.server_logs))
            self.serving = self.blocked = True
        elif "/" in argv[0] and (file := self.container.files.get(self.path(argv[0]))):
            if file.allows(self.user, EXECUTE):
                self._shell(argv)
            else:
                self.print_error(f"{argv[0]}: Permission denied")
                self.status = 126
        else:
            self.print_error(f"{argv[0]}: not found")
            self.status = 127

    def run_each(self, commands: list[list[str]]) -> None:
        """Run these after the current program, with its streams."""
        self._enter("group", ("list", *(one_command(tuple(command)) for command in commands)))
        self.scope_streams, self.stdin = self.streams, Input()

    def _returned(self, status: int | None) -> None:
        self.blocked, self.status = status is None, status or 0

    def _shell(self, args: list[str]) -> None:
        self.status, rest = 0, args[1:]
        body: Node = ("prompt" if self.terminal else "script"), ""
        if args and re.fullmatch("-[a-z]*c", args[0]):
            body, rest = self.parsed(args[1]), args[3:]
        elif args and not args[0].startswith("-"):
            text = self.container.files.read(self.path(args[0]), self.user)
            body = self.parsed(text.decode(errors="replace"))
        self._enter("shell", body)
        self.scope_streams, self.stdin = self.streams, self.input
        self.variables = Variables(self.exports).called(rest)

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
        return name if name.startswith("/") else f"{self.directory.rstrip('/')}/{name}"

    def write(self, stream: int, text: str) -> None:
        data = text[:TEXT_MAX].encode(errors="surrogateescape")
        target = self.streams.get(stream, stream)
        if isinstance(target, str):
            with suppress(FileError):
                if target:
                    self.container.files.write(target, data, self.user, append=True)
        elif target == 1 and self.captured:
            self.captured[-1] += data[: TEXT_MAX - len(self.captured[-1])]
        elif data:
            self.owner.on_output(target, data)

    def error(self, text: str) -> None:
        """Print what is wrong with the current program."""
        self.write(2, f"{self.program}: {text}\n")

    def print_error(self, text: str) -> None:
        self.write(2, f"sh: {text}\n")
