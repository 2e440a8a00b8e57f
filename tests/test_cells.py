"""Completion of node names in calls of a cluster, and errors of cells that are run too early."""

from __future__ import annotations

import io
import re

import nbformat
import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell

import swarmlab
from swarmlab.jupyter.magic import run_commands
from swarmlab.views.board import board_of
from swarmlab.views.snapshot import look
from tests.planted import ROOT

PAGE = {
    cell.id: cell.source
    for cell in nbformat.read(ROOT / "notebooks" / "00_start_here.ipynb", 4).cells
    if cell.cell_type == "code"
}


@pytest.fixture
def shell(cluster: swarmlab.Cluster) -> InteractiveShell:
    shell = InteractiveShell()
    swarmlab.load_ipython_extension(shell)
    shell.user_ns["cluster"] = cluster
    return shell


def run_page(shell: InteractiveShell, skipped: str, click: str = "") -> dict[str, str]:
    """Run page 00 but for one cell; before it, `click` crashes a node. Cell -> its error."""
    errors = {}
    for name, source in PAGE.items():
        if name == skipped and click:
            board_of(swarmlab.latest()).act("crash", {"node": click})
        if name == skipped and not click:
            continue
        result = shell.run_cell(source)
        error = result.error_in_exec or result.error_before_exec
        if error is not None:
            errors[name] = f"{type(error).__name__}: {error}"
    return errors


def completions(shell: InteractiveShell, typed: str) -> list[str]:
    with provisionalcompleter():
        return [completion.text for completion in shell.Completer.completions(typed, len(typed))]


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ('cluster.crash("m', ["m1", "m2", "m3"]),
        ("cluster.client('w", ["w1", "w2"]),
        ('cluster.partition("m1,w', ["w1", "w2"]),
        ('cluster.partition(["m1"], ["m', ["m1", "m2", "m3"]),
        ('cluster.slow("m1", "w2', ["w2"]),
    ],
)
def test_names_of_nodes_are_completed(shell: InteractiveShell, typed: str, expected: list[str]):
    assert completions(shell, typed) == expected


@pytest.mark.parametrize("typed", ['cluster.run("m', 'other.crash("m', 'cluster.crash("m1") + "m'])
def test_node_names_are_not_completed_elsewhere(shell: InteractiveShell, typed: str):
    assert not {"m1", "m2"} & set(completions(shell, typed))


def test_a_name_from_a_cell_that_was_not_run_gives_one_line(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str]
):
    for source in (
        "bet.reveal()",
        "é = 1; bet.reveal()",
        "for m in 'ab':\n    m = bet\n    print(m)",
    ):
        shell.run_cell(source)
        output = capsys.readouterr().out
        assert output.startswith("✘ 'bet' is not known yet: a cell above was not run. Nothing has")
        assert len(output.splitlines()) == 1


@pytest.mark.parametrize(
    "source",
    [
        "cluster.crash('m1')\nbet.reveal()",
        "cluster.crash('m1'); é = bet",
        "é = len('é'), bet",
        "%docker node ls\nbet",
        "if cluster.names:\n    cluster.run('1s')\n    bet",
    ],
)
def test_what_ran_before_the_name_that_is_missed_is_told(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str], source: str
):
    shell.run_cell(source)
    line = capsys.readouterr().out.splitlines()[-1]
    assert line.startswith("✘ 'bet' is not known yet: a cell above was not run. Part of this cell")


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("cluster.cras('m1')", "✘ there is no 'cras'; did you mean 'crash'?"),
        ("cluster.crash()", '✘ crash: name is missing; write it like `crash("m1", "w2")`'),
        ("cluster.nodez", "✘ there is no 'nodez'; did you mean 'nodes'?"),
        (
            "cluster.nothing_like_it",
            "✘ `cluster.nothing_like_it`: there is no 'nothing_like_it'; "
            "Tab after `cluster.` offers what it has",
        ),
        (
            "print([row.stat for row in cluster.nodes])",
            "✘ there is no 'stat'; did you mean 'state'?",
        ),
        (
            "cluster.until(lambda: cluster.nodes['m1'].stat == 'down')",
            "✘ there is no 'stat'; did you mean 'state'?",
        ),
        ("cluster.nodes[7]", "✘ there is no node 7; there are m1, m2, m3, w1, w2"),
        (
            "first = 1\nlast = cluster.names[9]",
            "✘ `cluster.names[9]`: there are fewer; [0] is the first, [-1] the last",
        ),
        (
            "next(name for name in cluster.names if name == 'm9')",
            "✘ `next((name for name in cluster.names if name == 'm9'))`: nothing there fits (yet); "
            "run the cells above first",
        ),
        (
            "cluster.names['m1']",
            "✘ `cluster.names['m1']`: it is indexed by place; [0] is the first, [-1] the last",
        ),
        (
            "cluster.trace[0]",
            "✘ `cluster.trace[0]`: it takes no [ ]; Tab after `cluster.trace.` offers what it has",
        ),
        ("cluster.names()", "✘ `cluster.names()`: it is no function: write it without parentheses"),
        (
            "cluster.client().info()['Node']",
            "✘ `cluster.client().info()['Node']`: there is no such key; "
            "`list(cluster.client().info())` shows the keys",
        ),
        (
            "cluster.client().services.create()",
            "✘ `cluster.client().services.create()`: image is missing; "
            "`cluster.client().services.create?` shows how to call it",
        ),
        (
            "cluster.client().services.create('nginx', nam='web')",
            "✘ `cluster.client().services.create('nginx', nam='web')`: there is no argument 'nam'; "
            "`cluster.client().services.create?` shows how to call it",
        ),
        ("cluster.client().servces", "✘ there is no 'servces'; did you mean 'services'?"),
        (
            "cluster.trace.of('Started', 2)",
            "✘ `cluster.trace.of('Started', 2)`: too many arguments; "
            "`cluster.trace.of?` shows how to call it",
        ),
        ("cluster.trace.of('Started')", "✘ of: kind='Started' is not a class"),
        (
            "swarmlab.simulate(manager=3)",
            "✘ simulate: there is no argument 'manager'; there are managers, workers, seed, "
            "any_image; write it like `simulate(managers=3, workers=2, seed=7)`",
        ),
    ],
)
def test_a_misspelled_name_and_a_call_that_does_not_fit_give_one_line(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str], source: str, line: str
):
    shell.user_ns["swarmlab"] = swarmlab
    shell.run_cell(source)
    assert capsys.readouterr().out == f"{line}\n"


