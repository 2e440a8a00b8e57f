"""Scenes: each saved one replays to its digest, is made from the page as it stands, and is gone
back to from whatever has happened. A rehearsal tells what fails in a room."""

from __future__ import annotations

import gc
import io
import json
import os
import random
import re
import shutil
import subprocess
import sys
import time
import weakref
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from docker.errors import DockerException

import swarmlab
from swarmlab import strings
from swarmlab.cli import rehearsal
from swarmlab.cli.command_line import main
from swarmlab.cluster.current import made_current
from swarmlab.cluster.journal import JournalEntry
from swarmlab.cluster.replay import replay
from swarmlab.cluster.socket_folder import why_not_private
from swarmlab.jupyter.magic import run_commands
from swarmlab.lessons import bets, course_map, run_of_show, scenes
from swarmlab.lessons.progress_record import progress_file, record_solution, solved_exercises
from swarmlab.lessons.scenes import Moment, clusters_in, scenes_of
from swarmlab.views.raft_columns import raft_columns
from swarmlab.views.recorder import Recorder
from swarmlab.views.timeline import timeline
from swarmlab.views.topology import topology
from swarmlab.views.trust import trust
from swarmlab.views.workflow import workflow
from tests.test_serve import until

PER_SCENE_BYTES_MAX = 4000
BACK_S_MAX = 1.0  # of a processor's time, where a million squares take YARDSTICK_S
YARDSTICK_S = 0.1
THOUSAND = "16"  # the page that takes long to make
PREPARED = {"08", THOUSAND}  # whose replays take longer; on the stage they're there before
NUMBERS = [page[:2] for page in course_map.pages()]
COMMANDS = (
    "service create --detach --name {service} --replicas 3 nginx",
    "service create --detach --name {service} --mode global --publish 8080:80 nginx:1.25",
    "service update --detach --image nginx:1.27 {service}",
    "service update --detach --args false {service}",
    "service scale --detach {service}=7",
    "service rm {service}",
    "secret create {service} -",
    "network create --driver overlay {service}",
    "node update --availability drain {node}",
    "node update --availability active {node}",
    "node promote {node}",
    "node demote {node}",
    "node rm --force {node}",
    "swarm ca --rotate --detach",
    "swarm update --autolock=true",
    "-H {node} swarm leave --force",
    "-H {node} run --detach nginx",
)


def moments() -> list[tuple[str, str, Moment]]:
    """All scenes that have clusters: the scene, the variable, and how far it has come."""
    return [
        (f"{number}.{short}", variable, moment)
        for number in NUMBERS
        for short in scenes_of(number)["scenes"]
        for variable, moment in clusters_in(f"{number}.{short}").items()
    ]


def back_s(name: str) -> float:
    """What it takes to go to this scene, on a machine of the usual speed that does little else."""
    gc.collect()
    gc.freeze()  # what other tests left
    start_s = time.process_time()
    swarmlab.scene(name)
    took_s = time.process_time() - start_s
    gc.unfreeze()
    start_s = time.process_time()
    assert sum(number * number for number in range(1_000_000)) > 0
    return took_s / max(1.0, (time.process_time() - start_s) / YARDSTICK_S)


# -- what is saved -------------------------------------------------------------------------------
@pytest.mark.parametrize("number", NUMBERS)
def test_every_scene_replays_to_its_digest(number: str):
    """Each run once, from scene to scene."""
    for place, run in enumerate(scenes_of(number)["runs"]):
        journal = [JournalEntry(at_ns, verb, tuple(args)) for at_ns, verb, *args in run["journal"]]
        cluster = swarmlab.Cluster.build(run["configuration"])
        own = {m for scene, _v, m in moments() if scene[:2] == number and m.run == place}
        for moment in sorted(own, key=lambda moment: (moment.now_ns, moment.entries)):
            replay(cluster, journal[: moment.entries], moment.now_ns)
            assert (cluster.now_ns, cluster.trace.digest()) == (moment.now_ns, moment.digest)


