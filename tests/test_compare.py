"""One play on two clusters: the recordings of real engines hold, and a difference is seen."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

import swarmlab
from swarmlab.cli.command_line import main
from swarmlab.compare.comparison import Stage, compare, compare_one, play, recorded, scenarios
from swarmlab.views.side_by_side import Comparison, Comparisons, Played

AGREE_LEAST = 25


@pytest.fixture(scope="module")
def whole() -> Comparisons:
    return compare()


def test_at_least_25_scenarios_agree_with_what_real_engines_did(whole: Comparisons):
    assert [one.name for one in whole.all if not one.agrees] == []
    assert whole.agree == len(scenarios()) >= AGREE_LEAST
    assert set(recorded()) == set(scenarios())


def test_a_recording_says_that_it_is_one_and_of_which_engine(whole: Comparisons):
    assert "recorded (20.10" in repr(whole["spread"])
    assert "recording" in whole.notes[-1]


def test_every_scenario_notes_something_and_is_told_of(whole: Comparisons):
    for one in whole.all:
        assert one.rows, one.name
        assert one.promise.endswith("."), one.name
        assert one.moments, one.name


def made(**facts: Any) -> Comparison:
    simulated = Played("simulated", "26.1", facts, ((1.0, "crash m1"),))
    real = Played("real", "20.10", {"said": "no", "~took": 10.0}, ((2.0, "crash m1"),))
    return Comparison("scene", "A scene.", simulated, real)


@pytest.mark.parametrize(
    ("facts", "agree"),
    [
        ({"said": "no", "~took": 10.0}, True),
        ({"said": "no", "~took": 19.0}, True),  # within a factor of two
        ({"said": "no", "~took": 21.0}, False),
        ({"said": "yes", "~took": 10.0}, False),
        ({"said": "no"}, False),  # never seen
        ({"said": "no", "~took": 10.0, "more": 1}, False),  # never seen on the real side
        ({}, False),
    ],
)
def test_facts_have_to_be_equal_and_times_alike(facts: dict[str, Any], agree: bool):
    assert made(**facts).agrees is agree
    assert ("✘ NO" in repr(made(**facts))) is not agree


def test_a_play_that_cannot_go_on_agrees_with_nothing():
    one = made(said="no", **{"~took": 10.0})
    stopped = replace(one, real=replace(one.real, stopped="until running web = 3: never"))
    assert not stopped.agrees
    assert "until running web = 3: never" in repr(stopped)


def test_a_play_ends_where_a_command_is_refused(monkeypatch: pytest.MonkeyPatch):
    scene = {"about": "A scene.", "play": "docker service scale shop=3\nnote never: nodes"}
    monkeypatch.setitem(scenarios(), "scene", scene)
    played = play("scene", swarmlab.simulate)
    assert "service shop not found" in played.stopped
    assert played.facts == {}


def test_a_comparison_leaves_the_page_its_own_cluster(cluster: Any):
    compare("names")
    assert swarmlab.latest() is cluster


def test_both_forms_show_every_fact_and_every_moment():
    one = made(said="no", **{"~took": 10.0})
    for form in (repr(one), one._repr_html_()):
        for text in ("said", "about 10.0 s", "crash m1", "1.0 s", "2.0 s", "real (20.10)"):
            assert text in form
    html = one._repr_html_()
    assert html.count("<title>") == 2
    assert "role='img' aria-label='Two lanes on one time axis: scene." in html


def test_a_stage_can_be_acted_on_and_looked_at_line_by_line(cluster: Any):
    stage = Stage(cluster)
    stage.do("docker service create -d --name web --replicas 5 nginx")
    stage.do("until running web = 5")
    stage.do("note at 5: counts web")
    stage.do("crash m1")
    stage.do("took a new leader: managers m2 = [leader, reachable, unreachable]")
    assert stage.facts["at 5"] == [1] * 5
    assert 10 <= stage.facts["~a new leader"] <= 40
    assert [text for _at, text in stage.events][2] == "crash m1"


def test_a_wrong_name_is_answered_with_the_right_ones():
    with pytest.raises(swarmlab.LabError, match="no scenario 'spred'; there are spread, zones"):
        compare("spred")


def test_the_command_plays_against_the_recordings(capsys: pytest.CaptureFixture[str]):
    assert main(["compare", "--recorded", "spread", "names"]) == 0
    shown = capsys.readouterr().out
    assert "2 of 2 scenarios" in shown
    assert main(["compare", "--list"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(scenarios())


def test_the_same_scenario_ends_the_same_way_every_time():
    assert compare_one("leader_crash").simulated == compare_one("leader_crash").simulated
