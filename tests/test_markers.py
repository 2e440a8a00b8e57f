"""No secret is shown: markers and keys are searched for in all that is printed, answered and saved.

Whatever a swarm keeps secret is noted: random texts that users sent, in requests that were accepted
and in such that were refused, and the keys and tokens that the swarm made. The search ignores the
case of letters and reads base 64 and hexadecimal. `ALLOWED` says where each may be; leaks planted
on purpose show that it would be found elsewhere. Memory and messages: test_secrets.py.
"""

from __future__ import annotations

import base64
import dataclasses
import io
import json
import logging
import secrets as system_random
import sys
import textwrap
import traceback
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import nbformat
import pytest
from docker.types import SecretReference
from nbclient import NotebookClient

import swarmlab
from swarmlab.cli.notebooks import build
from swarmlab.cluster import stand_ins
from swarmlab.engine import wire
from swarmlab.engine.request import ApiRequest
from swarmlab.engine.routes import ROUTES
from swarmlab.errors import BadParameter
from swarmlab.jupyter import magic
from swarmlab.manager import rpc_server
from swarmlab.manager.ca import certificates as ca
from swarmlab.model import Secret
from swarmlab.model.messages import CreateSecret
from swarmlab.simulation import EPOCH_NS, Network, S, Simulation
from swarmlab.simulation.fault_log import FAULT_LOG, FaultLog
from tests.served import Served
from tests.test_saved_runs import FIELDS, JSON, SPELLINGS
from tests.test_secrets import ATOMS, parts
from tests.test_security import autolock, update_swarm

REPORT = FaultLog.report  # a fixture replaces it, so that a fault fails its test

# (place, what): why it must be there. A place is the command or request that was answered.
ALLOWED = {
    ("GET /swarm", "worker token"): "a manager's answer is what others join with",
    ("GET /swarm", "manager token"): "as above",
    ("GET /swarm/unlockkey", "unlock key"): "the request asks for it",
    ("GET /configs", "config"): "configs are not secret: the engine's answer has their data",
    ("GET /configs/<ref>", "config"): "as above",
    ("%docker config inspect c", "config"): "the command prints the answer",
    ("%docker config inspect --pretty c", "config"): "as above",
    ("%docker swarm join-token worker", "worker token"): "the command asks for it",
    ("%docker swarm join-token manager", "manager token"): "the command asks for it",
    ("%docker swarm unlock-key", "unlock key"): "the command asks for it",
    ("%docker swarm unlock-key --rotate", "unlock key"): "the command asks for it",
    ("%docker exec C cat /run/secrets/s", "secret"): "the container may read it, and is asked to",
}


class Secrets:
    """What must not be seen, by what it is."""

    def __init__(self) -> None:
        self._forms: dict[str, list[bytes]] = defaultdict(list)

    def marker(self, what: str) -> str:
        """A new random text, in letters of both cases."""
        cases = (str.upper, str.lower)
        text = "".join(system_random.choice(cases)(c) for c in system_random.token_hex(12))
        self.add(what, text)
        return text

    def add(self, what: str, secret: str | bytes) -> None:
        text = secret if isinstance(secret, str) else secret.hex()
        if "PRIVATE KEY" in text:
            # The lines after these two tell the public key.
            self._forms[what] += [line.encode().lower() for line in text.splitlines()[1:3]]
            return
        data = text.encode() if isinstance(secret, str) else secret
        for shift in range(3):  # base 64 depends on where in its text the secret begins
            coded = base64.b64encode(b"\0" * shift + data)
            self._forms[what].append(coded[4 if shift else 0 : -4].lower())
        self._forms[what] += [data.lower(), data.hex().encode()]
        # A token's or key's last part is what is secret in it.
        self._forms[what].append(text.rpartition("-")[2].encode().lower())

    def found(self, text: str | bytes) -> set[str]:
        """Which of them a text shows."""
        data = (text.encode(errors="replace") if isinstance(text, str) else text).lower()
        return {what for what, forms in self._forms.items() if any(f in data for f in forms)}


def dataclass_reprs(root: Any) -> Iterator[str]:
    """The repr of every dataclass instance, and exception, that `root` leads to."""
    waiting, seen = [root], set()
    while waiting:
        value = waiting.pop()
        if isinstance(value, ATOMS | str | bytes | bytearray) or id(value) in seen:
            continue
        seen.add(id(value))
        if dataclasses.is_dataclass(value) or isinstance(value, BaseException):
            yield repr(value)
        waiting += [part for _name, part in parts(value)]


