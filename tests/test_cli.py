"""The `swarmlab` command without a server: parsing, and copying notebooks."""

from __future__ import annotations

import pytest

from swarmlab.cli.command_line import main
from swarmlab.cli.notebooks import copy_notebooks


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
