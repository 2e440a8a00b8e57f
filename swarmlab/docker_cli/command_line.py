"""`run`: one docker command line from words to exit code."""

import time
from collections.abc import Callable, Sequence
from importlib import import_module

import docker

from swarmlab.docker_cli.flags import Arguments, check_count, find, parse
from swarmlab.docker_cli.hints import hint_for
from swarmlab.docker_cli.session import CliError, Progress, Session, Writer

VERSION = "Docker version 28.2.2, build e6534b4"
Handler = Callable[[Session, Arguments], None]

# First word of a command to the module whose HANDLERS has it; the others stand in `containers`.
MODULES = {name: name for name in ("swarm", "node", "service", "stack")}
MODULES |= dict.fromkeys(("secret", "config", "network"), "objects")
MODULES |= dict.fromkeys(("info", "version", "events", "inspect"), "system")


def run(
    argv: Sequence[str],
    client: docker.APIClient,
    *,
    out: Writer,
    err: Writer,
    stdin: bytes | Callable[[], bytes] = b"",
    tty: bool = False,
    width: int = 80,
    host: str = "",
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.time,
    progress: Progress | None = None,
    hints: bool = False,
) -> int:
    """Runs `docker ARGV…` against `client` and returns the exit code.

    Prints to `out` and `err` what docker 28.2.2 prints; with `hints`, a line below an error that
    says what was probably meant. `stdin` may be a function that reads it; `clock` and `sleep` make
    time virtual; `host` is shown when no engine answers; `progress(done, wanted, text)` is called
    while a service converges.
    """
    given: list[bytes] = [stdin] if isinstance(stdin, bytes) else []

    def read_stdin() -> bytes:
        if callable(stdin) and not given:
            given.append(stdin())
        return given[0]

    session = Session(
        client=client, out=out, err=err, read_stdin=read_stdin, tty=tty, width=width, host=host,
        sleep=sleep, clock=clock, progress=progress,
    )  # fmt: skip
    words = list(argv)
    try:
        _dispatch(session, words[1:] if words[:1] == ["docker"] else words)
        fault, code = "", 0
    except CliError as error:
        fault, code = str(error), error.code
    if fault:
        session.warn(fault)
    if hints and (hint := hint_for(words, fault, given[0] if given else b"")):
        session.warn(f"hint: {hint}")
    return code


def _dispatch(session: Session, words: list[str]) -> None:
    if words[:1] in (["--version"], ["-v"]):
        session.print(VERSION)
        return
    if words[:1] == ["help"]:
        words = [*words[1:], "--help"]
    command, rest = find(words)
    arguments = parse(command, rest)
    if arguments["help"] or command.is_group:
        if "-h" in rest:
            session.print("Flag shorthand -h has been deprecated, use --help")
        (session.out if arguments["help"] else session.err).write(command.help)
        return
    handler = handler_of(command.path)
    check_count(arguments)
    handler(session, arguments)


def handler_of(path: str) -> Handler:
    module = MODULES.get(path.partition(" ")[0], "containers")
    handlers: dict[str, Handler] = import_module(f"swarmlab.docker_cli.{module}").HANDLERS
    return handlers[path]
