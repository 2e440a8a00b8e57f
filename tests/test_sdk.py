"""Runs the docker SDK's own integration tests on a served, simulated engine.

They come from the source distribution of docker 7.0.0 (later ones have no tests) and run with the
installed SDK. The expected counts are what a real engine showed; see `oracle/README.md`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from tests.served import Served

RELEASE = "docker-7.0.0"
IMAGES = ["alpine:3.10", "alpine:latest", "busybox:latest"]
# As on a real engine. A file belongs here once the simulated engine has all that its tests need.
EXPECTED = {
    "api_swarm_test.py": {"passed": 17, "skipped": 1, "xfailed": 2},
    "models_nodes_test.py": {"passed": 1},
    "api_service_test.py": {"passed": 66},
    "models_services_test.py": {"passed": 17, "xpassed": 1},
    "models_swarm_test.py": {"passed": 2},
    "api_healthcheck_test.py": {"passed": 4},
    "api_secret_test.py": {"passed": 5},
    "api_config_test.py": {"passed": 6},
    "api_volume_test.py": {"passed": 9},
    "models_volumes_test.py": {"passed": 2},
    "api_network_test.py": {"passed": 29},
    "models_networks_test.py": {"passed": 4},
}


@pytest.fixture(scope="module")
def sdk_tests(request: pytest.FixtureRequest) -> Path:
    """The unpacked source distribution, without its own SDK; kept in pytest's cache."""
    folder = request.config.cache.mkdir("docker-sdk")
    unpacked = folder / RELEASE
    if not (unpacked / "tests").is_dir():
        download = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary", "docker"]
        # This release whatever the environment is held to, which may have a later one.
        free = os.environ | {"PIP_CONSTRAINT": ""}
        release = RELEASE.replace("-", "==")
        subprocess.run([*download, "--dest", folder, release], check=True, env=free)
        with tarfile.open(folder / f"{RELEASE}.tar.gz") as archive:
            archive.extractall(folder, filter="data")
    shutil.rmtree(unpacked / "docker", ignore_errors=True)  # else it would be imported
    return unpacked


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The DOCKER_HOST of one engine that is in no swarm and has the images that the tests use."""
    with Served(tmp_path_factory.mktemp("sdk"), "--engines", "e1") as served:
        client = docker.DockerClient(served.host("e1"), version="1.41")
        for image in IMAGES:
            client.images.pull(image)
        client.close()
        yield served.host("e1")


def counts(text: str) -> dict[str, int]:
    """The numbers in the last line of pytest's report, by outcome."""
    last = text.strip().splitlines()[-1]
    pairs = re.findall(r"(\d+) (passed|failed|errors?|skipped|xfailed|xpassed)", last)
    return {outcome: int(number) for number, outcome in pairs}


@pytest.mark.sdk
@pytest.mark.parametrize("name", EXPECTED)
def test_the_sdks_own_tests_have_the_same_results_as_on_a_real_engine(name, sdk_tests, engine):
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("DOCKER_", "PYTEST_"))}
    pytest_ = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    run = subprocess.run(
        [*pytest_, f"tests/integration/{name}"],
        cwd=sdk_tests,
        env={**environment, "DOCKER_HOST": engine, "DOCKER_TEST_API_VERSION": "1.41"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        timeout=900,
        check=False,
    )
    print(run.stdout)
    assert counts(run.stdout) == EXPECTED[name], run.stdout[-4000:]
