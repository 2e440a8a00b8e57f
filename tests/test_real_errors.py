"""Errors of real clusters, each with its reason or remedy; no engine is needed for these tests."""

from __future__ import annotations

import inspect
from typing import Any

import docker
import pytest
from IPython.core.interactiveshell import InteractiveShell

import swarmlab
from swarmlab.cluster.faults import FAULTS
from swarmlab.cluster.simulated import SimulatedCluster
from swarmlab.real import engines, launched
from swarmlab.real.cluster import ONLY_SIMULATED
from swarmlab.real.connected import ConnectedCluster
from swarmlab.real.hosts import client_arguments, client_for_host
from swarmlab.real.launched import LaunchedCluster
from swarmlab.real.remedies import lab_errors


def test_a_real_cluster_has_each_attribute_of_a_simulated_one_or_a_reason():
    public = {name for name in dir(SimulatedCluster) if not name.startswith("_")} | {"lock"}
    expected = set(dir(LaunchedCluster)) | set(ONLY_SIMULATED) | {"slow"}
    assert public - expected == set()
    assert set(ONLY_SIMULATED) & set(dir(LaunchedCluster)) == set()


@pytest.mark.parametrize("verb", ["crash", "stop", "start", "partition", "heal", "run", "until"])
def test_faults_and_time_take_the_same_arguments_on_both(verb: str):
    simulated, real = (getattr(kind, verb) for kind in (SimulatedCluster, LaunchedCluster))
    assert list(inspect.signature(simulated).parameters) == list(inspect.signature(real).parameters)


def test_an_attribute_that_only_a_simulation_has_raises_with_the_reason():
    cluster = ConnectedCluster()
    for name in ONLY_SIMULATED:
        assert not hasattr(cluster, name)
        with pytest.raises(swarmlab.LabError, match=f"`{name}` shows what only a simulation"):
            getattr(cluster, name)
    with pytest.raises(AttributeError, match="no attribute 'colour'"):
        _ = cluster.colour


def test_a_notebook_shows_the_message_without_a_traceback():
    shell = InteractiveShell()
    with pytest.MonkeyPatch.context() as patch:
        shown: list[str] = []
        patch.setattr(shell, "_showtraceback", lambda etype, evalue, lines: shown.extend(lines))
        shell.run_cell("import swarmlab; swarmlab.simulate(managers=0)")
    assert len(shown) == 1
    assert shown[0].startswith("✘ managers=0 is not a valid count")


@pytest.mark.parametrize("verb", [*FAULTS, "pause"])
def test_a_connected_swarm_takes_no_faults(verb: str):
    with pytest.raises(swarmlab.LabError, match="only engines that it launched itself"):
        getattr(ConnectedCluster(), verb)


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (PermissionError(13, "Permission denied"), "usermod -aG docker"),
        (FileNotFoundError(2, "No such file or directory"), "no Docker engine answers"),
        (ConnectionRefusedError(111, "Connection refused"), "Start Docker"),
        (docker.errors.DockerException("Connection aborted: Permission denied"), "usermod"),
        (docker.errors.APIError("x", explanation="write: no space left on device"), "prune"),
        (docker.errors.APIError("x", explanation="unable to apply caps"), "set DOCKER_HOST"),
        (docker.errors.APIError("x", explanation="dial tcp: lookup hub: no such host"), "registry"),
        (docker.errors.APIError("x", explanation="a thing nobody foresaw"), "nobody foresaw"),
    ],
)
def test_an_error_of_docker_comes_with_its_remedy(error: Exception, remedy: str):
    with pytest.raises(swarmlab.LabError, match=remedy) as raised, lab_errors("launching engines"):
        raise error
    assert str(raised.value).startswith("launching engines: ")
    assert "\n" not in str(raised.value)


def test_a_failed_ssh_connection_suggests_to_try_ssh_alone():
    with pytest.raises(swarmlab.LabError, match="ssh HOST docker version"), lab_errors("ssh://m1"):
        raise ConnectionResetError(104, "Connection reset by peer")


class OldEngine:
    """An engine from before Docker 20.10, as far as `client_for_host` uses it."""

    def __init__(self, **_: Any) -> None:
        pass

    def version(self) -> dict[str, str]:
        return {"ApiVersion": "1.39", "Version": "18.09.9"}


def test_an_engine_that_is_too_old_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(docker, "DockerClient", OldEngine)
    with pytest.raises(swarmlab.LabError, match=r"18\.09\.9, which is too old; 20\.10 or newer"):
        client_for_host("tcp://127.0.0.1:2375")


def test_the_default_engine_is_the_one_that_the_command_line_uses(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
):
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    (tmp_path / "config.json").write_text('{"currentContext": "work"}', encoding="utf-8")
    docker.context.ContextAPI.create_context("work", host="unix:///work")
    docker.context.ContextAPI.create_context("home", host="unix:///home")
    assert client_arguments(None)["base_url"].endswith("unix:///work")
    monkeypatch.setenv("DOCKER_CONTEXT", "home")
    assert client_arguments(None)["base_url"].endswith("unix:///home")
    monkeypatch.setenv("DOCKER_HOST", "tcp://here:2375")
    assert client_arguments(None)["base_url"] == "tcp://here:2375"
    assert client_arguments("work")["base_url"].endswith("unix:///work")


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"managers": 0}, "managers=0 is not a valid count"),
        ({"workers": -1}, "workers=-1 is not a valid count"),
        ({"managers": True}, "managers=True is not a valid count"),
        ({"managers": 9, "workers": 12}, "21 nodes are too many; use at most 20"),
    ],
)
def test_a_wrong_size_is_refused_before_docker_is_asked(sizes: dict[str, int], message: str):
    with pytest.raises(swarmlab.LabError, match=message):
        launched.launch(**sizes)


def test_each_launch_has_a_name_of_its_own():
    assert len({engines.new_lab() for _ in range(100)}) == 100
