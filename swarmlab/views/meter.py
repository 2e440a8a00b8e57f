"""What work by hand costs, and what Swarm achieves: commands, outages, alerts; slide 20's effects.

Commands are those that were typed, outages come from the requests that failed, and what a running
swarm achieves is read from its API. Nothing here is known beforehand.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import groupby
from types import SimpleNamespace
from typing import Any

import docker

from swarmlab.cluster.calls import checked
from swarmlab.cluster.interface import AnyCluster
from swarmlab.simulation import EPOCH_NS, S
from swarmlab.strings import _, number
from swarmlab.views.history import request_counts
from swarmlab.views.html import Callout, Table
from swarmlab.views.snapshot import look

READING = {"ps", "ls", "inspect", "logs", "images", "info", "exec"}
FREE = READING | {"kill"}  # the lesson's sabotage
ALERT_S = 10  # requests that fail for this long wake someone up


def commands_typed(cluster: Any) -> list[str]:
    """The lines typed at a cluster that change something: to look is free, and to kill."""
    return [line for _at, line in cluster.typed if not FREE & set(line.split()[:5])]


def failed_by_second(cluster: Any, service: str = "") -> Counter[int]:
    """Second of its time -> how many requests failed in it, to one service or to all."""
    failed = Counter[int]()
    for at, count in request_counts(cluster, service):
        failed[int(at) - EPOCH_NS // S] += count.failed
    return failed


def failing_seconds(cluster: Any) -> list[int]:
    """The seconds in which a request failed."""
    return sorted(second for second, count in failed_by_second(cluster).items() if count)


def stretches(seconds: Iterable[int]) -> list[int]:
    """The lengths of the runs of consecutive seconds.

    >>> stretches([3, 4, 5, 9])
    [3, 1]
    """
    runs = groupby(enumerate(seconds), key=lambda pair: pair[1] - pair[0])
    return [len(list(run)) for _start, run in runs]


@checked
def meter(by_hand: AnyCluster, swarm: AnyCluster) -> Table:
    """What two clusters have cost so far: `meter(by_hand, swarm)`. Lesson: 03_why_orchestrate."""
    both = (by_hand, swarm)
    rows = [(_("commands you typed"), *(str(len(commands_typed(cluster))) for cluster in both))]
    notes = [_("Not counted: commands that only look (`ps`, `ls`, …), `kill`, and `users(…)`.")]
    if all(cluster.has_trace for cluster in both):
        outages = [stretches(failing_seconds(cluster)) for cluster in both]
        alerts = [sum(length >= ALERT_S for length in lengths) for lengths in outages]
        rows.append((_("seconds with failed requests"), *(str(sum(o)) for o in outages)))
        rows.append((_("alerts that wake you up"), *map(str, alerts)))
        notes.append(_("An alert: requests have failed for {s} seconds in a row.", s=ALERT_S))
    else:
        notes.append(_("Only a simulated cluster counts requests, and so outages and alerts."))
    heads = ("", _("by hand"), _("with Swarm"))
    return Table(_("The meter"), heads, tuple(rows), tuple(notes))


@checked
def reservations(cluster: AnyCluster | SimpleNamespace) -> Table:
    """What is reserved of each node's CPUs and memory: `reservations(cluster)`.

    Lesson: 03_why_orchestrate.
    """
    shares, waiting = _reserved(cluster.client().api)
    rows = [
        (name, str(own["tasks"]),
         " / ".join(number(ns / 1e9, "g") for ns in (own["cpu"], has["NanoCPUs"])),
         " / ".join(number(b / 2**30, ".1f") for b in (own["memory"], has["MemoryBytes"])) + " GiB")
        for name, has, own in shares
    ]  # fmt: skip
    notes = (_("Waiting, since no node has enough left: {n}.", n=waiting),) if waiting else ()
    heads = (_("node"), _("tasks"), _("CPUs reserved"), _("memory reserved"))
    return Table(_("Reserved, of what each node has"), heads, tuple(rows), notes)


def free(*, swarm: bool) -> Table:
    """What is left on the nodes of the swarm that Docker's environment names; else, here."""
    if swarm:
        return reservations(SimpleNamespace(client=docker.from_env))
    import psutil  # a class has it

    memory, busy = psutil.virtual_memory(), number(psutil.getloadavg()[0], ".1f")
    left = " / ".join(number(size / 2**30, ".1f") for size in (memory.available, memory.total))
    row = f"{left} GiB", f"{busy} / {psutil.cpu_count()}"
    return Table(_("This machine"), (_("memory left"), _("CPUs busy")), (row,))


def _reserved(api: Any) -> tuple[list[tuple[str, Any, Counter[str]]], int]:
    """(name, what it has, what is reserved there) by node; and how many tasks wait for one."""
    reserved: dict[str, Counter[str]] = {}
    for task in api.tasks(filters={"desired-state": "running"}):
        wanted = (task["Spec"].get("Resources") or {}).get("Reservations") or {}
        own = reserved.setdefault(task.get("NodeID", ""), Counter())
        own.update(tasks=1, cpu=wanted.get("NanoCPUs", 0), memory=wanted.get("MemoryBytes", 0))
    waiting = reserved.get("", Counter[str]())["tasks"]
    rows = [
        (node["Description"]["Hostname"], node["Description"]["Resources"],
         reserved.get(node["ID"], Counter()))
        for node in api.nodes()
    ]  # fmt: skip
    return sorted(rows, key=lambda row: row[0]), waiting


@checked
def effects(cluster: AnyCluster, day: Table | Callout | None = None) -> Table:
    """Slide 20's five effects, as the running swarm shows them: `effects(cluster)`; `day` is what
    `scaling_day` gave.

    Lesson: 03_why_orchestrate.
    """
    snapshot, api = look(cluster), cluster.client().api
    tasks, services = api.tasks(), snapshot.services
    running, desired = sum(s.running for s in services), sum(s.desired for s in services)
    down = {row.key for row in snapshot.nodes if row.down}
    lost = [t for t in tasks if t["Status"]["State"] == "failed" or t.get("NodeID") in down]
    replicas = [row[1] for row in day.rows] if isinstance(day, Table) else []
    shares, waiting = _reserved(api)
    cpus = sum(has["NanoCPUs"] for _name, has, _own in shares)
    used = sum(own["cpu"] for _name, _has, own in shares)
    typed = len(commands_typed(cluster))
    rows = (
        (desired and running >= desired, _("The app runs"),
         _("{running} of {desired} tasks run", running=running, desired=desired)),
        (len(set(replicas)) > 1, _("A program can scale it"),
         _("replicas, by autoscale: {all}", all=" → ".join(key for key, _same in groupby(replicas)))
         if replicas else _("Swarm doesn't; a control loop on its API does")),
        (lost and running >= desired, _("It tolerates failures"),
         _("tasks that failed or lost their node: {n}; running: {running}",
           n=len(lost), running=running)),
        (used and not waiting, _("It makes better use of resources"),
         _("{share:.0%} of all CPUs reserved, on no node more than it has", share=used / cpus)),
        (len(tasks) > typed, _("It needs little work by hand"),
         _("commands typed: {typed}; tasks listed, old and new: {n}", typed=typed, n=len(tasks))),
    )  # fmt: skip
    marked = tuple(("✔" if reached else "–", text, figure) for reached, text, figure in rows)
    return Table(_("What orchestration is for"), ("", _("effect"), _("here, now")), marked)
