"""The live board: a column a node, a box a task; nodes crash and come back by click or key.

Python computes finished rows and one trait a column, so that only what changed is sent; the module
`static/board.js` draws them. While virtual time follows the wall clock, a timer on the kernel's own
loop refreshes the board; otherwise it is refreshed after every cell. No thread, and no timer while
time stands still.
"""

from __future__ import annotations

import asyncio
import weakref
from dataclasses import astuple
from pathlib import Path
from typing import Any

import anywidget
import traitlets
from docker.errors import DockerException
from IPython import get_ipython

from swarmlab.errors import LabError, SwarmError
from swarmlab.views.columns import (
    ACTIONS,
    KEYS,
    column,
    notices,
    service_line,
    settled,
    static_html,
)
from swarmlab.views.palette import LOOKS
from swarmlab.views.snapshot import Snapshot, TaskRow, look
from swarmlab.views.words import NO_LEADER, changes_in_words, in_words, leadership, listed, waiting

STATIC = Path(__file__).parent / "static"
FRAME_S = 0.2  # wall seconds between two refreshes
SPEEDS = (0.5, 1.0, 2.0, 5.0, 10.0)  # virtual seconds a wall second
STEP = "10s"
# After a click virtual time plays, at this speed, until all is well again: so many seconds of it.
SETTLE_SPEED, SETTLE_S_MIN, SETTLE_S_MAX = 5.0, 2.0, 60.0
NEWS_MAX = 5


class Board(anywidget.AnyWidget):
    """What `cluster.board()` shows; every view of it stays in step.

    >>> board = cluster.board()  # doctest: +SKIP
    >>> print(board.words)  # doctest: +SKIP
    t = 6.4 s. m1 leads, term 2.
    m1: manager, leader, term 2, ready
    """

    # As text: a path would make anywidget remember every board, to reload it when the file changes.
    _esm = (STATIC / "board.js").read_text()
    _css = (STATIC / "board.css").read_text()
    columns: traitlets.List[Any] = traitlets.List(
        help="node keys in order; trait `node:<key>` has the rest"
    ).tag(sync=True)
    status = traitlets.Dict(help="clock, speed, leadership, notices, the last error").tag(sync=True)
    services: traitlets.List[Any] = traitlets.List(help="one line a service").tag(sync=True)
    waiting: traitlets.List[Any] = traitlets.List(
        help="(task names, reason) of tasks without a node"
    ).tag(sync=True)
    news: traitlets.List[Any] = traitlets.List(help="(number, time, sentence), newest first").tag(
        sync=True
    )
    words = traitlets.Unicode(help="the whole board as text").tag(sync=True)
    looks = traitlets.Dict(help="how each kind of task is drawn").tag(sync=True)
    actions: traitlets.List[Any] = traitlets.List(help="(key, verb, word)").tag(sync=True)
    speeds = traitlets.List(list(SPEEDS), help="virtual seconds a wall second").tag(sync=True)

    def __init__(self, cluster: Any) -> None:
        super().__init__()
        self.cluster = cluster
        self.looks = {kind: [*astuple(look)] for kind, look in LOOKS.items()}
        self.actions = [[key, verb, ACTIONS[verb]] for key, verb in KEYS.items()]
        self._snapshot: Snapshot | None = None
        self._speed = 1.0  # the one that Play will take
        self._halted = False  # the user pressed Pause
        self._settling_s: float | None = None  # virtual time of the click that set time going
        self._error = ""
        self._notes: list[str] = []  # to be told after what has changed
        self._told = 0
        self._timer: asyncio.TimerHandle | None = None
        self.on_msg(self._heard)
        self.refresh()
        _show_in_cell(self)

    # -- showing ---------------------------------------------------------------------
    def refresh(self) -> None:
        """Look again, and show what changed."""
        try:
            after = look(self.cluster, self._snapshot)
        except (SwarmError, OSError, DockerException) as error:
            self._error = explained(error)
            after = self._snapshot or Snapshot(nodes=())
        before, self._snapshot = self._snapshot, after
        told = [] if before is None else changes_in_words(before, after)
        told += [*self._notes, *self._settle(after)]
        self._notes.clear()
        with self.hold_sync():
            self._tell(told)
            self._show(after)
        self._follow()

    def _show(self, snapshot: Snapshot) -> None:
        keys = [row.key for row in snapshot.nodes]
        fresh = [name for name in map(trait_name, keys) if not self.has_trait(name)]
        if fresh:
            self.add_traits(**{name: traitlets.Dict().tag(sync=True) for name in fresh})
        tasks: dict[str, list[TaskRow]] = {}
        for task in snapshot.tasks:
            tasks.setdefault(task.node, []).append(task)
        for row in snapshot.nodes:
            self.set_trait(trait_name(row.key), column(row, tasks.get(row.key, [])))
        self.columns = keys
        self.services = [service_line(service) for service in snapshot.services]
        self.waiting = [
            [listed(t.name for t in waiters), why] for waiters, why in waiting(snapshot)
        ]
        self.words = in_words(snapshot)
        self.status = {
            "clock": "" if snapshot.now_s is None else f"t = {snapshot.now_s:.1f} s",
            "playing": self._playing,
            "speed": getattr(self.cluster, "speed", 0.0) or self._speed,
            "leader": leadership(snapshot) if snapshot.leader else "no leader",
            "notices": notices(snapshot),
            "error": self._error,
        }

    def _tell(self, sentences: list[str]) -> None:
        clock = self._snapshot.now_s if self._snapshot else None
        at = "" if clock is None else f"{clock:.1f} s"
        fresh = [[self._told + n, at, sentence] for n, sentence in enumerate(sentences, start=1)]
        self._told += len(fresh)
        self.news = [*reversed(fresh), *self.news][:NEWS_MAX]

    @property
    def _playing(self) -> bool:
        """Whether time passes by itself, as it always does on a real cluster."""
        return bool(getattr(self.cluster, "speed", 1.0))

    def _follow(self) -> None:
        """Look again soon while time passes; needs a running loop, as a kernel has."""
        if self._timer is None and self._playing and (loop := running_loop()):
            self._timer = loop.call_later(FRAME_S, _tick, weakref.ref(self))

    def _settle(self, snapshot: Snapshot) -> list[str]:
        """Stop the time that a click set going, once it has done its work."""
        if self._settling_s is None or snapshot.now_s is None:
            return []
        passed_s = snapshot.now_s - self._settling_s
        done = passed_s >= SETTLE_S_MIN and settled(snapshot)
        if not done and passed_s < SETTLE_S_MAX:
            return []
        self._settling_s = None
        self.cluster.pause()
        how = "The swarm has settled" if done else "The swarm has not settled"
        return [f"{how} after {passed_s:.1f} s; time stands still again."]

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        super().close()

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        bundle = super()._repr_mimebundle_(**kwargs)
        if bundle is not None and self._snapshot is not None:
            bundle[0]["text/plain"] = self.words
            bundle[0]["text/html"] = static_html(self._snapshot)
        return bundle

    # -- doing -------------------------------------------------------------------------
    def _heard(self, _: Any, message: dict[str, Any], __: Any) -> None:
        """A click or key: {"do": verb, "node": key, "speed": number}; every one is answered."""
        self._error, verb = "", message["do"]
        try:
            if verb in ACTIONS:
                self._act(verb, message["node"])
            elif verb != "look":
                self._turn_clock(verb, message.get("speed", self._speed))
        except (SwarmError, OSError, DockerException) as error:
            self._error = explained(error)
        self.refresh()
        self.send({"did": verb})

    def _turn_clock(self, verb: str, speed: float) -> None:
        match verb:
            case "play":
                self._halted, self._settling_s = False, None
                self.cluster.play(self._speed)
            case "halt":
                self._halted, self._settling_s = True, None
                self.cluster.pause()
            case "speed":
                self._speed = speed
                if self._playing:
                    self.cluster.play(speed)
            case "step":
                self.cluster.run(STEP)

    def _act(self, verb: str, key: str) -> None:
        """Do `verb` to a node, then let time show what follows."""
        seen = look(self.cluster, self._snapshot)
        row = next(row for row in seen.nodes if row.key == key)
        if verb not in ("crash", "start"):
            if not seen.leader:
                raise LabError(NO_LEADER)
            node = self.cluster.client().nodes.get(key)
            node.update({**node.attrs["Spec"], "Availability": verb})
        elif row.up is None:
            raise LabError(f"{verb}: this works on a simulated machine, not on a real one")
        elif row.up is not (verb == "crash"):
            raise LabError(f"{verb}: {row.name} is {'up' if row.up else 'down'} already")
        else:
            getattr(self.cluster, verb)(row.name)
        if self._playing:
            return
        if self._halted or running_loop() is None:
            self._notes.append("Time stands still: press Play to see what follows.")
        else:
            self._settling_s = seen.now_s
            speed = f"{SETTLE_SPEED:g} times as fast"
            self._notes.append(f"Time runs {speed} until the swarm has settled.")
            self.cluster.play(SETTLE_SPEED)


