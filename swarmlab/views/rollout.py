"""A rolling update as it happened: a lane a slot, its tasks over time, and what requests became.

`follow` films the service until its update is over (`film`), and works on any swarm.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Any

import docker

from swarmlab.model.specs import UPDATE_DEFAULTS
from swarmlab.simulation import S
from swarmlab.strings import _, text_table
from swarmlab.views.html import big, big_table, folded, marked, picture
from swarmlab.views.tables import Table
from swarmlab.views.task_history import OVER, Film, Life, inspected, version_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LOOK_S, LOOKS_MAX, TAIL = 0.2, 600, "3s"
IDLE_S = 5  # so long without an update, and there is none to wait for
DEFAULTS = {"Delay": 0, **UPDATE_DEFAULTS}
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """The service's update state from one moment to the next, and how its failures count."""

    state: str
    message: str
    start: float
    end: float
    monitor_s: float  # how long a new task is watched once it runs
    allowed: float  # the share of failed tasks that is tolerated
    action: str  # what happens when more fail: pause, continue, rollback
    made: tuple[Life, ...] = ()  # the tasks that this phase made, one a slot
    slots: int = 0  # how many had to change
    failed: int = 0  # how many of `made` failed while they were watched

    @property
    def words(self) -> str:
        return self.state.replace("_", " ")

    @property
    def ratio(self) -> float:
        return self.failed / self.slots if self.slots else 0.0

    @property
    def gauge(self) -> str:
        line = _("{failed} of {slots} failed; a share of more than {allowed:g} means: {action}")
        words = {"allowed": self.allowed, "action": self.action}
        return line.format(failed=self.failed, slots=self.slots, **words)


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
            action=config["FailureAction"],
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
        if not self.phases:
            lines.append(_("No update was seen. Start one with `--detach`, then follow it."))
        elif self.phases[0].state in OVER or self.phases[0].start < self.start:
            early = _("The update began before the first look, so its beginning is not shown. With"
                      " `--detach` the command does not wait, and all of it is seen.")  # fmt: skip
            lines.append(early)
        for phase in self.phases:
            begun = max(phase.start - self.start, 0)
            span = f"{begun:.1f} – {phase.end - self.start:.1f} s"
            said = [part for part in (phase.message, phase.gauge if phase.made else "") if part]
            lines.append(f"**{phase.words}** ({span}): {'. '.join(said)}")
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
        return f"{words}\n{text_table([(_('When'), _('Slot'), _('What')), *self.rows])}"

    def figure(self) -> Figure:
        from swarmlab.views.rollout_chart import drawn

        return drawn(self)

    def _repr_html_(self) -> str:
        image = picture(self.figure(), "; ".join(self.summary).replace("**", ""))
        said = self.summary[1:]  # the versions stand in the picture
        words = big("".join(f"<div>{marked(line)}</div>" for line in said))
        table = big_table((_("When"), _("Slot"), _("What")), self.rows)
        told = _("Task by task, in words ({count})", count=len(self.rows))
        return image + words + folded(told, table)


def follow(cluster: Any, service: str, for_s: float | None = None) -> Rollout:
    """Let time pass until the service's update is over, or for so long; what was seen meanwhile.
    Lesson: 12_rolling_updates.

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
        seen_s = film.now - film.first
        idle = not state and seen_s > IDLE_S
        if seen_s >= for_s if for_s is not None else state in OVER or idle:
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
    Lesson: 12_rolling_updates.

    The app serves six seconds after its container has started. Needs a simulation: it counts.
    """
    heads = (_("order"), _("health check"), _("requests"), _("failed"), _("update took"))
    title = _("Replicas: {n}. The app needs 6 s to get ready", n=replicas)
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
    """How a service is updated, and how it is rolled back, side by side.

    Lesson: 12_rolling_updates.
    """
    spec = inspected(cluster.client().api, service)["Spec"]
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
        "The flags of a rollback begin with `--rollback-`. It goes by the settings of the version"
        " that comes back."
    )
    title = _("Update and rollback of {service}", service=service)
    return Table(title, (_("setting"), _("update"), _("rollback"), _("flag")), shown, (note,))


def _value(config: dict[str, Any], key: str) -> str:
    value = config[key]
    if key in ("Delay", "Monitor"):
        return f"{value / S:g} s"
    if (key, value) == ("Parallelism", 0):
        return _("all")
    return value if isinstance(value, str) else f"{value:g}"
