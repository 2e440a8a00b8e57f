"""The agent and its tasks, with a fake dispatcher on another machine."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

from swarmlab.cluster.copies import copy_of
from swarmlab.engine.create_checks import check_config
from swarmlab.engine.dockerfile import image_config
from swarmlab.engine.volumes import Volumes
from swarmlab.errors import NotLeader, SwarmError, Unknown
from swarmlab.model import (
    Document,
    Node,
    NodeSpec,
    Role,
    Secret,
    ServiceSpec,
    Task,
    TaskState,
    TaskStatus,
    freeze,
)
from swarmlab.model.messages import (
    Assignments,
    Heartbeat,
    Register,
    Registered,
    ReportStatus,
    SessionChanged,
)
from swarmlab.model.trace_records import TaskStatusChanged
from swarmlab.simulation import MS, Machine, Network, S, Simulation
from swarmlab.worker.agent import Agent
from swarmlab.worker.containers import Containers
from swarmlab.worker.images import Images
from swarmlab.worker.registry import Registry

NODE = Node(id="node1", spec=NodeSpec(Role="worker", Availability="active"), role=Role.WORKER)
MANAGERS = ("10.0.0.1:2377", "10.0.0.2:2377")


class Dispatcher:
    """The manager's side of a session, controlled by the test."""

    leader = ""  # empty: this is the leader
    push_before_reply = False  # to Register

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.registered: list[tuple[int, Register]] = []
        self.heartbeats_ns: list[int] = []
        self.statuses: dict[str, TaskStatus] = {}
        self.session_id, self.number = "", 0

    def serve(self, source: str, body: Any) -> Any:
        now_ns = self.machine.simulation.now_ns
        if isinstance(body, Register):
            self.registered.append((now_ns, body))
            if self.leader:
                raise NotLeader("" if self.leader == "unknown" else self.leader)
            self.session_id, self.number = f"s{len(self.registered)}", 0
            if self.push_before_reply:
                self.push(make_task())
            return Registered(self.session_id, NODE, MANAGERS, period_ns=5 * S)
        if body.session_id != self.session_id:
            raise Unknown("session invalid")
        if isinstance(body, Heartbeat):
            self.heartbeats_ns.append(now_ns)
            return 5 * S
        assert isinstance(body, ReportStatus)
        self.statuses.update(body.statuses)
        return None

    def push(self, *tasks: Task, **more: Any) -> None:
        self.number += 1
        complete = more.pop("complete", self.number == 1)
        message = Assignments(self.session_id, self.number, complete, tasks, **more)
        self.machine.send("worker", message)

    def receive(self, source: str, message: Any) -> None: ...

    def shutdown(self) -> None: ...


class Engine:
    """The parts of a node that an agent needs."""

    node_id = "node1"

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.manager_addresses = MANAGERS
        self.containers = Containers(
            machine, Images(machine, Registry()), Volumes(machine), check_config
        )
        self.containers.images.import_image("demo:1", image_config(['CMD ["sleep","3600"]']))
        self.labels: dict[str, str] = {}
        self.session_changes: list[tuple[Node, tuple[str, ...]]] = []
        self.agent = Agent(self)
        self.agent.start()

    @property
    def description(self) -> Document:
        return Document(freeze({"Hostname": "worker", "Engine": {"Labels": self.labels}}))

    def session_changed(self, session: SessionChanged) -> None:
        self.session_changes.append((session.node, session.managers))

    def receive(self, source: str, message: Any) -> None:
        self.agent.receive(message)

    def serve(self, source: str, body: Any) -> Any:
        raise Unknown("no manager here")

    def shutdown(self) -> None:
        self.agent.shutdown()
        self.containers.shutdown()


class World:
    """One worker, and two machines with fake dispatchers; the first one is the leader."""

    def __init__(self, seed: int = 0) -> None:
        self.simulation = Simulation(seed)
        network = Network(self.simulation)
        self.m1 = Machine(network, "m1", "10.0.0.1", Dispatcher)
        self.m2 = Machine(network, "m2", "10.0.0.2", Dispatcher)
        self.worker = Machine(network, "worker", "10.0.0.9", Engine)
        for machine in (self.m1, self.m2):
            machine.start()
        self.follower.leader = "10.0.0.1:2377"
        self.worker.start()

    @property
    def dispatcher(self) -> Dispatcher:
        assert isinstance(self.m1.process, Dispatcher)
        return self.m1.process

    @property
    def follower(self) -> Dispatcher:
        assert isinstance(self.m2.process, Dispatcher)
        return self.m2.process

    @property
    def engine(self) -> Engine:
        assert isinstance(self.worker.process, Engine)
        return self.worker.process

    def run(self, duration_ns: int) -> None:
        self.simulation.run_until(self.simulation.now_ns + duration_ns)

    def state(self, task: Task) -> TaskState:
        return self.dispatcher.statuses[task.id].state

    def states_seen(self, task: Task) -> list[str]:
        records = self.simulation.trace.of(TaskStatusChanged)
        return [str(record.state) for record in records if record.task_id == task.id]

    def until(self, task: Task, state: TaskState) -> int:
        """Run until the worker reports the task in `state`; returns the time in nanoseconds."""
        assert self.simulation.run_while(lambda: str(state) not in self.states_seen(task), 100 * S)
        return self.simulation.now_ns


