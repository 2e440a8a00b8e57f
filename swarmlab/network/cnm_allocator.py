"""What the swarm has given away: subnets, VXLAN ids, addresses, published ports, virtual IPs.

The manager's allocator decides when; this says what is free.
Source: moby daemon/libnetwork/cnmallocator/{networkallocator,portallocator}.go.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from swarmlab.model import EMPTY, Cluster, Document, Service, SwarmNetwork, freeze, is_ingress
from swarmlab.model.specs import ServiceSpec, published
from swarmlab.network.addresses import IpNetwork, Ports, Serial, Subnet, next_subnet

VXLAN_ID_MIN, VXLAN_ID_MAX = 4096, (1 << 24) - 1
VXLAN = "com.docker.network.driver.overlay.vxlanid_list"  # as overlay networks show their VXLAN id


def is_overlay(network: SwarmNetwork) -> bool:
    return bool(network.spec.get("Driver", "overlay") == "overlay")


class CnmAllocator:
    def __init__(self) -> None:
        self._subnets: dict[str, tuple[Subnet, ...]] = {}  # by network id
        self.freed = Counter[str]()  # network id -> addresses given back since this was cleared
        self._given: list[IpNetwork] = []  # every subnet that was ever handed out
        self._vxlan_ids = Serial(VXLAN_ID_MIN, VXLAN_ID_MAX)
        self._ports: dict[str, Ports] = {}  # by protocol

    # -- networks -----------------------------------------------------------------------
    def has(self, network_id: str) -> bool:
        return network_id in self._subnets

    def restore_network(self, network: SwarmNetwork) -> None:
        if configs := network.ipam.get("Config"):
            self._subnets[network.id] = tuple(map(_subnet, configs))
            for vxlan_id in _vxlan_ids(network):
                self._vxlan_ids.take(vxlan_id)

    def network(self, network: SwarmNetwork, cluster: Cluster) -> SwarmNetwork | None:
        """The network with a new subnet; None when it has one, or there is none left."""
        if network.id in self._subnets or not is_overlay(network):
            return None
        taken = [subnet.network for subnets in self._subnets.values() for subnet in subnets]
        pools, size = cluster.default_address_pool, cluster.subnet_size
        # Subnets are handed out serially: one that was freed comes last.
        free = next_subnet(pools, size, [*taken, *self._given]) or next_subnet(pools, size, taken)
        configs = network.spec.at("IPAM", "Config", default=()) or (Document(Subnet=free),)
        if not all(config.get("Subnet") for config in configs):
            return None
        subnets = tuple(map(_subnet, configs))
        if any(subnet.network.overlaps(t) for subnet in subnets for t in taken):
            return None
        self._subnets[network.id] = subnets
        self._given += [subnet.network for subnet in subnets]
        ipam = [
            config.with_(Subnet=str(subnet.network), Gateway=subnet.gateway)
            for config, subnet in zip(configs, subnets, strict=True)
        ]
        ids = ",".join(str(self._vxlan_ids.next()) for _ in subnets)
        options = {VXLAN: ids, **(network.spec.get("Options") or {})}
        document = freeze({"Driver": "default", "Options": None, "Config": ipam})
        return network.with_(ipam=document, driver_options=freeze(options))

    def free_network(self, network: SwarmNetwork) -> None:
        self._subnets.pop(network.id, None)
        for vxlan_id in _vxlan_ids(network):
            self._vxlan_ids.free(vxlan_id)

    # -- addresses of tasks and nodes -----------------------------------------------------
    def _addresses(self, attachments: Iterable[Document]) -> Iterator[tuple[str, str]]:
        """The addresses of a task or a node, each with the id of its network."""
        for attachment in attachments:
            id = attachment["Network"]["ID"]
            if id in self._subnets:
                yield from ((id, address) for address in attachment["Addresses"])

    def take(self, attachments: Iterable[Document]) -> None:
        for id, address in self._addresses(attachments):
            self._take(id, address)

    def free(self, attachments: Iterable[Document]) -> None:
        for id, address in self._addresses(attachments):
            self._free(id, address)

    def _take(self, network_id: str, address: str) -> None:
        for subnet in self._subnets[network_id]:
            subnet.take(address)

    def _free(self, network_id: str, address: str) -> None:
        for subnet in self._subnets[network_id]:
            subnet.free(address)
        self.freed[network_id] += 1

    def _next(self, network_id: str, wish: str = "") -> str | None:
        """The next address in the first subnet that has one (an engine: in any, by chance)."""
        subnets = [s for s in self._subnets.get(network_id, ()) if not wish or s.has(wish)]
        return next(filter(None, (subnet.next(wish) for subnet in subnets)), None)

    def attach(self, network: SwarmNetwork | None, wish: str = "") -> Document | None:
        """A new address in a network, `wish` if it is free; None when there is none left."""
        address = self._next(network.id, wish) if network is not None and network.ipam else None
        if network is None or address is None:
            return None
        return Document(Network=_shown(network), Addresses=(address,))

    # -- services -------------------------------------------------------------------------
    def restore_endpoint(self, endpoint: Document) -> None:
        for port in _ingress(endpoint):
            self._protocol(port).take(port["PublishedPort"])
        for ip in endpoint.get("VirtualIPs", ()):
            if ip["NetworkID"] in self._subnets:
                self._take(ip["NetworkID"], ip["Addr"])

    def free_endpoint(self, old: Document, kept: Document = EMPTY) -> None:
        """Free the ports and virtual IPs of an old endpoint that are not in `kept`."""
        still = set(map(published, _ingress(kept)))
        for port in _ingress(old):
            if published(port) not in still:
                self._protocol(port).free(port["PublishedPort"])
        for ip in old.get("VirtualIPs", ()):
            if ip["NetworkID"] in self._subnets and ip not in kept.get("VirtualIPs", ()):
                self._free(ip["NetworkID"], ip["Addr"])

    def endpoint(self, service: Service, ingress_id: str, known: Iterable[str]) -> Document | None:
        """The service's ports and virtual IPs, unchanged where possible; None: not possible now.

        `known`: the ids of the swarm's networks; any other is one of the nodes themselves.
        """
        spec, before = service.spec, service.endpoint or EMPTY
        ports = self._publish(spec, before)
        if ports is None:
            return None
        networks = [n.get("Target", "") for n in spec.task.networks]
        networks = [ingress_id] * (ingress_id != "" and any(map(is_ingress, ports))) + networks
        had = {ip["NetworkID"]: ip for ip in before.get("VirtualIPs", ())}
        ips = []
        for id in networks if spec.endpoint.get("Mode", "vip") == "vip" else ():
            if id in had:
                ips.append(had[id])
            elif (address := self._next(id)) is not None:
                ips.append(Document(NetworkID=id, Addr=address))
            elif id in known:
                self.free_endpoint(Document(Ports=tuple(ports), VirtualIPs=tuple(ips)), before)
                return None
        endpoint = Document(Ports=tuple(ports) or None, VirtualIPs=tuple(ips) or None).with_()
        self.free_endpoint(before, endpoint)
        return endpoint

    def _protocol(self, port: Document) -> Ports:
        return self._ports.setdefault(port.get("Protocol", "tcp"), Ports())

    def _publish(self, spec: ServiceSpec, before: Document) -> Sequence[Document] | None:
        """The ports with their published numbers; None when one is in use."""
        old_ports = before.get("Ports", ())
        reusable = old_ports if len(old_ports) == len(spec.ports) else ()
        own = set(map(published, _ingress(before)))
        ports: list[Document] = []
        for port in spec.ports:
            number = port.get("PublishedPort", 0)
            if is_ingress(port) and not number:
                number = next((p["PublishedPort"] for p in reusable if _same(p, port)), 0)
                number = number or self._protocol(port).next() or 0
            elif is_ingress(port) and published(port) not in own:
                number = number if self._protocol(port).take(number) else 0
            if is_ingress(port) and not number:
                self.free_endpoint(Document(Ports=tuple(ports)), before)
                return None
            ports.append(port.with_(PublishedPort=number) if number else port)
        return ports


def _subnet(config: Document) -> Subnet:
    return Subnet(config["Subnet"], config.get("Gateway", ""), config.get("IPRange", ""))


def _vxlan_ids(network: SwarmNetwork) -> list[int]:
    """One for each subnet."""
    return [int(id) for id in network.driver_options.get(VXLAN, "").split(",") if id]


def _ingress(endpoint: Document) -> list[Document]:
    return [port for port in endpoint.get("Ports", ()) if is_ingress(port)]


def _same(old: Document, new: Document) -> bool:
    return all(old.get(key) == new.get(key) for key in ("Name", "Protocol", "TargetPort"))


def _shown(network: SwarmNetwork) -> Document:
    """A network as the attachment of a task or a node shows it."""
    spec = {"Name": network.name, "Labels": network.spec.get("Labels") or {}}
    flags = {k: True for k in ("Ingress", "Attachable", "Internal") if network.spec.get(k)}
    flags |= {"IPv6Enabled": True} if network.spec.get("EnableIPv6") else {}
    options = {"Driver": {"Name": "default"}, "Configs": network.ipam.get("Config", ())}
    shown = {
        "ID": network.id,
        "Version": {"Index": network.version},
        "Spec": {**spec, **flags, "DriverConfiguration": {"Name": "overlay"}, "Scope": "swarm"},
        "DriverState": {"Name": "overlay", "Options": network.driver_options},
        "IPAMOptions": options,
    }
    return freeze(shown)  # type: ignore[no-any-return]
