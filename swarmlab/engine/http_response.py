"""Turns one HTTP request to an engine into the bytes of the response, with or without a socket."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from itertools import chain
from typing import TYPE_CHECKING, Any

from werkzeug import Request
from werkzeug.exceptions import HTTPException

from swarmlab.engine.clock_drivers import ClockDriver, EngineGone, always
from swarmlab.engine.routes import error_response, handle
from swarmlab.engine.streams import POLL_NS, Hijack, Pieces
from swarmlab.simulation import S

if TYPE_CHECKING:
    from swarmlab.engine.daemon import Engine

BODY_BYTES_MAX = 4 << 20  # as between SwarmKit's nodes; JSON of more takes seconds to read
DISCARDED_BYTES_MAX = 1 << 30


def head(status: int, headers: Iterable[tuple[str, str]]) -> bytes:
    """The status line and the headers."""
    reason = "UPGRADED" if status == 101 else HTTPStatus(status).phrase
    lines = [f"HTTP/1.1 {status} {reason}", *(f"{key}: {value}" for key, value in headers), "", ""]
    return "\r\n".join(lines).encode("latin-1")


def hijacked_head(request: Request, hijack: Hijack) -> bytes:
    """101 for a client that asked for an upgrade, 200 for one that takes it for granted."""
    headers = [("Content-Type", hijack.content_type)]
    if "upgrade" in request.headers.get("Connection", "").lower():
        return head(101, [*headers, ("Connection", "Upgrade"), ("Upgrade", "tcp")])
    return head(200, headers)


def locked(clock: ClockDriver, pieces: Pieces) -> Iterator[bytes]:
    """The pieces of a stream, each made while the clock's lock is held.

    Virtual time passes after an empty piece, and real time after None.
    """
    try:
        while True:
            with clock.lock:
                try:
                    piece = next(pieces)
                except StopIteration:
                    return
            yield piece or b""
            if piece == b"":
                with clock.lock:
                    clock.sleep(POLL_NS)
            elif piece is None:
                threading.Event().wait(POLL_NS / S)
    finally:
        with contextlib.suppress(ValueError):  # another thread may be running it
            pieces.close()  # type: ignore[attr-defined]


def chunked(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """HTTP's chunked encoding; empty pieces stay empty."""
    for piece in pieces:
        yield b"%x\r\n%b\r\n" % (len(piece), piece) if piece else b""
    yield b"0\r\n\r\n"


def read_body(request: Request) -> None:
    """Read the request's body, before the lock is taken; what is not JSON is discarded."""
    if request.mimetype in ("application/json", ""):
        request.max_content_length = BODY_BYTES_MAX
        request.get_data(cache=True)
        return
    left_bytes = DISCARDED_BYTES_MAX
    while left_bytes > 0 and (piece := request.stream.read(1 << 16)):
        left_bytes -= len(piece)


def respond(
    engine: Engine | None,
    clock: ClockDriver,
    request: Request,
    connected: Callable[[], bool] = always,
) -> Iterator[bytes] | Hijack:
    """The bytes to send: first the head, with the body unless it is a stream, then the rest.

    Raises EngineGone when no engine can answer, or no client is `connected` to read it.
    """
    if engine is None:
        raise EngineGone
    try:
        read_body(request)
    except HTTPException as error:
        too_large = error.code == 413
        why = "request body too large" if too_large else "invalid byte in chunk length"
        response = error_response(error.code or 400, f"http: {why}" if too_large else why)
        response.headers["Connection"] = "close"
    else:
        with clock.lock:
            clock.begin_request()
            if not connected():
                raise EngineGone
            reply = handle(engine, clock, request, connected)
        if isinstance(reply, Hijack):
            return reply
        response = reply
    headers = list(response.headers.items())
    if not response.is_streamed:
        body = b"" if request.method == "HEAD" else response.get_data()
        return iter([head(response.status_code, headers) + body])
    pieces: Any = iter(response.response)
    first = head(response.status_code, [*headers, ("Transfer-Encoding", "chunked")])
    return chain([first], chunked(locked(clock, pieces)))
