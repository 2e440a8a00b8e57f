"""The live board: a column per node, a box per task; nodes crash and start by click or key.

Python computes finished rows and one trait per column, so that only what changed is sent; the
module `static/board.js` draws them. While virtual time follows the wall clock, a timer on the
kernel's own loop refreshes the board; otherwise it is refreshed after every cell. There is no
thread, and no timer while time is paused.
"""

from __future__ import annotations

from typing import Any

import traitlets

from swarmlab.errors import LabError
from swarmlab.strings import N_, _
from swarmlab.views import board_rows, text
from swarmlab.views.board_rows import ACTIONS, KEYS
from swarmlab.views.palette import LOOKS, look_rows
from swarmlab.views.snapshot import ClusterSnapshot, look
from swarmlab.views.widget import (
    FAILURES,
    LiveWidget,
    explained,
    running_loop,
    show_in_cell,
    source,
    synced_list,
    widget_of,
)

SPEEDS = (0.5, 1.0, 2.0, 5.0, 10.0)  # virtual seconds a wall second
STEP = "10s"
# After a click virtual time plays, at this speed, until the swarm has settled: seconds of it.
SETTLE_SPEED, SETTLE_S_MIN, SETTLE_S_MAX = 5.0, 2.0, 60.0


class Board(LiveWidget):
    """What `cluster.board()` shows; all its views stay in step.

    >>> board = cluster.board()  # doctest: +SKIP
    >>> print(board.text)  # doctest: +SKIP
    t = 6.4 s. m1 leads, term 2.
    m1: manager, leader, term 2, ready
    """

    _esm = source("common.js", "board.js")
    _css = source("board.css")
    columns = synced_list("node keys in order; trait `node:<key>` has the rest")
    status = traitlets.Dict(help="clock, speed, leadership, notices, the last error").tag(sync=True)
    services = synced_list("one line a service")
    waiting = synced_list("(task names, reason) of tasks without a node")
    looks = traitlets.Dict(help="how each kind of task is drawn").tag(sync=True)
    actions = synced_list("(key, verb, text)")
    speeds = traitlets.List(list(SPEEDS), help="virtual seconds a wall second").tag(sync=True)

    def __init__(self, cluster: Any) -> None:
        super().__init__(cluster)
        self.looks = look_rows(LOOKS)
        self.actions = [[key, verb, _(ACTIONS[verb])] for key, verb in KEYS.items()]
        self._snapshot: ClusterSnapshot | None = None
        self._speed = 1.0  # the one that Play will take
        self._halted = False  # the user pressed Pause
        self._settling_s: float | None = None  # virtual time of the click that started time
        self._notes: list[str] = []  # sentences to add after those about changes
        self.refresh()
        show_in_cell(self)

    # -- showing ---------------------------------------------------------------------
    def refresh(self) -> None:
        """Read the cluster again, and show what changed."""
        try:
            after = look(self.cluster, self._snapshot)
        except FAILURES as error:
            self.error = explained(error)
            after = self._snapshot or ClusterSnapshot(nodes=())
        before, self._snapshot = self._snapshot, after
        sentences = [] if before is None else text.change_sentences(before, after)
        sentences += [*self._notes, *self._settle(after)]
        self._notes.clear()
        with self.hold_sync():
            self.tell(sentences, "" if after.now_s is None else f"{after.now_s:.1f} s")
            self._show(after)
        self.schedule_tick()

    def _show(self, snapshot: ClusterSnapshot) -> None:
        keys = [row.key for row in snapshot.nodes]
        new = [name for name in map(trait_name, keys) if not self.has_trait(name)]
        if new:
            self.add_traits(**{name: traitlets.Dict().tag(sync=True) for name in new})
        tasks = snapshot.by_node
        for row in snapshot.nodes:
            self.set_trait(trait_name(row.key), board_rows.column(row, tasks.get(row.key, [])))
        self.columns = keys
        self.services = [board_rows.service_line(service) for service in snapshot.services]
        self.waiting = [
            [text.listed(task.name for task in tasks), why] for tasks, why in text.waiting(snapshot)
        ]
        self.text = text.snapshot_text(snapshot)
        self.status = {
            "clock": "" if snapshot.now_s is None else f"t = {snapshot.now_s:.1f} s",
            "playing": self.moves,
            "speed": getattr(self.cluster, "speed", 0.0) or self._speed,
            "leader": text.leadership(snapshot) if snapshot.leader else _("no leader"),
            "notices": board_rows.notices(snapshot),
            "error": self.error,
        }

    def _labels(self) -> dict[str, Any]:
        return super()._labels() | {
            "title": _("Board of the swarm"),
            "play": _("▶ Play"),
            "halt": _("❚❚ Pause"),
            "step": _("+10 s"),
            "speed": _("Speed: simulated seconds a second"),
            "text": _("The board in words"),
            "help": _("Click a node (or Tab, ← and → to it) and press"),
        }

    def _settle(self, snapshot: ClusterSnapshot) -> list[str]:
        """Pause the time that a click started, once the swarm has settled; a sentence says so."""
        if self._settling_s is None or snapshot.now_s is None:
            return []
        passed_s = snapshot.now_s - self._settling_s
        done = passed_s >= SETTLE_S_MIN and board_rows.settled(snapshot)
        if not done and passed_s < SETTLE_S_MAX:
            return []
        self._settling_s = None
        self.cluster.pause()
        line = _("The swarm has settled after {seconds:.1f} s; time is stopped again.")
        late = _("The swarm has not settled after {seconds:.1f} s; time is stopped again.")
        return [(line if done else late).format(seconds=passed_s)]

    def _repr_html_(self) -> str:
        return board_rows.static_html(self._snapshot or ClusterSnapshot(nodes=()))

    # -- doing -------------------------------------------------------------------------
    def act(self, verb: str, message: dict[str, Any]) -> None:
        if verb in ACTIONS:
            self._act_on_node(verb, message["node"])
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
        snapshot = look(self.cluster, self._snapshot)
        row = next(row for row in snapshot.nodes if row.key == key)
        if verb not in ("crash", "start"):
            if not snapshot.leader:
                raise LabError(text.NO_LEADER)
            node = self.cluster.client().nodes.get(key)
            node.update({**node.attrs["Spec"], "Availability": verb})
        elif row.up is None:
            line = N_("{verb}: this works on a simulated machine, not on a real one")
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
            self._notes.append(_("Time is stopped: press Play to see what follows."))
        else:
            self._settling_s = snapshot.now_s
            line = _("Time runs {speed:g} times as fast until the swarm has settled.")
            self._notes.append(line.format(speed=SETTLE_SPEED))
            self.cluster.play(SETTLE_SPEED)


def trait_name(key: str) -> str:
    return f"node:{key}"


def board_of(cluster: Any) -> Board:
    """The board of this cluster."""
    return widget_of(Board, cluster)
