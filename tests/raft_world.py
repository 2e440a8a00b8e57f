"""A world of bare Raft replicas, random stories for it, and a checker that watches from outside.

The checker looks at every replica after every event. It keeps the five properties of the Raft paper
(figure 3), and, once a story is over and all is well again, that every acknowledged write is there.
"""

from __future__ import annotations

import pickle
import random
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

from swarmlab.model.trace_records import VotedFor
from swarmlab.raft import core
from swarmlab.raft.core import RaftRole
from swarmlab.raft.messages import Entry, Member, MembershipChange
from swarmlab.raft.node import RaftNode
from swarmlab.raft.storage import Storage
from swarmlab.simulation import MS, Call, Link, Machine, Network, S, Simulation

EVENTS_MAX = 50_000  # of a story; a usual one has 2,000


class Violation(Exception):
    """One of Raft's properties does not hold."""


class TalksWithoutEnd(Exception):
    """A broken rule may send messages round and round."""


def insist(held: bool, what: str, *facts: object) -> None:
    if not held:
        raise Violation(f"{what}: {', '.join(map(str, facts))}")


class PickleCodec:
    def encode(self, data: object) -> bytes:
        return pickle.dumps(data)

    def decode(self, data: bytes) -> object:
        return pickle.loads(data)


class Echoing(Network):
    """A network that may deliver a message twice."""

    repeats = 0.0

    def send(self, source: str, target: str, message: Any, *, quiet: bool = False) -> None:
        super().send(source, target, message, quiet=quiet)
        if self.repeats and self.simulation.rng.random() < self.repeats:
            super().send(source, target, message, quiet=quiet)


class Replica:
    """The program of a machine: a RaftNode; its state machine lists what was applied."""

    def __init__(self, machine: Machine, world: World, raft_id: int) -> None:
        self.machine, self.world = machine, world
        self.values: list[tuple[int, object]] = []
        self.led: list[bool] = []  # what `leadership` said
        self.out = False
        storage = Storage(machine.disk, PickleCodec(), world.sealer)
        options: dict[str, Any] = {"raft_id": raft_id, **world.options}
        if machine.disk.names("swarm/raft/"):
            if world.force_new_cluster:
                storage.force_new_cluster(raft_id)
        elif raft_id in world.founders:
            storage.bootstrap([world.members[founder] for founder in world.founders])
        else:
            storage.erase()
            options["members"] = tuple(world.members.values())
        self.raft = RaftNode(machine, storage, self, **options)

    def receive(self, source: str, message: Any) -> None:
        self.raft.receive(source, message)

    def serve(self, source: str, body: Any) -> Any:
        raise AssertionError("replicas only send")

    def shutdown(self) -> None:
        self.raft.stop()

    def apply(self, index: int, data: object) -> None:
        self.world.checker.applies(self, index, data)
        self.values.append((index, data))

    def snapshot(self) -> object:
        return tuple(self.values)

    def restore(self, data: Any, index: int) -> None:
        self.world.checker.restores(data, index)
        self.values = list(data)

    def leadership(self, leader: bool) -> None:
        self.led.append(leader)

    def members_changed(self) -> None:
        pass

    def removed(self) -> None:
        self.out = True


