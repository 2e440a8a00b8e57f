"""`%docker …` and `%%docker`: the command line in a notebook, at any node of the cluster.

Lines are read as a shell would: quotes, `#`, a backslash at the end, `echo … | docker …`, `$(…)`.
"""

import codecs
import io
import os
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker

from swarmlab.docker_cli.command_line import run
from swarmlab.docker_cli.flags import commands
from swarmlab.docker_cli.session import CliError, host_of, unreachable
from swarmlab.simulation import EPOCH_NS, S

PATIENCE_S = 300  # of virtual time, for a service that does not settle; an engine waits for ever
NOBODY = (
    "there is no cluster to speak to: make one with `cluster = swarmlab.simulate()`, or set"
    " DOCKER_HOST to the address of an engine"
)
# What stands for live names in a usage line, and where the API lists them.
LIVE = {
    "NODE": ("/nodes", lambda one: one["Description"]["Hostname"]),
    "SERVICE": ("/services", lambda one: one["Spec"]["Name"]),
    "SECRET": ("/secrets", lambda one: one["Spec"]["Name"]),
    "CONFIG": ("/configs", lambda one: one["Spec"]["Name"]),
    "NETWORK": ("/networks", lambda one: one["Name"]),
    "CONTAINER": ("/containers/json", lambda one: one["Names"][0].strip("/")),
}

_current = ""  # the node chosen by `%docker -H NODE` alone


def target() -> Any:
    """The cluster that `%docker` speaks to: the one made last, or that `use` named since."""
    return getattr(sys.modules.get("swarmlab"), "latest", lambda: None)()


def client_for(node: str) -> docker.APIClient:
    """The API of a node of the cluster, or of the engine that DOCKER_HOST names."""
    cluster = target()
    if cluster is None and "DOCKER_HOST" in os.environ:
        return docker.from_env().api
    if cluster is None:
        raise CliError(NOBODY)
    names = list(cluster.names)
    node = node or (_current if _current in names else cluster.default_node())
    if node not in names:
        raise CliError(f"there is no node {node}; there are {', '.join(names)}")
    return cluster.client(node).api


def shell(text: str, out: Any, err: Any, *, node: str = "", progress: Any = None) -> int:
    """Runs each line of `text`; the exit code of the last one."""
    code = 0
    for line in re.sub(r"\\\n\s*", " ", text).splitlines():
        try:
            code = _line(line, out, err, node=node, progress=progress)
        except (CliError, ValueError, OSError) as error:
            err.write(f"{error}\n")
            code = 1
        except KeyboardInterrupt:
            return 130
        for stream in (out, err):  # so that a cell shows them in the order of its lines
            stream.flush()
    return code


def _line(line: str, out: Any, err: Any, *, node: str, progress: Any) -> int:
    def substitute(match: re.Match[str]) -> str:
        inner = io.StringIO()
        _line(match[1], inner, err, node=node, progress=None)
        return " ".join(inner.getvalue().split())

    line = re.sub(r"\$\(([^()]*)\)", substitute, line)
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|")
    lexer.whitespace_split, lexer.commenters = True, ""
    words = list(lexer)
    comment = next((i for i, word in enumerate(words) if word.startswith("#")), len(words))
    *before, words = _stages(words[:comment])
    stdin = b"".join(_produced(stage) for stage in before)
    if words[:1] == ["docker"]:
        words = words[1:]
    node, words = _host(words, node)
    if not words:
        return 0
    return _docker(words, stdin, out, err, node=node, progress=progress)


def _stages(words: list[str]) -> list[list[str]]:
    stages: list[list[str]] = [[]]
    for word in words:
        stages += [[]] if word == "|" else []
        if word != "|":
            stages[-1].append(word)
    return stages


def _produced(words: list[str]) -> bytes:
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
    raise CliError(f"only echo, printf and cat can stand before a pipe here, not {words[:1]}")


def _host(words: list[str], node: str) -> tuple[str, list[str]]:
    global _current
    match words:
        case ["-H" | "--host", name, *rest]:
            pass
        case [first, *rest] if first.startswith(("-H=", "--host=")):
            name = first.partition("=")[2]
        case _:
            return node, words
    if not rest:
        client_for(name)
        _current = name
    return name, rest


