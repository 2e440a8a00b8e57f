"""Extracts the messages that can be translated: `python -m tests.catalogue FILE.pot`.

The file is a gettext template; `msginit` or `pybabel init` begins a translation from it.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import yaml
from babel.messages import Catalog
from babel.messages.pofile import write_po

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "swarmlab"
HEADER = b"""# The messages of swarmlab, in English.
msgid ""
msgstr ""
"Content-Type: text/plain; charset=UTF-8\\n"
"Content-Transfer-Encoding: 8bit\\n"

"""
KEYWORDS = ("_", "N_", "LabError", "NoneSuch")
# Keys of our YAML files whose values are shown to users.
YAML_KEYS = {
    *("question", "choices", "answer", "why"),  # lessons/questions.yml
    *("word", "reasons", "on a program", "one kernel", "wrong kernel"),  # views/stacks.yml
    *("kernel_mib", "overhead_mib", "disk_mib", "start_s"),  # views/density.yml: who says so
    *("title", "task", "text", "next", "hints", "feedback"),  # lessons/exercises/
    "about",  # compare/scenarios.yml
}


def python_messages(text: str) -> Iterator[str]:
    """First arguments of calls to `KEYWORDS`; Babel's extractor skips those inside f-strings."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in KEYWORDS:
            first = node.args[0] if node.args else None
            if isinstance(first, ast.Constant):
                yield first.value


def yaml_messages(data: Any, *, shown: bool = False) -> Iterator[str]:
    """Texts below one of `YAML_KEYS`; the keys of `choices` are texts too."""
    if isinstance(data, dict):
        for key, value in data.items():
            if key == "choices":
                yield from (choice for choice in value if isinstance(choice, str))
            yield from yaml_messages(value, shown=shown or key in YAML_KEYS)
    elif isinstance(data, list):
        for value in data:
            yield from yaml_messages(value, shown=shown)
    elif shown and isinstance(data, str) and data:
        yield data


def template() -> Catalog:
    """Every message of the package, with the files it occurs in."""
    catalogue = Catalog()
    for path in sorted([*PACKAGE.rglob("*.py"), *PACKAGE.rglob("*.yml")]):
        text = path.read_text("utf-8")
        python = path.suffix == ".py"
        messages = python_messages(text) if python else yaml_messages(yaml.safe_load(text))
        for message in messages:
            catalogue.add(message, locations=[(str(path.relative_to(ROOT)), 1)])
            catalogue[message].flags.discard("python-format")  # `%docker`; we fill in {names}
    return catalogue


def write(file: IO[bytes]) -> None:
    file.write(HEADER)
    write_po(file, template(), width=100, omit_header=True, include_lineno=False)


if __name__ == "__main__":
    with Path(sys.argv[1]).open("wb") as file:
        write(file)
