"""The exercises, each proved three ways; the vocabulary of their goals; the widget; progress."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

import swarmlab
from swarmlab.errors import LabError
from swarmlab.lessons import exercise, progress
from swarmlab.lessons.attempt import Attempt
from swarmlab.lessons.bank import Exercise, bank
from swarmlab.lessons.goal_checks import Swarm, look, parts
from swarmlab.lessons.progress_record import file

CHECK_S_MAX = 2.0
NOTEBOOKS = (
    *("00_start_here", "05_quorum", "07_placement"),
    *("10_secrets_and_configs", "12_rolling_updates"),
)
WRONG = [(e, i) for e in bank().values() for i in range(len(e.wrong))]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing is noted in the home of whoever runs the tests."""
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path))
    return tmp_path


def begun(one: Exercise) -> Attempt:
    attempt = Attempt(one, swarmlab.simulate, told=list)
    attempt.start()
    return attempt


# -- each exercise, three ways ---------------------------------------------------------------------
@pytest.fixture(params=bank().values(), ids=lambda one: one.name)
def each(request: pytest.FixtureRequest) -> Exercise:
    found: Exercise = request.param
    return found


def test_a_blank_start_fails_with_one_next_step(each: Exercise):
    begun_s = time.monotonic()
    attempt = begun(each)
    made_s = time.monotonic()
    verdict = attempt.check()
    assert time.monotonic() - made_s < CHECK_S_MAX
    assert made_s - begun_s < 5 * CHECK_S_MAX
    assert not verdict.passed
    assert verdict.step in {goal.next for goal in each.goals}
    assert attempt.changes == 0


def test_the_solution_passes_and_its_changes_are_the_par(each: Exercise):
    attempt = begun(each)
    said = attempt.do(each.solution)
    verdict = attempt.check()
    assert verdict.passed, f"{verdict}\n{said}"
    assert attempt.changes == each.par <= len(each.solution.splitlines())
    assert verdict.step == each.why


@pytest.mark.parametrize(("one", "i"), WRONG, ids=lambda v: getattr(v, "name", str(v)))
def test_a_known_wrong_answer_gets_its_own_nudge(one: Exercise, i: int):
    wrong = one.wrong[i]
    attempt = begun(one)
    swarm = Swarm(attempt.cluster)
    assert not any(all(look(swarm, c)[0] for c in w.seen) for w in one.wrong)
    said = attempt.do(wrong.commands)
    verdict = attempt.check()
    assert (verdict.passed, verdict.step) == (False, wrong.nudge), f"{verdict}\n{said}"
    assert wrong.nudge not in {goal.next for goal in one.goals}


def test_there_are_exercises_for_the_cards_notebooks():
    assert len(bank()) >= 16
    per_notebook = {n: [e for e in bank().values() if e.notebook == n] for n in NOTEBOOKS}
    assert min(map(len, per_notebook.values())) >= 2


def test_each_exercise_has_three_hints_and_a_wrong_answer_or_more(each: Exercise):
    assert len(each.hints) == 3
    assert each.wrong
    assert len({wrong.nudge for wrong in each.wrong}) == len(each.wrong)
    command = each.solution.splitlines()[-1]
    assert not any(command in hint for hint in each.hints), "a hint nudges, it does not answer"
    for check in [g.check for g in each.goals] + [c for w in each.wrong for c in w.seen]:
        parts(check)


# -- the widget, by its buttons --------------------------------------------------------------------
SPREAD = (
    "docker service create --name web --replicas 6 --placement-pref spread=node.labels.az nginx"
)


