"""Is this machine ready for the notebooks? What is missing, and what to do about it."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from swarmlab.strings import _
from swarmlab.views.html import ShownAs, Table

PYTHON_LEAST = (3, 11)
PACKAGES = {"docker": 7, "ipywidgets": 8, "anywidget": 0, "matplotlib": 3}  # name: least major


@dataclass(frozen=True, slots=True)
class Check:
    what: str
    found: str
    good: bool
    remedy: str

    @property
    def cells(self) -> tuple[str, str, str]:
        mark = "✔" if self.good else "✘"
        return f"{mark} {self.what}", self.found, "–" if self.good else self.remedy


@dataclass(frozen=True, slots=True, repr=False)
class Checkup(ShownAs):
    checks: tuple[Check, ...]

    @property
    def notes(self) -> list[str]:
        amiss = sum(not check.good for check in self.checks)
        if amiss:
            return [_("Not right: {amiss}. The last column says what to do.", amiss=amiss)]
        unseen = _("All is well here. No board to be seen? Reload the page (F5), then choose"
                   " Run > Restart Kernel and Run All Cells.")  # fmt: skip
        return [unseen]

    @property
    def shown_as(self) -> Table:
        heads = _("Check"), _("Found"), _("What to do")
        return Table("", heads, tuple(check.cells for check in self.checks), tuple(self.notes))


def _package(name: str, least: int) -> Check:
    try:
        found = version(name)
    except PackageNotFoundError:
        found = _("missing")
    good = found[0].isdigit() and int(found.split(".")[0]) >= least
    remedy = _("Type in a cell: %pip install -U {name}, then restart the kernel")
    return Check(_("Package {name}", name=name), found, good, remedy.format(name=name))


def checkup() -> Checkup:
    """Look at Python, the packages, the page, this folder, and Docker (which is not needed).

    Lesson: 00_start_here.
    """
    python = ".".join(map(str, sys.version_info[:3]))
    ipython = sys.modules.get("IPython")
    kernel = bool(getattr(ipython and ipython.get_ipython(), "kernel", None))
    docker = shutil.which("docker") or _("none; the notebooks do not need it")
    elsewhere = os.environ.get("DOCKER_HOST", "") or _("not set")
    open_lab = _("Open this page in JupyterLab: swarmlab lab")
    newer = _("Install Python 3.11 or newer")
    may_write = os.access(Path.cwd(), os.W_OK)
    move = _("Copy the notebooks to a folder of your own: only cluster.save() needs it")
    return Checkup(
        (
            Check("Python", python, sys.version_info >= PYTHON_LEAST, newer),
            *(_package(name, least) for name, least in PACKAGES.items()),
            Check(_("Notebook kernel"), _("yes") if kernel else _("no"), kernel, open_lab),
            Check(_("Folder"), str(Path.cwd()), may_write, move),
            Check(_("Docker's own program"), docker, True, ""),
            Check("DOCKER_HOST", elsewhere, True, ""),
        )
    )