class Story:
    """A swarm that is given secrets, and everything that it shows of itself."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.secrets, self.folder = Secrets(), folder
        self.shown: dict[str, list[str]] = defaultdict(list)
        send = Network.send

        def watched(network: Network, source: str, target: str, message: Any, **more: Any) -> None:
            self.shown["messages"].append(f"{message} {getattr(message, 'body', '')}")
            send(network, source, target, message, **more)

        monkeypatch.setattr(Network, "send", watched)
        self.cluster = swarmlab.engines(["m1", "m2", "w1", "e1"], seed=11)
        self.client = self.cluster.client("m1")
        self.client.swarm.init(advertise_addr="10.77.0.2")
        for name, role in (("m2", "Manager"), ("w1", "Worker")):
            token = self.client.swarm.attrs["JoinTokens"][role]
            self.cluster.client(name).swarm.join(remote_addrs=["10.77.0.2:2377"], join_token=token)
        self.client = self.cluster.client("m2")  # a follower, which asks the leader
        self.note_keys()

    def note_keys(self) -> None:
        """Note what the swarm keeps secret now."""
        for name in ("m1", "m2", "w1"):
            engine = self.cluster.engine(name)
            if engine is None:
                continue
            self.secrets.add("node key", engine.credentials._private_key)
            if engine.manager is not None:
                swarm = engine.manager.store.cluster
                self.secrets.add("data key", engine.credentials._data_key)
                self.secrets.add("CA key", swarm.root_key)
                for key in swarm.encryption_keys:
                    self.secrets.add("gossip key", key.key)
                self.secrets.add("worker token", swarm.worker_token)
                self.secrets.add("manager token", swarm.manager_token)
                if swarm.unlock_key:
                    self.secrets.add("unlock key", swarm.unlock_key)

    def marker(self, what: str) -> str:
        return self.secrets.marker(what)

    # -- what is shown -----------------------------------------------------------------
    def attempt(self, step: Callable[[], Any]) -> None:
        """A call of the SDK: its result, or the exception that it raises."""
        try:
            self.shown["answers"].append(repr(getattr(step(), "attrs", "")))
        except docker.errors.DockerException as error:
            lines = traceback.TracebackException.from_exception(error).format()
            self.shown["exceptions"] += [repr(error), str(error), *lines, repr(vars(error))]

    def post(self, name: str, path: str, body: Any, headers: dict[str, str] = JSON) -> None:
        """Any request, whose answer is searched as well."""
        api = self.cluster.client(name).api
        data = body if isinstance(body, str | bytes) else json.dumps(body)
        self.shown["refusals"].append(
            api.post(api.base_url + path, data=data, headers=headers).text
        )

    def docker(self, line: str, shown_as: str = "", node: str = "m1") -> None:
        output = io.StringIO()
        magic.run_commands(line, output, output, node=node)
        self.shown[f"%docker {shown_as or line}"].append(output.getvalue())

    def read_everything(self) -> None:
        """Every GET of the API, for everything that there is, asked of a manager and a worker."""
        found = self.client
        kinds = ("nodes", "services", "secrets", "configs", "networks", "volumes")
        named = {kind: [item.id for item in getattr(found, kind).list()] for kind in kinds}
        named |= {"tasks": [t["ID"] for t in found.api.tasks()], "images": ["nginx"]}
        named["containers"] = [c.id for c in self.cluster.client("w1").containers.list()]
        for route in ROUTES:
            if route.method != "GET" or route.template == "/events":
                continue
            refs = named.get(route.template.split("/")[1], ["x"]) if "<" in route.template else [""]
            for name in ("m1", "w1"):
                api = self.cluster.client(name).api
                for ref in refs:
                    path = route.template.replace("<path:ref>", ref).replace("<ref>", ref)
                    reply = api.get(f"{api.base_url}{path}?stdout=1&stderr=1&details=1&stream=0")
                    self.shown[f"GET {route.template}"].append(f"{reply.text} {reply.headers}")
        until = (EPOCH_NS + self.cluster.now_ns) // S
        events = found.api.get(f"{found.api.base_url}/events?since=1&until={until}")
        self.shown["GET /events"].append(events.text)

    def save(self) -> None:
        saved = self.cluster.save(self.folder / "saved.json")
        again = swarmlab.load(saved).save(self.folder / "again.json")
        self.shown["saved run"] += [saved.read_text("utf-8"), again.read_text("utf-8")]

    def look_inside(self) -> None:
        """What only a simulation can show."""
        cluster = self.cluster
        self.shown["trace"] += map(repr, cluster.trace)
        self.shown["reprs"] += dataclass_reprs([cluster.world, cluster.journal])
        tables = [cluster.trust(), cluster.network_keys(), *map(cluster.disk, ("m1", "w1"))]
        secrets = [secret.name for secret in self.client.secrets.list()]
        tables += [*map(cluster.who_can_read, secrets), cluster.nodes, cluster.board(), cluster]
        self.shown["inspectors"] += map(repr, tables)
        self.shown["inspectors"] += map(str, tables)

    def leaks(self) -> dict[tuple[str, str], str]:
        """(place, what): the first text of each place that shows it."""
        self.note_keys()
        return {
            (place, what): text
            for place, texts in self.shown.items()
            for text in reversed(texts)
            for what in self.secrets.found(text)
        }

    # -- what is sent --------------------------------------------------------------------
    def accepted(self) -> None:
        """Requests that hold a secret and are obeyed."""
        client, marker = self.client, self.marker
        made = client.secrets.create(name="s", data=marker("secret"))
        client.configs.create(name="c", data=marker("config"))
        self.docker(f"echo {marker('secret')} | docker secret create piped -", "secret create")
        for spell in SPELLINGS:
            data = base64.b64encode(marker("secret").encode()).decode()
            self.post("m1", "/secrets/create", {"Name": spell("Name"), spell("Data"): data})
        reference = SecretReference(made.id, "s")
        self.attempt(
            lambda: client.services.create(
                "nginx", name="web", secrets=[reference], constraints=["node.hostname==w1"]
            )
        )
        self.cluster.run("10s")
        self.secrets.add("unlock key", autolock(client))
        self.note_keys()
        for name in ("Worker", "Manager"):
            update_swarm(client, {}, **{f"rotate{name}Token": True})
            self.note_keys()
        certificate, key = ca.new_root(Simulation(system_random.randbelow(1000)))
        self.secrets.add("CA key", key)
        authority = {"SigningCACert": certificate, "SigningCAKey": key, "ForceRotate": 1}
        update_swarm(client, {"CAConfig": authority})
        self.cluster.run("30s")
        self.note_keys()

    def refused(self) -> None:
        """Requests that hold a secret and are not obeyed."""
        marker = self.marker
        for path, field, rest in FIELDS:
            for spell in SPELLINGS:
                # Some of them are taken; that of a config is then shown.
                value: Any = marker("config" if "configs" in path else "refused")
                if field in ("Spec", "CAConfig"):
                    value = {spell("SigningCAKey"): value, spell("SigningCACert"): "x"}
                if field == "Spec":
                    value = {spell("CAConfig"): value}
                self.post("m1", path, {**rest, spell(field): value})
        for body in ('{"Data": "%s"', '["%s"]', '"%s"', "%s", '{"Data": {"%s": 1}}', '{"%s": 5}'):
            for headers in (JSON, {"Content-Type": "text/plain"}, {}):
                self.post("m1", "/secrets/create", body % marker("refused"), headers)
        self.post("m1", f"/secrets/create?data={marker('refused')}", {"Name": "q"})
        self.post("m1", f"/swarm/unlock?key={marker('refused')}", {"UnlockKey": "x"})
        client = self.client
        self.attempt(lambda: client.secrets.create(name="s", data=marker("refused")))
        self.attempt(lambda: client.secrets.create(name="no name", data=marker("refused") * 50_000))
        self.attempt(lambda: client.images.pull(
            "nosuch", auth_config={"username": "u", "password": marker("password")}
        ))  # fmt: skip
        for token in (marker("token"), f"SWMTKN-1-{'0' * 50}-{marker('token')}"):
            words = f"swarm join --token {token} 10.77.0.2:2377"
            self.docker(words, "swarm join", node="e1")
            join = self.cluster.client("e1").swarm.join
            self.attempt(lambda join=join, token=token: join(["10.77.0.2:2377"], token))
        self.docker(f"echo {marker('token')} | docker swarm unlock", "swarm unlock")
        self.attempt(lambda: client.swarm.unlock(f"SWMKEY-1-{marker('token')}"))

    def printed(self) -> None:
        """Commands that look at what holds a secret."""
        containers = self.cluster.client("w1").containers.list()
        for line in (
            "secret ls", "secret inspect s", "secret inspect --pretty s", "config ls",
            "config inspect c", "config inspect --pretty c", "swarm join-token worker",
            "swarm join-token manager", "swarm unlock-key", "swarm unlock-key --rotate", "info",
            "node ls", "node inspect self", "service ls", "service inspect web", "service ps web",
            "service inspect --pretty web", "service logs web", "swarm ca", "system info",
            "inspect web", "inspect s", "secret nonsense", "secret create", "secret rm s",
            "swarm ca --rotate --detach", "swarm init", "swarm join-token nobody", "stack ls",
        ):  # fmt: skip
            self.docker(line)
            self.note_keys()
        for container in containers:
            self.docker(f"inspect {container.id}", "inspect C", node="w1")
            self.docker(f"logs {container.id}", "logs C", node="w1")
            line = f"exec {container.id} cat /run/secrets/s"
            self.docker(line, "exec C cat /run/secrets/s", node="w1")

    def tell(self) -> None:
        """All of it, until the cluster was saved."""
        self.accepted()
        self.refused()
        self.printed()
        self.read_everything()
        self.look_inside()
        self.save()


@pytest.fixture
def story(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Story:
    return Story(monkeypatch, tmp_path)


# -- claims ---------------------------------------------------------------------------------------
def test_a_secret_is_shown_nowhere_but_where_a_user_asks_for_it(story):
    story.tell()
    leaks = story.leaks()
    assert {key: text[:2000] for key, text in leaks.items() if key not in ALLOWED} == {}
    assert set(leaks) == set(ALLOWED)


@pytest.mark.parametrize("where", ["in a request", "in an event"])
def test_a_fault_quotes_nothing_that_was_sent(story, monkeypatch, tmp_path, capfd, where):
    """Neither on the terminal nor in the log, nor in the answer."""
    monkeypatch.setattr(FaultLog, "report", REPORT)
    monkeypatch.setattr(FAULT_LOG, "path", str(tmp_path / "fault.log"))
    logging.getLogger("swarmlab").addHandler(terminal := logging.StreamHandler(sys.stderr))
    secret = story.marker("secret")

    def fail(*_: Any) -> None:
        raise ValueError(f"cannot take {secret}")

    if where == "in an event":
        story.cluster.machine("w1").after(S, fail)
        story.cluster.run("2s")
    else:
        with monkeypatch.context() as failing:
            failing.setattr(rpc_server.RpcServer, "ask", fail)
            story.attempt(lambda: story.client.secrets.create(name="s", data=secret))
            story.docker(f"echo {secret} | docker secret create piped -", "secret create")
    logging.getLogger("swarmlab").removeHandler(terminal)
    log, terminal_text = (tmp_path / "fault.log").read_text("utf-8"), capfd.readouterr().err
    assert "ValueError" in log
    assert "ValueError" in terminal_text
    story.shown["log"] += [log, terminal_text]
    story.look_inside()
    assert story.leaks() == {}


def test_a_served_cluster_shows_no_secret(story, tmp_path):
    """On its terminal, in its log, in the answers of `swarmlab ctl`, in what it leaves behind."""
    from tests.test_serve import swarmlab as command

    with Served(tmp_path / "served", "--workers", "1", "--speed", "10") as served:
        client = docker.DockerClient(base_url=served.host("m1"))
        client.secrets.create(name="s", data=story.marker("secret"))
        for role, token in client.swarm.attrs["JoinTokens"].items():
            story.secrets.add(f"{role} token", token)
        story.secrets.add("unlock key", autolock(client))
        story.attempt(lambda: client.secrets.create(name="s", data=story.marker("refused")))
        story.attempt(lambda: client.swarm.unlock(f"SWMKEY-1-{story.marker('refused')}"))
        for words in (["status"], ["crash", "m2"], ["nonsense"]):
            done = command("ctl", "--dir", served.folder, *words)
            story.shown["ctl"] += [done.stdout, done.stderr]
        client.close()
    files = [path for path in served.folder.rglob("*") if path.is_file()]
    assert {"log", "serve.log"} <= {path.name for path in files}
    story.shown["files"] += [path.read_text("utf-8") for path in files]
    assert story.leaks() == {}
    files[0].write_text(story.marker("planted"), encoding="utf-8")
    assert story.secrets.found(files[0].read_text("utf-8")) == {"planted"}


CELLS = (
    """
    import os, swarmlab
    cluster = swarmlab.simulate(managers=3, workers=1, seed=7)
    client = cluster.client()
    secret = client.secrets.create(name="s", data=os.environ["SECRET"])
    secret""",
    """
    from docker.types import SecretReference
    client.services.create("nginx", name="web", secrets=[SecretReference(secret.id, "s")])
    cluster.run("10s")
    cluster.board()""",
    "cluster.who_can_read('s')",
    "cluster.disk('m1')",
    "cluster.trust()",
    "cluster.network_keys()",
    "from swarmlab.views.secret_path import secret_path\nsecret_path(cluster, 's')",
    "client.secrets.get('s').attrs, client.secrets.list(), cluster, cluster.trace.records[-5:]",
    "%docker secret inspect s",
    "%docker service inspect web",
    "get_ipython().run_line_magic('docker', 'swarm join --token ' + os.environ['SECRET'] + ' m1')",
    "client.secrets.create(name='s', data=os.environ['SECRET'])",
    "client.swarm.unlock(os.environ['SECRET'])",
    "print('planted', os.environ['SECRET'])",
)


def test_a_notebook_and_its_web_page_show_no_secret(story, monkeypatch, tmp_path):
    """Not as text, picture, state of a widget, or in an error; the last cell prints it."""
    monkeypatch.setenv("SECRET", story.marker("secret"))
    v4: Any = nbformat.v4
    cells = [v4.new_code_cell(textwrap.dedent(cell).strip()) for cell in CELLS]
    for cell in cells[-3:-1]:
        cell.metadata["tags"] = ["raises-exception"]
    notebook = v4.new_notebook(cells=[v4.new_markdown_cell("# Secrets\n\nNone.\n"), *cells])
    path = tmp_path / "secrets.ipynb"
    nbformat.write(notebook, path)
    NotebookClient(notebook, timeout=60, store_widget_state=True).execute()
    *outputs, last = [json.dumps(cell.outputs) for cell in notebook.cells[1:]]
    assert {cell: output for cell, output in zip(CELLS, outputs, strict=False)
            if story.secrets.found(output)} == {}  # fmt: skip
    assert story.secrets.found(last) == {"secret"}
    assert story.secrets.found(json.dumps(notebook.metadata)) == set()
    page = build([path], tmp_path)[0].read_text("utf-8")
    before, planted, after = page.rpartition("planted")
    assert planted
    assert (story.secrets.found(before), story.secrets.found(after)) == (set(), {"secret"})


# -- leaks planted on purpose ---------------------------------------------------------------------
def plant(name: str, story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the product leak in one way."""
    secret = story.marker("secret")
    match name:
        case "a repr":
            monkeypatch.setattr(Secret, "__repr__", lambda self: f"Secret({self.data!r})")
        case "a message":
            monkeypatch.setattr(CreateSecret, "__repr__", lambda self: str(self.data))
        case "the trace":
            kind = type(next(iter(story.cluster.trace)))
            monkeypatch.setattr(kind, "__repr__", lambda _self: secret.swapcase())
        case "an inspector":
            monkeypatch.setattr(
                type(story.cluster), "__repr__", lambda _self: secret.encode().hex()
            )
        case "an answer":
            monkeypatch.setattr(rpc_server, "without_data", lambda object: object)
            monkeypatch.setattr(wire, "envelope", envelope_with_data)
        case "an error":
            monkeypatch.setattr(ApiRequest, "control", quoting_body)
        case "a saved run":
            monkeypatch.setattr(stand_ins, "SECRET_FIELDS", {"JoinToken", "UnlockKey"})


