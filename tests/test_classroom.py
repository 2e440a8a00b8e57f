"""The class on a Swarm: what `swarmlab class` writes, deployed, and each attendee's service."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from docker import DockerClient
from dockerspawner import swarmspawner
from traitlets.config import Config

import swarmlab
from swarmlab import strings
from swarmlab.classroom.spawner import ClassSpawner, ServerNotStarted
from swarmlab.cli import classroom, wheels
from swarmlab.cli.command_line import main
from tests.classroom import RECORDED, STACK, placed, specs
from tests.served import Served

ROOT = Path(__file__).parents[1]

IMAGE = "swarmlab-class:1"


@pytest.fixture(autouse=True)
def english(monkeypatch) -> Iterator[None]:
    monkeypatch.setenv("LANGUAGE", "en")
    strings.use()
    yield
    strings.use(strings.ENGLISH)


@pytest.fixture
def swarm(monkeypatch) -> Any:
    """A simulated swarm for the hub; while the hub waits, time passes there."""

    async def sleep(seconds: float) -> None:
        cluster.run(f"{seconds}s")

    cluster = swarmlab.simulate(managers=1, workers=2, seed=7, any_image=True)
    client = cluster.client("m1")
    client.networks.create("class", driver="overlay")
    monkeypatch.setattr(ClassSpawner, "_client", client.api)
    monkeypatch.setattr(swarmspawner, "asyncio", SimpleNamespace(sleep=sleep))
    return cluster


def spawner(name: str = "ana", **settings: Any) -> ClassSpawner:
    """What the hub has for an attendee."""
    user = SimpleNamespace(name=name, url=f"/user/{name}/", id=1, settings={})
    hub = SimpleNamespace(public_host="", api_url="http://hub:8081/hub/api", base_url="/hub/")
    values = {"image": IMAGE, "cmd": ["swarmlab", "lab"], "network_name": "class"} | settings
    return ClassSpawner(user=user, hub=hub, **values)


@pytest.fixture
def settings(monkeypatch, tmp_path) -> Callable[[str], Any]:
    """The hub's settings, once its instructor has taken `# ` off the lines with such words."""
    for name in ("cookie_secret", "proxy_token"):
        (tmp_path / name).write_text("00", "utf-8")
    for name, value in {"SECRETS": str(tmp_path), "USERS": "3", "IMAGE": IMAGE}.items():
        monkeypatch.setenv(f"CLASS_{name}", value)

    def read(words: str) -> Any:
        text = classroom.template(classroom.CONFIG)
        c = Config()
        exec(re.sub(f"# (.*({words}).*)", r"\1", text), {"get_config": lambda: c})
        return c

    return read


def test_attendees_are_spread_over_the_nodes(swarm):
    for name in ("ana", "bia", "caio"):
        assert asyncio.run(spawner(name).start()) == (f"jupyter-{name}", 8888)
    tasks = swarm.client("m1").api.tasks(filters={"desired-state": "running"})
    assert len({task["NodeID"] for task in tasks}) == 3
    assert {task["Status"]["State"] for task in tasks} == {"running"}


def test_a_server_is_there_while_its_task_moves_to_another_node(swarm):
    """SwarmSpawner itself takes a task that is assigned, accepted or ready for one that ended."""
    ana = spawner(extra_placement_spec={"constraints": ["node.role == worker"]})
    api = swarm.client("m1").api
    names = {node["ID"]: node["Description"]["Hostname"] for node in api.nodes()}
    asyncio.run(ana.start())
    [first] = api.tasks()
    swarm.crash(names[first["NodeID"]])
    answers = [asyncio.run(ana.poll()) for _second in range(200)]  # each takes 0.2 s there
    assert set(answers) == {None}
    [second] = api.tasks(filters={"desired-state": "running"})
    assert second["Status"]["State"] == "running"
    assert {names[task["NodeID"]] for task in (first, second)} == {"w1", "w2"}


def test_a_full_class_is_said_with_what_swarm_says(swarm):
    greedy = spawner(mem_guarantee="900G", patience_s=1)
    with pytest.raises(ServerNotStarted) as refused:
        asyncio.run(greedy.start())
    assert refused.value.jupyterhub_message == (
        "The class is full: no suitable node (insufficient resources on 3 nodes)."
        " Tell your instructor, or try again later."
    )


def test_a_pinned_node_has_all_attendees_and_without_it_no_class_is_called_full(swarm, settings):
    config = settings("node.labels.class == home")
    api = swarm.client("m1").api
    [w1] = swarm.client("m1").nodes.list(filters={"name": "w1"})

    def refusal() -> str:
        with pytest.raises(ServerNotStarted) as refused:
            asyncio.run(spawner("late", config=config, patience_s=2).start())
        api.remove_service("jupyter-late")
        return str(refused.value.jupyterhub_message)

    none = "No node may take your server now: no suitable node ({}). Tell your instructor."
    assert refusal() == none.format("scheduling constraints not satisfied on 3 nodes")
    w1.update(w1.attrs["Spec"] | {"Labels": {"class": "home"}})
    for name in ("ana", "bia", "caio"):
        asyncio.run(spawner(name, config=config).start())
    assert {task["NodeID"] for task in api.tasks()} == {w1.id}
    swarm.crash("w1")
    swarm.run("1m")
    down = "scheduling constraints not satisfied on 2 nodes; 1 node not available for new tasks"
    assert refusal() == none.format(down)
    swarm.start("w1")
    swarm.run("1m")
    states = {task["Status"]["State"] for task in api.tasks(filters={"desired-state": "running"})}
    assert states == {"running"}


