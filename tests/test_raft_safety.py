"""Raft's five safety properties hold in random stories, and the checker catches every broken rule.

`RAFT_STORIES=5000 pytest tests/test_raft_safety.py` plays more of them. Raft paper, figure 3.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from swarmlab.raft import core, log, storage
from swarmlab.raft.messages import MembershipChange
from tests.raft_world import Story, TalksWithoutEnd, Violation, World

STORIES_COUNT = int(os.environ.get("RAFT_STORIES", "500"))
STORIES_PER_TEST = 50
SEEDS_MAX = 1500  # a broken rule that so many stories do not show is not caught


@pytest.mark.parametrize("first", range(0, STORIES_COUNT, STORIES_PER_TEST))
def test_no_story_breaks_a_promise(first):
    """The five properties hold after every event, and in the end nothing acknowledged is lost."""
    cut_short = 0
    for seed in range(first, first + STORIES_PER_TEST):
        try:
            Story(seed).play()
        except TalksWithoutEnd:
            cut_short += 1  # tiny messages, out of order: Raft resends much and gets on slowly
        except Exception as error:
            error.add_note(f"Story({seed}).play()")
            raise
    assert cut_short <= 1


# -- rules broken on purpose: each function stands in for the method that BROKEN names
def votes_without_looking_at_its_vote(self, ask):
    self.vote = self.leader_id = 0
    right["votes twice in a term"](self, ask)


def without_the_vote(self, hard_state, entries):
    return right["forgets its vote"](self, replace(hard_state, vote=0), entries)


def without_the_term(self, hard_state, entries):
    return right["forgets its term"](self, replace(hard_state, term=1), entries)


def append_that_cuts(self, entries):
    if entries:
        del self.entries[entries[0].index - self.offset - 1 :]
        self.entries.extend(entries)
    return tuple(entries)


def append_that_never_cuts(self, entries):
    new = tuple(entry for entry in entries if entry.index > self.last_index)
    self.entries.extend(new)
    return new


def commits_by_counting(self):
    matches = sorted([self.log.last_index, *(peer.match for peer in self.progress.values())])
    index = matches[len(matches) - self.quorum]
    news = index > self.log.commit
    self.log.commit = max(index, self.log.commit)
    return news


def commits_what_it_has(self, message):
    right["applies before commit"](self, message)
    self.log.commit = self.log.last_index


def step_without_terms(self, message):
    if message.term < self.term and self.role is not core.RaftRole.LEADER:
        message = replace(message, term=self.term)
    return right["obeys an old leader"](self, message)


def append_without_a_look(self, message):
    held = self.log.term(message.prev_index)
    if held is not None:
        message = replace(message, prev_term=held)
    right["takes entries without looking before them"](self, message)


def says_it_has_all(self, message):
    before = len(self._messages)
    right["acknowledges entries it rejected"](self, message)
    for place, (to, reply) in enumerate(self._messages[before:], before):
        if getattr(reply, "rejected", False) and reply.index:
            self._messages[place] = (to, replace(reply, rejected=False))


def nothing(self):
    pass


def yes(self, *_):
    return True


def no(self):
    return False


def minority(self):
    return max(1, len(self.members) // 2)


BROKEN: dict[str, tuple[type, str, Any]] = {
    "votes twice in a term": (core.Raft, "_on_request_vote", votes_without_looking_at_its_vote),
    "forgets its vote": (storage.Storage, "_log_record", without_the_vote),
    "forgets its term": (storage.Storage, "_log_record", without_the_term),
    "ignores whose log is newer": (log.Log, "is_up_to_date", yes),
    "cuts its log at every append": (log.Log, "append", append_that_cuts),
    "never cuts its log": (log.Log, "append", append_that_never_cuts),
    "takes entries without looking before them": (core.Raft, "_on_append", append_without_a_look),
    "acknowledges entries it rejected": (core.Raft, "_on_append", says_it_has_all),
    "obeys an old leader": (core.Raft, "step", step_without_terms),
    "commits old terms by counting": (core.Raft, "_advance_commit", commits_by_counting),
    "applies before commit": (core.Raft, "_on_append", commits_what_it_has),
    "acknowledges before sync": (storage.Storage, "sync", nothing),
    "decides with a minority": (core.Raft, "quorum", property(minority)),
    "changes two members at a time": (core.Raft, "change_pending", property(no)),
}
right: dict[str, Callable[..., Any]] = {
    rule: getattr(owner, name) for rule, (owner, name, _) in BROKEN.items()
}
# The story that shows it soonest. Should it no longer, the ones after it are played.
FIRST_SEED = {
    "forgets its vote": 173,
    "cuts its log at every append": 116,
    "obeys an old leader": 80,
    "takes entries without looking before them": 23,
    "applies before commit": 25,
}


def play_figure_8() -> None:
    """An entry of term 2 reaches a majority in term 4, and a leader of term 5 takes it back."""
    world = World(seed=8, founders=5, sync_ns=0)
    names = {raft_id: f"m{raft_id}" for raft_id in world.founders}
    first = world.leader()
    world.run(5)
    second, *rest = [raft_id for raft_id in world.founders if raft_id != first]
    world.network.partition([names[first], names[second]], [names[r] for r in rest])
    place = world[first].core.log.last_index + 1
    world.propose("x", on=first)
    world.until(lambda: world[second].core.log.last_index == place)  # (a) on two of five
    world.machines[first].crash()
    world.until(lambda: any(world[r].core.role is core.RaftRole.LEADER for r in rest))
    rival = next(r for r in rest if world[r].core.role is core.RaftRole.LEADER)
    third, fourth = (r for r in rest if r != rival)
    world.network.partition(*([name] for name in names.values()))
    world.run(0.01)
    world.machines[rival].crash()  # (b) it has another entry at that place, of a newer term
    world.machines[first].start()
    world.network.partition([names[r] for r in (first, second, third)], [names[fourth]])
    world.until(lambda: any(match_of(world, r, third) == place for r in (first, second)))
    world.network.partition(*([name] for name in names.values()))  # (c) now on three of five
    world.run(0.01)
    for raft_id in (first, second):
        world.machines[raft_id].crash()
    world.machines[rival].start()
    world.network.heal()
    world.until(lambda: world.leaders() == [rival])  # (d) it overwrites that place
    for raft_id in (first, second):
        world.machines[raft_id].start()
    world.run(30)
    assert [world.replica(raft_id).values for raft_id in world.founders] == [[]] * 5


def match_of(world: World, leader: int, follower: int) -> int:
    peer = world[leader].core.progress.get(follower)
    return peer.match if peer else 0


def play_three_removals_at_once() -> None:
    """Two of five go on alone, since they removed the others, who know nothing of it."""
    world = World(seed=8, founders=5)
    first = world.leader()
    world.run(5)
    second, *rest = [raft_id for raft_id in world.founders if raft_id != first]
    calls = [
        world[first].propose_change(MembershipChange(False, world.members[raft_id]))
        for raft_id in rest
    ]
    world.until(lambda: all(call.done for call in calls))
    sides = [[f"m{r}" for r in (first, second)], [f"m{r}" for r in rest]]
    world.network.partition(*sides)
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
def test_a_rule_that_chance_hardly_tests(rule, monkeypatch):
    """Raft paper, section 5.4.2, and dissertation, section 4.1: right, then broken on purpose."""
    monkeypatch.setattr(core, "ENTRIES_PER_MESSAGE_MAX", 1)
    DIRECTED[rule]()
    monkeypatch.setattr(*BROKEN[rule])
    with pytest.raises(Violation, match=r"leader completeness|state machine safety"):
        DIRECTED[rule]()


@pytest.mark.parametrize("rule", [rule for rule in BROKEN if rule not in DIRECTED])
def test_a_broken_rule_is_caught(rule, monkeypatch):
    """The checker is worth what it catches: one rule broken on purpose each time."""
    owner, name, broken = BROKEN[rule]
    monkeypatch.setattr(owner, name, broken)
    first = FIRST_SEED.get(rule, 0)
    for seed in range(first, first + SEEDS_MAX):
        try:
            Story(seed).play()
        except Violation as violation:
            print(f"{rule}: story {seed}: {violation}")
            return
        except (AssertionError, TalksWithoutEnd):
            continue  # an assert of the code itself was faster than the checker
    pytest.fail(f"{SEEDS_MAX} stories did not show it")