class World:
    """`founders` replicas on as many machines, and those added later; raft ids count from 1."""

    def __init__(self, seed: int, founders: int = 3, **options: int) -> None:
        self.simulation = Simulation(seed)
        self.network = Echoing(self.simulation)
        self.options = options
        self.force_new_cluster = False  # at the next restarts
        self.sealer: Any = None
        self.founders = tuple(range(1, founders + 1))
        self.members: dict[int, Member] = {}  # everybody who was ever meant to be one
        self.machines: dict[int, Machine] = {}
        self.checker = Checker(self)
        self.events_count = 0
        for _ in self.founders:
            self.new_machine()
        for raft_id in self.founders:
            self.machines[raft_id].start()

    def new_machine(self) -> int:
        raft_id = len(self.members) + 1
        ip = f"10.0.0.{raft_id}"
        self.members[raft_id] = Member(raft_id, f"node{raft_id}", f"{ip}:2377")
        self.machines[raft_id] = Machine(self.network, f"m{raft_id}", ip, self.boot)
        return raft_id

    def boot(self, machine: Machine) -> Replica:
        return Replica(machine, self, int(machine.name[1:]))

    def __getitem__(self, raft_id: int) -> RaftNode:
        return self.replica(raft_id).raft

    def replica(self, raft_id: int) -> Replica:
        replica = self.machines[raft_id].process
        assert isinstance(replica, Replica), f"m{raft_id} is down"
        return replica

    @property
    def up(self) -> list[int]:
        return [raft_id for raft_id, machine in self.machines.items() if machine.up]

    def leaders(self) -> list[int]:
        """Who leads and is ready to, the newest term last."""
        found = [raft_id for raft_id in self.up if self[raft_id].is_leader]
        return sorted(found, key=self.term)

    def term(self, raft_id: int) -> int:
        return self[raft_id].term

    # -- time ----------------------------------------------------------------------
    def step(self) -> None:
        self.simulation.step()
        self.events_count += 1
        if self.events_count > EVENTS_MAX:
            raise TalksWithoutEnd
        self.checker.check()

    def run(self, seconds: float) -> None:
        end_ns = self.simulation.now_ns + int(seconds * S)
        while (next_ns := self.simulation.next_ns) is not None and next_ns <= end_ns:
            self.step()
        self.simulation.run_until(end_ns)

    def until(self, done: Callable[[], bool], seconds: float = 60) -> float:
        """Run until `done()`; the seconds that took."""
        start_ns = self.simulation.now_ns
        while not done():
            assert self.simulation.now_ns - start_ns < seconds * S, "it did not happen in time"
            self.step()
        return (self.simulation.now_ns - start_ns) / S

    def wait(self, call: Call, seconds: float = 60) -> Any:
        self.until(lambda: call.done, seconds)
        return call.result()

    def leader(self, seconds: float = 60) -> int:
        """The raft id of a leader, waited for."""
        self.until(lambda: bool(self.leaders()), seconds)
        return self.leaders()[-1]

    def propose(self, *values: object, on: int = 0) -> Call:
        """Propose values; the last one's call."""
        leader = self[on or self.leader()]
        calls = [leader.propose(value) for value in values]
        for value, call in zip(values, calls, strict=True):
            call.then(self.checker.acknowledged, value)
        return calls[-1]

    def write(self, *values: object) -> Any:
        return self.wait(self.propose(*values))

    def add(self) -> int:
        """A new member, waited for and started."""
        raft_id = self.new_machine()
        change = MembershipChange(True, self.members[raft_id])
        self.wait(self[self.leader()].propose_change(change))
        self.machines[raft_id].start()
        return raft_id

    def remove(self, raft_id: int) -> None:
        change = MembershipChange(False, self.members[raft_id])
        self.wait(self[self.leader()].propose_change(change))


