"""Scenes: a page's clusters as they are when one of its steps begins, to go back to at any time.

The folder `scenes` has a file a page: the runs of its clusters, how far each has come in every
scene, and the digest of the cells. `cli/rehearsal.py` makes them from the pages.
"""

from __future__ import annotations

import gc
import hashlib
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cache, lru_cache
from itertools import groupby
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple

from IPython import get_ipython

from swarmlab.cluster.copies import FrozenCopy
from swarmlab.cluster.current import latest, use
from swarmlab.cluster.files import replace_file
from swarmlab.cluster.interface import AnyCluster
from swarmlab.cluster.journal import JournalEntry
from swarmlab.cluster.replay import replay
from swarmlab.cluster.simulated import SimulatedCluster
from swarmlab.cluster.socket_folder import PRIVATE, why_not_private
from swarmlab.errors import LabError, NoneSuch
from swarmlab.lessons import bets
from swarmlab.lessons.progress_record import progress_file
from swarmlab.lessons.run_of_show import steps
from swarmlab.strings import N_, _
from swarmlab.views.board import Board, SceneMenu
from swarmlab.views.widget import start_over

FOLDER = Path(__file__).with_name("scenes")
PAGES_KEPT = 3  # whose replays stay in memory
EVENTS_QUICKLY = 100_000  # what a computer replays in about a second: no need to keep it on disk
REAL = N_(
    "real engines keep what was done to them, and can't go back to {name}; run swarmlab.simulate(),"
    " then this again, to go on with simulated ones"
)
STALE = N_("the scenes of page {page} are not those of its cells; run `swarmlab scenes {page}`")
_last = [""]  # the scene that was asked for last
_offer: dict[str, Any] = {"scene": "", "number": 0}  # the scene that a class is offered


class Moment(NamedTuple):
    """How far a cluster of a page has come when a scene begins."""

    run: int  # which of the page's runs
    entries: int  # of its journal
    now_ns: int
    digest: str  # of its trace


Replayed = tuple[FrozenCopy, dict[str, Any], list[JournalEntry]]  # its world, and what led to it


class PageReplays:
    """What was replayed of a page so far, and the thread that receives the rest of it."""

    def __init__(self, page: str) -> None:
        self.by_moment: dict[Moment, Replayed] = {}
        self.receiver = Thread(target=_receive, args=[page, self.by_moment], daemon=True)


replays_of = lru_cache(PAGES_KEPT)(PageReplays)  # by the page's number


@cache
def scenes_of(page: str) -> dict[str, Any]:
    """The file of a page, by its number: `runs`, `cells`, and of all `scenes` the clusters."""
    files = {path.stem[:2]: path for path in sorted(FOLDER.glob("*.json"))}
    if page not in files:
        raise NoneSuch("there is no page {name!r} with scenes; there are {known}", page, files)
    content: dict[str, Any] = json.loads(files[page].read_text("utf-8"))
    return content


def clusters_in(name: str) -> dict[str, Moment]:
    """The page's variables that hold clusters in this scene, the one of the current cluster first.

    Empty: the page has none by then. NoneSuch: there is no such scene.
    """
    page, _dot, short = name.partition(".")
    known = scenes_of(page)["scenes"]
    if short not in known:
        names = [f"{page}.{other}" for other in known]
        raise NoneSuch("there is no scene {name!r}; there are {known}", name, names)
    return {variable: Moment(*moment) for variable, moment in known[short].items()}


def scene(name: str) -> AnyCluster | None:
    """What `swarmlab.scene` does.

    In a notebook the page's variables are put back, elsewhere the current cluster.
    """
    moments, here, shell = clusters_in(name), latest(), get_ipython()
    if here is not None and not here.has_trace:
        raise LabError(REAL, name=name)
    variables = {} if shell is None else shell.user_ns
    held: dict[str, Any] = {variable: variables.get(variable) for variable in moments}
    main = next(iter(held), "")
    if not isinstance(held.get(main), SimulatedCluster) and here not in held.values():
        held[main] = here
    for variable, moment in moments.items():
        run, cluster = run_until(name[:2], moment), held[variable]
        if isinstance(cluster, SimulatedCluster):
            cluster.put_back(run)
            start_over(cluster, lambda: _("The swarm is as in scene {name}.", name=name))
        else:
            held[variable] = run
    if moments:
        variables.update(held)
        use(held[main])
    _last[:] = [name]
    if name == _offer["scene"]:
        _offer["scene"] = ""
    return latest()


def run_until(page: str, moment: Moment) -> SimulatedCluster:
    """A new cluster, which is what one of the page's was at that moment."""
    if is_stored(page):
        prepare(page).join()
    if moment not in (replayed := replays_of(page).by_moment):
        replayed.update(replays(page, [moment]))
    world, configuration, journal = replayed[moment]
    run = SimulatedCluster(world.thaw(), {**configuration}, [*journal])
    if run.trace.digest() != moment.digest:
        raise LabError(STALE, page=page)
    if run.world.simulation.scheduled > EVENTS_QUICKLY:
        prepare(page)  # for the next time, here or in another program
    return run


