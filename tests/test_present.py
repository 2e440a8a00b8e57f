"""`swarmlab present`: its notebook, and what its keys do in the kernel."""

from __future__ import annotations

import gc
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import docker
import nbformat
import pytest
from nbformat.sign import NotebookNotary

import swarmlab
from swarmlab.cli import stage
from swarmlab.cli.present import chosen_steps, write_talk
from swarmlab.cluster import patience
from swarmlab.cluster.current import latest, made_current
from swarmlab.errors import LabError, NoneSuch
from swarmlab.lessons import bets, run_of_show, scenes
from swarmlab.lessons.bets import ask, questions, reveal
from swarmlab.real.connected import ConnectedCluster
from swarmlab.real.launched import LaunchedCluster
from swarmlab.views import dock
from swarmlab.views.board import board_of


# -- the notebook ----------------------------------------------------------------------------------
@pytest.fixture
def talk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Writes the notebook for these pages and minutes; what is in it."""
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))

    def write(pages: list[str], minutes: int | None, *, real: bool = False) -> Any:
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}" / "talk.ipynb"
        write_talk(path, chosen_steps(pages, minutes), minutes, real=real)
        return nbformat.read(path, as_version=4)

    return write


def test_a_run_has_its_steps_in_the_order_of_the_talk(talk):
    notebook = talk([], 45)
    rows = notebook.metadata.swarmlab.steps
    planned = [step for _minute, step in run_of_show.run_of_show(45)]
    assert [(row.page, row.title) for row in rows] == [(s.page, s.title) for s in planned]
    assert [row.minutes for row in rows] == [step.minutes[45] for step in planned]
    assert [row.notes for row in rows] == [step.notes for step in planned]


def test_of_a_page_all_steps_are_there_and_pages_keep_the_order_of_the_talk(talk):
    rows = talk(["12", "05_quorum"], None).metadata.swarmlab.steps
    whole = run_of_show.steps("05") + run_of_show.steps("12")
    assert [(row.page, row.scene) for row in rows] == [(s.page, s.scene) for s in whole]
    with pytest.raises(NoneSuch, match="no page 'seven'"):
        chosen_steps(["seven"], None)
    with pytest.raises(LabError, match=r"14_stacks: not in this run, which shows 00_.*--minutes"):
        chosen_steps(["05", "14"], 45)


def test_each_step_shows_the_cells_that_it_has_on_its_page(talk):
    notebook = talk(["05", "06"], 60)
    originals = {
        page: nbformat.read(run_of_show.notebooks() / f"{page}.ipynb", as_version=4).cells
        for page in ("05_quorum", "06_command_to_container")
    }
    steps = chosen_steps(["05", "06"], 60)
    rows = notebook.metadata.swarmlab.steps
    for row, step in zip(rows, steps, strict=True):
        own = [originals[step.page][place].source for place in step.cells]
        assert [notebook.cells[place].source for place in row.cells] == own
        assert "import swarmlab" in notebook.cells[row.setup].source
    # What no step shows is not in it, but for the set-up of each page.
    shown = {place for row in rows for place in (*row.cells, row.setup)}
    assert shown == {*range(1, len(notebook.cells))}
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)


def test_a_step_whose_step_before_is_left_out_begins_with_its_scene(talk):
    short, whole = chosen_steps(["05"], 30), run_of_show.steps("05")
    gaps = [whole.index(step) > 0 and whole[whole.index(step) - 1] not in short for step in short]
    rows = talk(["05"], 30).metadata.swarmlab.steps
    assert any(gaps)
    assert [row.jumps for row in rows] == gaps
    assert not any(row.jumps for row in talk(["05"], None).metadata.swarmlab.steps)


def test_the_first_output_is_the_stage_and_jupyterlab_trusts_it(talk):
    notebook = talk(["00"], None)
    output = notebook.cells[0].outputs[0].data["text/html"]
    assert "function onKey" in output
    assert output.count("</script>") == output.count("</style>") == 1
    assert NotebookNotary().check_signature(notebook)
    assert all(not cell.get("outputs") for cell in notebook.cells[1:])


def test_real_engines_are_one_line_of_the_page(talk):
    line = "make = swarmlab.simulate  #"
    simulated, real = talk(["05"], None), talk(["05"], None, real=True)
    assert [line in cell.source for cell in simulated.cells].count(True) == 1
    assert [line in cell.source for cell in real.cells].count(True) == 0
    assert [line.replace("simulate", "launch") in cell.source for cell in real.cells].count(
        True
    ) == 1


def test_the_presenter_knows_the_bets_of_each_step(talk):
    rows = talk(["05"], None).metadata.swarmlab.steps
    names = [bet.name for row in rows for bet in row.bets]
    assert names[:3] == ["how_long", "four_managers", "two_managers"]
    bet = next(bet for row in rows for bet in row.bets)
    assert bet.question == questions()["how_long"]["question"]
    assert bet.choices == [*questions()["how_long"]["choices"]]
    assert bet.answer == questions()["how_long"]["answer"] in bet.choices


# -- the keys --------------------------------------------------------------------------------------
@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    with swarmlab.simulate(managers=3, workers=2, seed=7) as made:
        shell = SimpleNamespace(user_ns={"cluster": made})
        for module in (stage, scenes):
            monkeypatch.setattr(module, "get_ipython", lambda: shell)
        yield made


def test_the_board_lists_the_scenes_of_the_page_that_is_presented(cluster, monkeypatch):
    monkeypatch.setenv("JPY_SESSION_NAME", "talk.ipynb")
    monkeypatch.setattr(scenes, "_last", [""])
    monkeypatch.setattr(scenes, "prepare", lambda page: None)
    board = board_of(cluster)
    assert board.scenes == []
    for page in ("05_quorum", "12_rolling_updates"):
        stage.act("prepare", page=page)
        board.refresh()
        assert board.scenes[0][0].startswith(page[:2])


def test_the_leader_crashes_and_what_is_down_starts(cluster):
    leader = cluster.default_node()
    assert stage.act("crash") == f"Crashed: {leader}"
    cluster.run("60s")
    second = cluster.default_node()
    assert second != leader
    stage.act("crash")
    cluster.run("1s")
    with pytest.raises(LabError, match="no manager leads"):
        stage.act("crash")
    assert {*stage.act("start").removeprefix("Started: ").split(", ")} == {leader, second}
    cluster.run("60s")
    with pytest.raises(LabError, match="nothing is down"):
        stage.act("start")


def test_time_plays_pauses_and_changes_its_speed(cluster):
    stage.act("clock")
    assert cluster.speed == 1.0
    assert stage.act("faster") == "Speed: 2×"
    assert cluster.speed == 2.0
    stage.act("slower")
    assert stage.act("slower") == stage.act("slower") == "Speed: 0.5×"
    stage.act("clock")
    assert cluster.speed == 0


def test_the_board_in_the_panel_is_that_of_the_pages_cluster(cluster, monkeypatch):
    docked: list[Any] = []
    monkeypatch.setattr(dock, "dock", lambda widget, _title: docked.append(widget))
    stage.act("look")
    assert docked == [board_of(cluster)]


def test_without_a_cluster_a_key_says_so_and_a_step_is_shown_all_the_same(monkeypatch):
    monkeypatch.setattr(stage, "get_ipython", lambda: SimpleNamespace(user_ns={}))
    assert stage.act("look") == ""
    with pytest.raises(LabError, match="no cluster"):
        stage.act("crash")


def test_raised_hands_are_bars_at_the_reveal(cluster, monkeypatch):
    monkeypatch.setattr(bets, "HANDS", hands := {})
    monkeypatch.setattr(stage, "HANDS", hands)
    ask("how_long")
    assert "█" not in repr(reveal("how_long"))
    question = questions()["how_long"]["question"]
    stage.act("hands", question=question, counts=[3, 12, 0])
    lines = repr(reveal("how_long")).splitlines()
    assert [line for line in lines if line[:3] in ("`A ", "`B ", "`C ")] == [
        "`A ██████` 3",
        f"`B {'█' * 24}` 12",
        "`C ` 0",
    ]


def test_a_terminal_gets_the_line_that_leads_to_the_pages_cluster(cluster, tmp_path, monkeypatch):
    monkeypatch.setattr("swarmlab.cluster.socket_folder.default_folder", lambda: tmp_path / "s")
    line = stage.act("terminal")
    socket = tmp_path / "s" / cluster.default_node() / "docker.sock"
    assert line.startswith(f"export DOCKER_HOST=unix://{socket}")
    assert cluster.speed == 1.0
    board_of(cluster)._settling_s = 0.0  # a crash made time play until the swarm has settled
    stage.act("terminal")
    cluster.run("60s")
    board_of(cluster).refresh()
    assert cluster.speed == 1.0
    assert stage.act("leave") == ""
    assert cluster.speed == 0
    assert stage.act("terminal") == line
    assert cluster.speed == 1.0
    with swarmlab.simulate(managers=1, workers=0, seed=8) as other:
        stage.get_ipython().user_ns["cluster"] = other
        assert "m1" in stage.act("terminal")
        assert (tmp_path / "s" / "m1" / "docker.sock").exists()
        assert not (tmp_path / "s" / "w1").exists()
        other.close()


def test_a_scene_puts_the_pages_cluster_back(cluster):
    stage.act("crash")
    cluster.run("30s")
    stage.act("scene", scene="05.healthy")
    assert stage.get_ipython().user_ns["cluster"] is cluster
    assert cluster.default_node() == "m1"


def test_the_scenes_of_a_page_are_prepared(monkeypatch):
    monkeypatch.setattr(stage, "get_ipython", lambda: SimpleNamespace(user_ns={}))
    monkeypatch.setattr(scenes, "prepare", (asked := list[str]()).append)
    stage.act("prepare", page="08_tls_and_ca")
    assert asked == ["08"]


def test_after_a_fault_of_real_engines_simulated_ones_go_on(monkeypatch):
    real = SimpleNamespace(has_trace=False, names=["m1"])
    shell = SimpleNamespace(user_ns={"cluster": real, "make": swarmlab.launch})
    for module in (stage, scenes):
        monkeypatch.setattr(module, "get_ipython", lambda: shell)
    for name in ("launch", "connect"):
        monkeypatch.setattr(swarmlab, name, getattr(swarmlab, name))
    made_current(real)
    with pytest.raises(LabError, match="Real engines can't go back"):
        stage.act("scene", scene="05.cut")
    stage.act("simulated", scene="05.cut")
    assert shell.user_ns["make"] is swarmlab.simulate is swarmlab.launch
    assert len(shell.user_ns["cluster"].names) == 7
    assert latest() is shell.user_ns["cluster"]


@pytest.fixture
def hung_engine(tmp_path: Path) -> Iterator[str]:
    """The address of an engine that takes connections, and never answers while it is used."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "docker.sock"))
        server.listen()
        yield f"unix://{tmp_path}/docker.sock"
        server.settimeout(1)
        while not all(answer.done() for answer in patience._awaited.values()):
            with suppress(TimeoutError):
                server.accept()[0].close()


