"""Virtual time, the seeded random generator and the event queue: the only source of all three.

The queue is a heap of (time, counter, timer). The counter makes equal times first-in-first-out, so
that order never depends on object identity. Callbacks are bound methods with plain arguments: a
copied simulation then calls the copies, and never the originals.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from typing import Any

from swarmlab.simulation.fault_log import FAULT_LOG
from swarmlab.simulation.interrupts import UNINTERRUPTED
from swarmlab.simulation.trace import Failed, Trace
from swarmlab.units import S

# 2017-10-28T12:00:00Z, the day of the talk: virtual time 0, as nanoseconds since 1970.
EPOCH_NS = 1_509_192_000 * S

COMPACTION_EVERY = 10_000  # new timers, or as many as wait: then cancelled ones are dropped
ID_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"


class Timer:
    """A scheduled callback, unless it is cancelled first."""

    __slots__ = ("args", "callback", "when_ns")

    def __init__(
        self, when_ns: int, callback: Callable[..., object], args: tuple[Any, ...]
    ) -> None:
        self.when_ns = when_ns
        self.callback: Callable[..., object] | None = callback
        self.args = args

    def cancel(self) -> None:
        self.callback, self.args = None, ()


class Simulation:
    """One clock (`now_ns`, nanoseconds since the virtual epoch), one generator, one trace."""

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self.now_ns = 0
        self.epoch_ns = EPOCH_NS  # what the clocks of the machines show at 0, since 1970
        self.rng = random.Random(seed)
        self.trace = Trace()
        self._queue: list[tuple[int, int, Timer]] = []
        self.scheduled = 0  # events so far
        self._compaction = COMPACTION_EVERY  # the event at which cancelled ones are dropped

    def at(self, when_ns: int, callback: Callable[..., object], *args: Any) -> Timer:
        """Call `callback(*args)` at virtual time `when_ns`."""
        assert when_ns >= self.now_ns, f"{when_ns} ns is in the past: it is {self.now_ns} ns"
        timer = Timer(when_ns, callback, args)
        self.scheduled += 1
        if self.scheduled >= self._compaction:
            self.discard(None)
            self._compaction += max(COMPACTION_EVERY, len(self._queue))
        heappush(self._queue, (when_ns, self.scheduled, timer))
        return timer

    def after(self, delay_ns: int, callback: Callable[..., object], *args: Any) -> Timer:
        """Call `callback(*args)` after `delay_ns`."""
        return self.at(self.now_ns + delay_ns, callback, *args)

    @property
    def next_ns(self) -> int | None:
        """The time of the next event; None if there is none."""
        while self._queue and self._queue[0][2].callback is None:
            heappop(self._queue)
        return self._queue[0][0] if self._queue else None

    def discard(self, callback: Callable[..., object] | None) -> None:
        """Forget the timers of `callback`, and those that were cancelled."""
        unwanted = (callback, None)
        self._queue[:] = [entry for entry in self._queue if entry[2].callback not in unwanted]
        heapify(self._queue)

    def due(self, callback: Callable[..., object]) -> list[Timer]:
        """The pending timers of `callback`, in the order in which they are due."""
        due = sorted(entry for entry in self._queue if entry[2].callback == callback)
        return [timer for _when, _count, timer in due]

    def step(self) -> bool:
        """Process the next event; False when the queue is empty."""
        if self.next_ns is None:
            return False
        self.now_ns, _, timer = heappop(self._queue)
        try:
            timer.callback(*timer.args)  # type: ignore[misc]  # `next_ns` drops cancelled ones
        except Exception as error:
            self.contain(error)
        return True

    def contain(self, error: Exception, where: str = "") -> None:
        """Record and report an exception that ended an event; all others go on."""
        self.trace.add(Failed(self.now_ns, where, type(error).__name__))
        FAULT_LOG.report(f"{where} has crashed" if where else "an event has failed", error)

    def run_until(self, when_ns: int) -> None:
        """Process all events due at or before `when_ns`, and set the clock to `when_ns`."""
        with UNINTERRUPTED as interrupts:
            while (next_ns := self.next_ns) is not None and next_ns <= when_ns:
                if interrupts and next_ns > self.now_ns:
                    raise KeyboardInterrupt
                self.step()
            self.now_ns = max(self.now_ns, when_ns)

    def run_while(self, waiting: Callable[[], bool], limit_ns: int) -> bool:
        """Run while `waiting()`, at most `limit_ns`; True when it became false in time."""
        end_ns = self.now_ns + limit_ns
        with UNINTERRUPTED as interrupts:
            while waiting():
                next_ns = self.next_ns
                if interrupts and (next_ns is None or next_ns > self.now_ns):
                    raise KeyboardInterrupt
                if next_ns is None or next_ns > end_ns:
                    self.now_ns = end_ns
                    return not waiting()
                self.step()
        return True

    def new_id(self) -> str:
        """25 random characters of base 36, as SwarmKit's identity.NewID."""
        number, digits = self.rng.getrandbits(128), ""
        while len(digits) < 25:
            number, digit = divmod(number, 36)
            digits = ID_ALPHABET[digit] + digits
        return digits

    def random_bytes(self, count: int) -> bytes:
        """`count` seeded random bytes: they repeat, so they protect nothing."""
        return self.rng.randbytes(count)
