"""The Raft columns: what they show, time in small steps, and a click that loses a message."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import pytest

import swarmlab
from swarmlab import strings
from swarmlab.raft import messages as rpc
from swarmlab.simulation import Dropped
from swarmlab.views import raft_columns as module
from swarmlab.views.election import election
from swarmlab.views.raft_columns import MESSAGE, RaftColumns, raft_columns

ENTRIES = tuple(rpc.Entry(index, 2, rpc.EntryKind.NORMAL) for index in (7, 8))

CHANGE = rpc.MembershipChange(True, rpc.Member(1, "a", "10.0.0.1"))
MEMBER = rpc.Entry(9, 2, rpc.EntryKind.CHANGE, CHANGE)


@pytest.fixture
def columns(cluster: Any):
    made = raft_columns(cluster)
    yield made
    made.close()


def click(columns: RaftColumns, verb: str, **more: Any) -> None:
    message = {"do": verb, **more}
    columns._handle_msg(
        {"content": {"data": {"method": "custom", "content": message}}, "buffers": []}
    )


def until(columns: RaftColumns, text: str) -> dict[str, Any]:
    """Step until a message that says this is on its way; its row."""
    for _ in range(200):
        rows = [row for row in columns.messages if text in row["text"]]
        if rows:
            return rows[0]
        click(columns, "step")
    raise AssertionError(f"nobody says {text!r}; in words: {columns.text}")


def news(columns: RaftColumns) -> list[str]:
    return [sentence for _, _, sentence in columns.news]


# -- what it shows ---------------------------------------------------------------------------------
def test_a_column_per_manager_with_role_term_vote_commit_index_and_log(columns: RaftColumns):
    assert [row["name"] for row in columns.columns] == ["m1", "m2", "m3"]
    first, second = columns.columns[:2]
    assert (first["look"][1], second["look"][1]) == ("leader", "follower")
    assert [">L</text>" in first["look"][0], ">F</text>" in second["look"][0]] == [True, True]
    last = first["log"][-1][0]
    assert first["facts"] == ["term 2", "vote: m1", f"commit #{last}"]
    assert first["log"][-1][1:3] == [f"#{last} term 2 ✔", True]
    assert first["log"][-1][3].startswith(("update ", "create "))
    assert f"m1       leader    2     m1        #{last}" in columns.text


def test_a_step_goes_to_the_next_message_and_looking_advances_no_time(columns: RaftColumns):
    until(columns, f"♥ committed #{columns.columns[0]['log'][-1][0]}")
    row = columns.messages[0]
    assert (row["tone"], row["from"]) == ("leader", 0)
    assert 0 <= row["progress"] <= 1
    assert row["label"] in columns.text
    now_ns = columns.cluster.now_ns
    click(columns, "look")
    assert columns.cluster.now_ns == now_ns


@pytest.mark.parametrize(("size", "ns"), [("1ms", 10**6), ("10s", 10**10)])
def test_steps_have_a_size(columns: RaftColumns, size: str, ns: int):
    before_ns = columns.cluster.now_ns
    click(columns, "size", step=size)
    click(columns, "step")
    assert columns.cluster.now_ns - before_ns == ns


def test_the_news_follow_the_order_of_an_election(columns: RaftColumns):
    last = columns.columns[0]["log"][-1][0]
    click(columns, "crash", name="m1")
    assert columns.columns[0]["look"][1] == "down"
    until(columns, "vote for me, term 3?")
    candidate = next(row for row in columns.columns if row["role"] == "candidate")
    assert "votes: 1, needed: 2" in candidate["facts"]
    until(columns, "✔ my vote")
    until(columns, f"write #{last + 1}")
    sentences = list(reversed(news(columns)))
    assert sentences[0] == "m1 is down."
    order = [
        "stands for election in term 3",
        "votes for",
        "a majority of the votes",
        f"writes #{last + 1}",
    ]
    places = [next(n for n, line in enumerate(sentences) if part in line) for part in order]
    assert places == sorted(places)
    click(columns, "start", name="m1")
    assert columns.columns[0]["look"][1] == "follower"


def test_an_entry_is_named_in_the_language_in_use(cluster: Any, columns: RaftColumns):
    cluster.client().networks.create("back", driver="overlay")
    columns.refresh()
    last = columns.columns[0]["log"]
    assert any(row[3].startswith("create network back") for row in last)
    strings.use("pt_BR")
    columns.refresh()
    strings.use("en")
    assert any(row[3].startswith("criar rede back") for row in columns.columns[0]["log"])


def test_an_entry_says_what_it_holds(cluster: Any, columns: RaftColumns):
    cluster.client().services.create("nginx", name="web")
    columns.refresh()
    held = {index: holds for index, _text, _safe, holds in columns.columns[0]["log"]}
    assert any(holds.startswith("create service web") for holds in held.values())
    cluster.client().secrets.create(name="senha-db", data=b"s3nha")
    columns.refresh()
    assert columns.columns[0]["log"][-1][3] == "create secret senha-db"
    assert "s3nha" not in repr(columns.get_state())
    members = [module.entry_content(entry) for entry in (MEMBER, ENTRIES[0])]
    assert members == ["add member", "new leader"]


def test_an_entry_is_open_until_a_quorum_has_it(columns: RaftColumns):
    click(columns, "change")
    row = until(columns, "write #")
    index = columns.columns[0]["log"][-1][0]
    assert row["text"] == f"write #{index}"
    held = columns.columns[0]["log"][-1]
    assert held[:3] == [index, f"#{index} term 2 ?", False]
    assert held[3].endswith(", copies: 1, 2 needed")
    assert columns.columns[1]["log"][-1] == [index, "", False, ""]
    until(columns, f"♥ committed #{index}")
    assert columns.columns[0]["log"][-1][2]


@pytest.mark.parametrize(
    ("message", "tone", "text"),
    [
        (rpc.AppendEntries(1, 2, 6, 2, ENTRIES, 6), "leader", "write #7–#8"),
        (rpc.AppendReply(1, 2, 5, rejected=True), "answer", "✘ I lack #5"),
        (rpc.VoteReply(1, 3, granted=False), "answer", "✘ no vote"),
        (rpc.InstallSnapshot(1, 2, rpc.Snapshot(9, 2, (), None)), "leader", "snapshot up to #9"),
        (rpc.TimeoutNow(1, 2), "leader", "stand for election now"),
        (rpc.MemberRemoved(1, 2), "answer", "you are removed"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_kind_of_message_has_a_text(message: Any, tone: str, text: str):
    assert module.message_text(message) == (tone, text)


def test_a_refused_vote_says_why(columns: RaftColumns):
    """m2 hears nothing for a while, campaigns, and meets a manager that has heard more."""
    columns.cluster.partition("m2", "m1,m3")
    columns.cluster.client("m1").services.create("nginx")
    columns.step("30s")
    columns.cluster.crash("m1")
    columns.cluster.heal()
    row = until(columns, "✘ no vote: my log is newer")
    assert (row["source"], row["target"]) == ("m3", "m2")
    rows = election(columns.cluster).rows
    assert ["m3", "→ m2: ✘ no vote: my log is newer"] in [list(row[1:]) for row in rows]


@pytest.mark.parametrize("why", rpc.VoteRefusal)
def test_every_reason_for_no_vote_has_words(why: rpc.VoteRefusal):
    text = module.message_text(rpc.VoteReply(1, 3, False, why))[1]
    assert re.fullmatch("✘ no vote: .+ .+", text)


def test_all_synced_traits_are_plain_data_and_have_a_text_and_a_table(columns: RaftColumns):
    until(columns, "♥")
    json.dumps({name: value for name, value in columns.get_state().items() if name != "layout"})
    data = columns._repr_mimebundle_()[0]
    assert data["text/plain"] == columns.text
    assert "<table" in data["text/html"]
    assert columns.messages[0]["label"] in data["text/html"]


# -- a click loses a message -----------------------------------------------------------------------
def test_a_dropped_vote_request_never_arrives(columns: RaftColumns):
    """Nobody votes, so nobody leads in that term."""
    click(columns, "crash", name="m1")
    until(columns, "vote for me")
    asked = [row for row in columns.messages if "vote for me" in row["text"]]
    for row in asked:
        click(columns, "drop", key=row["key"])
    assert columns.messages == []
    assert news(columns)[0].startswith("Lost, ")
    assert len(columns.cluster.trace.of(Dropped)) == len(asked)
    columns.step("1s")
    assert [row["look"][1] for row in columns.columns if row["look"][1] == "leader"] == []
    columns.cluster.until(lambda: columns.cluster.client("m2").nodes.list, "60s")


def test_the_second_of_two_messages_on_a_link_is_the_one_that_is_lost(cluster: Any):
    cluster.slow("m1", "m2", "3s")
    columns = raft_columns(cluster)
    columns.step("2500ms")
    rows = [row for row in columns.messages if (row["from"], row["to"]) == (0, 1)]
    assert len(rows) >= 2
    click(columns, "drop", key=rows[1]["key"])
    left = [row["key"] for row in columns.messages if (row["from"], row["to"]) == (0, 1)]
    assert left == [rows[0]["key"], *(row["key"] for row in rows[2:])]
    columns.close()


def test_two_messages_that_arrive_at_the_same_moment_are_two(cluster: Any):
    """A link keeps their order, so a quick one waits for a slow one before it."""
    cluster.slow("m1", "m2", "5s")
    cluster.run("1200ms")
    cluster.slow("m1", "m2", "1ms")
    cluster.run("1s")
    columns = raft_columns(cluster)
    rows = [row for row in columns.messages if (row["from"], row["to"]) == (0, 1)]
    assert len(rows) >= 2
    assert len({row["key"] for row in rows}) == len(rows)
    assert rows[-1]["progress"] == 0
    columns.close()


def test_a_message_that_has_arrived_cannot_be_dropped(columns: RaftColumns):
    row = until(columns, "♥")
    columns.step("1s")
    click(columns, "drop", key=row["key"])
    assert "has already arrived" in columns.status["error"]


def test_clicks_are_replayed_from_a_saved_run(columns: RaftColumns, tmp_path: Any):
    click(columns, "drop", key=until(columns, "♥")["key"])
    click(columns, "change")
    click(columns, "drop", key=until(columns, "write #")["key"])
    columns.step("1s")
    again = swarmlab.load(columns.cluster.save(tmp_path / "run.json"))
    assert again.trace.digest() == columns.cluster.trace.digest()
    assert len(again.trace.of(Dropped)) == 2


def test_without_a_leader_nothing_can_be_created_and_docker_says_so(columns: RaftColumns):
    columns.cluster.crash("m2", "m3")
    columns.cluster.run("60s")
    click(columns, "change")
    assert "The swarm does not have a leader" in columns.status["error"]


# -- time that passes ------------------------------------------------------------------------------
def test_it_runs_slowly_until_it_is_paused_and_leaves_no_timer(cluster: Any):
    async def run() -> None:
        columns = raft_columns(cluster)
        before_ns = cluster.now_ns
        click(columns, "run")
        assert columns.status["running"]
        while cluster.now_ns == before_ns:
            await asyncio.sleep(0.05)
        click(columns, "halt")
        await asyncio.sleep(0.3)
        stopped_ns = cluster.now_ns
        await asyncio.sleep(0.3)
        assert cluster.now_ns == stopped_ns
        assert columns._timer is None
        click(columns, "run")
        assert columns._timer is not None
        columns.close()
        assert columns._timer is None

    asyncio.run(asyncio.wait_for(run(), 60))


def test_a_step_pauses_the_time_that_the_board_plays(columns: RaftColumns):
    columns.cluster.play(1)
    columns.step(MESSAGE)
    assert columns.cluster.speed == 0


def test_there_is_one_widget_per_cluster(cluster: Any):
    columns = raft_columns(cluster)
    assert raft_columns(cluster) is columns
    assert raft_columns(cluster.fork()) is not columns
    columns.close()


def test_on_a_real_cluster_a_sentence_is_shown_instead():
    class Real:
        has_trace = False

    assert "neither Raft's messages nor its logs" in repr(raft_columns(Real()))
