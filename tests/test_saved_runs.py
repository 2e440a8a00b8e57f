"""A saved run holds no secret, is nobody else's to read, and is checked before it is replayed."""

from __future__ import annotations

import base64
import itertools
import json
import secrets as system_random
import stat
import time
from pathlib import Path
from random import Random
from typing import Any

import pytest

import swarmlab
from swarmlab.cluster import stand_ins
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


@pytest.mark.parametrize("path", ["/nosuch/MARKER", "/auth?password=MARKER", "/plugins/MARKER/set"])
def test_the_path_of_a_request_that_has_no_route_is_not_saved(tmp_path, path):
    cluster = swarmlab.engines(["m1"], seed=3)
    assert post(cluster, "m1", path, "MARKER", JSON) in (404, 501)
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


@pytest.mark.parametrize("length", [0, 1, 511_999, 512_000])
def test_a_payload_costs_a_few_bytes_and_is_as_long_in_the_replay(tmp_path, length):
    cluster = swarmlab.simulate(managers=1, workers=0, seed=7)
    body = {"Name": "a", "Data": base64.b64encode(b"x" * length).decode()}
    status = post(cluster, "m1", "/secrets/create", body)
    assert (status == 201) is (0 < length < 512_000)
    again, text = replayed(cluster, tmp_path)
    assert len(text) < 1000
    assert len(again.client().secrets.list()) == (status == 201)


def test_a_file_that_spells_its_payloads_out_is_read_too(tmp_path):
    """Earlier ones did, in base 64."""
    cluster = swarmlab.simulate(managers=1, workers=0, seed=7)
    cluster.client().configs.create(name="page", data=b"hello")
    content = json.loads(cluster.save(tmp_path / "run.json").read_text("utf-8"))
    body = content["journal"][0][5]
    assert body["Data"] == 5
    body["Data"] = base64.b64encode(b"other").decode()
    again = loaded(tmp_path, content)
    (config,) = again.client().configs.list()
    assert base64.b64decode(config.attrs["Spec"]["Data"]) == b"other"
    assert again.trace.digest() == cluster.trace.digest()


