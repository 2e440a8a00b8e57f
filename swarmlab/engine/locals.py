"""What an engine has beside containers and images that is no part of a swarm: networks, volumes.

They are names that can be listed and referred to; no packet and no file passes through them.
"""

from __future__ import annotations

import hashlib

from swarmlab.model import EMPTY, Document

BUILTIN = ("bridge", "host", "none")
BRIDGE = Document(Driver="default", Config=(Document(Subnet="172.17.0.0/16"),))


def network(id: str, name: str, driver: str, created_ns: int, **spec: object) -> Document:
    """A network that only this engine knows, as a document; `created_ns` is virtual."""
    return Document(spec).with_(Id=id, Name=name, Driver=driver, created_ns=created_ns)


class Locals:
    def __init__(self) -> None:
        self.networks: dict[str, Document] = {}  # by id
        self.volumes: dict[str, Document] = {}  # by name
        for name in BUILTIN:
            id = hashlib.sha256(name.encode()).hexdigest()
            ipam = BRIDGE if name == "bridge" else Document(Driver="default", Config=())
            driver = "null" if name == "none" else name
            self.networks[id] = network(id, name, driver, 0, IPAM=ipam, Labels=EMPTY)
