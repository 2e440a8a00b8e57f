"""Replicas on simulated machines: elections, transfer, membership, disks, damage, determinism."""

from __future__ import annotations

import copy
from functools import partial
from typing import Any

import pytest

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
    """Three replicas, one of which leads."""
    made = World(seed=3)
    made.leader()
    made.run(2)
    return made


def others(world: World, raft_id: int) -> list[int]:
    return [other for other in world.up if other != raft_id]


def name(raft_id: int) -> str:
    return f"m{raft_id}"


# -- leading --------------------------------------------------------------------------------------
def test_a_first_member_leads_at_once():
    """SwarmKit campaigns right away when it is the only member."""
    world = World(seed=1, founders=1)
    assert world.leader() == 1
    assert world.simulation.now_ns < S // 100


def test_a_write_is_applied_everywhere(world):
    assert world.write("x", "y") == world[1].applied_index
    world.run(1)
    for raft_id in world.up:
        assert [value for _, value in world.replica(raft_id).values] == ["x", "y"]


def test_proposals_of_one_instant_travel_in_one_message(world):
    leader = world[world.leader()]
    before = leader.core.log.last_index
    last = world.propose(*range(100))
    world.until(lambda: leader.core.log.last_index > before)
    assert leader.core.log.last_index == before + 100
    assert world.wait(last) == before + 100


def test_a_follower_refuses_writes(world):
    follower = world[others(world, world.leader())[0]]
    for call in (follower.propose("x"), follower.transfer_leadership()):
        assert "raft: " in str(call.error)
        assert not call.error.may_have_happened


def test_leadership_is_told_when_everything_older_is_applied(world):
    old = world.leader()
    world.write("x")
    world.machines[old].crash()
    new = world.leader()
    replica = world.replica(new)
    assert (replica.led, replica.values) == ([True], [(replica.values[0][0], "x")])
    assert world[new].core.log.term(world[new].applied_index) == world[new].term


def test_the_status_shows_a_replica_at_a_glance(world):
    leader = world.leader()
    index = world.write("x")
    world.run(1)
    status = world[leader].status()
    assert (status.role, status.leader_id, status.vote) == ("leader", leader, leader)
    assert (status.commit_index, status.applied_index, status.last_index) == (index,) * 3
    assert (status.first_index, status.last_terms[-1]) == (1, status.term)
    assert status.matches == dict.fromkeys(others(world, leader), index)


# -- elections ------------------------------------------------------------------------------------
def test_a_new_leader_10_to_20_seconds_after_the_old_ones_crash():
    """spec 1.2; a candidate within the other's lease, or a split vote, costs another round."""
    seconds = []
    for seed in range(60):
        world = World(seed)
        old = world.leader()
        world.run(3)
        world.machines[old].crash()
        seconds.append(world.until(partial(led, world, old)))
    assert min(seconds) >= 8
    assert max(seconds) <= 40
    assert sum(s <= 20 for s in seconds) >= 48


def led(world: World, old: int) -> bool:
    return any(leader != old for leader in world.leaders())


@pytest.mark.parametrize("seed", range(8))
def test_a_leader_without_its_majority_steps_down_after_10_to_20_seconds(seed):
    """Check-quorum: spec 1.2. A write in its log fails then, and may still have happened."""
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


def test_the_lease_keeps_a_returning_candidate_from_an_election(world):
    """Raft paper, section 6: who hears its leader does not even take over the newer term."""
    leader = world.leader()
    lonely, steady = others(world, leader)
    term = world[leader].term
    for raft_id in (leader, steady):
        world[raft_id].receive(name(lonely), RequestVote(lonely, term + 9, 99, term + 9))
    assert (world[leader].is_leader, world[leader].term, world[steady].term) == (True, term, term)


def test_without_pre_vote_a_returning_member_costs_an_election(world):
    """etcd raft.go, Step: it answers the leader's heartbeat with its own, newer term."""
    leader = world.leader()
    lonely, steady = others(world, leader)
    world.write("x")
    world.network.partition([name(leader), name(steady)], [name(lonely)])
    world.write("y")
    world.run(60)
    assert world[lonely].term > world[leader].term
    world.network.heal()
    assert world.until(lambda: not world[leader].is_leader) <= 2
    assert world.leader() != lonely  # its log is too old
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


def test_reachable_is_who_answered_within_three_seconds(world):
    leader = world.leader()
    gone = others(world, leader)[0]
    assert [world[leader].reachable(raft_id) for raft_id in (1, 2, 3, 99)] == [True] * 3 + [False]
    world.machines[gone].crash()
    seconds = world.until(lambda: not world[leader].reachable(gone))
    assert 2 <= seconds <= 4
    world.machines[gone].start()
    assert world.until(lambda: world[leader].reachable(gone)) <= 2


