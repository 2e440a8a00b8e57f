"""Figure 2 of the Raft paper, and sections 5 to 7, one rule a test, on the pure core.

Replica 1 is the one under test, of a group of three or five. After etcd's raft_paper_test.go.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

import pytest

from swarmlab.raft.core import Raft, RaftRole, Ready
from swarmlab.raft.log import Log
from swarmlab.raft.messages import (
    AppendEntries,
    AppendReply,
    Entry,
    EntryKind,
    HardState,
    InstallSnapshot,
    Member,
    MembershipChange,
    Message,
    RequestVote,
    Snapshot,
    TimeoutNow,
    VoteReply,
)


def member(raft_id: int) -> Member:
    return Member(raft_id, f"node{raft_id}", f"10.0.0.{raft_id}:2377")


def entries(terms: Sequence[int], first: int = 1) -> tuple[Entry, ...]:
    """Entries of these terms, from index `first`."""
    return tuple(Entry(i, t, EntryKind.NORMAL, f"{i}.{t}") for i, t in enumerate(terms, first))


def follower(
    log: Sequence[int] = (), *, term: int = 1, vote: int = 0, commit: int = 0, size: int = 3
) -> Raft:
    """Replica 1 with a log of these terms."""
    group = Snapshot(0, 0, tuple(member(i) for i in range(1, size + 1)), None)
    state = HardState(term, vote, commit)
    raft = Raft(1, random.Random(1), state, group, entries(log))
    raft.applied(len(raft.ready().committed))
    return raft


def candidate(log: Sequence[int] = (), *, term: int = 1, size: int = 3) -> Raft:
    raft = follower(log, term=term - 1, size=size)
    raft.campaign()
    return raft


def leader(log: Sequence[int] = (), *, term: int = 1, size: int = 3) -> Raft:
    """A leader that just won; its no-op is at `len(log) + 1`."""
    raft = candidate(log, term=term, size=size)
    for voter in range(2, size // 2 + 2):
        raft.step(VoteReply(voter, term, True))
    assert raft.role is RaftRole.LEADER
    return raft


def append(
    prev: int, prev_term: int, terms: Sequence[int] = (), *, term: int, commit: int = 0
) -> AppendEntries:
    """What leader 2 says."""
    return AppendEntries(2, term, prev, prev_term, entries(terms, prev + 1), commit)


def terms_of(raft: Raft) -> list[int]:
    return [entry.term for entry in raft.log.entries]


M = TypeVar("M", bound=Message)


def said(ready: Ready, kind: type[M]) -> list[M]:
    return [message for _, message in ready.messages if isinstance(message, kind)]


def reply(ready: Ready) -> Message:
    (answer,) = ready.messages
    return answer[1]


def ticks(raft: Raft, count: int) -> list[Ready]:
    return [raft.tick() for _ in range(count)]


# -- rules for all servers ------------------------------------------------------------------------
def test_a_newer_term_makes_anyone_a_follower():
    """Figure 2, all servers: if a message's term is newer, adopt it and convert to follower."""
    for raft in (follower(), candidate(), leader()):
        raft.step(AppendReply(3, 7, 0))
        assert (raft.role, raft.term, raft.vote, raft.leader_id) == (RaftRole.FOLLOWER, 7, 0, 0)


def test_committed_entries_are_handed_out_once_and_in_order():
    """Figure 2, all servers: while commitIndex > lastApplied, apply log[lastApplied]."""
    raft = follower([1, 1, 1])
    ready = raft.step(append(3, 1, term=1, commit=2))
    assert [entry.index for entry in ready.committed] == [1, 2]
    ready = raft.step(append(3, 1, term=1, commit=3))
    assert [entry.index for entry in ready.committed] == [3]


def test_term_and_vote_are_persisted_before_the_answer_leaves():
    """Figure 2, state: currentTerm, votedFor and log[] are updated on stable storage first."""
    ready = follower().step(RequestVote(2, 5, 0, 0))
    assert ready.hard_state == HardState(term=5, vote=2, commit=0)
    assert ready.must_sync
    ready = follower([1]).step(append(1, 1, [1], term=1))
    assert ready.entries == entries([1], 2)
    assert ready.must_sync


