"""A rolling update as it happened: a lane a slot, its tasks over time, and what requests became.

`follow` looks at the service through the Docker API, again and again, until its update is over; so
it works on any swarm. In a simulation the trace adds the exact moments, and the requests.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import pairwise, product
from typing import TYPE_CHECKING, Any

import docker
import requests

from swarmlab.simulation import EPOCH_NS, S
from swarmlab.strings import _
from swarmlab.views.palette import ENDED, FAILED, UNWANTED, kind_of
from swarmlab.views.said import big, big_table, folded, marked, picture, text_table
from swarmlab.views.tables import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LOOK_S, LOOKS_MAX, TAIL = 0.2, 600, "3s"
OVER = ("completed", "paused", "rollback_completed", "rollback_paused")
DEFAULTS = {
    "Parallelism": 1, "Delay": 0, "Monitor": 5 * S, "MaxFailureRatio": 0.0,
    "FailureAction": "pause", "Order": "stop-first",
}  # fmt: skip
# Patient enough for an app that needs six seconds: ten probes, one a second.
CHECK = {"test": ["CMD", "curl", "-f", "localhost"], "interval": S, "retries": 10}
LABEL_MAX = 44
MARGIN_S = 0.5  # by so much clocks and looks may differ


def config_of(spec: Any, key: str) -> dict[str, Any]:
    """A service's `UpdateConfig` or `RollbackConfig` with what Docker fills in; durations in ns.

    Source: swarmkit api/defaults/service.go; a config without a parallelism means all at once.
    """
    given = spec.get(key)
    if given is None:
        return DEFAULTS
    filled = {name: given.get(name) or default for name, default in DEFAULTS.items()}
    return {**filled, "Parallelism": given.get("Parallelism", 0)}


def seconds(text: str) -> float:
    """Docker's time as seconds since 1970."""
    return datetime.fromisoformat(text).timestamp()


def version_of(spec: Any) -> str:
    """All that describes a task, as text to be compared; engines name a service's runtime alone."""
    return json.dumps({**spec, "Runtime": ""}, sort_keys=True)


@dataclass(slots=True)
class Life:
    """One task, as it was seen; times in seconds since 1970."""

    id: str
    lane: str  # web.2; for a task of a global service web.<node>
    version: str  # its whole spec: another one is another version
    image: str
    words: str  # its image and its arguments
    created: float
    node: str = ""
    states: dict[str, float] = field(default_factory=dict)  # state -> when it was entered
    unwanted: float | None = None  # when it was told to stop
    lost: float | None = None  # when its node was seen down
    gone: float | None = None  # when it was no longer listed
    error: str = ""

    @property
    def ended(self) -> float | None:
        return next((at for state, at in self.states.items() if state in ENDED), self.gone)

    @property
    def told(self) -> float | None:
        """When it was told to stop, if it lived then."""
        alive = self.unwanted is not None and (self.ended is None or self.unwanted < self.ended)
        return self.unwanted if alive else None

    @property
    def failed(self) -> bool:
        """A task that was told to stop may end as it likes."""
        return self.told is None and any(state in FAILED for state in self.states)

    def kinds(self, now: float) -> list[tuple[str, float, float]]:
        """(a key of palette.LOOKS, from, to), one after the other."""
        end = now if self.ended is None else self.ended
        marks = {self.created, end, *self.states.values(), self.unwanted, self.lost}
        found: list[tuple[str, float, float]] = []
        for start, stop in pairwise(sorted(t for t in marks if t is not None and t <= end)):
            state = max((at, s) for s, at in {"new": self.created, **self.states}.items()
                        if at <= start)[1]  # fmt: skip
            told, down = self.unwanted, self.lost
            kind = kind_of(
                state,
                wanted=told is None or start < told,
                node_down=down is not None and start >= down,
            )
            if found and found[-1][0] == kind:
                start = found.pop()[1]
            found.append((kind, start, stop))
        return found


