""" "Why here?": the scheduler's own questions, asked again about one task, and every answer kept.

One row a node: the first filter that refused it, or its rank; then the preference tree with its
counts. Nothing is recorded while the scheduler works: the table is made from the scheduler's
picture of the nodes as it was just before it decided.
"""

from __future__ import annotations

from dataclasses import dataclass

from swarmlab.manager.constraints import label
from swarmlab.manager.scheduler.filters import Pipeline
from swarmlab.manager.scheduler.node_info import NodeInfo
from swarmlab.manager.scheduler.scheduler import DecisionTreeNode, Scheduler, build_tree, rank
from swarmlab.model import Task

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
    """One decision of the scheduler; `views/why.py` shows it."""

    task: str  # `web.3`
    at_ns: int
    chosen: str  # the node's name, empty for a task that found none
    together: int  # tasks that were placed in one go, this one among them; all counts are older
    columns: tuple[str, ...]  # the filters that concern the task, in order
    rows: tuple[NodeAnswer, ...]
    tree: tuple[tuple[int, str, int], ...]  # (depth, `node.labels.az=a`, tasks below)


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
    return Explanation(
        task=f"{task.service_name}.{task.slot or task.node_id}",
        at_ns=at_ns,
        chosen=chosen,
        together=together,
        columns=columns,
        rows=rows,
        tree=tuple(_tree_rows(tree, heard)),
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


def _tree_rows(
    tree: DecisionTreeNode, preferences: list[str], depth: int = 0
) -> list[tuple[int, str, int]]:
    found = []
    for value, child in sorted(tree.branches.items()):
        what = f"{preferences[depth]}={value or NO_LABEL}"
        found.append((depth, what, child.active_count))
        found += _tree_rows(child, preferences, depth + 1)
    return found
