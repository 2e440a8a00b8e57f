"""`swarmlab lab`: opens JupyterLab on the notebooks, on copies of them outside a checkout."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import click

from swarmlab.cli.ctl import FOLDER

PACKAGE = Path(__file__).parents[1]
FIRST_NOTEBOOK = "00_start_here.ipynb"


@click.command(context_settings={"ignore_unknown_options": True})
@click.option("--folder", type=FOLDER, help="Copy the notebooks there first.")
@click.argument("options", metavar="", nargs=-1, type=click.UNPROCESSED)
def lab(folder: Path | None, options: tuple[str, ...]) -> None:
    """Open JupyterLab on the notebooks.

    Every other option, such as --no-browser or --port=9999, goes to JupyterLab.
    """
    from jupyterlab.labapp import LabApp

    source = opened = notebooks()
    if folder is not None or source.name == "_notebooks":
        opened = (folder or Path("swarmlab-notebooks")).absolute()
        changed = copy_notebooks(source, opened)
        print(f"The notebooks are in {opened}")
        if changed:
            print(f"Left as you changed them: {', '.join(changed)}")
    # Settings of ours that spare newcomers JupyterLab's questions; the user's own still win.
    paths = [os.environ.get("JUPYTER_CONFIG_PATH"), str(PACKAGE / "jupyter")]
    os.environ["JUPYTER_CONFIG_PATH"] = os.pathsep.join(path for path in paths if path)
    # In a container or a classroom's machine one often is root, which JupyterLab refuses by itself.
    root = ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    LabApp.launch_instance([str(opened / FIRST_NOTEBOOK), *root, *options])


def notebooks() -> Path:
    """The folder of the notebooks: the checkout's, else the one in the installed package."""
    checkout = PACKAGE.parent / "notebooks"
    in_checkout = (PACKAGE.parent / "pyproject.toml").exists() and checkout.is_dir()
    return checkout if in_checkout else PACKAGE / "_notebooks"


def copy_notebooks(source: Path, target: Path) -> list[str]:
    """Copy the files that `target` lacks; the names of those that differ there and stay."""
    changed = []
    for path in sorted(source.rglob("*")):
        name = path.relative_to(source)
        if not path.is_file() or ".ipynb_checkpoints" in name.parts:
            continue
        copied = target / name
        if not copied.exists():
            copied.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copied)
        elif copied.read_bytes() != path.read_bytes():
            changed.append(str(name))
    return changed
