"""A stock Docker client of one simulated node, in process; its writes go into the journal."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from swarmlab.engine.clock_drivers import VirtualClock
from swarmlab.engine.transport import EngineAdapter, EngineOf, in_process_client

if TYPE_CHECKING:
    from docker import DockerClient
    from requests import PreparedRequest

    from swarmlab.simulation import Simulation

Record = Callable[["PreparedRequest"], None]


class JournalingAdapter(EngineAdapter):
    """The in-process transport to one engine, which no change passes unrecorded."""

    def __init__(
        self, engine_of: EngineOf, clock: VirtualClock, record: Record, lock: threading.RLock
    ) -> None:
        super().__init__(engine_of, clock)
        self._record, self._lock = record, lock

    def send(self, request: Any, *args: Any, **options: Any) -> Any:
        with self._lock:
            if request.method not in ("GET", "HEAD"):
                self._record(request)
            return super().send(request, *args, **options)


def client_of(
    name: str, engine_of: EngineOf, simulation: Simulation, record: Record, lock: threading.RLock
) -> DockerClient:
    """The client of engine `name`; requests wait in virtual time, with `lock` held."""
    clock = VirtualClock(simulation, lock)
    return in_process_client(name, JournalingAdapter(engine_of, clock, record, lock))
