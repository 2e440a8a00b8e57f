"""Everything that is simulated: clock, network, machines, registry. A copy lives on by itself."""

from __future__ import annotations

from functools import partial
from typing import Any

from swarmlab.engine.daemon import Engine
from swarmlab.network.traffic import Traffic
from swarmlab.simulation import Machine, Network, Simulation
from swarmlab.worker.registry import Registry


class World:
    """Machines of these names, each of which runs an engine that is in no swarm yet."""

    def __init__(self, names: list[str], seed: int, *, any_image: bool = False) -> None:
        self.simulation = Simulation(seed)
        self.network = Network(self.simulation)
        self.registry = Registry(any_image=any_image)
        self.traffic: dict[tuple[str, str], Traffic] = {}  # (source, service) -> its requests
        program = partial(Engine, registry=self.registry)
        for number, name in enumerate(names, start=2):
            address = f"10.77.{number // 256}.{number % 256}"
            Machine(self.network, name, address, program).start()
        self.network.watchers.append(self._disturbed)

    def _disturbed(self) -> None:
        """The gossip of every node looks at what its probes will find from now on."""
        for machine in self.network.machines.values():
            engine: Any = machine.process
            if engine is not None:
                engine.network.db.disturbed()
