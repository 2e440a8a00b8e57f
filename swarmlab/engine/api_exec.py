"""/exec and attach: connections that stop being HTTP and carry a container's input and output.

Source: moby daemon/server/router/container/{exec,container_routes}.go.
"""

from __future__ import annotations

from typing import Any

from swarmlab.engine import streams
from swarmlab.engine.request import Ask
from swarmlab.engine.streams import Hijack, Pieces, Receive
from swarmlab.errors import Conflict, NoSuchObject
from swarmlab.model import freeze
from swarmlab.worker.containers import Exec


def attach(ask: Ask, ref: str) -> Any:
    """What it writes from now on (with `logs`, from the beginning) until it ends."""
    container = ask.engine.containers.get(ref)
    tty = bool(container.config.get("Tty"))
    seen = 0 if ask.flag("logs") else container.lines_count

    def talk(receive: Receive) -> Pieces:
        count = seen
        exited = container.exited
        while ask.alive() and ask.flag("stream", "1"):
            ended = exited.done
            for entry in streams.fresh(container, count):
                yield streams.frame(entry.stream, entry.data, tty=tty)
            count = container.lines_count
            if ended:
                return
            yield None

    return Hijack(talk, streams.content_type(tty), live=True)


def create(ask: Ask, ref: str) -> Any:
    container = ask.engine.containers.get(ref)
    return {"Id": ask.engine.containers.exec_create(container, freeze(ask.body()).with_()).id}


END = frozenset(b"\x03\x04")  # what Ctrl-C and Ctrl-D send: nothing else is read from a terminal


def _exec(ask: Ask, ref: str) -> Exec:
    found: Exec | None = ask.engine.containers.execs.get(ref)
    if found is None:
        raise NoSuchObject(f"No such exec instance: {ref}")
    return found


def start(ask: Ask, ref: str) -> Any:
    made, body = _exec(ask, ref), ask.body(optional=True)
    if made.running or made.exit_code is not None:
        raise Conflict(f"exec command {ref} has already run")
    if body.get("Detach"):
        ask.engine.containers.exec_start(ref)
        return None
    # The terminal is made as `create` said; whether there are frames is for `start` to say.
    terminal, raw = bool(made.config.get("Tty")), bool(body.get("Tty"))
    wants_input = bool(made.config.get("AttachStdin"))

    def talk(receive: Receive) -> Pieces:
        typed = b""
        while wants_input and not terminal and ask.alive():
            piece = receive()
            if piece == b"":
                break
            typed += piece or b""
            if piece is None:
                yield None
        answer = ask.engine.containers.exec_start(ref, typed)
        count = 0
        while True:
            ended = answer.done or not ask.alive()
            if terminal and made.process and END & set(receive() or b""):
                made.process.end(130)
            entries = made.output[count:]
            count += len(entries)
            for entry in entries:
                data = entry.data.replace(b"\n", b"\r\n") if terminal else entry.data
                yield streams.frame("stdout" if terminal else entry.stream, data, tty=raw)
            if ended:
                return
            yield b""

    return Hijack(talk, streams.content_type(raw), live=wants_input)


def inspect(ask: Ask, ref: str) -> Any:
    made = _exec(ask, ref)
    words = list(made.config.get("Cmd") or [""])
    return {
        "ID": made.id,
        "Running": made.running,
        "ExitCode": made.exit_code,
        "ProcessConfig": {
            "tty": bool(made.config.get("Tty")),
            "entrypoint": words[0],
            "arguments": words[1:],
            "privileged": bool(made.config.get("Privileged")),
        },
        **{
            f"Open{name}": bool(made.config.get(f"Attach{name}"))
            for name in ("Stdin", "Stdout", "Stderr")
        },
        "CanRemove": False,
        "ContainerID": made.container.id,
        "Pid": 0,
    }
