"""The topology of slide 29: read from the API, drawn by networkx, with a text form."""

from __future__ import annotations

import re
from itertools import combinations
from typing import Any
from xml.etree.ElementTree import fromstring

import swarmlab
from swarmlab.model.trace_records import SessionRefused
from swarmlab.views.history import spoken_since
from swarmlab.views.snapshot import look
from swarmlab.views.topology import LiveTopology, Topology, topology


def labelled(cluster: Any, **zones: str) -> Any:
    for node in cluster.client().nodes.list():
        name = node.attrs["Description"]["Hostname"]
        if name in zones:
            node.update({**node.attrs["Spec"], "Labels": {"az": zones[name]}})
    return cluster


def now(cluster: Any, label: str = "az") -> Topology:
    return Topology(look(cluster), label)


def kinds(cluster: Any) -> dict[str, int]:
    edges = [kind for *_ends, kind in now(cluster).graph.edges(data="kind")]
    return {kind: edges.count(kind) for kind in ("raft", "tls", "gossip")}


def drawn(cluster: Any, label: str = "az") -> Any:
    """The picture's elements. Each is looked for by its class."""
    return fromstring(f"<div>{now(cluster, label).picture}</div>")


def texts(root: Any, kind: str) -> list[str]:
    """The texts of the elements of this class."""
    found = [e for e in root.iter() if kind in e.get("class", "").split()]
    return [" ".join(e.itertext()) for e in found]


def test_managers_are_all_connected_and_all_nodes_gossip(cluster: Any):
    assert kinds(cluster) == {"raft": 3, "tls": 2, "gossip": 10}
    text = repr(topology(cluster))
    assert "Raft group: m1, m2, m3. Leader: m1." in text
    assert "Gossip: all 5 nodes" in text
    assert "Zones" not in text


def test_a_worker_is_connected_to_the_group_and_not_to_one_manager(cluster: Any):
    """No API tells with which manager a worker speaks."""
    ends = [b for _a, b, kind in now(cluster).graph.edges(data="kind") if kind == "tls"]
    assert len(ends) == 2
    assert not {*ends} & {"m1", "m2", "m3", "w1", "w2"}


def test_zones_come_from_the_label_and_nodes_without_it_are_apart(cluster: Any):
    labelled(cluster, m1="a", m2="b", m3="c", w1="a")
    text = repr(topology(cluster))
    assert "Zones: a: m1, w1; b: m2; c: m3; –: w2." in text
    assert texts(drawn(cluster), "zone") == ["az=a", "az=b", "az=c"]
    assert "rack" not in repr(topology(cluster, label="rack"))


def test_the_leader_is_marked_by_text_and_outline_and_follows_an_election(cluster: Any):
    cluster.crash("m1")
    cluster.run("60s")
    seen = now(cluster)
    leader = seen.snapshot.leader
    assert leader in ("m2", "m3")
    picture = drawn(cluster)
    assert texts(picture, "leader") == [f"{leader} ♛ leader"]
    assert texts(picture, "down") == ["m1 ✖ down CA"]
    assert len(texts(picture, "manager")) == 3
    assert "Down: m1." in repr(seen)


def test_the_picture_has_alternative_text(cluster: Any):
    html = now(cluster)._repr_html_()
    assert 'aria-label="Raft group: m1, m2, m3.' in html
    assert "<b>TLS</b>" in html
    assert "talks to one of the managers" in repr(
        topology(cluster.client())
    )  # a stock client will do


# -- live ------------------------------------------------------------------------------------------
def click(live: LiveTopology, verb: str, name: str) -> None:
    content = {"method": "custom", "content": {"do": verb, "name": name}}
    live._handle_msg({"content": {"data": content}, "buffers": []})


def test_a_node_is_crashed_and_started_by_a_click(cluster: Any):
    live = topology(cluster)
    assert isinstance(live, LiveTopology)
    assert topology(cluster) is live
    assert live.value.count('data-do="crash"') == 5
    click(live, "crash", "m1")
    assert not cluster.is_up("m1")
    assert 'data-do="start" data-name="m1"' in live.value
    click(live, "crash", "m1")
    assert live.error == "crash: m1 is down already"
    click(live, "start", "m1")
    assert cluster.is_up("m1")
    live.close()


def test_every_flight_is_one_record_of_the_trace(cluster: Any):
    """What is drawn as moving names its record, which is about the same nodes."""
    live = topology(cluster)
    assert isinstance(live, LiveTopology)
    cluster.client().services.create("nginx", name="web", mode={"Replicated": {"Replicas": 6}})
    shown = set()
    for act in (None, "crash", None, "start", None):
        if act:
            click(live, act, "m1")
        for _second in range(25):
            cluster.run("1s")
            live.refresh()
            for spoken in live.drawn.spoken:
                record = cluster.trace.records[spoken.record]
                assert record.where in (spoken.source, spoken.target)
                shown.add(type(record).__name__)
            assert live.value.count('class="flight"') == len(live.drawn.spoken)
    assert {"Scheduled", "TaskStatusChanged", "VotedFor", "BecameFollower"} <= shown
    live.close()


def test_what_is_refused_says_why(cluster: Any):
    cluster.trace.add(SessionRefused(cluster.now_ns, "m1", "w1", "unknown root"))
    (spoken,) = spoken_since(cluster, len(cluster.trace) - 1, "m1")
    assert (spoken.line, spoken.kind) == ("w1 → m1: ✘ unknown root", "refused")


def test_a_refused_vote_flies_with_its_reason(cluster: Any):
    """A manager that hears nobody campaigns; the other two still hear the leader."""
    cluster.partition("m2", "m1,m3,w1,w2")
    cluster.run("25s")
    first = len(cluster.trace)
    cluster.heal()
    cluster.slow("m1", "m2", "1ms", loss=1.0)
    cluster.run("20s")
    refused = [s for s in spoken_since(cluster, first, "m1") if s.kind == "refused"]
    assert refused[0].line == "m3 → m2: ✘ no vote: I still hear the leader"


def test_nine_nodes_fit_and_none_lies_on_another():
    """In em: so wide is a page at 200 %, and so wide and high a node."""
    fits, (wide, high) = 510 / 16, (5, 3)
    for managers, workers in [(3, 6), (7, 2), (1, 8)]:
        cluster = swarmlab.simulate(managers=managers, workers=workers, seed=7)
        zones = dict(zip(cluster.names, "abcabcabc", strict=True))
        for shown in (cluster, labelled(cluster, **zones)):
            stage = next(e for e in drawn(shown).iter() if "stage" in e.get("class", ""))
            width = float(stage.get("style").partition("min-width:")[2].removesuffix("em"))
            assert width <= fits
            styles = [e.get("style") for e in stage if "node" in e.get("class", "").split()]
            found = [re.findall(r"[\d.]+", style) for style in styles]
            places = [(float(left) * width / 100, float(top)) for left, top in found]
            for (x1, y1), (x2, y2) in combinations(places, 2):
                assert abs(x1 - x2) >= wide or abs(y1 - y2) >= high
