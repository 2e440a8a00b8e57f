"""The tree keeps the house rules of `tidy.py`, and each rule is shown to tell good from bad."""

from __future__ import annotations

import json
from functools import partial
from itertools import chain
from pathlib import Path

import pytest

from tests import tidy

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "swarmlab"
SOURCES = {str(p.relative_to(PACKAGE)): p.read_text("utf-8") for p in sorted(PACKAGE.rglob("*.py"))}
TESTS = {p.name: p.read_text("utf-8") for p in sorted((ROOT / "tests").glob("*.py"))}
TEXT_SUFFIXES = {".py", ".md", ".toml", ".yml", ".ipynb", ".js", ".txt", ".json", ".css", ""}
SKIPPED_FOLDERS = {
    *(".git", ".venv", "build", "dist", "node_modules"),
    *(".hypothesis", ".mypy_cache", ".pytest_cache", ".ruff_cache"),
}

# Lines of code: a ceiling for each folder, and for what stands at the top. They only go down: what
# is new makes room for itself.
BUDGETS = {
    ("model", "simulation", "raft", "manager", "worker"): 7400,
    ("programs",): 1819,
    ("templates",): 361,
    ("views", "lessons", "compare"): 7260,
    ("network", "engine", "cluster", "real"): 8981,
    ("docker_cli", "cli", "jupyter", "classroom"): 5936,
    (
        "__init__.py",
        "__main__.py",
        "errors.py",
        "units.py",
        "strings.py",
    ): 325,
}


def lines_of(*places: str) -> int:
    """Lines of code in these folders or files of the package."""
    return sum(tidy.code_lines(t) for path, t in SOURCES.items() if path.split("/")[0] in places)


def test_only_code_is_counted():
    text = '"""Words."""\n\n# why\nx = (\n    1,\n)\n\n\ndef f():\n    """Words."""\n    return 1\n'
    assert tidy.code_lines(text) == 5


@pytest.mark.parametrize(("places", "lines_max"), BUDGETS.items(), ids=lambda value: str(value))
def test_each_folder_stays_within_its_budget(places, lines_max):
    assert lines_of(*places) <= lines_max


def test_each_folder_has_a_budget():
    assert {path.split("/")[0] for path in SOURCES} == set(chain(*BUDGETS))


def offences(sources: dict[str, str], *rules, with_path=()) -> list[str]:
    said = [(path, rule(text)) for path, text in sources.items() for rule in rules]
    said += [(path, rule(text, path)) for path, text in sources.items() for rule in with_path]
    return [f"{path}: {line}" for path, lines in said for line in lines]


def test_files_and_functions_are_short():
    assert offences(SOURCES | TESTS, tidy.functions_too_long) == []
    assert offences(SOURCES, tidy.files_too_long) == []


def test_imports_keep_the_layers():
    modules = {tidy.module_of(path) for path in SOURCES}
    layers = partial(tidy.imports_upwards, modules=modules)
    assert offences(SOURCES, with_path=[layers]) == []


def test_the_layers_name_every_folder_and_control_loop():
    modules = {tidy.module_of(path) for path in SOURCES}
    assert {module.split(".")[0] for module in modules} == set(tidy.MAY_IMPORT)
    assert modules >= tidy.CONTROL_LOOPS


def test_no_modules_import_each_other():
    assert tidy.import_cycles(SOURCES) == []
    assert set(tidy.import_cycles(SOURCES, with_types=True)) == tidy.TYPE_CYCLES


def test_calls_can_be_found():
    assert offences(SOURCES, tidy.calls_by_name, tidy.classes_by_name) == []


def test_a_class_name_has_one_meaning():
    assert tidy.class_names_shared(SOURCES) == []


def test_a_clusters_kind_is_hardly_asked():
    assert len(offences(SOURCES, tidy.kinds_of_cluster_asked)) <= 3


def test_time_chance_and_order_come_from_the_simulation_alone():
    rules = (tidy.hash_order, tidy.lambdas_that_wait)
    assert offences(SOURCES, *rules, with_path=[tidy.clock_and_dice]) == []


