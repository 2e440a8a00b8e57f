"""Streams: logs, events, waits and exec."""

from __future__ import annotations

import io
import threading

import docker
import pytest

import swarmlab
from swarmlab.engine.streams import frame
from swarmlab.jupyter.magic import run_commands
from swarmlab.model import TaskState
from swarmlab.simulation import S
from swarmlab.units import MINUTE
from tests.fake_engine import Lab

CHATTY = ["sh", "-c", "".join(f"echo out {i}; echo err {i} >&2; sleep 1; " for i in (1, 2, 3))]


@pytest.fixture
def lab() -> Lab:
    lab = Lab()
    lab.client.images.pull("busybox")
    return lab


def ended(lab: Lab, command: list[str], **more: object):
    container = lab.client.containers.run("busybox", command, detach=True, **more)
    container.wait()
    return container


def test_a_frame_starts_with_its_channel_and_length():
    """Source: moby pkg/stdcopy."""
    assert frame("stderr", b"oops") == b"\x02\0\0\0\0\0\0\x04oops"
    assert frame("stdout", b"hi", tty=True) == b"hi"


def test_logs_select_channels_and_the_last_lines(lab):
    container = ended(lab, CHATTY)
    assert container.logs(stderr=False) == b"out 1\nout 2\nout 3\n"
    assert container.logs(stdout=False, tail=1) == b"err 3\n"
    assert container.logs(tail=0) == b""
    assert list(container.logs(stream=True, stdout=False)) == [b"err 1\n", b"err 2\n", b"err 3\n"]
    lines = container.logs(timestamps=True).decode().splitlines()
    assert lines[0].startswith("2017-10-28T12:00:")
    assert len(lines[0].split()[0]) == len("2017-10-28T12:00:00.000000000Z")


def test_logs_without_a_channel_are_refused(lab):
    container = ended(lab, ["true"])
    for path in (f"/containers/{container.id}/logs", f"/services/{lab.service().id}/logs"):
        assert lab.ask("GET", path).status_code == 400
    for path, status in (
        (f"/containers/{container.id}", 200),
        (f"/services/{lab.service().id}", 500),
    ):
        assert lab.ask("GET", f"{path}/logs?stdout=1&tail=x").status_code == status


def test_followed_logs_arrive_as_time_passes_and_end_with_the_container(lab):
    container = lab.client.containers.run("busybox", CHATTY, detach=True)
    begun_ns = lab.simulation.now_ns
    lines = list(container.logs(stream=True, follow=True, stderr=False))
    assert lines == [b"out 1\n", b"out 2\n", b"out 3\n"]
    assert lab.simulation.now_ns - begun_ns >= 2 * S


def test_followed_logs_end_when_the_machine_does(lab):
    container = lab.client.containers.run("busybox", ["sleep", "1000"], detach=True)
    lab.simulation.after(5 * S, lab.machine.crash)
    assert list(container.logs(stream=True, follow=True)) == []


def test_a_services_logs_say_which_node_is_missing_and_are_whole_again_with_it():
    """As recorded on an engine 20.10.24. Source: swarmkit manager/logbroker/subscription.go."""
    cluster = swarmlab.simulate(managers=1, workers=1, seed=7)
    out, err = io.StringIO(), io.StringIO()
    create = (
        "docker service create --quiet --name hi --mode global busybox sh -c 'hostname; sleep 9'"
    )
    assert run_commands(create, out, err) == 0
    cluster.run("3s")
    (node,) = cluster.client().nodes.list(filters={"name": "w1"})
    for fault in (lambda: cluster.crash("w1"), lambda: cluster.partition("m1", "w1")):
        fault()
        out, err = io.StringIO(), io.StringIO()
        assert run_commands("docker service logs hi", out, err) == 1
        assert "@m1" in out.getvalue()
        assert "@w1" not in out.getvalue()
        assert err.getvalue().startswith(
            "error from daemon in stream: Error grabbing logs: rpc error: "
        )
        assert err.getvalue().endswith(f"following reasons: node {node.id} is not available\n\n")
        cluster.start("w1")
        cluster.heal()
        cluster.run("20s")
        assert run_commands("docker service logs hi", io.StringIO(), io.StringIO()) == 0


def test_details_of_a_services_logs_name_node_service_and_task(lab):
    """The CLI makes its prefix from the details. Source: docker/cli command/service/logs.go."""
    service = lab.service()
    task = lab.engine.task(service, 1, TaskState.RUNNING)
    ended(lab, ["echo", "hello"], name=task.name)
    assert b"".join(lab.client.services.get(service.id).logs(stdout=True)) == b"hello\n"
    query = "?stdout=1&details=1"
    for path in (f"/services/web/logs{query}", f"/tasks/{task.id}/logs{query}"):
        text = lab.ask("GET", path).content[8:].decode()
        assert text == (
            f"com.docker.swarm.node.id={lab.engine.node_id},"
            f"com.docker.swarm.service.id={service.id},com.docker.swarm.task.id={task.id} hello\n"
        )


