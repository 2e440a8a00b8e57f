"""Sockets that only their owner can reach, whatever the umask and whoever was there first."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from swarmlab.cli import ctl
from swarmlab.cli.docker_command import host_of
from swarmlab.cluster import socket_folder
from swarmlab.cluster.socket_folder import default_folder, prepare
from swarmlab.errors import LabError
from tests.served import Served

NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give files away")


@pytest.fixture(params=[0, 0o022, 0o177, 0o777], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def socket_at(path: Path) -> Path:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
    return path


@pytest.mark.usefixtures("umask")
def test_new_folders_are_private_whatever_the_umask(tmp_path):
    prepare(tmp_path / "a" / "b", ["m1", "w1"])
    for path in ("a", "a/b", "a/b/m1", "a/b/w1"):
        assert mode(tmp_path / path) == 0o700


@pytest.mark.parametrize("number", [0, 0o777])
def test_a_served_cluster_is_private_whatever_the_umask(tmp_path, number):
    """Served by a process that inherits the umask, in a folder that was open to all."""
    folder = tmp_path / "lab"
    folder.mkdir()
    (folder / "log").touch()
    folder.chmod(0o777)
    before = os.umask(number)
    try:
        with Served(folder, "--engines", "e1"):
            assert mode(folder) == mode(folder / "e1") == 0o700
            assert mode(folder / "ctl.sock") == mode(folder / "e1/docker.sock") == 0o600
            assert "e1" in ctl.ask(folder, ["status"])
    finally:
        os.umask(before)


@as_root
@pytest.mark.parametrize("path", [".", "m1", "ctl.sock", "m1/docker.sock", "anything", "m1/else"])
def test_what_another_user_owns_is_refused(tmp_path, path):
    folder = tmp_path / "lab"
    prepare(folder, ["m1"])
    if not (folder / path).exists():
        socket_at(folder / path)
    os.chown(folder / path, NOBODY, NOBODY)
    with pytest.raises(LabError, match=r"belongs to another user \(uid 65534\); choose another"):
        prepare(folder, ["m1"])


@as_root
@pytest.mark.parametrize("path", [".", "ctl.sock"])
def test_a_client_sends_nothing_to_a_server_of_another_user(tmp_path, path):
    (tmp_path / "m1").mkdir()
    socket_at(tmp_path / "m1" / "docker.sock")
    socket_at(tmp_path / "ctl.sock")
    os.chown(tmp_path / path, NOBODY, NOBODY)
    with pytest.raises(LabError, match="belongs to another user"):
        ctl.ask(tmp_path, ["status"])


@as_root
@pytest.mark.parametrize("path", [".", "m1", "m1/docker.sock"])
def test_docker_does_not_find_the_served_nodes_of_another_user(tmp_path, monkeypatch, path):
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    (tmp_path / "m1").mkdir()
    socket_at(tmp_path / "m1" / "docker.sock")
    assert host_of("", tmp_path) == host_of("m1", tmp_path) == f"unix://{tmp_path}/m1/docker.sock"
    os.chown(tmp_path / path, NOBODY, NOBODY)
    assert host_of("", tmp_path) == "unix:///var/run/docker.sock"
    assert host_of("m1", tmp_path) == "m1"


@pytest.mark.parametrize("path", [".", "m1", "ctl.sock", "m1/docker.sock"])
def test_a_symbolic_link_is_refused(tmp_path, path):
    real, folder = tmp_path / "real", tmp_path / "lab"
    prepare(real, ["m1"])
    if path == ".":
        folder.symlink_to(real)
    else:
        prepare(folder, ["m1"])
        if path == "m1":
            (folder / path).rmdir()
        (folder / path).symlink_to(real)
    with pytest.raises(LabError, match="is a symbolic link"):
        prepare(folder, ["m1"])


def test_a_folder_with_other_folders_in_it_stays_as_open_as_it_is(tmp_path):
    """`--dir /run`, given by root, must not shut the others out."""
    (tmp_path / "other").mkdir()
    tmp_path.chmod(0o755)
    with pytest.raises(LabError, match="open to other users and not for sockets alone"):
        prepare(tmp_path, ["m1"])
    assert mode(tmp_path) == 0o755
    tmp_path.chmod(0o700)
    prepare(tmp_path, ["m1"])


def test_a_file_is_not_taken_for_a_folder(tmp_path):
    (tmp_path / "lab").touch(0o600)
    with pytest.raises(LabError, match="is no folder; choose another --dir"):
        prepare(tmp_path / "lab", ["m1"])
    assert mode(tmp_path / "lab") == 0o600


def test_the_path_of_a_socket_stays_under_100_bytes(tmp_path):
    base = len(str(tmp_path / "m1/docker.sock")) + 1
    prepare(tmp_path / ("x" * (99 - base)), ["m1"])
    for name in ("x" * (100 - base), "é" * ((101 - base) // 2)):
        with pytest.raises(LabError, match="too long for a socket"):
            prepare(tmp_path / name, ["m1"])


# -- the default folder ----------------------------------------------------------------------------
@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A runtime folder as the system makes it when a user logs in."""
    folder = tmp_path / "runtime"
    folder.mkdir(0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    monkeypatch.setattr(socket_folder.tempfile, "gettempdir", lambda: str(tmp_path))
    return folder


def test_the_default_folder_is_in_the_users_runtime_folder(runtime):
    assert default_folder() == runtime / "swarmlab"


@pytest.mark.parametrize("how", ["unset", "empty", "relative", "missing", "open", "link", "long"])
def test_without_a_private_runtime_folder_it_is_one_for_the_user_alone(runtime, monkeypatch, how):
    values = {"empty": "", "relative": "runtime", "missing": f"{runtime}-2"}
    if how in values:
        monkeypatch.setenv("XDG_RUNTIME_DIR", values[how])
        monkeypatch.chdir(runtime.parent)
    elif how == "unset":
        monkeypatch.delenv("XDG_RUNTIME_DIR")
    elif how == "open":
        runtime.chmod(0o770)
    elif how == "link":
        (runtime.parent / "link").symlink_to(runtime)
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime.parent / "link"))
    else:
        long = runtime / ("x" * 60)
        long.mkdir(0o700)
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(long))
    assert default_folder() == runtime.parent / f"swarmlab-{os.geteuid()}"


@as_root
def test_a_runtime_folder_of_another_user_is_not_used(runtime):
    os.chown(runtime, NOBODY, NOBODY)
    assert default_folder() == runtime.parent / f"swarmlab-{os.geteuid()}"


@as_root
def test_a_default_folder_that_another_user_made_first_is_refused(runtime, monkeypatch):
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    default_folder().mkdir()
    os.chown(default_folder(), NOBODY, NOBODY)
    with pytest.raises(LabError, match="belongs to another user"):
        prepare(default_folder(), ["m1"])
