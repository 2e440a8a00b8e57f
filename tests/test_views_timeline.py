"""The timeline: its marks, the swarm as it was at each, and a fork that goes its own way."""

from __future__ import annotations

import json
import re
from html import escape
from typing import Any

import pytest
from docker.types import ServiceMode

import swarmlab
from swarmlab.errors import LabError
from swarmlab.views import history as module
from swarmlab.views.history import TimelineEvent, command, grouped, timeline_events
from swarmlab.views.snapshot import look
from swarmlab.views.timeline import Timeline, timeline


def accident(seed: int = 7) -> Any:
    """A service, a crash, another leader, an update, a cut: 2 minutes and a half."""
    cluster = swarmlab.simulate(managers=3, workers=2, seed=seed)
    client = cluster.client("m1")
    client.secrets.create(name="senha-db", data=b"very secret")
    web = client.services.create("nginx", name="web", mode=ServiceMode("replicated", 6))
    cluster.run("10s")
    cluster.crash("m1")
    cluster.run("60s")
    cluster.start("m1")
    cluster.run("20s")
    web = cluster.client("m2").services.get(web.id)
    web.update(image="nginx:1.27", fetch_current_spec=True)
    cluster.run("40s")
    cluster.partition("w1", "m1,m2,m3,w2")
    cluster.slow("m1", "m2", "400ms")
    cluster.run("10s")
    return cluster


@pytest.fixture
def line():
    made = timeline(accident())
    assert isinstance(made, Timeline)
    yield made
    made.close()


def click(line: Timeline, verb: str, **more: Any) -> None:
    content = {"method": "custom", "content": {"do": verb, **more}}
    line._handle_msg({"content": {"data": content}, "buffers": []})


def texts(line: Timeline) -> list[str]:
    return [mark.text for mark in line._events]


def test_closed_ports_are_an_event():
    cluster = swarmlab.simulate(managers=1, workers=1, seed=7)
    cluster.close_ports("m1", "w1", 2377, 4789)
    shown = [event.text for event in timeline_events(cluster)]
    assert "closed ports between m1 and w1: 2377, 4789" in shown


# -- marks -----------------------------------------------------------------------------------------
def test_events_are_what_was_asked_what_was_done_and_what_followed(line: Timeline):
    shown = texts(line)
    order = [
        "m1 leads, term 2",
        "secret create senha-db",
        "service create web",
        "m1 crashes",
        "m2 leads, term 3",
        "m1 starts",
        "service update web",
        "update of web: update in progress",
        "update of web: update completed",
        "the network is cut:  w1  |  m1 m2 m3 w2",
        "the link between m1 and m2 takes 400 ms, and loses a share of 0",
    ]
    assert [words for words in shown if words in order] == order
    assert any(re.match(r"web\.\d failed on m1: task:", words) for words in shown)
    assert "m1 counts as down" in shown
    assert {mark.kind for mark in line._events} == set(module.EVENT_LOOKS)


def test_a_machine_that_is_down_does_not_crash_again(cluster: Any):
    cluster.crash("m1")
    cluster.crash("m1")
    cluster.start("w1")  # which is up
    assert [
        mark.text for mark in timeline_events(cluster) if mark.text.endswith(("crashes", "starts"))
    ] == ["m1 crashes"]


def test_equal_seeds_give_equal_events_and_other_seeds_others():
    assert (
        timeline_events(accident())
        == timeline_events(accident())
        != timeline_events(accident(seed=8))
    )


def test_nothing_secret_is_shown(line: Timeline):
    line.at("60s").back()
    line.fork()
    state = json.dumps({k: v for k, v in line.get_state().items() if k != "layout"})
    shown = state + json.dumps(line._repr_mimebundle_()[0])
    assert "secret create senha-db" in shown
    tokens = line.cluster.client("m2").swarm.attrs["JoinTokens"].values()
    assert not any(word in shown for word in ("very secret", "dmVyeSBzZWNyZXQ", "SWMKEY", *tokens))


