"""A task's controller and its steps, without an agent."""

from dataclasses import replace
from typing import Any

import pytest

from swarmlab.engine.create_checks import check_config
from swarmlab.engine.dockerfile import image_config
from swarmlab.engine.volumes import Volumes
from swarmlab.errors import SwarmError
from swarmlab.model import (
    Config,
    Document,
    Secret,
    ServiceSpec,
    Task,
    TaskState,
    TaskStatus,
    freeze,
)
from swarmlab.programs.file_system import File
from swarmlab.simulation import MS, Call, Machine, Network, S, Simulation
from swarmlab.worker import task_manager
from swarmlab.worker.containers import Containers
from swarmlab.worker.controller import Controller
from swarmlab.worker.executor import Executor
from swarmlab.worker.images import Images
from swarmlab.worker.registry import Registry
from swarmlab.worker.secrets import Dependencies
from swarmlab.worker.task_manager import next_step

NODE = Document(freeze({"Hostname": "w1", "Platform": {"OS": "linux", "Architecture": "x86_64"}}))


class Idle:
    def __init__(self, machine: Machine) -> None: ...


@pytest.fixture
def containers() -> Containers:
    machine = Machine(Network(Simulation(1)), "n1", "10.0.0.1", Idle)
    machine.start()
    images = Images(machine, Registry())
    images.import_image("demo:1", image_config(['CMD ["sleep","3600"]']))
    return Containers(machine, images, Volumes(machine), check_config)


def make_task(**container: Any) -> Task:
    more = {key: container.pop(key) for key in ("endpoint_spec", "networks") if key in container}
    spec = ServiceSpec({"TaskTemplate": {"ContainerSpec": {"Image": "demo:1", **container}}})
    status = TaskStatus(state=TaskState.ASSIGNED, timestamp_ns=0)
    return Task(
        id="t1", service_id="s1", service_name="web", slot=2, node_id="node1", spec=spec.task,
        desired=TaskState.RUNNING, status=status, **more,
    )  # fmt: skip


def make_controller(containers: Containers, **container: Any) -> Controller:
    return Executor(containers, Dependencies(), NODE).controller(make_task(**container))


def outcome(containers: Containers, call: Call, limit_ns: int = 60 * S) -> str:
    """`done`, `waiting`, or the error's message."""
    containers.machine.simulation.run_while(lambda: call.waiting, limit_ns)
    return str(call.error) if call.error else "done" if call.done else "waiting"


def prepared(containers: Containers, **container: Any) -> Controller:
    controller = make_controller(containers, **container)
    assert outcome(containers, controller.prepare()) == "done"
    return controller


def test_the_next_step_depends_on_the_state_and_the_desired_state():
    """Source: swarmkit agent/exec/controller.go, Do."""
    T = TaskState
    steps = {
        (T.ASSIGNED, T.RUNNING): T.ACCEPTED, (T.ACCEPTED, T.READY): T.PREPARING,
        (T.PREPARING, T.READY): T.READY, (T.READY, T.READY): None, (T.READY, T.RUNNING): T.STARTING,
        (T.STARTING, T.RUNNING): T.RUNNING, (T.RUNNING, T.RUNNING): T.COMPLETE,
        (T.RUNNING, T.COMPLETE): T.COMPLETE, (T.COMPLETE, T.RUNNING): None,
        (T.READY, T.SHUTDOWN): T.SHUTDOWN, (T.FAILED, T.SHUTDOWN): None,
        (T.STARTING, T.READY): None,
        (T.RUNNING, T.REMOVE): T.SHUTDOWN, (T.ASSIGNED, T.SHUTDOWN): T.SHUTDOWN,
    }  # fmt: skip
    next_steps = {pair: next_step(*pair) for pair in steps}
    assert {pair: step and step[1] for pair, step in next_steps.items()} == steps


