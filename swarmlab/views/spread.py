"""The tasks of a service, drawn in the tree of nodes that a spread preference makes.

    spread(cluster, "web", "az", "rack")  # zones, in them racks, in them nodes with their tasks

Everything comes through `look`, so it draws a real swarm as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from swarmlab.cluster.calls import checked
from swarmlab.cluster.interface import AnyCluster, ServiceName
from swarmlab.errors import NoneSuch
from swarmlab.strings import _
from swarmlab.views.html import tag
from swarmlab.views.palette import LOOKS, colours_of
from swarmlab.views.primitives import shape, view
from swarmlab.views.snapshot import NodeRow, TaskRow, look
from swarmlab.views.text import in_state


@dataclass(frozen=True, slots=True, repr=False)
class SpreadBranch:
    """A value of a label, with the branches or nodes below it; or a node, with its tasks.

    `spread(cluster, "web", "az")` shows it. Lesson: 07_placement.
    """

    name: str
    below: tuple[SpreadBranch, ...] = ()
    tasks: tuple[TaskRow, ...] = ()  # of a node
    role: str = ""  # of a node: manager, worker
    note: str = ""  # of a node: why it takes no tasks; empty when it does

    @property
    def running(self) -> int:
        own = sum(task.kind == "running" for task in self.tasks)
        return own + sum(branch.running for branch in self.below)

    @property
    def text(self) -> str:
        if self.below:
            return _("{name}: {count} running", name=self.name, count=self.running)
        kinds = [in_state(task.name, task.kind) for task in self.tasks]
        note = f" ({self.note})" if self.note else ""
        return f"{self.name}{note}: {', '.join(kinds) or _('nothing')}"

    def lines(self, depth: int = 0) -> Iterator[str]:
        yield "    " * depth + self.text
        for branch in self.below:
            yield from branch.lines(depth + 1)

    def __repr__(self) -> str:
        return "\n".join(self.lines())

    @property
    def all_tasks(self) -> list[TaskRow]:
        return [*self.tasks, *(task for branch in self.below for task in branch.all_tasks)]

    def _repr_html_(self) -> Markup:
        versions = ((task.service, task.version) for task in self.all_tasks)
        return view(self.html(self.running, colours_of(versions, {})))

    def html(self, most: int, colours: Mapping[tuple[str, str], str]) -> Markup:
        """Boxes side by side are equally wide; the bar in each is its share of `most`."""
        if self.below:
            share = f"--share:{100 * self.running / max(1, most):.1f}%"
            most = max(branch.running for branch in self.below)
            inner = (branch.html(most, colours) for branch in self.below)
            row = tag("div", *inner, class_="row zones")
            bar = tag("i", class_="share", style=share)
            return tag("div", tag("b", self.text), bar, row, class_="zone")
        tasks = (
            shape(LOOKS[t.kind], colours[t.service, t.version], in_state(t.name, t.kind))
            for t in self.tasks
        )
        note = [tag("small", self.note)] if self.note else []
        row = tag("div", *tasks, class_="row")
        return tag("div", tag("b", self.name), *note, row, class_=f"node {self.role}")


@checked
def spread(cluster: AnyCluster, service: ServiceName, *labels: str) -> SpreadBranch:
    """The tasks of `service` now, over the values of one label or several, nested:
    `spread(cluster, "web", "az")`.

    Lesson: 07_placement.
    """
    snapshot = look(cluster)
    names = [row.name for row in snapshot.services]
    if service not in names:
        raise NoneSuch("there is no service {name!r}; there are {known}", service, names)
    tasks = [task for task in snapshot.tasks if task.service == service]
    return SpreadBranch(service, tuple(_below(snapshot.nodes, tasks, labels)))


def _below(
    nodes: Sequence[NodeRow], tasks: list[TaskRow], labels: Sequence[str]
) -> Iterator[SpreadBranch]:
    """The branches for the first label, with those for the others below; without labels, nodes."""
    if not labels:
        for node in nodes:
            own = tuple(task for task in tasks if task.node == node.key)
            note = "" if node.availability == "active" else node.availability
            note = _("down") if node.down else note
            yield SpreadBranch(node.name, tasks=own, role=node.role, note=note)
        return
    first, *rest = labels
    values = {node.labels.get(first, "") for node in nodes}
    for value in sorted(values, key=lambda value: (not value, value)):  # no label: last
        members = [node for node in nodes if node.labels.get(first, "") == value]
        name = f"{first}={value}" if value else _("no label {label}", label=first)
        yield SpreadBranch(name, tuple(_below(members, tasks, rest)))
