"""A line that says how far long work is, in a cell or in a terminal; it is gone when the work ends.

`with LongWork(_("nodes that joined")) as progress: progress.at(3, 997)`. Nothing is shown before
the work has taken two seconds; of work within other work only the outer one speaks.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Collection
from typing import Any, ClassVar, Self, TypeVar

from swarmlab.strings import number

AFTER_S, EVERY_S = 2.0, 0.25  # of the wall clock

T = TypeVar("T")
R = TypeVar("R")


class StatusLine:
    """A line that changes; in the end it is empty."""

    def __init__(self) -> None:
        self._handle: Any = None  # of the output of a cell
        self._shown = False

    def show(self, text: str) -> None:
        ipython = sys.modules.get("IPython")
        if getattr(ipython and ipython.get_ipython(), "kernel", None):
            from IPython.display import Pretty, display

            shown: Any = Pretty(text)  # type: ignore[no-untyped-call]  # IPython has no types here
            if self._handle is None:
                self._handle = display(shown, display_id=True)  # type: ignore[no-untyped-call]  # as above
            else:
                self._handle.update(shown)
        elif sys.stderr.isatty():
            sys.stderr.write(f"\r\033[K{text}")
            sys.stderr.flush()
        self._shown = bool(text)

    def close(self) -> None:
        if self._shown:
            self.show("")


class LongWork:
    """How far some work is."""

    _speaks: ClassVar[LongWork | None] = None  # the outermost

    def __init__(self, what: str, unit: int = 1) -> None:
        self._what, self._unit, self._line = what, unit, StatusLine()
        self._next_s = time.monotonic() + AFTER_S

    def at(self, done: float, total: float) -> None:
        """So much of the work is done."""
        if LongWork._speaks is self and time.monotonic() >= self._next_s:
            self._next_s = time.monotonic() + EVERY_S
            figures = (number(figure / self._unit, ",.0f") for figure in (done, total))
            self._line.show(f"{self._what}: {' / '.join(figures)}")

    def __enter__(self) -> Self:
        LongWork._speaks = LongWork._speaks or self
        return self

    def __exit__(self, *_: object) -> None:
        if LongWork._speaks is self:
            LongWork._speaks = None
            self._line.close()


def each(what: str, function: Callable[[T], R], items: Collection[T]) -> list[R]:
    """The function's results for the items, one by one, while a line says how many there are."""
    results: list[R] = []
    with LongWork(what) as progress:
        for item in items:
            progress.at(len(results), len(items))
            results.append(function(item))
    return results
