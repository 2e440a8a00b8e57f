"""The folder of a served cluster's sockets, which only this user can enter; its servers."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import tempfile
from collections.abc import Iterable
from pathlib import Path

from swarmlab.engine.transport import SocketServer
from swarmlab.errors import LabError
from swarmlab.strings import _

SOCKET = "docker.sock"  # in a folder of the node's name
# Where the system has no UNIX sockets: a file with a port of this machine, and the token that each
# request has to bring in this header.
PORT_FILE, TOKEN_HEADER = "docker.tcp", "X-Swarmlab-Token"
PRIVATE = 0o700  # for folders; a socket in one gets 0600
SOCKET_PATH_BYTES_MAX = 99  # macOS takes four more, Linux eight


def default_folder() -> Path:
    """Where sockets are unless told: in the user's runtime folder, else in one for the user alone.

    `XDG_RUNTIME_DIR` is missing on macOS and in containers, and may be inherited from another user.
    """
    if not hasattr(os, "geteuid"):  # on Windows the folder for temporary files is the user's
        return Path(tempfile.gettempdir()) / "swarmlab"
    runtime = Path(os.environ.get("XDG_RUNTIME_DIR", ""))
    folder = runtime / "swarmlab"
    fits = len(os.fsencode(folder / "m1" / SOCKET)) <= SOCKET_PATH_BYTES_MAX
    if runtime.is_absolute() and fits and not why_not_private(runtime, mode=PRIVATE):
        return folder
    return Path(tempfile.gettempdir()) / f"swarmlab-{os.geteuid()}"


def why_not_private(path: Path, *, mode: int = 0o777) -> str:
    """Why others can change what is at `path`, or may do more than `mode`; empty if no one can."""
    try:
        status = path.lstat()
    except OSError as error:
        return f"{path}: {error.strerror}"
    if stat.S_ISLNK(status.st_mode):
        return _("{path} is a symbolic link", path=path)
    if status.st_uid != os.geteuid():
        return _("{path} belongs to another user (uid {uid})", path=path, uid=status.st_uid)
    if stat.S_IMODE(status.st_mode) & ~mode & 0o777:
        return _("{path} is open to other users", path=path)
    return ""


def prepare(folder: Path, names: list[str]) -> None:
    """Make the folder and one in it for each name, for this user alone, whatever the umask.

    Raises LabError if it is in use, or others own it or anything in it.
    """
    longest = folder / max(names, key=len) / SOCKET
    if len(os.fsencode(longest)) > SOCKET_PATH_BYTES_MAX:
        raise LabError(
            "{longest} is too long for a socket; choose a shorter --dir", longest=longest
        )
    try:
        _make_private(folder, [folder / name for name in names])
        for name in names:
            _make_private(folder / name, [])
    except OSError as error:
        why = error.strerror
        raise LabError(
            "{folder} cannot be used ({why}); choose another --dir", folder=folder, why=why
        ) from None
    if any(map(_accepts, [*folder.glob("*.sock"), *folder.glob(f"*/{SOCKET}")])):
        raise LabError("{folder} is in use by another server; choose another --dir", folder=folder)


def _accepts(path: Path) -> bool:
    """Whether a server listens on this socket; a killed one has left it without."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


def started(servers: Iterable[SocketServer]) -> contextlib.ExitStack:
    """Start these servers; what is returned stops them, and removes their nodes' folders."""
    with contextlib.ExitStack() as stack:
        for server in servers:
            server.start()
            stack.callback(_stop, server)
        return stack.pop_all()


def _stop(server: SocketServer) -> None:
    server.stop()
    with contextlib.suppress(OSError):
        server.path.parent.rmdir()


def _make_private(folder: Path, subfolders: list[Path]) -> None:
    """Make a folder private, with what it holds; of folders it may hold `subfolders` alone."""
    for path in reversed([folder, *folder.parents]):
        if not os.path.lexists(path):
            path.mkdir(PRIVATE)
            path.chmod(PRIVATE)  # the umask may have taken some of it
    why = why_not_private(folder) or ("" if folder.is_dir() else f"{folder} is no folder")
    if not why and why_not_private(folder, mode=PRIVATE):
        others = [path for path in folder.iterdir() if path.is_dir() and path not in subfolders]
        why = f"{folder} is open to other users and not for sockets alone" if others else ""
    if not why:
        folder.chmod(PRIVATE)  # from here on no one else can put anything there
        why = next(filter(None, map(why_not_private, folder.iterdir())), "")
    if why:
        raise LabError("{why}; choose another --dir", why=why)


def check_served(path: Path) -> None:
    """LabError if another user serves at `path`, or this system cannot serve at all."""
    if not hasattr(socket, "AF_UNIX"):
        raise LabError("this system has no UNIX sockets; use the notebooks, or a Linux subsystem")
    for place in (path.parent, path):
        if os.path.lexists(place) and (why := why_not_private(place)):
            raise LabError("{why}; choose another --dir", why=why)
