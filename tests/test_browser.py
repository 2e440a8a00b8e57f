"""What an attendee sees: JupyterLab, started as the README says, in headless Chromium."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Locator

from tests.browser import Lab, Notebook, opened
from tests.conftest import program

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
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
        assert ["ZeroDivisionError" in text for text in notebook.tracebacks()] == [True]
        assert notebook.dialogs() == []
        notebook.screenshot(tmp_path / "counter.png")
        assert (tmp_path / "counter.png").stat().st_size > 10_000


class Board:
    """The first board on a page, as somebody sees it who has only eyes, a mouse and a keyboard."""

    def __init__(self, notebook: Notebook) -> None:
        self.root = notebook.page.locator("section.swarmlab-board").first
        self.root.scroll_into_view_if_needed()

    def column(self, name: str) -> Locator:
        return self.root.locator(f'.column[data-name="{name}"]')

    def leader(self) -> str:
        """The one column whose badge says that it leads; "" when there is none."""
        leading = self.root.locator(".column:has(.badge.leads)")
        names = leading.evaluate_all("columns => columns.map((column) => column.dataset.name)")
        assert len(names) <= 1, names
        return names[0] if names else ""

    def words(self) -> str:
        """The text twin."""
        return self.root.locator("details.words pre").text_content() or ""

    def step_until_another_leads(self, former: str) -> str:
        """Let time pass, 10 s a click, until the board shows another leader; its name."""
        for _ in range(12):
            self.root.locator("button.step").click()
            self.root.page.wait_for_timeout(200)
            if self.leader() not in ("", former):
                return self.leader()
        raise AssertionError(f"nobody follows {former}; in words: {self.words()}")


@pytest.mark.browser
def test_the_leader_is_crashed_by_mouse_and_by_keyboard_and_another_leads(
    lab: Lab, chromium: str, tmp_path: Path
):
    with opened(lab, "00_start_here.ipynb", chromium) as notebook:
        notebook.run_all()
        assert notebook.tracebacks() == []
        assert notebook.dialogs() == []
        board = Board(notebook)
        first = board.leader()
        board.column(first).locator(".head").click()
        board.column(first).locator('.menu button[data-do="crash"]').click()
        board.column(first).get_by_text("down").first.wait_for()
        second = board.step_until_another_leads(first)
        assert f"{second} leads" in board.words()

        board.column(first).locator(".head").click()
        board.column(first).locator('.menu button[data-do="start"]').click()
        for _ in range(3):
            board.root.locator("button.step").click()
        board.column(second).locator(".head").press("c")
        board.column(second).get_by_text("down").first.wait_for()
        third = board.step_until_another_leads(second)
        assert f"{third} leads" in board.words()
        assert third != second
        notebook.screenshot(tmp_path / "board.png")


@pytest.mark.browser
@pytest.mark.parametrize("name", [n.name for n in NOTEBOOKS])
def test_a_notebook_runs_from_top_to_bottom_in_the_browser(
    lab: Lab, chromium: str, tmp_path: Path, name: str
):
    with opened(lab, name, chromium) as notebook:
        notebook.run_all()
        assert notebook.tracebacks() == []
        assert notebook.dialogs() == []
        notebook.screenshot(tmp_path / "notebook.png")


@pytest.mark.browser
def test_keys_go_to_the_board_alone_and_a_restarted_kernel_is_told_of(lab: Lab, chromium: str):
    """JupyterLab's own `d` `d` deletes the cell."""
    with opened(lab, "00_start_here.ipynb", chromium) as notebook:
        notebook.run_all()
        board, page = Board(notebook), notebook.page
        cells = page.locator(".jp-Notebook .jp-Cell")
        cells_count = cells.count()
        head = board.column("w1").locator(".head")
        head.press("d")
        head.press("d")
        board.column("w1").get_by_text("drain · ready").wait_for()
        head.press("ArrowRight")
        assert page.locator(":focus").get_attribute("aria-label").startswith("w2: ")
        assert cells.count() == cells_count

        page.get_by_role("menubar").get_by_text("Kernel", exact=True).click()
        page.locator(".lm-Menu").get_by_text("Restart Kernel").first.click()
        page.locator(".jp-Dialog .jp-mod-accept").click()
        board.root.get_by_text("press Run on the cell above").wait_for()
        page.get_by_text("The kernel was restarted, so these buttons").first.wait_for()


RAFT = """
import swarmlab
from swarmlab.views.raft_columns import raft_columns

raft_columns(swarmlab.simulate(managers=3, workers=1, seed=7))
"""


