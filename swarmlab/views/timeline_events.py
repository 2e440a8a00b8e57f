"""The events on the time line: what was done to a simulated cluster, and what followed.

What was done comes from the cluster's journal, what followed from its trace. Neither holds a
secret, and of a request's body only the name is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from swarmlab.cluster.simulated_state import Simulated, cluster_state
from swarmlab.model import trace_records
from swarmlab.simulation import MS, Record
from swarmlab.strings import N_, _
from swarmlab.views import palette
from swarmlab.views.palette import LOOKS, ROLES, Look

if TYPE_CHECKING:
    from swarmlab.cluster.journal import JournalEntry

# Where events are too close to each other, the kind that comes first here stands for all of them.
EVENT_LOOKS = {
    "fault": Look("✖", N_("fault"), palette.DIAMOND, palette.VERMILLION),
    "failed": LOOKS["failed"],
    "leader": ROLES["leader"],
    "lost": LOOKS["lost"],
    "repair": Look("+", N_("repair"), palette.CIRCLE, palette.BLUISH_GREEN),
    "asked": Look("A", N_("what you asked"), palette.SQUARE, palette.BLUE, palette.WHITE),
    "update": Look("U", N_("update"), palette.ARROW_UP, palette.SKY_BLUE),
}
# A decision is visible once a quorum has it, some ms later; a request has to arrive first.
COMMIT_NS, REQUEST_NS = 100 * MS, 200 * MS
GROUPS_MAX = 20  # side by side, so that each can be read and clicked


@dataclass(frozen=True, slots=True)
class TimelineEvent:
    at_ns: int
    kind: str  # a key of EVENT_LOOKS
    text: str


def timeline_events(cluster: Simulated) -> list[TimelineEvent]:
    """All events so far, the oldest first."""
    with cluster.lock:
        state = cluster_state(cluster)
        names = {node["ID"]: node["Description"].get("Hostname", "") for node in state.nodes}
        names |= {service["ID"]: service["Spec"]["Name"] for service in state.services}
        events = [_action(entry, names) for entry in cluster.journal]
        events += filter(None, map(_consequence, cluster.trace))
        events = [event for event in events if event.at_ns <= cluster.now_ns]
    return sorted(events, key=lambda event: event.at_ns)


def _action(entry: JournalEntry, names: dict[str, str]) -> TimelineEvent:
    """An entry of the journal as an event; `names`: id -> name."""
    lines = {
        "crash": ("fault", _("{0} crashes")),
        "stop": ("fault", _("{0} is stopped")),
        "start": ("repair", _("{0} starts")),
        "heal": ("repair", _("the network is whole again")),
        "drop": ("fault", _("the next message from {0} to {1} is lost")),
        "traffic": ("asked", _("{1} requests a second to {0}, from {2}")),
    }
    args = entry.args
    match entry.verb:
        case "request":
            at_ns = entry.at_ns + REQUEST_NS + COMMIT_NS
            return TimelineEvent(at_ns, "asked", command(names, *args[1:]))
        case "partition":
            sides = "  |  ".join(" ".join(side) for side in args)
            kind, text = "fault", _("the network is cut:  {sides}", sides=sides)
        case "slow":
            line = _("the link of {0} and {1} takes {ms:g} ms, and loses a share of {3:g}")
            kind, text = "fault", line.format(*args, ms=args[2] / MS)
        case verb:
            kind, line = lines[verb]
            text = line.format(*args)
    return TimelineEvent(entry.at_ns, kind, text)


def command(names: dict[str, str], method: str, path: str, body: Any) -> str:
    """`POST /v1.50/services/create` as `service create web`; `names`: id -> name.

    >>> command({"a1": "w1"}, "POST", "/v1.50/nodes/a1/update?version=7", {"Role": "manager"})
    'node update w1'
    """
    noun, *rest = re.sub(r"^/v[\d.]+", "", path.partition("?")[0]).strip("/").split("/")
    verb = "rm" if method == "DELETE" else rest[-1] if rest else ""
    id = rest[0] if rest and (verb == "rm" or len(rest) > 1) else ""
    name = body.get("Name") if isinstance(body, dict) else ""
    return " ".join(filter(None, [noun.rstrip("s"), verb, name or names.get(id, id[:12])]))


def _consequence(record: Record) -> TimelineEvent | None:
    """A record of the trace as an event; None for what the time line does not show."""
    match record:
        case trace_records.BecameLeader():
            text = _("{name} leads, term {term}", name=record.where, term=record.term)
            kind = "leader"
        case trace_records.TaskStatusChanged() if str(record.state) in palette.FAILED:
            line = _("{task} failed on {node}: {error}")
            task = record.name.rpartition(".")[0]
            kind, text = "failed", line.format(task=task, node=record.where, error=record.err)
        case trace_records.NodeStateChanged() if record.state == "down":
            kind, text = "lost", _("the managers believe {node} is down", node=record.node)
        case trace_records.UpdateStateChanged():
            line = _("update of {service}: {message}")
            kind, text = "update", line.format(service=record.service, message=record.message)
        case _:
            return None
    return TimelineEvent(record.at_ns + COMMIT_NS, kind, text)


def grouped(events: Iterable[TimelineEvent], end_ns: int) -> list[list[TimelineEvent]]:
    """The events of a line from 0 to `end_ns`, those that are too close together in one group."""
    groups: list[list[TimelineEvent]] = []
    for event in events:
        if groups and (event.at_ns - groups[-1][0].at_ns) * GROUPS_MAX < end_ns:
            groups[-1].append(event)
        else:
            groups.append([event])
    return groups
