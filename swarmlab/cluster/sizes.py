"""How many nodes a swarm may have, and what they are called."""

from __future__ import annotations

from swarmlab.errors import LabError
from swarmlab.strings import N_


def check_sizes(managers: int, workers: int, *, nodes_max: int) -> None:
    """Raise LabError unless a swarm can have so many managers and workers."""
    for word, count, least in (("managers", managers, 1), ("workers", workers, 0)):
        if not isinstance(count, int) or isinstance(count, bool) or count < least:
            text = N_("{word}={count!r} is not a valid count; use a whole number, at least {least}")
            raise LabError(text, word=word, count=count, least=least)
    if (count := managers + workers) > nodes_max:
        text = N_("{count} nodes are too many; use at most {most}")
        raise LabError(text, count=count, most=nodes_max)


def node_names(managers: int, workers: int) -> list[str]:
    """`m1`, `m2`, … for managers, then `w1`, `w2`, … for workers."""
    return [
        *(f"m{number}" for number in range(1, managers + 1)),
        *(f"w{number}" for number in range(1, workers + 1)),
    ]
