"""Rules of the house that a reader of source text can check; each gives the list of its offences.

After TigerBeetle's tidy.zig. `test_tidy.py` holds the tree to them, and them to snippets.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Collection, Iterable, Iterator, Mapping

import networkx

FUNCTION_LINES_MAX, FILE_LINES_MAX = 60, 400

# Folder (or module at the package's top) -> what it may import of swarmlab at run time besides
# itself. An entry with a dot allows that one module. Every folder and top module is listed.
MAY_IMPORT: dict[str, set[str]] = {
    "strings": set(),
    "errors": {"strings"},
    "units": {"errors", "strings"},
    "simulation": {"units", "errors"},
    "model": {"simulation", "units", "errors"},
    "raft": {"model.trace_records", "simulation", "units", "errors"},
    # The allocator decides when; what is free is libnetwork's knowledge, as in moby.
    "templates": {"model", "errors"},
    "manager": {
        "raft",
        "templates",
        "network.cnm_allocator",
        "model",
        "simulation",
        "units",
        "errors",
    },
    "programs": {"simulation", "units", "errors"},
    "worker": {"programs", "templates", "model", "simulation", "units", "errors"},
    "network": {
        *("worker", "programs", "model", "simulation", "views", "units", "strings", "errors"),
    },
    "engine": {
        "manager",
        "network",
        "worker",
        "raft",
        "model",
        "simulation",
        "programs.file_system",
        "programs.interface",
        "programs.patterns",
        "units",
        "errors",
    },
    # Clients of the Docker API know that API alone.
    "docker_cli": {
        *("model.image_reference", "model.specs", "model.versions"),
        *("templates.template", "templates.go_text", "units", "strings", "errors"),
    },
    "jupyter": {
        *("docker_cli", "cluster.calls", "cluster.current", "views", "simulation"),
        *("units", "strings", "errors"),
    },
    "cluster": {
        *("engine", "manager", "worker", "raft", "network", "model", "simulation"),
        *("real", "views", "units", "strings", "errors"),
    },
    # The Docker API, which may hang; of a simulation: its trace, and one typed, read-only module.
    "views": {
        *(
            "cluster.calls",
            "cluster.interface",
            "cluster.patience",
            "cluster.simulated_state",
            "model.specs",
            "model.trace_records",
        ),
        *("raft.messages", "raft.quorum", "simulation", "units", "strings", "errors"),
    },
    "real": {
        *(
            "cluster.base",
            "cluster.current",
            "cluster.interface",
            "cluster.faults",
            "cluster.files",
            "cluster.sizes",
        ),
        *("model.versions", "views", "units", "strings", "errors"),
    },
    # An exercise is solved by docker commands, on a cluster that `%docker` is told to speak to.
    "lessons": {
        *("views", "jupyter", "docker_cli", "cluster", "raft.quorum", "units"),
        *("strings", "errors"),
    },
    "compare": {
        *("views", "jupyter", "cluster", "lessons", "simulation"),
        *("units", "strings", "errors"),
    },
    "cli": {
        *("compare", "docker_cli", "engine", "cluster", "real", "views", "manager", "model"),
        *("raft", "lessons", "classroom", "simulation", "units", "strings", "errors"),
    },
    "classroom": {"views", "lessons", "units", "strings", "errors"},
    "__init__": {"cluster", "jupyter", "lessons", "errors"},
    "__main__": {"cli"},
}
# Control loops of the manager meet in the store; none imports another.
CONTROL_LOOPS = {
    "manager.orchestrator.replicated",
    "manager.orchestrator.global_services",
    "manager.orchestrator.jobs",
    "manager.orchestrator.task_reaper",
    "manager.orchestrator.constraint_enforcer",
    "manager.allocator.allocator",
    "manager.scheduler.scheduler",
    "manager.dispatcher.dispatcher",
    "manager.ca.root_rotation",
    "manager.role_manager",
    "manager.key_manager",
}

# Groups of modules that import each other for types only: each part names its whole.
TYPE_CYCLES = {
    "programs.connections, programs.interface",
    "simulation.machine, simulation.network",
    "worker.container, worker.containers, worker.health",
    "programs.shell.builtins, programs.shell.interpreter",
}

# Calls that ask the real clock or real chance; `simulation.now_ns` and `.rng` are the way.
BANNED_MODULES = {"time", "random", "secrets"}
BANNED_CALLS = {
    *("datetime.datetime.now", "datetime.datetime.utcnow", "datetime.datetime.today"),
    *("datetime.date.today", "os.urandom", "os.getrandom", "uuid.uuid1", "uuid.uuid4"),
    *("threading.Timer", "cryptography.fernet.Fernet"),
}
# Methods of the cryptography package that draw from the system, whatever they are called on.
BANNED_METHODS = {"generate_private_key", "generate_key", "random_serial_number"}
# Where one of the above is the point.
ALLOWED = {
    "simulation/clock.py": {"random.Random"},  # the one seeded generator
    "engine/clock_drivers.py": {"time.monotonic_ns", "time.time_ns"},  # the pacer
    "cluster/served.py": {"secrets.token_urlsafe"},  # no seed may lead to it
    "cli/classroom.py": {"secrets.token_hex", "secrets.choice"},  # as above
    "cli/bench.py": {"time.process_time"},  # what it measures is real
    "cli/rehearsal.py": {"time.process_time"},  # how long the room waits
    "views/progress.py": {"time.monotonic"},  # how long somebody has waited
    "cli/workloads.py": {"time.sleep"},  # while time follows the wall clock
    "real/": BANNED_MODULES,
}

# Calls that change a cluster, and the methods of a view that only draw it.
CHANGES = {
    *("crash", "start", "stop", "partition", "heal", "slow", "drop", "run", "until", "play"),
    *("traffic", "create", "update", "remove", "scale", "close_ports"),
}
DRAWING = {"__init__", "refresh", "__repr__", "_repr_html_", "figure"}

SECRET_FIELD = re.compile(r"^(data|payload|secrets?|password|(.*_)?(token|key|passphrase))$")
LEFTOVER = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X|NotImplemented" + r"Error)\b")
HOSTS = re.compile(
    r"\b(pypi\.org|pythonhosted\.org|npmjs\.(org|com)|deb\.debian\.org|anaconda\.org|crates\.io)\b"
    r"|/wo" + r"rk/|/opt/py" + r"pi"
)


def code_lines(text: str) -> int:
    """Lines that hold code. Blank lines, comments and docstrings are free: nobody is to save on
    words."""
    silent = {tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.COMMENT}
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in silent and token.string:
            lines |= set(range(token.start[0], token.end[0] + 1))
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, kinds) and ast.get_docstring(node, clean=False) is not None:
            docstring = node.body[0]
            lines -= set(range(docstring.lineno, (docstring.end_lineno or 0) + 1))
    return len(lines)


def functions_too_long(text: str) -> list[str]:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    found = [node for node in ast.walk(ast.parse(text)) if isinstance(node, kinds)]
    lengths = {node.name: (node.end_lineno or 0) - node.lineno + 1 for node in found}
    return [f"{n} has {lines} lines" for n, lines in lengths.items() if lines > FUNCTION_LINES_MAX]


def files_too_long(text: str) -> list[str]:
    lines = len(text.splitlines())
    return [f"{lines} lines"] if lines > FILE_LINES_MAX else []


def run_time_nodes(text: str) -> Iterator[ast.AST]:
    """All nodes but those under `if TYPE_CHECKING:`, which no program runs."""
    waiting: list[ast.AST] = [ast.parse(text)]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            waiting += node.orelse
        else:
            waiting += ast.iter_child_nodes(node)


def modules_imported(nodes: Iterable[ast.AST], modules: Collection[str]) -> list[str]:
    """The modules of swarmlab that these nodes import, without the prefix `swarmlab.`.

    `modules` are all there are: `from swarmlab.a import b` is the module `a.b` if there is one.
    """
    names = []
    for node in nodes:
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level:
            names.append("swarmlab.relative_import")
        elif isinstance(node, ast.ImportFrom):
            paths = [f"{node.module}.{alias.name}" for alias in node.names]
            names += [p if p.removeprefix("swarmlab.") in modules else node.module for p in paths]
    ours = [name for name in names if name and name.split(".")[0] == "swarmlab"]
    return list(dict.fromkeys(name.removeprefix("swarmlab").lstrip(".") for name in ours))


def module_of(path: str) -> str:
    """`manager/store.py` is the module `manager.store`; a package is known by its folder."""
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def imports_upwards(text: str, path: str, modules: Collection[str] = ()) -> list[str]:
    """Imports that the layers forbid, and from one control loop to another.

    `path` is below swarmlab/.
    """
    own = module_of(path)
    folder = own.split(".")[0]
    if folder not in MAY_IMPORT:
        return [f"{folder} is not in the table of layers"]
    offences = []
    for name in modules_imported(run_time_nodes(text), modules):
        if name.split(".")[0] != folder and not {name, name.split(".")[0]} & MAY_IMPORT[folder]:
            offences.append(f"{folder} imports {name}")
        elif own in CONTROL_LOOPS and name in CONTROL_LOOPS - {own}:
            offences.append(f"control loop {own} imports control loop {name}")
    return offences


def import_cycles(sources: Mapping[str, str], *, with_types: bool = False) -> list[str]:
    """Groups of modules that import each other, each as `a, b`; at run time, or types included."""
    modules = {module_of(path): text for path, text in sources.items()}
    graph = networkx.DiGraph()
    for module, text in modules.items():
        nodes = ast.walk(ast.parse(text)) if with_types else run_time_nodes(text)
        graph.add_edges_from((module, name) for name in modules_imported(nodes, modules))
    groups = networkx.strongly_connected_components(graph)
    return sorted(", ".join(sorted(group)) for group in groups if len(group) > 1)


def calls_by_name(text: str) -> list[str]:
    """Calls that grep cannot follow: of a method whose name is computed, or a computed module."""
    calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    methods = [
        call.lineno
        for call in calls
        if isinstance(call.func, ast.Call)
        and ast.unparse(call.func.func) == "getattr"
        and not isinstance(call.func.args[1], ast.Constant)
    ]
    modules = [
        call.lineno
        for call in calls
        if ast.unparse(call.func).endswith("import_module")
        and not isinstance(call.args[0], ast.Constant)
    ]
    return [f"line {number} calls by a computed name" for number in (*methods, *modules)]


def classes_by_name(text: str) -> list[str]:
    """Places that ask for a class by its name as a string, where `match` or isinstance would do."""
    tree = ast.parse(text)
    asked = [n.subject for n in ast.walk(tree) if isinstance(n, ast.Match)]
    asked += [n.left for n in ast.walk(tree) if isinstance(n, ast.Compare)]
    return [
        f"line {node.lineno} compares {ast.unparse(node)}"
        for node in asked
        if isinstance(node, ast.Attribute)
        and node.attr == "__name__"
        and "type(" in ast.unparse(node)
    ]


def class_names_shared(sources: Mapping[str, str]) -> list[str]:
    """Names of classes that are defined in more than one module."""
    modules: dict[str, list[str]] = {}
    for path, text in sources.items():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ClassDef):
                modules.setdefault(node.name, []).append(path)
    return [f"{name}: {', '.join(paths)}" for name, paths in modules.items() if len(paths) > 1]


def kinds_of_cluster_asked(text: str) -> list[str]:
    """Comparisons with a cluster's kind; elsewhere ask what it can do (`has_trace`, …)."""
    compared = [n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Compare)]
    kinds = {"simulated", "real"}
    return [
        f"line {node.lineno}: {ast.unparse(node)}"
        for node in compared
        for value in node.comparators
        if ast.unparse(node.left).endswith("kind")
        and isinstance(value, ast.Constant)
        and value.value in kinds
    ]


