"""The run of show: the steps of every page, their scenes, minutes and notes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from swarmlab.cli.stage import KEYS as KEYS_OF_STAGE
from swarmlab.errors import LabError
from swarmlab.lessons import run_of_show
from swarmlab.lessons.bets import questions
from swarmlab.lessons.course_map import course, pages
from swarmlab.lessons.run_of_show import RUNS, Step, steps
from tests.lesson_plan import README, clock, written
from tests.printed import LEFT_OUT
from tests.test_notebooks import slides_in

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
SECTIONS = re.compile(r"^## ", re.MULTILINE)
# The metadata that a cell of a clean notebook may have.
KEYS = {"slideshow", "swarmlab", "tags"}
WORDS_MAX = {"with an output": 75, "alone": 100}  # on the projector
CODE_LINES_MAX = 14  # on the projector
SPOKEN_A_MINUTE, BET_MINUTES, RUN_MINUTES = 130, 1 / 3, 0.1
TEACHES_NOTHING = {1, 2, 44}  # title, agenda, thanks


def cells_of(page: str) -> list[dict[str, Any]]:
    """Each with its source as one text."""
    cells = json.loads((NOTEBOOKS / f"{page}.ipynb").read_text("utf-8"))["cells"]
    return [cell | {"source": "".join(cell["source"])} for cell in cells]


@pytest.fixture(params=pages())
def page(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def type_of(cell: dict[str, Any]) -> str | None:
    kind: str | None = cell["metadata"].get("slideshow", {}).get("slide_type")
    return kind


def test_the_metadata_is_what_the_run_of_show_reads(page: str):
    for cell in cells_of(page):
        assert {*cell["metadata"]} <= KEYS
        assert {*cell["metadata"].get("tags", [])} <= LEFT_OUT
        assert type_of(cell) in (None, "slide", "subslide", "skip")
        assert {*cell["metadata"].get("slideshow", {})} <= {"slide_type"}


def test_every_section_begins_a_step_with_a_scene_or_is_not_shown(page: str):
    cells = cells_of(page)
    begun = {step.cells[0]: step for step in steps(page)}
    assert begun[0].title == cells[0]["source"].splitlines()[0][2:]
    places = [
        place
        for place, cell in enumerate(cells)
        if cell["cell_type"] == "markdown" and SECTIONS.search(cell["source"])
    ]
    shown = [place for place in places if type_of(cells[place]) != "skip"]
    assert [place for place in shown if place not in begun or not begun[place].scene] == []
    assert [place for place in shown if len(SECTIONS.findall(cells[place]["source"])) > 1] == []
    assert shown


def test_a_step_is_called_by_its_first_heading_or_the_last_one_above_it():
    titles = [step.title for step in steps("20")]
    assert "Nodes and releases" in titles
    assert "1. A zone dies" not in titles
    assert titles.count("Without a quorum") == 2  # the bet, and what it measures


def words_shown(step: Step, cells: list[dict[str, Any]]) -> int:
    """Words of its prose, those of folded answers left out."""
    texts = [cells[p]["source"] for p in step.cells if cells[p]["cell_type"] == "markdown"]
    text = re.sub(r"<details>.*?</details>", "", "\n".join(texts), flags=re.DOTALL)
    return sum(any(map(str.isalnum, word)) for word in text.split())


def test_a_step_is_a_few_words_and_what_its_cells_show(page: str):
    cells = cells_of(page)
    for step in steps(page):
        alone = all(cells[place]["cell_type"] == "markdown" for place in step.cells)
        assert words_shown(step, cells) <= WORDS_MAX["alone" if alone else "with an output"], step


def bets_in(step: Step, cells: list[dict[str, Any]], call: str) -> list[str]:
    """The questions that its code asks, or reveals."""
    code = "\n".join(cells[p]["source"] for p in step.cells if cells[p]["cell_type"] == "code")
    calls = re.findall(rf"\b{call}\(([^)]*)\)", code)
    return [name for arguments in calls for name in re.findall(r'"(\w+)"', arguments)]


def test_every_step_has_notes_and_every_bet_what_to_ask_and_what_to_expect(page: str):
    cells = cells_of(page)
    shown = steps(page)
    assert [step.title for step in shown if not step.notes] == []
    bets = [step for step in shown if bets_in(step, cells, "ask")]
    assert [step.title for step in bets if not step.ask or not step.wrong] == []
    assert [step for step in shown if step.wrong and not step.ask] == []


def test_what_a_room_is_asked_is_answered_in_the_notes(page: str):
    """In brackets after the question; that of a bet is marked in the presenter's window."""
    asked = [step for step in steps(page) if step.ask and not bets_in(step, cells_of(page), "ask")]
    assert asked
    assert [step.ask for step in asked if not re.search(r"[?…] \(.+\)$", step.ask)] == []


