"""NetworkDB: the endpoint tables of overlay networks, spread between their nodes by gossip.

Each node owns the records of its own containers. What is new goes to a few random nodes of the same
network every 200 ms, and from them to others; every 30 s a node compares its tables with another's.
Nodes are probed, suspected, declared failed, and tried again. A record with a later Lamport time
replaces an earlier one.
Source: moby daemon/libnetwork/networkdb/{networkdb,cluster,delegate}.go; hashicorp/memberlist
{memberlist,state}.go.

Gossip costs events only while there is something to tell. A probe or a comparison that would find
all well sends nothing, nor does a packet whose receiver has all its records: the outcome is known
from the simulated machines and links.

Simplified: which nodes are in the swarm, and on which networks, is known at once; a suspicion lasts
its shortest time; a probe over a link that loses packets succeeds (its TCP fallback does), and one
from a node with other keys does.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from hashlib import sha256
from itertools import islice
from typing import Any

from swarmlab.model import EncryptionKey
from swarmlab.model.trace_records import KeysChanged
from swarmlab.network import memberlist
from swarmlab.network.memberlist import Keyring, Packet, TableEntry
from swarmlab.simulation import Machine, Timer
from swarmlab.simulation.network import GOSSIP_PORT

NODES = ""  # the topic of the nodes' states; any other topic is a network's id
ALIVE, SUSPECT, FAILED = "alive", "suspect", "failed"


class NetworkDB:
    """The tables that one node has, and its opinion of the other nodes."""

    probes_cost_nothing = True  # False: each probe is an event, whatever it will find

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.name = machine.name
        self.cluster = ""  # the id of the swarm; empty: in none
        self.keyring = Keyring()
        self.tables: dict[str, dict[str, TableEntry]] = {NODES: {}}
        self._live: dict[str, tuple[Any, ...]] = {}  # network -> the values of its table
        self._lamport = 0
        self._queue: dict[tuple[str, str], int] = {}  # (topic, key) -> how often it was sent
        self._deleted_ns: dict[tuple[str, str], int] = {}
        self._timers: dict[Callable[[], None], Timer] = {}  # the next turn of each kind
        self._phase = self._hash("start")

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

    @property
    def members(self) -> dict[str, None]:
        """The nodes of this swarm, this one included."""
        return self.machine.network.multicast.get(self.cluster, {})

    def peers(self, topic: str, salt: str = "") -> Iterator[str]:
        """The other nodes of a network that have not failed, as far as they are asked for.

        Those of `NODES` are all others of the swarm.
        """
        group = self.machine.network.multicast.get(topic or self.cluster, ())
        for name in self._drawn(group, salt or topic):
            if name != self.name and (topic == NODES or self._attends(name, topic)):
                yield name

    def _attends(self, node: str, topic: str) -> bool:
        db = self._db(node)
        return db is not None and topic in db.tables and self.state(node) != FAILED

    def _db(self, node: str) -> NetworkDB | None:
        process: Any = self.machine.network.machines[node].process
        db: NetworkDB | None = None if process is None else process.network.db
        return db

    # -- joining ------------------------------------------------------------------------
    def join(self, cluster: str) -> None:
        """This node is in this swarm (empty: in none) from now on."""
        if cluster != self.cluster:
            for db in filter(None, map(self._db, self.members)):
                db.forget(self.name)
            for group in self.machine.network.multicast.values():
                group.pop(self.name, None)
            self.cluster, self.tables, self._live, self._queue = cluster, {NODES: {}}, {}, {}
            self._enter(cluster)
            if not cluster:
                self.disturbed()  # no probe is due any more
            elif self._doubtful():
                self.machine.network.changed()  # the nodes' turns to be pinged are others now
        if cluster:
            self._turn(self._push_pull, memberlist.PUSH_PULL_INTERVAL_NS)

    def use(self, keys: Iterable[EncryptionKey]) -> None:
        """The managers have sent these keys."""
        if self.keyring.replace(keys):
            self.machine.record(KeysChanged, self.keyring.times, self.keyring.primary)

    def _enter(self, group: str) -> None:
        if group:
            self.machine.network.multicast.setdefault(group, {})[self.name] = None

    def leave(self) -> None:
        """This node ends in an orderly way, and tells the others (memberlist's Leave)."""
        record = TableEntry(NODES, self.name, self.name, self._lamport + 1, FAILED)
        for node in self.peers(NODES):
            self._send(node, (record,))

    def attend(self, networks: Collection[str]) -> None:
        """Hold the tables of these networks; a new one is fetched from another node at once."""
        for topic in [t for t in self.tables if t not in (NODES, *networks)]:
            del self.tables[topic]
            self.machine.network.multicast[topic].pop(self.name, None)
            self._live.pop(topic, None)
        self._drop_queued()
        for topic in [t for t in networks if t not in self.tables]:
            self.tables[topic] = {}
            self._enter(topic)
            for peer in islice(self.peers(topic), 1):
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
        self._turn(self._gossip, memberlist.GOSSIP_INTERVAL_NS)

    # -- spreading ----------------------------------------------------------------------
    def _turn(self, turn: Callable[[], None], interval_ns: int) -> None:
        """Take a turn at the next multiple of the interval, counted from this node's own start."""
        timer, now_ns = self._timers.get(turn), self.machine.simulation.now_ns
        if timer is None or timer.when_ns <= now_ns:
            delay_ns = self._next_ns(interval_ns) - now_ns
            self._timers[turn] = self.machine.after(delay_ns, turn)

    def _next_ns(self, interval_ns: int) -> int:
        phase_ns, now_ns = self._phase % interval_ns, self.machine.simulation.now_ns
        return now_ns + interval_ns - (now_ns - phase_ns) % interval_ns

    def _hash(self, *what: object) -> int:
        """A number that looks random, without the simulation's generator: nothing else is moved."""
        text = f"{self.machine.simulation.seed} {self.name} {what}"
        return int.from_bytes(sha256(text.encode()).digest()[:8])

    def _drawn(self, names: Collection[str], salt: str) -> Iterator[str]:
        """These in an order that looks random, another one at each moment."""
        first, step = memberlist.order(len(names), self._hash(salt, self.machine.simulation.now_ns))
        known = list(names)
        return (known[(first + place * step) % len(known)] for place in range(len(known)))

    def _gossip(self) -> None:
        """Send what is queued to a few nodes of its network; this node's own records first."""
        for topic in dict.fromkeys(topic for topic, _ in self._queue):
            peers = list(islice(self.peers(topic), memberlist.GOSSIP_NODES))
            for peer in peers:
                self._send(peer, self._next_records(topic))
            if not peers:  # a node that comes later fetches the whole table
                self._queue = {place: n for place, n in self._queue.items() if place[0] != topic}
        if self._queue:
            self._turn(self._gossip, memberlist.GOSSIP_INTERVAL_NS)

    def _next_records(self, topic: str) -> tuple[TableEntry, ...]:
        table, places = self.tables[topic], [place for place in self._queue if place[0] == topic]
        if len(places) > memberlist.PACKET_BYTES // memberlist.RECORD_BYTES:
            places.sort(key=lambda place: table[place[1]].owner != self.name)
            del places[memberlist.PACKET_BYTES // memberlist.RECORD_BYTES :]
        often = memberlist.retransmits(len(self.machine.network.multicast[topic or self.cluster]))
        for place in places:
            self._queue[place] += 1
            if self._queue[place] >= often:
                del self._queue[place]
        return tuple([table[key] for _, key in places])

    def _send(
        self, peer: str, records: tuple[TableEntry, ...], topics: tuple[str, ...] = ()
    ) -> None:
        """A datagram: it arrives after the link's delay, or never."""
        network, simulation = self.machine.network, self.machine.simulation
        link = network.links.get((self.name, peer), network.link)
        if not (records or topics) or not network.connected(self.name, peer, GOSSIP_PORT):
            return
        lost = link.loss and simulation.rng.random() < link.loss
        if not lost and (topics or self._changes(peer, records)):
            packet = Packet(self.name, self.cluster, self.keyring.primary, records, topics)
            simulation.after(link.delay_ns, self._arrive, peer, packet)

    def _changes(self, peer: str, records: tuple[TableEntry, ...]) -> bool:
        """Whether any of these records is news to a node."""
        db = self._db(peer)
        if db is None:
            return False
        for record in records:
            known = db.tables.get(record.topic, {}).get(record.key)
            if known is None or known.time < record.time:
                return True
        return False

    def _arrive(self, peer: str, packet: Packet) -> None:
        db = self._db(peer)
        if db is not None and self.machine.network.connected(self.name, peer, GOSSIP_PORT):
            db.receive(packet)

    def receive(self, packet: Packet) -> None:
        if packet.cluster != self.cluster or packet.key not in self.keyring.times:
            return  # it cannot be decrypted
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
            self._send(packet.source, self._all(packet.topics))
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
                self._send(peer, self._all(topics), tuple(topics))

    def _push_pull(self) -> None:
        for topic in self.tables:
            for peer in islice(self.peers(topic), 1):
                self._compare(peer, [topic])
        long_ago_ns = self.machine.simulation.now_ns - memberlist.REAP_ENTRY_INTERVAL_NS
        for (topic, key), deleted_ns in list(self._deleted_ns.items()):
            if deleted_ns <= long_ago_ns:
                del self._deleted_ns[topic, key]
                record = self.tables.get(topic, {}).get(key)
                if record is not None and record.value is None:
                    del self.tables[topic][key]
        self._drop_queued()
        self._turn(self._push_pull, memberlist.PUSH_PULL_INTERVAL_NS)

    # -- failures -----------------------------------------------------------------------
    def disturbed(self) -> None:
        """A machine or a link has changed: look at what probes will find from now on."""
        if (probe := self._timers.pop(self._probe, None)) is not None:
            probe.cancel()
        if not self.cluster:
            return
        if self.probes_cost_nothing:
            doubtful = [name for name in self._doubtful() if self.state(name) != FAILED]
            silent = [name for name in doubtful if not self._answers_at_once(name)]
            if silent:
                delay_ns = min(map(self._probed_ns, silent)) - self.machine.simulation.now_ns
                self._timers[self._probe] = self.machine.after(delay_ns, self._probe)
        else:
            self._turn(self._probe, memberlist.PROBE_INTERVAL_NS)
        if self._failed_but_back():
            self._turn(self._retry, memberlist.RETRY_INTERVAL_NS)

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
        if not network.machines[other].up or not network.connected(one, other, GOSSIP_PORT):
            return None
        pairs = ((one, other), (other, one))
        return sum(network.links.get(pair, network.link).delay_ns for pair in pairs)

    def _answers_at_once(self, node: str) -> bool:
        direct_ns = self._rtt_ns(self.name, node)
        return direct_ns is not None and direct_ns <= memberlist.PROBE_TIMEOUT_NS

    def _answers(self, node: str) -> bool:
        """Whether a ping would be answered, or else one through other nodes."""
        if node in self.machine.network.down:
            return False
        if self._answers_at_once(node):
            return True
        others = (n for n in self.peers(NODES, node) if n != node and self.state(n) != FAILED)
        limit_ns = memberlist.PROBE_INTERVAL_NS // 2
        for helper in islice(others, memberlist.INDIRECT_CHECKS):
            legs_ns = self._rtt_ns(self.name, helper), self._rtt_ns(helper, node)
            if None not in legs_ns and sum(map(int, legs_ns)) <= limit_ns:  # type: ignore[arg-type]
                return True
        return False

    def _probed_ns(self, node: str) -> int:
        """When it is the turn of this node to be pinged: in this round, or in the next one."""
        nodes, place = len(self.members), list(self.members).index(node)
        next_ns = self._next_ns(memberlist.PROBE_INTERVAL_NS)
        next_turn = next_ns // memberlist.PROBE_INTERVAL_NS
        rounds = next_turn // nodes, next_turn // nodes + 1
        orders = [(round * nodes, *memberlist.order(nodes, self._hash(round))) for round in rounds]
        turns = [t + (place - first) * pow(step, -1, nodes) % nodes for t, first, step in orders]
        turn = next(turn for turn in turns if turn >= next_turn)
        return next_ns + (turn - next_turn) * memberlist.PROBE_INTERVAL_NS

    def _probe(self) -> None:
        """Ping one node; the nodes take turns in an order that is new in each round."""
        nodes = len(self.members)
        round, place = divmod(self.machine.simulation.now_ns // memberlist.PROBE_INTERVAL_NS, nodes)
        first, step = memberlist.order(nodes, self._hash(round))
        target = next(islice(self.members, (first + place * step) % nodes, None))
        if target != self.name and self.state(target) != FAILED and not self._answers(target):
            self.machine.after(memberlist.PROBE_INTERVAL_NS, self._suspect, target)
        self.disturbed()

    def _suspect(self, node: str) -> None:
        if node in self.members and self.state(node) == ALIVE:
            self._write(TableEntry(NODES, node, node, 0, SUSPECT))

    def _state_changed(self, record: TableEntry, before: str) -> None:
        """Another node is suspected, has failed, or has said that it is alive."""
        node, state = record.key, record.value
        if state == SUSPECT and before != SUSPECT:
            delay_ns = memberlist.suspicion_ns(len(self.members))
            self.machine.after(delay_ns, self._give_up, node, record.time)
        elif state == FAILED:
            self.forget(node)
        elif before == FAILED:
            self.machine.after(0, self._compare, node, list(self.tables))
        if FAILED in (state, before):
            self.machine.after(0, self.disturbed)

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
        self._drop_queued()

    def _drop_queued(self) -> None:
        """What is no longer in a table is not passed on."""
        queued = self._queue.items()
        self._queue = {place: n for place, n in queued if place[1] in self.tables.get(place[0], ())}

    def _retry(self) -> None:
        """Speak to a failed node that answers again; it will say that it is alive."""
        for node in islice(self._drawn(self._failed_but_back(), "retry"), 1):
            record = self.tables[NODES][node]
            self._send(node, (record,), tuple(self.tables))
            self._turn(self._retry, memberlist.RETRY_INTERVAL_NS)
