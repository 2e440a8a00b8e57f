"""The images of one engine: pulled from the registry, or made by `docker import`.

Source: moby daemon/images; daemon/builder/dockerfile/dispatchers.go (the instructions).
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable, Sequence

from swarmlab.errors import Conflict, EngineRefusal, NoSuchObject
from swarmlab.model import Document
from swarmlab.model.image_reference import ImageReference
from swarmlab.simulation import MS, Call, Machine, S
from swarmlab.worker.registry import Image, Registry, sha256

PULL_NS, PULL_BYTES_PER_S = 300 * MS, 100_000_000


class Images:
    """Stored on the machine's disk; `tags` maps their names to ids.

    `on_event(action, id, attributes)` is called with each event.
    Source: moby daemon/images/image_events.go.
    """

    FILE = "docker/images"

    def __init__(self, machine: Machine, registry: Registry) -> None:
        self.machine = machine
        self.registry = registry
        self.on_event: Callable[[str, str, dict[str, str]], None] | None = None
        self._images: dict[str, Image] = {}
        self.tags: dict[str, str] = {}  # `nginx:latest`, `nginx@sha256:…` -> id
        if self.FILE in machine.disk:
            self._images, self.tags = pickle.loads(machine.disk.read(self.FILE))

    def _save(self) -> None:
        self.machine.disk.write(self.FILE, pickle.dumps((self._images, self.tags)))

    def _emit(self, action: str, image: Image, id: str = "", name: str = "") -> None:
        """An event; of an image without a name, its id stands for it."""
        if self.on_event:
            labels = image.config.get("Labels") or {}
            self.on_event(action, id or image.id, {**labels, "name": name or image.id})

    def all(self) -> list[Image]:
        return list(self._images.values())

    def references(self, image: Image) -> tuple[str, ...]:
        """The image's names, `name:tag` and `name@digest`, sorted."""
        return tuple(sorted(name for name, id in self.tags.items() if id == image.id))

    def get(self, reference: str) -> Image:
        """By reference, id or unique prefix of an id; raises NoSuchObject."""
        digits = reference.removeprefix("sha256:")
        if re.fullmatch(r"[0-9a-f]{1,64}", digits):
            matching = [i for i in self._images.values() if i.id[7:].startswith(digits)]
            if len(matching) == 1 and reference not in self.tags:
                return matching[0]
        if len(digits) == 64:
            raise NoSuchObject(f"No such image: {reference}")
        parsed = ImageReference.parse(reference)
        name = f"{parsed.repository}@{parsed.digest}" if parsed.digest else parsed.familiar
        if name not in self.tags:
            raise NoSuchObject(f"No such image: {parsed.familiar}")
        return self._images[self.tags[name]]

    def __contains__(self, reference: str) -> bool:
        try:
            return bool(self.get(reference))
        except EngineRefusal:
            return False

    def add(self, image: Image, *names: str) -> Image:
        if image.id not in self._images or any(self.tags.get(n) != image.id for n in names):
            self._images[image.id] = image
            self.tags.update(dict.fromkeys(names, image.id))
            self._save()
        return image

    def tag(self, source: str, target: str) -> None:
        name = ImageReference.parse(target).familiar
        self._emit("tag", self.add(self.get(source), name), name=name)

    def pull(self, reference: str) -> Call:
        """Fetch an image from the registry; resolves to it when its missing layers have arrived."""
        result = Call()
        try:
            parsed = ImageReference.parse(reference)
            image = self.registry.find(parsed)
        except EngineRefusal as error:
            self.machine.after(PULL_NS, result.fail, error)
        else:
            here = {digest for other in self.all() for digest, _ in other.layers}
            missing_bytes = sum(size for digest, size in image.layers if digest not in here)
            delay_ns = PULL_NS + missing_bytes * S // PULL_BYTES_PER_S
            self.machine.after(delay_ns, self._pulled, result, parsed, image)
        return result

    def _pulled(self, result: Call, reference: ImageReference, image: Image) -> None:
        tag = () if reference.digest else (reference.familiar,)
        self.add(image, *tag, f"{reference.repository}@{image.digest}")
        self._emit("pull", image, reference.familiar, reference.repository)
        result.resolve(image)

    def remove(
        self, reference: str, users: Sequence[tuple[str, str]] = (), *, force: bool = False
    ) -> list[dict[str, str]]:
        """Untag, and delete the image when no name is left; returns what `docker rmi` prints.

        `users`: ("running" or "stopped", id) of its containers, those that run first.
        Source: moby daemon/images/image_delete.go.
        """
        image = self.get(reference)
        names, short = list(self.references(image)), image.id[7:19]
        tags = [name for name in names if "@" not in name]
        named = [name for name in names if name in (reference, f"{reference}:latest")]
        state, id = users[0] if users else ("", "")
        why = f"image is being used by {state} container {id[:12]}"
        if named and set(tags) - set(named):
            names = named
        elif named and users and not force:
            raise Conflict(
                f'conflict: unable to remove repository reference "{reference}" (must force) - '
                f"container {id[:12]} is using its referenced image {short}"
            )
        elif not named and state == "running":
            raise Conflict(f"conflict: unable to delete {short} (cannot be forced) - {why}")
        elif not named and not force and (users or len(tags) > 1):
            why = "image is referenced in multiple repositories" if len(tags) > 1 else why
            raise Conflict(f"conflict: unable to delete {short} (must be forced) - {why}")
        for name in names:
            del self.tags[name]
            self._emit("untag", image)
        rows = [{"Untagged": name} for name in names]
        if not self.references(image) and state != "running":
            del self._images[image.id]
            self._emit("delete", image)
            rows.append({"Deleted": image.id})
        self._save()
        return rows

    def import_image(self, reference: str, config: Document) -> Image:
        """`docker import`: an image with this configuration; its files are not kept."""
        now_ns = self.machine.simulation.now_ns
        names = [ImageReference.parse(reference).familiar] if reference else []
        key = f"{now_ns} {names} {config}"
        image = Image(
            id=sha256(f"import {key}"),
            config=config,
            layers=((sha256(f"imported layer {key}"), 1024),),
            created_ns=now_ns,
            platforms=("linux/amd64",),
        )
        self.add(image, *names)
        for name in names:
            self._emit("tag", image, name=name)
        self._emit("import", image)
        return image
