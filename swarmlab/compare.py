"""How do we know that the simulator is right? One play on a simulated and on a real cluster.

`compare("leader_crash", against=swarmlab.launch)` plays it on both. Without `against` the real side
is a recording, kept in `real/recordings.json`, of what real engines did.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from swarmlab.errors import LabError
from swarmlab.real.scenarios import ALL
from swarmlab.real.stage import Stage
from swarmlab.story import simulate
from swarmlab.strings import _
from swarmlab.views.side_by_side import Comparison, Comparisons, Played

RECORDINGS = Path(__file__).parent / "real" / "recordings.json"
Make = Callable[..., Any]


def compare(*names: str, against: Make | None = None, seed: int = 7) -> Comparisons:
    """Play these scenarios, or all, on a simulated cluster and against real engines."""
    for name in names:
        if name not in ALL:
            raise LabError(
                _("there is no scenario {name!r}; there are {known}").format(
                    name=name, known=", ".join(ALL)
                )
            )
    return Comparisons(tuple(compare_one(name, against, seed) for name in names or ALL))


def compare_one(name: str, against: Make | None = None, seed: int = 7) -> Comparison:
    """One scenario on both sides."""
    real = play(name, against) if against else recorded()[name]
    return Comparison(name, ALL[name].promise, play(name, simulate, seed), real)


def play(name: str, make: Make, seed: int = 7) -> Played:
    """One scenario on a new cluster. A play that cannot go on ends early, and says why."""
    scenario = ALL[name]
    cluster = make(managers=scenario.managers, workers=scenario.workers, seed=seed)
    try:
        version = cluster.client().version()["Version"]
        stage, stopped = Stage(cluster), ""
        try:
            scenario.play(stage)
        except LabError as error:  # what it waits for does not come to pass
            stopped = str(error)
        return Played(cluster.kind, version, stage.facts, tuple(stage.events), stopped)
    finally:
        if cluster.kind == "real":
            cluster.close()


def recorded() -> dict[str, Played]:
    """What real engines did when they were asked last."""
    kept = json.loads(RECORDINGS.read_text())
    return {
        name: Played(**{**one, "events": tuple(map(tuple, one["events"]))})
        for name, one in kept.items()
    }


def record(*names: str, make: Make) -> None:
    """Keep what real engines do in these scenarios, or in all; takes the time that it takes."""
    kept = json.loads(RECORDINGS.read_text()) if RECORDINGS.exists() else {}
    for name in names or ALL:
        kept[name] = {**asdict(play(name, make)), "kind": "recorded"}
        lines = (f"{json.dumps(key)}: {json.dumps(kept[key])}" for key in ALL if key in kept)
        RECORDINGS.write_text("{\n" + ",\n".join(lines) + "\n}\n")
