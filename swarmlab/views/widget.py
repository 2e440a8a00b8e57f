"""What the live widgets share: one per cluster, refreshed together, closed when no cell shows it.

A live widget is refreshed after every cell, and while time passes by a timer on the kernel's own
event loop. What a cell showed is closed when the cell runs again, unless another cell shows it too.
A widget whose last view has gone sleeps until it is shown again.
"""

from __future__ import annotations

import asyncio
import os
import weakref
from abc import abstractmethod
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

import anywidget
import ipywidgets
import traitlets
from docker.errors import DockerException
from IPython import get_ipython
from IPython.display import display
from markupsafe import Markup

from swarmlab import strings
from swarmlab.errors import SwarmError
from swarmlab.strings import N_, _
from swarmlab.views.html import STATIC, ShownAs, WithStaticForms, tag
from swarmlab.views.recorded import Recording, controls, played

TICK_S = 0.2  # wall-clock seconds between two refreshes
NEWS_MAX = 6
RECORDED = N_("(A recording, for readers who can't run this.)")
WATCHED_MAX = 30  # nodes: a larger cluster is looked at after each cell only
UNDRAWN = ("layout", "tabbable", "tooltip", "docks")  # traits that change no drawing
FAILURES = (SwarmError, OSError, DockerException)


def source(*names: str) -> str:
    """The text of these files of `static/`. With a path, anywidget would keep every widget, to
    reload it when the file changes."""
    return "\n".join((STATIC / name).read_text("utf-8") for name in names)


def synced_list(help: str) -> traitlets.List[Any]:
    """A list that JavaScript reads."""
    return traitlets.List(help=help).tag(sync=True)


class LiveWidget(WithStaticForms, anywidget.AnyWidget):
    """A picture of a cluster that answers clicks. Subclasses say how to `refresh` and to `act`."""

    text = traitlets.Unicode(help="the whole picture as text").tag(sync=True)
    news = synced_list("(number, time, sentence), newest first")
    labels = traitlets.Dict(help="the texts on the controls").tag(sync=True)
    columns = synced_list("one row a column")
    records_all = True  # that is shown; else what `recorded` makes when it is first shown
    status = traitlets.Dict(help="clock, last error, state of the controls").tag(sync=True)
    _was_read = False  # the cluster, at least once

    def __init__(self, cluster: Any) -> None:
        super().__init__()
        self.cluster = cluster
        self._said: list[Told] = []
        self.relabel()
        self.error = ""  # of the last click
        self.recording = Recording()
        self._published = 0  # moments of the recording
        self._output: Any = None  # the handle of what plays the recording below the last view
        self._news_count = 0
        self.asleep = False  # its last view has gone
        self._timer: asyncio.TimerHandle | None = None
        self.start_over()
        self.on_msg(self._on_message)
        translate_later(self)

    def open(self) -> None:
        """Tell the browser of it, once there is all that a view draws: one may draw at once."""
        if self._was_read:
            super().open()

    def relabel(self) -> None:
        """Put the texts that stay into the language in use; subclasses have more of them."""
        self.labels = self._labels()
        self.news = [row for told in self._said for row in _rows(*told)][:NEWS_MAX]

    def start_over(self) -> None:
        """Forget what was seen of the cluster: it has been put back. Subclasses add theirs."""
        self._said, self.news = [], []

    def _labels(self) -> dict[str, Any]:
        """The texts that JavaScript puts beside the rows; each subclass adds its own."""
        gone = _("The kernel doesn't answer: it's busy, or was restarted.")
        rebuild = _("Rebuild: run the cells above, and this one, again")
        by_hand = _("If it was restarted, run the page again from the top.")
        known = self.layout.model_id  # by which its views know it: there before its own is
        texts = {"gone": gone, "rebuild": rebuild, "by_hand": by_hand, "model": known}
        return {**controls(), **texts, "news": _("What happened")}

    def refresh(self) -> None:
        """Read the cluster again, show what changed, and record it."""
        self.read()
        if not self._was_read:
            self._was_read = True
            self.open()
        state = {n: v for n, v in self.get_state().items() if n[0] != "_" and n not in UNDRAWN}
        self.recording.add(state)
        self.schedule_tick()

    @abstractmethod
    def read(self) -> None:
        """Read the cluster again, and show what changed."""

    @abstractmethod
    def act(self, verb: str, message: dict[str, Any]) -> None:
        """Do what a click or key asks for."""

    @abstractmethod
    def still_html(self) -> str:
        """The picture where no scripts run."""

    def _repr_html_(self) -> str:
        """The picture where no kernel is, as on a web page: it plays what happened."""
        recording, note = self.recorded()
        forms = {"style": str(self._css), "still": self.still_html()}
        code = f"{source('player.js')}\n{self._esm}"
        return played(recording, note, model=self.layout.model_id, code=code, **forms)

    def recorded(self) -> tuple[Recording, str]:
        """What plays where no kernel is, and a sentence about it."""
        return self.recording, _("A recording of this page. In a running notebook it answers you.")

    def _ipython_display_(self) -> None:
        """The live picture, and below it, hidden while it lives, what plays the recording.

        Two outputs, since a new recording must not draw the live picture again.
        """
        self.recording.shown_at = max(0, len(self.recording.frames) - 1)
        forms = self._repr_mimebundle_()[0]
        recorded = {"text/html": forms["text/html"], "text/plain": _(RECORDED)}
        display(forms | {"text/html": ""}, raw=True)  # type: ignore[no-untyped-call]
        self._published = self.recording.moments
        self._output = display(recorded, raw=True, display_id=True)  # type: ignore[no-untyped-call]

    def publish_recording(self) -> None:
        """Bring the recording in the notebook up to date."""
        grown = self.recording.moments > self._published
        if self._output is not None and self.records_all and grown:
            self._published = self.recording.moments
            forms = {"text/html": self._repr_html_(), "text/plain": _(RECORDED)}
            self._output.update(forms, raw=True)

    def __repr__(self) -> str:
        return str(self.text)

    def tell(self, sentences: Callable[[], Sequence[str]], at: Callable[[], str] = str) -> None:
        """Add sentences to the news, the last lines of the picture; in the language then in use."""
        told = self._news_count, sentences, at
        if new := _rows(*told):
            self._news_count += len(new)
            self._said = [told, *self._said][:NEWS_MAX]
            self.news = [*new, *self.news][:NEWS_MAX]

    @property
    def moves(self) -> bool:
        """Whether time passes by itself, as it always does on a real cluster."""
        return bool(getattr(self.cluster, "speed", 1.0))

    @property
    def idle(self) -> bool:
        """Whether it is not needed for now: it doesn't look at the cluster."""
        return self.asleep

    def tick(self) -> None:
        """What the timer does."""
        self.refresh()

    def schedule_tick(self) -> None:
        """Another tick soon, while time passes; needs a running loop, as a kernel has."""
        if self._timer is None and self.moves and not self.idle and (loop := running_loop()):
            self._timer = loop.call_later(TICK_S, _tick, weakref.ref(self))

    def _on_message(self, _widget: Any, message: dict[str, Any], _buffers: Any) -> None:
        """A click or key: {"do": verb, …}; every one gets an answer.

        A view that ends says "leave". It may not be the last: any other one then says "look".
        """
        self.error, verb = "", message["do"]
        self.asleep = verb == "leave"
        try:
            if verb not in ("look", "leave"):
                self.act(verb, message)
        except FAILURES as error:
            self.error = explained(error)
        if not self.idle:
            self.refresh()
        self.send({"did": verb})

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        super().close()