def test_no_text_is_opened_without_an_encoding():
    assert offences(SOURCES | TESTS, tidy.texts_without_encoding) == []


def test_views_change_a_cluster_only_when_somebody_clicks():
    assert offences(SOURCES, with_path=[tidy.unasked_changes]) == []


def test_no_record_shows_a_secret():
    records = {path: text for path, text in SOURCES.items() if path.startswith("model/")}
    assert {"model/objects.py", "model/messages.py", "model/trace_records.py"} <= set(records)
    assert offences(records, tidy.secrets_in_reprs) == []


def test_nothing_is_left_to_do():
    assert offences(SOURCES | TESTS, tidy.leftovers) == []


def test_no_file_names_a_registry_or_a_place_on_one_machine():
    files = [p for p in ROOT.rglob("*") if p.is_file() and p.suffix in TEXT_SUFFIXES]
    ours = [p for p in files if not skipped(p.relative_to(ROOT))]
    texts = {str(p.relative_to(ROOT)): p.read_text("utf-8", errors="replace") for p in ours}
    assert {"README.md", ".ci/run", "swarmlab/model/objects.py"} <= set(texts)
    assert offences(texts, tidy.places_named) == []


def skipped(path: Path) -> bool:
    """Whether a path lies in a folder that is made, not written."""
    folders = set(path.parts)
    return bool(folders & SKIPPED_FOLDERS) or any(f.endswith(("cache", "cache__")) for f in folders)


def test_notebooks_are_kept_without_outputs():
    for path in sorted((ROOT / "notebooks").rglob("*.ipynb")):
        assert tidy.outputs_kept(json.loads(path.read_text("utf-8"))["cells"]) == [], path.name


# -- each rule, on a snippet that keeps it and on one that breaks it --------------

