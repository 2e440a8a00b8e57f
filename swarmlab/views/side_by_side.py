"""One play on two clusters, side by side: facts that agree or differ, and two lanes on one time
axis."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

from swarmlab.strings import _, text_table
from swarmlab.views.html import ShownAs, big, big_table
from swarmlab.views.palette import BLACK, BLUE, VERMILLION, WHITE
from swarmlab.views.tables import Table

# Durations hold chance: elections, heartbeats. They agree within this factor, or these seconds.
FACTOR, SLACK_S = 2.0, 3.0
WIDTH, LEFT, RIGHT, ROOM = 900, 110, 40, 28  # of the picture, in its own units
MIDDLE = "text-anchor='middle'"


def words(fact: Any) -> str:
    """A fact as people read it: `m1: 2, w1: 3`."""
    if isinstance(fact, dict):
        return ", ".join(f"{key}: {value}" for key, value in fact.items())
    return ", ".join(map(str, fact)) if isinstance(fact, list) else str(fact)


@dataclass(frozen=True, slots=True)
class Played:
    """What one cluster did."""

    kind: str  # simulated, real, recorded
    version: str  # of the engine
    facts: dict[str, Any]
    events: tuple[tuple[float, str], ...]  # seconds since the play began, and what happened
    stopped: str = ""  # why it could not go on

    @property
    def title(self) -> str:
        words = {
            "simulated": _("simulated"),
            "real": _("real ({version})"),
            "recorded": _("recorded ({version})"),
        }
        return words[self.kind].format(version=self.version.partition("+")[0])


@dataclass(frozen=True, slots=True)
class Comparison:
    """A scenario on both sides."""

    name: str
    promise: str
    simulated: Played
    real: Played

    @property
    def rows(self) -> list[tuple[str, str, str, bool]]:
        """Each fact: its name, what the simulated and the real cluster showed, do they agree."""
        ours, theirs = self.simulated.facts, self.real.facts
        keys = [*theirs, *(key for key in ours if key not in theirs)]
        return [(k, words(ours.get(k)), words(theirs.get(k)), self._agree(k)) for k in keys]

    def _agree(self, key: str) -> bool:
        ours, theirs = self.simulated.facts.get(key), self.real.facts.get(key)
        if not key.startswith("~") or ours is None or theirs is None:
            return bool(ours == theirs)
        less, more = sorted((ours, theirs))
        return bool(more <= less * FACTOR or more - less <= SLACK_S)

    @property
    def agrees(self) -> bool:
        whole = not self.simulated.stopped and not self.real.stopped
        return whole and bool(self.rows) and all(agree for *_, agree in self.rows)

    @property
    def heads(self) -> tuple[str, str, str, str]:
        return _("Fact"), self.simulated.title, self.real.title, _("Do they agree?")

    @property
    def cells(self) -> list[tuple[str, str, str, str]]:
        agree, differ = _("✔ yes"), _("✘ NO")
        about = _("about {seconds} s")
        cells = []
        for key, ours, theirs, good in self.rows:
            if key.startswith("~"):
                ours, theirs = (about.format(seconds=seconds) for seconds in (ours, theirs))
            cells.append((key.lstrip("~"), ours, theirs, agree if good else differ))
        return cells

    @property
    def moments(self) -> list[tuple[str, str, str, str]]:
        """Each event, with its seconds on both sides."""
        lines = []
        for number in range(max(len(self.simulated.events), len(self.real.events))):
            here = [played.events[number : number + 1] for played in (self.simulated, self.real)]
            text = next(events[0][1] for events in here if events)
            times = [f"{events[0][0]:.1f} s" if events else "–" for events in here]
            lines.append((str(number + 1), text, times[0], times[1]))
        return lines

    @property
    def notes(self) -> list[str]:
        stopped = [p for p in (self.simulated, self.real) if p.stopped]
        return [f"✘ {played.title}: {played.stopped}" for played in stopped]

    @property
    def _times(self) -> tuple[tuple[str, ...], list[tuple[str, str, str, str]]]:
        return ("", _("What happened"), self.simulated.title, self.real.title), self.moments

    def __repr__(self) -> str:
        heads, moments = self._times
        facts, times = text_table([self.heads, *self.cells]), text_table([heads, *moments])
        return "\n".join([f"{self.name}: {_(self.promise)}", facts, *self.notes, "", times])

    def _repr_html_(self) -> str:
        title = big(f"<b>{escape(self.name)}</b>: {escape(_(self.promise))}")
        facts, times = big_table(self.heads, self.cells, self.notes), big_table(*self._times)
        return title + facts + lanes(self) + times


def lanes(comparison: Comparison) -> str:
    """Both plays on one axis of seconds; the numbers are those of the table of moments."""
    both = (comparison.simulated, comparison.real)
    end_s = max([1.0, *(at_s for played in both for at_s, _text in played.events)])
    scale = (WIDTH - LEFT - RIGHT) / end_s
    ticks = [(LEFT + end_s * scale * n / 4, f"{end_s * n / 4:.1f} s") for n in range(5)]
    label = _("Two lanes on one time axis: {name}. The table below has the same.")
    return (
        f"<svg role='img' aria-label='{escape(label.format(name=comparison.name))}'"
        f" viewBox='0 0 {WIDTH} 150' fill='{BLACK}' font-size='17'"
        f" style='width:100%;max-width:{WIDTH}px'>"
        f"<rect width='{WIDTH}' height='150' fill='{WHITE}'/>"
        + lane(both[0], 45, scale, BLUE, rounding=6)
        + lane(both[1], 95, scale, VERMILLION, rounding=0)
        + "".join(f"<text x='{x:.0f}' y='135' {MIDDLE}>{text}</text>" for x, text in ticks)
        + "</svg>"
    )


def lane(played: Played, y: int, scale: float, colour: str, *, rounding: int) -> str:
    """One play from left to right, with round or square marks; numbers share a place rather than
    stand on each other."""
    parts = [
        f"<text x='8' y='{y + 5}'>{escape(played.title.split(' ')[0])}</text>",
        f"<path d='M{LEFT} {y}H{WIDTH - RIGHT}' stroke='{colour}' stroke-width='3'/>",
    ]
    numbers: dict[float, list[int]] = {}  # place -> the events there
    for number, (at_s, text) in enumerate(played.events, start=1):
        x = LEFT + at_s * scale
        place = max((other for other in numbers if x - other < ROOM), default=x)
        numbers.setdefault(place, []).append(number)
        parts.append(
            f"<rect x='{x - 6:.0f}' y='{y - 6}' width='12' height='12' rx='{rounding}'"
            f" fill='{colour}'><title>{at_s} s: {escape(text)}</title></rect>"
        )
    for x, here in numbers.items():
        text = f"{here[0]}–{here[-1]}" if here[1:] else str(here[0])
        parts.append(f"<text x='{x:.0f}' y='{y - 12}' {MIDDLE}>{text}</text>")
    return "".join(parts)


@dataclass(frozen=True, slots=True, repr=False)
class Comparisons(ShownAs):
    """All scenarios, a line each; index with a name for one of them."""

    all: tuple[Comparison, ...]

    def __getitem__(self, name: str) -> Comparison:
        return next(one for one in self.all if one.name == name)

    def _ipython_key_completions_(self) -> list[str]:
        return [one.name for one in self.all]

    @property
    def agree(self) -> int:
        return sum(one.agrees for one in self.all)

    @property
    def heads(self) -> tuple[str, str, str, str]:
        return _("Scenario"), _("Facts that agree"), _("Do they agree?"), _("What it shows")

    @property
    def cells(self) -> list[tuple[str, str, str, str]]:
        agree, differ = _("✔ yes"), _("✘ NO")
        return [
            (
                one.name,
                f"{sum(good for *_, good in one.rows)} / {len(one.rows)}",
                agree if one.agrees else differ,
                _(one.promise),
            )
            for one in self.all
        ]

    @property
    def notes(self) -> list[str]:
        line = _("{agree} of {all} scenarios: simulated and real engines agree.")
        notes = [line.format(agree=self.agree, all=len(self.all))]
        if any(one.real.kind == "recorded" for one in self.all):
            notes.append(
                _(
                    "The real side is a recording. To see it live, on your own Docker, add"
                    " `against=swarmlab.launch`."
                )
            )
        return notes

    @property
    def shown_as(self) -> Table:
        sum_up, *others = self.notes
        return Table(sum_up, self.heads, tuple(self.cells), tuple(others))