# -- transfer -------------------------------------------------------------------------------------
def test_leadership_is_transferred_within_moments(world):
    old = world.leader()
    target = others(world, old)[0]
    call = world[old].transfer_leadership(target)
    assert "dropped" in str(world[old].propose("x").error)
    world.wait(call, seconds=1)
    assert world.until(lambda: world[target].is_leader) < 1
    assert world.replica(old).led == [True, False]


def test_a_transfer_chooses_a_peer_that_answers(world):
    old = world.leader()
    gone, there = others(world, old)
    world.machines[gone].crash()
    world.run(5)
    world.wait(world[old].transfer_leadership(), seconds=1)
    assert world.leader() == there


def test_a_transfer_that_cannot_be_fails_after_25_seconds(world):
    old = world.leader()
    gone = others(world, old)[0]
    world.machines[gone].crash()
    start_ns = world.simulation.now_ns
    with pytest.raises(DeadlineExceeded):
        world.wait(world[old].transfer_leadership(gone))
    assert world.simulation.now_ns - start_ns == 25 * S
    assert world.write("y") > 0


# -- membership -----------------------------------------------------------------------------------
def test_a_joining_member_is_brought_up_to_date(world):
    world.write("x")
    new = world.add()
    world.run(3)
    assert world.replica(new).values == world.replica(1).values
    assert list(world[new].members) == [1, 2, 3, 4]


def test_a_removed_member_is_told_and_stays_out(world):
    leader = world.leader()
    gone = others(world, leader)[0]
    world.network.partition([name(r) for r in world.up if r != gone], [name(gone)])
    world.remove(gone)
    world.network.heal()
    world.until(lambda: world.replica(gone).out)
    assert gone not in world[leader].members
    add = MembershipChange(True, world.members[gone])
    refused = world[leader].propose_change(add)
    assert "node was removed during cluster lifetime" in str(refused.error)


def test_a_removed_member_that_comes_back_disturbs_nobody(world):
    """It campaigns with ever newer terms; the others do not even look at its requests."""
    leader = world.leader()
    gone = others(world, leader)[0]
    world.machines[gone].stop()
    world.remove(gone)
    term = world[leader].term
    world.machines[gone].start()
    world.run(60)
    assert world.replica(gone).out
    assert (world.leader(), world[leader].term) == (leader, term)


def test_a_leader_that_is_removed_leaves_and_another_follows(world):
    old = world.leader()
    world.remove(old)
    assert world.replica(old).out
    assert world.replica(old).led == [True, False]
    world.until(lambda: led(world, old))


def test_two_changes_at_a_time_are_refused(world):
    leader = world[world.leader()]
    first, second = world.new_machine(), world.new_machine()
    going = leader.propose_change(MembershipChange(True, world.members[first]))
    refused = leader.propose_change(MembershipChange(True, world.members[second]))
    assert "propose configuration change refused" in str(refused.error)
    assert world.wait(going) > 0


@pytest.mark.parametrize(
    ("add", "member", "words"),
    [
        (False, Member(9, "node9", "10.0.0.9"), "member not found in cluster list"),
        (True, Member(1, "node9", "10.0.0.9"), "node id is a duplicate"),
    ],
)
def test_changes_that_make_no_sense_are_refused(world, add, member, words):
    """spec 1.3: SwarmKit's membership errors."""
    call = world[world.leader()].propose_change(MembershipChange(add, member))
    assert words in str(call.error)


def test_adding_a_member_again_changes_its_address(world):
    """spec 1.3, step 5."""
    leader = world.leader()
    moved = Member(2, "node2", "10.0.0.2:4242")
    world.wait(world[leader].propose_change(MembershipChange(True, moved)))
    assert world[leader].members[2] == moved


# -- snapshots ------------------------------------------------------------------------------------
def test_a_slow_follower_is_caught_up_by_a_snapshot():
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


def test_the_log_stays_short_and_the_interval_is_read_live(world):
    leader = world[world.leader()]
    for value in range(30):
        world.write(value)
    assert leader.status().first_index == 1
    leader.snapshot_interval, leader.entries_for_slow_followers = 10, 3
    world.write("x")
    status = leader.status()
    assert status.last_index - status.first_index + 1 == 3


# -- disks ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("interval", [0, 7])
def test_everything_is_there_after_a_power_cut(interval):
    world = World(seed=6, snapshot_interval=interval, entries_for_slow_followers=2)
    for value in range(20):
        world.write(value)
    for raft_id in list(world.up):
        world.machines[raft_id].crash()
    for machine in world.machines.values():
        machine.start()
    leader = world.leader()
    assert [value for _, value in world.replica(leader).values] == list(range(20))


