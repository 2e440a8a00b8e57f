"""Where names and requests lead: virtual IPs, the routing mesh, host mode, aliases, clients seen.

The kernel on which the recordings were made lacks IPVS, so what flows is tested against Docker's
documentation of the routing mesh and of service discovery, and libnetwork's source.
"""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import swarmlab
from swarmlab.errors import LabError
from swarmlab.network.memberlist import GOSSIP_INTERVAL_NS, retransmits
from swarmlab.programs.connections import Outcome
from swarmlab.simulation import MS
from tests.test_traffic import PATIENT_CHECK, docker


def swarm(*lines: str, workers: int = 2, seed: int = 7) -> Any:
    cluster = swarmlab.simulate(managers=1, workers=workers, seed=seed)
    docker(*lines)
    cluster.run("10s")
    return cluster


def task_on(cluster: Any, node: str, service: str) -> tuple[Any, Any]:
    """(the networks of a node, the container of a task there)."""
    engine = cluster.engine(node)
    found = (c for c in engine.containers.all() if c.name.startswith(f"{service}."))
    return engine.network, next(found)


def node_of(cluster: Any, service: str) -> str:
    """A node with a task of the service."""
    for name in cluster.names:
        if any(c.name.startswith(f"{service}.") for c in cluster.engine(name).containers.all()):
            return str(name)
    raise AssertionError(f"no task of {service} runs")


FRONT = "network create -d overlay front"
DB = "service create --quiet --name db --network front --mode global redis"


APP = "service create --quiet --name app --network front --mode global nginx"


def test_a_service_name_leads_to_its_virtual_ip_and_tasks_to_each():
    """Docker docs, overlay networks: service discovery."""
    cluster = swarm(FRONT, DB, APP)
    network, app = task_on(cluster, "w1", "app")
    (virtual,) = network.resolve(app, "db")
    tasks = network.resolve(app, "tasks.db")
    assert len(tasks) == 3
    assert virtual not in tasks
    assert sorted(network.resolve(app, "TASKS.DB.")) == sorted(tasks)
    answers = [network.connect(app, "db", 6379) for _turn in range(6)]
    assert {answer.outcome for answer in answers} == {Outcome.ANSWERED}
    assert len({answer.server.id for answer in answers}) == 3
    assert network.connect(app, "db", 80).outcome is Outcome.REFUSED
    assert network.connect(app, "nosuch", 80).outcome is Outcome.NO_SUCH_HOST


def test_round_robin_dns_leads_to_the_tasks_in_turn():
    cluster = swarm(FRONT, DB.replace("--mode global", "--endpoint-mode dnsrr --replicas 3"),
                    "service create --quiet --name app --network front nginx")  # fmt: skip
    node = node_of(cluster, "app")
    network, app = task_on(cluster, node, "app")
    first = [network.resolve(app, "db")[0] for _turn in range(3)]
    assert len(set(first)) == 3
    assert sorted(network.resolve(app, "tasks.db")) == sorted(first)


def test_aliases_and_containers_have_names_and_other_networks_are_not_seen():
    cluster = swarm(
        FRONT,
        "network create -d overlay back",
        "service create --quiet --name db --network name=front,alias=store --mode global redis",
        "service create --quiet --name far --network back --mode global redis",
    )
    network, db = task_on(cluster, "w1", "db")
    assert network.resolve(db, "store") == network.resolve(db, "db")
    assert network.resolve(db, db.id[:12]) == network.resolve(db, db.name)
    assert network.resolve(db, "far") == network.resolve(db, "tasks.far") == []
    _, other = task_on(cluster, "w2", "db")
    assert network.connect(db, other.name, 6379).server is other
    there, far = task_on(cluster, "w2", "far")
    (far_ip,) = there.resolve(far, "far")
    assert network.connect(db, far_ip, 6379).outcome is not Outcome.ANSWERED


def test_any_node_answers_on_a_published_port_and_hides_the_client():
    """Docker docs, ingress: the routing mesh. The task sees the node's load balancer."""
    cluster = swarm("service create --quiet --name web --publish 8080:80 nginx")
    for name in cluster.names:
        path = cluster.engine(name).network
        delivery = path.to_published(8080, "192.0.2.1")
        assert delivery.connection.outcome is Outcome.ANSWERED
        own = {address.partition("/")[0] for address in path.load_balancers.values()}
        assert delivery.connection.client in own
        assert path.to_published(8081, "192.0.2.1").connection.outcome is Outcome.REFUSED


