"""Waits until a service has converged or a root certificate is rotated, and shows how far it is.

A non-terminal gets a line a poll, as from docker; a notebook sees a bar, then the last state.
Source: docker/cli cli/command/service/progress/progress.go, cli/command/swarm/progress.
"""

import hashlib
import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from swarmlab.docker_cli.listing import dig
from swarmlab.docker_cli.session import CliError, Json, Session
from swarmlab.docker_cli.text import ellipsis, short_id
from swarmlab.units import S

POLL_S = 0.2
MONITOR_S = 5.0
BARS_MAX = 20
BAR_WIDTH_MIN = 110  # narrower terminals show no bars
STATES = ["new", "allocated", "pending", "assigned", "accepted", "preparing", "ready", "starting"]
STATES += ["running", "complete", "shutdown", "failed", "rejected"]
RANKS = {state: rank for rank, state in enumerate(STATES, 1)}
RUNNING, COMPLETE = RANKS["running"], RANKS["complete"]


def bar_text(done: int, total: int, text: str) -> str:
    """A bar of 30 characters with what it counts."""
    filled = 30 * done // total if total else 30
    return f"[{'=' * filled}{' ' * (30 - filled)}] {text}"


class Screen:
    """Named lines: printed as they come, or kept and printed at the end below a live bar."""

    def __init__(self, session: Session, *, quiet: bool) -> None:
        self.session, self.quiet = session, quiet
        self.live = session.tty or session.progress is not None
        self.lines: dict[str, str] = {}
        self.done = False  # whether what is watched is as desired

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

    @contextmanager
    def shown(self, command: str) -> Iterator[None]:
        """Print what was kept at the end of the block; after an interrupt, how to look again."""
        try:
            yield
        except KeyboardInterrupt:
            if not self.done:
                check = f"Use `{command}` to check progress."
                self.lines["end"] = f"Operation continuing in background.\n{check}"
        finally:
            if not self.quiet:
                self.session.print(*self.lines.values())


def _ranks(task: Json) -> tuple[int, int]:
    """The desired and the actual state as numbers; 0 for an unknown one."""
    return RANKS.get(task["DesiredState"], 0), RANKS.get(task["Status"]["State"], 0)


class Watch:
    """Follows the tasks of one service; `update` returns whether all are as desired."""

    def __init__(self, screen: Screen) -> None:
        self.screen = screen
        self.started = False
        self.places: dict[Any, int] = {}  # slots in the order of their appearance, from 1

    def update(
        self, service: Json, tasks: list[Json], active: set[str], *, rolling_back: bool
    ) -> bool:
        """`active`: the IDs of the nodes that are not down."""
        mode = service["Spec"]["Mode"]
        if "ReplicatedJob" in mode or "GlobalJob" in mode:
            return self._job(service, tasks, mode.get("ReplicatedJob"))
        replicas = dig(mode, "Replicated.Replicas", None)
        by_node = replicas is None
        chosen = _task_of_each(tasks, by_node=by_node, active=active)
        total = len(chosen) if by_node else int(replicas)
        if not self.started:
            if by_node and not chosen:
                self.screen.line("overall progress", "waiting for new tasks")
                return False
            self._overall(0, total, rolling_back=rolling_back)
            self._start(0 if by_node else total)
        done = self.screen.done and all(t["Status"]["State"] == "running" for t in chosen.values())
        running = 0
        for key, task in chosen.items():
            if by_node and key not in active:
                continue
            desired, state = _ranks(task)
            running += desired <= RUNNING and state == RUNNING
            place = self.places.setdefault(key, len(self.places) + 1)
            if not done and total <= BARS_MAX and (by_node or place <= total):
                self._task(short_id(key) if by_node else f"{place}/{total}", task, RUNNING)
        if not done:
            self._overall(running, total, rolling_back=rolling_back)
        self.screen.done = done or running == total
        return running == total

    def _start(self, places: int) -> None:
        self.started = True
        for place in range(1, places + 1) if places <= BARS_MAX else ():
            self.screen.line(f"{place}/{places}", " ")

    def _overall(self, running: int, total: int, *, rolling_back: bool) -> None:
        text = f"{'rolling back update: ' * rolling_back}{running} out of {total} tasks"
        self.screen.line("overall progress", text)
        self.screen.count(running, total, text)

    def _task(self, name: str, task: Json, total: int) -> None:
        status, (desired, state) = task["Status"], _ranks(task)
        if error := status.get("Err", "").replace("\n", " "):
            self.screen.line(name, ellipsis(error, 75))
        elif total == COMPLETE or (desired <= RUNNING and state <= RUNNING):
            self.screen.line(name, f"{status['State']:<9}", state, total)

    def _job(self, service: Json, tasks: list[Json], replicated: Json | None) -> bool:
        path = "JobIteration.Index"
        iteration = dig(service, f"JobStatus.{path}")
        tasks = [task for task in tasks if dig(task, path) == iteration]
        if not tasks and not self.started and replicated is None:
            self.screen.line("job progress", "waiting for tasks")
            return False
        chosen: dict[Any, Json] = {}
        for task in tasks:
            key = task.get("Slot", 0) if replicated else task["NodeID"]
            if key not in chosen or _ranks(chosen[key])[1] > _ranks(task)[1]:
                chosen[key] = task
        if replicated is None and not self.started:
            self.places = dict.fromkeys(chosen, 1)  # nodes that come later do not count
        total = int(replicated["TotalCompletions"]) if replicated else len(self.places)
        if not self.started:
            self._job_counts(0, 0, total, replicated)
            self._start(total if replicated else 0)
        for key in sorted(chosen) if total <= BARS_MAX else ():
            self._task(f"{key + 1}/{total}" if replicated else key, chosen[key], COMPLETE)
        states = [_ranks(task)[1] for task in chosen.values()]
        complete = states.count(COMPLETE)
        self._job_counts(sum(s < COMPLETE for s in states), complete, total, replicated)
        return complete == total

    def _job_counts(self, active: int, done: int, total: int, replicated: Json | None) -> None:
        text = f"{done:>{len(str(total))}} out of {total} complete"
        self.screen.line("job progress", text, done, total)
        self.screen.count(done, total, text)
        if replicated:
            limit = int(replicated["MaxConcurrent"])
            digits, goal = len(str(limit)), min(limit, total - done)
            self.screen.line("active tasks", f"{active:>{digits}} out of {goal:>{digits}} tasks")


