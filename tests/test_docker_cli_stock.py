"""Our `docker` behaves as the stock command line does: output, requests and errors.

Both run each line. On the scripted engine every write request is compared as well; two equal
simulated clusters run a long list of lines, one each; where root may start a real engine, both run
the same lines on it, with `@` in names standing for `s` (stock) and `o` (ours).

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
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import docker
import pytest

from swarmlab.cli.ctl import ask
from swarmlab.docker_cli import run
from swarmlab.docker_cli.flags import commands
from swarmlab.docker_cli.session import Session
from tests.scripted_engine import EQUAL, EXCEPTIONS, REAL_ENGINE, SCRIPTED, SET_UP, answer
from tests.served import Served

pytestmark = pytest.mark.oracle

Result = tuple[int, str, str]
STOCK = shutil.which("docker") or ""
# The stock command line keeps these in maps, and writes them in any order.
UNORDERED = {"Env", "Ports", "Secrets", "Configs", "GenericResources"}


class ScriptedEngine(socketserver.ThreadingUnixStreamServer):
    """Answers from `scripted_engine.answer` and keeps the write requests."""

    daemon_threads = True
    request_queue_size = 128  # where it is full, a client is refused

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
        query: dict[str, Any] = dict(parse_qsl(url.query))
        status, reply = answer(self.command, path, query)
        if self.command not in ("GET", "HEAD"):
            sent = json.loads(body) if body.strip() else None
            query |= {k: json.loads(v) for k, v in query.items() if k == "filters"}
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
        [STOCK, *words], input=stdin, capture_output=True, env=environment, timeout=300, check=False
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def ours(path: Path, words: list[str], stdin: bytes = b"") -> Result:
    client = docker.APIClient(base_url=f"unix://{path}", version="auto")
    out, err = io.StringIO(), io.StringIO()
    with contextlib.closing(client):
        session = Session(client=client, out=out, err=err, read_stdin=lambda: stdin)
        code = run(words, session)
    return code, out.getvalue(), err.getvalue()


def with_sorted_lists(value: Any, name: str = "") -> Any:
    """`value` with those lists sorted that the stock command line writes in any order."""
    if isinstance(value, dict):
        return {key: with_sorted_lists(item, key) for key, item in value.items()}
    if isinstance(value, list | tuple):
        items = [with_sorted_lists(item) for item in value]
        unordered = name in UNORDERED
        return sorted(items, key=by_text) if unordered else items
    return value


TRIES = 3  # an age may change between the two runs; a real difference stays


@pytest.mark.parametrize("line", SCRIPTED)
def test_on_the_scripted_engine_output_and_requests_are_equal(scripted, line):
    path, engine = scripted
    words = shlex.split(line)
    for _ in range(TRIES):
        results, written = [], []
        for command_line in (stock, ours):
            engine.written.clear()
            results.append(in_order(line, command_line(path, words, b"senha\n")))
            written.append(sorted(map(with_sorted_lists, engine.written), key=by_text))
        if results[1] == results[0]:
            break
    assert results[1] == results[0]
    assert written[1] == written[0]


def by_text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def in_order(line: str, result: Result) -> Result:
    """The output of `stack deploy` and `stack rm` sorted: the stock order is random."""
    code, out, err = result
    if not line.startswith(("stack deploy", "stack rm")):
        return result
    return code, "\n".join(sorted(out.splitlines())), "\n".join(sorted(err.splitlines()))


# -- Compose files --------------------------------------------------------------------------------
SNIPPETS = (Path(__file__).parent / "stacks" / "snippets.txt").read_text("utf-8").split("\n---\n")


def test_compose_files_give_equal_output_or_errors(tmp_path):
    no_socket, differing = tmp_path / "no.sock", []
    for text in SNIPPETS:
        words = ["stack", "config", "-c", "-"]
        results = (run_it(no_socket, words, text.encode()) for run_it in (stock, offline))
        expected, actual = ((code, out, masked(err, "s")) for code, out, err in results)
        if expected != actual:
            differing.append(f"{text}\n  stock: {expected}\n  ours:  {actual}")
    assert len(SNIPPETS) > 100
    assert not differing, "\n".join(differing)


def offline(path: Path, words: list[str], stdin: bytes = b"") -> Result:
    client = docker.APIClient(base_url=f"unix://{path}", version="1.50")
    out, err = io.StringIO(), io.StringIO()
    session = Session(client=client, out=out, err=err, read_stdin=lambda: stdin)
    return run(words, session), out.getvalue(), err.getvalue()


@pytest.fixture(autouse=True)
def _in_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Relative paths start here, and the variable of the Compose files is set."""
    monkeypatch.chdir(Path(__file__).parents[1])
    monkeypatch.setenv("Y", "yy")


