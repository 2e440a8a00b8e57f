"""The Engine API, route by route, through the stock SDK or bare HTTP, against a fake cluster."""

from __future__ import annotations

import base64
import json
from dataclasses import replace

import docker
import pytest

from swarmlab.engine import leave as leave_module
from swarmlab.engine.leave import fail_leave
from swarmlab.engine.routes import ROUTES
from swarmlab.model import ManagerStatus, SwarmNetwork, TaskState, messages
from swarmlab.simulation import Call
from tests.fake_engine import Lab


@pytest.fixture
def lab() -> Lab:
    return Lab()


@pytest.fixture
def alone() -> Lab:
    """An engine in no swarm."""
    return Lab(swarm=False)


def refused(response) -> tuple[int, str]:
    assert response.headers["Content-Type"] == "application/json"
    assert response.text.endswith("\n")
    return response.status_code, response.json()["message"]


# -- the table ---------------------------------------------------------------------------
def test_every_route_is_there_once_and_has_a_handler():
    pairs = [(route.method, route.template) for route in ROUTES]
    assert len(set(pairs)) == len(pairs)
    assert all(callable(route.handler) for route in ROUTES)


def test_all_responses_have_dockers_headers(lab):
    """Source: moby daemon/server/middleware/version.go, experimental.go."""
    for path in ("/_ping", "/nodes", "/nope"):
        headers = lab.ask("GET", path).headers
        assert headers["Api-Version"] == "1.50"
        assert headers["Ostype"] == "linux"
        assert headers["Docker-Experimental"] == "false"
        assert headers["Server"].startswith("Docker/")


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/v1.99/nodes", "client version 1.99 is too new. Maximum supported API version is 1.50"),
        (
            "/v1.12/nodes",
            "client version 1.12 is too old. Minimum supported API version is 1.24, please upgrade"
            " your client to a newer version",
        ),
    ],
)
def test_versions_out_of_range_are_refused(lab, path, text):
    assert refused(lab.ask("GET", path)) == (400, text)
    assert lab.ask("GET", "/v1.41/nodes").status_code == 200


def test_unknown_paths_and_methods_are_not_found(lab):
    for method, path in (("GET", "/nope"), ("PUT", "/nodes"), ("GET", "/"), ("GET", "/v1.41")):
        assert refused(lab.ask(method, path)) == (404, "page not found")


@pytest.mark.parametrize(
    ("headers", "data", "text"),
    [
        (
            {"Content-Type": "text/plain"},
            b"{}",
            "unsupported Content-Type header (text/plain): must be 'application/json'",
        ),
        ({}, b"", "invalid JSON: got EOF while reading request body"),
        ({"Content-Type": "application/json"}, b"{", "invalid JSON: "),
        ({"Content-Type": "application/json"}, b"[]", "invalid JSON: "),
        ({"Content-Type": "application/json"}, b"[" * 100_000, "invalid JSON: "),
    ],
)
def test_bad_bodies_are_refused(lab, headers, data, text):
    response = lab.ask("POST", "/services/create", headers=headers, data=data)
    status, message = refused(response)
    assert (status, message[: len(text)]) == (400, text)


def test_booleans_are_lenient_except_where_go_parses_them(lab):
    """Source: moby daemon/server/httputils/httputils.go."""
    service = lab.service()
    for word in ("yes", "2", "TRUE"):
        assert lab.ask("GET", f"/containers/json?all={word}").status_code == 200
    assert lab.ask("GET", f"/services/{service.id}?insertDefaults=T").status_code == 200
    assert refused(lab.ask("GET", f"/services/{service.id}?insertDefaults=yes")) == (
        400, "invalid value for insertDefaults: yes"
    )  # fmt: skip


def test_a_bug_in_a_handler_is_a_500_and_the_engine_keeps_working(lab, faults):
    lab.engine.tables["service"]["broken"] = object()
    assert lab.ask("GET", "/services").status_code == 500
    assert "Traceback" in faults.pop()
    assert lab.client.ping()


# -- the swarm -----------------------------------------------------------------------------
def test_the_error_on_a_node_that_is_not_a_manager_names_the_reason(alone):
    """Source: moby daemon/cluster/errors.go."""
    status, text = refused(alone.ask("GET", "/services"))
    assert status == 503
    assert 'Use "docker swarm init"' in text
    alone.engine.swarm_state = "active"
    assert "Worker nodes can't be used" in refused(alone.ask("GET", "/nodes"))[1]
    alone.engine.swarm_state = "locked"
    assert "needs to be unlocked" in refused(alone.ask("GET", "/swarm"))[1]
    assert alone.client.info()["Swarm"]["LocalNodeState"] == "locked"


