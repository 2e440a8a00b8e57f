"""The small shell and its processes: output, exit status and time taken."""

import pytest

from swarmlab.cluster.copies import copy_of
from swarmlab.programs.connections import Loopback
from swarmlab.programs.file_system import File, FileSystem, MountPoint
from swarmlab.programs.interface import Site
from swarmlab.programs.standard_input import Input
from swarmlab.simulation import MS, Machine, Network, S, Simulation
from swarmlab.worker.process import Process


class FakeContainer:
    """A container as a process sees it, with the output and exit code of the process."""

    hostname, server, server_logs = "box", "nginx", ("ready",)
    network, site, any_command, process = Loopback(), Site(), False, None

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.files = FileSystem({})
        self.files["/etc/hostname"] = File(b"box\n")
        secret = MountPoint("tmpfs", "", "/run/secrets/pw", read_only=True)
        self.files.mount(secret, {"": File(b"s3", 0o400)})
        self.output: list[tuple[int, bytes]] = []
        self.code: int | None = None

    def listens(self, port: int) -> bool:
        return self.process is not None and (port in self.process.ports or self.process.serving)

    @property
    def text(self) -> str:
        return b"".join(data for _, data in self.output).decode()

    def on_output(self, stream: int, data: bytes) -> None:
        self.output.append((stream, data))

    def on_exit(self, code: int) -> None:
        self.code = code

    def run(self, *argv: str, **more: object) -> Process:
        process = Process(self, self, argv, {"HOME": "/root"}, **more)
        process.run()
        return process


READ_ONLY = "Read-only file system\n"


class Idle:
    def __init__(self, machine: Machine) -> None: ...


@pytest.fixture
def container() -> FakeContainer:
    machine = Machine(Network(Simulation()), "n1", "10.0.0.1", Idle)
    machine.start()
    return FakeContainer(machine)


def shell(container: FakeContainer, text: str, limit_ns: int = 60 * S) -> tuple[str, int | None]:
    container.run("sh", "-c", text)
    container.machine.simulation.run_while(lambda: container.code is None, limit_ns)
    return container.text, container.code