class Checker:
    """The five properties, and that acknowledged values are remembered."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.leader_of: dict[int, int] = {}  # term -> raft id
        self.entries: dict[tuple[int, int], tuple[int | None, object]] = {}  # -> term before, data
        self.committed: dict[int, int] = {}  # index -> term
        self.order: list[tuple[int, int, int]] = []  # index, term, and the term it was seen in
        self.history: dict[int, object] = {}  # index -> value applied
        self.written: list[object] = []  # acknowledged
        self.seen: dict[int, tuple[object, ...]] = {}
        # By raft id: what was looked at (offset, entries, applied index), and, of leaders,
        # ((core, term), last index, place in `order`).
        self.looked: dict[int, tuple[int, list[Entry], int]] = {}
        self.reigns: dict[int, tuple[tuple[int, int], int, int]] = {}

    def acknowledged(self, call: Call, value: object) -> None:
        if call.error is None:
            self.written.append(value)

    def applies(self, replica: Replica, index: int, value: object) -> None:
        insist(self.history.setdefault(index, value) == value, "state machine safety", index, value)
        last = replica.values[-1][0] if replica.values else 0
        insist(index > last, "applied in order", index, last)

    def restores(self, values: tuple[tuple[int, object], ...], index: int) -> None:
        known = tuple((i, v) for i, v in sorted(self.history.items()) if i <= index)
        insist(values == known, "state machine safety of a snapshot", index)

    def check(self) -> None:
        for raft_id, machine in self.world.machines.items():
            process = machine.process
            if not isinstance(process, Replica):
                continue
            raft = process.raft
            core, log = raft.core, raft.core.log
            now = (id(core), core.term, core.role, raft.applied_index, log.commit)
            now += (log.last_index, log.last_term, log.offset)
            if self.seen.get(raft_id) != now:
                self.seen[raft_id] = now
                self._look(raft_id, raft)

    def _look(self, raft_id: int, raft: RaftNode) -> None:
        core, log = raft.core, raft.core.log
        offset, held, done = self.looked.get(raft_id, (0, [], 0))
        for place in range(len(log.entries) - 1, -1, -1):
            entry, known = log.entries[place], place + log.offset - offset
            if 0 <= known < len(held) and held[known] is entry:
                break  # it was looked at, and so was everything below it
            fact = (log.term(entry.index - 1), entry.data)
            first = self.entries.setdefault((entry.index, entry.term), fact)
            insist(first == fact, "log matching", raft_id, entry)
        done = min(done, raft.applied_index)
        for index in range(max(done, log.offset) + 1, raft.applied_index + 1):
            term = log.term(index)
            insist(term is not None, "applied what is not in the log", raft_id, index)
            if index not in self.committed:
                self.committed[index] = term or 0
                self.order.append((index, term or 0, core.term))
            was = self.committed[index]
            insist(was == term, "state machine safety", raft_id, index, term, was)
        self.looked[raft_id] = (log.offset, log.entries[:], raft.applied_index)
        if core.role is RaftRole.LEADER:
            self._look_at_leader(raft_id, raft)

    def _look_at_leader(self, raft_id: int, raft: RaftNode) -> None:
        core, log = raft.core, raft.core.log
        first = self.leader_of.setdefault(core.term, raft_id)
        insist(first == raft_id, "election safety", core.term, first, raft_id)
        reign, last, place = (id(core), core.term), 0, 0
        if raft_id in self.reigns and self.reigns[raft_id][0] == reign:
            _, last, place = self.reigns[raft_id]
        insist(log.last_index >= last, "leader append-only", raft_id, last, log.last_index)
        for index, term, seen_in in self.order[place:]:
            if seen_in <= core.term and index > log.offset:
                has = log.term(index)
                insist(has == term, "leader completeness", raft_id, core.term, index, has, term)
        self.reigns[raft_id] = (reign, log.last_index, len(self.order))


class Story:
    """Random events for `seconds`, then peace; `play` raises Violation when a promise breaks."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(f"story {seed}")
        pick = self.rng.choice
        self.world = World(
            seed,
            founders=pick([1, 2, 3, 3, 3, 4, 5]),
            election_ticks=pick([2, 4, 10]),
            snapshot_interval=pick([0, 7, 20]),
            entries_for_slow_followers=pick([0, 3, 10]),
            sync_ns=pick([0, 1, 50, 3000]) * MS,
        )
        self.value = 0
        self.seconds = 90.0
        faults = [self.crash, self.blink, self.blink_voter, self.behead]
        faults += [self.power_cut, self.partition, self.weather]
        # Each story has its own mix: all faults at once hardly ever let a story get far.
        faults = self.rng.sample(faults, pick([1, 2, 3, 6]))
        changes = self.rng.sample(
            [self.transfer, self.add, self.remove, self.retune], pick([0, 1, 4])
        )
        calm = [self.write, self.write, self.burst, self.start, self.heal]
        self.events = calm * pick([2, 4]) + faults * pick([1, 3]) + changes

    def play(self) -> None:
        world, end_ns = self.world, int(self.seconds * S)
        self.weather()
        with patch.object(core, "ENTRIES_PER_MESSAGE_MAX", self.rng.choice([2, 5, 1024, 1024])):
            while world.simulation.now_ns < end_ns:
                world.run(self.rng.choice([0.0, 0.01, 0.3, 1.0, 6.0]) * self.rng.random())
                self.rng.choice(self.events)()
            self.peace()

    def peace(self) -> None:
        """All is repaired: there is one leader, all have the same, and nothing promised is lost."""
        world = self.world
        world.network.heal()
        world.network.ordered, world.network.repeats, world.network.link = True, 0.0, Link()
        world.options["sync_ns"] = 1 * MS
        for machine in world.machines.values():
            machine.start()
        for raft_id in world.up:
            world[raft_id].sync_ns = 1 * MS
        for _ in range(20):
            world.run(10)
            if self.settled():
                break
        insist(self.settled(), "one leader in peace, and all members have the same")
        values = {value for _, value in world.replica(world.leaders()[0]).values}
        lost = [value for value in world.checker.written if value not in values]
        insist(not lost, "acknowledged and lost", lost)

    def settled(self) -> bool:
        world, leaders = self.world, self.world.leaders()
        if len(leaders) != 1:
            return False
        leader = world.replica(leaders[0])
        return all(world.replica(m).values == leader.values for m in leader.raft.members)

    def some_leader(self) -> RaftNode | None:
        leaders = self.world.leaders()
        return self.world[self.rng.choice(leaders)] if leaders else None

    def write(self) -> None:
        leader = self.some_leader()
        for _ in range(self.rng.choice([1, 1, 2, 5])):
            if leader:
                self.value += 1
                self.world.propose(f"v{self.value}", on=leader.raft_id)

    def burst(self) -> None:
        """Writes in quick succession: many messages are on their way at once."""
        for _ in range(4):
            self.write()
            self.world.run(0.01 * self.rng.random())

    def crash(self) -> None:
        if self.world.up:
            self.world.machines[self.rng.choice(self.world.up)].crash()

    def start(self) -> None:
        down = [m for m in self.world.machines.values() if not m.up]
        if down:
            self.rng.choice(down).start()

    def blink(self) -> None:
        """Power fails and is back at once: what was not synced is gone, an election may be on."""
        if self.world.up:
            machine = self.world.machines[self.rng.choice(self.world.up)]
            machine.crash()
            machine.start()

    def blink_voter(self) -> None:
        """A vote is given, and its giver loses power just then."""
        trace = self.world.simulation.trace
        for _ in range(40):
            before = len(trace)
            self.world.run(0.2)
            for record in trace.records[before:]:
                machine = self.world.network.machines.get(record.where)
                if isinstance(record, VotedFor) and machine and machine.up:
                    self.world.run(0.3 * self.rng.random())
                    machine.crash()
                    machine.start()
                    return

    def behead(self) -> None:
        """A leader writes, perhaps to one follower only, and fails while that is on its way."""
        leader = self.some_leader()
        if leader:
            others = [name for name in self.world.network.machines if name != leader.machine.name]
            self.rng.shuffle(others)
            followers_count = self.rng.choice([0, 1, 1])
            side = [leader.machine.name, *others[:followers_count]]
            self.world.network.partition(side, others[followers_count:])
            self.write()
            self.world.run(self.rng.choice([0.0, 0.005, 0.5, 3.0]))
            leader.machine.crash()
            self.world.network.heal()

    def power_cut(self) -> None:
        for raft_id in self.world.up:
            self.world.machines[raft_id].crash()
        for machine in self.world.machines.values():
            if self.rng.random() < 0.8:
                machine.start()

    def partition(self) -> None:
        names = list(self.world.network.machines)
        self.rng.shuffle(names)
        cut = self.rng.randint(0, len(names))
        self.world.network.partition(names[:cut], names[cut:])

    def heal(self) -> None:
        self.world.network.heal()

    def weather(self) -> None:
        """Other delays, losses and order."""
        network, pick = self.world.network, self.rng.choice
        jitter_ns, loss = pick([1, 1, 100, 1000]) * MS, pick([0.0, 0.0, 0.1, 0.3])
        network.link = Link(delay_ns=pick([1, 1, 100]) * MS, jitter_ns=jitter_ns, loss=loss)
        network.ordered, network.repeats = pick([True, False]), pick([0.0, 0.0, 0.2])

    def transfer(self) -> None:
        leader = self.some_leader()
        if leader:
            leader.transfer_leadership()

    def add(self) -> None:
        leader = self.some_leader()
        if leader and len(self.world.machines) < 8:
            raft_id = self.world.new_machine()
            change = MembershipChange(True, self.world.members[raft_id])
            leader.propose_change(change).then(self.seated, raft_id)

    def seated(self, call: Call, raft_id: int) -> None:
        if call.error is None:
            self.world.machines[raft_id].start()

    def remove(self) -> None:
        leader = self.some_leader()
        # Of two none must go: if a leader's commit of its own removal is lost, the other waits.
        if leader and len(leader.members) > 2:
            victim = self.rng.choice(list(leader.members.values()))
            leader.propose_change(MembershipChange(False, victim))

    def retune(self) -> None:
        for raft_id in self.world.up:
            self.world[raft_id].snapshot_interval = self.rng.choice([0, 1, 5, 20])
            self.world[raft_id].entries_for_slow_followers = self.rng.choice([0, 2, 10])
