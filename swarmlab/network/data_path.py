"""Names and requests in a node's networks: where each one goes, and what comes of it.

A name leads to the virtual IP of a service, or to the addresses of its tasks; a virtual IP, and a
published port on any node, to the tasks that this node knows, in turn (IPVS, round robin). The node
that passes a request on puts its own load balancer's address in the client's place; a port in host
mode, and a task's own address, keep the client's.
Source: moby daemon/libnetwork/{resolver,network,service_linux}.go.

Simplified: nodes know each other by name; a host outside has an address, and it answers.
"""

from __future__ import annotations

from hashlib import sha256
from ipaddress import ip_address, ip_network
from typing import Any, NamedTuple

from swarmlab.network.addresses import address_of
from swarmlab.network.endpoints import GATEWAY_BRIDGE, Endpoint, subnets
from swarmlab.network.network_controller import NetworkController, requested
from swarmlab.programs.connections import LOCALHOST, Connection, Outcome
from swarmlab.programs.interface import ProcessContainer
from swarmlab.simulation.network import OVERLAY_PORT

OUTSIDE = ip_network("203.0.113.0/24")  # for documentation (RFC 5737): all hosts outside
ATTEMPTS_MAX = 3  # a lost packet is sent again after a second; then the client gives up
ANY_PORT = 0  # the one on which a container's server listens
UNANSWERED = Connection(Outcome.TIMED_OUT)


class Delivery(NamedTuple):
    """Where a request went, and what came of it."""

    connection: Connection
    endpoint: Endpoint | None = None  # the task, or container, that it was passed on to
    balancer: str = ""  # the node that chose it; empty: the address was its own
    network: str = ""  # id
    choices: int = 0  # tasks that the balancer knew
    port: int | None = None  # of the container
    resent: int = 0  # packets that were lost on the way, and sent again


