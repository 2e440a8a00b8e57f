"""The translated notebooks say what the English ones say, and nothing else differs."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests import catalogue
from tests.translations import (
    GLOSSARY,
    NOTEBOOKS,
    Cell,
    bad_words,
    bad_words_in_notebooks,
    cells_of,
    faults,
    languages,
    never,
    stamp,
    words_of,
)

OF_A_CLASS = NOTEBOOKS.parent / "swarmlab" / "classroom"
PAGES = [(folder, path) for folder in languages() for path in sorted(folder.glob("*.ipynb"))]


def test_there_is_a_language():
    assert [folder.name for folder in languages()] == ["pt-BR"]


@pytest.mark.parametrize(("folder", "path"), PAGES, ids=lambda path: path.stem)
def test_a_translated_page_differs_in_its_language_alone(folder: Path, path: Path):
    """After a change of an English cell: translate it, then `python -m tests.translations stamp`"""
    assert [*faults(NOTEBOOKS / path.name, path)] == []


@pytest.mark.parametrize("folder", languages(), ids=lambda folder: folder.name)
def test_one_idea_has_one_word(folder: Path):
    """The glossary says which words stand for none here, in pages and in the catalogue."""
    assert [*bad_words_in_notebooks(folder)] == []
    words = never((folder / GLOSSARY).read_text("utf-8"))
    [path] = catalogue.LOCALE.glob(f"{folder.name.replace('-', '_')}/*/*.po")
    messages = [message for message in catalogue.read(path) if message.id]
    texts = [text for message in messages for _english, text in catalogue.pairs(message)]
    guides = folder / "README.md", OF_A_CLASS / f"README.{folder.name}.md"
    texts += [guide.read_text("utf-8") for guide in guides]
    assert [fault for text in texts for fault in bad_words(text, words)] == []


# What a technical author of today writes instead.
DATED = {
    "somebody": "someone", "whoever": "anyone who", "anew": "again", "for ever": "forever",
    "half-way": "halfway", "whilst": "while", "lest": "so that", "thereby": "so", "nought": "0",
    "starts? (again )?elsewhere": "replaced elsewhere", "becomes? of": "happens to",
    "sees? to it": "make sure",
}  # fmt: skip


def test_english_that_people_read_is_of_today():
    pages = [words_of(cell) for path in NOTEBOOKS.glob("*.ipynb") for cell in cells_of(path)]
    texts = [catalogue.key(message) for message in catalogue.template() if message.id]
    guides = [folder / "README.md" for folder in (NOTEBOOKS, NOTEBOOKS.parent)]
    guides.append(OF_A_CLASS / "README.en.md")
    texts += [guide.read_text("utf-8") for guide in guides]
    found = [fault for text in pages + texts for fault in bad_words(text, DATED)]
    assert found == []
    assert len([*bad_words("Somebody starts it anew, whoever that is", DATED)]) == 3


# -- each fault is found ---------------------------------------------------------------------------
CELLS: list[Cell] = [
    {
        "cell_type": "markdown",
        "id": "title",
        "metadata": {"swarmlab": {"scene": "cut", "notes": "Two nodes."}},
        "source": ["# Two nodes, and a third that is down"],
    },
    {
        "cell_type": "code",
        "id": "make",
        "metadata": {},
        "source": ["make(2)  # two nodes\n", "%docker node ls  # all"],
    },
]
PORTUGUESE = copy.deepcopy(CELLS)
PORTUGUESE[0]["source"] = ["# Dois nós, e um terceiro fora do ar"]
PORTUGUESE[0]["metadata"]["swarmlab"]["notes"] = "Dois nós."
PORTUGUESE[1]["source"] = ["make(2)  # dois nós\n", "%docker node ls  # todos"]


@pytest.fixture
def pair(tmp_path: Path) -> list[Path]:
    """A page and its translation, stamped."""
    paths = [tmp_path / "05.ipynb", tmp_path / "pt-BR" / "05.ipynb"]
    paths[1].parent.mkdir()
    for path, cells in zip(paths, (CELLS, PORTUGUESE), strict=True):
        path.write_text(json.dumps({"cells": cells}), encoding="utf-8")
    assert stamp(*paths) == ["title", "make"]
    assert stamp(*paths) == []
    return paths


def test_a_whole_translation_has_no_fault(pair: list[Path]):
    assert [*faults(*pair)] == []


def code(*lines: str) -> dict[str, Any]:
    return {"source": list(lines)}


LS = "%docker node ls  # all"
Change = Callable[[list[Any]], Any]
CHANGES: dict[str, tuple[int, Change, str]] = {
    "English prose": (0, lambda c: c[0].update(source=["# Three"]), "has changed"),
    "an English comment": (0, lambda c: c[1].update(code("make(2)  # 2\n", LS)), "has changed"),
    "English notes": (0, lambda c: c[0]["metadata"]["swarmlab"].update(notes="3"), "has changed"),
    "English code": (0, lambda c: c[1].update(source=["make(3)"]), "other code"),
    "translated code": (1, lambda c: c[1].update(code("make(3)  # d\n", LS)), "other code"),
    "a command": (1, lambda c: c[1].update(code("make(2)  # d\n", "%docker ps")), "other code"),
    "a scene": (1, lambda c: c[0]["metadata"]["swarmlab"].update(scene="corte"), "other metadata"),
    "more": (1, lambda c: c[0]["metadata"]["swarmlab"].update(ask="?"), "other metadata"),
    "no notes": (1, lambda c: c[0]["metadata"]["swarmlab"].pop("notes"), "other metadata"),
    "a cell less": (1, lambda c: c.pop(), "other cells"),
    "the order": (1, lambda c: c.reverse(), "other cells"),
    "the kind": (1, lambda c: c[0].update(cell_type="raw"), "other cells"),
    "no stamp": (1, lambda c: c[0]["metadata"].pop("translates"), "has changed"),
    "left in English": (1, lambda c: c[0].update(source=CELLS[0]["source"]), "not translated"),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_of_one_side_is_found(pair: list[Path], name: str):
    side, change, fault = CHANGES[name]
    cells = cells_of(pair[side])
    change(cells)
    pair[side].write_text(json.dumps({"cells": cells}), encoding="utf-8")
    assert any(fault in line for line in faults(*pair)), [*faults(*pair)]


def test_words_that_are_not_used_are_found_in_prose_alone(pair: list[Path]):
    glossary = (
        "| en | diz | nunca | fonte |\n| --- | --- | --- | --- |\n| node | nó | nodo, node | – |\n"
    )
    words = never(glossary)
    assert words == {"nodo": "nó", "node": "nó"}
    assert len([*bad_words("O nodo e o node, não o nó: (*node*)", words)]) == 2
    clean = (
        "`node` <code>node</code> docker node ls <a title='node'> 05_node.ipynb node.labels {node}"
    )
    assert [*bad_words(clean, words)] == []
    (pair[1].parent / GLOSSARY).write_text(glossary, encoding="utf-8")
    assert [*bad_words_in_notebooks(pair[1].parent)] == []
    cells = cells_of(pair[1])
    cells[0]["metadata"]["swarmlab"]["notes"] = "Dois nodos, um nodo."
    pair[1].write_text(json.dumps({"cells": cells}), encoding="utf-8")
    [found] = bad_words_in_notebooks(pair[1].parent)
    assert "pt-BR/05, cell title: 'nodo' (say 'nó')" in found
