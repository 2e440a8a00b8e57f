"""The talk's quorum slide (32), computed, and then proven on clusters that are broken on purpose.

`prove` knows nothing of the formula: it crashes leaders until no manager takes a write any more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import docker
import requests

from swarmlab.errors import LabError
from swarmlab.raft.quorum import quorum
from swarmlab.simulation import S
from swarmlab.strings import _
from swarmlab.views.html import Callout, ShownAs, only_simulated
from swarmlab.views.snapshot import look
from swarmlab.views.tables import Table

Make = Callable[..., Any]  # swarmlab.simulate, or whatever makes a cluster of managers and workers

# Time for an election after a crash: 10 to 19 s a try, and a split vote takes another.
PATIENCE, PATIENCE_TRIES = "15s", 7
SETTLE = "10s"  # until what was on its way before is there
# On real engines every manager is one, and the minutes are real.
REAL_SIZES, REAL_TRIES = (1, 3), 3


def tolerated(managers: int) -> int:
    """How many managers may fail while the others still make a quorum."""
    return managers - quorum(managers)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofStep:
    """One try to write, after `crashed` was crashed."""

    crashed: str  # a manager's name, empty before the first crash
    up: int  # managers that are up
    error: str  # what the swarm answered, empty when it took the write


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class QuorumRow(ShownAs):
    """One row of the slide, and what a cluster of that size did."""

    managers: int
    seed: int
    steps: tuple[ProofStep, ...]  # empty: not tried
    real: bool  # seen on real engines

    @property
    def quorum(self) -> int:
        return quorum(self.managers)

    @property
    def tolerated(self) -> int:
        return tolerated(self.managers)

    @property
    def observed(self) -> int:
        """How many managers were down when the last write was taken; -1 if none ever was."""
        return len([step for step in self.steps if not step.error]) - 1

    @property
    def error(self) -> str:
        """What the swarm said to the write it refused."""
        return self.steps[-1].error

    @property
    def agrees(self) -> bool:
        return self.observed == self.tolerated

    @property
    def shown_as(self) -> Callout:
        """The play, a line a step."""
        lines = []
        for step in self.steps:
            crashed = _("{name}, the leader, crashed", name=step.crashed)
            up = _("{up} of {all} up", up=step.up, all=self.managers)
            answer = f"✘ {step.error}" if step.error else _("✔ write accepted")
            lines.append(f"{crashed if step.crashed else _('all is well')}, {up}: {answer}")
        end = _("Failures it survived: {observed}. Computed: {managers} − {quorum} = {tolerated}.")
        words = {"managers": self.managers, "quorum": self.quorum, "tolerated": self.tolerated}
        lines.append(end.format(observed=self.observed, **words))
        title = _("Managers: {managers} (seed {seed})")
        return Callout(title.format(managers=self.managers, seed=self.seed), tuple(lines))


def _refusal(cluster: Any, manager: str, name: str) -> str:
    """What this manager answers to a write; empty when it takes it."""
    try:
        cluster.client(manager).configs.create(name=name, data=b"written")
    except docker.errors.APIError as error:
        return str(error.explanation)
    except (requests.exceptions.RequestException, LabError):
        return _("Cannot connect to the Docker daemon: no manager is up.")
    return ""


def _write(cluster: Any, managers: list[str], name: str) -> str:
    """Write through any manager that is up, patiently; the refusal, empty once one takes it."""
    alive = [manager for manager in managers if cluster.is_up(manager)] or managers[:1]
    error = ""
    for attempt in range(PATIENCE_TRIES if cluster.kind == "simulated" else REAL_TRIES):
        for manager in alive:
            error = _refusal(cluster, manager, f"{name}-{attempt}-{manager}")
            if not error:
                return ""
        if not any(map(cluster.is_up, managers)):
            return error
        cluster.run(PATIENCE)
    return error


def prove(managers: int, seed: int = 7, *, make: Make) -> QuorumRow:
    """Crash the leader of a new cluster, again and again, until nobody takes a write any more.

    >>> import swarmlab
    >>> prove(3, make=swarmlab.simulate).observed
    1
    """
    cluster = make(managers=managers, workers=0, seed=seed)
    names = [name for name in cluster.names if name.startswith("m")]
    crashed, steps = "", list[ProofStep]()
    while not steps or not steps[-1].error:
        error = _write(cluster, names, f"write-{len(steps)}")
        up = sum(cluster.is_up(name) for name in names)
        steps.append(ProofStep(crashed=crashed, up=up, error=error))
        if not error:
            crashed = cluster.default_node()
            cluster.crash(crashed)
            cluster.run(PATIENCE)
    real = cluster.kind != "simulated"
    if real:
        cluster.close()
    return QuorumRow(managers=managers, seed=seed, steps=tuple(steps), real=real)


@dataclass(frozen=True, slots=True, repr=False)
class QuorumTable(ShownAs):
    """The slide's rows, each with its proof."""

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
            line = _("buys nothing: {quorum} must be up, not {less}")
            return line.format(quorum=row.quorum, less=before.quorum)
        return _("buys nothing")

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
        line = _("{right} of {all} rows: computed and seen agree.")
        notes = [line.format(right=right, all=len(self.tried))]
        if self.tried != list(self.rows):
            notes.append(_("–: not tried. On real engines each manager costs one, and a minute."))
        line = _("One failure too many, in a swarm of {which}: {error}")
        for error in dict.fromkeys(row.error for row in self.tried):
            sizes = [str(row.managers) for row in self.tried if row.error == error]
            notes.append(line.format(which=", ".join(sizes), error=error))
        return notes

    @property
    def shown_as(self) -> Table:
        proof = _("May fail: computed"), _("May fail: seen"), _("Do they agree?")
        heads = (_("Managers"), _("Quorum"), *proof, _("Compared with one manager less"))
        return Table("", heads, tuple(self.cells), tuple(self.notes))