@pytest.fixture
def launched(hung_engine: str) -> Iterator[Any]:
    outer = docker.DockerClient(base_url=hung_engine, version="1.44")
    yield (made := LaunchedCluster(outer, "swarmlab-test"))
    made._remove.detach()
    outer.close()


@pytest.fixture
def connected(hung_engine: str) -> Iterator[Any]:
    made = ConnectedCluster()
    for node in ("a", "b", "c"):
        made._clients[node] = docker.DockerClient(base_url=hung_engine, version="1.44")
    yield made
    made.close()


@pytest.mark.parametrize("kind", ["launched", "connected"])
def test_engines_that_hang_hold_up_neither_pictures_nor_the_copy(
    kind: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
):
    real = request.getfixturevalue(kind)
    shell = SimpleNamespace(user_ns={"cluster": real, "make": swarmlab.launch})
    for module in (stage, scenes):
        monkeypatch.setattr(module, "get_ipython", lambda: shell)
    for name in ("launch", "connect"):
        monkeypatch.setattr(swarmlab, name, getattr(swarmlab, name))
    monkeypatch.setattr(stage, "_left", [])
    monkeypatch.setattr(patience, "ANSWER_S_MAX", 0.5)
    made_current(real)
    start_s = time.monotonic()
    board = board_of(real)
    for _tick in range(20):  # only the first one waits
        board.refresh()
    assert board.status["error"] == "the engines have not answered for 0.5 s"
    stage.act("simulated", scene="05.cut")
    gc.collect()  # nothing that is left removes its engines
    assert time.monotonic() - start_s < 50  # each request would wait for 60 s
    assert board.comm is None
    assert len(shell.user_ns["cluster"].names) == 7
    assert real is stage._left[0][0]["cluster"]


def test_starting_over_forgets_bets_and_hands(cluster, tmp_path, monkeypatch):
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path))
    ask("how_long").children[0].bet("No time at all", sure=True)
    stage.act("hands", question=questions()["how_long"]["question"], counts=[1, 2, 3])
    reveal("how_long")
    stage.act("reset", page="05_quorum")
    assert bets.HANDS == {}
    assert bets.SCORE.bets == {}


def test_a_board_that_is_in_the_panel_is_not_put_there_again(cluster, monkeypatch):
    """JupyterLab would draw it twice."""
    board, panel = board_of(cluster), SimpleNamespace(outputs=("as it is",))
    monkeypatch.setattr(dock, "_shown", [(panel, board)])
    stage.act("look")
    assert panel.outputs == ("as it is",)
