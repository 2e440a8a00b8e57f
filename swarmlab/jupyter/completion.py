"""Completion by Tab: words of docker commands after `%docker`, names of objects in calls.

In a call the parameter's type says what a name names: a node, a service, a task, a secret.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from IPython.core.completer import SimpleCompletion, context_matcher

from swarmlab.cluster import current
from swarmlab.docker_cli.flags import FILTER_KEYS, Command, Flag, commands, only_words
from swarmlab.docker_cli.session import split_host
from swarmlab.jupyter.magic import client_for
from swarmlab.views.snapshot import ClusterSnapshot, look

# A word of a usage line -> where the API lists such objects, and an object's name.
OBJECT_NAMES = {
    "NODE": ("/nodes", lambda node: node["Description"]["Hostname"]),
    "SERVICE": ("/services", lambda service: service["Spec"]["Name"]),
    "SECRET": ("/secrets", lambda secret: secret["Spec"]["Name"]),
    "CONFIG": ("/configs", lambda config: config["Spec"]["Name"]),
    "NETWORK": ("/networks", lambda network: network["Name"]),
    "CONTAINER": ("/containers/json?all=1", lambda container: container["Names"][0].strip("/")),
}
# The same -> where a snapshot, for which no time passes, has them.
ROWS: dict[str, Callable[[ClusterSnapshot], Sequence[Any]]] = {
    "NODE": lambda snapshot: snapshot.nodes,
    "SERVICE": lambda snapshot: snapshot.services,
    "TASK": lambda snapshot: snapshot.tasks,
}
# An open string in a call: an object (or its client), attributes, earlier arguments, a keyword.
CALL = re.compile(
    r"(\w+)(\.client\([^()]*\))?((?:\.\w+)*)([(\[])"
    r"([^()]*?)(?:(\w+)=)?[\"'](?:[^\"']*,)?([^\"',]*)$"
)
VALUES = re.compile(r"\[[^\]]*\]?|\"[^\"]*\"|'[^']*'")  # those that commas may be in
NAME_TYPE = re.compile(r"(Node|Service|Task|Secret)Name")  # of `cluster.interface`


def complete(line: str) -> list[str]:
    """The words that the last word of a docker command line can become."""
    *words, last = re.split(r"\s+", line.rpartition("|")[2].lstrip())
    words = words[words[:1] == ["docker"] :]
    if words[-1:] in (["-H"], ["--host"]):
        return beginning(last, getattr(current.latest(), "names", []))
    node, words = split_host(words)
    path = next((p for n in (2, 1, 0) if (p := " ".join(words[:n])) in commands()), "")
    command = commands()[path]
    if last.startswith("--") and "=" in last:  # what Tab replaces begins after the sign
        flag, _, last = last.partition("=")
        words = [*words, flag]
    spelled = {f"--{flag.name}": flag for flag in command.flags.values()}
    spelled |= {f"-{flag.shorthand}": flag for flag in command.flags.values() if flag.shorthand}
    flag = spelled.get(words[-1]) if words else None
    if flag is not None and flag.kind != "bool":
        return beginning(last, _values(command, flag, node))
    if last.startswith("-"):
        return beginning(last, (f"--{name}" for name in command.flags))
    return beginning(last, _arguments(command, path, node))


def beginning(typed: str, words: Iterable[str]) -> list[str]:
    return sorted({word for word in words if word.startswith(typed)})


def _values(command: Command, flag: Flag, node: str) -> Iterator[str]:
    """What a flag can take, as far as that is known."""
    yield from flag.words
    if flag.name == "filter":
        yield from (f"{key}=" for key in FILTER_KEYS.get(command.path, "").split())
    kinds = {flag.kind.upper(), flag.name.removesuffix("-rm").upper()}
    for kind in kinds & set(OBJECT_NAMES):
        yield from _listed(kind, client_for(node))


def _arguments(command: Command, path: str, node: str) -> Iterator[str]:
    if command.is_group:
        depth = len(path.split())
        yield from (p.split()[depth] for p in commands() if p.startswith(path) and p != path)
    yield from only_words(command.usage)
    for kind in OBJECT_NAMES:
        if re.search(rf"\b{kind}\b", command.usage):
            yield from _listed(kind, client_for(node))


def _listed(kind: str, api: Any) -> Iterator[str]:
    endpoint, name_of = OBJECT_NAMES[kind]
    yield from map(name_of, api.get(api._url(endpoint)).json() or [])


def names_in_call(line: str, variables: Mapping[str, Any]) -> list[str]:
    """Names for the string that is being typed: `cluster.crash("m`, `client.services.get("w`."""
    if not (call := CALL.search(line)):
        return []
    first, client, path, opened, arguments, keyword, typed = call.groups()
    collection, _, method = f"{path}{'.get' * (opened == '[')}".rpartition(".")
    source, kind = variables.get(first), collection.strip(".").upper().removesuffix("S")
    if opened == "[" and (client or not hasattr(getattr(source, path[1:], None), "__getitem__")):
        return []  # it has no keys
    if kind in OBJECT_NAMES and method == "get":  # a collection, of the docker SDK's or ours
        return beginning(typed, _names(kind, source))
    function = getattr(type(source), method, None) if method else source
    cluster = source if method else variables.get(arguments.partition(",")[0], current.latest())
    return beginning(typed, _names(_kind_named(function, arguments, keyword), cluster))


def _kind_named(function: Any, arguments: str, keyword: str | None) -> str:
    """What the argument names for which a string is being typed; empty: nothing of a cluster."""
    if not inspect.isfunction(function):
        return ""
    parameters = [*inspect.signature(function).parameters.values()]
    if parameters[:1] and parameters[0].name == "self":
        del parameters[0]
    if keyword:
        places = [parameter for parameter in parameters if parameter.name == keyword]
    else:
        number = VALUES.sub("", arguments).count(",")
        open_ended = [p for p in parameters[: number + 1] if p.kind is p.VAR_POSITIONAL]
        places = open_ended or parameters[number : number + 1]
    match = NAME_TYPE.search(str(places[0].annotation)) if places else None
    return match[1].upper() if match else ""


def _names(kind: str, source: Any) -> Iterable[str]:
    """The names of objects of this kind in a cluster, or in the swarm of a client."""
    if kind in ROWS:
        return [row.name for row in ROWS[kind](look(source))]
    api = source.api if hasattr(source, "api") else source.client().api
    return _listed(kind, api) if kind else ()


def load_ipython_extension(ipython: Any) -> None:
    """Register both completions."""

    @context_matcher()  # type: ignore[untyped-decorator]  # IPython has no types here
    def matcher(context: Any) -> Any:
        line = context.line_with_cursor[: context.cursor_position]
        try:
            if context.full_text.startswith("%%docker") or line.lstrip().startswith("%docker"):
                words = complete(re.sub(r"^\s*%docker\s+", "", line))
            else:
                words = names_in_call(line, ipython.user_ns)
        except Exception:  # a completion that fails offers nothing
            words = []
        return {
            "completions": [SimpleCompletion(text=word) for word in words],
            "suppress": bool(words),
        }

    ipython.Completer.custom_matchers.append(matcher)
