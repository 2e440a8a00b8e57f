"""Programs that show or test the process, its user and the time. Source: busybox coreutils."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from swarmlab.errors import EngineFault
from swarmlab.programs.base_files import find_user, name_of
from swarmlab.programs.file_system import EXECUTE, READ, WRITE, FileError
from swarmlab.programs.interface import Options, ProgramProcess
from swarmlab.simulation import HOUR, MINUTE, S

UNITS_NS = {"": S, "s": S, "m": MINUTE, "h": HOUR, "d": 24 * HOUR}
SIGNAL_NUMBERS = {"1": "HUP", "2": "INT", "3": "QUIT", "9": "KILL", "10": "USR1", "15": "TERM"}


def done(process: ProgramProcess) -> int:
    return 0


def sleep(process: ProgramProcess, options: Options, args: list[str]) -> int:
    """Sleep for `1.5` or `2m`; several durations add up. Any other word: for ever."""
    matches = [re.fullmatch(r"([0-9.]+)([smhd]?)", arg) for arg in args]
    total_ns = sum(int(float(m[1]) * UNITS_NS[m[2]]) if m else 10**6 * HOUR for m in matches)
    process.later(total_ns, done)
    return 0


def block(process: ProgramProcess, options: Options, args: list[str]) -> None:
    """Run until a signal ends it, as `top` does."""


def test(process: ProgramProcess, options: Options, args: list[str]) -> int:
    args = args[:-1] if args[-1:] in (["]"], ["]]"]) else args
    for word, decide in (("-o", min), ("-a", max)):
        if word in args[1:-1]:
            at = args.index(word, 1)
            return decide(test(process, {}, args[:at]), test(process, {}, args[at + 1 :]))
    true = bool(args and args[0])
    match args:
        case ["!", *rest]:
            true = test(process, {}, rest) != 0
        case ["-z", text]:
            true = not text
        case ["-n", text]:
            true = bool(text)
        case [("-e" | "-f" | "-r" | "-w" | "-x" | "-s" | "-d") as flag, name]:
            access = {"-r": READ, "-w": WRITE, "-x": EXECUTE}.get(flag, 0)
            try:
                file = process.container.files.look(process.path(name), process.user, access)
                true = {"-f": not file.is_folder, "-s": file.data != b"", "-d": file.is_folder}.get(
                    flag, True
                )
            except FileError:
                true = False
        case [left, "=" | "==" | "!=" as sign, right]:
            true = (left == right) != (sign == "!=")
        case [left, sign, right]:
            a, b = int(left or 0), int(right or 0)
            true = {"-eq": a == b, "-ne": a != b, "-lt": a < b, "-le": a <= b, "-gt": a > b,
                    "-ge": a >= b}[sign]  # fmt: skip
    return int(not true)


def env(process: ProgramProcess, options: Options, args: list[str]) -> int:
    values = process.exports
    lines = [values[name] for name in args] or [f"{name}={text}" for name, text in values.items()]
    process.write(1, "".join(f"{line}\n" for line in lines))
    return 0


def date(process: ProgramProcess, options: Options, args: list[str]) -> int:
    now_ns = process.container.machine.simulation.epoch_ns + process.user.now_ns
    format = args[-1][1:] if args and args[-1].startswith("+") else "%a %b %e %H:%M:%S UTC %Y"
    format = format.replace("%s", str(now_ns // S))
    process.write(1, datetime.fromtimestamp(now_ns // S, UTC).strftime(format) + "\n")
    return 0


def id_(process: ProgramProcess, options: Options, args: list[str]) -> int:
    files = process.container.files
    try:
        uid, gid, _ = find_user(files, args[0]) if args else process.user
    except EngineFault:
        raise FileError(f"unknown user {args[0]}") from None
    user, group = name_of(files, uid, "passwd"), name_of(files, gid, "group")
    if options.keys() & {"u", "g", "G"}:
        chosen = (uid, user) if "u" in options else (gid, group)
        text = str(chosen["n" in options])
    else:
        text = f"uid={uid}({user}) gid={gid}({group}) groups={gid}({group})"
    process.write(1, re.sub(r"(\d+)\(\1\)", r"\1", text) + "\n")
    return 0


def whoami(process: ProgramProcess, options: Options, args: list[str]) -> int:
    name = name_of(process.container.files, process.user.uid, "passwd")
    if name.isdigit():
        raise FileError(f"unknown uid {name}")
    process.write(1, f"{name}\n")
    return 0


def ps(process: ProgramProcess, options: Options, args: list[str]) -> int:
    rows = [(1, process.container.process), (7, process)]
    process.write(1, "PID   USER     TIME  COMMAND\n")
    for pid, row in rows if rows[0][1] is not process else rows[:1]:
        if row:
            user = name_of(process.container.files, row.user.uid, "passwd")
            process.write(1, f"{pid:5} {user:<8}  0:00 {' '.join(row.argv)}\n")
    return 0


def kill(process: ProgramProcess, options: Options, args: list[str]) -> int:
    """`kill -TERM 1`, `kill -9 7`."""
    signal, pids = (args[0][1:], args[1:]) if args[0][0] == "-" else ("TERM", args)
    signal = SIGNAL_NUMBERS.get(signal, signal.removeprefix("SIG"))
    for pid in pids:
        try:
            process.kill(int(pid), signal)
        except FileError as error:
            raise FileError(f"can't kill pid {pid}: {error}") from None
    return 0
