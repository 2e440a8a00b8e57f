"""`swarmlab serve`: each node of a simulated cluster behind a socket, in step with the wall clock.

DIR/m1/docker.sock   node m1, for Docker's own tools: DOCKER_HOST=unix://DIR/m1/docker.sock
DIR/ctl.sock         for `swarmlab ctl`
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import os
import re
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from swarmlab.cli import ctl, socket_folder
from swarmlab.cluster.factory import engines, simulate
from swarmlab.cluster.simulated import SimulatedCluster
from swarmlab.engine.clock_drivers import Pacer
from swarmlab.engine.transport import SocketServer
from swarmlab.errors import LabError

HOST_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,62}")


def serve(options: argparse.Namespace) -> int:
    """Serve until Ctrl-C or a signal; the exit code."""
    folder: Path = options.dir.absolute()
    socket_folder.check_served(folder / ctl.SOCKET)
    cluster = make_cluster(options)
    prepare_folder(folder, cluster.names)
    end_signals = {signal.SIGINT, signal.SIGTERM, signal.SIGUSR1}
    # Blocked in every thread and waited for below, so that no handler interrupts other code.
    signal.pthread_sigmask(signal.SIG_BLOCK, end_signals)

    def end_with_the_pacer(failure: threading.ExceptHookArgs) -> None:
        """Report a thread's exception; without the pacer time would stand still, so end then."""
        error = failure.exc_value or failure.exc_type()
        sys.__excepthook__(failure.exc_type, error, failure.exc_traceback)
        if failure.thread is not None and failure.thread.name == "pacer":
            os.kill(os.getpid(), signal.SIGUSR1)

    threading.excepthook = end_with_the_pacer
    pacer = Pacer(cluster.machine(cluster.names[0]).simulation, options.speed)
    with (
        engine_sockets(cluster, pacer, folder),
        ctl.control_socket(ctl.Ctl(cluster, pacer), folder),
    ):
        ended_by = signal.sigwait(end_signals)
    return 1 if ended_by == signal.SIGUSR1 else 0


def make_cluster(options: argparse.Namespace) -> SimulatedCluster:
    """The cluster that the options of the command line ask for."""
    ctl.parse_speed(str(options.speed))
    if options.engines is None:
        managers = 3 if options.managers is None else options.managers
        workers = 2 if options.workers is None else options.workers
        return simulate(managers=managers, workers=workers, seed=options.seed)
    if options.managers is not None or options.workers is not None:
        raise LabError("--engines are in no swarm yet, so --managers and --workers cannot be given")
    names = options.engines.split(",")
    for name in names:
        if not HOST_NAME.fullmatch(name):
            raise LabError(
                "--engines: {name!r} is not a host name; give names such as m1,m2,w1", name=name
            )
    return engines(names, seed=options.seed)


def prepare_folder(folder: Path, names: list[str]) -> None:
    """Make the folders for the sockets; LabError when they are in use or cannot be used."""
    socket_folder.prepare(folder, names)
    control = folder / ctl.SOCKET
    with socket.socket(socket.AF_UNIX) as probe:
        if probe.connect_ex(str(control)) == 0:
            raise LabError(
                "{folder} is in use by another server; choose another --dir", folder=folder
            )
    control.unlink(missing_ok=True)  # of a server that was killed


@contextlib.contextmanager
def engine_sockets(cluster: SimulatedCluster, pacer: Pacer, folder: Path) -> Iterator[None]:
    """Serve every node on its own socket while time passes, for the length of a `with` block."""
    servers = [
        SocketServer(
            folder / name / "docker.sock",
            functools.partial(cluster.engine, name),
            pacer,
        )
        for name in cluster.names
    ]
    try:
        pacer.start()
        for server in servers:
            server.start()
            print(f"DOCKER_HOST=unix://{server.path}", flush=True)
        yield
    finally:
        for server in servers:
            server.stop()
        pacer.stop()
        for server in servers:
            with contextlib.suppress(OSError):
                server.path.parent.rmdir()
