"""The path of a command on a service: every step is what the trace and Raft's log say, no more."""

from __future__ import annotations

import contextlib
import inspect
import random
from collections import Counter
from typing import Any

import docker.errors
import pytest
from docker.types import Resources, ServiceMode

import swarmlab
from swarmlab.cluster.service_steps import AUTHORS, STATES
from swarmlab.cluster.simulated_state import steps_of
from swarmlab.errors import LabError
from swarmlab.manager.scheduler.scheduler import Scheduler
from swarmlab.model import TaskState
from swarmlab.model.trace_records import TasksSent, TaskStatusChanged, Written
from swarmlab.views.html import Table
from swarmlab.views.service_path import DONE, PARTS, service_path

WAY = [*PARTS, "dispatcher"]  # and the report


def create(cluster: Any, name: str = "web", replicas: int = 3, **options: Any) -> Any:
    options = {"image": "nginx"} | options
    mode = options.pop("mode", ServiceMode("replicated", replicas))
    return cluster.client().services.create(name=name, mode=mode, **options)


def path(cluster: Any, name: str = "web") -> Any:
    cluster.run("10s")
    return service_path(cluster, name)


def test_a_command_passes_every_part_in_the_order_of_the_slide(cluster: Any):
    create(cluster)
    steps = path(cluster).steps
    parts = [step["part"] for step in steps]
    assert [part for i, part in enumerate(parts) if part not in parts[:i]] == list(PARTS)
    assert parts[: len(WAY)] == WAY
    made, placed, sent = steps[1], steps[3], steps[4]
    assert made["read"] == "wanted: 3; live tasks: 0"
    assert made["decided"] == "new tasks: 3"
    assert made["wrote"] == ["web.1: new", "web.2: new", "web.3: new"]
    assert placed["decided"].count("→") == 3
    assert [row[2:4] for row in made["store"]] == [["new", "–"]] * 3
    assert {row[2] for row in placed["store"]} == {"assigned"}
    assert {line.partition(":")[0] for line in sent["wrote"]} == {
        f"to {node}" for node in sent["where"].split(", ")
    }
    assert f"m1 → {sent['where']}" in [row[2] for row in path(cluster).table.rows]
    assert (steps[0]["from"], steps[0]["to"], sent["to"]) == ("client", "store", "dispatcher")


def test_a_dead_task_is_given_up_and_the_new_one_started_after_the_delay(cluster: Any):
    create(cluster, replicas=2)
    cluster.run("10s")
    node = next(name for name in cluster.names if cluster.client(name).containers.list())
    cluster.client(node).containers.list()[0].kill()
    steps = [step for step in path(cluster).steps if step["part"] == "orchestrator"]
    assert [(step["read"], step["decided"]) for step in steps[1:]] == [
        ("wanted: 2; live tasks: 1", "new tasks: 1; given up: 1"),
        ("wanted: 2; live tasks: 2", "to start: 1"),
    ]


def test_the_store_lags_behind_the_node_until_the_report_is_stored(cluster: Any):
    create(cluster, replicas=1)
    rows = [(s["part"], *s["store"][0][2::2][:2]) for s in path(cluster).steps if s["store"]]
    assert ("executor", "assigned", "preparing") in rows
    assert ("executor", "starting", "running") in rows
    assert rows[-1] == ("dispatcher", "running", "running")


@pytest.mark.parametrize(
    ("options", "part", "error"),
    [
        (
            {"resources": Resources(mem_reservation=500 << 30)},
            "scheduler",
            "insufficient resources on 5 nodes",
        ),
        ({"constraints": ["node.labels.disk==ssd"]}, "scheduler", "not satisfied on 5 nodes"),
        ({"image": "nobody/nothing"}, "executor", "No such image: nobody/nothing"),
    ],
)
def test_a_task_that_cannot_run_stops_at_the_part_that_refuses_it(
    cluster: Any, options: Any, part: str, error: str
):
    create(cluster, replicas=1, **options)
    steps = path(cluster).steps
    first = next(step for step in steps if step["error"])
    assert first["part"] == part
    assert error in first["error"]
    assert (part == "scheduler") == (first is steps[-1])


def test_with_all_nodes_drained_the_scheduler_waits_and_goes_on_when_one_is_active(cluster: Any):
    for node in cluster.client().nodes.list():
        node.update({**node.attrs["Spec"], "Availability": "drain"})
    create(cluster, replicas=1)
    steps = path(cluster).steps
    assert (steps[-1]["part"], steps[-1]["decided"]) == (
        "scheduler",
        "no node passes every filter: wait",
    )
    assert steps[-1]["error"] == "no suitable node (5 nodes not available for new tasks)"
    node = cluster.client().nodes.get("w1")
    node.update({**node.attrs["Spec"], "Availability": "active"})
    later = path(cluster).steps
    assert later[: len(steps)] == steps
    assert later[len(steps)]["decided"] == "web.1 → w1"


def test_why_here_is_answered_for_a_placement(cluster: Any):
    create(cluster)
    shown = path(cluster)
    (task,) = {step["why"] for step in shown.steps} - {""}
    shown._on_message(shown, {"do": "why", "task": task}, [])
    assert f"Why is {task} on" in shown.funnel[task]


def test_the_code_shown_is_that_of_the_functions_that_ran(cluster: Any):
    create(cluster)
    shown = path(cluster)
    place, source = shown.sources["Scheduler.decide"]
    assert place.startswith("swarmlab/manager/scheduler/scheduler.py, line ")
    assert source in inspect.cleandoc(inspect.getsource(Scheduler.decide))
    assert {name for step in shown.steps for name in step["code"]} == {*shown.sources}


