"""Automatic scaling as a control loop on the Docker API: Docker Swarm itself has none.

The talk lists it among the effects that orchestration is for; Swarm leaves it to those who can
measure the load. The loop measures, divides, scales and waits. It works on any swarm.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from swarmlab.cluster.calls import checked
from swarmlab.cluster.interface import ServiceName
from swarmlab.errors import LabError
from swarmlab.simulation import S
from swarmlab.strings import N_
from swarmlab.units import Duration, nanoseconds

if TYPE_CHECKING:
    from docker import DockerClient


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """One round of the loop: what was measured, and what was done.

    `autoscale(…)[0].wanted`. Lesson: 03_why_orchestrate.
    """

    load: float
    replicas: int  # before
    wanted: int  # replicas that the load asks for
    scaled: bool  # False: nothing to do, or still cooling down


def wanted_replicas(load: float, target: float, at_least: int, at_most: int) -> int:
    """How many tasks give each at most `target` of the load, within the limits.

    >>> wanted_replicas(load=95, target=20, at_least=1, at_most=10)
    5
    """
    return min(max(math.ceil(load / target), at_least), at_most)


def scale(client: DockerClient, service: dict[str, Any], replicas: int) -> None:
    """`docker service scale`: send the spec back as it came, with another number of replicas.

    The SDK's own `Service.scale` fills in defaults, which Swarm takes for a change of the task
    spec: it would replace every task.
    """
    api = client.api
    spec = {**service["Spec"], "Mode": {"Replicated": {"Replicas": replicas}}}
    url = api._url("/services/{0}/update", service["ID"])
    version = {"version": service["Version"]["Index"]}
    api._raise_for_status(api._post_json(url, data=spec, params=version))


@checked
def autoscale(
    client: DockerClient,
    service: ServiceName,
    load: Callable[[], float],
    *,
    target: float,
    at_least: int = 1,
    at_most: int = 10,
    every: Duration = "5s",
    cool_down: Duration = "30s",
    rounds: int = 12,
    sleep: Callable[[float], object],
) -> list[Scaling]:
    """Keep a replicated service at `target` load per task, for `rounds` rounds; what each did:
    `autoscale(client, "web", load, target=20, sleep=cluster.run)`.

    `load()` is your own measure: requests a second, queue length. Tasks are added at once, and
    removed when nothing has changed for `cool_down`. `sleep(seconds)` lets time pass:
    `cluster.run` for a simulated cluster, `time.sleep` for a real one.

    Docker Swarm has no such loop of its own; it offers `docker service scale`.
    Lesson: 03_why_orchestrate.

    >>> import swarmlab
    >>> cluster = swarmlab.simulate(seed=7)
    >>> web = cluster.client().services.create("nginx", name="web")
    >>> load = lambda: 60  # requests a second
    >>> rounds = autoscale(
    ...     cluster.client(), "web", load, target=20, rounds=2, sleep=cluster.run
    ... )
    >>> [round.replicas for round in rounds]
    [1, 3]
    """
    if not (0 < at_least <= at_most and target > 0):
        text = N_(
            "at_least={at_least}, at_most={at_most}, target={target} are not valid; use "
            "0 < at_least <= at_most and target > 0"
        )
        raise LabError(text, at_least=at_least, at_most=at_most, target=target)
    every_ns, cool_down_ns = nanoseconds(every), nanoseconds(cool_down)
    unchanged_ns = cool_down_ns
    rounds_done = []
    for _ in range(rounds):
        attrs = client.services.get(service).attrs
        mode = attrs["Spec"]["Mode"].get("Replicated")
        if mode is None:
            text = N_("{service} is not replicated, so there is nothing to scale")
            raise LabError(text, service=service)
        replicas, measured = int(mode["Replicas"]), float(load())
        wanted = wanted_replicas(measured, target, at_least, at_most)
        scales = wanted > replicas or (wanted < replicas and unchanged_ns >= cool_down_ns)
        if scales:
            scale(client, attrs, wanted)
            unchanged_ns = 0
        rounds_done.append(Scaling(load=measured, replicas=replicas, wanted=wanted, scaled=scales))
        sleep(every_ns / S)
        unchanged_ns += every_ns
    return rounds_done
