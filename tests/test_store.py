"""The store's index answers as a search would; transactions and batches keep their promises."""

from __future__ import annotations

import random
from itertools import chain

import pytest
from docker.types import ServiceMode

import swarmlab
from swarmlab.errors import LostLeadership
from swarmlab.manager.store import (
    TRANSACTION_CHANGES_MAX,
    Change,
    Store,
    StoreCodec,
    Transaction,
    create,
    end_of_transaction,
    remove,
    unconditional,
    update,
)
from swarmlab.model import Config, Document, Task
from swarmlab.raft.messages import EntryKind
from tests.control_loops import service, task

SIZE = TRANSACTION_CHANGES_MAX


def drawn(rng: random.Random, store: Store) -> Change:
    """A change of a task: created, assigned to a node or moved on, or removed."""
    tasks = [*store.tasks.values()]
    kind = rng.choice("cccuur") if tasks else "c"
    if kind == "c":
        slot, of = rng.choice([0, 1, 2]), service(rng.choice(["web", "db"]))
        node = "" if slot else rng.choice(["n1", "n2"])
        return create(task(f"t{rng.random()}", of, slot=slot, node=node))
    chosen = rng.choice(tasks)
    return remove(chosen) if kind == "r" else update(chosen.with_(node_id=rng.choice(["n1", "n2"])))


@pytest.mark.parametrize("seed", range(10))
def test_the_index_finds_what_a_search_finds(seed):
    """Whatever was created, assigned and removed."""
    rng, store = random.Random(seed), Store()
    for index in range(150):
        store.apply(index, [drawn(rng, store)])
        tasks = [*store.tasks.values()]
        for service_id in ("web", "db"):
            own = [t for t in tasks if t.service_id == service_id]
            assert sorted(map(id, store.tasks_of_service(service_id))) == sorted(map(id, own))
        for node_id in ("n1", "n2"):
            own = [t for t in tasks if t.node_id == node_id]
            assert sorted(map(id, store.tasks_of_node(node_id))) == sorted(map(id, own))
        for one in tasks:
            slot = [t for t in tasks if t.service_id == one.service_id and t.slot == one.slot
                    and (one.slot or t.node_id == one.node_id)]  # fmt: skip
            assert sorted(map(id, store.tasks_of_slot(one))) == sorted(map(id, slot))
    removed = [remove(one) for one in store.tasks.values()]
    store.apply(0, removed)
    assert not store._indexed


def test_all_managers_write_the_same_bytes_made_once():
    transaction, codec = (
        Transaction([create(task("t1", service())), remove(task("t2", service()))]),
        StoreCodec(),
    )
    assert codec.encode(transaction) is codec.encode(transaction)
    assert codec.decode(codec.encode(transaction)) == tuple(transaction)


def transactions(cluster: swarmlab.Cluster, name: str = "m1") -> list[tuple[Change, ...]]:
    """The transactions in a manager's log."""
    log = cluster.engine(name).manager.raft.core.log.entries
    return [entry.data for entry in log if entry.kind is EntryKind.NORMAL]


def configs(count: int) -> list[Change]:
    return [create(Config(id=f"c{i:04}", spec=Document(Name=f"c{i:04}"))) for i in range(count)]


def of(changes, kind: type) -> list[str]:
    return [change.object.id for change in changes if isinstance(change.object, kind)]


def test_a_command_is_one_transaction_however_many_its_changes():
    """Source: swarmkit manager/state/store/memory.go, Update."""
    cluster = swarmlab.simulate(managers=3, workers=0, seed=1)
    written = cluster.engine("m1").manager.write(unconditional, *configs(2 * SIZE + 1))
    cluster.run("1s")
    assert written.result() == "c0000"
    (sizes,) = [len(ids) for t in transactions(cluster) if (ids := of(t, Config))]
    assert sizes == 2 * SIZE + 1


def test_a_batch_is_split_and_each_part_waits_for_the_one_before():
    """Source: swarmkit manager/state/store/memory.go, Batch."""
    cluster = swarmlab.simulate(managers=3, workers=1, seed=1)
    manager = cluster.engine("m1").manager
    written = manager.write(unconditional, *configs(2 * SIZE + 1), batch=True)
    assert len(manager.raft._proposals) == 1
    sizes, proposed = [], 0
    while written.waiting:
        cluster.world.simulation.step()
        sizes = [len(ids) for t in transactions(cluster) if (ids := of(t, Config))]
        proposed = max(proposed, sum(sizes) - len(manager.store.tables["config"]))
    assert sizes == [SIZE, SIZE, 1]
    assert proposed == SIZE  # never more than one transaction is under way
    assert len(manager.store.tables["config"]) == 2 * SIZE + 1


def test_a_lost_leader_leaves_whole_transactions_of_a_batch():
    cluster = swarmlab.simulate(managers=3, workers=0, seed=1)
    manager = cluster.engine("m1").manager
    written = manager.write(unconditional, *configs(5 * SIZE), batch=True)
    while len(manager.store.tables["config"]) < 2 * SIZE:
        cluster.world.simulation.step()
    cluster.partition("m2,m3", "m1")
    cluster.run("30s")
    assert isinstance(written.error, LostLeadership)
    kept = len(cluster.engine("m2").manager.store.tables["config"])
    assert kept in (2 * SIZE, 3 * SIZE)
    cluster.heal()
    cluster.run("30s")
    assert {len(cluster.engine(m).manager.store.tables["config"]) for m in cluster.names} == {kept}


def test_changes_of_one_slot_are_in_one_transaction():
    """A task that is shut down and its replacement: the slot is never left without either."""
    of = service()
    pairs = [
        (update(task(f"old{slot}", of, slot=slot)), create(task(f"new{slot}", of, slot=slot)))
        for slot in range(1, SIZE + 1)
    ]
    batch = [*configs(1), *chain(*pairs)]
    ends = [end_of_transaction(batch, 0)]
    while ends[-1] < len(batch):
        ends.append(end_of_transaction(batch, ends[-1]))
    assert ends == [SIZE + 1, 2 * SIZE + 1]
    assert end_of_transaction([*chain(*pairs)], 0) == SIZE


def test_what_a_control_loop_decides_is_a_batch():
    cluster = swarmlab.simulate(managers=1, workers=1, seed=1)
    mode = ServiceMode("replicated", 2 * SIZE + 1)
    cluster.client().services.create("nginx", name="web", mode=mode)
    cluster.run("1s")
    created = [[c for c in t if c.action == "create"] for t in transactions(cluster)]
    sizes = [len(ids) for changes in created if (ids := of(changes, Task))]
    assert sizes == [SIZE, SIZE, 1]