class Film:
    """What was seen of one service, look by look."""

    def __init__(self, cluster: Any, service: str) -> None:
        self.cluster, self.service = cluster, service
        self.simulated = cluster.kind == "simulated"
        self.lives: dict[str, Life] = {}
        self.updates: list[tuple[float, str, str, Any]] = []  # (when, state, message, spec)
        self.first = self.now = 0.0

    def look(self) -> str:
        """See the service now; its update state, empty when it has none or nobody answers."""
        try:
            api = self.cluster.client().api
            service = api.inspect_service(self.service)
            tasks = api.tasks(filters={"service": self.service})
            nodes = {node["ID"]: node for node in api.nodes()}
            clock = 0.0 if self.simulated else seconds(api.info()["SystemTime"])
        except (docker.errors.APIError, requests.exceptions.RequestException):
            return ""
        self.now = clock or (EPOCH_NS + self.cluster.now_ns) / S
        status = service.get("UpdateStatus") or {}
        state, message = status.get("State", ""), status.get("Message", "")
        begun = seconds(status["StartedAt"]) if status.get("StartedAt") else self.now
        if not self.first:  # what has just begun is shown from its beginning
            self.first = begun - 1 if self.now - 5 < begun and state not in OVER else self.now
        if state and (state, message) != (self.updates[-1][1:3] if self.updates else ()):
            self.updates.append((seconds(service["UpdatedAt"]), state, message, service["Spec"]))
        for task in tasks:
            self._see(task, nodes.get(task.get("NodeID", ""), {}))
        listed = {task["ID"] for task in tasks}
        for life in self.lives.values():
            if life.id not in listed and life.ended is None:
                life.gone = self.now
        return str(state)

    def _see(self, task: Any, node: Any) -> None:
        status, container = task["Status"], task["Spec"].get("ContainerSpec", {})
        name = node.get("Description", {}).get("Hostname", "")
        image = container.get("Image", "").partition("@")[0]
        life = self.lives.setdefault(
            task["ID"],
            Life(
                id=task["ID"],
                lane=f"{self.service}.{task.get('Slot') or name}",
                version=version_of(task["Spec"]),
                image=image,
                words=" ".join([image, *container.get("Args", ())]),
                created=seconds(task["CreatedAt"]),
            ),
        )
        life.node, life.error = name, status.get("Err", "")
        life.states.setdefault(status["State"], seconds(status["Timestamp"]))
        if task["DesiredState"] in UNWANTED and life.unwanted is None:
            life.unwanted = seconds(task["UpdatedAt"])
        if node.get("Status", {}).get("State") == "down" and life.lost is None:
            life.lost = self.now

    def add_trace(self) -> list[tuple[float, int, int, int]]:
        """Exact moments for the tasks; the requests, (second's end, served, failed, slow)."""
        found: dict[float, list[int]] = {}
        for record in self.cluster.trace if self.simulated else ():
            at, kind = (EPOCH_NS + record.at_ns) / S, type(record).__name__
            if kind == "TaskStatusChanged" and record.task_id in self.lives:
                states = self.lives[record.task_id].states
                states[str(record.state)] = min(at, states.get(str(record.state), at))
            elif kind == "RequestsCounted" and record.service == self.service and at > self.first:
                row = found.setdefault(at, [0, 0, 0])
                row[:] = [sum(column, row[i]) for i, column in
                          enumerate(zip(*(c[3:] for c in record.counts), strict=True))]  # fmt: skip
        return [(at, *row) for at, row in found.items() if at <= self.now]  # type: ignore[misc]


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """The service's update state from one moment to the next, and how its failures count."""

    state: str
    message: str
    start: float
    end: float
    monitor_s: float  # how long a new task is watched once it runs
    allowed: float  # the share of failed tasks that is tolerated
    made: tuple[Life, ...] = ()  # the tasks that this phase made, one a slot
    slots: int = 0  # how many had to change
    failed: int = 0  # how many of `made` failed while they were watched

    @property
    def words(self) -> str:
        return _(self.state.replace("_", " "))

    @property
    def ratio(self) -> float:
        return self.failed / self.slots if self.slots else 0.0

    @property
    def gauge(self) -> str:
        line = _("{failed} of {slots} failed, allowed is a share of {allowed:g}")
        return line.format(failed=self.failed, slots=self.slots, allowed=self.allowed)


def _phases(film: Film) -> Iterator[Phase]:
    ends = [*(at for at, *_rest in film.updates[1:]), film.now]
    for (start, state, message, spec), end in zip(film.updates, ends, strict=False):
        key = "RollbackConfig" if state.startswith("rollback") else "UpdateConfig"
        config = config_of(spec, key)
        monitor, delay = config["Monitor"] / S, config["Delay"] / S
        phase = Phase(
            state=state,
            message=message,
            start=start,
            end=end,
            # Source: swarmkit update/updater.go: a delay as long as the monitor stretches it.
            monitor_s=delay + 1 if delay >= monitor else monitor,
            allowed=config["MaxFailureRatio"],
        )
        at_work = state in ("updating", "rollback_started")
        yield _counted(phase, film, version_of(spec["TaskTemplate"])) if at_work else phase


