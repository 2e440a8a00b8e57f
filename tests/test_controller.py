"""A task's controller, step by step, without an agent."""

from typing import Any

import pytest

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
from swarmlab.simulation import MS, Call, Machine, Network, S, Simulation
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
    images.import_image("demo:1", ['CMD ["sleep","3600"]'])
    return Containers(machine, images)


def make_task(**container: Any) -> Task:
    more = {key: container.pop(key) for key in ("endpoint_spec", "networks") if key in container}
    spec = ServiceSpec({"TaskTemplate": {"ContainerSpec": {"Image": "demo:1", **container}}})
    status = TaskStatus(state=TaskState.ASSIGNED, timestamp_ns=0)
    return Task(
        id="t1", service_id="s1", service_name="web", slot=2, node_id="node1", spec=spec.task,
        desired=TaskState.RUNNING, status=status, **more,
    )  # fmt: skip


def controller(containers: Containers, **container: Any) -> Controller:
    return Executor(containers, Dependencies(), NODE).controller(make_task(**container))


def outcome(containers: Containers, call: Call, limit_ns: int = 60 * S) -> str:
    """`done`, `waiting`, or the error's words."""
    containers.machine.simulation.run_while(lambda: call.waiting, limit_ns)
    return str(call.error) if call.error else "done" if call.done else "waiting"


def up(containers: Containers, **container: Any) -> Controller:
    made = controller(containers, **container)
    assert outcome(containers, made.prepare()) == "done"
    return made


def test_the_step_that_comes_next_is_a_table():
    """Source: swarmkit agent/exec/controller.go, Do; spec 7.5."""
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
    found = {pair: next_step(*pair) for pair in steps}
    assert {pair: step and step[1] for pair, step in found.items()} == steps


def test_a_pull_that_fails_matters_only_when_the_image_is_absent(containers):
    """Engines up to 28. Source: spec 8.1."""
    absent = controller(containers, Image="shop:7")
    assert outcome(containers, absent.prepare()) == "No such image: shop:7"
    assert outcome(containers, controller(containers).prepare()) == "done"


def test_without_a_health_check_it_runs_at_once(containers):
    made = up(containers)
    begun_ns = containers.machine.simulation.now_ns
    assert outcome(containers, made.start()) == "done"
    assert containers.machine.simulation.now_ns - begun_ns < 400 * MS


def test_with_a_health_check_it_runs_when_it_is_healthy(containers):
    check = {"Test": ["CMD-SHELL", "test -f /ok"], "Interval": 1 * S, "Retries": 99}
    made = up(containers, Healthcheck=check)
    call = made.start()
    assert outcome(containers, call, 20 * S) == "waiting"
    made.container.files["/ok"] = made.container.files["/etc/hostname"]
    assert outcome(containers, call, 2 * S) == "done"


CHECK = {"Test": ["CMD-SHELL", "false"], "Interval": 1 * S, "Retries": 2}


def test_an_unhealthy_container_is_stopped_and_the_error_says_so(containers):
    """Source: spec 8.2, 8.6; the recording health.json."""
    made = up(containers, Healthcheck=CHECK)
    words = "task: non-zero exit (137): dockerexec: unhealthy container"
    assert outcome(containers, made.start()) == words


def test_an_unhealthy_container_that_stops_with_code_0_counts_as_started(containers):
    """Source: moby daemon/cluster/executor/container/controller.go, Start; spec 8.2 TRAP."""
    containers.images.pull("nginx")
    containers.machine.simulation.run_until(5 * S)
    made = up(containers, Image="nginx", Healthcheck=CHECK)
    assert outcome(containers, made.start()) == "done"
    assert made.container.state == "exited"
    assert outcome(containers, made.wait()) == "done"


def test_one_that_turns_unhealthy_while_it_runs_and_stops_with_code_0_has_finished(containers):
    """COMPLETE, so with condition on-failure it is not restarted. Source: spec 8.3 TRAP."""
    containers.images.pull("nginx")
    containers.machine.simulation.run_until(5 * S)
    check = {"Test": ["CMD-SHELL", "test -f /ok"], "Interval": 1 * S, "Retries": 2}
    made = up(containers, Image="nginx", Healthcheck=check)
    made.container.files["/ok"] = made.container.files["/etc/hostname"]
    assert outcome(containers, made.start()) == "done"
    wait = made.wait()
    assert outcome(containers, wait, 5 * S) == "waiting"
    del made.container.files["/ok"]
    assert outcome(containers, wait) == "done"
    assert made.container.state == "exited"


def test_a_container_that_dies_while_it_starts_fails_the_start(containers):
    made = up(containers, Healthcheck=CHECK, Args=["sh", "-c", "sleep 1; exit 4"])
    assert outcome(containers, made.start()) == "task: non-zero exit (4)"
    quick = Controller(make_task(Healthcheck=CHECK), containers, Dependencies(), NODE)
    containers.remove(made.container, force=True)
    assert outcome(containers, quick.prepare()) == "done"
    call = quick.start()
    containers.machine.simulation.run_until(containers.machine.simulation.now_ns + 1 * S)
    containers.remove(quick.container, force=True)
    assert outcome(containers, call) == "task: non-zero exit (137)"


