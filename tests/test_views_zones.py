"""Managers over zones: the arithmetic, its words, and the sliders."""

from __future__ import annotations

import pytest

from swarmlab.raft.quorum import quorum
from swarmlab.views.zones import LETTERS, MANAGERS_MAX, ZoneSpread, quorum_explorer


@pytest.mark.parametrize(
    ("managers", "zones", "counts"),
    [(3, 3, [1, 1, 1]), (5, 3, [2, 2, 1]), (7, 3, [3, 2, 2]), (9, 3, [3, 3, 3]), (2, 3, [1, 1, 0])],
)
def test_managers_are_spread_as_docker_advises(managers: int, zones: int, counts: list[int]):
    """Docker's admin guide, "Distribute manager nodes": 3: 1-1-1, 5: 2-2-1, 7: 3-2-2, 9: 3-3-3."""
    assert ZoneSpread(managers, zones).counts == counts


def test_the_consequence_agrees_with_the_votes():
    for managers in range(1, MANAGERS_MAX + 1):
        for zones in range(1, len(LETTERS) + 1):
            spread = ZoneSpread(managers, zones)
            assert sum(spread.counts) == managers
            for names, kept in zip(spread.names, spread.kept, strict=True):
                voters = {f"m{n + 1}" for n in range(managers)} - set(names)
                assert kept == (len(voters) >= quorum(managers))
            assert spread.verdict.startswith("✔") == all(spread.kept)


def test_two_zones_never_do_and_four_managers_over_three_are_worse_than_three():
    assert not any(all(ZoneSpread(managers, 2).kept) for managers in range(1, 10))
    assert (all(ZoneSpread(3, 3).kept), ZoneSpread(4, 3).kept) == (True, [False, True, True])
    assert "Without zone A there is no quorum" in repr(ZoneSpread(4, 3))


def test_the_sliders_change_text_and_picture():
    explorer = quorum_explorer()
    assert "Zones: 3 (3 – 2 – 2)" in repr(explorer)
    explorer.controls["managers"].value = 4
    assert "Quorum: 3 of 4" in repr(explorer)
    assert "Quorum: 3 of 4" in explorer.children[-1].value
    bundle = explorer._repr_mimebundle_()
    assert bundle["text/plain"] == repr(explorer)
    assert "Zone B" in bundle["text/html"]


def test_a_machine_is_clicked_away_and_its_vote_is_gone_until_it_is_brought_back():
    explorer = quorum_explorer(managers=5, zones=3)
    picture = explorer.children[-1]

    def click(name: str) -> None:
        content = {"method": "custom", "content": {"do": "toggle", "name": name}}
        picture._handle_msg({"content": {"data": content}, "buffers": []})

    assert all(f'data-name="m{n}"' in picture.value for n in range(1, 6))
    for name, left in (("m1", 4), ("m2", 3), ("m3", 2)):
        click(name)
        assert f"votes: {left}, needed: 3" in repr(explorer)
    assert "✘ votes: 2" in picture.value
    drawn = picture.value
    assert drawn.count('class="bar gone"') == drawn.count('class="node manager  down"') == 3
    click("m1")
    assert "✔ votes: 3" in repr(explorer)
    explorer.controls["managers"].value = 1  # those that are not there cannot be away
    assert "✔ votes: 1, needed: 1" in repr(explorer)
    explorer.controls["managers"].value = 5
    assert "✔ votes: 3" in repr(explorer)