def test_host_mode_answers_on_its_own_node_and_keeps_the_client():
    """Docker docs: bypass the routing mesh."""
    cluster = swarm(
        "service create --quiet --name web --publish published=8080,target=80,mode=host"
        " --constraint node.hostname==w1 nginx"
    )
    answer = cluster.engine("w1").network.to_published(8080, "192.0.2.1").connection
    assert (answer.outcome, answer.client) == (Outcome.ANSWERED, "192.0.2.1")
    refused = cluster.engine("w2").network.to_published(8080, "192.0.2.1").connection
    assert refused.outcome is Outcome.REFUSED


def test_a_port_that_the_server_does_not_listen_on_is_refused():
    cluster = swarm("service create --quiet --detach --name web --publish 8080:81 nginx")
    answer = cluster.engine("m1").network.to_published(8080, "x").connection
    assert answer.outcome is Outcome.REFUSED


def test_a_container_of_a_user_is_found_by_name_on_an_attachable_network():
    cluster = swarm("network create -d overlay --attachable open")
    client = cluster.client("w1")
    box = client.containers.run("nginx", name="box", network="open", detach=True)
    docker("service create --quiet --name app --network open --mode global redis")
    cluster.run("10s")
    network, app = task_on(cluster, "w2", "app")
    assert network.resolve(app, "box") == network.resolve(app, box.id[:12]) != []
    assert network.connect(app, "box", 80).outcome is Outcome.ANSWERED
    box.remove(force=True)
    cluster.run("5s")
    assert network.resolve(app, "box") == []


def test_a_container_may_be_removed_while_it_waits_for_its_network():
    """The engine goes on, and nothing of the container is left in networks or on disk."""
    cluster = swarm(
        "network create -d overlay --attachable open",
        "service create --quiet --name app --network open --mode global redis",
    )
    cluster.client("w1").images.pull("redis", "latest")
    box = cluster.client("w1").containers.create("redis", name="box", network="open")
    engine = cluster.engine("w1")
    containers, network = engine.containers, engine.network
    cluster.partition("m1,w2", "w1")
    started = containers.start(containers.get("box"))
    cluster.run("3s")
    assert not started.done
    containers.remove(containers.get("box"), force=True)
    network.changed()
    cluster.run("30s")
    assert str(started.error) == f"No such container: {box.id}"
    assert box.id not in network.addresses
    assert not [name for name in engine.machine.disk.names() if box.id in name]


def test_networks_survive_a_copy_and_a_replay(tmp_path: Any):
    cluster = swarm(FRONT, DB)
    copy = cluster.fork()
    again = swarmlab.load(cluster.save(tmp_path / "run.json"))
    for other in (cluster, copy, again):
        other.crash("w1")
        other.run("30s")
    tables = []
    for other in (cluster, copy, again):
        network = other.engine("w2").network
        known = [network.db.values(id) for id in network.overlays]
        tables.append([sorted(endpoint.address for endpoint in each) for each in known])
    assert tables[0] == tables[1] == tables[2]
    assert len(tables[0][-1]) == 2


# -- explained ------------------------------------------------------------------------------------
def test_a_request_is_explained_hop_by_hop():
    cluster = swarm("service create --quiet --name web --publish 8080:80 --replicas 2"
                    " --constraint node.role==worker nginx")  # fmt: skip
    for target in ("web", 8080):
        text = repr(cluster.explain_request(target, source="m1"))
        for words in ("m1:8080", "all nodes answer", "of 2 that m1 knows", "VXLAN tunnel 4096",
                      "answers", "it sees the client as 10.0.0.2"):  # fmt: skip
            assert words in text, text
    before = cluster.fork()
    cluster.explain_request("web")
    assert cluster.world.simulation.now_ns == before.world.simulation.now_ns
    assert cluster.engine("w2").network.turns == before.engine("w2").network.turns
    cluster.crash("w1", "w2")
    assert "gossip has not declared it failed" in repr(cluster.explain_request("web", source="m1"))
    assert "no service publishes" in repr(cluster.explain_request(9999, source="m1"))
    with pytest.raises(LabError, match="w1 is down"):
        cluster.explain_request("web", source="w1")
    with pytest.raises(LabError, match="there is no service 'nope'"):
        cluster.explain_request("nope", source="m1")


