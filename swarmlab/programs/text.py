"""Programs that print and search text."""

from __future__ import annotations

import re

from swarmlab.programs.files import read_input
from swarmlab.programs.interface import ProgramProcess
from swarmlab.programs.patterns import found


def print_text(text: str, status: int, process: ProgramProcess, args: list[str]) -> int:
    """Print a fixed text, whatever the arguments."""
    process.write(1, text.format(process))
    return status


def echo(process: ProgramProcess, args: list[str]) -> int:
    no_newline = args[:1] == ["-n"]
    process.write(1, " ".join(args[no_newline:]) + ("" if no_newline else "\n"))
    return 0


def printf(process: ProgramProcess, args: list[str]) -> int:
    values = iter(args[1:])
    text = args[0].replace("\\n", "\n").replace("\\t", "\t")
    process.write(1, re.sub(r"%[sd]", lambda _: next(values, ""), text))
    return 0


def grep(process: ProgramProcess, args: list[str]) -> int:
    pattern, *names = [arg for arg in args if not arg.startswith("-")]
    lines = (read_input(process, names) or "").splitlines()
    matching = [line for line in lines if found(pattern, line)]
    if "-q" not in args:
        process.write(1, "".join(f"{line}\n" for line in matching))
    return int(not matching)


def wc(process: ProgramProcess, args: list[str]) -> int:
    names = [arg for arg in args if not arg.startswith("-")]
    text = read_input(process, names) or ""
    counts = {"-l": text.count("\n"), "-w": len(text.split()), "-c": len(text.encode())}
    numbers = [str(counts[arg]) for arg in args if arg in counts] or map(str, counts.values())
    process.write(1, " ".join([*numbers, *names]) + "\n")
    return 0