def _task_of_each(tasks: Iterable[Json], *, by_node: bool, active: set[str]) -> dict[Any, Json]:
    """The task of each slot or node that counts: lowest in desired, then in actual state."""
    chosen: dict[Any, Json] = {}
    for task in tasks:
        key = task.get("NodeID", "") if by_node else task.get("Slot", 0)
        if 0 in _ranks(task) or (key in chosen and _ranks(chosen[key]) <= _ranks(task)):
            continue
        if by_node or not task.get("NodeID") or task["NodeID"] in active:
            chosen[key] = task
    return chosen


def wait_for_service(session: Session, reference: str, *, quiet: bool) -> None:
    """Return when the service has converged and stayed so; CliError when its update stopped."""
    screen = Screen(session, quiet=quiet)
    with screen.shown(f"docker service ps {reference}"):
        _poll_service(session, reference, screen)


def wait_for_services(session: Session, ids: list[str], *, quiet: bool = False) -> list[str]:
    """Wait for one service after the other; the errors, each with its service."""

    def wait(service: str) -> None:
        try:
            wait_for_service(session, service, quiet=quiet)
        except CliError as error:
            raise CliError(f"{service}: {error}") from None

    return session.each(ids, wait)


def _poll_service(session: Session, reference: str, screen: Screen) -> None:
    """Show the tasks until they are stable."""
    watch, stable_since = Watch(screen), None
    converged, rolling_back, rollback_message = False, False, ""
    while True:
        service = session.get(f"/services/{reference}", insertDefaults="false")
        monitor_s = dig(service, "Spec.UpdateConfig.Monitor", 0) / S or MONITOR_S
        state, message = (dig(service, f"UpdateStatus.{key}") for key in ("State", "Message"))
        if state in ("paused", "rollback_paused"):
            verb = "update" if state == "paused" else "rollback"
            raise CliError(f"service {verb} paused: {message}")
        if state == "completed" and not converged:
            return
        if state == "rollback_started" and not rolling_back and message:
            screen.line("rollback", message)
        if state == "rollback_completed" and not converged:
            rollback_message = message
        rolling_back = state.startswith("rollback") or (rolling_back and state != "updating")
        if stable_since is not None and session.clock() - stable_since >= monitor_s:
            screen.line("verify", f"Service {reference} converged")
            if rollback_message:
                screen.line("rollback", rollback_message)
            return
        filters = {"service": [service["ID"]], "_up-to-date": ["true"]}
        tasks = session.get("/tasks", filters=filters) or []
        active = {n["ID"] for n in session.get("/nodes") if n["Status"].get("State") != "down"}
        converged = watch.update(service, tasks, active, rolling_back=rolling_back)
        if converged and "JobStatus" in service:
            screen.lines["end"] = "job complete"
            return
        if not converged:
            if stable_since is not None:
                screen.line("verify", "Detected task failure")
            stable_since = None
        elif stable_since is None:
            stable_since = session.clock()
        if stable_since is not None:
            left_s = monitor_s - (session.clock() - stable_since)
            if left_s >= 0:
                seconds = math.ceil(left_s) or 1
                waiting = f"Waiting {seconds} seconds to verify that tasks are stable..."
                screen.line("verify", waiting)
        session.sleep(POLL_S)


def watch_root_rotation(session: Session, *, quiet: bool) -> None:
    """Return when every node has a certificate of the new root and trusts it."""
    screen = Screen(session, quiet=quiet)
    certs, roots = "  rotated TLS certificates", "  rotated CA certificates"
    for name, text in (("desired root digest", ""), (certs, ""), (roots, " ")):
        screen.line(name, text)
    with screen.shown("swarmctl cluster inspect default"):
        while not screen.done:
            swarm = session.get("/swarm")
            nodes, new = session.get("/nodes"), swarm["TLSInfo"]
            infos = [n["Description"].get("TLSInfo", {}) for n in nodes]
            issuer = ("CertIssuerPublicKey", "CertIssuerSubject")
            certified = sum(all(i.get(k) == new[k] for k in issuer) for i in infos)
            trusting = sum(i.get("TrustRoot") == new["TrustRoot"] for i in infos)
            ready = certified == len(nodes) and not swarm.get("RootRotationInProgress")
            digest = hashlib.sha256(new["TrustRoot"].encode()).hexdigest()
            screen.line("desired root digest", f"sha256:{digest}")
            screen.line(certs, "", certified, len(nodes))
            screen.line(roots, " ", trusting if ready else 0, len(nodes))
            screen.count(certified, len(nodes), certs.strip())
            screen.done = ready and trusting == len(nodes)
            session.sleep(POLL_S)
