"""One engine's containers, without a swarm."""

import pytest

from swarmlab.engine.create_checks import check_config
from swarmlab.engine.dockerfile import image_config
from swarmlab.engine.volumes import Volumes
from swarmlab.errors import Conflict, EngineFault, NoSuchObject, SwarmError
from swarmlab.model import Document, freeze
from swarmlab.simulation import MS, Machine, Network, S, Simulation
from swarmlab.worker.containers import Container, Containers
from swarmlab.worker.images import Images
from swarmlab.worker.registry import Registry


class Idle:
    def __init__(self, machine: Machine) -> None: ...


class Engine:
    """Containers, their machine, and their events."""

    def __init__(self) -> None:
        self.simulation = Simulation(1)
        self.machine = Machine(Network(self.simulation), "n1", "10.0.0.1", Idle)
        self.machine.start()
        images = Images(self.machine, Registry())
        images.pull("nginx")
        self.run(5 * S)
        images.import_image("demo:1", image_config(['CMD ["sleep","3600"]', "ENV A=1 B=2"]))
        self.containers = Containers(self.machine, images, Volumes(self.machine), check_config)
        self.containers.on_event = self.add_event
        self.events: list[tuple[str, dict[str, str]]] = []

    def add_event(self, action: str, container: Container, attributes: dict[str, str]) -> None:
        self.events.append((action, attributes))

    def run(self, duration_ns: int) -> None:
        self.simulation.run_until(self.simulation.now_ns + duration_ns)

    def started(self, name: str = "box", **config: object) -> Container:
        document = Document(freeze({"Image": "demo:1", **config}))
        container = self.containers.create(name, document)
        call = self.containers.start(container)
        self.run(1 * S)
        call.result()
        return container

    def exec(self, container: Container, *argv: str, stdin: bytes = b"") -> tuple[str, int]:
        command = self.containers.exec_create(container, Document(Cmd=argv, AttachStdin=True))
        call = self.containers.get_exec(command.id).start()
        command.keyboard.send(stdin)
        command.keyboard.close()
        self.simulation.run_while(lambda: call.waiting, 60 * S)
        return b"".join(entry.data for entry in command.output).decode(), call.value


@pytest.fixture
def engine() -> Engine:
    return Engine()


def test_the_events_of_a_container_in_order(engine):
    """Source: docs, `docker events`: the order of the events of a stop."""
    container = engine.started(Cmd=["sh", "-c", "echo up; sleep 99"])
    engine.containers.stop(container)
    engine.run(20 * S)
    engine.containers.remove(container)
    attributes = {"name": "box", "image": "demo:1"}
    assert engine.events == [
        ("create", attributes), ("start", attributes),
        ("kill", {**attributes, "signal": "15"}), ("kill", {**attributes, "signal": "9"}),
        ("die", {**attributes, "exitCode": "137", "execDuration": "10"}),
        ("stop", attributes), ("destroy", attributes),
    ]  # fmt: skip
    assert container.finished_ns - container.started_ns > 10 * S
    assert [entry.data for entry in container.logs] == [b"up\n"]


def test_a_server_stops_within_300_ms_with_code_0(engine):
    container = engine.started(Image="nginx")
    call = engine.containers.stop(container)
    engine.run(300 * MS)
    assert (call.done, container.state, container.exit_code) == (True, "exited", 0)
    # The stop signal of the image nginx is SIGQUIT.
    kill = ("kill", {"name": "box", "image": "nginx", "signal": "3"})
    assert kill in engine.events


def test_a_missing_executable_does_not_start(engine):
    container = engine.containers.create("box", Document(Image="demo:1", Cmd=("nosuch",)))
    call = engine.containers.start(container)
    engine.run(1 * S)
    assert str(call.error) == (
        "failed to create task for container: failed to create shim task: OCI runtime create "
        'failed: runc create failed: unable to start container process: exec: "nosuch": executable '
        "file not found in $PATH: unknown"
    )
    assert (container.state, container.exit_code) == ("created", 127)


def test_an_entry_point_in_the_request_discards_the_images_command(engine):
    """Source: moby daemon/commit.go, merge; docs, ENTRYPOINT and CMD."""
    argv = {
        name: engine.containers.create(name, Document(freeze({"Image": "nginx", **config}))).argv
        for name, config in {
            "neither": {}, "command": {"Cmd": ["sh"]}, "entrypoint": {"Entrypoint": ["env"]},
        }.items()
    }  # fmt: skip
    assert argv == {
        "neither": ("/docker-entrypoint.sh", "nginx", "-g", "daemon off;"),
        "command": ("/docker-entrypoint.sh", "sh"),
        "entrypoint": ("env",),
    }


