"""One engine's images: pulled from the registry, or imported with a Dockerfile's instructions."""

from __future__ import annotations

import json
import pickle
import re
import shlex
from collections.abc import Iterator, Sequence
from typing import Any

from swarmlab.errors import BadParameter, EngineRefusal, NoSuchObject
from swarmlab.model import Document, freeze
from swarmlab.model.image_reference import ImageReference
from swarmlab.simulation import MS, Call, Machine, S
from swarmlab.units import parse_duration
from swarmlab.worker.registry import Image, Registry, sha256

PULL_NS, PULL_BYTES_PER_S = 300 * MS, 100_000_000


class Images:
    """An engine's images, by id; `tags` names them. They lie on the machine's disk."""

    FILE = "docker/images"

    def __init__(self, machine: Machine, registry: Registry) -> None:
        self.machine = machine
        self.registry = registry
        self._images: dict[str, Image] = {}
        self.tags: dict[str, str] = {}  # `nginx:latest`, `nginx@sha256:…` -> id
        if self.FILE in machine.disk:
            self._images, self.tags = pickle.loads(machine.disk.read(self.FILE))

    def _save(self) -> None:
        self.machine.disk.write(self.FILE, pickle.dumps((self._images, self.tags)))

    def all(self) -> list[Image]:
        return list(self._images.values())

    def references(self, image: Image) -> tuple[str, ...]:
        """The image's names, `name:tag` and `name@digest`, sorted."""
        return tuple(sorted(name for name, id in self.tags.items() if id == image.id))

    def get(self, reference: str) -> Image:
        """By reference, id or unique beginning of an id; else `No such image`, Docker's words."""
        digits = reference.removeprefix("sha256:")
        if re.fullmatch(r"[0-9a-f]{1,64}", digits):
            found = [i for i in self._images.values() if i.id[7:].startswith(digits)]
            if len(found) == 1 and reference not in self.tags:
                return found[0]
        if len(digits) == 64:
            raise NoSuchObject(f"No such image: {reference}")
        wanted = ImageReference.parse(reference)
        name = f"{wanted.repository}@{wanted.digest}" if wanted.digest else wanted.familiar
        if name not in self.tags:
            raise NoSuchObject(f"No such image: {wanted.familiar}")
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
        self.add(self.get(source), ImageReference.parse(target).familiar)

    def pull(self, reference: str) -> Call:
        """Fetch from the registry; answered with the Image once what is missing has come."""
        answer = Call()
        try:
            wanted = ImageReference.parse(reference)
            image = self.registry.find(wanted)
        except EngineRefusal as error:
            self.machine.after(PULL_NS, answer.fail, error)
        else:
            missing_bytes = 0 if image.id in self._images else image.size_bytes
            delay_ns = PULL_NS + missing_bytes * S // PULL_BYTES_PER_S
            self.machine.after(delay_ns, self._pulled, answer, wanted, image)
        return answer

    def _pulled(self, answer: Call, wanted: ImageReference, image: Image) -> None:
        tag = () if wanted.digest else (wanted.familiar,)
        answer.resolve(self.add(image, *tag, f"{wanted.repository}@{image.digest}"))

    def remove(self, reference: str) -> list[dict[str, str]]:
        """Untag, and delete what then has no tag left; the rows that `docker rmi` shows."""
        image = self.get(reference)
        names = list(self.references(image))
        if digest_or_tag := [n for n in names if n in (reference, f"{reference}:latest")]:
            tags = [n for n in names if "@" not in n and n not in digest_or_tag]
            names = digest_or_tag if tags else names
        for name in names:
            del self.tags[name]
        rows = [{"Untagged": name} for name in names]
        if not self.references(image):
            del self._images[image.id]
            rows.append({"Deleted": image.id})
        self._save()
        return rows

    def import_image(self, reference: str, changes: Sequence[str] = ()) -> Image:
        """`docker import`: an image of these instructions, whatever files came with them."""
        config: dict[str, Any] = {}
        for change in changes:
            apply_change(config, change)
        now_ns = self.machine.simulation.now_ns
        names = [ImageReference.parse(reference).familiar] if reference else []
        key = f"{now_ns} {names} {[*changes]}"
        image = Image(
            id=sha256(f"import {key}"),
            config=Document(freeze(config)),
            layers=((sha256(f"imported layer {key}"), 1024),),
            created_ns=now_ns,
            platforms=("linux/amd64",),
        )
        return self.add(image, *names)


def apply_change(config: dict[str, Any], change: str) -> None:
    """One `--change` of `docker import`. Source: moby daemon/builder/dockerfile/dispatchers.go."""
    word, _, rest = change.strip().partition(" ")
    rest = rest.strip()
    match word.upper():
        case "CMD" | "ENTRYPOINT":
            config[word.capitalize()] = exec_form(rest, ["/bin/sh", "-c", rest])
        case "ENV":
            config["Env"] = [*config.get("Env", []), *map("=".join, pairs(rest))]
        case "LABEL":
            config["Labels"] = {**config.get("Labels", {}), **dict(pairs(rest))}
        case "EXPOSE":
            ports: dict[str, Any] = {p if "/" in p else f"{p}/tcp": {} for p in rest.split()}
            config["ExposedPorts"] = {**config.get("ExposedPorts", {}), **ports}
        case "USER":
            config["User"] = rest
        case "WORKDIR":
            config["WorkingDir"] = rest
        case "STOPSIGNAL":
            config["StopSignal"] = rest
        case "HEALTHCHECK":
            config["Healthcheck"] = healthcheck(rest)
        case "VOLUME" | "ONBUILD":
            pass  # the simulated containers have neither
        case _:
            raise BadParameter(f"{word} is not a valid change command")


def exec_form(text: str, otherwise: list[str]) -> list[str]:
    """A JSON array as it stands; anything else is for the shell."""
    try:
        words = json.loads(text)
    except ValueError:
        return otherwise
    return words if isinstance(words, list) else otherwise


def pairs(text: str) -> Iterator[tuple[str, str]]:
    """`A=1 B="two words"`, or the old form `A the rest`."""
    new = "=" in text.split(" ", 1)[0]
    for word in shlex.split(text) if new else [text]:
        name, _, value = word.partition("=" if new else " ")
        yield name, value


def healthcheck(text: str) -> dict[str, Any]:
    """`--interval=5s --retries=2 CMD …` or `NONE`."""
    found: dict[str, Any] = {}
    while option := re.match(r"--([a-z-]+)=(\S+)\s+", text):
        name = option[1].title().replace("-", "")
        try:
            found[name] = (int if name == "Retries" else parse_duration)(option[2])
        except ValueError as error:
            raise BadParameter(str(error)) from None
        text = text[option.end() :]
    kind, _, command = text.partition(" ")
    shell = ["CMD-SHELL", command.strip()]
    test = ["CMD", *words] if (words := exec_form(command, [])) else shell
    return {**found, "Test": ["NONE"] if kind.upper() == "NONE" else test}
