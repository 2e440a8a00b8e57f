"""The table of faults, and the groups of a partition."""

from __future__ import annotations

import pytest

import swarmlab
from swarmlab.cluster.faults import FAULTS, inject, parse_groups
from swarmlab.errors import LabError


def test_groups_are_lists_or_words():
    assert parse_groups(["a,b", ["c"]], "abc") == [["a", "b"], ["c"]]


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ([["a"], ["d"]], "no node 'd'; there are a, b, c"),
        (["a,b", "c,a"], "'a' is in two groups"),
    ],
)
def test_unknown_and_repeated_names_are_refused(groups, message):
    with pytest.raises(LabError, match=message):
        parse_groups(groups, "abc")


def test_each_fault_is_injected_by_its_name():
    cluster = swarmlab.simulate(managers=3, workers=1, seed=1)
    for word in ("crash", "stop"):
        inject(cluster, word, "w1")
        assert not cluster.is_up("w1")
        inject(cluster, "start", "w1")
        assert cluster.is_up("w1")
    inject(cluster, "partition", "m1,w1", "m2,m3")
    assert not cluster.world.network.connected("w1", "m2")
    inject(cluster, "heal")
    assert cluster.world.network.connected("w1", "m2")
    assert set(FAULTS) == {"crash", "stop", "start", "partition", "heal"}
