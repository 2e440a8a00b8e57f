"""/swarm: create, join, leave, inspect and update the swarm.

Source: moby daemon/server/router/swarm, daemon/cluster/{swarm,listen_addr}.go.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Any

from swarmlab.engine import specs, wire
from swarmlab.engine.request import ROTATIONS, ApiRequest
from swarmlab.errors import BadParameter, EngineFault, NotAvailable
from swarmlab.model import Availability, Cluster, Document, freeze
from swarmlab.model.messages import UpdateCluster

Json = dict[str, Any]
PORT = 2377
ADDRESSES = {  # field -> the error when its value is not an address
    "ListenAddr": "listen address must be an IP address or network interface (with optional port"
    " number)",
    "AdvertiseAddr": "advertise address must be a non-zero IP address or network interface (with"
    " optional port number)",
    "DataPathAddr": "data path address must be a non-zero IP address or network interface (without"
    " a port number)",
}


# -- parameters of init and join ------------------------------------------------------------------
def _address(text: str, error: str, *, unspecified: bool = False) -> str:
    """`text` with the name of an interface replaced by its address; `error` if it is neither."""
    host, colon, port = text.partition(":") if text.count(":") < 2 else (text, "", "")
    host = "127.0.0.1" if host == "lo" else host
    try:
        zero = ipaddress.ip_address(host.strip("[]")).is_unspecified
    except ValueError:
        raise BadParameter(error) from None
    if (zero and not unspecified) or (colon and not re.fullmatch("[0-9]{1,5}", port)):
        raise BadParameter(error)
    return host + colon + port


def _common_fields(body: Json) -> Json:
    """The fields that init and join have in common, checked and filled in."""
    fields = {"ListenAddr": f"0.0.0.0:{PORT}", **body}
    for field, error in ADDRESSES.items():
        if field in fields:
            unspecified = field == "ListenAddr"
            fields[field] = _address(fields[field], error, unspecified=unspecified)
    fields["Availability"] = fields.get("Availability", "active").lower()
    if fields["Availability"] not in tuple(Availability):
        raise BadParameter(f'invalid Availability: "{body["Availability"]}"')
    return fields


def _address_pools(body: Json) -> Json:
    """The address pools and the data path port, checked. Moby gives these errors no class: 500.

    A subnet size without pools is ignored, whatever it is. Source: moby daemon/cluster/swarm.go.
    """
    port, pools = body.get("DataPathPort", Cluster.data_path_port), body.get("DefaultAddrPool")
    if not 1024 <= port <= 49151:
        raise EngineFault(f"Datapath port number is not in valid range (1024-49151) : {port}")
    size = (pools and body.get("SubnetSize")) or Cluster.subnet_size
    if not 0 < size <= 29:
        raise EngineFault(f"subnet size is out of range: {size}")
    for pool in pools or ():
        try:
            prefix = ipaddress.ip_interface(pool if "/" in pool else "").network.prefixlen
        except ValueError:
            text = f"invalid base pool {pool}: invalid CIDR address: {pool}"
            raise EngineFault(text) from None
        if prefix > size:
            raise EngineFault(f'invalid CIDR: "{pool}". Subnet size is too small for pool: {size}')
    pools = tuple(pools or Cluster.default_address_pool)
    return {"DefaultAddrPool": pools, "SubnetSize": size, "DataPathPort": port}


def _must_be_inactive(request: ApiRequest) -> None:
    if request.engine.swarm_state != "inactive":
        raise NotAvailable(
            'This node is already part of a swarm. Use "docker swarm leave" to leave this swarm'
            " and join another one."
        )


# -- /swarm ---------------------------------------------------------------------------------------
def init(request: ApiRequest) -> str:
    body = request.body()
    forced = bool(body.get("ForceNewCluster")) and request.engine.swarm_state != "inactive"
    body["ForceNewCluster"] = forced  # outside a swarm it is as any other
    if not forced:
        _must_be_inactive(request)
    sent = body.get("Spec", {})
    for field in ("SigningCACert", "SigningCAKey"):  # what a rotation begins with; not to be shown
        sent.get("CAConfig", {}).pop(field, None)
    spec = specs.swarm_spec(sent, merge=True)
    if forced:  # the fields that were given are merged into the stored spec
        spec = freeze(sent)
    elif body.get("AutoLockManagers"):
        spec = spec.with_(EncryptionConfig={"AutoLockManagers": True})
    init_request = Document({**_common_fields(body), **_address_pools(body), "Spec": spec})
    return str(request.wait(request.engine.swarm_init(init_request)))


def join(request: ApiRequest) -> None:
    body = request.body()
    _must_be_inactive(request)
    if not body.get("RemoteAddrs"):
        raise BadParameter("at least 1 RemoteAddr is required to join")
    error = 'invalid remoteAddr "{}": must be an IP address (with optional port number)'
    remotes = [_address(remote, error.format(remote)) for remote in body["RemoteAddrs"]]
    remotes = [remote if ":" in remote else f"{remote}:{PORT}" for remote in remotes]
    join_request = {"JoinToken": "", **_common_fields(body), "RemoteAddrs": tuple(remotes)}
    request.wait(request.engine.swarm_join(Document(join_request)))


def leave(request: ApiRequest) -> None:
    request.wait(request.engine.swarm_leave(request.query("force")))


def _cluster(request: ApiRequest) -> Cluster:
    ((cluster,),) = request.list(Cluster)
    return cluster  # type: ignore[no-any-return]


def inspect(request: ApiRequest) -> Any:
    return wire.swarm(_cluster(request), request.time)


def update(request: ApiRequest) -> None:
    """Absent fields become zero: clients read the whole spec, change it and send it back."""
    spec = specs.swarm_spec(request.body(), merge=False)
    version = request.object_version("swarm")
    request.control(UpdateCluster(version, spec, *map(request.query, ROTATIONS)))


def unlock_key(request: ApiRequest) -> Any:
    return {"UnlockKey": _cluster(request).unlock_key}


def unlock(request: ApiRequest) -> None:
    request.wait(request.engine.swarm_unlock(request.body().get("UnlockKey", "")))