class DataPath(NetworkController):
    """The networks of a node with what flows in them."""

    # -- names --------------------------------------------------------------------------
    def resolve(self, container: ProcessContainer, name: str) -> list[str]:
        own, name = self.addresses.get(container.id, {}), name.lower().rstrip(".")
        asked = requested(self.host.containers.get(container.id)).values() if own else ()
        links = [link.partition(":") for settings in asked for link in settings.get("Links") or ()]
        name = {alias: target for target, _, alias in links}.get(name, name)
        if address_of(name):
            return [name]
        if name == "localhost":
            return [LOCALHOST]
        for network_id in own:
            if found := self.addresses_of(name, network_id):
                return found
        if name == container.hostname.lower():
            return [next(filter(None, own.values()), LOCALHOST).partition("/")[0]]
        machine = self.machine.network.machines.get(name)
        if machine is not None:
            return [machine.address]
        outside = "." in name.strip(".") and not name.startswith("tasks.")
        if not outside or not self._leads_outside(container):
            return []
        return [str(OUTSIDE[1 + sha256(name.encode()).digest()[0] % 254])]

    def addresses_of(self, name: str, network_id: str) -> list[str]:
        """The addresses that a name has in one network, another one first each time."""
        found = self._named(name, network_id)
        turn = self._next_turn(f"{network_id} {name}") % len(found) if found else 0
        addresses = [e.address for e in found[turn:] + found[:turn]]
        return [*addresses, *(e.address6 for e in found if e.address6)]

    def _named(self, name: str, network_id: str) -> list[Endpoint]:
        """What a name leads to in one network; the default bridge knows no names."""
        network, bare = self.find(network_id), name.removeprefix("tasks.")
        nameless = ("bridge", GATEWAY_BRIDGE)
        if network is None or network.name in nameless or network.spec.get("Ingress"):
            return []
        known = self.known(network_id)
        of_service = [e for e in known if bare in map(str.lower, (e.service, *e.aliases))]
        of_service = [e for e in of_service if e.service]
        virtual = [e for e in of_service if e.virtual_ip and name == bare]
        return [e._replace(address=e.virtual_ip) for e in virtual[:1]] or [
            e for e in of_service or known if of_service or name in map(str.lower, e.names)
        ]

    def known(self, network_id: str) -> list[Endpoint]:
        """The endpoints that this node knows in a network."""
        if network_id in self.local:
            return [endpoint for id, endpoint in self.endpoints() if id == network_id]
        return list(self.db.values(network_id))

    def _leads_outside(self, container: ProcessContainer) -> bool:
        networks = [self.find(id) for id in self.addresses.get(container.id, ())]
        return any(
            n and n.spec["Driver"] != "null" and not n.spec.get("Internal") for n in networks
        )

    def _next_turn(self, key: str) -> int:
        self.turns[key] = turn = self.turns.get(key, -1) + 1
        return turn

    # -- requests -----------------------------------------------------------------------
    def connect(
        self, container: ProcessContainer, host: str, port: int | None = None
    ) -> Connection:
        addresses = self.resolve(container, host)
        if not addresses:
            return Connection(Outcome.NO_SUCH_HOST)
        address = next((a for a in addresses if ":" in a), addresses[0])  # IPv6 is preferred
        return self.request(container, address, port).connection._replace(address=address)

    def request(self, container: ProcessContainer, address: str, port: int | None) -> Delivery:
        """A request of one of this node's containers to an address."""
        addresses = self.addresses6 if ":" in address else self.addresses
        own = addresses.get(container.id, {})
        if address == LOCALHOST or address in (a.partition("/")[0] for a in own.values()):
            return Delivery(_answer(container, address, port))
        machine = self.machine.network.at(address)
        if machine is not None:
            return self.to_node(machine.name, port, self.machine.address)
        for network_id, mine in own.items():
            network = self.find(network_id)
            nets = subnets(network) if network is not None else ()
            if any(ip_address(address) in ip_network(subnet, strict=False) for subnet in nets):
                return self.to_address(network_id, address, port, mine.partition("/")[0])
        ip = ip_address(address)
        outside = (ip in OUTSIDE or ip.is_global) and self._leads_outside(container)
        outcome = Outcome.ANSWERED if outside else Outcome.TIMED_OUT
        return Delivery(Connection(outcome, address))

    def to_address(self, network_id: str, address: str, port: int | None, client: str) -> Delivery:
        """To a virtual IP or an endpoint of a network that this node is in."""
        known = self.known(network_id)
        backends = [endpoint for endpoint in known if endpoint.virtual_ip == address]
        if backends:
            return self.balance(network_id, backends, port)
        for endpoint in known:
            if address in (endpoint.address, endpoint.address6):
                return self._pass_on(endpoint, Delivery(UNANSWERED, port=port), client)
        return Delivery(UNANSWERED)

    def balance(self, network_id: str, backends: list[Endpoint], port: int | None) -> Delivery:
        """To one of the tasks of a service, in turn."""
        turn = self._next_turn(f"{network_id} {backends[0].service} balanced")
        client = self.load_balancers.get(network_id, "").partition("/")[0]
        chosen = Delivery(UNANSWERED, None, self.machine.name, network_id, len(backends), port)
        return self._pass_on(backends[turn % len(backends)], chosen, client)

    def to_node(self, node: str, port: int | None, client: str) -> Delivery:
        """To a port of a node: published in host mode there, or through the routing mesh."""
        target: Any = self.machine.network.machines[node].process
        here, network = self.machine.name, self.machine.network
        if target is None or not network.connected(here, node, port or 0):
            return Delivery(UNANSWERED)
        if port is None:
            return Delivery(Connection(Outcome.ANSWERED))
        path: DataPath = target.network
        return path.to_published(port, client)

    def to_published(self, port: int, client: str) -> Delivery:
        """To a port of this node."""
        for container in self.host.containers.all():
            for name, numbers in container.ports.items():
                if port in numbers:
                    inner = int(name.partition("/")[0])
                    names = (container.name,)
                    endpoint = Endpoint(self.machine.name, container.id, "", names)
                    return self._pass_on(endpoint, Delivery(UNANSWERED, port=inner), client)
        backends, network_id = self.published(port)
        if not backends:
            return Delivery(Connection(Outcome.REFUSED))
        inner = next(target for number, target in backends[0].ports if number == port)
        return self.balance(network_id, backends, inner)

    def published(self, port: int) -> tuple[list[Endpoint], str]:
        """The tasks behind a port of the routing mesh, and the ingress network."""
        ingress = next((id for id, n in self.overlays.items() if n.spec.get("Ingress")), "")
        known = self.db.values(ingress)
        return [e for e in known if any(number == port for number, _ in e.ports)], ingress

    def _pass_on(self, endpoint: Endpoint, delivery: Delivery, client: str) -> Delivery:
        """To a container, over the link to its node: the VXLAN tunnel is as good as the link."""
        network, here, there = self.machine.network, self.machine.name, endpoint.node
        engine: Any = network.machines[there].process
        delivery = delivery._replace(endpoint=endpoint)
        tunnel = network.connected(here, there, OVERLAY_PORT)
        if engine is None or not self.machine.up or not tunnel:
            return delivery
        link, back = (network.links.get(p, network.link) for p in ((here, there), (there, here)))
        lost, chance = 0, self.machine.simulation.rng.random
        while here != there and link.loss and lost < ATTEMPTS_MAX and chance() < link.loss:
            lost += 1
        container = next((c for c in engine.containers.all() if c.id == endpoint.container), None)
        if container is None or lost == ATTEMPTS_MAX:
            return delivery._replace(resent=lost)
        answer = _answer(container, endpoint.address, delivery.port)._replace(client=client)
        delay_ns = 0 if here == there else link.delay_ns + back.delay_ns
        connection = answer._replace(round_trip_ns=delay_ns)
        return delivery._replace(connection=connection, resent=lost)


def _answer(container: ProcessContainer, address: str, port: int | None) -> Connection:
    """What a container on this address answers."""
    if container.process is None or (container.process.frozen and port is not None):
        return Connection(Outcome.TIMED_OUT, address)
    serving = container.process.serving
    answers = port is None or (serving if port == ANY_PORT else container.listens(port))
    outcome = Outcome.ANSWERED if answers else Outcome.REFUSED
    return Connection(outcome, address, container if answers else None, address)
