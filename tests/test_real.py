"""Real engines: launched, used, broken and removed; and a connection to an existing swarm.

The tests start an engine of their own (`host_engine.py`); the kit launches its engines on that one.
"""

from __future__ import annotations

import asyncio
import io
import os
import re
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path
from typing import Any

import docker
import nbformat
import pytest
import requests
from docker.types import ServiceMode
from nbclient import NotebookClient

import swarmlab
from swarmlab.cli.command_line import main
from swarmlab.compare.comparison import compare_one
from swarmlab.jupyter.magic import run_commands
from swarmlab.lessons.attempt import Attempt
from swarmlab.lessons.bank import bank, exercise_named
from swarmlab.real import engines, images, launched
from swarmlab.real.launched import LaunchedCluster
from tests.host_engine import HostEngine, import_dind, missing
from tests.sample import WHOLE, sample

pytestmark = pytest.mark.real

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
# Each commit runs two pages and one more, and plays an exercise and a scenario; with
# SWARMLAB_WHOLE=1 all of them (an hour).
MORE_PAGES = (
    *("01_vm_vs_container", "02_docker_workflow", "06_command_to_container", "07_placement"),
    *("08_tls_and_ca", "09_autolock", "10_secrets_and_configs", "11_health_checks"),
    *("12_rolling_updates", "13_rollback", "14_stacks", "15_network"),
)
SLOW_PAGES = ("03_why_orchestrate", "04_parts_and_topology")  # five to ten minutes each
PAGES = ["05_quorum", "00_start_here", *sample(MORE_PAGES)]
PAGES = [*SLOW_PAGES, *PAGES] if WHOLE else PAGES
PAGES_AT_ONCE = 3
PAGE_S_MAX = 1200
QUICK = ("first_service", "spread_over_zones", "secret_for_a_service")
EXERCISES = sample(bank() if WHOLE else QUICK)
SETTLE_LIMIT = "4m"
READY_S_MAX, GONE_S_MAX = 120.0, 120.0  # a quarter of it, where no pages run at the same time
ELECTION_MAX = "4m"  # a vote can be split several times
Pages = tuple[HostEngine, dict[str, Future[Any]]]


@pytest.fixture(scope="module")
def host() -> Iterator[HostEngine]:
    """An engine in place of the user's own, with `docker:dind` on it."""
    if why := missing():
        pytest.skip(why)
    with HostEngine() as engine, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", engine.url)
        import_dind(engine.client)
        yield engine


@pytest.fixture(scope="module", autouse=True)
def pages(request: pytest.FixtureRequest) -> Iterator[Pages | None]:
    """Notebooks on real engines, on their own host: started first, since they mostly wait."""
    if why := missing():
        pytest.skip(why)
    if not any("notebook" in item.name for item in request.session.items):
        yield None  # no test needs them
        return
    with HostEngine() as engine, ThreadPoolExecutor(PAGES_AT_ONCE) as pool:
        import_dind(engine.client)
        yield engine, {name: pool.submit(run_on_real_engines, name, engine) for name in PAGES}


def run_on_real_engines(name: str, engine: HostEngine) -> tuple[dict[str, str], list[str]]:
    """Run a notebook with `swarmlab.launch` in place of `swarmlab.simulate`.

    Returns cell id -> its output as text, and all errors except NotSupported.
    """
    notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for cell in code:
        cell.source = cell.source.replace("swarmlab.simulate", "swarmlab.launch")
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(
            notebook,
            timeout=PAGE_S_MAX,
            allow_errors=True,
            resources={"metadata": {"path": folder}},
        )
        asyncio.run(client.async_execute(env={**os.environ, "DOCKER_HOST": engine.url}))
    outputs = [(cell.id, output) for cell in code for output in cell.outputs]
    errors = [output for _id, output in outputs if output.output_type == "error"]
    shown: dict[str, str] = {}
    for id, output in outputs:
        text = output.get("text") or output.get("data", {}).get("text/plain", "")
        shown[id] = shown.get(id, "") + text
    return shown, [f"{e.ename}: {e.evalue}" for e in errors if e.ename != "NotSupported"]


@pytest.fixture(scope="module")
def progress() -> list[str]:
    """The lines that a launch says."""
    return []


@pytest.fixture(scope="module")
def real(host: HostEngine, progress: list[str]) -> Iterator[LaunchedCluster]:
    """Three managers and two workers."""
    with launched.launch(managers=3, workers=2, say=progress.append) as cluster:
        yield cluster


