"""Durations, sizes, ages and natural sort order: parsed and formatted here alone.

Durations are integer nanoseconds; texts are those of Go's `time` package and Docker's `go-units`.
Source: go time/format.go, time/time.go; docker/go-units duration.go, size.go.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache

from swarmlab.errors import LabError

US, MS, S = 1_000, 1_000_000, 1_000_000_000
MINUTE, HOUR = 60 * S, 3600 * S
STEP_NS_MAX = 10_000 * HOUR
NS_PER_UNIT = {"ns": 1, "us": US, "µs": US, "μs": US, "ms": MS, "s": S, "m": MINUTE, "h": HOUR}
# Upper bound in hours (not included), hours a unit, its name.
LONG_AGES = (
    (48, 1, "hours"),
    (24 * 14, 24, "days"),
    (24 * 60, 24 * 7, "weeks"),
    (24 * 730, 24 * 30, "months"),
    (float("inf"), 24 * 365, "years"),
)

Duration = str | int | float | timedelta


# -- durations ------------------------------------------------------------------------------------
def nanoseconds(duration: Duration) -> int:
    """A user's duration in nanoseconds; a plain number counts seconds. Never negative.

    >>> nanoseconds("1m30s") == nanoseconds(90)
    True
    """
    if isinstance(duration, timedelta):
        ns = int(duration.total_seconds() * S)
    elif isinstance(duration, int | float) and abs(duration) < 2**63 / S:
        ns = int(duration * S)
    else:
        try:
            ns = parse_duration(str(duration).strip())
        except ValueError:
            raise LabError(
                '{duration!r} is not a duration; write it like "30s", "1m30s" or "200ms"',
                duration=duration,
            ) from None
    if ns < 0:
        raise LabError("{duration!r} is negative; time only runs forward", duration=duration)
    return ns


def step_ns(duration: Duration) -> int:
    """A duration that the simulation runs in one step, in nanoseconds."""
    if (ns := nanoseconds(duration)) > STEP_NS_MAX:
        most = f"{STEP_NS_MAX // HOUR}h"
        raise LabError(
            "{duration!r} is too long for one step; use at most {most}",
            duration=duration,
            most=most,
        )
    return ns


def parse_duration(text: str) -> int:
    """Nanoseconds of a Go duration such as `1h30m` or `1.5s`; ValueError in Go's words."""
    body, quoted = re.sub("^[+-]", "", text), json.dumps(text, ensure_ascii=False)
    parts = re.findall(r"([0-9]+\.?[0-9]*|\.[0-9]+)([^0-9.]*)", body)
    if body == "0":
        return 0
    if not parts or "".join(number + unit for number, unit in parts) != body:
        raise ValueError(f"time: invalid duration {quoted}")
    if odd := next((unit for _, unit in parts if unit not in NS_PER_UNIT), None) or "":
        raise ValueError(f'time: unknown unit "{odd}" in duration {quoted}')
    if not all(unit for _, unit in parts):
        raise ValueError(f"time: missing unit in duration {quoted}")
    exact = sum(float(number) * NS_PER_UNIT[unit] for number, unit in parts)
    if exact >= 2**63:
        raise ValueError(f"time: invalid duration {quoted}")
    total = sum(round(float(number) * NS_PER_UNIT[unit]) for number, unit in parts)
    return -total if text.startswith("-") else total


def go_duration(ns: float) -> str:
    """Nanoseconds as Go prints them.

    >>> [go_duration(ns) for ns in (0, 15e5, 5e9, 90e9, 7776e12)]
    ['0s', '1.5ms', '5s', '1m30s', '2160h0m0s']
    """
    if ns < 0:
        return f"-{go_duration(-ns)}"
    if 0 < ns < S:
        unit = next(u for u in ("ms", "µs", "ns") if ns >= NS_PER_UNIT[u])
        return f"{ns / NS_PER_UNIT[unit]:.10g}{unit}"
    minutes, seconds = divmod(ns / S, 60)
    hours, rest = divmod(int(minutes), 60)
    text = f"{seconds:.10g}s"
    return f"{hours}h{rest}m{text}" if hours else f"{rest}m{text}" if rest else text


def human_duration(seconds: float) -> str:
    """An age or another span of time, in one rounded unit.

    >>> [human_duration(s) for s in (0.2, 1, 90, 3600, 7776000)]
    ['Less than a second', '1 second', 'About a minute', 'About an hour', '3 months']
    """
    whole, minutes, hours = int(seconds), int(seconds / 60), int(seconds / 3600 + 0.5)
    if whole < 1:
        return "Less than a second"
    if whole < 60:
        return "1 second" if whole == 1 else f"{whole} seconds"
    if minutes < 60:
        return "About a minute" if minutes == 1 else f"{minutes} minutes"
    if hours == 1:
        return "About an hour"
    _, size, unit = next(row for row in LONG_AGES if hours < row[0])
    return f"{hours // size} {unit}"


def unix_seconds(stamp: str | float) -> float:
    """Seconds since 1970 of an API time: RFC 3339, or already a number."""
    if isinstance(stamp, str):
        return datetime.fromisoformat(stamp).timestamp()
    return float(stamp)


# -- sizes ----------------------------------------------------------------------------------------
def parse_bytes(text: str) -> int:
    """Bytes of a size such as `64m` or `1.5GiB` (1 k is 1024); ValueError in Docker's words."""
    number, suffix = re.fullmatch(r"([\d.]*) ?(.*)", text, re.DOTALL).groups()  # type: ignore[union-attr]  # matches all
    if not re.fullmatch(r"\d+(\.\d*)?|\.\d+", number):
        raise ValueError(f"invalid size: '{text}'")
    if not re.fullmatch(r"|b|[kmgtp](i?b)?", suffix.lower()):
        raise ValueError(f"invalid suffix: '{suffix}'")
    size = float(number) * 1024 ** "bkmgtp".index(suffix.lower()[:1] or "b")
    if size >= 2**64:
        raise ValueError(f'strconv.ParseFloat: parsing "{number}": value out of range')
    return int(size)


def binary_size(size: float) -> str:
    """`7.704GiB`: powers of 1024, four digits."""
    return _size(size, 1024, ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"), 4)


def decimal_size(size: float, digits: int = 3) -> str:
    """`4.26MB`: powers of 1000."""
    return _size(size, 1000, ("B", "kB", "MB", "GB", "TB", "PB", "EB"), digits)


def _size(size: float, base: int, units: Sequence[str], digits: int) -> str:
    power = 0
    while size >= base and power < len(units) - 1:
        size, power = size / base, power + 1
    return f"{size:.{digits}g}{units[power]}"


# -- order ------------------------------------------------------------------------------------
@lru_cache(maxsize=10_000)
def natural_key(text: str) -> tuple[tuple[int, int], ...]:
    """Sorts web2 before web10, and digits before all else. Source: fvbommel/sortorder."""
    chunks = re.findall(r"\d+|\D", text)
    return tuple((-1, int(c)) if c.isdecimal() else (ord(c), 0) for c in chunks)
