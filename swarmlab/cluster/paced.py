"""A simulated cluster whose time can follow the wall clock, and which terminals can drive then."""

from __future__ import annotations

import weakref
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING

from swarmlab.cluster.base import BaseCluster
from swarmlab.errors import LabError
from swarmlab.strings import N_

if TYPE_CHECKING:
    from swarmlab.cluster.served import ServedSockets
    from swarmlab.cluster.world import World
    from swarmlab.engine.clock_drivers import Pacer
    from swarmlab.simulation.interrupts import SteadyLock


class PacedCluster(BaseCluster, ABC):
    """Plays and pauses the simulation of a cluster."""

    lock: SteadyLock
    _pacer: Pacer | None = None
    _sockets: ServedSockets | None = None

    @property
    @abstractmethod
    def world(self) -> World: ...

    def play(self, speed: float = 1.0) -> None:
        """Tie simulated time to the wall clock: `play(5)` five times as fast, until `pause()`.
        Lesson: 00_start_here."""
        from swarmlab.engine.clock_drivers import SPEED_MAX, Pacer

        if not 0 < speed <= SPEED_MAX:
            text = N_("speed={speed} is not a speed; use more than 0 and at most {most} or pause()")
            raise LabError(text, speed=speed, most=SPEED_MAX)
        if self._pacer is None:
            self._pacer = Pacer(self.world.simulation, speed, self.lock.inner)
            self._pacer.start()
            weakref.finalize(self, self._pacer.stop)
        else:
            self._pacer.set_speed(speed)

    def pause(self) -> None:
        """Stop the time that `play()` started; it passes only when you let it: `cluster.pause()`.
        Lesson: 00_start_here."""
        if self._pacer is not None and self._sockets is not None and self._sockets.is_open:
            self._pacer.set_speed(0)  # connected clients wait
        elif self._pacer is not None:
            self._pacer.stop()
            self._pacer = None

    def _begin_again(self) -> None:
        """The world is another one: nothing was typed there, and the pacer goes on with it."""
        self.typed.clear()
        if self._pacer is not None:
            self._pacer.follow(self.world.simulation)

    @property
    def speed(self) -> float:
        """How fast simulated time follows the wall clock: `cluster.speed` is 0 while it is paused.
        Lesson: 00_start_here."""
        return self._pacer.speed if self._pacer is not None else 0.0

    def serve(self, folder: str | Path = "", *, speed: float = 1.0) -> ServedSockets:
        """Let Docker's tools in a terminal drive this cluster: `cluster.serve()`; time plays.
        Lesson: 00_start_here.

        Each node gets a socket that only you can use; `close()` removes them. What comes from there
        is saved with the run, but for what is typed into a shell in a container.
        """
        from swarmlab.cluster.served import ServedSockets
        from swarmlab.cluster.socket_folder import default_folder

        self.close()
        place = ServedSockets.prepare(self, Path(folder or default_folder()).absolute())
        self.play(speed)
        self._sockets = ServedSockets(self, self._pacer, place)
        return self._sockets

    def close(self) -> None:
        """Remove the sockets of `serve()`, and stop playing: `cluster.close()`.
        Lesson: 00_start_here."""
        if self._sockets is not None:
            self._sockets.close()
            self._sockets = None
        self.pause()
