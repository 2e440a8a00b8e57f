"""What is typed every day beside the swarm commands: `docker run`, volumes, prune, stats, top."""

from __future__ import annotations

import datetime
import io

import docker
import pytest

import swarmlab
from swarmlab.cluster.simulated import SimulatedCluster
from swarmlab.engine.routes import LEFT_OUT_RULES, MAP
from swarmlab.jupyter.magic import run_commands
from tests.test_security import rotate_root, rotating


@pytest.fixture
def cluster() -> SimulatedCluster:
    cluster = swarmlab.simulate(managers=1, workers=0, seed=5)
    for image in ("alpine", "nginx"):
        cluster.client("m1").images.pull(image, tag="latest")
    return cluster


def typed(line: str) -> tuple[int, str, str]:
    """Exit code, output and errors of a line of a cell."""
    out, err = io.StringIO(), io.StringIO()
    code = run_commands(line, out, err, node="m1", progress=None)
    return code, out.getvalue(), err.getvalue()


# -- docker run ----------------------------------------------------------------------------------
def test_run_shows_the_output_and_returns_the_exit_code(cluster):
    assert typed("docker run alpine echo hello") == (0, "hello\n", "")
    assert typed("docker run --rm alpine sh -c 'echo no >&2; exit 3'") == (3, "", "no\n")
    assert len(cluster.client("m1").containers.list(all=True)) == 1  # --rm removed the other


def test_run_pulls_an_image_that_is_missing(cluster):
    code, out, err = typed("docker run redis echo PONG")
    assert (code, out) == (0, "PONG\n")
    assert err.startswith("Unable to find image 'redis:latest' locally\nlatest: Pulling from")
    code, _, err = typed("docker run nosuch")
    assert code == 125
    assert "docker: Error response from daemon: pull access denied for nosuch" in err


def test_in_a_cell_run_detaches_after_some_simulated_seconds(cluster):
    """A server never exits: a cell would never end."""
    before_ns = cluster.now_ns
    code, out, err = typed("docker run --name web nginx")
    assert code == 0
    assert "start worker processes" in out
    assert err == "hint: the container goes on: `docker logs -f web` shows more of it\n"
    assert 10 < (cluster.now_ns - before_ns) / 1e9 < 15
    assert cluster.client("m1").containers.get("web").status == "running"


def test_a_stop_button_detaches_too(cluster, monkeypatch):
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("swarmlab.docker_cli.container_run.print_logs", interrupted)
    code, _, err = typed("docker run --name web nginx")
    assert (code, "the container goes on" in err) == (0, True)
    assert cluster.client("m1").containers.get("web").status == "running"


def test_a_terminal_for_run_is_refused_clearly(cluster):
    code, _, err = typed("docker run -it alpine sh")
    assert (code, err.startswith("-it needs a terminal of its own")) == (1, True)
    assert typed("docker run --gpus all alpine")[2].startswith("--gpus is not part of this kit")
    assert cluster.client("m1").containers.list(all=True) == []


def test_the_flags_of_run_reach_the_container(cluster):
    line = (
        "docker run -d --name box -p 127.0.0.1:8080:80 -p 53/udp -v data:/d -v /anon -e A=1 -e B"
        " --restart on-failure:2 --memory 100m --cpus 0.5 --label x=y --health-cmd true --tmpfs /t"
        " --entrypoint sh -w /tmp -h host alpine -c 'sleep 99'"
    )
    assert typed(line)[0] == 0
    attrs = cluster.client("m1").containers.get("box").attrs
    host, config = attrs["HostConfig"], attrs["Config"]
    assert attrs["NetworkSettings"]["Ports"]["80/tcp"] == [
        {"HostIp": "127.0.0.1", "HostPort": "8080"}
    ]
    assert "53/udp" in attrs["NetworkSettings"]["Ports"]
    assert {m["Destination"] for m in attrs["Mounts"]} == {"/d", "/anon"}
    assert {"A=1", "B"} <= set(config["Env"])
    assert host["RestartPolicy"] == {"Name": "on-failure", "MaximumRetryCount": 2}
    assert (host["Memory"], host["NanoCpus"]) == (100 << 20, 500_000_000)
    assert (config["Labels"], config["Hostname"]) == ({"x": "y"}, "host")
    assert config["Healthcheck"]["Test"] == ["CMD-SHELL", "true"]
    assert (config["Entrypoint"], config["Cmd"]) == (["sh"], ["-c", "sleep 99"])
    code, _, err = typed("docker run --restart on-failure:x alpine")
    assert (code, "maximum retry count must be an integer" in err) == (125, True)
    assert typed("docker run -p foo:80 alpine")[0] == 125


