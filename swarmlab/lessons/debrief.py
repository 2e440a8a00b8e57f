"""After a mission: what was done, on one time line with a model run of the same incident; and codes
by which a class compares.

    zone_dies:83-120-65-2-0-1f3    points, failed requests, seconds, changes, hints, check letters
"""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Iterator
from itertools import chain, zip_longest
from typing import Any

from markupsafe import Markup

from swarmlab.cluster.calls import checked
from swarmlab.lessons.attempt import RATE, TYPING_S, Attempt
from swarmlab.lessons.bank import Mission, bank
from swarmlab.strings import N_, _
from swarmlab.units import S
from swarmlab.views import primitives as draw
from swarmlab.views.history import EVENT_LOOKS, timeline_events
from swarmlab.views.html import Callout, Table, big, marked
from swarmlab.views.palette import CIRCLE, GREY, SQUARE, VERMILLION, YELLOW, Look

EACH = ("look", "asked", "nothing", "wait", "fault", "repair")  # of other kinds the first is enough
SPAN = range(TYPING_S * S)  # after a line was typed
STEP_S = 5  # of a bar of failed requests
LOOKS = EVENT_LOOKS | {
    "look": Look("◦", N_("a look"), CIRCLE, YELLOW),
    "nothing": Look("–", N_("changed nothing"), CIRCLE, GREY),
    "wait": Look("…", N_("a wait"), SQUARE, GREY),
}
CODE = re.compile(r"\b(\w+):(\d+(?:-\d+){4})-([0-9a-f]{3})\b")


Event = tuple[int, str, str]  # (seconds since the start, a key of LOOKS, text)


def events_of(attempt: Attempt) -> list[Event]:
    """Every look and every change, and the first consequence of each kind, before and after the
    start: what came before it is the incident."""
    typed = [entry for entry in attempt.cluster.typed if entry[0] >= attempt.users_ns]
    looks = attempt.looks()
    ends = [at for at, _line in typed[1:]] + [attempt.cluster.clock_ns() + 1]
    lines: list[Event] = [(at, "wait", text) for at, text in attempt.waits]
    for (at, line), end in zip(typed, ends, strict=True):
        changed = at < attempt.start_ns or any(at <= then < end for then in attempt.changed_ns)
        kind = "look" if (at, line) in looks else "asked" if changed else "nothing"
        lines.append((at, kind, line + _(" (changed nothing)") * (kind == "nothing")))
    done: list[Event] = [(at, "asked", "…") for at in attempt.changed_ns]
    if attempt.cluster.has_trace:
        events = timeline_events(attempt.cluster)
        done = [(e.at_ns, e.kind, e.text) for e in events if e.at_ns >= attempt.users_ns]
    # What was asked by a line that was typed is shown as that line.
    done = [e for e in done if e[1] != "asked" or not any(e[0] - at in SPAN for at, _l in typed)]
    shown: dict[tuple[Any, ...], Event] = {}
    for at_ns, kind, text in sorted(lines + done):
        second = (at_ns - attempt.start_ns) // S
        own = (at_ns, text) if kind in EACH else ()
        shown.setdefault((kind, second < 0, *own), (second, kind, text))
    return [*shown.values()]


