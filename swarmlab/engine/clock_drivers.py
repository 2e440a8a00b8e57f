"""Clock drivers: run until the reply is ready, or follow the wall clock.

`VirtualClock` drives requests in this process: virtual time moves only while a request waits, as
fast as it can. `Pacer` drives served clusters: its thread ties virtual time to the wall clock, and
a request that waits takes real time.
"""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

from swarmlab.errors import DeadlineExceeded
from swarmlab.simulation import EPOCH_NS, MINUTE, MS, Call, S, Simulation

# An in-process request advances time by this, so that code that polls an engine ends here too.
REQUEST_NS = 200 * MS
WAIT_LIMIT_NS = 10 * MINUTE
# The pacer holds the lock at most `SLICE_NS` of wall time, and sleeps at most `NAP_S`.
SLICE_NS, NAP_S = 10 * MS, 0.05
SPEED_MAX = 100_000
YIELD_S = 0.001  # for those who wait for the lock
STOP_S = 1.0  # how long to wait for the end of the pacer's present event
# When the computer is too slow for the speed, a lag of more than this is dropped.
LAG_NS_MAX = 1 * S
SHOWN_MAX = 1000  # so many changes of the rate are kept
FAR_NS, JITTER_NS = 1 << 80, 100 * MS


class EngineGone(Exception):
    """The machine went down before it replied: the connection breaks."""


def always() -> bool:
    return True


def before(monotonic_ns: int) -> bool:
    return time.monotonic_ns() < monotonic_ns


class ClockDriver(ABC):
    """How virtual time passes while an engine handles a request.

    One request at a time holds `lock`; a paced `wait` or `sleep` releases it meanwhile.
    """

    lock: AbstractContextManager[Any]

    @abstractmethod
    def begin_request(self) -> None:
        """A request has arrived."""

    @abstractmethod
    def sleep(self, ns: int, waiting: Callable[[], bool] = always) -> None:
        """Let `ns` of virtual time pass, or less: only while `waiting()`."""

    def to_unix_ns(self, virtual_ns: int) -> int:
        """A virtual time as nanoseconds since 1970."""
        return virtual_ns + EPOCH_NS

    def from_unix_ns(self, unix_ns: int) -> int:
        """The virtual time of a time that a client sent."""
        return unix_ns - EPOCH_NS

    def wait(self, call: Call, alive: Callable[[], bool] = always) -> Any:
        """Let time pass until `call` is done; return its value or raise its error.

        Raises EngineGone when `alive` no longer holds, DeadlineExceeded after `WAIT_LIMIT_NS`.
        """
        self.sleep(WAIT_LIMIT_NS, lambda: call.waiting and alive())
        if call.done:
            return call.result()
        if alive():
            raise DeadlineExceeded
        raise EngineGone


class VirtualClock(ClockDriver):
    """Runs the simulation, within a limit, until the reply is ready: takes no real time."""

    def __init__(self, simulation: Simulation, lock: AbstractContextManager[Any]) -> None:
        self.simulation = simulation
        self.lock = lock

    def begin_request(self) -> None:
        self.sleep(REQUEST_NS)

    def sleep(self, ns: int, waiting: Callable[[], bool] = always) -> None:
        self.simulation.run_while(waiting, ns)


