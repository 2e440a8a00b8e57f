"""The first widgets in JupyterLab, started as the README says, in headless Chromium."""

from __future__ import annotations

import ast
from functools import partial
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Locator, expect

from tests.browser import TOKEN, Lab, Notebook, notebook_of, opened
from tests.test_serve import until

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


@pytest.mark.browser
def test_the_address_that_is_printed_leads_to_the_first_page(lab: Lab):
    """Of use where JupyterLab finds no browser, as over ssh."""
    first = f"{lab.url}/lab/tree/00_start_here.ipynb?token="
    assert first in lab.log.read_text("utf-8").replace("localhost", "127.0.0.1")
    assert requests.get(f"{lab.url}/?token={TOKEN}", timeout=60).url == first + TOKEN


@pytest.mark.browser
def test_a_widget_is_clicked_with_mouse_and_keyboard_and_a_failing_cell_is_seen(
    lab: Lab, chromium: str, tmp_path: Path
):
    """Holds the helper to the truth: were it blind, the tests below would prove nothing."""
    cells = notebook_of(COUNTER, "counter.count += 1", "1 / 0")
    (lab.folder / "counter.ipynb").write_text(cells, encoding="utf-8")
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
    """The docked board, as a person with only eyes, a mouse and a keyboard sees it."""

    def __init__(self, notebook: Notebook) -> None:
        self.root = notebook.page.locator(".jupyterlab-sidecar section.swarmlab-board")
        self.root.scroll_into_view_if_needed()

    def column(self, name: str) -> Locator:
        return self.root.locator(f'.column[data-name="{name}"]')

    def leader(self) -> str:
        """The name of the leader's column; "" when there is none."""
        leading = self.root.locator(".column:has(.badge.leads)")
        names = leading.evaluate_all("columns => columns.map((column) => column.dataset.name)")
        assert len(names) <= 1, names
        return names[0] if names else ""

    def text(self) -> str:
        """The text form."""
        return self.root.locator("details.text-form pre").text_content() or ""

    def step_until_another_leads(self, former: str) -> str:
        """Let time pass, 10 s a click, until the board shows another leader; its name."""
        another = self.root.locator(f".column:not([data-name={former}]):has(.badge.leads)")
        for _ in range(12):
            self.root.locator("button.step").click()
            self.root.page.wait_for_timeout(200)
            if another.count():
                break
        another.wait_for()
        return self.leader()


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
        assert f"{second} leads" in board.text()

        board.column(first).locator(".head").click()
        board.column(first).locator('.menu button[data-do="start"]').click()
        for _ in range(3):
            board.root.locator("button.step").click()
        board.column(second).locator(".head").press("c")
        board.column(second).get_by_text("down").first.wait_for()
        third = board.step_until_another_leads(second)
        assert f"{third} leads" in board.text()
        assert third != second
        notebook.screenshot(tmp_path / "board.png")


# The keys that Notebook 7 would take before the page gets them: all but on an element with the
# attribute that its Lumino, which takes them first, heeds.
TAKEN_FIRST = """() => {
    window.taken = [];
    document.addEventListener("keydown", ({ key, target }) => {
        if (!target.hasAttribute("data-lm-suppress-shortcuts")) window.taken.push(key);
    }, true);
}"""


@pytest.mark.browser
def test_keys_stay_in_the_board_and_a_restarted_kernel_is_reported(lab: Lab, chromium: str):
    """JupyterLab's own `d` `d` deletes the cell."""
    with opened(lab, "00_start_here.ipynb", chromium) as notebook:
        notebook.run_all()
        board, page = Board(notebook), notebook.page
        cells = page.locator(".jp-Notebook .jp-Cell")
        cells_count = cells.count()
        head = board.column("w1").locator(".head")
        page.evaluate(TAKEN_FIRST)
        head.press("d")
        head.press("d")
        board.column("w1").get_by_text("drain · ready").wait_for()
        head.press("Control")
        assert page.evaluate("window.taken") == ["Control"]
        head.press("ArrowRight")
        assert page.locator(":focus").get_attribute("aria-label").startswith("w2: ")
        board.column("w2").locator(".head").click()  # opens the menu, and goes into it
        page.keyboard.press("p")
        board.column("w2").get_by_text("pause · ready").wait_for()
        assert cells.count() == cells_count

        notebook.menu("Kernel", "Restart Kernel…")
        page.locator(".jp-Dialog .jp-mod-accept").click()
        board.root.get_by_role("button", name="Rebuild").wait_for()
        page.get_by_text("The kernel was restarted, so these buttons").first.wait_for()


