"""Answers that grow: framed output, followed logs, events, and connections taken over.

A stream is an iterator of pieces that is asked for each with the clock's lock held. An empty piece
says "nothing new: let time pass", and None "nothing new until somebody else does something".
Source: moby pkg/stdcopy, daemon/server/httputils/write_log_stream.go.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from werkzeug import Response

from swarmlab.engine.request import ApiRequest
from swarmlab.errors import BadParameter, EngineFault
from swarmlab.simulation import MS, S
from swarmlab.worker.containers import Container

CHANNELS = {"stdout": 1, "stderr": 2}
RAW, MULTIPLEXED = "application/vnd.docker.raw-stream", "application/vnd.docker.multiplexed-stream"
POLL_NS = 100 * MS

Pieces = Iterator[bytes | None]
Receive = Callable[[], bytes | None]  # what the client typed; None: nothing yet, b"": no more
# A container whose output is wanted, and what `details` says of it: `com.docker.swarm.node.id=…,…`.
Source = tuple[Container, str]


@dataclass(frozen=True, slots=True)
class Hijack:
    """The connection stops being HTTP: `talk` hears the client and yields what it is to get."""

    talk: Callable[[Receive], Pieces]
    content_type: str
    live: bool  # it depends on what the client does


def stream(pieces: Pieces, content_type: str = "application/json") -> Response:
    return Response(pieces, content_type=content_type, direct_passthrough=True)  # type: ignore


def frame(channel: str, data: bytes, *, tty: bool = False) -> bytes:
    """One piece of output; without a terminal, with the header that says which channel it is."""
    return data if tty else struct.pack(">BxxxL", CHANNELS[channel], len(data)) + data


def content_type(tty: bool) -> str:
    return RAW if tty else MULTIPLEXED


def moment(request: ApiRequest, name: str, default_ns: float) -> float:
    """A time parameter, `seconds[.nanoseconds]` since 1970, as a virtual time."""
    text = request.text(name)
    if text in ("", "0"):
        return default_ns
    seconds, _, fraction = text.partition(".")
    try:
        unix_ns = int(seconds) * S + int(fraction.ljust(9, "0")[:9])
    except ValueError:
        raise BadParameter(f'invalid value for "{name}": {text}') from None
    return request.clock.from_unix_ns(unix_ns)


def log_stream(
    request: ApiRequest,
    sources: Callable[[], Iterable[Source]],
    more: Callable[[], bool],
    *,
    tty: bool,
    refusal: str,
) -> Response:
    """The lines that were asked for; with `follow`, also those to come, as long as `more`."""
    channels = [name for name in CHANNELS if request.flag(name)]
    if not channels:
        raise BadParameter(refusal)
    tail = request.text("tail", "all") or "all"
    if tail != "all" and not tail.lstrip("-").isdigit():
        raise EngineFault('tail value must be a positive integer or "all"')
    last = None if tail == "all" or int(tail) < 0 else int(tail)
    since_ns, until_ns = moment(request, "since", 0), moment(request, "until", float("inf"))
    times, details = request.flag("timestamps"), request.flag("details")
    counts: dict[str, int] = {}  # container -> how many of its entries were looked at

    def lines() -> Pieces:
        found = []
        for container, where in sources():
            seen = counts.get(container.id)
            unseen_count = container.lines_count - (seen or 0)
            entries = list(container.logs)[max(0, len(container.logs) - unseen_count) :]
            counts[container.id] = container.lines_count
            wanted = (
                entry
                for entry in entries
                if entry.stream in channels and since_ns <= entry.at_ns <= until_ns
            )
            kept = deque(wanted, last if seen is None else None)
            found += [(entry, f"{where} " if details and where else "") for entry in kept]
        for entry, where in sorted(found, key=lambda row: row[0].at_ns):
            prefix = (f"{request.time(entry.at_ns, digits=9)} " if times else "") + where
            for line in entry.data.splitlines(keepends=True):
                yield frame(entry.stream, prefix.encode() + line, tty=tty)

    def pieces() -> Pieces:
        while True:
            ended = not (request.flag("follow") and more() and request.alive())
            yield from lines()
            if ended:
                return
            yield b""

    return stream(pieces(), content_type(tty))
