"""`swarmlab.launch`: a swarm of real engines on your own Docker, of which nothing is left."""

from __future__ import annotations

import atexit
import time
import weakref
from collections.abc import Callable

import docker
from docker.errors import DockerException
from requests.exceptions import RequestException

from swarmlab.cluster.faults import parse_groups
from swarmlab.cluster.sizes import check_sizes, node_names
from swarmlab.errors import LabError
from swarmlab.real import engines, images
from swarmlab.real.cluster import RealCluster
from swarmlab.real.dial import client_through, exec_dial
from swarmlab.real.hosts import reach
from swarmlab.real.remedies import explained
from swarmlab.strings import _

ENGINES_MAX = 20  # in one cluster
TOGETHER_MAX = 12  # in all clusters of one program
START_S, STOP_S = 60.0, 30
# A node hears nothing from the addresses after $1. What a crash forgets, a start tells it again.
DEAF = """
t=iptables; $t -w -nL INPUT >/dev/null 2>&1 || t=iptables-legacy
$t -w -N SWARMLAB 2>/dev/null && $t -w -I INPUT -j SWARMLAB
$t -w -F SWARMLAB
for peer in "$@"; do $t -w -A SWARMLAB -s "$peer" -j DROP; done
"""


class LaunchedCluster(RealCluster):
    """Real engines that this kit started, as containers; it may break them as it likes."""

    def __init__(
        self, outer: docker.DockerClient, lab: str, say: Callable[[str], object] = print
    ) -> None:
        super().__init__(say)
        self.lab = lab
        self._outer = outer
        self._address: dict[str, str] = {}
        self._clients: dict[str, docker.DockerClient] = {}
        self._group: dict[str, int] = {}  # which side of a cut network a node is on
        self._remove = weakref.finalize(self, engines.remove, outer, lab)
        self._remove.atexit = False  # see `_at_exit`

    # -- looking ---------------------------------------------------------------------
    @property
    def alive(self) -> bool:
        return self._remove.alive

    @property
    def names(self) -> list[str]:
        """The nodes' names: managers first."""
        if not self.alive:
            raise LabError("this cluster was closed; make it again")
        return list(self._address)

    def up(self) -> list[str]:
        """The names of the engines that run: not crashed, stopped or frozen."""
        ours = {"label": f"{engines.LABEL}={self.lab}", "status": "running"}
        running = {c["Labels"]["swarmlab.node"] for c in self._outer.api.containers(filters=ours)}
        return [name for name in self.names if name in running]

    def client(self, name: str | None = None) -> docker.DockerClient:
        """A stock `docker.DockerClient` that speaks to one node."""
        name = name or self.default_node()
        self.check_names(name)
        if name not in self._clients:
            dial = exec_dial(self._outer.api, self._container(name))
            self._clients[name] = client_through(dial, name)
        return self._clients[name]

    def _container(self, name: str) -> str:
        return f"{self.lab}-{name}"

    # -- faults ----------------------------------------------------------------------
    def crash(self, *names: str) -> None:
        """Kill these engines, and all that runs in them, now."""
        self.check_names(*names)
        for name in names:
            if name in self.up():
                self._outer.api.kill(self._container(name))

    def stop(self, *names: str) -> None:
        """Stop these engines in an orderly way."""
        self.check_names(*names)
        for name in names:
            self._outer.api.stop(self._container(name), timeout=STOP_S)

    def start(self, *names: str) -> None:
        """Start these engines again; they find what their disks kept. A frozen one goes on."""
        self.check_names(*names)
        for name in names:
            state = self._outer.api.inspect_container(self._container(name))["State"]
            if state["Paused"]:
                self._outer.api.unpause(self._container(name))
            elif not state["Running"]:
                self._outer.api.start(self._container(name))
                self._deafen(name)
                self.wait_for(name)

    def pause(self, *names: str) -> None:
        """Freeze these engines, as a laptop that sleeps; `start` lets them go on."""
        if not names:
            raise LabError('real time cannot be stopped; `pause("m1")` freezes one node')
        self.check_names(*names)
        for name in names:
            self._outer.api.pause(self._container(name))

    def partition(self, *groups: list[str] | str) -> None:
        """Cut the network into groups deaf to each other: `partition("m1,w1", "m2,m3")`.

        As on a simulated cluster, nodes that are not named stay with the first group.
        """
        sides = parse_groups(groups, self.names)
        self._group = {name: number for number, side in enumerate(sides) for name in side}
        for name in self.up():
            self._deafen(name)

    def heal(self) -> None:
        """Every node hears every other again."""
        self.partition()

    def _deafen(self, name: str) -> None:
        """Let a node hear its own side alone."""
        side = self._group.get(name, 0)
        deaf = [a for n, a in self._address.items() if self._group.get(n, 0) != side]
        command = ["sh", "-c", DEAF, "sh", *deaf]
        code, said = self._outer.containers.get(self._container(name)).exec_run(command)
        if code:
            raise LabError("{name} cannot be cut off: {said}", name=name, said=said)

    # -- coming to be ----------------------------------------------------------------
    def wait_for(self, name: str) -> docker.DockerClient:
        """The client of an engine, once it answers."""
        end = time.monotonic() + START_S
        container = self._outer.containers.get(self._container(name))
        while time.monotonic() < end:
            try:
                client = self.client(name)
                client.ping()
                return client
            except (DockerException, RequestException):
                container.reload()
                if container.status == "exited":
                    break
                time.sleep(0.1)
        said = container.logs(tail=3).decode(errors="replace").strip()
        raise LabError(
            "the engine {name} did not answer within {limit:g} s; it said last: {said}\nA slow"
            " machine does better with fewer engines, such as launch(1, 1)",
            name=name,
            limit=START_S,
            said=said,
        )

    def set_up(self, names: list[str], image: str, managers: int) -> None:
        """Start the engines, give them images, form their swarm: a line a step."""
        begun, online = time.monotonic(), images.registry_in_reach(self._outer)
        addresses = engines.make_room(self._outer, self.lab)
        self._address = dict(zip(names, addresses, strict=False))
        for name, address in self._address.items():
            engines.make_engine(self._outer, image, self.lab, name, address, online=online)
        first, *_others = (self.wait_for(name) for name in names)
        version = first.version()["Version"]
        self._say(
            _(
                "{count} engines, Docker {version}, after {seconds:.0f} s",
                count=len(names),
                version=version,
                seconds=time.monotonic() - begun,
            )
        )
        containers = [self._container(name) for name in names]
        archives = images.share(self._outer, containers[0], first, self._say, online=online)
        images.load(self._outer, containers, archives)
        self.form_swarm(managers, self._address)
        if self._outer.containers.get(containers[0]).exec_run("test -e /proc/net/ip_vs").exit_code:
            images.once(
                self._say,
                _(
                    "this machine's kernel has no IPVS: published ports and virtual IPs of services"
                    " carry no traffic here; all else works"
                ),
            )
        self._say(_("the swarm is ready after {s:.0f} s", s=time.monotonic() - begun))

    def close(self) -> None:
        """Remove the engines, their network, their volumes: nothing is left."""
        while self._clients:
            self._clients.popitem()[1].close()
        self._remove()
        self._outer.close()

    def __repr__(self) -> str:
        if not self.alive:
            return "<Cluster real, closed>"
        return f"<Cluster real, {len(self.up())} of {len(self.names)} nodes up, {self.lab}>"