def _counted(phase: Phase, film: Film, aim: str) -> Phase:
    """With the tasks it made: the first of each slot that has version `aim`. Later ones are
    restarts, whose failures do not count. Source: swarmkit update/updater.go."""
    made: dict[str, Life] = {}
    for life in sorted(film.lives.values(), key=lambda life: life.created):
        if life.version == aim and phase.start - MARGIN_S <= life.created <= phase.end:
            made.setdefault(life.lane, life)
    old = {
        life.lane
        for life in film.lives.values()
        if life.version != aim and life.created < phase.start <= (life.ended or phase.end)
    }
    failed = 0
    for life in made.values():
        if life.ended is not None and life.ended <= phase.end + MARGIN_S:
            failed += life.ended - life.states.get("running", life.ended) <= phase.monitor_s
    return replace(phase, made=tuple(made.values()), slots=len({*old, *made}), failed=failed)


@dataclass(frozen=True, slots=True)
class Rollout:
    """A service for a while, shown as a picture with its words; times in seconds since 1970."""

    service: str
    lives: tuple[Life, ...]  # in the order in which they were made
    phases: tuple[Phase, ...]
    requests: tuple[tuple[float, int, int, int], ...]  # (second's end, served, failed, slow)
    start: float
    end: float

    @property
    def letters(self) -> dict[str, str]:
        """Version -> A, B, …, in the order in which they came."""
        seen = dict.fromkeys(life.version for life in self.lives)
        return {version: chr(ord("A") + i % 26) for i, version in enumerate(seen)}

    @property
    def versions(self) -> list[str]:
        """`A = nginx:1.27`, …; with the arguments where the image alone does not tell."""
        lives = {life.version: life for life in self.lives}
        alike = len({life.image for life in lives.values()}) < len(lives)
        labels = {v: life.words if alike else life.image for v, life in lives.items()}
        return [f"{letter} = {labels[v][:LABEL_MAX]}" for v, letter in self.letters.items()]

    @property
    def served(self) -> int:
        return sum(served for _at, served, _failed, _slow in self.requests)

    @property
    def failed(self) -> int:
        return sum(failed for _at, _served, failed, _slow in self.requests)

    @property
    def summary(self) -> list[str]:
        """What one has to know, a line each."""
        lines = [", ".join(self.versions)]
        for phase in self.phases:
            span = f"{phase.start - self.start:.1f} – {phase.end - self.start:.1f} s"
            said = f": {phase.message}" if phase.message else ""
            lines.append(f"**{phase.words}** ({span}){said}")
            lines += [f"– {phase.gauge}"] if phase.made else []
        if self.requests:
            worst = max(failed for _at, _served, failed, _slow in self.requests)
            line = _("requests: {served} served, {failed} failed, at worst {worst} in a second")
            lines.append(line.format(served=self.served, failed=self.failed, worst=worst))
        return lines

    @property
    def rows(self) -> list[tuple[str, str, str]]:
        """(when, which slot, what)."""
        told = [(phase.start, "", phase.words) for phase in self.phases]
        for life in self.lives:
            ended = _("{v} FAILED: {error}") if life.failed else _("{v} has ended")
            events = (
                (life.created, _("{v} is made")),
                (life.states.get("running"), _("{v} runs on {node}")),
                (life.told, _("{v} is told to stop")),
                (life.ended, ended),
            )
            words = {"v": self.letters[life.version], "node": life.node, "error": life.error}
            told += [(at, life.lane, line.format(**words)) for at, line in events if at is not None]
        shown = sorted(row for row in told if self.start <= row[0] <= self.end)
        return [(f"{at - self.start:+.1f} s", who, what) for at, who, what in shown]

    def __repr__(self) -> str:
        words = "\n".join(self.summary).replace("**", "")
        return f"{words}\n{text_table((_('When'), _('Slot'), _('What')), self.rows)}"

    def figure(self) -> Figure:
        from swarmlab.views.rollout_lanes import drawn

        return drawn(self)

    def _repr_html_(self) -> str:
        image = picture(self.figure(), "; ".join(self.summary).replace("**", ""))
        words = big("".join(f"<div>{marked(line)}</div>" for line in self.summary))
        table = big_table((_("When"), _("Slot"), _("What")), self.rows)
        told = _("Task by task: {count} lines").format(count=len(self.rows))
        return image + words + folded(told, table)


