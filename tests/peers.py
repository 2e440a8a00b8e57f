"""Runs the tests of other projects' Docker clients on a served, simulated engine.

`python -m tests.peers NAME` plays one suite and prints what passed of the tests that pass on a real
engine: `peers/NAME.txt` has one a line, and after two spaces why a test is not expected to pass
here. The Python suites come from the package index; those that it does not have are read from a
checkout: `python -m tests.peers dockerode --source FOLDER`. `--host URL` plays a suite on another
engine, `--record` writes the list of what passed there.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import docker

from tests import results
from tests.served import Served

LISTS = Path(__file__).parent / "peers"
# As on the real engine on which the lists were recorded: busybox under the names that tests use.
IMAGES = (
    *("busybox:latest", "alpine:latest", "alpine:3.10", "busybox:1", "busybox:1.36"),
    *("ubuntu:latest", "ubuntu:14.04", "ubuntu:18.04", "ubuntu:20.04", "nginx:latest"),
    *("redis:latest", "redis:alpine", "hello-world:latest", "python:3.13-alpine"),
    *("python:3.14-alpine", "python:3.9", "python:3.7-alpine", "debian:latest"),
)
TIMEOUT_S = 60
# aiodocker tests swarms on an engine within a container; here they have the engine itself.
ONE_ENGINE = """

@pytest.fixture
async def swarm(docker):
    assert await docker.swarm.init()
    yield docker
    try:
        await docker.swarm.leave(force=True)
    except DockerError:
        pass


@pytest.fixture(scope="module")
def dind_docker_host():
    return os.environ["DOCKER_HOST"]
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """One client's tests."""

    release: str
    tests: str  # a folder
    requirements: tuple[str, ...] = ()  # of Python suites, from the package index
    options: tuple[str, ...] = ()  # of pytest
    environment: tuple[tuple[str, str], ...] = ()
    has_tests_in_index: bool = True
    conftest: str = ""  # what is added to the suite's own


SUITES = {
    "aiodocker": Suite(
        release="aiodocker-0.26.0",
        tests="tests",
        requirements=(
            *("pytest==9.0.2", "pytest-asyncio==1.3.0", "testcontainers", "async-timeout~=5.0"),
        ),
        conftest=ONE_ENGINE,
    ),
    "docker": Suite(
        release="docker-7.0.0",
        tests="tests/integration",
        requirements=("docker==7.1.0", "pytest==8.3.5", "paramiko", "websocket-client"),
        # These need no engine, and leave no DOCKER_HOST to the tests after them.
        options=("--ignore=tests/integration/credentials",),
        environment=(("DOCKER_TEST_API_VERSION", "1.41"),),
    ),
    "python-on-whales": Suite(
        release="python-on-whales-0.81.0",
        tests="tests",
        requirements=("pytest==7.4.4", "pytest-mock", "pytz"),
        has_tests_in_index=False,
    ),
    "dockerode": Suite(release="dockerode-5.0.0", tests="test", has_tests_in_index=False),
}