@pytest.mark.parametrize("page", course_map.pages())
def test_the_scenes_are_those_of_the_page_as_it_stands(page: str):
    """When this fails: `swarmlab scenes PAGE`."""
    saved = scenes_of(page[:2])
    assert saved["cells"] == rehearsal.cells_digest(page)
    named = [step.scene for step in run_of_show.steps(page) if step.scene]
    assert named == [f"{page[:2]}.{short}" for short in saved["scenes"]]


def test_a_sample_is_made_again_from_the_pages(pytestconfig: pytest.Config):
    """The pages with two clusters, with one made anew, and a third; all of them by command."""
    third = NUMBERS[int(scenes_of("05")["cells"], 16) % NUMBERS.index(THOUSAND)]
    sample = {"03", "05", third} if pytestconfig.getoption("states") < 200 else {*NUMBERS}
    for page in [page for page in course_map.pages() if page[:2] in sample]:
        made = json.loads(json.dumps(rehearsal.scenes_made(page)))
        assert made == scenes_of(page[:2]), page


def test_the_saved_runs_are_small():
    """Page 10 too, which tries a secret that is too long: a secret costs a few bytes."""
    sizes = {path.stem[:2]: path.stat().st_size for path in scenes.FOLDER.glob("*.json")}
    assert [*sorted(sizes)] == NUMBERS
    per_scene = {number: sizes[number] / len(scenes_of(number)["scenes"]) for number in NUMBERS}
    assert {number: size for number, size in per_scene.items() if size > PER_SCENE_BYTES_MAX} == {}


# -- going back ----------------------------------------------------------------------------------
def break_something(cluster: swarmlab.Cluster, rng: random.Random) -> None:
    """One random command or fault, which may be refused; and a while."""
    node, other = rng.sample(cluster.names, 2) if len(cluster.names) > 1 else cluster.names * 2
    service = rng.choice(["a", "b"])
    command = rng.choice(COMMANDS).format(service=service, node=node)
    faults: list[Any] = [
        lambda: cluster.crash(node),
        lambda: cluster.stop(node),
        lambda: cluster.start(node, other),
        lambda: cluster.partition([node], [other]),
        lambda: cluster.heal(),
        lambda: cluster.slow(node, other, "2s", loss=0.2),
        lambda: cluster.close_ports(node, other, 4789, 2377),
        lambda: cluster.traffic(service, rate=20),
        lambda: cluster.registry.register("shop:1"),
        lambda: cluster.play(50),
        lambda: cluster.checkpoints.add(cluster.world, len(cluster.journal)),
    ]
    try:
        if rng.random() < 0.5:
            run_commands(command, io.StringIO(), io.StringIO(), stdin=b"senha")
        elif len(cluster.names) > 1:
            rng.choice(faults)()
    except (swarmlab.LabError, DockerException):
        pass
    cluster.run(rng.choice(["10ms", "1s", "20s"]))


def test_from_random_states_a_scene_comes_back_within_a_second(pytestconfig: pytest.Config):
    """A few in each check; 200, and all pages, by `pytest tests/test_scenes.py --states 200`."""
    rng = random.Random(pytestconfig.getoption("seed"))
    names = [*dict.fromkeys(scene for scene, _v, _m in moments())]
    cluster = swarmlab.simulate(managers=3, workers=2, seed=7)
    for _state in range(pytestconfig.getoption("states")):
        for _step in range(rng.randrange(1, 8)):
            break_something(cluster, rng)
        name, client = rng.choice(names), cluster.client(cluster.names[0])
        if name[:2] in PREPARED:
            scenes.prepare(name[:2]).join()
        moment = next(iter(clusters_in(name).values()))
        took_s = back_s(name)
        assert swarmlab.latest() is cluster
        assert (cluster.now_ns, cluster.trace.digest()) == (moment.now_ns, moment.digest), name
        assert took_s < BACK_S_MAX, name
        assert cluster.speed == 0
        if "m1" in cluster.names and cluster.is_up(cluster.names[0]):
            assert client.ping()