@pytest.mark.parametrize(
    ("text", "output", "code"),
    [
        ("echo a >> /c; echo b >> /c; test `cat /c | wc -l` -ge 2 && echo two", "two\n", 0),
        ("echo hi; exit 3", "hi\n", 3),
        ("true && echo a || echo b", "a\n", 0),
        ("false && echo a || echo b; false", "b\n", 1),
        ("! true; echo $?", "1\n", 0),
        ("if false; then echo a; elif true; then echo b; else echo c; fi", "b\n", 0),
        ("case v1.2 in v2*) echo two;; v0|v1*) echo one;; *) echo no;; esac", "one\n", 0),
        ("x='b c'; printf '<%s><%s><%s>' a \"$x\" $(echo d e)", "<a><b c><d>", 0),
        ("while [ ! -f /f ]; do echo x >> /g; [ `cat /g | wc -l` -lt 3 ] || touch /f; done; cat /g",
         "x\nx\nx\n", 0),
        ("x=$(echo one; echo two); echo \"$x\"; echo $x", "one\ntwo\none two\n", 0),
        ("echo ${A:-x} '$A' \"$HOME\" \\$A", "x $A /root $A\n", 0),
        ("echo a > /tmp/f; echo b >> /tmp/f; cat /tmp/f | grep b", "b\n", 0),
        ("echo gone >/dev/null 2>&1; echo here", "here\n", 0),
        ("(exit 3); echo $?; x=$(echo a; exit 4); echo $? $x", "3\n4 a\n", 0),
        ("nosuch; echo $?", "sh: nosuch: not found\n127\n", 0),
        ("sh -c 'exit 4'; echo $?", "4\n", 0),
        ("exec echo bye; echo never", "bye\n", 0),
        ("cat /run/secrets/pw", "s3", 0),
        ("for x in a 'b c' $(echo d e); do echo \"<$x>\"; done", "<a>\n<b c>\n<d>\n<e>\n", 0),
        ("for x in 1 2 3 4; do [ $x = 2 ] && continue; [ $x = 4 ] && break; echo $x; done; echo "
         "end",
         "1\n3\nend\n", 0),
        ("i=0; until [ $i -ge 3 ]; do i=$((i + 1)); echo $i; done", "1\n2\n3\n", 0),
        ("echo $((7 / 2)) $((-7 / 2)) $((-7 % 3)) $((2 * (3 + 4))) $((1 && 0)) $((3 != 4))",
         "3 -3 -1 14 0 1\n", 0),
        ("x=5; echo $(($x * x)) $(( $(echo 4) + 1 ))", "25 5\n", 0),
        ("echo $((1 +))", "sh: arithmetic syntax error\n", 2),
        ("echo $((9 ** 999999999))", "sh: arithmetic syntax error\n", 2),
        ("echo $((1 / 0)); echo never", "sh: integer division or modulo by zero\n", 2),
        ("f() { echo \"$1-$2 of $#\"; return 3; }; f a 'b c'; echo $?", "a-b c of 2\n3\n", 0),
        ("f() { cat; }; echo x | f; echo y > /y; f < /y", "x\ny\n", 0),
        ("set -- a 'b c'; for x in \"$@\"; do echo $x; done; shift; echo $1", "a\nb c\nb c\n", 0),
        ("sh -c 'echo $0 $1' zero one", "sh one\n", 0),
        ("printf 'a b c\\nd\\n' | while read x y; do echo \"$y|$x\"; done", "b c|a\n|d\n", 0),
        ("echo a > /f; echo $(< /f); while read x; do echo got $x; done < /f", "a\ngot a\n", 0),
        ("cat <<END\na $HOME\nEND\ncat <<'END' | wc -l\n$x\n\"\nEND", "a /root\n2\n", 0),
        ("export A=1 B; B=2; env | grep '^[AB]'; C=3 sh -c 'echo $C'; echo ${C:-none}",
         "A=1\nB=2\n3\nnone\n", 0),
        ("x=1; sh -c 'echo ${x:-unset}'; (x=2); echo $x", "unset\n1\n", 0),
        # As BusyBox's ash reads them; `\\e` is no code there.
        (r"""echo $'a\tb\n\x41\101\'q' "$'x'" pre$'mid 1'post $ $''.""",
         "a\tb\nAA'q $'x' premid 1post $ .\n", 0),
        (r"""x=$'new\nline'; echo "$x"; echo $'\e[0m'; for y in $'a b' c; do echo "<$y>"; done""",
         "new\nline\n\\e[0m\n<a b>\n<c>\n", 0),
        (r"printf 'a\tb\x41\n'; echo -e 'x\101\q'", "a\tbA\nxA\\q\n", 0),
        ("echo $'open", "sh: syntax error: unterminated quoted string\n", 2),
        ("cd /etc && pwd; (cd /tmp); pwd; cat hostname; cd /nosuch", "/etc\n/etc\nbox\n"
         "cd: No such file or directory\n", 1),
        ("{ echo a; echo b; } > /f; (echo c) >> /f; cat /f; echo out", "a\nb\nc\nout\n", 0),
        ("touch /tmp/b /tmp/a; echo /tmp/* '/tmp/*' /tmp/x*; cd /tmp; echo *",
         "/tmp/a /tmp/b /tmp/* /tmp/x*\na b\n", 0),
        ("sleep 2 & echo $!; wait; date +%S", "7\n02\n", 0),
        ("(sleep 1; exit 4) & wait $!; echo $?", "4\n", 0),
        ("sleep 100 & kill $!; wait $!; echo $?; kill 99", "143\n"
         "kill: can't kill pid 99: No such process\n", 1),
        ("exit 3 | true; echo $?; x=$(exit 5); echo $?", "0\n5\n", 0),
        ("for i in 1 2; do (exit $i); echo $?; done; f() { exit 6; }; f; echo never", "1\n2\n", 6),
        ("echo '#!/bin/sh' > /s; echo 'echo run $1' >> /s; /s; chmod +x /s; /s now",
         "sh: /s: Permission denied\nrun now\n", 0),
        ("echo x > /run/secrets/pw", "sh: can't create /run/secrets/pw: " + READ_ONLY, 1),
        ("cat /nosuch", "cat: can't open '/nosuch': No such file or directory\n", 1),
        ("touch /ok && test -f /ok && rm /ok; [ -e /ok ] || echo removed", "removed\n", 0),
        ("[ x -lt 3 ]; echo $?", "[: bad arguments\n2\n", 0),
        ("echo 'open", "sh: syntax error: unterminated quoted string\n", 2),
        ("if true; then echo", 'sh: syntax error: unexpected end of file (expecting "fi")\n', 2),
        ("date; hostname", "Sat Oct 28 12:00:00 UTC 2017\nbox\n", 0),
    ],
)  # fmt: skip
def test_scripts_behave_as_in_busybox(container, text, output, code):
    assert shell(container, text) == (output, code)


