"""The text twin of every picture: a snapshot in words, and what changed between two of them."""

from __future__ import annotations

from collections.abc import Iterable

from swarmlab.strings import N_, _
from swarmlab.views.palette import LOOKS
from swarmlab.views.snapshot import ClusterSnapshot, NodeRow, ServiceRow, TaskRow

NO_LEADER = N_("No leader: the swarm cannot change, running tasks keep running.")
NO_SWARM = N_("No node is in a swarm yet. Type: %docker swarm init")
NO_SERVICE = N_("No services yet. %docker service create … starts one.")
NAMES_MAX, SENTENCES_MAX = 8, 8
AVAILABILITY = {
    "drain": N_("{name} is drained: its tasks move away."),
    "pause": N_("{name} is paused: it takes no new tasks."),
    "active": N_("{name} is active again."),
}


def listed(names: Iterable[str]) -> str:
    """`web.1, web.2 and web.3`; of very many only the first."""
    names = list(names)
    if len(names) > NAMES_MAX:
        names[NAMES_MAX - 1 :] = [_("{count} more", count=len(names) - NAMES_MAX + 1)]
    *first, last = names or [""]
    return _("{first} and {last}", first=", ".join(first), last=last) if first else last


def leadership(snapshot: ClusterSnapshot) -> str:
    if snapshot.leader:
        line = _("{name} leads.") if snapshot.term is None else _("{name} leads, term {term}.")
        return line.format(name=snapshot.leader, term=snapshot.term)
    return _(NO_LEADER if any(row.role for row in snapshot.nodes) else NO_SWARM)


def node_facts(row: NodeRow) -> list[str]:
    """Role, part in Raft, availability where it is not the usual, and state."""
    part = _(row.raft or row.manager)
    term = "" if row.term is None else _("term {term}", term=row.term)
    availability = "" if row.availability == "active" else row.availability
    return [fact for fact in (row.role, part, term, availability, row.condition) if fact]


def service_facts(row: ServiceRow) -> list[str]:
    """How many of its tasks run, and Docker's word for its update if there was one."""
    running = _("{running} of {wanted} running", running=row.running, wanted=row.wanted)
    update = _("update {state}", state=row.update.replace("_", " "))
    return [running, *([update] if row.update else [])]


def in_state(names: str, kind: str) -> str:
    """`web.1 running`."""
    return _("{tasks} {state}", tasks=names, state=_(LOOKS[kind].word))


def waiting(snapshot: ClusterSnapshot) -> list[tuple[list[TaskRow], str]]:
    """The tasks that have no node yet, those with equal reasons together; and the reasons."""
    groups: dict[str, list[TaskRow]] = {}
    for task in snapshot.pending:
        reason = task.reason or (_("to be scheduled") if snapshot.leader else _("for a leader"))
        groups.setdefault(reason, []).append(task)
    return [(tasks, reason) for reason, tasks in groups.items()]


def swarm_in_words(snapshot: ClusterSnapshot) -> list[str]:
    """Who leads; a line a service; what waits, and why."""
    clock = "" if snapshot.now_s is None else f"t = {snapshot.now_s:.1f} s. "
    lines = [clock + leadership(snapshot)]
    for service in snapshot.services:
        line = _("service {name} ({image}): {facts}")
        facts = ", ".join(service_facts(service))
        lines.append(line.format(name=service.name, image=service.image, facts=facts))
    for waiters, reason in waiting(snapshot):
        names = listed(task.name for task in waiters)
        lines.append(_("waiting: {tasks}: {why}", tasks=names, why=reason))
    if not snapshot.services and snapshot.leader:
        lines.append(_(NO_SERVICE))
    return lines


def in_words(snapshot: ClusterSnapshot) -> str:
    """The whole board as text: who leads, then a line a node, then services and what waits."""
    tasks: dict[str, dict[str, list[str]]] = {}
    for task in snapshot.tasks:
        tasks.setdefault(task.node, {}).setdefault(task.kind, []).append(task.name)
    nodes = []
    for row in snapshot.nodes:
        kinds = tasks.get(row.key, {}).items()
        facts = [*node_facts(row), *(in_state(listed(names), kind) for kind, names in kinds)]
        nodes.append(f"{row.name}: {', '.join(facts)}")
    first, *rest = swarm_in_words(snapshot)
    return "\n".join([first, *nodes, *rest])


# -- what happened ---------------------------------------------------------------------------------
def changes_in_words(before: ClusterSnapshot, after: ClusterSnapshot) -> list[str]:
    """One sentence a change: `m1 crashed.` `m2 leads now (term 3).` `web.2 moved from m1 to w2.`"""
    said = [*_machines(before, after), *_leader(before, after), *_nodes(before, after)]
    said += [*_services(before, after), *_tasks(before, after)]
    if len(said) > SENTENCES_MAX:
        count = len(said) - SENTENCES_MAX + 1
        said[SENTENCES_MAX - 1 :] = [_("And {count} more changes.", count=count)]
    return said