def test_a_pull_that_fails_matters_only_when_the_image_is_absent(containers):
    """Engines up to 28. Source: moby daemon/cluster/executor/container/controller.go, Prepare."""
    absent = make_controller(containers, Image="shop:7")
    assert outcome(containers, absent.prepare()) == "No such image: shop:7"
    assert outcome(containers, make_controller(containers).prepare()) == "done"


def test_without_a_health_check_a_task_is_running_at_once(containers):
    controller = prepared(containers)
    started_at_ns = containers.machine.simulation.now_ns
    assert outcome(containers, controller.start()) == "done"
    assert containers.machine.simulation.now_ns - started_at_ns < 400 * MS


def test_with_a_health_check_a_task_is_running_when_it_is_healthy(containers):
    check = {"Test": ["CMD-SHELL", "test -f /ok"], "Interval": 1 * S, "Retries": 99}
    controller = prepared(containers, Healthcheck=check)
    call = controller.start()
    assert outcome(containers, call, 20 * S) == "waiting"
    controller.container.files["/ok"] = controller.container.files["/etc/hostname"]
    assert outcome(containers, call, 2 * S) == "done"


CHECK = {"Test": ["CMD-SHELL", "false"], "Interval": 1 * S, "Retries": 2}


def test_an_unhealthy_container_is_stopped_and_the_error_says_so(containers):
    """Source: moby daemon/cluster/executor/container/controller.go; the recording health.json."""
    controller = prepared(containers, Healthcheck=CHECK)
    message = "task: non-zero exit (137): dockerexec: unhealthy container"
    assert outcome(containers, controller.start()) == message


def test_an_unhealthy_container_that_stops_with_code_0_counts_as_started(containers):
    """Source: moby daemon/cluster/executor/container/controller.go, Start."""
    containers.images.pull("nginx")
    containers.machine.simulation.run_until(5 * S)
    controller = prepared(containers, Image="nginx", Healthcheck=CHECK)
    assert outcome(containers, controller.start()) == "done"
    assert controller.container.state == "exited"
    assert outcome(containers, controller.wait()) == "done"


def test_a_check_that_passes_too_late_does_not_start_the_task(containers):
    """Asked on a real engine (26.1.5): the task stays STARTING through the grace, then fails."""
    check = {"Test": ["CMD-SHELL", "test -f /ok"], "Interval": 1 * S, "Retries": 2}
    controller = prepared(containers, Healthcheck=check)
    call = controller.start()
    assert outcome(containers, call, 3 * S) == "waiting"
    assert controller.container.health.status == "unhealthy"
    controller.container.files["/ok"] = controller.container.files["/etc/hostname"]
    assert outcome(containers, call, 3 * S) == "waiting"
    assert controller.container.health.status == "healthy"
    assert "unhealthy container" in outcome(containers, call, 20 * S)


def test_a_running_container_that_becomes_unhealthy_and_stops_with_code_0_has_finished(containers):
    """COMPLETE: with condition on-failure it is not restarted. Source: moby controller.go, Wait."""
    containers.images.pull("nginx")
    containers.machine.simulation.run_until(5 * S)
    check = {"Test": ["CMD-SHELL", "test -f /ok"], "Interval": 1 * S, "Retries": 2}
    controller = prepared(containers, Image="nginx", Healthcheck=check)
    controller.container.files["/ok"] = controller.container.files["/etc/hostname"]
    assert outcome(containers, controller.start()) == "done"
    wait = controller.wait()
    assert outcome(containers, wait, 5 * S) == "waiting"
    del controller.container.files["/ok"]
    assert outcome(containers, wait) == "done"
    assert controller.container.state == "exited"


