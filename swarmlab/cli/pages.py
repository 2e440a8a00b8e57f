"""`swarmlab pages`: the notebooks as web pages that read well without a kernel, figures included.

Each notebook is run from top to bottom; where a live widget stands, the page shows the picture and
the words that every widget carries for readers without a kernel.
"""

from __future__ import annotations

import html
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from swarmlab.strings import _

RUN_S_MAX = 300
# What of an output is shown, the first that there is: never the live widget.
SHOWN = ["text/html", "image/svg+xml", "image/png", "text/markdown", "text/plain"]
# Scripts that pages would fetch from elsewhere; nothing of ours needs them.
ELSEWHERE = ("require_js_url", "mathjax_url", "jquery_url", "mermaid_js_url", "widget_renderer_url")
STYLE = (
    "body{font:18px/1.6 system-ui,sans-serif;max-width:46rem;margin:3rem auto;padding:0 1rem;"
    "color-scheme:light dark}li{margin:.6rem 0}"
)
INDEX = """<!doctype html><html lang="{language}"><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>swarmlab</title><style>{style}</style>
<h1>swarmlab</h1><p>{words}</p><ol>{items}</ol></html>
"""


def build(notebooks: Sequence[Path], into: Path) -> list[Path]:
    """Run each notebook and write it as one HTML file; the pages, an index first."""
    import nbformat

    read: Any = nbformat.read
    into.mkdir(parents=True, exist_ok=True)
    exporter, pages, items = _exporter(), [], []
    for path in notebooks:
        notebook = _run(read(path, as_version=4))
        page = into / f"{path.stem}.html"
        page.write_text(exporter.from_notebook_node(notebook)[0], encoding="utf-8")
        pages.append(page)
        items.append(_item(page.name, notebook.cells[0].source))
    words = _("Docker Swarm mode, live, in your notebook. These pages were run; to play, run them.")
    text = INDEX.format(language="en", style=STYLE, words=html.escape(words), items="".join(items))
    (into / "index.html").write_text(text, encoding="utf-8")
    return [into / "index.html", *pages]


def _run(notebook: Any) -> Any:
    from nbclient import NotebookClient

    with tempfile.TemporaryDirectory() as folder:  # a page that writes files leaves none behind
        resources = {"metadata": {"path": folder}}
        run = NotebookClient(notebook, timeout=RUN_S_MAX, resources=resources).execute()
    run.metadata.pop("widgets", None)  # their state, for which a page would fetch a script
    return run


def _exporter() -> Any:
    from nbconvert import HTMLExporter
    from traitlets.config import Config

    config = Config({"NbConvertBase": {"display_data_priority": SHOWN}})
    make: Any = HTMLExporter
    return make(config=config, **dict.fromkeys(ELSEWHERE, ""))


def _item(page: str, first_cell: str) -> str:
    """A line of the index: title, and the promise below it."""
    title, _blank, promise, *_rest = first_cell.splitlines()
    words = html.escape(re.sub(r"[*`]", "", promise))
    return f'<li><a href="{page}">{html.escape(title.removeprefix("# "))}</a><br>{words}</li>'
