"""Speed: the benchmarks beside their records, the import of the package, one docker command."""

from __future__ import annotations

import cProfile
import gc
import inspect
import io
import json
import resource
import subprocess
import sys
import time

import pytest

import swarmlab
from swarmlab import strings
from swarmlab.cli import bench, main, workloads
from swarmlab.cli.workloads import WORKLOADS
from swarmlab.cluster.simulated import SimulatedCluster
from swarmlab.jupyter.magic import run_commands
from swarmlab.manager.store import Store

# Calls of functions a unit of work, builtins included: the same on every machine, however busy.
# How long they take is `swarmlab bench`'s to say.
RECORDS = {
    "scheduler-10k": 29.5,
    "scheduler-network": 28.7,
    "scheduler-placement": 33.2,
    "decision": 4.5,
    "raft": 35.2,
    "raft-idle": 531,
    "idle": 1_540,
    "services": 6_800,
    "tasks": 7_600,
    "tasks-1k": 39_700,
    "fork": 644_000,
    "board": 30_500,
}


def calls(name: str) -> float:
    """What one unit of this benchmark's work takes."""
    found = bench.BENCHMARKS[name]
    run, units = WORKLOADS[found["workload"]](**found.get("with", {}))
    gc.collect()
    gc.disable()
    profile = cProfile.Profile()
    profile.runcall(run)
    gc.enable()
    return sum(entry.callcount for entry in profile.getstats()) / units


@pytest.mark.parametrize("name", RECORDS)
def test_no_work_takes_a_tenth_more_calls_than_its_record(name: str):
    """The first time some fill caches: the lesser of two counts."""
    assert min(calls(name), calls(name)) < RECORDS[name] * 1.1


@pytest.mark.parametrize("name", bench.BENCHMARKS)
def test_each_benchmark_has_a_target_and_a_workload_that_takes_its_arguments(name: str):
    found = bench.BENCHMARKS[name]
    assert ("target" in found) != ("seconds" in found)
    inspect.signature(WORKLOADS[found["workload"]]).bind(**found.get("with", {}))


@pytest.mark.parametrize("kind", ["", "network", "placement"])
def test_a_workload_assigns_every_task_and_none_where_it_must_not(kind: str, monkeypatch):
    stores = []
    monkeypatch.setattr(workloads, "Store", lambda nodes: stores.append(Store(nodes)) or stores[0])
    run, units = workloads.schedule(40, 200, kind)
    run()
    (store,) = stores
    nodes = [store.nodes[task.node_id] for task in store.tasks.values()]
    assert len(nodes) == units == 200
    if kind == "network":
        assert {node.id for node in nodes} == {f"node{i:06}" for i in range(0, 40, 3)}
    if kind == "placement":
        assert {node.spec.labels["az"] for node in nodes} == {"a", "b", "c"}


def test_a_cost_is_time_in_rounds_of_the_heap_loop_and_the_median_counts(monkeypatch):
    seconds: list[float] = []
    for work_s in (2.5, 40.0, 0.1):  # the loop, the work, the loop
        seconds += [0.0, 0.5, 0.5, 0.5 + work_s, 0.0, 0.5]
    monkeypatch.setattr(bench.time, "process_time", iter(seconds).__next__)
    monkeypatch.setitem(bench.BENCHMARKS, "none", {"workload": "none", "work": "", "seconds": 2})
    monkeypatch.setitem(bench.WORKLOADS, "none", lambda: (lambda: None, 10))
    result = bench.measure("none", times=3)
    assert result["seconds"] == pytest.approx(0.25)
    assert result["heap_events"] == pytest.approx(0.25 * bench.HEAP_EVENTS / 0.5)
    assert result["target"] == 2 * bench.REFERENCE_PER_S


def test_work_that_times_itself_and_memory_beyond_its_limit(monkeypatch):
    found = {"workload": "none", "work": "", "seconds": 1, "megabytes": 1}
    monkeypatch.setitem(bench.BENCHMARKS, "none", found)
    monkeypatch.setitem(bench.WORKLOADS, "none", lambda: (lambda: 0.5, 2))
    result = bench.measure("none")
    assert result["seconds"] == 0.25
    assert result["megabytes"] > 1
    assert not result["met"]
    monkeypatch.setitem(found, "megabytes", 100_000)
    assert bench.measure("none")["met"]


def test_a_lost_node_s_tasks_run_elsewhere_when_the_workload_ends(monkeypatch):
    clusters: list[SimulatedCluster] = []
    build = SimulatedCluster.build
    monkeypatch.setattr(
        workloads.SimulatedCluster, "build", lambda c: clusters.append(build(c)) or clusters[0]
    )
    run, _ = workloads.node_loss(workers=3, replicas=9)
    (cluster,) = clusters
    lost = cluster.engine("w1").node_id
    run()
    running = cluster.client().api.tasks({"desired-state": "running"})
    assert [task["Status"]["State"] for task in running] == ["running"] * 9
    assert lost not in {task["NodeID"] for task in running}


def test_the_command_prints_a_table_or_json_and_knows_its_benchmarks(capsys):
    assert main(["bench", "raft-idle", "--times", "1"]) == 0
    table = capsys.readouterr().out
    assert "HEAP EVENTS" in table
    assert "RaftScope" in table
    assert " yes " in table
    assert main(["bench", "raft-idle", "--times", "1", "--json"]) == 0
    (result,) = json.loads(capsys.readouterr().out)
    assert result["name"] == "raft-idle"
    assert 0 < result["heap_events"] < result["target"]
    strings.use("pt_BR")
    written = repr(bench.table([result | {"heap_events": 1234.5}]))
    strings.use("en")
    assert "EVENTOS DE HEAP" in written
    assert "o tempo passa para 5 réplicas Raft ociosas" in written
    assert "1.234,5" in written
    assert main(["bench", "speed"]) == 1
    assert "there is no benchmark 'speed'; there are scheduler-1k, " in capsys.readouterr().err


def cpu_seconds(*codes: str) -> list[float]:
    """CPU time of a Python process that runs each code: the least of some, taken in turn."""
    used: dict[str, list[float]] = {code: [] for code in codes}
    for code in codes * 5:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", code], check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used[code].append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return list(map(min, used.values()))


def test_the_package_is_imported_in_less_than_0_4_s_over_bare_python():
    """Heavy libraries are imported where they are used."""
    bare, package = cpu_seconds("pass", "import swarmlab")
    assert package - bare < 0.4


def test_the_docker_magic_adds_less_than_half_of_the_libraries_it_uses():
    """0.1 s on a laptop; beside them, since other work on the machine makes both longer."""
    libraries = "import swarmlab, docker, IPython.core.completer, IPython.core.magic"
    used, magic = cpu_seconds(libraries, "import swarmlab.jupyter.completion")
    assert magic < 1.5 * used


def test_docker_service_ls_takes_less_than_30_ms():
    cluster = swarmlab.simulate(managers=1, workers=1, seed=7)
    cluster.client().services.create("nginx", name="web")
    took, out = [], io.StringIO()
    for _ in range(5):
        start = time.process_time()
        assert run_commands("docker service ls", out, out) == 0
        took.append(time.process_time() - start)
    assert min(took) < 0.03
