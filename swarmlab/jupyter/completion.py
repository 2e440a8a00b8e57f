"""Completion by Tab: words of docker commands after `%docker`, nodes in a cluster's calls."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from IPython.core.completer import SimpleCompletion, context_matcher

from swarmlab.cluster import current
from swarmlab.docker_cli.flags import commands
from swarmlab.docker_cli.session import split_host
from swarmlab.jupyter.magic import client_for

# A word of a usage line -> where the API lists such objects, and an object's name.
OBJECT_NAMES = {
    "NODE": ("/nodes", lambda node: node["Description"]["Hostname"]),
    "SERVICE": ("/services", lambda service: service["Spec"]["Name"]),
    "SECRET": ("/secrets", lambda secret: secret["Spec"]["Name"]),
    "CONFIG": ("/configs", lambda config: config["Spec"]["Name"]),
    "NETWORK": ("/networks", lambda network: network["Name"]),
    "CONTAINER": ("/containers/json", lambda container: container["Names"][0].strip("/")),
}
CLUSTER_CALL = re.compile(
    r"(\w+)\.(?:crash|start|stop|pause|partition|slow|drop|client|machine|engine|disk)"
    r"\([^()]*[\"'](?:[^\"']*,)?(\w*)$"
)


def complete(line: str) -> list[str]:
    """The words that the last word of a docker command line can become."""
    *words, last = re.split(r"\s+", line.rpartition("|")[2].lstrip())
    words = words[words[:1] == ["docker"] :]
    if words[-1:] in (["-H"], ["--host"]):
        return [name for name in getattr(current.latest(), "names", []) if name.startswith(last)]
    node, words = split_host(words)
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
        for word, (endpoint, name_of) in OBJECT_NAMES.items():
            if re.search(rf"\b{word}\b", command.usage):
                client = client_for(node)
                yield from map(name_of, client.get(client._url(endpoint)).json() or [])


def node_names(line: str, variables: Mapping[str, Any]) -> list[str]:
    """The nodes of the cluster whose method is called: `cluster.crash("m`."""
    if not (call := CLUSTER_CALL.search(line)):
        return []
    cluster, typed = call.groups()
    return [n for n in getattr(variables.get(cluster), "names", []) if n.startswith(typed)]


def load_ipython_extension(ipython: Any) -> None:
    """Register both completions."""

    @context_matcher()  # type: ignore[untyped-decorator]  # IPython has no types here
    def matcher(context: Any) -> Any:
        line = context.line_with_cursor[: context.cursor_position]
        try:
            if context.full_text.startswith("%%docker") or line.lstrip().startswith("%docker"):
                words = complete(re.sub(r"^\s*%docker\s+", "", line))
            else:
                words = node_names(line, ipython.user_ns)
        except Exception:  # a completion that fails offers nothing
            words = []
        return {
            "completions": [SimpleCompletion(text=word) for word in words],
            "suppress": bool(words),
        }

    ipython.Completer.custom_matchers.append(matcher)
