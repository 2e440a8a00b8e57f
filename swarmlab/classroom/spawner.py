"""One Swarm service per attendee: dockerspawner's SwarmSpawner, with sentences for what fails."""

from __future__ import annotations

import asyncio
from typing import Any

from docker.errors import DockerException
from dockerspawner import SwarmSpawner
from traitlets import Integer

from swarmlab.errors import LabError
from swarmlab.strings import N_

# What Swarm says of a task without a node, files or an image -> what that means for an attendee.
REASONS = {
    "insufficient": N_("The class is full: {words}. Tell your instructor, or try again later."),
    "no suitable node": N_("No node may take your server now: {words}. Tell your instructor."),
    "local volume": N_("Your files are out of reach: {words}. Tell your instructor."),
    "No such image": N_("A node lacks the class's image: {words}. Tell your instructor."),
    "": N_("The swarm did not start your server within {seconds} seconds: {words}"),
}


class ServerNotStarted(LabError):
    """Why an attendee has no server; JupyterHub shows it to them."""

    jupyterhub_message = property(str)


class ClassSpawner(SwarmSpawner):  # type: ignore[misc]  # it has no types
    """Starts an attendee's server as a service, which Swarm keeps running."""

    patience_s = Integer(30, config=True, help="How long a task may wait for a node or an image.")

    async def poll(self) -> int | None:
        """Running as long as the service exists: Swarm starts a new task when one ends."""
        return 0 if await self.get_object() is None else None

    async def start(self) -> Any:
        """Where the server is; ServerNotStarted when the swarm does not start it in time."""
        try:
            async with asyncio.timeout(self.patience_s):
                return await super().start()
        except DockerException as error:
            words = getattr(error, "explanation", None) or str(error)
            text = N_("The hub's Docker engine refused: {words}")
            raise ServerNotStarted(text, words=words) from error
        except (TimeoutError, RuntimeError) as error:
            words = await self.words_of_swarm()
            text = next(text for reason, text in REASONS.items() if reason in words)
            raise ServerNotStarted(text, words=words, seconds=self.patience_s) from error

    async def words_of_swarm(self) -> str:
        """Swarm's newest error for this service; while there is none, how far its task is."""
        tasks = await self.docker("tasks", filters={"service": self.service_name})
        states = [task["Status"] for task in sorted(tasks, key=lambda task: task["CreatedAt"])]
        errors = [state["Err"] for state in states if state.get("Err")]
        return str((errors or [state["Message"] for state in states] or [""])[-1])
