"""The state of one replica of the Raft log, for people and views. No payloads."""

from __future__ import annotations

from dataclasses import dataclass

from swarmlab.raft.core import Raft, Role

TERMS_COUNT = 12  # how many of the last entries a status shows


@dataclass(frozen=True, slots=True)
class Status:
    raft_id: int
    role: Role
    term: int
    vote: int  # raft id; 0 = none in this term
    leader_id: int  # 0 = none known
    commit_index: int
    applied_index: int
    first_index: int  # of the log; greater than `last_index` when it is empty
    last_index: int
    last_terms: tuple[int, ...]  # of the last entries, newest last
    matches: dict[int, int]  # leader: raft id -> last index known to be there
    votes: dict[int, bool]  # of the last election it stood for: raft id -> granted


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
        last_terms=tuple(entry.term for entry in log.entries[-TERMS_COUNT:]),
        matches={to: peer.match for to, peer in core.progress.items()},
        votes=dict(core.votes),
    )
