"""The commands of the small shell, with the behaviour and messages of BusyBox.

Each takes the process and its arguments and returns the exit status, or None if it blocks for ever.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, Protocol

from swarmlab.patterns import found
from swarmlab.simulation import EPOCH_NS, HOUR, MINUTE, Machine, S
from swarmlab.worker.registry import WRAPPERS
from swarmlab.worker.shell.parser import one_command

if TYPE_CHECKING:
    from swarmlab.worker.shell.process import Process

Command = Callable[["Process", list[str]], int | None]
ROOT = ("bin", "dev", "etc", "home", "lib", "proc", "root", "run", "sys", "tmp", "usr", "var")
SHELLS = ("sh", "bash", "ash", "dash")
UNITS_NS = {"": S, "s": S, "m": MINUTE, "h": HOUR, "d": 24 * HOUR}


class File(NamedTuple):
    data: bytes
    mode: int = 0o644
    uid: int = 0
    gid: int = 0

    def __repr__(self) -> str:
        return f"<File of {len(self.data)} bytes, mode {self.mode:o}>"  # it may be a secret


class ProcessContainer(Protocol):
    """What a process needs from its container."""

    machine: Machine
    files: dict[str, File]
    server: str  # the image's server executable; empty: none
    server_logs: tuple[str, ...]
    process: Process | None  # process 1, while it runs

    @property
    def hostname(self) -> str: ...


def sleep(process: Process, args: list[str]) -> int:
    """Sleep for `1.5` or `2m`; several durations add up. Any other word: for ever."""
    matches = [re.fullmatch(r"([0-9.]+)([smhd]?)", arg) for arg in args]
    process.pause(sum(int(float(m[1]) * UNITS_NS[m[2]]) if m else 10**6 * HOUR for m in matches))
    return 0


def exit_(process: Process, args: list[str]) -> int:
    while process.todo and process.todo[-1][0] != "end":
        process.todo.pop()
    return int(args[0]) & 255 if args else process.status


def exec_(process: Process, args: list[str]) -> int:
    process.traps.clear()
    process.todo = [one_command(tuple(args))]
    return 0


def trap(process: Process, args: list[str]) -> int:
    node = process.parsed(args[0])
    process.traps.update((signal.removeprefix("SIG"), node) for signal in args[1:])
    return 0


def print_text(text: str, status: int, process: Process, args: list[str]) -> int:
    """Print a fixed text, whatever the arguments."""
    process.write(1, text.format(process))
    return status


def echo(process: Process, args: list[str]) -> int:
    no_newline = args[:1] == ["-n"]
    process.write(1, " ".join(args[no_newline:]) + ("" if no_newline else "\n"))
    return 0


def printf(process: Process, args: list[str]) -> int:
    values = iter(args[1:])
    text = args[0].replace("\\n", "\n").replace("\\t", "\t")
    process.write(1, re.sub(r"%[sd]", lambda _: next(values, ""), text))
    return 0


def read_input(process: Process, names: list[str]) -> str | None:
    """The text of the files, or without files the input; None if one cannot be read."""
    if not names:
        return process.input.decode(errors="surrogateescape")
    texts = [process.read(name) for name in names]
    return None if None in texts else "".join(text or "" for text in texts)


def cat(process: Process, args: list[str]) -> int | None:
    if not args and process.interactive and not process.input:
        return None
    text = read_input(process, args)
    process.write(1, text or "")
    return int(text is None)


def grep(process: Process, args: list[str]) -> int:
    pattern, *names = [arg for arg in args if not arg.startswith("-")]
    lines = (read_input(process, names) or "").splitlines()
    matching = [line for line in lines if found(pattern, line)]
    if "-q" not in args:
        process.write(1, "".join(f"{line}\n" for line in matching))
    return int(not matching)


def wc(process: Process, args: list[str]) -> int:
    names = [arg for arg in args if not arg.startswith("-")]
    text = read_input(process, names) or ""
    counts = {"-l": text.count("\n"), "-w": len(text.split()), "-c": len(text.encode())}
    numbers = [str(counts[arg]) for arg in args if arg in counts] or map(str, counts.values())
    process.write(1, " ".join([*numbers, *names]) + "\n")
    return 0


def block(process: Process, args: list[str]) -> None:
    """Run until a signal ends it, as `top` does."""


def test(process: Process, args: list[str]) -> int:
    args = args[:-1] if args[-1:] == ["]"] else args
    files, true = process.container.files, bool(args and args[0])
    match args:
        case ["!", *rest]:
            true = test(process, rest) != 0
        case ["-z", text]:
            true = not text
        case ["-n", text]:
            true = bool(text)
        case ["-e" | "-f" | "-r" | "-s" | "-d" as flag, name]:
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
    lines = [values[name] for name in args] or [f"{name}={text}" for name, text in values.items()]
    process.write(1, "".join(f"{line}\n" for line in lines))
    return 0


def date(process: Process, args: list[str]) -> int:
    now_ns = EPOCH_NS + process.container.machine.simulation.now_ns
    format = args[-1][1:] if args and args[-1].startswith("+") else "%a %b %e %H:%M:%S UTC %Y"
    process.write(1, datetime.fromtimestamp(now_ns // S, UTC).strftime(format) + "\n")
    return 0


def ls(process: Process, args: list[str]) -> int:
    name = next((arg for arg in args if not arg.startswith("-")), "")
    path = process.path(name)
    prefix, files = path.rstrip("/") + "/", process.container.files
    names = {file[len(prefix) :].split("/")[0] for file in files if file.startswith(prefix)}
    names |= {name} if path in files else set(ROOT) if path == "/" else set()
    if not names and path[1:] not in ROOT:
        process.write(2, f"ls: {name}: No such file or directory\n")
        return 1
    process.write(1, "".join(f"{entry}\n" for entry in sorted(names)))
    return 0


def id_(process: Process, args: list[str]) -> int:
    user = f"{process.uid}({'root' if process.uid == 0 else 'user'})"
    process.write(1, f"{process.uid}\n" if "-u" in args else f"uid={user} gid={user}\n")
    return 0


def touch(process: Process, args: list[str]) -> int:
    for name in args:
        process.container.files.setdefault(process.path(name), File(b"", uid=process.uid))
    return 0


def rm(process: Process, args: list[str]) -> int:
    for name in [arg for arg in args if not arg.startswith("-")]:
        path = process.path(name)
        reason = "Resource busy" if path.startswith("/run/secrets/") else ""
        if not reason and process.container.files.pop(path, None) is None and name == args[0]:
            reason = "No such file or directory"
        if reason:
            process.write(2, f"rm: can't remove '{name}': {reason}\n")
            return 1
    return 0


def fetch(status: int, process: Process, args: list[str]) -> int:
    """`curl localhost` succeeds if the container's server runs; any other host always replies."""
    container, local = process.container, re.search(r"\b(localhost|127\.0\.0\.1)\b", " ".join(args))
    running = container.process is not None and container.process.serving
    if local and container.server and not running:
        process.write(2, f"can't connect to {local[1]}: Connection refused\n")
        return status
    process.write(1, "ok\n")
    return 0


