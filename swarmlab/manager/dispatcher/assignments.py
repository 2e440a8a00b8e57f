"""The assignments of one agent: which tasks, secrets and configs it is to be sent next.

An agent gets all tasks of its node from ASSIGNED on, and those secrets and configs that its tasks
refer to as long as they may run. Source: swarmkit manager/dispatcher/assignments.go.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar

from swarmlab.manager.secrets import needed_by
from swarmlab.manager.store import Store
from swarmlab.model import Config, Secret, Task, TaskState
from swarmlab.model.messages import Assignments

T = TypeVar("T")


@dataclass(slots=True)
class SentAssignments:
    """What an agent has been sent in its session, and which tasks have changed since."""

    session_id: str
    node_id: str
    number: int = 0  # of the last message
    tasks: dict[str, Task] = field(default_factory=dict)
    secret_ids: tuple[str, ...] = ()
    config_ids: tuple[str, ...] = ()
    changed: dict[str, None] = field(default_factory=dict)  # ids of tasks to look at again
    # The tasks that may run and refer to a secret or config.
    _dependents: dict[str, Task] = field(default_factory=dict)

    def next_message(self, view: Store, complete: bool) -> Assignments | None:
        """What has changed (`complete`: everything); None when the agent knows it all."""
        if complete:
            self.changed = {task.id: None for task in view.tasks_of_node(self.node_id)}
        changed, self.changed = {id: view.tasks.get(id) for id in self.changed}, {}
        assigned = {i: t for i, t in changed.items() if t and t.state >= TaskState.ASSIGNED}
        tasks = {id: task for id, task in assigned.items() if self._must_send(task)}
        removed = tuple(id for id in changed if id not in assigned and id in self.tasks)
        unfinished = {i: task for i, task in assigned.items() if task.state <= TaskState.RUNNING}
        for id in changed:
            self._dependents.pop(id, None)
            if id in unfinished and (unfinished[id].spec.secrets or unfinished[id].spec.configs):
                self._dependents[id] = unfinished[id]
        users = self._dependents.values()
        secrets, configs = needed_by(users, Secret, view), needed_by(users, Config, view)
        new_secrets, removed_secrets = _difference(self.secret_ids, secrets)
        new_configs, removed_configs = _difference(self.config_ids, configs)
        self.secret_ids, self.config_ids = tuple(secrets), tuple(configs)
        self.tasks |= tasks
        for id in removed:
            del self.tasks[id]
        # A secret is only new together with a task that refers to it.
        if not (complete or tasks or removed or removed_secrets or removed_configs):
            return None
        self.number += 1
        return Assignments(
            self.session_id,
            self.number,
            complete,
            tuple(tasks.values()),
            removed,
            new_secrets,
            removed_secrets,
            new_configs,
            removed_configs,
        )

    def _must_send(self, task: Task) -> bool:
        """Whether the task is new to the agent, or has changed in more than its status."""
        sent = self.tasks.get(task.id)
        return (
            sent is None
            or sent.desired != task.desired
            or sent.spec != task.spec
            or sent.networks != task.networks
            or sent.generic_resources != task.generic_resources
        )


def _difference(
    sent_ids: tuple[str, ...], needed: dict[str, T]
) -> tuple[tuple[T, ...], tuple[str, ...]]:
    """(objects that are new, ids that are no longer needed)."""
    new = tuple(object for id, object in needed.items() if id not in sent_ids)
    return new, tuple(id for id in sent_ids if id not in needed)