@pytest.fixture
def task(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr("swarmlab.lessons.exercise_widget._shown", {})
    return exercise("spread_over_zones", make=swarmlab.simulate)


NAMES = ["start", "check", "hint", "undo", "solution"]


def press(task: Any, name: str) -> str:
    """Press a button, if it can be pressed; what the page says then."""
    button = task._buttons[NAMES.index(name)]
    assert not button.disabled, name
    button.click()
    said: str = task._status.value
    return said


def test_shown_it_makes_no_swarm_until_start_is_pressed(task: Any):
    """Running a whole notebook changes nothing of what `%docker` speaks to."""
    other = swarmlab.simulate()
    pressable = [name for name, b in zip(NAMES, task._buttons, strict=True) if not b.disabled]
    assert pressable == ["start"]
    assert swarmlab.latest() is other
    said = press(task, "start")
    assert "speaks to this swarm" in said
    assert "until you run <code>swarmlab.use(cluster)</code>" in said
    assert swarmlab.latest() is task.cluster


def test_it_is_solved_by_commands_and_the_check_button(task: Any, home: Path):
    press(task, "start")
    assert "✘ Not yet" in press(task, "check")
    assert not file().exists()
    task.do(SPREAD)
    said = press(task, "check")
    assert "✔ Solved" in said
    assert "until you run <code>swarmlab.use(cluster)</code>" in said
    assert "Changes: 1, fewest: 1." in said
    assert file().is_relative_to(home)
    assert progress().solved == {"spread_over_zones": {"changes": 1, "hints": 0}}


def test_hints_come_one_by_one_and_the_last_one_asks_for_a_thought(task: Any):
    press(task, "start")
    hints = task.exercise.hints
    assert hints[1] not in press(task, "hint")
    press(task, "hint")
    assert "First one line" in press(task, "hint")
    assert task._thought.layout.display == ""
    assert task._buttons[NAMES.index("solution")].disabled
    task._thought.value = "six tasks, but five of them in zone a"
    assert "Hint 3 of 3" in press(task, "hint")
    assert "--placement-pref spread=node.labels.az" in press(task, "solution")


def test_undo_goes_back_before_the_last_change_and_not_before_the_start(task: Any):
    press(task, "start")
    task.do("docker service create --detach --name web nginx\ndocker service ls")
    task.do("docker service create --detach --name mistake nginx")
    assert task.attempt.changes == 2
    press(task, "undo")
    assert [s.name for s in task.cluster.client().services.list()] == ["web"]
    assert swarmlab.latest() is task.cluster
    press(task, "undo")
    assert task.cluster.client().services.list() == []
    labels = [n.attrs["Spec"]["Labels"] for n in task.cluster.client().nodes.list()]
    assert {"az": "b"} in labels  # the set-up stands
    assert task._buttons[NAMES.index("undo")].disabled
    with pytest.raises(LabError, match="Nothing to undo"):
        task.undo()


def test_what_was_undone_is_no_longer_watched(task: Any):
    former = task.cluster.client()
    former.services.create("nginx", name="web")
    press(task, "undo")
    former.services.create("nginx", name="later")
    assert task.attempt.changes == 0


def test_a_target_with_its_folder_is_as_good_and_a_look_into_a_container_is_free():
    attempt = begun(bank()["rotate_secret"])
    attempt.do(bank()["rotate_secret"].solution.replace("target=", "target=/run/secrets/"))
    assert attempt.check().passed
    node = attempt.cluster.client().services.get("app").tasks()[0]["NodeID"]
    name = attempt.cluster.client().nodes.get(node).attrs["Description"]["Hostname"]
    said = attempt.do(f"docker -H {name} exec $(docker -H {name} ps -q) cat /run/secrets/senha")
    assert said.endswith("nova")
    assert attempt.changes == 2


def test_changes_are_counted_whoever_makes_them_and_refused_ones_are_not(task: Any):
    client = task.cluster.client("m2")
    client.services.create("nginx", name="web")
    task.do("docker service create --detach --name web nginx")  # the name is taken
    task.do("docker service ls")
    assert task.attempt.changes == 1
    assert "Changes: 1 (fewest: 1)" in task._used.value


def test_shown_again_it_begins_anew(task: Any):
    task.do(SPREAD)
    closed = [task._board, *task._buttons, task]
    again = exercise("spread_over_zones", make=swarmlab.simulate)
    assert [part.comm for part in closed] == [None] * len(closed)  # nothing is left to refresh
    assert again.attempt.changes == 0
    assert not again.check().passed


def test_it_shows_itself_without_a_kernel_with_its_answer_folded(task: Any):
    bundle = task._repr_mimebundle_()
    assert "Zone a runs three of them" in bundle["text/plain"]
    assert "spread=node.labels.az" not in bundle["text/plain"]
    html = bundle["text/html"]
    assert html.count("<details>") == 4
    assert "spread=node.labels.az" not in html.split("<details>")[0]
    assert "application/vnd.jupyter.widget-view+json" in bundle


class RealCluster:
    """What a real cluster has, in front of a simulated one."""

    kind = "real"

    def __init__(self, **make_up: int) -> None:
        self._cluster = swarmlab.simulate(**make_up)
        self.closed = False

    def __getattr__(self, name: str) -> Any:
        if name in ("fork", "trace", "explain", "machine", "engine", "now_ns", "lock"):
            raise AttributeError(name)
        return getattr(self._cluster, name)

    def up(self) -> list[str]:
        return [name for name in self._cluster.names if self._cluster.is_up(name)]

    def leader(self) -> str:
        return self._cluster.default_node()

    def close(self) -> None:
        self.closed = True


def test_on_a_real_cluster_all_works_but_undo_which_says_so(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("swarmlab.lessons.exercise_widget._shown", {})
    task = exercise("spread_over_zones", make=RealCluster)
    task.do(SPREAD)
    assert "A real swarm cannot go back" in press(task, "undo")
    verdict = task.check()
    assert verdict.passed
    assert task.attempt.changes == 1
    first = task.cluster
    press(task, "start")
    assert first.closed
    second = task.cluster
    exercise("spread_over_zones", make=RealCluster)
    assert second.closed


# -- what is measured ------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("check", "holds", "found"),
    [
        ("running web is 6", True, "6"),
        ("running nope is 0", True, "0"),
        ("tasks web by az is {a: 2, unlabelled: 4}", False, "a: 1, unlabelled: 5"),
        ("tasks web by node within 0", False, "m1: 1, m2: 1, m3: 1, w1: 1, w2: 2"),
        ("tasks web by image is {'nginx:1.25': 6}", True, "nginx:1.25: 6"),
        ("tasks web on w2 most 1", False, "2"),
        ("managers by reachability is {reachable: 3}", True, "reachable: 3"),
        ("nodes by availability is {active: 5}", True, "active: 5"),
        ("services has web", True, "web"),
        ("secrets lacks senha", True, "nothing"),
        ("service web Spec.UpdateConfig.Order is start-first", False, "not set"),
        ("swarm Spec.EncryptionConfig.AutoLockManagers is true", False, "false"),
        ("leader is m1", True, "m1"),
    ],
)
def test_a_check_holds_or_says_what_it_found(
    cluster: Any, client: Any, check: str, holds: bool, found: str
):
    client.nodes.get("w1").update(
        {"Role": "worker", "Availability": "active", "Labels": {"az": "a"}}
    )
    mode = {"Replicated": {"Replicas": 6}}
    client.services.create("nginx:1.25", name="web", mode=mode)
    cluster.run("20s")
    seen, said = look(Swarm(cluster), check)
    assert said == found
    assert seen is holds


def test_a_task_that_was_given_up_does_not_count_as_running(cluster: Any, client: Any):
    """A crashed node cannot say that its tasks ended; they stay "running" in the list."""
    client.services.create("nginx", name="web", mode={"Replicated": {"Replicas": 6}})
    cluster.run("20s")
    cluster.crash("w1")
    cluster.run("60s")
    states = [task["Status"]["State"] for task in client.api.tasks()]
    assert states.count("running") > 6
    assert look(Swarm(cluster), "running web is 6") == (True, "6")


def test_a_swarm_without_a_leader_reaches_no_goal_and_says_why(cluster: Any):
    cluster.crash("m2", "m3")
    cluster.run("60s")
    assert look(Swarm(cluster), "leader is nobody") == (True, "nobody")
    holds, said = look(Swarm(cluster), "services lacks web")
    assert not holds
    assert "The swarm does not have a leader" in said


@pytest.mark.parametrize("text", ["running web", "is 6", "running web is"])
def test_a_check_that_compares_nothing_is_refused(text: str):
    with pytest.raises(LabError, match="compares nothing"):
        parts(text)


def test_an_unknown_measure_or_exercise_is_named(cluster: Any):
    with pytest.raises(LabError, match="'walking web' cannot be measured"):
        look(Swarm(cluster), "walking web is 6")
    with pytest.raises(LabError, match="no exercise 'nope'; there are"):
        exercise("nope", make=swarmlab.simulate)


# -- progress --------------------------------------------------------------------------------------
def test_progress_survives_keeps_the_best_and_is_exported(task: Any, tmp_path: Path):
    task.do("docker service create --detach --name extra nginx")
    task.do(SPREAD)
    assert task.check().passed
    assert "in fewer" in task._status.value
    assert progress().solved["spread_over_zones"]["changes"] == 2
    task.start()
    task.do(SPREAD)
    task.check()
    assert progress().solved["spread_over_zones"]["changes"] == 1
    task.start()
    task.do(f"docker service create --detach --name extra nginx\n{SPREAD}")
    assert task.check().passed
    assert progress().solved["spread_over_zones"]["changes"] == 1
    copy = progress().export(tmp_path / "copy.json")
    assert json.loads(copy.read_text()) == json.loads(file().read_text())
    assert "1 of 5 solved." in repr(progress("07_placement"))
    said = repr(progress())
    assert f"1 of {len(bank())} solved." in said
    assert "✔ solved" in progress()._repr_html_()


def test_a_file_that_is_not_ours_is_named_and_left_alone(task: Any):
    file().parent.mkdir(parents=True)
    file().write_text("[]")
    with pytest.raises(LabError, match="move it away"):
        progress()
    task.do(SPREAD)
    assert task.check().passed
    assert "could not be noted" in task._status.value
    assert file().read_text() == "[]"
