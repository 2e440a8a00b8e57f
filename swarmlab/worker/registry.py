"""The simulated image registry: the images that a pull can get."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from swarmlab.errors import EngineFault, NoSuchObject
from swarmlab.model import EMPTY, Document, freeze
from swarmlab.model.image_reference import ImageReference
from swarmlab.programs.interface import Site
from swarmlab.programs.table import WRAPPERS
from swarmlab.simulation import HOUR, Shared

# The lowest layer of many images is a distribution's, which all of them share.
BASE_BYTES = {"debian": 75_000_000, "alpine": 8_000_000}
BUILT_NS = -336 * HOUR  # two weeks before the run
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Image(Shared):
    """One image. `config` has Docker's fields: Cmd, Entrypoint, Env, Healthcheck, …"""

    id: str  # sha256:…
    digest: str = ""  # of its manifest, sha256:…; empty when it is in no registry
    config: Document = EMPTY
    layers: tuple[tuple[str, int], ...] = ()  # (digest, bytes), lowest first
    server_logs: tuple[str, ...] | None = None  # printed by its server at the start
    created_ns: int = 0
    platforms: tuple[str, ...] = ("linux/amd64", "linux/arm64")
    site: Site = Site()  # noqa: RUF009  (a tuple)
    any_command: bool = False  # whatever it is told to run is taken for its server

    @property
    def size_bytes(self) -> int:
        return sum(size_bytes for _, size_bytes in self.layers)

    @property
    def server(self) -> str:
        """The executable that runs as a server until it is stopped; empty: there is none."""
        words = [*(self.config.get("Entrypoint") or ()), *(self.config.get("Cmd") or ())]
        names = [word.rsplit("/", 1)[-1] for word in words]
        commands = [name for name in names if name not in WRAPPERS]
        return commands[0] if commands and self.server_logs is not None else ""


def sha256(text: str) -> str:
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def make_image(
    name: str,
    size_bytes: int,
    command: Sequence[str],
    server_logs: Sequence[str] | None,
    fields: Mapping[str, Any] = EMPTY,
    base: str = "",
    **config: Any,
) -> Image:
    """An image whose id, digest and layers depend on `name` alone: equal in all runs.

    With a `base`, its lowest layer is that of other images, too.
    """
    lower = BASE_BYTES.get(base, size_bytes * 6 // 10)
    middle = (size_bytes - lower) * 3 // 4
    sizes = (lower, middle, size_bytes - lower - middle)
    owners = (base or name, name, name)
    return Image(
        id=sha256(f"image {name}"),
        digest=sha256(f"manifest {name}"),
        config=Document(freeze({"Env": [PATH], "Cmd": list(command), **config})),
        layers=tuple(
            (sha256(f"layer {i} of {owner}"), size)
            for i, (owner, size) in enumerate(zip(owners, sizes, strict=True))
        ),
        server_logs=None if server_logs is None else tuple(server_logs),
        created_ns=BUILT_NS,
        **fields,
    )


def site_of(row: dict[str, Any]) -> Site:
    """The answers of a server; without a row it answers any path."""
    paths = row.get("paths")
    return Site(**{**row, "paths": None if paths is None else tuple(paths)})


@lru_cache(maxsize=1)
def well_known() -> dict[str, Image]:
    """The images in every registry, by familiar name; Alpine variants are a quarter the size.

    Of each row, `size_source` says where its size is from.
    """
    path = Path(__file__).parent / "well_known_images.json"
    images = {}
    for repository, row in json.loads(path.read_text(encoding="utf-8")).items():
        command, logs = shlex.split(row["command"]), row["server_logs"]
        fields: dict[str, Any] = {"site": site_of(row.get("site", {}))}
        if "platforms" in row:
            fields["platforms"] = tuple(row["platforms"].split())
        for tag in row["tags"].split():
            name = f"{repository}:{tag}"
            size_bytes = row["megabytes"] * 1_000_000 // (4 if "alpine" in tag else 1)
            lines = None if logs is None else logs.split("\n")
            base = "alpine" if "alpine" in tag and repository != "alpine" else row.get("base", "")
            made = make_image(name, size_bytes, command, lines, fields, base, **row["config"])
            images[name] = made
    return images


class Registry:
    """The well-known images, and those registered by the user.

    `any_image`: every other name has an image too, which runs any command as its server.
    """

    def __init__(self, *, any_image: bool = False) -> None:
        self._any_image = any_image
        self._images = dict(well_known())  # by familiar name
        self._builds: dict[tuple[str, str], Image] = {}  # by repository and digest

    def __len__(self) -> int:
        return len(self._images)

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
        A second build under a name, if it differs, gets the tag; the first one can still be pulled
        by its digest.
        """
        name = ImageReference.parse(reference)
        server_logs = None if command else logs
        command = command or [name.path.rsplit("/", 1)[-1]]
        build = f"{name.familiar} {size_bytes} {command} {server_logs} {config}"
        image = make_image(build, size_bytes, command, server_logs, **config)
        self._images[name.familiar] = self._builds[name.repository, image.digest] = image
        return image

    def find(self, reference: ImageReference) -> Image:
        """The image of that name; otherwise raises the error that Docker reports for a pull."""
        if not reference.digest and reference.familiar in self._images:
            return self._images[reference.familiar]
        repository = f"{reference.repository}:"
        images = [image for name, image in self._images.items() if name.startswith(repository)]
        for image in images:
            if reference.digest and image.digest == reference.digest:
                return image
        if build := self._builds.get((reference.repository, reference.digest)):
            return build
        if self._any_image and reference.tag:
            made_up = self._made_up(replace(reference, digest=""), images)
            if reference.digest in ("", made_up.digest):
                return made_up
        if images:
            text = "manifest unknown: manifest unknown"
            raise NoSuchObject(f"manifest for {reference.familiar} not found: {text}")
        if reference.domain != "docker.io":
            host = reference.domain.partition(":")[0]
            text = f"dial tcp: lookup {host}: no such host"
            raise EngineFault(f'Get "https://{reference.domain}/v2/": {text}')
        raise NoSuchObject(
            f"pull access denied for {reference.repository}, repository does not exist or may "
            "require 'docker login': denied: requested access to the resource is denied"
        )

    def _made_up(self, reference: ImageReference, others: Sequence[Image]) -> Image:
        """An image that only `any_image` has: like others of the repository, if there are any."""
        name = reference.familiar
        fields: dict[str, Any] = {"any_command": True}
        if not others:
            return make_image(name, 50_000_000, [reference.path.rsplit("/", 1)[-1]], (), fields)
        known = {**others[0].config}
        command, logs = known.pop("Cmd"), others[0].server_logs
        fields |= {"site": others[0].site, "platforms": others[0].platforms}
        return make_image(name, others[0].size_bytes, command, logs, fields, **known)
