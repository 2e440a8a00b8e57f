"""/containers/…/top and stats: the processes of a container, and what they use.

The use of processor and memory is an estimate: simulated processes use none.
Source: moby daemon/{top_unix,stats}.go, api/types/container/stats.go.
"""

from __future__ import annotations

import json
from typing import Any

from swarmlab.engine import streams
from swarmlab.engine.request import ApiRequest
from swarmlab.engine.wire import NEVER
from swarmlab.errors import Conflict
from swarmlab.simulation import MS, S
from swarmlab.worker.containers import Container

CPU_SHARE = 1000  # a process is estimated to use this part of a processor's time: one thousandth
MEMORY_BYTES = 4 << 20  # and so much memory
TITLES = {
    False: ("UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"),
    True: ("USER", "PID", "%CPU", "%MEM", "VSZ", "RSS", "TTY", "STAT", "START", "TIME", "COMMAND"),
}


def _commands(request: ApiRequest, container: Container) -> list[tuple[str, ...]]:
    """The command lines of the container's processes; the first one is its main process."""
    execs = request.engine.containers.execs.values()
    running = [e for e in execs if e.container is container and e.running]
    return [container.argv, *(tuple(command.config["Cmd"]) for command in running)]


def top(request: ApiRequest, ref: str) -> Any:
    """As `ps -ef` prints them, or `ps aux` for arguments with a `u`."""
    container = request.engine.containers.get(ref)
    if not container.running:
        raise Conflict(f"container {container.id} is not running")
    by_user = "u" in (request.query("ps_args") or "-ef")
    started, pid = request.time(container.started_ns or 0)[11:16], container.pid
    rows = []
    for number, words in enumerate(_commands(request, container)):
        line, own = " ".join(words), str(pid + number)
        parent = str(pid - 1 if number == 0 else pid)
        if by_user:
            rows.append(["root", own, "0.0", "0.0", "1624", "4", "?", "Ss", started, "0:00", line])
        else:
            rows.append(["root", own, parent, "0", started, "?", "00:00:00", line])
    request.engine.containers.emit(container, "top")
    return {"Titles": TITLES[by_user], "Processes": rows}


def stats(request: ApiRequest, ref: str) -> Any:
    """One reading, or one a second until the container is removed."""
    container = request.engine.containers.get(ref)

    def pieces() -> streams.Pieces:
        while request.alive():
            yield json.dumps(_reading(request, container)).encode() + b"\n"
            end_ns = request.engine.machine.simulation.now_ns + S
            while request.alive() and request.engine.machine.simulation.now_ns < end_ns:
                yield b""
            if container not in request.engine.containers.all():
                return

    stream = (request.http.args.get("stream") or "1") in ("1", "true", "True")
    return streams.stream(pieces()) if stream else _reading(request, container)


def _reading(request: ApiRequest, container: Container) -> dict[str, Any]:
    engine, names = request.engine, {"name": f"/{container.name}", "id": container.id}
    if not container.running:
        return {**names, "read": NEVER, "preread": NEVER, "cpu_stats": {}, "memory_stats": {}}
    now_ns, count = engine.machine.simulation.now_ns, len(_commands(request, container))
    nodes = engine.description
    processors = nodes.at("Resources", "NanoCPUs") // S
    memory = container.host_config.get("Memory") or nodes.at("Resources", "MemoryBytes")

    def processor(at_ns: int) -> dict[str, Any]:
        run_ns = max(at_ns - (container.started_ns or 0), 0)
        usage = {"total_usage": count * run_ns // CPU_SHARE, "usage_in_usermode": 0}
        total_ns = processors * at_ns
        return {"cpu_usage": usage, "system_cpu_usage": total_ns, "online_cpus": processors}

    return {
        **names,
        "read": request.time(now_ns),
        "preread": request.time(max(now_ns - S, 0)),
        "pids_stats": {"current": count},
        "num_procs": 0,
        "cpu_stats": processor(now_ns),
        "precpu_stats": processor(max(now_ns - S, MS)),
        "memory_stats": {"usage": count * MEMORY_BYTES, "limit": memory, "stats": {}},
        "blkio_stats": {"io_service_bytes_recursive": []},
        "networks": {"eth0": {"rx_bytes": 0, "tx_bytes": 0}},
    }