def test_a_container_that_dies_while_it_starts_fails_the_start(containers):
    controller = prepared(containers, Healthcheck=CHECK, Args=["sh", "-c", "sleep 1; exit 4"])
    assert outcome(containers, controller.start()) == "task: non-zero exit (4)"
    quick = Controller(make_task(Healthcheck=CHECK), containers, Dependencies(), NODE)
    containers.remove(controller.container, force=True)
    assert outcome(containers, quick.prepare()) == "done"
    call = quick.start()
    containers.machine.simulation.run_until(containers.machine.simulation.now_ns + 1 * S)
    containers.remove(quick.container, force=True)
    assert outcome(containers, call) == "task: non-zero exit (137)"


def test_a_container_that_ran_before_is_not_started_again(containers):
    """The wait then gets its exit code. Source: controller.go, Start (ErrTaskStarted)."""
    controller = prepared(containers, Args=["sh", "-c", "exit 5"])
    assert outcome(containers, controller.start()) == "done"
    started_ns = controller.container.started_ns
    again = Controller(controller.task, containers, Dependencies(), NODE)
    assert outcome(containers, again.start()) == "done"
    assert controller.container.started_ns == started_ns
    assert outcome(containers, again.wait()) == "task: non-zero exit (5)"
    assert containers.machine.simulation.now_ns < 2 * S


def test_a_cancelled_pull_creates_no_container(containers):
    controller = make_controller(containers, Image="nginx")
    call = controller.prepare()
    controller.cancel()
    assert outcome(containers, call, 10 * S) == "waiting"
    assert containers.all() == []


def test_a_port_in_use_fails_the_start(containers):
    ports = {"Ports": [{"TargetPort": 80, "PublishedPort": 8080, "PublishMode": "host"}]}
    other = Document(freeze({
        "Image": "demo:1", "HostConfig": {"PortBindings": {"80/tcp": [{"HostPort": "8080"}]}},
    }))  # fmt: skip
    containers.start(containers.create("other", other))
    controller = prepared(containers, endpoint_spec=Document(freeze(ports)))
    message = (
        "starting container failed: driver failed programming external connectivity on endpoint"
    )
    assert outcome(containers, controller.start()).startswith(message)
    containers.kill(containers.get("other"))


def test_a_grace_below_a_second_is_an_immediate_kill(containers):
    """Source: moby daemon/cluster/executor/container/container.go."""
    controller = prepared(containers, StopGracePeriod=999 * MS)
    outcome(containers, controller.start())
    started_at_ns = containers.machine.simulation.now_ns
    assert outcome(containers, controller.shutdown()) == "done"
    assert containers.machine.simulation.now_ns == started_at_ns
    assert controller.container.exit_code == 137


def test_a_step_without_its_container_fails_with_its_name(containers):
    with pytest.raises(SwarmError, match=r"^No such container: web\.2\.t1$"):
        make_controller(containers).wait()
    assert outcome(containers, make_controller(containers).shutdown()) == "done"


@pytest.mark.parametrize(
    ("mount", "message"),
    [
        ({"Type": "volume", "Target": "data"},
         "invalid mount target, must be an absolute path: data"),
        ({"Type": "bind", "Source": "x", "Target": "/x"},
         "invalid bind mount source, must be an absolute path: x"),
        ({"Type": "volume", "Source": "/x", "Target": "/x"},
         "invalid volume mount source, must not be an absolute path: /x"),
        ({"Type": "tmpfs", "Source": "x", "Target": "/x"},
         "invalid tmpfs source, source must be empty"),
    ],
)  # fmt: skip
def test_an_invalid_mount_is_rejected_on_the_node(containers, mount, message):
    """Source: moby daemon/cluster/executor/container/validate.go."""
    with pytest.raises(SwarmError) as raised:
        make_controller(containers, Mounts=[mount])
    assert str(raised.value) == message


def test_a_bind_mount_needs_its_source(containers):
    controller = make_controller(
        containers, Mounts=[{"Type": "bind", "Source": "/x/y", "Target": "/y"}]
    )
    message = 'invalid mount config for type "bind": bind source path does not exist: /x/y'
    assert outcome(containers, controller.prepare()) == message


