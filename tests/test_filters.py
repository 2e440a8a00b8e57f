"""The `filters` parameter, in both of its shapes. Source: moby api/types/filters."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from swarmlab.engine import filters
from swarmlab.engine.filters import Filters
from swarmlab.errors import BadParameter, EngineFault
from swarmlab.model import Document

A = SimpleNamespace(id="aa1", name="web", spec=Document(Labels=Document(tier="front", az="a")))
B = SimpleNamespace(id="ab2", name="website", spec=Document(Labels=Document(tier="front", az="b")))
C = SimpleNamespace(id="c", name="db", spec=Document(Labels=Document()))


def kept(text: str) -> list[SimpleNamespace]:
    return Filters.parse(text, filters.NAMED).keep([A, B, C], filters.NAMED)


@pytest.mark.parametrize("text", ['{"name":{"web":true}}', '{"name":["web"]}'])
def test_maps_and_lists_mean_the_same_and_names_are_prefixes(text):
    """The CLI sends maps, docker-py lists; `name` is a prefix match."""
    assert kept(text) == [A, B]


def test_any_value_of_a_key_but_all_labels_and_all_keys_must_match():
    assert kept('{"id":["aa","c"]}') == [A, C]
    assert kept('{"label":["tier","az=b"]}') == [B]
    assert kept('{"id":["a"],"label":["az=a"]}') == [A]


def test_no_filters_keep_everything():
    assert kept("") == kept("{}") == kept('{"name":[]}') == [A, B, C]


@pytest.mark.parametrize("text", ["x", "[1]", "3", '{"name":1}', "{" * 100_000])
def test_broken_filters_are_refused(text):
    with pytest.raises(BadParameter, match=r"^invalid filter$"):
        kept(text)


def test_an_unknown_key_is_named():
    with pytest.raises(BadParameter, match=r"^invalid filter 'colour'$"):
        kept('{"colour":["red"]}')


def test_an_unknown_value_is_an_unclassified_error():
    """A bad role is a 500, unlike a bad key. Source: moby daemon/cluster/filters.go."""
    with pytest.raises(EngineFault, match=r"^Invalid role filter: 'boss'$"):
        Filters.parse('{"role":["boss"]}', ["role"])
