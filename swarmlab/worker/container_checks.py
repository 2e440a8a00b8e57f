"""Which users and signals there are.

Source: moby/sys/signal; opencontainers/runc.
"""

from __future__ import annotations

import re

from swarmlab.errors import BadParameter, EngineFault

NAMES = """HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT
STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS"""
SIGNALS = {name: number for number, name in enumerate(NAMES.split(), 1)}  # Linux's
UID_MAX = 2**31 - 1


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
