"""Programs that speak to a server: whether it replies is what its container's own state says.

Source: busybox networking/{ping,nslookup,wget,nc,httpd}.c; curl src/tool_operate.c (exit codes).
"""

from __future__ import annotations

from collections.abc import Callable
from posixpath import basename
from typing import NamedTuple
from urllib.parse import urlsplit

from swarmlab.programs.connections import LOCALHOST, Connection, Outcome
from swarmlab.programs.file_system import FileError
from swarmlab.programs.interface import Options, ProgramProcess
from swarmlab.simulation import MS, S

NAME_SERVER, TIMEOUT_NS = "127.0.0.11", 30 * S
KEYS_MAX, VALUE_MAX = 1000, 1 << 16  # of a Redis server
# What curl and BusyBox say of a connection: curl's exit code, its text, BusyBox's text.
FAULTS = {
    Outcome.REFUSED: (7, "Failed to connect to {host} port {port}: Could not connect to server",
                      "can't connect to remote host ({address}): Connection refused"),
    Outcome.TIMED_OUT: (28, "Failed to connect to {host} port {port}: Timeout was reached",
                        "can't connect to remote host ({address}): Operation timed out"),
    Outcome.NO_SUCH_HOST: (6, "Could not resolve host: {host}", "bad address '{host}:{port}'"),
}  # fmt: skip


def connect(
    process: ProgramProcess, host: str, port: int | None, step: Callable[..., int], *args: object
) -> int:
    """Go on with `step(process, connection, …)` when an answer is there, or none came in time."""
    connection = process.container.network.connect(process.container, host, port)
    timed_out = connection.outcome is Outcome.TIMED_OUT
    delay_ns = TIMEOUT_NS if timed_out else connection.round_trip_ns
    process.later(delay_ns, step, connection, host, port, *args)
    return 0


def check(connection: Connection, host: str, port: int | None) -> None:
    """Raise what BusyBox says if there is no connection."""
    if connection.outcome in FAULTS:
        text = FAULTS[connection.outcome][2]
        text = text.format(host=host, port=port, address=connection.address)
        raise FileError(text.replace(":None", ""))


# -- HTTP ---------------------------------------------------------------------------------
def fetch(
    step: Callable[..., int], process: ProgramProcess, options: Options, args: list[str]
) -> int:
    """`curl` and `wget` of one URL."""
    url = urlsplit(args[-1] if "://" in args[-1] else f"http://{args[-1]}")
    port = url.port or (443 if url.scheme == "https" else 80)
    return connect(process, url.hostname or "", port, step, url.path or "/", options)


def response(connection: Connection, port: int, path: str) -> tuple[int, str]:
    """The status and the body; 0: the server does not speak HTTP."""
    server = connection.server
    if server is None:
        return 200, "<html></html>\n"
    folder = server.process.ports.get(port) if server.process else None
    for name in (path, f"{path}/index.html"):
        file = server.files.get((folder or server.site.root) + name)
        if file and not file.is_folder and (folder or server.site.root):
            return 200, file.data.decode(errors="surrogateescape")
    if folder:
        return 404, "Not Found\n"
    if server.site.paths is not None and path not in server.site.paths:
        return (404 if server.site.paths else 0), "Not Found\n"
    return 200, server.site.page.format(hostname=server.hostname, client=connection.client)


def curl(process: ProgramProcess, connection: Connection, host: str, port: int, path: str,
         options: Options) -> int:  # fmt: skip
    code, text, _ = FAULTS.get(connection.outcome, (0, "", ""))
    status, body = (0, "") if code else response(connection, port, path)
    if not code and not status:
        code, text = 52, "Empty reply from server"
    elif status >= 400 and "f" in options:
        code, text = 22, f"The requested URL returned error: {status}"
    if code and "s" not in options:
        process.write(2, f"curl: ({code}) {text.format(host=host, port=port)}\n")
    if not code and "o" not in options:
        process.write(1, f"HTTP/1.1 {status}\n" if "I" in options else body)
    process.write(
        1, options.get("w", "").replace("%{http_code}", f"{status:03}").replace(r"\n", "\n")
    )
    return code


def wget(process: ProgramProcess, connection: Connection, host: str, port: int, path: str,
         options: Options) -> int:  # fmt: skip
    if connection.address and "q" not in options:
        process.write(2, f"Connecting to {host} ({connection.address}:{port})\n")
    check(connection, host, port)
    status, body = response(connection, port, path)
    if status != 200:
        found = f"server returned error: HTTP/1.1 {status} Not Found"
        raise FileError(found if status else "error getting response")
    target = options.get("O") or basename(path) or "index.html"
    if target == "-":
        process.write(1, body)
    elif target != "/dev/null" and "spider" not in options:
        data = body.encode(errors="surrogateescape")
        process.container.files.write(process.path(target), data, process.user)
    return 0


def httpd(process: ProgramProcess, options: Options, args: list[str]) -> int | None:
    """Serve the files of a folder; `-f`: in the foreground."""
    server = process.container.process or process
    port = int(options.get("p", "80").rpartition(":")[2])
    server.ports[port] = process.path(options.get("h", ".")).removesuffix("/.")
    return None if "f" in options else 0


def nc(process: ProgramProcess, options: Options, args: list[str]) -> int | None:
    """`nc -z HOST PORT` looks whether a port is open; `nc -l -p PORT` opens one."""
    if "l" in options:
        port = options.get("p") or args[-1]
        return httpd(process, {"f": "", "p": port, "h": "/nonexistent"}, [])
    return connect(process, args[0], int(args[1]), _connected, options)


