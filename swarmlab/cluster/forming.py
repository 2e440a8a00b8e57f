"""A large simulated swarm forms: after the first nodes, many workers join at the same time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from swarmlab.errors import LabError
from swarmlab.model import Document
from swarmlab.simulation import S
from swarmlab.strings import _
from swarmlab.views.progress import LongWork

if TYPE_CHECKING:
    from swarmlab.cluster.base import BaseCluster
    from swarmlab.cluster.world import World

ONE_BY_ONE = 64  # so many nodes join one after the other, each by a request to its API
SHARE, LIMIT_NS = 32, 60 * S


def form(cluster: BaseCluster, world: World, managers: int) -> None:
    """`docker swarm init` and `join` on all nodes; the first ones become managers.

    If thousands joined one by one, their heartbeats meanwhile would be most of the work, and grow
    with the square of their number. So of the nodes after the first, as many join at the same time
    as are a share of those that are there.
    """
    machines, count = list(world.network.machines.values()), max(managers, ONE_BY_ONE)
    first_ones = {machine.name: machine.address for machine in machines[:count]}
    cluster.form_swarm(managers, first_ones, more=len(machines) - len(first_ones))
    first: Any = machines[0].process
    request = Document(
        ListenAddr="0.0.0.0:2377",
        RemoteAddrs=(f"{machines[0].address}:2377",),
        JoinToken=first.manager.store.cluster.worker_token,
        Availability="active",
    )
    with LongWork(_("nodes joined")) as progress:
        while joining := machines[count : count + max(1, count // SHARE)]:
            progress.at(count, len(machines))
            engines: list[Any] = [machine.process for machine in joining]
            calls = [engine.swarm_join(request) for engine in engines]
            if not world.simulation.run_while(lambda: any(c.waiting for c in calls), LIMIT_NS):  # noqa: B023
                raise LabError("{names!r} cannot join the swarm", names=[m.name for m in joining])
            count += len(joining)
