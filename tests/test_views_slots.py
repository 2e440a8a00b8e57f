"""Slide 24 tied to a cluster, and the timeline of slides 21 to 23."""

from __future__ import annotations

import io
from typing import Any

import swarmlab
from swarmlab.jupyter.magic import run_commands
from swarmlab.views.eras import eras
from swarmlab.views.slots import slots


def docker(line: str) -> tuple[int, str]:
    out = io.StringIO()
    return run_commands(line, out, out), out.getvalue()


def test_a_slot_keeps_its_name_while_tasks_and_containers_come_and_go(cluster: Any):
    docker("service create -q --name web --replicas 2 nginx")
    before = {row[0]: row for row in slots(cluster, "web").rows}
    assert [row[2:4] for row in before.values()] == [("running", "running")] * 2
    node = before["web.2"][4]
    ids = [c.id[:12] for name in cluster.names for c in cluster.client(name).containers.list()]
    assert sorted(row[5] for row in before.values()) == sorted(ids)
    cluster.client(node).containers.get(before["web.2"][5]).kill()
    cluster.run("15s")
    after = slots(cluster, "web").rows
    assert [row[0] for row in after] == ["web.1", "web.2", "web.2"]  # the newest task first
    assert after[0] == before["web.1"]
    assert after[1][2:4] == ("running", "running")
    assert after[2] == (*before["web.2"][:2], "shutdown", "failed", *before["web.2"][4:])
    html = slots(cluster, "web")._repr_html_()
    assert html.count('class="good"') == 2
    assert html.count('class="alarm"') == 0


def test_wanted_and_current_state_differ_while_a_node_is_silent_or_none_is_found(cluster: Any):
    docker("service create -q --name web --mode global nginx")
    cluster.crash("w1")
    cluster.run("40s")
    docker("service create -q -d --name ssd --constraint node.labels.disk==ssd nginx")
    cluster.run("2s")
    shown = slots(cluster, "web")
    assert "web, wanted: one a node" in shown.title
    assert [row[2:4] for row in shown.rows if row[0] == "web.w1"] == [("shutdown", "running")]
    assert shown._repr_html_().count('class="alarm"') == 1
    assert slots(cluster, "ssd").rows[0][2:] == ("running", "pending", "–", "–")


def test_a_slot_shows_its_three_newest_tasks(cluster: Any):
    docker("service create -q --name web nginx")
    for _ in range(4):
        docker("service update -q --force web")
    assert len(slots(cluster, "web").rows) == 3


def test_each_version_since_swarm_mode_has_a_command_that_works():
    swarmlab.simulate(managers=1, workers=1, seed=7)
    rows = eras().rows
    assert [bool(row[4]) for row in rows] == [False, True, True, True]
    assert [docker(command)[0] for *_rest, command in rows[1:]] == [0, 0, 0]
    html = eras()._repr_html_()
    assert html.count("<details") == len(rows)
    assert all(row[2] in repr(eras()) for row in rows)
