"""Real engines: launched, used, broken and closed; a swarm that is there already; nothing left.

The tests bring an engine of their own (`host_engine.py`); the kit launches its engines on that one.
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
from collections.abc import Callable, Iterator
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
from swarmlab.lessons.attempt import Attempt, Verdict
from swarmlab.lessons.bank import bank, exercise_named
from swarmlab.real import engines, images, launched
from swarmlab.real.launched import LaunchedCluster
from tests.host_engine import HostEngine, import_dind, missing

pytestmark = pytest.mark.real

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
# The longest first: eight minutes, most of them spent waiting.
PAGES = ("05_quorum", "12_rolling_updates", "07_placement", "00_start_here", "01_vm_vs_container")
PAGES_AT_ONCE = 3
PAGE_S_MAX = 1200
# Three that are quick; `ALL_EXERCISES=1` plays every one, which takes half an hour.
EXERCISES = ["first_service", "spread_over_zones", "secret_for_a_service"]
EXERCISES = list(bank()) if "ALL_EXERCISES" in os.environ else EXERCISES
SETTLED_S_MAX = 90.0
READY_S_MAX, GONE_S_MAX = 30.0, 30.0
Pages = tuple[HostEngine, dict[str, Future[Any]]]


@pytest.fixture(scope="module")
def host() -> Iterator[HostEngine]:
    """An engine that stands for the attendee's own, with `docker:dind` on it."""
    if why := missing():
        pytest.skip(why)
    with HostEngine() as engine, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", engine.url)
        import_dind(engine.client)
        yield engine


@pytest.fixture(scope="module", autouse=True)
def pages(request: pytest.FixtureRequest) -> Iterator[Pages | None]:
    """Notebooks on real engines, on a host of their own: begun at once, since they mostly wait."""
    if why := missing():
        pytest.skip(why)
    if not any("notebook" in item.name for item in request.session.items):
        yield None  # nobody asks for them
        return
    with HostEngine() as engine, ThreadPoolExecutor(PAGES_AT_ONCE) as pool:
        import_dind(engine.client)
        yield engine, {name: pool.submit(run_on_real_engines, name, engine) for name in PAGES}


def run_on_real_engines(name: str, engine: HostEngine) -> tuple[dict[str, str], list[str]]:
    """Run a notebook with its one-line switch thrown.

    Returns cell id -> what it shows as text, and what went wrong beside what says that only a
    simulation can do it.
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
def said() -> list[str]:
    """The lines that a launch said."""
    return []


@pytest.fixture(scope="module")
def real(host: HostEngine, said: list[str]) -> Iterator[LaunchedCluster]:
    """Three managers and two workers."""
    with launched.launch(managers=3, workers=2, say=said.append) as cluster:
        yield cluster


def left_on(host: HostEngine) -> list[str]:
    """What there is on the host engine beside its own."""
    client = host.client
    networks = [n.name for n in client.networks.list() if n.name.startswith("swarmlab")]
    volumes = [volume.name for volume in client.volumes.list()]
    return [
        *(c.name for c in client.containers.list(all=True, ignore_removed=True)),
        *networks,
        *volumes,
    ]


def engines_running(host: HostEngine) -> int:
    """How many engines in containers run below the host engine, by the machine's process table."""
    parents: dict[int, int] = {}
    inner: list[int] = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended meanwhile
            parents[int(folder.name)] = int(folder.joinpath("stat").read_text().split()[-49])
            command = folder.joinpath("cmdline").read_bytes()
            inner += [int(folder.name)] if b"--host=" + engines.SOCKET.encode() in command else []
    return sum(host.process.pid in ancestors(pid, parents) for pid in inner)


def assert_nothing_is_left_soon(host: HostEngine) -> None:
    """What a program leaves as it ends goes a few seconds after it."""
    end = time.monotonic() + GONE_S_MAX
    while time.monotonic() < end and left_on(host):
        time.sleep(0.2)
    assert left_on(host) == []
    assert engines_running(host) == 0


def ancestors(pid: int, parents: dict[int, int]) -> Iterator[int]:
    while pid := parents.get(pid, 0):
        yield pid


def docker_says(text: str) -> str:
    """What the notebooks' `%docker` prints for these lines."""
    out = io.StringIO()
    run_commands(text, out, out)
    return out.getvalue()


def running(cluster: Any, service: str) -> int:
    tasks = cluster.client().services.get(service).tasks(filters={"desired-state": "running"})
    return sum(task["Status"]["State"] == "running" for task in tasks)


def refusal(client: docker.DockerClient) -> str:
    """What an engine says when it does not list the nodes; empty when it does."""
    try:
        client.nodes.list()
    except docker.errors.APIError as error:
        return str(error.explanation)
    return ""


