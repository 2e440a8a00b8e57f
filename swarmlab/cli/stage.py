"""The stage of `swarmlab present`, as its notebook's kernel sees it: what keys do to the cluster.

`views/static/stage.js` takes the keys, and sends here what it cannot do itself.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from contextlib import suppress
from typing import Any

from IPython import get_ipython
from markupsafe import Markup

from swarmlab.cluster.current import latest
from swarmlab.cluster.factory import simulate
from swarmlab.errors import LabError
from swarmlab.lessons import scenes
from swarmlab.lessons.bets import HANDS, ask
from swarmlab.strings import N_, _, language, language_tag
from swarmlab.views import dock
from swarmlab.views.board import SPEEDS, Board, board_of
from swarmlab.views.html import tag
from swarmlab.views.snapshot import look
from swarmlab.views.widget import opened, source

# key -> (what it does, in words); those of a remote come first.
KEYS = {
    "PageDown": ("next", N_("the rest of a high step; then the next step, whose cells run")),
    "PageUp": ("back", N_("the step before; the swarm stays as it is")),
    "b": ("blank", N_("blank the screen")),
    "n": ("presenter", N_("the presenter's window")),
    "c": ("crash", N_("crash the leader; pressed again, the next leader, too")),
    "u": ("start", N_("start what is down")),
    "p": ("clock", N_("pause the swarm's time, or play it")),
    "+": ("faster", N_("time passes faster")),
    "-": ("slower", N_("time passes slower")),
    "s": ("scene", N_("the swarm as it was where this step begins; no cell runs")),
    "r": ("again", N_("in trouble: the same, then this step runs again")),
    "t": ("terminal", N_("a terminal; PageUp leads back")),
    "f": ("simulated", N_("when real engines fail: this step again, on a simulated copy")),
    "0": ("reset", N_("twice: start the talk over, without bets and progress")),
    "?": ("help", N_("these keys")),
}
NO_LEADER, NONE_DOWN = N_("no manager leads"), N_("nothing is down")
FINAL = N_("Real engines can't go back. f goes on with a simulated copy.")
LABELS = {
    "again": N_("Press it once more."),
    "copy": N_("Simulated copy"),
    "failed": N_("A cell of this step failed. Keys: r, and f if real engines fail."),
    "end": N_("The end"),
    "blocked": N_("The browser blocks the presenter's window: allow it, and press n again."),
    "title": N_("Presenter's window"),
    "next": N_("Next"),
    "notes": N_("Say"),
    "ask": N_("Ask the room"),
    "wrong": N_("Wrong answers to expect (after a bet or a guess: answer them in the next step)"),
    "correct": N_("Wrong answers of the step before"),
    "rest": N_("PageDown shows the rest of this step first."),
    "trouble": N_("If it goes wrong"),
    "hands": N_("Raised hands: a click each, or type how many (shown with the answer)"),
    "hung": N_(
        "Nothing answers? Press Ctrl+C twice in its terminal, then start it with the pages that are"
        " left: swarmlab present --minutes 45 05 12"
    ),
    "here": N_("this step"),
    "total": N_("the talk"),
    "ahead": N_("ahead by"),
    "behind": N_("behind by"),
}


def starter() -> str:
    """The first output of the talk's notebook: the stage itself."""
    code = Markup(f"{source('common.js')}\n{source('stage.js', 'presenter.js')}")
    style = tag("style", Markup(source("view.css", "board.css", "stage.css")))
    return style + tag("script", code, type="module")


def texts() -> dict[str, Any]:
    """What `stage.js` needs from here: the keys, and the texts on its screens."""
    keys = [[key, verb, _(words)] for key, (verb, words) in KEYS.items()]
    labels = {name: _(text) for name, text in LABELS.items()}
    return {"keys": keys, "labels": labels | {"language": language_tag(language())}}


def asked_in(code: str) -> list[str]:
    """The names of the questions that cells ask, in their order.

    >>> asked_in('ask("reads", "lost_vote")')
    ['reads', 'lost_vote']
    """
    calls = re.findall(r"\bask\(([^)]*)\)", code)
    return [name for call in calls for name in re.findall(r'"(\w+)"', call)]


