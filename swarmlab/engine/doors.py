"""How time passes while a request is answered: by itself in a notebook, with the clock when served.

A *door* is where requests come in. Behind the in-process door virtual time moves only when somebody
waits; behind a paced door a thread ties it to the wall clock, and whoever waits, waits really.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol

from swarmlab.errors import DeadlineExceeded
from swarmlab.simulation import EPOCH_NS, MINUTE, MS, Call, S, Simulation

# Each in-process request moves time on, so that code which polls a real engine ends here too.
REQUEST_NS = 200 * MS
WAIT_LIMIT_NS = 10 * MINUTE
# The pacer gives the lock back at least this often, and looks at the clock at least this often.
SLICE_NS, NAP_S = 10 * MS, 0.05
# A machine too slow for the wanted speed drops what it is behind by more than this.
LAG_NS_MAX = 1 * S


class EngineGone(Exception):
    """The machine went down while it was being asked: the connection breaks."""


def always() -> bool:
    return True


class Door(Protocol):
    """One request at a time holds `lock`; `wait` and `sleep` may let others in."""

    @property
    def lock(self) -> AbstractContextManager[Any]: ...
    def begin(self) -> None:
        """A request comes in."""

    def wait(self, call: Call, alive: Callable[[], bool] = always) -> Any:
        """Let time pass until `call` is answered; its value, or its error raised.

        EngineGone when `alive` no longer holds: then nobody is left to answer.
        """

    def sleep(self, ns: int) -> None:
        """Let this much virtual time pass."""

    def shown_ns(self, virtual_ns: int) -> int:
        """A virtual time as nanoseconds since 1970, as it goes over the wire."""

    def meant_ns(self, unix_ns: int) -> int:
        """The virtual time that a client means."""


class InProcessDoor:
    """Answers at once: the simulation runs, within a limit, until the answer is there."""

    def __init__(self, simulation: Simulation, lock: AbstractContextManager[Any]) -> None:
        self.simulation = simulation
        self.lock = lock

    def begin(self) -> None:
        self.sleep(REQUEST_NS)

    def wait(self, call: Call, alive: Callable[[], bool] = always) -> Any:
        if not self.simulation.run_while(lambda: call.waiting and alive(), WAIT_LIMIT_NS):
            raise DeadlineExceeded
        if call.waiting:
            raise EngineGone
        return call.result()

    def sleep(self, ns: int) -> None:
        self.simulation.run_until(self.simulation.now_ns + ns)

    def shown_ns(self, virtual_ns: int) -> int:
        return EPOCH_NS + virtual_ns

    def meant_ns(self, unix_ns: int) -> int:
        return unix_ns - EPOCH_NS


class Pacer:
    """A thread that moves virtual time on with the wall clock, `speed` times as fast.

    Whoever touches the simulation holds `condition`; it is notified whenever something happened.
    """

    def __init__(
        self, simulation: Simulation, speed: float = 1.0, lock: threading.RLock | None = None
    ) -> None:
        self.simulation = simulation
        self.condition = threading.Condition(lock)
        self._speed = speed
        self._thread: threading.Thread | None = None
        self._wall_ns = time.time_ns() - time.monotonic_ns()  # add it to the monotonic clock
        self._anchor()

    def _anchor(self) -> None:
        """From now on count from here: this wall time is this virtual time."""
        self._real_ns, self._virtual_ns = time.monotonic_ns(), self.simulation.now_ns

    def _due_ns(self, real_ns: int) -> int:
        """What virtual time should be."""
        return self._virtual_ns + int((real_ns - self._real_ns) * self._speed)

    @property
    def offset_ns(self) -> int:
        """Add it to a virtual time to show its age; at speed 1 it never changes."""
        real_ns = time.monotonic_ns()
        return self._wall_ns + real_ns - self._due_ns(real_ns)

    # -- control ---------------------------------------------------------------------
    @property
    def speed(self) -> float:
        return self._speed

    def set_speed(self, speed: float) -> None:
        """Virtual seconds a wall second; 0 stops time."""
        with self.condition:
            self.catch_up()
            self._anchor()
            self._speed = speed
            self.condition.notify_all()

    def run_ahead(self, ns: int) -> None:
        """Let `ns` of virtual time pass as fast as it can."""
        with self.condition:
            self.catch_up()
            self.simulation.run_until(self.simulation.now_ns + ns)
            self._anchor()
            self.condition.notify_all()

    def start(self) -> None:
        with self.condition:
            assert self._thread is None
            self._anchor()
            self._thread = threading.Thread(target=self._run, name="pacer", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        with self.condition:
            thread, self._thread = self._thread, None
            self.condition.notify_all()
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _run(self) -> None:
        with self.condition:
            while self._thread is threading.current_thread():
                self.catch_up()
                self.condition.wait(self.nap_s(self.simulation.next_ns))

    # -- time passing, the condition held --------------------------------------------------
    def catch_up(self) -> None:
        """Let happen what is due, for one slice of wall time at most."""
        simulation, real_ns = self.simulation, time.monotonic_ns()
        due_ns, moved = self._due_ns(real_ns), False
        if simulation.now_ns > due_ns:  # somebody let time pass at another door
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

    def nap_s(self, until_ns: int | None) -> float:
        """Wall seconds until that virtual time, within what is sensible to wait in one go."""
        if until_ns is None or not self._speed:
            return NAP_S
        left_ns = until_ns - self._due_ns(time.monotonic_ns())
        return min(max(left_ns / self._speed / S, 0.0002), NAP_S)


class PacedDoor:
    """Answers when the time has come."""

    def __init__(self, pacer: Pacer) -> None:
        self.pacer = pacer
        self.lock = pacer.condition

    def begin(self) -> None:
        self.pacer.catch_up()

    def wait(self, call: Call, alive: Callable[[], bool] = always) -> Any:
        simulation = self.pacer.simulation
        end_ns = simulation.now_ns + WAIT_LIMIT_NS
        self.lock.notify_all()  # the pacer may have to get up earlier
        while call.waiting:
            if not alive():
                raise EngineGone
            if simulation.now_ns >= end_ns:
                raise DeadlineExceeded
            self.pacer.catch_up()
            if call.waiting:
                self.lock.wait(self.pacer.nap_s(simulation.next_ns))
        return call.result()

    def sleep(self, ns: int) -> None:
        end_ns = self.pacer.simulation.now_ns + ns
        while self.pacer.simulation.now_ns < end_ns:
            self.lock.wait(self.pacer.nap_s(end_ns))
            self.pacer.catch_up()

    def shown_ns(self, virtual_ns: int) -> int:
        return virtual_ns + self.pacer.offset_ns

    def meant_ns(self, unix_ns: int) -> int:
        return unix_ns - self.pacer.offset_ns
