"""The controller of one task: the steps of the task's life, done to its container.

Source: swarmkit agent/exec/controller.go (the interface); moby
daemon/cluster/executor/container/{controller,adapter}.go.
"""

from __future__ import annotations

from dataclasses import dataclass

from swarmlab.errors import EngineFault, EngineRefusal, NoSuchObject
from swarmlab.model import Document, Task
from swarmlab.programs.file_system import FileError, MountPoint
from swarmlab.simulation import Call, S
from swarmlab.worker.container_spec import container_config
from swarmlab.worker.containers import Container, Containers
from swarmlab.worker.secrets import Dependencies, dependency_files

GOSSIP_NS = 2 * S  # between leaving the load balancer and the stop signal


@dataclass(eq=False, repr=False)
class Controller:
    """Each step returns a Call; after `cancel`, no earlier Call is resolved any more."""

    task: Task
    containers: Containers
    dependencies: Dependencies
    node: Document  # its description

    def __post_init__(self) -> None:
        self.unhealthy = False
        self.in_load_balancer = True  # until an orderly stop begins
        self._pending: Call | None = None  # start, until healthy; or wait, until it exits
        self._starting = False
        self._attempt = 0

    @property
    def existing_container(self) -> Container | None:
        return self.containers.find(self.task.name)

    @property
    def container(self) -> Container:
        if container := self.existing_container:
            return container
        raise NoSuchObject(f"No such container: {self.task.name}")

    @property
    def status(self) -> Document | None:
        """Docker's ContainerStatus."""
        container = self.existing_container
        if container is None:
            return None
        return Document(ContainerID=container.id, PID=container.pid, ExitCode=container.exit_code)

    @property
    def ports(self) -> tuple[Document, ...]:
        """The host-mode ports in use, as Docker's PortConfig."""
        container = self.existing_container
        rows = []
        for port, numbers in container.ports.items() if container else ():
            target, _, protocol = port.partition("/")
            number = int(target) or None  # Go leaves out a zero
            row = Document(Protocol=protocol, TargetPort=number, PublishMode="host").with_()
            rows += [row.with_(PublishedPort=number) for number in numbers]
        return tuple(rows)

    def cancel(self) -> None:
        self._attempt += 1
        self._pending = None

    # -- steps -----------------------------------------------------------------
    def prepare(self) -> Call:
        """Wait until the node is attached to the task's networks, then pull and create."""
        result = Call()
        networks = [network["Network"]["ID"] for network in self.task.networks]
        self.containers.network.ready(networks).then(self._pull, result, self._attempt)
        return result

    def _pull(self, attached: Call, result: Call, attempt: int) -> None:
        """Pull the image; that this fails matters only without the image."""
        if attached.error:
            result.fail(attached.error)
        elif attempt == self._attempt:
            image, images = self.task.spec.image, self.containers.images
            by_content = "@" in image or image.startswith("sha256:")
            pulled = Call().resolve() if by_content and image in images else images.pull(image)
            pulled.then(self._create, result, attempt)

    def _create(self, _: Call, result: Call, attempt: int) -> None:
        if attempt != self._attempt:
            return
        try:
            if self.existing_container is None:
                config = container_config(self.task, self.node)
                self.containers.create(self.task.name, config).watcher = self._on_event
            result.resolve()
        except EngineRefusal as error:
            result.fail(error)

    def start(self) -> Call:
        """Resolved when the container runs and, if it has a health check, is healthy."""
        container, result = self.container, Call()
        if container.state != "created":  # an earlier run of the agent started it
            return result.resolve()
        try:
            files = dependency_files(self.task, self.dependencies, self.node)
            for path, file in files.items():
                container.files.mount(MountPoint("tmpfs", "", path, read_only=True), {"": file})
        except (EngineRefusal, FileError) as error:
            return result.fail(EngineFault(f"starting container failed: {error}"))
        self._pending, self._starting = result, True
        self.containers.start(container).then(self._started, container, result)
        return result

    def _started(self, started: Call, container: Container, result: Call) -> None:
        if started.error:
            result.fail(EngineFault(f"starting container failed: {started.error}"))
        elif container.health is None:
            result.resolve()

    def wait(self) -> Call:
        """Resolved when the container exits with 0; any other code is an error."""
        result, container = Call(), self.container
        self._pending, self._starting = result, False
        container.watcher = self._on_event
        if container.state == "exited":
            self._exited(container, result)
        return result

    def _on_event(self, action: str) -> None:
        """An event of the container."""
        if self._pending is None:
            return
        if action == "die":
            self._exited(self.container, self._pending)
        elif action == "destroy":
            self._pending.fail(EngineFault("dockerexec: container destroyed"))
        elif action == "health_status: healthy" and self._starting and not self.unhealthy:
            self._pending.resolve()
            self.containers.network.changed()
        elif action == "health_status: unhealthy":
            self.unhealthy = True
            self.shutdown()

    def _exited(self, container: Container, result: Call) -> None:
        if container.exit_code == 0:  # even if it was unhealthy, as in moby
            result.resolve()
            return
        reason = "dockerexec: unhealthy container" if self.unhealthy else container.error
        text = f"task: non-zero exit ({container.exit_code})"
        result.fail(EngineFault(f"{text}: {reason}" if reason else text))

    def shutdown(self) -> Call:
        """Leave the load balancer, wait until other nodes know, then stop within the grace."""
        result, self.in_load_balancer = Call(), False
        self.containers.network.changed()
        names = [network.at("Network", "Spec", "Name") for network in self.task.networks]
        if any(name != "bridge" for name in names):
            self.containers.machine.after(GOSSIP_NS, self._stop, result)
        else:
            self._stop(result)
        return result

    def _stop(self, result: Call) -> None:
        if container := self.existing_container:
            self.containers.stop(container, self.task.spec.stop_grace_ns).then(result.follow)
        else:
            result.resolve()

    def remove(self) -> None:
        """Stop and remove the container, in the background."""
        self.cancel()
        self.shutdown().then(self._remove)

    def _remove(self, _: Call) -> None:
        if container := self.existing_container:
            self.containers.remove(container, force=True, volumes=True)


class AttachmentController(Controller):
    """A container that its user has attached to a network: it is there until it leaves.

    Source: moby daemon/cluster/executor/container/attachment.go.
    """

    def prepare(self) -> Call:
        return Call().resolve()

    def start(self) -> Call:
        (network,) = self.task.networks
        container_id = self.task.spec["NetworkAttachmentSpec"]["ContainerID"]
        id, (address,) = network["Network"]["ID"], network["Addresses"]
        return self.containers.network.attach(container_id, self.task.id, id, address)

    def wait(self) -> Call:
        return Call()

    def shutdown(self) -> Call:
        return Call().resolve()
