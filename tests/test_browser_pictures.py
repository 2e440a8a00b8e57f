"""Every picture measured in the browser: type size, contrast, overflow, overlap; in both themes, at
150 % and in the big form. Planted faults show that each kind is found.

The pages hold what a notebook's output holds; live widgets are drawn by their own JavaScript from a
model that only answers.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, sync_playwright

import swarmlab
from swarmlab.jupyter.magic import run_commands
from swarmlab.lessons.experiments import follow, quorum_table
from swarmlab.views.board import board_of
from swarmlab.views.density import density
from swarmlab.views.election import election
from swarmlab.views.html import big_form
from swarmlab.views.placement_explanation import why
from swarmlab.views.raft_columns import raft_columns
from swarmlab.views.secret_path import secret_path
from swarmlab.views.service_path import service_path
from swarmlab.views.spread import spread
from swarmlab.views.timeline import timeline
from swarmlab.views.topology import topology
from swarmlab.views.zones import quorum_explorer
from tests.browser import CHROMIUM_OPTIONS

MEASURE = Path(__file__).with_name("measure.js").read_text("utf-8")
# JupyterLab's own variables, as its two themes set them.
THEMES = {
    "light": ("true", "rgba(0,0,0,.87)", "rgba(0,0,0,.54)", "#fff", "#eee"),
    "dark": ("false", "#fff", "rgba(255,255,255,.7)", "#111", "#424242"),
}
# Width, height, theme, large or not. JupyterLab's output is 130 px narrower than the window.
FORMS = {
    "1024x768": (894, 768, "light", False),
    "1024x768 dark": (894, 768, "dark", False),
    "1280x720": (1150, 720, "light", False),
    "150 %": (683 - 130, 512, "light", False),
    "big": (894, 768, "light", True),
    "big dark": (894, 768, "dark", True),
}


def docker(*lines: str) -> None:
    for line in lines:
        run_commands(line, io.StringIO(), io.StringIO())


def live(widget: Any) -> str:
    """The page's part in which the widget's own JavaScript draws its state."""
    state = {key: value for key, value in widget.get_state().items() if not key.startswith("_")}
    state.pop("layout", None)
    model = f"{{get: (key) => ({json.dumps(state)})[key], on() {{}}, off() {{}}, send() {{}}}}"
    place = f"el-{widget.model_id}"
    code = str(widget._esm).replace("export default { render };", "")
    call = f"render({{model: {model}, el: document.getElementById('{place}')}})"
    script = f"<script type='module'>{code}\n{call};</script>"
    return f"<style>{widget._css}</style><div id='{place}'></div>{script}"


@pytest.fixture(scope="module")
def pictures() -> dict[str, str]:
    """Name -> HTML of every picture, in a state that shows much."""
    made: dict[str, str] = {}
    cluster = swarmlab.simulate(managers=3, workers=6, seed=7)
    docker(
        *(
            f"node update --label-add az={az} {name}"
            for name, az in zip(("m1", "m2", "m3", "w1"), "abca", strict=True)
        ),
        "node update --availability drain w2",
        "printf s3nha | docker secret create senha-db -",
        "service create -q -d --name db --secret senha-db --reserve-memory 2g postgres:16",
        "service create -q -d --name web --replicas 6 --publish 8080:80 --reserve-memory 1g"
        " --placement-pref spread=node.labels.az --constraint node.hostname!=m1 nginx:1.25",
    )
    cluster.run("20s")
    made["why"] = why(cluster, "web.2")._repr_html_()
    made["spread"] = spread(cluster, "web", "az")._repr_html_()
    made["secret"] = secret_path(cluster, "senha-db")._repr_html_()
    path = service_path(cluster, "web")
    path.act("why", {"task": "web.1"})
    path.steps = [step for step in path.steps if step["part"] == "scheduler"]
    made["path"], made["path still"] = live(path), path._repr_html_()
    cluster.traffic("web")
    docker("service update -q -d --args \"sh -c 'sleep 2; exit 1'\" web")
    made["rollout"] = follow(cluster, "web")._repr_html_()
    cluster.crash("m1")
    cluster.crash("w3")
    cluster.run("3s")
    made["board"] = live(board_of(cluster))
    cluster.run("40s")
    made["election"] = election(cluster)._repr_html_()
    made["topology"] = topology(cluster)._repr_html_()
    made["timeline"] = timeline(cluster)._repr_html_()
    columns = raft_columns(cluster)
    docker("service create -q -d --name api httpd")
    columns.step()
    made["raft"] = live(columns)
    made["quorum"] = quorum_table(range(1, 4), make=swarmlab.simulate)._repr_html_()
    explorer = quorum_explorer()
    for name in ("m1", "m4", "m2", "m6"):
        explorer.toggle(name)
    made["zones"] = explorer.shown_as._repr_html_()
    made["density"] = density(80).shown_as._repr_html_()
    return made


@pytest.fixture(scope="module")
def page(chromium: str) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_OPTIONS)
        yield browser.new_page()
        browser.close()


def show(page: Page, html: str, form: str) -> int:
    """Open the page; how many pixels its smallest type must have."""
    width, height, theme, large = FORMS[form]
    is_light, ink, dim, paper, shade = THEMES[theme]
    names = ("content-font-color1", "content-font-color2", "layout-color1", "layout-color2")
    values = zip(names, (ink, dim, paper, shade), strict=True)
    root = "".join(f"--jp-{name}:{value};" for name, value in values)
    style = f":root{{{root}--jp-content-font-size1:14px}}body{{margin:0;background:{paper}}}"
    page.set_viewport_size({"width": width, "height": height})
    size = big_form()._repr_html_() if large else ""
    page.set_content(f"<body data-jp-theme-light='{is_light}'><style>{style}</style>{size}{html}")
    return 20 if large else 14


@pytest.mark.browser
@pytest.mark.parametrize("form", FORMS)
def test_every_picture_can_be_read_and_nothing_leaves_it_or_lies_on_another(
    pictures: dict[str, str], page: Page, form: str
):
    faults = {}
    for name, html in pictures.items():
        smallest = show(page, html, form)
        faults[name] = page.evaluate(MEASURE, smallest)
        counted = page.locator(".swarmlab-view, .swarmlab-board").count()
        assert counted >= 1, name
    assert {name: found for name, found in faults.items() if found} == {}


@pytest.mark.browser
@pytest.mark.parametrize(
    ("kind", "style"),
    [
        ("small", ".swarmlab-view .tick { font-size: .7em }"),
        ("contrast", ".swarmlab-view .tick { color: #999 }"),
        ("contrast", ".swarmlab-view .bar.leader { background-color: #803060 !important }"),
        ("outside", ".swarmlab-view .tick:last-child { margin-left: 9em }"),
        ("cut", ".swarmlab-view .bar > span { font-size: 2.4em; flex: none }"),
        ("overlap", ".swarmlab-view .tick { left: 50% !important }"),
    ],
)
def test_a_planted_fault_of_each_kind_is_found(
    pictures: dict[str, str], page: Page, kind: str, style: str
):
    smallest = show(page, f"{pictures['election']}<style>{style}</style>", "1024x768")
    found = page.evaluate(MEASURE, smallest)
    assert kind in {fault.partition(":")[0] for fault in found}


@pytest.mark.browser
def test_the_path_of_a_service_is_stepped_and_played_without_a_kernel(page: Page):
    cluster = swarmlab.simulate(managers=1, workers=1, seed=7)
    docker("service create -q --name web nginx")
    path = service_path(cluster, "web")
    page.emulate_media(reduced_motion="reduce")
    show(page, live(path), "1024x768")
    now, clock = page.locator(".now b"), page.locator(".clock")
    assert (now.inner_text(), clock.inner_text()) == ("API", f"step 1 of {len(path.steps)}")
    page.get_by_role("button", name="Forward").click()
    assert now.inner_text() == "Orchestrator"
    assert page.locator(".stored tbody").inner_text().split() == [
        "web.1",
        "running",
        "new",
        "–",
        "–",
    ]
    for key, part in [("ArrowRight", "Allocator"), ("ArrowLeft", "Orchestrator"), ("Home", "API")]:
        page.keyboard.press(key)
        assert now.inner_text() == part
    page.get_by_text("The code of this part").click()
    assert "def create_service(view: Store" in page.locator(".code pre").inner_text()
    page.keyboard.press("p")  # each step of its own, until the last
    page.wait_for_function("document.querySelector('.clock').textContent.startsWith('step 2 ')")
    page.get_by_role("button", name="Pause").click()
    for _ in path.steps:
        page.keyboard.press("ArrowRight")
    assert clock.inner_text().startswith(f"step {len(path.steps)} ")
    assert page.locator(".stored tbody").inner_text().count("running") == 3
