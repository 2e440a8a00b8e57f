"""`swarmlab.launch`: a swarm of real engines on your own Docker, which leaves nothing behind."""

from __future__ import annotations

import atexit
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import docker

from swarmlab.cluster.faults import Groups, parse_groups
from swarmlab.cluster.interface import NodeName, NodeNames
from swarmlab.cluster.sizes import check_sizes, node_names
from swarmlab.errors import LabError
from swarmlab.model.versions import ENGINE_IMAGE
from swarmlab.real import engines, images
from swarmlab.real.cluster import RealCluster
from swarmlab.real.dial import client_over, dial_exec
from swarmlab.real.hosts import client_for_host, docker_variables
from swarmlab.real.remedies import lab_errors
from swarmlab.strings import _

ENGINES_MAX = 20  # in one cluster
TOGETHER_MAX = 12  # in all clusters of one program
START_LIMIT_S, STOP_LIMIT_S = 60, 30
# Drops packets from the addresses given, and from no others. A crash removes these rules.
DROP_PACKETS = """
t=iptables; $t -w -nL INPUT >/dev/null 2>&1 || t=iptables-legacy
$t -w -N SWARMLAB 2>/dev/null && $t -w -I INPUT -j SWARMLAB
$t -w -F SWARMLAB
for peer in "$@"; do $t -w -A SWARMLAB -s "$peer" -j DROP; done
"""


class LaunchedCluster(RealCluster):
    """Real engines that this kit started, as containers; all faults are allowed.

    `swarmlab.launch(1, 1).nodes`. Lesson: 30_is_the_simulator_right.
    """

    def __init__(
        self, outer: docker.DockerClient, lab: str, say: Callable[[str], object] = print
    ) -> None:
        super().__init__(say)
        self.lab = lab
        self._outer = outer
        self.docker_variables = docker_variables()  # that led to `outer`
        self._addresses: dict[str, str] = {}
        self._clients: dict[str, docker.DockerClient] = {}
        self._groups: dict[str, int] = {}  # node -> its group in a network partition; default 0
        self._remove = weakref.finalize(self, engines.remove, outer, lab)
        self._remove.atexit = False  # see `_at_exit`

    # -- looking ---------------------------------------------------------------------
    @property
    def alive(self) -> bool:
        return self._remove.alive

    @property
    def names(self) -> list[str]:
        """The nodes' names, managers first: `cluster.names[0]`. Lesson: 00_start_here."""
        if not self.alive:
            raise LabError("this cluster was closed; make it again")
        return list(self._addresses)

    def up(self) -> list[str]:
        """The names of the engines that run, not crashed, stopped or paused: `cluster.up()`.
        Lesson: 30_is_the_simulator_right."""
        filters = {"label": f"{engines.LABEL}={self.lab}", "status": "running"}
        containers = self._outer.api.containers(filters=filters)
        running = {container["Labels"]["swarmlab.node"] for container in containers}
        return [name for name in self.names if name in running]

    def client(self, name: NodeName | None = None) -> docker.DockerClient:
        """A stock `docker.DockerClient` of one node: `client("m2")`. Lesson: 00_start_here."""
        name = name or self.default_node()
        self.check_names(name)
        if name not in self._clients:
            dial = partial(dial_exec, self._outer.api, self._container(name))
            self._clients[name] = client_over(dial, name)
        return self._clients[name]

    def _container(self, name: str) -> str:
        return f"{self.lab}-{name}"

    # -- faults ----------------------------------------------------------------------
    def crash(self, name: NodeName, *others: NodeName) -> None:
        """Kill these engines, and all that runs in them, now: `crash("m1", "w2")`.
        Lesson: 05_quorum."""
        for up in [*filter(self.is_up, (name, *others))]:
            self._outer.api.kill(self._container(up))

    def stop(self, name: NodeName, *others: NodeName) -> None:
        """Stop these engines in an orderly way: `stop("m1")`. Lesson: 09_autolock."""
        self.check_names(name, *others)
        for one in (name, *others):
            self._outer.api.stop(self._container(one), timeout=STOP_LIMIT_S)

    def start(self, name: NodeName, *others: NodeName) -> None:
        """Start these engines again, with what their disks kept; or resume a paused one:
        `start("m1")`. Lesson: 05_quorum."""
        self.check_names(name, *others)
        for one in (name, *others):
            state = self._outer.api.inspect_container(self._container(one))["State"]
            if state["Paused"]:
                self._outer.api.unpause(self._container(one))
            elif not state["Running"]:
                self._outer.api.start(self._container(one))
                self._apply_partition(one)
                self.wait_for(one)

    def pause(self, *names: NodeName) -> None:
        """Pause all processes of these engines, as when a laptop sleeps: `pause("m1")`;
        `start("m1")` resumes them. Lesson: 05_quorum."""
        if not names:
            raise LabError('real time cannot be stopped; `pause("m1")` freezes one node')
        self.check_names(*names)
        for name in names:
            self._outer.api.pause(self._container(name))

    def partition(self, group: NodeNames, other: NodeNames, *more: NodeNames) -> None:
        """Partition the network into these groups: `partition("m1,w1", "m2,m3")`.

        As on a simulated cluster, nodes that are not named stay with the first group.
        Lesson: 05_quorum.
        """
        self._partition(parse_groups((group, other, *more), self.names))

    def heal(self) -> None:
        """End the network partition: `cluster.heal()`. Lesson: 05_quorum."""
        self._partition([])

    def _partition(self, parsed: Groups) -> None:
        self._groups = {name: number for number, group in enumerate(parsed) for name in group}
        for name in self.up():
            self._apply_partition(name)

    def _apply_partition(self, name: str) -> None:
        """Let a node drop the packets from all other groups."""
        group = self._groups.get(name, 0)
        others = [a for n, a in self._addresses.items() if self._groups.get(n, 0) != group]
        command = ["sh", "-c", DROP_PACKETS, "sh", *others]
        code, output = self._outer.containers.get(self._container(name)).exec_run(command)
        if code:
            raise LabError("{name} cannot be cut off: {output}", name=name, output=output)

    # -- launching -------------------------------------------------------------------
    def wait_for(self, name: str) -> docker.DockerClient:
        """The client of an engine, once it answers; LabError when it does not in time."""
        container = self._outer.containers.get(self._container(name))

        def answers_or_ended() -> bool:
            container.reload()
            return container.status == "exited" or bool(self.client(name).ping())

        with suppress(LabError):
            self.until(answers_or_ended, START_LIMIT_S)
            if container.status != "exited":
                return self.client(name)
        output = container.logs(tail=3).decode(errors="replace").strip()
        raise LabError(
            "the engine {name} did not answer within {limit} s; its last output: {output}\nA slow"
            " machine does better with fewer engines, such as launch(1, 1)",
            name=name,
            limit=START_LIMIT_S,
            output=output,
        )

    def set_up(self, names: list[str], image: str, managers: int) -> None:
        """Start the engines, give them images, form their swarm; say each step."""
        start_s, online = time.monotonic(), images.is_registry_reachable(self._outer)
        addresses = engines.create_network_and_volume(self._outer, self.lab)
        self._addresses = dict(zip(names, addresses, strict=False))
        for name, address in self._addresses.items():
            engines.start_engine(self._outer, image, self.lab, name, address, online=online)
        first, *_others = (self.wait_for(name) for name in names)
        started = _(
            "{n} engine, Docker {version}, after {seconds:.0f} s",
            "{n} engines, Docker {version}, after {seconds:.0f} s",
            n=len(names),
            version=first.version()["Version"],
            seconds=time.monotonic() - start_s,
        )
        self._say(started)
        containers = [self._container(name) for name in names]
        folders = images.share(self._outer, containers[0], first, self._say, online=online)
        images.load(self._outer, containers, folders)
        self.form_swarm(managers, self._addresses)
        if self._outer.containers.get(containers[0]).exec_run("test -e /proc/net/ip_vs").exit_code:
            no_traffic = _(
                "this machine's kernel has no IPVS: published ports and virtual IPs of services"
                " carry no traffic here; all else works"
            )
            images.say_once(self._say, no_traffic)
        self._say(_("the swarm is ready after {s:.0f} s", s=time.monotonic() - start_s))

    def close(self) -> None:
        """Remove the engines, their network and their volumes: `cluster.close()`.
        Lesson: 30_is_the_simulator_right."""
        while self._clients:
            self._clients.popitem()[1].close()
        self._remove()
        self._outer.close()

    def __repr__(self) -> str:
        if not self.alive:
            return _("<Cluster real, closed>")
        return super().__repr__()