@pytest.fixture
def nothing_replayed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(scenes, "stored", lambda page: tmp_path / "cache" / f"scenes-{page}-x")
    scenes.replays_of.cache_clear()


@pytest.mark.usefixtures("nothing_replayed")
def test_what_was_prepared_is_replayed_no_more(
    cluster: swarmlab.Cluster, monkeypatch: pytest.MonkeyPatch
):
    receiver = scenes.prepare("08")
    assert scenes.prepare("08") is receiver
    receiver.join()
    monkeypatch.setattr(scenes, "replays", None)
    for name, _v, moment in moments():
        if name[:2] == "08":
            swarmlab.scene(name)
            assert (cluster.now_ns, cluster.trace.digest()) == (moment.now_ns, moment.digest)


@pytest.mark.usefixtures("nothing_replayed")
def test_what_is_not_yet_prepared_is_replayed(
    cluster: swarmlab.Cluster, monkeypatch: pytest.MonkeyPatch
):
    """Or never will be: the other process has failed."""
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    scenes.prepare("05").join()
    assert scenes.replays_of("05").by_moment == {}
    swarmlab.scene("05.five")
    assert len(cluster.names) == 7


@pytest.mark.usefixtures("nothing_replayed", "cluster")
def test_replays_of_the_pages_used_last_stay_in_memory():
    swarmlab.scene("05.five")
    first = weakref.ref(next(iter(scenes.replays_of("05").by_moment.values()))[0])
    for number in ("04", "05", "06", "08", "09"):
        assert first() is not None
        swarmlab.scene(f"{number}.{next(iter(scenes_of(number)['scenes']))}")
    assert first() is None


@pytest.mark.usefixtures("nothing_replayed")
def test_what_takes_long_is_replayed_once_on_a_machine(
    cluster: swarmlab.Cluster, monkeypatch: pytest.MonkeyPatch
):
    """The next program reads it, unless another user can have put it there."""
    swarmlab.scene("05.five")
    assert scenes.replays_of("05").receiver.ident is None  # nothing that takes long
    monkeypatch.setattr(scenes, "EVENTS_QUICKLY", 100)
    swarmlab.scene("05.five")
    scenes.prepare("05").join()
    assert not why_not_private(scenes.stored("05"), mode=0o600)
    scenes.replays_of.cache_clear()
    with monkeypatch.context() as patches:
        for name in ("replays", "subprocess"):
            patches.setattr(scenes, name, None)
        for _page, name, moment in [row for row in moments() if row[0] == "05.cut"]:
            swarmlab.scene("05.cut")
            assert (cluster.now_ns, cluster.trace.digest()) == (moment.now_ns, moment.digest), name
    scenes.replays_of.cache_clear()
    scenes.stored("05").parent.chmod(0o777)
    scenes.stored("05").write_bytes(b"not what this program has replayed")
    swarmlab.scene("05.five")
    assert len(cluster.names) == 7


def test_a_scene_goes_on_as_the_page_did():
    """From the scene before the cut, the page's own commands lead to the next one."""
    cluster = swarmlab.scene("05.five")
    cluster.partition("m1,m2,w1", "m3,m4,m5,w2")
    cluster.run("60s")
    out = io.StringIO()
    for node, command in (("m3", "service scale --detach web=9"), ("w1", "ps")):
        run_commands(command, out, out, node=node)
    for command in ("service scale --detach web=9", "service ls"):
        run_commands(command, out, out, node="m1")
    (moment,) = clusters_in("05.cut").values()
    assert cluster.trace.digest() == moment.digest