# Pattern of what may differ between two runs -> its placeholder.
MASKS = (
    (r"\b[a-z0-9]{25}\b", "<ID>"),
    (r"\b[0-9a-f]{64}\b", "<SHA>"),
    (r"\b[a-z0-9]{12}\b", "<SHORT>"),
    (r'"Index": \d+', '"Index": <N>'),
    (r"SWMTKN-1-[a-z0-9]{50}-[a-z0-9]{25}", "<TOKEN>"),
    (r"SWMKEY-1-[A-Za-z0-9+/]{43}", "<KEY>"),
    (r"(?:Less than a|About a|\d+) (?:second|minute)s?", "<AGE>"),
    (r"\d{4}-\d\d-\d\d[T ][\d:.]+", "<TIME>"),
    (r"-----BEGIN CERT[^#]*?CERTIFICATE-----", "<CERT>"),
    # Progress lines depend on when the engine is polled; the scripted engine compares them exactly.
    (r"(?m)^(?:\S+ progress|active tasks|verify|\d+/\d+|<SHORT>): .*\n", ""),
    (r"(?m)^  rotated .*\n|^desired root .*\n", ""),
    (r"(?m)^(.*)\n(?:\1\n)+", r"\1\n"),
)


def masked(text: str, side: str) -> str:
    for pattern, placeholder in MASKS:
        text = re.sub(pattern, placeholder, text)
    return re.sub(r" +", " ", re.sub(rf"-{side}\b", "-@", text))


def differences(path: Path, lines: list[str]) -> list[str]:
    """The lines whose results differ when both run them on one engine."""
    differing = []
    for line in lines:
        results = []
        for side, command_line in (("s", stock), ("o", ours)):
            code, out, err = command_line(path, shlex.split(line.replace("@", side)), b"senha\n")
            results.append((code, masked(out, side), masked(err, side)))
        if results[0] != results[1]:
            differing.append(f"{line}\n  stock: {results[0]}\n  ours:  {results[1]}")
    return differing


# -- equal simulated clusters ---------------------------------------------------------------------
SOURCE = "\0" * 1024  # the files of an image, which are ignored


class Side:
    """One of two equal clusters, and the command line that is used on it."""

    def __init__(self, served: Served, command_line: Callable[..., Result]) -> None:
        self.served, self.command_line = served, command_line
        self.path = Path(served.host("m1").removeprefix("unix://"))

    def set_up(self) -> None:
        for name in ("m1", "w1"):
            path = Path(self.served.host(name).removeprefix("unix://"))
            for tag in ("demo:1", "demo:2"):
                words = ["import", "-c", 'CMD ["sleep","3600"]', "-", tag]
                assert stock(path, words, SOURCE.encode())[0] == 0
        for line in SET_UP:
            assert stock(self.path, shlex.split(line), b"senha\n")[0] == 0, line
        self.wait()

    def run(self, line: str) -> tuple[int, str, str]:
        result = self.command_line(self.path, shlex.split(line), b"senha\n")
        code, out, err = in_order(line, result)
        if created := re.match(r"service create --name (n\d+)", line):
            stock(self.path, ["service", "rm", created[1]])
        self.wait()
        return code, masked(out, "s"), masked(err, "s")

    def wait(self) -> None:
        """Let both clusters settle, so that they are in equal states again."""
        ask(self.served.folder, ["run", "12s"])


