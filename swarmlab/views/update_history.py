"""What was observed of one service, poll by poll: its tasks, and the phases of its update, each
with its settings and how failures count.

All comes through the Docker API; in a simulation the trace adds exact times, and requests.
Source: swarmkit manager/orchestrator/update/updater.go, api/defaults/service.go.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import pairwise
from operator import add
from typing import Any, NamedTuple

import docker
import requests

from swarmlab.cluster.calls import checked
from swarmlab.cluster.interface import AnyCluster, ServiceName
from swarmlab.errors import LabError, SwarmError
from swarmlab.model.specs import UPDATE_DEFAULTS
from swarmlab.simulation import EPOCH_NS, S
from swarmlab.strings import _, number
from swarmlab.units import unix_seconds
from swarmlab.views.history import request_counts, task_states
from swarmlab.views.html import Table
from swarmlab.views.palette import ENDED, FAILED, UNWANTED, kind_of
from swarmlab.views.snapshot import version_of

CHECKED_S = 3  # between two looks at a health check, of which an engine keeps five results
UPDATE_ENDED = ("completed", "paused", "rollback_completed", "rollback_paused")


def inspect_service(api: Any, service: str) -> Any:
    """A service as the API describes it; LabError when there is none of this name."""
    try:
        return api.inspect_service(service)
    except docker.errors.NotFound:
        raise LabError("there is no service {name!r}", name=service) from None


class Probe(NamedTuple):
    """One run of a container's health check; times in seconds since 1970."""

    start: float
    end: float
    exit_code: int  # 0: it passed; -1: it took longer than its timeout
    output: str


@dataclass(slots=True)
class ObservedTask:
    """One task over time; times in seconds since 1970."""

    id: str
    slot: str  # web.2; for a task of a global service web.<node>
    version: str  # its whole spec: a different spec is a different version
    image: str
    command: str  # its image and its arguments
    created: float
    node: str = ""
    states: dict[str, float] = field(default_factory=dict)  # state -> when it was entered
    # When it was first `unwanted` (its desired state became shutdown or remove), `lost` (its node
    # was down), and `gone` (it was no longer listed).
    seen: dict[str, float] = field(default_factory=dict)
    error: str = ""
    due: float = 0.0  # when its health check is read next; infinite: it has none
    probes: dict[float, Probe] = field(default_factory=dict)  # by start

    @property
    def ended(self) -> float | None:
        return next(
            (at for state, at in self.states.items() if state in ENDED), self.seen.get("gone")
        )

    @property
    def stopped(self) -> float | None:
        """When it was told to stop, if it had not ended by then."""
        unwanted = self.seen.get("unwanted", math.inf)
        return unwanted if unwanted < (self.ended or math.inf) else None

    @property
    def failed(self) -> bool:
        """A task that was told to stop cannot fail any more."""
        return self.stopped is None and any(state in FAILED for state in self.states)

    def kinds(self, now: float) -> list[tuple[str, float, float]]:
        """(a key of palette.LOOKS, from, to), one after the other."""
        end = now if self.ended is None else self.ended
        times = {self.created, end, *self.states.values(), *self.seen.values()}
        kinds: list[tuple[str, float, float]] = []
        for start, stop in pairwise(sorted(time for time in times if time <= end)):
            entered = {"new": self.created, **self.states}
            state = max((at, state) for state, at in entered.items() if at <= start)[1]
            kind = kind_of(
                state,
                should_run=start < self.seen.get("unwanted", math.inf),
                node_down=start >= self.seen.get("lost", math.inf),
            )
            if kinds and kinds[-1][0] == kind:
                start = kinds.pop()[1]
            kinds.append((kind, start, stop))
        return kinds


class RequestSecond(NamedTuple):
    """The requests of one second to tasks of one version."""

    at: float  # the second's end
    version: str  # empty: the balancer knew no task
    served: int
    failed: int
    slow: int  # of those served


