"""Text as Docker's command line prints it: times, IDs, image names, Go's quotes and values."""

import json
import re
from datetime import datetime
from typing import Any

from swarmlab.strings import text_table

STAMP = re.compile(r"([^.Z+]+)(\.\d+)?.*")


def go_time(stamp: str) -> str:
    """An API time as Go prints it: `2017-10-28 12:00:00.5 +0000 UTC`."""
    head, fraction = STAMP.fullmatch(stamp).groups()  # type: ignore[union-attr]  # API times match
    return f"{head.replace('T', ' ')}{(fraction or '').rstrip('0').rstrip('.')} +0000 UTC"


def local_time(seconds: float) -> str:
    """Unix seconds in this machine's zone: `2017-10-28 12:00:00 +0000 UTC`."""
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S %z %Z")


def capitalize(text: str) -> str:
    """First letter in upper case, the others in lower case; a single letter in lower case."""
    return text.capitalize() if len(text) > 1 else text.lower()


def ellipsis(text: str, width: int) -> str:
    """`text` cut to `width` characters, the last of them `…`."""
    return text if len(text) <= width else text[: width - 1] + "…"


def short_id(text: str) -> str:
    """The first 12 characters of an ID without its `sha256:`."""
    return text.rpartition(":")[2][:12]


def align(text: str, *, padding: int = 3, minimum: int = 10) -> str:
    """Lines of tab-separated cells, as Docker's tabwriter sets them in columns."""
    rows = (line.split("\t") for line in text.split("\n"))
    return text_table(rows, padding=padding, minimum=minimum)


def go_quote(text: str) -> str:
    """`text` in double quotes, escaped as Go's %q does."""
    return json.dumps(text, ensure_ascii=False)


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
