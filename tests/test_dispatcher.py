"""Sessions, heartbeats, reports and assignments. Source: swarmkit manager/dispatcher/*.go."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from swarmlab.errors import Unknown
from swarmlab.manager.control_loop import ControlLoop
from swarmlab.manager.dispatcher.dispatcher import Dispatcher
from swarmlab.manager.store import Action, Change, create, update
from swarmlab.model import (
    Config,
    Document,
    Node,
    NodeState,
    Secret,
    Task,
    TaskState,
    TaskStatus,
    freeze,
)
from swarmlab.model.messages import Assignments, Heartbeat, Register, Registered, ReportStatus
from swarmlab.model.trace_records import NodeStateChanged
from swarmlab.simulation import HOUR, Machine, Network, S, Simulation
from tests.control_loops import Harness, cluster, node, service, task

RUNNING, SHUTDOWN = TaskState.RUNNING, TaskState.SHUTDOWN
ASSIGNED, ORPHANED = TaskState.ASSIGNED, TaskState.ORPHANED


class Recorder:
    """A machine's program that keeps what it is sent."""

    def __init__(self, machine: Machine) -> None:
        self.received: list[Any] = []

    def receive(self, source: str, message: Any) -> None:
        self.received.append(message)

    def serve(self, source: str, body: Any) -> Any: ...

    def shutdown(self) -> None: ...


class DispatcherHarness(Harness):
    """A leader's dispatcher, and the machine `worker` that is node `a`."""

    def __init__(self, *objects: Any, seed: int = 1) -> None:
        self.woken = False
        super().__init__(objects, self.dispatcher, seed)
        self.decide()

    def dispatcher(self, simulation: Simulation, view: Any) -> Dispatcher:
        network = Network(simulation)
        self.machine = Machine(network, "manager", "10.77.0.2", Recorder)
        self.worker = Machine(network, "worker", "10.77.0.9", Recorder)
        for machine in (self.machine, self.worker):
            machine.start()
        return Dispatcher(self.machine, view, self.machine.after, self.wake, lambda: ("m:2377",))

    def wake(self, control_loop: ControlLoop) -> None:
        self.woken = True

    def decide(self) -> list[Change]:
        self.woken = False
        changes = super().decide()
        self.control_loop.committed()
        return changes

    def run(self, seconds: float) -> None:
        """Time passes, timers fire; the dispatcher decides when it asks to be woken."""
        until_ns = self.simulation.now_ns + int(seconds * S)
        while self.simulation.now_ns < until_ns:
            self.simulation.run_while(lambda: not self.woken, until_ns - self.simulation.now_ns)
            if self.woken:
                self.decide()

    def join(self, node_id: str = "a") -> Registered:
        """The agent of a node opens its session."""
        description = self.store.nodes[node_id].description
        body = Register(node_id, description, "10.77.0.9")
        call = self.control_loop.register("worker", body)
        self.decide()
        session: Registered = call.result()
        return session

    def report_states(self, session: Registered, node_id: str = "a", **states: TaskState) -> None:
        """The agent reports, and the batch is stored."""
        now_ns = self.simulation.now_ns
        statuses = tuple(
            (id, TaskStatus(state=state, timestamp_ns=now_ns)) for id, state in states.items()
        )
        self.control_loop.report(ReportStatus(node_id, session.session_id, statuses))
        self.run(0.11)

    def pushed(self) -> list[Assignments]:
        self.run(0.2)
        program: Any = self.worker.process
        return [m for m in program.received if isinstance(m, Assignments)]

    def state(self) -> tuple[NodeState, str]:
        status = self.store.nodes["a"].status
        return status.state, status.message


def on_a(id: str, of: Any, **fields: Any) -> Task:
    fields = {"slot": 1, "node": "a", "state": ASSIGNED} | fields
    made: Task = task(id, of, **fields)
    return made


# -- node states -------------------------------------------------------------------------------
def test_a_new_leader_marks_nodes_unknown_and_doubles_their_grace_period():
    """6 periods of 4.5 to 5.5 s."""
    harness = DispatcherHarness(node("a"))
    words = 'Node moved to "unknown" state due to leadership change in cluster'
    assert harness.state() == (NodeState.UNKNOWN, words)
    harness.run(26.9)
    assert harness.state()[0] is NodeState.UNKNOWN
    harness.run(6.2)
    assert harness.state() == (NodeState.DOWN, 'heartbeat failure for node in "unknown" state')


def test_a_leader_change_restarts_no_task():
    """The write is to the nodes alone."""
    web = service()
    running = on_a("t", web, state=RUNNING)
    harness = DispatcherHarness(node("a"), web, running)
    assert harness.store.tasks["t"] == running


@pytest.mark.parametrize("seed", range(5))
def test_a_node_is_down_after_three_periods_without_a_heartbeat(seed: int):
    """13.5 to 16.5 s after the last heartbeat."""
    harness = DispatcherHarness(node("a"), seed=seed)
    session = harness.join()
    assert harness.state() == (NodeState.READY, "")
    for _ in range(4):
        harness.run(5)
        harness.control_loop.heartbeat(Heartbeat("a", session.session_id))
    harness.run(13.4)
    assert harness.state()[0] is NodeState.READY
    harness.run(3.2)
    assert harness.state() == (NodeState.DOWN, "heartbeat failure")


