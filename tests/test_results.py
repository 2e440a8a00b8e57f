"""README's account of the tests is that of `results.json`, and what can be counted is counted."""

from __future__ import annotations

import pytest

from tests import results


def test_the_readme_says_what_the_results_say():
    """`python -m tests.results` writes it anew."""
    assert results.in_readme() == results.section(results.read())


@pytest.mark.parametrize("command", results.counted())
def test_what_can_be_counted_is_counted_again(command: str):
    """After a change of one of these, its command has to run again."""
    noted = results.read()[command]
    for key, value in results.counted()[command].items():
        assert noted[key] == value, key


def test_all_planted_faults_were_caught():
    noted = results.read()["planted_faults"]
    assert noted["caught"] == noted["planted"]


def test_every_result_is_told_in_the_readme_and_has_a_date():
    found = results.read()
    assert set(found) <= set(results.DESCRIPTIONS)
    assert len(list(results.rows(found))) == len(found)
