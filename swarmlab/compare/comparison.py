"""Compares the results of one scenario: facts that agree or differ, and events on one time axis."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain, zip_longest
from typing import Any

from markupsafe import Markup

from swarmlab.cluster.calls import checked
from swarmlab.cluster.factory import simulate
from swarmlab.cluster.interface import MakeCluster
from swarmlab.compare.scenario import ScenarioResult, chosen, play, recorded, scenarios
from swarmlab.errors import NoneSuch
from swarmlab.strings import _, seconds
from swarmlab.views.html import ShownAs, Table
from swarmlab.views.palette import CIRCLE, ORANGE, SKY_BLUE, SQUARE, WHITE, Look
from swarmlab.views.primitives import axis, bar, drawing, lane, mark, shape, view
from swarmlab.views.progress import each

# Durations hold chance: elections, heartbeats. They agree within this factor, or these seconds.
FACTOR, SLACK_S = 2.0, 3.0
GAP = 10  # percent of the chart's width: events closer than this share one label
MARKS = Look("", "", SQUARE, ORANGE), Look("", "", CIRCLE, SKY_BLUE)  # real, simulated


@checked
def compare(*names: str, against: MakeCluster | None = None) -> Comparisons:
    """Play these scenarios, or all, on a simulated cluster and against real engines:
    `compare("spread")`.

    Lesson: 30_is_the_simulator_right.
    """
    one = partial(compare_one, against=against)
    return Comparisons(tuple(each(_("scenarios played"), one, chosen(names))))


def compare_one(name: str, against: Callable[..., Any] | None = None) -> Comparison:
    """One scenario on both sides."""
    real = play(name, against) if against else recorded()[name]
    return Comparison(name, scenarios()[name]["about"], play(name, simulate), real)


def fact_text(fact: Any) -> str:
    """A fact as people read it: `m1: 2, w1: 3`."""
    if isinstance(fact, dict):
        return ", ".join(f"{key}: {value}" for key, value in fact.items())
    return ", ".join(map(str, fact)) if isinstance(fact, list) else str(fact)


@dataclass(frozen=True, slots=True, repr=False)
class Comparison:
    """A scenario on both sides."""

    name: str
    about: str
    simulated: ScenarioResult
    real: ScenarioResult

    @property
    def agreement(self) -> dict[str, bool]:
        """Each fact of either side -> whether both sides agree on it."""
        return {key: self._agree(key) for key in self.real.facts | self.simulated.facts}

    def _agree(self, key: str) -> bool:
        simulated, real = self.simulated.facts.get(key), self.real.facts.get(key)
        if not key.startswith("~") or simulated is None or real is None:
            return bool(simulated == real)
        less, more = sorted((simulated, real))
        return bool(more <= less * FACTOR or more - less <= SLACK_S)

    @property
    def agrees(self) -> bool:
        stopped = self.simulated.stopped or self.real.stopped
        return not stopped and bool(self.agreement) and all(self.agreement.values())

    @property
    def facts_table(self) -> Table:
        """Each fact on both sides, and why a side stopped early."""
        yes, no, about = _("✔ yes"), _("✘ NO"), _("about {seconds} s")
        results, rows = (self.simulated, self.real), []
        for key, agree in self.agreement.items():
            facts = [result.facts.get(key) for result in results]
            if key.startswith("~"):
                facts = [about.format(seconds=fact) for fact in facts]
            rows.append((_(key.lstrip("~")), *map(fact_text, facts), yes if agree else no))
        heads = _("Fact"), self.simulated.title, self.real.title, _("Do they agree?")
        notes = tuple(f"✘ {result.title}: {result.stopped}" for result in results if result.stopped)
        return Table(f"{self.name}: {_(self.about)}", heads, tuple(rows), notes)

    @property
    def events_table(self) -> Table:
        """Each step, and when it ended on both sides."""
        rows = []
        pairs = zip_longest(self.simulated.events, self.real.events)
        for number, events in enumerate(pairs, start=1):
            times = [seconds(event[0]) if event else "–" for event in events]
            step = next(event[1] for event in events if event)
            rows.append((str(number), step, *times))
        heads = "", _("What happened"), self.simulated.title, self.real.title
        return Table("", heads, tuple(rows))

    def __repr__(self) -> str:
        return f"{self.facts_table!r}\n\n{self.events_table!r}"

    def _repr_html_(self) -> str:
        tables = self.facts_table._repr_html_(), self.events_table._repr_html_()
        return f"{tables[0]}{event_chart(self)}{tables[1]}"


def event_chart(comparison: Comparison) -> Markup:
    """Both sides' events on one axis of seconds; numbered as in `events_table`."""
    results = comparison.simulated, comparison.real
    end_s = max([1.0, *(at_s for result in results for at_s, _step in result.events)])
    lanes = chain.from_iterable(event_lanes(result, end_s) for result in results)
    label = _("Two lanes on one time axis: {name}. The table below has the same.")
    alt = label.format(name=comparison.name)
    return view(drawing(alt, *lanes, axis(0, end_s), style="--names:7.5em;padding-right:1em"))


