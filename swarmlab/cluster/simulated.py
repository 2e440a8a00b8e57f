"""The simulated cluster: the object users create, advance and break.

Requests to the swarm go through the Docker API of one of its nodes (`client`, `%docker`). This
class does what no API can: break machines and links, let time pass, copy or save the whole run.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from swarmlab.cluster.checkpoints import Checkpoints
from swarmlab.cluster.copies import copy_of
from swarmlab.cluster.faults import checked_ports, parse_groups
from swarmlab.cluster.interface import NodeName, NodeNames, SecretName, ServiceName, TaskName
from swarmlab.cluster.journal import JournalEntry
from swarmlab.cluster.paced import PacedCluster
from swarmlab.cluster.replay import advance, past_of, save
from swarmlab.cluster.simulated_state import managers_of
from swarmlab.cluster.sizes import node_names
from swarmlab.cluster.watch import TimeWatch
from swarmlab.errors import LabError
from swarmlab.simulation import Machine, S, Trace
from swarmlab.simulation.interrupts import SteadyLock
from swarmlab.strings import N_, _, seconds
from swarmlab.units import Duration, nanoseconds, step_ns
from swarmlab.views.progress import LongWork

if TYPE_CHECKING:
    from docker import DockerClient
    from werkzeug import Request

    from swarmlab.cluster.decisions import Decision
    from swarmlab.cluster.inspectors import MessagesInFlight
    from swarmlab.cluster.registry import ClusterRegistry
    from swarmlab.cluster.stand_ins import Placeholders
    from swarmlab.cluster.world import World
    from swarmlab.engine.daemon import Engine
    from swarmlab.network.traffic import Requests
    from swarmlab.views.html import Table


class SimulatedCluster(PacedCluster):
    """A simulated cluster of Docker engines. Lesson: 00_start_here.

    >>> import swarmlab
    >>> cluster = swarmlab.simulate(managers=3, workers=2, seed=7)
    >>> cluster.client("m1").services.create("nginx", name="web").name
    'web'
    """

    kind = "simulated"
    has_trace = virtual_time = True

    def __init__(
        self, world: World, configuration: dict[str, Any], journal: list[JournalEntry]
    ) -> None:
        self._world = world
        self.checkpoints = Checkpoints()
        self.journal = journal  # what was done to the cluster, oldest first
        # Held while the simulation is changed; who only reads it may hold `lock.inner` instead.
        self.lock = SteadyLock(self._tear)
        self._torn = False  # an event was cut off
        self.configuration = configuration
        self._clients: dict[str, DockerClient] = {}
        self.watch = TimeWatch()

    @classmethod
    def build(cls, configuration: dict[str, Any]) -> Self:
        """A new cluster: a swarm of `managers` and `workers`, or `engines`; `seed`; `any_image`."""
        from swarmlab.cluster.forming import form
        from swarmlab.cluster.world import World

        managers, workers = (configuration.get(role, 0) for role in ("managers", "workers"))
        names = configuration.get("engines") or node_names(managers, workers)
        world = World(names, configuration["seed"], any_image=configuration.get("any_image", False))
        cluster = cls(world, configuration, [])
        if managers:
            form(cluster, world, managers)
            cluster.journal.clear()
        return cluster

    @property
    def world(self) -> World:
        """Everything that is simulated; after an event was cut off, as it was just before that."""
        if self._torn:
            self._mend()
        return self._world

    def _tear(self) -> None:
        if self._pacer is not None:
            self._pacer.stop(limit_s=0)  # it waits for the lock
        self.close()
        self._torn = True

    def _mend(self) -> None:
        """Replay the run up to the event that was cut off."""
        last_ns = self.journal[-1].at_ns if self.journal else 0
        self._become(past_of(self, max(self._world.simulation.now_ns - 1, last_ns)))

    def _become(self, run: SimulatedCluster) -> None:
        self._world, self.journal, self._torn = run.world, run.journal, False
        self.checkpoints, self.configuration = run.checkpoints, run.configuration

    def put_back(self, run: SimulatedCluster) -> None:
        """Become what `run` is, which is then no other's; clients and boards stay. Time pauses."""
        self.pause()
        with self.lock:
            self._become(run)
            self._begin_again()

    # -- looking ---------------------------------------------------------------------
    @property
    def names(self) -> list[str]:
        """The nodes' names, as they were made: `cluster.names[0]`. Lesson: 00_start_here."""
        return list(self.world.network.machines)

    @property
    def trace(self) -> Trace:
        """Everything that happened, as records: `cluster.trace.records[-1]` is the last.
        Lesson: 00_start_here."""
        return self.world.simulation.trace

    def in_flight(self) -> MessagesInFlight:
        """The messages on their way between nodes now, the soonest first: `cluster.in_flight()`.
        Lesson: 05_quorum."""
        from swarmlab.cluster.inspectors import MessagesInFlight

        with self.lock:
            return MessagesInFlight(self.world.network.in_flight())

    @property
    def now_ns(self) -> int:
        """Virtual time, in nanoseconds since the cluster was made: `cluster.now_ns / 1e9` seconds.
        Lesson: 00_start_here."""
        return self.world.simulation.now_ns

    @property
    def registry(self) -> ClusterRegistry:
        """The images that a pull finds; `cluster.registry.register("shop:1")` adds one.
        Lesson: 12_rolling_updates."""
        from swarmlab.cluster.registry import ClusterRegistry

        return ClusterRegistry(lambda: self.world.registry, self._do)

    def machine(self, name: NodeName) -> Machine:
        """The simulated machine of this name."""
        if name not in self.world.network.machines:
            self.check_names(name)
        return self.world.network.machines[name]

    def engine(self, name: NodeName) -> Engine | None:
        """The engine that runs on a node, None while it is down. For views that look inside."""
        process: Any = self.machine(name).process
        return process  # type: ignore[no-any-return]

    def is_up(self, name: NodeName) -> bool:
        """Whether the node's machine is up: `cluster.is_up("m1")`. Lesson: 05_quorum."""
        return self.machine(name).up

    def default_node(self) -> str:
        """The leader, else a manager that is up: `default_node()`. Lesson: 05_quorum."""
        up = [name for name in self.names if self.is_up(name)]
        managers = managers_of(self)
        leaders = [name for name, manager in managers.items() if manager.raft.is_leader]
        return [*leaders, *managers, *up, *self.names][0]

    def client(self, name: NodeName | None = None) -> DockerClient:
        """A stock `docker.DockerClient` of one node: `client("m2")`. Lesson: 00_start_here."""
        from swarmlab.cluster.in_process_client import client_of

        name = name or self.default_node()
        self.check_names(name)
        if name not in self._clients:
            self._clients[name] = client_of(self, name)
        return self._clients[name]

    # -- faults ----------------------------------------------------------------------
    def crash(self, name: NodeName, *others: NodeName) -> None:
        """Cut the power of these nodes, now: `crash("m1", "w2")`. Lesson: 05_quorum."""
        for up in [*filter(self.is_up, (name, *others))]:
            self._do("crash", up)

    def stop(self, name: NodeName, *others: NodeName) -> None:
        """Stop the engines of these nodes in order: `stop("m1")`. Lesson: 09_autolock."""
        for up in [*filter(self.is_up, (name, *others))]:
            self._do("stop", up)

    def start(self, name: NodeName, *others: NodeName) -> None:
        """Power on these nodes, with what their disks kept: `start("m1")`. Lesson: 05_quorum."""
        for down in [each for each in (name, *others) if not self.is_up(each)]:
            self._do("start", down)

    def partition(self, group: NodeNames, other: NodeNames, *more: NodeNames) -> None:
        """Partition the network into these groups: `partition("m1,w1", "m2,m3")`.
        Nodes that are not named stay with the first group. Lesson: 05_quorum.
        """
        self._do("partition", *parse_groups((group, other, *more), self.names))

    def heal(self) -> None:
        """Connect all nodes again: `cluster.heal()`. Lesson: 05_quorum."""
        self._do("heal")

    def slow(
        self, source: NodeName, target: NodeName, delay: Duration, *, loss: float = 0.0
    ) -> None:
        """Slow the link between two nodes, both ways: `slow("m1", "m2", "1s", loss=0.1)`; delay 0
        without loss is normal. Lesson: 05_quorum."""
        if not 0 <= loss <= 1:
            raise LabError("loss={loss} is not a probability; use 0 to 1", loss=loss)
        self.check_names(source, target)
        self._do("slow", source, target, nanoseconds(delay), loss)

    def close_ports(self, one: NodeName, other: NodeName, port: int, *more: int) -> None:
        """Close only these ports between two nodes: `close_ports("m1", "w1", 4789)`; `heal()` opens
        them. Lesson: 15_network."""
        self.check_names(one, other)
        self._do("close_ports", one, other, *checked_ports((port, *more)))

    def drop(self, source: NodeName, target: NodeName, place: int = 0) -> None:
        """Lose a message on its way from one node to another: `drop("m1", "m2")` the next to
        arrive, `drop("m1", "m2", 1)` the one after it. Lesson: 05_quorum."""
        self._do("drop", source, target, place)

    def _do(self, verb: str, *args: Any) -> None:
        with self.lock:
            self.checkpoints.add(self.world, len(self.journal))
            self.apply(JournalEntry(self.now_ns, verb, args))
            self.journal.append(JournalEntry(self.now_ns, verb, args))

    def apply(self, entry: JournalEntry) -> None:
        """Do what a journal entry says, now. A request writes its own entry into the journal."""
        network, args = self.world.network, entry.args
        match entry.verb:
            case "crash":
                self.machine(args[0]).crash()
            case "stop":
                self.machine(args[0]).stop()
            case "start":
                self.machine(args[0]).start()
            case "partition":
                network.partition(*args)
            case "heal":
                network.heal()
            case "drop":
                network.drop(*args)
            case "close_ports":
                network.change_link(*args[:2], closed=frozenset(args[2:]))
            case "slow":
                delay_ns = args[2] or network.link.delay_ns
                network.change_link(*args[:2], delay_ns=delay_ns, loss=args[3])
            case "traffic":
                from swarmlab.network.traffic import set_rate

                self.check_names(args[2])
                set_rate(self.world.traffic, network, *args)
            case "register":
                from swarmlab.cluster.registry import register_image

                register_image(self.world.registry, args)
            case "interrupted":
                pass  # it has ended the request before it
            case "request":
                from swarmlab.cluster.recording import replay_request

                keys, seed = self._placeholders(), self.configuration["seed"]
                replay_request(self.client(args[0]), keys, seed, *args[1:])
            case verb:
                raise LabError("the journal says {verb!r}, unknown to this version", verb=verb)

    # -- requests --------------------------------------------------------------------
    def traffic(self, service: ServiceName, *, rate: int = 50, source: NodeName = "") -> Requests:
        """Send simulated requests to a service's virtual IP from now on; `rate` a second, 0: none;
        from node `source`, else the last one. The answer counts them. Lesson: 12_rolling_updates.

        >>> import swarmlab
        >>> cluster = swarmlab.simulate(seed=7)
        >>> ports = {"Ports": [{"TargetPort": 80}]}
        >>> web = cluster.client().services.create("nginx", name="web", endpoint_spec=ports)
        >>> cluster.run("5s")
        >>> requests = cluster.traffic("web", rate=50)
        >>> cluster.run("10s")
        >>> requests.served, requests.failed
        (500, 0)
        """
        from swarmlab.network.traffic import Requests, check

        check(service, rate, self.world.network)
        self._do("traffic", service, rate, source or self.names[-1])
        return Requests(lambda: self.trace, service, self.now_ns)

    # -- time ------------------------------------------------------------------------
    def run(self, duration: Duration) -> None:
        """Let simulated time pass: `run("30s")`. Lesson: 00_start_here."""
        start_ns, total_ns = self.now_ns, step_ns(duration)
        with self.lock, LongWork(_("simulated seconds"), S) as progress:
            for at_ns in self.watch.moments(start_ns, start_ns + total_ns):
                advance(self, at_ns, tell=lambda: progress.at(self.now_ns - start_ns, total_ns))
                self.watch.passed(at_ns)
            if self._pacer is not None:
                self._pacer.set_speed(self._pacer.speed)  # go on from here

    def clock_ns(self) -> int:
        return self.now_ns

    def _poll_pause(self) -> None:
        self.run("200ms")

    # -- copies ------------------------------------------------------------------------
    def fork(self) -> SimulatedCluster:
        """A copy of the whole cluster, as it is now: `other = cluster.fork()`; the two go on
        independently. Lesson: 00_start_here."""
        with self.lock.inner:
            fork = SimulatedCluster(copy_of(self.world), self.configuration, list(self.journal))
            fork.checkpoints = self.checkpoints.before(self.now_ns)
            return fork

    def as_of(self, moment: Duration) -> SimulatedCluster:
        """Another cluster, as this one was at a moment of its past: `as_of("35s")`.
        Lesson: 00_start_here."""
        with self.lock.inner:
            if (until_ns := nanoseconds(moment)) > self.now_ns:
                text = N_("{moment:g} s is in the future; it is {now:.1f} s now")
                raise LabError(text, moment=until_ns / S, now=self.now_ns / S)
            return past_of(self, until_ns)  # type: ignore[no-any-return]

    def save(self, path: str | Path) -> Path:
        """Save the run: `save("run.json")`; `swarmlab.load` replays it. Lesson: 00_start_here."""
        with self.lock.inner:
            return save(self, self.configuration, Path(path))

    # -- the journal --------------------------------------------------------------------
    def record_request(self, name: str, request: Request) -> None:
        """Write a request that arrives now at node `name` into the journal, without any secret."""
        from swarmlab.cluster.recording import recordable
        from swarmlab.engine.clock_drivers import REQUEST_NS

        what = recordable(request, self.configuration["seed"], self._placeholders)
        self.journal.append(JournalEntry(self.now_ns - REQUEST_NS, "request", (name, *what)))

    def record_interrupt(self) -> None:
        """Write into the journal that no client waits for the last request any more."""
        self.journal.append(JournalEntry(self.now_ns, "interrupted"))

    def _placeholders(self) -> Placeholders:
        from swarmlab.cluster.stand_ins import placeholders

        return placeholders(manager.store for manager in managers_of(self).values())

    # -- looking inside ----------------------------------------------------------------
    def explain(self, task: TaskName) -> Table:
        """Why a task is where it is, or is nowhere: `explain("web.3")`. Lesson: 07_placement."""
        from swarmlab.views.placement_explanation import why

        return why(self, task)

    def explain_request(self, target: ServiceName | int, *, source: NodeName = "") -> Table:
        """Where a request goes, hop by hop: `explain_request("web")`. Lesson: 15_network."""
        from swarmlab.network.journey import explain_request

        return explain_request(self.fork().world.network, source or self.names[-1], target)

    def decision(self, task: TaskName) -> Decision:
        """What `explain` shows, as data: `decision("web.3")`; a past decision is explained as of
        the moment before. Lesson: 07_placement."""
        from swarmlab.cluster.decisions import decision_of

        return decision_of(self, task)

    def disk(self, name: NodeName) -> Table:
        """The files on one node's disk, and what seals them: `disk("m2")`. Lesson: 09_autolock."""
        from swarmlab.cluster import inspectors

        return inspectors.disk(self, name)

    def trust(self) -> Table:
        """Who trusts which root, who shows which certificate, and until when: `cluster.trust()`.
        Lesson: 08_tls_and_ca."""
        from swarmlab.cluster import inspectors

        return inspectors.trust(self)

    def network_keys(self) -> Table:
        """The keys of the gossip that each node has: `cluster.network_keys()`; the managers make
        new ones every 12 hours. Lesson: 15_network."""
        from swarmlab.cluster import inspectors

        return inspectors.network_keys(self)

    def who_can_read(self, secret: SecretName) -> Table:
        """Where the bytes of a secret are now, and why: `who_can_read("senha-db")`.
        Lesson: 10_secrets_and_configs."""
        from swarmlab.cluster import inspectors

        return inspectors.who_can_read(self, secret)

    def __repr__(self) -> str:
        names, text = self.names, N_("<Cluster simulated, {up} of {all} nodes up, t = {now}>")
        return _(text, up=sum(map(self.is_up, names)), all=len(names), now=seconds(self.now_ns / S))
