"""One node's daemon, as dockerd is: images, containers, networks, volumes; it may be in a swarm."""

from __future__ import annotations

from collections import deque
from typing import Any

from swarmlab.engine.create_checks import check_config
from swarmlab.engine.restarts import RestartMonitor
from swarmlab.engine.swarm_node import SwarmNode
from swarmlab.engine.volumes import Volumes
from swarmlab.engine.wire import swarm_event, tls_info
from swarmlab.manager.ca.certificates import issuer_key_of
from swarmlab.manager.store import Action, Change
from swarmlab.model import Cluster, Document, StoreObject, freeze
from swarmlab.model.messages import SessionChanged
from swarmlab.model.versions import ENGINE_VERSION
from swarmlab.network.data_path import DataPath
from swarmlab.simulation import Machine
from swarmlab.worker.containers import Containers
from swarmlab.worker.images import Images
from swarmlab.worker.registry import Registry

EVENTS_MAX = 1000
PLUGINS = {  # in the order of /info
    "Volume": ("local",),
    "Network": ("bridge", "host", "ipvlan", "macvlan", "null", "overlay"),
    "Log": ("json-file", "local", "syslog"),
}
# Docker's node description, but for the host's name and the certificate; all machines are alike.
# Source: moby daemon/cluster/executor/container/executor.go, Describe.
DESCRIPTION = freeze(
    {
        "Hostname": "",
        "Platform": {"Architecture": "x86_64", "OS": "linux"},
        "Resources": {"NanoCPUs": 4_000_000_000, "MemoryBytes": 8 << 30},
        "Engine": {
            "EngineVersion": ENGINE_VERSION,
            "Plugins": [
                {"Type": type, "Name": name} for type in sorted(PLUGINS) for name in PLUGINS[type]
            ],
        },
    }
)


class Engine(SwarmNode):
    """What runs on one simulated machine, as dockerd does."""

    def __init__(self, machine: Machine, registry: Registry) -> None:
        super().__init__(machine)
        self.events: deque[Document] = deque(maxlen=EVENTS_MAX)
        self._description: Document = DESCRIPTION.with_(Hostname=machine.name)
        self.images = Images(machine, registry)
        self.images.on_event = self._image_event
        self.volumes = Volumes(machine)
        self.volumes.on_event = self.record
        self.containers = Containers(machine, self.images, self.volumes, check_config)
        self.containers.on_event = self._container_event
        self.network = self.containers.network = DataPath(self)
        self.restarts = RestartMonitor(machine, self.containers)
        self.boot()

    @property
    def is_manager(self) -> bool:
        """Whether this node runs a manager."""
        return self.manager is not None

    @property
    def managers(self) -> tuple[tuple[str, str], ...]:
        """(node id, address) of every manager this node knows; a worker knows no ids."""
        if self.manager is not None:
            return tuple((m.node_id, m.address) for m in self.manager.raft.members.values())
        return tuple(("", address) for address in self.manager_addresses)

    @property
    def description(self) -> Document:
        """Docker's node description: the machine, and in a swarm the issuer of its certificate."""
        if self.identity is None:
            return self._description
        root = self.identity.root_certificate
        trust = tls_info(root, issuer_key_of(self.identity.certificate, root))
        return self._description.with_(TLSInfo=trust)

    @property
    def cluster_id(self) -> str:
        """The id of the swarm that this node is in; empty: in none."""
        return self.identity.cluster_id if self.identity is not None else ""

    def session_changed(self, session: SessionChanged) -> None:
        super().session_changed(session)
        self.network.db.use(session.encryption_keys)
        self.network.session_changed(session.node.attachments)

    def _leave(self) -> None:
        super()._leave()
        self.network.session_changed(())

    def shutdown(self) -> None:
        """The machine is shutting down."""
        if self.agent is not None:
            self.agent.shutdown()
        self.containers.shutdown()
        self.network.db.leave()

    # -- events ------------------------------------------------------------------------
    def changed(self, change: Change, before: StoreObject | None) -> None:
        """A change was committed on this manager: add it to the events."""
        after = None if change.action is Action.REMOVE else change.object
        if isinstance(after, Cluster):
            self.update_autolock(after)
        event = swarm_event(change.action, before, after)
        if event is not None:
            self._add_event(event)

    def _image_event(self, action: str, id: str, attributes: dict[str, str]) -> None:
        self.record("image", action, id, **attributes)

    def _container_event(self, action: str, container: Any, attributes: dict[str, str]) -> None:
        self.record("container", action, container.id, **attributes)
        self.restarts.handle(action, container)

    def record(self, type: str, action: str, id: str, /, **attributes: str) -> None:
        """Add an event of something of this engine alone."""
        actor = Document(ID=id, Attributes=freeze(attributes))
        self._add_event(Document(Type=type, Action=action, Actor=actor, scope="local"))

    def _add_event(self, event: Document) -> None:
        self.events.append(Document({**event, "time_ns": self.machine.simulation.now_ns}))