def test_clients_registry_and_counts_go_on_with_the_cluster(cluster: swarmlab.Cluster):
    client, registry = cluster.client("m1"), cluster.registry
    client.services.create("nginx", name="mine")
    swarmlab.scene("12.old")
    assert [service.name for service in client.services.list()] == ["web"]
    requests = cluster.traffic("web", rate=10)
    cluster.run("5s")
    assert requests.served == 50
    swarmlab.scene("12.old")
    assert requests.served == 0
    registry.register("shop:9")
    assert cluster.client().images.pull("shop:9").tags == ["shop:9"]
    assert swarmlab.load(cluster.save(Path(progress_file().parent.parent, "run.json"))).names == (
        cluster.names
    )


def test_one_cluster_after_another_size_and_after_it_was_torn(cluster: swarmlab.Cluster):
    client = cluster.client("w2")
    swarmlab.scene("05.five")
    assert cluster.names == ["m1", "m2", "m3", "m4", "m5", "w1", "w2"]
    cluster._tear()
    swarmlab.scene("12.old")
    assert cluster.names == ["m1", "w1", "w2"]
    assert client.info()["Name"] == "w2"
    assert cluster.as_of("3s").now_ns == 3_000_000_000
    assert cluster.fork().trace.digest() == cluster.trace.digest()


def services_at(socket: Path) -> str:
    """What a command typed in a terminal shows; an engine that was just put back is starting."""
    command = [sys.executable, "-m", "swarmlab", "docker", "service", "ls", "--format={{.Name}}"]
    environment = {**os.environ, "DOCKER_HOST": f"unix://{socket}"}
    done = subprocess.run(command, env=environment, capture_output=True, check=False, timeout=120)
    return done.stdout.decode().strip()


def test_a_served_cluster_stays_served(cluster: swarmlab.Cluster, tmp_path: Path):
    cluster.serve(tmp_path)
    cluster.client().services.create("nginx", name="mine")
    assert services_at(tmp_path / "m1" / "docker.sock") == "mine"
    try:
        swarmlab.scene("12.old")
        assert cluster.speed == 0
        (moment,) = clusters_in("12.old").values()
        assert cluster.trace.digest() == moment.digest
        until(lambda: services_at(tmp_path / "m1" / "docker.sock") == "web")
        until(lambda: not (tmp_path / "m3" / "docker.sock").exists())  # there is no m3 now
        before_ns = cluster.now_ns
        cluster.play(100)
        until(lambda: cluster.now_ns > before_ns)
    finally:
        cluster.close()


def test_without_a_cluster_a_scene_makes_one():
    swarmlab.use(None)
    assert len(swarmlab.scene("05.five").names) == 7
    assert swarmlab.latest().names[-1] == "w2"


def test_an_unknown_name_tells_which_there_are(cluster: swarmlab.Cluster):
    with pytest.raises(
        swarmlab.LabError, match=r"no scene '05\.cat'; there are 05\.healthy, .*cut"
    ):
        swarmlab.scene("05.cat")
    with pytest.raises(swarmlab.LabError, match="no page '99' with scenes; there are 00, 01"):
        swarmlab.scene("99.cut")
    assert cluster.names == ["m1", "m2", "m3", "w1", "w2"]


def test_real_engines_say_what_they_cannot_do():
    made_current(SimpleNamespace(has_trace=False))
    try:
        with pytest.raises(swarmlab.LabError, match=r"real engines .* 05\.cut; run swarm"):
            swarmlab.scene("05.cut")
    finally:
        swarmlab.use(None)


