"""Experiments with a swarm's size: what more managers, nodes and tasks cost here and now."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from docker.types import ServiceMode
from markupsafe import Markup

from swarmlab.cluster.calls import checked
from swarmlab.cluster.simulated import SimulatedCluster
from swarmlab.strings import _, number
from swarmlab.views.charts import curves
from swarmlab.views.html import Table
from swarmlab.views.primitives import drawing, view
from swarmlab.views.progress import each

MANAGERS, NODES, TASKS = (1, 3, 5, 7, 9), (25, 50, 100), (200, 400, 800)
WRITES, TASK_NODES, LIMIT_S = 20, 50, 120


@dataclass(frozen=True, slots=True)
class Growth:
    """What each size cost.

    `growth(time.perf_counter)` shows it. Lesson: 16_scale.
    """

    messages: tuple[float, ...]  # a write, by managers
    form_s: tuple[float, ...]  # on this computer, by nodes
    start_s: tuple[float, ...]  # by tasks

    @property
    def tables(self) -> list[Table]:
        def rows(sizes: tuple[int, ...], costs: tuple[float, ...], unit: str) -> Any:
            pairs = zip(sizes, costs, strict=True)
            return tuple((str(n), f"{number(c, '.1f')}{unit}") for n, c in pairs)

        fails = [(str(n), number(c, ".0f"), str((n - 1) // 2))
                 for n, c in zip(MANAGERS, self.messages, strict=True)]  # fmt: skip
        heads = _("managers"), _("messages a write"), _("may fail")
        nodes, tasks = (_("nodes"), _("seconds to form")), (_("tasks"), _("seconds to start"))
        return [
            Table("", heads, tuple(fails)),
            Table("", nodes, rows(NODES, self.form_s, " s")),
            Table("", tasks, rows(TASKS, self.start_s, " s")),
        ]

    def __repr__(self) -> str:
        return "\n\n".join(map(repr, self.tables))

    def _repr_html_(self) -> Markup:
        charts = (
            (_("messages a write"), _("managers"), MANAGERS, self.messages),
            (_("seconds to form"), _("nodes"), NODES, self.form_s),
            (_("seconds to start"), _("tasks"), TASKS, self.start_s),
        )
        return view(drawing(repr(self), curves(*charts)))


@checked
def growth(clock: Callable[[], float]) -> Growth:
    """Simulate swarms of several sizes; `clock` tells what that takes on this computer:
    `growth(time.perf_counter)`. Lesson: 16_scale.
    """
    messages = each(_("groups of managers measured"), _messages_a_write, MANAGERS)
    formed = each(_("swarms formed"), partial(_timed, clock, _swarm), NODES)
    swarms = [(_swarm(TASK_NODES), tasks) for tasks in TASKS]
    started = each(_("services started"), lambda sizes: _timed(clock, _start, *sizes), swarms)
    return Growth(tuple(messages), tuple(formed), tuple(started))


def _swarm(nodes: int, managers: int = 3) -> SimulatedCluster:
    return SimulatedCluster.build({"managers": managers, "workers": nodes - managers, "seed": 7})


def _messages_a_write(managers: int) -> float:
    """Messages between the managers, until the write is answered."""
    cluster = _swarm(managers, managers)
    network, client = cluster.world.network, cluster.client()
    before = network.messages
    for n in range(WRITES):
        client.configs.create(name=f"c{n}", data=b"x")
    return (network.messages - before) / WRITES


def _start(cluster: SimulatedCluster, tasks: int) -> None:
    """Until all of a service's tasks run."""
    mode = ServiceMode("replicated", tasks)
    service = cluster.client().services.create("busybox", "sleep 1d", name="web", mode=mode)
    for _second in range(LIMIT_S):
        states = [task["Status"]["State"] for task in service.tasks({"desired-state": "running"})]
        if states.count("running") == tasks:
            return
        cluster.run("1s")


def _timed(clock: Callable[[], float], work: Callable[..., object], *args: Any) -> float:
    start = clock()
    work(*args)
    return clock() - start
