"""Simulates requests to a service, and counts those served, slow and failed, by task and version.

A client on one node sends so many a second: to the published port of its own node, where the
routing mesh passes them on, or, if the service publishes none, to the service's virtual IP, as a
container on that node would. Without a swarm, ports of nodes are named, which get them in turn.
Which task gets a request, and whether it answers, is decided as for any other request: see
`data_path` and, for what a node knows of tasks elsewhere, `gossip`.
A task takes part from the moment it is RUNNING (with a health check: healthy), until its orderly
stop begins, two seconds before the stop signal, or its container dies.
Source: moby daemon/libnetwork/service_linux.go, daemon/cluster/executor/container/controller.go.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from swarmlab.errors import LabError, NoneSuch
from swarmlab.model import EMPTY, Service, is_ingress
from swarmlab.model.trace_records import RequestCount, RequestsCounted
from swarmlab.network.data_path import ANY_PORT, DataPath, Delivery
from swarmlab.programs.connections import Connection, Outcome
from swarmlab.simulation import Network, Trace
from swarmlab.strings import _
from swarmlab.units import MS, S
from swarmlab.views.html import ShownAs, Table

TICKS_PER_S = 10
TICK_NS = S // TICKS_PER_S
RATE_MAX = 1000
SLOW_NS = 500 * MS  # a reply that takes longer counts as slow
UNREACHABLE = Delivery(Connection(Outcome.TIMED_OUT))


def newest_services(network: Network) -> list[Service] | None:
    """The services as that manager knows them that has seen most of the log; None: none is up."""
    engines: list[Any] = [m.process for m in network.machines.values() if m.process is not None]
    stores = [engine.manager.store for engine in engines if engine.manager is not None]
    newest = max(stores, key=lambda store: store.index, default=None)
    return list(newest.services.values()) if newest is not None else None


def send(network: Network, source: str, service: Service) -> Delivery:
    """One request to a service, from a client on the node `source`."""
    engine: Any = network.machines[source].process
    if engine is None:
        return UNREACHABLE
    path: DataPath = engine.network
    endpoint = service.endpoint or EMPTY
    published = [port for port in endpoint.get("Ports", ()) if is_ingress(port)]
    if published:
        return path.to_published(published[0]["PublishedPort"], network.machines[source].address)
    joined = [(network.get("Target", ""), "") for network in service.spec.task.networks]
    virtual = [(ip["NetworkID"], ip["Addr"]) for ip in endpoint.get("VirtualIPs", ())]
    network_id, ip = (*virtual, *joined, ("", ""))[0]
    if network_id not in path.db.tables:
        path.host_client(network_id)
    ips = [ip.partition("/")[0]] if ip else path.addresses_of(service.name.lower(), network_id)
    return path.to_address(network_id, ips[0], ANY_PORT, "") if ips else UNREACHABLE


def send_to_port(network: Network, source: str, address: str) -> Delivery:
    """One request to a port of a node: `m1:8080`."""
    engine: Any = network.machines[source].process
    if engine is None:
        return UNREACHABLE
    node, _colon, port = address.partition(":")
    path: DataPath = engine.network
    return path.to_node(node, int(port), network.machines[source].address)


class Traffic:
    """`rate` requests a second from machine `source`; counted in the trace, second by second."""

    def __init__(self, network: Network, source: str, service: str, rate: int) -> None:
        self.network, self.source, self.service, self.rate = network, source, service, rate
        self._addresses = service.split(",") if ":" in service else []
        self._turn = self._ticks = 0
        self._known: Service | None = None  # as of the last tick in which a manager was up
        self._counts: dict[tuple[str, str, str], list[int]] = {}
        self._timer = network.simulation.after(TICK_NS, self._tick)

    def stop(self) -> None:
        self._timer.cancel()

    def _tick(self) -> None:
        if self._ticks % TICKS_PER_S == 0 or self._known is None:
            named = [s for s in newest_services(self.network) or () if s.name == self.service]
            self._known = named[0] if named else self._known
        due = (self._ticks + 1) * self.rate // TICKS_PER_S - self._ticks * self.rate // TICKS_PER_S
        service = self._known
        for _request in range(due):
            if self._addresses:
                address = self._addresses[self._turn % len(self._addresses)]
                self._count(send_to_port(self.network, self.source, address))
                self._turn += 1
                continue
            self._count(send(self.network, self.source, service) if service else UNREACHABLE)
        self._ticks += 1
        simulation = self.network.simulation
        if self._ticks % TICKS_PER_S == 0:
            counts = tuple(RequestCount(*k, *count) for k, count in sorted(self._counts.items()))
            self._counts = {}
            record = RequestsCounted(simulation.now_ns, self.source, self.service, counts)
            simulation.trace.add(record)
        self._timer = simulation.after(TICK_NS, self._tick)

    def _count(self, delivery: Delivery) -> None:
        connection, endpoint = delivery.connection, delivery.endpoint
        key = (endpoint.task, endpoint.task_id, endpoint.version) if endpoint else ("", "", "")
        served = connection.outcome is Outcome.ANSWERED
        slow = served and (delivery.resent > 0 or connection.round_trip_ns > SLOW_NS)
        count = self._counts.setdefault(key, [0, 0, 0])
        count[:] = count[0] + served, count[1] + (not served), count[2] + slow


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
    """The counted requests to a service since some moment; up to date whenever it is shown.

    `cluster.traffic("web").failed`. Lesson: 12_rolling_updates.
    """

    trace: Callable[[], Trace]
    service: str
    since_ns: int = 0

    @property
    def counts(self) -> list[RequestCount]:
        """All counts, one for each second and task, oldest first."""
        records = self.trace().of(RequestsCounted)
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
        counts = {"served": self.served, "slow": self.slow, "failed": self.failed}
        total = _("{served} served, {slow} of them slow; {failed} failed.", **counts)
        title = _("Requests to {service}", service=self.service)
        return Table(title, headers, tuple(rows), (total,))


def check_addresses(service: str, nodes: Collection[str]) -> None:
    """Raise a LabError unless it is `NODE:PORT`, or several with commas between them."""
    for address in service.split(","):
        node, _colon, port = address.partition(":")
        if node not in nodes:
            raise NoneSuch("there is no node {name!r}; there are {known}", node, nodes)
        if not port.isdecimal() or not 0 < int(port) < 1 << 16:
            raise LabError("{address!r} is no port of a node; write m1:8080", address=address)


def check(service: str, rate: int, network: Network) -> None:
    """Raise a LabError unless `rate` requests a second can be sent to `service`, or to ports."""
    if not isinstance(rate, int) or isinstance(rate, bool) or not 0 <= rate <= RATE_MAX:
        raise LabError(
            "rate={rate!r}: give whole requests a second, 1 to {most}; 0 ends them",
            rate=rate,
            most=RATE_MAX,
        )
    if ":" in service:
        check_addresses(service, network.machines)
    if rate == 0 or ":" in service:
        return
    services = newest_services(network)
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
