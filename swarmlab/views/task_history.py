"""What was seen of one service, look by look: its update's state, and the lives of its tasks.

All comes through the Docker API; in a simulation the trace adds exact moments, and requests.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import docker
import requests

from swarmlab.errors import LabError
from swarmlab.simulation import EPOCH_NS, S
from swarmlab.units import unix_seconds
from swarmlab.views.palette import ENDED, FAILED, UNWANTED, kind_of

OVER = ("completed", "paused", "rollback_completed", "rollback_paused")


def inspected(api: Any, service: str) -> Any:
    """A service as the API describes it."""
    try:
        return api.inspect_service(service)
    except docker.errors.NotFound:
        raise LabError("there is no service {name!r}", name=service) from None


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
            service = inspected(api, self.service)
            tasks = api.tasks(filters={"service": self.service})
            nodes = {node["ID"]: node for node in api.nodes()}
            clock = 0.0 if self.simulated else unix_seconds(api.info()["SystemTime"])
        except (docker.errors.APIError, requests.exceptions.RequestException):
            return ""
        self.now = clock or (EPOCH_NS + self.cluster.now_ns) / S
        status = service.get("UpdateStatus") or {}
        state, message = status.get("State", ""), status.get("Message", "")
        begun = unix_seconds(status["StartedAt"]) if status.get("StartedAt") else self.now
        if not self.first:  # what has just begun is shown from its beginning
            self.first = begun - 1 if self.now - 5 < begun and state not in OVER else self.now
        if state and (state, message) != (self.updates[-1][1:3] if self.updates else ()):
            updated = unix_seconds(service["UpdatedAt"])
            self.updates.append((updated, state, message, service["Spec"]))
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
                created=unix_seconds(task["CreatedAt"]),
            ),
        )
        life.node, life.error = name, status.get("Err", "")
        life.states.setdefault(status["State"], unix_seconds(status["Timestamp"]))
        if task["DesiredState"] in UNWANTED and life.unwanted is None:
            life.unwanted = unix_seconds(task["UpdatedAt"])
        if node.get("Status", {}).get("State") == "down" and life.lost is None:
            life.lost = self.now

    def add_trace(self) -> list[tuple[float, int, int, int]]:
        """Exact moments for the tasks; the requests, (second's end, served, failed, slow)."""
        found = []
        for record in self.cluster.trace if self.simulated else ():
            at, kind = (EPOCH_NS + record.at_ns) / S, type(record).__name__
            if kind == "TaskStatusChanged" and record.task_id in self.lives:
                states = self.lives[record.task_id].states
                states[str(record.state)] = min(at, states.get(str(record.state), at))
            elif kind == "RequestsCounted" and record.service == self.service:
                served, failed, slow = (sum(count[i] for count in record.counts) for i in (3, 4, 5))
                found.append((at, served, failed, slow))
        return [row for row in found if self.first < row[0] <= self.now]
