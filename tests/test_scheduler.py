"""Which node gets a task, and why none can. Source: swarmkit manager/scheduler/*.go."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from swarmlab.errors import Unknown
from swarmlab.manager import constraints
from swarmlab.manager.scheduler.filters import Pipeline
from swarmlab.manager.scheduler.node_info import NodeInfo
from swarmlab.manager.scheduler.scheduler import Scheduler, build_tree, rank
from swarmlab.manager.store import Action, Change
from swarmlab.model import NodeState, TaskState, freeze
from swarmlab.simulation import MINUTE
from tests.control_loops import GIB, Harness, node, service, task

PENDING = TaskState.PENDING


def start(*objects: Any, seed: int = 1) -> Harness:
    return Harness(objects, lambda simulation, view: Scheduler(simulation, "m1", view), seed)


def pending(count: int, of: Any, **fields: Any) -> list[Any]:
    return [task(f"t{i}", of, slot=i + 1, state=PENDING, **fields) for i in range(count)]


def placed(harness: Harness) -> dict[str, int]:
    harness.decide()
    return dict(Counter(t.node_id for t in harness.store.tasks.values() if t.state >= 192))


def test_equal_nodes_get_equal_shares():
    """Fewest tasks of the service, then fewest tasks at all."""
    web = service(replicas=6)
    harness = start(node("a"), node("b"), node("c"), web, *pending(6, web))
    assert placed(harness) == {"a": 2, "b": 2, "c": 2}


def test_every_task_of_a_large_group_counts_on_its_node_and_takes_a_slot_in_turn():
    web = service(replicas=9)
    harness = start(node("a"), node("b"), node("c"), web, *pending(9, web))
    assert placed(harness) == {"a": 3, "b": 3, "c": 3}
    infos = harness.control_loop.nodes.values()
    assert [(i.active_count, i.tasks_of_service(web.id), len(i.tasks)) for i in infos] == [
        (3,) * 3
    ] * 3
    order = [t.node_id for t in sorted(harness.store.tasks.values(), key=lambda t: t.slot)]
    assert order[:3] == order[3:6] == order[6:]


@pytest.mark.parametrize("limit", [0, 4])
@pytest.mark.parametrize("nodes", [1, 2])
def test_a_task_that_is_to_stop_is_placed_and_never_counts(limit: int, nodes: int):
    """As in SwarmKit, also after it has ended. Source: swarmkit manager/scheduler/nodeinfo.go."""
    web = service(TaskTemplate={"Placement": {"MaxReplicas": limit}})
    names = ["a", "b"][:nodes]
    stopping = pending(4, web, desired=TaskState.SHUTDOWN)
    harness = start(*map(node, names), web, task("here", web, slot=9, node="a"))
    for waiting in stopping:  # a scheduler begins without them
        harness.apply(Change(Action.CREATE, waiting))
    assert placed(harness) == ({"a": 5} if nodes == 1 else {"a": 1, "b": 4})

    infos = harness.control_loop.nodes
    counts = {name: infos[name].tasks_of_service(web.id) for name in names}
    assert counts == ({"a": 1, "b": 0} if nodes == 2 else {"a": 1})
    for waiting in stopping:
        ended = harness.store.tasks[waiting.id]
        ended = replace(ended, status=replace(ended.status, state=TaskState.SHUTDOWN))
        harness.apply(Change(Action.UPDATE, ended))
    assert {name: infos[name].active_count for name in names} == counts


def test_tasks_of_the_service_count_before_tasks_at_all():
    """A node crowded with other services still is the better one for the service's first."""
    web, other = service(), service("other")
    crowd = [task(f"o{i}", other, slot=i, node="a") for i in range(9)]
    here = task("w0", web, slot=1, node="b")
    harness = start(node("a"), node("b"), web, other, *crowd, here, *pending(1, web))
    harness.decide()
    assert harness.store.tasks["t0"].node_id == "a"


def test_five_recent_failures_make_a_node_the_worse_choice():
    """Only from the fifth failure on, and only for five minutes."""
    web = service()
    a, b = NodeInfo(node("a")), NodeInfo(node("b"))
    b.add(task("x", service("other"), slot=1, node="b"))
    broken = task("t", web, slot=1)
    for second in range(4):
        a.failed(broken, second)
    assert rank(a, broken, 10) < rank(b, broken, 10)
    a.failed(broken, 4)
    assert rank(a, broken, 10) > rank(b, broken, 10)
    assert rank(a, broken, 5 * MINUTE + 10) < rank(b, broken, 5 * MINUTE + 10)