@pytest.mark.parametrize("seed", range(5))
def test_each_heartbeat_gets_a_new_random_period(seed: int):
    """5 s, more or less half a second."""
    harness = DispatcherHarness(node("a"), seed=seed)
    session = harness.join()
    periods = {
        harness.control_loop.heartbeat(Heartbeat("a", session.session_id)) for _ in range(20)
    }
    assert len(periods) == 20
    assert all(4.5 * S <= period <= 5.5 * S for period in periods)


def test_a_changed_heartbeat_period_applies_to_the_next_heartbeats():
    harness = DispatcherHarness(node("a"))
    session = harness.join()
    harness.apply(update(cluster(Dispatcher={"HeartbeatPeriod": 20 * S})))
    assert harness.control_loop.heartbeat(Heartbeat("a", session.session_id)) > 19 * S


def test_heartbeats_write_nothing():
    """Only state and description changes reach the store."""
    harness = DispatcherHarness(node("a"))
    session = harness.join()
    before = harness.store.index
    for _ in range(9):
        harness.run(4)
        harness.control_loop.heartbeat(Heartbeat("a", session.session_id))
    assert harness.store.index == before


def test_no_node_is_ever_disconnected():
    """The state exists, but no node ever reaches it."""
    import swarmlab

    lab = swarmlab.simulate(managers=3, workers=1, seed=5)
    for name in ("w1", "m1"):
        lab.crash(name)
        lab.run("40s")
        lab.start(name)
        lab.run("40s")
    lab.stop(lab.default_node())
    lab.run("60s")
    states = {record.state for record in lab.trace.of(NodeStateChanged)}
    assert states == {"ready", "down", "unknown"}


@pytest.mark.parametrize(
    ("body", "words"),
    [(Heartbeat("b", "s"), "node not registered"), (Heartbeat("a", "s"), "session invalid")],
)
def test_an_unknown_session_is_refused(body: Heartbeat, words: str):
    harness = DispatcherHarness(node("a"))
    harness.join()
    with pytest.raises(Unknown, match=words):
        harness.control_loop.heartbeat(body)


# -- down --------------------------------------------------------------------------------------
def down(harness: DispatcherHarness, node_id: str = "a") -> None:
    harness.run(17)
    assert harness.store.nodes[node_id].status.state is NodeState.DOWN


def test_a_day_after_a_node_went_down_its_tasks_are_orphaned():
    """From ASSIGNED to RUNNING; message and timestamp stay."""
    web = service()
    tasks = [on_a(str(state), web, state=state) for state in (ASSIGNED, RUNNING, TaskState.FAILED)]
    harness = DispatcherHarness(node("a"), web, *tasks)
    harness.join()
    down(harness)
    harness.simulation.run_until(harness.simulation.now_ns + 24 * HOUR - 20 * S)
    assert harness.store.tasks["running"].state == RUNNING
    harness.run(20)
    assert [harness.store.tasks[str(s)].state for s in (ASSIGNED, RUNNING)] == [ORPHANED] * 2
    assert harness.store.tasks["failed"].state == TaskState.FAILED
    assert harness.store.tasks["running"].status == replace(tasks[1].status, state=ORPHANED)


def test_reports_of_an_orphaned_task_are_ignored():
    """Below ORPHANED."""
    web = service()
    harness = DispatcherHarness(node("a"), web, on_a("t", web, state=ORPHANED))
    harness.report_states(harness.join(), t=RUNNING)
    assert harness.store.tasks["t"].state == ORPHANED


def test_a_node_that_returns_is_ready_at_once_and_gets_all_assignments():
    """Nothing is moved back; it is told what to stop, and what to forget."""
    web = service()
    harness = DispatcherHarness(
        node("a"), web, on_a("stop", web, state=RUNNING), on_a("gone", web, state=RUNNING)
    )
    harness.join()
    down(harness)
    harness.apply(update(replace(harness.store.tasks["stop"], desired=SHUTDOWN)))
    harness.apply(Change(Action.REMOVE, harness.store.tasks["gone"]))
    harness.join()
    assert harness.state() == (NodeState.READY, "")
    last = harness.pushed()[-1]
    assert last.complete
    assert [(t.id, t.desired) for t in last.tasks] == [("stop", SHUTDOWN)]


# -- reports -----------------------------------------------------------------------------------
def test_a_late_shutdown_does_not_change_a_rejected_task():
    """640 is less than 768, so the agent's report of the stop is dropped.

    Source: swarmkit manager/orchestrator/constraintenforcer/constraint_enforcer.go.
    """
    web = service()
    harness = DispatcherHarness(
        node("a"), web, on_a("t", web, state=TaskState.REJECTED, desired=SHUTDOWN)
    )
    harness.report_states(harness.join(), t=SHUTDOWN)
    assert harness.store.tasks["t"].state == TaskState.REJECTED


