"""Which tasks may not stay on a node that has changed.

Source: swarmkit manager/orchestrator/constraintenforcer/constraint_enforcer.go.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from swarmlab.manager.orchestrator.constraint_enforcer import ConstraintEnforcer
from swarmlab.manager.scheduler.node_info import NodeInfo
from swarmlab.manager.store import Action, Change
from swarmlab.model import Node, NodeState, Task, TaskState, freeze
from swarmlab.simulation import S
from tests.control_loops import GIB, Harness, node, service, task

RUNNING, REJECTED = TaskState.RUNNING, TaskState.REJECTED


def start(*objects: Any) -> Harness:
    return Harness(objects, ConstraintEnforcer)


def constrained(*constraints: str) -> Any:
    return service(TaskTemplate={"Placement": {"Constraints": list(constraints)}})


def reserving(**reservations: Any) -> Any:
    return service(TaskTemplate={"Resources": {"Reservations": reservations}})


def rejected(harness: Harness, new: Node) -> list[str]:
    """The tasks that are rejected when the node has become `new`."""
    harness.apply(Change(Action.UPDATE, new))
    harness.decide()
    return sorted(t.id for t in harness.store.tasks.values() if t.state == REJECTED)


def test_removing_a_label_rejects_the_task_that_needs_it():
    """Observed REJECTED, in these words; the desired state is the orchestrator's."""
    web = constrained("node.labels.disk==ssd")
    harness = start(node("a", labels={"disk": "ssd"}), web, task("t", web, slot=1, node="a"))
    assert harness.decide() == []
    assert rejected(harness, node("a")) == ["t"]
    status = harness.store.tasks["t"].status
    assert status.message == "task rejected by constraint enforcer"
    assert status.err == "assigned node no longer meets constraints"
    assert harness.store.tasks["t"].desired == RUNNING


@pytest.mark.parametrize(
    ("change", "tasks_to_reject"),
    [
        ({}, True),
        ({"availability": "pause"}, False),
        ({"availability": "drain"}, False),
        ({"state": NodeState.DOWN}, True),
        ({"state": NodeState.UNKNOWN}, True),
    ],
)
def test_only_active_nodes_are_checked(change: dict[str, Any], tasks_to_reject: bool):
    """The state of the node does not matter, its availability does."""
    web = constrained("node.labels.disk==ssd")
    harness = start(node("a", labels={"disk": "ssd"}), web, task("t", web, slot=1, node="a"))
    assert bool(rejected(harness, node("a", **change))) is tasks_to_reject


def test_the_services_constraints_count_not_the_tasks():
    """A clean task may have been made under older ones."""
    old, web = service(), constrained("node.labels.disk==ssd")
    harness = start(node("a", labels={"disk": "ssd"}), web, task("t", old, slot=1, node="a"))
    assert rejected(harness, node("a")) == ["t"]


def test_without_a_service_the_tasks_own_constraints_count():
    web = constrained("node.labels.disk==ssd")
    harness = start(node("a", labels={"disk": "ssd"}), task("t", web, slot=1, node="a"))
    assert rejected(harness, node("a")) == ["t"]


@pytest.mark.parametrize(
    ("state", "desired"),
    [(RUNNING, TaskState.SHUTDOWN), (TaskState.COMPLETE, TaskState.COMPLETE)],
)
def test_tasks_that_have_ended_or_are_to_stop_are_ignored(state: TaskState, desired: TaskState):
    web = constrained("node.labels.disk==ssd")
    t = task("t", web, slot=1, node="a", state=state, desired=desired)
    harness = start(node("a", labels={"disk": "ssd"}), web, t)
    assert rejected(harness, node("a")) == []


def test_a_node_with_fewer_resources_keeps_the_tasks_that_fit():
    """The running sum of reservations."""
    web = reserving(MemoryBytes=3 * GIB)
    tasks = [task(f"t{n}", web, slot=n, node="a") for n in (1, 2, 3)]
    harness = start(node("a", memory_bytes=9 * GIB), web, *tasks)
    assert harness.decide() == []
    assert len(rejected(harness, node("a", memory_bytes=6 * GIB))) == 1


def with_generic(id: str, *resources: dict[str, Any]) -> Node:
    made: Node = node(id)
    offered = made.description["Resources"].with_(GenericResources=freeze(resources))
    return replace(made, description=made.description.with_(Resources=offered))


def gpu(value: str | int) -> dict[str, Any]:
    kind = "DiscreteResourceSpec" if isinstance(value, int) else "NamedResourceSpec"
    return {kind: {"Kind": "gpu", "Value": value}}


@pytest.mark.parametrize(
    ("offered", "tasks_to_reject"),
    [
        ([gpu("u1"), gpu("u2")], []),
        ([gpu("u2")], ["t1"]),
        ([], ["t1"]),  # and the scan ends there
        ([gpu(2)], ["t1"]),  # named ones were assigned; a number is another type
    ],
)
def test_a_generic_resource_that_is_no_longer_offered_ends_the_scan(
    offered: list[dict[str, Any]], tasks_to_reject: list[str]
):
    web = reserving(GenericResources=[gpu(1)])
    tasks = [
        task(f"t{n}", web, slot=n, node="a", generic_resources=(freeze(gpu(f"u{n}")),))
        for n in (1, 2)
    ]
    harness = start(with_generic("a", gpu("u1"), gpu("u2")), web, *tasks)
    assert harness.decide() == []
    assert rejected(harness, with_generic("a", *offered)) == tasks_to_reject


def test_a_count_of_a_generic_resource_is_used_up():
    web = reserving(GenericResources=[gpu(2)])
    tasks = [
        task(f"t{n}", web, slot=n, node="a", generic_resources=(freeze(gpu(2)),)) for n in (1, 2)
    ]
    harness = start(with_generic("a", gpu(4)), web, *tasks)
    assert harness.decide() == []
    assert rejected(harness, with_generic("a", gpu(3))) == ["t2"]


def test_a_rejected_task_keeps_the_time_of_its_last_report():
    """For the restart window it is still the time when it became running.

    Source: swarmkit manager/orchestrator/restart/restart.go.
    """
    web = constrained("node.labels.disk==ssd")
    harness = start(node("a", labels={"disk": "ssd"}), web, task("t", web, slot=1, node="a"))
    harness.report("t", RUNNING)
    harness.simulation.now_ns += 100 * S
    assert rejected(harness, node("a")) == ["t"]
    tasks_to_reject: Task = harness.store.tasks["t"]
    assert (tasks_to_reject.stamp_ns, tasks_to_reject.status.timestamp_ns) == (0, 100 * S)


def test_a_rejection_counts_as_a_failure_of_the_node():
    """The scheduler hears of it as of any other. Source: swarmkit manager/scheduler/nodeinfo.go."""
    from tests.test_scheduler import start as scheduling

    web = service()
    harness = scheduling(node("a"), web, task("t", web, slot=1, node="a"))
    harness.report("t", REJECTED)
    info: NodeInfo = harness.control_loop.nodes["a"]
    assert info.failures(task("u", web, slot=1), harness.simulation.now_ns) == 1
