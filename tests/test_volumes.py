"""Volumes, mounts, pause, rename, update and restart policies, as recorded on an engine 26.1.5."""

from __future__ import annotations

import docker
import pytest

import swarmlab
from swarmlab.cluster.simulated import SimulatedCluster
from swarmlab.simulation import S


@pytest.fixture
def cluster() -> SimulatedCluster:
    return swarmlab.simulate(managers=1, workers=1, seed=5)


@pytest.fixture
def client(cluster: SimulatedCluster) -> docker.DockerClient:
    client = cluster.client("m1")
    for image in ("alpine", "nginx"):
        client.images.pull(image, tag="latest")
    return client


def run(client: docker.DockerClient, name: str, *argv: str, **options):
    """A container that runs `argv`, detached."""
    argv = argv or ("sleep", "3600")
    return client.containers.run("alpine", list(argv), name=name, detach=True, **options)


def shell(container, text: str) -> str:
    return container.exec_run(["sh", "-c", text]).output.decode()


def fault(call, *args, **options) -> tuple[int, str]:
    with pytest.raises(docker.errors.APIError) as raised:
        call(*args, **options)
    return raised.value.status_code, raised.value.explanation


# -- volumes -------------------------------------------------------------------------------------
def test_a_volume_keeps_its_files_when_its_containers_go(client):
    first = run(client, "first", volumes=["data:/d"])
    shell(first, "echo kept > /d/file; echo gone > /file")
    first.remove(force=True)
    again = run(client, "again", volumes=["data:/mnt/deep"])
    assert shell(again, "cat /mnt/deep/file") == "kept\n"
    assert "No such file" in shell(again, "cat /file")
    assert client.volumes.get("data").attrs["Labels"] is None


def test_two_containers_share_a_volume_and_one_may_only_read(client):
    writer = run(client, "writer", volumes=["data:/d"])
    reader = run(client, "reader", volumes=["data:/d:ro"])
    shell(writer, "echo hello > /d/x")
    assert shell(reader, "cat /d/x") == "hello\n"
    assert "Read-only file system" in shell(reader, "echo no > /d/x")
    assert shell(writer, "cat /d/x") == "hello\n"
    mounts = {m["Name"]: (m["Destination"], m["RW"], m["Mode"]) for m in reader.attrs["Mounts"]}
    assert mounts == {"data": ("/d", False, "ro")}


def test_a_volume_survives_a_power_failure_of_its_machine(cluster, client):
    container = run(client, "box", volumes=["data:/d"], restart_policy={"Name": "always"})
    shell(container, "echo safe > /d/x")
    cluster.crash("m1")
    cluster.run("1s")
    cluster.start("m1")
    cluster.run("30s")
    assert client.containers.get("box").status == "running"  # by its restart policy
    assert shell(client.containers.get("box"), "cat /d/x") == "safe\n"


def test_a_tasks_data_stays_where_the_task_was(cluster, client):
    """The commonest question of all: where is my data after the update?"""
    spec = docker.types.Mount("/d", "data")
    service = client.services.create(
        "alpine", ["sh", "-c", "echo $HOSTNAME >> /d/log; sleep 3600"], name="db", mounts=[spec],
        constraints=["node.hostname==m1"], stop_grace_period=S,
    )  # fmt: skip
    cluster.run("20s")
    service.update(constraints=["node.hostname==w1"])
    cluster.run("30s")
    logs = {}
    for node in ("m1", "w1"):
        (container,) = [
            run(cluster.client(node), "look", volumes=["data:/d"])
            for image in [cluster.client(node).images.pull("alpine", tag="latest")]
        ]
        logs[node] = shell(container, "cat /d/log").count("\n")
    assert logs == {"m1": 1, "w1": 1}


def test_a_volume_in_use_cannot_be_removed(client):
    container = run(client, "box", volumes=["data:/d"])
    volume = client.volumes.get("data")
    container.stop(timeout=0)
    assert fault(volume.remove, force=True) == (
        409, f"remove data: volume is in use - [{container.id}]",
    )  # fmt: skip
    container.remove()
    volume.remove()
    assert fault(client.volumes.get, "data") == (404, "get data: no such volume")


