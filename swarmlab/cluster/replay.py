"""Replays a run from its configuration and journal; saves and loads both as a small file.

The file also holds the digest of the trace, which has to come out the same: equal seeds, equal
traces. How a cluster is built is given to `replay`, which knows no kind of cluster.
"""

from __future__ import annotations

import errno
import json
import math
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Protocol, TypeVar, cast

from swarmlab.cluster.files import replace_file
from swarmlab.cluster.journal import JournalEntry
from swarmlab.errors import LabError, SwarmError
from swarmlab.simulation import S
from swarmlab.strings import N_

if TYPE_CHECKING:
    from swarmlab.cluster.checkpoints import Checkpoints
    from swarmlab.cluster.world import World

FILE_FORMAT, SIZE_MAX = 2, 100_000_000  # bytes
SLICE_NS = 10 * S  # after which a replay is checked again
Configuration = dict[str, Any]  # `managers` and `workers`, or `engines`; `seed`, `any_image`


class Replayable(Protocol):
    """A cluster whose run can be replayed."""

    journal: list[JournalEntry]
    checkpoints: Checkpoints

    @property
    def world(self) -> World: ...
    def apply(self, entry: JournalEntry) -> None:
        """Do what the entry says, now. A request writes its own entry into the journal."""


NO_FILE = N_("{path} cannot be used: {error}")
C = TypeVar("C", bound=Replayable)
Build = Callable[[Configuration], C]


class EndsDifferently(Exception):
    """The replayed run cannot end as the saved one did."""


class MomentReached(BaseException):
    """The replay has reached its end; no engine may catch this."""


def _stop_replay() -> NoReturn:
    raise MomentReached


def replay(
    cluster: C, journal: list[JournalEntry], until_ns: int, messages_max: float = math.inf
) -> C:
    """Replay a run up to a moment on a cluster that has done the first of it: see its own journal.

    What is requested at that very moment stays unanswered. EndsDifferently: nodes have sent each
    other more than `messages_max`.
    """
    simulation, done = cluster.world.simulation, len(cluster.journal)
    ends_ns = [*(entry.at_ns for entry in journal[done + 1 :]), until_ns]
    for number, (entry, end_ns) in enumerate(zip(journal[done:], ends_ns, strict=False), done):
        if entry.at_ns > until_ns:
            break
        if entry.at_ns > simulation.now_ns:  # else what is due at this moment comes after it
            advance(cluster, entry.at_ns, messages_max)
        try:
            if entry.verb == "request":  # time runs until it is answered
                _repeat_request(cluster, entry, min(end_ns, until_ns))
            else:
                cluster.apply(entry)
                cluster.journal.append(entry)
        except SwarmError as error:
            raise LabError("journal[{n}]: {error}", n=number, error=error) from None
    if until_ns > simulation.now_ns:
        advance(cluster, until_ns, messages_max)
    return cluster


def advance(
    cluster: Replayable,
    when_ns: int,
    messages_max: float = math.inf,
    tell: Callable[[], Any] = bool,
) -> None:
    """Process all events due at or before `when_ns`, telling of it, with checkpoints on the way."""
    simulation, slice_ns = cluster.world.simulation, 0
    while slice_ns < when_ns:
        next_ns = simulation.next_ns
        slice_ns = when_ns if next_ns is None else max(next_ns, simulation.now_ns) + SLICE_NS
        tell()
        simulation.run_until(min(slice_ns, when_ns))
        if cluster.world.network.messages > messages_max:
            raise EndsDifferently
        cluster.checkpoints.add(cluster.world, len(cluster.journal))


def _repeat_request(cluster: Replayable, entry: JournalEntry, until_ns: int) -> None:
    simulation, count = cluster.world.simulation, len(cluster.journal)
    until_ns = max(until_ns, simulation.now_ns)
    limit = simulation.at(until_ns + 1, _stop_replay)
    try:
        cluster.apply(entry)
    except MomentReached:
        simulation.now_ns = until_ns
    limit.cancel()
    if len(cluster.journal) > count:
        cluster.journal[-1] = entry  # the stand-ins of its stand-ins would differ


