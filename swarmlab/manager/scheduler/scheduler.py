"""The scheduler: decides which node gets which PENDING task, or why no node can.

Tasks without a node are handled in groups of equal tasks (same service, same version of its spec):
the nodes that pass all filters are arranged in a tree by the spread preferences, and the group is
distributed over its branches, fewest tasks first. Tasks that have a node already (global services)
are only checked on it. A decision is never revised.
Source: swarmkit manager/scheduler/{scheduler,decision_tree,nodeset}.go.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from heapq import nsmallest
from itertools import cycle, islice

from swarmlab.manager.constraints import label
from swarmlab.manager.control_loop import ControlLoop
from swarmlab.manager.scheduler.filters import Pipeline
from swarmlab.manager.scheduler.node_info import FAILURES_MAX, NodeInfo, is_active
from swarmlab.manager.store import Change, Store, update, updates
from swarmlab.manager.tasks import PENDING
from swarmlab.model import Node, StoreObject, Task, TaskState, TaskStatus
from swarmlab.model.trace_records import Scheduled, Unschedulable
from swarmlab.simulation import MS, S, Simulation

# Wait 50 ms for more commits before scheduling, at most 1 s in all: one decision for many equal
# tasks beats many decisions. Source: swarmkit scheduler.go, Run.
DEBOUNCE_NS, DEBOUNCE_NS_MAX = 50 * MS, 1 * S

ASSIGNED = "scheduler assigned task to node"
CONFIRMED = "scheduler confirmed task can run on preassigned node"


@dataclass(slots=True)
class DecisionTreeNode:
    """A node of the decision tree: the machines that have the same value of a label."""

    active_count: int = 0  # tasks of the service on all nodes below, eligible or not
    branches: dict[str, DecisionTreeNode] = field(
        default_factory=dict
    )  # by label value; "" for no label
    nodes: list[NodeInfo] = field(default_factory=list)  # of a leaf: those that pass the filters


def build_tree(
    nodes: Iterable[NodeInfo], task: Task, pipeline: Pipeline, preferences: tuple[str, ...]
) -> DecisionTreeNode:
    """Arrange the nodes in a tree by their labels; those without the label share a branch.

    A preference that is not a label descriptor adds no level.
    """
    root = DecisionTreeNode()
    for info in nodes:
        branch, count = root, info.tasks_of_service(task.service_id)
        branch.active_count += count
        for descriptor in preferences:
            value = label(info.node, descriptor)
            if value is None:
                continue
            branch = branch.branches.setdefault(value, DecisionTreeNode())
            branch.active_count += count
        if pipeline.passes(info):
            branch.nodes.append(info)
    return root


Rank = tuple[int, int, int]


def rank(info: NodeInfo, task: Task, now_ns: int) -> Rank:
    """The smaller, the better a node: fewer recent failures when they are many, then fewer active
    tasks of the service, then fewer active tasks at all. Nodes of equal rank come in any order."""
    failed = info.failures(task, now_ns)
    of_service = info.tasks_of_service(task.service_id)
    return (failed if failed >= FAILURES_MAX else 0), of_service, info.active_count


class Group:
    """One pass over a group of equal tasks that assigns a node to each."""

    def __init__(self, tasks: list[Task], pipeline: Pipeline, now_ns: int, rng: random.Random):
        self.waiting = list(tasks)
        self.placed: list[tuple[Task, NodeInfo]] = []
        self.pipeline = pipeline
        self.now_ns = now_ns
        self.rng = rng
        self.assigned = _status(TaskState.ASSIGNED, ASSIGNED, now_ns)

    def fill(self, branch: DecisionTreeNode, count: int) -> int:
        """Place up to `count` tasks below `branch`; how many were placed."""
        while len(branch.branches) == 1:  # a level at which all nodes are alike
            (branch,) = branch.branches.values()
        if branch.branches:
            return self._distribute(branch, count)
        return self._fill_leaf(branch.nodes, count)

    def _distribute(self, branch: DecisionTreeNode, count: int) -> int:
        """Level the branches: fill those with fewer tasks first, then distribute the rest.

        The counts are from before this pass, so the result can be off by a few, as in SwarmKit.
        """
        usable = list(branch.branches.values())
        self.rng.shuffle(usable)
        counts = {id(b): b.active_count for b in usable}
        total, left, attempted = sum(counts.values()), count, True
        while left and usable and attempted:
            attempted = False
            target, remainder = divmod(total + left, len(usable))
            for child in list(usable):
                has = counts[id(child)]
                if not (has < target or (has == target and remainder)):
                    continue
                attempted = True
                share = min(target - has + (1 if remainder else 0), left)
                placed = self.fill(child, share)
                left -= placed
                if placed < share:
                    usable.remove(child)
                    total -= has
                elif remainder:
                    remainder -= 1
        return count - left

    def _fill_leaf(self, nodes: list[NodeInfo], count: int) -> int:
        """Place tasks on the best-ranked node until the next one ranks better, and so on.

        After the last node they go round in turns. Returns how many found a place.
        """
        if not (nodes and self.waiting):  # an emptier branch before this one may have got the last
            return 0
        task, now_ns, chance = self.waiting[-1], self.now_ns, self.rng.random
        ranked = [(rank(info, task, now_ns), chance(), k) for k, info in enumerate(nodes)]
        best = nsmallest(count, ranked)
        candidates = [nodes[k] for _, _, k in best]
        ranks = [its_rank for its_rank, _, _ in best]
        size, shifting = len(candidates), self.pipeline.shifting
        index, placed, full = 0, 0, set[int]()
        while placed < count:
            if index >= size - 1 and not shifting:
                turns = islice(cycle(candidates), size - 1, size - 1 + count - placed)
                self._place_in_turn(list(turns))
                return count
            at = index % size
            if shifting and (at in full or not self.pipeline.passes(candidates[at])):
                full.add(at)
                if len(full) == size:
                    return placed
                index += 1
                continue
            self._place(candidates[at])
            placed += 1
            if index >= size - 1:
                index += 1
                continue
            failures, of_service, active = ranks[at]
            counted = is_active(self.placed[-1][0])
            ranks[at] = failures, of_service + counted, active + counted
            if ranks[index + 1] < ranks[at]:
                index += 1
        return placed

    def _place(self, info: NodeInfo) -> None:
        task = self.waiting.pop()
        assigned = task.with_(node_id=info.node.id, status=self.assigned)
        if task.spec.reserved.generic:
            assigned = assigned.with_(generic_resources=info.claim(task))
        info.place(assigned)
        self.placed.append((assigned, info))

    def _place_in_turn(self, nodes: list[NodeInfo]) -> None:
        """Give each of these nodes a task that reserves nothing."""
        tasks = self.waiting[-len(nodes) :][::-1]
        del self.waiting[-len(nodes) :]
        placed, assigned = [], self.assigned
        for task, info in zip(tasks, nodes, strict=True):
            info.tasks[task.id] = task = task.with_(node_id=info.node.id, status=assigned)
            placed.append((task, info))
        self.placed += placed
        active = [info for task, info in placed if task.desired <= TaskState.COMPLETE]
        for info, count in Counter(active).items():
            info.count(tasks[0], count)


def _status(state: TaskState, message: str, now_ns: int, err: str = "") -> TaskStatus:
    return TaskStatus(state=state, timestamp_ns=now_ns, message=message, err=err)


class Scheduler(ControlLoop):
    """Keeps what it knows of every node, and the tasks that wait for one."""

    watches = (Node, Task)
    debounce_ns, debounce_ns_max = DEBOUNCE_NS, DEBOUNCE_NS_MAX

    def __init__(self, simulation: Simulation, where: str, view: Store) -> None:
        self.simulation = simulation
        self.where = where
        self.nodes = {node.id: NodeInfo(node) for node in view.all(Node)}
        self.unassigned: dict[str, Task] = {}
        self.preassigned: dict[str, Task] = {}
        for task in view.all(Task):
            if task.state == TaskState.PENDING and task.desired > TaskState.COMPLETE:
                continue
            self._track(task)

    # -- seeing commits --------------------------------------------------------------
    def see(self, old: StoreObject | None, new: StoreObject | None) -> bool:
        if isinstance(new, Task):
            return self._track(new)
        if isinstance(new, Node):
            if new.id in self.nodes:
                self.nodes[new.id].set_node(new)
            else:
                self.nodes[new.id] = NodeInfo(new)
            return True
        if isinstance(old, Task) and new is None:
            return self._forget(old)
        if isinstance(old, Node) and new is None:
            self.nodes.pop(old.id, None)
        return False

    def _track(self, task: Task) -> bool:
        """Record a task; True when the scheduler has to decide."""
        state = task.status.state
        if state < TaskState.PENDING:
            return False
        if state > TaskState.RUNNING:
            info = self.nodes.get(task.node_id)
            held = info is not None and task.id in info.tasks
            if info is not None and held and state in (TaskState.FAILED, TaskState.REJECTED):
                info.failed(task, self.simulation.now_ns)
            self._forget(task)
            return held
        if not task.node_id:
            self.unassigned[task.id] = task
            return True
        if state == TaskState.PENDING:
            self.preassigned[task.id] = task
            return True
        info = self.nodes.get(task.node_id)
        if info is not None:
            info.add(task)
        return False

    def _forget(self, task: Task) -> bool:
        self.unassigned.pop(task.id, None)
        self.preassigned.pop(task.id, None)
        info = self.nodes.get(task.node_id)
        if info is not None and task.id in info.tasks:
            info.remove(task)
            return True
        return False

    # -- deciding ----------------------------------------------------------------------
    def decide(self, view: Store) -> list[Change]:
        changes: list[Change] = []
        for task in list(self.preassigned.values()):
            changes += self._check_preassigned(task)
        groups: defaultdict[tuple[str, int], list[Task]] = defaultdict(list)
        for task in self.unassigned.values():
            # Tasks without a service are equal when they have the same spec.
            key = (task.service_id, task.spec_version if task.service_id else id(task.spec))
            groups[key].append(task)
        for tasks in groups.values():
            changes += self._place_group(tasks, view)
        return changes

    def _check_preassigned(self, task: Task) -> list[Change]:
        info = self.nodes.get(task.node_id)
        if info is None:
            return []
        pipeline = Pipeline(task)
        if not pipeline.passes(info):
            return self._still_pending(task, pipeline.explain())
        status = _status(TaskState.ASSIGNED, CONFIRMED, self.simulation.now_ns)
        assigned = task.with_(status=status, generic_resources=info.claim(task))
        info.add(assigned)
        del self.preassigned[task.id]
        self._record([(assigned, info)])
        return [update(assigned)]

    def _place_group(self, tasks: list[Task], view: Store) -> list[Change]:
        pipeline = Pipeline(tasks[0])
        tree = build_tree(self.nodes.values(), tasks[0], pipeline, tasks[0].spec.preferences)
        group = Group(tasks, pipeline, self.simulation.now_ns, self.simulation.rng)
        group.fill(tree, len(tasks))
        self._record(group.placed)
        placed = [assigned for assigned, _ in group.placed]
        for assigned in placed:
            del self.unassigned[assigned.id]
        changes = updates(placed)
        explanation = pipeline.explain()
        reason = f"no suitable node ({explanation})" if explanation else "no suitable node"
        for task in group.waiting:
            changes += self._not_placed(task, view, reason)
        return changes

    def _not_placed(self, task: Task, view: Store, reason: str) -> list[Change]:
        """A task without a suitable node waits, unless its service was updated or removed."""
        service = view.services.get(task.service_id)
        if task.service_id and service is None:
            del self.unassigned[task.id]
            return []
        if service is not None and task.spec_version < service.spec_version:
            del self.unassigned[task.id]
            if task.desired < TaskState.SHUTDOWN:
                return []
            shut = _status(TaskState.SHUTDOWN, task.status.message, self.simulation.now_ns)
            return [update(task.with_(status=shut))]
        return self._still_pending(task, reason)

    def _still_pending(self, task: Task, reason: str) -> list[Change]:
        if task.status.err == reason and task.status.message == PENDING:
            return []
        now_ns = self.simulation.now_ns
        name = f"{task.service_name}.{task.slot or task.node_id}"
        self.simulation.trace.add(Unschedulable(now_ns, self.where, name, task.id, reason))
        return [update(task.with_(status=_status(TaskState.PENDING, PENDING, now_ns, reason)))]

    def _record(self, placed: list[tuple[Task, NodeInfo]]) -> None:
        if placed:
            where = tuple([(task.slot, task.id, info.name) for task, info in placed])
            now_ns, service = self.simulation.now_ns, placed[0][0].service_name
            self.simulation.trace.add(Scheduled(now_ns, self.where, service, where))
