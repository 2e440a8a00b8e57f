"""One run of `docker`: where it prints, how it waits, and the Engine API it speaks to."""

import json
import struct
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, cast

import docker
import requests

Json = dict[str, Any]
Request = tuple[str, str]


class Writer(Protocol):
    """Where text goes: a file, a terminal, an `io.StringIO`."""

    def write(self, text: str, /) -> object: ...


class CliError(Exception):
    """What ends a command: its text goes to stderr, `code` is the exit code."""

    def __init__(self, text: str, code: int = 1) -> None:
        super().__init__(text)
        self.code = code


class ApiError(CliError):
    """A refusal by the engine, in its own words."""

    def __init__(self, text: str, status: int) -> None:
        super().__init__(f"Error response from daemon: {text}")
        self.status = status


Progress = Callable[[int, int, str], None]  # tasks done, tasks wanted, what is going on


@dataclass(kw_only=True)
class Session:
    """What a command gets beside its arguments.

    `clock` gives Unix seconds and `sleep` lets them pass: the wall clock's, or virtual ones.
    `progress` draws convergence live; without it the lines of a non-terminal are printed.
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
    progress: Progress | None = None

    @property
    def stdin(self) -> bytes:
        """All that is piped in; read only by the commands that want it."""
        return self.read_stdin()

    def print(self, *lines: str) -> None:
        for line in lines:
            self.out.write(line + "\n")

    def warn(self, *lines: str) -> None:
        for line in lines:
            self.err.write(line + "\n")

    def call(self, method: str, path: str, *, body: Any = None, **query: Any) -> Any:
        """The JSON (or, where it is none, the text) that the engine answers `method path` with."""
        reply = self.open(method, path, body=body, **query)
        text = reply.text
        return json.loads(text) if text[:1] in ("{", "[", '"', "n") else text

    def get(self, path: str, **query: Any) -> Any:
        return self.call("GET", path, **query)

    def post(self, path: str, body: Any = None, **query: Any) -> Any:
        return self.call("POST", path, body=body, **query)

    def open(
        self, method: str, path: str, *, body: Any = None, stream: bool = False, **query: Any
    ) -> requests.Response:
        """The answer itself; ApiError on a refusal, CliError where no engine answers."""
        query = {k: v for k, v in query.items() if v not in (None, "", False, [], {})}
        filters = query.get("filters")
        if isinstance(filters, dict):
            query["filters"] = json.dumps({k: dict.fromkeys(v, True) for k, v in filters.items()})
        flags = {k: "1" if v is True else v for k, v in query.items()}
        timeout = None if stream else self.client.timeout
        url = self.client._url(path.replace("%", "%%"))
        try:
            reply = self.client.request(
                method, url, params=flags, json=body, stream=stream, timeout=timeout
            )
        except requests.exceptions.ConnectionError:
            raise CliError(unreachable(self.host or host_of(self.client))) from None
        except requests.exceptions.RequestException as error:
            raise CliError(str(error)) from None
        if reply.status_code >= 400:
            raise ApiError(_message(reply), reply.status_code)
        return cast(requests.Response, reply)

    def collect(
        self, references: Iterable[Any], fetch: Callable[[Any], list[Any]]
    ) -> tuple[list[Any], list[str]]:
        """What `fetch` gives for each reference, and the errors of those it refused."""
        found: list[Any] = []
        errors: list[str] = []
        for reference in references:
            try:
                found += fetch(reference)
            except CliError as error:
                errors.append(str(error))
        return found, errors

    def end(self, errors: list[str]) -> None:
        """CliError where there are errors."""
        if errors:
            raise CliError("\n".join(errors))

    def each(self, references: list[str], method: str, path: str, **query: Any) -> None:
        """A request for each reference, which is printed where it went well; errors come last."""
        self.end(self.attempt(references, method, path, **query))

    def attempt(self, references: list[str], method: str, path: str, **query: Any) -> list[str]:
        """As `each`, but the errors are given back."""

        def act(reference: str) -> list[Any]:
            self.call(method, path.format(reference), **query)
            self.print(reference)
            return []

        return self.collect(references, act)[1]


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
    """A multiplexed log stream, frame by frame: 1 (stdout) or 2 (stderr), and the bytes."""
    buffer = b""
    for chunk in reply.iter_content(chunk_size=None):
        buffer += chunk
        while len(buffer) >= 8:
            kind, length = struct.unpack(">BxxxL", buffer[:8])
            if len(buffer) < 8 + length:
                break
            yield kind, buffer[8 : 8 + length]
            buffer = buffer[8 + length :]
