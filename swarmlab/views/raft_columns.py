"""Raft at work, live: a column per manager, the messages in flight; the logs as a table.

Messages take 1 to 2 ms, so time advances in small steps. `static/raft.js` draws `RaftLogs`' rows.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from swarmlab.cluster import simulated_state
from swarmlab.cluster.calls import checked
from swarmlab.cluster.interface import AnyCluster
from swarmlab.cluster.simulated_state import Simulated, Status
from swarmlab.errors import LabError
from swarmlab.raft import messages
from swarmlab.simulation import MS, InFlight, S
from swarmlab.strings import _, number
from swarmlab.views.history import STORED, refused_vote
from swarmlab.views.html import Callout, ShownAs, Table, big, marked, only_simulated
from swarmlab.views.palette import ROLES
from swarmlab.views.primitives import look_rows
from swarmlab.views.recorded import Recording
from swarmlab.views.widget import LiveWidget, source, synced_list, widget_of

TABLE_ENTRIES_MAX, COLUMN_ENTRIES_MAX = 8, 4  # shown of each log, the newest
MESSAGE = "message"  # a step that ends with the next arrival, or the next sending
STEPS = (MESSAGE, "1ms", "10ms", "100ms", "1s", "10s")
# Moments in the recording; no follower campaigns earlier, and one campaigns after 10 to 19 s.
AHEAD_MAX, SILENCE, SILENCE_MS_MAX = 60, "9s", 20_000


# -- the logs ----------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True, repr=False)
class RaftLogs(ShownAs):
    """The log of every manager, and the messages between them, at one moment."""

    now_ns: int
    managers: tuple[str, ...]
    statuses: dict[str, Status]  # by name; none for a manager that is down
    raft_names: dict[int, str]  # raft id -> name
    messages: list[dict[str, Any]]  # Raft's, on their way, the soonest first

    @property
    def heads(self) -> tuple[str, ...]:
        fixed = (_("Manager"), _("Role"), _("Term"), _("Vote for"), _("Committed"))
        return (*fixed, *(f"#{index}" for index in self.indexes))

    @property
    def indexes(self) -> range:
        end = 1 + max((status.last_index for status in self.statuses.values()), default=0)
        return range(max(1, end - TABLE_ENTRIES_MAX), end)

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """`3✔`: an entry of term 3, committed; `3?`: not committed, it may yet be lost."""
        rows = []
        for name in self.managers:
            if (status := self.statuses.get(name)) is None:
                rows.append((name, _("✖ down"), *["" for _cell in self.heads[2:]]))
                continue
            role, vote = _(str(status.role)), self.raft_names.get(status.vote, "?") or "–"
            fixed = (name, role, str(status.term), vote, f"#{status.commit_index}")
            rows.append((*fixed, *(entry_text(status, index) for index in self.indexes)))
        return rows

    @property
    def shown_as(self) -> Table:
        note = _("3✔ = written in term 3, committed. 3? = not committed: it may still be lost.")
        return Table("", self.heads, tuple(self.rows), (note,))

    # -- the columns -----------------------------------------------------------------
    @property
    def text(self) -> str:
        """The text form."""
        on_their_way = [row["label"] for row in self.messages] or [_("No message is on its way.")]
        return "\n".join([self.clock, repr(self), *on_their_way])

    @property
    def clock(self) -> str:
        return f"t = {self.now_ns // S} s {number(self.now_ns % S / MS, '06.2f')} ms"

    @property
    def columns(self) -> list[dict[str, Any]]:
        return [self._column(name) for name in self.managers]

    def _column(self, name: str) -> dict[str, Any]:
        status = self.statuses.get(name)
        role = "down" if status is None else str(status.role)
        facts, log = [], list[list[Any]]()
        if status is not None:
            vote = self.raft_names.get(status.vote) or "–"
            facts = [
                _("term {term}", term=status.term),
                _("vote: {name}", name=vote),
                _("commit #{index}", index=status.commit_index),
            ]
            if role == "candidate":
                got = sum(status.votes.values())
                facts.append(_("votes: {got}, needed: {need}", got=got, need=status.quorum))
            log = [_entry(status, index) for index in self.indexes[-COLUMN_ENTRIES_MAX:]]
        look = look_rows(ROLES)[role]
        return {
            "name": name,
            "role": role,
            "look": look,
            "facts": facts,
            "log": log,
            "action": ["start", _("Start")] if status is None else ["crash", _("Crash")],
            "label": ", ".join([name, look[1], *facts]),
        }


def entry_text(status: Status, index: int) -> str:
    """Term and mark of one entry; empty when this log has no such entry, or it is too old."""
    entry = _find(status, index)
    return f"{entry.term}{'✔' if index <= status.commit_index else '?'}" if entry else ""


def _find(status: Status, index: int) -> messages.Entry | None:
    return next((entry for entry in status.last_entries if entry.index == index), None)


def _entry(status: Status, index: int) -> list[Any]:
    """[index, text, committed or not, what it holds]; no texts if the log has no such entry."""
    entry, cell = _find(status, index), entry_text(status, index)
    if entry is None:
        return [index, "", False, ""]
    line = _("#{index} term {term} {mark}")
    text = line.format(index=index, term=entry.term, mark=cell[-1:])
    holds = entry_content(entry)
    if status.role == "leader" and cell.endswith("?"):
        copies = 1 + sum(match >= index for match in status.matches.values())
        counted = _("copies: {copies}, {need} needed", copies=copies, need=status.quorum)
        holds = f"{holds}, {counted}"
    return [index, text, cell.endswith("✔"), holds]


def entry_content(entry: messages.Entry) -> str:
    """What an entry holds, in few words: its first change, and how many more there are."""
    match entry.data:
        case None:
            return _("new leader")
        case messages.MembershipChange(add=True):
            return _("add member")
        case messages.MembershipChange():
            return _("remove member")
    changes: Any = entry.data  # the manager's
    (action, object), *more = changes
    service, slot = getattr(object, "service_name", ""), getattr(object, "slot", 0)
    name = (f"{service}.{slot}" if slot else service) or object.name
    kind = _(type(object).__name__.removeprefix("Swarm").lower())
    return _(STORED[action], kind=kind, name=name) + (f" +{len(more)}" if more else "")


def raft_messages(cluster: Simulated) -> list[InFlight]:
    """Raft's messages that are on their way, the soonest first."""
    return [flight for flight in cluster.in_flight() if _is_raft(flight)]


