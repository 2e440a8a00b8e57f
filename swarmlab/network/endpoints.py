"""What a node knows of networks: the networks themselves, and the endpoints in them."""

from __future__ import annotations

from hashlib import sha256
from ipaddress import ip_network
from typing import Any, NamedTuple

from swarmlab.model import EMPTY, Document, SwarmNetwork
from swarmlab.network.addresses import IpNetwork

BUILTIN = ("bridge", "host", "none")
GATEWAY_BRIDGE = "docker_gwbridge"  # of a node in a swarm: the way out for containers on overlays
LOAD_BALANCER = "lb"  # of a node, among the holders of addresses
NO_IPV6_SUBNET = (
    "could not find an available, non-overlapping IPv6 address pool among the defaults to assign to"
    " the network"
)
IPAM = Document(Driver="default", Options=None, Config=())
# The options of the engine's own bridges, as Docker shows them.
_BRIDGE = "com.docker.network.bridge"
OPTIONS = {
    "bridge": Document({
        f"{_BRIDGE}.default_bridge": "true", f"{_BRIDGE}.enable_icc": "true",
        f"{_BRIDGE}.enable_ip_masquerade": "true", f"{_BRIDGE}.host_binding_ipv4": "0.0.0.0",
        f"{_BRIDGE}.name": "docker0", "com.docker.network.driver.mtu": "1500",
    }),
    GATEWAY_BRIDGE: Document({
        f"{_BRIDGE}.enable_icc": "false", f"{_BRIDGE}.enable_ip_masquerade": "true",
        f"{_BRIDGE}.name": GATEWAY_BRIDGE,
    }),
}  # fmt: skip


class Endpoint(NamedTuple):
    """A container in a network, as its node tells the other nodes (the endpoint table)."""

    node: str  # its machine
    container: str  # id
    address: str
    names: tuple[str, ...]  # of this container alone
    service: str = ""  # empty: a container that its user has attached
    aliases: tuple[str, ...] = ()  # of the service
    virtual_ip: str = ""  # empty: DNS round robin
    ports: tuple[tuple[int, int], ...] = ()  # in the ingress network: (published, target)
    task: str = ""  # `web.3`
    task_id: str = ""
    version: str = ""  # the image
    address6: str = ""  # its IPv6 address; gossip tells none


def own_networks(machine: str) -> dict[str, SwarmNetwork]:
    """The networks that every engine has, by id; each engine has others ids for them."""
    found = {}
    for name in BUILTIN:
        configs = [Document(Subnet="172.17.0.0/16", Gateway="172.17.0.1")]
        network = local_network(
            sha256(f"{machine} {name}".encode()).hexdigest(),
            Name=name,
            Driver="null" if name == "none" else name,
            IPAM=IPAM.with_(Config=configs if name == "bridge" else []),
            Options=OPTIONS.get(name, EMPTY),
        )
        found[network.id] = network
    return found


def local_network(id: str, created_ns: int = 0, **spec: object) -> SwarmNetwork:
    whole: dict[str, Any] = {"Driver": "bridge", "Labels": EMPTY, "Options": EMPTY, **spec}
    ipam = IPAM.with_(**whole.get("IPAM", {}))
    by_version = sorted(ipam.get("Config") or (), key=lambda config: ":" in config["Subnet"])
    whole["IPAM"] = ipam.with_(Config=tuple(by_version))
    document = Document(whole).with_(Scope="local")
    whole_bridge = document.with_(PoolSubnet=document.get("Name") == "bridge" or None)
    return SwarmNetwork(id=id, created_ns=created_ns, spec=whole_bridge)


def attached_network(attachment: Document, created_ns: int) -> SwarmNetwork:
    """A network of the swarm, as the attachment of a node or a task describes it."""
    network = attachment["Network"]
    spec = network["Spec"]
    options = network.at("DriverState", "Options", default=EMPTY)
    ipam = Document(Driver="default", Options=None, Config=network["IPAMOptions"]["Configs"])
    flags = {key: spec[key] for key in ("Ingress", "Attachable", "Internal") if key in spec}
    flags |= {"EnableIPv6": True} if "IPv6Enabled" in spec else {}
    document = Document(Name=spec["Name"], Driver="overlay", Labels=spec["Labels"], **flags)
    return SwarmNetwork(
        id=network["ID"], created_ns=created_ns, spec=document, ipam=ipam, driver_options=options
    )


def configs(network: SwarmNetwork) -> tuple[Document, ...]:
    """Its subnets, as Docker's IPAM configs."""
    return tuple((network.ipam or network.spec.get("IPAM") or EMPTY).get("Config") or ())


def subnets(network: SwarmNetwork) -> tuple[str, ...]:
    return tuple(config["Subnet"] for config in configs(network))


def user_subnets(network: SwarmNetwork, version: int) -> list[IpNetwork]:
    """Those that its user chose; a bridge's other one is from the engine's pool."""
    found = [ip_network(subnet, strict=False) for subnet in subnets(network)]
    pool = network.spec.get("PoolSubnet") and version == 4
    return [subnet for subnet in found if subnet.version == version and not pool]


def has_ipv6_subnet(network: SwarmNetwork) -> bool:
    """Whether it has one, if it is to have IPv6 addresses: engines choose none by themselves."""
    return not network.spec.get("EnableIPv6") or any(":" in subnet for subnet in subnets(network))
