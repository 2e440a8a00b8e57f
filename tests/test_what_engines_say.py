"""Filters, events, /info and the states of a swarm, as engine 26.1.5 has them.

`oracle/more/everyday.py` has most of this as recorded on a real engine.
"""

from __future__ import annotations

from typing import Any

import docker
import pytest

import swarmlab

PORTS = {"80/tcp": 18999}


@pytest.fixture(scope="module")
def client() -> Any:
    """c1 never started, c2 in a network and with a volume, c3 with ports, c4 exited with 3."""
    cluster = swarmlab.engines(["m1"], seed=3)
    client = cluster.client("m1")
    client.images.pull("busybox")
    client.networks.create("fnet")
    sleep: dict[str, Any] = {"image": "busybox:latest", "command": "sleep 1000", "detach": True}
    client.containers.create("busybox:latest", "sleep 1000", name="c1")
    client.containers.run(**sleep, name="c2", network="fnet", volumes=["fvol:/d"])
    client.containers.run(**sleep, name="c3", ports=PORTS)
    client.api.start(
        client.api.create_container("busybox:latest", ["sh", "-c", "exit 3"], name="c4")["Id"]
    )
    check = {"test": ["CMD", "true"], "interval": 10**9}
    client.containers.run(**sleep, name="c5", healthcheck=check)
    cluster.run("3s")
    return client


def names(client: Any, *, all: bool = True, **filters: str) -> str:
    rows = client.api.containers(
        all=all, filters={k.replace("_", "-"): v for k, v in filters.items()}
    )
    return " ".join(sorted(row["Names"][0].strip("/") for row in rows))


@pytest.mark.parametrize(
    ("key", "value", "found", "of_running"),
    [
        ("since", "c2", "c3 c4 c5", "c3 c5"), ("before", "c2", "c1", ""),
        ("publish", "18999", "c3", "c3"), ("publish", "18000-19000/tcp", "c3", "c3"),
        ("publish", "80", "", ""), ("publish", "18999/udp", "", ""),
        ("expose", "80", "c3", "c3"), ("expose", "70-90/tcp", "c3", "c3"), ("expose", "53", "", ""),
        ("network", "fnet", "c2", "c2"), ("network", "bridge", "c1 c3 c4 c5", "c3 c5"),
        ("network", "nosuch", "", ""),
        ("volume", "fvol", "c2", "c2"), ("volume", "/d", "c2", "c2"),
        ("health", "healthy", "c5", "c5"), ("health", "none", "c1 c2 c3 c4", "c2 c3"),
        ("is-task", "false", "c1 c2 c3 c4 c5", "c2 c3 c5"), ("is-task", "true", "", ""),
        ("exited", "3", "c4", ""), ("exited", "0", "", ""),
        ("ancestor", "busybox", "c1 c2 c3 c4 c5", "c2 c3 c5"), ("ancestor", "nosuch", "", ""),
        ("isolation", "default", "c1 c2 c3 c4 c5", "c2 c3 c5"),
        ("status", "created", "c1", "c1"), ("status", "exited", "c4", "c4"),
    ],
)  # fmt: skip
def test_containers_are_found_by(client, key, value, found, of_running):
    assert names(client, **{key: value}) == found
    assert names(client, all=False, **{key: value}) == of_running


NUMBER = 'parsing "x": invalid syntax'


