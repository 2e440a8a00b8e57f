"""The live board: a column per node, a box per task; nodes crash and start by click or key.

Python computes finished rows and one trait per column, so that only what changed is sent; the
module `static/board.js` draws them. While virtual time follows the wall clock, a timer on the
kernel's own loop refreshes the board; otherwise it is refreshed after every cell. There is no
thread, and no timer while time is paused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple

import traitlets

from swarmlab.cluster.patience import soon
from swarmlab.cluster.simulated_state import NOT_KNOWN
from swarmlab.errors import LabError
from swarmlab.strings import N_, _, seconds
from swarmlab.views import text
from swarmlab.views.dock import DockedWidget
from swarmlab.views.html import Callout, Table
from swarmlab.views.palette import LOOKS, colours_of
from swarmlab.views.primitives import look_rows
from swarmlab.views.snapshot import ClusterSnapshot, NodeRow, NodeRows, ServiceRow, TaskRow, look
from swarmlab.views.widget import (
    FAILURES,
    explained,
    running_loop,
    source,
    synced_list,
    widget_of,
)

KEYS = {"c": "crash", "s": "start", "d": "drain", "a": "active", "p": "pause"}
ACTIONS = {"crash": N_("Crash"), "start": N_("Start"), "drain": N_("Drain")}
ACTIONS |= {"active": N_("Activate"), "pause": N_("Pause node")}
SPEEDS = (0.5, 1.0, 2.0, 5.0, 10.0)  # virtual seconds a wall second
STEP = "10s"
LANE_MAX = 12  # tasks of a service drawn in its line
ROWS_MAX = 40  # nodes, where no kernel is
# After a click virtual time plays, at this speed, until the swarm has settled: seconds of it.
SETTLE_SPEED, SETTLE_S_MIN, SETTLE_S_MAX = 5.0, 2.0, 60.0
Sentence = tuple[str, dict[str, float]]  # and its values


class SceneMenu(NamedTuple):
    """The scenes of the page, and the ways to them; `lessons/scenes.py` has them."""

    listed: Callable[[], list[list[str]]]  # (name, title)
    back: Callable[[str], object]  # to this scene; to the last one, if it is ""
    reset: Callable[[], object]  # for the next audience
    offered: Callable[[], list[str]]  # (name, title) of the one that an instructor offers, if any


class Board(DockedWidget):
    """What `cluster.board()` shows; all its views stay in step. Lesson: 00_start_here.

    >>> board = cluster.board()  # doctest: +SKIP
    >>> print(board.text)  # doctest: +SKIP
    t = 6.4 s. m1 leads, term 2.
    m1: manager, leader, term 2, ready
    """

    _esm = source("common.js", "dock.js", "board.js")
    _css = source("outputs.css", "view.css", "board.css")
    # `columns` has the nodes' keys, in order; trait `node:<key>` has the rest.
    services = synced_list("one line a service")
    waiting = synced_list("(task names, reason) of tasks without a node")
    looks = traitlets.Dict(help="how each kind of task is drawn").tag(sync=True)
    actions = synced_list("(key, verb, text)")
    speeds = traitlets.List(list(SPEEDS), help="virtual seconds a wall second").tag(sync=True)
    scenes = synced_list("(name, title) of the page's scenes")
    offer = synced_list("(name, title) of the scene that an instructor offers everybody")
    scene_menu: ClassVar[SceneMenu | None] = None

    def __init__(self, cluster: Any) -> None:
        super().__init__(cluster)
        self._speed = 1.0  # the one that Play will take

    def start_over(self) -> None:
        super().start_over()
        self.snapshot: ClusterSnapshot | None = None
        self._colours: dict[tuple[str, str], str] = {}  # (service, version) -> its colour
        self._halted = False  # the user pressed Pause
        self._settling_s: float | None = None  # virtual time of the click that started time
        self._notes: list[Sentence] = []  # to add after those about changes

    def relabel(self) -> None:
        self.looks = look_rows(LOOKS)
        self.actions = [[key, verb, _(ACTIONS[verb])] for key, verb in KEYS.items()]
        super().relabel()

    # -- showing ---------------------------------------------------------------------
    def read(self) -> None:
        """Read the cluster again, and show what changed."""
        failed = ""
        try:
            after = soon(look, self.cluster, self.snapshot)
        except FAILURES as error:
            failed = explained(error)
            after = self.snapshot or ClusterSnapshot(nodes=())
        before, self.snapshot = self.snapshot, after
        said, self._notes = [*self._notes, *self._settle(after)], []

        def sentences() -> list[str]:
            changes = [] if before is None else text.change_sentences(before, after)
            return changes + [_(line, **values) for line, values in said]

        with self.hold_sync():
            self.tell(sentences, lambda: "" if after.now_s is None else seconds(after.now_s))
            self._show(after, failed)

    def _show(self, snapshot: ClusterSnapshot, failed: str) -> None:
        keys = [row.key for row in snapshot.nodes]
        new = [name for name in map(trait_name, keys) if not self.has_trait(name)]
        if new:
            self.add_traits(**{name: traitlets.Dict().tag(sync=True) for name in new})
        columns, self._colours = columns_of(snapshot, self._colours)
        for key, own in zip(keys, columns, strict=True):
            self.set_trait(trait_name(key), own)
        self.columns = keys
        if self.scene_menu is not None and self.cluster.virtual_time:
            self.scenes, self.offer = self.scene_menu.listed(), self.scene_menu.offered()
        lanes: dict[str, list[Any]] = {}  # a service's tasks, as an update turns their colours
        for task in snapshot.tasks:
            shown = task.kind, self._colours[task.service, task.version]
            lanes.setdefault(task.service, []).append(shown)
        self.services = [
            [*service_line(row), lanes.get(row.name, [])[:LANE_MAX]] for row in snapshot.services
        ]
        self.waiting = [
            [text.listed(task.name for task in tasks), why] for tasks, why in text.waiting(snapshot)
        ]
        offered = [f"{self.labels['offer']} {' · '.join(self.offer)}"] if self.offer else []
        self.text = "\n".join([text.snapshot_text(snapshot), *offered])
        no_leader = _("in no swarm") if all(row.left for row in snapshot.nodes) else _("no leader")
        self.status = {
            "clock": "" if snapshot.now_s is None else f"t = {seconds(snapshot.now_s)}",
            "playing": self.moves,
            "speed": getattr(self.cluster, "speed", 0.0) or self._speed,
            "leader": text.leadership(snapshot) if snapshot.leader else no_leader,
            "notices": notices(snapshot),
            "error": self.error or failed,
        }

    def _labels(self) -> dict[str, Any]:
        return super()._labels() | {
            "title": _("Board of the swarm"),
            "step": _("+10 s"),
            "speed": _("Speed: simulated seconds per second"),
            "text": _("The board in words"),
            "large": _("Large type"),
            "scenes": _("Scenes"),
            "offer": _("Your instructor offers everybody:"),
            "go": _("Go there"),
            "reset": _("Start over: bets and progress go, too"),
            "back": _("back to the scene"),
            "legend": _("Legend: shape is state, colour is version"),
            "help": _("Click a node (or reach it with Tab, ← and →) and press"),
        }

    @property
    def idle(self) -> bool:
        """Not before it has paused the time that a click started."""
        return super().idle and self._settling_s is None

    def _settle(self, snapshot: ClusterSnapshot) -> list[Sentence]:
        """Pause the time that a click started, once the swarm has settled; a sentence says so."""
        if self._settling_s is None or snapshot.now_s is None:
            return []
        passed_s = snapshot.now_s - self._settling_s
        done = passed_s >= SETTLE_S_MIN and settled(snapshot)
        if not done and passed_s < SETTLE_S_MAX:
            return []
        self._settling_s = None
        self.cluster.pause()
        line = N_("The swarm settled after {seconds:.1f} s; time is paused again.")
        late = N_("The swarm has not settled after {seconds:.1f} s; time is paused again.")
        return [(line if done else late, {"seconds": passed_s})]

    def still_html(self) -> str:
        return static_table(self.snapshot or ClusterSnapshot(nodes=()))._repr_html_()

    # -- doing -------------------------------------------------------------------------
    def act(self, verb: str, message: dict[str, Any]) -> None:
        if self.act_on_panel(verb):
            return
        if verb in ACTIONS:
            self._act_on_node(verb, message["node"])
        elif verb == "scene" and self.scene_menu is not None:
            self.scene_menu.back(message["name"])
        elif verb == "reset" and self.scene_menu is not None:
            self.scene_menu.reset()
        else:
            self._set_clock(verb, message.get("speed", self._speed))

    def _set_clock(self, verb: str, speed: float) -> None:
        match verb:
            case "play":
                self._halted, self._settling_s = False, None
                self.cluster.play(self._speed)
            case "halt":
                self._halted, self._settling_s = True, None
                self.cluster.pause()
            case "speed":
                self._speed = speed
                if self.moves:
                    self.cluster.play(speed)
            case "step":
                self.cluster.run(STEP)

    def _act_on_node(self, verb: str, key: str) -> None:
        """Do `verb` to a node, then let time pass until the swarm has settled."""
        snapshot = look(self.cluster, self.snapshot)
        row = next(row for row in snapshot.nodes if row.key == key)
        if verb not in ("crash", "start"):
            if not snapshot.leader:
                raise LabError(text.NO_LEADER)
            node = self.cluster.client().nodes.get(key)
            node.update({**node.attrs["Spec"], "Availability": verb})
        elif row.up is None:
            line = N_("{verb}: works on simulated machines only")
            raise LabError(line, verb=verb)
        elif row.up is not (verb == "crash"):
            up = N_("{verb}: {name} is up already")
            down = N_("{verb}: {name} is down already")
            raise LabError(up if row.up else down, verb=verb, name=row.name)
        elif verb == "crash":
            self.cluster.crash(row.name)
        else:
            self.cluster.start(row.name)
        if self.moves:
            return
        if self._halted or running_loop() is None:
            self._notes.append((N_("Time is paused: press Play to see what happens."), {}))
        else:
            self._settling_s = snapshot.now_s
            line = N_("Time runs {speed:g} times as fast until the swarm has settled.")
            self._notes.append((line, {"speed": SETTLE_SPEED}))
            self.cluster.play(SETTLE_SPEED)


def trait_name(key: str) -> str:
    return f"node:{key}"


def board_of(cluster: Any) -> Board:
    """The board of this cluster."""
    return widget_of(Board, cluster)


# -- the rows: a column per node with its tasks, a line per service -------------------------------
# How a task looks is in `palette.LOOKS`.


def settled(snapshot: ClusterSnapshot) -> bool:
    """Whether the swarm has a leader, knows which nodes are up, and runs all desired tasks."""
    noticed = all(row.up is None or row.up == (row.state == "ready") for row in snapshot.nodes)
    complete = all(service.running >= service.desired for service in snapshot.services)
    moving = any(task.kind in ("pending", "starting", "stopping") for task in snapshot.tasks)
    return bool(snapshot.leader) and noticed and complete and not moving


def columns_of(
    snapshot: ClusterSnapshot, known: Mapping[tuple[str, str], str]
) -> tuple[list[dict[str, Any]], dict[tuple[str, str], str]]:
    """A column for each node, and the colours in them; those that are `known` stay."""
    tasks, versions = snapshot.by_node, ((t.service, t.version) for t in snapshot.tasks)
    colours = colours_of(versions, known)
    return [column(row, tasks.get(row.key, []), colours) for row in snapshot.nodes], colours


def column(
    row: NodeRow, tasks: list[TaskRow], colours: Mapping[tuple[str, str], str]
) -> dict[str, Any]:
    """The column of one node as JavaScript draws it; task: id, kind, name, title, colour, from."""
    facts, availability = text.node_facts(row), row.availability.replace("active", "")
    raft = _(row.raft or row.manager.replace(NOT_KNOWN, ""))
    kinds = [text.in_state(task.name, task.kind) for task in tasks]
    boxes = []
    for task in tasks:
        colour = colours[task.service, task.version]
        came_from = task.came_from if task.came_from != row.name else ""
        boxes.append([task.id, task.kind, task.name, _title(task), colour, came_from])
    return {
        "name": row.name,
        "leads": row.manager == "leader",
        "badge": f"♛ {raft}" if (row.raft or row.manager) == "leader" else raft,
        "role": row.role,
        "term": "" if row.term is None else _("term {term}", term=row.term),
        "condition": " · ".join(filter(None, [availability, row.condition])),
        "tone": "down" if row.down else availability,
        "label": f"{row.name}: {', '.join([*facts, text.listed(kinds) or _('no tasks')])}",
        "actions": [
            [verb, _(ACTIONS[verb]), key] for key, verb in KEYS.items() if _offered(verb, row)
        ],
        "tasks": boxes,
    }


def _offered(verb: str, row: NodeRow) -> bool:
    if verb in ("crash", "start"):
        return row.up is (verb == "crash")
    return bool(row.role) and row.availability != verb


def _title(task: TaskRow) -> str:
    reason = f": {task.reason}" if task.reason else ""
    return _("{state}, should be {desired}", state=task.state, desired=task.desired) + reason


def service_line(service: ServiceRow) -> list[str]:
    return [service.name, " · ".join([*text.service_facts(service), service.image])]


def notices(snapshot: ClusterSnapshot) -> list[str]:
    """The lines below the columns: what is wrong, or what to type first."""
    if not snapshot.leader:
        return [text.leadership(snapshot)]
    return [] if snapshot.services else [_(text.NO_SERVICE)]


def in_brief(cluster: Any) -> Table | Callout:
    """What a cluster is in one line, above its nodes; without a leader, above what is wrong."""
    title = repr(cluster).strip("<>")
    try:
        return static_table(look(cluster), title)
    except FAILURES as error:
        return Callout(title, (explained(error),))


def static_table(snapshot: ClusterSnapshot, title: str = "") -> Table:
    """The board where no kernel is, as on a web page: the nodes as a table, the rest as text."""
    rows = NodeRows(snapshot.nodes[:ROWS_MAX])
    tasks = snapshot.by_node
    lines = [
        (*cells, ", ".join(text.in_state(task.name, task.kind) for task in tasks.get(row.key, [])))
        for row, cells in zip(rows, rows.cells(), strict=True)
    ]
    heads = (*rows.heads[:-1], _("RUNNING"), _("TASKS"))
    notes = text.swarm_lines(snapshot)
    if more := len(snapshot.nodes) - len(rows):
        notes.insert(0, _("… and {count} more nodes: `fleet(cluster)` shows all", count=more))
    return Table(title, heads, tuple(lines), tuple(notes))
