"""What inspectors read of a simulated cluster, as a protocol: they import no cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import threading

    from swarmlab.engine.daemon import Engine
    from swarmlab.simulation import Machine, Trace


class Inspectable(Protocol):
    """A simulated cluster to whoever only reads it, with `lock` held."""

    lock: threading.RLock

    @property
    def names(self) -> list[str]: ...
    @property
    def now_ns(self) -> int: ...
    @property
    def trace(self) -> Trace: ...
    def machine(self, name: str) -> Machine: ...
    def engine(self, name: str) -> Engine | None: ...
