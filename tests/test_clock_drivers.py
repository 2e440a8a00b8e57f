"""The two clock drivers, and engines behind a socket."""

from __future__ import annotations

import gc
import http.client
import io
import json
import re
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import docker
import pytest
import requests

from swarmlab.docker_cli import run
from swarmlab.docker_cli.session import Session
from swarmlab.engine.clock_drivers import REQUEST_NS, Pacer
from swarmlab.engine.transport import SocketServer
from swarmlab.errors import DeadlineExceeded
from swarmlab.model import TaskState
from swarmlab.simulation import EPOCH_NS, HOUR, MS, Call, S, Simulation
from tests.fake_engine import Lab


class ServedLab(Lab):
    """The lab's engine on a socket, with a pacer."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.clients: list[docker.DockerClient] = []
        self.pacer = Pacer(self.simulation)
        self.path = folder / "docker.sock"
        self.server = SocketServer(self.path, self.engine_of, self.pacer)
        self.pacer.start()
        self.server.start()

    def connect(self) -> socket.socket:
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(60)
        try:
            sock.connect(str(self.path))
        except OSError:
            sock.close()
            raise
        return sock

    def raw(self, request: bytes) -> bytes:
        """What comes back for these bytes, which are all, until the server hangs up."""
        answer = b""
        with self.connect() as sock, suppress(ConnectionError):
            sock.sendall(request)
            sock.shutdown(socket.SHUT_WR)
            while piece := sock.recv(1 << 16):
                answer += piece
        return answer

    def sdk(self) -> docker.DockerClient:
        self.clients.append(docker.DockerClient(base_url=f"unix://{self.path}"))
        return self.clients[-1]

    def close(self) -> None:
        for client in self.clients:
            client.close()
        self.server.stop()
        self.pacer.stop()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[ServedLab]:
    served = ServedLab(tmp_path)
    yield served
    served.close()


def test_where_there_are_no_more_threads_a_client_is_refused_and_the_next_one_served(
    served, monkeypatch
):
    def refused(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    ping = b"GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n"
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refused)
        assert served.raw(ping) == b""
    assert served.raw(ping).startswith(b"HTTP/1.1 200 OK")


def until(condition, limit_s: float = 60.0) -> bool:
    end = time.monotonic() + limit_s
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return bool(condition())


# -- in this process -------------------------------------------------------------------
def test_each_in_process_request_advances_virtual_time():
    """Code that polls a real engine must end here too."""
    lab = Lab()
    before_ns = lab.simulation.now_ns
    lab.client.ping()
    assert lab.simulation.now_ns - before_ns == REQUEST_NS


def test_an_in_process_wait_takes_no_real_time_and_has_a_limit():
    lab = Lab()
    call = Call()
    lab.simulation.after(5 * S, call.resolve, 7)
    assert lab.clock.wait(call) == 7
    with pytest.raises(DeadlineExceeded):
        lab.clock.wait(Call())


def test_in_process_times_count_from_the_virtual_epoch():
    lab = Lab()
    assert lab.clock.to_unix_ns(5) == EPOCH_NS + 5
    assert lab.clock.from_unix_ns(lab.clock.to_unix_ns(5)) == 5
    assert lab.client.swarm.attrs["CreatedAt"].startswith("2017-10-28T12:00:00")


def test_a_crashed_engine_refuses_in_process_as_over_a_socket():
    lab = Lab()
    lab.machine.crash()
    with pytest.raises(requests.exceptions.ConnectionError, match="Connection refused"):
        lab.client.ping()


def test_an_engine_that_crashes_during_a_request_breaks_the_connection():
    lab = Lab()
    lab.simulation.after(REQUEST_NS + 1 * MS, lab.machine.crash)
    with pytest.raises(requests.exceptions.ConnectionError):
        lab.client.services.list()


# -- paced -----------------------------------------------------------------------------
def test_at_constant_speed_1_a_time_is_always_shown_the_same():
    """Tests of real programs compare CreatedAt between calls."""
    pacer = Pacer(Simulation())
    pacer.start()
    shown = set()
    for _ in range(50):
        with pacer.lock:
            shown.add(pacer.to_unix_ns(123))
        time.sleep(0.001)
    pacer.stop()
    assert len(shown) == 1


def test_a_paced_clock_shows_virtual_ages():
    """After an hour run ahead, what was created before is shown an hour older."""
    pacer = Pacer(Simulation())
    pacer.start()
    pacer.run_ahead(1 * HOUR)
    age_ns = time.time_ns() - pacer.to_unix_ns(0)
    pacer.stop()
    assert 1 * HOUR <= age_ns < 1 * HOUR + 60 * S


def test_at_any_speed_a_time_is_always_shown_the_same():
    """It is the wall time when it came: in order, and never in the future."""
    pacer = Pacer(Simulation(), speed=50.0)
    pacer.start()
    shown: dict[int, set[int]] = {}
    for speed in (50.0, 5.0, 500.0):
        pacer.set_speed(speed)
        time.sleep(0.02)
        with pacer.lock:
            before_ns = time.time_ns()
            pacer.catch_up()
            now_ns = pacer.to_unix_ns(pacer.simulation.now_ns)
            assert before_ns - 1 * S < now_ns < time.time_ns() + 1 * S
            shown[pacer.simulation.now_ns] = set()
            for virtual_ns, times in shown.items():
                times.add(pacer.to_unix_ns(virtual_ns))
                assert abs(pacer.from_unix_ns(min(times)) - virtual_ns) < 100 * MS
    pacer.stop()
    assert [len(times) for times in shown.values()] == [1, 1, 1]
    times = [min(times) for times in shown.values()]
    assert times == sorted(times)


def test_virtual_time_runs_at_the_speed_set_and_stops_at_0():
    simulation = Simulation()
    pacer = Pacer(simulation, speed=100.0)
    pacer.start()
    assert until(lambda: simulation.now_ns > 10 * S)
    pacer.set_speed(0)
    stopped_ns = simulation.now_ns
    time.sleep(0.1)
    assert simulation.now_ns == stopped_ns
    pacer.stop()


def test_a_paced_wait_releases_the_lock():
    simulation = Simulation()
    pacer = Pacer(simulation)
    call = Call()
    pacer.start()

    def wait() -> None:
        with pacer.lock:
            pacer.wait(call)

    waiter = threading.Thread(target=wait)
    waiter.start()
    time.sleep(0.05)
    with pacer.lock:  # free although a request waits
        simulation.after(0, call.resolve, 1)
    waiter.join(60)
    pacer.stop()
    assert call.done
    assert not waiter.is_alive()


# -- over a socket -----------------------------------------------------------------------
def test_the_stock_sdk_works_over_the_socket(served):
    client = served.sdk()
    assert client.version()["Platform"]["Name"].startswith("swarmlab")
    service = client.services.create("nginx", name="web")
    assert [s.id for s in client.services.list(filters={"name": "web"})] == [service.id]
    client.images.pull("busybox")
    container = client.containers.run("busybox", "sleep 100", detach=True)
    assert container.exec_run("hostname").output.decode().strip() == container.id[:12]
    assert container.exec_run("sh -c 'echo a; echo b >&2'", demux=True).output == (b"a\n", b"b\n")


def test_connections_are_kept_alive(served):
    connection = http.client.HTTPConnection("localhost")
    connection.sock = sock = served.connect()
    for path in ("/_ping", "/nodes", "/nope", "/services"):
        connection.request("GET", path)
        connection.getresponse().read()
        assert connection.sock is sock
    connection.close()


def test_a_machine_that_is_down_refuses_connections_until_it_starts_again(served):
    idle = served.connect()
    assert served.sdk().ping()
    with served.pacer.condition:
        served.machine.crash()
    assert idle.recv(1) == b""
    assert until(lambda: not served.path.exists())
    with pytest.raises((ConnectionRefusedError, FileNotFoundError)):
        served.connect()
    with served.pacer.condition:
        served.machine.start()
    assert until(served.path.exists)
    assert served.sdk().ping()
    idle.close()


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET\r\n\r\n", b"400"),
        (b"\x16\x03\x01 nonsense\r\n\r\n", b"400"),
        (b"GET /nope HTTP/1.1\r\nHost: x\r\n\r\n", b"404"),
        (b"BREW /services HTTP/1.1\r\nHost: x\r\n\r\n", b"404"),
        (b"GET /services HTTP/1.1\r\nContent-Length: x\r\n\r\n", b"200"),
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n", b"414"),
        (
            b"POST /services/create HTTP/1.1\r\nContent-Type: application/json\r\n"
            b"Content-Length: 99999999999\r\n\r\n{",
            b"413",
        ),
        (  # it would take seconds to read, in which no other client is served
            b"POST /services/create HTTP/1.1\r\nContent-Type: application/json\r\n"
            b"Content-Length: 8388608\r\n\r\n{",
            b"413",
        ),
    ],
)
def test_bad_requests_get_an_error_and_the_server_keeps_working(served, request_bytes, status):
    assert status in served.raw(request_bytes).split(b"\r\n")[0]
    assert served.sdk().ping()


@pytest.mark.parametrize(
    "head",
    [
        *(f"Content-Length: {n}" for n in ("abc", "-1", "+2", "1_0", "\u00b2", "0x2")),
        "Transfer-Encoding: gzip",
        "Transfer-Encoding: chunked, gzip",
        "no colon\r\nContent-Length: 2",
        "A: b\r\n" * 200,
    ],
)
def test_a_body_of_unknown_length_is_never_read_as_the_next_request(served, head):
    """One answer, no page of Python's, then the end."""
    body = "GET /_ping HTTP/1.1\r\n\r\n"
    request = f"POST /secrets/create HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\n{body}"
    answer = served.raw(request.encode())
    assert re.match(rb"HTTP/1.1 [24]\d\d ", answer)
    assert answer.count(b"HTTP/1.1") == 1
    assert b"html" not in answer.lower()
    assert served.sdk().ping()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"2\r\n{}\r\n0\r\n\r\n", b"201 Created"),
        (b'2;a=b;c="d e"\r\n{}\r\n0;last\r\n\r\n', b"201 Created"),
        (b"2 \t; " + b"x" * 3000 + b"\r\n{}\r\n0\r\n\r\n", b"201 Created"),
        (b"2\r\n{}\r\n0\r\nChecksum: x\r\nTwo: y\r\n\r\n", b"201 Created"),
        (b"1\r\n{\r\n01\r\n}\r\n0\r\nA: b\r\n\r\n", b"201 Created"),
        *(
            (size + b"\r\n{}\r\n0\r\n\r\n", b"chunk length")
            for size in (b"", b";", b"+2", b"0x2", b"0_2", b"-2", b"2 2", b"2" + b" " * 5000)
        ),
        (b"2\r\n{}0\r\n\r\n", b"chunk length"),
    ],
)
def test_a_body_in_chunks_may_have_extensions_and_trailers(served, body, status):
    """What follows it is the next request; after a fault there is none."""
    head = b"POST /secrets/create HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    ping = b"GET /_ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    sock = served.connect()
    sock.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n" + body + ping)
    sock.shutdown(socket.SHUT_WR)
    answer = b"".join(iter(lambda: sock.recv(1 << 16), b""))
    sock.close()
    assert status in answer
    read = b"chunk length" not in answer
    assert answer.count(b"HTTP/1.1") == (2 if read else 1)
    assert answer.endswith(b"OK") == read


