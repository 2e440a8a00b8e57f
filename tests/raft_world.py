"""Raft replicas without a manager, random runs with faults, and a checker of Raft's properties.

The checker inspects every replica after every event. It verifies the five safety properties of the
Raft paper (figure 3), and, after all faults are repaired, that no acknowledged write is lost.
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

EVENTS_MAX = 50_000  # of a run; most have about 2,000


class Violation(Exception):
    """A property of Raft does not hold."""


class TooManyEvents(Exception):
    """A broken rule may send messages without end."""


def require(holds: bool, what: str, *facts: object) -> None:
    if not holds:
        raise Violation(f"{what}: {', '.join(map(str, facts))}")


class PickleCodec:
    def encode(self, data: object) -> bytes:
        return pickle.dumps(data)

    def decode(self, data: bytes) -> object:
        return pickle.loads(data)


class DuplicatingNetwork(Network):
    """A network that may deliver a message twice."""

    duplicates = 0.0  # probability

    def send(self, source: str, target: str, message: Any, *, quiet: bool = False) -> None:
        super().send(source, target, message, quiet=quiet)
        if self.duplicates and self.simulation.rng.random() < self.duplicates:
            super().send(source, target, message, quiet=quiet)


class Replica:
    """The program of a machine: a RaftNode; its state machine lists what was applied."""

    def __init__(self, machine: Machine, world: World, raft_id: int) -> None:
        self.machine, self.world = machine, world
        self.values: list[tuple[int, object]] = []
        self.led: list[bool] = []  # the calls of `leadership`
        self.is_removed = False
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
        self.is_removed = True


class World:
    """`founders` replicas on as many machines, and those added later; raft ids count from 1."""

    def __init__(self, seed: int, founders: int = 3, **options: int) -> None:
        self.simulation = Simulation(seed)
        self.network = DuplicatingNetwork(self.simulation)
        self.options = options
        self.force_new_cluster = False  # at the next restarts
        self.sealer: Any = None
        self.founders = tuple(range(1, founders + 1))
        self.members: dict[int, Member] = {}  # every machine that was ever to be one
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
        """The raft ids of leaders, the newest term last."""
        leaders = [raft_id for raft_id in self.up if self[raft_id].is_leader]
        return sorted(leaders, key=self.term)

    def term(self, raft_id: int) -> int:
        return self[raft_id].term

    # -- time ----------------------------------------------------------------------
    def step(self) -> None:
        self.simulation.step()
        self.events_count += 1
        if self.events_count > EVENTS_MAX:
            raise TooManyEvents
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
            assert self.simulation.now_ns - start_ns < seconds * S, (
                "the condition was not met in time"
            )
            self.step()
        return (self.simulation.now_ns - start_ns) / S

    def wait(self, call: Call, seconds: float = 60) -> Any:
        self.until(lambda: call.done, seconds)
        return call.result()

    def leader(self, seconds: float = 60) -> int:
        """Wait for a leader; its raft id."""
        self.until(lambda: bool(self.leaders()), seconds)
        return self.leaders()[-1]

    def propose(self, *values: object, on: int = 0) -> Call:
        """Propose values; returns the call of the last one."""
        leader = self[on or self.leader()]
        calls = [leader.propose(value) for value in values]
        for value, call in zip(values, calls, strict=True):
            call.then(self.checker.acknowledged, value)
        return calls[-1]

    def write(self, *values: object) -> Any:
        return self.wait(self.propose(*values))

    def add(self) -> int:
        """Add a member, wait until it is added, and start it."""
        raft_id = self.new_machine()
        change = MembershipChange(True, self.members[raft_id])
        self.wait(self[self.leader()].propose_change(change))
        self.machines[raft_id].start()
        return raft_id

    def remove(self, raft_id: int) -> None:
        change = MembershipChange(False, self.members[raft_id])
        self.wait(self[self.leader()].propose_change(change))


class Checker:
    """Checks the five properties, and remembers acknowledged values."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.leader_of: dict[int, int] = {}  # term -> raft id
        self.entries: dict[tuple[int, int], tuple[int | None, object]] = {}  # -> term before, data
        self.committed: dict[int, int] = {}  # index -> term
        self.order: list[
            tuple[int, int, int]
        ] = []  # index, term, and the term in which it was applied
        self.history: dict[int, object] = {}  # index -> value applied
        self.acknowledged_values: list[object] = []
        self.states: dict[int, tuple[object, ...]] = {}
        # By raft id: the log as checked last (offset, entries, applied index), and, for leaders,
        # ((core, term), last index, position in `order`).
        self.checked_logs: dict[int, tuple[int, list[Entry], int]] = {}
        self.checked_leaders: dict[int, tuple[tuple[int, int], int, int]] = {}

    def acknowledged(self, call: Call, value: object) -> None:
        if call.error is None:
            self.acknowledged_values.append(value)

    def applies(self, replica: Replica, index: int, value: object) -> None:
        require(
            self.history.setdefault(index, value) == value, "state machine safety", index, value
        )
        last = replica.values[-1][0] if replica.values else 0
        require(index > last, "applied in order", index, last)

    def restores(self, values: tuple[tuple[int, object], ...], index: int) -> None:
        expected = tuple((i, v) for i, v in sorted(self.history.items()) if i <= index)
        require(values == expected, "state machine safety of a snapshot", index)

    def check(self) -> None:
        for raft_id, machine in self.world.machines.items():
            process = machine.process
            if not isinstance(process, Replica):
                continue
            raft = process.raft
            core, log = raft.core, raft.core.log
            state = (id(core), core.term, core.role, raft.applied_index, log.commit)
            state += (log.last_index, log.last_term, log.offset)
            if self.states.get(raft_id) != state:
                self.states[raft_id] = state
                self._check_log(raft_id, raft)

    def _check_log(self, raft_id: int, raft: RaftNode) -> None:
        core, log = raft.core, raft.core.log
        offset, old_entries, applied = self.checked_logs.get(raft_id, (0, [], 0))
        for position in range(len(log.entries) - 1, -1, -1):
            entry, old_position = log.entries[position], position + log.offset - offset
            if 0 <= old_position < len(old_entries) and old_entries[old_position] is entry:
                break  # it was checked before, as were all earlier entries
            fact = (log.term(entry.index - 1), entry.data)
            first = self.entries.setdefault((entry.index, entry.term), fact)
            require(first == fact, "log matching", raft_id, entry)
        applied = min(applied, raft.applied_index)
        for index in range(max(applied, log.offset) + 1, raft.applied_index + 1):
            term = log.term(index)
            require(term is not None, "applied an entry that is not in the log", raft_id, index)
            if index not in self.committed:
                self.committed[index] = term or 0
                self.order.append((index, term or 0, core.term))
            committed = self.committed[index]
            require(committed == term, "state machine safety", raft_id, index, term, committed)
        self.checked_logs[raft_id] = (log.offset, log.entries[:], raft.applied_index)
        if core.role is RaftRole.LEADER:
            self._check_leader(raft_id, raft)

    def _check_leader(self, raft_id: int, raft: RaftNode) -> None:
        core, log = raft.core, raft.core.log
        first = self.leader_of.setdefault(core.term, raft_id)
        require(first == raft_id, "election safety", core.term, first, raft_id)
        leadership, last, position = (id(core), core.term), 0, 0
        if raft_id in self.checked_leaders and self.checked_leaders[raft_id][0] == leadership:
            _, last, position = self.checked_leaders[raft_id]
        require(log.last_index >= last, "leader append-only", raft_id, last, log.last_index)
        for index, term, applied_in in self.order[position:]:
            if applied_in <= core.term and index > log.offset:
                own = log.term(index)
                require(own == term, "leader completeness", raft_id, core.term, index, own, term)
        self.checked_leaders[raft_id] = (leadership, log.last_index, len(self.order))


