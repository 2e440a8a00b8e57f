"""Words the way docker writes them: ages, sizes, durations, tables, natural order."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

NS_PER_UNIT = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9}
NS_PER_UNIT["h"] = 60 * NS_PER_UNIT["m"]
STAMP = re.compile(r"([^.Z+]+)(\.\d+)?.*")
# Upper bound in hours (not included), hours a unit, its name. Source: docker/go-units duration.go.
LONG_AGES = (
    (48, 1, "hours"),
    (24 * 14, 24, "days"),
    (24 * 60, 24 * 7, "weeks"),
    (24 * 730, 24 * 30, "months"),
    (float("inf"), 24 * 365, "years"),
)


def human_duration(seconds: float) -> str:
    """How long, roughly.

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


def _stamp(text: str) -> tuple[str, str]:
    head, fraction = STAMP.fullmatch(text).groups()  # type: ignore[union-attr]  # API times match
    return head, fraction or ""


def seconds_of(stamp: str | float) -> float:
    """Unix seconds of an API time: RFC 3339 with up to nine decimals, or already a number."""
    if isinstance(stamp, int | float):
        return float(stamp)
    head, fraction = _stamp(stamp)
    return datetime.fromisoformat(head).replace(tzinfo=UTC).timestamp() + float(fraction or 0)


def go_time(stamp: str) -> str:
    """An API time as Go prints it: `2017-10-28 12:00:00.5 +0000 UTC`."""
    head, fraction = _stamp(stamp)
    return f"{head.replace('T', ' ')}{fraction.rstrip('0').rstrip('.')} +0000 UTC"


def local_time(seconds: float) -> str:
    """Unix seconds in this machine's zone: `2017-10-28 12:00:00 +0000 UTC`."""
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S %z %Z")


def parse_duration(text: str) -> int:
    """Nanoseconds of a Go duration such as `1h30m` or `1.5s`; ValueError in Go's words."""
    body = text.lstrip("+-")
    parts = re.findall(r"(\d+\.?\d*|\.\d+)([^\d.]*)", body)
    if body == "0":
        return 0
    if not parts or "".join(number + unit for number, unit in parts) != body:
        raise ValueError(f"time: invalid duration {go_quote(text)}")
    if odd := next((unit for _, unit in parts if unit not in NS_PER_UNIT), None) or "":
        raise ValueError(f"time: unknown unit {go_quote(odd)} in duration {go_quote(text)}")
    if not all(unit for _, unit in parts):
        raise ValueError(f"time: missing unit in duration {go_quote(text)}")
    total = sum(round(float(number) * NS_PER_UNIT[unit]) for number, unit in parts)
    return -total if text.startswith("-") else total


def go_duration(ns: float) -> str:
    """Nanoseconds as Go prints them.

    >>> [go_duration(ns) for ns in (0, 15e5, 5e9, 90e9, 7776e12)]
    ['0s', '1.5ms', '5s', '1m30s', '2160h0m0s']
    """
    if 0 < ns < 10**9:
        unit = next(u for u in ("ms", "µs", "ns") if ns >= NS_PER_UNIT[u])
        return f"{ns / NS_PER_UNIT[unit]:.10g}{unit}"
    minutes, seconds = divmod(ns / 10**9, 60)
    hours, rest = divmod(int(minutes), 60)
    text = f"{seconds:.10g}s"
    return f"{hours}h{rest}m{text}" if hours else f"{rest}m{text}" if rest else text


def parse_bytes(text: str) -> int:
    """Bytes of a size such as `64m` or `1.5GiB` (1 k is 1024); ValueError in docker's words."""
    number, suffix = re.fullmatch(r"([\d.]*) ?(.*)", text, re.DOTALL).groups()  # type: ignore[union-attr]  # matches all
    if not re.fullmatch(r"\d+(\.\d*)?|\.\d+", number):
        raise ValueError(f"invalid size: '{text}'")
    if not re.fullmatch(r"|b|[kmgtp](i?b)?", suffix.lower()):
        raise ValueError(f"invalid suffix: '{suffix}'")
    return int(float(number) * 1024 ** "bkmgtp".index(suffix.lower()[:1] or "b"))


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


def natural_key(text: str) -> list[tuple[int, int]]:
    """Sorts web2 before web10, and digits before all else."""
    chunks = re.findall(r"\d+|\D", text)
    return [(-1, int(c)) if c.isdecimal() else (ord(c), 0) for c in chunks]


def capitalize(text: str) -> str:
    """First letter large, all others small; a letter alone stays small, as in docker."""
    return text.capitalize() if len(text) > 1 else text.lower()


def ellipsis(text: str, width: int) -> str:
    """`text` cut to `width` characters, the last of them `…`."""
    return text if len(text) <= width else text[: width - 1] + "…"


def short_id(text: str) -> str:
    """The first 12 characters of an ID, its `sha256:` set aside."""
    return text.rpartition(":")[2][:12]


def image_name(image: str) -> str:
    """A tagged image as docker shows it: without digest and without `docker.io/library/`."""
    name = image.partition("@")[0]
    tagged = ":" in name.rpartition("/")[2]
    return name.removeprefix("docker.io/").removeprefix("library/") if tagged else image


def align(text: str, minimum: int = 10, padding: int = 3) -> str:
    """Lines of tab-separated cells set under each other; a line's last cell is not padded."""
    rows = [line.split("\t") for line in text.split("\n")]
    widths: dict[int, int] = {}
    for row in rows:
        for column, cell in enumerate(row[:-1]):
            widths[column] = max(widths.get(column, minimum), len(cell) + padding)
    padded = [[c.ljust(widths[i]) for i, c in enumerate(row[:-1])] + row[-1:] for row in rows]
    return "\n".join(map("".join, padded))


def go_quote(text: str) -> str:
    """`text` in double quotes, escaped as Go's %q does."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + escaped.replace("\n", "\\n").replace("\t", "\\t") + '"'


def go_value(value: Any) -> str:
    """A JSON value as Go's templates print it: `true`, `[a b]`, `map[k:v]`, `<nil>`."""
    match value:
        case None:
            return "<nil>"
        case bool():
            return str(value).lower()
        case float():
            return f"{value:.10g}"
        case list():
            return f"[{' '.join(map(go_value, value))}]"
        case dict():
            return f"map[{' '.join(f'{k}:{go_value(value[k])}' for k in sorted(value))}]"
    return str(value)
