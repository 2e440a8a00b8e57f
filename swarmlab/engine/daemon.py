"""One node's daemon, as dockerd is: images and containers, and a part in a swarm (`swarm_node`)."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from swarmlab.engine.local_resources import LocalResources
from swarmlab.engine.swarm_node import SwarmNode
from swarmlab.engine.wire import swarm_event, tls_info
from swarmlab.manager.ca.certificates import issuer_key_of
from swarmlab.manager.store import Action, Change
from swarmlab.model import Cluster, Document, StoreObject, freeze
from swarmlab.model.versions import ENGINE_VERSION
from swarmlab.simulation import Machine
from swarmlab.worker.containers import Containers
from swarmlab.worker.images import Images
from swarmlab.worker.registry import Registry

EVENTS_KEPT = 1000
LOG_DRIVERS = ("json-file", "local", "syslog")
NETWORK_DRIVERS = ("bridge", "host", "ipvlan", "macvlan", "null", "overlay")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware:
    """What an engine finds on its machine, and how it was configured."""

    cpus: int = 4
    memory_bytes: int = 8 << 30
    labels: Document = field(default_factory=Document)  # the daemon's --label
    architecture: str = "x86_64"


def described(hostname: str, hardware: Hardware) -> Document:
    """Docker's node description but for the certificate.

    Source: moby daemon/cluster/executor/container/executor.go.
    """
    kinds = {"Log": LOG_DRIVERS, "Network": NETWORK_DRIVERS, "Volume": ("local",)}
    engine: dict[str, Any] = {
        "EngineVersion": ENGINE_VERSION,
        "Plugins": [{"Type": kind, "Name": n} for kind, names in kinds.items() for n in names],
    }
    if hardware.labels:
        engine["Labels"] = hardware.labels
    nano_cpus = hardware.cpus * 1_000_000_000
    document: Document = freeze(
        {
            "Hostname": hostname,
            "Platform": {"Architecture": hardware.architecture, "OS": "linux"},
            "Resources": {"NanoCPUs": nano_cpus, "MemoryBytes": hardware.memory_bytes},
            "Engine": engine,
        }
    )
    return document


class EngineProgram:
    """What a simulated machine runs: call it with the machine to boot an engine there."""

    def __init__(self, registry: Registry, hardware: Hardware | None = None) -> None:
        self.registry = registry
        self.hardware = hardware or Hardware()

    def __call__(self, machine: Machine) -> Engine:
        return Engine(machine, self.registry, self.hardware)


class Engine(SwarmNode):
    def __init__(self, machine: Machine, registry: Registry, hardware: Hardware) -> None:
        super().__init__(machine)
        self._described = described(machine.name, hardware)
        self.images = Images(machine, registry)
        self.containers = Containers(machine, self.images)
        self.containers.on_event = self._container_event
        self.local_resources = LocalResources()
        self.events: deque[Document] = deque(maxlen=EVENTS_KEPT)
        self.boot()

    @property
    def is_manager(self) -> bool:
        """Whether its manager component is up."""
        return self.manager is not None

    @property
    def managers(self) -> tuple[tuple[str, str], ...]:
        """(node id, address) of every manager this node knows of; a worker knows no ids."""
        if self.manager is not None:
            return tuple((m.node_id, m.address) for m in self.manager.raft.members.values())
        return tuple(("", address) for address in self.manager_addresses)

    @property
    def description(self) -> Document:
        """Docker's node description: what the machine is, and whose certificate it shows."""
        if self.identity is None:
            return self._described
        root = self.identity.root_certificate
        trust = tls_info(root, issuer_key_of(self.identity.certificate, root))
        return self._described.with_(TLSInfo=trust)

    def shutdown(self) -> None:
        """The machine is stopped in an orderly way."""
        if self.agent is not None:
            self.agent.shutdown()
        self.containers.shutdown()

    # -- events ------------------------------------------------------------------------
    def changed(self, change: Change, before: StoreObject | None) -> None:
        """Something was committed: tell whoever listens to this manager's events."""
        after = None if change.action is Action.REMOVE else change.object
        if isinstance(after, Cluster):
            self.update_autolock(after)
        event = swarm_event(change.action, before, after)
        if event is not None:
            self.events.append(event.with_(time_ns=self.machine.simulation.now_ns))

    def _container_event(self, action: str, container: Any, attributes: dict[str, str]) -> None:
        actor = Document(ID=container.id, Attributes=freeze(attributes))
        self.events.append(
            Document(
                Type="container",
                Action=action,
                Actor=actor,
                scope="local",
                time_ns=self.machine.simulation.now_ns,
            )
        )
