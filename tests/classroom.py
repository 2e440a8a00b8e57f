"""A class on real engines, by command and as root: `python -m tests.classroom FOLDER`.

Makes the image with the folder's own Dockerfile (its base from debootstrap, since no registry is
asked), starts one manager and two workers, deploys the stack, and lets three attendees in, each in
a browser of their own. They run page 00 and crash its leader; then a worker loses power. Prints
what it saw, with seconds. FOLDER keeps the base and the image for the next run.

`python -m tests.classroom record FOLDER` only keeps what the engine makes of the stack, for
`test_classroom.py`: after a change of stack.yml.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import docker

from swarmlab.cli.command_line import main

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.browser import Notebook

RECORDED = Path(__file__).parent / "stacks" / "class_specs.json"
PREFIX = os.environ.get("REALSWARM_PREFIX", "class")
PORT, WAIT_S = 8765, 300.0
CLONE_NEWNET = 0x40000000  # Linux, sched.h
ATTENDEES = ("ana", "bia", "caio")
STACK = ("stack", "deploy", "--compose-file", "stack.yml", "--resolve-image", "never", "class")
PACKAGES = "python3,python3-pip,python3-venv,ca-certificates,procps"
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"


def run(*words: object, host: str = "", **options: Any) -> str:
    """Run a command; what it printed."""
    environment = {**os.environ, "DOCKER_BUILDKIT": "0"}
    if host:
        environment["DOCKER_HOST"] = host
    done = subprocess.run(
        [str(word) for word in words],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        check=True,
        **options,
    )
    return done.stdout


# -- the image -------------------------------------------------------------------------------------
def make_image(folder: Path, lesson: Path) -> Path:
    """Build the folder's image in an engine that has this machine's network, and save it."""
    saved = folder / "image.tar"
    if saved.exists():
        return saved
    base = folder / "base"
    if not (base / "usr/bin/python3").exists():
        run("debootstrap", "--variant=minbase", f"--include={PACKAGES}", "trixie", base)
        for path in base.glob("usr/lib/python3*/EXTERNALLY-MANAGED"):
            path.unlink()  # as in the image python:3.13-slim, which this one replaces
        (base / "usr/bin/python").symlink_to("python3")
        (base / CERTIFICATES[1:]).write_bytes(Path(CERTIFICATES).read_bytes())
    with build_engine(folder / "engine") as host:
        variables = "ENV PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin LANG=C.UTF-8 "
        variables += f"PIP_CERT={CERTIFICATES} NODE_EXTRA_CA_CERTS={CERTIFICATES}"
        tar = subprocess.Popen(["tar", "-C", base, "-c", "."], stdout=subprocess.PIPE)
        run(
            "docker",
            "import",
            "-c",
            variables,
            "-",
            "python:3.13-slim",
            host=host,
            stdin=tar.stdout,
        )
        run("docker", "build", "--network", "host", "-t", "swarmlab-class:1", lesson, host=host)
        run("docker", "save", "-o", saved, "swarmlab-class:1", host=host)
    return saved


@contextmanager
def build_engine(place: Path) -> Iterator[str]:
    place.mkdir(parents=True, exist_ok=True)
    host = f"unix://{place}/docker.sock"
    engine = f"exec dockerd --data-root {place}/data --exec-root {place}/exec -H {host}"
    engine += f" --pidfile {place}/docker.pid --bridge=none --iptables=false --ip-masq=false"
    command = ["unshare", "--mount", "--pid", "--uts", "--fork", "--kill-child", "bash", "-c"]
    with (place / "log").open("w") as log:
        process = subprocess.Popen(
            [*command, f"mount -t proc proc /proc; {engine}"], stdout=log, stderr=log
        )
    try:
        deadline = time.monotonic() + 60
        while subprocess.run(["docker", "-H", host, "info"], capture_output=True).returncode:
            assert time.monotonic() < deadline, (place / "log").read_text("utf-8")
            time.sleep(0.5)
        yield host
    finally:
        process.kill()
        process.wait()


# -- the swarm -------------------------------------------------------------------------------------
class Mesh:
    """The published port. This kernel may lack IPVS, and the routing mesh with it: each connection
    to `PORT` here goes to the proxy's task through the network namespace of its node."""

    def __init__(self, swarm: Any) -> None:
        self.swarm, self.target = swarm, ("", "")
        threading.Thread(target=lambda: asyncio.run(self.serve()), daemon=True).start()

    def find(self) -> str:
        """Where the proxy's task is now; the node."""
        for node in self.swarm.proc:
            host = host_of(self.swarm, node)
            for name in run("docker", "ps", "-q", "-f", "name=class_proxy", host=host).split():
                addresses = run("docker", "exec", name, "hostname", "-I", host=host).split()
                self.target = (node, next(a for a in addresses if a.startswith("172.")))
        return self.target[0]

    async def serve(self) -> None:
        server = await asyncio.start_server(self.connect, "127.0.0.1", PORT)
        await server.serve_forever()

    async def connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            inside = await asyncio.to_thread(self.connection)
        except OSError:  # the proxy is not there
            writer.close()
            return
        proxy_reader, proxy_writer = await asyncio.open_connection(sock=inside)
        ways = (pump(reader, proxy_writer), pump(proxy_reader, writer))
        tasks = [asyncio.create_task(way) for way in ways]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        writer.close()
        proxy_writer.close()

    def connection(self) -> socket.socket:
        """A connection to the proxy from its node's network; this thread stays in it."""
        node, address = self.target
        with Path(f"/var/run/netns/{PREFIX}-{node}").open("rb") as network:
            assert ctypes.CDLL(None).setns(network.fileno(), CLONE_NEWNET) == 0
        return socket.create_connection((address, 8000))


