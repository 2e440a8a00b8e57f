"""What a reader meets: how objects show themselves, the help and the types of public names."""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from IPython.core.interactiveshell import InteractiveShell

import swarmlab
from swarmlab import strings
from swarmlab.cluster.simulated import SimulatedCluster
from swarmlab.real.cluster import RealCluster
from swarmlab.real.connected import ConnectedCluster
from swarmlab.real.launched import LaunchedCluster
from tests.planted import ROOT


# -- forms -----------------------------------------------------------------------------------------
def test_a_cluster_shows_its_nodes_and_what_runs_on_them(tmp_path: Path):
    cluster = swarmlab.simulate(managers=3, workers=2, seed=7)
    cluster.client().services.create("nginx", name="web")
    cluster.run("10s")
    cluster.crash("m2")
    others = cluster.fork(), swarmlab.load(cluster.save(tmp_path / "run.json"))
    for shown in (cluster, *others):
        html = shown._repr_html_()
        line = f"Cluster simulated, 4 of 5 nodes up, t = {cluster.now_ns / 1e9:.1f} s"
        assert repr(shown) == f"<{line}>"
        assert f"<b>{line}</b>" in html
        assert [name for name in cluster.names if f">{name}</td>" not in html] == []
        assert "web.1 running" in html
        assert "service web (nginx): 1 of 1 running" in html
    cluster.crash("m1")
    cluster.run("30s")
    assert ". No leader: the swarm" in cluster._repr_html_()


def shown_text(value: Any) -> str:
    """What a terminal with IPython shows of it."""
    return str(InteractiveShell().display_formatter.format(value)[0]["text/plain"])


@pytest.mark.parametrize("language", ["en", "pt_BR"])
def test_the_text_of_a_cluster_is_a_table_with_its_columns_aligned(language: str):
    cluster = swarmlab.simulate(managers=3, workers=1, seed=7)
    cluster.client().services.create("nginx", name="web")
    cluster.run("10s")
    strings.use(language)
    try:
        title, heads, *rows, _leads, _service = shown_text(cluster).splitlines()
        assert title == repr(cluster).strip("<>")
        assert ("nodes up" in title) == (language == "en")
        starts = [match.start() for match in re.finditer(r"(?<!\S)\S+(?: \S+)*", heads)]
        assert len(starts) == 9
        assert [row[:2] for row in rows] == ["m1", "m2", "m3", "w1"]
        assert [
            row for row in rows for at in starts if at < len(row) and row[at - 1 : at].strip()
        ] == []
        assert [row[starts[1] :].split()[0] for row in rows] == ["manager"] * 3 + ["worker"]
        assert repr(cluster) in shown_text([cluster])  # one line within a list
    finally:
        strings.use()


def test_a_swarm_whose_managers_are_all_down_is_not_taken_for_plain_engines():
    cluster = swarmlab.simulate(managers=1, workers=1, seed=7)
    cluster.crash("m1")
    assert [row.condition for row in cluster.nodes] == ["crashed", "in a swarm; no manager tells"]
    assert "not known" in repr(cluster.nodes)
    assert "No leader: the swarm can't change" in shown_text(cluster)
    cluster.crash("w1")
    assert "No leader: the swarm can't change" in shown_text(cluster)
    engines = swarmlab.engines(["a", "b"])
    engines.crash("a")
    assert [row.condition for row in engines.nodes] == ["crashed", "in no swarm"]
    assert "No swarm: plain engines" in shown_text(engines)


def test_a_large_cluster_shows_its_first_nodes_and_how_many_more_there_are():
    html = swarmlab.engines([f"n{number}" for number in range(45)])._repr_html_()
    assert html.count("<tr>") == 1 + 40
    assert "… and 5 more nodes" in html


class Unreachable(RealCluster):
    """Real engines that do not answer."""

    lab = "test"
    names = ["m1"]  # noqa: RUF012

    def up(self) -> list[str]:
        return self.names

    def client(self, name: str | None = None) -> Any:
        raise ConnectionRefusedError("nobody <listens>")

    def close(self) -> None:
        pass


def test_a_real_cluster_that_does_not_answer_shows_why():
    html = Unreachable(print)._repr_html_()
    assert "<b>Cluster real, 1 of 1 nodes up, test</b>" in html
    assert "nobody &lt;listens&gt;" in html


def test_messages_in_flight_are_a_list_that_prints_as_a_table():
    cluster = swarmlab.simulate(seed=7)
    cluster.until(cluster.in_flight)
    messages = cluster.in_flight()
    assert messages == [*messages]
    first, title = messages[0], f"{len(messages)} messages in flight"
    heads, row, *_ = repr(messages).partition("\n")[2].splitlines()
    assert repr(messages).startswith(title)
    assert heads.split("  ")[0] == "arrives at"
    assert row.split()[:4] == [f"{first.arrives_ns / 1e9:.3f}", "s", first.source, first.target]
    assert title in messages._repr_html_()
    assert f">{first.target}</td>" in messages._repr_html_()


def test_nodes_are_rows_by_place_and_by_name():
    nodes = swarmlab.simulate(managers=1, workers=1, seed=7).nodes
    assert nodes["w1"] is nodes[1]
    assert nodes[:1] == (nodes["m1"],)
    assert [line.split()[0] for line in repr(nodes["w1"]).splitlines()] == ["NAME", "w1"]
    assert "<td" in nodes["w1"]._repr_html_()
    with pytest.raises(swarmlab.LabError, match="there is no node 'm9'; there are m1, w1"):
        nodes["m9"]


