"""The cluster of a notebook behind sockets, so that a terminal drives what the room sees.

A change is carried out as if the notebook had made it: virtual time runs until it is answered, and
the journal records it. Everything else, such as logs that are followed, takes real time.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import hmac
import secrets
import socket
from collections.abc import Callable, Iterator
from itertools import chain, takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swarmlab.cluster import socket_folder
from swarmlab.cluster.in_process_client import READS, ArrivalClock
from swarmlab.engine.clock_drivers import ClockDriver, EngineGone, Pacer, always
from swarmlab.engine.http_response import respond
from swarmlab.engine.streams import Hijack
from swarmlab.engine.transport import SocketServer
from swarmlab.strings import N_, _
from swarmlab.views.html import Callout

if TYPE_CHECKING:
    from markupsafe import Markup
    from werkzeug import Request

HOW = N_("In a terminal, paste this, then type docker, or swarmlab docker, as usual:")
_served: dict[Path, ServedSockets] = {}  # by this process, in these folders


class ServedClock(ArrivalClock):
    """Runs ahead until a change is answered; a read, and every stream, follows the pacer."""

    def __init__(self, server: JournalingServer, request: Request) -> None:
        super().__init__(server.cluster, server.name)
        self.change = None if request.method in READS else request
        self.runs_ahead, self._server = self.change is not None, server
        self.held = contextlib.ExitStack()  # of a change, the lock from its arrival on

    def begin_request(self) -> None:
        if self.runs_ahead:
            self.held.enter_context(self.lock)
            super().begin_request()
        else:
            self._server.pacer.catch_up()

    def sleep(self, ns: int, waiting: Callable[[], bool] = always) -> None:
        if self.runs_ahead:
            super().sleep(ns, waiting)
        else:
            self._server.pacer.sleep(ns, lambda: self._server.serving and waiting())

    def to_unix_ns(self, virtual_ns: int) -> int:
        return self._server.pacer.to_unix_ns(virtual_ns)

    def from_unix_ns(self, unix_ns: int) -> int:
        return self._server.pacer.from_unix_ns(unix_ns)


def engine_of(cluster: Any, name: str) -> Any:
    """The engine of a node; None while it is down, and if the cluster has become one without it."""
    return cluster.engine(name) if name in cluster.names else None


class JournalingServer(SocketServer):
    """The socket of one engine, which no change passes unrecorded."""

    def __init__(self, path: Path, cluster: Any, name: str, pacer: Pacer) -> None:
        super().__init__(path, functools.partial(engine_of, cluster, name), pacer)
        self.cluster, self.name, self.pacer = cluster, name, pacer

    def respond(
        self, request: Request, connected: Callable[[], bool]
    ) -> tuple[ClockDriver, Iterator[bytes] | Hijack]:
        """A change also does, before anything else happens, what comes before its first wait."""
        clock = ServedClock(self, request)
        with clock.held:
            response = respond(
                self.engine_of(), clock, request, lambda: clock.runs_ahead or connected()
            )
            if clock.runs_ahead and not isinstance(response, Hijack):
                response = chain([*takewhile(bool, response)], response)
            clock.runs_ahead = False
        return clock, response


class LoopbackServer(JournalingServer):
    """On a port of this machine, for clients that have read the token in the file at `path`."""

    def listener(self, path: Path) -> socket.socket:
        listener, self._token = socket.create_server(("127.0.0.1", 0)), secrets.token_urlsafe()
        path.write_text(f"{listener.getsockname()[1]} {self._token}", encoding="utf-8")
        path.chmod(0o600)
        return listener

    def respond(
        self, request: Request, connected: Callable[[], bool]
    ) -> tuple[ClockDriver, Iterator[bytes] | Hijack]:
        given = request.headers.get(socket_folder.TOKEN_HEADER, "")
        if not hmac.compare_digest(given.encode(), self._token.encode()):
            raise EngineGone  # the connection ends without an answer
        return super().respond(request, connected)


class ServedSockets:
    """The sockets of a cluster: shows what to paste into a terminal; `close` removes them.

    `cluster.serve()` shows it. Lesson: 00_start_here.
    """

    def __init__(self, cluster: Any, pacer: Any, folder: Path) -> None:
        unix = hasattr(socket, "AF_UNIX")
        server = JournalingServer if unix else LoopbackServer
        file = socket_folder.SOCKET if unix else socket_folder.PORT_FILE
        paths = {name: folder / name / file for name in cluster.names}
        path = paths[cluster.default_node()]
        # Without UNIX sockets the terminal is a PowerShell.
        self.line = f"export DOCKER_HOST=unix://{path}" if unix else f"$env:DOCKER_HOST='{path}'"
        self._folder = folder
        self._sockets = socket_folder.started(
            server(path, cluster, name, pacer) for name, path in paths.items()
        )
        _served[folder] = self
        atexit.register(self.close)

    @staticmethod
    def prepare(cluster: Any, folder: Path) -> Path:
        """The folder, ready for sockets; LabError where they cannot be there."""
        if not hasattr(socket, "AF_UNIX"):  # it is among the user's own files
            for name in cluster.names:
                (folder / name).mkdir(parents=True, exist_ok=True)
            return folder
        socket_folder.check_served(folder / cluster.names[0])
        if folder in _served:
            _served[folder].close()  # of another cluster, or of a cell that ran before
        socket_folder.prepare(folder, cluster.names)
        return folder

    @property
    def is_open(self) -> bool:
        return _served.get(self._folder) is self

    def close(self) -> None:
        """Remove the sockets, and the folder unless something else is in it."""
        self._sockets.close()
        if self.is_open:
            del _served[self._folder]
            with contextlib.suppress(OSError):
                self._folder.rmdir()
        atexit.unregister(self.close)

    def __repr__(self) -> str:
        return f"{_(HOW)}\n{self.line}"

    def _repr_html_(self) -> Markup:
        return Callout(_(HOW), (f"`{self.line}`",))._repr_html_()
