"""What `launch` leaves behind is told apart by who launched it, and removed where it was made.

The engine here is a simulated one; test_real.py has a real one.
"""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import docker
import pytest

import swarmlab
from swarmlab.cli.command_line import main
from swarmlab.real import engines, hosts

KINDS = ("containers", "networks", "volumes")
THEIRS = "1000@another-laptop"


def names(client: docker.DockerClient) -> dict[str, set[str]]:
    """What is on an engine, by kind."""
    default = {"bridge", "host", "none", "docker_gwbridge", "ingress"}
    return {
        "containers": {c.name for c in client.containers.list(all=True)},
        "networks": {n.name for n in client.networks.list()} - default,
        "volumes": {v.name for v in client.volumes.list()},
    }


def left_by(client: docker.DockerClient, name: str, labels: dict[str, str]) -> None:
    """An engine, a network and a volume, as a launch leaves them."""
    client.containers.create("alpine", name=name, labels=labels)
    client.networks.create(name, labels=labels)
    client.volumes.create(name, labels=labels)


@pytest.fixture
def left(monkeypatch: pytest.MonkeyPatch) -> Iterator[docker.DockerClient]:
    """An engine with what this user, another one, an older version and somebody else made."""
    client = swarmlab.engines(["host"], seed=1).client("host")
    client.images.pull("alpine")
    left_by(client, "mine", engines.labels("swarmlab-1"))
    left_by(client, "theirs", {"swarmlab": "swarmlab-2", engines.OWNER: THEIRS})
    left_by(client, "old", {"swarmlab": "swarmlab-3"})
    left_by(client, "other", {"swarmlabel": "x", "swarmlab.connected": "true"})
    monkeypatch.setattr(hosts, "client_for_host", lambda: client)
    yield client
    client.close()


def test_clean_removes_what_this_user_launched_and_lists_the_rest(left, capsys):
    assert main(["clean", "--yes"]) == 0
    assert names(left) == {kind: {"theirs", "old", "other"} for kind in KINDS}
    out = capsys.readouterr().out
    assert "container  mine: yours\n" in out
    assert "removed network mine\n" in out
    assert f"network    theirs: launched by {THEIRS}; stays, unless --all is given\n" in out
    assert "network    old: launched by an unknown user; stays" in out
    assert "other" not in out.replace("another", "")
    assert main(["clean"]) == 0  # and does not ask
    assert "there is nothing of yours to remove" in capsys.readouterr().out


def test_clean_takes_what_others_launched_only_when_told(left):
    assert main(["clean", "--all", "--yes"]) == 0
    assert names(left) == {kind: {"other"} for kind in KINDS}


@pytest.mark.parametrize(("answer", "removed"), [("y", True), ("n", False), ("", False)])
def test_clean_asks(left, monkeypatch, answer, removed):
    import click

    monkeypatch.setattr(click.termui, "visible_prompt_func", lambda text: answer)
    assert main(["clean"]) == (0 if removed else 1)
    assert ("mine" in names(left)["networks"]) is not removed


def test_clean_without_a_terminal_removes_nothing_and_says_so(left, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert main(["clean"]) != 0
    assert "without an answer" in capsys.readouterr().err
    assert names(left) == {kind: {"mine", "theirs", "old", "other"} for kind in KINDS}


def test_removing_one_launch_leaves_the_others(left):
    engines.remove(left, "swarmlab-2")
    assert names(left) == {kind: {"mine", "old", "other"} for kind in KINDS}


@pytest.mark.parametrize("changed", ["os.getuid", "platform.node", "machine-id"])
def test_an_owner_is_one_user_on_one_machine(monkeypatch, tmp_path, changed):
    (tmp_path / "machine-id").write_text("0123456789abcdef\n", encoding="utf-8")
    monkeypatch.setattr(engines, "MACHINE_ID", tmp_path / "machine-id")
    mine = engines.owner()
    assert mine == engines.owner()
    assert "0123456789abcdef" not in mine
    if changed == "machine-id":
        (tmp_path / "machine-id").write_text("fedcba9876543210\n", encoding="utf-8")
    else:
        module, name = changed.split(".")
        value = {"getuid": lambda: 12345, "node": lambda: "elsewhere"}[name]
        monkeypatch.setattr(sys.modules[module], name, value)
    assert engines.owner() != mine


@pytest.mark.parametrize(
    "then",
    [
        {"DOCKER_HOST": "tcp://first:2375"},
        {"DOCKER_HOST": "tcp://first:2376", "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": "/first"},
        {"DOCKER_CONTEXT": "first"},
        {},  # the current context of the configuration
    ],
)
def test_engines_are_removed_where_they_were_launched(monkeypatch, tmp_path, then):
    """Whatever the variables and the current context say when the program ends."""
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    (tmp_path / "config.json").write_text('{"currentContext": "first"}', encoding="utf-8")
    docker.context.ContextAPI.create_context("first", host="unix:///context")
    docker.context.ContextAPI.create_context("second", host="unix:///second")
    for name, value in then.items():
        monkeypatch.setenv(name, value)
    launched = hosts.docker_variables()

    (tmp_path / "config.json").write_text('{"currentContext": "second"}', encoding="utf-8")
    for name in then:
        monkeypatch.delenv(name)
    monkeypatch.setenv("DOCKER_HOST", "tcp://second:2375")
    monkeypatch.setenv("DOCKER_API_VERSION", "1.30")
    seen = environment_of_removal(monkeypatch, launched)
    assert {name: seen.get(name) for name in then} == then
    assert "DOCKER_API_VERSION" not in seen
    monkeypatch.delenv("DOCKER_HOST")
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT"):
        if name in seen:
            monkeypatch.setenv(name, seen[name])
    expected = then.get("DOCKER_HOST", "unix:///context")
    assert hosts.client_arguments(None)["base_url"].endswith(expected)


def environment_of_removal(monkeypatch: Any, variables: dict[str, str]) -> dict[str, str]:
    """The variables of the process that removes a launch."""
    started: list[Any] = []
    monkeypatch.setattr(subprocess, "Popen", lambda command, **options: started.append(options))
    engines.remove_from_outside("swarmlab-1", variables)
    environment: dict[str, str] = started[0]["env"]
    return environment
