"""The addresses that a node hands out itself: in its bridges, and IPv6 ones in overlays.

Source: moby daemon/libnetwork/{network,endpoint}.go, ipams/defaultipam.
"""

from __future__ import annotations

from swarmlab.errors import EngineFault
from swarmlab.model import SwarmNetwork
from swarmlab.network.addresses import Subnet
from swarmlab.network.endpoints import GATEWAY_BRIDGE, configs


class NodeAddresses:
    def __init__(self) -> None:
        self._pools: dict[tuple[str, int], Subnet] = {}  # by network and IP version

    def _pool(self, network: SwarmNetwork, version: int) -> Subnet:
        if (network.id, version) not in self._pools:
            config = next(c for c in configs(network) if (":" in c["Subnet"]) == (version == 6))
            gateway, range = config.get("Gateway", ""), config.get("IPRange", "")
            pool = Subnet(config["Subnet"], gateway, range, lowest=True)
            self._pools[network.id, version] = pool
            if network.name == GATEWAY_BRIDGE:
                pool.next()  # the ingress network's load balancer
        return self._pools[network.id, version]

    def take(self, network: SwarmNetwork, version: int = 4, wish: str = "") -> str:
        """The lowest free one, or `wish`; none in `host` and `none`."""
        if not _hands_out(network, version):
            return ""
        pool = self._pool(network, version)
        if wish and not pool.take(wish):
            raise EngineFault("Address already in use")
        address = f"{wish}/{pool.network.prefixlen}" if wish else pool.next()
        if address is None:
            what = f"no available IPv{version} addresses"
            raise EngineFault(f"{what} on this network's address pools")
        return address

    def free(self, network_id: str, address: str) -> None:
        pool = self._pools.get((network_id, 6 if ":" in address else 4))
        if address and pool is not None:
            pool.free(address)

    def gateway(self, network: SwarmNetwork | None, version: int = 4) -> str:
        """The way out of a bridge; overlays have none of their own."""
        if network is None or network.spec["Driver"] != "bridge":
            return ""
        given = _hands_out(network, version)
        return self._pool(network, version).gateway.partition("/")[0] if given else ""


def _hands_out(network: SwarmNetwork, version: int) -> bool:
    if version == 6:
        return bool(network.spec.get("EnableIPv6"))
    return bool(network.spec["Driver"] == "bridge")