def test_a_commit_alone_need_not_be_safe():
    """Figure 2, state: commitIndex is volatile; it is written along and not waited for."""
    ready = follower([1]).step(append(1, 1, term=1, commit=1))
    assert ready.hard_state == HardState(term=1, vote=0, commit=1)
    assert not ready.must_sync


# -- RequestVote ----------------------------------------------------------------------------------
def test_no_vote_in_an_older_term():
    """Figure 2, RequestVote, receiver 1: reply false if term < currentTerm."""
    assert reply(follower(term=3).step(RequestVote(2, 2, 9, 2))) == VoteReply(1, 3, False)


@pytest.mark.parametrize(
    ("vote", "asks", "granted"), [(0, 2, True), (2, 2, True), (3, 2, False), (2, 3, False)]
)
def test_one_vote_a_term(vote, asks, granted):
    """Figure 2, RequestVote, receiver 2: if votedFor is null or candidateId, grant."""
    answer = reply(follower(term=1, vote=vote).step(RequestVote(asks, 1, 0, 0)))
    assert answer == VoteReply(1, 1, granted)


@pytest.mark.parametrize(
    ("log", "last_term", "last_index", "granted"),
    [
        ([1], 1, 1, True),
        ([1], 1, 2, True),
        ([1, 1], 1, 1, False),
        ([1], 2, 1, True),
        ([1, 1], 2, 1, True),
        ([2], 1, 1, False),
        ([2], 1, 9, False),
    ],
)
def test_only_a_log_as_new_as_its_own_gets_a_vote(log, last_term, last_index, granted):
    """Figure 2, RequestVote, 2, section 5.4.1: the later last term, then the longer."""
    ready = follower(log, term=2).step(RequestVote(2, 3, last_index, last_term))
    assert reply(ready) == VoteReply(1, 3, granted)


# -- followers and candidates ---------------------------------------------------------------------
def test_a_follower_that_hears_nothing_stands_for_election():
    """Figure 2, followers: after the election timeout without a leader, convert to candidate."""
    raft = follower()
    readies = ticks(raft, 19)
    assert raft.role is RaftRole.CANDIDATE
    assert [to for ready in readies for to, _ in ready.messages] == [2, 3]


def test_the_timeout_is_drawn_for_every_term_from_10_to_19_ticks():
    """Section 5.2: randomized election timeouts; etcd: [10, 20) ticks."""
    raft = follower(size=1, term=0)
    drawn = set()
    for term in range(1, 400):
        raft.step(AppendReply(2, 2 * term, 0))
        quiet = 0
        while raft.role is RaftRole.FOLLOWER:
            raft.tick()
            quiet += 1
        drawn.add(quiet)
    assert drawn == set(range(10, 20))


def test_a_heartbeat_or_a_granted_vote_restarts_the_timeout():
    """Figure 2, followers: not when AppendEntries came, or a vote was granted."""
    for message in (append(0, 0, term=1), RequestVote(2, 1, 0, 0)):
        raft = follower()
        for _ in range(5):
            ticks(raft, 9)
            raft.step(message)
        assert raft.role is RaftRole.FOLLOWER


def test_an_election_is_a_new_term_a_vote_for_itself_and_requests():
    """Figure 2, candidates: increment currentTerm, vote for self, send RequestVote to all."""
    raft = follower([1, 2], term=2)
    ready = raft.campaign()
    assert (raft.role, raft.term, raft.vote) == (RaftRole.CANDIDATE, 3, 1)
    ask = RequestVote(1, 3, last_index=2, last_term=2)
    assert ready.messages == ((2, ask), (3, ask))


@pytest.mark.parametrize(("size", "votes", "wins"), [(3, 1, True), (5, 1, False), (5, 2, True)])
def test_a_majority_of_votes_makes_a_leader(size, votes, wins):
    """Figure 2, candidates: if votes came from a majority, become leader."""
    raft = candidate(term=1, size=size)
    for voter in range(2, 2 + votes):
        raft.step(VoteReply(voter, 1, True))
    assert raft.role is (RaftRole.LEADER if wins else RaftRole.CANDIDATE)


def test_a_vote_counts_once_and_a_strangers_not_at_all():
    """Section 5.2: each server votes for at most one candidate, and only servers vote."""
    raft = candidate(term=1, size=5)
    for voter in (2, 2, 2, 9):
        raft.step(VoteReply(voter, 1, True))
    assert raft.role is RaftRole.CANDIDATE


