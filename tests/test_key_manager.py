"""The keys of the gossip: three of them, a new one every 12 hours, and what happens without it.

Source: swarmkit manager/keymanager/{keymanager,keymanager_test}.go.
"""

from __future__ import annotations

from typing import Any

import pytest

import swarmlab
from swarmlab.manager import key_manager
from swarmlab.manager.key_manager import ROTATION_INTERVAL_NS
from swarmlab.model import EncryptionKey
from swarmlab.model.messages import SessionChanged
from swarmlab.model.trace_records import KeysChanged, Written
from swarmlab.simulation import MINUTE, S
from tests.test_gossip import db, ingress, known, published
from tests.test_traffic import docker


@pytest.fixture(scope="module")
def after_12_hours() -> Any:
    """One manager, one worker, and the moment after the first rotation."""
    cluster = swarmlab.simulate(managers=1, workers=1, seed=4)
    cluster.run("12h1s")
    return cluster


def keys(cluster: Any) -> dict[str, tuple[tuple[int, ...], int]]:
    """Node -> the keys that it has, and the one that it encrypts with."""
    keyrings = {name: db(cluster, name).keyring for name in cluster.names}
    return {name: (keyring.times, keyring.primary) for name, keyring in keyrings.items()}


def task_ids(cluster: Any, name: str) -> list[str]:
    """The tasks that a node knows in the ingress network."""
    return sorted(endpoint.task_id for endpoint in db(cluster, name).values(ingress(cluster)))


def stored(cluster: Any) -> tuple[EncryptionKey, ...]:
    found: tuple[EncryptionKey, ...] = cluster.engine("m1").manager.store.cluster.encryption_keys
    return found


def test_a_new_swarm_has_three_keys_of_each_kind():
    cluster = swarmlab.simulate(managers=3, workers=2)
    assert keys(cluster) == dict.fromkeys(cluster.names, ((1, 2, 3), 2))
    assert [(key.subsystem, key.time, len(key.key)) for key in stored(cluster)] == [
        ("networking:gossip" if time <= 3 else "networking:ipsec", time, 16) for time in range(1, 7)
    ]
    assert len({key.key for key in stored(cluster)}) == 6


def test_every_12_hours_a_new_key_takes_the_place_of_the_oldest(after_12_hours):
    cluster = after_12_hours
    assert [key.time for key in stored(cluster)] == [2, 3, 7, 5, 6, 8]
    assert keys(cluster) == dict.fromkeys(cluster.names, ((2, 3, 7), 3))
    # Nothing else of it costs an entry of the log, or a message.
    writes = [r.at_ns for r in cluster.trace if isinstance(r, Written) and r.author == "KeyManager"]
    assert len(writes) == 2
    assert writes[1] - writes[0] == pytest.approx(ROTATION_INTERVAL_NS, abs=S // 10)
    changes = [r for r in cluster.trace if isinstance(r, KeysChanged)]
    assert [(r.where, r.keys, r.primary) for r in changes] == [
        ("m1", (1, 2, 3), 2), ("w1", (1, 2, 3), 2), ("m1", (2, 3, 7), 3), ("w1", (2, 3, 7), 3),
    ]  # fmt: skip


def test_the_keys_are_shown_by_their_numbers(after_12_hours):
    table = after_12_hours.network_keys()
    assert table.rows == (("m1", "2, 3, 7", "3"), ("w1", "2, 3, 7", "3"))
    assert "every 12 hours" in str(table)


def test_a_key_is_in_no_repr(after_12_hours):
    message = SessionChanged("", None, (), "", stored(after_12_hours))  # type: ignore[arg-type]
    cluster = after_12_hours.engine("m1").manager.store.cluster
    for key in stored(after_12_hours):
        assert repr(key.key)[2:-1] not in repr(message) + repr(cluster)


def test_a_new_leader_makes_a_key_and_counts_from_there():
    cluster = swarmlab.simulate(managers=3, workers=1, seed=2)
    cluster.crash(cluster.default_node())
    cluster.run("30s")
    up = [name for name in cluster.names if cluster.is_up(name)]
    assert {name: db(cluster, name).keyring.times for name in up} == dict.fromkeys(up, (2, 3, 7))
    assert next(row for row in cluster.network_keys().rows if row[0] not in up)[1:] == ("-", "-")


def test_equal_seeds_give_equal_keys_and_other_swarms_others():
    seeds = [swarmlab.simulate(managers=1, workers=0, seed=seed) for seed in (1, 1, 2)]
    one, again, other = map(stored, seeds)
    assert one == again
    assert {key.key for key in one}.isdisjoint(key.key for key in other)


def test_a_node_that_missed_two_keys_understands_no_gossip_until_it_hears_of_them(monkeypatch):
    """No manager reaches the worker; the other worker does, but with a key that it has not."""
    monkeypatch.setattr(key_manager, "ROTATION_INTERVAL_NS", 5 * MINUTE)
    cluster = published("--mode global", workers=2)
    cluster.slow("m1", "w1", 0, loss=1)
    cluster.run("5m")
    assert (keys(cluster)["w1"], keys(cluster)["w2"]) == (((1, 2, 3), 2), ((2, 3, 7), 3))
    docker("service update --quiet --detach --publish-add 81:80 web")
    cluster.run("2m")
    assert task_ids(cluster, "w1") == task_ids(cluster, "w2")  # one key behind
    cluster.run("3m")
    assert keys(cluster)["w2"] == ((3, 7, 9), 7)
    docker("service rm web")
    cluster.run("2m")
    # The worker still runs its task, and believes in those that have gone.
    assert known(cluster, "w2") == ["web.w1"]
    assert known(cluster, "w1") == ["web.m1", "web.w1", "web.w2"]
    cluster.slow("m1", "w1", 0)
    cluster.run("2m")
    assert keys(cluster)["w1"] == keys(cluster)["w2"]
    assert known(cluster, "w1") == []
