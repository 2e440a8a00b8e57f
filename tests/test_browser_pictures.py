"""Every picture measured in the browser: type size, contrast, overflow, overlap; in both themes, at
150 and 200 % and in the big form. Planted faults show that each kind is found.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

import pytest
from markupsafe import Markup
from playwright.sync_api import Page, expect, sync_playwright

import swarmlab
from swarmlab import strings
from swarmlab.lessons.experiments import quorum_table
from swarmlab.views.board import board_of
from swarmlab.views.recorded import growing
from swarmlab.views.service_path import service_path
from swarmlab.views.snapshot import look
from swarmlab.views.stacks import TwoStacks
from swarmlab.views.topology import Topology
from swarmlab.views.widget import Field, source
from tests.browser import CHROMIUM_OPTIONS
from tests.catalogue import invented
from tests.pictures import FORMS, docker, live, make_pictures, show

DOCKED_PX = 946  # of the docked board, in a window of 1024 px
MEASURE = Path(__file__).with_name("measure.js").read_text("utf-8")

# What is wider than its place, and has a scroll bar for that.
SIDEWAYS = """() => [...document.querySelectorAll("body *")].filter((part) =>
    ["auto", "scroll"].includes(getComputedStyle(part).overflowX)
    && part.scrollWidth > part.clientWidth + 1).map((part) => part.className)"""

# The token of a path stays where it belongs when the window gets another size.
TOKEN_IN_ITS_BOX = """() => {
    const [token, box] = [".token", ".touched"].map((name) => document.querySelector(name)
        .getBoundingClientRect());
    return Math.abs(token.left + token.width / 2 - box.left - box.width / 2) < 9;
}"""


@pytest.fixture(scope="module")
def pictures() -> dict[str, str]:
    return make_pictures()


@pytest.fixture(scope="module")
def translated(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """The pictures in Portuguese, and in an invented language: accented, and 30 % longer."""
    folder = tmp_path_factory.mktemp("locale")
    invented(folder, "eo")
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "eo":
            patch.setattr(strings, "FOLDER", folder)
        strings.use(request.param)
        assert strings.language() == request.param
        made = make_pictures()
        strings.use("en")
    return made


@pytest.fixture(scope="module")
def page(chromium: str) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_OPTIONS)
        yield browser.new_page()
        browser.close()


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
    ("translated", "form"),
    [
        *(("pt_BR", form) for form in ("1024x768", "1280x720", "150 %", "200 %", "big")),
        *(("eo", form) for form in ("1024x768", "1280x720", "big")),
    ],
    indirect=["translated"],
)
def test_nothing_is_cut_off_in_another_language(translated: dict[str, str], page: Page, form: str):
    faults = {}
    for name, html in translated.items():
        smallest = show(page, html, form)
        faults[name] = page.evaluate(MEASURE, smallest)
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
        (
            "broken",
            ".swarmlab-view .tick { width: 1ch; white-space: normal; overflow-wrap: anywhere }",
        ),
        ("overlap", ".swarmlab-view .tick { left: 50% !important }"),
        ("outside", ".swarmlab-board .badge { padding: 0 9px }"),
        ("wide", ".swarmlab-view { width: 101vw }"),
    ],
)
def test_a_planted_fault_of_each_kind_is_found(
    pictures: dict[str, str], page: Page, kind: str, style: str
):
    html = f"{pictures['election']}{pictures['board']}<style>{style}</style>"
    smallest = show(page, html, "1024x768")
    assert page.locator(".swarmlab-board .badge").count() > 0
    found = page.evaluate(MEASURE, smallest)
    assert kind in {fault.partition(":")[0] for fault in found}


@pytest.mark.browser
@pytest.mark.parametrize("form", ["1280x720", "150 %", "200 %", "big"])
def test_the_name_of_a_task_stands_below_its_shape_rather_than_break(page: Page, form: str):
    cluster = swarmlab.simulate(managers=3, workers=6, seed=7)
    docker("service create -q --name payments --replicas 9 nginx")
    smallest = show(page, live(board_of(cluster)), form)
    assert page.locator(".task .name").count() == 9
    assert page.evaluate(MEASURE, smallest) == []


@pytest.mark.browser
@pytest.mark.parametrize("form", ["200 %", "big"])
@pytest.mark.parametrize(("managers", "workers"), [(3, 6), (7, 2)])
def test_nine_nodes_and_stacks_of_six_columns_need_no_scroll_bar(
    page: Page, form: str, managers: int, workers: int
):
    cluster = swarmlab.simulate(managers=managers, workers=workers, seed=7)
    zones_of = zip(cluster.names, cycle("abc"), strict=False)
    nodes = [f"node update --label-add az={zone} {name}" for name, zone in zones_of]
    for zones in ([], nodes):
        docker(*zones)
        for html in (Topology(look(cluster), "az")._repr_html_(), TwoStacks(5)._repr_html_()):
            smallest = show(page, html, form)
            assert page.evaluate(SIDEWAYS) == []
            assert page.evaluate(MEASURE, smallest) == []


@pytest.mark.browser
@pytest.mark.parametrize("language", ["en", *strings.translations()])
def test_the_table_of_the_talk_needs_no_scroll_bar_at_150_percent(page: Page, language: str):
    strings.use(language)
    try:
        show(page, str(quorum_table(range(1, 3), make=swarmlab.simulate)._repr_html_()), "150 %")
        assert page.locator("tbody tr").count() == 2
        assert page.evaluate(SIDEWAYS) == []
    finally:
        strings.use("en")


@pytest.mark.browser
def test_a_chart_that_plays_writes_its_seconds_as_the_language_does(page: Page):
    strings.use("pt_BR")
    try:
        show(page, growing(Markup("<p>chart</p>"), 26.8, source("common.js", "player.js")), "big")
        expect(page.locator("output")).to_have_text("26,8 s")
    finally:
        strings.use("en")


@pytest.mark.browser
@pytest.mark.parametrize("language", ["en", *strings.translations()])
def test_on_a_screen_of_1024_pixels_the_boards_buttons_are_one_line_and_lists_cut_no_choice(
    page: Page, language: str
):
    strings.use(language)
    try:
        cluster = swarmlab.simulate(managers=3, workers=2, seed=7)
        board = board_of(cluster)
        board.scenes = [["cut", "The network is cut"]]
        show(page, live(board), "1024x768")
        page.set_viewport_size({"width": DOCKED_PX, "height": 768})
        tops = "parts => parts.map(part => part.offsetTop + part.offsetHeight / 2)"
        shown = page.locator(".bar > :visible").evaluate_all(tops)
        assert max(shown) - min(shown) < 8
        choice = "an exercise whose name takes more than half of the line"
        show(page, live(Field("Exercise", options=[[choice, "x"]], value="x")), "1024x768")
        width = page.locator("select").evaluate("list => list.clientWidth")
        page.locator("body").evaluate(
            "(body, text) => { body.innerHTML = `<span style='white-space: pre'>${text}</span>` }",
            choice,
        )
        assert page.locator("span").evaluate("text => text.offsetWidth") < width
    finally:
        strings.use("en")


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
    page.set_viewport_size({"width": 553, "height": 512})
    page.wait_for_function(TOKEN_IN_ITS_BOX)
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