Told = tuple[int, Callable[[], Sequence[str]], Callable[[], str]]


def _rows(before: int, sentences: Callable[[], Sequence[str]], at: Callable[[], str]) -> list[Any]:
    """(number, time, sentence), newest first; `before`: so many sentences were told before."""
    return [[n, at(), line] for n, line in enumerate(sentences(), start=before + 1)][::-1]


def explained(error: Exception) -> str:
    """One line: the engine's explanation, else what the error, or the one behind it, says."""
    said = getattr(error, "explanation", None) or getattr(error, "strerror", None)
    if not said and error.args and isinstance(cause := error.args[-1], Exception):
        return explained(cause)
    return str(said or error)


def _tick(reference: weakref.ref[LiveWidget]) -> None:
    if (widget := reference()) is not None:
        widget._timer = None
        if not widget.idle:
            widget.tick()


def running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


# -- one widget of a class per cluster ---------------------------------------------
W = TypeVar("W", bound=LiveWidget)
opened: weakref.WeakSet[LiveWidget] = weakref.WeakSet()
_translated: weakref.WeakSet[Any] = weakref.WeakSet()
_cells: dict[str, tuple[str, list[LiveWidget]]] = {}  # cell id -> (its last run, what it showed)


def widget_of(widget_class: type[W], cluster: Any) -> W:
    """The widget of this class for this cluster: there is one, and all its views stay in step."""
    same = (w for w in opened if isinstance(w, widget_class) and w.cluster is cluster)
    widget = next((w for w in same if w.comm is not None), None) or widget_class(cluster)
    widget.refresh()
    show_in_cell(widget)
    return widget