def full_names(tree: ast.AST) -> dict[str, str]:
    """What imported names stand for: `from time import time as t` gives {"t": "time.time"}."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.asname or alias.name: alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
    return names


def clock_and_dice(text: str, path: str) -> list[str]:
    """Calls that ask the real clock or chance, unless in `path` that is the point."""
    tree = ast.parse(text)
    names = full_names(tree)
    allowed = set().union(*(calls for place, calls in ALLOWED.items() if path.startswith(place)))
    found = []
    for call in [node for node in ast.walk(tree) if isinstance(node, ast.Call)]:
        called = ast.unparse(call.func)
        first, _, rest = called.partition(".")
        name = f"{names.get(first, first)}.{rest}".rstrip(".")
        module, method = name.split(".")[0], name.rsplit(".", 1)[-1]
        # What is called on the result of another call is that other call's affair.
        known = first in names and "(" not in called
        banned = known and (module in BANNED_MODULES or name in BANNED_CALLS)
        if (banned or method in BANNED_METHODS) and not {name, module} & allowed:
            found.append(f"line {call.lineno} calls {name}")
    return found


def unasked_changes(text: str, path: str) -> list[str]:
    """Methods of views that change a cluster although nobody clicked.

    A change is a call of one of `CHANGES` on something named cluster. It must be reachable from
    `act`, which answers clicks, and not from what draws.
    """
    if not path.startswith("views/"):
        return []
    tree = ast.parse(text)
    offences = []
    for scope in [tree, *(node for node in ast.walk(tree) if isinstance(node, ast.ClassDef))]:
        functions = {node.name: node for node in scope.body if isinstance(node, ast.FunctionDef)}
        calls = {
            name: [node.func for node in ast.walk(function) if isinstance(node, ast.Call)]
            for name, function in functions.items()
        }
        changing = {name for name in functions if any(map(_is_change, calls[name]))}
        edges = {
            name: {ast.unparse(call).removeprefix("self.") for call in calls[name]}
            for name in functions
        }
        graph = networkx.DiGraph({name: list(edges[name] & set(functions)) for name in functions})
        clicked, drawn = _reachable(graph, {"act"}), _reachable(graph, DRAWING)
        offences += [f"{name} changes a cluster" for name in changing & drawn | changing - clicked]
    return sorted(offences)


def _is_change(call: ast.expr) -> bool:
    on_cluster = isinstance(call, ast.Attribute) and "cluster" in ast.unparse(call.value)
    return on_cluster and call.attr in CHANGES


def _reachable(graph: networkx.DiGraph, starts: set[str]) -> set[str]:
    found = starts & set(graph)
    return found.union(*(networkx.descendants(graph, start) for start in found))


def hash_order(text: str) -> list[str]:
    """Walks over a bare set, and uses of `hash`: both change from one process to the next."""
    tree = ast.parse(text)
    walks = [n.iter for n in ast.walk(tree) if isinstance(n, ast.For | ast.comprehension)]
    sets = [node for node in walks if is_set(node)]
    excused = {
        call
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name == "__hash__"
        for call in ast.walk(node)
    }
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    hashes = [c for c in calls if ast.unparse(c.func) == "hash" and c not in excused]
    return [f"line {n.lineno}: {ast.unparse(n)} has no stated order" for n in [*sets, *hashes]]


def is_set(node: ast.expr) -> bool:
    made = isinstance(node, ast.Call) and ast.unparse(node.func) in ("set", "frozenset")
    return made or isinstance(node, ast.Set | ast.SetComp)


def lambdas_that_wait(text: str) -> list[str]:
    """Lambdas given to the queue or a call: in a copied simulation they drive the original."""
    return [
        f"line {node.lineno}: a lambda for .{node.func.attr}()"
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("at", "after", "then")
        and any(isinstance(argument, ast.Lambda) for argument in node.args)
    ]


def texts_without_encoding(text: str) -> list[str]:
    """Calls that read or write text in the encoding of whatever computer they run on."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        given = {keyword.arg for keyword in node.keywords}
        last = called.rpartition(".")[2]
        lacks = "encoding" not in given and (
            (last == "read_text" and not node.args)
            or (last == "write_text" and len(node.args) < 2)
            or (called in ("open", "os.fdopen") and "b" not in ast.unparse(node.args[1:2]))
            or (called.startswith("subprocess.") and given & {"text", "universal_newlines"})
        )
        found += [f"line {node.lineno}: {called} without an encoding"] if lacks else []
    return found


def secrets_in_reprs(text: str) -> list[str]:
    """Fields of records that hold something secret, and would show it when printed."""
    return [
        f"line {field.lineno}: {ast.unparse(field.target)} without repr=False"
        for record in ast.walk(ast.parse(text))
        if isinstance(record, ast.ClassDef)
        for field in record.body
        if isinstance(field, ast.AnnAssign)
        and SECRET_FIELD.match(ast.unparse(field.target))
        and "ClassVar" not in ast.unparse(field.annotation)
        and (field.value is None or "repr=False" not in ast.unparse(field.value))
    ]


def leftovers(text: str) -> list[str]:
    return [f"leaves a {match.group()}" for match in LEFTOVER.finditer(text)]


def places_named(text: str) -> list[str]:
    """Hosts of package registries and folders of one machine: the tree must work elsewhere too."""
    return [f"names {match.group()}" for match in HOSTS.finditer(text)]


def outputs_kept(cells: list[dict[str, object]]) -> list[str]:
    """Cells of a notebook that were committed with what they printed."""
    kept = [n for n, c in enumerate(cells) if c.get("outputs") or c.get("execution_count")]
    return [f"cell {number} has outputs" for number in kept]