async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while data := await source.read(65536):
        target.write(data)
        await target.drain()


def host_of(swarm: Any, node: str) -> str:
    return f"unix://{swarm.sock(node)}"


def deploy(swarm: Any, lesson: Path, image: Path) -> None:
    """Commands 2 (load) and 3 of the folder's README."""
    for node in swarm.nodes:
        run("docker", "load", "-i", image, host=host_of(swarm, node))
    # The manager's socket has its usual place on that machine.
    [engine] = run("pgrep", "-P", swarm.proc["m1"].pid).split()
    place = "mount -t tmpfs tmpfs /run && touch /run/docker.sock"
    place += f" && mount --bind {swarm.sock('m1')} /run/docker.sock"
    run("nsenter", "-t", engine, "-m", "sh", "-c", place)
    run("docker", *STACK, host=host_of(swarm, "m1"), cwd=lesson)


def placed(api: docker.APIClient, *states: str) -> dict[str, str]:
    """The nodes of services' current tasks, where those are in such a state."""
    names = {node["ID"]: node["Description"]["Hostname"] for node in api.nodes()}
    services = {service["ID"]: service["Spec"]["Name"] for service in api.services()}
    return {
        services[task["ServiceID"]]: names[task["NodeID"]]
        for task in api.tasks(filters={"desired-state": "running"})
        if task["Status"]["State"] in states
    }


def wait_for(what: str, found: Callable[[], Any]) -> Any:
    """Wait until it is there; prints the seconds."""
    begun = time.monotonic()
    while not (value := found()):
        assert time.monotonic() - begun < WAIT_S, f"no {what} within {WAIT_S} s"
        time.sleep(0.2)
    print(f"{what}: {value}, after {time.monotonic() - begun:.1f} s", flush=True)
    return value


# -- attendees -------------------------------------------------------------------------------------
def enter(page: Page, name: str, code: str) -> Notebook:
    """Log in, agree, and wait for page 00."""
    from tests.browser import Notebook

    begun = time.monotonic()
    page.goto(f"http://127.0.0.1:{PORT}/")
    page.fill("#username_input", name)
    page.fill("#password_input", f"password of {name}")
    page.fill("#otp_input", code)
    page.click("#login_submit")
    page.locator("#spawn_form button[type=submit]").click(timeout=WAIT_S * 1000)
    notebook = Notebook(page, "00_start_here.ipynb")
    notebook.wait_until_open()
    print(f"{name} is on page 00 after {time.monotonic() - begun:.1f} s", flush=True)
    return notebook


