"""A class: who is on which page and at which exercise, and a scene that is offered to everybody.

Kernels tell the instructor's page, and it answers with the offer. They tell the names of a page and
an exercise of this kit, and only if the attendee agreed when their server started.
"""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from IPython import get_ipython
from tornado.httpclient import AsyncHTTPClient, HTTPError

from swarmlab.lessons import exercise_widget, scenes
from swarmlab.lessons.bank import bank
from swarmlab.lessons.course_map import pages, topic_of
from swarmlab.strings import _
from swarmlab.views.html import Table
from swarmlab.views.widget import after_cell, running_loop

ASK_S = 5.0


def identity() -> dict[str, str]:
    """The header that says who asks: JupyterHub gives each of its servers and services a token."""
    return {"Authorization": f"token {os.environ['JUPYTERHUB_API_TOKEN']}"}


# -- in a kernel -----------------------------------------------------------------------------------
_tasks: list[asyncio.Task[None]] = []  # the one that asks


def attend(*_of_the_cell: Any) -> None:
    """After the first cell: ask the class from now on."""
    loop = running_loop()
    if not _tasks and loop is not None:
        _tasks.append(loop.create_task(_attend()))


async def _attend() -> None:
    last: Any = None
    while True:
        here = whereabouts(), get_ipython().execution_count
        # Of several open pages it's the one that was used last.
        told = here[0] if here != last and os.environ.get("CLASS_AGREED") else {}
        with suppress(HTTPError, OSError, ValueError):  # a hub that is replaced comes back
            await ask(told)
            last = here
        await asyncio.sleep(ASK_S)


def whereabouts() -> dict[str, str]:
    """The notebook of this kernel, if it's a page; the exercise whose swarm commands go to."""
    page = Path(os.environ.get("JPY_SESSION_NAME", "")).stem
    return {"page": page if page in pages() else "", "exercise": exercise_widget.in_progress()}


async def ask(told: dict[str, str]) -> None:
    """Tell the instructor's page, and show a scene that is newly offered on the boards."""
    request: dict[str, Any] = {"method": "POST", "body": urlencode(told), "headers": identity()}
    reply = await AsyncHTTPClient().fetch(os.environ["CLASS_URL"], **request)
    if scenes.offer(**json.loads(reply.body)):
        after_cell()


# -- on the instructor's page ----------------------------------------------------------------------
places: dict[str, tuple[str, str]] = {}  # attendee -> page, exercise
offers = [""]  # the scenes that were offered, the last of them now; empty: none


def heard(name: str, page: str, exercise: str) -> dict[str, Any]:
    """What an attendee's kernel tells; the answer. A name that is none of the kit's is dropped."""
    if page in pages():
        places[name] = page, exercise if exercise in bank() else ""
    return {"scene": offers[-1], "number": len(offers)}


def offer(scene: str) -> None:
    """Offer it to everybody, in place of the last one; "" takes that back."""
    if scene in ("", *all_scenes()):
        offers.append(scene)


async def attendees() -> Table:
    """Whose server runs, as the hub's API says, and where they are."""
    url = f"{os.environ['JUPYTERHUB_API_URL']}/users?state=active&limit=200"
    users, rows = json.loads((await AsyncHTTPClient().fetch(url, headers=identity())).body), []
    for name in sorted(user["name"] for user in users):
        page, exercise = places.get(name, ("", ""))
        rows.append((name, page and topic_of(page), exercise and _(bank()[exercise].title)))
    heads = _("Attendee"), _("Page"), _("Exercise")
    return Table(_("Who is here: {n}", n=len(rows)), heads, tuple(rows))


def all_scenes() -> dict[str, str]:
    """The scenes of all pages, with their titles."""
    steps = (step for page in pages() for step in scenes.all_steps(page))
    return {step.scene: step.title for step in steps if step.scene}
