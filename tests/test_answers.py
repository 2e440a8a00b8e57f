"""What public names answer with, as a learner meets it in a cell: it can be read, and a use of it
that doesn't fit is told in one sentence."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from typing import Any

import anywidget
import docker
import ipywidgets
import pytest
from IPython.core.interactiveshell import InteractiveShell

import swarmlab
from swarmlab.cluster import calls
from swarmlab.cluster.base import BaseCluster
from swarmlab.lessons import bets
from tests.test_calls import Odd
from tests.test_public import CLUSTERS, PUBLIC, RESULTS

# How Python shows what has no text of its own.
UNREADABLE = re.compile(r"\bat 0x[0-9a-f]+|<(bound method|function|class)|object>")
NAMES = {name.rpartition(".")[2]: value for name, value in PUBLIC.items()} | {"swarmlab": swarmlab}
SURELY_WRONG = 6  # of `wrong_uses`; the others may be taken, as an argument of no consequence
LIVE = type, ipywidgets.Widget, BaseCluster
OF_WIDGETS = {*dir(ipywidgets.VBox), *dir(anywidget.AnyWidget)}
# What no simulation shows, and what takes minutes.
ELSEWHERE = {
    "HttpRequests",
    "Growth",
    "AnyCluster",
    "Scaling",
    *(kind.__name__ for kind in CLUSTERS),
}
INSTEAD = {
    "quorum_table": "quorum_table([3], make=swarmlab.simulate)",
    "meter": "meter(cluster, cluster)",
    "serve": "cluster.serve('lab')",
}


def answers() -> Iterator[tuple[str, Any]]:
    """The class of an answer, and one: the example in the help of a public name that gives it."""
    cluster = swarmlab.simulate(managers=3, workers=2, seed=7)
    client = cluster.client()
    ports = docker.types.EndpointSpec(ports={8080: 80})
    mode = docker.types.ServiceMode("replicated", 3)
    client.services.create("nginx", name="web", mode=mode, endpoint_spec=ports)
    client.secrets.create(name="senha-db", data=b"x")
    cluster.run("10s")
    known = {**NAMES, "cluster": cluster, "client": client}
    wanted = {*RESULTS} - ELSEWHERE
    for name, value in PUBLIC.items():
        kind = str(inspect.signature(value).return_annotation) if inspect.isfunction(value) else ""
        if not (given := wanted & {*re.findall(r"\w+", kind)}) or name.startswith(("La", "Con")):
            continue
        last = name.rpartition(".")[2]
        code = INSTEAD.get(last, calls.example(value)).removesuffix("(…)")
        if name.startswith("Sim"):
            code = f"cluster.{code.removeprefix('cluster.')}"
        answer = eval(code, known | ({} if name.startswith("Sim") else {last: value}))
        if (found := type(answer).__name__) in given:
            wanted.discard(found)
        yield found, answer
    yield "NodeRow", cluster.nodes["m1"]
    yield "Record", [*{type(record): record for record in cluster.trace}.values()]
    yield "Topology", known["topology"](client)


def parts(value: Any, path: str, known: set[int], depth: int = 4) -> Iterator[tuple[str, Any]]:
    """An answer, and what can be read from it, with how it's reached."""
    if id(value) in known or depth == 0:
        return
    known.add(id(value))
    if type(value).__module__.partition(".")[0] in ("builtins", "swarmlab"):
        yield path, value
    if isinstance(value, list | tuple):
        for number, item in enumerate(value[:40]):
            yield from parts(item, f"{path}[{number}]", known, depth - 1)
    elif isinstance(value, Mapping):
        for key, item in [*value.items()][:40]:
            yield from parts(item, f"{path}[{key!r}]", known, depth - 1)
    elif type(value).__module__.startswith("swarmlab.") and not isinstance(value, LIVE):
        for name in attributes(value):
            item = getattr(value, name)
            if not callable(item):
                yield from parts(item, f"{path}.{name}", known, depth - 1)


def attributes(value: Any) -> list[str]:
    known = OF_WIDGETS if isinstance(value, ipywidgets.Widget) else set()
    return [name for name in dir(value) if name[0] != "_" and name not in known]


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The class of an answer -> one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("answers"))
        patch.setattr(bets.SCORE, "bets", {})
        found: dict[str, Any] = {}
        for kind, answer in answers():
            found.setdefault(kind, answer)
        yield found
        found["ServedSockets"].close()
        ipywidgets.Widget.close_all()  # else they are drawn after the cells of later tests


def test_each_kind_of_answer_is_tried(answered: dict[str, Any]):
    assert {*RESULTS} - {*answered} == ELSEWHERE


def test_what_an_answer_and_its_parts_show_can_be_read(answered: dict[str, Any]):
    known: set[int] = set()
    shown = {
        path: repr(part)
        for kind, answer in answered.items()
        for path, part in parts(answer, kind, known)
    }
    assert len(shown) > 500
    assert {path: text[:200] for path, text in shown.items() if UNREADABLE.search(text)} == {}


def test_an_answer_is_shown_as_html_too(answered: dict[str, Any]):
    plain = {kind for kind, answer in answered.items() if not hasattr(answer, "_repr_html_")}
    assert plain == {"ClusterRegistry", "Record", "Trace"}  # a line, or a list


def wrong_uses(answer: Any) -> Iterator[str]:
    """Cells that use an answer, as `it`, in a way that doesn't fit."""
    yield from ("it[7777]", "it['nope']", "it[None]", "it()", "it.nothing_like_it")
    yield f"it.{attributes(answer)[0]}z"
    for name in attributes(answer):
        if not inspect.ismethod(method := getattr(answer, name)):
            continue
        yield f"it.{name}(oddly=1)"
        parameters = inspect.signature(method).parameters.values()
        if not any(p.kind is p.VAR_POSITIONAL for p in parameters):
            yield f"it.{name}(*[1] * 20)"
        needed = [
            p.name for p in parameters if p.default is p.empty and p.kind is not p.VAR_POSITIONAL
        ]
        for parameter in parameters:
            names = (
                {*needed, parameter.name} if parameter.kind is not parameter.VAR_POSITIONAL else ()
            )
            yield f"it.{name}({', '.join(f'{one}=odd' for one in names) or 'odd'})"


@pytest.fixture(scope="module")
def shell() -> InteractiveShell:
    shell = InteractiveShell()
    swarmlab.load_ipython_extension(shell)
    shell.user_ns["odd"] = Odd()
    return shell


@pytest.mark.parametrize("kind", sorted({*RESULTS} - ELSEWHERE))
def test_a_use_that_does_not_fit_is_told_in_one_sentence(
    kind: str, answered: dict[str, Any], shell: InteractiveShell, capsys: pytest.CaptureFixture[str]
):
    shell.user_ns["it"] = answered[kind]
    uses, told = [*wrong_uses(answered[kind])], {}
    for cell in uses:
        failed = shell.run_cell(cell).error_in_exec is not None
        output = capsys.readouterr().out
        told |= {cell: output} if failed else {}
    assert {*uses[:SURELY_WRONG]} <= {*told}
    assert {cell: text for cell, text in told.items() if not re.fullmatch("✘ .*\n", text)} == {}