def make_task(id: str = "t1", *, desired: TaskState = TaskState.RUNNING, **container: Any) -> Task:
    networks = container.pop("networks", ())
    spec = ServiceSpec({"TaskTemplate": {"ContainerSpec": {"Image": "demo:1", **container}}})
    status = TaskStatus(state=TaskState.ASSIGNED, timestamp_ns=0)
    return Task(
        id=id, service_id="s1", service_name="web", slot=1, node_id="node1", spec=spec.task,
        desired=desired, status=status, networks=networks,
    )  # fmt: skip


def test_a_task_goes_through_all_states_to_running():
    """Source: swarmkit agent/exec/controller.go, Do."""
    world = World()
    world.run(1 * S)
    task = make_task()
    world.dispatcher.push(task)
    world.run(2 * S)
    assert world.states_seen(task) == ["accepted", "preparing", "ready", "starting", "running"]
    status = world.dispatcher.statuses[task.id]
    assert (status.state, status.message, status.err) == (TaskState.RUNNING, "started", "")
    container = world.engine.containers.get("web.1.t1")
    assert status.container == {
        "ContainerID": container.id, "PID": container.pid, "ExitCode": 0,
    }  # fmt: skip
    assert container.config["Labels"]["com.docker.swarm.task.id"] == "t1"


def test_the_stop_of_a_running_task_begins_one_second_after_the_desired_state_changed():
    """The cancelled wait is retried after a second. Source: swarmkit agent/task.go."""
    world = World()
    world.run(1 * S)
    task = make_task(Image="nginx")
    world.dispatcher.push(task)
    world.until(task, TaskState.RUNNING)
    changed_ns = world.simulation.now_ns
    world.dispatcher.push(replace(task, desired=TaskState.SHUTDOWN))
    stopped_ns = world.until(task, TaskState.SHUTDOWN)
    assert 1 * S + 100 * MS <= stopped_ns - changed_ns <= 1 * S + 310 * MS


def test_a_task_with_networks_waits_two_seconds_more_for_the_load_balancers():
    """Source: moby daemon/cluster/executor/container/controller.go, Shutdown."""
    world = World()
    world.run(1 * S)
    network = freeze({"Network": {"ID": "i", "Spec": {"Name": "ingress"}}})
    task = make_task(Image="nginx", networks=(network,))
    world.dispatcher.push(task)
    world.until(task, TaskState.RUNNING)
    changed_ns = world.simulation.now_ns
    world.dispatcher.push(replace(task, desired=TaskState.SHUTDOWN))
    assert 3 * S < world.until(task, TaskState.SHUTDOWN) - changed_ns < 3 * S + 310 * MS


def test_a_task_paused_at_ready_starts_at_once():
    world = World()
    world.run(1 * S)
    task = make_task(desired=TaskState.READY)
    world.dispatcher.push(task)
    world.until(task, TaskState.READY)
    world.run(5 * S)
    assert world.state(task) == TaskState.READY
    changed_ns = world.simulation.now_ns
    world.dispatcher.push(replace(task, desired=TaskState.RUNNING))
    assert world.until(task, TaskState.RUNNING) - changed_ns < 400 * MS


def test_a_smaller_desired_state_is_ignored():
    """Source: swarmkit agent/task.go, run."""
    world = World()
    world.run(1 * S)
    task = make_task(Args=["sh", "-c", "sleep 3; exit 3"])
    world.dispatcher.push(task)
    world.run(2 * S)
    world.dispatcher.push(replace(task, desired=TaskState.READY))
    world.run(5 * S)
    assert world.state(task) == TaskState.FAILED


