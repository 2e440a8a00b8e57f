"""The missions, each proved five ways; what they cost; the debrief; the scores of a class.

With `ALL_SEEDS=1` each is proved on five clusters of different seeds.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

import swarmlab
from swarmlab.errors import LabError
from swarmlab.lessons import exercise, progress
from swarmlab.lessons.attempt import TYPING_S, Attempt, Figures, run_lines
from swarmlab.lessons.bank import Exercise, Mission, bank
from swarmlab.lessons.course_map import course_map
from swarmlab.lessons.debrief import Debrief, compare_scores, letters
from swarmlab.lessons.progress_record import record_solution
from tests.test_lessons import RealCluster

MISSIONS = [entry for entry in bank().values() if entry.mission is not None]
SEEDS = (7, 1, 2, 3, 4) if "ALL_SEEDS" in os.environ else (7,)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path))


@pytest.fixture(params=SEEDS)
def seed(request: pytest.FixtureRequest) -> int:
    number: int = request.param
    return number


@pytest.fixture(params=MISSIONS, ids=lambda entry: entry.name)
def entry(request: pytest.FixtureRequest) -> Exercise:
    entry: Exercise = request.param
    return entry


def mission_of(entry: Exercise) -> Mission:
    assert entry.mission is not None
    return entry.mission


def played(entry: Exercise, seed: int, commands: str) -> Attempt:
    """A mission that was begun, played so, and checked."""
    entry = replace(entry, cluster={**entry.cluster, "seed": seed})
    attempt = Attempt(entry, swarmlab.simulate, on_change=list)
    attempt.start()
    attempt.do(commands)
    attempt.check()
    return attempt


# -- each mission, five ways -----------------------------------------------------------------------
def test_doing_nothing_loses(entry: Exercise, seed: int):
    attempt = played(entry, seed, f"run {mission_of(entry).seconds_max}s")
    assert not attempt.solved
    assert attempt.over_budget
    assert attempt.figures.points(mission_of(entry)) == 0


def test_the_model_run_wins_and_another_way_too(entry: Exercise, seed: int):
    mission = mission_of(entry)
    model = played(entry, seed, entry.solution)
    assert (model.solved, model.over_budget) == (True, [])
    assert model.changes == entry.fewest_changes
    assert model.figures.looked
    other = played(entry, seed, mission.second)
    assert (other.solved, other.over_budget) == (True, [])
    assert other.figures.points(mission) < model.figures.points(mission)  # it did not look first
    first, second = ({*way.splitlines()} for way in (entry.solution, mission.second))
    assert first - second
    assert second - first


def test_without_its_lesson_neither_way_wins(entry: Exercise, seed: int):
    mission = mission_of(entry)
    for way in (entry.solution, mission.second):
        left = [line for line in way.splitlines() if not any(w in line for w in mission.lesson)]
        assert len(left) < len(way.splitlines())
        assert not played(entry, seed, "\n".join(left)).solved


def test_each_common_mistake_loses_or_is_told_in_its_own_words(entry: Exercise, seed: int):
    assert len(entry.wrong) >= 3
    for wrong in entry.wrong:
        entry = replace(entry, cluster={**entry.cluster, "seed": seed})
        attempt = Attempt(entry, swarmlab.simulate, on_change=list)
        attempt.start()
        attempt.do(wrong.commands)
        verdict = attempt.check()
        assert (verdict.passed, verdict.step) == (False, wrong.feedback), wrong.commands


def test_it_can_be_won_where_no_requests_are_counted(entry: Exercise):
    """As on real engines, which these are not: `tests/test_real.py` plays it there."""
    attempt = Attempt(entry, RealCluster, on_change=list)
    attempt.start()
    assert not attempt.check().passed
    attempt.do(entry.solution)
    attempt.cluster.run("30s")
    assert attempt.check().passed


EXAM_TELLS = (("zone_dies", 2), ("two_managers", 0), ("two_managers", 1), ("check_kills", 0))


@pytest.mark.parametrize(("name", "i"), EXAM_TELLS)
def test_a_mistake_that_an_exam_would_find_is_told_by_its_signs_where_there_is_none(name, i):
    entry = bank()[name]
    attempt = Attempt(entry, RealCluster, on_change=list)
    attempt.start()
    for line in entry.wrong[i].commands.splitlines():
        attempt.do(line)
        attempt.cluster.run("5s")  # a node that has just come in refuses: update out of sequence
    attempt.cluster.run("30s")
    verdict = attempt.check()
    assert (verdict.passed, verdict.step) == (False, entry.wrong[i].feedback)


def test_a_mistake_that_was_made_good_is_none_any_more():
    entry = bank()["check_kills"]
    attempt = Attempt(entry, RealCluster, on_change=list)
    attempt.start()
    attempt.do(f"{entry.wrong[1].commands}\n{entry.solution}")
    attempt.cluster.run("30s")
    assert attempt.check().passed


# -- what it costs ---------------------------------------------------------------------------------
ZONE = bank()["zone_dies"]
FIX = "docker service update --quiet --constraint-rm node.labels.az==a web"
LOOK = "docker service inspect --pretty web"


def begun(commands: str = "") -> Attempt:
    attempt = Attempt(ZONE, swarmlab.simulate, on_change=list)
    attempt.start()
    attempt.do(commands)
    return attempt


def test_typing_takes_time_in_a_mission_wherever_it_is_done():
    attempt = begun(LOOK)
    first = attempt.figures.seconds
    assert first in range(TYPING_S, TYPING_S + 3)
    assert attempt.figures.failed == 10 * first  # no one is served
    run_lines(attempt.cluster, LOOK)  # as a cell with `%docker` does
    attempt.check()
    assert attempt.figures.seconds - first in range(TYPING_S + 30, TYPING_S + 33)
    assert attempt.figures.changes == 0


def test_looking_first_is_worth_points_and_looking_late_is_not():
    first, late = begun(f"{LOOK}\n{FIX}"), begun(f"{FIX}\n{LOOK}")
    assert (first.figures.looked, late.figures.looked) == (True, False)
    assert begun().figures.looked is False


def test_points_come_from_the_budget_and_only_when_it_is_solved():
    mission = mission_of(ZONE)
    half = Figures(600, 150, 2, hints=0, looked=False, solved=True)
    assert mission.limits == (1200, 300, 4)
    assert half.points(mission) == 40
    assert half._replace(looked=True, hints=2).points(mission) == 50
    assert half._replace(solved=False).points(mission) == 0
    assert half._replace(failed=9000, hints=9).points(mission) == 0
    assert [over for over in half.against(mission).values() if over] == []
    assert [*half._replace(seconds=301).against(mission).values()] == [False, True, False]


def test_an_undone_change_still_counts_and_its_time_and_losses_do_not():
    attempt = begun("docker service scale --detach web=12")
    at_ns = attempt.cluster.now_ns
    attempt.undo()
    assert attempt.cluster.now_ns < at_ns
    assert (attempt.changes, attempt.figures.changes) == (0, 1)
    assert attempt.looks() == []
    attempt.do(f"{LOOK}\n{FIX}")
    assert attempt.check().passed
    assert attempt.figures.changes == 2
    attempt.start()
    assert attempt.figures.changes == 0


def test_a_goal_reached_too_late_is_lost():
    attempt = begun(f"run {mission_of(ZONE).seconds_max}s\n{FIX}")
    verdict = attempt.check()
    assert "✘" not in "".join(line for line in verdict.lines if "Tonight" in line)
    assert (verdict.passed, attempt.figures.points(mission_of(ZONE))) == (False, 0)
    assert verdict.lines[0].startswith("Failed requests: 3")
    assert "Lost" in verdict.title


def test_what_comes_next_happens_to_a_copy():
    attempt = begun(FIX)
    assert attempt.check().passed
    assert attempt.cluster.is_up("w3")
    assert swarmlab.latest() is attempt.cluster


# -- the debrief -----------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def debrief() -> Debrief:
    attempt = begun(f"docker node ls\ndocker service scale --detach web=12\n{LOOK}\n{FIX}")
    attempt.check()
    return Debrief(attempt, mission_of(ZONE))


def test_the_debrief_shows_two_runs_and_the_incident_on_one_time_line(debrief: Debrief):
    rows = {(what, *runs): at for at, what, *runs in debrief.history.rows}
    assert rows["w1 crashes", "", ""] == rows["w2 crashes", "", ""] == "-60 s"
    assert rows["", "docker node ls", ""] == "+0 s"
    own = [text for _at, _incident, text, _model in debrief.history.rows if text]
    assert own[:2] == ["docker node ls", "docker service scale --detach web=12"]
    assert own.index(LOOK) < own.index(FIX) < own.index("check: waits 30 s")
    model = [text for *_rest, text in debrief.history.rows if text]
    assert model[:2] == ["docker service ps web", LOOK]
    assert ZONE.solution.splitlines()[2] in model
    assert any(text.startswith("waits 1") for text in model)
    you, best = debrief.costs.values()
    assert you.changes == 2 > best.changes == 1
    assert you.failed > best.failed > 0
    assert debrief.table.rows[-1][1:3] == (
        str(you.points(debrief.mission)),
        str(best.points(debrief.mission)),
    )
    assert sum(you.parts(debrief.mission)) == you.points(debrief.mission)
    assert debrief.table.rows[4][1] == "✔: +20 points"


def test_a_refused_command_is_no_change_in_the_debrief():
    attempt = begun("docker service rm nope")
    text = repr(Debrief(attempt, mission_of(ZONE)))
    assert "docker service rm nope (changed nothing)" in text
    assert "Your first change: –." in text
    assert "0: not won" in text


def test_a_lost_budget_is_told_as_soon_as_it_is_spent():
    attempt = Attempt(ZONE, swarmlab.simulate, on_change=list)
    waited = attempt.do("docker service update --force web")
    assert waited.splitlines()[-1].startswith("✘ Lost: the budget is spent.")
    assert "Lost" not in begun(LOOK).standing


def test_the_debrief_names_the_moment_when_the_cause_could_be_seen(debrief: Debrief):
    assert debrief.start_s <= debrief.known_s == -70  # before the zone died
    text = repr(debrief)
    assert f"could have known at least 70 s before the call: `{LOOK}`" in text
    assert "Your first look: +0 s. Your first change: +5 s." in text
    html = debrief._repr_html_()
    assert html.count('class="lane"') == 7
    assert "you could have known" in html
    assert html.count('class="bar "') > 10


def test_each_cause_could_be_seen_before_the_call(entry: Exercise):
    attempt = Attempt(entry, swarmlab.simulate, on_change=list)
    attempt.start()
    assert attempt.users_ns <= attempt.known_ns < attempt.start_ns


def test_a_mission_is_won_by_its_widget_which_then_shows_the_debrief(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr("swarmlab.lessons.exercise_widget._latest", {})
    task = exercise("zone_dies", make=swarmlab.simulate)
    budget = "Your budget: Failed requests: 0 of 1200. Time: 0 of 300 s. Changes: 0 of 4."
    assert budget in repr(task)
    assert budget in task._repr_html_()
    task.do(LOOK)
    assert "of 1200" in task._count.value
    task.check()
    assert "Debrief" not in task._status.value  # it goes on
    with pytest.raises(LabError, match="shows a solution"):
        task.debrief()
    task.do(FIX)
    assert task.check().passed
    assert "Debrief: Mission 1" in task._status.value
    assert task.debrief().code in task._status.value
    points = task.attempt.figures.points(mission_of(ZONE))
    assert progress("20_missions").solved["zone_dies"]["points"] == points
    with pytest.raises(LabError, match="no mission"):
        exercise("dead_manager", make=swarmlab.simulate).debrief()


# -- scores and progress ---------------------------------------------------------------------------
def test_the_scores_in_a_chat_make_a_table_the_best_first(debrief: Debrief):
    code = debrief.code
    points = code.partition(":")[2].partition("-")[0]
    chat = f"09:12 Ana: {code}\n09:15 Rui zone_dies:99-1-1-1-0-{letters('zone_dies:99-1-1-1-0')} !"
    rows = compare_scores(chat).rows
    assert [row[0] for row in rows] == ["09:15 Rui", "09:12 Ana"]
    assert rows[1][1:3] == ("Mission 1: a zone dies", points)
    mistyped = code.replace(":", ":9")
    assert compare_scores(mistyped).title == "No score found"


def test_a_mission_is_recorded_with_the_most_points():
    record_solution("zone_dies", changes=1, hints=0, points=70)
    record_solution("zone_dies", changes=2, hints=0, points=80)
    record_solution("zone_dies", changes=1, hints=0, points=75)
    assert progress().solved == {"zone_dies": {"changes": 2, "hints": 0, "points": 80}}
    (row,) = [row for row in progress("20_missions").rows if "zone" in row[0]]
    assert row[1:] == ("✔ solved", "2", "1", "0", "80")
    (row,) = [row for row in course_map().shown_as.rows if row[1] == "20_missions"]
    assert row[-1] == "solved 1 of 6"
