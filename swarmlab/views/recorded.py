"""A recording of what a live widget showed, which plays where no kernel is.

It holds the first rows, and then only those that changed. A saved notebook or a web page has it
beside the code that drew the widget live, and needs neither a kernel nor the network.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from swarmlab.strings import _, language, language_tag
from swarmlab.views.html import tag

BYTES_MAX = 100_000  # as it is stored
FRAMES_MAX = 400  # when there are more, every other one is left out


class Recording:
    """The values of a widget's traits, moment by moment."""

    def __init__(self) -> None:
        self.frames: list[dict[str, Any]] = []  # what changed at each moment
        self.moments = 0  # that were added
        self.shown_at = 0  # the place in `frames` of the moment that its cell showed
        self._now: dict[str, Any] = {}

    def add(self, state: Mapping[str, Any]) -> None:
        """Add a moment, unless it looks like the last one."""
        changes = {k: v for k, v in state.items() if k not in self._now or self._now[k] != v}
        if changes:
            self.frames.append(changes)
            self._now |= changes
            self.moments += 1
        if len(self.frames) > FRAMES_MAX:
            self._thin()

    def _thin(self) -> None:
        """Leave out every other moment, but not what changed then."""
        first, *rest = self.frames
        pairs = [rest[n : n + 2] for n in range(0, len(rest), 2)]
        self.frames = [first, *({**pair[0], **pair[-1]} for pair in pairs)]
        self.shown_at = (self.shown_at + 1) // 2

    @property
    def stored(self) -> str:
        """As text: JSON, compressed; at most `BYTES_MAX`."""
        text = json.dumps(self.frames, separators=(",", ":"), default=str).encode()
        packed = base64.b64encode(zlib.compress(text, 9)).decode("ascii")
        if len(packed) > BYTES_MAX and len(self.frames) > 2:
            self._thin()
            return self.stored
        return packed


def controls() -> dict[str, str]:
    """The texts on the buttons of whatever plays, live or recorded."""
    playing = {"play": _("▶ Play"), "halt": _("❚❚ Pause")}
    return playing | {"back": _("◀ Back"), "forward": _("Forward ▶")}


def player_labels(note: str) -> dict[str, str]:
    """The texts of a player; `note` says what it plays."""
    return controls() | {"note": note, "moment": _("Moment of the recording")}


def played(
    recording: Recording, note: str, *, model: str, code: str, style: str, still: str
) -> Markup:
    """The recording with what draws it; where scripts do not run, `still`."""
    labels, frames = json.dumps(player_labels(note)), recording.stored
    start = str(recording.shown_at)
    data = tag("template", frames, class_="frames", data_labels=labels, data_start=start)
    script = Markup("<script type='module'>{}\nplayAll('{}', render);</script>").format(
        Markup(code), model
    )
    inside = tag("div", Markup(still), class_="still"), data, tag("style", Markup(style)), script
    return tag("div", *inside, class_="swarmlab-recorded", data_recorded=model)


def growing(chart: Markup, seconds: float, code: str) -> Markup:
    """A chart over so many seconds, which plays: its lanes grow as it happened."""
    own = {"seconds": seconds, "language": language_tag(language())}
    labels = json.dumps(player_labels("") | own)
    script = Markup("<script type='module'>{}\ngrowAll();</script>").format(Markup(code))
    return tag("div", chart, class_="swarmlab-grows", data_labels=labels) + script