def quorum_table(sizes: Iterable[int] = range(1, 8), *, seed: int = 7, make: Make) -> QuorumTable:
    """Compute the slide's rows and prove each on a fresh cluster of that size. Lesson: 05_quorum.

    On real engines only the first size and `REAL_SIZES` are proven.
    """
    rows: list[QuorumRow] = []
    for managers in sizes:
        if any(row.real for row in rows) and managers not in REAL_SIZES:
            rows.append(QuorumRow(managers=managers, seed=seed, steps=(), real=True))
        else:
            rows.append(prove(managers, seed, make=make))
    return QuorumTable(tuple(rows))


def slow_followers(cluster: Any, delay: str = "1s") -> Table | Callout:
    """How long a write takes when no follower, one, two, … all are slow; on copies of the cluster.
    Lesson: 05_quorum.

    >>> import swarmlab
    >>> [row[-1] for row in slow_followers(swarmlab.simulate(managers=3, workers=0)).rows]
    ['0.2 s', '0.2 s', '2.2 s']
    """
    if cluster.kind != "simulated":
        return only_simulated(_("The network between real engines cannot be slowed from here."))
    rows = []
    leader = cluster.default_node()
    followers = [n.name for n in look(cluster).nodes if n.manager and n.name != leader]
    for count in range(len(followers) + 1):
        slow, copy = followers[len(followers) - count :], cluster.fork()
        for name in slow:
            copy.slow(leader, name, delay)
        copy.run(SETTLE)
        begun_ns = copy.now_ns
        copy.client(leader).configs.create(name="written", data=b"written")
        quick = str(len(followers) + 1 - count)
        rows.append((", ".join(slow) or "–", quick, f"{(copy.now_ns - begun_ns) / S:.1f} s"))
    title = _("A write needs a quorum: {quorum} of {all}, the leader {leader} among them.")
    words = {"quorum": quorum(len(followers) + 1), "all": len(followers) + 1, "leader": leader}
    heads = (_("Slow managers"), _("Quick managers"), _("The write is answered after"))
    return Table(title.format(**words), heads, tuple(rows))
