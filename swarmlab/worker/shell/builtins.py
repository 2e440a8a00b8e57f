"""The small shell's own commands: those that change the shell itself."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from swarmlab.programs.interface import ProcessContainer
from swarmlab.programs.table import PROGRAMS
from swarmlab.programs.text import print_text
from swarmlab.worker.registry import WRAPPERS
from swarmlab.worker.shell.parser import one_command

if TYPE_CHECKING:
    from swarmlab.worker.shell.process import Process

Builtin = Callable[["Process", list[str]], int]
SHELLS = ("sh", "bash", "ash", "dash")


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


BUILTINS: dict[str, Builtin] = {
    "exit": exit_, "exec": exec_, "trap": trap, "set": partial(print_text, "", 0),
}  # fmt: skip


def is_executable(container: ProcessContainer, name: str) -> bool:
    """Whether the container has this executable."""
    folder, _, base = name.rpartition("/")
    standard = base in (*PROGRAMS, *SHELLS, *WRAPPERS)
    on_path = not folder or folder.endswith("bin") or base in WRAPPERS
    is_server = base != "" and base == container.server
    return name in container.files or is_server or (standard and on_path)


def exec_error(name: str) -> str:
    """runc's message when there is no such executable."""
    reason = "executable file not found in $PATH"
    if "/" in name:
        reason = f"stat {name}: no such file or directory"
    return f'unable to start container process: exec: "{name}": {reason}: unknown'
