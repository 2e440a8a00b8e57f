"""Slide 24 for a running service: its slots, their tasks, each task's node and container.

Beside each other: the state that is wanted of a task, and the one it has. Read from the Docker API.
"""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from swarmlab.cluster.calls import checked
from swarmlab.cluster.interface import AnyCluster, ServiceName
from swarmlab.strings import _
from swarmlab.views.html import Table, as_table, tag
from swarmlab.views.palette import ENDED, UNWANTED
from swarmlab.views.primitives import drawing, view, zones
from swarmlab.views.snapshot import look

TASKS_MAX = 3  # of a slot, the newest


@dataclass(frozen=True, slots=True, repr=False)
class Slots(Table):
    """The rows, and above them a box for each slot.

    `slots(cluster, "web")` shows it. Lesson: 03_why_orchestrate.
    """

    def _repr_html_(self) -> Markup:
        boxes: dict[str, list[Markup]] = {}
        for slot, task, wanted, state, node, container in self.rows:
            over = wanted in UNWANTED and state in ENDED
            kind = "" if over else "good" if wanted == state else "alarm"
            wish, now = _("wanted: {0}").format(wanted), _("is: {0}").format(state)
            lines = [tag("b", _("task {id}", id=task)), tag("span", wish)]
            lines += [tag("span", now, class_=kind), tag("span", node)]
            lines.append(tag("small", _("container {id}", id=container)))
            card = tag("div", *lines, class_="node manager", style="margin:.2em 0")
            boxes.setdefault(slot, []).append(card)
        title = tag("p", tag("b", self.title))
        return view(title, drawing(repr(self), zones(boxes))) + as_table(self)


@checked
def slots(cluster: AnyCluster, service: ServiceName) -> Slots:
    """The slots of a service: tasks, nodes, containers, wanted and current state.
    Lesson: 04_parts_and_topology.

    >>> import swarmlab
    >>> cluster = swarmlab.simulate(managers=1, workers=0, seed=7)
    >>> web = cluster.client().services.create("nginx", name="web")
    >>> cluster.run("10s")
    >>> slots(cluster, "web").rows[0][2:5]
    ('running', 'running', 'm1')
    """
    api = cluster.client().api
    spec = api.inspect_service(service)["Spec"]
    names = {row.key: row.name for row in look(cluster).nodes}
    rows: list[tuple[str, ...]] = []
    newest = sorted(api.tasks({"service": service}), key=lambda t: t["CreatedAt"], reverse=True)
    for task in sorted(newest, key=lambda task: task.get("Slot", 0)):
        node = names.get(task.get("NodeID", ""), "–")
        name = f"{service}.{task.get('Slot') or node}"
        container = task["Status"].get("ContainerStatus", {}).get("ContainerID", "")[:12] or "–"
        states = task["DesiredState"], task["Status"]["State"]
        if sum(row[0] == name for row in rows) < TASKS_MAX:
            rows.append((name, task["ID"][:12], *states, node, container))
    replicas = spec["Mode"].get("Replicated", {}).get("Replicas", _("one a node"))
    title = _("Service {name}, wanted: {count}", name=service, count=replicas)
    heads = _("Slot"), _("Task"), _("Wanted"), _("Is"), _("Node"), _("Container")
    return Slots(title, heads, tuple(rows))
