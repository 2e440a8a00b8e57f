"""The allocator: what a task needs of the network before it may be scheduled.

A NEW task becomes PENDING once its service has its ports and virtual IPs and its networks exist.
Source: swarmkit manager/allocator/network.go.
"""

from __future__ import annotations

from dataclasses import replace

from swarmlab.manager.room import Room
from swarmlab.manager.scheduler import PENDING
from swarmlab.manager.store import Change, Store, update
from swarmlab.model import StoreObject, Task, TaskState, TaskStatus
from swarmlab.simulation import Simulation


class Allocator(Room):
    def __init__(self, simulation: Simulation, view: Store) -> None:
        self.simulation = simulation
        self._new = {task.id: None for task in view.all(Task) if task.state == TaskState.NEW}

    def see(self, old: StoreObject | None, new: StoreObject | None) -> bool:
        if isinstance(new, Task) and new.state == TaskState.NEW:
            self._new[new.id] = None
            return True
        return False

    def decide(self, view: Store) -> list[Change]:
        waiting, self._new = self._new, {}
        now_ns = self.simulation.now_ns
        pending = TaskStatus(state=TaskState.PENDING, timestamp_ns=now_ns, message=PENDING)
        return [
            update(replace(view.tasks[id], status=pending))
            for id in waiting
            if id in view.tasks and view.tasks[id].state == TaskState.NEW
        ]