def left_on(host: HostEngine) -> list[str]:
    """Containers, volumes and the kit's networks on the host engine."""
    client = host.client
    networks = [n.name for n in client.networks.list() if n.name.startswith("swarmlab")]
    volumes = [volume.name for volume in client.volumes.list()]
    return [
        *(c.name for c in client.containers.list(all=True, ignore_removed=True)),
        *networks,
        *volumes,
    ]


def engines_running(host: HostEngine) -> int:
    """How many engines run in containers of the host engine, by the process table."""
    parents: dict[int, int] = {}
    inner: list[int] = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # the process ended
            parents[int(folder.name)] = int(folder.joinpath("stat").read_text("utf-8").split()[-49])
            command = folder.joinpath("cmdline").read_bytes()
            inner += [int(folder.name)] if b"--host=" + engines.SOCKET.encode() in command else []
    return sum(host.process.pid in ancestors(pid, parents) for pid in inner)


def assert_nothing_is_left_soon(host: HostEngine) -> None:
    """A program that ends removes its engines within a few seconds."""
    end = time.monotonic() + GONE_S_MAX
    while time.monotonic() < end and left_on(host):
        time.sleep(0.2)
    assert left_on(host) == []
    assert engines_running(host) == 0


def ancestors(pid: int, parents: dict[int, int]) -> Iterator[int]:
    while pid := parents.get(pid, 0):
        yield pid


def docker_output(text: str) -> str:
    """What `%docker` prints for these lines in a notebook."""
    out = io.StringIO()
    run_commands(text, out, out)
    return out.getvalue()


def running(cluster: Any, service: str) -> int:
    tasks = cluster.client().services.get(service).tasks(filters={"desired-state": "running"})
    return sum(task["Status"]["State"] == "running" for task in tasks)


def error_of(client: docker.DockerClient) -> str:
    """The error when an engine does not list the nodes; empty when it does."""
    try:
        client.nodes.list()
    except docker.errors.APIError as error:
        return str(error.explanation)
    return ""


# -- launched --------------------------------------------------------------------------------------
def test_without_a_registry_stand_ins_have_the_well_known_names(
    real: LaunchedCluster, progress: list[str]
):
    assert any("stand-ins made of busybox" in line for line in progress)
    tags = [tag for image in real.client("w2").images.list() for tag in image.tags]
    assert set(images.well_known_images()) <= set(tags)


def test_a_launch_says_when_the_kernel_has_no_ipvs(progress: list[str], real: LaunchedCluster):
    assert any("no IPVS" in line for line in progress) is not Path("/proc/net/ip_vs").exists()


def test_an_engine_has_capabilities_is_not_privileged_and_listens_on_no_network(
    host: HostEngine, real: LaunchedCluster
):
    container = host.client.containers.get(f"{real.lab}-m1").attrs
    assert container["HostConfig"]["Privileged"] is False
    added = {name.removeprefix("CAP_") for name in container["HostConfig"]["CapAdd"]}
    assert added == {"SYS_ADMIN", "NET_ADMIN", "SYS_PTRACE"}  # as README.md says
    assert container["HostConfig"]["DeviceCgroupRules"] is None
    disk = "mknod /tmp/disk b 8 0; dd if=/tmp/disk of=/dev/null count=1"
    output = host.client.containers.get(f"{real.lab}-m1").exec_run(["busybox", "sh", "-c", disk])
    assert b"not permitted" in output.output
    assert container["HostConfig"]["PortBindings"] in (None, {})
    assert [word for word in container["Args"] if "tcp://" in word] == []


def test_a_connection_through_dial_stdio_keeps_every_byte(real: LaunchedCluster):
    """Uploads, downloads and followed logs."""
    client = real.client("m1")
    container = client.containers.run("alpine", ["sh", "-c", "echo one; sleep 2"], detach=True)
    data = bytes(range(256)) * 4096
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        entry = tarfile.TarInfo("data")
        entry.size = len(data)
        tar.addfile(entry, io.BytesIO(data))
    container.put_archive("/tmp", file.getvalue())
    pieces, _ = container.get_archive("/tmp/data")
    with tarfile.open(fileobj=io.BytesIO(b"".join(pieces))) as tar:
        extracted: Any = tar.extractfile("data")
        assert extracted.read() == data
    assert [*container.logs(stream=True, follow=True)] == [b"one\n"]
    container.remove(force=True)


def test_the_magic_speaks_to_real_engines(real: LaunchedCluster):
    real.use()
    docker_output("service create --quiet --name magic --replicas 2 nginx")
    assert "2/2" in docker_output("service ls")
    assert "This node is not a swarm manager." in docker_output("-H w1 node ls")
    assert docker_output("service rm magic") == "magic\n"


