"""Tells the watchers of a cluster, now and then, that virtual time passes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from swarmlab.simulation import MS

WATCH_NS, WATCHES_MAX = 500 * MS, 60  # between two looks; in one run


class TimeWatch:
    """Who watches; a cluster has one, which its copies do not share."""

    def __init__(self) -> None:
        self.look: Callable[[], object] | None = None  # changes nothing
        self._last_ns = 0

    def moments(self, now_ns: int, end_ns: int) -> Iterator[int]:
        """The moments of a run at which to look; the last one is its end."""
        step_ns = max(WATCH_NS, (end_ns - now_ns) // WATCHES_MAX)
        yield from range(now_ns + step_ns, end_ns, step_ns)
        yield end_ns

    def passed(self, now_ns: int) -> None:
        """It is this late now."""
        if self.look is not None and not 0 <= now_ns - self._last_ns < WATCH_NS:
            self._last_ns = now_ns
            self.look()
