"""The phases of a service's update: its state over time, how failures count, and the settings.

Source: swarmkit manager/orchestrator/update/updater.go, api/defaults/service.go.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from swarmlab.model.specs import UPDATE_DEFAULTS
from swarmlab.simulation import S
from swarmlab.strings import _
from swarmlab.views.html import Table
from swarmlab.views.task_history import (
    ObservedTask,
    ServiceHistory,
    inspect_service,
    version_of,
)

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
        line = _("{failed} of {slots} failed; a share of more than {allowed:g} means: {action}")
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


def settings(cluster: Any, service: str) -> Table:
    """How a service is updated, and how it is rolled back, side by side.

    Lesson: 12_rolling_updates.
    """
    spec = inspect_service(cluster.client().api, service)["Spec"]
    configs = [update_config(spec, key) for key in ("UpdateConfig", "RollbackConfig")]
    rows = (
        (_("tasks at a time"), "parallelism", "Parallelism"),
        (_("pause after each"), "delay", "Delay"),
        (_("old or new first"), "order", "Order"),
        (_("watched for, once it runs"), "monitor", "Monitor"),
        (_("tolerated share of failures"), "max-failure-ratio", "MaxFailureRatio"),
        (_("when there are more"), "failure-action", "FailureAction"),
    )
    cells = tuple(
        (setting, *(_value(config, key) for config in configs), f"--update-{flag}")
        for setting, flag, key in rows
    )
    note = _(
        "The flags of a rollback begin with `--rollback-`. It goes by the settings of the version"
        " that comes back."
    )
    heads = (_("setting"), _("update"), _("rollback"), _("flag"))
    return Table(_("Update and rollback of {service}", service=service), heads, cells, (note,))


def _value(config: dict[str, Any], key: str) -> str:
    value = config[key]
    if key in ("Delay", "Monitor"):
        return f"{value / S:g} s"
    if (key, value) == ("Parallelism", 0):
        return _("all")
    return value if isinstance(value, str) else f"{value:g}"