def test_two_containers_cannot_publish_one_port(engine):
    binding = {"PortBindings": {"80/tcp": [{"HostPort": "8080"}]}}
    first = engine.started("first", HostConfig=binding)
    assert first.ports == {"80/tcp": [8080]}
    with pytest.raises(EngineFault, match=r"Bind for 0\.0\.0\.0:8080 failed: port is already"):
        engine.started("second", HostConfig=binding)
    engine.containers.kill(first)
    engine.started("third", HostConfig=binding)


def test_containers_are_found_by_name_id_and_unique_prefix(engine):
    container = engine.started("box")
    for reference in ("box", "/box", container.id, container.id[:6]):
        assert engine.containers.get(reference) is container
    with pytest.raises(NoSuchObject, match=r"^No such container: nosuch$"):
        engine.containers.get("nosuch")


def test_containers_without_a_name_never_share_one(engine):
    """There are 256 pairs of words."""
    names = [engine.containers.create("", Document(Image="demo:1")).name for _ in range(300)]
    assert len(set(names)) == 300


@pytest.mark.parametrize(
    ("request_of", "message"),
    [
        (lambda e, c: e.containers.create("box", Document(Image="demo:1")),
         'Conflict. The container name "/box" is already in use by container'),
        (lambda e, c: e.containers.create("b x", Document(Image="demo:1")),
         "Invalid container name (b x), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"),
        (lambda e, c: e.containers.create("b2", Document(Image="demo:9")), "No such image: demo:9"),
        (lambda e, c: e.containers.remove(c),
         'cannot remove container "/box": container is running: stop the container before'),
        (lambda e, c: e.containers.kill(c, "FOO"), "invalid signal: FOO"),
    ],
)  # fmt: skip
def test_errors_have_dockers_messages(engine, request_of, message):
    container = engine.started("box")
    with pytest.raises(SwarmError) as raised:
        request_of(engine, container)
    assert str(raised.value).startswith(message)


def test_an_exec_has_its_own_input_output_and_exit_code(engine):
    container = engine.started("box")
    assert engine.exec(container, "sh", "-c", "echo $A; sleep 1; exit 3") == ("1\n", 3)
    assert engine.exec(container, "cat", stdin=b"input") == ("input", 0)
    output, code = engine.exec(container, "nosuch")
    assert code == 126
    assert output.startswith("OCI runtime exec failed: exec failed: unable to start")
    engine.containers.kill(container)
    with pytest.raises(Conflict, match="is not running"):
        engine.exec(container, "true")


def test_after_a_crash_running_containers_have_exited_and_keep_their_logs(engine):
    engine.started("up", Cmd=["sh", "-c", "echo one; echo two; sleep 99"])
    done = engine.started("done", Cmd=["sh", "-c", "exit 3"])
    engine.machine.crash()
    engine.machine.start()
    again = Containers(
        engine.machine, engine.containers.images, Volumes(engine.machine), check_config
    )
    assert {c.name: (c.state, c.exit_code) for c in again.all()} == {
        "up": ("exited", 255),
        "done": ("exited", 3),
    }
    assert again.get("done").id == done.id
    assert len(again.get("up").logs) <= 2  # unsynced lines are lost
    once_more = Containers(
        engine.machine, engine.containers.images, Volumes(engine.machine), check_config
    )
    assert once_more.get("up").logs == again.get("up").logs
    assert [c.name for c in once_more.all()] == ["up", "done"]  # oldest first


def test_a_terminal_merges_the_streams_and_ends_lines_with_crlf(engine):
    container = engine.started(Tty=True, Cmd=["sh", "-c", "echo a; echo b >&2"])
    assert [entry[1:] for entry in container.logs] == [("stdout", b"a\r\n"), ("stdout", b"b\r\n")]


def test_with_init_term_ends_a_process_without_a_handler(engine):
    container = engine.started(HostConfig={"Init": True})
    engine.containers.stop(container)
    assert container.exit_code == 143


def test_restart_stops_and_starts_the_same_container(engine):
    container = engine.started(Image="nginx")
    call = engine.containers.restart(container)
    engine.run(2 * S)
    assert call.done
    engine.run(20 * S)  # the grace period of the stop does not apply to the new run
    assert [action for action, _ in engine.events][-4:] == ["die", "stop", "start", "restart"]
    assert container.running


def test_the_name_of_a_removed_container_is_free_again(engine):
    first = engine.started("box")
    engine.containers.remove(first, force=True)
    assert engine.containers.find("box") is None
    assert engine.started("box").id != first.id
