"""`swarmlab serve`: each node of a simulated cluster behind a socket, in step with the clock.

DIR/m1/docker.sock   node m1, for Docker's own tools: DOCKER_HOST=unix://DIR/m1/docker.sock
DIR/ctl.sock         for `swarmlab ctl`: one line of JSON each way, see `cli.py`
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import inspect
import json
import math
import os
import re
import signal
import socket
import socketserver
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swarmlab.engine.clock_drivers import PacedClock, Pacer
from swarmlab.engine.transport import SocketServer
from swarmlab.errors import LabError, NoneSuch
from swarmlab.simulation import S
from swarmlab.strings import text_table
from swarmlab.units import nanoseconds

if TYPE_CHECKING:
    from swarmlab.cluster.simulated import SimulatedCluster

SOCKET_PATH_BYTES_MAX = 103  # macOS takes no longer one; Linux four more
CTL_LINE_BYTES_MAX = 1 << 16
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,62}")


def serve(options: argparse.Namespace) -> int:
    """Serve until somebody ends it with Ctrl-C or a signal; the exit code."""
    if not hasattr(socket, "AF_UNIX"):
        raise LabError("this system has no UNIX sockets; use the notebooks, or a Linux subsystem")
    cluster = made(options)
    folder: Path = options.dir.absolute()
    prepare(folder, cluster.names)
    # Blocked in every thread and waited for below: no handler can come at a bad moment.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGUSR1})

    def give_up(fault: threading.ExceptHookArgs) -> None:
        sys.__excepthook__(fault.exc_type, fault.exc_value or fault.exc_type(), fault.exc_traceback)
        if fault.thread is not None and fault.thread.name == "pacer":  # time stands still now
            os.kill(os.getpid(), signal.SIGUSR1)

    threading.excepthook = give_up
    pacer = Pacer(cluster.machine(cluster.names[0]).simulation, options.speed)
    with sockets(cluster, pacer, folder), ctl_socket(Ctl(cluster, pacer), folder):
        ended_by = signal.sigwait({signal.SIGINT, signal.SIGTERM, signal.SIGUSR1})
    return 1 if ended_by == signal.SIGUSR1 else 0


def made(options: argparse.Namespace) -> SimulatedCluster:
    """The cluster that the options of the command line ask for."""
    from swarmlab.cluster.factory import engines, simulate

    speed_of(str(options.speed))
    if options.engines is None:
        managers = 3 if options.managers is None else options.managers
        workers = 2 if options.workers is None else options.workers
        return simulate(managers=managers, workers=workers, seed=options.seed)
    if options.managers is not None or options.workers is not None:
        raise LabError("--engines are in no swarm yet, so --managers and --workers cannot be given")
    names = options.engines.split(",")
    for name in names:
        if not NAME.fullmatch(name):
            raise LabError(
                "--engines: {name!r} is no host name; give names such as m1,m2,w1", name=name
            )
    return engines(names, seed=options.seed)


def speed_of(word: str) -> float:
    """A speed as somebody wrote it; LabError when it is none."""
    with contextlib.suppress(ValueError):
        if math.isfinite(speed := float(word)) and speed >= 0:
            return speed
    raise LabError(
        "speed {word!r} does not do; give a number such as 10, or 0 to stop time", word=word
    )


def prepare(folder: Path, names: list[str]) -> None:
    """Make the folders for the sockets; LabError when they are in use or cannot be used."""
    longest = folder / max(names, key=len) / "docker.sock"
    if len(os.fsencode(longest)) > SOCKET_PATH_BYTES_MAX:
        raise LabError(
            "{longest} is too long for a socket; choose a shorter --dir", longest=longest
        )
    try:
        for name in names:
            (folder / name).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        why = error.strerror
        raise LabError(
            "{folder} cannot be used ({why}); choose another --dir", folder=folder, why=why
        ) from None
    with socket.socket(socket.AF_UNIX) as probe:
        if probe.connect_ex(str(folder / "ctl.sock")) == 0:
            raise LabError(
                "{folder} is in use by another server; choose another --dir", folder=folder
            )
    (folder / "ctl.sock").unlink(missing_ok=True)  # of a server that was killed


@contextlib.contextmanager
def sockets(cluster: SimulatedCluster, pacer: Pacer, folder: Path) -> Iterator[None]:
    """Every node answers on its own socket, and time passes."""
    servers = []
    for name in cluster.names:
        path = folder / name / "docker.sock"
        engine_of: Callable[[], Any] = functools.partial(cluster.engine, name)
        servers.append(SocketServer(path, engine_of, PacedClock(pacer)))
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


# -- ctl -------------------------------------------------------------------------------------------
class Ctl:
    """What `swarmlab ctl` can ask for: one method a word."""

    def __init__(self, cluster: SimulatedCluster, pacer: Pacer) -> None:
        self.cluster = cluster
        self.pacer = pacer
        self.words: dict[str, Callable[..., str]] = {
            "crash": functools.partial(self.each, cluster.crash, "crashed"),
            "start": functools.partial(self.each, cluster.start, "started"),
            "stop": functools.partial(self.each, cluster.stop, "stopped"),
            "partition": self.partition,
            "heal": self.heal,
            "speed": self.speed,
            "run": self.run,
            "status": self.status,
        }

    def obey(self, word: str, *rest: str) -> str:
        """Do it, and say what was done; LabError when it cannot be done."""
        if word not in self.words:
            raise NoneSuch("{name!r} is not understood; there are {known}", word, self.words)
        act = self.words[word]
        try:
            inspect.signature(act).bind(*rest)
        except TypeError:
            line = " ".join([word, *rest])
            raise LabError("{line!r} has too few or too many words", line=line) from None
        with self.pacer.condition:
            self.pacer.catch_up()
            said = act(*rest)
            self.pacer.condition.notify_all()
        return said

    def each(self, act: Callable[[str], None], done: str, first: str, *others: str) -> str:
        """Crash, start or stop these nodes."""
        names = [first, *others]
        for name in names:
            self.cluster.machine(name)  # refuse all when one is unknown
        for name in names:
            act(name)
        return f"{', '.join(names)} {done}"

    def partition(self, first: str, *others: str) -> str:
        self.cluster.partition(*([n for n in side.split(",") if n] for side in (first, *others)))
        return f"cut apart: {' | '.join([first, *others])}"

    def heal(self) -> str:
        self.cluster.heal()
        return "whole again"

    def speed(self, word: str) -> str:
        self.pacer.set_speed(speed_of(word))
        return f"speed {self.pacer.speed:g}"

    def run(self, duration: str) -> str:
        self.pacer.run_ahead(nanoseconds(duration))
        return self.time()

    def time(self) -> str:
        return f"t = {self.cluster.now_ns / S:.1f} s, speed {self.pacer.speed:g}"

    def status(self) -> str:
        rows = [("NODE", "ADDRESS", "MACHINE")]
        for name in self.cluster.names:
            up = "up" if self.cluster.is_up(name) else "down"
            rows.append((name, self.cluster.machine(name).address, up))
        return "\n".join([self.time(), text_table(rows, padding=3)])


class _CtlHandler(socketserver.StreamRequestHandler):
    """One connection to the control socket: a line in, a line out."""

    timeout = 10.0

    def handle(self) -> None:
        with contextlib.suppress(OSError):
            line = self.rfile.readline(CTL_LINE_BYTES_MAX)
            self.wfile.write(json.dumps(self.answer(line)).encode() + b"\n")

    def answer(self, line: bytes) -> dict[str, str]:
        try:
            words = json.loads(line)["words"]
            if not words or not all(isinstance(word, str) for word in words):
                raise TypeError
        except (ValueError, KeyError, TypeError):
            return {"error": 'not understood; send one line such as {"words": ["status"]}'}
        try:
            return {"said": self.server.ctl.obey(*words)}  # type: ignore[attr-defined]
        except LabError as refusal:
            return {"error": str(refusal)}


@contextlib.contextmanager
def ctl_socket(ctl: Ctl, folder: Path) -> Iterator[None]:
    """`swarmlab ctl` is answered."""
    path = folder / "ctl.sock"
    with socketserver.ThreadingUnixStreamServer(str(path), _CtlHandler) as server:
        server.daemon_threads, server.block_on_close = True, False
        server.ctl = ctl  # type: ignore[attr-defined]
        thread = threading.Thread(
            target=server.serve_forever, args=(0.05,), name="ctl", daemon=True
        )
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            path.unlink(missing_ok=True)
