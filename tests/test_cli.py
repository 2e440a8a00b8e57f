"""Claims about the `swarmlab` command that need no server: words understood, notebooks copied."""

from __future__ import annotations

import pytest

from swarmlab.cli.command_line import main
from swarmlab.cli.lab import copy_notebooks


@pytest.fixture
def kit(tmp_path):
    """A folder as the package carries it."""
    kit = tmp_path / "kit"
    (kit / "pictures").mkdir(parents=True)
    (kit / "00_start_here.ipynb").write_text("first")
    (kit / "05_quorum.ipynb").write_text("second")
    (kit / "pictures" / "board.png").write_bytes(b"\x89PNG")
    return kit


def test_notebooks_are_copied_whole_into_a_new_folder(kit, tmp_path):
    assert copy_notebooks(kit, tmp_path / "mine") == []
    copied = sorted(str(p.relative_to(tmp_path / "mine")) for p in (tmp_path / "mine").rglob("*.*"))
    assert copied == ["00_start_here.ipynb", "05_quorum.ipynb", "pictures/board.png"]


def test_a_changed_copy_is_never_overwritten_and_a_lost_one_comes_back(kit, tmp_path):
    mine = tmp_path / "mine"
    copy_notebooks(kit, mine)
    (mine / "00_start_here.ipynb").write_text("an answer to an exercise")
    (mine / "05_quorum.ipynb").unlink()
    assert copy_notebooks(kit, mine) == ["00_start_here.ipynb"]
    assert (mine / "00_start_here.ipynb").read_text() == "an answer to an exercise"
    assert (mine / "05_quorum.ipynb").read_text() == "second"


@pytest.mark.parametrize("words", [[], ["dance"], ["ctl"], ["serve", "--speed", "fast"]])
def test_what_is_not_understood_ends_with_2_and_shows_how_it_is_used(words, capsys):
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert "usage: swarmlab" in capsys.readouterr().err


def test_options_meant_for_jupyterlab_are_refused_elsewhere(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["ctl", "--dir", str(tmp_path), "status", "--no-browser"])
    assert "--no-browser" in capsys.readouterr().err


def test_ctl_without_a_server_says_how_to_start_one(tmp_path, capsys):
    assert main(["ctl", "--dir", str(tmp_path), "status"]) == 1
    said = capsys.readouterr().err
    assert f"nothing is served in {tmp_path}" in said
    assert f"swarmlab serve --dir {tmp_path}" in said
