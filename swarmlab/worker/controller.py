"""What the steps of a task's life do with a container: SwarmKit's controller for one task.

Source: moby daemon/cluster/executor/container/{controller,adapter}.go.
"""

from __future__ import annotations

from dataclasses import dataclass

from swarmlab.errors import EngineFault, EngineRefusal, NoSuchObject
from swarmlab.model import Document, Task
from swarmlab.simulation import Call, S
from swarmlab.worker.container_spec import (
    Dependencies,
    check_task,
    container_config,
    dependency_files,
)
from swarmlab.worker.containers import Container, Containers

GOSSIP_NS = 2 * S  # between leaving the load balancer and the stop signal


@dataclass(eq=False, repr=False)
class Controller:
    """Every step answers with a Call; none after `cancel`."""

    task: Task
    containers: Containers
    dependencies: Dependencies
    node: Document  # its description

    def __post_init__(self) -> None:
        self.unhealthy = False
        self.leaving = False  # out of load balancing, for a stop that has begun
        self._watched: Call | None = None  # start, until healthy, or wait, until it exits
        self._starting = False
        self._attempt = 0
        check_task(self.task)

    @property
    def found(self) -> Container | None:
        return self.containers.find(self.task.name)

    @property
    def container(self) -> Container:
        if found := self.found:
            return found
        raise NoSuchObject(f"No such container: {self.task.name}")

    @property
    def status(self) -> Document | None:
        """Docker's ContainerStatus."""
        if found := self.found:
            return Document(ContainerID=found.id, PID=found.pid, ExitCode=found.exit_code)
        return None

    @property
    def ports(self) -> tuple[Document, ...]:
        """The host-mode ports in use."""
        found = self.found
        rows = []
        for port, numbers in found.ports.items() if found else ():
            target, _, protocol = port.partition("/")
            row = Document(Protocol=protocol, TargetPort=int(target), PublishMode="host")
            rows += [row.with_(PublishedPort=number) for number in numbers]
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
        pulled = Call().resolve() if by_content and image in images else images.pull(image)
        pulled.then(self._create, answer, self._attempt)
        return answer

    def _create(self, _: Call, answer: Call, attempt: int) -> None:
        if attempt != self._attempt:
            return
        try:
            if self.found is None:
                config = container_config(self.task, self.node)
                self.containers.create(self.task.name, config).watcher = self._seen
            answer.resolve()
        except EngineRefusal as error:
            answer.fail(error)

    def start(self) -> Call:
        """Answered once it runs and, if there is a health check, is healthy."""
        container, answer = self.container, Call()
        if container.state != "created":  # it was started in an earlier life of the agent
            return answer.resolve()
        try:
            container.files.update(dependency_files(self.task, self.dependencies, self.node))
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
            self._exited(container, answer)
        return answer

    def _seen(self, action: str) -> None:
        """An event of the container."""
        if self._watched is None:
            return
        if action == "die":
            self._exited(self.container, self._watched)
        elif action == "destroy":
            self._watched.fail(EngineFault("dockerexec: container destroyed"))
        elif action == "health_status: healthy" and self._starting:
            self._watched.resolve()
        elif action == "health_status: unhealthy":
            self.unhealthy = True
            self.shutdown()

    def _exited(self, container: Container, answer: Call) -> None:
        if container.exit_code == 0:  # even of an unhealthy one: Docker's rule
            answer.resolve()
            return
        reason = "dockerexec: unhealthy container" if self.unhealthy else container.error
        text = f"task: non-zero exit ({container.exit_code})"
        answer.fail(EngineFault(f"{text}: {reason}" if reason else text))

    def shutdown(self) -> Call:
        """Leave the load balancer, let that be known, then stop within the grace."""
        answer, self.leaving = Call(), True
        names = [network.at("Network", "Spec", "Name") for network in self.task.networks]
        if any(name != "bridge" for name in names):
            self.containers.machine.after(GOSSIP_NS, self._stop, answer)
        else:
            self._stop(answer)
        return answer

    def _stop(self, answer: Call) -> None:
        if found := self.found:
            self.containers.stop(found, self.task.spec.stop_grace_ns).then(answer.follow)
        else:
            answer.resolve()

    def remove(self) -> None:
        """Stop and remove the container, in the background."""
        self.cancel()
        self.shutdown().then(self._remove)

    def _remove(self, _: Call) -> None:
        if found := self.found:
            self.containers.remove(found, force=True)
