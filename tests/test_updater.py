"""Rolling updates and rollbacks. Spec: orchestration.md, section 4."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from swarmlab.manager.replicated import ReplicatedOrchestrator
from swarmlab.manager.store import Action, Change
from swarmlab.model import Service, TaskState, UpdateState
from tests.rooms import Play, node, service, task

RUNNING, SHUTDOWN, READY, FAILED = (
    TaskState.RUNNING,
    TaskState.SHUTDOWN,
    TaskState.READY,
    TaskState.FAILED,
)
NEW = {"TaskTemplate": {"ContainerSpec": {"Image": "nginx:2"}}}


class Rollout(Play):
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
        """The agent does what is wanted: stops what is to stop, runs what is to run."""
        for t in list(self.store.tasks.values()):
            if t.desired >= SHUTDOWN and t.state <= RUNNING:
                self.report(t.id, SHUTDOWN)
        self.decide()
        for t in list(self.store.tasks.values()):
            if t.desired == RUNNING and t.state < RUNNING:
                self.report(t.id, RUNNING)
        self.decide()


def test_stop_first_stops_the_old_task_when_the_new_one_is_made():
    """4.4 TRAP: it does not wait for the new image to be pulled."""
    game = Rollout()
    assert game.status == (UpdateState.UPDATING, "update in progress")
    (new,) = game.made()
    assert new.desired == READY
    old = [t for t in game.store.tasks.values() if t.slot == new.slot and t.id != new.id]
    assert [t.desired for t in old] == [SHUTDOWN]


def test_parallelism_is_a_sliding_window_and_the_monitor_ends_it():
    """4.4 and 4.5: the next slot begins when one is done; 5 s of watching at the end."""
    game = Rollout(UpdateConfig={"Parallelism": 2})
    assert len(game.made()) == 2
    game.obey()
    assert len(game.made()) == 3
    game.obey()
    assert game.status == (UpdateState.UPDATING, "update in progress")
    game.later(4.9)
    assert game.status[0] is UpdateState.UPDATING
    game.later(0.2)
    assert game.status == (UpdateState.COMPLETED, "update completed")


def test_parallelism_zero_means_all_at_once():
    """4.1 TRAP."""
    assert len(Rollout(UpdateConfig={"Parallelism": 0}).made()) == 3


def test_the_delay_is_waited_after_every_slot_the_last_one_too():
    """4.4; and 4.5: a monitor that is not longer than the delay becomes delay + 1 s."""
    game = Rollout(replicas=2, UpdateConfig={"Delay": 10 * 10**9})
    game.obey()
    game.later(9.9)
    assert len(game.made()) == 1
    game.later(0.2)
    assert len(game.made()) == 2
    game.obey()
    game.later(10.1)
    game.later(10.8)
    assert game.status[0] is UpdateState.UPDATING
    game.later(0.3)
    assert game.status[0] is UpdateState.COMPLETED


def test_start_first_stops_the_old_task_only_when_the_new_one_runs():
    """4.4."""
    game = Rollout(UpdateConfig={"Order": "start-first"})
    (new,) = game.made()
    assert new.desired == RUNNING
    old = next(t for t in game.store.tasks.values() if t.slot == new.slot and t.id != new.id)
    assert old.desired == RUNNING
    game.report(new.id, RUNNING)
    game.decide()
    assert game.store.tasks[old.id].desired == SHUTDOWN


def test_the_first_failure_pauses_the_update():
    """4.6 and 4.7: ratio 0 means the first one; the rest keeps running."""
    game = Rollout()
    (new,) = game.made()
    game.report(new.id, FAILED)
    game.decide()
    words = f"update paused due to failure or early termination of task {new.id}"
    assert game.status == (UpdateState.PAUSED, words)
    game.later(30)
    assert {t.slot for t in game.made()} == {new.slot}


def test_a_quick_success_counts_as_a_failure():
    """4.6 TRAP: early termination."""
    game = Rollout()
    (new,) = game.made()
    game.report(new.id, TaskState.COMPLETE)
    game.decide()
    assert game.status[0] is UpdateState.PAUSED


def test_a_failure_after_the_monitor_window_is_none():
    """4.6."""
    game = Rollout(UpdateConfig={"Delay": 20 * 10**9, "Monitor": 10**9})
    (new,) = game.made()
    game.obey()
    game.later(21.5)
    game.report(new.id, FAILED)
    game.decide()
    assert game.status[0] is UpdateState.UPDATING


def test_the_ratio_has_to_be_exceeded():
    """4.6: strictly more than the ratio of the slots that were to be updated."""
    game = Rollout(replicas=2, UpdateConfig={"MaxFailureRatio": 0.5, "Parallelism": 2})
    first, second = game.made()
    game.report(first.id, FAILED)
    game.decide()
    assert game.status[0] is UpdateState.UPDATING
    game.report(second.id, FAILED)
    game.decide()
    assert game.status[0] is UpdateState.PAUSED


def test_continue_does_not_look_at_failures_at_all():
    """4.6."""
    game = Rollout(replicas=1, UpdateConfig={"FailureAction": "continue"})
    (new,) = game.made()
    game.report(new.id, FAILED)
    game.decide()
    game.later(6)
    assert game.status == (UpdateState.COMPLETED, "update completed")


def test_rollback_restores_the_old_spec_and_forgets_the_previous_one():
    """4.8; 4.2 TRAP: a manual rollback right after it has nothing to go back to."""
    game = Rollout(UpdateConfig={"FailureAction": "rollback"})
    (new,) = game.made()
    game.report(new.id, FAILED)
    game.decide()
    assert game.service.spec.task.image == "nginx"
    assert game.service.previous_spec is None
    words = f"update rolled back due to failure or early termination of task {new.id}"
    assert game.status == (UpdateState.ROLLBACK_STARTED, words)
    for _ in range(4):
        game.obey()
        game.later(6)
    assert game.status == (UpdateState.ROLLBACK_COMPLETED, "rollback completed")
    assert {t.spec.image for t in game.tasks()} == {"nginx"}


@pytest.mark.parametrize(
    ("action", "words"), [("pause", "update paused"), ("rollback", "rollback paused")]
)
def test_a_rollback_that_fails_is_paused_and_says_so_oddly(action: str, words: str):
    """4.7 TRAP: with action pause it says `update`, with rollback `rollback`."""
    game = Rollout(
        replicas=2,
        UpdateConfig={"FailureAction": "rollback", "Parallelism": 0},
        RollbackConfig={"Parallelism": 0, "FailureAction": action},
    )
    game.obey()
    (first, *_) = game.made()
    game.report(first.id, FAILED)
    game.decide()
    back = [t for t in game.tasks() if t.spec.image == "nginx"]
    made_by_rollback = next(t for t in back if t.slot != first.slot)
    game.report(made_by_rollback.id, FAILED)
    game.decide()
    assert game.status is not None
    assert game.status[0] is UpdateState.ROLLBACK_PAUSED
    assert game.status[1].startswith(f"{words} due to failure")


def test_a_new_spec_interrupts_the_update():
    """4.3: fresh counters, the rest of the slots included."""
    game = Rollout()
    third = service(replicas=3, version=9, TaskTemplate={"ContainerSpec": {"Image": "nginx:3"}})
    game.apply(Change(Action.UPDATE, replace(third, previous_spec=game.service.spec)))
    game.decide()
    for _ in range(5):
        game.obey()
        game.later(6)
    assert {t.spec.image for t in game.tasks()} == {"nginx:3"}
    assert game.status == (UpdateState.COMPLETED, "update completed")


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
def test_which_changes_replace_tasks(change: dict[str, Any], replaces: bool):
    """2.5, with its TRAPs."""
    old = service(replicas=1)
    game = Play([node("a"), old, task("t1", old, slot=1, node="a")], ReplicatedOrchestrator)
    game.decide()
    game.apply(Change(Action.UPDATE, service(replicas=1, version=7, **change)))
    game.decide()
    assert (game.store.tasks["t1"].desired == SHUTDOWN) is replaces
    if not replaces:
        assert game.store.services["web"].update_status is None


def test_a_task_that_never_runs_keeps_the_update_waiting_for_ever():
    """4.4 TRAP: pending is no failure."""
    game = Rollout()
    game.later(3600)
    assert game.status[0] is UpdateState.UPDATING
    assert len(game.made()) == 1
