"""From a task's spec to the create request of its container; which specs the node rejects.

Source: moby daemon/cluster/executor/container/{container,validate}.go.
"""

from __future__ import annotations

from swarmlab.errors import BadParameter
from swarmlab.model import EMPTY, Document, Task
from swarmlab.model.image_reference import ImageReference
from swarmlab.programs.file_system import ROOT
from swarmlab.templates.task_templates import context_of, expand_container

FOLDERS_OF_HOST = ("", *ROOT, "mnt", "opt", "srv")  # what a bind mount may begin with


def check_task(task: Task) -> None:
    """Reject a spec that this node cannot run; the task is then REJECTED.

    Its message is SwarmKit's `resolving controller failed`.
    """
    if not task.spec.get("ContainerSpec"):
        raise BadParameter("exec: unsupported runtime")
    if not task.spec.image:
        raise BadParameter("dockerexec: image required")
    for mount in task.spec.container.at("Mounts", default=()):
        kind, source, target = (mount.get(key) or "" for key in ("Type", "Source", "Target"))
        if not target.startswith("/"):
            raise BadParameter(f"invalid mount target, must be an absolute path: {target}")
        if kind == "tmpfs" and source:
            raise BadParameter("invalid tmpfs source, source must be empty")
        if kind in ("bind", "volume") and source.startswith("/") != (kind == "bind"):
            must = "must be" if kind == "bind" else "must not be"
            raise BadParameter(f"invalid {kind} mount source, {must} an absolute path: {source}")


def container_config(task: Task, node: Document) -> Document:
    """The body of `POST /containers/create` for a task."""
    spec, prefix = task.spec.container, "com.docker.swarm"
    spec = expand_container(spec, context_of(task, node))
    for mount in spec.at("Mounts", default=()):
        source = mount.get("Source", "")
        if mount.get("Type") == "bind" and source.split("/")[1] not in FOLDERS_OF_HOST:
            reason = f"bind source path does not exist: {source}"
            raise BadParameter(f'invalid mount config for type "bind": {reason}')
    image = spec["Image"]
    if not image.startswith("sha256:"):
        image = ImageReference.parse(image).familiar
    bindings: dict[str, list[dict[str, str]]] = {}
    for port in (task.endpoint_spec or EMPTY).at("Ports", default=()):
        if port.get("PublishMode") == "host":
            key = f"{port.get('TargetPort', 0)}/{port.get('Protocol') or 'tcp'}"
            number = str(port.get("PublishedPort") or "")
            bindings.setdefault(key, []).append({"HostPort": number})
    endpoints = {
        network["Network"]["Spec"]["Name"]: {
            "NetworkID": network["Network"]["ID"],
            "IPAMConfig": {"IPv4Address": address.partition("/")[0]},
        }
        for network in task.networks
        for address in network.get("Addresses") or ()
    }
    own = [n["Target"] for n in task.spec.networks if n.get("Target") in ("host", "bridge")]
    limits = task.spec.at("Resources", "Limits", default=EMPTY)
    return Document().with_(
        **{key: spec.get(key) for key in ("User", "OpenStdin", "StopSignal", "Healthcheck")},
        Image=image,
        Entrypoint=spec.get("Command") or None,
        Cmd=spec.get("Args"),
        Env=spec.get("Env"),
        Hostname=spec.get("Hostname"),
        WorkingDir=spec.get("Dir"),
        Tty=spec.get("TTY"),
        Labels={
            **(spec.get("Labels") or {}),
            f"{prefix}.node.id": task.node_id,
            f"{prefix}.service.id": task.service_id,
            f"{prefix}.service.name": task.service_name,
            f"{prefix}.task": "",
            f"{prefix}.task.id": task.id,
            f"{prefix}.task.name": task.name,
        },
        NetworkingConfig={"EndpointsConfig": endpoints},
        HostConfig={
            "NetworkMode": own[0] if own else "default",
            "Init": spec.get("Init"), "Mounts": spec.get("Mounts"), "PortBindings": bindings,
            "NanoCpus": limits.get("NanoCPUs"), "Memory": limits.get("MemoryBytes"),
            "ReadonlyRootfs": spec.get("ReadOnly"), "ExtraHosts": spec.get("Hosts"),
        },
    )  # fmt: skip