def test_an_executable_that_is_missing_has_code_127(cluster):
    code, _, err = typed("docker run alpine nosuch")
    assert (code, 'exec: "nosuch": executable file not found' in err) == (127, True)


# -- the other commands ----------------------------------------------------------------------------
def test_volumes_at_the_command_line(cluster):
    assert typed("docker volume create --label a=b data") == (0, "data\n", "")
    assert typed("docker volume ls")[1] == "DRIVER    VOLUME NAME\nlocal     data\n"
    assert typed("docker volume ls -q --filter label=a=c")[1] == ""
    assert typed("docker volume inspect data --format '{{.Labels.a}}'")[1] == "b\n"
    assert typed("docker volume rm data nosuch") == (
        1, "data\n", "Error response from daemon: get nosuch: no such volume\n",
    )  # fmt: skip


WEB = "mkdir /www; echo hello > /www/index.html; exec httpd -f -h /www"


def test_a_server_that_got_the_signal_stop_is_up_and_answers_nothing(cluster):
    """As a real engine (26.1.5) does; process 1 is immune to such a signal from inside."""
    typed(f"docker run -d --name web busybox sh -c '{WEB}'")
    ask = "docker exec web wget -q -T 2 -O - localhost"
    assert typed("docker exec web kill -STOP 1")[0] == 0
    assert typed(ask)[:2] == (0, "hello\n")
    assert typed("docker kill --signal STOP web") == (0, "web\n", "")
    assert "Up" in typed("docker ps")[1]
    assert "timed out" in typed(ask)[2]
    typed("docker kill --signal TERM web")
    cluster.run("5s")
    assert "Up" in typed("docker ps")[1]  # the signal waits
    typed("docker kill --signal CONT web")
    assert typed(ask)[:2] == (0, "hello\n")
    typed("docker kill --signal STOP web")
    typed("docker kill web")
    cluster.run("1s")
    assert "Exited (137)" in typed("docker ps -a")[1]


def test_a_paused_server_answers_nothing(cluster):
    typed("docker network create net")
    typed(f"docker run -d --name web --network net busybox sh -c '{WEB}'")
    typed("docker run -d --name client --network net busybox sleep 1000")
    ask = "docker exec client wget -q -O - web"
    assert typed(ask)[1] == "hello\n"
    typed("docker pause web")
    assert "timed out" in typed(ask)[2]
    assert typed("docker exec client ping -c 1 web")[0] == 0  # the kernel answers


def test_a_signal_that_came_while_a_process_was_stopped_is_delivered_later(cluster):
    typed("docker run -d --name one busybox sh -c 'trap exit TERM; while true; do sleep 1; done'")
    typed("docker kill --signal STOP one")
    typed("docker kill --signal TERM one")
    cluster.run("5s")
    assert "Up" in typed("docker ps")[1]
    typed("docker kill --signal CONT one")
    cluster.run("2s")
    assert "Exited" in typed("docker ps -a")[1]


