"""Why a task is on this node and not on another: the scheduler's filters and ranks, node by node.

The decision comes from `cluster.decision`, which only a simulation has. A real swarm tells where a
task is and, while it waits, how many nodes each filter refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from swarmlab.cluster.calls import checked
from swarmlab.cluster.interface import AnyCluster, TaskName
from swarmlab.cluster.simulated_state import is_simulated
from swarmlab.errors import NoneSuch
from swarmlab.simulation import S
from swarmlab.strings import N_, _
from swarmlab.views.html import Table, as_table, marked, tag
from swarmlab.views.primitives import drawing, node, view
from swarmlab.views.snapshot import look

if TYPE_CHECKING:
    from swarmlab.cluster.simulated_state import Explanation, NodeAnswer

GIB = 1 << 30  # bytes
ANSWERS = {"yes": "✔", "NO": "✘", "-": "–"}
NO_LABEL = N_("(no label)")  # as `cluster.decision` names such a branch
ONLY_IF_REFUSED = ("platform",)  # asked of every task; a column only if it refuses a node


def _filter_texts() -> dict[str, tuple[str, str]]:
    """Filter -> the head of its column, and the text for a node that it refused."""
    return {
        "ready": (_("Takes tasks?"), _("takes none: down, paused or drained")),
        "resources": (_("Resources?"), _("not enough CPU or memory free")),
        "plugins": (_("Plugins?"), _("lacks a plugin")),
        "constraints": (_("Constraints?"), _("fails a constraint")),
        "platform": (_("Platform?"), _("its platform is not the image's")),
        "host port": (_("Port free?"), _("the port is in use")),
        "max replicas": (_("Below maximum?"), _("has its maximum")),
    }


@checked
def why(cluster: AnyCluster, task: TaskName) -> Table:
    """The table for `web.3`: a row per node, a column per filter, and the outcome in words.
    Lesson: 07_placement.

    >>> import swarmlab
    >>> cluster = swarmlab.simulate(managers=1, workers=1, seed=7)
    >>> service = cluster.client().services.create("nginx", name="web")
    >>> cluster.run("10s")
    >>> print(why(cluster, "web.1").title)  # doctest: +ELLIPSIS
    Why is web.1 on ...
    """
    if not is_simulated(cluster):
        return _from_api(cluster, task)
    return table_of(cluster.decision(task))


def table_of(decision: Explanation) -> Funnel:
    """A decision: what each filter said of each node, and how those that passed are ranked."""
    refused_by = {row.refused_by for row in decision.rows}
    filters = [f for f in decision.columns if f not in ONLY_IF_REFUSED or f in refused_by]
    heads = [_filter_texts()[name][0] for name in filters]
    if _has_candidates(decision):
        own = _("Tasks of {service}", service=decision.task.rpartition(".")[0])
        heads += [*([_("Branch")] if decision.tree else []), own, _("All tasks")]
    rows = tuple(_cells(row, decision, filters) for row in decision.rows)
    notes, steps = tuple(_notes(decision)), tuple(_funnel(decision, filters))
    return Funnel(_title(decision), (_("Node"), *heads, _("So")), rows, notes, steps)


# -- the funnel ------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True, repr=False)
class Funnel(Table):
    """The table, and above it the nodes that are left filter by filter, until one is.

    `cluster.explain("web.1").rows`. Lesson: 07_placement.
    """

    steps: tuple[Markup, ...] = ()

    def _repr_html_(self) -> Markup:
        title, note = tag("p", tag("b", self.title)), tag("p", marked(self.notes[0]))
        return view(title, drawing(repr(self), *self.steps), note) + as_table(self)


def _funnel(decision: Explanation, filters: list[str]) -> Iterator[Markup]:
    """A step per filter: who passes, and who drops out. Then the tree, and the tie-break."""
    rows = list(decision.rows)
    for name in filters:
        question, answer = _filter_texts()[name]
        nodes = []
        for row in rows:
            out = row.refused_by == name
            kind = f"{row.role} {'dropped' if out else ''}"
            facts = [f"✘ {answer}"] * out
            facts += _gauges(row, decision) if name == "resources" else []
            nodes.append(node(row.node, kind, *facts))
        yield _step(question, nodes)
        rows = [row for row in rows if row.refused_by != name]
    if rows and decision.tree:
        lines = [_branch(name, n) for _depth, name, n in decision.tree]
        yield _step(_("Branch"), [tag("span", text, class_="zone") for text in lines])
    last = []
    for row in sorted(rows, key=lambda row: (row.node != decision.chosen, row.rank)):
        counts = _("{own} of the service, {all} in all", own=row.of_service, all=row.active)
        chosen = "chosen" if row.node == decision.chosen else ""
        kind = f"{row.role} {chosen}"
        last.append(node(row.node, kind, counts, _outcome(row, decision)))
    if last:
        yield _step(_("Fewest tasks?"), last)


def _step(title: str, nodes: Sequence[Markup]) -> Markup:
    return tag("div", tag("b", title), tag("div", *nodes, class_="row"), class_="step")


def _gauges(row: NodeAnswer, decision: Explanation) -> Iterator[Markup]:
    """Per resource that the task reserves: a bar of what is free, with a line at what is asked."""
    units = (
        (1e9, _("{free:g} CPUs free, {asked:g} asked")),
        (GIB, _("{free:.1f} GiB free, {asked:.1f} asked")),
    )
    for place, (unit, line) in enumerate(units):
        free, asked = row.free[place], decision.asked[place]
        if asked:
            most = max(asked, *(other.free[place] for other in decision.rows))
            style = f"--free:{100 * free / most:.0f}%;--asked:{100 * asked / most:.0f}%"
            text = line.format(free=free / unit, asked=asked / unit)
            yield tag("span", tag("i", class_="gauge", style=style), text)


def _has_candidates(decision: Explanation) -> bool:
    """Whether a node passes every filter, so that counts and branches matter."""
    return any(not row.refused_by for row in decision.rows)


def _title(decision: Explanation) -> str:
    if decision.chosen:
        return _("Why is {task} on {node}?", task=decision.task, node=decision.chosen)
    return _("Why does {task} wait?", task=decision.task)


def _cells(row: NodeAnswer, decision: Explanation, filters: list[str]) -> tuple[str, ...]:
    answers = dict(zip(decision.columns, row.filters, strict=True))
    cells = [row.node, *(ANSWERS[answers[name]] for name in filters)]
    if _has_candidates(decision):
        if decision.tree:
            cells.append(" / ".join(row.branch).replace(NO_LABEL, _(NO_LABEL)))
        cells += ["–", "–"] if row.refused_by else [str(row.of_service), str(row.active)]
    return (*cells, _outcome(row, decision))


def _outcome(row: NodeAnswer, decision: Explanation) -> str:
    """Why this node, or why not."""
    chosen = next((other for other in decision.rows if other.node == decision.chosen), None)
    if row is chosen:
        return _("◀ here")
    if row.refused_by:
        return _filter_texts()[row.refused_by][1]
    if chosen is None:
        return _("could take it")
    if row.branch != chosen.branch:
        return _("in another branch")
    if row.rank == chosen.rank:
        return _("just as good: chance decided")
    if row.rank < chosen.rank:
        return _("emptier, but it got another of this batch")
    if row.failures > chosen.failures:
        return _("its tasks have failed often recently")
    if row.of_service > chosen.of_service:
        return _("has more tasks of the service")
    return _("has more tasks in all")


def _notes(decision: Explanation) -> Iterator[str]:
    if decision.chosen:
        when = _("Decided at {at:.1f} s, in a batch of {count}. The counts are from before.")
        yield when.format(at=decision.at_ns / S, count=decision.together)
        yield _("Nodes that pass every question are ranked: fewest tasks first, then chance.")
    else:
        yield _("In the words of `docker service ps`: {reason}", reason=decision.reason)
    if decision.tree and _has_candidates(decision):
        tree = ["\u2003" * 2 * depth + _branch(name, n) for depth, name, n in decision.tree]
        title = _("Tasks are divided over branches first, the emptiest first:")
        yield "\n".join([title, *tree])


def _branch(branch: str, count: int) -> str:
    shown = branch.replace(NO_LABEL, _(NO_LABEL))
    return _("└ {branch}: {n} task", "└ {branch}: {n} tasks", branch=shown, n=count)


def _from_api(cluster: Any, name: str) -> Table:
    """What the Docker API tells of a task."""
    snapshot = look(cluster)
    nodes = {node.key: node.name for node in snapshot.nodes}
    tasks = [task for task in snapshot.tasks if name in (task.name, task.id)]
    if not tasks:
        names = [task.name for task in snapshot.tasks]
        raise NoneSuch("there is no task {name!r}; there are {known}", name, names)
    rows = tuple((t.name, nodes.get(t.node, "–"), t.state, t.reason or "–") for t in tasks)
    heads = _("Task"), _("Node"), _("State"), _("Reason")
    note = _("Only a simulated swarm can show what each node was asked, and what it answered.")
    return Table(_("What the swarm says about {name}", name=name), heads, rows, (note,))