def test_sleep_takes_virtual_time(container):
    shell(container, "sleep 1.5; sleep 1m; exit 2", limit_ns=100 * S)
    assert (container.machine.simulation.now_ns, container.code) == (61_500 * MS, 2)


def test_time_passes_in_an_endless_loop(container):
    shell(container, "while true; do echo x; done", limit_ns=100 * MS)
    assert container.code is None
    assert 50 < len(container.output) < 200


def test_an_endless_loop_prints_ever_more_slowly_unless_it_pauses(container):
    """So that a cell or a log never drowns; each iteration of `yes` is a loop's, too."""
    shell(container, "while true; do echo x; done", limit_ns=600 * S)
    assert 8_000 < len(container.output) < 11_000


def test_a_loop_that_pauses_keeps_its_pace(container):
    shell(container, "while sleep 1; do echo x; done", limit_ns=3000 * S)
    assert 2_990 < len(container.output) < 3_000


def test_jobs_end_with_the_shell_and_are_bounded(container):
    shell(container, "sleep 5 && echo late & exit 0", limit_ns=20 * S)
    assert (container.text, container.code) == ("", 0)
    container.code = None
    shell(container, "f() { f & f & }; f; sleep 1; echo alive", limit_ns=5 * S)
    assert set(container.text.splitlines()) == {
        "sh: can't fork: Resource temporarily unavailable",
        "alive",
    }


def test_a_trap_ends_what_an_entry_point_waits_for(container):
    text = "trap 'kill $p; echo bye; exit 5' TERM; sleep 100 & p=$!; wait $p"
    process = container.run("sh", "-c", text, first=True)
    container.machine.simulation.run_until(1 * S)
    process.signal("TERM")
    container.machine.simulation.run_until(2 * S)
    assert (container.text, container.code) == ("bye\n", 5)


def test_process_1_without_a_handler_ignores_term_and_ends_on_kill(container):
    """So `sleep` takes the whole stop grace period. Source: signal(7), pid_namespaces(7)."""
    process = container.run("sleep", "60", first=True)
    process.signal("TERM")
    container.machine.simulation.run_until(10 * S)
    assert container.code is None
    process.signal("KILL")
    assert container.code == 137


def test_any_other_process_ends_on_term(container):
    container.run("sleep", "60").signal("TERM")
    assert container.code == 143


def test_a_trap_waits_for_the_foreground_command(container):
    """POSIX: a signal for which a trap is set is handled when the current command has ended."""
    process = container.run(
        "sh", "-c", "trap 'echo bye; exit 5' TERM; sleep 4; echo on", first=True
    )
    container.machine.simulation.run_until(1 * S)
    process.signal("TERM")
    container.machine.simulation.run_until(3 * S)
    assert container.code is None
    container.machine.simulation.run_until(5 * S)
    assert (container.text, container.code) == ("bye\n", 5)


def test_a_server_logs_its_start_and_exits_with_0_soon_after_its_stop_signal(container):
    process = container.run("/docker-entrypoint.sh", "nginx", "-g", "daemon off;", first=True)
    container.machine.simulation.run_until(1 * S)
    assert (container.text, container.code) == ("ready\n", None)
    process.signal("QUIT")
    container.machine.simulation.run_until(1 * S + 300 * MS)
    assert container.code == 0


def test_a_file_without_read_permission_cannot_be_read(container):
    container.run("cat", "/run/secrets/pw", uid=1000)
    assert container.text == "cat: can't open '/run/secrets/pw': Permission denied\n"


def test_a_script_is_read_from_the_input(container):
    container.run("sh", stdin=Input(b"echo from $HOME && hostname"))
    assert container.text == "from /root\nbox\n"


def test_a_copied_process_runs_independently(container):
    container.run("sh", "-c", "while sleep 1; do echo x | cat; test -f /f && exit; touch /f; done")
    twin = copy_of(container)
    container.machine.simulation.run_until(5 * S)
    assert (container.text, twin.text) == ("x\nx\n", "")
    twin.machine.simulation.run_until(5 * S)
    assert twin.output == container.output
