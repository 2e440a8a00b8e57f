"""The text twin of every picture: a snapshot in words, and what changed between two of them."""

from __future__ import annotations

from collections.abc import Iterable

from swarmlab.views.palette import LOOKS
from swarmlab.views.snapshot import NodeRow, Snapshot, TaskRow

NO_LEADER = "No leader: the swarm cannot change, running tasks keep running."
NO_SWARM = "No node is in a swarm yet. Type: %docker swarm init"
NO_SERVICE = "No services yet. Type: %docker service create --name web --replicas 6 nginx"
NAMES_MAX, SENTENCES_MAX = 8, 8
AVAILABILITY = {
    "drain": "is drained: its tasks move away",
    "pause": "is paused: it takes no new tasks",
    "active": "is active again",
}


def listed(names: Iterable[str]) -> str:
    """`web.1, web.2 and web.3`; of very many only the first."""
    names = list(names)
    if len(names) > NAMES_MAX:
        names[NAMES_MAX - 1 :] = [f"{len(names) - NAMES_MAX + 1} more"]
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def leadership(snapshot: Snapshot) -> str:
    if snapshot.leader:
        term = "" if snapshot.term is None else f", term {snapshot.term}"
        return f"{snapshot.leader} leads{term}."
    return NO_LEADER if any(row.role for row in snapshot.nodes) else NO_SWARM


def node_facts(row: NodeRow) -> list[str]:
    """Role, part in Raft, availability where it is not the usual, and state."""
    part = row.raft or row.manager
    term = "" if row.term is None else f"term {row.term}"
    availability = "" if row.availability == "active" else row.availability
    return [fact for fact in (row.role, part, term, availability, row.condition) if fact]


def waiting(snapshot: Snapshot) -> list[tuple[list[TaskRow], str]]:
    """The tasks that have no node yet, those with equal reasons together; and the reasons."""
    groups: dict[str, list[TaskRow]] = {}
    for task in snapshot.pending:
        reason = task.reason or ("to be scheduled" if snapshot.leader else "for a leader")
        groups.setdefault(reason, []).append(task)
    return [(tasks, reason) for reason, tasks in groups.items()]


def swarm_in_words(snapshot: Snapshot) -> list[str]:
    """Who leads; a line a service; what waits, and why."""
    clock = "" if snapshot.now_s is None else f"t = {snapshot.now_s:.1f} s. "
    lines = [clock + leadership(snapshot)]
    for service in snapshot.services:
        update = f", update {service.update}" if service.update else ""
        count = f"{service.running} of {service.wanted} running"
        lines.append(f"service {service.name} ({service.image}): {count}{update}")
    for waiters, reason in waiting(snapshot):
        lines.append(f"waiting: {listed(task.name for task in waiters)}: {reason}")
    if not snapshot.services and snapshot.leader:
        lines.append(NO_SERVICE)
    return lines


def in_words(snapshot: Snapshot) -> str:
    """The whole board as text: who leads, then a line a node, then services and what waits."""
    tasks: dict[str, dict[str, list[str]]] = {}
    for task in snapshot.tasks:
        word = LOOKS[task.kind].word
        tasks.setdefault(task.node, {}).setdefault(word, []).append(task.name)
    nodes = []
    for row in snapshot.nodes:
        kinds = tasks.get(row.key, {}).items()
        facts = [*node_facts(row), *(f"{listed(names)} {word}" for word, names in kinds)]
        nodes.append(f"{row.name}: {', '.join(facts)}")
    first, *rest = swarm_in_words(snapshot)
    return "\n".join([first, *nodes, *rest])


# -- what happened ---------------------------------------------------------------------------------
def changes_in_words(before: Snapshot, after: Snapshot) -> list[str]:
    """One sentence a change: `m1 crashed.` `m2 leads now (term 3).` `web.2 moved from m1 to w2.`"""
    said = [*_machines(before, after), *_leader(before, after), *_nodes(before, after)]
    said += [*_services(before, after), *_tasks(before, after)]
    if len(said) > SENTENCES_MAX:
        said[SENTENCES_MAX - 1 :] = [f"And {len(said) - SENTENCES_MAX + 1} more changes."]
    return said