def test_defaults_are_filled_into_the_clis_init_body(alone):
    """Availability is empty, Labels null, and only flags that were given are in Spec.

    Source: docker/cli cli/command/swarm/init.go.
    """
    body = {
        "ListenAddr": "0.0.0.0:2377", "AdvertiseAddr": "", "Availability": "", "SubnetSize": 24,
        "DataPathPort": 0, "ForceNewCluster": False, "DefaultAddrPool": [],
        "Spec": {"Labels": None, "Orchestration": {}, "Raft": {"ElectionTick": 0}},
    }  # fmt: skip
    assert alone.ask("POST", "/swarm/init", json=body).json() == alone.engine.node_id
    swarm = alone.client.api.inspect_swarm()
    assert swarm["Spec"]["Raft"]["ElectionTick"] == 10
    assert swarm["DefaultAddrPool"] == ["10.0.0.0/8"]
    assert (swarm["SubnetSize"], swarm["DataPathPort"]) == (24, 4789)
    assert set(swarm["JoinTokens"]) == {"Worker", "Manager"}
    assert base64.b64decode(swarm["TLSInfo"]["CertIssuerSubject"]).endswith(b"swarm-ca")
    assert alone.engine.asked[0][1]["Availability"] == "active"


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        ({"Availability": "x"}, 400, 'invalid Availability: "x"'),
        (
            {"ListenAddr": "nowhere"},
            400,
            "listen address must be an IP address or network interface (with optional port number)",
        ),
        (
            {"AdvertiseAddr": "0.0.0.0"},
            400,
            "advertise address must be a non-zero IP address or network interface (with optional"
            " port number)",
        ),
        (
            {"SubnetSize": 30, "DefaultAddrPool": ["10.0.0.0/8"]},
            500,
            "subnet size is out of range: 30",
        ),
        (
            {"DefaultAddrPool": ["10.9.0.0"]},
            500,
            "invalid base pool 10.9.0.0: invalid CIDR address: 10.9.0.0",
        ),
        (
            {"DefaultAddrPool": ["10.0.0.0/26"]},
            500,
            'invalid CIDR: "10.0.0.0/26". Subnet size is too small for pool: 24',
        ),
        (
            {"DataPathPort": 80},
            500,
            "Datapath port number is not in valid range (1024-49151) : 80",
        ),
        ({"Spec": {"Name": "x"}}, 400, 'swarm spec must be named "default"'),
    ],
)
def test_bad_init_parameters_are_refused(alone, body, status, text):
    """Some of them with status 500. Source: moby daemon/cluster/{swarm,listen_addr}.go."""
    assert refused(alone.ask("POST", "/swarm/init", json=body)) == (status, text)


def test_join_needs_a_remote_address_and_a_node_in_no_swarm(lab, alone):
    assert refused(alone.ask("POST", "/swarm/join", json={})) == (
        400, "at least 1 RemoteAddr is required to join"
    )  # fmt: skip
    alone.client.swarm.join(remote_addrs=["10.77.0.9"], join_token="t")
    assert alone.engine.asked[0][1]["RemoteAddrs"] == ("10.77.0.9:2377",)
    with pytest.raises(docker.errors.APIError, match="This node is already part of a swarm"):
        lab.client.swarm.join(remote_addrs=["10.77.0.9"], join_token="t")


def test_swarm_update_replaces_the_spec_and_passes_the_rotations_on(lab):
    swarm = lab.client.swarm
    swarm.update(rotate_worker_token=True, snapshot_interval=5000)
    update = lab.engine.asked[-1]
    assert isinstance(update, messages.UpdateCluster)
    assert (update.worker_token_rotation, update.manager_token_rotation) == (True, False)
    assert not update.unlock_key_rotation
    swarm.reload()
    assert swarm.attrs["Spec"]["Orchestration"] == {"TaskHistoryRetentionLimit": 0}
    assert refused(lab.ask("POST", "/swarm/update", json={})) == (
        400, "invalid swarm version '': strconv.ParseUint: parsing \"\": invalid syntax"
    )  # fmt: skip


def test_info_counts_nodes_and_contains_no_tokens(lab):
    swarm = lab.client.info()["Swarm"]
    assert (swarm["Nodes"], swarm["Managers"], swarm["ControlAvailable"]) == (1, 1, True)
    assert "JoinTokens" not in swarm["Cluster"]