@pytest.mark.browser
def test_a_message_between_managers_is_lost_by_mouse_and_by_keyboard(lab: Lab, chromium: str):
    """Both requests for a vote are lost, so nobody leads; a later election succeeds."""
    (lab.folder / "raft.ipynb").write_text(notebook_of(RAFT))
    with opened(lab, "raft.ipynb", chromium) as notebook:
        notebook.run_all()
        root = notebook.page.locator(".swarmlab-raft")
        news, messages = root.locator(".news"), root.locator("button.message")
        root.locator('.column[data-name="m1"] .power').click()
        news.get_by_text("m1 is down.").wait_for()
        while not messages.filter(has_text="vote for me").count():
            before = root.locator(".clock").inner_text()
            root.locator("button.step").press("Enter")
            root.locator(".clock").filter(has_not_text=before).wait_for()
        assert messages.count() == 2
        lost = news.get_by_text("Lost, ")
        messages.first.click()
        lost.nth(0).wait_for()
        messages.first.press("Enter")
        lost.nth(1).wait_for()
        assert messages.count() == 0
        assert notebook.page.locator(":focus").inner_text() == "Step"  # where a key goes on
        root.locator("select.size").select_option("1s")
        root.locator("button.step").click()
        root.get_by_text("candidate").first.wait_for()
        assert root.locator('.column[data-role="leader"]').count() == 0
        root.locator("select.size").select_option("10s")
        for _ in range(6):
            root.locator("button.step").click()
        root.locator('.column[data-role="leader"]').wait_for()
        assert "leader" in (root.locator(".words pre").text_content() or "")


@pytest.mark.browser
def test_the_stack_is_built_and_the_sliders_move_by_mouse_and_by_keyboard(lab: Lab, chromium: str):
    with opened(lab, "01_vm_vs_container.ipynb", chromium) as notebook:
        notebook.run_all()
        page = notebook.page
        put = page.get_by_role("button", name="Put it there")
        put.scroll_into_view_if_needed()
        layer, on = page.get_by_label("Put", exact=True), page.get_by_label("on", exact=True)
        layer.select_option("bins/libs + Nginx")
        put.click()
        page.get_by_text("A program calls a kernel").wait_for()
        layer.select_option("Server")
        put.press("Enter")
        page.get_by_text("It stands.").wait_for()
        assert on.locator("option:checked").inner_text().endswith("Server")

        slider = page.locator(".widget-slider:has-text('Apps') [role=slider]").first
        slider.scroll_into_view_if_needed()
        slider.press("ArrowRight")
        page.get_by_text("Virtual machines. Apps: 3, kernels: 4").wait_for()


@pytest.mark.browser
def test_an_exercise_is_solved_by_mouse_and_by_keyboard(lab: Lab, chromium: str, tmp_path: Path):
    """A wrong answer first: it gets its nudge, is undone, and the right one is noted on disk."""
    with opened(lab, "07_placement.ipynb", chromium) as notebook:
        notebook.run_all()
        page = notebook.page
        task = page.locator(".jp-Cell", has_text='exercise("spread_over_zones"').last
        button = partial(task.get_by_role, "button", exact=True)
        task.scroll_into_view_if_needed()
        button(name="Start").click()
        status = task.get_by_role("status")
        status.get_by_text("speaks to this swarm now").wait_for()

        create = "%docker service create --quiet --name web --replicas 6"
        command = f"{create} --placement-pref spread=node.label.az nginx"
        type_below(notebook, task, command)
        button(name="Check").press("Enter")
        status.get_by_text("the scheduler knows").wait_for()
        task.get_by_text("Changes: 1 (fewest: 1)").wait_for()

        button(name="Undo").click()
        status.get_by_text("Undone").wait_for()
        task.get_by_text("Changes: 0 (fewest: 1)").wait_for()
        button(name="Hint").press("Space")
        status.get_by_text("Hint 1 of 3").wait_for()

        type_below(notebook, task, command.replace("label", "labels"))
        button(name="Check").press("Enter")
        status.get_by_text("✔ Solved").wait_for()
        notebook.screenshot(tmp_path / "exercise.png")
    noted = next(lab.folder.rglob("progress.json"))
    assert '"spread_over_zones"' in noted.read_text()


def type_below(notebook: Notebook, cell: Locator, text: str) -> None:
    """Write `text` into the code cell that follows `cell`, in place of what is there; run it."""
    editor = cell.locator("xpath=following-sibling::*[1]").locator(".cm-content")
    editor.click()
    notebook.page.keyboard.press("Control+A")
    notebook.page.keyboard.insert_text(text)
    notebook.page.keyboard.press("Control+Enter")
    notebook.wait_until_idle()
