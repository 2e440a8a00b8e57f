"""Image references, the simulated registry, and the images of an engine."""

import io
import json
from pathlib import Path

import pytest

import swarmlab
from swarmlab.engine.dockerfile import healthcheck, image_config
from swarmlab.errors import BadParameter, EngineFault, NoSuchObject, SwarmError
from swarmlab.jupyter.magic import run_commands
from swarmlab.model.image_reference import ImageReference
from swarmlab.simulation import MS, Machine, Network, S, Simulation
from swarmlab.units import unix_seconds
from swarmlab.worker import registry
from swarmlab.worker.images import Images
from swarmlab.worker.registry import Registry, well_known


class Idle:
    def __init__(self, machine: Machine) -> None: ...


@pytest.fixture
def images() -> Images:
    machine = Machine(Network(Simulation()), "n1", "10.0.0.1", Idle)
    machine.start()
    return Images(machine, Registry())


def pull(images: Images, name: str) -> tuple[object, int]:
    """The image or the error of a pull, and the nanoseconds it took."""
    simulation = images.machine.simulation
    started_ns = simulation.now_ns
    call = images.pull(name)
    simulation.run_while(lambda: call.waiting, 100 * S)
    return (call.error or call.value), simulation.now_ns - started_ns


@pytest.mark.parametrize(
    ("text", "familiar", "full"),
    [
        ("nginx", "nginx:latest", "docker.io/library/nginx"),
        ("docker.io/library/nginx:1.27", "nginx:1.27", "docker.io/library/nginx"),
        ("index.docker.io/a/b", "a/b:latest", "docker.io/a/b"),
        ("localhost:5000/shop:2", "localhost:5000/shop:2", "localhost:5000/shop"),
        ("ghcr.io/o/app", "ghcr.io/o/app:latest", "ghcr.io/o/app"),
        ("a@sha256:" + "0" * 64, "a@sha256:" + "0" * 64, "docker.io/library/a"),
    ],
)
def test_a_reference_is_normalised_as_docker_does(text, familiar, full):
    """Source: distribution/reference normalize_test.go."""
    reference = ImageReference.parse(text)
    assert (reference.familiar, f"{reference.domain}/{reference.path}") == (familiar, full)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "invalid reference format"),
        ("a b", "invalid reference format"),
        ("nginx:", "invalid reference format"),
        ("-x", "invalid reference format"),
        ("Shop", "invalid reference format: repository name (library/Shop) must be lowercase"),
        ("0" * 64, f"invalid repository name ({'0' * 64}), "
         "cannot specify 64-byte hexadecimal strings"),
    ],
)  # fmt: skip
def test_an_invalid_reference_has_dockers_message(text, message):
    with pytest.raises(BadParameter) as raised:
        ImageReference.parse(text)
    assert str(raised.value) == message


def test_a_pull_takes_time_for_its_bytes_and_the_second_pull_hardly_any(images):
    image, first_ns = pull(images, "nginx")
    _, again_ns = pull(images, "nginx")
    assert first_ns > 2 * S > 1 * S > again_ns
    assert images.references(image) == ("nginx:latest", f"nginx@{image.digest}")
    assert images.get(image.id[7:19]) == images.get("nginx") == image


@pytest.mark.parametrize(
    ("name", "error_class", "message"),
    [
        ("nosuch", NoSuchObject, "pull access denied for nosuch, repository does not exist or may "
         "require 'docker login': denied: requested access to the resource is denied"),
        ("nginx:nosuch", NoSuchObject,
         "manifest for nginx:nosuch not found: manifest unknown: manifest unknown"),
        ("x.example/a", EngineFault,
         'Get "https://x.example/v2/": dial tcp: lookup x.example: no such host'),
    ],
)  # fmt: skip
def test_a_missing_image_cannot_be_pulled(images, name, error_class, message):
    error, _ = pull(images, name)
    assert isinstance(error, error_class)
    assert str(error) == message
    with pytest.raises(NoSuchObject, match="No such image: "):
        images.get(name)