class ServiceHistory:
    """What was observed of one service, poll by poll."""

    def __init__(self, cluster: Any, service: str) -> None:
        self.cluster, self.service = cluster, service
        self.tasks: dict[str, ObservedTask] = {}  # by id
        self.updates: list[tuple[float, str, str, Any]] = []  # (when, state, message, spec)
        self.first = self.now = 0.0

    def poll(self) -> str:
        """Read the service once; its update state, empty when it has none or nothing answers."""
        try:
            api = self.cluster.client().api
            service = inspect_service(api, self.service)
            tasks = api.tasks(filters={"service": self.service})
            nodes = {node["ID"]: node for node in api.nodes()}
            if self.cluster.has_trace:
                self.now = (EPOCH_NS + self.cluster.now_ns) / S
            else:
                self.now = unix_seconds(api.info()["SystemTime"])
        except (docker.errors.APIError, requests.exceptions.RequestException):
            return ""
        status = service.get("UpdateStatus") or {}
        state, message = status.get("State", ""), status.get("Message", "")
        started = unix_seconds(status["StartedAt"]) if status.get("StartedAt") else self.now
        if not self.first:  # an update that has just started is shown from its start
            recent = self.now - 5 < started and state not in UPDATE_ENDED
            self.first = started - 1 if recent else self.now
        if state and (state, message) != (self.updates[-1][1:3] if self.updates else ()):
            updated = unix_seconds(service["UpdatedAt"])
            self.updates.append((updated, state, message, service["Spec"]))
        for task in tasks:
            self._observe(task, nodes.get(task.get("NodeID", ""), {}))
            self._read_probes(task)
        listed = {task["ID"] for task in tasks}
        for observed in self.tasks.values():
            if observed.id not in listed and observed.ended is None:
                observed.seen["gone"] = self.now
        return str(state)

    def _observe(self, task: Any, node: Any) -> None:
        status, container = task["Status"], task["Spec"].get("ContainerSpec", {})
        name = node.get("Description", {}).get("Hostname", "")
        image = container.get("Image", "").partition("@")[0]
        observed = self.tasks.setdefault(
            task["ID"],
            ObservedTask(
                id=task["ID"],
                slot=f"{self.service}.{task.get('Slot') or name}",
                version=version_of(task["Spec"]),
                image=image,
                command=" ".join([image, *container.get("Args", ())]),
                created=unix_seconds(task["CreatedAt"]),
            ),
        )
        observed.node, observed.error = name, status.get("Err", "")
        observed.states.setdefault(status["State"], unix_seconds(status["Timestamp"]))
        if task["DesiredState"] in UNWANTED:
            observed.seen.setdefault("unwanted", unix_seconds(task["UpdatedAt"]))
        if node.get("Status", {}).get("State") == "down":
            observed.seen.setdefault("lost", self.now)

    def _read_probes(self, task: Any) -> None:
        """The last five results of its health check, if it has one and its node answers."""
        observed, container = self.tasks[task["ID"]], task["Status"].get("ContainerStatus") or {}
        id = container.get("ContainerID")
        if not id or self.now < observed.due:
            return
        observed.due = self.now + CHECKED_S
        with suppress(SwarmError, OSError, docker.errors.DockerException):
            state = self.cluster.client(observed.node).api.inspect_container(id)["State"]
            for row in (state.get("Health") or {}).get("Log") or ():
                times = unix_seconds(row["Start"]), unix_seconds(row["End"])
                observed.probes[times[0]] = Probe(*times, row["ExitCode"], row["Output"])
            if "Health" not in state or observed.ended is not None:
                observed.due = math.inf

    def read_trace(self) -> list[RequestSecond]:
        """Add exact times to the tasks; the requests, second by second and version by version."""
        for id, (states, error) in task_states(self.cluster).items():
            if task := self.tasks.get(id):
                task.states |= states
                task.error = error or task.error
        versions = {task.id: task.version for task in self.tasks.values()}
        counts: dict[tuple[float, str], tuple[int, ...]] = {}
        for at, count in request_counts(self.cluster, self.service):
            key = at, versions.get(count.task_id, "")
            counts[key] = tuple(map(add, counts.get(key, (0, 0, 0)), count[-3:]))
        rows = (RequestSecond(*key, *numbers) for key, numbers in counts.items())
        return [row for row in rows if self.first < row.at <= self.now]


# -- the phases of an update -----------------------------------------------------------------------
DEFAULTS = {"Delay": 0, **UPDATE_DEFAULTS}
MARGIN_S = 0.5  # clocks and polls may differ by so much