@pytest.mark.parametrize(
    ("key", "status", "message"),
    [
        ("since", 404, "No such container: x"), ("before", 404, "No such container: x"),
        ("publish", 500, f"error while looking up for publish x: strconv.ParseUint: {NUMBER}"),
        ("expose", 500, f"error while looking up for expose x: strconv.ParseUint: {NUMBER}"),
        ("health", 400, "unrecognized filter value for health: x"),
        ("status", 400, "invalid filter 'status=x'"),
        ("is-task", 400, "invalid filter 'is-task=[x]'"),
        ("exited", 400, f"invalid filter 'exited=x': strconv.Atoi: {NUMBER}"),
        ("nosuch", 400, "invalid filter 'nosuch'"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_refused(client, key, status, message):
    with pytest.raises(docker.errors.APIError) as refused:
        names(client, **{key: "x"})
    assert (refused.value.status_code, refused.value.explanation) == (status, message)


def test_images_are_listed_under_the_names_that_were_asked_for(client):
    client.images.get("busybox").tag("mine", "v1")
    tags = lambda name: [tag for row in client.api.images(name) for tag in row["RepoTags"]]  # noqa: E731
    assert tags("mine") == tags("m*") == tags("mine:v1") == ["mine:v1"]
    assert tags("busy*") == ["busybox:latest"]
    assert tags("nosuch") == []
    assert [row["RepoDigests"] for row in client.api.images("mine")] == [[]]


def test_volumes_networks_and_containers_have_events():
    cluster = swarmlab.engines(["m1"], seed=3)
    client = cluster.client("m1")
    client.images.pull("busybox")
    begun = cluster.now_ns
    client.volumes.create("data")
    client.volumes.create("data")
    network = client.networks.create("net")
    box = client.containers.run(
        "busybox", "sleep 1000", name="box", detach=True, labels={"x": "y"},
        volumes={"data": {"bind": "/d", "mode": "ro"}, "/tmp": {"bind": "/t"}}, network="net",
    )  # fmt: skip
    box.exec_run("true")
    box.remove(force=True)
    client.volumes.get("data").remove()
    network.remove()
    engine = cluster.engine("m1")
    seen = [e for e in engine.events if e["time_ns"] >= begun]
    inside, named = {"container": box.id}, {"name": "net", "type": "bridge"}
    own = {"name": "box", "image": "busybox", "x": "y"}
    found = [(e["Type"], e["Action"], dict(e["Actor"]["Attributes"])) for e in seen]
    exec_id = {"execID": found[7][2]["execID"]}
    mount = {"destination": "/d", "propagation": "", "read/write": "false", "driver": "local"}
    assert found == [
        ("volume", "create", {"driver": "local"}),
        ("network", "create", named),
        ("container", "create", own),
        ("network", "connect", {**inside, **named}),
        ("volume", "mount", {**inside, **mount}),
        ("container", "start", own),
        ("container", "exec_create: true ", {**own, **exec_id}),
        ("container", "exec_start: true ", {**own, **exec_id}),
        ("container", "exec_die", {**own, **exec_id, "exitCode": "0"}),
        ("container", "kill", {**own, "signal": "9"}),
        ("network", "disconnect", {**inside, **named}),
        ("volume", "unmount", {**inside, "driver": "local"}),
        ("container", "die", {**own, "exitCode": "137", "execDuration": "0"}),
        ("container", "destroy", own),
        ("volume", "destroy", {"driver": "local"}),
        ("network", "destroy", named),
    ]
    assert {e["scope"] for e in seen} == {"local"}


def test_a_container_that_cannot_start_ends_a_wait_for_its_removal():
    """`docker run --rm` waits so: it would never end."""
    cluster = swarmlab.engines(["m1"], seed=3)
    client = cluster.client("m1")
    client.images.pull("busybox")
    box = client.containers.create("busybox", "true", auto_remove=True, user="nosuch")
    with pytest.raises(docker.errors.APIError, match="unable to find user nosuch"):
        box.start()
    assert client.containers.list(all=True) == []
    other = client.containers.create("busybox", "true", user="nosuch")
    with pytest.raises(docker.errors.APIError):
        other.start()
    assert client.containers.list(all=True) == [other]


# -- what an engine says of itself ---------------------------------------------------------------
# All that engine 26.1.5 sends, of a node that is in no swarm.
INFO = """
ID Containers ContainersRunning ContainersPaused ContainersStopped Images Driver DriverStatus
Plugins MemoryLimit SwapLimit KernelMemoryTCP CpuCfsPeriod CpuCfsQuota CPUShares CPUSet PidsLimit
IPv4Forwarding BridgeNfIptables BridgeNfIp6tables Debug NFd OomKillDisable NGoroutines SystemTime
LoggingDriver CgroupDriver CgroupVersion NEventsListener KernelVersion OperatingSystem OSVersion
OSType Architecture IndexServerAddress RegistryConfig NCPU MemTotal GenericResources DockerRootDir
HttpProxy HttpsProxy NoProxy Name Labels ExperimentalBuild ServerVersion Runtimes DefaultRuntime
Swarm LiveRestoreEnabled Isolation InitBinary ContainerdCommit RuncCommit InitCommit SecurityOptions
CDISpecDirs Warnings
"""


def test_info_has_every_field_and_counts_each_container_once(client):
    client.containers.get("c2").pause()
    info = client.info()
    client.containers.get("c2").unpause()
    assert sorted(info) == sorted(INFO.split())
    counts = ("Containers", "ContainersRunning", "ContainersPaused", "ContainersStopped")
    assert [info[key] for key in counts] == [5, 2, 1, 2]


def test_a_container_asks_for_no_more_processors_than_there_are(client):
    with pytest.raises(docker.errors.APIError, match=r"Range of CPUs is from 0\.01 to 4\.00"):
        client.containers.create("busybox", nano_cpus=5 * 10**9)


# -- the swarm that a node is in ---------------------------------------------------------------
NO_LEADER = "The swarm does not have a leader"


def test_a_manager_that_starts_without_quorum_is_pending():
    cluster = swarmlab.simulate(managers=3, workers=1, seed=3)
    cluster.client("m1").services.create(
        "nginx", name="web", mode=docker.types.ServiceMode("global")
    )
    cluster.run("20s")
    for name in ("m2", "m3", "m1"):
        cluster.crash(name)
    cluster.start("m1")
    cluster.run("20s")
    client = cluster.client("m1")
    swarm = client.info()["Swarm"]
    assert (swarm["LocalNodeState"], swarm["ControlAvailable"]) == ("pending", True)
    assert NO_LEADER in swarm["Error"]
    assert len(swarm["RemoteManagers"]) == 3
    assert not {"Nodes", "Managers"} & {*swarm}
    for ask in (client.nodes.list, client.services.list, client.api.inspect_swarm):
        with pytest.raises(docker.errors.APIError, match=NO_LEADER):
            ask()
    with pytest.raises(docker.errors.APIError, match="already part of a swarm"):
        client.api.init_swarm("10.77.0.2")
    cluster.start("m2")
    cluster.run("30s")
    assert client.info()["Swarm"]["LocalNodeState"] == "active"


def test_a_forced_new_cluster_starts_the_survivors_tasks_again():
    cluster = swarmlab.simulate(managers=3, workers=1, seed=3)
    client = cluster.client("m1")
    mode = docker.types.ServiceMode("global")
    client.services.create("nginx", name="web", mode=mode)
    cluster.run("20s")
    cluster.crash("m2")
    cluster.crash("m3")
    (before,) = client.containers.list()
    client.swarm.init(advertise_addr="10.77.0.2", force_new_cluster=True)
    cluster.run("15s")
    tasks = client.services.get("web").tasks({"node": "m1"})
    failed = [t["Status"].get("Err") for t in tasks if t["Status"]["State"] == "failed"]
    assert failed == [f"No such container: {before.name}"]
    (after,) = client.containers.list()
    assert after.name != before.name
    assert cluster.client("w1").containers.list()  # other nodes' stay


def test_forcing_a_new_cluster_outside_a_swarm_starts_one():
    client = swarmlab.engines(["m1"], seed=3).client("m1")
    assert client.swarm.init(advertise_addr="10.77.0.2", force_new_cluster=True)
    assert client.info()["Swarm"]["Managers"] == 1


def test_forcing_a_new_cluster_keeps_what_the_swarm_is_told_to_do():
    """The stock command line sends every field of the spec, most of them empty or zero."""
    client = swarmlab.simulate(managers=1, workers=0, seed=3).client("m1")
    before = client.api.inspect_swarm()["Spec"]
    sent = {"Labels": None, "Orchestration": {}, "Raft": {"ElectionTick": 0, "HeartbeatTick": 0}}
    sent |= {"Dispatcher": {}, "CAConfig": {"NodeCertExpiry": 10**18}, "TaskDefaults": {}}
    body = {"AdvertiseAddr": "10.77.0.2", "ForceNewCluster": True, "Spec": sent}
    client.api._result(client.api._post_json(client.api._url("/swarm/init"), data=body))
    after = client.api.inspect_swarm()["Spec"]
    assert after == {**before, "CAConfig": {**before["CAConfig"], "NodeCertExpiry": 10**18}}
