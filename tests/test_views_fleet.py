"""A large swarm in one picture, and what its growth costs."""

from __future__ import annotations

from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest
from docker.types import ServiceMode

import swarmlab
from swarmlab.lessons import scale_experiments
from swarmlab.lessons.scale_experiments import growth
from swarmlab.views.fleet import Fleet, fleet


def large(replicas: int) -> Any:
    cluster = swarmlab.simulate(managers=3, workers=27, seed=7)
    mode = ServiceMode("replicated", replicas)
    cluster.client().services.create("busybox", "sleep 1d", name="web", mode=mode)
    cluster.run("30s")
    return cluster


def test_each_node_is_two_characters_and_a_click_shows_one():
    shown = fleet(large(60))
    assert shown.cells == "l9" + "m9" * 2 + "w9" * 27
    assert "3 managers (m1 leads) and 27 workers. 60 tasks run; a node has 2 to 2." in repr(shown)
    shown.act("choose", {"place": 2})
    shown.refresh()
    assert shown.detail == "m3: manager, ready; 2 tasks run here."
    shown.act("choose", {"place": 99})
    assert shown.chosen == 29


def test_a_node_is_as_full_as_its_tasks_and_what_is_down_is_an_upper_case_letter():
    cluster = large(45)  # half of the nodes have two
    shown = fleet(cluster)
    assert {shown.cells[place + 1] for place in range(0, 60, 2)} == {"5", "9"}
    cluster.crash("m2")
    cluster.crash("w1")
    shown.refresh()
    assert (shown.cells[2], shown.cells[6]) == ("M", "W")
    assert "Down: m2, w1." in repr(shown)


class Outside(SimpleNamespace):
    __hash__ = object.__hash__  # as a cluster


def test_through_the_api_the_same_is_seen():
    """As on real engines, which have no trace."""
    cluster = large(30)
    inside = fleet(cluster)
    outside = Fleet(Outside(api=cluster.client().api, has_trace=False))
    outside.read()
    assert (outside.cells, outside.text) == (inside.cells, inside.text)


def test_without_a_quorum_the_last_known_is_shown():
    cluster = large(30)
    for name in ("m1", "m2"):
        cluster.crash(name)
    cluster.run("30s")
    shown = fleet(cluster)
    assert "no one leads" in repr(shown)
    assert shown.cells.startswith("M9M9m9w9")


def test_growth_counts_messages_and_takes_the_time(monkeypatch: pytest.MonkeyPatch):
    sizes = {"MANAGERS": (1, 3, 5), "NODES": (4, 8), "TASKS": (5, 10)}
    for name, values in sizes.items():
        monkeypatch.setattr(scale_experiments, name, values)
    ticks = count()
    grown = growth(lambda: float(next(ticks)))
    alone, three, five = grown.messages
    assert (alone, round(five / three)) == (0, 2)  # of others: none, two, four
    assert grown.form_s == grown.start_s == (1.0, 1.0)
    assert "managers" in repr(grown)
    assert grown._repr_html_().count("<svg") == 3  # side by side where they fit
