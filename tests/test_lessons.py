"""The exercises, each proved three ways; the checks of their goals; the widget; progress."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from IPython.lib.pretty import pretty
from markupsafe import Markup

import swarmlab
from swarmlab.errors import LabError
from swarmlab.lessons import bank as bank_module
from swarmlab.lessons import exercise, exercises, progress
from swarmlab.lessons.attempt import Attempt, examined, run_lines, verdict_on
from swarmlab.lessons.bank import Exercise, bank, topics
from swarmlab.lessons.goal_checks import SwarmReader, evaluate, parse_check
from swarmlab.lessons.progress_record import progress_file
from swarmlab.views.board import board_of
from swarmlab.views.html import marked

CHECK_S_MAX = 2.0
NOTEBOOKS = (
    *("00_start_here", "02_docker_workflow", "03_why_orchestrate", "04_parts_and_topology"),
    *("05_quorum", "06_command_to_container", "07_placement", "08_tls_and_ca", "09_autolock"),
    *("10_secrets_and_configs", "11_health_checks", "12_rolling_updates"),
    *("13_rollback", "14_stacks", "15_network", "16_scale", "20_missions"),
)
WRONG = [(entry, i) for entry in bank().values() for i in range(len(entry.wrong))]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Progress is recorded in a temporary folder, not in the home of whoever runs the tests."""
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path))
    return tmp_path


def started(exercise: Exercise) -> Attempt:
    attempt = Attempt(exercise, swarmlab.simulate, on_change=list)
    attempt.start()
    return attempt


# -- each exercise, three ways ---------------------------------------------------------------------
@pytest.fixture(params=bank().values(), ids=lambda entry: entry.name)
def entry(request: pytest.FixtureRequest) -> Exercise:
    entry: Exercise = request.param
    return entry


def test_a_blank_start_fails_with_one_next_step(entry: Exercise):
    started_s = time.process_time()
    attempt = started(entry)
    made_s = time.process_time()
    verdict = attempt.check()
    assert time.process_time() - made_s < CHECK_S_MAX
    assert made_s - started_s < 5 * CHECK_S_MAX
    assert not verdict.passed
    assert verdict.step in {goal.next for goal in entry.goals}
    assert attempt.changes == 0


def test_the_solution_passes_with_the_fewest_changes(entry: Exercise):
    attempt = started(entry)
    output = attempt.do(entry.solution)
    verdict = attempt.check()
    assert verdict.passed, f"{verdict}\n{output}"
    assert attempt.changes == entry.fewest_changes <= len(entry.solution.splitlines())
    assert verdict.step == entry.why


@pytest.mark.parametrize(("entry", "i"), WRONG, ids=lambda v: getattr(v, "name", str(v)))
def test_a_known_wrong_answer_gets_its_own_feedback(entry: Exercise, i: int):
    wrong = entry.wrong[i]
    attempt = started(entry)
    swarm = SwarmReader(attempt.cluster)
    assert not any(all(evaluate(swarm, c)[0] for c in w.checks) for w in entry.wrong)
    output = attempt.do(wrong.commands)
    verdict = attempt.check()
    assert (verdict.passed, verdict.step) == (False, wrong.feedback), f"{verdict}\n{output}"
    assert wrong.feedback not in {goal.next for goal in entry.goals}


@pytest.mark.parametrize(("wait", "status"), [("26s", "completed"), ("27s", "rollback_completed")])
def test_a_rollback_counts_whatever_its_status_says_in_the_end(wait: str, status: str):
    """At times a failing task is replaced just then: two tasks in its slot are one more update."""
    entry = bank()["ready_for_a_rollback"]
    attempt = started(entry)
    attempt.do(entry.solution.replace("run 30s", f"run {wait}"))
    assert attempt.check().passed
    ended = f"service web UpdateStatus.State is {status}"
    assert evaluate(SwarmReader(attempt.cluster), ended) == (True, status)


