"""The guard of a connection: no request changes what the kit did not make.

The engine here reads requests as generously as moby does: names by id, name or prefix, paths with
escapes and double slashes, members of bodies in any letter case. It notes whatever a request that
reaches it could change. Source: moby daemon/server/router/*, api/types/container, api/types/swarm.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

import docker
import pytest
import requests
from hypothesis import example, given, settings
from hypothesis import strategies as st

from swarmlab.errors import LabError
from swarmlab.real.guard import ALLOWED as PATTERNS
from swarmlab.real.guard import CREATED_HERE, ROUTES, LabelGuard

KIND_NAMES = ("container", "network", "volume", "service", "secret", "config")
# Words of the API are good names of objects, too.
NAMES = ("theirs", "create", "prune", "json", "update", "start", "exec", "a", "swarm")
EVERYTHING = "everything else"


class Engine:
    """Objects of ours and of others, each kind with every name; `touched` is what could change."""

    def __init__(self) -> None:
        self.touched: list[Any] = []
        self.objects: dict[str, list[dict[str, Any]]] = {}
        for number, kind in enumerate(KIND_NAMES):
            others = [
                self.object(kind, name, f"{number}f{i:02}", False) for i, name in enumerate(NAMES)
            ]
            ours = [self.object(kind, "ours", f"{number}a00", True)]
            ours += [self.object(kind, "prune-ours", f"{number}a01", True)]
            # A name of ours that is the beginning of another's id, or another's whole id.
            ours += [self.object(kind, f"{number}f0", f"{number}a02", True)]
            self.objects[kind] = others + ours

    @staticmethod
    def object(kind: str, name: str, start: str, ours: bool) -> dict[str, Any]:
        labels = {CREATED_HERE: "true"} if ours else {"com.example": CREATED_HERE}
        id = name if kind == "volume" else start.ljust(25, "0")
        spec = {"Name": name, "Labels": labels}
        holder = {"container": "Config", "network": "", "volume": ""}.get(kind, "Spec")
        return {"Id": id, "Name": name, "ours": ours, **({holder: spec} if holder else spec)}

    def find(self, kind: str, reference: str) -> dict[str, Any] | None:
        objects = self.objects[kind]
        for key in ("Id", "Name"):
            for object in objects:
                if object[key] == reference.removeprefix("/"):
                    return object
        found = [object for object in objects if object["Id"].startswith(reference)]
        return found[0] if len(found) == 1 and reference else None

    # -- what the guard asks
    def _url(self, path: str, *names: str) -> str:
        return path.format(*names)

    def get(self, path: str, params: Any = None) -> requests.Response:
        response = requests.Response()
        kind, name = re.match(r"/(\w+?)s?/([^/?]+)", path).groups()  # type: ignore[union-attr]
        if kind == "exec":
            found: Any = {"ContainerID": self.objects["container"][0 if "f" in name else -1]["Id"]}
        else:
            found = self.find(kind, name)
        response.status_code = 404 if found is None else 200
        response.raw = io.BytesIO(json.dumps(found or {"message": "no such thing"}).encode())
        return response

    _raise_for_status = docker.APIClient._raise_for_status

    # -- what a request would do
    def handle(self, request: requests.PreparedRequest) -> None:
        if request.method in ("GET", "HEAD") and "/attach/ws" not in str(request.url):
            return
        path = re.sub("/+", "/", unquote(request.path_url.partition("?")[0]))
        path = re.sub(r"^/v[\d.]+", "", path)
        if path == "/auth" or re.fullmatch("/containers/.+/wait", path):
            return
        try:
            body = json.loads(request.body or "{}")
        except (ValueError, UnicodeDecodeError):
            body = None
        match = re.fullmatch(r"/(\w+?)s?/(.+?)(/[a-z/]+)?", path)
        kind, name, verb = match.groups() if match else ("", "", None)
        made = kind in KIND_NAMES and name == "create" and verb is None
        if made and request.method == "POST":
            assert body["Labels"][CREATED_HERE] == "true"
            assert [key for key in body if key.casefold() == "labels"] == ["Labels"]
        elif kind == "exec":
            id = json.loads(self.get(path).content)["ContainerID"]
            self.touched.append(self.find("container", id))
        elif kind in KIND_NAMES and (verb or name != "prune" or request.method != "POST"):
            self.touched.append(self.find(kind, name))
        else:
            self.touched.append(EVERYTHING)
        route = re.sub(r"^/(\w+)/.+/(\w+)$", r"/\1/ours/\2", path)
        tops = {member.split(".")[0].casefold() for member in BODIES.get(route, {})}
        read = [body[key] for key in body or {} if key.casefold() in tops]
        self.touched += [text for text in strings(read) if self.names_of_others(text)]

    def names_of_others(self, text: str) -> bool:
        """Whether a member of a body names others' objects, or the machine."""
        words = text.split(":")
        if words[0].startswith(("/", "host")) and not words[0].startswith("/inside"):
            return True
        found = [self.find(kind, word) for word in words for kind in KIND_NAMES]
        return any(object and not object["ours"] for object in found)

    def harmed(self) -> list[Any]:
        return [what for what in self.touched if not (isinstance(what, dict) and what["ours"])]