@pytest.mark.parametrize(
    ("method", "path", "body", "words"),
    [
        ("POST", "/v1.50/services/create", {"Name": "web"}, "service create web"),
        ("POST", "/v1.50/services/a1/update?version=8", {"Name": "web"}, "service update web"),
        ("POST", "/v1.50/nodes/a1/update?version=8", {"Role": "worker"}, "node update w1"),
        ("DELETE", "/v1.50/services/web", None, "service rm web"),
        ("DELETE", "/services/e7hokory7lpet7ehxe57ogrrq", None, "service rm e7hokory7lpe"),
        ("POST", "/v1.50/swarm/join", {"JoinToken": "<worker token>"}, "swarm join"),
        ("POST", "/v1.50/containers/c1/exec", "base64:eA==", "container exec c1"),
        ("POST", "/v1.50/auth", {"password": "hidden"}, "auth"),
    ],
)
def test_a_request_reads_as_a_command(method: str, path: str, body: Any, words: str):
    assert command({"a1": "w1"}, method, path, body) == words


def test_two_hundred_events_share_few_groups_and_none_is_lost(line: Timeline):
    many = [TimelineEvent(at_ns * 10**9, "asked", str(at_ns)) for at_ns in range(200)]
    groups = grouped(many, 200 * 10**9)
    assert len(groups) <= module.GROUPS_MAX
    assert [mark for group in groups for mark in group] == many
    first = line.events[0]  # the first leader, and what was asked soon after
    assert (first["kind"], first["word"]) == ("leader", "m1 leads, term 2 +2")
    assert "service create web" in first["label"]


# -- the swarm as it was ---------------------------------------------------------------------------
@pytest.mark.parametrize("until_s", [20, 45, 60])
def test_a_moment_of_the_past_is_the_cluster_as_it_was(until_s: int):
    """A twin that stopped there has the same trace, and shows the same rows."""
    cluster, twin = accident(), swarmlab.simulate(managers=3, workers=2, seed=7)
    client = twin.client("m1")
    client.secrets.create(name="senha-db", data=b"very secret")
    client.services.create("nginx", name="web", mode=ServiceMode("replicated", 6))
    twin.run("10s")
    twin.crash("m1")
    twin.run(f"{until_s * 10**9 - twin.now_ns}ns")
    past = cluster.as_of(f"{until_s}s")
    assert (past.now_ns, past.trace.digest()) == (twin.now_ns, twin.trace.digest())
    assert look(past) == look(twin)
    assert look(past) != look(cluster)


def test_a_moment_during_a_request_comes_before_its_answer(tmp_path: Any):
    """Without a quorum a write waits many seconds; what came after them is not seen before."""
    cluster = swarmlab.simulate(managers=3, workers=2, seed=7)
    cluster.crash("m2", "m3")
    asked_ns = cluster.now_ns
    with pytest.raises(Exception, match="lost leader status"):
        cluster.client("m1").services.create("nginx", name="late")
    assert cluster.now_ns - asked_ns > 10 * 10**9
    for moment_ns, requests in ((asked_ns, 0), (asked_ns + 5 * 10**9, 1)):
        past = cluster.as_of(f"{moment_ns}ns")
        assert (past.now_ns, look(past).leader) == (moment_ns, "m1")
        assert [entry.verb for entry in past.journal].count("request") == requests
        past.start("m2", "m3")
        past.run("20s")
        again = swarmlab.load(past.save(tmp_path / "past.json"))
        assert again.trace.digest() == past.trace.digest()
    assert look(cluster).leader == ""


def test_steps_go_from_event_to_event_and_end_at_now(line: Timeline):
    moments = sorted({mark.at_ns for mark in line._events})
    seen = []
    for _step in moments:
        click(line, "back")
        seen.append(line.now_ns)
    assert seen == moments[::-1]
    click(line, "back")  # before the first mark there is none
    assert line.now_ns == moments[0]
    for _step in moments:
        click(line, "forward")
    assert line.now_ns == line.cluster.now_ns
    assert line.happened[0].startswith("This is now.")


