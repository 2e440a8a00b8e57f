"""Durations as Docker writes them: `30s`, `1m30s`, `1.5h`, `200ms`."""

from __future__ import annotations

import re
from datetime import timedelta

from swarmlab.errors import LabError
from swarmlab.simulation import HOUR, MINUTE, MS, US, S

UNITS_NS = {"ns": 1, "us": US, "µs": US, "ms": MS, "s": S, "m": MINUTE, "h": HOUR}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)")

Duration = str | int | float | timedelta


def nanoseconds(duration: Duration) -> int:
    """The duration in nanoseconds; a plain number counts seconds. Never negative.

    >>> nanoseconds("1m30s") == nanoseconds(90)
    True
    """
    if isinstance(duration, timedelta):
        ns = int(duration.total_seconds() * S)
    elif isinstance(duration, int | float):
        ns = int(duration * S)
    elif duration and not _PART.sub("", duration.strip()):
        ns = int(sum(float(number) * UNITS_NS[unit] for number, unit in _PART.findall(duration)))
    else:
        raise LabError(
            '{duration!r} is no duration; write it like "30s", "1m30s" or "200ms"',
            duration=duration,
        )
    if ns < 0:
        raise LabError("{duration!r} lies in the past; time only runs forward", duration=duration)
    return ns