def test_an_anonymous_volume_goes_with_its_container_if_that_is_asked(client):
    container = client.api.create_container("alpine", ["sleep", "9"], volumes=["/anon"])
    (mount,) = client.api.inspect_container(container)["Mounts"]
    assert len(mount["Name"]) == 64
    labels = client.volumes.get(mount["Name"]).attrs["Labels"]
    assert labels == {"com.docker.volume.anonymous": ""}
    client.api.remove_container(container, v=True)
    assert client.volumes.list() == []
    client.api.create_container("alpine", ["sleep", "9"], volumes=["/anon"], name="kept")
    client.containers.get("kept").remove()
    assert len(client.volumes.list()) == 1


def test_volumes_are_filtered(client):
    client.volumes.create("one", labels={"a": "b"})
    run(client, "box", volumes=["two:/d"])

    def names(**filters) -> list[str]:
        return [volume.name for volume in client.volumes.list(filters=filters)]

    assert names() == ["one", "two"]
    assert names(dangling=True) == ["one"]
    assert names(dangling=False) == ["two"]
    assert names(label="a=b") == ["one"]
    assert names(name="tw") == ["two"]
    assert fault(client.volumes.list, filters={"foo": "x"}) == (400, "invalid filter 'foo'")


def test_a_temporary_file_system_is_empty_after_a_restart(client):
    container = run(client, "box", tmpfs={"/t": ""})
    shell(container, "echo x > /t/x; echo y > /y")
    container.restart(timeout=0)
    assert "No such file" in shell(container, "cat /t/x")
    assert shell(container, "cat /y") == "y\n"
    assert client.containers.get("box").attrs["Mounts"] == []


def test_a_folder_of_the_machine_is_shared_by_its_containers_alone(cluster, client):
    for node in ("m1", "w1"):
        cluster.client(node).images.pull("alpine", tag="latest")
    boxes = [run(cluster.client(n), name, volumes=["/srv/data:/d"])
             for n, name in (("m1", "a1"), ("m1", "a2"), ("w1", "a3"))]  # fmt: skip
    shell(boxes[0], "echo hi > /d/x")
    assert shell(boxes[1], "cat /d/x") == "hi\n"
    assert "No such file" in shell(boxes[2], "cat /d/x")


@pytest.mark.parametrize(
    ("host_config", "status", "message"),
    [
        ({"Binds": ["a1:x"]}, 500, "invalid volume specification: 'a1:x': invalid mount config for"
         " type \"volume\": invalid mount path: 'x' mount path must be absolute"),
        ({"Binds": ["a1:/x:foo"]}, 500, "invalid mode: foo"),
        ({"Binds": ["a1:/"]}, 500, "invalid volume specification: 'a1:/': invalid mount config for"
         " type \"volume\": invalid specification: destination can't be '/'"),
        ({"Binds": ["x x:/a"]}, 400, 'create x x: "x x" includes invalid characters for a local'
         ' volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a'
         " host directory, use absolute path"),
        ({"Binds": ["a1:/x", "a2:/x"]}, 400, "Duplicate mount point: /x"),
        ({"Mounts": [{"Type": "bind", "Source": "/nosuch/x", "Target": "/x"}]}, 400,
         'invalid mount config for type "bind": bind source path does not exist: /nosuch/x'),
        ({"Mounts": [{"Type": "bind", "Source": "rel", "Target": "/x"}]}, 400,
         "invalid mount config for type \"bind\": invalid mount path: 'rel' mount path must be"
         " absolute"),
        ({"Mounts": [{"Type": "volume", "Source": "v2", "Target": ""}]}, 400,
         'invalid mount config for type "volume": field Target must not be empty'),
        ({"Mounts": [{"Type": "foo", "Source": "v2", "Target": "/x"}]}, 400,
         'invalid mount config for type "foo": mount type unknown'),
        ({"Mounts": [{"Type": "tmpfs", "Source": "v2", "Target": "/x"}]}, 400,
         'invalid mount config for type "tmpfs": field Source must not be specified'),
        ({"VolumeDriver": "nosuch", "Binds": ["a1:/x"]}, 404, "create a1: error looking up volume"
         ' plugin nosuch: plugin "nosuch" not found'),
    ],
)  # fmt: skip
def test_wrong_mounts_are_refused_in_dockers_words(client, host_config, status, message):
    body = {"Image": "alpine", "Cmd": ["sleep", "9"], "HostConfig": host_config}
    response = client.api._post_json(client.api._url("/containers/create"), data=body)
    assert (response.status_code, response.json()["message"]) == (status, message)


