"""Slides 21 to 23 as a timeline to click: what each version of Swarm brought, and a command."""

from __future__ import annotations

from pathlib import Path

import yaml
from markupsafe import Markup

from swarmlab.cluster.calls import checked
from swarmlab.strings import _
from swarmlab.views.html import Table, marked, tag
from swarmlab.views.primitives import view


class Eras(Table):
    """The rows, and a timeline whose entries open by mouse or keyboard, without a kernel.

    `eras()` shows it. Lesson: 04_parts_and_topology.
    """

    def _repr_html_(self) -> Markup:
        entries = []
        for number, (when, name, about, picture, tries) in enumerate(self.rows):
            parts = (tag("span", part, class_="node manager") for part in picture.split(" → "))
            lines = [tag("div", *parts, class_="row"), tag("p", marked(about))]
            lines += [tag("p", _("Try it: "), tag("code", f"%{tries}"))] if tries else []
            head = tag("summary", tag("b", when), f" {name}", style="padding:.2em")
            opened = {"open": "open"} if number == 0 else {}
            entries.append(tag("details", head, *lines, **opened))
        style = "border-left:5px solid var(--focus);padding-left:.8em"
        return view(tag("div", *entries, style=style))


@checked
def eras() -> Eras:
    """What classic Swarm was, and what 1.12, 1.13 and 17.06 brought.
    Lesson: 04_parts_and_topology.

    >>> eras().rows[1][0]
    '28 July 2016'
    """
    entries = yaml.safe_load(Path(__file__).with_name("eras.yml").read_text("utf-8"))
    rows = tuple(
        (_(e["when"]), _(e["name"]), _(e["about"]), " → ".join(map(_, e["picture"])), e["tries"])
        for e in entries
    )
    heads = _("When"), _("What"), _("It brought"), _("Its parts"), _("Try it")
    return Eras(_("From classic Swarm to Swarm mode"), heads, rows)