@pytest.mark.parametrize("source", ["1 / 0", "1 + 'a'", "int('x')"])
def test_other_errors_keep_their_traceback(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str], source: str
):
    shell.run_cell(source)
    assert "Traceback" in capsys.readouterr().out


def test_an_error_inside_a_function_keeps_its_traceback(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str]
):
    shell.run_cell("def act():\n    return bet\nact()")
    assert "Traceback" in capsys.readouterr().out


AGAIN = "client.services.create('nginx', name='web')"


@pytest.mark.parametrize(
    ("source", "line", "next_step"),
    [
        (
            "client.services.get('nope')",
            "✘ service nope not found. ",
            r"`client\.services\.list\(\)`",
        ),
        (f"{AGAIN}\n{AGAIN}", "✘ rpc error: code = AlreadyExists", "an earlier run|ran before"),
        ("client.services.create('nginx', name='a b')", "✘ rpc error", "Nothing has changed"),
        (
            f"{AGAIN}\nweb = client.services.get('web')\nclient.services.get('web').scale(2)\n"
            "web.update(image='redis')",
            "✘ rpc error: code = Unknown desc = update out of sequence. ",
            r"`\.reload\(\)`",
        ),
        (
            f"web = {AGAIN}\nweb.remove()\nweb.remove()",
            "✘ service ",
            r"not found. Look",
        ),
        ("cluster.client('w1').nodes.list()", "✘ This node is not a swarm manager.", "A manager"),
        ("cluster.client('m9')", "✘ there is no node 'm9'; there are m1, m2, ", "m3, w1, w2$"),
        (
            "cluster.crash('m1', 'm2')\ncluster.run('30s')\n"
            "cluster.client('m3').secrets.create(name='s', data=b'x')",
            "✘ rpc error: code = Unknown desc = The swarm does not have a leader.",
            r"`cluster\.start\(…\)`",
        ),
        (
            "cluster.crash('m1')\ncluster.client('m1').ping()",
            "✘ The engine doesn't answer: Connection refused. ",
            "`cluster.nodes`",
        ),
    ],
)
def test_a_refusal_through_the_sdk_gives_one_line_with_a_next_step(
    source: str,
    line: str,
    next_step: str,
    shell: InteractiveShell,
    capsys: pytest.CaptureFixture[str],
):
    shell.user_ns["client"] = shell.user_ns["cluster"].client("m1")
    shell.run_cell(source)
    (said,) = capsys.readouterr().out.strip().splitlines()
    assert said.startswith(line)
    assert re.search(next_step, said)


@pytest.mark.parametrize(
    "line",
    [
        "service create -q -d -p 80:80 nginx",
        "network create -d overlay n",
        "run -d --name cache redis",
    ],
)
def test_a_line_that_is_run_twice_has_a_hint(
    line: str, shell: InteractiveShell, capsys: pytest.CaptureFixture[str]
):
    swarmlab.simulate(seed=7)
    shell.run_cell(f"%docker {line}")
    assert "hint: " not in capsys.readouterr().out
    shell.run_cell(f"%docker {line}")
    assert "hint: that's taken, perhaps since the same lines ran before" in capsys.readouterr().out