class RandomRun:
    """Random events and faults for `seconds`, then recovery; `run` raises Violation."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(f"story {seed}")
        choice = self.rng.choice
        self.world = World(
            seed,
            founders=choice([1, 2, 3, 3, 3, 4, 5]),
            election_ticks=choice([2, 4, 10]),
            snapshot_interval=choice([0, 7, 20]),
            entries_for_slow_followers=choice([0, 3, 10]),
            sync_ns=choice([0, 1, 50, 3000]) * MS,
        )
        self.value = 0
        self.seconds = 90.0
        faults = [self.crash, self.restart, self.restart_voter, self.crash_writing_leader]
        faults += [self.crash_all, self.partition, self.change_links]
        # Each run has its own mix: with all faults at once few writes succeed.
        faults = self.rng.sample(faults, choice([1, 2, 3, 6]))
        changes = self.rng.sample(
            [self.transfer, self.add, self.remove, self.change_settings], choice([0, 1, 4])
        )
        repairs = [self.write, self.write, self.burst, self.start, self.heal]
        self.events = repairs * choice([2, 4]) + faults * choice([1, 3]) + changes

    def run(self) -> None:
        world, end_ns = self.world, int(self.seconds * S)
        self.change_links()
        with patch.object(core, "ENTRIES_PER_MESSAGE_MAX", self.rng.choice([2, 5, 1024, 1024])):
            while world.simulation.now_ns < end_ns:
                world.run(self.rng.choice([0.0, 0.01, 0.3, 1.0, 6.0]) * self.rng.random())
                self.rng.choice(self.events)()
            self.recover()

    def recover(self) -> None:
        """Repair all faults; then one leader, equal logs, and no acknowledged value lost."""
        world = self.world
        world.network.heal()
        world.network.ordered, world.network.duplicates, world.network.link = True, 0.0, Link()
        world.options["sync_ns"] = 1 * MS
        for machine in world.machines.values():
            machine.start()
        for raft_id in world.up:
            world[raft_id].sync_ns = 1 * MS
        for _ in range(20):
            world.run(10)
            if self.settled():
                break
        require(self.settled(), "one leader and equal logs after recovery")
        values = {value for _, value in world.replica(world.leaders()[0]).values}
        lost = [value for value in world.checker.acknowledged_values if value not in values]
        require(not lost, "lost acknowledged values", lost)

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
        """Writes in quick succession, with many messages in flight."""
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

    def restart(self) -> None:
        """Crash and start at once: unsynced data is lost, an election may be running."""
        if self.world.up:
            machine = self.world.machines[self.rng.choice(self.world.up)]
            machine.crash()
            machine.start()

    def restart_voter(self) -> None:
        """Crash a member just after it has voted."""
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

    def crash_writing_leader(self) -> None:
        """A leader crashes while its entries are in flight, perhaps to one follower only."""
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

    def crash_all(self) -> None:
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

    def change_links(self) -> None:
        """Change delay, jitter, loss, order and duplication."""
        network, choice = self.world.network, self.rng.choice
        jitter_ns, loss = choice([1, 1, 100, 1000]) * MS, choice([0.0, 0.0, 0.1, 0.3])
        network.link = Link(delay_ns=choice([1, 1, 100]) * MS, jitter_ns=jitter_ns, loss=loss)
        network.ordered, network.duplicates = choice([True, False]), choice([0.0, 0.0, 0.2])

    def transfer(self) -> None:
        leader = self.some_leader()
        if leader:
            leader.transfer_leadership()

    def add(self) -> None:
        leader = self.some_leader()
        if leader and len(self.world.machines) < 8:
            raft_id = self.world.new_machine()
            change = MembershipChange(True, self.world.members[raft_id])
            leader.propose_change(change).then(self.start_added, raft_id)

    def start_added(self, call: Call, raft_id: int) -> None:
        if call.error is None:
            self.world.machines[raft_id].start()

    def remove(self) -> None:
        leader = self.some_leader()
        # With two members, a lost commit of a leader's own removal leaves the other without quorum.
        if leader and len(leader.members) > 2:
            member = self.rng.choice(list(leader.members.values()))
            leader.propose_change(MembershipChange(False, member))

    def change_settings(self) -> None:
        for raft_id in self.world.up:
            self.world[raft_id].snapshot_interval = self.rng.choice([0, 1, 5, 20])
            self.world[raft_id].entries_for_slow_followers = self.rng.choice([0, 2, 10])
