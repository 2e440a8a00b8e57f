"""An engine's own networks: they can be listed and referred to, and carry no data."""

from __future__ import annotations

import hashlib

from swarmlab.model import EMPTY, Document, SwarmNetwork

BUILTIN = ("bridge", "host", "none")
IPAM = Document(Driver="default", Config=())


class LocalResources:
    """The networks of one engine."""

    def __init__(self) -> None:
        self.networks: dict[str, SwarmNetwork] = {}  # by id; their `Scope` is local
        for name in BUILTIN:
            driver = "null" if name == "none" else name
            config = [Document(Subnet="172.17.0.0/16")] if name == "bridge" else []
            ipam = IPAM.with_(Config=config)
            spec = Document(Name=name, Driver=driver, Scope="local", Labels=EMPTY, IPAM=ipam)
            id = hashlib.sha256(name.encode()).hexdigest()
            self.networks[id] = SwarmNetwork(id=id, spec=spec)