def test_a_user_can_register_an_image(images):
    images.registry.register("shop:1", logs=["open"])
    image, _ = pull(images, "shop:1")
    assert (image.server, image.server_logs) == ("shop", ("open",))


def test_a_second_build_gets_the_tag_and_the_first_keeps_its_digest():
    """A service that was created before goes on with the digest: moby cli, service create."""
    registry = Registry()
    first = registry.register("shop:1", logs=["first"])
    second = registry.register("shop:1", logs=["second"])
    assert len({first.digest, second.digest}) == len({first.id, second.id}) == 2
    find = [ImageReference.parse(text) for text in ("shop:1", f"shop:1@{first.digest}")]
    assert [registry.find(reference) for reference in find] == [second, first]
    assert registry.register("shop:1", logs=["first"]) == first


def typed(command: str) -> str:
    out = io.StringIO()
    run_commands(command, out, out, progress=lambda *_: None)
    return out.getvalue()


def test_a_new_build_runs_only_where_a_command_names_the_image():
    cluster = swarmlab.simulate(1, 1, seed=2)
    cluster.registry.register("shop:1", logs=["first"])
    typed("service create --quiet --name shop shop:1")
    cluster.registry.register("shop:1", logs=["second"])
    logs = []
    for change in ("scale shop=2", "update --force shop", "update --image shop:1 shop"):
        typed(f"service {change}")
        logs.append(typed("service logs --raw shop").split())
    assert logs == [["first"] * 2, ["first"] * 4, ["first"] * 4 + ["second"] * 2]


def test_equal_names_are_equal_images_in_every_registry(images):
    redis_7 = ImageReference.parse("redis:7")
    assert Registry().find(redis_7) == images.registry.find(redis_7)
    assert Registry().find(ImageReference.parse("redis:6")).id != Registry().find(redis_7).id


def test_images_survive_a_crash(images):
    image, _ = pull(images, "alpine:3.20")
    images.import_image("demo:1", image_config(['CMD ["sleep","3600"]']))
    images.machine.crash()
    again = Images(images.machine, images.registry)
    assert again.tags == images.tags
    assert again.get("alpine:3.20") == image


def test_an_import_applies_dockerfile_instructions(images):
    """Source: moby daemon/builder/dockerfile/dispatchers.go; docs, `docker image import`."""
    image = images.import_image(
        "demo",
        image_config(["CMD sleep 9", 'ENTRYPOINT ["/e"]', "ENV A=1 B='x y'", "LABEL v=2",
         "USER 1000", "WORKDIR /app", "EXPOSE 80 53/udp", "STOPSIGNAL SIGINT",
         "HEALTHCHECK --interval=1m30s --retries=2 CMD curl -f localhost"]),
    )  # fmt: skip
    assert image.config == {
        "Cmd": ("/bin/sh", "-c", "sleep 9"), "Entrypoint": ("/e",), "Env": ("A=1", "B=x y"),
        "Labels": {"v": "2"}, "User": "1000", "WorkingDir": "/app", "StopSignal": "SIGINT",
        "ExposedPorts": {"80/tcp": {}, "53/udp": {}},
        "Healthcheck": {"Interval": 90 * S, "Retries": 2,
                        "Test": ("CMD-SHELL", "curl -f localhost")},
    }  # fmt: skip
    with pytest.raises(BadParameter, match="RUN is not a valid change command"):
        images.import_image("x", image_config(["RUN ls"]))


def test_removing_one_of_two_tags_keeps_the_image(images):
    image = images.import_image("demo:1", image_config(["CMD sh"]))
    images.tag("demo:1", "demo:2")
    assert images.remove("demo:1") == [{"Untagged": "demo:1"}]
    assert images.remove("demo:2") == [{"Untagged": "demo:2"}, {"Deleted": image.id}]
    with pytest.raises(SwarmError):
        images.get("demo:2")


