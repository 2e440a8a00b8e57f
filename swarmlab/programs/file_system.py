"""A container's files: its own, and those of what is mounted in it.

Source: moby volume/mounts.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from itertools import chain
from typing import NamedTuple


class File(NamedTuple):
    data: bytes
    mode: int = 0o644
    uid: int = 0
    gid: int = 0

    def __repr__(self) -> str:
        return f"<File of {len(self.data)} bytes, mode {self.mode:o}>"  # it may be a secret


class MountPoint(NamedTuple):
    """Something mounted in a container at `target`."""

    kind: str  # volume, bind, tmpfs
    source: str  # a volume's name, or a folder of the machine
    target: str
    read_only: bool = False
    mode: str = ""  # as it was given
    anonymous: bool = False
    listed: bool = True  # in Docker's Mounts; what `--tmpfs` mounts is not


class FileSystem(MutableMapping[str, File]):
    """A container's files by absolute path; what is mounted hides the files of its own layer.

    Files that are put into `layer` itself are seen even there: secrets and configs.
    """

    def __init__(self) -> None:
        self.layer: dict[str, File] = {}
        self.root_read_only = False
        self.mounts: dict[str, tuple[MountPoint, MutableMapping[str, File]]] = {}  # by target

    @property
    def own_bytes(self) -> int:
        """The size of the container's own layer."""
        return sum(len(file.data) for file in self.layer.values())

    def mount_of(self, path: str) -> MountPoint | None:
        """The innermost mount that `path` is below."""
        targets = [target for target in self.mounts if path.startswith(f"{target}/")]
        return self.mounts[max(targets, key=len)][0] if targets else None

    def read_only(self, path: str) -> bool:
        """Whether nothing can be written there."""
        point = self.mount_of(path)
        read_only = point.read_only if point else self.root_read_only
        return read_only or path.startswith("/run/secrets/")

    def _at(self, path: str) -> tuple[MutableMapping[str, File], str]:
        point = self.mount_of(path) if self.mounts and path not in self.layer else None
        if point is None:
            return self.layer, path
        return self.mounts[point.target][1], path.removeprefix(point.target)

    def __getitem__(self, path: str) -> File:
        files, name = self._at(path)
        return files[name]

    def __setitem__(self, path: str, file: File) -> None:
        files, name = self._at(path)
        files[name] = file

    def __delitem__(self, path: str) -> None:
        files, name = self._at(path)
        del files[name]

    def __iter__(self) -> Iterator[str]:
        mounted = (t + name for t, (_, files) in self.mounts.items() for name in files)
        return chain(self.layer, (path for path in mounted if path not in self.layer))

    def __len__(self) -> int:
        return len(list(iter(self)))