# -- in a notebook -------------------------------------------------------------------------------
def test_pictures_forget_the_run_that_is_gone(cluster: swarmlab.Cluster):
    """Each shows what a new one, of a cluster in that scene, would show."""
    makers = (lambda c: c.board(), timeline, raft_columns, topology, trust, workflow)
    pictures = [make(cluster) for make in makers]
    client = cluster.client()
    client.swarm.update(rotate_worker_token=True)
    run_commands("swarm ca --rotate --detach", io.StringIO(), io.StringIO())
    run_commands("service create --detach --name mine --replicas 9 nginx", *[io.StringIO()] * 2)
    cluster.crash("w1")
    cluster.run("90s")
    board, line, *_others = pictures
    board.act("crash", {"node": next(iter(board.columns))})
    line.at("8s").fork()
    cluster.use()
    for picture in pictures:
        picture.refresh()
    swarmlab.scene("05.five")
    new = [make(swarmlab.Cluster(cluster.fork().world, {}, [])) for make in makers]
    for old, other in zip(pictures, new, strict=True):
        assert type(old).__name__ == type(other).__name__
        assert old.text == other.text or old is line
        assert [sentence for _n, _at, sentence in old.news] == ["The swarm is as in scene 05.five."]
        assert {**old.status, "speed": 0} == {**other.status, "speed": 0} or old is line
    assert line.now_ns == cluster.now_ns
    assert line.copy == []
    assert line.at("8s").now_ns == 8 * 10**9 != cluster.now_ns
    line.fork()
    assert line.forked.names == cluster.names
    for picture in [*pictures, *new]:
        picture.close()


def test_a_root_that_is_gone_is_drawn_no_longer(cluster: swarmlab.Cluster):
    picture = trust(cluster)
    run_commands("swarm ca --rotate --detach", *[io.StringIO()] * 2)
    cluster.run("60s")
    picture.refresh()
    assert "root B" in picture.draw()
    swarmlab.scene("05.five")
    assert "root A" in picture.draw()
    assert "root B" not in picture.draw()
    picture.close()


def test_a_recorder_takes_the_place_of_an_older_one(cluster: swarmlab.Cluster):
    picture = workflow(cluster)
    for _time in range(3):
        swarmlab.scene("02.plain")
        cluster.client("m1").containers.run("redis", detach=True)
        picture.refresh()
        assert any(step.record.startswith("event: image pull") for step in picture.passed)
        api = cluster.client("m1").api
        recorder = api.get_adapter(api.base_url)
        assert isinstance(recorder, Recorder)
        assert not isinstance(recorder._adapter, Recorder)
    picture.close()


def test_in_a_notebook_the_variables_of_the_page_are_put_back():
    with rehearsal.fresh_shell() as shell:
        shell.run_cell("import swarmlab\nhand = swarmlab.simulate(seed=1)")
        shell.run_cell("mine = swarmlab.simulate(seed=2)\ncrashed = mine.crash('m1')")
        before = {name: shell.user_ns[name] for name in ("hand", "mine")}
        shell.run_cell("answer = swarmlab.scene('03.three')")
        found = shell.user_ns
        assert found["hand"] is before["hand"]
        assert found["hand"].names == ["m1", "w1", "w2"]
        # `swarm`, the page's current one, was missing: the current cluster takes its place.
        assert found["answer"] is found["swarm"] is before["mine"] is swarmlab.latest()
        assert found["swarm"].is_up("m1")
        own = {name: found[name].trace.digest() for name in ("swarm", "hand")}
        assert own == {name: m.digest for name, m in clusters_in("03.three").items()}


def test_a_page_without_a_cluster_leaves_what_is_there(cluster: swarmlab.Cluster):
    assert clusters_in("01.kinds") == {}
    assert swarmlab.scene("01.kinds") is cluster
    assert cluster.names == ["m1", "m2", "m3", "w1", "w2"]


@pytest.fixture
def page_of_jupyter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JPY_SESSION_NAME", "/home/ana/talk/05_quorum.ipynb")
    monkeypatch.setattr(scenes, "_last", [""])


