"""A machine's disk: named files of bytes that survive a crash.

`append` writes into the operating system's cache; only `sync` makes it durable. A crash keeps what
was synced, and an arbitrary prefix of what was not.
"""

from __future__ import annotations

import random
from bisect import bisect_left, bisect_right, insort


class Disk:
    def __init__(self) -> None:
        self._files: dict[str, bytearray] = {}
        self._names: list[str] = []  # sorted
        self._synced_bytes: dict[str, int] = {}  # length of each file's durable part

    def __contains__(self, name: str) -> bool:
        return name in self._files

    def names(self, prefix: str = "") -> list[str]:
        """The files' names, sorted."""
        first = bisect_left(self._names, prefix)
        length = len(prefix)
        last = bisect_right(self._names, prefix, first, key=lambda name: name[:length])
        return self._names[first:last]

    def read(self, name: str) -> bytes:
        """The whole file; KeyError when there is none."""
        return bytes(self._files[name])

    def write(self, name: str, data: bytes) -> None:
        """Replace the whole file, atomically and durably (write to another file, sync, rename)."""
        self._file(name)[:] = data
        self._synced_bytes[name] = len(data)

    def append(self, name: str, data: bytes) -> None:
        """Add to the end of the file, unsynced."""
        self._file(name).extend(data)

    def _file(self, name: str) -> bytearray:
        """The contents; the file is made if there is none."""
        if name not in self._files:
            insort(self._names, name)
            self._files[name], self._synced_bytes[name] = bytearray(), 0
        return self._files[name]

    def sync(self, name: str) -> None:
        """Make everything appended so far durable."""
        if name in self._files:
            self._synced_bytes[name] = len(self._files[name])

    def remove(self, name: str) -> None:
        """Delete one file; KeyError when there is none."""
        del self._files[name], self._synced_bytes[name]
        del self._names[bisect_left(self._names, name)]

    def delete(self, prefix: str) -> None:
        """Delete every file whose name begins with `prefix`."""
        for name in self.names(prefix):
            self.remove(name)

    def crash(self, rng: random.Random) -> None:
        """A power failure: of an unsynced tail, a random part survives."""
        for name in self.names():
            unsynced = len(self._files[name]) - self._synced_bytes[name]
            if unsynced:
                kept = rng.randint(0, unsynced)
                del self._files[name][self._synced_bytes[name] + kept :]
                self._synced_bytes[name] = len(self._files[name])
