"""Waiting until a service has converged, or a root certificate is rotated, and telling of it.

A non-terminal gets a line a poll, as from docker; a notebook sees a bar, then the last state.
"""

import hashlib
import math
from collections.abc import Iterable
from typing import Any

from swarmlab.docker_cli.listing import dig
from swarmlab.docker_cli.session import CliError, Json, Session
from swarmlab.docker_cli.text import short_id

POLL_S = 0.2
MONITOR_S = 5.0
BARS_MAX = 20
BAR_WIDTH_MIN = 110  # narrower terminals show no bars
STATES = ["new", "allocated", "pending", "assigned", "accepted", "preparing", "ready", "starting"]
STATES += ["running", "complete", "shutdown", "failed", "rejected"]
RUNNING, COMPLETE = 9, 10


def bar_text(done: int, total: int, text: str) -> str:
    """A bar of 30 characters with what it counts."""
    filled = 30 * done // total if total else 30
    return f"[{'=' * filled}{' ' * (30 - filled)}] {text}"


class Screen:
    """Lines by name, each in its place: printed as they come, or at the end below a live bar."""

    def __init__(self, session: Session, *, quiet: bool) -> None:
        self.session, self.quiet = session, quiet
        self.live = session.tty or session.progress is not None
        self.lines: dict[str, str] = {}

    def line(self, name: str, text: str, current: int = 0, total: int = 0) -> None:
        filled = current * 50 // total if total else 0
        bar = f"[{'=' * filled}>{' ' * (50 - filled)}] "
        if self.live:
            wide = total and self.session.width > BAR_WIDTH_MIN
            self.lines[name] = f"{name}: {text} {bar if wide else ''}"
        elif not total and not self.quiet:
            self.session.print(f"{name}: {text}")

    def count(self, done: int, total: int, text: str) -> None:
        if self.session.progress:
            self.session.progress(done, total, text)

    def close(self, *last: str) -> None:
        if not self.quiet:
            self.session.print(*self.lines.values(), *last)
        self.lines = {}


def _rank(state: str) -> int:
    return STATES.index(state) + 1 if state in STATES else 0


def _order(task: Json) -> tuple[int, int]:
    return _rank(task["DesiredState"]), _rank(task["Status"]["State"])


class Watch:
    """How far the tasks of one service are; `update` says whether all is as wanted."""

    def __init__(self, screen: Screen) -> None:
        self.screen = screen
        self.started = self.done = False
        self.places: dict[Any, int] = {}  # slots in the order of their appearance, from 1

    def update(self, service: Json, tasks: list[Json], active: set[str], *, back: bool) -> bool:
        mode = service["Spec"]["Mode"]
        if "ReplicatedJob" in mode or "GlobalJob" in mode:
            return self._job(service, tasks, mode.get("ReplicatedJob"))
        replicas = dig(mode, "Replicated.Replicas", None)
        if replicas is None and "Global" not in mode:
            raise CliError("unrecognized service mode")
        by_node = replicas is None
        chosen = _chosen(tasks, by_node=by_node, active=active)
        wanted = len(chosen) if by_node else int(replicas)
        if not self.started:
            if by_node and not chosen:
                self.screen.line("overall progress", "waiting for new tasks")
                return False
            self._overall(0, wanted, back=back)
            self._places(0 if by_node else wanted)
        self.done = self.done and all(t["Status"]["State"] == "running" for t in chosen.values())
        running = 0
        for key, task in chosen.items():
            if by_node and key not in active:
                continue
            desired, state = _order(task)
            running += desired <= RUNNING and state == RUNNING
            place = self.places.setdefault(key, len(self.places) + 1)
            if not self.done and wanted <= BARS_MAX and (by_node or place <= wanted):
                self._task(short_id(key) if by_node else f"{place}/{wanted}", task, RUNNING)
        if not self.done:
            self._overall(running, wanted, back=back)
            self.done = running == wanted
        return running == wanted

    def _places(self, wanted: int) -> None:
        self.started = True
        for place in range(1, wanted + 1) if wanted <= BARS_MAX else ():
            self.screen.line(f"{place}/{wanted}", " ")

    def _overall(self, running: int, wanted: int, *, back: bool) -> None:
        text = f"{'rolling back update: ' * back}{running} out of {wanted} tasks"
        self.screen.line("overall progress", text)
        self.screen.count(running, wanted, text)

    def _task(self, name: str, task: Json, total: int) -> None:
        status, (desired, state) = task["Status"], _order(task)
        if error := status.get("Err", "").replace("\n", " "):
            self.screen.line(name, error if len(error) <= 75 else error[:74] + "…")
        elif total == COMPLETE or (desired <= RUNNING and state <= RUNNING):
            self.screen.line(name, f"{status['State']:<9}", state, total)

    def _job(self, service: Json, tasks: list[Json], replicated: Json | None) -> bool:
        path = "JobIteration.Index"
        own = [t for t in tasks if dig(t, path) == dig(service, f"JobStatus.{path}")]
        if not own and not self.started and replicated is None:
            self.screen.line("job progress", "waiting for tasks")
            return False
        chosen: dict[Any, Json] = {}
        for task in own:
            key = task.get("Slot", 0) if replicated else task["NodeID"]
            if key not in chosen or _order(chosen[key])[1] > _order(task)[1]:
                chosen[key] = task
        if replicated is None and not self.started:
            self.places = dict.fromkeys(chosen, 1)  # nodes that come later do not count
        total = int(replicated["TotalCompletions"]) if replicated else len(self.places)
        if not self.started:
            self._job_counts(0, 0, total, replicated)
            self._places(total if replicated else 0)
        for key in sorted(chosen) if total <= BARS_MAX else ():
            self._task(f"{key + 1}/{total}" if replicated else key, chosen[key], COMPLETE)
        ranks = [_order(task)[1] for task in chosen.values()]
        complete = ranks.count(COMPLETE)
        self._job_counts(sum(r < COMPLETE for r in ranks), complete, total, replicated)
        return complete == total

    def _job_counts(self, active: int, done: int, total: int, replicated: Json | None) -> None:
        text = f"{done:>{len(str(total))}} out of {total} complete"
        self.screen.line("job progress", text, done, total)
        self.screen.count(done, total, text)
        if replicated:
            limit = int(replicated["MaxConcurrent"])
            digits, wanted = len(str(limit)), min(limit, total - done)
            self.screen.line("active tasks", f"{active:>{digits}} out of {wanted:>{digits}} tasks")


