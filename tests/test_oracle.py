"""Simulated engines compared with recordings of real ones; see `oracle/README.md`."""

from __future__ import annotations

import filecmp
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ORACLE = Path(__file__).parent / "oracle"
# The folder of which ours is a copy; it exists only where the kit is developed.
ORIGINAL = Path(__file__).parents[2] / "shared" / "oracle"
MORE = ORACLE / "more"  # our own scenarios, with their recordings
# Simulated seconds that pass in one real second, for each try. Some facts depend on the moment at
# which they are read: for a quarter of a second after each restart a slot holds one more task, on
# real engines too. Such a difference disappears at another speed; a true one stays.
SPEEDS = ("10", "8", "7", "6")


def play(*words: str) -> None:
    """Assert that each fact holds when the stock docker command line plays on `swarmlab serve`."""
    differing: list[str] = []
    for speed in SPEEDS:
        report = compare(*differing, "--speed", speed, *words)
        facts = re.findall(r"^(\w+): (\d+) of (\d+) facts", report, re.M)
        assert facts, report
        differing = [name for name, held, recorded in facts if held != recorded]
        if "(100.0%)" in report and not differing:
            return
        assert differing, report
    raise AssertionError(report[-4000:])


def compare(*words: str) -> str:
    """The report of `oracle/compare.py`."""
    completed = subprocess.run(
        [sys.executable, "compare.py", *words],
        cwd=ORACLE,
        env={**os.environ, "PYTHONPATH": str(ORACLE.parents[1])},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        timeout=1800,
        check=False,
    )
    print(completed.stdout)
    return completed.stdout


@pytest.mark.oracle
def test_every_recorded_fact_holds_on_the_simulated_engines():
    """All scenarios, two and a half minutes."""
    play()


@pytest.mark.oracle
def test_every_fact_made_from_public_reports_holds():
    """All of `oracle/reports.py`, half a minute."""
    play("--module", "reports")


@pytest.mark.oracle
def test_every_fact_of_our_own_scenarios_holds():
    """All of `oracle/more/`, two minutes."""
    play("--module", "more.scenarios_more", "--golden", *map(str, MORE.glob("golden-*")))


def differences(ours: filecmp.dircmp[str]) -> list[str]:
    """Files of the original that are missing or different in our copy; ours may have more."""
    names = ours.right_only + ours.diff_files + ours.funny_files
    paths = [f"{ours.right}/{name}" for name in names]
    return paths + [line for below in ours.subdirs.values() for line in differences(below)]


@pytest.mark.skipif(not ORIGINAL.is_dir(), reason="the original is not here")
def test_our_copy_of_the_oracle_equals_the_original():
    assert differences(filecmp.dircmp(ORACLE, ORIGINAL, ignore=["__pycache__"])) == []


@pytest.mark.parametrize(("folder", "modules"), [(ORACLE, "scenarios.py"), (MORE, "*.py")])
def test_each_scenario_has_a_recording(folder: Path, modules: str):
    recorded = {path.stem for path in folder.glob("golden-*/*.json")}
    text = "\n".join(path.read_text("utf-8") for path in folder.glob(modules))
    names = re.findall(r"^@scenario\(.*\)\ndef (\w+)", text, re.M)
    assert len(names) > 10
    assert set(names) <= recorded
