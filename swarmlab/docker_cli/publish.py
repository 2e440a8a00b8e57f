"""Published ports and mounts: how they are written on a command line and shown in tables."""

import csv
import re
from collections.abc import Callable, Iterable
from typing import Any

from swarmlab.docker_cli.kinds import parse_bool
from swarmlab.docker_cli.text import parse_bytes

Json = dict[str, Any]
PROTOCOLS = ("tcp", "udp", "sctp")


def parse_port(text: str) -> list[Json]:
    """`published=…,target=…,protocol=…,mode=…` or `[PUBLISHED:]TARGET[/PROTOCOL]`, one entry a port."""
    if re.search(r"\w+=\w+(,\w+=\w+)*", text):
        return [_long_port(next(csv.reader([text])))]
    address, _, protocol = text.partition("/")
    *host_ip, published, target = ["", "", *address.rsplit(":", 2)][-3:]
    if host_ip[-1]:
        raise ValueError("hostip is not supported")
    if protocol and protocol.lower() not in PROTOCOLS:
        raise ValueError(f"invalid proto: {protocol}")
    targets = _range(target, "containerPort")
    if not target:
        raise ValueError(f"no port specified: {text}<empty>")
    ports = _range(published, "hostPort") if published else [0] * len(targets)
    if len(ports) != len(targets) and len(targets) != 1:
        raise ValueError(f"invalid ranges specified for container and host Ports: {target} and {published}")
    if len(targets) == 1:
        targets *= len(ports)
    pairs = zip(targets, ports, strict=True)
    return [_port(protocol.lower() or "tcp", target, port, "ingress") for target, port in pairs]


def _port(protocol: str, target: int, published: int, mode: str) -> Json:
    port: Json = {"Protocol": protocol, "TargetPort": target}
    return port | ({"PublishedPort": published} if published else {}) | {"PublishMode": mode}


def _range(text: str, kind: str) -> list[int]:
    first, _, last = text.partition("-")
    numbers = [int(n) if n.isdecimal() else -1 for n in (first, last or first)]
    if text and (not all(0 <= n <= 65535 for n in numbers) or numbers[0] > numbers[1]):
        raise ValueError(f"invalid {kind}: {text}")
    return list(range(numbers[0], numbers[1] + 1)) if text else []


def _long_port(fields: Iterable[str]) -> Json:
    protocol, mode, numbers = "tcp", "ingress", {"target": 0, "published": 0}
    for part in fields:
        key, equals, value = part.lower().partition("=")
        if not equals:
            raise ValueError(f"invalid field: {part}")
        match key:
            case "protocol" if value in PROTOCOLS:
                protocol = value
            case "protocol":
                raise ValueError(f"invalid protocol value '{value}'")
            case "mode" if value in ("ingress", "host"):
                mode = value
            case "mode":
                fault = f"invalid publish mode value ({value})"
                raise ValueError(f"{fault}: must be either 'ingress' or 'host'")
            case "target" | "published":
                if not value.isdecimal() or int(value) > 65535:
                    why = "value out of range" if value.isdecimal() else "invalid syntax"
                    fault = f"invalid {key} port ({value}): value must be an integer: {why}"
                    raise ValueError(fault)
                numbers[key] = int(value)
            case _:
                raise ValueError(f"invalid field key: {key}")
    if not numbers["target"]:
        raise ValueError("missing mandatory field 'target'")
    return _port(protocol, numbers["target"], numbers["published"], mode)


def show_ports(ports: Iterable[Json]) -> str:
    """Ingress ports of a service, neighbours drawn together: `*:8000-8001->80-81/tcp, *:53->53/udp`."""
    runs: list[list[Any]] = []  # protocol, first and last published, first and last target
    ingress = [p for p in ports if p.get("PublishMode") == "ingress"]
    for port in sorted(ingress, key=lambda p: (p.get("Protocol", ""), p.get("PublishedPort", 0))):
        protocol, target = port.get("Protocol", ""), port.get("TargetPort", 0)
        published = port.get("PublishedPort", 0)
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
    """Ports a task has opened on its own node: `*:80->80/tcp`."""
    return ",".join(
        f"*:{p.get('PublishedPort', 0)}->{p.get('TargetPort', 0)}/{p.get('Protocol', '')}" for p in ports
    )


