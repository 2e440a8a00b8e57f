"""Write a file atomically: a reader sees the old text or the new one, never a part of it."""

from __future__ import annotations

from pathlib import Path


def replace_file(path: Path, text: str) -> None:
    """Write beside `path`, then rename over it, so that an interrupted write changes nothing."""
    new = path.with_name(path.name + ".new")
    new.write_text(text, "utf-8")
    new.replace(path)
