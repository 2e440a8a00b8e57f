"""What simulated and real clusters have in common: looking, waiting, faults by name, the board."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import cached_property
from inspect import isfunction
from typing import TYPE_CHECKING, Any, ClassVar, Self

from swarmlab.cluster import current
from swarmlab.cluster.calls import checked
from swarmlab.cluster.interface import NodeName
from swarmlab.errors import LabError, NoneSuch
from swarmlab.strings import _
from swarmlab.units import Duration, nanoseconds
from swarmlab.views.progress import LongWork

if TYPE_CHECKING:
    from docker import DockerClient

    from swarmlab.views.board import Board
    from swarmlab.views.snapshot import NodeRows

WAIT_LIMIT = "10m"


class BaseCluster(ABC):
    """Engines by name, and a stock Docker client of each.

    Each kind adds the faults that it can cause: `crash`, `stop`, `start`, `partition`, `heal`.
    """

    kind: ClassVar[str]  # `simulated` or `real`; to decide something, ask for what it can do:
    has_trace: ClassVar[bool]  # what happens inside can be read: trace, logs, disks, forks
    virtual_time: ClassVar[bool]  # time passes only when it is asked to, as fast as possible

    def __init_subclass__(cls, **options: Any) -> None:
        """What a subclass adds for readers, with a lesson in its help, checks how it's called."""
        super().__init_subclass__(**options)
        for name, member in [*vars(cls).items()]:
            if isfunction(member) and "Lesson:" in (member.__doc__ or ""):
                setattr(cls, name, checked(member))

    @cached_property
    def typed(self) -> list[tuple[int, str]]:
        """The lines that `%docker` ran here, oldest first: (when, on `clock_ns`, and the line)."""
        return []

    @property
    @abstractmethod
    def names(self) -> list[str]:
        """The nodes' names: managers first."""

    @abstractmethod
    def is_up(self, name: NodeName) -> bool:
        """Whether the node's machine is up."""

    @abstractmethod
    def client(self, name: NodeName | None = None) -> DockerClient:
        """A stock `docker.DockerClient` that speaks to one node."""

    @abstractmethod
    def default_node(self) -> str:
        """The node that `%docker` speaks to: the leader, else a manager that is up."""

    @abstractmethod
    def run(self, duration: Duration) -> None:
        """Let time pass."""

    @abstractmethod
    def clock_ns(self) -> int:
        """Nanoseconds since a fixed moment, in the cluster's own time."""

    @abstractmethod
    def _poll_pause(self) -> None:
        """Let as much time pass as lies between two looks at a condition."""

    def _holds(self, condition: Callable[[], object]) -> bool:
        return bool(condition())

    @checked
    def until(self, condition: Callable[[], object], limit: Duration = WAIT_LIMIT) -> float:
        """Let time pass until `condition()` holds; how many seconds it took.

        `cluster.until(lambda: cluster.nodes["m1"].state == "down")`. Lesson: 05_quorum.

        It is asked every 200 ms of simulated time, or twice a second on real engines, where an
        error counts as not yet. Raises LabError when it does not hold within `limit`.
        """
        start_ns, limit_ns = self.clock_ns(), nanoseconds(limit)
        with LongWork(_("seconds waited, at most"), 10**9) as progress:
            while not self._holds(condition):
                if (waited_ns := self.clock_ns() - start_ns) >= limit_ns:
                    raise LabError("the condition was not met within {limit}", limit=limit)
                progress.at(waited_ns, limit_ns)
                self._poll_pause()
        return (self.clock_ns() - start_ns) / 1e9

    def check_names(self, *names: str) -> None:
        """Raise NoneSuch unless there is a node of each of these names."""
        for name in names:
            if name not in self.names:
                raise NoneSuch("there is no node {name!r}; there are {known}", name, self.names)

    def form_swarm(self, managers: int, addresses: Mapping[str, str], more: int = 0) -> None:
        """`docker swarm init` on the first node, `docker swarm join` on the others.

        The first `managers` nodes become managers; `addresses` are theirs by node name, in order.
        So many `more` nodes will join later.
        """
        (first, address), *others = addresses.items()
        self.client(first).swarm.init(advertise_addr=address)
        tokens = self.client(first).swarm.attrs["JoinTokens"]
        with LongWork(_("nodes joined")) as progress:
            for number, (name, own_address) in enumerate(others, start=1):
                self.client(name).swarm.join(
                    remote_addrs=[f"{address}:2377"],
                    join_token=tokens["Manager" if number < managers else "Worker"],
                    advertise_addr=own_address,
                )
                progress.at(number + 1, len(addresses) + more)

    @checked
    def use(self) -> None:
        """Make this the current cluster, which `%docker` speaks to: `cluster.use()`.
        Lesson: 07_placement."""
        current.use(self)

    @property
    def nodes(self) -> NodeRows:
        """The nodes as rows: name, role, state, availability, …: `cluster.nodes["m1"].state`.
        Lesson: 00_start_here."""
        from swarmlab.views.snapshot import node_rows

        return node_rows(self)

    @checked
    def board(self) -> Board:
        """The live board, a column a node: `cluster.board()`. Lesson: 00_start_here."""
        from swarmlab.views.board import board_of

        return board_of(self)

    def _repr_html_(self) -> str:
        """The nodes and what runs on them, below the line that is its text form."""
        from swarmlab.views.board import in_brief

        return str(in_brief(self)._repr_html_())

    def _repr_mimebundle_(self, **_options: Any) -> dict[str, str]:
        """The same as text, where a cell or a terminal shows it; in a list it is one line."""
        from swarmlab.views.board import in_brief

        return {"text/plain": repr(in_brief(self))}

    @abstractmethod
    def close(self) -> None:
        """Release what the cluster holds: engines, connections, threads."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