def test_a_candidate_follows_a_leader_of_its_term():
    """Figure 2, candidates: if AppendEntries came from a new leader, convert to follower."""
    raft = candidate(term=3)
    raft.step(append(0, 0, term=3))
    assert (raft.role, raft.leader_id, raft.term) == (RaftRole.FOLLOWER, 2, 3)


def test_a_candidate_stands_again_when_nobody_wins():
    """Figure 2, candidates: if the election timeout elapses, start a new election."""
    raft = candidate(term=3)
    ticks(raft, 19)
    assert (raft.role, raft.term) == (RaftRole.CANDIDATE, 4)


def test_alone_it_leads_at_once():
    """Section 5.2: a majority of one."""
    raft = follower([1], size=1)
    ready = raft.campaign()
    assert raft.role is RaftRole.LEADER
    assert [entry.kind for entry in ready.committed] == [EntryKind.NORMAL, EntryKind.NOOP]
    assert ready.must_sync  # before anything of it is applied


# -- AppendEntries --------------------------------------------------------------------------------
def test_an_old_leader_is_refused():
    """Figure 2, AppendEntries, receiver 1: reply false if term < currentTerm."""
    raft = follower([1], term=3)
    assert reply(raft.step(append(1, 1, [2], term=2))) == AppendReply(1, 3, 0, rejected=True)
    assert terms_of(raft) == [1]


@pytest.mark.parametrize(("prev", "prev_term"), [(3, 1), (2, 2)])
def test_entries_that_do_not_join_on_are_refused(prev, prev_term):
    """Figure 2, AppendEntries, receiver 2: no entry at prevLogIndex whose term is prevLogTerm."""
    raft = follower([1, 1], term=2)
    answer = reply(raft.step(append(prev, prev_term, [2], term=2)))
    assert isinstance(answer, AppendReply)
    assert (answer.rejected, answer.index) == (True, prev)
    assert terms_of(raft) == [1, 1]


def test_a_conflict_cuts_the_log_from_there():
    """Figure 2, AppendEntries, receiver 3: delete the conflicting entry and all that follow it."""
    raft = follower([1, 1, 1, 1], term=3)
    ready = raft.step(append(1, 1, [1, 3], term=3))
    assert terms_of(raft) == [1, 1, 3]
    assert ready.entries == entries([3], 3)


def test_a_late_short_append_keeps_what_already_matches():
    """Figure 2, AppendEntries, receiver 3: only a conflict cuts; this one was overtaken."""
    raft = follower([1, 1, 1], term=1)
    ready = raft.step(append(1, 1, [1], term=1))
    assert terms_of(raft) == [1, 1, 1]
    assert reply(ready) == AppendReply(1, 1, 2)
    assert ready.entries == ()


def test_new_entries_are_appended_and_acknowledged():
    """Figure 2, AppendEntries, receiver 4: append any new entries not already in the log."""
    raft = follower([1, 1], term=1)
    assert reply(raft.step(append(1, 1, [1, 1, 1], term=1))) == AppendReply(1, 1, 4)
    assert terms_of(raft) == [1, 1, 1, 1]


def test_the_commit_index_follows_no_further_than_the_new_entries():
    """Figure 2, AppendEntries, receiver 5: min(leaderCommit, index of last new entry)."""
    raft = follower([1, 1, 1], term=2)
    raft.step(append(1, 1, [1], term=2, commit=9))
    assert raft.log.commit == 2


def test_what_is_committed_is_acknowledged_whatever_comes_late():
    """etcd raft.go, handleAppendEntries: an append from below the commit index is old news."""
    raft = follower([1, 1, 1], term=1, commit=3)
    assert reply(raft.step(append(1, 1, [1], term=1))) == AppendReply(1, 1, 3)


# -- leaders --------------------------------------------------------------------------------------
def test_a_new_leader_speaks_at_once_and_every_tick():
    """Figure 2, leaders: upon election send AppendEntries to each server; repeat when idle."""
    raft = candidate([1], term=2)
    ready = raft.step(VoteReply(2, 2, True))
    assert [to for to, _ in ready.messages] == [2, 3]
    assert [to for to, _ in raft.tick().messages] == [2, 3]


def test_a_new_leader_begins_with_an_entry_of_its_own():
    """Section 8: each leader commits a blank no-op entry at the start of its term."""
    raft = leader([1], term=2)
    assert raft.log.entries[-1] == Entry(2, 2, EntryKind.NOOP)


