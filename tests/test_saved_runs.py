"""A saved run holds no secret, is nobody else's to read, and is checked before it is replayed."""

from __future__ import annotations

import base64
import itertools
import json
import secrets as system_random
import stat
from pathlib import Path
from typing import Any

import pytest

import swarmlab
from swarmlab.manager.ca import certificates as ca
from swarmlab.simulation import Simulation
from tests.test_security import autolock, rotate_root, rotating, unlock, update_swarm

JSON = {"Content-Type": "application/json"}


def post(cluster: Any, name: str, path: str, body: Any, headers: dict[str, str] = JSON) -> int:
    """Send a body as it is; the status of the reply."""
    api = cluster.client(name).api
    data = body if isinstance(body, str | bytes) else json.dumps(body)
    reply = api.post(f"{api.base_url}{path}", data=data, headers=headers)
    return int(reply.status_code)


def replayed(cluster: Any, folder: Path) -> tuple[Any, str]:
    """The cluster that a saved run gives, and the file's text."""
    path = cluster.save(folder / "run.json")
    again = swarmlab.load(path)
    assert again.trace.digest() == cluster.trace.digest()
    assert again.save(folder / "again.json").read_text("utf-8") == path.read_text("utf-8")
    return again, path.read_text("utf-8")


# -- secrets ---------------------------------------------------------------------------------------
FIELDS = [
    ("/secrets/create", "Data", {"Name": "a"}),
    ("/configs/create", "Data", {"Name": "b"}),
    ("/v1.50/secrets/create", "Data", {"Name": "c", "Labels": {"Data": "kept"}}),
    ("/secrets/create?x=1", "Data", {"Name": "not a name"}),
    ("/secrets/create/", "Data", {"Name": 5}),
    ("/%73ecrets/create", "Data", {"Name": "d"}),
    ("/secrets/nope/update?version=1", "Data", {"Name": "a"}),
    ("/configs/nope/update?version=1", "Data", {"Name": "a"}),
    ("/swarm/join", "JoinToken", {"RemoteAddrs": ["10.77.0.2"]}),
    ("/swarm/unlock", "UnlockKey", {}),
    ("/swarm/init", "Spec", {}),
    ("/swarm/update?version=1", "CAConfig", {"Name": "default"}),
    ("/services/create", "Data", {"Name": "web", "TaskTemplate": {"ContainerSpec": {}}}),
    ("/nowhere", "Data", {}),
    ("/v9.99/secrets/create", "Data", {"Name": "e"}),
    ("/containers/nope/start", "Data", {}),
]
SPELLINGS = (str, str.lower, str.upper, str.swapcase)


@pytest.mark.parametrize(("path", "field", "rest"), FIELDS)
def test_no_field_that_holds_a_secret_is_saved_however_it_is_spelled(tmp_path, path, field, rest):
    """Accepted and refused requests alike; Go matches the names of fields in any letter case."""
    cluster = swarmlab.engines(["m1", "e1"], seed=3)
    cluster.client("m1").swarm.init(advertise_addr="10.77.0.2")
    marker = system_random.token_hex(12)
    coded = base64.b64encode(marker.encode()).decode()
    for spell, text in itertools.product(SPELLINGS, (marker, coded)):
        value: Any = text
        if field in ("Spec", "CAConfig"):
            value = {spell("SigningCAKey"): text, spell("SigningCACert"): "x"}
        if field == "Spec":
            value = {spell("CAConfig"): value}
        for name in ("m1", "e1"):
            post(cluster, name, path, {**rest, spell(field): value})
    _, text = replayed(cluster, tmp_path)
    assert marker not in text
    assert coded not in text


@pytest.mark.parametrize(
    "body",
    [
        '{"Name": "a", "Data": "MARKER"',
        '["MARKER"]',
        '"MARKER"',
        "MARKER",
        b"\xff\xfeMARKER",
        '{"Data": 5, "Name": "MARKER"}',
        '{"Data": {"MARKER": 1}}',
        '{"Name": ["MARKER"]}',
        '{"Data": "not base 64: MARKER"}',
        '{"Name": "a", "Other": "MARKER", "Data": ""}',
        '{"a":' * 3000 + '"MARKER"',
        "[" * 100_000 + '"MARKER"',
    ],
)
@pytest.mark.parametrize("headers", [JSON, {"Content-Type": "text/plain"}, {}])
def test_what_the_engine_cannot_read_is_not_saved(tmp_path, body, headers):
    cluster = swarmlab.engines(["m1"], seed=3)
    cluster.client("m1").swarm.init(advertise_addr="10.77.0.2")
    assert post(cluster, "m1", "/secrets/create", body, headers) in (400, 201)
    _, text = replayed(cluster, tmp_path)
    assert "MARKER" not in text


