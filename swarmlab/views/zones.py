"""Managers over zones: their quorum, and whether it survives the loss of a zone.

A zone is whatever fails as a whole: a data centre, a rack, a power line. Pure arithmetic.
"""

from __future__ import annotations

from dataclasses import dataclass

from swarmlab.raft.quorum import quorum
from swarmlab.strings import _
from swarmlab.views.html import Callout, big
from swarmlab.views.palette import BLUISH_GREEN, VERMILLION
from swarmlab.views.quorum import tolerated
from swarmlab.views.widget import Sliders, slider

LETTERS = "ABCDE"
MANAGERS_MAX = 9


@dataclass(frozen=True, slots=True)
class ZoneSpread:
    """So many managers, dealt out in turn over so many zones."""

    managers: int
    zones: int

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
            return _("✘ **One zone is no spread: when it is lost, all is lost.**")
        if self.zones == 2:
            return _("✘ **Two zones never do: one of them holds half of the managers, or more.**")
        lost = [LETTERS[zone] for zone, kept in enumerate(self.kept) if not kept]
        line = _("✘ **Without zone {zones} there is no quorum.** Try another number of managers.")
        return line.format(zones=_(" or ").join(lost))

    def consequence(self, zone: int) -> str:
        """What happens to the swarm without this zone."""
        left, need = self.managers - self.counts[zone], quorum(self.managers)
        line = _("if lost: {left} left, {need} needed. The swarm goes on.")
        stops = _("if lost: {left} left, {need} needed. No changes any more.")
        return (line if self.kept[zone] else stops).format(left=left, need=need)

    def __repr__(self) -> str:
        zones = [
            f"{'✔' if self.kept[zone] else '✘'} {LETTERS[zone]}: {' '.join(names) or '–'}; "
            + self.consequence(zone)
            for zone, names in enumerate(self.names)
        ]
        return "\n".join([repr(self._summary), *zones])

    @property
    def _summary(self) -> Callout:
        title = _("Managers: {managers}. Zones: {zones} ({spread}).")
        line = _("Quorum: {quorum} of {managers}. Managers that may fail: {tolerated}.")
        values = {
            "managers": self.managers,
            "zones": self.zones,
            "spread": " – ".join(map(str, self.counts)),
            "quorum": quorum(self.managers),
            "tolerated": tolerated(self.managers),
        }
        return Callout(title.format(**values), (line.format(**values), self.verdict))

    def _repr_html_(self) -> str:
        boxes = "".join(self._box(zone) for zone in range(self.zones))
        row = f"<div style='display:flex;flex-wrap:wrap;gap:10px;margin:8px 0'>{boxes}</div>"
        return self._summary._repr_html_() + big(row)

    def _box(self, zone: int) -> str:
        kept = self.kept[zone]
        border = f"4px solid {BLUISH_GREEN}" if kept else f"4px dashed {VERMILLION}"
        names = " ".join(f"<b style='margin-right:.5em'>{name}</b>" for name in self.names[zone])
        return (
            f"<div style='border:{border};border-radius:8px;padding:.3em .7em;flex:1 1 9em'>"
            f"{_('Zone {letter}').format(letter=LETTERS[zone])}<br>{names or '–'}<br>"
            f"{'✔' if kept else '✘'} {self.consequence(zone)}</div>"
        )


def quorum_explorer(managers: int = 7, zones: int = 3) -> Sliders:
    """Managers 1 to 9 over zones 1 to 5, with sliders. Lesson: 05_quorum."""
    controls = {
        "managers": slider(_("Managers"), managers, 1, MANAGERS_MAX),
        "zones": slider(_("Zones"), zones, 1, len(LETTERS)),
    }
    return Sliders(ZoneSpread, controls)
