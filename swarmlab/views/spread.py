"""The tasks of a service, drawn in the tree of nodes that a spread preference makes.

    spread(cluster, "web", "az", "rack")  # zones, in them racks, in them nodes with their tasks

Everything comes through `look`, so it draws a real swarm as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from swarmlab.errors import NoneSuch
from swarmlab.strings import _
from swarmlab.views.html import big
from swarmlab.views.palette import LOOKS
from swarmlab.views.snapshot import NodeRow, TaskRow, look
from swarmlab.views.text import in_state

BOX = "border:1px solid;border-radius:8px;padding:.3em .6em;margin:.2em"
ROW = "display:flex;flex-wrap:wrap;align-items:flex-start"


@dataclass(frozen=True, slots=True, repr=False)
class SpreadBranch:
    """A value of a label, with the branches or nodes below it; or a node, with its tasks."""

    name: str
    below: tuple[SpreadBranch, ...] = ()
    tasks: tuple[TaskRow, ...] = ()  # of a node
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

    def _repr_html_(self) -> str:
        return big(self.html())

    def html(self) -> str:
        if self.below:
            inner = "".join(branch.html() for branch in self.below)
            title = f"<b>{escape(self.text)}</b>"
            return f"<div style='{BOX}'>{title}<div style='{ROW}'>{inner}</div></div>"
        note = f" <i>{escape(self.note)}</i>" if self.note else ""
        tasks = "".join(map(_task_svg, self.tasks))
        return f"<div style='{BOX};min-width:5em'>{escape(self.name)}{note}<br>{tasks}&nbsp;</div>"


def _task_svg(task: TaskRow) -> str:
    """A task as on the board: shape, letter and colour of its state."""
    look = LOOKS[task.kind]
    title = escape(in_state(task.name, task.kind))
    fill, dashes = (look.colour, "") if look.colour else ("none", " stroke-dasharray='4 3'")
    return (
        f"<svg role='img' aria-label='{title}' width='26' height='26' viewBox='-1 -1 26 26'>"
        f"<title>{title}</title>"
        f"<path d='{look.shape}' fill='{fill}' stroke='currentColor'{dashes}/>"
        f"<text x='12' y='16.5' text-anchor='middle' font-size='13' font-weight='bold'"
        f" fill='{look.ink or 'currentColor'}'>{look.letter}</text></svg>"
    )


def spread(cluster: Any, service: str, *labels: str) -> SpreadBranch:
    """The tasks of `service` now, over the values of one label or several, nested.

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
            yield SpreadBranch(node.name, tasks=own, note=_("down") if node.down else note)
        return
    first, *rest = labels
    values = {node.labels.get(first, "") for node in nodes}
    for value in sorted(values, key=lambda value: (not value, value)):  # no label: last
        members = [node for node in nodes if node.labels.get(first, "") == value]
        name = f"{first}={value}" if value else _("no label {label}", label=first)
        yield SpreadBranch(name, tuple(_below(members, tasks, rest)))
