"""Image references, the simulated registry, and the images of an engine."""

import pytest

from swarmlab.engine.dockerfile import healthcheck, image_config
from swarmlab.errors import BadParameter, EngineFault, NoSuchObject, SwarmError
from swarmlab.model.image_reference import ImageReference
from swarmlab.simulation import Machine, Network, S, Simulation
from swarmlab.worker.images import Images
from swarmlab.worker.registry import Registry


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


def test_a_duration_has_gos_format():
    assert healthcheck("--interval=1m0.5s CMD true")["Interval"] == 60_500_000_000
    with pytest.raises(BadParameter, match='time: missing unit in duration "5"'):
        healthcheck("--interval=5 CMD true")
