"""`swarmlab pages`: runs the notebooks and writes them as web pages that need no kernel.

`nbconvert` does both. Where a live widget stands, the page shows the picture and the text that
every widget carries for readers without a kernel.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from swarmlab.strings import _

# Scripts that nbconvert would load from the network; no page needs them.
SCRIPT_URLS = ("require_js_url", "mathjax_url", "jquery_url", "mermaid_js_url")
SETTINGS = {
    "ExecutePreprocessor": {
        "enabled": True,
        "timeout": 300,  # seconds a cell
        "store_widget_state": False,  # a page would load a script to show it
    },
    # Forms of an output, best first; the live widget is not among them.
    "NbConvertBase": {
        "display_data_priority": [
            *("text/html", "image/svg+xml", "image/png", "text/markdown", "text/plain"),
        ]
    },
    "HTMLExporter": dict.fromkeys((*SCRIPT_URLS, "widget_renderer_url"), ""),
}


def build(notebooks: Sequence[Path], into: Path) -> list[Path]:
    """Run each notebook and write it as one HTML file; the pages, an index first."""
    import nbformat

    v4: Any = nbformat.v4
    into.mkdir(parents=True, exist_ok=True)
    words = _("Docker Swarm mode, live, in your notebook. These pages were run; to play, run them.")
    index, pages = ["# swarmlab", words], []
    for path in notebooks:
        notebook = v4.reads(path.read_text("utf-8"))
        title, _blank, promise, *_rest = notebook.cells[0].source.splitlines()
        index.append(f"- [{title.removeprefix('# ')}]({path.stem}.html)  \n  {promise}")
        pages.append(_write(notebook, into / f"{path.stem}.html"))
    contents = v4.new_notebook(cells=[v4.new_markdown_cell("\n\n".join(index))])
    return [_write(contents, into / "index.html"), *pages]


def _write(notebook: Any, page: Path) -> Path:
    import nbconvert
    from traitlets.config import Config

    exporter: Any = nbconvert.HTMLExporter(config=Config(SETTINGS))  # type: ignore[no-untyped-call]  # it has no types
    with tempfile.TemporaryDirectory() as folder:  # where a notebook writes its files
        resources = {"metadata": {"name": page.stem, "path": folder}}
        html, _resources = exporter.from_notebook_node(notebook, resources)
    page.write_text(html, encoding="utf-8")
    return page