# -- prune and df ----------------------------------------------------------------------------------
def test_prune_removes_what_is_not_used_and_says_so(client):
    running = run(client, "running", volumes=["used:/d"])
    ended = run(client, "ended", "true")
    client.volumes.create("unused")
    client.images.pull("redis", tag="latest")
    usage = client.df()
    assert [v["UsageData"]["RefCount"] for v in usage["Volumes"]] == [0, 1]
    assert client.containers.prune()["ContainersDeleted"] == [ended.id]
    assert client.volumes.prune() == {"VolumesDeleted": [], "SpaceReclaimed": 0}
    named = client.volumes.prune(filters={"all": True})
    assert named["VolumesDeleted"] == ["unused"]
    assert client.images.prune()["ImagesDeleted"] is None
    before = client.df()["LayersSize"]
    pruned = client.images.prune(filters={"dangling": False})
    untagged = {row["Untagged"] for row in pruned["ImagesDeleted"] if "Untagged" in row}
    assert {"redis:latest", "nginx:latest"} <= untagged
    assert 0 < pruned["SpaceReclaimed"] == before - client.df()["LayersSize"]
    assert [c.name for c in client.containers.list(all=True)] == [running.name]
    assert fault(client.containers.prune, filters={"foo": "x"}) == (400, "invalid filter 'foo'")


def test_only_what_is_older_or_lacks_a_label_is_pruned(cluster, client):
    old = run(client, "old", "true", labels={"keep": "yes"})
    cluster.run("1h")
    new = run(client, "new", "true")
    assert client.containers.prune(filters={"label!": "keep"})["ContainersDeleted"] == [new.id]
    assert client.containers.prune(filters={"until": "2h"})["ContainersDeleted"] is None
    assert client.containers.prune(filters={"until": "30m"})["ContainersDeleted"] == [old.id]
    assert fault(client.containers.prune, filters={"until": "soon"})[0] == 400


# -- pause, rename, update -----------------------------------------------------------------------
def test_a_paused_container_does_nothing_until_it_goes_on(cluster, client):
    container = run(client, "box", "sh", "-c", "while true; do echo tick; sleep 1; done")
    cluster.run("5s")
    container.pause()
    container.reload()
    assert (container.status, container.attrs["State"]["Running"]) == ("paused", True)
    count = len(container.logs())
    cluster.run("1m")
    assert len(container.logs()) == count
    assert fault(container.pause) == (409, f"Container {container.id} is already paused")
    assert fault(container.exec_run, "true") == (
        409, "Container box is paused, unpause the container before exec",
    )  # fmt: skip
    assert fault(container.remove) == (
        409, 'cannot remove container "/box": container is paused and must be unpaused first',
    )  # fmt: skip
    (row,) = client.api.containers()
    assert row["Status"].endswith("(Paused)")
    container.unpause()
    cluster.run("10s")
    assert len(container.logs()) > count + 20
    assert fault(container.unpause) == (500, f"Container {container.id} is not paused")


def test_a_paused_container_is_not_probed(cluster, client):
    check = {"Test": ["CMD", "true"], "Interval": 1 * S}
    container = run(client, "box", healthcheck=check)
    cluster.run("5s")
    container.pause()
    container.reload()
    log = container.attrs["State"]["Health"]["Log"]
    cluster.run("30s")
    container.reload()
    assert container.attrs["State"]["Health"]["Log"] == log
    container.unpause()
    cluster.run("5s")
    container.reload()
    assert container.attrs["State"]["Health"]["Log"] != log


