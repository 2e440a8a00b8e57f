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
from swarmlab.strings import _, number
from swarmlab.views.html import Table

BENCHMARKS: dict[str, Any] = yaml.safe_load(
    Path(__file__).with_name("bench.yml").read_text("utf-8")
)
HEAP_EVENTS = 100_000
REFERENCE_PER_S = 2_600_000  # heap events where the targets in seconds were set


class _Clock:
    def tick(self) -> None:
        """A bare event: a bound method, as the simulation's callbacks are."""


def heap_rate() -> float:
    """Events a second of a bare `heapq` loop: pop, callback, push."""
    queue = [(i, i, _Clock().tick) for i in range(1_000)]
    start = time.process_time()
    for i in range(HEAP_EVENTS):
        when, _place, callback = heapq.heappop(queue)
        callback()
        heapq.heappush(queue, (when + 1_000, i + 1_000, callback))
    return HEAP_EVENTS / (time.process_time() - start)


def measure(name: str, times: int = 1) -> dict[str, Any]:
    """The median of several runs, each beside the heap loop before and after it."""
    found, runs = BENCHMARKS[name], []
    for _run in range(times):
        run, units = WORKLOADS[found["workload"]](**found.get("with", {}))
        gc.collect()
        gc.disable()  # as timeit does
        before, start = heap_rate(), time.process_time()
        timed_s = run()  # by itself, if it is a number
        took_s = timed_s if isinstance(timed_s, float) else time.process_time() - start
        seconds = took_s / units
        runs.append((seconds * (before + heap_rate()) / 2, seconds))
        gc.enable()
    cost, seconds = sorted(runs)[times // 2]
    target = found.get("target") or found["seconds"] * REFERENCE_PER_S
    result = {"name": name, "seconds": seconds, "heap_events": cost, "target": target}
    peak_mb = peak_megabytes()
    met = cost <= target and peak_mb <= found.get("megabytes", peak_mb)
    return {**result, "megabytes": peak_mb, "met": met}


def peak_megabytes() -> int:
    """The most memory that this process has had; 0 on a computer that does not tell."""
    try:
        import resource
    except ImportError:
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


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
        figure = f"{number(seconds, '.4f')} s"
        if "unit" in found:
            figure = f"{number(1 / seconds, ',.0f')} {_(found['unit'])}/s"
        cost, target = number(result["heap_events"], ",.1f"), number(result["target"], ",.0f")
        peak, met = number(result["megabytes"], ","), _("yes") if result["met"] else _("no")
        numbers = (figure, cost, target, peak, met)
        rows.append((result["name"], _(found["work"]), *numbers, _(found.get("others", ""))))
    heads = _("NAME"), _("WORK"), _("FIGURE"), _("HEAP EVENTS"), _("TARGET"), _("PEAK MB")
    return Table("", (*heads, _("MET"), _("OTHERS")), tuple(rows))
