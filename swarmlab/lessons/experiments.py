"""Experiments: functions that run, break or update a cluster, and show what was observed.

`prove_quorum` does not know the formula: it crashes leaders until no manager accepts a write.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import cache, partial
from itertools import groupby, product
from typing import Any

import docker
import requests

from swarmlab.cluster.autoscale import Scaling, autoscale
from swarmlab.cluster.calls import checked
from swarmlab.cluster.interface import AnyCluster, MakeCluster, ServiceName
from swarmlab.cluster.simulated_state import is_simulated
from swarmlab.errors import LabError
from swarmlab.raft.quorum import quorum
from swarmlab.strings import N_, _, seconds
from swarmlab.views.html import Callout, Table, only_simulated
from swarmlab.views.progress import LongWork
from swarmlab.views.quorum import ProofStep, QuorumRow, QuorumTable
from swarmlab.views.rollout import Rollout
from swarmlab.views.snapshot import look
from swarmlab.views.update_history import UPDATE_ENDED, ServiceHistory
from swarmlab.views.widget import Sliders, slider

# Time for an election after a crash: 10 to 19 s each, and a split vote needs another one.
ELECTION_TIME, WRITE_ROUNDS = "15s", 7
SETTLE_TIME = "10s"  # for messages already on their way to arrive
# On real engines every manager is an engine, and the minutes are real.
REAL_SIZES, REAL_WRITE_ROUNDS = (1, 3), 3
POLL_S, POLLS_MAX, AFTER_UPDATE = 0.2, 600, "3s"
IMAGES = ("nginx:1.25", "nginx:1.27", "nginx:latest", "redis:latest")  # that page 03 runs
SCALING_TARGET = 20  # requests a second for each task
NO_UPDATE_S = 5  # after so long without an update, there is none to wait for
# Patient enough for an app that needs six seconds: ten probes, one a second.
HEALTH_CHECK = {"test": ["CMD", "curl", "-f", "localhost"], "interval": 10**9, "retries": 10}

# Another app: a small web server, and a check that asks for its page.
APP = "mkdir /www; echo hello > /www/index.html; sleep {ready}; exec httpd -f -h /www"
CHECK = ["CMD", "wget", "-q", "-O", "/dev/null", "localhost"]
OBSERVED_S = 90


# -- quorum --------------------------------------------------------------------------------------
def _write_error(cluster: Any, manager: str, name: str) -> str:
    """The error with which this manager answers a write; empty when it accepts it."""
    try:
        cluster.client(manager).configs.create(name=name, data=b"written")
    except docker.errors.APIError as error:
        return str(error.explanation)
    except (requests.exceptions.RequestException, LabError):
        return _("Cannot connect to the Docker daemon: no manager is up.")
    return ""


def _write(cluster: Any, managers: list[str], name: str) -> str:
    """Try to write through every manager that is up; the last error, empty once one accepts."""
    up = [manager for manager in managers if cluster.is_up(manager)] or managers[:1]
    error = ""
    for attempt in range(WRITE_ROUNDS if cluster.virtual_time else REAL_WRITE_ROUNDS):
        for manager in up:
            error = _write_error(cluster, manager, f"{name}-{attempt}-{manager}")
            if not error:
                return ""
        if not any(map(cluster.is_up, managers)):
            return error
        cluster.run(ELECTION_TIME)
    return error


def prove_quorum(managers: int, seed: int = 7, *, make: Callable[..., Any]) -> QuorumRow:
    """Crash the leader of a new cluster, again and again, until no manager accepts a write.

    >>> import swarmlab
    >>> prove_quorum(3, make=swarmlab.simulate).observed
    1
    """
    cluster = make(managers=managers, workers=0, seed=seed)
    names = [name for name in cluster.names if name.startswith("m")]
    crashed, steps = "", list[ProofStep]()
    while not steps or not steps[-1].error:
        error = _write(cluster, names, f"write-{len(steps)}")
        up = sum(cluster.is_up(name) for name in names)
        steps.append(ProofStep(crashed=crashed, up=up, error=error))
        if not error:
            crashed = cluster.default_node()
            cluster.crash(crashed)
            cluster.run(ELECTION_TIME)
    cluster.close()
    real = not cluster.virtual_time
    return QuorumRow(managers=managers, seed=seed, steps=tuple(steps), real=real)


@checked
def quorum_table(
    sizes: Iterable[int] = range(1, 8), *, seed: int = 7, make: MakeCluster
) -> QuorumTable:
    """Compute the slide's rows and prove each on a new cluster of that size. Lesson: 05_quorum.

    On real engines only the first size and `REAL_SIZES` are proven.
    `quorum_table([3, 4], make=swarmlab.simulate)`
    """
    rows, counts = list[QuorumRow](), [*sizes]
    with LongWork(_("sizes proven")) as progress:
        for managers in counts:
            progress.at(len(rows), len(counts))
            if any(row.real for row in rows) and managers not in REAL_SIZES:
                rows.append(QuorumRow(managers=managers, seed=seed, steps=(), real=True))
            else:
                rows.append(prove_quorum(managers, seed, make=make))
    return QuorumTable(tuple(rows))


@checked
def slow_followers(cluster: AnyCluster, delay: str = "1s") -> Table | Callout:
    """How long a write takes when no follower, one, two, … all are slow; on copies of the cluster.
    Lesson: 05_quorum.

    >>> import swarmlab
    >>> [row[-1] for row in slow_followers(swarmlab.simulate(managers=3, workers=0)).rows]
    ['0.2 s', '0.2 s', '2.2 s']
    """
    if not is_simulated(cluster):
        return only_simulated(_("The network between real engines can't be slowed from here."))
    rows = []
    leader = cluster.default_node()
    followers = [n.name for n in look(cluster).nodes if n.manager and n.name != leader]
    for count in range(len(followers) + 1):
        slow, copy = followers[len(followers) - count :], cluster.fork()
        for name in slow:
            copy.slow(leader, name, delay)
        copy.run(SETTLE_TIME)
        start_ns = copy.now_ns
        copy.client(leader).configs.create(name="written", data=b"written")
        quick = str(len(followers) + 1 - count)
        rows.append((", ".join(slow) or "–", quick, seconds((copy.now_ns - start_ns) / 1e9)))
    title = _("A write needs a quorum: {quorum} of {all}, including the leader, {leader}.")
    counts = {"quorum": quorum(len(followers) + 1), "all": len(followers) + 1}
    heads = (_("Slow managers"), _("Quick managers"), _("The write is answered after"))
    return Table(title.format(leader=leader, **counts), heads, tuple(rows))


# -- rolling updates -------------------------------------------------------------------------------
@checked
def follow(cluster: AnyCluster, service: ServiceName, for_s: float | None = None) -> Rollout:
    """Let time pass until the service's update has ended, or for `for_s`; what was observed.
    Lesson: 12_rolling_updates.

    >>> import swarmlab
    >>> cluster = swarmlab.simulate(managers=1, workers=2, seed=7)
    >>> web = cluster.client().services.create("nginx:1.25", name="web")
    >>> cluster.run("5s")
    >>> updated = web.update(image="nginx:1.27", fetch_current_spec=True)
    >>> [phase.state for phase in follow(cluster, "web").phases]
    ['updating', 'completed']
    """
    history = ServiceHistory(cluster, service)
    _watch(history, for_s)
    if for_s is None:
        cluster.run(AFTER_UPDATE)
        history.poll()
    return Rollout.of(history, for_update=for_s is None)


def _watch(history: ServiceHistory, for_s: float | None) -> None:
    """Poll until the update has ended, or `for_s` seconds have passed since the first poll."""
    for _poll in range(POLLS_MAX):
        state = history.poll()
        observed_s = history.now - history.first
        no_update = not state and observed_s > NO_UPDATE_S
        if observed_s >= for_s if for_s is not None else state in UPDATE_ENDED or no_update:
            break
        history.cluster.run(POLL_S)


@checked
def downtime(cluster: AnyCluster, replicas: int = 3) -> Table:
    """Update a service in four ways, each on a copy of this cluster: how many requests fail?
    `downtime(cluster, replicas=1)`. Lesson: 11_health_checks.

    The app serves six seconds after its container has started. Needs a simulation: it counts.
    """
    heads = (_("order"), _("health check"), _("requests"), _("failed"), _("update took"))
    title = _("Replicas: {n}. The app needs 6 s to get ready", n=replicas)
    if not is_simulated(cluster):
        return Table(title, heads, (), (_("Only a simulated cluster counts requests."),))
    rows = []
    for order, check in product(("stop-first", "start-first"), (None, HEALTH_CHECK)):
        copy = cluster.fork()
        shop = copy.client().services.create(
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
        rollout = follow(copy, "shop")
        update = rollout.phases[0]
        requests_count = str(rollout.served + rollout.failed)
        failed, took = str(rollout.failed), seconds(update.end - update.start, 0)
        rows.append((order, _("yes") if check else _("no"), requests_count, failed, took))
    return Table(title, heads, tuple(rows))


# -- health checks ---------------------------------------------------------------------------------
@checked
def hang(cluster: AnyCluster, service: ServiceName) -> Callout:
    """Make the app in one container of a service hang: `docker kill --signal STOP`. The process is
    there, and answers nothing. `hang(cluster, "web")`. Lesson: 11_health_checks.
    """
    filters = {"label": f"com.docker.swarm.service.name={service}"}
    for node in cluster.names:
        for container in cluster.client(node).containers.list(filters=filters):
            container.kill(signal="STOP")
            name = container.name.rpartition(".")[0]
            return Callout(f"docker -H {node} kill --signal STOP {name}.…", ())
    raise LabError("no container of {service!r} runs", service=service)


def checked_app(cluster: Any, **seconds: int) -> Rollout:
    """One task and its health check for 90 seconds, on a copy of the cluster.
    Lesson: 11_health_checks.

    `ready` and `hangs`: after so long the app serves, and hangs (0: never); then the check's
    settings. `checked_app(cluster, ready=6, hangs=30, interval=5, timeout=3, retries=3,
    start_period=0)`
    """
    copy = cluster.fork()
    times = {name: seconds[name] * 10**9 for name in ("interval", "timeout", "start_period")}
    copy.client().services.create(
        "busybox",
        args=["sh", "-c", APP.format(**seconds)],
        name="app",
        endpoint_spec=docker.types.EndpointSpec(ports={8282: 80}),
        healthcheck=docker.types.Healthcheck(test=CHECK, retries=seconds["retries"], **times),
    )
    copy.traffic("app", rate=20)
    history = ServiceHistory(copy, "app")
    if seconds["hangs"]:
        _watch(history, seconds["hangs"])
        with suppress(LabError):  # it is being replaced at this moment
            hang(copy, "app")
    _watch(history, OBSERVED_S)
    return Rollout.of(history, for_update=False)


@checked
def check_explorer(cluster: AnyCluster) -> Sliders | Callout:
    """The settings of a health check as sliders, above what they do to an app:
    `check_explorer(cluster)`. Lesson: 11_health_checks.
    """
    if not is_simulated(cluster):
        return only_simulated(_("Each move of a slider runs a copy of the cluster for 90 s."))
    controls = {
        "ready": slider(N_("The app is ready after (s)"), 6, 0, 30),
        "hangs": slider(N_("It hangs after (s; 0: never)"), 30, 0, 60, 5),
        "interval": slider("--health-interval (s)", 5, 1, 30),
        "timeout": slider("--health-timeout (s)", 3, 1, 30),
        "retries": slider("--health-retries", 3, 1, 10),
        "start_period": slider("--health-start-period (s)", 0, 0, 30),
    }
    return Sliders(cache(partial(checked_app, cluster)), controls)


# -- by hand, or by a control loop -----------------------------------------------------------------
@checked
def plain_engines(engines: int = 3, *, seed: int = 7, make: MakeCluster) -> AnyCluster:
    """Engines that are in no swarm: m1, w1, w2, …, with some images. Lesson: 03_why_orchestrate.

    >>> import swarmlab
    >>> [row.condition for row in plain_engines(2, make=swarmlab.simulate).nodes]
    ['in no swarm', 'in no swarm']
    """
    cluster = make(managers=1, workers=engines - 1, seed=seed)
    for name in reversed(cluster.names):
        client = cluster.client(name)
        client.swarm.leave(force=True)
        for image in IMAGES:
            with suppress(docker.errors.DockerException):  # without a registry: those that are here
                repository, _colon, tag = image.partition(":")
                client.images.pull(repository, tag=tag)
    cluster.run(SETTLE_TIME)
    return cluster


@checked
def users(cluster: AnyCluster, target: ServiceName, rate: int = 30) -> None:
    """Requests of users, instead of those before: `users(cluster, "web")` to a service,
    `users(cluster, "m1:8080,w1:8080")` to ports of nodes in turn. Real engines get none.
    Lesson: 03_why_orchestrate.
    """
    if is_simulated(cluster):
        for source, former in list(cluster.world.traffic):
            cluster.traffic(former, rate=0, source=source)
        cluster.traffic(target, rate=rate)


@checked
def scaling_day(
    cluster: AnyCluster, service: ServiceName, rates: Iterable[int] = (20, 130, 20)
) -> Table | Callout:
    """Requests rise and fall, and `autoscale` follows: `scaling_day(cluster, "web")` has 30 s at
    each rate. Lesson: 03_why_orchestrate.
    """
    if not is_simulated(cluster):
        return only_simulated(_("The load is that of simulated requests."))
    rounds = list[Scaling]()
    for rate in rates:
        users(cluster, service, rate)
        options: Any = {"target": SCALING_TARGET, "cool_down": "10s", "sleep": cluster.run}
        rounds += autoscale(cluster.client(), service, partial(float, rate), rounds=6, **options)
    groups = groupby(rounds, key=lambda r: (r.load, r.replicas, r.scaled))
    rows = [
        (f"{r.load:g}", str(r.replicas), str(r.wanted), _("scales") if r.scaled else _("waits"))
        for r in (next(group) for _key, group in groups)
    ]
    heads = (_("requests a second"), _("replicas"), _("wanted"), _("the loop"))
    title = _("autoscale: a task for every {n} requests a second", n=SCALING_TARGET)
    return Table(title, heads, tuple(rows))
