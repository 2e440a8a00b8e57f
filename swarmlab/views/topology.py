"""Slide 29 for this cluster: the Raft group, the workers, their zones, and the connections.

Read from the Docker API alone, so that it works on a real cluster, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import TYPE_CHECKING, Any

import networkx as nx

from swarmlab.strings import N_, _
from swarmlab.views.html import big, marked, picture
from swarmlab.views.palette import BLACK, BLUE, GREY, LEADER, WHITE
from swarmlab.views.snapshot import ClusterSnapshot, NodeRow, look

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Kind of edge -> colour, dashes, width, text.
LINES = {
    "raft": (LEADER, "solid", 4.0, N_("Raft (managers only)")),
    "tls": (BLACK, "dashed", 1.4, N_("TLS: tasks down, reports up")),
    "gossip": (BLUE, ":", 2.2, N_("gossip network")),
}
FONT_SIZE, NODE_SIZE = 16, 3000
ARCH = 0.6  # how much higher the middle manager is drawn, so that lines past it are visible
FRAME, ENDS = 0.65, 0.71  # where the frame around the managers begins, and the lines to it end


@dataclass(frozen=True, slots=True)
class Topology:
    snapshot: ClusterSnapshot
    label: str  # the node label that names the zone

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
    def graph(self) -> nx.MultiGraph:
        """Nodes with positions, edges with a kind. Gossip is drawn as a chain, for clarity."""
        graph, left = nx.MultiGraph(), 0.0
        managers, workers = self._names("manager"), self._names("worker")
        for zone, rows in self.zones.items():
            levels = [[row for row in rows if row.role == role] for role in ("worker", "manager")]
            width = max(map(len, levels))
            for y, level in enumerate(levels):
                for number, row in enumerate(level):
                    x = left + (number + 0.5) * width / len(level)
                    part = managers.index(row.name) / max(1, len(managers) - 1) if y else 0
                    raised = ARCH * 4 * part * (1 - part)
                    graph.add_node(row.name, row=row, zone=zone, at=(x, y + raised))
            left += width + 0.4
        graph.add_edges_from(combinations(managers, 2), kind="raft")
        xs = [graph.nodes[name]["at"][0] for name in managers]
        for worker in workers:  # to the frame of the group: no API tells to which manager
            end = (min(max(graph.nodes[worker]["at"][0], min(xs)), max(xs)), ENDS)
            graph.add_node(end, at=end)
            graph.add_edge(worker, end, kind="tls")
        graph.add_edges_from(pairwise(workers), kind="gossip")
        return graph

    def _names(self, role: str) -> list[str]:
        return [row.name for rows in self.zones.values() for row in rows if row.role == role]

    # -- forms -----------------------------------------------------------------------
    @property
    def lines(self) -> list[str]:
        """The text form."""
        managers, workers = self._names("manager"), self._names("worker")
        down = [row.name for row in self.members if row.down]
        leads = self.snapshot.leader or _("nobody")
        raft = _("**Raft group**: {managers}. Leader (L): {leader}. Each manager keeps all data.")
        tls = _(
            "**TLS**: every connection, with certificates of the swarm's authority (CA), which the "
            "managers run. Each worker ({workers}) speaks to one of the group; no API tells which."
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
        return [*lines, *([_("**Down**: {names}.", names=", ".join(down))] if down else [])]

    def __repr__(self) -> str:
        return "\n".join(self.lines).replace("**", "")

    def figure(self) -> Figure:
        from matplotlib.figure import Figure

        graph = self.graph
        figure = Figure(figsize=(12, 5), layout="constrained")
        axes: Axes = figure.subplots()
        places = nx.get_node_attributes(graph, "at")
        self._draw_zones(axes, graph)
        if managers := [places[name] for name in self._names("manager")]:
            xs, ys = zip(*managers, strict=True)
            left, right, top = min(xs) - 0.4, max(xs) + 0.4, max(ys) + 0.35
            corners = [left, right, right, left, left], [FRAME, FRAME, top, top, FRAME]
            axes.plot(*corners, color=LEADER, linewidth=2)
        for kind, (colour, dashes, width, word) in LINES.items():
            edges = [(a, b) for a, b, k in graph.edges(data="kind") if k == kind]
            style: dict[str, Any] = {"edge_color": colour, "style": dashes, "width": width}
            nx.draw_networkx_edges(graph, places, edgelist=edges, ax=axes, **style)
            axes.plot([], [], color=colour, linestyle=dashes, linewidth=width, label=_(word))
        for name, row in graph.nodes(data="row"):
            if row:
                self._draw_node(axes, places[name], row)
        axes.set_ylim(-0.4, 2.4)
        axes.set_axis_off()
        figure.legend(ncols=3, loc="outside lower center", fontsize=FONT_SIZE)
        return figure

    def _draw_node(self, axes: Axes, place: tuple[float, float], row: NodeRow) -> None:
        leads, manages = row.name == self.snapshot.leader, row.role == "manager"
        colour, shape = GREY if row.down else LEADER if leads else WHITE, "s" if manages else "o"
        style: dict[str, Any] = {"edgecolors": BLACK, "linewidths": 2, "zorder": 2}
        axes.scatter(*place, s=NODE_SIZE, color=colour, marker=shape, **style)
        marks = ["✖" if row.down else "L" if leads else "", "CA" if manages else ""]
        text = f"{row.name}\n{' '.join(filter(None, marks))}".rstrip()
        axes.text(*place, text, fontsize=FONT_SIZE, ha="center", va="center")

    def _draw_zones(self, axes: Axes, graph: nx.Graph) -> None:
        for zone, rows in self.zones.items():
            if not zone:
                continue
            xs = [graph.nodes[row.name]["at"][0] for row in rows]
            axes.axvspan(min(xs) - 0.5, max(xs) + 0.5, color=GREY, alpha=0.35)
            title = f"{self.label} = {zone}"
            axes.text(min(xs) - 0.45, 2.15, title, fontsize=FONT_SIZE, backgroundcolor=WHITE)

    def _repr_html_(self) -> str:
        text = "".join(f"<p style='margin:.3em 0'>{marked(line)}</p>" for line in self.lines)
        return picture(self.figure(), repr(self)) + big(text)


def topology(cluster: Any, label: str = "az") -> Topology:
    """The nodes of the swarm and their connections; zones come from the node label `label`.

    Lesson: 00_start_here.
    """
    return Topology(look(cluster), label)