class Debrief:
    """Two runs of a mission, the learner's and the model's, on one time line."""

    def __init__(self, attempt: Attempt, mission: Mission) -> None:
        self.name, self.title, self.mission = attempt.exercise.name, attempt.exercise.title, mission
        self.start_s = (attempt.users_ns - attempt.start_ns) // S
        self.known_s = (attempt.known_ns - attempt.start_ns) // S
        runs = {_("you"): attempt}
        if attempt.cluster.has_trace:
            runs[_("model")] = attempt.model()
        self.costs = {name: run.figures for name, run in runs.items()}
        self.failed = {name: run.failed_by_second() for name, run in runs.items()}
        self.runs = {name: [e for e in events_of(run) if e[0] >= 0] for name, run in runs.items()}
        self.incident = [event for event in events_of(attempt) if event[0] < 0]
        self.end_s = max(1, *(figures.seconds for figures in self.costs.values()))

    @property
    def code(self) -> str:
        """The score, to be pasted."""
        own = next(iter(self.costs.values()))
        numbers = own.points(self.mission), *own[:4]
        text = f"{self.name}:{'-'.join(map(str, numbers))}"
        return f"{text}-{letters(text)}"

    @property
    def table(self) -> Table:
        """What each run has cost, and the budget."""
        heads = _("requests that failed"), _("seconds"), _("changes"), _("hints"), _("looked first")
        line, costs = _("{n}: {points:+} points"), list[list[str]]()
        for own in self.costs.values():
            shown = *own[:4], "✔" if own.looked else "–"
            parts = zip(shown, own.parts(self.mission), strict=True)
            costs.append([line.format(n=n, points=points) for n, points in parts])
        worth = zip(self.mission.limits, (40, 20, 20), strict=True)
        limit = _("at most {n}; with 0: +{points} points")
        limits = *(limit.format(n=n, points=points) for n, points in worth), "", ""
        points = [
            str(own.points(self.mission)) if own.solved else _("0: not won")
            for own in self.costs.values()
        ]
        rows = *zip(heads, *costs, limits, strict=True), (_("points"), *points, _("of 100"))
        title = _("Debrief: {title}", title=_(self.title))
        return Table(title, ("", *self.costs, _("budget")), rows)

    @property
    def history(self) -> Table:
        """The incident, and what happened in each run, side by side."""
        columns = {_("before"): self.incident, **self.runs}
        places: dict[tuple[int, str], list[int]] = {}
        for n, events in enumerate(columns.values()):
            for at, _kind, text in events:
                places.setdefault((at, text), []).append(n)
        rows = (
            (f"{at:+} s", *(text * (n in ns) for n in range(len(columns))))
            for (at, text), ns in sorted(places.items())
        )
        return Table("", (_("When"), *columns), tuple(rows))

    @property
    def lines(self) -> Iterator[str]:
        """When the cause could be seen, when it was looked for, and the code."""
        line = _("**You could have known at least {s} s before the call:** `{look}` shows {what}.")
        yield line.format(s=-self.known_s, look=self.mission.look, what=_(self.mission.shows))
        own = next(iter(self.runs.values()))
        first = {kind: f"+{at} s" for at, kind, _text in reversed(own)}
        look, asked = first.get("look", "–"), first.get("asked", "–")
        yield _("Your first look: {look}. Your first change: {asked}.", look=look, asked=asked)
        yield _("Your score, to paste: `{code}`", code=self.code)

    def __repr__(self) -> str:
        lines = "\n".join(self.lines).replace("**", "")
        return f"{self.table!r}\n{lines}\n{self.history!r}"

    def _repr_html_(self) -> Markup:
        lines = big(Markup("<br>").join(map(marked, self.lines)))
        below = lines + self.history._repr_html_()
        return self.table._repr_html_() + draw.view(self._drawing()) + below

    def _drawing(self) -> Markup:
        """The incident, and of each run what was done and the requests that failed."""
        lanes = [self._marks(_("before"), self.incident)]
        for name, events in self.runs.items():
            lanes += self._marks(name, events), self._bars(self.failed[name])
        notes = {0: _("the call"), self.known_s: _("you could have known")}
        uprights = [draw.upright(self._left(at), "threshold", len(lanes) + 1) for at in notes]
        uprights += [draw.note(self._left(at), text) for at, text in notes.items()]
        shown = chain(self.incident, *self.runs.values())
        kinds = dict.fromkeys(kind for _at, kind, _text in shown)
        signs = [(draw.shape(LOOKS[kind]), _(LOOKS[kind].title)) for kind in kinds]
        signs.append((draw.swatch("", VERMILLION), _("requests that failed")))
        chart = draw.lane("", *uprights), *lanes, draw.axis(self.start_s, self.end_s)
        return draw.legend(signs) + draw.drawing(repr(self), *chart)

    def _marks(self, name: str, events: list[Event]) -> Markup:
        marks = ((self._left(at), draw.shape(LOOKS[kind], title=t)) for at, kind, t in events)
        return draw.lane(name, *(draw.mark(left, sign) for left, sign in marks))

    def _bars(self, failed: Counter[int]) -> Markup:
        counts = Counter[int]()
        for second, count in failed.items():
            counts[second // STEP_S * STEP_S] += count
        style = "top:auto;bottom:0;height:{:.0f}%"
        return draw.lane("", *(
            draw.bar(self._left(at), self._left(at + STEP_S), "", VERMILLION, title=str(n),
                     style=style.format(min(100, 100 * n / RATE / STEP_S)))
            for at, n in counts.items() if n
        ))  # fmt: skip

    def _left(self, second: float) -> float:
        """Where it is on the line, in percent."""
        return draw.percent(second, self.start_s, self.end_s)


# -- codes -------------------------------------------------------------------------------------
def letters(text: str) -> str:
    """Three letters that tell a mistyped code; they keep no one from making one up."""
    return f"{zlib.crc32(text.encode()) % 4096:03x}"


@checked
def compare_scores(text: str) -> Table | Callout:
    """The scores found in a text, such as a class's chat, best first:
    `compare_scores("Ana zone_dies:83-120-65-2-0-1f3")`. Lesson: 20_missions.

    >>> compare_scores("no code here").title
    'No score found'
    """
    rows, names = [], re.split(CODE, text)
    for name, mission, numbers, check in zip_longest(*[iter(names)] * 4):
        if mission in bank() and check == letters(f"{mission}:{numbers}"):
            who = name.strip(" \n:,;–-").rpartition("\n")[2] or "–"
            rows.append((who, _(bank()[mission].title), *numbers.split("-")))
    if not rows:
        return Callout(_("No score found"), (_("Paste each whole, with a name before it."),))
    rows.sort(key=lambda row: (row[1], -int(row[2])))
    heads = _("Points"), _("Failed"), _("Seconds"), _("Changes"), _("Hints")
    return Table(_("Scores"), (_("Who"), _("Mission"), *heads), tuple(rows))
