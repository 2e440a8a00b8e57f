"""Waiting until a service has converged, or a root certificate is rotated, and telling how far it is.

A non-terminal gets a line a poll, as from docker; a notebook gets its bar moved, then the last state.
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from swarmlab.docker_cli.session import CliError, Json, Session
from swarmlab.docker_cli.text import short_id

POLL_S = 0.2
MONITOR_S = 5.0
BARS_MAX = 20
BAR_WIDTH_MIN = 110  # narrower terminals show no bars
RUNNING, COMPLETE = 9, 10
RANKS = {
    "new": 1,
    "allocated": 2,
    "pending": 3,
    "assigned": 4,
    "accepted": 5,
    "preparing": 6,
    "ready": 7,
    "starting": 8,
    "running": RUNNING,
    "complete": COMPLETE,
    "shutdown": 11,
    "failed": 12,
    "rejected": 13,
}


class Screen:
    """Lines by name, each in its place; printed as they come, or at the end below a live bar."""

    def __init__(self, session: Session, *, quiet: bool) -> None:
        self.session, self.quiet = session, quiet
        self.live = session.tty or session.progress is not None
        self.lines: dict[str, str] = {}

    def line(self, name: str, text: str, current: int = 0, total: int = 0) -> None:
        if self.live:
            self.lines[name] = f"{name}: {text} {self._bar(current, total)}"
        elif not total and not self.quiet:
            self.session.print(f"{name}: {text}")

    def count(self, done: int, total: int, text: str) -> None:
        if self.session.progress:
            self.session.progress(done, total, text)

    def message(self, *lines: str) -> None:
        self.close()
        if not self.quiet:
            self.session.print(*lines)

    def close(self) -> None:
        if not self.quiet:
            self.session.print(*self.lines.values())
        self.lines = {}

    def _bar(self, current: int, total: int) -> str:
        if not total or self.session.width <= BAR_WIDTH_MIN:
            return ""
        filled = current * 100 // total // 2
        return f"[{'=' * filled}>{' ' * (50 - filled)}] "


class Watch:
    """How far the tasks of one service are; `update` says whether all is as wanted."""

    def __init__(self, screen: Screen) -> None:
        self.screen = screen
        self.started = self.done = False
        self.places: dict[Any, int] = {}  # slots in the order of their appearance, from 1

    def update(self, service: Json, tasks: list[Json], active: set[str], *, rollback: bool) -> bool:
        mode = service["Spec"]["Mode"]
        if "ReplicatedJob" in mode or "GlobalJob" in mode:
            return self._job(service, tasks, mode.get("ReplicatedJob"))
        replicas = mode["Replicated"]["Replicas"] if "Replicated" in mode else None
        chosen = self._chosen(tasks, active if replicas is not None else None)
        wanted = len(chosen) if replicas is None else int(replicas)
        if not self.started:
            if replicas is None and not chosen:
                self.screen.line("overall progress", "waiting for new tasks")
                return False
            self._start(wanted, numbered=replicas is not None, rollback=rollback)
        self.done = self.done and all(t["Status"]["State"] == "running" for t in chosen.values())
        running = 0
        for key, task in chosen.items():
            if replicas is None and key not in active:
                continue
            running += _rank(task["DesiredState"]) <= RUNNING and task["Status"]["State"] == "running"
            place = self.places.setdefault(key, len(self.places) + 1)
            if not self.done and wanted <= BARS_MAX and (replicas is None or place <= wanted):
                self._task(short_id(key) if replicas is None else f"{place}/{wanted}", task)
        if not self.done:
            self._overall(running, wanted, rollback=rollback)
            self.done = running == wanted
        return running == wanted

    def _start(self, wanted: int, *, numbered: bool, rollback: bool) -> None:
        self.started = True
        self._overall(0, wanted, rollback=rollback)
        if numbered and wanted <= BARS_MAX:
            for place in range(1, wanted + 1):
                self.screen.line(f"{place}/{wanted}", " ")

    def _overall(self, running: int, wanted: int, *, rollback: bool) -> None:
        text = f"{'rolling back update: ' * rollback}{running} out of {wanted} tasks"
        self.screen.line("overall progress", text)
        self.screen.count(running, wanted, text)

    def _task(self, name: str, task: Json, *, job: bool = False) -> None:
        status = task["Status"]
        rank = _rank(status["State"])
        if status.get("Err"):
            self.screen.line(name, _cut(status["Err"]))
        elif job or (_rank(task["DesiredState"]) <= RUNNING and rank <= RUNNING):
            self.screen.line(name, f"{status['State']:<9}", rank, COMPLETE if job else RUNNING)

    def _chosen(self, tasks: Iterable[Json], active: set[str] | None) -> dict[Any, Json]:
        """The task that counts in each slot (or, `active` being None, on each node)."""
        chosen: dict[Any, Json] = {}
        for task in tasks:
            order = (_rank(task["DesiredState"]), _rank(task["Status"]["State"]))
            key = task.get("NodeID", "") if active is None else task.get("Slot", 0)
            if 0 in order:
                continue
            if other := chosen.get(key):
                taken = _rank(other["DesiredState"]), _rank(other["Status"]["State"])
                if taken[0] < order[0] or (taken[0] == order[0] and taken[1] <= order[1]):
                    continue
            if active is not None and task.get("NodeID") and task["NodeID"] not in active:
                continue
            chosen[key] = task
        return chosen

    def _job(self, service: Json, tasks: list[Json], replicated: Json | None) -> bool:
        iteration = _iteration(service.get("JobStatus", {}))
        own = [t for t in tasks if _iteration(t) == iteration]
        if replicated is None:
            if not own and not self.started:
                self.screen.line("job progress", "waiting for tasks")
                return False
            self.places = self.places or {t["NodeID"]: 1 for t in own}
        chosen: dict[Any, Json] = {}
        for task in own:
            key = task.get("Slot", 0) if replicated else task["NodeID"]
            if key not in chosen or _rank(chosen[key]["Status"]["State"]) > _rank(task["Status"]["State"]):
                chosen[key] = task
        total = int(replicated["TotalCompletions"]) if replicated else len(self.places)
        if not self.started:
            self._job_counts(0, 0, total, replicated)
            for place in range(1, total + 1) if replicated and total <= BARS_MAX else ():
                self.screen.line(f"{place}/{total}", " ")
            self.started = True
        for key in sorted(chosen):
            if total <= BARS_MAX:
                self._task(f"{key + 1}/{total}" if replicated else key, chosen[key], job=True)
        ranks = [_rank(t["Status"]["State"]) for t in chosen.values()]
        complete = ranks.count(COMPLETE)
        self._job_counts(sum(r < COMPLETE for r in ranks), complete, total, replicated)
        return complete == total

    def _job_counts(self, active: int, done: int, total: int, replicated: Json | None) -> None:
        digits = len(str(total))
        text = f"{done:>{digits}} out of {total} complete"
        self.screen.line("job progress", text, done, total)
        self.screen.count(done, total, text)
        if replicated:
            limit = int(replicated["MaxConcurrent"])
            digits, wanted = len(str(limit)), min(limit, total - done)
            self.screen.line("active tasks", f"{active:>{digits}} out of {wanted:>{digits}} tasks")


def _rank(state: str) -> int:
    return RANKS.get(state, 0)


def _iteration(owner: Mapping[str, Any]) -> Any:
    return owner.get("JobIteration", {}).get("Index")


def _cut(error: str) -> str:
    flat = error.replace("\n", " ")
    return flat if len(flat) <= 75 else flat[:74] + "…"


def wait_for_service(session: Session, reference: str, *, quiet: bool = False) -> None:
    """Returns when the service has converged and stayed so; CliError when its update stopped."""
    screen = Screen(session, quiet=quiet)
    converged = [False]
    try:
        _poll_service(session, reference, screen, converged)
    except KeyboardInterrupt:
        if not converged[0]:
            check = f"Use `docker service ps {reference}` to check progress."
            screen.message("Operation continuing in background.", check)
    finally:
        screen.close()


def _poll_service(session: Session, reference: str, screen: Screen, converged: list[bool]) -> None:
    watch = Watch(screen)
    since: float | None = None
    rollback, closing = False, ""
    while True:
        service = session.get(f"/services/{reference}", insertDefaults="false")
        monitor = service["Spec"].get("UpdateConfig", {}).get("Monitor", 0) / 10**9 or MONITOR_S
        state = service.get("UpdateStatus", {}).get("State", "")
        note = service.get("UpdateStatus", {}).get("Message", "")
        match state:
            case "updating":
                rollback = False
            case "completed" if not converged[0]:
                return
            case "paused":
                raise CliError(f"service update paused: {note}")
            case "rollback_paused":
                raise CliError(f"service rollback paused: {note}")
            case "rollback_started":
                if not rollback and note:
                    screen.line("rollback", note)
                rollback = True
            case "rollback_completed":
                closing = closing if converged[0] else note
                rollback = True
        if converged[0] and since is not None and session.clock() - since >= monitor:
            screen.line("verify", f"Service {reference} converged")
            if closing:
                screen.line("rollback", closing)
            return
        converged[0] = _look(session, service, watch, rollback=rollback)
        if converged[0] and "JobStatus" in service:
            screen.message("job complete")
            return
        if converged[0]:
            since = session.clock() if since is None else since
            if (left := monitor - (session.clock() - since)) >= 0:
                text = f"Waiting {int(left) + 1} seconds to verify that tasks are stable..."
                screen.line("verify", text)
        else:
            if since is not None:
                screen.line("verify", "Detected task failure")
            since = None
        session.sleep(POLL_S)


def _look(session: Session, service: Json, watch: Watch, *, rollback: bool) -> bool:
    filters = {"service": [service["ID"]], "_up-to-date": ["true"]}
    tasks = session.get("/tasks", filters=filters)
    active = {n["ID"] for n in session.get("/nodes") if n["Status"].get("State") != "down"}
    mode = service["Spec"]["Mode"]
    known = ("Global", "ReplicatedJob", "GlobalJob")
    if mode.get("Replicated", {}).get("Replicas") is None and not any(m in mode for m in known):
        raise CliError("unrecognized service mode")
    return watch.update(service, tasks or [], active, rollback=rollback)


def watch_root_rotation(session: Session, *, quiet: bool) -> None:
    """Returns when every node has a certificate of the new root and trusts it."""
    screen, done = Screen(session, quiet=quiet), False
    certs, roots = "rotated TLS certificates", "rotated CA certificates"
    for name in ("desired root digest", f"  {certs}", f"  {roots}"):
        screen.line(name, "")
    try:
        while True:
            swarm = session.get("/swarm")
            if done:
                return
            nodes, wanted = session.get("/nodes"), swarm["TLSInfo"]
            infos = [n["Description"].get("TLSInfo", {}) for n in nodes]
            issuer = ("CertIssuerPublicKey", "CertIssuerSubject")
            certified = sum(all(i.get(k) == wanted[k] for k in issuer) for i in infos)
            trusting = sum(i.get("TrustRoot") == wanted["TrustRoot"] for i in infos)
            ready = certified == len(nodes) and not swarm.get("RootRotationInProgress")
            digest = hashlib.sha256(wanted["TrustRoot"].encode()).hexdigest()
            screen.line("desired root digest", f"sha256:{digest}")
            screen.line(f"  {certs}", "", certified, len(nodes))
            screen.line(f"  {roots}", "", trusting if ready else 0, len(nodes))
            screen.count(certified, len(nodes), certs)
            done = ready and trusting == len(nodes)
            session.sleep(POLL_S)
    except KeyboardInterrupt:
        if not done:
            check = "Use `swarmctl cluster inspect default` to check progress."
            screen.message("Operation continuing in background.", check)
    finally:
        screen.close()
