"""Slide 34, live: one command's path through the swarm's parts to its containers, and back.

Every step is taken from the trace (`cluster/service_steps.py`); this module puts it into words.
`static/path.js` draws the parts, moves from one step to the next, and needs no kernel for that.
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import traitlets
from markupsafe import Markup

from swarmlab.cluster.calls import checked
from swarmlab.cluster.interface import AnyCluster, ServiceName
from swarmlab.cluster.simulated_state import steps_of
from swarmlab.model.trace_records import Record, TasksSent, TaskStatusChanged
from swarmlab.simulation import MS
from swarmlab.strings import N_, _, seconds
from swarmlab.views.html import Table, in_words, tag
from swarmlab.views.palette import ENDED, UNWANTED
from swarmlab.views.placement_explanation import why
from swarmlab.views.primitives import drawing, view
from swarmlab.views.recorded import Recording
from swarmlab.views.snapshot import look
from swarmlab.views.widget import LiveWidget, show_in_cell, source, synced_list

if TYPE_CHECKING:
    from swarmlab.cluster.simulated_state import ServiceStep

STEPS_MAX, TASKS_MAX = 60, 8  # shown
STORE = "store"
# The parts of slide 34: name -> (title, where it runs, what it does).
PARTS = {
    "api": ("API", "manager", N_("checks and stores your request")),
    "orchestrator": ("Orchestrator", "manager", N_("makes and ends tasks")),
    "allocator": ("Allocator", "manager", N_("gives addresses")),
    "scheduler": ("Scheduler", "manager", N_("chooses nodes")),
    "dispatcher": ("Dispatcher", "manager", N_("talks to the nodes")),
    "worker": ("Worker", "node", N_("takes its tasks")),
    "executor": ("Executor", "node", N_("runs containers")),
}
COMES_FROM = {"api": "client", "worker": "dispatcher", "executor": "worker", "reports": "worker"}
# What a state means that a task reaches on its node.
DONE = {
    "accepted": N_("takes the task"),
    "preparing": N_("pulls the image"),
    "ready": N_("has created the container"),
    "starting": N_("starts the container"),
    "running": N_("the container runs"),
    "complete": N_("the container has ended"),
    "shutdown": N_("has stopped the container"),
    "failed": N_("the container has failed"),
    "rejected": N_("can't run this"),
}
# Which tasks a part looks for.
WAITS = {"allocator": "new", "scheduler": "pending", "dispatcher": "assigned"}


class StepWords:
    """Puts steps into words, and follows the service and its tasks from one step to the next."""

    def __init__(self, node_names: Mapping[str, str], start_ns: int) -> None:
        self.node_names, self.start_ns = node_names, start_ns
        self.spec: Any = None  # of the service
        self.stored: dict[str, Any] = {}  # the tasks in the store
        self.names: dict[str, str] = {}  # of all tasks so far
        self.on_node: dict[str, str] = {}  # task id -> its state there

    def row(self, step: ServiceStep) -> dict[str, Any]:
        """The step as `static/path.js` draws it."""
        tasks = [pair for pair in step.changes if (pair[0] or pair[1]).table == "task"]
        reports = [r for r in step.records if isinstance(r, TaskStatusChanged)]
        for task in (after or before for before, after in tasks):
            name = task.slot or self.node_names.get(task.node_id, "?")
            self.names[task.id] = f"{task.service_name}.{name}"
        sent = [id for r in step.records if isinstance(r, TasksSent) for id in r.task_ids]
        states = [str(r.state) for r in reports]
        read, decided = self._words(step.part, tasks, states, sent)
        wrote = [*map(self._change, step.changes), *map(self._done, step.records)]
        self.on_node |= {report.task_id: str(report.state) for report in reports}
        errors = [r.err for r in reports]
        errors += [a.status.err for b, a in tasks if a and b and a.status != b.status]
        places = [r.node if isinstance(r, TasksSent) else r.where for r in step.records]
        part = "dispatcher" if step.part == "reports" else step.part
        sender = {f"{r.where} → " for r in step.records if isinstance(r, TasksSent)}
        after_ms = (step.at_ns - self.start_ns) / MS
        return {
            **{"part": part, "title": PARTS[part][0] if part else _("A leader that is gone")},
            **{"from": COMES_FROM.get(step.part, STORE), "to": STORE if step.changes else part},
            "time": f"+{after_ms:.0f} ms" if after_ms < 1000 else f"+{seconds(after_ms / 1000, 2)}",
            "where": ", ".join(dict.fromkeys(places)),
            "sender": "".join(sender),
            **{"read": read, "decided": decided, "wrote": [*filter(None, wrote)]},
            "error": next(filter(None, errors), ""),
            "why": self.names[tasks[0][1].id] if part == "scheduler" else "",
            "code": [function.__qualname__ for function in step.functions],
            "store": self._store_rows(step),
        }

    def _list(self, ids: Iterable[str]) -> str:
        return ", ".join(dict.fromkeys(self.names[id] for id in ids if id in self.names)) or "–"

    def _words(
        self, part: str, tasks: list[Any], states: list[str], sent: list[str]
    ) -> tuple[str, str]:
        """What the part read, and what it decided."""
        stored, wanted = self.stored.values(), _("one a node")
        if self.spec is not None and self.spec.mode == "replicated":
            wanted = self.spec.replicas
        waiting = self._list(t.id for t in stored if str(t.state) == WAITS.get(part))
        match part:
            case "api":
                return _("your command"), _("it's valid: stored, and answered; nothing runs yet")
            case "orchestrator":
                dead = [str(t.state) in ENDED or str(t.desired) in UNWANTED for t in stored]
                live = dead.count(False)
                read = _("wanted: {wanted}; live tasks: {live}", wanted=wanted, live=live)
                made = sum(before is None for before, _after in tasks)
                raised = [pair for pair in tasks if all(pair) and pair[1].desired > pair[0].desired]
                ended = [str(b.state) in ENDED for b, a in raised if str(a.desired) in UNWANTED]
                started, over = len(raised) - len(ended), sum(ended)
                counts = {_("new tasks"): made, _("to start"): started}
                counts |= {_("to stop"): len(ended) - over, _("given up"): over}
                told = "; ".join(f"{what}: {count}" for what, count in counts.items() if count)
                return read, told or _("no task to make or stop")
            case "allocator":
                needs = not tasks or any(after and after.networks for _before, after in tasks)
                read = _("new tasks: {names}", names=waiting)
                return read, _("addresses in its networks") if needs else _("no address is needed")
            case "scheduler":
                placed = [task for _before, task in tasks if task and task.node_id]
                places = [f"{self.names[t.id]} → {self.node_names[t.node_id]}" for t in placed]
                read = _("pending tasks: {names}; and all nodes", names=waiting)
                return read, ", ".join(places) or _("no node passes every filter: wait")
            case "dispatcher":
                read = _("assigned or changed tasks: {names}", names=self._list(sent))
                return read, _("each node gets its own tasks, and no others")
            case "reports":
                return _("reports of the nodes"), _("the store catches up with the nodes")
        image = self.spec.task.image.partition("@")[0] if self.spec else "?"
        read = _("what it was sent") if part == "worker" else _("the image: {image}", image=image)
        return read, ", ".join(_(DONE[state]) for state in Counter(states))

    def _unusual(self, id: str) -> str:
        """What a task is wanted to be, unless that's running."""
        desired = str(self.stored[id].desired) if id in self.stored else "running"
        return "" if desired == "running" else _(" (wanted: {state})", state=desired)

    def _done(self, record: Record) -> str:
        """What went to a node, or what became of a task there."""
        if isinstance(record, TasksSent):
            own = [id for id in record.task_ids if id in self.names]
            names = [self.names[id] + self._unusual(id) for id in own]
            return _("to {node}: {names}", node=record.node, names=", ".join(names))
        if isinstance(record, TaskStatusChanged):
            return f"{self._list([record.task_id])}, {record.where}: {record.state}"
        return ""

    def _change(self, pair: tuple[Any, Any]) -> str:
        """What was written of one object; from now on it is in the store."""
        before, after = pair
        id = (after or before).id
        name = self.names.get(id, _("service {name}", name=(after or before).name))
        if after is None:
            self.stored.pop(id, None)
            return _("{name}: removed", name=name)
        if id not in self.names:
            self.spec = after.spec
            addressed = before is not None and before.endpoint != after.endpoint
            verb = _("stored") if before is None else _("addresses") if addressed else _("changed")
            return f"{name}: {verb}"
        self.stored[id] = after
        if before is None:
            return f"{name}: {after.state}{self._unusual(id)}"
        fields = [f"{before.state} → {after.state}"] if before.state != after.state else []
        if before.node_id != after.node_id:
            fields.append(_("node {node}", node=self.node_names.get(after.node_id, "?")))
        if before.desired != after.desired:
            fields.append(_("wanted: {state}", state=after.desired))
        return f"{name}: {', '.join(fields) or after.status.message}"

    def _store_rows(self, step: ServiceStep) -> list[list[Any]]:
        """The newest tasks: name, wanted, state in the store, node, state there, just changed."""
        changed = {r.task_id for r in step.records if isinstance(r, TaskStatusChanged)}
        changed |= {(after or before).id for before, after in step.changes}
        rows = []
        for task in [*self.stored.values()][-TASKS_MAX:]:
            states = [self.names[task.id], str(task.desired), str(task.state)]
            node = self.node_names.get(task.node_id, "–")
            rows.append([*states, node, self.on_node.get(task.id, "–"), task.id in changed])
        return rows


