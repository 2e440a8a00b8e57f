"""The secrets and configs that a worker holds in memory, and the files that containers get of them.

The dispatcher sends what the tasks of this node reference; none of it is written to the machine's
disk. A container gets one file for each reference in its task's spec.
Source: swarmkit agent/secrets/secrets.go, agent/configs/configs.go, agent/worker.go; moby
daemon/container_operations_unix.go (setupSecretDir).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from swarmlab.errors import EngineFault
from swarmlab.model import Config, Document, Secret, Task
from swarmlab.model.messages import Assignments
from swarmlab.programs.file_system import File
from swarmlab.templates.task_templates import FUNCTIONS, context_of, expand
from swarmlab.templates.template import Functions


@dataclass
class Dependencies:
    """What the manager sent to this node, by id."""

    secrets: dict[str, Secret] = field(default_factory=dict, repr=False)
    configs: dict[str, Config] = field(default_factory=dict, repr=False)

    def update(self, message: Assignments) -> None:
        """Apply the dispatcher's message; a complete one replaces everything held."""
        if message.complete:
            self.secrets.clear()
            self.configs.clear()
        self.secrets.update((secret.id, secret) for secret in message.secrets)
        self.configs.update((config.id, config) for config in message.configs)
        for id in message.removed_secret_ids:
            self.secrets.pop(id, None)
        for id in message.removed_config_ids:
            self.configs.pop(id, None)


def _text_at(kind: str, texts: Mapping[str, str], target: str) -> str:
    """What the templates' functions `secret` and `config` give."""
    if target not in texts:
        raise ValueError(f"{kind} target {target} not found")
    return texts[target]


def dependency_files(task: Task, dependencies: Dependencies, node: Document) -> dict[str, File]:
    """The files of a task's container, by path: its spec's secrets and configs, and no others.

    A config with a template driver is expanded here, on the node (swarmkit template/context.go);
    `node` is Docker's node description.
    """
    files: dict[str, File] = {}  # by the object's id
    paths: dict[str, list[str]] = {}  # by the object's id
    environment = dict(line.partition("=")[::2] for line in task.spec.container.get("Env") or ())
    texts: dict[str, dict[str, str]] = {"secret": {}, "config": {}}  # by target
    context = context_of(task, node)
    functions: Functions = {
        **FUNCTIONS,
        "env": lambda name: environment.get(name, ""),
        "secret": partial(_text_at, "secret", texts["secret"]),
        "config": partial(_text_at, "config", texts["config"]),
    }
    kinds: tuple[tuple[str, Sequence[Document], Mapping[str, Secret | Config], str], ...] = (
        ("secret", task.spec.secrets, dependencies.secrets, "/run/secrets/"),
        ("config", task.spec.configs, dependencies.configs, "/"),
    )
    for kind, references, objects, folder in kinds:
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
                text = data.decode(errors="surrogateescape")
                data = expand(text, context, functions).encode(errors="surrogateescape")
            texts[kind][name] = data.decode(errors="replace")
            owner = [str(target.get(key) or "0") for key in ("UID", "GID")]
            for number in owner:
                if not re.fullmatch("-?[0-9]{1,18}", number):
                    raise EngineFault(f'strconv.Atoi: parsing "{number}": invalid syntax')
            path = name if name[0] == "/" else folder + name
            # One file of the engine is mounted at all targets: the last one's owner and mode count.
            paths[id] = paths.pop(id, [])  # after those that may have the same path
            paths[id].append(path)
            files[id] = File(data, target.get("Mode") or 0o444, *map(int, owner))
    return {path: files[id] for id, targets in paths.items() for path in targets}
