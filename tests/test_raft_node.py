"""Replicas on simulated machines: elections, transfer, membership, storage, determinism."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from swarmlab.cluster.copies import copy_of
from swarmlab.errors import DeadlineExceeded, LostLeadership, Unknown
from swarmlab.model.trace_records import BecameLeader, Campaigned, SnapshotSent, VotedFor
from swarmlab.raft.core import RaftRole
from swarmlab.raft.messages import (
    Entry,
    EntryKind,
    HardState,
    Member,
    MembershipChange,
    RequestVote,
    Snapshot,
)
from swarmlab.raft.storage import SNAPSHOT, WAL, DamagedFile, Storage
from swarmlab.simulation import Disk, S
from tests.raft_world import Checker, PickleCodec, World


@pytest.fixture
def world() -> World:
    """Three replicas with a leader."""
    world = World(seed=3)
    world.leader()
    world.run(2)
    return world


def others(world: World, raft_id: int) -> list[int]:
    return [other for other in world.up if other != raft_id]


def name(raft_id: int) -> str:
    return f"m{raft_id}"


# -- the leader -----------------------------------------------------------------------------------
def test_the_only_member_is_leader_at_once():
    """Source: swarmkit manager/state/raft/raft.go, Run: the only member campaigns at once."""
    world = World(seed=1, founders=1)
    assert world.leader() == 1
    assert world.simulation.now_ns < S // 100


def test_a_proposal_is_applied_on_all_replicas(world):
    assert world.write("x", "y") == world[1].applied_index
    world.run(1)
    for raft_id in world.up:
        assert [value for _, value in world.replica(raft_id).values] == ["x", "y"]


def test_proposals_of_one_event_are_sent_in_one_message(world):
    leader = world[world.leader()]
    before = leader.core.log.last_index
    last = world.propose(*range(100))
    world.until(lambda: leader.core.log.last_index > before)
    assert leader.core.log.last_index == before + 100
    assert world.wait(last) == before + 100


def test_a_follower_rejects_proposals(world):
    follower = world[others(world, world.leader())[0]]
    for call in (follower.propose("x"), follower.transfer_leadership()):
        assert "raft: " in str(call.error)
        assert not call.error.may_have_happened


def test_leadership_begins_when_all_earlier_entries_are_applied(world):
    old = world.leader()
    world.write("x")
    world.machines[old].crash()
    new = world.leader()
    replica = world.replica(new)
    assert (replica.led, replica.values) == ([True], [(replica.values[0][0], "x")])
    assert world[new].core.log.term(world[new].applied_index) == world[new].term


def test_the_status_of_a_leader(world):
    leader = world.leader()
    index = world.write("x")
    world.run(1)
    status = world[leader].status()
    assert (status.role, status.leader_id, status.vote) == ("leader", leader, leader)
    assert (status.commit_index, status.applied_index, status.last_index) == (index,) * 3
    assert (status.first_index, status.last_entries[-1].term) == (1, status.term)
    assert status.matches == dict.fromkeys(others(world, leader), index)


# -- elections ------------------------------------------------------------------------------------
def test_a_new_leader_10_to_20_seconds_after_the_old_ones_crash():
    """A vote request within another's lease, or a split vote, costs another election timeout."""
    seconds = []
    for seed in range(60):
        world = World(seed)
        old = world.leader()
        world.run(3)
        world.machines[old].crash()
        seconds.append(world.until(partial(has_other_leader, world, old)))
    assert min(seconds) >= 8
    assert max(seconds) <= 40
    assert sum(s <= 20 for s in seconds) >= 48


def has_other_leader(world: World, old: int) -> bool:
    return any(leader != old for leader in world.leaders())


@pytest.mark.parametrize("seed", range(8))
def test_a_leader_without_a_quorum_steps_down_after_10_to_20_seconds(seed):
    """Check-quorum, etcd raft.go. A pending proposal fails then, and may still have happened."""
    world = World(seed)
    old = world.leader()
    world.run(seed % 5)
    world.network.partition([name(r) for r in others(world, old)], [name(old)])
    call = world[old].propose("x")
    seconds = world.until(lambda: not world[old].is_leader)
    assert 9 <= seconds <= 20
    assert isinstance(call.error, LostLeadership)
    assert call.error.may_have_happened
    assert world.replica(old).led == [True, False]


