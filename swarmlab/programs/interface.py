"""What a program sees of the process that runs it and of its container; and its options.

Options, output and messages are those of BusyBox. Source: busybox libbb/getopt32.c.
"""

from __future__ import annotations

import getopt
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from swarmlab.programs.file_system import FileError, FileSystem, User
from swarmlab.programs.standard_input import Input, MoreToCome
from swarmlab.simulation import Machine

if TYPE_CHECKING:
    from swarmlab.programs.connections import ContainerNetwork

Options = dict[str, str]  # by letter; an option without an argument has ""


class Site(NamedTuple):
    """What an image's server answers to HTTP requests."""

    paths: tuple[str, ...] | None = None  # None: any; none at all: it does not speak HTTP
    page: str = "ok\n"  # with {hostname} and {client}
    root: str = ""  # the folder with its files


class ProcessContainer(Protocol):
    """What a process needs from its container."""

    id: str
    machine: Machine
    server: str  # the image's server executable; empty: none
    server_logs: tuple[str, ...]
    any_command: bool  # what is unknown is taken for its server

    @property
    def files(self) -> FileSystem: ...

    @property
    def site(self) -> Site: ...

    @property
    def hostname(self) -> str: ...

    @property
    def process(self) -> ProgramProcess | None: ...  # process 1, while it runs

    @property
    def network(self) -> ContainerNetwork: ...  # names and connections

    def listens(self, port: int) -> bool:
        """Whether its server accepts connections on this port."""


class ProgramProcess(Protocol):
    """What a program needs from its process."""

    argv: tuple[str, ...]
    program: str  # its name
    directory: str
    input: Input
    serving: bool
    ended: bool
    frozen: bool  # by the signal STOP, or in a paused container: it answers nothing
    ports: dict[int, str]  # on which it listens -> the folder it serves
    memory: dict[str, str]  # of a Redis server

    @property
    def container(self) -> ProcessContainer: ...

    @property
    def exports(self) -> dict[str, str]: ...  # the environment

    @property
    def user(self) -> User: ...

    def path(self, name: str) -> str: ...

    def write(self, stream: int, text: str) -> None: ...

    def error(self, text: str) -> None:
        """Print the program's name and this text."""

    def run_each(self, commands: list[list[str]]) -> None: ...

    def later(self, delay_ns: int, step: Callable[..., int | None], *args: Any) -> None:
        """Go on with `step(process, *args)` after this time."""

    def wait_for_input(self, step: Callable[..., int | None], *args: Any) -> None:
        """Call `step(process, *args)` again when the client has sent more."""

    def signal(self, name: str) -> None: ...

    def kill(self, pid: int, signal: str) -> None:
        """Raises FileError if there is no such process."""


class Applet(NamedTuple):
    """A program, as BusyBox calls it.

    `run(process, options, words)` returns the exit status, or None if it blocks for ever.
    `flags` are its options as for getopt; None: it reads its arguments itself. `long` are the long
    options by letter.
    """

    run: Callable[[ProgramProcess, Options, list[str]], int | None]
    flags: str | None = ""
    long: Mapping[str, str] = MappingProxyType({})

    def start(self, process: ProgramProcess, args: list[str]) -> int | None:
        """Run it; a wrong option is printed, with status 1."""
        if "n:" in (self.flags or ""):  # `head -5`
            args = [re.sub("^-([0-9]+)$", r"-n\1", arg) for arg in args]
        words = args
        found: list[tuple[str, str]] = []
        try:
            if self.flags is not None:
                names = [n + "=" * (f"{c}:" in self.flags) for n, c in self.long.items()]
                found, words = getopt.gnu_getopt(args, self.flags, names)
        except getopt.GetoptError as error:
            fault = "invalid option" if "recognized" in error.msg else "option requires an argument"
            flags = (self.flags or "").strip("+").replace(":", "")
            usage = f"BusyBox multi-call binary.\n\nUsage: {process.program} [-{flags}] [ARG]..."
            process.error(f"{fault} -- '{error.opt}'\n{usage}")
            return 1
        options = {self.long.get(flag.strip("-"), flag[1:]): value for flag, value in found}
        return attempt(process, self.run, options, words)


def attempt(process: ProgramProcess, step: Callable[..., int | None], *args: Any) -> int | None:
    """Call `step(process, *args)`; what it raises is printed."""
    try:
        return step(process, *args)
    except MoreToCome:
        process.wait_for_input(step, *args)
        return None
    except FileError as error:
        process.error(str(error))
        return 1
    except (ArithmeticError, LookupError, ValueError, TimeoutError):
        process.error("bad arguments")
        return 2


def each(process: ProgramProcess, fault: str, names: list[str], do: Callable[[str], object]) -> int:
    """Call `do(path)` for each file; the status is 1 if one failed.

    `fault` is the beginning of the message, such as `can't remove '{}'`.
    """
    failed = 0
    for name in names:
        try:
            do(process.path(name))
        except FileError as error:
            process.error(f"{fault.format(name)}: {error}")
            failed = 1
    return failed


def read_texts(
    process: ProgramProcess, names: list[str], fault: str = "{}"
) -> tuple[list[str], int]:
    """The texts of the files, or without files that of the input; and the status."""
    data = [] if names else [process.input.all()]
    files, user = process.container.files, process.user
    status = each(process, fault, names, lambda path: data.append(files.read(path, user)))
    return [text.decode(errors="surrogateescape") for text in data], status
