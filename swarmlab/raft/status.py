"""The state of one replica of the Raft log, for people and views. No payloads."""

from __future__ import annotations

from dataclasses import dataclass

from swarmlab.raft.core import Raft, RaftRole
from swarmlab.raft.messages import Entry

ENTRIES_COUNT = 12  # a status has so many last entries


@dataclass(frozen=True, slots=True)
class Status:
    raft_id: int
    role: RaftRole
    term: int
    vote: int  # raft id; 0 = none in this term
    leader_id: int  # 0 = unknown
    commit_index: int
    applied_index: int
    first_index: int  # of the log; `last_index` + 1 when it is empty
    last_index: int
    last_entries: tuple[Entry, ...]  # newest last
    quorum: int  # how many votes or copies are needed
    matches: dict[int, int]  # leader: raft id -> last index known to match
    votes: dict[int, bool]  # candidate: raft id -> granted


def status_of(core: Raft, applied_index: int) -> Status:
    log = core.log
    return Status(
        raft_id=core.raft_id,
        role=core.role,
        term=core.term,
        vote=core.vote,
        leader_id=core.leader_id,
        commit_index=log.commit,
        applied_index=applied_index,
        first_index=log.offset + 1,
        last_index=log.last_index,
        last_entries=tuple(log.entries[-ENTRIES_COUNT:]),
        quorum=core.quorum,
        matches={to: peer.match for to, peer in core.progress.items()},
        votes=dict(core.votes),
    )
