"""A notebook's own cluster, driven from a terminal: `cluster.serve()`."""

from __future__ import annotations

import os
import select
import shutil
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
import requests
from markupsafe import Markup
from werkzeug import Request
from werkzeug.test import create_environ

import swarmlab
from swarmlab.cli.docker_command import client_of, host_of
from swarmlab.cluster import served
from swarmlab.engine import http_response
from swarmlab.errors import LabError
from swarmlab.views.board import board_of
from tests.test_serve import until


def terminal(folder: Path, *words: str, node: str = "m1", command: Any = None) -> str:
    """What our command line, in a process of its own, prints."""
    done = subprocess.run(
        [*(command or [sys.executable, "-m", "swarmlab", "docker"]), *words],
        env={**os.environ, "DOCKER_HOST": f"unix://{folder / node / 'docker.sock'}"},
        capture_output=True, text=True, encoding="utf-8", timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def cluster() -> Iterator[Any]:
    with swarmlab.simulate(managers=3, workers=2, seed=4) as made:
        yield made


def sdk(folder: Path, node: str = "m1") -> docker.DockerClient:
    return docker.DockerClient(base_url=f"unix://{folder / node / 'docker.sock'}")


def test_a_terminal_moves_the_board_and_the_run_can_be_saved(cluster, tmp_path):
    folder = tmp_path / "lab"
    served = cluster.serve(folder, speed=20)
    shown = repr(served)
    line = f"export DOCKER_HOST=unix://{folder / cluster.default_node() / 'docker.sock'}"
    assert shown.splitlines()[1] == line
    assert line in Markup(served._repr_html_()).striptags()
    assert cluster.speed == 20
    terminal(folder, "service", "create", "--name", "web", "--replicas", "4", "nginx")
    board = board_of(cluster)
    board.refresh()
    assert "4 of 4 running" in board.text
    cluster.crash("w1")
    terminal(folder, "service", "scale", "web=5", node="m2")
    cluster.close()
    again = swarmlab.load(cluster.save(tmp_path / "run.json"))
    assert again.trace.digest() == cluster.trace.digest()
    assert [s.name for s in again.client("m2").services.list()] == ["web"]


@pytest.mark.skipif(shutil.which("docker") is None, reason="needs the docker command line")
def test_the_stock_command_line_moves_it_too(cluster, tmp_path):
    cluster.serve(tmp_path / "lab", speed=20)

    def stock(*words: str) -> str:
        return terminal(tmp_path / "lab", *words, command=["docker"])

    stock("service", "create", "--name", "web", "--replicas", "2", "--quiet", "nginx")
    assert "2/2" in stock("service", "ls")
    assert stock("run", "--rm", "busybox", "echo", "hello").strip() == "hello"
    stock("run", "-d", "--name", "box", "busybox", "sleep", "1d")
    assert stock("exec", "box", "sh", "-c", "sleep 2; echo there").strip() == "there"
    stock("pull", "redis")
    assert "second" in stock("ps")  # ages are those of now
    cluster.close()
    assert swarmlab.load(cluster.save(tmp_path / "run.json")).now_ns == cluster.now_ns


def test_changes_from_many_sides_at_once_are_replayed(cluster, tmp_path):
    """Two terminals and the notebook: each change is whole before the next one begins."""
    cluster.serve(tmp_path / "lab", speed=50)

    def pull_and_label(node: str) -> None:
        client = sdk(tmp_path / "lab", node)
        for number in range(5):
            client.images.pull(("redis", "nginx", "alpine", "busybox", "httpd")[number])
            client.configs.create(name=f"{node}-{number}", data=b"x")

    threads = [threading.Thread(target=pull_and_label, args=(node,)) for node in ("m2", "m3")]
    for thread in threads:
        thread.start()
    for number in range(5):
        cluster.client("m1").configs.create(name=f"own-{number}", data=b"x")
    for thread in threads:
        thread.join()
    assert len(cluster.client("m1").configs.list()) == 15
    cluster.close()
    again = swarmlab.load(cluster.save(tmp_path / "run.json"))
    assert again.trace.digest() == cluster.trace.digest()
    tags = [
        sorted(str(i.tags) for i in each.client("m2").images.list()) for each in (cluster, again)
    ]
    assert tags[0] == tags[1]
    assert len(tags[0]) == 5


def test_nothing_happens_between_a_pull_and_its_answer(cluster, tmp_path, monkeypatch):
    cluster.serve(tmp_path / "lab")
    cluster.pause()
    free: dict[str, bool] = {}

    def look(method: str) -> None:
        free[method] = cluster.lock.inner.acquire(timeout=0.05)
        if free[method]:
            cluster.lock.inner.release()

    def watched(*args: Any) -> Any:
        response = http_response.respond(*args)
        other = threading.Thread(target=look, args=(args[2].method,))
        other.start()
        other.join()
        return response

    monkeypatch.setattr(served, "respond", watched)
    sdk(tmp_path / "lab").images.pull("redis", tag="7")
    assert free["POST"] is False


def test_a_pull_is_whole_whether_or_not_its_answer_is_read(cluster, tmp_path):
    cluster.serve(tmp_path / "lab")
    cluster.pause()
    server = served.JournalingServer(tmp_path / "other.sock", cluster, "m1", cluster._pacer)
    path = "/v1.47/images/create?fromImage=redis&tag=7"
    server.respond(Request(create_environ(path, method="POST")), bool)
    assert [image.tags for image in cluster.client("m1").images.list()] == [["redis:7"]]


def test_no_secret_of_a_terminal_is_saved(cluster, tmp_path):
    cluster.serve(tmp_path / "lab")
    sdk(tmp_path / "lab").secrets.create(name="password", data=b"very-secret-bytes")
    saved = cluster.save(tmp_path / "run.json").read_text("utf-8")
    assert "very-secret" not in saved
    assert "dmVyeS1zZWNyZXQ" not in saved  # the same in base64
    assert "/secrets/create" in saved


def test_time_follows_the_wall_clock_and_a_reader_takes_real_time(cluster, tmp_path):
    cluster.serve(tmp_path / "lab", speed=10)
    start_ns, lines = cluster.now_ns, sdk(tmp_path / "lab").events(decode=True)
    until(lambda: cluster.now_ns > start_ns + 2 * 10**9)
    cluster.client("m1").services.create("nginx", name="web")
    assert any(event["Type"] == "service" for event in lines)


def test_paused_time_stands_and_changes_still_work(cluster, tmp_path):
    cluster.serve(tmp_path / "lab")
    cluster.pause()
    now_ns = cluster.now_ns
    client = sdk(tmp_path / "lab")
    assert len(client.nodes.list()) == 5
    assert (cluster.now_ns, cluster.speed) == (now_ns, 0)
    client.configs.create(name="one", data=b"x")
    assert 0 < cluster.now_ns - now_ns < 10**9
    cluster.play(3)
    assert cluster.speed == 3


def test_nothing_is_left(cluster, tmp_path):
    folder = tmp_path / "lab"
    threads = threading.active_count()
    served = cluster.serve(folder)
    paths = [folder, folder / "m1", folder / "m1" / "docker.sock"]
    assert [stat.S_IMODE(path.lstat().st_mode) for path in paths] == [0o700, 0o700, 0o600]
    logs = sdk(folder).events()
    cluster.pause()  # who waits for time to pass is released, too
    cluster.close()
    served.close()  # twice does no harm
    assert not folder.exists()
    assert cluster.speed == 0
    assert list(logs) == []  # whoever was connected is hung up on
    until(lambda: threading.active_count() <= threads)


def test_a_second_call_replaces_the_first(cluster, tmp_path):
    cluster.serve(tmp_path / "one")
    cluster.serve(tmp_path / "two")
    assert not (tmp_path / "one").exists()
    with swarmlab.simulate(managers=1, workers=0, seed=1) as other:
        other.serve(tmp_path / "two")
        assert [p.name for p in (tmp_path / "two").iterdir()] == ["m1"]
        assert len(sdk(tmp_path / "two").nodes.list()) == 1
    cluster.pause()
    assert cluster.speed == 0


def test_a_folder_that_another_process_serves_is_left_alone(cluster, tmp_path):
    folder = tmp_path / "lab"
    (folder / "m1").mkdir(parents=True, mode=0o700)
    folder.chmod(0o700)
    with socket.socket(socket.AF_UNIX) as theirs:
        theirs.bind(str(folder / "m1" / "docker.sock"))
        theirs.listen()
        with pytest.raises(LabError, match="in use by another server"):
            cluster.serve(folder)
        assert cluster.speed == 0
    cluster.serve(folder)  # it is dead now, and has left its socket
    assert len(sdk(folder).nodes.list()) == 5


def test_a_crashed_node_refuses_and_answers_again(cluster, tmp_path):
    cluster.serve(tmp_path / "lab", speed=20)
    cluster.crash("w1")
    path = tmp_path / "lab" / "w1" / "docker.sock"
    until(lambda: not path.exists())
    cluster.start("w1")
    until(path.exists)
    assert sdk(tmp_path / "lab", "w1").info()["Name"] == "w1"


@pytest.fixture
def without_unix(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows, where Python has neither."""
    monkeypatch.delattr(socket, "AF_UNIX")
    monkeypatch.delattr(select, "poll")


def test_without_unix_sockets_our_command_line_reaches_it_by_its_token(
    cluster, tmp_path, without_unix
):
    shown = repr(cluster.serve(tmp_path / "lab", speed=20))
    files = {name: tmp_path / "lab" / name / "docker.tcp" for name in cluster.names}
    host = str(files[cluster.default_node()])
    assert shown.splitlines()[1] == f"$env:DOCKER_HOST='{host}'"
    token = files["m1"].read_text("utf-8").split()[1]
    assert len(token) >= 32
    assert token not in shown + repr(cluster) + repr(vars(cluster))
    assert stat.S_IMODE(files["m1"].stat().st_mode) == 0o600

    def ours(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "swarmlab", "docker", *words],
            env={**os.environ, "DOCKER_HOST": host},
            capture_output=True, text=True, encoding="utf-8", timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    ours("service", "create", "--name", "web", "--replicas", "4", "nginx")
    assert "4/4" in ours("service", "ls")
    assert ours("run", "--rm", "busybox", "echo", "hello").strip() == "hello"
    cluster.close()
    assert not any(file.exists() for file in files.values())


@pytest.mark.parametrize("headers", [{}, {"X-Swarmlab-Token": ""}, {"X-Swarmlab-Token": "é" * 43}])
def test_without_the_token_nobody_is_there(cluster, tmp_path, without_unix, headers):
    cluster.serve(tmp_path / "lab")
    port, token = (tmp_path / "lab" / "m1" / "docker.tcp").read_text("utf-8").split()
    url = f"http://127.0.0.1:{port}/nodes"
    coded = {name: value.encode() for name, value in headers.items()}
    with pytest.raises(requests.ConnectionError):
        requests.get(url, headers=coded, timeout=10)
    assert requests.get(url, headers={"X-Swarmlab-Token": token}, timeout=10).status_code == 200


def test_the_command_line_finds_a_port_file_as_it_finds_a_socket(
    cluster, tmp_path, without_unix, monkeypatch
):
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    cluster.serve(tmp_path / "lab")
    files = {name: str(tmp_path / "lab" / name / "docker.tcp") for name in cluster.names}
    assert host_of("", tmp_path / "lab") == files["m1"]
    assert host_of("w2", tmp_path / "lab") == files["w2"]
    assert host_of("tcp://there:2375", tmp_path / "lab") == "tcp://there:2375"
    assert client_of(files["w2"], "auto").info()["Name"] == "w2"
    with pytest.raises(docker.errors.DockerException, match="nothing is served"):
        client_of(str(tmp_path / "docker.tcp"), "auto")


def test_a_kernel_that_ends_leaves_no_socket(tmp_path):
    from jupyter_client.manager import start_new_kernel

    manager, client = start_new_kernel(kernel_name="python3")
    try:
        folder = tmp_path / "lab"
        code = (
            f"import swarmlab; cluster = swarmlab.simulate(seed=1); cluster.serve({str(folder)!r})"
        )
        outputs: list[str] = []

        def keep(message: dict[str, Any]) -> None:
            outputs.append(str(message["content"]))

        client.execute_interactive(code, timeout=60, output_hook=keep)
        assert any("export DOCKER_HOST=" in output for output in outputs), outputs
        terminal(folder, "service", "create", "-d", "--name", "web", "nginx")
        client.execute_interactive("cluster.client().services.list()[0].name", output_hook=keep)
        assert "'web'" in outputs[-2] + outputs[-1]
    finally:
        client.stop_channels()
        manager.shutdown_wait_time = 60.0  # a kernel that is killed cleans nothing up
        manager.shutdown_kernel()
    until(lambda: not folder.exists())
