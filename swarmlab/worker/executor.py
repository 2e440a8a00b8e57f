"""The executor: makes the controller of each task that the node is assigned.

Source: swarmkit agent/exec/executor.go; moby daemon/cluster/executor/container/executor.go.
"""

from __future__ import annotations

from dataclasses import dataclass

from swarmlab.model import Document, Task
from swarmlab.worker.container_spec import check_task
from swarmlab.worker.containers import Containers
from swarmlab.worker.controller import AttachmentController, Controller
from swarmlab.worker.secrets import Dependencies


@dataclass(eq=False, repr=False)
class Executor:
    """What the controllers of one node share."""

    containers: Containers
    dependencies: Dependencies
    description: Document  # Docker's node description, as the manager knows it

    def controller(self, task: Task) -> Controller:
        """A controller for `task`; raises a SwarmError when the spec cannot run on this node."""
        if "NetworkAttachmentSpec" in task.spec:
            return AttachmentController(task, self.containers, self.dependencies, self.description)
        check_task(task)
        return Controller(task, self.containers, self.dependencies, self.description)
