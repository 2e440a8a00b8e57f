"""/networks and /volumes: the swarm's networks and this engine's own, in one list.

Source: moby daemon/server/router/network, daemon/cluster/networks.go, daemon/network.go.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import Any

from swarmlab.engine import locals as own
from swarmlab.engine import schemas, wire
from swarmlab.engine.filters import Filters, Test, labelled
from swarmlab.engine.request import NOT_IN_SWARM, Ask
from swarmlab.errors import (
    BadParameter,
    Conflict,
    EngineFault,
    FailedPrecondition,
    Forbidden,
    NoSuchObject,
)
from swarmlab.model import EMPTY, Document, freeze

Json = dict[str, Any]
PREDEFINED = "com.docker.swarm.predefined"
NETWORK = {
    **dict.fromkeys(("Name", "Driver", "Scope"), schemas.TEXT),
    **dict.fromkeys(("Internal", "Attachable", "Ingress", "ConfigOnly"), schemas.FLAG),
    **dict.fromkeys(("EnableIPv4", "EnableIPv6"), schemas.FLAG_KEPT),
    **dict.fromkeys(("Options", "Labels"), schemas.WORDS),
    "IPAM": {"Driver": schemas.TEXT, "Options": schemas.WORDS, "Config": [schemas.WORDS]},
}


# -- finding --------------------------------------------------------------------------------------
def _own(ask: Ask, network: Document) -> Json:
    """One of this engine's own networks, as the API shows it."""
    return {
        "Scope": "local",
        "EnableIPv4": True,
        "EnableIPv6": False,
        **dict.fromkeys(("Internal", "Attachable", "Ingress", "ConfigOnly"), False),
        "ConfigFrom": {"Network": ""},
        "Containers": {},
        "Options": {},
        **{key: value for key, value in network.items() if key != "created_ns"},
        "Created": ask.time(network["created_ns"]),
    }


def _all(ask: Ask, scope: str = "") -> list[Json]:
    """Swarm networks where this node may know them, then its own."""
    found: list[Json] = []
    if scope in ("", "swarm") and ask.engine.is_manager:
        (networks,) = ask.read("network")
        shown = [n for n in networks if PREDEFINED not in (n.spec.get("Labels") or {})]
        found += [wire.network(network, ask.time) for network in shown]
    if scope in ("", "local"):
        found += [_own(ask, network) for network in ask.engine.locals.networks.values()]
    return found


def _find(ask: Ask, ref: str, scope: str = "", *, deleting: bool = False) -> Json:
    networks = _all(ask, scope)
    for found, basis in (
        ([n for n in networks if n["Id"] == ref], "ID"),
        ([n for n in networks if n["Name"] == ref], "name"),
        ([n for n in networks if ref and n["Id"].startswith(ref)], "ID prefix"),
    ):
        if len(found) > 1:
            count = f"{len(found)} matches found based on {basis}"
            what = f"network {ref} is ambiguous"
            raise BadParameter(f"{what} ({count})" if deleting else f"{count}: {what}")
        if found:
            return found[0]
    raise NoSuchObject(f"network {ref} not found")


def network_resolver(ask: Ask) -> Callable[[str], str]:
    """From what a service's spec calls a network to its id; the engine's own are refused."""

    def resolve(ref: str) -> str:
        (networks,) = ask.read("network")
        by_name = [n.id for n in networks if ref in (n.id, n.name)]
        found = by_name or [n.id for n in networks if ref and n.id.startswith(ref)]
        if len(found) > 1:
            raise BadParameter(f"network {ref} is ambiguous ({len(found)} matches found)")
        if found:
            return str(found[0])
        if ref in own.BUILTIN:
            return ref
        if any(ref in (n["Name"], n["Id"]) for n in _all(ask, "local")):
            raise Forbidden(
                f"The network {ref} cannot be used with services. Only networks scoped to the swarm"
                " can be used, such as those created with the overlay driver."
            )
        raise EngineFault(f"network {ref} not found")

    return resolve


# -- the API --------------------------------------------------------------------------------------
def _field(name: str) -> Test:
    return lambda network, value: bool(network[name] == value)


TESTS: dict[str, Test] = {
    "driver": _field("Driver"),
    "scope": _field("Scope"),
    "id": lambda network, value: value in network["Id"],
    "name": lambda network, value: re.search(value, network["Name"]) is not None,
    "label": labelled(lambda network: network["Labels"] or {}),
    "type": lambda network, value: (value == "builtin") == (network["Name"] in own.BUILTIN),
    "dangling": lambda network, value: True,
}


def networks(ask: Ask) -> Any:
    wanted = ask.filters(*TESTS)
    try:
        return wanted.keep(_all(ask), TESTS)
    except re.error:
        raise BadParameter("invalid filter 'name'") from None


