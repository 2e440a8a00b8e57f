"""The class on a Swarm: what `swarmlab class` writes, deployed, and each attendee's service."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from dockerspawner import swarmspawner

import swarmlab
from swarmlab.classroom.spawner import ClassSpawner, ServerNotStarted

IMAGE = "swarmlab-class:1"


@pytest.fixture
def swarm(monkeypatch) -> Any:
    """A simulated swarm for the hub; while the hub waits, time passes there."""

    async def sleep(seconds: float) -> None:
        cluster.run(f"{seconds}s")

    cluster = swarmlab.simulate(managers=1, workers=2, seed=7, any_image=True)
    client = cluster.client("m1")
    client.networks.create("class", driver="overlay")
    monkeypatch.setattr(ClassSpawner, "_client", client.api)
    monkeypatch.setattr(swarmspawner, "asyncio", SimpleNamespace(sleep=sleep))
    return cluster


def spawner(name: str = "ana", **settings: Any) -> ClassSpawner:
    """What the hub has for an attendee."""
    user = SimpleNamespace(name=name, url=f"/user/{name}/", id=1, settings={})
    hub = SimpleNamespace(public_host="", api_url="http://hub:8081/hub/api", base_url="/hub/")
    values = {"image": IMAGE, "cmd": ["swarmlab", "lab"], "network_name": "class"} | settings
    return ClassSpawner(user=user, hub=hub, **values)


def test_attendees_are_spread_over_the_nodes(swarm):
    for name in ("ana", "bia", "caio"):
        assert asyncio.run(spawner(name).start()) == (f"jupyter-{name}", 8888)
    tasks = swarm.client("m1").api.tasks(filters={"desired-state": "running"})
    assert len({task["NodeID"] for task in tasks}) == 3
    assert {task["Status"]["State"] for task in tasks} == {"running"}


def test_a_server_is_there_while_its_task_moves_to_another_node(swarm):
    """SwarmSpawner itself takes a task that is assigned, accepted or ready for one that ended."""
    ana = spawner(extra_placement_spec={"constraints": ["node.role == worker"]})
    api = swarm.client("m1").api
    names = {node["ID"]: node["Description"]["Hostname"] for node in api.nodes()}
    asyncio.run(ana.start())
    [first] = api.tasks()
    swarm.crash(names[first["NodeID"]])
    answers = [asyncio.run(ana.poll()) for _second in range(200)]  # each takes 0.2 s there
    assert set(answers) == {None}
    [second] = api.tasks(filters={"desired-state": "running"})
    assert second["Status"]["State"] == "running"
    assert {names[task["NodeID"]] for task in (first, second)} == {"w1", "w2"}


def test_a_full_class_is_said_with_what_swarm_says(swarm):
    greedy = spawner(mem_guarantee="900G", patience_s=1)
    with pytest.raises(ServerNotStarted) as refused:
        asyncio.run(greedy.start())
    assert refused.value.jupyterhub_message == (
        "The class is full: no suitable node (insufficient resources on 3 nodes)."
        " Tell your instructor, or try again later."
    )


def test_a_missing_image_is_said(swarm):
    lost = spawner(image=f"lost@sha256:{'0' * 64}", patience_s=1)
    with pytest.raises(ServerNotStarted, match="lacks the class's image: No such image: lost@sha"):
        asyncio.run(lost.start())


def test_an_engine_that_is_no_manager_is_said_in_dockers_words(swarm, monkeypatch):
    monkeypatch.setattr(ClassSpawner, "_client", swarm.client("w1").api)
    with pytest.raises(ServerNotStarted, match="This node is not a swarm manager"):
        asyncio.run(spawner().start())