def bets_in(source: str) -> list[dict[str, Any]]:
    """The questions that these cells ask, in their order: name, question, choices and answer.

    >>> [bet["name"] for bet in bets_in('ask("reads", "lost_vote")')]
    ['reads', 'lost_vote']
    """
    names = asked_in(source)
    return [
        {"name": name, "question": bet.question, "choices": [*bet.feedback], "answer": bet.answer}
        for name, bet in zip(names, ask(*names).children, strict=True)
    ]


# -- in the notebook's kernel ----------------------------------------------------------------------
_left: list[Any] = []  # real clusters: one that is forgotten removes its engines, which may hang
_served: list[tuple[Any, Any]] = []  # the cluster that a terminal drives, and its sockets


def act(verb: str, **more: Any) -> str:
    """Do what a key asks for; a line about what one may not see, or else ""."""
    cluster = get_ipython().user_ns.get("cluster")
    match verb:
        case "hands":
            HANDS[more["question"]] = more["counts"]
        case "prepare":
            os.environ["JPY_SESSION_NAME"] = more["page"]  # what Jupyter says of a page's kernel
            scenes.prepare(more["page"][:2])
        case "scene" if cluster is not None and not cluster.has_trace:
            raise LabError(FINAL)
        case "scene":
            scenes.scene(more["scene"])
        case "simulated":
            _go_on_simulated(more["scene"])
        case "reset":
            HANDS.clear()
            with suppress(LabError):  # real engines stay as they are
                scenes.reset(more["page"][:2])
        case _ if cluster is not None:
            return _on_cluster(verb, cluster)
        case "look":
            pass
        case _:
            raise LabError("this page has no cluster")
    return ""


def _on_cluster(verb: str, cluster: Any) -> str:
    board = board_of(cluster)
    match verb:
        case "look":
            dock.dock(board, _("Swarm"))
        case "crash" | "start":
            return _on_nodes(verb, board)
        case "clock":
            board.act("halt" if board.moves else "play", {})
        case "faster" | "slower":
            return _change_speed(board, 1 if verb == "faster" else -1)
        case "terminal":
            return _line_for_terminal(board)
        case "leave":
            cluster.pause()
    return ""


def _go_on_simulated(name: str) -> None:
    """From here on, and on the pages to come, simulated clusters; this one is as in that scene, if
    there is one."""
    vars(sys.modules["swarmlab"]).update(launch=simulate, connect=simulate)
    variables = get_ipython().user_ns
    _left.append(({**variables}, latest()))
    for widget in [w for w in opened if not getattr(w.cluster, "has_trace", True)]:
        widget.close()
    variables["make"], variables["cluster"] = simulate, simulate()
    if name:
        scenes.scene(name)
    _on_cluster("look", variables["cluster"])


def _on_nodes(verb: str, board: Board) -> str:
    """Crash the leader, or start what is down."""
    rows = look(board.cluster, board.snapshot).nodes
    chosen = [r for r in rows if (r.manager == "leader" if verb == "crash" else r.up is False)]
    refused = NO_LEADER if verb == "crash" else NONE_DOWN
    if not chosen:
        raise LabError(refused)
    for row in chosen:
        board.act(verb, {"node": row.key})
    board.refresh()
    names = ", ".join(row.name for row in chosen)
    return (_("Crashed: {names}") if verb == "crash" else _("Started: {names}")).format(names=names)


def _change_speed(board: Board, by: int) -> str:
    speeds = [*SPEEDS]
    place = speeds.index(board.status["speed"]) + by if board.status["speed"] in speeds else 1
    speed = speeds[max(0, min(place, len(speeds) - 1))]
    board.act("speed", {"speed": speed})
    board.refresh()
    return _("Speed: {speed:g}×", speed=speed)


def _line_for_terminal(board: Board) -> str:
    """What to paste into a terminal, so that `docker` drives this cluster; its time plays."""
    cluster = board.cluster
    if not any(served is cluster and sockets.is_open for served, sockets in _served):
        _served[:] = [(cluster, cluster.serve())]
    board.act("play", {})  # and the board no longer pauses it when a crash has settled
    line = str(_served[0][1].line)
    ours = f"{line}; alias docker='{sys.executable} -m swarmlab docker'"
    return line if shutil.which("docker") else ours
