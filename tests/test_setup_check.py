"""The first minute: how soon the board is there, and what the set-up check says of a bad set-up."""

from __future__ import annotations

import os
import shutil
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from swarmlab.jupyter import setup_check
from swarmlab.jupyter.setup_check import checkup
from tests.test_notebooks import kernels_s

# Of the minute that installing and starting may take; measured: 4. On a processor of one's own.
FIRST_BOARD_S_MAX = 15.0
VERSIONS = {"docker": "7.1.0", "ipywidgets": "8.1.5", "anywidget": "0.9.13", "matplotlib": "3.9"}


def test_the_first_board_is_there_seconds_after_the_kernel_was_asked_for(tmp_path: Path):
    page = nbformat.read(Path(__file__).parents[1] / "notebooks" / "00_start_here.ipynb", 4)
    first = next(cell for cell in page.cells if cell.cell_type == "code")
    page.cells = [first]
    begun_s = kernels_s()
    client = NotebookClient(page, timeout=60, resources={"metadata": {"path": tmp_path}})
    outputs = client.execute().cells[0].outputs
    passed_s = kernels_s() - begun_s
    shown = [kind for output in outputs for kind in output.get("data", {})]
    assert "application/vnd.jupyter.widget-view+json" in shown
    assert 0 < passed_s < FIRST_BOARD_S_MAX


class Shell:
    """IPython as it is in a page's kernel."""

    kernel = "a kernel"

    @classmethod
    def get_ipython(cls) -> type[Shell]:
        return cls


@pytest.fixture
def good(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A set-up in which all is well; a test takes one thing away."""
    versions = dict(VERSIONS)

    def version(name: str) -> str:
        if name not in versions:
            raise PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr(setup_check, "version", version)
    monkeypatch.setitem(sys.modules, "IPython", Shell)
    monkeypatch.setattr(shutil, "which", lambda _name: "/usr/bin/docker")
    monkeypatch.setenv("DOCKER_HOST", "unix:///run/docker.sock")
    return versions


def failing() -> list[tuple[str, str, str]]:
    """The rows that say ✘, and the sentence below counts them."""
    table = checkup()
    rows = [(what[2:], found, remedy) for what, found, remedy in table.rows if what[0] == "✘"]
    assert [row for row in table.rows if row[0][0] not in "✔✘"] == []
    (note,) = table.notes
    expected = "All is well." if not rows else f"Not right: {len(rows)}. The last column says"
    assert note.startswith(expected)
    return rows


@pytest.mark.usefixtures("good")
def test_a_good_set_up_has_no_remedy():
    assert failing() == []
    assert {remedy for *_, remedy in checkup().rows} == {"–"}


def test_without_docker_all_is_well(good: dict[str, str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    monkeypatch.delenv("DOCKER_HOST")
    assert failing() == []
    found = [found for _what, found, _remedy in checkup().rows]
    assert found[-2:] == ["none; the notebooks don't need it", "not set"]


@pytest.mark.usefixtures("good")
def test_an_old_python_is_named_with_the_one_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "version_info", (3, 10, 4, "final", 0))
    assert failing() == [("Python", "3.10.4", "Install Python 3.11 or newer")]


@pytest.mark.parametrize("name", VERSIONS)
def test_a_missing_package_is_named_with_what_to_type(good: dict[str, str], name: str):
    del good[name]
    ((what, found, remedy),) = failing()
    assert (what, found) == (f"Package {name}", "missing")
    assert remedy == f"Type in a cell: %pip install -U {name}, then restart the kernel"


@pytest.mark.parametrize(("name", "old"), [("docker", "6.1.3"), ("ipywidgets", "7.8.1")])
def test_an_old_package_is_named_with_its_version(good: dict[str, str], name: str, old: str):
    good[name] = old
    ((what, found, remedy),) = failing()
    assert (what, found) == (f"Package {name}", old)
    assert f"%pip install -U {name}" in remedy


@pytest.mark.usefixtures("good")
def test_outside_a_kernel_it_says_how_to_open_the_page(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delitem(sys.modules, "IPython")
    assert failing() == [("Notebook kernel", "no", "Open this page in JupyterLab: swarmlab lab")]


@pytest.mark.usefixtures("good")
def test_a_folder_that_cannot_be_written_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "access", lambda _path, _mode: False)
    ((what, found, remedy),) = failing()
    assert (what, found) == ("Folder", str(Path.cwd()))
    assert remedy.startswith("Copy the notebooks to a folder of your own")


def test_all_that_is_wrong_is_said_at_once(good: dict[str, str], monkeypatch: pytest.MonkeyPatch):
    good.clear()
    monkeypatch.delitem(sys.modules, "IPython")
    assert len(failing()) == len(VERSIONS) + 1
    shown = checkup()
    for form in (repr(shown), shown._repr_html_()):
        assert "%pip install -U anywidget" in form