def network(ask: Ask, ref: str) -> Any:
    return _find(ask, ref, ask.text("scope"))


def create(ask: Ask) -> Any:
    body = ask.body()
    spec: Json = {"Driver": "bridge", **schemas.pruned(body, NETWORK, "NetworkCreate")}
    name, engine = spec.get("Name", ""), ask.engine
    swarm = "overlay" in (spec["Driver"],) or spec.get("Scope") == "swarm"
    _check(spec, name)
    if swarm and not engine.is_manager:
        raise Forbidden(
            NOT_IN_SWARM
            if engine.swarm_state == "inactive"
            else "Cannot create a multi-host network from a worker node. Please create the network"
            " from a manager node."
        )
    if any(network["Name"] == name for network in _all(ask)):
        raise Conflict(f"network with name {name} already exists")
    if swarm:
        id = ask.control("create_network", Document({k: freeze(v) for k, v in spec.items()})).id
    else:
        simulation = engine.machine.simulation
        id = simulation.random_bytes(32).hex()
        fields = {k: freeze(v) for k, v in spec.items() if k not in ("Name", "Driver")}
        fields = {"Labels": EMPTY, "IPAM": Document(Driver="default", Config=()), **fields}
        made = own.network(id, name, spec["Driver"], simulation.now_ns, **fields)
        engine.locals.networks[id] = made
    return {"Id": id, "Warning": ""}


def _check(spec: Json, name: str) -> None:
    if not name:
        raise BadParameter("invalid network name: name is empty")
    if name in own.BUILTIN:
        raise Forbidden(f"{name} is a pre-defined network and cannot be created")
    if PREDEFINED in spec.get("Labels", {}):
        raise Forbidden(
            f"label {PREDEFINED} is for internally created predefined networks and cannot be"
            " applied by users"
        )
    for config in spec.get("IPAM", {}).get("Config", ()):
        subnet = config.get("Subnet", "")
        try:
            network = ipaddress.ip_network(subnet)
        except ValueError:
            raise BadParameter(f"ipam configuration: invalid subnet {subnet}") from None
        for key, parse in (("IPRange", ipaddress.ip_network), ("Gateway", ipaddress.ip_address)):
            what, value = key.removeprefix("IP").lower(), config.get(key)
            if not value:
                continue
            try:
                inside = ipaddress.ip_network(parse(value)).subnet_of(network)  # type: ignore
            except (ValueError, TypeError):
                raise BadParameter(f"ipam configuration: invalid {what} {value}") from None
            if not inside:
                text = f"subnet {subnet} does not contain {what} {value}"
                raise BadParameter(f"ipam configuration: {text}")


def remove(ask: Ask, ref: str) -> None:
    network = _find(ask, ref, deleting=True)
    if network["Name"] in own.BUILTIN:
        raise Forbidden(f"{network['Name']} is a pre-defined network and cannot be removed")
    if network["Scope"] == "swarm":
        ask.control("remove_network", network["Id"])
    else:
        del ask.engine.locals.networks[network["Id"]]


def prune(ask: Ask) -> Any:
    """Remove what nothing uses, as far as the swarm lets us."""
    deleted = []
    for network in Filters.parse(ask.text("filters"), TESTS).keep(_all(ask), TESTS):
        if network["Name"] in own.BUILTIN or network["Ingress"]:
            continue
        try:
            remove(ask, network["Id"])
        except FailedPrecondition:
            continue
        deleted.append(network["Name"])
    return {"NetworksDeleted": deleted}


# -- volumes --------------------------------------------------------------------------------------
def volumes(ask: Ask) -> Any:
    wanted = ask.filters("name", "label", "driver", "dangling")
    tests: dict[str, Test] = {"name": lambda v, value: value in v["Name"]}
    return {"Volumes": wanted.keep(ask.engine.locals.volumes.values(), tests), "Warnings": None}


def create_volume(ask: Ask) -> Any:
    body, simulation = ask.body(), ask.engine.machine.simulation
    name = body.get("Name") or simulation.random_bytes(32).hex()
    fields = {
        "Name": name,
        "Driver": body.get("Driver") or "local",
        "Mountpoint": f"/var/lib/docker/volumes/{name}/_data",
        "CreatedAt": ask.time(simulation.now_ns),
        "Labels": body.get("Labels"),
        "Options": body.get("DriverOpts"),
        "Scope": "local",
    }
    return ask.engine.locals.volumes.setdefault(name, Document(freeze(fields)))


def volume(ask: Ask, ref: str) -> Any:
    if ref not in ask.engine.locals.volumes:
        raise NoSuchObject(f"get {ref}: no such volume")
    return ask.engine.locals.volumes[ref]


def remove_volume(ask: Ask, ref: str) -> None:
    if not ask.flag("force"):
        volume(ask, ref)
    ask.engine.locals.volumes.pop(ref, None)