class Pacer(ClockDriver):
    """A thread that advances virtual time with the wall clock, `speed` times as fast.

    Code that touches the simulation holds `condition`; it is notified after every event.
    """

    def __init__(
        self, simulation: Simulation, speed: float = 1.0, lock: threading.RLock | None = None
    ) -> None:
        self.simulation = simulation
        self.lock = self.condition = threading.Condition(lock)
        self.speed = speed
        self._thread: threading.Thread | None = None
        self._wall_ns = time.time_ns() - time.monotonic_ns()  # what to add to the monotonic clock
        # A virtual time, the wall time when it came (since 1970), and the speed from then on.
        self._shown: list[tuple[int, int, float]] = []
        self._anchor()

    def _anchor(self) -> None:
        """Take the present wall time and virtual time as the new origin."""
        self._real_ns, self._virtual_ns = time.monotonic_ns(), self.simulation.now_ns
        unix_ns = self._wall_ns + self._real_ns
        if self._shown and abs(self.to_unix_ns(self._virtual_ns) - unix_ns) < JITTER_NS:
            unix_ns = self.to_unix_ns(self._virtual_ns)  # as it has been shown already
        self._shown = [*self._shown[-SHOWN_MAX:], (self._virtual_ns, unix_ns, self.speed)]

    def _due_ns(self, real_ns: int) -> int:
        """What virtual time should be at this wall time."""
        return self._virtual_ns + int((real_ns - self._real_ns) * self.speed)

    # -- the times that clients see ----------------------------------------------------
    def to_unix_ns(self, virtual_ns: int) -> int:
        """The wall time when this virtual time came; before the first point both ran alike."""
        index = bisect_right(self._shown, (virtual_ns, FAR_NS)) - 1
        start_ns, unix_ns, speed = self._shown[max(index, 0)]
        passed_ns = virtual_ns - start_ns
        return unix_ns + (passed_ns if index < 0 else int(passed_ns / speed) if speed else 0)

    def from_unix_ns(self, unix_ns: int) -> int:
        """The last virtual time that is shown as this or an earlier one."""
        low_ns, high_ns = unix_ns - self.to_unix_ns(0), self.simulation.now_ns
        if unix_ns >= self.to_unix_ns(high_ns):
            return high_ns + int((unix_ns - self.to_unix_ns(high_ns)) * self.speed)
        if low_ns <= 0:
            return low_ns
        low_ns = 0
        while low_ns + 1 < high_ns:  # times are shown in their order
            middle_ns = (low_ns + high_ns) // 2
            if self.to_unix_ns(middle_ns) <= unix_ns:
                low_ns = middle_ns
            else:
                high_ns = middle_ns
        return low_ns

    def _jumped(self, start_ns: int) -> None:
        """Virtual time ran ahead from `start_ns`: what came before looks so much older."""
        start_unix_ns = self._wall_ns + time.monotonic_ns() - (self.simulation.now_ns - start_ns)
        older_ns = self.to_unix_ns(start_ns) - start_unix_ns
        earlier = [
            (v, unix_ns - older_ns, rate) for v, unix_ns, rate in self._shown if v < start_ns
        ]
        self._shown = [*earlier, (start_ns, start_unix_ns, 1.0)]

    # -- control ---------------------------------------------------------------------
    def set_speed(self, speed: float) -> None:
        """Set how many virtual seconds pass in a wall second; 0 stops time."""
        with self.condition:
            self.catch_up()
            self.speed = speed
            self._anchor()
            self.condition.notify_all()

    def follow(self, simulation: Simulation) -> None:
        """Drive this simulation from now on, whose time may be an earlier one."""
        with self.condition:
            self.simulation, self._shown = simulation, []
            self._anchor()
            self.condition.notify_all()

    def run_ahead(self, ns: int, waiting: Callable[[], bool] = always) -> None:
        """Let `ns` of virtual time pass as fast as possible, or less: only while `waiting()`.

        Requests get their turns meanwhile.
        """
        with self.condition:
            simulation, thread = self.simulation, self._thread
            end_ns = simulation.now_ns + ns
            while simulation.now_ns < end_ns and self._thread is thread and waiting():
                in_slice = partial(before, time.monotonic_ns() + SLICE_NS)
                start_ns = simulation.now_ns
                simulation.run_while(in_slice, end_ns - simulation.now_ns)
                self._jumped(start_ns)
                self._anchor()
                self.condition.notify_all()
                self.condition.wait(YIELD_S)

    def start(self) -> None:
        with self.condition:
            assert self._thread is None
            self._anchor()
            self._thread = threading.Thread(target=self._run, name="pacer", daemon=True)
            self._thread.start()

    def stop(self, limit_s: float = STOP_S) -> None:
        """End the thread, which may still be in an event when this returns."""
        thread, self._thread = self._thread, None
        if thread is not None and thread is not threading.current_thread():
            thread.join(limit_s)

    def _run(self) -> None:
        with self.condition:
            while self._thread is threading.current_thread():
                self.catch_up()
                self.condition.wait(self._nap_s(self.simulation.next_ns))

    # -- advancing time; the caller holds the condition -------------------------------
    def catch_up(self) -> None:
        """Run the events that are due, for one slice of wall time at most."""
        simulation, real_ns = self.simulation, time.monotonic_ns()
        due_ns, moved = self._due_ns(real_ns), False
        if simulation.now_ns > due_ns:  # another clock driver ran the simulation
            self._anchor()
        while (next_ns := simulation.next_ns) is not None and next_ns <= due_ns:
            simulation.step()
            moved = True
            if time.monotonic_ns() > real_ns + SLICE_NS:
                if due_ns - simulation.now_ns > LAG_NS_MAX:
                    self._anchor()
                break
        else:
            simulation.run_until(max(due_ns, simulation.now_ns))
        if moved:
            self.condition.notify_all()

    def begin_request(self) -> None:
        self.catch_up()
        # What `date` says in a container agrees with the times of the API.
        now_ns = self.simulation.now_ns
        self.simulation.epoch_ns = self.to_unix_ns(now_ns) - now_ns

    def sleep(self, ns: int, waiting: Callable[[], bool] = always) -> None:
        end_ns = self.simulation.now_ns + ns
        self.condition.notify_all()  # the thread may have to wake up earlier
        while waiting() and self.simulation.now_ns < end_ns:
            next_ns = self.simulation.next_ns
            self.condition.wait(self._nap_s(end_ns if next_ns is None else min(next_ns, end_ns)))
            self.catch_up()

    def _nap_s(self, until_ns: int | None) -> float:
        """Wall seconds until that virtual time, at most `NAP_S`."""
        if until_ns is None or not self.speed:
            return NAP_S
        left_ns = until_ns - self._due_ns(time.monotonic_ns())
        return min(max(left_ns / self.speed / S, 0.0002), NAP_S)
