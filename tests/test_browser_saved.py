"""A page that is run, saved, opened again and saved again, in the browser."""

from __future__ import annotations

from typing import Any

import nbformat
import pytest
from playwright.sync_api import expect

from tests.browser import ROOT, Lab, opened
from tests.test_serve import until

pytestmark = pytest.mark.browser
PAGE = "00_start_here.ipynb"
WIDGETS = "application/vnd.jupyter.widget-state+json"
RUN = 3  # code cells: the first shows the board


def stripped(notebook: Any) -> list[Any]:
    """Its cells without what running them adds."""
    return [
        {**cell, **({"outputs": [], "execution_count": None} if "outputs" in cell else {})}
        for cell in notebook.cells
    ]


def models(notebook: Any) -> list[str]:
    """The widgets whose state it has."""
    return sorted(notebook.metadata.get("widgets", {}).get(WIDGETS, {}).get("state", {}))


def test_a_page_that_is_saved_twice_is_valid_and_does_not_grow(lab: Lab, chromium: str):
    path, texts = lab.folder / PAGE, []
    with opened(lab, PAGE, chromium) as notebook:
        cells = notebook.page.locator(".jp-Notebook .jp-CodeCell")
        for number in range(RUN):
            notebook.run(cells.nth(number))
            notebook.wait_until_idle()
        notebook.save()
        texts.append(path.read_text("utf-8"))
        before_ns = path.stat().st_mtime_ns
        notebook.reload()
        expect(notebook.page.locator(".swarmlab-board:visible").first).to_be_visible()
        first = nbformat.reads(texts[0], 4)

        def saved_whole() -> bool:
            """A page that is opened again gets its widgets one by one."""
            notebook.save()
            is_new = path.stat().st_mtime_ns > before_ns
            return is_new and models(nbformat.read(path, 4)) == models(first)

        until(saved_whole)
        texts.append(path.read_text("utf-8"))
        assert notebook.dialogs() == []
    committed = nbformat.read(ROOT / "notebooks" / PAGE, 4)
    second = nbformat.reads(texts[1], 4)
    for saved in (first, second):
        nbformat.validate(saved)
        assert sum("widget-view" in str(cell.get("outputs")) for cell in saved.cells) >= 1
        assert stripped(saved) == committed.cells
    assert abs(len(texts[0]) - len(texts[1])) < len(texts[0]) / 100
