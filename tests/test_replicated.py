"""Replicated services: slots, scaling, restarts.

Source: swarmkit manager/orchestrator/{replicated/*,restart/restart}.go.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from swarmlab.manager.orchestrator.replicated import ReplicatedOrchestrator, kept_first
from swarmlab.manager.orchestrator.restart import RestartSupervisor
from swarmlab.manager.store import Action, Change, Store
from swarmlab.model import NodeState, TaskState, UpdateState, UpdateStatus
from swarmlab.simulation import S, Simulation
from tests.control_loops import Harness, node, service, task

RUNNING, SHUTDOWN, REMOVE = TaskState.RUNNING, TaskState.SHUTDOWN, TaskState.REMOVE
FAILED, COMPLETE = TaskState.FAILED, TaskState.COMPLETE


def start(*objects: Any) -> Harness:
    return Harness(objects, ReplicatedOrchestrator)


def restart_policy(**policy: Any) -> dict[str, Any]:
    return {"TaskTemplate": {"RestartPolicy": policy}}


def test_missing_replicas_take_the_lowest_free_slots():
    """Holes are filled first; no update parallelism applies."""
    web = service(replicas=4)
    harness = start(node("a"), web, task("t2", web, slot=2, node="a"))
    harness.decide()
    assert [t.slot for t in harness.tasks()] == [1, 2, 3, 4]
    new = [t for t in harness.tasks() if t.id != "t2"]
    assert {(t.state, t.status.message, t.desired) for t in new} == {(0, "created", RUNNING)}


def test_scale_down_keeps_one_of_each_node_before_seconds():
    """The upstream test's example: 6 -> 4 removes 5 and 6, 4 -> 2 keeps 2 and 4."""
    web = service()
    slots = {
        n: [task(f"t{n}", web, slot=n, node=where, state=state)]
        for n, where, state in [
            (1, "n1", TaskState.STARTING),
            (2, "n2", RUNNING),
            (3, "n2", RUNNING),
            (4, "n3", RUNNING),
            (5, "n3", RUNNING),
            (6, "n3", RUNNING),
        ]
    }
    assert set(kept_first(slots)[:4]) == {1, 2, 3, 4}
    left = {n: slots[n] for n in (1, 2, 3, 4)}
    assert set(kept_first(left)[:2]) == {2, 4}


def test_surplus_slots_are_removed_and_keep_no_history():
    """Desired REMOVE, not SHUTDOWN."""
    web = service(replicas=1)
    tasks = [task(f"t{n}", web, slot=n, node="a") for n in (1, 2, 3)]
    harness = start(node("a"), web, *tasks)
    harness.decide()
    assert [t.id for t in harness.tasks()] == ["t1"]
    assert harness.store.tasks["t2"].desired == harness.store.tasks["t3"].desired == REMOVE


def test_a_failed_task_is_replaced_after_the_delay():
    """The replacement stands in the slot with desired READY, and starts 5 s later."""
    web = service()
    harness = start(node("a"), web, task("t1", web, slot=1, node="a"))
    harness.decide()
    harness.report("t1", FAILED)
    harness.decide()
    assert harness.store.tasks["t1"].desired == SHUTDOWN
    (new,) = harness.tasks()
    assert (new.slot, new.desired) == (1, TaskState.READY)
    harness.later(4.9)
    assert harness.tasks()[0].desired == TaskState.READY
    harness.later(0.2)
    assert harness.tasks()[0].desired == RUNNING


def test_a_task_that_fails_during_its_own_delay_does_not_shorten_the_cycle():
    web = service()
    harness = start(node("a"), web, task("t1", web, slot=1, node="a"))
    harness.report("t1", FAILED)
    harness.decide()
    (second,) = harness.tasks()
    harness.later(1)
    harness.report(second.id, TaskState.REJECTED)
    harness.decide()
    assert [t.id for t in harness.tasks()] == [second.id]
    harness.later(4.1)
    third = next(t for t in harness.tasks() if t.id not in ("t1", second.id))
    assert third.desired == TaskState.READY


