"""Pools of subnets, addresses and ports, handed out serially instead of lowest first.

Source: swarmkit manager/allocator/{network,portallocator}.go, internal/idm/idm.go.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_interface,
    ip_network,
)

PORT_MIN, DYNAMIC_PORT_MIN, DYNAMIC_PORT_MAX, PORT_MAX = 1, 30_000, 32_767, 65_535
IpNetwork = IPv4Network | IPv6Network


def address_of(text: str) -> IPv4Address | IPv6Address | None:
    """The address that a text says; None: it says none."""
    try:
        return ip_address(text)
    except ValueError:
        return None


class Serial:
    """Numbers from `first` to `last`; `next` is the first free one after the last one it gave.

    `lowest`: it is the lowest free one instead.
    """

    def __init__(self, first: int, last: int, *, lowest: bool = False) -> None:
        self.first, self.last, self.lowest = first, last, lowest
        self._taken: set[int] = set()
        self._given = first - 1

    def take(self, number: int) -> bool:
        """Reserve this number; False when it is in use. Others than those are never in use."""
        if number in self._taken:
            return False
        if self.first <= number <= self.last:
            self._taken.add(number)
        return True

    def next(self) -> int | None:
        """The next free number, wrapping around; None when all are taken."""
        size = self.last - self.first + 1
        if len(self._taken) >= size:
            return None
        number = self.first - 1 if self.lowest else self._given
        while True:
            number = self.first + (number + 1 - self.first) % size
            if number not in self._taken:
                self._taken.add(number)
                self._given = number
                return number

    def free(self, number: int) -> None:
        self._taken.discard(number)


class Subnet:
    """One network's addresses; the gateway has the first. `range`: hosts are taken from it."""

    def __init__(
        self, subnet: str, gateway: str = "", range: str = "", *, lowest: bool = False
    ) -> None:
        self.network = ip_network(subnet, strict=False)
        low = int(self.network.network_address)
        high = low + self.network.num_addresses - 1
        part = ip_network(range or subnet, strict=False)
        first, last = int(part.network_address), int(part.broadcast_address)
        self._hosts = Serial(max(low + 1, first), min(high - 1, last), lowest=lowest)
        if gateway:
            self._hosts.take(int(ip_interface(gateway).ip))
            self.gateway = gateway
        else:
            # A subnet of one address, or two, has none to give away.
            first = self._hosts.next() or min(low + 1, int(self.network.broadcast_address))
            self.gateway = self._text(first).partition("/")[0]

    def _text(self, number: int) -> str:
        return f"{type(self.network.network_address)(number)}/{self.network.prefixlen}"

    def next(self, wish: str = "") -> str | None:
        """The next free address, such as `10.0.1.5/24`, or `wish`; None when there is none."""
        wished = int(ip_interface(wish).ip) if wish else None
        number = wished if wished and self._hosts.take(wished) else self._hosts.next()
        return None if number is None else self._text(number)

    def has(self, address: str) -> bool:
        return ip_interface(address).ip in self.network

    def take(self, address: str) -> bool:
        """Reserve an address; False when it is in use."""
        return self._hosts.take(int(ip_interface(address).ip))

    def free(self, address: str) -> None:
        self._hosts.free(int(ip_interface(address).ip))


def next_subnet(pools: Iterable[str], prefix_length: int, taken: Iterable[IpNetwork]) -> str:
    """The first IPv4 subnet of the pools that overlaps none of `taken`; "" when there is none."""
    used = sorted((int(n[0]), int(n[-1])) for n in taken if n.version == 4)
    size = 1 << (32 - prefix_length)
    for pool in (IPv4Network(pool, strict=False) for pool in pools if ":" not in pool):
        first = int(pool[0])
        for low, high in used:
            if first <= high and low < first + size:
                first = (high // size + 1) * size
        if first + size <= int(pool[-1]) + 1:
            return f"{IPv4Address(first)}/{prefix_length}"
    return ""


class Ports:
    """The published ports of one protocol in the whole swarm."""

    def __init__(self) -> None:
        self._all = Serial(PORT_MIN, PORT_MAX)
        self._dynamic = Serial(DYNAMIC_PORT_MIN, DYNAMIC_PORT_MAX)

    def take(self, port: int) -> bool:
        """Reserve a port that the user chose; False when it is in use, or there is none such."""
        if not PORT_MIN <= port <= PORT_MAX or not self._all.take(port):
            return False
        self._dynamic.take(port)
        return True

    def next(self) -> int | None:
        """The next dynamic port, 30000 for the first service."""
        port = self._dynamic.next()
        if port is not None:
            self._all.take(port)
        return port

    def free(self, port: int) -> None:
        self._all.free(port)
        self._dynamic.free(port)
