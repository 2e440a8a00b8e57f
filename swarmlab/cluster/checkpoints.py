"""Checkpoints: copies of a run at moments of its past, from which `as_of` goes on.

One is made each so many events, fewer of a large swarm, whose copy takes long. When together they
take too much memory, every second one is dropped, and from then on half as many are made: a run of
any length has few of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from swarmlab.cluster.copies import FrozenCopy

if TYPE_CHECKING:
    from swarmlab.cluster.world import World

# Events between two checkpoints: what a computer does in about half a second. To copy so many bytes
# takes a tenth of that; of a larger swarm fewer copies are made.
DISTANCE, BYTES_MAX, BYTES_QUICKLY = 50_000, 32_000_000, 5_000_000


class Checkpoint(NamedTuple):
    at_ns: int
    entries: int  # of the journal, done by then
    world: FrozenCopy


@dataclass
class Checkpoints:
    """Those of one run, oldest first."""

    kept: list[Checkpoint] = field(default_factory=list)
    distance: int = DISTANCE
    due: int = DISTANCE  # the event after which the next one is made

    def add(self, world: World, entries: int) -> None:
        """Keep the run as it is now, unless the last checkpoint is near.

        To be called between events, while no request is under way.
        """
        simulation = world.simulation
        if simulation.scheduled < self.due:
            return
        copy = FrozenCopy(world)
        self.kept.append(Checkpoint(simulation.now_ns, entries, copy))
        while sum(checkpoint.world.size_bytes for checkpoint in self.kept) > BYTES_MAX:
            del self.kept[::2]
            self.distance *= 2
        times = max(1, copy.size_bytes // BYTES_QUICKLY)
        self.due = simulation.scheduled + self.distance * times

    def before(self, moment_ns: int) -> Checkpoints:
        """Those of the run up to this moment: for a copy of the run that goes on from there."""
        kept = [checkpoint for checkpoint in self.kept if checkpoint.at_ns < moment_ns]
        return Checkpoints(kept, self.distance, self.due)
