"""The way from a command on a service to its containers, and back: who did what, step by step.

A step is one or more records of the trace, of one part of the swarm at one moment; what the leader
stored is read from Raft's log, at the index that the record names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from swarmlab.errors import LabError
from swarmlab.manager.allocator.allocator import Allocator
from swarmlab.manager.control_api import COMMANDS
from swarmlab.manager.dispatcher.assignments import SentAssignments
from swarmlab.manager.dispatcher.dispatcher import Dispatcher
from swarmlab.manager.orchestrator.constraint_enforcer import ConstraintEnforcer
from swarmlab.manager.orchestrator.global_services import GlobalOrchestrator
from swarmlab.manager.orchestrator.jobs import JobOrchestrator
from swarmlab.manager.orchestrator.replicated import ReplicatedOrchestrator
from swarmlab.manager.orchestrator.task_reaper import TaskReaper
from swarmlab.manager.scheduler.scheduler import Scheduler, build_tree, rank
from swarmlab.model import Service, StoreObject, TaskState
from swarmlab.model.trace_records import Record, TasksSent, TaskStatusChanged, Written
from swarmlab.simulation import MS, Trace
from swarmlab.worker.agent import Agent
from swarmlab.worker.controller import Controller
from swarmlab.worker.task_manager import next_step

if TYPE_CHECKING:
    from swarmlab.manager.manager import Manager

# A stored object before and after; None: there was none, or there is none any more.
ObjectChange = tuple[Any, Any]
Functions = tuple[Callable[..., Any], ...]

SAME_MOMENT_NS = 100 * MS  # what several nodes do within it is one step
# Who stored something -> the part on the talk's slide 34, and the functions that decided.
AUTHORS: dict[str, tuple[str, Functions]] = {
    **{command.__name__: ("api", (command,)) for command in COMMANDS.values()},
    ReplicatedOrchestrator.__name__: ("orchestrator", (ReplicatedOrchestrator.reconcile,)),
    GlobalOrchestrator.__name__: ("orchestrator", (GlobalOrchestrator.reconcile,)),
    JobOrchestrator.__name__: ("orchestrator", (JobOrchestrator.decide,)),
    ConstraintEnforcer.__name__: ("orchestrator", (ConstraintEnforcer.decide,)),
    TaskReaper.__name__: ("orchestrator", (TaskReaper.decide,)),
    Allocator.__name__: ("allocator", (Allocator.decide,)),
    Scheduler.__name__: ("scheduler", (Scheduler.decide, build_tree, rank)),
    Dispatcher.__name__: ("reports", (Dispatcher.decide,)),
}
# The state that a task has reached on its node -> the same.
STATES: dict[TaskState, tuple[str, Functions]] = {
    TaskState.ACCEPTED: ("worker", (Agent.receive, next_step)),
    TaskState.PREPARING: ("executor", (Controller.prepare,)),
    TaskState.READY: ("executor", (Controller.prepare,)),
    TaskState.STARTING: ("executor", (Controller.start,)),
    TaskState.RUNNING: ("executor", (Controller.start,)),
    TaskState.SHUTDOWN: ("executor", (Controller.shutdown,)),
    TaskState.COMPLETE: ("executor", (Controller.wait,)),
    TaskState.FAILED: ("executor", (Controller.start, Controller.wait)),
    TaskState.REJECTED: ("executor", (Controller.prepare,)),
}


@dataclass(frozen=True, slots=True)
class ServiceStep:
    """What one part did at one moment. `reports`: the dispatcher, as it stores agents' reports;
    empty: a leader that was lost."""

    part: str
    functions: Functions
    records: tuple[Record, ...]
    changes: tuple[ObjectChange, ...] = ()  # of the store: the service and its tasks

    @property
    def at_ns(self) -> int:
        return self.records[0].at_ns


def service_steps(managers: Iterable[Manager], trace: Trace, service: str) -> list[ServiceStep]:
    """Every step of the newest service of this name, from its creation as far as the log goes."""
    manager = _best_manager([*managers])
    entries = manager.raft.core.log.entries
    stored = [(entry.index, entry.data) for entry in entries if isinstance(entry.data, tuple)]
    named = [o.id for _, data in stored for _, o in data if _is_service(o, service)]
    named += [one.id for one in manager.store.services.values() if _is_service(one, service)]
    if not named:
        raise LabError("there is no service {name!r}", name=service)
    changes = dict(_changes(stored, named[-1], manager.raft.applied_index))
    tasks = {o.id for pairs in changes.values() for pair in pairs for o in pair if o is not None}
    # A leader that is lost may not live to see its last write committed, so it isn't recorded.
    told = {record.index for record in trace.of(Written)}
    lost = [
        Written((pairs[0][1] or pairs[0][0]).updated_ns, "", "", index)
        for index, pairs in changes.items()
        if index not in told
    ]
    steps: list[ServiceStep] = []
    for record in sorted([*trace, *lost], key=lambda record: record.at_ns):
        step = _step(record, changes, tasks)
        if step is not None and not _joined(steps, step):
            steps.append(step)
    return steps


def _is_service(object: Any, name: str) -> bool:
    return isinstance(object, Service) and object.spec.name == name


def _best_manager(managers: list[Manager]) -> Manager:
    """The one that has applied the most."""
    if not managers:
        raise LabError("no manager is up, so no log can be read")
    return max(managers, key=lambda manager: manager.store.index)


def _changes(
    stored: list[tuple[int, Any]], service_id: str, applied_index: int
) -> Iterator[tuple[int, list[ObjectChange]]]:
    """Per index of the log, the changes to the service and its tasks."""
    known: dict[str, StoreObject] = {}
    for index, data in stored:
        pairs = list[ObjectChange]()
        for action, object in data if index <= applied_index else ():
            if service_id not in (object.id, getattr(object, "service_id", "")):
                continue
            before, after = known.pop(object.id, None), None if action == "remove" else object
            if before is None and action != "create" and stored[0][0] == 1:
                continue  # it raced with the removal
            if after is not None:
                known[object.id] = after
            pairs.append((before, after))
        if pairs:
            yield index, pairs


def _step(
    record: Record, changes: dict[int, list[ObjectChange]], ids: set[str]
) -> ServiceStep | None:
    """The step of one record; None for a record of something else."""
    match record:
        case Written() if record.index in changes:
            part, functions = AUTHORS.get(record.author, ("", ()))
            return ServiceStep(part, functions, (record,), tuple(changes[record.index]))
        case TasksSent() if ids & {*record.task_ids}:
            return ServiceStep("dispatcher", (SentAssignments.next_message,), (record,))
        case TaskStatusChanged() if record.task_id in ids:
            part, functions = STATES[record.state]
            return ServiceStep(part, functions, (record,))
    return None


def _joined(steps: list[ServiceStep], step: ServiceStep) -> bool:
    """Whether the step joins one that has just begun: the same happened on another node."""
    for place in reversed(range(len(steps))):
        earlier = steps[place]
        if step.at_ns - earlier.at_ns > SAME_MOMENT_NS:
            return False
        if not step.changes and _kind(earlier.records[0]) == _kind(step.records[0]):
            steps[place] = replace(earlier, records=earlier.records + step.records)
            return True
    return False


def _kind(record: Record) -> Any:
    return record.state if isinstance(record, TaskStatusChanged) else type(record)
