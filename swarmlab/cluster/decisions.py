"""Why the scheduler placed a task: its decision made again, from the state in which it was made."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from swarmlab.errors import LabError, NoneSuch
from swarmlab.manager.scheduler.explanation import Explanation, explain
from swarmlab.manager.scheduler.scheduler import Scheduler
from swarmlab.model.trace_records import Scheduled
from swarmlab.views.html import ShownAs, Table
from swarmlab.views.placement_explanation import table_of

if TYPE_CHECKING:
    from swarmlab.manager.manager import Manager
    from swarmlab.manager.store import Store
    from swarmlab.model import Task


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Decision(ShownAs, Explanation):
    """A decision of the scheduler on one task, as data, which is shown as `explain` does.

    `cluster.decision("web.1").chosen`. Lesson: 07_placement.
    """

    @property
    def shown_as(self) -> Table:
        return table_of(self)


def decision_of(cluster: Any, task: str) -> Decision:
    """The decision on `task`."""
    found = _explained(cluster, task)
    return Decision(**{field.name: getattr(found, field.name) for field in fields(found)})


def _explained(cluster: Any, task: str) -> Explanation:
    """A past decision is that of the run, replayed up to just before."""
    stored = find_task(leading_manager(cluster).store, task)
    for record in cluster.trace.of(Scheduled):
        for _, task_id, node in record.placements:
            if task_id == stored.id:
                scheduler = scheduler_of(leading_manager(cluster.as_of(f"{record.at_ns - 1}ns")))
                tasks = scheduler.unassigned | scheduler.preassigned
                before = tasks.get(task_id, stored)
                return explain(scheduler, before, record.at_ns, node, len(record.placements))
    return explain(scheduler_of(leading_manager(cluster)), stored, cluster.now_ns, "", 0)


def leading_manager(cluster: Any) -> Manager:
    """The manager of a simulated cluster that leads now; LabError when there is none."""
    for engine in filter(None, map(cluster.engine, cluster.names)):
        manager: Manager | None = engine.manager
        if manager is not None and manager.raft.is_leader:
            return manager
    raise LabError("there is no leader now, so no scheduler runs")


def scheduler_of(leader: Manager) -> Scheduler:
    return next(loop for loop in leader.control_loops if isinstance(loop, Scheduler))


def find_task(store: Store, reference: str) -> Task:
    """The newest task of a slot such as `web.3`, or the task of this id or name."""
    tasks = sorted(store.tasks.values(), key=lambda task: (task.created_ns, task.id))
    for task in reversed(tasks):
        node = store.nodes.get(task.node_id)
        # A task of a global service is known by its node: `web.w1`.
        instance = task.slot or (node.hostname if node is not None else "")
        if reference in (f"{task.service_name}.{instance}", task.id, task.name):
            return task
    slots = sorted({f"{task.service_name}.{task.slot}" for task in tasks if task.slot})
    raise NoneSuch("there is no task {name!r}; there are {known}", reference, slots)
