"""What users may send and real engines accept: it fails where it does there, and only there.

The states and errors were recorded from a real engine (26.1.5).
"""

from __future__ import annotations

import base64
import json
import time
from ipaddress import ip_network
from typing import Any

import pytest

import swarmlab
from swarmlab.cluster.simulated import SimulatedCluster
from swarmlab.manager.validation import SERVICE_NAME
from swarmlab.network.addresses import next_subnet
from swarmlab.programs.patterns import found
from swarmlab.programs.shell.parser import ScriptError, parse_script
from swarmlab.simulation import S


class Door:
    """Bare requests to a manager."""

    def __init__(self) -> None:
        self.cluster: SimulatedCluster = swarmlab.simulate(managers=1, workers=0, seed=5)
        self.api = self.cluster.client("m1").api
        self.api.pull("nginx", "latest")

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body)
        headers = {"Content-Type": "application/json"} if data else {}
        url = f"{self.api.base_url}/v1.50{path}"
        return self.api.request(method, url, data=data, headers=headers)

    def create(self, container: Any = None, task: Any = None, **spec: Any) -> Any:
        template = {"ContainerSpec": {"Image": "nginx", **(container or {})}, **(task or {})}
        return self.ask("POST", "/services/create", {"TaskTemplate": template, **spec})

    def containers(self) -> list[Any]:
        return self.cluster.engine("m1").containers.all()

    def first_task(self) -> tuple[str, str]:
        """State and error of the oldest task."""
        task = min(self.api.tasks(), key=lambda task: task["CreatedAt"])
        return task["Status"]["State"], task["Status"].get("Err", "")


@pytest.fixture
def door() -> Door:
    return Door()


UIDS = "starting container failed: uids and gids must be in range 0-2147483647"
NO_USER = "starting container failed: unable to find user ²: no matching entries in passwd file"
SHORT = "no suitable node (insufficient resources on 1 node)"


@pytest.mark.parametrize(
    ("spec", "state", "error"),
    [
        ({"EndpointSpec": {"Ports": [{"PublishMode": "host", "PublishedPort": 8080}]}},
         "running", ""),
        ({"EndpointSpec": {"Ports": [{"PublishedPort": 8081}]}}, "running", ""),
        ({"EndpointSpec": {"Ports": [{"PublishedPort": 70000, "TargetPort": 80}]}}, "new", ""),
        ({"EndpointSpec": {"Ports": [{"TargetPort": 70000, "PublishMode": "host",
                                      "PublishedPort": 8099}]}},
         "rejected", 'invalid port specification: "70000"'),
        ({"EndpointSpec": {"Ports": [{"TargetPort": 80, "PublishMode": "host",
                                      "PublishedPort": 70001}]}},
         "rejected", 'invalid port specification: "70001"'),
        ({"container": {"Healthcheck": {"Test": ["CMD"], "Interval": 10**9}}}, "failed",
         "task: non-zero exit (0)"),
        ({"container": {"Healthcheck": {"Test": ["FOO"]}}}, "running", ""),
        ({"container": {"User": "²"}}, "failed", NO_USER),
        ({"container": {"User": "99999999999"}}, "failed", UIDS),
        ({"container": {"User": "-1"}}, "failed", UIDS),
        ({"container": {"StopSignal": "FOO"}}, "rejected", "invalid signal: FOO"),
        ({"container": {"Dir": "x"}}, "rejected",
         "the working directory 'x' is invalid, it needs to be an absolute path"),
        ({"container": {"Env": [""]}}, "rejected", "invalid environment variable: "),
        ({"container": {"StopGracePeriod": -5}}, "running", ""),
        ({"container": {"Isolation": "foo"}}, "running", ""),
        ({"container": {"Mounts": [{}]}}, "rejected",
         "invalid mount target, must be an absolute path: "),
        ({"task": {"Resources": {"Reservations": {"GenericResources": [
            {"DiscreteResourceSpec": {}}]}}}}, "pending", SHORT),
        ({"task": {"Resources": {"Reservations": {"GenericResources": [
            {"DiscreteResourceSpec": {"Kind": "a", "Value": -1}}]}}}}, "pending", SHORT),
        ({"task": {"Resources": {"Reservations": {"GenericResources": [{}]}}}}, "pending", SHORT),
        ({"RollbackConfig": {"MaxFailureRatio": 5, "Delay": -5, "Monitor": -5}}, "running", ""),
    ],
)  # fmt: skip
def test_what_real_engines_accept_fails_where_it_fails_there(door, spec, state, error):
    assert door.create(**spec).status_code == 201
    door.cluster.run("20s")
    got, why = door.first_task()
    if "Healthcheck" in spec.get("container", {}) and state == "failed":
        assert got in ("failed", "shutdown", "complete", "starting")
    else:
        assert (got, why) == (state, error)
    assert door.create(Name="after").status_code == 201
    door.cluster.run("10s")
    assert any(t["Status"]["State"] == "running" for t in door.api.tasks({"service": "after"}))


