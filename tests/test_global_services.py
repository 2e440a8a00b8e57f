"""Global services: one task on each node that meets the constraints.

Source: swarmkit manager/orchestrator/global/global.go.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from swarmlab.manager.orchestrator.global_services import GlobalOrchestrator
from swarmlab.manager.store import Action, Change
from swarmlab.model import NodeState, Service, TaskState, UpdateState, UpdateStatus
from tests.control_loops import Harness, node, service, task

RUNNING, SHUTDOWN = TaskState.RUNNING, TaskState.SHUTDOWN
NEW = {"TaskTemplate": {"ContainerSpec": {"Image": "nginx:2"}}}


def agent(**spec: Any) -> Service:
    made: Service = service("agent", mode={"Global": {}}, **spec)
    return made


def start(*objects: Any) -> Harness:
    return Harness(objects, GlobalOrchestrator)


def places(harness: Harness) -> list[str]:
    return [t.node_id for t in harness.tasks()]


@pytest.mark.parametrize(
    ("fault", "gets_one"),
    [
        ({}, True),
        ({"state": NodeState.UNKNOWN}, True),
        ({"state": NodeState.DOWN}, False),
        ({"availability": "drain"}, False),
        ({"availability": "pause"}, False),
    ],
)
def test_a_new_service_runs_on_every_node_that_can_keep_tasks(
    fault: dict[str, Any], gets_one: bool
):
    """Unknown nodes are in the set; paused ones are left alone."""
    harness = start(node("a"), node("b", **fault), agent())
    harness.decide()
    assert places(harness) == (["a", "b"] if gets_one else ["a"])
    assert {(t.slot, t.state, t.desired) for t in harness.tasks()} == {(0, TaskState.NEW, RUNNING)}


def test_only_constraints_decide_where_tasks_are_created():
    """What a node lacks of resources or platform is found out by the scheduler, later."""
    template = {
        "Placement": {
            "Constraints": ["node.labels.disk==ssd"],
            "Platforms": [{"OS": "windows"}],
            "MaxReplicas": 1,
        },
        "Resources": {"Reservations": {"NanoCPUs": 64 * 10**9}},
    }
    harness = start(node("a"), node("b", labels={"disk": "ssd"}), agent(TaskTemplate=template))
    harness.decide()
    assert places(harness) == ["b"]


def test_a_new_node_gets_its_task_at_once():
    """A node event is enough."""
    harness = start(node("a"), agent())
    harness.decide()
    harness.apply(Change(Action.CREATE, node("b")))
    harness.decide()
    assert places(harness) == ["a", "b"]


def test_a_changed_node_gets_only_tasks_whose_constraints_it_meets():
    constrained = agent(TaskTemplate={"Placement": {"Constraints": ["node.labels.disk==ssd"]}})
    harness = start(node("a"), constrained)
    harness.decide()
    harness.apply(Change(Action.UPDATE, node("a", labels={"disk": "hdd"})))
    harness.decide()
    assert places(harness) == []
    harness.apply(Change(Action.UPDATE, node("a", labels={"disk": "ssd"})))
    harness.decide()
    assert places(harness) == ["a"]


@pytest.mark.parametrize("paused", [False, True])
def test_any_change_of_a_node_bypasses_the_updater(paused: bool):
    """A label edit replaces the outdated task there at once, even when paused."""
    old, new = agent(), agent(version=7, **NEW)
    nodes = [node(n) for n in "abc"]
    tasks = [task(f"t{n}", old, node=n) for n in "abc"]
    harness = start(*nodes, old, *tasks)
    harness.decide()
    state = UpdateState.PAUSED if paused else UpdateState.UPDATING
    status = UpdateStatus(state=state, message="", started_ns=0)
    harness.apply(Change(Action.UPDATE, replace(new, update_status=status)))
    harness.decide()
    updated = {t.node_id for t in harness.tasks() if t.spec.image == "nginx:2"}
    assert len(updated) == (0 if paused else 1)
    other = next(n for n in "abc" if n not in updated)
    harness.apply(Change(Action.UPDATE, node(other, labels={"k": "v"})))
    harness.decide()
    (now,) = [t for t in harness.tasks() if t.node_id == other]
    assert (now.spec.image, now.desired) == ("nginx:2", RUNNING)
    assert harness.store.tasks[f"t{other}"].desired == SHUTDOWN
    assert harness.store.services["agent"].update_status == status


@pytest.mark.parametrize(("condition", "comes_back"), [("any", True), ("none", False)])
def test_a_node_that_was_down_gets_a_new_task_at_once(condition: str, comes_back: bool):
    """Desired RUNNING from the start; with condition none the dead one still counts."""
    web = agent(TaskTemplate={"RestartPolicy": {"Condition": condition}})
    harness = start(node("a"), node("b"), web, *[task(f"t{n}", web, node=n) for n in "ab"])
    harness.decide()
    harness.apply(Change(Action.UPDATE, node("b", state=NodeState.DOWN)))
    harness.decide()
    assert places(harness) == ["a"]  # and none elsewhere
    assert (harness.store.tasks["tb"].state, harness.store.tasks["tb"].desired) == (
        RUNNING,
        SHUTDOWN,
    )
    harness.later(60)
    harness.apply(Change(Action.UPDATE, node("b")))
    harness.decide()
    assert places(harness) == (["a", "b"] if comes_back else ["a"])
    assert {t.desired for t in harness.tasks()} == {RUNNING}


@pytest.mark.parametrize("availability", ["drain", "pause"])
def test_draining_stops_the_task_and_pausing_does_not(availability: str):
    web = agent()
    harness = start(node("a"), web, task("t", web, node="a"))
    harness.decide()
    harness.apply(Change(Action.UPDATE, node("a", availability=availability)))
    harness.decide()
    assert places(harness) == ([] if availability == "drain" else ["a"])


def test_a_removed_nodes_tasks_are_deleted():
    """At once."""
    web = agent()
    harness = start(node("a"), web, task("t", web, node="a"))
    harness.decide()
    harness.apply(Change(Action.REMOVE, node("a")))
    harness.decide()
    assert not harness.store.tasks


def test_a_failed_task_is_replaced_on_its_node():
    """Desired READY, started when the delay is over.

    Source: swarmkit manager/orchestrator/restart/restart.go.
    """
    web = agent()
    harness = start(node("a"), node("b"), web, *[task(f"t{n}", web, node=n) for n in "ab"])
    harness.decide()
    harness.report("tb", TaskState.FAILED)
    harness.decide()
    assert [(t.node_id, t.desired) for t in harness.tasks()] == [
        ("a", RUNNING),
        ("b", TaskState.READY),
    ]
    harness.later(5)
    assert {t.desired for t in harness.tasks()} == {RUNNING}


@pytest.mark.parametrize("change", [{"availability": "pause"}, {"labels": {"disk": "hdd"}}])
def test_a_task_that_fails_on_an_unsuitable_node_is_not_replaced(change: dict[str, Any]):
    """On a paused node, and where the constraints no longer match."""
    web = agent(TaskTemplate={"Placement": {"Constraints": ["node.labels.disk==ssd"]}})
    harness = start(node("a", labels={"disk": "ssd"}), web, task("t", web, node="a"))
    harness.decide()
    harness.apply(Change(Action.UPDATE, node("a", **({"labels": {"disk": "ssd"}} | change))))
    harness.report("t", TaskState.FAILED)
    harness.decide()
    assert harness.tasks() == []
    assert len(harness.store.tasks) == 1


def test_a_changed_constraint_shuts_down_tasks_that_no_longer_match():
    """On an update; a change of the node is the enforcer's affair."""
    web = agent()
    new = agent(version=7, TaskTemplate={"Placement": {"Constraints": ["node.hostname==a"]}})
    harness = start(node("a"), node("b"), web, *[task(f"t{n}", web, node=n) for n in "ab"])
    harness.decide()
    harness.apply(Change(Action.UPDATE, new))
    harness.decide()
    assert places(harness) == ["a"]


def test_attempts_are_counted_for_each_node():
    """The instance of a global service is its node.

    Source: swarmkit manager/orchestrator/restart/restart.go.
    """
    policy = {"Condition": "any", "MaxAttempts": 2, "Delay": 0}
    web = agent(TaskTemplate={"RestartPolicy": policy})
    harness = start(node("a"), node("b"), web, *[task(f"t{n}", web, node=n) for n in "ab"])
    harness.decide()
    for _ in range(5):
        for live in [t for t in harness.tasks() if t.node_id == "b"]:
            harness.report(live.id, TaskState.FAILED)
        harness.later(1)
    assert sum(t.node_id == "b" for t in harness.store.tasks.values()) == 3
    assert places(harness) == ["a"]


def test_a_new_leader_shuts_down_tasks_of_removed_nodes():
    """Source: swarmkit manager/orchestrator/taskinit/init.go."""
    web = agent()
    harness = start(node("a"), web, *[task(f"t{n}", web, node=n) for n in "ab"])
    harness.decide()
    assert places(harness) == ["a"]
