"""A stock Docker client of one simulated node, in process; its writes go into the journal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from swarmlab.cluster.watch import TimeWatch
from swarmlab.engine.clock_drivers import VirtualClock
from swarmlab.engine.transport import EngineAdapter, in_process_client, received
from swarmlab.simulation.interrupts import SteadyLock

if TYPE_CHECKING:
    from docker import DockerClient
    from werkzeug import Request

    from swarmlab.cluster.world import World
    from swarmlab.engine.daemon import Engine


READS = ("GET", "HEAD")  # the methods that change nothing


class Journaled(Protocol):
    """A cluster that writes down what is done to it."""

    lock: SteadyLock
    watch: TimeWatch

    @property
    def world(self) -> World: ...
    def engine(self, name: str) -> Engine | None: ...
    def record_request(self, name: str, request: Request) -> None:
        """A request has arrived at node `name`."""

    def record_interrupt(self) -> None:
        """The request that arrived last was given up."""


class ArrivalClock(VirtualClock):
    """Virtual time for the requests to one node; tells the journal when a change arrives.

    A request that an interrupt stops before it arrives is thus neither done nor written down.
    """

    def __init__(self, cluster: Journaled, name: str) -> None:
        super().__init__(cluster.world.simulation, cluster.lock)
        self._cluster, self._name = cluster, name
        self.change: Request | None = None  # not arrived yet

    def begin_request(self) -> None:
        self.simulation = self._cluster.world.simulation
        super().begin_request()
        if self.change is not None:
            self._cluster.record_request(self._name, self.change)
            self.change = None


class JournalingAdapter(EngineAdapter):
    """The in-process transport to one engine, which no change passes unrecorded."""

    def __init__(self, cluster: Journaled, name: str) -> None:
        self._cluster, self._arrivals = cluster, ArrivalClock(cluster, name)
        super().__init__(lambda: cluster.engine(name), self._arrivals)

    def send(self, request: Any, *args: Any, **options: Any) -> Any:
        is_change = request.method not in READS
        with self._cluster.lock:
            self._arrivals.change = received(request) if is_change else None
            try:
                response = super().send(request, *args, **options)
            except KeyboardInterrupt:
                if is_change and self._arrivals.change is None:
                    self._cluster.record_interrupt()
                raise
            self._cluster.watch.passed(self._arrivals.simulation.now_ns)
            return response


def client_of(cluster: Journaled, name: str) -> DockerClient:
    """The client of engine `name`; requests wait in virtual time, with the lock held."""
    return in_process_client(name, JournalingAdapter(cluster, name))
