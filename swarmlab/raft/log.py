"""The replicated log: the entries after a snapshot, and the commit index.

Source: Raft paper, figure 2; etcd-io/raft log.go.
"""

from __future__ import annotations

from collections.abc import Sequence

from swarmlab.raft.messages import Entry


class Log:
    """Entries `offset + 1` to `last_index`; those up to `commit` never change."""

    __slots__ = ("commit", "entries", "offset", "offset_term")

    def __init__(
        self, offset: int, offset_term: int, entries: Sequence[Entry], commit: int
    ) -> None:
        self.offset = offset  # index of the last compacted entry; 0 = none
        self.offset_term = offset_term
        self.entries = list(entries)
        self.commit = max(commit, offset)
        assert self.commit <= self.last_index, f"commit {commit} is past {self.last_index}"

    @property
    def last_index(self) -> int:
        return self.offset + len(self.entries)

    @property
    def last_term(self) -> int:
        return self.entries[-1].term if self.entries else self.offset_term

    def term(self, index: int) -> int | None:
        """The term of the entry at `index`; None if it is compacted or does not exist yet."""
        position = index - self.offset
        if 0 < position <= len(self.entries):
            return self.entries[position - 1].term
        return self.offset_term if position == 0 else None

    def slice(self, first: int, last: int) -> tuple[Entry, ...]:
        """The entries from index `first` to `last`, both included."""
        assert first > self.offset, f"entry {first} is compacted"
        return tuple(self.entries[first - self.offset - 1 : last - self.offset])

    def is_up_to_date(self, last_index: int, last_term: int) -> bool:
        """Whether a log that ends so is at least as new as this one. Paper, section 5.4.1."""
        return (last_term, last_index) >= (self.last_term, self.last_index)

    def append(self, entries: Sequence[Entry]) -> tuple[Entry, ...]:
        """Append a leader's entries, which follow one that matches; returns those that are new.

        Only a conflict truncates the log: a late, shorter message removes nothing. Paper, figure 2,
        AppendEntries, receiver steps 3 and 4.
        """
        for position, entry in enumerate(entries):
            if self.term(entry.index) != entry.term:
                assert entry.index > self.commit, f"entry {entry.index} is committed"
                del self.entries[entry.index - self.offset - 1 :]
                new = tuple(entries[position:])
                self.entries.extend(new)
                return new
        return ()

    def compact(self, index: int) -> None:
        """Drop the entries up to `index`."""
        if index > self.offset:
            assert index <= self.commit
            term = self.term(index)
            assert term is not None
            del self.entries[: index - self.offset]
            self.offset, self.offset_term = index, term

    def restore(self, index: int, term: int) -> None:
        """Replace everything by a snapshot that ends at `index`."""
        assert index > self.commit
        self.entries.clear()
        self.offset, self.offset_term, self.commit = index, term, index
