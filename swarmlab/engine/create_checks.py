"""Which requests for containers an engine refuses.

Source: moby daemon/container.go (verifyContainerSettings).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from swarmlab.errors import BadParameter, NotImplementedHere
from swarmlab.model import EMPTY, Document
from swarmlab.simulation import MS, S
from swarmlab.worker.container_checks import signal_name

MEMORY_BYTES_MIN = 6 << 20
LOG_DRIVERS = ("none", "json-file", "local", "syslog")
RESTART_POLICIES = ("", "no", "always", "on-failure", "unless-stopped")


def check_cpus(config: Document, node: Document) -> None:
    """Refuse a request for more processors than this node has."""
    cpus = node.at("Resources", "NanoCPUs") // S
    if not 0 <= config.at("HostConfig", "NanoCpus", default=0) <= cpus * S:
        why = f"as there are only {cpus} CPUs available"
        raise BadParameter(f"Range of CPUs is from 0.01 to {cpus}.00, {why}")


def check_config(config: Document) -> None:
    """Refuse the body of `POST /containers/create` for what does not depend on the engine."""
    host: Document = config.get("HostConfig") or EMPTY
    folder, signal = config.get("WorkingDir"), config.get("StopSignal")
    if folder and not folder.startswith("/"):
        text = "is invalid, it needs to be an absolute path"
        raise BadParameter(f"the working directory '{folder}' {text}")
    for line in config.get("Env") or ():
        if not line.partition("=")[0]:
            raise BadParameter(f"invalid environment variable: {line}")
    check_health(config.get("Healthcheck") or EMPTY)
    _check_host(host)
    if signal:
        signal_name(signal)
    for port, bindings in (host.get("PortBindings") or EMPTY).items():
        _check_port(port.partition("/")[0])
        for binding in bindings or ():
            _check_port(*(binding.get("HostPort") or "0").split("-", 1))
    if host.get("Memory") and host["Memory"] < MEMORY_BYTES_MIN:
        raise BadParameter("Minimum memory limit allowed is 6MB")


def _check_host(host: Document) -> None:
    """Restart policy, log driver, runtime, and what this simulation leaves out."""
    policy = host.at("RestartPolicy", "Name", default="")
    count = host.at("RestartPolicy", "MaximumRetryCount", default=0)
    why = ""
    if policy not in RESTART_POLICIES:
        known = "'no', 'always', 'on-failure', or 'unless-stopped'"
        why = f"unknown policy '{policy}'; use one of {known}"
    elif count and policy != "on-failure":
        why = "maximum retry count can only be used with 'on-failure'"
    elif count < 0:
        why = "maximum retry count cannot be negative"
    if why:
        raise BadParameter(f"invalid restart policy: {why}")
    if host.get("AutoRemove") and policy not in ("", "no"):
        raise BadParameter("can't create 'AutoRemove' container with restart policy")
    driver = host.at("LogConfig", "Type", default="") or "json-file"
    if driver not in LOG_DRIVERS:
        why = f'error looking up logging plugin {driver}: plugin "{driver}" not found'
        raise BadParameter(why)
    if host.get("Runtime") not in (None, "", "runc", "io.containerd.runc.v2"):
        raise BadParameter(f"unknown or invalid runtime name: {host['Runtime']}")
    if host.get("Links"):
        raise NotImplementedHere("this simulation leaves out links: use a network of your own")


def check_health(check: Mapping[str, Any]) -> None:
    """Refuse the numbers of a health check that are out of range."""
    for key in ("Interval", "Timeout", "StartPeriod", "StartInterval"):
        if check.get(key) and check[key] < MS:
            raise BadParameter(f"{key} in Healthcheck cannot be less than 1ms")
    if (check.get("Retries") or 0) < 0:
        raise BadParameter("Retries in Healthcheck cannot be negative")


def _check_port(*numbers: str) -> None:
    """Refuse what is no port, or no range of them."""
    for number in numbers:
        if not re.fullmatch("[0-9]{1,5}", number) or int(number) > 65535:
            raise BadParameter(f'invalid port specification: "{"-".join(numbers)}"')
