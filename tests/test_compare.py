"""Scenarios on two clusters: results match the recordings of real engines; differences show."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from xml.etree.ElementTree import fromstring

import pytest

import swarmlab
from swarmlab import strings
from swarmlab.cli.command_line import main
from swarmlab.compare.comparison import (
    Comparison,
    Comparisons,
    compare,
    compare_one,
    event_chart,
)
from swarmlab.compare.scenario import ScenarioPlayer, ScenarioResult, play, recorded, scenarios
from swarmlab.views.palette import CIRCLE, SQUARE

AGREE_LEAST = 25


@pytest.fixture(scope="module")
def comparisons() -> Comparisons:
    return compare()


def test_at_least_25_scenarios_agree_with_what_real_engines_did(comparisons: Comparisons):
    assert [comparison.name for comparison in comparisons.all if not comparison.agrees] == []
    assert comparisons.agree == len(scenarios()) >= AGREE_LEAST
    assert set(recorded()) == set(scenarios())


def test_a_recording_is_labelled_with_its_engine_version(comparisons: Comparisons):
    assert "recorded (20.10" in repr(comparisons["spread"])
    assert "recording" in comparisons.shown_as.notes[-1]


def test_every_scenario_has_facts_events_and_a_sentence_about_it(comparisons: Comparisons):
    for comparison in comparisons.all:
        assert comparison.agreement, comparison.name
        assert comparison.about.endswith("."), comparison.name
        assert comparison.events_table.rows, comparison.name


def comparison_of(**facts: Any) -> Comparison:
    simulated = ScenarioResult("simulated", "26.1", facts, ((1.0, "crash m1"),))
    real = ScenarioResult("real", "20.10", {"said": "no", "~took": 10.0}, ((2.0, "crash m1"),))
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
def test_facts_agree_when_equal_and_durations_when_close(facts: dict[str, Any], agree: bool):
    assert comparison_of(**facts).agrees is agree
    assert ("✘ NO" in repr(comparison_of(**facts))) is not agree


def test_a_scenario_that_stopped_early_does_not_agree():
    whole = comparison_of(said="no", **{"~took": 10.0})
    stopped = replace(whole, real=replace(whole.real, stopped="until running web is 3: never"))
    assert not stopped.agrees
    assert "until running web is 3: never" in repr(stopped)


def test_a_scenario_ends_where_a_command_fails(monkeypatch: pytest.MonkeyPatch):
    scene = {"about": "A scene.", "steps": "docker service scale shop=3\nnote never: nodes state"}
    monkeypatch.setitem(scenarios(), "scene", scene)
    result = play("scene", swarmlab.simulate)
    assert "service shop not found" in result.stopped
    assert result.facts == {}


def test_a_comparison_restores_the_current_cluster(cluster: Any):
    compare("names")
    assert swarmlab.latest() is cluster


def test_both_forms_show_every_fact_and_every_event():
    comparison = comparison_of(said="no", **{"~took": 10.0})
    for form in (repr(comparison), comparison._repr_html_()):
        for text in ("said", "about 10.0 s", "crash m1", "1.0 s", "2.0 s", "real (20.10)"):
            assert text in form
    html = comparison._repr_html_()
    assert html.count("<title>") == 2
    assert 'role="img" aria-label="Two lanes on one time axis: scene.' in html


def test_facts_and_seconds_are_written_in_the_language_in_use():
    strings.use("pt_BR")
    written = repr(comparison_of(states="ready", **{"~a new leader": 10.5}))
    strings.use("en")
    assert "um novo líder" in written
    assert "uns 10,5 s" in written
    assert "estados" in written


def test_the_chart_of_events_is_made_of_the_parts_of_every_picture():
    """A circle for the simulation, a square for engines; close events share a label."""
    steps = ((0.5, "one"), (0.9, "two"), (9.0, "three"))
    whole = replace(comparison_of(), simulated=ScenarioResult("simulated", "26.1", {}, steps))
    root = fromstring(f"<div>{event_chart(whole)}</div>")
    lanes = [(lane[0].text or "", lane[1]) for lane in root.iter() if lane.get("class") == "lane"]
    assert [name for name, _track in lanes] == ["", "simulated", "", "real", ""]
    assert ["".join(part.itertext()) for part in lanes[0][1]] == ["1–2", "3"]
    marks = [part.get("style") for part in lanes[1][1] if part.get("class") == "mark"]
    lefts = [style.partition(";")[0] for style in marks]
    assert lefts == ["left:5.56%", "left:10.00%", "left:100.00%"]
    outlines = [path.get("d") for path in root.iter() if path.tag == "path"]
    assert outlines == [CIRCLE] * 3 + [SQUARE]


def test_a_player_carries_out_steps_one_by_one(cluster: Any):
    player = ScenarioPlayer(cluster)
    player.do("docker service create -d --name web --replicas 5 nginx")
    player.do("until running web is 5")
    player.do("note at 5: counts web")
    player.do("crash m1")
    statuses = "{leader: 1, reachable: 1, unreachable: 1}"
    player.do(f"took a new leader: managers by status at m2 is {statuses}")
    assert player.facts["at 5"] == [1] * 5
    assert 10 <= player.facts["~a new leader"] <= 40
    assert [text for _at, text in player.events][2] == "crash m1"


def test_an_unknown_scenario_is_refused_with_the_names_that_exist():
    with pytest.raises(swarmlab.LabError, match=r"no scenario 'spred'; there are spread, …$"):
        compare("spred")
    with pytest.raises(swarmlab.LabError, match="no scenario 'nope'; there are spread, zones"):
        compare("nope")


def test_the_command_compares_with_the_recordings(capsys: pytest.CaptureFixture[str]):
    assert main(["compare", "--recorded", "spread", "names"]) == 0
    shown = capsys.readouterr().out
    assert "2 of 2 scenarios" in shown
    assert main(["compare", "--list"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(scenarios())


def test_the_same_scenario_ends_the_same_way_every_time():
    assert compare_one("leader_crash").simulated == compare_one("leader_crash").simulated
