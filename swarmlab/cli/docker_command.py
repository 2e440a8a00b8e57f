"""`swarmlab docker …`: the docker command line in a terminal, on a served or a real engine."""

import os
import socket
import sys
from pathlib import Path

import click
import docker

from swarmlab.cli.ctl import DIR
from swarmlab.cluster.socket_folder import PORT_FILE, TOKEN_HEADER, why_not_private
from swarmlab.docker_cli.command_line import run
from swarmlab.docker_cli.progress import bar_text
from swarmlab.docker_cli.session import Session, split_host, unreachable
from swarmlab.model.versions import API_VERSION

DEFAULT = "unix:///var/run/docker.sock"


def host_of(name: str, folder: Path) -> str:
    """The address of an engine: `name` is an address, or a node that is served in `folder`.

    Without a name: DOCKER_HOST, else the first served node, else this machine's engine.
    """
    if not hasattr(socket, "AF_UNIX"):
        ports = {path.parent.name: str(path) for path in sorted(folder.glob(f"*/{PORT_FILE}"))}
        name = name or os.environ.get("DOCKER_HOST") or next(iter(ports), "")
        return ports.get(name, name or DEFAULT)
    sockets = sorted(folder.glob("*/docker.sock"))
    # What another user may have put there is not served by us.
    sockets = [
        path for path in sockets if not any(map(why_not_private, (folder, path.parent, path)))
    ]
    served = {path.parent.name: f"unix://{path}" for path in sockets}
    if name:
        return served.get(name, name)
    return os.environ.get("DOCKER_HOST") or next(iter(served.values()), DEFAULT)


def client_of(host: str, version: str) -> docker.APIClient:
    """A client of the engine at this address, or of the one that a file of port and token names."""
    if not host.endswith(PORT_FILE):
        return docker.APIClient(base_url=host, version=version)
    try:
        port, token = Path(host).read_text("utf-8").split()
    except (OSError, ValueError):
        raise docker.errors.DockerException(f"nothing is served at {host}") from None
    client = docker.APIClient(base_url=f"http://127.0.0.1:{port}", version=API_VERSION)
    client.headers[TOKEN_HEADER] = token
    return client


@click.command(
    "docker",
    add_help_option=False,  # it is docker's
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def docker_command(arguments: tuple[str, ...]) -> int:
    """Docker's command line, for machines without it. `-H` takes a node's name or an address."""
    name, words = split_host(list(arguments))
    host, tty = host_of(name, DIR), sys.stdout.isatty()
    try:
        client = client_of(host, "auto")
    except docker.errors.DockerException:
        if not _needs_no_engine(words):
            sys.stderr.write(unreachable(host) + "\n")
            return 1
        client = docker.APIClient(base_url=host, version=API_VERSION)
    try:
        session = Session(
            client=client,
            out=sys.stdout,
            err=sys.stderr,
            read_stdin=sys.stdin.buffer.read,
            tty=tty,
            width=os.get_terminal_size().columns if tty else 80,
            host=host,
            progress=_show_bar if tty else None,
        )
        return run(words, session, hint_to=session.warn if sys.stderr.isatty() else None)
    finally:
        client.close()


def _needs_no_engine(words: list[str]) -> bool:
    return not words or bool({"--help", "-h", "--version", "-v", "help", "config"} & {*words})


def _show_bar(done: int, total: int, text: str) -> None:
    """Redraw one line of the terminal; it is empty when all is done."""
    sys.stderr.write(f"\r\033[K{bar_text(done, total, text) if done < total else ''}")
    sys.stderr.flush()