def test_the_server_survives_clients_that_disconnect(served):
    """In the middle of a request, and in the middle of a stream."""
    for request in (
        b"POST /services/create HTTP/1.1\r\nContent-Type: application/json\r\n"
        b"Content-Length: 100\r\n\r\n{",
        b"GET /events HTTP/1.1\r\n\r\n",
    ):
        sock = served.connect()
        sock.sendall(request)
        time.sleep(0.05)
        sock.close()
    assert served.sdk().ping()
    # The SDK keeps one open for each URL: /version and /_ping.
    assert until(lambda: len(served.server._connections) == 2)


def test_a_client_that_stalls_in_its_body_blocks_no_other(served):
    """The body is read before the lock is taken."""
    sock = served.connect()
    sock.sendall(
        b"POST /services/create HTTP/1.1\r\nContent-Type: application/json\r\n"
        b"Content-Length: 100\r\n\r\n{"
    )
    assert served.sdk().ping()
    sock.close()


def test_200_idle_connections_do_not_block_a_new_one(served):
    idle = [served.connect() for _ in range(200)]
    assert served.sdk().ping()
    for sock in idle:
        sock.close()


def test_an_upgrade_gets_a_101_and_then_a_raw_connection(served):
    client = served.sdk()
    client.images.pull("busybox")
    container = client.containers.run("busybox", "sleep 100", detach=True)
    exec_id = client.api.exec_create(container.id, ["cat"], stdin=True)["Id"]
    with served.connect() as sock:
        body = json.dumps({"Detach": False, "Tty": False}).encode()
        sock.sendall(
            b"POST /exec/%s/start HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"
            b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
            % (exec_id.encode(), len(body), body)
        )
        answer = sock.recv(1000)  # the head
        sock.sendall(b"typed\n")
        sock.shutdown(socket.SHUT_WR)
        while piece := sock.recv(1000):
            answer += piece
    head, _, rest = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 UPGRADED\r\n")
    assert rest == b"\x01\0\0\0\0\0\0\x06typed\n"


