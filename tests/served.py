"""Runs `swarmlab serve` as a process, as a user starts it."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from pathlib import Path

START_TIMEOUT_S, STOP_TIMEOUT_S = 120.0, 30.0


class Served:
    """A served cluster for the length of a `with` block; `words` are options of the command."""

    def __init__(self, folder: Path, *words: str) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.log = folder / "log"
        self._command = [sys.executable, "-m", "swarmlab", "serve", "--dir", str(folder), *words]

    def host(self, name: str) -> str:
        return f"unix://{self.folder / name / 'docker.sock'}"

    def hosts(self) -> list[str]:
        """The DOCKER_HOST lines that the server printed."""
        lines = self.log.read_text("utf-8").splitlines()
        prefix = "DOCKER_HOST="
        return [line.removeprefix(prefix).split()[0] for line in lines if line.startswith(prefix)]

    def __enter__(self) -> Served:
        with self.log.open("w") as log:
            self.process = subprocess.Popen(self._command, stdout=log, stderr=subprocess.STDOUT)
        end = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > end:
                self.stop()
                raise AssertionError(f"the server did not start: {self.log.read_text('utf-8')}")
            time.sleep(0.05)
        return self

    def _answers(self) -> bool:
        """Whether the control socket, which is opened last, takes a connection."""
        with socket.socket(socket.AF_UNIX) as control:
            return control.connect_ex(str(self.folder / "ctl.sock")) == 0

    def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> int:
        """End the server with SIGTERM; its exit code."""
        self.process.terminate()
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def __exit__(self, *_: object) -> None:
        self.stop()