def _machines(before: Snapshot, after: Snapshot) -> list[str]:
    was = {row.key: row for row in before.nodes}
    changed = [row for row in after.nodes if row.key in was and was[row.key].up != row.up]
    crashed = listed(row.name for row in changed if row.up is False)
    started = listed(row.name for row in changed if row.up)
    return [f"{n} {verb}." for n, verb in ((crashed, "crashed"), (started, "started")) if n]


def _leader(before: Snapshot, after: Snapshot) -> list[str]:
    if (before.leader, before.term) == (after.leader, after.term):
        return []
    if not after.leader:
        return [NO_LEADER]
    term = "" if after.term is None else f" (term {after.term})"
    return [f"{after.leader} leads now{term}."]


def _nodes(before: Snapshot, after: Snapshot) -> list[str]:
    was, said = {row.key: row for row in before.nodes}, []
    for row in after.nodes:
        old = was.pop(row.key, None)
        if old is None:
            said.append(
                f"{row.name} joined as a {row.role}." if row.role else f"{row.name} is new."
            )
            continue
        if old.state != row.state and {old.state, row.state} & {"down"}:
            seen = "down" if row.state == "down" else f"{row.state} again"
            said.append(f"The swarm sees {row.name} {seen}.")
        if old.availability != row.availability:
            said.append(f"{row.name} {AVAILABILITY[row.availability]}.")
        if old.role != row.role:
            said.append(f"{row.name} is a {row.role} now.")
    return said + [f"{row.name} is gone." for row in was.values() if row.role]


def _services(before: Snapshot, after: Snapshot) -> list[str]:
    was, said = {row.name: row for row in before.services}, []
    for row in after.services:
        old = was.pop(row.name, None)
        if old is None:
            said.append(f"Service {row.name} is new: {row.wanted} wanted.")
            continue
        if old.wanted != row.wanted:
            said.append(f"Service {row.name}: {row.wanted} wanted, before {old.wanted}.")
        if old.image != row.image:
            said.append(f"Service {row.name} gets {row.image}.")
        if old.update != row.update and row.update:
            said.append(f"Service {row.name}: update {row.update.replace('_', ' ')}.")
    return said + [f"Service {name} is removed." for name in was]


def _tasks(before: Snapshot, after: Snapshot) -> list[str]:
    """Tasks by what became of them, those with the same fate in one sentence."""
    was = {task.id: task for task in before.tasks}
    names = {row.key: row.name for row in after.nodes}
    fates: dict[tuple[str, str], list[str]] = {}
    for task in after.tasks:
        old = was.get(task.id)
        if old is None or (old.kind, old.reason) != (task.kind, task.reason):
            if old is not None and old.kind == "lost":
                continue  # its node is back; whether the task runs, its agent has yet to say
            fate = _fate(task, names.get(task.node, ""))
            fates.setdefault(fate, []).append(task.name)
    told = [(fate, tasks) for fate, tasks in fates.items() if any(fate)]
    return [f"{begin}{listed(tasks)}{end}." for (begin, end), tasks in told]


def _fate(task: TaskRow, node: str) -> tuple[str, str]:
    """What is said before and after the task's name; nothing for what is on its way."""
    match task.kind:
        case "running" if not task.came_from:
            return "Running now: ", ""
        case "running" if task.came_from == node:
            return "", f" started again on {node}"
        case "running":
            return "", f" moved from {task.came_from} to {node}"
        case "failed":
            return "", f" failed on {node}: {task.reason or task.state}"
        case "complete":
            return "", f" completed on {node}"
        case "pending" if task.reason:
            return "Waiting: ", f": {task.reason}"
    return "", ""
