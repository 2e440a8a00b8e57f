"""Every notebook runs from top to bottom without a click, and has the common structure."""

from __future__ import annotations

import importlib
import inspect
import itertools
import os
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

import swarmlab
from swarmlab.lessons.bank import bank, topics
from swarmlab.lessons.bets import questions
from swarmlab.lessons.course_map import course, course_map, where_next
from swarmlab.lessons.progress_record import record_solution
from tests.tidy import outputs_kept

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
LESSONS = [path for path in NOTEBOOKS if path.stem != "index"]  # the course map teaches nothing
CELLS_MAX, CODE_LINES_MAX, HELPER_LINES_MAX = 25, 15, 5
RUN_S_MAX, CELL_S_MAX = 60, 300  # of a kernel's processor; of the wall clock
FILE_LINES_MAX = 30  # of a cell that is a command's file
WORDS_MAX = 900  # a page, without what is folded
COMMAND_MAX = 56  # characters of a command in a text, which is one line also at 200 %
BETS = re.compile(r"\b(?:ask|quiz)\(([^)]*)\)")
EXERCISES = re.compile(r"\bexercise\(\"(\w+)\"")
TOPICS = re.compile(r"\bexercises\(\"(\w+)\"")


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


@pytest.fixture
def notebook(path: Path) -> Any:
    return nbformat.read(path, as_version=4)


@pytest.fixture(params=LESSONS, ids=lambda path: path.stem)
def lesson(request: pytest.FixtureRequest) -> Any:
    return nbformat.read(request.param, as_version=4)


def code_of(notebook: Any) -> list[str]:
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


def texts_of(notebook: Any) -> list[str]:
    return [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]


def head_of(notebook: Any) -> str:
    """The title and the table below it."""
    return "\n\n".join(texts_of(notebook)[:2])