def test_a_body_of_another_type_is_refused_again_in_the_replay(tmp_path):
    cluster = swarmlab.engines(["m1"], seed=3)
    cluster.client("m1").swarm.init(advertise_addr="10.77.0.2")
    body = {"Name": "a", "Data": "eA=="}
    assert post(cluster, "m1", "/secrets/create", body, {"Content-Type": "text/plain"}) == 400
    again, _ = replayed(cluster, tmp_path)
    assert again.client("m1").secrets.list() == []


@pytest.mark.parametrize("known", [True, False])
def test_a_rotated_or_invented_token_is_refused_again_in_the_replay(tmp_path, known):
    cluster = swarmlab.engines(["m1", "e1"], seed=3)
    client = cluster.client("m1")
    client.swarm.init(advertise_addr="10.77.0.2")
    token = client.swarm.attrs["JoinTokens"]["Worker"]
    if known:
        update_swarm(client, {}, rotateWorkerToken=True)
    else:
        token = f"SWMTKN-1-{'a' * 50}-{'b' * 25}"
    body = {"RemoteAddrs": ["10.77.0.2:2377"], "JoinToken": token}
    assert post(cluster, "e1", "/swarm/join", body) >= 400
    cluster.run("5s")
    _, text = replayed(cluster, tmp_path)
    assert token.rpartition("-")[2] not in text


def test_a_locked_manager_is_unlocked_again_in_the_replay(tmp_path):
    cluster = swarmlab.simulate(seed=7)
    key = autolock(cluster.client("m1"))
    cluster.crash("m2")
    cluster.start("m2")
    assert post(cluster, "m2", "/swarm/unlock", {"unlockkey": "SWMKEY-1-wrong"}) == 400
    unlock(cluster, "m2", key)
    cluster.run("5s")
    again, text = replayed(cluster, tmp_path)
    assert key not in text
    assert again.client("m2").info()["Swarm"]["LocalNodeState"] == "active"


def test_a_root_from_the_user_is_replayed_with_another_key(tmp_path):
    """The stand-in is taken where the user's root was, and refused where it was."""
    cluster = swarmlab.simulate(seed=7)
    client = cluster.client("m1")
    certificate, key = ca.new_root(Simulation(42))
    _, foreign = ca.new_root(Simulation(43))

    def rotate(**authority: Any) -> None:
        client.swarm.reload()
        now = {**client.swarm.attrs["Spec"]["CAConfig"], "ForceRotate": 1}
        update_swarm(client, {"CAConfig": {**now, **authority}})

    with pytest.raises(Exception, match="at least one valid, reachable external CA"):
        rotate(SigningCACert=certificate, SigningCAKey=foreign)
    rotate(signingcacert=certificate, SIGNINGCAKEY=key)
    cluster.until(lambda: not rotating(client), "2m")
    with pytest.raises(Exception, match="identical key"):
        rotate(SigningCACert=certificate, SigningCAKey=key)
    client.nodes.list()
    rotate_root(client, 2)
    cluster.run("1m")
    _, text = replayed(cluster, tmp_path)
    lines = [line for line in (key + foreign).splitlines() if len(line) > 40 and "-" not in line]
    assert lines
    assert not [line for line in lines if line in text]
    assert "PRIVATE KEY" not in text


@pytest.mark.parametrize(
    ("template", "state"),
    [(b"{{.Node.Hostname}} MARKER", "running"), (b"{{", "running")],
)
def test_a_template_is_filled_in_again_in_the_replay(tmp_path, template, state):
    cluster = swarmlab.simulate(seed=7)
    data = base64.b64encode(template).decode()
    config = {"Name": "page", "Data": data, "Templating": {"Name": "golang"}}
    assert post(cluster, "m1", "/configs/create", config) == 201
    reference = {"ConfigName": "page", "File": {"Name": "/page", "Mode": 0o444}}
    reference["ConfigID"] = cluster.client().configs.get("page").id
    container = {"Image": "nginx", "Configs": [reference]}
    spec = {"Name": "web", "TaskTemplate": {"ContainerSpec": container}}
    assert post(cluster, "m1", "/services/create", spec) == 201
    cluster.run("10s")
    tasks = cluster.client().services.get("web").tasks()
    assert tasks[0]["Status"]["State"] == state
    _, text = replayed(cluster, tmp_path)
    assert "MARKER" not in text


# -- the file --------------------------------------------------------------------------------------
def test_only_its_owner_may_read_a_saved_run_and_a_failed_save_leaves_nothing(tmp_path):
    cluster = swarmlab.engines(["a"])
    path = cluster.save(tmp_path / "run.json")
    path.chmod(0o666)
    assert stat.S_IMODE(cluster.save(path).stat().st_mode) == 0o600
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError):  # noqa: PT011 -- which one depends on the system
        cluster.save(tmp_path / "folder")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["folder", "run.json"]
