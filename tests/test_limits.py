"""Where the simulation, not Swarm, is the limit, it says so and stays quick."""

from __future__ import annotations

import datetime
import time

import docker
import pytest
from docker.types import ServiceMode

import swarmlab
from swarmlab.units import nanoseconds

INFINITE = float("inf"), float("-inf"), float("nan"), 10**400, "9" * 400 + "h", 1e300


@pytest.mark.parametrize(
    "mode",
    [
        ServiceMode("replicated", 10**9),
        ServiceMode("replicated", 99_998),
        ServiceMode("replicated-job", replicas=1, concurrency=10**9),
        ServiceMode("replicated-job", replicas=10**9, concurrency=1),
    ],
)
def test_too_many_tasks_are_refused_at_once_and_nothing_changes(cluster, client, mode):
    client.services.create("nginx", name="web", mode=ServiceMode("replicated", 3))
    start_s = time.process_time()
    with pytest.raises(docker.errors.APIError, match="at most 100000 tasks; with this service"):
        client.services.create("nginx", name="many", mode=mode)
    with pytest.raises(docker.errors.APIError, match="runs at most 100000 tasks"):
        client.services.get("web").scale(100_001)
    assert time.process_time() - start_s < 5.0
    assert [service.name for service in client.services.list()] == ["web"]
    cluster.run("5s")
    assert len(client.api.tasks()) == 3
    client.services.get("web").scale(4)


@pytest.mark.parametrize("duration", INFINITE)
def test_no_duration_is_infinite(cluster, duration):
    with pytest.raises(swarmlab.LabError, match=r"is not a duration|is too long"):
        cluster.run(duration)
    with pytest.raises(swarmlab.LabError, match=r"is not a duration|is in the future|negative"):
        cluster.as_of(duration)


def test_a_step_has_a_limit(cluster):
    with pytest.raises(swarmlab.LabError, match="'90000h' is too long for one step; use at most"):
        cluster.run("90000h")
    with pytest.raises(swarmlab.LabError, match="too long for one step"):
        cluster.run(datetime.timedelta(days=10_000))
    assert nanoseconds("90000h") == 90_000 * 3600 * 10**9


@pytest.mark.parametrize("speed", [0, -1, float("nan"), float("inf"), 1e300, 100_001])
def test_only_a_speed_that_can_be_reached_is_accepted(cluster, speed):
    with pytest.raises(swarmlab.LabError, match="is not a speed; use more than 0 and at most"):
        cluster.play(speed)
    assert cluster.speed == 0.0
