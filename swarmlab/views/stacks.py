"""What can stand on what: servers, hypervisors, kernels, engines, programs (slides 4 and 5).

The rules are data (`stacks.yml`) and one pure function, `obstacle`. A `Stack` follows them, so the
builder puts one layer on another, or says why that is impossible.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import ipywidgets
import yaml

from swarmlab.errors import LabError
from swarmlab.strings import _
from swarmlab.views.html import ShownAs, WithStaticForms, big, marked, widget_head
from swarmlab.views.widget import Field, Sliders, button, slider

GROUND = -1


_RULES: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("stacks.yml").read_text("utf-8"))


@dataclass(frozen=True, slots=True)
class Layer:
    title: str
    kind: str  # server, hypervisor, system, engine, program, …
    kernel: str  # of a system: which it is; of an engine or a program: which it needs


LAYERS = {name: Layer(**fields) for name, fields in _RULES["layers"].items()}


def obstacle(lower: Layer | None, upper: Layer) -> str:
    """Why `upper` cannot stand on `lower` (None: the ground); empty when it can.

    >>> obstacle(LAYERS["engine"], LAYERS["mysql"])
    ''
    """
    carrier = lower.kind if lower else "ground"
    if carrier == "program":
        return _(_RULES["on a program"])
    if carrier not in _RULES["carriers"][upper.kind]:
        return _(_RULES["reasons"][upper.kind])
    needs_kernel = upper.kind in ("engine", "program")
    if lower is not None and needs_kernel and lower.kernel != upper.kernel:
        return _(_RULES["wrong kernel"], kernel=upper.kernel)
    return ""


@dataclass(frozen=True, slots=True)
class Stack:
    """Layers, each with the index of the layer it stands on; `GROUND` for the lowest."""

    layers: tuple[tuple[str, int], ...] = ()

    def put(self, name: str, on: int) -> Stack:
        """With one more layer; raises LabError with the reason when it cannot stand there."""
        lower = None if on == GROUND else LAYERS[self.layers[on][0]]
        if reason := obstacle(lower, LAYERS[name]):
            raise LabError(reason)
        if lower is not None and lower.kind == "server" and self.above(on):
            raise LabError(_RULES["one kernel"])
        return Stack((*self.layers, (name, on)))

    def take(self, place: int) -> Stack:
        """Without this layer, and without all that stands on it."""
        gone = {place}
        for number, (_name, on) in enumerate(self.layers):
            if on in gone:
                gone.add(number)
        kept = [number for number in range(len(self.layers)) if number not in gone]
        moved = {GROUND: GROUND} | {number: new for new, number in enumerate(kept)}
        return Stack(tuple((self.layers[n][0], moved[self.layers[n][1]]) for n in kept))

    def above(self, place: int) -> list[int]:
        return [number for number, (_name, on) in enumerate(self.layers) if on == place]

    @property
    def kernels(self) -> int:
        return sum(LAYERS[name].kind == "system" for name, _on in self.layers)

    def same_as(self, other: Stack) -> bool:
        """Whether both have the same structure, in whatever order they were built."""
        return self._shape(GROUND) == other._shape(GROUND)

    def _shape(self, place: int) -> list[str]:
        parts = [f"{self.layers[n][0]}{self._shape(n)}" for n in self.above(place)]
        return sorted(parts)

    # -- forms -----------------------------------------------------------------------
    def __repr__(self) -> str:
        return "\n".join(self._lines(GROUND, 0)) or _("Nothing yet: start with a server.")

    def _lines(self, place: int, depth: int) -> Iterator[str]:
        for number in self.above(place):
            yield "  " * depth + self._title(number)
            yield from self._lines(number, depth + 1)

    def _title(self, number: int) -> str:
        layer = LAYERS[self.layers[number][0]]
        return _(layer.title) + (f" [{_('kernel')}]" if layer.kind == "system" else "")

    def _repr_html_(self) -> str:
        return big(self._row(GROUND)) if self.layers else big(f"<p>{self!r}</p>")

    def _row(self, place: int) -> str:
        boxes = "".join(self._box(number) for number in self.above(place))
        row = "display:flex;gap:6px;align-items:flex-end;overflow-x:auto"
        return f"<div style='{row}'>{boxes}</div>" if boxes else ""

    def _box(self, number: int) -> str:
        """A layer with the layers that stand on it above its name; a kernel has a thick edge."""
        thick = LAYERS[self.layers[number][0]].kind == "system"
        edge = "4px solid" if thick else "1px solid"
        style = f"border:{edge} currentColor;border-radius:6px;padding:4px;"
        style += "box-sizing:border-box;flex:1 1 0;min-width:4em"
        under = "text-align:center;line-height:1.2;padding-top:3px"
        name = f"<div style='{under}'>{escape(self._title(number))}</div>"
        return f"<div style='{style}'>{self._row(number)}{name}</div>"


SLIDE_5 = Stack(tuple((name, on) for name, on in _RULES["slide 5"]))


@dataclass(frozen=True, slots=True)
class TwoStacks:
    """Slide 4: so many programs in virtual machines, and as many in containers."""

    apps: int

    @property
    def machines(self) -> Stack:
        stack = Stack().put("server", GROUND).put("debian", 0).put("kvm", 1)
        for number in range(self.apps):
            stack = stack.put("ubuntu", 2).put("nginx", 3 + 2 * number)
        return stack

    @property
    def containers(self) -> Stack:
        stack = Stack().put("server", GROUND).put("debian", 0).put("engine", 1)
        for _number in range(self.apps):
            stack = stack.put("nginx", 2)
        return stack

    @property
    def sides(self) -> list[tuple[str, Stack]]:
        line = _("{what}. Apps: {apps}, kernels: {kernels}, layers: {layers}")
        both = ((_("Virtual machines"), self.machines), (_("Containers"), self.containers))
        counts = {what: {"kernels": s.kernels, "layers": len(s.layers)} for what, s in both}
        return [(line.format(what=w, apps=self.apps, **counts[w]), stack) for w, stack in both]

    def __repr__(self) -> str:
        return "\n\n".join(f"{title}\n{stack!r}" for title, stack in self.sides)

    def _repr_html_(self) -> str:
        # Side by side where so many boxes fit, else one below the other.
        look = f"flex:1 1 {max(20, 7 * self.apps)}em;min-width:0"
        row = "display:flex;flex-wrap:wrap;gap:16px"
        sides = [f"{big(f'<b>{title}</b>')}{s._repr_html_()}" for title, s in self.sides]
        boxes = "".join(f"<div style='{look}'>{side}</div>" for side in sides)
        return f"<div style='{row};align-items:flex-end'>{boxes}</div>"


# -- the widgets of notebook 01 --------------------------------------------------------------------
class Builder(ShownAs, WithStaticForms, ipywidgets.VBox):  # type: ignore[misc]
    """Choose a layer and what it stands on, and put it there; what is impossible says why."""

    def __init__(self) -> None:
        self.stack = Stack()
        layers = [(_(layer.title), name) for name, layer in LAYERS.items()]
        self.layer = Field(label=_("Put"), options=layers, value=layers[0][1])
        self.on = Field(label=_("on"), options=[(_("the ground"), GROUND)], value=GROUND)
        actions = {_("Put it there"): self.put, _("Remove it"): self.take}
        actions |= {_("Show slide 5"): self.show_slide, _("Start over"): self.clear}
        buttons = [button(title, action) for title, action in actions.items()]
        self._status, self._picture = ipywidgets.HTML(), ipywidgets.HTML()
        row = ipywidgets.Layout(flex_flow="row wrap")
        controls = ipywidgets.HBox([self.layer, self.on, *buttons], layout=row)
        super().__init__([controls, self._status, self._picture, ipywidgets.HTML(widget_head())])
        self._show(self.stack, _("Put a server on the ground."))

    def put(self) -> None:
        """Put the layer where the lists say."""
        try:
            stack = self.stack.put(self.layer.value, self.on.value)
        except LabError as error:
            self._set_status(f"✘ {error}")
            return
        done = _("✔ **This is slide 5.** Different, but not exclusive: both work together.")
        self._show(
            stack, done if stack.same_as(SLIDE_5) else _("✔ It stands."), len(stack.layers) - 1
        )

    def take(self) -> None:
        """Take away the layer chosen after `on`, and all above it."""
        if self.on.value == GROUND:
            self._set_status(_("✘ Choose after **on** what to remove; the ground stays."))
            return
        self._show(self.stack.take(self.on.value), _("✔ Gone, with everything on it."))

    def show_slide(self) -> None:
        self._show(SLIDE_5, _("Slide 5: remove a part, and build it differently."))

    def clear(self) -> None:
        self._show(Stack(), _("Put a server on the ground."))

    def _show(self, stack: Stack, status: str, chosen: int = GROUND) -> None:
        self.stack = stack
        names = enumerate(name for name, _on in stack.layers)
        layers = [(f"{place + 1}: {_(LAYERS[name].title)}", place) for place, name in names]
        self.on.options = [(_("the ground"), GROUND), *layers]
        self.on.value = chosen
        self._picture.value = stack._repr_html_()
        self._set_status(status)

    def _set_status(self, text: str) -> None:
        self._status.value = f"<span role='status' style='font-size:1.2em'>{marked(text)}</span>"

    @property
    def shown_as(self) -> Stack:
        return self.stack


def stack_builder() -> Builder:
    """An empty builder: `stack_builder()`. Lesson: 01_vm_vs_container."""
    return Builder()


def two_stacks(apps: int = 2) -> Sliders:
    """Slide 4, with a slider for the apps: `two_stacks(5)`. Lesson: 01_vm_vs_container."""
    return Sliders(TwoStacks, {"apps": slider(_("Apps"), apps, 1, 5)})