@pytest.mark.parametrize(
    ("template", "state"),
    [(b"{{.Node.Hostname}} MARKER", "running"), (b"\xffMARKER", "running"), (b"{{", "failed")],
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
    assert state in [task["Status"]["State"] for task in tasks]
    _, text = replayed(cluster, tmp_path)
    assert "MARKER" not in text


@pytest.mark.parametrize("forced", [False, True])
def test_a_key_that_came_with_init_is_never_shown(forced):
    cluster = swarmlab.engines(["m1"], seed=3)
    if forced:
        cluster.client("m1").swarm.init(advertise_addr="10.77.0.2")
    authority = {"signingcakey": "MARKER", "SigningCACert": "MARKER"}
    body = {"AdvertiseAddr": "10.77.0.2", "ForceNewCluster": forced}
    body["Spec"] = {"Name": "default", "CAConfig": authority}
    assert post(cluster, "m1", "/swarm/init", body) == 200
    client = cluster.client("m1")
    assert "MARKER" not in f"{client.swarm.attrs} {client.info()} {[*cluster.trace]}"


# -- the file --------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["a\0b", "a\ud800b"])
def test_a_name_that_no_file_can_have_is_refused(name: str):
    cluster = swarmlab.engines(["a"])
    for use in (cluster.save, swarmlab.load):
        with pytest.raises(swarmlab.LabError, match=r"'a.*b' cannot be used: Invalid argument"):
            use(name)


def test_only_its_owner_may_read_a_saved_run_and_a_failed_save_leaves_nothing(tmp_path):
    cluster = swarmlab.engines(["a"])
    path = cluster.save(tmp_path / "run.json")
    path.chmod(0o666)
    assert stat.S_IMODE(cluster.save(path).stat().st_mode) == 0o600
    (tmp_path / "folder").mkdir()
    with pytest.raises(swarmlab.LabError, match="cannot be used"):
        cluster.save(tmp_path / "folder")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["folder", "run.json"]


# -- damaged and altered files ---------------------------------------------------------------------
@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> dict[str, Any]:
    """A run with every verb in it."""
    cluster = swarmlab.simulate(managers=1, workers=1, seed=7)
    client = cluster.client("m1")
    ports = {"Ports": [{"TargetPort": 80, "PublishedPort": 8080}]}
    client.services.create("nginx", name="web", endpoint_spec=ports)
    client.secrets.create(name="password", data=b"x")
    cluster.run("2s")
    cluster.traffic("web", rate=10, source="w1")
    cluster.slow("m1", "w1", "50ms", loss=0.1)
    cluster.drop("m1", "w1") if cluster.in_flight() else None
    cluster.partition("m1", "w1")
    cluster.run("1s")
    cluster.heal()
    cluster.crash("w1")
    with pytest.raises(Exception, match="Connection aborted"):
        cluster.client("w1").swarm.leave()
    cluster.start("w1")
    cluster.stop("w1")
    cluster.run("1s")
    path = cluster.save(tmp_path_factory.mktemp("saved") / "run.json")
    return dict(json.loads(path.read_text("utf-8")))


def loaded(folder: Path, content: Any) -> Any:
    """The cluster of a file with this content; None: the file is refused, in one sentence."""
    path = folder / "run.json"
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    path.write_bytes(data)
    try:
        return swarmlab.load(path)
    except swarmlab.LabError as refused:
        error = str(refused)
    assert str(path) in error
    assert len(error) < 600
    return None


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        (["configuration", "workers"], 10**9, "damaged at configuration.workers: 1000000000 is gr"),
        (["configuration", "workers"], 2.0, "damaged at configuration.workers: 2.0 is not of type"),
        (["configuration", "workers"], 4999, "altered, or saved by another version"),
        (["configuration", "seed"], 8, "altered, or saved by another version"),
        (["configuration", "seed"], None, "damaged at configuration.seed: None is not of type"),
        (["now_ns"], float("inf"), "damaged: Infinity is not a number"),
        (["now_ns"], -1, "damaged at now_ns: -1 is less than the minimum"),
        (["now_ns"], 1e12, "damaged at now_ns: 1000000000000.0 is not of type 'integer'"),
        (["now_ns"], 0, r"damaged at journal\[\d+\]\[0\]: is later than what follows"),
        (["now_ns"], 10**18, "altered, or saved by another version"),
        (["journal", 0, 0], 10**17, r"damaged at journal\[0\]\[0\]: is later than what follows"),
        (["journal", 0, 1], "explode", r"damaged at journal\[0\]\[1\]: 'explode' is not one of"),
        (["journal", 0, 2], "m9", r"damaged: journal\[0\]: there is no node 'm9'; there are m1"),
        (["journal", 0, 3], "GET /\n", r"damaged at journal\[0\]\[3\]"),
        (["journal", 1, 5, "Data"], 10**12, r"damaged at journal\[1\]\[5\]\.Data: 10+ is gr"),
        (["journal", 1, 5, "Data"], [], r"damaged at journal\[1\]\[5\]\.Data: \[\] is not"),
        (["journal", 0, 5], [], r"damaged at journal\[0\]\[5\]"),
        (["digest"], "0" * 64, "altered, or saved by another version"),
        (["digest"], "no", "damaged at digest: 'no' does not match"),
        (["messages"], 5, "altered, or saved by another version"),
    ],
)
def test_a_damaged_file_is_called_so_with_the_place(tmp_path, saved, place, value, words):
    content = json.loads(json.dumps(saved))
    owner = content
    for key in place[:-1]:
        owner = owner[key]
    owner[place[-1]] = value
    path = tmp_path / "run.json"
    path.write_text(json.dumps(content), "utf-8")
    with pytest.raises(swarmlab.LabError, match=words):
        swarmlab.load(path)


@pytest.mark.parametrize(
    "authority", [5, "x", [1], {}, {"SigningCACert": 5}, {"SigningCACert": "x"}], ids=str
)
def test_a_rotation_that_was_altered_is_refused(tmp_path, saved, authority):
    own = {"SigningCAKey": stand_ins.OWN_KEY}
    spec = {"CAConfig": authority | own if isinstance(authority, dict) else authority}
    request = [saved["now_ns"], "request", "m1", "POST", "/swarm/update?version=1", spec]
    later_ns = saved["now_ns"] + 10**9
    content = {**saved, "journal": [*saved["journal"], request], "now_ns": later_ns}
    assert loaded(tmp_path, content) is None


@pytest.mark.parametrize(
    "data",
    [b"", b"\xff", b"[" * 100_000, b"5", b"null", b'"x"', b"[]", b"9" * 5000, b'{"a":' * 999],
)
def test_what_is_no_json_object_is_no_saved_cluster(tmp_path, data):
    (tmp_path / "run.json").write_bytes(data)
    with pytest.raises(swarmlab.LabError, match="is not a saved cluster, or is damaged"):
        swarmlab.load(tmp_path / "run.json")


