"""The text form of every picture: a snapshot as sentences, and what changed between two of them."""

from __future__ import annotations

from collections.abc import Iterable

from swarmlab.strings import N_, _, seconds
from swarmlab.views.palette import LOOKS
from swarmlab.views.snapshot import ClusterSnapshot, NodeRow, ServiceRow, TaskRow

NO_LEADER = N_("No leader: the swarm can't change, but running tasks keep running.")
NO_SWARM = N_("No swarm: plain engines. (%docker swarm init would make one.)")
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
    return _(NO_SWARM if all(row.left for row in snapshot.nodes) else NO_LEADER)


def node_facts(row: NodeRow) -> list[str]:
    """Swarm role, Raft role and term, availability unless it is active, and condition."""
    raft = _(row.raft or row.manager)
    term = "" if row.term is None else _("term {term}", term=row.term)
    availability = "" if row.availability == "active" else row.availability
    return [fact for fact in (row.role, raft, term, availability, row.condition) if fact]


def service_facts(row: ServiceRow) -> list[str]:
    """How many of its tasks run, how many Docker counts where it does not know better, and Docker's
    word for its update if there was one."""
    facts = [_("{running} of {wanted} running", running=row.running, wanted=row.desired)]
    if row.counted != row.running:
        facts.append(_("service ls: {counted}/{wanted}", counted=row.counted, wanted=row.desired))
    if row.update:
        facts.append(_("update {state}", state=row.update.replace("_", " ")))
    return facts


def in_state(names: str, kind: str) -> str:
    """`web.1 running`."""
    return _("{tasks} {state}", tasks=names, state=_(LOOKS[kind].title))


def waiting(snapshot: ClusterSnapshot) -> list[tuple[list[TaskRow], str]]:
    """The tasks that have no node yet, grouped by the reason why."""
    groups: dict[str, list[TaskRow]] = {}
    for task in snapshot.pending:
        reason = task.reason or (_("to be scheduled") if snapshot.leader else _("for a leader"))
        groups.setdefault(reason, []).append(task)
    return [(tasks, reason) for reason, tasks in groups.items()]


def swarm_lines(snapshot: ClusterSnapshot) -> list[str]:
    """The leader, then a line per service, then the tasks that wait, and why."""
    clock = "" if snapshot.now_s is None else f"t = {seconds(snapshot.now_s)}. "
    lines = [clock + leadership(snapshot)]
    line = _("service {name} ({image}): {facts}")
    for service in snapshot.services:
        facts = ", ".join(service_facts(service))
        lines.append(line.format(name=service.name, image=service.image, facts=facts))
    for tasks, reason in waiting(snapshot):
        names = listed(task.name for task in tasks)
        lines.append(_("waiting: {tasks}: {why}", tasks=names, why=reason))
    if not snapshot.services and snapshot.leader:
        lines.append(_(NO_SERVICE))
    return lines


def snapshot_text(snapshot: ClusterSnapshot) -> str:
    """The whole board as text: the leader, a line per node, services and tasks that wait."""
    tasks = snapshot.by_node
    nodes = []
    for row in snapshot.nodes:
        kinds: dict[str, list[str]] = {}
        for task in tasks.get(row.key, []):
            kinds.setdefault(task.kind, []).append(task.name)
        states = (in_state(listed(names), kind) for kind, names in kinds.items())
        nodes.append(f"{row.name}: {', '.join([*node_facts(row), *states])}")
    first, *rest = swarm_lines(snapshot)
    return "\n".join([first, *nodes, *rest])


# -- what happened ---------------------------------------------------------------------------------
def change_sentences(before: ClusterSnapshot, after: ClusterSnapshot) -> list[str]:
    """A sentence per change: `m1 crashed.` `m2 leads now (term 3).` `The swarm sees m1 down.`"""
    sentences = [*_machines(before, after), *_leader(before, after), *_nodes(before, after)]
    sentences += [*_services(before, after), *_tasks(before, after)]
    if len(sentences) > SENTENCES_MAX:
        more = len(sentences) - SENTENCES_MAX + 1
        sentence = _("And {n} more change.", "And {n} more changes.", n=more)
        sentences[SENTENCES_MAX - 1 :] = [sentence]
    return sentences


