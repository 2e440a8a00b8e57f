"""What a real cluster says where it cannot do or tell a thing; no engine is needed for that."""

from __future__ import annotations

import inspect
from typing import Any

import docker
import pytest
from IPython.core.interactiveshell import InteractiveShell

import swarmlab
from swarmlab.cluster.simulated import SimulatedCluster
from swarmlab.real import engines, hosts, launched
from swarmlab.real.cluster import FAULTS, ONLY_SIMULATED, RealCluster
from swarmlab.real.connected import ConnectedCluster
from swarmlab.real.launched import LaunchedCluster
from swarmlab.real.remedies import explained


def test_whatever_a_simulated_cluster_has_a_real_one_has_too_or_says_why_not():
    public = {name for name in dir(SimulatedCluster) if not name.startswith("_")} | {"lock"}
    known = set(dir(LaunchedCluster)) | set(ONLY_SIMULATED) | {"slow"}
    assert public - known == set()
    assert set(ONLY_SIMULATED) & set(dir(LaunchedCluster)) == set()


@pytest.mark.parametrize("verb", ["crash", "stop", "start", "partition", "heal", "run", "until"])
def test_faults_and_time_take_the_same_words_on_both(verb: str):
    ours, theirs = (getattr(kind, verb) for kind in (SimulatedCluster, LaunchedCluster))
    assert list(inspect.signature(ours).parameters) == list(inspect.signature(theirs).parameters)


def test_what_only_a_simulation_knows_is_refused_in_a_sentence_and_hasattr_says_no():
    cluster = RealCluster(print)
    for name in ONLY_SIMULATED:
        assert not hasattr(cluster, name)
        with pytest.raises(swarmlab.LabError, match=f"`{name}` shows what only a simulation"):
            getattr(cluster, name)
    with pytest.raises(AttributeError, match="no attribute 'colour'"):
        _ = cluster.colour


def test_a_notebook_shows_the_sentence_and_no_stack_of_calls():
    shell = InteractiveShell()
    with pytest.MonkeyPatch.context() as patch:
        shown: list[str] = []
        patch.setattr(shell, "_showtraceback", lambda etype, evalue, lines: shown.extend(lines))
        shell.run_cell("import swarmlab; swarmlab.simulate(managers=0)")
    assert len(shown) == 1
    assert shown[0].startswith("✘ managers=0 is not a valid count")


@pytest.mark.parametrize("verb", FAULTS)
def test_a_swarm_that_is_not_the_kits_own_is_not_broken(verb: str):
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
def test_what_goes_wrong_with_docker_comes_with_its_remedy(error: Exception, remedy: str):
    with pytest.raises(swarmlab.LabError, match=remedy) as said, explained("launching engines"):
        raise error
    assert str(said.value).startswith("launching engines: ")
    assert "\n" not in str(said.value)


def test_where_ssh_leads_nowhere_ssh_alone_is_tried():
    with pytest.raises(swarmlab.LabError, match="ssh HOST docker version"), explained("ssh://m1"):
        raise ConnectionResetError(104, "Connection reset by peer")


class OldEngine:
    """An engine from before Docker 20.10, as far as `reach` asks it."""

    def __init__(self, **_: Any) -> None:
        pass

    def version(self) -> dict[str, str]:
        return {"ApiVersion": "1.39", "Version": "18.09.9"}


def test_an_engine_that_is_too_old_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(docker, "DockerClient", OldEngine)
    with pytest.raises(swarmlab.LabError, match=r"18\.09\.9, which is too old; 20\.10 or newer"):
        hosts.reach("tcp://127.0.0.1:2375")


def test_the_usual_engine_is_the_one_that_the_command_line_would_take(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
):
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    (tmp_path / "config.json").write_text('{"currentContext": "work"}')
    docker.context.ContextAPI.create_context("work", host="unix:///work")
    docker.context.ContextAPI.create_context("home", host="unix:///home")
    assert hosts.address_of(None)["base_url"].endswith("unix:///work")
    monkeypatch.setenv("DOCKER_CONTEXT", "home")
    assert hosts.address_of(None)["base_url"].endswith("unix:///home")
    monkeypatch.setenv("DOCKER_HOST", "tcp://here:2375")
    assert hosts.address_of(None)["base_url"] == "tcp://here:2375"
    assert hosts.address_of("work")["base_url"].endswith("unix:///work")


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        ({"managers": 0}, "managers=0 is not a valid count"),
        ({"workers": -1}, "workers=-1 is not a valid count"),
        ({"managers": True}, "managers=True is not a valid count"),
        ({"managers": 9, "workers": 12}, "21 nodes are too many; use at most 20"),
    ],
)
def test_a_wrong_size_is_refused_before_docker_is_asked(sizes: dict[str, int], said: str):
    with pytest.raises(swarmlab.LabError, match=said):
        launched.launch(**sizes)


def test_no_two_launches_bear_one_name():
    assert len({engines.new_lab() for _ in range(100)}) == 100