def test_a_proposal_is_appended_and_sent():
    """Figure 2, leaders: if a command is received, append it to the local log."""
    raft = leader(term=1)
    raft.step(AppendReply(2, 1, 1))
    ready = raft.propose(["x", "y"])
    assert [entry.data for entry in ready.entries] == ["x", "y"]
    (message,) = [m for to, m in ready.messages if to == 2]
    assert (message.prev_index, message.entries) == (1, ready.entries)
    assert message.entries[0] is raft.log.entries[1]  # shared, not copied


def test_a_follower_that_lacks_entries_is_found_and_filled():
    """Figure 2, leaders: if AppendEntries fails because of inconsistency, decrement and retry."""
    raft = leader([1, 1, 1], term=2)
    ready = raft.step(AppendReply(2, 2, 3, rejected=True, hint=1))
    (message,) = said(ready, AppendEntries)
    assert (message.prev_index, len(message.entries)) == (1, 3)


def test_a_conflict_is_found_in_two_answers():
    """Section 5.3, last paragraphs: skip entries; first to the log's end, then to the commit."""
    raft = follower([1, 1, 2, 2, 2], term=5, commit=2)
    assert reply(raft.step(append(7, 4, term=5))) == AppendReply(1, 5, 7, rejected=True, hint=5)
    assert reply(raft.step(append(5, 4, term=5))) == AppendReply(1, 5, 5, rejected=True, hint=2)
    assert reply(raft.step(append(2, 1, [4], term=5))) == AppendReply(1, 5, 3)


def test_an_old_refusal_changes_nothing():
    """etcd progress.go, MaybeDecrTo: a refusal that the answers since have overtaken is stale."""
    raft = leader([1, 1, 1], term=2)
    raft.step(AppendReply(2, 2, 4))
    assert raft.step(AppendReply(2, 2, 3, rejected=True, hint=0)).messages == ()
    assert raft.progress[2].match == 4


@pytest.mark.parametrize(
    ("size", "matches", "commit"), [(3, [2], 2), (5, [2], 0), (5, [2, 2], 2), (5, [2, 1], 1)]
)
def test_what_a_majority_holds_is_committed(size, matches, commit):
    """Figure 2, leaders: a majority of matchIndex >= N and log[N].term == currentTerm."""
    raft = leader(term=1, size=size)
    raft.propose(["x"])
    for follower_id, match in enumerate(matches, 2):
        raft.step(AppendReply(follower_id, 1, match))
    assert raft.log.commit == commit


def test_entries_of_older_terms_are_not_committed_by_counting():
    """Figure 8 and section 5.4.2: only with an entry of the own term on top."""
    raft = leader([1, 1], term=3)
    raft.step(AppendReply(2, 3, 2))
    assert raft.log.commit == 0
    raft.step(AppendReply(2, 3, 3))
    assert raft.log.commit == 3


def test_followers_hear_of_a_commit_at_once():
    """Section 5.3: the leader includes the highest committed index in future messages."""
    raft = leader(term=1)
    raft.step(AppendReply(3, 1, 0))
    ready = raft.step(AppendReply(2, 1, 1))
    commits = [message.commit for message in said(ready, AppendEntries)]
    assert commits == [1, 1]


def test_a_leader_never_cuts_its_own_log():
    """Figure 3, leader append-only: nothing a follower says changes the leader's entries."""
    raft = leader([1, 1, 1], term=2)
    before = terms_of(raft)
    for index in range(5):
        raft.step(AppendReply(2, 2, index, rejected=True))
        raft.step(AppendReply(3, 2, index))
    assert terms_of(raft) == before


# -- the lease and the quorum ---------------------------------------------------------------------
def test_who_hears_its_leader_ignores_candidates():
    """Section 6, last paragraphs: disregard RequestVote within the minimum election timeout."""
    raft = follower(term=1)
    raft.step(append(0, 0, term=1))
    ticks(raft, 9)
    assert raft.step(RequestVote(3, 9, 5, 8)).messages == ()
    assert raft.term == 1
    ticks(raft, 1)
    assert reply(raft.step(RequestVote(3, 9, 5, 8))) == VoteReply(1, 9, True)


