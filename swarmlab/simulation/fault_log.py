"""Reports an unexpected exception: one line for people, its traceback in a file.

The exception's own message is left out, since it may quote what a user has sent.
"""

from __future__ import annotations

import logging
import os
import tempfile
import traceback
from contextlib import suppress
from functools import partial
from pathlib import Path


class FaultLog:
    """The file is made when it is first needed, readable by its owner alone."""

    def __init__(self) -> None:
        self.path = ""  # unless it is set: a new temporary file

    def report(self, where: str, error: BaseException) -> None:
        """`where` names what failed, and what became of it."""
        frames = traceback.extract_tb(error.__traceback__)
        last = f" in {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
        self.write(f"{where}: {type(error).__name__}{last}", "".join(frames.format()))

    def write(self, line: str, details: str = "") -> None:
        if not self.path:
            handle, self.path = tempfile.mkstemp(prefix="swarmlab-", suffix=".log")
            os.close(handle)
        with suppress(OSError):  # a full disk must not stop the simulation
            opener = partial(os.open, mode=0o600)
            with open(self.path, "a", encoding="utf-8", opener=opener) as file:
                file.write(f"{line}\n{details}")
        logging.getLogger("swarmlab").error("%s (see %s)", line, self.path)


FAULT_LOG = FaultLog()