def test_attaching_before_a_short_run_ends_with_that_run(served):
    """As `docker run` does, without -d; and `docker start --attach` once more."""
    client = served.sdk()
    client.images.pull("busybox")
    container = client.containers.create("busybox", "echo hi")
    for _ in range(2):
        with served.connect() as sock:
            sock.sendall(
                b"POST /containers/%s/attach?stream=1&stdout=1 HTTP/1.1\r\nHost: x\r\n"
                b"Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n" % container.id.encode()
            )
            answer = sock.recv(1000)
            container.start()
            while piece := sock.recv(1000):
                answer += piece
        assert answer.endswith(b"hi\n")


def test_the_thread_of_an_exec_ends_when_its_client_disconnects(served):
    client = served.sdk()
    client.images.pull("busybox")
    container = client.containers.run("busybox", "sleep 100", detach=True)
    exec_id = client.api.exec_create(container.id, ["sleep", "100"])["Id"]
    body = b'{"Detach":false,"Tty":false}'
    sock = served.connect()
    sock.sendall(
        b"POST /exec/%s/start HTTP/1.1\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n%s" % (exec_id.encode(), len(body), body)
    )
    assert sock.recv(1000).startswith(b"HTTP/1.1 200 OK\r\n")
    open_count = len(served.server._connections)
    sock.close()
    assert until(lambda: len(served.server._connections) == open_count - 1)