def replays(page: str, moments: Iterable[Moment]) -> Iterator[tuple[Moment, Replayed]]:
    """The page's clusters at these moments; each run is replayed once."""
    for run, own in groupby(sorted({*moments}), lambda moment: moment.run):
        configuration, rows = scenes_of(page)["runs"][run].values()
        journal = [JournalEntry(at_ns, verb, tuple(args)) for at_ns, verb, *args in rows]
        cluster = SimulatedCluster.build(configuration)
        for moment in own:
            done = journal[: moment.entries]
            replay(cluster, done, moment.now_ns)
            yield moment, (FrozenCopy(cluster.world), configuration, done)


# -- ahead of time ---------------------------------------------------------------------------
def prepare(page: str) -> Thread:
    """Have another process replay all scenes of a page; then to go to one takes no replay.

    What it gives is kept in a file, in a folder that only this user can enter.
    """
    receiver = replays_of(page).receiver
    if receiver.ident is None:
        receiver.start()
    return receiver


@cache
def stored(page: str) -> Path:
    """The file with the replays of a page: those of this very program, no other one's."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "swarmlab"
    digest = hashlib.sha256(sys.version.encode())
    for path in sorted([*FOLDER.parents[1].rglob("*.py"), *FOLDER.glob("*.json")]):
        digest.update(path.read_bytes())
    return folder / f"scenes-{page}-{digest.hexdigest()[:16]}.pickle"


def is_stored(page: str) -> bool:
    """Whether there is that file, and only this user can have put it there."""
    path = stored(page)
    shared = hasattr(os, "geteuid") and why_not_private(path.parent, mode=PRIVATE)
    return path.exists() and not shared


def _receive(page: str, by_moment: dict[Moment, Replayed]) -> None:
    if kept := is_stored(page):
        data = stored(page).read_bytes()
    else:
        code = f"from swarmlab.lessons import scenes; scenes.write_replays({page!r})"
        replaying = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
        if replaying.returncode:
            return
        data = replaying.stdout
    by_moment.update(pickle.loads(data))
    with suppress(OSError):  # then the next program replays it again
        if not kept:
            stored(page).parent.mkdir(PRIVATE, parents=True, exist_ok=True)
            for older in stored(page).parent.glob(f"scenes-{page}-*"):
                older.unlink()
            replace_file(stored(page), data)


def write_replays(page: str) -> None:
    """What the other process does."""
    gc.disable()  # it ends soon
    names = [f"{page}.{short}" for short in scenes_of(page)["scenes"]]
    moments = [moment for name in names for moment in clusters_in(name).values()]
    sys.stdout.buffer.write(pickle.dumps(dict(replays(page, moments))))


# -- the way back, for presenters ------------------------------------------------------------
all_steps = cache(steps)  # of a page that does not change while it is shown


def page_here() -> str:
    """The number of the page that this kernel runs, as Jupyter says, else that of the last scene;
    empty when neither is known."""
    number = Path(os.environ.get("JPY_SESSION_NAME", "")).name[:2]
    return number if any(FOLDER.glob(f"{number}_*.json")) else _last[0][:2]


def listed() -> list[list[str]]:
    """Name and title of the scenes of this page."""
    page = page_here()
    return [[step.scene, step.title] for step in all_steps(page) if step.scene] if page else []


def back(name: str = "") -> Any:
    """To this scene, else to the last one, else to the first of the page."""
    names = [name, *_last, *(name for name, _title in listed())]
    return scene(next(filter(None, names), page_here()))


def reset(page: str = "") -> AnyCluster | None:
    """What `swarmlab.reset` does."""
    for path in (progress_file(), bets.score_file()):
        if path.exists():
            path.replace(path.with_suffix(".before"))
    bets.SCORE.bets = {}
    bets.LATEST.clear()
    page = page or page_here()
    return scene(f"{page}.{next(iter(scenes_of(page)['scenes']))}")


# -- in a class ------------------------------------------------------------------------------
def offer(scene: str, number: int) -> bool:
    """An instructor's offer to everybody, by its number; whether it is another one than before."""
    if number == _offer["number"]:
        return False
    _offer.update(scene=scene, number=number)
    return True


def offered() -> list[str]:
    """Name and title of the scene that is offered, until it is gone to; empty when none is."""
    steps = all_steps(_offer["scene"][:2]) if _offer["scene"] else []
    return next(([step.scene, step.title] for step in steps if step.scene == _offer["scene"]), [])


Board.scene_menu = SceneMenu(listed, back, reset, offered)