def _machines(before: ClusterSnapshot, after: ClusterSnapshot) -> list[str]:
    was_up = {row.key: row.up for row in before.nodes}
    changed = [row for row in after.nodes if was_up.get(row.key, row.up) != row.up]
    crashed = listed(row.name for row in changed if row.up is False)
    started = listed(row.name for row in changed if row.up)
    lines = (crashed, _("{names} crashed.")), (started, _("{names} started."))
    return [line.format(names=names) for names, line in lines if names]


def _leader(before: ClusterSnapshot, after: ClusterSnapshot) -> list[str]:
    if (before.leader, before.term) == (after.leader, after.term):
        return []
    if not after.leader:
        return [_(NO_LEADER)]
    line = _("{name} leads now.") if after.term is None else _("{name} leads now (term {term}).")
    return [line.format(name=after.leader, term=after.term)]


def _nodes(before: ClusterSnapshot, after: ClusterSnapshot) -> list[str]:
    old_rows, sentences = {row.key: row for row in before.nodes}, []
    old_names = {row.name for row in before.nodes}
    for row in after.nodes:
        old = old_rows.pop(row.key, None)
        if old is not None:
            lines = _node_changes(old, row)
        elif row.role:
            lines = [_("{name} joined as a {role}.")]
        else:  # no manager lists its machine
            lines = [] if row.name in old_names else [_("{name} is new.")]
        values = {"name": row.name, "state": row.state, "role": row.role}
        sentences += [line.format(**values) for line in lines]
    gone = [row.name for row in old_rows.values() if row.role]
    return sentences + [_("{name} is gone.", name=name) for name in gone]


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
    old_rows, sentences = {row.name: row for row in before.services}, list[str]()
    for row in after.services:
        old = old_rows.pop(row.name, None)
        if old is None:
            lines = [_("Service {name} is new: {wanted} wanted.")]
        else:
            lines = _service_changes(old, row)
        values = {"name": row.name, "wanted": row.desired, "image": row.image}
        values |= {"before": old.desired if old else 0, "state": row.update.replace("_", " ")}
        sentences += [line.format(**values) for line in lines]
    return sentences + [_("Service {name} is removed.", name=name) for name in old_rows]


def _service_changes(old: ServiceRow, new: ServiceRow) -> list[str]:
    lines = []
    if old.desired != new.desired:
        lines.append(_("Service {name}: {wanted} wanted, before {before}."))
    if old.image != new.image:
        lines.append(_("Service {name} gets {image}."))
    if old.update != new.update and new.update:
        lines.append(_("Service {name}: update {state}."))
    return lines


def _tasks(before: ClusterSnapshot, after: ClusterSnapshot) -> list[str]:
    """What became of the tasks; tasks to which the same happened share a sentence."""
    old_rows = {task.id: task for task in before.tasks}
    node_names = {row.key: row.name for row in after.nodes}
    outcomes: dict[tuple[str, str, str], list[str]] = {}
    for task in after.tasks:
        old = old_rows.get(task.id)
        if old is None or (old.kind, old.reason) != (task.kind, task.reason):
            if old is not None and old.kind == "lost":
                continue  # its node is back, but its agent has not reported the task yet
            outcome = _outcome(task, node_names.get(task.node, ""))
            outcomes.setdefault(outcome, []).append(task.name)
    return [
        line.format(tasks=listed(tasks), node=node, source=detail, why=detail)
        for (line, node, detail), tasks in outcomes.items()
        if line
    ]


def _outcome(task: TaskRow, node: str) -> tuple[str, str, str]:
    """The sentence, and the values for it; empty for a task that is on its way."""
    match task.kind:
        case "running" if not task.came_from:
            return _("Running now: {tasks}."), "", ""
        case "running" if task.came_from == node:
            return _("{tasks} replaced on {node}."), node, ""
        case "running":
            return _("{node} now runs {tasks}, in place of {source}."), node, task.came_from
        case "failed":
            return _("{tasks} failed on {node}: {why}."), node, task.reason or task.state
        case "complete":
            return _("{tasks} completed on {node}."), node, ""
        case "pending" if task.reason:
            return _("Waiting: {tasks}: {why}."), "", task.reason
    return "", "", ""