def _machines(before: ClusterSnapshot, after: ClusterSnapshot) -> list[str]:
    was = {row.key: row for row in before.nodes}
    changed = [row for row in after.nodes if row.key in was and was[row.key].up != row.up]
    crashed = listed(row.name for row in changed if row.up is False)
    started = listed(row.name for row in changed if row.up)
    told = (crashed, _("{names} crashed.")), (started, _("{names} started."))
    return [line.format(names=names) for names, line in told if names]


def _leader(before: ClusterSnapshot, after: ClusterSnapshot) -> list[str]:
    if (before.leader, before.term) == (after.leader, after.term):
        return []
    if not after.leader:
        return [_(NO_LEADER)]
    line = _("{name} leads now.") if after.term is None else _("{name} leads now (term {term}).")
    return [line.format(name=after.leader, term=after.term)]


def _nodes(before: ClusterSnapshot, after: ClusterSnapshot) -> list[str]:
    was, said = {row.key: row for row in before.nodes}, []
    names = {row.name for row in before.nodes}
    for row in after.nodes:
        old = was.pop(row.key, None)
        if old is None and row.role:
            lines = [_("{name} joined as a {role}.")]
        elif old is None:  # its machine is in no swarm
            lines = [] if row.name in names else [_("{name} is new.")]
        else:
            lines = _node_changes(old, row)
        words = {"name": row.name, "state": row.state, "role": row.role}
        said += [line.format(**words) for line in lines]
    return said + [_("{name} is gone.", name=row.name) for row in was.values() if row.role]


def _node_changes(old: NodeRow, new: NodeRow) -> list[str]:
    lines = []
    if old.state != new.state and "down" in (old.state, new.state):
        again = _("The swarm sees {name} {state} again.")
        lines.append(_("The swarm sees {name} down.") if new.state == "down" else again)
    if old.availability != new.availability:
        lines.append(_(AVAILABILITY[new.availability]))
    if old.role != new.role:
        lines.append(_("{name} is a {role} now."))
    return lines


def _services(before: ClusterSnapshot, after: ClusterSnapshot) -> list[str]:
    was, said = {row.name: row for row in before.services}, list[str]()
    for row in after.services:
        old = was.pop(row.name, None)
        if old is None:
            lines = [_("Service {name} is new: {wanted} wanted.")]
        else:
            lines = _service_changes(old, row)
        words = {"name": row.name, "wanted": row.wanted, "image": row.image}
        words |= {"before": old.wanted if old else 0, "state": row.update.replace("_", " ")}
        said += [line.format(**words) for line in lines]
    return said + [_("Service {name} is removed.", name=name) for name in was]


def _service_changes(old: ServiceRow, new: ServiceRow) -> list[str]:
    lines = []
    if old.wanted != new.wanted:
        lines.append(_("Service {name}: {wanted} wanted, before {before}."))
    if old.image != new.image:
        lines.append(_("Service {name} gets {image}."))
    if old.update != new.update and new.update:
        lines.append(_("Service {name}: update {state}."))
    return lines


def _tasks(before: ClusterSnapshot, after: ClusterSnapshot) -> list[str]:
    """Tasks by what became of them, those with the same fate in one sentence."""
    was = {task.id: task for task in before.tasks}
    names = {row.key: row.name for row in after.nodes}
    fates: dict[tuple[str, str, str], list[str]] = {}
    for task in after.tasks:
        old = was.get(task.id)
        if old is None or (old.kind, old.reason) != (task.kind, task.reason):
            if old is not None and old.kind == "lost":
                continue  # its node is back; whether the task runs, its agent has yet to say
            fate = _fate(task, names.get(task.node, ""))
            fates.setdefault(fate, []).append(task.name)
    told = [(*fate, listed(tasks)) for fate, tasks in fates.items() if fate[0]]
    return [line.format(tasks=t, node=n, source=more, why=more) for line, n, more, t in told]


def _fate(task: TaskRow, node: str) -> tuple[str, str, str]:
    """The sentence, and what fills it; nothing for what is on its way."""
    match task.kind:
        case "running" if not task.came_from:
            return _("Running now: {tasks}."), "", ""
        case "running" if task.came_from == node:
            return _("{tasks} started again on {node}."), node, ""
        case "running":
            return _("{tasks} moved from {source} to {node}."), node, task.came_from
        case "failed":
            return _("{tasks} failed on {node}: {why}."), node, task.reason or task.state
        case "complete":
            return _("{tasks} completed on {node}."), node, ""
        case "pending" if task.reason:
            return _("Waiting: {tasks}: {why}."), "", task.reason
    return "", "", ""
