"""The widgets of notebook 01: the two stacks of slide 4, and the builder of slide 5."""

from __future__ import annotations

import ipywidgets

from swarmlab.errors import LabError
from swarmlab.strings import _
from swarmlab.views.html import ShownAs, WithStaticForms, marked, widget_head
from swarmlab.views.sliders import Field, Sliders, slider
from swarmlab.views.stacks import GROUND, LAYERS, SLIDE_5, Stack, TwoStacks


class Builder(ShownAs, WithStaticForms, ipywidgets.VBox):  # type: ignore[misc]
    """Choose a layer and what it stands on, and put it there; what cannot be says why."""

    def __init__(self) -> None:
        self.stack = Stack()
        words = [(_(layer.word), name) for name, layer in LAYERS.items()]
        self.layer = Field(word=_("Put"), options=words, value=words[0][1])
        self.on = Field(word=_("on"), options=[(_("the ground"), GROUND)], value=GROUND)
        acts = {_("Put it there"): self.put, _("Take it away"): self.take}
        acts |= {_("Show slide 5"): self.show_slide, _("Begin anew"): self.clear}
        buttons = []
        for word, act in acts.items():
            buttons.append(ipywidgets.Button(description=word, layout={"width": "auto"}))
            buttons[-1].on_click(lambda _button, act=act: act())
        self._said, self._picture = ipywidgets.HTML(), ipywidgets.HTML()
        row = ipywidgets.Layout(flex_flow="row wrap")
        controls = ipywidgets.HBox([self.layer, self.on, *buttons], layout=row)
        super().__init__([controls, self._said, self._picture, ipywidgets.HTML(widget_head())])
        self._show(self.stack, _("Put a server on the ground."))

    def put(self) -> None:
        """What the first button does."""
        try:
            stack = self.stack.put(self.layer.value, self.on.value)
        except LabError as error:
            self._say(f"✘ {error}")
            return
        done = _("✔ **This is slide 5.** Different, and not exclusive: both at work together.")
        self._show(
            stack, done if stack.same_as(SLIDE_5) else _("✔ It stands."), len(stack.layers) - 1
        )

    def take(self) -> None:
        """Takes away what is chosen as the ground of the next, and all above it."""
        if self.on.value == GROUND:
            self._say(_("✘ Choose after **on** what to take away; the ground stays."))
            return
        self._show(self.stack.take(self.on.value), _("✔ Gone, with all that stood on it."))

    def show_slide(self) -> None:
        self._show(SLIDE_5, _("Slide 5: take a part away, and build it differently."))

    def clear(self) -> None:
        self._show(Stack(), _("Put a server on the ground."))

    def _show(self, stack: Stack, said: str, chosen: int = GROUND) -> None:
        self.stack = stack
        places = enumerate(stack.layers)
        on = [(f"{number + 1}: {_(LAYERS[name].word)}", number) for number, (name, _on) in places]
        self.on.options = [(_("the ground"), GROUND), *on]
        self.on.value = chosen
        self._picture.value = stack._repr_html_()
        self._say(said)

    def _say(self, text: str) -> None:
        self._said.value = f"<span role='status' style='font-size:1.2em'>{marked(text)}</span>"

    @property
    def shown_as(self) -> Stack:
        return self.stack


def stack_builder() -> Builder:
    """An empty builder. Lesson: 01_vm_vs_container."""
    return Builder()


def two_stacks(apps: int = 2) -> Sliders:
    """Slide 4, with a slider for the number of apps. Lesson: 01_vm_vs_container."""
    return Sliders(TwoStacks, {"apps": slider(_("Apps"), apps, 1, 5)})