def test_every_author_and_state_has_a_part_and_words():
    assert {part for part, _ in [*AUTHORS.values(), *STATES.values()]} == {
        *(PARTS.keys() - {"dispatcher"}),
        "reports",
    }
    assert {*map(str, STATES)} == {*DONE}
    assert {*STATES} == {s for s in TaskState if TaskState.ACCEPTED <= s <= TaskState.REJECTED}


def test_text_and_still_say_the_same_and_a_long_story_is_cut(cluster: Any):
    create(cluster, image="nobody/nothing", replicas=2)
    cluster.run("90s")
    shown = path(cluster)
    html = shown.still_html()
    for step in shown.steps:
        assert step["decided"] in repr(shown)
        assert step["error"] in html
    assert len(shown.steps) == 60
    assert shown.status["more"].endswith("more steps follow")


def test_there_has_to_be_such_a_service(cluster: Any):
    with pytest.raises(LabError, match="there is no service 'nope'"):
        service_path(cluster, "nope")


def test_a_write_whose_leader_is_lost_before_it_knows_has_its_step_too(cluster: Any):
    create(cluster)
    told = [step for step in path(cluster).steps if step["part"]]
    by_allocator = next(s for s in steps_of(cluster, "web") if s.part == "allocator").records[0]
    cluster.trace.records.remove(by_allocator)
    steps = path(cluster).steps
    assert len(steps) == len(told)
    (lost,) = [step for step in steps if not step["part"]]
    assert lost["title"] == "A leader that is gone"
    assert lost["wrote"][0] == "web.1: new → pending"


class Api:
    """A real cluster, as views see it."""

    kind = "real"
    has_trace = False

    def __init__(self, cluster: Any) -> None:
        self.client, self.leader = cluster.client, cluster.default_node


def test_a_real_cluster_shows_how_far_its_tasks_have_come(cluster: Any):
    create(cluster, replicas=1, constraints=["node.labels.disk==ssd"])
    cluster.run("5s")
    table = service_path(Api(cluster), "web")
    assert isinstance(table, Table)
    assert table.rows[0][:3] == ("web.1", "pending", "Scheduler")
    assert "no suitable node" in table.rows[0][3]
    assert "doesn't say who decided" in repr(table)


# -- the picture equals what happened ---------------------------------------------------------
def play(cluster: Any, chance: random.Random) -> None:
    """One random command, fault or pause."""
    nodes = [node for node in cluster.names if cluster.is_up(node)]
    name = chance.choice(["web", "api"])
    image = chance.choice(["nginx", "redis", "nobody/nothing"])
    action = chance.randrange(9)
    with contextlib.suppress(docker.errors.DockerException, OSError):
        client = cluster.client()
        if action < 2:
            mode = chance.choice([ServiceMode("global"), ServiceMode("replicated", 2)])
            create(cluster, name, image=image, mode=mode)
        elif action == 2:
            client.services.get(name).scale(chance.randrange(4))
        elif action == 3:
            client.services.get(name).update(image=image)
        elif action == 4:
            client.services.get(name).remove()
        elif action == 5:
            node = client.nodes.get(chance.choice(nodes))
            availability = chance.choice(["active", "drain"])
            node.update({**node.attrs["Spec"], "Availability": availability})
        elif action == 6 and len(nodes) == len(cluster.names):
            cluster.crash(chance.choice(nodes))
        elif action == 7:
            for down in {*cluster.names} - {*nodes}:
                cluster.start(down)
        else:
            cluster.run(f"{chance.choice([100, 1000, 9000])}ms")


@pytest.mark.parametrize("seed", range(6))
def test_of_random_commands_each_step_is_what_happened_and_nothing_is_left_out(seed: int):
    chance, cluster = random.Random(seed), swarmlab.simulate(managers=3, workers=2, seed=seed)
    create(cluster, replicas=2)
    for _ in range(14):
        play(cluster, chance)
    for down in [name for name in cluster.names if not cluster.is_up(name)]:
        cluster.start(down)
    cluster.run("40s")
    store = cluster.engine(cluster.default_node()).manager.store
    for service in store.services.values():
        steps = steps_of(cluster, service.spec.name)
        # What the steps write adds up to what the leader has.
        objects: dict[str, Any] = {}
        for before, after in (pair for step in steps for pair in step.changes):
            assert before == objects.pop((after or before).id, None)
            objects |= {after.id: after} if after is not None else {}
        tasks = {task.id: task for task in store.tasks_of_service(service.id)}
        assert objects == {service.id: service, **tasks}
        # Each record about its tasks is in one step, in order; each write has the author's part.
        ids = {(a or b).id for step in steps for b, a in step.changes}
        told = Counter(record for step in steps for record in step.records)
        happened = [
            record
            for record in cluster.trace
            if (isinstance(record, TaskStatusChanged) and record.task_id in ids)
            or (isinstance(record, TasksSent) and ids & {*record.task_ids})
        ]
        assert Counter({r: n for r, n in told.items() if not isinstance(r, Written)}) == Counter(
            happened
        )
        assert max(told.values()) == 1
        assert [step.at_ns for step in steps] == sorted(step.at_ns for step in steps)
        for step in steps:
            parts = {AUTHORS[r.author][0] for r in step.records if isinstance(r, Written)}
            parts |= {STATES[r.state][0] for r in step.records if isinstance(r, TaskStatusChanged)}
            assert parts | {step.part} == {step.part}