def _is_raft(flight: InFlight) -> bool:
    return isinstance(flight.message, messages.Message | messages.MemberRemoved)


def raft_logs(cluster: Simulated) -> RaftLogs:
    """Term, vote and log of every manager of a simulated cluster at this moment, and the messages
    on their way; reading changes nothing."""
    with cluster.lock:
        managers = tuple(simulated_state.managers_ever(cluster))
        statuses = simulated_state.raft_statuses(cluster)
        raft_names, now_ns = simulated_state.raft_names(cluster), cluster.now_ns
        counts = Counter[tuple[str, str]]()  # messages per link so far, of any kind
        rows: dict[str, dict[str, Any]] = {}  # by key
        for flight in cluster.in_flight():
            link = flight.source, flight.target
            if _is_raft(flight) and {*link} <= {*managers}:
                row = _message_row(cluster, flight, counts[link], managers)
                while row["key"] in rows:  # two that arrive at the same moment
                    row["key"] += "+"
                rows[row["key"]] = row
            counts[link] += 1
    return RaftLogs(now_ns, managers, statuses, raft_names, list(rows.values()))


def _message_row(
    cluster: Simulated, flight: InFlight, place: int, managers: tuple[str, ...]
) -> dict[str, Any]:
    """Where it is between its two columns; `place`: how many arrive before it on its link."""
    source, target = flight.source, flight.target
    rest_ns = flight.arrives_ns - cluster.now_ns
    whole_ns = simulated_state.delay_ns_max(cluster, source, target)
    sender, text = message_text(flight.message)
    label = _("{source} to {target}: {text}, arrives in {ms:.2f} ms")
    return {
        "key": f"{source} {target} {flight.arrives_ns}",
        "source": source,
        "target": target,
        "place": place,
        "from": managers.index(source),
        "to": managers.index(target),
        "progress": round(min(1.0, max(0.0, 1 - rest_ns / max(1, whole_ns))), 3),
        "tone": sender,
        "text": text,
        "label": label.format(source=source, target=target, text=text, ms=rest_ns / MS),
    }


