"""Web pages of notebooks: they need no kernel and load nothing from the network."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path

import pytest

from swarmlab.cli.notebooks import build
from swarmlab.lessons.run_of_show import steps

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> dict[str, str]:
    into = tmp_path_factory.mktemp("pages")
    notebooks = [NOTEBOOKS / "00_start_here.ipynb", NOTEBOOKS / "index.ipynb"]
    return {page.name: page.read_text("utf-8") for page in build(notebooks, into)}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_page_shows_the_static_form_of_widgets(pages):
    page = pages["00_start_here.html"]
    assert "manager status".upper() in page  # the board, as a table
    assert "<summary>Answer</summary>" in page  # a bet, with its answer folded
    assert 'class="stage topology"' in page  # a picture, in the page's own colours
    assert "widget-view" not in page


def test_each_page_says_that_it_was_run(pages):
    assert [name for name, page in pages.items() if "This page was run for you" not in page] == []


def test_a_page_shows_nothing_of_what_a_presenter_says(pages):
    page = unescape(pages["00_start_here.html"])
    texts = [t for s in steps("00") for t in (s.notes, s.ask, s.wrong, s.trouble) if t]
    assert len(texts) > 20
    assert [text for text in texts if text in page] == []


def test_a_page_loads_nothing_from_the_network(pages):
    for page in pages.values():
        urls = re.findall(r"<(?:script|link|img)[^>]+(?:src|href)=[\"'](https?:[^\"']+)", page)
        assert urls == []


def test_each_page_leads_to_the_next_and_to_the_map_and_the_map_to_each_page(pages):
    assert 'href="00_start_here.html"' in pages["index.html"]
    assert 'href="05_quorum.html"' in pages["index.html"]
    for way in ('href="01_vm_vs_container.html"', 'href="index.html"'):
        assert way in pages["00_start_here.html"].rpartition("Next: ")[2]
    assert [name for name, page in pages.items() if '.ipynb"' in page] == []