def event_lanes(result: ScenarioResult, end_s: float) -> Iterator[Markup]:
    """One side's events from left to right, and above them their numbers.

    Events that lie close to each other share one label, such as 3–5.
    """
    look, marks = MARKS[result.kind == "simulated"], []
    labels: dict[float, list[int]] = {}  # place -> the numbers of the events there
    for number, (at_s, step) in enumerate(result.events, start=1):
        left = 100 * at_s / end_s
        place = max((other for other in labels if left - other < GAP), default=left)
        labels.setdefault(place, []).append(number)
        marks.append(mark(left, shape(look, title=f"{seconds(at_s)}: {step}")))
    texts = {
        place: f"{numbers[0]}–{numbers[-1]}" if numbers[1:] else str(numbers[0])
        for place, numbers in labels.items()
    }
    yield lane("", *(mark(place, text) for place, text in texts.items()), style="height:1.5em")
    yield lane(result.title.partition(" ")[0], bar(0, 100, "follower", WHITE), *marks)


@dataclass(frozen=True, slots=True, repr=False)
class Comparisons(ShownAs):
    """All scenarios, a line each; index with a name for one of them.

    `compare()["leader_crash"]`. Lesson: 30_is_the_simulator_right.
    """

    all: tuple[Comparison, ...]

    def __getitem__(self, name: str) -> Comparison:
        for comparison in self.all:
            if comparison.name == name:
                return comparison
        known = self._ipython_key_completions_()
        raise NoneSuch("there is no scenario {name!r}; there are {known}", name, known)

    def _ipython_key_completions_(self) -> list[str]:
        return [comparison.name for comparison in self.all]

    @property
    def agree(self) -> int:
        """How many scenarios agree."""
        return sum(comparison.agrees for comparison in self.all)

    @property
    def shown_as(self) -> Table:
        yes, no, rows = _("✔ yes"), _("✘ NO"), []
        for comparison in self.all:
            agreeing, facts = sum(comparison.agreement.values()), len(comparison.agreement)
            agrees = yes if comparison.agrees else no
            rows.append((comparison.name, f"{agreeing} / {facts}", agrees, _(comparison.about)))
        heads = _("Scenario"), _("Facts that agree"), _("Do they agree?"), _("What it shows")
        summary = _("{agree} of {all} scenarios: simulated and real engines agree.")
        note = _(
            "The real side is a recording. To see it live, on your own Docker, add"
            " `against=swarmlab.launch`."
        )
        recording = any(comparison.real.kind == "recorded" for comparison in self.all)
        title = summary.format(agree=self.agree, all=len(self.all))
        return Table(title, heads, tuple(rows), (note,) if recording else ())
