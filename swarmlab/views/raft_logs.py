"""The managers' logs side by side: one row per manager, one column per index."""

from __future__ import annotations

from dataclasses import dataclass

from swarmlab.cluster import simulated_state
from swarmlab.cluster.simulated_state import Simulated, Status
from swarmlab.strings import _
from swarmlab.views.html import ShownAs, Table

COLUMNS_MAX = 8


@dataclass(frozen=True, slots=True, repr=False)
class RaftLogs(ShownAs):
    """The log of every manager; `statuses` has none for a manager that is down."""

    managers: tuple[str, ...]
    statuses: dict[str, Status]  # by name
    raft_names: dict[int, str]  # raft id -> name

    @property
    def heads(self) -> tuple[str, ...]:
        fixed = (_("Manager"), _("Is"), _("Term"), _("Vote for"), _("Committed"))
        return (*fixed, *(f"#{index}" for index in self.indexes))

    @property
    def indexes(self) -> range:
        end = 1 + max((status.last_index for status in self.statuses.values()), default=0)
        return range(max(1, end - COLUMNS_MAX), end)

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
        note = _("3✔ = written in term 3, committed. 3? = not committed: it may yet be lost.")
        return Table("", self.heads, tuple(self.rows), (note,))


def entry_text(status: Status, index: int) -> str:
    """Term and mark of one entry; empty when this log has no such entry, or it is too old."""
    offset = index - status.last_index - 1 + len(status.last_terms)
    if not 0 <= offset < len(status.last_terms):
        return ""
    return f"{status.last_terms[offset]}{'✔' if index <= status.commit_index else '?'}"


def raft_logs(cluster: Simulated) -> RaftLogs:
    """Term, vote and log of every manager of a simulated cluster at this moment."""
    return RaftLogs(
        tuple(simulated_state.managers_ever(cluster)),
        simulated_state.raft_statuses(cluster),
        simulated_state.raft_names(cluster),
    )
