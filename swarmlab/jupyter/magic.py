"""`%docker …` and `%%docker`: the docker command line in a notebook, at any node of the cluster.

Lines are read as a shell would: quotes, `#`, a backslash at the end, `echo … | docker …`, `$(…)`.
"""

import codecs
import contextlib
import io
import os
import re
import shlex
import sys
import textwrap
from itertools import groupby
from pathlib import Path
from typing import Any

import docker
from IPython.core.magic import no_var_expand

from swarmlab.cluster import current
from swarmlab.docker_cli.command_line import run
from swarmlab.docker_cli.progress import bar_text
from swarmlab.docker_cli.session import HINT, CliError, Session, host_of, split_host, unreachable
from swarmlab.errors import NoneSuch
from swarmlab.simulation import EPOCH_NS
from swarmlab.strings import N_, _
from swarmlab.units import S
from swarmlab.views.progress import StatusLine

CONVERGENCE_LIMIT_S = 300  # of virtual time; an engine's command line waits for ever
NO_CLUSTER = N_(
    "there is no cluster to speak to: make one with `cluster = swarmlab.simulate()`, or set"
    " DOCKER_HOST to the address of an engine"
)

FOLLOW_S = 10.0  # of simulated time: so long a cell shows what `docker run` prints
# Docker's output doesn't wrap in a cell, so a hint is folded: it fits at 150 %.
FOLDED = textwrap.TextWrapper(width=66, break_long_words=False, break_on_hyphens=False)
_default_node = ""  # chosen by `%docker -H NODE` alone


def client_for(node: str) -> docker.APIClient:
    """The API of a node of the current cluster, or of the engine that DOCKER_HOST names."""
    cluster = current.latest()
    if cluster is None and "DOCKER_HOST" in os.environ:
        return docker.from_env().api
    if cluster is None:
        raise CliError(_(NO_CLUSTER))
    names = list(cluster.names)
    node = node or (_default_node if _default_node in names else cluster.default_node())
    if node not in names:
        raise CliError(str(NoneSuch("there is no node {name!r}; there are {known}", node, names)))
    return cluster.client(node).api


def lines_of(text: str) -> list[str]:
    """Lines, each with those that a backslash joins to it."""
    return re.sub(r"\\\n\s*", " ", text).splitlines()


def run_commands(
    text: str,
    out: Any,
    err: Any,
    *,
    node: str = "",
    progress: Any = None,
    shown: bool = False,
    stdin: bytes = b"",
) -> int:
    """Run each line of `text` at a node; the exit code of the last one.

    `shown`: each command stands above its output, as in a terminal. `stdin`: for a command that no
    pipe leads to.
    """
    code = 0
    for line in lines_of(text):
        cluster, command = current.latest(), line.strip()
        typed = command and not command.startswith("#")
        if typed and shown:
            out.write(f"$ {_full(command)}\n")
        if typed and cluster is not None:
            cluster.typed.append((cluster.clock_ns(), _full(command)))
        try:
            code = _run_line(line, out, err, node=node, progress=progress, stdin=stdin)
        except (CliError, ValueError, OSError) as error:
            err.write(f"{error}\n")
            code = 1
        except KeyboardInterrupt:
            return 130
        for stream in (out, err):  # so that a cell shows them in the order of its lines
            stream.flush()
    return code


def _full(command: str) -> str:
    """As in a terminal, in one line."""
    command = " ".join(command.split())
    return command if "|" in command or command.startswith("docker") else f"docker {command}"


def _run_line(
    line: str, out: Any, err: Any, *, node: str, progress: Any, stdin: bytes = b""
) -> int:
    def substitute(match: re.Match[str]) -> str:
        inner = io.StringIO()
        _run_line(match[1], inner, err, node=node, progress=None)
        return " ".join(inner.getvalue().split())

    line = re.sub(r"\$\(([^()]*)\)", substitute, line)
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|")
    lexer.whitespace_split, lexer.commenters = True, ""
    words = list(lexer)
    comment = next((i for i, word in enumerate(words) if word.startswith("#")), len(words))
    stages = [list(stage) for pipe, stage in groupby(words[:comment], "|".__eq__) if not pipe]
    *producers, words = stages or [[]]
    stdin = b"".join(map(_output_of, producers)) or stdin
    node, words = take_node(words[words[:1] == ["docker"] :], node)
    return _run_docker(words, stdin, out, err, node=node, progress=progress) if words else 0