def executed(path: Path, folder: Path) -> Any:
    """The notebook with its outputs, run in a new kernel whose working folder is `folder`."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(notebook, timeout=CELL_S_MAX, resources={"metadata": {"path": folder}})
    return client.execute()


def kernels_s() -> float:
    """The processor time of kernels that have ended: a busy machine makes it hardly longer."""
    return sum(os.times()[2:4])


def test_the_first_notebook_is_the_one_to_start_with():
    assert [path.stem for path in NOTEBOOKS][:1] == ["00_start_here"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_notebook_runs_without_errors_within_a_minute_and_leaves_no_file(
    path: Path, tmp_path: Path
):
    start_s = kernels_s()
    notebook = executed(path, tmp_path)
    assert 0 < kernels_s() - start_s < RUN_S_MAX
    outputs = [(c.id, o) for c in notebook.cells if c.cell_type == "code" for o in c.outputs]
    assert [(id, output) for id, output in outputs if output.output_type == "error"] == []
    assert list(tmp_path.iterdir()) == []
    shown = [o.data for _id, o in outputs if o.output_type in ("display_data", "execute_result")]
    rich = [data for data in shown if set(data) != {"text/plain"}]
    assert [data for data in rich if not data.get("text/plain", "").strip()] == []


def test_no_cell_draws_a_bare_figure(notebook: Any):
    """Pictures come from views, which have a text form."""
    assert [code for code in code_of(notebook) if ".figure()" in code or "plt." in code] == []


def test_a_notebook_is_committed_without_outputs_for_the_standard_kernel(notebook: Any):
    assert outputs_kept(notebook.cells) == []
    assert notebook.metadata.kernelspec.name == "python3"
    nbformat.validate(notebook)


def test_a_notebook_begins_with_one_title_a_summary_and_its_slides(notebook: Any):
    texts, head = texts_of(notebook), head_of(notebook)
    first = texts[0].splitlines()
    assert notebook.cells[0].cell_type == "markdown"
    assert first[0].startswith("# ")
    assert re.fullmatch(r"\*[^*].*\*", first[2])
    titles = [line for text in texts for line in text.splitlines() if re.match(r"# ", line)]
    assert len(titles) == 1
    for word in ("You will be able to", "minutes", "You need", "Slides of the talk"):
        assert word in head
    assert re.search(r"Slides of the talk\*\* \| \d\d", head)


def test_cells_are_few_and_short(notebook: Any):
    # Prose is read as one, also where it is divided into what a room is shown and what it isn't.
    passages = itertools.groupby(cell.cell_type for cell in notebook.cells)
    assert sum(1 if kind == "markdown" else len([*cells]) for kind, cells in passages) <= CELLS_MAX
    lengths = {cell.id: len(cell.source.splitlines()) for cell in notebook.cells}
    code = [cell.id for cell in notebook.cells if cell.cell_type == "code"]
    files = [c.id for c in notebook.cells if re.match(r"%%docker .*-file - ", c.source)]
    assert [id for id in code if lengths[id] > CODE_LINES_MAX and id not in files] == []
    assert [id for id in files if lengths[id] > FILE_LINES_MAX] == []
    assert "class " not in "\n".join(code_of(notebook))
    assert "def " not in "\n".join(code_of(notebook))


def outside_details(texts: list[str]) -> str:
    return re.sub(r"<details>.*?</details>", "", "\n".join(texts), flags=re.DOTALL)


def words_outside_details(texts: list[str]) -> int:
    """Tokens with a letter or a digit: the lines of tables and lists do not count."""
    return sum(any(map(str.isalnum, word)) for word in outside_details(texts).split())


@pytest.mark.parametrize("folder", ["", "pt-BR"])
def test_a_command_in_a_text_is_short_enough_to_be_one_line(path: Path, folder: str):
    page = nbformat.read(path.parent / folder / path.name, as_version=4)
    text = re.sub(r"(?m)^>.*$|```[^`]+```", "", outside_details(texts_of(page)))
    assert [
        command for command in re.findall(r"`([^`\n]+)`", text) if len(command) > COMMAND_MAX
    ] == []


def test_a_page_is_short_but_for_what_is_folded(notebook: Any):
    assert words_outside_details(["| a | *b* c |", "<details>\nd\n</details> e-f"]) == 4
    assert words_outside_details(texts_of(notebook)) <= WORDS_MAX


def test_headings_go_down_one_level_at_a_time(notebook: Any):
    lines = [line for text in texts_of(notebook) for line in text.splitlines()]
    levels = [len(m.group(1)) for line in lines if (m := re.match(r"(#+) ", line))]
    steps = itertools.pairwise(levels)
    assert [(upper, lower) for upper, lower in steps if lower > upper + 1] == []


def exercises_of(notebook: Any) -> list[str]:
    """Those of the bank that its cells show, or let people pick."""
    code = "\n".join(code_of(notebook))
    picked = [entry.name for topic in TOPICS.findall(code) for entry in topics()[topic]]
    return [*EXERCISES.findall(code), *picked]


def test_a_notebook_has_two_exercises_with_folded_answers(lesson: Any):
    """Exercises of the bank fold their answers themselves."""
    text = "\n".join(texts_of(lesson))
    names = exercises_of(lesson)
    assert [name for name in names if name not in bank()] == []
    assert len(re.findall(r"^### \d\. ", text, flags=re.M)) >= 2
    assert text.count("<details><summary>Answer</summary>") + len(names) >= 2


def test_each_bet_is_in_the_bank_and_comes_before_its_reveal(lesson: Any):
    code = code_of(lesson)
    names = [name for cell in code for bet in BETS.findall(cell) for name in bet.split(",")]
    assert [n for n in names if n.strip(" \"'") not in questions()] == []
    asked = {m: i for i, cell in enumerate(code) for m in re.findall(r"\bask\((.*?)\)", cell)}
    revealed = {m: i for i, cell in enumerate(code) for m in re.findall(r"\breveal\((.*?)\)", cell)}
    assert asked
    assert list(asked) == list(revealed)
    assert [names for names in asked if asked[names] >= revealed[names]] == []


def test_every_question_of_the_bank_is_asked_somewhere():
    code = "\n".join(c for p in NOTEBOOKS for c in code_of(nbformat.read(p, as_version=4)))
    assert [name for name in questions() if f'"{name}"' not in code] == []


def test_every_exercise_of_a_notebook_is_offered_in_it():
    offered = {path.stem: exercises_of(nbformat.read(path, as_version=4)) for path in NOTEBOOKS}
    assert [e.name for e in bank().values() if e.name not in offered[e.notebook]] == []


IMPORTED = re.compile(r"^from (swarmlab[\w.]*) import ([^(].*|\([^)]*\))$", re.MULTILINE)
METHODS = re.compile(r"\bcluster\.(\w+)\(")
EXAMPLE = re.compile(r"^>>> |`[\w.]+\(", re.MULTILINE)


def test_the_help_of_each_function_that_a_notebook_uses_names_a_lesson(notebook: Any):
    """So `why?` and `cluster.crash?` lead to the notebook that teaches it."""
    code = "\n".join(code_of(notebook))
    used = [getattr(swarmlab.Cluster, name) for name in METHODS.findall(code)]
    for module, names in IMPORTED.findall(code):
        used += [getattr(importlib.import_module(module), n) for n in re.findall(r"\w+", names)]
    assert used
    lessons = {f: re.findall(r"Lesson: (\w+)\.", inspect.getdoc(f) or "") for f in used}
    assert {len(names) for names in lessons.values()} == {1}, lessons
    assert set(itertools.chain(*lessons.values())) <= {path.stem for path in NOTEBOOKS}
    assert [f.__name__ for f in used if not EXAMPLE.search(inspect.getdoc(f) or "")] == []


# -- the course map --------------------------------------------------------------------------------
SLIDES_WITHOUT_A_PAGE: set[int] = set()


def slides_in(text: str) -> set[int]:
    """`20 (why), 24–28 (nodes)` as numbers."""
    ranges = re.findall(r"(\d+)(?:[–-](\d+))?", re.sub(r"\([^)]*\)", "", text))
    return {n for first, last in ranges for n in range(int(first), int(last or first) + 1)}


def test_every_slide_is_named_by_a_page_that_teaches_it_and_the_map_says_the_same():
    heads = {path.stem: head_of(nbformat.read(path, 4)) for path in NOTEBOOKS}
    slides = {
        name: slides_in(re.findall(r"Slides of the talk\*\* \| (.*) \|", head)[0])
        for name, head in heads.items()
    }
    minutes = {
        name: int(re.findall(r"level\*\* \| (\d+) minutes", head)[0])
        for name, head in heads.items()
    }
    assert slides.pop("index") == {1, 2, 44}
    pages = {name: page for part in course().values() for name, page in part.items()}
    assert {name: slides_in(page["slides"]) for name, page in pages.items()} == slides
    assert {name: page["minutes"] for name, page in pages.items()} == {
        n: minutes[n] for n in slides
    }
    taught = {1, 2, 44} | {slide for own in slides.values() for slide in own}
    assert {*range(1, 45)} - taught == SLIDES_WITHOUT_A_PAGE


def test_the_map_leads_to_every_page_and_counts_what_is_solved(tmp_path: Path, monkeypatch: Any):
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path))
    record_solution("retire_a_node", changes=3, hints=0)
    shown = course_map()
    html = shown._repr_html_()
    assert [path.stem for path in LESSONS if f'href="{path.stem}.ipynb"' not in html] == []
    (row,) = [row for row in shown.shown_as.rows if row[1] == "04_parts_and_topology"]
    assert row[2:] == ("slides 21-29", "20 minutes", "solved 1 of 2")
    index = next(path for path in NOTEBOOKS if path.stem == "index").read_text("utf-8")
    assert "speakerdeck.com" in index
    first = NOTEBOOKS[0].read_text("utf-8")
    assert "(index.ipynb)" in first


def test_the_pages_lead_from_one_to_the_next_with_its_promise_and_each_back_to_the_map():
    """The order is the course's; a page says what it promises in its own head."""
    pages = [name for part in course().values() for name in part]
    assert sorted(pages) == sorted(path.stem for path in LESSONS)
    for before, page, after in zip(["index", *pages], pages, [*pages[1:], "index"], strict=False):
        shown = where_next(page)
        links = re.findall(r'<a href="(\w+)\.ipynb">', shown._repr_html_())
        assert links == [after, before, "index"]
        notebook = nbformat.read(NOTEBOOKS[0].with_name(f"{after}.ipynb"), as_version=4)
        head = texts_of(notebook)[0].splitlines()
        assert shown.lines[:2] == (f"**{head[0][2:]}**", head[2].strip("*"))
        assert f"Next: {after}.ipynb" in repr(shown)
    with pytest.raises(swarmlab.LabError, match="there is no page '99_nothing'; there are index, "):
        where_next("99_nothing")


def test_the_last_cell_of_a_page_says_what_comes_next():
    ends = {path.stem: nbformat.read(path, as_version=4).cells[-1].source for path in LESSONS}
    assert [page for page, end in ends.items() if f'where_next("{page}")' not in end] == []
