"""What a task, a Raft role and an event look like.

Shape, texture and letter tell a task's state (`LOOKS`); its colour is that of its version.

The colours are Okabe and Ito's, which people with any colour vision can tell apart; each belongs to
one meaning in every view. Source: jfly.uni-koeln.de/color.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from swarmlab.strings import N_

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
    "running": Look("R", N_("running"), CIRCLE, GREY),
    "starting": Look(
        "S", N_("starting"), ARROW_UP, GREY, texture="M4 14L12 6M4 21L19 7M12 21L20 13"
    ),
    "pending": Look("P", N_("pending"), DIAMOND, GREY, texture="M12 4v2M5 12h2M17 12h2M12 18v2"),
    "failed": Look("F", N_("failed"), OCTAGON, VERMILLION),
    "stopping": Look(
        "X", N_("stopping"), ARROW_DOWN, GREY, texture="M4 3L19 18M11 3L20 12M4 11L13 20"
    ),
    "complete": Look("C", N_("complete"), SQUARE, GREY),
    "lost": Look("?", N_("not heard from"), CIRCLE, "", ""),
}

# The Raft roles of a manager.
ROLES = {
    "follower": Look("F", N_("follower"), CIRCLE, WHITE),
    "candidate": Look("C", N_("candidate"), DIAMOND, YELLOW),
    "leader": Look("L", N_("leader"), CROWN, LEADER),
    "down": Look("✖", N_("down"), OCTAGON, GREY),
}


def colours_of(
    versions: Iterable[tuple[str, str]], known: Mapping[tuple[str, str], str]
) -> dict[tuple[str, str], str]:
    """A colour for each (service, version); `known` ones keep theirs.

    A new one gets a colour that its service has not, of those the one that is used least.
    """
    colours = dict(known)
    for service, version in versions:
        if (service, version) not in colours:
            own = {colour for (name, _version), colour in colours.items() if name == service}
            counts = Counter(colours.values())
            colours[service, version] = min(VERSIONS, key=lambda one: (one in own, counts[one]))
    return colours


# Docker's task states, in the order of a task's life.
BEFORE_RUNNING = ("assigned", "accepted", "preparing", "ready", "starting")
FAILED = ("failed", "rejected", "orphaned")
UNWANTED = ("shutdown", "remove")  # as a desired state
ENDED = ("complete", "shutdown", *FAILED, "remove")


def kind_of_container(row: Mapping[str, str]) -> str:
    """The key in `LOOKS` for a container as `GET /containers/json` lists it."""
    state, status = row["State"], row["Status"]
    if state == "exited":
        return "complete" if status.startswith("Exited (0)") else "failed"
    if state == "running" and "(" in status:
        return {"healthy)": "running", "unhealthy)": "failed"}.get(status.split("(")[1], "starting")
    return {"running": "running", "restarting": "starting"}.get(state, "pending")


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
