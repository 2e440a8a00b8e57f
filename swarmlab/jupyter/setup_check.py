"""Checks whether this machine is ready for the notebooks, and says what to do where it is not."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from swarmlab.cluster.calls import checked
from swarmlab.strings import _
from swarmlab.views.html import Table

PYTHON_MIN = (3, 11)
PACKAGES = {"docker": 7, "ipywidgets": 8, "anywidget": 0, "matplotlib": 3}  # name: least major


@checked
def checkup() -> Table:
    """Look at Python, the packages, the page, this folder, and Docker (which is not needed):
    `checkup()`.

    Lesson: 00_start_here.
    """
    rows, failed = [], 0
    for what, state, good, remedy in _checks():
        rows.append((f"{'✔' if good else '✘'} {what}", state, "–" if good else remedy))
        failed += not good
    if failed:
        note = _("Not right: {failed}. The last column says what to do.", failed=failed)
    else:
        note = _("All is well. No board? Reload the page (F5), then choose Run > Restart "
                 "Kernel and Run All Cells.")  # fmt: skip
    return Table("", (_("Item"), _("Found"), _("What to do")), tuple(rows), (note,))


def _checks() -> Iterator[tuple[str, str, bool, str]]:
    """(what is checked, what is there, whether that is good, what to do if not)."""
    python = ".".join(map(str, sys.version_info[:3]))
    yield "Python", python, sys.version_info >= PYTHON_MIN, _("Install Python 3.11 or newer")
    for name, major_min in PACKAGES.items():
        try:
            installed = version(name)
        except PackageNotFoundError:
            installed = _("missing")
        good = installed[0].isdigit() and int(installed.split(".")[0]) >= major_min
        remedy = _("Type in a cell: %pip install -U {name}, then restart the kernel", name=name)
        yield _("Package {name}", name=name), installed, good, remedy
    ipython = sys.modules.get("IPython")
    kernel = bool(getattr(ipython and ipython.get_ipython(), "kernel", None))
    open_lab = _("Open this page in JupyterLab: swarmlab lab")
    yield _("Notebook kernel"), _("yes") if kernel else _("no"), kernel, open_lab
    move = _("Copy the notebooks to a folder of your own: only cluster.save() needs it")
    yield _("Folder"), str(Path.cwd()), os.access(Path.cwd(), os.W_OK), move
    docker = shutil.which("docker") or _("none; the notebooks don't need it")
    yield _("Docker's own program (optional)"), docker, True, ""
    yield "DOCKER_HOST", os.environ.get("DOCKER_HOST", "") or _("not set"), True, ""
