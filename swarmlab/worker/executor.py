"""What the steps of a task's life do with a container: SwarmKit's controller for one task.

Source: moby daemon/cluster/executor/container/{controller,adapter,container,validate}.go.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from swarmlab.errors import BadParameter, EngineFault, EngineRefusal, NoSuchObject
from swarmlab.model import EMPTY, Config, Document, Secret, Task, freeze
from swarmlab.simulation import Call, S
from swarmlab.worker.commands import ROOT, File
from swarmlab.worker.containers import Container, Containers
from swarmlab.worker.registry import Reference

GOSSIP_NS = 2 * S  # between leaving the load balancer and the stop signal
TEMPLATE = re.compile(r"\{\{\s*(.*?)\s*\}\}")


@dataclass
class Dependencies:
    """The secrets and configs that the manager sent to this node; in memory, nowhere else."""

    secrets: dict[str, Secret] = field(default_factory=dict, repr=False)
    configs: dict[str, Config] = field(default_factory=dict, repr=False)


class Controller:
    """Every step answers with a Call; none after `cancel`."""

    def __init__(
        self, task: Task, containers: Containers, dependencies: Dependencies, node: Document
    ) -> None:
        self.task = task
        self.containers = containers
        self.dependencies = dependencies
        self.node = node  # its description
        self.unhealthy = False
        self._watched: Call | None = None  # start, until healthy, or wait, until it exits
        self._starting = False
        self._attempt = 0
        check_task(task)

    @property
    def container(self) -> Container:
        found = self.containers.find(self.task.name)
        if found is None:
            raise NoSuchObject(f"No such container: {self.task.name}")
        return found

    @property
    def status(self) -> Document | None:
        """Docker's ContainerStatus."""
        found = self.containers.find(self.task.name)
        if found is None:
            return None
        return Document(ContainerID=found.id, PID=found.pid, ExitCode=found.exit_code)

    @property
    def ports(self) -> tuple[Document, ...]:
        """The host-mode ports in use."""
        found = self.containers.find(self.task.name)
        rows = [
            Document(Protocol=port.partition("/")[2], TargetPort=int(port.partition("/")[0]),
                     PublishedPort=number, PublishMode="host")
            for port, numbers in (found.ports.items() if found else ())
            for number in numbers
        ]  # fmt: skip
        return tuple(rows)

    def cancel(self) -> None:
        self._attempt += 1
        self._watched = None

    # -- steps -----------------------------------------------------------------
    def prepare(self) -> Call:
        """Pull the image and create the container; a failed pull matters only without the image."""
        answer, image = Call(), self.task.spec.image
        images = self.containers.images
        by_content = "@" in image or image.startswith("sha256:")
        if by_content and image in images:
            self._create(Call().resolve(), answer, self._attempt)
        else:
            images.pull(image).then(self._create, answer, self._attempt)
        return answer

    def _create(self, _: Call, answer: Call, attempt: int) -> None:
        if attempt != self._attempt:
            return
        try:
            if self.containers.find(self.task.name) is None:
                config = container_config(self.task, self.node)
                container = self.containers.create(self.task.name, config)
                container.watcher = self._seen
            answer.resolve()
        except EngineRefusal as error:
            answer.fail(error)

    def start(self) -> Call:
        """Answered once it runs and, if there is a health check, is healthy."""
        container, answer = self.container, Call()
        if container.state != "created":  # it was started in an earlier life of the agent
            return answer.resolve()
        try:
            container.files.update(dependency_files(self.task, self.dependencies))
        except EngineRefusal as error:
            return answer.fail(EngineFault(f"starting container failed: {error}"))
        self._watched, self._starting = answer, True
        self.containers.start(container).then(self._started, container, answer)
        return answer

    def _started(self, started: Call, container: Container, answer: Call) -> None:
        if started.error:
            answer.fail(EngineFault(f"starting container failed: {started.error}"))
        elif container.health is None:
            answer.resolve()

    def wait(self) -> Call:
        """Answered when it exits with 0; any other code is an error."""
        answer, container = Call(), self.container
        self._watched, self._starting = answer, False
        container.watcher = self._seen
        if container.state == "exited":
            self._exited(container)
        return answer

    def _seen(self, action: str) -> None:
        """An event of the container."""
        if self._watched is None:
            return
        if action == "die":
            self._exited(self.container)
        elif action == "destroy":
            self._watched.fail(EngineFault("dockerexec: container destroyed"))
        elif action == "health_status: healthy" and self._starting:
            self._watched.resolve()
        elif action == "health_status: unhealthy":
            self.unhealthy = True
            self.shutdown()

    def _exited(self, container: Container) -> None:
        assert self._watched is not None
        if container.exit_code == 0:  # even of an unhealthy one: Docker's rule
            self._watched.resolve()
            return
        reason = "dockerexec: unhealthy container" if self.unhealthy else container.error
        text = f"task: non-zero exit ({container.exit_code})"
        self._watched.fail(EngineFault(f"{text}: {reason}" if reason else text))

    def shutdown(self) -> Call:
        """Leave the load balancer, let that be known, then stop within the grace."""
        answer = Call()
        names = [network.at("Network", "Spec", "Name") for network in self.task.networks]
        if any(name != "bridge" for name in names):
            self.containers.machine.after(GOSSIP_NS, self._stop, answer)
        else:
            self._stop(answer)
        return answer

    def _stop(self, answer: Call) -> None:
        found = self.containers.find(self.task.name)
        if found is None:
            answer.resolve()
        else:
            self.containers.stop(found, self.task.spec.stop_grace_ns).then(self._stopped, answer)

    def _stopped(self, stopped: Call, answer: Call) -> None:
        answer.follow(stopped)

    def remove(self) -> None:
        """Stop and remove the container, in the background."""
        self.cancel()
        self.shutdown().then(self._remove)

    def _remove(self, _: Call) -> None:
        if found := self.containers.find(self.task.name):
            self.containers.remove(found, force=True)