@pytest.mark.parametrize("fault", ["down", "drain", "pause", "unknown"])
def test_only_ready_and_active_nodes_get_tasks(fault: str):
    bad = (
        node("a", state=NodeState(fault))
        if fault in ("down", "unknown")
        else node("a", availability=fault)
    )
    web = service()
    harness = start(bad, web, *pending(1, web))
    harness.decide()
    status = harness.store.tasks["t0"].status
    assert (status.state, status.message) == (PENDING, "pending task scheduling")
    assert status.err == "no suitable node (1 node not available for new tasks)"


def test_the_explanation_orders_by_count_and_names_each_filter_once():
    """A node is charged to the first filter that it fails."""
    web = service(
        TaskTemplate={
            "Placement": {"Constraints": ["node.labels.disk==ssd"]},
            "Resources": {"Reservations": {"MemoryBytes": 16 * GIB}},
        }
    )
    nodes = [
        node("a", memory_bytes=64 * GIB),
        node("b"),
        node("c"),
        node("d", availability="drain"),
    ]
    harness = start(*nodes, web, *pending(1, web))
    harness.decide()
    assert harness.store.tasks["t0"].status.err == (
        "no suitable node (insufficient resources on 2 nodes; 1 node not available for new tasks; "
        "scheduling constraints not satisfied on 1 node)"
    )


def test_without_nodes_the_explanation_has_no_details():
    web = service()
    harness = start(web, *pending(1, web))
    harness.decide()
    assert harness.store.tasks["t0"].status.err == "no suitable node"


def test_a_preassigned_task_gets_the_explanation_without_a_prefix():
    """Global tasks have no `no suitable node (…)` around it."""
    agent = service(
        "agent",
        mode={"Global": {}},
        TaskTemplate={"Resources": {"Reservations": {"NanoCPUs": 64 * 10**9}}},
    )
    harness = start(node("a"), agent, task("t", agent, node="a", state=PENDING))
    harness.decide()
    assert harness.store.tasks["t"].status.err == "insufficient resources on 1 node"


def test_limits_are_irrelevant_and_exact_reservations_fit():
    """Limits are irrelevant; exactly equal reservations fit."""
    web = service(
        TaskTemplate={
            "Resources": {
                "Limits": {"MemoryBytes": 900 * GIB},
                "Reservations": {"MemoryBytes": 8 * GIB},
            }
        }
    )
    harness = start(node("a"), web, *pending(2, web))
    assert placed(harness) == {"a": 1}


def test_a_stopping_task_keeps_its_reservations():
    """Reservations stay taken until the task is observed to be over."""
    web = service(TaskTemplate={"Resources": {"Reservations": {"MemoryBytes": 8 * GIB}}})
    old = task("old", web, slot=1, node="a", desired=TaskState.SHUTDOWN)
    harness = start(node("a"), web, old, *pending(1, web))
    assert placed(harness)["a"] == 1  # the old one only
    harness.report("old", TaskState.SHUTDOWN)
    harness.decide()
    assert harness.store.tasks["t0"].node_id == "a"


def test_spread_gives_unlabelled_nodes_one_equal_share():
    """Nodes without the label are a branch of their own."""
    web = service(
        TaskTemplate={
            "Placement": {"Preferences": [{"Spread": {"SpreadDescriptor": "node.labels.az"}}]}
        }
    )
    nodes = [
        node("a1", labels={"az": "a"}),
        node("a2", labels={"az": "a"}),
        node("b", labels={"az": "b"}),
        node("n1"),
        node("n2"),
    ]
    counts = placed(start(*nodes, web, *pending(12, web)))
    assert counts["a1"] + counts["a2"] == counts["b"] == counts["n1"] + counts["n2"] == 4