def show_container_ports(ports: Iterable[Json]) -> str:
    """The PORTS of `docker ps`: `0.0.0.0:8080->80/tcp, 9000-9001/tcp`."""
    groups: dict[str, list[int]] = {}
    closed: list[str] = []
    mapped: list[str] = []
    order = sorted(ports, key=lambda p: (p["PrivatePort"], p.get("IP", ""), p.get("PublicPort", 0), p["Type"]))
    for port in order:
        inner, ip, kind = port["PrivatePort"], port.get("IP", ""), port["Type"]
        host = f"[{ip}]" if ":" in ip else ip
        if ip and port.get("PublicPort") != inner:
            mapped.append(f"{host}:{port.get('PublicPort', 0)}->{inner}/{kind}")
            continue
        key = f"{host}/{kind}" if ip else kind
        group = groups.setdefault(key, [inner, inner - 1])
        if inner != group[1] + 1:
            closed.append(_group(key, group))
            groups[key] = [inner, inner]
        group[1] = inner
    return ", ".join([*closed, *(_group(k, g) for k, g in groups.items()), *mapped])


def _group(key: str, group: list[int]) -> str:
    host, _, kind = key.rpartition("/")
    span = _span(*group)
    return f"{host}:{span}->{span}/{kind}" if host else f"{span}/{kind}"


def _mode(text: str) -> int:
    return int(text, 8)


def _pair(text: str) -> dict[str, str]:
    key, _, value = text.partition("=")
    return {key: value} if key else {}


# Key of `--mount` to its field and the converter of its value.
MOUNT_FIELDS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "type": ("Type", str.lower),
    "source": ("Source", str),
    "src": ("Source", str),
    "target": ("Target", str),
    "dst": ("Target", str),
    "destination": ("Target", str),
    "readonly": ("ReadOnly", parse_bool),
    "ro": ("ReadOnly", parse_bool),
    "consistency": ("Consistency", str.lower),
    "bind-propagation": ("BindOptions.Propagation", str.lower),
    "bind-nonrecursive": ("BindOptions.NonRecursive", parse_bool),
    "volume-subpath": ("VolumeOptions.Subpath", str),
    "volume-nocopy": ("VolumeOptions.NoCopy", parse_bool),
    "volume-label": ("VolumeOptions.Labels", _pair),
    "volume-driver": ("VolumeOptions.DriverConfig.Name", str),
    "volume-opt": ("VolumeOptions.DriverConfig.Options", _pair),
    "image-subpath": ("ImageOptions.Subpath", str),
    "tmpfs-size": ("TmpfsOptions.SizeBytes", parse_bytes),
    "tmpfs-mode": ("TmpfsOptions.Mode", _mode),
}
SWITCHES = ("readonly", "ro", "volume-nocopy", "bind-nonrecursive")


def parse_mount(text: str) -> Json:
    """`type=volume,source=data,target=/data,…` as an API mount."""
    mount: Json = {"Type": "volume"}
    for part in next(csv.reader([text]), []):
        key, equals, value = part.partition("=")
        key = key.lower()
        if not equals and key not in SWITCHES:
            raise ValueError(f"invalid field '{part}' must be a key=value pair")
        if key not in MOUNT_FIELDS:
            raise ValueError(f"unexpected key '{key}' in '{part}'")
        path, convert = MOUNT_FIELDS[key]
        try:
            _set(mount, path, convert(value if equals else "true"))
        except ValueError:
            raise ValueError(f"invalid value for {key}: {value}") from None
    if not mount.get("Target"):
        raise ValueError("target is required")
    for kind in ("volume", "image", "bind", "tmpfs"):
        if f"{kind.capitalize()}Options" in mount and mount["Type"] != kind:
            raise ValueError(f"cannot mix '{kind}-*' options with mount type '{mount['Type']}'")
    return mount


def _set(mount: Json, path: str, value: Any) -> None:
    *parents, last = path.split(".")
    for parent in parents:
        mount = mount.setdefault(parent, {"DriverConfig": {}} if parent == "VolumeOptions" else {})
    if isinstance(value, dict):
        mount.setdefault(last, {}).update(value)
    elif value or last == "Target":
        mount[last] = value
