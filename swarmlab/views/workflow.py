"""Docker's workflow as slides 6 to 10 draw it: client, daemon, images, containers, registry.

Each step is one record: a line typed, a request to the Engine API with its answer, or an event that
the engine reports. Nothing is scripted, so any command can be played, on a real engine too.
`static/workflow.js` plays the steps.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import traitlets
from markupsafe import Markup

from swarmlab.cluster.calls import checked
from swarmlab.cluster.interface import AnyCluster
from swarmlab.simulation import S
from swarmlab.strings import N_, _, seconds
from swarmlab.views.dock import DockedWidget
from swarmlab.views.html import Table, in_words, tag
from swarmlab.views.palette import LOOKS
from swarmlab.views.primitives import drawing, look_rows, shape, view
from swarmlab.views.recorder import Contents, EngineEvent, Recorder
from swarmlab.views.widget import source, synced_list, widget_of

HEAD = "swarmlab-workflow-head"  # of an arrow
STEPS_MAX = 150  # that are kept for stepping back
# What a request asks for: the first row whose pattern is found in it.
REQUESTS = {
    "POST /containers/create": N_("Make a container."),
    "POST /images/create": N_("Get this image."),
    "POST /containers/.*/start": N_("Start the container."),
    "POST /containers/.*/wait": N_("Tell me when it ends."),
    "POST /containers/.*/stop": N_("Stop the container."),
    "POST /containers/.*/exec": N_("I want to run a command in it."),
    "POST /exec/.*/start": N_("Run the command."),
    "POST /images/.*/tag": N_("Give this image one more name."),
    "POST /.*/prune": N_("Remove what isn't used."),
    "DELETE /": N_("Remove it."),
    "GET /.*/logs": N_("Show me what it prints."),
    "GET /(containers|images)/json": N_("What's there?"),
    "GET /.*/json": N_("How is it?"),
}
# Event -> where it happens, and what it means.
TO_IMAGES, FETCH = "daemon-images", ("daemon-registry", "registry-images")
TO_CONTAINERS, FROM_CONTAINERS = "daemon-containers", "containers-daemon"
EVENTS = {
    "image pull": (FETCH, N_("The daemon fetches {name}: {layers}.")),
    "image tag": ((TO_IMAGES,), N_("The image is called {name} now.")),
    "image import": ((TO_IMAGES,), N_("An image is made of what the client sent.")),
    "image untag": ((TO_IMAGES,), N_("A name of the image is gone.")),
    "image delete": ((TO_IMAGES,), N_("The image is deleted.")),
    "image prune": ((TO_IMAGES,), N_("The daemon has removed images that aren't used.")),
    "container create": (("images-containers",), N_("{name} is made from the image {image}.")),
    "container start": ((TO_CONTAINERS,), N_("{name} starts.")),
    "container kill": ((TO_CONTAINERS,), N_("The daemon sends {name} signal {signal}.")),
    "container die": ((FROM_CONTAINERS,), N_("{name} has ended, with exit code {exitCode}.")),
    "container destroy": ((TO_CONTAINERS,), N_("{name} is removed.")),
    "container prune": ((TO_CONTAINERS,), N_("The daemon has removed what doesn't run.")),
    "container exec_start": ((TO_CONTAINERS,), N_("In {name} runs: {detail}")),
    "container health_status": ((FROM_CONTAINERS,), N_("{name}: {detail}")),
}
ASK, ANSWER = "client-daemon", "daemon-client"
# Place -> left, width (in percent), top, height (in em), title.
PLACES = {
    "client": (0, 20, 0.2, 13.6, N_("Client")),
    "host": (27, 48, 0.2, 13.6, N_("Docker host")),
    "daemon": (42, 21, 0.9, 2.3, N_("daemon")),
    "containers": (28.5, 20, 5.2, 7, N_("Containers")),
    "images": (55, 19, 5.2, 7, N_("Images")),
    "registry": (82, 18, 0.2, 13.6, N_("Registry")),
}
# Path -> from (left in percent, top in em) to (the same).
PATHS = {
    ASK: ((20, 1.7), (41.4, 1.7)),
    ANSWER: ((42, 2.7), (20.6, 2.7)),
    "daemon-registry": ((63, 1.7), (81.4, 1.7)),
    "registry-images": ((82, 7.5), (74.6, 7.5)),
    TO_IMAGES: ((60, 3.2), (62, 5)),
    TO_CONTAINERS: ((44, 3.2), (38, 5)),
    FROM_CONTAINERS: ((42, 5.2), (48, 3.4)),
    "images-containers": ((55, 8.7), (49.1, 8.7)),
}


@dataclass(frozen=True, slots=True)
class WorkflowStep:
    """One record, where it is in the picture, and what the engine held after it."""

    at_ns: int
    typed: str  # the line that was typed last
    paths: tuple[str, ...]  # keys of PATHS; empty: the line was typed
    text: str
    record: str  # empty: the line was typed
    layers: tuple[tuple[str, bool], ...]  # of a pull: the layer, and whether it was here before
    contents: Contents


class WorkflowHistory:
    """The steps of one engine, from the moment it is watched."""

    def __init__(self, cluster: Any, node: str) -> None:
        self.cluster, self.recorder = cluster, Recorder(cluster, node)

    def steps(self) -> list[WorkflowStep]:
        """The records in the order in which they came, an event before the answer it precedes."""
        steps, line = list[WorkflowStep](), ""
        for at_ns, _rank, record in self._records()[-STEPS_MAX:]:
            contents = self.recorder.contents_at(at_ns)
            before = steps[-1].contents if steps else contents
            line = record if isinstance(record, str) else line
            if step := _step(at_ns, line, record, before, contents):
                steps.append(step)
        return steps

    def _records(self) -> list[tuple[int, int, Any]]:
        """(when, the order at one moment, what): a line, an event, or a call and its paths."""
        recorder = self.recorder
        times = [event.at_ns for event in recorder.events]
        records: list[tuple[int, int, Any]] = [(e.at_ns, 0, e) for e in recorder.events]
        records += [(at, 2, line) for at, line in self.cluster.typed if at >= recorder.start_ns]
        for call in recorder.calls:
            if bisect_right(times, call.sent_ns) < bisect_right(times, call.answered_ns):
                records.append((call.sent_ns, 3, (call, (ASK,))))
                records.append((call.answered_ns, 1, (call, (ANSWER,))))
            else:
                records.append((call.sent_ns, 3, (call, (ASK, ANSWER))))
        return sorted(records, key=lambda row: row[:2])


def _step(
    at_ns: int, line: str, record: Any, before: Contents, contents: Contents
) -> WorkflowStep | None:
    layers: tuple[tuple[str, bool], ...] = ()
    paths: tuple[str, ...] = ()
    text, shown = _("You type a command."), ""
    match record:
        case str():
            pass
        case EngineEvent():
            shown = f"{record.kind} {record.action}"
            paths, text = EVENTS.get(shown.partition(":")[0], ((), ""))
            if not paths:
                return None
            if shown == "image pull":
                here = {layer for layers in before.images.values() for layer in layers}
                own = contents.images.get(record.id, ())
                layers = tuple((layer.removeprefix("sha256:")[:8], layer in here) for layer in own)
            new = sum(not here for _layer, here in layers)
            counts = _("{new} of {all} layers come", new=new, all=len(layers))
            detail = record.action.partition(": ")[2]
            values = {"name": record.id, "layers": counts, "detail": detail, **record.attributes}
            text, shown = _(text, **values), _("event: {what}", what=shown)
        case call, paths:
            answer = call.answer if ANSWER in paths else ""
            patterns = (text for pattern, text in REQUESTS.items() if re.search(pattern, call.line))
            asked = _(next(patterns, ""))
            text = _("The client asks: {what}", what=asked) if asked else _("The client asks.")
            text = text if ASK in paths else _("The daemon answers.")
            shown = " → ".join(filter(None, (call.line, answer)))
    return WorkflowStep(at_ns, line, paths, text, shown, layers, contents)


class Workflow(DockedWidget):
    """The picture of one engine; it plays what a command did, and steps back.

    `workflow(cluster)` shows it. Lesson: 02_docker_workflow.
    """

    _esm = source("common.js", "dock.js", "workflow.js")
    _css = source("outputs.css", "view.css", "board.css", "workflow.css")
    stage = traitlets.Unicode(help="the picture without what changes").tag(sync=True)
    steps = synced_list(
        "(command's number, typed, paths, text, record, layers, images, containers)"
    )
    looks = traitlets.Dict(help="how each kind of container is drawn").tag(sync=True)

    def start_over(self) -> None:
        super().start_over()
        self._history = WorkflowHistory(self.cluster, self.cluster.names[0])
        self.passed: list[WorkflowStep] = []

    def relabel(self) -> None:
        self.looks, self.stage = look_rows(LOOKS), _stage(())
        super().relabel()

    def _labels(self) -> dict[str, Any]:
        return super()._labels() | {
            "title": _("Docker's workflow: client, daemon, registry"),
            "play": _("▶ Play the command"),
            "now": _("Now ▶❚"),
            "here": _("is here"),
            "comes": _("comes"),
            "text": _("The last command's steps in words"),
            "help": _("Keys: ← and → step, Space plays."),
        }

    def read(self) -> None:
        """Read the engine again; the new steps are played."""
        self._history.recorder.look()
        self.passed = self._history.steps()
        with self.hold_sync():
            self.steps, self.text = self._rows(), repr(self.last_command)

    def _rows(self) -> list[list[Any]]:
        rows, number = list[list[Any]](), 0.0  # when the line was typed
        for step in self.passed:
            number = number if step.record else step.at_ns / S
            images = [*step.contents.images]
            containers = [[*container] for container in step.contents.containers]
            moved = [" ".join(step.paths), step.text, step.record, [*map(list, step.layers)]]
            rows.append([number, step.typed, *moved, images, containers])
        return rows

    def act(self, verb: str, message: dict[str, Any]) -> None:
        self.act_on_panel(verb)

    # -- without JavaScript --------------------------------------------------------------
    @property
    def _last(self) -> list[WorkflowStep]:
        """The steps since the last line that was typed."""
        starts = [i for i, step in enumerate(self.passed) if not step.record]
        return self.passed[starts[-1] if starts else 0 :]

    @property
    def last_command(self) -> Table:
        """The steps of the last command."""
        steps = self._last
        first_ns = steps[0].at_ns if steps else 0
        rows = [(f"+{seconds((s.at_ns - first_ns) / S)}", s.text, s.record) for s in steps]
        held = [
            _("Images here: {names}.", names=", ".join(steps[-1].contents.images) or "–"),
            _("Containers: {names}.", names=", ".join(map(_said, steps[-1].contents.containers))),
        ] if steps else [_("Nothing typed yet.")]  # fmt: skip
        title = steps[0].typed if steps else ""
        return Table(title, (_("When"), _("What"), _("Record")), tuple(rows), tuple(held))

    def still_html(self) -> Markup:
        """The last command as one still: every path it took, and what the engine holds now."""
        words = self.last_command
        return view(drawing(repr(words), _stage(self._last))) + in_words(words)


def _said(container: tuple[str, str, str]) -> str:
    kind, name, note = container
    return f"{name} ({', '.join(filter(None, (_(LOOKS[kind].title), note)))})"


def _stage(steps: Sequence[WorkflowStep]) -> Markup:
    """The places, and the paths of these steps."""
    taken = {path for step in steps for path in step.paths}
    lines = []
    for name, ((x1, y1), (x2, y2)) in PATHS.items():
        ends = {"x1": f"{x1}%", "y1": f"{y1}em", "x2": f"{x2}%", "y2": f"{y2}em"}
        kind = "path on" if name in taken else "path"
        lines.append(tag("line", class_=kind, data_path=name, marker_end=f"url(#{HEAD})", **ends))
    head = tag("path", d="M0 0L8 4L0 8z")
    marker = tag("marker", head, id=HEAD, viewBox="0 0 8 8", refX="7", refY="4", orient="auto",
                 markerWidth="9", markerHeight="9", markerUnits="userSpaceOnUse")  # fmt: skip
    svg = tag("svg", tag("defs", marker), *lines, width="100%", height="100%")
    inside = _inside(steps)
    places = []
    for name, (left, width, top, height, title) in PLACES.items():
        style = f"left:{left}%;width:{width}%;top:{top}em;height:{height}em"
        parts = (tag("b", _(title)), tag("div", *inside.get(name, ()), data_place=name))
        places.append(tag("div", *parts, class_=f"box {name}", style=style))
    return tag("div", *places, svg, class_="stage workflow")


def _inside(steps: Sequence[WorkflowStep]) -> dict[str, list[Markup]]:
    """What the places hold after the last of these steps."""
    if not steps:
        return {}
    contents, layers = steps[-1].contents, [layer for step in steps for layer in step.layers]
    return {
        "client": [tag("code", steps[-1].typed)],
        "containers": [
            tag("span", shape(LOOKS[kind]), " ".join(filter(None, (name, note))))
            for kind, name, note in contents.containers
        ],
        "images": [tag("span", name) for name in contents.images],
        "registry": [
            tag("span", layer, " ", tag("small", _("is here") if here else _("comes")))
            for layer, here in layers
        ],
    }


@checked
def workflow(cluster: AnyCluster) -> Workflow:
    """The first engine as slides 6 to 10 draw it; plays each command. Lesson: 02_docker_workflow.

    >>> import swarmlab
    >>> cluster = swarmlab.simulate(managers=1, workers=0, seed=7)
    >>> picture = workflow(cluster)
    >>> redis = cluster.client().containers.run("redis", name="cache", detach=True)
    >>> picture.refresh()
    >>> [step.record for step in picture.passed if "event" in step.record]
    ['event: image pull', 'event: container create', 'event: container start']
    """
    return widget_of(Workflow, cluster)
