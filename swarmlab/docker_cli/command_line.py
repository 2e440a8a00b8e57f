"""Runs one docker command line: finds the command, parses its flags, calls its function."""

from collections.abc import Callable, Sequence

from swarmlab.docker_cli import (
    container_run,
    containers,
    node,
    objects,
    service,
    stack,
    swarm,
    system,
    usage,
)
from swarmlab.docker_cli.flags import Arguments, check_count, find, parse
from swarmlab.docker_cli.hints import hint_for
from swarmlab.docker_cli.session import HINT, CliError, Session
from swarmlab.model.versions import DOCKER_VERSION
from swarmlab.strings import _

VERSION = f"Docker version {DOCKER_VERSION}, build e6534b4"
Handler = Callable[[Session, Arguments], None]

# Command -> the function that carries it out.
HANDLERS: dict[str, Handler] = {
    **dict.fromkeys(("config create", "secret create"), objects.create),
    **dict.fromkeys(("config inspect", "network inspect", "secret inspect"), objects.inspect),
    **dict.fromkeys(("config ls", "network ls", "secret ls"), objects.ls),
    **dict.fromkeys(("config rm", "node rm", "secret rm", "service rm"), objects.rm),
    **dict.fromkeys(("kill", "pause", "restart"), containers.change_each),
    **dict.fromkeys(("start", "stop", "unpause"), containers.change_each),
    **dict.fromkeys(("container inspect", "image inspect", "volume inspect"), system.inspect_kind),
    **dict.fromkeys(
        ("container prune", "image prune", "system prune", "volume prune"), usage.prune
    ),
    "events": system.events,
    "exec": containers.execute,
    "history": usage.history,
    "images": containers.images,
    "import": containers.image_import,
    "info": system.info,
    "inspect": system.inspect,
    "logs": containers.logs,
    "network connect": objects.network_connect,
    "network create": objects.network_create,
    "network disconnect": objects.network_disconnect,
    "network prune": objects.network_prune,
    "network rm": objects.network_rm,
    "node demote": node.demote,
    "node inspect": node.inspect,
    "node ls": node.ls,
    "node promote": node.promote,
    "node ps": node.ps,
    "node update": node.update,
    "ps": containers.ps,
    "pull": containers.pull,
    "rename": containers.rename,
    "rm": containers.rm,
    "rmi": containers.rmi,
    "run": container_run.run,
    "service create": service.create,
    "service inspect": service.inspect,
    "service logs": containers.service_logs,
    "service ls": service.ls,
    "service ps": service.ps,
    "service rollback": service.rollback,
    "service scale": service.scale,
    "service update": service.update,
    "stack config": stack.config,
    "stack deploy": stack.deploy,
    "stack ls": stack.ls,
    "stack ps": stack.ps,
    "stack rm": stack.rm,
    "stack services": stack.services,
    "stats": usage.stats,
    "swarm ca": swarm.authority,
    "swarm init": swarm.init,
    "swarm join": swarm.join,
    "swarm join-token": swarm.join_token,
    "swarm leave": swarm.leave,
    "swarm unlock": swarm.unlock,
    "swarm unlock-key": swarm.unlock_key,
    "swarm update": swarm.update,
    "system df": usage.df,
    "tag": containers.tag,
    "top": usage.top,
    "update": containers.update,
    "version": system.version,
    "volume create": usage.volume_create,
    "volume ls": usage.volume_ls,
    "volume rm": objects.rm,
    "wait": containers.wait,
}


def run(
    argv: Sequence[str], session: Session, *, hint_to: Callable[[str], object] | None = None
) -> int:
    """Run `docker ARGV…`; the exit code.

    Prints what docker 28.2.2 prints; `hint_to` gets a line about the probable cause of an error.
    """
    words = list(argv)
    try:
        _dispatch(session, words[1:] if words[:1] == ["docker"] else words)
        fault, code = "", 0
    except CliError as error:
        fault, code = str(error), error.code
    if fault:
        session.warn(fault)
    if hint_to and (hint := hint_for(words, fault, lambda: session.stdin)):
        hint_to(f"{_(HINT)} {hint}")
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
