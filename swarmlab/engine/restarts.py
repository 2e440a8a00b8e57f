"""Restart policies: which container that exited is started again, and when.

Source: moby restartmanager/restartmanager.go, daemon/monitor.go.
"""

from __future__ import annotations

from swarmlab.model import EMPTY
from swarmlab.simulation import MINUTE, MS, Machine, S
from swarmlab.worker.containers import Container, Containers

DELAY_NS_MIN, DELAY_NS_MAX = 100 * MS, 1 * MINUTE
LONG_RUN_NS = 10 * S  # after a run of so long the delay is the shortest again


def wanted(container: Container) -> bool:
    """Whether the policy of a container that exited says to start it again."""
    policy = container.host_config.get("RestartPolicy") or EMPTY
    name, count_max = policy.get("Name"), policy.get("MaximumRetryCount") or 0
    if name == "on-failure":
        return container.exit_code != 0 and (not count_max or container.restart_count < count_max)
    return name == "always" or (name == "unless-stopped" and not container.ended_by_user)


class RestartMonitor:
    """Watches the containers of an engine; `handle` is called with each of their events."""

    def __init__(self, machine: Machine, containers: Containers) -> None:
        self._machine, self._containers = machine, containers
        self._delays_ns: dict[str, int] = {}  # by container id
        for container in containers.all():
            if container.started_ns is not None and wanted(container):
                container.restart_count = 0
                containers.start(container)

    def handle(self, action: str, container: Container) -> None:
        if action == "kill":
            container.ended_by_user = True
        elif action == "die" and not container.ended_by_user and wanted(container):
            run_ns = (container.finished_ns or 0) - (container.started_ns or 0)
            last_ns = 0 if run_ns >= LONG_RUN_NS else self._delays_ns.get(container.id, 0)
            delay_ns = min(max(2 * last_ns, DELAY_NS_MIN), DELAY_NS_MAX)
            self._delays_ns[container.id] = delay_ns
            container.restart_count += 1
            container.state = "restarting"
            self._machine.after(delay_ns, self._start, container, container.restart_count)

    def _start(self, container: Container, restart_count: int) -> None:
        if (container.state, container.restart_count) == ("restarting", restart_count):
            self._containers.start(container)

    def started_by_user(self, container: Container) -> None:
        container.ended_by_user, container.restart_count = False, 0
        self._delays_ns.pop(container.id, None)

    def cancel(self, container: Container) -> None:
        """A user ends the wait for the next start."""
        container.state, container.ended_by_user = "exited", True
        container.save()
