"""The updater: replaces outdated tasks slot by slot, watches for failures, pauses or rolls back.

An update is a sliding window, not batches: each of `parallelism` workers takes the next slot when
it is done with the last. Only tasks that the update itself made count as its failures; what the
restart supervisor makes of them does not. Source: swarmkit manager/orchestrator/update/updater.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from swarmlab.manager.restart import RestartSupervisor
from swarmlab.manager.slots import is_clean, is_rolling_back, live, new_task, wanted
from swarmlab.manager.store import Change, Store, create, update
from swarmlab.model import (
    NodeState,
    Service,
    ServiceSpec,
    Task,
    TaskState,
    UpdateConfig,
    UpdateState,
    UpdateStatus,
)
from swarmlab.simulation import S, Simulation

SlotKey = int | str  # a slot's number, or a node's id

END = {
    UpdateState.ROLLBACK_STARTED: (UpdateState.ROLLBACK_COMPLETED, "rollback completed"),
}
PAUSED = (UpdateState.PAUSED, UpdateState.ROLLBACK_PAUSED)


@dataclass(slots=True)
class Worker:
    """One slot that is being updated."""

    slot: SlotKey
    task_id: str  # the new task that has to run; empty once there is nothing to wait for
    rest_until_ns: int | None = None  # the delay after the slot; None: still at work


@dataclass(slots=True)
class Update:
    """One run of the updater over one service."""

    spec: ServiceSpec
    config: UpdateConfig
    queue: list[SlotKey]
    dirty_count: int
    monitor_ns: int
    workers: list[Worker] = field(default_factory=list)
    reached_ns: dict[str, int | None] = field(default_factory=dict)  # its tasks -> when running
    failed: dict[str, None] = field(default_factory=dict)
    monitor_until_ns: int | None = None  # set when the last worker is done
    stopped: bool = False  # paused: slots begun are finished, no more are begun


class Updates:
    def __init__(self, simulation: Simulation, restarts: RestartSupervisor) -> None:
        self.simulation = simulation
        self.restarts = restarts
        self.running: dict[str, Update] = {}  # by service id

    # -- starting --------------------------------------------------------------------
    def offer(
        self, view: Store, service: Service, slots: Mapping[SlotKey, list[Task]]
    ) -> list[Change]:
        """Look whether the service's occupied slots need an update, and begin it."""
        status = service.update_status
        if status is not None and status.state in PAUSED:
            return []
        current = self.running.get(service.id)
        if current is not None and current.spec == service.spec:
            return []
        self.running.pop(service.id, None)
        dirty = [key for key, tasks in slots.items() if self._is_dirty(view, service, tasks)]
        if not dirty:
            under_way = (UpdateState.UPDATING, UpdateState.ROLLBACK_STARTED)
            if status is not None and status.state in under_way:
                return [update(self._completed(service))]
            return []
        rolling_back = is_rolling_back(service)
        config = service.spec.rollback_config if rolling_back else service.spec.update_config
        monitor_ns = config.monitor_ns
        if config.delay_ns >= monitor_ns:
            monitor_ns = config.delay_ns + 1 * S
        self.simulation.rng.shuffle(dirty)  # Go walks a map here
        self.running[service.id] = Update(service.spec, config, dirty, len(dirty), monitor_ns)
        if status is not None:
            return []
        started = UpdateStatus(
            state=UpdateState.UPDATING,
            message="update in progress",
            started_ns=self.simulation.now_ns,
        )
        return [update(replace(service, update_status=started))]

    def _is_dirty(self, view: Store, service: Service, tasks: list[Task]) -> bool:
        return len(tasks) > 1 or not is_clean(tasks[0], service, view.nodes.get(tasks[0].node_id))

    def _completed(self, service: Service) -> Service:
        before = service.update_status
        state = before.state if before is not None else UpdateState.UPDATING
        state, message = END.get(state, (UpdateState.COMPLETED, "update completed"))
        now_ns = self.simulation.now_ns
        started_ns = before.started_ns if before is not None else now_ns
        status = UpdateStatus(
            state=state, message=message, started_ns=started_ns, completed_ns=now_ns
        )
        return replace(service, update_status=status)

    # -- going on --------------------------------------------------------------------
    def concerns(self, task: Task | None) -> bool:
        """Whether an update waits for this task, or watches it."""
        current = self.running.get(task.service_id) if task is not None else None
        return current is not None and task is not None and task.id in current.reached_ns

    def step(self, view: Store) -> list[Change]:
        """Let every update go on as far as it can now."""
        changes: list[Change] = []
        for service_id in list(self.running):
            service = view.services.get(service_id)
            if service is None or service.spec != self.running[service_id].spec:
                del self.running[service_id]  # gone, or about to be offered anew
            else:
                changes += self._step(view, service, self.running[service_id])
        return changes

    def _step(self, view: Store, service: Service, run: Update) -> list[Change]:
        now_ns = self.simulation.now_ns
        changes = self._watch(view, service, run)
        if any(isinstance(change.object, Service) for change in changes):
            return changes
        for worker in list(run.workers):
            changes += self._work(view, service, run, worker)
        while run.queue and len(run.workers) < (run.config.parallelism or run.dirty_count):
            changes += self._begin(view, service, run, run.queue.pop(0))
        if run.queue or run.workers:
            return changes
        if run.stopped:
            del self.running[service.id]
        elif run.monitor_until_ns is None:
            run.monitor_until_ns = now_ns + run.monitor_ns
        elif now_ns >= run.monitor_until_ns:
            del self.running[service.id]
            changes.append(update(self._completed(service)))
        return changes

    def _begin(self, view: Store, service: Service, run: Update, key: SlotKey) -> list[Change]:
        """Give one slot a task of the new kind."""
        now_ns = self.simulation.now_ns
        tasks = _slot_tasks(view, service, key)
        clean = [t for t in tasks if is_clean(t, service, view.nodes.get(t.node_id))]
        keep = next((t for t in clean if t.desired == TaskState.RUNNING), None)
        keep = keep or next(iter(clean), None)
        changes: list[Change] = []
        if keep is None:
            keep = new_task(
                service,
                self.restarts.new_id(),
                now_ns,
                slot=key if isinstance(key, int) else 0,
                node_id=key if isinstance(key, str) else "",
                desired=TaskState.READY,
            )
            changes.append(create(keep))
            run.reached_ns[keep.id] = None
            if run.config.order == "start-first":
                self.restarts.start_later(keep.id, now_ns, 0)
                run.workers.append(Worker(key, keep.id))
                return changes
            run.workers.append(Worker(key, keep.id))
        else:
            run.workers.append(Worker(key, "", now_ns + run.config.delay_ns))
        others = [t for t in tasks if t.id != keep.id]
        changes += [update(wanted(t, TaskState.SHUTDOWN)) for t in others]
        if keep.desired < TaskState.RUNNING:
            stopping = [t.id for t in others if _is_stopping(view, t)]
            self.restarts.start_later(keep.id, now_ns, 0, stopping[-1] if stopping else "")
        return changes

    def _work(self, view: Store, service: Service, run: Update, worker: Worker) -> list[Change]:
        """A slot under way: wait until its new task runs, then rest, then be done."""
        now_ns = self.simulation.now_ns
        if worker.rest_until_ns is not None:
            if now_ns >= worker.rest_until_ns:
                run.workers.remove(worker)
            return []
        task = view.tasks.get(worker.task_id)
        if task is not None and task.state < TaskState.RUNNING:
            return []
        worker.rest_until_ns = now_ns + run.config.delay_ns
        if task is not None and run.config.order == "start-first":
            others = [t for t in _slot_tasks(view, service, worker.slot) if t.id != task.id]
            if task.state == TaskState.RUNNING:
                return [update(wanted(t, TaskState.SHUTDOWN)) for t in others]
        return []

    # -- failures --------------------------------------------------------------------
    def _watch(self, view: Store, service: Service, run: Update) -> list[Change]:
        """Count the update's own tasks that ended too soon; act when they are too many."""
        now_ns = self.simulation.now_ns
        last_failed = ""
        for id, reached_ns in run.reached_ns.items():
            task = view.tasks.get(id)
            if task is None or task.state < TaskState.RUNNING:
                continue
            if reached_ns is None:
                run.reached_ns[id] = reached_ns = now_ns
            over = task.state > TaskState.RUNNING and id not in run.failed
            if over and now_ns - reached_ns <= run.monitor_ns:
                run.failed[id] = None
                last_failed = id
        action = run.config.failure_action
        if not last_failed or action == "continue" or run.stopped:
            return []
        if len(run.failed) / run.dirty_count <= run.config.max_failure_ratio:
            return []
        return self._failed(service, run, last_failed)

    def _failed(self, service: Service, run: Update, task_id: str) -> list[Change]:
        cause = f"due to failure or early termination of task {task_id}"
        before = service.update_status
        assert before is not None
        rolling_back = is_rolling_back(service)
        if run.config.failure_action == "rollback" and not rolling_back:
            if service.previous_spec is None:
                run.stopped, run.queue = True, []
                return []
            status = replace(
                before, state=UpdateState.ROLLBACK_STARTED, message=f"update rolled back {cause}"
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
        state = UpdateState.ROLLBACK_PAUSED if rolling_back else UpdateState.PAUSED
        if run.config.failure_action == "pause":
            run.stopped, run.queue = True, []
            message = f"update paused {cause}"  # a paused rollback says "update", too
        else:
            message = f"rollback paused {cause}"  # and yet it goes on, and ends as completed
        return [
            update(replace(service, update_status=replace(before, state=state, message=message)))
        ]

    def next_ns(self) -> int | None:
        """When `step` is worth asking again."""
        times = [
            worker.rest_until_ns
            for run in self.running.values()
            for worker in run.workers
            if worker.rest_until_ns is not None
        ]
        times += [
            r.monitor_until_ns for r in self.running.values() if r.monitor_until_ns is not None
        ]
        return min(times, default=None)


def _slot_tasks(view: Store, service: Service, key: SlotKey) -> list[Task]:
    """The live tasks of one slot, as they are now."""
    return [t for t in live(view.tasks_of_service(service.id)) if (t.slot or t.node_id) == key]


def _is_stopping(view: Store, task: Task) -> bool:
    node = view.nodes.get(task.node_id)
    down = node is None or node.status.state is NodeState.DOWN
    return task.state <= TaskState.RUNNING and not (down and task.node_id)