def trait_name(key: str) -> str:
    return f"node:{key}"


def explained(error: Exception) -> str:
    """One line: what the engine said, or what went wrong."""
    return str(getattr(error, "explanation", None) or error)


# -- one board a cluster -------------------------------------------------------------------------
_boards: weakref.WeakSet[Board] = weakref.WeakSet()
_cells: dict[str, tuple[str, list[Board]]] = {}  # cell id -> (its last run, the boards it showed)


def board_of(cluster: Any) -> Board:
    """The board of this cluster: there is one, and all its views stay in step."""
    for board in _boards:
        if board.cluster is cluster and board.comm is not None:
            board.refresh()
            _show_in_cell(board)
            return board
    return Board(cluster)


def _show_in_cell(board: Board) -> None:
    """Refresh it after every cell; close what this cell showed before and no other cell does."""
    _boards.add(board)
    shell = get_ipython()
    if shell is None:
        return
    if _after_cell not in shell.events.callbacks["post_run_cell"]:
        shell.events.register("post_run_cell", _after_cell)
    request = getattr(shell, "parent_header", {})
    cell = request.get("metadata", {}).get("cellId")
    if cell is None:
        return
    run = request["header"]["msg_id"]
    former_run, former = _cells.get(cell, ("", []))
    if run == former_run:
        former.append(board)
        return
    _cells[cell] = run, [board]
    shown = [board for _, boards in _cells.values() for board in boards]
    for old in former:
        if old not in shown:
            old.close()


def _after_cell(*_: Any) -> None:
    for board in list(_boards):
        if board.comm is not None:
            board.refresh()


def _tick(reference: weakref.ref[Board]) -> None:
    if (board := reference()) is not None:
        board._timer = None
        board.refresh()


def running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
