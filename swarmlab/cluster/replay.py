"""Replays a run from its configuration and journal; saves and loads both as a small file.

The file also holds the digest of the trace, which has to come out the same: equal seeds, equal
traces. How a cluster is built is given to `replay`, which knows no kind of cluster.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, Protocol, TypeVar

from swarmlab.cluster.files import replace_file
from swarmlab.cluster.journal import JournalEntry
from swarmlab.cluster.world import World
from swarmlab.engine.clock_drivers import REQUEST_NS
from swarmlab.errors import LabError

FILE_FORMAT = 2
Configuration = dict[str, Any]  # `managers` and `workers`, or `engines`; and `seed`


class Replayable(Protocol):
    """A cluster whose run can be replayed."""

    world: World
    journal: list[JournalEntry]

    def apply(self, entry: JournalEntry) -> None:
        """Do what the entry says, now. A request writes its own entry into the journal."""


C = TypeVar("C", bound=Replayable)
Build = Callable[[Configuration], C]


class MomentReached(BaseException):
    """The replay has reached its end; no engine may catch this."""


def _stop_replay() -> NoReturn:
    raise MomentReached


def replay(
    build: Build[C], configuration: Configuration, journal: list[JournalEntry], until_ns: int
) -> C:
    """Build the cluster again and replay its run up to a moment.

    What is requested at that very moment stays unanswered.
    """
    cluster = build(configuration)
    simulation = cluster.world.simulation
    ends_ns = [*(entry.at_ns for entry in journal[1:]), until_ns]
    for entry, end_ns in zip(journal, ends_ns, strict=False):
        if entry.at_ns > until_ns:
            break
        if entry.at_ns > simulation.now_ns:  # else what is due at this moment comes after it
            simulation.run_until(entry.at_ns)
        if entry.verb == "request":  # time runs until it is answered
            _repeat_request(cluster, entry, min(end_ns, until_ns))
        else:
            cluster.apply(entry)
            cluster.journal.append(entry)
    if until_ns > simulation.now_ns:
        simulation.run_until(until_ns)
    return cluster


def _repeat_request(cluster: Replayable, entry: JournalEntry, until_ns: int) -> None:
    simulation = cluster.world.simulation
    limit = simulation.at(until_ns + 1, _stop_replay)
    try:
        cluster.apply(entry)
    except MomentReached:
        simulation.now_ns = until_ns
        if until_ns < entry.at_ns + REQUEST_NS:  # it had not arrived yet
            cluster.journal.pop()
    limit.cancel()
    if cluster.journal and cluster.journal[-1].at_ns == entry.at_ns:
        cluster.journal[-1] = entry  # the stand-ins of its stand-ins would differ


def save(cluster: Replayable, configuration: Configuration, path: Path) -> Path:
    """Write the run to `path`: whole, or not at all."""
    simulation = cluster.world.simulation
    run = {
        "swarmlab": FILE_FORMAT,
        "configuration": configuration,
        "now_ns": simulation.now_ns,
        "digest": simulation.trace.digest(),
        "journal": [[entry.at_ns, entry.verb, *entry.args] for entry in cluster.journal],
    }
    replace_file(path, json.dumps(run, indent=1) + "\n")
    return path


def load(build: Build[C], path: Path) -> C:
    """Replay a saved run; LabError when the file is not one, or its run ends differently here."""
    try:
        run = json.loads(path.read_text("utf-8"))
        saved_format = run["swarmlab"]
        if saved_format == FILE_FORMAT:
            rows, now_ns, digest = run["journal"], run["now_ns"], run["digest"]
            journal = [JournalEntry(int(ns), str(verb), tuple(args)) for ns, verb, *args in rows]
            configuration = run["configuration"]
    except (ValueError, KeyError, TypeError) as error:
        raise LabError("{path} is not a saved cluster: {error}", path=path, error=error) from None
    if saved_format != FILE_FORMAT:
        raise LabError(
            "{path} has format {found}; this swarmlab reads format {wanted}",
            path=path,
            found=saved_format,
            wanted=FILE_FORMAT,
        )
    cluster = replay(build, configuration, journal, now_ns)
    if cluster.world.simulation.trace.digest() != digest:
        raise LabError(
            "{path} was saved by another version of swarmlab: its run ends differently here",
            path=path,
        )
    return cluster
