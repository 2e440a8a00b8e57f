"""A process in a container: the tiny shell at work, or a server, in virtual time.

The state is a stack of (script, counter) and a few variables. As on Linux, process 1 of a container
ignores a signal it has no handler for; a shell runs a trap only after its foreground command.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any, Protocol

from swarmlab.simulation import HOUR, MINUTE, MS, Machine, S, Timer
from swarmlab.worker.commands import COMMANDS, File
from swarmlab.worker.registry import WRAPPERS
from swarmlab.worker.script import Part, Script, ScriptError, Word, compile_script, one_command

SIGNALS = {"HUP": 1, "INT": 2, "QUIT": 3, "KILL": 9, "USR1": 10, "USR2": 12, "TERM": 15, "STOP": 19,
           "WINCH": 28}  # fmt: skip
# A server ends well on each of these, after so long; of the others it takes no notice.
SERVER_STOPS, STOP_NS_MIN, STOP_NS_MAX = (
    ("TERM", "INT", "QUIT", "WINCH", "USR1"),
    100 * MS,
    300 * MS,
)
ROUND_NS = 1 * MS  # what one turn of a loop takes, so that an endless one lets time go on
OPERATORS: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Mod: operator.mod,
    ast.Div: operator.floordiv,
}  # fmt: skip


class Home(Protocol):
    """What a process finds around it: its container."""

    machine: Machine
    files: dict[str, File]
    server: str  # the image's executable that serves; empty: it has none
    server_logs: tuple[str, ...]

    @property
    def hostname(self) -> str: ...


class Owner(Protocol):
    """Who started the process, and hears of it."""

    def wrote(self, stream: int, data: bytes) -> None: ...

    def ended(self, code: int) -> None: ...


class Frame:
    """One script being run; leaving a `shell` is what `exit` does."""

    __slots__ = ("counter", "script", "shell")

    def __init__(self, script: Script, *, shell: bool) -> None:
        self.script, self.counter, self.shell = script, 0, shell


class Process:
    __slots__ = (
        "args", "blocked", "collected", "directory", "ended", "environment", "first", "frames",
        "home", "input", "interactive", "job_ns", "owner", "pending", "rounds", "serving", "status",
        "stdin", "streams", "timer", "traps", "uid", "variables", "waiting",
    )  # fmt: skip

    def __init__(
        self,
        home: Home,
        owner: Owner,
        argv: tuple[str, ...],
        environment: dict[str, str],
        *,
        directory: str = "/",
        uid: int = 0,
        stdin: bytes = b"",
        interactive: bool = False,
        first: bool = False,
    ) -> None:
        self.home: Home = home
        self.owner, self.environment, self.stdin = owner, environment, stdin
        self.directory: str = directory
        self.uid: int = uid
        self.interactive = interactive  # more input may come: what reads it waits for ever
        self.first = first  # process 1: no signal but KILL ends it by default
        self.frames = [Frame(one_command(argv), shell=True)]
        self.variables: dict[str, str] = {}
        self.rounds: dict[int, int] = {}  # where a `for` stands -> its next word
        self.args: list[str] = []
        self.status = 0
        self.collected: list[bytearray] = []
        self.streams: dict[int, int | str] = {}  # redirected to another stream, or a file
        self.input = b""  # of the present command
        self.traps: dict[str, str] = {}
        self.pending: list[str] = []  # trapped signals that wait for the foreground command
        self.timer: Timer | None = None
        self.job_ns = 0  # when the `sleep &` in the background ends
        self.blocked = self.serving = self.waiting = self.ended = False

    @property
    def now_ns(self) -> int:
        return self.home.machine.simulation.now_ns

    # -- running ---------------------------------------------------------------
    def run(self) -> None:
        """Go on until something must be waited for, or the end."""
        while not (self.timer or self.blocked or self.ended):
            if self.pending:
                self.frames.append(Frame(compile_script(self.pending.pop(0)), shell=False))
            frame = self.frames[-1]
            if frame.counter < len(frame.script.instructions):
                frame.counter += 1
                self._step(frame, *frame.script.instructions[frame.counter - 1])
            else:
                self.frames.pop()
                if not self.frames:
                    self.end(self.status)

    def _step(self, frame: Frame, *instruction: Any) -> None:
        match instruction:
            case "run", words, redirects, background:
                self._simple(words, redirects, background)
            case "jump", target:
                if target < frame.counter:
                    self._pause(ROUND_NS)
                frame.counter = target
            case "jump if" | "jump unless" as jump, target:
                if (self.status == 0) == (jump == "jump if"):
                    frame.counter = target
            case "match", word, patterns, target:
                text = self.joined(word)
                if not any(fnmatchcase(text, self.joined(p)) for p in patterns):
                    frame.counter = target
            case "each", name, words, target:
                fields = [field for word in words for field in self.expand(word)]
                turn = self.rounds.get(frame.counter, 0)
                self.rounds[frame.counter] = turn + 1 if turn < len(fields) else 0
                if turn < len(fields):
                    self.variables[name] = fields[turn]
                else:
                    frame.counter = target
            case ("begin",):
                self.collected.append(bytearray())
            case "end", name:
                output = self.collected.pop().decode(errors="replace")
                self.variables[name] = output if name == "|" else output.rstrip("\n")
            case "status", value:
                self.status = value
            case ("not",):
                self.status = int(self.status == 0)

    def _pause(self, delay_ns: int) -> None:
        self.timer = self.home.machine.after(delay_ns, self._wake)

    def _wake(self) -> None:
        self.timer, self.waiting = None, False
        self.run()

    def end(self, code: int) -> None:
        if self.timer:
            self.timer.cancel()
        if not self.ended:
            self.ended, self.timer = True, None
            self.owner.ended(code)

    def signal(self, name: str) -> None:
        """Deliver TERM, KILL, …; what it does is the process's business, but for KILL."""
        if self.ended:
            return
        if name == "KILL":
            self.end(128 + SIGNALS[name])
        elif self.serving:
            if name in SERVER_STOPS and self.timer is None:
                rng = self.home.machine.simulation.rng
                self.timer = self.home.machine.after(
                    rng.randint(STOP_NS_MIN, STOP_NS_MAX), self.end, 0
                )
        elif name in self.traps:
            self.pending.append(self.traps[name])
            if self.waiting and self.timer:
                self.timer.cancel()
                self._wake()
        elif not self.first and name not in ("WINCH", "STOP"):
            self.end(128 + SIGNALS[name])

    # -- simple commands -----------------------------------------------------------
    def _simple(self, words: tuple[Word, ...], redirects: Any, background: bool) -> None:
        assigned = {}
        while words and (found := re.match(r"([A-Za-z_]\w*)=", words[0][0].text)):
            if words[0][0].quoted:
                break
            rest = words[0][0]._replace(text=words[0][0].text[found.end() :])
            assigned[found[1]] = self.joined((rest, *words[0][1:]))
            words = words[1:]
        argv = [field for word in words for field in self.expand(word)]
        self.input = self.variables.pop("|", "").encode() or self.stdin
        self.streams = {}
        if not all(self._redirect(*redirect) for redirect in redirects):
            self.status = 1
        elif not argv:
            self.variables.update(assigned)
            self.status = self.status if any(p.text[0] == "#" for w in words for p in w) else 0
        elif background and argv[0] == "sleep":
            self.job_ns, self.status = self.now_ns + _sleep_ns(argv[1:]), 0
        else:
            self.variables.update(assigned)
            self.execute(argv)

    def _redirect(self, stream: int, sign: str, word: Word) -> bool:
        target = self.joined(word)
        if sign == ">&":
            self.streams[stream] = self.streams.get(int(target), int(target))
            return True
        path = self.path(target)
        if sign == "<":
            if path not in self.home.files:
                self.complain(f"can't open {target}: no such file")
                return False
            self.input = self.home.files[path].data
        elif path.startswith("/run/secrets/"):
            self.complain(f"can't create {target}: Read-only file system")
            return False
        else:
            self.streams[stream] = {"/dev/stdout": 1, "/dev/stderr": 2}.get(path, path)
            if not path.startswith("/dev/") and (sign == ">" or path not in self.home.files):
                self.home.files[path] = File(b"", uid=self.uid)
        return True

    def execute(self, argv: list[str]) -> None:
        """Run one command; it may block, end the process or start another script."""
        name = argv[0].rsplit("/", 1)[-1]
        if name == self.home.server:
            for line in self.home.server_logs:
                self.write(1, f"{line}\n")
            self.serving = self.blocked = True
        elif name in WRAPPERS and argv[1:]:
            self.execute(argv[1:])
        elif builtin := getattr(self, f"do_{name}", None):
            builtin(argv[1:])
        elif name in COMMANDS:
            status = COMMANDS[name](self, argv[1:])
            self.blocked = status is None
            self.status = status or 0
        elif self.path(argv[0]) in self.home.files:
            self.do_sh(argv)
        else:
            self.complain(f"{argv[0]}: not found")
            self.status = 127

    def do_sleep(self, args: list[str]) -> None:
        self.status = 0
        self._pause(_sleep_ns(args))

    def do_wait(self, _: list[str]) -> None:
        self.status, self.waiting = 0, True
        self._pause(max(0, self.job_ns - self.now_ns))

    def do_exit(self, args: list[str]) -> None:
        self.status = int(args[0]) & 255 if args else self.status
        while self.frames and not self.frames.pop().shell:
            pass
        if not self.frames:
            self.end(self.status)

    def do_exec(self, args: list[str]) -> None:
        self.traps.clear()
        self.frames = [Frame(one_command(tuple(args)), shell=True)]

    def do_trap(self, args: list[str]) -> None:
        self.status = 0
        for signal in args[1:]:
            self.traps[signal.removeprefix("SIG")] = "" if args[0] == "-" else args[0]
        self.traps = {name: text for name, text in self.traps.items() if text}

    def do_cd(self, args: list[str]) -> None:
        self.directory, self.status = self.path(args[0]) if args else "/root", 0

    def do_export(self, args: list[str]) -> None:
        for name, equals, value in (arg.partition("=") for arg in args):
            self.environment[name] = value if equals else self.variables.get(name, "")
        self.status = 0

    def do_set(self, _: list[str]) -> None:
        self.status = 0

    def do_sh(self, args: list[str]) -> None:
        flags = [arg for arg in args[:1] if arg.startswith("-")]
        rest = args[len(flags) :]
        text = self.input.decode(errors="replace")
        if flags and flags[0].endswith("c"):
            text, self.args = (rest or [""])[0], rest[1:]
        elif rest:
            text, self.args = self.read(rest[0]) or "", rest
        elif self.interactive:
            self.blocked = not text
        try:
            self.status = 0
            self.frames.append(Frame(compile_script(text), shell=True))
        except ScriptError as error:
            self.complain(str(error))
            self.status = 2

    do_bash = do_ash = do_dash = do_sh

    # -- words and files ---------------------------------------------------------
    def expand(self, word: Word) -> list[str]:
        """The fields that `word` becomes; an unquoted value is split at blanks."""
        fields, exists = [""], False
        for part in word:
            value = self._value(part)
            exists = exists or part.quoted or bool(value.strip())
            pieces = [value] if part.quoted or part.kind == "text" else value.split() or [""]
            fields[-1] += pieces[0]
            fields += pieces[1:]
        return fields if exists else []

    def joined(self, word: Word) -> str:
        """What `word` becomes where nothing is split."""
        return "".join(self._value(part) for part in word)

    def _value(self, part: Part) -> str:
        name = part.text
        if part.kind == "text":
            return name
        if part.kind == "sum":
            variables = re.sub(r"\$?([A-Za-z_]\w*)", self._number, name)
            return str(
                _sum(ast.parse(re.sub(r"\$(\d)", r"\1", variables).strip(), mode="eval").body)
            )
        if name.isdigit():
            value = ["sh", *self.args][int(name)] if int(name) <= len(self.args) else None
        else:
            special = {"?": str(self.status), "$": "1", "!": "7", "@": " ".join(self.args),
                       "*": " ".join(self.args), "#": str(len(self.args))}  # fmt: skip
            value = special.get(name, self.variables.get(name, self.environment.get(name)))
        if part.operator == "+":
            return part.other if value else ""
        if part.operator and not value:
            if part.operator == "=":
                self.variables[name] = part.other
            return part.other
        return value or ""

    def _number(self, name: re.Match[str]) -> str:
        return self._value(Part("variable", name[1], True)) or "0"

    def path(self, name: str) -> str:
        """`name` as an absolute path."""
        path = name if name.startswith("/") else f"{self.directory.rstrip('/')}/{name}"
        return path.replace("/./", "/").rstrip("/") or "/"

    def read(self, name: str) -> str | None:
        """A file's text; None, and a complaint, when it is not there or not for this user."""
        file = self.home.files.get(self.path(name))
        readable = file and (self.uid in (0, file.uid) or file.mode & 0o044)
        if file is None or not readable:
            reason = "Permission denied" if file else "No such file or directory"
            self.write(2, f"cat: can't open '{name}': {reason}\n")
            return None
        return file.data.decode(errors="surrogateescape")

    def write(self, stream: int, text: str) -> None:
        data, target = text.encode(errors="surrogateescape"), self.streams.get(stream, stream)
        if isinstance(target, str):
            if target in self.home.files:
                file = self.home.files[target]
                self.home.files[target] = file._replace(data=file.data + data)
        elif target == 1 and self.collected:
            self.collected[-1] += data
        else:
            self.owner.wrote(target, data)

    def complain(self, text: str) -> None:
        self.write(2, f"sh: {text}\n")


def is_executable(home: Home, name: str) -> bool:
    """Whether a container can be started with this as its first word."""
    folder, _, base = name.rpartition("/")
    if name in home.files:
        return True
    known = base in COMMANDS or base in WRAPPERS or base in ("sleep", "sh", "bash", "ash", "dash")
    return base == home.server or (known and (not folder or folder.endswith("bin")))


def _sleep_ns(args: list[str]) -> int:
    """`1.5`, `2m`, `infinity`; several are added up."""
    units = {"s": S, "m": MINUTE, "h": HOUR, "d": 24 * HOUR}
    total_ns = 0
    for arg in args:
        if found := re.fullmatch(r"([0-9.]+)([smhd]?)", arg):
            total_ns += int(float(found[1]) * units[found[2] or "s"])
        else:
            total_ns += 24 * HOUR * 36500
    return total_ns


def _sum(node: ast.expr) -> int:
    match node:
        case ast.Constant(value=int(value)):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_sum(operand)
        case ast.BinOp(left, op, right) if type(op) in OPERATORS:
            return int(OPERATORS[type(op)](_sum(left), _sum(right)))
    return 0
