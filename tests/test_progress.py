"""Long work says how far it is, in a cell and in a terminal, and leaves nothing behind."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from jupyter_client import KernelManager

import swarmlab
from swarmlab.views import progress
from swarmlab.views.progress import LongWork, each


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True

    @property
    def lines(self) -> list[str]:
        return self.getvalue().split("\r\033[K")[1:]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Standard error is a terminal; each look at the wall clock is half a second later."""
    terminal, clock = Terminal(), itertools.count(0, 0.5)
    monkeypatch.setattr(progress, "sys", SimpleNamespace(stderr=terminal, modules={}))
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    return terminal


def test_work_of_less_than_two_seconds_says_nothing(terminal: Terminal):
    assert each("sizes", str, range(3)) == ["0", "1", "2"]
    assert terminal.getvalue() == ""


def test_longer_work_says_how_far_it_is_and_its_line_is_empty_in_the_end(terminal: Terminal):
    each("sizes", str, range(10))
    assert terminal.lines[0] == "sizes: 3 / 10"
    assert terminal.lines[-2:] == ["sizes: 9 / 10", ""]


def test_the_line_is_empty_after_an_interrupt_and_the_next_work_has_its_own(terminal: Terminal):
    def stop(number: int) -> int:
        if number == 8:
            raise KeyboardInterrupt
        return number

    with pytest.raises(KeyboardInterrupt):
        each("sizes", stop, range(10))
    assert terminal.lines[-1] == ""
    each("rows", str, range(10))
    assert terminal.lines[-2] == "rows: 9 / 10"


def test_of_work_within_work_the_outer_speaks_alone(terminal: Terminal):
    with LongWork("all") as whole:
        for number in range(8):
            whole.at(number, 8)
            each("parts", str, range(10))
    assert {line.partition(":")[0] for line in terminal.lines} == {"all", ""}
    assert terminal.lines.count("") == 1


@pytest.mark.parametrize(
    ("work", "said"),
    [
        (lambda cluster: cluster.run("2m"), "simulated seconds: "),
        (lambda cluster: cluster.until(lambda: cluster.now_ns > 60e9), "seconds waited, at most: "),
        (lambda _: swarmlab.simulate(managers=1, workers=20), "nodes joined: "),
        (lambda _: swarmlab.simulate(managers=1, workers=80), "nodes joined: 5 / 81"),
        (lambda _: swarmlab.simulate(managers=1, workers=80), "nodes joined: 70 / 81"),
    ],
)
def test_time_that_passes_and_swarms_that_form_say_so(terminal: Terminal, work: Any, said: str):
    work(swarmlab.simulate(managers=1, workers=0, seed=7))
    assert [line for line in terminal.lines if line.startswith(said)]
    assert terminal.lines[-1] == ""


def test_a_run_of_many_hours_is_told_as_often_as_one_of_minutes(terminal: Terminal):
    cluster = swarmlab.simulate(managers=1, workers=0, seed=7)
    cluster.run("8h")  # of which a watcher looks every eight minutes
    assert len(terminal.lines) > 1000


def test_a_line_that_is_watched_changes_no_trace(terminal: Terminal):
    one, other = (swarmlab.simulate(managers=3, workers=2, seed=7) for _ in range(2))
    one.run("3m")
    for _ in range(180):
        other.run("1s")
    assert one.trace.digest() == other.trace.digest()


def test_where_nobody_watches_nothing_is_written(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(progress, "AFTER_S", 0)
    swarmlab.simulate(managers=1, workers=0).run("2m")
    assert capsys.readouterr() == ("", "")


# -- in a kernel -----------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def kernel() -> Iterator[Any]:
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel()
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=60)
    client.manager = manager
    run(client, "import swarmlab; from swarmlab.views import progress; progress.EVERY_S = 0")
    run(client, "cluster = swarmlab.simulate(seed=7); progress.AFTER_S = 0")
    yield client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def run(client: Any, code: str, interrupt_at: str = "") -> list[tuple[str, str]]:
    """What a cell shows: (kind of message, text), oldest first."""
    shown, request = [], client.execute(code)
    while True:
        message = client.get_iopub_msg(timeout=60)
        content, kind = message["content"], message["msg_type"]
        if message["parent_header"].get("msg_id") != request:
            continue
        if kind == "status" and content["execution_state"] == "idle":
            return shown
        text = content.get("data", {}).get("text/plain", "\n".join(content.get("traceback", ())))
        if kind in ("display_data", "update_display_data", "error", "execute_result"):
            shown.append((kind, text))
        if interrupt_at and text.startswith(interrupt_at):
            client.manager.interrupt_kernel()
            interrupt_at = ""


def test_in_a_cell_one_line_moves_and_is_empty_in_the_end(kernel: Any):
    (first, *moves, last) = run(kernel, "cluster.run('2m')")
    assert first == ("display_data", "simulated seconds: 0 / 120")
    assert ("update_display_data", "simulated seconds: 60 / 120") in moves
    assert last == ("update_display_data", "")


def test_a_cell_that_is_stopped_leaves_no_line(kernel: Any):
    shown = run(kernel, "cluster.run('900h')", interrupt_at="simulated seconds: ")
    kinds = [kind for kind, _text in shown if kind != "update_display_data"]
    assert kinds == ["display_data", "error"]
    assert shown[-2] == ("update_display_data", "")
    assert shown[-1][1].startswith("Stopped; the swarm is intact.")


def test_a_command_that_waits_shows_its_bar_and_removes_it(kernel: Any):
    shown = run(kernel, "%docker service create --name web --replicas 2 nginx")
    assert shown[0][0] == "display_data"
    assert [text for _kind, text in shown if "[" in text]
    assert shown[-1] == ("update_display_data", "")


def test_tab_completes_in_a_kernel(kernel: Any):
    for code, expected in [
        ("%docker node update --availability ", ["active", "drain", "pause"]),
        ('cluster.explain("web.', ["web.1", "web.2"]),
        ('cluster.client().services.get("', ["web"]),
        ('cluster.nodes["w', ["w1", "w2"]),
    ]:
        reply = kernel.complete(code, len(code), reply=True, timeout=30)["content"]
        assert reply["matches"][: len(expected)] == expected
