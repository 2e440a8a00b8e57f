"""A container's networks as `docker inspect` shows them; connecting to them and disconnecting.

Source: moby daemon/inspect.go, daemon/container_operations.go, libnetwork/endpoint_info.go.
"""

from __future__ import annotations

import re
from hashlib import sha256
from ipaddress import ip_address
from typing import Any

from swarmlab.errors import BadParameter, Forbidden
from swarmlab.model import EMPTY, Document, SwarmNetwork
from swarmlab.network.addresses import address_of
from swarmlab.network.data_path import DataPath
from swarmlab.network.endpoints import BUILTIN, user_subnets
from swarmlab.network.network_controller import requested
from swarmlab.worker.containers import Container

Json = dict[str, Any]
# Six bytes or eight. Source: Go's net.ParseMAC.
MAC = re.compile(
    r"(?i)[0-9a-f]{2}([:-])[0-9a-f]{2}(?:\1[0-9a-f]{2}){4}(?:(?:\1[0-9a-f]{2}){2})?"
    r"|[0-9a-f]{4}(?:\.[0-9a-f]{4}){2,3}"
)


def endpoint_id(container_id: str, network_id: str) -> str:
    return sha256(f"{container_id} {network_id}".encode()).hexdigest()


def mac_address(address: str, asked: str) -> str:
    """The one that was asked for, or as bridges and overlays make it from the IPv4 address."""
    if asked:
        return ":".join(re.findall("..", re.sub("[^0-9a-f]", "", asked.lower())))
    ip = address.partition("/")[0]
    packed = ip_address(ip).packed[-4:] if ip else b""
    return "02:42:" + ":".join(f"{byte:02x}" for byte in packed) if packed else ""


def settings(networks: DataPath, container: Container) -> Json:
    """Network -> `EndpointSettings`: those it is in, or while it is stopped, will be in."""
    rows = {}
    for name, asked in requested(container).items():
        network = networks.find(asked.get("NetworkID", "") or name)
        row = _endpoint(networks, container, asked, network)
        rows[network.name if network is not None else name] = row
    return rows


def is_in(networks: DataPath, container: Container, ref: str) -> bool:
    """Whether the container is in the network of this name or id, or will be."""
    found = settings(networks, container).items()
    return any(ref in (name, endpoint["NetworkID"]) for name, endpoint in found)


def _endpoint(
    networks: DataPath, container: Container, asked: Document, network: SwarmNetwork | None
) -> Json:
    id = network.id if network is not None else ""
    own = networks.addresses.get(container.id, {})
    address, joined = own.get(id, ""), id in own
    ip, _, prefix = address.partition("/")
    ip6, _, prefix6 = networks.addresses6.get(container.id, {}).get(id, "").partition("/")
    in_swarm = network is not None and network.spec.get("Scope") != "local"
    named = network is None or network.name not in BUILTIN
    names = [container.name, *asked.get("Aliases", ()), container.id[:12], container.hostname]
    given = {"IPv4Address": ip} if joined and in_swarm else None
    mac = asked.get("MacAddress", "") if container.started_ns is None else ""
    return {
        "IPAMConfig": asked.get("IPAMConfig") or given,
        "Links": asked.get("Links"),
        "Aliases": asked.get("Aliases"),
        "MacAddress": mac_address(address, asked.get("MacAddress", "")) if joined else mac,
        "DriverOpts": asked.get("DriverOpts"),
        "NetworkID": id if joined else "",
        "EndpointID": endpoint_id(container.id, id) if joined else "",
        "Gateway": networks.pools.gateway(network) if joined else "",
        "IPAddress": ip,
        "IPPrefixLen": int(prefix or 0),
        "IPv6Gateway": networks.pools.gateway(network, 6) if joined else "",
        "GlobalIPv6Address": ip6,
        "GlobalIPv6PrefixLen": int(prefix6 or 0),
        "DNSNames": list(dict.fromkeys(names)) if named else None,
    }


def network_settings(networks: DataPath, container: Container, ports: Json) -> Json:
    """`NetworkSettings` of an inspected container."""
    rows = settings(networks, container)
    default = rows.get("bridge", {})
    keys = ("EndpointID", "Gateway", "IPAddress", "IPPrefixLen", "MacAddress",
            "IPv6Gateway", "GlobalIPv6Address", "GlobalIPv6PrefixLen")  # fmt: skip
    zero = {"IPPrefixLen": 0, "GlobalIPv6PrefixLen": 0}
    return {
        **{key: default.get(key, zero.get(key, "")) for key in keys},
        "Ports": ports,
        "Networks": rows,
    }


# -- connecting -----------------------------------------------------------------------------------
def check_settings(network: SwarmNetwork | None, name: str, asked: Document, prefix: str) -> None:
    """Refuse what is no address, and one that is in no subnet of the user's."""
    mac, wrong = asked.get("MacAddress") or "", list[str]()
    if mac and not MAC.fullmatch(mac):
        raise BadParameter(f"{prefix}invalid MAC address {mac}")
    wished = {v: asked.at("IPAMConfig", f"IPv{v}Address", default="") for v in (4, 6)}
    if name in BUILTIN and any(wished.values()):
        wrong.append("user specified IP address is supported on user defined networks only")
    parsed = {version: address_of(text) for version, text in wished.items() if text}
    for version, address in parsed.items():
        if address is None or address.version != version:
            wrong.append(f"invalid IPv{version} address: {wished[version]}")
    for version, address in parsed.items():
        subnets = user_subnets(network, version) if network is not None else ()
        if network is not None and not subnets:
            wrong.append(
                "user specified IP address is supported only when connecting to networks with user"
                " configured subnets"
            )
        elif subnets and not any(address in subnet for subnet in subnets if address):
            what = "no configured subnet or ip-range contain the IP address"
            wrong.append(f"{what} {wished[version]}")
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


def with_mac_address(config: Document) -> Document:
    """A create request whose own MAC address is that of its main network, too."""
    mode = config.at("HostConfig", "NetworkMode", default="") or "default"
    main = "bridge" if mode == "default" else mode
    asked = config.at("NetworkingConfig", "EndpointsConfig", default=EMPTY)
    settings = asked.get(main) or EMPTY
    mac = settings.get("MacAddress") or config.get("MacAddress")
    if not mac or mode in ("host", "none") or mode.startswith("container:"):
        return config.with_(MacAddress=None)
    endpoints = asked.with_(**{main: settings.with_(MacAddress=mac)})
    networks = (config.get("NetworkingConfig") or EMPTY).with_(EndpointsConfig=endpoints)
    return config.with_(MacAddress=mac, NetworkingConfig=networks)


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