@pytest.mark.parametrize(
    ("condition", "end", "replaced"),
    [
        ("any", COMPLETE, True),
        ("any", FAILED, True),
        ("on-failure", COMPLETE, False),
        ("on-failure", FAILED, True),
        ("none", FAILED, False),
    ],
)
def test_the_restart_condition_depends_on_how_the_task_ended(
    condition: str, end: TaskState, replaced: bool
):
    web = service(**restart_policy(Condition=condition))
    harness = start(node("a"), web, task("t1", web, slot=1, node="a"))
    harness.decide()
    harness.report("t1", end)
    harness.decide()
    assert bool(harness.tasks()) is replaced


def test_a_finished_slot_that_stays_finished_counts_as_a_replica():
    """Nothing is created for it."""
    web = service(replicas=1, **restart_policy(Condition="none"))
    harness = start(
        node("a"), web, task("t1", web, slot=1, node="a", state=COMPLETE, desired=SHUTDOWN)
    )
    assert harness.decide() == []


def test_three_attempts_mean_four_tasks():
    """MaxAttempts restarts for each slot and spec version."""
    web = service(**restart_policy(Condition="any", MaxAttempts=3, Delay=0))
    harness = start(node("a"), web, task("t1", web, slot=1, node="a"))
    harness.decide()
    for _ in range(6):
        for live in harness.tasks():
            harness.report(live.id, FAILED)
        harness.later(1)
    assert len(harness.store.tasks) == 4
    assert harness.tasks() == []


def test_the_first_failure_of_a_new_version_is_no_attempt_of_the_old_one():
    web = service(**restart_policy(MaxAttempts=1, Delay=0))
    old = task("t1", web, slot=1, node="a", state=FAILED)
    harness = start(node("a"), web, old)
    harness.decide()
    assert len(harness.tasks()) == 1  # its only attempt
    newer = replace(web, spec_version=7)
    supervisor = harness.control_loop.restarts
    failed = task("t3", newer, slot=1, node="a", state=FAILED)
    assert supervisor.should_restart(failed, newer)
    assert not supervisor.should_restart(old, web)


@pytest.mark.parametrize(("updated", "tasks_in_all"), [(False, 3), (True, 4)])
def test_an_update_resets_the_attempts_at_the_next_restart(updated: bool, tasks_in_all: int):
    """Any update, a label's too, changes the spec version and with it the count."""
    web = service(**restart_policy(Condition="any", MaxAttempts=2, Delay=0))
    harness = start(node("a"), web, task("t1", web, slot=1, node="a"))
    harness.report("t1", FAILED)
    harness.later(1)
    if updated:
        harness.apply(Change(Action.UPDATE, replace(web, spec_version=9)))
    for _ in range(5):
        for live in harness.tasks():
            harness.report(live.id, FAILED)
        harness.later(1)
    assert len(harness.store.tasks) == tasks_in_all


def test_a_drained_nodes_tasks_move_without_delay_once_the_old_ones_stop():
    """All at once; update parallelism has no say.

    Source: swarmkit manager/orchestrator/replicated/services.go.
    """
    web = service(replicas=2)
    tasks = [task(f"t{n}", web, slot=n, node="a") for n in (1, 2)]
    harness = start(node("a"), node("b"), web, *tasks)
    harness.apply(Change(Action.UPDATE, node("a", availability="drain")))
    harness.decide()
    assert [t.desired for t in harness.tasks()] == [TaskState.READY] * 2
    harness.report("t1", SHUTDOWN)
    harness.decide()
    assert [t.desired for t in harness.tasks()] == [RUNNING, TaskState.READY]
    harness.later(60)
    assert [t.desired for t in harness.tasks()] == [RUNNING] * 2


def test_a_down_nodes_tasks_are_replaced_after_the_delay_and_stay_listed():
    """No waiting for an old task that nobody can stop."""
    web = service()
    harness = start(node("a"), node("b"), web, task("t1", web, slot=1, node="a"))
    harness.apply(Change(Action.UPDATE, node("a", state=NodeState.DOWN)))
    harness.decide()
    assert harness.store.tasks["t1"].state == RUNNING
    harness.later(5)
    assert harness.tasks()[0].desired == RUNNING


@pytest.mark.parametrize("change", ["unknown", "pause"])
def test_unknown_and_paused_nodes_keep_their_tasks(change: str):
    """Source: swarmkit manager/orchestrator/replicated/tasks.go."""
    web = service()
    harness = start(node("a"), web, task("t1", web, slot=1, node="a"))
    changed = (
        node("a", state=NodeState.UNKNOWN)
        if change == "unknown"
        else node("a", availability="pause")
    )
    harness.apply(Change(Action.UPDATE, changed))
    assert harness.decide() == []