def message_text(message: Any) -> tuple[str, str]:
    """The sender's part (leader, candidate, or answer), and the message in few words."""
    match message:
        case messages.AppendEntries(entries=()):
            return "leader", _("♥ committed #{index}", index=message.commit)
        case messages.AppendEntries():
            first, last = message.entries[0].index, message.entries[-1].index
            numbers = f"#{first}" if first == last else f"#{first}–#{last}"
            return "leader", _("write {numbers}", numbers=numbers)
        case messages.AppendReply(rejected=True):
            return "answer", _("✘ I lack #{index}", index=message.index)
        case messages.AppendReply():
            return "answer", _("✔ I have #{index}", index=message.index)
        case messages.RequestVote():
            return "candidate", _("vote for me, term {term}?", term=message.term)
        case messages.VoteReply():
            return "answer", _("✔ my vote") if message.granted else refused_vote(message.why or "")
        case messages.InstallSnapshot():
            return "leader", _("snapshot up to #{index}", index=message.snapshot.index)
        case messages.TimeoutNow():
            return "leader", _("stand for election now")
    return "answer", _("you are removed")


# -- what changed ----------------------------------------------------------------------------------
def log_changes(before: RaftLogs, after: RaftLogs) -> list[str]:
    """A sentence per change: who campaigns, votes, leads; which entries are written, committed."""
    sentences: list[str] = []
    for name in after.managers:
        old, new = before.statuses.get(name), after.statuses.get(name)
        if old is not None and new is not None:
            values = {"name": name, "term": new.term, "index": new.last_index}
            values |= {"commit": new.commit_index, "vote": after.raft_names.get(new.vote, "?")}
            sentences += [line.format(**values) for line in _status_changes(old, new)]
        elif old is not new:
            line = _("{name} is up again.") if new else _("{name} is down.")
            sentences.append(line.format(name=name))
    return sentences


def _status_changes(old: Status, new: Status) -> list[str]:
    """The sentences about one manager, to be filled in."""
    sentences = []
    if (old.role, old.term) != (new.role, new.term):
        by_role = {
            "leader": _("{name} leads: it has a majority of the votes of term {term}."),
            "candidate": _("{name} hears no leader and stands for election in term {term}."),
            "follower": _("{name} follows in term {term}."),
        }
        sentences.append(by_role[str(new.role)])
    if (old.vote, old.term) != (new.vote, new.term) and new.vote not in (0, new.raft_id):
        sentences.append(_("{name} votes for {vote}."))
    if new.last_index > old.last_index:
        sentences.append(_("{name} writes #{index}."))
    if new.commit_index > old.commit_index:
        sentences.append(_("{name} knows that #{commit} is committed."))
    return sentences