def crash_the_leader(notebook: Notebook, name: str) -> None:
    """Run page 00, which crashes its leader, and crash the next one with a click."""
    begun = time.monotonic()
    notebook.run_all()
    assert notebook.tracebacks() == []
    board = notebook.page.locator(".jupyterlab-sidecar section.swarmlab-board")
    leader = board.locator(".column:has(.badge.leads)").get_attribute("data-name")
    column = board.locator(f'.column[data-name="{leader}"]')
    column.locator(".head").click()
    column.locator('.menu button[data-do="crash"]').click()
    column.get_by_text("down").first.wait_for()
    print(f"{name}: ran page 00, crashed {leader}, {time.monotonic() - begun:.1f} s", flush=True)


INSIDE = """
import json, os, urllib.error, urllib.request
def status(url, **headers):
    try:
        return urllib.request.urlopen(urllib.request.Request(url, headers=headers)).status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError as error:
        return str(error)
own = {"Authorization": "token " + os.environ["JUPYTERHUB_API_TOKEN"]}
print(json.dumps({
    "user": os.getuid(),
    "socket": os.path.exists("/var/run/docker.sock"),
    "secrets": os.path.exists("/run/secrets"),
    "hub's users": status("http://hub:8081/hub/api/users", **own),
    "another's server": status("http://jupyter-OTHER:8888/user/OTHER/api/contents", **own),
    "proxy's routes": status("http://tasks.proxy:8001/api/routes", **own),
}))
"""


def attack_from_inside(swarm: Any, node: str, name: str, other: str) -> None:
    """What a program in an attendee's container reaches."""
    host = host_of(swarm, node)
    [container] = run("docker", "ps", "-q", "-f", f"name=jupyter-{name}", host=host).split()
    enter = ("docker", "exec", container, "python", "-c")
    print(
        f"from inside {name}'s container:", run(*enter, INSIDE.replace("OTHER", other), host=host)
    )
    hungry = subprocess.run(["docker", "-H", host, *enter[1:], "b'x' * (2 << 30)"], check=False)
    print(f"2 GiB at once: exit code {hungry.returncode}", flush=True)


def story(swarm: Any, lesson: Path, chromium: str) -> None:
    """Three attendees work, and a worker loses power."""
    from playwright.sync_api import sync_playwright

    from tests.browser import CHROMIUM_OPTIONS

    mesh = Mesh(swarm)
    api = docker.APIClient(host_of(swarm, "m1"), version="1.41")
    for service in ("class_hub", "class_proxy"):
        wait_for(service, lambda service=service: placed(api, "running").get(service))
    proxy = mesh.find()
    code = (lesson / "secrets" / "class_code").read_text("utf-8")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_OPTIONS)
        pages = {name: browser.new_context().new_page() for name in ATTENDEES}
        notebooks = {name: enter(page, name, code) for name, page in pages.items()}
        nodes = {name: placed(api, "running")[f"jupyter-{name}"] for name in ATTENDEES}
        print("placed by Swarm:", nodes, flush=True)
        for name, notebook in notebooks.items():
            crash_the_leader(notebook, name)
            notebook.save()
        attack_from_inside(swarm, nodes["ana"], "ana", "bia")
        workers = [name for name in ATTENDEES if nodes[name] != "m1"]
        victim = sorted(workers, key=lambda name: nodes[name] == proxy)[0]
        cut = nodes[victim]
        work = swarm.sock(cut).parent / f"data/volumes/class-{victim}/_data/notebooks"
        saved = (work / "00_start_here.ipynb").read_text("utf-8")
        assert json.loads(saved)["cells"][2]["outputs"]
        print(f"{cut} loses power: {victim} is on it", flush=True)
        swarm.crash(cut)
        now = wait_for(f"{victim}'s node", lambda: moved(api, victim, cut))
        wait_for("proxy", lambda: placed(api, "running").get("class_proxy"))
        mesh.find()
        begun = time.monotonic()
        page = pages[victim]
        page.set_default_navigation_timeout(WAIT_S * 1000)
        while not shown(page, f"http://127.0.0.1:{PORT}/user/{victim}/"):
            assert time.monotonic() - begun < WAIT_S
        notebooks[victim].wait_until_open()
        print(f"{victim} has page 00 again after {time.monotonic() - begun:.1f} s", flush=True)
        outputs = page.locator(".jp-OutputArea-output").count()
        print(f"outputs kept there (a new volume on {now}): {outputs}")
        crash_the_leader(notebooks[victim], victim)
        swarm.start(cut)
        kept = (work / "00_start_here.ipynb").read_text("utf-8") == saved
        print(f"the old volume is on {cut} still, with what was saved: {kept}")
        browser.close()


