"""The health monitor: runs a container's health check and decides whether it is healthy.

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
    """The effective check: a field that is 0 or empty is the image's. None: no check."""
    own, image = own or Document(), image or Document()
    check = Document({key: own.get(key) or image.get(key) for key in FIELDS})
    return check if check["Test"] and check["Test"][0] in ("CMD", "CMD-SHELL") else None


class ProbeResult(NamedTuple):
    """Exit code -1: the probe timed out or could not run."""

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
        self.argv = tuple(words) or ("",) if kind == "CMD" else ("/bin/sh", "-c", " ".join(words))
        self.interval_ns = check["Interval"] or 30 * S
        self.timeout_ns = check["Timeout"] or 30 * S
        self.start_interval_ns = check["StartInterval"] or 5 * S
        self.retries = check["Retries"] or 3
        self.status, self.failing_streak = "starting", 0
        self.log: list[ProbeResult] = []  # the last five
        self._start_period_end_ns = self.now_ns + (check["StartPeriod"] or 0)
        self._probe: Exec | None = None  # the running one
        self._probe_started_ns = 0
        self.schedule()

    @property
    def now_ns(self) -> int:
        return self.machine.simulation.now_ns

    def schedule(self) -> None:
        """Wait for the next probe."""
        starting = self.status == "starting" and self.now_ns < self._start_period_end_ns
        delay_ns = self.start_interval_ns if starting else self.interval_ns
        self._timer = self.machine.after(delay_ns, self._start_probe)

    def _start_probe(self) -> None:
        self._probe_started_ns = self.now_ns
        self._probe = Exec(self.container, "", Document(Cmd=self.argv))
        self._timer = self.machine.after(self.timeout_ns, self._timed_out)
        self._probe.start().then(self._probe_exited, self._probe)

    def _probe_exited(self, result: Call, probe: Exec) -> None:
        if probe is self._probe:
            output = b"".join(entry.data for entry in probe.output)[:OUTPUT_BYTES_MAX]
            self._finish_probe(result.value, output.decode(errors="replace"))

    def _timed_out(self) -> None:
        self._finish_probe(-1, f"Health check exceeded timeout ({go_duration(self.timeout_ns)})")

    def _finish_probe(self, code: int, output: str) -> None:
        self.stop()
        result = ProbeResult(self._probe_started_ns, self.now_ns, code, output)
        self.log = [*self.log, result][-RESULTS_MAX:]
        before = self.status
        if code == 0:
            self.status, self.failing_streak = "healthy", 0
        elif self.status != "starting" or self._probe_started_ns >= self._start_period_end_ns:
            self.failing_streak += 1
            if self.failing_streak >= self.retries:
                self.status = "unhealthy"
        self.schedule()
        if self.status != before:
            self.container.containers.emit(self.container, f"health_status: {self.status}")

    def stop(self) -> None:
        probe, self._probe = self._probe, None
        self._timer.cancel()
        if probe and probe.process:
            probe.process.signal("KILL")
