"""The scaling loop, on the API alone."""

from __future__ import annotations

import pytest
from docker.types import ServiceMode

import swarmlab
from swarmlab.cluster.autoscale import autoscale, wanted_replicas


@pytest.mark.parametrize(
    ("load", "wanted"), [(0, 1), (20, 1), (21, 2), (95, 5), (1000, 10)], ids=str
)
def test_each_task_gets_at_most_the_target(load: float, wanted: int):
    assert wanted_replicas(load, 20, 1, 10) == wanted


def test_the_loop_follows_the_load_up_at_once_and_down_after_the_cool_down(cluster, client):
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
    assert left["ID"] == first["ID"]  # scaling replaces nobody


def test_what_cannot_be_kept_is_refused(cluster, client):
    client.services.create("nginx", name="agent", mode=ServiceMode("global"))
    with pytest.raises(swarmlab.LabError, match="at_least=3, at_most=2"):
        autoscale(client, "agent", lambda: 1, target=1, at_least=3, at_most=2, sleep=cluster.run)
    with pytest.raises(swarmlab.LabError, match="not replicated"):
        autoscale(client, "agent", lambda: 1, target=1, sleep=cluster.run)