def _output_of(words: list[str]) -> bytes:
    """What `echo`, `printf` or `cat` in front of a pipe would write."""
    match words:
        case ["echo", "-n", *rest]:
            return " ".join(rest).encode()
        case ["echo", *rest]:
            return (" ".join(rest) + "\n").encode()
        case ["printf", text, *rest]:
            return (codecs.decode(text, "unicode_escape") % tuple(rest)).encode()
        case ["cat", *files]:
            return b"".join(Path(file).read_bytes() for file in files)
    text = _("only echo, printf and cat can stand before a pipe here, not {words}")
    raise CliError(text.format(words=words[:1]))


def take_node(words: list[str], node: str) -> tuple[str, list[str]]:
    """The node of a leading `-H NODE`, else `node`, and the other words.

    `-H NODE` alone makes it the default node.
    """
    global _default_node
    host, rest = split_host(words)
    if host and not rest:
        client_for(host)
        _default_node = host
    return host or node, rest


def _run_docker(
    words: list[str], stdin: bytes, out: Any, err: Any, *, node: str, progress: Any
) -> int:
    cluster, client = current.latest(), client_for(node)
    time: dict[str, Any] = {}
    if cluster is not None and cluster.virtual_time:
        now_ns = cluster.clock_ns
        begun_ns = now_ns()

        def sleep(_seconds: float) -> None:
            """Each request lets virtual time pass; at the limit this is as good as Ctrl+C."""
            if now_ns() - begun_ns > CONVERGENCE_LIMIT_S * S:
                raise KeyboardInterrupt

        time = {"clock": lambda: (EPOCH_NS + now_ns()) / S, "sleep": sleep}
    errors = ErrorsInOrder(out, err)
    session = Session(
        client=client,
        out=out,
        err=errors,
        read_stdin=lambda: stdin,
        progress=progress,
        follow_s=FOLLOW_S,
        **time,
    )
    hints: list[str] = []
    code = run(words, session, hint_to=hints.append)
    if cluster is not None and unreachable(host_of(client)) in errors.text:
        up = [name for name in cluster.names if cluster.is_up(name)]
        hint = _("all nodes are down: `cluster.start(…)`")
        if up:
            hint = _("that node is down; up are {names}: `%docker -H {first} …`",
                     names=", ".join(up), first=up[0])  # fmt: skip
        hints.append(f"{_(HINT)} {hint}")
    # Below the error, and no error itself.
    out.writelines(f"{FOLDED.fill(hint)}\n" for hint in hints)
    return code


class ErrorsInOrder:
    """Standard error, shown after what was printed before it and before what is printed next."""

    def __init__(self, out: Any, err: Any) -> None:
        self._out, self._err, self.text = out, err, ""

    def write(self, text: str) -> None:
        self._out.flush()  # a cell buffers either stream by itself
        self._err.write(text)
        self._err.flush()
        self.text += text


def load_ipython_extension(ipython: Any) -> None:
    """Register `%docker` and `%%docker`."""

    @no_var_expand
    def magic(line: str, cell: str | None = None) -> None:
        """Docker's command line: `%docker node ls`, or `%%docker` above several lines.

        `-H m2` in front of a command asks node m2; `%docker -H m2` alone asks it from now on. A
        cell may have comments, a backslash at a line's end, `echo … | docker …` and `$(…)`. Below a
        command that reads `-`, it's the file: `%%docker stack deploy --compose-file - shop`.
        `%docker service create --help` tells of a command; notebook 00 begins with all of it.
        """
        node, words = split_host(line.split()) if cell is not None else ("", [])
        reads = "-" in words  # the cell is the file that the command reads
        text = line if cell is None or reads else f"{' '.join(words)}\n{cell}"
        stdin = cell.encode() if cell is not None and reads else b""
        shown = _count_commands(ipython) > 1
        with contextlib.closing(StatusLine()) as below:

            def progress(done: int, total: int, text: str) -> None:
                below.show(bar_text(done, total, text))

            options: Any = {"node": node, "progress": progress, "shown": shown, "stdin": stdin}
            code = run_commands(text, sys.stdout, sys.stderr, **options)
        ipython.user_ns["_exit_code"] = code

    ipython.register_magic_function(magic, "line_cell", "docker")


def _count_commands(ipython: Any) -> int:
    """How many docker commands the cell has that is being run."""
    parent = getattr(ipython, "parent_header", None) or {}
    lines = lines_of(parent.get("content", {}).get("code", ""))
    if lines and lines[0].startswith("%%docker") and "-" not in lines[0].split():
        return sum(bool(line.strip()) and not line.lstrip().startswith("#") for line in lines[1:])
    return sum(line.lstrip().startswith("%docker") for line in lines)
