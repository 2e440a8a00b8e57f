"""Words the way docker writes them: ages, sizes, durations, tables, natural order."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

NS_PER_UNIT = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}
SIZE_UNITS = "bkmgtp"

# Upper bound in hours (not included), hours a unit, its name. Source: docker/go-units duration.go.
_LONG_AGES = (
    (48, 1, "hours"),
    (24 * 14, 24, "days"),
    (24 * 60, 24 * 7, "weeks"),
    (24 * 730, 24 * 30, "months"),
    (float("inf"), 24 * 365, "years"),
)


def human_duration(seconds: float) -> str:
    """How long, roughly: `5 seconds`, `About a minute`, `3 months`.

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
    _, size, unit = next(row for row in _LONG_AGES if hours < row[0])
    return f"{hours // size} {unit}"


def seconds_of(stamp: str | float) -> float:
    """Unix seconds of an API time: RFC 3339 with up to nine decimals, or already a number."""
    if isinstance(stamp, int | float):
        return float(stamp)
    head, fraction = re.fullmatch(r"([^.Z+]+)(\.\d+)?.*", stamp).groups()  # type: ignore[union-attr]  # every API time matches
    when = datetime.fromisoformat(head).replace(tzinfo=UTC).timestamp()
    return when + float(fraction or 0)


def go_time(stamp: str) -> str:
    """An API time as Go prints it: `2017-10-28 12:00:00.5 +0000 UTC`."""
    head, fraction = re.fullmatch(r"([^.Z+]+)(\.\d+)?.*", stamp).groups()  # type: ignore[union-attr]  # as above
    return f"{head.replace('T', ' ')}{(fraction or '').rstrip('0').rstrip('.')} +0000 UTC"


def local_time(seconds: float) -> str:
    """Unix seconds in this machine's zone: `2017-10-28 12:00:00 +0000 UTC`."""
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S %z %Z")


def parse_duration(text: str) -> int:
    """Nanoseconds of a Go duration such as `1h30m` or `1.5s`; ValueError in Go's words."""
    quoted = go_quote(text)
    parts = re.findall(r"(\d+\.?\d*|\.\d+)([^\d.+-]*)", text)
    sign, body = ("-", text[1:]) if text.startswith("-") else ("", text.removeprefix("+"))
    if body == "0":
        return 0
    if not parts or "".join(number + unit for number, unit in parts) != body:
        raise ValueError(f"time: invalid duration {quoted}")
    for _, unit in parts:
        if not unit:
            raise ValueError(f"time: missing unit in duration {quoted}")
        if unit not in NS_PER_UNIT:
            raise ValueError(f"time: unknown unit {go_quote(unit)} in duration {quoted}")
    total = sum(round(float(number) * NS_PER_UNIT[unit]) for number, unit in parts)
    return -total if sign else total


def go_duration(ns: int) -> str:
    """Nanoseconds as Go prints them: `5s`, `1m0s`, `2160h0m0s`, `1.5ms`."""
    if ns < 10**9:
        unit = next((u for u in ("ms", "µs") if ns >= NS_PER_UNIT[u]), "ns")
        return "0s" if ns == 0 else f"{_trim(ns / NS_PER_UNIT[unit])}{unit}"
    minutes, rest = divmod(ns, NS_PER_UNIT["m"])
    seconds = f"{_trim(rest / 10**9)}s"
    hours, minutes_left = divmod(minutes, 60)
    return f"{hours}h{minutes_left}m{seconds}" if hours else f"{minutes}m{seconds}" * bool(
        minutes
    ) or seconds


def _trim(number: float) -> str:
    return f"{number:.9f}".rstrip("0").rstrip(".")


def parse_bytes(text: str) -> int:
    """Bytes of a size such as `64m` or `1.5GiB` (1 k is 1024); ValueError in docker's words."""
    number, suffix = re.fullmatch(r"([\d.]*) ?(.*)", text, re.DOTALL).groups()  # type: ignore[union-attr]  # matches all
    try:
        value = float(number)
    except ValueError:
        raise ValueError(f"invalid size: '{text}'") from None
    if not re.fullmatch(r"|b|[kmgtp](i?b)?", suffix.lower()):
        raise ValueError(f"invalid suffix: '{suffix}'")
    return int(value * 1024 ** SIZE_UNITS.index(suffix.lower()[:1] or "b"))


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
    """First letter large, all others small, as `node ls` shows states (one letter alone stays small)."""
    return text.capitalize() if len(text) > 1 else text.lower()


def ellipsis(text: str, width: int) -> str:
    """`text` cut to `width` characters, the last of them `…`."""
    return text if len(text) <= width else text[: width - 1] + "…"


def short_id(text: str) -> str:
    """The first 12 characters of an ID, its `sha256:` set aside."""
    return text.rpartition(":")[2][:12]


def image_name(image: str) -> str:
    """An image reference as docker shows it: without digest and without `docker.io/library/`."""
    name = image.partition("@")[0]
    if ":" not in name.rpartition("/")[2]:
        return image  # only a tagged name is shortened
    return name.removeprefix("docker.io/").removeprefix("library/")


def align(lines: Sequence[str], minimum: int = 10, padding: int = 3) -> str:
    """Lines of tab-separated cells set under each other; the last cell of a line is not padded."""
    rows = [line.split("\t") for line in lines]
    widths: dict[int, int] = {}
    for row in rows:
        for column, cell in enumerate(row[:-1]):
            widths[column] = max(widths.get(column, minimum), len(cell) + padding)
    return "".join(
        "".join(cell.ljust(widths[i]) for i, cell in enumerate(row[:-1])) + row[-1] + "\n"
        for row in rows
    )


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
        case float() if value.is_integer():
            return str(int(value))
        case list():
            return f"[{' '.join(map(go_value, value))}]"
        case dict():
            return f"map[{' '.join(f'{k}:{go_value(value[k])}' for k in sorted(value))}]"
        case _:
            return str(value)
