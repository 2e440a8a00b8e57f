"""The base class of the manager's control loops: each sees commits, then decides what to change.

A control loop never writes to the store and never calls another control loop: they meet only in the
store. The manager wakes a control loop when `see` asks for it or its alarm is due, hands it the
store to read, and proposes what it returns.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from itertools import islice
from typing import ClassVar, TypeVar

from swarmlab.manager.store import Change, Store
from swarmlab.model import StoreObject

# The most objects that a turn handles: one decision on all of a big service would hold up every
# other event, and with it the requests of users. Source: swarmkit dispatcher.go, maxBatchItems.
TURN_MAX = 10_000
T = TypeVar("T")


def take_turn(queue: dict[str, T]) -> dict[str, T]:
    """Remove and return the first objects of a queue, by id; the others are for the next turn."""
    first = dict(islice(queue.items(), TURN_MAX))
    for id in first:
        del queue[id]
    return first


class ControlLoop(ABC):
    watches: ClassVar[tuple[type[StoreObject], ...]]  # the tables whose commits `see` gets
    # Wait this long after the last commit before deciding, at most `debounce_ns_max` in all.
    debounce_ns = 0
    debounce_ns_max = 0

    @abstractmethod
    def see(self, old: StoreObject | None, new: StoreObject | None) -> bool:
        """One committed change (`new` is None for a removal); True to be woken."""

    @abstractmethod
    def decide(self, view: Store) -> list[Change]:
        """What to change, given the store as it is now."""

    def committed(self) -> None:  # noqa: B027  only the dispatcher acts on it
        """What `decide` returned is stored, or it returned nothing."""

    def alarm_ns(self) -> int | None:
        """When to be woken although nothing is seen; None: never."""
        return None