def test_a_request_to_an_overlays_virtual_ip_is_explained_from_any_node():
    cluster = swarm(FRONT, DB.replace("--mode global", "--constraint node.hostname==w1"))
    text = repr(cluster.explain_request("db", source="m1"))
    assert "the name leads to 10.0.1.2" in text
    assert "db.1:6379" in text or "db.1" in text
    assert "answers" in text


def test_a_request_to_a_service_without_a_virtual_ip_goes_to_its_tasks_in_turn():
    cluster = swarm(FRONT, APP.replace("--mode global", "--replicas 2 --endpoint-mode dnsrr"))
    path, task_ids = cluster.engine("m1").network, set()
    for _request in range(2):
        text = repr(cluster.explain_request("app", source="m1"))
        assert "the name leads to its tasks" in text
        assert "it sees the client's own address" in text
        task_ids |= set(re.findall(r"app\.[12]", text))
        network_id = next(id for id, n in path.overlays.items() if n.name == "front")
        path.addresses_of("app", network_id)  # takes a turn
    assert task_ids == {"app.1", "app.2"}
    docker("service create --quiet --name idle --replicas 0 --network front"
           " --endpoint-mode dnsrr nginx")  # fmt: skip
    assert "no answer" in repr(cluster.explain_request("idle", source="m1"))


# -- what a user feels ----------------------------------------------------------------------------
SIZES = st.tuples(st.integers(1, 4), st.integers(0, 99))
FEW = settings(max_examples=3, deadline=None, derandomize=True, phases=[Phase.generate])


def served(order: str, check: str, replicas: int, seed: int) -> Any:
    cluster = swarm(f"service create --quiet --publish 8080:80 --name web --replicas {replicas}"
                    f" --update-order {order} {check} nginx:1.25", seed=seed)  # fmt: skip
    requests = cluster.traffic("web", rate=50)
    docker("service update --quiet --detach --image nginx:1.27 web")
    cluster.run("90s")
    assert {count.version for count in requests.counts[-1:]} == {"nginx:1.27"}
    return requests


@FEW
@given(SIZES)
def test_in_steady_state_no_request_fails(size: tuple[int, int]):
    replicas, seed = size
    create = "service create --quiet --publish 8080:80 --name web"
    cluster = swarm(f"{create} --replicas {replicas} nginx", seed=seed)
    each = [cluster.traffic("web", rate=20, source=name) for name in cluster.names]
    cluster.run("60s")
    assert (each[0].failed, each[0].served) == (0, 3 * 60 * 20)  # of all three clients


@FEW
@given(SIZES)
def test_start_first_with_a_health_check_fails_no_request(size: tuple[int, int]):
    assert served("start-first", PATIENT_CHECK, *size).failed == 0


@FEW
@given(st.integers(0, 99))
def test_stop_first_with_one_replica_fails_some(seed: int):
    assert served("stop-first", PATIENT_CHECK, 1, seed).failed > 0


@FEW
@given(SIZES)
def test_no_stopped_task_is_asked_beyond_the_bound_of_gossip(size: tuple[int, int]):
    """While all links are up, news of a container that died is everywhere within a few turns."""
    replicas, seed = size
    cluster = swarm(f"service create --quiet --publish 8080:80 --name web --replicas {replicas + 2}"
                    " --restart-delay 20s nginx", seed=seed)  # fmt: skip
    requests = cluster.traffic("web", rate=100)
    node = next(name for name in cluster.names[:-1] if cluster.client(name).containers.list())
    cluster.client(node).containers.list()[0].kill()
    cluster.run(f"{(retransmits(3) + 1) * GOSSIP_INTERVAL_NS + 100 * MS}ns")
    failed = requests.failed
    cluster.run("15s")
    assert requests.failed - failed <= 100  # those of the second that was being counted
    before = requests.failed
    cluster.run("5s")
    assert requests.failed == before
