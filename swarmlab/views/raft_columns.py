"""Raft at work, live: a column per manager, the messages in flight, and a click that loses one.

Messages take 1 to 2 ms of virtual time, so time advances in small steps here. `static/raft.js`
draws the rows of `raft_rows`.
"""

from __future__ import annotations

from typing import Any

from swarmlab.errors import LabError
from swarmlab.strings import _
from swarmlab.views.html import Callout, big, marked, only_simulated
from swarmlab.views.raft_rows import RaftLogs, log_changes, raft_logs, raft_messages
from swarmlab.views.widget import LiveWidget, source, synced_list, widget_of

MESSAGE = "message"  # a step that ends with the next arrival, or the next sending
STEPS = (MESSAGE, "1ms", "10ms", "100ms", "1s", "10s")
SILENCE_MS_MAX = 20_000  # leaders send every second; a follower campaigns after 10 to 19 s


class RaftColumns(LiveWidget):
    """Every manager's role, term, vote and log; a click on a message drops it.

    >>> columns = raft_columns(cluster)  # doctest: +SKIP
    >>> columns.step("10ms")  # doctest: +SKIP
    >>> print(columns.text)  # doctest: +SKIP
    """

    _esm = source("common.js", "raft.js")
    _css = source("board.css", "raft.css")
    messages = synced_list("one row a message")

    def __init__(self, cluster: Any) -> None:
        super().__init__(cluster)
        self._logs: RaftLogs | None = None
        self._step = MESSAGE
        self._running = False

    # -- showing ---------------------------------------------------------------------
    def refresh(self) -> None:
        """Read the cluster again, and show what changed."""
        before, self._logs = self._logs, raft_logs(self.cluster)
        if before is not None:
            self.tell(log_changes(before, self._logs), self._logs.clock)
        with self.hold_sync():
            self.columns, self.messages = self._logs.columns, self._logs.messages
            self.text = self._logs.text
            self.status = {
                "clock": self._logs.clock,
                "running": self._running,
                "step": self._step,
                "error": self.error,
            }
        self.schedule_tick()

    @property
    def moves(self) -> bool:
        return self._running or super().moves

    def tick(self) -> None:
        if self._running:
            self.step()
        else:
            self.refresh()

    def _repr_html_(self) -> str:
        shown = self._logs or raft_logs(self.cluster)
        items = "".join(f"<li>{marked(row['label'])}</li>" for row in shown.messages)
        return f"{shown._repr_html_()}{big(f'<ul>{items}</ul>')}"

    def _labels(self) -> dict[str, Any]:
        steps = {MESSAGE: _("to the next message")}
        return super()._labels() | {
            "title": _("Raft: the managers, and the messages between them"),
            "run": _("▶ Run slowly"),
            "halt": _("❚❚ Pause"),
            "step": _("Step"),
            "size": _("How much simulated time a step is"),
            "steps": [[step, steps.get(step, step.replace("ms", " ms"))] for step in STEPS],
            "change": _("Create a service"),
            "silence": _("No message is on its way. Press Step."),
            "text": _("The same in words"),
            "help": _(
                "Click a message (or Tab to it and press Enter) and it is lost. ✔ solid: "
                "committed, on the disks of a quorum. Dashed: it may yet be lost."
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
            raise LabError("That message has arrived already; stop the time first.")
        self.cluster.drop(row["source"], row["target"], row["place"])
        self.tell([_("Lost, {source} to {target}: {text}", **row)])


def raft_columns(cluster: Any) -> RaftColumns | Callout:
    """The Raft columns of a simulated cluster; on a real one, a sentence. Lesson: 05_quorum."""
    if not cluster.has_trace:
        return only_simulated(_("Docker's API shows neither Raft's messages nor its logs."))
    return widget_of(RaftColumns, cluster)