def test_on_nfs_work_is_a_file_servers_folder_into_which_nothing_is_copied(swarm, settings):
    """Real engines copy as root, whom file servers refuse: no server would start."""
    config = settings("options = |driver = |VolumeOptions")
    ana = spawner(config=config, network_name="class")
    config.Spawner.pre_spawn_hook(ana)
    asyncio.run(ana.start())
    [service] = swarm.client("m1").api.services()
    [mount] = service["Spec"]["TaskTemplate"]["ContainerSpec"]["Mounts"]
    options = mount["VolumeOptions"]
    assert options["NoCopy"]
    assert options["DriverConfig"]["Options"]["device"] == f":/class/{mount['Source']}"
    assert mount["Source"] == "class-ana"


def test_a_missing_image_is_said(swarm):
    lost = spawner(image=f"lost@sha256:{'0' * 64}", patience_s=1)
    with pytest.raises(ServerNotStarted, match="lacks the class's image: No such image: lost@sha"):
        asyncio.run(lost.start())


def test_an_engine_that_is_no_manager_is_said_in_dockers_words(swarm, monkeypatch):
    monkeypatch.setattr(ClassSpawner, "_client", swarm.client("w1").api)
    with pytest.raises(ServerNotStarted, match="This node is not a swarm manager"):
        asyncio.run(spawner().start())


# -- the folder ------------------------------------------------------------------------------------
@pytest.fixture
def without_wheel(monkeypatch) -> None:
    """The kit's wheel takes long to make; tests/test_project.py makes one and looks into it."""

    def made(folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "swarmlab-1.whl").write_bytes(b"a wheel")
        return folder / "swarmlab-1.whl"

    monkeypatch.setattr(classroom, "own_wheel", made)


@pytest.mark.usefixtures("without_wheel")
@pytest.mark.parametrize(("tag", "words"), [("en", "Four commands"), ("pt-BR", "Quatro comandos")])
def test_the_folder_has_all_that_its_readme_names_in_the_instructors_language(tag, words, tmp_path):
    folder = tmp_path / "new" / "class"
    assert main(["class", "--lang", tag, "--users", "12", "--into", str(folder)]) == 0
    texts = {path.name: path.read_text("utf-8") for path in folder.iterdir() if path.is_file()}
    assert words in texts["README.md"]
    assert 'CLASS_USERS: "12"' in texts["stack.yml"]
    assert not [name for name, text in texts.items() if re.search("@[A-Z]+@", text)]
    for name in re.findall(r"lab/tree/(\S+\.ipynb)", texts["README.md"]):
        assert (ROOT / "notebooks" / name).exists()
        assert name.startswith("pt-BR/") == (tag == "pt-BR")
    assert texts[".dockerignore"] == "secrets\n"  # the image has none of them


@pytest.mark.usefixtures("without_wheel")
def test_secrets_are_for_their_owner_alone_and_differ_each_time(tmp_path, capsys):
    values = []
    for name in ("one", "two"):
        assert main(["class", "--into", str(tmp_path / name)]) == 0
        files = sorted((tmp_path / name / "secrets").iterdir())
        assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
        values += [path.read_text("utf-8") for path in files]
    assert len(set(values)) == len(values) == 8
    said = capsys.readouterr()
    assert not [value for value in values if value in said.out + said.err]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--into", "{own}"], "is there already; give --into a new folder"),
        (["--into", "{own}/file"], "is there already; give --into a new folder"),
        (["--users", "0"], "--users: 0 is not a class; give 1 or more"),
    ],
)
def test_what_cannot_be_written_is_one_sentence_and_nothing_is_written(
    words, why, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "file").write_text("mine", "utf-8")
    assert main(["class", *(word.format(own=tmp_path / "own") for word in words)]) == 1
    assert why in capsys.readouterr().err
    assert [path.name for path in tmp_path.rglob("*")] == ["own", "file"]


def test_without_the_kits_source_there_is_no_half_a_folder(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(wheels, "ROOT", tmp_path)
    assert main(["class", "--into", str(tmp_path / "class")]) == 1
    assert "run this in a checkout" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


# -- the stack -------------------------------------------------------------------------------------
@pytest.mark.usefixtures("without_wheel")
def test_the_stack_has_the_specs_of_a_real_engine_and_its_tasks_are_placed_as_the_page_says(
    tmp_path,
):
    """The recording is of `tests/classroom.py`, which says how to make it again."""
    folder = tmp_path / "class"
    assert main(["class", "--into", str(folder)]) == 0
    docker = shutil.which("docker")
    command = [docker] if docker else [sys.executable, "-m", "swarmlab", "docker"]
    size = ("--managers", "1", "--workers", "2", "--any-image", "--speed", "20")
    with Served(tmp_path / "served", *size) as served:
        environment = {**os.environ, "DOCKER_HOST": served.host("m1"), "PYTHONPATH": str(ROOT)}
        subprocess.run([*command, *STACK], cwd=folder, env=environment, check=True)
        api = DockerClient(served.host("m1"), version="1.41").api
        assert specs(api) == json.loads(RECORDED.read_text("utf-8"))
        # The containers do not run Python, so the checks of their health never answer there.
        end, nodes = time.monotonic() + 300, dict[str, str]()
        while len(nodes) < 2 and time.monotonic() < end:
            nodes |= placed(api, "starting", "running")
    assert nodes["class_hub"] == "m1"  # the manager
    assert nodes["class_proxy"] in ("m1", "w1", "w2")
