"""The key manager: the keys with which the agents encrypt gossip and encrypted overlays.

A new leader replaces the oldest key of each kind, and then does so every 12 hours. Three are kept:
the newest is known everywhere before it is used, and the oldest after it was used, so that no node
must change its key at the same moment as another.
Source: swarmkit manager/keymanager/keymanager.go.
"""

from __future__ import annotations

from hashlib import sha256

from swarmlab.manager.control_loop import ControlLoop
from swarmlab.manager.store import Change, Store, update
from swarmlab.model import Cluster, EncryptionKey, StoreObject
from swarmlab.simulation import HOUR, Simulation

SUBSYSTEMS = ("networking:gossip", "networking:ipsec")
ROTATION_INTERVAL_NS, KEYRING_SIZE, KEY_BYTES = 12 * HOUR, 3, 16  # AES-128-GCM


def rotated(cluster: Cluster, seed: int) -> tuple[EncryptionKey, ...]:
    """The keys without the oldest of each kind and with a new one; a new swarm gets all at once."""
    time = max((key.time for key in cluster.encryption_keys), default=0)
    keys: list[EncryptionKey] = []
    for subsystem in SUBSYSTEMS:
        kept = [key for key in cluster.encryption_keys if key.subsystem == subsystem]
        kept = kept[1 - KEYRING_SIZE :]
        for _ in range(KEYRING_SIZE - len(kept)):
            time += 1
            # Not from the simulation's generator: a rotation changes nothing else.
            secret = sha256(f"{seed} {cluster.id} {time}".encode()).digest()[:KEY_BYTES]
            kept.append(EncryptionKey(subsystem, time, secret))
        keys += kept
    return tuple(keys)


class KeyManager(ControlLoop):
    watches = ()

    def __init__(self, simulation: Simulation) -> None:
        self.simulation = simulation
        self.next_ns = simulation.now_ns

    def see(self, old: StoreObject | None, new: StoreObject | None) -> bool:
        return False

    def decide(self, view: Store) -> list[Change]:
        if self.simulation.now_ns < self.next_ns:
            return []
        self.next_ns = self.simulation.now_ns + ROTATION_INTERVAL_NS
        keys = rotated(view.cluster, self.simulation.seed)
        return [update(view.cluster.with_(encryption_keys=keys))]

    def alarm_ns(self) -> int | None:
        return self.next_ns
