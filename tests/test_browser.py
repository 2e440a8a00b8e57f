"""What an attendee sees: JupyterLab, started as the README says, in headless Chromium."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

from tests.browser import Lab, opened
from tests.conftest import program

COUNTER = """
import anywidget, traitlets

class Counter(anywidget.AnyWidget):
    _esm = '''
    function render({ model, el }) {
      const button = document.createElement("button");
      button.className = "counter";
      const draw = () => { button.textContent = `count ${model.get("count")}`; };
      button.onclick = () => { model.set("count", model.get("count") + 1); model.save_changes(); };
      model.on("change:count", draw);
      draw();
      el.append(button);
    }
    export default { render };
    '''
    count = traitlets.Int(40).tag(sync=True)

counter = Counter()
counter
"""


def notebook_of(*cells: str) -> str:
    """A notebook's text: one code cell each."""
    kernel = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    code = [nbformat.v4.new_code_cell(cell) for cell in cells]
    made = nbformat.v4.new_notebook(cells=code, metadata={"kernelspec": kernel})
    return nbformat.writes(made)


@pytest.fixture(scope="module")
def chromium() -> str:
    return program("browser") or ""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory):
    """JupyterLab on the kit's notebooks and one more that shows the tools of this file at work."""
    folder = tmp_path_factory.mktemp("lab")
    (folder / "counter.ipynb").write_text(notebook_of(COUNTER, "counter.count += 1", "1 / 0"))
    with Lab(folder) as started:
        yield started


@pytest.mark.browser
def test_a_widget_is_clicked_with_mouse_and_keyboard_and_a_failing_cell_is_seen(
    lab: Lab, chromium: str, tmp_path: Path
):
    """Holds the helper to the truth: were it blind, the tests below would prove nothing."""
    with opened(lab, "counter.ipynb", chromium) as notebook:
        assert notebook.dialogs() == []
        notebook.run_all()
        button = notebook.page.locator("button.counter")
        button.get_by_text("count 41").wait_for()
        button.click()
        button.get_by_text("count 42").wait_for()
        button.press("Enter")
        button.get_by_text("count 43").wait_for()
        assert ["ZeroDivisionError" in error for error in notebook.errors()] == [True]
        assert notebook.dialogs() == []
        notebook.screenshot(tmp_path / "counter.png")
        assert (tmp_path / "counter.png").stat().st_size > 10_000