def test_an_image_that_a_container_uses_is_kept():
    """In the words of a real engine (20.10)."""
    cluster = swarmlab.engines(["host"])
    api = cluster.client().api

    def docker(*lines: str) -> str:
        out = io.StringIO()
        for line in lines:
            run_commands(line, out, out)
        return out.getvalue()

    docker("docker run --detach --name box nginx sleep 1d")
    box, image = (api.inspect_container("box")[key] for key in ("Id", "Image"))
    box, short = box[:12], image[7:19]
    by_name = (
        'conflict: unable to remove repository reference "nginx" (must force) - '
        f"container {box} is using its referenced image {short}"
    )
    by_id = f"conflict: unable to delete {short} ({{}} be forced) - image is {{}}"
    running = by_id.format("cannot", f"being used by running container {box}")
    stopped = by_id.format("must", f"being used by stopped container {box}")
    assert by_name in docker("docker rmi nginx")
    assert running in docker(f"docker rmi {short}")
    assert running in docker(f"docker rmi --force {short}")
    docker("docker tag nginx web:1")
    assert docker("docker rmi web:1") == "Untagged: web:1\n"
    assert "Deleted" not in docker("docker rmi --force nginx")
    assert "<none>" in docker("docker images")
    docker(f"docker tag {short} nginx", "docker kill box")
    assert by_name in docker("docker rmi nginx")
    assert stopped in docker(f"docker rmi {short}")
    docker("docker tag nginx web:1")
    several = by_id.format("must", "referenced in multiple repositories")
    assert several in docker(f"docker rmi {short}")
    docker("docker rmi web:1")
    assert f"Deleted: {image}" in docker("docker rmi --force nginx")


def test_a_duration_has_gos_format():
    assert healthcheck("--interval=1m0.5s CMD true")["Interval"] == 60_500_000_000
    with pytest.raises(BadParameter, match='time: missing unit in duration "5"'):
        healthcheck("--interval=5 CMD true")


# -- the well-known images ------------------------------------------------------------------------
@pytest.mark.parametrize("name", sorted(well_known()))
def test_a_well_known_image_starts_with_its_own_command(name):
    """A server is found among its words; options alone are given to it by its entry point."""
    image = well_known()[name]
    words = [*image.config.get("Entrypoint", ()), *image.config["Cmd"]]
    assert words
    assert image.size_bytes > 500_000
    assert set(image.platforms) <= {"linux/amd64", "linux/arm64"}
    if image.server_logs is not None:
        assert image.server in [word.rsplit("/", 1)[-1] for word in words]


def test_each_size_has_its_source():
    path = Path(registry.__file__).parent / "well_known_images.json"
    rows = json.loads(path.read_text("utf-8"))
    assert len(rows) > 60
    assert [name for name, row in rows.items() if not row["size_source"]] == []


def test_any_image_can_be_pulled_when_that_is_asked_for():
    plain, any_image = Registry(), Registry(any_image=True)
    own, tag = ImageReference.parse("ghcr.io/me/shop:3"), ImageReference.parse("nginx:9.9")
    for reference in (own, tag):
        with pytest.raises(SwarmError):
            plain.find(reference)
        assert any_image.find(reference) == any_image.find(reference)
    assert any_image.find(own).server == "shop"
    pinned = f"ghcr.io/me/shop:3@{any_image.find(own).digest}"  # as `docker service create` asks
    assert any_image.find(ImageReference.parse(pinned)) == any_image.find(own)
    assert any_image.find(tag).config["ExposedPorts"] == {"80/tcp": {}}
    assert any_image.find(tag).id != any_image.find(ImageReference.parse("nginx:9.8")).id
    for name in ("shop", "shop:3"):
        with pytest.raises(SwarmError):
            any_image.find(ImageReference.parse(f"{name}@sha256:" + "0" * 64))


@pytest.mark.parametrize("any_image", [False, True])
def test_a_cluster_whose_images_are_all_there_runs_any_command_line(any_image, tmp_path):
    cluster = swarmlab.simulate(1, 0, seed=2, any_image=any_image)
    client = cluster.client("m1")
    service = client.services.create("me/shop:2", ["shopd", "--port", "80"], name="shop")
    cluster.run("20s")
    states = {task["Status"]["State"] for task in service.tasks()}
    assert states == ({"running"} if any_image else {"rejected"} | states - {"running"})
    copy = swarmlab.load(cluster.save(tmp_path / "run.json"))
    copied = {task["Status"]["State"] for task in copy.client("m1").services.get("shop").tasks()}
    assert ("running" in copied) == any_image