def test_pause_rename_update_and_top(cluster):
    typed("docker run -d --name one alpine sleep 1000")
    assert typed("docker pause one") == (0, "one\n", "")
    assert "(Paused)" in typed("docker ps")[1]
    assert typed("docker unpause one") == (0, "one\n", "")
    assert typed("docker rename one two") == (0, "", "")
    assert typed("docker update --restart always --memory 64m two") == (0, "two\n", "")
    shown = "'{{.HostConfig.RestartPolicy.Name}} {{.HostConfig.Memory}}'"
    assert typed(f"docker container inspect two --format {shown}")[1] == f"always {64 << 20}\n"
    titles, row = typed("docker top two")[1].splitlines()
    assert titles.split() == ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]
    assert row.endswith("sleep 1000")
    assert typed("docker top two aux")[1].startswith("USER")
    code, out, _ = typed("docker stats")
    assert (code, out.splitlines()[1].split()[1]) == (0, "two")
    assert typed("docker restart -t 0 two") == (0, "two\n", "")
    assert typed("docker stop -t 0 two") == (0, "two\n", "")
    assert typed("docker wait two") == (0, "137\n", "")
    assert typed("docker start two") == (0, "two\n", "")


def test_images_at_the_command_line(cluster, tmp_path):
    assert typed("docker tag nginx my/web:2") == (0, "", "")
    assert "Untagged: my/web:2\n" in typed("docker rmi my/web:2")[1]
    assert typed("docker image inspect nginx --format '{{len .RepoTags}}'")[1] == "1\n"
    assert typed("docker history nginx")[1].startswith("IMAGE          CREATED")
    (tmp_path / "root.tar").write_bytes(b"\0" * 1024)
    code, out, _ = typed(f'docker import -c \'CMD ["sleep","9"]\' {tmp_path}/root.tar demo:1')
    assert (code, out.startswith("sha256:")) == (0, True)
    assert typed("docker image inspect demo:1 --format '{{.Config.Cmd}}'")[1] == "[sleep 9]\n"
    assert typed("docker tag nginx UPPER")[0] == 1


def test_prune_asks_first_and_df_counts(cluster):
    typed("docker run alpine true")
    typed("docker volume create data")
    rows = [line.split() for line in typed("docker system df")[1].splitlines()]
    assert [row[:2] for row in rows[1:3]] == [["Images", "2"], ["Containers", "1"]]
    out = typed("docker container prune")[1]
    assert out.startswith("WARNING! This will remove all stopped containers.\nAre you sure")
    assert len(cluster.client("m1").containers.list(all=True)) == 1
    out = typed("docker container prune -f")[1]
    assert out.startswith("Deleted Containers:\n")
    assert out.endswith("\n\nTotal reclaimed space: " + out.rpartition(": ")[2])
    assert typed("docker volume prune -f")[1] == "Total reclaimed space: 0B\n"
    assert typed("docker volume prune -af")[1].startswith("Deleted Volumes:\ndata\n")
    out = typed("docker image prune -af")[1]
    assert "untagged: nginx:latest\n" in out
    assert out.endswith("MB\n")


def test_a_command_that_is_left_out_says_so(cluster):
    for line in ("docker cp a b", "docker container cp a b", "docker volume update x"):
        code, _, err = typed(line)
        assert (code, "is not part of this kit" in err) == (1, True)


# -- routes --------------------------------------------------------------------------------------
def test_a_route_that_is_left_out_says_so(cluster):
    """404 would say that the object is missing; where it is missing, 404 is the answer."""
    client = cluster.client("m1")
    client.containers.create("alpine", name="here")
    for rule in LEFT_OUT_RULES:
        path = rule.rule.replace("<path:ref>", "alpine").replace("<ref>", "here")
        # The names of our own parameters are words that users send, too.
        query = {"container": "here", **dict.fromkeys(("path", "engine", "command", "sent"), "x")}
        url = client.api.base_url + path
        for method in rule.methods - {"HEAD"}:
            response = client.api.request(method, url, params=query)
            assert response.status_code == 501
            assert response.json()["message"].startswith("this simulation leaves out docker ") or (
                "web socket" in response.json()["message"]
            )
            if path.startswith(("/containers", "/commit")) or path == "/images/alpine/get":
                query["container"] = "gone"
                missing = url.replace("here", "gone").replace("alpine", "gone")
                response = client.api.request(method, missing, params=query)
                assert response.status_code == 404
                assert response.json()["message"].startswith("No such ")
    assert len(list(MAP.iter_rules())) > len(LEFT_OUT_RULES) + 60


