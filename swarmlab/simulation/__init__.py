"""The discrete-event simulation: clock, random numbers, network, disks, machines and the trace.

Read `clock`, then `machine`. Nothing here depends on Docker.
"""

from swarmlab.simulation.clock import EPOCH_NS, Simulation, Timer
from swarmlab.simulation.disk import Disk
from swarmlab.simulation.machine import Call, Crashed, Machine, Program, Started, Stopped
from swarmlab.simulation.network import Dropped, Healed, InFlight, Link, Network, Partitioned
from swarmlab.simulation.shared import Shared
from swarmlab.simulation.trace import Failed, Record, Trace
from swarmlab.units import HOUR, MINUTE, MS, US, S

__all__ = [
    "EPOCH_NS",
    "HOUR",
    "MINUTE",
    "MS",
    "US",
    "Call",
    "Crashed",
    "Disk",
    "Dropped",
    "Failed",
    "Healed",
    "InFlight",
    "Link",
    "Machine",
    "Network",
    "Partitioned",
    "Program",
    "Record",
    "S",
    "Shared",
    "Simulation",
    "Started",
    "Stopped",
    "Timer",
    "Trace",
]
