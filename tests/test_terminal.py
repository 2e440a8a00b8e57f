"""What a client types to a process: pipes that stay open, terminals, detach keys.

The transcripts are those of real engines (20.10.24 and 26.1.5, with BusyBox), without the cursor
queries and the greeting of its shell; `oracle/more/terminals.py` has them as recorded.
"""

from __future__ import annotations

import pytest

from swarmlab.engine.streams import Conversation, detach_keys
from swarmlab.errors import BadParameter
from swarmlab.model import Document
from swarmlab.simulation import MS, S
from swarmlab.worker.containers import Container, Exec
from tests.test_containers import Engine

DETACH = b"\x10\x11"


@pytest.fixture
def engine() -> Engine:
    return Engine()


class Typist:
    """Someone at an exec, with a terminal or a pipe."""

    def __init__(self, engine: Engine, *argv: str, tty: bool = True, **more: object) -> None:
        self.engine = engine
        container = engine.containers.find("box") or engine.started("box")
        config = Document(Cmd=argv, Tty=tty, AttachStdin=True, **more)
        self.exec: Exec = engine.containers.exec_create(container, config)
        self.exec.start()
        engine.run(30 * MS)

    def types(self, *texts: str) -> Typist:
        for text in texts:
            self.exec.keyboard.send(text.encode())
            self.engine.run(50 * MS)
        return self

    @property
    def sees(self) -> str:
        return b"".join(entry.data for entry in self.exec.output).decode()


@pytest.mark.parametrize(
    ("command", "typed", "seen", "code"),
    [
        ("sh", ["echo hi\r", "exit 3\r"], "/ # echo hi\r\nhi\r\n/ # exit 3\r\n", 3),
        ("sh", ["x=5\r", "echo $x\r"], "/ # x=5\r\n/ # echo $x\r\n5\r\n/ # ", None),
        ("sh", ["cd /tmp\r", "cd\r"], "/ # cd /tmp\r\n/tmp # cd\r\n/ # ", None),
        ("sh", ["ech\x7fho ab\x08\r"], "/ # ech\b \bho ab\b \b\r\na\r\n/ # ", None),
        ("sh", ["echo é\x7fe\r"], "/ # echo é\b \be\r\ne\r\n/ # ", None),
        ("sh", ["nosuch\r"], "/ # nosuch\r\nsh: nosuch: not found\r\n/ # ", None),
        ("sh", ["\x04"], "/ # \r\n", 0),
        ("sh", ["sleep 9\r", "\x03", "exit\r"], "/ # sleep 9\r\n^C\r\n/ # exit\r\n", 130),
        ("sh", ["abc\x03", "exit\r"], "/ # abc^C\r\n/ # exit\r\n", 130),
        ("sh", ["x=$(cat)\r", "\x03", "pwd\r"], "/ # x=$(cat)\r\n^C\r\n/ # pwd\r\n/\r\n/ # ", None),
        ("sh", ["if true\r", "then pwd; fi\r"], "/ # if true\r\n> then pwd; fi\r\n/\r\n/ # ", None),
        ("sh", ["echo 'a\r", "b'\r"], "/ # echo 'a\r\n> b'\r\na\r\nb\r\n/ # ", None),
        ("sh", ["cat <<E\r", "x\r", "E\r"], "/ # cat <<E\r\n> x\r\n> E\r\nx\r\n/ # ", None),
        ("sh", [")\r"], '/ # )\r\nsh: syntax error: unexpected ")"\r\n/ # ', None),
        ("sh", ["read v\r", "pwd\r", "$v\r"], "/ # read v\r\npwd\r\n/ # $v\r\n/\r\n/ # ", None),
        ("sh", ["cat\r", "l\r", "\x04", "exit\r"], "/ # cat\r\nl\r\nl\r\n/ # exit\r\n", 0),
        ("sh", ["sort\r", "b\ra\r", "\x04"], "/ # sort\r\nb\r\na\r\na\r\nb\r\n/ # ", None),
        ("cat", ["one\r", "two\r", "\x04"], "one\r\none\r\ntwo\r\ntwo\r\n", 0),
        ("cat", ["ab\x04", "c\r"], "ababc\r\nc\r\n", None),
        ("sleep 99", ["abc\r", "\x03"], "abc\r\n^C", 130),
    ],
)  # fmt: skip
def test_a_terminal_shows_what_a_real_one_does(engine, command, typed, seen, code):
    typist = Typist(engine, *command.split()).types(*typed)
    assert (typist.sees, typist.exec.exit_code) == (seen, code)


