"""How a cluster comes to be: made anew, or from a saved story that is lived again.

A saved cluster is its make-up, its journal, and the digest of its trace, which has to come out the
same: equal seeds, equal traces.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from swarmlab.cluster.journal import Entry, from_json, to_json
from swarmlab.cluster.simulated import Cluster
from swarmlab.engine.clock_drivers import REQUEST_NS
from swarmlab.errors import LabError
from swarmlab.simulation import Machine, Network, Simulation
from swarmlab.strings import N_

if TYPE_CHECKING:
    from swarmlab.network.traffic import Traffic
    from swarmlab.real.cluster import RealCluster
    from swarmlab.real.connected import ConnectedCluster
    from swarmlab.real.launched import LaunchedCluster

NODES_MAX = 5000
FILE_VERSION = 1


class World:
    """All that is simulated; a copy of it lives on by itself."""

    def __init__(self, names: list[str], seed: int) -> None:
        from swarmlab.engine.daemon import EngineProgram
        from swarmlab.worker.registry import Registry

        self.simulation = Simulation(seed)
        self.network = Network(self.simulation)
        self.registry = Registry()
        self.traffic: dict[tuple[str, str], Traffic] = {}  # (source, service) -> its requests
        program = EngineProgram(self.registry)
        for i, name in enumerate(names):
            Machine(self.network, name, f"10.77.{(i + 2) // 256}.{(i + 2) % 256}", program).start()


_latest: Cluster | RealCluster | None = None
Any_ = TypeVar("Any_", bound="Cluster | RealCluster")


def latest() -> Cluster | RealCluster | None:
    """The cluster that `%docker` speaks to: the one made last, or that `use` named since."""
    return _latest


def use(cluster: Cluster | RealCluster) -> None:
    """Let `%docker` speak to this cluster, until another is made. Lesson: 07_placement.

    >>> first, second = simulate(), simulate()
    >>> use(first)
    >>> latest() is first
    True
    """
    _made(cluster)


def _made(cluster: Any_) -> Any_:
    global _latest
    _latest = cluster
    return cluster


def simulate(managers: int = 3, workers: int = 2, *, seed: int = 0) -> Cluster:
    """A simulated swarm, ready for work: managers m1, m2, …, workers w1, w2, …
    Lesson: 00_start_here.

    Equal seeds give equal runs. Nothing has to be installed, and no network is used.

    >>> simulate(managers=3, workers=2, seed=7)
    <Cluster simulated, 5 of 5 nodes up, t = 2.5 s>
    """
    check_sizes(managers, workers)
    if managers + workers > NODES_MAX:
        raise LabError(
            "{count} nodes are too many; at most {most}", count=managers + workers, most=NODES_MAX
        )
    make_up = {"managers": managers, "workers": workers, "seed": seed}
    return _made(_build(make_up))


def check_sizes(managers: int, workers: int) -> None:
    """Refuse what makes no swarm, simulated or real."""
    for word, count, least in (("managers", managers, 1), ("workers", workers, 0)):
        if not isinstance(count, int) or isinstance(count, bool) or count < least:
            text = N_("{word}={count!r} makes no swarm; give a whole number of at least {least}")
            raise LabError(text, word=word, count=count, least=least)


def launch(
    managers: int = 3, workers: int = 2, *, image: str = "docker:dind", seed: int | None = None
) -> LaunchedCluster:
    """A swarm of real engines, as containers of your own Docker: managers m1, …, workers w1, …
    Lesson: 30_is_the_simulator_right.

    It takes some 10 seconds once `image`, which holds the engine, was pulled. `seed` is accepted,
    so that one page can make simulated and real clusters, and changes nothing: in life chance
    repeats for nobody. `close()`, the end of a `with` block or of the program removes all of it;
    `swarmlab clean` does so after a crash. With more than 12 engines the oldest cluster is closed.
    """
    from swarmlab.real import launched

    return _made(launched.launch(managers, workers, image=image))


def connect(host: str | list[str] | None = None, *, allow_faults: bool = False) -> ConnectedCluster:
    """The swarm that is there already: at DOCKER_HOST, or where `host` says.

    `host` is the address of an engine (`ssh://me@node1`, `tcp://…`, `unix://…`), the name of a
    docker context, or a list of those, one a node. Whatever this kit did not make stays as it is
    unless you say `allow_faults=True`.
    """
    from swarmlab.real import connected

    return _made(connected.connect(host, allow_faults=allow_faults))


def engines(names: list[str], *, seed: int = 0) -> Cluster:
    """Simulated engines that belong to no swarm yet: `docker swarm init` is yours."""
    if not names or len(set(names)) != len(names):
        raise LabError("engines={names!r}: give at least one name, and each name once", names=names)
    return _made(_build({"engines": names, "seed": seed}))


def _build(make_up: dict[str, Any]) -> Cluster:
    names = make_up.get("engines") or [
        *(f"m{i + 1}" for i in range(make_up["managers"])),
        *(f"w{i + 1}" for i in range(make_up["workers"])),
    ]
    cluster = Cluster(World(names, make_up["seed"]), make_up, [])
    if "engines" not in make_up:
        _form_swarm(cluster, make_up["managers"])
    return cluster


def _form_swarm(cluster: Cluster, managers: int) -> None:
    """`docker swarm init` on the first node, `docker swarm join` on the others."""
    first = cluster.names[0]
    address = f"{cluster.machine(first).address}:2377"
    cluster.client(first).swarm.init(advertise_addr=cluster.machine(first).address)
    tokens = cluster.client(first).swarm.attrs["JoinTokens"]
    for i, name in enumerate(cluster.names[1:], start=1):
        token = tokens["Manager" if i < managers else "Worker"]
        cluster.client(name).swarm.join(remote_addrs=[address], join_token=token)
    cluster._journal.clear()


class MomentReached(BaseException):
    """The story has been lived as far as it was to be; no engine may catch this."""


def _reached() -> None:
    raise MomentReached


def relive(make_up: dict[str, Any], journal: list[Entry], until_ns: int) -> Cluster:
    """The cluster's story again, up to a moment; what is asked at that moment stays unanswered."""
    cluster = _build(make_up)
    simulation = cluster._world.simulation
    ends_ns = [*(entry.at_ns for entry in journal[1:]), until_ns]
    for entry, end_ns in zip(journal, ends_ns, strict=False):
        if entry.at_ns > until_ns:
            break
        if entry.at_ns > simulation.now_ns:  # else what is due at this moment comes after it
            simulation.run_until(entry.at_ns)
        if entry.verb == "request":  # it notes itself, and time runs until it is answered
            _ask_again(cluster, entry, min(end_ns, until_ns))
        else:
            cluster._act(entry.verb, entry.args)
            cluster._journal.append(entry)
    if until_ns > simulation.now_ns:
        simulation.run_until(until_ns)
    return cluster


