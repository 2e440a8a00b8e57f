"""Ports for servers that bind them later, when they are up."""

from __future__ import annotations

import contextlib
import itertools
import os
import socket

# Below those that systems give to connections and to whoever asks for any port, so that nobody
# takes them meanwhile; another place for each process and each call.
LOWEST, COUNT, APART = 12_000, 20_000, 8
_calls = itertools.count(os.getpid())


def free_port(in_a_row: int = 1) -> int:
    """The first of so many free ports."""
    for call in _calls:
        first = LOWEST + call * APART % COUNT
        with contextlib.ExitStack() as held, contextlib.suppress(OSError):
            for number in range(first, first + in_a_row):
                held.enter_context(socket.create_server(("127.0.0.1", number)))
            return first
    raise AssertionError("the numbers do not end")
