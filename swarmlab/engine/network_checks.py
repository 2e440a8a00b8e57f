"""What is wrong with a request to create a network, in Docker's words.

Source: moby api/types/network/ipam.go (ValidateIPAM), daemon/network.go.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_interface, ip_network
from typing import Any

from swarmlab.errors import BadParameter, Forbidden, InvalidArgument, NoSuchObject
from swarmlab.network.addresses import IpNetwork, address_of
from swarmlab.network.endpoints import BUILTIN

PREDEFINED = "com.docker.swarm.predefined"
DRIVERS = ("bridge", "overlay", "ipvlan", "macvlan", "host", "null")


def check(spec: dict[str, Any]) -> None:
    """Refuse the body of `POST /networks/create` where the engine itself does."""
    name, driver, scope = spec.get("Name", ""), spec["Driver"], spec.get("Scope", "")
    if not name:
        raise BadParameter("invalid network name: name is empty")
    if name in BUILTIN:
        raise Forbidden(f"{name} is a pre-defined network and cannot be created")
    if PREDEFINED in spec.get("Labels", {}):
        raise Forbidden(
            f"label {PREDEFINED} is for internally created predefined networks and cannot be"
            " applied by users"
        )
    configs = spec.get("IPAM", {}).get("Config") or ()
    wrong = [text for config in configs for text in _wrong(config)]
    if wrong:
        listed = wrong if len(wrong) == 1 else [f"* {text}" for text in wrong]
        raise BadParameter("\n".join(["invalid network config:", *listed]))
    if driver in ("host", "null") and not spec.get("ConfigOnly"):
        raise Forbidden(f'only one instance of "{driver}" network is allowed')
    if driver not in DRIVERS:
        raise NoSuchObject(f'plugin "{driver}" not found')
    overlay = driver == "overlay"
    if spec.get("Ingress") and not overlay and scope != "swarm":
        raise Forbidden("Ingress network can only be global scope network")
    if overlay and scope == "local":
        raise Forbidden("cannot downgrade network scope for overlay networks")
    ipam = spec.get("IPAM", {}).get("Driver") or "default"
    if ipam not in ("default", "null"):
        if overlay:
            raise InvalidArgument(f"error during lookup of plugin {ipam}")
        raise NoSuchObject(f'plugin "{ipam}" not found')


def _wrong(config: dict[str, Any]) -> Iterator[str]:
    """What is wrong with one subnet, its range, its gateway and its other addresses."""
    text = config.get("Subnet", "")
    subnet = _block(text)
    if subnet is None:
        yield f"invalid subnet {text}: invalid CIDR block notation"
        return
    if ip_interface(text).ip != subnet.network_address:
        yield f"invalid subnet {text}: it should be {subnet}"
    family = f"an IPv{subnet.version} block"
    part = config.get("IPRange", "")
    range = _block(part)
    if part and range is None:
        yield f"invalid ip-range {part}: invalid CIDR block notation"
    elif range is not None and range.version != subnet.version:
        yield f"invalid ip-range {part}: parent subnet is {family}"
    elif range is not None:
        if range.prefixlen < subnet.prefixlen:
            yield f"invalid ip-range {part}: CIDR block is bigger than its parent subnet {subnet}"
        if ip_interface(part).ip != range.network_address:
            yield f"invalid ip-range {part}: it should be {range}"
        if not subnet.overlaps(range):
            yield f"invalid ip-range {part}: parent subnet {subnet} doesn't contain ip-range"
    gateway, auxiliary = config.get("Gateway"), config.get("AuxiliaryAddresses") or {}
    named = {f"invalid gateway {gateway}": gateway}
    named |= {f"invalid auxiliary address {name}": auxiliary[name] for name in auxiliary}
    for what, address in named.items():
        if address:
            yield from _wrong_address(what, address, subnet, family)


def _wrong_address(what: str, text: str, subnet: IpNetwork, family: str) -> Iterator[str]:
    address = address_of(text)
    if address is None:
        yield f"{what}: invalid address"
    elif address.version != subnet.version:
        yield f"{what}: parent subnet is {family}"
    elif address not in subnet:
        yield f"{what}: parent subnet {subnet} doesn't contain this address"


def _block(text: str) -> IpNetwork | None:
    """A subnet in CIDR notation; None: it is none."""
    try:
        return ip_network(text, strict=False) if "/" in text else None
    except ValueError:
        return None
