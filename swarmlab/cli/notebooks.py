"""`swarmlab lab` and `swarmlab pages`: the notebooks in JupyterLab, and as web pages.

JupyterLab opens copies of them outside a checkout. The pages need no kernel: `nbconvert` runs the
notebooks and writes them. Where a live widget stands, a page shows the picture and the text that
every widget carries for readers without a kernel.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from swarmlab import strings
from swarmlab.cli.ctl import FOLDER
from swarmlab.errors import NoneSuch
from swarmlab.strings import N_, _

PACKAGE = Path(__file__).parents[1]
FIRST_NOTEBOOK = "00_start_here.ipynb"
# Scripts that nbconvert would load from the network; no page needs them.
SCRIPT_URLS = ("require_js_url", "mathjax_url", "jquery_url", "mermaid_js_url")
# What commands print keeps its columns, as in JupyterLab.
STYLE = "<style>.jp-OutputArea-output pre{white-space:pre!important;overflow-x:auto}</style>"
# Forms of an output, best first; the live widget is not among them.
FORMS = ["text/html", "image/svg+xml", "image/png", "text/markdown", "text/plain"]
SETTINGS = {
    "ExecutePreprocessor": {
        "enabled": True,
        "timeout": 300,  # seconds a cell
        "store_widget_state": False,  # a page would load a script to show it
    },
    "NbConvertBase": {"display_data_priority": FORMS},
    "HTMLExporter": dict.fromkeys((*SCRIPT_URLS, "widget_renderer_url"), ""),
}


def _speak(_context: object, _option: object, name: str | None) -> None:
    """Use a language from now on, here and in the kernels that are started."""
    if name is None:
        return
    known = [strings.ENGLISH, *strings.translations()]
    wanted = name.replace("-", "_")
    if wanted not in known:
        text = N_("there is no language {name!r}; there are {known}")
        raise NoneSuch(text, name, map(strings.language_tag, known))
    os.environ["LANGUAGE"] = wanted
    strings.use(wanted)


language_option = click.option(
    *("--lang", "language"),
    metavar="TAG",
    callback=_speak,
    is_eager=True,  # before anything is said
    expose_value=False,
    help="The language, such as pt-BR or en; else that of your environment.",
)


@click.command(context_settings={"ignore_unknown_options": True})
@language_option
@click.option("--folder", type=FOLDER, help="Copy the notebooks there and open the copies.")
@click.argument("options", metavar="", nargs=-1, type=click.UNPROCESSED)
def lab(folder: Path | None, options: tuple[str, ...]) -> None:
    """Open JupyterLab on the notebooks.

    Every other option, such as --no-browser or --port=9999, goes to JupyterLab.
    """
    from swarmlab.lessons.course_map import all_notebooks, notebooks

    source = opened = all_notebooks()
    if folder is not None or source.name == "_notebooks":
        opened = (folder or Path("swarmlab-notebooks")).absolute()
        changed = copy_notebooks(source, opened)
        print(_("The notebooks are in {folder}", folder=opened))
        if changed:
            print(_("Left as you changed them: {names}", names=", ".join(changed)))
    first = opened / notebooks().relative_to(source) / FIRST_NOTEBOOK
    open_lab(first, opened, options)


def open_lab(notebook: Path, folder: Path, options: Sequence[str]) -> None:
    """JupyterLab in a folder, on a notebook of it, with our settings, until it is stopped.

    When JupyterHub has started this command, it's the server of one of its users.
    """
    from jupyterlab.labapp import LabApp

    # Settings of ours that spare newcomers JupyterLab's questions (the user's own still win), its
    # language, and a kernel in which `%docker` and help in cells work before any cell was run.
    for variable in ("JUPYTER_CONFIG_PATH", "JUPYTER_PATH"):
        paths = [os.environ.get(variable), strings.FOLDER / strings.language(), PACKAGE / "jupyter"]
        os.environ[variable] = os.pathsep.join(str(path) for path in paths if path)
    # In a container or a classroom's machine one often is root, which JupyterLab refuses by itself.
    root = ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    app: Any = LabApp
    home = "LabApp"  # whose default the address is that is printed, and that `/` leads to
    if "JUPYTERHUB_SERVICE_URL" in os.environ:
        from jupyterhub.singleuser.extension import JupyterHubSingleUser

        app, home = JupyterHubSingleUser, "ServerApp"
    first = f"--{home}.default_url=/lab/tree/{notebook.relative_to(folder).as_posix()}"
    app.launch_instance([str(notebook), f"--ServerApp.root_dir={folder}", first, *root, *options])


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


# -- web pages -------------------------------------------------------------------------------------
@click.command()
@language_option
@click.option("--into", type=FOLDER, default=Path("swarmlab-pages"), show_default=True)
def pages(into: Path) -> None:
    """Run the notebooks, and write them as web pages into a folder; begin with index.html."""
    from swarmlab.lessons.course_map import notebooks

    with tempfile.TemporaryDirectory() as data:
        os.environ["JUPYTER_DATA_DIR"] = data  # what you have solved is not for your readers
        for notebook in sorted(notebooks().glob("*.ipynb")):
            print(*build([notebook], into), flush=True)


def build(notebooks: Sequence[Path], into: Path) -> list[Path]:
    """Run each notebook and write it as one HTML file; `index` is the course map."""
    into.mkdir(parents=True, exist_ok=True)
    return [_write(path, into / f"{path.stem}.html") for path in notebooks]


def _write(notebook: Path, page: Path) -> Path:
    import nbconvert
    import nbformat
    from traitlets.config import Config

    config = Config(SETTINGS)
    config.HTMLExporter.language_code = strings.language().partition("_")[0]
    exporter: Any = nbconvert.HTMLExporter(config=config)  # type: ignore[no-untyped-call]  # it has no types
    with tempfile.TemporaryDirectory() as folder:  # where a notebook writes its files
        resources = {"metadata": {"name": page.stem, "path": folder}}
        node: Any = nbformat.read(notebook, as_version=4)  # type: ignore[no-untyped-call]  # as above
        note = _("*This page was run for you, and plays what happened. To try it: `swarmlab lab`.*")
        node.cells[0].source += f"\n\n{note}"
        html, _resources = exporter.from_notebook_node(node, resources)
    # From page to page, as the notebooks lead from one to the next.
    html = re.sub(r'href="(\w+)\.ipynb"', r'href="\1.html"', html)
    page.write_text(html.replace("</head>", f"{STYLE}</head>", 1), encoding="utf-8")
    return page
