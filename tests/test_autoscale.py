"""Automatic scaling through the Docker API alone."""

from __future__ import annotations

import pytest
from docker.types import ServiceMode

import swarmlab
from swarmlab.cluster.autoscale import autoscale, wanted_replicas


@pytest.mark.parametrize(
    ("load", "wanted"), [(0, 1), (20, 1), (21, 2), (95, 5), (1000, 10)], ids=str
)
def test_each_task_has_at_most_the_target_load(load: float, wanted: int):
    assert wanted_replicas(load, 20, 1, 10) == wanted


def test_scaling_up_is_immediate_and_scaling_down_waits_for_the_cool_down(cluster, client):
    web = client.services.create("nginx", name="web", mode=ServiceMode("replicated", 1))
    (first,) = web.tasks()
    loads = iter([10, 90, 90, 10, 10, 10, 10, 10])
    story = autoscale(
        client,
        "web",
        lambda: next(loads),
        target=20,
        every="10s",
        cool_down="30s",
        rounds=8,
        sleep=cluster.run,
    )
    assert [s.replicas for s in story] == [1, 1, 5, 5, 5, 1, 1, 1]
    (left,) = client.services.get("web").tasks(filters={"desired-state": "running"})
    assert left["ID"] == first["ID"]  # scaling replaces no task


def test_impossible_limits_and_global_services_are_refused(cluster, client):
    client.services.create("nginx", name="agent", mode=ServiceMode("global"))
    with pytest.raises(swarmlab.LabError, match="at_least=3, at_most=2"):
        autoscale(client, "agent", lambda: 1, target=1, at_least=3, at_most=2, sleep=cluster.run)
    with pytest.raises(swarmlab.LabError, match="not replicated"):
        autoscale(client, "agent", lambda: 1, target=1, sleep=cluster.run)