def test_no_single_click_of_the_board_solves_it(entry: Exercise):
    """Pausing or activating a node moves nothing."""
    attempt = started(entry)
    board = board_of(attempt.cluster)
    clicks = [
        ({"do": verb, "node": row.key}, board.cluster.fork())
        for row in board.snapshot.nodes
        for verb in (["crash", "drain"] if row.up else ["start"])
    ]
    for click, copy in clicks:
        board.cluster = copy
        board._on_message(None, click, [])
        copy.run("45s")  # a dead node's tasks have started again elsewhere
        assert not verdict_on(entry, examined(entry, copy)).passed, click
    board.close()


def test_each_of_these_notebooks_has_two_exercises_or_more():
    assert len(bank()) >= 16
    per_notebook = {n: [e for e in bank().values() if e.notebook == n] for n in NOTEBOOKS}
    assert min(map(len, per_notebook.values())) >= 2


def test_no_two_exercises_have_the_same_name():
    files = Path(bank_module.__file__).with_name("exercises").glob("*.yml")
    names = [name for path in files for name in yaml.safe_load(path.read_text("utf-8"))]
    assert sorted(names) == sorted(bank())


def test_each_exercise_has_three_hints_and_a_wrong_answer_or_more(entry: Exercise):
    assert len(entry.hints) == 3
    assert entry.wrong
    assert len({wrong.feedback for wrong in entry.wrong}) == len(entry.wrong)
    command = entry.solution.splitlines()[-1]
    assert not any(command in hint for hint in entry.hints), "a hint nudges, it does not answer"
    for check in [g.check for g in entry.goals] + [c for w in entry.wrong for c in w.checks]:
        parse_check(check)


# -- the widget, by its buttons --------------------------------------------------------------------
SPREAD = (
    "docker service create --name web --replicas 6 --placement-pref spread=node.labels.az nginx"
)