def envelope_with_data(object: Any, at: wire.Time, envelope: Any = wire.envelope) -> dict[str, Any]:
    return {**envelope(object, at), "Data": repr(getattr(object, "data", ""))}


def quoting_body(request: ApiRequest, _message: object) -> None:
    raise BadParameter(f"cannot take {request.http.get_data()!r}")


@pytest.mark.parametrize(
    ("name", "places"),
    [
        ("a repr", {"reprs"}),
        ("a message", {"messages"}),
        ("the trace", {"trace"}),
        ("an inspector", {"inspectors"}),
        ("an answer", {"GET /secrets", "GET /secrets/<ref>", "%docker secret inspect s"}),
        ("an error", {"exceptions", "refusals", "%docker secret create"}),
        ("a saved run", {"saved run"}),
    ],
)
def test_a_planted_leak_is_found(story, monkeypatch, name, places):
    if name != "an error":
        story.client.secrets.create(name="s", data=story.marker("secret"))
    plant(name, story, monkeypatch)
    data = base64.b64encode(story.marker("secret").encode()).decode()
    story.post("m1", "/secrets/create", {"Name": "t", "Data": data})
    story.attempt(lambda: story.client.secrets.create(name="u", data=story.marker("secret")))
    story.docker(f"echo {story.marker('secret')} | docker secret create v -", "secret create")
    if name != "an error":
        story.docker("secret inspect s")
        story.read_everything()
        story.look_inside()
        story.save()
    found = {place for place, what in story.leaks() if what == "secret"}
    assert found >= places
