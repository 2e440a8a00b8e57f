"""The registry of one cluster: what is published there is in the journal, and so in saved runs."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from swarmlab.engine.schemas import decoded
from swarmlab.model.image_reference import ImageReference
from swarmlab.worker.registry import Image, Registry


class ClusterRegistry:
    """The images that a pull finds.

    `cluster.registry.register("shop:1")`. Lesson: 12_rolling_updates.
    """

    def __init__(self, registry: Callable[[], Registry], do: Callable[..., None]) -> None:
        self._registry, self._do = registry, do  # `do` writes an action into the journal

    def register(
        self,
        reference: str,
        command: Sequence[str] = (),
        *,
        size_bytes: int = 50_000_000,
        logs: Sequence[str] = (),
        **config: Any,
    ) -> Image:
        """Publish an image that runs `command`; without one, a server that starts with `logs`.

        `config` takes Docker's own fields: Env, Entrypoint, Healthcheck, ExposedPorts, …
        """
        image = reference, list(command), size_bytes, list(logs), config
        self._do("register", *json.loads(json.dumps(image)))
        return self._registry().find(ImageReference.parse(reference))

    def __repr__(self) -> str:
        return f"<Registry of {len(self._registry())} images>"


def register_image(registry: Registry, args: Sequence[Any]) -> None:
    """Publish an image as the journal has it; BadParameter: its `config` is not what Docker takes.

    Only what a container's configuration can hold is kept of it.
    """
    reference, command, size_bytes, logs, config = args
    fields = decoded(config, "ContainerConfigWrapper")
    registry.register(reference, command, size_bytes=size_bytes, logs=logs, **fields)
