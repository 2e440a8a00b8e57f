"""By hand and with Swarm: the meter, the effects of orchestration, requests to ports of nodes."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

import swarmlab
from swarmlab.errors import LabError
from swarmlab.jupyter.magic import run_commands
from swarmlab.lessons.experiments import plain_engines, scaling_day, users
from swarmlab.model.trace_records import RequestsCounted
from swarmlab.views.meter import commands_typed, effects, failing_seconds, meter, reservations
from swarmlab.views.snapshot import look


def typed(cluster: Any, *lines: str) -> str:
    cluster.use()
    out = io.StringIO()
    for line in lines:
        run_commands(line, out, out)
    return out.getvalue()


WEB = "docker -H {} run --detach --name web --publish 8080:80 nginx"


@pytest.fixture
def hand() -> Any:
    """Two plain engines with a web server each, and requests to both in turn."""
    cluster = plain_engines(2, make=swarmlab.simulate)
    typed(cluster, *(WEB.format(name) for name in cluster.names))
    users(cluster, "m1:8080,w1:8080", rate=20)
    cluster.run("5s")
    return cluster


@pytest.fixture
def swarm() -> Any:
    cluster = swarmlab.simulate(managers=1, workers=2, seed=7)
    typed(cluster, "docker service create --name web --replicas 3 --publish 8080:80 nginx")
    users(cluster, "web")
    return cluster


# -- requests to ports -----------------------------------------------------------------------------
def test_ports_of_nodes_get_the_requests_in_turn(hand: Any):
    assert failing_seconds(hand) == []
    typed(hand, "docker -H w1 kill web")
    hand.run("10s")
    last = hand.trace.of(RequestsCounted)[-1]
    assert [sum(getattr(c, kind) for c in last.counts) for kind in ("served", "failed")] == [10, 10]
    users(hand, "m1:8080", rate=20)
    hand.run("10s")
    counts = hand.trace.of(RequestsCounted)[-1].counts
    assert [sum(getattr(c, kind) for c in counts) for kind in ("served", "failed")] == [20, 0]


@pytest.mark.parametrize("target", ["x9:80", "m1:", "m1:web", "m1:0", "m1:65536", "m1:80,w1"])
def test_what_is_no_port_of_a_node_is_refused(hand: Any, target: str):
    with pytest.raises(LabError, match=r"no node|no port of a node"):
        hand.traffic(target)


def test_a_run_with_requests_to_ports_is_copied_saved_and_replayed(hand: Any, tmp_path: Path):
    copy = hand.fork()
    for cluster in (hand, copy):
        cluster.crash("m1")
        cluster.run("5s")
    assert hand.trace.digest() == copy.trace.digest()
    again = swarmlab.load(hand.save(tmp_path / "run.json"))
    assert again.trace.digest() == hand.trace.digest()


# -- the meter -------------------------------------------------------------------------------------
def test_the_meter_counts_what_was_typed_and_what_failed(hand: Any, swarm: Any):
    typed(hand, "docker ps --all", "docker -H w1 logs web", "# nothing", "")
    assert commands_typed(hand) == [WEB.format(name) for name in ("m1", "w1")]
    assert len(commands_typed(swarm)) == 1
    typed(hand, "docker -H w1 kill web")
    hand.run("12s")
    typed(hand, "docker -H w1 start web")
    hand.run("5s")
    hand.crash("w1")
    hand.run("3s")
    hand.start("w1")
    rows = {row[0]: row[1:] for row in meter(hand, swarm).rows}
    failing = failing_seconds(hand)
    records = [r for r in hand.trace.of(RequestsCounted) if any(c.failed for c in r.counts)]
    assert len(failing) == len(records) >= 15
    assert rows == {
        "commands you typed": ("3", "1"),
        "seconds with failed requests": (str(len(failing)), "0"),
        "alerts that wake you up": ("1", "0"),  # the second outage was short
    }


def test_on_real_engines_the_meter_counts_commands_alone(hand: Any, swarm: Any):
    class Real:
        has_trace, typed = False, hand.typed

    table = meter(Real(), swarm)
    assert table.rows == (("commands you typed", "2", "1"),)
    assert "Only a simulated cluster counts requests" in repr(table)
    assert users(Real(), "web") is None


def test_swarm_replaces_what_dies_while_nobody_types(swarm: Any):
    typed(swarm, "docker -H w1 kill $(docker -H w1 ps --quiet)")
    swarm.run("45s")
    swarm.crash("w1")
    swarm.run("70s")
    assert look(swarm).services[0].running == 3
    assert [row[0] for row in effects(swarm).rows] == ["✔", "–", "✔", "–", "✔"]
    assert "tasks that failed or lost their node: 2" in repr(effects(swarm))


def test_a_swarm_at_rest_shows_one_effect_only():
    swarm = swarmlab.simulate(managers=1, workers=1, seed=7)
    assert {row[0] for row in effects(swarm).rows} == {"–"}
    typed(swarm, "docker service create --name web --reserve-cpu 1 nginx")
    assert [row[0] for row in effects(swarm).rows] == ["✔", "–", "–", "✔", "–"]


def test_reservations_are_those_of_the_tasks_on_each_node(swarm: Any):
    assert [row[1:3] for row in reservations(swarm).rows] == [("1", "0 / 4")] * 3
    line = "docker service create --detach --name big --replicas 4 --reserve-cpu {} nginx"
    typed(swarm, line.format(3).replace("nginx", "--reserve-memory 2GB nginx"))
    swarm.run("10s")
    table = reservations(swarm)
    assert [row[2:] for row in table.rows] == [("3 / 4", "2.0 / 8.0 GiB")] * 3
    assert table.notes == ("Waiting, since no node has enough left: 1.",)
    assert effects(swarm).rows[3][0] == "–"


def test_the_loop_follows_the_requests_up_and_down(swarm: Any):
    day = scaling_day(swarm, "web", rates=(20, 130, 20))
    replicas = [int(row[1]) for row in day.rows]
    assert (max(replicas), replicas[-1]) == (7, 1)
    assert swarm.client().services.get("web").attrs["Spec"]["Mode"]["Replicated"]["Replicas"] == 1
    assert effects(swarm, day).rows[1] == (
        "✔",
        "A program can scale it",
        "replicas, by autoscale: 3 → 1 → 7 → 1",
    )


# -- engines in no swarm, on the board -------------------------------------------------------------
def test_the_board_shows_the_containers_of_engines_in_no_swarm(hand: Any):
    typed(hand, "docker -H m1 run --detach --name app --health-cmd false redis")
    typed(hand, "docker -H w1 kill web")
    by_node = look(hand).by_node
    shown = {node: [(row.name, row.kind) for row in rows] for node, rows in by_node.items()}
    assert shown == {"m1": [("web", "running"), ("app", "starting")], "w1": [("web", "failed")]}
    assert {row.service for row in by_node["m1"]} == {"nginx", "redis"}
    assert "m1: in no swarm, web running, app starting" in hand.board().text
    typed(hand, "docker -H m1 swarm init")
    assert [row.name for row in look(hand).tasks] == ["web"]  # w1's: m1 shows its tasks now