# -- launched --------------------------------------------------------------------------------------
def test_where_no_registry_is_in_reach_stand_ins_bear_the_well_known_names(
    real: LaunchedCluster, said: list[str]
):
    assert any("stand-ins made of busybox" in line for line in said)
    tags = [tag for image in real.client("w2").images.list() for tag in image.tags]
    assert set(images.well_known_images()) <= set(tags)


def test_a_kernel_without_ipvs_is_told_of(said: list[str], real: LaunchedCluster):
    assert any("no IPVS" in line for line in said) is not Path("/proc/net/ip_vs").exists()


def test_an_engine_gets_capabilities_and_is_not_privileged_nor_listens_on_a_network(
    host: HostEngine, real: LaunchedCluster
):
    made = host.client.containers.get(f"{real.lab}-m1").attrs
    assert made["HostConfig"]["Privileged"] is False
    assert "SYS_MODULE" not in made["HostConfig"]["CapAdd"]
    assert made["HostConfig"]["PortBindings"] in (None, {})
    assert [word for word in made["Args"] if "tcp://" in word] == []


def test_what_the_way_in_carries_comes_out_byte_by_byte(real: LaunchedCluster):
    """Uploads, downloads and a log that is followed go through the copied pipe."""
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
        got: Any = tar.extractfile("data")
        assert got.read() == data
    assert [*container.logs(stream=True, follow=True)] == [b"one\n"]
    container.remove(force=True)


def test_the_magic_speaks_to_real_engines(real: LaunchedCluster):
    real.use()
    docker_says("service create --quiet --name magic --replicas 2 nginx")
    assert "2/2" in docker_says("service ls")
    assert "This node is not a swarm manager." in docker_says("-H w1 node ls")
    assert docker_says("service rm magic") == "magic\n"


def test_another_manager_leads_after_the_leader_crashed_and_the_crashed_one_comes_back(
    real: LaunchedCluster,
):
    real.client().services.create("nginx", name="web", mode=ServiceMode("replicated", 5))
    real.until(lambda: running(real, "web") == 5, "60s")
    first = real.leader()
    real.crash(first)
    assert not real.is_up(first)
    with pytest.raises(requests.exceptions.ConnectionError):
        real.client(first).ping()
    real.until(lambda: real.leader() not in ("", first), "60s")
    assert real.default_node() != first
    assert f"{first}: manager" in real.board().text
    real.until(lambda: running(real, "web") == 5, "120s")
    real.start(first)
    assert real.client(first).ping()
    real.until(lambda: all(row.state == "ready" for row in real.nodes), "60s")
    assert len([row for row in real.nodes if row.manager == "leader"]) == 1


def test_a_manager_cut_off_loses_its_office_but_can_still_be_asked(real: LaunchedCluster):
    leader = real.leader()
    others = [name for name in real.names if name != leader]
    real.partition([leader], others)
    real.until(lambda: real.leader_according_to(others[0]) not in ("", leader), "60s")
    assert real.client(leader).info()["Swarm"]["LocalNodeState"] == "active"
    real.until(lambda: refusal(real.client(leader)), "60s")
    assert re.search(r"leader|deadline", refusal(real.client(leader)))
    real.heal()
    real.until(lambda: real.leader_according_to(leader) not in ("", leader), "90s")


def test_an_engine_that_is_frozen_or_stopped_is_down_until_it_is_started(real: LaunchedCluster):
    real.pause("w1")
    real.stop("w2")
    assert real.up() == ["m1", "m2", "m3"]
    real.start("w1", "w2")
    assert real.up() == real.names


@pytest.mark.parametrize(
    ("wrong", "said_of_it"),
    [
        (lambda c: c.crash("m9"), "there is no node 'm9'; there are m1, m2"),
        (lambda c: c.partition("m1", "m1,m2"), "'m1' is in two groups"),
        (lambda c: c.client("m9"), "there is no node 'm9'"),
        (lambda c: c.pause(), "one node"),
        (lambda c: c.slow("m1", "m2", "1s"), "cut them with"),
        (lambda c: c.until(lambda: False, "1s"), "condition was not met within 1s"),
        (lambda c: c.run("soon"), "'soon' is not a duration"),
        (lambda c: c.explain("web.1"), "only a simulation knows"),
    ],
)
def test_what_cannot_be_done_says_why(real: LaunchedCluster, wrong: Any, said_of_it: str):
    with pytest.raises(swarmlab.LabError, match=said_of_it):
        wrong(real)


