"""Image names as Docker reads them, and a world's one registry: what a pull finds."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from swarmlab.errors import EngineFault, NoSuchObject
from swarmlab.model import EMPTY, Document, freeze
from swarmlab.model.image_reference import ImageReference

PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Entry points that only run what follows them.
WRAPPERS = ("docker-entrypoint.sh", "entrypoint.sh", "tini", "dumb-init", "--")


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """One image, wherever it is. `config` is Docker's: Cmd, Entrypoint, Env, Healthcheck, …"""

    id: str  # sha256:…
    digest: str = ""  # of its manifest, sha256:…; empty when it never was in a registry
    config: Document = EMPTY
    layers: tuple[tuple[str, int], ...] = ()  # (digest, bytes), lowest first
    server_logs: tuple[str, ...] | None = None  # its command is a server that starts with these
    created_ns: int = 0
    platforms: tuple[str, ...] = ("linux/amd64", "linux/arm64")

    def __deepcopy__(self, memo: dict[int, Any]) -> Image:
        return self

    @property
    def size_bytes(self) -> int:
        return sum(size_bytes for _, size_bytes in self.layers)

    @property
    def server(self) -> str:
        """The executable in it that serves until it is told to stop; empty: there is none."""
        words = [*(self.config.get("Entrypoint") or ()), *(self.config.get("Cmd") or ())]
        names = [word.rsplit("/", 1)[-1] for word in words]
        serving = [name for name in names if name not in WRAPPERS]
        return serving[0] if serving and self.server_logs is not None else ""


def sha256(text: str) -> str:
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def make_image(
    name: str,
    size_bytes: int,
    command: Sequence[str],
    server_logs: Sequence[str] | None,
    **config: Any,
) -> Image:
    """An image whose id, digest and layers follow from its full name: the same in every world."""
    lower, middle = size_bytes * 6 // 10, size_bytes * 3 // 10
    sizes = (lower, middle, size_bytes - lower - middle)
    return Image(
        id=sha256(f"image {name}"),
        digest=sha256(f"manifest {name}"),
        config=Document(freeze({"Env": [PATH], "Cmd": list(command), **config})),
        layers=tuple((sha256(f"layer {i} of {name}"), size) for i, size in enumerate(sizes)),
        server_logs=None if server_logs is None else tuple(server_logs),
    )


@lru_cache(maxsize=1)
def well_known() -> dict[str, Image]:
    """The images that every world's registry has, by familiar name; an Alpine variant is small."""
    path = Path(__file__).parent / "well_known_images.json"
    images = {}
    for repository, row in json.loads(path.read_text(encoding="utf-8")).items():
        command, logs = shlex.split(row["command"]), row["server_logs"]
        for tag in row["tags"].split():
            name = f"{repository}:{tag}"
            size_bytes = row["megabytes"] * 1_000_000 // (4 if "alpine" in tag else 1)
            lines = None if logs is None else logs.split("\n")
            images[name] = make_image(name, size_bytes, command, lines, **row["config"])
    return images


class Registry:
    """What a pull finds: the well-known images, and those that the lab registers."""

    def __init__(self) -> None:
        self._images = dict(well_known())  # by familiar name

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
        name = ImageReference.parse(reference)
        server_logs = None if command else logs
        command = command or [name.path.rsplit("/", 1)[-1]]
        image = make_image(name.familiar, size_bytes, command, server_logs, **config)
        self._images[name.familiar] = image
        return image

    def find(self, wanted: ImageReference) -> Image:
        """The image of that name, or the engine's words of why it cannot be pulled."""
        if not wanted.digest and wanted.familiar in self._images:
            return self._images[wanted.familiar]
        repository = f"{wanted.repository}:"
        there = [image for name, image in self._images.items() if name.startswith(repository)]
        for image in there:
            if wanted.digest and image.digest == wanted.digest:
                return image
        if there:
            text = "manifest unknown: manifest unknown"
            raise NoSuchObject(f"manifest for {wanted.familiar} not found: {text}")
        if wanted.domain != "docker.io":
            host = wanted.domain.partition(":")[0]
            text = f"dial tcp: lookup {host}: no such host"
            raise EngineFault(f'Get "https://{wanted.domain}/v2/": {text}')
        raise NoSuchObject(
            f"pull access denied for {wanted.repository}, repository does not exist or may require "
            "'docker login': denied: requested access to the resource is denied"
        )