# Commands that only print a text, with fields of the process {0}, and their status.
FIXED_OUTPUT: dict[str, tuple[str, int]] = {
    "true": ("", 0), ":": ("", 0), "false": ("", 1), "mkdir": ("", 0), "chmod": ("", 0),
    "nc": ("", 0), "redis-cli": ("PONG\n", 0),
    "pg_isready": ("accepting connections\n", 0), "hello": ("\nHello from Docker!\n\n", 0),
    "ps": ("PID   USER     COMMAND\n    1 root\n", 0), "uname": ("Linux\n", 0),
    "pwd": ("{0.directory}\n", 0), "hostname": ("{0.container.hostname}\n", 0),
}  # fmt: skip
BUILTINS: dict[str, Command] = {
    "exit": exit_, "exec": exec_, "trap": trap, "set": partial(print_text, "", 0),
}  # fmt: skip
COMMANDS: dict[str, Command] = {
    "sleep": sleep, "echo": echo, "printf": printf, "cat": cat, "node": cat, "python3": cat,
    "test": test, "[": test, "env": env, "printenv": env, "date": date, "ls": ls, "id": id_,
    "curl": partial(fetch, 7), "wget": partial(fetch, 1),
    "touch": touch, "rm": rm, "grep": grep, "wc": wc, "top": block, "tail": block,
    **{name: partial(print_text, *output) for name, output in FIXED_OUTPUT.items()},
}  # fmt: skip


def is_executable(container: ProcessContainer, name: str) -> bool:
    """Whether the container has this executable."""
    folder, _, base = name.rpartition("/")
    standard = base in (*COMMANDS, *SHELLS, *WRAPPERS)
    on_path = not folder or folder.endswith("bin") or base in WRAPPERS
    is_server = base != "" and base == container.server
    return name in container.files or is_server or (standard and on_path)


def exec_error(name: str) -> str:
    """runc's message when there is no such executable."""
    reason = "executable file not found in $PATH"
    if "/" in name:
        reason = f"stat {name}: no such file or directory"
    return f'unable to start container process: exec: "{name}": {reason}: unknown'