def test_an_interrupted_cell_gives_one_line(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str]
):
    result = shell.run_cell("import signal\nsignal.raise_signal(signal.SIGINT)")
    assert isinstance(result.error_in_exec, KeyboardInterrupt)
    output = capsys.readouterr().out
    assert output.startswith("Stopped; the swarm is intact.")
    assert len(output.splitlines()) == 1


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ("%docker node ls -q", []),
        ("%docker node ls -q\n%docker -H m2 node ls -q", ["node ls -q", "-H m2 node ls -q"]),
        ("%%docker\n# all\nnode ls -q \\\n  --filter name=m1", []),
        (
            "%%docker -H m2\nservice ls -q\nprintf x | docker secret create s -",
            ["service ls -q", "printf x | docker secret create s -"],
        ),
    ],
)
def test_each_command_of_several_stands_above_its_output(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str], cell: str, shown: list[str]
):
    swarmlab.simulate(seed=7)
    shell.parent_header = {"content": {"code": cell}}  # as a kernel has it
    shell.run_cell(cell)
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("$ ")]
    assert lines == [f"$ {line}" if "|" in line else f"$ docker {line}" for line in shown]


def test_a_cell_is_the_file_that_its_command_reads(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str]
):
    """As `docker stack deploy -c - <<END` in a shell; nothing in the file is replaced or run."""
    cluster = swarmlab.simulate(seed=7)
    cell = """%%docker -H m2 stack deploy --detach=true --compose-file - site
services:
  web:
    image: nginx  # one line | of many
    labels: {price: "$$(node ls -q)"}
"""
    shell.parent_header = {"content": {"code": cell}}
    shell.run_cell(cell)
    assert capsys.readouterr().out == "Creating network site_default\nCreating service site_web\n"
    (web,) = cluster.client().services.list()
    labels = web.attrs["Spec"]["TaskTemplate"]["ContainerSpec"]["Labels"]
    assert labels["price"] == "$(node ls -q)"
    shell.run_cell("%docker stack ls\nprint('after')")
    assert capsys.readouterr().out.splitlines()[-1] == "after"


class Stream(io.StringIO):
    """Like one of a kernel's two: a cell shows both in the order in which they are flushed."""

    def __init__(self, shown: list[str]) -> None:
        super().__init__()
        self.shown = shown

    def flush(self) -> None:
        self.shown.extend(self.getvalue().splitlines())
        self.seek(0)
        self.truncate()


def test_both_streams_of_a_command_are_shown_in_the_order_in_which_it_wrote_them(
    cluster: swarmlab.Cluster,
):
    shown: list[str] = []
    script = "echo first; sleep 1; echo wrong >&2; sleep 1; echo last"
    run_commands(f"run --rm alpine sh -c '{script}'", Stream(shown), Stream(shown))
    assert shown[0] == "Unable to find image 'alpine:latest' locally"
    assert shown[-3:] == ["first", "wrong", "last"]


def test_the_error_of_a_command_and_its_hint_come_below_it_in_that_order(cluster: swarmlab.Cluster):
    shown: list[str] = []
    lines = "service create --secret-add=senha demo\nservice create -d   -q nginx"
    run_commands(lines, Stream(shown), Stream(shown), shown=True)
    at = {text: shown.index(text) for text in shown}
    hint = next(line for line in shown if line.startswith("hint: "))
    command, other = (line for line in shown if line.startswith("$ docker"))
    assert at[command] < at["unknown flag: --secret-add"] < at[hint] < at[other]
    assert other == "$ docker service create -d -q nginx"
    assert len(hint) < 72
    assert at[other] > at[hint] + 1  # it goes on below


def test_the_node_of_a_cell_is_not_that_of_the_next(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str]
):
    swarmlab.simulate(seed=7)
    shell.run_cell("%%docker -H m2\nnode ls")
    shell.run_cell("%docker node ls")
    of_cell, of_next = capsys.readouterr().out.split("HOSTNAME")[1:]
    assert re.search(r"\* +m2 ", of_cell)
    assert re.search(r"\* +m1 ", of_next)


# -- cells that are left out -----------------------------------------------------------------------
@pytest.mark.parametrize("skipped", list(PAGE)[1:])
def test_whatever_is_skipped_of_the_first_page_a_later_cell_goes_on(
    shell: InteractiveShell, skipped: str
):
    """Only a name that the skipped cell brings is missing, which is said in one line."""
    errors = run_page(shell, skipped)
    brings = set(re.findall(r"\w+", PAGE[skipped].partition("\n")[0]))
    unknown = {re.sub("NameError: name '(.+)' is not defined", r"\1", e) for e in errors.values()}
    assert unknown <= brings
    nodes = {node.name: node for node in look(shell.user_ns["cluster"]).nodes}
    assert (nodes["m1"].state == "ready") is (skipped != "back")


def test_a_node_that_was_crashed_by_a_click_is_not_crashed_again(shell: InteractiveShell):
    (m1,) = (node.key for node in look(shell.user_ns["cluster"]).nodes if node.name == "m1")
    assert run_page(shell, "crash", click=m1) == {}
    assert look(shell.user_ns["cluster"]).leader in ("m2", "m3")
