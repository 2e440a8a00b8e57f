"""Write a file atomically: a reader sees the old content or the new one, never a part of it."""

from __future__ import annotations

import tempfile
from pathlib import Path


def replace_file(path: Path, content: str | bytes) -> None:
    """Write beside `path`, then rename over it, so that an interrupted write changes nothing.

    Only its owner may read the file.
    """
    with tempfile.NamedTemporaryFile(
        prefix=f".{path.name}.", dir=path.parent, delete=False
    ) as file:
        new = Path(file.name)
        try:
            file.write(content.encode() if isinstance(content, str) else content)
            file.close()
            new.replace(path)
        except BaseException:
            new.unlink(missing_ok=True)  # it has its place already, or has not
            raise