def _connected(process: ProgramProcess, connection: Connection, host: str, port: int,
               options: Options) -> int:  # fmt: skip
    check(connection, host, port)
    process.write(2, f"{host} ({connection.address}:{port}) open\n" if "v" in options else "")
    return 0


# -- names ----------------------------------------------------------------------------------
def nslookup(process: ProgramProcess, options: Options, args: list[str]) -> int:
    addresses = process.container.network.resolve(process.container, args[0])
    process.write(1, f"Server:\t\t{NAME_SERVER}\nAddress:\t{NAME_SERVER}:53\n\n")
    for six in (False, True):  # one answer for each version of IP
        found = [address for address in addresses if (":" in address) == six]
        rows = "".join(f"Name:\t{args[0]}\nAddress: {address}\n" for address in found)
        process.write(1, f"Non-authoritative answer:\n{rows}\n" if found else "")
    process.write(1, "" if addresses else f"** server can't find {args[0]}: NXDOMAIN\n\n")
    return int(not addresses)


def dig(process: ProgramProcess, options: Options, args: list[str]) -> int:
    name = next(arg for arg in args if arg[0] not in "+@-")
    addresses = process.container.network.resolve(process.container, name)
    begin = "" if "+short" in args else f"{name}.\t\t600\tIN\tA\t"
    process.write(1, "".join(f"{begin}{address}\n" for address in addresses if ":" not in address))
    return 0


def ip(process: ProgramProcess, options: Options, args: list[str]) -> int:
    own = process.container.network.resolve(process.container, process.container.hostname)
    for index, address in enumerate(dict.fromkeys([LOCALHOST, *own])):
        if ":" in address:  # of the same device
            process.write(1, f"    inet6 {address} scope global\n")
            continue
        name = f"eth{index - 1}" if index else "lo"
        process.write(1, f"{index + 1}: {name}: <UP,LOWER_UP>\n    inet {address} {name}\n")
    return 0


def ping(process: ProgramProcess, options: Options, args: list[str]) -> int:
    return connect(process, args[0], None, _pinged, options, 0, 0)


def _pinged(process: ProgramProcess, connection: Connection, host: str, port: None,
            options: Options, sent: int, got: int) -> int:  # fmt: skip
    if connection.outcome is Outcome.NO_SUCH_HOST:
        check(connection, host, port)
    address, answered = connection.address, connection.outcome is Outcome.ANSWERED
    process.write(1, f"PING {host} ({address}): 56 data bytes\n" if not sent else "")
    time = f"{connection.round_trip_ns / MS:.3f} ms"
    line = f"64 bytes from {address}: seq={sent} ttl=64 time={time}\n"
    process.write(1, line if answered else "")
    sent, got = sent + 1, got + answered
    if sent != int(options.get("c", 0)):
        process.later(S, _ping_again, host, options, sent, got)
        return 0
    process.write(1, f"\n--- {host} ping statistics ---\n{sent} packets transmitted, {got} packets "
                     f"received, {100 * (sent - got) // sent}% packet loss\n")  # fmt: skip
    return int(not got)


def _ping_again(process: ProgramProcess, host: str, *state: object) -> int:
    return connect(process, host, None, _pinged, *state)


# -- databases --------------------------------------------------------------------------------
class Check(NamedTuple):
    """A client that asks a server on a port whether it is ready, and its exit status if not."""

    port: int
    ready: str
    not_ready: str = "no response"
    status: int = 1


def is_ready(question: Check, process: ProgramProcess, options: Options, args: list[str]) -> int:
    host = args[args.index("-h") + 1] if "-h" in args else "localhost"
    return connect(process, host, question.port, _asked, question)


def _asked(process: ProgramProcess, connection: Connection, host: str, port: int,
           question: Check) -> int:  # fmt: skip
    ready = connection.outcome is Outcome.ANSWERED
    process.write(1 if ready else 2, f"{question.ready if ready else question.not_ready}\n")
    return 0 if ready else question.status


def redis_cli(process: ProgramProcess, options: Options, args: list[str]) -> int:
    host, port = options.get("h", LOCALHOST), int(options.get("p", 6379))
    return connect(process, host, port, _redis, args or ["ping"])


def _redis(process: ProgramProcess, connection: Connection, host: str, port: int,
           args: list[str]) -> int:  # fmt: skip
    server = connection.server.process if connection.server else None
    if connection.outcome is not Outcome.ANSWERED or server is None:
        reason = str(connection.outcome).capitalize()
        process.write(2, f"Could not connect to Redis at {host}:{port}: {reason}\n")
        return 1
    process.write(1, f"{redis_reply(server.memory, args)}\n")
    return 0


def redis_reply(memory: dict[str, str], args: list[str]) -> str:
    """What a Redis server replies to a command."""
    match [args[0].lower(), *args[1:]]:
        case ["ping"]:
            return "PONG"
        case ["set", key, value]:
            if len(memory) >= KEYS_MAX or len(value) > VALUE_MAX:
                return "OOM command not allowed when used memory > 'maxmemory'."
            memory[key] = value
            return "OK"
        case ["get", key]:
            return memory.get(key, "")
        case ["incr", key]:
            memory[key] = str(int(memory.get(key, "0")) + 1)
            return memory[key]
        case ["del", *keys]:
            return str(sum(memory.pop(key, None) is not None for key in keys))
        case ["keys", _]:
            return "\n".join(sorted(memory))
        case ["dbsize"]:
            return str(len(memory))
    return f"ERR unknown command '{args[0]}'"
