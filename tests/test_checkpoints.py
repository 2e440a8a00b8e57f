"""Checkpoints: a past moment is found fast, is the same as without them, and memory is bounded."""

from __future__ import annotations

import random
from itertools import pairwise

import docker
import pytest

import swarmlab
from swarmlab.cluster import checkpoints
from swarmlab.cluster.checkpoints import Checkpoints
from swarmlab.cluster.copies import FrozenCopy
from swarmlab.cluster.simulated import SimulatedCluster
from swarmlab.simulation import S


def story(seed: int, distance: int) -> SimulatedCluster:
    """Services, traffic and faults; a checkpoint each so many events."""
    cluster = swarmlab.simulate(managers=3, workers=2, seed=seed)
    cluster.checkpoints = Checkpoints(distance=distance, due=distance)
    chance, ports = random.Random(seed), {"Ports": [{"TargetPort": 80, "PublishedPort": 8080}]}
    mode = docker.types.ServiceMode("replicated", 4)
    cluster.client("m2").services.create("nginx", name="web", mode=mode, endpoint_spec=ports)
    cluster.traffic("web", rate=2)

    def cut_off(name: str) -> None:
        cluster.partition(name, [other for other in cluster.names if other != name])

    for _ in range(4):
        chance.choice([cluster.crash, cluster.stop, cut_off])(chance.choice(cluster.names))
        cluster.run(f"{chance.randint(1, 15)}s")
        cluster.start(*cluster.names)
        cluster.heal()
        cluster.run(f"{chance.randint(1, 15)}s")
        cluster.client("m2").images.list()  # a read, which a replay does not repeat
    return cluster


def state(cluster: SimulatedCluster) -> tuple:
    disks = {
        name: {file: bytes(data) for file, data in machine.disk._files.items()}
        for name, machine in cluster.world.network.machines.items()
    }
    return cluster.now_ns, cluster.trace.digest(), disks, cluster.in_flight(), cluster.journal


@pytest.mark.parametrize("seed", [1, 2])
def test_the_past_is_the_same_with_checkpoints_and_so_is_what_follows(seed: int):
    with_them, without = story(seed, 200), story(seed, 10**9)
    assert len(with_them.checkpoints.kept) > 3
    assert not without.checkpoints.kept
    assert state(with_them) == state(without)
    for share in (0.3, 0.7, 0.99):
        moment = f"{int(share * without.now_ns)}ns"
        past, replayed = with_them.as_of(moment), without.as_of(moment)
        assert state(past) == state(replayed)
        for either in (past, replayed):
            either.crash("m1")
            either.run("10s")
        assert state(past) == state(replayed)


def test_the_past_goes_on_from_the_last_checkpoint_of_a_cluster_a_copy_or_a_past_one(monkeypatch):
    cluster = story(3, 200)
    fork, late = cluster.fork(), cluster.as_of(f"{cluster.now_ns - S}ns")
    monkeypatch.setattr(SimulatedCluster, "build", None)  # what starts a run again
    kept = cluster.checkpoints.kept
    for moment_ns in (kept[0].at_ns + 1, kept[-1].at_ns + 1, cluster.now_ns - 2 * S):
        pasts = [c.as_of(f"{moment_ns}ns") for c in (cluster, fork, late)]
        assert len({past.trace.digest() for past in pasts}) == 1


def test_what_a_replay_passes_is_kept_too():
    cluster = story(4, 10**9)
    cluster.checkpoints = Checkpoints(distance=200, due=200)
    cluster.as_of(f"{cluster.now_ns - S}ns")
    assert len(cluster.checkpoints.kept) > 3


def test_a_checkpoint_at_the_very_moment_is_not_used():
    """What has been done at that moment may be in it, and may have to be done again."""
    cluster = story(5, 200)
    checkpoint = cluster.checkpoints.kept[1]
    before = cluster.checkpoints.before(checkpoint.at_ns)
    assert before.kept == cluster.checkpoints.kept[:1]


def test_memory_is_bounded_and_what_is_kept_reaches_over_the_whole_run(monkeypatch):
    cluster = swarmlab.simulate(managers=1, workers=1, seed=1)
    cluster.checkpoints = Checkpoints(distance=50, due=50)
    cluster.run("1m")
    size = cluster.checkpoints.kept[0].world.size_bytes
    monkeypatch.setattr(checkpoints, "BYTES_MAX", 8 * size)
    cluster.run("20m")
    kept, now_ns = cluster.checkpoints.kept, cluster.now_ns
    assert 2 < len(kept) <= 8
    assert sum(checkpoint.world.size_bytes for checkpoint in kept) <= 8 * size
    times = [0, *(checkpoint.at_ns for checkpoint in kept), now_ns]
    assert max(b - a for a, b in pairwise(times)) < 0.5 * now_ns


def test_a_run_too_large_for_any_checkpoint_tries_less_and_less_often(monkeypatch):
    monkeypatch.setattr(checkpoints, "BYTES_MAX", 0)
    made: list[int] = []

    def counting(world):
        made.append(world.simulation.now_ns)
        return FrozenCopy(world)

    monkeypatch.setattr(checkpoints, "FrozenCopy", counting)
    cluster = swarmlab.simulate(managers=1, workers=1, seed=1)
    cluster.checkpoints = Checkpoints(distance=50, due=50)
    cluster.run("20m")
    assert cluster.checkpoints.kept == []
    assert 3 < len(made) < 12
