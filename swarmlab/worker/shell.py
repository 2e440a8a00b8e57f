"""A process in a container: the tiny shell at work, or a server, in virtual time.

Its state is a stack of (script, counter) and some variables. As on Linux, process 1 of a container
ignores a signal it has no handler for; a shell runs a trap after its foreground command.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import Any, Protocol

from swarmlab.simulation import MS, Timer
from swarmlab.worker.commands import ANSWERS, COMMANDS, SHELLS, File, Home, sleep_ns
from swarmlab.worker.registry import WRAPPERS
from swarmlab.worker.scope import Scope
from swarmlab.worker.script import Script, ScriptError, Word, compile_script, one_command

SIGNALS = {"HUP": 1, "INT": 2, "QUIT": 3, "KILL": 9, "USR1": 10, "USR2": 12, "TERM": 15,
           "WINCH": 28}  # fmt: skip
# A server ends well on each of these, so long after; of the others it takes no notice.
SERVER_STOPS, STOP_NS_MIN, STOP_NS_MAX = (
    ("TERM", "INT", "QUIT", "WINCH", "USR1"),
    100 * MS,
    300 * MS,
)
ROUND_NS = 1 * MS  # one turn of a loop, so that an endless one lets time go on


class Owner(Protocol):
    """Who started the process, and hears of it."""

    def wrote(self, stream: int, data: bytes) -> None: ...

    def ended(self, code: int) -> None: ...


class Frame:
    """A script being run; leaving a `shell` is what `exit` does."""

    __slots__ = ("counter", "script", "shell")

    def __init__(self, script: Script, *, shell: bool) -> None:
        self.script, self.counter, self.shell = script, 0, shell


class Process(Scope):
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
        super().__init__(environment)
        self.home = home
        self.owner = owner
        self.directory: str = directory
        self.uid: int = uid
        self.stdin = stdin
        self.interactive = interactive  # more input may come: what reads it waits for ever
        self.first = first  # process 1: no signal but KILL ends it by default
        self.frames = [Frame(one_command(argv), shell=True)]
        self.rounds: dict[int, int] = {}  # where a `for` stands -> its next word
        self.collected: list[bytearray] = []
        self.streams: dict[int, int | str] = {}  # redirected to another stream, or a file
        self.input = b""  # of the present command
        self.traps: dict[str, str] = {}
        self.pending: list[str] = []  # traps that wait for the foreground command
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
                if not any(fnmatchcase(text, self.joined(pattern)) for pattern in patterns):
                    frame.counter = target
            case "each", name, words, target:
                fields = [field for word in words for field in self.expand(word)]
                turn = self.rounds.pop(frame.counter, 0)
                if turn < len(fields):
                    self.rounds[frame.counter] = turn + 1
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
                machine = self.home.machine
                delay_ns = machine.simulation.rng.randint(STOP_NS_MIN, STOP_NS_MAX)
                self.timer = machine.after(delay_ns, self.end, 0)
        elif name in self.traps:
            self.pending.append(self.traps[name])
            if self.waiting and self.timer:
                self.timer.cancel()
                self._wake()
        elif not self.first and name != "WINCH":
            self.end(128 + SIGNALS[name])

    # -- simple commands -----------------------------------------------------------
    def _simple(self, words: tuple[Word, ...], redirects: Any, background: bool) -> None:
        assigned = {}
        while words and (found := ASSIGNMENT.match(words[0][0].text)) and not words[0][0].quoted:
            rest = words[0][0]._replace(text=words[0][0].text[found.end() :])
            assigned[found[1]] = self.joined((rest, *words[0][1:]))
            words = words[1:]
        argv = [field for word in words for field in self.expand(word)]
        self.variables.update(assigned)
        self.input = self.variables.pop("|", "").encode() or self.stdin
        self.streams = {}
        if not all(self._redirect(*redirect) for redirect in redirects):
            self.status = 1
        elif background and argv[:1] == ["sleep"]:
            self.job_ns = self.now_ns + sleep_ns(argv[1:])
        elif argv:
            self.execute(argv)

    def _redirect(self, stream: int, sign: str, word: Word) -> bool:
        target = self.joined(word)
        path = self.path(target)
        if sign == ">&":
            self.streams[stream] = self.streams.get(int(target), int(target))
        elif sign == "<":
            text = self.read(target)
            self.input = (text or "").encode(errors="surrogateescape")
            return text is not None
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
            self.write(1, "".join(f"{line}\n" for line in self.home.server_logs))
            self.serving = self.blocked = True
        elif name in WRAPPERS and argv[1:]:
            self.execute(argv[1:])
        elif name in SHELLS or self.path(argv[0]) in self.home.files:
            self._shell(argv[1:] if name in SHELLS else argv)
        elif name in ANSWERS:
            text, self.status = ANSWERS[name]
            self.write(1, text)
        elif name in COMMANDS:
            status = COMMANDS[name](self, argv[1:])
            self.blocked, self.status = status is None, status or 0
        elif builtin := getattr(self, f"do_{name}", None):
            self.status = 0 if name != "exit" else self.status
            builtin(argv[1:])
        else:
            self.complain(f"{argv[0]}: not found")
            self.status = 127

    def _shell(self, args: list[str]) -> None:
        flag = args[0] if args and args[0].startswith("-") else ""
        rest = args[1:] if flag else args
        text = self.input.decode(errors="replace")
        if flag.endswith("c"):
            text, self.args = (rest or [""])[0], rest[1:]
        elif rest:
            text, self.args = self.read(rest[0]) or "", rest
        self.blocked = self.interactive and not text
        try:
            self.frames.append(Frame(compile_script(text), shell=True))
            self.status = 0
        except ScriptError as error:
            self.complain(str(error))
            self.status = 2

    def do_sleep(self, args: list[str]) -> None:
        self._pause(sleep_ns(args))

    def do_wait(self, _: list[str]) -> None:
        self.waiting = True
        self._pause(max(0, self.job_ns - self.now_ns))

    def do_exit(self, args: list[str]) -> None:
        self.status = int(args[0]) & 255 if args else self.status
        while not self.frames.pop().shell:
            pass
        if not self.frames:
            self.end(self.status)

    def do_exec(self, args: list[str]) -> None:
        self.traps.clear()
        self.frames = [Frame(one_command(tuple(args)), shell=True)]

    def do_trap(self, args: list[str]) -> None:
        for signal in args[1:]:
            self.traps[signal.removeprefix("SIG")] = args[0]

    def do_cd(self, args: list[str]) -> None:
        self.directory = self.path(args[0] if args else "/root")

    def do_export(self, args: list[str]) -> None:
        for name, equals, value in (arg.partition("=") for arg in args):
            self.environment[name] = value if equals else self.variables.get(name, "")

    def do_set(self, args: list[str]) -> None:
        """`set -e` and its like are taken, and change nothing."""

    # -- files -----------------------------------------------------------------
    def path(self, name: str) -> str:
        """`name` as an absolute path."""
        path = name if name.startswith("/") else f"{self.directory.rstrip('/')}/{name}"
        return path.replace("/./", "/").rstrip("/") or "/"

    def read(self, name: str) -> str | None:
        """A file's text; None, and a complaint, when it is not there or not for this user."""
        file = self.home.files.get(self.path(name))
        if file and (self.uid in (0, file.uid) or file.mode & 0o044):
            return file.data.decode(errors="surrogateescape")
        reason = "Permission denied" if file else "No such file or directory"
        self.write(2, f"cat: can't open '{name}': {reason}\n")
        return None

    def write(self, stream: int, text: str) -> None:
        data, target = text.encode(errors="surrogateescape"), self.streams.get(stream, stream)
        if isinstance(target, str):
            if file := self.home.files.get(target):
                self.home.files[target] = file._replace(data=file.data + data)
        elif target == 1 and self.collected:
            self.collected[-1] += data
        elif data:
            self.owner.wrote(target, data)

    def complain(self, text: str) -> None:
        self.write(2, f"sh: {text}\n")


ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)=")
