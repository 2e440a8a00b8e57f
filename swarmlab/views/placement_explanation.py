"""Why here, why not there: what the scheduler asked each node about one task, and the answers.

The decision comes from `cluster.decision`, which only a simulation has; a real swarm tells where a
task is, and, while it waits, how many nodes each filter refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from swarmlab.errors import NoneSuch
from swarmlab.simulation import S
from swarmlab.strings import N_, _
from swarmlab.views.snapshot import ClusterSnapshot, TaskRow, look
from swarmlab.views.tables import Table

if TYPE_CHECKING:  # what `cluster.decision` gives; a view imports no manager
    from swarmlab.manager.scheduler.explanation import Explanation, NodeAnswer

ANSWERS = {"yes": "✔", "NO": "✘", "-": "–"}
NO_LABEL = N_("(no label)")  # a branch of `cluster.decision`
SILENT = ("platform",)  # asked of every task; a column only where somebody fails it


def _questions() -> dict[str, tuple[str, str]]:
    """Filter -> how it asks, and what a node says that does not pass."""
    return {
        "ready": (_("Takes tasks?"), _("takes none: down, paused or drained")),
        "resources": (_("Room?"), _("too little CPU or memory free")),
        "plugins": (_("Plugins?"), _("lacks a plugin")),
        "constraints": (_("Constraints?"), _("fails a constraint")),
        "platform": (_("Platform?"), _("of another platform than the image")),
        "host port": (_("Port free?"), _("has the port in use")),
        "max replicas": (_("Below maximum?"), _("has as many as it may have")),
    }


def why(cluster: Any, task: str) -> Table:
    """The table for `web.3`: a row a node, a column a question, and each node's fate in words.
    Lesson: 07_placement.

    >>> import swarmlab
    >>> cluster = swarmlab.simulate(managers=1, workers=1, seed=7)
    >>> service = cluster.client().services.create("nginx", name="web")
    >>> cluster.run("10s")
    >>> print(why(cluster, "web.1").title)  # doctest: +ELLIPSIS
    Why is web.1 on ...
    """
    if getattr(cluster, "kind", "") != "simulated":
        return _told(cluster, task)
    said: Explanation = cluster.decision(task)
    names = [name for name in said.columns if name not in SILENT or _refuses(said, name)]
    asked = [_questions()[name][0] for name in names]
    own = _("Tasks of {service}", service=said.task.rpartition(".")[0])
    ranked = [own, _("All tasks")] if _ranks(said) else []
    branch = [_("Branch")] if said.tree and ranked else []
    heads = (_("Node"), *asked, *branch, *ranked, _("So"))
    rows = tuple(_cells(row, said, names) for row in said.rows)
    return Table(_title(said), heads, rows, tuple(_notes(cluster, said)))


def _refuses(said: Explanation, name: str) -> bool:
    return any(row.refused_by == name for row in said.rows)


def _ranks(said: Explanation) -> bool:
    """Does any node pass every question, so that counts and branches matter?"""
    return any(not row.refused_by for row in said.rows)


def _title(said: Explanation) -> str:
    if said.chosen:
        return _("Why is {task} on {node}?", task=said.task, node=said.chosen)
    return _("Why does {task} wait?", task=said.task)


def _cells(row: NodeAnswer, said: Explanation, names: list[str]) -> tuple[str, ...]:
    given = dict(zip(said.columns, row.filters, strict=True))
    answers = [ANSWERS[given[name]] for name in names]
    if not _ranks(said):
        return (row.node, *answers, _fate(row, said))
    branch = [" / ".join(row.branch).replace(NO_LABEL, _(NO_LABEL))] if said.tree else []
    counts = ("–", "–") if row.refused_by else (str(row.of_service), str(row.active))
    return (row.node, *answers, *branch, *counts, _fate(row, said))


def _fate(row: NodeAnswer, said: Explanation) -> str:
    """Why this node, or why not."""
    chosen = next((other for other in said.rows if other.node == said.chosen), None)
    if row is chosen:
        return _("◀ here")
    if row.refused_by:
        return _questions()[row.refused_by][1]
    if chosen is None:
        return _("could take it")
    if row.branch != chosen.branch:
        return _("in another branch")
    if row.rank == chosen.rank:
        return _("as good: chance decided")
    if row.rank < chosen.rank:
        return _("emptier; it got another of that go")
    if row.failures > chosen.failures:
        return _("its tasks failed, lately and often")
    if row.of_service > chosen.of_service:
        return _("has more tasks of the service")
    return _("has more tasks in all")


def _notes(cluster: Any, said: Explanation) -> Iterator[str]:
    if said.chosen:
        when = _("Decided at {at:.1f} s. Placed in one go: {count}. The counts are from before.")
        yield when.format(at=said.at_ns / S, count=said.together)
        yield _("Whoever passes every question is ranked: fewest tasks first, then chance.")
    else:
        reason = next((t.reason for t in _tasks(look(cluster), said.task)), "")
        yield _("In the words of `docker service ps`: {reason}", reason=reason)
    if said.tree and _ranks(said):
        line = _("└ {branch}: {count} tasks")
        tree = [
            "\u2003" * 2 * depth
            + line.format(branch=branch.replace(NO_LABEL, _(NO_LABEL)), count=count)
            for depth, branch, count in said.tree
        ]
        yield "\n".join(
            [_("Tasks are divided over branches first, the emptier before the fuller:"), *tree]
        )


def _tasks(snapshot: ClusterSnapshot, name: str) -> list[TaskRow]:
    """What is known of a task `web.3`, or of the task with this id."""
    return [task for task in snapshot.tasks if name in (task.name, task.id)]


def _told(cluster: Any, name: str) -> Table:
    """What a real swarm tells of a task."""
    snapshot = look(cluster)
    nodes = {node.key: node.name for node in snapshot.nodes}
    found = _tasks(snapshot, name)
    if not found:
        known = [task.name for task in snapshot.tasks]
        raise NoneSuch("there is no task {name!r}; there are {known}", name, known)
    rows = tuple((t.name, nodes.get(t.node, "–"), t.state, t.reason or "–") for t in found)
    heads = _("Task"), _("Node"), _("State"), _("Reason")
    note = _("What each node was asked, and what it said, only a simulated swarm can tell.")
    return Table(_("What the swarm tells about {name}", name=name), heads, rows, (note,))