@pytest.mark.parametrize(
    ("command", "pieces", "seen", "code"),
    [
        (["cat"], ["one\n", "tw", "o\n"], "one\ntwo\n", 0),
        (["sh"], ["echo a\n", "read x\n", "typed\n", "echo $x; exit 4\n"], "a\ntyped\n", 4),
        (["sh"], ["for i in 1 2\n", "do echo $i\n", "done\n"], "1\n2\n", 0),
        (["sh"], ["if true\n"], 'sh: syntax error: unexpected end of file (expecting "then")\n', 2),
        (["sh"], ["echo a"], "a\n", 0),
        (["sort"], ["b\n", "a\n"], "a\nb\n", 0),
        (["sh", "-c", "while read l; do echo got $l; done"], ["a\n", "b\n"], "got a\ngot b\n", 0),
        (["sh", "-c", "read a; read b; echo $b$a"], ["1\n2\n"], "21\n", 0),
        (["sh", "-c", "cat; cat"], ["a\n"], "a\n", 0),
        (["sh", "-c", "cat | wc -l"], ["a\nb\n"], "2\n", 0),
    ],
)
def test_a_pipe_is_read_as_it_comes(engine, command, pieces, seen, code):
    typist = Typist(engine, *command, tty=False).types(*pieces)
    typist.exec.keyboard.close()
    engine.run(50 * MS)
    assert (typist.sees, typist.exec.exit_code) == (seen, code)


def test_output_does_not_wait_for_the_end_of_the_input(engine):
    assert Typist(engine, "cat", tty=False).types("one\n").sees == "one\n"
    assert Typist(engine, "sh", tty=False).types("echo one\n").sees == "one\n"


def test_a_paused_process_reads_what_came_meanwhile(engine):
    typist = Typist(engine, "cat", tty=False)
    container = typist.exec.container
    engine.containers.set_paused(container, paused=True)
    assert typist.types("a\n").sees == ""
    engine.containers.set_paused(container, paused=False)
    assert typist.sees == "a\n"


def started(engine: Engine, **config: object) -> Container:
    engine.containers.create("main", Document(Image="demo:1", **config))
    container = engine.containers.get("main")
    container.keyboard.send(b"echo early\n")
    engine.containers.start(container)
    engine.run(S)
    return container


def test_a_container_reads_what_was_typed_before_it_started(engine):
    container = started(engine, Cmd=("sh",), OpenStdin=True)
    assert (container.logs[0].data, container.running) == (b"early\n", True)
    container.keyboard.close()
    assert (container.state, container.exit_code) == ("exited", 0)


def test_a_container_without_input_reads_nothing(engine):
    assert started(engine, Cmd=("cat",)).state == "exited"


def test_each_run_of_a_container_has_an_input_of_its_own(engine):
    container = started(engine, Cmd=("cat",), OpenStdin=True)
    container.keyboard.close()
    engine.containers.start(container)
    engine.run(S)
    assert container.running
    container.keyboard.send(b"again\n")
    assert [entry.data for entry in container.logs] == [b"echo early\n", b"again\n"]


def test_process_one_ignores_the_interrupt_of_a_terminal(engine):
    """As on Linux: it has no handler for it. A shell goes back to its prompt."""
    container = started(engine, Cmd=("sleep", "99"), Tty=True, OpenStdin=True)
    container.keyboard.send(b"\x03")
    assert container.running


# -- detach keys -----------------------------------------------------------------------------------
def listened(engine: Engine, *pieces: bytes, keys: bytes = DETACH, tty: bool = True):
    typist, left = Typist(engine, "cat", tty=tty), list(pieces)
    typing = Conversation(typist.exec.keyboard, True, True, keys)
    typing.listen(lambda: left.pop(0) if left else None)
    engine.run(50 * MS)
    return typist.sees, typing.detached


@pytest.mark.parametrize(
    ("pieces", "seen", "detached"),
    [
        ([b"a\r", b"\x10\x11", b"b\r"], "a\r\na\r\n", True),
        ([b"a\r\x10", b"\x11"], "a\r\na\r\n", True),
        ([b"a\x10", b"b\r"], "a\x10b\r\na\x10b\r\n", False),
        ([b"\x10\x10", b"\x11"], "\x10", True),
    ],
)
def test_the_keys_detach_even_in_two_pieces(engine, pieces, seen, detached):
    assert listened(engine, *pieces) == (seen, detached)


def test_only_a_terminal_has_detach_keys(engine):
    assert listened(engine, b"\x10\x11\n", tty=False) == ("\x10\x11\n", False)


@pytest.mark.parametrize(
    ("text", "keys"), [("", DETACH), ("ctrl-x", b"\x18"), ("a,ctrl-[", b"a\x1b"), ("~", b"~")]
)
def test_keys_have_names(text, keys):
    assert detach_keys(text, "detach") == keys


@pytest.mark.parametrize("text", ["nosuch", "ctrl-", "ctrl-1", "a,,b", "ctrl-p ctrl-q"])
def test_other_names_are_refused(text):
    with pytest.raises(BadParameter, match="Invalid escape keys"):
        detach_keys(text, "escape")


def test_a_client_that_types_faster_than_the_process_reads_waits(engine):
    typist = Typist(engine, "sleep", "99", tty=False)
    typing = Conversation(typist.exec.keyboard, True, True, DETACH)
    typing.listen(lambda: b"x" * 1000)  # it never stops
    assert len(typist.exec.keyboard.input.data) < 100_000
