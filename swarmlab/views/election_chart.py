"""An election as a picture: a lane a manager over simulated time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from swarmlab.simulation import S
from swarmlab.strings import _
from swarmlab.views.palette import BLACK, ROLES, WHITE, YELLOW

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from swarmlab.views.election import Span, Story

HATCHES = {"candidate": "..", "down": "//"}  # beside the role's letter and colour
FONT_SIZE = 15
ROOM_FOR_TERM, ROOM_FOR_LETTER = 0.12, 0.04  # of the picture's width


def drawn(story: Story) -> Figure:
    figure = Figure(figsize=(12, 1.9 + 0.72 * len(story.managers)), layout="constrained")
    axes = figure.subplots()
    picture = Picture(story, axes)
    for span in story.spans:
        picture.draw_span(span)
    picture.draw_votes()
    picture.draw_marks()
    picture.draw_frame()
    figure.legend(handles=legend(), ncols=6, loc="outside upper left", fontsize=FONT_SIZE)
    return figure


def legend() -> list[Any]:
    shown: list[Any] = [
        Patch(
            facecolor=look.colour,
            hatch=HATCHES.get(role, ""),
            edgecolor=BLACK,
            label=f"{look.letter} {_(look.word)}",
        )
        for role, look in ROLES.items()
    ]
    stands: dict[str, Any] = {
        "marker": "D",
        "markerfacecolor": YELLOW,
        "markersize": 12,
        "linestyle": "",
    }
    shown.append(Line2D([], [], color=BLACK, label=_("stands"), **stands))
    shown.append(Line2D([], [], color=BLACK, marker=">", markersize=9, label=_("vote")))
    return shown


class Picture:
    def __init__(self, story: Story, axes: Axes) -> None:
        self.story, self.axes = story, axes
        self.left, self.right = self.x(story.start_ns), self.x(story.end_ns)
        self.lanes = {name: lane for lane, name in enumerate(story.managers)}

    def x(self, at_ns: int) -> float:
        story = self.story
        return (min(max(at_ns, story.start_ns), story.end_ns) - story.zero_ns) / S

    def draw_span(self, span: Span) -> None:
        letter, colour = ROLES[span.role].letter, ROLES[span.role].colour
        hatch = HATCHES.get(span.role, "")
        left, right, lane = self.x(span.start_ns), self.x(span.end_ns), self.lanes[span.name]
        look: dict[str, Any] = {"color": colour, "hatch": hatch, "edgecolor": BLACK, "linewidth": 1}
        self.axes.barh(lane, right - left, left=left, height=0.62, **look)
        room = (right - left) / (self.right - self.left)
        if room > ROOM_FOR_LETTER:
            whole = room > ROOM_FOR_TERM and span.role != "down"
            text = f"{letter}  {_('term {term}').format(term=span.term)}" if whole else letter
            box = {"facecolor": WHITE, "edgecolor": "none", "alpha": 0.9, "pad": 1.5}
            style: dict[str, Any] = {"ha": "center", "va": "center", "bbox": box, "zorder": 8}
            self.axes.text((left + right) / 2, lane, text, fontsize=FONT_SIZE, **style)

    def draw_votes(self) -> None:
        """A diamond where somebody stands, and an arrow from each who votes for it."""
        step = 0.008 * (self.right - self.left)
        count: dict[tuple[int, str], int] = {}
        for vote in self.story.votes:
            if vote.candidate not in self.lanes:
                continue
            x, to, lane = self.x(vote.at_ns), self.lanes[vote.candidate], self.lanes[vote.voter]
            key = vote.term, vote.candidate
            count[key] = count.get(key, -1) + 1
            if vote.voter == vote.candidate:
                mark: dict[str, Any] = {
                    "marker": "D",
                    "markersize": 13,
                    "markeredgecolor": BLACK,
                    "zorder": 5,
                }
                self.axes.plot(x, to, color=YELLOW, **mark)
            else:
                x += count[key] * step
                arrow: dict[str, Any] = {"arrowstyle": "-|>", "linewidth": 2.2, "color": BLACK}
                self.axes.annotate("", (x, to), (x, lane), arrowprops=arrow, zorder=6)
                self.axes.plot(x, lane, "o", color=BLACK, markersize=6, zorder=6)

    def draw_marks(self) -> None:
        """A cross for each crash, a line for each cut and healing of the network."""
        for event in self.story.events:
            x = self.x(event.at_ns)
            if not event.who:
                self.axes.axvline(x, color=BLACK, linestyle="--", linewidth=2)
                label = f" {event.what.partition(':')[0]}"
                self.axes.text(x, -0.42, label, fontsize=FONT_SIZE, va="bottom")
        for span in self.story.spans:
            if span.role == "down" and span.start_ns >= self.story.start_ns:
                x, lane = self.x(span.start_ns), self.lanes[span.name]
                self.axes.plot(x, lane, "X", color=BLACK, markersize=17, zorder=7)

    def draw_frame(self) -> None:
        axes = self.axes
        axes.set_yticks(list(self.lanes.values()), list(self.lanes), fontsize=FONT_SIZE + 3)
        axes.set_ylim(len(self.lanes) - 0.5, -0.8)
        axes.set_xlim(self.left, self.right)
        axes.tick_params(axis="x", labelsize=FONT_SIZE)
        axes.set_xlabel(_("seconds of simulated time, from the fault on"), fontsize=FONT_SIZE)
        axes.spines[["top", "right", "left"]].set_visible(False)
