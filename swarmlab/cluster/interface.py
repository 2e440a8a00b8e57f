"""Types for signatures: a cluster of either kind, and what a name given to a function names.

Completion offers the names of nodes where a parameter is a `NodeName`, and so on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from swarmlab.units import Duration

if TYPE_CHECKING:
    from docker import DockerClient

NodeName = str
NodeNames = list[NodeName] | NodeName  # "m1,w1" is two
ServiceName = str
TaskName = str  # web.3
SecretName = str


@runtime_checkable
class AnyCluster(Protocol):
    """A simulated or a real cluster. `simulated_state.is_simulated` leads to what one kind has.

    `swarmlab.latest().names`. Lesson: 07_placement.
    """

    @property
    def has_trace(self) -> bool: ...
    @property
    def virtual_time(self) -> bool: ...
    @property
    def names(self) -> list[str]: ...
    @property
    def typed(self) -> list[tuple[int, str]]: ...
    def is_up(self, name: NodeName) -> bool: ...
    def client(self, name: NodeName | None = None) -> DockerClient: ...
    def default_node(self) -> str: ...
    def run(self, duration: Duration) -> None: ...
    def until(self, condition: Callable[[], object]) -> float: ...
    def clock_ns(self) -> int: ...
    def close(self) -> None: ...


MakeCluster = Callable[..., AnyCluster]  # swarmlab.simulate or launch
