"""The commands of the tiny shell that answer at once, much as busybox does.

Each takes the process and its arguments and returns a status; None: it waits for ever.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple, Protocol

from swarmlab.simulation import EPOCH_NS, HOUR, MINUTE, Machine, S
from swarmlab.worker.registry import WRAPPERS

if TYPE_CHECKING:
    from swarmlab.worker.shell import Process

Command = Callable[["Process", list[str]], int | None]
ROOT = ("bin", "dev", "etc", "home", "lib", "proc", "root", "run", "sys", "tmp", "usr", "var")
SHELLS = ("sh", "bash", "ash", "dash")
ESCAPES = {"\\n": "\n", "\\t": "\t", "\\\\": "\\", "%%": "%"}


class File(NamedTuple):
    data: bytes
    mode: int = 0o644
    uid: int = 0
    gid: int = 0

    def __repr__(self) -> str:
        return f"<File of {len(self.data)} bytes, mode {self.mode:o}>"  # it may be a secret


class Home(Protocol):
    """What a process finds around it: its container."""

    machine: Machine
    files: dict[str, File]
    server: str  # the image's executable that serves; empty: it has none
    server_logs: tuple[str, ...]

    @property
    def hostname(self) -> str: ...


def say(process: Process, text: str) -> int:
    process.write(1, text)
    return 0


def unescape(text: str) -> str:
    return re.sub(r"\\[nt\\]", lambda found: ESCAPES[found[0]], text)


def echo(process: Process, args: list[str]) -> int:
    flags = ""
    while args and re.fullmatch(r"-[neE]+", args[0]):
        flags, args = flags + args[0], args[1:]
    text = unescape(" ".join(args)) if "e" in flags else " ".join(args)
    return say(process, text if "n" in flags else f"{text}\n")


def printf(process: Process, args: list[str]) -> int:
    values = iter(args[1:])
    pattern = r"%[-0-9]*[sd]"
    return say(process, re.sub(pattern, lambda _: next(values, ""), unescape(args[0])))


def cat(process: Process, args: list[str]) -> int | None:
    if not args:
        waits = process.interactive and not process.input
        return None if waits else say(process, process.input.decode(errors="surrogateescape"))
    texts = [process.read(name) for name in args]
    say(process, "".join(text for text in texts if text is not None))
    return int(None in texts)


def test(process: Process, args: list[str]) -> int:
    args = args[:-1] if args[-1:] == ["]"] else args
    files, true = process.home.files, bool(args and args[0])
    match args:
        case ["!", *rest]:
            true = test(process, rest) != 0
        case ["-z", text]:
            true = not text
        case ["-n", text]:
            true = bool(text)
        case ["-e" | "-f" | "-r" | "-s" | "-x" | "-d" as flag, name]:
            path = process.path(name)
            folder = path[1:] in ROOT or any(file.startswith(f"{path}/") for file in files)
            file = path in files and (flag != "-s" or bool(files[path].data))
            true = {"-d": folder, "-e": folder or file}.get(flag, file)
        case [left, "=" | "==" | "!=" as sign, right]:
            true = (left == right) != (sign == "!=")
        case [left, sign, right]:
            a, b = int(left or 0), int(right or 0)
            true = {"-eq": a == b, "-ne": a != b, "-lt": a < b, "-le": a <= b, "-gt": a > b,
                    "-ge": a >= b}[sign]  # fmt: skip
    return int(not true)


def env(process: Process, args: list[str]) -> int:
    values = process.environment
    if args:
        return say(process, f"{values[args[0]]}\n") if args[0] in values else 1
    return say(process, "".join(f"{name}={value}\n" for name, value in values.items()))


def date(process: Process, args: list[str]) -> int:
    now = datetime.fromtimestamp((EPOCH_NS + process.now_ns) // S, UTC)
    form = args[-1][1:] if args and args[-1].startswith("+") else "%a %b %e %H:%M:%S UTC %Y"
    return say(process, now.strftime(form) + "\n")


def ls(process: Process, args: list[str]) -> int:
    long = any(arg.startswith("-") and "l" in arg for arg in args)
    name = next((arg for arg in args if not arg.startswith("-")), "")
    path, files = process.path(name), process.home.files
    prefix = path.rstrip("/") + "/"
    names = {file[len(prefix) :].split("/")[0] for file in files if file.startswith(prefix)}
    names |= set(ROOT) if path == "/" else set()
    if path in files:
        names, prefix = {path}, ""
    elif not names and path[1:] not in ROOT:
        process.write(2, f"ls: {name}: No such file or directory\n")
        return 1
    for entry in sorted(names):
        file = files.get(prefix + entry)
        mode = file.mode if file else 0o755
        bits = "".join(c if mode >> (8 - i) & 1 else "-" for i, c in enumerate("rwxrwxrwx"))
        uid, gid, size = (file.uid, file.gid, len(file.data)) if file else (0, 0, 4096)
        row = f"{'-' if file else 'd'}{bits}    1 {uid:<8} {gid:<8} {size:>9} "
        say(process, f"{row if long else ''}{entry}\n")
    return 0


def id_(process: Process, args: list[str]) -> int:
    who = f"{process.uid}({'root' if process.uid == 0 else 'user'})"
    return say(process, f"{process.uid}\n" if "-u" in args else f"uid={who} gid={who}\n")


def touch(process: Process, args: list[str]) -> int:
    for name in args:
        process.home.files.setdefault(process.path(name), File(b"", uid=process.uid))
    return 0


def rm(process: Process, args: list[str]) -> int:
    for name in [arg for arg in args if not arg.startswith("-")]:
        path, reason = process.path(name), "No such file or directory"
        busy = path.startswith("/run/secrets/") and path in process.home.files
        if busy or (process.home.files.pop(path, None) is None and name == args[0]):
            process.write(2, f"rm: can't remove '{name}': {'Resource busy' if busy else reason}\n")
            return 1
    return 0


def mount(process: Process, args: list[str]) -> int:
    secrets = sorted(path for path in process.home.files if path.startswith("/run/secrets/"))
    lines = [f"tmpfs on {path} type tmpfs (ro,relatime)\n" for path in secrets]
    return say(process, "".join(["overlay on / type overlay (rw,relatime)\n", *lines]))


def grep(process: Process, args: list[str]) -> int:
    words = [arg for arg in args if not arg.startswith("-")]
    text = process.input.decode() if len(words) < 2 else process.read(words[1]) or ""
    found = [line for line in text.splitlines() if re.search(words[0], line)]
    if "-q" not in args:
        say(process, "".join(f"{line}\n" for line in found))
    return int(not found)


def tail(process: Process, args: list[str]) -> int | None:
    return None if "-f" in args else cat(process, [arg for arg in args if arg.startswith("/")])


def top(process: Process, args: list[str]) -> int | None:
    return None


def wc(process: Process, args: list[str]) -> int:
    names = [arg for arg in args if not arg.startswith("-")]
    text = process.read(names[0]) or "" if names else process.input.decode()
    counts = {"-l": text.count("\n"), "-w": len(text.split()), "-c": len(text.encode())}
    wanted = [str(count) for flag, count in counts.items() if flag in args or not args]
    return say(process, " ".join(wanted + names) + "\n")


def whoami(process: Process, args: list[str]) -> int:
    return say(process, "root\n" if process.uid == 0 else "user\n")


def hostname(process: Process, args: list[str]) -> int:
    return say(process, f"{process.home.hostname}\n")


# What some always say and return.
ANSWERS: dict[str, tuple[str, int]] = {
    "true": ("", 0), ":": ("", 0), "false": ("", 1), "mkdir": ("", 0), "chmod": ("", 0),
    "nc": ("", 0), "pwd": ("/\n", 0), "uname": ("Linux\n", 0), "curl": ("ok\n", 0),
    "wget": ("ok\n", 0), "redis-cli": ("PONG\n", 0), "pg_isready": ("accepting connections\n", 0),
    "hello": ("\nHello from Docker!\n\n", 0), "ps": ("PID   USER     COMMAND\n    1 root\n", 0),
}  # fmt: skip
COMMANDS: dict[str, Command] = {
    "node": cat, "python3": cat, "top": top, "tail": tail, "wc": wc, "whoami": whoami,
    "hostname": hostname,
    "echo": echo, "printf": printf, "cat": cat, "test": test, "[": test, "env": env, "date": date,
    "printenv": env, "ls": ls, "id": id_, "touch": touch, "rm": rm, "mount": mount, "grep": grep,
}  # fmt: skip


def is_executable(home: Home, name: str) -> bool:
    """Whether a container can be started with this as its first word."""
    folder, _, base = name.rpartition("/")
    known = base == "sleep" or any(base in names for names in (ANSWERS, COMMANDS, WRAPPERS, SHELLS))
    inside = known and (not folder or folder.endswith("bin") or base in WRAPPERS)
    return name in home.files or base == home.server or inside


def exec_refusal(name: str) -> str:
    """How runc says that there is no such executable."""
    reason = "executable file not found in $PATH"
    if "/" in name:
        reason = f"stat {name}: no such file or directory"
    return f'unable to start container process: exec: "{name}": {reason}: unknown'


def sleep_ns(args: list[str]) -> int:
    """`1.5`, `2m`; several are added up. Anything else, such as `infinity`: for ever."""
    units = {"": S, "s": S, "m": MINUTE, "h": HOUR, "d": 24 * HOUR}
    found = [re.fullmatch(r"([0-9.]+)([smhd]?)", arg) for arg in args]
    return sum(int(float(f[1]) * units[f[2]]) if f else 10**6 * HOUR for f in found)