def test_a_failed_step_keeps_the_message_and_reports_the_error():
    """REJECTED before STARTING, FAILED from then on. Source: swarmkit agent/exec/controller.go."""
    world = World()
    world.run(1 * S)
    absent = make_task("t1", Image="nosuch:9")
    failing = make_task("t2", Args=["sh", "-c", "sleep 1; exit 3"])
    invalid = make_task("t3", Image="")
    world.dispatcher.push(absent, failing, invalid)
    world.run(4 * S)
    statuses = world.dispatcher.statuses.items()
    assert {id: (str(s.state), s.message, s.err) for id, s in statuses} == {
        "t1": ("rejected", "preparing", "No such image: nosuch:9"),
        "t2": ("failed", "started", "task: non-zero exit (3)"),
        "t3": ("rejected", "resolving controller failed", "dockerexec: image required"),
    }


def test_a_crash_fails_the_running_tasks_with_255():
    """Source: moby daemon/cluster/noderunner.go; swarmkit agent/worker.go."""
    world = World()
    world.run(1 * S)
    task = make_task()
    world.dispatcher.push(task)
    world.until(task, TaskState.RUNNING)
    world.worker.crash()
    world.run(3 * S)
    world.worker.start()
    world.run(3 * S)
    assert world.dispatcher.statuses[task.id].err == "task: non-zero exit (255)"
    # The task resumed at the state on the disk.
    assert world.states_seen(task).count("accepted") == 1


def test_after_an_orderly_engine_stop_the_container_is_gone():
    """Task files are deleted and nothing is reported. Source: moby daemon/cluster/cluster.go."""
    world = World()
    world.run(1 * S)
    task = make_task()
    world.dispatcher.push(task)
    world.until(task, TaskState.RUNNING)
    world.run(1 * S)
    world.worker.stop()
    assert world.worker.disk.names("swarm/worker/") == []
    world.run(1 * S)
    world.worker.start()
    world.run(3 * S)
    world.dispatcher.push(replace(task, status=world.dispatcher.statuses[task.id]))
    world.run(3 * S)
    assert world.dispatcher.statuses[task.id].err == "No such container: web.1.t1"


def test_a_task_that_is_no_longer_assigned_is_stopped_and_its_container_removed():
    """Source: swarmkit agent/worker.go, reconcileTaskState."""
    world = World()
    world.run(1 * S)
    task = make_task(Image="nginx")
    world.dispatcher.push(task)
    world.until(task, TaskState.RUNNING)
    world.dispatcher.push(removed_task_ids=("t1",))
    world.run(1 * S)
    assert world.engine.containers.all() == []
    assert world.worker.disk.names("swarm/worker/") == []


def test_a_secret_is_a_file_in_the_container_and_never_on_the_disk():
    """Source: swarmkit agent/secrets/secrets.go; moby daemon/container_operations_unix.go."""
    world = World()
    world.run(1 * S)
    secret = Secret(id="x1", spec=Document(Name="password"), data=b"hunter2")
    target = {"Name": "password", "UID": "0", "GID": "0", "Mode": 0o400}
    reference = {"SecretID": "x1", "SecretName": "password", "File": target}
    task = make_task(Secrets=[reference])
    other = make_task("t2", Secrets=[{**reference, "SecretID": "x2"}])
    world.dispatcher.push(task, other, secrets=(secret,))
    world.run(2 * S)
    file = world.engine.containers.get("web.1.t1").files["/run/secrets/password"]
    assert (file.data, file.mode) == (b"hunter2", 0o400)
    disk = world.worker.disk
    assert all(b"hunter2" not in disk.read(name) for name in disk.names())
    assert "hunter2" not in repr(world.engine.agent.executor.dependencies)
    err = "starting container failed: unable to get secret from secret store: secret x2 not found"
    assert world.dispatcher.statuses["t2"].err == err


def test_a_follower_redirects_the_agent_to_the_leader_at_once():
    for seed in range(5):
        world = World(seed)
        world.run(100 * MS)
        assert len(world.dispatcher.registered) == 1
        assert world.engine.session_changes == [(NODE, MANAGERS)]


def test_without_a_leader_the_agent_backs_off_to_eight_seconds():
    """b = min(100 ms + 2b, 8 s), a wait uniform in [0, b). Source: swarmkit agent/agent.go."""
    world = World()
    world.dispatcher.leader = world.follower.leader = "unknown"
    world.run(60 * S)
    attempts = sorted(at for d in (world.dispatcher, world.follower) for at, _ in d.registered)
    gaps = [after - before for before, after in pairwise(attempts)]
    assert gaps[0] < 200 * MS
    assert max(gaps) < 8 * S + 10 * MS
    assert 10 < len(attempts) < 40
    world.dispatcher.leader, world.follower.leader = "", "10.0.0.1:2377"
    world.run(10 * S)
    assert world.engine.agent.session_id


