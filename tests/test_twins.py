"""The notebooks as text: each has its twin in .notebooks/, which says the same."""

from __future__ import annotations

import nbformat

from tests.twins import HEAD, NOTEBOOKS, TWINS, as_text, twins


def test_each_notebook_has_a_twin_with_the_same_cells():
    """After a change of a notebook: `python -m tests.twins`."""
    kept = {path: path.read_text("utf-8") for path in TWINS.rglob("*.py")}
    assert kept.keys() == twins().keys()
    assert [path.name for path, text in twins().items() if kept[path] != text] == []


def test_a_twin_has_prose_and_magics_as_comments_and_code_as_it_is():
    """As jupytext writes py:percent, which reads it back to the same cells."""
    prose = nbformat.v4.new_markdown_cell("# A title\n\nText.")
    code = "import swarmlab\n%docker service create \\\n    nginx\nx = 1 % 2"
    tagged = nbformat.v4.new_code_cell(code, metadata={"tags": ["wall-clock"]})
    notebook = nbformat.v4.new_notebook(cells=[prose, tagged])
    assert as_text(notebook) == HEAD + (
        "\n# %% [markdown]\n# # A title\n#\n# Text.\n"
        '\n# %% tags=["wall-clock"]\nimport swarmlab\n'
        "# %docker service create \\\n#     nginx\nx = 1 % 2\n"
    )


def test_every_page_of_the_course_is_there():
    """In both languages."""
    assert len(NOTEBOOKS) >= 40
    assert len({path.stem for path in NOTEBOOKS}) == len(NOTEBOOKS) / 2