# -- nodes -----------------------------------------------------------------------------------
def test_nodes_are_found_by_id_hostname_and_beginning_of_an_id(lab):
    (node,) = lab.client.nodes.list()
    assert node.attrs["ManagerStatus"]["Leader"] is True
    for ref in (node.id, "m1", node.id[:4]):
        assert lab.client.nodes.get(ref).attrs == node.attrs
    assert refused(lab.ask("GET", "/nodes/self")) == (404, "node self not found")


def test_the_label_filter_matches_engine_labels_and_node_label_node_labels(lab):
    """Source: moby daemon/cluster/filters.go."""
    assert len(lab.client.nodes.list(filters={"label": "disk=ssd"})) == 1
    assert lab.client.nodes.list(filters={"node.label": "disk=ssd"}) == []
    assert lab.client.nodes.list(filters={"role": "worker"}) == []
    with pytest.raises(docker.errors.APIError) as refusal:
        lab.client.nodes.list(filters={"role": "boss"})
    assert refusal.value.status_code == 500


def test_a_nodes_spec_makes_an_exact_round_trip(lab):
    (node,) = lab.client.nodes.list()
    before = node.attrs["Spec"]
    node.update({**before, "Labels": {"az": "a"}})
    node.reload()
    assert node.attrs["Spec"]["Labels"] == {"az": "a"}
    node.update(before)
    node.reload()
    assert node.attrs["Spec"] == before


# -- services and tasks ------------------------------------------------------------------------
def test_a_service_makes_an_exact_round_trip_through_the_sdk(lab):
    """The spec that was sent comes back equal. Source: docker-py api_service_test.py."""
    created = lab.client.services.create(
        "alpine:3.10", ["sleep", "1"], name="x", resources={"Limits": {"NanoCPUs": 4_000_000}},
        restart_policy={"Condition": "any", "Delay": 5, "MaxAttempts": 5, "Window": 0},
        mode=docker.types.ServiceMode("replicated", 5),
    )  # fmt: skip
    spec = lab.client.services.get("x").attrs["Spec"]
    assert spec["Mode"] == {"Replicated": {"Replicas": 5}}
    assert spec["TaskTemplate"]["RestartPolicy"]["Window"] == 0
    assert spec["TaskTemplate"]["ForceUpdate"] == 0
    assert created.force_update()
    assert lab.client.services.get("x").attrs["Spec"]["TaskTemplate"]["ForceUpdate"] == 1
    created.remove()
    assert lab.client.services.list() == []


def test_a_stale_version_is_a_500(lab):
    """Source: moby daemon/server/httpstatus/status.go."""
    service = lab.service()
    body = {"Name": "web", "TaskTemplate": {"ContainerSpec": {"Image": "nginx"}}}
    assert refused(lab.ask("POST", f"/services/{service.id}/update?version=1", json=body)) == (
        500, "rpc error: code = Unknown desc = update out of sequence"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("query", "status", "text"),
    [
        ("version=x", 400, "invalid service version 'x': strconv.ParseUint: parsing \"x\": invalid"
                           " syntax"),
        ("version=1&rollback=x", 500, "unrecognized rollback option x"),
        ("version=1&registryAuthFrom=x", 400, "invalid registryAuthFrom 'x'"),
    ],
)  # fmt: skip
def test_bad_update_parameters_are_refused(lab, query, status, text):
    service = lab.service()
    body = {"Name": "web", "TaskTemplate": {"ContainerSpec": {"Image": "nginx"}}}
    path = f"/services/{service.id}/update?{query}"
    assert refused(lab.ask("POST", path, json=body)) == (status, text)


def test_networks_of_a_service_are_resolved_or_refused(lab):
    """Source: moby daemon/server/router/swarm/cluster_routes.go."""
    network = lab.client.networks.create("back", driver="overlay")
    spec = {"TaskTemplate": {"ContainerSpec": {"Image": "n"}, "Networks": [{"Target": "back"}]}}
    assert lab.service(**spec).spec.task["Networks"] == ({"Target": network.id},)
    lab.client.networks.create("local")
    for target, status, text in (
        ("nope", 500, "network nope not found"),
        ("local", 403, "The net"),
    ):
        spec["TaskTemplate"]["Networks"] = [{"Target": target}]
        answer = refused(lab.ask("POST", "/services/create", json=spec))
        assert (answer[0], answer[1][: len(text)]) == (status, text)


