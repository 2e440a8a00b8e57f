"""Requests to a service's virtual IP, simulated: how many were served, late, or failed.

A client on one node sends so many a second. Its node deals them round robin to the tasks that it
knows, as IPVS does. A task is known from the moment it is RUNNING (with a health check: healthy)
and is forgotten when its orderly stop begins, two seconds before the stop signal, or when its
container dies. Whether it answers is another matter: its server may not be up yet, its machine may
have crashed, and a node that falls silent is given up only after a while.
Source: moby daemon/libnetwork/service_linux.go, daemon/cluster/executor/container/controller.go.

Simplified: news of tasks reaches every node at once, and gossip gives a silent node up after a
fixed time. A seam for a simulated gossip: `Traffic._listen` fills `_known`, all else reads it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from swarmlab.errors import LabError, NoneSuch
from swarmlab.model import TaskState
from swarmlab.model.trace_records import RequestCount, RequestsCounted
from swarmlab.simulation import MS, Machine, Network, S
from swarmlab.strings import _
from swarmlab.views.html import ShownAs
from swarmlab.views.tables import Table

if TYPE_CHECKING:
    from swarmlab.cluster.simulated import SimulatedCluster
    from swarmlab.cluster.world import World

TICKS_PER_S = 10
TICK_NS = S // TICKS_PER_S
RATE_MAX = 1000
LATE_NS = 500 * MS  # a reply that takes longer counts as slow
TRIES = 3  # a packet that is lost is sent again, a second later; then the client gives up
# A probe goes to each node every few seconds, and a suspect is given up after four more. Source:
# hashicorp/memberlist config.go (DefaultLANConfig), libnetwork networkdb/event_delegate.go.
SILENCE_NS = 8 * S


class Backend(NamedTuple):
    """A task that a balancer deals requests to."""

    machine: str
    task: str
    task_id: str
    version: str
    answers: bool  # a server listens in its container


def _backends(machine: str, engine: Any, service: str) -> Iterator[Backend]:
    """The service's tasks on one node that are in load balancing."""
    for manager in engine.agent.tasks.values() if engine.agent else ():
        task, controller = manager.task, manager.controller
        if (
            task.service_name != service
            or task.state != TaskState.RUNNING
            or not controller.in_load_balancer
        ):
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
        self._engines: dict[str, Any] = {}  # machine -> its engine, as last heard of
        self._heard_ns: dict[str, int] = {}
        self._known: dict[str, list[Backend]] = {}  # machine -> its tasks, as this node knows them
        self._counts: dict[tuple[str, str, str], list[int]] = {}
        self._listen()
        self._timer = network.simulation.after(TICK_NS, self._tick)

    def stop(self) -> None:
        self._timer.cancel()

    def _reaches(self, machine: Machine) -> bool:
        here = self.network.machines[self.source]
        return here.up and machine.up and self.network.connected(self.source, machine.name)

    def _listen(self) -> None:
        """What this node knows of the others' tasks."""
        now_ns = self.network.simulation.now_ns
        for name, machine in self.network.machines.items():
            if self._reaches(machine):
                self._heard_ns[name], self._engines[name] = now_ns, machine.process
            elif now_ns - self._heard_ns.get(name, 0) > SILENCE_NS:
                self._engines.pop(name, None)
                self._known.pop(name, None)
            # A partition is silent; an engine that stopped in order has said so before.
            if name in self._engines and (self._reaches(machine) or not machine.up):
                self._known[name] = [*_backends(name, self._engines[name], self.service)]

    def _tick(self) -> None:
        self._listen()
        known = [backend for name in sorted(self._known) for backend in self._known[name]]
        due = (self._ticks + 1) * self.rate // TICKS_PER_S - self._ticks * self.rate // TICKS_PER_S
        for _request in range(due):
            backend = known[self._turn % len(known)] if known else Backend("", "", "", "", False)
            self._turn += 1
            key = backend.task, backend.task_id, backend.version
            served, slow = self._asked(backend)
            count = self._counts.setdefault(key, [0, 0, 0])
            for i, happened in enumerate((served, not served, slow)):
                count[i] += happened
        self._ticks += 1
        simulation = self.network.simulation
        if self._ticks % TICKS_PER_S == 0:
            counts = tuple(
                RequestCount(*key, *count) for key, count in sorted(self._counts.items())
            )
            self._counts = {}
            where, now_ns = self.source, simulation.now_ns
            simulation.trace.add(RequestsCounted(now_ns, where, self.service, counts))
        self._timer = simulation.after(TICK_NS, self._tick)

    def _asked(self, backend: Backend) -> tuple[bool, bool]:
        """(served, slow) of one request."""
        if not backend.answers or not self._reaches(self.network.machines[backend.machine]):
            return False, False
        if backend.machine == self.source:
            return True, False
        link = self.network.links.get((self.source, backend.machine), self.network.link)
        lost, rng = 0, self.network.simulation.rng
        while link.loss and lost < TRIES and rng.random() < link.loss:
            lost += 1
        served = lost < TRIES
        return served, served and (lost > 0 or 2 * link.delay_ns > LATE_NS)


