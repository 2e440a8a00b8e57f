""" "Why here?": the scheduler's own questions, asked again about one task, and every answer kept.

One row a node: the first filter that refused it, or its rank; then the preference tree with its
counts. Nothing is recorded while the scheduler works: the table is made from the scheduler's
picture of the nodes as it was just before it decided.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from swarmlab.manager.constraints import label
from swarmlab.manager.filters import FILTERS, Pipeline
from swarmlab.manager.node_info import NodeInfo
from swarmlab.manager.scheduler import Branch, Scheduler, build_tree, rank
from swarmlab.model import Task
from swarmlab.simulation import S

YES, NO, UNASKED = "yes", "NO", "-"
NO_LABEL = "(no label)"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeAnswer:
    """What one node said. `filters`: yes, NO, or - where an earlier NO ended the questions."""

    node: str
    filters: tuple[str, ...]
    refused_by: str  # the name of the filter, empty when the node could have taken the task
    branch: tuple[str, ...]  # its values of the labels that tasks are spread over
    failures: int  # recent ones of this service there, when there are five or more; else 0
    of_service: int  # active tasks of the service
    active: int  # active tasks at all

    @property
    def rank(self) -> tuple[int, int, int]:
        """The smaller, the better."""
        return self.failures, self.of_service, self.active


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """One decision of the scheduler; prints as a table, and `rows` is the data."""

    task: str  # `web.3`
    at_ns: int
    chosen: str  # the node's name, empty for a task that found none
    together: int  # tasks that were placed in one go, this one among them; all counts are older
    columns: tuple[str, ...]  # the filters that concern the task, in order
    rows: tuple[NodeAnswer, ...]
    tree: tuple[tuple[int, str, int], ...]  # (depth, `node.labels.az=a`, tasks below)
    sentence: str

    def _cells(self) -> list[tuple[str, ...]]:
        cells = []
        for row in self.rows:
            ranks = (str(row.failures), str(row.of_service), str(row.active))
            mark = "<- here" if row.node == self.chosen else ""
            cells.append((row.node, *row.filters, *(("",) * 3 if row.refused_by else ranks), mark))
        return cells

    @property
    def _head(self) -> tuple[str, ...]:
        return ("node", *self.columns, "failures", "of this service", "tasks", "")

    def __str__(self) -> str:
        table = [self._head, *self._cells()]
        widths = [max(len(row[i]) for row in table) for i in range(len(self._head))]
        lines = [
            "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip()
            for row in table
        ]
        tree = [f"{'  ' * depth}{what}: {count} tasks" for depth, what, count in self.tree]
        return "\n".join([self.sentence, "", *lines, *([""] if tree else []), *tree])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        def row(cells: tuple[str, ...], tag: str) -> str:
            return "<tr>" + "".join(f"<{tag}>{escape(c)}</{tag}>" for c in cells) + "</tr>"

        body = "".join(row(cells, "td") for cells in self._cells())
        tree = "".join(
            f"<div style='margin-left:{depth}em'>{escape(what)}: {count} tasks</div>"
            for depth, what, count in self.tree
        )
        sentence = escape(self.sentence)
        return f"<p>{sentence}</p><table>{row(self._head, 'th')}{body}</table>{tree}"


def explain(
    scheduler: Scheduler, task: Task, at_ns: int, chosen: str, together: int
) -> Explanation:
    """Ask every node about `task`, as it was before it had a node."""
    pipeline = Pipeline(task)
    columns = tuple(f.name for f in pipeline.filters)
    infos = list(scheduler.nodes.values())
    # A preference that is no label descriptor makes no level in the tree.
    heard = [p for p in task.spec.preferences if any(label(i.node, p) is not None for i in infos)]
    rows = tuple(_answer(info, task, pipeline, heard, at_ns) for info in sorted(infos, key=_name))
    tree = build_tree(infos, task, Pipeline(task), task.spec.preferences)
    name = f"{task.service_name}.{task.slot or task.node_id}"
    return Explanation(
        task=name,
        at_ns=at_ns,
        chosen=chosen,
        together=together,
        columns=columns,
        rows=rows,
        tree=tuple(_branches(tree, heard)),
        sentence=_sentence(name, chosen, at_ns, rows, bool(tree.branches)),
    )


def _name(info: NodeInfo) -> str:
    return info.node.hostname or info.node.id


def _answer(
    info: NodeInfo, task: Task, pipeline: Pipeline, preferences: list[str], at_ns: int
) -> NodeAnswer:
    refusal = pipeline.first_refusal(info)
    names = [f.name for f in pipeline.filters]
    end = names.index(refusal.name) if refusal else len(names)
    answers = [YES] * end + ([NO] if refusal else [])
    failures, of_service, active = rank(info, task, at_ns)
    return NodeAnswer(
        node=_name(info),
        filters=tuple(answers + [UNASKED] * (len(names) - len(answers))),
        refused_by=refusal.name if refusal else "",
        branch=tuple(label(info.node, preference) or NO_LABEL for preference in preferences),
        failures=failures,
        of_service=of_service,
        active=active,
    )


def _branches(branch: Branch, preferences: list[str], depth: int = 0) -> list[tuple[int, str, int]]:
    found = []
    for value, child in sorted(branch.branches.items()):
        what = f"{preferences[depth]}={value or NO_LABEL}"
        found.append((depth, what, child.active_count))
        found += _branches(child, preferences, depth + 1)
    return found


def _sentence(
    name: str, chosen: str, at_ns: int, rows: tuple[NodeAnswer, ...], spread: bool
) -> str:
    when = f"{name}, at {at_ns / S:.1f} s"
    fit = [row for row in rows if not row.refused_by]
    if not chosen:
        counts = {f.name: sum(r.refused_by == f.name for r in rows) for f in FILTERS}
        why = "; ".join(f.explain(counts[f.name]) for f in FILTERS if counts[f.name])
        return f"{when}: no node. {why or 'Every node could take it; it waits for its turn'}."
    best = min((row.rank for row in fit), default=(0, 0, 0))
    equal = [row.node for row in fit if row.rank == best]
    where = f"{when}: {chosen}, one of {len(fit)} nodes of {len(rows)} that pass every filter."
    if spread:
        return (
            f"{where} The spread preference shares tasks out branch by branch, the emptier first."
        )
    if chosen in equal and len(equal) > 1:
        return f"{where} {len(equal)} were equally good ({', '.join(equal)}): chance decided."
    return f"{where} Fewest tasks of the service wins, then fewest tasks at all."
