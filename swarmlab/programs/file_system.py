"""The file system of a container: a small tree of files with owners and modes, and what is mounted.

A tree is a mapping from the path below its root, whose own path is empty. A volume is such a tree,
and so is a secret or `/etc/hosts`, whose root is a file. Source: moby volume/mounts.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import suppress
from fnmatch import fnmatchcase
from posixpath import normpath
from typing import NamedTuple

ROOT = ("bin", "dev", "etc", "home", "lib", "proc", "root", "run", "sys", "tmp", "usr", "var")
TREE_BYTES_MAX, TREE_FILES_MAX, PATH_MAX = 2 << 20, 1000, 1024
READ, WRITE, EXECUTE = 4, 2, 1


class FileError(Exception):
    """The text is that of the system's error."""


class User(NamedTuple):
    """Who opens or changes a file, and when."""

    uid: int = 0
    gid: int = 0
    now_ns: int = 0


class File(NamedTuple):
    """A file or a folder."""

    data: bytes
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    changed_ns: int = 0

    def __repr__(self) -> str:
        return f"<File of {len(self.data)} bytes, mode {self.mode:o}>"  # it may be a secret

    @property
    def is_folder(self) -> bool:
        return stat.S_ISDIR(self.mode)

    def allows(self, user: User, access: int) -> bool:
        if user.uid == 0:
            return access != EXECUTE or bool(self.mode & 0o111)
        shift = 6 if user.uid == self.uid else 3 if user.gid == self.gid else 0
        return self.mode >> shift & access == access


FOLDER = File(b"", stat.S_IFDIR | 0o755)
EMPTY_LAYER = {
    "": FOLDER,
    **{f"/{name}": FOLDER for name in ROOT},
    "/dev/null": File(b"", 0o666),
    "/tmp": FOLDER._replace(mode=stat.S_IFDIR | 0o1777),
}
FileTree = MutableMapping[str, File]


class MountPoint(NamedTuple):
    """Something mounted in a container at `target`."""

    kind: str  # volume, bind, tmpfs; overlay: its own layer
    source: str  # a volume's name, or a folder of the machine
    target: str
    read_only: bool = False
    mode: str = ""  # as it was given
    anonymous: bool = False
    listed: bool = True  # in Docker's Mounts; what `--tmpfs` mounts is not

    @property
    def device(self) -> str:
        return self.kind if self.kind in ("overlay", "tmpfs") else "/dev/vda1"


def above(path: str) -> list[str]:
    """The folders that hold a normal path, from the root, which is empty, down."""
    return [path[: slash.start()] for slash in re.finditer("/", path)]


