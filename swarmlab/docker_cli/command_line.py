"""Runs one docker command line: finds the command, parses its flags, calls its function."""

import time
from collections.abc import Callable, Sequence
from functools import partial

import docker

from swarmlab.docker_cli import containers, node, objects, service, stack, swarm, system
from swarmlab.docker_cli.flags import Arguments, check_count, find, parse
from swarmlab.docker_cli.hints import hint_for
from swarmlab.docker_cli.session import CliError, Progress, Session, Writer
from swarmlab.model.versions import DOCKER_VERSION

VERSION = f"Docker version {DOCKER_VERSION}, build e6534b4"
Handler = Callable[[Session, Arguments], None]

# Command -> the function that carries it out.
HANDLERS: dict[str, Handler] = {
    "config create": partial(objects.create, kind="config"),
    "config inspect": partial(objects.inspect, kind="config"),
    "config ls": partial(objects.ls, kind="config"),
    "config rm": partial(objects.rm, kind="config"),
    "events": system.events,
    "exec": containers.execute,
    "images": containers.images,
    "info": system.info,
    "inspect": system.inspect,
    "kill": containers.kill,
    "logs": containers.logs,
    "network connect": objects.network_connect,
    "network create": objects.network_create,
    "network disconnect": objects.network_disconnect,
    "network inspect": partial(objects.inspect, kind="network"),
    "network ls": partial(objects.ls, kind="network"),
    "network prune": objects.network_prune,
    "network rm": objects.network_rm,
    "node demote": node.demote,
    "node inspect": node.inspect,
    "node ls": node.ls,
    "node promote": node.promote,
    "node ps": node.ps,
    "node rm": partial(objects.rm, kind="node"),
    "node update": node.update,
    "ps": containers.ps,
    "pull": containers.pull,
    "rm": containers.rm,
    "secret create": partial(objects.create, kind="secret"),
    "secret inspect": partial(objects.inspect, kind="secret"),
    "secret ls": partial(objects.ls, kind="secret"),
    "secret rm": partial(objects.rm, kind="secret"),
    "service create": service.create,
    "service inspect": service.inspect,
    "service logs": containers.service_logs,
    "service ls": service.ls,
    "service ps": service.ps,
    "service rm": partial(objects.rm, kind="service"),
    "service rollback": service.rollback,
    "service scale": service.scale,
    "service update": service.update,
    "stack config": stack.config,
    "stack deploy": stack.deploy,
    "stack ls": stack.ls,
    "stack ps": stack.ps,
    "stack rm": stack.rm,
    "stack services": stack.services,
    "stop": containers.stop,
    "swarm ca": swarm.authority,
    "swarm init": swarm.init,
    "swarm join": swarm.join,
    "swarm join-token": swarm.join_token,
    "swarm leave": swarm.leave,
    "swarm unlock": swarm.unlock,
    "swarm unlock-key": swarm.unlock_key,
    "swarm update": swarm.update,
    "version": system.version,
}


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
    """Run `docker ARGV…` against `client`; the exit code.

    Prints to `out` and `err` what docker 28.2.2 prints; `hints` adds a line below an error about
    its probable cause. `stdin` may be a function that reads it; `clock` and `sleep` make time
    virtual; `host` is shown when no engine answers; `progress(done, total, text)` is called while
    a service converges.
    """
    data: list[bytes] = [stdin] if isinstance(stdin, bytes) else []

    def read_stdin() -> bytes:
        if callable(stdin) and not data:
            data.append(stdin())
        return data[0]

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
    if hints and (hint := hint_for(words, fault, data[0] if data else b"")):
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
    check_count(arguments)
    HANDLERS[command.path](session, arguments)
