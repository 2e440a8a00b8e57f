"""One run of `docker`: its output, its clock, and its requests to the Engine API."""

import json
import struct
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

import docker
import requests

from swarmlab.strings import N_

T = TypeVar("T")
Json = dict[str, Any]
SYSTEM_ERROR = 3  # a stream of frames
HINT = N_("hint:")
NOT_IN_KIT = N_("{what} is not part of this kit: use the docker command itself")


class Writer(Protocol):
    """Where text goes: a file, a terminal, an `io.StringIO`."""

    def write(self, text: str, /) -> object: ...


class CliError(Exception):
    """Ends a command: its text goes to stderr, `code` is the exit code."""

    def __init__(self, text: str, code: int = 1) -> None:
        super().__init__(text)
        self.code = code


class ApiError(CliError):
    """The engine's own error."""


class ApiNotFound(ApiError):
    """The engine knows no such object."""


@dataclass(kw_only=True)
class Session:
    """What a command gets besides its arguments.

    `clock` gives Unix seconds and `sleep` lets them pass: the wall clock's, or virtual ones.
    `host` is shown when no engine answers. `progress(done, total, text)` draws convergence live;
    without it the lines of a non-terminal are printed. `follow_s`: for how long `docker run` shows
    the output before it detaches; 0: until the container exits.
    """

    client: docker.APIClient
    out: Writer
    err: Writer
    read_stdin: Callable[[], bytes] = bytes
    tty: bool = False
    width: int = 80
    host: str = ""
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.time
    progress: Callable[[int, int, str], None] | None = None
    follow_s: float = 0.0

    @cached_property
    def stdin(self) -> bytes:
        """All of standard input; read only by the commands that need it."""
        return self.read_stdin()

    def print(self, *lines: str) -> None:
        for line in lines:
            self.out.write(line + "\n")

    def warn(self, *lines: str) -> None:
        for line in lines:
            self.err.write(line + "\n")

    def call(self, method: str, path: str, *, body: Any = None, **query: Any) -> Any:
        """The engine's answer to `method path`: JSON as Python values, anything else as text."""
        reply = self.open(method, path, body=body, **query)
        text = reply.text
        return json.loads(text) if text[:1] in ("{", "[", '"', "n") else text

    def get(self, path: str, **query: Any) -> Any:
        return self.call("GET", path, **query)

    def post(self, path: str, body: Any = None, **query: Any) -> Any:
        return self.call("POST", path, body=body, **query)

    def open(
        self, method: str, path: str, *, body: Any = None, live: bool = False, **query: Any
    ) -> requests.Response:
        """The HTTP response, read as it comes if `live`.

        ApiError for an error status, CliError where no engine answers.
        """
        query = {k: v for k, v in query.items() if v not in (None, "", False, [], {})}
        filters = query.get("filters")
        if isinstance(filters, dict):
            query["filters"] = json.dumps({k: dict.fromkeys(v, True) for k, v in filters.items()})
        flags = {k: "1" if v is True else v for k, v in query.items()}
        timeout = None if live else self.client.timeout
        url = self.client._url("{0}", path)  # quoted, since it holds a user's words
        try:
            reply = self.client.request(
                method, url, params=flags, json=body, stream=live, timeout=timeout
            )
        except requests.exceptions.ConnectionError:
            raise CliError(unreachable(self.host or host_of(self.client))) from None
        except requests.exceptions.RequestException as error:
            raise CliError(str(error)) from None
        if reply.status_code >= 400:
            kind = ApiNotFound if reply.status_code == 404 else ApiError
            raise kind(f"Error response from daemon: {_message(reply)}")
        return cast(requests.Response, reply)

    def update(self, kind: str, read: Json, spec: Json, **query: Any) -> Json:
        """Send `spec` as the next version of an object that was `read`; the engine's answer."""
        path, version = f"/{kind}s/{read['ID']}/update", str(read["Version"]["Index"])
        return self.post(path, spec, version=version, **query) or {}

    def collect(
        self, references: Iterable[T], fetch: Callable[[T], list[Any]]
    ) -> tuple[list[Any], list[str]]:
        """The items that `fetch` gives for all references, and the errors it raised."""
        items: list[Any] = []
        return items, self.each(references, lambda reference: items.extend(fetch(reference)))

    def end(self, errors: list[str]) -> None:
        """CliError where there are errors."""
        if errors:
            raise CliError("\n".join(errors))

    def each(self, references: Iterable[T], act: Callable[[T], object]) -> list[str]:
        """Do this for each reference; the errors that it raised."""
        errors: list[str] = []
        for reference in references:
            try:
                act(reference)
            except CliError as error:
                errors.append(str(error))
        return errors

    def send_each(self, references: list[str], method: str, path: str, **query: Any) -> list[str]:
        """Send a request for each reference and print those that succeed; the errors."""

        def send(reference: str) -> None:
            self.call(method, path.format(reference), **query)
            self.print(reference)

        return self.each(references, send)


