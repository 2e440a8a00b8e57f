"""Experiments with a swarm's networks: commands in containers, closed ports, gossip."""

from __future__ import annotations

import shlex
from typing import Any

import docker

from swarmlab.cluster.calls import checked
from swarmlab.cluster.interface import AnyCluster, NodeName, ServiceName
from swarmlab.cluster.simulated import SimulatedCluster
from swarmlab.cluster.simulated_state import is_simulated
from swarmlab.lessons.goal_checks import SwarmReader
from swarmlab.strings import _, seconds
from swarmlab.views.html import Callout, Table, only_simulated

PORTS = (2377, 7946, 4789)  # between the nodes of a swarm
STEPS_MAX = 1000


@checked
def inside(cluster: AnyCluster, service: ServiceName, command: str) -> Callout:
    """Run a command in a task of a service, on whichever node it is. Lesson: 14_stacks.

    >>> import swarmlab
    >>> cluster = swarmlab.simulate(managers=1, workers=0, seed=7)
    >>> web = cluster.client().services.create("nginx", name="web")
    >>> cluster.run("10s")
    >>> inside(cluster, "web", "echo hello")
    web on m1 $ echo hello
    hello
    """
    place, _code, output = SwarmReader(cluster).inside(service, shlex.split(command))
    return Callout(f"{place} $ {command}", tuple(output.splitlines()))


@checked
def request_path(
    cluster: AnyCluster, target: ServiceName | int, source: NodeName
) -> Table | Callout:
    """A request from a node to a service, or to a port of that node, hop by hop:
    `request_path(cluster, "web", source="m1")`. Lesson: 15_network.
    """
    if not is_simulated(cluster):
        return only_simulated(_("Real engines don't say where a request goes."))
    path: Table = cluster.explain_request(target, source=source)
    return path


@checked
def closed_ports(
    cluster: AnyCluster, service: ServiceName, one: NodeName, other: NodeName
) -> Table | Callout:
    """Close each of a swarm's ports between two nodes for a minute, on copies of the cluster, with
    50 requests a second from `one`: `closed_ports(cluster, "web", "m1", "w1")`. Lesson: 15_network.
    """
    if not is_simulated(cluster):
        return only_simulated(_("No port between real engines can be closed from here."))
    rows = []
    for ports in (*((port,) for port in PORTS), PORTS):
        copy = cluster.fork()
        copy.close_ports(one, other, *ports)
        requests = copy.traffic(service, rate=50, source=one)
        copy.run("60s")
        failed, sent = requests.failed, requests.failed + requests.served
        state = copy.client().api.nodes({"name": other})[0]["Status"]["State"]
        known = copy.client(one).api.inspect_network("ingress", verbose=True)["Services"]
        tasks = str(len(known.get(service, {"Tasks": ()})["Tasks"]))
        closed = ", ".join(map(str, ports)) if len(ports) == 1 else _("all three")
        rows.append((closed, state, tasks, _("{failed} of {sent}", failed=failed, sent=sent)))
    heads = [_("closed"), _("managers: {node} is", node=other)]
    heads += [_("tasks that {node} knows", node=one), _("requests failed")]
    title = _("A minute with ports closed between {one} and {other}", one=one, other=other)
    return Table(title, tuple(heads), tuple(rows))


@checked
def gossip_spread(nodes: int = 30, seed: int = 7) -> Table:
    """Add a task in a simulated swarm of so many nodes: when does each hear of it?
    `gossip_spread(nodes=10)`. Lesson: 15_network.
    """
    cluster = SimulatedCluster.build({"managers": 1, "workers": nodes - 1, "seed": seed})
    ports = docker.types.EndpointSpec(ports={8080: 80})
    web = cluster.client().services.create("nginx", name="web", endpoint_spec=ports)
    cluster.run("10s")
    web.scale(2)
    rows, since_ns = list[tuple[str, ...]](), 0
    for _step in range(STEPS_MAX):
        engines: dict[str, Any] = {name: cluster.engine(name) for name in cluster.names}
        informed = [n for n, e in engines.items() if len(e.network.published(8080)[0]) == 2]
        since_ns = since_ns or (cluster.now_ns if informed else 0)
        if informed and (not rows or rows[-1][1] != str(len(informed))):
            dots = "".join("●" if name in informed else "○" for name in cluster.names)
            rows.append((seconds((cluster.now_ns - since_ns) / 1e9, 2), str(len(informed)), dots))
        if len(informed) == nodes:
            break
        cluster.run("50ms")
    heads = _("after"), _("nodes that know"), f"{cluster.names[0]} … {cluster.names[-1]}"
    return Table(_("A new task becomes known to {n} nodes", n=nodes), heads, tuple(rows))