def test_the_lease_protects_the_leader_from_a_returning_candidate(world):
    """Raft paper, section 6: who hears its leader ignores the request and its newer term."""
    leader = world.leader()
    isolated, connected = others(world, leader)
    term = world[leader].term
    for raft_id in (leader, connected):
        world[raft_id].receive(name(isolated), RequestVote(isolated, term + 9, 99, term + 9))
    assert (world[leader].is_leader, world[leader].term, world[connected].term) == (
        True,
        term,
        term,
    )


def test_without_pre_vote_a_returning_member_costs_an_election(world):
    """etcd raft.go, Step: it replies to the leader's heartbeat with its own, newer term."""
    leader = world.leader()
    isolated, connected = others(world, leader)
    world.write("x")
    world.network.partition([name(leader), name(connected)], [name(isolated)])
    world.write("y")
    world.run(60)
    assert world[isolated].term > world[leader].term
    world.network.heal()
    assert world.until(lambda: not world[leader].is_leader) <= 2
    assert world.leader() != isolated  # its log is too old
    assert world.write("z") > 0


def test_a_node_without_a_leader_counts_its_ticks(world):
    leader = world.leader()
    follower = others(world, leader)[0]
    world.network.partition(*([name(raft_id)] for raft_id in world.up))
    world.run(60)
    assert 30 < world[follower].ticks_without_leader < 60
    assert world[follower].leader_id == 0
    world.network.heal()
    world.until(lambda: world[follower].leader_id != 0)
    world.run(2)
    assert world[follower].ticks_without_leader == 0


def test_a_member_is_reachable_if_it_replied_within_three_seconds(world):
    leader = world.leader()
    other = others(world, leader)[0]
    assert [world[leader].reachable(raft_id) for raft_id in (1, 2, 3, 99)] == [True] * 3 + [False]
    world.machines[other].crash()
    seconds = world.until(lambda: not world[leader].reachable(other))
    assert 2 <= seconds <= 4
    world.machines[other].start()
    assert world.until(lambda: world[leader].reachable(other)) <= 2


# -- transfer -------------------------------------------------------------------------------------
def test_leadership_is_transferred_within_a_second(world):
    old = world.leader()
    target = others(world, old)[0]
    call = world[old].transfer_leadership(target)
    assert "dropped" in str(world[old].propose("x").error)
    world.wait(call, seconds=1)
    assert world.until(lambda: world[target].is_leader) < 1
    assert world.replica(old).led == [True, False]


def test_a_transfer_chooses_a_reachable_member(world):
    old = world.leader()
    crashed, reachable = others(world, old)
    world.machines[crashed].crash()
    world.run(5)
    world.wait(world[old].transfer_leadership(), seconds=1)
    assert world.leader() == reachable


def test_a_transfer_to_a_crashed_member_fails_after_25_seconds(world):
    old = world.leader()
    other = others(world, old)[0]
    world.machines[other].crash()
    start_ns = world.simulation.now_ns
    with pytest.raises(DeadlineExceeded):
        world.wait(world[old].transfer_leadership(other))
    assert world.simulation.now_ns - start_ns == 25 * S
    assert world.write("y") > 0


# -- membership -----------------------------------------------------------------------------------
def test_a_joining_member_gets_the_whole_log(world):
    world.write("x")
    new = world.add()
    world.run(3)
    assert world.replica(new).values == world.replica(1).values
    assert list(world[new].members) == [1, 2, 3, 4]


def test_a_removed_member_is_notified_and_cannot_rejoin(world):
    leader = world.leader()
    other = others(world, leader)[0]
    world.network.partition([name(r) for r in world.up if r != other], [name(other)])
    world.remove(other)
    world.network.heal()
    world.until(lambda: world.replica(other).is_removed)
    assert other not in world[leader].members
    add = MembershipChange(True, world.members[other])
    rejected = world[leader].propose_change(add)
    assert "node was removed during cluster lifetime" in str(rejected.error)