def read_file(path: str | Path) -> bytes:
    """The content of a file; CliError in Go's words."""
    try:
        return Path(path).read_bytes()
    except ValueError:  # Python's, for a name that no system would take
        raise CliError(f"open {path}: invalid argument") from None
    except OSError as error:
        verb = "read" if isinstance(error, IsADirectoryError) else "open"
        raise CliError(f"{verb} {path}: {str(error.strerror).lower()}") from None


def env_lines(path: str | Path) -> list[str]:
    """The lines of an env file that are neither blank nor comments. Source: docker/cli kvfile."""
    lines: list[str] = []
    for number, raw in enumerate(read_file(path).removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        try:
            line = raw.removesuffix(b"\r").decode().lstrip()
        except UnicodeDecodeError:
            fault = f"invalid utf8 bytes at line {number}: [{' '.join(map(str, raw))}]"
            raise CliError(f"invalid env file ({path}): {fault}") from None
        name = line.partition("=")[0]
        if not line or line.startswith("#"):
            continue
        if not name:
            raise CliError(f"invalid env file ({path}): no variable name on line '{line}'")
        if any(map(str.isspace, name)):
            raise CliError(f"invalid env file ({path}): variable '{name}' contains whitespaces")
        lines.append(line)
    return lines


def unreachable(host: str) -> str:
    return f"Cannot connect to the Docker daemon at {host}. Is the docker daemon running?"


def split_host(words: list[str]) -> tuple[str, list[str]]:
    """The host of a leading `-H HOST` or `--host=HOST`, empty without one, and the other words."""
    match words:
        case ["-H" | "--host", host, *rest]:
            return host, rest
        case [first, *rest] if first.startswith(("-H=", "--host=")):
            return first.partition("=")[2], rest
    return "", words


def host_of(client: docker.APIClient) -> str:
    """The address as docker writes it: `unix:///var/run/docker.sock`, `tcp://…`."""
    path = getattr(getattr(client, "_custom_adapter", None), "socket_path", None)
    return f"unix://{path}" if path else str(client.base_url).replace("http://", "tcp://", 1)


def _message(reply: requests.Response) -> str:
    try:
        return str(reply.json()["message"]).strip()
    except (ValueError, LookupError, TypeError):
        return reply.text.strip()


def frames(reply: requests.Response) -> Iterator[tuple[int, bytes]]:
    """The frames of a multiplexed log stream: 1 (stdout) or 2 (stderr), and the bytes.

    The daemon's own error (3) is raised. Source: moby pkg/stdcopy.
    """
    while len(header := reply.raw.read(8)) == 8:
        stream, length = struct.unpack(">BxxxL", header)
        data = reply.raw.read(length)
        if stream == SYSTEM_ERROR:
            raise CliError(f"error from daemon in stream: {data.decode()}")
        yield stream, data