def show_in_cell(widget: LiveWidget) -> None:
    """Refresh it after every cell; close what this cell showed before and no other cell does."""
    opened.add(widget)
    if getattr(widget.cluster, "has_trace", False) and len(widget.cluster.names) <= WATCHED_MAX:
        widget.cluster.watch.look = partial(watch, weakref.ref(widget.cluster))
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
    shown = [widget for _, widgets in _cells.values() for widget in widgets]
    for old in former:
        if old not in shown:
            old.close()


def after_cell(*_: Any) -> None:
    for widget in list(opened):
        with suppress(*FAILURES):  # it stays as it is; the board says why
            if widget.comm is not None and not widget.idle:
                widget.refresh()
                widget.publish_recording()


def watch(cluster: weakref.ref[Any]) -> None:
    """Its time passes: refresh the widgets of this cluster that record all they show."""
    for widget in [w for w in opened if w.cluster is cluster() and w.comm and w.records_all]:
        if not widget.idle:
            widget.refresh()


def translate_later(widget: Any) -> None:
    """Call its method `relabel` when the language changes."""
    _translated.add(widget)


def speak(name: str) -> None:
    """Use a language from now on: whatever is shown live changes in place."""
    os.environ["LANGUAGE"] = name
    strings.use(name)
    for widget in [w for w in _translated if w.comm is not None]:
        with widget.hold_sync():
            widget.relabel()
            if isinstance(widget, LiveWidget):
                widget.refresh()


def start_over(cluster: Any, sentence: Callable[[], str]) -> None:
    """It was put back: its widgets forget what they saw, show it as it is now, and say so."""
    for widget in [w for w in opened if w.cluster is cluster and w.comm]:
        widget.start_over()
        widget.tell(lambda: [sentence()])
        widget.refresh()


# -- pictures that depend on a few numbers ---------------------------------------------------------
def button(label: str, action: Callable[[], object], **options: Any) -> ipywidgets.Button:
    """A button that carries out the action."""
    button = ipywidgets.Button(description=label, **{"layout": {"width": "auto"}, **options})
    button.on_click(lambda _button: action())
    return button


class Field(anywidget.AnyWidget):
    """A list of `options`, or else a slider, with its label, drawn by `static/field.js`. Jupyter's
    sliders have no name for screen readers and no visible focus, and its lists pass keys on to
    JupyterLab: X, for Xen, cuts the cell.
    """

    _esm = source("common.js", "field.js")
    _css = source("outputs.css", "view.css", "board.css", "field.css")
    label = traitlets.Unicode(help="its name").tag(sync=True)
    options: traitlets.List[Any] = traitlets.List(help="(text, value), …").tag(sync=True)
    bounds: traitlets.List[int] = traitlets.List(help="minimum, maximum, step").tag(sync=True)
    value = traitlets.Any(help="what is chosen").tag(sync=True)

    def __init__(self, label: str, **traits: Any) -> None:
        super().__init__(**traits)
        self._english = label
        self.relabel()
        translate_later(self)

    def relabel(self) -> None:
        self.label = _(self._english)


class Picture(LiveWidget):
    """A picture made of `primitives` that answers: `static/picture.js` says how."""

    _esm = source("common.js", "picture.js")
    _css = source("outputs.css", "view.css", "board.css")
    value = traitlets.Unicode(help="the picture").tag(sync=True)

    @abstractmethod
    def draw(self) -> Markup:
        """The picture as it is now."""

    def read(self) -> None:
        with self.hold_sync():
            self.value, self.text, self.status = self.draw(), repr(self), {"error": self.error}

    def still_html(self) -> str:
        return str(tag("div", Markup(self.value), class_="swarmlab-view"))

    @property
    def moves(self) -> bool:
        return self.cluster is not None and super().moves


class Sliders(ShownAs, WithStaticForms, ipywidgets.VBox):  # type: ignore[misc]
    """Shows `make(**values)` for its controls: `quorum_explorer(7)`. Lesson: 05_quorum."""

    def __init__(
        self, make: Callable[..., Any], controls: dict[str, Field], picture: Picture | None = None
    ) -> None:
        self.make, self.controls = make, controls
        self._picture = picture or ipywidgets.HTML()
        for control in controls.values():
            control.observe(self.relabel, "value")
        super().__init__([*controls.values(), self._picture])
        self.relabel()
        translate_later(self)

    @property
    def shown_as(self) -> Any:
        """What the controls ask for at this moment."""
        return self.make(**{name: control.value for name, control in self.controls.items()})

    def relabel(self, _change: Any = None) -> None:
        """Draw it again."""
        self._picture.value = self.shown_as._repr_html_()


def slider(label: str, value: int, minimum: int, maximum: int, step: int = 1) -> Field:
    return Field(label, value=value, bounds=[minimum, maximum, step])