# -- reached from elsewhere -----------------------------------------------------------------------
SSH = """#!/bin/sh
# Stands in for `ssh -l me -- m1 docker system dial-stdio`, with an engine in a container.
while [ "$1" != -- ]; do shift; done
node=$2; shift 2
exec docker -H {host} exec -i {lab}-$node "$@"
"""


@pytest.fixture
def ssh(
    host: HostEngine, real: LaunchedCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "ssh"
    program.write_text(SSH.format(host=host.url, lab=real.lab))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")


@pytest.mark.usefixtures("ssh")
def test_a_swarm_is_reached_by_ssh_node_by_node(real: LaunchedCluster):
    with swarmlab.connect(["ssh://me@m1", "ssh://me@w1"]) as cluster:
        assert cluster.names == ["m1", "m2", "m3", "w1", "w2"]
        assert cluster.client("w1").info()["Name"] == "w1"
        assert cluster.leader() == real.leader()
        assert [row.name for row in cluster.nodes] == cluster.names
        with pytest.raises(swarmlab.LabError, match="no connection to w2: give its address too"):
            cluster.client("w2")
    with pytest.raises(swarmlab.LabError, match="workers alone"):
        swarmlab.connect("ssh://me@w1")


@pytest.mark.usefixtures("ssh")
def test_a_manager_that_does_not_lead_is_way_enough(real: LaunchedCluster):
    real.until(real.leader, "60s")
    follower = next(name for name in ("m1", "m2", "m3") if name != real.leader())
    with swarmlab.connect(f"ssh://me@{follower}") as cluster:
        assert cluster.default_node() == follower
        cluster.until(lambda: cluster.leader() == real.leader() != "", "60s")  # after the cut above
        assert len(cluster.nodes) == 5


@pytest.mark.usefixtures("ssh")
def test_a_docker_context_names_a_swarm(
    real: LaunchedCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    (tmp_path / "config.json").write_text("{}")
    docker.context.ContextAPI.create_context("work", host="ssh://me@m2")
    with swarmlab.connect("work") as cluster:
        assert cluster.client("m2").info()["Name"] == "m2"
    with pytest.raises(swarmlab.LabError, match="there is no docker context 'play'"):
        swarmlab.connect("play")


# -- launched and gone ----------------------------------------------------------------------------
def test_closing_a_cluster_leaves_nothing(real: LaunchedCluster, host: HostEngine):
    """The tests above have broken it in every way; those below count what is there."""
    real.close()
    assert left_on(host) == []
    assert engines_running(host) == 0


def test_a_launch_ends_in_a_swarm_within_half_a_minute_and_says_each_step(
    host: HostEngine, said: list[str]
):
    begun = time.monotonic()
    with launched.launch(managers=3, workers=2, say=said.append) as cluster:
        assert time.monotonic() - begun < READY_S_MAX
        rows = [(row.name, row.role, row.state, row.up) for row in cluster.nodes]
        assert [name for name, *_ in rows] == ["m1", "m2", "m3", "w1", "w2"] == cluster.names
        assert [rest for _, *rest in rows[:3]] == [["manager", "ready", True]] * 3
        assert [rest for _, *rest in rows[3:]] == [["worker", "ready", True]] * 2
        assert "5 of 5 nodes up" in repr(cluster)
        assert cluster.lab in "".join(left_on(host))
        assert engines_running(host) == 5
    assert left_on(host) == []
    assert engines_running(host) == 0
    assert "5 engines" in said[-2]
    assert "ready" in said[-1]


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


def test_an_engine_that_never_answers_is_given_up_with_its_last_words(
    host: HostEngine, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(engines, "START", "echo no room on this ship; exit 1")
    with pytest.raises(swarmlab.LabError, match="no room on this ship\nA slow machine"):
        launched.launch(1, 0, say=lambda line: None)
    assert left_on(host) == []


ABANDONED = """
import os, swarmlab
swarmlab.launch(1, 0)
os.kill(os.getpid(), 9)
"""


def test_clean_removes_what_a_crash_left_behind(
    host: HostEngine, capsys: pytest.CaptureFixture[str]
):
    ended = subprocess.run([sys.executable, "-c", ABANDONED], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert len(left_on(host)) == 4  # an engine, its disk, the network, the common folder
    assert main(["clean"]) == 0
    assert "removed swarmlab-" in capsys.readouterr().out
    assert left_on(host) == []
    assert main(["clean"]) == 0
    assert "nothing" in capsys.readouterr().out


def test_the_end_of_the_program_is_the_end_of_its_engines(host: HostEngine):
    program = "import swarmlab; cluster = swarmlab.launch(1, 0); print(cluster)"
    told = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert "1 of 1 nodes up" in told.stdout
    assert_nothing_is_left_soon(host)


# -- connected -------------------------------------------------------------------------------------
@pytest.fixture
def swarm(host: HostEngine) -> Iterator[docker.DockerClient]:
    """Somebody's swarm: the host engine itself, with a service of theirs."""
    host.client.swarm.init(advertise_addr="127.0.0.1")
    host.client.services.create("docker:dind", name="theirs", command=["sleep", "600"])
    yield host.client
    host.client.swarm.leave(force=True)
    for volume in host.client.volumes.list():  # of their service's containers
        volume.remove(force=True)


def test_a_launch_leaves_a_swarm_that_is_there_already_as_it_was(
    swarm: docker.DockerClient, host: HostEngine
):
    before = swarm.api.inspect_swarm(), swarm.api.nodes()[0]["Spec"], len(swarm.services.list())
    with launched.launch(1, 1, say=lambda line: None) as cluster:
        assert cluster.names == ["m1", "w1"]
    after = swarm.api.inspect_swarm(), swarm.api.nodes()[0]["Spec"], len(swarm.services.list())
    assert before == after


def test_what_the_kit_did_not_make_stays_as_it_is_until_faults_are_allowed(
    swarm: docker.DockerClient,
):
    with swarmlab.connect() as cluster:
        assert cluster.names == ["the-host"]
        assert swarmlab.latest() is cluster
        for lines in ("service rm theirs", "service scale theirs=3", "swarm leave --force"):
            assert "did not make" in docker_says(lines)
        assert "did not make" in docker_says("node update --availability drain the-host")
        assert "does not make" not in docker_says("service create --name ours --detach docker:dind")
        docker_says("service scale --detach ours=2")
        ours = swarm.services.get("ours").attrs["Spec"]
        assert ours["Mode"]["Replicated"]["Replicas"] == 2
        assert docker_says("service rm ours") == "ours\n"
        with pytest.raises(swarmlab.LabError, match="only engines that it launched"):
            cluster.crash("the-host")
    assert [service.name for service in swarm.services.list()] == ["theirs"]
    with swarmlab.connect(allow_faults=True):
        docker_says("node update --availability drain the-host")
    assert swarm.api.nodes()[0]["Spec"]["Availability"] == "drain"


# -- the notebooks, and the comparison -------------------------------------------------------------
@pytest.mark.parametrize("name", ["names", "spread", "worker_crash"])
def test_a_scenario_ends_on_real_engines_as_on_simulated_ones(host: HostEngine, name: str):
    compared = compare_one(name, swarmlab.launch)
    assert compared.agrees, repr(compared)
    assert compared.real.kind == "real"
    assert left_on(host) == []


@pytest.mark.parametrize("name", EXERCISES)
def test_an_exercise_is_proved_three_ways_on_real_engines(
    host: HostEngine, request: pytest.FixtureRequest, name: str
):
    """The blank start fails, a wrong answer gets its nudge, the solution passes."""
    attempt = Attempt(exercise_named(name), swarmlab.launch, on_change=list)
    request.addfinalizer(attempt.close)
    attempt.start()
    assert not attempt.check().passed
    wrong = attempt.exercise.wrong[0]
    said = attempt.do(wrong.commands)
    assert verdict_soon(attempt, lambda verdict: verdict.step == wrong.feedback), said
    attempt.start()
    said = attempt.do(attempt.exercise.solution)
    assert verdict_soon(attempt, lambda verdict: verdict.passed), said


def verdict_soon(attempt: Attempt, wanted: Callable[[Verdict], bool]) -> bool:
    """Whether the check says so, once the swarm has done what it was told."""
    end = time.monotonic() + SETTLED_S_MAX
    while not wanted(attempt.check()):
        if time.monotonic() > end:
            return False
        time.sleep(1)
    return True


@pytest.mark.parametrize("name", PAGES)
def test_a_notebook_runs_on_real_engines_by_its_one_line_switch(pages: Pages, name: str):
    shown, wrong = pages[1][name].result(PAGE_S_MAX)
    assert wrong == []
    assert re.search(r"\d engines", "".join(shown.values()))
    if name == "00_start_here":
        assert re.search(r"m1 +Down .*Unreachable", shown["survivors"])
        assert re.search(r"m[23] +Ready .*Leader", shown["survivors"])
    if name == "05_quorum":
        assert "computed and seen agree" in shown["table"]
        assert "web scaled to 9" in shown["cut-run"]
        assert "The swarm does not have a leader" in shown["cut-run"]


def test_the_notebooks_left_nothing(pages: Pages):
    engine, futures = pages
    wait(futures.values())
    assert_nothing_is_left_soon(engine)