def test_privileges_nested_deeply_are_fields_that_go_does_not_know(door):
    nested: Any = {}
    for _ in range(300):
        nested = {"x": nested}
    assert door.create({"Privileges": nested}, Name="web").status_code == 201
    door.cluster.crash("m1")
    door.cluster.start("m1")
    door.cluster.run("10s")
    assert [s["Spec"]["Name"] for s in door.api.services()] == ["web"]


def test_a_template_may_be_in_bytes_that_are_not_text(door):
    data = base64.b64encode(b"\xff\xfe{{.Service.Name}}").decode()
    config = {"Name": "c", "Data": data, "Templating": {"Name": "golang"}}
    id = door.ask("POST", "/configs/create", config).json()["ID"]
    file = {"Name": "/c", "UID": "0", "GID": "0", "Mode": 0o444}
    reference = {"ConfigID": id, "ConfigName": "c", "File": file}
    assert door.create({"Configs": [reference]}, Name="web").status_code == 201
    door.cluster.run("10s")
    assert door.first_task() == ("running", "")
    (container,) = door.containers()
    assert container.files["/c"].data == b"\xff\xfeweb"


@pytest.mark.parametrize("subnet", ["255.255.255.255/32", "10.60.0.1/32", "10.50.0.0/31"])
def test_the_smallest_subnets_leave_their_services_waiting(door, subnet):
    ipam = {"Config": [{"Subnet": subnet}]}
    network = {"Name": "small", "Driver": "overlay", "IPAM": ipam}
    assert door.ask("POST", "/networks/create", network).status_code == 201
    assert door.create(task={"Networks": [{"Target": "small"}]}).status_code == 201
    door.cluster.run("10s")
    assert door.first_task() == ("new", "")
    door.cluster.crash("m1")
    door.cluster.start("m1")
    door.cluster.run("10s")
    assert door.api.networks(names=["small"])[0]["IPAM"]["Config"][0]["Subnet"] == subnet


def test_a_container_that_cannot_be_listed_cannot_be_created(door):
    assert door.ask("POST", "/containers/create", {"HostConfig": "x"}).status_code == 400
    ports = {"Image": "nginx", "ExposedPorts": {"abc": {}, "²/tcp": {}}}
    id = door.ask("POST", "/containers/create", ports).json()["Id"]
    assert door.ask("POST", f"/containers/{id}/start").status_code == 204
    assert [row["Ports"] for row in door.ask("GET", "/containers/json").json()] == [[]]


@pytest.mark.parametrize("text", ["²", "1_0", "x", "9" * 5000, "٣"])
def test_only_ascii_digits_are_numbers(door, text):
    id = door.ask("POST", "/containers/create", {"Image": "nginx"}).json()["Id"]
    logs = door.ask("GET", f"/containers/{id}/logs?stdout=1&tail={text}")
    assert logs.status_code == 200  # all of it: moby daemon/logs.go, strconv.Atoi
    for query in ("since", "until"):
        response = door.ask("GET", f"/containers/{id}/logs?stdout=1&{query}={text}")
        assert response.status_code in (400, 500)
        assert "internal error" not in response.json()["message"]