def test_events_since_and_until_form_a_finite_stream(lab):
    start_s = lab.clock.to_unix_ns(lab.simulation.now_ns) // S
    ended(lab, ["true"], name="short")
    lab.client.secrets.create(name="s", data=b"x")
    end_s = lab.clock.to_unix_ns(lab.simulation.now_ns) // S + 1
    events = list(lab.client.events(decode=True, since=start_s, until=end_s))
    actions = [(event["Type"], event["Action"]) for event in events]
    assert [action for type, action in actions if type == "container"] == ["create", "start", "die"]
    assert actions[-1] == ("secret", "create")
    assert events[-1]["scope"] == "swarm"
    only = {"type": "container", "event": "die", "container": "short"}
    (death,) = lab.client.events(decode=True, since=start_s, until=end_s, filters=only)
    attributes = {"name": "short", "image": "busybox", "exitCode": "0", "execDuration": "0"}
    assert death["Actor"]["Attributes"] == attributes


def test_a_stream_of_events_can_be_cancelled(lab):
    stream = lab.client.events(decode=True)
    lab.simulation.after(3 * S, lab.machine.process.containers.create, "later", _config("busybox"))
    assert next(stream)["Action"] == "create"
    stream.close()
    assert list(stream) == []


def _config(image: str):
    from swarmlab.model import Document

    return Document(Image=image)


def test_a_wait_returns_when_the_container_ends(lab):
    container = lab.client.containers.run("busybox", ["sh", "-c", "sleep 5; exit 3"], detach=True)
    begun_ns = lab.simulation.now_ns
    assert container.wait() == {"StatusCode": 3}
    assert lab.simulation.now_ns - begun_ns >= 4 * S


# -- commands inside -------------------------------------------------------------------------
@pytest.fixture
def container(lab):
    return lab.client.containers.run("busybox", ["sleep", "10000"], detach=True)


def test_an_exec_returns_its_output_and_its_exit_code(container):
    assert container.exec_run(["sh", "-c", "echo a; echo b >&2; exit 4"]) == (4, b"a\nb\n")
    assert container.exec_run("sh -c 'echo a; echo b >&2'", demux=True).output == (b"a\n", b"b\n")
    assert list(container.exec_run("echo hi", stream=True).output) == [b"hi\n"]
    assert container.exec_run("echo hi", tty=True).output == b"hi\r\n"
    assert container.exec_run("nonsense").exit_code == 126


def test_an_exec_without_input_is_reproducible(lab, container):
    begun_ns = lab.simulation.now_ns
    with lab.lock:  # no other thread can advance time: it has passed before the first read
        container.exec_run("sleep 7", stream=True)
        assert 7 * S <= lab.simulation.now_ns - begun_ns < 9 * S


def test_an_exec_reads_its_input_from_a_real_socket(lab, container):
    exec_id = lab.client.api.exec_create(container.id, ["cat"], stdin=True)["Id"]
    stream = lab.client.api.exec_start(exec_id, socket=True)
    stream._sock.sendall(b"typed\n")
    stream._sock.shutdown(1)
    assert stream.read(14) == frame("stdout", b"typed\n")
    stream.close()

    for thread in threading.enumerate():
        if thread.name == "hijacked":
            thread.join(60)
    assert lab.client.api.exec_inspect(exec_id)["ExitCode"] == 0


def test_an_exec_runs_once_and_only_in_a_running_container(lab, container):
    exec_id = lab.client.api.exec_create(container.id, ["true"])["Id"]
    lab.client.api.exec_start(exec_id)
    with pytest.raises(docker.errors.APIError, match="has already run"):
        lab.client.api.exec_start(exec_id)
    container.kill()
    with pytest.raises(docker.errors.APIError, match="is not running"):
        container.exec_run("true")


@pytest.mark.parametrize("command", ["sleep 1d", "while true; do echo x; sleep 60; done", "cat"])
def test_a_command_without_an_end_ends_the_wait_in_process(command: str):
    cluster = swarmlab.engines(["e1"], seed=7)
    client = cluster.client("e1")
    container = client.containers.run("nginx", detach=True)
    before_ns = cluster.now_ns
    _code, output = container.exec_run(["sh", "-c", command])
    assert cluster.now_ns - before_ns < 11 * MINUTE
    assert output in (b"", b"x\n" * 10)
    assert client.containers.list()  # and the engine goes on
