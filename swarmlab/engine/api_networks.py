"""/networks: the networks of the swarm and of this engine.

Source: moby daemon/server/router/network, daemon/cluster/networks.go, daemon/network.go.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from swarmlab.engine import container_networks, filters, wire
from swarmlab.engine.api_usage import pruned_event, until_ns
from swarmlab.engine.network_checks import check
from swarmlab.engine.request import ApiRequest
from swarmlab.errors import (
    NOT_IN_SWARM,
    BadParameter,
    Conflict,
    EngineFault,
    Forbidden,
    ManagerRefusal,
    NoSuchObject,
)
from swarmlab.manager.store import matching
from swarmlab.model import EMPTY, Document, SwarmNetwork, freeze
from swarmlab.model.messages import CreateNetwork, RemoveNetwork
from swarmlab.network.endpoints import BUILTIN, GATEWAY_BRIDGE, LOAD_BALANCER
from swarmlab.network.network_controller import requested
from swarmlab.simulation import Call
from swarmlab.worker.containers import Container

TESTS: dict[str, filters.Test] = {
    "driver": lambda network, value: bool(network["Driver"] == value),
    "scope": lambda network, value: bool(network["Scope"] == value),
    "id": lambda network, value: value in network["Id"],
    "name": filters.named(lambda network: network["Name"]),
    "label": filters.labelled(lambda network: network["Labels"]),
    "type": lambda network, value: (value == "builtin") == (network["Name"] in BUILTIN),
}
PRUNE_TESTS = {"label": TESTS["label"], "label!": lambda row, label: not TESTS["label"](row, label)}


# -- look-up --------------------------------------------------------------------------------------
def _all(request: ApiRequest, scope: str = "") -> list[SwarmNetwork]:
    """The swarm's networks, on a worker those that it is attached to, and the engine's own."""
    networks: list[SwarmNetwork] = []
    if scope in ("", "swarm") and request.engine.is_manager:
        networks += request.list(SwarmNetwork)[0]
    elif scope in ("", "swarm"):
        networks += request.engine.network.overlays.values()
    if scope in ("", "local"):
        networks += request.engine.network.local.values()
    return networks


def _find(
    request: ApiRequest, ref: str, scope: str = "", *, deleting: bool = False
) -> SwarmNetwork:
    matches, basis = matching(ref, _all(request, scope))
    if len(matches) > 1:
        count = f"{len(matches)} matches found based on {basis}"
        error = f"network {ref} is ambiguous"
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


def _row(request: ApiRequest, network: SwarmNetwork, *, verbose: bool = False) -> dict[str, Any]:
    """A network as JSON; with its containers and peers if this node is in it."""
    networks = request.engine.network
    row = wire.network(network, request.time)
    if network.id in networks.local or network.id in networks.overlays:
        row["Containers"] = dict(_containers(request, network))
    if network.id in networks.overlays:
        row["Labels"] = row["Labels"] or {}
        nodes = sorted([request.engine.name, *networks.db.peers(network.id)])
        machines = request.engine.machine.network.machines
        names = [sha256(f"{network.id} {node}".encode()).hexdigest()[:12] for node in nodes]
        row["Peers"] = [
            {"Name": name, "IP": machines[node].address}
            for name, node in zip(names, nodes, strict=True)
        ]
        row |= {"Services": _services(request, network.id)} if verbose else {}
    return row


def _containers(request: ApiRequest, network: SwarmNetwork) -> Any:
    """(id, row) of each container in it on this node, and of the node's load balancer."""
    networks, containers = request.engine.network, request.engine.containers
    ingress = network.spec.get("Ingress")
    rows = [
        (id, id, containers.get(id).name, address, _mac(containers.get(id), network))
        for id, address in networks.containers_in(network.id).items()
    ]
    if network.id in networks.load_balancers:
        id, name = "ingress-sbox" if ingress else f"lb-{network.name}", f"{network.name}-endpoint"
        rows.append((id, LOAD_BALANCER, name, networks.load_balancers[network.id], ""))
    for id, holder, name, address, mac in rows:
        row = {
            "Name": name,
            "EndpointID": container_networks.endpoint_id(id, network.id),
            "MacAddress": container_networks.mac_address(address, mac),
            "IPv4Address": address,
            "IPv6Address": networks.addresses6.get(holder, {}).get(network.id, ""),
        }
        yield id, row


def _mac(container: Container, network: SwarmNetwork) -> str:
    """The MAC address that it asks for."""
    return str((requested(container).get(network.name) or EMPTY).get("MacAddress") or "")