def test_a_moment_shows_what_happened_and_the_swarm_as_it_was(line: Timeline):
    crash = next(row for row in line.events if "m1 crashes" in row["label"])
    click(line, "at", ns=crash["ns"])
    assert line.happened[0] == "m1 crashes"
    assert "m1 crashed. No leader" in line.happened[1]
    assert line.columns[0]["condition"] == "crashed, not noticed yet"
    line.forward()
    assert line.happened[0] == "m2 leads, term 3"
    assert line.swarm[0] == f"{line.status['clock']}. m2 leads, term 3."
    assert "▶  " in line.text
    assert "m1: manager, unreachable, crashed, not noticed yet" in line.text
    assert line.text in line._repr_mimebundle_()[0]["text/plain"]
    assert "m2 leads, term 3" in line._repr_html_()


def test_a_page_without_a_kernel_shows_the_events_drawn(line: Timeline):
    html = line._repr_html_()
    assert all(escape(row["label"]) in html for row in line.events)  # as alternative text
    assert html.count('class="word ') == len(line.events)
    assert all(escape(row["word"]) in html for row in line.events)
    assert "<span>m2, term 3</span>" in html
    # What the live picture hides while it is there.
    assert html.startswith(f'<div data-recorded="{line.labels["model"]}">')


def test_no_word_on_the_line_lies_on_another(line: Timeline):
    ends: dict[int, float] = {}
    assert len(line.events) > 6
    for row in line.events:
        width = 1.7 * (len(row["word"]) + 2)
        start = row["left"] - width * row["late"]
        assert ends.get(row["line"], 0) <= start
        ends[row["line"]] = start + width


def test_a_moment_in_the_future_is_refused(line: Timeline):
    line.at("60s")
    with pytest.raises(LabError, match="7200 s is in the future; it is 1"):
        line.at("2h")
    assert line.now_ns == 60 * 10**9


def test_looking_back_changes_nothing(line: Timeline):
    before, speaks_to = line.cluster.trace.digest(), swarmlab.latest()
    line.at("30s").back().back().forward()
    assert line.cluster.trace.digest() == before
    assert swarmlab.latest() is speaks_to


def test_the_line_grows_with_the_cluster(line: Timeline):
    line.cluster.crash("w2")
    line.cluster.run("5s")
    line.refresh()
    assert "w2 crashes" in texts(line)
    assert timeline(line.cluster) is line


# -- fork ------------------------------------------------------------------------------------------
def test_a_fork_is_independent_of_the_original(line: Timeline):
    cluster = line.cluster
    before = cluster.now_ns, cluster.trace.digest()
    crash_ns = next(mark.at_ns for mark in line._events if mark.text == "m1 crashes")
    forked = line.at(f"{crash_ns - 1}ns").fork()
    assert swarmlab.latest() is line.forked is forked
    assert "swarmlab.latest().board()" in line.news[0][2]
    forked.run("60s")
    assert [forked.is_up(name) for name in forked.names] == [True] * 5
    assert "m1 crashes" not in [mark.text for mark in timeline_events(forked)]
    assert (cluster.now_ns, cluster.trace.digest()) == before
    assert line.fork().now_ns == crash_ns - 1  # what became of the first is not in the second
    cluster.use()
    assert swarmlab.latest() is cluster


def test_a_fork_stands_beside_the_original_and_goes_its_own_way(line: Timeline):
    assert line.copy == []
    crash_ns = next(mark.at_ns for mark in line._events if mark.text == "m1 crashes")
    click(line, "at", ns=crash_ns)
    click(line, "fork")
    line.forked.start("m1")
    line.forked.run("30s")
    click(line, "look")
    title, rows = line.copy
    assert title == f"The copy, t = {line.forked.now_ns / 10**9:.1f} s"
    states = [[row["condition"] for row in board] for board in (line.columns, rows)]
    assert [state[0] for state in states] == ["crashed, not noticed yet", "ready"]


def test_a_fork_can_be_saved_and_has_a_past_of_its_own(line: Timeline, tmp_path: Any):
    forked = line.at("60s").fork()
    forked.crash("w1")
    forked.run("30s")
    again = swarmlab.load(forked.save(tmp_path / "fork.json"))
    assert again.trace.digest() == forked.trace.digest()
    assert forked.as_of("59s").trace.digest() == line.cluster.as_of("59s").trace.digest()


def test_a_real_cluster_gets_a_sentence():
    class Real:
        has_trace = False

    assert "Only on a simulated cluster" in repr(timeline(Real()))
