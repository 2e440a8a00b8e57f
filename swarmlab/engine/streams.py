"""Answers that grow: framed output, followed logs, events, and connections taken over.

A stream is an iterator of pieces that is asked for each with the door's lock held. An empty piece
says "nothing new: let time pass", and None "nothing new until somebody else does something".
Source: moby pkg/stdcopy, daemon/server/httputils/write_log_stream.go.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from swarmlab.errors import BadParameter, EngineFault
from swarmlab.simulation import MS, S

if TYPE_CHECKING:
    from werkzeug import Response

    from swarmlab.engine.request import Ask
    from swarmlab.worker.containers import Container, LogEntry

CHANNELS = {"stdout": 1, "stderr": 2}
RAW, MULTIPLEXED = "application/vnd.docker.raw-stream", "application/vnd.docker.multiplexed-stream"
POLL_NS = 100 * MS

Pieces = Iterator[bytes | None]
Receive = Callable[[], bytes | None]  # what the client typed; None: nothing yet, b"": no more


@dataclass(frozen=True, slots=True)
class Hijack:
    """The connection stops being HTTP: `talk` hears the client and yields what it is to get."""

    talk: Callable[[Receive], Pieces]
    content_type: str
    live: bool  # it depends on what the client does, or never ends


def stream(pieces: Pieces, content_type: str) -> Response:
    from werkzeug import Response

    return Response(pieces, content_type=content_type, direct_passthrough=True)  # type: ignore


def frame(channel: str, data: bytes, *, tty: bool = False) -> bytes:
    """One piece of output; without a terminal, with the header that says which channel it is."""
    return data if tty else struct.pack(">BxxxL", CHANNELS[channel], len(data)) + data


def content_type(tty: bool) -> str:
    return RAW if tty else MULTIPLEXED


# -- logs ----------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Source:
    """A container whose output is wanted, and what `details` says of it."""

    container: Container
    details: str  # `com.docker.swarm.node.id=…,…` for a service's; else empty


def fresh(container: Container, count: int) -> list[LogEntry]:
    """What it has written since it had written `count` entries, as far as that is kept."""
    return list(container.logs)[max(0, len(container.logs) - (container.lines_count - count)) :]


def moment(ask: Ask, name: str) -> int | None:
    """A time parameter, `seconds[.nanoseconds]` since 1970, as a virtual time."""
    text = ask.text(name)
    if text in ("", "0"):
        return None
    seconds, _, fraction = text.partition(".")
    try:
        unix_ns = int(seconds) * S + int(fraction.ljust(9, "0")[:9])
    except ValueError:
        raise BadParameter(f'invalid value for "{name}": {text}') from None
    return ask.door.meant_ns(unix_ns)


def log_stream(
    ask: Ask,
    sources: Callable[[], list[Source]],
    more: Callable[[], bool],
    *,
    tty: bool,
    refusal: str,
) -> Response:
    """The lines that were asked for; with `follow`, also those to come, as long as `more`."""
    channels = {name: ask.flag(name) for name in CHANNELS}
    if not any(channels.values()):
        raise BadParameter(refusal)
    tail = ask.text("tail", "all") or "all"
    if tail != "all" and not tail.lstrip("-").isdigit():
        raise EngineFault('tail value must be a positive integer or "all"')
    last = None if tail == "all" or int(tail) < 0 else int(tail)
    since_ns, until_ns = moment(ask, "since"), moment(ask, "until")
    times, details = ask.flag("timestamps"), ask.flag("details")
    counts: dict[str, int] = {}  # container -> how many of its entries were looked at

    def dressed(entry: LogEntry, source: Source) -> bytes:
        stamp = f"{ask.stamp(entry.at_ns)} " if times else ""
        what = f"{source.details} " if details and source.details else ""
        lines = entry.data.splitlines(keepends=True)
        return b"".join(
            frame(entry.stream, (stamp + what).encode() + line, tty=tty) for line in lines
        )

    def lines() -> list[bytes]:
        found = []
        for source in sources():
            container = source.container
            first = container.id not in counts
            entries = list(container.logs) if first else fresh(container, counts[container.id])
            counts[container.id] = container.lines_count
            wanted = [
                entry
                for entry in entries
                if channels[entry.stream]
                and (since_ns is None or entry.at_ns >= since_ns)
                and (until_ns is None or entry.at_ns <= until_ns)
            ]
            if first and last is not None:
                wanted = wanted[len(wanted) - min(last, len(wanted)) :]
            found += [(entry.at_ns, entry, source) for entry in wanted]
        found.sort(key=lambda row: row[0])
        return [dressed(entry, source) for _, entry, source in found]

    def pieces() -> Pieces:
        while True:
            ended = not (ask.flag("follow") and more() and ask.alive())
            yield from lines()
            if ended:
                return
            yield b""

    return stream(pieces(), content_type(tty))


# -- things that end ------------------------------------------------------------------------------
def until(ask: Ask, ready: Callable[[], bytes | None]) -> Pieces:
    """Wait, as long as this engine lives, for the one piece that `ready` will give."""
    while ask.alive():
        piece = ready()
        if piece is not None:
            yield piece
            return
        yield b""
