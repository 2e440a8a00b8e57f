"""Where the payload of a secret may be, and nowhere else: a random marker is searched everywhere.

The search walks the memory of all machines, every message on the network, all disks, the trace and
what is printed or saved. Leaks planted on purpose show that the search would find one.
Source: swarmkit design/raft_encryption.md, manager/dispatcher/assignments.go, agent/secrets.
"""

from __future__ import annotations

import base64
import functools
import secrets as system_random
import types
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import pytest
from docker.types import SecretReference, ServiceMode

import swarmlab
from swarmlab.manager import rpc_server
from swarmlab.manager.control_api import COMMANDS
from swarmlab.manager.dispatcher import assignments
from swarmlab.model import Secret, messages
from swarmlab.simulation import Network
from tests.test_security import autolock, rotate_root

MANAGERS, WORKERS = ("m1", "m2", "m3"), ("w1", "w2")
CREATOR = "m2"  # a follower: it passes the request on to the leader
ATOMS = type | types.ModuleType | int | float | types.NoneType


# -- searching -----------------------------------------------------------------------------------
def parts(value: Any) -> Iterator[tuple[str, Any]]:
    """(name, value) of everything that an object refers to directly."""
    if isinstance(value, Mapping):
        for key, item in list(value.items()):
            yield f"[{key!r}]", item
    elif isinstance(value, list | tuple | set | frozenset | deque):
        for item in list(value):
            yield "[]", item
    elif isinstance(value, types.MethodType):
        yield "()", value.__self__
    elif isinstance(value, functools.partial):
        yield "()", (value.func, value.args, value.keywords)
    elif isinstance(value, types.FunctionType):
        for cell in value.__closure__ or ():
            yield "()", cell.cell_contents
    elif isinstance(value, types.GeneratorType) and value.gi_frame is not None:
        yield from value.gi_frame.f_locals.items()
    for name in {**getattr(value, "__dict__", {}), **dict.fromkeys(slots(type(value)))}:
        yield f".{name}", getattr(value, name, None)


def slots(kind: type) -> list[str]:
    return [name for base in kind.__mro__ for name in getattr(base, "__slots__", ())]


def holders(marker: bytes, root: Any, *, but_not: tuple[Any, ...] = ()) -> list[str]:
    """The paths from `root` to the marker, in clear or in base64, without entering `but_not`."""
    forms = (marker, base64.b64encode(marker))
    waiting, seen, paths = [("", root)], {id(value) for value in but_not}, []
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, bytes | bytearray | str):
            data = value.encode() if isinstance(value, str) else bytes(value)
            if any(form in data for form in forms):
                paths.append(path)
        elif not isinstance(value, ATOMS) and id(value) not in seen:
            seen.add(id(value))
            waiting += [(path + name, part) for name, part in parts(value)]
    return paths


class Sent(NamedTuple):
    """A message that carried the marker."""

    source: str
    target: str
    kind: str