JUNK: list[Any] = [None, True, -1, 0, 1, 2, 10**6, 10**12, 10**15, 10**30, 0.5, 1e300, float("nan")]
JUNK += ["", "x", "m1", "heal", "\ud800", "/", "{", [], [[]], {}, {"a": {}}, [0, "heal"]]


def altered(saved: dict[str, Any], number: int) -> Any:
    """The saved run with a change or three, by number: values, keys, rows and bytes."""
    chance, content = Random(number), json.loads(json.dumps(saved))
    if number % 4 == 0:
        data = bytearray(json.dumps(saved).encode())
        for _ in range(chance.randint(1, 3)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        return bytes(data[: chance.choice([len(data)] * 3 + [chance.randrange(len(data))])])
    for _ in range(chance.randint(1, 3)):
        owner: Any = content
        while True:
            keys = list(owner) if isinstance(owner, dict) else list(range(len(owner)))
            key = chance.choice(keys)
            inner = owner[key]
            if not isinstance(inner, dict | list) or not inner or chance.random() < 0.2:
                break
            owner = inner
        change = chance.choice(["set", "set", "set", "remove", "copy", "swap"])
        if change == "set":
            owner[key] = chance.choice(JUNK)
        elif change == "remove":
            del owner[key]
        elif change == "copy" and isinstance(owner, list):
            owner.insert(chance.randrange(len(owner) + 1), owner[key])
        elif isinstance(owner, list):
            chance.shuffle(owner)
        if not content:
            break
    return content


@pytest.mark.parametrize("number", range(120))
def test_an_altered_file_loads_or_is_refused_quickly(tmp_path, saved, number):
    start_s = time.process_time()
    loaded(tmp_path, altered(saved, number))
    assert time.process_time() - start_s < 2


def test_an_unchanged_file_loads(tmp_path, saved):
    assert {row[1] for row in saved["journal"]} >= {"crash", "traffic", "slow", "request"}
    assert loaded(tmp_path, saved).now_ns == saved["now_ns"]


# -- streams ---------------------------------------------------------------------------------------
def test_what_goes_on_while_its_answer_is_read_is_replayed_to_its_end(tmp_path):
    """A pull: without the image the container that follows would be missing."""
    cluster = swarmlab.simulate(managers=1, workers=1, seed=1)
    client = cluster.client("w1")
    begun_ns = cluster.now_ns
    client.images.pull("alpine")
    client.containers.run("alpine", ["sleep", "60"], name="sleeper", detach=True)
    cluster.run("3s")
    again, _ = replayed(cluster, tmp_path)
    assert again.client("w1").containers.get("sleeper").status == "running"
    then = cluster.as_of(f"{begun_ns + 50_000_000}ns")  # before it was complete
    assert then.client("w1").images.list() == []


def test_an_image_that_was_registered_is_in_the_saved_run_in_forks_and_in_the_past(tmp_path):
    cluster = swarmlab.engines(["m1"], seed=3)
    health = {"Test": ["CMD", "true"], "Interval": 10**9}
    build = {"logs": ["open"], "Env": ("A=b",), "Healthcheck": health}
    image = cluster.registry.register("shop:1", **build)
    cluster.run("1s")
    cluster.client("m1").images.pull("shop", tag="1")
    again, _ = replayed(cluster, tmp_path)
    for other in (again, cluster.as_of("1s"), cluster.fork()):
        assert other.client("m1").images.pull("shop", tag="1").attrs["Config"]["Env"] == ["A=b"]
        assert other.registry.register("shop:1", **build).id == image.id
        assert other.registry.register("shop:1", logs=["open"]).id != image.id


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["A B", [], 5, [], {}], "invalid reference format"),
        (["a", [], 5, [], {"Env": [5]}], "cannot unmarshal number"),
        (["a", [], 5, [], {"reference": "b"}], "does not match"),
        (["a", [], -1, [], {}], "less than the minimum"),
        (["a", "sh", 5, [], {}], "is not of type 'array'"),
    ],
)
def test_a_damaged_registration_is_called_so(tmp_path, args, words):
    cluster = swarmlab.engines(["m1"], seed=3)
    content = json.loads(cluster.save(tmp_path / "run.json").read_text("utf-8"))
    content["journal"] = [[0, "register", *args]]
    (tmp_path / "run.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(swarmlab.LabError, match=f"damaged.*{words}"):
        swarmlab.load(tmp_path / "run.json")


def test_a_file_that_is_not_there_is_one_line(tmp_path):
    for use in (swarmlab.load, swarmlab.simulate().save):
        with pytest.raises(swarmlab.LabError, match=r"none.*cannot be used: No such file"):
            use(tmp_path / "none" / "run.json")
