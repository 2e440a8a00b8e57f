"""What the live widgets share: one a cluster, in step with it, closed when nobody sees it any more.

A live widget is refreshed after every cell, and by a timer on the kernel's own loop while it moves.
What a cell showed is closed when the cell runs again, unless another cell shows it too: re-running
leaves neither timers nor old clusters behind.
"""

from __future__ import annotations

import asyncio
import weakref
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import anywidget
import traitlets
from docker.errors import DockerException
from IPython import get_ipython

from swarmlab.errors import SwarmError
from swarmlab.strings import _

STATIC = Path(__file__).parent / "static"
FRAME_S = 0.2  # wall seconds between two refreshes
NEWS_MAX = 6
FAILURES = (SwarmError, OSError, DockerException)


def source(*names: str) -> str:
    """Files of `static/`, one after the other. As text: a path would make anywidget remember every
    widget, to reload it when the file changes."""
    return "\n".join((STATIC / name).read_text("utf-8") for name in names)


class LiveWidget(anywidget.AnyWidget):
    """A picture of a cluster that answers clicks. Its kind says how to `refresh` and to `act`."""

    words = traitlets.Unicode(help="the whole picture as text").tag(sync=True)
    news: traitlets.List[Any] = traitlets.List(help="(number, time, sentence), newest first").tag(
        sync=True
    )

    labels = traitlets.Dict(help="the words on the controls").tag(sync=True)

    def __init__(self, cluster: Any) -> None:
        super().__init__()
        self.cluster, self.labels = cluster, self._labels()
        self.error = ""  # of the last click
        self._told = 0
        self._timer: asyncio.TimerHandle | None = None
        self.on_msg(self._heard)

    def _labels(self) -> dict[str, Any]:
        """What JavaScript writes beside the rows; each kind of widget adds its own."""
        gone = _(
            "The kernel does not answer: it is busy, or was restarted. If it was, run the page "
            "again from its top to rebuild this picture."
        )
        return {"gone": gone, "news": _("What happened")}

    @abstractmethod
    def refresh(self) -> None:
        """Look again, and show what changed."""

    @abstractmethod
    def act(self, verb: str, message: dict[str, Any]) -> None:
        """Do what a click or key asks for."""

    @abstractmethod
    def static_html(self) -> str:
        """The picture where no kernel is, as on a web page."""

    def tell(self, sentences: Sequence[str], at: str = "") -> None:
        """What happened, for the last lines of the picture."""
        fresh = [[self._told + n, at, sentence] for n, sentence in enumerate(sentences, start=1)]
        self._told += len(fresh)
        self.news = [*reversed(fresh), *self.news][:NEWS_MAX]

    @property
    def moves(self) -> bool:
        """Whether time passes by itself, as it always does on a real cluster."""
        return bool(getattr(self.cluster, "speed", 1.0))

    def tick(self) -> None:
        """What a frame does."""
        self.refresh()

    def follow(self) -> None:
        """Another frame soon, while it moves; needs a running loop, as a kernel has."""
        if self._timer is None and self.moves and (loop := running_loop()):
            self._timer = loop.call_later(FRAME_S, _tick, weakref.ref(self))

    def _heard(self, _widget: Any, message: dict[str, Any], _buffers: Any) -> None:
        """A click or key: {"do": verb, …}; every one is answered."""
        self.error, verb = "", message["do"]
        try:
            if verb != "look":
                self.act(verb, message)
        except FAILURES as error:
            self.error = explained(error)
        self.refresh()
        self.send({"did": verb})

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        super().close()

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        bundle = super()._repr_mimebundle_(**kwargs)
        if bundle is not None:
            bundle[0]["text/plain"] = self.words
            bundle[0]["text/html"] = self.static_html()
        return bundle


def explained(error: Exception) -> str:
    """One line: what the engine said, or what went wrong."""
    return str(getattr(error, "explanation", None) or error)


def _tick(reference: weakref.ref[LiveWidget]) -> None:
    if (widget := reference()) is not None:
        widget._timer = None
        widget.tick()


def running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


# -- one of its kind a cluster -----------------------------------------------------
W = TypeVar("W", bound=LiveWidget)
_alive: weakref.WeakSet[LiveWidget] = weakref.WeakSet()
_cells: dict[str, tuple[str, list[LiveWidget]]] = {}  # cell id -> (its last run, what it showed)


def widget_of(kind: type[W], cluster: Any) -> W:
    """The widget of this kind for this cluster: there is one, and all its views stay in step."""
    for widget in list(_alive):
        if isinstance(widget, kind) and widget.cluster is cluster and widget.comm is not None:
            widget.refresh()
            show_in_cell(widget)
            return widget
    return kind(cluster)


def show_in_cell(widget: LiveWidget) -> None:
    """Refresh it after every cell; close what this cell showed before and no other cell does."""
    _alive.add(widget)
    shell = get_ipython()
    if shell is None:
        return
    if after_cell not in shell.events.callbacks["post_run_cell"]:
        shell.events.register("post_run_cell", after_cell)
    request = getattr(shell, "parent_header", {})
    cell = request.get("metadata", {}).get("cellId")
    if cell is None:
        return
    run = request["header"]["msg_id"]
    former_run, former = _cells.get(cell, ("", []))
    if run == former_run:
        former.append(widget)
        return
    _cells[cell] = run, [widget]
    shown = [one for _, widgets in _cells.values() for one in widgets]
    for old in former:
        if old not in shown:
            old.close()


def after_cell(*_: Any) -> None:
    for widget in list(_alive):
        if widget.comm is not None:
            widget.refresh()
