"""Programs that show or test the process, its user and the time."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from swarmlab.programs.interface import ROOT, ProgramProcess
from swarmlab.simulation import EPOCH_NS, HOUR, MINUTE, S

UNITS_NS = {"": S, "s": S, "m": MINUTE, "h": HOUR, "d": 24 * HOUR}


def sleep(process: ProgramProcess, args: list[str]) -> int:
    """Sleep for `1.5` or `2m`; several durations add up. Any other word: for ever."""
    matches = [re.fullmatch(r"([0-9.]+)([smhd]?)", arg) for arg in args]
    process.pause(sum(int(float(m[1]) * UNITS_NS[m[2]]) if m else 10**6 * HOUR for m in matches))
    return 0


def block(process: ProgramProcess, args: list[str]) -> None:
    """Run until a signal ends it, as `top` does."""


def test(process: ProgramProcess, args: list[str]) -> int:
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


def env(process: ProgramProcess, args: list[str]) -> int:
    values = process.environment
    lines = [values[name] for name in args] or [f"{name}={text}" for name, text in values.items()]
    process.write(1, "".join(f"{line}\n" for line in lines))
    return 0


def date(process: ProgramProcess, args: list[str]) -> int:
    now_ns = EPOCH_NS + process.container.machine.simulation.now_ns
    format = args[-1][1:] if args and args[-1].startswith("+") else "%a %b %e %H:%M:%S UTC %Y"
    process.write(1, datetime.fromtimestamp(now_ns // S, UTC).strftime(format) + "\n")
    return 0


def id_(process: ProgramProcess, args: list[str]) -> int:
    user = f"{process.uid}({'root' if process.uid == 0 else 'user'})"
    process.write(1, f"{process.uid}\n" if "-u" in args else f"uid={user} gid={user}\n")
    return 0
