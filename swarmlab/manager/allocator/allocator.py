"""The allocator: what a task needs of the network before it may be scheduled.

Networks get a subnet, services their published ports and a virtual IP a network, tasks an address
a network. A NEW task becomes PENDING once its service and its networks have theirs; until then it
stays NEW, without a word, as in SwarmKit. Source: swarmkit manager/allocator/network.go.
"""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network

from swarmlab.manager.allocator.addresses import Ports, Subnet, next_subnet
from swarmlab.manager.control_loop import ControlLoop
from swarmlab.manager.store import Change, Store, update
from swarmlab.manager.tasks import PENDING
from swarmlab.model import (
    EMPTY,
    Document,
    Service,
    ServiceSpec,
    StoreObject,
    SwarmNetwork,
    Task,
    TaskState,
    TaskStatus,
    freeze,
    is_ingress,
)
from swarmlab.simulation import Simulation


def is_overlay(network: SwarmNetwork) -> bool:
    return bool(network.spec.get("Driver", "overlay") == "overlay")


class Allocator(ControlLoop):
    watches = (SwarmNetwork, Service, Task)

    def __init__(self, simulation: Simulation, view: Store) -> None:
        self.simulation = simulation
        self._subnets: dict[str, Subnet] = {}  # by network id
        self._given: list[IPv4Network] = []  # every subnet that was ever handed out
        self._ports: dict[str, Ports] = {}  # by protocol
        self._waiting: dict[str, dict[str, None]] = {"network": {}, "service": {}, "task": {}}
        for network in view.all(SwarmNetwork):
            self._take_over_network(network)
            self._waiting["network"][network.id] = None
        for service in view.all(Service):
            self._take_over_endpoint(service.endpoint)
            self._waiting["service"][service.id] = None
        for task in view.all(Task):
            if task.state <= TaskState.RUNNING:
                self._each_address(task, "take")
            if task.state == TaskState.NEW:
                self._waiting["task"][task.id] = None

    # -- what is taken ---------------------------------------------------------------
    def _take_over_network(self, network: SwarmNetwork) -> None:
        for config in network.ipam.get("Config") or ():
            self._subnets[network.id] = Subnet(config["Subnet"], config["Gateway"])

    def _take_over_endpoint(self, endpoint: Document | None) -> None:
        for port in (endpoint or EMPTY).get("Ports", ()):
            if is_ingress(port):
                self._protocol(port).take(port["PublishedPort"])
        for ip in (endpoint or EMPTY).get("VirtualIPs", ()):
            if ip["NetworkID"] in self._subnets:
                self._subnets[ip["NetworkID"]].take(ip["Addr"])

    def _protocol(self, port: Document) -> Ports:
        return self._ports.setdefault(port.get("Protocol", "tcp"), Ports())

    def _each_address(self, task: Task, act: str) -> None:
        for attachment in task.networks:
            subnet = self._subnets.get(attachment["Network"]["ID"])
            for address in attachment["Addresses"] if subnet is not None else ():
                getattr(subnet, act)(address)

    def _free_endpoint(self, old: Document | None, kept: Document | None = None) -> None:
        """Give back what an endpoint had and its successor has not kept."""
        ports = [(p.get("Protocol", "tcp"), p["PublishedPort"]) for p in _ingress(kept)]
        for port in _ingress(old):
            if (port.get("Protocol", "tcp"), port["PublishedPort"]) not in ports:
                self._protocol(port).free(port["PublishedPort"])
        for ip in (old or EMPTY).get("VirtualIPs", ()):
            subnet = self._subnets.get(ip["NetworkID"])
            if subnet is not None and ip not in (kept or EMPTY).get("VirtualIPs", ()):
                subnet.free(ip["Addr"])

    # -- what it hears ---------------------------------------------------------------
    def see(self, old: StoreObject | None, new: StoreObject | None) -> bool:
        if isinstance(new, SwarmNetwork | Service):
            self._waiting[new.table][new.id] = None
            return True
        if isinstance(new, Task):
            if isinstance(old, Task) and old.state <= TaskState.RUNNING < new.state:
                self._each_address(new, "free")
                return any(self._waiting.values())
            if new.state == TaskState.NEW:
                self._waiting["task"][new.id] = None
                return True
            return False
        if isinstance(old, Service):
            self._free_endpoint(old.endpoint)
        elif isinstance(old, SwarmNetwork):
            self._subnets.pop(old.id, None)
        elif isinstance(old, Task) and old.state <= TaskState.RUNNING:
            self._each_address(old, "free")
        return any(self._waiting.values())

    # -- what it decides ---------------------------------------------------------------
    def decide(self, view: Store) -> list[Change]:
        changes = [
            update(allocated)
            for id in self._waiting["network"]
            if (network := view.get(SwarmNetwork, id)) is not None
            and (allocated := self._network(view, network)) is not None
        ]
        self._waiting["network"] = {
            id: None
            for id in self._waiting["network"]
            if (network := view.get(SwarmNetwork, id)) is not None
            and is_overlay(network)
            and id not in self._subnets
        }
        endpoints: dict[str, Service] = {}
        for id in list(self._waiting["service"]):
            service = view.services.get(id)
            endpoint = self._endpoint(view, service) if service is not None else None
            if service is None or endpoint is not None:
                del self._waiting["service"][id]
            if service is not None and endpoint is not None and endpoint != service.endpoint:
                endpoints[id] = replace(service, endpoint=endpoint)
                changes.append(update(endpoints[id]))
        if changes:
            return changes  # tasks find them in the store, next turn
        return self._tasks(view)

    def _network(self, view: Store, network: SwarmNetwork) -> SwarmNetwork | None:
        """The network with a subnet of its own; None when it has one, or there is none left."""
        if network.id in self._subnets or not is_overlay(network):
            return None
        asked = network.spec.at("IPAM", "Config", default=())
        wanted = asked[0].get("Subnet", "") if asked else ""
        taken = [subnet.network for subnet in self._subnets.values()]
        cluster = view.cluster
        pools, size = cluster.default_address_pool, cluster.subnet_size
        # Serially: one that was given back comes last.
        subnet = wanted or next_subnet(pools, size, [*taken, *self._given])
        subnet = subnet or next_subnet(pools, size, taken)
        if not subnet or any(IPv4Network(subnet, strict=False).overlaps(t) for t in taken):
            return None
        made = Subnet(subnet, asked[0].get("Gateway", "") if asked else "")
        self._subnets[network.id] = made
        self._given.append(made.network)
        config = {"Subnet": str(made.network), "Gateway": made.gateway}
        return replace(network, ipam=freeze({"Driver": "default", "Config": [config]}))

    # -- services ----------------------------------------------------------------------
    def _endpoint(self, view: Store, service: Service) -> Document | None:
        """The service's ports and virtual IPs, those it has kept where it can; None: not now."""
        spec, before = service.spec, service.endpoint or Document()
        ports = self._published(spec, before)
        if ports is None:
            return None
        networks = [n.get("Target", "") for n in spec.task.networks]
        if any(map(is_ingress, ports)) and view.ingress is not None:
            networks = [view.ingress.id, *networks]
        had = {ip["NetworkID"]: ip for ip in before.get("VirtualIPs", ())}
        ips = []
        for id in networks if spec.endpoint.get("Mode", "vip") == "vip" else ():
            subnet = self._subnets.get(id)
            if id in had:
                ips.append(had[id])
            elif subnet is not None and (address := subnet.next()) is not None:
                ips.append(Document(NetworkID=id, Addr=address))
            elif id in view.tables["network"]:
                given = Document(Ports=tuple(ports), VirtualIPs=tuple(ips))
                self._free_endpoint(given, before)
                return None
        endpoint = Document(Ports=tuple(ports) or None, VirtualIPs=tuple(ips) or None).with_()
        self._free_endpoint(before, endpoint)
        return endpoint

    def _published(self, spec: ServiceSpec, before: Document) -> list[Document] | None:
        """The ports as they will be; None when one is taken."""
        had = before.get("Ports", ()) if len(before.get("Ports", ())) == len(spec.ports) else ()
        mine = {(p.get("Protocol", "tcp"), p["PublishedPort"]) for p in _ingress(before)}
        ports: list[Document] = []
        for port in spec.ports:
            protocol, number = port.get("Protocol", "tcp"), port.get("PublishedPort", 0)
            if is_ingress(port) and not number:
                number = next((p["PublishedPort"] for p in had if _same(p, port)), 0)
                number = number or self._protocol(port).next() or 0
            elif is_ingress(port) and (protocol, number) not in mine:
                number = number if self._protocol(port).take(number) else 0
            if is_ingress(port) and not number:
                self._free_endpoint(Document(Ports=tuple(ports)), before)
                return None
            ports.append(port.with_(PublishedPort=number) if number else port)
        return ports

    # -- tasks -------------------------------------------------------------------------
    def _tasks(self, view: Store) -> list[Change]:
        changes: list[Change] = []
        now_ns = self.simulation.now_ns
        pending = TaskStatus(state=TaskState.PENDING, timestamp_ns=now_ns, message=PENDING)
        for id in list(self._waiting["task"]):
            task = view.tasks.get(id)
            if task is None or task.state != TaskState.NEW:
                del self._waiting["task"][id]
                continue
            attachments = self._attachments(view, task)
            if attachments is not None:
                del self._waiting["task"][id]
                service = view.services.get(task.service_id)
                endpoint = service.endpoint if service is not None else None
                attached = replace(task, status=pending, networks=attachments, endpoint=endpoint)
                changes.append(update(attached))
        return changes

    def _attachments(self, view: Store, task: Task) -> tuple[Document, ...] | None:
        """The task's networks, ingress first, with an address each; None when one is missing."""
        service = view.services.get(task.service_id)
        if service is None or service.id in self._waiting["service"]:
            return None
        ids = [n.get("Target", "") for n in task.spec.networks]
        if _ingress(task.endpoint_spec) and view.ingress is not None:
            ids = [view.ingress.id, *ids]
        attachments: list[Document] = []
        for id in ids:
            network = view.get(SwarmNetwork, id)
            subnet = self._subnets.get(id)
            if network is None:
                continue  # of the node's own: bridge, host
            address = subnet.next() if subnet is not None else None
            if address is None:
                for attachment in attachments:
                    self._subnets[attachment["Network"]["ID"]].free(attachment["Addresses"][0])
                return None
            attachments.append(freeze({"Network": _shown(network), "Addresses": [address]}))
        return tuple(attachments)


def _ingress(endpoint: Document | None) -> list[Document]:
    return [port for port in (endpoint or EMPTY).get("Ports", ()) if is_ingress(port)]


def _same(had: Document, wanted: Document) -> bool:
    return all(had.get(key) == wanted.get(key) for key in ("Name", "Protocol", "TargetPort"))


def _shown(network: SwarmNetwork) -> dict[str, object]:
    """A network as a task's attachment shows it."""
    spec = {"Name": network.name, "Labels": network.spec.get("Labels") or {}}
    flags = {k: True for k in ("Ingress", "Attachable", "Internal") if network.spec.get(k)}
    options = {"Driver": {"Name": "default"}, "Configs": network.ipam.get("Config", ())}
    return {
        "ID": network.id,
        "Version": {"Index": network.version},
        "Spec": {**spec, **flags, "DriverConfiguration": {"Name": "overlay"}, "Scope": "swarm"},
        "DriverState": {"Name": "overlay"},
        "IPAMOptions": options,
    }