_alive: list[weakref.ref[LaunchedCluster]] = []  # what this program launched, oldest first


def launch(
    managers: int = 3,
    workers: int = 2,
    *,
    image: str = "docker:dind",
    say: Callable[[str], object] = print,
) -> LaunchedCluster:
    """Start engines and form a swarm of them alone; `say` gets a line a step.

    Whatever goes wrong on the way, nothing is left.
    """
    check_sizes(managers, workers, nodes_max=ENGINES_MAX)
    outer = reach()
    _make_room(managers + workers, say)
    images.have(outer, image, say)
    cluster = LaunchedCluster(outer, engines.new_lab(), say)
    try:
        with explained(_("launching engines")):
            cluster.set_up(node_names(managers, workers), image, managers)
    except BaseException:  # also when it is interrupted
        cluster.close()
        raise
    _alive.append(weakref.ref(cluster))
    return cluster


def _make_room(coming: int, say: Callable[[str], object]) -> None:
    """Close the oldest clusters while there would be too many engines for a laptop.

    Whoever runs a cell again that makes a cluster does not think of the one it made before.
    """
    clusters = [cluster for one in _alive if (cluster := one()) and cluster.alive]
    while clusters and coming + sum(len(cluster.names) for cluster in clusters) > TOGETHER_MAX:
        oldest = clusters.pop(0)
        say(_("closing {cluster}, which was launched before", cluster=oldest.lab))
        oldest.close()


@atexit.register
def _at_exit() -> None:
    """The end of the program is the end of its engines."""
    for one in _alive:
        if (cluster := one()) and cluster.alive:
            engines.remove_from_outside(cluster.lab)