def update_config(spec: Any, key: str) -> dict[str, Any]:
    """A service's `UpdateConfig` or `RollbackConfig` with Docker's defaults; durations in ns.

    A config without a parallelism means all at once. Source: swarmkit api/defaults/service.go.
    """
    given = spec.get(key)
    if given is None:
        return DEFAULTS
    filled = {name: given.get(name) or default for name, default in DEFAULTS.items()}
    return {**filled, "Parallelism": given.get("Parallelism", 0)}


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdatePhase:
    """The service's update state for a while, and how its failures count."""

    state: str
    message: str
    start: float
    end: float
    monitor_s: float  # how long a new task is watched once it runs
    allowed: float  # the share of failed tasks that is tolerated
    action: str  # what happens when more fail: pause, continue, rollback
    created: tuple[ObservedTask, ...] = ()  # the tasks that this phase created, one per slot
    slots: int = 0  # how many had to change
    failed: int = 0  # how many of `created` failed while they were watched

    @property
    def title(self) -> str:
        return self.state.replace("_", " ")

    @property
    def ratio(self) -> float:
        return self.failed / self.slots if self.slots else 0.0

    @property
    def gauge(self) -> str:
        line = _("{failed} of {slots} failed; if the share exceeds {allowed:g}: {action}")
        values = {"allowed": self.allowed, "action": self.action}
        return line.format(failed=self.failed, slots=self.slots, **values)


def phases_of(history: ServiceHistory) -> Iterator[UpdatePhase]:
    ends = [*(at for at, *_rest in history.updates[1:]), history.now]
    for (start, state, message, spec), end in zip(history.updates, ends, strict=False):
        key = "RollbackConfig" if state.startswith("rollback") else "UpdateConfig"
        config = update_config(spec, key)
        monitor, delay = config["Monitor"] / S, config["Delay"] / S
        phase = UpdatePhase(
            state=state,
            message=message,
            start=start,
            end=end,
            # A delay as long as the monitor stretches it. Source: update/updater.go.
            monitor_s=delay + 1 if delay >= monitor else monitor,
            allowed=config["MaxFailureRatio"],
            action=config["FailureAction"],
        )
        if state in ("updating", "rollback_started"):
            phase = _with_tasks(phase, history, version_of(spec["TaskTemplate"]))
        yield phase


def _with_tasks(phase: UpdatePhase, history: ServiceHistory, version: str) -> UpdatePhase:
    """The phase with the tasks it created: the first of each slot that has this version.

    Later ones are restarts, whose failures do not count. Source: swarmkit update/updater.go.
    """
    created: dict[str, ObservedTask] = {}
    old_slots = []
    for task in sorted(history.tasks.values(), key=lambda task: task.created):
        if task.version != version:
            if task.created < phase.start <= (task.ended or phase.end):
                old_slots.append(task.slot)
        elif phase.start - MARGIN_S <= task.created <= phase.end:
            created.setdefault(task.slot, task)
    failed = 0
    for task in created.values():
        if task.ended is not None and task.ended <= phase.end + MARGIN_S:
            failed += task.ended - task.states.get("running", task.ended) <= phase.monitor_s
    slots = len({*old_slots, *created})
    return replace(phase, created=tuple(created.values()), slots=slots, failed=failed)


@checked
def settings(cluster: AnyCluster, service: ServiceName) -> Table:
    """How a service is updated, and how it is rolled back: `settings(cluster, "web")`.

    Lesson: 12_rolling_updates.
    """
    spec = inspect_service(cluster.client().api, service)["Spec"]
    configs = [update_config(spec, key) for key in ("UpdateConfig", "RollbackConfig")]
    rows = (
        (_("tasks at a time"), "parallelism", "Parallelism"),
        (_("pause after each"), "delay", "Delay"),
        (_("old or new first"), "order", "Order"),
        (_("watched for, once running"), "monitor", "Monitor"),
        (_("tolerated share of failures"), "max-failure-ratio", "MaxFailureRatio"),
        (_("if exceeded"), "failure-action", "FailureAction"),
    )
    cells = tuple(
        (setting, *(_value(config, key) for config in configs), f"--update-{flag}")
        for setting, flag, key in rows
    )
    note = _(
        "A rollback's flags begin with `--rollback-`. A rollback uses the settings stored in the "
        "version it goes back to."
    )
    heads = (_("setting"), _("update"), _("rollback"), _("flag"))
    return Table(_("Update and rollback of {service}", service=service), heads, cells, (note,))


def _value(config: dict[str, Any], key: str) -> str:
    value = config[key]
    if key in ("Delay", "Monitor"):
        return f"{number(value / S, 'g')} s"
    if (key, value) == ("Parallelism", 0):
        return _("all")
    return value if isinstance(value, str) else number(value, "g")
