"""What a task, a Raft role and an event look like: shape, letter and colour of each state.

Each of the three is enough to tell the state; `LOOKS` has those of the boxes on the board.

The colours are Okabe and Ito's, which people with any colour vision can tell apart; each belongs to
one meaning in every view. Source: jfly.uni-koeln.de/color.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass, replace

from swarmlab.strings import N_, _

BLACK, WHITE = "#000000", "#ffffff"
ORANGE, SKY_BLUE, BLUISH_GREEN, YELLOW = "#e69f00", "#56b4e9", "#009e73", "#f0e442"
BLUE, VERMILLION, REDDISH_PURPLE = "#0072b2", "#d55e00", "#cc79a7"
GREY = "#bbbbbb"
LEADER = REDDISH_PURPLE
# Of versions, in the order in which they come; black text is legible on each.
VERSIONS = (SKY_BLUE, ORANGE, BLUISH_GREEN, YELLOW, "#b7a5e0", "#c9a27b", "#8fd0cf", "#e8a0a0")

# Outlines in a square of 24 by 24, as an SVG path.
CIRCLE = "M12 1a11 11 0 1 0 0 22a11 11 0 1 0 0-22z"
SQUARE = "M2 2h20v20H2z"
DIAMOND = "M12 0L24 12L12 24L0 12z"
OCTAGON = "M7.5 1h9L23 7.5v9L16.5 23h-9L1 16.5v-9z"
ARROW_UP = "M12 0L22 9v14H2V9z"
ARROW_DOWN = "M2 1h20v14L12 24L2 15z"
CROWN = "M2 23L0 6l6 4 6-9 6 9 6-4-2 17z"


@dataclass(frozen=True, slots=True)
class Look:
    """How one state of a task, one Raft role or one kind of event is drawn."""

    letter: str
    title: str  # English, translated with `_` when it is shown
    shape: str  # an SVG path
    colour: str  # empty: an outline alone, dashed
    ink: str = BLACK  # of the letter; empty: the text's
    texture: str = ""  # an SVG path: white lines on the colour


LOOKS = {
    "running": Look("R", N_("running"), CIRCLE, BLUISH_GREEN),
    "starting": Look("S", N_("starting"), ARROW_UP, SKY_BLUE),
    "pending": Look("P", N_("pending"), DIAMOND, YELLOW),
    "failed": Look("F", N_("failed"), OCTAGON, VERMILLION),
    "stopping": Look("X", N_("stopping"), ARROW_DOWN, ORANGE),
    "complete": Look("C", N_("complete"), SQUARE, BLUE, WHITE),
    "lost": Look("?", N_("not heard from"), CIRCLE, "", ""),
}

# The Raft roles of a manager.
ROLES = {
    "follower": Look("F", N_("follower"), CIRCLE, WHITE),
    "candidate": Look("C", N_("candidate"), DIAMOND, YELLOW),
    "leader": Look("L", N_("leader"), CROWN, LEADER),
    "down": Look("✖", N_("down"), OCTAGON, GREY),
}


def look_rows(looks: Mapping[str, Look]) -> dict[str, list[str]]:
    """The looks as JavaScript reads them, with translated titles."""
    return {kind: [*astuple(replace(look, title=_(look.title)))] for kind, look in looks.items()}


# Docker's task states, in the order of a task's life.
BEFORE_RUNNING = ("assigned", "accepted", "preparing", "ready", "starting")
FAILED = ("failed", "rejected", "orphaned")
UNWANTED = ("shutdown", "remove")  # as a desired state
ENDED = ("complete", "shutdown", *FAILED, "remove")


def kind_of(state: str, *, should_run: bool, node_down: bool) -> str:
    """The key in `LOOKS` for a task: its state, what is desired, and whether its node is down."""
    if state in FAILED:
        return "failed"
    if state in ENDED:
        return "complete"
    if state in ("new", "pending"):
        return "pending"
    if node_down:
        return "lost"
    if not should_run:
        return "stopping"
    return "running" if state == "running" else "starting"