def test_a_removed_member_that_restarts_does_not_disrupt_elections(world):
    """It campaigns with newer and newer terms; the others ignore its requests."""
    leader = world.leader()
    other = others(world, leader)[0]
    world.machines[other].stop()
    world.remove(other)
    term = world[leader].term
    world.machines[other].start()
    world.run(60)
    assert world.replica(other).is_removed
    assert (world.leader(), world[leader].term) == (leader, term)


def test_a_stranger_starts_no_election(world):
    """Neither its term nor its log counts. Source: swarmkit raft.go, ProcessRaftMessage."""
    leader = world.leader()
    other = next(raft_id for raft_id in world.up if raft_id != leader)
    term = world.term(other)
    stranger = RequestVote(99, term + 7, 1000, term + 6, transfer=True)
    world[other].receive(f"m{leader}", stranger)
    world.run(30)
    assert (world.leaders(), world.term(other)) == ([leader], term)


def test_a_removed_leader_stops_and_another_is_elected(world):
    old = world.leader()
    world.remove(old)
    assert world.replica(old).is_removed
    assert world.replica(old).led == [True, False]
    world.until(lambda: has_other_leader(world, old))


def test_a_second_pending_membership_change_is_rejected(world):
    leader = world[world.leader()]
    first, second = world.new_machine(), world.new_machine()
    pending = leader.propose_change(MembershipChange(True, world.members[first]))
    rejected = leader.propose_change(MembershipChange(True, world.members[second]))
    assert "propose configuration change refused" in str(rejected.error)
    assert world.wait(pending) > 0


@pytest.mark.parametrize(
    ("add", "member", "message"),
    [
        (False, Member(9, "node9", "10.0.0.9"), "member not found in cluster list"),
        (True, Member(1, "node9", "10.0.0.9"), "node id is a duplicate"),
    ],
)
def test_an_invalid_membership_change_is_rejected(world, add, member, message):
    """Source: swarmkit manager/state/raft/membership/cluster.go, ValidateConfigurationChange."""
    call = world[world.leader()].propose_change(MembershipChange(add, member))
    assert message in str(call.error)


def test_adding_a_member_again_changes_its_address(world):
    """Source: swarmkit manager/state/raft/raft.go, Join."""
    leader = world.leader()
    moved = Member(2, "node2", "10.0.0.2:4242")
    world.wait(world[leader].propose_change(MembershipChange(True, moved)))
    assert world[leader].members[2] == moved


# -- snapshots ------------------------------------------------------------------------------------
def test_a_slow_follower_gets_a_snapshot():
    world = World(seed=5, snapshot_interval=20, entries_for_slow_followers=5)
    leader = world.leader()
    slow = others(world, leader)[0]
    world.network.partition([name(r) for r in world.up if r != slow], [name(slow)])
    for value in range(50):
        world.write(value)
    world.network.heal()
    world.until(lambda: world.replica(slow).values == world.replica(leader).values)
    assert len(world.simulation.trace.of(SnapshotSent)) == 1


def test_an_almost_up_to_date_follower_gets_entries_only():
    world = World(seed=5, snapshot_interval=20, entries_for_slow_followers=50)
    leader = world.leader()
    slow = others(world, leader)[0]
    world.machines[slow].crash()
    for value in range(50):
        world.write(value)
    world.machines[slow].start()
    world.until(lambda: world.replica(slow).values == world.replica(leader).values)
    assert world.simulation.trace.of(SnapshotSent) == []


def test_the_log_is_compacted_and_the_interval_can_change(world):
    leader = world[world.leader()]
    for value in range(30):
        world.write(value)
    assert leader.status().first_index == 1
    leader.snapshot_interval, leader.entries_for_slow_followers = 10, 3
    world.write("x")
    status = leader.status()
    assert status.last_index - status.first_index + 1 == 3


