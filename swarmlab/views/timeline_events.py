"""What happened to a simulated cluster, a mark a thing: what was done to it, and what followed.

What was done comes from its journal, what followed from its trace; neither holds a secret, and of a
request's body only the name is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from swarmlab.cluster import simulated_state
from swarmlab.simulation import MS, Record
from swarmlab.strings import N_, _
from swarmlab.views import palette
from swarmlab.views.palette import LOOKS, ROLES, Look

# Where marks stand too close, the one that comes first here stands for all of them.
MARKS = {
    "fault": Look("✖", N_("fault"), palette.DIAMOND, palette.VERMILLION),
    "failed": LOOKS["failed"],
    "leader": ROLES["leader"],
    "lost": LOOKS["lost"],
    "repair": Look("+", N_("repair"), palette.CIRCLE, palette.BLUISH_GREEN),
    "asked": Look("A", N_("what you asked"), palette.SQUARE, palette.BLUE, palette.WHITE),
    "update": Look("U", N_("update"), palette.ARROW_UP, palette.SKY_BLUE),
}
# What managers decide is seen once a quorum has it, some ms later; a request has first to come in.
COMMIT_NS, REQUEST_NS = 100 * MS, 200 * MS
PLACES_MAX = 20  # marks that stand side by side, so that each can be read and clicked


@dataclass(frozen=True, slots=True)
class Mark:
    at_ns: int
    kind: str  # a key of MARKS
    words: str


def marks(cluster: Any) -> list[Mark]:
    """All that happened so far, the oldest first."""
    with cluster.lock:
        seen = simulated_state.read(cluster)
        names = {node["ID"]: node["Description"].get("Hostname", "") for node in seen.nodes}
        names |= {service["ID"]: service["Spec"]["Name"] for service in seen.services}
        found = [_done(entry, names) for entry in cluster.journal]
        found += filter(None, map(_followed, cluster.trace))
        found = [mark for mark in found if mark.at_ns <= cluster.now_ns]
    return sorted(found, key=lambda mark: mark.at_ns)


def _done(entry: Any, names: dict[str, str]) -> Mark:
    lines = {
        "crash": _("{0} crashes"),
        "stop": _("{0} is stopped"),
        "start": _("{0} starts"),
        "heal": _("the network is whole again"),
        "drop": _("the next message from {0} to {1} is lost"),
        "traffic": _("{1} requests a second to {0}, from {2}"),
    }
    args, kind = entry.args, "fault"
    match entry.verb:
        case "request":
            line = command(names, *args[1:])
            return Mark(entry.at_ns + REQUEST_NS + COMMIT_NS, "asked", line)
        case "partition":
            sides = "  |  ".join(" ".join(side) for side in args)
            line = _("the network is cut:  {sides}", sides=sides)
        case "slow":
            line = _("the link of {0} and {1} takes {ms:g} ms, and loses a share of {3:g}")
            line = line.format(*args, ms=args[2] / MS)
        case verb:
            kind = {"start": "repair", "heal": "repair", "traffic": "asked"}.get(verb, kind)
            line = lines[verb].format(*args)
    return Mark(entry.at_ns, kind, line)


def command(names: dict[str, str], method: str, path: str, body: Any) -> str:
    """`POST /v1.50/services/create` as `service create web`; `names`: id -> name.

    >>> command({"a1": "w1"}, "POST", "/v1.50/nodes/a1/update?version=7", {"Role": "manager"})
    'node update w1'
    """
    room, *rest = re.sub(r"^/v[\d.]+", "", path.partition("?")[0]).strip("/").split("/")
    verb = "rm" if method == "DELETE" else rest[-1] if rest else ""
    id = rest[0] if rest and (verb == "rm" or len(rest) > 1) else ""
    named = body.get("Name") if isinstance(body, dict) else ""
    return " ".join(filter(None, [room.rstrip("s"), verb, named or names.get(id, id[:12])]))


def _followed(record: Record) -> Mark | None:
    values: Any = record
    kind = line = ""
    match type(record).__name__:
        case "BecameLeader":
            kind, line = "leader", _("{r.where} leads, term {r.term}")
        case "TaskStatusChanged" if str(values.state) in palette.FAILED:
            kind, line = "failed", _("{task} failed on {r.where}: {r.err}")
        case "NodeStateChanged" if str(values.state) == "down":
            kind, line = "lost", _("the managers believe {r.node} is down")
        case "UpdateStateChanged":
            kind, line = "update", _("update of {r.service}: {r.message}")
    task = getattr(record, "name", "").rpartition(".")[0]
    return Mark(record.at_ns + COMMIT_NS, kind, line.format(r=record, task=task)) if kind else None


def groups(found: Iterable[Mark], end_ns: int) -> list[list[Mark]]:
    """Marks that stand too close on a line from 0 to `end_ns`, together; there are never many."""
    grouped: list[list[Mark]] = []
    for mark in found:
        if grouped and (mark.at_ns - grouped[-1][0].at_ns) * PLACES_MAX < end_ns:
            grouped[-1].append(mark)
        else:
            grouped.append([mark])
    return grouped
