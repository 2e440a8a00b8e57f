"""Text as Docker's command line prints it: times, IDs, image names."""

import re
from datetime import datetime

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
