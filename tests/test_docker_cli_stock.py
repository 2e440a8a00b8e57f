"""Our `docker` prints, asks and refuses what the stock command line does, line by line.

Each line is run by both. On the scripted engine every write request is compared as well; on a
served simulated cluster and, where root may start one, on a real engine the same story is played
twice, with `@` in names being `s` for stock and `o` for ours.

To record stock_help.txt again: `docker COMMAND --help` of every command in it, in its order, with
an engine that answers `HEAD /_ping` with `Api-Version: 1.50` and `Ostype: linux`.
"""

from __future__ import annotations

import contextlib
import http.server
import io
import json
import os
import re
import shlex
import shutil
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import docker
import pytest

from swarmlab.docker_cli import run
from tests.served import Served
from tests.test_docker_cli_world import SCRIPTED, STORY, answer

pytestmark = pytest.mark.oracle

Result = tuple[int, str, str]
STOCK = shutil.which("docker") or ""
# The stock command line keeps these in maps, and writes them in any order.
UNORDERED = {"Env", "Ports", "Secrets", "Configs", "GenericResources"}


class ScriptedEngine(socketserver.ThreadingUnixStreamServer):
    """Answers from `docker_cli_world` and keeps what was written to it."""

    daemon_threads = True

    def __init__(self, path: Path) -> None:
        self.written: list[tuple[str, str, dict[str, str], Any]] = []
        super().__init__(str(path), Handler)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ScriptedEngine

    def handle_any(self) -> None:
        url = urlsplit(self.path)
        path = re.sub(r"^/v1\.\d+", "", url.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        query = dict(parse_qsl(url.query))
        status, reply = answer(self.command, path, query)
        if self.command not in ("GET", "HEAD"):
            sent = json.loads(body) if body.strip() else None
            self.server.written.append((self.command, path, query, sent))
        data = reply if isinstance(reply, bytes) else json.dumps(reply).encode()
        self.send_response(status)
        for name, value in (
            ("Api-Version", "1.50"),
            ("Ostype", "linux"),
            ("Swarm", "active/manager"),
        ):
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    do_GET = do_POST = do_DELETE = do_HEAD = handle_any

    def address_string(self) -> str:
        return "client"

    def log_message(self, *_: object) -> None: ...


@pytest.fixture(scope="module")
def scripted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, ScriptedEngine]]:
    path = tmp_path_factory.mktemp("engine") / "docker.sock"
    engine = ScriptedEngine(path)
    threading.Thread(target=engine.serve_forever, daemon=True).start()
    yield path, engine
    engine.shutdown()
    engine.server_close()


def stock(path: Path, words: list[str], stdin: bytes = b"") -> Result:
    environment = dict(os.environ, DOCKER_HOST=f"unix://{path}", DOCKER_CLI_HINTS="0")
    done = subprocess.run(
        [STOCK, *words], input=stdin, capture_output=True, env=environment, timeout=120, check=False
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def ours(path: Path, words: list[str], stdin: bytes = b"") -> Result:
    client = docker.APIClient(base_url=f"unix://{path}", version="auto")
    out, err = io.StringIO(), io.StringIO()
    with contextlib.closing(client):
        code = run(words, client, out=out, err=err, stdin=stdin)
    return code, out.getvalue(), err.getvalue()


def settled(value: Any, name: str = "") -> Any:
    """`value` with the lists in order that the stock command line writes in any order."""
    if isinstance(value, dict):
        return {key: settled(one, key) for key, one in value.items()}
    if isinstance(value, list | tuple):
        items = [settled(one) for one in value]
        unordered = name in UNORDERED
        return (
            sorted(items, key=lambda one: json.dumps(one, sort_keys=True)) if unordered else items
        )
    return value


@pytest.mark.parametrize("line", SCRIPTED)
def test_on_the_scripted_engine_both_print_and_write_the_same(scripted, line):
    path, engine = scripted
    words = shlex.split(line)
    results, written = [], []
    for command_line in (stock, ours):
        engine.written.clear()
        results.append(command_line(path, words, b"senha\n"))
        written.append(list(engine.written))
    assert results[1] == results[0]
    assert settled(written[1]) == settled(written[0])


# What may differ between two plays of one story, and what stands for it.
SAME = (
    (r"\b[a-z0-9]{25}\b", "<ID>"),
    (r"\b[0-9a-f]{64}\b", "<SHA>"),
    (r"\b[a-z0-9]{12}\b", "<SHORT>"),
    (r"SWMTKN-1-[a-z0-9]{50}-[a-z0-9]{25}", "<TOKEN>"),
    (r"SWMKEY-1-[A-Za-z0-9+/]{43}", "<KEY>"),
    (r"(?:Less than a|About a|\d+) (?:second|minute)s?", "<AGE>"),
    (r"\d{4}-\d\d-\d\d[T ][\d:.]+", "<TIME>"),
    (r"-----BEGIN CERT[^#]*?CERTIFICATE-----", "<CERT>"),
    (r"(?m)^(?:\S+ progress|active tasks|verify|\d+/\d+|<SHORT>): (?!Service).*\n", ""),
    (r"(?m)^  rotated .*\n|^desired root .*\n", ""),
    (r"(?m)^(.*)\n(?:\1\n)+", r"\1\n"),
)


def same(text: str, side: str) -> str:
    for pattern, stand_in in SAME:
        text = re.sub(pattern, stand_in, text)
    return re.sub(r" +", " ", re.sub(rf"-{side}\b", "-@", text))


def play(path: Path, lines: list[str]) -> list[str]:
    """What differs, line by line, when a story is played by both on one engine."""
    differing = []
    for line in lines:
        results = []
        for side, command_line in (("s", stock), ("o", ours)):
            code, out, err = command_line(path, shlex.split(line.replace("@", side)), b"senha\n")
            results.append((code, same(out, side), same(err, side)))
        if results[0] != results[1]:
            differing.append(f"{line}\n  stock: {results[0]}\n  ours:  {results[1]}")
    return differing


def test_on_a_served_cluster_both_tell_one_story(tmp_path):
    with Served(tmp_path, "--managers", "1", "--workers", "1", "--speed", "5") as served:
        paths = [Path(served.host(name).removeprefix("unix://")) for name in ("m1", "w1")]
        for path, tag in product(paths, ("demo:1", "demo:2")):
            stock(path, ["import", "-c", 'CMD ["sleep","3600"]', "-", tag], b"\0" * 1024)
        differing = play(paths[0], STORY)
    assert not differing, "\n".join(differing)


@pytest.mark.by_hand
@pytest.mark.filterwarnings("ignore")  # the oracle's starter leaves logs open
def test_on_a_real_engine_both_tell_one_story():
    if os.geteuid() != 0 or not shutil.which("dockerd") or "DOCKER_CLI_REAL" not in os.environ:
        pytest.skip("needs root, dockerd and DOCKER_CLI_REAL=1 to start a real engine")
    # RealCluster's names are the machine's: starting a second one would take the first one down.
    if "rs-" in subprocess.run(["ip", "netns", "list"], capture_output=True, text=True).stdout:
        pytest.skip("another real swarm is running on this machine")
    sys.path.insert(0, str(Path(__file__).parent / "oracle"))
    from realswarm import RealCluster

    cluster = RealCluster(["m1", "w1"]).up()
    try:
        cluster.swarm(["m1"], ["w1"])
        differing = play(cluster.sock("m1"), STORY)
    finally:
        cluster.down()
    assert not differing, "\n".join(differing)
