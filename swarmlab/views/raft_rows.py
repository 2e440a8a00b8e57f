"""What the Raft columns show, as finished rows: managers, their logs, and the messages between."""

from __future__ import annotations

from collections import Counter
from dataclasses import astuple, dataclass
from typing import Any

from swarmlab.simulation import MS, InFlight, S
from swarmlab.strings import _
from swarmlab.views.election import Logs, logs
from swarmlab.views.palette import ROLES

ENTRIES_MAX = 4  # shown of each log, the newest
MODULE = "raft.messages"  # where Raft's messages are at home; nodes say other things, too


@dataclass(frozen=True, slots=True)
class Scene:
    """The managers and the messages between them at one moment."""

    now_ns: int
    logs: Logs
    messages: list[dict[str, Any]]  # Raft's, on their way, the soonest first

    @property
    def words(self) -> str:
        """The text twin."""
        on_their_way = [row["label"] for row in self.messages] or [_("No message is on its way.")]
        return "\n".join([self.clock, repr(self.logs), *on_their_way])

    @property
    def clock(self) -> str:
        return f"t = {self.now_ns / S:.5f} s"

    @property
    def columns(self) -> list[dict[str, Any]]:
        return [self._column(name) for name in self.logs.managers]

    def _column(self, name: str) -> dict[str, Any]:
        status = self.logs.statuses.get(name)
        role = "down" if status is None else str(status.role)
        facts, log = [], list[list[Any]]()
        if status is not None:
            vote = self.logs.names.get(status.vote) or "–"
            facts = [
                _("term {term}", term=status.term),
                _("vote: {name}", name=vote),
                _("commit #{index}", index=status.commit_index),
            ]
            log = [self._entry(status, index) for index in self.logs.indexes[-ENTRIES_MAX:]]
        word = _(ROLES[role].word)
        return {
            "name": name,
            "role": role,
            "look": [*astuple(ROLES[role])],
            "word": word,
            "facts": facts,
            "log": log,
            "action": ["start", _("Start")] if status is None else ["crash", _("Crash")],
            "label": ", ".join([name, word, *facts]),
        }

    def _entry(self, status: Any, index: int) -> list[Any]:
        """[index, text, committed or not]; without text where the log has no such entry."""
        cell = self.logs.cell(status, index)
        line = _("#{index} term {term} {mark}")
        text = line.format(index=index, term=cell[:-1], mark=cell[-1:]) if cell else ""
        return [index, text, cell.endswith("✔")]


def raft_messages(cluster: Any) -> list[InFlight]:
    """The messages on their way that are Raft's, the soonest first."""
    return [flight for flight in cluster.in_flight() if _is_raft(flight)]


def _is_raft(flight: InFlight) -> bool:
    return type(flight.message).__module__.endswith(MODULE)


def scene(cluster: Any) -> Scene:
    """A simulated cluster's managers at this moment; nothing moves by looking."""
    with cluster.lock:
        table, now_ns = logs(cluster), cluster.now_ns
        links = Counter[tuple[str, str]]()
        rows: dict[str, dict[str, Any]] = {}  # by key
        for flight in cluster.in_flight():
            link = flight.source, flight.target
            if _is_raft(flight) and {*link} <= {*table.managers}:
                row = _message(cluster, flight, links[link], table.managers)
                while row["key"] in rows:  # two that arrive at the same moment
                    row["key"] += "+"
                rows[row["key"]] = row
            links[link] += 1
    return Scene(now_ns, table, list(rows.values()))


def _message(
    cluster: Any, flight: InFlight, place: int, managers: tuple[str, ...]
) -> dict[str, Any]:
    """Where it is between its two columns; `place`: how many arrive before it on its link."""
    source, target = flight.source, flight.target
    network = cluster.machine(source).network
    link = network.links.get((source, target), network.link)
    rest_ns, whole_ns = flight.arrives_ns - cluster.now_ns, link.delay_ns + link.jitter_ns
    tone, text = says(flight.message)
    label = _("{source} to {target}: {text}, arrives in {ms:.2f} ms")
    return {
        "key": f"{source} {target} {flight.arrives_ns}",
        "source": source,
        "target": target,
        "place": place,
        "from": managers.index(source),
        "to": managers.index(target),
        "progress": round(min(1.0, max(0.0, 1 - rest_ns / max(1, whole_ns))), 3),
        "tone": tone,
        "text": text,
        "label": label.format(source=source, target=target, text=text, ms=rest_ns / MS),
    }


def says(message: Any) -> tuple[str, str]:
    """Who speaks (leader, candidate, or whoever answers), and what, in few words."""
    match type(message).__name__:
        case "AppendEntries" if message.entries:
            first, last = message.entries[0].index, message.entries[-1].index
            numbers = f"#{first}" if first == last else f"#{first}–#{last}"
            return "leader", _("write {numbers}", numbers=numbers)
        case "AppendEntries":
            return "leader", _("♥ committed #{index}", index=message.commit)
        case "AppendReply" if message.rejected:
            return "answer", _("✘ I lack #{index}", index=message.index)
        case "AppendReply":
            return "answer", _("✔ I have #{index}", index=message.index)
        case "RequestVote":
            return "candidate", _("vote for me, term {term}?", term=message.term)
        case "VoteReply":
            return "answer", _("✔ my vote") if message.granted else _("✘ no vote")
        case "InstallSnapshot":
            index = message.snapshot.index
            return "leader", _("snapshot up to #{index}", index=index)
        case "TimeoutNow":
            return "leader", _("stand for election now")
    return "answer", _("you are removed")


# -- what changed ----------------------------------------------------------------------------------
def changes(before: Scene, after: Scene) -> list[str]:
    """One sentence a change: who stands, votes, leads; who has which entry; what is committed."""
    said: list[str] = []
    for name in after.logs.managers:
        old, new = before.logs.statuses.get(name), after.logs.statuses.get(name)
        if old is None or new is None:
            if old is not new:
                line = _("{name} is up again.") if new else _("{name} is down.")
                said.append(line.format(name=name))
            continue
        words = {"name": name, "term": new.term, "index": new.last_index}
        words |= {"commit": new.commit_index, "vote": after.logs.names.get(new.vote, "?")}
        said += [line.format(**words) for line in _changes(old, new)]
    return said


def _changes(old: Any, new: Any) -> list[str]:
    """Of one manager."""
    said, role = [], str(new.role)
    if (str(old.role), old.term) != (role, new.term):
        lines = {
            "leader": _("{name} leads: it has a majority of the votes of term {term}."),
            "candidate": _("{name} hears no leader and stands for election in term {term}."),
            "follower": _("{name} follows in term {term}."),
        }
        said.append(lines[role])
    if (old.vote, old.term) != (new.vote, new.term) and new.vote not in (0, new.raft_id):
        said.append(_("{name} votes for {vote}."))
    if new.last_index > old.last_index:
        said.append(_("{name} writes #{index}."))
    if new.commit_index > old.commit_index:
        said.append(_("{name} knows that #{commit} is committed."))
    return said
