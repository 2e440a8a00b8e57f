"""What can stand on what: servers, hypervisors, kernels, engines, programs (slides 4 and 5).

The rules are data (`stacks.yml`) and one pure function, `obstacle`. A `Stack` follows them, so the
builder puts one layer on another, or says why that is impossible.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from markupsafe import Markup

from swarmlab.cluster.calls import checked
from swarmlab.errors import LabError
from swarmlab.strings import N_, _
from swarmlab.views.html import marked, tag
from swarmlab.views.primitives import view
from swarmlab.views.widget import Picture, Sliders, slider

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

    def _repr_html_(self) -> Markup:
        return view(self.drawn())

    def drawn(self, *, clickable: bool = False) -> Markup:
        return tag("div", *self._boxes(GROUND, clickable), class_="stack")

    def _boxes(self, place: int, clickable: bool) -> Iterator[Markup]:
        """Each layer that stands here, with what stands on it above its name."""
        for number in self.above(place):
            title, at = self._title(number), str(number)
            name = tag("b", title)
            if clickable:
                name = tag("button", title, data_do="put", data_onto=at, data_key=f"on {at}")
            if clickable and self.layers[number][1] != GROUND:
                away = _("Take away: {title}", title=title)
                data = {"data_do": "take", "data_place": at, "data_key": f"take {at}"}
                name += tag("button", "✖", aria_label=away, **data)
            kernel = "kernel" if LAYERS[self.layers[number][0]].kind == "system" else ""
            carried = tag("div", *self._boxes(number, clickable), class_="stack")
            foot = tag("div", name, class_="foot")
            yield tag("div", carried, foot, class_=f"layer {kernel}", data_onto=at)


EMPTY = Stack().put("server", GROUND)
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

    def _repr_html_(self) -> Markup:
        """Side by side where so many boxes fit, else one below the other."""
        style = f"flex:1 1 {max(20, 7 * self.apps)}em;min-width:0"
        sides = (
            tag("div", tag("b", title), stack.drawn(), style=style) for title, stack in self.sides
        )
        return view(tag("div", *sides, class_="row", style="align-items:flex-end"))


# -- the widgets of notebook 01 --------------------------------------------------------------------
class Builder(Picture):
    """Drag a part onto what shall carry it, or pick one and click there; what is impossible says
    why.

    `stack_builder()` shows it. Lesson: 01_vm_vs_container.
    """

    def __init__(self) -> None:
        super().__init__(None)
        self.stack, self.part = EMPTY, ""
        self.said = _("Drag a part onto the server; by key: Enter on the part, then on its place.")
        self.refresh()

    def draw(self) -> Markup:
        parts = [self._part(name) for name in LAYERS if name != "server"]
        actions = (("slide", _("Show slide 5")), ("clear", _("Start over")))
        buttons = [tag("button", title, data_do=do, data_key=do) for do, title in actions]
        said = tag("p", marked(self.said), role="status")
        rows = tag("div", *parts, class_="row"), said, tag("div", *buttons, class_="row")
        return Markup("").join([*rows, self.stack.drawn(clickable=True)])

    def _part(self, name: str) -> Markup:
        """No button of HTML: Firefox lets none be dragged."""
        data = {"data_do": "pick", "data_part": name, "data_key": name, "draggable": "true"}
        pressed = str(name == self.part).lower()
        button = {"role": "button", "tabindex": "0", "aria_pressed": pressed, "class_": "part"}
        return tag("div", _(LAYERS[name].title), **button, **data)

    def act(self, verb: str, message: dict[str, Any]) -> None:
        match verb:
            case "pick":
                self.part = "" if message["part"] == self.part else message["part"]
                self.said = _("Now its place.") if self.part else _("Pick a part.")
            case "put" | "drop":
                self.put(message.get("part") or self.part, int(message["onto"]))
            case "take":
                self.stack = self.stack.take(int(message["place"]))
                self.said = _("✔ Gone, with everything on it.")
            case "slide":
                self.stack = SLIDE_5
                self.said = _("Slide 5: remove a part, and build it differently.")
            case "clear":
                self.stack, self.said = EMPTY, _("Put a part on the server.")

    def put(self, name: str, on: int) -> None:
        """Put the part there, or say why that is impossible."""
        if name not in LAYERS:
            self.said = _("Pick a part first.")
            return
        try:
            self.stack, self.part = self.stack.put(name, on), ""
        except LabError as error:
            self.said = f"✘ {error}"
            return
        done = _("✔ **This is slide 5.** Different, but not exclusive: both work together.")
        self.said = done if self.stack.same_as(SLIDE_5) else _("✔ It stands.")

    def __repr__(self) -> str:
        return repr(self.stack)


@checked
def stack_builder() -> Builder:
    """A server to build on: `stack_builder()`. Lesson: 01_vm_vs_container."""
    return Builder()


@checked
def two_stacks(apps: int = 2) -> Sliders:
    """Slide 4, with a slider for the apps: `two_stacks(5)`. Lesson: 01_vm_vs_container."""
    return Sliders(TwoStacks, {"apps": slider(N_("Apps"), apps, 1, 5)})
