"""Crashes, updates and copies leave nothing behind: objects are counted, not only bytes."""

from __future__ import annotations

import collections
import gc
import resource
from pathlib import Path

import pytest
from docker.types import ServiceMode

import swarmlab
from swarmlab.engine.daemon import Engine
from swarmlab.manager.manager import Manager
from swarmlab.raft.messages import Entry
from swarmlab.raft.node import SNAPSHOT_INTERVAL
from swarmlab.simulation import Simulation

CRASHES_AN_HOUR = 6


def alive() -> collections.Counter[str]:
    gc.collect()
    kinds = (Engine, Manager, Simulation, Entry)
    return collections.Counter(type(o).__name__ for o in gc.get_objects() if type(o) in kinds)


def hour(cluster: swarmlab.Cluster, number: int) -> None:
    """Every node in turn crashes and comes back; the service is updated each time."""
    for part in range(CRASHES_AN_HOUR):
        name = cluster.names[part % len(cluster.names)]
        cluster.crash(name)
        cluster.run("5m")
        cluster.start(name)
        cluster.run("4m")
        cluster.client().services.get("web").update(env=[f"NUMBER={number}.{part}"])
        cluster.run("1m")


def busy_cluster() -> swarmlab.Cluster:
    cluster = swarmlab.simulate(managers=3, workers=2, seed=7)
    mode = ServiceMode("replicated", 6)
    cluster.client().services.create("nginx", name="web", mode=mode)
    cluster.run("1m")
    return cluster


def test_a_crashed_node_leaves_no_engine_and_no_timer_behind():
    cluster = busy_cluster()
    simulation, queued = cluster.world.simulation, len(cluster.world.simulation._queue)
    hour(cluster, 0)
    gc.collect()
    programs = [o for o in gc.get_objects() if type(o) in (Engine, Manager)]
    own = [type(o) for o in programs if o.machine.simulation is simulation]
    assert own.count(Engine) == 5
    assert own.count(Manager) <= 4
    assert len(cluster.world.simulation._queue) < 3 * queued


def test_cancelled_timers_leave_the_queue():
    simulation = Simulation()
    for _ in range(50_000):
        simulation.after(10**18, print).cancel()
    assert len(simulation._queue) <= 10_000


def test_a_compacted_log_frees_its_entries():
    before, cluster = alive(), busy_cluster()
    client = cluster.client("m1")
    for number in range(2 * SNAPSHOT_INTERVAL):
        client.api.create_config(f"c{number}", b"x")
    kept = cluster.engine("m1").manager.raft.core.log.entries
    assert cluster.engine("m1").manager.store.index > 2 * SNAPSHOT_INTERVAL
    assert len(kept) <= 2 * SNAPSHOT_INTERVAL
    assert alive()["Entry"] - before["Entry"] <= 2.5 * SNAPSHOT_INTERVAL


def test_copies_leave_nothing_behind(tmp_path: Path):
    cluster = busy_cluster()
    saved, before = cluster.save(tmp_path / "saved.json"), alive()
    for _ in range(5):
        cluster.fork().run("1s")
        cluster.as_of("20s")
        swarmlab.load(saved)
    swarmlab.use(cluster)
    more = alive() - before  # what another test left may have gone meanwhile
    assert {kind: more[kind] for kind in ("Engine", "Manager", "Simulation") if more[kind]} == {}


def test_hours_of_crashes_stay_within_one_and_a_half_times_the_first(
    request: pytest.FixtureRequest,
):
    """With `--hours=24`: a day with 144 crashes and updates."""
    cluster, first_bytes = busy_cluster(), 0
    for number in range(request.config.getoption("--hours")):
        hour(cluster, number)
        gc.collect()
        first_bytes = first_bytes or resident_bytes()
    assert resident_bytes() < 1.5 * first_bytes


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * resource.getpagesize()
