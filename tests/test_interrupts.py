"""Ctrl+C and a notebook's stop button, at random moments: the cluster stays whole.

`--interrupts=250` asks for more of them than a run in CI sends.
"""

from __future__ import annotations

import random
import signal
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import docker
import pytest

import swarmlab
from swarmlab.cluster.files import replace_file
from swarmlab.simulation import S
from swarmlab.simulation.interrupts import UNINTERRUPTED

Step = Callable[[Any, Path], object]


def service_of(cluster: Any) -> Any:
    return cluster.client().services.get("web")


STEPS: dict[str, Step] = {
    "create": lambda c, _: c.client().services.create("nginx", name=f"s{len(c.journal)}"),
    "scale": lambda c, _: service_of(c).scale(1 + len(c.journal) % 7),
    "update": lambda c, _: service_of(c).update(image=f"nginx:1.{len(c.journal)}"),
    "secret": lambda c, _: c.client().secrets.create(name=f"p{len(c.journal)}", data=b"x"),
    "pull": lambda c, _: c.client("w1").images.pull("redis"),
    "drain": lambda c, _: (
        c.client().nodes.get("w1").update({"Role": "worker", "Availability": "drain"})
    ),
    "list": lambda c, _: c.client().services.list(),
    "run": lambda c, _: c.run("3s"),
    "until": lambda c, _: c.until(lambda: c.now_ns % S < S // 5, "5s"),
    "crash": lambda c, _: c.crash("m2"),
    "start": lambda c, _: c.start("m2"),
    "stop": lambda c, _: c.stop("w1"),
    "restart": lambda c, _: c.start("w1"),
    "partition": lambda c, _: c.partition("m1,w1", "m2,m3"),
    "heal": lambda c, _: c.heal(),
    "fork": lambda c, _: c.fork().run("1s"),
    "as_of": lambda c, _: c.as_of(f"{c.now_ns // 2}ns"),
    "save": lambda c, path: c.save(path),
}


class Interrupter(threading.Thread):
    """Sends SIGINT to this thread at random moments; some are followed by a second one."""

    def __init__(self, rng: random.Random, gap_s: float, twice: float) -> None:
        super().__init__()
        self.rng, self.gap_s, self.twice = rng, gap_s, twice
        self.sent_count = self.raised_count = 0
        self._target_thread, self._ended = threading.get_ident(), threading.Event()

    def run(self) -> None:
        while not self._ended.wait(self.rng.uniform(0, 2 * self.gap_s)):
            self.sent_count += 1
            signal.pthread_kill(self._target_thread, signal.SIGINT)
            if self.rng.random() < self.twice:
                self._ended.wait(self.rng.uniform(0, 0.001))
                signal.pthread_kill(self._target_thread, signal.SIGINT)

    def exposed(self, step: Callable[[], object]) -> None:
        """Take a step that may be interrupted; elsewhere nothing is."""
        try:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            step()
        except KeyboardInterrupt:
            self.raised_count += 1
        except (docker.errors.APIError, OSError):
            pass  # there is no quorum now, or the node is down
        while True:
            try:
                signal.signal(signal.SIGINT, signal.SIG_IGN)
                return
            except KeyboardInterrupt:
                self.raised_count += 1

    def __enter__(self) -> Interrupter:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self.join()
        signal.signal(signal.SIGINT, signal.default_int_handler)


def check_whole(cluster: Any, path: Path) -> None:
    """It saves, loads to the same digest (else `load` refuses), replays and goes on."""
    assert UNINTERRUPTED.depth == 0
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    loaded = swarmlab.load(cluster.save(path))
    assert loaded.now_ns == cluster.now_ns
    past = cluster.as_of(f"{cluster.now_ns * 2 // 3}ns")
    then = [record for record in cluster.trace if record.at_ns <= past.now_ns]
    assert past.trace.records == then[: len(past.trace)], "the past that never was"
    for either in (cluster, loaded):
        either.run("5s")
    assert loaded.trace.digest() == cluster.trace.digest()


@pytest.mark.parametrize("twice", [0.0, 0.3])
def test_at_random_moments_the_cluster_stays_whole_and_its_saved_run_loads(
    tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, twice: float
):
    # Python itself loses an interrupt that comes while it clears a weak reference.
    monkeypatch.setattr(sys, "unraisablehook", lambda _: None)
    wanted, count, round_number = request.config.getoption("--interrupts"), 0, 0
    while count < wanted:
        rng, round_number = random.Random(f"{round_number} {twice}"), round_number + 1
        cluster = swarmlab.simulate(managers=3, workers=1, seed=round_number)
        cluster.client().services.create("nginx", name="web")
        with Interrupter(rng, 0.03, twice) as interrupter:
            for _step in range(12):
                step = STEPS[rng.choice(list(STEPS))]
                interrupter.exposed(partial(step, cluster, tmp_path / "saved.json"))
        count += interrupter.raised_count
        check_whole(cluster, tmp_path / "whole.json")


def test_a_second_interrupt_ends_one_long_event_and_the_cluster_is_as_before_it(tmp_path: Path):
    cluster = swarmlab.simulate(managers=3, workers=1, seed=7)
    client = cluster.client()
    client.services.create("nginx", name="web")
    before_ns = cluster.now_ns

    def long_event() -> None:
        cluster.machine("w1").crash()  # half of what it does, without a word in the journal
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        raise KeyboardInterrupt

    cluster.registry.register("shop:1", logs=["open"], Env=["A=b"])
    cluster.world.simulation.after(2 * S, long_event)
    with pytest.raises(KeyboardInterrupt):
        cluster.run("10s")
    assert cluster.is_up("w1")
    assert cluster.now_ns == before_ns + 2 * S - 1
    assert cluster.client("w1").images.pull("shop:1").attrs["Config"]["Env"][0] == "A=b"
    assert [service.name for service in client.services.list()] == ["web"]
    check_whole(cluster, tmp_path / "saved.json")


@pytest.mark.parametrize("after_us", [-1, 0, 500, 1500, 2500, 4000])
def test_a_request_that_is_given_up_between_its_steps_takes_no_later_one_in_a_replay(
    tmp_path: Path, after_us: int
):
    """A follower asks the leader for the service's id, 2 ms, before it asks for the removal."""
    cluster = swarmlab.simulate(managers=3, workers=1, seed=7)
    cluster.client().services.create("nginx", name="web")
    web = cluster.client("m2").services.get("web")
    when_ns = cluster.now_ns + S // 5 + after_us * 1000
    cluster.world.simulation.at(when_ns, signal.raise_signal, signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        web.remove()
    entries = [entry.verb for entry in cluster.journal[1:]]
    assert entries == (["request", "interrupted"] if after_us > 0 else [])
    cluster.run("3s")
    assert bool(cluster.client().services.list()) == (after_us < 2000)
    assert swarmlab.load(cluster.save(tmp_path / "saved.json")).now_ns == cluster.now_ns


@pytest.mark.parametrize("late", [False, True])
def test_an_interrupt_during_the_renaming_of_a_saved_run_is_that_interrupt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, late: bool
):
    """Just before or just after: the file is whole, and nothing is left beside it."""
    path, rename = tmp_path / "run.json", Path.replace
    replace_file(path, "old")

    def interrupted(new: Path, target: Path) -> None:
        if late:
            rename(new, target)
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        replace_file(path, "new")
    assert path.read_text("utf-8") == ("new" if late else "old")
    assert list(tmp_path.iterdir()) == [path]
