"""One Swarm service per attendee: dockerspawner's SwarmSpawner, with sentences for what fails."""

from __future__ import annotations

from dockerspawner import SwarmSpawner


class ClassSpawner(SwarmSpawner):  # type: ignore[misc]  # it has no types
    """Starts an attendee's server as a service, which Swarm keeps running."""

    async def poll(self) -> int | None:
        """Running as long as the service exists: Swarm starts a new task when one ends."""
        return 0 if await self.get_object() is None else None