@pytest.mark.browser
def test_of_a_panel_that_is_shown_twice_one_is_closed(lab: Lab, chromium: str):
    """A busy JupyterLab may read it from its message and from the kernel's list."""
    board = "import swarmlab\ncluster = swarmlab.simulate(seed=7)\ncluster.board()"
    again = (
        "from sidecar import Sidecar\nfrom swarmlab.views import dock\n[(panel, _)] = dock._shown"
    )
    again += '\nagain = Sidecar(anchor="split-top", outputs=panel.outputs)\nprint("shown twice")'
    (lab.folder / "twice.ipynb").write_text(notebook_of(board, again), encoding="utf-8")
    with opened(lab, "twice.ipynb", chromium) as notebook:
        panels = notebook.page.locator(".jupyterlab-sidecar")
        boards = panels.locator("section.swarmlab-board")
        cells = notebook.page.locator(".jp-Notebook .jp-CodeCell")
        notebook.run(cells.nth(0))
        expect(boards).to_have_count(1)
        notebook.run(cells.nth(1))
        expect(cells.nth(1)).to_contain_text("shown twice")
        notebook.wait_until_idle()
        expect(panels).to_have_count(1)
        boards.locator("button.step").click()
        expect(boards.locator(".clock")).to_have_text("t = 12.5 s")
        assert notebook.dialogs() == []


@pytest.mark.browser
def test_the_board_stays_in_sight_in_a_panel_until_it_is_closed(lab: Lab, chromium: str):
    cells = notebook_of("import swarmlab", "cluster = swarmlab.simulate(seed=7)\ncluster.board()")
    (lab.folder / "docked.ipynb").write_text(cells, encoding="utf-8")
    with opened(lab, "docked.ipynb", chromium) as notebook:
        page = notebook.page
        boards = page.locator("section.swarmlab-board")
        in_cell = page.locator(".jp-Cell section.swarmlab-board").filter(visible=True)
        panels = page.locator(".jupyterlab-sidecar")
        cell = page.locator(".jp-Notebook .jp-CodeCell").nth(1)
        notebook.run_all()
        expect(panels.locator("section.swarmlab-board")).to_have_count(1)
        expect(boards).to_have_count(1)
        expect(cell).to_contain_text("The board is docked in a panel.")
        # The page keeps the keys: Shift+Enter goes on in it.
        assert page.evaluate("document.activeElement.closest('.jp-Notebook') !== null")
        boards.locator("button.step").click()
        expect(boards.locator(".clock")).to_have_text("t = 12.5 s")
        # The cell is run again: its new swarm takes the same panel.
        notebook.run(cell)
        notebook.wait_until_idle()
        expect(boards.locator(".clock")).to_have_text("t = 2.5 s")
        expect(panels).to_have_count(1)
        # After a restart the board in the panel rebuilds itself, in one panel.
        notebook.menu("Kernel", "Restart Kernel…")
        page.locator(".jp-Dialog .jp-mod-accept").click()
        boards.get_by_role("button", name="Rebuild").click()
        expect(boards.get_by_role("button", name="Rebuild").filter(visible=True)).to_have_count(0)
        notebook.wait_until_idle()
        expect(panels.locator("section.swarmlab-board")).to_have_count(1)
        expect(boards).to_have_count(1)
        # Closed, the board is back in its cell, and answers.
        page.locator(".lm-DockPanel-tabBar .lm-TabBar-tab", has_text="Swarm").locator(
            ".lm-TabBar-tabCloseIcon"
        ).click()
        expect(in_cell).to_have_count(1)
        expect(panels).to_have_count(0)
        before = in_cell.locator(".clock").inner_text()
        in_cell.locator("button.step").click()
        expect(in_cell.locator(".clock")).not_to_have_text(before)
        assert notebook.dialogs() == []


