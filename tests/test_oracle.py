"""The simulated engines against recordings of real ones; `oracle/README.md` tells of them."""

from __future__ import annotations

import filecmp
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ORACLE = Path(__file__).parent / "oracle"
# The folder that our copy is a copy of; it stands beside the repository where the kit is made.
ORIGINAL = Path(__file__).parents[2] / "shared" / "oracle"
MORE = ORACLE / "more"  # scenarios of our own, with their recordings
# How many simulated seconds pass in one of ours, try by try. Some facts are read at one moment: for
# a quarter of a second after each restart a slot holds one task more, on real ones too. What only
# the moment made differ does not at another pace; a true difference stays.
SPEEDS = ("10", "8", "7", "6")


def play(*words: str) -> None:
    """Play scenarios with the stock docker command line on `swarmlab serve`; each fact holds."""
    differing: list[str] = []
    for speed in SPEEDS:
        said = compare(*differing, "--speed", speed, *words)
        facts = re.findall(r"^(\w+): (\d+) of (\d+) facts", said, re.M)
        assert facts, said
        differing = [name for name, held, noted in facts if held != noted]
        if "(100.0%)" in said and not differing:
            return
        assert differing, said
    raise AssertionError(said[-4000:])


def compare(*words: str) -> str:
    played = subprocess.run(
        [sys.executable, "compare.py", *words],
        cwd=ORACLE,
        env={**os.environ, "PYTHONPATH": str(ORACLE.parents[1])},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=1800,
        check=False,
    )
    print(played.stdout)
    return played.stdout


@pytest.mark.oracle
def test_every_recorded_fact_holds_on_the_simulated_engines():
    """All scenarios, two and a half minutes."""
    play()


@pytest.mark.oracle
def test_every_fact_of_our_own_scenarios_holds_too():
    """All of `oracle/more/`, two minutes."""
    play("--module", "more.scenarios_more", "--golden", *map(str, MORE.glob("golden-*")))


def differences(ours: filecmp.dircmp[str]) -> list[str]:
    """Files of the original that our copy lacks or holds otherwise; ours may hold more."""
    here = [f"{ours.right}/{name}" for name in ours.right_only + ours.diff_files + ours.funny_files]
    return here + [line for below in ours.subdirs.values() for line in differences(below)]


@pytest.mark.skipif(not ORIGINAL.is_dir(), reason="the original is not beside this repository")
def test_our_copy_of_the_oracle_is_the_original():
    assert differences(filecmp.dircmp(ORACLE, ORIGINAL, ignore=["__pycache__"])) == []


@pytest.mark.parametrize(("folder", "modules"), [(ORACLE, "scenarios.py"), (MORE, "*.py")])
def test_each_scenario_has_a_recording(folder: Path, modules: str):
    recorded = {path.stem for path in folder.glob("golden-*/*.json")}
    text = "\n".join(path.read_text() for path in folder.glob(modules))
    played = re.findall(r"^@scenario\(.*\)\ndef (\w+)", text, re.M)
    assert len(played) > 10
    assert set(played) <= recorded