def test_after_a_leader_crash_another_manager_leads_and_the_crashed_one_rejoins(
    real: LaunchedCluster,
):
    real.client().services.create("nginx", name="web", mode=ServiceMode("replicated", 5))
    real.until(lambda: running(real, "web") == 5, SETTLE_LIMIT)
    first = real.leader()
    real.crash(first)
    assert not real.is_up(first)
    with pytest.raises(requests.exceptions.ConnectionError):
        real.client(first).ping()
    real.until(lambda: real.leader() not in ("", first), ELECTION_MAX)
    assert real.default_node() != first
    assert f"{first}: manager" in real.board().text
    real.until(lambda: running(real, "web") == 5, SETTLE_LIMIT)
    real.start(first)
    assert real.client(first).ping()
    real.until(lambda: all(row.state == "ready" for row in real.nodes), ELECTION_MAX)
    assert len([row for row in real.nodes if row.manager == "leader"]) == 1


def test_a_leader_in_a_minority_partition_steps_down_and_still_answers(real: LaunchedCluster):
    leader = real.leader()
    others = [name for name in real.names if name != leader]
    real.partition([leader], others)
    real.until(lambda: real.leader_according_to(others[0]) not in ("", leader), ELECTION_MAX)
    assert real.client(leader).info()["Swarm"]["LocalNodeState"] == "active"
    real.until(lambda: error_of(real.client(leader)), ELECTION_MAX)
    assert re.search(r"leader|deadline", error_of(real.client(leader)))
    real.heal()
    real.until(lambda: real.leader_according_to(leader) not in ("", leader), ELECTION_MAX)


def test_a_paused_or_stopped_engine_is_down_until_it_is_started(real: LaunchedCluster):
    real.pause("w1")
    real.stop("w2")
    assert real.up() == ["m1", "m2", "m3"]
    real.start("w1", "w2")
    assert real.up() == real.names


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda c: c.crash("m9"), "there is no node 'm9'; there are m1, m2"),
        (lambda c: c.partition("m1", "m1,m2"), "'m1' is in two groups"),
        (lambda c: c.client("m9"), "there is no node 'm9'"),
        (lambda c: c.pause(), "one node"),
        (lambda c: c.slow("m1", "m2", "1s"), "cut the network"),
        (lambda c: c.until(lambda: False, "1s"), "condition was not met within 1s"),
        (lambda c: c.run("soon"), "'soon' is not a duration"),
        (lambda c: c.explain("web.1"), "only a simulation knows"),
    ],
)
def test_an_impossible_call_says_why(real: LaunchedCluster, call: Any, message: str):
    with pytest.raises(swarmlab.LabError, match=message):
        call(real)


# -- connected by ssh; a manager may still be catching up after the partition above ----------------
SSH = """#!/bin/sh
# Replaces `ssh -l me -- m1 docker system dial-stdio`, with an engine in a container.
while [ "$1" != -- ]; do shift; done
node=$2; shift 2
exec docker -H {host} exec -i {lab}-$node "$@"
"""