@pytest.mark.browser
def test_a_deleted_cells_picture_sleeps_until_the_cell_is_back(lab: Lab, chromium: str):
    """Counted in the kernel: how often the picture reads the cluster while time plays."""
    shown = "columns = raft_columns(swarmlab.simulate(seed=7))\ncolumns.cluster.play(1)\ncolumns"
    count = "columns.recording.moments, columns.asleep"
    imports = "import swarmlab\nfrom swarmlab.views.raft_columns import raft_columns"
    texts = notebook_of(imports, shown, "columns", count)
    (lab.folder / "deleted.ipynb").write_text(texts, encoding="utf-8")
    with opened(lab, "deleted.ipynb", chromium) as notebook:
        page = notebook.page
        views, cells = page.locator(".swarmlab-raft"), page.locator(".jp-Notebook .jp-Cell")
        edit = partial(notebook.menu, "Edit")

        def counted() -> tuple[int, bool]:
            notebook.run(cells.last)
            notebook.wait_until_idle()
            return ast.literal_eval(cells.last.locator(".jp-OutputArea-output").inner_text())

        def moves() -> None:
            before, _asleep = counted()
            until(lambda: counted()[0] > before + 1)

        notebook.run_all()
        expect(views).to_have_count(2)
        for left in (1, 0):
            moves()
            cells.nth(2 if left else 1).locator(".jp-InputPrompt").click()
            edit("Delete Cell")
            expect(views).to_have_count(left)
        until(lambda: counted()[1])  # it's told, and the last tick passes
        page.wait_for_timeout(500)
        before = counted()
        page.wait_for_timeout(700)  # ms: some ticks
        assert counted() == before
        edit("Undo Cell Operation")
        expect(views).to_have_count(1)
        moves()
        assert counted()[1] is False


@pytest.mark.browser
def test_the_end_of_a_page_leads_to_the_next_page(lab: Lab, chromium: str):
    cells = notebook_of("from swarmlab.lessons import where_next\nwhere_next('05_quorum')")
    (lab.folder / "end.ipynb").write_text(cells, encoding="utf-8")
    with opened(lab, "end.ipynb", chromium) as notebook:
        notebook.run_all()
        notebook.page.locator(".jp-OutputArea-output a", has_text="06_command").click()
        tabs = notebook.page.locator(".lm-DockPanel-tabBar .lm-TabBar-tab")
        expect(tabs.filter(has_text="06_command_to_container.ipynb")).to_have_count(1)


RAFT = """
import swarmlab
from swarmlab.views.raft_columns import raft_columns

raft_columns(swarmlab.simulate(managers=3, workers=1, seed=7))
"""


@pytest.mark.browser
def test_a_wide_table_scrolls_in_its_cell(lab: Lab, chromium: str):
    """Docker's tables are wide, and a wrapped one cannot be read."""
    make = "import swarmlab\nswarmlab.simulate(seed=7).board()"
    wide = "%docker service create --quiet --name web redis\n%docker service ps --no-trunc web"
    cells = notebook_of(make, wide)
    (lab.folder / "wide.ipynb").write_text(cells, encoding="utf-8")
    with opened(lab, "wide.ipynb", chromium) as notebook:
        notebook.page.set_viewport_size({"width": 1024, "height": 768})
        notebook.run_all()
        table = notebook.page.locator("[data-mime-type$=stdout] pre").last
        wide = "(text) => [text, text.parentElement].some((e) => e.scrollWidth > e.clientWidth)"
        assert table.evaluate(wide)
        lines = table.evaluate(
            "(text) => text.clientHeight / parseFloat(getComputedStyle(text).lineHeight)"
        )
        assert round(lines) == len(table.inner_text().rstrip().splitlines())


@pytest.mark.browser
def test_a_message_between_managers_is_lost_by_mouse_and_by_keyboard(lab: Lab, chromium: str):
    """Both requests for a vote are lost, so nobody leads; a later election succeeds."""
    (lab.folder / "raft.ipynb").write_text(notebook_of(RAFT), encoding="utf-8")
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
        assert "leader" in (root.locator(".text-form pre").text_content() or "")
