"""The template that translations begin with: `python -m tests.catalogue` makes it anew."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from babel.messages import Catalog
from babel.messages.pofile import write_po

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "swarmlab"
TEMPLATE = PACKAGE / "locale" / "swarmlab.pot"
HEADER = b"""# The messages of swarmlab, in English. Made by: python -m tests.catalogue
msgid ""
msgstr ""
"Content-Type: text/plain; charset=UTF-8\\n"
"Content-Transfer-Encoding: 8bit\\n"

"""
LOOKING_UP = ("_", "N_", "LabError", "NoneSuch")
# In our YAML files, what people read stands below these keys.
TEXTS = {
    *("question", "choices", "answer", "why"),  # views/questions.yml
    *("word", "reasons", "on a program", "one kernel", "wrong kernel"),  # views/stacks.yml
    *("kernel_mib", "overhead_mib", "disk_mib", "start_s"),  # views/density.yml: who says so
    *("title", "task", "says", "next", "hints", "nudge"),  # lessons/
    "about",  # real/scenarios.yml
}


def of_python(text: str) -> Iterator[str]:
    """What `_`, `N_` and refusals begin with; Babel's own reader looks into no f-string."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in LOOKING_UP:
            yield from (one.value for one in node.args[:1] if isinstance(one, ast.Constant))


def of_yaml(data: Any, *, shown: bool = False) -> Iterator[str]:
    """The texts below one of the keys `TEXTS`; choices are texts themselves, with nudges."""
    if isinstance(data, dict):
        for key, value in data.items():
            if key == "choices":
                yield from (choice for choice in value if isinstance(choice, str))
            yield from of_yaml(value, shown=shown or key in TEXTS)
    elif isinstance(data, list):
        for value in data:
            yield from of_yaml(value, shown=shown)
    elif shown and isinstance(data, str) and data:
        yield data


def template() -> Catalog:
    """Every message of the package, with the files that say it."""
    catalogue = Catalog()
    for path in sorted([*PACKAGE.rglob("*.py"), *PACKAGE.rglob("*.yml")]):
        text = path.read_text("utf-8")
        python = path.suffix == ".py"
        for message in of_python(text) if python else of_yaml(yaml.safe_load(text)):
            catalogue.add(message, locations=[(str(path.relative_to(ROOT)), 1)])
            catalogue[message].flags.discard("python-format")  # `%docker`; we fill in {names}
    return catalogue


def write() -> None:
    TEMPLATE.parent.mkdir(exist_ok=True)
    with TEMPLATE.open("wb") as file:
        file.write(HEADER)
        write_po(file, template(), width=100, omit_header=True, include_lineno=False)


if __name__ == "__main__":
    write()
