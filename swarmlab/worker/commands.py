"""The commands of the tiny shell that answer at once, as busybox does.

Each takes the process and its arguments and returns a status; None: it waits for ever.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from swarmlab.simulation import EPOCH_NS, S

if TYPE_CHECKING:
    from swarmlab.worker.shell import Process


class File(NamedTuple):
    data: bytes
    mode: int = 0o644
    uid: int = 0
    gid: int = 0


ROOT = (
    "bin",
    "dev",
    "etc",
    "home",
    "lib",
    "proc",
    "root",
    "run",
    "sbin",
    "sys",
    "tmp",
    "usr",
    "var",
)
ESCAPES = {"\\n": "\n", "\\t": "\t", "\\r": "\r", "\\\\": "\\", "\\0": "\0"}


def say(process: Process, text: str) -> int:
    process.write(1, text)
    return 0


def unescape(text: str) -> str:
    return re.sub(r"\\[ntr0\\]", lambda found: ESCAPES[found[0]], text)


def echo(process: Process, args: list[str]) -> int:
    flags = ""
    while args and re.fullmatch(r"-[neE]+", args[0]):
        flags, args = flags + args[0], args[1:]
    text = unescape(" ".join(args)) if "e" in flags else " ".join(args)
    return say(process, text if "n" in flags else f"{text}\n")


def printf(process: Process, args: list[str]) -> int:
    values = list(args[1:])
    text = re.sub(r"%[-0-9]*[sd]", lambda _: values.pop(0) if values else "", unescape(args[0]))
    return say(process, text.replace("%%", "%"))


def cat(process: Process, args: list[str]) -> int | None:
    if not args:
        return None if process.interactive else say(process, process.input.decode())
    texts = [process.read(name) for name in args]
    say(process, "".join(text for text in texts if text is not None))
    return int(None in texts)


def test(process: Process, args: list[str]) -> int:
    args = args[:-1] if args[-1:] == ["]"] else args
    if args[:1] == ["!"]:
        return int(test(process, args[1:]) == 0)
    files = process.home.files
    match args:
        case ["-z", text]:
            true = not text
        case ["-n" | "-e" | "-f" | "-r" | "-s" | "-x" | "-d" as flag, name]:
            path = process.path(name)
            folder = any(file.startswith(f"{path}/") for file in files) or path[1:] in ROOT
            size = len(files[path].data) if path in files else -1
            true = {"-n": bool(name), "-d": folder, "-s": size > 0}.get(flag, size >= 0)
            true = true or (folder and flag == "-e")
        case [left, "=" | "==", right]:
            true = left == right
        case [left, "!=", right]:
            true = left != right
        case [left, "-eq" | "-ne" | "-lt" | "-le" | "-gt" | "-ge" as sign, right]:
            a, b = int(left or 0), int(right or 0)
            true = {"-eq": a == b, "-ne": a != b, "-lt": a < b, "-le": a <= b, "-gt": a > b,
                    "-ge": a >= b}[sign]  # fmt: skip
        case _:
            true = bool(args and args[0])
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
    flags = "".join(arg for arg in args if arg.startswith("-"))
    name = next((arg for arg in args if not arg.startswith("-")), ".")
    path = process.path("" if name == "." else name)
    files, prefix = process.home.files, path.rstrip("/") + "/"
    names = {file[len(prefix) :].split("/")[0] for file in files if file.startswith(prefix)}
    names |= set(ROOT) if path == "/" else set()
    if path in files:
        names, prefix = {name}, "" if name.startswith("/") else prefix
    elif not names and path[1:] not in ROOT:
        process.write(2, f"ls: {name}: No such file or directory\n")
        return 1
    for entry in sorted(names):
        file = files.get(prefix + entry)
        if "l" not in flags:
            say(process, f"{entry}\n")
        elif file is None:
            say(process, f"drwxr-xr-x    1 0        0             4096 {entry}\n")
        else:
            bits = "".join(
                c if file.mode >> (8 - i) & 1 else "-" for i, c in enumerate("rwxrwxrwx")
            )
            line = f"-{bits}    1 {file.uid:<8} {file.gid:<8} {len(file.data):>9} {entry}\n"
            say(process, line)
    return 0


def id_(process: Process, args: list[str]) -> int:
    name = "root" if process.uid == 0 else str(process.uid)
    text = f"uid={process.uid}({name}) gid={process.uid}({name})"
    return say(process, f"{process.uid}\n" if "-u" in args else f"{text}\n")


def touch(process: Process, args: list[str]) -> int:
    for name in args:
        process.home.files.setdefault(process.path(name), File(b"", uid=process.uid))
    return 0


def rm(process: Process, args: list[str]) -> int:
    missing = 0
    for name in args:
        path = process.path(name)
        if path.startswith("/run/secrets/"):
            process.write(2, f"rm: can't remove '{name}': Resource busy\n")
            missing = 1
        elif process.home.files.pop(path, None) is None and not args[0].startswith("-"):
            process.write(2, f"rm: can't remove '{name}': No such file or directory\n")
            missing = 1
    return missing


def mount(process: Process, args: list[str]) -> int:
    say(process, "overlay on / type overlay (rw,relatime)\n")
    for path in sorted(process.home.files):
        if path.startswith("/run/secrets/"):
            say(process, f"tmpfs on {path} type tmpfs (ro,relatime)\n")
    return 0


def grep(process: Process, args: list[str]) -> int:
    words = [arg for arg in args if not arg.startswith("-")]
    text = process.input.decode() if len(words) < 2 else process.read(words[1]) or ""
    found = [line for line in text.splitlines() if re.search(words[0], line)]
    if not any("q" in arg for arg in args if arg.startswith("-")):
        say(process, "".join(f"{line}\n" for line in found))
    return int(not found)


def tail(process: Process, args: list[str]) -> int | None:
    return None if "-f" in args else cat(process, [arg for arg in args if arg.startswith("/")])


COMMANDS: dict[str, Callable[[Process, list[str]], int | None]] = {
    "true": lambda process, args: 0,
    ":": lambda process, args: 0,
    "mkdir": lambda process, args: 0,
    "chmod": lambda process, args: 0,
    "false": lambda process, args: 1,
    "hostname": lambda process, args: say(process, f"{process.home.hostname}\n"),
    "whoami": lambda process, args: say(process, "root\n" if process.uid == 0 else "user\n"),
    "pwd": lambda process, args: say(process, f"{process.directory}\n"),
    "uname": lambda process, args: say(process, "Linux\n"),
    "ps": lambda process, args: say(process, "PID   USER     COMMAND\n    1 root\n"),
    "curl": lambda process, args: say(process, "ok\n"),
    "wget": lambda process, args: say(process, "ok\n"),
    "nc": lambda process, args: 0,
    "redis-cli": lambda process, args: say(process, "PONG\n"),
    "pg_isready": lambda process, args: say(process, "accepting connections\n"),
    "python3": lambda process, args: cat(process, []),
    "node": lambda process, args: cat(process, []),
    "hello": lambda process, args: say(process, "\nHello from Docker!\n"),
    "echo": echo, "printf": printf, "cat": cat, "test": test, "[": test, "env": env, "date": date,
    "printenv": env, "ls": ls, "id": id_, "touch": touch, "rm": rm, "mount": mount, "grep": grep,
    "tail": tail, "top": tail,
}  # fmt: skip
