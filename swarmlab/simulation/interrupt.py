"""Defers Ctrl+C and a notebook's stop button until the current event is complete.

An event that is interrupted leaves an impossible state: a heartbeat that is never sent again, an
entry that is half in the log.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def deferred_interrupts() -> Iterator[list[int]]:
    """Yields a list that is empty until an interrupt; KeyboardInterrupt is raised at the end.

    In other threads, where Python raises no KeyboardInterrupt, the list stays empty.
    """
    interrupts: list[int] = []
    in_main = threading.current_thread() is threading.main_thread()
    if not in_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield interrupts
        return
    signal.signal(signal.SIGINT, lambda number, _frame: interrupts.append(number))
    try:
        yield interrupts
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if interrupts:
        raise KeyboardInterrupt