def _ask_again(cluster: Cluster, entry: Entry, until_ns: int) -> None:
    simulation = cluster._world.simulation
    limit = simulation.at(until_ns + 1, _reached)
    try:
        cluster._act(entry.verb, entry.args)
    except MomentReached:
        simulation.now_ns = until_ns
        if until_ns < entry.at_ns + REQUEST_NS:  # it had not even come in
            cluster._journal.pop()
    limit.cancel()


def load(path: str | Path) -> Cluster:
    """Live a saved cluster's story again; refused when it does not end as it did then.

    Lesson: 00_start_here.
    """
    try:
        story = json.loads(Path(path).read_text())
        make_up, journal = story["make_up"], from_json(story["journal"])
        version, now_ns, digest = story["swarmlab"], story["now_ns"], story["digest"]
    except (ValueError, KeyError, TypeError) as error:
        raise LabError("{path} is no saved cluster: {error}", path=path, error=error) from None
    if version != FILE_VERSION:
        raise LabError(
            "{path} has format {version}; this swarmlab reads format {FILE_VERSION}",
            path=path,
            version=version,
            FILE_VERSION=FILE_VERSION,
        )
    cluster = relive(make_up, journal, now_ns)
    if cluster.trace.digest() != digest:
        raise LabError(
            "{path} was saved by another version of swarmlab: its story ends differently here",
            path=path,
        )
    return _made(cluster)


def save(
    path: Path, make_up: dict[str, Any], journal: list[Entry], now_ns: int, digest: str
) -> Path:
    """Write the story: whole, or not at all."""
    story = {
        "swarmlab": FILE_VERSION,
        "make_up": make_up,
        "now_ns": now_ns,
        "digest": digest,
        "journal": to_json(journal),
    }
    aside = path.with_name(path.name + ".new")
    aside.write_text(json.dumps(story, indent=1) + "\n")
    aside.replace(path)
    return path
