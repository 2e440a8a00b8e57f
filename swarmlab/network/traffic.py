"""Simulates requests to a service's virtual IP, and counts those served, slow and failed.

A client on one node sends so many a second. Its node distributes them round robin over the tasks
that it knows, as IPVS does. A task is known from the moment it is RUNNING (with a health check:
healthy), until its orderly stop begins, two seconds before the stop signal, or its container dies.
A known task may still fail to answer: its server may not be up yet, its machine may have crashed,
and a silent node counts as failed only after a while.
Source: moby daemon/libnetwork/service_linux.go, daemon/cluster/executor/container/controller.go.

Simplified: news of tasks reaches every node at once, and gossip declares a silent node failed after
a fixed time. `Traffic._gossip` alone fills `_backends`; a simulated gossip would replace it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from swarmlab.errors import LabError, NoneSuch
from swarmlab.model import EMPTY, Service, TaskState
from swarmlab.model.trace_records import RequestCount, RequestsCounted
from swarmlab.simulation import Machine, Network, Trace
from swarmlab.strings import _
from swarmlab.units import MS, S
from swarmlab.views.html import ShownAs, Table

TICKS_PER_S = 10
TICK_NS = S // TICKS_PER_S
RATE_MAX = 1000
SLOW_NS = 500 * MS  # a reply that takes longer counts as slow
ATTEMPTS_MAX = 3  # a lost packet is sent again after a second; then the client gives up
# Each node is probed every few seconds, and a suspect is declared failed after four more. Source:
# hashicorp/memberlist config.go (DefaultLANConfig), libnetwork networkdb/event_delegate.go.
SILENCE_NS_MAX = 8 * S


class Backend(NamedTuple):
    """A task that the load balancer sends requests to."""

    machine: str
    task: str
    task_id: str
    version: str
    listening: bool  # a server runs in its container


NO_BACKEND = Backend("", "", "", "", False)


def backends_on(machine: str, engine: Any, service: str) -> Iterator[Backend]:
    """The service's tasks on one node that are in load balancing."""
    for task_manager in engine.agent.tasks.values() if engine.agent else ():
        task, controller = task_manager.task, task_manager.controller
        running = task.service_name == service and task.state == TaskState.RUNNING
        if not running or not controller.in_load_balancer:
            continue
        container = controller.existing_container
        if container is not None and container.process is not None:
            name = f"{service}.{task.slot or machine}"
            version = task.spec.image.partition("@")[0]
            yield Backend(machine, name, task.id, version, container.process.serving)


class Traffic:
    """`rate` requests a second from machine `source`; counted in the trace, second by second."""

    def __init__(self, network: Network, source: str, service: str, rate: int) -> None:
        self.network, self.source, self.service, self.rate = network, source, service, rate
        self._ticks = self._turn = 0
        self._engines: dict[str, Any] = {}  # machine -> its engine, if not declared failed
        self._heard_ns: dict[str, int] = {}  # machine -> when it was last reachable
        self._backends: dict[str, list[Backend]] = {}  # machine -> what `source` knows of it
        self._counts: dict[tuple[str, str, str], list[int]] = {}
        self._gossip()
        self._timer = network.simulation.after(TICK_NS, self._tick)

    def stop(self) -> None:
        self._timer.cancel()

    def _reaches(self, machine: Machine) -> bool:
        source = self.network.machines[self.source]
        return source.up and machine.up and self.network.connected(self.source, machine.name)

    def _gossip(self) -> None:
        """Update what the source's node knows of the tasks on all nodes."""
        now_ns = self.network.simulation.now_ns
        for name, machine in self.network.machines.items():
            if self._reaches(machine):
                self._heard_ns[name], self._engines[name] = now_ns, machine.process
            elif now_ns - self._heard_ns.get(name, 0) > SILENCE_NS_MAX:
                self._engines.pop(name, None)
                self._backends.pop(name, None)
            # Behind a partition nothing is heard; an orderly stop was announced before.
            if name in self._engines and (self._reaches(machine) or not machine.up):
                self._backends[name] = [*backends_on(name, self._engines[name], self.service)]

    def _tick(self) -> None:
        self._gossip()
        backends = [backend for name in sorted(self._backends) for backend in self._backends[name]]
        due = (self._ticks + 1) * self.rate // TICKS_PER_S - self._ticks * self.rate // TICKS_PER_S
        for _request in range(due):
            backend = backends[self._turn % len(backends)] if backends else NO_BACKEND
            self._turn += 1
            key = backend.task, backend.task_id, backend.version
            served, slow = self._request(backend)
            count = self._counts.setdefault(key, [0, 0, 0])
            count[:] = count[0] + served, count[1] + (not served), count[2] + slow
        self._ticks += 1
        simulation = self.network.simulation
        if self._ticks % TICKS_PER_S == 0:
            counts = tuple(RequestCount(*k, *count) for k, count in sorted(self._counts.items()))
            self._counts = {}
            record = RequestsCounted(simulation.now_ns, self.source, self.service, counts)
            simulation.trace.add(record)
        self._timer = simulation.after(TICK_NS, self._tick)

    def _request(self, backend: Backend) -> tuple[bool, bool]:
        """Whether one request is served, and whether it is slow."""
        if not backend.listening or not self._reaches(self.network.machines[backend.machine]):
            return False, False
        if backend.machine == self.source:
            return True, False
        link = self.network.links.get((self.source, backend.machine), self.network.link)
        lost, rng = 0, self.network.simulation.rng
        while link.loss and lost < ATTEMPTS_MAX and rng.random() < link.loss:
            lost += 1
        served = lost < ATTEMPTS_MAX
        return served, served and (lost > 0 or 2 * link.delay_ns > SLOW_NS)


