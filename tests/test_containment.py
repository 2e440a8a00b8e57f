"""An unexpected exception costs at most the node in whose event it was raised."""

from __future__ import annotations

import logging
import random
import stat
from pathlib import Path
from typing import Any

import pytest
from docker.types import ServiceMode

import swarmlab
from swarmlab.simulation import Crashed, Failed, Machine, S
from swarmlab.simulation.fault_log import FaultLog


class Planted(Exception):
    pass


def fail(*_: Any) -> None:
    raise Planted("quoted from a request")


def running(cluster: Any) -> int:
    tasks = cluster.client().services.get("web").tasks(filters={"desired-state": "running"})
    return sum(task["Status"]["State"] == "running" for task in tasks)


@pytest.mark.parametrize("kind", ["timer", "message", "call", "shutdown"])
def test_a_fault_in_one_nodes_event_crashes_that_node_alone(cluster, faults, monkeypatch, kind):
    client, machine = cluster.client("m1"), cluster.machine("m2")
    client.services.create("nginx", name="web", mode=ServiceMode("replicated", 6))
    cluster.run("5s")
    if kind == "timer":
        machine.after(1 * S, fail)
    else:
        name = {"message": "receive", "call": "serve"}.get(kind, kind)
        monkeypatch.setattr(machine.process, name, fail)
        if kind == "call":
            cluster.machine("w1").call("m2", "hello")
        if kind == "shutdown":
            cluster.stop("m2")
    cluster.run("40s")
    assert [name for name in cluster.names if not cluster.is_up(name)] == ["m2"]
    (failed,) = cluster.trace.of(Failed)
    assert (failed.where, failed.error) == ("m2", "Planted")
    assert [r.where for r in cluster.trace.of(Crashed)] == ["m2"]
    assert running(cluster) == 6
    cluster.start("m2")
    cluster.run("10s")
    assert cluster.is_up("m2")
    assert "Planted: quoted from a request" in faults.pop()


def test_a_fault_while_a_node_starts_leaves_it_down_until_it_can_start(
    cluster, faults, monkeypatch
):
    cluster.crash("w1")
    with monkeypatch.context() as broken:
        broken.setattr("swarmlab.engine.daemon.Engine.boot", fail)
        cluster.start("w1")
        assert not cluster.is_up("w1")
    cluster.start("w1")
    cluster.run("10s")
    assert cluster.is_up("w1")
    assert faults.pop()


def test_a_fault_in_an_event_of_no_node_stops_nothing(cluster, faults):
    cluster.world.simulation.after(1 * S, fail)
    cluster.run("10s")
    assert all(map(cluster.is_up, cluster.names))
    assert [(r.where, r.error) for r in cluster.trace.of(Failed)] == [("", "Planted")]
    assert faults.pop()


@pytest.mark.parametrize("seed", range(3))
def test_faults_at_random_places_cost_their_nodes_and_nothing_else(faults, monkeypatch, seed):
    cluster, rng = swarmlab.simulate(managers=3, workers=3, seed=seed), random.Random(seed)
    cluster.client().services.create("nginx", name="web", mode=ServiceMode("replicated", 6))
    planted: list[str] = []

    original = Machine._handle

    def sometimes_failing(machine: Machine, *args: Any) -> None:
        if rng.random() > 0.005:
            return original(machine, *args)
        planted.append(machine.name)
        if rng.random() < 0.5:  # after the event was handled, or before
            original(machine, *args)
        return fail()

    with monkeypatch.context() as broken:
        broken.setattr(Machine, "_handle", sometimes_failing)
        for _round in range(8):
            cluster.run("10s")
            cluster.start(*cluster.names)
    assert [record.where for record in cluster.trace.of(Failed)] == planted
    assert len(faults) == len(planted) >= 2
    faults.clear()
    cluster.run("60s")
    assert all(map(cluster.is_up, cluster.names))
    assert running(cluster) == 6


def test_the_report_is_a_line_and_a_file_without_the_exceptions_message(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.undo()  # of what the fixture `faults` has replaced
    log = FaultLog()
    log.path = str(tmp_path / "log")
    try:
        fail()
    except Planted as error:
        log.report("m1 has crashed", error)
    (record,) = [r for r in caplog.records if r.name == "swarmlab"]
    assert record.levelno == logging.ERROR
    assert record.getMessage().startswith("m1 has crashed: Planted in test_containment.py:")
    assert record.getMessage().endswith(f"(see {log.path})")
    text = Path(log.path).read_text(encoding="utf-8")
    assert "raise Planted(" in text
    assert "Planted: quoted" not in text
    assert stat.S_IMODE(Path(log.path).stat().st_mode) == 0o600


def test_a_report_without_a_place_goes_to_a_file_of_its_owner(monkeypatch):
    monkeypatch.undo()
    log = FaultLog()
    log.write("something")
    path = Path(log.path)
    assert path.read_text(encoding="utf-8") == "something\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.unlink()
