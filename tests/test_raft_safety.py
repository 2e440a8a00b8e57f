"""Raft's five safety properties hold in random runs, and the checker detects every broken rule.

`RAFT_RUNS=5000 pytest tests/test_raft_safety.py` makes more runs. Raft paper, figure 3.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from swarmlab.raft import core, log, storage
from swarmlab.raft.messages import MembershipChange
from tests.raft_world import RandomRun, TooManyEvents, Violation, World

RUNS_COUNT = int(os.environ.get("RAFT_RUNS", "500"))
RUNS_PER_TEST = 50
SEEDS_MAX = 1500  # the test fails if so many runs do not detect the broken rule


@pytest.mark.parametrize("first", range(0, RUNS_COUNT, RUNS_PER_TEST))
def test_the_properties_hold_in_random_runs(first):
    """After every event; and at the end no acknowledged write is lost."""
    cut_short = 0
    for seed in range(first, first + RUNS_PER_TEST):
        try:
            RandomRun(seed).run()
        except TooManyEvents:
            cut_short += 1  # many small reordered messages: Raft resends much and progresses slowly
        except Exception as error:
            error.add_note(f"RandomRun({seed}).run()")
            raise
    assert cut_short <= 1


# -- rules broken on purpose: each function replaces the method that BROKEN names
def vote_ignoring_an_earlier_vote(self, request):
    self.vote = self.leader_id = 0
    correct["votes twice in a term"](self, request)


def log_record_without_vote(self, hard_state, entries):
    return correct["forgets its vote"](self, replace(hard_state, vote=0), entries)


def log_record_without_term(self, hard_state, entries):
    return correct["forgets its term"](self, replace(hard_state, term=1), entries)


def append_always_truncating(self, entries):
    if entries:
        del self.entries[entries[0].index - self.offset - 1 :]
        self.entries.extend(entries)
    return tuple(entries)


def append_never_truncating(self, entries):
    new = tuple(entry for entry in entries if entry.index > self.last_index)
    self.entries.extend(new)
    return new


def commit_of_older_terms(self):
    matches = sorted([self.log.last_index, *(peer.match for peer in self.progress.values())])
    index = matches[len(matches) - self.quorum]
    advanced = index > self.log.commit
    self.log.commit = max(index, self.log.commit)
    return advanced


def commit_of_all_entries(self, message):
    correct["applies before commit"](self, message)
    self.log.commit = self.log.last_index


def step_ignoring_terms(self, message):
    if message.term < self.term and self.role is not core.RaftRole.LEADER:
        message = replace(message, term=self.term)
    return correct["obeys an old leader"](self, message)


def append_without_check(self, message):
    term = self.log.term(message.prev_index)
    if term is not None:
        message = replace(message, prev_term=term)
    correct["takes entries without checking the previous one"](self, message)


def append_always_acknowledged(self, message):
    before = len(self._messages)
    correct["acknowledges entries it rejected"](self, message)
    for position, (to, reply) in enumerate(self._messages[before:], before):
        if getattr(reply, "rejected", False) and reply.index:
            self._messages[position] = (to, replace(reply, rejected=False))


def do_nothing(self):
    pass


def always_true(self, *_):
    return True


def always_false(self):
    return False


def minority(self):
    return max(1, len(self.members) // 2)


BROKEN: dict[str, tuple[type, str, Any]] = {
    "votes twice in a term": (core.Raft, "_on_request_vote", vote_ignoring_an_earlier_vote),
    "forgets its vote": (storage.Storage, "_log_record", log_record_without_vote),
    "forgets its term": (storage.Storage, "_log_record", log_record_without_term),
    "votes for older logs": (log.Log, "is_up_to_date", always_true),
    "truncates its log at every append": (log.Log, "append", append_always_truncating),
    "never truncates its log": (log.Log, "append", append_never_truncating),
    "takes entries without checking the previous one": (
        core.Raft,
        "_on_append",
        append_without_check,
    ),
    "acknowledges entries it rejected": (core.Raft, "_on_append", append_always_acknowledged),
    "obeys an old leader": (core.Raft, "step", step_ignoring_terms),
    "commits old terms by counting": (core.Raft, "_advance_commit", commit_of_older_terms),
    "applies before commit": (core.Raft, "_on_append", commit_of_all_entries),
    "acknowledges before sync": (storage.Storage, "sync", do_nothing),
    "decides with a minority": (core.Raft, "quorum", property(minority)),
    "changes two members at a time": (core.Raft, "change_pending", property(always_false)),
}
correct: dict[str, Callable[..., Any]] = {
    rule: getattr(owner, name) for rule, (owner, name, _) in BROKEN.items()
}
# The first seed that detects the broken rule; the search starts there.
FIRST_SEED = {
    "forgets its vote": 173,
    "truncates its log at every append": 116,
    "obeys an old leader": 80,
    "takes entries without checking the previous one": 23,
    "applies before commit": 25,
}


def play_figure_8() -> None:
    """An entry of term 2 reaches a majority in term 4, and a leader of term 5 overwrites it."""
    world = World(seed=8, founders=5, sync_ns=0)
    names = {raft_id: f"m{raft_id}" for raft_id in world.founders}
    first = world.leader()
    world.run(5)
    second, *rest = [raft_id for raft_id in world.founders if raft_id != first]
    world.network.partition([names[first], names[second]], [names[r] for r in rest])
    index = world[first].core.log.last_index + 1
    world.propose("x", on=first)
    world.until(lambda: world[second].core.log.last_index == index)  # (a) on two of five
    world.machines[first].crash()
    world.until(lambda: any(world[r].core.role is core.RaftRole.LEADER for r in rest))
    rival = next(r for r in rest if world[r].core.role is core.RaftRole.LEADER)
    third, fourth = (r for r in rest if r != rival)
    world.network.partition(*([name] for name in names.values()))
    world.run(0.01)
    world.machines[rival].crash()  # (b) it has another entry at that index, of a newer term
    world.machines[first].start()
    world.network.partition([names[r] for r in (first, second, third)], [names[fourth]])
    world.until(lambda: any(match_of(world, r, third) == index for r in (first, second)))
    world.network.partition(*([name] for name in names.values()))  # (c) now on three of five
    world.run(0.01)
    for raft_id in (first, second):
        world.machines[raft_id].crash()
    world.machines[rival].start()
    world.network.heal()
    world.until(lambda: world.leaders() == [rival])  # (d) it overwrites that index
    for raft_id in (first, second):
        world.machines[raft_id].start()
    world.run(30)
    assert [world.replica(raft_id).values for raft_id in world.founders] == [[]] * 5


def match_of(world: World, leader: int, follower: int) -> int:
    peer = world[leader].core.progress.get(follower)
    return peer.match if peer else 0


def play_three_removals_at_once() -> None:
    """Two of five members continue alone, as they removed the others, who did not apply that."""
    world = World(seed=8, founders=5)
    first = world.leader()
    world.run(5)
    second, *rest = [raft_id for raft_id in world.founders if raft_id != first]
    calls = [
        world[first].propose_change(MembershipChange(False, world.members[raft_id]))
        for raft_id in rest
    ]
    world.until(lambda: all(call.done for call in calls))
    groups = [[f"m{r}" for r in (first, second)], [f"m{r}" for r in rest]]
    world.network.partition(*groups)
    world.propose("x", on=first)
    world.run(60)
    for raft_id in world.leaders():
        world.propose("y", on=raft_id)
    world.run(10)


DIRECTED = {
    "commits old terms by counting": play_figure_8,
    "changes two members at a time": play_three_removals_at_once,
}


@pytest.mark.parametrize("rule", DIRECTED)
def test_a_rule_that_needs_a_special_scenario(rule, monkeypatch):
    """Raft paper, section 5.4.2, and dissertation, section 4.1: correct, then broken on purpose."""
    monkeypatch.setattr(core, "ENTRIES_PER_MESSAGE_MAX", 1)
    DIRECTED[rule]()
    monkeypatch.setattr(*BROKEN[rule])
    with pytest.raises(Violation, match=r"leader completeness|state machine safety"):
        DIRECTED[rule]()


@pytest.mark.parametrize("rule", [rule for rule in BROKEN if rule not in DIRECTED])
def test_the_checker_detects_a_broken_rule(rule, monkeypatch):
    """One rule is broken on purpose each time."""
    owner, name, broken = BROKEN[rule]
    monkeypatch.setattr(owner, name, broken)
    first = FIRST_SEED.get(rule, 0)
    for seed in range(first, first + SEEDS_MAX):
        try:
            RandomRun(seed).run()
        except Violation as violation:
            print(f"{rule}: seed {seed}: {violation}")
            return
        except (AssertionError, TooManyEvents):
            continue  # an assert of the code itself failed before the checker
    pytest.fail(f"{SEEDS_MAX} runs did not detect it")
