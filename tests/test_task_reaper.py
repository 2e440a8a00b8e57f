"""How much history a slot keeps.

Source: swarmkit manager/orchestrator/taskreaper/task_reaper.go.
"""

from __future__ import annotations

from typing import Any

import pytest

from swarmlab.manager.orchestrator.task_reaper import TaskReaper
from swarmlab.manager.store import Action, Change
from swarmlab.model import TaskState
from tests.control_loops import Harness, cluster, service, task

RUNNING, SHUTDOWN, REMOVE = TaskState.RUNNING, TaskState.SHUTDOWN, TaskState.REMOVE
FAILED, COMPLETE = TaskState.FAILED, TaskState.COMPLETE


def start(*objects: Any, limit: int = 5) -> Harness:
    changed = cluster(Orchestration={"TaskHistoryRetentionLimit": limit})
    return Harness([changed, *objects], lambda simulation, view: TaskReaper(view))


def history(count: int, of: Any, **fields: Any) -> list[Any]:
    """`count` failed tasks in slot 1, the oldest first."""
    fields = {"slot": 1, "state": FAILED, "desired": SHUTDOWN} | fields
    return [task(f"old{n}", of, at_s=n, **fields) for n in range(count)]


def grow(harness: Harness, new: Any) -> None:
    harness.apply(Change(Action.CREATE, new))
    harness.decide()


@pytest.mark.parametrize(("limit", "left"), [(5, 5), (0, 1), (1, 1), (-1, 9)])
def test_the_limit_includes_the_current_task(limit: int, left: int):
    """5 means one that runs and four of the past; below 0, all."""
    web = service()
    harness = start(web, *history(8, web), limit=limit)
    grow(harness, task("new", web, slot=1, state=TaskState.NEW, at_s=9))
    assert sorted(harness.store.tasks) == ["new", *[f"old{n}" for n in range(9 - left, 8)]]


def test_a_service_with_max_attempts_keeps_one_more_than_those():
    """The service's attempts as they are now, whatever the old tasks' specs say."""
    old = service()
    web = service(version=7, TaskTemplate={"RestartPolicy": {"MaxAttempts": 2}})
    harness = start(web, *history(8, old))
    grow(harness, task("new", web, slot=1, state=TaskState.NEW, at_s=9))
    assert len(harness.store.tasks) == 3


def test_a_changed_limit_waits_for_the_next_task_of_the_slot():
    """A new leader does not look either."""
    web = service()
    harness = start(web, *history(8, web), limit=2)
    assert harness.decide() == []
    grow(harness, task("other", web, slot=2, state=TaskState.NEW, at_s=9))
    assert len(harness.store.tasks) == 9


def test_tasks_that_run_or_will_run_are_never_deleted():
    """Only what is over, or will never run."""
    web = service()
    stopping = [task(f"s{n}", web, slot=1, node="a", desired=SHUTDOWN, at_s=n) for n in range(3)]
    never = task("never", web, slot=1, state=TaskState.PENDING, desired=SHUTDOWN, at_s=3)
    harness = start(web, *stopping, never, limit=1)
    grow(harness, task("new", web, slot=1, state=TaskState.NEW, at_s=9))
    assert sorted(harness.store.tasks) == ["new", "s0", "s1", "s2"]


def test_a_slot_with_several_running_tasks_is_checked_again():
    """It stays dirty until one of them has stopped."""
    web = service()
    stopping = task("s", web, slot=1, node="a", desired=SHUTDOWN)
    harness = start(web, stopping, limit=1)
    grow(harness, task("new", web, slot=1, state=RUNNING, at_s=9))
    assert len(harness.store.tasks) == 2
    harness.report("s", SHUTDOWN)
    harness.decide()
    assert sorted(harness.store.tasks) == ["new"]


def test_jobs_keep_all_their_history():
    """Source: swarmkit manager/orchestrator/jobs/replicated/reconciler.go."""
    job = service("job", mode={"ReplicatedJob": {"MaxConcurrent": 1}})
    harness = start(job, *history(8, job, job_iteration=0), limit=1)
    grow(harness, task("new", job, slot=1, state=TaskState.NEW, at_s=9, job_iteration=0))
    assert len(harness.store.tasks) == 9


def test_slots_of_a_global_service_are_its_nodes():
    web = service("agent", mode={"Global": {}})
    on = [task(f"{n}{i}", web, node=n, state=FAILED, desired=SHUTDOWN) for n in "ab" for i in "123"]
    harness = start(web, *on, limit=2)
    grow(harness, task("new", web, node="a", state=TaskState.NEW, at_s=9))
    assert sorted(harness.store.tasks) == ["a3", "b1", "b2", "b3", "new"]


@pytest.mark.parametrize(
    ("state", "goes"),
    [
        (TaskState.NEW, True),
        (TaskState.PENDING, True),
        (TaskState.ASSIGNED, False),
        (RUNNING, False),
        (COMPLETE, True),
        (SHUTDOWN, True),
    ],
)
def test_tasks_to_remove_are_deleted_when_no_agent_has_them(state: TaskState, goes: bool):
    """Never assigned, or over. Source: swarmkit manager/orchestrator/service.go."""
    web = service()
    harness = start(web, task("t", web, slot=1, node="a", state=state))
    harness.apply(
        Change(Action.UPDATE, task("t", web, slot=1, node="a", state=state, desired=REMOVE))
    )
    harness.decide()
    assert ("t" not in harness.store.tasks) is goes


def test_a_new_leader_deletes_the_tasks_of_removed_services():
    """Outright, whatever their state. Source: swarmkit manager/orchestrator/taskinit/init.go."""
    harness = start(task("t", service(), slot=1, node="a"))
    harness.decide()
    assert not harness.store.tasks