class Story:
    """Three managers and two workers; a secret that one service on w1 uses, from birth to end."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.marker = system_random.token_hex(12).encode()
        self.sent: list[Sent] = []
        self.shown: list[str] = []  # what was printed or answered
        self.lost: list[Any] = []  # memory of crashed machines; timers that never fire refer to it
        send = Network.send

        def watched(network: Network, source: str, target: str, message: Any, **more: Any) -> None:
            if holders(self.marker, message):
                body = getattr(message, "body", message)
                self.sent.append(Sent(source, target, type(body).__name__))
            send(network, source, target, message, **more)

        monkeypatch.setattr(Network, "send", watched)
        self.cluster = swarmlab.simulate(managers=3, workers=2, seed=11)

    def begin(self) -> None:
        """Create the secret and the service; both are running and known everywhere after this."""
        cluster = self.cluster
        for name in MANAGERS:
            cluster.engine(name).manager.raft.snapshot_interval = 5
        client = cluster.client(CREATOR)
        secret = client.secrets.create(name="password", data=self.marker)
        service = client.services.create(
            "nginx",
            name="db",
            secrets=[SecretReference(secret.id, "password")],
            constraints=["node.hostname==w1"],
            mode=ServiceMode("replicated", 1),
        )
        client.services.create("nginx", name="web", mode=ServiceMode("replicated", 5))
        cluster.run("40s")
        found = cluster.client(CREATOR).secrets.get("password")
        listed = cluster.client("m3").secrets.list()
        self.shown += [str(found.attrs), *(str(s.attrs) for s in listed), str(service.tasks())]
        cluster.run("40s")

    def crash(self, *names: str) -> None:
        for name in names:
            self.lost += self.places(name).values()
        self.cluster.crash(*names)

    def end(self) -> None:
        client = self.cluster.client(CREATOR)
        client.services.get("db").remove()
        self.cluster.run("40s")
        client.secrets.get("password").remove()
        self.cluster.run("40s")

    # -- what may hold the payload, and the rest ------------------------------------
    def places(self, name: str) -> dict[str, Any]:
        """The parts of a node's memory that may hold payloads."""
        engine = self.cluster.engine(name)
        places = {"agent": engine.agent.executor.dependencies}
        places |= {f"files of {c.name}": c.files for c in engine.containers.all()}
        if engine.manager is not None:
            places |= {"store": engine.manager.store, "raft": engine.manager.raft}
        return places

    def held(self, name: str) -> set[str]:
        """Which of these places do hold it."""
        world, machines = self.cluster.world, self.cluster.world.network.machines.values()
        outside = (world.network, world.simulation, *machines, self.cluster.engine(name))
        return {
            place.partition(".")[0]
            for place, root in self.places(name).items()
            if holders(self.marker, root, but_not=outside)
        }

    def leaks(self, tmp_path: Any) -> set[str]:
        """Every place outside of those above that holds the payload."""
        cluster, marker, world = self.cluster, self.marker, self.cluster.world
        leaks: set[str] = set()
        allowed = [place for name in cluster.names for place in self.places(name).values()]
        allowed += self.lost
        for name in cluster.names:
            machine = cluster.machine(name)
            others = [m for m in world.network.machines.values() if m is not machine]
            outside = (world.network, world.simulation, *others, *allowed)
            leaks |= {name + path for path in holders(marker, machine, but_not=outside)}
        leaks |= {
            f"queue{path}" for path in holders(marker, world.simulation, but_not=tuple(allowed))
        }
        leaks |= {f"journal{path}" for path in holders(marker, cluster.journal)}
        path = tmp_path / "saved.json"
        cluster.save(path)
        printed = {
            "trace": map(repr, cluster.trace),
            "answers": self.shown,
            "reprs": [repr(o) for m in MANAGERS for o in self.places(m)["store"].dump()],
            "saved run": [path.read_text("utf-8")],
        }
        for place, texts in printed.items():
            leaks |= {place} if any(holders(marker, text) for text in texts) else set()
        return leaks

    def deliveries(self) -> set[str]:
        """The nodes that the dispatcher sent the payload to."""
        return {sent.target for sent in self.sent if sent.kind == "Assignments"}


# -- claims ----------------------------------------------------------------------------------------
def test_a_payload_is_with_the_managers_and_the_nodes_that_need_it_and_nowhere_else(
    monkeypatch, tmp_path
):
    story = Story(monkeypatch)
    story.begin()
    for name in MANAGERS:
        assert story.held(name) == {"store", "raft"}
    assert story.held("w1") == {"agent", "files of db"}
    assert story.held("w2") == set()
    assert story.leaks(tmp_path) == set()
    story.end()
    assert story.leaks(tmp_path) == set()
    assert [story.held(name) for name in WORKERS] == [set(), set()]


