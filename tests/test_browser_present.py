"""`swarmlab present` in headless Chromium: whole pages, with the keys of a remote control.

In CI: the page and the screen that the commit's number chooses. With SWARMLAB_WHOLE=1: all pages on
both screens; pictures of all that they show stay in pytest's temporary folder.
"""

from __future__ import annotations

import itertools
import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.browser import CELLS_TIMEOUT_S, CHROMIUM_OPTIONS, TOKEN, Lab
from tests.host_engine import HostEngine, import_dind, missing
from tests.sample import WHOLE, sample
from tests.served import Served

MS = 3 * 1000 * CELLS_TIMEOUT_S
TYPE_PX_MIN = 20
COPY_S_MAX = 55  # on a busy machine; a single request to an engine would take 60
SCREENS = {"small": (1024, 768), "large": (1920, 1080)}
FAULTS = (Path(__file__).with_name("stage_faults.js")).read_text("utf-8")
SHOWS = [*itertools.product(("00", "05", "06", "12"), SCREENS)]
# What the last key asked for is done, all outputs are drawn, and ten frames long none has grown.
DRAWN = """() => {
    const busy = !document.querySelector(".swarmlab-stage:not(.swarmlab-busy)");
    const view = document.querySelector(".jp-WindowedPanel-outer");
    const now = busy || view.innerText.includes("Loading widget") ? -1 : view.scrollHeight;
    window.frames_alike = now >= 0 && now === window.last_height ? window.frames_alike + 1 : 0;
    window.last_height = now;
    return window.frames_alike >= 10;
}"""