@pytest.mark.parametrize(
    ("fields", "shown", "subnet"),
    [
        ({"SubnetSize": 5}, (24, ["10.0.0.0/8"]), "10.0.1.0/24"),
        ({"SubnetSize": 30}, (24, ["10.0.0.0/8"]), "10.0.1.0/24"),
        ({"DefaultAddrPool": ["10.9.0.1/16"], "SubnetSize": 24},
         (24, ["10.9.0.1/16"]), "10.9.1.0/24"),
        ({"DefaultAddrPool": ["fd00::/16"], "SubnetSize": 24}, (24, ["fd00::/16"]), None),
    ],
)  # fmt: skip
def test_an_address_pool_that_is_accepted_gives_the_recorded_subnet_or_none(fields, shown, subnet):
    cluster = swarmlab.engines(["m1"], seed=3)
    client = cluster.client("m1")
    body = {"AdvertiseAddr": "10.77.0.2", "ListenAddr": "0.0.0.0:2377", **fields}
    assert client.api._post_json(client.api._url("/swarm/init"), data=body).status_code == 200
    client.networks.create("n", driver="overlay")
    cluster.run("5s")
    swarm = client.swarm.attrs or client.swarm.reload() or client.swarm.attrs
    assert (swarm["SubnetSize"], swarm["DefaultAddrPool"]) == shown
    given = [row["Subnet"] for row in client.networks.get("n").attrs["IPAM"].get("Config") or ()]
    assert given == ([subnet] if subnet else [])


def test_time_passes_however_often_nodes_have_to_report(door):
    swarm = door.ask("GET", "/swarm").json()
    spec = {**swarm["Spec"], "Dispatcher": {"HeartbeatPeriod": 1}}
    query = f"version={swarm['Version']['Index']}"
    assert door.ask("POST", f"/swarm/update?{query}", spec).status_code == 200
    simulation = door.cluster.world.simulation
    end_ns, most = simulation.now_ns + 10 * S, simulation.scheduled + 50_000
    simulation.run_while(lambda: simulation.scheduled < most, 10 * S)
    assert simulation.now_ns == end_ns


# -- long lists ----------------------------------------------------------------------------
N = 5000
FILE = {"UID": "0", "GID": "0", "Mode": 0o444}


def spread(number: int) -> dict[str, Any]:
    return {"Spread": {"SpreadDescriptor": f"node.labels.a{number}"}}


@pytest.mark.parametrize(
    "wide",
    [
        lambda n, _: {"EndpointSpec": {"Ports": [{"TargetPort": i, "PublishedPort": i}
                                                 for i in range(1, n)]}},
        lambda n, _: {"EndpointSpec": {"Ports": [{"TargetPort": i, "PublishedPort": i,
                                                  "PublishMode": "host"} for i in range(1, n)]}},
        lambda n, _: {"task": {"Placement": {"Preferences": [*map(spread, range(n))]}}},
        lambda n, _: {"task": {"Placement": {"Constraints": [f"node.labels.a{i}!=b"
                                                             for i in range(n)]}}},
        lambda n, _: {"container": {"Mounts": [{"Type": "volume", "Source": f"v{i}",
                                                "Target": f"/{i}"} for i in range(n)]}},
        lambda n, secret: {"container": {"Secrets": [
            {"SecretID": secret, "SecretName": "s", "File": {**FILE, "Name": f"f{i}"}}
            for i in range(n)]}},
        lambda n, _: {"container": {"Env": [f"a{i}=b" for i in range(n)]},
                      "Labels": {f"a{i}": "b" for i in range(n)}},
    ],
    ids=["ports", "host ports", "preferences", "constraints", "mounts", "secrets", "texts"],
)  # fmt: skip
def test_a_long_list_costs_no_more_than_its_length(door, wide):
    """Twice the list takes about twice the time; what grows with its square takes minutes."""
    secret = door.ask("POST", "/secrets/create", {"Name": "s", "Data": "eA=="}).json()["ID"]
    started = time.process_time()
    assert door.create(Name="web", **wide(N, secret)).status_code == 201
    door.cluster.run("8s")
    assert door.first_task() == ("running", "")
    door.create(Name="web2", **wide(N, secret))  # its ports are in use
    assert door.cluster.explain("web.1") is not None
    assert time.process_time() - started < 20


