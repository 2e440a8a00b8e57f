"""The health monitor: probes a running container and says what they mean.

Source: moby daemon/health.go, daemon/commit.go (merge).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from swarmlab.model import Document
from swarmlab.simulation import S, Timer
from swarmlab.worker.commands import exec_refusal, is_executable
from swarmlab.worker.shell import Process

if TYPE_CHECKING:
    from swarmlab.worker.container import Container

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


class Probe:
    """One probe under way."""

    def __init__(self, health: Health) -> None:
        self.health = health
        self.started_ns = health.now_ns
        self.output = bytearray()
        self.timer: Timer | None = None
        self.process: Process | None = None

    def wrote(self, stream: int, data: bytes) -> None:
        self.output += data[: OUTPUT_BYTES_MAX - len(self.output)]

    def ended(self, code: int) -> None:
        self.health.probed(self, code, self.output.decode(errors="replace"))

    def too_late(self) -> None:
        self.health.probed(
            self, -1, f"Health check exceeded timeout ({go_duration(self.health.timeout_ns)})"
        )


class Health:
    """A container's health while it runs: `status` is starting, healthy or unhealthy."""

    def __init__(self, container: Container, check: Document) -> None:
        self.container = container
        kind, *words = check["Test"]
        self.argv = tuple(words) if kind == "CMD" else ("/bin/sh", "-c", " ".join(words))
        self.interval_ns = check["Interval"] or 30 * S
        self.timeout_ns = check["Timeout"] or 30 * S
        self.start_period_ns = check["StartPeriod"] or 0
        self.start_interval_ns = check["StartInterval"] or 5 * S
        self.retries = check["Retries"] or 3
        self.status, self.failing_streak = "starting", 0
        self.log: list[Result] = []  # the last five
        self._started_ns = self.now_ns
        self._probe: Probe | None = None
        self._timer: Timer | None = None
        self._wait()

    @property
    def now_ns(self) -> int:
        return self.container.machine.simulation.now_ns

    def _wait(self) -> None:
        early = self.now_ns - self._started_ns < self.start_period_ns
        hurry = self.status == "starting" and early
        delay_ns = self.start_interval_ns if hurry else self.interval_ns
        self._timer = self.container.machine.after(delay_ns, self._begin)

    def _begin(self) -> None:
        self._probe = probe = Probe(self)
        if not is_executable(self.container, self.argv[0]):
            self.probed(probe, -1, f"OCI runtime exec failed: {exec_refusal(self.argv[0])}")
            return
        probe.process = self.container.spawn(probe, self.argv)
        probe.timer = self.container.machine.after(self.timeout_ns, probe.too_late)
        probe.process.run()

    def probed(self, probe: Probe, code: int, output: str) -> None:
        """One probe is over."""
        if probe is not self._probe:
            return
        self._probe = None
        if probe.timer:
            probe.timer.cancel()
        if probe.process:
            probe.process.signal("KILL")
        result = Result(probe.started_ns, self.now_ns, code, output)
        self.log = [*self.log, result][-RESULTS_MAX:]
        before = self.status
        if code == 0:
            self.status, self.failing_streak = "healthy", 0
        elif self.status != "starting" or not self._in_grace(probe):
            self.failing_streak += 1
            if self.failing_streak >= self.retries:
                self.status = "unhealthy"
        self._wait()
        if self.status != before:
            self.container.containers.event(self.container, f"health_status: {self.status}")

    def _in_grace(self, probe: Probe) -> bool:
        return probe.started_ns - self._started_ns < self.start_period_ns

    def stop(self) -> None:
        probe, self._probe = self._probe, None
        for timer in (self._timer, probe.timer if probe else None):
            if timer:
                timer.cancel()
        if probe and probe.process:
            probe.process.signal("KILL")


def go_duration(duration_ns: int) -> str:
    """As Go prints it: `1m30s`, `1.5s`, `500ms`."""
    if duration_ns < S:
        return f"{duration_ns / 1_000_000:g}ms"
    minutes, rest_ns = divmod(duration_ns, 60 * S)
    hours, minutes = divmod(minutes, 60)
    head = f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else ""
    return f"{head}{rest_ns / S:g}s"
