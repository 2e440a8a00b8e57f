"""What a client types to a process, through a pipe or a terminal.

Source: linux drivers/tty/n_tty.c.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from swarmlab.model import Document
from swarmlab.programs.standard_input import Input
from swarmlab.worker.process import Process

LINE_BYTES_MAX = 4095
INTERRUPT, END, ERASE, RETURN = b"\x03", b"\x04", (b"\x08", b"\x7f"), (b"\r", b"\n")


class ProcessOwner(Protocol):
    process: Process | None

    def on_output(self, stream: int, data: bytes) -> None: ...


@dataclass(eq=False, repr=False)
class Keyboard:
    """With a terminal it echoes, and sends whole lines."""

    owner: ProcessOwner
    input: Input
    terminal: bool
    line: bytes = b""  # of a terminal: typed, and not sent yet

    @classmethod
    def of(cls, owner: ProcessOwner, config: Document, opened: str) -> Keyboard:
        """`opened`: the field of the request that says whether a client may type."""
        terminal = bool(config.get("Tty"))
        return cls(owner, Input(open=terminal or bool(config.get(opened))), terminal)

    def close(self) -> None:
        """The client will send no more; a terminal stays."""
        self.input.open = self.terminal
        self._wake()

    def send(self, data: bytes) -> None:
        if not self.terminal:
            self.input.data += data
            self._wake()
            return
        echo = b""
        for key in (data[at : at + 1] for at in range(len(data))):
            if key in RETURN:
                echo, self.line = echo + b"\n", self.line + b"\n"
                self._enter()
            elif key in ERASE:
                echo += b"\b \b" if self.line else b""
                self.line = self.line.decode(errors="replace")[:-1].encode(errors="replace")
            elif key == INTERRUPT:
                self.line = b""
                self.owner.on_output(1, echo + b"^C")
                echo = b""
                if self.owner.process:
                    self.owner.process.interrupt()
            elif key == END:
                self.input.ended = not self.line
                self._enter()
            else:
                echo, self.line = echo + key, (self.line + key)[:LINE_BYTES_MAX]
        if echo:
            self.owner.on_output(1, echo)
        self._wake()

    def _enter(self) -> None:
        self.input.data, self.line = self.input.data + self.line, b""

    def _wake(self) -> None:
        if self.owner.process:
            self.owner.process.input_came()
