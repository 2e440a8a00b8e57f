"""/swarm and /nodes: the swarm itself, and the machines in it.

Source: moby daemon/server/router/swarm, daemon/cluster/{swarm,nodes,listen_addr}.go.
"""

from __future__ import annotations

import ipaddress
from typing import Any

from swarmlab.engine import filters, schemas, specs, wire
from swarmlab.engine.request import Ask, find, must_be_free
from swarmlab.errors import BadParameter, EngineFault
from swarmlab.model import Cluster, Document, Node, freeze

PORT = 2377
AVAILABILITIES = ("", "active", "pause", "drain")


# -- parameters of init and join ------------------------------------------------------------------
def _address(ask: Ask, text: str, refusal: str, *, unspecified: bool = False) -> str:
    """`text` with an interface's name replaced by its address; refused when it is neither."""
    host, colon, port = text.partition(":") if text.count(":") < 2 else (text, "", "")
    host = "127.0.0.1" if host == "lo" else host
    try:
        valid = unspecified or not ipaddress.ip_address(host.strip("[]")).is_unspecified
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        valid = False
    if not valid or (colon and not port.isdigit()):
        raise BadParameter(refusal)
    return host + colon + port


def _addresses(ask: Ask, body: dict[str, Any]) -> dict[str, Any]:
    """The fields that init and join share, checked and filled in."""
    listen = body.get("ListenAddr") or f"0.0.0.0:{PORT}"
    wanted = {
        "ListenAddr": _address(
            ask, listen, "listen address must be an IP address or network interface (with optional"
            " port number)", unspecified=True),
    }  # fmt: skip
    if advertise := body.get("AdvertiseAddr"):
        wanted["AdvertiseAddr"] = _address(
            ask, advertise, "advertise address must be a non-zero IP address or network interface"
            " (with optional port number)")  # fmt: skip
    if data_path := body.get("DataPathAddr"):
        wanted["DataPathAddr"] = _address(
            ask, data_path, "data path address must be a non-zero IP address or network interface"
            " (without a port number)")  # fmt: skip
    availability = str(body.get("Availability") or "")
    if availability.lower() not in AVAILABILITIES:
        raise BadParameter(f'invalid Availability: "{availability}"')
    return {**wanted, "Availability": availability.lower() or "active"}


def _pools(body: dict[str, Any]) -> dict[str, Any]:
    """The address pools and the data path port. These refusals have no class in moby: 500."""
    size, port = body.get("SubnetSize") or 24, body.get("DataPathPort") or 4789
    if not 1024 <= port <= 49151:
        raise EngineFault(f"Datapath port number is not in valid range (1024-49151) : {port}")
    if not 0 < size <= 29:
        raise EngineFault(f"subnet size is out of range: {size}")
    pools = tuple(body.get("DefaultAddrPool") or ())
    for pool in pools:
        try:
            prefix = ipaddress.ip_network(pool).prefixlen
        except ValueError:
            raise EngineFault(f"invalid CIDR address: {pool}") from None
        if prefix > size:
            raise EngineFault(f'invalid CIDR: "{pool}". Subnet size is too small for pool: {size}')
    return {"DefaultAddrPool": pools, "SubnetSize": size, "DataPathPort": port}


# -- /swarm ---------------------------------------------------------------------------------------
def init(ask: Ask) -> str:
    body = ask.body()
    forced = bool(body.get("ForceNewCluster"))
    if not forced:
        must_be_free(ask.engine)
    sent = body.get("Spec") or {}
    spec = specs.swarm_spec(sent, merge=True)
    if forced:  # what was given is merged into the spec that there is
        spec = freeze(schemas.pruned(sent, schemas.SWARM, "Spec"))
    elif body.get("AutoLockManagers"):
        spec = spec.with_(EncryptionConfig={"AutoLockManagers": True})
    fields = {**_addresses(ask, body), **_pools(body), "ForceNewCluster": forced, "Spec": spec}
    return str(ask.wait(ask.engine.swarm_init(Document(fields))))


def join(ask: Ask) -> None:
    body = ask.body()
    must_be_free(ask.engine)
    remotes = body.get("RemoteAddrs") or ()
    if not remotes:
        raise BadParameter("at least 1 RemoteAddr is required to join")
    refusal = 'invalid remoteAddr "{}": must be an IP address (with optional port number)'
    addresses = [_address(ask, remote, refusal.format(remote)) for remote in remotes]
    fields = {
        **_addresses(ask, body),
        "RemoteAddrs": tuple(a if ":" in a else f"{a}:{PORT}" for a in addresses),
        "JoinToken": str(body.get("JoinToken") or ""),
    }
    ask.wait(ask.engine.swarm_join(Document(fields)))


def leave(ask: Ask) -> None:
    ask.wait(ask.engine.swarm_leave(ask.flag("force")))


def _cluster(ask: Ask) -> Cluster:
    ((cluster,),) = ask.read("cluster")
    return cluster  # type: ignore[no-any-return]


def inspect(ask: Ask) -> Any:
    return wire.swarm(_cluster(ask), ask.time)


def update(ask: Ask) -> None:
    """Every field that is absent becomes zero: clients read first and send all of it back."""
    spec = specs.swarm_spec(ask.body(), merge=False)
    version = ask.number("version", "swarm")
    rotations = ("rotateWorkerToken", "rotateManagerToken", "rotateManagerUnlockKey")
    ask.control("update_cluster", version, spec, *[ask.strict_flag(name) for name in rotations])


def unlock_key(ask: Ask) -> Any:
    return {"UnlockKey": _cluster(ask).unlock_key}


def unlock(ask: Ask) -> None:
    ask.wait(ask.engine.swarm_unlock(str(ask.body().get("UnlockKey") or "")))


# -- /nodes ---------------------------------------------------------------------------------------
def hostname(node: Node) -> str:
    return node.hostname


def find_node(ask: Ask, ref: str) -> Node:
    (nodes,) = ask.read("node")
    return find("node", ref, nodes, hostname)  # type: ignore[no-any-return]


def nodes(ask: Ask) -> Any:
    wanted = ask.filters(*filters.NODE)
    wanted.words("role", "worker", "manager").words("membership", "accepted", "pending")
    nodes, managers = ask.read("node", "manager")
    return [wire.node(node, managers, ask.time) for node in wanted.keep(nodes, filters.NODE)]


def node(ask: Ask, ref: str) -> Any:
    nodes, managers = ask.read("node", "manager")
    return wire.node(find("node", ref, nodes, hostname), managers, ask.time)


def update_node(ask: Ask, ref: str) -> None:
    spec, version = specs.node_spec(ask.body()), ask.number("version", "node")
    ask.control("update_node", find_node(ask, ref).id, version, spec)


def remove_node(ask: Ask, ref: str) -> None:
    ask.control("remove_node", find_node(ask, ref).id, ask.flag("force"))
