"""What an engine has beside containers and images that is no part of a swarm: networks, volumes.

They are names that can be listed and referred to; no packet and no file passes through them.
"""

from __future__ import annotations

import hashlib

from swarmlab.model import EMPTY, Document, SwarmNetwork

BUILTIN = ("bridge", "host", "none")
IPAM = Document(Driver="default", Config=())


class LocalResources:
    def __init__(self) -> None:
        self.networks: dict[str, SwarmNetwork] = {}  # by id; their `Scope` is local
        self.volumes: dict[str, Document] = {}  # by name
        for name in BUILTIN:
            driver = "null" if name == "none" else name
            config = [Document(Subnet="172.17.0.0/16")] if name == "bridge" else []
            ipam = IPAM.with_(Config=config)
            spec = Document(Name=name, Driver=driver, Scope="local", Labels=EMPTY, IPAM=ipam)
            id = hashlib.sha256(name.encode()).hexdigest()
            self.networks[id] = SwarmNetwork(id=id, spec=spec)
