"""`swarmlab serve` and `swarmlab ctl`, run as processes."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import docker
import psutil
import pytest
from docker.types import ServiceMode

from swarmlab.cli.ctl import ask
from tests.served import Served


def swarmlab(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "swarmlab", *map(str, words)]
    return subprocess.run(
        command, capture_output=True, text=True, encoding="utf-8", timeout=120, check=False
    )


def ctl(served: Served, *words: str) -> str:
    done = swarmlab("ctl", "--dir", served.folder, *words)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def until(condition: Callable[[], object], limit_s: float = 60.0) -> None:
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, "the condition was not met in time"
        time.sleep(0.05)


def answers(served: Served, name: str) -> bool:
    """Whether a node's socket accepts connections."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(served.folder / name / "docker.sock")) == 0


@pytest.fixture(scope="module")
def swarm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Three managers and two workers, at ten virtual seconds a second."""
    with Served(tmp_path_factory.mktemp("swarm"), "--speed", "10") as served:
        yield served


def has_leader(served: Served, name: str) -> bool:
    """Whether a manager reaches a leader, after some time in which votes can be split again."""
    ask(served.folder, ["run", "20s"])
    client = client_of(served, name)
    try:
        return bool(client.nodes.list())
    except docker.errors.APIError:
        return False
    finally:
        client.close()


@pytest.fixture
def healthy(swarm: Served) -> Iterator[Served]:
    """The swarm with every node up, before and after the test."""
    yield swarm
    ctl(swarm, "heal")
    ctl(swarm, "start", "m1", "m2", "m3", "w1", "w2")
    until(lambda: all(answers(swarm, name) for name in ("m1", "m2", "m3", "w1", "w2")))
    until(lambda: has_leader(swarm, "m1"))


def client_of(served: Served, name: str) -> docker.DockerClient:
    return docker.DockerClient(base_url=served.host(name))


def test_a_docker_host_for_each_node_is_printed_in_order_and_serves_the_stock_sdk(swarm):
    assert swarm.hosts() == [swarm.host(name) for name in ("m1", "m2", "m3", "w1", "w2")]
    for number, host in enumerate(swarm.hosts()):
        client = docker.DockerClient(base_url=host)
        assert client.info()["Swarm"]["NodeAddr"] == f"10.77.0.{number + 2}"
        client.close()


def test_services_start_in_paced_time(swarm):
    client = client_of(swarm, "m1")
    web = client.services.create("nginx", name="paced", mode=ServiceMode("replicated", 5))
    until(lambda: [t["Status"]["State"] for t in web.tasks()].count("running") == 5)
    web.remove()
    client.close()


def test_a_crashed_nodes_socket_refuses_connections_until_it_starts_again(healthy):
    assert ctl(healthy, "crash", "w1") == "crashed: w1"
    until(lambda: not answers(healthy, "w1"))
    assert re.search(r"w1 +10\.77\.0\.5 +down", ctl(healthy, "status"))
    assert answers(healthy, "m1")
    ctl(healthy, "start", "w1")
    until(lambda: answers(healthy, "w1"))


def test_writes_fail_without_a_quorum_and_succeed_after_healing(healthy):
    ctl(healthy, "partition", "m1", "m2,m3,w1,w2")
    until(lambda: not has_leader(healthy, "m1") and has_leader(healthy, "m2"))
    client, other = client_of(healthy, "m1"), client_of(healthy, "m2")
    with pytest.raises(docker.errors.APIError, match="does not have a leader"):
        client.services.list()
    other.services.create("nginx", name="elsewhere").remove()
    ctl(healthy, "heal")
    until(lambda: has_leader(healthy, "m1"))
    assert client.services.list() == []
    client.close()
    other.close()


def now_s(served: Served) -> float:
    return float(re.match(r"t = (\d+\.\d) s", ctl(served, "status"))[1])  # type: ignore[index]


def test_run_advances_virtual_time_at_once_and_speed_sets_its_pace(swarm):
    assert ctl(swarm, "speed", "0") == "speed 0"
    before_s = now_s(swarm)
    ctl(swarm, "run", "10m")
    assert now_s(swarm) - before_s == pytest.approx(600)
    stopped_s = now_s(swarm)
    assert now_s(swarm) == stopped_s
    assert ctl(swarm, "speed", "10") == "speed 10"
    until(lambda: now_s(swarm) > stopped_s)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["dance"], "'dance' is not understood; there are crash, start, stop, partition"),
        (["crash"], "'crash' has too few or too many words"),
        (["crash", "m9"], "no node 'm9'; there are m1, m2, m3, w1, w2"),
        (["heal", "m1"], "'heal m1' has too few or too many words"),
        (["partition", "m1", "m9"], "no node 'm9'"),
        (["speed", "fast"], "'fast' is not a valid speed; give a number"),
        (["speed", "nan"], "'nan' is not a valid speed"),
        (
            ["speed", "1e300"],
            "'1e300' is not a valid speed; give a number such as 10, up to 100000",
        ),
        (["run", "90000h"], "'90000h' is too long for one step; use at most 10000h"),
        (["run", "9" * 400 + "h"], "is not a duration"),
        (["speed", "--", "-1"], "'-1' is not a valid speed"),
        (["run", "soon"], "'soon' is not a duration"),
    ],
)
def test_ctl_refuses_invalid_commands_and_changes_nothing(swarm, words, text):
    result = swarmlab("ctl", "--dir", swarm.folder, *words)
    assert result.returncode == 1
    assert text in result.stderr
    assert "down" not in ctl(swarm, "status")


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"\n", "got EOF"),
        (b"crash m1\n", "invalid character 'c' looking for beginning of value"),
        (b"[]\n", "cannot unmarshal array into Go value of type ctl.Command"),
        (b'{"words": [1]}\n', "number into Go struct field Command.Words of type string"),
        (b'{"words": {"run": NaN}}\n', "invalid character 'N'"),
        (b'{"words": null}\n', "there are crash"),
        (b'{"WORDS": ["\\ud800\\u0000{x}"]}\n', "there are crash"),
        (b'{"words": ' + b"[" * 60000 + b"\n", "exceeded max depth"),
        (b"\xff" * 99999, "invalid character"),
    ],
)
def test_invalid_lines_on_the_control_socket_get_an_error_and_the_server_keeps_working(
    swarm, line, why
):
    with socket.socket(socket.AF_UNIX) as control:
        control.connect(str(swarm.folder / "ctl.sock"))
        control.sendall(line)
        with control.makefile() as lines:
            error = json.loads(lines.readline())["error"]
    assert "not understood" in error
    assert why in error
    assert answers(swarm, "m1")


@pytest.mark.parametrize("said_all", [False, True])
def test_a_long_run_ends_when_its_client_hangs_up_and_not_when_it_has_said_all(swarm, said_all):
    ctl(swarm, "speed", "0")
    before_s, long_s = now_s(swarm), 2000 if said_all else 36_000_000
    with socket.socket(socket.AF_UNIX) as control:
        control.connect(str(swarm.folder / "ctl.sock"))
        control.sendall(json.dumps({"words": ["run", f"{long_s}s"]}).encode() + b"\n")
        if said_all:
            control.shutdown(socket.SHUT_WR)
            assert b"reply" in control.recv(1000)
        until(lambda: now_s(swarm) > before_s)
    stopped_s = now_s(swarm)
    if said_all:
        assert stopped_s - before_s == pytest.approx(long_s)
    until(lambda: now_s(swarm) == now_s(swarm))  # between which hours could pass
    ctl(swarm, "speed", "10")


def test_a_folder_in_use_is_refused_and_its_server_keeps_running(swarm):
    result = swarmlab("serve", "--dir", swarm.folder)
    assert result.returncode == 1
    assert f"{swarm.folder} is in use by another server" in result.stderr
    assert answers(swarm, "m1")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_the_server_cleanly_and_removes_its_sockets(tmp_path, number):
    with Served(tmp_path, "--engines", "e1") as served:
        served.process.send_signal(number)
        assert served.process.wait(60) == 0
    log, said = tmp_path / "serve.log", f"swarmlab serve was ended by {number.name}"
    assert set(tmp_path.iterdir()) == {served.log, log}
    assert served.log.read_text("utf-8") == f"DOCKER_HOST={served.host('e1')}\n{said} (see {log})\n"
    assert log.read_text("utf-8") == f"{said}\n"


BROKEN = """
import sys, time
from swarmlab.cli import command_line, serve
from swarmlab.engine.clock_drivers import Pacer

