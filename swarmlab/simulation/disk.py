"""A machine's disk: named files of bytes that survive a crash.

`append` writes into the operating system's cache; only `sync` makes it safe. A crash keeps what was
synced and some prefix, perhaps none, of what was not.
"""

from __future__ import annotations

import random


class Disk:
    def __init__(self) -> None:
        self._files: dict[str, bytearray] = {}
        self._synced_bytes: dict[str, int] = {}  # length of each file's safe part

    def __contains__(self, name: str) -> bool:
        return name in self._files

    def names(self, prefix: str = "") -> list[str]:
        """The files' names, sorted."""
        return sorted(name for name in self._files if name.startswith(prefix))

    def read(self, name: str) -> bytes:
        """The whole file; KeyError when there is none."""
        return bytes(self._files[name])

    def write(self, name: str, data: bytes) -> None:
        """Replace the whole file, at once and for good (write aside, sync, rename)."""
        self._files[name] = bytearray(data)
        self._synced_bytes[name] = len(data)

    def append(self, name: str, data: bytes) -> None:
        """Add to the end of the file, unsynced."""
        self._files.setdefault(name, bytearray()).extend(data)
        self._synced_bytes.setdefault(name, 0)

    def sync(self, name: str) -> None:
        """Make everything appended so far safe."""
        if name in self._files:
            self._synced_bytes[name] = len(self._files[name])

    def delete(self, prefix: str) -> None:
        """Delete every file whose name begins with `prefix`."""
        for name in self.names(prefix):
            del self._files[name], self._synced_bytes[name]

    def crash(self, rng: random.Random) -> None:
        """Power fails: an unsynced tail survives in part, or not at all."""
        for name in self.names():
            unsynced = len(self._files[name]) - self._synced_bytes[name]
            if unsynced:
                kept = rng.randint(0, unsynced)
                del self._files[name][self._synced_bytes[name] + kept :]
                self._synced_bytes[name] = len(self._files[name])