def test_a_paused_container_can_be_stopped(cluster, client):
    container = run(client, "box")
    container.pause()
    container.stop(timeout=1)
    container.reload()
    assert (container.status, container.attrs["State"]["ExitCode"]) == ("exited", 137)
    assert container.attrs["State"]["Paused"] is False


def test_a_container_is_renamed_unless_the_name_is_in_use(client):
    one, other = run(client, "one"), run(client, "other")
    one.rename("uno")
    assert client.containers.get("uno").id == one.id
    conflict = f'The container name "/other" is already in use by container "{other.id}".'
    assert conflict in fault(one.rename, "other")[1]
    assert fault(one.rename, "x y") == (
        400, "Error when allocating new name: Invalid container name (/x y), only"
        " [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed",
    )  # fmt: skip
    assert fault(one.rename, "uno") == (
        400, "Renaming a container with the same name as its current name",
    )  # fmt: skip


# -- restart policies ------------------------------------------------------------------------------
def test_a_container_that_fails_is_restarted_after_longer_and_longer_delays(cluster, client):
    """Source: moby restartmanager.go: 100 ms, doubled each time."""
    policy = {"Name": "on-failure", "MaximumRetryCount": 3}
    container = run(client, "box", "sh", "-c", "echo up; exit 3", restart_policy=policy)
    cluster.run("20s")
    container.reload()
    assert container.logs() == b"up\n" * 4
    assert (container.status, container.attrs["RestartCount"]) == ("exited", 3)
    assert container.attrs["State"]["ExitCode"] == 3


def test_a_power_cut_gives_no_new_attempts_to_a_container_that_has_used_them_up(cluster, client):
    """As a real engine did (20.10): one that has some left begins to count again."""
    policy = {"Name": "on-failure", "MaximumRetryCount": 2}
    used_up = run(client, "used", "sh", "-c", "exit 3", restart_policy=policy)
    cluster.run("20s")
    slow = run(client, "slow", "sh", "-c", "sleep 9; exit 3", restart_policy=policy)
    cluster.run("12s")
    slow.reload()
    assert slow.attrs["RestartCount"] == 1
    cluster.crash("m1")
    cluster.start("m1")
    cluster.run("5s")
    seen = []
    for container in (used_up, slow):
        container.reload()
        seen.append((container.status, container.attrs["RestartCount"]))
    assert seen == [("exited", 2), ("running", 0)]


def test_a_container_that_waits_for_its_restart_says_so(cluster, client):
    container = run(client, "box", "sh", "-c", "exit 3", restart_policy={"Name": "always"})
    cluster.run("60s")
    container.reload()
    assert container.status == "restarting"
    (row,) = client.api.containers()
    assert row["Status"].startswith("Restarting (3)")
    count = container.attrs["RestartCount"]
    assert 5 < count < 12
    assert "container is restarting: stop the container" in fault(container.remove)[1]
    container.stop()
    cluster.run("5m")
    container.reload()
    assert (container.status, container.attrs["RestartCount"]) == ("exited", count)


@pytest.mark.parametrize(
    ("policy", "state"), [("always", "running"), ("unless-stopped", "exited"), ("no", "exited")]
)
def test_after_a_reboot_only_always_starts_what_a_user_stopped(cluster, client, policy, state):
    container = run(client, "box", restart_policy={"Name": policy})
    container.stop(timeout=0)
    cluster.crash("m1")
    cluster.run("1s")
    cluster.start("m1")
    cluster.run("30s")
    assert client.containers.get("box").status == state


def test_a_restart_policy_can_be_changed(cluster, client):
    container = run(client, "box", "sh", "-c", "sleep 5; exit 1")
    container.update(restart_policy={"Name": "on-failure", "MaximumRetryCount": 1})
    cluster.run("30s")
    container.reload()
    assert container.attrs["RestartCount"] == 1
    assert container.attrs["HostConfig"]["RestartPolicy"]["Name"] == "on-failure"
    assert fault(container.update, restart_policy={"Name": "foo"})[0] == 400
