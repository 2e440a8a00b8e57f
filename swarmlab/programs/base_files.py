"""What every container's file system begins with, and the users that it knows."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

from swarmlab.errors import EngineFault
from swarmlab.programs.file_system import File, FileSystem, MountPoint, User

ID_MAX = 2**31 - 1
ACCOUNTS = {"root": 0, "bin": 1, "daemon": 2, "mail": 8, "www-data": 33, "nobody": 65534}
IMAGE_UID = 1000  # of the users that an image adds
MOUNTED = {
    "/etc/hosts": File(b"127.0.0.1\tlocalhost\n"),
    "/etc/resolv.conf": File(b"nameserver 127.0.0.11\n"),
    "/etc/hostname": File(b""),
}
MOUNT_POINTS = {path: MountPoint("bind", "", path) for path in MOUNTED}


def base_files(hostname: str, users: Iterable[str], *, read_only: bool = False) -> FileSystem:
    """The files of a new container whose image adds `users`."""
    files = FileSystem(_image_files(tuple(users)), read_only=read_only)
    for path, file in {**MOUNTED, "/etc/hostname": File(f"{hostname}\n".encode())}.items():
        files.mount(MOUNT_POINTS[path], {"": file})
    return files


@cache
def _image_files(users: tuple[str, ...]) -> dict[str, File]:
    accounts = {**dict.fromkeys(users, IMAGE_UID), **ACCOUNTS}
    rows = "".join(f"{name}:x:{id}:{id}:{name}:/:/bin/sh\n" for name, id in accounts.items())
    groups = re.sub(r"(:\d+):.*", r"\1:", rows)
    targets = dict.fromkeys(MOUNTED, File(b""))
    return {"/etc/passwd": File(rows.encode()), "/etc/group": File(groups.encode()), **targets}


def find_id(files: FileSystem, text: str, kind: str, column: int = 2) -> int:
    """The number of a user (`passwd`) or a group (`group`); raises EngineFault if there is none.

    Source: moby/sys/user user.go, GetExecUser.
    """
    rows = [line.split(":") for line in files[f"/etc/{kind}"].data.decode().split("\n")]
    for row in rows:
        if len(row) > 2 and text in (row[0], row[2] if column == 3 else ""):
            return int(row[column])
    if not re.fullmatch("[+-]?[0-9]+", text, re.ASCII):
        noun = "user" if kind == "passwd" else kind
        raise EngineFault(f"unable to find {noun} {text}: no matching entries in {kind} file")
    if len(text) > 11 or not 0 <= int(text) <= ID_MAX:
        raise EngineFault(f"uids and gids must be in range 0-{ID_MAX}")
    return int(text) if column == 2 else 0


def find_user(files: FileSystem, text: str) -> User:
    """The user of `1000:1000`, `root`, …"""
    name, _, group = text.partition(":")
    uid = find_id(files, name or "0", "passwd")
    gid = find_id(files, group, "group") if group else find_id(files, name or "0", "passwd", 3)
    return User(uid, gid)


def name_of(files: FileSystem, id: int, kind: str) -> str:
    """The name of a user (`passwd`) or group (`group`), or its number."""
    rows = files.get(f"/etc/{kind}", File(b"")).data.decode(errors="replace")
    match = re.search(rf"^([^:\n]+):x:{id}:", rows, re.M)
    return match[1] if match else str(id)
