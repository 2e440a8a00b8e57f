"""Ctrl+C, and a notebook's stop button: between two events, never within one.

An event that breaks off leaves a swarm that cannot be: a heartbeat that never comes again, an entry
half in the log.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def interrupts_noted() -> Iterator[list[int]]:
    """The list stays empty until somebody interrupts; KeyboardInterrupt is then raised at the end.

    Where Python would raise none, as in another thread, nothing is noted.
    """
    noted: list[int] = []
    in_main = threading.current_thread() is threading.main_thread()
    if not in_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield noted
        return
    signal.signal(signal.SIGINT, lambda number, _frame: noted.append(number))
    try:
        yield noted
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if noted:
        raise KeyboardInterrupt
