"""Rolling updates and rollbacks. Source: swarmkit manager/orchestrator/update/updater.go."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from swarmlab.manager.orchestrator.replicated import ReplicatedOrchestrator
from swarmlab.manager.store import Action, Change
from swarmlab.model import Service, TaskState, UpdateState, UpdateStatus
from tests.control_loops import Harness, node, service, task

RUNNING, SHUTDOWN, READY, FAILED = (
    TaskState.RUNNING,
    TaskState.SHUTDOWN,
    TaskState.READY,
    TaskState.FAILED,
)
NEW = {"TaskTemplate": {"ContainerSpec": {"Image": "nginx:2"}}}


class Rollout(Harness):
    """Three running replicas, and an update to `nginx:2` with `config`."""

    def __init__(self, replicas: int = 3, **config: Any) -> None:
        spec = {"UpdateConfig": {"Parallelism": 1, **config.pop("UpdateConfig", {})}, **config}
        old = service(replicas=replicas, **spec)
        tasks = [task(f"t{n}", old, slot=n, node="a") for n in range(1, replicas + 1)]
        super().__init__([node("a"), old, *tasks], ReplicatedOrchestrator)
        self.decide()
        new = service(replicas=replicas, version=7, **spec, **NEW)
        changed = replace(new, previous_spec=old.spec)
        self.apply(Change(Action.UPDATE, changed))
        self.decide()

    @property
    def service(self) -> Service:
        return self.store.services["web"]

    @property
    def status(self) -> tuple[UpdateState, str] | None:
        status = self.service.update_status
        return (status.state, status.message) if status is not None else None

    def made(self) -> list[Any]:
        """The new tasks, oldest first."""
        return [t for t in self.store.tasks.values() if t.spec.image == "nginx:2"]

    def obey(self) -> None:
        """The agent stops and runs tasks as their desired states demand."""
        for t in list(self.store.tasks.values()):
            if t.desired >= SHUTDOWN and t.state <= RUNNING:
                self.report(t.id, SHUTDOWN)
        self.decide()
        for t in list(self.store.tasks.values()):
            if t.desired == RUNNING and t.state < RUNNING:
                self.report(t.id, RUNNING)
        self.decide()


def test_stop_first_stops_the_old_task_when_the_new_one_is_created():
    """It does not wait for the new image to be pulled."""
    harness = Rollout()
    assert harness.status == (UpdateState.UPDATING, "update in progress")
    (new,) = harness.made()
    assert new.desired == READY
    old = [t for t in harness.store.tasks.values() if t.slot == new.slot and t.id != new.id]
    assert [t.desired for t in old] == [SHUTDOWN]


def test_parallelism_is_a_sliding_window_and_the_monitor_ends_it():
    """The next slot begins when one is done; 5 s of watching at the end."""
    harness = Rollout(UpdateConfig={"Parallelism": 2})
    assert len(harness.made()) == 2
    harness.obey()
    assert len(harness.made()) == 3
    harness.obey()
    assert harness.status == (UpdateState.UPDATING, "update in progress")
    harness.later(4.9)
    assert harness.status[0] is UpdateState.UPDATING
    harness.later(0.2)
    assert harness.status == (UpdateState.COMPLETED, "update completed")


def test_parallelism_zero_means_all_at_once():
    assert len(Rollout(UpdateConfig={"Parallelism": 0}).made()) == 3


def test_the_delay_applies_after_every_slot_even_the_last():
    """A monitor that is not longer than the delay becomes delay + 1 s."""
    harness = Rollout(replicas=2, UpdateConfig={"Delay": 10 * 10**9})
    harness.obey()
    harness.later(9.9)
    assert len(harness.made()) == 1
    harness.later(0.2)
    assert len(harness.made()) == 2
    harness.obey()
    harness.later(10.1)
    harness.later(10.8)
    assert harness.status[0] is UpdateState.UPDATING
    harness.later(0.3)
    assert harness.status[0] is UpdateState.COMPLETED


def test_start_first_stops_the_old_task_only_when_the_new_one_runs():
    harness = Rollout(UpdateConfig={"Order": "start-first"})
    (new,) = harness.made()
    assert new.desired == RUNNING
    old = next(t for t in harness.store.tasks.values() if t.slot == new.slot and t.id != new.id)
    assert old.desired == RUNNING
    harness.report(new.id, RUNNING)
    harness.decide()
    assert harness.store.tasks[old.id].desired == SHUTDOWN


def test_the_first_failure_pauses_the_update():
    """Ratio 0 means the first one; the rest keeps running."""
    harness = Rollout()
    (new,) = harness.made()
    harness.report(new.id, FAILED)
    harness.decide()
    words = f"update paused due to failure or early termination of task {new.id}"
    assert harness.status == (UpdateState.PAUSED, words)
    harness.later(30)
    assert {t.slot for t in harness.made()} == {new.slot}


def test_a_quick_success_counts_as_a_failure():
    """Early termination."""
    harness = Rollout()
    (new,) = harness.made()
    harness.report(new.id, TaskState.COMPLETE)
    harness.decide()
    assert harness.status[0] is UpdateState.PAUSED


def test_a_failure_after_the_monitor_period_does_not_count():
    harness = Rollout(UpdateConfig={"Delay": 20 * 10**9, "Monitor": 10**9})
    (new,) = harness.made()
    harness.obey()
    harness.later(1.5)  # it is still known to the update, which watches for the delay at least
    harness.report(new.id, FAILED)
    harness.decide()
    assert harness.status[0] is UpdateState.UPDATING


def test_an_update_keeps_in_mind_only_tasks_that_are_watched():
    """So each step looks at a few, however many tasks the service has."""
    harness = Rollout(12)
    for _ in range(11):
        harness.obey()
        harness.later(2)
    (rolling,) = harness.control_loop.updates.in_progress.values()
    assert len(harness.made()) > 9
    assert len(rolling.reached_ns) <= 4  # 5 s of watching, one each 2 s


def test_the_failure_ratio_must_be_exceeded():
    """Strictly more than the ratio of the slots that were to be updated."""
    harness = Rollout(replicas=2, UpdateConfig={"MaxFailureRatio": 0.5, "Parallelism": 2})
    first, second = harness.made()
    harness.report(first.id, FAILED)
    harness.decide()
    assert harness.status[0] is UpdateState.UPDATING
    harness.report(second.id, FAILED)
    harness.decide()
    assert harness.status[0] is UpdateState.PAUSED


def test_failures_of_exactly_the_ratio_are_allowed():
    harness = Rollout(replicas=4, UpdateConfig={"MaxFailureRatio": 0.25, "Parallelism": 1})
    (first,) = harness.made()
    harness.report(first.id, FAILED)
    harness.decide()
    harness.obey()
    assert harness.status[0] is UpdateState.UPDATING
    (*_, second) = harness.made()
    harness.report(second.id, FAILED)
    harness.decide()
    assert harness.status[0] is UpdateState.PAUSED


@pytest.mark.parametrize("state", [UpdateState.PAUSED, UpdateState.ROLLBACK_PAUSED])
def test_a_new_leader_does_not_go_on_with_a_paused_update(state: UpdateState):
    old = service(replicas=2)
    tasks = [task(f"t{n}", old, slot=n, node="a") for n in (1, 2)]
    status = UpdateStatus(state=state, message="", started_ns=0)
    paused = replace(service(replicas=2, version=7, **NEW), update_status=status)
    harness = Harness([node("a"), paused, *tasks], ReplicatedOrchestrator)
    harness.decide()
    assert sorted(harness.store.tasks) == ["t1", "t2"]
    assert [t.desired for t in harness.tasks()] == [RUNNING, RUNNING]


def test_action_continue_ignores_failures():
    harness = Rollout(replicas=1, UpdateConfig={"FailureAction": "continue"})
    (new,) = harness.made()
    harness.report(new.id, FAILED)
    harness.decide()
    harness.later(6)
    assert harness.status == (UpdateState.COMPLETED, "update completed")


def test_rollback_restores_the_old_spec_and_forgets_the_previous_one():
    """A manual rollback right after it has nothing to go back to.

    Source: swarmkit manager/controlapi/service.go.
    """
    harness = Rollout(UpdateConfig={"FailureAction": "rollback"})
    (new,) = harness.made()
    harness.report(new.id, FAILED)
    harness.decide()
    assert harness.service.spec.task.image == "nginx"
    assert harness.service.previous_spec is None
    words = f"update rolled back due to failure or early termination of task {new.id}"
    assert harness.status == (UpdateState.ROLLBACK_STARTED, words)
    for _ in range(4):
        harness.obey()
        harness.later(6)
    assert harness.status == (UpdateState.ROLLBACK_COMPLETED, "rollback completed")
    assert {t.spec.image for t in harness.tasks()} == {"nginx"}


class Rollback(Rollout):
    """An update that failed and is being rolled back, slot by slot; so far it has made one task."""

    def __init__(self, failure_action: str) -> None:
        super().__init__(
            UpdateConfig={"FailureAction": "rollback", "Parallelism": 1},
            RollbackConfig={"Parallelism": 1, "FailureAction": failure_action},
        )
        for _ in range(5):
            self.obey()
        newest = self.made()[-1]
        self.report(newest.id, FAILED)
        self.decide()
        assert self.status is not None
        assert self.status[0] is UpdateState.ROLLBACK_STARTED
        (self.back,) = (
            t for t in self.tasks() if t.spec.image == "nginx" and t.id not in ("t1", "t2", "t3")
        )


@pytest.mark.parametrize(
    ("action", "words"), [("pause", "update paused"), ("rollback", "rollback paused")]
)
def test_a_failed_rollback_is_paused_with_an_odd_message(action: str, words: str):
    """With action pause it says `update`, with rollback `rollback`."""
    harness = Rollback(action)
    harness.report(harness.back.id, FAILED)
    harness.decide()
    cause = f"due to failure or early termination of task {harness.back.id}"
    assert harness.status == (UpdateState.ROLLBACK_PAUSED, f"{words} {cause}")


@pytest.mark.parametrize(
    ("action", "end"),
    [("pause", UpdateState.ROLLBACK_PAUSED), ("rollback", UpdateState.COMPLETED)],
)
def test_a_rollback_that_is_to_be_rolled_back_is_not_really_paused(action: str, end: UpdateState):
    """After the monitor period it is overwritten with `update completed`."""
    harness = Rollback(action)
    harness.report(harness.back.id, FAILED)
    for _ in range(3):
        harness.obey()
    harness.later(5.1)
    assert harness.status is not None
    assert harness.status[0] is end


def test_a_rollback_that_fails_with_action_continue_is_completed():
    """The failure is ignored."""
    harness = Rollback("continue")
    harness.report(harness.back.id, FAILED)
    for _ in range(8):
        harness.later(6)
        harness.obey()
    assert harness.status == (UpdateState.ROLLBACK_COMPLETED, "rollback completed")


def test_a_new_spec_interrupts_the_update():
    """Fresh counters, the rest of the slots included."""
    harness = Rollout()
    third = service(replicas=3, version=9, TaskTemplate={"ContainerSpec": {"Image": "nginx:3"}})
    harness.apply(Change(Action.UPDATE, replace(third, previous_spec=harness.service.spec)))
    harness.decide()
    for _ in range(5):
        harness.obey()
        harness.later(6)
    assert {t.spec.image for t in harness.tasks()} == {"nginx:3"}
    assert harness.status == (UpdateState.COMPLETED, "update completed")


@pytest.mark.parametrize(
    ("change", "replaces"),
    [
        ({"Labels": {"k": "v"}}, False),
        ({"UpdateConfig": {"Parallelism": 9}}, False),
        ({"TaskTemplate": {"ForceUpdate": 1}}, True),
        ({"TaskTemplate": {"Placement": {"Constraints": ["node.role==worker"]}}}, False),
        ({"TaskTemplate": {"Placement": {"Constraints": ["node.role==manager"]}}}, True),
        ({"TaskTemplate": {"Placement": {"MaxReplicas": 1}}}, False),
        ({"TaskTemplate": {"RestartPolicy": {"Condition": "any"}}}, True),  # presence counts
        ({"TaskTemplate": {"Resources": {}}}, True),
        ({"EndpointSpec": {"Mode": "dnsrr"}}, True),
    ],
)
def test_only_some_changes_replace_tasks(change: dict[str, Any], replaces: bool):
    """Source: swarmkit manager/orchestrator/task.go."""
    old = service(replicas=1)
    harness = Harness([node("a"), old, task("t1", old, slot=1, node="a")], ReplicatedOrchestrator)
    harness.decide()
    harness.apply(Change(Action.UPDATE, service(replicas=1, version=7, **change)))
    harness.decide()
    assert (harness.store.tasks["t1"].desired == SHUTDOWN) is replaces
    if not replaces:
        assert harness.store.services["web"].update_status is None


def test_a_task_that_never_runs_keeps_the_update_waiting_for_ever():
    """Pending is no failure."""
    harness = Rollout()
    harness.later(3600)
    assert harness.status[0] is UpdateState.UPDATING
    assert len(harness.made()) == 1


def test_changed_placement_masks_changed_ports():
    """A task that meets the new constraints stays, with its old ports.

    Source: swarmkit manager/orchestrator/task.go.
    """
    old = service(EndpointSpec={"Ports": [{"TargetPort": 80, "PublishedPort": 80}]})
    harness = Harness([node("a"), old, task("t1", old, slot=1, node="a")], ReplicatedOrchestrator)
    harness.decide()
    new = service(
        version=7,
        TaskTemplate={"Placement": {"Constraints": ["node.role==worker"]}},
        EndpointSpec={"Ports": [{"TargetPort": 80, "PublishedPort": 81}]},
    )
    harness.apply(Change(Action.UPDATE, new))
    harness.decide()
    assert harness.store.tasks["t1"].desired == RUNNING
    assert harness.store.tasks["t1"].endpoint_spec == old.spec.endpoint


@pytest.mark.parametrize(
    "placement", [{"MaxReplicas": 1}, {"Preferences": [{"Spread": {"SpreadDescriptor": "x"}}]}]
)
def test_a_lower_limit_per_node_or_a_new_preference_evicts_no_task(placement: dict[str, Any]):
    """Three running tasks stay on the one node. Source: swarmkit manager/orchestrator/task.go."""
    old = service(replicas=3)
    tasks = [task(f"t{n}", old, slot=n, node="a") for n in (1, 2, 3)]
    harness = Harness([node("a"), node("b"), old, *tasks], ReplicatedOrchestrator)
    harness.decide()
    template = {"Placement": placement}
    harness.apply(Change(Action.UPDATE, service(replicas=3, version=7, TaskTemplate=template)))
    assert harness.decide() == []


def test_the_slots_are_updated_in_no_order():
    """Not slot 1, 2, 3 …"""
    firsts = set()
    for seed in range(20):
        old, new = service(replicas=3), service(replicas=3, version=7, **NEW)
        tasks = [task(f"t{n}", old, slot=n, node="a") for n in (1, 2, 3)]
        harness = Harness([node("a"), old, *tasks], ReplicatedOrchestrator, seed)
        harness.decide()
        harness.apply(Change(Action.UPDATE, new))
        harness.decide()
        firsts |= {t.slot for t in harness.store.tasks.values() if t.spec.image == "nginx:2"}
    assert firsts == {1, 2, 3}


@pytest.mark.parametrize("seed", range(5))
def test_an_update_that_scales_down_keeps_the_order_of_the_scale_down(seed: int):
    """The slots that are kept first are updated first: one of each node.

    Source: swarmkit manager/orchestrator/replicated/services.go.
    """
    old, new = service(replicas=5), service(replicas=3, version=7, **NEW)
    places = {1: "a", 2: "a", 3: "a", 4: "b", 5: "c"}
    tasks = [task(f"t{n}", old, slot=n, node=where) for n, where in places.items()]
    harness = Harness([node("a"), node("b"), node("c"), old, *tasks], ReplicatedOrchestrator, seed)
    harness.decide()
    harness.apply(Change(Action.UPDATE, new))
    harness.decide()
    assert {"t1", "t2", "t3", "t4", "t5"} & set(harness.store.tasks) == {"t1", "t4", "t5"}
    (first,) = [t for t in harness.store.tasks.values() if t.spec.image == "nginx:2"]
    assert first.slot == 1


def test_the_updater_waits_a_minute_for_an_old_task_to_stop():
    """Then the new one starts beside it."""
    harness = Rollout()
    (new,) = harness.made()
    harness.later(59.9)
    assert harness.store.tasks[new.id].desired == READY
    harness.later(0.2)
    assert harness.store.tasks[new.id].desired == RUNNING
    assert next(t for t in harness.store.tasks.values() if t.slot == new.slot).state == RUNNING


@pytest.mark.parametrize(
    ("place", "made_at_once"), [("in the old spec", 3), ("in the new spec", 1)]
)
def test_an_automatic_rollback_uses_the_rollback_config_of_the_old_spec(
    place: str, made_at_once: int
):
    """Not by that of the spec whose update failed."""
    all_at_once = {"RollbackConfig": {"Parallelism": 0}}
    config = {"UpdateConfig": {"Parallelism": 0, "FailureAction": "rollback"}}
    old = service(replicas=3, **config, **(all_at_once if place == "in the old spec" else {}))
    new = service(
        replicas=3,
        version=7,
        **config,
        **NEW,
        **(all_at_once if place == "in the new spec" else {}),
    )
    tasks = [task(f"t{n}", old, slot=n, node="a") for n in (1, 2, 3)]
    harness = Harness([node("a"), old, *tasks], ReplicatedOrchestrator)
    harness.decide()
    harness.apply(Change(Action.UPDATE, replace(new, previous_spec=old.spec)))
    harness.decide()
    for t in [t for t in harness.store.tasks.values() if t.spec.image == "nginx:2"]:
        harness.report(t.id, RUNNING)
    harness.decide()
    failed = next(t for t in harness.store.tasks.values() if t.spec.image == "nginx:2")
    harness.report(failed.id, FAILED)
    harness.decide()
    assert harness.store.services["web"].spec == old.spec
    back = [
        t for t in harness.tasks() if t.spec.image == "nginx" and t.id not in ("t1", "t2", "t3")
    ]
    assert len(back) == made_at_once


def test_a_drained_new_task_counts_as_a_failure():
    """Early termination, for whatever reason."""
    harness = Rollout(replicas=2)
    (new,) = harness.made()
    harness.obey()
    harness.apply(Change(Action.UPDATE, replace(harness.store.tasks[new.id], node_id="b")))
    harness.apply(Change(Action.CREATE, node("b", availability="drain")))
    harness.decide()
    assert harness.store.tasks[new.id].desired == SHUTDOWN
    harness.report(new.id, SHUTDOWN)
    for _ in range(4):
        harness.obey()
    assert harness.status is not None
    assert harness.status[0] is UpdateState.PAUSED
    assert new.id in harness.status[1]


def test_failures_in_the_last_slots_are_counted_after_their_delay():
    """Events queue up meanwhile, and are evaluated with the clock of that later time."""
    harness = Rollout(replicas=1, UpdateConfig={"Delay": 3 * 10**9})
    (new,) = harness.made()
    harness.obey()
    harness.report(new.id, FAILED)
    harness.later(2.9)
    assert harness.status == (UpdateState.UPDATING, "update in progress")
    harness.later(0.2)
    assert harness.status[0] is UpdateState.PAUSED


def test_a_rollback_replaces_a_failed_slot_without_the_restart_delay():
    """The restart supervisor was first, so its replacement has the new spec."""
    harness = Rollout(UpdateConfig={"FailureAction": "rollback"}, RollbackConfig={"Parallelism": 0})
    (new,) = harness.made()
    harness.obey()
    harness.report(new.id, FAILED)
    harness.decide()
    replacement = next(t for t in harness.made() if t.slot == new.slot and t.id != new.id)
    assert replacement.spec_version == 7
    assert harness.store.tasks[replacement.id].desired == SHUTDOWN
    back = next(t for t in harness.tasks() if t.slot == new.slot)
    harness.report(replacement.id, SHUTDOWN)
    harness.decide()
    assert (harness.store.tasks[back.id].desired, back.spec.image) == (RUNNING, "nginx")


def test_a_rollback_restores_the_replicas_too():
    """Everything in the spec is restored, replicas and labels too."""
    config = {"UpdateConfig": {"Parallelism": 1, "FailureAction": "rollback"}}
    old = service(replicas=2, **config)
    tasks = [task(f"t{n}", old, slot=n, node="a") for n in (1, 2)]
    harness = Harness([node("a"), old, *tasks], ReplicatedOrchestrator)
    harness.decide()
    new = service(replicas=5, version=7, Labels={"k": "v"}, **config, **NEW)
    harness.apply(Change(Action.UPDATE, replace(new, previous_spec=old.spec)))
    harness.decide()
    made = [t for t in harness.tasks() if t.spec.image == "nginx:2" and t.desired == READY]
    harness.report(made[0].id, FAILED)
    harness.decide()
    assert harness.store.services["web"].spec == old.spec
    assert len({t.slot for t in harness.tasks()}) == 2


def test_without_a_previous_spec_an_automatic_rollback_does_not_happen():
    """The service stays `updating`, with nobody who updates it."""
    harness = Rollout(UpdateConfig={"FailureAction": "rollback"})
    (new,) = harness.made()
    harness.apply(Change(Action.UPDATE, replace(harness.service, previous_spec=None)))
    harness.report(new.id, FAILED)
    for _ in range(5):
        harness.later(20)
    assert harness.status == (UpdateState.UPDATING, "update in progress")
    assert {t.slot for t in harness.made()} == {new.slot}


def test_start_first_and_continue_can_end_with_no_healthy_task():
    """The run after the completed one shuts the old task down, unasked."""
    harness = Rollout(
        replicas=1, UpdateConfig={"Order": "start-first", "FailureAction": "continue"}
    )
    (new,) = harness.made()
    harness.report(new.id, FAILED)
    harness.decide()
    assert harness.store.tasks["t1"].desired == RUNNING
    harness.later(5.1)
    assert harness.status == (UpdateState.COMPLETED, "update completed")
    assert harness.store.tasks["t1"].desired == SHUTDOWN
    (left,) = harness.tasks()
    assert (left.spec.image, left.state) == ("nginx:2", TaskState.NEW)


def test_start_first_and_pause_keeps_the_old_task_beside_the_failing_one():
    harness = Rollout(replicas=1, UpdateConfig={"Order": "start-first"})
    (new,) = harness.made()
    harness.report(new.id, FAILED)
    harness.decide()
    harness.later(60)
    assert harness.status[0] is UpdateState.PAUSED
    assert harness.store.tasks["t1"].desired == RUNNING
    assert len(harness.tasks()) == 2


def test_a_slot_that_another_component_replaced_is_left_alone():
    """A crash brought the new spec there, and its restart delay is its own.

    Source: swarmkit manager/orchestrator/restart/restart.go.
    """
    harness = Rollout()
    other = next(t for t in harness.tasks() if t.spec.image == "nginx")
    harness.report(other.id, FAILED)
    harness.decide()
    for _ in range(2):
        harness.obey()
        harness.later(0.1)
    in_slot = [t for t in harness.made() if t.slot == other.slot]
    assert [t.desired for t in in_slot] == [READY]
    harness.later(5)
    assert [harness.store.tasks[t.id].desired for t in in_slot] == [RUNNING]


def test_an_update_to_the_same_spec_clears_the_status_of_the_running_one():
    """The updater goes on, but the status was unset and stays so.

    Source: swarmkit manager/controlapi/service.go.
    """
    harness = Rollout()
    harness.apply(
        Change(Action.UPDATE, replace(harness.service, spec_version=8, update_status=None))
    )
    harness.decide()
    for _ in range(5):
        harness.obey()
        harness.later(6)
    assert {t.spec.image for t in harness.tasks()} == {"nginx:2"}
    assert harness.service.update_status is None


def test_a_failure_after_such_an_update_is_not_reported_either():
    """It ends the run all the same."""
    harness = Rollout()
    harness.apply(
        Change(Action.UPDATE, replace(harness.service, spec_version=8, update_status=None))
    )
    (new,) = harness.made()
    harness.report(new.id, FAILED)
    harness.decide()
    harness.later(30)
    assert harness.service.update_status is None
    assert {t.slot for t in harness.made()} == {new.slot}