def follow(cluster: Any, service: str, for_s: float | None = None) -> Rollout:
    """Let time pass until the service's update is over, or for so long; what was seen meanwhile.

    >>> import swarmlab
    >>> cluster = swarmlab.simulate(managers=1, workers=2, seed=7)
    >>> web = cluster.client().services.create("nginx:1.25", name="web")
    >>> cluster.run("5s")
    >>> updated = web.update(image="nginx:1.27", fetch_current_spec=True)
    >>> [phase.state for phase in follow(cluster, "web").phases]
    ['updating', 'completed']
    """
    film = Film(cluster, service)
    for _look in range(LOOKS_MAX):
        state = film.look()
        if film.now - film.first >= for_s if for_s is not None else state in OVER:
            break
        cluster.run(LOOK_S)
    if for_s is None:
        cluster.run(TAIL)
        film.look()
    counted = tuple(film.add_trace())
    lives = [life for life in film.lives.values() if (life.ended or film.now) >= film.first]
    lives.sort(key=lambda life: (life.created, life.lane))
    return Rollout(service, tuple(lives), tuple(_phases(film)), counted, film.first, film.now)


def downtime(cluster: Any, replicas: int = 3) -> Table:
    """One update in four ways, each on a copy of this cluster: how many requests does it fail?

    The app serves six seconds after its container has started. Needs a simulation: it counts.
    """
    heads = (_("order"), _("health check"), _("requests"), _("failed"), _("update took"))
    title = _("Replicas: {n}. The app needs 6 s to get ready").format(n=replicas)
    if cluster.kind != "simulated":
        return Table(title, heads, (), (_("Only a simulated cluster counts requests."),))
    rows = []
    for order, check in product(("stop-first", "start-first"), (None, CHECK)):
        copy = cluster.fork()
        client = copy.client()
        shop = client.services.create(
            "nginx:1.25",
            args=["sh", "-c", "sleep 6; exec nginx -g 'daemon off;'"],
            name="shop",
            mode=docker.types.ServiceMode("replicated", replicas),
            endpoint_spec=docker.types.EndpointSpec(ports={8181: 80}),
            update_config=docker.types.UpdateConfig(parallelism=1, order=order),
            healthcheck=check,
        )
        copy.run("30s")
        copy.traffic("shop", rate=50)
        shop.reload()
        shop.update(image="nginx:1.27", fetch_current_spec=True)
        seen = follow(copy, "shop")
        took = f"{seen.phases[0].end - seen.phases[0].start:.0f} s"
        asked = (_("yes") if check else _("no"), str(seen.served + seen.failed))
        rows.append((order, *asked, str(seen.failed), took))
    return Table(title, heads, tuple(rows))


def settings(cluster: Any, service: str) -> Table:
    """How a service is updated, and how it is rolled back, side by side."""
    spec = cluster.client().api.inspect_service(service)["Spec"]
    update, rollback = (config_of(spec, key) for key in ("UpdateConfig", "RollbackConfig"))
    rows = (
        (_("tasks at a time"), "parallelism", "Parallelism"),
        (_("pause after each"), "delay", "Delay"),
        (_("old or new first"), "order", "Order"),
        (_("watched for, once it runs"), "monitor", "Monitor"),
        (_("tolerated share of failures"), "max-failure-ratio", "MaxFailureRatio"),
        (_("when there are more"), "failure-action", "FailureAction"),
    )
    shown = tuple(
        (what, _value(update, key), _value(rollback, key), f"--update-{flag}")
        for what, flag, key in rows
    )
    note = _(
        "For the right column the flags begin with --rollback-. A rollback goes by the settings of"
        " the version that comes back."
    )
    title = _("Update and rollback of {service}").format(service=service)
    return Table(title, (_("setting"), _("update"), _("rollback"), _("flag")), shown, (note,))


def _value(config: dict[str, Any], key: str) -> str:
    value = config[key]
    if key in ("Delay", "Monitor"):
        return f"{value / S:g} s"
    if (key, value) == ("Parallelism", 0):
        return _("all")
    return value if isinstance(value, str) else f"{value:g}"