def test_on_equal_simulated_clusters_output_is_equal(tmp_path):
    """More than 300 lines, 120 of them errors; EXCEPTIONS lists what may differ, and why."""
    options = ("--managers", "1", "--workers", "1", "--speed", "20", "--seed", "7")
    differing, failed = {}, 0
    with Served(tmp_path / "s", *options) as first, Served(tmp_path / "o", *options) as second:
        sides = Side(first, stock), Side(second, ours)
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(Side.set_up, sides))
            for line in EQUAL:
                results = list(pool.map(Side.run, sides, (line, line)))
                failed += results[0][0] != 0
                if results[0] != results[1]:
                    differing[line] = f"{line}\n  stock: {results[0]}\n  ours:  {results[1]}"
    assert len(EQUAL) >= 300
    assert failed >= 120
    unexpected = [text for line, text in differing.items() if line not in EXCEPTIONS]
    assert not unexpected, "\n".join(unexpected)
    assert [line for line in EXCEPTIONS if line not in differing] == []


PUBLIC = sorted((Path(__file__).parent / "stacks" / "public").glob("*.yml"))


def specs(path: Path) -> list[Any]:
    """The specs of all services, with names for the ids of what they refer to."""
    client = docker.APIClient(base_url=f"unix://{path}", version="auto")
    with contextlib.closing(client):
        names = {network["Id"]: network["Name"] for network in client.networks()}
        for rows in (client.secrets(), client.configs()):
            names |= {row["ID"]: row["Spec"]["Name"] for row in rows}
        text = json.dumps([service["Spec"] for service in client.services()])
    for id, name in names.items():
        text = text.replace(id, name)
    return sorted(map(with_sorted_lists, json.loads(text)), key=by_text)


def test_public_stacks_are_deployed_with_equal_specs(tmp_path):
    """Each with the stock command line and with ours; test_stacks.py runs and removes them."""
    with Served(tmp_path / "s", "--managers", "1", "--workers", "0", "--speed", "1") as served:
        path = Path(served.host("m1").removeprefix("unix://"))
        for file in PUBLIC:
            found = []
            for command_line in (stock, ours):
                deployed = command_line(path, ["stack", "deploy", "-d", "-c", str(file), "app"])
                assert deployed[0] == 0, deployed
                found.append(specs(path))
                assert command_line(path, ["stack", "rm", "app"])[0] == 0
                ask(served.folder, ["run", "30s"])
            assert found[0] == found[1] != []


def test_the_lines_use_every_command_and_every_flag_of_services():
    used = [shlex.split(line) for line in EQUAL]
    paths = {command.path for command in commands().values() if not command.is_group}
    first = {" ".join(words[:length]) for words in used for length in (1, 2)}
    assert paths - first == set()
    for path in ("service create", "service update"):
        words = {
            word.partition("=")[0]
            for words in used
            if " ".join(words[:2]) == path
            for word in words
        }
        flags = commands()[path].flags.values()
        unused = [f.name for f in flags if not {f"--{f.name}", f"-{f.shorthand}"} & words]
        assert unused == [], path


@pytest.mark.by_hand
@pytest.mark.filterwarnings("ignore")  # the oracle's starter leaves logs open
def test_on_a_real_engine_output_is_equal():
    if os.geteuid() != 0 or not shutil.which("dockerd") or "DOCKER_CLI_REAL" not in os.environ:
        pytest.skip("needs root, dockerd and DOCKER_CLI_REAL=1 to start a real engine")
    # RealCluster's names are the machine's: starting a second one would take the first one down.
    if (
        "rs-"
        in subprocess.run(
            ["ip", "netns", "list"], capture_output=True, text=True, encoding="utf-8"
        ).stdout
    ):
        pytest.skip("another real swarm is running on this machine")
    sys.path.insert(0, str(Path(__file__).parent / "oracle"))
    from realswarm import RealCluster

    cluster = RealCluster(["m1", "w1"]).up()
    try:
        cluster.swarm(["m1"], ["w1"])
        differing = differences(cluster.sock("m1"), REAL_ENGINE)
    finally:
        cluster.down()
    assert not differing, "\n".join(differing)
