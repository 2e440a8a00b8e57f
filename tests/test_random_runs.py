"""Random runs of a whole swarm, every transaction judged: a batch in CI, thousands by command.

    pytest tests/test_random_runs.py --random-runs 10000 --seed 0

goes on with `--seed` where an interrupted one stopped; a failure says how to play it again.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import pytest

import swarmlab
from swarmlab.manager.scheduler import filters
from swarmlab.manager.scheduler.scheduler import Scheduler
from swarmlab.manager.store import Store
from swarmlab.model import NodeStatus, Task, TaskState, TaskStatus, freeze
from swarmlab.simulation.fault_log import FaultLog
from tests import results
from tests.judge import RULES, Seen, Tables, Transaction, applied, meets
from tests.random_runs import GIB, RUNS_PER_BATCH, RandomRun, original_apply, original_report, play

WORTH_NOTING = 1000  # so many runs are noted in results.json


@pytest.mark.filterwarnings("default")
def test_random_runs_break_no_rule():
    """Two batches, always the same ones."""
    play(1, runs=15)
    play(2, runs=25)


# -- many, by command ----------------------------------------------------------------------------
def quietly(number: int, saved: Path | None) -> tuple[int, str]:
    """(the batch's number, what failed in it), in a process of its own."""
    warnings.simplefilter("ignore")
    try:
        play(number, saved=saved)
    except Exception as error:
        return number, f"{type(error).__name__}: {error}"
    return number, ""


def batches(first: int, count: int, folder: Path) -> Iterator[tuple[int, str]]:
    """Play batches on all processors; each as it ends."""
    folder.mkdir(parents=True, exist_ok=True)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count(), context) as pool:
        numbers = range(first, first + count)
        futures = [pool.submit(quietly, n, folder / f"random-run-{n}.json") for n in numbers]
        try:
            yield from (future.result() for future in as_completed(futures))
        finally:
            for future in futures:
                future.cancel()


def earlier(file: Path, first: int) -> tuple[int, float]:
    """(the first seed, the seconds) of the runs that ended where this one goes on."""
    if file.is_file():
        noted = json.loads(file.read_text("utf-8"))
        if noted["complete"] == first:
            return noted["first"], noted["seconds"]
    return first, 0


