"""What a person holds: a simulated cluster, its clock and its faults.

Everything that is said *to* the swarm goes through the Docker API of one of its nodes (`client`,
`%docker`); this class does what no API can: crash a machine, cut the network, let time pass, copy
the whole world, or save it as a small file.
"""

from __future__ import annotations

import copy
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swarmlab.cluster.journal import Entry, journaled, masked, parsed, replay
from swarmlab.errors import LabError, NoneSuch
from swarmlab.simulation import InFlight, Link, Machine, S, Trace
from swarmlab.units import Duration, nanoseconds

if TYPE_CHECKING:
    from docker import DockerClient

    from swarmlab.cluster.factory import World
    from swarmlab.engine.clock_drivers import Pacer
    from swarmlab.engine.daemon import Engine
    from swarmlab.manager.scheduler.explanation import Explanation
    from swarmlab.network.traffic import Requests
    from swarmlab.views.tables import Table
    from swarmlab.worker.registry import Registry

WAIT_LIMIT = "10m"


class Cluster:
    """A simulated cluster of Docker engines.

    >>> import swarmlab
    >>> cluster = swarmlab.simulate(managers=3, workers=2, seed=7)
    >>> cluster.client("m1").services.create("nginx", name="web").name
    'web'
    >>> cluster.crash("m1")
    >>> cluster.run("30s")
    """

    kind = "simulated"

    def __init__(self, world: World, make_up: dict[str, Any], journal: list[Entry]) -> None:
        self._world = world
        self._make_up = make_up
        self._journal = journal
        self.lock = threading.RLock()  # held by whoever touches the simulation
        self._clients: dict[str, DockerClient] = {}
        self._pacer: Pacer | None = None

    # -- looking ---------------------------------------------------------------------
    @property
    def names(self) -> list[str]:
        """The nodes' names, in the order they were made."""
        return list(self._world.network.machines)

    @property
    def trace(self) -> Trace:
        """Everything that happened, as records."""
        return self._world.simulation.trace

    def in_flight(self) -> list[InFlight]:
        """The messages on their way between nodes at this moment, the soonest first."""
        with self.lock:
            return self._world.network.in_flight()

    @property
    def now_ns(self) -> int:
        """Virtual time, in nanoseconds since the cluster was made."""
        return self._world.simulation.now_ns

    @property
    def registry(self) -> Registry:
        """The images that a pull finds; `registry.register(…)` adds one."""
        return self._world.registry

    def machine(self, name: str) -> Machine:
        """The simulated machine of this name."""
        found = self._world.network.machines.get(name)
        if found is None:
            raise NoneSuch("there is no node {name!r}; there are {known}", name, self.names)
        return found

    def engine(self, name: str) -> Engine | None:
        """The engine that runs on a node, None while it is down. For views that look inside."""
        process: Any = self.machine(name).process
        return process  # type: ignore[no-any-return]

    def is_up(self, name: str) -> bool:
        return self.machine(name).up

    def default_node(self) -> str:
        """The node that `%docker` speaks to: the leader, else the first manager that is up."""
        up = [name for name in self.names if self.is_up(name)]
        leading = [name for name in up if (m := self._manager(name)) and m.raft.is_leader]
        managing = [name for name in up if self._manager(name)]
        return [*leading, *managing, *up, *self.names][0]

    def _manager(self, name: str) -> Any:
        engine = self.engine(name)
        return engine.manager if engine is not None else None

    def client(self, name: str | None = None) -> DockerClient:
        """A stock `docker.DockerClient` that speaks to one node. Lesson: 00_start_here."""
        from swarmlab.engine.clock_drivers import VirtualClock
        from swarmlab.engine.transport import in_process_client

        name = name or self.default_node()
        self.machine(name)
        if name not in self._clients:
            clock = VirtualClock(self._world.simulation, self.lock)
            self._clients[name] = in_process_client(name, journaled(self, name, clock))
        return self._clients[name]

    # -- faults ----------------------------------------------------------------------
    def crash(self, *names: str) -> None:
        """Cut the power of these nodes, now: `crash("m1", "w2")`. Lesson: 05_quorum."""
        for name in filter(self.is_up, names):
            self._do("crash", name)

    def stop(self, *names: str) -> None:
        """Stop the engines of these nodes in an orderly way."""
        for name in filter(self.is_up, names):
            self._do("stop", name)

    def start(self, *names: str) -> None:
        """Power these nodes on again; they find what their disks kept. Lesson: 05_quorum."""
        for name in filter(lambda name: not self.is_up(name), names):
            self._do("start", name)

    def partition(self, *groups: list[str] | str) -> None:
        """Cut the network: `partition("m1,w1", "m2,m3")`, deaf to each other. Lesson: 05_quorum."""
        sides = [side.split(",") if isinstance(side, str) else list(side) for side in groups]
        self._do("partition", *sides)

    def heal(self) -> None:
        """Every node hears every other again. Lesson: 05_quorum."""
        self._do("heal")

    def slow(self, source: str, target: str, delay: Duration, *, loss: float = 0.0) -> None:
        """Slow the link between two nodes, both ways; delay 0 without loss is normal."""
        if not 0 <= loss <= 1:
            raise LabError("loss={loss} is no probability; it lies between 0 and 1", loss=loss)
        self._do("slow", source, target, nanoseconds(delay), loss)

    def drop(self, source: str, target: str, place: int = 0) -> None:
        """Lose a message on its way from one node to another; `place` 0 is the next to arrive."""
        self._do("drop", source, target, place)

    def _do(self, verb: str, *args: Any) -> None:
        with self.lock:
            self._act(verb, args)
            self._journal.append(Entry(self.now_ns, verb, args))

    def _act(self, verb: str, args: tuple[Any, ...]) -> None:
        network = self._world.network
        match verb:
            case "crash" | "stop" | "start":
                getattr(self.machine(args[0]), verb)()
            case "partition":
                network.partition(*args)
            case "heal":
                network.heal()
            case "drop":
                network.drop(*args)
            case "slow":
                source, target, delay_ns, loss = args
                link = Link(delay_ns=delay_ns or network.link.delay_ns, loss=loss)
                for pair in ((source, target), (target, source)):
                    self.machine(pair[0])
                    network.links[pair] = link
            case "traffic":
                from swarmlab.network.traffic import send

                send(self._world, *args)
            case "request":
                replay(self.client(args[0]), self._words(), *args[1:])
            case _:
                raise LabError("the journal says {verb!r}, unknown to this version", verb=verb)

    # -- requests --------------------------------------------------------------------
    def traffic(self, service: str, *, rate: int = 50, source: str = "") -> Requests:
        """Send simulated requests to a service's virtual IP from now on; `rate` a second, 0: none.

        They come from node `source` (the last one, unless you say which). The answer counts them.
        Lesson: 12_rolling_updates.

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

        source = source or self.names[-1]
        check(self, service, rate, source)
        self._do("traffic", service, rate, source)
        return Requests(self, service, self.now_ns)

    # -- time ------------------------------------------------------------------------
    def run(self, duration: Duration) -> None:
        """Let simulated time pass: `run("30s")`. Lesson: 00_start_here."""
        with self.lock:
            simulation = self._world.simulation
            simulation.run_until(simulation.now_ns + nanoseconds(duration))
            if self._pacer is not None:
                self._pacer.set_speed(self._pacer.speed)  # go on from here

    def until(self, condition: Callable[[], object], limit: Duration = WAIT_LIMIT) -> float:
        """Let time pass, 200 ms at a time, until `condition()` holds; how many seconds it took."""
        begun_ns, limit_ns = self.now_ns, nanoseconds(limit)
        while not condition():
            if self.now_ns - begun_ns >= limit_ns:
                raise LabError(
                    "it did not come to pass within {limit} of simulated time", limit=limit
                )
            self.run("200ms")
        return (self.now_ns - begun_ns) / S

    def play(self, speed: float = 1.0) -> None:
        """Tie simulated time to the wall clock, `speed` times as fast, until `pause()`."""
        from swarmlab.engine.clock_drivers import Pacer

        if not speed > 0:
            raise LabError(
                "speed={speed} does not move time; give more than 0, or pause()", speed=speed
            )
        if self._pacer is None:
            self._pacer = Pacer(self._world.simulation, speed, self.lock)
            self._pacer.start()
            weakref.finalize(self, self._pacer.stop)
        else:
            self._pacer.set_speed(speed)

    def pause(self) -> None:
        """Virtual time stands still again, except when you let it pass."""
        if self._pacer is not None:
            self._pacer.stop()
            self._pacer = None

    @property
    def speed(self) -> float:
        """How fast simulated time follows the wall clock; 0 while it is paused."""
        return self._pacer.speed if self._pacer is not None else 0.0

    # -- copies ------------------------------------------------------------------------
    def fork(self) -> Cluster:
        """The whole cluster once more, as it is now; the two go on independently."""
        with self.lock:
            return Cluster(copy.deepcopy(self._world), dict(self._make_up), list(self._journal))

    def as_of(self, moment: Duration) -> Cluster:
        """Another cluster, as this one was at a moment of its past: `as_of("35s")`.

        Its story is lived again up to there; a request that was under way stays unanswered.
        """
        from swarmlab.cluster.factory import relive

        with self.lock:
            until_ns = nanoseconds(moment)
            if until_ns > self.now_ns:
                raise LabError(
                    "{wanted:g} s has not come yet; it is {now:.1f} s",
                    wanted=until_ns / S,
                    now=self.now_ns / S,
                )
            return relive(self._make_up, self._journal, until_ns)

    def use(self) -> None:
        """Let `%docker` speak to this cluster: `swarmlab.use`."""
        from swarmlab.cluster.factory import use

        use(self)

    def save(self, path: str | Path) -> Path:
        """Write the story down; `swarmlab.load` lives it again. Lesson: 00_start_here."""
        from swarmlab.cluster.factory import save

        with self.lock:
            return save(Path(path), self._make_up, self._journal, self.now_ns, self.trace.digest())

    # -- the journal --------------------------------------------------------------------
    def _words(self) -> dict[str, str]:
        """Every token and key there is now, and the word that stands for it in the journal."""
        words: dict[str, str] = {}
        for name in self.names:
            manager = self._manager(name)
            if manager is not None and manager.store.tables["cluster"]:
                cluster = manager.store.cluster
                words |= {
                    cluster.worker_token: "<worker token>",
                    cluster.manager_token: "<manager token>",
                    cluster.unlock_key: "<unlock key>",
                }
        return words

    def _note_request(self, name: str, method: str, path: str, body: bytes | str | None) -> None:
        if method in ("GET", "HEAD"):
            return
        seed = self._make_up["seed"]
        what = masked(path.partition("?")[0], parsed(body), seed, self._words())
        self._journal.append(Entry(self.now_ns, "request", (name, method, path, what)))

    # -- why ---------------------------------------------------------------------------
    def explain(self, task: str) -> Table:
        """Why a task is where it is, or is nowhere: `explain("web.3")`. Lesson: 07_placement."""
        from swarmlab.views.placement_explanation import why

        return why(self, task)

    def decision(self, task: str) -> Explanation:
        """What `explain` shows, as data.

        A decision of the past is looked at where it was made: the story so far is lived again, up
        to the moment before.
        """
        from swarmlab.manager.scheduler.explanation import explain
        from swarmlab.model.trace_records import Scheduled

        found = self._find_task(task)
        for record in self.trace.of(Scheduled):
            for _, task_id, node in record.placements:
                if task_id == found.id:
                    scheduler = self.as_of(f"{record.at_ns - 1}ns")._scheduler()
                    asked = (scheduler.unassigned | scheduler.preassigned).get(task_id, found)
                    return explain(scheduler, asked, record.at_ns, node, len(record.placements))
        return explain(self._scheduler(), found, self.now_ns, "", 0)

    def _leader(self) -> Any:
        for manager in filter(None, map(self._manager, self.names)):
            if manager.raft.is_leader:
                return manager
        raise LabError("there is no leader now, so nobody decides where tasks go")

    def _scheduler(self) -> Any:
        from swarmlab.manager.scheduler.scheduler import Scheduler

        return next(room for room in self._leader().rooms if isinstance(room, Scheduler))

    def _find_task(self, wanted: str) -> Any:
        """The task that `web.3` or an id means: the newest in that slot."""
        store = self._leader().store
        tasks = sorted(store.tasks.values(), key=lambda t: (t.created_ns, t.id))
        for task in reversed(tasks):
            node = store.nodes.get(task.node_id)
            names = (f"{task.service_name}.{task.slot}", task.id, task.name)
            here = f"{task.service_name}.{node.hostname}" if node is not None else ""
            if wanted in names or (not task.slot and wanted == here):
                return task
        known = sorted({f"{t.service_name}.{t.slot}" for t in tasks if t.slot})
        raise NoneSuch("there is no task {name!r}; there are {known}", wanted, known)

    # -- looking inside ------------------------------------------------------------------
    def disk(self, name: str) -> Table:
        """The files on one node's disk, and what seals them."""
        from swarmlab.cluster import inspectors

        return inspectors.disk(self, name)

    def trust(self) -> Table:
        """Who trusts which root, who shows which certificate, and until when."""
        from swarmlab.cluster import inspectors

        return inspectors.trust(self)

    def who_can_read(self, secret: str) -> Table:
        """Where the bytes of a secret are now, and why."""
        from swarmlab.cluster import inspectors

        return inspectors.who_can_read(self, secret)

    # -- showing -----------------------------------------------------------------------
    @property
    def nodes(self) -> Any:
        """The nodes as rows: name, role, status, availability, manager status, tasks."""
        from swarmlab.views.snapshot import node_rows

        return node_rows(self)

    def board(self) -> Any:
        """The live board: a column a node, a box a task. Lesson: 00_start_here."""
        from swarmlab.views.board import board_of

        return board_of(self)

    def __repr__(self) -> str:
        nodes = f"{sum(map(self.is_up, self.names))} of {len(self.names)} nodes up"
        return f"<Cluster simulated, {nodes}, t = {self.now_ns / S:.1f} s>"