# -- from a task to a container ------------------------------------------------------------------
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


def expand(text: str, task: Task, node: Document, more: Mapping[str, str] | None = None) -> str:
    """The Go templates that Swarm allows. Source: swarmkit template/context.go."""
    known = {
        ".Service.ID": task.service_id, ".Service.Name": task.service_name,
        ".Node.ID": task.node_id, ".Node.Hostname": node.get("Hostname", ""),
        ".Node.Platform.Architecture": node.at("Platform", "Architecture", default=""),
        ".Node.Platform.OS": node.at("Platform", "OS", default=""),
        ".Task.ID": task.id, ".Task.Name": task.name, ".Task.Slot": str(task.slot or task.node_id),
        **{f'index .Service.Labels "{key}"': value for key, value in task.service_labels.items()},
        **(more or {}),
    }  # fmt: skip
    return TEMPLATE.sub(lambda found: str(known.get(found[1], "")), text)


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
    command, env = spec.get("Command"), spec.get("Env") or ()
    config: dict[str, Any] = {
        "Image": image, "Entrypoint": command or None, "Cmd": spec.get("Args"),
        "Env": [expand(line, task, node) for line in env],
        "Hostname": expand(spec.get("Hostname") or "", task, node),
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


def dependency_files(task: Task, dependencies: Dependencies) -> dict[str, File]:
    """The secrets and configs that a task's spec names, as files; only those."""
    files: dict[str, File] = {}
    kinds: list[tuple[str, tuple[Document, ...], Mapping[str, Secret | Config]]] = [
        ("secret", task.spec.secrets, dependencies.secrets),
        ("config", task.spec.configs, dependencies.configs),
    ]
    for kind, references, held in kinds:
        for reference in references:
            id, target = reference.get(f"{kind.capitalize()}ID", ""), reference.get("File")
            if target is None:
                continue  # a credential spec: no file
            if id not in held:
                text = f"unable to get {kind} from {kind} store: {kind} {id} not found"
                raise EngineFault(text)
            folder = "/run/secrets/" if kind == "secret" else "/"
            path = target["Name"] if target["Name"].startswith("/") else folder + target["Name"]
            for number in (target.get("UID") or "0", target.get("GID") or "0"):
                if not str(number).isdigit():
                    raise EngineFault(f'strconv.Atoi: parsing "{number}": invalid syntax')
            files[path] = File(
                held[id].data, target.get("Mode") or 0o444,
                int(target.get("UID") or 0), int(target.get("GID") or 0),
            )  # fmt: skip
    return files
