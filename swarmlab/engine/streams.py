"""Responses without an end: framed output, logs that are followed, hijacked connections.

A stream is an iterator of pieces; each is made while the clock's lock is held. An empty piece means
"nothing yet: let virtual time pass", None "nothing until the client or another request acts".
Source: moby pkg/stdcopy, daemon/server/httputils/write_log_stream.go.
"""

from __future__ import annotations

import re
import struct
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from werkzeug import Response

from swarmlab.engine.request import ApiRequest
from swarmlab.errors import BadParameter, EngineFault, SwarmError
from swarmlab.simulation import MS, S
from swarmlab.worker.containers import Container
from swarmlab.worker.keyboard import Keyboard

TYPED_BYTES_MAX = 1 << 16  # what has not been read yet; a client that types more has to wait
CHANNELS = {"stdout": 1, "stderr": 2}
STREAMS = CHANNELS | {"systemerr": 3}  # the daemon's own error
RAW, MULTIPLEXED = "application/vnd.docker.raw-stream", "application/vnd.docker.multiplexed-stream"
POLL_NS = 100 * MS

Pieces = Iterator[bytes | None]
Receive = Callable[[], bytes | None]  # what the client typed; None: nothing yet, b"": no more
# A container to read logs from, and its `details`: `com.docker.swarm.node.id=…,…`, or nothing.
Source = tuple[Container, str]


@dataclass(frozen=True, slots=True)
class Hijack:
    """The connection stops being HTTP: `talk` reads from the client and yields what to send."""

    talk: Callable[[Receive], Pieces]
    content_type: str
    live: bool  # whether the output depends on what the client sends


def stream(pieces: Pieces, content_type: str = "application/json") -> Response:
    return Response(pieces, content_type=content_type, direct_passthrough=True)  # type: ignore


def frame(channel: str, data: bytes, *, tty: bool = False) -> bytes:
    """One piece of output; without a terminal, behind a header with channel and length."""
    return data if tty else struct.pack(">BxxxL", STREAMS[channel], len(data)) + data


def content_type(tty: bool) -> str:
    return RAW if tty else MULTIPLEXED


def time_parameter(request: ApiRequest, name: str, default_ns: float) -> float:
    """A query parameter, `seconds[.nanoseconds]` since 1970, as a virtual time."""
    text = request.query(name)
    if text in ("", "0"):
        return default_ns
    match = re.fullmatch(r"(-?[0-9]{1,18})(?:\.([0-9]{0,9})[0-9]*)?", text)
    if match is None:
        raise BadParameter(f'invalid value for "{name}": {text}')
    unix_ns = int(match[1]) * S + int((match[2] or "").ljust(9, "0"))
    return request.clock.from_unix_ns(unix_ns)


def detach_keys(text: str, kind: str, error: type[SwarmError] = BadParameter) -> bytes:
    """`ctrl-p,ctrl-q`, which is the default, as bytes. Source: moby/term ascii.go."""
    keys = b""
    for name in (text or "ctrl-p,ctrl-q").split(","):
        match = re.fullmatch(r"(ctrl-)?([a-z@\[\\\]^_])|([!-~])", name)
        if match is None:
            raise error(f"Invalid {kind} keys ({text}) provided")
        keys += bytes([ord(match[2].upper()) - 64]) if match[1] else name.encode()
    return keys


@dataclass
class Conversation:
    """A client types to a process, or only listens, and sees its output.

    `keys` end it at a terminal, and the process goes on.
    """

    keyboard: Keyboard
    reads: bool  # whether what the client types is passed on
    closes: bool  # whether the end of it is
    keys: bytes
    detached: bool = False
    _held: bytes = b""  # the beginning of `keys`, perhaps
    _ended: bool = False

    def listen(self, receive: Receive) -> None:
        """Pass on what the client has typed."""
        keyboard = self.keyboard
        while not (self._ended or self.detached or len(keyboard.input.data) > TYPED_BYTES_MAX):
            piece = receive() if self.reads else None
            if piece is None:
                return
            self._ended, typed = piece == b"", self._held + piece
            if keyboard.terminal and not self._ended:
                typed, found, _ = typed.partition(self.keys)
                self.detached = bool(found)
                begun = [n for n in range(1, len(self.keys)) if typed.endswith(self.keys[:n])]
                cut = len(typed) - max(begun, default=0)
                typed, self._held = typed[:cut], typed[cut:]
            if typed:
                keyboard.send(typed)
            if self._ended and self.closes:
                keyboard.close()

    def pause(self) -> bytes | None:
        """What to yield between two looks: while the process reads, only the client acts."""
        process = self.keyboard.owner.process
        return None if self.reads and process and process.reading else b""


def log_stream(
    request: ApiRequest,
    sources: Callable[[], Iterable[Source]],
    more: Callable[[], bool],
    *,
    tty: bool,
    no_channel: str,
    strict_tail: bool,
    error: Callable[[], str] = str,
) -> Response:
    """The log lines that the request selects; with `follow`, new ones too, while `more()`.

    `no_channel`: the error when neither stdout nor stderr is selected. With `strict_tail` a tail
    that is not a number is refused; else it is all. `error()` is what the stream ends with, if it
    says something.
    """
    channels = [name for name in CHANNELS if request.query(name)]
    if not channels:
        raise BadParameter(no_channel)
    tail = request.query("tail") or "all"
    if strict_tail and tail != "all" and not re.fullmatch("-?[0-9]{1,18}", tail):
        raise EngineFault('tail value must be a positive integer or "all"')
    tail_max = int(tail) if re.fullmatch("[0-9]{1,18}", tail) else None
    since_ns = time_parameter(request, "since", 0)
    until_ns = time_parameter(request, "until", float("inf"))
    timestamps, details = request.query("timestamps"), request.query("details")
    counts: dict[str, int] = {}  # container id -> how many of its entries have been read

    def lines() -> Pieces:
        new_lines = []
        for container, source_details in sources():
            read_count = counts.get(container.id)
            unread_count = container.lines_count - (read_count or 0)
            counts[container.id] = container.lines_count
            selected = (
                (entry, line)
                for entry in list(container.logs)[max(0, len(container.logs) - unread_count) :]
                if entry.stream in channels and since_ns <= entry.at_ns <= until_ns
                for line in entry.data.splitlines(keepends=True)
            )
            prefix = f"{source_details} " if details and source_details else ""
            last_lines = deque(selected, tail_max if read_count is None else None)
            new_lines += [(entry, prefix, line) for entry, line in last_lines]
        for entry, prefix, line in sorted(new_lines, key=lambda row: row[0].at_ns):
            time = f"{request.time(entry.at_ns, digits=9)} " if timestamps else ""
            yield frame(entry.stream, (time + prefix).encode() + line, tty=tty)

    def pieces() -> Pieces:
        while True:
            now_ns = request.engine.machine.simulation.now_ns
            following = request.query("follow") and now_ns <= until_ns
            ended = not (following and more() and request.alive())
            yield from lines()
            if ended:
                if text := error():
                    yield frame("systemerr", f"{text}\n".encode(), tty=tty)
                return
            yield b""

    return stream(pieces(), content_type(tty))