def test_a_preference_that_is_no_label_is_skipped():
    """The talk's slide: `spread=node.label.az` is accepted and does nothing."""
    web = service(
        TaskTemplate={
            "Placement": {"Preferences": [{"Spread": {"SpreadDescriptor": "node.label.az"}}]}
        }
    )
    nodes = [node("a", labels={"az": "a"}), node("b", labels={"az": "a"}), node("c")]
    assert placed(start(*nodes, web, *pending(6, web))) == {"a": 2, "b": 2, "c": 2}


def test_nested_preferences_spread_inside_each_branch():
    """Level by level, in the order given."""
    spreads = [{"Spread": {"SpreadDescriptor": f"node.labels.{key}"}} for key in ("az", "rack")]
    web = service(TaskTemplate={"Placement": {"Preferences": spreads}})
    nodes = [
        node("a1", labels={"az": "a", "rack": "1"}),
        node("a2", labels={"az": "a", "rack": "2"}),
        node("a3", labels={"az": "a", "rack": "2"}),
        node("b", labels={"az": "b", "rack": "1"}),
    ]
    counts = placed(start(*nodes, web, *pending(8, web)))
    assert (counts["b"], counts["a1"], counts["a2"] + counts["a3"]) == (4, 2, 2)


def test_max_replicas_per_node_leaves_the_rest_pending():
    """Its sentence has no count."""
    web = service(TaskTemplate={"Placement": {"MaxReplicas": 1}})
    harness = start(node("a"), node("b"), web, *pending(3, web))
    assert placed(harness) == {"a": 1, "b": 1}
    harness.decide()
    (waiting,) = [t for t in harness.store.tasks.values() if t.state == PENDING]
    assert waiting.status.err == "no suitable node (max replicas per node limit exceed)"


def test_a_host_port_goes_once_to_a_node():
    port = {"PublishMode": "host", "PublishedPort": 80, "TargetPort": 80, "Protocol": "tcp"}
    web = service(EndpointSpec={"Ports": [port]})
    harness = start(node("a"), node("b"), web, *pending(3, web))
    assert placed(harness) == {"a": 1, "b": 1}


def test_udp_and_tcp_ports_of_one_number_are_two():
    tcp = {"PublishMode": "host", "PublishedPort": 53, "TargetPort": 53, "Protocol": "tcp"}
    dns = service("dns", EndpointSpec={"Ports": [tcp]})
    log = service("log", EndpointSpec={"Ports": [{**tcp, "Protocol": "udp"}]})
    here = task("d0", dns, slot=1, node="a")
    harness = start(node("a"), dns, log, here, task("t0", log, slot=1, state=PENDING))
    assert placed(harness) == {"a": 2}


def test_a_host_port_is_free_again_when_its_task_has_ended():
    """Source: swarmkit manager/scheduler/nodeinfo.go, removeTask."""
    port = {"PublishMode": "host", "PublishedPort": 80, "TargetPort": 80}
    web = service(EndpointSpec={"Ports": [port]})
    harness = start(node("a"), web, task("old", web, slot=1, node="a"), *pending(1, web))
    assert placed(harness) == {"a": 1}
    harness.report("old", TaskState.COMPLETE)
    harness.decide()
    assert harness.store.tasks["t0"].node_id == "a"


@pytest.mark.parametrize("resource", ["MemoryBytes", "NanoCPUs"])
def test_a_changed_node_remembers_what_its_tasks_hold(resource: str):
    """A label, an availability or a new description frees nothing that is reserved."""
    amount = {"MemoryBytes": 5 * GIB, "NanoCPUs": 3 * 10**9}[resource]
    web = service(TaskTemplate={"Resources": {"Reservations": {resource: amount}}})
    harness = start(node("a"), web, task("old", web, slot=1, node="a"))
    harness.apply(Change(Action.UPDATE, node("a", labels={"disk": "ssd"})))
    harness.apply(*(Change(Action.CREATE, waiting) for waiting in pending(1, web)))
    assert placed(harness) == {"a": 1}
    assert harness.store.tasks["t0"].status.err == (
        "no suitable node (insufficient resources on 1 node)"
    )
    harness.report("old", TaskState.COMPLETE)
    harness.decide()
    assert harness.store.tasks["t0"].node_id == "a"