class Stage:
    """The stage, as its presenter uses it."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def wait(self) -> None:
        """Until what the last key asked for is on the screen."""
        self.page.evaluate("window.frames_alike = 0")
        self.page.wait_for_function(DRAWN, timeout=MS)

    def press(self, key: str) -> None:
        self.page.keyboard.press(key)
        self.wait()

    def notice(self) -> str:
        return self.page.locator(".swarmlab-stage-notice").text_content() or ""

    def steps(self) -> list[int]:
        """The number of the step on the screen, and of the last one."""
        text = self.page.locator("html").get_attribute("data-step") or ""
        return [*map(int, text.split("/"))]

    def place(self) -> tuple[list[int], int]:
        """The step, and how far it is scrolled."""
        view = self.page.locator(".jp-NotebookPanel .jp-WindowedPanel-outer")
        return self.steps(), int(view.evaluate("view => view.scrollTop"))

    def faults(self) -> list[str]:
        texts = self.page.locator(".jp-RenderedText:visible").all_text_contents()
        found: list[str] = self.page.evaluate(FAULTS, TYPE_PX_MIN)
        return [text[:200] for text in texts if "Traceback" in text] + found


@contextmanager
def presented(folder: Path, chromium: str, screen: str, *words: str) -> Iterator[Stage]:
    """`swarmlab present …` in a browser of its own, which begins to load it."""
    with Lab(folder, "present", *words) as lab, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_OPTIONS)
        width, height = SCREENS[screen]
        page = browser.new_page(viewport={"width": width, "height": height})
        page.set_default_timeout(MS)
        page.goto(f"{lab.url}/?token={TOKEN}")
        try:
            yield Stage(page)
        finally:
            browser.close()


@pytest.mark.browser
@pytest.mark.parametrize(("page", "screen"), sample(SHOWS))
def test_pages_are_presented_from_first_to_last_step(
    tmp_path: Path, chromium: str, page: str, screen: str
):
    """No cell that has not run, no traceback, no scroll bar, no small type, no broken table or
    word, no empty screen; and after all steps the board is still alive."""
    with presented(tmp_path, chromium, screen, page) as stage:
        stage.wait()
        faults, places = {}, [stage.place()]
        while True:
            faults |= {str(places[-1]): found} if (found := stage.faults()) else {}
            if WHOLE:
                stage.page.screenshot(path=tmp_path / f"{len(places):03}.png")
            stage.press("PageDown")
            places.append(stage.place())
            if places[-1] == places[-2]:
                break
        assert faults == {}
        assert places == sorted(places)
        last = stage.steps()[1]
        assert [*dict.fromkeys(step for (step, _), _ in places)] == [*range(1, last + 1)]
        assert stage.notice() == "The end"
        board = stage.page.locator(".jupyterlab-sidecar section.swarmlab-board")
        board.get_by_role("button", name="Play").click()
        before = board.locator(".clock").text_content()
        expect(board.locator(".clock")).not_to_have_text(before or "", timeout=MS)


@pytest.mark.browser
def test_a_presenter_has_keys_a_terminal_and_a_window(tmp_path: Path, chromium: str):
    with presented(tmp_path, chromium, "small", "05") as stage:
        stage.wait()
        page = stage.page
        leader = page.locator(".jupyterlab-sidecar .column:has(.badge.leads)")
        expect(leader).to_have_attribute("data-name", "m1", timeout=MS)
        stage.press("c")
        assert stage.notice() == "Crashed: m1"
        expect(leader).not_to_have_attribute("data-name", "m1", timeout=MS)
        stage.press("u")
        assert stage.notice() == "Started: m1"
        # The terminal, as wide as the screen, below the board, in type of 16 px at least.
        stage.press("t")
        terminal = page.locator(".jp-Terminal:visible")
        box = terminal.bounding_box()
        assert box is not None
        assert box["width"] > 1000
        size = page.evaluate("jupyterapp.shell.currentWidget.content.getOption('fontSize')")
        assert size >= 16
        page.keyboard.type("docker service create --quiet --name web --replicas 3 nginx\n")
        services = page.locator(".jupyterlab-sidecar .services")
        expect(services).to_contain_text("3 of 3 running", timeout=MS)
        stage.press("PageUp")
        assert not page.locator(".jp-Terminal:visible").count()
        # Back to where the step began, whatever has happened since; then the talk starts over.
        stage.press("s")
        expect(leader).to_have_attribute("data-name", "m1", timeout=MS)
        expect(services).not_to_contain_text("running", timeout=MS)
        stage.press("0")
        assert stage.notice() == "Press it once more."
        stage.press("0")
        assert stage.steps()[0] == 1
        expect(leader).to_have_attribute("data-name", "m1", timeout=MS)
        # The presenter's window: its keys are the stage's, and the hands that it counts are shown.
        with page.expect_popup() as opened:
            stage.press("n")
        window = opened.value
        expect(window.locator("main > h1")).to_contain_text("Quorum", timeout=MS)
        window.keyboard.press("PageDown")
        stage.wait()
        expect(window.locator("main > h1")).to_contain_text("leader falls", timeout=MS)
        window.locator(".hands button").nth(1).click(click_count=3)
        window.locator(".hands input").nth(2).fill("1")
        stage.wait()
        window.keyboard.press("Tab")
        while stage.steps()[0] < 3:
            stage.press("PageDown")
        reveal = page.locator(".jp-Notebook .jp-Cell:not(.swarmlab-off)").get_by_text("█").first
        expect(reveal).to_be_attached(timeout=MS)
        stage.press("b")
        expect(page.locator(".swarmlab-stage-blank")).to_be_visible(timeout=MS)
        stage.press("b")
        # The board as the audience sees it, and as it is now.
        leads = window.locator("aside .column:has(.badge.leads)")
        expect(leads).to_have_attribute("data-name", "m2", timeout=MS)
        stage.press("c")
        expect(window.locator("aside [data-name=m2]")).to_contain_text("crashed", timeout=MS)
        notes = window.locator("p.notes").inner_text()
        assert notes
        assert notes[:60] not in page.locator("body").inner_text()


@pytest.mark.browser
def test_a_page_that_is_reloaded_goes_on_with_its_step(tmp_path: Path, chromium: str):
    with presented(tmp_path, chromium, "small", "07") as stage:
        stage.wait()
        with stage.page.expect_popup() as opened:
            stage.press("n")
        while stage.steps()[0] < 4:
            stage.press("PageDown")
        spread = stage.page.get_by_text("typo: 9 running").first
        expect(spread).to_be_visible(timeout=MS)
        stage.page.reload()
        stage.wait()
        assert stage.steps()[0] == 4
        expect(spread).to_be_visible(timeout=MS)
        # Its presenter's window does, too; it has just opened again, in front of the page.
        stage.page.bring_to_front()
        for _press in range(3):  # the step may be more than one screen
            if stage.steps()[0] == 4:
                stage.press("PageDown")
        expect(opened.value.locator("main > h1")).to_contain_text("5/", timeout=MS)


@pytest.mark.browser
def test_when_docker_hangs_the_step_goes_on_simulated(tmp_path: Path, chromium: str):
    """It takes connections, and never answers, while a cell waits and the board looks."""
    startup = tmp_path / ".ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    with Served(tmp_path / "served") as served:
        hosts = [served.host(name) for name in ("m1", "m2", "m3")]
        made = f"swarmlab.launch = lambda **_: swarmlab.connect({hosts!r})"
        (startup / "launch.py").write_text(f"import swarmlab; {made}", encoding="utf-8")
        with presented(tmp_path, chromium, "small", "--real", "05") as stage:
            stage.wait()
            leader = stage.page.locator(".jupyterlab-sidecar .column:has(.badge.leads)")
            expect(leader).to_have_attribute("data-name", "m1", timeout=MS)
            served.process.send_signal(signal.SIGSTOP)
            stage.page.keyboard.press("PageDown")
            expect(stage.page.locator(".swarmlab-busy")).to_be_attached(timeout=MS)
            start_s = time.monotonic()
            stage.press("f")
            assert time.monotonic() - start_s < COPY_S_MAX
            served.process.kill()
            assert stage.page.locator(".swarmlab-stage-copy").text_content() == "Simulated copy"
            assert stage.steps()[0] == 2
            assert stage.faults() == []
            expect(leader).to_have_attribute("data-name", re.compile("m[123]"), timeout=MS)
            stage.press("PageDown")
            assert stage.faults() == []


@pytest.mark.by_hand
def test_when_real_engines_fail_the_step_goes_on_simulated(
    tmp_path: Path, chromium: str, monkeypatch: pytest.MonkeyPatch
):
    """They end while a cell waits for them."""
    if (why := missing()) or "STAGE_REAL" not in os.environ:
        pytest.skip(why or "needs STAGE_REAL=1 to start real engines")
    with HostEngine() as engine:
        monkeypatch.setenv("DOCKER_HOST", engine.url)
        import_dind(engine.client)
        with presented(tmp_path, chromium, "small", "--real", "05") as stage:
            stage.wait()
            leader = stage.page.locator(".jupyterlab-sidecar .column:has(.badge.leads)")
            expect(leader).to_have_attribute("data-name", "m1", timeout=MS)
            stage.press("PageDown")
            stage.press("PageDown")  # the leader crashes
            expect(leader).to_have_attribute("data-name", re.compile("m[23]"), timeout=MS)
            assert not stage.page.locator(".swarmlab-board .error:visible").count()
            stage.press("c")  # one of three is left
            stage.press("u")
            assert stage.notice() in ("Started: m1, m2", "Started: m1, m3")
            stage.page.keyboard.press("PageDown")
            expect(stage.page.locator(".swarmlab-busy")).to_be_attached(timeout=MS)
            engine.process.kill()
            stage.press("f")
            assert stage.page.locator(".swarmlab-stage-copy").text_content() == "Simulated copy"
            assert stage.steps()[0] == 4
            assert stage.faults() == []
            expect(leader).to_have_attribute("data-name", "m2", timeout=MS)
            stage.press("PageDown")
            assert stage.faults() == []
            stage.page.screenshot(path=tmp_path / "copy.png")
