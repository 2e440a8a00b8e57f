"""The quorum table, its proof, and elections read from the trace."""

from __future__ import annotations

import ast
import inspect
import time
from typing import Any
from xml.etree.ElementTree import fromstring

import pytest

import swarmlab
from swarmlab.lessons import experiments
from swarmlab.lessons.experiments import prove_quorum, quorum_table, slow_followers
from swarmlab.raft import Raft, quorum
from swarmlab.views import quorum as module
from swarmlab.views.election import election
from swarmlab.views.quorum import tolerated
from swarmlab.views.raft_columns import raft_logs

# Slide 32: "Qtde managers, Quorum, Qtde falhas".
SLIDE = [(1, 1, 0), (2, 2, 0), (3, 2, 1), (4, 3, 1), (5, 3, 2), (6, 4, 2), (7, 4, 3)]
NO_LEADER = (
    "rpc error: code = Unknown desc = The swarm does not have a leader. It's possible that too few "
    "managers are online. Make sure more than half of the managers are online."
)


def table_of(*sizes: int, seed: int = 7) -> Any:
    return quorum_table(sizes, seed=seed, make=swarmlab.simulate)


# -- the table -------------------------------------------------------------------------------------
def test_the_table_is_the_talks_and_every_row_was_observed():
    begun = time.process_time()
    table = table_of(*range(1, 8))
    assert time.process_time() - begun < 10
    assert [(row.managers, row.quorum, row.tolerated) for row in table.rows] == SLIDE
    assert [(row.managers, row.observed) for row in table.rows] == [(n, f) for n, _q, f in SLIDE]
    assert all(row.agrees for row in table.rows)
    assert {row.error for row in table.rows[1:]} == {NO_LEADER}
    assert "Cannot connect" in table.rows[0].error


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_another_seed_gives_the_same_table(seed: int):
    rows = table_of(3, 4, seed=seed).rows
    assert [row.observed for row in rows] == [1, 1]


def test_even_sizes_gain_nothing():
    table = table_of(1, 2, 3, 4)
    gains = [table.gain(row) for row in table.rows]
    assert [gain.startswith("no gain") for gain in gains] == [False, True, False, True]