def past_of(cluster: Any, until_ns: int) -> Any:
    """A simulated cluster as it was at a moment: replayed from the last checkpoint before it.

    The replay keeps checkpoints too, where there are none yet.
    """
    checkpoints = cluster.checkpoints
    if kept := checkpoints.before(until_ns).kept:
        _, entries, world = kept[-1]
        past = type(cluster)(world.thaw(), cluster.configuration, cluster.journal[:entries])
    else:
        past = cluster.build(cluster.configuration)
    past.checkpoints = checkpoints
    replay(past, cluster.journal, until_ns)
    past.checkpoints = checkpoints.before(until_ns)
    return past


def save(cluster: Replayable, configuration: Configuration, path: Path) -> Path:
    """Write the run to `path`: whole, or not at all."""
    simulation = cluster.world.simulation
    run = {
        "swarmlab": FILE_FORMAT,
        "configuration": configuration,
        "now_ns": simulation.now_ns,
        "digest": simulation.trace.digest(),
        "messages": cluster.world.network.messages,
        "journal": [[entry.at_ns, entry.verb, *entry.args] for entry in cluster.journal],
    }
    try:
        replace_file(path, json.dumps(run, indent=1) + "\n")
    except (OSError, ValueError) as error:
        raise _no_file(path, error) from None
    return path


def load(build: Build[C], path: Path) -> C:
    """Replay a saved run; LabError when the file is not one, or its run ends differently here."""
    run = _checked(path)
    configuration, digest, messages = (run[key] for key in ("configuration", "digest", "messages"))
    journal = [JournalEntry(ns, verb, tuple(args)) for ns, verb, *args in run["journal"]]
    nodes = configuration.get("managers", 0) + configuration.get("workers", 0)
    try:
        if nodes <= messages + 1:  # each node but the first has joined by messages
            cluster = replay(build(configuration), journal, run["now_ns"], messages)
            if cluster.world.simulation.trace.digest() == digest:
                return cluster
    except EndsDifferently:
        pass
    except LabError as error:
        raise LabError("{path} is damaged: {error}", path=path, error=error) from None
    raise LabError(
        "{path}: its run ends differently here; it was altered, or saved by another version of "
        "swarmlab",
        path=path,
    )


def _no_file(path: Path, error: Exception) -> LabError:
    """Why it cannot be opened; Python has a ValueError for a name that no system would take."""
    if isinstance(error, OSError):
        return LabError(NO_FILE, path=path, error=error.strerror)
    return LabError(NO_FILE, path=ascii(str(path)), error=os.strerror(errno.EINVAL))


def _checked(path: Path) -> dict[str, Any]:
    """The content of a file that is a saved run as far as `saved_run.yml` says."""
    place, error, run = "", "", None
    try:
        with path.open("rb") as file:
            data = file.read(SIZE_MAX + 1)
    except (OSError, ValueError) as missing:
        raise _no_file(path, missing) from None
    try:
        if len(data) > SIZE_MAX:
            raise ValueError(f"it is larger than {SIZE_MAX} bytes")
        run = json.loads(data, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as unreadable:
        error = str(unreadable)
    else:
        found = run.get("swarmlab") if isinstance(run, dict) else None
        if type(found) is int and found != FILE_FORMAT:
            raise LabError(
                "{path} has format {found}; this swarmlab reads format {wanted}",
                path=path,
                found=found,
                wanted=FILE_FORMAT,
            )
        if (fault := next(_schema().iter_errors(run), None)) is not None:
            place, error = fault.json_path.removeprefix("$"), fault.message
        elif late := _disorder([*(row[0] for row in run["journal"]), run["now_ns"]]):
            place, error = f".journal[{late - 1}][0]", "is later than what follows"
    if error:
        raise LabError(
            "{path} is not a saved cluster, or is damaged{place}: {error}",
            path=path,
            place=place and f" at {place[1:]}",
            error=error[:200],
        )
    return cast(dict[str, Any], run)


def _refuse_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not a number")


def _disorder(times: list[int]) -> int:
    """The place of the first time that is earlier than the one before it; 0 without one."""
    return next((n for n in range(1, len(times)) if times[n] < times[n - 1]), 0)


@cache
def _schema() -> Any:
    """The validator; loaded only when a file is, since this takes a moment."""
    import yaml
    from jsonschema import Draft202012Validator
    from jsonschema.validators import extend

    rules = yaml.safe_load(Path(__file__).with_name("saved_run.yml").read_text("utf-8"))
    whole = Draft202012Validator.TYPE_CHECKER.redefine("integer", lambda _, n: type(n) is int)
    return extend(Draft202012Validator, type_checker=whole)(rules)
