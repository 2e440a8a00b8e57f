"""Slide 29 for this cluster: the Raft group, the workers, their zones, and the connections.

Read from the Docker API alone, so that it works on a real cluster, too; a simulation adds who
speaks to whom: each flight is one record of its trace.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import networkx as nx
from docker import DockerClient
from markupsafe import Markup

from swarmlab.cluster.calls import checked
from swarmlab.cluster.interface import AnyCluster
from swarmlab.cluster.patience import soon
from swarmlab.strings import N_, _
from swarmlab.views.board import board_of
from swarmlab.views.history import Spoken, spoken_since
from swarmlab.views.html import marked, tag
from swarmlab.views.primitives import drawing, flight, legend, node, view
from swarmlab.views.snapshot import ClusterSnapshot, NodeRow, look
from swarmlab.views.widget import Picture, widget_of

# Kind of edge -> its text; `static/view.css` has its colour and dashes.
LINES = {
    "raft": N_("Raft (managers only)"),
    "tls": N_("TLS: tasks down, reports up"),
    "gossip": N_("gossip network (all nodes)"),
    "said": N_("said just now"),
}
ARCH = 0.6  # how much higher the middle manager is drawn, so that lines past it are visible
ENDS = 0.65  # the lower edge of the frame around the managers, where lines to it end
WORKERS_EM, UNIT_EM, HEIGHT_EM = 15.2, 7.4, 19.2  # from the top
NODE_EM = 5.4  # a node with a space beside it
# With more side by side, every second node is drawn higher or lower, and they move together.
ABREAST, CLOSE_EM, LOWERED = 5, 2.9, 0.45


@dataclass(frozen=True, slots=True)
class Topology:
    """The nodes by zone, and who speaks to whom.

    `topology(cluster).members`. Lesson: 04_parts_and_topology.
    """

    snapshot: ClusterSnapshot
    label: str  # the node label that names the zone
    spoken: tuple[Spoken, ...] = ()  # who speaks to whom now
    clickable: bool = False

    @property
    def members(self) -> list[NodeRow]:
        return [row for row in self.snapshot.nodes if row.role]

    @property
    def zones(self) -> dict[str, list[NodeRow]]:
        """Zone -> its nodes, managers first. Those without the label are last, unnamed."""
        names = sorted({row.labels.get(self.label, "") for row in self.members})
        names.sort(key=lambda name: not name)
        rows = sorted(self.members, key=lambda row: row.role)
        return {n: [row for row in rows if row.labels.get(self.label, "") == n] for n in names}

    @property
    def crowded(self) -> bool:
        levels = (Counter(row.role for row in rows) for rows in self.zones.values())
        return sum(max(level.values()) for level in levels) > ABREAST

    @property
    def half(self) -> float:
        """Half of a node's width, where 1 lies between two neighbours."""
        return NODE_EM / CLOSE_EM / 2 if self.crowded else 0.5

    @property
    def graph(self) -> nx.MultiGraph:
        """Nodes with positions, edges with a kind: every node gossips with every other."""
        graph, left = nx.MultiGraph(), self.half - 0.5
        managers, workers = self._names("manager"), self._names("worker")
        for zone, rows in self.zones.items():
            levels = [[row for row in rows if row.role == role] for role in ("worker", "manager")]
            width = max(map(len, levels))
            for y, (level, all_there) in enumerate(zip(levels, (workers, managers), strict=True)):
                for number, row in enumerate(level):
                    x = left + (number + 0.5) * width / len(level)
                    place = all_there.index(row.name)
                    part = place / max(1, len(managers) - 1) if y else 0
                    raised = ARCH * 4 * part * (1 - part)
                    if self.crowded:
                        raised = place % 2 * (ARCH if y else -LOWERED)
                    graph.add_node(row.name, row=row, zone=zone, at=(x, y + raised))
            left += width + max(0.4, 2 * self.half - 0.9)
        graph.add_edges_from(combinations(managers, 2), kind="raft")
        xs = [graph.nodes[name]["at"][0] for name in managers]
        for worker in workers:  # to the frame of the group: no API tells to which manager
            end = (min(max(graph.nodes[worker]["at"][0], min(xs)), max(xs)), ENDS)
            graph.add_node(end, at=end)
            graph.add_edge(worker, end, kind="tls")
        graph.add_edges_from(combinations(managers + workers, 2), kind="gossip")
        return graph

    def _names(self, role: str) -> list[str]:
        return [row.name for rows in self.zones.values() for row in rows if row.role == role]

    # -- forms -----------------------------------------------------------------------
    @property
    def lines(self) -> list[str]:
        """The text form."""
        managers, workers = self._names("manager"), self._names("worker")
        down = [row.name for row in self.members if row.down]
        leads = self.snapshot.leader or _("no one")
        raft = _("**Raft group**: {managers}. Leader: {leader}. Each manager keeps all data.")
        tls = _(
            "**TLS**: encrypts every connection, with certificates from the managers (the CA). "
            "Each worker ({workers}) talks to one of the managers; no API says which."
        )
        gossip = _("**Gossip**: all {count} nodes tell each other who has which overlay network.")
        lines = [
            raft.format(managers=", ".join(managers), leader=leads),
            tls.format(workers=", ".join(workers) or "–"),
            gossip.format(count=len(self.members)),
        ]
        if any(self.zones):
            zones = [
                f"{name or '–'}: {', '.join(row.name for row in rows)}"
                for name, rows in self.zones.items()
            ]
            lines.append(_("**Zones**: {zones}.", zones="; ".join(zones)))
        lines += [_("**Down**: {names}.", names=", ".join(down))] if down else []
        return [*lines, *(spoken.line for spoken in self.spoken)]

    def __repr__(self) -> str:
        return "\n".join(self.lines).replace("**", "")

    @property
    def picture(self) -> Markup:
        """Zones behind, lines over them, and the nodes in front."""
        graph = self.graph
        right = max((x for name, (x, _y) in graph.nodes(data="at")), default=0.0) + self.half
        height = HEIGHT_EM + (LOWERED * UNIT_EM if self.crowded else 0)
        places = {
            name: (100 * x / right, WORKERS_EM - UNIT_EM * y)
            for name, (x, y) in graph.nodes(data="at")
        }
        shown = [(name, row) for name, row in graph.nodes(data="row") if row]
        size = 200 * self.half / right, height  # the width of a node in percent; em
        zones = [
            self._area([places[row.name] for row in rows], size, "zone", f"{self.label}={zone}")
            for zone, rows in self.zones.items()
            if zone
        ]
        managers = [places[name] for name in self._names("manager")]
        areas = [self._area([places[name] for name, _row in shown], size, "gossip", _("gossip"))]
        areas += [self._area(managers, size, "raft", _("Raft group, CA"))] if managers else []
        edges = [
            _line(places[a], places[b], kind)
            for kind in reversed(LINES)
            for a, b, other in graph.edges(data="kind")
            if other == kind
        ]
        said = [one for one in self.spoken if {one.source, one.target} <= places.keys()]
        edges += [_line(places[one.source], places[one.target], one.kind) for one in said]
        lines = tag("svg", *edges, width="100%", height=f"{height:.1f}em")
        nodes = [self._node(row, places[name]) for name, row in shown]
        style = f"height:{height:.1f}em;min-width:{NODE_EM / 2 / self.half * right:.1f}em"
        flights = (flight(places[one.source], places[one.target], one.line) for one in said)
        parts = *zones, *areas, lines, *nodes, *flights
        stage = tag("div", *parts, class_="stage topology", style=style)
        scroll = tag("div", stage, class_="scroll")
        return scroll if self.clickable else drawing(repr(self), scroll)

    def _node(self, row: NodeRow, place: tuple[float, float]) -> Markup:
        leads, manages = row.name == self.snapshot.leader, row.role == "manager"
        facts = ["CA"] if manages and not leads else []
        at = f"left:{place[0]:.2f}%;top:{place[1]:.2f}em"
        do = "" if row.up is None or not self.clickable else "crash" if row.up else "start"
        return node(row.name, row.role, *facts, leads=leads, down=row.down, style=at, do=do)

    @staticmethod
    def _area(
        places: list[tuple[float, float]], size: tuple[float, float], kind: str, title: str
    ) -> Markup:
        """The ground around nodes, a zone, the Raft group, or all that gossip; `size`: the width of
        a node, the height of the picture."""
        (xs, ys), (width, height) = zip(*places, strict=True), size
        margin = {"zone": 0.47, "raft": 0.44, "gossip": 0.49}[kind] * width
        top, bottom = {
            "zone": (0.0, height),
            "gossip": (0.3, height - 2.0),
            "raft": (min(ys) - 2.2, WORKERS_EM - UNIT_EM * ENDS),
        }[kind]
        place = f"left:{min(xs) - margin:.2f}%;width:{max(xs) - min(xs) + 2 * margin:.2f}%"
        style = f"{place};top:{top:.2f}em;height:{bottom - top:.2f}em"
        return tag("div", tag("span", title), class_=f"area {kind}", style=style)

    def _repr_html_(self) -> Markup:
        return view(self.drawn)

    @property
    def drawn(self) -> Markup:
        text = (tag("p", marked(line)) for line in self.lines)
        samples = [
            (tag("svg", _line((0, 0.6), (100, 0.6), kind), width="3em", height="1.2em"), _(title))
            for kind, title in LINES.items()
        ]
        return Markup("").join([self.picture, legend(samples), *text])


