"""The topology of slide 29: read from the API, drawn by networkx, with a text form."""

from __future__ import annotations

from typing import Any

from matplotlib.colors import to_hex

from swarmlab.views.palette import LEADER
from swarmlab.views.topology import topology


def labelled(cluster: Any, **zones: str) -> Any:
    for node in cluster.client().nodes.list():
        name = node.attrs["Description"]["Hostname"]
        if name in zones:
            node.update({**node.attrs["Spec"], "Labels": {"az": zones[name]}})
    return cluster


def kinds(cluster: Any) -> dict[str, int]:
    edges = [kind for *_ends, kind in topology(cluster).graph.edges(data="kind")]
    return {kind: edges.count(kind) for kind in ("raft", "tls", "gossip")}


def test_managers_are_all_connected_and_workers_gossip(cluster: Any):
    assert kinds(cluster) == {"raft": 3, "tls": 2, "gossip": 1}
    text = repr(topology(cluster))
    assert "Raft group: m1, m2, m3. Leader (L): m1." in text
    assert "Gossip: all 5 nodes" in text
    assert "Zones" not in text


def test_a_worker_is_connected_to_the_group_and_not_to_one_manager(cluster: Any):
    """No API tells with which manager a worker speaks."""
    ends = [b for _a, b, kind in topology(cluster).graph.edges(data="kind") if kind == "tls"]
    assert len(ends) == 2
    assert not {*ends} & {"m1", "m2", "m3", "w1", "w2"}


def test_zones_come_from_the_label_and_nodes_without_it_are_apart(cluster: Any):
    labelled(cluster, m1="a", m2="b", m3="c", w1="a")
    text = repr(topology(cluster))
    assert "Zones: a: m1, w1; b: m2; c: m3; –: w2." in text
    figure = topology(cluster).figure()
    shown = [text.get_text() for text in figure.axes[0].texts]
    assert {"az = a", "az = b", "az = c"} <= set(shown)
    assert "rack" not in repr(topology(cluster, label="rack"))


def test_the_leader_is_marked_by_letter_and_colour_and_follows_an_election(cluster: Any):
    cluster.crash("m1")
    cluster.run("60s")
    seen = topology(cluster)
    leader = seen.snapshot.leader
    assert leader in ("m2", "m3")
    figure = seen.figure()
    shown = [text.get_text() for text in figure.axes[0].texts]
    assert f"{leader}\nL CA" in shown
    assert "m1\n✖ CA" in shown
    faces = [
        to_hex(c.get_facecolor()[0]) for c in figure.axes[0].collections if len(c.get_facecolor())
    ]
    assert faces.count(LEADER) == 1
    assert "Down: m1." in repr(seen)


def test_the_picture_has_alternative_text(cluster: Any):
    html = topology(cluster)._repr_html_()
    assert "alt='Raft group: m1, m2, m3." in html
    assert "<b>TLS</b>" in html
    assert "speaks to one of the group" in repr(
        topology(cluster.client())
    )  # a stock client will do