def _services(request: ApiRequest, network_id: str) -> dict[str, Any]:
    """The services in a network, and their tasks, as this node knows them from gossip."""
    machines, services = request.engine.machine.network.machines, dict[str, Any]()
    for endpoint in request.engine.network.db.values(network_id):
        ports = [f"Target: {target}, Publish: {port}" for port, target in endpoint.ports]
        empty = {
            "VIP": endpoint.virtual_ip or "<nil>",
            "Ports": ports,
            "LocalLBIndex": 0,
            "Tasks": [],
        }
        task = {
            "Name": endpoint.names[0],
            "EndpointID": container_networks.endpoint_id(endpoint.container, network_id),
            "EndpointIP": endpoint.address,
            "Info": {"Host IP": machines[endpoint.node].address},
        }
        services.setdefault(endpoint.service, empty)["Tasks"].append(task)
    return services


# -- the API --------------------------------------------------------------------------------------
def networks(request: ApiRequest) -> Any:
    criteria, found = request.filters((*TESTS, "dangling")), _all(request)
    if "dangling" in criteria:
        used = {id for own in request.engine.network.addresses.values() for id in own}
        wanted = "true" in criteria["dangling"] or "1" in criteria["dangling"]
        found = [n for n in found if (n.id not in used and n.name not in BUILTIN) == wanted]
    rows = [wire.network(network, request.time) for network in found]
    return criteria.keep(rows, TESTS)


def network(request: ApiRequest, ref: str) -> Any:
    found = _find(request, ref, request.query("scope"))
    return _row(request, found, verbose=request.query("verbose"))


def create(request: ApiRequest) -> Any:
    spec = {"Driver": "bridge", **request.body()}
    name = spec.get("Name", "")
    swarm = spec["Driver"] == "overlay" or spec.get("Scope") == "swarm"
    check(spec)
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
        id = request.engine.network.create(**freeze(spec)).id
    return {"Id": id, "Warning": ""}


def remove(request: ApiRequest, ref: str) -> None:
    network, own = _find(request, ref, deleting=True), request.engine.network
    if network.name in BUILTIN:
        raise Forbidden(f"{network.name} is a pre-defined network and cannot be removed")
    if network.id not in own.local:
        request.control(RemoveNetwork(network.id))
    elif own.containers_in(network.id) or (network.name == GATEWAY_BRIDGE and own.overlays):
        which = f"network {network.name} id {network.id}"
        raise Forbidden(f"error while removing network: {which} has active endpoints")
    else:
        own.remove(network)


def connect(request: ApiRequest, ref: str) -> None:
    """Connect a container to a network, now or when it starts."""
    body, engine = freeze(request.body()), request.engine
    container = engine.containers.get(body.get("Container", ""))
    network = engine.network.find(ref)
    name = network.name if network is not None else ref
    settings = body.get("EndpointConfig") or EMPTY
    container_networks.check_settings(network, name, settings, "")
    container_networks.check_connect(container, name)
    before = requested(container)
    container_networks.change(container, {**before, name: settings})
    if container.running:
        joined = engine.network.connect_to(container, name)
        joined.then(_undo, container, before)
        request.wait(joined)


def _undo(joined: Call, container: Container, before: dict[str, Document]) -> None:
    if joined.error is not None:
        container_networks.change(container, before)


def disconnect(request: ApiRequest, ref: str) -> None:
    body, engine = request.body(), request.engine
    container = engine.containers.get(body.get("Container", ""))
    network = engine.network.find(ref)
    name = network.name if network is not None else ref
    networks = requested(container)
    if name not in networks:
        raise Forbidden(f"container {container.id} is not connected to network {name}")
    del networks[name]
    container_networks.change(container, networks)
    if network is not None:
        engine.network.disconnect(container.id, network.id)
        if container.running:  # an engine reports it once more
            engine.network.report("disconnect", network, container=container.id)


def prune(request: ApiRequest) -> Any:
    """Remove the networks that nothing uses: the swarm's first, if this is a manager."""
    criteria, own = request.filters((*PRUNE_TESTS, "until")), request.engine.network
    end_ns, deleted = until_ns(request, criteria), []
    for network in _all(request):
        local = network.id in own.local
        kept = any(network.spec.get(flag) for flag in ("Ingress", "ConfigOnly"))
        kept = kept or network.name in BUILTIN
        used = own.containers_in(network.id) or network.name == GATEWAY_BRIDGE
        used = used or network.created_ns > end_ns
        if kept or used or not criteria.keep([wire.network(network, request.time)], PRUNE_TESTS):
            continue
        try:
            own.remove(network) if local else request.control(RemoveNetwork(network.id))
        except ManagerRefusal:
            continue  # a service or a task uses it
        deleted.append(network.name)
    pruned_event(request, "network")
    return {"NetworksDeleted": deleted or None}