def test_a_container_that_ran_before_is_not_started_again(containers):
    """The wait then finds out how it ended. Source: controller.go, Start (ErrTaskStarted)."""
    made = up(containers, Args=["sh", "-c", "exit 5"])
    assert outcome(containers, made.start()) == "done"
    started_ns = made.container.started_ns
    again = Controller(made.task, containers, Dependencies(), NODE)
    assert outcome(containers, again.start()) == "done"
    assert made.container.started_ns == started_ns
    assert outcome(containers, again.wait()) == "task: non-zero exit (5)"
    assert containers.machine.simulation.now_ns < 2 * S


def test_a_pull_that_was_given_up_creates_nothing(containers):
    made = controller(containers, Image="nginx")
    call = made.prepare()
    made.cancel()
    assert outcome(containers, call, 10 * S) == "waiting"
    assert containers.all() == []


def test_a_port_in_use_fails_the_start(containers):
    ports = {"Ports": [{"TargetPort": 80, "PublishedPort": 8080, "PublishMode": "host"}]}
    other = Document(freeze({
        "Image": "demo:1", "HostConfig": {"PortBindings": {"80/tcp": [{"HostPort": "8080"}]}},
    }))  # fmt: skip
    containers.start(containers.create("other", other))
    made = up(containers, endpoint_spec=Document(freeze(ports)))
    words = "starting container failed: driver failed programming external connectivity on endpoint"
    assert outcome(containers, made.start()).startswith(words)
    containers.kill(containers.get("other"))


def test_a_grace_below_a_second_is_an_immediate_kill(containers):
    """Source: moby daemon/cluster/executor/container/container.go; spec 8.4 TRAP."""
    made = up(containers, StopGracePeriod=999 * MS)
    outcome(containers, made.start())
    begun_ns = containers.machine.simulation.now_ns
    assert outcome(containers, made.shutdown()) == "done"
    assert containers.machine.simulation.now_ns == begun_ns
    assert made.container.exit_code == 137


def test_a_step_on_a_container_that_is_gone_says_its_name(containers):
    with pytest.raises(SwarmError, match=r"^No such container: web\.2\.t1$"):
        controller(containers).wait()
    assert outcome(containers, controller(containers).shutdown()) == "done"


@pytest.mark.parametrize(
    ("mount", "words"),
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
def test_a_mount_that_makes_no_sense_is_refused_on_the_node(containers, mount, words):
    """Source: moby daemon/cluster/executor/container/validate.go; spec 8.6."""
    with pytest.raises(SwarmError) as refusal:
        controller(containers, Mounts=[mount])
    assert str(refusal.value) == words


def test_a_bind_mount_needs_its_source(containers):
    made = controller(containers, Mounts=[{"Type": "bind", "Source": "/x/y", "Target": "/y"}])
    words = 'invalid mount config for type "bind": bind source path does not exist: /x/y'
    assert outcome(containers, made.prepare()) == words


def test_templates_in_env_and_hostname_are_filled_in(containers):
    """Source: swarmkit template/context.go."""
    line = "W={{.Service.Name}}.{{.Task.Slot}} {{ .Node.Hostname }} {{.Node.ID}} {{.Task.Name}}"
    made = up(containers, Env=[line], Hostname="{{.Service.Name}}-{{.Task.Slot}}")
    assert made.container.environment["W"] == "web.2 w1 node1 web.2.t1"
    assert made.container.hostname == "web-2"


def test_a_config_with_a_template_driver_is_expanded_on_the_node(containers):
    """By environment, secret and the task's own facts. Source: spec api-security 5.5."""
    text = b'{{.Service.Name}} {{env "A"}} {{secret "pw"}}'
    templating = freeze({"Name": "b", "Templating": {"Name": "golang"}})
    made = up(
        containers,
        Env=["A=1"],
        Secrets=[{"SecretID": "x", "SecretName": "a", "File": {"Name": "pw"}}],
        Configs=[{"ConfigID": "y", "ConfigName": "b", "File": {"Name": "b"}}],
    )
    made.dependencies.secrets["x"] = Secret(id="x", spec=Document(Name="a"), data=b"s")
    made.dependencies.configs["y"] = Config(id="y", spec=templating, data=text)
    outcome(containers, made.start())
    assert made.container.files["/b"].data == b"web 1 s"


def test_secrets_and_configs_become_files_of_their_owner(containers):
    secret = Secret(id="x", spec=Document(Name="a"), data=b"s")
    config = Config(id="y", spec=Document(Name="b"), data=b"c")
    file = {"UID": "7", "GID": "8", "Mode": 0o440}
    made = up(
        containers,
        Secrets=[{"SecretID": "x", "SecretName": "a", "File": {**file, "Name": "a"}}],
        Configs=[{"ConfigID": "y", "ConfigName": "b", "File": {**file, "Name": "b"}},
                 {"ConfigID": "y", "ConfigName": "b", "File": {**file, "Name": "/etc/b"}}],
    )  # fmt: skip
    made.dependencies.secrets["x"], made.dependencies.configs["y"] = secret, config
    outcome(containers, made.start())
    files = made.container.files
    assert files["/run/secrets/a"] == (b"s", 0o440, 7, 8)
    assert files["/b"] == files["/etc/b"] == (b"c", 0o440, 7, 8)
