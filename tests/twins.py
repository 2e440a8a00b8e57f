"""The notebooks as text, so that reviews read text: .notebooks/NAME.py beside notebooks/NAME.ipynb,
and .notebooks/pt-BR/NAME.py beside notebooks/pt-BR/NAME.ipynb.

    python -m tests.twins

writes them again, in jupytext's format py:percent. A test holds them to the notebooks.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import nbformat

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "notebooks"
NOTEBOOKS = sorted([*FOLDER.glob("*.ipynb"), *FOLDER.glob("[!.]*/*.ipynb")])
TWINS = ROOT / ".notebooks"
HEAD = """\
# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---
"""


def as_text(notebook: Any) -> str:
    """Prose as comments, magics as comments that jupytext knows, and code as it is."""
    parts = [HEAD]
    for cell in notebook.cells:
        prose = cell.cell_type == "markdown"
        data = [f"{k}={json.dumps(v, ensure_ascii=False)}" for k, v in cell.metadata.items()]
        lines, magic = [" ".join(["# %%", *["[markdown]"] * prose, *data])], False
        for line in cell.source.splitlines():
            magic = bool(re.match(r"%%?\w", line)) or (magic and lines[-1].endswith("\\"))
            lines.append(f"# {line}".rstrip() if prose or magic else line)
        parts.append("\n".join([*lines, ""]))
    return "\n".join(parts)


def twins() -> dict[Path, str]:
    """Each file and its text."""
    places = {TWINS / path.relative_to(FOLDER).with_suffix(".py"): path for path in NOTEBOOKS}
    return {twin: as_text(nbformat.read(path, as_version=4)) for twin, path in places.items()}


if __name__ == "__main__":
    for stale in {*TWINS.rglob("*.py")} - {*twins()}:
        stale.unlink()
    for path, text in twins().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