def test_with_condition_none_a_drained_task_is_not_replaced_anywhere():
    web = service(**restart_policy(Condition="none"))
    harness = start(node("a"), node("b"), web, task("t1", web, slot=1, node="a"))
    harness.apply(Change(Action.UPDATE, node("a", availability="drain")))
    harness.decide()
    assert harness.tasks() == []


def test_a_node_that_returns_moves_no_tasks():
    """No rebalancing."""
    web = service(replicas=2)
    tasks = [task(f"t{n}", web, slot=n, node="b") for n in (1, 2)]
    harness = start(node("a", availability="drain"), node("b"), web, *tasks)
    harness.decide()
    harness.apply(Change(Action.UPDATE, node("a")))
    assert harness.decide() == []


def test_all_tasks_of_a_removed_service_are_removed():
    """Whatever their age. Source: swarmkit manager/orchestrator/service.go."""
    web = service()
    old = task("t0", web, slot=1, node="a", state=FAILED, desired=SHUTDOWN)
    harness = start(node("a"), web, old, task("t1", web, slot=1, node="a"))
    harness.decide()
    harness.apply(Change(Action.REMOVE, web))
    harness.decide()
    assert {t.desired for t in harness.store.tasks.values()} == {REMOVE}


def test_the_replacement_of_a_crashed_task_has_the_current_spec():
    """While an update is paused, a crash brings the new spec, outside the updater."""
    paused = UpdateStatus(state=UpdateState.PAUSED, message="", started_ns=0)
    old = service()
    tasks = [task(f"t{n}", old, slot=n, node="a") for n in (1, 2)]
    new = service(replicas=2, version=5, TaskTemplate={"ContainerSpec": {"Image": "nginx:2"}})
    harness = start(node("a"), replace(new, update_status=paused), *tasks)
    assert harness.decide() == []
    harness.report("t1", FAILED)
    harness.decide()
    assert sorted(t.spec.image for t in harness.tasks()) == ["nginx", "nginx:2"]


def test_a_new_leader_resumes_the_delay_where_the_old_one_left_it():
    """Source: swarmkit manager/orchestrator/taskinit/init.go."""
    web = service()
    old = task("t1", web, slot=1, node="a", state=FAILED, desired=SHUTDOWN, at_s=0)
    waiting = task("t2", web, slot=1, state=TaskState.READY, desired=TaskState.READY, at_s=0)
    harness = Harness([node("a"), web, old, waiting], ReplicatedOrchestrator)
    harness.later(4)
    assert harness.store.tasks["t2"].desired == TaskState.READY
    harness.later(1.1)
    assert harness.store.tasks["t2"].desired == RUNNING


def leader_since(seconds: float) -> Any:
    """The orchestrator of a leader that takes over at this time."""

    def begin(simulation: Any, view: Any) -> ReplicatedOrchestrator:
        simulation.now_ns = int(seconds * S)
        return ReplicatedOrchestrator(simulation, view)

    return begin


def test_a_new_leader_does_not_start_the_delay_anew():
    """Three of the five seconds passed under the old leader: two are left."""
    web = service()
    old = task("t1", web, slot=1, node="a", state=FAILED, desired=SHUTDOWN)
    waiting = task("t2", web, slot=1, state=TaskState.READY, desired=TaskState.READY)
    harness = Harness([node("a"), web, old, waiting], leader_since(3))
    harness.later(1.9)
    assert harness.store.tasks["t2"].desired == TaskState.READY
    harness.later(0.2)
    assert harness.store.tasks["t2"].desired == RUNNING


@pytest.mark.parametrize(("tasks_count", "restarted"), [(2, True), (3, False), (4, False)])
def test_a_new_leader_counts_the_attempts_of_the_old_one(tasks_count: int, restarted: bool):
    """Every task of a slot but its first was an attempt. Source: swarmkit restart.go, taskinit."""
    web = service(**restart_policy(MaxAttempts=2, Delay=0))
    numbers = range(1, tasks_count + 1)
    tasks = [
        task(f"t{n}", web, slot=1, node="a", state=FAILED, desired=SHUTDOWN, at_s=n)
        for n in numbers
    ]
    tasks[-1] = replace(tasks[-1], desired=RUNNING)
    harness = Harness([node("a"), web, *tasks], leader_since(tasks_count))
    harness.decide()
    assert bool(harness.tasks()) is restarted