def test_no_bet_that_notes_call_wrong_is_right(page: str):
    cells = cells_of(page)
    for step in steps(page):
        bets = [questions()[name] for name in bets_in(step, cells, "ask")]
        right = {bet["answer"] for bet in bets}
        wrong = {choice for bet in bets for choice in {*bet["choices"]} - {bet["answer"]}}
        assert {*re.findall(r'"(.*?)"', step.wrong)} & (right - wrong) == set()


def test_notes_can_be_said_in_the_minutes_of_their_step(page: str):
    """Beside the bets, for which hands are counted, and the cells, which have to run."""
    cells = cells_of(page)
    for step in steps(page):
        for minutes in step.minutes.values():
            runs = any(cells[place]["cell_type"] == "code" for place in step.cells)
            left = minutes - BET_MINUTES * len(bets_in(step, cells, "ask")) - RUN_MINUTES * runs
            assert len(step.notes.split()) <= SPOKEN_A_MINUTE * left, step.title


def test_notes_name_keys_that_the_stage_has(page: str):
    """As the list of keys has them, so that nobody wonders whether to hold Shift."""
    assert {"PageDown", "s", "r"} <= {*KEYS_OF_STAGE}
    for step in steps(page):
        named = re.findall(r"\bPage(?:Up|Down)\b|(?<=`)\S(?=`)", step.trouble)
        assert {*named} <= {*KEYS_OF_STAGE}, step.trouble
        assert re.findall(r"(?<![\w'`])[E-HJ-Z](?![\w'])", step.trouble) == []


def test_code_on_the_projector_is_short(page: str):
    cells = cells_of(page)
    for step in steps(page):
        code = [cells[p]["source"] for p in step.cells if cells[p]["cell_type"] == "code"]
        assert not step.shows_code or code
        assert not step.shows_code or len("\n".join(code).splitlines()) <= CODE_LINES_MAX


@pytest.mark.parametrize("run", RUNS)
def test_a_run_takes_its_time_and_leaves_some_for_questions(run: int):
    shown = run_of_show.run_of_show(run)
    assert sum(step.minutes[run] for _start, step in shown) == pytest.approx(run - RUNS[run], abs=1)
    assert 0.05 <= RUNS[run] / run <= 0.15


@pytest.mark.parametrize("run", RUNS)
def test_a_run_reveals_the_bets_that_it_asks_and_no_others(run: int):
    for page in pages():
        cells, asked = cells_of(page), set[str]()
        for step in steps(page, run):
            asked |= {*bets_in(step, cells, "ask")}
            assert {*bets_in(step, cells, "reveal")} <= asked, step.title
            asked -= {*bets_in(step, cells, "reveal")}
        assert asked == set(), page


def test_the_run_of_90_minutes_reaches_every_slide_that_teaches_something():
    """A section names its slides in its heading, a page all of them in its head."""
    own = {page: facts for part in course().values() for page, facts in part.items()}
    reached = set()
    for _start, step in run_of_show.run_of_show(90):
        named = [slides_in(said) for said in re.findall(r"\(slides? ([^)]*)\)", step.title)]
        assert set().union(*named) <= slides_in(own[step.page]["slides"]), step.title
        reached |= set().union(*named)
    assert {*range(1, 45)} - reached == TEACHES_NOTHING


def test_a_shorter_run_shows_nothing_that_a_longer_one_has_no_page_for():
    by_run = {run: {step.page for _start, step in run_of_show.run_of_show(run)} for run in RUNS}
    assert by_run[30] <= by_run[45] <= by_run[60] <= by_run[90]


def test_the_readme_has_the_plan_of_every_run():
    readme = README.read_text("utf-8")
    assert written(readme) == readme, "run `python -m tests.lesson_plan`"
    assert clock(65.5) == "1:05"
    assert "| 05 Quorum | " in readme
    assert "| Questions | 0:27, 3 min |" in readme


def plan_in(readme: str) -> list[list[str]]:
    """The starts and minutes of each row, whatever the language."""
    rows = [line for line in readme.splitlines() if re.search(r"\d min\)? \|$", line)]
    return [re.findall(r"\d+:\d\d|\d+(?:\.5)?(?= min)", row.replace(",5", ".5")) for row in rows]