def test_a_transfer_is_not_held_up_by_the_lease():
    """Raft dissertation, section 4.2.3: the leader's permission to disrupt is in the request."""
    raft = follower(term=1)
    raft.step(append(0, 0, term=1))
    ask = RequestVote(3, 2, 0, 0, transfer=True)
    assert reply(raft.step(ask)) == VoteReply(1, 2, True)


def test_a_leader_without_a_quorum_steps_down():
    """Raft dissertation, section 6.2: after an election timeout without a majority."""
    raft = leader(term=1)
    ticks(raft, 19)
    assert raft.role is RaftRole.LEADER  # the votes counted as signs of life
    ticks(raft, 1)
    assert (raft.role, raft.term, raft.leader_id) == (RaftRole.FOLLOWER, 1, 0)


def test_a_leader_with_a_quorum_stays():
    """Raft dissertation, section 6.2: one of two followers is enough."""
    raft = leader(term=1)
    for _ in range(10):
        ticks(raft, 5)
        raft.step(AppendReply(2, 1, 1))
    assert raft.role is RaftRole.LEADER


# -- transfer -------------------------------------------------------------------------------------
def test_leadership_passes_to_one_whose_log_is_complete():
    """Raft dissertation, section 3.10: bring it up to date first, then TimeoutNow."""
    raft = leader([1], term=2)
    assert said(raft.transfer_leadership(2), TimeoutNow) == []
    assert said(raft.step(AppendReply(2, 2, 2)), TimeoutNow) == [TimeoutNow(1, 2)]
    raft.step(AppendReply(3, 2, 2))
    assert said(raft.transfer_leadership(3), TimeoutNow) == [TimeoutNow(1, 2)]


def test_timeout_now_starts_an_election_at_once():
    """Raft dissertation, section 3.10: the target does not wait for its timeout."""
    raft = follower(term=2)
    ready = raft.step(TimeoutNow(2, 2))
    assert said(ready, RequestVote) == [RequestVote(1, 3, 0, 0, transfer=True)] * 2


def test_a_transfer_is_given_up_after_an_election_timeout():
    """Raft dissertation, section 3.10: the leader goes on if the transfer does not happen."""
    raft = leader(term=1)
    raft.transfer_leadership(2)
    ticks(raft, 5)
    raft.step(AppendReply(3, 1, 1))
    assert raft.transferee == 2
    ticks(raft, 5)
    assert raft.transferee == 0


# -- membership -----------------------------------------------------------------------------------
def change(raft_id: int, *, add: bool) -> MembershipChange:
    return MembershipChange(add, member(raft_id))


def commit_all(raft: Raft) -> Ready:
    """Everyone acknowledges everything, and this replica applies it."""
    for peer in list(raft.progress):
        raft.step(AppendReply(peer, raft.term, raft.log.last_index))
    return raft.applied(raft.log.commit)


def test_one_membership_change_at_a_time():
    """Raft dissertation, section 4.1: not before the previous one is committed (here: applied)."""
    raft = leader(term=1)
    commit_all(raft)
    raft.propose_change(change(4, add=True))
    assert raft.change_pending
    commit_all(raft)
    assert not raft.change_pending


def test_a_new_leader_waits_with_changes_until_its_log_is_applied():
    """etcd raft.go, becomeLeader: an uncommitted change of an older leader may be in the log."""
    raft = leader([1, 1], term=2)
    assert raft.change_pending
    commit_all(raft)
    assert not raft.change_pending


def test_a_new_member_votes_from_when_it_is_applied():
    """Raft dissertation, section 4.1; SwarmKit has no learners."""
    raft = leader(term=1)
    commit_all(raft)
    raft.propose_change(change(4, add=True))
    assert raft.quorum == 2
    ready = commit_all(raft)
    assert (sorted(raft.members), raft.quorum) == ([1, 2, 3, 4], 3)
    assert [to for to, _ in ready.messages] == [4]


def test_a_removal_makes_the_quorum_smaller_at_once():
    """etcd raft.go, applyConfChange: what the smaller majority holds is committed."""
    raft = leader(term=1, size=4)
    commit_all(raft)
    raft.propose_change(change(4, add=False))
    raft.propose(["x"])
    raft.step(AppendReply(2, 1, 3))
    raft.step(AppendReply(3, 1, 2))
    assert (raft.log.commit, raft.quorum) == (2, 3)
    raft.applied(2)
    assert (raft.log.commit, raft.quorum) == (3, 2)
    assert (sorted(raft.members), raft.removed) == ([1, 2, 3], {4})


