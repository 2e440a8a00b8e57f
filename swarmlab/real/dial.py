"""Connects to engines that listen on no network: HTTP through `docker system dial-stdio`.

The engines that `launch` starts listen on no network at all. A client reaches one as Docker's own
command line reaches an `ssh://` host: a program beside the engine copies bytes between its standard
input and output and the engine's socket. Here that program is started by `docker exec` in the
engine's container, or by `ssh`. So no unencrypted port is open, Docker Desktop and a remote Docker
host need no published port, and a manager in a network partition still answers.

Source: docker/cli cli/command/system/dial_stdio.go, cli/connhelper/connhelper.go.
"""

from __future__ import annotations

import shlex
import socket
import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import docker
from docker.errors import DockerException
from docker.transport.basehttpadapter import BaseHTTPAdapter
from docker.utils.socket import STDOUT, SocketError, frames_iter_no_tty
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool

Dial = Callable[[], socket.socket]  # opens a new connection to one engine

DIAL_STDIO = ("docker", "system", "dial-stdio")
CHUNK_BYTES = 1 << 16


def client_over(dial: Dial, name: str) -> docker.DockerClient:
    """A stock client of the engine that `dial` connects to, with the engine's own API version."""
    # A port and a version must be given: the SDK asks for them before an adapter can be mounted.
    client = docker.DockerClient(base_url=f"http://{name}:2375", version="1.44")
    client.api.mount("http://", _Adapter(dial))
    client.api._version = client.api.version(api_version=False)["ApiVersion"]
    return client


def dial_ssh(url: str) -> socket.socket:
    """A connection to the engine at `ssh://user@host:port`, by the user's own `ssh`."""
    where = urlsplit(url)
    port = ("-p", str(where.port)) if where.port else ()
    user = ("-l", where.username) if where.username else ()
    path = ("--host", shlex.quote(f"unix://{where.path}")) if where.path.strip("/") else ()
    dial = (DIAL_STDIO[0], *path, *DIAL_STDIO[1:])
    command = ["ssh", *port, *user, "--", where.hostname or "", *dial]
    ours, theirs = socket.socketpair()
    with theirs:
        program = subprocess.Popen(command, stdin=theirs.fileno(), stdout=theirs.fileno())
    threading.Thread(target=program.wait, daemon=True).start()  # it ends when we close our end
    return ours


def dial_exec(api: docker.APIClient, container: str) -> socket.socket:
    """A connection to the engine inside a container, by way of the engine outside."""
    try:
        created = api.exec_create(container, list(DIAL_STDIO), stdin=True)
        stream = api.exec_start(created["Id"], socket=True)
    except DockerException as error:  # the engine is down or paused
        raise ConnectionError(str(getattr(error, "explanation", error))) from None
    ours, theirs = socket.socketpair()
    outer = getattr(stream, "_sock", stream)  # on Windows the stream is the socket
    threading.Thread(target=_copy_in, args=(outer, theirs), daemon=True).start()
    threading.Thread(target=_copy_out, args=(outer, theirs, stream), daemon=True).start()
    return ours


def _copy_in(outer: Any, theirs: socket.socket) -> None:
    """Copy requests to the program's standard input."""
    with suppress(OSError):  # the other end is closed; `_copy_out` cleans up
        while data := theirs.recv(CHUNK_BYTES):
            outer.sendall(data)
        outer.shutdown(socket.SHUT_WR)


def _copy_out(outer: Any, theirs: socket.socket, stream: Any) -> None:
    """Copy responses, without frames of standard error. `stream` owns `outer`."""
    try:
        with suppress(OSError, SocketError):
            for number, data in frames_iter_no_tty(outer):
                if number == STDOUT:
                    theirs.sendall(data)
    finally:
        with suppress(OSError):  # a close alone would not wake the thread in `_copy_in`
            theirs.shutdown(socket.SHUT_RDWR)
        theirs.close()
        stream.close()
        outer.close()


class _Connection(HTTPConnection):
    """An HTTP connection whose socket comes from `dial`."""

    def __init__(self, dial: Dial, **options: Any) -> None:
        super().__init__(**options)
        self._dial = dial

    def connect(self) -> None:
        self.sock = self._dial()
        self.sock.settimeout(self.timeout)


class _Adapter(BaseHTTPAdapter):  # type: ignore[misc]  # the SDK has no types
    """Sends a client's requests to one engine."""

    def __init__(self, dial: Dial) -> None:
        self._pool = HTTPConnectionPool("localhost", maxsize=4)
        self._pool.ConnectionCls = partial(_Connection, dial)  # type: ignore[assignment]  # makes one
        super().__init__()

    def get_connection(self, url: str, proxies: Any = None) -> HTTPConnectionPool:
        return self._pool

    def request_url(self, request: Any, proxies: Any) -> str:
        return str(request.path_url)  # no proxy of this machine applies

    def close(self) -> None:
        super().close()
        self._pool.close()
