"""Recordings: rows and changes, small, that play from a file without a kernel or a network."""

from __future__ import annotations

import base64
import io
import json
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st
from playwright.sync_api import Page, expect, sync_playwright

import swarmlab
from swarmlab.cli.notebooks import build
from swarmlab.jupyter.magic import run_commands
from swarmlab.lessons.experiments import follow
from swarmlab.views import recorded
from swarmlab.views.board import board_of
from swarmlab.views.raft_columns import raft_columns
from swarmlab.views.recorded import BYTES_MAX, FRAMES_MAX, Recording
from tests.browser import CHROMIUM_OPTIONS, notebook_of

CELLS = (
    "import swarmlab\ncluster = swarmlab.simulate(seed=7)\ncluster.board()",
    "%docker service create --quiet --name web --replicas 4 nginx",
    'cluster.crash("m1")\ncluster.run("60s")',
    "from swarmlab.views.raft_columns import raft_columns\n\nraft_columns(cluster)",
)


def played(frames: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every moment, whole."""
    moments: list[dict[str, Any]] = [{}]
    for frame in frames:
        moments.append(moments[-1] | frame)
    return moments[1:]


def unpacked(text: str) -> list[dict[str, Any]]:
    return list(json.loads(zlib.decompress(base64.b64decode(text))))


@given(st.lists(st.dictionaries(st.sampled_from("abc"), st.integers(0, 2), min_size=1)))
def test_a_recording_plays_what_was_shown_and_keeps_only_changes(states: list[dict[str, int]]):
    recording, shown = Recording(), list[dict[str, int]]()
    for state in states:
        recording.add(state)
        now = (shown[-1] if shown else {}) | state
        shown += [now] * (not shown or shown[-1] != now)
    assert played(unpacked(recording.stored)) == shown


def test_a_long_recording_leaves_out_moments_and_ends_where_it_ended():
    recording = Recording()
    for number in range(3 * FRAMES_MAX + 7):
        once = {f"once {number}": 1} if number in (100, 101) else {}
        recording.add({"first": 1, "n": number, f"trait {number % 5}": number, **once})
    moments = played(unpacked(recording.stored))
    last = 3 * FRAMES_MAX + 6
    assert len(moments) <= FRAMES_MAX
    assert moments[0] == {"first": 1, "n": 0, "trait 0": 0}
    assert moments[-1] == {"first": 1, "n": last, "once 100": 1, "once 101": 1} | {
        f"trait {n % 5}": n for n in range(last - 4, last + 1)
    }
    assert [moment["n"] for moment in moments] == sorted({moment["n"] for moment in moments})


def test_a_recording_starts_at_the_moment_that_its_cell_showed_also_when_moments_are_left_out():
    recording = Recording()
    for number in range(FRAMES_MAX - 10):
        recording.add({"n": number})
    recording.shown_at = len(recording.frames) - 1
    for number in range(FRAMES_MAX, 3 * FRAMES_MAX):
        recording.add({"n": number})
    shown = played(unpacked(recording.stored))[recording.shown_at]["n"]
    assert abs(shown - FRAMES_MAX) <= 12  # of 3 * FRAMES_MAX
    html = str(recorded.played(recording, "", model="", code="", style="", still=""))
    assert f'data-start="{recording.shown_at}"' in html


def test_what_is_stored_has_a_limit(monkeypatch: pytest.MonkeyPatch):
    recording = Recording()
    for number in range(200):
        recording.add({"n": [number**7 % 1009, number**5 % 1013]})
    assert len(recording.stored) > 1000
    monkeypatch.setattr(recorded, "BYTES_MAX", 1000)
    assert len(recording.stored) <= 1000
    assert played(unpacked(recording.stored))[-1] == {"n": [199**7 % 1009, 199**5 % 1013]}


def test_the_board_records_every_moment_that_passes_in_a_run_and_in_a_command():
    cluster = swarmlab.simulate(managers=3, workers=2, seed=7)
    twin = swarmlab.simulate(managers=3, workers=2, seed=7)
    board = board_of(cluster)
    for one in (cluster, twin):
        one.use()
        run_commands(
            "service create -q --name web --replicas 4 nginx", io.StringIO(), io.StringIO()
        )
        one.crash("m1")
        one.run("60s")
    board.refresh()
    shown = played(board.recording.frames)
    counts = [line[1] for moment in shown for line in moment["services"]]
    assert any(text.startswith("0 of 4 running") for text in counts)
    assert counts[-1].startswith("4 of 4 running")
    leaders = list(dict.fromkeys(moment["status"]["leader"] for moment in shown))
    assert len(leaders) == 3  # m1, nobody, another
    assert len(board.recording.stored) <= BYTES_MAX
    assert cluster.trace.digest() == twin.trace.digest()  # to look changes nothing
    board.close()


def test_the_recording_of_the_raft_columns_is_played_on_a_copy():
    cluster = swarmlab.simulate(managers=3, workers=2, seed=7)
    before = cluster.now_ns, cluster.trace.digest()
    columns = raft_columns(cluster)
    moments = played(columns.recorded()[0].frames)
    assert (cluster.now_ns, cluster.trace.digest()) == before
    roles = [[row["role"] for row in moment["columns"]] for moment in moments]
    assert ["down", "follower", "follower"] in roles
    assert any("candidate" in row for row in roles)
    assert "leader" in roles[-1]
    states = {entry[2] for moment in moments for row in moment["columns"] for entry in row["log"]}
    assert states == {True, False}  # a write is seen uncommitted, then committed
    columns.close()


# -- in a page, from a file ------------------------------------------------------------------------
@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recorded")
    source = nbformat.reads(notebook_of(*CELLS), 4)
    source.cells.insert(0, nbformat.v4.new_markdown_cell("# Recorded\n\nA page."))
    (folder / "page.ipynb").write_text(nbformat.writes(source), encoding="utf-8")
    return build([folder / "page.ipynb"], folder)[0]


@pytest.fixture
def page(page_file: Path, chromium: str) -> Iterator[Page]:
    """Open, without a network; what it asks for or complains about fails the test."""
    asked: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_OPTIONS)
        page = browser.new_page(viewport={"width": 1024, "height": 768})
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: asked.append(str(error)))
        page.goto(page_file.as_uri())
        yield page
        browser.close()
    assert {*asked} == {page_file.as_uri()}


@pytest.mark.browser
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_page_holds_small_recordings_of_all_that_happened_after_the_picture(page_file: Path):
    html = page_file.read_text("utf-8")
    found = re.findall(r'<template class="frames"[^>]*>([^<]*)</template>', html)
    assert len(found) == 2
    assert all(len(text) <= BYTES_MAX for text in found)
    leaders = {moment["status"]["leader"] for moment in played(unpacked(found[0]))}
    assert {"m1 leads, term 2.", "m2 leads, term 3."} <= leaders


@pytest.mark.browser
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_recording_plays_pauses_and_is_scrubbed_by_mouse_and_by_key(page: Page):
    board = page.locator(".swarmlab-recorded").first
    board.scroll_into_view_if_needed()
    play, slider = board.get_by_role("button", name="Play"), board.get_by_role("slider")
    clock, leader = board.locator(".clock"), board.locator(".leader")
    start = clock.text_content() or ""
    expect(leader).to_have_text("m1 leads, term 2.")
    expect(board.get_by_role("button", name="Crash")).to_have_count(0)
    for use in (lambda: play.click(), lambda: play.press("Space")):
        use()
        expect(clock).not_to_have_text(start)
        halt = board.get_by_role("button", name="Pause")
        halt.click()
        stopped = clock.text_content() or ""
        page.wait_for_timeout(700)  # ms: longer than a moment is shown
        expect(clock).to_have_text(stopped)
        slider.press("Home")
        expect(clock).to_have_text(start)
    slider.press("End")
    expect(leader).to_have_text("m2 leads, term 3.")
    expect(board.locator('.column[data-name="m1"]')).to_have_attribute("data-tone", "down")
    slider.press("ArrowLeft")
    slider.click(position={"x": 4, "y": 4})
    expect(leader).to_have_text("m1 leads, term 2.")
    assert slider.get_attribute("aria-valuetext") == clock.text_content()


@pytest.mark.browser
def test_a_board_that_is_shown_later_is_seen_as_it_was_then(page: Page):
    cluster = swarmlab.simulate(managers=3, workers=2, seed=7)
    board = board_of(cluster)
    cluster.crash("m1")
    cluster.run("60s")
    board.refresh()
    board._ipython_display_()
    cluster.start("m1")
    cluster.run("60s")
    board.refresh()
    page.set_content(board._repr_html_())
    shown = page.locator(".swarmlab-recorded")
    expect(shown.locator('.column[data-name="m1"]')).to_have_attribute("data-tone", "down")
    shown.get_by_role("slider").press("End")
    expect(shown.locator('.column[data-name="m1"]')).not_to_have_attribute("data-tone", "down")
    board.close()


@pytest.mark.browser
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_who_wants_no_motion_steps(page: Page):
    page.emulate_media(reduced_motion="reduce")
    page.reload()
    raft = page.locator(".swarmlab-recorded").last
    raft.scroll_into_view_if_needed()
    step = raft.get_by_role("button", name="Forward")
    slider = raft.get_by_role("slider")
    for place in ("1", "2"):
        step.click()
        expect(slider).to_have_value(place)
    page.wait_for_timeout(700)  # ms
    expect(slider).to_have_value("2")


@pytest.mark.browser
def test_the_lanes_of_a_rollout_grow_as_it_plays(page: Page):
    cluster = swarmlab.simulate(managers=1, workers=2, seed=7)
    out = io.StringIO()
    run_commands("service create -q --name web --replicas 3 nginx:1.25", out, out)
    run_commands("service update -q -d --image nginx:1.27 web", out, out)
    page.set_content(str(follow(cluster, "web")._repr_html_()))
    lane = page.locator(".swarmlab-grows .track").first
    slider, clock = page.get_by_role("slider"), page.locator(".player output")
    hidden = "element => parseFloat(getComputedStyle(element).clipPath.split(' ')[1])"
    assert lane.evaluate(hidden) == 0  # all of it is there until it plays
    page.get_by_role("button", name="Play").click()
    page.wait_for_function("document.querySelector('.player output').textContent > '0.5 s'")
    page.get_by_role("button", name="Pause").click()
    assert lane.evaluate(hidden) > 50
    slider.press("End")
    assert lane.evaluate(hidden) == 0
    slider.press("Home")
    assert (lane.evaluate(hidden), clock.inner_text()) == (100, "0.0 s")


@pytest.mark.browser
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_one_switch_makes_all_pictures_large_also_those_made_later(page: Page):
    size = "() => parseFloat(getComputedStyle(document.querySelector('.clock')).fontSize)"
    page.locator(".swarmlab-recorded").first.scroll_into_view_if_needed()
    large = page.get_by_role("button", name="Large type").first
    before = page.evaluate(size)
    large.click()
    expect(large).to_have_attribute("aria-pressed", "true")
    assert page.evaluate(size) >= 1.4 * before
    page.reload()
    page.locator(".swarmlab-recorded").first.scroll_into_view_if_needed()
    expect(large).to_have_attribute("aria-pressed", "true")
    assert page.evaluate(size) >= 1.4 * before
    large.press("Enter")
    assert page.evaluate(size) == before