@pytest.mark.usefixtures("page_of_jupyter")
def test_the_board_has_a_menu_of_the_scenes_of_its_page(cluster: swarmlab.Cluster):
    board = cluster.board()
    steps = run_of_show.steps("05")
    assert board.scenes == [[step.scene, step.title] for step in steps if step.scene]
    board._on_message(board, {"do": "scene", "name": "05.five"}, [])
    assert len(board.columns) == len(cluster.names) == 7
    cluster.crash("m1", "m2", "m3")
    board._settling_s = 0.0  # as after a click: time plays until the swarm has settled
    board._on_message(board, {"do": "scene", "name": ""}, [])  # the last one again
    (moment,) = clusters_in("05.five").values()
    assert cluster.trace.digest() == moment.digest
    cluster.run("10s")
    board.refresh()
    assert not [sentence for *_place, sentence in board.news if "settled" in sentence]
    board._on_message(board, {"do": "scene", "name": "05.cat"}, [])
    assert "there is no scene '05.cat'" in board.status["error"]
    board.close()


@pytest.mark.usefixtures("page_of_jupyter")
def test_without_a_last_scene_the_key_goes_to_the_first(cluster: swarmlab.Cluster):
    board = cluster.board()
    cluster.crash("m1")
    board._on_message(board, {"do": "scene", "name": ""}, [])
    (moment,) = clusters_in("05.healthy").values()
    assert cluster.trace.digest() == moment.digest
    board.close()


@pytest.mark.usefixtures("page_of_jupyter")
def test_reset_puts_away_what_the_last_audience_did(cluster: swarmlab.Cluster):
    record_solution("spread_over_zones", changes=1, hints=0)
    for name in ("reads", "how_long"):
        bet = bets.ask(name).children[0]
        bet.bet(bet.answer, sure=True)
    bets.reveal("reads")  # the other one still stands
    board = cluster.board()
    cluster.crash("m1")
    board._on_message(board, {"do": "reset"}, [])
    (moment,) = clusters_in("05.healthy").values()
    assert cluster.trace.digest() == moment.digest
    assert solved_exercises() == {}
    assert bets.score().lines == ()
    assert bets.stored_bets() == {}
    for name in ("reads", "how_long"):
        assert bets.ask(name).children[0].choice is None
    kept = json.loads(progress_file().with_name("progress.before").read_text("utf-8"))
    assert kept["spread_over_zones"] == {"changes": 1, "hints": 0}
    assert progress_file().with_name("bets.before").exists()
    board.close()


