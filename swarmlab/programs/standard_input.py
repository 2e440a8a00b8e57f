"""What a process reads: a file, a pipe, or what a client types, who may not be done yet."""

from __future__ import annotations

from dataclasses import dataclass


class MoreToCome(Exception):
    """The client has not sent enough yet: the program waits, and reads again."""


@dataclass(eq=False, repr=False)
class Input:
    """A reader takes what it reads; `open`: a client may send more."""

    data: bytes = b""
    open: bool = False
    ended: bool = False  # by Ctrl-D on a terminal: the end for one reader only

    def all(self) -> bytes:
        """Up to the end. Raises MoreToCome."""
        return self._take(len(self.data))

    def line(self) -> bytes:
        """A line with its end; empty: there is no more. Raises MoreToCome."""
        end = self.data.find(b"\n") + 1
        return self._take(end or len(self.data), complete=bool(end))

    def some(self) -> bytes:
        """What has come; empty: there is no more. Raises MoreToCome."""
        return self._take(len(self.data), complete=bool(self.data))

    def _take(self, count: int, *, complete: bool = False) -> bytes:
        if not complete:
            if self.open and not self.ended:
                raise MoreToCome
            self.ended = False
        taken, self.data = self.data[:count], self.data[count:]
        return taken