def test_reports_are_stored_in_batches_with_the_last_of_each_task():
    """Every 100 ms; states in between may never be seen."""
    web = service()
    harness = DispatcherHarness(node("a"), web, on_a("t", web))
    session = harness.join()
    for state in (TaskState.ACCEPTED, TaskState.PREPARING, RUNNING):
        status = TaskStatus(state=state, timestamp_ns=harness.simulation.now_ns)
        harness.control_loop.report(ReportStatus("a", session.session_id, (("t", status),)))
    assert harness.store.tasks["t"].state == ASSIGNED
    harness.run(0.11)
    stored = harness.store.tasks["t"].status
    assert (stored.state, stored.applied_ns) == (RUNNING, harness.simulation.now_ns - S // 100)


def test_a_report_of_another_nodes_task_is_ignored():
    web = service()
    harness = DispatcherHarness(node("a"), node("b"), web, on_a("t", web, node="b"))
    harness.report_states(harness.join(), t=RUNNING)
    assert harness.store.tasks["t"].state == ASSIGNED


# -- assignments -------------------------------------------------------------------------------
def test_a_node_is_sent_all_its_tasks_ended_ones_too():
    """First all of it, then what changed."""
    web = service()
    harness = DispatcherHarness(
        node("a"),
        web,
        on_a("live", web),
        on_a("dead", web, state=TaskState.FAILED, desired=SHUTDOWN),
        on_a("waiting", web, state=TaskState.PENDING),
        on_a("elsewhere", web, node="b"),
    )
    harness.join()
    (first,) = harness.pushed()
    assert first.complete
    assert sorted(t.id for t in first.tasks) == ["dead", "live"]
    harness.apply(update(replace(harness.store.tasks["live"], desired=SHUTDOWN)))
    harness.apply(Change(Action.REMOVE, harness.store.tasks["dead"]))
    second = harness.pushed()[-1]
    assert (second.complete, [t.id for t in second.tasks]) == (False, ["live"])
    assert second.removed_task_ids == ("dead",)


def test_a_change_of_status_alone_is_not_sent():
    web = service()
    harness = DispatcherHarness(node("a"), web, on_a("t", web))
    session = harness.join()
    assert len(harness.pushed()) == 1
    harness.report_states(session, t=RUNNING)
    assert len(harness.pushed()) == 1


def test_a_lost_assignment_leaves_a_gap_at_the_next_heartbeat():
    """A cut too short to be noticed otherwise; the agent then opens a new session."""
    web = service()
    harness = DispatcherHarness(node("a"), web)
    session = harness.join()
    harness.run(5)
    harness.control_loop.heartbeat(Heartbeat("a", session.session_id))
    harness.run(0.1)
    harness.machine.network.partition(["manager"], ["worker"])
    harness.apply(create(on_a("t", web)))
    harness.run(1)
    harness.machine.network.heal()
    harness.run(1)
    for _ in range(3):
        harness.control_loop.heartbeat(Heartbeat("a", session.session_id))
        harness.run(2)
    assert [(m.number, m.tasks) for m in harness.pushed()] == [(1, ()), (2, ()), (4, ())]


@pytest.mark.parametrize("mode", ["replicated", "job"])
def test_a_secret_is_sent_where_a_task_needs_it_and_withdrawn_with_the_last(mode: str):
    """Withdrawn when the task is observed to be over, not when it is told to stop."""
    references = {
        "Secrets": [{"SecretID": "s", "SecretName": "key"}],
        "Configs": [{"ConfigID": "c", "ConfigName": "conf"}],
    }
    template = {"ContainerSpec": {"Image": "nginx", **references}}
    job = {"ReplicatedJob": {"MaxConcurrent": 1}} if mode == "job" else None
    web = service(mode=job, TaskTemplate=template)
    desired = TaskState.COMPLETE if mode == "job" else RUNNING
    objects = [
        Secret(id="s", spec=Document(Name="key"), data=b"k"),
        Secret(id="other", spec=Document(Name="other"), data=b"o"),
        Config(id="c", spec=Document(Name="conf"), data=b"c"),
    ]
    harness = DispatcherHarness(node("a"), web, *objects)
    session = harness.join()
    assert not harness.pushed()[0].secrets
    harness.apply(create(on_a("t", web, desired=desired)))
    sent = harness.pushed()[-1]
    assert ([s.id for s in sent.secrets], [c.id for c in sent.configs]) == (["s"], ["c"])
    harness.apply(update(replace(harness.store.tasks["t"], desired=SHUTDOWN)))
    assert harness.pushed()[-1].removed_secret_ids == ()
    harness.report_states(session, t=SHUTDOWN)
    last = harness.pushed()[-1]
    assert (last.removed_secret_ids, last.removed_config_ids) == (("s",), ("c",))


def test_registration_updates_the_nodes_description():
    """A changed description is stored with the state."""
    harness = DispatcherHarness(node("a"))
    described = freeze({"Hostname": "a", "Resources": {"NanoCPUs": 1}})
    harness.control_loop.register("worker", Register("a", described, "10.77.0.9"))
    harness.decide()
    stored: Node = harness.store.nodes["a"]
    assert stored.description == described