def test_a_new_leader_counts_no_attempts_of_an_earlier_version():
    web = service(version=7, **restart_policy(MaxAttempts=2, Delay=0))
    versions = {"t1": 0, "t2": 0, "t3": 7, "t4": 7}
    tasks = [
        task(id, replace(web, spec_version=version), slot=1, node="a", state=FAILED, at_s=n)
        for n, (id, version) in enumerate(versions.items())
    ]
    ended = [replace(old, desired=SHUTDOWN) for old in tasks[:-1]]
    harness = Harness([node("a"), web, *ended, tasks[-1]], leader_since(4))
    harness.decide()
    assert harness.tasks()  # one restart of version 7 so far: a second one is allowed


@pytest.mark.parametrize(("condition", "deleted"), [("any", True), ("none", False)])
def test_a_slot_that_is_scaled_down_is_deleted_at_the_next_reconciliation(
    condition: str, deleted: bool
):
    """While its task still stops, if its policy would allow a restart."""
    web = service(replicas=1, **restart_policy(Condition=condition))
    tasks = [task(f"t{n}", web, slot=n, node="a") for n in (1, 2)]
    harness = start(node("a"), web, *tasks)
    harness.decide()
    assert harness.store.tasks["t2"].desired == REMOVE
    harness.apply(Change(Action.UPDATE, replace(web, job_started_ns=1)))
    harness.decide()
    assert ("t2" not in harness.store.tasks) is deleted


@pytest.mark.parametrize(("condition", "slots"), [("any", [1, 2, 3]), ("none", [1, 2])])
def test_scaling_down_and_up_again_at_once_may_leave_one_too_few(condition: str, slots: list[int]):
    """With condition none the slot that goes still counts as a replica."""
    policy = restart_policy(Condition=condition)
    three, two = service(replicas=3, **policy), service(replicas=2, version=1, **policy)
    tasks = [task(f"t{n}", three, slot=n, node="a") for n in (1, 2, 3)]
    harness = start(node("a"), three, *tasks)
    harness.decide()
    harness.apply(Change(Action.UPDATE, two))
    harness.decide()
    harness.apply(Change(Action.UPDATE, replace(three, spec_version=2)))
    harness.decide()
    assert [t.slot for t in harness.tasks()] == slots


def test_an_old_task_that_crashes_during_an_update_is_replaced_with_the_new_spec():
    """Outside the updater, with the restart policy of the crashed task."""
    quick = {"RestartPolicy": {"Condition": "any", "Delay": 1 * S}}
    slow = {"RestartPolicy": {"Condition": "any", "Delay": 60 * S}}
    old = service(replicas=2, TaskTemplate=quick)
    tasks = [task(f"t{n}", old, slot=n, node="a") for n in (1, 2)]
    harness = start(node("a"), old, *tasks)
    harness.decide()
    harness.apply(Change(Action.UPDATE, service(replicas=2, version=7, TaskTemplate=slow)))
    harness.decide()
    crashed = next(t for t in harness.tasks() if t.spec_version == 0)
    harness.report(crashed.id, FAILED)
    harness.decide()
    (back,) = [t for t in harness.tasks() if t.slot == crashed.slot]
    assert (back.spec_version, back.desired) == (7, TaskState.READY)
    harness.later(1.1)
    assert harness.store.tasks[back.id].desired == RUNNING


def test_after_a_rollback_a_crashed_new_task_is_replaced_with_the_old_spec():
    """The replacement is what the service says now."""
    old, new = service(), service(version=7, TaskTemplate={"ContainerSpec": {"Image": "nginx:2"}})
    status = UpdateStatus(state=UpdateState.ROLLBACK_PAUSED, message="", started_ns=0)
    harness = start(
        node("a"), replace(old, update_status=status), task("t1", new, slot=1, node="a")
    )
    harness.decide()
    harness.report("t1", FAILED)
    harness.decide()
    assert [t.spec.image for t in harness.tasks()] == ["nginx"]


