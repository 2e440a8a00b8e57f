"""What every room of the manager is: it sees what was committed, and decides what to change.

A room never writes and never talks to another room: rooms meet only in the store. The manager
wakes a room when `see` asks for it or its alarm is due, hands it the store to read, and proposes
what it returns.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from swarmlab.manager.store import Change, Store
from swarmlab.model import StoreObject


class Room(ABC):
    # Wait this long after the last commit before deciding, at most `debounce_ns_max` in all.
    debounce_ns = 0
    debounce_ns_max = 0

    @abstractmethod
    def see(self, old: StoreObject | None, new: StoreObject | None) -> bool:
        """One committed change (`new` is None for a removal); True to be woken."""

    @abstractmethod
    def decide(self, view: Store) -> list[Change]:
        """What to change, given the store as it is now."""

    def committed(self) -> None:  # noqa: B027  most rooms need not hear of it
        """What `decide` returned is stored, or it returned nothing."""

    def alarm_ns(self) -> int | None:
        """When to be woken although nothing is seen; None: never."""
        return None
