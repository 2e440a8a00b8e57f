"""The talk's quorum slide (32): computed, and beside it what a cluster of each size did.

The clusters are made and broken by `swarmlab.lessons.experiments`; this module shows the outcome.
"""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from swarmlab.raft.quorum import quorum
from swarmlab.strings import _
from swarmlab.views.html import Callout, ShownAs, Table
from swarmlab.views.palette import YELLOW
from swarmlab.views.primitives import drawing, legend, swatch, view, votes


def tolerated(managers: int) -> int:
    """How many managers can fail while the others still make a quorum."""
    return managers - quorum(managers)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofStep:
    """An attempt to write, after `crashed` was crashed."""

    crashed: str  # a manager's name, empty before the first crash
    up: int  # managers that are up
    error: str  # the swarm's answer, empty when it accepted the write


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class QuorumRow(ShownAs):
    """One row of the slide, and what a cluster of that size did."""

    managers: int
    seed: int
    steps: tuple[ProofStep, ...]  # empty: not tried
    real: bool  # observed on real engines

    @property
    def quorum(self) -> int:
        return quorum(self.managers)

    @property
    def tolerated(self) -> int:
        return tolerated(self.managers)

    @property
    def observed(self) -> int:
        """How many managers were down when the last write was accepted; -1 if none ever was."""
        return len([step for step in self.steps if not step.error]) - 1

    @property
    def error(self) -> str:
        """The swarm's answer to the write that it refused."""
        return self.steps[-1].error

    @property
    def agrees(self) -> bool:
        return self.observed == self.tolerated

    @property
    def shown_as(self) -> Callout:
        """What happened, a line per step."""
        lines = []
        for step in self.steps:
            crashed = _("{name}, the leader, crashed", name=step.crashed)
            up = _("{up} of {all} up", up=step.up, all=self.managers)
            answer = f"✘ {step.error}" if step.error else _("✔ write accepted")
            lines.append(f"{crashed if step.crashed else _('all is well')}, {up}: {answer}")
        end = _("Failures it survived: {observed}. Computed: {managers} − {quorum} = {tolerated}.")
        counts = {"managers": self.managers, "quorum": self.quorum, "tolerated": self.tolerated}
        title = _("Managers: {managers} (seed {seed})", managers=self.managers, seed=self.seed)
        return Callout(title, (*lines, end.format(observed=self.observed, **counts)))


@dataclass(frozen=True, slots=True, repr=False)
class QuorumTable(ShownAs):
    """The slide's rows, each with its proof.

    `quorum_table(range(1, 6), make=swarmlab.simulate)` shows it. Lesson: 05_quorum.
    """

    rows: tuple[QuorumRow, ...]

    @property
    def tried(self) -> list[QuorumRow]:
        return [row for row in self.rows if row.steps]

    def gain(self, row: QuorumRow) -> str:
        """What this row survives beyond the row with one manager less, as observed."""
        before = next((r for r in self.tried if r.managers == row.managers - 1), None)
        if before is None or not row.steps:
            return "–"
        more = row.observed - before.observed
        if more > 0:
            return _("survives {more} more failure", more=more)
        if row.quorum > before.quorum:
            line = _("no gain: needs {quorum} up instead of {less}")
            return line.format(quorum=row.quorum, less=before.quorum)
        return _("no gain")

    @property
    def cells(self) -> list[tuple[str, ...]]:
        agree, differ = _("✔ yes"), _("✘ NO")
        cells: list[tuple[str, ...]] = []
        for row in self.rows:
            observed = (str(row.observed), agree if row.agrees else differ)
            computed = str(row.managers), str(row.quorum), str(row.tolerated)
            cells.append((*computed, *(observed if row.steps else ("–", "–")), self.gain(row)))
        return cells

    @property
    def notes(self) -> list[str]:
        right = sum(row.agrees for row in self.tried)
        line = _("{right} of {all} rows: computed and observed agree.")
        notes = [line.format(right=right, all=len(self.tried))]
        if self.tried != list(self.rows):
            notes.append(_("–: not tried. On real engines, each manager takes a minute."))
        line = _("One failure too many, in a swarm of {which}: {error}")
        for error in dict.fromkeys(row.error for row in self.tried):
            sizes = [str(row.managers) for row in self.tried if row.error == error]
            notes.append(line.format(which=", ".join(sizes), error=error))
        return notes

    @property
    def picture(self) -> Markup:
        """A lane per size: a square a manager, a line at the quorum, the spare ones hatched."""
        most = max((row.managers for row in self.rows), default=1)
        lanes = []
        for row in self.rows:
            squares = [("", "")] * row.quorum + [("✖", "down")] * row.tolerated
            line = _("{n} can fail", "{n} can fail", n=row.tolerated)
            lanes.append(votes(str(row.managers), squares, row.quorum, most, line))
        signs = (
            (swatch("", YELLOW), _("must be up: the quorum")),
            (swatch("down", YELLOW), _("spare")),
        )
        return view(legend(signs), drawing(repr(self), *lanes))

    def _repr_html_(self) -> Markup:
        return self.picture + self.shown_as._repr_html_()

    @property
    def shown_as(self) -> Table:
        proof = _("Can fail: computed"), _("observed"), _("agree?")
        heads = (_("Managers"), _("Quorum"), *proof, _("against one fewer"))
        return Table("", heads, tuple(self.cells), tuple(self.notes))