def test_a_removed_member_does_not_stand():
    """Raft dissertation, section 4.2.2; a leader steps down when its own removal is applied."""
    raft = leader(term=1)
    commit_all(raft)
    raft.propose_change(change(1, add=False))
    commit_all(raft)
    assert raft.role is RaftRole.FOLLOWER
    ticks(raft, 50)
    assert (raft.role, raft.term) == (RaftRole.FOLLOWER, 1)


def test_a_removed_id_never_returns():
    """SwarmKit membership/cluster.go: node was removed during cluster lifetime."""
    raft = leader(term=1)
    commit_all(raft)
    for add in (False, True):
        raft.propose_change(change(3, add=add))
        commit_all(raft)
    assert sorted(raft.members) == [1, 2]


def test_nobody_stands_before_it_applied_the_changes_it_knows_committed():
    """etcd raft.go, hup: it might count votes by an old list of members."""
    raft = follower(term=1)
    entry = Entry(1, 1, EntryKind.CHANGE, change(4, add=True))
    raft.step(AppendEntries(2, 1, 0, 0, (entry,), 1))
    raft.campaign()
    assert raft.role is RaftRole.FOLLOWER
    raft.applied(1)
    raft.campaign()
    assert raft.role is RaftRole.CANDIDATE


# -- snapshots ------------------------------------------------------------------------------------
def test_a_follower_whose_entries_are_gone_gets_the_snapshot():
    """Figure 13 and section 7: InstallSnapshot when the leader discarded the next entry."""
    raft = leader([1, 1, 1], term=2)
    raft.step(AppendReply(2, 2, 4))
    raft.applied(4)
    snapshot = Snapshot(4, 2, tuple(map(member, (1, 2, 3))), "state")
    raft.compact(snapshot, keep=0)
    ready = raft.step(AppendReply(3, 2, 3, rejected=True, hint=0))
    assert ready.messages == ((3, InstallSnapshot(1, 2, snapshot)),)
    assert said(raft.propose(["x"]), InstallSnapshot) == []  # it waits for the answer
    ready = raft.step(AppendReply(3, 2, 4))
    assert [len(m.entries) for m in said(ready, AppendEntries)] == [1]


def test_a_snapshot_replaces_log_state_and_members():
    """Figure 13, receiver 7: discard the entire log; section 7: load the configuration too."""
    raft = follower([1, 1], term=2)
    snapshot = Snapshot(9, 2, (member(1), member(2), member(4)), "state", removed=(3,))
    ready = raft.step(InstallSnapshot(2, 2, snapshot))
    assert (ready.snapshot, ready.must_sync) == (snapshot, True)
    assert reply(ready) == AppendReply(1, 2, 9)
    assert (raft.log.last_index, raft.log.commit, raft.log.entries) == (9, 9, [])
    assert (sorted(raft.members), raft.removed) == ([1, 2, 4], {3})


def test_a_snapshot_whose_last_entry_is_there_cuts_nothing():
    """Figure 13, receiver 6: retain log entries following it."""
    raft = follower([1, 1, 1], term=1)
    ready = raft.step(InstallSnapshot(2, 1, Snapshot(2, 1, (member(1),), "state")))
    assert (terms_of(raft), raft.log.commit, ready.snapshot) == ([1, 1, 1], 2, None)


def test_an_old_snapshot_is_ignored():
    """Section 7: a follower never goes back behind what is committed."""
    raft = follower([1, 1, 1], term=1, commit=3)
    ready = raft.step(InstallSnapshot(2, 1, Snapshot(2, 1, (member(1),), "state")))
    assert (ready.snapshot, reply(ready)) == (None, AppendReply(1, 1, 3))


def test_compaction_keeps_some_entries_and_all_indexes():
    """Section 7; SwarmKit keeps 500 entries for slow followers."""
    log = Log(0, 0, entries([1, 1, 2, 2]), 4)
    log.compact(3)
    assert (log.offset, log.offset_term, log.last_index, log.last_term) == (3, 2, 4, 2)
    assert [log.term(index) for index in (2, 3, 4, 5)] == [None, 2, 2, None]
    with pytest.raises(AssertionError):
        log.slice(3, 4)