# -- storage --------------------------------------------------------------------------------------
@pytest.mark.parametrize("interval", [0, 7])
def test_all_writes_survive_a_crash_of_all_members(interval):
    world = World(seed=6, snapshot_interval=interval, entries_for_slow_followers=2)
    for value in range(20):
        world.write(value)
    for raft_id in list(world.up):
        world.machines[raft_id].crash()
    for machine in world.machines.values():
        machine.start()
    leader = world.leader()
    assert [value for _, value in world.replica(leader).values] == list(range(20))


def test_a_vote_survives_a_crash(world):
    leader = world.leader()
    voter = next(r for r in others(world, leader) if world[r].core.vote)
    before = (world[voter].core.term, world[voter].core.vote)
    world.machines[voter].crash()
    world.machines[voter].start()
    assert (world[voter].core.term, world[voter].core.vote) == before


def test_a_message_is_sent_only_after_the_sync():
    world = World(seed=2, sync_ns=3 * S)
    leader = world.leader()
    follower = others(world, leader)[0]
    index = world[leader].core.log.last_index + 1
    world.propose("x", on=leader)
    seconds = world.until(lambda: world[follower].core.log.last_index == index)
    assert 3 <= seconds <= 3.01
    seconds = world.until(lambda: world[leader].applied_index == index)
    assert 3 <= seconds <= 3.01


def some_storage(disk: Disk) -> Storage:
    """Two records in the log: entries 1 and 2, then entry 3."""
    storage = Storage(disk, PickleCodec())
    first, second, third = (Entry(i, 1, EntryKind.NORMAL, f"v{i}") for i in (1, 2, 3))
    storage.append(HardState(1, 2, 0), [first, second])
    storage.append(HardState(1, 2, 2), [third])
    storage.sync()
    return storage


@pytest.mark.parametrize("cut", range(1, 40, 3))
def test_an_incomplete_last_record_is_dropped(cut):
    """It was not synced: the file ends within it."""
    disk = Disk()
    some_storage(disk)
    content = disk.read(WAL)
    disk.write(WAL, content[:-cut])
    stored = Storage(disk, PickleCodec()).load()
    assert stored.hard_state == HardState(1, 2, 0)
    assert [entry.data for entry in stored.entries] == ["v1", "v2"]
    assert len(disk.read(WAL)) < len(content) - cut


def test_new_records_replace_entries_at_their_indexes():
    disk = Disk()
    storage = some_storage(disk)
    storage.append(HardState(2, 0, 2), [Entry(3, 2, EntryKind.NOOP)])
    stored = storage.load()
    assert [(entry.index, entry.term) for entry in stored.entries] == [(1, 1), (2, 1), (3, 2)]


@pytest.mark.parametrize("at", [0, 5, 9, 20, 60])
def test_a_damaged_file_is_named(at):
    """A flipped byte in a complete record, or in its length, is damage."""
    disk = Disk()
    some_storage(disk)
    damaged = bytearray(disk.read(WAL))
    damaged[at] ^= 0xFF
    disk.write(WAL, bytes(damaged))
    with pytest.raises(DamagedFile, match=WAL):
        Storage(disk, PickleCodec()).load()


def test_a_damaged_snapshot_or_a_missing_log_is_named():
    disk = Disk()
    storage = some_storage(disk)
    storage.save(HardState(1, 2, 3), Snapshot(3, 1, (), "state"), [])
    disk.write(SNAPSHOT, disk.read(SNAPSHOT)[:-1])
    with pytest.raises(DamagedFile, match=SNAPSHOT):
        storage.load()
    storage.save(HardState(1, 2, 3), Snapshot(3, 1, (), "state"), [])
    disk.delete(WAL)
    with pytest.raises(DamagedFile, match=WAL):
        storage.load()


class Xor:
    """A trivial sealer."""

    def seal(self, data: bytes) -> bytes:
        return bytes(byte ^ 0x55 for byte in data)

    open = seal


