"""The ports of one machine that its containers publish."""

from __future__ import annotations

from swarmlab.errors import EngineFault
from swarmlab.model import EMPTY, Document

DYNAMIC_PORT_MIN = 32768


class HostPorts:
    def __init__(self) -> None:
        self._holders: dict[tuple[int, str], str] = {}  # (port, protocol) -> container id

    def take(self, id: str, name: str, bindings: Document) -> dict[str, list[int]]:
        """The host ports of each container port; without a wish the next free one. All or none."""
        held = dict(self._holders)
        ports: dict[str, list[int]] = {}
        for port, wishes in bindings.items():
            protocol = port.partition("/")[2] or "tcp"
            for wish in wishes or (EMPTY,):
                number = int(wish.get("HostPort") or 0)
                if number and (number, protocol) in held:
                    raise EngineFault(
                        f"driver failed programming external connectivity on endpoint {name} "
                        f"({id[::-1]}): Bind for 0.0.0.0:{number} failed: port is already allocated"
                    )
                if not number:
                    number = DYNAMIC_PORT_MIN
                    while (number, protocol) in held:
                        number += 1
                held[number, protocol] = id
                ports[port] = [*ports.get(port, ()), number]
        self._holders = held
        return ports

    def release(self, id: str) -> None:
        if id in self._holders.values():
            self._holders = {port: by for port, by in self._holders.items() if by != id}
