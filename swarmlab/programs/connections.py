"""What a program sees of the networks of its container: names, addresses, connections.

`network.data_path` implements it; a container without a network has `Loopback`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple, Protocol

from swarmlab.programs.interface import ProcessContainer
from swarmlab.simulation import Call

LOCALHOST = "127.0.0.1"


class Outcome(StrEnum):
    ANSWERED = "answered"
    REFUSED = "connection refused"  # the host is up, and nothing listens on that port
    TIMED_OUT = "timed out"  # nothing came back
    NO_SUCH_HOST = "no such host"  # the name has no address


class Connection(NamedTuple):
    """What came of connecting to a host and a port."""

    outcome: Outcome
    address: str = ""  # the one that was asked, of those that the name has
    server: ProcessContainer | None = None  # who answered; None: a host outside of the swarm
    client: str = ""  # the address that the server sees
    round_trip_ns: int = 0


class ContainerNetwork(Protocol):
    """The networks of one node, as its containers use them."""

    def resolve(self, container: ProcessContainer, name: str) -> list[str]:
        """The addresses of `name`, which may be an address itself; none: no such host."""

    def connect(
        self, container: ProcessContainer, host: str, port: int | None = None
    ) -> Connection:
        """Connect to `port` of a name or an address; without a port, send an ICMP echo."""


class NodeNetwork(ContainerNetwork, Protocol):
    """What the worker tells the networks of its node."""

    def ready(self, networks: list[str]) -> Call:
        """Resolved when the node's load balancer has an address in each of these networks."""

    def join(self, container: ProcessContainer) -> Call:
        """Connect a container that starts to its networks; fails as the engine would."""

    def leave(self, container: ProcessContainer) -> None:
        """The container has stopped."""

    def attach(self, container_id: str, attachment_id: str, network: str, address: str) -> Call:
        """A manager has allocated the address that a container asked for."""

    def changed(self) -> None:
        """A task enters or leaves load balancing."""


class Loopback:
    """A container's own interface and nothing else."""

    def ready(self, networks: list[str]) -> Call:
        return Call().resolve()

    def join(self, container: ProcessContainer) -> Call:
        return Call().resolve()

    def attach(self, container_id: str, attachment_id: str, network: str, address: str) -> Call:
        return Call().resolve()

    def leave(self, container: ProcessContainer) -> None: ...

    def changed(self) -> None: ...

    def resolve(self, container: ProcessContainer, name: str) -> list[str]:
        own = name in ("localhost", LOCALHOST, container.hostname)
        return [LOCALHOST] if own else []

    def connect(
        self, container: ProcessContainer, host: str, port: int | None = None
    ) -> Connection:
        if not self.resolve(container, host):
            return Connection(Outcome.NO_SUCH_HOST)
        if container.process and container.process.frozen and port is not None:
            return Connection(Outcome.TIMED_OUT, LOCALHOST)
        answers = port is None or container.listens(port)
        outcome = Outcome.ANSWERED if answers else Outcome.REFUSED
        return Connection(outcome, LOCALHOST, container, LOCALHOST)
