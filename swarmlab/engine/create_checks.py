"""Which requests for containers an engine refuses.

Source: moby daemon/container.go (verifyContainerSettings).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from swarmlab.errors import BadParameter
from swarmlab.model import EMPTY, Document
from swarmlab.simulation import MS
from swarmlab.worker.container_checks import signal_name

MEMORY_BYTES_MIN = 6 << 20
RESTART_POLICIES = ("", "no", "always", "on-failure", "unless-stopped")


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
    if signal:
        signal_name(signal)
    for port, bindings in (host.get("PortBindings") or EMPTY).items():
        _check_port(port.partition("/")[0])
        for binding in bindings or ():
            _check_port(*(binding.get("HostPort") or "0").split("-", 1))
    policy = host.at("RestartPolicy", "Name", default="")
    if policy not in RESTART_POLICIES:
        known = "'no', 'always', 'on-failure', or 'unless-stopped'"
        raise BadParameter(f"invalid restart policy: unknown policy '{policy}'; use one of {known}")
    if host.get("Memory") and host["Memory"] < MEMORY_BYTES_MIN:
        raise BadParameter("Minimum memory limit allowed is 6MB")


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