def _chosen(tasks: Iterable[Json], *, by_node: bool, active: set[str]) -> dict[Any, Json]:
    """The task that counts in each slot or on each node: the lowest desired, then actual, state."""
    chosen: dict[Any, Json] = {}
    for task in tasks:
        key = task.get("NodeID", "") if by_node else task.get("Slot", 0)
        if 0 in _order(task) or (key in chosen and _order(chosen[key]) <= _order(task)):
            continue
        if by_node or not task.get("NodeID") or task["NodeID"] in active:
            chosen[key] = task
    return chosen


def wait_for_service(session: Session, reference: str, *, quiet: bool = False) -> None:
    """Returns when the service has converged and stayed so; CliError when its update stopped."""
    screen = Screen(session, quiet=quiet)
    watch = Watch(screen)
    closing = ""
    try:
        closing = _poll_service(session, reference, screen, watch)
    except KeyboardInterrupt:
        check = f"Use `docker service ps {reference}` to check progress."
        screen.close(*[] if watch.done else ["Operation continuing in background.", check])
    finally:
        screen.close(*[closing] if closing else [])


def wait_for_services(session: Session, ids: list[str], *, quiet: bool = False) -> list[str]:
    """Wait for one service after the other; the errors, each with its service."""

    def wait(service: str) -> list[str]:
        try:
            wait_for_service(session, service, quiet=quiet)
        except CliError as error:
            raise CliError(f"{service}: {error}") from None
        return []

    return session.collect(ids, wait)[1]


def _poll_service(session: Session, reference: str, screen: Screen, watch: Watch) -> str:
    since: float | None = None
    converged, back, note = False, False, ""
    while True:
        service = session.get(f"/services/{reference}", insertDefaults="false")
        monitor = dig(service, "Spec.UpdateConfig.Monitor", 0) / 10**9 or MONITOR_S
        state, said = (dig(service, f"UpdateStatus.{key}") for key in ("State", "Message"))
        if state in ("paused", "rollback_paused"):
            verb = "update" if state == "paused" else "rollback"
            raise CliError(f"service {verb} paused: {said}")
        if state == "completed" and not converged:
            return ""
        if state == "rollback_started" and not back and said:
            screen.line("rollback", said)
        if state == "rollback_completed" and not converged:
            note = said
        back = state.startswith("rollback") or (back and state != "updating")
        if since is not None and session.clock() - since >= monitor:
            screen.line("verify", f"Service {reference} converged")
            if note:
                screen.line("rollback", note)
            return ""
        filters = {"service": [service["ID"]], "_up-to-date": ["true"]}
        tasks = session.get("/tasks", filters=filters) or []
        active = {n["ID"] for n in session.get("/nodes") if n["Status"].get("State") != "down"}
        converged = watch.update(service, tasks, active, back=back)
        if converged and "JobStatus" in service:
            return "job complete"
        if since is not None and not converged:
            screen.line("verify", "Detected task failure")
        since = None if not converged else session.clock() if since is None else since
        if since is not None and (left := monitor - (session.clock() - since)) >= 0:
            seconds = math.ceil(left) or 1
            screen.line("verify", f"Waiting {seconds} seconds to verify that tasks are stable...")
        session.sleep(POLL_S)


def watch_root_rotation(session: Session, *, quiet: bool) -> None:
    """Returns when every node has a certificate of the new root and trusts it."""
    screen, done = Screen(session, quiet=quiet), False
    certs, roots = "  rotated TLS certificates", "  rotated CA certificates"
    for name, text in (("desired root digest", ""), (certs, ""), (roots, " ")):
        screen.line(name, text)
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
            screen.line(certs, "", certified, len(nodes))
            screen.line(roots, " ", trusting if ready else 0, len(nodes))
            screen.count(certified, len(nodes), certs.strip())
            done = ready and trusting == len(nodes)
            session.sleep(POLL_S)
    except KeyboardInterrupt:
        check = "Use `swarmctl cluster inspect default` to check progress."
        screen.close(*[] if done else ["Operation continuing in background.", check])
    finally:
        screen.close()
