"""NetworkDB: how endpoint tables spread, how nodes are suspected and come back, what that costs."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest

import swarmlab
from swarmlab.network import memberlist
from swarmlab.network.gossip import ALIVE, FAILED, NetworkDB
from swarmlab.network.memberlist import bound_ns, retransmits, suspicion_ns
from swarmlab.simulation import MS, S
from tests.test_traffic import docker


def db(cluster: Any, name: str) -> NetworkDB:
    engine = cluster.engine(name)
    assert engine is not None
    found: NetworkDB = engine.network.db
    return found


def ingress(cluster: Any) -> str:
    networks = cluster.engine(cluster.names[0]).network.overlays.values()
    return next(network.id for network in networks if network.spec.get("Ingress"))


def known(cluster: Any, name: str) -> list[str]:
    """The tasks that a node knows in the ingress network."""
    return sorted(endpoint.task for endpoint in db(cluster, name).values(ingress(cluster)))


def published(replicas: str, **size: int) -> Any:
    cluster = swarmlab.simulate(**{"managers": 1, "workers": 4, "seed": 7, **size})
    docker(f"service create --quiet --publish 8080:80 --name web {replicas} nginx:1.25")
    cluster.run("10s")
    return cluster


def test_the_constants_are_those_of_memberlist():
    """Source: hashicorp/memberlist util.go (suspicionTimeout, retransmitLimit)."""
    assert [retransmits(n) for n in (1, 5, 9, 10, 57, 1000)] == [4, 4, 4, 8, 8, 16]
    assert [suspicion_ns(n) // S for n in (1, 10, 100)] == [4, 4, 8]


def test_all_nodes_learn_of_all_tasks():
    cluster = published("--replicas 6")
    for name in cluster.names:
        assert known(cluster, name) == [f"web.{n}" for n in range(1, 7)]


def test_a_node_learns_of_a_task_only_after_a_while():
    """Gossip takes turns of 200 ms; nothing is known at once elsewhere."""
    cluster = published("--mode global")
    cluster.client("w1").containers.list()[0].kill()
    cluster.run("1ms")
    assert "web.w1" not in known(cluster, "w1")
    late = [name for name in cluster.names if "web.w1" in known(cluster, name)]
    cluster.run("2s")
    assert late
    assert not [name for name in cluster.names if "web.w1" in known(cluster, name)]


def test_without_news_nothing_is_sent(monkeypatch: pytest.MonkeyPatch):
    cluster = published("--replicas 6")
    cluster.run("60s")
    sent: list[Any] = []
    monkeypatch.setattr(NetworkDB, "_arrive", lambda self, *packet: sent.append(packet))
    cluster.run("600s")
    assert sent == []
    cluster.crash("w4")
    cluster.run("60s")
    assert sent


def test_a_silent_node_is_failed_within_the_bound_and_comes_back():
    cluster = published("--mode global")
    others = [name for name in cluster.names if name != "w4"]
    cluster.crash("w4")
    cluster.run(f"{suspicion_ns(5) - 1}ns")
    assert {db(cluster, name).state("w4") for name in others} != {FAILED}
    cluster.run(f"{bound_ns(5) - suspicion_ns(5)}ns")
    assert {db(cluster, name).state("w4") for name in others} == {FAILED}
    assert all("web.w4" not in known(cluster, name) for name in others)
    cluster.start("w4")
    cluster.run("60s")
    assert {db(cluster, name).state("w4") for name in others} == {ALIVE}
    assert {tuple(known(cluster, name)) for name in cluster.names} == {
        tuple(sorted(f"web.{name}" for name in cluster.names))
    }


def test_both_sides_of_a_partition_forget_each_other_and_agree_after_it():
    cluster = published("--mode global")
    cluster.partition("m1,w1,w2", "w3,w4")
    cluster.run("30s")
    assert known(cluster, "m1") == known(cluster, "w2") == ["web.m1", "web.w1", "web.w2"]
    assert known(cluster, "w3") == known(cluster, "w4") == ["web.w3", "web.w4"]
    cluster.client("w3").containers.list()[0].kill()
    cluster.run("20s")
    cluster.heal()
    cluster.run("8s")  # a failed node is tried again every second
    tables = {tuple(known(cluster, name)) for name in cluster.names}
    assert tables == {tuple(sorted(f"web.{name}" for name in cluster.names))}


def test_a_short_silence_is_refuted():
    """A suspected node says that it is alive, with a later Lamport time."""
    cluster = published("--mode global")
    cluster.partition("m1,w1,w2,w3", "w4")
    cluster.run("3s")
    assert "suspect" in {db(cluster, name).state("w4") for name in cluster.names}
    cluster.heal()
    cluster.run("20s")
    assert {db(cluster, name).state("w4") for name in cluster.names} == {ALIVE}
    assert {len(known(cluster, name)) for name in cluster.names} == {5}


def test_lost_packets_are_made_up_for():
    """Each event is passed on several times, and tables are compared every 30 s."""
    cluster = published("--replicas 0")
    for pair in combinations(("w1", "w2", "w3", "w4"), 2):  # their agents reach the manager
        cluster.slow(*pair, "1ms", loss=0.8)
    docker("service scale --detach web=6")
    cluster.run("120s")
    assert {len(known(cluster, name)) for name in cluster.names} == {6}


def test_what_a_failed_node_told_is_not_passed_on():
    cluster = published("--mode global")
    told, topic = db(cluster, "m1"), ingress(cluster)
    (key,) = [key for key, entry in told.tables[topic].items() if entry.owner == "w4"]
    told._queue[topic, key] = 0
    told.forget("w4")
    assert told._queue == {}


def test_an_orderly_end_is_announced():
    cluster = published("--mode global")
    cluster.stop("w4")
    cluster.run("100ms")
    assert all("web.w4" not in known(cluster, name) for name in cluster.names if name != "w4")


@pytest.mark.parametrize("free", [True, False])
def test_who_has_left_the_swarm_pings_nobody_any_more(free: bool, monkeypatch: pytest.MonkeyPatch):
    """Also when a ping was due, since another node does not answer."""
    monkeypatch.setattr(NetworkDB, "probes_cost_nothing", free)
    cluster = swarmlab.simulate(managers=1, workers=2, seed=7)
    cluster.slow("w2", "w1", "2s")
    cluster.run("10ms")
    client = cluster.client("w1")
    assert client.swarm.leave(force=True)
    cluster.run("20s")
    assert cluster.is_up("w1")
    assert client.info()["Swarm"]["LocalNodeState"] == "inactive"
    assert db(cluster, "w1").members == {}


@pytest.mark.parametrize("seed", [3, 4])
def test_probes_as_events_have_the_same_result(seed: int, monkeypatch: pytest.MonkeyPatch):
    """Probes that would find all well cost no events; with each as an event the run is equal."""

    def story() -> list[Any]:
        cluster, seen = published("--replicas 6", seed=seed), list[Any]()
        for fault in (("crash", "w2"), ("start", "w2"), ("slow", "m1", "w1", "700ms")):
            getattr(cluster, fault[0])(*fault[1:])
            for _second in range(25):
                cluster.run("1s")
                up = [name for name in cluster.names if cluster.is_up(name)]
                states = [[db(cluster, n).state(other) for other in cluster.names] for n in up]
                seen += [states, [known(cluster, n) for n in up]]
        return [*seen, cluster.trace.digest()]

    lazy = story()
    monkeypatch.setattr(NetworkDB, "probes_cost_nothing", False)
    assert story() == lazy


def test_a_packet_has_a_size():
    assert memberlist.PACKET_BYTES // memberlist.RECORD_BYTES == 10
    assert memberlist.GOSSIP_INTERVAL_NS == 200 * MS