class ServicePath(LiveWidget):
    """The parts of slide 34, and the steps of one service through them.

    `service_path(cluster, "web")` shows it. Lesson: 06_command_to_container.
    """

    _esm = source("common.js", "path.js")
    _css = source("outputs.css", "view.css", "board.css", "path.css")
    steps = synced_list("one row a step, oldest first")
    sources = traitlets.Dict(help="function -> where it is, and its source").tag(sync=True)
    funnel = traitlets.Dict(help="task -> why it is where it is, as HTML").tag(sync=True)
    moves = False
    records_all = False  # its steps are all that happened: to read them once, in the end, is enough

    def __init__(self, cluster: Any, service: str) -> None:
        self.service = service
        super().__init__(cluster)

    def read(self) -> None:
        """Read the trace again; the steps so far stay as they are."""
        self.recording = Recording()  # of this moment alone, whose steps are all that happened
        steps = steps_of(self.cluster, self.service)
        words = StepWords({row.key: row.name for row in look(self.cluster).nodes}, steps[0].at_ns)
        with self.hold_sync():
            self.steps = [words.row(step) for step in steps[:STEPS_MAX]]
            self.sources = {f.__qualname__: _source_of(f) for step in steps for f in step.functions}
            left = len(steps) - len(self.steps)
            more = _("{n} more step follows", "{n} more steps follow", n=left) if left else ""
            self.status = {"error": self.error, "more": more}
            self.text = repr(self.table)

    def act(self, verb: str, message: dict[str, Any]) -> None:
        """Explain a placement, or the lack of one; the steps themselves need no kernel."""
        if verb == "why":
            task = message["task"]
            self.funnel = self.funnel | {task: str(why(self.cluster, task)._repr_html_())}

    def _labels(self) -> dict[str, Any]:
        title = _("From a command to containers: {name}", name=self.service)
        heads = [_("Task"), _("Wanted"), _("State in the store"), _("Node"), _("On the node")]
        parts = [[key, name, _(does), place] for key, (name, place, does) in PARTS.items()]
        texts = {"title": title, "heads": heads, "parts": parts, "client": _("you")}
        texts |= {"manager": _("Manager (the leader)"), "node": _("Node"), "why": _("Why here?")}
        texts |= {"step": _("step {0} of {1}"), "text": _("The same in words")}
        texts |= {"read": _("It read"), "decided": _("It decided"), "wrote": _("It wrote")}
        texts |= {"did": _("It did"), "code": _("The code of this part")}
        texts |= {"store": _("Store, on all managers")}
        help = _("← and → step, Home goes to the beginning, P plays.")
        return {**super()._labels(), **texts, "help": help}

    @property
    def table(self) -> Table:
        """Every step in words."""
        heads = (_("When"), _("Part"), _("Where"), _("Read"), _("Decided"), _("Wrote or did"))
        rows = []
        for row in self.steps:
            outcome = "; ".join([*row["wrote"], *filter(None, [row["error"]])])
            where = row["sender"] + row["where"]
            rows.append((row["time"], row["title"], where, row["read"], row["decided"], outcome))
        return Table(self.labels["title"], heads, tuple(rows))

    def still_html(self) -> Markup:
        """The steps from top to bottom: each part, what it decided, and where it got stuck."""
        steps = []
        for row in self.steps:
            lines = [tag("b", row["decided"]), tag("div", "; ".join(row["wrote"]))]
            lines.append(tag("div", row["error"], class_="alarm"))
            part = tag("div", tag("b", row["title"]), tag("div", row["time"]))
            steps.append(tag("div", part, tag("div", *lines), class_="step"))
        return view(drawing(repr(self.table), *steps)) + in_words(self.table)


