"""Managers over zones: their quorum, and whether it survives the loss of a zone.

A zone is whatever fails as a whole: a data centre, a rack, a power line. Pure arithmetic.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from markupsafe import Markup

from swarmlab.cluster.calls import checked
from swarmlab.raft.quorum import quorum
from swarmlab.strings import N_, _
from swarmlab.views.html import Callout, tag
from swarmlab.views.primitives import node, view, votes
from swarmlab.views.quorum import tolerated
from swarmlab.views.widget import Picture, Sliders, slider

LETTERS = "ABCDE"
MANAGERS_MAX = 9


@dataclass(frozen=True, slots=True)
class ZoneSpread:
    """So many managers, dealt out in turn over so many zones."""

    managers: int
    zones: int
    lost: frozenset[str] = frozenset()  # managers that are clicked away

    @property
    def names(self) -> list[list[str]]:
        """The managers in each zone; the first zones get the remainder."""
        names = [f"m{number + 1}" for number in range(self.managers)]
        return [names[zone :: self.zones] for zone in range(self.zones)]

    @property
    def counts(self) -> list[int]:
        return [len(names) for names in self.names]

    @property
    def kept(self) -> list[bool]:
        """Zone by zone: whether the managers outside it make a quorum."""
        return [self.managers - count >= quorum(self.managers) for count in self.counts]

    @property
    def verdict(self) -> str:
        if all(self.kept):
            return _("✔ **Any one zone may be lost: the others still make a quorum.**")
        if self.zones == 1:
            return _("✘ **One zone is no spread: lose it, and you lose everything.**")
        if self.zones == 2:
            return _("✘ **Two zones are never enough: one holds half of the managers, or more.**")
        lost = [LETTERS[zone] for zone, kept in enumerate(self.kept) if not kept]
        line = _("✘ **Without zone {zones} there is no quorum.** Try another number of managers.")
        return line.format(zones=_(" or ").join(lost))

    def consequence(self, zone: int) -> str:
        """What happens to the swarm without this zone."""
        left, need = self.managers - self.counts[zone], quorum(self.managers)
        line = _("if lost: {left} left, {need} needed. The swarm goes on.")
        stops = _("if lost: {left} left, {need} needed. No more changes.")
        return (line if self.kept[zone] else stops).format(left=left, need=need)

    def __repr__(self) -> str:
        zones = [
            f"{'✔' if self.kept[zone] else '✘'} {LETTERS[zone]}: {' '.join(names) or '–'}; "
            + self.consequence(zone)
            for zone, names in enumerate(self.names)
        ]
        return "\n".join([repr(self._summary), *zones, self.count])

    @property
    def _summary(self) -> Callout:
        title = _("Managers: {managers}. Zones: {zones} ({spread}).")
        line = _("Quorum: {quorum} of {managers}. Managers that can fail: {tolerated}.")
        values = {
            "managers": self.managers,
            "zones": self.zones,
            "spread": " – ".join(map(str, self.counts)),
            "quorum": quorum(self.managers),
            "tolerated": tolerated(self.managers),
        }
        return Callout(title.format(**values), (line.format(**values), self.verdict))

    @property
    def count(self) -> str:
        """The votes of those that are still there."""
        left, need = self.managers - len(self.lost), quorum(self.managers)
        line = (
            _("✔ votes: {left}, needed: {need}")
            if left >= need
            else _("✘ votes: {left}, needed: {need}")
        )
        return line.format(left=left, need=need)

    def _repr_html_(self) -> Markup:
        zones = (self._box(zone) for zone in range(self.zones))
        names = sorted(chain(*self.names), key=lambda name: (name in self.lost, name))
        squares = [(name, "gone" if name in self.lost else "") for name in names]
        bar = votes(_("votes"), squares, quorum(self.managers), self.managers, self.count)
        return self._summary._repr_html_() + view(tag("div", *zones, class_="row zones"), bar)

    def _box(self, zone: int) -> Markup:
        kept = self.kept[zone]
        title = tag("b", _("Zone {letter}").format(letter=LETTERS[zone]))
        lost = {name: name in self.lost for name in self.names[zone]}
        nodes = (node(name, "manager", down=down, do="toggle") for name, down in lost.items())
        line = f"{'✔' if kept else '✘'} {self.consequence(zone)}"
        text = tag("p", line, class_="good" if kept else "alarm")
        return tag("div", title, tag("div", *nodes, class_="row"), text, class_="zone")


class Machines(Picture):
    """The zones with their machines, each of which a click takes away, or brings back."""

    def __init__(self) -> None:
        super().__init__(None)
        self.lost: set[str] = set()
        self.spread = ZoneSpread(1, 1)

    def spread_of(self, managers: int, zones: int) -> ZoneSpread:
        names = chain(*ZoneSpread(managers, zones).names)
        self.spread = ZoneSpread(managers, zones, frozenset(self.lost.intersection(names)))
        return self.spread

    def draw(self) -> Markup:
        return self.spread._repr_html_()

    def act(self, verb: str, message: dict[str, Any]) -> None:
        self.lost ^= {message["name"]}
        self.spread = replace(self.spread, lost=self.spread.lost ^ {message["name"]})


@checked
def quorum_explorer(managers: int = 7, zones: int = 3) -> Sliders:
    """Managers 1 to 9 over zones 1 to 5: `quorum_explorer(5, 2)`; a click takes one away, or brings
    it back. Lesson: 05_quorum."""
    controls = {
        "managers": slider(N_("Managers"), managers, 1, MANAGERS_MAX),
        "zones": slider(N_("Zones"), zones, 1, len(LETTERS)),
    }
    machines = Machines()
    machines.refresh()
    return Sliders(machines.spread_of, controls, machines)
