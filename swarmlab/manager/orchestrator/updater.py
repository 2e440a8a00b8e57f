"""The updater: replaces outdated tasks slot by slot, watches for failures, pauses or rolls back.

An update is a sliding window, not batches: `parallelism` slots are updated at a time, and the next
one begins as soon as one of them is finished. Only tasks that the update itself created count as
its failures, not the replacements by the restart supervisor.
Source: swarmkit manager/orchestrator/update/updater.go.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from swarmlab import model
from swarmlab.manager.orchestrator.restart import RestartSupervisor
from swarmlab.manager.store import Change, Store, create, update
from swarmlab.manager.tasks import is_clean, is_rolling_back, new_task, runnable, shut_down
from swarmlab.simulation import S, Simulation

Slot = list[model.Task]  # its tasks as they were when the update began

END = {
    model.UpdateState.ROLLBACK_STARTED: (model.UpdateState.ROLLBACK_COMPLETED, "rollback completed")
}
PAUSED = (model.UpdateState.PAUSED, model.UpdateState.ROLLBACK_PAUSED)


@dataclass(slots=True)
class SlotUpdate:
    """One slot that is being updated."""

    slot: Slot
    task_id: str  # the new task that has to run; empty: none
    kept: bool = False  # the task existed before and only has to be started
    rest_until_ns: int | None = None  # the end of the delay after the slot; None: not updated yet


@dataclass(slots=True)
class RollingUpdate:
    """A rolling update of one service."""

    spec: model.ServiceSpec
    config: model.UpdateConfig
    rolling_back: bool
    queue: deque[Slot]
    dirty_count: int
    monitor_ns: int  # how long a new task is watched
    slot_updates: list[SlotUpdate] = field(default_factory=list)
    reached_ns: dict[str, int | None] = field(default_factory=dict)  # its tasks -> when RUNNING
    failed: dict[str, None] = field(default_factory=dict)
    monitor_until_ns: int | None = None  # set when the last slot is done
    stopped: bool = False  # it failed: no further slots are begun, those in progress are finished


class Updater:
    def __init__(self, simulation: Simulation, restarts: RestartSupervisor) -> None:
        self.simulation = simulation
        self.restarts = restarts
        self.in_progress: dict[str, RollingUpdate] = {}  # by service id

    # -- starting --------------------------------------------------------------------
    def offer(self, view: Store, service: model.Service, slots: Iterable[Slot]) -> list[Change]:
        """Begin an update if any of the service's occupied slots is outdated."""
        status = service.update_status
        if status is not None and status.state in PAUSED:
            return []
        current = self.in_progress.get(service.id)
        if current is not None and current.spec == service.spec:
            return []
        self.in_progress.pop(service.id, None)
        dirty = [tasks for tasks in slots if self._is_dirty(view, service, tasks)]
        if not dirty:
            under_way = (model.UpdateState.UPDATING, model.UpdateState.ROLLBACK_STARTED)
            if status is not None and status.state in under_way:
                return [update(self._completed(service))]
            return []
        rolling_back = is_rolling_back(service)
        config = service.spec.rollback_config if rolling_back else service.spec.update_config
        self.in_progress[service.id] = RollingUpdate(
            service.spec, config, rolling_back, deque(dirty), len(dirty), config.monitor_ns
        )
        if status is not None:
            return []
        started = model.UpdateStatus(
            state=model.UpdateState.UPDATING,
            message="update in progress",
            started_ns=self.simulation.now_ns,
        )
        return [update(replace(service, update_status=started))]

    def _is_dirty(self, view: Store, service: model.Service, tasks: list[model.Task]) -> bool:
        return len(tasks) > 1 or not is_clean(tasks[0], service, view.nodes.get(tasks[0].node_id))

    def _completed(self, service: model.Service) -> model.Service:
        before = service.update_status
        state = before.state if before is not None else model.UpdateState.UPDATING
        state, message = END.get(state, (model.UpdateState.COMPLETED, "update completed"))
        now_ns = self.simulation.now_ns
        started_ns = before.started_ns if before is not None else now_ns
        status = model.UpdateStatus(
            state=state, message=message, started_ns=started_ns, completed_ns=now_ns
        )
        return replace(service, update_status=status)

    # -- progress ------------------------------------------------------------------
    def concerns(self, task: model.Task | None) -> bool:
        """Whether an update waits for this task, or watches it."""
        current = self.in_progress.get(task.service_id) if task is not None else None
        return current is not None and task is not None and task.id in current.reached_ns

    def step(self, view: Store) -> list[Change]:
        """Advance every update as far as possible now."""
        changes: list[Change] = []
        for service_id in list(self.in_progress):
            service = view.services.get(service_id)
            if service is None or service.spec != self.in_progress[service_id].spec:
                del self.in_progress[service_id]  # removed, or about to be offered again
            else:
                changes += self._step(view, service, self.in_progress[service_id])
        return changes

    def _step(self, view: Store, service: model.Service, rolling: RollingUpdate) -> list[Change]:
        now_ns = self.simulation.now_ns
        self._record_running(view, rolling)
        changes = [
            change
            for slot_update in list(rolling.slot_updates)
            for change in self._work(view, rolling, slot_update)
        ]
        if not rolling.queue and not rolling.slot_updates and rolling.monitor_until_ns is None:
            if rolling.config.delay_ns >= rolling.monitor_ns:
                rolling.monitor_ns = rolling.config.delay_ns + 1 * S
            rolling.monitor_until_ns = now_ns + rolling.monitor_ns
        outcome = self._check_failures(view, service, rolling)
        if outcome:
            return changes + outcome
        while rolling.queue and len(rolling.slot_updates) < (
            rolling.config.parallelism or rolling.dirty_count
        ):
            changes += self._begin(view, service, rolling, rolling.queue.popleft())
        if rolling.queue or rolling.slot_updates:
            return changes
        if rolling.stopped:
            del self.in_progress[service.id]
        elif rolling.monitor_until_ns is not None and now_ns >= rolling.monitor_until_ns:
            del self.in_progress[service.id]
            if service.update_status is not None:  # `docker service update` resets it
                changes.append(update(self._completed(service)))
        return changes

    def _begin(
        self, view: Store, service: model.Service, rolling: RollingUpdate, slot: Slot
    ) -> list[Change]:
        """Begin to replace the tasks of a slot."""
        now_ns = self.simulation.now_ns
        clean = [t for t in runnable(slot) if is_clean(t, service, view.nodes.get(t.node_id))]
        keep = next((t for t in clean if t.desired == model.TaskState.RUNNING), None)
        keep = keep or next(iter(clean), None)
        others = [t for t in runnable(slot) if t is not keep]
        old = runnable(view.tasks[t.id] for t in others if t.id in view.tasks)
        start_first = keep is None and rolling.config.order == "start-first"
        if others and not old and not start_first:
            # Another component already replaced this slot; SwarmKit's transaction fails here.
            rolling.slot_updates.append(
                SlotUpdate(slot, "", rest_until_ns=now_ns + rolling.config.delay_ns)
            )
            return []
        task, changes = keep or self._new(service, slot[0]), list[Change]()
        if keep is None:
            changes.append(create(task))
            rolling.reached_ns[task.id] = None
        rolling.slot_updates.append(SlotUpdate(slot, task.id, kept=keep is not None))
        if not start_first:
            changes += shut_down(old)
        if task.desired < model.TaskState.RUNNING:
            awaited = old[-1].id if old and not start_first else ""
            self.restarts.start_later(task.id, 0, awaited)
        return changes

    def _new(self, service: model.Service, old: model.Task) -> model.Task:
        """A replacement for the old task, with desired state READY."""
        return new_task(
            service,
            self.simulation,
            slot=old.slot,
            node_id="" if old.slot else old.node_id,
            desired=model.TaskState.READY,
        )

    def _work(self, view: Store, rolling: RollingUpdate, slot_update: SlotUpdate) -> list[Change]:
        """A slot in progress: wait for its new task to rolling, then for the delay."""
        now_ns = self.simulation.now_ns
        if slot_update.rest_until_ns is not None:
            if now_ns >= slot_update.rest_until_ns:
                rolling.slot_updates.remove(slot_update)
            return []
        task = view.tasks.get(slot_update.task_id)
        if slot_update.kept:
            if slot_update.task_id in self.restarts.delayed:
                return []
        elif task is not None and task.state < model.TaskState.RUNNING:
            return []
        slot_update.rest_until_ns = now_ns + rolling.config.delay_ns
        start_first = rolling.config.order == "start-first" and not slot_update.kept
        if start_first and task is not None and task.state == model.TaskState.RUNNING:
            return shut_down(view.tasks[t.id] for t in slot_update.slot if t.id in view.tasks)
        return []

    # -- failures --------------------------------------------------------------------
    def _record_running(self, view: Store, rolling: RollingUpdate) -> None:
        """Record when each of the update's own tasks reached RUNNING or a later state.

        Those that have been watched for long enough are forgotten.
        """
        watched_ns = max(rolling.monitor_ns, rolling.config.delay_ns + 1 * S)
        for id, reached_ns in list(rolling.reached_ns.items()):
            if reached_ns is not None and reached_ns + watched_ns < self.simulation.now_ns:
                del rolling.reached_ns[id]
                continue
            task = view.tasks.get(id)
            if reached_ns is None and task is not None and task.state >= model.TaskState.RUNNING:
                rolling.reached_ns[id] = self.simulation.now_ns

    def _check_failures(
        self, view: Store, service: model.Service, rolling: RollingUpdate
    ) -> list[Change]:
        """Count the update's own tasks that ended too soon; act when they are too many.

        As in SwarmKit nothing is counted while the last slots are in progress: failures of that
        time are counted afterwards, and against the time at which they are counted.
        """
        if rolling.stopped or rolling.config.failure_action == "continue":
            return []
        if not rolling.queue and rolling.monitor_until_ns is None:
            return []
        for id, reached_ns in rolling.reached_ns.items():
            task = view.tasks.get(id)
            if task is None or task.state <= model.TaskState.RUNNING or id in rolling.failed:
                continue
            if reached_ns is None or self.simulation.now_ns - reached_ns <= rolling.monitor_ns:
                rolling.failed[id] = None
                if len(rolling.failed) / rolling.dirty_count > rolling.config.max_failure_ratio:
                    return self._failed(service, rolling, id)
        return []

    def _failed(self, service: model.Service, rolling: RollingUpdate, task_id: str) -> list[Change]:
        cause = f"due to failure or early termination of task {task_id}"
        before, rolling.queue = service.update_status, deque()
        if rolling.config.failure_action == "rollback" and not rolling.rolling_back:
            rolling.stopped = True
            if service.previous_spec is None or before is None:
                return []
            status = replace(
                before,
                state=model.UpdateState.ROLLBACK_STARTED,
                message=f"update rolled back {cause}",
            )
            restored = replace(
                service,
                spec=service.previous_spec,
                spec_version=service.previous_spec_version,
                previous_spec=None,
                previous_spec_version=0,
                update_status=status,
            )
            return [update(restored)]
        if rolling.config.failure_action == "pause":
            rolling.stopped = True
            message = f"update paused {cause}"  # SwarmKit says so of a paused rollback, too
        else:
            # A rollback whose failure action is `rollback`: SwarmKit reports a pause, but finishes
            # the rollback and then reports that it completed.
            message = f"rollback paused {cause}"
            if rolling.monitor_until_ns is not None:
                rolling.monitor_until_ns = self.simulation.now_ns
        if before is None:
            return []  # the service was updated meanwhile, which resets its update status
        rolling_back = before.state is model.UpdateState.ROLLBACK_STARTED
        state = model.UpdateState.ROLLBACK_PAUSED if rolling_back else model.UpdateState.PAUSED
        return [
            update(replace(service, update_status=replace(before, state=state, message=message)))
        ]

    def next_ns(self) -> int | None:
        """When `step` is to be called again."""
        times = []
        for rolling in self.in_progress.values():
            times.append(rolling.monitor_until_ns)
            for slot_update in rolling.slot_updates:
                started = slot_update.kept and slot_update.task_id not in self.restarts.delayed
                resting = slot_update.rest_until_ns is not None
                now_ns = self.simulation.now_ns if started else None
                times.append(slot_update.rest_until_ns if resting else now_ns)
        return min((time for time in times if time is not None), default=None)
