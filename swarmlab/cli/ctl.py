"""`swarmlab ctl`: injects faults into a served cluster, through the server's control socket.

Client and server speak one line of JSON each way: `{"words": ["crash", "m1"]}` is answered with
`{"reply": "…"}` or `{"error": "…"}`. A long run ends early when its client hangs up.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import json
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from swarmlab.cluster.faults import FAULTS
from swarmlab.cluster.socket_folder import check_served, default_folder
from swarmlab.engine.clock_drivers import SPEED_MAX
from swarmlab.engine.go_json import parsed
from swarmlab.engine.schemas import decoded
from swarmlab.engine.transport import still_connected
from swarmlab.errors import BadParameter, LabError, NoneSuch
from swarmlab.strings import _, text_table
from swarmlab.units import S, step_ns

if TYPE_CHECKING:
    from swarmlab.cluster.simulated import SimulatedCluster
    from swarmlab.engine.clock_drivers import Pacer

DIR = default_folder()  # where `serve` has its sockets unless told
FOLDER = click.Path(path_type=Path)
SOCKET = "ctl.sock"
TIMEOUT_S = 120.0
LINE_BYTES_MAX = 1 << 16
HELP = text_table(
    [
        *((fault.usage, fault.help) for fault in FAULTS.values()),
        ("speed X", "let X simulated seconds pass in each second"),
        ("run 30s", "let 30 simulated seconds pass at once"),
        ("status", "show the nodes and the time"),
    ]
)


# -- the client -----------------------------------------------------------------------------------
@click.command("ctl", epilog=f"\b\n{HELP}")
@click.option("--dir", "folder", type=FOLDER, default=DIR, show_default=True)
@click.argument("words", metavar="WORD...", nargs=-1, required=True)
def ctl(folder: Path, words: tuple[str, ...]) -> None:
    """Crash, start, stop, partition, heal what `swarmlab serve` serves with the same --dir."""
    print(ask(folder, words))


def ask(folder: Path, words: Sequence[str]) -> str:
    """The reply of the server in `folder`; LabError where it refuses or there is none."""
    check_served(folder / SOCKET)
    with socket.socket(socket.AF_UNIX) as control:
        control.settimeout(TIMEOUT_S)
        try:
            control.connect(str(folder / SOCKET))
        except OSError as error:
            raise LabError(
                "nothing is served in {folder} ({error}); "
                "start it with: swarmlab serve --dir {folder}",
                folder=folder,
                error=error.strerror or error,
            ) from None
        with control.makefile("rw", encoding="utf-8") as lines:
            lines.write(json.dumps({"words": list(words)}) + "\n")
            lines.flush()
            control.settimeout(None)  # a long run takes its time
            line = lines.readline()
    if not line:
        raise LabError("the server in {folder} ended without an answer", folder=folder)
    answer: dict[str, str] = json.loads(line)
    if "error" in answer:
        raise LabError(answer["error"])
    return answer["reply"]


# -- the server -----------------------------------------------------------------------------------
class Ctl:
    """Carries out the words of one client, while it is `connected`, on a served cluster."""

    def __init__(
        self, cluster: SimulatedCluster, pacer: Pacer, connected: Callable[[], bool]
    ) -> None:
        self.cluster = cluster
        self.pacer = pacer
        self.connected = connected
        self.commands: dict[str, Callable[..., object]] = {
            **{w: functools.partial(fault.inject, cluster) for w, fault in FAULTS.items()},
            "speed": self.speed,
            "run": self.run,
            "status": self.status,
        }

    def obey(self, word: str, *words: str) -> str:
        """Carry out one command and confirm it; LabError where that is not possible."""
        if word not in self.commands:
            raise NoneSuch("{name!r} is not understood; there are {known}", word, self.commands)
        try:
            inspect.signature(self.commands[word]).bind(*words)
        except TypeError:
            line = " ".join([word, *words])
            raise LabError("{line!r} has too few or too many words", line=line) from None
        with self.pacer.condition:
            self.pacer.catch_up()
            reply = self.commands[word](*words)
            self.pacer.condition.notify_all()
        if word in FAULTS:
            return _(FAULTS[word].confirmation, words=" ".join(words))
        return str(reply)

    def speed(self, text: str) -> str:
        self.pacer.set_speed(parse_speed(text))
        return _("speed {speed:g}", speed=self.pacer.speed)

    def run(self, duration: str) -> str:
        self.pacer.run_ahead(step_ns(duration), self.connected)
        return self.time()

    def time(self) -> str:
        now_s, speed = self.cluster.now_ns / S, self.pacer.speed
        return _("t = {now:.1f} s, speed {speed:g}", now=now_s, speed=speed)

    def status(self) -> str:
        rows = [(_("NODE"), _("ADDRESS"), _("MACHINE"))]
        for name in self.cluster.names:
            up = _("up") if self.cluster.is_up(name) else _("down")
            rows.append((name, self.cluster.machine(name).address, up))
        return "\n".join([self.time(), text_table(rows, padding=3)])


def parse_speed(text: str) -> float:
    """Simulated seconds a second; LabError where the text is no such number."""
    with contextlib.suppress(ValueError):
        if 0 <= (speed := float(text)) <= SPEED_MAX:
            return speed
    raise LabError(
        "{text!r} is not a valid speed; give a number such as 10, up to {most}, or 0 to stop time",
        text=text,
        most=SPEED_MAX,
    )


class CtlHandler(socketserver.StreamRequestHandler):
    """One connection to the control socket: a line of JSON in, a line out."""

    timeout = 10.0

    def handle(self) -> None:
        with contextlib.suppress(OSError):
            line = self.rfile.readline(LINE_BYTES_MAX)
            self.wfile.write(json.dumps(self.answer(line)).encode() + b"\n")

    def answer(self, line: bytes) -> dict[str, str]:
        try:
            words = decoded(parsed(line), "Command").get("Words", [""])
            connected = functools.partial(still_connected, self.connection)
            return {"reply": self.server.ctl(connected).obey(*words)}  # type: ignore[attr-defined]
        except BadParameter as error:
            example = '{"words": ["status"]}'
            text = _("not understood: {error}; send one line such as {example}")
            return {"error": text.format(error=error, example=example)}
        except LabError as error:
            return {"error": str(error)}


@contextlib.contextmanager
def control_socket(cluster: SimulatedCluster, pacer: Pacer, folder: Path) -> Iterator[None]:
    """Answer on `folder`'s control socket for the length of a `with` block."""
    path = folder / SOCKET
    with socketserver.ThreadingUnixStreamServer(str(path), CtlHandler) as server:
        path.chmod(0o600)
        server.daemon_threads, server.block_on_close = True, False
        server.ctl = functools.partial(Ctl, cluster, pacer)  # type: ignore[attr-defined]
        thread = threading.Thread(
            target=server.serve_forever, args=(0.05,), name="ctl", daemon=True
        )
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            path.unlink(missing_ok=True)
