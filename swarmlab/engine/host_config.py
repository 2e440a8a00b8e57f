"""A container's Config and HostConfig as an engine shows them: what was sent, and its defaults.

Source: moby api/types/container/hostconfig.go, daemon/daemon_unix.go (adaptContainerSettings).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from swarmlab.engine.schemas import STRUCTS, zero
from swarmlab.worker.containers import Container

PARTS = ("HostConfig", "NetworkingConfig")  # of a create request: not of Config
NOT_SHOWN = (*PARTS, "Shell", "StopSignal", "StopTimeout", "ArgsEscaped",
             "NetworkDisabled", "MacAddress", "Healthcheck", "Mounts", "Annotations", "StorageOpt",
             "Sysctls", "Tmpfs", "Init")  # fmt: skip
DEFAULTS: dict[str, Any] = {
    "LogConfig": {"Type": "json-file", "Config": {}},
    "NetworkMode": "bridge",
    "PortBindings": {},
    "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0},
    "CgroupnsMode": "private",
    "IpcMode": "private",
    "ShmSize": 64 << 20,
    "Runtime": "runc",
}


def shown(struct: str, sent: Mapping[str, Any]) -> dict[str, Any]:
    """All fields of Config or HostConfig: what was sent, or else the default, or Go's zero.

    A few are shown only if they were sent.
    """
    fields: dict[str, Any] = {}
    for name, kind in STRUCTS[struct].items():
        value, default = sent.get(name), DEFAULTS.get(name)
        if name in PARTS or (name == "NetworkMode" and value == "default"):
            value = None
        if isinstance(value, Mapping) and isinstance(default, dict):
            value = {**default, **{key: item for key, item in value.items() if item}}
        if value or name not in NOT_SHOWN:
            empty = None if kind[0] in "[*m" or kind == "strslice" else zero(kind)
            fields[name] = value or (empty if default is None else default)
    return fields


def bindings_of(container: Container, port: str) -> list[tuple[str, int]]:
    """The addresses of the machine, each with its port, that lead to a port of the container.

    Where the user names no address, these are all of both IP versions.
    """
    asked = container.host_config.at("PortBindings", port, default=()) or ()
    rows: list[tuple[str, int]] = []
    for place, number in enumerate(container.ports.get(port, ())):
        ip = asked[place].get("HostIp") if place < len(asked) else ""
        rows += [(each, number) for each in ([ip] if ip else ["0.0.0.0", "::"])]
    return rows
