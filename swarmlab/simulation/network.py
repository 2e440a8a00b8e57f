"""The network between machines: delay, jitter, loss, partitions and closed ports.

Messages of one link arrive in the order they were sent, as over TCP, unless `ordered` is False.
Messages in flight across a new partition are lost.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from swarmlab.errors import LabError
from swarmlab.simulation.clock import Simulation
from swarmlab.simulation.shared import Shared
from swarmlab.simulation.trace import Record
from swarmlab.units import MS

if TYPE_CHECKING:
    from swarmlab.simulation.machine import Machine


# Where a node's daemon listens for its swarm. Source: moby daemon/cluster/cluster.go,
# daemon/libnetwork/{networkdb/cluster.go,drivers/overlay/overlay.go}.
CONTROL_PORT, GOSSIP_PORT, OVERLAY_PORT = 2377, 7946, 4789


@dataclass(frozen=True, slots=True, kw_only=True)
class Link(Shared):
    """One direction between two machines."""

    delay_ns: int = 1 * MS
    jitter_ns: int = 1 * MS  # a uniform random 0 to this is added
    loss: float = 0.0  # the probability that a message never arrives
    closed: frozenset[int] = frozenset()  # ports of the target that a firewall closes


@dataclass(frozen=True, slots=True)
class InFlight:
    """A message in flight."""

    source: str
    target: str
    arrives_ns: int
    message: Any


@dataclass(frozen=True, slots=True)
class Dropped(Record):
    """A user dropped a message in flight from `where` to `target`."""

    target: str
    message: str  # its type


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
        self.addresses: dict[str, Machine] = {}  # the machines by their IP addresses
        self.down: dict[str, None] = {}  # the machines that have ended
        self.multicast: dict[str, dict[str, None]] = {}  # group -> machines that have entered it
        self.link = link or Link()
        self.links: dict[tuple[str, str], Link] = {}  # by (source, target), if not `link`
        self.ordered = True
        self.messages = 0  # sent so far, but for quiet ones
        # Called when a machine starts or ends, or a link or a partition changes.
        self.watchers: list[Callable[[], None]] = []
        self._group: dict[str, int] = {}  # machine -> its group in a partition; absent = group 0
        self._last_ns: dict[tuple[str, str], int] = {}  # (source, target) -> last arrival

    def at(self, address: str) -> Machine | None:
        """The machine with this IP address (a `:port` is ignored), or None."""
        ip = address.rsplit(":", 1)[0] if ":" in address else address
        return self.addresses.get(ip)

    def changed(self) -> None:
        for watcher in self.watchers:
            watcher()

    def change_link(self, one: str, other: str, **changes: Any) -> None:
        """Change the link between two machines, both ways: `delay_ns`, `loss`, `closed`."""
        for pair in ((one, other), (other, one)):
            self.links[pair] = replace(self.links.get(pair, self.link), **changes)
        self.changed()

    @property
    def partitioned(self) -> bool:
        return bool(self._group)

    def connected(self, source: str, target: str, port: int = CONTROL_PORT) -> bool:
        """Whether no partition, and no closed port, separates one machine from the other."""
        if self._group.get(source, 0) != self._group.get(target, 0):
            return False
        link = self.links.get((source, target))
        return link is None or port not in link.closed

    def send(self, source: str, target: str, message: Any, *, quiet: bool = False) -> None:
        """Send `message`; it arrives later, or never.

        A `quiet` message has the link's delay without jitter, uses no random numbers and is never
        lost: reads of users are sent so, and a replay need not repeat them.
        """
        if target not in self.machines or not self.connected(source, target):
            return
        simulation, pair = self.simulation, (source, target)
        link = self.links.get(pair, self.link)
        delay_ns = link.delay_ns if source != target else 0
        if quiet:
            simulation.after(delay_ns, self._arrive_quietly, source, target, message)
            return
        self.messages += 1
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

    def _arrive_quietly(self, source: str, target: str, message: Any) -> None:
        """Kept apart: `in_flight` must be equal in a replay, which does not repeat reads."""
        self._arrive(source, target, message)

    def in_flight(self) -> list[InFlight]:
        """The messages in flight, without quiet ones, the soonest first."""
        due = [(timer.when_ns, *timer.args) for timer in self.simulation.due(self._arrive)]
        return [InFlight(source, to, when_ns, message) for when_ns, source, to, message in due]

    def drop(self, source: str, target: str, place: int = 0) -> None:
        """Drop a message in flight: of this link, the one that `place` others precede."""
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
        name = type(timers[place].args[2]).__name__
        self.simulation.trace.add(Dropped(self.simulation.now_ns, source, target, name))
        timers[place].cancel()

    def partition(self, *groups: list[str] | tuple[str, ...]) -> None:
        """Partition the network into these groups; machines not named are in the first one."""
        self._group = {name: i for i, group in enumerate(groups) for name in group}
        sorted_groups = tuple(tuple(sorted(group)) for group in groups)
        self.simulation.trace.add(Partitioned(self.simulation.now_ns, "", sorted_groups))
        self.changed()

    def heal(self) -> None:
        """End the partition, and open all ports."""
        self._group = {}
        self.links = {pair: replace(link, closed=frozenset()) for pair, link in self.links.items()}
        self.simulation.trace.add(Healed(self.simulation.now_ns, ""))
        self.changed()
