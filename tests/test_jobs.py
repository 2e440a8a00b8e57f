"""Jobs: tasks that run to completion, once in each iteration.

Source: swarmkit manager/orchestrator/jobs/{replicated,global}/reconciler.go.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from swarmlab.manager.orchestrator.jobs import JobOrchestrator
from swarmlab.manager.store import Action, Change
from swarmlab.model import NodeState, Service, Task, TaskState
from tests.control_loops import Harness, node, service

COMPLETE, SHUTDOWN, REMOVE = TaskState.COMPLETE, TaskState.SHUTDOWN, TaskState.REMOVE
FAILED, READY, RUNNING = TaskState.FAILED, TaskState.READY, TaskState.RUNNING


def job(concurrent: int = 1, total: int | None = None, **spec: Any) -> Service:
    mode = {"ReplicatedJob": {"MaxConcurrent": concurrent, "TotalCompletions": total or concurrent}}
    made: Service = service("job", mode=mode, **spec)
    return made


def everywhere(**spec: Any) -> Service:
    made: Service = service("job", mode={"GlobalJob": {}}, **spec)
    return made


def policy(**policy: Any) -> dict[str, Any]:
    return {"TaskTemplate": {"RestartPolicy": policy}}


class Jobs(Harness):
    def __init__(self, *objects: Any) -> None:
        super().__init__(objects, JobOrchestrator)
        self.decide()

    def live(self) -> list[Task]:
        """The tasks that are to run and have not ended."""
        return [t for t in self.tasks(desired=COMPLETE) if t.state < COMPLETE]

    def place(self, node_id: str) -> None:
        """The scheduler puts what has no node there."""
        for t in self.live():
            if not t.node_id:
                self.apply(Change(Action.UPDATE, replace(t, node_id=node_id)))

    def again(self) -> None:
        """The service is updated: a new iteration."""
        before = self.store.services["job"]
        new = replace(before, job_iteration=before.job_iteration + 1, spec_version=9)
        self.apply(Change(Action.UPDATE, new))
        self.decide()


def test_slots_begin_at_zero_and_the_desired_state_is_complete():
    """The slot-0 task is named with its node's id. Source: swarmkit api/naming/naming.go."""
    harness = Jobs(node("a"), job(2))
    assert [(t.slot, t.desired, t.job_iteration) for t in harness.live()] == [
        (0, COMPLETE, 0),
        (1, COMPLETE, 0),
    ]
    harness.place("a")
    first, second = harness.live()
    assert first.name == f"job.a.{first.id}"
    assert second.name == f"job.1.{second.id}"


def test_neither_the_concurrent_nor_the_total_maximum_is_exceeded():
    """min(MaxConcurrent − running, TotalCompletions − complete − running)."""
    harness = Jobs(node("a"), job(2, total=5))
    done = []
    while harness.live():
        assert len(harness.live()) <= 2
        first = harness.live()[0]
        done.append(first.slot)
        harness.report(first.id, COMPLETE)
        harness.decide()
    assert sorted(done) == [0, 1, 2, 3, 4]
    assert harness.decide() == []


def test_absent_numbers_mean_one_and_as_many_as_concurrent():
    assert len(Jobs(node("a"), service("job", mode={"ReplicatedJob": {}})).live()) == 1
    harness = Jobs(node("a"), service("job", mode={"ReplicatedJob": {"MaxConcurrent": 3}}))
    assert len(harness.live()) == 3


@pytest.mark.parametrize("mode", ["replicated", "global"])
def test_any_update_runs_the_job_again(mode: str):
    """Tasks of the iteration before that still run are removed."""
    harness = Jobs(node("a"), job(1) if mode == "replicated" else everywhere())
    (old,) = harness.live()
    harness.again()
    assert harness.store.tasks[old.id].desired == REMOVE
    (new,) = harness.live()
    assert new.job_iteration == 1


@pytest.mark.parametrize(("mode", "kept"), [("replicated", True), ("global", False)])
def test_finished_tasks_of_an_older_iteration_stay_unless_global(mode: str, kept: bool):
    """They stay in the store; those of a global job are removed."""
    harness = Jobs(node("a"), job(1) if mode == "replicated" else everywhere())
    (old,) = harness.live()
    harness.report(old.id, COMPLETE)
    harness.decide()
    harness.again()
    assert (harness.store.tasks[old.id].desired == COMPLETE) is kept


