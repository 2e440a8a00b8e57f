"""The rows that the board shows: a column per node with its tasks, a line per service.

How a task looks is in `palette.LOOKS`; `static/board.js` draws the rows.
"""

from __future__ import annotations

from html import escape
from typing import Any

from swarmlab.cluster.simulated_state import NOT_KNOWN
from swarmlab.strings import N_, _
from swarmlab.views import text
from swarmlab.views.html import html_table
from swarmlab.views.snapshot import ClusterSnapshot, NodeRow, NodeRows, ServiceRow, TaskRow

KEYS = {"c": "crash", "s": "start", "d": "drain", "a": "active", "p": "pause"}
ACTIONS = {"crash": N_("Crash"), "start": N_("Start"), "drain": N_("Drain")}
ACTIONS |= {"active": N_("Activate"), "pause": N_("Pause node")}


def settled(snapshot: ClusterSnapshot) -> bool:
    """Whether the swarm has a leader, knows which nodes are up, and runs all desired tasks."""
    noticed = all(row.up is None or row.up == (row.state == "ready") for row in snapshot.nodes)
    complete = all(service.running >= service.desired for service in snapshot.services)
    moving = any(task.kind in ("pending", "starting", "stopping") for task in snapshot.tasks)
    return bool(snapshot.leader) and noticed and complete and not moving


def column(row: NodeRow, tasks: list[TaskRow]) -> dict[str, Any]:
    """The column of one node as `static/board.js` draws it; a task is [id, kind, name, title]."""
    facts = text.node_facts(row)
    raft = _(row.raft or row.manager.replace(NOT_KNOWN, ""))
    term = "" if row.term is None else _("term {term}", term=row.term)
    tone = "down" if row.down else row.availability.replace("active", "")
    kinds = [text.in_state(task.name, task.kind) for task in tasks]
    return {
        "name": row.name,
        "leads": row.manager == "leader",
        "badge": f"♛ {raft}" if (row.raft or row.manager) == "leader" else raft,
        "role": row.role,
        "term": term,
        "condition": " · ".join(
            filter(None, [row.availability.replace("active", ""), row.condition])
        ),
        "tone": tone,
        "label": f"{row.name}: {', '.join([*facts, text.listed(kinds) or _('no tasks')])}",
        "actions": [
            [verb, _(ACTIONS[verb]), key] for key, verb in KEYS.items() if _offered(verb, row)
        ],
        "tasks": [[task.id, task.kind, task.name, _title(task)] for task in tasks],
    }


def _offered(verb: str, row: NodeRow) -> bool:
    if verb in ("crash", "start"):
        return row.up is (verb == "crash")
    return bool(row.role) and row.availability != verb


def _title(task: TaskRow) -> str:
    reason = f": {task.reason}" if task.reason else ""
    return _("{state}, wanted {desired}", state=task.state, desired=task.desired) + reason


def service_line(service: ServiceRow) -> list[str]:
    running, *update = text.service_facts(service)
    return [service.name, " · ".join([running, service.image, *update])]


def notices(snapshot: ClusterSnapshot) -> list[str]:
    """The lines below the columns: what is wrong, or what to type first."""
    if not snapshot.leader:
        return [text.leadership(snapshot)]
    return [] if snapshot.services else [_(text.NO_SERVICE)]


def static_html(snapshot: ClusterSnapshot) -> str:
    """The board where no kernel is, as on a web page: the nodes as a table, the rest as text."""
    rows = NodeRows(snapshot.nodes)
    tasks = snapshot.by_node
    lines = [
        (*cells, ", ".join(text.in_state(task.name, task.kind) for task in tasks.get(row.key, [])))
        for row, cells in zip(rows, rows.cells(), strict=True)
    ]
    paragraphs = "".join(f"<p>{escape(line)}</p>" for line in text.swarm_lines(snapshot))
    return html_table((*rows.heads[:-1], _("RUNNING"), _("TASKS")), lines) + paragraphs