def test_a_diff_is_what_differs_from_the_image(cluster):
    commands = "mkdir -p /new/a; echo x >/tmp/b; rm /etc/group; rmdir /home; echo x >>/etc/passwd"
    client = cluster.client("m1")
    container = client.containers.create("alpine", ["sh", "-c", commands], volumes=["/vol"])
    container.start()
    container.wait()
    changed = {row["Path"]: "CAD"[row["Kind"]] for row in container.diff()}
    assert changed == {
        **{"/etc": "C", "/etc/group": "D", "/etc/passwd": "C", "/home": "D"},
        **{"/new": "A", "/new/a": "A", "/tmp": "C", "/tmp/b": "A", "/vol": "A"},
    }
    assert client.containers.create("alpine", ["true"]).diff() is None


def test_an_update_is_checked_as_the_creation_of_a_container_is(cluster):
    client = cluster.client("m1")
    box = client.containers.create("alpine")
    url = f"{client.api.base_url}/containers/{box.id}/update"
    for wrong in ({"NanoCpus": 10**15}, {"NanoCpus": -5}, {"Memory": 5}):
        assert client.api.post(url, json=wrong).status_code == 400
        assert client.api.post(url, json={}).status_code == 200
    box.reload()
    assert (box.attrs["HostConfig"]["NanoCpus"], box.attrs["HostConfig"]["Memory"]) == (0, 0)


def test_a_request_for_the_head_alone_is_answered_without_a_body(cluster):
    api = cluster.client("m1").api
    for path, status in (("/_ping", 200), ("/info", 200), ("/nosuch", 404)):
        response = api.head(api.base_url + path)
        assert (response.status_code, response.content) == (status, b"")
        assert int(response.headers["Content-Length"]) > 0


def test_there_are_no_plugins(cluster):
    client = cluster.client("m1")
    assert client.plugins.list() == []
    with pytest.raises(docker.errors.NotFound, match='plugin "foo:latest" not found'):
        client.plugins.get("foo:latest")
    with pytest.raises(docker.errors.APIError, match="leaves out docker plugin install"):
        client.plugins.install("foo")


def test_events_until_a_time_are_those_that_happened(cluster):
    client = cluster.client("m1")
    client.containers.create("alpine", name="web")
    now = datetime.datetime.fromisoformat(client.info()["SystemTime"])
    until = int(now.timestamp()) + 1
    events = client.events(until=until, filters={"container": "web"}, decode=True)
    assert [event["Action"] for event in events] == ["create"]


@pytest.mark.parametrize("kind", ["containers", "networks", "images"])
def test_prune_has_one_filter_for_the_time(cluster, kind):
    client = cluster.client("m1")
    with pytest.raises(docker.errors.APIError, match="more than one until filter specified"):
        getattr(client, kind).prune({"until": ["1h", "2h"]})
    with pytest.raises(docker.errors.APIError, match="as time or duration"):
        getattr(client, kind).prune({"until": "x"})


def test_each_prune_and_top_are_events(cluster):
    client = cluster.client()
    client.images.pull("busybox")
    client.containers.create("busybox", "true", name="gone")
    client.containers.run("busybox", "sleep 100", name="box", detach=True).top()
    client.containers.prune()
    client.networks.prune()
    client.volumes.prune()
    client.images.prune({"dangling": False})
    client.api._post(client.api._url("/build/prune"))
    found = [e for e in cluster.engine("m1").events if e["Action"] in ("prune", "top")]
    freed = [e["Actor"]["Attributes"].get("reclaimed", "-") for e in found]
    assert [e["Type"] for e in found] == [
        "container", "container", "network", "volume", "image", "builder",
    ]  # fmt: skip
    assert freed[:4] == ["-", freed[1], "0", "0"]
    assert freed[1].isdecimal()
    assert [e["Actor"]["ID"] == "" for e in found] == [False, *[True] * 5]


