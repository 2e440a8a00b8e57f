"""Names, addresses and connections as the programs in containers see them."""

from __future__ import annotations

from swarmlab.engine.create_checks import check_config
from swarmlab.engine.volumes import Volumes
from swarmlab.model import Document
from swarmlab.programs.connections import Loopback, Outcome
from swarmlab.simulation import Machine, Network, Simulation
from swarmlab.worker.containers import Container, Containers
from swarmlab.worker.images import Images
from swarmlab.worker.registry import Registry


class NoProgram:
    def receive(self, source: str, message: object) -> None: ...

    def serve(self, source: str, body: object) -> object: ...

    def shutdown(self) -> None: ...


def alone(image: str, *command: str) -> Container:
    """A running container of an engine without networks."""
    machine = Machine(Network(Simulation(7)), "m1", "10.77.0.2", lambda machine: NoProgram())
    machine.start()
    images = Images(machine, Registry())
    images.pull(image)
    machine.simulation.run_until(60 * 10**9)
    containers = Containers(machine, images, Volumes(machine), check_config)
    container = containers.create("web", Document(Image=image, Cmd=command or None))
    containers.start(container)
    machine.simulation.run_until(70 * 10**9)
    return container


def test_a_server_answers_on_the_ports_that_its_image_exposes():
    container, network = alone("nginx"), Loopback()
    assert container.listens(80)
    assert not container.listens(8080)
    assert network.connect(container, "localhost", 80).server is container
    assert network.connect(container, "localhost", 8080).outcome is Outcome.REFUSED
    assert network.connect(container, "127.0.0.1").outcome is Outcome.ANSWERED


def test_a_container_without_a_server_answers_an_echo_only():
    container, network = alone("nginx", "sleep", "1000"), Loopback()
    assert network.connect(container, container.hostname).outcome is Outcome.ANSWERED
    assert network.connect(container, container.hostname, 80).outcome is Outcome.REFUSED
    assert network.connect(container, "db", 80).outcome is Outcome.NO_SUCH_HOST