def test_after_a_restart_of_the_manager_a_new_session_reports_all_tasks_again():
    world = World()
    world.run(1 * S)
    task = make_task()
    world.dispatcher.push(task)
    world.run(3 * S)
    world.m1.crash()
    world.run(1 * S)
    world.m1.start()
    world.run(12 * S)
    assert len(world.dispatcher.registered) == 1
    assert world.state(task) == TaskState.RUNNING
    assert len(world.dispatcher.heartbeats_ns) >= 1


def test_a_push_that_arrives_before_the_reply_to_register_is_kept():
    world = World()
    world.dispatcher.push_before_reply = True
    world.run(1 * S)
    assert list(world.engine.agent.tasks) == ["t1"]


def test_complete_assignments_replace_all_earlier_ones():
    """Source: swarmkit agent/worker.go, Assign."""
    world = World()
    world.run(1 * S)
    secret = Secret(id="x1", spec=Document(Name="password"), data=b"hunter2")
    world.dispatcher.push(make_task("t1"), secrets=(secret,))
    world.run(1 * S)
    world.dispatcher.push(make_task("t2"), complete=True)
    world.run(1 * S)
    assert list(world.engine.agent.tasks) == ["t2"]
    assert world.engine.agent.executor.dependencies.secrets == {}


def test_a_lost_status_report_is_sent_again_in_the_same_session():
    world = World()
    world.run(1 * S)
    task = make_task(Args=["sh", "-c", "sleep 2; exit 3"])
    world.dispatcher.push(task)
    world.run(2 * S)
    world.m1.network.partition(["m1"], ["worker", "m2"])
    world.run(1500 * MS)
    assert world.states_seen(task)[-1] == "failed"
    world.m1.network.heal()
    world.run(9 * S)
    assert world.state(task) == TaskState.FAILED
    assert len(world.dispatcher.registered) == 1


def test_one_session_sends_one_heartbeat_a_period():
    world = World()
    world.run(1 * S)
    for _ in range(3):
        world.dispatcher.number += 2  # a gap: the agent opens a session anew
        world.dispatcher.push()
        world.run(1 * S)
    world.dispatcher.heartbeats_ns.clear()
    world.run(20 * S)
    assert len(world.dispatcher.heartbeats_ns) == 4


def test_a_gap_in_the_assignments_opens_a_new_session():
    world = World()
    world.run(1 * S)
    world.dispatcher.push()
    world.dispatcher.number += 1
    world.dispatcher.push(make_task())
    world.run(1 * S)
    assert len(world.dispatcher.registered) == 2
    assert "t1" not in world.engine.agent.tasks


def test_a_changed_description_is_sent_within_twenty_seconds():
    world = World()
    world.run(1 * S)
    world.engine.labels["disk"] = "ssd"
    world.run(21 * S)
    _, register = world.dispatcher.registered[-1]
    assert register.description.at("Engine", "Labels") == {"disk": "ssd"}


def test_changes_of_the_node_reach_the_engine():
    world = World()
    world.run(1 * S)
    node = replace(NODE, role=Role.MANAGER)
    message = SessionChanged(world.dispatcher.session_id, node, MANAGERS[:1])
    world.m1.send("worker", message)
    world.run(1 * S)
    assert world.engine.session_changes[-1] == (node, MANAGERS[:1])


def test_a_shutdown_removes_all_containers_and_task_files():
    world = World()
    world.run(1 * S)
    world.dispatcher.push(make_task())
    world.run(3 * S)
    world.engine.agent.shutdown()
    assert world.engine.containers.all() == []
    assert world.worker.disk.names("swarm/worker/") == []


def test_a_copy_runs_exactly_as_the_original():
    world = World(seed=3)
    world.run(1 * S)
    task = make_task(Args=["sh", "-c", "while true; do date; sleep 2; done"])
    world.dispatcher.push(task)
    world.run(3 * S)
    twin = copy_of(world)
    for either in (world, twin):
        either.dispatcher.push(replace(task, desired=TaskState.SHUTDOWN))
        either.run(20 * S)
    assert world.simulation.trace.digest() == twin.simulation.trace.digest()
    assert world.state(task) == twin.state(task) == TaskState.SHUTDOWN
    assert world.engine is not twin.engine


def test_refusals_are_errors_of_our_tree():
    assert issubclass(NotLeader, SwarmError)
