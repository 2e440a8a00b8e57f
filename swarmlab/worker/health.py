"""The health monitor: probes a running container and says what they mean.

Source: moby daemon/health.go, daemon/commit.go (merge).
"""

from __future__ import annotations

from typing import NamedTuple

from swarmlab.model import Document
from swarmlab.simulation import Call, S
from swarmlab.units import go_duration
from swarmlab.worker.container import Container, Exec

RESULTS_MAX, OUTPUT_BYTES_MAX = 5, 4096
FIELDS = ("Test", "Interval", "Timeout", "StartPeriod", "StartInterval", "Retries")


def merged_check(own: Document | None, image: Document | None) -> Document | None:
    """The check in force, field by field: 0 and empty mean the image's. None: there is none."""
    own, image = own or Document(), image or Document()
    check = Document({key: own.get(key) or image.get(key) for key in FIELDS})
    return check if check["Test"] and check["Test"][0] != "NONE" else None


class Result(NamedTuple):
    """One probe; exit code -1: it was cut off, or could not run."""

    started_ns: int
    ended_ns: int
    exit_code: int
    output: str


class Health:
    """A container's health while it runs: `status` is starting, healthy or unhealthy."""

    def __init__(self, container: Container, check: Document) -> None:
        self.container = container
        self.machine = container.machine
        kind, *words = check["Test"]
        self.argv = tuple(words) if kind == "CMD" else ("/bin/sh", "-c", " ".join(words))
        self.interval_ns = check["Interval"] or 30 * S
        self.timeout_ns = check["Timeout"] or 30 * S
        self.start_interval_ns = check["StartInterval"] or 5 * S
        self.retries = check["Retries"] or 3
        self.status, self.failing_streak = "starting", 0
        self.log: list[Result] = []  # the last five
        self._grace_until_ns = self.now_ns + (check["StartPeriod"] or 0)
        self._probe: Exec | None = None  # the one under way, and since when
        self._begun_ns = 0
        self._wait()

    @property
    def now_ns(self) -> int:
        return self.machine.simulation.now_ns

    def _wait(self) -> None:
        hurry = self.status == "starting" and self.now_ns < self._grace_until_ns
        delay_ns = self.start_interval_ns if hurry else self.interval_ns
        self._timer = self.machine.after(delay_ns, self._begin)

    def _begin(self) -> None:
        self._begun_ns = self.now_ns
        self._probe = Exec(self.container, "", Document(Cmd=self.argv))
        self._timer = self.machine.after(self.timeout_ns, self._too_late)
        self._probe.start().then(self._ended, self._probe)

    def _ended(self, answer: Call, probe: Exec) -> None:
        if probe is self._probe:
            output = b"".join(entry.data for entry in probe.output)[:OUTPUT_BYTES_MAX]
            self._probed(answer.value, output.decode(errors="replace"))

    def _too_late(self) -> None:
        self._probed(-1, f"Health check exceeded timeout ({go_duration(self.timeout_ns)})")

    def _probed(self, code: int, output: str) -> None:
        """One probe is over."""
        self.stop()
        result = Result(self._begun_ns, self.now_ns, code, output)
        self.log = [*self.log, result][-RESULTS_MAX:]
        before = self.status
        if code == 0:
            self.status, self.failing_streak = "healthy", 0
        elif self.status != "starting" or self._begun_ns >= self._grace_until_ns:
            self.failing_streak += 1
            if self.failing_streak >= self.retries:
                self.status = "unhealthy"
        self._wait()
        if self.status != before:
            self.container.containers.event(self.container, f"health_status: {self.status}")

    def stop(self) -> None:
        probe, self._probe = self._probe, None
        self._timer.cancel()
        if probe and probe.process:
            probe.process.signal("KILL")