def set_rate(
    traffic: dict[tuple[str, str], Traffic], network: Network, service: str, rate: int, source: str
) -> None:
    """Start, change or end (rate 0) the requests of one machine to one service.

    `traffic` holds the running ones, by (source, service).
    """
    if (source, service) in traffic:
        traffic.pop((source, service)).stop()
    if rate:
        traffic[source, service] = Traffic(network, source, service, rate)


@dataclass(frozen=True, repr=False)
class Requests(ShownAs):
    """The counted requests to a service since some moment; up to date whenever it is shown."""

    trace: Trace
    service: str
    since_ns: int = 0

    @property
    def counts(self) -> list[RequestCount]:
        """All counts, one for each second and task, oldest first."""
        records = self.trace.of(RequestsCounted)
        records = [r for r in records if r.service == self.service and r.at_ns > self.since_ns]
        return [count for record in records for count in record.counts]

    @property
    def served(self) -> int:
        return sum(count.served for count in self.counts)

    @property
    def failed(self) -> int:
        return sum(count.failed for count in self.counts)

    @property
    def slow(self) -> int:
        return sum(count.slow for count in self.counts)

    @property
    def shown_as(self) -> Table:
        """One row for each task."""
        sums: dict[tuple[str, str, str], list[int]] = {}
        for task, task_id, version, *numbers in self.counts:
            row = sums.setdefault((task, task_id, version), [0, 0, 0])
            row[:] = [a + b for a, b in zip(row, numbers, strict=True)]
        rows = [
            (task or _("no task to ask"), task_id[:12], version, *map(str, row))
            for (task, task_id, version), row in sums.items()
        ]
        headers = (_("task"), _("id"), _("version"), _("served"), _("failed"), _("slow"))
        total = _("{served} served, {slow} of them slow; {failed} failed.").format(
            served=self.served, slow=self.slow, failed=self.failed
        )
        title = _("Requests to {service}", service=self.service)
        return Table(title, headers, tuple(rows), (total,))


def check(service: str, rate: int, services: Collection[Service] | None) -> None:
    """Raise a LabError unless `rate` requests a second can be sent to `service`.

    `services` are those of the swarm; None when no manager is up.
    """
    if not isinstance(rate, int) or isinstance(rate, bool) or not 0 <= rate <= RATE_MAX:
        raise LabError(
            "rate={rate!r}: give whole requests a second, 1 to {most}; 0 ends them",
            rate=rate,
            most=RATE_MAX,
        )
    if rate == 0:
        return
    if services is None:
        raise LabError("no manager is up that knows the service's virtual IP")
    by_name = {candidate.name: candidate for candidate in services}
    if service not in by_name:
        raise NoneSuch("there is no service {name!r}; there are {known}", service, by_name)
    if not (by_name[service].endpoint or EMPTY).get("VirtualIPs"):
        raise LabError(
            "{service} has no virtual IP that requests could go to; publish a port (docker service "
            "update --publish-add 8080:80 {service}) or give it a network",
            service=service,
        )
