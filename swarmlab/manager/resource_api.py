"""The Resource API: containers that users start on a node attach to networks of the swarm.

Each attachment is a task without a service, on the node of the container.
Source: swarmkit manager/resourceapi/allocator.go.
"""

from __future__ import annotations

from swarmlab import model
from swarmlab.errors import NotFound, PermissionDenied
from swarmlab.manager.leader import Leader
from swarmlab.manager.store import Change, Store, create, remove
from swarmlab.model import messages


def attach_network(view: Store, command: messages.AttachNetwork, leader: Leader) -> list[Change]:
    found = view.get(model.SwarmNetwork, command.network)
    network = found or view.named(model.SwarmNetwork, command.network)
    if network is None:
        raise NotFound(f"network {command.network} not found")
    if not network.spec.get("Attachable"):
        raise PermissionDenied(f"network {command.network} not manually attachable")
    target = model.Document(Target=network.id, Addresses=(command.address,) * bool(command.address))
    attachment = model.Document(ContainerID=command.container_id)
    simulation = leader.simulation
    task = model.Task(
        id=simulation.new_id(),
        service_id="",
        node_id=command.node_id,
        spec=model.TaskSpec(NetworkAttachmentSpec=attachment, Networks=(target,)),
        desired=model.TaskState.RUNNING,
        status=model.TaskStatus(
            state=model.TaskState.NEW, timestamp_ns=simulation.now_ns, message="created"
        ),
    )
    return [create(task)]


def detach_network(view: Store, command: messages.DetachNetwork, leader: Leader) -> list[Change]:
    task = view.tasks.get(command.attachment_id)
    if task is None or task.node_id != command.node_id:
        raise NotFound(f"attachment {command.attachment_id} not found")
    return [remove(task)]
