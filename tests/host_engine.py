"""Starts a real Docker engine for the tests, with an image that replaces `docker:dind`.

No registry is needed: the image is made of the machine's own `dockerd`, `containerd`, `runc`,
`iptables`, `docker` and a static busybox, with the libraries that they load. The engine runs as
root in its own network, mount, UTS and PID namespaces, so that all its processes end with it.
"""

from __future__ import annotations

import io
import os
import shutil
import signal
import socket
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import docker

IMAGE = "docker:dind"
PROGRAMS = (
    *("dockerd", "docker", "containerd", "containerd-shim-runc-v2", "runc", "docker-proxy"),
    *("docker-init", "iptables", "ip6tables", "ip"),
)
APPLETS = (
    *("sh", "cat", "chroot", "cp", "dd", "echo", "find", "grep", "hostname", "httpd", "kill", "ln"),
    *("ls", "mkdir", "mount", "nc", "ps", "rm", "sed", "sleep", "sync", "tar", "test", "touch"),
    *("true", "umount", "wget"),
)
START_TIMEOUT_S = 180
# As in docker:dind: a crash leaves a stale process id, with which the engine would not start.
ENTRYPOINT = '#!/bin/sh\nrm -f /var/run/docker.pid /run/docker.pid\nexec "$@"\n'


def missing() -> str:
    """Why no engine can be started here; empty when one can."""
    if os.geteuid() != 0:
        return "needs root: it starts Docker engines in namespaces of their own"
    programs = [*PROGRAMS, "busybox", "unshare"]
    absent = [name for name in programs if path_of(name) is None]
    return f"needs {', '.join(absent)}, which is not installed" if absent else ""


def path_of(program: str) -> Path | None:
    path = shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    return Path(path) if path else None


class HostEngine:
    """The engine, as a context manager."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or Path(tempfile.mkdtemp(prefix="host-engine-"))
        self.url = f"unix://{self.folder}/docker.sock"

    def __enter__(self) -> HostEngine:
        folder = self.folder
        program = (
            "mount -t proc proc /proc; ip link set lo up; hostname the-host; exec dockerd"
            f" --data-root {folder}/data --exec-root {folder}/exec --pidfile {folder}/docker.pid"
            f" --host {self.url} --shutdown-timeout 2"
        )
        unshare = ("unshare", "--net", "--mount", "--uts", "--pid", "--fork", "--kill-child")
        with (folder / "log").open("w") as log:
            self.process = subprocess.Popen(
                [*unshare, "bash", "-c", program],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise
        return self

    def _wait(self) -> None:
        end = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < end and self.process.poll() is None:
            with socket.socket(socket.AF_UNIX) as probe:
                if probe.connect_ex(str(self.folder / "docker.sock")) == 0:
                    self.client = docker.DockerClient(base_url=self.url, timeout=START_TIMEOUT_S)
                    return
            time.sleep(0.1)
        raise AssertionError(f"the engine did not start: {self.log()}")

    def log(self) -> str:
        return (self.folder / "log").read_text("utf-8")[-3000:]

    def stop(self) -> None:
        """Kill the engine and remove its folder."""
        if hasattr(self, "client"):
            self.client.close()
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        time.sleep(0.5)  # its mounts go with the last of its processes
        shutil.rmtree(self.folder, ignore_errors=True)

    def __exit__(self, *_: object) -> None:
        self.stop()


def import_dind(client: docker.DockerClient) -> None:
    """Import the image that replaces `docker:dind`."""
    with tempfile.TemporaryFile() as file:
        with tarfile.open(fileobj=file, mode="w") as tar:
            for path in sorted(files_of_an_engine()):
                # Links are followed: the program behind `iptables` depends on the machine.
                add(tar, str(path), path.resolve().read_bytes(), 0o755)
            for applet in APPLETS:
                link(tar, f"/bin/{applet}", "/bin/busybox")
            add(tar, "/bin/busybox", path_of("busybox").resolve().read_bytes(), 0o755)  # type: ignore[union-attr]
            add(tar, "/entrypoint.sh", ENTRYPOINT.encode(), 0o755)
            add(tar, "/etc/nsswitch.conf", b"hosts: files dns\n", 0o644)
            add(tar, "/etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n", 0o644)
            link(tar, "/var/run", "/run")
            for folder in ("/run", "/tmp", "/proc", "/sys", "/dev", "/root"):
                entry = tarfile.TarInfo(folder)
                entry.type, entry.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(entry)
        file.seek(0)
        changes = ['ENTRYPOINT ["/entrypoint.sh"]', "VOLUME /var/lib/docker"]
        changes += ["ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]
        client.api.import_image_from_data(file, *IMAGE.split(":"), changes=changes)


def add(tar: tarfile.TarFile, name: str, data: bytes, mode: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(data), mode
    tar.addfile(entry, io.BytesIO(data))


def link(tar: tarfile.TarFile, name: str, target: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = tarfile.SYMTYPE, target
    tar.addfile(entry)


def files_of_an_engine() -> set[Path]:
    """The programs, what they load, and what iptables loads by name."""
    programs = [path for name in PROGRAMS if (path := path_of(name))]
    plugins = [path for folder in Path("/usr/lib").glob("*/xtables") for path in folder.iterdir()]
    loaded = [library for path in [*programs, *plugins] for library in libraries(path)]
    return {*programs, *plugins, *loaded}


def libraries(program: Path) -> Iterator[Path]:
    """The libraries that `ldd` lists for a program; none for a static one."""
    completed = subprocess.run(
        ["ldd", program], capture_output=True, text=True, encoding="utf-8", check=False
    )
    for line in completed.stdout.splitlines():
        for word in line.split():
            if word.startswith("/"):
                yield Path(word)
