"""An interrupted kernel, a restarted kernel, and a reloaded page, in the browser."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.browser import Lab, Notebook, notebook_of, opened

pytestmark = pytest.mark.browser
VIEWS = """
import swarmlab
from swarmlab.views.raft_columns import raft_columns
from swarmlab.views.timeline import timeline

cluster = swarmlab.simulate(managers=3, workers=2, seed=7)
display(cluster.board(), timeline(cluster), raft_columns(cluster))
"""
LONG = 'print("begun")\ncluster.run("10000000s")'
WAITS = "%docker service create --name web --constraint node.role==nobody nginx"
NEXT = (
    '%docker service ls\n%docker node ls\ncluster.crash("m1")\ncluster.run("60s")\n%docker node ls'
)

QUIZ = 'from swarmlab.lessons.bets import quiz, score\nquiz("reads")'
SCORE = "from swarmlab.lessons.bets import score\nscore()"


def test_interrupting_restarting_and_reloading_are_shown_and_survived(lab: Lab, chromium: str):
    (lab.folder / "kernel.ipynb").write_text(
        notebook_of(VIEWS, LONG, WAITS, NEXT), encoding="utf-8"
    )
    with opened(lab, "kernel.ipynb", chromium) as notebook:
        page = notebook.page
        cells = page.locator(".jp-Notebook .jp-Cell")
        output = ".jp-OutputArea-output"
        gone = page.locator(".swarmlab-board .gone")
        clock = page.locator(".jupyterlab-sidecar .clock")

        notebook.run(cells.nth(0))
        expect(gone).to_have_count(3)
        # Interrupted while much virtual time passes: one line, and no traceback.
        notebook.run(cells.nth(1))
        expect(cells.nth(1).locator(output).first).to_have_text("begun\n")
        notebook.menu("Kernel", "Interrupt Kernel")
        notebook.wait_until_idle()
        _begun, *_progress, stopped = cells.nth(1).locator(output).all_inner_texts()
        assert stopped.startswith("Stopped;")
        assert len(stopped.splitlines()) == 1
        # Interrupted while a command waits: as the stock command line.
        notebook.run(cells.nth(2))
        expect(cells.nth(2)).to_contain_text("0 out of 1 tasks")
        notebook.menu("Kernel", "Interrupt Kernel")
        notebook.wait_until_idle()
        expect(cells.nth(2)).to_contain_text("Operation continuing in background.")
        # Interrupted while the board plays, and no cell runs: nothing happens.
        page.locator(".jupyterlab-sidecar button.play").click()
        notebook.menu("Kernel", "Interrupt Kernel")
        before = clock.inner_text()
        expect(clock).not_to_have_text(before)
        page.locator(".jupyterlab-sidecar button.play").click()
        # The swarm still works: it elects another leader.
        notebook.run(cells.nth(3))
        notebook.wait_until_idle()
        before, after = cells.nth(3).inner_text().split("HOSTNAME")[1:]
        assert "web" in cells.nth(3).inner_text()
        assert "Leader" in before
        assert "Leader" in after.replace("m1", "")
        assert notebook.tracebacks() == []

        # A reloaded page finds its kernel, and its widgets answer.
        notebook.save()
        notebook.reload()
        before = clock.inner_text()
        page.locator(".jupyterlab-sidecar button.step").click()
        expect(clock).not_to_have_text(before)
        expect(gone.filter(visible=True)).to_have_count(0)
        # Without their kernel the widgets say so, also those that the notebook has stored.
        notebook.menu("Kernel", "Restart Kernel…")
        page.locator(".jp-Dialog .jp-mod-accept").click()
        expect(gone.filter(visible=True)).to_have_count(3)
        notebook.reload()
        expect(gone.filter(visible=True)).to_have_count(3)
        assert notebook.dialogs() == []


def test_after_a_restart_cells_explain_themselves_and_a_picture_rebuilds_itself(
    lab: Lab, chromium: str
):
    (lab.folder / "rebuilt.ipynb").write_text(
        notebook_of(VIEWS, NEXT, WAITS, QUIZ, SCORE), encoding="utf-8"
    )
    with opened(lab, "rebuilt.ipynb", chromium) as notebook:
        page = notebook.page
        cells = page.locator(".jp-Notebook .jp-Cell")
        gone = page.locator(".swarmlab-board .gone")
        clock = page.locator(".jupyterlab-sidecar .clock")

        notebook.run(cells.nth(0))
        expect(gone).to_have_count(3)
        notebook.run(cells.nth(3))
        cells.nth(3).get_by_role("button", name="A: ").click()
        status = cells.nth(3).get_by_role("status").filter(has_text="Bets right")
        (bets_right,) = re.findall(r"Bets right, on all pages: \d+ of \d+", status.inner_text())
        notebook.menu("Kernel", "Restart Kernel…")
        page.locator(".jp-Dialog .jp-mod-accept").click()
        expect(gone.filter(visible=True)).to_have_count(3)
        # What was right stays counted.
        notebook.run(cells.nth(4))
        expect(cells.nth(4)).to_contain_text(bets_right)
        # A cell from the middle of the page says in one line what is missing.
        notebook.run(cells.nth(1))
        notebook.wait_until_idle()
        expect(cells.nth(1)).to_contain_text("'cluster' is not known yet: a cell above was not run")
        notebook.run(cells.nth(2))
        notebook.wait_until_idle()
        expect(cells.nth(2)).to_contain_text("there is no cluster to speak to")
        assert notebook.tracebacks() == []
        # The dead buttons cannot be pressed; the one that rebuilds can.
        assert page.locator(".swarmlab-board .bar").first.evaluate("bar => bar.inert")
        page.locator(".swarmlab-board button.rebuild").first.click()
        expect(gone.filter(visible=True)).to_have_count(0)
        before = clock.inner_text()
        page.locator(".jupyterlab-sidecar button.step").click()
        expect(clock).not_to_have_text(before)


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("%docker ser", "%docker service"),
        ("%docker service cr", "%docker service create"),
        ("%docker service create --update-pa", "%docker service create --update-parallelism"),
        ("%docker -H m1 node inspect w", "%docker -H m1 node inspect w1"),
        ("%docker -H m", "%docker -H m1"),
        ('cluster.crash("m', 'cluster.crash("m1'),
    ],
)
def test_tab_completes_what_is_typed_in_a_cell(completing: Notebook, typed: str, offered: str):
    cell, page = completing.page.locator(".jp-Notebook .jp-CodeCell").nth(1), completing.page
    cell.locator(".cm-content").click()
    page.keyboard.press("Control+A")
    page.keyboard.insert_text(typed)
    page.keyboard.press("Tab")
    expect(page.locator(".jp-Completer-item").first).to_be_visible()
    page.keyboard.press("Enter")
    expect(cell.locator(".cm-line")).to_contain_text(offered)


@pytest.fixture(scope="module")
def completing(lab: Lab, chromium: str) -> Iterator[Notebook]:
    text = notebook_of("cluster = __import__('swarmlab').simulate(seed=7)", "1")
    (lab.folder / "completing.ipynb").write_text(text, encoding="utf-8")
    with opened(lab, "completing.ipynb", chromium) as notebook:
        notebook.run(notebook.page.locator(".jp-Notebook .jp-CodeCell").first)
        notebook.wait_until_idle()
        yield notebook