class FileSystem(MutableMapping[str, File]):
    """As a mapping: all files by absolute path, which the engine reads and writes at will."""

    def __init__(self, files: Mapping[str, File], *, read_only: bool = False) -> None:
        """`files`, by path in folders that every container has, are in the container's layer."""
        layer: FileTree = {**EMPTY_LAYER, **files}
        self.mounts = {"": (MountPoint("overlay", "", "", read_only), layer)}  # by target

    @property
    def own_bytes(self) -> int:
        """The size of the container's own layer."""
        return sum(len(file.data) for file in self.mounts[""][1].values())

    def mount(self, point: MountPoint, tree: FileTree) -> None:
        """Mount a tree at a path, which is made if it is missing."""
        root = tree.setdefault("", FOLDER)
        if point.target not in self:
            self[point.target] = root._replace(data=b"")
        self.mounts[self.normal(point.target)] = point, tree

    @staticmethod
    def normal(path: str) -> str:
        """An absolute path without `.`, `..` and a slash at its end; the root is empty."""
        if len(path) > PATH_MAX:
            raise FileError("File name too long")
        return f"/{normpath(f'/{path}').strip('/')}".rstrip("/")

    def place(self, path: str) -> tuple[MountPoint, FileTree, str]:
        """What is mounted at a path or above it, its tree, and the path below its root."""
        path = target = self.normal(path)
        while target not in self.mounts:
            target = target.rpartition("/")[0]
        return *self.mounts[target], path[len(target) :]

    def __getitem__(self, path: str) -> File:
        _, tree, rest = self.place(path)
        return tree[rest]

    def __setitem__(self, path: str, file: File) -> None:
        for folder in above(self.normal(path)):
            _, tree, rest = self.place(folder)
            tree.setdefault(rest, FOLDER)
        _, tree, rest = self.place(path)
        tree[rest] = file

    def __delitem__(self, path: str) -> None:
        _, tree, rest = self.place(path)
        del tree[rest]

    def __iter__(self) -> Iterator[str]:
        return (target + path for target, (_, tree) in self.mounts.items() for path in tree)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    # -- what programs may do -----------------------------------------------------------------
    def look(self, path: str, user: User, access: int = 0) -> File:
        """The file or folder; raises FileError unless `user` can reach it and has this access."""
        path, file = self.normal(path), FOLDER
        for place in (*above(path), path):
            if place not in self:
                raise FileError("No such file or directory")
            file = self[place]
            if place != path and not file.is_folder:
                raise FileError("Not a directory")
            if not file.allows(user, access if place == path else EXECUTE):
                raise FileError("Permission denied")
        return file

    def names(self, path: str, user: User) -> list[str]:
        """The names in a folder, sorted."""
        self.look(path, user, READ)
        _, tree, rest = self.place(path)
        below = [name[len(rest) + 1 :] for name in tree if name.startswith(f"{rest}/")]
        return sorted(name for name in below if "/" not in name)

    def walk(self, path: str, user: User) -> Iterator[str]:
        """`path` and all that is below it, each folder before what it holds."""
        waiting = [path]
        while waiting:
            file = self.look(path := waiting.pop(), user)
            yield path
            if file.is_folder:
                names = reversed(self.names(path, user))
                waiting += [f"{path.rstrip('/')}/{name}" for name in names]

    def matching(self, pattern: str, user: User) -> list[str]:
        """The paths that an absolute pattern with `*`, `?` and `[…]` matches, sorted."""
        found = [""]
        for part in self.normal(pattern).split("/")[1:]:
            folders, found = found, []
            for folder in folders:
                with suppress(FileError):
                    names = [n for n in self.names(folder, user) if fnmatchcase(n, part)]
                    found += [f"{folder}/{n}" for n in names if n[0] != "." or part[0] == "."]
        return found

    def read(self, path: str, user: User) -> bytes:
        if (file := self.look(path, user, READ)).is_folder:
            raise FileError("Is a directory")
        return file.data

    def write(self, path: str, data: bytes, user: User, *, append: bool = False) -> None:
        """Write a file, which is made if it is missing."""
        old = self.get(path) or File(b"")
        if old.is_folder:
            raise FileError("Is a directory")
        self.put(path, old._replace(data=old.data + data if append else data), user)

    def put(self, path: str, file: File, user: User) -> None:
        """Add a file or folder of `user`, or replace one, which keeps its owner."""
        old, (point, tree, rest) = self.get(path), self.place(path)
        self.look(path if old else f"{path}/..", user, WRITE)
        used = sum(len(other.data) for other in tree.values()) - len(old.data if old else b"")
        if point.read_only:
            raise FileError("Read-only file system")
        if used + len(file.data) > TREE_BYTES_MAX or len(tree) >= TREE_FILES_MAX:
            raise FileError("No space left on device")
        owner = old or user
        tree[rest] = file._replace(uid=owner.uid, gid=owner.gid, changed_ns=user.now_ns)

    def change_mode(self, path: str, mode: int, user: User) -> None:
        file = self.look(path, user)
        if user.uid not in (0, file.uid):
            raise FileError("Operation not permitted")
        mode = stat.S_IFMT(file.mode) | mode
        self.put(path, file._replace(mode=mode), User(now_ns=user.now_ns))

    def remove(self, path: str, user: User) -> None:
        """Remove a file or an empty folder."""
        file, (point, tree, rest) = self.look(path, user), self.place(path)
        self.look(f"{path}/..", user, WRITE)
        if file.is_folder and self.names(path, user):
            raise FileError("Directory not empty")
        if not rest or point.read_only:
            raise FileError("Read-only file system" if rest else "Resource busy")
        del tree[rest]