def test_templates_in_env_and_hostname_are_expanded(containers):
    """Source: swarmkit template/context.go."""
    line = "W={{.Service.Name}}.{{.Task.Slot}} {{ .Node.Hostname }} {{.Node.ID}} {{.Task.Name}}"
    controller = prepared(containers, Env=[line], Hostname="{{.Service.Name}}-{{.Task.Slot}}")
    assert controller.container.environment["W"] == "web.2 w1 node1 web.2.t1"
    assert controller.container.hostname == "web-2"


def test_a_config_with_a_template_driver_is_expanded_on_the_node(containers):
    """With env, secret and the task's own fields. Source: swarmkit template/{context,expand}.go."""
    text = b'{{.Service.Name}} {{env "A"}} {{secret "pw"}}'
    templating = freeze({"Name": "b", "Templating": {"Name": "golang"}})
    controller = prepared(
        containers,
        Env=["A=1"],
        Secrets=[{"SecretID": "x", "SecretName": "a", "File": {"Name": "pw"}}],
        Configs=[{"ConfigID": "y", "ConfigName": "b", "File": {"Name": "b"}}],
    )
    controller.dependencies.secrets["x"] = Secret(id="x", spec=Document(Name="a"), data=b"s")
    controller.dependencies.configs["y"] = Config(id="y", spec=templating, data=text)
    outcome(containers, controller.start())
    assert controller.container.files["/b"].data == b"web 1 s"


def test_secrets_and_configs_become_files_with_owner_and_mode(containers):
    secret = Secret(id="x", spec=Document(Name="a"), data=b"s")
    config = Config(id="y", spec=Document(Name="b"), data=b"c")
    file = {"UID": "7", "GID": "8", "Mode": 0o440}
    controller = prepared(
        containers,
        Secrets=[{"SecretID": "x", "SecretName": "a", "File": {**file, "Name": "a"}}],
        Configs=[{"ConfigID": "y", "ConfigName": "b", "File": {**file, "Name": "b"}},
                 {"ConfigID": "y", "ConfigName": "b", "File": {**file, "Name": "/etc/b"}}],
    )  # fmt: skip
    controller.dependencies.secrets["x"], controller.dependencies.configs["y"] = (
        secret,
        config,
    )
    outcome(containers, controller.start())
    files = controller.container.files
    assert files["/run/secrets/a"] == File(b"s", 0o440, 7, 8)
    assert files["/b"] == files["/etc/b"] == File(b"c", 0o440, 7, 8)


class Slow:
    """A controller whose steps are answered by the test."""

    status, ports = None, ()

    def __init__(self, task: Task) -> None:
        self.task, self.calls = task, list[Call]()

    def controller(self, task: Task) -> Any:
        return self

    def _step(self) -> Call:
        self.calls.append(Call())
        return self.calls[-1]

    prepare = shutdown = _step

    def cancel(self) -> None: ...


def test_the_late_answer_to_a_step_that_was_given_up_is_ignored(containers, monkeypatch):
    slow, reports = Slow(make_task()), list[TaskState]()
    steps = {TaskState.PREPARING: (Slow.prepare, TaskState.READY, "prepared")}
    monkeypatch.setattr(task_manager, "STEPS", task_manager.STEPS | steps)
    monkeypatch.setattr(task_manager, "SHUTDOWN", (Slow.shutdown, TaskState.SHUTDOWN, "shutdown"))
    manager = task_manager.TaskManager(
        slow.task, containers.machine, lambda task: reports.append(task.state), slow
    )
    manager.run()
    manager.update(replace(manager.task, desired=TaskState.SHUTDOWN))
    slow.calls[0].resolve()
    assert reports == [TaskState.ACCEPTED, TaskState.PREPARING]
    containers.machine.simulation.run_until(2 * S)
    slow.calls[1].resolve()
    assert reports[2:] == [TaskState.SHUTDOWN]