def run(*command: object, cwd: Path | None = None, host: str = "", **more: str) -> None:
    """Run a program that tests, whose exit code says only whether all passed."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("DOCKER_", "PYTEST_"))}
    environment = {**kept, "DOCKER_HOST": host, **more}
    subprocess.run([str(word) for word in command], cwd=cwd, env=environment, check=False)


def unpacked(suite: Suite, source: Path | None, folder: Path) -> Path:
    """A copy of the suite, which its tests may change."""
    copy = folder / suite.release
    shutil.rmtree(copy, ignore_errors=True)
    if source:
        shutil.copytree(source, copy, symlinks=True)
    elif suite.has_tests_in_index:
        name, packed = suite.release.replace("-", "=="), folder / f"{suite.release}.tar.gz"
        if not packed.exists():
            download = [sys.executable, "-m", "pip", "download", "-qq", "--no-deps", "--no-binary"]
            command = [*download, name.split("=")[0], name, "-d", folder]
            subprocess.run(command, check=True, env=os.environ | {"PIP_CONSTRAINT": ""})
        with tarfile.open(packed) as archive:
            archive.extractall(folder, filter="data")
    else:
        raise SystemExit(f"{suite.release} has no tests in the package index: give --source FOLDER")
    with (copy / suite.tests / "conftest.py").open("a", encoding="utf-8") as conftest:
        conftest.write(suite.conftest)
    return copy


def python_outcomes(suite: Suite, copy: Path, host: str) -> dict[str, str]:
    """Play a pytest suite in an environment of its own; test -> outcome."""
    environment = copy.parent / f"venv-{suite.release}"
    python = environment / "bin" / "python"
    if not python.exists():
        venv.create(environment, with_pip=True)
        name, version = suite.release.rsplit("-", 1)
        own = [] if name == "docker" else [f"{name}=={version}"]
        install = [python, "-m", "pip", "install", "-qq", "pytest-timeout"]
        subprocess.run([*install, *own, *suite.requirements], check=True)
    shutil.rmtree(copy / "docker", ignore_errors=True)  # a later release is installed
    report = copy.parent / f"{suite.release}.xml"
    report.unlink(missing_ok=True)
    pytest_ = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "addopts="]
    run(
        *pytest_,
        "--timeout",
        TIMEOUT_S,
        f"--junitxml={report}",
        *suite.options,
        suite.tests,
        cwd=copy,
        host=host,
        **dict(suite.environment),
    )
    found = {}
    for case in ET.parse(report).iter("testcase"):
        ends = [end.tag for end in case if end.tag in ("failure", "error", "skipped")]
        found[f"{case.get('classname')}::{case.get('name')}"] = ends[0] if ends else "passed"
    return found


def mocha_outcomes(suite: Suite, copy: Path, host: str) -> dict[str, str]:
    """Play a mocha suite; test -> outcome."""
    if not (copy / "node_modules").is_dir():
        subprocess.run(["npm", "install", "--silent"], cwd=copy, check=True)
    report = copy.parent / f"{suite.release}.json"
    report.unlink(missing_ok=True)
    mocha = [
        "node_modules/.bin/mocha",
        "--reporter",
        "json",
        "--exit",
        "--timeout",
        TIMEOUT_S * 1000,
    ]
    run(*mocha, "--reporter-option", f"output={report}", suite.tests, cwd=copy, host=host)
    tests = json.loads(report.read_text("utf-8"))
    passed = {test["fullTitle"] for test in tests["passes"]}
    return {
        t["fullTitle"]: "passed" if t["fullTitle"] in passed else "failure" for t in tests["tests"]
    }


@contextmanager
def served() -> Iterator[str]:
    """The DOCKER_HOST of one engine that is in no swarm and has the images that the tests use."""
    with (
        tempfile.TemporaryDirectory(prefix="peers-") as folder,
        Served(Path(folder), "--engines", "e1") as server,
    ):
        client = docker.DockerClient(server.host("e1"), version="1.41")
        for image in IMAGES:
            try:
                client.images.pull(image)
            except docker.errors.ImageNotFound:  # busybox under that name
                client.images.get("busybox").tag(image)
        client.close()
        yield server.host("e1")


def recorded(name: str) -> dict[str, str]:
    """The tests that pass on a real engine -> why one is not expected to pass here, or nothing."""
    path = LISTS / f"{name}.txt"
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    return {test: reason for test, _, reason in (line.partition("  ") for line in lines)}


def record(name: str, passed: set[str]) -> None:
    """Write the list; a test keeps the reason that it had."""
    reasons = recorded(name)
    lines = [f"{test}  {reasons.get(test, '')}".rstrip() for test in sorted(passed)]
    LISTS.mkdir(exist_ok=True)
    (LISTS / f"{name}.txt").write_text("".join(f"{line}\n" for line in lines), "utf-8")


def report(name: str, outcomes: dict[str, str]) -> int:
    """Print and note what passed of the list; the exit code is 1 if one failed without a reason."""
    wanted = recorded(name)
    failed = {test: reason for test, reason in wanted.items() if outcomes.get(test) != "passed"}
    passed_count = len(wanted) - len(failed)
    print(f"{passed_count} of the {len(wanted)} tests that pass on a real engine pass here")
    for reason, count in sorted(Counter(failed.values()).items()):
        print(f"{count:4} {reason or 'without a reason'}")
    surprises = [test for test, reason in failed.items() if not reason]
    for test in surprises:
        print(f"not as on a real engine: {test} ({outcomes.get(test, 'not run')})")
    suites = results.read().get("peers", {}).get("suites", {})
    release = SUITES[name].release
    results.write("peers", suites={**suites, release: [passed_count, len(wanted)]})
    results.refresh()
    return 1 if surprises else 0


def play(name: str, source: Path | None, host: str, folder: Path) -> dict[str, str]:
    """Test -> outcome, on the engine at `host`, or on a served one."""
    suite = SUITES[name]
    copy = unpacked(suite, source, folder)
    outcomes = mocha_outcomes if name == "dockerode" else python_outcomes
    if host:
        return outcomes(suite, copy, host)
    with served() as here:
        return outcomes(suite, copy, here)


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.peers", description=__doc__)
    parser.add_argument("name", choices=SUITES)
    parser.add_argument("--source", type=Path, help="a checkout of the suite's release")
    parser.add_argument("--host", default="", help="another engine than a served one")
    parser.add_argument("--record", action="store_true", help="write what passes to the list")
    parser.add_argument("--folder", type=Path, help="where copies and environments are kept")
    options = parser.parse_args(words)
    folder = options.folder or Path(tempfile.gettempdir()) / "swarmlab-peers"
    folder.mkdir(parents=True, exist_ok=True)
    found = play(options.name, options.source, options.host, folder)
    print(dict(Counter(found.values())))
    if options.record:
        record(options.name, {test for test, outcome in found.items() if outcome == "passed"})
        return 0
    return report(options.name, found)


if __name__ == "__main__":
    sys.exit(main())
