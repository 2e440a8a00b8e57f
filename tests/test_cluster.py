"""What a person holds: making, breaking, copying, saving, and asking why."""

from __future__ import annotations

import json
import time

import docker
import pytest
from docker.types import Resources, SecretReference, ServiceMode

import swarmlab
from swarmlab.simulation import Dropped, S
from swarmlab.units import nanoseconds


def running(client: docker.DockerClient, name: str) -> int:
    tasks = client.services.get(name).tasks(filters={"desired-state": "running"})
    return sum(task["Status"]["State"] == "running" for task in tasks)


# -- making ------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"managers": 0}, "managers=0 is not a valid count; use a whole number, at least 1"),
        (
            {"managers": 2.5},
            "managers=2.5 is not a whole number; write it like `simulate(managers=3",
        ),
        ({"workers": -1}, "workers=-1 is not a valid count; use a whole number, at least 0"),
        ({"workers": 100_000}, "nodes are too many; use at most 5000"),
    ],
)
def test_what_makes_no_swarm_explains_itself(options, words):
    with pytest.raises(swarmlab.LabError) as refusal:
        swarmlab.simulate(**options)
    assert words in str(refusal.value)


def test_a_swarm_is_ready_when_simulate_returns(cluster, client):
    states = {n.attrs["Status"]["State"] for n in client.nodes.list()}
    leaders = [n for n in client.nodes.list() if n.attrs.get("ManagerStatus", {}).get("Leader")]
    assert (states, len(leaders), len(client.nodes.list())) == ({"ready"}, 1, 5)


def test_a_loop_that_polls_a_real_engine_ends_here_too(client):
    """Each request moves virtual time on by 200 ms, so nothing has to sleep."""
    client.services.create("nginx", name="web", mode=ServiceMode("replicated", 6))
    tries = 0
    while running(client, "web") < 6:
        tries += 1
        assert tries < 100
    assert tries > 1


def test_reading_moves_time_by_a_fixed_amount(cluster, client):
    before_ns = cluster.now_ns
    client.api.ping()
    assert cluster.now_ns - before_ns == S // 5


@pytest.mark.parametrize(
    ("text", "ns"), [("30s", 30 * S), ("1m30s", 90 * S), ("200ms", S // 5), (1.5, 3 * S // 2)]
)
def test_durations_are_written_as_docker_writes_them(text, ns):
    assert nanoseconds(text) == ns


@pytest.mark.parametrize("text", ["", "fast", "-3s", -1])
def test_a_duration_that_is_none_is_refused(text):
    with pytest.raises(swarmlab.LabError):
        nanoseconds(text)


# -- breaking ----------------------------------------------------------------------------------
def test_the_leader_crashes_and_its_tasks_move(cluster, client):
    client.services.create("nginx", name="web", mode=ServiceMode("replicated", 6))
    cluster.until(lambda: running(client, "web") == 6)
    cluster.crash("m1")
    with pytest.raises(Exception, match="refused"):
        client.nodes.list()
    cluster.run("60s")
    other = cluster.client("m2")
    assert running(other, "web") >= 6
    m1 = other.nodes.get("m1").attrs
    assert (m1["Status"]["State"], m1["ManagerStatus"]["Reachability"]) == ("down", "unreachable")


def test_a_minority_cannot_write_and_says_so(cluster, client):
    cluster.partition("m1,w1", "m2,m3,w2")
    cluster.run("40s")
    with pytest.raises(docker.errors.APIError, match="The swarm does not have a leader"):
        client.configs.create(name="c", data=b"x")
    assert cluster.client("m2").configs.create(name="c", data=b"x").id
    cluster.heal()
    cluster.run("30s")
    assert [c.name for c in client.configs.list()] == ["c"]


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda c: c.crash("m9"), "there is no node 'm9'; there are m1, m2, m3, w1, w2"),
        (lambda c: c.partition("m1", "m1"), "'m1' is in two groups"),
        (lambda c: c.partition("x", "y"), "there is no node 'x'"),
        (lambda c: c.slow("m1", "m2", "1s", loss=2), "loss=2 is not a probability"),
        (lambda c: c.drop("m1", "m9"), "0 messages are on their way from 'm1' to 'm9'"),
        (lambda c: c.play(0), "speed=0 is not a speed"),
        (lambda c: c.until(lambda: False, "2s"), "condition was not met within 2s"),
    ],
)
def test_what_cannot_be_done_is_refused_with_the_reason(cluster, act, words):
    with pytest.raises(swarmlab.LabError) as refusal:
        act(cluster)
    assert words in str(refusal.value)


