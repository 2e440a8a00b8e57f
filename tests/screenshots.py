"""Runs every notebook and takes screenshots: `python -m tests.screenshots FOLDER [NAME…]`.

In the light and in the dark theme, for projectors of 1280×720 and 1024×768, and at 150 and 200 %.
Each picture is two screens high; outputs that are higher or wider than one screen are printed.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from tests.browser import CHROMIUM_OPTIONS, Lab, Notebook
from tests.conftest import program

# CSS pixels: two projectors, and the first of them at a zoom of 150 and of 200 %.
SIZES = (1280, 720), (1024, 768), (853, 480), (640, 360)
THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}
THEME_FILE = ".jupyter/CONFIG_DIR/lab/user-settings/@jupyterlab/apputils-extension"
TOO_BIG = """([width, height]) => [...document.querySelectorAll(".jp-OutputArea-output")]
    .filter(e => e.offsetHeight > height || e.scrollWidth > e.clientWidth + 2)
    .map(e => `${e.offsetWidth}×${e.offsetHeight}, inside ${e.scrollWidth}: `
        + e.innerText.slice(0, 60).replace(/\\s+/g, " "))"""


def pictures(browser: Browser, lab: Lab, name: str, size: tuple[int, int]) -> Iterator[bytes]:
    """The notebook run and read from top to bottom, two screens a picture."""
    width, height = size
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    page.goto(lab.address(f"{name}.ipynb"))
    notebook = Notebook(page, f"{name}.ipynb")
    notebook.wait_until_open()
    page.locator('.jp-SideBar .lm-TabBar-tab[data-id="filebrowser"]').click()  # folds it away
    notebook.run_all()
    page.set_viewport_size({"width": width, "height": 2 * height})
    page.wait_for_timeout(1500)
    print(name, size, *notebook.tracebacks(), *notebook.dialogs(), sep="\n  ")
    print(*page.evaluate(TOO_BIG, [width, height - 120]), sep="\n")  # Lab's bars take 120
    outer = page.locator(".jp-WindowedPanel-outer").first
    top, last = 0, -1
    while top != last:
        outer.evaluate("(e, top) => e.scrollTo(0, top)", top)
        page.wait_for_timeout(800)  # ms; figures are drawn when they come into view
        yield page.screenshot()
        last, top = (
            top,
            outer.evaluate(
                "e => Math.min(e.scrollTop + e.clientHeight - 60, e.scrollHeight - e.clientHeight)"
            ),
        )
    page.close()


def main(folder: Path, names: list[str]) -> None:
    names = names or sorted(path.stem for path in Path("notebooks").glob("*.ipynb"))
    folder.mkdir(parents=True, exist_ok=True)
    for theme, title in THEMES.items():
        with tempfile.TemporaryDirectory() as home:
            settings = Path(home) / THEME_FILE
            settings.mkdir(parents=True)
            (settings / "themes.jupyterlab-settings").write_text(
                f'{{"theme": "{title}"}}', encoding="utf-8"
            )
            with Lab(Path(home)) as lab, sync_playwright() as playwright:
                browser = playwright.chromium.launch(
                    executable_path=program("browser"), args=CHROMIUM_OPTIONS
                )
                for name, size in ((name, size) for name in names for size in SIZES):
                    for k, picture in enumerate(pictures(browser, lab, name, size)):
                        (folder / f"{name[:2]}-{theme}-{size[0]}-{k:02}.png").write_bytes(picture)
                browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