def test_a_translated_readme_has_the_same_plan():
    english = plan_in(README.read_text("utf-8"))
    assert english[-1] == ["0:27", "3", "0:40", "5", "0:54", "6", "1:20", "10"]
    translated = sorted(NOTEBOOKS.glob("*/README.md"))
    assert translated
    for readme in translated:
        assert plan_in(readme.read_text("utf-8")) == english, readme


def one_page(folder: Path, monkeypatch: pytest.MonkeyPatch, *metadata: dict[str, Any]) -> None:
    """Page 05 is three cells with this metadata: a heading, code, a heading."""
    sources = ["# Page\n\n*What it promises.*", "cluster = 1", "## Part"]
    cells = [
        {"id": f"c{place}", "cell_type": kind, "metadata": metadata[place], "source": [source]}
        for place, (kind, source) in enumerate(
            zip(["markdown", "code", "markdown"], sources, strict=True)
        )
    ]
    (folder / "05_quorum.ipynb").write_text(json.dumps({"cells": cells}), encoding="utf-8")
    monkeypatch.setattr(run_of_show, "notebooks", lambda: folder)


SLIDE: dict[str, Any] = {"slideshow": {"slide_type": "slide"}}
SKIP: dict[str, Any] = {"slideshow": {"slide_type": "skip"}}


def test_a_step_ends_before_the_next_and_has_no_cell_that_is_skipped(tmp_path, monkeypatch):
    facts = {"scene": "start", "minutes": {"30": 1.5, "90": 2}, "notes": "Hello.", "code": True}
    one_page(tmp_path, monkeypatch, SLIDE | {"swarmlab": facts}, {}, SLIDE)
    first, second = steps("05_quorum")
    assert (first.cells, first.title) == ((0, 1), "Page")
    assert (first.scene, first.minutes, first.shows_code) == ("05.start", {30: 1.5, 90: 2}, True)
    assert (second.cells, second.title, second.scene, second.minutes) == ((2,), "Part", "", {})
    assert (first.notes, second.notes, second.shows_code) == ("Hello.", "", False)
    assert steps("05", 30) == [first]
    assert steps("05", 45) == []
    one_page(tmp_path, monkeypatch, SLIDE, SKIP, {})
    assert [step.cells for step in steps("05")] == [(0, 2)]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("scene", "Cut"),
        ("scene", ""),
        ("scene", 5),
        ("minutes", 3),
        ("minutes", {"50": 3}),
        ("minutes", {"45": 0}),
        ("minutes", {"45": "3"}),
        ("minutes", {"45": True}),
        ("notes", ["a"]),
        ("code", "yes"),
        ("nodes", "a"),
    ],
)
def test_wrong_metadata_is_one_line_that_says_where(tmp_path, monkeypatch, key, value):
    one_page(tmp_path, monkeypatch, SLIDE, {}, SLIDE | {"swarmlab": {key: value}})
    with pytest.raises(LabError) as error:
        steps("05")
    said = str(error.value)
    assert said.startswith(f"05_quorum, cell 'c2': {key} is {value!r}. Only a slide has a scene (")
    assert "\n" not in said


def test_a_scene_names_one_step_and_notes_belong_to_a_slide(tmp_path, monkeypatch):
    twice = SLIDE | {"swarmlab": {"scene": "start"}}
    one_page(tmp_path, monkeypatch, twice, {}, twice)
    with pytest.raises(LabError, match=r"^05_quorum, cell 'c2': scene is 'start'\. Only a slide"):
        steps("05")
    one_page(tmp_path, monkeypatch, SLIDE, SKIP | {"swarmlab": {"notes": "a"}}, {})
    with pytest.raises(
        LabError, match=r"^05_quorum, cell 'c1': slide_type is 'skip'\. Only a slide"
    ):
        steps("05")


def test_pages_and_runs_that_do_not_exist_are_refused():
    with pytest.raises(LabError, match=r"^there is no page '99'; there are 00_start_here, "):
        steps("99")
    with pytest.raises(LabError, match=r"^there is no page 'quorum'; there are "):
        steps("quorum")
    with pytest.raises(
        LabError, match=r"^there is no run of 50 minutes; there are 30, 45, 60, 90$"
    ):
        run_of_show.run_of_show(50)
    with pytest.raises(LabError, match=r"^there is no run of 50 minutes"):
        steps("05", 50)


def test_a_step_begins_when_those_before_it_have_had_their_minutes():
    for run in RUNS:
        shown = run_of_show.run_of_show(run)
        assert [step for _start, step in shown] == [s for page in pages() for s in steps(page, run)]
        lengths = [step.minutes[run] for _start, step in shown]
        assert [start for start, _step in shown] == [sum(lengths[:n]) for n in range(len(shown))]