@pytest.mark.parametrize(
    ("image", "command", "line", "code"),
    [
        ("nginx", None, "curl -fs localhost", 0),
        ("nginx", None, "curl -fs localhost/no", 22),
        ("nginx", None, "curl -fs localhost:81", 7),
        ("nginx", ["sleep", "99"], "curl -fs localhost", 7),
        ("redis", None, "redis-cli -h localhost ping", 0),
        ("redis", None, "curl localhost:6379", 52),
        ("traefik:v3.1", ["--ping=true"], "wget --quiet --spider localhost/ping", 0),
        ("prom/prometheus", ["--config.file=/x"], "wget -qO- localhost:9090/-/healthy", 0),
        ("prom/prometheus", None, "wget -qO- localhost:9090/-/nope", 1),
        ("traefik/whoami", None, "wget -qO- localhost/any/path", 0),
    ],
)
def test_a_network_check_fails_as_the_server_s_state_says(image, command, line, code):
    cluster = swarmlab.simulate(1, 0, seed=2)
    cluster.client("m1").services.create(image, args=command, name="web")
    cluster.run("40s")
    (container,) = cluster.client("m1").containers.list()
    assert container.exec_run(line).exit_code == code


def test_an_unhealthy_server_is_replaced():
    """The check of a wrong port fails, so no task of this service becomes running."""
    cluster = swarmlab.simulate(1, 0, seed=2)
    check = {"test": ["CMD-SHELL", "curl -f localhost:8080"], "interval": 10**9, "retries": 2}
    service = cluster.client("m1").services.create("nginx", name="web", healthcheck=check)
    cluster.run("1m")
    states = [task["Status"]["State"] for task in service.tasks()]
    assert len(states) > 1
    assert "running" not in states


def test_an_engine_reports_what_becomes_of_its_images():
    """In the order, and with the names, that a real engine reported (20.10, `docker events`)."""
    client = swarmlab.engines(["host"]).client()
    client.images.pull("redis", tag="7")
    client.images.get("redis:7").tag("cache", "1")
    client.api.import_image_from_data(b"", repository="own", tag="2")
    own = client.images.get("own:2").id
    client.images.remove("cache:1")
    client.images.remove("own:2")
    now_s = unix_seconds(client.info()["SystemTime"])
    rows = list(client.events(since=1, until=now_s, decode=True, filters={"type": "image"}))
    redis = client.images.get("redis:7").id
    assert [(e["Action"], e["Actor"]["ID"], e["Actor"]["Attributes"]["name"]) for e in rows] == [
        ("pull", "redis:7", "redis"),
        ("tag", redis, "cache:1"),
        ("tag", own, "own:2"),
        ("import", own, own),
        ("untag", redis, redis),
        ("untag", own, own),
        ("delete", own, own),
    ]
    assert [(e["status"], e["id"]) for e in rows] == [(e["Action"], e["Actor"]["ID"]) for e in rows]
    assert all("from" not in event for event in rows)


def test_a_pull_waits_only_for_the_layers_that_are_missing(images: Images):
    """nginx and redis stand on the same Debian; the Alpine variants on the same Alpine."""
    redis, whole_ns = pull(images, "redis")
    nginx, rest_ns = pull(images, "nginx")
    shared = {digest for digest, _size in nginx.layers} & {digest for digest, _ in redis.layers}
    assert [size for digest, size in nginx.layers if digest in shared] == [75_000_000]
    assert (redis.size_bytes, nginx.size_bytes) == (117_000_000, 192_000_000)
    # 0.3 s, and 100 MB a second.
    assert (whole_ns, rest_ns) == (1_470 * MS, 1_470 * MS)
    variants = [pull(images, name)[0] for name in ("nginx:alpine", "redis:alpine")]
    assert len({variant.layers[0] for variant in variants}) == 1