def test_a_reset_names_its_page_or_is_refused(
    cluster: swarmlab.Cluster, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    monkeypatch.setattr(scenes, "_last", [""])
    assert cluster.board().scenes == []
    with pytest.raises(swarmlab.LabError, match="no page '' with scenes; there are 00"):
        swarmlab.reset()
    assert len(swarmlab.reset("12").names) == 3
    assert swarmlab.reset().names == ["m1", "w1", "w2"]  # the page of the last scene


# -- rehearsals ----------------------------------------------------------------------------------
@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of page 05 that a test may change."""
    copy = tmp_path / "05_quorum.ipynb"
    copy.write_bytes((run_of_show.notebooks() / copy.name).read_bytes())
    for module in (rehearsal, run_of_show):
        monkeypatch.setattr(module, "notebooks", lambda: tmp_path)
    return copy


def changed(page: Path, old: str, new: str) -> None:
    text = page.read_text("utf-8")
    assert text.count(old) == 1, old
    page.write_text(text.replace(old, new), "utf-8")


def test_a_rehearsal_of_a_page_is_green(capsys: pytest.CaptureFixture[str]):
    assert main(["rehearse", "05"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(run_of_show.steps("05")) + 1
    assert lines[1].startswith("05.healthy")
    assert lines[-1].endswith("; 0 problems")


def test_a_rehearsal_of_a_run_jumps_by_scenes(capsys: pytest.CaptureFixture[str]):
    shown = {step.cells[0] for step in run_of_show.steps("05", 30)}
    skipped = [step for step in run_of_show.steps("05") if step.cells[0] not in shown]
    assert skipped
    assert main(["rehearse", "05", "--minutes", "30"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(shown) + 1


def test_a_rehearsal_tells_what_fails(page: Path, capsys: pytest.CaptureFixture[str]):
    changed(page, '"cluster.heal()\\n"', '"cluster.heel()\\n"')
    assert main(["rehearse", "05"]) == 1
    out = capsys.readouterr().out
    assert "AttributeError: 'SimulatedCluster' object has no attribute 'heel'" in out
    assert "the scenes of page 05 are not those of its cells" in out


def test_a_rehearsal_tells_what_is_not_the_saved_scene(
    page: Path, capsys: pytest.CaptureFixture[str]
):
    changed(page, '"cluster.run(\\"5s\\")  # all is quiet\\n"', '"cluster.run(\\"6s\\")\\n"')
    assert main(["rehearse", "05"]) == 1
    lines = capsys.readouterr().out.splitlines()
    place = next(n for n, line in enumerate(lines) if line.startswith("05.crashed"))
    assert "not those of its cells; run `swarmlab scenes 05`" in lines[place + 1]


def test_a_rehearsal_tells_which_scene_is_missing(page: Path, capsys: pytest.CaptureFixture[str]):
    changed(page, '"scene": "cut"', '"scene": "other"')
    assert main(["rehearse", "05"]) == 1
    assert "there is no scene '05.other'; there are 05.healthy" in capsys.readouterr().out


def test_a_rehearsal_tells_what_takes_longer_than_planned(
    page: Path, capsys: pytest.CaptureFixture[str]
):
    notes = next(step.notes for step in run_of_show.steps("05") if "30" in map(str, step.minutes))
    more = json.dumps(notes + " word" * 400)[1:-1]
    changed(page, json.dumps(notes, ensure_ascii=False)[1:-1], more)
    assert main(["rehearse", "05", "--minutes", "30"]) == 1
    assert "too short in the run of 30 minutes, which gives it" in capsys.readouterr().out


def test_an_interrupted_rehearsal_ends(page: Path, capsys: pytest.CaptureFixture[str]):
    changed(page, '"cluster.heal()\\n"', '"raise KeyboardInterrupt\\n"')
    for words in (["rehearse", "05"], ["scenes", "05"]):
        assert main(words) == 130
        assert "KeyboardInterrupt" not in "".join(capsys.readouterr())


def test_a_rehearsal_speaks_the_language_that_is_chosen(
    page: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("LANGUAGE", "en")  # and back
    changed(page, '"cluster.heal()\\n"', '"raise ValueError\\n"')
    try:
        assert main(["rehearse", "--lang", "pt-BR", "05"]) == 1
    finally:
        strings.use("en")
    lines = capsys.readouterr().out.splitlines()
    assert re.search(r"^05.healthy +\d+,\d minutos  ", lines[1])
    assert lines[-1].endswith("; 2 problemas")  # the scenes differ, too


def test_minutes_are_those_of_words_waits_and_bets():
    step = run_of_show.Step(
        page="05_quorum",
        title="",
        cells=(10, 12),  # asks two questions
        minutes={},
        notes="word " * 260,
    )
    played = rehearsal.RehearsedStep(step=step, wait_s=30, failures=())
    assert [code for cell in rehearsal.code_of(step) for code in cell["source"]] == [
        'ask("four_managers", "two_managers")'
    ]
    assert played.minutes == pytest.approx(260 / 130 + 30 / 60 + 2 * 20 / 60)


def test_what_to_rehearse_has_to_be_said(capsys: pytest.CaptureFixture[str]):
    assert main(["rehearse"]) == 1
    assert "name pages, such as 05" in capsys.readouterr().err
    assert main(["rehearse", "05", "--minutes", "44"]) == 1
    assert "no run of 44 minutes; there are 30, 45, 60, 90" in capsys.readouterr().err