@pytest.mark.parametrize("flags", [[], ["--tty"]])
def test_our_exec_leaves_no_socket_to_the_garbage_collector(served, monkeypatch, flags):
    """The SDK's own does, as a warning in whatever runs when the collector comes."""
    client, out, left = served.sdk(), io.StringIO(), list[str]()
    client.images.pull("busybox")
    client.containers.run("busybox", "sleep 100", detach=True, name="box")
    gc.collect()
    monkeypatch.setattr(sys, "unraisablehook", lambda found: left.append(str(found.exc_value)))
    session = Session(client=client.api, out=out, err=out)
    assert run(["exec", *flags, "box", "echo", "hi"], session) == 0
    gc.collect()
    assert out.getvalue().split() == ["hi"]
    assert left == []


def test_listing_100_tasks_over_the_socket_is_fast(served):
    """The budget is 5 ms; four times that is allowed here, as the machine may be busy."""
    service = served.service(Mode={"Replicated": {"Replicas": 100}})
    with served.pacer.condition:
        for slot in range(100):
            served.engine.task(service, slot + 1, TaskState.RUNNING)
    client, taken_s = served.sdk(), []
    for _ in range(10):
        start_s = time.process_time()
        assert len(client.api.tasks()) == 100
        taken_s.append(time.process_time() - start_s)
    print(f"GET /tasks with 100 tasks: {min(taken_s) * 1000:.1f} ms")
    assert min(taken_s) < 0.020