def moved(api: docker.APIClient, name: str, before: str) -> str:
    node = placed(api, "running").get(f"jupyter-{name}", "")
    return node if node != before else ""


def shown(page: Page, url: str) -> bool:
    """Whether JupyterLab comes from there."""
    reply = page.goto(url)
    return reply is not None and reply.ok and page.locator("#jupyter-config-data").count() == 1


# -- what an engine makes of the stack -------------------------------------------------------------
def specs(api: docker.APIClient) -> dict[str, Any]:
    """The specs of the stack's services and of its network, without ids."""
    mine = {"label": "com.docker.stack.namespace=class"}
    networks = {network["Id"]: network for network in api.networks(filters=mine)}
    found = {service["Spec"]["Name"]: service["Spec"] for service in api.services(filters=mine)}
    for spec in found.values():
        task = spec["TaskTemplate"]
        for network in task["Networks"]:
            network["Target"] = networks[network["Target"]]["Name"]
        for kind in ("Secret", "Config"):
            for used in task["ContainerSpec"].get(f"{kind}s", ()):
                del used[f"{kind}ID"]
        privileges = task["ContainerSpec"]["Privileges"]  # older engines show what is not set
        task["ContainerSpec"]["Privileges"] = {k: v for k, v in privileges.items() if v}
    keys = ("Driver", "Scope", "Attachable", "Internal", "Ingress", "Labels")
    made = {network["Name"]: {key: network[key] for key in keys} for network in networks.values()}
    return found | made


@contextmanager
def real_swarm(folder: Path) -> Iterator[Any]:
    """One manager and two workers."""
    os.environ |= {"REALSWARM_PREFIX": PREFIX, "REALSWARM_DIR": str(folder / "swarm")}
    from tests.oracle.realswarm import RealCluster

    swarm = RealCluster(["m1", "w1", "w2"])
    swarm.up()
    try:
        swarm.swarm(["m1"], ["w1", "w2"])
        yield swarm
    finally:
        swarm.down()


def record(folder: Path) -> None:
    """Keep the specs; the image need not be there."""
    lesson = folder / "recorded"
    assert main(["class", "--into", str(lesson)]) == 0
    with real_swarm(folder) as swarm:
        run("docker", *STACK, host=host_of(swarm, "m1"), cwd=lesson)
        found = specs(docker.APIClient(host_of(swarm, "m1"), version="1.41"))
    RECORDED.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", "utf-8")


def play(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    lesson = folder / "class"
    if not lesson.exists():
        assert main(["class", "--users", "6", "--into", str(lesson)]) == 0
    image = make_image(folder, lesson)
    with real_swarm(folder) as swarm:
        deploy(swarm, lesson, image)
        story(swarm, lesson, shutil.which("chromium") or "")


if __name__ == "__main__":
    wanted, command = sys.argv[-1], record if sys.argv[1] == "record" else play
    command(Path(wanted).absolute())
