"""The kit with the lowest versions of its packages: a sample; all tests by `environments.py`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import environments

# The SDK in process and over sockets, cells, widgets, a notebook, Compose, filters, saved runs.
NOTEBOOK = "test_a_notebook_runs_without_errors_within_a_minute_and_leaves_no_file[00_start_here]"
SAMPLE = (
    "test_cells.py",
    "test_views_topology.py",
    "test_filters.py",
    "test_connections.py",
    f"test_notebooks.py::{NOTEBOOK}",
    "test_saved_runs.py::test_a_locked_manager_is_unlocked_again_in_the_replay",
    "test_compose_limits.py::test_files_that_explode_or_do_not_fit_are_refused_as_docker_does",
)
VERSIONS = "import importlib.metadata, sys; print(*map(importlib.metadata.version, sys.argv[1:]))"


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="they are those of the lowest Python")
def test_a_sample_of_the_tests_passes_with_the_lowest_versions(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    try:
        python = environments.make_overlay(tmp_path)
    except subprocess.CalledProcessError:
        if os.environ.get("CI"):
            raise
        pytest.skip("no packages can be had here")
    lines = environments.lowest_versions(tests=False)
    names, lowest = zip(*(line.split("==") for line in lines), strict=True)
    command = [python, "-c", VERSIONS, *names]
    found = subprocess.run(command, stdout=subprocess.PIPE, text=True, encoding="utf-8", check=True)
    found_versions = found.stdout.split()
    assert [re.sub(r"(\.0)+$", "", v) for v in found_versions] == [
        re.sub(r"(\.0)+$", "", v) for v in lowest
    ]
    sample = [f"tests/{name}" for name in SAMPLE]
    code = environments.overlay(tmp_path, ("-q", "-m", "not browser", *sample))
    assert code == 0, capfd.readouterr().out[-5000:]
