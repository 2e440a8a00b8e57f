"""Which signals there are. Source: moby/sys/signal."""

from __future__ import annotations

from swarmlab.errors import BadParameter

NAMES = """HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT
STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS"""
SIGNALS = {name: number for number, name in enumerate(NAMES.split(), 1)}  # Linux's


def signal_name(signal: str) -> str:
    """`SIGTERM`, `term` or `15` as `TERM`."""
    name = signal.upper().removeprefix("SIG")
    name = next((key for key, number in SIGNALS.items() if str(number) == name), name)
    if name not in SIGNALS:
        raise BadParameter(f"invalid signal: {signal}")
    return name
