"""The task reaper: deletes tasks that have ended and are to be removed, and excess history.

Source: swarmkit manager/orchestrator/taskreaper/task_reaper.go.
"""

from __future__ import annotations

from swarmlab.manager.control_loop import ControlLoop
from swarmlab.manager.store import Change, Store, remove
from swarmlab.manager.tasks import history_limit
from swarmlab.model import Cluster, Service, StoreObject, Task, TaskState
from swarmlab.simulation import MS

INTERVAL_NS = 250 * MS


def is_reapable(task: Task) -> bool:
    """Whether a task is to be deleted now, whatever its age."""
    if task.desired == TaskState.REMOVE:
        return task.state < TaskState.ASSIGNED or task.state >= TaskState.COMPLETE
    return not task.service_id and task.state >= TaskState.ORPHANED


def limit_of(service: Service, cluster: Cluster) -> int:
    """How many tasks a slot keeps: enough to count its attempts, else the swarm's limit."""
    attempts = service.spec.task.restart.max_attempts
    return attempts + 1 if attempts > 0 else history_limit(cluster)


def is_deletable(task: Task) -> bool:
    """Whether the task has ended, or will never run."""
    never = task.state < TaskState.ASSIGNED and task.desired > TaskState.RUNNING
    return task.state > TaskState.RUNNING or never


def beyond_limit(slot: list[Task], limit: int) -> list[Task]:
    """The oldest tasks of a slot to delete so that `limit` of all its tasks remain.

    A negative limit means no limit.
    """
    if limit < 0:
        return []
    oldest = sorted(filter(is_deletable, slot), key=lambda task: (task.stamp_ns, task.id))
    return oldest[: max(0, len(slot) - limit)]


class TaskReaper(ControlLoop):
    watches = (Task,)
    debounce_ns = debounce_ns_max = INTERVAL_NS

    def __init__(self, view: Store) -> None:
        self._new: dict[str, Task] = {}  # one task of each slot that grew
        self._orphans: dict[str, None] = {}
        for task in view.all(Task):
            gone = task.service_id and task.service_id not in view.services  # under the last leader
            if gone or is_reapable(task):
                self._orphans[task.id] = None

    def see(self, old: StoreObject | None, new: StoreObject | None) -> bool:
        if not isinstance(new, Task):
            return False
        if old is None:
            self._new[f"{new.service_id} {new.slot or new.node_id}"] = new
        if is_reapable(new):
            self._orphans[new.id] = None
            return True
        return bool(self._new)

    def decide(self, view: Store) -> list[Change]:
        reaped = {id: view.tasks[id] for id in self._orphans if id in view.tasks}
        still_full: dict[str, Task] = {}
        for key, task in self._new.items():
            service = view.services.get(task.service_id)
            if service is None or service.spec.mode.endswith("-job"):
                continue
            slot, limit = view.tasks_of_slot(task), limit_of(service, view.cluster)
            reaped |= {task.id: task for task in beyond_limit(slot, limit)}
            kept = [task for task in slot if not is_deletable(task)]
            if 0 <= limit < len(slot) and len(kept) > 1:
                still_full[key] = task  # check again when one of them has stopped
        self._new, self._orphans = still_full, {}
        return [remove(task) for task in reaped.values()]