# -- the widget ------------------------------------------------------------------------------------
class RaftColumns(LiveWidget):
    """Every manager's role, term, vote and log: `raft_columns(cluster)`. Lesson: 05_quorum."""

    _esm = source("common.js", "raft.js")
    _css = source("outputs.css", "view.css", "board.css", "raft.css")
    messages = synced_list("one row a message")
    records_all = False

    def start_over(self) -> None:
        super().start_over()
        self._logs: RaftLogs | None = None
        self._step = MESSAGE
        self._running = False

    # -- showing ---------------------------------------------------------------------
    def read(self) -> None:
        """Read the cluster again, and show what changed."""
        before, self._logs = self._logs, (after := raft_logs(self.cluster))
        if before is not None:
            self.tell(lambda: log_changes(before, after), lambda: after.clock)
        with self.hold_sync():
            self.columns, self.messages = self._logs.columns, self._logs.messages
            self.text = self._logs.text
            self.status = {
                "clock": self._logs.clock,
                "running": self._running,
                "step": self._step,
                "error": self.error,
            }

    @property
    def moves(self) -> bool:
        return self._running or super().moves

    def tick(self) -> None:
        if self._running:
            self.step()
        else:
            self.refresh()

    def recorded(self) -> tuple[Recording, str]:
        """What would come next if the leader crashed now: played on a copy."""
        copy = self.cluster.fork()
        ahead = RaftColumns(copy)
        ahead.refresh()
        copy.crash(copy.default_node())
        ahead.step(SILENCE)
        for _message in range(AHEAD_MAX):
            ahead.step(MESSAGE)
        ahead.close()
        note = _(
            "A recording: the leader crashes, the others vote. A running notebook answers you."
        )
        return ahead.recording, note

    def still_html(self) -> str:
        shown = self._logs or raft_logs(self.cluster)
        items = "".join(f"<li>{marked(row['label'])}</li>" for row in shown.messages)
        return f"{shown._repr_html_()}{big(f'<ul>{items}</ul>')}"

    def _labels(self) -> dict[str, Any]:
        steps = {MESSAGE: _("to the next message")}
        return super()._labels() | {
            "title": _("Raft: the managers, and the messages between them"),
            "play": _("▶ Run slowly"),
            "step": _("Step"),
            "size": _("Simulated time per step"),
            "steps": [[step, steps.get(step, step.replace("ms", " ms"))] for step in STEPS],
            "change": _("Create a service"),
            "silence": _("No message is on its way. Press Step."),
            "text": _("The same in words"),
            "help": _(
                "Click a message (or Tab to it and press Enter) to lose it. Solid ✔: "
                "committed, on the disks of a quorum. Dashed: it may still be lost."
            ),
        }

    # -- doing -------------------------------------------------------------------------
    def act(self, verb: str, message: dict[str, Any]) -> None:
        match verb:
            case "step":
                self._running = False
                self.step()
            case "run" | "halt":
                self._running = verb == "run"
            case "size":
                self._step = message["step"]
            case "drop":
                self.drop(message["key"])
            case "change":
                self.cluster.client().services.create("nginx")
            case "crash":
                self.cluster.crash(message["name"])
            case "start":
                self.cluster.start(message["name"])

    def step(self, size: str = "") -> None:
        """Let a little virtual time pass: "1ms", or "message" for up to the next message."""
        self.cluster.pause()  # the board may have set time going
        size = size or self._step
        if size == MESSAGE:
            self._run_to_next_message()
        else:
            self.cluster.run(size)
        self.refresh()

    def _run_to_next_message(self) -> None:
        on_their_way = raft_messages(self.cluster)
        if on_their_way:
            self.cluster.run(f"{on_their_way[0].arrives_ns - self.cluster.now_ns}ns")
            return
        for _ms in range(SILENCE_MS_MAX):
            self.cluster.run("1ms")
            if raft_messages(self.cluster):
                return

    def drop(self, key: str) -> None:
        """Lose the message of this key."""
        row = next((row for row in raft_logs(self.cluster).messages if row["key"] == key), None)
        if row is None:
            raise LabError("That message has already arrived; pause time first.")
        self.cluster.drop(row["source"], row["target"], row["place"])
        self.tell(lambda: [_("Lost, {source} to {target}: {text}", **row)])


@checked
def raft_columns(cluster: AnyCluster) -> RaftColumns | Callout:
    """The Raft columns of a simulated cluster: `raft_columns(cluster)`. Lesson: 05_quorum."""
    if not cluster.has_trace:
        return only_simulated(_("Docker's API shows neither Raft's messages nor its logs."))
    return widget_of(RaftColumns, cluster)
