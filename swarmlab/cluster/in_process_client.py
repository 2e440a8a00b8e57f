"""A stock Docker client of one simulated node, in process; its writes go into the journal."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from swarmlab.engine.clock_drivers import VirtualClock
from swarmlab.engine.transport import EngineAdapter, in_process_client

if TYPE_CHECKING:
    from docker import DockerClient

    from swarmlab.cluster.simulated import SimulatedCluster


class JournalingAdapter(EngineAdapter):
    """The in-process transport to one node, which no change passes unrecorded."""

    def __init__(self, cluster: SimulatedCluster, name: str) -> None:
        clock = VirtualClock(cluster.world.simulation, cluster.lock)
        super().__init__(partial(cluster.engine, name), clock)
        self._cluster, self._name = cluster, name

    def send(self, request: Any, *args: Any, **options: Any) -> Any:
        with self._cluster.lock:
            if request.method not in ("GET", "HEAD"):
                path, body = request.path_url, request.body
                self._cluster.record_request(self._name, request.method, path, body)
            return super().send(request, *args, **options)


def client_of(cluster: SimulatedCluster, name: str) -> DockerClient:
    return in_process_client(name, JournalingAdapter(cluster, name))
