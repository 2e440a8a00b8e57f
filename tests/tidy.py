"""Rules of the house that a reader of source text can check; each gives the list of its offences.

After TigerBeetle's tidy.zig. `test_tidy.py` holds the tree to them, and them to snippets.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator

FUNCTION_LINES_MAX, FILE_LINES_MAX = 60, 400

# Folder or module of swarmlab/ -> what it may import of swarmlab, besides itself. What is not named
# here (cluster, cli, …) stands at the top and may import everything.
MAY_IMPORT: dict[str, set[str]] = {
    "errors": {"strings"},
    "units": {"errors"},
    "simulation": {"units", "errors"},
    "raft": {"model.trace_records", "simulation", "errors"},
    "specs": {"simulation", "errors"},
    "model": {"specs", "simulation", "errors"},
    "messages": {"model", "simulation", "errors"},
    "manager": {"raft", "messages", "model", "simulation", "errors"},
    "worker": {"messages", "model", "simulation", "units", "errors"},
    "engine": {"manager", "worker", "raft", "model", "simulation", "units", "errors"},
    "docker_cli": {"units", "strings", "errors"},  # it knows the Docker API alone
    "strings": set(),
    # The Docker API, and the trace of a simulation.
    "views": {
        *("model.trace_records", "raft.quorum"),
        *("cluster", "simulation", "units", "strings", "errors"),
    },
    # An exercise is solved by docker commands, on a cluster that `%docker` is told to speak to.
    "lessons": {"views", "docker_cli", "jupyter", "cluster", "strings", "errors"},
    "real": {"views", "units", "cluster", "strings", "errors"},  # board, durations, `use`
}
# Rooms of the manager meet in the store; none imports another.
ROOMS = {"api", "orchestrator", "allocator", "scheduler", "dispatcher"}
# Modules of one that others may use.
SHARED = {"manager.orchestrator.slots", "manager.scheduler.node_info"}
# What these packages export may be a module.
OF_MODULES = ("swarmlab", "swarmlab.manager", "swarmlab.model")

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
    "cluster/journal.py": {"random.Random"},  # stand-ins for secrets, of a seed of their own
    "engine/clock_drivers.py": {"time.monotonic_ns", "time.time_ns"},  # the pacer
    "cli/bench.py": {"time.process_time"},  # what it measures is real
    "real/": BANNED_MODULES,
    "compare/": {"time.monotonic"},  # seconds of real engines
}

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


def modules_imported(text: str) -> list[str]:
    """Dotted names of swarmlab's own modules that the text imports at run time."""
    names = []
    for node in run_time_nodes(text):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module in OF_MODULES:
            names += [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.append(node.module)
        elif isinstance(node, ast.ImportFrom):
            names.append("swarmlab.relative_import")
    return [name for name in names if name.split(".")[0] == "swarmlab"]


def imports_upwards(text: str, path: str) -> list[str]:
    """Imports that point up the rows, or from one room to another; `path` is below swarmlab/."""
    own, *below = path.removesuffix(".py").split("/")
    if own not in MAY_IMPORT:
        return []
    found = []
    for name in modules_imported(text):
        parts = name.split(".")[1:]
        room = own == "manager" and below[0] in ROOMS and parts[:1] == ["manager"]
        room = room and ".".join(parts) not in SHARED
        if not {*parts[:1], ".".join(parts[:2])} & MAY_IMPORT[own] and parts[:1] != [own]:
            found.append(f"{own} imports {name}")
        elif room and parts[1:2] and parts[1] in ROOMS - {below[0]}:
            found.append(f"room {below[0]} imports room {parts[1]}")
    return found


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