def test_a_vote_outlives_a_crash(world):
    leader = world.leader()
    voter = next(r for r in others(world, leader) if world[r].core.vote)
    before = (world[voter].core.term, world[voter].core.vote)
    world.machines[voter].crash()
    world.machines[voter].start()
    assert (world[voter].core.term, world[voter].core.vote) == before


def test_a_message_waits_until_what_it_promises_is_safe():
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
    one, two, three = (Entry(i, 1, EntryKind.NORMAL, f"v{i}") for i in (1, 2, 3))
    storage.append(HardState(1, 2, 0), [one, two])
    storage.append(HardState(1, 2, 2), [three])
    storage.sync()
    return storage


@pytest.mark.parametrize("cut", range(1, 40, 3))
def test_a_torn_tail_is_dropped(cut):
    """The last record was not synced: the file ends within it."""
    disk = Disk()
    some_storage(disk)
    whole = disk.read(WAL)
    disk.write(WAL, whole[:-cut])
    stored = Storage(disk, PickleCodec()).load()
    assert stored.hard_state == HardState(1, 2, 0)
    assert [entry.data for entry in stored.entries] == ["v1", "v2"]
    assert len(disk.read(WAL)) < len(whole) - cut


def test_new_records_replace_entries_at_their_place():
    disk = Disk()
    storage = some_storage(disk)
    storage.append(HardState(2, 0, 2), [Entry(3, 2, EntryKind.NOOP)])
    stored = storage.load()
    assert [(entry.index, entry.term) for entry in stored.entries] == [(1, 1), (2, 1), (3, 2)]


@pytest.mark.parametrize("at", [0, 5, 9, 20, 60])
def test_a_damaged_file_is_named(at):
    """Any flipped byte of a whole record, its length among them, is no torn tail."""
    disk = Disk()
    some_storage(disk)
    damaged = bytearray(disk.read(WAL))
    damaged[at] ^= 0xFF
    disk.write(WAL, bytes(damaged))
    with pytest.raises(DamagedFile, match=WAL):
        Storage(disk, PickleCodec()).load()


def test_a_damaged_or_lonely_snapshot_is_named():
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
    """A sealer that anyone can break, and that a test can see at work."""

    def seal(self, data: bytes) -> bytes:
        return bytes(byte ^ 0x55 for byte in data)

    open = seal


def test_all_that_is_written_goes_through_the_sealer():
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


def test_everything_is_sealed_anew_on_request(world):
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


def test_no_payload_stands_in_a_repr():
    entry = Entry(1, 1, EntryKind.NORMAL, "secret")
    assert "secret" not in repr([entry, Snapshot(1, 1, (), "secret")])


# -- force new cluster ----------------------------------------------------------------------------
def test_force_new_cluster_keeps_what_is_committed_and_nothing_else(world):
    """spec 1.9: uncommitted entries are discarded, all other members removed."""
    leader = world.leader()
    world.write("kept")
    for raft_id in others(world, leader):
        world.machines[raft_id].crash()
    world.propose("never acknowledged", on=leader)
    world.run(1)
    world.machines[leader].stop()
    world.force_new_cluster = True
    world.checker = Checker(world)  # this is another history: a place may be filled anew
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
    world.propose("on its way")
    return world


def test_equal_seeds_give_equal_traces():
    digests = []
    for seed in (1, 1, 2):
        world = busy(seed)
        world.run(60)
        digests.append(world.simulation.trace.digest())
    assert digests[0] == digests[1] != digests[2]


def test_a_copy_of_the_running_world_goes_on_alike_and_apart():
    world = busy(4)
    fork = copy.deepcopy(world)
    world.run(60)
    before = fork.simulation.now_ns
    assert before < world.simulation.now_ns
    fork.run(60)
    assert fork.simulation.trace.digest() == world.simulation.trace.digest()
    values: Any = [w.replica(w.leader()).values for w in (world, fork)]
    assert values[0] == values[1]
    assert values[0] is not values[1]


def test_an_election_can_be_told_from_the_trace():
    world = World(seed=9)
    leader = world.leader()
    said = [
        r for r in world.simulation.trace if isinstance(r, Campaigned | VotedFor | BecameLeader)
    ]
    assert isinstance(said[0], Campaigned)
    assert BecameLeader(said[-1].at_ns, name(leader), world[leader].term) in said


def test_a_stopped_node_fails_its_calls_and_is_silent(world):
    leader = world[world.leader()]
    call = leader.propose("x")
    leader.stop()
    assert isinstance(call.error, Unknown)
    assert "node is stopped" in str(leader.propose("y").error)
    world.run(5)
    assert leader.core.role is RaftRole.LEADER  # nothing moves in it any more
