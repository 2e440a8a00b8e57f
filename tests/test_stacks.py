"""Stacks such as people publish them: they are deployed, run, and leave only their named volumes.

test_docker_cli_stock.py deploys them with the stock command line too, with equal requests.
"""

from __future__ import annotations

import io
import shlex
from pathlib import Path

import pytest

import swarmlab
from swarmlab.docker_cli import run
from swarmlab.docker_cli.session import Session

FOLDER = Path(__file__).parent / "stacks" / "public"
STACKS = sorted(FOLDER.glob("*.yml"))


@pytest.fixture(autouse=True)
def _variables(monkeypatch):
    monkeypatch.setenv("Y", "yy")


def docker(cluster: swarmlab.Cluster, line: str) -> tuple[int, str]:
    out = io.StringIO()
    client = cluster.client("m1").api
    code = run(shlex.split(line), Session(client=client, out=out, err=out, read_stdin=lambda: b""))
    return code, out.getvalue()


def left(cluster: swarmlab.Cluster) -> dict[str, set[str]]:
    """The names of all that there is, on all nodes."""
    client = cluster.client("m1")
    nodes = [cluster.client(name) for name in cluster.names]
    return {
        "services": {service.name for service in client.services.list()},
        "networks": {network.name for node in nodes for network in node.networks.list()},
        "secrets": {secret.name for secret in client.secrets.list()},
        "configs": {config.name for config in client.configs.list()},
        "containers": {c.name for node in nodes for c in node.containers.list(all=True)},
        "volumes": {volume.name for node in nodes for volume in node.volumes.list()},
    }


@pytest.mark.parametrize("path", STACKS, ids=lambda path: path.stem)
def test_a_public_stack_is_deployed_runs_and_is_removed(path):
    cluster = swarmlab.simulate(managers=1, workers=2, seed=5)
    before = left(cluster)
    code, output = docker(cluster, f"stack deploy --detach=true -c {path} app")
    assert code == 0, output
    cluster.run("3m")
    _, table = docker(cluster, "service ls --format '{{.Name}} {{.Replicas}}'")
    for line in table.splitlines():
        running, wanted = line.split()[1].split("/")
        assert running == wanted != "0", docker(cluster, f"service ps --no-trunc {line.split()[0]}")
    failed = [task for task in cluster.client().api.tasks() if task["Status"].get("Err")]
    assert failed == []
    assert docker(cluster, "stack rm app")[0] == 0
    cluster.run("3m")
    after = left(cluster)
    volumes = after.pop("volumes") - before.pop("volumes")
    after["networks"] -= {"docker_gwbridge"}
    before["networks"] -= {"docker_gwbridge"}
    assert after == before
    assert volumes == {f"app_{name}" for name in named_volumes(path)}


def named_volumes(path: Path) -> list[str]:
    _, section, names = path.read_text("utf-8").partition("\nvolumes:\n")
    return [line.split(":")[0].strip() for line in names.splitlines() if section and line.strip()]


def test_there_are_seven_stacks():
    assert len(STACKS) == 7


@pytest.mark.parametrize(
    ("service", "words"),
    [
        ("image: Web", "repository name (library/Web) must be lowercase"),
        ("image: 'http://web'", "invalid reference format"),
        ("image: x, deploy: {replicas: -1}", "-1 overflows uint"),
        ("image: x, hostname: {{.Node.Hostname}}", "invalid map key"),
    ],
)
def test_a_file_that_is_refused_leaves_nothing(tmp_path, service, words):
    cluster = swarmlab.simulate(managers=1, workers=0, seed=5)
    before, path = left(cluster), tmp_path / "stack.yml"
    path.write_text(f"services: {{good: {{image: nginx}}, web: {{{service}}}}}", "utf-8")
    code, said = docker(cluster, f"stack deploy -d -c {path} app")
    assert (code, words in said) == (1, True), said
    assert left(cluster) == before


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("networks: {default: {ipam: {config: [{}]}}}", "invalid CIDR block notation"),
        (
            "x-a: &a {deploy: {resources: {reservations: {generic_resources: "
            "[{discrete_resource_spec: {}}]}}}}",
            "Creating service app_web",
        ),
        ("x-a: &a {deploy: {resources: {limits: {cpus: 1e9999999}}}}", "as a rational number"),
        ("x-a: &a {deploy: {resources: {limits: {cpus: 'inf'}}}}", "parse inf as a rational"),
        ("x-a: &a {volumes: [{type: bind, source: /, target: /a, bind: {}}]}", "app_web"),
    ],
)
def test_what_a_block_may_lack_is_no_fault_of_ours(tmp_path, text, words):
    cluster, path = swarmlab.simulate(managers=1, workers=0, seed=5), tmp_path / "stack.yml"
    merge = "<<: *a, " if "&a" in text else ""
    path.write_text(f"{text}\nservices: {{web: {{{merge}image: nginx}}}}", "utf-8")
    assert words in docker(cluster, f"stack deploy -d -c {path} app")[1]
