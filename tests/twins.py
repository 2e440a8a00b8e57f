"""The notebooks as text, so that reviews read text: .notebooks/NAME.py beside notebooks/NAME.ipynb.

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
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
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
    return {TWINS / f"{p.stem}.py": as_text(nbformat.read(p, as_version=4)) for p in NOTEBOOKS}


if __name__ == "__main__":
    TWINS.mkdir(exist_ok=True)
    for stale in {*TWINS.glob("*.py")} - {*twins()}:
        stale.unlink()
    for path, text in twins().items():
        path.write_text(text, encoding="utf-8")
