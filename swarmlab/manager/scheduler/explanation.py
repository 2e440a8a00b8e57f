"""Why a task is on its node: the scheduler's decision, explained for one task.

For each node there is the first filter that it did not pass, or its rank; then the tree of
preferences with its counts. The scheduler records nothing for this: the explanation is made from
its state just before it decided.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from swarmlab.manager.constraints import label
from swarmlab.manager.scheduler.filters import Pipeline
from swarmlab.manager.scheduler.node_info import NodeInfo
from swarmlab.manager.scheduler.scheduler import DecisionTreeNode, Scheduler, build_tree, rank
from swarmlab.model import Task

PASSED, FAILED, SKIPPED = "yes", "NO", "-"
NO_LABEL = "(no label)"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeAnswer:
    """The result for one node. `filters`: yes, NO, or - for filters after the first NO."""

    node: str
    role: str
    filters: tuple[str, ...]
    refused_by: str  # the name of the filter; empty when the node was suitable
    branch: tuple[str, ...]  # its values of the labels that tasks are spread over
    failures: int  # recent ones of this service there, when there are five or more; else 0
    of_service: int  # active tasks of the service
    active: int  # active tasks at all
    free: tuple[int, int]  # nano CPUs and bytes of memory

    @property
    def rank(self) -> tuple[int, int, int]:
        """Smaller is better."""
        return self.failures, self.of_service, self.active


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """One decision of the scheduler; `views/placement_explanation.py` shows it."""

    task: str  # `web.3`
    at_ns: int
    chosen: str  # the node's name; empty when there was none
    reason: str  # what `docker service ps` says of a task that waits
    asked: tuple[int, int]  # nano CPUs and bytes of memory that the task reserves
    together: int  # how many tasks were placed at the same time; the counts are from before
    columns: tuple[str, ...]  # the filters that apply to the task, in order
    rows: tuple[NodeAnswer, ...]
    tree: tuple[tuple[int, str, int], ...]  # (depth, `node.labels.az=a`, tasks below)


def explain(
    scheduler: Scheduler, task: Task, at_ns: int, chosen: str, together: int
) -> Explanation:
    """Explain the decision on `task`, as it was before it had a node."""
    pipeline = Pipeline(task)
    columns = tuple(f.name for f in pipeline.filters)
    infos = list(scheduler.nodes.values())
    # A preference that is not a label descriptor adds no level to the tree.
    levels = [p for p in task.spec.preferences if any(label(i.node, p) is not None for i in infos)]
    rows = tuple(_answer(info, task, pipeline, levels, at_ns) for info in sorted(infos, key=_name))
    tree = build_tree(infos, task, Pipeline(task), task.spec.preferences)
    return Explanation(
        task=f"{task.service_name}.{task.slot or task.node_id}",
        at_ns=at_ns,
        chosen=chosen,
        reason=task.status.err,
        asked=(task.spec.reserved.nano_cpus, task.spec.reserved.memory_bytes),
        together=together,
        columns=columns,
        rows=rows,
        tree=tuple(_tree_rows(tree, levels)),
    )


def _name(info: NodeInfo) -> str:
    return info.node.hostname or info.node.id


def _answer(
    info: NodeInfo, task: Task, pipeline: Pipeline, preferences: list[str], at_ns: int
) -> NodeAnswer:
    refusal = pipeline.first_refusal(info)
    names = [f.name for f in pipeline.filters]
    end = names.index(refusal.name) if refusal else len(names)
    results = [PASSED] * end + ([FAILED] if refusal else [])
    failures, of_service, active = rank(info, task, at_ns)
    return NodeAnswer(
        node=_name(info),
        role=info.node.role,
        filters=tuple(results + [SKIPPED] * (len(names) - len(results))),
        refused_by=refusal.name if refusal else "",
        branch=tuple(label(info.node, preference) or NO_LABEL for preference in preferences),
        failures=failures,
        of_service=of_service,
        active=active,
        free=(info.free_nano_cpus, info.free_memory_bytes),
    )


def _tree_rows(tree: DecisionTreeNode, preferences: list[str]) -> Iterator[tuple[int, str, int]]:
    waiting = [(-1, "", tree)]  # no recursion: users give any number of preferences
    while waiting:
        depth, value, branch = waiting.pop()
        if depth >= 0:
            yield depth, f"{preferences[depth]}={value or NO_LABEL}", branch.active_count
        below = sorted(branch.branches.items(), reverse=True)
        waiting += [(depth + 1, value, child) for value, child in below]
