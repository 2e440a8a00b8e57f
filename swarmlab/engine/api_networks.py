"""/networks: the networks of the swarm and of this engine.

Source: moby daemon/server/router/network, daemon/cluster/networks.go, daemon/network.go.
"""

from __future__ import annotations

import ipaddress
from typing import Any

from swarmlab.engine import filters, wire
from swarmlab.engine.local_resources import BUILTIN, IPAM
from swarmlab.engine.request import ApiRequest
from swarmlab.errors import (
    NOT_IN_SWARM,
    BadParameter,
    Conflict,
    EngineFault,
    Forbidden,
    NoSuchObject,
)
from swarmlab.manager.store import matching
from swarmlab.model import EMPTY, Document, SwarmNetwork, freeze
from swarmlab.model.messages import CreateNetwork, RemoveNetwork

PREDEFINED = "com.docker.swarm.predefined"
TESTS: dict[str, filters.Test] = {
    "driver": lambda network, value: bool(network["Driver"] == value),
    "scope": lambda network, value: bool(network["Scope"] == value),
    "id": lambda network, value: value in network["Id"],
    "name": filters.named(lambda network: network["Name"]),
    "label": filters.labelled(lambda network: network["Labels"]),
    "type": lambda network, value: (value == "builtin") == (network["Name"] in BUILTIN),
    "dangling": lambda network, value: True,
}


# -- look-up --------------------------------------------------------------------------------------
def _all(request: ApiRequest, scope: str = "") -> list[SwarmNetwork]:
    """The swarm's networks, if this is a manager, then the engine's own."""
    networks: list[SwarmNetwork] = []
    if scope in ("", "swarm") and request.engine.is_manager:
        networks += request.list(SwarmNetwork)[0]
    if scope in ("", "local"):
        networks += request.engine.local_resources.networks.values()
    return networks


def _find(
    request: ApiRequest, ref: str, scope: str = "", *, deleting: bool = False
) -> SwarmNetwork:
    matches, basis = matching(ref, _all(request, scope))
    if len(matches) > 1:
        count, error = (
            f"{len(matches)} matches found based on {basis}",
            f"network {ref} is ambiguous",
        )
        raise BadParameter(f"{error} ({count})" if deleting else f"{count}: {error}")
    if not matches:
        raise NoSuchObject(f"network {ref} not found")
    return matches[0]


def resolve(request: ApiRequest, ref: str) -> str:
    """The id of a network that a service's spec refers to; the engine's own are refused."""
    try:
        return request.get(SwarmNetwork, ref).id
    except NoSuchObject as error:
        if ref in BUILTIN:
            return ref
        if matching(ref, _all(request, "local"))[0]:
            raise Forbidden(
                f"The network {ref} cannot be used with services. Only networks scoped to the swarm"
                " can be used, such as those created with the overlay driver."
            ) from None
        raise EngineFault(str(error)) from None


# -- the API --------------------------------------------------------------------------------------
def networks(request: ApiRequest) -> Any:
    rows = [wire.network(network, request.time) for network in _all(request)]
    return request.filters(TESTS).keep(rows, TESTS)


def network(request: ApiRequest, ref: str) -> Any:
    return wire.network(_find(request, ref, request.query("scope")), request.time)


def create(request: ApiRequest) -> Any:
    spec = {"Driver": "bridge", **request.body()}
    name, simulation = spec.get("Name", ""), request.engine.machine.simulation
    swarm = spec["Driver"] == "overlay" or spec.get("Scope") == "swarm"
    _check_spec(spec, name)
    if swarm and not request.engine.is_manager:
        raise Forbidden(
            NOT_IN_SWARM
            if request.engine.swarm_state == "inactive"
            else "Cannot create a multi-host network from a worker node. Please create the network"
            " from a manager node."
        )
    if any(network.name == name for network in _all(request)):
        raise Conflict(f"network with name {name} already exists")
    if swarm:
        id = request.control(CreateNetwork(Document(freeze({**spec, "Scope": "swarm"}))))
    else:
        spec = {"Labels": EMPTY, "IPAM": IPAM, **spec, "Scope": "local"}
        id, now_ns = simulation.random_bytes(32).hex(), simulation.now_ns
        network = SwarmNetwork(id=id, spec=Document(freeze(spec)), created_ns=now_ns)
        request.engine.local_resources.networks[id] = network
    return {"Id": id, "Warning": ""}


def _check_spec(spec: dict[str, Any], name: str) -> None:
    if not name:
        raise BadParameter("invalid network name: name is empty")
    if name in BUILTIN:
        raise Forbidden(f"{name} is a pre-defined network and cannot be created")
    if PREDEFINED in spec.get("Labels", {}):
        raise Forbidden(
            f"label {PREDEFINED} is for internally created predefined networks and cannot be"
            " applied by users"
        )
    for config in spec.get("IPAM", {}).get("Config", ()):
        subnet = config.get("Subnet", "")
        network = _network("subnet", subnet)
        for name, key in (("range", "IPRange"), ("gateway", "Gateway")):
            part = config.get(key)
            if part and not network.supernet_of(_network(name, part)):
                error = f"subnet {subnet} does not contain {name} {part}"
                raise BadParameter(f"ipam configuration: {error}")


def _network(name: str, text: str) -> ipaddress.IPv4Network:
    try:
        return ipaddress.IPv4Network(text)
    except ValueError:
        raise BadParameter(f"ipam configuration: invalid {name} {text}") from None


def remove(request: ApiRequest, ref: str) -> None:
    network = _find(request, ref, deleting=True)
    if network.name in BUILTIN:
        raise Forbidden(f"{network.name} is a pre-defined network and cannot be removed")
    if request.engine.local_resources.networks.pop(network.id, None) is None:
        request.control(RemoveNetwork(network.id))