def strings(value: Any) -> Iterator[str]:
    """Every text in a body, keys included, except labels and the names of members."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key.casefold() == "endpointsconfig":
                yield from item
            if key.casefold() not in ("labels", "name", "target", "source") or isinstance(
                item, str
            ):
                yield from strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)
    elif isinstance(value, str):
        yield value


def request_of(method: str, path: str, body: Any = None) -> requests.PreparedRequest:
    """A request with exactly this path: `requests` would tidy it."""
    data = json.dumps(body) if isinstance(body, (dict, list)) else body
    request = requests.Request(method, "http://engine:2375/", data=data).prepare()
    request.method, request.url = method, f"http://engine:2375{path}"
    return request


def guarded(method: str, path: str, body: Any = None) -> tuple[Engine, Any]:
    """The engine after a request, and the request as it was sent; None when it was refused."""
    engine = Engine()
    request = request_of(method, path, body)
    try:
        sent = LabelGuard(engine)(request)  # type: ignore[arg-type]
    except (LabError, docker.errors.APIError):
        return engine, None
    engine.handle(sent)
    return engine, sent


# -- what is refused -------------------------------------------------------------------------------
# Members of bodies that name objects, written down from moby's types: path -> shape of the value.
CREATE_CONTAINER = {
    "HostConfig.Binds": ["OBJECT:/inside"],
    "HostConfig.VolumesFrom": ["OBJECT:ro"],
    "HostConfig.Links": ["OBJECT:alias"],
    "HostConfig.NetworkMode": "OBJECT",
    "HostConfig.PidMode": "container:OBJECT",
    "HostConfig.IpcMode": "container:OBJECT",
    "HostConfig.Mounts": [{"Type": "volume", "Source": "OBJECT", "Target": "/inside"}],
    "NetworkingConfig.EndpointsConfig": {"OBJECT": {}},
    "NetworkingConfig.EndpointsConfig.ours": {"NetworkID": "OBJECT"},
}
SERVICE = {
    "Networks": [{"Target": "OBJECT"}],
    "TaskTemplate.Networks": [{"Target": "OBJECT"}],
    "TaskTemplate.ContainerSpec.Secrets": [{"SecretID": "OBJECT"}],
    "TaskTemplate.ContainerSpec.Configs": [{"ConfigID": "OBJECT"}],
    "TaskTemplate.ContainerSpec.Mounts": [{"Type": "Volume", "Source": "OBJECT"}],
    "TaskTemplate.ContainerSpec.Privileges.CredentialSpec": {"Config": "OBJECT"},
}
CONNECT = {"Container": "OBJECT", "EndpointConfig": {"NetworkID": "OBJECT"}}
BODIES = {
    "/containers/create": CREATE_CONTAINER,
    "/services/create": SERVICE,
    "/services/ours/update": SERVICE,
    "/networks/create": {"ConfigFrom": {"Network": "OBJECT"}},
    "/networks/ours/connect": CONNECT,
    "/networks/ours/disconnect": {"Container": "OBJECT"},
}
# Members that reach the machine itself, by the path of the route.
MACHINE: dict[str, list[tuple[str, Any]]] = {
    "/containers/create": [
        ("HostConfig.Privileged", True),
        ("HostConfig.Binds", ["/var/run/docker.sock:/inside"]),
        ("HostConfig.Binds", ["c:\\:/inside"]),
        ("HostConfig.Mounts", [{"Type": "bind", "Source": "/", "Target": "/inside"}]),
        ("HostConfig.NetworkMode", "host"),
        ("HostConfig.PidMode", "host"),
        ("HostConfig.Devices", [{"PathOnHost": "sda"}]),
        ("HostConfig.DeviceCgroupRules", ["a *:* rwm"]),
        ("HostConfig.CapAdd", ["SYS_ADMIN"]),
        ("HostConfig.CgroupParent", "docker"),
        ("HostConfig.MaskedPaths", []),
        ("HostConfig.ReadonlyPaths", []),
    ],
    "/volumes/create": [("DriverOpts", {"type": "none", "o": "bind", "device": "x"})],
    "/services/create": [
        ("TaskTemplate.ContainerSpec.Mounts", [{"Source": "/"}]),  # no type is a bind
        ("TaskTemplate.ContainerSpec.Mounts", [{"Type": "BIND", "Source": "/"}]),
        ("TaskTemplate.ContainerSpec.CapabilityAdd", ["SYS_ADMIN"]),
        ("TaskTemplate.PluginSpec", {"Remote": "x"}),
    ],
    "/containers/ours/exec": [("Privileged", True)],
}


def nested(path: str, value: Any) -> Any:
    for name in reversed(path.split(".")):
        value = {name: value}
    return value


def filled(shape: Any, name: str) -> Any:
    return json.loads(json.dumps(shape).replace("OBJECT", name))


def recased(value: Any, case: Any) -> Any:
    """The same JSON with the names of members in another letter case, as Go accepts them."""
    if isinstance(value, dict):
        keep = any(key in NAMES or key == "ours" for key in value)
        return {(k if keep else case(k)): recased(v, case) for k, v in value.items()}
    return [recased(item, case) for item in value] if isinstance(value, list) else value


CASES = (str, str.lower, str.upper, str.swapcase, lambda key: key.replace("s", "ſ"))
REFERENCES = [(path, member, shape) for path in BODIES for member, shape in BODIES[path].items()]


@pytest.mark.parametrize("case", CASES, ids=["as is", "lower", "upper", "swapped", "long s"])
@pytest.mark.parametrize(("path", "member", "shape"), REFERENCES)
def test_a_body_may_name_objects_of_ours_and_of_nobody_else(path, member, shape, case):
    body = recased(nested(member, filled(shape, "theirs")), case)
    assert guarded("POST", path, body)[1] is None
    if "OBJECT" in json.dumps(shape):
        engine, sent = guarded("POST", path, recased(nested(member, filled(shape, "ours")), case))
        assert sent is not None
        assert engine.harmed() == []


@pytest.mark.parametrize(
    ("path", "member", "value"), [(p, *item) for p, items in MACHINE.items() for item in items]
)
def test_nothing_that_is_created_reaches_the_machine(path, member, value):
    with pytest.raises(LabError, match="would reach the machine itself"):
        LabelGuard(Engine())(request_of("POST", path, nested(member, value)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/containers/prune"),  # a container of ours could be named so
        ("POST", "/volumes/prune"),
        ("DELETE", "/services/create"),  # a service of somebody's
        ("POST", "/containers/create/kill"),
        ("POST", "/containers/json/exec"),
        ("POST", "/exec/f1/start"),
        ("PUT", "/containers/theirs/archive"),
        ("GET", "/containers/theirs/attach/ws"),
        ("POST", "/v1.20/containers/ours/start"),  # took a configuration in its body
        ("POST", "/v1.44/containers/ours%2F..%2Ftheirs/kill"),
        ("POST", "/containers/ours/../theirs/kill"),
        ("POST", "//containers/ours/kill"),
        ("POST", "/Containers/ours/kill"),
        ("post", "/containers/ours/kill"),
        ("POST", "/containers/ours/kill/"),
        ("PATCH", "/containers/ours"),
        ("POST", "/containers/ours/frobnicate"),  # no route of today's
        ("POST", "/commit?container=ours"),
        ("POST", "/build"),
        ("DELETE", "/images/nginx"),
        ("POST", "/swarm/leave"),
        ("DELETE", "/nodes/ours"),
        ("POST", "/nodes/ours/update"),
        ("POST", "/plugins/ours/disable"),
    ],
)
def test_a_route_that_could_reach_others_is_refused(method, path):
    assert guarded(method, path, {})[1] is None


@pytest.mark.parametrize(
    "body", ["", "[]", "1", "{", "{} {}", "[" * 5000, b"\xff\xfe", iter([b""])]
)
def test_a_body_that_is_no_object_creates_nothing_unlabelled(body):
    engine, sent = guarded("POST", "/services/create", body)
    assert (sent is None) == (body != "")
    assert engine.harmed() == []


# -- what is allowed -------------------------------------------------------------------------------
ALLOWED = [
    ("GET", "/v1.52/services", None),
    ("HEAD", "/_ping", None),
    ("GET", "/images/registry.example:5000/team/web%40sha256:1/json", None),
    ("POST", "/containers/theirs/wait", None),
    ("POST", "/containers/ours/kill?signal=9", None),
    ("PUT", "/containers/ours/archive?path=/", b"tar"),
    ("POST", "/exec/a1/start", {"Detach": False}),
    ("DELETE", "/v1.24/networks/ours", None),
    ("DELETE", "/volumes/prune-ours", None),
    ("POST", "/secrets/ours/update?version=3", {"Name": "ours"}),
    ("POST", "/containers/create?name=x", {"Image": "nginx", "HostConfig": {
        "NetworkMode": "default", "Binds": ["new:/inside", "/inside"], "Privileged": False,
        "CapAdd": None, "PidMode": "", "IpcMode": "private", "MaskedPaths": None}}),
    ("POST", "/volumes/create", {"Name": "x", "DriverOpts": {"type": "tmpfs", "device": "tmpfs"}}),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "body"), ALLOWED)
def test_what_is_read_or_ours_is_allowed(method, path, body):
    engine, sent = guarded(method, path, body)
    assert sent is not None
    assert engine.harmed() == []
    assert path.partition("?")[2] == sent.url.partition("?")[2]


def test_an_object_is_sent_by_its_full_id():
    """No other object can come to answer to its name, or to the beginning of its id."""
    engine = Engine()
    id = engine.objects["container"][-3]["Id"]
    for name in ("ours", "0a00", id):
        sent = LabelGuard(engine)(request_of("POST", f"/v1.44/containers/{name}/kill?signal=9"))  # type: ignore[arg-type]
        assert sent.path_url == f"/v1.44/containers/{id}/kill?signal=9"


def test_an_object_that_does_not_exist_gets_dockers_own_error():
    with pytest.raises(docker.errors.NotFound):
        LabelGuard(Engine())(request_of("DELETE", "/services/nothing"))  # type: ignore[arg-type]


def test_labels_in_any_letter_case_become_one_with_ours():
    body = {"Name": "x", "labels": {"a": "1"}, "LABELS": {CREATED_HERE: "no", "b": "2"}}
    _, sent = guarded("POST", "/networks/create", body)
    assert json.loads(sent.body) == {
        "Name": "x",
        "Labels": {"a": "1", "b": "2", CREATED_HERE: "true"},
    }


def test_labels_that_are_no_map_are_refused():
    assert guarded("POST", "/networks/create", {"Labels": ["a"]})[1] is None
    assert guarded("POST", "/networks/create", {"Labels": None})[1] is not None


def test_web_sockets_do_not_go_around_the_guard():
    api = docker.APIClient(base_url="http://engine:2375", version="1.44")
    api.auth = LabelGuard(api)
    with pytest.raises(LabError, match="ws=False"):
        api.attach_socket("theirs", ws=True)
    api.close()


# -- the table -------------------------------------------------------------------------------------
def test_the_table_has_every_route_of_the_simulated_engine():
    from swarmlab.engine.routes import ROUTES as SIMULATED

    for method, path, *_ in SIMULATED:
        concrete = re.sub("<path:.*?>|<.*?>", "x", path)
        assert any(r.method == method and r.pattern.fullmatch(concrete) for r in ROUTES), path


def test_the_table_is_well_formed():
    assert {route.effect for route in ROUTES} == {"read", "create", "change", "others"}
    assert len({(route.method, route.path) for route in ROUTES}) == len(ROUTES)
    kinds = {*KIND_NAMES, "exec"}
    for route in ROUTES:
        names = set(re.findall(r"{(\w+)}", route.path))
        assert names <= {*kinds, "any", "path"}
        assert bool(kinds & names) == (route.effect == "change")
        assert set(route.members.values()) <= {*PATTERNS}
        assert (route.members.get("Labels") == "label") >= (route.effect == "create")
    groups = {group for pattern in PATTERNS.values() for group in pattern.groupindex}
    assert groups == {"container", "network", "swarm_network", "used_volume", "secret", "config"}


# -- any request -----------------------------------------------------------------------------------
segments = st.sampled_from(
    [*NAMES, "ours", "prune-ours", "0f0", "0f", "1f", "f1", "a1", "..", "", "%6furs", "theirs%2f"]
    + ["kill", "rename", "connect", "attach", "ws", "archive", "wait", "leave", "build", "auth"]
    + [f"{kind}s" for kind in KIND_NAMES]
)
versions = st.sampled_from(["", "", "", "/v1.44", "/v1.24", "/v1.23", "/v1.52", "/V1.44", "/v2"])
references = st.sampled_from(["ours", "theirs", "create", "0f0", "3f", "host"])
wild = st.lists(segments, min_size=1, max_size=5).map(lambda parts: "/" + "/".join(parts))


@st.composite
def near_a_route(draw: st.DrawFn) -> str:
    """A path of the table with any names, perhaps spoiled."""
    path = re.sub(r"{\w+}", lambda _: draw(segments), draw(st.sampled_from(ROUTES)).path)
    spoil = st.sampled_from([str, str, str, str.upper, lambda p: p + "/", lambda p: "/" + p])
    return str(draw(spoil)(path))


@st.composite
def bodies(draw: st.DrawFn) -> Any:
    body: dict[str, Any] = {}
    for _ in range(draw(st.integers(0, 3))):
        _, member, shape = draw(st.sampled_from(REFERENCES))
        one = recased(nested(member, filled(shape, draw(references))), draw(st.sampled_from(CASES)))
        body |= one
    return body


@given(
    st.sampled_from(["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "post", "Delete"]),
    versions,
    near_a_route() | wild,
    bodies(),
)
@example("POST", "", "/containers/prune", {})
@settings(max_examples=1500, deadline=None, derandomize=True, database=None)
def test_no_request_changes_what_the_kit_did_not_make(method, version, path, body):
    engine, _sent = guarded(method, version + path, body)
    assert engine.harmed() == []
