"""One request to one engine, answered in bytes: the same for a socket and without one."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from itertools import chain
from typing import TYPE_CHECKING, Any

from werkzeug import Request
from werkzeug.exceptions import HTTPException

from swarmlab.engine.clock_drivers import ClockDriver, EngineGone
from swarmlab.engine.routes import answer, refusal
from swarmlab.engine.streams import POLL_NS, Hijack, Pieces, Receive
from swarmlab.simulation import S

if TYPE_CHECKING:
    from swarmlab.engine.daemon import Engine

BODY_BYTES_MAX = 16 << 20
DISCARD_BYTES_MAX = 1 << 30


def head(status: int, headers: Iterable[tuple[str, str]]) -> bytes:
    reason = "UPGRADED" if status == 101 else HTTPStatus(status).phrase
    lines = [f"HTTP/1.1 {status} {reason}", *(f"{key}: {value}" for key, value in headers), "", ""]
    return "\r\n".join(lines).encode("latin-1")


def hijacked_head(request: Request, hijack: Hijack) -> bytes:
    """101 for a client that asked for an upgrade, a plain 200 for one that simply expects it."""
    headers = [("Content-Type", hijack.content_type)]
    if "upgrade" in request.headers.get("Connection", "").lower():
        return head(101, [*headers, ("Connection", "Upgrade"), ("Upgrade", "tcp")])
    return head(200, headers)


def locked(clock: ClockDriver, pieces: Pieces, *, passing: bool = True) -> Iterator[bytes]:
    """The pieces, made with the clock's lock held and handed over without it.

    After an empty one time passes; after None too, but for `passing=False`.
    """
    try:
        while True:
            with clock.lock:
                try:
                    piece = next(pieces)
                except StopIteration:
                    return
            yield piece or b""
            if piece == b"" or (piece is None and passing):
                with clock.lock:
                    clock.sleep(POLL_NS)
            elif piece is None:
                threading.Event().wait(POLL_NS / S)
    finally:
        with contextlib.suppress(ValueError):  # it may run in another thread just now
            pieces.close()  # type: ignore[attr-defined]


def chunked(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """HTTP's chunks; empty pieces stay empty."""
    for piece in pieces:
        yield b"%x\r\n%b\r\n" % (len(piece), piece) if piece else b""
    yield b"0\r\n\r\n"


def read_body(request: Request) -> None:
    """Take what the client sends, before the lock is taken. What is not JSON only has a length."""
    if request.mimetype in ("application/json", ""):
        request.max_content_length = BODY_BYTES_MAX
        request.get_data(cache=True)
        return
    left_bytes = DISCARD_BYTES_MAX
    while left_bytes > 0 and (piece := request.stream.read(1 << 16)):
        left_bytes -= len(piece)


def respond(
    engine: Engine | None, clock: ClockDriver, request: Request
) -> Iterator[bytes] | Hijack:
    """What goes over the wire: first the head (with the body, unless that grows), then the rest."""
    if engine is None:
        raise EngineGone
    try:
        read_body(request)
    except HTTPException as error:
        response = refusal(error.code or 400, "http: request body too large")
        response.headers["Connection"] = "close"
    else:
        with clock.lock:
            clock.begin_request()
            answered = answer(engine, clock, request)
        if isinstance(answered, Hijack):
            return answered
        response = answered
    headers = list(response.headers.items())
    if not response.is_streamed:
        body = b"" if request.method == "HEAD" else response.get_data()
        return iter([head(response.status_code, headers) + body])
    pieces: Any = iter(response.response)
    begun = head(response.status_code, [*headers, ("Transfer-Encoding", "chunked")])
    return chain([begun], chunked(locked(clock, pieces)))


def talk(sock: socket.socket, pieces: Iterator[bytes]) -> None:
    """Send these, and nothing more; sending even an empty one fails once nobody is there."""
    with contextlib.suppress(OSError), sock:
        for piece in pieces:
            sock.sendall(piece)
        sock.shutdown(socket.SHUT_WR)


def receiver(sock: socket.socket, received: bytes = b"") -> Receive:
    """What has come from the client; `received` was already read."""
    waiting = [received] if received else []

    def receive() -> bytes | None:
        if waiting:
            return waiting.pop()
        return sock.recv(1 << 16) if readable(sock) else None

    return receive


def readable(sock: socket.socket) -> bool:
    return bool(select.select([sock], [], [], 0)[0])