def test_a_free_subnet_between_many_is_found_at_once():
    pool = ip_network("10.0.0.0/8")
    taken = [next(pool.subnets(new_prefix=29))]
    taken += [ip_network((int(pool[0]) + (1 << 32 - size), size)) for size in range(9, 25)]
    started = time.process_time()
    assert next_subnet([str(pool)], 29, taken) == "10.0.0.8/29"
    taken += [ip_network((int(pool[0]) + (1 << bit), 32 - bit)) for bit in range(3, 8)]
    assert next_subnet([str(pool), "10.1.0.0/8"], 29, taken) == ""
    assert next_subnet([str(pool), "11.0.0.0/8"], 29, taken) == "11.0.0.0/29"
    assert time.process_time() - started < 1


# -- matching ----------------------------------------------------------------------------
def test_patterns_of_users_cost_little(door):
    door.create(Name="web")
    started = time.process_time()
    door.ask("POST", "/containers/create?name=" + "a" * 60, {"Image": "nginx"})
    for pattern in ("(a+)+$", "(a|aa)+$", "(a|a)*b", "(((a{1000}){1000}){1000})", "(" * 5000):
        filters = json.dumps({"name": [pattern]})
        response = door.ask("GET", "/containers/json?all=1&filters=" + filters)
        assert response.status_code in (200, 400)
    assert time.process_time() - started < 5


def test_a_pattern_that_is_none_matches_nothing_as_in_go(door):
    door.create(Name="web")
    assert door.ask("GET", '/containers/json?filters={"name":["("]}').json() == []
    assert found("^we?b{1}$", "web")
    assert found("a{x}", "a{x}")
    for foreign in (r"(a)\1", "a(?=b)", "(?R)", "a++", "a{2000}", "(a{100}){100}"):
        with pytest.raises(ValueError, match=r"."):
            found(foreign, "web")


def test_our_own_patterns_are_linear():
    started = time.process_time()
    assert SERVICE_NAME.fullmatch("orquestracaodecontainersnodevops" * 100 + ".web") is None
    for text in ('"' + "$(a)" * 5000, "$(" * 5000, "'" * 5001, "((" * 400):
        with pytest.raises(ScriptError):
            parse_script(text)
    parse_script("true; " * 20_000)
    assert time.process_time() - started < 5


# -- scripts -----------------------------------------------------------------------------
@pytest.mark.parametrize(
    "script",
    [
        "sh /loop",
        "while true; do x=$x$x$x$x$x$x$x$x.; done",
        "while true; do echo $x$x >> /f; x=$x.........; done",
        "true;" * 20_000 + "sleep 99",
        "(" * 500 + "true" + ")" * 500,
    ],
)
def test_no_script_stops_the_cluster(door, script):
    config = {"Name": "c", "Data": base64.b64encode(b"sh /loop; true").decode()}
    id = door.ask("POST", "/configs/create", config).json()["ID"]
    file = {"Name": "/loop", "UID": "0", "GID": "0", "Mode": 0o555}
    reference = {"ConfigID": id, "ConfigName": "c", "File": file}
    spec = {"Command": ["sh", "-c", script], "Configs": [reference]}
    assert door.create(spec).status_code == 201
    started = time.process_time()
    door.cluster.run("5s")
    assert time.process_time() - started < 10
    (container, *_) = door.containers()
    assert sum(len(file.data) for file in container.files.values()) < 3_000_000