def test_the_status_of_services_is_returned_only_on_request(lab):
    service = lab.service(Mode={"Replicated": {"Replicas": 2}})
    lab.engine.task(service, 1, TaskState.RUNNING)
    (plain,) = lab.client.services.list()
    assert "ServiceStatus" not in plain.attrs
    (full,) = lab.client.services.list(status=True)
    assert full.attrs["ServiceStatus"] == {
        "RunningTasks": 1, "DesiredTasks": 2, "CompletedTasks": 0
    }  # fmt: skip


def test_tasks_are_filtered_by_service_node_state_and_being_up_to_date(lab):
    service = lab.service()
    task = lab.engine.task(service, 1, TaskState.RUNNING, spec_version=0)
    old = lab.engine.task(
        service, 2, TaskState.RUNNING, desired=TaskState.SHUTDOWN, spec_version=9,
        spec=lab.service("other", TaskTemplate={"ContainerSpec": {"Image": "x"}}).spec.task,
    )  # fmt: skip
    ids = lambda filters: [t["ID"] for t in lab.client.api.tasks(filters)]  # noqa: E731
    assert set(ids({"service": "web", "node": "m1"})) == {task.id, old.id}
    assert ids({"name": "web.2"}) == ids({"desired-state": "Shutdown"}) == [old.id]
    assert ids({"_up-to-date": "true", "service": "web"}) == [task.id]
    with pytest.raises(docker.errors.NotFound, match="service nope not found"):
        ids({"service": "nope"})


def test_a_rollback_is_passed_to_the_manager(lab):
    service = lab.service()
    body = {"Name": "web", "TaskTemplate": {"ContainerSpec": {"Image": "nginx"}}}
    path = f"/services/web/update?version={service.version}&rollback=previous"
    assert lab.ask("POST", path, json=body).json() == {"Warnings": None}
    assert isinstance(lab.engine.asked[-1], messages.UpdateService)
    assert lab.engine.asked[-1].rollback is True


# -- secrets and configs -------------------------------------------------------------------------
def test_the_data_of_configs_is_returned_and_that_of_secrets_is_not(lab):
    secret = lab.client.secrets.create(name="s", data=b"hunter2", labels={"a": "b"})
    config = lab.client.configs.create(name="c", data=b"open")
    assert lab.engine.tables["secret"][secret.id].data == b"hunter2"
    assert "Data" not in lab.client.secrets.get("s").attrs["Spec"]
    spec = lab.client.configs.get(config.id).attrs["Spec"]
    assert base64.b64decode(spec["Data"]) == b"open"
    assert lab.client.secrets.list(filters={"names": ["s"]})[0].id == secret.id
    with pytest.raises(docker.errors.APIError, match="invalid filter 'names'"):
        lab.client.configs.list(filters={"names": ["c"]})
    assert lab.ask("DELETE", f"/secrets/{secret.id}").status_code == 204


def test_data_that_is_not_base64_is_refused(lab):
    body = {"Name": "s", "Data": "not base64!"}
    assert refused(lab.ask("POST", "/secrets/create", json=body))[0] == 400


# -- networks and volumes --------------------------------------------------------------------------
def test_swarm_and_local_networks_are_one_list(lab):
    names = {n.name: n.attrs["Scope"] for n in lab.client.networks.list()}
    assert names == {"ingress": "swarm", "bridge": "local", "host": "local", "none": "local"}
    assert lab.ask("GET", "/networks/ingress?scope=local").status_code == 404
    assert lab.ask("GET", "/networks/ingress").json()["Ingress"] is True


def test_predefined_and_taken_names_are_refused(lab):
    """Source: moby daemon/cluster/networks.go; swarmkit manager/controlapi/network.go."""
    network = lab.client.networks.create("back", driver="overlay", attachable=True)
    assert network.attrs["Attachable"] is True
    for name, status, text in (
        ("host", 403, "host is a pre-defined network and cannot be created"),
        ("back", 409, "network with name back already exists"),
    ):
        body = {"Name": name, "Driver": "overlay"}
        assert refused(lab.ask("POST", "/networks/create", json=body)) == (status, text)
    body = {"Name": "n", "IPAM": {"Config": [{"Subnet": "10.0.0.0/24", "Gateway": "10.1.0.1"}]}}
    assert refused(lab.ask("POST", "/networks/create", json=body)) == (
        400, "invalid network config:\ninvalid gateway 10.1.0.1: parent subnet 10.0.0.0/24 doesn't"
            " contain this address"
    )  # fmt: skip
    network.remove()
    assert refused(lab.ask("DELETE", f"/networks/{network.id}"))[0] == 404


