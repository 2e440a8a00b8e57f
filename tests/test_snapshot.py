"""Rows and sentences of a picture: from literals, and the same through the API and from inside."""

from __future__ import annotations

from dataclasses import replace

import pytest

from swarmlab.cluster.simulated_state import MachineState
from swarmlab.views.palette import BLACK, LOOKS, VERSIONS, colours_of, kind_of
from swarmlab.views.snapshot import ClusterSnapshot, NodeRow, TaskRow, look, node_rows, picture
from swarmlab.views.text import NO_LEADER, change_sentences, listed, snapshot_text


def node(name: str, role: str = "worker", **changes: object) -> dict[str, object]:
    """A node as `GET /nodes` lists it."""
    state, availability = changes.get("state", "ready"), changes.get("availability", "active")
    manager = {"Leader": changes.get("leads", False), "Reachability": "reachable"}
    return {
        "ID": f"id-{name}",
        "CreatedAt": "2017-10-28T12:00:00Z",
        "Spec": {"Role": role, "Availability": availability},
        "Description": {"Hostname": name},
        "Status": {"State": state},
        "ManagerStatus": manager if role == "manager" else None,
    }


def task(id: str, slot: int, at: str, state: str, *, desired: str = "running", err: str = "", s=0):
    """A task of service web as `GET /tasks` lists it, made at second `s`."""
    return {
        "ID": id,
        "CreatedAt": f"2017-10-28T12:00:{s:02}Z",
        "ServiceID": "id-web",
        "Slot": slot,
        "NodeID": f"id-{at}" if at else "",
        "DesiredState": desired,
        "Status": {"State": state, "Err": err},
    }


WEB = {
    "ID": "id-web",
    "Spec": {
        "Name": "web",
        "Mode": {"Replicated": {"Replicas": 2}},
        "TaskTemplate": {"ContainerSpec": {"Image": "nginx@sha256:0"}},
    },
}
NODES = [node("w10"), node("w2", state="down"), node("m1", "manager", leads=True)]


def test_columns_stand_in_the_order_of_names_and_numbers():
    assert [row.name for row in picture(NODES, [], []).nodes] == ["m1", "w2", "w10"]


def test_a_picture_shows_what_is_wanted_and_what_is_still_ending_but_no_history():
    tasks = [
        task("old", 1, "w2", "shutdown", desired="shutdown", s=1),
        task("ghost", 1, "w2", "running", desired="shutdown", s=2),
        task("new", 1, "m1", "running", s=3),
        task("two", 2, "", "pending", err="no suitable node", s=3),
    ]
    seen = picture(NODES, [WEB], tasks)
    assert [(row.id, row.kind, row.came_from) for row in seen.tasks] == [
        ("ghost", "lost", "w2"),
        ("new", "running", "w2"),
        ("two", "pending", ""),
    ]
    assert [(row.running, row.desired, row.image) for row in seen.services] == [(1, 2, "nginx")]
    assert [row.id for row in seen.pending] == ["two"]
    assert {row.name: row.running for row in seen.nodes} == {"m1": 1, "w2": 0, "w10": 0}


def test_the_last_failure_of_a_slot_is_shown_until_its_next_task_runs():
    failed = [
        task("a", 1, "w10", "failed", desired="shutdown", err="exit 1", s=1),
        task("b", 1, "w10", "failed", desired="shutdown", err="exit 2", s=2),
        task("c", 1, "w10", "starting", s=3),
    ]
    rows = picture(NODES, [WEB], failed).tasks
    assert [(row.id, row.kind, row.reason) for row in rows] == [
        ("b", "failed", "exit 2"),
        ("c", "starting", ""),
    ]
    failed[-1] = task("c", 1, "w10", "running", s=3)
    assert [row.id for row in picture(NODES, [WEB], failed).tasks] == ["c"]


def test_only_a_simulation_knows_machines_and_terms_and_a_real_cluster_says_so():
    rows = {row.name: row for row in picture(NODES, [], []).nodes}
    assert (rows["m1"].up, rows["m1"].term, rows["m1"].raft) == (None, None, "")
    machines = {"m1": MachineState(True, "leader", 3), "w2": MachineState(True, "", None)}
    machines["w10"] = MachineState(False, "", None)
    rows = {row.name: row for row in picture(NODES, [], [], machines=machines).nodes}
    assert (rows["m1"].up, rows["m1"].term, rows["m1"].raft) == (True, 3, "leader")
    assert rows["w10"].condition == "crashed, not noticed yet"
    assert rows["w2"].condition == "up, still counted as down"
    machines["w3"] = MachineState(True, "", None)
    (row,) = [row for row in picture(NODES, [], [], machines).nodes if row.name == "w3"]
    assert (row.role, row.condition) == ("", "in a swarm; no manager tells")
    machines["w2"] = MachineState(True, "", None, left=True)
    assert picture(NODES, [], [], machines=machines).nodes[1].condition == "has left the swarm"