def fail(*_):
    raise ValueError("quoted from a request")

def long(*_, **__):
    print("began", flush=True)
    time.sleep(60)

def break_it(what):
    if what == "clock":
        Pacer.catch_up = fail
    elif what == "building":
        serve.make_cluster = long
    else:
        start = Pacer.start
        def broken_start(pacer):
            pacer.simulation.after(10**8, fail if what == "event" else long)
            start(pacer)
        Pacer.start = broken_start

break_it(sys.argv.pop(1))
sys.exit(command_line.main())
"""


def broken_server(folder: Path, what: str) -> subprocess.Popen[str]:
    """A server in which something fails or takes a minute."""
    words = [sys.executable, "-c", BROKEN, what, "serve", "--engines", "e1", "--dir", str(folder)]
    return subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8"
    )


def test_without_its_clock_the_server_ends_and_says_why(tmp_path):
    with broken_server(tmp_path, "clock") as server:
        output, _ = server.communicate(timeout=60)
    assert server.returncode == 1
    for text in (output, (tmp_path / "serve.log").read_text("utf-8")):
        assert "thread pacer has ended: ValueError in <string>:" in text
        assert "swarmlab serve was ended by a fault of its clock" in text
        assert "quoted" not in text


def test_a_fault_in_an_event_is_a_line_and_a_traceback_in_the_log_and_the_server_goes_on(tmp_path):
    log = tmp_path / "serve.log"
    with broken_server(tmp_path, "event") as server:
        until(
            lambda: (
                log.exists()
                and "Traceback" not in log.read_text("utf-8")
                and log.read_text("utf-8")
            )
        )
        until((tmp_path / "ctl.sock").exists)
        assert "e1\n" in swarmlab("ctl", "--dir", tmp_path, "status").stdout.replace(" ", "\n")
        server.terminate()
        output, _ = server.communicate(timeout=60)
    assert server.returncode == 0
    assert "an event has failed: ValueError in <string>:" in output
    assert "in step" in log.read_text("utf-8")


@pytest.mark.parametrize("what", ["long event", "building"])
def test_sigterm_ends_the_server_soon_whatever_it_does(tmp_path, what):
    """Within two seconds, where the machine has time; what the server does takes a minute."""
    with broken_server(tmp_path, what) as server:
        assert any(line == "began\n" for line in server.stdout)
        server.terminate()
        assert server.wait(30) == 0
        assert "swarmlab serve was ended by SIGTERM" in server.stdout.read()


def ping_cpu_s(served: Served, client: docker.DockerClient) -> float:
    """How long the server worked until it answered; a busy machine may let it wait as well."""
    server = psutil.Process(served.process.pid)
    start_s = sum(server.cpu_times()[:2])
    assert client.ping()
    return sum(server.cpu_times()[:2]) - start_s


def test_requests_are_answered_during_a_long_run_and_the_server_can_be_ended(tmp_path):
    with Served(tmp_path) as served:
        run = [sys.executable, "-m", "swarmlab", "ctl", "--dir", str(tmp_path), "run", "1000h"]
        with subprocess.Popen(run, stderr=subprocess.PIPE, text=True, encoding="utf-8") as running:
            until(lambda: now_s(served) > 3600)
            client = client_of(served, "m1")
            assert max(ping_cpu_s(served, client) for _ in range(20)) < 1.0
            client.close()
            assert running.poll() is None
            assert served.stop() == 0
            assert running.wait(60) in (0, 1)  # the reply may have been sent just before the end


def test_a_ping_is_answered_while_a_big_service_is_created(tmp_path):
    with Served(tmp_path) as served:
        client = client_of(served, "m1")
        client.services.create("nginx", name="big", mode=ServiceMode("replicated", 4000))
        pings_s, end_s = list[float](), time.monotonic() + 5.0
        while time.monotonic() < end_s or len(pings_s) < 20:
            pings_s.append(ping_cpu_s(served, client))
        client.close()
        assert max(pings_s) < 1.0


def test_sockets_of_a_killed_server_are_replaced(tmp_path):
    with Served(tmp_path, "--engines", "e1") as served:
        served.process.kill()
        served.process.wait()
    assert (tmp_path / "ctl.sock").is_socket()
    with Served(tmp_path, "--engines", "e1") as served:
        assert answers(served, "e1")
        assert ctl(served, "status")
        assert "the server before this one was killed" in (tmp_path / "serve.log").read_text(
            "utf-8"
        )


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--managers", "0"], "managers=0 is not a valid count"),
        (["--workers", "-1"], "workers=-1 is not a valid count"),
        (["--engines", "m1", "--managers", "3"], "--engines are in no swarm yet"),
        (["--engines", "../m1"], "'../m1' is not a host name"),
        (["--engines", "m1,"], "'' is not a host name"),
        (["--engines", "m1,m1"], "each name once"),
        (["--speed", "inf"], "'inf' is not a valid speed"),
    ],
)
def test_serve_explains_why_it_cannot_start(tmp_path, words, text):
    result = swarmlab("serve", "--dir", tmp_path / "lab", *words)
    assert result.returncode == 1
    assert text in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("folder", ["x" * 100, "a_file/below"])
def test_a_folder_that_cannot_hold_sockets_is_an_error(tmp_path: Path, folder):
    (tmp_path / "a_file").touch()
    result = swarmlab("serve", "--engines", "e1", "--dir", tmp_path / folder)
    assert result.returncode == 1
    assert "choose a" in result.stderr
    assert "Traceback" not in result.stderr