def test_a_payload_travels_to_the_leader_between_managers_and_to_nodes_that_need_it(monkeypatch):
    story = Story(monkeypatch)
    story.begin()
    story.end()
    assert story.deliveries() == {"w1"}
    rest = [sent for sent in story.sent if sent.kind != "Assignments"]
    assert Sent(CREATOR, "m1", "CreateSecret") in rest
    assert {sent.kind for sent in rest if sent.source != CREATOR} <= {"AppendEntries"}
    assert {name for sent in rest for name in (sent.source, sent.target)} <= set(MANAGERS)


def test_the_log_and_the_snapshot_on_disk_are_sealed(monkeypatch):
    story = Story(monkeypatch)
    story.begin()
    assert holders(story.marker, story.cluster.engine("m1").manager.raft.core.snapshot)
    disk = story.cluster.machine("m1").disk
    assert {"swarm/raft/wal", "swarm/raft/snapshot"} <= set(disk.names())
    assert not holders(story.marker, disk)


def test_autolock_a_new_root_and_crashes_leak_no_payload(monkeypatch, tmp_path):
    """Keys and logs are written again, sessions and containers begin again."""
    story = Story(monkeypatch)
    story.begin()
    cluster, client = story.cluster, story.cluster.client(CREATOR)
    autolock(client)
    cluster.run("2s")
    autolock(client, on=False)
    rotate_root(client)
    cluster.run("1m")
    story.crash("m3", "w1")
    cluster.run("40s")
    cluster.start("m3", "w1")
    cluster.run("40s")
    assert story.leaks(tmp_path) == set()
    assert (story.deliveries(), story.held("w2")) == ({"w1"}, set())


# -- leaks planted on purpose --------------------------------------------------------------------
def test_a_dispatcher_that_sends_every_secret_to_every_node_is_found_out(monkeypatch):
    def every(tasks: Any, kind: Any, view: Any) -> dict[str, Any]:
        return {object.id: object for object in view.all(kind)}

    monkeypatch.setattr(assignments, "needed_by", every)
    story = Story(monkeypatch)
    story.begin()
    assert "w2" in story.deliveries()
    assert story.held("w2") == {"agent"}


def test_a_secret_whose_repr_shows_its_data_is_found_out(monkeypatch, tmp_path):
    monkeypatch.setattr(Secret, "__repr__", lambda secret: f"Secret({secret.data!r})")
    story = Story(monkeypatch)
    story.begin()
    assert "reprs" in story.leaks(tmp_path)


def test_an_answer_with_data_in_it_is_found_out(monkeypatch):
    monkeypatch.setattr(rpc_server, "without_data", lambda object: object)
    story = Story(monkeypatch)
    story.begin()
    assert "_Reply" in {sent.kind for sent in story.sent}


def test_a_container_that_keeps_the_data_elsewhere_is_found_out(monkeypatch, tmp_path):
    story = Story(monkeypatch)
    story.begin()
    container = next(iter(story.cluster.engine("w2").containers.all()))
    container.note = {"environment": story.marker.decode()}
    assert any(leak.startswith("w2") for leak in story.leaks(tmp_path))


class Unsealed:
    """Sealing switched off."""

    def __init__(self, *_: Any) -> None: ...

    def seal(self, data: bytes) -> bytes:
        return data

    def open(self, data: bytes) -> bytes:
        return data


def test_a_log_that_is_not_sealed_is_found_out(monkeypatch, tmp_path):
    monkeypatch.setattr("swarmlab.engine.credentials.Seal", Unsealed)
    story = Story(monkeypatch)
    story.begin()
    assert any("swarm/raft/" in leak for leak in story.leaks(tmp_path))


# -- the table of commands -----------------------------------------------------------------------
def test_every_command_has_a_handler():
    """A command that is missing from the table would fail only when somebody uses it."""
    kinds, waiting = set(), [messages.ControlCommand]
    while waiting:
        kind = waiting.pop()
        kinds.add(kind)
        waiting += kind.__subclasses__()
    abstract = {
        messages.ControlCommand,
        messages.CreateObject,
        messages.CreateFile,
        messages.UpdateObject,
    }
    abstract |= {messages.UpdateLabels, messages.RemoveObject}
    assert set(COMMANDS) == kinds - abstract