# -- help and types --------------------------------------------------------------------------------
IMPORTED = re.compile(r"^from (swarmlab[\w.]*) import ([^(].*|\([^)]*\))$", re.MULTILINE)
CLUSTERS = (SimulatedCluster, LaunchedCluster, ConnectedCluster)
# Attributes of clusters that only the kit's own code uses.
FOR_THE_KIT = {
    *("kind", "has_trace", "virtual_time", "typed", "check_names", "form_swarm", "clock_ns"),
    *("world", "build", "apply", "record_request", "record_interrupt", "machine", "engine"),
    *("alive", "add", "set_up", "wait_for", "lab", "addressable_nodes", "leader_according_to"),
    "put_back",
}


def public_names() -> dict[str, Any]:
    """What a reader calls: all that the package exports, that a page imports, and that Tab offers
    after `cluster.`."""
    pages = [nbformat.read(path, 4).cells for path in sorted((ROOT / "notebooks").glob("*.ipynb"))]
    code = "\n".join(c.source for cells in pages for c in cells if c.cell_type == "code")
    found = {name: getattr(swarmlab, name) for name in swarmlab.__all__}
    for module, names in IMPORTED.findall(code):
        for name in re.findall(r"\w+", names):
            found[f"{module}.{name}"] = getattr(importlib.import_module(module), name)
    for kind in CLUSTERS:
        attributes = {name: getattr(kind, name) for name in dir(kind) if name[0] != "_"}
        found |= {f"{kind.__name__}.{n}": a for n, a in attributes.items() if n not in FOR_THE_KIT}
    return {name: getattr(value, "fget", value) for name, value in found.items()}


PUBLIC = public_names()


@pytest.mark.parametrize("name", PUBLIC)
def test_the_help_of_each_public_name_has_an_example_and_names_its_page(name: str):
    """So `cluster.crash?` and `cluster?` lead to the notebook that teaches it."""
    help, last = inspect.getdoc(PUBLIC[name]) or "", name.rpartition(".")[2]
    (page,) = re.findall(r"Lesson: (\w+)\.", help)
    assert (ROOT / "notebooks" / f"{page}.ipynb").exists()
    assert re.search(rf"^>>> |`[^`]*\b{last}\b[^`]*`", help, re.MULTILINE)


@pytest.mark.parametrize("name", [n for n, v in PUBLIC.items() if not isinstance(v, type)])
def test_public_signatures_have_types(name: str):
    """`topology?` says that it takes a cluster, and what it gives."""
    signature = inspect.signature(PUBLIC[name])
    parameters = [p for p in signature.parameters.values() if p.name not in ("self", "config")]
    types = [*(parameter.annotation for parameter in parameters), signature.return_annotation]
    assert [
        text for text in types if not isinstance(text, str) or re.search(r"\bAny\b", text)
    ] == []


def result_classes() -> dict[str, type]:
    """The kit's classes that public names answer with, and the rows in one of them."""
    package = ROOT / "swarmlab"
    files = [path for path in package.rglob("*.py") if path.stem[0] != "_"]
    names = (path.relative_to(ROOT).with_suffix("").parts for path in files)
    modules = [importlib.import_module(".".join(parts)) for parts in names if parts[1] in FOLDERS]
    kinds = [k for m in modules for k in vars(m).values() if inspect.isclass(k)]
    own = {kind.__name__: kind for kind in kinds if kind.__module__.startswith("swarmlab.")}
    functions = filter(inspect.isfunction, PUBLIC.values())
    answers = [str(inspect.signature(one).return_annotation) for one in functions]
    named = {name for answer in answers for name in re.findall(r"\w+", answer)}
    return {name: own[name] for name in sorted({"NodeRow", *named}) if name in own}


FOLDERS = ["cluster", "compare", "lessons", "manager", "network", "real", "simulation", "views"]
RESULTS = result_classes()


def test_the_answers_of_public_names_are_known():
    assert {"Board", "Table", "Callout", "MessagesInFlight", "Requests", "Election"} < {*RESULTS}
    assert len(RESULTS) > 35


@pytest.mark.parametrize("name", RESULTS)
def test_the_help_of_an_answer_has_an_example_and_names_its_page(name: str):
    """So `answer?` leads to the notebook, too."""
    help = vars(RESULTS[name]).get("__doc__") or ""
    (page,) = re.findall(r"Lesson: (\w+)\.", help)
    assert (ROOT / "notebooks" / f"{page}.ipynb").exists()
    assert re.search(r"^ *>>> |`[^`]*[(\[][^`]*`", help, re.MULTILINE)


NAME_TYPES = {
    **dict.fromkeys(("one", "other", "source", "groups"), "NodeName"),
    **{"service": "ServiceName", "task": "TaskName", "secret": "SecretName"},
}


@pytest.mark.parametrize("name", [n for n, v in PUBLIC.items() if inspect.isfunction(v)])
def test_what_a_name_names_is_said_by_its_type_which_completion_reads(name: str):
    parameters = inspect.signature(PUBLIC[name]).parameters.values()
    told = {p.name: p.annotation for p in parameters if p.name in NAME_TYPES}
    assert [one for one, text in told.items() if NAME_TYPES[one] not in text] == []


def test_an_installed_package_has_its_types():
    assert (ROOT / "swarmlab" / "py.typed").exists()
