"""The course: the talk's agenda, the page that teaches each slide, how far you are, what's next."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

import yaml
from babel import Locale
from markupsafe import Markup

from swarmlab.cluster.calls import checked
from swarmlab.errors import NoneSuch
from swarmlab.lessons.bank import topics
from swarmlab.lessons.progress_record import solved_exercises
from swarmlab.strings import ENGLISH, N_, _, language, language_tag, translations
from swarmlab.views.html import Callout, Table, as_table, tag
from swarmlab.views.primitives import view, zones
from swarmlab.views.widget import Field, Sliders, speak

FIRST_LANGUAGE = language()  # of the page that has started this process
PACKAGE, MAP = Path(__file__).parents[1], "index.ipynb"
CARD = (
    "justify-items:start;margin:.2em 0;white-space:normal;text-align:left;color:inherit;"
    "width:100%;box-sizing:border-box"
)


class CourseMap(Table):
    """The rows, and above them the agenda: each part with its pages, to click."""

    def _repr_html_(self) -> Markup:
        parts: dict[str, list[Markup]] = {}
        for part, page, slides, minutes, solved in self.rows:
            title = tag("b", topic_of(page), style="text-decoration:underline")
            lines = [tag("span", text) for text in (slides, minutes, solved)]
            href = f"{folder_of_pages()}{page}.ipynb"
            card = tag("a", title, *lines, class_="node manager", href=href, style=CARD)
            parts.setdefault(part, []).append(card)
        return view(zones(parts)) + as_table(self)


@cache
def course() -> dict[str, dict[str, dict[str, str]]]:
    """Part of the agenda -> page -> its slides and minutes."""
    parts: dict[str, dict[str, dict[str, str]]] = yaml.safe_load(
        Path(__file__).with_name("course.yml").read_text("utf-8")
    )
    return parts


def pages() -> list[str]:
    """Every page, in the order of the talk."""
    return [page for part in course().values() for page in part]


@checked
def course_map() -> Sliders:
    """The talk's agenda, page by page, with what you have solved; a list changes the language of
    all that is shown live. Lesson: index.

    >>> course_map().shown_as.rows[0][:2]
    ('First steps', '00_start_here')
    """
    names = [ENGLISH, *translations()]
    known = [[Locale.parse(name).get_display_name(name), name] for name in names]
    menu = Field(N_("Language"), options=known, value=language())

    def chosen(change: dict[str, str]) -> None:
        if change["new"] != language():
            speak(change["new"])

    def in_language(**_values: str) -> CourseMap:
        menu.value = language()  # another map may have changed it
        return _as_solved()

    menu.observe(chosen, "value")
    return Sliders(in_language, {"name": menu})


def _as_solved() -> CourseMap:
    solved, rows = solved_exercises(), []
    for part, pages in course().items():
        for page, facts in pages.items():
            own = [exercise.name for exercise in topics().get(page, [])]
            done = _("solved {n} of {all}", n=len({*own} & {*solved}), all=len(own))
            slides = _("slides {slides}", slides=facts["slides"])
            minutes = _("{minutes} minutes", minutes=facts["minutes"])
            rows.append((_(part), page, slides, minutes, done if own else _("no exercises")))
    heads = _("Part"), _("Page"), _("Slides"), _("Time"), _("Solved")
    return CourseMap(_("The course"), heads, tuple(rows))


def folder_of_pages() -> str:
    """Where the pages in the language in use are, seen from the page that asks."""
    if language() == FIRST_LANGUAGE:
        return ""
    up = "../" if Path.cwd().name == language_tag(FIRST_LANGUAGE) else ""
    return up if language() == ENGLISH else f"{up}{language_tag(language())}/"


def all_notebooks() -> Path:
    """The folder of the notebooks: the checkout's, else the one in the installed package."""
    checkout = PACKAGE.parent / "notebooks"
    in_checkout = (PACKAGE.parent / "pyproject.toml").exists() and checkout.is_dir()
    return checkout if in_checkout else PACKAGE / "_notebooks"


def notebooks() -> Path:
    """The folder of those in the user's language."""
    translated = all_notebooks() / language_tag(language())
    return translated if translated.is_dir() else all_notebooks()


def head_of(page: str) -> tuple[str, str]:
    """The title of a page, and what it promises; in English where it is not translated yet."""
    path = notebooks() / f"{page}.ipynb"
    return _head_of(path if path.exists() else all_notebooks() / path.name)


@cache
def _head_of(path: Path) -> tuple[str, str]:
    cells = json.loads(path.read_text("utf-8"))["cells"]
    title, _blank, promise, *_rest = "".join(cells[0]["source"]).splitlines()
    return title.removeprefix("# "), promise.strip("*")


def topic_of(page: str) -> str:
    """A page by its number and the first part of its title.

    >>> topic_of("12_rolling_updates"), topic_of("03_why_orchestrate")
    ('12 Rolling updates', '03 Why orchestrate?')
    """
    [first] = re.findall(r"^[^:?]+\??", head_of(page)[0])
    return f"{page.partition('_')[0]} {first}"


@checked
def where_next(page: str) -> Callout:
    """The page after this one and why to read it, the one before, and the map. Lesson: index.

    >>> print(where_next("05_quorum").title)
    Next: 06_command_to_container.ipynb
    """
    known = ["index", *pages()]
    if page not in known:
        raise NoneSuch("there is no page {name!r}; there are {known}", page, known)
    place = known.index(page)
    before, after = known[place - 1], known[(place + 1) % len(known)]
    title, promise = head_of(after)
    back = _("The page before: {before}. All pages: {map}.", before=f"{before}.ipynb", map=MAP)
    return Callout(_("Next: {page}", page=f"{after}.ipynb"), (f"**{title}**", promise, back))
