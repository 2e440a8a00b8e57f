"""The planted faults: each has its place, and a sample of them is caught."""

from __future__ import annotations

import pytest

from tests.planted import ROOT, Fault, all_faults, sample
from tests.planted.__main__ import main, plant

COUNT_MIN, SAMPLE = 60, 4


def test_each_fault_has_its_place_and_its_tests():
    """A fault whose code has moved is corrected with it, or it would test nothing."""
    faults = all_faults()
    assert len(faults) >= COUNT_MIN
    assert len({fault.name for fault in faults}) == len(faults)
    for fault in faults:
        path = ROOT / "swarmlab" / fault.file
        compile(fault.source(path.read_text("utf-8")), fault.file, "exec")
        assert [name for name in fault.tests if not (ROOT / "tests" / name).is_file()] == []


def test_a_fault_without_a_place_is_an_error():
    fault = Fault("lost", "units.py", "no such line", "", ("test_planted.py",))
    with pytest.raises(ValueError, match="has to be there once"):
        fault.source("another line")


def test_the_sample_depends_on_the_seed_alone():
    faults = all_faults()
    assert sample(faults, 5, "a") == sample(faults, 5, "a") != sample(faults, 5, "b")


def test_a_sample_of_the_faults_is_caught():
    """Chosen by the commit; `python -m tests.planted` plants all of them."""
    assert main(["--sample", str(SAMPLE)]) == 0


def test_a_fault_that_no_test_notices_is_found_out():
    harmless = Fault(
        "none", "raft/quorum.py", "voters // 2 + 1", "1 + voters // 2", ("test_cli.py",)
    )
    assert [outcome.verdict for outcome in plant([harmless], 1)] == ["survived"]
