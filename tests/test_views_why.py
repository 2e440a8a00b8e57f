"""Why here, why not there; and where the tasks of a service are, branch by branch."""

from __future__ import annotations

import io
import re
from typing import Any
from xml.etree.ElementTree import fromstring

import pytest
from docker.types import Resources, ServiceMode

import swarmlab
from swarmlab.errors import LabError
from swarmlab.jupyter.magic import run_commands
from swarmlab.views.placement_explanation import why
from swarmlab.views.spread import spread


def label(cluster: Any, **values: str) -> None:
    """Stick `az` on nodes: `label(cluster, m1="a")`."""
    for name, az in values.items():
        node = cluster.client().nodes.get(name)
        node.update({**node.attrs["Spec"], "Labels": {"az": az}})


def create(cluster: Any, name: str, replicas: int = 1, **options: Any) -> None:
    mode = ServiceMode("replicated", replicas)
    cluster.client().services.create("nginx", name=name, mode=mode, **options)
    cluster.run("10s")


class Api:
    """A real cluster, as views see it: the Docker API and no more."""

    kind = "real"
    has_trace = False

    def __init__(self, cluster: Any) -> None:
        self.client, self.leader = cluster.client, cluster.default_node


@pytest.fixture
def zones(cluster: Any) -> Any:
    """m1 and w1 in zone a, m2 in zone b, m3 and w2 without a label; w2 drained."""
    label(cluster, m1="a", w1="a", m2="b")
    node = cluster.client().nodes.get("w2")
    node.update({**node.attrs["Spec"], "Availability": "drain"})
    return cluster


def outcomes(table: Any) -> dict[str, str]:
    return {row[0]: row[-1] for row in table.rows}


def chosen(table: Any) -> str:
    """The node that got the task."""
    return next(node for node, outcome in outcomes(table).items() if outcome == "◀ here")


# -- why -------------------------------------------------------------------------------------------
def test_each_row_says_why_the_node_was_not_chosen(zones: Any):
    create(zones, "web", constraints=["node.hostname!=m1"])
    table = why(zones, "web.1")
    by_node = outcomes(table)
    here = chosen(table)
    assert table.title == f"Why is web.1 on {here}?"
    assert by_node["m1"] == "fails a constraint"
    assert by_node["w2"] == "takes none: down, paused or drained"
    others = {"m2", "m3", "w1"} - {here}
    assert {by_node[node] for node in others} == {"just as good: chance decided"}


def test_each_filter_is_a_column_and_a_refusal_ends_the_filters(zones: Any):
    create(zones, "web", constraints=["node.hostname!=m1"])
    table = why(zones, "web.1")
    assert table.heads[:3] == ("Node", "Takes tasks?", "Constraints?")
    rows = {row[0]: row[1:3] for row in table.rows}
    assert rows["w2"] == ("✘", "–")
    assert rows["m1"] == ("✔", "✘")
    assert rows["m2"] == ("✔", "✔")


def test_a_fuller_node_shows_what_it_has_more_of(cluster: Any):
    create(cluster, "first")
    first = chosen(why(cluster, "first.1"))
    create(cluster, "web")
    assert outcomes(why(cluster, "web.1"))[first] == "has more tasks in all"
    run_commands("docker service scale web=2", io.StringIO(), io.StringIO())
    second = chosen(why(cluster, "web.1"))
    assert outcomes(why(cluster, "web.2"))[second] == "has more tasks of the service"


def test_the_preference_tree_is_shown_with_its_counts(zones: Any):
    create(zones, "web", 4, preferences=[("spread", "node.labels.az")])
    table = why(zones, "web.1")
    assert "Branch" in table.heads
    assert "in another branch" in outcomes(table).values()
    assert "in a batch of 4." in table.notes[0]
    assert "└ node.labels.az=(no label): 0 tasks" in table.notes[-1]


def test_an_invalid_preference_makes_no_branch(zones: Any):
    """Slide 35 says node.label.az; SwarmKit skips what is no label descriptor."""
    create(zones, "web", 2, preferences=[("spread", "node.label.az")])
    assert "Branch" not in why(zones, "web.1").heads
    both = [("spread", "node.label.az"), ("spread", "node.labels.az")]
    create(zones, "shop", 2, preferences=both)
    assert "└ node.labels.az=a: 0 tasks" in why(zones, "shop.1").notes[-1]


@pytest.mark.parametrize(
    ("options", "outcome"),
    [
        ({"constraints": ["node.role==nobody"]}, "fails a constraint"),
        ({"resources": Resources(mem_reservation=500 << 30)}, "not enough CPU or memory free"),
    ],
)
def test_a_pending_task_shows_the_refusals_and_dockers_own_reason(
    zones: Any, options: dict[str, Any], outcome: str
):
    create(zones, "big", **options)
    table = why(zones, "big.1")
    assert table.title == "Why does big.1 wait?"
    by_node = outcomes(table)
    assert by_node.pop("w2") == "takes none: down, paused or drained"
    assert set(by_node.values()) == {outcome}
    assert "no suitable node" in table.notes[0]


def test_a_node_at_its_maximum_is_reported(cluster: Any):
    create(cluster, "wide", 6, maxreplicas=1)
    waiting = [t for t in cluster.client().api.tasks() if t["Status"]["State"] == "pending"]
    table = why(cluster, waiting[0]["ID"])
    assert set(outcomes(table).values()) == {"has its maximum"}


def test_asking_changes_nothing(zones: Any):
    create(zones, "web", 3)
    digest, now_ns = zones.trace.digest(), zones.now_ns
    repr(why(zones, "web.2"))
    repr(spread(zones, "web", "az"))
    assert (zones.trace.digest(), zones.now_ns) == (digest, now_ns)


