"""Every view in a state that shows much, and the forms in which each is looked at and measured.

`python -m tests.pictures FOLDER [NAME…]` takes a screenshot of each in every form, and puts those
of one form together on a sheet. The pages hold what a notebook's output holds; live widgets are
drawn by their own JavaScript from a model that only answers.
"""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Page, sync_playwright

import swarmlab
from swarmlab.compare.comparison import compare_one
from swarmlab.jupyter.magic import run_commands
from swarmlab.lessons.course_map import course_map
from swarmlab.lessons.experiments import follow, quorum_table
from swarmlab.lessons.scale_experiments import Growth
from swarmlab.views.board import board_of
from swarmlab.views.density import density
from swarmlab.views.election import election
from swarmlab.views.eras import eras
from swarmlab.views.html import big_form
from swarmlab.views.placement_explanation import why
from swarmlab.views.raft_columns import raft_columns
from swarmlab.views.rollout import Rollout
from swarmlab.views.secret_path import secret_path
from swarmlab.views.service_path import service_path
from swarmlab.views.slots import slots
from swarmlab.views.spread import spread
from swarmlab.views.stacks import stack_builder, two_stacks
from swarmlab.views.timeline import timeline
from swarmlab.views.topology import topology
from swarmlab.views.zones import quorum_explorer
from tests.browser import CHROMIUM_OPTIONS
from tests.conftest import program

SHEET_WIDTH = 2700
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
    "200 %": (640 - 130, 360, "light", False),
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
    code = str(widget._esm).replace("export default { render: inLanguage(render) };", "")
    call = f"render({{model: {model}, el: document.getElementById('{place}')}})"
    script = f"<script type='module'>{code}\n{call};</script>"
    return f"<style>{widget._css}</style><div id='{place}'></div>{script}"


def parts_of(cluster: swarmlab.Cluster, service: str) -> dict[str, str]:
    """The pictures of a service's way and slots, of Swarm's history, and of the course."""
    path = service_path(cluster, service)
    path.act("why", {"task": f"{service}.1"})
    path.steps = [step for step in path.steps if step["part"] == "scheduler"]
    return {
        "slots": slots(cluster, service)._repr_html_(),
        "eras": eras()._repr_html_(),
        "course": course_map().shown_as._repr_html_(),
        "path": live(path),
        "path still": path.still_html(),
    }


def sick() -> Rollout:
    """A service whose health checks fail: requests to it reach no task."""
    cluster = swarmlab.simulate(managers=1, workers=1, seed=7)
    docker(
        "service create -q -d --name sick --replicas 2 --publish 8080:80 --health-cmd 'test -e ok'"
        " --health-interval 3s --health-retries 2 nginx"
    )
    cluster.run("1s")
    cluster.traffic("sick")
    return follow(cluster, "sick", for_s=25)


def make_pictures() -> dict[str, str]:
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
    made["secret"] = secret_path(cluster, "senha-db")._repr_html_()
    made |= parts_of(cluster, "web")
    cluster.traffic("web")
    docker("service update -q -d --args \"sh -c 'sleep 2; exit 1'\" web")
    made["rollout"] = follow(cluster, "web")._repr_html_()
    cluster.crash("m1")
    cluster.crash("w3")
    cluster.run("3s")
    cluster.run("40s")
    made["board"] = live(board_of(cluster))
    made["spread"] = spread(cluster, "web", "az")._repr_html_()
    made["election"] = election(cluster)._repr_html_()
    shown = topology(cluster)
    cluster.run("5s")
    shown.refresh()
    made["topology"] = live(shown)
    line = timeline(cluster)
    made["timeline"] = line._repr_html_()
    line.act("fork", {})
    line.refresh()
    made["timeline live"] = live(line)
    columns = raft_columns(cluster)
    docker("service create -q -d --name api httpd")
    columns.step()
    made["raft"] = live(columns)
    made["quorum"] = quorum_table(range(1, 4), make=swarmlab.simulate)._repr_html_()
    explorer = quorum_explorer()
    for name in ("m1", "m4", "m2", "m6"):
        explorer.children[-1].act("toggle", {"name": name})
    explorer.children[-1].refresh()
    made["zones"] = live(explorer.children[-1])
    builder = stack_builder()
    builder.act("slide", {})
    builder.act("pick", {"part": "php"})
    builder.put("nginx", 0)
    builder.refresh()
    made["stacks"] = live(builder)
    made["compare"] = str(compare_one("leader_crash")._repr_html_())
    made["two stacks"] = two_stacks(3).shown_as._repr_html_()
    made["density"] = density(80).shown_as._repr_html_()
    made["rollout checks"] = sick()._repr_html_()
    made["growth"] = Growth((4, 12, 20, 28, 36), (2.5, 3.5, 8), (1, 2.2, 8.5))._repr_html_()
    return made


def show(page: Page, html: str, form: str) -> int:
    """Open the page; how many pixels its smallest type must have."""
    width, height, theme, large = FORMS[form]
    is_light, ink, dim, paper, shade = THEMES[theme]
    names = ("content-font-color1", "content-font-color2", "layout-color1", "layout-color2")
    values = zip(names, (ink, dim, paper, shade), strict=True)
    root = "".join(f"--jp-{name}:{value};" for name, value in values)
    body = f"body{{margin:0;background:{paper};color:{ink};font-size:14px}}"
    style = f":root{{{root}--jp-content-font-size1:14px}}{body}"
    page.set_viewport_size({"width": width, "height": height})
    size = big_form()._repr_html_() if large else ""
    page.set_content(f"<body data-jp-theme-light='{is_light}'><style>{style}</style>{size}{html}")
    return 20 if large else 14


def sheet(pictures: list[Path]) -> Image.Image:
    """The pictures side by side, in as many rows as it takes."""
    images = [Image.open(path) for path in pictures]
    across = max(1, SHEET_WIDTH // max(image.width for image in images))
    rows = [images[n : n + across] for n in range(0, len(images), across)]
    heights = [max(image.height for image in row) for row in rows]
    made = Image.new("RGB", (across * images[0].width, sum(heights)), "grey")
    for number, row in enumerate(rows):
        for place, image in enumerate(row):
            made.paste(image, (place * images[0].width, sum(heights[:number])))
    return made


def main(folder: Path, names: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    made = {name: html for name, html in make_pictures().items() if not names or name in names}
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=program("browser"), args=CHROMIUM_OPTIONS
        )
        page = chromium.new_page()
        for form in FORMS:
            taken = []
            for name, html in made.items():
                show(page, html, form)
                page.wait_for_timeout(1100)  # ms; what moves has arrived
                taken.append(folder / f"{form} {name}.png".replace(" % ", "% "))
                page.locator("body").screenshot(path=taken[-1])
            sheet(taken).save(folder / f"sheet {form}.png")
        chromium.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
