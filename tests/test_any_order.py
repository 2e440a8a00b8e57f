"""Cells of every page run twice, alone, and with one left out: an error is one line that says what
to do next, never a traceback.

In CI: the page that the commit's number chooses, with one of its cells left out. With
SWARMLAB_WHOLE=1: every page, with each of its cells left out in turn (half an hour).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

import nbformat
import pytest
from IPython.core.interactiveshell import InteractiveShell

import swarmlab
from swarmlab.cluster import current
from swarmlab.jupyter import cells, magic
from tests.sample import sample

PAGES = {
    path.stem: {
        cell.id: cell.source for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"
    }
    for path in sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
}
CHOSEN = sample(PAGES)

NEXT = [re.escape(text) for _pattern, text in cells.NEXT_STEPS]
NEXT_STEP = re.compile(
    rf"^✘ .*(?:Restart Kernel|run the cells above|write it like|there are|{'|'.join(NEXT)})"
)


def shell_of_a_new_kernel(monkeypatch: pytest.MonkeyPatch) -> InteractiveShell:
    """As `swarmlab lab` starts one: no cluster, no node chosen."""
    current.use(None)
    monkeypatch.setattr(magic, "_default_node", "")
    shell = InteractiveShell()
    swarmlab.load_ipython_extension(shell)
    return shell


def errors_of(shell: InteractiveShell, page: Sequence[tuple[str, str]]) -> list[str]:
    """What is wrong with how the cells fail: a traceback, or more than a line, or no next step."""
    wrong = []
    for name, source in page:
        out = StringIO()
        shell.parent_header = {"content": {"code": source}}
        with redirect_stdout(out), redirect_stderr(out):
            result = shell.run_cell(source)
        error = result.error_in_exec or result.error_before_exec
        if error is None:
            continue
        said = out.getvalue().strip().splitlines()[-1:]
        if "Traceback" in out.getvalue() or not said or not NEXT_STEP.search(said[0]):
            wrong.append(f"{name}: {type(error).__name__}: {out.getvalue()[-1500:]}")
    return wrong


@pytest.mark.parametrize("page", CHOSEN)
def test_each_cell_of_a_page_run_twice(page: str, monkeypatch: pytest.MonkeyPatch):
    shell = shell_of_a_new_kernel(monkeypatch)
    twice = [cell for cell in PAGES[page].items() for _time in range(2)]
    assert errors_of(shell, twice) == []


@pytest.mark.parametrize("page", CHOSEN)
def test_each_cell_of_a_page_alone(page: str, monkeypatch: pytest.MonkeyPatch):
    for cell in PAGES[page].items():
        assert errors_of(shell_of_a_new_kernel(monkeypatch), [cell]) == []


@pytest.mark.parametrize(
    ("page", "name"), [(page, name) for page in CHOSEN for name in sample(PAGES[page])]
)
def test_a_page_without_one_of_its_cells(page: str, name: str, monkeypatch: pytest.MonkeyPatch):
    shell = shell_of_a_new_kernel(monkeypatch)
    others = [cell for cell in PAGES[page].items() if cell[0] != name]
    assert errors_of(shell, others) == []
