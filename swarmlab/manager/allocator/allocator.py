"""The allocator: subnets, published ports, virtual IPs and addresses, before tasks are scheduled.

A network gets a subnet; a service its published ports and one virtual IP for each network; a task
one address for each network. A NEW task becomes PENDING once its service and networks have theirs;
until then it stays NEW without an error message, as in SwarmKit.
Source: swarmkit manager/allocator/network.go.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Network

from swarmlab import model
from swarmlab.manager.allocator.addresses import Ports, Subnet, next_subnet
from swarmlab.manager.control_loop import ControlLoop
from swarmlab.manager.store import Change, Store, update
from swarmlab.manager.tasks import PENDING
from swarmlab.simulation import Simulation


def is_overlay(network: model.SwarmNetwork) -> bool:
    return bool(network.spec.get("Driver", "overlay") == "overlay")


class Allocator(ControlLoop):
    watches = (model.SwarmNetwork, model.Service, model.Task)

    def __init__(self, simulation: Simulation, view: Store) -> None:
        self.simulation = simulation
        self._subnets: dict[str, Subnet] = {}  # by network id
        self._given: list[IPv4Network] = []  # every subnet that was ever handed out
        self._ports: dict[str, Ports] = {}  # by protocol
        self._waiting: dict[str, dict[str, None]] = {"network": {}, "service": {}, "task": {}}
        for network in view.all(model.SwarmNetwork):
            self._restore_subnet(network)
            self._waiting["network"][network.id] = None
        for service in view.all(model.Service):
            self._restore_endpoint(service.endpoint)
            self._waiting["service"][service.id] = None
        for task in view.all(model.Task):
            if task.state <= model.TaskState.RUNNING:
                for subnet, address in self._addresses(task):
                    subnet.take(address)
            if task.state == model.TaskState.NEW:
                self._waiting["task"][task.id] = None

    # -- in use ---------------------------------------------------------------------
    def _restore_subnet(self, network: model.SwarmNetwork) -> None:
        for config in network.ipam.get("Config") or ():
            self._subnets[network.id] = Subnet(config["Subnet"], config["Gateway"])

    def _restore_endpoint(self, endpoint: model.Document | None) -> None:
        for port in (endpoint or model.EMPTY).get("Ports", ()):
            if model.is_ingress(port):
                self._protocol(port).take(port["PublishedPort"])
        for ip in (endpoint or model.EMPTY).get("VirtualIPs", ()):
            if ip["NetworkID"] in self._subnets:
                self._subnets[ip["NetworkID"]].take(ip["Addr"])

    def _protocol(self, port: model.Document) -> Ports:
        return self._ports.setdefault(port.get("Protocol", "tcp"), Ports())

    def _addresses(self, task: model.Task) -> Iterator[tuple[Subnet, str]]:
        """The task's addresses, each with its subnet."""
        for attachment in task.networks:
            subnet = self._subnets.get(attachment["Network"]["ID"])
            if subnet is not None:
                yield from ((subnet, address) for address in attachment["Addresses"])

    def _free_addresses(self, task: model.Task) -> None:
        for subnet, address in self._addresses(task):
            subnet.free(address)

    def _free_endpoint(
        self, old: model.Document | None, kept: model.Document | None = None
    ) -> None:
        """Free the ports and virtual IPs of an old endpoint that are not in `kept`."""
        for port in _ingress(old):
            if _published(port) not in map(_published, _ingress(kept)):
                self._protocol(port).free(port["PublishedPort"])
        for ip in (old or model.EMPTY).get("VirtualIPs", ()):
            subnet = self._subnets.get(ip["NetworkID"])
            if subnet is not None and ip not in (kept or model.EMPTY).get("VirtualIPs", ()):
                subnet.free(ip["Addr"])

    # -- seeing commits ---------------------------------------------------------------
    def see(self, old: model.StoreObject | None, new: model.StoreObject | None) -> bool:
        if isinstance(new, model.SwarmNetwork | model.Service):
            self._waiting[new.table][new.id] = None
            return True
        if isinstance(new, model.Task):
            if isinstance(old, model.Task) and old.state <= model.TaskState.RUNNING < new.state:
                self._free_addresses(new)
                return any(self._waiting.values())
            if new.state == model.TaskState.NEW:
                self._waiting["task"][new.id] = None
                return True
            return False
        if isinstance(old, model.Service):
            self._free_endpoint(old.endpoint)
        elif isinstance(old, model.SwarmNetwork):
            self._subnets.pop(old.id, None)
        elif isinstance(old, model.Task) and old.state <= model.TaskState.RUNNING:
            self._free_addresses(old)
        return any(self._waiting.values())

    # -- deciding --------------------------------------------------------------------
    def decide(self, view: Store) -> list[Change]:
        changes = [
            update(allocated)
            for id in self._waiting["network"]
            if (network := view.get(model.SwarmNetwork, id)) is not None
            and (allocated := self._network(view, network)) is not None
        ]
        self._waiting["network"] = {
            id: None
            for id in self._waiting["network"]
            if (network := view.get(model.SwarmNetwork, id)) is not None
            and is_overlay(network)
            and id not in self._subnets
        }
        endpoints: dict[str, model.Service] = {}
        for id in list(self._waiting["service"]):
            service = view.services.get(id)
            endpoint = self._endpoint(view, service) if service is not None else None
            if service is None or endpoint is not None:
                del self._waiting["service"][id]
            if (
                service is not None
                and endpoint is not None
                and endpoint != (service.endpoint or {})
            ):
                endpoints[id] = replace(service, endpoint=endpoint)
                changes.append(update(endpoints[id]))
        if changes:
            return changes  # tasks use them in the next turn, when they are stored
        return self._tasks(view)

    def _network(self, view: Store, network: model.SwarmNetwork) -> model.SwarmNetwork | None:
        """The network with a new subnet; None when it has one, or there is none left."""
        if network.id in self._subnets or not is_overlay(network):
            return None
        (config, *_) = network.spec.at("IPAM", "Config", default=()) or (model.EMPTY,)
        taken = [subnet.network for subnet in self._subnets.values()]
        cluster = view.cluster
        pools, size = cluster.default_address_pool, cluster.subnet_size
        # Subnets are handed out serially: one that was freed comes last.
        subnet = config.get("Subnet") or next_subnet(pools, size, [*taken, *self._given])
        subnet = subnet or next_subnet(pools, size, taken)
        if not subnet or any(IPv4Network(subnet, strict=False).overlaps(t) for t in taken):
            return None
        allocated = self._subnets[network.id] = Subnet(subnet, config.get("Gateway", ""))
        self._given.append(allocated.network)
        ipam = {"Subnet": str(allocated.network), "Gateway": allocated.gateway}
        return replace(network, ipam=model.freeze({"Driver": "default", "Config": [ipam]}))

    # -- services ----------------------------------------------------------------------
    def _endpoint(self, view: Store, service: model.Service) -> model.Document | None:
        """The service's ports and virtual IPs, unchanged where possible; None: not possible now."""
        spec, before = service.spec, service.endpoint or model.Document()
        ports = self._publish(spec, before)
        if ports is None:
            return None
        networks = [n.get("Target", "") for n in spec.task.networks]
        if any(map(model.is_ingress, ports)) and view.ingress is not None:
            networks = [view.ingress.id, *networks]
        had = {ip["NetworkID"]: ip for ip in before.get("VirtualIPs", ())}
        ips = []
        for id in networks if spec.endpoint.get("Mode", "vip") == "vip" else ():
            subnet = self._subnets.get(id)
            if id in had:
                ips.append(had[id])
            elif subnet is not None and (address := subnet.next()) is not None:
                ips.append(model.Document(NetworkID=id, Addr=address))
            elif id in view.tables["network"]:
                given = model.Document(Ports=tuple(ports), VirtualIPs=tuple(ips))
                self._free_endpoint(given, before)
                return None
        endpoint = model.Document(Ports=tuple(ports) or None, VirtualIPs=tuple(ips) or None).with_()
        self._free_endpoint(before, endpoint)
        return endpoint

    def _publish(
        self, spec: model.ServiceSpec, before: model.Document
    ) -> list[model.Document] | None:
        """The ports with their published numbers; None when one is in use."""
        old_ports = before.get("Ports", ())
        reusable = old_ports if len(old_ports) == len(spec.ports) else ()
        own = set(map(_published, _ingress(before)))
        ports: list[model.Document] = []
        for port in spec.ports:
            number = port.get("PublishedPort", 0)
            if model.is_ingress(port) and not number:
                number = next((p["PublishedPort"] for p in reusable if _same(p, port)), 0)
                number = number or self._protocol(port).next() or 0
            elif model.is_ingress(port) and _published(port) not in own:
                number = number if self._protocol(port).take(number) else 0
            if model.is_ingress(port) and not number:
                self._free_endpoint(model.Document(Ports=tuple(ports)), before)
                return None
            ports.append(port.with_(PublishedPort=number) if number else port)
        return ports

    # -- tasks -------------------------------------------------------------------------
    def _tasks(self, view: Store) -> list[Change]:
        changes: list[Change] = []
        now_ns = self.simulation.now_ns
        pending = model.TaskStatus(
            state=model.TaskState.PENDING, timestamp_ns=now_ns, message=PENDING
        )
        for id in list(self._waiting["task"]):
            task = view.tasks.get(id)
            if task is None or task.state != model.TaskState.NEW:
                del self._waiting["task"][id]
                continue
            attachments = self._attachments(view, task)
            if attachments is not None:
                del self._waiting["task"][id]
                service = view.services.get(task.service_id)
                endpoint = service.endpoint if service is not None else None
                attached = task.with_(status=pending, networks=attachments, endpoint=endpoint)
                changes.append(update(attached))
        return changes

    def _attachments(self, view: Store, task: model.Task) -> tuple[model.Document, ...] | None:
        """The task's networks, ingress first, with an address each; None when one is missing."""
        service = view.services.get(task.service_id)
        if service is None or service.id in self._waiting["service"]:
            return None
        ids = [n.get("Target", "") for n in task.spec.networks]
        if _ingress(task.endpoint_spec) and view.ingress is not None:
            ids = [view.ingress.id, *ids]
        attachments: list[model.Document] = []
        for id in ids:
            network = view.get(model.SwarmNetwork, id)
            subnet = self._subnets.get(id)
            if network is None:
                continue  # a network of the node itself: bridge, host
            address = subnet.next() if subnet is not None else None
            if address is None:
                for attachment in attachments:
                    self._subnets[attachment["Network"]["ID"]].free(attachment["Addresses"][0])
                return None
            attachments.append(model.freeze({"Network": _shown(network), "Addresses": [address]}))
        return tuple(attachments)


def _ingress(endpoint: model.Document | None) -> list[model.Document]:
    return [port for port in (endpoint or model.EMPTY).get("Ports", ()) if model.is_ingress(port)]


def _published(port: model.Document) -> tuple[str, int]:
    return port.get("Protocol", "tcp"), port.get("PublishedPort", 0)


def _same(old: model.Document, new: model.Document) -> bool:
    return all(old.get(key) == new.get(key) for key in ("Name", "Protocol", "TargetPort"))


def _shown(network: model.SwarmNetwork) -> dict[str, object]:
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