@pytest.fixture
def task(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr("swarmlab.lessons.exercise_widget._latest", {})
    return exercise("spread_over_zones", make=swarmlab.simulate)


NAMES = ["start", "check", "hint", "undo", "solution"]


def press(task: Any, name: str) -> str:
    """Press a button that is enabled; the hints and the status the page shows then."""
    button = task._buttons[NAMES.index(name)]
    assert not button.disabled, name
    button.click()
    status: str = task._hints.value + task._status.value
    return status


def test_no_swarm_is_made_until_start_is_pressed(task: Any):
    """Running a whole notebook changes nothing of what `%docker` speaks to."""
    other = swarmlab.simulate()
    enabled = [name for name, b in zip(NAMES, task._buttons, strict=True) if not b.disabled]
    assert enabled == ["start"]
    assert swarmlab.latest() is other
    status = press(task, "start")
    assert "talks to these machines" in status
    assert "until you run <code>swarmlab.use(cluster)</code>" in status
    assert swarmlab.latest() is task.cluster


def test_it_is_solved_by_commands_and_the_check_button(task: Any, home: Path):
    press(task, "start")
    assert "✘ Not yet" in press(task, "check")
    assert not progress_file().exists()
    task.do(SPREAD)
    status = press(task, "check")
    assert "✔ Solved" in status
    assert "until you run <code>swarmlab.use(cluster)</code>" in status
    assert "Changes: 1, fewest: 1." in status
    assert progress_file().is_relative_to(home)
    assert progress().solved == {"spread_over_zones": {"changes": 1, "hints": 0}}


def test_hints_come_one_by_one_and_the_last_one_asks_for_a_reflection(task: Any):
    press(task, "start")
    hints = task.exercise.hints
    assert hints[1] not in press(task, "hint")
    press(task, "hint")
    assert "First one line" in press(task, "hint")
    assert task._reflection.layout.display == ""
    assert task._buttons[NAMES.index("solution")].disabled
    assert "--placement-pref" not in str(task.solution())  # by code as by its button
    task._reflection.value = "six tasks, but five of them in zone a"
    assert "Hint 3 of 3" in press(task, "hint")
    solution = Markup(press(task, "solution")).striptags()  # whose flags are kept whole
    assert "--placement-pref spread=node.labels.az" in solution


def test_who_has_solved_it_may_compare_it_with_the_kits_solution(task: Any):
    press(task, "start")
    task.do(task.exercise.solution)
    assert task._buttons[NAMES.index("solution")].disabled
    assert "Solved" in press(task, "check")
    assert not task._buttons[NAMES.index("solution")].disabled
    assert "--placement-pref" in str(task.solution())


def enter(task: Any, command: str) -> str:
    """Type a command below the task, and press Enter; the output and the status shown then."""
    task._command.value = command
    task._command._handle_custom_msg({"event": "submit"}, [])
    shown: str = task._output.value + task._status.value
    return shown


def test_the_command_line_is_always_there_and_starts_the_exercise(task: Any):
    assert not task._command.disabled
    assert "m1" in enter(task, "%docker node ls")
    assert task.attempt.cluster is not None
    assert task._command.value == ""  # for the next one
    enter(task, f"  {SPREAD}\n")
    assert task.attempt.changes == 1
    assert "$ docker service create" in task._output.value
    assert task._output.value.count("overall progress") == 1  # its end alone
    press(task, "undo")
    assert task.attempt.changes == 0
    enter(task, "crash w2")
    assert not task.cluster.is_up("w2")
    assert press(task, "start")
    assert task._output.value == ""


@pytest.mark.parametrize(
    ("command", "error"),
    [
        ("crash", "write `crash NODE…`"),
        ("heal m1", "write `heal`"),
        ("run", "duration"),
        ("crash m9", "m9"),
        ("dokcer ps", "unknown command: docker dokcer"),
        ("docker 'ps", "No closing quotation"),
    ],
)
def test_a_mistake_on_the_command_line_is_answered_in_words(task: Any, command: str, error: str):
    assert marked(error) in enter(task, command)


def test_hints_stay_on_the_page_and_are_not_red(task: Any):
    press(task, "start")
    press(task, "hint")
    first = task.exercise.hints[0]
    for name in ("check", "hint", "start"):
        assert marked(first) in press(task, name)
    enter(task, "service ls")
    assert "Hint 2 of 3" in task._hints.value
    assert "#d55e00" not in task._hints.value


def test_no_markup_is_shown_as_text(task: Any):
    assert all("&lt;" not in part.value for part in task._fixed if hasattr(part, "value"))


def test_exercises_are_picked_by_topic_and_kept_as_they_were_left(task: Any):
    picker = exercises("07_placement", make=swarmlab.simulate)
    assert picker.exercise is task  # shown twice, in step
    assert [name for _title, name in picker.pick.options] == [
        e.name for e in topics()["07_placement"]
    ]
    enter(task, SPREAD)
    picker.topic.value = "05_quorum"
    assert picker.exercise.exercise.notebook == "05_quorum"
    assert picker.children[-1] is picker.exercise
    picker.exercise.start()
    picker.pick.value = "lost_quorum"
    assert picker.exercise.exercise.name == "lost_quorum"
    picker.topic.value = "07_placement"
    assert picker.exercise is task
    assert swarmlab.latest() is task.cluster
    assert task.attempt.changes == 1
    html = picker._repr_html_()
    assert [e.name for e in topics()["07_placement"] if marked(e.title) not in html] == []
    with pytest.raises(LabError, match="no exercises on 'nope'; there are on"):
        exercises("nope", make=swarmlab.simulate)


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
    assert {"az": "b"} in labels  # what the setup did is still there
    assert task._buttons[NAMES.index("undo")].disabled
    with pytest.raises(LabError, match="Nothing to undo"):
        task.undo()


def test_what_was_undone_is_no_longer_watched(task: Any):
    former = task.cluster.client()
    former.services.create("nginx", name="web")
    press(task, "undo")
    former.services.create("nginx", name="later")
    assert task.attempt.changes == 0


def test_a_target_with_its_folder_is_accepted_and_exec_in_a_container_is_free():
    attempt = started(bank()["rotate_secret"])
    attempt.do(bank()["rotate_secret"].solution.replace("target=", "target=/run/secrets/"))
    assert attempt.check().passed
    tasks = attempt.cluster.client().services.get("app").tasks(filters={"desired-state": "running"})
    node = attempt.cluster.client().nodes.get(tasks[0]["NodeID"])
    name = node.attrs["Description"]["Hostname"]
    container = f"$(docker -H {name} ps -q --filter name=app.{tasks[0]['Slot']})"
    output = attempt.do(f"docker -H {name} exec {container} cat /run/secrets/senha")
    assert output.endswith("nova")
    assert attempt.changes == 2


def test_changes_by_any_client_are_counted_and_rejected_ones_are_not(task: Any):
    client = task.cluster.client("m2")
    client.services.create("nginx", name="web")
    task.do("docker service create --detach --name web nginx")  # the name is taken
    printed = task.do("docker service ls")
    heads = pretty(printed).splitlines()[0]  # as a terminal shows it
    assert heads.split()[:4] == ["ID", "NAME", "MODE", "REPLICAS"]
    assert task.attempt.changes == 1
    assert "Changes: 1 (fewest: 1)" in task._count.value


def test_an_exercise_shown_again_begins_anew(task: Any):
    task.do(SPREAD)
    closed = [task._board, *task._buttons, task]
    again = exercise("spread_over_zones", make=swarmlab.simulate)
    assert [part.comm for part in closed] == [None] * len(closed)  # nothing is left to refresh
    assert again.attempt.changes == 0
    assert not again.check().passed


def test_an_exercise_without_a_kernel_shows_its_answer_folded(task: Any):
    bundle = task._repr_mimebundle_()
    assert "Zone a runs three of them" in bundle["text/plain"]
    assert "spread=node.labels.az" not in bundle["text/plain"]
    html = bundle["text/html"]
    assert html.count("<details>") == 4
    assert "spread=node.labels.az" not in html.split("<details>")[0]
    assert "application/vnd.jupyter.widget-view+json" in bundle


class RealCluster:
    """A simulated cluster with the interface of a real one."""

    kind = "real"
    has_trace = virtual_time = False

    def __init__(self, **arguments: int) -> None:
        self._cluster = swarmlab.simulate(**arguments)
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


def test_on_a_real_cluster_everything_works_except_undo(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("swarmlab.lessons.exercise_widget._latest", {})
    task = exercise("spread_over_zones", make=RealCluster)
    task.do(SPREAD)
    assert "go back. Undo it with a command" in press(task, "undo")
    verdict = task.check()
    assert verdict.passed
    assert task.attempt.changes == 1
    first = task.cluster
    press(task, "start")
    assert first.closed
    second = task.cluster
    exercise("spread_over_zones", make=RealCluster)
    assert second.closed


# -- goal checks ---------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("check", "holds", "text"),
    [
        ("running web is 6", True, "6"),
        ("running nope is 0", True, "0"),
        ("tasks web by az is {a: 6}", False, "a: {w1}, unlabelled: {elsewhere}"),
        ("tasks web by node within 0", False, "m1: {m1}, m2: {m2}, m3: {m3}, w1: {w1}, w2: {w2}"),
        ("tasks web by image is {'nginx:1.25': 6}", True, "nginx:1.25: 6"),
        ("tasks web on w2 most 0", False, "{w2}"),
        ("managers by reachability is {reachable: 3}", True, "reachable: 3"),
        ("nodes by availability is {active: 5}", True, "active: 5"),
        ("services has web", True, "web"),
        ("secrets lacks senha", True, "nothing"),
        ("service web Spec.UpdateConfig.Order is start-first", False, "not set"),
        ("swarm Spec.EncryptionConfig.AutoLockManagers is true", False, "false"),
        ("leader is m1", True, "m1"),
    ],
)
def test_a_check_gives_the_measured_value(
    cluster: Any, client: Any, check: str, holds: bool, text: str
):
    client.nodes.get("w1").update(
        {"Role": "worker", "Availability": "active", "Labels": {"az": "a"}}
    )
    mode = {"Replicated": {"Replicas": 6}}
    client.services.create("nginx:1.25", name="web", mode=mode)
    cluster.run("20s")
    on = {name: len(cluster.client(name).containers.list()) for name in cluster.names}
    expected = text.format(**on, elsewhere=6 - on["w1"])  # chance decides who gets two
    assert evaluate(SwarmReader(cluster), check) == (holds, expected)


def test_on_real_engines_a_check_asks_each_task_whether_it_answers():
    cluster = RealCluster(managers=1, workers=1, seed=7)
    check = "failed web last 10s is 0"
    web = "docker service create --quiet --name web --replicas 3 --publish 80:80 nginx"
    run_lines(cluster, web)
    assert evaluate(SwarmReader(cluster), check) == (True, "0")
    sleep = "docker service update --detach --update-parallelism 0 --args 'sleep 1d' web"
    run_lines(cluster, f"{sleep}\nrun 20s")
    assert evaluate(SwarmReader(cluster), check) == (False, "3")
    run_lines(cluster, "docker service scale --detach web=0\nrun 20s")
    assert evaluate(SwarmReader(cluster), check) == (False, "1")  # no one answers


def test_a_command_is_run_inside_a_task_wherever_it_is(cluster: Any, client: Any):
    spec = {"name": "box", "constraints": ["node.hostname==w1"]}
    client.services.create("busybox", ["sleep", "1d"], hostname="{{.Node.Hostname}}", **spec)
    swarm = SwarmReader(cluster)
    assert evaluate(swarm, "inside box hostname is w1")[0] is False  # it doesn't run yet
    cluster.run("20s")
    swarm = SwarmReader(cluster)
    assert evaluate(swarm, "inside box hostname is w1") == (True, "w1")
    assert evaluate(swarm, "inside box cat /nothing is null") == (True, "not set")
    assert swarm.inside("box", ["cat", "/nothing"])[:2] == ("box on w1", 1)
    assert swarm.inside("none", ["true"]) == ("no task of none runs", 1, "")


def test_a_task_whose_node_is_down_does_not_count_as_running(cluster: Any, client: Any):
    """A crashed node cannot say that its tasks ended; they stay "running" in the list."""
    client.services.create("nginx", name="web", mode={"Replicated": {"Replicas": 6}})
    cluster.run("20s")
    cluster.crash("w1")
    cluster.run("60s")
    states = [task["Status"]["State"] for task in client.api.tasks()]
    assert states.count("running") > 6
    assert evaluate(SwarmReader(cluster), "running web is 6") == (True, "6")


def test_no_check_holds_of_a_swarm_without_a_leader(cluster: Any):
    cluster.crash("m2", "m3")
    cluster.run("60s")
    assert evaluate(SwarmReader(cluster), "leader is none") == (True, "none")
    holds, text = evaluate(SwarmReader(cluster), "services lacks web")
    assert not holds
    assert "The swarm does not have a leader" in text


@pytest.mark.parametrize("text", ["running web", "is 6", "running web is"])
def test_a_check_that_compares_nothing_is_refused(text: str):
    with pytest.raises(LabError, match="compares nothing"):
        parse_check(text)


def test_an_unknown_measure_or_exercise_is_named(cluster: Any):
    with pytest.raises(LabError, match="'walking web' cannot be measured"):
        evaluate(SwarmReader(cluster), "walking web is 6")
    with pytest.raises(LabError, match="no exercise 'nope'; there are"):
        exercise("nope", make=swarmlab.simulate)


# -- progress --------------------------------------------------------------------------------------
def test_progress_keeps_the_best_solution_and_is_exported(task: Any, tmp_path: Path):
    task.do("docker service create --detach --name extra nginx")
    task.do(SPREAD)
    assert task.check().passed
    assert "with fewer" in task._status.value
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
    assert json.loads(copy.read_text("utf-8")) == json.loads(progress_file().read_text("utf-8"))
    assert "1 of 5 solved." in repr(progress("07_placement"))
    assert f"1 of {len(bank())} solved." in repr(progress())
    assert "✔ solved" in progress()._repr_html_()


def test_a_file_that_is_no_progress_file_is_refused_and_kept(task: Any):
    progress_file().parent.mkdir(parents=True)
    progress_file().write_text("[]", encoding="utf-8")
    with pytest.raises(LabError, match="move it away"):
        progress()
    task.do(SPREAD)
    assert task.check().passed
    assert "could not be saved" in task._status.value
    assert progress_file().read_text("utf-8") == "[]"