@pytest.mark.parametrize("condition", ["any", "on-failure"])
@pytest.mark.parametrize(("end", "again"), [(COMPLETE, False), (FAILED, True)])
def test_condition_any_means_on_failure_for_jobs(condition: str, end: TaskState, again: bool):
    """A completed job task is not restarted."""
    harness = Jobs(node("a"), job(1, **policy(Condition=condition)))
    (first,) = harness.live()
    harness.report(first.id, end)
    harness.decide()
    assert [(t.slot, t.desired) for t in harness.live()] == ([(0, READY)] if again else [])
    harness.later(5)
    assert [t.desired for t in harness.live()] == ([COMPLETE] if again else [])


def test_with_condition_none_the_next_reconciliation_creates_a_new_task():
    """The failed one is not restarted, and no longer counts as running."""
    harness = Jobs(node("a"), job(2, **policy(Condition="none")))
    first, second = harness.live()
    harness.report(first.id, FAILED)
    harness.decide()
    assert [t.slot for t in harness.live()] == [1]
    harness.report(second.id, COMPLETE)
    harness.decide()
    (new,) = harness.live()
    assert (new.slot, new.desired) == (0, COMPLETE)


@pytest.mark.parametrize("fault", [{"availability": "drain"}, {"state": NodeState.DOWN}])
def test_drained_and_dead_nodes_keep_the_tasks_of_replicated_jobs(fault: dict[str, Any]):
    """Changes of nodes have no effect; tasks on a dead node count as running."""
    harness = Jobs(node("a"), node("b"), job(1))
    harness.place("a")
    harness.apply(Change(Action.UPDATE, node("a", **fault)))
    assert harness.decide() == []
    assert [(t.node_id, t.desired) for t in harness.live()] == [("a", COMPLETE)]


@pytest.mark.parametrize("slot", [0, 1])
def test_a_replicated_job_runs_out_of_attempts(slot: int):
    """In slot 0, too; what attempts remain are made when the service is next reconciled.

    Source: swarmkit manager/orchestrator/restart/restart.go.
    """
    harness = Jobs(node("a"), job(2, **policy(Condition="any", MaxAttempts=2, Delay=0)))
    for _ in range(2):
        harness.place("a")
        harness.report(next(t for t in harness.live() if t.slot == slot).id, FAILED)
        harness.later(1)
    harness.place("a")
    harness.report(next(t for t in harness.live() if t.slot == slot).id, FAILED)
    harness.later(1)
    assert [t.slot for t in harness.live()] == [1 - slot]
    assert sum(t.slot == slot for t in harness.store.tasks.values()) == 3


# -- global jobs -----------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("node_b", "gets_one"),
    [
        (node("b"), True),
        (node("b", state=NodeState.UNKNOWN), False),
        (node("b", state=NodeState.DOWN), False),
        (node("b", availability="pause"), False),
        (node("b", availability="drain"), False),
    ],
)
def test_a_global_job_runs_on_ready_and_active_nodes(node_b: Any, gets_one: bool):
    harness = Jobs(node("a"), node_b, everywhere())
    assert [t.node_id for t in harness.live()] == (["a", "b"] if gets_one else ["a"])


def test_a_later_node_gets_no_task_until_the_job_is_reconciled():
    """Changes of nodes do not wake the orchestrator."""
    harness = Jobs(node("a"), everywhere())
    harness.apply(Change(Action.CREATE, node("b")))
    harness.later(3600)
    assert [t.node_id for t in harness.live()] == ["a"]
    harness.report(harness.live()[0].id, COMPLETE)
    harness.decide()
    assert [t.node_id for t in harness.live()] == ["b"]


def test_global_jobs_never_run_out_of_attempts():
    """Max attempts are looked up under the wrong key."""
    harness = Jobs(node("a"), everywhere(**policy(Condition="any", MaxAttempts=1, Delay=0)))
    for _ in range(9):
        (live,) = harness.live()
        harness.report(live.id, FAILED)
        harness.later(1)
    assert len(harness.store.tasks) == 10


def test_a_dead_nodes_task_is_shut_down_at_the_next_reconciliation_only():
    harness = Jobs(node("a"), node("b"), everywhere())
    (on_a, on_b) = harness.live()
    harness.apply(Change(Action.UPDATE, node("b", state=NodeState.DOWN)))
    assert harness.decide() == []
    harness.report(on_a.id, COMPLETE)
    harness.decide()
    assert harness.store.tasks[on_b.id].desired == SHUTDOWN


def test_all_tasks_of_a_removed_job_are_removed():
    """Those that wait for their delay, too, at the very moment when it ends.

    Source: swarmkit manager/orchestrator/service.go.
    """
    harness = Jobs(node("a"), job(2))
    harness.report(harness.live()[0].id, FAILED)
    harness.decide()
    harness.simulation.now_ns += 5 * 10**9
    harness.apply(Change(Action.REMOVE, harness.store.services["job"]))
    harness.decide()
    assert {t.desired for t in harness.store.tasks.values()} == {REMOVE}