def test_a_wrong_formula_is_found(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "quorum", lambda managers: (managers + 1) // 2)  # half is enough
    table = table_of(3, 4)
    assert [row.agrees for row in table.rows] == [True, False]
    assert "✘ NO" in repr(table)
    assert "1 of 2 rows" in repr(table)


def test_a_wrong_swarm_is_found(monkeypatch: pytest.MonkeyPatch):
    """What is seen comes from the swarm: with Raft's majority broken, it is not the formula's."""
    half = property(lambda raft: max(1, len(raft.members) // 2))
    monkeypatch.setattr(Raft, "quorum", half)
    row = prove_quorum(4, make=swarmlab.simulate)
    assert (row.tolerated, row.agrees) == (1, False)
    assert row.observed > 1


def test_no_row_of_the_table_is_written_down_in_the_code():
    """No number but what the formula and the bounds need; the proof does not use the formula."""
    proof = (experiments._write_error, experiments._write, experiments.prove_quorum)
    for code in (module, *proof, experiments.quorum_table):
        numbers = {n.value for n in ast.walk(parsed(code)) if isinstance(n, ast.Constant)}
        assert {n for n in numbers if type(n) is int} <= {0, 1, 7, 8}
    for function in proof:
        names = {n.id for n in ast.walk(parsed(function)) if isinstance(n, ast.Name)}
        assert not names & {"quorum", "tolerated"}


def parsed(code: Any) -> ast.AST:
    return ast.parse(inspect.getsource(code))


def test_the_picture_of_the_table_has_a_line_after_the_quorum_and_the_rest_is_spare():
    picture = table_of(1, 2, 3, 4).picture
    lanes = [e for e in fromstring(f"<p>{picture}</p>").iter() if e.get("class") == "lane"]
    kinds = [[part.get("class", "").strip() for part in lane[1]] for lane in lanes]
    for managers, (need, spare) in enumerate(((1, 0), (2, 0), (2, 1), (3, 1)), start=1):
        assert kinds[managers - 1] == [*["bar"] * need, *["bar down"] * spare, "threshold", "after"]


def test_quorum_and_tolerance_hold_for_any_size():
    for managers in range(1, 100):
        assert 2 * quorum(managers) > managers >= 2 * (quorum(managers) - 1)
        assert tolerated(managers) + quorum(managers) == managers


def test_a_row_shows_its_steps_in_text_and_html():
    row = prove_quorum(3, make=swarmlab.simulate)
    assert [step.up for step in row.steps] == [3, 2, 1]
    for form in (repr(row), row._repr_html_()):
        assert "m1, the leader, crashed" in form
        assert "too few managers are online" in form
    assert "computed" in repr(table_of(1)).lower()


class Real:
    """A swarm with the face of a real one."""

    kind = "real"
    has_trace = virtual_time = False

    def __init__(self, **options: Any) -> None:
        self.within = swarmlab.simulate(**options)
        self.closed = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.within, name)

    def close(self) -> None:
        self.closed = True


def test_on_real_engines_few_sizes_are_proven_and_their_engines_are_removed():
    made: list[Real] = []

    def make(**options: Any) -> Real:
        made.append(Real(**options))
        return made[-1]

    table = quorum_table(range(1, 8), make=make)
    assert [len(cluster.names) for cluster in made] == [1, 3]
    assert all(cluster.closed for cluster in made)
    assert [(row.managers, row.quorum, row.tolerated) for row in table.rows] == SLIDE
    assert [row.managers for row in table.tried] == [1, 3]
    assert table.cells[1] == ("2", "2", "0", "–", "–", "–")
    assert "2 of 2 rows" in repr(table)
    assert "each manager takes a minute" in repr(table)


def test_a_write_waits_only_for_the_quickest_majority():
    cluster = swarmlab.simulate(managers=5, workers=0, seed=7)
    table = slow_followers(cluster, "1s")
    assert [row[1] for row in table.rows] == ["5", "4", "3", "2", "1"]
    assert [row[2] for row in table.rows] == ["0.2 s", "0.2 s", "0.2 s", "2.2 s", "2.2 s"]
    assert cluster.now_ns == swarmlab.simulate(managers=5, workers=0, seed=7).now_ns
    assert "can't be slowed" in repr(slow_followers(Real(managers=1, workers=0)))


# -- elections -------------------------------------------------------------------------------------
@pytest.fixture
def fallen(cluster: Any) -> Any:
    """The leader crashed, and another was elected."""
    cluster.crash("m1")
    cluster.run("60s")
    return cluster


def test_an_election_is_listed_from_the_crash_to_the_new_leader(fallen: Any):
    shown = election(fallen)
    assert shown.rows[0] == ("+0.00 s", "m1", "✖ down; it was the leader")
    texts = [what for _when, _who, what in shown.rows]
    winner = next(who for _when, who, what in shown.rows if what.startswith("LEADER"))
    other = ({"m2", "m3"} - {winner}).pop()
    assert any(what.startswith("hears no leader") and "votes: 2 of 3" in what for what in texts)
    assert any(w == other and f"vote for {winner}" in what for _t, w, what in shown.rows)
    seconds = float(shown.rows[1][0].split()[0])
    assert 8 <= seconds <= 40
    assert "LEADER" in repr(shown)


def test_the_leader_of_the_minority_side_steps_down_and_no_one_there_wins():
    cluster = swarmlab.simulate(managers=5, workers=0, seed=7)
    cluster.partition("m1,m2", "m3,m4,m5")
    cluster.run("60s")
    rows = election(cluster).rows
    assert rows[0][2].startswith("the network is cut")
    assert any(who == "m1" and "no longer hears from a majority" in what for _t, who, what in rows)
    winners = {who for _t, who, what in rows if what.startswith("LEADER")}
    assert winners
    assert winners <= {"m3", "m4", "m5"}


def test_a_voter_is_in_the_term_that_it_votes_in():
    """Raft paper, figure 2: a server that hears of a higher term takes it, then votes."""
    cluster = swarmlab.simulate(managers=5, workers=0, seed=7)
    cluster.partition("m1,m2", "m3,m4,m5")
    cluster.run("60s")
    shown = election(cluster)
    assert len(shown.votes) > 5
    for vote in shown.votes:
        spans = [s for s in shown.spans if s.name == vote.voter and s.start_ns <= vote.at_ns]
        assert spans[-1].term == vote.term


def test_the_chart_has_a_lane_per_manager_and_alternative_text(fallen: Any):
    shown = election(fallen)
    lanes = [e for e in fromstring(shown.chart).iter() if e.get("class") == "lane"]
    assert [lane[0].text for lane in lanes] == ["m1", "m2", "m3", None]
    bars = [e for e in fromstring(shown.chart).iter() if e.get("class", "").startswith("bar")]
    assert {bar[0].text for bar in bars} == {"F", "C", "L", "✖"}
    assert 'aria-label="+0.00 s m1' in shown._repr_html_()


def test_every_arrow_of_the_chart_is_a_vote_and_points_at_its_candidate(fallen: Any):
    """Votes for oneself are diamonds."""
    shown = election(fallen)
    lanes = [e for e in fromstring(shown.chart).iter() if e.get("class") == "lane"]
    drawn = [
        (lane[0].text, kind.get("class"))
        for lane in lanes
        for kind in lane.iter()
        if kind.get("class", "").startswith("arrow")
    ]
    voted = [(v.voter, v.candidate) for v in shown.votes if v.voter != v.candidate]
    assert len(voted) > 0
    ways = [(voter, f"arrow {'down' if voter < other else 'up'}") for voter, other in voted]
    assert sorted(drawn) == sorted(ways)


def test_the_logs_show_terms_votes_and_what_is_not_committed(fallen: Any):
    table = raft_logs(fallen)
    rows = {row[0]: row for row in table.rows}
    assert rows["m1"][1] == "✖ down"
    leader = fallen.default_node()
    assert rows[leader][1:4] == ("leader", "3", leader)
    assert rows[leader][-1] == "3✔"
    fallen.crash(({"m2", "m3"} - {leader}).pop())
    with pytest.raises(Exception, match="lost leader status"):
        fallen.client(leader).configs.create(name="late", data=b"never")
    last = {row[0]: row[-1] for row in raft_logs(fallen).rows}
    assert last[leader] == "3?"


def test_a_real_swarm_has_no_trace_and_a_sentence_says_so():
    shown = election(Real(managers=1, workers=0))
    assert "who voted for whom" in repr(shown)
    assert "<b>Only on a simulated cluster</b>" in shown._repr_html_()
