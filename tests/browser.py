"""Starts JupyterLab as a user does, and works on a notebook in it with mouse and keyboard."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat
from playwright.sync_api import Locator, Page, expect, sync_playwright

from tests.ports import free_port

ROOT = Path(__file__).parents[1]
TOKEN = "browser-test"
START_TIMEOUT_S, CELLS_TIMEOUT_S = 180.0, 120.0
SEEN_MS = 60_000  # a busy machine shows a change late
expect.set_options(timeout=SEEN_MS)
CHROMIUM_OPTIONS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]

# Roles of controls in the browser's accessibility tree.
ROLES = {"button", "combobox", "slider", "spinbutton", "textbox", "checkbox", "link"}
ROLES |= {"DisclosureTriangle", "radio", "listbox", "tab"}


def notebook_of(*cells: str) -> str:
    """A notebook's text: one code cell each."""
    kernel = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    code = [nbformat.v4.new_code_cell(cell) for cell in cells]
    notebook = nbformat.v4.new_notebook(cells=code, metadata={"kernelspec": kernel})
    return nbformat.writes(notebook)


class Lab:
    """`swarmlab lab` on copies of the notebooks in `folder`, or another command that opens
    JupyterLab, without this user's settings."""

    def __init__(self, folder: Path, *words: str) -> None:
        self.folder, self.words = folder, words or ("lab", "--folder", str(folder))
        self.url = f"http://127.0.0.1:{free_port()}"
        self.log = folder / "lab.log"

    def __enter__(self) -> Lab:
        port = self.url.rsplit(":", 1)[1]
        command = [sys.executable, "-m", "swarmlab", *self.words]
        command += ["--no-browser", "--ServerApp.ip=127.0.0.1"]
        command += [f"--ServerApp.port={port}", f"--IdentityProvider.token={TOKEN}"]
        names = ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR")
        homes = {f"JUPYTER_{name}": str(self.folder / ".jupyter" / name) for name in names}
        homes |= {"IPYTHONDIR": str(self.folder / ".ipython"), "PYTHONPATH": str(ROOT)}
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=subprocess.STDOUT, env={**os.environ, **homes}, cwd=ROOT
            )
        end = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > end:
                self.__exit__()
                raise AssertionError(f"JupyterLab did not start: {self.log.read_text('utf-8')}")
            time.sleep(0.1)
        return self

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/api", timeout=5) as response:
                return bool(response.status == 200)
        except OSError:
            return False

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def address(self, notebook: str) -> str:
        """The URL of the notebook; `reset` closes what another test left open."""
        return f"{self.url}/lab/tree/{notebook}?reset&token={TOKEN}"


class Notebook:
    """An open notebook. `page` is Playwright's, for what this class has no method for."""

    def __init__(self, page: Page, name: str) -> None:
        self.page, self.name = page, name

    def run_all(self) -> None:
        """Run > Run All Cells, and wait until each has run."""
        self.menu("Run", "Run All Cells")
        self.wait_until_idle()

    def wait_until_idle(self) -> None:
        """Until the kernel has nothing left to run."""
        indicator = ".jp-NotebookPanel .jp-Notebook-ExecutionIndicator"
        self.page.wait_for_function(
            """([indicator]) => {
                const prompts = [...document.querySelectorAll(".jp-InputPrompt")];
                const texts = prompts.map((prompt) => prompt.textContent.trim());
                const status = document.querySelector(indicator)?.dataset.status;
                return status === "idle" && texts.some((text) => /^\\[\\d+\\]:$/.test(text))
                    && !texts.includes("[*]:");
            }""",
            arg=[indicator],
            timeout=CELLS_TIMEOUT_S * 1000,
        )

    def tracebacks(self) -> list[str]:
        """Tracebacks of cells; other text on standard error, such as of commands, is no failure."""
        stderr = self.page.locator('.jp-RenderedText[data-mime-type$=".stderr"]')
        return [text for text in stderr.all_text_contents() if "Traceback" in text]

    def dialogs(self) -> list[str]:
        """Dialogs and notifications that interrupt the user."""
        return self.page.locator(".jp-Dialog, .jp-toast-message").all_inner_texts()

    def controls(self) -> list[tuple[str, str]]:
        """(role, name) of all controls in the outputs, as a screen reader gets them."""
        browser = self.page.context.new_cdp_session(self.page)
        document = browser.send("DOM.getDocument")["root"]["nodeId"]
        outputs = {"nodeId": document, "selector": ".jp-OutputArea-output"}
        pairs = []
        for node in browser.send("DOM.querySelectorAll", outputs)["nodeIds"]:
            tree = browser.send("Accessibility.queryAXTree", {"nodeId": node})["nodes"]
            exposed = [item for item in tree if not item["ignored"]]
            pairs += [(i["role"]["value"], i.get("name", {}).get("value", "")) for i in exposed]
        return [(role, name.strip(" \u200b")) for role, name in pairs if role in ROLES]

    def menu(self, menu: str, item: str) -> None:
        """Choose from a menu, whose items are for the page once its tab is clicked."""
        tabs = self.page.locator(".lm-DockPanel-tabBar .lm-TabBar-tab")
        tabs.filter(has_text=self.name).first.click()
        self.page.get_by_role("menubar").get_by_text(menu, exact=True).click()
        self.page.locator(".lm-Menu-itemLabel").get_by_text(item, exact=True).click()

    def run(self, cell: Locator, text: str = "") -> None:
        """Run a code cell, with `text` as its new content if it is given; it begins soon."""
        prompt = cell.locator(".jp-InputPrompt")
        before = prompt.text_content() or ""
        cell.locator(".cm-content").click()
        if text:
            self.page.keyboard.press("Control+A")
            self.page.keyboard.insert_text(text)
        self.page.keyboard.press("Control+Enter")
        expect(prompt).not_to_have_text(before)  # else it would still count as having run

    def save(self) -> None:
        self.menu("File", "Save Notebook")
        self.page.locator(".lm-TabBar-tab.jp-mod-dirty").wait_for(state="detached")

    def reload(self) -> None:
        """Reload the page; what was not saved is lost."""
        self.page.goto(self.page.url.split("?")[0])
        self.wait_until_open()

    def wait_until_open(self) -> None:
        """Until the cells are there and the kernel answers."""
        self.page.locator(".jp-Notebook .jp-Cell").first.wait_for(timeout=START_TIMEOUT_S * 1000)
        # The indicator beside the kernel's name says "idle" even before there is a kernel.
        kernel = self.page.locator("#jp-main-statusbar").get_by_text("| Idle")
        kernel.wait_for(timeout=START_TIMEOUT_S * 1000)

    def screenshot(self, path: Path) -> None:
        self.page.screenshot(path=path)


@contextmanager
def opened(lab: Lab, notebook: str, chromium: str) -> Iterator[Notebook]:
    """The notebook in a new browser, once its cells are there and its kernel answers."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_OPTIONS)
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.set_default_timeout(SEEN_MS)
        page.goto(lab.address(notebook))
        opened = Notebook(page, notebook)
        opened.wait_until_open()
        try:
            yield opened
        finally:
            browser.close()