@pytest.fixture
def ssh(
    host: HostEngine, real: LaunchedCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "ssh"
    program.write_text(SSH.format(host=host.url, lab=real.lab), encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")


@pytest.mark.usefixtures("ssh")
def test_ssh_connects_to_a_swarm_node_by_node(real: LaunchedCluster):
    with swarmlab.connect(["ssh://me@m1", "ssh://me@w1"]) as cluster:
        assert cluster.names == ["m1", "m2", "m3", "w1", "w2"]
        assert cluster.client("w1").info()["Name"] == "w1"
        cluster.until(lambda: cluster.leader() == real.leader() != "", ELECTION_MAX)
        assert [row.name for row in cluster.nodes] == cluster.names
        with pytest.raises(swarmlab.LabError, match="no connection to w2: give its address too"):
            cluster.client("w2")
    with pytest.raises(swarmlab.LabError, match="workers alone"):
        swarmlab.connect("ssh://me@w1")


@pytest.mark.usefixtures("ssh")
def test_a_connection_to_a_follower_is_enough(real: LaunchedCluster):
    real.until(real.leader, ELECTION_MAX)
    follower = next(name for name in ("m1", "m2", "m3") if name != real.leader())
    with swarmlab.connect(f"ssh://me@{follower}") as cluster:
        assert cluster.default_node() == follower
        # After the partition above.
        cluster.until(lambda: cluster.leader() == real.leader() != "", ELECTION_MAX)
        assert len(cluster.nodes) == 5


@pytest.mark.usefixtures("ssh")
def test_connect_takes_the_name_of_a_docker_context(
    real: LaunchedCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    docker.context.ContextAPI.create_context("work", host="ssh://me@m2")
    with swarmlab.connect("work") as cluster:
        assert cluster.client("m2").info()["Name"] == "m2"
    with pytest.raises(swarmlab.LabError, match="there is no docker context 'play'"):
        swarmlab.connect("play")


# -- launched and removed -------------------------------------------------------------------------
def test_closing_a_cluster_removes_everything(real: LaunchedCluster, host: HostEngine):
    """The tests above have broken the cluster; those below count what is left."""
    real.close()
    assert left_on(host) == []
    assert engines_running(host) == 0


def test_a_launch_ends_in_a_swarm_soon_and_says_each_step(host: HostEngine, progress: list[str]):
    start_s = time.monotonic()
    with launched.launch(managers=3, workers=2, say=progress.append) as cluster:
        assert time.monotonic() - start_s < READY_S_MAX
        rows = [(row.name, row.role, row.state, row.up) for row in cluster.nodes]
        assert [name for name, *_ in rows] == ["m1", "m2", "m3", "w1", "w2"] == cluster.names
        assert [rest for _, *rest in rows[:3]] == [["manager", "ready", True]] * 3
        assert [rest for _, *rest in rows[3:]] == [["worker", "ready", True]] * 2
        assert "5 of 5 nodes up" in repr(cluster)
        assert cluster.lab in "".join(left_on(host))
        assert engines_running(host) == 5
    assert left_on(host) == []
    assert engines_running(host) == 0
    assert "5 engines" in progress[-2]
    assert "ready" in progress[-1]


def test_the_oldest_cluster_is_closed_when_there_are_too_many_engines(
    host: HostEngine, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(launched, "TOGETHER_MAX", 2)
    lines: list[str] = []
    first = launched.launch(1, 0, say=lines.append)
    with launched.launch(1, 0, say=lines.append) as second, launched.launch(1, 0, say=lines.append):
        assert second.up() == ["m1"]
        assert f"closing {first.lab}" in "\n".join(lines)
        assert repr(first) == "<Cluster real, closed>"
        with pytest.raises(swarmlab.LabError, match="was closed; make it again"):
            first.crash("m1")
    assert left_on(host) == []


def test_images_of_the_outer_engine_are_copied_to_every_engine(host: HostEngine):
    with tempfile.TemporaryFile() as file:
        tarfile.open(fileobj=file, mode="w").close()
        file.seek(0)
        host.client.api.import_image_from_data(file, "redis", "latest")
    image = host.client.images.get("redis:latest")
    with launched.launch(1, 1, say=lambda line: None) as cluster:
        assert cluster.client("w1").images.get("redis:latest").id == image.id
    image.remove()


@pytest.mark.parametrize("where", ["wait_for", "form_swarm"])
def test_an_interrupted_launch_leaves_nothing(
    host: HostEngine, monkeypatch: pytest.MonkeyPatch, where: str
):
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(LaunchedCluster, where, interrupted)
    with pytest.raises(KeyboardInterrupt):
        launched.launch(2, 0, say=lambda line: None)
    assert left_on(host) == []


def test_an_engine_that_does_not_answer_is_reported_with_its_last_output(
    host: HostEngine, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(engines, "START", "echo the disk is on fire; exit 1")
    with pytest.raises(swarmlab.LabError, match="the disk is on fire\nA slow machine"):
        launched.launch(1, 0, say=lambda line: None)
    assert left_on(host) == []


ABANDONED = """
import os, swarmlab
swarmlab.launch(1, 0)
os.kill(os.getpid(), 9)
"""


def test_clean_removes_what_a_killed_program_left(
    host: HostEngine, capsys: pytest.CaptureFixture[str]
):
    completed = subprocess.run([sys.executable, "-c", ABANDONED], check=False)
    assert completed.returncode == -signal.SIGKILL
    assert len(left_on(host)) == 4  # an engine, its disk, the network, the shared folder
    assert main(["clean", "--yes"]) == 0
    assert "removed container swarmlab-" in capsys.readouterr().out
    assert left_on(host) == []
    assert main(["clean"]) == 0
    assert "nothing" in capsys.readouterr().out


def test_engines_are_removed_when_the_program_ends(host: HostEngine):
    program = (
        "import os, swarmlab; cluster = swarmlab.launch(1, 0); print(cluster);"
        " os.environ['DOCKER_HOST'] = 'tcp://127.0.0.1:9'"  # another engine from now on
    )
    completed = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
    )
    assert "1 of 1 nodes up" in completed.stdout
    assert_nothing_is_left_soon(host)


# -- connected -------------------------------------------------------------------------------------
@pytest.fixture
def swarm(host: HostEngine) -> Iterator[docker.DockerClient]:
    """A swarm that exists already: the host engine itself, with a service."""
    host.client.swarm.init(advertise_addr="127.0.0.1")
    host.client.services.create("docker:dind", name="theirs", command=["sleep", "600"])
    yield host.client
    host.client.swarm.leave(force=True)
    for volume in host.client.volumes.list():  # of the service's containers
        volume.remove(force=True)


def test_a_launch_does_not_change_an_existing_swarm(swarm: docker.DockerClient, host: HostEngine):
    before = swarm.api.inspect_swarm(), swarm.api.nodes()[0]["Spec"], len(swarm.services.list())
    with launched.launch(1, 1, say=lambda line: None) as cluster:
        assert cluster.names == ["m1", "w1"]
    after = swarm.api.inspect_swarm(), swarm.api.nodes()[0]["Spec"], len(swarm.services.list())
    assert before == after


def test_objects_of_others_are_protected_unless_faults_are_allowed(
    swarm: docker.DockerClient,
):
    with swarmlab.connect() as cluster:
        assert cluster.names == ["the-host"]
        assert swarmlab.latest() is cluster
        for lines in ("service rm theirs", "service scale theirs=3", "swarm leave --force"):
            assert "did not make" in docker_output(lines)
        assert "did not make" in docker_output("node update --availability drain the-host")
        assert "did not make" not in docker_output(
            "service create --name ours --detach docker:dind"
        )
        docker_output("service scale --detach ours=2")
        ours = swarm.services.get("ours").attrs["Spec"]
        assert ours["Mode"]["Replicated"]["Replicas"] == 2
        assert docker_output("service rm ours") == "ours\n"
        with pytest.raises(swarmlab.LabError, match="only engines that it launched"):
            cluster.crash("the-host")
    assert [service.name for service in swarm.services.list()] == ["theirs"]
    with swarmlab.connect(allow_faults=True):
        docker_output("node update --availability drain the-host")
    assert swarm.api.nodes()[0]["Spec"]["Availability"] == "drain"


# -- the notebooks, and the comparison -------------------------------------------------------------
@pytest.mark.parametrize("name", sample(["names", "spread", "worker_crash"]))
def test_a_scenario_has_the_same_result_on_real_engines(host: HostEngine, name: str):
    compared = compare_one(name, swarmlab.launch)
    assert compared.agrees, repr(compared)
    assert compared.real.kind == "real"
    assert left_on(host) == []


@pytest.mark.parametrize("name", EXERCISES)
def test_an_exercise_works_on_real_engines(
    host: HostEngine, request: pytest.FixtureRequest, name: str
):
    """The initial state fails, a wrong answer gets its feedback, the solution passes."""
    attempt = Attempt(exercise_named(name), swarmlab.launch, on_change=list)
    request.addfinalizer(attempt.close)
    attempt.start()
    assert not attempt.check().passed
    wrong = attempt.exercise.wrong[0]
    attempt.do(wrong.commands)
    attempt.cluster.until(lambda: attempt.check().step == wrong.feedback, SETTLE_LIMIT)
    attempt.start()
    attempt.do(attempt.exercise.solution)
    attempt.cluster.until(lambda: attempt.check().passed, SETTLE_LIMIT)


@pytest.mark.parametrize("name", PAGES)
def test_a_notebook_runs_on_real_engines_after_one_line_is_changed(pages: Pages, name: str):
    shown, errors = pages[1][name].result(PAGE_S_MAX)
    assert errors == []
    assert re.search(r"\d engines?, Docker", "".join(shown.values()))
    if name == "00_start_here":
        assert re.search(r"m1 +Down .*Unreachable", shown["survivors"])
        assert re.search(r"m[23] +Ready .*Leader", shown["survivors"])
    if name == "08_tls_and_ca":
        assert "The rotation waits for w2" in shown["ends"]
        assert "w2: pending" in shown["slept"]
    if name == "09_autolock":
        assert "Swarm is encrypted and needs to be unlocked" in shown["restart-run"]
        assert "invalid key provided" in shown["keys-run"]
        assert "later" not in shown["bill-run"]
    if name == "05_quorum":
        assert "computed and observed agree" in shown["table"]
        assert "web scaled to 9" in shown["cut-run"]
        assert "The swarm does not have a leader" in shown["cut-run"]


def test_the_notebooks_leave_nothing_running(pages: Pages):
    engine, futures = pages
    wait(futures.values())
    assert_nothing_is_left_soon(engine)