@pytest.mark.parametrize(
    ("platforms", "runs"),
    [
        ([("linux", "amd64")], True),
        ([("linux", "x86_64")], True),  # two names of one architecture
        ([("linux", "arm64")], False),
        ([("linux", "aarch64")], False),
        ([("windows", "amd64")], False),
        ([("", "amd64"), ("linux", "")], True),  # an empty word stands for any
        ([("linux", "arm64"), ("linux", "amd64")], True),  # one of them is enough
        ([], True),
    ],
)
def test_a_task_runs_only_on_a_platform_of_its_image(platforms: list[Any], runs: bool):
    """Source: swarmkit manager/scheduler/filter.go, PlatformFilter."""
    wanted = [{"OS": system, "Architecture": machine} for system, machine in platforms]
    web = service(TaskTemplate={"Placement": {"Platforms": wanted}})
    harness = start(node("a"), web, *pending(1, web))
    assert placed(harness) == ({"a": 1} if runs else {})
    if not runs:
        words = "no suitable node (unsupported platform on 1 node)"
        assert harness.store.tasks["t0"].status.err == words


def test_a_pending_task_is_placed_when_a_node_appears():
    """Node events request a run."""
    web = service()
    harness = start(node("a", availability="drain"), web, *pending(1, web))
    harness.decide()
    harness.apply(Change(Action.UPDATE, node("a")))
    harness.decide()
    assert harness.store.tasks["t0"].node_id == "a"


def test_a_pending_task_of_an_older_spec_is_dropped_from_the_queue():
    """It keeps its old error, for ever, even when there is room again."""
    web = service()
    harness = start(node("a", availability="drain"), web, *pending(1, web))
    harness.decide()
    harness.apply(Change(Action.UPDATE, replace(web, spec_version=7)))
    harness.apply(Change(Action.UPDATE, node("a", availability="pause")))
    harness.decide()
    harness.apply(Change(Action.UPDATE, node("a")))
    harness.decide()
    assert harness.store.tasks["t0"].state == PENDING


@pytest.mark.parametrize(
    ("expression", "matches"),
    [
        ("node.labels.disk==ssd", True),
        ("node.labels.disk == SSD", True),  # values in any case
        ("NODE.LABELS.disk==ssd", True),  # the prefix, too
        ("node.labels.DISK==ssd", False),  # but not a label's name
        ("node.labels.disk==s.*", False),  # patterns are not supported
        ("node.labels.zone!=a", True),  # a missing label is not "a"
        ("node.labels.zone==a", False),
        ("node.role==worker", True),
        ("node.hostname!=a", False),
        ("node.id==a", True),
        ("node.ip==10.77.0.0/24", True),
        ("node.ip!=10.77.0.9", False),
        ("node.ip==nonsense", False),
        ("node.ip!=nonsense", False),  # malformed never matches
        ("node.platform.arch==x86_64", True),
        ("node.platform.arch==amd64", False),  # not normalised here
        ("node.nosuch==x", False),  # unknown keys never match
        ("node.nosuch!=x", False),
    ],
)
def test_constraints_match_whole_values(expression: str, matches: bool):
    a = node("a", labels={"disk": "ssd"})
    assert constraints.satisfied(constraints.parse([expression]), a) is matches


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("foo", "constraint expected one operator from ==, !="),
        ("node.labels.x=1", "constraint expected one operator from ==, !="),
        ("1x==a", "key '1x' is invalid"),
        ("node.role==", "value '' is invalid"),
    ],
)
def test_a_malformed_constraint_is_refused_with_swarmkits_message(expression: str, words: str):
    """Code Unknown, so HTTP 500. Source: swarmkit manager/controlapi/service.go."""
    with pytest.raises(Unknown) as refusal:
        constraints.parse([expression])
    assert str(refusal.value) == f"rpc error: code = Unknown desc = {words}"


def test_two_full_nodes_and_a_drained_one_are_explained_in_two_steps():
    """A yes clears the counts, so the whole picture comes with the next run."""
    web = service(TaskTemplate={"Resources": {"Reservations": {"MemoryBytes": 8 * GIB}}})
    nodes = [node("a"), node("b"), node("c", availability="drain")]
    harness = start(*nodes, web, *pending(3, web))
    harness.apply(*harness.control_loop.decide(harness.store))
    (waiting,) = [t for t in harness.store.tasks.values() if t.state == PENDING]
    both = "insufficient resources on 2 nodes"
    assert waiting.status.err == f"no suitable node ({both})"
    harness.decide()
    error = harness.store.tasks[waiting.id].status.err
    assert error == f"no suitable node ({both}; 1 node not available for new tasks)"


