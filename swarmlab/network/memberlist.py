"""What nodes send each other by gossip, and its times and counts: memberlist's and NetworkDB's.

Source: hashicorp/memberlist {config,suspicion,util}.go; moby
daemon/libnetwork/networkdb/cluster.go.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count
from math import ceil, gcd, log10
from typing import Any, NamedTuple

from swarmlab.model import EncryptionKey
from swarmlab.simulation import MINUTE, MS, S

GOSSIP_INTERVAL_NS, GOSSIP_NODES = 200 * MS, 3
PACKET_BYTES, RECORD_BYTES = 1400, 140  # of a packet (PacketBufferSize), and of a usual record
RETRANSMIT_MULT = 4
PUSH_PULL_INTERVAL_NS = 30 * S
PROBE_INTERVAL_NS, PROBE_TIMEOUT_NS, INDIRECT_CHECKS = 1 * S, 500 * MS, 3
SUSPICION_MULT = 4
RETRY_INTERVAL_NS = 1 * S  # networkdb cluster.go: how often a failed node is tried again
REAP_ENTRY_INTERVAL_NS = 30 * MINUTE  # how long it is remembered that a record was deleted


class TableEntry(NamedTuple):
    """One entry of a table; only the node that owns it changes it (but for a node's state)."""

    topic: str
    key: str
    owner: str  # a machine
    time: int  # Lamport
    value: Any  # None: deleted


class Packet(NamedTuple):
    source: str
    cluster: str  # the swarm whose key encrypts it
    key: int  # which of its keys
    records: tuple[TableEntry, ...]
    topics: tuple[str, ...] = ()  # the tables that the receiver is to send back


class Keyring:
    """The keys that a node can decrypt with, by their Lamport times, oldest first."""

    def __init__(self) -> None:
        self.times: tuple[int, ...] = (0,)

    @property
    def primary(self) -> int:
        """The one it encrypts with: the newest may not have come to all nodes yet.

        Source: moby daemon/libnetwork/agent.go, getPrimaryKeyTag.
        """
        return self.times[len(self.times) // 2]

    def replace(self, keys: Iterable[EncryptionKey]) -> bool:
        """Take over what the managers have sent; whether that is anything new."""
        times = tuple(sorted(key.time for key in keys if key.subsystem == "networking:gossip"))
        before, self.times = self.times, times or self.times
        return self.times != before


def bound_ns(nodes: int) -> int:
    """How long it takes at most until a silent node is declared failed on all nodes of a swarm."""
    spread_ns = GOSSIP_INTERVAL_NS * retransmits(nodes)
    return nodes * PROBE_INTERVAL_NS + 2 * PROBE_INTERVAL_NS + suspicion_ns(nodes) + spread_ns


def suspicion_ns(nodes: int) -> int:
    return int(SUSPICION_MULT * max(1.0, log10(max(1, nodes))) * PROBE_INTERVAL_NS)


def retransmits(nodes: int) -> int:
    """How often a node passes a record on."""
    return RETRANSMIT_MULT * ceil(log10(nodes + 1))


def order(size: int, random: int) -> tuple[int, int]:
    """(first, step): from `first` on, such steps modulo `size` come to each number below it."""
    step = random // max(1, size) % max(1, size) + 1
    return random, next(n for n in count(step) if gcd(n, size) == 1)
