"""How time passes while a request is answered: by itself in a notebook, with the clock when served.

A *door* is where requests come in. Behind the in-process door virtual time moves only when somebody
waits; behind a paced door a thread ties it to the wall clock, and whoever waits, waits really.
"""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

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


class Door(ABC):
    """One request at a time holds `lock`; `wait` and `sleep` may let others in."""

    lock: AbstractContextManager[Any]

    @abstractmethod
    def begin(self) -> None:
        """A request comes in."""

    @abstractmethod
    def sleep(self, ns: int, waiting: Callable[[], bool] = always) -> None:
        """Let this much virtual time pass, or less: as long as `waiting()`."""

    @property
    def offset_ns(self) -> int:
        """Add it to a virtual time to show it, as nanoseconds since 1970."""
        return EPOCH_NS

    def shown_ns(self, virtual_ns: int) -> int:
        return virtual_ns + self.offset_ns

    def meant_ns(self, unix_ns: int) -> int:
        """The virtual time that a client means."""
        return unix_ns - self.offset_ns

    def wait(self, call: Call, alive: Callable[[], bool] = always) -> Any:
        """Let time pass until `call` is answered; its value, or its error raised.

        EngineGone when `alive` no longer holds: then nobody is left to answer.
        """
        self.sleep(WAIT_LIMIT_NS, lambda: call.waiting and alive())
        if call.done:
            return call.result()
        if alive():
            raise DeadlineExceeded
        raise EngineGone


class InProcessDoor(Door):
    """Answers at once: the simulation runs, within a limit, until the answer is there."""

    def __init__(self, simulation: Simulation, lock: AbstractContextManager[Any]) -> None:
        self.simulation = simulation
        self.lock = lock

    def begin(self) -> None:
        self.sleep(REQUEST_NS)

    def sleep(self, ns: int, waiting: Callable[[], bool] = always) -> None:
        self.simulation.run_while(waiting, ns)


class Pacer:
    """A thread that moves virtual time on with the wall clock, `speed` times as fast.

    Whoever touches the simulation holds `condition`; it is notified whenever something happened.
    """

    def __init__(
        self, simulation: Simulation, speed: float = 1.0, lock: threading.RLock | None = None
    ) -> None:
        self.simulation = simulation
        self.condition = threading.Condition(lock)
        self.speed = speed
        self._thread: threading.Thread | None = None
        self._wall_ns = time.time_ns() - time.monotonic_ns()  # add it to the monotonic clock
        self._anchor()

    def _anchor(self) -> None:
        """From now on count from here: this wall time is this virtual time."""
        self._real_ns, self._virtual_ns = time.monotonic_ns(), self.simulation.now_ns

    def _due_ns(self, real_ns: int) -> int:
        """What virtual time should be."""
        return self._virtual_ns + int((real_ns - self._real_ns) * self.speed)

    @property
    def offset_ns(self) -> int:
        """Add it to a virtual time to show its age; at speed 1 it never changes."""
        real_ns = time.monotonic_ns()
        return self._wall_ns + real_ns - self._due_ns(real_ns)

    # -- control ---------------------------------------------------------------------
    def set_speed(self, speed: float) -> None:
        """Virtual seconds a wall second; 0 stops time."""
        with self.condition:
            self.catch_up()
            self._anchor()
            self.speed = speed
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
        if until_ns is None or not self.speed:
            return NAP_S
        left_ns = until_ns - self._due_ns(time.monotonic_ns())
        return min(max(left_ns / self.speed / S, 0.0002), NAP_S)


class PacedDoor(Door):
    """Answers when the time has come."""

    def __init__(self, pacer: Pacer) -> None:
        self.pacer = pacer
        self.lock: threading.Condition = pacer.condition

    def begin(self) -> None:
        self.pacer.catch_up()

    def sleep(self, ns: int, waiting: Callable[[], bool] = always) -> None:
        simulation = self.pacer.simulation
        end_ns = simulation.now_ns + ns
        self.lock.notify_all()  # the pacer may have to get up earlier
        while waiting() and simulation.now_ns < end_ns:
            next_ns = simulation.next_ns
            self.lock.wait(self.pacer.nap_s(end_ns if next_ns is None else min(next_ns, end_ns)))
            self.pacer.catch_up()

    @property
    def offset_ns(self) -> int:
        return self.pacer.offset_ns