@cache
def _source_of(function: Any) -> list[Any]:
    """Where a function is, and its source."""
    lines, number = inspect.getsourcelines(function)
    place = f"{function.__module__.replace('.', '/')}.py, line {number}"
    return [place, inspect.cleandoc("".join(lines))]


@checked
def service_path(cluster: AnyCluster, service: ServiceName) -> ServicePath | Table:
    """How a command on this service becomes containers, step by step; on a real cluster, how far
    its tasks have come. Lesson: 06_command_to_container.

    >>> import swarmlab
    >>> cluster = swarmlab.simulate(managers=1, workers=1, seed=7)
    >>> web = cluster.client().services.create("nginx", name="web")
    >>> cluster.run("10s")
    >>> [step["title"] for step in service_path(cluster, "web").steps[:3]]
    ['API', 'Orchestrator', 'Allocator']
    """
    if not cluster.has_trace:
        return _from_api(cluster, service)
    widget = ServicePath(cluster, service)
    widget.refresh()
    show_in_cell(widget)
    return widget


def _from_api(cluster: Any, service: str) -> Table:
    """What any API tells: the state of each task, and so which part has it now."""
    has = {state: PARTS[part][0] for part, state in WAITS.items()}
    rows = tuple(
        (row.name, row.state, has.get(row.state, PARTS["executor"][0]), row.reason or "–")
        for row in look(cluster).tasks
        if row.service == service
    )
    note = _("A real engine doesn't say who decided what, or when: only where its tasks are now.")
    return Table(service, (_("Task"), _("State"), _("Is with the"), _("Says")), rows, (note,))
