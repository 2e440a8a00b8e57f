"""The parts of every picture, live or still: shapes, nodes, zones, lanes with bars, thresholds.

State is texture and shape, version is colour, role is outline. All are HTML and SVG in the page's
own colours, and text in them has the page's own size: `static/view.css` has their style.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from markupsafe import Markup

from swarmlab.strings import _, seconds
from swarmlab.views.html import OUTPUT_STYLE, STATIC, tag
from swarmlab.views.palette import BLACK, YELLOW, Look

STYLE = Markup(OUTPUT_STYLE + (STATIC / "view.css").read_text("utf-8"))
LANE_EM = 2.7  # the height of a lane
TICKS, NOTE_LEFT_MAX = 4, 60


def view(*parts: str) -> Markup:
    """A whole picture, with its style: it needs no kernel."""
    return tag("style", STYLE) + tag("div", *parts, class_="swarmlab-view")


def drawing(alt: str, *parts: str, style: str = "") -> Markup:
    """What screen readers read out as one picture, `alt`."""
    return tag("div", *parts, role="img", aria_label=alt, style=style)


def shape(look: Look, colour: str = "", title: str = "") -> Markup:
    """A task, a role or an event: its outline, texture and letter; `colour`: of the version."""
    fill = look.colour and (colour or f"var(--version, {look.colour})")
    parts = [tag("path", d=look.shape, class_="full" if fill else "hollow", style=f"fill:{fill}")]
    if look.texture and fill:
        parts.append(tag("path", d=look.texture, class_="texture"))
    ink = ("dark" if look.ink == BLACK else "light") if fill and look.ink else ""
    parts.append(tag("text", look.letter, x="12", y="18", class_=ink))
    named = {"role": "img", "aria_label": title} if title else {"aria_hidden": "true"}
    parts += [tag("title", title)] if title else []
    return tag("svg", *parts, class_="shape", viewBox="-1 -1 26 26", **named)


def look_rows(looks: Mapping[str, Look]) -> dict[str, list[str]]:
    """The looks as JavaScript reads them: the shape, and its translated title."""
    return {kind: [shape(look), _(look.title)] for kind, look in looks.items()}


def legend(entries: Iterable[tuple[Markup, str]]) -> Markup:
    """Pictures, each with its word."""
    return tag("div", *(tag("span", sign, word) for sign, word in entries), class_="row")


def swatch(kind: str, colour: str) -> Markup:
    """A short bar, for a legend."""
    place = "position:static;display:inline-block;width:1.6em;height:1.2em"
    return tag("i", class_=f"bar {kind}", style=f"{place};background-color:{colour}")


# -- lanes: what happened over time ---------------------------------------------------------------
def percent(at: float, start: float, end: float) -> float:
    """Where a moment is between two others; one outside of them is at the nearer end."""
    return 100 * (min(max(at, start), end) - start) / (end - start)


def lane(name: str, *parts: str, style: str = "") -> Markup:
    """A name, and a track with bars and marks, whose places are in percent of its width."""
    track = tag("div", *parts, class_="track")
    return tag("div", tag("b", name, title=name), track, class_="lane", style=style)


def bar(
    left: float, right: float, kind: str, colour: str, *texts: str, title: str = "", style: str = ""
) -> Markup:
    """From `left` to `right`; of the texts, those that fit are shown."""
    place = f"left:{left:.2f}%;width:{right - left:.2f}%;background-color:{colour};{style}"
    spans = (tag("span", text) for text in texts if text)
    return tag("div", *spans, class_=f"bar {kind}", style=place, title=title)


def mark(left: float, sign: str) -> Markup:
    """A shape in a lane."""
    return tag("i", sign, class_="mark", style=f"left:{left:.2f}%;font-style:normal")


def arrow(left: float, lanes: int) -> Markup:
    """From this lane to the one so many lanes below it; above, if negative."""
    top = LANE_EM / 2 + (min(lanes, 0) * LANE_EM) + (0.9 if lanes < 0 else 0)
    place = f"left:{left:.2f}%;top:{top:.2f}em;height:{abs(lanes) * LANE_EM - 0.9:.2f}em"
    return tag("i", class_=f"arrow {'down' if lanes > 0 else 'up'}", style=place)


def upright(left: float, kind: str, lanes: float = 1) -> Markup:
    """A line across so many lanes: a `fault`, or a `threshold`."""
    return tag("i", class_=kind, style=f"left:{left:.2f}%;top:0;height:{lanes * LANE_EM:.2f}em")


def note(left: float, text: str) -> Markup:
    """Text that begins there, or ends there if it is far to the right."""
    kind = "note late" if left > NOTE_LEFT_MAX else "note"
    return tag("span", text, class_=kind, style=f"left:{left:.2f}%")


def axis(start_s: float, end_s: float) -> Markup:
    """Seconds below the lanes."""
    digits = int(end_s - start_s < 2 * TICKS)
    steps = [start_s + (end_s - start_s) * n / TICKS for n in range(TICKS + 1)]
    ticks = [
        tag("span", seconds(at, digits), class_="tick", style=f"left:{100 * n / TICKS:.2f}%")
        for n, at in enumerate(steps)
    ]
    return lane("", *ticks, style="height:1.6em")


# -- machines -----------------------------------------------------------------------------------
def zones(boxes: Mapping[str, Sequence[Markup]]) -> Markup:
    """Zones side by side: each one's name, and what is in it."""
    drawn = (
        tag("div", tag("div", tag("b", name)), *inside, class_="zone")
        for name, inside in boxes.items()
    )
    return tag("div", *drawn, class_="row zones")


def node(
    name: str,
    role: str,
    *facts: str,
    leads: bool = False,
    down: bool = False,
    style: str = "",
    do: str = "",
) -> Markup:
    """A machine of the swarm, with facts in small type below its name; `do`: what a click does."""
    kinds = [role, "leader" if leads else "", "down" if down else ""]
    marks = [_("♛ leader")] if leads else []
    marks += [_("✖ down")] if down else []
    small = [tag("small", fact) for fact in (*filter(None, [" · ".join(marks)]), *facts)]
    data = {"data_do": do, "data_name": name, "data_key": name} if do else {}
    kind = " ".join(["node", *kinds])
    name_and_facts = tag("b", name), *small
    return tag("button" if do else "div", *name_and_facts, class_=kind, style=style, **data)


def flight(start: tuple[float, float], end: tuple[float, float], text: str) -> Markup:
    """What moves between two places, each in percent of the width, and em from the top."""
    places = {"x1": f"{start[0]:.2f}%", "y1": f"{start[1]:.2f}em"}
    places |= {"x2": f"{end[0]:.2f}%", "y2": f"{end[1]:.2f}em"}
    style = "".join(f"--{name}:{value};" for name, value in places.items())
    return tag("i", tag("span", text, class_="spoken"), class_="flight", title=text, style=style)


def votes(name: str, voters: Sequence[tuple[str, str]], need: int, most: int, text: str) -> Markup:
    """A square a vote, with (its text, its texture); a line after those that make a quorum.

    There is space for `most` votes, and for the text after them.
    """
    width = 66 / most
    squares = [
        bar(width * n, width * (n + 0.9), kind, YELLOW, short)
        for n, (short, kind) in enumerate(voters)
    ]
    line = upright(width * (need - 0.05), "threshold")
    place = f"left:{width * max(need, len(voters)) + 1:.2f}%"
    return lane(name, *squares, line, tag("span", text, class_="after", style=place))