def test_networks_are_pruned_by_their_age(cluster):
    client = cluster.client("m1")
    client.networks.create("old")
    cluster.run("2h")
    client.networks.create("new")
    assert client.networks.prune({"until": "1h"}) == {"NetworksDeleted": ["old"]}
    assert client.networks.prune() == {"NetworksDeleted": ["new"]}


def test_attach_streams_the_output_until_the_container_exits(cluster):
    client = cluster.client("m1")
    container = client.containers.create("alpine", ["sh", "-c", "echo one; sleep 5; echo two"])
    container.start()
    cluster.run("1s")
    output = container.attach(stream=True, logs=True)
    assert b"".join(output) == b"one\ntwo\n"
    assert container.attach(stream=False, logs=False) == b""
    container.reload()
    assert container.attrs["State"]["ExitCode"] == 0


def test_the_tail_of_a_log_counts_lines(cluster):
    client = cluster.client("m1")
    container = client.containers.run("nginx", detach=True)
    cluster.run("1s")
    assert len(container.logs().splitlines()) > 1
    assert len(container.logs(tail=1).splitlines()) == 1
    path = client.api._url("/containers/{0}/logs", container.id)
    assert client.api._get(path, params={"stdout": 1, "tail": "x"}).status_code == 200


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({"HostConfig": {"LogConfig": {"Type": "nosuch"}}}, 400,
         'error looking up logging plugin nosuch: plugin "nosuch" not found'),
        ({"HostConfig": {"Runtime": "nosuch"}}, 400, "unknown or invalid runtime name: nosuch"),
        ({"HostConfig": {"RestartPolicy": {"Name": "always"}, "AutoRemove": True}}, 400,
         "can't create 'AutoRemove' container with restart policy"),
        ({"HostConfig": {"RestartPolicy": {"Name": "no", "MaximumRetryCount": 2}}}, 400,
         "invalid restart policy: maximum retry count can only be used with 'on-failure'"),
        ({"HostConfig": {"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": -1}}}, 400,
         "invalid restart policy: maximum retry count cannot be negative"),
        ({"MacAddress": "foo"}, 400,
         "invalid config for network bridge: invalid MAC address foo"),
        ({"HostConfig": {"Links": ["a:b"]}}, 501,
         "this simulation leaves out links: use a network of your own"),
    ],
)  # fmt: skip
def test_a_request_that_cannot_be_met_is_refused(cluster, body, status, message):
    api = cluster.client("m1").api
    response = api._post_json(api._url("/containers/create"), data={"Image": "alpine", **body})
    assert (response.status_code, response.json()["message"]) == (status, message)


UNKNOWN = '"foo": unknown operating system or architecture: invalid argument'
OTHER = "image with reference alpine was found but does not match the specified platform: wanted"
COMPONENT = 'platform specifier component must match "^[A-Za-z0-9_-]+$": invalid argument'


@pytest.mark.parametrize(
    ("platform", "status", "message"),
    [
        ("x86_64", 201, None),
        ("LINUX", 201, None),
        ("linux/amd64/v2", 201, None),
        ("windows", 404, f"{OTHER} windows/amd64, actual: linux/amd64"),
        ("linux/arm64/v8", 404, f"{OTHER} linux/arm64, actual: linux/amd64"),
        ("linux/arm/v7", 404, f"{OTHER} linux/arm/v7, actual: linux/amd64"),
        ("foo", 400, UNKNOWN),
        ("a/b/c/d", 400, '"a/b/c/d": cannot parse platform specifier: invalid argument'),
        ("lin ux", 400, f'"lin ux" is an invalid component of "lin ux": {COMPONENT}'),
    ],
)
def test_a_platform_is_one_that_a_machine_has(cluster, platform, status, message):
    api = cluster.client("m1").api
    url = api._url("/containers/create")
    response = api._post_json(url, data={"Image": "alpine"}, params={"platform": platform})
    assert (response.status_code, response.json().get("message")) == (status, message)


