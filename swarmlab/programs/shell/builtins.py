"""The small shell's own commands: those that change the shell itself.

Each takes the process and its arguments and returns the exit status, or None if it blocks.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from swarmlab.programs.file_system import EXECUTE, FileError, User
from swarmlab.programs.interface import ProcessContainer
from swarmlab.programs.shell.parser import one_command
from swarmlab.programs.table import PROGRAMS, WRAPPERS

if TYPE_CHECKING:
    from swarmlab.programs.shell.interpreter import Interpreter

SHELLS = ("sh", "bash", "ash", "dash")


def leave(kinds: tuple[str, ...], process: Interpreter, args: list[str]) -> int:
    """`exit`, `return`, `break` and `continue`: go to the end of a scope, or to an iteration."""
    process.unwind(*kinds)
    return int(args[0]) & 255 if args and "loop" not in kinds else process.status


def exec_(process: Interpreter, args: list[str]) -> int:
    """Become another program; without one, keep the redirections."""
    process.scope_streams = process.streams
    if args:
        process.traps.clear()
        process.todo = [one_command(tuple(args))]
    return 0


def trap(process: Interpreter, args: list[str]) -> int:
    node = process.parsed(args[0])
    process.traps.update((signal.removeprefix("SIG"), node) for signal in args[1:])
    return 0


def cd(process: Interpreter, args: list[str]) -> int:
    path = process.container.files.normal(process.path(args[0] if args else "/"))
    if not process.container.files.look(path, process.user, EXECUTE).is_folder:
        raise FileError(f"can't cd to {args[0]}: Not a directory")
    process.directory = path or "/"
    return 0


def export(process: Interpreter, args: list[str]) -> int:
    for name, equals, value in (arg.partition("=") for arg in args):
        process.variables.exported[name] = None
        if equals:
            process.variables.set(name, value)
    return 0


def read(process: Interpreter, args: list[str]) -> int | None:
    """Take a line of the input; its words become variables, the last of which gets the rest."""
    names = [arg for arg in args if arg[0] != "-"] or ["REPLY"]
    line = process.input.line()
    words = line.decode(errors="replace").rstrip("\n").split(maxsplit=len(names) - 1)
    for name, word in zip(names, [*words, *[""] * len(names)], strict=False):
        process.variables.set(name, word)
    return int(line[-1:] != b"\n")


def set_(process: Interpreter, args: list[str]) -> int:
    """`set -- a b` sets the arguments; options have no effect."""
    if "--" in args:
        process.variables.arguments = args[args.index("--") + 1 :]
    return 0


def shift(process: Interpreter, args: list[str]) -> int:
    process.variables.arguments = process.variables.arguments[int(args[0]) if args else 1 :]
    return 0


def wait(process: Interpreter, args: list[str]) -> int | None:
    """Wait for one job, or for all."""
    jobs = process.job_codes()
    codes = [jobs[pid] for pid in map(int, args or jobs)]
    if None in codes:
        process.todo.append(one_command(("wait", *args)))
        process.waiting = True
        return None
    return (codes[-1] or 0) if args else 0


BUILTINS: dict[str, Callable[[Interpreter, list[str]], int | None]] = {
    "exit": partial(leave, ("shell",)), "return": partial(leave, ("function", "shell")),
    "break": partial(leave, ("loop", "function", "shell")),
    "continue": partial(leave, ("again", "next", "loop", "function", "shell")),
    "exec": exec_, "trap": trap, "cd": cd, "export": export, "read": read, "set": set_,
    "shift": shift, "wait": wait,
}  # fmt: skip


def exec_error(container: ProcessContainer, name: str, user: User) -> str:
    """runc's message if the container cannot execute this; otherwise empty."""
    folder, _, base = name.rpartition("/")
    known = base in (*PROGRAMS, *SHELLS, *WRAPPERS)
    on_path = not folder or folder.endswith("bin") or base in WRAPPERS
    if base and (container.any_command or base == container.server or (known and on_path)):
        return ""
    file = container.files.get(name) if folder else None
    if file and file.allows(user, EXECUTE):
        return ""
    reason = f"stat {name}: no such file or directory" if folder else ""
    reason = "permission denied" if file else reason or "executable file not found in $PATH"
    return f'unable to start container process: exec: "{name}": {reason}: unknown'
