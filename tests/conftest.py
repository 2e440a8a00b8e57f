"""Fixtures for all tests: a cluster, a client, a seed. In CI no test is skipped silently."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
# Tests with these marks need a program that a laptop may lack, where they are skipped. In CI
# (`CI=true`) such a skip is a failure, since otherwise they would run nowhere.
NEVER_SKIPPED_IN_CI = {"browser", "oracle", "real", "sdk"}
PROGRAMS = {"browser": ("chromium", "chromium-browser", "google-chrome"), "oracle": ("docker",)}


def program(mark: str) -> str | None:
    """The path of the program that tests with `mark` need; None when it is not installed."""
    return next(filter(None, map(shutil.which, PROGRAMS[mark])), None)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--random-runs", type=int, default=0, help="play so many random runs")
    parser.addoption("--seed", type=int, default=0, help="where a search by command begins")
    parser.addoption("--fuzz-requests", type=int, default=0, help="send so many drawn requests")
    parser.addoption("--fuzz-seed", type=int, default=0, help="the number of the first batch")
    parser.addoption("--failures", default="failures", help="the folder for failing runs")
    parser.addoption("--hours", type=int, default=2, help="hours in which memory stays bounded")
    parser.addoption("--states", type=int, default=12, help="random states to leave for a scene")
    parser.addoption("--interrupts", type=int, default=20, help="how many interrupts to send (20)")


# Where exercises and bets are recorded; the developer's own record stays as it is.
JUPYTER_DATA = tempfile.TemporaryDirectory(prefix="swarmlab-tests-")


def pytest_configure() -> None:
    """Restore what a shell, or nohup, makes background processes ignore: signals are tested."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(signal, "SIGHUP"):  # Windows has none
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    os.environ["JUPYTER_DATA_DIR"] = JUPYTER_DATA.name
    os.environ["XDG_CACHE_HOME"] = f"{JUPYTER_DATA.name}/cache"
    os.environ["LANGUAGE"] = "en"
    for path in ROOT.glob("swarmlab/locale/*/*/*.po"):
        made = path.with_suffix(".mo")
        if not made.exists() or made.stat().st_mtime < path.stat().st_mtime:
            from tests.catalogue import compiled

            compiled(path)


def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark, names in PROGRAMS.items():
        if item.get_closest_marker(mark) and program(mark) is None:
            pytest.skip(f"needs {' or '.join(names)}, which is not installed")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    report: Any = yield
    marks = {mark.name for mark in item.iter_markers()}
    marked = NEVER_SKIPPED_IN_CI & marks if "by_hand" not in marks else set()
    if os.environ.get("CI") and marked and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which is a failure in CI: {report.longrepr}"
    return report


@pytest.fixture(scope="module")
def chromium() -> str:
    return program("browser") or ""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """JupyterLab on copies of the kit's notebooks."""
    from tests.browser import Lab

    with Lab(tmp_path_factory.mktemp("lab")) as started:
        yield started


@pytest.fixture(autouse=True)
def faults(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The exceptions that a machine was stopped for, with their tracebacks.

    Each is a bug, so one that a test does not expect, and take out of the list, is a failure.
    """
    from swarmlab.simulation.fault_log import FaultLog

    found: list[str] = []

    def report(_log: FaultLog, where: str, error: BaseException) -> None:
        found.append(where + "\n" + "".join(traceback.format_exception(error)))

    monkeypatch.setattr(FaultLog, "report", report)
    yield found
    assert not found, "\n".join(found)


@pytest.fixture
def seed() -> int:
    return 7


@pytest.fixture
def cluster(seed: int) -> Any:
    """Three managers and two workers, simulated."""
    import swarmlab

    return swarmlab.simulate(managers=3, workers=2, seed=seed)


@pytest.fixture
def client(cluster: Any) -> Any:
    """The stock docker SDK, in process, connected to the first manager."""
    return cluster.client("m1")