# What this program launched, by lab, oldest first.
_launched: weakref.WeakValueDictionary[str, LaunchedCluster] = weakref.WeakValueDictionary()


def launch(
    managers: int = 3,
    workers: int = 2,
    *,
    image: str = ENGINE_IMAGE,
    say: Callable[[str], object] = print,
) -> LaunchedCluster:
    """Start engines and form a swarm of them; `say` gets a line for each step.

    When anything fails on the way, everything is removed.
    """
    check_sizes(managers, workers, nodes_max=ENGINES_MAX)
    outer = client_for_host()
    _close_oldest(managers + workers, say)
    images.ensure_image(outer, image, say)
    cluster = LaunchedCluster(outer, engines.new_lab(), say)
    try:
        with lab_errors(_("launching engines")):
            cluster.set_up(node_names(managers, workers), image, managers)
    except BaseException:  # also when it is interrupted
        cluster.close()
        raise
    _launched[cluster.lab] = cluster
    return cluster


def _close_oldest(coming: int, say: Callable[[str], object]) -> None:
    """Close the oldest clusters until `coming` more engines are not too many for a laptop.

    A cell that makes a cluster and runs again would otherwise leave the former one running.
    """
    clusters = [cluster for cluster in _launched.values() if cluster.alive]
    while clusters and coming + sum(len(cluster.names) for cluster in clusters) > TOGETHER_MAX:
        oldest = clusters.pop(0)
        say(_("closing {cluster}, which was launched before", cluster=oldest.lab))
        oldest.close()


@atexit.register
def _at_exit() -> None:
    """Remove the engines at the end of the program."""
    for cluster in _launched.values():
        if cluster.alive:
            engines.remove_from_outside(cluster.lab, cluster.docker_variables)
