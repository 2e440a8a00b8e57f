"""The `swarmlab` command without a server: parsing, and copying notebooks."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from jupyterlab.labapp import LabApp

from swarmlab import strings
from swarmlab.cli.command_line import main
from swarmlab.cli.notebooks import copy_notebooks

ROOT = Path(__file__).parents[1]


@pytest.fixture
def kit(tmp_path):
    """A folder of notebooks as in the package."""
    kit = tmp_path / "kit"
    (kit / "pictures").mkdir(parents=True)
    (kit / "00_start_here.ipynb").write_text("first", encoding="utf-8")
    (kit / "05_quorum.ipynb").write_text("second", encoding="utf-8")
    (kit / "pictures" / "board.png").write_bytes(b"\x89PNG")
    return kit


def test_notebooks_and_their_pictures_are_copied_into_a_new_folder(kit, tmp_path):
    assert copy_notebooks(kit, tmp_path / "mine") == []
    copied = sorted(str(p.relative_to(tmp_path / "mine")) for p in (tmp_path / "mine").rglob("*.*"))
    assert copied == ["00_start_here.ipynb", "05_quorum.ipynb", "pictures/board.png"]


def test_a_changed_copy_is_kept_and_a_missing_one_is_copied_again(kit, tmp_path):
    mine = tmp_path / "mine"
    copy_notebooks(kit, mine)
    (mine / "00_start_here.ipynb").write_text("an answer to an exercise", encoding="utf-8")
    (mine / "05_quorum.ipynb").unlink()
    assert copy_notebooks(kit, mine) == ["00_start_here.ipynb"]
    assert (mine / "00_start_here.ipynb").read_text("utf-8") == "an answer to an exercise"
    assert (mine / "05_quorum.ipynb").read_text("utf-8") == "second"


INTERRUPTED = """
import os, runpy, signal, sys

class Interrupts:
    def find_spec(name, path=None, target=None):
        if name == "swarmlab.cli.serve":
            os.kill(os.getpid(), signal.SIGINT)

signal.signal(signal.SIGINT, signal.default_int_handler)
sys.meta_path.insert(0, Interrupts)
sys.argv = ["swarmlab", "serve"]
runpy.run_module("swarmlab", run_name="__main__")
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows sends no signal to a process alone")
def test_ctrl_c_while_python_imports_ends_the_command_without_a_word():
    run = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True)
    assert (run.returncode, run.stdout, run.stderr) == (-signal.SIGINT, b"", b"")


@pytest.mark.parametrize("words", [[], ["dance"], ["ctl"], ["serve", "--speed", "fast"]])
def test_an_invalid_command_line_exits_with_2_and_shows_the_usage(words, capsys):
    assert main(words) == 2
    assert "Usage: swarmlab" in capsys.readouterr().err


def test_options_of_jupyterlab_are_an_error_elsewhere(tmp_path, capsys):
    assert main(["ctl", "--dir", str(tmp_path), "status", "--no-browser"]) == 2
    assert "--no-browser" in capsys.readouterr().err


def test_ctl_without_a_server_says_how_to_start_one(tmp_path, capsys):
    assert main(["ctl", "--dir", str(tmp_path), "status"]) == 1
    error = capsys.readouterr().err
    assert f"nothing is served in {tmp_path}" in error
    assert f"swarmlab serve --dir {tmp_path}" in error


@pytest.fixture
def english(monkeypatch):
    """Back to English afterwards."""
    monkeypatch.setenv("LANGUAGE", "en")
    yield
    strings.use("en")


@pytest.mark.usefixtures("english")
def test_lab_opens_the_pages_of_a_language_with_its_settings(monkeypatch):
    launched = []
    monkeypatch.setattr(LabApp, "launch_instance", launched.append)
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", "")
    assert main(["lab", "--lang", "pt-BR", "--no-browser"]) == 0
    ((page, *options),) = launched
    assert page == str(ROOT / "notebooks" / "pt-BR" / "00_start_here.ipynb")
    assert {f"--ServerApp.root_dir={ROOT / 'notebooks'}", "--no-browser"} <= {*options}
    assert os.environ["LANGUAGE"] == "pt_BR"  # for the kernels
    folders = os.environ["JUPYTER_CONFIG_PATH"].split(os.pathsep)
    overrides = [Path(folder, "labconfig/default_setting_overrides.json") for folder in folders]
    settings = [json.loads(path.read_text("utf-8")) for path in overrides]
    assert settings[0]["@jupyterlab/translation-extension:plugin"] == {"locale": "pt_BR"}
    assert len(settings) == 2  # the kit's own for all languages


@pytest.mark.usefixtures("english")
def test_a_language_that_there_is_not_is_named_with_those_that_there_are(capsys):
    assert main(["lab", "--lang", "tlh"]) == 1
    assert "there is no language 'tlh'; there are en, pt-BR" in capsys.readouterr().err


@pytest.mark.usefixtures("english")
def test_the_help_is_in_the_language_of_the_environment(monkeypatch, capsys):
    monkeypatch.setenv("LANGUAGE", "pt_BR")
    strings.use()
    assert main(["lab", "--help"]) == 0
    help_text = capsys.readouterr().out
    assert "Uso: swarmlab lab [OPTIONS]" in help_text
    assert "Abre o JupyterLab" in help_text
