"""A large swarm in one picture: a cell for every node, and one of them looked at.

Two characters a node go to the browser, which draws them on a canvas: a thousand nodes are two
kilobytes, whatever happens to them.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import traitlets

from swarmlab.cluster.calls import checked
from swarmlab.cluster.interface import AnyCluster
from swarmlab.cluster.patience import soon
from swarmlab.cluster.simulated_state import NodeLoad, node_loads
from swarmlab.strings import _
from swarmlab.views.html import Callout
from swarmlab.views.snapshot import look
from swarmlab.views.widget import LiveWidget, source, widget_of

LETTERS = {"leader": "l", "manager": "m", "worker": "w"}  # upper case: it is down
LEVELS = 9  # of how full a node is, beside the fullest one
NAMED_MAX = 6  # nodes that the text names


class Fleet(LiveWidget):
    """The nodes as cells, filled by how many tasks run there; a click shows one.

    `fleet(cluster)` shows it. Lesson: 16_scale.
    """

    _esm = source("common.js", "fleet.js")
    _css = source("outputs.css", "view.css", "board.css", "fleet.css")
    cells = traitlets.Unicode(help="of each node a letter and how full it is").tag(sync=True)
    chosen = traitlets.Int(0, help="the place of the node that is shown").tag(sync=True)
    detail = traitlets.Unicode(help="the node that is shown, as text").tag(sync=True)

    def _labels(self) -> dict[str, Any]:
        keys = _(
            "Arrow keys choose a node. A thick rim: a manager; a cross: down; fuller: more tasks."
        )
        return {**super()._labels(), "title": _("All nodes"), "keys": keys}

    def read(self) -> None:
        loads = self._loads()
        most = max([1, *(load.running for load in loads)])
        cells = [
            (LETTERS[load.role] if load.ready else LETTERS[load.role].upper())
            + str(-(-LEVELS * load.running // most))
            for load in loads
        ]
        shown = loads[self.chosen : self.chosen + 1]
        with self.hold_sync():
            self.cells, self.text = "".join(cells), self._told(loads)
            self.detail = "".join(map(_one, shown))
            self.status = {"error": self.error}

    def _loads(self) -> list[NodeLoad]:
        if self.cluster.has_trace:
            return node_loads(self.cluster)
        snapshot, loads = soon(look, self.cluster), list[NodeLoad]()
        for row in snapshot.nodes:
            role = "leader" if row.name == snapshot.leader else row.role
            loads.append(NodeLoad(row.name, role, not row.down, row.running))
        return loads

    @staticmethod
    def _told(loads: list[NodeLoad]) -> str:
        roles = Counter("worker" if load.role == "worker" else "manager" for load in loads)
        leads = next((load.name for load in loads if load.role == "leader"), _("no one"))
        down = [load.name for load in loads if not load.ready]
        counts = [load.running for load in loads if load.ready] or [0]
        nodes = _(
            "{managers} managers ({leader} leads) and {workers} workers.",
            managers=roles["manager"], leader=leads, workers=roles["worker"],
        )  # fmt: skip
        tasks = _(
            "{n:,} task runs; a node has {fewest} to {most}.",
            "{n:,} tasks run; a node has {fewest} to {most}.",
            n=sum(counts), fewest=min(counts), most=max(counts),
        )  # fmt: skip
        rest = "" if len(down) <= NAMED_MAX else ", …"
        lost = _("Down: {names}.", names=", ".join(down[:NAMED_MAX]) + rest) if down else ""
        return f"{nodes} {tasks} {lost}".strip()

    def act(self, verb: str, message: dict[str, Any]) -> None:
        self.chosen = max(0, min(int(message["place"]), len(self.cells) // 2 - 1))

    def still_html(self) -> str:
        return str(Callout(_("All nodes"), (self.text, self.detail))._repr_html_())


def _one(load: NodeLoad) -> str:
    state = _("ready") if load.ready else _("down")
    return _(
        "{name}: {role}, {state}; {n} task runs here.",
        "{name}: {role}, {state}; {n} tasks run here.",
        name=load.name, role=_(load.role), state=state, n=load.running,
    )  # fmt: skip


@checked
def fleet(cluster: AnyCluster) -> Fleet:
    """Every node of a large swarm as a cell, live: `fleet(cluster)`. Lesson: 16_scale."""
    return widget_of(Fleet, cluster)