@pytest.mark.parametrize(
    ("state", "should_run", "node_down", "kind"),
    [
        ("new", True, False, "pending"),
        ("preparing", True, False, "starting"),
        ("running", True, False, "running"),
        ("running", False, False, "stopping"),
        ("running", True, True, "lost"),
        ("rejected", True, False, "failed"),
        ("failed", True, True, "failed"),
        ("complete", True, False, "complete"),
    ],
)
def test_a_state_is_drawn_as_one_kind(state: str, should_run: bool, node_down: bool, kind: str):
    assert kind_of(state, should_run=should_run, node_down=node_down) == kind


def luminance(colour: str) -> float:
    """Relative luminance of #rrggbb. Source: WCAG 2.2."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return sum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_no_kind_of_task_needs_its_colour_and_every_letter_can_be_read():
    looks = LOOKS.values()
    assert len({look.letter for look in looks}) == len({look.title for look in looks}) == len(LOOKS)
    full = [one for one in looks if one.colour]
    assert len({one.shape for one in full}) == len(full) == len(LOOKS) - 1
    assert {one.ink for one in full} == {BLACK}
    for colour in (*VERSIONS, *(one.colour for one in full)):
        assert (luminance(colour) + 0.05) / 0.05 >= 4.5, colour


def test_versions_of_a_service_never_look_alike_and_keep_their_colours():
    """Colours are used again only when there are more versions than colours."""
    first = colours_of([("web", "a"), ("db", "a"), ("web", "b")], {})
    assert len(set(first.values())) == 3
    later = colours_of([("web", str(n)) for n in range(len(VERSIONS) - 2)], first)
    assert {key: later[key] for key in first} == first
    own = [colour for (service, _version), colour in later.items() if service == "web"]
    assert len(set(own)) == len(own) == len(VERSIONS)


def test_tasks_of_equal_specs_have_one_version_and_a_new_spec_is_another():
    spec = {"ContainerSpec": {"Image": "nginx"}}
    other = {"ContainerSpec": {"Image": "nginx", "Args": ["x"]}}
    tasks = [
        task(f"t{n}", n, "m1", "running") | {"Spec": one}
        for n, one in enumerate((spec, dict(spec), other))
    ]
    rows = picture(NODES, [WEB], tasks).tasks
    a, b, c = (row.version for row in sorted(rows, key=lambda row: row.id))
    assert a == b != c


# -- sentences -------------------------------------------------------------------------------------
ROW = NodeRow(key="1", name="m1", role="manager", state="ready", availability="active", up=True)
TASK = TaskRow(
    id="a",
    name="web.2",
    service="web",
    node="1",
    state="running",
    desired="running",
    kind="running",
)


def manager(name: str, **changes: object) -> NodeRow:
    return replace(ROW, key=name, name=name, **changes)


def test_changes_are_told_as_what_happened():
    before = ClusterSnapshot(
        nodes=(manager("m1", manager="leader"), manager("m2"), manager("w2", role="worker")),
        tasks=(replace(TASK, node="m1"),),
        leader="m1",
        term=2,
    )
    after = ClusterSnapshot(
        nodes=(manager("m1", up=False), manager("m2"), manager("w2", role="worker")),
        tasks=(replace(TASK, id="b", node="w2", came_from="m1"),),
        leader="m2",
        term=3,
    )
    assert change_sentences(before, after) == [
        "m1 crashed.",
        "m2 leads now (term 3).",
        "w2 now runs web.2, in place of m1.",
    ]
    assert change_sentences(before, before) == []
    assert change_sentences(before, replace(before, leader="", term=None)) == [NO_LEADER]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"state": "down"}, "The swarm sees m1 down."),
        ({"availability": "drain"}, "m1 is drained: its tasks move away."),
        ({"availability": "pause"}, "m1 is paused: it takes no new tasks."),
        ({"role": "worker"}, "m1 is a worker now."),
        ({"up": False}, "m1 crashed."),
    ],
)
def test_a_change_of_a_node_has_its_sentence(change: dict[str, object], sentence: str):
    before = ClusterSnapshot(nodes=(ROW,), leader="m2")
    assert change_sentences(
        before, ClusterSnapshot(nodes=(replace(ROW, **change),), leader="m2")
    ) == [sentence]


@pytest.mark.parametrize(
    ("change", "sentences"),
    [
        ({"kind": "running"}, ["Running now: web.2."]),
        ({"kind": "running", "came_from": "m1"}, ["web.2 replaced on m1."]),
        ({"kind": "failed", "reason": "exit 1"}, ["web.2 failed on m1: exit 1."]),
        ({"kind": "pending", "reason": "no node", "node": ""}, ["Waiting: web.2: no node."]),
        ({"kind": "starting"}, []),
    ],
)
def test_a_new_task_has_its_sentence_once_there_is_something_to_say(
    change: dict[str, object], sentences: list[str]
):
    before = ClusterSnapshot(nodes=(ROW,), leader="m1")
    after = replace(before, tasks=(replace(TASK, **change),))
    assert change_sentences(before, after) == sentences


def test_a_task_whose_node_is_back_is_not_said_to_run_before_its_agent_says_so():
    before = ClusterSnapshot(nodes=(ROW,), tasks=(replace(TASK, kind="lost"),), leader="m1")
    assert change_sentences(before, replace(before, tasks=(TASK,))) == []


def test_a_manager_that_woke_up_behind_does_not_rewrite_what_was_known(cluster, client):
    cluster.crash("m3")
    client.services.create("nginx", name="web")
    cluster.run("20s")
    last = look(cluster)
    cluster.crash("m1", "m2")
    cluster.start("m3")
    assert look(cluster, last).services == last.services
    assert look(cluster).services == ()


def test_a_list_of_names_stays_short():
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert listed(str(n) for n in range(500)) == "0, 1, 2, 3, 4, 5, 6 and 493 more"


def test_the_text_twin_says_who_leads_what_runs_and_what_waits():
    tasks = (TASK, replace(TASK, id="b", name="web.3", node="", kind="pending", reason="no node"))
    nodes = (replace(ROW, manager="leader", raft="leader", term=3),)
    snapshot = ClusterSnapshot(nodes=nodes, tasks=tasks, leader="m1", term=3, now_s=12.34)
    assert snapshot_text(snapshot).splitlines()[:3] == [
        "t = 12.3 s. m1 leads, term 3.",
        "m1: manager, leader, term 3, ready, web.2 running",
        "waiting: web.3: no node",
    ]


# -- a cluster -------------------------------------------------------------------------------------
def test_looking_moves_no_virtual_time_and_asks_no_leader(cluster):
    now_ns, records = cluster.now_ns, len(cluster.trace)
    look(cluster)
    assert (cluster.now_ns, len(cluster.trace)) == (now_ns, records)
    cluster.crash("m1", "m2")
    now_ns = cluster.now_ns
    seen = look(cluster)
    assert cluster.now_ns == now_ns
    assert seen.leader == ""
    assert [row.up for row in seen.nodes] == [False, False, True, True, True]


def test_the_api_tells_the_same_as_the_inside_but_for_what_no_api_knows(cluster, client):
    client.services.create("nginx", name="web", mode={"Replicated": {"Replicas": 6}})
    cluster.run("20s")
    inside, api = look(cluster), look(client)
    assert api.tasks == inside.tasks
    assert api.services == inside.services
    for row in inside.nodes:
        assert row.up
    known = [replace(row, up=None, raft="", term=None) for row in inside.nodes]
    assert list(api.nodes) == known


def test_without_any_manager_the_last_that_was_known_is_shown(cluster, client):
    client.services.create("nginx", name="web", mode={"Replicated": {"Replicas": 5}})
    cluster.run("20s")
    last = look(cluster)
    cluster.crash("m1", "m2", "m3")
    seen = look(cluster, last)
    kinds = {task.node: task.kind for task in seen.tasks}
    assert [kinds[row.key] for row in seen.nodes] == ["lost"] * 3 + ["running"] * 2
    assert NO_LEADER in snapshot_text(seen)
    assert not any(row.raft for row in seen.nodes)


def test_nodes_print_as_a_table_in_text_and_html(cluster):
    rows = node_rows(cluster)
    assert repr(rows).splitlines()[0].split()[:3] == ["NAME", "ROLE", "STATE"]
    assert len(repr(rows).splitlines()) == 6
    assert rows._repr_html_().count("<tr>") == 6
    assert ">leader</td>" in rows._repr_html_()
