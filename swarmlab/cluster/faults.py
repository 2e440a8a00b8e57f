"""The faults that a person can inject into a cluster, by the word that `ctl`, exercises and
scenarios use for each.

Both kinds of cluster have methods of these names; `inject` finds them through one table.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from inspect import signature
from typing import NamedTuple, Protocol

from swarmlab.errors import LabError, NoneSuch
from swarmlab.strings import N_

Groups = list[list[str]]


class Breakable(Protocol):
    """A cluster as far as faults go."""

    def crash(self, name: str, *others: str) -> None: ...
    def stop(self, name: str, *others: str) -> None: ...
    def start(self, name: str, *others: str) -> None: ...
    def partition(
        self, group: list[str] | str, other: list[str] | str, *more: list[str] | str
    ) -> None: ...
    def heal(self) -> None: ...


class Fault(NamedTuple):
    """One fault: how it is written, what it does, and the sentence that confirms it."""

    usage: str
    help: str
    inject: Callable[..., None]  # takes the cluster, then the words that follow
    confirmation: str  # `{words}` stands for the words that were given


def crash(cluster: Breakable, first: str, *others: str) -> None:
    cluster.crash(first, *others)


def start(cluster: Breakable, first: str, *others: str) -> None:
    cluster.start(first, *others)


def stop(cluster: Breakable, first: str, *others: str) -> None:
    cluster.stop(first, *others)


def partition(cluster: Breakable, first: str, second: str, *others: str) -> None:
    cluster.partition(first, second, *others)


def heal(cluster: Breakable) -> None:
    cluster.heal()


FAULTS = {
    "crash": Fault(
        "crash NODE…", N_("cut the power of these nodes"), crash, N_("crashed: {words}")
    ),
    "start": Fault("start NODE…", N_("start these nodes again"), start, N_("started: {words}")),
    "stop": Fault("stop NODE…", N_("shut these nodes down in order"), stop, N_("stopped: {words}")),
    "partition": Fault(
        "partition A,B C,D,E",
        N_("partition the network into these groups"),
        partition,
        N_("partitioned: {words}"),
    ),
    "heal": Fault("heal", N_("connect all nodes again"), heal, N_("healed")),
}


def inject(cluster: Breakable, word: str, *words: str) -> None:
    """Inject the fault of this name: `inject(cluster, "partition", "m1,w1", "m2,m3")`."""
    fault = FAULTS[word]
    try:
        signature(fault.inject).bind(cluster, *words)
    except TypeError:
        raise LabError("write `{usage}`", usage=fault.usage) from None
    fault.inject(cluster, *words)


def checked_ports(ports: Collection[int]) -> Collection[int]:
    """These ports; raises LabError for what is none."""
    for port in ports:
        if not isinstance(port, int) or not 0 < port < 1 << 16:
            raise LabError("{port!r} is no port; a swarm uses 2377, 7946 and 4789", port=port)
    return ports


def parse_groups(groups: Collection[list[str] | str], names: Collection[str]) -> Groups:
    """The groups of a partition as lists of names; `"m1,w1"` is one group.

    Raises NoneSuch for a name that is not in `names`, LabError for one that is in two groups, and
    for a group without any.
    """
    parsed = [
        [name for name in group.split(",") if name] if isinstance(group, str) else list(group)
        for group in groups
    ]
    if not all(parsed):
        raise LabError("partition: {groups} has a group without a node", groups=parsed)
    members = [name for group in parsed for name in group]
    for name in members:
        if name not in names:
            raise NoneSuch("there is no node {name!r}; there are {known}", name, names)
        if members.count(name) > 1:
            raise LabError("partition: {name!r} is in two groups; it can be in one", name=name)
    return parsed
