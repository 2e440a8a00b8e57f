"""What Tab offers inside the calls of a cluster, and what a cell says that is run too early."""

from __future__ import annotations

import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell

import swarmlab


@pytest.fixture
def shell(cluster: swarmlab.Cluster) -> InteractiveShell:
    shell = InteractiveShell()
    swarmlab.load_ipython_extension(shell)
    shell.user_ns["cluster"] = cluster
    return shell


def offers(shell: InteractiveShell, typed: str) -> list[str]:
    with provisionalcompleter():
        return [offer.text for offer in shell.Completer.completions(typed, len(typed))]


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ('cluster.crash("m', ["m1", "m2", "m3"]),
        ("cluster.client('w", ["w1", "w2"]),
        ('cluster.partition("m1,w', ["w1", "w2"]),
        ('cluster.partition(["m1"], ["m', ["m1", "m2", "m3"]),
        ('cluster.slow("m1", "w2', ["w2"]),
    ],
)
def test_names_of_nodes_are_completed(shell: InteractiveShell, typed: str, offered: list[str]):
    assert offers(shell, typed) == offered


@pytest.mark.parametrize("typed", ['cluster.run("m', 'other.crash("m', 'cluster.crash("m1") + "m'])
def test_elsewhere_no_node_is_offered(shell: InteractiveShell, typed: str):
    assert not {"m1", "m2"} & set(offers(shell, typed))


def test_a_cell_that_is_run_too_early_is_told_so(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str]
):
    shell.run_cell("bet.reveal()")
    said = capsys.readouterr().out
    assert said.startswith("✘ 'bet' is not known yet: a cell above was not run.")
    assert len(said.splitlines()) == 1


def test_a_mistake_in_a_function_keeps_its_traceback(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str]
):
    shell.run_cell("def act():\n    return bet\nact()")
    assert "Traceback" in capsys.readouterr().out


def test_a_cell_that_is_stopped_says_so_in_a_line(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str]
):
    result = shell.run_cell("import signal\nsignal.raise_signal(signal.SIGINT)")
    assert isinstance(result.error_in_exec, KeyboardInterrupt)
    said = capsys.readouterr().out
    assert said.startswith("Stopped, and the swarm is whole.")
    assert len(said.splitlines()) == 1
