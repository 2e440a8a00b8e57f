"""The current cluster: the one that `%docker` and new exercises use."""

from __future__ import annotations

from typing import TypeVar

from swarmlab.cluster.calls import checked
from swarmlab.cluster.interface import AnyCluster

C = TypeVar("C", bound=AnyCluster | None)

_current: AnyCluster | None = None


@checked
def latest() -> AnyCluster | None:
    """The current cluster: the one made last, or that `use` named since; None before the first:
    `latest()`. Lesson: 07_placement."""
    return _current


@checked
def use(cluster: AnyCluster | None) -> None:
    """Make this the current cluster, until another is made; None: there is none.
    Lesson: 07_placement.

    >>> import swarmlab
    >>> first, second = swarmlab.simulate(), swarmlab.simulate()
    >>> use(first)
    >>> latest() is first
    True
    """
    made_current(cluster)


def made_current(cluster: C) -> C:
    """The cluster given, which is the current one from now on."""
    global _current
    _current = cluster
    return cluster
