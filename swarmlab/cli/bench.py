"""`swarmlab bench`: how fast the simulation is, beside a bare heap loop in the same process.

Computers differ and are busy. So a cost is counted in heap events: how often a loop over `heapq`
(pop, callback, push) goes round in the processor time that one unit of the work takes. What is
measured is in `bench.yml`.
"""

from __future__ import annotations

import gc
import heapq
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import yaml

from swarmlab.cli.workloads import WORKLOADS
from swarmlab.errors import NoneSuch
from swarmlab.views.html import Table

BENCHMARKS: dict[str, Any] = yaml.safe_load(
    Path(__file__).with_name("bench.yml").read_text("utf-8")
)
HEAP_EVENTS = 100_000
REFERENCE_PER_S = 2_600_000  # heap events where the targets in seconds were set
HEADS = ("NAME", "WORK", "FIGURE", "HEAP EVENTS", "TARGET", "MET", "OTHERS")


class _Clock:
    def tick(self) -> None:
        """A bare event: a bound method, as the simulation's callbacks are."""


def heap_rate() -> float:
    """Events a second of a bare `heapq` loop: pop, callback, push."""
    queue = [(i, i, _Clock().tick) for i in range(1_000)]
    start = time.process_time()
    for i in range(HEAP_EVENTS):
        when, _, callback = heapq.heappop(queue)
        callback()
        heapq.heappush(queue, (when + 1_000, i + 1_000, callback))
    return HEAP_EVENTS / (time.process_time() - start)


def measure(name: str, times: int = 1) -> dict[str, Any]:
    """The median of several runs, each beside the heap loop before and after it."""
    found, runs = BENCHMARKS[name], []
    for _ in range(times):
        run, units = WORKLOADS[found["workload"]](**found.get("with", {}))
        gc.collect()
        gc.disable()  # as timeit does
        before, start = heap_rate(), time.process_time()
        run()
        seconds = (time.process_time() - start) / units
        runs.append((seconds * (before + heap_rate()) / 2, seconds))
        gc.enable()
    cost, seconds = sorted(runs)[times // 2]
    target = found.get("target") or found["seconds"] * REFERENCE_PER_S
    return {"name": name, "seconds": seconds, "heap_events": cost, "target": target}


def measure_all(names: Sequence[str], times: int) -> list[dict[str, Any]]:
    """Measure these, or all but those that take minutes; a bar shows how far that is."""
    if unknown := [name for name in names if name not in BENCHMARKS]:
        raise NoneSuch("there is no benchmark {name!r}; there are {known}", unknown[0], BENCHMARKS)
    chosen = names or [name for name, found in BENCHMARKS.items() if "minutes" not in found]
    with click.progressbar(chosen, item_show_func=str, file=sys.stderr) as bar:
        return [measure(name, times) for name in bar]


def table(results: Sequence[dict[str, Any]]) -> Table:
    rows = []
    for result in results:
        found, seconds = BENCHMARKS[result["name"]], result["seconds"]
        figure = f"{1 / seconds:,.0f} {found['unit']}/s" if "unit" in found else f"{seconds:.4f} s"
        cost, target = result["heap_events"], result["target"]
        numbers = (figure, f"{cost:,.1f}", f"{target:,.0f}", "yes" if cost <= target else "no")
        rows.append((result["name"], found["work"], *numbers, found.get("others", "")))
    return Table("", HEADS, tuple(rows))
