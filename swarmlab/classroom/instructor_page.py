"""The instructor's page: who is where, what is free, and a scene to offer to everybody.

The hub runs it as a service: `python -m swarmlab.classroom.instructor_page`. It keeps nothing in
files; when it is started again, attendees' kernels tell it again.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jupyterhub.services.auth import HubOAuth, HubOAuthCallbackHandler, HubOAuthenticated
from tornado.web import Application, RequestHandler, authenticated

from swarmlab.lessons import attendance
from swarmlab.strings import _
from swarmlab.views.meter import free

LOCAL = bool(os.environ.get("CLASS_LOCAL"))  # without a swarm


class Attendee(HubOAuthenticated, RequestHandler):  # type: ignore[misc]  # it has no types
    """What a kernel tells and asks, every few seconds."""

    hub_scopes = frozenset(["custom:class:attend"])  # jupyterhub_config.py gives it to attendees

    @authenticated
    def post(self) -> None:
        told = (self.get_body_argument(key, "") for key in ("page", "exercise"))
        self.write(attendance.heard(self.current_user["name"], *told))


class Instructor(HubOAuthenticated, RequestHandler):  # type: ignore[misc]  # as above
    """The page, which only instructors may open: no attendee has its scope."""

    @authenticated
    async def get(self) -> None:
        tables = await attendance.attendees(), await asyncio.to_thread(free, swarm=not LOCAL)
        shown: dict[str, Any] = {"tables": tables, "steps": attendance.all_scenes(), "_": _}
        self.render("instructor.html", offered=attendance.offers[-1], xsrf=self.xsrf_token, **shown)

    @authenticated
    def post(self) -> None:
        """By the form alone: HubOAuth takes no cookie without its token."""
        attendance.offer(self.get_body_argument("scene", ""))
        self.redirect(self.request.path)


async def main() -> None:
    """Serve it where the hub has said."""
    prefix, url = (os.environ[f"JUPYTERHUB_SERVICE_{key}"] for key in ("PREFIX", "URL"))
    routes = {"": Instructor, "attendee": Attendee, "oauth_callback": HubOAuthCallbackHandler}
    handlers = [(prefix + path, handler) for path, handler in routes.items()]
    secret = HubOAuth.instance().api_token
    site = Application(handlers, cookie_secret=secret, template_path=Path(__file__).parent)
    site.listen(urlsplit(url).port or 0, "127.0.0.1" if LOCAL else "")
    await asyncio.Event().wait()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(main())
