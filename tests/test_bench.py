"""Speed: the scheduler's benchmark, the import of the package, one docker command."""

from __future__ import annotations

import io
import resource
import subprocess
import sys
import time

import pytest

import swarmlab
from swarmlab.cli import bench
from swarmlab.jupyter.magic import run_commands


@pytest.mark.parametrize("constrained", [False, True])
def test_the_benchmark_assigns_every_task(constrained: bool):
    assert "2,000 tasks" in bench.line(300, 2_000, 1e6, constrained=constrained)


def test_the_scheduler_reaches_a_third_of_its_target_rates():
    """Targets: heap rate / 14 and / 400 on an idle machine; this one may be busy."""
    heap_per_s = bench.heap_rate()
    many_tasks = max(bench.measure(1_000, 10_000)[0] for _ in range(3))
    many_nodes = max(bench.measure(100_000, 1_000)[0] for _ in range(2))
    assert many_tasks > heap_per_s / 14 / 3
    assert many_nodes > heap_per_s / 400 / 3


def cpu_seconds(code: str) -> float:
    """CPU time of a Python process that runs `code`: a busy machine does not lengthen it."""
    used = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", code], check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(used)


def test_the_package_is_imported_in_less_than_0_4_s_over_bare_python():
    """Heavy libraries are imported where they are used."""
    assert cpu_seconds("import swarmlab") - cpu_seconds("pass") < 0.4


def test_the_docker_magic_adds_less_than_0_3_s_to_the_libraries_it_uses():
    libraries = "import swarmlab, docker, IPython.core.completer, IPython.core.magic"
    assert cpu_seconds("import swarmlab.jupyter.completion") - cpu_seconds(libraries) < 0.3


def test_docker_service_ls_takes_less_than_30_ms():
    cluster = swarmlab.simulate(managers=1, workers=1, seed=7)
    cluster.client().services.create("nginx", name="web")
    took, out = [], io.StringIO()
    for _ in range(5):
        start = time.process_time()
        assert run_commands("docker service ls", out, out) == 0
        took.append(time.process_time() - start)
    assert min(took) < 0.03
