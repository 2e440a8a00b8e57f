"""From a task's spec to a container: its create request, its files, what the node refuses.

Source: moby daemon/cluster/executor/container/{container,validate}.go.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from swarmlab.errors import BadParameter, EngineFault
from swarmlab.model import EMPTY, Config, Document, Secret, Task, freeze
from swarmlab.worker.commands import ROOT, File
from swarmlab.worker.registry import Reference

TEMPLATE = re.compile(r"\{\{\s*(.*?)\s*\}\}")


@dataclass
class Dependencies:
    """The secrets and configs that the manager sent to this node; in memory, nowhere else."""

    secrets: dict[str, Secret] = field(default_factory=dict, repr=False)
    configs: dict[str, Config] = field(default_factory=dict, repr=False)


def check_task(task: Task) -> None:
    """What makes SwarmKit say `resolving controller failed`."""
    if not task.spec.get("ContainerSpec"):
        raise BadParameter("exec: unsupported runtime")
    if not task.spec.image:
        raise BadParameter("dockerexec: image required")
    for mount in task.spec.container.at("Mounts", default=()):
        source, target = mount.get("Source") or "", mount.get("Target") or ""
        if not target.startswith("/"):
            raise BadParameter(f"invalid mount target, must be an absolute path: {target}")
        match mount.get("Type"), source.startswith("/"):
            case "bind", False:
                text = "invalid bind mount source, must be an absolute path"
                raise BadParameter(f"{text}: {source}")
            case "volume", True:
                text = "invalid volume mount source, must not be an absolute path"
                raise BadParameter(f"{text}: {source}")
            case "tmpfs", _ if source:
                raise BadParameter("invalid tmpfs source, source must be empty")


class Expansion:
    """The Go templates that Swarm allows, for one task. Source: swarmkit template/context.go."""

    def __init__(self, task: Task, node: Document, more: Mapping[str, str] = EMPTY) -> None:
        labels = {f'index .Service.Labels "{k}"': v for k, v in task.service_labels.items()}
        self.known: dict[str, str] = {
            ".Service.ID": task.service_id, ".Service.Name": task.service_name,
            ".Node.ID": task.node_id, ".Node.Hostname": node.get("Hostname", ""),
            ".Node.Platform.Architecture": node.at("Platform", "Architecture", default=""),
            ".Node.Platform.OS": node.at("Platform", "OS", default=""), ".Task.ID": task.id,
            ".Task.Name": task.name, ".Task.Slot": str(task.slot or task.node_id), **labels, **more,
        }  # fmt: skip

    def of(self, text: str) -> str:
        return TEMPLATE.sub(self._value, text) if "{{" in text else text

    def _value(self, found: re.Match[str]) -> str:
        if found[1] not in self.known:
            raise BadParameter(f"template: expansion: cannot evaluate {found[0]}")
        return self.known[found[1]]


def container_config(task: Task, node: Document) -> Document:
    """The body of `POST /containers/create` for a task."""
    spec, prefix = task.spec.container, "com.docker.swarm"
    for mount in spec.at("Mounts", default=()):
        source = mount.get("Source", "")
        known = source.split("/")[1:2] in [[name] for name in ("", *ROOT, "mnt", "opt", "srv")]
        if mount.get("Type") == "bind" and not known:
            text = (
                f'invalid mount config for type "bind": bind source path does not exist: {source}'
            )
            raise BadParameter(text)
    labels = {f"{prefix}.node.id": task.node_id, f"{prefix}.service.id": task.service_id,
              f"{prefix}.service.name": task.service_name, f"{prefix}.task": "",
              f"{prefix}.task.id": task.id, f"{prefix}.task.name": task.name}  # fmt: skip
    image = spec["Image"]
    if not image.startswith("sha256:"):
        image = Reference.parse(image).familiar
    bindings: dict[str, list[dict[str, str]]] = {}
    for port in (task.endpoint_spec or EMPTY).at("Ports", default=()):
        if port.get("PublishMode") == "host":
            key = f"{port['TargetPort']}/{port.get('Protocol') or 'tcp'}"
            number = str(port.get("PublishedPort") or "")
            bindings.setdefault(key, []).append({"HostPort": number})
    limits = task.spec.at("Resources", "Limits", default=EMPTY)
    command, env, expand = spec.get("Command"), spec.get("Env") or (), Expansion(task, node).of
    config: dict[str, Any] = {
        "Image": image, "Entrypoint": command or None, "Cmd": spec.get("Args"),
        "Env": [expand(line) for line in env], "Hostname": expand(spec.get("Hostname") or ""),
        "User": spec.get("User"), "WorkingDir": spec.get("Dir"), "Tty": spec.get("TTY"),
        "OpenStdin": spec.get("OpenStdin"), "StopSignal": spec.get("StopSignal"),
        "Healthcheck": spec.get("Healthcheck"),
        "Labels": {**(spec.get("Labels") or {}), **labels},
        "HostConfig": {
            "Init": spec.get("Init"), "Mounts": spec.get("Mounts"), "PortBindings": bindings,
            "NanoCpus": limits.get("NanoCPUs"), "Memory": limits.get("MemoryBytes"),
            "ReadonlyRootfs": spec.get("ReadOnly"), "ExtraHosts": spec.get("Hosts"),
        },
        "NetworkingConfig": {
            "EndpointsConfig": {
                network.at("Network", "Spec", "Name", default=""): network
                for network in task.networks
            }
        },
    }  # fmt: skip
    return Document(freeze({key: value for key, value in config.items() if value is not None}))


def dependency_files(task: Task, held: Dependencies, node: Document) -> dict[str, File]:
    """The secrets and configs that a task's spec names, as files; only those."""
    files: dict[str, File] = {}
    more = {f'env "{line.partition("=")[0]}"': line.partition("=")[2]
            for line in task.spec.container.get("Env") or ()}  # fmt: skip
    for kind, references in (("secret", task.spec.secrets), ("config", task.spec.configs)):
        objects: Mapping[str, Secret | Config] = getattr(held, f"{kind}s")
        for reference in references:
            id, target = reference.get(f"{kind.capitalize()}ID", ""), reference.get("File")
            if target is None:
                continue  # a credential spec: no file
            if id not in objects:
                reason = f"{kind} {id} not found"
                raise EngineFault(f"unable to get {kind} from {kind} store: {reason}")
            name, data = target["Name"], objects[id].data
            if driver := objects[id].spec.at("Templating", "Name"):
                if driver != "golang":
                    raise EngineFault("unrecognized template type")
                data = Expansion(task, node, more).of(data.decode()).encode()
            more[f'{kind} "{name}"'] = data.decode(errors="replace")
            folder = "/run/secrets/" if kind == "secret" else "/"
            uid, gid = (str(target.get(key) or "0") for key in ("UID", "GID"))
            for number in (uid, gid):
                if not number.isdigit():
                    raise EngineFault(f'strconv.Atoi: parsing "{number}": invalid syntax')
            path = name if name.startswith("/") else folder + name
            files[path] = File(data, target.get("Mode") or 0o444, int(uid), int(gid))
    return files