def test_everything_written_is_sealed():
    disk = Disk()
    storage = Storage(disk, PickleCodec(), Xor())
    storage.append(HardState(1, 0, 1), [Entry(1, 1, EntryKind.NORMAL, "secret")])
    storage.save(HardState(1, 0, 1), Snapshot(1, 1, (), "secret"), [])
    assert all(b"secret" not in disk.read(file) for file in disk.names())
    stored = storage.load()
    assert stored.snapshot is not None
    assert stored.snapshot.data == "secret"
    storage.sealer = Xor()
    assert storage.load() == stored


def test_reseal_encrypts_everything_again(world):
    leader = world.leader()
    world.write("secret")
    disk = world.machines[leader].disk
    assert b"secret" in disk.read(WAL)
    world[leader].reseal(Xor())
    assert all(b"secret" not in disk.read(file) for file in disk.names())
    world.sealer = Xor()
    world.machines[leader].crash()
    world.machines[leader].start()
    world.run(3)
    assert [value for _, value in world.replica(leader).values] == ["secret"]
    world[leader].stop()
    disk.delete("swarm/raft/")
    world[leader].reseal(Xor())
    assert disk.names() == []  # a stopped node writes nothing


def test_no_repr_shows_a_payload():
    entry = Entry(1, 1, EntryKind.NORMAL, "secret")
    assert "secret" not in repr([entry, Snapshot(1, 1, (), "secret")])


# -- force new cluster ----------------------------------------------------------------------------
def test_force_new_cluster_keeps_committed_entries_only(world):
    """Uncommitted entries are dropped, all other members removed. Source: swarmkit
    manager/state/raft/storage.go."""
    leader = world.leader()
    world.write("kept")
    for raft_id in others(world, leader):
        world.machines[raft_id].crash()
    world.propose("never acknowledged", on=leader)
    world.run(1)
    world.machines[leader].stop()
    world.force_new_cluster = True
    world.checker = Checker(world)  # a new history: an index may get another entry
    world.machines[leader].start()
    assert world.until(lambda: world.leaders() == [leader]) < 0.1
    assert [value for _, value in world.replica(leader).values] == ["kept"]
    assert list(world[leader].members) == [leader]
    assert world[leader].core.removed == set(world.founders) - {leader}
    world.force_new_cluster = False
    assert world.write("more") > 0


# -- determinism ----------------------------------------------------------------------------------
def busy(seed: int) -> World:
    world = World(seed, founders=5, snapshot_interval=10, entries_for_slow_followers=3)
    for value in range(15):
        world.write(value)
    world.machines[world.leader()].crash()
    world.propose("pending")
    return world


def test_equal_seeds_give_equal_traces():
    digests = []
    for seed in (1, 1, 2):
        world = busy(seed)
        world.run(60)
        digests.append(world.simulation.trace.digest())
    assert digests[0] == digests[1] != digests[2]


def test_a_copy_runs_exactly_as_the_original_and_independently():
    world = busy(4)
    fork = copy_of(world)
    world.run(60)
    before = fork.simulation.now_ns
    assert before < world.simulation.now_ns
    fork.run(60)
    assert fork.simulation.trace.digest() == world.simulation.trace.digest()
    values: Any = [w.replica(w.leader()).values for w in (world, fork)]
    assert values[0] == values[1]
    assert values[0] is not values[1]


def test_the_trace_records_an_election():
    world = World(seed=9)
    leader = world.leader()
    records = [
        r for r in world.simulation.trace if isinstance(r, Campaigned | VotedFor | BecameLeader)
    ]
    assert isinstance(records[0], Campaigned)
    assert BecameLeader(records[-1].at_ns, name(leader), world[leader].term) in records


def test_a_stopped_node_fails_its_calls_and_does_nothing(world):
    leader = world[world.leader()]
    call = leader.propose("x")
    leader.stop()
    assert isinstance(call.error, Unknown)
    assert "node is stopped" in str(leader.propose("y").error)
    world.run(5)
    assert leader.core.role is RaftRole.LEADER  # nothing changes in it any more