LONG = "def f():\n" + "    pass\n" * 60
BOARD = "class Board:\n    def {}(self):\n        self.step()\n    def step(self):\n        {}"
RULES = {
    "a view lets time pass for a click": (
        partial(tidy.unasked_changes, path="views/board.py"),
        BOARD.format("act", "self.cluster.run('1s')"),
        BOARD.format("refresh", "self.cluster.run('1s')"),
    ),
    "long function": (tidy.functions_too_long, LONG.replace("    pass\n", "", 1), LONG),
    "long file": (tidy.files_too_long, "x = 1\n" * 400, "x = 1\n" * 401),
    "raft reads the model": (
        partial(tidy.imports_upwards, path="raft/core.py"),
        "from swarmlab.simulation import S\nfrom swarmlab.raft.log import Log",
        "from swarmlab.model import Task",
    ),
    "the simulation reads raft, from swarmlab": (
        partial(tidy.imports_upwards, path="simulation/clock.py"),
        "if TYPE_CHECKING:\n    from swarmlab import raft\nelse:\n    import heapq",
        "from swarmlab import raft",
    ),
    "a manager reads the engine inside a function": (
        partial(tidy.imports_upwards, path="manager/control_api.py"),
        "def f():\n    from swarmlab.manager.store import Store",
        "def f():\n    import swarmlab.engine.wire",
    ),
    "one control loop reads another": (
        partial(
            tidy.imports_upwards,
            path="manager/allocator/allocator.py",
            modules={"manager.scheduler.scheduler"},
        ),
        "from swarmlab.manager.store import Store",
        "from swarmlab.manager.scheduler import scheduler",
    ),
    "a module at the top reads a folder": (
        partial(tidy.imports_upwards, path="errors.py"),
        "from swarmlab.strings import _",
        "from swarmlab.model import Task",
    ),
    "two modules read each other": (
        tidy.import_cycles,
        {"a.py": "import swarmlab.b", "b.py": "import swarmlab.c", "c.py": "import os"},
        {"a.py": "import swarmlab.b", "b.py": "def f():\n    from swarmlab import a"},
    ),
    "a view reads the store": (
        partial(tidy.imports_upwards, path="views/board.py"),
        "from swarmlab.views.snapshot import rows\nimport docker",
        "from swarmlab.manager.store import Store",
    ),
    "a relative import hides where it points": (
        partial(tidy.imports_upwards, path="worker/agent.py"),
        "from swarmlab.worker import controller",
        "from . import shell",
    ),
    "a method by a computed name": (
        tidy.calls_by_name,
        "getattr(cluster, 'crash')()\nvalue = getattr(record, name)",
        "getattr(api, f'create_{kind}')(spec)",
    ),
    "a module by a computed name": (
        tidy.calls_by_name,
        "importlib.import_module('swarmlab')",
        "importlib.import_module(f'swarmlab.{name}')",
    ),
    "a class by its name": (
        tidy.classes_by_name,
        "match record:\n    case Campaigned(): pass\nf'{type(error).__name__}'",
        "match type(record).__name__:\n    case 'Campaigned': pass",
    ),
    "two classes of one name": (
        tidy.class_names_shared,
        {"a.py": "class Task: pass", "b.py": "class Node: pass"},
        {"a.py": "class Task: pass", "b.py": "class Task: pass"},
    ),
    "a cluster's kind": (
        tidy.kinds_of_cluster_asked,
        "if cluster.has_trace: pass\nif look.kind == 'running': pass",
        "if cluster.kind != 'simulated': pass",
    ),
    "wall clock": (
        partial(tidy.clock_and_dice, path="manager/orchestrator/restart.py"),
        "def f(self): return self.simulation.now_ns",
        "from time import time as now\nnow()",
    ),
    "wall date": (
        partial(tidy.clock_and_dice, path="engine/wire.py"),
        "from datetime import datetime\ndatetime.fromtimestamp(0)",
        "from datetime import datetime\ndatetime.now(tz)",
    ),
    "real dice": (
        partial(tidy.clock_and_dice, path="raft/core.py"),
        "import random\ndef f(rng: random.Random): return rng.random()",
        "import random\nrandom.Random(1)",
    ),
    "system keys": (
        partial(tidy.clock_and_dice, path="manager/ca/certificates.py"),
        "ec.derive_private_key(1, ec.SECP256R1())",
        "ec.generate_private_key(ec.SECP256R1())",
    ),
    "a pacer elsewhere": (
        partial(tidy.clock_and_dice, path="engine/clock_drivers.py"),
        "import time\ntime.monotonic_ns()",
        "import os\nos.urandom(8)",
    ),
    "a walk over a set": (
        tidy.hash_order,
        "for x in sorted({1, 2}): f(x)\nif x in {1, 2}: pass",
        "[f(x) for x in {a, b}]",
    ),
    "a hash": (tidy.hash_order, "def __hash__(self): return hash(self.id)", "n = hash(name) % 7"),
    "a lambda on the queue": (
        tidy.lambdas_that_wait,
        "simulation.after(1, self.beat, 3)\nsorted(x, key=lambda y: y)",
        "simulation.after(1, lambda: self.beat(3))",
    ),
    "text without an encoding": (
        tidy.texts_without_encoding,
        "path.read_text('utf-8')\nopen(path, 'rb')\npath.write_text('x', encoding='utf-8')",
        "path.write_text('x')",
    ),
    "a secret shown": (
        tidy.secrets_in_reprs,
        "class Secret:\n    data: bytes = field(repr=False)\n    key_count: int = 0",
        "class Secret:\n    data: bytes",
    ),
    "a token shown": (
        tidy.secrets_in_reprs,
        "class C:\n    worker_token: str = field(default='', repr=False)",
        "class C:\n    worker_token: str = field(default='')",
    ),
    "leftovers": (tidy.leftovers, "# done", "# TO" + "DO: more"),
    "registry": (tidy.places_named, "pip install docker", "from https://py" + "pi.org/simple"),
    "outputs": (
        tidy.outputs_kept,
        [{"outputs": [], "execution_count": None}, {"cell_type": "markdown"}],
        [{"outputs": [{"text": "hello"}]}],
    ),
}


@pytest.mark.parametrize("name", RULES)
def test_each_rule_lets_the_good_pass_and_catches_the_bad(name):
    rule, good, bad = RULES[name]
    assert rule(good) == []
    assert len(rule(bad)) == 1