def test_an_image_is_pulled_for_a_platform_that_it_has(cluster):
    images = cluster.client("m1").images
    with pytest.raises(docker.errors.APIError, match="unknown operating system or architecture"):
        images.pull("busybox:musl", platform="foo")
    *_, end = images.client.api.pull("busybox:musl", platform="s390x", stream=True, decode=True)
    assert end["error"] == "no matching manifest for linux/s390x in the manifest list entries"
    assert images.pull("busybox:musl", platform="linux/amd64/v2").tags == ["busybox:musl"]


def test_what_was_not_sent_has_dockers_defaults(cluster):
    container = cluster.client("m1").containers.create("alpine", ["true"])
    host, config = container.attrs["HostConfig"], container.attrs["Config"]
    assert host["RestartPolicy"] == {"Name": "no", "MaximumRetryCount": 0}
    assert host["LogConfig"] == {"Type": "json-file", "Config": {}}
    assert (host["NetworkMode"], host["Runtime"], host["ShmSize"]) == ("bridge", "runc", 64 << 20)
    assert (host["Binds"], host["Memory"], host["Privileged"]) == (None, 0, False)
    assert not any(line.startswith("HOSTNAME=") for line in config["Env"])
    assert (config["OpenStdin"], config["Domainname"]) == (False, "")


def test_all_ports_that_an_image_exposes_can_be_published(cluster):
    container = cluster.client("m1").containers.run("nginx", detach=True, publish_all_ports=True)
    cluster.run("2s")
    container.reload()
    ports = [{"HostIp": ip, "HostPort": "32768"} for ip in ("0.0.0.0", "::")]
    assert container.ports == {"80/tcp": ports}


# -- a swarm -------------------------------------------------------------------------------------
def test_a_swarm_may_advertise_an_address_that_is_not_the_engines_own(cluster):
    """Recorded: 200 at once. The node reaches its own manager within the machine."""
    client = cluster.client("m1")
    client.swarm.leave(force=True)
    before_ns = cluster.now_ns
    client.swarm.init(advertise_addr="192.0.2.7")
    assert cluster.now_ns - before_ns < 5e9
    assert client.info()["Swarm"]["NodeAddr"] == "192.0.2.7"
    client.services.create("alpine", ["sleep", "99"], name="web")
    cluster.run("10s")
    assert [task["Status"]["State"] for task in client.services.list()[0].tasks()] == ["running"]
    rotate_root(client)
    cluster.until(lambda: not rotating(client), "10s")
    cluster.run("1s")
    (node,) = client.nodes.list()
    assert node.attrs["Description"]["TLSInfo"] == client.swarm.attrs["TLSInfo"]


def test_a_live_worker_that_is_removed_loses_its_containers():
    """Recorded: two containers that ignore SIGTERM are gone 12 s after `node rm --force`."""
    cluster = swarmlab.simulate(managers=1, workers=1, seed=5)
    client, worker = cluster.client("m1"), cluster.client("w1")
    mode = docker.types.ServiceMode("replicated", 4)
    client.services.create("alpine", ["sleep", "3600"], name="web", mode=mode)
    cluster.run("15s")
    assert len(worker.containers.list()) == 2
    (node,) = (n for n in client.nodes.list() if n.attrs["Description"]["Hostname"] == "w1")
    client.api.remove_node(node.id, force=True)
    cluster.run("33s")
    assert worker.containers.list(all=True) == []
    assert len(client.containers.list()) == 4  # they run on the manager instead
