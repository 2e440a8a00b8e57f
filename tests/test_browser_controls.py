"""A notebook is opened and run once; then all that can be used in it is used, by mouse and keys.

Each commit opens a third of the notebooks; with SWARMLAB_WHOLE=1 all (ten minutes).

Source: issue 7, which wants each widget "used by mouse and by keyboard" in headless Chromium.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from tests.browser import Lab, Notebook, opened
from tests.sample import sample

pytestmark = pytest.mark.browser
FOLDER = Path(__file__).parents[1] / "notebooks"
NOTEBOOKS = sorted(path.name for path in FOLDER.glob("[0-9]*.ipynb"))  # the index asks nothing
QUESTION = ".widget-vbox:not(:has(.widget-vbox)):has(button:text('A: '))"
TO_THE_LAST_CARD = """(questions) => questions.map((question) =>
    [...question.querySelectorAll(".swarmlab-card")].at(-1).getBoundingClientRect().bottom
        - question.getBoundingClientRect().top)"""
CARD_TOPS = """(question) => [...question.querySelectorAll(".swarmlab-card")].map((card) =>
    Math.round(card.getBoundingClientRect().top - question.getBoundingClientRect().top))"""
BARS_PX = 110  # JupyterLab's menu, tabs, tool bar and status bar
SLOW_MS = 30_000  # what simulates 90 seconds for a picture
BY_KEY = partial(Locator.press, key="Enter")
# What scrolls sideways in a page's outputs, other than pictures and what commands print.
SCROLLS = """() => [...document.querySelectorAll(
    ".jp-OutputArea-output, .jp-OutputArea-output *, .jp-MarkdownOutput"
)].filter((part) => part.checkVisibility() && part.clientWidth > 0
    && part.scrollWidth > part.clientWidth + 1 && !part.closest("svg, pre, .swarmlab-board")
    && !part.querySelector(".swarmlab-view, .swarmlab-board")
    && ["auto", "scroll"].includes(getComputedStyle(part).overflowX)
).map((part) => `${part.className}: ${part.textContent.trim().slice(0, 80)}`)"""
# Texts of lessons that can hardly be read on their ground; and markup shown as text.
FAINT = """() => {
    const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
    const ground = (element) => {
        const colour = numbers(getComputedStyle(element).backgroundColor);
        return (colour[3] ?? 1) > 0.5 ? colour : ground(element.parentElement);
    };
    const luminance = (colour) => {
        const [r, g, b] = colour.slice(0, 3).map((value) => (value / 255) ** 2.2);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const parts = document.querySelectorAll(
        ".jp-OutputArea-output :is(.widget-html-content, .widget-html-content *, button, input)"
    );
    return [...parts].filter((part) => {
        if (!part.checkVisibility() || part.closest(".swarmlab-view")) return false;
        if (part.closest(".swarmlab-board")) return false;
        const text = [...part.childNodes].filter((node) => node.nodeType === 3)
            .map((node) => node.data).join("").trim();
        if (/<\\/?[a-z]+/.test(text)) return true;
        if (!text || part.disabled) return false;
        const [low, high] = [numbers(getComputedStyle(part).color), ground(part)]
            .map(luminance).sort((a, b) => a - b);
        return (high + 0.05) / (low + 0.05) < 4.5;
    }).map((part) => part.textContent.trim().slice(0, 80));
}"""
# Focus each control as Tab does; those on which nobody sees it.
FOCUS_UNSEEN = """() => [...document.querySelectorAll(
    ".jp-OutputArea-output :is(button, select, input, textarea, summary, a[href], [tabindex])"
)].filter((control) => {
    if (control.disabled || !control.checkVisibility()) return false;
    control.focus();
    const { outlineStyle, outlineWidth } = getComputedStyle(control);
    return outlineStyle === "none" || outlineWidth === "0px";
}).map((control) => control.outerHTML.slice(0, 200))"""


@pytest.fixture(scope="module", params=sample(NOTEBOOKS, len(NOTEBOOKS) // 3))
def ran(request: pytest.FixtureRequest, lab: Lab, chromium: str) -> Iterator[Notebook]:
    """A notebook all of whose cells have run; the tests of one notebook follow each other."""
    with opened(lab, request.param, chromium) as notebook:
        notebook.run_all()
        # JupyterLab does not draw what is off the screen, and a screen reader would not find it.
        notebook.page.add_style_tag(content="* { content-visibility: visible !important; }")
        yield notebook


def test_a_notebook_runs_from_top_to_bottom_in_the_browser(ran: Notebook, tmp_path: Path):
    assert ran.tracebacks() == []
    assert ran.dialogs() == []
    ran.screenshot(tmp_path / "notebook.png")


def test_every_control_has_a_name(ran: Notebook):
    """For a voice that reads the page aloud, and for one that commands it."""
    controls = ran.controls()
    assert len(controls) > 10
    assert [role for role, name in controls if not name] == []


def test_the_focused_control_is_visible(ran: Notebook):
    ran.page.keyboard.press("Shift")  # somebody uses the keyboard
    assert ran.page.evaluate(FOCUS_UNSEEN) == []


def test_a_fold_opens_by_key_and_closes_by_mouse(ran: Notebook):
    """Rollouts task by task, the secret's path and the boards in words, an exercise's answer."""
    for fold in ran.page.locator(".jp-OutputArea-output details:visible").all():
        if fold.get_attribute("open") is not None:
            fold.locator("summary").click()
        fold.locator("summary").press("Enter")
        expect(fold).to_have_attribute("open", "")
        assert fold.inner_text().strip() != fold.locator("summary").inner_text().strip()
        fold.locator("summary").click()
        expect(fold).not_to_have_attribute("open", "")


def test_every_question_is_answered_alike_by_mouse_and_by_key(ran: Notebook):
    """All bets are revealed by now and a recap answers at once, so each click shows the verdict."""
    questions = ran.page.locator(QUESTION)
    assert questions.count() >= 2
    for question in questions.all():
        status = question.get_by_role("status")
        first, other = (question.get_by_role("button", name=f"{letter}: ").last for letter in "AB")
        tops = partial(question.evaluate, CARD_TOPS)
        before = tops()
        seen_by(BY_KEY, other, status)
        clicked = seen_by(Locator.click, first, status)
        seen_by(Locator.click, other, status)
        assert seen_by(BY_KEY, first, status) == clicked
        assert re.match("✔|✘", clicked)
        assert tops() == before  # nothing jumps under the pointer


def test_lessons_fit_a_small_screen_and_are_legible_in_both_themes(ran: Notebook):
    """1024 by 768: as it is, and at 200 %, where a question fits between JupyterLab's own bars."""
    page, former = ran.page, ran.page.viewport_size
    assert former is not None
    files = "window.jupyterapp.commands.execute('application:toggle-left-area')"
    page.evaluate(files)
    for theme in ("JupyterLab Light", "JupyterLab Dark"):  # in which the rest is used
        command = f"('apputils:change-theme', {{theme: '{theme}'}})"
        page.evaluate(f"window.jupyterapp.commands.execute{command}")
        is_light = str("Light" in theme).lower()
        page.locator(f"body[data-jp-theme-light={is_light}]").wait_for(state="attached")
        assert page.evaluate(FAINT) == []
    page.set_viewport_size({"width": 1024, "height": 768})
    expect(page.locator("body")).to_have_js_property("clientWidth", 1024)
    assert page.evaluate(SCROLLS) == []
    page.set_viewport_size({"width": 512, "height": 384})
    expect(page.locator("body")).to_have_js_property("clientWidth", 512)
    heights = page.locator(QUESTION).evaluate_all(TO_THE_LAST_CARD)
    page.set_viewport_size(former)
    page.evaluate(files)
    assert heights
    assert max(heights) <= 384 - BARS_PX


def test_the_other_controls_are_used_by_mouse_and_by_key(ran: Notebook):
    for use in USES.get(ran.name, ()):
        use(ran)
    assert ran.tracebacks() == []


# -- what is only in some notebooks --------------------------------------------------


def seen_by(use: Callable[[Locator], None], control: Locator, seen: Locator) -> str:
    """Use the control; what is `seen` changes, to this text."""
    before = seen.text_content() or ""
    use(control)
    expect(seen).not_to_have_text(before, timeout=SLOW_MS)
    return seen.text_content() or ""


def by_both(control: Locator, seen: Locator, key: str = "Enter") -> None:
    """The mouse and a key each change what is `seen`."""
    for use in (Locator.click, partial(Locator.press, key=key)):
        seen_by(use, control, seen)


def chosen_by_both(field: Locator) -> None:
    """A list is set as by mouse, and by an arrow, which leaves the focus where it is."""
    words = field.locator("option").all_inner_texts()
    field.select_option(words[0])
    field.press("ArrowDown")
    expect(field.locator("option:checked")).to_have_text(words[1])
    expect(field).to_be_focused()


def use_bet(notebook: Notebook) -> None:
    """A bet is made, changed by key, kept when the cell runs again, and revealed."""
    cell = notebook.page.locator(".jp-CodeCell", has_text='ask("leader_crash")').first
    notebook.run(cell, 'ask("leader_crash")')  # a bet from before is revealed
    status = cell.get_by_role("status")
    expect(status).to_have_text("Place your bet: one click.")
    below = cell.locator("xpath=following-sibling::*[1]")
    texts = [cell.get_by_text("The swarm is gone until"), below]
    before = [text.bounding_box() for text in texts]
    cell.get_by_role("button", name="A: ").click()
    expect(status).to_contain_text("Your bet: A. How sure are you?")
    assert [text.bounding_box() for text in texts] == before  # nothing jumps
    cell.get_by_role("button", name="I'm sure").click()
    expect(status).to_contain_text("Your bet: A, sure")
    reach_by_tab(cell, cell.get_by_role("button", name="C: "))
    notebook.page.keyboard.press("Space")
    expect(status).to_contain_text("Your bet: C. How sure are you?")
    notebook.run(cell, 'ask("leader_crash")')
    expect(status).to_contain_text("Your bet: C. How sure are you?")
    cell.get_by_role("button", name="D: ").press("Enter")
    cell.get_by_role("button", name="I guess").press("Enter")
    expect(status).to_contain_text("Your bet: D, a guess")


def reach_by_tab(cell: Locator, control: Locator) -> None:
    """From the selected cell to one of its controls."""
    cell.focus()
    for _ in range(30):
        cell.page.keyboard.press("Tab")
        if control.evaluate("element => element === document.activeElement"):
            return
    raise AssertionError("Tab does not lead there")


def use_board(notebook: Notebook) -> None:
    """Keys stay within the board: JupyterLab would go to another cell, or delete this one."""
    board = notebook.page.locator(".jupyterlab-sidecar section.swarmlab-board")
    cells = notebook.page.locator(".jp-Notebook .jp-Cell")
    cells_count = cells.count()
    by_both(board.locator("button.step"), board.locator(".clock"))
    chosen_by_both(board.locator("select.speed"))
    play, clock = board.locator("button.play"), board.locator(".clock")
    for key in ("d", "d", "x"):
        play.press(key)
    by_both(play, play, key="Space")
    play.press("Enter")
    expect(clock).not_to_have_text(clock.text_content() or "")  # time passes by itself
    play.click()

    column = board.locator('.column[data-name="w2"]')
    head, menu = column.locator(".head"), column.locator(".menu")
    head.press("Enter")
    expect(menu.locator("button").first).to_be_focused()
    notebook.page.keyboard.press("Escape")
    expect(menu).to_be_hidden()
    expect(head).to_be_focused()
    for verb, key, tone in (
        ("pause", "p", "pause"),
        ("drain", "d", "drain"),
        ("crash", "c", "down"),
    ):
        for act in (Locator.click, BY_KEY, None):
            if act is None:
                head.press(key)
            else:
                head.click()
                act(menu.locator(f'[data-do="{verb}"]'))
            expect(column).to_have_attribute("data-tone", tone)
            again = "start" if verb == "crash" else "active"
            head.press("Enter")
            menu.locator(f'[data-do="{again}"]').press("Enter")
            for _ in range(2):
                board.locator("button.step").click()
            expect(column).not_to_have_attribute("data-tone", tone)
    assert cells.count() == cells_count


def use_timeline(notebook: Notebook) -> None:
    line = notebook.page.locator(".swarmlab-timeline")
    clock, marks = line.locator(".clock"), line.locator("button.event")
    happened = line.locator(".happened")
    now = happened.text_content() or ""
    by_both(line.locator("button.back"), happened)
    by_both(line.locator("button.forward"), happened, key="Space")
    expect(happened).to_have_text(now)
    marks.first.click()
    expect(marks.first).to_have_attribute("aria-current", "step")
    seen_by(partial(Locator.press, key="ArrowRight"), marks.first, happened)
    expect(line.locator(".event[aria-current=step]")).to_be_focused()
    marks.nth(2).press("Enter")
    expect(marks.nth(2)).to_have_attribute("aria-current", "step")
    line.locator("button.fork").click()
    news = line.get_by_role("status")
    expect(news).to_contain_text(f"A copy goes on from {clock.text_content()}")
    seen_by(partial(Locator.press, key="ArrowLeft"), line.locator("button.fork"), clock)
    line.locator("button.fork").press("Enter")
    expect(news).to_contain_text(f"A copy goes on from {clock.text_content()}")


def use_raft(notebook: Notebook) -> None:
    root = notebook.page.locator(".swarmlab-raft")
    by_both(root.locator("button.step"), root.locator(".clock"))
    chosen_by_both(root.locator("select.size"))
    run = root.locator("button.run")
    by_both(run, run, key="Space")
    by_both(root.locator("button.change"), root.locator(".news"))
    power = root.locator('.column[data-name="m3"] .power')
    by_both(power, power)


def use_sliders(notebook: Notebook) -> None:
    """What a slider changes is drawn anew, below it."""
    for slider in notebook.page.get_by_role("slider").all():
        box = slider.locator("xpath=ancestor::*[contains(@class, 'widget-vbox')][1]")
        picture = box.locator(".widget-html, .swarmlab-picture")
        slider.scroll_into_view_if_needed()
        seen_by(by_mouse(0.8), slider, picture)
        seen_by(partial(Locator.press, key="ArrowDown"), slider, picture)
        shown = slider.locator("xpath=following-sibling::output")
        expect(shown).to_have_text(slider.input_value())


def use_checks(notebook: Notebook) -> None:
    """Six settings of a health check: what each does to an app, by mouse and by key."""
    runs, hangs = "A runs on", "Health check exceeded timeout"
    for name, use, seen, unseen in (
        ("It hangs after", by_key("Home"), runs, hangs),
        ("The app is ready after", by_mouse(1), "", runs),
        ("--health-start-period", by_key("End"), runs, ""),
        ("--health-start-period", by_mouse(0), "", runs),
        ("--health-retries", by_mouse(1), runs, ""),
        ("--health-retries", by_key("Home"), "", runs),
        ("The app is ready after", by_key("Home"), runs, ""),
        ("It hangs after", by_mouse(0.5), f"{hangs} (3s)", ""),
        ("--health-timeout", by_key("ArrowRight"), f"{hangs} (4s)", ""),
        ("--health-timeout", by_mouse(0), f"{hangs} (1s)", ""),
        ("--health-interval", by_mouse(0), "", ""),
        ("--health-interval", by_key("End"), "", ""),
    ):
        slider = notebook.page.get_by_role("slider", name=name)
        box = slider.locator("xpath=ancestor::*[contains(@class, 'widget-vbox')][1]")
        picture = box.locator(".widget-html")
        slider.scroll_into_view_if_needed()
        seen_by(use, slider, picture)
        expect(picture).to_contain_text(seen, timeout=SLOW_MS)
        expect(picture).not_to_contain_text(unseen or "Traceback", timeout=SLOW_MS)
        expect(slider.locator("xpath=following-sibling::output")).to_have_text(slider.input_value())


def by_key(key: str) -> Callable[[Locator], None]:
    return partial(Locator.press, key=key)


def by_mouse(share: float) -> Callable[[Locator], None]:
    """Click on a slider, so far along."""

    def click(slider: Locator) -> None:
        size = slider.bounding_box()
        assert size is not None
        x = min(max(share * size["width"], 1), size["width"] - 1)
        slider.click(position={"x": x, "y": size["height"] / 2})

    return click


def use_builder(notebook: Notebook) -> None:
    """A part is dragged; picked and put by mouse; picked and put by key, which keeps the focus."""
    root = notebook.page.locator(".swarmlab-picture", has=notebook.page.locator(".layer"))
    root.scroll_into_view_if_needed()
    status, press = root.get_by_role("status"), partial(root.get_by_role, "button", exact=True)
    server, xen = press(name="Server"), press(name="Xen (hypervisor)")
    press(name="bins/libs + Nginx").drag_to(server)
    expect(status).to_contain_text("A program calls a kernel")
    xen.first.drag_to(server)
    expect(status).to_contain_text("It stands.")
    expect(xen).to_have_count(2)  # the part, and the layer
    ubuntu = press(name="Ubuntu Linux").first
    ubuntu.click()
    expect(ubuntu).to_have_attribute("aria-pressed", "true")
    xen.last.click()
    expect(press(name="Ubuntu Linux [kernel]")).to_have_count(1)
    engine = press(name="Docker Engine for Linux").first
    for count, key in enumerate(("Space", "Enter"), 2):
        engine.press(key)
        expect(status).to_contain_text("Now its place.")  # drawn, before the next key
        expect(engine).to_be_focused()
        press(name="Ubuntu Linux [kernel]").press(key)
        expect(status).to_contain_text("It stands.")
        expect(press(name="Docker Engine for Linux")).to_have_count(count)
    for way, gone in ((Locator.click, "Ubuntu Linux [kernel]"), (BY_KEY, "Xen (hypervisor)")):
        way(press(name=f"Take away: {gone}"))
        expect(press(name=f"Take away: {gone}")).to_have_count(0)
    for way in (Locator.click, BY_KEY):
        way(press(name="Show slide 5"))
        expect(root.locator(".stack").first).to_contain_text("SQL Server")
        way(press(name="Start over"))
        expect(root.locator(".stack").first).not_to_contain_text("SQL Server")


def use_machines(notebook: Notebook) -> None:
    """Managers are clicked away and brought back, by mouse and by key."""
    root = notebook.page.locator(".swarmlab-picture", has=notebook.page.locator(".zone"))
    root.scroll_into_view_if_needed()
    machine, count = root.locator('[data-name="m1"]'), root.locator(".after")
    by_both(machine, count)
    machine.press("Space")
    expect(machine).to_contain_text("down")
    expect(machine).to_be_focused()


DRAWN_AGAIN = """async () => {
    const code = "topology(cluster).value += ' '";
    const { kernel } = jupyterapp.shell.currentWidget.sessionContext.session;
    await kernel.requestExecute({ code }).done;
    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
}"""


def use_topology(notebook: Notebook) -> None:
    """A node crashes by mouse and starts by key, and so does another the other way round."""
    root = notebook.page.locator(".swarmlab-picture", has=notebook.page.locator(".topology"))
    root.scroll_into_view_if_needed()
    for name, ways in (("w1", (Locator.click, BY_KEY)), ("w2", (BY_KEY, Locator.click))):
        node = root.locator(f'[data-name="{name}"]')
        for way, verb in zip(ways, ("start", "crash"), strict=True):
            way(node)
            expect(node).to_have_attribute("data-do", verb)
    # What is drawn while the mouse is down loses no click.
    node.hover()
    notebook.page.mouse.down()
    notebook.page.evaluate(DRAWN_AGAIN)
    notebook.page.mouse.up()
    expect(node).to_have_attribute("data-do", "start")
    node.press("Enter")
    expect(node).to_have_attribute("data-do", "crash")


def use_exercise(notebook: Notebook) -> None:
    """A wrong answer first: it gets its nudge, is undone, and the right one is noted."""
    page = notebook.page
    task = page.locator(".jp-Cell", has_text='exercise("spread_over_zones"').last
    button = partial(task.get_by_role, "button", exact=True)
    command = task.get_by_label("Command:")
    status = task.get_by_role("status")
    assert "<style>" not in task.inner_text()
    command.fill("node ls")  # which also starts the exercise
    button(name="Run").click()
    task.get_by_text("$ node ls").wait_for()
    button(name="Start again").click()
    status.get_by_text("talks to these machines now").wait_for()
    button(name="Hint").press("Space")
    status.get_by_text("Hint 1 of 3").wait_for()
    button(name="Start again").press("Enter")
    status.get_by_text("talks to these machines now").wait_for()
    status.get_by_text("Hint 1 of 3").wait_for()  # it stays

    create = "docker service create --quiet --name web --replicas 6"
    mistake = f"{create} --placement-pref spread=node.label.az nginx"
    by_mouse = partial(Locator.click, button(name="Run"))
    for run, check, undo in (
        (by_mouse, Locator.click, BY_KEY),
        (partial(BY_KEY, command), BY_KEY, Locator.click),
    ):
        command.fill(mistake)
        run()
        task.get_by_text("Changes: 1 (fewest: 1)").wait_for()
        check(button(name="Check"))
        status.get_by_text("the scheduler knows").wait_for()
        undo(button(name="Undo"))
        status.get_by_text("Undone").wait_for()
        task.get_by_text("Changes: 0 (fewest: 1)").wait_for()

    button(name="Hint").click()
    status.get_by_text("Hint 2 of 3").wait_for()
    button(name="Hint").click()
    status.get_by_text("First one line").wait_for()
    task.get_by_label("One line:").press_sequentially("dd: I tried a label")
    button(name="Hint").press("Enter")
    status.get_by_text("Hint 3 of 3").wait_for()
    for see in (Locator.click, BY_KEY):
        see(button(name="Solution"))
        status.get_by_text("One solution").wait_for()
        button(name="Check").click()
        status.get_by_text("Not yet").wait_for()

    command.fill("")
    command.press_sequentially(mistake.replace("label", "labels"))  # no key is JupyterLab's
    command.press("Enter")
    task.get_by_text("Changes: 1 (fewest: 1)").wait_for()
    button(name="Check").press("Enter")
    status.get_by_text("✔ Solved").wait_for()


def use_picker(notebook: Notebook) -> None:
    """Another topic, another exercise, and back: what was begun is still there."""
    cell = notebook.page.locator(".jp-CodeCell", has_text='exercises("07_placement"').last
    topic, pick = cell.get_by_label("Topic", exact=True), cell.get_by_label("Exercise", exact=True)
    count = cell.get_by_text("Looking is free")
    topic.select_option("05 Quorum")
    cell.get_by_text("A manager is gone for good").last.wait_for()
    pick.press("ArrowDown")
    cell.get_by_text("One manager in each of the zones").wait_for()
    for text in ("06 From a command to a container", "07 Placement"):
        topic.press("ArrowDown")
        expect(topic.locator("option:checked")).to_have_text(text)
    expect(count).to_contain_text("Changes: 1 (fewest: 1)")  # solved above


USES: dict[str, list[Callable[[Notebook], None]]] = {
    "00_start_here.ipynb": [use_bet, use_topology, use_board, use_timeline],
    "01_vm_vs_container.ipynb": [use_sliders, use_builder],
    "05_quorum.ipynb": [use_board, use_raft, use_sliders, use_machines],
    "07_placement.ipynb": [use_exercise, use_picker],
    "11_health_checks.ipynb": [use_checks],
}
