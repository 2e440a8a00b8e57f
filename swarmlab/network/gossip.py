"""NetworkDB: the endpoint tables of overlay networks, spread between their nodes by gossip.

Each node owns the records of its own containers. What is new goes to a few random nodes of the same
network every 200 ms, and from them to others; every 30 s a node compares its tables with another's.
Nodes are probed, suspected, declared failed, and tried again. A record with a later Lamport time
replaces an earlier one.
Source: moby daemon/libnetwork/networkdb/{networkdb,cluster,delegate}.go; hashicorp/memberlist
{config,state,suspicion,util}.go, whose values are named after them here.

Gossip costs events only while there is something to tell. A probe or a comparison that would find
all well sends nothing: its outcome is known from the simulated machines and links.

Simplified: which nodes are in the swarm, and on which networks, is known at once; a suspicion lasts
its shortest time; a probe over a link that loses packets succeeds (its TCP fallback does).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from hashlib import sha256
from itertools import count, islice
from math import ceil, gcd, log10
from typing import Any, NamedTuple

from swarmlab.simulation import MINUTE, MS, Machine, S, Timer

GOSSIP_INTERVAL_NS, GOSSIP_NODES = 200 * MS, 3
PACKET_BYTES, RECORD_BYTES = 1400, 140  # of a packet (PacketBufferSize), and of a usual record
RETRANSMIT_MULT = 4
PUSH_PULL_INTERVAL_NS = 30 * S
PROBE_INTERVAL_NS, PROBE_TIMEOUT_NS, INDIRECT_CHECKS = 1 * S, 500 * MS, 3
SUSPICION_MULT = 4
RETRY_INTERVAL_NS = 1 * S  # networkdb cluster.go: how often a failed node is tried again
REAP_ENTRY_INTERVAL_NS = 30 * MINUTE  # how long it is remembered that a record was deleted
NODES = ""  # the topic of the nodes' states; any other topic is a network's id
ALIVE, SUSPECT, FAILED = "alive", "suspect", "failed"


class TableEntry(NamedTuple):
    """One entry of a table; only the node that owns it changes it (but for a node's state)."""

    topic: str
    key: str
    owner: str  # a machine
    time: int  # Lamport
    value: Any  # None: deleted


class Packet(NamedTuple):
    source: str
    records: tuple[TableEntry, ...]
    topics: tuple[str, ...] = ()  # the tables that the receiver is to send back


def bound_ns(nodes: int) -> int:
    """How long it takes at most until a silent node is declared failed on all nodes of a swarm."""
    spread_ns = GOSSIP_INTERVAL_NS * retransmits(nodes)
    return nodes * PROBE_INTERVAL_NS + 2 * PROBE_INTERVAL_NS + suspicion_ns(nodes) + spread_ns


def suspicion_ns(nodes: int) -> int:
    return int(SUSPICION_MULT * max(1.0, log10(max(1, nodes))) * PROBE_INTERVAL_NS)


def retransmits(nodes: int) -> int:
    """How often a node passes a record on."""
    return RETRANSMIT_MULT * ceil(log10(nodes + 1))


class NetworkDB:
    """The tables that one node has, and its opinion of the other nodes."""

    probes_cost_nothing = True  # False: each probe is an event, whatever it will find

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.name = machine.name
        self.cluster = ""  # the id of the swarm; empty: in none
        self.members: dict[str, None] = {}  # the other nodes of the swarm
        self.tables: dict[str, dict[str, TableEntry]] = {NODES: {}}
        self._live: dict[str, tuple[Any, ...]] = {}  # network -> the values of its table
        self._lamport = 0
        self._queue: dict[tuple[str, str], int] = {}  # (topic, key) -> how often it was sent
        self._deleted_ns: dict[tuple[str, str], int] = {}
        self._timers: dict[Callable[[], None], Timer] = {}  # the next turn of each kind

    # -- reading ------------------------------------------------------------------------
    def values(self, topic: str) -> tuple[Any, ...]:
        """What is known of a network, in the order of the keys; nothing where this node is not."""
        if topic not in self._live:
            rows = sorted(self.tables.get(topic, {}).items())
            self._live[topic] = tuple(r.value for _, r in rows if r.value is not None)
        return self._live[topic]

    def state(self, node: str) -> str:
        record = self.tables[NODES].get(node)
        return ALIVE if record is None else str(record.value)

    def peers(self, topic: str) -> list[str]:
        """The other nodes of a network that have not failed."""
        return [
            name
            for name in self.members
            if (db := self._db(name)) and topic in db.tables and self.state(name) != FAILED
        ]

    def _db(self, node: str) -> NetworkDB | None:
        process: Any = self.machine.network.machines[node].process
        db: NetworkDB | None = None if process is None else process.network.db
        return db

    # -- joining ------------------------------------------------------------------------
    def join(self, cluster: str) -> None:
        """This node is in this swarm (empty: in none) from now on."""
        others = [
            db for n in self.machine.network.machines if (db := self._db(n)) is not self and db
        ]
        for db in others if cluster != self.cluster else ():
            db.members.pop(self.name, None)
            if cluster and db.cluster == cluster:
                self.members[db.name] = db.members[self.name] = None
            elif self.cluster and db.cluster == self.cluster:
                db.forget(self.name)
        if cluster != self.cluster:
            self.cluster, self.tables = cluster, {NODES: {}}
            self.members = {n: None for n in self.members if cluster}
            self._live, self._queue = {}, {}
        if cluster:
            self._turn(self._push_pull, PUSH_PULL_INTERVAL_NS)
            self.disturbed()

    def leave(self) -> None:
        """This node ends in an orderly way, and tells the others (memberlist's Leave)."""
        record = TableEntry(NODES, self.name, self.name, self._lamport + 1, FAILED)
        for node in self.members:
            self._send(node, Packet(self.name, (record,)))

    def attend(self, networks: Collection[str]) -> None:
        """Hold the tables of these networks; a new one is fetched from another node at once."""
        for topic in [t for t in self.tables if t not in (NODES, *networks)]:
            del self.tables[topic]
            self._live.pop(topic, None)
        for topic in [t for t in networks if t not in self.tables]:
            self.tables[topic] = {}
            for peer in self._pick(self.peers(topic), 1, topic):
                self._compare(peer, [topic])

    def publish(self, topic: str, values: Mapping[str, Any]) -> None:
        """Replace this node's own records in a table."""
        own = {k: r.value for k, r in self.tables[topic].items() if r.owner == self.name}
        for key in {**own, **values}:
            if own.get(key) != values.get(key):
                self._write(TableEntry(topic, key, self.name, 0, values.get(key)))

    def _write(self, record: TableEntry) -> None:
        self._lamport += 1
        self._take(record._replace(time=self._lamport))

    def _take(self, record: TableEntry) -> None:
        """Store a record and pass it on, unless it is known, or from a node that has failed."""
        table, place = self.tables.get(record.topic), (record.topic, record.key)
        self._lamport = max(self._lamport, record.time)
        known = table.get(record.key) if table is not None else None
        if table is None or (known is not None and known.time >= record.time):
            return
        if record.topic == NODES:
            self._state_changed(record, ALIVE if known is None else known.value)
        elif self.state(record.owner) == FAILED:
            return
        table[record.key] = record
        self._live.pop(record.topic, None)
        if record.value is None:
            self._deleted_ns[place] = self.machine.simulation.now_ns
        self._queue[place] = 0
        self._turn(self._gossip, GOSSIP_INTERVAL_NS)

    # -- spreading ----------------------------------------------------------------------
    def _turn(self, turn: Callable[[], None], interval_ns: int) -> None:
        """Take a turn at the next multiple of the interval, counted from this node's own start."""
        timer, now_ns = self._timers.get(turn), self.machine.simulation.now_ns
        if timer is None or timer.when_ns <= now_ns:
            phase_ns = self._hash("start") % interval_ns
            delay_ns = interval_ns - (now_ns - phase_ns) % interval_ns
            self._timers[turn] = self.machine.after(delay_ns, turn)

    def _hash(self, *what: object) -> int:
        """A number that looks random, without the simulation's generator: nothing else is moved."""
        text = f"{self.machine.simulation.seed} {self.name} {what}"
        return int.from_bytes(sha256(text.encode()).digest()[:8])

    def _pick(self, nodes: list[str], count: int, salt: str) -> list[str]:
        now_ns, left = self.machine.simulation.now_ns, list(nodes)
        random = self._hash(salt, now_ns)
        picked: list[str] = []
        while left and len(picked) < count:
            random, place = divmod(random, len(left))
            picked.append(left.pop(place))
        return picked

    def _gossip(self) -> None:
        """Send what is queued to a few nodes of its network; this node's own records first."""
        topics = dict.fromkeys(topic for topic, _ in self._queue)
        for topic in topics:
            peers = list(self.members) if topic == NODES else self.peers(topic)
            for peer in self._pick(peers, GOSSIP_NODES, topic):
                self._send(peer, Packet(self.name, self._next_records(topic, len(peers) + 1)))
            if not peers:  # a node that comes later fetches the whole table
                self._queue = {place: n for place, n in self._queue.items() if place[0] != topic}
        if self._queue:
            self._turn(self._gossip, GOSSIP_INTERVAL_NS)

    def _next_records(self, topic: str, nodes: int) -> tuple[TableEntry, ...]:
        table = self.tables.get(topic, {})
        places = [place for place in self._queue if place[0] == topic]
        records = [table[key] for _, key in places if key in table]
        records.sort(key=lambda record: record.owner != self.name)
        records = records[: PACKET_BYTES // RECORD_BYTES]
        for place in [(topic, r.key) for r in records] + [p for p in places if p[1] not in table]:
            self._queue[place] += 1
            if self._queue[place] >= retransmits(nodes) or place[1] not in table:
                del self._queue[place]
        return tuple(records)

    def _send(self, peer: str, packet: Packet) -> None:
        """A datagram: it arrives after the link's delay, or never."""
        network = self.machine.network
        link = network.links.get((self.name, peer), network.link)
        says = packet.records or packet.topics
        if not says or not network.connected(self.name, peer):
            return
        if not link.loss or self.machine.simulation.rng.random() >= link.loss:
            self.machine.simulation.after(link.delay_ns, self._arrive, peer, packet)

    def _arrive(self, peer: str, packet: Packet) -> None:
        db = self._db(peer)
        if db is not None and self.machine.network.connected(self.name, peer):
            db.receive(packet)

    def receive(self, packet: Packet) -> None:
        if packet.source not in self.members:
            return
        corrected = False
        for record in packet.records:
            known = self.tables.get(record.topic, {}).get(record.key)
            if record.owner != self.name or (known and known.time >= record.time):
                self._take(record)
            elif record.topic in self.tables:  # from before this node's restart, or a suspicion
                self._lamport = max(self._lamport, record.time)
                corrected = corrected or record.topic == NODES
                mine = ALIVE if record.topic == NODES else known and known.value
                self._write(record._replace(value=mine))
        if packet.topics:
            self._send(packet.source, Packet(self.name, self._all(packet.topics)))
        elif corrected:
            self._compare(packet.source, list(self.tables))

    # -- comparing whole tables -----------------------------------------------------------
    def _all(self, topics: Iterable[str]) -> tuple[TableEntry, ...]:
        return tuple(r for t in topics if t in self.tables for r in self.tables[t].values())

    def _compare(self, peer: str, topics: list[str]) -> None:
        """Exchange those tables that differ (bulkSync)."""
        db = self._db(peer)
        if db is not None:
            topics = [t for t in topics if t in db.tables and db.tables[t] != self.tables[t]]
            if topics:
                self._send(peer, Packet(self.name, self._all(topics), tuple(topics)))

    def _push_pull(self) -> None:
        for topic in self.tables:
            peers = list(self.members) if topic == NODES else self.peers(topic)
            for peer in self._pick(peers, 1, topic):
                self._compare(peer, [topic])
        long_ago_ns = self.machine.simulation.now_ns - REAP_ENTRY_INTERVAL_NS
        for (topic, key), deleted_ns in list(self._deleted_ns.items()):
            if deleted_ns <= long_ago_ns:
                del self._deleted_ns[topic, key]
                record = self.tables.get(topic, {}).get(key)
                if record is not None and record.value is None:
                    del self.tables[topic][key]
        self._turn(self._push_pull, PUSH_PULL_INTERVAL_NS)

    # -- failures -----------------------------------------------------------------------
    def disturbed(self) -> None:
        """A machine or a link has changed: look at what probes will find from now on."""
        if not self.cluster:
            return
        doubtful = [n for n in self._doubtful() if self.state(n) != FAILED]
        if not self.probes_cost_nothing or not all(map(self._answers, doubtful)):
            self._turn(self._probe, PROBE_INTERVAL_NS)
        if self._failed_but_back():
            self._turn(self._retry, RETRY_INTERVAL_NS)

    def _failed_but_back(self) -> list[str]:
        failed = [n for n, r in self.tables[NODES].items() if r.value == FAILED]
        return [n for n in failed if n in self.members and self._answers(n)]

    def _doubtful(self) -> Iterable[str]:
        """The members that may not answer a ping; all others are up and within reach."""
        network = self.machine.network
        if network.partitioned or network.links:
            return self.members
        return [name for name in network.down if name in self.members]

    def _rtt_ns(self, one: str, other: str) -> int | None:
        """A ping's time from one node to another and back; None: it is not answered."""
        network = self.machine.network
        if not network.machines[other].up or not network.connected(one, other):
            return None
        pairs = ((one, other), (other, one))
        return sum(network.links.get(pair, network.link).delay_ns for pair in pairs)

    def _answers(self, node: str) -> bool:
        """Whether a ping would be answered, or else one through other nodes."""
        if node in self.machine.network.down:
            return False
        direct_ns = self._rtt_ns(self.name, node)
        if direct_ns is not None and direct_ns <= PROBE_TIMEOUT_NS:
            return True
        others = [name for name in self.members if name != node and self.state(name) != FAILED]
        for helper in self._pick(others, INDIRECT_CHECKS, node):
            legs_ns = self._rtt_ns(self.name, helper), self._rtt_ns(helper, node)
            if None not in legs_ns and sum(map(int, legs_ns)) <= PROBE_INTERVAL_NS // 2:  # type: ignore[arg-type]
                return True
        return False

    def _probe(self) -> None:
        """Ping one node; the nodes take turns in an order that is new in each round."""
        nodes = len(self.members)
        if nodes:
            turn = self.machine.simulation.now_ns // PROBE_INTERVAL_NS
            round, place = divmod(turn, nodes)
            random = self._hash(round)
            # Steps of a length that has no factor in common with `nodes` come to each of them.
            step = next(n for n in count(random % nodes + 1) if gcd(n, nodes) == 1)
            target = next(islice(self.members, (random + place * step) % nodes, None))
            if self.state(target) != FAILED and not self._answers(target):
                self.machine.after(PROBE_INTERVAL_NS, self._suspect, target)
        self.disturbed()

    def _suspect(self, node: str) -> None:
        if node in self.members and self.state(node) == ALIVE:
            self._write(TableEntry(NODES, node, node, 0, SUSPECT))

    def _state_changed(self, record: TableEntry, before: str) -> None:
        """Another node is suspected, has failed, or has said that it is alive."""
        node, state = record.key, record.value
        if state == SUSPECT and before != SUSPECT:
            delay_ns = suspicion_ns(len(self.members) + 1)
            self.machine.after(delay_ns, self._give_up, node, record.time)
        elif state == FAILED:
            self.forget(node)
            self.machine.after(0, self.disturbed)
        elif before == FAILED:
            self.machine.after(0, self._compare, node, list(self.tables))

    def _give_up(self, node: str, since: int) -> None:
        record = self.tables[NODES].get(node)
        if record is not None and record.value == SUSPECT and record.time >= since:
            self._write(TableEntry(NODES, node, node, 0, FAILED))

    def forget(self, node: str) -> None:
        """Remove the entries of a node that has failed, or has left the swarm."""
        for topic in [t for t in self.tables if t != NODES]:
            kept = {k: r for k, r in self.tables[topic].items() if r.owner != node}
            self.tables[topic] = kept
            self._live.pop(topic, None)

    def _retry(self) -> None:
        """Speak to a failed node that answers again; it will say that it is alive."""
        for node in self._pick(self._failed_but_back(), 1, "retry"):
            record = self.tables[NODES][node]
            self._send(node, Packet(self.name, (record,), tuple(self.tables)))
            self._turn(self._retry, RETRY_INTERVAL_NS)
