"""`swarmlab serve`: each node of a simulated cluster behind a socket, in step with the wall clock.

DIR/m1/docker.sock   node m1, for Docker's own tools: DOCKER_HOST=unix://DIR/m1/docker.sock
DIR/ctl.sock         for `swarmlab ctl`
DIR/serve.log        faults, with their tracebacks, and why the server ended
"""

from __future__ import annotations

import contextlib
import faulthandler
import functools
import os
import re
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from swarmlab.cli import ctl
from swarmlab.cluster import factory, socket_folder
from swarmlab.cluster.simulated import SimulatedCluster
from swarmlab.engine.clock_drivers import Pacer
from swarmlab.engine.transport import SocketServer
from swarmlab.errors import LabError
from swarmlab.simulation.fault_log import FAULT_LOG
from swarmlab.strings import _

LOG = "serve.log"
GRACE_S = 1.5  # how long the end may take
HOST_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,62}")


@click.command()
@click.option("--managers", type=int, help="How many managers the swarm has (3).")
@click.option("--workers", type=int, help="How many workers the swarm has (2).")
@click.option("--engines", help="Names of engines in no swarm, such as m1,m2,w1.")
@click.option("--dir", "folder", type=ctl.FOLDER, default=ctl.DIR, show_default=True)
@click.option("--speed", default=1.0, show_default=True, help="Simulated seconds a second.")
@click.option("--any-image", is_flag=True, help="Every name of an image can be pulled.")
@click.option("--seed", default=7, show_default=True, help="Equal seeds, equal chance.")
def serve(folder: Path, speed: float, **nodes: Any) -> int:
    """Serve a simulated cluster to Docker's own tools, until Ctrl-C or a signal.

    The folder of --dir has a socket for each node, and one for `swarmlab ctl`.
    """
    folder = folder.absolute()
    socket_folder.check_served(folder / ctl.SOCKET)
    ctl.parse_speed(str(speed))
    FAULT_LOG.path, ending = str(folder / LOG), Ending()
    cluster = make_cluster(**nodes)
    prepare_folder(folder, cluster.names)
    faulthandler.enable((folder / LOG).open("a"))  # for what ends Python itself
    try:
        pacer = Pacer(cluster.machine(cluster.names[0]).simulation, speed)
        sockets = engine_sockets(cluster, pacer, folder)
        with sockets, ctl.control_socket(cluster, pacer, folder):
            ending.began.wait()
    except OSError as error:
        FAULT_LOG.report(_("swarmlab serve has ended"), error)
        return 1
    return ending.code


class Ending:
    """Watches for what ends the server, and says it: on the terminal and in the log."""

    def __init__(self) -> None:
        self.began, self.code = threading.Event(), 0
        ignored = {signal.SIGHUP} if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else set()
        signals = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP} - ignored  # nohup ignores one
        # Blocked in every thread, and waited for in one: no handler interrupts other code.
        signal.pthread_sigmask(signal.SIG_BLOCK, signals)
        threading.excepthook = self._thread_failed
        threading.Thread(target=self._watch, args=(signals,), daemon=True).start()

    def _watch(self, signals: set[signal.Signals]) -> None:
        self._begin(signal.Signals(signal.sigwait(signals)).name, 0)

    def _thread_failed(self, failure: threading.ExceptHookArgs) -> None:
        """Without the pacer time would stand still; any other thread served one client."""
        name = failure.thread.name if failure.thread is not None else ""
        what = _("thread {name} has ended", name=name)
        FAULT_LOG.report(what, failure.exc_value or failure.exc_type())
        if name == "pacer":
            self._begin(_("a fault of its clock"), 1)

    def _begin(self, why: str, code: int) -> None:
        FAULT_LOG.write(_("swarmlab serve was ended by {why}", why=why))
        self.code = code
        self.began.set()
        threading.Event().wait(GRACE_S)
        os._exit(code)  # something does not end


def make_cluster(
    managers: int | None, workers: int | None, engines: str | None, seed: int, any_image: bool
) -> SimulatedCluster:
    """The cluster that the options of the command line ask for."""
    if engines is None:
        managers = 3 if managers is None else managers
        workers = 2 if workers is None else workers
        return factory.simulate(managers, workers, seed=seed, any_image=any_image)
    if managers is not None or workers is not None:
        raise LabError("--engines are in no swarm yet, so --managers and --workers cannot be given")
    names = engines.split(",")
    for name in names:
        if not HOST_NAME.fullmatch(name):
            raise LabError(
                "--engines: {name!r} is not a host name; give names such as m1,m2,w1", name=name
            )
    return factory.engines(names, seed=seed, any_image=any_image)


def prepare_folder(folder: Path, names: list[str]) -> None:
    """Make the folders for the sockets; LabError when they are in use or cannot be used."""
    socket_folder.prepare(folder, names)
    control = folder / ctl.SOCKET
    if control.exists():
        FAULT_LOG.write(_("the server before this one was killed"))
        control.unlink()


@contextlib.contextmanager
def engine_sockets(cluster: SimulatedCluster, pacer: Pacer, folder: Path) -> Iterator[None]:
    """Serve every node on its own socket while time passes, for the length of a `with` block."""
    servers = []
    for name in cluster.names:
        path = folder / name / socket_folder.SOCKET
        servers.append(SocketServer(path, functools.partial(cluster.engine, name), pacer))
    with contextlib.ExitStack() as stack:
        pacer.start()
        stack.callback(pacer.stop)
        stack.enter_context(socket_folder.started(servers))
        for server in servers:
            print(f"DOCKER_HOST=unix://{server.path}", flush=True)
        yield
