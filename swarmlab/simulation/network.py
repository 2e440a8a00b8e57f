"""The network between machines: delay, jitter, loss, partitions, one link slowed.

Messages of one link arrive in the order they were sent, as over TCP, unless `ordered` is False.
What is on its way when a partition falls is lost with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from swarmlab.errors import LabError
from swarmlab.simulation.clock import Simulation
from swarmlab.simulation.trace import Record
from swarmlab.units import MS

if TYPE_CHECKING:
    from swarmlab.simulation.machine import Machine


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One direction between two machines."""

    delay_ns: int = 1 * MS
    jitter_ns: int = 1 * MS  # uniformly 0 to this much is added
    loss: float = 0.0  # the probability that a message never arrives

    def __deepcopy__(self, memo: dict[int, Any]) -> Link:
        return self


@dataclass(frozen=True, slots=True)
class InFlight:
    """A message on its way."""

    source: str
    target: str
    arrives_ns: int
    message: Any


@dataclass(frozen=True, slots=True)
class Dropped(Record):
    """Somebody took a message off the link from `where` to `target`."""

    target: str
    message: str  # its kind


@dataclass(frozen=True, slots=True)
class Partitioned(Record):
    groups: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Healed(Record):
    pass


class Network:
    def __init__(self, simulation: Simulation, *, link: Link | None = None) -> None:
        self.simulation = simulation
        self.machines: dict[str, Machine] = {}  # by name
        self.link = link or Link()
        self.links: dict[tuple[str, str], Link] = {}  # (source, target) -> its own link
        self.ordered = True
        self._group: dict[str, int] = {}  # machine -> its side of the partition; absent = side 0
        self._last_ns: dict[tuple[str, str], int] = {}  # (source, target) -> last arrival

    def at(self, address: str) -> Machine | None:
        """The machine with this IP address (a `:port` is ignored), or None."""
        ip = address.rsplit(":", 1)[0] if ":" in address else address
        return next((m for m in self.machines.values() if m.address == ip), None)

    def connected(self, source: str, target: str) -> bool:
        """Whether no partition separates the two machines."""
        return self._group.get(source, 0) == self._group.get(target, 0)

    def send(self, source: str, target: str, message: Any, *, quiet: bool = False) -> None:
        """Send `message`; it arrives later, or never.

        A `quiet` message takes the link's plain delay, draws no chance and is never lost: reads
        asked from outside travel so, and a replay need not repeat them.
        """
        if target not in self.machines or not self.connected(source, target):
            return
        simulation, pair = self.simulation, (source, target)
        link = self.links.get(pair, self.link)
        delay_ns = link.delay_ns if source != target else 0
        if quiet:
            simulation.after(delay_ns, self._arrive_unseen, source, target, message)
            return
        if source != target:
            if link.loss and simulation.rng.random() < link.loss:
                return
            if link.jitter_ns:
                delay_ns += int(simulation.rng.random() * link.jitter_ns)
        when_ns = simulation.now_ns + delay_ns
        if self.ordered:
            when_ns = self._last_ns[pair] = max(when_ns, self._last_ns.get(pair, 0))
        simulation.at(when_ns, self._arrive, source, target, message)

    def _arrive(self, source: str, target: str, message: Any) -> None:
        if self._group and not self.connected(source, target):
            return
        self.machines[target].deliver(source, message)

    def _arrive_unseen(self, source: str, target: str, message: Any) -> None:
        """A replay, which does not repeat reads, has to count the same messages in flight."""
        self._arrive(source, target, message)

    def in_flight(self) -> list[InFlight]:
        """The messages on their way, quiet ones apart, the soonest first."""
        due = [(timer.when_ns, *timer.args) for timer in self.simulation.due(self._arrive)]
        return [InFlight(source, to, when_ns, what) for when_ns, source, to, what in due]

    def drop(self, source: str, target: str, place: int = 0) -> None:
        """Lose a message on its way: the one before which `place` others arrive on this link."""
        timers = [t for t in self.simulation.due(self._arrive) if t.args[:2] == (source, target)]
        if not 0 <= place < len(timers):
            raise LabError(
                "drop: {count} messages are on their way from {source!r} to {target!r}, "
                "and none has place {place}; the first has place 0",
                count=len(timers),
                source=source,
                target=target,
                place=place,
            )
        kind = type(timers[place].args[2]).__name__
        self.simulation.trace.add(Dropped(self.simulation.now_ns, source, target, kind))
        timers[place].cancel()

    def partition(self, *groups: list[str] | tuple[str, ...]) -> None:
        """Only machines of one group hear each other; those not named stay with the first group."""
        self._group = {name: i for i, group in enumerate(groups) for name in group}
        sides = tuple(tuple(sorted(group)) for group in groups)
        self.simulation.trace.add(Partitioned(self.simulation.now_ns, "", sides))

    def heal(self) -> None:
        """Every machine hears every other again."""
        self._group = {}
        self.simulation.trace.add(Healed(self.simulation.now_ns, ""))
