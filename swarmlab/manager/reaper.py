"""The task reaper: deletes tasks that are to be removed and over, and history beyond the limit.

Source: swarmkit manager/orchestrator/taskreaper/task_reaper.go.
"""

from __future__ import annotations

from swarmlab.manager.room import Room
from swarmlab.manager.slots import history_limit
from swarmlab.manager.store import Change, Store, remove
from swarmlab.model import StoreObject, Task, TaskState
from swarmlab.simulation import MS

INTERVAL_NS = 250 * MS


def is_reapable(task: Task) -> bool:
    """Whether a task is to be deleted now, whatever its age."""
    if task.desired == TaskState.REMOVE:
        return task.state < TaskState.ASSIGNED or task.state >= TaskState.COMPLETE
    return not task.service_id and task.state >= TaskState.ORPHANED


def beyond_limit(slot: list[Task], limit: int) -> list[Task]:
    """The oldest tasks of a slot to delete so that `limit` remain, the live one counted in.

    Only tasks that are over, or that will never run, can go. Below 0 there is no limit.
    """
    policy = slot[0].spec.restart
    if policy.max_attempts > 0:
        limit = policy.max_attempts + 1
    if limit < 0:
        return []
    deletable = [
        task
        for task in sorted(slot, key=lambda task: (task.stamp_ns, task.id))
        if task.state > TaskState.RUNNING
        or (task.state < TaskState.ASSIGNED and task.desired > TaskState.RUNNING)
    ]
    return deletable[: max(0, len(slot) - limit)]


class Reaper(Room):
    debounce_ns = debounce_ns_max = INTERVAL_NS

    def __init__(self, view: Store) -> None:
        self._new: dict[str, Task] = {}  # one task of each slot that grew
        self._orphans: dict[str, None] = {}
        for task in view.all(Task):
            self.see(None, task)
            if task.service_id and task.service_id not in view.services:
                self._orphans[task.id] = None  # its service went under the last leader

    def see(self, old: StoreObject | None, new: StoreObject | None) -> bool:
        if not isinstance(new, Task):
            return False
        if old is None:
            self._new[f"{new.service_id} {new.slot or new.node_id}"] = new
        if is_reapable(new):
            self._orphans[new.id] = None
            return True
        return old is None

    def decide(self, view: Store) -> list[Change]:
        doomed = {id: view.tasks[id] for id in self._orphans if id in view.tasks}
        still_full: dict[str, Task] = {}
        limit = history_limit(view.cluster)
        for key, task in self._new.items():
            service = view.services.get(task.service_id)
            if service is None or service.spec.mode.endswith("-job"):
                continue
            slot = view.tasks_of_slot(task)
            if not slot:
                continue
            old = beyond_limit(slot, limit)
            doomed |= {task.id: task for task in old}
            if len(slot) - len(old) > max(1, limit):
                still_full[key] = task
        self._new, self._orphans = still_full, {}
        return [remove(task) for task in doomed.values()]
