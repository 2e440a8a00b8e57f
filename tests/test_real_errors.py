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
from swarmlab.real import dial, engines, launched
from swarmlab.real.cluster import ONLY_SIMULATED
from swarmlab.real.connected import ConnectedCluster
from swarmlab.real.hosts import client_arguments, client_for_host
from swarmlab.real.launched import LaunchedCluster
from swarmlab.real.remedies import lab_errors


def test_a_real_cluster_has_each_attribute_of_a_simulated_one_or_a_reason():
    public = {name for name in dir(SimulatedCluster) if not name.startswith("_")} | {"lock"}
    expected = set(dir(LaunchedCluster)) | set(ONLY_SIMULATED) | {"slow", "close_ports"}
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


DOCKER_VARIABLES = ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH")


@pytest.mark.parametrize("by_variable", [False, True])
@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("npipe:////./pipe/docker_engine", "invalid bind address format: npipe://"),
        ("fd://", "invalid bind address format: fd://"),
        ("foo://bar", "invalid bind address format: foo://bar"),
        ("://x", "invalid bind address format"),
        ("tcp://", "nvalid bind address format"),
        ("tcp://h:port", "invalid port after host"),
        ("tcp://127.0.0.1:99999", "invalid port after host"),
        ("tcp://[::1", "invalid host name"),
        ("tcp://a\nb:1", "invalid control character in URL"),
        ("unix:///a\0b", "invalid control character in URL"),
        ("tcp://\u202eh:1", "invalid control character in URL"),
        ("ssh://", "hostname is empty"),
        ("ssh://me:geheim@h", "plain-text password is not supported"),
        ("ssh://h?x=1", "query and fragment are not allowed"),
        ("ssh://h:port", "invalid port after host"),
        ("ssh://me@h", 'exec: "ssh": executable file not found in $PATH'),
        ("tcp://me:gehe/im@127.0.0.1:1", "invalid port after host"),
        ("foo://me:geheim@h", "foo://me:***@h"),
    ],
)
def test_an_address_that_cannot_work_here_is_refused_in_dockers_words(
    monkeypatch: pytest.MonkeyPatch, address: str, why: str, by_variable: bool
):
    """Whatever the address, the error is one line and shows no password."""
    for name in DOCKER_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", "/nonexistent")
    if by_variable:
        if "\0" in address:
            return  # no variable can hold it
        monkeypatch.setenv("DOCKER_HOST", address)
    with pytest.raises(swarmlab.LabError) as raised:
        swarmlab.connect(None if by_variable else address)
    message = str(raised.value)
    assert why in message
    assert message.isprintable()
    assert "geheim" not in message
    assert "gehe/im" not in message


@pytest.mark.parametrize("host", [7, b"tcp://x:1", [], [7], ["tcp://x", {}]])
def test_what_is_no_address_at_all_is_refused(host: Any):
    refusal = "is not the address of an engine|host=.* is not text in quotes or a list of texts"
    with pytest.raises(swarmlab.LabError, match=refusal):
        swarmlab.connect(host)


@pytest.mark.parametrize("present", [[], ["ca.pem"], ["ca.pem", "cert.pem"]])
@pytest.mark.parametrize("verify", ["1", ""])
def test_a_missing_file_of_tls_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any, present: list[str], verify: str
):
    monkeypatch.setenv("DOCKER_CERT_PATH", str(tmp_path))
    monkeypatch.setenv("DOCKER_TLS_VERIFY", verify)
    for name in present:
        (tmp_path / name).touch()
    absent = ["ca.pem", "cert.pem", "key.pem"][len(present)]
    with pytest.raises(swarmlab.LabError, match="TLS is asked for") as raised:
        swarmlab.connect("tcp://127.0.0.1:1")
    assert f"open {tmp_path / absent}: no such file" in str(raised.value)


@pytest.mark.parametrize(
    ("meta", "why"),
    [
        ("", "is damaged"),
        ("[]", "is damaged"),
        ('{"Name": 1}', "is damaged"),
        ('{"Name": "bad", "Metadata": {}, "Endpoints": {"docker": 7}}', "is damaged"),
        ('{"Name": "bad", "Metadata": {}, "Endpoints": {"docker": {"Host": 7}}}', "format: 7"),
        ('{"Name": "bad", "Metadata": {}, "Endpoints": {"docker": {"Host": "fd://"}}}', "fd://"),
    ],
)
def test_a_docker_context_that_is_damaged_is_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any, meta: str, why: str
):
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    (tmp_path / "config.json").write_text('{"currentContext": "bad"}', encoding="utf-8")
    docker.context.ContextAPI.create_context("bad", host="unix:///bad")
    (file,) = tmp_path.glob("contexts/meta/*/meta.json")
    file.write_text(meta, encoding="utf-8")
    for host in (None, "bad"):
        with pytest.raises(swarmlab.LabError, match=why):
            swarmlab.connect(host)


def test_the_path_of_an_ssh_address_is_the_engines_socket_there(monkeypatch: pytest.MonkeyPatch):
    started: list[list[str]] = []

    class Program:
        def __init__(self, command: list[str], **_: Any) -> None:
            started.append(command)

        def wait(self) -> None:
            pass

    monkeypatch.setattr(dial.subprocess, "Popen", Program)
    for address in ("ssh://me@h:2222/run/it's.sock", "ssh://h/"):
        dial.dial_ssh(address).close()
    socket = "'unix:///run/it'\"'\"'s.sock'"
    assert [" ".join(command) for command in started] == [
        f"ssh -p 2222 -l me -- h docker --host {socket} system dial-stdio",
        "ssh -- h docker system dial-stdio",
    ]


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
