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
    VoteRefusal,
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


def following(*, term: int) -> Raft:
    """A follower that has just heard the leader, replica 3."""
    raft = follower(term=term)
    raft.step(AppendEntries(3, term, 0, 0, (), 0))
    return raft


def candidate(log: Sequence[int] = (), *, term: int = 1, size: int = 3) -> Raft:
    raft = follower(log, term=term - 1, size=size)
    raft.campaign()
    return raft


def leader(log: Sequence[int] = (), *, term: int = 1, size: int = 3) -> Raft:
    """A newly elected leader; its no-op is at `len(log) + 1`."""
    raft = candidate(log, term=term, size=size)
    for voter in range(2, size // 2 + 2):
        raft.step(VoteReply(voter, term, True))
    assert raft.role is RaftRole.LEADER
    return raft


def append(
    prev: int, prev_term: int, terms: Sequence[int] = (), *, term: int, commit: int = 0
) -> AppendEntries:
    """A message of leader 2."""
    return AppendEntries(2, term, prev, prev_term, entries(terms, prev + 1), commit)


def terms_of(raft: Raft) -> list[int]:
    return [entry.term for entry in raft.log.entries]


M = TypeVar("M", bound=Message)


def messages_of(ready: Ready, kind: type[M]) -> list[M]:
    return [message for _, message in ready.messages if isinstance(message, kind)]


def reply(ready: Ready) -> Message:
    ((_, message),) = ready.messages
    return message


def ticks(raft: Raft, count: int) -> list[Ready]:
    return [raft.tick() for _ in range(count)]


# -- rules for all servers ------------------------------------------------------------------------
def test_a_newer_term_converts_any_replica_to_follower():
    """Figure 2, all servers: if a message's term is newer, adopt it and convert to follower."""
    for raft in (follower(), candidate(), leader()):
        raft.step(AppendReply(3, 7, 0))
        assert (raft.role, raft.term, raft.vote, raft.leader_id) == (RaftRole.FOLLOWER, 7, 0, 0)


def test_committed_entries_are_returned_once_and_in_order():
    """Figure 2, all servers: while commitIndex > lastApplied, apply log[lastApplied]."""
    raft = follower([1, 1, 1])
    ready = raft.step(append(3, 1, term=1, commit=2))
    assert [entry.index for entry in ready.committed] == [1, 2]
    ready = raft.step(append(3, 1, term=1, commit=3))
    assert [entry.index for entry in ready.committed] == [3]


def test_term_and_vote_are_persisted_before_the_reply_is_sent():
    """Figure 2, state: currentTerm, votedFor and log[] are updated on stable storage first."""
    ready = follower().step(RequestVote(2, 5, 0, 0))
    assert ready.hard_state == HardState(term=5, vote=2, commit=0)
    assert ready.must_sync
    ready = follower(term=1).step(RequestVote(2, 1, 0, 0))  # a vote in a term that is known
    assert (ready.hard_state, ready.must_sync) == (HardState(term=1, vote=2, commit=0), True)
    ready = follower([1]).step(append(1, 1, [1], term=1))
    assert ready.entries == entries([1], 2)
    assert ready.must_sync


def test_a_commit_alone_needs_no_sync():
    """Figure 2, state: commitIndex is volatile; it is written without a sync."""
    ready = follower([1]).step(append(1, 1, term=1, commit=1))
    assert ready.hard_state == HardState(term=1, vote=0, commit=1)
    assert not ready.must_sync


# -- RequestVote ----------------------------------------------------------------------------------
def test_no_vote_in_an_older_term():
    """Figure 2, RequestVote, receiver 1: reply false if term < currentTerm."""
    assert reply(follower(term=3).step(RequestVote(2, 2, 9, 2))) == VoteReply(1, 3, False)


@pytest.mark.parametrize(
    ("vote", "candidate_id", "granted"), [(0, 2, True), (2, 2, True), (3, 2, False), (2, 3, False)]
)
def test_one_vote_a_term(vote, candidate_id, granted):
    """Figure 2, RequestVote, receiver 2: if votedFor is null or candidateId, grant."""
    vote_reply = reply(follower(term=1, vote=vote).step(RequestVote(candidate_id, 1, 0, 0)))
    assert vote_reply == VoteReply(1, 1, granted)


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
def test_a_follower_without_messages_starts_an_election():
    """Figure 2, followers: after the election timeout without a leader, convert to candidate."""
    raft = follower()
    readies = ticks(raft, 19)
    assert raft.role is RaftRole.CANDIDATE
    assert [to for ready in readies for to, _ in ready.messages] == [2, 3]


def test_each_term_has_a_random_timeout_of_10_to_19_ticks():
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
    """Figure 2, followers: both receiving AppendEntries and granting a vote reset the timer."""
    for message in (append(0, 0, term=1), RequestVote(2, 1, 0, 0)):
        raft = follower()
        for _ in range(5):
            ticks(raft, 9)
            raft.step(message)
        assert raft.role is RaftRole.FOLLOWER


def test_a_candidate_increments_its_term_votes_for_itself_and_requests_votes():
    """Figure 2, candidates: increment currentTerm, vote for self, send RequestVote to all."""
    raft = follower([1, 2], term=2)
    ready = raft.campaign()
    assert (raft.role, raft.term, raft.vote) == (RaftRole.CANDIDATE, 3, 1)
    request = RequestVote(1, 3, last_index=2, last_term=2)
    assert ready.messages == ((2, request), (3, request))


@pytest.mark.parametrize(("size", "votes", "wins"), [(3, 1, True), (5, 1, False), (5, 2, True)])
def test_a_majority_of_votes_makes_a_leader(size, votes, wins):
    """Figure 2, candidates: if votes came from a majority, become leader."""
    raft = candidate(term=1, size=size)
    for voter in range(2, 2 + votes):
        raft.step(VoteReply(voter, 1, True))
    assert raft.role is (RaftRole.LEADER if wins else RaftRole.CANDIDATE)


def test_a_vote_counts_once_and_only_from_members():
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


def test_a_candidate_starts_another_election_when_nobody_wins():
    """Figure 2, candidates: if the election timeout elapses, start a new election."""
    raft = candidate(term=3)
    ticks(raft, 19)
    assert (raft.role, raft.term) == (RaftRole.CANDIDATE, 4)


def test_the_only_member_is_elected_at_once():
    """Section 5.2: a majority of one."""
    raft = follower([1], size=1)
    ready = raft.campaign()
    assert raft.role is RaftRole.LEADER
    assert [entry.kind for entry in ready.committed] == [EntryKind.NORMAL, EntryKind.NOOP]
    assert ready.must_sync  # before anything of it is applied


# -- AppendEntries --------------------------------------------------------------------------------
def test_a_leader_of_an_older_term_is_rejected():
    """Figure 2, AppendEntries, receiver 1: reply false if term < currentTerm."""
    raft = follower([1], term=3)
    assert reply(raft.step(append(1, 1, [2], term=2))) == AppendReply(1, 3, 0, rejected=True)
    assert terms_of(raft) == [1]


@pytest.mark.parametrize(("prev", "prev_term"), [(3, 1), (2, 2)])
def test_entries_without_a_matching_previous_entry_are_rejected(prev, prev_term):
    """Figure 2, AppendEntries, receiver 2: no entry at prevLogIndex whose term is prevLogTerm."""
    raft = follower([1, 1], term=2)
    rejection = reply(raft.step(append(prev, prev_term, [2], term=2)))
    assert isinstance(rejection, AppendReply)
    assert (rejection.rejected, rejection.index) == (True, prev)
    assert terms_of(raft) == [1, 1]


def test_a_conflict_truncates_the_log():
    """Figure 2, AppendEntries, receiver 3: delete the conflicting entry and all that follow it."""
    raft = follower([1, 1, 1, 1], term=3)
    ready = raft.step(append(1, 1, [1, 3], term=3))
    assert terms_of(raft) == [1, 1, 3]
    assert ready.entries == entries([3], 3)


def test_a_late_short_append_keeps_what_already_matches():
    """Figure 2, AppendEntries, receiver 3: only a conflict truncates; this message is late."""
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


def test_the_commit_index_does_not_exceed_the_last_new_entry():
    """Figure 2, AppendEntries, receiver 5: min(leaderCommit, index of last new entry)."""
    raft = follower([1, 1, 1], term=2)
    raft.step(append(1, 1, [1], term=2, commit=9))
    assert raft.log.commit == 2


def test_a_late_append_is_answered_with_the_commit_index():
    """etcd raft.go, handleAppendEntries: an append from below the commit index is stale."""
    raft = follower([1, 1, 1], term=1, commit=3)
    assert reply(raft.step(append(1, 1, [1], term=1))) == AppendReply(1, 1, 3)


# -- leaders --------------------------------------------------------------------------------------
def test_a_new_leader_sends_appends_at_once_and_every_tick():
    """Figure 2, leaders: upon election send AppendEntries to each server; repeat when idle."""
    raft = candidate([1], term=2)
    ready = raft.step(VoteReply(2, 2, True))
    assert [to for to, _ in ready.messages] == [2, 3]
    assert [to for to, _ in raft.tick().messages] == [2, 3]


def test_a_new_leader_appends_a_no_op():
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


def test_a_follower_that_lacks_entries_gets_them():
    """Figure 2, leaders: if AppendEntries fails because of inconsistency, decrement and retry."""
    raft = leader([1, 1, 1], term=2)
    ready = raft.step(AppendReply(2, 2, 3, rejected=True, hint=1))
    (message,) = messages_of(ready, AppendEntries)
    assert (message.prev_index, len(message.entries)) == (1, 3)


def test_a_conflict_is_found_in_two_replies():
    """Section 5.3, last paragraphs: skip entries; first to the log's end, then to the commit."""
    raft = follower([1, 1, 2, 2, 2], term=5, commit=2)
    assert reply(raft.step(append(7, 4, term=5))) == AppendReply(1, 5, 7, rejected=True, hint=5)
    assert reply(raft.step(append(5, 4, term=5))) == AppendReply(1, 5, 5, rejected=True, hint=2)
    assert reply(raft.step(append(2, 1, [4], term=5))) == AppendReply(1, 5, 3)


def test_a_stale_rejection_changes_nothing():
    """etcd progress.go, MaybeDecrTo: a rejection older than a later acknowledgement is stale."""
    raft = leader([1, 1, 1], term=2)
    raft.step(AppendReply(2, 2, 4))
    assert raft.step(AppendReply(2, 2, 3, rejected=True, hint=0)).messages == ()
    assert raft.progress[2].match == 4


@pytest.mark.parametrize(
    ("size", "matches", "commit"), [(3, [2], 2), (5, [2], 0), (5, [2, 2], 2), (5, [2, 1], 1)]
)
def test_an_entry_on_a_majority_is_committed(size, matches, commit):
    """Figure 2, leaders: a majority of matchIndex >= N and log[N].term == currentTerm."""
    raft = leader(term=1, size=size)
    raft.propose(["x"])
    for follower_id, match in enumerate(matches, 2):
        raft.step(AppendReply(follower_id, 1, match))
    assert raft.log.commit == commit


def test_entries_of_older_terms_are_not_committed_by_counting_replicas():
    """Figure 8 and section 5.4.2: only together with an entry of the current term."""
    raft = leader([1, 1], term=3)
    raft.step(AppendReply(2, 3, 2))
    assert raft.log.commit == 0
    raft.step(AppendReply(2, 3, 3))
    assert raft.log.commit == 3


def test_followers_are_told_a_new_commit_index_at_once():
    """Section 5.3: the leader includes the highest committed index in future messages."""
    raft = leader(term=1)
    raft.step(AppendReply(3, 1, 0))
    ready = raft.step(AppendReply(2, 1, 1))
    commits = [message.commit for message in messages_of(ready, AppendEntries)]
    assert commits == [1, 1]


def test_a_leader_never_truncates_its_own_log():
    """Figure 3, leader append-only: no reply of a follower changes the leader's entries."""
    raft = leader([1, 1, 1], term=2)
    before = terms_of(raft)
    for index in range(5):
        raft.step(AppendReply(2, 2, index, rejected=True))
        raft.step(AppendReply(3, 2, index))
    assert terms_of(raft) == before


# -- the lease and the quorum ---------------------------------------------------------------------
def test_vote_requests_are_ignored_while_the_leader_is_heard():
    """Section 6, last paragraphs: disregard RequestVote within the minimum election timeout."""
    raft = follower(term=1)
    raft.step(append(0, 0, term=1))
    ticks(raft, 9)
    assert raft.step(RequestVote(3, 9, 5, 8)).messages == ()
    assert raft.term == 1
    ticks(raft, 1)
    assert reply(raft.step(RequestVote(3, 9, 5, 8))) == VoteReply(1, 9, True)


@pytest.mark.parametrize(
    ("voter", "request_", "why"),
    [
        (follower(term=3), RequestVote(2, 2, 9, 2), VoteRefusal.TERM),
        (follower(term=1, vote=3), RequestVote(2, 1, 0, 0), VoteRefusal.VOTED),
        (follower([2], term=2), RequestVote(2, 3, 9, 1), VoteRefusal.LOG),
        (following(term=1), RequestVote(2, 2, 0, 0), VoteRefusal.LEASE),
        (following(term=1), RequestVote(2, 1, 0, 0), VoteRefusal.LEADER),
        (follower(term=1), RequestVote(2, 1, 0, 0), None),
        (follower(term=1, vote=2), RequestVote(2, 1, 0, 0), None),
        (follower(term=1, vote=3), RequestVote(2, 2, 0, 0), None),
    ],
    ids=lambda value: str(value) if isinstance(value, VoteRefusal | None) else "",
)
def test_a_vote_that_is_refused_has_its_reason(voter, request_, why):
    """Figure 2, RequestVote; section 6. The reply carries it, for people; the lease sends none."""
    assert voter.vote_refusal(request_) is why
    ready = voter.step(request_)
    replies = [(message.granted, message.why) for _to, message in ready.messages]
    assert replies == ([] if why is VoteRefusal.LEASE else [(why is None, why)])


def test_the_lease_does_not_block_a_transfer():
    """Raft dissertation, section 4.2.3: the leader's permission to disrupt is in the request."""
    raft = follower(term=1)
    raft.step(append(0, 0, term=1))
    request = RequestVote(3, 2, 0, 0, transfer=True)
    assert reply(raft.step(request)) == VoteReply(1, 2, True)


def test_a_leader_without_a_quorum_steps_down():
    """Raft dissertation, section 6.2: after an election timeout without a majority."""
    raft = leader(term=1)
    ticks(raft, 19)
    assert raft.role is RaftRole.LEADER  # the votes counted as signs of life
    ticks(raft, 1)
    assert (raft.role, raft.term, raft.leader_id) == (RaftRole.FOLLOWER, 1, 0)


def test_a_leader_with_a_quorum_remains_leader():
    """Raft dissertation, section 6.2: one of two followers is enough."""
    raft = leader(term=1)
    for _ in range(10):
        ticks(raft, 5)
        raft.step(AppendReply(2, 1, 1))
    assert raft.role is RaftRole.LEADER


# -- transfer -------------------------------------------------------------------------------------
def test_leadership_is_transferred_when_the_target_has_the_whole_log():
    """Raft dissertation, section 3.10: bring it up to date first, then TimeoutNow."""
    raft = leader([1], term=2)
    assert messages_of(raft.transfer_leadership(2), TimeoutNow) == []
    assert messages_of(raft.step(AppendReply(2, 2, 2)), TimeoutNow) == [TimeoutNow(1, 2)]
    raft.step(AppendReply(3, 2, 2))
    assert messages_of(raft.transfer_leadership(3), TimeoutNow) == [TimeoutNow(1, 2)]


def test_timeout_now_starts_an_election_at_once():
    """Raft dissertation, section 3.10: the target does not wait for its timeout."""
    raft = follower(term=2)
    ready = raft.step(TimeoutNow(2, 2))
    assert messages_of(ready, RequestVote) == [RequestVote(1, 3, 0, 0, transfer=True)] * 2


def test_a_transfer_is_abandoned_after_an_election_timeout():
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
    """All members acknowledge everything, and this replica applies it."""
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


def test_a_new_leader_accepts_no_change_until_its_log_is_applied():
    """etcd raft.go, becomeLeader: an uncommitted change of an older leader may be in the log."""
    raft = leader([1, 1], term=2)
    assert raft.change_pending
    commit_all(raft)
    assert not raft.change_pending


def test_a_new_member_votes_as_soon_as_its_addition_is_applied():
    """Raft dissertation, section 4.1; SwarmKit has no learners."""
    raft = leader(term=1)
    commit_all(raft)
    raft.propose_change(change(4, add=True))
    assert raft.quorum == 2
    ready = commit_all(raft)
    assert (sorted(raft.members), raft.quorum) == ([1, 2, 3, 4], 3)
    assert [to for to, _ in ready.messages] == [4]


def test_a_removal_shrinks_the_quorum_at_once():
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


def test_a_removed_follower_gets_no_messages_and_commits_nothing():
    """Source: etcd raft.go, applyConfChange."""
    raft = leader(term=1)
    commit_all(raft)
    raft.propose_change(change(3, add=False))
    commit_all(raft)
    assert {to for ready in ticks(raft, 2) for to, _ in ready.messages} == {2}
    raft.propose(["x"])
    raft.step(AppendReply(3, 1, raft.log.last_index))
    assert raft.log.commit == raft.log.last_index - 1


def test_a_removed_member_does_not_campaign():
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


def test_a_member_does_not_campaign_before_it_has_applied_committed_changes():
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
def test_a_follower_that_needs_compacted_entries_gets_the_snapshot():
    """Figure 13 and section 7: InstallSnapshot when the leader discarded the next entry."""
    raft = leader([1, 1, 1], term=2)
    raft.step(AppendReply(2, 2, 4))
    raft.applied(4)
    snapshot = Snapshot(4, 2, tuple(map(member, (1, 2, 3))), "state")
    raft.compact(snapshot, keep=0)
    ready = raft.step(AppendReply(3, 2, 3, rejected=True, hint=0))
    assert ready.messages == ((3, InstallSnapshot(1, 2, snapshot)),)
    assert messages_of(raft.propose(["x"]), InstallSnapshot) == []  # it waits for the reply
    ready = raft.step(AppendReply(3, 2, 4))
    assert [len(m.entries) for m in messages_of(ready, AppendEntries)] == [1]


def test_a_snapshot_replaces_log_state_and_members():
    """Figure 13, receiver 7: discard the entire log; section 7: load the configuration too."""
    raft = follower([1, 1], term=2)
    snapshot = Snapshot(9, 2, (member(1), member(2), member(4)), "state", removed=(3,))
    ready = raft.step(InstallSnapshot(2, 2, snapshot))
    assert (ready.snapshot, ready.must_sync) == (snapshot, True)
    assert reply(ready) == AppendReply(1, 2, 9)
    assert (raft.log.last_index, raft.log.commit, raft.log.entries) == (9, 9, [])
    assert (sorted(raft.members), raft.removed) == ([1, 2, 4], {3})


def test_a_snapshot_whose_last_entry_is_in_the_log_truncates_nothing():
    """Figure 13, receiver 6: retain log entries following it."""
    raft = follower([1, 1, 1], term=1)
    ready = raft.step(InstallSnapshot(2, 1, Snapshot(2, 1, (member(1),), "state")))
    assert (terms_of(raft), raft.log.commit, ready.snapshot) == ([1, 1, 1], 2, None)


def test_an_old_snapshot_is_ignored():
    """Section 7: a follower never goes back behind its commit index."""
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
