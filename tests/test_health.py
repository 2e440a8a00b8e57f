"""The health monitor. Source: moby daemon/health.go."""

import pytest

from swarmlab.engine.create_checks import check_config
from swarmlab.engine.dockerfile import image_config
from swarmlab.engine.volumes import Volumes
from swarmlab.model import Document, freeze
from swarmlab.programs.file_system import File
from swarmlab.simulation import Machine, Network, S, Simulation
from swarmlab.units import go_duration
from swarmlab.worker.containers import Container, Containers
from swarmlab.worker.health import merged_check
from swarmlab.worker.images import Images
from swarmlab.worker.registry import Registry


class Idle:
    def __init__(self, machine: Machine) -> None: ...


def started(test: str, **fields: int) -> Container:
    """A container that was just started, with this check."""
    simulation = Simulation(1)
    machine = Machine(Network(simulation), "n1", "10.0.0.1", Idle)
    machine.start()
    images = Images(machine, Registry())
    images.import_image("demo:1", image_config(['CMD ["sleep","3600"]']))
    containers = Containers(machine, images, Volumes(machine), check_config)
    check = {"Test": ["CMD-SHELL", test], **fields}
    config = Document(freeze({"Image": "demo:1", "Healthcheck": check}))
    container = containers.create("box", config)
    call = containers.start(container)
    simulation.run_while(lambda: call.waiting, 1 * S)
    return container


def after(container: Container, duration_ns: int) -> tuple[str, int]:
    """Status and failing streak at this time after the start."""
    assert container.started_ns is not None
    container.machine.simulation.run_until(container.started_ns + duration_ns)
    assert container.health is not None
    return container.health.status, container.health.failing_streak


def test_with_defaults_three_failures_make_unhealthy_after_ninety_seconds():
    container = started("exit 1")
    assert after(container, 30 * S - 1) == ("starting", 0)
    assert after(container, 61 * S) == ("starting", 2)
    assert after(container, 90 * S - 1) == ("starting", 2)
    assert after(container, 91 * S) == ("unhealthy", 3)


def test_one_success_makes_healthy_and_clears_the_streak():
    container = started("test -f /ok", Interval=1 * S)
    assert after(container, 2 * S + 1) == ("starting", 2)
    container.files["/ok"] = File(b"")
    assert after(container, 3 * S + 1) == ("healthy", 0)


def test_failures_within_the_start_period_do_not_count():
    """During it, probes run every start interval."""
    fields = {"Interval": 10 * S, "StartPeriod": 6 * S, "StartInterval": 2 * S, "Retries": 1}
    container = started("exit 1", **fields)
    assert after(container, 5 * S) == ("starting", 0)
    assert container.health is not None
    assert len(container.health.log) == 2
    assert after(container, 6 * S) == ("unhealthy", 1)  # this probe started after it


def test_failures_after_a_success_count_within_the_start_period():
    container = started("test -f /ok", Interval=1 * S, StartPeriod=60 * S, StartInterval=1 * S)
    container.files["/ok"] = File(b"")
    assert after(container, 1 * S) == ("healthy", 0)
    del container.files["/ok"]
    assert after(container, 3 * S) == ("healthy", 2)


def test_a_probe_that_times_out_has_exit_code_minus_one():
    container = started("sleep 9", Interval=1 * S, Timeout=1_500_000_000, Retries=1)
    assert after(container, 3 * S) == ("unhealthy", 1)
    assert container.health is not None
    result = container.health.log[-1]
    assert (result.exit_code, result.output) == (-1, "Health check exceeded timeout (1.5s)")


def test_a_check_of_a_process_that_is_stopped_waits_for_its_timeout():
    """Also where the container has no network but its own. Asked on a real engine (26.1.5)."""
    test = "wget -q -O - localhost"
    container = started(test, Interval=1 * S, Timeout=2 * S, Retries=1)
    assert container.process is not None
    container.process.ports[80] = "/"
    container.process.signal("STOP")
    assert after(container, 2 * S) == ("starting", 0)
    assert after(container, 3 * S) == ("unhealthy", 1)
    assert container.health is not None
    assert container.health.log[-1].exit_code == -1


def test_the_interval_runs_from_the_end_of_a_probe():
    container = started("sleep 2; exit 1", Interval=3 * S)
    after(container, 19 * S)
    assert container.health is not None
    started_ns = [result.started_ns - container.started_ns for result in container.health.log]
    assert started_ns == [3 * S, 8 * S, 13 * S]


def test_five_results_are_kept_and_long_output_is_truncated():
    container = started("cat /big", Interval=1 * S)
    container.files["/big"] = File(b"x" * 5000)
    after(container, 9 * S)
    assert container.health is not None
    assert [len(result.output) for result in container.health.log] == [4096] * 5


@pytest.mark.parametrize(
    ("own", "image", "merged"),
    [
        (None, None, None),
        (None, {"Test": ("CMD", "a"), "Retries": 2}, ("a", None, 2)),
        ({"Interval": 5}, {"Test": ("CMD", "a"), "Interval": 9, "Retries": 2}, ("a", 5, 2)),
        ({"Test": ("NONE",)}, {"Test": ("CMD", "a")}, None),
        ({"Interval": 5}, None, None),
    ],
)
def test_an_empty_field_of_the_check_is_the_images(own, image, merged):
    """Source: moby daemon/commit.go, merge."""
    check = merged_check(own and Document(own), image and Document(image))
    fields = check and (check["Test"][1], check["Interval"], check["Retries"])
    assert fields == merged


@pytest.mark.parametrize(
    ("duration_ns", "text"),
    [(30 * S, "30s"), (90 * S, "1m30s"), (500_000_000, "500ms"), (3600 * S, "1h0m0s")],
)
def test_durations_have_gos_format(duration_ns, text):
    assert go_duration(duration_ns) == text
