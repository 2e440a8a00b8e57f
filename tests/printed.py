"""What the cells of a page print, in a process with a hash seed of Python of its own.

    python -m tests.printed [PAGE ...]

runs each page twice (all pages, when none is named) and shows where two runs differ. A cell that
measures this computer has the tag `wall-clock`, one that looks into it has the tag `this-computer`;
both are left out.
"""

from __future__ import annotations

import difflib
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from tests.twins import NOTEBOOKS, ROOT

HASH_SEEDS = ("1", "2")
LEFT_OUT = {"wall-clock", "this-computer"}  # tags of cells


def printed(path: Path, hash_seed: str, folder: Path) -> list[str]:
    """Lines: the cells' names, and what each prints, and shows as text."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(notebook, timeout=300, resources={"metadata": {"path": folder}})
    client.execute(env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": hash_seed})
    lines = []
    for cell in notebook.cells:
        if cell.cell_type != "code" or LEFT_OUT & {*cell.metadata.get("tags", [])}:
            continue
        lines.append(f"[{cell.id}]")
        for output in cell.outputs:
            data = output.get("data", {"text/plain": output.get("text", "")})
            lines += data.get("text/plain", "").splitlines()
    return lines


def differences(path: Path) -> list[str]:
    """Between two processes."""
    with tempfile.TemporaryDirectory() as folder:
        runs = [printed(path, seed, Path(folder)) for seed in HASH_SEEDS]
    assert len(runs[0]) > 1
    return list(difflib.unified_diff(*runs, lineterm="", n=0))


def main(names: Sequence[str]) -> int:
    unlike = 0
    for path in NOTEBOOKS:
        if path.stem in names or not names:
            found = differences(path)
            unlike += bool(found)
            print(path.stem, "differs:" if found else "prints the same", flush=True)
            print(*(line[:300] for line in found), sep="\n", end="\n" * bool(found))
    return min(unlike, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
