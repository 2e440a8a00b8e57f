"""What page 15 shows is measured: closed ports, gossip, and the path of a request."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

import swarmlab
from swarmlab.lessons.network_experiments import closed_ports, gossip_spread, inside, request_path
from swarmlab.views.html import Callout
from tests.test_traffic import web

REAL = SimpleNamespace(has_trace=False)


def test_each_port_is_closed_on_a_copy_and_all_three_are_a_cut_that_gossip_notices():
    cluster = web("--mode global", workers=1)
    rows = {row[0]: row[1:] for row in closed_ports(cluster, "web", "m1", "w1").rows}
    assert rows["2377"] == ("down", "2", "0 of 3000")
    assert rows["7946"] == ("ready", "1", "0 of 3000")
    assert rows["4789"] == ("ready", "2", "1500 of 3000")
    assert rows["all three"][:2] == ("down", "1")
    assert 50 < int(rows["all three"][2].split()[0]) < 500
    assert cluster.world.network.links == {}


@pytest.mark.parametrize("nodes", [3, 12])
def test_gossip_reaches_every_node_and_each_row_has_more_that_know(nodes: int):
    before = swarmlab.latest()
    rows = gossip_spread(nodes=nodes).rows
    counts = [int(row[1]) for row in rows]
    assert counts == sorted({*counts})
    assert counts[-1] == nodes
    assert [row[2].count("●") for row in rows] == counts
    assert rows[0][0] == "0.00 s"
    assert swarmlab.latest() is before


def test_a_request_is_followed_and_a_command_runs_in_a_container():
    cluster = web()
    shown = request_path(cluster, 8080, source="w1")
    assert shown == cluster.explain_request(8080, source="w1")
    assert inside(cluster, "web", "echo a b").lines == ("a b",)
    assert inside(cluster, "web", "cat /nothing").lines == (
        "cat: can't open '/nothing': No such file or directory",
    )


def test_real_engines_get_a_reason():
    shown = [closed_ports(REAL, "web", "m1", "w1"), request_path(REAL, "web", "m1")]
    assert {type(part) for part in shown} == {Callout}
