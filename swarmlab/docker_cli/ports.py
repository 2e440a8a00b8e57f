"""Parses published ports from command lines and formats them for tables."""

import re
from collections.abc import Iterable
from typing import Any

Json = dict[str, Any]
PORTS_MAX = 5000  # in one range: each is an entry of its own
PROTOCOLS = ("tcp", "udp", "sctp")


class TooManyPorts(ValueError):
    """A range that Swarm would take, and that is too long for the simulation."""


def parse_ports(text: str) -> list[Json]:
    """`[PUBLISHED:]TARGET[/PROTOCOL]`, both of them a number or a range; one entry a port."""
    address, _, protocol = text.partition("/")
    host_ip, published, target = ["", "", *address.rsplit(":", 2)][-3:]
    if host_ip:
        raise ValueError("hostip is not supported")
    if protocol and protocol.lower() not in PROTOCOLS:
        raise ValueError(f"invalid proto: {protocol}")
    if not target:
        raise ValueError(f"no port specified: {text}<empty>")
    targets = _range(target, "containerPort")
    outer = _range(published, "hostPort") if published else [0] * len(targets)
    if len(targets) == 1:
        targets *= len(outer)
    if len(outer) != len(targets):
        fault = "invalid ranges specified for container and host Ports"
        raise ValueError(f"{fault}: {target} and {published}")
    pairs = zip(targets, outer, strict=True)
    return [port(protocol.lower() or "tcp", inner, number, "ingress") for inner, number in pairs]


def port(protocol: str, target: int, published: int, mode: str) -> Json:
    entry: Json = {"Protocol": protocol, "TargetPort": target}
    return entry | ({"PublishedPort": published} if published else {}) | {"PublishMode": mode}


def _range(text: str, kind: str) -> list[int]:
    first, _, last = text.partition("-")
    numbers = [int(n) if re.fullmatch("[0-9]{1,9}", n) else -1 for n in (first, last or first)]
    if not 0 <= numbers[0] <= numbers[1] <= 65535:
        raise ValueError(f"invalid {kind}: {text}")
    if numbers[1] - numbers[0] >= PORTS_MAX:
        raise TooManyPorts(f"{text}: a range may hold at most {PORTS_MAX} ports here")
    return list(range(numbers[0], numbers[1] + 1))


def show_ports(ports: Iterable[Json]) -> str:
    """Ingress ports of a service, adjacent ones as a range: `*:8000-8001->80-81/tcp`."""
    runs: list[list[Any]] = []  # protocol, first and last published, first and last target
    ingress = [p for p in ports if p.get("PublishMode") == "ingress"]
    for entry in sorted(ingress, key=lambda p: (p.get("Protocol", ""), p.get("PublishedPort", 0))):
        protocol, target = entry.get("Protocol", ""), entry.get("TargetPort", 0)
        published = entry.get("PublishedPort", 0)
        run = runs[-1] if runs else ["", 0, 0, 0, 0]
        apart = published - run[2] > 1 or not 0 <= target - run[4] <= 1
        if protocol != run[0] or apart or (run[3] != run[4] and target <= run[4]):
            runs.append([protocol, published, published, target, target])
        else:
            run[2], run[4] = published, target
    spans = [(_span(r[1], r[2]), _span(r[3], r[4]), r[0]) for r in runs if r[1]]
    return ", ".join(f"*:{published}->{target}/{protocol}" for published, target, protocol in spans)


def _span(first: int, last: int) -> str:
    return f"{first}-{last}" if last > first else str(first)


def show_host_ports(ports: Iterable[Json]) -> str:
    """Ports that a task publishes on its own node: `*:80->80/tcp`."""
    rows = [(p.get("PublishedPort", 0), p.get("TargetPort", 0), p["Protocol"]) for p in ports]
    return ",".join(f"*:{published}->{target}/{protocol}" for published, target, protocol in rows)


def show_container_ports(ports: Iterable[Json]) -> str:
    """The PORTS of `docker ps`: `0.0.0.0:8080->80/tcp, 9000-9001/tcp`."""
    groups: dict[str, list[int]] = {}
    closed: list[str] = []
    mapped: list[str] = []
    for entry in sorted(ports, key=lambda p: (p["PrivatePort"], p.get("IP", ""), p["Type"])):
        inner, ip, kind = entry["PrivatePort"], entry.get("IP", ""), entry["Type"]
        host = f"[{ip}]" if ":" in ip else ip
        if ip and entry.get("PublicPort") != inner:
            mapped.append(f"{host}:{entry.get('PublicPort', 0)}->{inner}/{kind}")
            continue
        key = f"{host}/{kind}" if ip else kind
        group = groups.setdefault(key, [inner, inner - 1])
        if inner != group[1] + 1:
            closed.append(_group(key, group))
            group[0] = inner
        group[1] = inner
    return ", ".join([*closed, *(_group(k, g) for k, g in groups.items()), *mapped])


def _group(key: str, group: list[int]) -> str:
    host, _, kind = key.rpartition("/")
    span = _span(*group)
    return f"{host}:{span}->{span}/{kind}" if host else f"{span}/{kind}"