@pytest.mark.parametrize("what", ["memory", "host port"])
def test_a_replacement_waits_for_the_old_tasks_reservations(what: str):
    """It is placed while the old one stops, elsewhere or not yet."""
    port = {"PublishMode": "host", "PublishedPort": 80, "TargetPort": 80, "Protocol": "tcp"}
    spec: dict[str, Any] = {"EndpointSpec": {"Ports": [port]}}
    words = "host-mode port already in use on 1 node"
    if what == "memory":
        spec = {"TaskTemplate": {"Resources": {"Reservations": {"MemoryBytes": 8 * GIB}}}}
        words = "insufficient resources on 1 node"
    web = service(**spec)
    old = task("old", web, slot=1, node="a", desired=TaskState.SHUTDOWN)
    harness = start(node("a"), web, old, *pending(1, web, desired=TaskState.READY))
    harness.decide()
    assert harness.store.tasks["t0"].status.err == f"no suitable node ({words})"
    harness.apply(Change(Action.CREATE, node("b")))
    harness.decide()
    assert harness.store.tasks["t0"].node_id == "b"


def test_load_and_free_resources_do_not_affect_the_ranking():
    """No bin-packing; one big task and one small one weigh the same."""
    hungry = service("big", TaskTemplate={"Resources": {"Reservations": {"MemoryBytes": 7 * GIB}}})
    small, web = service("small"), service()
    for seed in range(9):
        big = task("big", hungry, slot=1, node="a")
        two = [task(f"s{n}", small, slot=n, node="b") for n in (1, 2)]
        harness = start(
            node("a"), node("b"), web, hungry, small, big, *two, *pending(1, web), seed=seed
        )
        harness.decide()
        assert harness.store.tasks["t0"].node_id == "a"


def test_ineligible_nodes_still_form_branches_and_count():
    """A drained node's label value is a branch, with the tasks it still has."""
    preferences = [{"Spread": {"SpreadDescriptor": "node.labels.az"}}]
    web = service(TaskTemplate={"Placement": {"Preferences": preferences}})
    nodes = [
        *(node(f"a{n}", labels={"az": "a"}) for n in (1, 2, 3)),
        node("b", labels={"az": "b"}),
        node("none"),
        node("d", labels={"az": "d"}, availability="drain"),
    ]
    there = task("there", web, slot=99, node="d")
    harness = start(*nodes, web, there, *pending(10, web))
    (waiting,) = pending(1, web)
    pipeline = Pipeline(waiting)
    tree = build_tree(harness.control_loop.nodes.values(), waiting, pipeline, ("node.labels.az",))
    assert {az: len(b.nodes) for az, b in tree.branches.items()} == {"a": 3, "b": 1, "": 1, "d": 0}
    assert tree.branches["d"].active_count == 1


@pytest.mark.parametrize("seed", range(5))
def test_a_full_branch_may_leave_the_others_off_by_a_few(seed: int):
    """Zone a: 3 or 4, b: 2 to 4, none: 2 to 4; never the drained node."""
    preferences = [{"Spread": {"SpreadDescriptor": "node.labels.az"}}]
    web = service(TaskTemplate={"Placement": {"Preferences": preferences}})
    nodes = [
        *(node(f"a{n}", labels={"az": "a"}) for n in (1, 2, 3)),
        node("b", labels={"az": "b"}),
        node("none"),
        node("d", labels={"az": "d"}, availability="drain"),
    ]
    counts = placed(start(*nodes, web, *pending(10, web), seed=seed))
    per_branch = (sum(counts.get(f"a{n}", 0) for n in (1, 2, 3)), counts["b"], counts["none"])
    assert sum(per_branch) == 10
    assert all(2 <= count <= 4 for count in per_branch)


