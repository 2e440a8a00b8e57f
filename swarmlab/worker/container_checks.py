"""Which create requests an engine refuses, and which users, ports and signals there are.

Source: moby daemon/container.go (verifyContainerSettings), moby/sys/signal; opencontainers/runc.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from swarmlab.errors import BadParameter, EngineFault
from swarmlab.model import EMPTY, Document
from swarmlab.simulation import MS

NAMES = """HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT
STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS"""
SIGNALS = {name: number for number, name in enumerate(NAMES.split(), 1)}  # Linux's
MEMORY_BYTES_MIN, UID_MAX = 6 << 20, 2**31 - 1
RESTART_POLICIES = ("", "no", "always", "on-failure", "unless-stopped")


def signal_name(signal: str) -> str:
    """`SIGTERM`, `term` or `15` as `TERM`."""
    name = signal.upper().removeprefix("SIG")
    name = next((key for key, number in SIGNALS.items() if str(number) == name), name)
    if name not in SIGNALS:
        raise BadParameter(f"invalid signal: {signal}")
    return name


def user_id(user: str) -> int:
    """The uid of `1000:1000`, `root`, …; an unknown name has 1000. Raises EngineFault for none."""
    name = user.partition(":")[0]
    if re.fullmatch("[+-]?[0-9]+", name):
        if len(name) > 11 or not 0 <= int(name) <= UID_MAX:
            raise EngineFault(f"uids and gids must be in range 0-{UID_MAX}")
        return int(name)
    if name and not re.fullmatch(r"[a-zA-Z_][\w.-]*\$?", name, re.ASCII):
        raise EngineFault(f"unable to find user {name}: no matching entries in passwd file")
    return {"": 0, "root": 0, "nobody": 65534}.get(name, 1000)


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
