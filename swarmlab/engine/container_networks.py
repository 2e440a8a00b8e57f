"""A container's networks as `docker inspect` shows them; connecting to them and disconnecting.

Source: moby daemon/inspect.go, daemon/container_operations.go, libnetwork/endpoint_info.go.
"""

from __future__ import annotations

from hashlib import sha256
from ipaddress import ip_address
from typing import Any

from swarmlab.errors import BadParameter, Forbidden
from swarmlab.model import EMPTY, Document, SwarmNetwork
from swarmlab.network.data_path import DataPath
from swarmlab.network.endpoints import BUILTIN
from swarmlab.network.network_controller import requested
from swarmlab.worker.containers import Container

Json = dict[str, Any]


def endpoint_id(container_id: str, network_id: str) -> str:
    return sha256(f"{container_id} {network_id}".encode()).hexdigest()


def mac_address(address: str) -> str:
    """As bridges and overlays make it from the IPv4 address."""
    ip = address.partition("/")[0]
    packed = ip_address(ip).packed[-4:] if ip else b""
    return "02:42:" + ":".join(f"{byte:02x}" for byte in packed) if packed else ""


def settings(networks: DataPath, container: Container) -> Json:
    """Network -> `EndpointSettings`: those it is in, or while it is stopped, will be in."""
    own = networks.addresses.get(container.id, {})
    return {
        network.name if network is not None else name: _endpoint(
            container, asked, network, own, networks.gateway(network)
        )
        for name, asked in requested(container).items()
        for network in [networks.find(asked.get("NetworkID", "") or name)]
    }


def is_in(networks: DataPath, container: Container, ref: str) -> bool:
    """Whether the container is in the network of this name or id, or will be."""
    found = settings(networks, container).items()
    return any(ref in (name, endpoint["NetworkID"]) for name, endpoint in found)


def _endpoint(
    container: Container,
    asked: Document,
    network: SwarmNetwork | None,
    own: dict[str, str],
    gateway: str,
) -> Json:
    id = network.id if network is not None else ""
    address, joined = own.get(id, ""), id in own
    ip, _, prefix = address.partition("/")
    in_swarm = network is not None and network.spec.get("Scope") != "local"
    named = network is None or network.name not in BUILTIN
    names = [container.name, *asked.get("Aliases", ()), container.id[:12], container.hostname]
    return {
        "IPAMConfig": {"IPv4Address": ip} if joined and in_swarm else asked.get("IPAMConfig"),
        "Links": asked.get("Links"),
        "Aliases": asked.get("Aliases"),
        "MacAddress": asked.get("MacAddress") or mac_address(address),
        "DriverOpts": asked.get("DriverOpts"),
        "NetworkID": id if joined else "",
        "EndpointID": endpoint_id(container.id, id) if joined else "",
        "Gateway": gateway if joined else "",
        "IPAddress": ip,
        "IPPrefixLen": int(prefix or 0),
        "IPv6Gateway": "",
        "GlobalIPv6Address": "",
        "GlobalIPv6PrefixLen": 0,
        "DNSNames": list(dict.fromkeys(names)) if named else None,
    }


def network_settings(networks: DataPath, container: Container, ports: Json) -> Json:
    """`NetworkSettings` of an inspected container."""
    rows = settings(networks, container)
    default = rows.get("bridge", {})
    keys = ("EndpointID", "Gateway", "IPAddress", "IPPrefixLen", "MacAddress")
    zero = {"IPPrefixLen": 0}
    return {
        **{key: default.get(key, zero.get(key, "")) for key in keys},
        "Ports": ports,
        "Networks": rows,
    }


# -- connecting -----------------------------------------------------------------------------------
def check_settings(network: SwarmNetwork | None, name: str, asked: Document, prefix: str) -> None:
    """Refuse an address where the network's subnet is not the user's."""
    if not asked.at("IPAMConfig", "IPv4Address", default=""):
        return
    wrong = []
    if name in BUILTIN:
        wrong.append("user specified IP address is supported on user defined networks only")
    if network is not None and network.spec.get("PoolSubnet"):
        wrong.append(
            "user specified IP address is supported only when connecting to networks with user"
            " configured subnets"
        )
    if wrong:
        listed = wrong if len(wrong) == 1 else [f"* {text}" for text in wrong]
        raise BadParameter("\n".join([f"{prefix}invalid endpoint settings:", *listed]))


def check_create(networks: DataPath, config: Document) -> None:
    """Refuse the networks of a create request that cannot be joined."""
    asked = config.at("NetworkingConfig", "EndpointsConfig", default=EMPTY)
    for name, settings in asked.items():
        name = "bridge" if name == "default" else name
        prefix = f"invalid config for network {name}: "
        check_settings(networks.find(name), name, settings, prefix)


def check_connect(container: Container, name: str) -> None:
    """Refuse what cannot be connected to another network, as a container of the host's."""
    mode = container.host_config.get("NetworkMode") or "default"
    if mode == "host" or mode.startswith("container:"):
        raise Forbidden(
            "container sharing network namespace with another container or host cannot be connected"
            " to any other network"
        )
    if name == "host":
        raise Forbidden(
            "container cannot be disconnected from host network or connected to host network"
        )
    if "none" in (mode, name):
        raise Forbidden(
            "container cannot be connected to multiple networks with one of the networks"
            " in private (none) mode"
        )
    if name in requested(container):
        raise Forbidden(f"endpoint with name {container.name} already exists in network {name}")


def change(container: Container, networks: dict[str, Document]) -> None:
    """Store the networks that a container asks for from now on; it may be in none."""
    wanted = Document(EndpointsConfig=networks, Disconnected=not networks)
    container.config = container.config.with_(NetworkingConfig=wanted)
    container.save()