def test_a_named_generic_resource_never_schedules():
    """Although the node has that very one. Source: swarmkit manager/controlapi/service.go."""
    wish = {"NamedResourceSpec": {"Kind": "gpu", "Value": "u1"}}
    template = {"Resources": {"Reservations": {"GenericResources": [wish]}}}
    web = service(TaskTemplate=template)
    a = node("a")
    offered = a.description["Resources"].with_(GenericResources=[wish])
    a = replace(a, description=a.description.with_(Resources=offered))
    harness = start(a, web, *pending(1, web))
    harness.decide()
    err = harness.store.tasks["t0"].status.err
    assert err == "no suitable node (insufficient resources on 1 node)"


def test_a_count_of_a_generic_resource_claims_the_first_free_names():
    named = [{"NamedResourceSpec": {"Kind": "gpu", "Value": f"u{n}"}} for n in (1, 2, 3)]
    wish = {"DiscreteResourceSpec": {"Kind": "gpu", "Value": 2}}
    web = service(TaskTemplate={"Resources": {"Reservations": {"GenericResources": [wish]}}})
    a = node("a")
    offered = a.description["Resources"].with_(GenericResources=named)
    a = replace(a, description=a.description.with_(Resources=offered))
    harness = start(a, web, *pending(2, web))
    harness.decide()
    (got,) = [t for t in harness.store.tasks.values() if t.node_id]
    assert [r["NamedResourceSpec"]["Value"] for r in got.generic_resources] == ["u1", "u2"]


def test_an_obsolete_task_that_cannot_be_placed_and_is_to_stop_is_shut_down():
    """State SHUTDOWN, with no error."""
    web = service()
    harness = start(node("a", availability="drain"), web, *pending(1, web))
    harness.decide()
    harness.apply(Change(Action.UPDATE, replace(web, spec_version=7)))
    waiting = harness.store.tasks["t0"]
    harness.apply(Change(Action.UPDATE, replace(waiting, desired=TaskState.SHUTDOWN)))
    harness.decide()
    status = harness.store.tasks["t0"].status
    assert (status.state, status.err) == (TaskState.SHUTDOWN, "")


def test_the_old_pending_task_stays_while_the_new_one_is_placed():
    """Scaled up while short of room, then there is room."""
    template = {"Resources": {"Reservations": {"MemoryBytes": 8 * GIB}}}
    web = service(TaskTemplate=template)
    harness = start(node("a", memory_bytes=4 * GIB), web, *pending(1, web))
    harness.decide()
    scaled = replace(web, spec=service(replicas=2, TaskTemplate=template).spec, spec_version=7)
    new = task("new", scaled, slot=2, state=PENDING)
    harness.apply(Change(Action.UPDATE, scaled), Change(Action.CREATE, new))
    harness.decide()
    harness.apply(Change(Action.UPDATE, node("a", memory_bytes=64 * GIB)))
    harness.decide()
    assert (harness.store.tasks["new"].node_id, harness.store.tasks["t0"].node_id) == ("a", "")
    assert harness.store.tasks["t0"].status.err.startswith("no suitable node")


def test_a_new_leader_places_no_task_that_is_to_be_removed():
    web = service()
    gone = task("gone", web, slot=1, state=PENDING, desired=TaskState.REMOVE)
    harness = start(node("a"), web, gone, *pending(1, web))
    harness.decide()
    assert harness.store.tasks["gone"].node_id == ""
    assert harness.store.tasks["t0"].node_id == "a"


@pytest.mark.parametrize(
    ("plugins", "runs"), [([], True), (["json-file"], False), (["json-file", "gelf"], True)]
)
def test_a_log_driver_has_to_be_there_where_any_is_known(plugins: list[str], runs: bool):
    """Source: swarmkit manager/scheduler/filter.go, PluginFilter."""
    web = service(TaskTemplate={"LogDriver": {"Name": "gelf"}})
    a = node("a")
    engine = freeze({"Plugins": [{"Type": "Log", "Name": name} for name in plugins]})
    described = replace(a, description=a.description.with_(Engine=engine))
    harness = start(described, web, *pending(1, web))
    assert placed(harness) == ({"a": 1} if runs else {})
    if not runs:
        words = "no suitable node (missing plugin on 1 node)"
        assert harness.store.tasks["t0"].status.err == words


def test_every_constraint_has_to_be_met():
    a = node("a", labels={"disk": "ssd"})
    both = constraints.parse(["node.labels.disk==ssd", "node.labels.zone==a"])
    assert not constraints.satisfied(both, a)
    assert constraints.satisfied((), a)