def send(world: World, service: str, rate: int, source: str) -> None:
    """Begin, change or end (rate 0) what one machine sends to one service."""
    if (source, service) in world.traffic:
        world.traffic.pop((source, service)).stop()
    if rate:
        world.traffic[source, service] = Traffic(world.network, source, service, rate)


@dataclass(frozen=True, repr=False)
class Requests(ShownAs):
    """What became of the requests to a service since some moment; up to date when it is shown."""

    cluster: SimulatedCluster
    service: str
    since_ns: int = 0

    @property
    def counts(self) -> list[RequestCount]:
        """All counts, a second and a task each, oldest first."""
        records = self.cluster.trace.of(RequestsCounted)
        mine = [r for r in records if r.service == self.service and r.at_ns > self.since_ns]
        return [count for record in mine for count in record.counts]

    def _sum(self, field: str) -> int:
        return sum(getattr(count, field) for count in self.counts)

    @property
    def served(self) -> int:
        return self._sum("served")

    @property
    def failed(self) -> int:
        return self._sum("failed")

    @property
    def slow(self) -> int:
        return self._sum("slow")

    @property
    def shown_as(self) -> Table:
        """A row a task."""
        sums: dict[tuple[str, str, str], list[int]] = {}
        for task, task_id, version, *numbers in self.counts:
            row = sums.setdefault((task, task_id, version), [0, 0, 0])
            row[:] = [a + b for a, b in zip(row, numbers, strict=True)]
        rows = [
            (task or _("no task to ask"), task_id[:12], version, *map(str, row))
            for (task, task_id, version), row in sums.items()
        ]
        heads = (_("task"), _("id"), _("version"), _("served"), _("failed"), _("slow"))
        words = _("{served} served, {slow} of them slow; {failed} failed.")
        total = words.format(served=self.served, slow=self.slow, failed=self.failed)
        title = _("Requests to {service}", service=self.service)
        return Table(title, heads, tuple(rows), (total,))


def check(cluster: SimulatedCluster, service: str, rate: int, source: str) -> None:
    """Refuse what cannot be sent, and say what could."""
    cluster.machine(source)
    if not isinstance(rate, int) or isinstance(rate, bool) or not 0 <= rate <= RATE_MAX:
        raise LabError(
            "rate={rate!r}: give whole requests a second, 1 to {most}; 0 ends them",
            rate=rate,
            most=RATE_MAX,
        )
    if rate == 0:
        return
    stores = [manager.store for name in cluster.names if (manager := cluster._manager(name))]
    if not stores:
        raise LabError("no manager is up that could tell the service's virtual IP")
    known = max(stores, key=lambda store: store.index)
    found = {each.name: each for each in known.services.values()}
    if service not in found:
        raise NoneSuch("there is no service {name!r}; there are {known}", service, found)
    if not (found[service].endpoint or {}).get("VirtualIPs"):
        raise LabError(
            "{service} has no virtual IP that requests could go to; publish a port (docker service "
            "update --publish-add 8080:80 {service}) or give it a network",
            service=service,
        )