def test_a_real_swarm_shows_the_reason_and_a_note_of_what_is_unknown(zones: Any):
    create(zones, "big", resources=Resources(mem_reservation=500 << 30))
    table = why(Api(zones), "big.1")
    assert table.rows[0][:3] == ("big.1", "–", "pending")
    assert "insufficient resources" in table.rows[0][3]
    assert "Only a simulated swarm can show" in table.notes[0]
    with pytest.raises(LabError, match=r"no task 'nope.1'; there are big.1"):
        why(Api(zones), "nope.1")


def test_one_more_task_than_two_emptier_branches_need_is_placed_once(cluster: Any):
    """Both have less than their share; the first gets the task, and none is left for the second."""
    label(cluster, m1="a", m2="b", m3="c")
    lines = [f"docker node update --availability drain {name}" for name in ("m1", "m2", "w1", "w2")]
    lines += [
        "docker service create -q -d --name web --replicas 4"
        " --placement-pref spread=node.labels.az nginx",
        "docker node update --availability active m1",
        "docker node update --availability active m2",
        "docker service scale -d web=5",
    ]
    for line in lines:
        run_commands(line, io.StringIO(), io.StringIO())
        cluster.run("10s")
    assert chosen(why(cluster, "web.5")) in ("m1", "m2")
    assert [branch.running for branch in spread(cluster, "web", "az").below[2:]] == [4, 0]


# -- the funnel ------------------------------------------------------------------------------------
def steps(table: Any) -> list[list[str]]:
    """Per step of the picture its title, then the nodes in it; those that drop out in brackets."""
    found = []
    for step in table.steps:
        title, row = fromstring(step)
        nodes = [e for e in row if "node" in e.get("class", "").split()]
        names = [f"({e[0].text})" if "dropped" in e.get("class") else e[0].text for e in nodes]
        found.append([title.text, *names])
    return found


def test_nodes_drop_out_filter_by_filter_and_the_chosen_one_is_first_at_the_end(zones: Any):
    create(zones, "web", constraints=["node.hostname!=m1"])
    table = why(zones, "web.1")
    here = chosen(table)
    assert steps(table)[:2] == [
        ["Takes tasks?", "m1", "m2", "m3", "w1", "(w2)"],
        ["Constraints?", "(m1)", "m2", "m3", "w1"],
    ]
    assert steps(table)[-1][:2] == ["Fewest tasks?", here]
    assert set(steps(table)[-1][2:]) == {"m2", "m3", "w1"} - {here}


def test_every_refused_node_drops_out_once_and_at_the_filter_that_refused_it(zones: Any):
    create(zones, "big", resources=Resources(mem_reservation=500 << 30))
    table = why(zones, "big.1")
    assert [step[0] for step in steps(table)] == ["Takes tasks?", "Resources?"]  # nobody is left
    assert steps(table)[1] == ["Resources?", "(m1)", "(m2)", "(m3)", "(w1)"]


def test_what_a_task_asks_for_and_what_is_free_are_figures_and_bars(cluster: Any):
    create(cluster, "first", resources=Resources(mem_reservation=2 << 30))
    first = chosen(why(cluster, "first.1"))
    create(cluster, "web", resources=Resources(mem_reservation=1 << 30, cpu_reservation=10**9))
    (step,) = (step for step in why(cluster, "web.1").steps if "Resources?" in step)
    texts = {e[0].text: " ".join(e.itertext()) for e in fromstring(step)[1]}
    assert "8.0 GiB free, 1.0 asked" in texts[({"w1", "w2"} - {first}).pop()]
    assert "6.0 GiB free, 1.0 asked" in texts[first]
    assert "CPUs free, 1 asked" in texts[first]
    assert "--free:75%;--asked:12%" in step


# -- spread ----------------------------------------------------------------------------------------
def test_branches_have_their_nodes_and_tasks_and_no_label_comes_last(zones: Any):
    create(zones, "web", 6, preferences=[("spread", "node.labels.az")])
    picture = spread(zones, "web", "az")
    assert [branch.name for branch in picture.below] == ["az=a", "az=b", "no label az"]
    assert [branch.running for branch in picture.below] == [2, 2, 2]
    assert "w2 (drain): nothing" in repr(picture)
    html = picture._repr_html_()
    assert html.count('class="shape"') == 6
    assert 'aria-label="web.1 running"' in html
    shares = re.findall(r"--share:([\d.]+)%", html)
    assert shares == ["100.0"] * 4  # the service's own, and equal ones of its branches


def test_a_spread_is_drawn_the_same_on_a_real_swarm(zones: Any):
    create(zones, "web", 4, preferences=[("spread", "node.labels.az")])
    assert repr(spread(Api(zones), "web", "az")) == repr(spread(zones, "web", "az"))


def test_nested_labels_are_nested_boxes(zones: Any):
    create(zones, "web", 2)
    inner = spread(zones, "web", "az", "rack").below[0].below
    assert [branch.name for branch in inner] == ["no label rack"]
    assert [node.name for node in inner[0].below] == ["m1", "w1"]


def test_a_node_that_is_down_is_marked(zones: Any):
    create(zones, "web", 6)
    zones.crash("m2")
    zones.run("60s")
    assert "m2 (down): " in repr(spread(zones, "web", "az"))


def test_an_unknown_service_is_named_with_the_existing_ones(cluster: Any):
    create(cluster, "web")
    with pytest.raises(LabError, match="no service 'nope'; there are web"):
        spread(cluster, "nope", "az")


def test_equal_seeds_draw_equal_pictures():
    def drawn() -> str:
        cluster = swarmlab.simulate(managers=3, workers=2, seed=3)
        create(cluster, "web", 5)
        return spread(cluster, "web")._repr_html_() + why(cluster, "web.4")._repr_html_()

    assert drawn() == drawn()
