"""What a program sees of the process that runs it and of its container.

A program takes its process and its arguments and returns the exit status, or None if it blocks for
ever. Its options, output and messages are those of BusyBox.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from swarmlab.programs.file_system import FileSystem
from swarmlab.simulation import Machine

if TYPE_CHECKING:
    from swarmlab.programs.connections import ContainerNetwork

ROOT = ("bin", "dev", "etc", "home", "lib", "proc", "root", "run", "sys", "tmp", "usr", "var")


class ProcessContainer(Protocol):
    """What a process needs from its container."""

    machine: Machine
    files: FileSystem
    server: str  # the image's server executable; empty: none
    server_logs: tuple[str, ...]

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

    environment: dict[str, str]
    directory: str
    uid: int
    input: bytes
    interactive: bool  # more input may come: a program that reads it blocks for ever
    serving: bool

    @property
    def container(self) -> ProcessContainer: ...

    def path(self, name: str) -> str: ...

    def read(self, name: str) -> str | None: ...

    def write(self, stream: int, text: str) -> None: ...

    def pause(self, delay_ns: int) -> None: ...


Command = Callable[[ProgramProcess, list[str]], int | None]
