"""A titled table with a text form, an HTML form, and its rows as data."""

from __future__ import annotations

from dataclasses import dataclass

from swarmlab.strings import text_table
from swarmlab.views.html import big, big_table, marked


@dataclass(frozen=True, slots=True)
class Table:
    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        title = [self.title] if self.title else []
        return "\n".join([*title, text_table([self.heads, *self.rows]), *self.notes])

    def _repr_html_(self) -> str:
        title = big(f"<b>{marked(self.title)}</b>") if self.title else ""
        return title + big_table(self.heads, self.rows, self.notes)