def test_an_ambiguous_name_is_a_400(lab):
    for id in ("n1", "n2"):
        twin = SwarmNetwork(id=id, spec=lab.engine.tables["network"]["ingress1"].spec)
        lab.engine.put(replace(twin, spec=twin.spec.with_(Name="twin")))
    assert refused(lab.ask("GET", "/networks/twin")) == (
        400, "2 matches found based on name: network twin is ambiguous"
    )  # fmt: skip


def test_on_a_worker_an_overlay_is_forbidden_but_a_bridge_is_not(alone):
    assert refused(alone.ask("POST", "/networks/create", json={"Name": "o", "Driver": "overlay"}))[
        0
    ] == 403  # fmt: skip
    assert alone.client.networks.create("b").attrs["Scope"] == "local"


def test_volumes_are_created_listed_and_removed(lab):
    assert lab.client.volumes.create("v1").name == "v1"
    assert [v.name for v in lab.client.volumes.list()] == ["v1"]
    lab.client.volumes.get("v1").remove()
    assert lab.ask("GET", "/volumes/v1").status_code == 404


# -- images and containers -----------------------------------------------------------------------
def test_images_are_pulled_imported_tagged_and_removed(lab):
    image = lab.client.images.pull("redis", tag="latest")
    assert image.tags == ["redis:latest"]
    changes = ['CMD ["sleep","3600"]', "LABEL v=1"]
    lab.client.api.import_image_from_data(b"", repository="demo", tag="1", changes=changes)
    demo = lab.client.images.get("demo:1")
    assert demo.attrs["Config"]["Cmd"] == ["sleep", "3600"]
    assert demo.tag("a/b", "2")
    assert set(lab.client.images.get("a/b:2").tags) == {"demo:1", "a/b:2"}
    lab.client.images.remove("redis")
    with pytest.raises(docker.errors.ImageNotFound):
        lab.client.images.get("redis")
    platforms = lab.ask("GET", "/distribution/nginx:latest/json").json()["Platforms"]
    assert {"architecture": "amd64", "os": "linux"} in platforms


def test_the_sdk_runs_a_container_through_its_whole_life(lab):
    containers = lab.client.containers
    assert containers.run("busybox", "echo hi", remove=True) == b"hi\n"
    one = containers.run("busybox", ["sleep", "100"], detach=True, name="one", labels={"a": "b"})
    assert [c.name for c in containers.list(filters={"label": "a=b", "name": "on"})] == ["one"]
    two = containers.run("busybox", ["sleep", "100"], detach=True, name="two")
    assert [c.name for c in containers.list()] == ["two", "one"]
    two.remove(force=True)
    one.stop(timeout=1)
    assert one.wait() == {"StatusCode": 137}
    assert containers.list() == []
    assert containers.list(all=True)[0].status == "exited"
    one.restart()
    one.reload()
    assert one.status == "running"
    with pytest.raises(docker.errors.APIError, match="container is running"):
        one.remove()
    one.kill()
    one.remove()
    with pytest.raises(docker.errors.NotFound):
        containers.get("one")


def test_responses_are_valid_json(lab):
    lab.service()
    for path in ("/info", "/version", "/services", "/networks", "/volumes", "/swarm"):
        assert json.loads(lab.ask("GET", path).text) is not None


@pytest.mark.parametrize(
    ("managers", "reachable", "words"),
    [
        (1, 1, "Removing the last manager erases all current state of the swarm."),
        (3, 3, "The only way to restore a swarm that has lost consensus"),
        (3, 2, "Removing this node leaves 1 managers out of 3. Without a Raft quorum"),
        (4, 3, "Removing this node leaves 2 managers out of 4. Without a Raft quorum"),
        (5, 4, "The only way to restore a swarm that has lost consensus"),
    ],
)
def test_a_manager_is_told_what_its_leaving_would_do(managers: int, reachable: int, words: str):
    """Source: moby daemon/cluster/swarm.go, Leave."""
    words_of = {True: "reachable", False: "unreachable"}
    listed = tuple(
        ManagerStatus(node_id=str(n), leader=n == 0, reachability=words_of[n < reachable], addr="")
        for n in range(managers)
    )
    leave = Call()
    fail_leave(Call().resolve((listed,)), leave)
    assert str(leave.error).startswith(leave_module.LEAVING_MANAGER + words)
