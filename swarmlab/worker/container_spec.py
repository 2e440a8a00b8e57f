"""From a task's spec to a container: its create request, its files, what the node refuses.

Source: moby daemon/cluster/executor/container/{container,validate}.go.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from swarmlab.errors import BadParameter, EngineFault
from swarmlab.model import EMPTY, Config, Document, Secret, Task
from swarmlab.worker.registry import Reference
from swarmlab.worker.shell.builtins import ROOT, File

FOLDERS_OF_HOST = ("", *ROOT, "mnt", "opt", "srv")  # what a bind mount may begin with


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
        kind, source, target = (mount.get(key) or "" for key in ("Type", "Source", "Target"))
        if not target.startswith("/"):
            raise BadParameter(f"invalid mount target, must be an absolute path: {target}")
        if kind == "tmpfs" and source:
            raise BadParameter("invalid tmpfs source, source must be empty")
        if kind in ("bind", "volume") and source.startswith("/") != (kind == "bind"):
            must = "must be" if kind == "bind" else "must not be"
            raise BadParameter(f"invalid {kind} mount source, {must} an absolute path: {source}")


def expand(text: str, task: Task, node: Document, more: Mapping[str, str] = EMPTY) -> str:
    """Fill in the Go templates that Swarm allows. Source: swarmkit template/context.go."""
    known: dict[str, str] = {
        ".Service.ID": task.service_id, ".Service.Name": task.service_name,
        ".Node.ID": task.node_id, ".Node.Hostname": node.get("Hostname", ""),
        ".Node.Platform.Architecture": node.at("Platform", "Architecture", default=""),
        ".Node.Platform.OS": node.at("Platform", "OS", default=""), ".Task.ID": task.id,
        ".Task.Name": task.name, ".Task.Slot": str(task.slot or task.node_id), **more,
        **{f'index .Service.Labels "{key}"': v for key, v in task.service_labels.items()},
    }  # fmt: skip
    literal, *found = re.split(r"\{\{\s*(.*?)\s*\}\}", text)
    for name, rest in zip(found[::2], found[1::2], strict=True):
        if name not in known:
            raise BadParameter(f"template: expansion: cannot evaluate {{{{{name}}}}}")
        literal += known[name] + rest
    return literal


def container_config(task: Task, node: Document) -> Document:
    """The body of `POST /containers/create` for a task."""
    spec, prefix = task.spec.container, "com.docker.swarm"
    for mount in spec.at("Mounts", default=()):
        source = mount.get("Source", "")
        if mount.get("Type") == "bind" and source.split("/")[1] not in FOLDERS_OF_HOST:
            reason = f"bind source path does not exist: {source}"
            raise BadParameter(f'invalid mount config for type "bind": {reason}')
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
    return Document().with_(
        **{key: spec.get(key) for key in ("User", "OpenStdin", "StopSignal", "Healthcheck")},
        Image=image,
        Entrypoint=spec.get("Command") or None,
        Cmd=spec.get("Args"),
        Env=[expand(line, task, node) for line in spec.get("Env") or ()],
        Hostname=expand(spec.get("Hostname") or "", task, node),
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
        HostConfig={
            "Init": spec.get("Init"), "Mounts": spec.get("Mounts"), "PortBindings": bindings,
            "NanoCpus": limits.get("NanoCPUs"), "Memory": limits.get("MemoryBytes"),
            "ReadonlyRootfs": spec.get("ReadOnly"), "ExtraHosts": spec.get("Hosts"),
        },
    )  # fmt: skip


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
                data = expand(data.decode(), task, node, more).encode()
            more[f'{kind} "{name}"'] = data.decode(errors="replace")
            owner = [str(target.get(key) or "0") for key in ("UID", "GID")]
            for number in owner:
                if not number.isdigit():
                    raise EngineFault(f'strconv.Atoi: parsing "{number}": invalid syntax')
            folder = "" if name[0] == "/" else "/run/secrets/" if kind == "secret" else "/"
            files[folder + name] = File(data, target.get("Mode") or 0o444, *map(int, owner))
    return files
