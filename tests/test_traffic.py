"""Requests to a virtual IP: how they are distributed, served and counted."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

import swarmlab
from swarmlab.errors import LabError
from swarmlab.jupyter.magic import run_commands
from swarmlab.model import TaskState
from swarmlab.model.trace_records import RequestsCounted, TaskStatusChanged
from swarmlab.network.memberlist import bound_ns
from swarmlab.simulation import S

SLOW_APP = "sh -c \"sleep 6; exec nginx -g 'daemon off;'\""  # it serves six seconds after its start
PATIENT_CHECK = '--health-cmd "curl -f localhost" --health-interval 1s --health-retries 10'
PUBLISHED = "service create --quiet --publish 8080:80 --name web"


def docker(*lines: str) -> str:
    """The output of these commands on the latest cluster."""
    out, err = io.StringIO(), io.StringIO()
    for line in lines:
        assert run_commands(line, out, err) == 0, err.getvalue()
    return out.getvalue()


def web(*flags: str, image: str = "nginx:1.25", managers: int = 1, workers: int = 2) -> Any:
    cluster = swarmlab.simulate(managers=managers, workers=workers, seed=7)
    docker(f"{PUBLISHED} {' '.join(flags)} {image}")
    cluster.run("10s")
    return cluster


def test_requests_go_to_the_tasks_in_turn():
    """IPVS is round robin. Source: libnetwork service_linux.go."""
    cluster = web("--replicas 4")
    requests = cluster.traffic("web", rate=40, source="w1")
    cluster.run("3s")
    assert (requests.served, requests.failed, requests.slow) == (120, 0, 0)
    assert {(c.task, c.served) for c in requests.counts} == {(f"web.{n}", 10) for n in (1, 2, 3, 4)}
    assert {c.version for c in requests.counts} == {"nginx:1.25"}


def test_each_second_is_counted_in_the_trace():
    cluster = web()
    cluster.traffic("web", rate=7)
    started_ns = cluster.now_ns
    cluster.run("3500ms")
    records = cluster.trace.of(RequestsCounted)
    assert [(r.at_ns - started_ns) // S for r in records] == [1, 2, 3]
    assert [sum(c.served for c in r.counts) for r in records] == [7, 7, 7]
    assert {(r.where, r.service) for r in records} == {("w2", "web")}


def failed_in_update(order: str, check: str, replicas: int = 3) -> int:
    cluster = web(
        f"--replicas {replicas} --update-order {order} {check}", image=f"nginx {SLOW_APP}"
    )
    requests = cluster.traffic("web")
    docker("service update --quiet --detach --image nginx:1.27 web")
    cluster.run("90s")
    assert requests.served + requests.failed == 50 * 90
    assert {c.version for c in requests.counts[-replicas:]} == {"nginx:1.27"}
    return int(requests.failed)


@pytest.mark.parametrize("order", ["stop-first", "start-first"])
def test_requests_to_an_app_that_is_not_ready_fail_only_without_a_health_check(order: str):
    """Without a check a task enters load balancing when its container starts, with one when it is
    healthy. Source: moby daemon/cluster/executor/container/controller.go, Start."""
    assert failed_in_update(order, "") > 200
    assert failed_in_update(order, PATIENT_CHECK) == 0


def test_an_update_of_one_replica_has_a_gap_with_stop_first_and_none_with_start_first():
    """The gap is from the removal of the old task until the new one is healthy. Source: swarmkit
    manager/orchestrator/update/updater.go."""
    assert failed_in_update("stop-first", PATIENT_CHECK, replicas=1) > 6 * 50
    assert failed_in_update("start-first", PATIENT_CHECK, replicas=1) == 0


def test_a_task_leaves_the_load_balancer_two_seconds_before_its_stop_signal():
    """So a scale-down loses no request. Source: moby
    daemon/cluster/executor/container/controller.go, Shutdown."""
    cluster = web("--replicas 3")
    requests = cluster.traffic("web")
    docker("service scale --detach web=1", "node update --availability drain w1")
    cluster.run("20s")
    assert (requests.failed, requests.served) == (0, 50 * 20)
    ends = {
        r.task_id: r.at_ns
        for r in cluster.trace.of(TaskStatusChanged)
        if r.state == TaskState.SHUTDOWN
    }
    counted = [(r.at_ns, c.task_id) for r in cluster.trace.of(RequestsCounted) for c in r.counts]
    gaps_ns = [
        end_ns - max(at for at, id in counted if id == task) for task, end_ns in ends.items()
    ]
    assert len(gaps_ns) >= 2
    assert min(gaps_ns) >= 1 * S  # its last request was counted before


def test_requests_to_a_crashed_node_fail_until_gossip_declares_it_failed():
    """It is suspected for four seconds at least. Source: hashicorp/memberlist config.go."""
    cluster = web("--mode global")
    requests = cluster.traffic("web", rate=30, source="m1")
    cluster.crash("w1")
    cluster.run("30s")
    assert {c.task for c in requests.counts if c.failed} == {"web.w1"}
    assert 10 * 4 <= requests.failed <= 10 * bound_ns(3) / S


def test_an_orderly_stop_of_an_engine_loses_no_request():
    cluster = web("--mode global")
    requests = cluster.traffic("web", source="m1")
    cluster.stop("w1")
    cluster.run("30s")
    assert (requests.failed, requests.served) == (0, 50 * 30)


def test_a_partition_makes_requests_fail_on_both_sides():
    cluster = web("--mode global")
    here, there = (cluster.traffic("web", rate=30, source=name) for name in ("m1", "w2"))
    assert here.since_ns == there.since_ns
    cluster.partition("m1,w1", "w2")
    cluster.client("w2").containers.list()[0].kill()  # m1 does not learn of it
    cluster.run("20s")
    records = cluster.trace.of(RequestsCounted)
    failing = {(r.where, c.task) for r in records for c in r.counts if c.failed}
    assert failing == {("m1", "web.w2"), ("w2", "web.m1"), ("w2", "web.w1"), ("w2", "")}
    last = {(r.where, c.task): c.failed for r in records[-2:] for c in r.counts}
    assert last == {("m1", "web.m1"): 0, ("m1", "web.w1"): 0, ("w2", ""): 30}


@pytest.mark.parametrize(
    ("ports", "state", "known", "failed"),
    [
        ((), "Ready", ["web.m1", "web.w1"], 0),
        ((2377,), "Down", ["web.m1", "web.w1"], 0),
        ((7946,), "Ready", ["web.m1"], 0),
        ((4789,), "Ready", ["web.m1", "web.w1"], 15 * 30),
    ],
)
def test_each_closed_port_has_an_effect_of_its_own(
    tmp_path: Path, ports: tuple[int, ...], state: str, known: list[str], failed: int
):
    """2377: the managers lose the node. 7946: its tasks are forgotten. 4789: packets are lost.

    Source: Docker docs, "Open protocols and ports between the hosts".
    """
    cluster = web("--mode global", workers=1)
    requests = cluster.traffic("web", rate=30, source="m1")
    if ports:
        cluster.close_ports("m1", "w1", *ports)
    cluster.run("30s")
    backends, _network = cluster.engine("m1").network.published(8080)
    assert docker("node ls --filter name=w1 --format {{.Status}}").strip() == state
    assert [endpoint.task for endpoint in backends] == known
    assert (requests.failed, requests.served) == (failed, 30 * 30 - failed)
    cluster.heal()
    cluster.run("40s")
    assert docker("node ls --filter name=w1 --format {{.Status}}") == "Ready\n"
    before = requests.failed
    cluster.run("10s")
    assert requests.failed == before
    again = swarmlab.load(cluster.save(tmp_path / "run.json"))
    assert again.trace.digest() == cluster.trace.digest()


def test_gossip_goes_around_a_closed_port_where_a_third_node_can_be_reached():
    """memberlist's indirect probes; so the node's tasks stay in the balancer."""
    cluster = web("--mode global", workers=2)
    cluster.close_ports("m1", "w1", 7946)
    cluster.run("60s")
    backends, _network = cluster.engine("m1").network.published(8080)
    assert len(backends) == 3


@pytest.mark.parametrize("port", [0, 1 << 16, "4789", None])
def test_what_is_no_port_is_refused(port: Any):
    cluster = swarmlab.simulate(managers=1, workers=1)
    numbers = "is no port; a swarm uses 2377, 7946 and 4789"
    with pytest.raises(LabError, match=numbers if isinstance(port, int) else "a whole number"):
        cluster.close_ports("m1", "w1", port)


def test_all_requests_from_a_node_that_is_down_fail():
    cluster = web()
    requests = cluster.traffic("web", rate=10, source="w1")
    cluster.crash("w1")
    cluster.run("5s")
    assert (requests.served, requests.failed) == (0, 50)


def test_requests_to_a_service_without_tasks_fail():
    cluster = web("--replicas 0")
    requests = cluster.traffic("web", rate=10)
    cluster.run("2s")
    assert [(c.task, c.failed) for c in requests.counts] == [("", 10), ("", 10)]
    assert "no task to ask" in repr(requests)


def test_slow_links_and_lost_packets_make_requests_slow():
    cluster = web("--mode global")
    cluster.slow("m1", "w1", "400ms")
    cluster.slow("m1", "w2", "1ms", loss=0.5)
    requests = cluster.traffic("web", rate=300, source="m1")
    cluster.run("10s")
    slow = {task: sum(c.slow for c in requests.counts if c.task == task) for task in
            ("web.m1", "web.w1", "web.w2")}  # fmt: skip
    assert slow["web.m1"] == 0
    assert slow["web.w1"] == 1000
    assert 250 < slow["web.w2"] < 500  # half, without those lost three times, which fail
    assert 60 < requests.failed < 190


def test_traffic_is_saved_replayed_and_forked(tmp_path: Path):
    """And it is part of the trace."""
    cluster = web("--replicas 3")
    calm = cluster.fork()
    cluster.traffic("web", rate=20, source="w1")
    cluster.run("5s")
    other = cluster.fork()
    for any_cluster in (cluster, other, calm):
        any_cluster.crash("w2")
        any_cluster.run("40s")
    calm.run("5s")
    assert cluster.trace.digest() == other.trace.digest()
    assert swarmlab.load(cluster.save(tmp_path / "story.json")).now_ns == cluster.now_ns


def test_traffic_uses_no_random_numbers():
    def other_records(cluster: Any, rate: int) -> list[Any]:
        cluster.traffic("web", rate=rate)
        cluster.run("5s")
        cluster.crash("w2")
        cluster.run("60s")
        return [r for r in cluster.trace if not isinstance(r, RequestsCounted)]

    cluster = web("--replicas 3")
    assert other_records(cluster.fork(), 0) == other_records(cluster.fork(), 50)


def test_rate_0_ends_traffic_and_another_rate_replaces_it():
    cluster = web()
    requests = cluster.traffic("web", rate=10)
    cluster.traffic("web", rate=20)
    cluster.run("2s")
    cluster.traffic("web", rate=0)
    cluster.run("5s")
    assert requests.served == 40


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"service": "nope"}, "there is no service 'nope'; there are web, inner"),
        ({"service": "inner"}, "inner has no virtual IP .* --publish-add 8080:80 inner"),
        ({"service": "web", "source": "w9"}, "there is no node 'w9'"),
        ({"service": "web", "rate": -1}, "rate=-1: give whole requests a second, 1 to 1000"),
        ({"service": "web", "rate": 2.5}, "rate=2.5 is not a whole number"),
    ],
)
def test_invalid_traffic_is_rejected_with_a_message(arguments: dict[str, Any], message: str):
    cluster = web()
    docker("service create --quiet --name inner redis")
    with pytest.raises(LabError, match=message):
        cluster.traffic(**arguments)
    assert [entry.verb for entry in cluster.journal if entry.verb == "traffic"] == []


def test_without_a_quorum_requests_are_served():
    """What runs, runs on (notebook 05); only with no manager at all nobody knows the address."""
    cluster = web("--mode global", managers=3)
    cluster.crash("m1", "m2")
    cluster.run("30s")
    requests = cluster.traffic("web")
    cluster.run("5s")
    assert (requests.served, requests.failed) == (250, 0)
    cluster.crash("m3")
    with pytest.raises(LabError, match="no manager is up"):
        cluster.traffic("web", rate=10)


def test_counts_read_well_in_text_and_html():
    cluster = web("--replicas 2")
    requests = cluster.traffic("web", rate=10)
    cluster.run("2s")
    for form in (repr(requests), requests._repr_html_()):
        assert "20 served, 0 of them slow; 0 failed." in form
        assert "web.1" in form


# -- the app inside ------------------------------------------------------------------------------
@pytest.mark.parametrize(("command", "code"), [("curl -f localhost", 7), ("wget -q 127.0.0.1", 1)])
def test_a_probe_of_localhost_answers_as_the_server_does(command: str, code: int):
    cluster = web("--detach", image=f"nginx {SLOW_APP}", workers=0)
    container = cluster.client("m1").containers.list()[0]
    cluster.run("20s")
    assert container.exec_run(command).exit_code == 0
    container.restart()
    assert container.exec_run(command).exit_code == code
    elsewhere = command.replace("localhost", "db").replace("127.0.0.1", "db")
    assert container.exec_run(elsewhere).exit_code == {7: 6, 1: 1}[code]  # no such host
