"""A large simulated swarm forms: after the first nodes, many workers join at the same time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from swarmlab.errors import LabError
from swarmlab.model import Document
from swarmlab.simulation import S

if TYPE_CHECKING:
    from swarmlab.cluster.simulated import SimulatedCluster

ONE_BY_ONE = 64  # so many nodes join one after the other, each by a request to its API
SHARE, LIMIT_NS = 32, 60 * S


def form(cluster: SimulatedCluster, managers: int) -> None:
    """`docker swarm init` and `join` on all nodes; the first ones become managers.

    If thousands joined one by one, their heartbeats meanwhile would be most of the work, and grow
    with the square of their number. So of the nodes after the first, as many join at the same time
    as are a share of those that are there.
    """
    count = max(managers, ONE_BY_ONE)
    addresses = {name: cluster.machine(name).address for name in cluster.names}
    cluster.form_swarm(managers, dict(list(addresses.items())[:count]))
    first: Any = cluster.engine(cluster.names[0])
    request = Document(
        ListenAddr="0.0.0.0:2377",
        RemoteAddrs=(f"{first.machine.address}:2377",),
        JoinToken=first.manager.store.cluster.worker_token,
        Availability="active",
    )
    while names := cluster.names[count : count + max(1, count // SHARE)]:
        engines: list[Any] = [cluster.engine(name) for name in names]
        calls = [engine.swarm_join(request) for engine in engines]
        simulation = cluster.world.simulation
        if not simulation.run_while(lambda: any(call.waiting for call in calls), LIMIT_NS):  # noqa: B023
            raise LabError("{names!r} cannot join the swarm", names=names)
        count += len(names)