class LiveTopology(Picture):
    """The topology, now: a click on a node crashes it, or starts it again.

    `topology(cluster)` shows it. Lesson: 04_parts_and_topology.
    """

    label = "az"

    def start_over(self) -> None:
        super().start_over()
        # Those that were shown.
        self._records = len(self.cluster.trace) if self.cluster.has_trace else 0
        self.drawn = Topology(look(self.cluster), self.label)

    def draw(self) -> Markup:
        """What was said since the last look is shown as it flies."""
        snapshot, spoken = soon(look, self.cluster, self.drawn.snapshot), self.drawn.spoken
        if self.cluster.has_trace and len(self.cluster.trace) > self._records:
            spoken = tuple(spoken_since(self.cluster, self._records, snapshot.leader))
            self._records = len(self.cluster.trace)
        self.drawn = Topology(snapshot, self.label, spoken, clickable=True)
        return self.drawn.drawn

    def __repr__(self) -> str:
        return repr(self.drawn)

    def act(self, verb: str, message: dict[str, Any]) -> None:
        """As on the board, which lets time pass until the swarm has settled."""
        rows = self.drawn.snapshot.nodes
        board = board_of(self.cluster)
        board.act(verb, {"node": next(row.key for row in rows if row.name == message["name"])})
        board.refresh()


def _line(start: tuple[float, float], end: tuple[float, float], kind: str) -> Markup:
    """Between two places, each in percent of the width, and em from the top."""
    (x1, y1), (x2, y2) = start, end
    ends = {"x1": f"{x1:.2f}%", "y1": f"{y1:.2f}em", "x2": f"{x2:.2f}%", "y2": f"{y2:.2f}em"}
    return tag("line", class_=f"line {kind}", **ends)


@checked
def topology(cluster: AnyCluster | DockerClient, label: str = "az") -> Topology | LiveTopology:
    """The nodes of the swarm and their connections; zones come from the node label `label`:
    `topology(cluster)`.

    Of a client, as it is now; of a cluster, live. Lesson: 00_start_here.
    """
    if not hasattr(cluster, "has_trace"):
        return Topology(look(cluster), label)
    live = widget_of(LiveTopology, cluster)
    live.label = label
    live.refresh()
    return live