def _docker(words: list[str], stdin: bytes, out: Any, err: Any, *, node: str, progress: Any) -> int:
    cluster, client = target(), client_for(node)
    time: dict[str, Any] = {}
    if hasattr(cluster, "now_ns"):
        begun_ns = cluster.now_ns

        def sleep(_seconds: float) -> None:
            """Each request lets virtual time pass; too much of it is as good as Ctrl+C."""
            if cluster.now_ns - begun_ns > PATIENCE_S * 10**9:
                raise KeyboardInterrupt

        time = {"clock": lambda: (EPOCH_NS + cluster.now_ns) / S, "sleep": sleep}
    said = io.StringIO()
    code = run(words, client, out=out, err=said, stdin=stdin, hints=True, progress=progress, **time)
    err.write(said.getvalue())
    if cluster is not None and unreachable(host_of(client)) in said.getvalue():
        up = [name for name in cluster.names if cluster.is_up(name)]
        err.write(
            f"hint: that node is down; up are {', '.join(up)}: `%docker -H {up[0]} …`\n"
            if up
            else "hint: all nodes are down: `cluster.start(…)`\n"
        )
    return code


def complete(line: str) -> list[str]:
    """What the last word of `line` can become: commands, flags, live names."""
    *words, last = re.split(r"\s+", line.rpartition("|")[2].lstrip())
    words = words[1:] if words[:1] == ["docker"] else words
    if words[-1:] in (["-H"], ["--host"]):
        return [name for name in getattr(target(), "names", []) if name.startswith(last)]
    node, words = (
        _host(words, "")
        if words[:1] and len(words) > 2 and words[0].startswith("-")
        else ("", words)
    )
    return sorted({word for word in _candidates(words, last, node) if word.startswith(last)})


def _candidates(words: list[str], last: str, node: str) -> Iterator[str]:
    table = commands()
    path = next((p for n in (2, 1, 0) if (p := " ".join(words[:n])) in table), "")
    command = table[path]
    if last.startswith("-"):
        yield from (f"--{name}" for name in command.flags)
    elif command.is_group:
        depth = len(path.split())
        yield from (p.split()[depth] for p in table if p.startswith(path) and p != path)
    else:
        for kind, (where, name) in LIVE.items():
            if re.search(rf"\b{kind}\b", command.usage):
                client = client_for(node)
                yield from map(name, client.get(client._url(where)).json() or [])


def load_ipython_extension(ipython: Any) -> None:
    """Makes `%docker` and `%%docker` known, and their completion."""
    from IPython.core.completer import SimpleCompletion, context_matcher
    from IPython.core.magic import no_var_expand

    @no_var_expand
    def magic(line: str, cell: str | None = None) -> None:
        """Docker's command line: `%docker node ls`, or `%%docker` above several lines.

        `-H m2` in front of a command asks node m2; `%docker -H m2` alone asks it from now on. A
        cell may have comments, a backslash at a line's end, `echo … | docker …` and `$(…)`.
        `%docker service create --help` tells of a command; notebook 00 begins with all of it.
        """
        node, words = _host(line.split(), "") if cell is not None else ("", [])
        text = line if cell is None else f"{' '.join(words)}\n{cell}"
        with Bar() as bar:
            code = shell(text, sys.stdout, sys.stderr, node=node, progress=bar)
        ipython.user_ns["_exit_code"] = code

    @context_matcher()  # type: ignore[untyped-decorator]  # IPython has no types here
    def matcher(context: Any) -> Any:
        found: list[str] = []
        line = context.line_with_cursor[: context.cursor_position]
        if context.full_text.startswith("%%docker") or line.lstrip().startswith("%docker"):
            try:
                found = complete(re.sub(r"^\s*%docker\s+", "", line))
            except Exception:  # a completion that fails is none
                found = []
        return {
            "completions": [SimpleCompletion(text=one) for one in found],
            "suppress": bool(found),
        }

    ipython.register_magic_function(magic, "line_cell", "docker")
    ipython.Completer.custom_matchers.append(matcher)


class Bar:
    """A bar that moves while a service converges, and is gone afterwards."""

    def __init__(self) -> None:
        self.handle: Any = None

    def __enter__(self) -> "Bar":
        return self

    def __call__(self, done: int, total: int, text: str) -> None:
        from IPython.display import Pretty, display

        filled = 30 * done // total if total else 30
        text = f"[{'=' * filled}{' ' * (30 - filled)}] {text}"
        shown: Any = Pretty(text)  # type: ignore[no-untyped-call]  # IPython has no types here
        if self.handle is None:
            self.handle = display(shown, display_id=True)  # type: ignore[no-untyped-call]  # as above
        else:
            self.handle.update(shown)

    def __exit__(self, *_: object) -> None:
        from IPython.display import Pretty

        if self.handle is not None:
            self.handle.update(Pretty(""))  # type: ignore[no-untyped-call]  # as above