@pytest.mark.parametrize(("old", "replaced"), [("none", False), ("any", True)])
def test_the_restart_policy_is_that_of_the_old_task(old: str, replaced: bool):
    """Not from the service's, although that is what the replacement runs."""
    before = service(**restart_policy(Condition=old))
    now = service(version=7, **restart_policy(Condition="any" if old == "none" else "none"))
    paused = UpdateStatus(state=UpdateState.PAUSED, message="", started_ns=0)
    harness = start(
        node("a"), replace(now, update_status=paused), task("t1", before, slot=1, node="a")
    )
    harness.decide()
    harness.report("t1", FAILED)
    harness.decide()
    assert bool(harness.tasks()) is replaced


@pytest.mark.parametrize("cause", ["drain", "down", "rejected"])
def test_evictions_count_as_attempts(cause: str):
    """Drain, node down and the constraint enforcer."""
    web = service(**restart_policy(Condition="any", MaxAttempts=1, Delay=0))
    harness = start(node("a"), node("b"), web, task("t1", web, slot=1, node="a"))
    harness.decide()
    if cause == "rejected":
        harness.report("t1", TaskState.REJECTED)
    else:
        state = NodeState.DOWN if cause == "down" else NodeState.READY
        availability = "drain" if cause == "drain" else "active"
        harness.apply(Change(Action.UPDATE, node("a", state=state, availability=availability)))
    harness.decide()
    harness.later(61)
    (second,) = harness.tasks()
    harness.report(second.id, FAILED)
    harness.later(1)
    assert harness.tasks() == []


def test_the_windows_reference_is_when_an_evicted_task_became_running():
    """Not now. So restarts of long ago count, and restarts since then do not."""
    policy = restart_policy(Condition="any", MaxAttempts=1, Window=100 * S, Delay=0)
    web = service(**policy)
    harness = start(node("a"), node("b"), web, task("t1", web, slot=1, node="a"))
    harness.decide()
    harness.later(10)
    harness.report("t1", FAILED)
    harness.later(0)
    (second,) = harness.tasks()
    harness.apply(Change(Action.UPDATE, replace(harness.store.tasks[second.id], node_id="a")))
    harness.later(1)
    harness.report(second.id, RUNNING)  # at 11 s; the restart was at 10 s, within the window
    harness.later(10_000)
    harness.apply(Change(Action.UPDATE, node("a", availability="drain")))
    harness.decide()
    assert harness.tasks() == []


def test_restarts_outside_the_window_are_forgotten():
    """At or before the reference minus the window."""
    web = service(**restart_policy(Condition="any", MaxAttempts=1, Window=5 * S, Delay=0))
    harness = start(node("a"), web, task("t1", web, slot=1, node="a"))
    for _ in range(4):
        harness.later(6)
        for live in harness.tasks():
            harness.report(live.id, FAILED)
        harness.decide()
    assert len(harness.tasks()) == 1
    harness.later(1)
    harness.report(harness.tasks()[0].id, FAILED)
    harness.later(1)
    assert harness.tasks() == []


def test_no_delayed_task_of_a_removed_service_starts():
    """A desired state never goes back, not when a delay ends in that moment.

    Source: swarmkit manager/orchestrator/service.go.
    """
    web = service()
    harness = start(node("a"), web, task("t1", web, slot=1, node="a"))
    harness.decide()
    harness.report("t1", FAILED)
    harness.decide()
    harness.simulation.now_ns += 5 * S
    harness.apply(Change(Action.REMOVE, web))
    harness.decide()
    assert {t.desired for t in harness.store.tasks.values()} == {REMOVE}


def test_a_replacement_wakes_with_the_task_that_it_waits_for_and_no_other():
    web, simulation = service(), Simulation()
    old, new, other = (task(id, web, slot=1, node="n1") for id in ("old", "new", "other"))
    supervisor = RestartSupervisor(simulation)
    supervisor.start_later("new", 0, "old")
    assert [supervisor.concerns(None, one) for one in (old, new, other)] == [True, True, False]
    supervisor.due(Store([web, new, other]))  # the old task is gone
    assert [supervisor.concerns(None, one) for one in (old, new, other)] == [False, False, False]