def test_as_many_random_runs_as_the_command_asks(
    request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
):
    """Progress after each batch; the first failure ends it, with the line that plays it again."""
    asked, first = request.config.getoption("random_runs"), request.config.getoption("seed")
    if not asked:
        pytest.skip("asked for by --random-runs")
    count, folder = -(-asked // RUNS_PER_BATCH), Path(request.config.getoption("failures"))
    begin, done, noted = time.monotonic(), set[int](), folder / "random-runs.json"
    origin, earlier_s = earlier(noted, first)
    for number, failure in batches(first, count, folder):
        again = f"pytest {__file__} --random-runs {RUNS_PER_BATCH} --seed {number}"
        file = folder / f"random-run-{number}.json"
        assert not failure, f"{failure}\n{again}\nswarmlab.load({str(file)!r})"
        done.add(number)
        passed_s, runs = time.monotonic() - begin, len(done) * RUNS_PER_BATCH
        complete = next(n for n in range(first, first + count + 1) if n not in done)
        seconds = round(earlier_s + passed_s)
        state = {"first": origin, "complete": complete, "seconds": seconds}
        noted.write_text(json.dumps(state), "utf-8")
        with capsys.disabled():
            print(f"\r{runs:6} of {asked} runs, {runs / passed_s:.1f} a second;", end="")
            print(f" to go on: --seed {complete} ", end="", flush=True)
    runs, minutes = (complete - origin) * RUNS_PER_BATCH, round(seconds / 60)
    if runs >= WORTH_NOTING:
        results.write("random_runs", runs=runs, seed=origin, minutes=minutes)


# -- the judge -----------------------------------------------------------------------------------
@pytest.fixture
def run() -> Iterator[RandomRun]:
    """A random run that the test goes through step by step."""
    machine = RandomRun()
    try:
        yield machine
    finally:
        Store.apply = original_apply  # type: ignore[method-assign]
        FaultLog.report = original_report  # type: ignore[method-assign]


def template(**placement: Any) -> dict[str, Any]:
    return {
        "ContainerSpec": {"Image": "nginx"},
        "Placement": placement,
        "Resources": {"Reservations": {"MemoryBytes": GIB}},
    }


def test_a_broken_rule_is_found_and_its_run_can_be_loaded(
    run: RandomRun, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    """The judge knows what `!=` means, whatever the product makes of it."""
    monkeypatch.setattr(filters, "satisfied", lambda parsed, node: True)
    run.saved = tmp_path / "run.json"
    run.create_swarm(number=0, templates=[template(Constraints=["node.hostname!=m1"])], replicas=6)
    run.wait(4)
    with pytest.raises(AssertionError, match=r"on m1 against \('node.hostname!=m1',\)"):
        run.no_violations()
    loaded = swarmlab.load(run.saved)
    assert loaded.trace.digest() == run.cluster.trace.digest()


def test_an_exception_inside_a_machine_ends_the_run(
    run: RandomRun, monkeypatch: pytest.MonkeyPatch
):
    run.create_swarm(number=0, templates=[template()], replicas=3)
    monkeypatch.setattr(Scheduler, "decide", lambda self, view: [][0])
    run.wait(4)
    with pytest.raises(AssertionError, match="IndexError"):
        run.no_violations()


def broken(run: RandomRun, change: Callable[[Task, Tables], list[Any]]) -> set[str]:
    """The rules that a transaction breaks: the changes made of a running task and the tables."""
    before: Tables = {kind: dict(table) for kind, table in run.judge.tables.items()}
    after = {kind: dict(table) for kind, table in before.items()}
    task = next(task for task in before["task"].values() if task.slot == 1)
    transaction = Transaction(before, after, applied(after, change(task, before)), Seen())
    return {rule.__name__ for rule in RULES if any(rule(transaction))}


ASSIGNED = TaskStatus(state=TaskState.ASSIGNED, timestamp_ns=0)
NEVER_RUN = TaskStatus(state=TaskState.PENDING, timestamp_ns=0)


def placed(task: Task, id: str = "x", slot: int = 9, **fields: Any) -> tuple[str, Task]:
    """Another task of the service, assigned to the same node or the one that is given."""
    spec = task.spec.with_(**fields.pop("spec", {}))
    return "create", task.with_(id=id, slot=slot, status=ASSIGNED, spec=spec, **fields)


def node_id(tables: Tables, name: str) -> str:
    return next(n.id for n in tables["node"].values() if n.hostname == name)


PORT = freeze({"Ports": [{"PublishedPort": 1, "PublishMode": "host"}]})
ADDRESS = freeze([{"Network": {"ID": "n"}, "Addresses": ["10.0.0.9/24"]}])
PUBLISHED = freeze({"Ports": [{"PublishedPort": 80, "Protocol": "tcp"}]})
ON_ARM = {"Placement": {"Platforms": [{"OS": "linux", "Architecture": "arm64"}]}}
ON_W1 = {"Placement": {"Constraints": ["node.hostname==w1"]}}
HUGE = {"Resources": {"Reservations": {"MemoryBytes": 9 * GIB}}}
FEW = {"Placement": {"MaxReplicas": 1}}


@pytest.mark.parametrize(
    ("rule", "change"),
    [
        ("no_more_slots_than_replicas", lambda t, s: [placed(t)]),
        ("one_task_in_a_slot", lambda t, s: [placed(t, slot=1)]),
        ("new_tasks_belong_to_a_service", lambda t, s: [placed(t, service_id="none")]),
        ("no_node_over_its_reservations", lambda t, s: [placed(t, spec=HUGE)]),
        (
            "no_host_port_twice",
            lambda t, s: [placed(t, id=id, endpoint_spec=PORT) for id in ("x", "y")],
        ),
        (
            "no_node_over_its_max",
            lambda t, s: [placed(t, id=id, spec=FEW) for id in ("x", "y")],
        ),
        (
            "placed_where_the_spec_allows",
            lambda t, s: [placed(t, spec=ON_W1, node_id=node_id(s, "m1"))],
        ),
        ("placed_where_the_spec_allows", lambda t, s: [placed(t, spec=ON_ARM)]),
        (
            "placed_where_the_spec_allows",
            lambda t, s: [
                ("update", s["node"][t.node_id].with_(status=NodeStatus())),
                placed(t, node_id="removed"),
            ],
        ),
        ("no_task_goes_back_or_moves", lambda t, s: [("update", t.with_(status=ASSIGNED))]),
        ("no_task_goes_back_or_moves", lambda t, s: [("update", t.with_(node_id="other"))]),
        ("no_task_that_is_to_run_is_deleted", lambda t, s: [("remove", t)]),
        ("no_address_twice", lambda t, s: [placed(t, id=i, networks=ADDRESS) for i in ("x", "y")]),
        (
            "no_published_port_twice",
            lambda t, s: [
                ("create", s["service"][t.service_id].with_(id=id, endpoint=PUBLISHED))
                for id in ("x", "y")
            ],
        ),
        ("versions_only_grow", lambda t, s: [("update", t.with_(version=0))]),
    ],
)
def test_each_rule_can_be_broken(run: RandomRun, rule: str, change: Any):
    """A judge that never says no would prove nothing."""
    run.create_swarm(number=0, templates=[template()], replicas=3)
    run.wait(4)
    run.no_violations()
    assert rule in broken(run, change)


def test_a_task_on_the_fuller_node_breaks_a_rule(run: RandomRun):
    run.create_swarm(number=0, templates=[template()], replicas=3)
    run.wait(4)
    full = next(iter(run.judge.tables["task"].values()))
    waiting = full.with_(id="x", slot=4, node_id="", status=NEVER_RUN)
    run.judge.tables["task"]["x"] = waiting
    placed_there = waiting.with_(node_id=full.node_id, status=ASSIGNED)
    assert "tasks_are_spread" in broken(run, lambda t, s: [("update", placed_there)])


def test_a_task_may_go_to_the_fuller_node_once_others_of_its_batch_have_filled_the_emptier(
    run: RandomRun,
):
    large = template() | {"Resources": {"Reservations": {"MemoryBytes": 5 * GIB}}}
    run.create_swarm(number=0, templates=[template()], replicas=5)
    run.wait(4)
    tables = run.judge.tables
    full = next(iter(tables["task"].values()))
    empty = next(n for n in tables["node"] if n not in {t.node_id for t in tables["task"].values()})
    waiting = full.with_(id="x", slot=4, node_id="", status=NEVER_RUN, spec=freeze(large))
    other = waiting.with_(id="y", service_id="other", service_name="other", slot=1)
    tables["task"] |= {"x": waiting, "y": other}
    placed = [
        ("update", other.with_(node_id=empty, status=ASSIGNED)),
        ("update", waiting.with_(node_id=full.node_id, status=ASSIGNED)),
    ]
    assert "tasks_are_spread" not in broken(run, lambda t, s: placed)
    assert "tasks_are_spread" in broken(run, lambda t, s: placed[1:])


@pytest.mark.parametrize(
    ("expression", "holds"),
    [
        ("node.hostname==M1", True),
        ("node.hostname!=m1", False),
        ("node.role == manager", True),
        ("node.labels.disk==ssd", False),
        ("node.labels.disk!=ssd", True),
        ("node.nosuch!=x", False),
        ("node.platform.os==linux", True),
        ("node.ip==10.77.0.0/24", True),
    ],
)
def test_the_judge_reads_constraints_as_docker_does(run: RandomRun, expression: str, holds: bool):
    run.create_swarm(number=0, templates=[template()], replicas=1)
    m1 = next(n for n in run.judge.tables["node"].values() if n.hostname == "m1")
    assert meets(m1, expression) is holds
