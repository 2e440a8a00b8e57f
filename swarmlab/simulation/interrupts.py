"""Defers Ctrl+C and a notebook's stop button to a moment at which the simulation is whole.

An event or a request that is cut off leaves an impossible state: a heartbeat that is never sent
again, an entry that is half in the log. In a `with UNINTERRUPTED` block a first interrupt waits:
the clock raises it when time would pass, else the end of the block does. A second one is raised at
once, so that nothing can hang; what was under way is then torn, and has to be made again.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Sequence
from types import FrameType

POLL_S = 0.1  # how often a thread that waits for a lock looks for an interrupt
MAIN_THREAD = threading.main_thread().ident


class Uninterrupted:
    """Blocks nest; the outermost counts. Python interrupts no thread but the main one."""

    def __init__(self) -> None:
        self.depth = 0
        self._waiting: list[int] = []  # the interrupts since the outermost block began
        self._open = False  # a second one is raised at once

    def close(self) -> bool:
        """Raise none any more until the outermost block ends; whether this thread's work is torn.

        Called where that block ends. It calls nothing in another file, where one could be raised.
        """
        if threading.get_ident() != MAIN_THREAD or self.depth != 1:
            return False
        self._open = False
        return len(self._waiting) > 1

    def _arrived(self, number: int, frame: FrameType | None) -> None:
        self._waiting.append(number)
        entering_or_leaving = frame is None or frame.f_code.co_filename == __file__
        if len(self._waiting) > 1 and self._open and not entering_or_leaving:
            raise KeyboardInterrupt

    def __enter__(self) -> Sequence[int]:
        """The interrupts that wait: none yet."""
        if threading.get_ident() != MAIN_THREAD:
            return ()
        if not self.depth:
            if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
                return ()
            self._waiting = []
            signal.signal(signal.SIGINT, self._arrived)
            self._open = True
        self.depth += 1
        return self._waiting

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if threading.get_ident() != MAIN_THREAD or not self.depth:
            return
        self.depth -= 1
        if self.depth:
            return
        self._open = False
        interrupted, self._waiting = bool(self._waiting), []
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if interrupted and kind is not KeyboardInterrupt:
            raise KeyboardInterrupt


UNINTERRUPTED = Uninterrupted()


class SteadyLock:
    """A reentrant lock; who holds it is uninterrupted. `when_torn` is called if that failed."""

    def __init__(self, when_torn: Callable[[], object]) -> None:
        self.inner = threading.RLock()  # for those who only read
        self._when_torn = when_torn

    def __enter__(self) -> None:
        interrupts = UNINTERRUPTED.__enter__()
        while not self.inner.acquire(timeout=POLL_S):
            if interrupts:
                UNINTERRUPTED.__exit__(None)
                raise KeyboardInterrupt

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if UNINTERRUPTED.close():
            self._when_torn()
        self.inner.release()
        UNINTERRUPTED.__exit__(kind)