def test_one_slow_manager_does_not_slow_the_writes(cluster, client):
    """A majority is enough; the third catches up."""
    cluster.slow("m1", "m3", "900ms")
    before_ns = cluster.now_ns
    client.configs.create(name="c", data=b"x")
    assert cluster.now_ns - before_ns < S


def until_in_flight(cluster, source, target):
    cluster.run("1s")  # to the next heartbeat, roughly
    for _ in range(2000):
        if [m for m in cluster.in_flight() if (m.source, m.target) == (source, target)]:
            return
        cluster.run("1ms")
    raise AssertionError(f"{source} says nothing to {target}")


def test_a_message_is_dropped_and_the_story_keeps_it(cluster, client, tmp_path):
    client.configs.list()  # a read, which a replay does not repeat
    until_in_flight(cluster, "m1", "m2")
    whole = cluster.fork()
    cluster.drop("m1", "m2")
    assert len(cluster.in_flight()) == len(whole.in_flight()) - 1
    cluster.run("5s")
    again = swarmlab.load(cluster.save(tmp_path / "story.json"))
    assert again.trace.digest() == cluster.trace.digest()
    assert [(r.target, r.message) for r in again.trace.of(Dropped)] == [("m2", "AppendEntries")]


# -- time --------------------------------------------------------------------------------------
def test_play_ties_virtual_time_to_the_clock_until_pause(cluster):
    begun_ns, begun = cluster.now_ns, time.monotonic()
    cluster.play(50)
    while cluster.now_ns - begun_ns < 10 * S:
        assert time.monotonic() - begun < 60
        time.sleep(0.01)
    cluster.pause()
    stopped_ns = cluster.now_ns
    time.sleep(0.1)
    assert (cluster.now_ns, cluster.speed) == (stopped_ns, 0)


# -- copies ------------------------------------------------------------------------------------
def test_a_fork_goes_its_own_way_and_would_have_gone_the_same(cluster, client):
    client.services.create("nginx", name="web", mode=ServiceMode("replicated", 4))
    cluster.run("2s")
    same, other = cluster.fork(), cluster.fork()
    other.crash("m1")
    for world in (cluster, same, other):
        world.run("60s")
    assert same.trace.digest() == cluster.trace.digest() != other.trace.digest()
    assert client.nodes.get("m1").attrs["Status"]["State"] == "ready"


def story(cluster: swarmlab.Cluster) -> None:
    client = cluster.client("m1")
    secret = client.secrets.create(name="senha-db", data=b"very secret")
    reference = SecretReference(secret.id, "senha-db")
    client.services.create("nginx", name="web", secrets=[reference])
    cluster.run("10s")
    client.nodes.list()
    cluster.crash("m2")
    cluster.run("30s")
    client.services.get("web").scale(3)
    cluster.start("m2")
    cluster.run("20s")


def test_a_saved_story_is_lived_again_to_the_same_digest(cluster, tmp_path):
    story(cluster)
    path = cluster.save(tmp_path / "story.json")
    again = swarmlab.load(path)
    assert (again.trace.digest(), again.now_ns) == (cluster.trace.digest(), cluster.now_ns)
    assert again.save(tmp_path / "again.json").read_text("utf-8") == path.read_text("utf-8")


def test_what_was_done_at_one_moment_is_done_at_one_moment_again(cluster, tmp_path):
    """Nothing that the first start sets off happens before the second."""
    cluster.crash("m2", "m3")
    cluster.run("5s")
    cluster.start("m2", "m3")
    cluster.run("5s")
    again = swarmlab.load(cluster.save(tmp_path / "story.json"))
    assert again.trace.digest() == cluster.trace.digest()


