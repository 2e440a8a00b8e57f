"""The widgets of notebook 01: the two stacks of slide 4, and the builder of slide 5."""

from __future__ import annotations

import ipywidgets

from swarmlab.errors import LabError
from swarmlab.strings import _
from swarmlab.views.html import ShownAs, WithStaticForms, marked, widget_head
from swarmlab.views.sliders import Field, Sliders, slider
from swarmlab.views.stacks import GROUND, LAYERS, SLIDE_5, Stack, TwoStacks


class Builder(ShownAs, WithStaticForms, ipywidgets.VBox):  # type: ignore[misc]
    """Choose a layer and what it stands on, and put it there; what is impossible says why."""

    def __init__(self) -> None:
        self.stack = Stack()
        layers = [(_(layer.title), name) for name, layer in LAYERS.items()]
        self.layer = Field(label=_("Put"), options=layers, value=layers[0][1])
        self.on = Field(label=_("on"), options=[(_("the ground"), GROUND)], value=GROUND)
        actions = {_("Put it there"): self.put, _("Take it away"): self.take}
        actions |= {_("Show slide 5"): self.show_slide, _("Begin anew"): self.clear}
        buttons = []
        for title, action in actions.items():
            buttons.append(ipywidgets.Button(description=title, layout={"width": "auto"}))
            buttons[-1].on_click(lambda _button, action=action: action())
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
        done = _("✔ **This is slide 5.** Different, and not exclusive: both at work together.")
        self._show(
            stack, done if stack.same_as(SLIDE_5) else _("✔ It stands."), len(stack.layers) - 1
        )

    def take(self) -> None:
        """Take away the layer chosen after `on`, and all above it."""
        if self.on.value == GROUND:
            self._set_status(_("✘ Choose after **on** what to take away; the ground stays."))
            return
        self._show(self.stack.take(self.on.value), _("✔ Gone, with all that stood on it."))

    def show_slide(self) -> None:
        self._show(SLIDE_5, _("Slide 5: take a part away, and build it differently."))

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
    """An empty builder. Lesson: 01_vm_vs_container."""
    return Builder()


def two_stacks(apps: int = 2) -> Sliders:
    """Slide 4, with a slider for the number of apps. Lesson: 01_vm_vs_container."""
    return Sliders(TwoStacks, {"apps": slider(_("Apps"), apps, 1, 5)})