def test_a_saved_story_is_small_data_without_a_secret(cluster, tmp_path):
    story(cluster)
    text = cluster.save(tmp_path / "story.json").read_text("utf-8")
    saved = json.loads(text)
    assert set(saved) == {"swarmlab", "configuration", "now_ns", "digest", "messages", "journal"}
    assert not any(word in text for word in ("very secret", "dmVyeSBzZWNyZXQ", "SWMTKN", "SWMKEY"))
    (created,) = [row[5]["Data"] for row in saved["journal"] if "secrets/create" in str(row)]
    assert created == len("very secret")


def test_a_join_token_stands_in_the_story_as_a_word(tmp_path):
    cluster = swarmlab.engines(["a", "b"], seed=2)
    cluster.client("a").swarm.init(advertise_addr="10.77.0.2")
    token = cluster.client("a").swarm.attrs["JoinTokens"]["Worker"]
    cluster.client("b").swarm.join(remote_addrs=["10.77.0.2"], join_token=token)
    path = cluster.save(tmp_path / "story.json")
    assert token not in path.read_text("utf-8")
    assert "<worker token>" in path.read_text("utf-8")
    assert len(swarmlab.load(path).client("a").nodes.list()) == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nonsense", "is not a saved cluster"),
        ('{"swarmlab": 2}', "is not a saved cluster"),
        ('{"swarmlab": 1}', "has format 1; this swarmlab reads format 2"),
        (
            '{"swarmlab": 99, "configuration": {}, "journal": [], "now_ns": 0, "digest": ""}',
            "has format 99",
        ),
    ],
)
def test_what_is_no_saved_cluster_is_refused(tmp_path, text, words):
    path = tmp_path / "story.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(swarmlab.LabError, match=words):
        swarmlab.load(path)


def test_a_story_that_ends_differently_is_refused(cluster, tmp_path):
    path = cluster.save(tmp_path / "story.json")
    saved = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps({**saved, "digest": "0" * 64}), encoding="utf-8")
    with pytest.raises(swarmlab.LabError, match="its run ends differently here"):
        swarmlab.load(path)


# -- why ---------------------------------------------------------------------------------------
def test_why_here_shows_every_filter_and_the_tie_break(cluster, client):
    client.services.create(
        "nginx", name="db", mode=ServiceMode("replicated", 2), constraints=["node.role==worker"]
    )
    cluster.run("5s")
    before = cluster.trace.digest()
    why = cluster.decision("db.1")
    assert why.columns == ("ready", "constraints")
    assert {row.node: row.refused_by for row in why.rows} == {
        "m1": "constraints",
        "m2": "constraints",
        "m3": "constraints",
        "w1": "",
        "w2": "",
    }
    assert why.chosen in ("w1", "w2")
    shown = cluster.explain("db.1")
    assert shown.title == f"Why is db.1 on {why.chosen}?"
    assert (repr(why), why._repr_html_()) == (repr(shown), shown._repr_html_())
    assert cluster.trace.digest() == before  # asking changes nothing


def test_why_nowhere_counts_the_refusals(cluster, client):
    client.services.create("nginx", name="big", resources=Resources(mem_reservation=99 << 30))
    cluster.run("2s")
    why = cluster.decision("big.1")
    assert (why.chosen, {row.refused_by for row in why.rows}) == ("", {"resources"})
    assert "insufficient resources on 5 nodes" in str(cluster.explain("big.1"))


def test_a_past_decision_is_explained_with_what_was_known_then(cluster, client):
    """The first task saw five empty nodes, however full they are now."""
    client.services.create("nginx", name="first")
    cluster.run("3s")
    client.services.create("nginx", name="more", mode=ServiceMode("replicated", 20))
    cluster.run("5s")
    assert {row.active for row in cluster.decision("first.1").rows} == {0}


def test_an_unknown_task_is_named_with_those_there_are(cluster, client):
    client.services.create("nginx", name="web")
    cluster.run("2s")
    with pytest.raises(swarmlab.LabError, match=r"no task 'nope.1'; there are web.1"):
        cluster.explain("nope.1")
